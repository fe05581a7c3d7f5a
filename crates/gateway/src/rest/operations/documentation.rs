//! Documentation: parts and versions.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::Failure;
use crate::rest::ApiGateway;
use crate::rest::change::{Id, now};
use crate::rest::documentation;
use crate::rest::error::{bad, conflict, missing, no_api, no_stage};
use crate::rest::patch::{self, PatchOperation, Paths};
use crate::rest::records::{
    Api, DOCUMENTATION_PARTS, DOCUMENTATION_VERSIONS, DocumentationPart, DocumentationPartLocation,
    DocumentationPartType, DocumentationVersion, DocumentationVersionRecord, Home, REST_APIS, STAGES,
};

fn no_part() -> Error {
    missing("Invalid Documentation part identifier specified")
}

fn no_version() -> Error {
    missing("Invalid Documentation version specified")
}

/// Says something of a place.
#[derive(Shape)]
#[shape(name = "CreateDocumentationPartRequest", rename_all = "camelCase")]
pub struct CreateDocumentationPart {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The place.
    pub location: DocumentationPartLocation,
    /// A JSON object.
    pub properties: String,
}

impl Operation<ApiGateway> for CreateDocumentationPart {
    const META: Meta =
        Meta::write("CreateDocumentationPart").http("POST", "/restapis/{restapi_id}/documentation/parts").status(201);
    type Output = DocumentationPart;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DocumentationPart, Error> {
        let (at, no_api) = (Home::of(cx).api(&self.rest_api_id), no_api(cx, &self.rest_api_id));
        documentation::check_properties(&self.properties)?;
        let made = DocumentationPart { id: Id::Part.draw(), location: self.location, properties: self.properties };
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    return Err(no_api.clone().into());
                }
                if parts(tx, at)?.iter().any(|part| documentation::is_same(&part.location, &made.location)) {
                    let words = "Documentation part already exists for the specified location";
                    return Err(conflict(format!("{words}: {}", documentation::place(&made.location))).into());
                }
                tx.put(DOCUMENTATION_PARTS, &at.below(&made.id), &made)?;
                Ok(made.clone())
            })
            .await
    }
}

fn parts(tx: &Tx<'_>, at: &Api) -> Result<Vec<DocumentationPart>, Failure> {
    Ok(tx.scan(DOCUMENTATION_PARTS, at.all())?.into_iter().map(|(_, part)| part).collect())
}

/// Shows what is said of a place.
#[derive(Shape)]
#[shape(name = "GetDocumentationPartRequest", rename_all = "camelCase")]
pub struct GetDocumentationPart {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The part.
    #[shape(label, name = "part_id")]
    pub documentation_part_id: String,
}

impl Operation<ApiGateway> for GetDocumentationPart {
    const META: Meta =
        Meta::read("GetDocumentationPart").http("GET", "/restapis/{restapi_id}/documentation/parts/{part_id}");
    type Output = DocumentationPart;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DocumentationPart, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        gateway.found(DOCUMENTATION_PARTS, at.below(&self.documentation_part_id), no_part).await
    }
}

/// Which places to show.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocationStatusType {
    /// Those of which something is said.
    #[shape(value = "DOCUMENTED")]
    Documented,
    /// The others.
    #[shape(value = "UNDOCUMENTED")]
    Undocumented,
}

/// Lists what is said of an API's places.
#[derive(Shape)]
#[shape(name = "GetDocumentationPartsRequest", rename_all = "camelCase")]
pub struct GetDocumentationParts {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// Its kind.
    #[shape(query = "type")]
    pub r#type: Option<DocumentationPartType>,
    /// What the name begins with.
    #[shape(query = "name")]
    pub name_query: Option<String>,
    /// The resource's path.
    #[shape(query = "path")]
    pub path: Option<String>,
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
    /// Whether to show places that are documented or those that are not.
    #[shape(query = "locationStatus")]
    pub location_status: Option<LocationStatusType>,
}

impl Operation<ApiGateway> for GetDocumentationParts {
    const META: Meta = Meta::read("GetDocumentationParts").http("GET", "/restapis/{restapi_id}/documentation/parts");
    type Output = DocumentationParts;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DocumentationParts, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        if self.location_status == Some(LocationStatusType::Undocumented) {
            return Err(Error::not_implemented("the list of places without documentation"));
        }
        let at = Home::of(cx).api(self.rest_api_id);
        let (kind, name, path) = (self.r#type, self.name_query, self.path);
        let wanted = |part: &DocumentationPart| {
            let location = &part.location;
            kind.is_none_or(|kind| location.r#type == kind)
                && name.as_ref().is_none_or(|name| location.name.as_ref() == Some(name))
                && path.as_ref().is_none_or(|path| location.path.as_ref() == Some(path))
        };
        let (position, limit) = (self.position.as_deref(), self.limit);
        let (items, position) = gateway.page_of(DOCUMENTATION_PARTS, at.all(), position, limit, wanted).await?;
        Ok(DocumentationParts { position, items })
    }
}

/// A page of documentation parts.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct DocumentationParts {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<DocumentationPart>,
}

/// Takes back what is said of a place.
#[derive(Shape)]
#[shape(name = "DeleteDocumentationPartRequest", rename_all = "camelCase")]
pub struct DeleteDocumentationPart {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The part.
    #[shape(label, name = "part_id")]
    pub documentation_part_id: String,
}

impl Operation<ApiGateway> for DeleteDocumentationPart {
    const META: Meta = Meta::write("DeleteDocumentationPart")
        .http("DELETE", "/restapis/{restapi_id}/documentation/parts/{part_id}")
        .status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (at, no_api) = (Home::of(cx).api(&self.rest_api_id), no_api(cx, &self.rest_api_id));
        let id = self.documentation_part_id;
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    return Err(no_api.clone().into());
                }
                if !tx.exists(DOCUMENTATION_PARTS, &at.below(&id))? {
                    return Err(no_part().into());
                }
                Ok(tx.delete(DOCUMENTATION_PARTS, &at.below(&id))?)
            })
            .await
    }
}

const PART_PATHS: Paths = Paths::replaced(&["/properties"]);

/// Says something else of a place.
#[derive(Shape)]
#[shape(name = "UpdateDocumentationPartRequest", rename_all = "camelCase")]
pub struct UpdateDocumentationPart {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The part.
    #[shape(label, name = "part_id")]
    pub documentation_part_id: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateDocumentationPart {
    const META: Meta =
        Meta::write("UpdateDocumentationPart").http("PATCH", "/restapis/{restapi_id}/documentation/parts/{part_id}");
    type Output = DocumentationPart;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DocumentationPart, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (at, id) = (Home::of(cx).api(self.rest_api_id), self.documentation_part_id);
        gateway
            .change_rest(&at, move |tx, at| {
                let mut part = tx.get(DOCUMENTATION_PARTS, &at.below(&id))?.ok_or_else(no_part)?;
                for change in &changes {
                    PART_PATHS.check(change)?;
                    part.properties = change.text().unwrap_or_default();
                    documentation::check_properties(&part.properties)?;
                }
                tx.put(DOCUMENTATION_PARTS, &at.below(&id), &part)?;
                Ok(part)
            })
            .await
    }
}

/// Freezes what is said of all places.
#[derive(Shape)]
#[shape(name = "CreateDocumentationVersionRequest", rename_all = "camelCase")]
pub struct CreateDocumentationVersion {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The version of the documentation.
    pub documentation_version: String,
    /// The stage.
    pub stage_name: Option<String>,
    /// Free text.
    pub description: Option<String>,
}

impl Operation<ApiGateway> for CreateDocumentationVersion {
    const META: Meta = Meta::write("CreateDocumentationVersion")
        .http("POST", "/restapis/{restapi_id}/documentation/versions")
        .status(201);
    type Output = DocumentationVersion;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DocumentationVersion, Error> {
        let (at, no_api) = (Home::of(cx).api(&self.rest_api_id), no_api(cx, &self.rest_api_id));
        let made = DocumentationVersion {
            version: self.documentation_version,
            created_date: now(cx),
            description: self.description,
        };
        if made.version.is_empty() {
            return Err(bad("Documentation version must be non-empty"));
        }
        let stage_name = self.stage_name;
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    return Err(no_api.clone().into());
                }
                let key = at.below(&made.version);
                if tx.exists(DOCUMENTATION_VERSIONS, &key)? {
                    return Err(conflict("Documentation version already exists").into());
                }
                if let Some(name) = &stage_name {
                    let mut stage = tx.get(STAGES, &at.below(name))?.ok_or_else(no_stage)?;
                    stage.shown.documentation_version = Some(made.version.clone());
                    tx.put(STAGES, &at.below(name), &stage)?;
                }
                let record = DocumentationVersionRecord { shown: made.clone(), parts: parts(tx, at)? };
                tx.put(DOCUMENTATION_VERSIONS, &key, &record)?;
                Ok(made.clone())
            })
            .await
    }
}

/// Shows a version.
#[derive(Shape)]
#[shape(name = "GetDocumentationVersionRequest", rename_all = "camelCase")]
pub struct GetDocumentationVersion {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The version of the documentation.
    #[shape(label, name = "doc_version")]
    pub documentation_version: String,
}

impl Operation<ApiGateway> for GetDocumentationVersion {
    const META: Meta = Meta::read("GetDocumentationVersion")
        .http("GET", "/restapis/{restapi_id}/documentation/versions/{doc_version}");
    type Output = DocumentationVersion;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DocumentationVersion, Error> {
        let at = Home::of(cx).api(self.rest_api_id);
        let found = gateway.found(DOCUMENTATION_VERSIONS, at.below(&self.documentation_version), no_version).await?;
        Ok(found.shown)
    }
}

/// Lists an API's versions.
#[derive(Shape)]
#[shape(name = "GetDocumentationVersionsRequest", rename_all = "camelCase")]
pub struct GetDocumentationVersions {
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

impl Operation<ApiGateway> for GetDocumentationVersions {
    const META: Meta =
        Meta::read("GetDocumentationVersions").http("GET", "/restapis/{restapi_id}/documentation/versions");
    type Output = DocumentationVersions;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DocumentationVersions, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        let at = Home::of(cx).api(self.rest_api_id);
        let (position, limit) = (self.position.as_deref(), self.limit);
        let (items, position) = gateway.page(DOCUMENTATION_VERSIONS, at.all(), position, limit).await?;
        Ok(DocumentationVersions { position, items: items.into_iter().map(|item| item.shown).collect() })
    }
}

/// A page of documentation versions.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct DocumentationVersions {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<DocumentationVersion>,
}

/// Deletes a version that no stage names.
#[derive(Shape)]
#[shape(name = "DeleteDocumentationVersionRequest", rename_all = "camelCase")]
pub struct DeleteDocumentationVersion {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The version of the documentation.
    #[shape(label, name = "doc_version")]
    pub documentation_version: String,
}

impl Operation<ApiGateway> for DeleteDocumentationVersion {
    const META: Meta = Meta::write("DeleteDocumentationVersion")
        .http("DELETE", "/restapis/{restapi_id}/documentation/versions/{doc_version}")
        .status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (at, version) = (Home::of(cx).api(self.rest_api_id), self.documentation_version);
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(DOCUMENTATION_VERSIONS, &at.below(&version))? {
                    return Err(no_version().into());
                }
                let names = |stage: &Option<String>| stage.as_ref() == Some(&version);
                if tx.scan(STAGES, at.all())?.iter().any(|(_, stage)| names(&stage.shown.documentation_version)) {
                    return Err(conflict("Documentation version is in use by one or more stages").into());
                }
                Ok(tx.delete(DOCUMENTATION_VERSIONS, &at.below(&version))?)
            })
            .await
    }
}

const VERSION_PATHS: Paths = Paths::replaced(&["/description"]);

/// Changes a version's description.
#[derive(Shape)]
#[shape(name = "UpdateDocumentationVersionRequest", rename_all = "camelCase")]
pub struct UpdateDocumentationVersion {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The version of the documentation.
    #[shape(label, name = "doc_version")]
    pub documentation_version: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateDocumentationVersion {
    const META: Meta = Meta::write("UpdateDocumentationVersion")
        .http("PATCH", "/restapis/{restapi_id}/documentation/versions/{doc_version}");
    type Output = DocumentationVersion;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DocumentationVersion, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let (at, version) = (Home::of(cx).api(self.rest_api_id), self.documentation_version);
        gateway
            .change_rest(&at, move |tx, at| {
                let key = at.below(&version);
                let mut record = tx.get(DOCUMENTATION_VERSIONS, &key)?.ok_or_else(no_version)?;
                for change in &changes {
                    VERSION_PATHS.check(change)?;
                    change.set(&mut record.shown.description);
                }
                tx.put(DOCUMENTATION_VERSIONS, &key, &record)?;
                Ok(record.shown)
            })
            .await
    }
}
