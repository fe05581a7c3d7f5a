//! Methods and their responses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shape::Shape;

use super::{Integration, Texts};

/// What callers may do with a resource.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct Method {
    /// The HTTP method, or `ANY`.
    pub http_method: String,
    /// `NONE`, `AWS_IAM`, `CUSTOM`, `COGNITO_USER_POOLS`.
    pub authorization_type: String,
    /// The authorizer of `CUSTOM` and `COGNITO_USER_POOLS`.
    pub authorizer_id: Option<String>,
    /// Whether callers need an API key.
    pub api_key_required: bool,
    /// What is checked of requests.
    pub request_validator_id: Option<String>,
    /// The name in generated SDKs.
    pub operation_name: Option<String>,
    /// `method.request.{header|querystring|path}.{name}`: whether it must be there.
    pub request_parameters: Option<BTreeMap<String, bool>>,
    /// Models of bodies by content type.
    pub request_models: Option<Texts>,
    /// What it may answer, by status.
    pub method_responses: Option<BTreeMap<String, MethodResponse>>,
    /// What its requests reach.
    pub method_integration: Option<Integration>,
    /// Scopes of which a user pool's token needs one.
    pub authorization_scopes: Option<Vec<String>>,
}

/// A status that a method may answer.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct MethodResponse {
    /// The status.
    pub status_code: StatusCode,
    /// `method.response.header.{name}`: whether generated SDKs may rely on it.
    pub response_parameters: Option<BTreeMap<String, bool>>,
    /// Models of bodies by content type.
    pub response_models: Option<Texts>,
}

/// An HTTP status as text.
#[derive(Shape, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[shape(pattern = r"[1-5]\d\d")]
pub struct StatusCode(pub String);
