//! Request validation: required parameters are there, bodies are as their models say (JSON Schema, draft 4).

use std::collections::HashMap;

use http::header::{CONTENT_TYPE, HeaderName};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, Retrieve, Uri, Validator};
use serde_json::Value;

use super::asked::Asked;
use super::media::essence;
use super::refusal::Refusal;
use crate::rest::records::{GatewayResponseType as Case, Method, Model};
use crate::rest::snapshot::Snapshot;

/// Faults that are told. AWS tells all; a hostile body could have millions.
const FAULTS_MAX: usize = 20;

/// What is checked of a method's requests.
#[derive(Debug, Default)]
pub(in crate::rest) struct Validation {
    required: Vec<Required>,
    /// By content type, if bodies are checked.
    bodies: Option<HashMap<String, Schema>>,
}

#[derive(Debug, PartialEq)]
enum Required {
    /// And its name as it was declared.
    Header(HeaderName, String),
    Query(String),
    Path(String),
}

#[derive(Debug)]
enum Schema {
    Usable(Box<Validator>),
    /// The model is none: nothing meets it, as on AWS.
    Broken,
}

impl Validation {
    /// What a method's validator asks for; none if it has none.
    pub(in crate::rest) fn new(method: &Method, snapshot: &Snapshot) -> Option<Validation> {
        let id = method.request_validator_id.as_deref()?;
        let validator = snapshot.request_validators.iter().find(|validator| validator.id == id)?;
        let parameters = method.request_parameters.iter().flatten();
        let required = parameters.filter(|(_, required)| **required).filter_map(|(name, _)| Required::parse(name));
        let bodies = || {
            let models = method.request_models.iter().flatten();
            models.map(|(kind, name)| (kind.to_ascii_lowercase(), Schema::new(name, &snapshot.models))).collect()
        };
        Some(Validation {
            required: if validator.validate_request_parameters { required.collect() } else { Vec::new() },
            bodies: validator.validate_request_body.then(bodies),
        })
    }

    pub(in crate::rest) fn check(&self, asked: &Asked) -> Result<(), Refusal> {
        let missing: Vec<&str> =
            self.required.iter().filter(|required| !required.is_in(asked)).map(Required::name).collect();
        if !missing.is_empty() {
            let words = format!("Missing required request parameters: [{}]", missing.join(", "));
            return Err(Refusal::new(Case::BadRequestParameters, words));
        }
        let Some(bodies) = &self.bodies else { return Ok(()) };
        let content_type = asked.text(CONTENT_TYPE).map_or("application/json", essence).to_ascii_lowercase();
        let schema = bodies.get(&content_type).or_else(|| bodies.get("$default"));
        schema.map_or(Ok(()), |schema| schema.check(&asked.body)).map_err(|faults| Refusal {
            validation: Some(faults),
            ..Refusal::new(Case::BadRequestBody, "Invalid request body")
        })
    }
}

impl Required {
    fn parse(parameter: &str) -> Option<Required> {
        let (place, name) = parameter.strip_prefix("method.request.")?.split_once('.')?;
        match place {
            "header" => Some(Required::Header(name.parse().ok()?, name.to_owned())),
            "querystring" => Some(Required::Query(name.to_owned())),
            "path" => Some(Required::Path(name.to_owned())),
            _ => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Required::Header(_, name) | Required::Query(name) | Required::Path(name) => name,
        }
    }

    /// Whether it is there, and not empty.
    fn is_in(&self, asked: &Asked) -> bool {
        match self {
            Required::Header(name, _) => asked.headers.get(name).is_some_and(|value| !value.is_empty()),
            Required::Query(name) => asked.query_parameter(name).is_some_and(|value| !value.is_empty()),
            Required::Path(name) => asked.path_parameter(name).is_some_and(|value| !value.is_empty()),
        }
    }
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
    fn new(name: &str, models: &[Model]) -> Schema {
        let of = |model: &Model| serde_json::from_str::<Value>(model.schema.as_deref().unwrap_or("{}")).ok();
        let known: HashMap<String, Value> =
            models.iter().filter_map(|model| Some((model.name.clone(), of(model)?))).collect();
        let Some(schema) = known.get(name).cloned() else { return Schema::Broken };
        let built = jsonschema::options().with_draft(Draft::Draft4).with_retriever(Models(known)).build(&schema);
        built.map_or(Schema::Broken, |validator| Schema::Usable(Box::new(validator)))
    }

    /// The faults of a body, in one text. An empty body is an empty object.
    fn check(&self, body: &[u8]) -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::rest::records::RequestValidator;

    fn validation(body: bool, parameters: bool) -> Validation {
        let model = |name: &str, schema: Value| Model {
            name: name.to_owned(),
            schema: Some(schema.to_string()),
            ..Model::default()
        };
        let snapshot = Snapshot {
            models: vec![
                model(
                    "Pet",
                    json!({
                        "$schema": "http://json-schema.org/draft-04/schema#",
                        "type": "object",
                        "required": ["name", "kind"],
                        "properties": {
                            "name": {"type": "string"},
                            "age": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
                            "owner": {"$ref": "https://apigateway.amazonaws.com/restapis/abc/models/Owner"},
                        },
                    }),
                ),
                model("Owner", json!({"type": "object", "required": ["id"]})),
                model("Elsewhere", json!({"$ref": "https://example.com/schema"})),
            ],
            request_validators: vec![RequestValidator {
                id: "v".to_owned(),
                validate_request_body: body,
                validate_request_parameters: parameters,
                ..RequestValidator::default()
            }],
            ..Snapshot::default()
        };
        let method = Method {
            request_validator_id: Some("v".to_owned()),
            request_parameters: Some(
                [("header.X-Need", true), ("querystring.q", true), ("path.p", true), ("header.may", false)]
                    .map(|(name, required)| (format!("method.request.{name}"), required))
                    .into(),
            ),
            request_models: Some(
                [("application/json", "Pet"), ("text/x", "Elsewhere"), ("text/y", "None")]
                    .map(|(kind, model)| (kind.to_owned(), model.to_owned()))
                    .into(),
            ),
            ..Method::default()
        };
        Validation::new(&method, &snapshot).unwrap()
    }

    fn asked(content_type: Option<&str>, query: &str, body: &str) -> Asked {
        let mut headers = http::HeaderMap::new();
        content_type.map(|kind| headers.insert(CONTENT_TYPE, kind.parse().unwrap()));
        Asked {
            method: http::Method::POST,
            version: http::Version::HTTP_11,
            path: "/".to_owned(),
            query: query.to_owned(),
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
            path_parameters: vec![("p".to_owned(), "1".to_owned())],
        }
    }

    #[test]
    fn all_missing_parameters_in_one_message() {
        let message = |validation: Validation, query: &str| {
            validation.check(&asked(None, query, "")).err().and_then(|refusal| refusal.message).map(|m| m.into_owned())
        };
        let words = "Missing required request parameters: [X-Need, q]";
        assert_eq!(message(validation(false, true), "").as_deref(), Some(words));
        let words = "Missing required request parameters: [X-Need]";
        assert_eq!(message(validation(false, true), "q=1").as_deref(), Some(words));
        assert_eq!(message(validation(false, false), ""), None);
    }

    #[test]
    fn bodies_meet_their_models() {
        let faults = |kind: Option<&str>, body: &str| {
            validation(true, false).check(&asked(kind, "", body)).err().map(|refusal| refusal.validation.unwrap())
        };
        let good = r#"{"name": "a", "kind": "b", "age": 1, "owner": {"id": 1}}"#;
        assert_eq!(faults(None, good), None);
        assert_eq!(faults(Some("application/json; charset=utf-8"), good), None);
        assert_eq!(faults(None, "").as_deref(), Some(r#"[object has missing required properties (["kind","name"])]"#));
        assert_eq!(
            faults(None, r#"{"name": 1, "kind": "b"}"#).as_deref(),
            Some(r#"[instance type (integer) does not match any allowed primitive type (allowed: ["string"])]"#)
        );
        assert_eq!(
            faults(None, r#"{"name": "a", "kind": "b", "age": "old"}"#).as_deref(),
            Some(
                r#"[instance type (string) does not match any allowed primitive type (allowed: ["integer","number"])]"#
            )
        );
        assert!(faults(None, r#"{"name": "a", "kind": "b", "age": 0}"#).is_some());
        assert!(faults(None, r#"{"name": "a", "kind": "b", "owner": {}}"#).is_some());
        assert!(faults(None, "{").is_some());
        assert!(faults(Some("text/x"), "{}").is_some() && faults(Some("text/y"), "{}").is_some());
        assert_eq!(faults(Some("text/plain"), "anything"), None);
    }
}
