//! Deployments: create, tell, list, change, delete.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::{Key, Scan};

use crate::control::arn;
use crate::http_api::change::now;
use crate::http_api::error::bad;
use crate::http_api::merge::set_text;
use crate::http_api::paging::Page;
use crate::http_api::records::{DEPLOYMENTS, Deployment, STAGES, Stage};
use crate::http_api::snapshot::{self, SNAPSHOTS};
use crate::http_api::{ApiGatewayV2, change};

/// Freezes an API as it is now, and perhaps gives it to a stage.
#[derive(Shape)]
#[shape(name = "CreateDeploymentRequest", rename_all = "camelCase")]
pub struct CreateDeployment {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// What it is for.
    pub description: Option<String>,
    /// The stage that serves it from now on.
    pub stage_name: Option<String>,
}

impl Operation<ApiGatewayV2> for CreateDeployment {
    const META: Meta = Meta::write("CreateDeployment").http("POST", "/v2/apis/{apiId}/deployments").status(201);
    type Output = Deployment;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/deployments", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Deployment, Error> {
        let (api_id, now) = (self.api_id, now(cx));
        let stage = self.stage_name.map(|name| change::stage(&api_id, &name));
        let work = move |tx: &mut store::Tx<'_>, api: &mut _| {
            let served = stage.as_ref().map(|at| at.get(tx)).transpose()?;
            let deployment = snapshot::deploy(tx, api, self.description.clone(), false, now)?;
            if let (Some(at), Some(stage)) = (&stage, served) {
                let deployment_id = Some(deployment.deployment_id.clone());
                at.put(tx, &Stage { deployment_id, last_updated_date: now, ..stage })?;
            }
            Ok(deployment)
        };
        gateway.0.touch_api(cx, &api_id, work).await
    }
}

/// Tells a deployment.
#[derive(Shape)]
#[shape(name = "GetDeploymentRequest", rename_all = "camelCase")]
pub struct GetDeployment {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub deployment_id: String,
}

impl Operation<ApiGatewayV2> for GetDeployment {
    const META: Meta = Meta::read("GetDeployment").http("GET", "/v2/apis/{apiId}/deployments/{deploymentId}");
    type Output = Deployment;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/deployments/{}", self.api_id, self.deployment_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Deployment, Error> {
        gateway.0.part(cx, &self.api_id, &change::deployment(&self.api_id, &self.deployment_id)).await
    }
}

/// Lists an API's deployments.
#[derive(Shape)]
#[shape(name = "GetDeploymentsRequest", rename_all = "camelCase")]
pub struct GetDeployments {
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

/// A page of deployments.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetDeploymentsResponse {
    /// The deployments.
    pub items: Vec<Deployment>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetDeployments {
    const META: Meta = Meta::read("GetDeployments").http("GET", "/v2/apis/{apiId}/deployments");
    type Output = GetDeploymentsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/deployments", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetDeploymentsResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        gateway.0.http_api(cx, &self.api_id).await?;
        let (items, next_token) = page.read(&gateway.0.store, DEPLOYMENTS, self.api_id.as_str()).await?;
        Ok(GetDeploymentsResponse { items, next_token })
    }
}

/// Describes a deployment anew; nothing else of it changes.
#[derive(Shape)]
#[shape(name = "UpdateDeploymentRequest", rename_all = "camelCase")]
pub struct UpdateDeployment {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub deployment_id: String,
    /// What it is for.
    pub description: Option<String>,
}

impl Operation<ApiGatewayV2> for UpdateDeployment {
    const META: Meta = Meta::write("UpdateDeployment").http("PATCH", "/v2/apis/{apiId}/deployments/{deploymentId}");
    type Output = Deployment;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/deployments/{}", self.api_id, self.deployment_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Deployment, Error> {
        let at = change::deployment(&self.api_id, &self.deployment_id);
        let work = move |tx: &mut store::Tx<'_>, _: &mut _| {
            let mut deployment = at.get(tx)?;
            set_text(&mut deployment.description, &self.description);
            at.put(tx, &deployment)?;
            Ok(deployment)
        };
        gateway.0.touch_api(cx, &self.api_id, work).await
    }
}

/// Deletes a deployment that no stage serves.
#[derive(Shape)]
#[shape(name = "DeleteDeploymentRequest", rename_all = "camelCase")]
pub struct DeleteDeployment {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub deployment_id: String,
}

impl Operation<ApiGatewayV2> for DeleteDeployment {
    const META: Meta =
        Meta::write("DeleteDeployment").http("DELETE", "/v2/apis/{apiId}/deployments/{deploymentId}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/deployments/{}", self.api_id, self.deployment_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let (at, id) = (change::deployment(&self.api_id, &self.deployment_id), self.deployment_id);
        let work = move |tx: &mut store::Tx<'_>, api: &mut crate::http_api::records::Api| {
            at.delete(tx)?;
            tx.delete(SNAPSHOTS, &Key::of((api.api_id.as_str(), id.as_str())))?;
            let stages = tx.scan(STAGES, Scan::under(api.api_id.as_str()))?;
            match stages.iter().any(|(_, stage)| stage.deployment_id.as_ref() == Some(&id)) {
                true => Err(bad("Active stages pointing to this deployment must be moved or deleted").into()),
                false => Ok(()),
            }
        };
        gateway.0.touch_api(cx, &self.api_id, work).await
    }
}
