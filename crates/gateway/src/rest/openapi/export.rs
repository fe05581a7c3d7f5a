//! Writing what a stage serves as a document.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::extension::{
    ANY_METHOD, API_KEY_SOURCE, AUTHORIZER, AUTHTYPE, AuthorizerDocument, BINARY_MEDIA_TYPES, DOCUMENTATION,
    DocumentationDocument, ENDPOINT_ACCESS_MODE, ENDPOINT_CONFIGURATION, GATEWAY_RESPONSES, GatewayResponseDocument,
    INTEGRATION, IntegrationDocument, Loose, MINIMUM_COMPRESSION_SIZE, POLICY, PartDocument, REQUEST_VALIDATOR,
    REQUEST_VALIDATORS, SECURITY_POLICY, ValidatorDocument,
};
use super::schema;
use super::security::{API_KEY_HEADER, SIGV4};
use crate::rest::records::{
    ApiKeySourceType, Authorizer, AuthorizerType, DocumentationVersionRecord, Method, MethodResponse, Resource, text_of,
};
use crate::rest::snapshot::Snapshot;

/// The names of the schemes that stand for API keys and for AWS's signatures.
const API_KEY: &str = "api_key";
const SIGNATURE: &str = "sigv4";

/// Which specification a document follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `swagger`: Swagger 2.0.
    Swagger,
    /// `oas30`: OpenAPI 3.0.1.
    Oas30,
}

/// Which of AWS's extensions a document has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) integrations: bool,
    pub(crate) authorizers: bool,
    /// Settings of the whole API.
    pub(crate) api: bool,
    pub(crate) documentation: bool,
}

impl Extensions {
    /// Reads `extensions=…`; the name that is none of AWS's, if there is one.
    pub(crate) fn of(parameter: Option<&str>) -> Result<Extensions, String> {
        let mut extensions = Extensions::default();
        for name in
            parameter.into_iter().flat_map(|names| names.split(',')).map(str::trim).filter(|name| !name.is_empty())
        {
            match name {
                "apigateway" => {
                    (extensions.integrations, extensions.authorizers, extensions.api) = (true, true, true);
                }
                "integrations" => (extensions.integrations, extensions.api) = (true, true),
                "authorizers" => extensions.authorizers = true,
                "documentation" => extensions.documentation = true,
                other => return Err(other.to_owned()),
            }
        }
        Ok(extensions)
    }
}

/// A stage, as its document names it.
pub(crate) struct Staged<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) stage: &'a str,
    /// The API's host name.
    pub(crate) host: String,
    pub(crate) documentation: Option<&'a DocumentationVersionRecord>,
}

/// A stage's document.
pub(crate) fn export(staged: &Staged<'_>, dialect: Dialect, extensions: Extensions) -> Value {
    let Staged { snapshot, stage, host, .. } = staged;
    let api = &snapshot.api;
    let mut info =
        json!({"title": api.name, "version": api.version.clone().unwrap_or_else(|| api.created_date.to_string())});
    if let Some(description) = &api.description {
        info["description"] = description.clone().into();
    }
    let writer = Writer { staged, dialect, extensions };
    let mut document = Map::new();
    document.insert("info".to_owned(), info);
    document.insert("paths".to_owned(), writer.paths());
    let (schemas, schemes) = (writer.schemas(), writer.schemes());
    match dialect {
        Dialect::Swagger => {
            document.insert("swagger".to_owned(), "2.0".into());
            document.insert("host".to_owned(), host.as_str().into());
            document.insert("basePath".to_owned(), format!("/{stage}").into());
            document.insert("schemes".to_owned(), json!(["https"]));
            put(&mut document, "definitions", schemas);
            put(&mut document, "securityDefinitions", schemes);
        }
        Dialect::Oas30 => {
            document.insert("openapi".to_owned(), "3.0.1".into());
            let server = json!({
                "url": format!("https://{host}/{{basePath}}"),
                "variables": {"basePath": {"default": stage}},
            });
            document.insert("servers".to_owned(), json!([server]));
            let mut components = Map::new();
            put(&mut components, "schemas", schemas);
            put(&mut components, "securitySchemes", schemes);
            document.insert("components".to_owned(), Value::Object(components));
        }
    }
    writer.settings(&mut document);
    Value::Object(document)
}

/// Puts an object that is not empty.
fn put(into: &mut Map<String, Value>, name: &str, members: Map<String, Value>) {
    if !members.is_empty() {
        into.insert(name.to_owned(), Value::Object(members));
    }
}

/// One of our own types as a document has it: without what is null.
fn document_of(value: impl Serialize) -> Value {
    fn without_nulls(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|_, value| !value.is_null());
                members.values_mut().for_each(without_nulls);
            }
            Value::Array(items) => items.iter_mut().for_each(without_nulls),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(value).unwrap_or_default();
    without_nulls(&mut value);
    value
}

struct Writer<'a> {
    staged: &'a Staged<'a>,
    dialect: Dialect,
    extensions: Extensions,
}

impl Writer<'_> {
    fn snapshot(&self) -> &Snapshot {
        self.staged.snapshot
    }

    /// How references to models begin.
    fn prefix(&self) -> &'static str {
        match self.dialect {
            Dialect::Swagger => "#/definitions/",
            Dialect::Oas30 => "#/components/schemas/",
        }
    }

    fn schemas(&self) -> Map<String, Value> {
        let models = self.snapshot().models.iter();
        models
            .map(|model| {
                let schema = schema::shown(model.schema.as_deref().unwrap_or("{}"), self.prefix());
                (model.name.clone(), schema)
            })
            .collect()
    }

    /// Security schemes: authorizers, and what the methods ask for besides.
    fn schemes(&self) -> Map<String, Value> {
        let mut schemes: Map<String, Value> = self
            .snapshot()
            .authorizers
            .iter()
            .map(|authorizer| (authorizer.name.clone(), self.authorizer(authorizer)))
            .collect();
        let methods = || {
            let resources = self.snapshot().resources.iter();
            resources.flat_map(|resource| resource.resource_methods.iter().flatten()).map(|(_, method)| method)
        };
        let scheme = |name: &str| json!({"type": "apiKey", "name": name, "in": "header"});
        if methods().any(|method| method.api_key_required) {
            schemes.insert(API_KEY.to_owned(), scheme(API_KEY_HEADER));
        }
        if methods().any(|method| method.authorization_type == "AWS_IAM") {
            let mut signature = scheme("Authorization");
            signature[AUTHTYPE] = SIGV4.into();
            schemes.insert(SIGNATURE.to_owned(), signature);
        }
        schemes
    }

    fn authorizer(&self, authorizer: &Authorizer) -> Value {
        let source = authorizer.identity_source.as_deref().unwrap_or_default();
        let header = source.strip_prefix("method.request.header.").filter(|header| !header.contains(','));
        let by_header = authorizer.r#type != AuthorizerType::Request;
        let mut scheme = json!({
            "type": "apiKey",
            "name": header.filter(|_| by_header).unwrap_or("Unused"),
            "in": "header",
        });
        let usual = match authorizer.r#type {
            AuthorizerType::CognitoUserPools => "cognito_user_pools",
            _ => "custom",
        };
        scheme[AUTHTYPE] = authorizer.auth_type.as_deref().unwrap_or(usual).into();
        if self.extensions.authorizers {
            scheme[AUTHORIZER] = document_of(AuthorizerDocument::of(authorizer));
        }
        scheme
    }

    fn paths(&self) -> Value {
        let mut paths = Map::new();
        for resource in &self.snapshot().resources {
            let methods = resource.resource_methods.iter().flatten();
            let item: Map<String, Value> = methods
                .map(|(name, method)| {
                    let key = if name == "ANY" { ANY_METHOD.to_owned() } else { name.to_lowercase() };
                    (key, self.operation(resource, method))
                })
                .collect();
            // A resource without methods is there because of those below it, unless there are none.
            let path = resource.path.as_str();
            let leads = self.snapshot().resources.iter().any(|other| other.parent_id.as_ref() == Some(&resource.id));
            if !item.is_empty() || (!leads && path != "/") {
                paths.insert(path.to_owned(), Value::Object(item));
            }
        }
        Value::Object(paths)
    }

    fn operation(&self, resource: &Resource, method: &Method) -> Value {
        let mut operation = Map::new();
        if let Some(name) = &method.operation_name {
            operation.insert("operationId".to_owned(), name.as_str().into());
        }
        let mut parameters: Vec<Value> = method
            .request_parameters
            .iter()
            .flatten()
            .filter_map(|(name, required)| self.parameter(name, *required))
            .collect();
        let models = method.request_models.iter().flatten();
        match self.dialect {
            Dialect::Swagger => {
                let types: Vec<&String> =
                    method.request_models.iter().flatten().map(|(content_type, _)| content_type).collect();
                if !types.is_empty() {
                    operation.insert("consumes".to_owned(), json!(types));
                }
                // Swagger knows one body.
                if let Some((_, model)) = models.into_iter().next() {
                    parameters
                        .push(json!({"in": "body", "name": model, "required": true, "schema": self.reference(model)}));
                }
                let types: BTreeSet<&String> = responses(method)
                    .flat_map(|response| response.response_models.iter().flatten())
                    .map(|(content_type, _)| content_type)
                    .collect();
                if !types.is_empty() {
                    operation.insert("produces".to_owned(), json!(types));
                }
            }
            Dialect::Oas30 => {
                let content: Map<String, Value> = models
                    .map(|(content_type, model)| (content_type.clone(), json!({"schema": self.reference(model)})))
                    .collect();
                if !content.is_empty() {
                    operation.insert("requestBody".to_owned(), json!({"content": content, "required": true}));
                }
            }
        }
        if !parameters.is_empty() {
            operation.insert("parameters".to_owned(), parameters.into());
        }
        let answers: Map<String, Value> =
            responses(method).map(|response| (response.status_code.0.clone(), self.response(response))).collect();
        operation.insert("responses".to_owned(), Value::Object(answers));
        let security = self.security(method);
        if !security.is_empty() {
            operation.insert("security".to_owned(), security.into());
        }
        self.extend(&mut operation, resource, method);
        Value::Object(operation)
    }

    fn extend(&self, operation: &mut Map<String, Value>, resource: &Resource, method: &Method) {
        let validators = &self.snapshot().request_validators;
        let validator = validators.iter().find(|known| Some(&known.id) == method.request_validator_id.as_ref());
        if let Some(name) = validator.and_then(|known| known.name.as_deref()).filter(|_| self.extensions.api) {
            operation.insert(REQUEST_VALIDATOR.to_owned(), name.into());
        }
        if let Some(integration) = method.method_integration.as_ref().filter(|_| self.extensions.integrations) {
            operation.insert(INTEGRATION.to_owned(), document_of(IntegrationDocument::of(integration, &resource.id)));
        }
    }

    fn reference(&self, model: &str) -> Value {
        json!({"$ref": format!("{}{model}", self.prefix())})
    }

    fn parameter(&self, name: &str, required: bool) -> Option<Value> {
        let (place, name) = name.strip_prefix("method.request.")?.split_once('.')?;
        let place = if place == "querystring" { "query" } else { place };
        let mut parameter = json!({"name": name, "in": place, "required": required || place == "path"});
        match self.dialect {
            Dialect::Swagger => parameter["type"] = "string".into(),
            Dialect::Oas30 => parameter["schema"] = json!({"type": "string"}),
        }
        Some(parameter)
    }

    fn response(&self, response: &MethodResponse) -> Value {
        let mut out = json!({"description": format!("{} response", response.status_code.0)});
        let headers: Map<String, Value> = response
            .response_parameters
            .iter()
            .flatten()
            .filter_map(|(name, _)| name.strip_prefix("method.response.header."))
            .map(|name| match self.dialect {
                Dialect::Swagger => (name.to_owned(), json!({"type": "string"})),
                Dialect::Oas30 => (name.to_owned(), json!({"schema": {"type": "string"}})),
            })
            .collect();
        if !headers.is_empty() {
            out["headers"] = Value::Object(headers);
        }
        let mut models = response.response_models.iter().flatten();
        match self.dialect {
            Dialect::Swagger => {
                if let Some((_, model)) = models.next() {
                    out["schema"] = self.reference(model);
                }
            }
            Dialect::Oas30 => {
                let content: BTreeMap<&String, Value> = models
                    .map(|(content_type, model)| (content_type, json!({"schema": self.reference(model)})))
                    .collect();
                out["content"] = json!(content);
            }
        }
        out
    }

    fn security(&self, method: &Method) -> Vec<Value> {
        let mut security = Vec::new();
        let authorizers = &self.snapshot().authorizers;
        if let Some(authorizer) = authorizers.iter().find(|known| Some(&known.id) == method.authorizer_id.as_ref()) {
            let scopes = method.authorization_scopes.clone().unwrap_or_default();
            security.push(json!({&authorizer.name: scopes}));
        }
        if method.authorization_type == "AWS_IAM" {
            security.push(json!({SIGNATURE: []}));
        }
        if method.api_key_required {
            security.push(json!({API_KEY: []}));
        }
        security
    }

    /// The extensions that concern the whole API.
    fn settings(&self, document: &mut Map<String, Value>) {
        let snapshot = self.snapshot();
        let api = &snapshot.api;
        if self.extensions.api {
            let responses = snapshot.gateway_responses.iter().filter(|response| !response.default_response);
            let responses: Map<String, Value> = responses
                .map(|response| (response.response_type.name(), document_of(GatewayResponseDocument::of(response))))
                .collect();
            put(document, GATEWAY_RESPONSES, responses);
            let validators = snapshot.request_validators.iter();
            let validators: Map<String, Value> = validators
                .map(|known| (known.name.clone().unwrap_or_default(), document_of(ValidatorDocument::of(known))))
                .collect();
            put(document, REQUEST_VALIDATORS, validators);
            let mut set = |name: &str, value: Option<Value>| {
                if let Some(value) = value {
                    document.insert(name.to_owned(), value);
                }
            };
            set(POLICY, api.policy.as_deref().and_then(|policy| serde_json::from_str(policy).ok()));
            set(BINARY_MEDIA_TYPES, api.binary_media_types.clone().map(Value::from));
            set(MINIMUM_COMPRESSION_SIZE, api.minimum_compression_size.map(Value::from));
            let own_source = api.api_key_source != ApiKeySourceType::default();
            set(API_KEY_SOURCE, own_source.then(|| text_of(api.api_key_source).into()));
            set(SECURITY_POLICY, api.security_policy.map(|policy| text_of(policy).into()));
            set(ENDPOINT_ACCESS_MODE, api.endpoint_access_mode.map(|mode| text_of(mode).into()));
            self.endpoint(document);
        }
        if let Some(version) = self.staged.documentation.filter(|_| self.extensions.documentation) {
            let written = DocumentationDocument {
                version: Some(Loose(version.shown.version.clone())),
                created_date: Some(Loose(version.shown.created_date.to_string())),
                documentation_parts: version.parts.iter().map(PartDocument::of).collect(),
            };
            document.insert(DOCUMENTATION.to_owned(), document_of(written));
        }
    }

    fn endpoint(&self, document: &mut Map<String, Value>) {
        let api = &self.snapshot().api;
        let mut endpoint = Map::new();
        if api.disable_execute_api_endpoint {
            endpoint.insert("disableExecuteApiEndpoint".to_owned(), true.into());
        }
        if let Some(ids) = api.endpoint_configuration.vpc_endpoint_ids.clone().filter(|ids| !ids.is_empty()) {
            endpoint.insert("vpcEndpointIds".to_owned(), ids.into());
        }
        if endpoint.is_empty() {
            return;
        }
        match document.get_mut("servers").and_then(|servers| servers.get_mut(0)) {
            Some(server) => server[ENDPOINT_CONFIGURATION] = Value::Object(endpoint),
            None => put(document, ENDPOINT_CONFIGURATION, endpoint),
        }
    }
}

fn responses(method: &Method) -> impl Iterator<Item = &MethodResponse> {
    method.method_responses.iter().flatten().map(|(_, response)| response)
}
