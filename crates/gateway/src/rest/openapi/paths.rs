//! A document's paths: resources, methods, what they take and answer.

use std::collections::BTreeMap;

use serde_json::Value;

use super::extension::{ANY_METHOD, INTEGRATION, IntegrationDocument, REQUEST_VALIDATOR};
use super::import::{Reader, members};
use super::security::{self, Scheme};
use super::{Definition, Described, schema};
use crate::rest::records::{Method, MethodResponse, StatusCode, Texts};

/// Keys of a path that are methods, and what AWS calls them.
const METHODS: [(&str, &str); 8] = [
    ("get", "GET"),
    ("put", "PUT"),
    ("post", "POST"),
    ("delete", "DELETE"),
    ("patch", "PATCH"),
    ("options", "OPTIONS"),
    ("head", "HEAD"),
    (ANY_METHOD, "ANY"),
];

/// What AWS takes for a body's type where a Swagger document names none.
const JSON: &str = "application/json";

pub(super) struct Paths<'r, 'd> {
    pub(super) reader: &'r mut Reader<'d>,
    pub(super) definition: &'r mut Definition,
    pub(super) schemes: &'r BTreeMap<String, Scheme>,
    /// What stands before all paths: empty, or `/a/b`.
    pub(super) base_path: String,
}

/// What a method takes.
#[derive(Default)]
struct Taken {
    parameters: BTreeMap<String, bool>,
    models: Texts,
}

impl<'d> Paths<'_, 'd> {
    pub(super) fn read(mut self) {
        let document = self.reader.document;
        for (path, item) in members(document.get("paths")) {
            if !path.starts_with('/') {
                continue;
            }
            let path = format!("{}{path}", self.base_path);
            let path = if path == "/" { "/" } else { path.trim_end_matches('/') };
            let Some(item) = self.reader.resolved(item) else {
                self.reader.warn(format!("Unable to resolve the reference at path '{path}'. Ignoring."));
                continue;
            };
            self.item(path, item);
        }
    }

    fn item(&mut self, path: &str, item: &'d Value) {
        let mut methods = BTreeMap::new();
        for (key, name) in METHODS {
            if let Some(operation) = item.get(key) {
                methods.insert(name.to_owned(), self.method(path, name, item, operation));
            }
        }
        if item.get("trace").is_some() {
            self.reader.warn(format!("Ignoring unsupported method 'TRACE' on resource at path '{path}'"));
        }
        self.definition.paths.insert(path.to_owned(), methods);
    }

    fn method(&mut self, path: &str, name: &str, item: &'d Value, operation: &'d Value) -> Described {
        let document = self.reader.document;
        let taken = self.taken(path, name, item, operation);
        let mut method = Method {
            http_method: name.to_owned(),
            operation_name: operation.get("operationId").and_then(Value::as_str).map(str::to_owned),
            request_parameters: some_map(taken.parameters),
            request_models: some_map(taken.models),
            method_responses: some_map(self.responses(path, name, operation)),
            ..Method::default()
        };
        security::authorize(&mut method, operation, document, self.schemes);
        let validator = operation.get(REQUEST_VALIDATOR).or_else(|| document.get(REQUEST_VALIDATOR));
        if let Some(validator) = validator.and_then(Value::as_str) {
            let known = self.definition.request_validators.iter().any(|known| known.name.as_deref() == Some(validator));
            if known {
                method.request_validator_id = Some(validator.to_owned());
            } else {
                self.reader.warn(format!("Request validator '{validator}' not found. Ignoring."));
            }
        }
        if let Some(integration) = operation.get(INTEGRATION) {
            let read = self.reader.resolved(integration).and_then(IntegrationDocument::read);
            if read.is_none() {
                self.reader
                    .fail(format!("Unable to parse API definition because of a malformed integration at path {path}."));
            }
            method.method_integration = read;
        }
        Described { method }
    }

    /// Parameters and bodies: the path's, and over them the operation's.
    fn taken(&mut self, path: &str, name: &str, item: &'d Value, operation: &'d Value) -> Taken {
        let mut taken = Taken::default();
        let listed = |of: &'d Value| of.get("parameters").and_then(Value::as_array).into_iter().flatten();
        for parameter in listed(item).chain(listed(operation)) {
            let Some(parameter) = self.reader.resolved(parameter) else {
                self.reader.warn(format!("Unable to resolve a parameter of '{name}' at path '{path}'. Ignoring."));
                continue;
            };
            self.parameter(path, name, parameter, operation, &mut taken);
        }
        let body = operation.get("requestBody").and_then(|body| self.reader.resolved(body));
        for (content_type, content) in members(body.and_then(|body| body.get("content"))) {
            if let Some(model) = content.get("schema").and_then(|schema| self.model(schema)) {
                taken.models.insert(content_type.clone(), model);
            }
        }
        taken
    }

    fn parameter(&mut self, path: &str, name: &str, parameter: &'d Value, operation: &'d Value, taken: &mut Taken) {
        let text = |member: &str| parameter.get(member).and_then(Value::as_str).unwrap_or_default();
        let place = match text("in") {
            "query" => "querystring",
            "header" => "header",
            "path" => "path",
            "body" => {
                let Some(schema) = parameter.get("schema") else { return };
                if let Some(model) = self.model(schema) {
                    for content_type in self.content_types(operation, "consumes") {
                        taken.models.insert(content_type, model.clone());
                    }
                }
                return;
            }
            other => {
                let words = format!(
                    "Ignoring unsupported parameter '{}' in '{other}' of '{name}' at path '{path}'",
                    text("name")
                );
                self.reader.warn(words);
                return;
            }
        };
        let required = place == "path" || parameter.get("required").and_then(Value::as_bool).unwrap_or_default();
        if !text("name").is_empty() {
            taken.parameters.insert(format!("method.request.{place}.{}", text("name")), required);
        }
    }

    /// `consumes` or `produces`: the operation's, else the document's, else JSON.
    fn content_types(&self, operation: &Value, member: &str) -> Vec<String> {
        let listed = operation.get(member).or_else(|| self.reader.document.get(member));
        let types: Vec<String> = listed
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        if types.is_empty() { vec![JSON.to_owned()] } else { types }
    }

    fn responses(&mut self, path: &str, name: &str, operation: &'d Value) -> BTreeMap<String, MethodResponse> {
        let mut responses = BTreeMap::new();
        for (status, response) in members(operation.get("responses")) {
            if status.starts_with("x-") {
                continue;
            }
            let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
            let Some(response) = self.reader.resolved(response).filter(|_| is_status) else {
                let words = format!("Ignoring unsupported response '{status}' of '{name}' at path '{path}'");
                self.reader.warn(words);
                continue;
            };
            let headers = members(response.get("headers"))
                .map(|(header, _)| (format!("method.response.header.{header}"), false))
                .collect();
            responses.insert(
                status.clone(),
                MethodResponse {
                    status_code: StatusCode(status.clone()),
                    response_parameters: some_map(headers),
                    response_models: some_map(self.response_models(operation, response)),
                },
            );
        }
        responses
    }

    fn response_models(&mut self, operation: &'d Value, response: &'d Value) -> Texts {
        let mut models = Texts::new();
        if let Some(model) = response.get("schema").and_then(|schema| self.model(schema)) {
            for content_type in self.content_types(operation, "produces") {
                models.insert(content_type, model.clone());
            }
        }
        for (content_type, content) in members(response.get("content")) {
            if let Some(model) = content.get("schema").and_then(|schema| self.model(schema)) {
                models.insert(content_type.clone(), model);
            }
        }
        models
    }

    /// The model of a schema: the one it refers to, or one that is made of it.
    fn model(&mut self, given: &'d Value) -> Option<String> {
        let schema = self.reader.schema(given);
        let members = schema.as_object()?;
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            return schema::referred(reference).map(str::to_owned);
        }
        // What referred to no model.
        if members.is_empty() {
            return None;
        }
        let name = schema::name_of(&schema, &self.definition.models);
        self.definition.models.insert(name.clone(), schema);
        Some(name)
    }
}

fn some_map<K, V>(map: BTreeMap<K, V>) -> Option<BTreeMap<K, V>> {
    if map.is_empty() { None } else { Some(map) }
}
