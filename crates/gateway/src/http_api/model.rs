//! Models: JSON schemas that a WebSocket API's messages must be of.

use store::{Key, Scan, Tx};

use super::change;
use super::error::{bad, conflict, too_many};
use super::records::{Api, MODELS, Model, ProtocolType};
use crate::Failure;

/// Models of an API; AWS's quota for WebSocket APIs is that of REST APIs.
const MODELS_MAX: usize = 400;

/// Bytes of a schema.
const SCHEMA_BYTES_MAX: usize = 32 * 1024;

/// Writes a model that was changed, or is new.
pub(crate) fn put(tx: &mut Tx<'_>, api: &Api, mut model: Model) -> Result<Model, Failure> {
    if api.protocol_type == ProtocolType::Http {
        return Err(bad("Models are not supported on protocolType HTTP").into());
    }
    model.content_type.get_or_insert_with(|| "application/json".to_owned());
    if model.name.is_empty() || !model.name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(bad("Model name must be alphanumeric").into());
    }
    check_schema(model.schema.as_deref().unwrap_or_default())?;
    let others = tx.scan(MODELS, Scan::under(api.api_id.as_str()))?;
    let is_other = |(_, other): &&(Key, Model)| other.model_id != model.model_id;
    if others.iter().filter(is_other).count() >= MODELS_MAX {
        return Err(too_many("Models").into());
    }
    if others.iter().filter(is_other).any(|(_, other)| other.name == model.name) {
        return Err(conflict(format!("Model name already exists for this API: {}", model.name)).into());
    }
    change::model(&api.api_id, &model.model_id).put(tx, &model)?;
    Ok(model)
}

fn check_schema(schema: &str) -> Result<(), Failure> {
    if schema.len() > SCHEMA_BYTES_MAX {
        return Err(bad(format!("Model schema must not be larger than {SCHEMA_BYTES_MAX} bytes")).into());
    }
    match serde_json::from_str::<serde_json::Value>(schema) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        _ => Err(bad("Model schema must be a valid JSON object").into()),
    }
}
