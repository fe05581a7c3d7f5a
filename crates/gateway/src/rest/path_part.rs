//! Parts of resources' paths: `pets`, `{id}`, `{proxy+}`.

use base::Error;

use super::error::{bad, conflict, too_many};
use super::records::Resource;

/// A part that AWS takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPart(String);

const ALLOWED: &str = "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the \
                       beginning and the end.";

impl PathPart {
    /// Reads a part, or says what AWS says.
    pub(crate) fn read(text: &str) -> Result<PathPart, Error> {
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let name = inner.map_or(text, |inner| inner.strip_suffix('+').unwrap_or(inner));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(bad(ALLOWED));
        }
        Ok(PathPart(text.to_owned()))
    }

    /// As it was given.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Whether it stands for any part.
    pub(crate) fn is_variable(&self) -> bool {
        self.0.starts_with('{')
    }

    /// Whether it stands for all that follows.
    pub(crate) fn is_greedy(&self) -> bool {
        self.0.ends_with("+}")
    }
}

/// Most resources of an API. AWS's are 300, raised on request.
const RESOURCES_MAX: usize = 2_000;

/// Refuses one more resource than there may be beside so many and the root.
pub(crate) fn check_count(resources: usize) -> Result<(), Error> {
    if resources > RESOURCES_MAX {
        let words = "Maximum number of Resources for this API has been reached. Please contact AWS if you need \
                     additional Resources.";
        return Err(too_many(words));
    }
    Ok(())
}

/// Whether a node may be there: below `parent`, among its other children.
pub(crate) fn check_place<'a>(
    all: impl IntoIterator<Item = &'a Resource>,
    parent: &Resource,
    part: &PathPart,
    but: Option<&str>,
) -> Result<(), Error> {
    let above = parent.path_part.as_deref().unwrap_or_default();
    if PathPart::read(above).is_ok_and(|above| above.is_greedy()) {
        return Err(bad(format!("Cannot create a child of a resource with a greedy path variable: {above}")));
    }
    let siblings = all.into_iter().filter(|one| one.parent_id.as_deref() == Some(&parent.id));
    for sibling in siblings.filter(|one| but != Some(&one.id)) {
        let text = sibling.path_part.as_deref().unwrap_or_default();
        if text == part.text() {
            return Err(conflict(format!("Another resource with the same parent already has this name: {text}")));
        }
        if part.is_variable() && PathPart::read(text).is_ok_and(|sibling| sibling.is_variable()) {
            let words =
                format!("A sibling ({text}) of this resource already has a variable path part -- only one is allowed");
            return Err(bad(words));
        }
    }
    Ok(())
}

/// The path of a child.
pub(crate) fn child_path(parent: &str, part: &str) -> String {
    format!("{}/{part}", parent.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_names_or_variables() {
        for (text, is_variable, is_greedy) in
            [("pets", false, false), ("a.b_c-d:e", false, false), ("{id}", true, false), ("{proxy+}", true, true)]
        {
            let part = PathPart::read(text).unwrap();
            assert_eq!((part.is_variable(), part.is_greedy()), (is_variable, is_greedy), "{text}");
        }
        for text in ["", "{}", "{+}", "a/b", "a b", "{a", "a}", "a+", "{a}b", "ü", "{{a}}"] {
            assert!(PathPart::read(text).is_err(), "{text}");
        }
        assert_eq!(child_path("/", "a"), "/a");
        assert_eq!(child_path("/a", "{b}"), "/a/{b}");
    }
}
