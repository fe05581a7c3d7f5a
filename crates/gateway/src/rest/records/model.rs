//! Models, which describe bodies, and request validators, which say what is checked.

use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

/// A description of bodies.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct Model {
    /// Its id.
    pub id: String,
    /// Its name, by which methods name it.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// JSON Schema, draft 4.
    pub schema: Option<String>,
    /// The content type of the bodies.
    pub content_type: String,
}

impl Record for Model {}

/// What is checked of requests before they are mapped.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct RequestValidator {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Bodies, by their models.
    pub validate_request_body: bool,
    /// That required parameters are there.
    pub validate_request_parameters: bool,
}

impl Record for RequestValidator {}
