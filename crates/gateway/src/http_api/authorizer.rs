//! Authorizers: what each kind must say.

use store::{Scan, Tx};

use super::change::{self, Part};
use super::error::{bad, conflict, too_many};
use super::integration::is_function;
use super::records::{AUTHORIZERS, Api, Authorizer, AuthorizerType, ProtocolType, ROUTES};
use crate::Failure;
use crate::edge::integration::lambda::session;

/// Authorizers of an API (a quota of AWS).
const AUTHORIZERS_MAX: usize = 10;

/// Audiences of an authorizer (a quota of AWS).
const AUDIENCES_MAX: usize = 50;

/// How long an answer is good if nothing is said, and at most, in seconds.
const TTL_SECONDS_DEFAULT: i32 = 300;
const TTL_SECONDS_MAX: i32 = 3600;

/// Adds an authorizer.
pub(crate) fn add(tx: &mut Tx<'_>, api: &Api, authorizer: Authorizer) -> Result<Authorizer, Failure> {
    if tx.scan(AUTHORIZERS, Scan::under(api.api_id.as_str()))?.len() >= AUTHORIZERS_MAX {
        return Err(too_many("Authorizers").into());
    }
    put(tx, api, authorizer)
}

/// Writes an authorizer that was changed, or is new.
pub(crate) fn put(tx: &mut Tx<'_>, api: &Api, authorizer: Authorizer) -> Result<Authorizer, Failure> {
    let authorizer = settle(api, authorizer)?;
    change::authorizer(&api.api_id, &authorizer.authorizer_id).put(tx, &authorizer)?;
    Ok(authorizer)
}

/// Removes an authorizer; none that a route needs.
pub(crate) fn remove(tx: &mut Tx<'_>, api: &Api, at: &Part<Authorizer>) -> Result<(), Failure> {
    let authorizer = at.delete(tx)?;
    let routes = tx.scan(ROUTES, Scan::under(api.api_id.as_str()))?;
    let users = routes.iter().filter(|(_, route)| route.authorizer_id.as_deref() == Some(&authorizer.authorizer_id));
    let users: Vec<&str> = users.map(|(_, route)| route.route_id.as_str()).collect();
    match users.is_empty() {
        true => Ok(()),
        false => Err(conflict(format!(
            "Cannot delete Authorizer because it is referenced by the following Routes with Ids: [{}]",
            users.join(", ")
        ))
        .into()),
    }
}

/// Refuses what an authorizer cannot be, and says what AWS says of what was not given.
fn settle(api: &Api, mut authorizer: Authorizer) -> Result<Authorizer, Failure> {
    if authorizer.name.is_empty() {
        return Err(bad("Name is required").into());
    }
    match (api.protocol_type, authorizer.authorizer_type) {
        (ProtocolType::WebSocket, AuthorizerType::Jwt) => {
            return Err(bad("JWT authorizers are not supported on protocolType WEBSOCKET").into());
        }
        (ProtocolType::Http, AuthorizerType::Jwt) => check_jwt(&authorizer)?,
        (ProtocolType::Http, AuthorizerType::Request) => {
            require_function(&authorizer)?;
            settle_http_request(&mut authorizer)?;
        }
        (ProtocolType::WebSocket, AuthorizerType::Request) => {
            require_function(&authorizer)?;
            check_web_socket_request(&authorizer)?;
        }
    }
    Ok(authorizer)
}

fn require_function(authorizer: &Authorizer) -> Result<(), Failure> {
    if !authorizer.authorizer_uri.as_deref().is_some_and(is_function) {
        let uri = authorizer.authorizer_uri.as_deref().unwrap_or("null");
        return Err(bad(format!(
            "Invalid Authorizer URI: {uri}. Authorizer URI should be a valid API Gateway ARN that \
             represents a Lambda function invocation."
        ))
        .into());
    }
    match authorizer.authorizer_credentials_arn.as_deref() {
        Some(arn) if session(arn).is_none() => Err(bad("Invalid role ARN").into()),
        _ => Ok(()),
    }
}

fn settle_http_request(authorizer: &mut Authorizer) -> Result<(), Failure> {
    let simple = *authorizer.enable_simple_responses.get_or_insert(false);
    match authorizer.authorizer_payload_format_version.as_deref() {
        None => {
            return Err(bad("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer").into());
        }
        Some("1.0") if simple => {
            return Err(bad("EnableSimpleResponses can only be set for AuthorizerPayloadFormatVersion \"2.0\".").into());
        }
        Some("1.0" | "2.0") => {}
        Some(other) => return Err(bad(format!("AuthorizerPayloadFormatVersion {other} is not supported")).into()),
    }
    let ttl_seconds = *authorizer.authorizer_result_ttl_in_seconds.get_or_insert(TTL_SECONDS_DEFAULT);
    if !(0..=TTL_SECONDS_MAX).contains(&ttl_seconds) {
        return Err(
            bad("Authorizer result TTL outside allowable range. TTL must be between 0 and 3600 seconds.").into()
        );
    }
    let sources = authorizer.identity_source.as_deref().unwrap_or_default();
    if ttl_seconds > 0 && sources.is_empty() {
        return Err(bad("Identity source must be set if authorizer caching is enabled (TTL is greater than 0)").into());
    }
    if authorizer.jwt_configuration.is_some() {
        return Err(bad("JWT configuration is only supported for JWT authorizers").into());
    }
    check_sources(sources, &["$request.header.", "$request.querystring.", "$stageVariables.", "$context."])
}

fn check_web_socket_request(authorizer: &Authorizer) -> Result<(), Failure> {
    let foreign = [
        ("AuthorizerPayloadFormatVersion", authorizer.authorizer_payload_format_version.is_some()),
        ("EnableSimpleResponses", authorizer.enable_simple_responses == Some(true)),
        ("AuthorizerResultTtlInSeconds", authorizer.authorizer_result_ttl_in_seconds.is_some_and(|ttl| ttl != 0)),
        ("JwtConfiguration", authorizer.jwt_configuration.is_some()),
    ];
    if let Some((what, _)) = foreign.iter().find(|(_, given)| *given) {
        return Err(bad(format!("{what} is not supported on protocolType WEBSOCKET")).into());
    }
    let sources = authorizer.identity_source.as_deref().unwrap_or_default();
    check_sources(sources, &["route.request.header.", "route.request.querystring.", "stageVariables.", "context."])
}

fn check_sources(sources: &[String], roots: &[&str]) -> Result<(), Failure> {
    let is_one = |source: &str| roots.iter().any(|root| source.strip_prefix(root).is_some_and(|name| !name.is_empty()));
    match sources.iter().find(|source| !is_one(source)) {
        None => Ok(()),
        Some(source) => Err(bad(format!(
            "Invalid identity source expression: {source}. The source must be a request header, request querystring, \
             stage variable or context parameter"
        ))
        .into()),
    }
}

fn check_jwt(authorizer: &Authorizer) -> Result<(), Failure> {
    let foreign = [
        ("AuthorizerUri", authorizer.authorizer_uri.is_some()),
        ("AuthorizerCredentialsArn", authorizer.authorizer_credentials_arn.is_some()),
        ("AuthorizerPayloadFormatVersion", authorizer.authorizer_payload_format_version.is_some()),
        ("AuthorizerResultTtlInSeconds", authorizer.authorizer_result_ttl_in_seconds.is_some_and(|ttl| ttl != 0)),
        ("EnableSimpleResponses", authorizer.enable_simple_responses == Some(true)),
    ];
    if let Some((what, _)) = foreign.iter().find(|(_, given)| *given) {
        return Err(bad(format!("{what} is not supported for JWT authorizers")).into());
    }
    let sources = authorizer.identity_source.as_deref().unwrap_or_default();
    if sources.len() != 1 {
        return Err(bad("JWT authorizers must have exactly one identity source").into());
    }
    check_sources(sources, &["$request.header.", "$request.querystring."])?;
    let configuration = authorizer.jwt_configuration.clone().unwrap_or_default();
    let audiences = configuration.audience.as_deref().unwrap_or_default();
    if audiences.is_empty() || audiences.iter().any(String::is_empty) {
        return Err(bad("At least one audience is required for JWT authorizers").into());
    }
    if audiences.len() > AUDIENCES_MAX {
        return Err(bad(format!("A JWT authorizer can have at most {AUDIENCES_MAX} audiences")).into());
    }
    // AWS takes https only, and reads the issuer's discovery document at once. Here an issuer may be a server nearby, which
    // is perhaps not up yet: it is read when the first token comes.
    let issuer = configuration.issuer.unwrap_or_default();
    let host = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') => Ok(()),
        _ => Err(bad(format!("Invalid issuer: {issuer}. Issuer must be a valid https URL")).into()),
    }
}
