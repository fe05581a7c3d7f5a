//! Stages: create, tell, list, change, delete, and to take single settings away.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::control::arn;
use crate::http_api::change::now;
use crate::http_api::error::bad;
use crate::http_api::merge::{merge_texts, set, set_text};
use crate::http_api::paging::Page;
use crate::http_api::records::{AccessLogSettings, RouteSettings, STAGES, Stage, Texts};
use crate::http_api::{ApiGatewayV2, change, stage};
use crate::rest::records::Home;
use crate::rest::usage;

/// Adds a stage to an API.
#[derive(Shape)]
#[shape(name = "CreateStageRequest", rename_all = "camelCase")]
pub struct CreateStage {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Where requests are noted.
    pub access_log_settings: Option<AccessLogSettings>,
    /// Whether every change of the API is served at once.
    pub auto_deploy: Option<bool>,
    /// The certificate that backends see; WebSocket APIs only.
    pub client_certificate_id: Option<String>,
    /// Settings of all routes that have none of their own.
    pub default_route_settings: Option<RouteSettings>,
    /// What it serves.
    pub deployment_id: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Settings by route key.
    pub route_settings: Option<BTreeMap<String, RouteSettings>>,
    /// Its name; `$default` has none in its address.
    pub stage_name: String,
    /// Values that integrations may use.
    pub stage_variables: Option<Texts>,
    /// Its tags.
    pub tags: Option<Texts>,
}

impl Operation<ApiGatewayV2> for CreateStage {
    const META: Meta = Meta::write("CreateStage").http("POST", "/v2/apis/{apiId}/stages").status(201);
    type Output = Stage;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/stages", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Stage, Error> {
        if self.auto_deploy == Some(true) && self.deployment_id.is_some() {
            return Err(deployment_of_automatic());
        }
        let (api_id, now) = (self.api_id, now(cx));
        let mut created = stage::blank(self.stage_name, now);
        created.access_log_settings = self.access_log_settings;
        created.client_certificate_id = self.client_certificate_id;
        created.deployment_id = self.deployment_id;
        created.description = self.description;
        set(&mut created.auto_deploy, &self.auto_deploy);
        set(&mut created.default_route_settings, &self.default_route_settings);
        set(&mut created.route_settings, &self.route_settings);
        set(&mut created.stage_variables, &self.stage_variables);
        set(&mut created.tags, &self.tags);
        gateway.0.touch_api(cx, &api_id, move |tx, api| stage::add(tx, api, created.clone(), now)).await
    }
}

fn deployment_of_automatic() -> Error {
    bad("DeploymentId cannot be set on a stage with AutoDeploy enabled")
}

/// Tells a stage.
#[derive(Shape)]
#[shape(name = "GetStageRequest", rename_all = "camelCase")]
pub struct GetStage {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub stage_name: String,
}

impl Operation<ApiGatewayV2> for GetStage {
    const META: Meta = Meta::read("GetStage").http("GET", "/v2/apis/{apiId}/stages/{stageName}");
    type Output = Stage;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/stages/{}", self.api_id, self.stage_name)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Stage, Error> {
        gateway.0.part(cx, &self.api_id, &change::stage(&self.api_id, &self.stage_name)).await
    }
}

/// Lists an API's stages.
#[derive(Shape)]
#[shape(name = "GetStagesRequest", rename_all = "camelCase")]
pub struct GetStages {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// At most so many; a number.
    #[shape(query = "maxResults")]
    pub max_results: Option<String>,
    /// Where to continue.
    #[shape(query = "nextToken")]
    pub next_token: Option<String>,
}

/// A page of stages.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetStagesResponse {
    /// The stages.
    pub items: Vec<Stage>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetStages {
    const META: Meta = Meta::read("GetStages").http("GET", "/v2/apis/{apiId}/stages");
    type Output = GetStagesResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/stages", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetStagesResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        gateway.0.http_api(cx, &self.api_id).await?;
        let (items, next_token) = page.read(&gateway.0.store, STAGES, self.api_id.as_str()).await?;
        Ok(GetStagesResponse { items, next_token })
    }
}

/// Changes a stage. What is not given stays; variables and settings of routes change name by name.
#[derive(Shape)]
#[shape(name = "UpdateStageRequest", rename_all = "camelCase")]
pub struct UpdateStage {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub stage_name: String,
    /// Where requests are noted.
    pub access_log_settings: Option<AccessLogSettings>,
    /// Whether every change of the API is served at once.
    pub auto_deploy: Option<bool>,
    /// The certificate that backends see; WebSocket APIs only.
    pub client_certificate_id: Option<String>,
    /// Settings of all routes that have none of their own.
    pub default_route_settings: Option<RouteSettings>,
    /// What it serves.
    pub deployment_id: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Settings by route key.
    pub route_settings: Option<BTreeMap<String, RouteSettings>>,
    /// Values that integrations may use; an empty one is taken away.
    pub stage_variables: Option<Texts>,
}

impl Operation<ApiGatewayV2> for UpdateStage {
    const META: Meta = Meta::write("UpdateStage").http("PATCH", "/v2/apis/{apiId}/stages/{stageName}");
    type Output = Stage;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/stages/{}", self.api_id, self.stage_name)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Stage, Error> {
        let (api_id, now, at) = (self.api_id.clone(), now(cx), change::stage(&self.api_id, &self.stage_name));
        let work = move |tx: &mut store::Tx<'_>, api: &mut _| {
            let before = at.get(tx)?;
            let mut changed = before.clone();
            self.apply(&mut changed);
            if changed.auto_deploy == Some(true) && changed.deployment_id != before.deployment_id {
                return Err(deployment_of_automatic().into());
            }
            stage::replace(tx, api, &before, changed, now)
        };
        gateway.0.touch_api(cx, &api_id, work).await
    }
}

impl UpdateStage {
    fn apply(&self, changed: &mut Stage) {
        if let Some(given) = &self.access_log_settings {
            let settings = changed.access_log_settings.get_or_insert_default();
            set(&mut settings.destination_arn, &given.destination_arn);
            set(&mut settings.format, &given.format);
        }
        set(&mut changed.auto_deploy, &self.auto_deploy);
        set_text(&mut changed.client_certificate_id, &self.client_certificate_id);
        if let Some(given) = &self.default_route_settings {
            stage::merge_settings(changed.default_route_settings.get_or_insert_default(), given);
        }
        set_text(&mut changed.deployment_id, &self.deployment_id);
        set_text(&mut changed.description, &self.description);
        for (key, given) in self.route_settings.iter().flatten() {
            let all = changed.route_settings.get_or_insert_default();
            stage::merge_settings(all.entry(key.clone()).or_default(), given);
        }
        merge_texts(&mut changed.stage_variables, &self.stage_variables);
    }
}

/// Takes a stage away.
#[derive(Shape)]
#[shape(name = "DeleteStageRequest", rename_all = "camelCase")]
pub struct DeleteStage {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub stage_name: String,
}

impl Operation<ApiGatewayV2> for DeleteStage {
    const META: Meta = Meta::write("DeleteStage").http("DELETE", "/v2/apis/{apiId}/stages/{stageName}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/stages/{}", self.api_id, self.stage_name)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let (at, name) = (change::stage(&self.api_id, &self.stage_name), self.stage_name.clone());
        let api = Home::of(cx).api(self.api_id.as_str());
        let work = move |tx: &mut store::Tx<'_>, _: &mut _| {
            at.delete(tx)?;
            usage::forget_stage(tx, &api, Some(&name))
        };
        gateway.0.touch_api(cx, &self.api_id, work).await?;
        gateway.0.end_connections_of(&self.api_id, Some(&self.stage_name));
        Ok(())
    }
}

/// Notes requests no longer.
#[derive(Shape)]
#[shape(name = "DeleteAccessLogSettingsRequest", rename_all = "camelCase")]
pub struct DeleteAccessLogSettings {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The stage.
    #[shape(label)]
    pub stage_name: String,
}

impl Operation<ApiGatewayV2> for DeleteAccessLogSettings {
    const META: Meta = Meta::write("DeleteAccessLogSettings")
        .http("DELETE", "/v2/apis/{apiId}/stages/{stageName}/accesslogsettings")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/stages/{}/accesslogsettings", self.api_id, self.stage_name)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let (at, now) = (change::stage(&self.api_id, &self.stage_name), now(cx));
        let work = move |tx: &mut store::Tx<'_>, _: &mut _| {
            let stage = at.get(tx)?;
            at.put(tx, &Stage { access_log_settings: None, last_updated_date: now, ..stage })
        };
        gateway.0.touch_api(cx, &self.api_id, work).await
    }
}

/// Gives a route the stage's own settings again.
#[derive(Shape)]
#[shape(name = "DeleteRouteSettingsRequest", rename_all = "camelCase")]
pub struct DeleteRouteSettings {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The route's key.
    #[shape(label)]
    pub route_key: String,
    /// The stage.
    #[shape(label)]
    pub stage_name: String,
}

impl Operation<ApiGatewayV2> for DeleteRouteSettings {
    const META: Meta = Meta::write("DeleteRouteSettings")
        .http("DELETE", "/v2/apis/{apiId}/stages/{stageName}/routesettings/{routeKey}")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(
            cx,
            format_args!("/apis/{}/stages/{}/routesettings/{}", self.api_id, self.stage_name, self.route_key),
        ));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let (at, now, key) = (change::stage(&self.api_id, &self.stage_name), now(cx), self.route_key);
        let work = move |tx: &mut store::Tx<'_>, _: &mut _| {
            let mut stage = at.get(tx)?;
            let removed = stage.route_settings.as_mut().and_then(|all| all.remove(&key));
            if removed.is_none() {
                let message = format!("Unable to find Route by key {key} within the provided RouteSettings");
                return Err(Error::new(404, "NotFoundException", message).into());
            }
            at.put(tx, &Stage { last_updated_date: now, ..stage })
        };
        gateway.0.touch_api(cx, &self.api_id, work).await
    }
}

/// Makes a stage ask its authorizers anew.
#[derive(Shape)]
#[shape(name = "ResetAuthorizersCacheRequest", rename_all = "camelCase")]
pub struct ResetAuthorizersCache {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The stage.
    #[shape(label)]
    pub stage_name: String,
}

impl Operation<ApiGatewayV2> for ResetAuthorizersCache {
    const META: Meta = Meta::write("ResetAuthorizersCache")
        .http("DELETE", "/v2/apis/{apiId}/stages/{stageName}/cache/authorizers")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/stages/{}/cache/authorizers", self.api_id, self.stage_name)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        gateway.0.part(cx, &self.api_id, &change::stage(&self.api_id, &self.stage_name)).await?;
        gateway.0.forget_authorizations(&self.api_id);
        Ok(())
    }
}
