//! Route responses: how a WebSocket's client gets an answer.

use store::{Key, Scan, Tx};

use super::change::{self, Part};
use super::error::{bad, conflict, none};
use super::records::{Api, ProtocolType, ROUTE_RESPONSES, ROUTES, RouteResponse};
use super::route;
use crate::Failure;

/// Adds a response to a route.
pub(crate) fn add(
    tx: &mut Tx<'_>,
    api: &Api,
    route_id: &str,
    response: RouteResponse,
) -> Result<RouteResponse, Failure> {
    if !tx.exists(ROUTES, &Key::of((api.api_id.as_str(), route_id)))? {
        return Err(none("Route", route_id).into());
    }
    let others = tx.scan(ROUTE_RESPONSES, Scan::under((api.api_id.as_str(), route_id)))?;
    if others.iter().any(|(_, other)| other.route_response_key == response.route_response_key) {
        let key = &response.route_response_key;
        return Err(conflict(format!("RouteResponse with key {key} already exists for this route")).into());
    }
    put(tx, api, route_id, response)
}

/// Writes a response that was changed, or is new.
pub(crate) fn put(
    tx: &mut Tx<'_>,
    api: &Api,
    route_id: &str,
    response: RouteResponse,
) -> Result<RouteResponse, Failure> {
    if api.protocol_type == ProtocolType::Http {
        return Err(bad("Route responses are not supported on protocolType HTTP").into());
    }
    if response.route_response_key != route::DEFAULT {
        return Err(bad("Only $default is supported for routeResponseKey").into());
    }
    let at: Part<RouteResponse> = change::route_response(&api.api_id, route_id, &response.route_response_id);
    at.put(tx, &response)?;
    Ok(response)
}
