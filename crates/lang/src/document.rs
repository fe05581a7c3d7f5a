//! Documents that people write as JSON or as YAML: read into one kind of value, and written as YAML.
//!
//! What comes from outside is hostile: depth, size and what aliases expand to are bounded, and nothing here recurses deeper
//! than that. YAML's core schema decides what a plain scalar is; keys are texts; `<<` merges.

mod yaml;

use serde_json::Value;

pub use yaml::write as write_yaml;

/// What a document may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Its text. API Gateway: 6 MB.
    pub bytes: usize,
    /// Lists and maps within each other.
    pub depth: usize,
    /// Values, with those that aliases repeat.
    pub values: usize,
    /// The bytes of YAML's texts, with those that aliases repeat.
    pub text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 6 << 20, depth: 100, values: 1_000_000, text_bytes: 24 << 20 }
    }
}

/// Why a text is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line}, column {column}")]
pub struct Error {
    /// What is wrong.
    pub what: String,
    /// Where, from 1.
    pub line: usize,
    /// Where in the line, from 1.
    pub column: usize,
}

/// Reads a document: JSON if it begins as such, else YAML.
///
/// # Errors
/// Says what is wrong and where.
pub fn read(text: &str, limits: &Limits) -> Result<Value, Error> {
    if text.len() > limits.bytes {
        return Err(Error { what: format!("the document is longer than {} bytes", limits.bytes), line: 1, column: 1 });
    }
    if text.trim_start().starts_with(['{', '[']) {
        // serde_json goes 128 deep and no further.
        match serde_json::from_str(text) {
            Ok(value) => return Ok(value),
            // YAML has braces, too.
            Err(error) if error.is_eof() || !text.trim_start().starts_with('{') => return Err(json_error(&error)),
            Err(error) => return yaml::read(text, limits).map_err(|_| json_error(&error)),
        }
    }
    yaml::read(text, limits)
}

fn json_error(error: &serde_json::Error) -> Error {
    Error { what: error.to_string(), line: error.line(), column: error.column() }
}
