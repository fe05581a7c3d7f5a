//! Settings of the whole account in a region.

use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

use super::ThrottleSettings;

/// Settings of the whole account in a region.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct Account {
    /// The role with which logs are written.
    pub cloudwatch_role_arn: Option<String>,
    /// Requests per second of all APIs together.
    pub throttle_settings: Option<ThrottleSettings>,
    /// What is switched on: `UsagePlans`.
    pub features: Option<Vec<String>>,
    /// The form of API keys.
    pub api_key_version: Option<String>,
}

impl Record for Account {}
