//! Velocity templates, as API Gateway and AppSync run them: Velocity 1.7's language and its Java-like values.
//!
//! `{"id": $input.json('$.id')#if($foreach.hasNext),#end}` becomes text. A [`Template`] is parsed once and rendered often;
//! what its references name, the caller supplies: plain values, or host objects ([`Object`]: `$input`, `$util`). Every
//! rendering has [`Rules`], with limits, so that a template that loops or explodes ends in an error. The parser is in `parse.rs` and
//! `expression.rs`, the tree it makes in `tree.rs`, rendering in `render.rs` and `evaluate.rs`, Java's objects in `value.rs`
//! and `method/`. Oddities follow Velocity 1.7 itself, against which `tests/data/velocity.json` was recorded.
//!
//! Not here: files (`#parse` and `#include` are refused, since no service that speaks this language has any) and
//! reflection (`$x.class` names nothing).

mod evaluate;
mod expression;
pub mod json;
mod method;
mod parse;
mod render;
mod text;
mod tree;
mod value;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub use method::Meter;
pub use value::{Key, List, Map, Object, Value};

/// A template that has been parsed. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Template(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    source: Box<str>,
    block: Arc<tree::Block>,
    macros: HashMap<Arc<str>, Arc<tree::Macro>>,
}

/// What references name, and after a rendering what the template made of it.
pub type Variables = HashMap<Arc<str>, Value>;

/// How a rendering goes, and how far.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Whether what a reference does not find is an empty string, and is rendered as such: API Gateway's way. Velocity
    /// renders the reference itself.
    pub missing_is_empty: bool,
    /// Bytes of the rendered text, and of any string on the way. API Gateway: a payload of 10 MB.
    pub text_bytes: usize,
    /// Bytes of all strings, lists and maps that are made on the way, together.
    pub memory_bytes: usize,
    /// Nodes visited, roughly: half a second's worth.
    pub steps: u64,
    /// Rounds of one `#foreach`: further ones are left out, as Velocity does. API Gateway: 1,000.
    pub iterations: usize,
    /// Blocks, calls and values within each other.
    pub depth: usize,
    /// Macros within each other: Velocity's own default.
    pub macro_depth: usize,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            missing_is_empty: false,
            text_bytes: 10 << 20,
            memory_bytes: 128 << 20,
            steps: 5_000_000,
            iterations: 1_000,
            depth: 128,
            macro_depth: 20,
        }
    }
}

/// Why a template is none, or did not render.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line}, column {column}")]
pub struct Error {
    /// What is wrong.
    pub what: String,
    /// Where, from 1.
    pub line: usize,
    /// Where in the line, in characters from 1.
    pub column: usize,
}

/// What went wrong while rendering; where follows from the node that was rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A limit was passed.
    Limit(&'static str),
    /// A method failed, as one that throws in Java.
    Method(String),
    /// Something that the language has and its users may not have.
    Refused(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Limit(what) => write!(f, "the template exceeds the limit of {what}"),
            Fault::Method(what) | Fault::Refused(what) => f.write_str(what),
        }
    }
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// The first thing that is no part of the language, with its place.
    pub fn parse(source: &str) -> Result<Template, Error> {
        let (block, macros) = parse::template(source).map_err(|wrong| wrong.in_text(source))?;
        Ok(Template(Arc::new(Parsed { source: source.into(), block: Arc::new(block), macros })))
    }

    /// The text it was parsed from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Renders the template. What it sets is in `variables` afterwards.
    ///
    /// # Errors
    /// A limit that was passed, or a method that failed.
    pub fn render(&self, variables: &mut Variables, rules: &Rules) -> Result<String, Error> {
        render::template(self, variables, rules)
    }
}

/// The place of a byte in a text: line and column from 1.
fn place(source: &str, at: usize) -> (usize, usize) {
    let mut end = at.min(source.len());
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let before = &source[..end];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// What Java's `toString` makes of a value; none of null.
///
/// # Errors
/// A text or a nesting beyond the limits.
pub fn text(value: &Value, meter: &Meter) -> Result<Option<String>, Fault> {
    text::of(value, meter)
}

/// What a method of a value answers, for host objects that pass on what they do not do themselves; none if there is no such
/// method for such arguments.
///
/// # Errors
/// What the method throws.
pub fn call(value: &Value, name: &str, arguments: &[Value], meter: &Meter) -> Result<Option<Value>, Fault> {
    method::call(value, name, arguments, meter)
}
