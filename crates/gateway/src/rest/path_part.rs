//! Parts of resources' paths: `pets`, `{id}`, `{proxy+}`.

use base::Error;

use super::error::bad;

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
