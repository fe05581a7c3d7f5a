//! Usage plans: who may use which stages how much, and what they used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

use super::Texts;

/// How much callers may use some stages.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct UsagePlan {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// The stages.
    pub api_stages: Option<Vec<ApiStage>>,
    /// How fast.
    pub throttle: Option<ThrottleSettings>,
    /// How often.
    pub quota: Option<QuotaSettings>,
    /// The product in the AWS Marketplace.
    pub product_code: Option<String>,
    /// Tags.
    pub tags: Option<Texts>,
}

impl Record for UsagePlan {}

/// A stage of a usage plan.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct ApiStage {
    /// The API.
    pub api_id: Option<String>,
    /// The stage.
    pub stage: Option<String>,
    /// How fast some methods may be used, by `{path}/{HTTP method}`.
    pub throttle: Option<BTreeMap<String, ThrottleSettings>>,
}

/// How fast something may be used.
#[derive(Shape, Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct ThrottleSettings {
    /// Requests at once.
    pub burst_limit: Option<i32>,
    /// Requests per second.
    pub rate_limit: Option<f64>,
}

/// How often something may be used.
#[derive(Shape, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct QuotaSettings {
    /// Requests in a period.
    pub limit: Option<i32>,
    /// By how many the first period's limit is less.
    pub offset: Option<i32>,
    /// The period, in UTC.
    pub period: Option<QuotaPeriodType>,
}

/// Periods of a quota. Weeks begin on Sunday.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum QuotaPeriodType {
    #[shape(value = "DAY")]
    Day,
    #[shape(value = "WEEK")]
    Week,
    #[shape(value = "MONTH")]
    Month,
}

/// A key of a usage plan.
#[derive(Shape, Clone, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct UsagePlanKey {
    /// The key's id.
    pub id: String,
    /// `API_KEY`.
    pub r#type: String,
    /// The key itself.
    #[shape(sensitive)]
    pub value: Option<String>,
    /// The key's name.
    pub name: Option<String>,
}

/// The plan under which a key may use a stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PlanOfKey {
    pub(crate) plan_id: String,
}

impl Record for PlanOfKey {}

/// What a key used of its quota on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsageDay {
    /// Requests on that day.
    pub(crate) used: i64,
    /// What remained of the period's limit at the day's end, or remains now. `UpdateUsage` sets it.
    pub(crate) remaining: i64,
}

impl Record for UsageDay {}
