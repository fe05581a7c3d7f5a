//! Request validation: required parameters are there, bodies are as their models say.

use std::collections::HashMap;

use http::header::{CONTENT_TYPE, HeaderName};

use super::asked::Asked;
use super::media::essence;
use super::refusal::Refusal;
use crate::edge::schema::Schema;
use crate::rest::records::{GatewayResponseType as Case, Method};
use crate::rest::snapshot::Snapshot;

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

impl Validation {
    /// What a method's validator asks for; none if it has none.
    pub(in crate::rest) fn new(method: &Method, snapshot: &Snapshot) -> Option<Validation> {
        let id = method.request_validator_id.as_deref()?;
        let validator = snapshot.request_validators.iter().find(|validator| validator.id == id)?;
        let parameters = method.request_parameters.iter().flatten();
        let required = parameters.filter(|(_, required)| **required).filter_map(|(name, _)| Required::parse(name));
        let bodies = || {
            let models = method.request_models.iter().flatten();
            models.map(|(kind, name)| (kind.to_ascii_lowercase(), schema(name, snapshot))).collect()
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

fn schema(name: &str, snapshot: &Snapshot) -> Schema {
    Schema::new(name, snapshot.models.iter().map(|model| (&*model.name, model.schema.as_deref())))
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::rest::records::{Model, RequestValidator};

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
