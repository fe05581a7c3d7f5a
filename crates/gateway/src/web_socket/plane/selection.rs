//! Selection expressions: by what a message finds its route, its model, its template, and an answer its response.
//!
//! `$request.body.action` and `${request.body.service}/${request.body.action}` are text with references in it; `\$default`
//! is text. What a reference means is the caller's matter.

use std::borrow::Cow;

use serde_json::Value;

/// An expression, taken apart once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expression(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// What stood after the `$`, without braces.
    Reference(String),
}

impl Expression {
    /// Reads an expression. A `$` that begins no name stands for itself.
    pub(crate) fn parse(text: &str) -> Expression {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['$', '\\']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("\\$") {
                plain.push('$');
                rest = after;
                continue;
            }
            match reference(rest) {
                Some((name, after)) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Reference(name.to_owned()));
                    rest = after;
                }
                None => {
                    plain.push_str(&rest[..1]);
                    rest = &rest[1..];
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Expression(pieces)
    }

    /// Its value, references replaced by what `look_up` has for them; none if one of them has nothing.
    pub(crate) fn value<'a>(&'a self, look_up: impl Fn(&str) -> Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
        let of = |piece: &'a Piece| match piece {
            Piece::Text(text) => Some(Cow::Borrowed(text.as_str())),
            Piece::Reference(name) => look_up(name),
        };
        match self.0.as_slice() {
            [one] => of(one),
            pieces => pieces.iter().map(of).collect::<Option<String>>().map(Cow::Owned),
        }
    }
}

/// The reference that a text begins with, and what comes after it: `$name.of.it` or `${name.of.it}`. A `$` before a word that
/// is not one of AWS's roots (`$default`) is text.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (name, after) = match text.strip_prefix("${") {
        Some(braced) => braced.split_once('}')?,
        None => {
            let bare = text.strip_prefix('$')?;
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '[' | ']');
            bare.split_at(bare.find(|c| !is_name(c)).unwrap_or(bare.len()))
        }
    };
    let root = name.split('.').next().unwrap_or_default();
    ["request", "context", "stageVariables", "integration"].contains(&root).then_some((name, after))
}

/// The value below a document that a path like `a.b[0].c` names, as text; objects and lists as JSON, null as nothing.
pub(crate) fn below<'a>(document: &'a Value, path: &str) -> Option<Cow<'a, str>> {
    let mut at = document;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let (name, indices) = step.split_at(step.find('[').unwrap_or(step.len()));
        if !name.is_empty() {
            at = at.get(name)?;
        }
        for index in indices.split(['[', ']']).filter(|index| !index.is_empty()) {
            at = at.get(index.parse::<usize>().ok()?)?;
        }
    }
    match at {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(expression: &str, body: &str) -> Option<String> {
        let body: Value = serde_json::from_str(body).unwrap();
        let look_up = |name: &str| match name {
            "request.body" => below(&body, "").map(|text| text.into_owned().into()),
            "context.stage" => Some("prod".into()),
            name => below(&body, name.strip_prefix("request.body.")?).map(|text| text.into_owned().into()),
        };
        Expression::parse(expression).value(look_up).map(Cow::into_owned)
    }

    #[test]
    fn expressions_are_text_with_references() {
        let body = r#"{"action":"go","n":7,"deep":{"list":[{"x":"y"}]},"nothing":null}"#;
        for (expression, expected) in [
            ("$request.body.action", Some("go")),
            ("${request.body.action}", Some("go")),
            ("${request.body.action}/${request.body.n}", Some("go/7")),
            ("$request.body.deep.list[0].x", Some("y")),
            ("$request.body.deep", Some(r#"{"list":[{"x":"y"}]}"#)),
            ("stage $context.stage!", Some("stage prod!")),
            (r"\$default", Some("$default")),
            ("$default", Some("$default")),
            (r"\${request.body.action}", Some("${request.body.action}")),
            ("a$", Some("a$")),
            ("${unclosed", Some("${unclosed")),
            ("", Some("")),
            ("$request.body.none", None),
            ("$request.body.nothing", None),
            ("$request.body.deep.list[9].x", None),
            ("$request.body.action.further", None),
            ("x$request.body.none", None),
            ("$request.header.x", None),
        ] {
            assert_eq!(value(expression, body).as_deref(), expected, "{expression}");
        }
    }
}
