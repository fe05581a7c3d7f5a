//! Schemas: OpenAPI's references become models' addresses and back.
//!
//! Between documents and records a reference is always `#/definitions/{name}`; a stored model names others by AWS's own
//! address, which begins with the API's id.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Where AWS's models are.
const MODELS_HOST: &str = "https://apigateway.amazonaws.com/restapis/";
/// How references to models are written between documents and records.
pub(super) const DEFINITIONS: &str = "#/definitions/";
const SCHEMAS: &str = "#/components/schemas/";

/// The model that a reference names, whichever dialect wrote it.
pub(super) fn referred(reference: &str) -> Option<&str> {
    let name = reference.strip_prefix(DEFINITIONS).or_else(|| reference.strip_prefix(SCHEMAS)).or_else(|| {
        let (_, name) = reference.strip_prefix(MODELS_HOST)?.split_once("/models/")?;
        Some(name)
    })?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// Rewrites all references in a schema. What `rewrite` has no answer for is taken out.
pub(super) fn rewritten(schema: &Value, rewrite: &mut dyn FnMut(&str) -> Option<String>) -> Value {
    match schema {
        Value::Object(members) => {
            let mut out = serde_json::Map::new();
            for (name, value) in members {
                match value {
                    Value::String(reference) if name == "$ref" => {
                        if let Some(reference) = rewrite(reference) {
                            out.insert(name.clone(), reference.into());
                        }
                    }
                    // What is an example is no schema.
                    Value::Object(_) | Value::Array(_)
                        if matches!(name.as_str(), "example" | "examples" | "default" | "enum") =>
                    {
                        out.insert(name.clone(), value.clone());
                    }
                    value => {
                        out.insert(name.clone(), rewritten(value, rewrite));
                    }
                }
            }
            Value::Object(out)
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| rewritten(item, rewrite)).collect()),
        scalar => scalar.clone(),
    }
}

/// A schema as it is kept in an API.
pub(super) fn stored(schema: &Value, api_id: &str) -> String {
    let mut rewrite = |reference: &str| {
        Some(match referred(reference) {
            Some(name) => format!("{MODELS_HOST}{api_id}/models/{name}"),
            None => reference.to_owned(),
        })
    };
    rewritten(schema, &mut rewrite).to_string()
}

/// A kept schema as a document has it, with references that begin so.
pub(super) fn shown(schema: &str, prefix: &str) -> Value {
    let Ok(schema) = serde_json::from_str::<Value>(schema) else { return Value::Object(serde_json::Map::new()) };
    let mut rewrite = |reference: &str| {
        Some(match referred(reference) {
            Some(name) => format!("{prefix}{name}"),
            None => reference.to_owned(),
        })
    };
    rewritten(&schema, &mut rewrite)
}

/// AWS takes letters and digits in a model's name.
pub(super) fn is_model_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The name of a model that a document has no name for. AWS draws one; here it follows from the schema, so that a document
/// that is imported twice is the same twice.
pub(super) fn name_of(schema: &Value, models: &BTreeMap<String, Value>) -> String {
    let digest = Sha256::digest(schema.to_string());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut length = 6;
    loop {
        let name = format!("MODEL{}", &hex[..length]);
        if length == hex.len() || models.get(&name).is_none_or(|known| known == schema) {
            return name;
        }
        length += 1;
    }
}
