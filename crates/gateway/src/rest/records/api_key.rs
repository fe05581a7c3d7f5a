//! API keys.

use base::Timestamp;
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

use super::Texts;

/// A key with which callers name themselves for usage plans.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// The key itself; shown only where it is asked for.
    #[shape(sensitive)]
    pub value: Option<String>,
    /// Its name; need not be unique.
    pub name: Option<String>,
    /// Whose customer's it is, for the AWS Marketplace.
    pub customer_id: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Whether callers may use it.
    pub enabled: bool,
    /// When it was made.
    pub created_date: Timestamp,
    /// When it was last changed.
    pub last_updated_date: Timestamp,
    /// Stages that it names itself, as `api/stage`: older than usage plans.
    pub stage_keys: Vec<String>,
    /// Tags.
    pub tags: Option<Texts>,
}

impl Record for ApiKey {}

/// A stage, in the requests that make keys.
#[derive(Shape, Clone, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct StageKey {
    /// The API.
    pub rest_api_id: Option<String>,
    /// The stage.
    pub stage_name: Option<String>,
}
