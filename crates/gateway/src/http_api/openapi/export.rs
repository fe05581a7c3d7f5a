//! From an API to its definition: as it is now, or as a stage serves it.

use std::collections::BTreeMap;

use serde_json::json;

use super::EXPORT_VERSION;
use super::definition::{
    self, Components, Definition, Endpoint, Info, Jwt, Operation, Parameter, Response, SecurityScheme, Server, Sources,
    Tag, Tls, Variable,
};
use crate::http_api::records::{
    AuthorizationType, Authorizer, AuthorizerType, ConnectionType, Integration, IntegrationType, Route,
};
use crate::http_api::route;
use crate::http_api::snapshot::Snapshot;

/// The name of the scheme for callers whom IAM knows.
const IAM_SCHEME: &str = "sigv4";

/// How a definition is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// As JSON.
    Json,
    /// As YAML.
    Yaml,
}

/// What is to be exported, and how.
#[derive(Debug)]
pub(crate) struct Export<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// Where the API is.
    pub(crate) endpoint: &'a str,
    /// The stage that serves it.
    pub(crate) stage_name: Option<&'a str>,
    /// Whether AWS's extensions are written.
    pub(crate) extensions: bool,
}

impl Export<'_> {
    /// Writes the definition.
    pub(crate) fn write(&self, format: Format) -> Result<String, serde_json::Error> {
        let definition = self.definition();
        match format {
            Format::Json => serde_json::to_string_pretty(&definition),
            Format::Yaml => Ok(lang::document::write_yaml(&serde_json::to_value(&definition)?)),
        }
    }

    fn definition(&self) -> Definition {
        let api = &self.snapshot.api;
        let mut paths: BTreeMap<String, definition::PathItem> = BTreeMap::new();
        for one in &self.snapshot.routes {
            let (method, path) = one.route_key.split_once(' ').unwrap_or(("ANY", "/$default"));
            let item = paths.entry(path.to_owned()).or_default();
            if let Some(slot) = item.slot(method) {
                *slot = Some(self.operation(one, path));
            }
        }
        let stage = self.stage_name.filter(|stage| *stage != route::DEFAULT).unwrap_or_default();
        let server = Server {
            url: format!("{}/{{basePath}}", self.endpoint),
            variables: BTreeMap::from([("basePath".to_owned(), Variable { default: stage.to_owned() })]),
            endpoint: None,
        };
        let extended = self.extensions;
        let disabled = api.disable_execute_api_endpoint.filter(|disabled| extended && *disabled);
        let tags = api.tags.iter().flatten().filter(|_| extended);
        Definition {
            openapi: "3.0.1".to_owned(),
            info: Info {
                title: api.name.clone(),
                description: api.description.clone(),
                version: Some(api.version.clone().unwrap_or_else(|| api.created_date.to_date_time())),
            },
            servers: vec![server],
            tags: tags.map(|(name, value)| Tag { name: name.clone(), value: Some(value.clone()) }).collect(),
            paths,
            components: Components { security_schemes: self.schemes(), integrations: BTreeMap::new() },
            security: None,
            cors: api.cors_configuration.clone().filter(|_| extended),
            endpoint: disabled.map(|disabled| Endpoint { disable_execute_api_endpoint: Some(disabled) }),
            export_version: extended.then(|| EXPORT_VERSION.to_owned()),
            others: BTreeMap::new(),
        }
    }

    fn operation(&self, one: &Route, path: &str) -> Operation {
        let is_default = one.route_key == route::DEFAULT;
        let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let parameters = names.map(|name| {
            let name = name.trim_end_matches('+').to_owned();
            let description = format!("Generated path parameter for {name}");
            Parameter { name, place: "path", description, required: true, schema: json!({"type": "string"}) }
        });
        let response = Response { description: format!("Default response for {}", one.route_key) };
        let integration = one.target.as_deref().and_then(|target| target.strip_prefix("integrations/"));
        let integration = integration.and_then(|id| self.snapshot.integrations.get(id));
        Operation {
            operation_id: one.operation_name.clone(),
            is_default_route: (is_default && self.extensions).then_some(true),
            parameters: parameters.collect(),
            responses: BTreeMap::from([("default".to_owned(), response)]),
            security: self
                .scheme_of(one)
                .map(|scheme| vec![BTreeMap::from([(scheme, one.authorization_scopes.clone().unwrap_or_default())])]),
            integration: integration.filter(|_| self.extensions).map(described_integration),
        }
    }

    /// The security scheme of a route.
    fn scheme_of(&self, one: &Route) -> Option<String> {
        match one.authorization_type? {
            AuthorizationType::None => None,
            AuthorizationType::AwsIam => Some(IAM_SCHEME.to_owned()),
            AuthorizationType::Custom | AuthorizationType::Jwt => {
                Some(self.snapshot.authorizers.get(one.authorizer_id.as_deref()?)?.name.clone())
            }
        }
    }

    fn schemes(&self) -> BTreeMap<String, SecurityScheme> {
        let authorizers = self.snapshot.authorizers.values();
        let mut all: BTreeMap<String, SecurityScheme> =
            authorizers.map(|one| (one.name.clone(), described_scheme(one, self.extensions))).collect();
        if self.snapshot.routes.iter().any(|one| one.authorization_type == Some(AuthorizationType::AwsIam)) {
            let scheme = SecurityScheme {
                kind: Some("apiKey".to_owned()),
                name: Some("Authorization".to_owned()),
                place: Some("header".to_owned()),
                auth_type: self.extensions.then(|| "awsSigv4".to_owned()),
                ..SecurityScheme::default()
            };
            all.insert(IAM_SCHEME.to_owned(), scheme);
        }
        all
    }
}

fn described_scheme(one: &Authorizer, extensions: bool) -> SecurityScheme {
    let is_jwt = one.authorizer_type == AuthorizerType::Jwt;
    let authorizer = definition::Authorizer {
        kind: if is_jwt { "jwt" } else { "request" }.to_owned(),
        identity_source: one.identity_source.as_ref().map(|sources| Sources::One(sources.join(","))),
        authorizer_uri: one.authorizer_uri.clone(),
        authorizer_credentials: one.authorizer_credentials_arn.clone(),
        authorizer_payload_format_version: one.authorizer_payload_format_version.clone(),
        authorizer_result_ttl_in_seconds: one.authorizer_result_ttl_in_seconds,
        enable_simple_responses: one.enable_simple_responses,
        jwt_configuration: one
            .jwt_configuration
            .clone()
            .map(|jwt| Jwt { issuer: jwt.issuer.unwrap_or_default(), audience: jwt.audience.unwrap_or_default() }),
    };
    let authorizer = extensions.then_some(authorizer);
    match is_jwt {
        true => SecurityScheme {
            kind: Some("oauth2".to_owned()),
            flows: Some(json!({})),
            authorizer,
            ..SecurityScheme::default()
        },
        false => SecurityScheme {
            kind: Some("apiKey".to_owned()),
            name: Some("Unused".to_owned()),
            place: Some("header".to_owned()),
            authorizer,
            ..SecurityScheme::default()
        },
    }
}

fn described_integration(one: &Integration) -> definition::Integration {
    let kind = match one.integration_type {
        IntegrationType::AwsProxy => "aws_proxy",
        IntegrationType::HttpProxy => "http_proxy",
        IntegrationType::Aws => "aws",
        IntegrationType::Http => "http",
        IntegrationType::Mock => "mock",
    };
    let connection = match one.connection_type {
        Some(ConnectionType::VpcLink) => "VPC_LINK",
        _ => "INTERNET",
    };
    definition::Integration {
        reference: None,
        kind: Some(kind.to_owned()),
        integration_subtype: one.integration_subtype.clone(),
        description: one.description.clone(),
        http_method: one.integration_method.clone(),
        uri: one.integration_uri.clone(),
        credentials: one.credentials_arn.clone(),
        connection_type: Some(connection.to_owned()),
        connection_id: one.connection_id.clone(),
        payload_format_version: one.payload_format_version.clone(),
        timeout_in_millis: one.timeout_in_millis,
        request_parameters: one.request_parameters.clone(),
        response_parameters: one.response_parameters.clone(),
        tls_config: one.tls_config.clone().map(|tls| Tls { server_name_to_verify: tls.server_name_to_verify }),
    }
}
