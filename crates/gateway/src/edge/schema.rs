//! Models: what a body must be, as JSON Schema (draft 4) says it, and its faults in AWS's words.

use std::collections::HashMap;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, Retrieve, Uri, Validator};
use serde_json::Value;

/// Faults that are told. AWS tells all; a hostile body could have millions.
const FAULTS_MAX: usize = 20;

/// What bodies of one kind must be.
#[derive(Debug)]
pub(crate) enum Schema {
    /// A model.
    Usable(Box<Validator>),
    /// The model is none: nothing meets it, as on AWS.
    Broken,
}

/// An API's models by the addresses with which they name each other:
/// `https://apigateway.amazonaws.com/restapis/{api}/models/{name}`. No other address leads anywhere.
struct Models(HashMap<String, Value>);

impl Retrieve for Models {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.path().as_str().rsplit_once("/models/").map_or("", |(_, name)| name);
        self.0.get(name).cloned().ok_or_else(|| format!("there is no model {name}").into())
    }
}

impl Schema {
    /// The schema of the model of this name, among all of its API: their names and documents.
    pub(crate) fn new<'a>(name: &str, models: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Schema {
        let read = |(name, schema): (&str, Option<&str>)| {
            Some((name.to_owned(), serde_json::from_str(schema.unwrap_or("{}")).ok()?))
        };
        let known: HashMap<String, Value> = models.filter_map(read).collect();
        let Some(schema) = known.get(name).cloned() else { return Schema::Broken };
        let built = jsonschema::options().with_draft(Draft::Draft4).with_retriever(Models(known)).build(&schema);
        built.map_or(Schema::Broken, |validator| Schema::Usable(Box::new(validator)))
    }

    /// The faults of a body, in one text. An empty body is an empty object.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(), String> {
        let Schema::Usable(validator) = self else { return Err("[the model cannot be used]".to_owned()) };
        let body = if body.is_empty() { b"{}" } else { body };
        let document: Value = serde_json::from_slice(body).map_err(|_| "[the body is no valid JSON]".to_owned())?;
        if validator.is_valid(&document) {
            return Ok(());
        }
        let mut missing: Vec<(String, Vec<Value>)> = Vec::new();
        let mut faults = Vec::new();
        for error in validator.iter_errors(&document).take(FAULTS_MAX) {
            match error.kind() {
                ValidationErrorKind::Required { property } => {
                    let at = error.instance_path().to_string();
                    match missing.iter_mut().find(|(known, _)| *known == at) {
                        Some((_, properties)) => properties.push(property.clone()),
                        None => missing.push((at, vec![property.clone()])),
                    }
                }
                ValidationErrorKind::Type { kind } => faults.push(type_words(error.instance(), kind)),
                _ => faults.push(error.to_string()),
            }
        }
        let missing = missing.into_iter().map(|(_, mut properties)| {
            properties.sort_unstable_by_key(Value::to_string);
            format!("object has missing required properties ({})", Value::from(properties))
        });
        Err(format!("[{}]", missing.chain(faults).collect::<Vec<_>>().join(", ")))
    }
}

/// The words of the Java library that AWS uses.
fn type_words(instance: &Value, kind: &TypeKind) -> String {
    let found = match instance {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let mut allowed: Vec<String> = match kind {
        TypeKind::Single(one) => vec![one.to_string()],
        TypeKind::Multiple(many) => many.iter().map(|one| one.to_string()).collect(),
    };
    if allowed.iter().any(|one| one == "number") && !allowed.iter().any(|one| one == "integer") {
        allowed.push("integer".to_owned());
    }
    allowed.sort_unstable();
    format!("instance type ({found}) does not match any allowed primitive type (allowed: {})", Value::from(allowed))
}
