//! What API Gateway's second version keeps in the store, and under which keys. A record is the shape that operations show:
//! its members are AWS's, and what AWS leaves out is absent.
//!
//! Ids of APIs are one space, so all that belongs to an API is keyed by its id; only APIs themselves and VPC links, which
//! are listed for an account, are keyed by account and region.

use std::collections::BTreeMap;

use base::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::{Key, Record, Table};

/// APIs by (account, region, API).
pub(crate) const APIS: Table<Api> = Table::new("gateway.v2.apis");
/// Routes by (API, route).
pub(crate) const ROUTES: Table<Route> = Table::new("gateway.v2.routes");
/// (API, route key): the id of the route that has it.
pub(crate) const ROUTE_KEYS: Table<RouteOfKey> = Table::new("gateway.v2.route-keys");
/// Route responses by (API, route, route response).
pub(crate) const ROUTE_RESPONSES: Table<RouteResponse> = Table::new("gateway.v2.route-responses");
/// Integrations by (API, integration).
pub(crate) const INTEGRATIONS: Table<Integration> = Table::new("gateway.v2.integrations");
/// Integration responses by (API, integration, integration response).
pub(crate) const INTEGRATION_RESPONSES: Table<IntegrationResponse> = Table::new("gateway.v2.integration-responses");
/// Authorizers by (API, authorizer).
pub(crate) const AUTHORIZERS: Table<Authorizer> = Table::new("gateway.v2.authorizers");
/// Models by (API, model).
pub(crate) const MODELS: Table<Model> = Table::new("gateway.v2.models");
/// Deployments by (API, deployment); what they froze is in `snapshot`.
pub(crate) const DEPLOYMENTS: Table<Deployment> = Table::new("gateway.v2.deployments");
/// Stages by (API, stage's name).
pub(crate) const STAGES: Table<Stage> = Table::new("gateway.v2.stages");
/// VPC links by (account, region, VPC link).
pub(crate) const VPC_LINKS: Table<VpcLink> = Table::new("gateway.v2.vpc-links");

/// The key of what an account has in a region.
pub(crate) fn owned(account: AccountId, region: &Region, id: &str) -> Key {
    Key::of((account.as_str(), region.as_str(), id))
}

/// Texts by name: tags, templates, parameters.
pub(crate) type Texts = BTreeMap<String, String>;

/// The kinds of API that version 2 has.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProtocolType {
    /// Messages over a connection that stays.
    #[shape(value = "WEBSOCKET")]
    WebSocket,
    /// Requests and responses.
    #[shape(value = "HTTP")]
    Http,
}

/// Which addresses may call an API.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpAddressType {
    /// Those of IPv4.
    #[shape(value = "ipv4")]
    Ipv4,
    /// Those of IPv6, too.
    #[shape(value = "dualstack")]
    Dualstack,
}

/// An API.
#[derive(Shape, Clone, Debug, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct Api {
    /// Its id.
    pub api_id: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub protocol_type: ProtocolType,
    /// By what a request finds its route.
    pub route_selection_expression: String,
    /// Where requests have their API key; of use to WebSocket APIs only.
    pub api_key_selection_expression: Option<String>,
    /// Where it is. Not kept: it leads to where the caller came in.
    #[serde(skip)]
    pub api_endpoint: Option<String>,
    /// Whether something else manages it; nothing does here.
    pub api_gateway_managed: Option<bool>,
    /// What browsers are told, instead of what integrations say.
    pub cors_configuration: Option<Cors>,
    /// When it was made.
    #[shape(timestamp = "date-time")]
    pub created_date: Timestamp,
    /// What it is for.
    pub description: Option<String>,
    /// Whether models are not looked at; WebSocket APIs only.
    pub disable_schema_validation: Option<bool>,
    /// Whether it answers on its custom domain names only.
    pub disable_execute_api_endpoint: Option<bool>,
    /// What the import has to tell.
    pub import_info: Option<Vec<String>>,
    /// Which addresses may call it.
    pub ip_address_type: Option<IpAddressType>,
    /// Its tags.
    pub tags: Option<Texts>,
    /// Its author's version of it.
    pub version: Option<String>,
    /// What the last import warned of.
    pub warnings: Option<Vec<String>>,
}

/// What browsers are told about requests from other origins.
#[derive(Shape, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase")]
pub struct Cors {
    /// Whether requests may carry credentials.
    pub allow_credentials: Option<bool>,
    /// Request headers that may be sent.
    pub allow_headers: Option<Vec<String>>,
    /// Methods that may be used.
    pub allow_methods: Option<Vec<String>>,
    /// Origins that may ask.
    pub allow_origins: Option<Vec<String>>,
    /// Response headers that scripts may see.
    pub expose_headers: Option<Vec<String>>,
    /// How long a browser may remember this, in seconds; -1 for not at all.
    pub max_age: Option<i32>,
}

/// How a route's callers are known.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthorizationType {
    /// They are not.
    #[shape(value = "NONE")]
    None,
    /// By their signature, and IAM says what they may.
    #[shape(value = "AWS_IAM")]
    AwsIam,
    /// A function says.
    #[shape(value = "CUSTOM")]
    Custom,
    /// By a token that an issuer signed.
    #[shape(value = "JWT")]
    Jwt,
}

/// A route: which requests, who may, and what becomes of them.
#[derive(Shape, Clone, Debug, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct Route {
    /// Its id.
    pub route_id: String,
    /// Which requests: `GET /pets/{id}`, `$default`; for WebSocket APIs a value of the route selection expression.
    pub route_key: String,
    /// Whether it came with the API (quick create).
    pub api_gateway_managed: Option<bool>,
    /// Whether callers need an API key; WebSocket APIs only.
    pub api_key_required: Option<bool>,
    /// Of these scopes a token must have one.
    pub authorization_scopes: Option<Vec<String>>,
    /// How callers are known.
    pub authorization_type: Option<AuthorizationType>,
    /// Who says whether they may.
    pub authorizer_id: Option<String>,
    /// By what a message finds its model; WebSocket APIs only.
    pub model_selection_expression: Option<String>,
    /// Its author's name for it.
    pub operation_name: Option<String>,
    /// Names of models, by what the model selection expression says.
    pub request_models: Option<Texts>,
    /// Parameters of the request, and whether they must be there.
    pub request_parameters: Option<BTreeMap<String, ParameterConstraints>>,
    /// By what an answer finds its route response; WebSocket APIs only.
    pub route_response_selection_expression: Option<String>,
    /// `integrations/{id}`.
    pub target: Option<String>,
}

/// What is asked of a parameter.
#[derive(Shape, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct ParameterConstraints {
    /// Whether it must be there.
    pub required: Option<bool>,
}

/// Which route has a route key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RouteOfKey(pub(crate) String);

/// How an answer goes back to a WebSocket's client.
#[derive(Shape, Clone, Debug, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct RouteResponse {
    /// Its id.
    pub route_response_id: String,
    /// `$default`, the only one that AWS has.
    pub route_response_key: String,
    /// By what an answer finds its model.
    pub model_selection_expression: Option<String>,
    /// Names of models, by what that says.
    pub response_models: Option<Texts>,
    /// Parameters of the response.
    pub response_parameters: Option<BTreeMap<String, ParameterConstraints>>,
}

/// The kinds of integration.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntegrationType {
    /// An action of an AWS service, with templates; WebSocket APIs only.
    #[shape(value = "AWS")]
    Aws,
    /// An HTTP server, with templates; WebSocket APIs only.
    #[shape(value = "HTTP")]
    Http,
    /// Nobody: the request template is the answer; WebSocket APIs only.
    #[shape(value = "MOCK")]
    Mock,
    /// An HTTP server, as it is.
    #[shape(value = "HTTP_PROXY")]
    HttpProxy,
    /// A function that gets the whole request, or for HTTP APIs an action that the subtype names.
    #[shape(value = "AWS_PROXY")]
    AwsProxy,
}

/// How the backend is reached.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectionType {
    /// By the public network.
    #[shape(value = "INTERNET")]
    Internet,
    /// Through a VPC link.
    #[shape(value = "VPC_LINK")]
    VpcLink,
}

/// What becomes of a body on its way.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentHandlingStrategy {
    /// Base64 text becomes bytes.
    #[shape(value = "CONVERT_TO_BINARY")]
    ConvertToBinary,
    /// Bytes become base64 text.
    #[shape(value = "CONVERT_TO_TEXT")]
    ConvertToText,
}

/// What becomes of a message for which there is no template.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PassthroughBehavior {
    /// It goes to the backend as it is.
    #[shape(value = "WHEN_NO_MATCH")]
    WhenNoMatch,
    /// It is refused.
    #[shape(value = "NEVER")]
    Never,
    /// It goes to the backend as it is, unless there are templates for others.
    #[shape(value = "WHEN_NO_TEMPLATES")]
    WhenNoTemplates,
}

/// A backend, and how requests become its own.
#[derive(Shape, Clone, Debug, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct Integration {
    /// Its id.
    pub integration_id: String,
    /// Its kind.
    pub integration_type: IntegrationType,
    /// Whether it came with the API (quick create).
    pub api_gateway_managed: Option<bool>,
    /// The VPC link.
    pub connection_id: Option<String>,
    /// How the backend is reached.
    pub connection_type: Option<ConnectionType>,
    /// What becomes of the request's body.
    pub content_handling_strategy: Option<ContentHandlingStrategy>,
    /// The role in whose name the backend is called. The caller's own credentials (`arn:aws:iam::*:user/*`) are refused.
    pub credentials_arn: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The method that the backend is called with.
    pub integration_method: Option<String>,
    /// By what an answer finds its integration response; WebSocket APIs only.
    pub integration_response_selection_expression: Option<String>,
    /// The action of an AWS service: `SQS-SendMessage`.
    pub integration_subtype: Option<String>,
    /// Where the backend is.
    pub integration_uri: Option<String>,
    /// What becomes of messages without a template.
    pub passthrough_behavior: Option<PassthroughBehavior>,
    /// The form of the event that a function gets: `1.0` or `2.0`.
    pub payload_format_version: Option<String>,
    /// What is changed in the request, or the parameters of the action.
    pub request_parameters: Option<Texts>,
    /// Templates by what the template selection expression says.
    pub request_templates: Option<Texts>,
    /// What is changed in responses, by status.
    pub response_parameters: Option<BTreeMap<String, Texts>>,
    /// By what a message finds its template.
    pub template_selection_expression: Option<String>,
    /// How long the backend may take, in milliseconds.
    pub timeout_in_millis: Option<i32>,
    /// What is asked of the backend's certificate.
    pub tls_config: Option<TlsConfig>,
}

/// What is asked of a private backend's certificate.
#[derive(Shape, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct TlsConfig {
    /// The name that it must be for.
    pub server_name_to_verify: Option<String>,
}

/// How a backend's answer becomes the API's; WebSocket APIs only.
#[derive(Shape, Clone, Debug, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct IntegrationResponse {
    /// Its id.
    pub integration_response_id: String,
    /// Which answers: a status as `/200/`, an expression between slashes, or `$default`.
    pub integration_response_key: String,
    /// What becomes of the answer's body.
    pub content_handling_strategy: Option<ContentHandlingStrategy>,
    /// What is changed in the answer.
    pub response_parameters: Option<Texts>,
    /// Templates by what the template selection expression says.
    pub response_templates: Option<Texts>,
    /// By what an answer finds its template.
    pub template_selection_expression: Option<String>,
}

/// The kinds of authorizer.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthorizerType {
    /// A function that sees the request.
    #[shape(value = "REQUEST")]
    Request,
    /// Tokens that an issuer signed; HTTP APIs only.
    #[shape(value = "JWT")]
    Jwt,
}

/// Who says whether a caller may.
#[derive(Shape, Clone, Debug, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct Authorizer {
    /// Its id.
    pub authorizer_id: String,
    /// Its kind.
    pub authorizer_type: AuthorizerType,
    /// Its name.
    pub name: String,
    /// The role in whose name the function is called.
    pub authorizer_credentials_arn: Option<String>,
    /// The form of the function's event: `1.0` or `2.0`; HTTP APIs only.
    pub authorizer_payload_format_version: Option<String>,
    /// How long an answer is good, in seconds.
    pub authorizer_result_ttl_in_seconds: Option<i32>,
    /// Where the function is.
    pub authorizer_uri: Option<String>,
    /// Whether the function answers with a Boolean instead of a policy.
    pub enable_simple_responses: Option<bool>,
    /// What of the request says who the caller is; without it a request is refused.
    pub identity_source: Option<Vec<String>>,
    /// Not used by AWS.
    pub identity_validation_expression: Option<String>,
    /// Whose tokens are taken.
    pub jwt_configuration: Option<JwtConfiguration>,
}

/// Whose tokens an authorizer takes.
#[derive(Shape, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[shape(name = "JWTConfiguration", rename_all = "camelCase")]
pub struct JwtConfiguration {
    /// For one of these a token must be.
    pub audience: Option<Vec<String>>,
    /// Who must have signed it.
    pub issuer: Option<String>,
}

/// A JSON schema of messages.
#[derive(Shape, Clone, Debug, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct Model {
    /// Its id.
    pub model_id: String,
    /// Its name.
    pub name: String,
    /// The media type that it is for.
    pub content_type: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The schema.
    pub schema: Option<String>,
}

/// What became of a deployment.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeploymentStatus {
    /// It is under way.
    #[shape(value = "PENDING")]
    Pending,
    /// Nothing.
    #[shape(value = "FAILED")]
    Failed,
    /// It is there.
    #[shape(value = "DEPLOYED")]
    Deployed,
}

/// A state of an API that stages can serve; it never changes.
#[derive(Shape, Clone, Debug, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct Deployment {
    /// Its id.
    pub deployment_id: String,
    /// Whether a change of the API made it.
    pub auto_deployed: Option<bool>,
    /// When it was made.
    #[shape(timestamp = "date-time")]
    pub created_date: Timestamp,
    /// What became of it.
    pub deployment_status: Option<DeploymentStatus>,
    /// Why, if it failed.
    pub deployment_status_message: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// A name under which an API is served.
#[derive(Shape, Clone, Debug, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct Stage {
    /// Its name; `$default` has none in its address.
    pub stage_name: String,
    /// Where requests are noted.
    pub access_log_settings: Option<AccessLogSettings>,
    /// Whether it came with the API (quick create).
    pub api_gateway_managed: Option<bool>,
    /// Whether every change of the API is served at once.
    pub auto_deploy: Option<bool>,
    /// The certificate that backends see; WebSocket APIs only.
    pub client_certificate_id: Option<String>,
    /// When it was made.
    #[shape(timestamp = "date-time")]
    pub created_date: Timestamp,
    /// Settings of all routes that have none of their own.
    pub default_route_settings: Option<RouteSettings>,
    /// What it serves.
    pub deployment_id: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What became of the last automatic deployment.
    pub last_deployment_status_message: Option<String>,
    /// When it was changed.
    #[shape(timestamp = "date-time")]
    pub last_updated_date: Timestamp,
    /// Settings by route key.
    pub route_settings: Option<BTreeMap<String, RouteSettings>>,
    /// Values that integrations may use.
    pub stage_variables: Option<Texts>,
    /// Its tags.
    pub tags: Option<Texts>,
}

/// Where requests are noted, and how.
#[derive(Shape, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct AccessLogSettings {
    /// The log group, or the delivery stream.
    pub destination_arn: Option<String>,
    /// A line, with `$context` variables.
    pub format: Option<String>,
}

/// How much is noted of requests.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoggingLevel {
    /// What failed.
    #[shape(value = "ERROR")]
    Error,
    /// Everything.
    #[shape(value = "INFO")]
    Info,
    /// Nothing.
    #[shape(value = "OFF")]
    Off,
}

/// A route's settings in a stage.
#[derive(Shape, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct RouteSettings {
    /// Whether messages are noted whole; WebSocket APIs only.
    pub data_trace_enabled: Option<bool>,
    /// Whether there are metrics of each route.
    pub detailed_metrics_enabled: Option<bool>,
    /// How much is noted; WebSocket APIs only.
    pub logging_level: Option<LoggingLevel>,
    /// How many requests may come at once.
    pub throttling_burst_limit: Option<i32>,
    /// How many requests a second may come.
    pub throttling_rate_limit: Option<f64>,
}

/// What became of a VPC link.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VpcLinkStatus {
    /// It is being made.
    #[shape(value = "PENDING")]
    Pending,
    /// It can be used.
    #[shape(value = "AVAILABLE")]
    Available,
    /// It is being taken away.
    #[shape(value = "DELETING")]
    Deleting,
    /// It cannot be used.
    #[shape(value = "FAILED")]
    Failed,
    /// Nobody used it for long.
    #[shape(value = "INACTIVE")]
    Inactive,
}

/// The versions of VPC links that this control plane has.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VpcLinkVersion {
    /// The second.
    #[shape(value = "V2")]
    V2,
}

/// A way into a private network.
#[derive(Shape, Clone, Debug, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
pub struct VpcLink {
    /// Its id.
    pub vpc_link_id: String,
    /// Its name.
    pub name: String,
    /// The security groups.
    pub security_group_ids: Vec<String>,
    /// The subnets.
    pub subnet_ids: Vec<String>,
    /// When it was made.
    #[shape(timestamp = "date-time")]
    pub created_date: Timestamp,
    /// Its tags.
    pub tags: Option<Texts>,
    /// What became of it.
    pub vpc_link_status: Option<VpcLinkStatus>,
    /// Why.
    pub vpc_link_status_message: Option<String>,
    /// Its version.
    pub vpc_link_version: Option<VpcLinkVersion>,
}

impl Record for Api {}
impl Record for Route {}
impl Record for RouteOfKey {}
impl Record for RouteResponse {}
impl Record for Integration {}
impl Record for IntegrationResponse {}
impl Record for Authorizer {}
impl Record for Model {}
impl Record for Deployment {}
impl Record for Stage {}
impl Record for VpcLink {}
