//! Snapshots: all that the data plane needs of an API, frozen when it is deployed and never changed.
//!
//! A stage serves one, and a canary's beside it. What of a stage itself may change (variables, throttles, logs, the cache)
//! is the stage's, not the snapshot's. Documentation and tags are in none.

use serde::{Deserialize, Serialize};
use store::{Key, Raw, Record, Scan, Table, Tx};
use wire::client::Identity;

use super::records::{
    AUTHORIZERS, Api, Authorizer, CLIENT_CERTIFICATES, ClientCertificateRecord, GATEWAY_RESPONSES, GatewayResponse,
    MODELS, Model, REQUEST_VALIDATORS, RESOURCES, REST_APIS, RequestValidator, Resource, RestApi, STAGES, StageRecord,
};
use crate::{Failure, Gateway};

/// (account, region, API, deployment, n): the n-th piece of a snapshot's JSON, which can be larger than a record may be.
const SNAPSHOTS: Table<Raw> = Table::new("gateway.rest.snapshots");

/// The bytes of a piece.
const PIECE_BYTES: usize = 1024 * 1024;

/// All that the data plane needs of an API.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Snapshot {
    /// The API's own settings.
    pub(crate) api: RestApi,
    /// Its paths with their methods, in no order.
    pub(crate) resources: Vec<Resource>,
    pub(crate) models: Vec<Model>,
    pub(crate) request_validators: Vec<RequestValidator>,
    pub(crate) authorizers: Vec<Authorizer>,
    /// The user's own; AWS's hold elsewhere ([`GatewayResponse::in_force`]).
    pub(crate) gateway_responses: Vec<GatewayResponse>,
}

/// Kept in pieces, not in a table of its own.
impl Record for Snapshot {}

impl Snapshot {
    /// The API as it is now, which `TestInvokeMethod` asks as well. None if there is no such API.
    pub(crate) fn of(tx: &Tx<'_>, api: &Api) -> store::Result<Option<Snapshot>> {
        let Some(settings) = tx.get(REST_APIS, &api.key())? else { return Ok(None) };
        Ok(Some(Snapshot {
            api: settings,
            resources: values(tx.scan(RESOURCES, api.all())?),
            models: values(tx.scan(MODELS, api.all())?),
            request_validators: values(tx.scan(REQUEST_VALIDATORS, api.all())?),
            authorizers: values(tx.scan(AUTHORIZERS, api.all())?),
            gateway_responses: values(tx.scan(GATEWAY_RESPONSES, api.all())?),
        }))
    }

    /// Keeps it as a deployment's.
    pub(crate) fn keep(&self, tx: &mut Tx<'_>, api: &Api, deployment_id: &str) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes)?;
        for (at, piece) in bytes.chunks(PIECE_BYTES).enumerate() {
            tx.put(SNAPSHOTS, &piece_key(api, deployment_id, at as u64), &Raw(piece.to_vec()))?;
        }
        Ok(())
    }

    /// Forgets a deployment's.
    pub(crate) fn forget(tx: &mut Tx<'_>, api: &Api, deployment_id: &str) -> store::Result<()> {
        tx.delete_range(SNAPSHOTS, pieces(api, deployment_id)).map(drop)
    }

    /// Forgets all of an API's.
    pub(crate) fn forget_all(tx: &mut Tx<'_>, api: &Api) -> store::Result<()> {
        tx.delete_range(SNAPSHOTS, api.all()).map(drop)
    }

    async fn read(from: &store::Snapshot, api: &Api, deployment_id: &str) -> store::Result<Option<Snapshot>> {
        Snapshot::of_pieces(from.scan(SNAPSHOTS, pieces(api, deployment_id)).await?)
    }

    /// A deployment's.
    pub(crate) fn of_deployment(tx: &Tx<'_>, api: &Api, deployment_id: &str) -> store::Result<Option<Snapshot>> {
        Snapshot::of_pieces(tx.scan(SNAPSHOTS, pieces(api, deployment_id))?)
    }

    fn of_pieces(pieces: Vec<(Key, Raw)>) -> store::Result<Option<Snapshot>> {
        if pieces.is_empty() {
            return Ok(None);
        }
        let bytes: Vec<u8> = pieces.into_iter().flat_map(|(_, Raw(piece))| piece).collect();
        Snapshot::decode(&bytes).map(Some)
    }
}

fn values<T>(found: Vec<(Key, T)>) -> Vec<T> {
    found.into_iter().map(|(_, value)| value).collect()
}

fn pieces(api: &Api, deployment_id: &str) -> Scan {
    Scan::under((api.home.account.as_str(), api.home.region.as_str(), api.id.as_str(), deployment_id))
}

fn piece_key(api: &Api, deployment_id: &str, at: u64) -> Key {
    Key::of((api.home.account.as_str(), api.home.region.as_str(), api.id.as_str(), deployment_id, at))
}

/// A stage with what it serves, as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    pub(crate) api: Api,
    pub(crate) stage: StageRecord,
    pub(crate) snapshot: Snapshot,
    /// What the canary serves, where there is one.
    pub(crate) canary: Option<Snapshot>,
    /// The client certificate that servers behind the API are shown.
    pub(crate) identity: Option<Identity>,
}

/// How a stage is named among those of all APIs. Neither part has a slash.
pub(crate) fn stage_name(api_id: &str, stage: &str) -> String {
    format!("{api_id}/{stage}")
}

/// Whether a stage so named is an API's.
pub(crate) fn is_of(stage_name: &str, api_id: &str) -> bool {
    stage_name.strip_prefix(api_id).is_some_and(|rest| rest.starts_with('/'))
}

impl Gateway {
    /// A stage of an API, with what it serves.
    pub(crate) async fn stage(&self, api: &Api, name: &str) -> Result<Option<Staged>, Failure> {
        let from = self.store.snapshot()?;
        let Some(stage) = from.get(STAGES, &api.below(name)).await? else { return Ok(None) };
        let Some(snapshot) = Snapshot::read(&from, api, &stage.shown.deployment_id).await? else { return Ok(None) };
        let canary = match &stage.shown.canary_settings {
            Some(canary) => Snapshot::read(&from, api, &canary.deployment_id).await?,
            None => None,
        };
        let certificate = match &stage.shown.client_certificate_id {
            Some(id) => from.get(CLIENT_CERTIFICATES, &api.home.below(id)).await?,
            None => None,
        };
        let identity = certificate.map(ClientCertificateRecord::identity);
        Ok(Some(Staged { api: api.clone(), stage, snapshot, canary, identity }))
    }
}
