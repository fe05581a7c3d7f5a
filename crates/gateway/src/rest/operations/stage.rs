//! Stages.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::rest::ApiGateway;
use crate::rest::change::now;
use crate::rest::error::{bad, conflict, no_api, no_stage};
use crate::rest::patch::{self, PatchOperation};
use crate::rest::records::{
    CacheClusterSize, CanarySettings, DOCUMENTATION_VERSIONS, Home, REST_APIS, STAGES, Stage, StageRecord, Texts,
};
use crate::rest::{stage, tags, usage};

/// A canary, as a request asks for one.
#[derive(Shape, Clone, Debug, Default)]
#[shape(name = "CanarySettings", rename_all = "camelCase")]
pub struct AskedCanary {
    /// How many of a hundred requests.
    pub percent_traffic: Option<f64>,
    /// The deployment; the stage's own if it is absent.
    pub deployment_id: Option<String>,
    /// Variables that it sees instead.
    pub stage_variable_overrides: Option<Texts>,
    /// Whether it shares the stage's cache.
    pub use_stage_cache: Option<bool>,
}

/// Names a deployment.
#[derive(Shape)]
#[shape(name = "CreateStageRequest", rename_all = "camelCase")]
pub struct CreateStage {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The stage.
    pub stage_name: String,
    /// The deployment.
    pub deployment_id: String,
    /// Free text.
    pub description: Option<String>,
    /// Whether the stage caches answers.
    pub cache_cluster_enabled: Option<bool>,
    /// How much it caches, in gigabytes.
    pub cache_cluster_size: Option<CacheClusterSize>,
    /// The stage's variables.
    pub variables: Option<Texts>,
    /// The version of the documentation.
    pub documentation_version: Option<String>,
    /// That only some requests get it.
    pub canary_settings: Option<AskedCanary>,
    /// Whether requests are traced.
    pub tracing_enabled: Option<bool>,
    /// Tags.
    pub tags: Option<Texts>,
}

impl Operation<ApiGateway> for CreateStage {
    const META: Meta = Meta::write("CreateStage").http("POST", "/restapis/{restapi_id}/stages").status(201);
    type Output = Stage;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Stage, Error> {
        let (at, no_api) = (Home::of(cx).api(&self.rest_api_id), no_api(cx, &self.rest_api_id));
        stage::check_name(&self.stage_name)?;
        tags::check(self.tags.as_ref())?;
        let variables = self.variables.filter(|variables| !variables.is_empty());
        variables.as_ref().map_or(Ok(()), stage::check_variables)?;
        let own = self.deployment_id.clone();
        let canary = self.canary_settings.map(|asked| {
            stage::checked_canary(CanarySettings {
                percent_traffic: asked.percent_traffic.unwrap_or_default(),
                deployment_id: asked.deployment_id.unwrap_or(own),
                stage_variable_overrides: asked.stage_variable_overrides,
                use_stage_cache: asked.use_stage_cache.unwrap_or(false),
            })
        });
        let mut made = Stage {
            deployment_id: self.deployment_id,
            stage_name: self.stage_name,
            description: self.description,
            cache_cluster_enabled: self.cache_cluster_enabled.unwrap_or(false),
            cache_cluster_size: self.cache_cluster_size,
            variables,
            documentation_version: self.documentation_version,
            canary_settings: canary.transpose()?,
            tracing_enabled: self.tracing_enabled.unwrap_or(false),
            tags: self.tags.filter(|tags| !tags.is_empty()),
            created_date: now(cx),
            last_updated_date: now(cx),
            ..Stage::default()
        };
        stage::settle_cache(&mut made);
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    return Err(no_api.clone().into());
                }
                if tx.exists(STAGES, &at.below(&made.stage_name))? {
                    return Err(conflict("Stage already exists").into());
                }
                stage::check_deployments(tx, at, &made)?;
                if let Some(version) = &made.documentation_version
                    && !tx.exists(DOCUMENTATION_VERSIONS, &at.below(version))?
                {
                    return Err(bad("Invalid Documentation version specified").into());
                }
                let record = StageRecord { shown: made.clone(), ..StageRecord::default() };
                tx.put(STAGES, &at.below(&made.stage_name), &record)?;
                Ok(made.clone())
            })
            .await
    }
}

/// Shows a stage.
#[derive(Shape)]
#[shape(name = "GetStageRequest", rename_all = "camelCase")]
pub struct GetStage {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The stage.
    #[shape(label, name = "stage_name")]
    pub stage_name: String,
}

impl Operation<ApiGateway> for GetStage {
    const META: Meta = Meta::read("GetStage").http("GET", "/restapis/{restapi_id}/stages/{stage_name}");
    type Output = Stage;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Stage, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        Ok(gateway.found(STAGES, at.below(&self.stage_name), no_stage).await?.shown)
    }
}

/// An API's stages.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct Stages {
    /// All of them: this list has no pages.
    pub item: Vec<Stage>,
}

/// Lists an API's stages, or those of one deployment.
#[derive(Shape)]
#[shape(name = "GetStagesRequest", rename_all = "camelCase")]
pub struct GetStages {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The deployment.
    #[shape(query = "deploymentId")]
    pub deployment_id: Option<String>,
}

impl Operation<ApiGateway> for GetStages {
    const META: Meta = Meta::read("GetStages").http("GET", "/restapis/{restapi_id}/stages");
    type Output = Stages;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Stages, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        let at = Home::of(cx).api(self.rest_api_id);
        let all = gateway.store.scan(STAGES, at.all()).await.map_err(crate::Failure::from)?;
        let all = all.into_iter().map(|(_, record)| record.shown);
        let wanted = |stage: &Stage| self.deployment_id.as_ref().is_none_or(|id| *id == stage.deployment_id);
        Ok(Stages { item: all.filter(wanted).collect() })
    }
}

/// Deletes a stage.
#[derive(Shape)]
#[shape(name = "DeleteStageRequest", rename_all = "camelCase")]
pub struct DeleteStage {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The stage.
    #[shape(label, name = "stage_name")]
    pub stage_name: String,
}

impl Operation<ApiGateway> for DeleteStage {
    const META: Meta =
        Meta::write("DeleteStage").http("DELETE", "/restapis/{restapi_id}/stages/{stage_name}").status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (at, name) = (Home::of(cx).api(self.rest_api_id), self.stage_name);
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(STAGES, &at.below(&name))? {
                    return Err(no_stage().into());
                }
                usage::forget_stage(tx, at, Some(&name))?;
                Ok(tx.delete(STAGES, &at.below(&name))?)
            })
            .await
    }
}

/// Changes a stage.
#[derive(Shape)]
#[shape(name = "UpdateStageRequest", rename_all = "camelCase")]
pub struct UpdateStage {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The stage.
    #[shape(label, name = "stage_name")]
    pub stage_name: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateStage {
    const META: Meta = Meta::write("UpdateStage").http("PATCH", "/restapis/{restapi_id}/stages/{stage_name}");
    type Output = Stage;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Stage, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (at, name) = (Home::of(cx).api(self.rest_api_id), self.stage_name);
        let now = now(cx);
        gateway
            .change_rest(&at, move |tx, at| {
                let mut record = tx.get(STAGES, &at.below(&name))?.ok_or_else(no_stage)?;
                for change in &changes {
                    stage::apply(tx, at, &mut record.shown, change)?;
                }
                record.shown.last_updated_date = now;
                tx.put(STAGES, &at.below(&name), &record)?;
                Ok(record.shown)
            })
            .await
    }
}

/// Forgets a stage's cached answers.
#[derive(Shape)]
#[shape(name = "FlushStageCacheRequest", rename_all = "camelCase")]
pub struct FlushStageCache {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The stage.
    #[shape(label, name = "stage_name")]
    pub stage_name: String,
}

impl Operation<ApiGateway> for FlushStageCache {
    const META: Meta = Meta::write("FlushStageCache")
        .http("DELETE", "/restapis/{restapi_id}/stages/{stage_name}/cache/data")
        .status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (at, name) = (Home::of(cx).api(self.rest_api_id), self.stage_name);
        gateway
            .change_rest(&at, move |tx, at| {
                let mut record = tx.get(STAGES, &at.below(&name))?.ok_or_else(no_stage)?;
                record.cache_flushes += 1;
                Ok(tx.put(STAGES, &at.below(&name), &record)?)
            })
            .await
    }
}

/// Forgets what a stage's authorizers answered.
#[derive(Shape)]
#[shape(name = "FlushStageAuthorizersCacheRequest", rename_all = "camelCase")]
pub struct FlushStageAuthorizersCache {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The stage.
    #[shape(label, name = "stage_name")]
    pub stage_name: String,
}

impl Operation<ApiGateway> for FlushStageAuthorizersCache {
    const META: Meta = Meta::write("FlushStageAuthorizersCache")
        .http("DELETE", "/restapis/{restapi_id}/stages/{stage_name}/cache/authorizers")
        .status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (at, name) = (Home::of(cx).api(self.rest_api_id), self.stage_name);
        gateway
            .change_rest(&at, move |tx, at| {
                let mut record = tx.get(STAGES, &at.below(&name))?.ok_or_else(no_stage)?;
                record.authorizer_flushes += 1;
                Ok(tx.put(STAGES, &at.below(&name), &record)?)
            })
            .await
    }
}
