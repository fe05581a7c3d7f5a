//! Models.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::Failure;
use crate::rest::ApiGateway;
use crate::rest::change::Id;
use crate::rest::error::{conflict, missing, no_api};
use crate::rest::model;
use crate::rest::patch::{self, PatchOperation, Paths};
use crate::rest::records::{Api, Home, MODELS, Model, RESOURCES, REST_APIS};

fn no_model(name: &str) -> Error {
    missing(format!("Invalid model name specified: {name}"))
}

/// Adds a description of bodies.
#[derive(Shape)]
#[shape(name = "CreateModelRequest", rename_all = "camelCase")]
pub struct CreateModel {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// JSON Schema, draft 4.
    pub schema: Option<String>,
    /// The content type of the bodies.
    pub content_type: String,
}

impl Operation<ApiGateway> for CreateModel {
    const META: Meta = Meta::write("CreateModel").http("POST", "/restapis/{restapi_id}/models").status(201);
    type Output = Model;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Model, Error> {
        let (at, no_api) = (Home::of(cx).api(&self.rest_api_id), no_api(cx, &self.rest_api_id));
        let made = Model {
            id: Id::Part.draw(),
            name: self.name,
            description: self.description,
            schema: self.schema,
            content_type: self.content_type,
        };
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    return Err(no_api.clone().into());
                }
                model::check_name(&made.name)?;
                model::check_schema(made.schema.as_deref())?;
                if tx.exists(MODELS, &at.below(&made.name))? {
                    return Err(conflict("Model name already exists for this REST API").into());
                }
                tx.put(MODELS, &at.below(&made.name), &made)?;
                Ok(made.clone())
            })
            .await
    }
}

/// Shows a model.
#[derive(Shape)]
#[shape(name = "GetModelRequest", rename_all = "camelCase")]
pub struct GetModel {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The model.
    #[shape(label, name = "model_name")]
    pub model_name: String,
    /// Whether references to other models are resolved.
    #[shape(query = "flatten")]
    pub flatten: Option<bool>,
}

impl Operation<ApiGateway> for GetModel {
    const META: Meta = Meta::read("GetModel").http("GET", "/restapis/{restapi_id}/models/{model_name}");
    type Output = Model;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Model, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let name = &self.model_name;
        let found = gateway.found(MODELS, at.below(name), || no_model(name)).await?;
        if !self.flatten.unwrap_or(false) {
            return Ok(found);
        }
        let all = gateway.store.scan(MODELS, at.all()).await.map_err(Failure::from)?;
        let all: Vec<Model> = all.into_iter().map(|(_, model)| model).collect();
        Ok(model::flattened(found, &all))
    }
}

/// Lists an API's models.
#[derive(Shape)]
#[shape(name = "GetModelsRequest", rename_all = "camelCase")]
pub struct GetModels {
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

impl Operation<ApiGateway> for GetModels {
    const META: Meta = Meta::read("GetModels").http("GET", "/restapis/{restapi_id}/models");
    type Output = Models;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Models, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        let at = Home::of(cx).api(self.rest_api_id);
        let (items, position) = gateway.page(MODELS, at.all(), self.position.as_deref(), self.limit).await?;
        Ok(Models { position, items })
    }
}

/// A page of models.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct Models {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<Model>,
}

/// Deletes a model that nothing names.
#[derive(Shape)]
#[shape(name = "DeleteModelRequest", rename_all = "camelCase")]
pub struct DeleteModel {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The model.
    #[shape(label, name = "model_name")]
    pub model_name: String,
}

impl Operation<ApiGateway> for DeleteModel {
    const META: Meta =
        Meta::write("DeleteModel").http("DELETE", "/restapis/{restapi_id}/models/{model_name}").status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (at, name) = (Home::of(cx).api(self.rest_api_id), self.model_name);
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(MODELS, &at.below(&name))? {
                    return Err(no_model(&name).into());
                }
                check_unused(tx, at, &name)?;
                Ok(tx.delete(MODELS, &at.below(&name))?)
            })
            .await
    }
}

/// Refuses the end of a model that a method names.
fn check_unused(tx: &Tx<'_>, at: &Api, name: &str) -> Result<(), Failure> {
    let names = |models: &Option<_>| {
        let models: Option<&std::collections::BTreeMap<String, String>> = models.as_ref();
        models.is_some_and(|models| models.values().any(|model| model == name))
    };
    let used = |place: String| conflict(format!("Cannot delete model '{name}', is referenced in {place}"));
    for (_, resource) in tx.scan(RESOURCES, at.all())? {
        for (http_method, method) in resource.resource_methods.iter().flatten() {
            let place = format!("{}/{http_method}", resource.path);
            if names(&method.request_models) {
                return Err(used(format!("method request: {place}")).into());
            }
            for (status, response) in method.method_responses.iter().flatten() {
                if names(&response.response_models) {
                    return Err(used(format!("method response: {place}/{status}")).into());
                }
            }
        }
    }
    Ok(())
}

const PATHS: Paths = Paths::replaced(&["/description", "/schema"]);

/// Changes a model's description or schema.
#[derive(Shape)]
#[shape(name = "UpdateModelRequest", rename_all = "camelCase")]
pub struct UpdateModel {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The model.
    #[shape(label, name = "model_name")]
    pub model_name: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateModel {
    const META: Meta = Meta::write("UpdateModel").http("PATCH", "/restapis/{restapi_id}/models/{model_name}");
    type Output = Model;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Model, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (at, name) = (Home::of(cx).api(self.rest_api_id), self.model_name);
        gateway
            .change_rest(&at, move |tx, at| {
                let mut model = tx.get(MODELS, &at.below(&name))?.ok_or_else(|| no_model(&name))?;
                for change in &changes {
                    PATHS.check(change)?;
                    if change.path == "/schema" {
                        model::check_schema(change.value.as_deref())?;
                        model.schema = change.value.clone();
                    } else {
                        change.set(&mut model.description);
                    }
                }
                tx.put(MODELS, &at.below(&name), &model)?;
                Ok(model)
            })
            .await
    }
}
