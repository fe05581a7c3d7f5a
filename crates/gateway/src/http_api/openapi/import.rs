//! From a definition to an API: a plan of authorizers, integrations and routes, made before anything is changed, then written in
//! one transaction.

use std::collections::BTreeMap;

use base::Error;
use store::{Key, Scan, Tx};

use super::definition::{self, Definition, Operation, SecurityScheme, Sources};
use crate::Failure;
use crate::http_api::api::{PART_ID_CHARACTERS, plain_route};
use crate::http_api::error::bad;
use crate::http_api::records::{
    AUTHORIZERS, Api, AuthorizationType, Authorizer, AuthorizerType, ConnectionType, Cors, INTEGRATIONS, Integration,
    IntegrationType, JwtConfiguration, ROUTE_KEYS, ROUTES, Route, Texts, TlsConfig,
};
use crate::http_api::{authorizer, integration, route};

/// Where definitions keep integrations that several operations share.
const SHARED: &str = "#/components/x-amazon-apigateway-integrations/";

/// AWS's extensions for REST APIs, which do nothing for HTTP APIs.
const IGNORED: &[&str] = &[
    "x-amazon-apigateway-api-key-source",
    "x-amazon-apigateway-binary-media-types",
    "x-amazon-apigateway-documentation",
    "x-amazon-apigateway-gateway-responses",
    "x-amazon-apigateway-minimum-compression-size",
    "x-amazon-apigateway-policy",
    "x-amazon-apigateway-request-validator",
    "x-amazon-apigateway-request-validators",
];

/// What becomes of the path that the server's URL ends in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BasePath {
    /// Nothing.
    #[default]
    Ignore,
    /// All routes begin with it.
    Prepend,
    /// All routes begin with what follows its first segment.
    Split,
}

impl BasePath {
    /// Reads the parameter of that name.
    pub(crate) fn read(text: Option<&str>) -> Result<BasePath, Error> {
        match text.map(str::to_ascii_lowercase).as_deref() {
            None | Some("ignore") => Ok(BasePath::Ignore),
            Some("prepend") => Ok(BasePath::Prepend),
            Some("split") => Ok(BasePath::Split),
            Some(other) => Err(bad(format!("Invalid basepath: {other}. Must be one of [ignore, prepend, split]"))),
        }
    }
}

/// An API that a definition describes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) title: String,
    description: Option<String>,
    version: Option<String>,
    cors: Option<Cors>,
    tags: Texts,
    disable_execute_api_endpoint: Option<bool>,
    authorizers: Vec<Authorizer>,
    integrations: Vec<Integration>,
    routes: Vec<Route>,
    /// What the definition says in vain.
    pub(crate) warnings: Vec<String>,
}

/// Plans the API that a definition describes.
pub(super) fn plan(definition: Definition, base_path: BasePath) -> Result<Plan, Error> {
    let prefix = prefix(&definition, base_path);
    let mut planning = Planning::new(&definition)?;
    for (path, item) in definition.paths {
        for (method, operation) in item.operations() {
            planning.route(&prefix, &path, method, operation)?;
        }
    }
    let servers = definition.servers.into_iter().filter_map(|server| server.endpoint);
    let endpoint = definition.endpoint.into_iter().chain(servers).find_map(|one| one.disable_execute_api_endpoint);
    let tags = definition.tags.into_iter().filter_map(|tag| Some((tag.name, tag.value?)));
    let ignored = definition.others.keys().filter(|key| IGNORED.contains(&key.as_str()));
    planning.warnings.extend(ignored.map(|key| format!("{key} is not supported on protocolType HTTP and is ignored")));
    Ok(Plan {
        title: definition.info.title,
        description: definition.info.description,
        version: definition.info.version,
        cors: definition.cors,
        tags: tags.collect(),
        disable_execute_api_endpoint: endpoint,
        authorizers: planning.authorizers.into_values().collect(),
        integrations: planning.integrations,
        routes: planning.routes,
        warnings: planning.warnings,
    })
}

/// What all routes begin with.
fn prefix(definition: &Definition, base_path: BasePath) -> String {
    let Some(server) = definition.servers.first().filter(|_| base_path != BasePath::Ignore) else {
        return String::new();
    };
    let mut url = server.url.clone();
    for (name, variable) in &server.variables {
        url = url.replace(&format!("{{{name}}}"), &variable.default);
    }
    let after_host =
        url.split_once("://").map_or(url.as_str(), |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    let path = after_host.trim_matches('/');
    let kept = match base_path {
        BasePath::Split => path.split_once('/').map_or("", |(_, rest)| rest),
        _ => path,
    };
    if kept.is_empty() { String::new() } else { format!("/{kept}") }
}

/// A plan while it is made.
struct Planning {
    schemes: BTreeMap<String, SecurityScheme>,
    shared: BTreeMap<String, definition::Integration>,
    security: Option<Vec<definition::Requirement>>,
    /// By scheme.
    authorizers: BTreeMap<String, Authorizer>,
    /// Ids of shared integrations by name.
    shared_ids: BTreeMap<String, String>,
    integrations: Vec<Integration>,
    routes: Vec<Route>,
    warnings: Vec<String>,
}

impl Planning {
    fn new(definition: &Definition) -> Result<Planning, Error> {
        let schemes = definition.components.security_schemes.clone();
        let mut authorizers = BTreeMap::new();
        for (name, scheme) in &schemes {
            if let Some(described) = &scheme.authorizer {
                authorizers.insert(name.clone(), read_authorizer(name, described)?);
            }
        }
        Ok(Planning {
            schemes,
            shared: definition.components.integrations.clone(),
            security: definition.security.clone(),
            authorizers,
            shared_ids: BTreeMap::new(),
            integrations: Vec::new(),
            routes: Vec::new(),
            warnings: Vec::new(),
        })
    }

    fn route(&mut self, prefix: &str, path: &str, method: &str, operation: Operation) -> Result<(), Error> {
        let is_default = path.trim_start_matches('/') == route::DEFAULT || operation.is_default_route == Some(true);
        let key = match is_default {
            true => route::DEFAULT.to_owned(),
            false => format!("{method} {prefix}{path}"),
        };
        let mut planned = plain_route(key);
        planned.operation_name = operation.operation_id;
        planned.target = match operation.integration {
            Some(described) => Some(format!("integrations/{}", self.integration(described)?)),
            None => {
                self.warnings.push(format!("No integration is defined for route {}", planned.route_key));
                None
            }
        };
        let security = operation.security.or_else(|| self.security.clone()).unwrap_or_default();
        if security.len() > 1 || security.first().is_some_and(|one| one.len() > 1) {
            let words = "More than one security requirement; the first is taken";
            self.warnings.push(format!("{words}: route {}", planned.route_key));
        }
        if let Some((scheme, scopes)) = security.into_iter().next().and_then(|one| one.into_iter().next()) {
            self.secure(&mut planned, &scheme, scopes);
        }
        self.routes.push(planned);
        Ok(())
    }

    /// What a route asks of its callers.
    fn secure(&mut self, planned: &mut Route, scheme: &str, scopes: Vec<String>) {
        let is_iam = |scheme: &SecurityScheme| {
            scheme.auth_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("awsSigv4"))
        };
        if let Some(authorizer) = self.authorizers.get(scheme) {
            planned.authorizer_id = Some(authorizer.authorizer_id.clone());
            let is_jwt = authorizer.authorizer_type == AuthorizerType::Jwt;
            planned.authorization_type = Some(if is_jwt { AuthorizationType::Jwt } else { AuthorizationType::Custom });
            planned.authorization_scopes = Some(scopes).filter(|scopes| is_jwt && !scopes.is_empty());
        } else if self.schemes.get(scheme).is_some_and(is_iam) {
            planned.authorization_type = Some(AuthorizationType::AwsIam);
        } else {
            self.warnings.push(format!("Security scheme {scheme} has no authorizer: route {}", planned.route_key));
        }
    }

    /// The id of the integration that an operation describes, or refers to.
    fn integration(&mut self, described: definition::Integration) -> Result<String, Error> {
        let Some(reference) = &described.reference else { return self.add(described) };
        let missing = || bad(format!("Invalid OpenAPI input. Unable to resolve the reference {reference}"));
        let name = reference.strip_prefix(SHARED).ok_or_else(missing)?.to_owned();
        if let Some(id) = self.shared_ids.get(&name) {
            return Ok(id.clone());
        }
        let shared = self.shared.get(&name).cloned().filter(|shared| shared.reference.is_none()).ok_or_else(missing)?;
        let id = self.add(shared)?;
        self.shared_ids.insert(name, id.clone());
        Ok(id)
    }

    fn add(&mut self, described: definition::Integration) -> Result<String, Error> {
        let id = base::id::lower_alphanumeric(PART_ID_CHARACTERS);
        self.integrations.push(read_integration(id.clone(), described)?);
        Ok(id)
    }
}

fn read_integration(id: String, described: definition::Integration) -> Result<Integration, Error> {
    let kind = described.kind.unwrap_or_default();
    let integration_type = match kind.to_ascii_lowercase().as_str() {
        "aws_proxy" => IntegrationType::AwsProxy,
        "http_proxy" => IntegrationType::HttpProxy,
        _ => {
            return Err(bad(format!(
                "Invalid OpenAPI input. Integration type {kind:?} is not supported on protocolType HTTP"
            )));
        }
    };
    let connection_type = match described.connection_type.as_deref() {
        None | Some("INTERNET") => ConnectionType::Internet,
        Some("VPC_LINK") => ConnectionType::VpcLink,
        Some(other) => return Err(bad(format!("Invalid OpenAPI input. Connection type {other} is not supported"))),
    };
    let tls_config = described.tls_config.map(|tls| TlsConfig { server_name_to_verify: tls.server_name_to_verify });
    Ok(Integration {
        connection_id: described.connection_id,
        connection_type: Some(connection_type),
        credentials_arn: described.credentials,
        description: described.description,
        // Tools write `x-amazon-apigateway-any-method` here, too.
        integration_method: described.http_method.map(|method| match method.as_str() {
            "x-amazon-apigateway-any-method" => "ANY".to_owned(),
            _ => method.to_ascii_uppercase(),
        }),
        integration_subtype: described.integration_subtype,
        integration_uri: described.uri,
        payload_format_version: described.payload_format_version,
        request_parameters: described.request_parameters,
        response_parameters: described.response_parameters,
        timeout_in_millis: described.timeout_in_millis,
        tls_config,
        ..integration::blank(id, integration_type)
    })
}

fn read_authorizer(name: &str, described: &definition::Authorizer) -> Result<Authorizer, Error> {
    let authorizer_type = match described.kind.to_ascii_lowercase().as_str() {
        "jwt" => AuthorizerType::Jwt,
        "request" => AuthorizerType::Request,
        other => {
            return Err(bad(format!(
                "Invalid OpenAPI input. Authorizer type {other} is not supported on protocolType HTTP"
            )));
        }
    };
    let sources = match &described.identity_source {
        None => Vec::new(),
        Some(Sources::Many(all)) => all.clone(),
        Some(Sources::One(all)) => {
            all.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
        }
    };
    let jwt = described.jwt_configuration.clone();
    Ok(Authorizer {
        authorizer_id: base::id::lower_alphanumeric(PART_ID_CHARACTERS - 1),
        authorizer_type,
        name: name.to_owned(),
        authorizer_credentials_arn: described.authorizer_credentials.clone(),
        authorizer_payload_format_version: described.authorizer_payload_format_version.clone(),
        authorizer_result_ttl_in_seconds: described.authorizer_result_ttl_in_seconds,
        authorizer_uri: described.authorizer_uri.clone(),
        enable_simple_responses: described.enable_simple_responses,
        identity_source: Some(sources),
        identity_validation_expression: None,
        jwt_configuration: jwt.map(|jwt| JwtConfiguration { audience: Some(jwt.audience), issuer: Some(jwt.issuer) }),
    })
}

impl Plan {
    /// Refuses a definition that says something in vain, if that is wanted.
    pub(crate) fn check_warnings(&self, fail_on_warnings: bool) -> Result<(), Error> {
        match fail_on_warnings && !self.warnings.is_empty() {
            true => Err(bad(format!("Warnings found during import:\n\t{}", self.warnings.join("\n\t")))),
            false => Ok(()),
        }
    }

    /// Says of the API itself what the definition says.
    pub(crate) fn apply(&self, api: &mut Api) {
        api.name.clone_from(&self.title);
        api.description.clone_from(&self.description);
        api.version.clone_from(&self.version);
        api.cors_configuration.clone_from(&self.cors);
        if !self.tags.is_empty() {
            api.tags = Some(self.tags.clone());
        }
        if self.disable_execute_api_endpoint.is_some() {
            api.disable_execute_api_endpoint = self.disable_execute_api_endpoint;
        }
        api.warnings = Some(self.warnings.clone()).filter(|warnings| !warnings.is_empty());
    }

    /// Writes what the API has, in the place of all that it had; routes of the same key keep their ids.
    pub(crate) fn write(&self, tx: &mut Tx<'_>, api: &Api) -> Result<(), Failure> {
        let all = || Scan::under(api.api_id.as_str());
        let before = tx.scan(ROUTES, all())?;
        let ids: BTreeMap<String, String> =
            before.into_iter().map(|(_, route)| (route.route_key, route.route_id)).collect();
        tx.delete_range(ROUTES, all())?;
        tx.delete_range(ROUTE_KEYS, all())?;
        tx.delete_range(INTEGRATIONS, all())?;
        tx.delete_range(AUTHORIZERS, all())?;
        for one in &self.authorizers {
            authorizer::add(tx, api, one.clone())?;
        }
        integration::check_count(self.integrations.len())?;
        for one in &self.integrations {
            integration::put(tx, api, one.clone())?;
        }
        route::check_count(self.routes.len())?;
        for one in &self.routes {
            let mut planned = one.clone();
            if let Some(id) = ids.get(&planned.route_key).filter(|_| !self.is_taken(tx, api, &planned.route_key)) {
                planned.route_id.clone_from(id);
            }
            route::insert(tx, api, planned)?;
        }
        Ok(())
    }

    /// What a deployment of the planned API would freeze.
    #[cfg(test)]
    pub(super) fn snapshot(&self, api: Api) -> crate::http_api::snapshot::Snapshot {
        let by_id = |one: &Integration| (one.integration_id.clone(), one.clone());
        crate::http_api::snapshot::Snapshot {
            api,
            routes: self.routes.clone(),
            route_responses: BTreeMap::new(),
            integrations: self.integrations.iter().map(by_id).collect(),
            integration_responses: BTreeMap::new(),
            authorizers: self.authorizers.iter().map(|one| (one.authorizer_id.clone(), one.clone())).collect(),
            models: Vec::new(),
        }
    }

    /// Whether a route of this plan has the key already, so that the next is refused.
    fn is_taken(&self, tx: &Tx<'_>, api: &Api, route_key: &str) -> bool {
        tx.exists(ROUTE_KEYS, &Key::of((api.api_id.as_str(), route_key))).unwrap_or(true)
    }
}
