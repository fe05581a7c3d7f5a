//! Exporting what a stage serves, and templates for models.

use std::collections::BTreeMap;

use base::{Cx, Error};
use bytes::Bytes;
use cloud::{Meta, Operation};
use shape::Shape;

use crate::Failure;
use crate::rest::ApiGateway;
use crate::rest::error::{bad, missing, no_stage};
use crate::rest::openapi::{self, Dialect, Extensions, Staged};
use crate::rest::records::{DOCUMENTATION_VERSIONS, Home, MODELS};

/// Writes what a stage serves as a document.
#[derive(Shape)]
#[shape(name = "GetExportRequest", rename_all = "camelCase")]
pub struct GetExport {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The stage.
    #[shape(label, name = "stage_name")]
    pub stage_name: String,
    /// `oas30` or `swagger`.
    #[shape(label, name = "export_type")]
    pub export_type: String,
    /// `extensions`: `integrations`, `authorizers`, `apigateway`, `documentation`, several with commas between.
    #[shape(query_map)]
    pub parameters: Option<BTreeMap<String, String>>,
    /// `application/json` or `application/yaml`.
    #[shape(header = "Accept")]
    pub accepts: Option<String>,
}

/// A document.
#[derive(Shape, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct ExportResponse {
    /// Its type.
    #[shape(header = "Content-Type")]
    pub content_type: Option<String>,
    /// The name of a file for it.
    #[shape(header = "Content-Disposition")]
    pub content_disposition: Option<String>,
    /// The document itself.
    #[shape(payload)]
    pub body: Option<Bytes>,
}

impl Operation<ApiGateway> for GetExport {
    const META: Meta =
        Meta::read("GetExport").http("GET", "/restapis/{restapi_id}/stages/{stage_name}/exports/{export_type}");
    type Output = ExportResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ExportResponse, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        let dialect = match self.export_type.as_str() {
            "oas30" => Dialect::Oas30,
            "swagger" => Dialect::Swagger,
            other => {
                return Err(bad(format!("Invalid export type specified: {other}. Valid options are oas30, swagger")));
            }
        };
        let parameters = self.parameters.unwrap_or_default();
        let asked = parameters.get("extensions").map(String::as_str);
        let extensions = Extensions::of(asked).map_err(|name| match name.as_str() {
            "postman" => Error::not_implemented("GetExport with Postman's extensions"),
            _ => bad(format!("Invalid extension specified: {name}")),
        })?;
        let as_yaml = is_yaml(self.accepts.as_deref())?;
        let at = Home::of(cx).api(&self.rest_api_id);
        let staged = gateway.stage(&at, &self.stage_name).await?.ok_or_else(no_stage)?;
        let documentation = match &staged.stage.shown.documentation_version {
            Some(version) => {
                gateway.store.get(DOCUMENTATION_VERSIONS, &at.below(version)).await.map_err(Failure::from)?
            }
            None => None,
        };
        let written = openapi::export(
            &Staged {
                snapshot: &staged.snapshot,
                stage: &self.stage_name,
                host: format!("{}.execute-api.{}.amazonaws.com", self.rest_api_id, cx.region),
                documentation: documentation.as_ref(),
            },
            dialect,
            extensions,
        );
        let (body, kind, ending) = if as_yaml {
            (lang::document::write_yaml(&written), "application/yaml", "yaml")
        } else {
            (serde_json::to_string_pretty(&written).unwrap_or_default(), "application/json", "json")
        };
        let date = staged.stage.shown.last_updated_date;
        Ok(ExportResponse {
            content_type: Some(kind.to_owned()),
            content_disposition: Some(format!("attachment; filename=\"{}_{date}.{ending}\"", self.export_type)),
            body: Some(body.into()),
        })
    }
}

/// Whether YAML is asked for; JSON where nothing is.
fn is_yaml(accepts: Option<&str>) -> Result<bool, Error> {
    match accepts.map(|accepts| accepts.split([',', ';']).next().unwrap_or_default().trim()) {
        None | Some("" | "*/*" | "application/json") => Ok(false),
        Some("application/yaml") => Ok(true),
        Some(other) => {
            let words = format!(
                "Invalid accept header specified: {other}. Valid options are application/json, application/yaml"
            );
            Err(bad(words))
        }
    }
}

/// Makes a mapping template for a model: a start for one's own.
#[derive(Shape)]
#[shape(name = "GetModelTemplateRequest", rename_all = "camelCase")]
pub struct GetModelTemplate {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The model.
    #[shape(label, name = "model_name")]
    pub model_name: String,
}

/// A mapping template.
#[derive(Shape, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct Template {
    /// Its text.
    pub value: Option<String>,
}

impl Operation<ApiGateway> for GetModelTemplate {
    const META: Meta =
        Meta::read("GetModelTemplate").http("GET", "/restapis/{restapi_id}/models/{model_name}/default_template");
    type Output = Template;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Template, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        let at = Home::of(cx).api(&self.rest_api_id);
        let from = gateway.store.snapshot().map_err(Failure::from)?;
        let models = from.scan(MODELS, at.all()).await.map_err(Failure::from)?;
        let models: BTreeMap<String, Option<String>> =
            models.into_iter().map(|(_, model)| (model.name, model.schema)).collect();
        if !models.contains_key(&self.model_name) {
            return Err(missing(format!("Invalid model name specified: {}", self.model_name)));
        }
        Ok(Template { value: Some(openapi::template(&self.model_name, &models)) })
    }
}
