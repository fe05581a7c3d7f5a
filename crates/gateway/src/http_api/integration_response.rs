//! Integration responses: how a backend's answer becomes a WebSocket API's.

use store::{Key, Scan, Tx};

use super::change;
use super::error::{bad, conflict, none};
use super::records::{Api, INTEGRATION_RESPONSES, INTEGRATIONS, IntegrationResponse, ProtocolType};
use super::route;
use crate::Failure;

/// Adds a response to an integration.
pub(crate) fn add(
    tx: &mut Tx<'_>,
    api: &Api,
    integration_id: &str,
    response: IntegrationResponse,
) -> Result<IntegrationResponse, Failure> {
    if !tx.exists(INTEGRATIONS, &Key::of((api.api_id.as_str(), integration_id)))? {
        return Err(none("Integration", integration_id).into());
    }
    put(tx, api, integration_id, response)
}

/// Writes a response that was changed, or is new.
pub(crate) fn put(
    tx: &mut Tx<'_>,
    api: &Api,
    integration_id: &str,
    response: IntegrationResponse,
) -> Result<IntegrationResponse, Failure> {
    if api.protocol_type == ProtocolType::Http {
        return Err(bad("Integration responses are not supported on protocolType HTTP").into());
    }
    if response.response_parameters.as_ref().is_some_and(|all| !all.is_empty()) {
        return Err(base::Error::not_implemented("response parameters of integration responses").into());
    }
    let key = response.integration_response_key.as_str();
    let is_pattern = key.len() > 2 && key.starts_with('/') && key.ends_with('/');
    if key != route::DEFAULT && !is_pattern {
        return Err(bad("The provided integration response key is not formatted properly").into());
    }
    let others = tx.scan(INTEGRATION_RESPONSES, Scan::under((api.api_id.as_str(), integration_id)))?;
    let is_taken = |(_, other): &(Key, IntegrationResponse)| {
        other.integration_response_key == key && other.integration_response_id != response.integration_response_id
    };
    if others.iter().any(is_taken) {
        return Err(conflict(format!("IntegrationResponse with key {key} already exists for this integration")).into());
    }
    change::integration_response(&api.api_id, integration_id, &response.integration_response_id).put(tx, &response)?;
    Ok(response)
}
