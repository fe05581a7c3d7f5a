//! OpenAPI definitions: import, import again, export.

use base::{Cx, Error};
use bytes::Bytes;
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::control::arn;
use crate::http_api::ApiGatewayV2;
use crate::http_api::api;
use crate::http_api::change::now;
use crate::http_api::error::bad;
use crate::http_api::openapi::{self, BasePath, EXPORT_VERSION, Export, Format};
use crate::http_api::records::{Api, ProtocolType};

/// Makes an HTTP API of a definition.
#[derive(Shape)]
#[shape(name = "ImportApiRequest", rename_all = "camelCase")]
pub struct ImportApi {
    /// What becomes of the path that the server's URL ends in: `ignore`, `prepend` or `split`.
    #[shape(query = "basepath")]
    pub basepath: Option<String>,
    /// The definition: OpenAPI 3.0, as JSON or YAML.
    pub body: String,
    /// Whether a definition that says something in vain is refused.
    #[shape(query = "failOnWarnings")]
    pub fail_on_warnings: Option<bool>,
}

impl Operation<ApiGatewayV2> for ImportApi {
    const META: Meta = Meta::write("ImportApi").http("PUT", "/v2/apis").status(201);
    type Output = Api;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis")));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Api, Error> {
        let plan = openapi::plan(&self.body, BasePath::read(self.basepath.as_deref())?)?;
        plan.check_warnings(self.fail_on_warnings == Some(true))?;
        let mut imported = api::blank(plan.title.clone(), ProtocolType::Http, now(cx));
        plan.apply(&mut imported);
        gateway.0.create_http_api(cx, imported, move |tx, api, _| plan.write(tx, api)).await
    }
}

/// Puts what a definition describes in the place of what an HTTP API has.
#[derive(Shape)]
#[shape(name = "ReimportApiRequest", rename_all = "camelCase")]
pub struct ReimportApi {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// What becomes of the path that the server's URL ends in: `ignore`, `prepend` or `split`.
    #[shape(query = "basepath")]
    pub basepath: Option<String>,
    /// The definition: OpenAPI 3.0, as JSON or YAML.
    pub body: String,
    /// Whether a definition that says something in vain is refused.
    #[shape(query = "failOnWarnings")]
    pub fail_on_warnings: Option<bool>,
}

impl Operation<ApiGatewayV2> for ReimportApi {
    const META: Meta = Meta::write("ReimportApi").http("PUT", "/v2/apis/{apiId}").status(201);
    type Output = Api;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}", self.api_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<Api, Error> {
        let plan = openapi::plan(&self.body, BasePath::read(self.basepath.as_deref())?)?;
        plan.check_warnings(self.fail_on_warnings == Some(true))?;
        let changed = gateway.0.change_api(cx, &self.api_id, move |tx, api| {
            if api.protocol_type != ProtocolType::Http {
                return Err(bad("Import is not supported on protocolType WEBSOCKET").into());
            }
            plan.apply(api);
            api::settle(api)?;
            plan.write(tx, api)?;
            Ok(api.clone())
        });
        Ok(api::shown(cx, changed.await?))
    }
}

/// Describes an HTTP API: as it is now, or as a stage serves it.
#[derive(Shape)]
#[shape(name = "ExportApiRequest", rename_all = "camelCase")]
pub struct ExportApi {
    /// The API.
    #[shape(label)]
    pub api_id: String,
    /// The version of AWS's extensions: `1.0`.
    #[shape(query = "exportVersion")]
    pub export_version: Option<String>,
    /// Whether they are written; they are, if nothing is said.
    #[shape(query = "includeExtensions")]
    pub include_extensions: Option<bool>,
    /// `JSON` or `YAML`.
    #[shape(query = "outputType")]
    pub output_type: String,
    /// `OAS30`.
    #[shape(label)]
    pub specification: String,
    /// The stage.
    #[shape(query = "stageName")]
    pub stage_name: Option<String>,
}

/// The definition.
#[derive(Shape)]
pub struct ExportApiResponse {
    /// Its text.
    #[shape(payload, name = "body")]
    pub body: Option<Bytes>,
}

impl Operation<ApiGatewayV2> for ExportApi {
    const META: Meta = Meta::read("ExportApi").http("GET", "/v2/apis/{apiId}/exports/{specification}");
    type Output = ExportApiResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/apis/{}/exports/{}", self.api_id, self.specification)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<ExportApiResponse, Error> {
        if self.specification != "OAS30" {
            return Err(bad("Invalid specification. Must be one of [OAS30]"));
        }
        let format = match self.output_type.to_ascii_uppercase().as_str() {
            "JSON" => Format::Json,
            "YAML" => Format::Yaml,
            _ => return Err(bad("Invalid output type. Must be one of [JSON, YAML]")),
        };
        if self.export_version.as_deref().is_some_and(|version| version != EXPORT_VERSION) {
            return Err(bad(format!("Invalid export version. Must be {EXPORT_VERSION}")));
        }
        let api = gateway.0.http_api(cx, &self.api_id).await?;
        if api.protocol_type != ProtocolType::Http {
            return Err(bad("Export is not supported on protocolType WEBSOCKET"));
        }
        let snapshot = gateway.0.exportable(cx, &api, self.stage_name.as_deref()).await?;
        let shown = api::shown(cx, api);
        let export = Export {
            snapshot: &snapshot,
            endpoint: shown.api_endpoint.as_deref().unwrap_or_default(),
            stage_name: self.stage_name.as_deref(),
            extensions: self.include_extensions != Some(false),
        };
        let text = export.write(format).map_err(|error| {
            tracing::error!(%error, "an API cannot be written as a definition");
            Error::internal()
        })?;
        Ok(ExportApiResponse { body: Some(text.into()) })
    }
}
