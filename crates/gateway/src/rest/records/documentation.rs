//! Documentation: parts, which belong to places in an API, and versions, which freeze all parts.

use base::Timestamp;
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

/// What is said of one place.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct DocumentationPart {
    /// Its id.
    pub id: String,
    /// The place.
    pub location: DocumentationPartLocation,
    /// A JSON object.
    pub properties: String,
}

impl Record for DocumentationPart {}

/// A place in an API.
#[derive(Shape, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct DocumentationPartLocation {
    /// The kind of place.
    pub r#type: DocumentationPartType,
    /// The resource's path; `/` unless it is given.
    pub path: Option<String>,
    /// The HTTP method; `*` unless it is given.
    pub method: Option<String>,
    /// The status; `*` unless it is given.
    #[shape(pattern = r"^([1-5]\d\d|\*|\s*)$")]
    pub status_code: Option<String>,
    /// The name of a parameter, header, model or authorizer.
    pub name: Option<String>,
}

/// Kinds of place. In the order in which AWS's refusals list them.
#[derive(Shape, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DocumentationPartType {
    #[shape(value = "RESPONSE_BODY")]
    ResponseBody,
    #[shape(value = "RESPONSE")]
    Response,
    #[shape(value = "METHOD")]
    Method,
    #[shape(value = "MODEL")]
    Model,
    #[shape(value = "AUTHORIZER")]
    Authorizer,
    #[shape(value = "RESPONSE_HEADER")]
    ResponseHeader,
    #[shape(value = "RESOURCE")]
    Resource,
    #[shape(value = "PATH_PARAMETER")]
    PathParameter,
    #[shape(value = "REQUEST_BODY")]
    RequestBody,
    #[shape(value = "QUERY_PARAMETER")]
    QueryParameter,
    #[default]
    #[shape(value = "API")]
    Api,
    #[shape(value = "REQUEST_HEADER")]
    RequestHeader,
}

/// All parts as they were at a time.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct DocumentationVersion {
    /// Its name.
    pub version: String,
    /// When it was made.
    pub created_date: Timestamp,
    /// Free text.
    pub description: Option<String>,
}

/// A version with its parts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DocumentationVersionRecord {
    pub(crate) shown: DocumentationVersion,
    pub(crate) parts: Vec<DocumentationPart>,
}

impl Record for DocumentationVersionRecord {}
