//! Deployments.

use std::collections::BTreeMap;

use base::{Cx, Error, Timestamp};
use cloud::{Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::Failure;
use crate::rest::ApiGateway;
use crate::rest::change::{Id, now};
use crate::rest::error::{bad, missing, no_api};
use crate::rest::patch::{self, PatchOperation, Paths};
use crate::rest::records::{
    Api, CacheClusterSize, CanarySettings, DEPLOYMENTS, Deployment, Home, MethodSnapshot, STAGES, Stage, StageRecord,
    Texts,
};
use crate::rest::snapshot::Snapshot;
use crate::rest::stage;

fn no_deployment() -> Error {
    missing("Invalid Deployment identifier specified")
}

/// How much of a stage's traffic a new deployment gets.
#[derive(Shape, Clone, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct DeploymentCanarySettings {
    /// How many of a hundred requests.
    pub percent_traffic: Option<f64>,
    /// Variables that it sees instead.
    pub stage_variable_overrides: Option<Texts>,
    /// Whether it shares the stage's cache.
    pub use_stage_cache: Option<bool>,
}

/// Freezes an API as it is, and lets a stage serve it.
#[derive(Shape)]
#[shape(name = "CreateDeploymentRequest", rename_all = "camelCase")]
pub struct CreateDeployment {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The stage.
    pub stage_name: Option<String>,
    /// What to say of the stage.
    pub stage_description: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Whether the stage caches answers.
    pub cache_cluster_enabled: Option<bool>,
    /// How much it caches, in gigabytes.
    pub cache_cluster_size: Option<CacheClusterSize>,
    /// The stage's variables.
    pub variables: Option<Texts>,
    /// That only some requests get it.
    pub canary_settings: Option<DeploymentCanarySettings>,
    /// Whether requests are traced.
    pub tracing_enabled: Option<bool>,
}

impl Operation<ApiGateway> for CreateDeployment {
    const META: Meta = Meta::write("CreateDeployment").http("POST", "/restapis/{restapi_id}/deployments").status(201);
    type Output = Deployment;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Deployment, Error> {
        let no_api = no_api(cx, &self.rest_api_id);
        let (id, now, at) = (Id::Part.draw(), now(cx), Home::of(cx).api(&self.rest_api_id));
        let asked = std::sync::Arc::new(self);
        gateway
            .change_rest(&at, move |tx, at| {
                let snapshot = Snapshot::of(tx, at)?.ok_or_else(|| no_api.clone())?;
                check_methods(&snapshot)?;
                let made = Deployment {
                    id: id.clone(),
                    description: asked.description.clone(),
                    created_date: now,
                    api_summary: Some(summary(&snapshot)),
                };
                asked.serve(tx, at, &id, now)?;
                snapshot.keep(tx, at, &id)?;
                tx.put(DEPLOYMENTS, &at.below(&id), &made)?;
                Ok(Deployment { api_summary: None, ..made })
            })
            .await
    }
}

impl CreateDeployment {
    /// Lets the stage that the request names serve the deployment, or its canary.
    fn serve(&self, tx: &mut Tx<'_>, at: &Api, deployment_id: &str, now: Timestamp) -> Result<(), Failure> {
        let name = self.stage_name.as_deref().filter(|name| !name.is_empty());
        let record = match name {
            Some(name) => tx.get(STAGES, &at.below(name))?,
            None => None,
        };
        let begin = "Invalid deployment content specified.";
        let Some(name) = name else {
            if self.canary_settings.is_some() {
                let given = self.stage_name.as_deref().unwrap_or("null");
                let words =
                    "Non null and non empty stageName must be provided for canary deployment. Provided value is";
                return Err(bad(format!("{begin}{words} {given}")).into());
            }
            return Ok(());
        };
        let mut record = match record {
            Some(record) => record,
            None if self.canary_settings.is_some() => {
                let words = "must already be created before making a canary release deployment";
                return Err(bad(format!("{begin}Stage {name} {words}")).into());
            }
            None => {
                stage::check_name(name)?;
                let shown = Stage { stage_name: name.to_owned(), created_date: now, ..Stage::default() };
                StageRecord { shown, ..StageRecord::default() }
            }
        };
        self.settle(&mut record.shown, deployment_id, now)?;
        Ok(tx.put(STAGES, &at.below(name), &record)?)
    }

    fn settle(&self, stage: &mut Stage, deployment_id: &str, now: Timestamp) -> Result<(), Error> {
        stage.last_updated_date = now;
        if let Some(canary) = &self.canary_settings {
            stage.canary_settings = Some(stage::checked_canary(CanarySettings {
                percent_traffic: canary.percent_traffic.unwrap_or_default(),
                deployment_id: deployment_id.to_owned(),
                stage_variable_overrides: canary.stage_variable_overrides.clone(),
                use_stage_cache: canary.use_stage_cache.unwrap_or(false),
            })?);
            return Ok(());
        }
        stage.deployment_id = deployment_id.to_owned();
        if let Some(variables) = self.variables.clone().filter(|variables| !variables.is_empty()) {
            stage::check_variables(&variables)?;
            stage.variables.get_or_insert_default().extend(variables);
        }
        if self.stage_description.is_some() {
            stage.description = self.stage_description.clone();
        }
        if let Some(enabled) = self.tracing_enabled {
            stage.tracing_enabled = enabled;
        }
        if let Some(enabled) = self.cache_cluster_enabled {
            stage.cache_cluster_enabled = enabled;
        }
        stage.cache_cluster_size = self.cache_cluster_size.or(stage.cache_cluster_size);
        stage::settle_cache(stage);
        Ok(())
    }
}

/// Refuses to freeze what answers nobody.
fn check_methods(snapshot: &Snapshot) -> Result<(), Error> {
    let mut methods =
        snapshot.resources.iter().flat_map(|resource| resource.resource_methods.iter().flatten()).peekable();
    if methods.peek().is_none() {
        return Err(bad("The REST API doesn't contain any methods"));
    }
    if methods.any(|(_, method)| method.method_integration.is_none()) {
        return Err(bad("No integration defined for method"));
    }
    Ok(())
}

fn summary(snapshot: &Snapshot) -> BTreeMap<String, BTreeMap<String, MethodSnapshot>> {
    let resources = snapshot.resources.iter().filter_map(|resource| {
        let methods = resource.resource_methods.as_ref()?;
        let shown = methods.iter().map(|(name, method)| {
            let shown = MethodSnapshot {
                authorization_type: method.authorization_type.clone(),
                api_key_required: method.api_key_required,
            };
            (name.clone(), shown)
        });
        Some((resource.path.clone(), shown.collect()))
    });
    resources.collect()
}

/// Shows a deployment.
#[derive(Shape)]
#[shape(name = "GetDeploymentRequest", rename_all = "camelCase")]
pub struct GetDeployment {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The deployment.
    #[shape(label, name = "deployment_id")]
    pub deployment_id: String,
    /// What to show besides: `methods`, `apisummary`.
    #[shape(query = "embed")]
    pub embed: Option<Vec<String>>,
}

impl Operation<ApiGateway> for GetDeployment {
    const META: Meta = Meta::read("GetDeployment").http("GET", "/restapis/{restapi_id}/deployments/{deployment_id}");
    type Output = Deployment;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Deployment, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let mut found = gateway.found(DEPLOYMENTS, at.below(&self.deployment_id), no_deployment).await?;
        let embeds = self.embed.unwrap_or_default();
        if !embeds.iter().any(|word| word.eq_ignore_ascii_case("apisummary")) {
            found.api_summary = None;
        }
        Ok(found)
    }
}

/// Lists an API's deployments.
#[derive(Shape)]
#[shape(name = "GetDeploymentsRequest", rename_all = "camelCase")]
pub struct GetDeployments {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

impl Operation<ApiGateway> for GetDeployments {
    const META: Meta = Meta::read("GetDeployments").http("GET", "/restapis/{restapi_id}/deployments");
    type Output = Deployments;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Deployments, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        let at = Home::of(cx).api(self.rest_api_id);
        let (items, position) = gateway.page(DEPLOYMENTS, at.all(), self.position.as_deref(), self.limit).await?;
        let items = items.into_iter().map(|item| Deployment { api_summary: None, ..item }).collect();
        Ok(Deployments { position, items })
    }
}

/// A page of deployments.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct Deployments {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<Deployment>,
}

/// Deletes a deployment that no stage serves.
#[derive(Shape)]
#[shape(name = "DeleteDeploymentRequest", rename_all = "camelCase")]
pub struct DeleteDeployment {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The deployment.
    #[shape(label, name = "deployment_id")]
    pub deployment_id: String,
}

impl Operation<ApiGateway> for DeleteDeployment {
    const META: Meta = Meta::write("DeleteDeployment")
        .http("DELETE", "/restapis/{restapi_id}/deployments/{deployment_id}")
        .status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (at, id) = (Home::of(cx).api(self.rest_api_id), self.deployment_id);
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(DEPLOYMENTS, &at.below(&id))? {
                    return Err(no_deployment().into());
                }
                let serves = |stage: &Stage| {
                    let canary = stage.canary_settings.as_ref().map(|canary| canary.deployment_id.as_str());
                    stage.deployment_id == id || canary == Some(&id)
                };
                if tx.scan(STAGES, at.all())?.iter().any(|(_, stage)| serves(&stage.shown)) {
                    return Err(bad("Active stages pointing to this deployment must be moved or deleted").into());
                }
                Snapshot::forget(tx, at, &id)?;
                Ok(tx.delete(DEPLOYMENTS, &at.below(&id))?)
            })
            .await
    }
}

const PATHS: Paths = Paths::replaced(&["/description"]);

/// Changes a deployment's description.
#[derive(Shape)]
#[shape(name = "UpdateDeploymentRequest", rename_all = "camelCase")]
pub struct UpdateDeployment {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The deployment.
    #[shape(label, name = "deployment_id")]
    pub deployment_id: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateDeployment {
    const META: Meta =
        Meta::write("UpdateDeployment").http("PATCH", "/restapis/{restapi_id}/deployments/{deployment_id}");
    type Output = Deployment;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Deployment, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (at, id) = (Home::of(cx).api(self.rest_api_id), self.deployment_id);
        gateway
            .change_rest(&at, move |tx, at| {
                let mut deployment = tx.get(DEPLOYMENTS, &at.below(&id))?.ok_or_else(no_deployment)?;
                for change in &changes {
                    PATHS.check(change)?;
                    change.set(&mut deployment.description);
                }
                tx.put(DEPLOYMENTS, &at.below(&id), &deployment)?;
                Ok(Deployment { api_summary: None, ..deployment })
            })
            .await
    }
}
