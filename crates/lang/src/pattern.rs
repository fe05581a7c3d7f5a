//! Event patterns: which JSON documents are meant. EventBridge's rules, Lambda's filters and SNS's policies speak this
//! language; what a pattern is held against is the caller's matter.
//!
//! `{"detail": {"state": ["running", {"prefix": "stop"}], "size": [{"numeric": [">", 0, "<=", 5]}]}}` holds if every named
//! field has one of the values listed for it. A field that is an array holds if one of its elements does. Reading and
//! checking is in `read.rs`, deciding on one value in `test.rs`.

mod read;
mod test;

use serde_json::Value;

pub use read::Error;
use test::Test;

/// A pattern that has been read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(Fields);

/// What must hold for one object.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fields {
    named: Vec<(String, Wanted)>,
    /// Of each of these lists one must hold, too: `$or`.
    either: Vec<Vec<Fields>>,
}

/// What must hold for one field.
#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    /// It is an object of which this holds.
    Object(Fields),
    /// One of these tests holds.
    OneOf(Vec<Test>),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says what is wrong with it, much in the words of EventBridge.
    pub fn parse(text: &str) -> Result<Pattern, Error> {
        read::pattern(text).map(Pattern)
    }

    /// Whether a document is meant.
    pub fn matches(&self, document: &Value) -> bool {
        self.0.hold(document)
    }
}

impl Fields {
    fn hold(&self, object: &Value) -> bool {
        self.named.iter().all(|(name, wanted)| wanted.holds(object.get(name)))
            && self.either.iter().all(|either| either.iter().any(|fields| fields.hold(object)))
    }
}

impl Wanted {
    fn holds(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Wanted::Object(fields), Some(Value::Array(elements))) => elements.iter().any(|one| fields.hold(one)),
            // What must be absent is so in what is no object, too.
            (Wanted::Object(fields), value) => fields.hold(value.unwrap_or(&Value::Null)),
            (Wanted::OneOf(tests), None) => tests.iter().any(Test::holds_for_absent),
            (Wanted::OneOf(tests), Some(Value::Array(elements))) => {
                tests.iter().any(|test| test.holds_for_present() || elements.iter().any(|one| test.holds(one)))
            }
            // Only leaves exist: AWS's `exists` does not see objects.
            (Wanted::OneOf(tests), Some(Value::Object(_))) => tests.iter().any(Test::holds_for_absent),
            (Wanted::OneOf(tests), Some(leaf)) => tests.iter().any(|test| test.holds(leaf)),
        }
    }
}
