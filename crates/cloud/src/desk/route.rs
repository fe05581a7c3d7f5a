//! Which operation is meant.

use base::Error;
use bytes::Bytes;
use http::request::Parts;
use wire::protocol::Protocol;
use wire::route::{self, Labels, Miss};

use super::identify::Identity;
use crate::registry::{OperationInfo, Target};

/// An operation, and what the path said beside it.
pub(super) struct Route {
    pub(super) at: usize,
    pub(super) operation: OperationInfo,
    pub(super) labels: Labels,
}

pub(super) fn route(identity: &Identity, head: &Parts, body: &Bytes) -> Result<Route, Error> {
    match identity.protocol {
        Protocol::RestJson1 => by_path(identity, head),
        _ => by_name(identity, head, body),
    }
}

fn by_path(identity: &Identity, head: &Parts) -> Result<Route, Error> {
    let service = &identity.service;
    match service.rest().find(head.method.as_str(), head.uri.path(), head.uri.query()) {
        Ok(found) => resolve(identity, service.target(found.operation), found.labels),
        Err(Miss::Path) => Err(identity.protocol.unknown_operation("", service.id.version)),
        Err(Miss::Method(allowed)) => {
            Err(Error::new(405, "MethodNotAllowedException", "").with_header("Allow", allowed.join(", ")))
        }
    }
}

fn by_name(identity: &Identity, head: &Parts, body: &Bytes) -> Result<Route, Error> {
    let call = route::call(head, body);
    let asked = call.operation.as_deref().unwrap_or_default();
    let version = call.version.as_deref().unwrap_or(identity.service.id.version);
    let unknown = || identity.protocol.unknown_operation(asked, version);
    if identity.protocol == Protocol::AwsQuery && version != identity.service.id.version {
        return Err(unknown());
    }
    resolve(identity, identity.service.by_name(asked).ok_or_else(unknown)?, Labels::new())
}

fn resolve(identity: &Identity, target: Target, labels: Labels) -> Result<Route, Error> {
    match target {
        Target::Operation(at) => Ok(Route { at, operation: identity.service.info(at), labels }),
        Target::NotYet(name) => Err(Error::not_implemented(format!("{}:{name}", identity.service.id.name))),
    }
}
