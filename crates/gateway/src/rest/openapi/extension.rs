//! AWS's extensions, as documents have them: the same types read and write them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::rest::records::{
    Authorizer, AuthorizerType, ConnectionType, ContentHandlingStrategy, DocumentationPart, DocumentationPartLocation,
    GatewayResponse, Integration, IntegrationResponse, IntegrationType, RequestValidator, ResponseTransferMode,
    StatusCode, Templates, Texts, TlsConfig, of_text, text_of,
};

pub(super) const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
pub(super) const API_KEY_SOURCE: &str = "x-amazon-apigateway-api-key-source";
pub(super) const AUTH: &str = "x-amazon-apigateway-auth";
pub(super) const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";
pub(super) const AUTHTYPE: &str = "x-amazon-apigateway-authtype";
pub(super) const BINARY_MEDIA_TYPES: &str = "x-amazon-apigateway-binary-media-types";
pub(super) const DOCUMENTATION: &str = "x-amazon-apigateway-documentation";
pub(super) const ENDPOINT_ACCESS_MODE: &str = "x-amazon-apigateway-endpoint-access-mode";
pub(super) const ENDPOINT_CONFIGURATION: &str = "x-amazon-apigateway-endpoint-configuration";
pub(super) const GATEWAY_RESPONSES: &str = "x-amazon-apigateway-gateway-responses";
pub(super) const INTEGRATION: &str = "x-amazon-apigateway-integration";
pub(super) const MINIMUM_COMPRESSION_SIZE: &str = "x-amazon-apigateway-minimum-compression-size";
pub(super) const POLICY: &str = "x-amazon-apigateway-policy";
pub(super) const REQUEST_VALIDATOR: &str = "x-amazon-apigateway-request-validator";
pub(super) const REQUEST_VALIDATORS: &str = "x-amazon-apigateway-request-validators";
pub(super) const SECURITY_POLICY: &str = "x-amazon-apigateway-security-policy";

/// A text that people also write as a number, a truth value or, for templates, as an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Loose(pub(super) String);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Loose, D::Error> {
        Ok(Loose(match Value::deserialize(from)? {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        }))
    }
}

fn texts(given: BTreeMap<String, Loose>) -> Option<Texts> {
    if given.is_empty() { None } else { Some(given.into_iter().map(|(name, Loose(text))| (name, text)).collect()) }
}

fn loose(texts: Option<&Texts>) -> BTreeMap<String, Loose> {
    texts.into_iter().flatten().map(|(name, text)| (name.clone(), Loose(text.clone()))).collect()
}

fn templates(given: BTreeMap<String, Loose>) -> Option<Templates> {
    let some = |text: String| if text.is_empty() { None } else { Some(text) };
    if given.is_empty() {
        None
    } else {
        Some(given.into_iter().map(|(name, Loose(text))| (name, some(text))).collect())
    }
}

fn loose_templates(templates: Option<&Templates>) -> BTreeMap<String, Loose> {
    templates
        .into_iter()
        .flatten()
        .map(|(name, text)| (name.clone(), Loose(text.clone().unwrap_or_default())))
        .collect()
}

/// `x-amazon-apigateway-integration`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct IntegrationDocument {
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    integration_target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    request_parameters: BTreeMap<String, Loose>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    request_templates: BTreeMap<String, Loose>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passthrough_behavior: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_handling: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_in_millis: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_namespace: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache_key_parameters: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_config: Option<TlsConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_transfer_mode: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    responses: BTreeMap<String, ResponseDocument>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResponseDocument {
    status_code: Loose,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    response_parameters: BTreeMap<String, Loose>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    response_templates: BTreeMap<String, Loose>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_handling: Option<String>,
}

/// AWS's default, which documents leave out.
const TIMEOUT_MS: i32 = 29_000;

impl IntegrationDocument {
    /// The integration, or nothing if it is none.
    pub(super) fn read(document: &Value) -> Option<Integration> {
        let document: IntegrationDocument = serde_json::from_value(document.clone()).ok()?;
        let r#type: IntegrationType = of_text(&document.r#type.to_uppercase())?;
        let http = matches!(r#type, IntegrationType::Http | IntegrationType::HttpProxy);
        let responses: BTreeMap<String, IntegrationResponse> =
            document.responses.into_iter().map(|(pattern, response)| response.read(&pattern)).collect();
        Some(Integration {
            r#type,
            http_method: document.http_method.map(|method| method.to_uppercase()),
            uri: document.uri,
            connection_type: match document.connection_type {
                Some(name) => Some(of_text(&name.to_uppercase())?),
                None => http.then_some(ConnectionType::Internet),
            },
            connection_id: document.connection_id,
            credentials: document.credentials,
            request_parameters: texts(document.request_parameters),
            request_templates: templates(document.request_templates),
            passthrough_behavior: document.passthrough_behavior.map(|behavior| behavior.to_uppercase()),
            content_handling: content_handling(document.content_handling)?,
            timeout_in_millis: document.timeout_in_millis,
            cache_namespace: document.cache_namespace,
            cache_key_parameters: Some(document.cache_key_parameters),
            integration_responses: if responses.is_empty() { None } else { Some(responses) },
            tls_config: document.tls_config,
            response_transfer_mode: match document.response_transfer_mode {
                Some(mode) => Some(of_text::<ResponseTransferMode>(&mode.to_uppercase())?),
                None => None,
            },
            integration_target: document.integration_target,
        })
    }

    /// What a document says of an integration of a resource.
    pub(super) fn of(integration: &Integration, resource_id: &str) -> IntegrationDocument {
        let lower = |text: &String| text.to_lowercase();
        let responses = integration.integration_responses.iter().flatten().map(|(_, response)| {
            let pattern = response.selection_pattern.clone().filter(|pattern| !pattern.is_empty());
            (pattern.unwrap_or_else(|| "default".to_owned()), ResponseDocument::of(response))
        });
        IntegrationDocument {
            r#type: text_of(integration.r#type).to_lowercase(),
            http_method: integration.http_method.clone(),
            uri: integration.uri.clone(),
            connection_type: integration.connection_type.filter(|kind| *kind == ConnectionType::VpcLink).map(text_of),
            connection_id: integration.connection_id.clone(),
            integration_target: integration.integration_target.clone(),
            credentials: integration.credentials.clone(),
            request_parameters: loose(integration.request_parameters.as_ref()),
            request_templates: loose_templates(integration.request_templates.as_ref()),
            passthrough_behavior: integration.passthrough_behavior.as_ref().map(lower),
            content_handling: integration.content_handling.map(text_of),
            timeout_in_millis: integration.timeout_in_millis.filter(|timeout_ms| *timeout_ms != TIMEOUT_MS),
            cache_namespace: integration.cache_namespace.clone().filter(|namespace| namespace != resource_id),
            cache_key_parameters: integration.cache_key_parameters.clone().unwrap_or_default(),
            tls_config: integration.tls_config.clone(),
            response_transfer_mode: integration.response_transfer_mode.map(text_of),
            responses: responses.collect(),
        }
    }
}

/// The value of a set that may be absent: `None` if it is no value of the set.
fn content_handling(text: Option<String>) -> Option<Option<ContentHandlingStrategy>> {
    match text {
        Some(text) => Some(Some(of_text(&text.to_uppercase())?)),
        None => Some(None),
    }
}

impl ResponseDocument {
    fn read(self, pattern: &str) -> (String, IntegrationResponse) {
        let Loose(status_code) = self.status_code;
        let response = IntegrationResponse {
            status_code: StatusCode(status_code.clone()),
            selection_pattern: if pattern == "default" { None } else { Some(pattern.to_owned()) },
            response_parameters: texts(self.response_parameters),
            response_templates: templates(self.response_templates),
            content_handling: content_handling(self.content_handling).flatten(),
        };
        (status_code, response)
    }

    fn of(response: &IntegrationResponse) -> ResponseDocument {
        ResponseDocument {
            status_code: Loose(response.status_code.0.clone()),
            response_parameters: loose(response.response_parameters.as_ref()),
            response_templates: loose_templates(response.response_templates.as_ref()),
            content_handling: response.content_handling.map(text_of),
        }
    }
}

/// `x-amazon-apigateway-authorizer`, within a security scheme.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AuthorizerDocument {
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer_credentials: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_validation_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer_result_ttl_in_seconds: Option<i32>,
    #[serde(rename = "providerARNs", skip_serializing_if = "Option::is_none")]
    provider_arns: Option<Vec<String>>,
}

impl AuthorizerDocument {
    /// The authorizer of a scheme, whose header is `header`; nothing if it is none.
    pub(super) fn read(
        document: &Value,
        name: &str,
        header: Option<&str>,
        auth_type: Option<String>,
    ) -> Option<Authorizer> {
        let document: AuthorizerDocument = serde_json::from_value(document.clone()).ok()?;
        let r#type: AuthorizerType = of_text(&document.r#type.to_uppercase())?;
        let by_header = r#type != AuthorizerType::Request;
        let of_header = || header.filter(|_| by_header).map(|header| format!("method.request.header.{header}"));
        Some(Authorizer {
            name: name.to_owned(),
            r#type,
            provider_arns: document.provider_arns,
            auth_type,
            authorizer_uri: document.authorizer_uri,
            authorizer_credentials: document.authorizer_credentials,
            identity_source: document.identity_source.or_else(of_header),
            identity_validation_expression: document.identity_validation_expression,
            authorizer_result_ttl_in_seconds: document.authorizer_result_ttl_in_seconds,
            ..Authorizer::default()
        })
    }

    /// What a document says of an authorizer. The header stands in the scheme.
    pub(super) fn of(authorizer: &Authorizer) -> AuthorizerDocument {
        let in_scheme = authorizer.r#type != AuthorizerType::Request;
        AuthorizerDocument {
            r#type: text_of(authorizer.r#type).to_lowercase(),
            authorizer_uri: authorizer.authorizer_uri.clone(),
            authorizer_credentials: authorizer.authorizer_credentials.clone(),
            identity_source: authorizer.identity_source.clone().filter(|_| !in_scheme),
            identity_validation_expression: authorizer.identity_validation_expression.clone(),
            authorizer_result_ttl_in_seconds: authorizer.authorizer_result_ttl_in_seconds,
            provider_arns: authorizer.provider_arns.clone(),
        }
    }
}

/// One of `x-amazon-apigateway-gateway-responses`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GatewayResponseDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<Loose>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    response_parameters: BTreeMap<String, Loose>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    response_templates: BTreeMap<String, Loose>,
}

impl GatewayResponseDocument {
    /// What is said in a case; nothing if there is no such case.
    pub(super) fn read(document: &Value, case: &str) -> Option<GatewayResponse> {
        let document: GatewayResponseDocument = serde_json::from_value(document.clone()).ok()?;
        Some(GatewayResponse {
            response_type: of_text(case)?,
            status_code: document.status_code.map(|Loose(status)| StatusCode(status)),
            response_parameters: texts(document.response_parameters).unwrap_or_default(),
            response_templates: templates(document.response_templates).unwrap_or_default(),
            default_response: false,
        })
    }

    pub(super) fn of(response: &GatewayResponse) -> GatewayResponseDocument {
        GatewayResponseDocument {
            status_code: response.status_code.as_ref().map(|status| Loose(status.0.clone())),
            response_parameters: loose(Some(&response.response_parameters)),
            response_templates: loose_templates(Some(&response.response_templates)),
        }
    }
}

/// One of `x-amazon-apigateway-request-validators`
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ValidatorDocument {
    validate_request_body: bool,
    validate_request_parameters: bool,
}

impl ValidatorDocument {
    pub(super) fn read(document: &Value, name: &str) -> Option<RequestValidator> {
        let document: ValidatorDocument = serde_json::from_value(document.clone()).ok()?;
        Some(RequestValidator {
            id: String::new(),
            name: Some(name.to_owned()),
            validate_request_body: document.validate_request_body,
            validate_request_parameters: document.validate_request_parameters,
        })
    }

    pub(super) fn of(validator: &RequestValidator) -> ValidatorDocument {
        ValidatorDocument {
            validate_request_body: validator.validate_request_body,
            validate_request_parameters: validator.validate_request_parameters,
        }
    }
}

/// `x-amazon-apigateway-documentation`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DocumentationDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<Loose>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_date: Option<Loose>,
    pub(super) documentation_parts: Vec<PartDocument>,
}

/// What is said of one place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PartDocument {
    location: DocumentationPartLocation,
    properties: Value,
}

impl PartDocument {
    pub(super) fn read(self) -> DocumentationPart {
        DocumentationPart { id: String::new(), location: self.location, properties: self.properties.to_string() }
    }

    pub(super) fn of(part: &DocumentationPart) -> PartDocument {
        let properties = serde_json::from_str(&part.properties).unwrap_or_else(|_| part.properties.clone().into());
        PartDocument { location: part.location.clone(), properties }
    }
}
