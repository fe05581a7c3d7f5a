//! What a PATCH does to a record: what is not given stays; an empty text takes a value away.

use std::collections::BTreeMap;

use super::records::Texts;

/// A value that must be there.
pub(crate) fn set_required<T: Clone>(value: &mut T, given: Option<&T>) {
    if let Some(given) = given {
        value.clone_from(given);
    }
}

/// A value as a whole.
pub(crate) fn set<T: Clone>(value: &mut Option<T>, given: &Option<T>) {
    if given.is_some() {
        value.clone_from(given);
    }
}

/// A text; an empty one takes it away.
pub(crate) fn set_text(value: &mut Option<String>, given: &Option<String>) {
    if let Some(given) = given {
        *value = Some(given.clone()).filter(|text| !text.is_empty());
    }
}

/// Texts by name, name by name; an empty one takes its name away.
pub(crate) fn merge_texts(value: &mut Option<Texts>, given: &Option<Texts>) {
    merge(value, given, String::is_empty);
}

/// Values by name, name by name; an empty one takes its name away.
pub(crate) fn merge<T: Clone>(
    value: &mut Option<BTreeMap<String, T>>,
    given: &Option<BTreeMap<String, T>>,
    is_empty: impl Fn(&T) -> bool,
) {
    let Some(given) = given else { return };
    let all = value.get_or_insert_default();
    for (name, one) in given {
        if is_empty(one) {
            all.remove(name);
        } else {
            all.insert(name.clone(), one.clone());
        }
    }
}
