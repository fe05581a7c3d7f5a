//! Deployments: what one freezes of an API, how stages with automatic deployment get theirs, and how the data planes read it.

use std::collections::BTreeMap;

use base::{Cx, Error, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Key, Record, Scan, Table, Tx, VALUE_BYTES_MAX};

use super::change;
use super::error::bad;
use super::records::{
    AUTHORIZERS, Api, Authorizer, DEPLOYMENTS, Deployment, DeploymentStatus, INTEGRATION_RESPONSES, INTEGRATIONS,
    Integration, IntegrationResponse, MODELS, Model, ROUTE_RESPONSES, ROUTES, Route, RouteResponse, STAGES, Stage,
};
use crate::{Failure, Gateway};

/// What deployments froze, by (API, deployment). Written once.
pub(crate) const SNAPSHOTS: Table<Snapshot> = Table::new("gateway.v2.snapshots");

/// Characters of a deployment's id.
const ID_CHARACTERS: usize = 6;

/// Automatic deployments that no stage serves any more and that are kept nevertheless: each change makes one, of the size of
/// its API.
const UNUSED_AUTOMATIC_MAX: usize = 10;

/// Why an API without routes is not deployed.
const NO_ROUTES: &str = "At least one route is required before deploying the Api.";

/// All of an API that its data plane needs, as it was when it was deployed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) api: Api,
    pub(crate) routes: Vec<Route>,
    /// By route id.
    pub(crate) route_responses: BTreeMap<String, Vec<RouteResponse>>,
    /// By id.
    pub(crate) integrations: BTreeMap<String, Integration>,
    /// By integration id.
    pub(crate) integration_responses: BTreeMap<String, Vec<IntegrationResponse>>,
    /// By id.
    pub(crate) authorizers: BTreeMap<String, Authorizer>,
    pub(crate) models: Vec<Model>,
}

impl Record for Snapshot {}

/// A stage, and what it serves.
#[derive(Clone, Debug)]
pub(crate) struct DeployedStage {
    pub(crate) stage: Stage,
    pub(crate) snapshot: Snapshot,
}

impl Gateway {
    /// A stage of an HTTP or WebSocket API with what it serves; none if there is no such stage, or it serves nothing yet.
    /// Data planes compile this and keep it at hand; [`Gateway::forget_api`] is called after every change.
    pub(crate) async fn http_stage(&self, api_id: &str, stage_name: &str) -> Result<Option<DeployedStage>, Failure> {
        let state = self.store.snapshot()?;
        let Some(stage) = state.get(STAGES, &Key::of((api_id, stage_name))).await? else { return Ok(None) };
        let Some(deployment) = &stage.deployment_id else { return Ok(None) };
        let snapshot = state.get(SNAPSHOTS, &Key::of((api_id, deployment.as_str()))).await?;
        Ok(snapshot.map(|snapshot| DeployedStage { stage, snapshot }))
    }

    /// An API as a stage serves it, or as it is now.
    pub(crate) async fn exportable(&self, cx: &Cx, api: &Api, stage_name: Option<&str>) -> Result<Snapshot, Error> {
        if let Some(name) = stage_name {
            self.part(cx, &api.api_id, &change::stage(&api.api_id, name)).await?;
            let served = self.http_stage(&api.api_id, name).await?;
            return Ok(served.ok_or_else(|| bad(format!("Stage {name} has no deployment")))?.snapshot);
        }
        let api = api.clone();
        Ok(self.store.rehearse(move |tx| Snapshot::take(tx, &api)).await?)
    }
}

impl Snapshot {
    /// The API as it is now.
    fn take(tx: &Tx<'_>, api: &Api) -> Result<Snapshot, Failure> {
        let all = || Scan::under(api.api_id.as_str());
        let mut route_responses: BTreeMap<String, Vec<RouteResponse>> = BTreeMap::new();
        for (key, response) in tx.scan(ROUTE_RESPONSES, all())? {
            route_responses.entry(parent(&key)).or_default().push(response);
        }
        let mut integration_responses: BTreeMap<String, Vec<IntegrationResponse>> = BTreeMap::new();
        for (key, response) in tx.scan(INTEGRATION_RESPONSES, all())? {
            integration_responses.entry(parent(&key)).or_default().push(response);
        }
        let integrations = tx.scan(INTEGRATIONS, all())?.into_iter();
        let authorizers = tx.scan(AUTHORIZERS, all())?.into_iter();
        Ok(Snapshot {
            api: api.clone(),
            routes: tx.scan(ROUTES, all())?.into_iter().map(|(_, route)| route).collect(),
            route_responses,
            integrations: integrations.map(|(_, one)| (one.integration_id.clone(), one)).collect(),
            integration_responses,
            authorizers: authorizers.map(|(_, one)| (one.authorizer_id.clone(), one)).collect(),
            models: tx.scan(MODELS, all())?.into_iter().map(|(_, model)| model).collect(),
        })
    }
}

/// The middle of an (API, parent, child) key.
fn parent(key: &Key) -> String {
    key.parts::<(String, String, String)>().map(|(_, parent, _)| parent).unwrap_or_default()
}

/// Deploys an API as it is now: a new deployment that no stage serves yet.
pub(crate) fn deploy(
    tx: &mut Tx<'_>,
    api: &Api,
    description: Option<String>,
    auto_deployed: bool,
    now: Timestamp,
) -> Result<Deployment, Failure> {
    let snapshot = Snapshot::take(tx, api)?;
    if snapshot.routes.is_empty() {
        return Err(bad(NO_ROUTES).into());
    }
    let deployment = Deployment {
        deployment_id: base::id::lower_alphanumeric(ID_CHARACTERS),
        auto_deployed: Some(auto_deployed),
        created_date: now,
        deployment_status: Some(DeploymentStatus::Deployed),
        deployment_status_message: None,
        description,
    };
    let key = Key::of((api.api_id.as_str(), deployment.deployment_id.as_str()));
    let size_bytes = serde_json::to_vec(&snapshot).map_or(usize::MAX, |bytes| bytes.len());
    if size_bytes > VALUE_BYTES_MAX {
        return Err(bad(format!("The API is too large to be deployed: {size_bytes} bytes")).into());
    }
    tx.put(SNAPSHOTS, &key, &snapshot)?;
    tx.insert(DEPLOYMENTS, &key, &deployment)?;
    Ok(deployment)
}

/// Gives every stage with automatic deployment the API as it is now. To be called in the transaction of each change.
pub(crate) fn auto_deploy(tx: &mut Tx<'_>, api: &Api, now: Timestamp) -> Result<(), Failure> {
    let stages = tx.scan(STAGES, Scan::under(api.api_id.as_str()))?;
    let automatic: Vec<(Key, Stage)> =
        stages.into_iter().filter(|(_, stage)| stage.auto_deploy == Some(true)).collect();
    if automatic.is_empty() {
        return Ok(());
    }
    let description = "Automatic deployment triggered by changes to the Api configuration";
    let deployed = match deploy(tx, api, Some(description.to_owned()), true, now) {
        Ok(deployment) => Ok(deployment.deployment_id),
        Err(Failure::Aws(error)) => Err(error.message),
        Err(failed) => return Err(failed),
    };
    for (key, mut stage) in automatic {
        stage.last_deployment_status_message = Some(match &deployed {
            Ok(id) => format!("Successfully deployed stage with deployment ID '{id}'"),
            Err(message) => format!("Deployment attempt failed: {message}"),
        });
        if let Ok(id) = &deployed {
            stage.deployment_id = Some(id.clone());
            stage.last_updated_date = now;
        }
        tx.put(STAGES, &key, &stage)?;
    }
    forget_unused(tx, &api.api_id)
}

/// Removes old automatic deployments that no stage serves.
fn forget_unused(tx: &mut Tx<'_>, api_id: &str) -> Result<(), Failure> {
    let stages = tx.scan(STAGES, Scan::under(api_id))?;
    let is_served = |id: &str| stages.iter().any(|(_, stage)| stage.deployment_id.as_deref() == Some(id));
    let mut unused: Vec<(Key, Deployment)> = tx
        .scan(DEPLOYMENTS, Scan::under(api_id))?
        .into_iter()
        .filter(|(_, one)| one.auto_deployed == Some(true) && !is_served(&one.deployment_id))
        .collect();
    unused.sort_by_key(|(_, one)| std::cmp::Reverse(one.created_date));
    for (key, _) in unused.into_iter().skip(UNUSED_AUTOMATIC_MAX) {
        tx.delete(DEPLOYMENTS, &key)?;
        tx.delete(SNAPSHOTS, &key)?;
    }
    Ok(())
}
