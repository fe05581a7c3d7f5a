//! Which bodies are bytes: an API's binary media types.

/// An API's binary media types: `image/png`, `image/*`, `*/*`.
#[derive(Clone, Debug, Default)]
pub(in crate::rest) struct BinaryTypes(Vec<String>);

impl BinaryTypes {
    pub(in crate::rest) fn new(types: Option<&[String]>) -> BinaryTypes {
        BinaryTypes(types.unwrap_or_default().iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Whether a body of this type is bytes. One without a type is text, unless all are bytes.
    pub(in crate::rest) fn has(&self, content_type: Option<&str>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let found = essence(content_type.unwrap_or_default()).to_ascii_lowercase();
        let (kind, _) = found.split_once('/').unwrap_or((&found, ""));
        self.0.iter().any(|known| match known.split_once('/') {
            Some(("*", "*")) => true,
            Some((known_kind, "*")) => known_kind == kind,
            _ => *known == found,
        })
    }

    /// Whether a caller takes bytes: the first type of its `Accept` decides, as on AWS.
    pub(in crate::rest) fn accepted(&self, accept: Option<&str>) -> bool {
        let first = accept.and_then(|accept| accept.split(',').next());
        first.is_some_and(|first| self.has(Some(first))) || self.0.iter().any(|known| known == "*/*")
    }
}

/// A media type without its parameters.
pub(in crate::rest) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_or_starred() {
        let types = |names: &[&str]| BinaryTypes::new(Some(&names.iter().map(|n| n.to_string()).collect::<Vec<_>>()));
        let some = types(&["image/png", "Audio/*"]);
        for (content_type, is_binary) in [
            (Some("image/png"), true),
            (Some("IMAGE/PNG; q=1"), true),
            (Some("image/jpeg"), false),
            (Some("audio/ogg"), true),
            (Some("audio"), true),
            (Some("text/plain"), false),
            (None, false),
        ] {
            assert_eq!(some.has(content_type), is_binary, "{content_type:?}");
        }
        assert!(types(&["*/*"]).has(None) && types(&["*/*"]).accepted(None));
        assert!(!BinaryTypes::default().has(Some("image/png")) && !BinaryTypes::default().accepted(Some("*/*")));
        assert!(some.accepted(Some("image/png,text/html")) && !some.accepted(Some("text/html,image/png")));
        assert!(!some.accepted(Some("*/*")) && !some.accepted(None));
    }
}
