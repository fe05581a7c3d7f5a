//! Importing documents: whole APIs, and what is said of them for people.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Cx, Error};
use bytes::Bytes;
use cloud::{Meta, Operation};
use shape::Shape;

use crate::edge::owner::{self, Kind, Owner};
use crate::rest::ApiGateway;
use crate::rest::api;
use crate::rest::change::{Id, now};
use crate::rest::error::{bad, conflict, no_api};
use crate::rest::openapi::{self, Mode, Options};
use crate::rest::records::{
    DOCUMENTATION_PARTS, EndpointConfiguration, EndpointType, Home, REST_APIS, RestApi, of_text,
};

/// What becomes of what is there.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// It stays where the document says nothing.
    #[shape(value = "merge")]
    Merge,
    /// It goes.
    #[shape(value = "overwrite")]
    Overwrite,
}

impl From<PutMode> for Mode {
    fn from(mode: PutMode) -> Mode {
        match mode {
            PutMode::Merge => Mode::Merge,
            PutMode::Overwrite => Mode::Overwrite,
        }
    }
}

/// Makes an API of a document: Swagger 2.0 or OpenAPI 3.0, JSON or YAML.
#[derive(Shape)]
#[shape(name = "ImportRestApiRequest", rename_all = "camelCase")]
pub struct ImportRestApi {
    /// Whether a warning refuses the document.
    #[shape(query = "failonwarnings")]
    pub fail_on_warnings: Option<bool>,
    /// `basepath`, `ignore`, `endpointConfigurationTypes`.
    #[shape(query_map)]
    pub parameters: Option<BTreeMap<String, String>>,
    /// The document.
    #[shape(payload)]
    pub body: Bytes,
}

impl Operation<ApiGateway> for ImportRestApi {
    const META: Meta = Meta::write("ImportRestApi").http("POST", "/restapis?mode=import").status(201);
    type Output = RestApi;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<RestApi, Error> {
        let parameters = self.parameters.unwrap_or_default();
        let definition = openapi::read(&self.body, Options::of(&parameters)?)?;
        definition.check_warnings(self.fail_on_warnings.unwrap_or_default())?;
        let new = RestApi {
            id: Id::Api.draw(),
            created_date: now(cx),
            endpoint_configuration: api::checked_endpoint(endpoint(&parameters)?)?,
            root_resource_id: Id::Root.draw(),
            ..RestApi::default()
        };
        let (at, owner) = (Home::of(cx).api(&new.id), Owner::new(cx.account, &cx.region, Kind::Rest));
        let (definition, cx) = (Arc::new(definition), cx.clone());
        gateway
            .change_rest(&at, move |tx, at| {
                api::check_room(tx, &at.home)?;
                if !owner::claim(tx, &at.id, &owner)? {
                    return Err(conflict(format!("API with id {} already exists", at.id)).into());
                }
                let mut made = new.clone();
                openapi::apply(tx, at, &mut made, &definition, Mode::Merge, &cx)?;
                tx.put(REST_APIS, &at.key(), &made)?;
                made.warnings = some(&definition.warnings);
                Ok(made)
            })
            .await
    }
}

fn endpoint(parameters: &BTreeMap<String, String>) -> Result<Option<EndpointConfiguration>, Error> {
    let Some(types) = parameters.get("endpointConfigurationTypes") else { return Ok(None) };
    let read = |name: &str| {
        of_text::<EndpointType>(name.trim())
            .ok_or_else(|| bad(format!("Invalid endpoint configuration type specified: {name}")))
    };
    let types = types.split(',').map(read).collect::<Result<_, _>>()?;
    Ok(Some(EndpointConfiguration { types: Some(types), ..EndpointConfiguration::default() }))
}

fn some(warnings: &[String]) -> Option<Vec<String>> {
    if warnings.is_empty() { None } else { Some(warnings.to_vec()) }
}

/// Makes a document an API's: over what is there, or in its place.
#[derive(Shape)]
#[shape(name = "PutRestApiRequest", rename_all = "camelCase")]
pub struct PutRestApi {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// `merge` unless it is given.
    #[shape(query = "mode")]
    pub mode: Option<PutMode>,
    /// Whether a warning refuses the document.
    #[shape(query = "failonwarnings")]
    pub fail_on_warnings: Option<bool>,
    /// `basepath`, `ignore`.
    #[shape(query_map)]
    pub parameters: Option<BTreeMap<String, String>>,
    /// The document.
    #[shape(payload)]
    pub body: Bytes,
}

impl Operation<ApiGateway> for PutRestApi {
    const META: Meta = Meta::write("PutRestApi").http("PUT", "/restapis/{restapi_id}");
    type Output = RestApi;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<RestApi, Error> {
        let definition = openapi::read(&self.body, Options::of(&self.parameters.unwrap_or_default())?)?;
        definition.check_warnings(self.fail_on_warnings.unwrap_or_default())?;
        let (at, missing) = (Home::of(cx).api(&self.rest_api_id), no_api(cx, &self.rest_api_id));
        let mode = self.mode.map(Mode::from).unwrap_or_default();
        let (definition, cx) = (Arc::new(definition), cx.clone());
        gateway
            .change_rest(&at, move |tx, at| {
                let mut made = tx.get(REST_APIS, &at.key())?.ok_or_else(|| missing.clone())?;
                openapi::apply(tx, at, &mut made, &definition, mode, &cx)?;
                tx.put(REST_APIS, &at.key(), &made)?;
                made.warnings = some(&definition.warnings);
                made.tags.get_or_insert_default();
                Ok(made)
            })
            .await
    }
}

/// Imports what a document says for people.
#[derive(Shape)]
#[shape(name = "ImportDocumentationPartsRequest", rename_all = "camelCase")]
pub struct ImportDocumentationParts {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// `merge` unless it is given.
    #[shape(query = "mode")]
    pub mode: Option<PutMode>,
    /// Whether a warning refuses the document.
    #[shape(query = "failonwarnings")]
    pub fail_on_warnings: Option<bool>,
    /// The document; all but its documentation is left aside.
    #[shape(payload)]
    pub body: Bytes,
}

/// What was imported.
#[derive(Shape, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct DocumentationPartIds {
    /// The parts.
    pub ids: Option<Vec<String>>,
    /// What could not be imported.
    pub warnings: Option<Vec<String>>,
}

impl Operation<ApiGateway> for ImportDocumentationParts {
    const META: Meta =
        Meta::write("ImportDocumentationParts").http("PUT", "/restapis/{restapi_id}/documentation/parts");
    type Output = DocumentationPartIds;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DocumentationPartIds, Error> {
        let documentation = Arc::new(openapi::documentation(&self.body)?);
        let (at, missing) = (Home::of(cx).api(&self.rest_api_id), no_api(cx, &self.rest_api_id));
        let overwrite = self.mode == Some(PutMode::Overwrite);
        let ids = gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    return Err(missing.clone().into());
                }
                if overwrite {
                    tx.delete_range(DOCUMENTATION_PARTS, at.all())?;
                }
                openapi::document(tx, at, &documentation.parts)
            })
            .await?;
        Ok(DocumentationPartIds { ids: Some(ids), warnings: None })
    }
}
