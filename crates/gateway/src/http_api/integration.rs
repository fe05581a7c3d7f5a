//! Integrations: which kinds of API have which, and what each must say. What may be changed in requests and responses is in
//! `parameters`, the actions of AWS services in `subtype`.

pub(crate) mod parameters;
pub(crate) mod subtype;

use base::Error;
use store::{Scan, Tx};

use super::change::{self, Part};
use super::error::{bad, conflict, too_many};
use super::records::{
    Api, ConnectionType, INTEGRATION_RESPONSES, INTEGRATIONS, Integration, IntegrationType, PassthroughBehavior,
    ProtocolType, ROUTES, VPC_LINKS, owned,
};
use crate::Failure;
use crate::edge::integration::CALLERS_OWN;
use crate::edge::integration::lambda::{INVOCATION_TYPE, STREAMING, session};
use crate::edge::owner;

/// Integrations of an API (a quota of AWS).
const INTEGRATIONS_MAX: usize = 300;

/// The shortest time that a backend may be given, in milliseconds.
const TIMEOUT_MS_MIN: i32 = 50;

/// The longest time that a backend of an HTTP API may take, in milliseconds, and what it is given if nothing is said.
const HTTP_TIMEOUT_MS_MAX: i32 = 30_000;

/// The same for WebSocket APIs.
const WEB_SOCKET_TIMEOUT_MS_MAX: i32 = 29_000;

/// Bytes of a template (a quota of AWS: 300 KB; the model says 32 K).
const TEMPLATE_BYTES_MAX: usize = 32 * 1024;

/// By what AWS says a WebSocket API's answers find their integration response.
const RESPONSE_SELECTION: &str = "${integration.response.statuscode}";

/// An integration of nothing but its kind.
pub(crate) fn blank(integration_id: String, integration_type: IntegrationType) -> Integration {
    Integration {
        integration_id,
        integration_type,
        api_gateway_managed: None,
        connection_id: None,
        connection_type: None,
        content_handling_strategy: None,
        credentials_arn: None,
        description: None,
        integration_method: None,
        integration_response_selection_expression: None,
        integration_subtype: None,
        integration_uri: None,
        passthrough_behavior: None,
        payload_format_version: None,
        request_parameters: None,
        request_templates: None,
        response_parameters: None,
        template_selection_expression: None,
        timeout_in_millis: None,
        tls_config: None,
    }
}

/// Adds an integration.
pub(crate) fn add(tx: &mut Tx<'_>, api: &Api, integration: Integration) -> Result<Integration, Failure> {
    check_count(tx.scan(INTEGRATIONS, Scan::under(api.api_id.as_str()))?.len() + 1)?;
    put(tx, api, integration)
}

/// Refuses more integrations than an API may have.
pub(crate) fn check_count(integrations: usize) -> Result<(), Failure> {
    if integrations > INTEGRATIONS_MAX { Err(too_many("Integrations").into()) } else { Ok(()) }
}

/// Writes an integration that was changed, or is new.
pub(crate) fn put(tx: &mut Tx<'_>, api: &Api, integration: Integration) -> Result<Integration, Failure> {
    let integration = settle(api, integration)?;
    if let Some(link) = integration.connection_id.as_deref().filter(|link| !link.starts_with("${")) {
        let place = owner::of(tx, &api.api_id)?.and_then(|owner| owner.place());
        let key = place.map(|(account, region)| owned(account, &region, link)).unwrap_or_default();
        if !tx.exists(VPC_LINKS, &key)? {
            return Err(bad(format!("Invalid VpcLink identifier specified {link}")).into());
        }
    }
    change::integration(&api.api_id, &integration.integration_id).put(tx, &integration)?;
    Ok(integration)
}

/// Removes an integration with its responses; none that a route needs.
pub(crate) fn remove(tx: &mut Tx<'_>, api: &Api, at: &Part<Integration>) -> Result<(), Failure> {
    let integration = at.delete(tx)?;
    let target = format!("integrations/{}", integration.integration_id);
    let routes = tx.scan(ROUTES, Scan::under(api.api_id.as_str()))?;
    let users = routes.iter().filter(|(_, route)| route.target.as_deref() == Some(target.as_str()));
    let users: Vec<&str> = users.map(|(_, route)| route.route_id.as_str()).collect();
    if !users.is_empty() {
        return Err(conflict(format!(
            "Cannot delete Integration because it is referenced by the following Routes with Ids: [{}]",
            users.join(", ")
        ))
        .into());
    }
    tx.delete_range(INTEGRATION_RESPONSES, Scan::under((api.api_id.as_str(), integration.integration_id.as_str())))?;
    Ok(())
}

/// Refuses what an integration cannot be, and says what AWS says of what was not given.
pub(crate) fn settle(api: &Api, mut integration: Integration) -> Result<Integration, Failure> {
    let connection = *integration.connection_type.get_or_insert(ConnectionType::Internet);
    match api.protocol_type {
        ProtocolType::Http => settle_http(&mut integration)?,
        ProtocolType::WebSocket => settle_web_socket(&mut integration)?,
    }
    let timeout_ms_max = match api.protocol_type {
        ProtocolType::Http => HTTP_TIMEOUT_MS_MAX,
        ProtocolType::WebSocket => WEB_SOCKET_TIMEOUT_MS_MAX,
    };
    let timeout_ms = *integration.timeout_in_millis.get_or_insert(timeout_ms_max);
    if !(TIMEOUT_MS_MIN..=timeout_ms_max).contains(&timeout_ms) {
        return Err(bad(format!("Timeout should be between {TIMEOUT_MS_MIN} ms and {timeout_ms_max} ms")).into());
    }
    match (connection, &integration.connection_id) {
        (ConnectionType::VpcLink, None) => {
            return Err(bad("ConnectionId is required for connection type VPC_LINK").into());
        }
        (ConnectionType::VpcLink, Some(_)) if integration.integration_type != IntegrationType::HttpProxy => {
            return Err(bad("Connection type VPC_LINK is only supported for HTTP_PROXY integrations").into());
        }
        (ConnectionType::Internet, _) if integration.tls_config.is_some() => {
            return Err(bad("TlsConfig is only supported for connection type VPC_LINK").into());
        }
        _ => {}
    }
    match integration.credentials_arn.as_deref() {
        Some(CALLERS_OWN) => Err(Error::not_implemented("an integration with its caller's own credentials").into()),
        Some(arn) if session(arn).is_none() => Err(bad("Invalid ARN specified in the request").into()),
        _ => Ok(integration),
    }
}

fn settle_http(integration: &mut Integration) -> Result<(), Failure> {
    let version = integration.payload_format_version.clone();
    let version = version.as_deref();
    match integration.integration_type {
        IntegrationType::AwsProxy if integration.integration_subtype.is_some() => {
            only_version_1(version)?;
            subtype::check(integration)?;
        }
        IntegrationType::AwsProxy => {
            match version {
                None => return Err(bad("PayloadFormatVersion is a required parameter for integration").into()),
                Some("1.0" | "2.0") => {}
                Some(other) => return Err(bad(format!("PayloadFormatVersion {other} is not supported")).into()),
            }
            require_function(integration.integration_uri.as_deref())?;
            integration.integration_method = Some("POST".to_owned());
            parameters::check_request(integration.request_parameters.as_ref())?;
        }
        IntegrationType::HttpProxy => {
            only_version_1(version)?;
            require_backend(integration)?;
            integration.integration_method.get_or_insert_with(|| "ANY".to_owned());
            parameters::check_request(integration.request_parameters.as_ref())?;
        }
        IntegrationType::Aws | IntegrationType::Http | IntegrationType::Mock => {
            return Err(bad("Only AWS_PROXY and HTTP_PROXY integrations are supported on protocolType HTTP").into());
        }
    }
    integration.payload_format_version.get_or_insert_with(|| "1.0".to_owned());
    parameters::check_responses(integration.response_parameters.as_ref())?;
    let foreign = [
        ("Request templates", integration.request_templates.is_some()),
        ("Template selection expressions", integration.template_selection_expression.is_some()),
        ("Passthrough behaviors", integration.passthrough_behavior.is_some()),
        ("Content handling strategies", integration.content_handling_strategy.is_some()),
    ];
    match foreign.iter().find(|(_, given)| *given) {
        Some((what, _)) => Err(bad(format!("{what} are not supported on protocolType HTTP")).into()),
        None => check_method(integration),
    }
}

fn settle_web_socket(integration: &mut Integration) -> Result<(), Failure> {
    only_version_1(integration.payload_format_version.as_deref())?;
    integration.payload_format_version.get_or_insert_with(|| "1.0".to_owned());
    integration.passthrough_behavior.get_or_insert(PassthroughBehavior::WhenNoMatch);
    integration.integration_response_selection_expression = Some(RESPONSE_SELECTION.to_owned());
    if integration.integration_subtype.is_some() || integration.response_parameters.is_some() {
        return Err(bad(
            "IntegrationSubtype and ResponseParameters of integrations are not supported on protocolType WEBSOCKET",
        )
        .into());
    }
    if integration.connection_type == Some(ConnectionType::VpcLink) {
        return Err(Error::not_implemented("a private integration of a WebSocket API").into());
    }
    match integration.integration_type {
        IntegrationType::Mock => {}
        IntegrationType::AwsProxy => {
            require_function(integration.integration_uri.as_deref())?;
            integration.integration_method.get_or_insert_with(|| "POST".to_owned());
        }
        IntegrationType::Aws => {
            require_service(integration)?;
            require_method(integration)?;
        }
        IntegrationType::Http | IntegrationType::HttpProxy => {
            require_backend(integration)?;
            require_method(integration)?;
        }
    }
    let templates = integration.request_templates.iter().flat_map(|all| all.values());
    if templates.into_iter().any(|template| template.len() > TEMPLATE_BYTES_MAX) {
        return Err(bad(format!("Request templates must not be larger than {TEMPLATE_BYTES_MAX} bytes")).into());
    }
    parameters::check_web_socket_request(integration.request_parameters.as_ref())?;
    check_method(integration)
}

fn only_version_1(version: Option<&str>) -> Result<(), Failure> {
    match version {
        None | Some("1.0") => Ok(()),
        Some(other) => Err(bad(format!("PayloadFormatVersion {other} is not supported")).into()),
    }
}

/// A function: by its ARN, or by API Gateway's own ARN of its invocation.
fn require_function(uri: Option<&str>) -> Result<(), Failure> {
    let uri = uri.ok_or_else(|| bad("Integration URI is required for AWS_PROXY integrations"))?;
    match is_function(uri) {
        true => Ok(()),
        false => Err(bad("Invalid integration URI specified").into()),
    }
}

/// Whether a URI names a function. Stage variables may stand in it. Answers of this version's APIs do not stream.
pub(crate) fn is_function(uri: &str) -> bool {
    let Some(arn) = base::Arn::parse(uri) else { return false };
    match arn.service.as_str() {
        "lambda" => arn.resource.starts_with("function:"),
        "apigateway" => {
            let path = &arn.resource;
            path.starts_with("path/") && path.contains("/functions/") && !path.ends_with(STREAMING)
        }
        _ => false,
    }
}

/// A service of AWS: `arn:aws:apigateway:{region}:{service}:{path|action}/…`, and the role to call it as. Functions let the API
/// call them by their policies.
fn require_service(integration: &Integration) -> Result<(), Failure> {
    let uri = integration.integration_uri.as_deref().unwrap_or_default();
    let arn = base::Arn::parse(uri).filter(|arn| arn.service == "apigateway" && !arn.resource.ends_with(STREAMING));
    let arn = arn.ok_or_else(|| bad("Invalid integration URI specified"))?;
    let what = arn.resource.strip_prefix("path/").or_else(|| arn.resource.strip_prefix("action/"));
    if arn.account.is_empty() || what.is_none_or(str::is_empty) {
        return Err(bad("AWS ARN for integration must contain path or action").into());
    }
    let runs_function = is_function(uri) && uri.ends_with("/invocations");
    if !runs_function {
        return match integration.credentials_arn {
            None => Err(bad("Role ARN must be specified for AWS integrations").into()),
            Some(_) => Ok(()),
        };
    }
    // All that a function's call has besides its body.
    let is_known = |(name, value): (&String, &String)| {
        is_invocation_type(name) && ["'Event'", "'RequestResponse'"].contains(&value.as_str())
    };
    match integration.request_parameters.iter().flatten().all(is_known) {
        true => Ok(()),
        false => Err(Error::not_implemented(
            "a WebSocket API's AWS integration with a function and request parameters but X-Amz-Invocation-Type",
        )
        .into()),
    }
}

/// Whether a request parameter says if anybody waits for a function's answer.
pub(crate) fn is_invocation_type(name: &str) -> bool {
    let header = name.strip_prefix("integration.request.header.");
    header.is_some_and(|header| header.eq_ignore_ascii_case(INVOCATION_TYPE))
}

/// A server's address; behind a VPC link perhaps the ARN of a listener or a service.
fn require_backend(integration: &Integration) -> Result<(), Failure> {
    let kind = if integration.integration_type == IntegrationType::Http { "HTTP" } else { "HTTP_PROXY" };
    let missing = || bad(format!("Integration URI is required for {kind} integrations"));
    let uri = integration.integration_uri.as_deref().ok_or_else(missing)?;
    let host = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"));
    let is_url = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/') && !host.contains(' '));
    let is_private = integration.connection_type == Some(ConnectionType::VpcLink)
        && base::Arn::parse(uri)
            .is_some_and(|arn| ["elasticloadbalancing", "servicediscovery"].contains(&arn.service.as_str()));
    let is_variable = uri.starts_with("${stageVariables.");
    match is_url || is_private || is_variable {
        true => Ok(()),
        false => Err(bad("Invalid HTTP endpoint specified for URI").into()),
    }
}

fn require_method(integration: &Integration) -> Result<(), Failure> {
    match integration.integration_method {
        Some(_) => Ok(()),
        None => Err(bad("Integration method is required").into()),
    }
}

fn check_method(integration: &Integration) -> Result<(), Failure> {
    match integration.integration_method.as_deref() {
        Some(method) if !super::route::METHODS.contains(&method) => {
            Err(bad(format!("Invalid HTTP method specified: {method}")).into())
        }
        _ => Ok(()),
    }
}
