//! Integrations: what a method's requests reach.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shape::Shape;

use super::{StatusCode, Templates, Texts};

/// What a method's requests reach, and how they are made into requests to it.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct Integration {
    /// Its kind.
    pub r#type: IntegrationType,
    /// The HTTP method of the request to it; `MOCK` has none.
    pub http_method: Option<String>,
    /// Where it is: an address, or `arn:aws:apigateway:{region}:{service}:{action|path}/…`.
    pub uri: Option<String>,
    /// Whether by the internet or a VPC link.
    pub connection_type: Option<ConnectionType>,
    /// The VPC link, or a stage variable that names it.
    pub connection_id: Option<String>,
    /// The role with which an AWS service is called.
    pub credentials: Option<String>,
    /// `integration.request.{header|querystring|path}.{name}` to an expression.
    pub request_parameters: Option<Texts>,
    /// Mapping templates by content type.
    pub request_templates: Option<Templates>,
    /// What becomes of bodies for which there is no template: `WHEN_NO_MATCH`, `WHEN_NO_TEMPLATES`, `NEVER`.
    pub passthrough_behavior: Option<String>,
    /// Whether bodies become text or bytes first.
    pub content_handling: Option<ContentHandlingStrategy>,
    /// How long to wait for it. AWS's default is 29,000, and its most, but for answers that stream: those may take 900,000.
    pub timeout_in_millis: Option<i32>,
    /// Which answers share a cache: the resource's id unless it is given.
    pub cache_namespace: Option<String>,
    /// What distinguishes answers in the cache.
    pub cache_key_parameters: Option<Vec<String>>,
    /// How its answers are made into the method's.
    pub integration_responses: Option<BTreeMap<String, IntegrationResponse>>,
    /// How its certificate is checked.
    pub tls_config: Option<TlsConfig>,
    /// Whether answers are passed on as they come.
    pub response_transfer_mode: Option<ResponseTransferMode>,
    /// The load balancer behind a VPC link of version 2.
    pub integration_target: Option<String>,
}

/// The kinds of integration. In the order in which AWS's refusals list them.
#[derive(Shape, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IntegrationType {
    /// An HTTP server, with mapping.
    #[shape(value = "HTTP")]
    Http,
    /// Nobody: the mapping answers.
    #[default]
    #[shape(value = "MOCK")]
    Mock,
    /// A function, which gets the request as an event.
    #[shape(value = "AWS_PROXY")]
    AwsProxy,
    /// An HTTP server, without mapping.
    #[shape(value = "HTTP_PROXY")]
    HttpProxy,
    /// An AWS service, with mapping.
    #[shape(value = "AWS")]
    Aws,
}

/// How an HTTP server is reached.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConnectionType {
    /// By its address.
    #[shape(value = "INTERNET")]
    Internet,
    /// By a VPC link.
    #[shape(value = "VPC_LINK")]
    VpcLink,
}

/// What becomes of a body before it is mapped.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContentHandlingStrategy {
    /// Base64 becomes bytes.
    #[shape(value = "CONVERT_TO_BINARY")]
    ConvertToBinary,
    /// Bytes become base64.
    #[shape(value = "CONVERT_TO_TEXT")]
    ConvertToText,
}

/// Whether answers are passed on as they come.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ResponseTransferMode {
    /// When they are whole.
    #[shape(value = "BUFFERED")]
    Buffered,
    /// Part by part.
    #[shape(value = "STREAM")]
    Stream,
}

/// How an integration's certificate is checked.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct TlsConfig {
    /// That nobody known need have issued it.
    pub insecure_skip_verification: Option<bool>,
}

/// How some of an integration's answers are made into the method's.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct IntegrationResponse {
    /// The method's status.
    pub status_code: StatusCode,
    /// Which answers: a pattern of the status or of a function's error; an empty one means all others.
    pub selection_pattern: Option<String>,
    /// `method.response.header.{name}` to an expression.
    pub response_parameters: Option<Texts>,
    /// Mapping templates by content type.
    pub response_templates: Option<Templates>,
    /// Whether bodies become text or bytes first.
    pub content_handling: Option<ContentHandlingStrategy>,
}
