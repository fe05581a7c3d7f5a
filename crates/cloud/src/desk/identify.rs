//! Which service is meant, and what the signature claims. The body has not been read yet.

use std::sync::Arc;

use base::Error;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use wire::protocol::Protocol;
use wire::route;
use wire::sigv4::{self, Family, Presented, Refusal};

use crate::registry::{Mounted, Registry};

/// Services of restXml, as signatures name them.
const SPEAK_REST_XML: &[&str] = &["cloudfront", "route53", "s3"];

/// What a request is addressed to.
pub(super) struct Identity {
    pub(super) service: Arc<Mounted>,
    pub(super) protocol: Protocol,
    pub(super) presented: Result<Option<Presented>, Refusal>,
}

impl Identity {
    /// The family of words that the service's refusals of a signature come in.
    pub(super) fn family(&self) -> Family {
        match self.protocol {
            Protocol::RestJson1 => Family::RestJson,
            Protocol::AwsJson10 | Protocol::AwsJson11 | Protocol::RpcV2Cbor => Family::AwsJson,
            Protocol::AwsQuery => Family::Query,
        }
    }
}

/// Finds the service by what names it most surely: the protocol's own hint, the signature's scope, the path's first
/// segment, the host's first label.
pub(super) fn identify(registry: &Registry, head: &Parts) -> Result<Identity, Error> {
    let presented = sigv4::parse(head);
    let claimed = presented.is_err().then(|| claimed_service(head)).flatten();
    let proven = presented.as_ref().ok().and_then(Option::as_ref).map(|p| p.scope.service.as_str());
    let scope = proven.or(claimed.as_deref());
    let hint = route::call(head, b"");
    let service = by_hint(registry, hint.service)
        .or_else(|| scope.and_then(|name| by_scope(registry, name, head)))
        .or_else(|| by_path_prefix(registry, head))
        .or_else(|| by_host(registry, head))
        .cloned();
    let Some(service) = service else { return Err(unknown(scope, head)) };
    let protocol = match service.id.protocols.contains(&hint.protocol) {
        true => hint.protocol,
        false => service.id.protocols[0],
    };
    Ok(Identity { service, protocol, presented })
}

/// The service in a signature's scope, read without regard to the rest: a broken signature is refused by the service that
/// it was meant for.
fn claimed_service(head: &Parts) -> Option<String> {
    let signature = header(head, AUTHORIZATION.as_str()).or_else(|| head.uri.query())?.replace("%2F", "/");
    let (_, credential) = signature.split_once("Credential=")?;
    credential.split(['&', ',', ' ']).next()?.split('/').nth(3).map(str::to_owned)
}

fn by_hint<'a>(registry: &'a Registry, hint: Option<&str>) -> Option<&'a Arc<Mounted>> {
    hint?;
    registry.services().find(|s| s.id.target_prefix == hint || s.id.shape_name == hint)
}

/// The service of a signature's scope. Where two share the name (both versions of API Gateway do), the path tells.
fn by_scope<'a>(registry: &'a Registry, name: &str, head: &Parts) -> Option<&'a Arc<Mounted>> {
    let first = first_segment(head);
    let is_named = |s: &&Arc<Mounted>| s.id.name == name || s.id.signing_name == name;
    let mut named = registry.services().filter(is_named);
    named.find(|s| s.id.path_prefixes.contains(&first)).or_else(|| registry.service(name))
}

fn by_path_prefix<'a>(registry: &'a Registry, head: &Parts) -> Option<&'a Arc<Mounted>> {
    let first = first_segment(head);
    registry.services().find(|s| s.id.path_prefixes.contains(&first))
}

fn first_segment(head: &Parts) -> &str {
    head.uri.path().trim_start_matches('/').split('/').next().unwrap_or_default()
}

fn by_host<'a>(registry: &'a Registry, head: &Parts) -> Option<&'a Arc<Mounted>> {
    let host = header(head, HOST.as_str()).or_else(|| head.uri.host())?;
    registry.service(host.split('.').next()?)
}

/// The protocol that a request to a service of nobody's seems to speak, so that its client can read the refusal: the form
/// of the request says it, but for those that speak restXml, whose clients read awsQuery's errors.
pub(super) fn spoken(head: &Parts) -> Protocol {
    match route::call(head, b"").protocol {
        Protocol::RestJson1 if claimed_service(head).is_some_and(|name| SPEAK_REST_XML.contains(&name.as_str())) => {
            Protocol::AwsQuery
        }
        protocol => protocol,
    }
}

/// The refusal of a request to a service this node does not have: loud, and with the service's name.
fn unknown(scope: Option<&str>, head: &Parts) -> Error {
    match scope {
        Some(name) => Error::not_implemented(format!("the service {name}")),
        None => {
            let (method, path) = (&head.method, head.uri.path());
            let message =
                format!("no service is addressed by {method} {path}: sign the request or name the service's host");
            Error::new(404, "UnknownOperationException", message)
        }
    }
}

pub(super) fn header<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}
