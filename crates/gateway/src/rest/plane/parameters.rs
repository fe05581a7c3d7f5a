//! Parameter mappings: expressions that name a value of a request, of an integration's answer, of the context or of the stage.

use std::borrow::Cow;

use serde_json::Value;

use super::asked::Asked;
use super::proxied::Answered;
use crate::edge::context::Context;
use crate::rest::records::Texts;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::rest) enum Source {
    /// `'text'`
    Fixed(String),
    /// `method.request.header.name`
    Header(String),
    /// `method.request.multivalueheader.name`
    Headers(String),
    /// `method.request.querystring.name`
    Query(String),
    /// `method.request.multivaluequerystring.name`
    Queries(String),
    /// `method.request.path.name`
    Path(String),
    /// `method.request.body`, or a member of it
    Body(Vec<Step>),
    /// `integration.response.header.name`
    AnswerHeader(String),
    /// `integration.response.multivalueheader.name`
    AnswerHeaders(String),
    /// `integration.response.body`, or a member of it
    AnswerBody(Vec<Step>),
    /// `context.name`
    Context(String),
    /// `stageVariables.name`
    Variable(String),
}

/// A step into a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rest) enum Step {
    Member(String),
    Item(usize),
}

/// Reads an expression; none if it is none of AWS's.
pub(in crate::rest) fn parse(expression: &str) -> Option<Source> {
    if let Some(text) = expression.strip_prefix('\'') {
        return Some(Source::Fixed(text.strip_suffix('\'')?.to_owned()));
    }
    if let Some(name) = expression.strip_prefix("context.") {
        return Some(Source::Context(name.to_owned()));
    }
    if let Some(name) = expression.strip_prefix("stageVariables.") {
        return Some(Source::Variable(name.to_owned()));
    }
    let (is_answer, rest) = match expression.strip_prefix("integration.response.") {
        Some(rest) => (true, rest),
        None => (false, expression.strip_prefix("method.request.")?),
    };
    let (place, name) = rest.split_once('.').unwrap_or((rest, ""));
    let owned = || (!name.is_empty()).then(|| name.to_owned());
    Some(match (place, is_answer) {
        ("header", false) => Source::Header(owned()?),
        ("multivalueheader", false) => Source::Headers(owned()?),
        ("querystring", false) => Source::Query(owned()?),
        ("multivaluequerystring", false) => Source::Queries(owned()?),
        ("path", false) => Source::Path(owned()?),
        ("body", false) => Source::Body(steps(name)?),
        ("header", true) => Source::AnswerHeader(owned()?),
        ("multivalueheader", true) => Source::AnswerHeaders(owned()?),
        ("body", true) => Source::AnswerBody(steps(name)?),
        _ => return None,
    })
}

/// `a.b[0].c`
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (name, mut items) = part.split_once('[').map_or((part, ""), |(name, rest)| (name, rest));
        if !name.is_empty() {
            steps.push(Step::Member(name.to_owned()));
        }
        while !items.is_empty() {
            let (index, rest) = items.split_once(']')?;
            steps.push(match index.trim_matches(['\'', '"']) {
                name if name.len() != index.len() => Step::Member(name.to_owned()),
                number => Step::Item(number.parse().ok()?),
            });
            items = rest.strip_prefix('[').unwrap_or(rest);
        }
    }
    Some(steps)
}

impl Source {
    /// The value, if there is one. `answer` is the integration's, where there is one yet.
    pub(in crate::rest) fn value<'a>(
        &'a self,
        asked: &'a Asked,
        context: &'a Context,
        variables: Option<&'a Texts>,
        answer: Option<&'a Answered>,
    ) -> Option<Cow<'a, str>> {
        match self {
            Source::Fixed(text) => Some(text.into()),
            Source::Header(name) => asked.header(name),
            Source::Headers(name) => asked.joined_header(name).map(Cow::Owned),
            Source::Query(name) => asked.query_parameter(name),
            Source::Queries(name) => self.all(asked).map(|values| values.join(",").into()).filter(|_| !name.is_empty()),
            Source::Path(name) => asked.path_parameter(name).map(Cow::Borrowed),
            Source::Body(steps) => member(&asked.body, steps),
            Source::AnswerHeader(name) => {
                let values = answer?.headers.get_all(name.as_str());
                values.iter().next_back().map(|value| String::from_utf8_lossy(value.as_bytes()))
            }
            Source::AnswerHeaders(name) => {
                let values = answer?.headers.get_all(name.as_str());
                let values: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
                (!values.is_empty()).then(|| values.join(",").into())
            }
            Source::AnswerBody(steps) => member(&answer?.body, steps),
            Source::Context(name) => context.get(name),
            Source::Variable(name) => variables?.get(name).map(|value| value.as_str().into()),
        }
    }

    /// All values of a query parameter that may be there several times.
    pub(in crate::rest) fn all<'a>(&self, asked: &'a Asked) -> Option<Vec<Cow<'a, str>>> {
        let Source::Queries(name) = self else { return None };
        let values: Vec<_> =
            asked.query_pairs().into_iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect();
        (!values.is_empty()).then_some(values)
    }
}

/// The body, or what a path names in it.
fn member<'a>(body: &'a [u8], steps: &[Step]) -> Option<Cow<'a, str>> {
    if steps.is_empty() {
        return (!body.is_empty()).then(|| String::from_utf8_lossy(body));
    }
    let document: Value = serde_json::from_slice(body).ok()?;
    let found = steps.iter().try_fold(&document, |at, step| match step {
        Step::Member(name) => at.get(name),
        Step::Item(index) => at.get(index),
    })?;
    match found {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into()),
        other => Some(other.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use bytes::Bytes;

    use super::*;

    #[test]
    fn expressions_name_values() {
        let (head, ()) = http::Request::builder().uri("/?q=1&q=2").header("x-a", "h").body(()).unwrap().into_parts();
        let asked = Asked {
            method: head.method,
            version: head.version,
            path: "/".to_owned(),
            query: "q=1&q=2".to_owned(),
            headers: head.headers.clone(),
            body: Bytes::from_static(br#"{"a": {"b": [1, {"c": "d"}]}, "n": null}"#),
            path_parameters: vec![("id".to_owned(), "7".to_owned())],
        };
        let mut context = Context::new(Timestamp::from_millis(0));
        context.set("identity.sourceIp", "10.0.0.1");
        let variables = Texts::from([("v".to_owned(), "var".to_owned())]);
        let answer =
            Answered { status: http::StatusCode::OK, headers: head.headers, body: Bytes::from_static(b"[\"x\"]") };
        for (expression, value) in [
            ("'it is'", Some("it is")),
            ("''", Some("")),
            ("method.request.header.X-A", Some("h")),
            ("method.request.header.none", None),
            ("method.request.multivalueheader.x-a", Some("h")),
            ("method.request.querystring.q", Some("2")),
            ("method.request.multivaluequerystring.q", Some("1,2")),
            ("method.request.path.id", Some("7")),
            ("method.request.body.a.b[0]", Some("1")),
            ("method.request.body.a.b[1].c", Some("d")),
            ("method.request.body.a['b'][1]['c']", Some("d")),
            ("method.request.body.a.b", Some(r#"[1,{"c":"d"}]"#)),
            ("method.request.body.n", None),
            ("method.request.body.none.x", None),
            ("integration.response.header.x-a", Some("h")),
            ("integration.response.body[0]", None),
            ("integration.response.body", Some("[\"x\"]")),
            ("context.identity.sourceIp", Some("10.0.0.1")),
            ("stageVariables.v", Some("var")),
            ("stageVariables.w", None),
        ] {
            let source = parse(expression);
            let found = source.as_ref().and_then(|s| s.value(&asked, &context, Some(&variables), Some(&answer)));
            assert_eq!(found.as_deref(), value, "{expression}");
        }
        for none in ["", "'open", "method.request.cookie.a", "method.request.header", "integration.request.header.a"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
