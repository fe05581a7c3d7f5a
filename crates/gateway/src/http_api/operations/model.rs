//! Models.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Scan;

use crate::Failure;
use crate::control::arn;
use crate::http_api::merge::{set_required, set_text};
use crate::http_api::paging::Page;
use crate::http_api::records::{MODELS, Model};
use crate::http_api::{ApiGatewayV2, change, model};
use crate::rest::model_template;

/// Letters and digits of an id.
const ID_CHARACTERS: usize = 6;

/// Adds a model to an API.
#[derive(Shape)]
#[shape(name = "CreateModelRequest", rename_all = "camelCase")]
pub struct CreateModel {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Its name.
    pub name: String,
    /// The media type that it is for.
    pub content_type: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The schema.
    pub schema: String,
}

impl Operation<ApiGatewayV2> for CreateModel {
    const META: Meta = Meta::write("CreateModel").http("POST", "/v2/apis/{apiId}/models").status(201);
    type Output = Model;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/models", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Model, Error> {
        let api_id = self.api_id.clone();
        let model = Model {
            model_id: base::id::lower_alphanumeric(ID_CHARACTERS),
            name: self.name,
            content_type: self.content_type,
            description: self.description,
            schema: Some(self.schema),
        };
        gateway.0.change_api(cx, &api_id, move |tx, api| model::put(tx, api, model.clone())).await
    }
}

/// Tells a model.
#[derive(Shape)]
#[shape(name = "GetModelRequest", rename_all = "camelCase")]
pub struct GetModel {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub model_id: String,
}

impl Operation<ApiGatewayV2> for GetModel {
    const META: Meta = Meta::read("GetModel").http("GET", "/v2/apis/{apiId}/models/{modelId}");
    type Output = Model;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/models/{}", self.api_id, self.model_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Model, Error> {
        gateway.0.part(cx, &self.api_id, &change::model(&self.api_id, &self.model_id)).await
    }
}

/// Makes a mapping template for a model: a start for one's own.
#[derive(Shape)]
#[shape(name = "GetModelTemplateRequest", rename_all = "camelCase")]
pub struct GetModelTemplate {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The model.
    #[shape(label)]
    pub model_id: String,
}

/// A mapping template.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetModelTemplateResponse {
    /// Its text.
    pub value: String,
}

impl Operation<ApiGatewayV2> for GetModelTemplate {
    const META: Meta = Meta::read("GetModelTemplate").http("GET", "/v2/apis/{apiId}/models/{modelId}/template");
    type Output = GetModelTemplateResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/models/{}/template", self.api_id, self.model_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetModelTemplateResponse, Error> {
        let model = gateway.0.part(cx, &self.api_id, &change::model(&self.api_id, &self.model_id)).await?;
        let all = gateway.0.store.scan(MODELS, Scan::under(self.api_id.as_str())).await.map_err(Failure::from)?;
        let all: BTreeMap<_, _> = all.into_iter().map(|(_, model)| (model.name, model.schema)).collect();
        Ok(GetModelTemplateResponse { value: model_template(&model.name, &all) })
    }
}

/// Lists an API's models.
#[derive(Shape)]
#[shape(name = "GetModelsRequest", rename_all = "camelCase")]
pub struct GetModels {
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

/// A page of models.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetModelsResponse {
    /// The models.
    pub items: Vec<Model>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetModels {
    const META: Meta = Meta::read("GetModels").http("GET", "/v2/apis/{apiId}/models");
    type Output = GetModelsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/models", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetModelsResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        gateway.0.http_api(cx, &self.api_id).await?;
        let (items, next_token) = page.read(&gateway.0.store, MODELS, self.api_id.as_str()).await?;
        Ok(GetModelsResponse { items, next_token })
    }
}

/// Changes a model. What is not given stays.
#[derive(Shape)]
#[shape(name = "UpdateModelRequest", rename_all = "camelCase")]
pub struct UpdateModel {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub model_id: String,
    /// Its name.
    pub name: Option<String>,
    /// The media type that it is for.
    pub content_type: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The schema.
    pub schema: Option<String>,
}

impl Operation<ApiGatewayV2> for UpdateModel {
    const META: Meta = Meta::write("UpdateModel").http("PATCH", "/v2/apis/{apiId}/models/{modelId}");
    type Output = Model;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/models/{}", self.api_id, self.model_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Model, Error> {
        let at = change::model(&self.api_id, &self.model_id);
        let api_id = self.api_id.clone();
        gateway
            .0
            .change_api(cx, &api_id, move |tx, api| {
                let mut model = at.get(tx)?;
                self.apply(&mut model);
                model::put(tx, api, model)
            })
            .await
    }
}

impl UpdateModel {
    fn apply(&self, model: &mut Model) {
        set_required(&mut model.name, self.name.as_ref());
        set_text(&mut model.content_type, &self.content_type);
        set_text(&mut model.description, &self.description);
        set_text(&mut model.schema, &self.schema);
    }
}

/// Takes a model away.
#[derive(Shape)]
#[shape(name = "DeleteModelRequest", rename_all = "camelCase")]
pub struct DeleteModel {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub model_id: String,
}

impl Operation<ApiGatewayV2> for DeleteModel {
    const META: Meta = Meta::write("DeleteModel").http("DELETE", "/v2/apis/{apiId}/models/{modelId}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/models/{}", self.api_id, self.model_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let at = change::model(&self.api_id, &self.model_id);
        gateway.0.change_api(cx, &self.api_id, move |tx, _| at.delete(tx).map(drop)).await
    }
}
