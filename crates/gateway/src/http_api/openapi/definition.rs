//! The parts of an OpenAPI 3.0 definition that mean something to an HTTP API, with AWS's extensions. All else is not read, and
//! never written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::http_api::records::{Cors, Texts};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Definition {
    pub(super) openapi: String,
    pub(super) info: Info,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) servers: Vec<Server>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<Tag>,
    #[serde(default)]
    pub(super) paths: BTreeMap<String, PathItem>,
    #[serde(default, skip_serializing_if = "Components::is_empty")]
    pub(super) components: Components,
    /// What operations ask of their callers that say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) security: Option<Vec<Requirement>>,
    #[serde(default, rename = "x-amazon-apigateway-cors", skip_serializing_if = "Option::is_none")]
    pub(super) cors: Option<Cors>,
    #[serde(default, rename = "x-amazon-apigateway-endpoint-configuration", skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<Endpoint>,
    #[serde(default, rename = "x-amazon-apigateway-importexport-version", skip_serializing_if = "Option::is_none")]
    pub(super) export_version: Option<String>,
    /// What else there is, to warn of what AWS does nothing with.
    #[serde(flatten, skip_serializing)]
    pub(super) others: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Info {
    pub(super) title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Server {
    #[serde(default)]
    pub(super) url: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) variables: BTreeMap<String, Variable>,
    #[serde(default, rename = "x-amazon-apigateway-endpoint-configuration", skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<Endpoint>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Variable {
    #[serde(default)]
    pub(super) default: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoint {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) disable_execute_api_endpoint: Option<bool>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tag {
    pub(super) name: String,
    #[serde(default, rename = "x-amazon-apigateway-tag-value", skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
}

/// Names of security schemes, with scopes.
pub(super) type Requirement = BTreeMap<String, Vec<String>>;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Components {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) security_schemes: BTreeMap<String, SecurityScheme>,
    #[serde(default, rename = "x-amazon-apigateway-integrations", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) integrations: BTreeMap<String, Integration>,
}

impl Components {
    fn is_empty(&self) -> bool {
        self.security_schemes.is_empty() && self.integrations.is_empty()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecurityScheme {
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) flows: Option<serde_json::Value>,
    #[serde(default, rename = "x-amazon-apigateway-authtype", skip_serializing_if = "Option::is_none")]
    pub(super) auth_type: Option<String>,
    #[serde(default, rename = "x-amazon-apigateway-authorizer", skip_serializing_if = "Option::is_none")]
    pub(super) authorizer: Option<Authorizer>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authorizer {
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Sources between commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) identity_source: Option<Sources>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authorizer_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authorizer_credentials: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authorizer_payload_format_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authorizer_result_ttl_in_seconds: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) enable_simple_responses: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) jwt_configuration: Option<Jwt>,
}

/// One text, or a list: tools write both.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Sources {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Jwt {
    #[serde(default)]
    pub(super) issuer: String,
    #[serde(default)]
    pub(super) audience: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct PathItem {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) get: Option<Operation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) put: Option<Operation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) post: Option<Operation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) delete: Option<Operation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) options: Option<Operation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) head: Option<Operation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) patch: Option<Operation>,
    #[serde(default, rename = "x-amazon-apigateway-any-method", skip_serializing_if = "Option::is_none")]
    pub(super) any: Option<Operation>,
}

impl PathItem {
    /// The operation of a method.
    pub(super) fn slot(&mut self, method: &str) -> Option<&mut Option<Operation>> {
        Some(match method {
            "GET" => &mut self.get,
            "PUT" => &mut self.put,
            "POST" => &mut self.post,
            "DELETE" => &mut self.delete,
            "OPTIONS" => &mut self.options,
            "HEAD" => &mut self.head,
            "PATCH" => &mut self.patch,
            "ANY" => &mut self.any,
            _ => return None,
        })
    }

    /// All operations by method.
    pub(super) fn operations(mut self) -> Vec<(&'static str, Operation)> {
        let methods = crate::http_api::route::METHODS.iter();
        methods.filter_map(|method| Some((*method, self.slot(method)?.take()?))).collect()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) operation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) is_default_route: Option<bool>,
    #[serde(default, skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<Parameter>,
    #[serde(default, skip_deserializing, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) responses: BTreeMap<String, Response>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) security: Option<Vec<Requirement>>,
    #[serde(default, rename = "x-amazon-apigateway-integration", skip_serializing_if = "Option::is_none")]
    pub(super) integration: Option<Integration>,
}

/// A parameter in the path; written only.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    #[serde(rename = "in")]
    pub(super) place: &'static str,
    pub(super) description: String,
    pub(super) required: bool,
    pub(super) schema: serde_json::Value,
}

/// A response; written only.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Response {
    pub(super) description: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Integration {
    /// `#/components/x-amazon-apigateway-integrations/{name}`.
    #[serde(default, rename = "$ref", skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) integration_subtype: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) http_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) credentials: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) connection_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) connection_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payload_format_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeout_in_millis: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request_parameters: Option<Texts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) response_parameters: Option<BTreeMap<String, Texts>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tls_config: Option<Tls>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tls {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) server_name_to_verify: Option<String>,
}
