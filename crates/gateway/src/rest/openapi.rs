//! OpenAPI documents as REST APIs and back: Swagger 2.0 and OpenAPI 3.0, with AWS's extensions (`x-amazon-apigateway-…`).
//!
//! [`Definition`] is what a document says, in the records' own terms but with names where an API has ids. `import.rs` reads a
//! document into one (`paths.rs` its paths, `security.rs` its security schemes, `schema.rs` its schemas, `extension.rs` AWS's
//! extensions, which are read and written by the same types); `apply.rs` makes it an API's, or part of one; `export.rs` writes what
//! a stage serves as a document.

mod apply;
mod export;
mod extension;
#[cfg(test)]
mod hostile;
mod import;
mod paths;
mod schema;
mod security;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use super::records::{
    ApiKeySourceType, Authorizer, DocumentationPart, EndpointAccessMode, GatewayResponse, Method, RequestValidator,
    SecurityPolicy,
};

pub(crate) use apply::{Mode, apply, document};
pub(crate) use export::{Dialect, Extensions, Staged, export};
pub(crate) use import::{Options, documentation, read};
pub(crate) use template::template;

/// What a document says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definition {
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) settings: Settings,
    /// Paths with what may be done there, by HTTP method.
    pub(crate) paths: BTreeMap<String, BTreeMap<String, Described>>,
    /// Schemas by name. References are to `#/definitions/{name}`.
    pub(crate) models: BTreeMap<String, Value>,
    pub(crate) request_validators: Vec<RequestValidator>,
    pub(crate) authorizers: Vec<Authorizer>,
    pub(crate) gateway_responses: Vec<GatewayResponse>,
    pub(crate) documentation: Documentation,
    /// What it says that cannot be had, in AWS's words.
    pub(crate) warnings: Vec<String>,
}

/// Settings of the whole API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) policy: Option<String>,
    pub(crate) binary_media_types: Option<Vec<String>>,
    pub(crate) minimum_compression_size: Option<i32>,
    pub(crate) api_key_source: Option<ApiKeySourceType>,
    pub(crate) disable_execute_api_endpoint: Option<bool>,
    pub(crate) vpc_endpoint_ids: Option<Vec<String>>,
    pub(crate) security_policy: Option<SecurityPolicy>,
    pub(crate) endpoint_access_mode: Option<EndpointAccessMode>,
}

/// A method, with names in the place of ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Described {
    /// Its `authorizer_id` and `request_validator_id` are names.
    pub(crate) method: Method,
}

/// What a document says for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Documentation {
    /// Under which version it is to be frozen.
    pub(crate) version: Option<String>,
    pub(crate) parts: Vec<DocumentationPart>,
}
