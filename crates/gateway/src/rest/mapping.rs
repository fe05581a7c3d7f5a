//! Mapping templates: how bodies become other bodies, and what a template says of the rest of a request or answer.
//!
//! The language is `lang::vtl`; here is what API Gateway gives its templates: `$input` and `$util` (`input.rs`, `util.rs`), `$context`
//! with the overrides that a template may set (`overrides.rs`), and `$stageVariables`. A template is parsed once, when its stage
//! is compiled ([`parse`]), and rendered for each request ([`render`]).

mod input;
mod overrides;
mod util;

use std::rc::Rc;

use bytes::Bytes;
use lang::vtl::{Error, Fault, Map, Rules, Template, Value, Variables};

use super::records::Texts;
use crate::edge::context::Context;

pub(crate) use overrides::Overrides;

/// A template's size: AWS's limit is 300 KB.
const TEMPLATE_BYTES_MAX: usize = 300 * 1024;

/// Names with their values, as a request has them: a name may come several times.
pub(crate) type Pairs = [(String, String)];

/// What a template sees of a request or answer.
pub(crate) struct Inputs<'a> {
    /// The body: the caller's, or the integration's.
    pub(crate) body: &'a Bytes,
    /// The caller's path parameters.
    pub(crate) path: &'a Pairs,
    /// The caller's query string.
    pub(crate) querystring: &'a Pairs,
    /// The headers: the caller's, in both directions.
    pub(crate) header: &'a Pairs,
    pub(crate) context: &'a Context,
    pub(crate) stage_variables: &'a Texts,
}

/// What a template made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rendered {
    pub(crate) body: String,
    pub(crate) overrides: Overrides,
}

/// Reads a template. What is no template is kept all the same, as on AWS, and fails each request: that is the caller's.
pub(crate) fn parse(template: &str) -> Result<Template, Error> {
    if template.len() > TEMPLATE_BYTES_MAX {
        return Err(Error { what: "the mapping template exceeds 300 KB".to_owned(), line: 1, column: 1 });
    }
    Template::parse(template)
}

/// Renders a template.
pub(crate) fn render(template: &Template, inputs: &Inputs<'_>) -> Result<Rendered, Error> {
    let rules = Rules { missing_is_empty: true, ..Rules::default() };
    let context = Rc::new(overrides::ContextObject::new(inputs.context.clone()));
    let mut variables = Variables::with_capacity(8);
    variables.insert("input".into(), Value::Object(Rc::new(input::Input::new(inputs))));
    variables.insert("util".into(), Value::Object(Rc::new(util::Util)));
    variables.insert("context".into(), Value::Object(context.clone()));
    variables.insert("stageVariables".into(), Value::Map(texts(inputs.stage_variables)));
    let body = template.render(&mut variables, &rules)?;
    Ok(Rendered { body, overrides: context.overrides() })
}

fn texts(texts: &Texts) -> Map {
    let map = Map::new();
    for (name, text) in texts {
        map.put(name, text.as_str().into());
    }
    map
}

/// What a method answers: none if there is no such method for such arguments.
type Answer = Result<Option<Value>, Fault>;

#[cfg(test)]
mod tests;
