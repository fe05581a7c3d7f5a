//! Deployments. What they froze is a [`snapshot`](crate::rest::snapshot).

use std::collections::BTreeMap;

use base::Timestamp;
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

/// A deployment.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// Free text.
    pub description: Option<String>,
    /// When it was made.
    pub created_date: Timestamp,
    /// Its methods by path and HTTP method; shown only where it is asked for.
    pub api_summary: Option<BTreeMap<String, BTreeMap<String, MethodSnapshot>>>,
}

impl Record for Deployment {}

/// A method in a deployment's summary.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct MethodSnapshot {
    /// `NONE`, `AWS_IAM`, `CUSTOM`, `COGNITO_USER_POOLS`.
    pub authorization_type: String,
    /// Whether callers need an API key.
    pub api_key_required: bool,
}
