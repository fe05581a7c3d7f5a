//! Documentation: which places are the same, and what may be said of them.

use base::Error;
use serde_json::Value;

use super::error::bad;
use super::records::{DocumentationPartLocation, text_of};

/// Whether two locations are one place: what is absent has a default.
pub(crate) fn is_same(one: &DocumentationPartLocation, other: &DocumentationPartLocation) -> bool {
    let whole = |location: &DocumentationPartLocation| {
        let or = |text: &Option<String>, default: &str| text.clone().unwrap_or_else(|| default.to_owned());
        let (path, method) = (or(&location.path, "/"), or(&location.method, "*"));
        (location.r#type, path, method, or(&location.status_code, "*"), location.name.clone())
    };
    whole(one) == whole(other)
}

/// A place in words.
pub(crate) fn place(location: &DocumentationPartLocation) -> String {
    let mut words = format!("type '{}'", text_of(location.r#type));
    let more = [("path", &location.path), ("method", &location.method), ("name", &location.name)];
    for (name, value) in more {
        if let Some(value) = value {
            words.push_str(&format!(", {name} '{value}'"));
        }
    }
    words
}

/// Refuses properties that are no JSON object.
pub(crate) fn check_properties(properties: &str) -> Result<(), Error> {
    match serde_json::from_str::<Value>(properties) {
        Ok(Value::Object(_)) => Ok(()),
        _ => Err(bad("Documentation part properties must be a JSON object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_name_the_same_place() {
        let api = DocumentationPartLocation::default();
        let root = DocumentationPartLocation { path: Some("/".to_owned()), ..api.clone() };
        assert!(is_same(&api, &root));
        assert!(!is_same(&api, &DocumentationPartLocation { name: Some("a".to_owned()), ..api.clone() }));
    }
}
