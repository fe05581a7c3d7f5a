//! Stages: named deployments with their settings.

use std::collections::BTreeMap;

use base::Timestamp;
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

use super::Texts;
use crate::edge::throttle::ACCOUNT;

/// A stage as it is shown.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct Stage {
    /// The deployment that it serves.
    pub deployment_id: String,
    /// The certificate with which it names itself to HTTP integrations.
    pub client_certificate_id: Option<String>,
    /// Its name, which is in its addresses.
    pub stage_name: String,
    /// Free text.
    pub description: Option<String>,
    /// Whether it caches answers.
    pub cache_cluster_enabled: bool,
    /// How much it caches, in gigabytes.
    pub cache_cluster_size: Option<CacheClusterSize>,
    /// Whether the cache stands.
    pub cache_cluster_status: CacheClusterStatus,
    /// Settings by `{path without its first slash}/{HTTP method}`, or `*/*` for all others.
    pub method_settings: BTreeMap<String, MethodSetting>,
    /// Variables, which integrations, mappings and authorizers see.
    pub variables: Option<Texts>,
    /// The version of its documentation.
    pub documentation_version: Option<String>,
    /// What is logged of each request.
    pub access_log_settings: Option<AccessLogSettings>,
    /// Another deployment, which some requests get.
    pub canary_settings: Option<CanarySettings>,
    /// Whether requests are traced.
    pub tracing_enabled: bool,
    /// The web ACL before it.
    pub web_acl_arn: Option<String>,
    /// Tags.
    pub tags: Option<Texts>,
    /// When it was made.
    pub created_date: Timestamp,
    /// When it was last changed.
    pub last_updated_date: Timestamp,
}

/// A stage as it is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct StageRecord {
    pub(crate) shown: Stage,
    /// How often its cached answers were flushed: answers of an earlier count are none.
    pub(crate) cache_flushes: u64,
    /// The same of its authorizers' answers.
    pub(crate) authorizer_flushes: u64,
}

impl Record for StageRecord {}

/// What holds for some methods of a stage.
#[derive(Shape, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct MethodSetting {
    /// Whether metrics are kept for each method.
    pub metrics_enabled: bool,
    /// `OFF`, `ERROR` or `INFO`.
    pub logging_level: Option<String>,
    /// Whether bodies are logged.
    pub data_trace_enabled: bool,
    /// Requests at once; -1 is no limit of its own.
    pub throttling_burst_limit: i32,
    /// Requests per second; -1 is no limit of its own.
    pub throttling_rate_limit: f64,
    /// Whether answers are cached.
    pub caching_enabled: bool,
    /// For how long.
    pub cache_ttl_in_seconds: i32,
    /// Whether the cache is encrypted.
    pub cache_data_encrypted: bool,
    /// Whether `Cache-Control` needs permission to invalidate.
    pub require_authorization_for_cache_control: bool,
    /// What becomes of it without permission.
    pub unauthorized_cache_control_header_strategy: UnauthorizedCacheControlHeaderStrategy,
}

/// AWS's default of the cache's time to live.
const CACHE_TTL_SECONDS: i32 = 300;

impl Default for MethodSetting {
    fn default() -> MethodSetting {
        MethodSetting {
            metrics_enabled: false,
            logging_level: None,
            data_trace_enabled: false,
            // What a new setting says of throttling: the account's own limits.
            throttling_burst_limit: ACCOUNT.burst as i32,
            throttling_rate_limit: ACCOUNT.rate,
            caching_enabled: false,
            cache_ttl_in_seconds: CACHE_TTL_SECONDS,
            cache_data_encrypted: false,
            require_authorization_for_cache_control: true,
            unauthorized_cache_control_header_strategy:
                UnauthorizedCacheControlHeaderStrategy::SucceedWithResponseHeader,
        }
    }
}

/// What becomes of `Cache-Control` without permission.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnauthorizedCacheControlHeaderStrategy {
    /// The request is refused.
    #[shape(value = "FAIL_WITH_403")]
    #[serde(rename = "FAIL_WITH_403")]
    FailWith403,
    /// It is answered from the cache, with a warning.
    #[shape(value = "SUCCEED_WITH_RESPONSE_HEADER")]
    SucceedWithResponseHeader,
    /// It is answered from the cache.
    #[shape(value = "SUCCEED_WITHOUT_RESPONSE_HEADER")]
    SucceedWithoutResponseHeader,
}

/// What is logged of each request.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLogSettings {
    /// A line with `$context` variables.
    pub format: Option<String>,
    /// The log group or stream of Firehose that gets it.
    pub destination_arn: Option<String>,
}

/// Another deployment, which some requests get.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct CanarySettings {
    /// How many of a hundred.
    pub percent_traffic: f64,
    /// The deployment.
    pub deployment_id: String,
    /// Variables that it sees instead.
    pub stage_variable_overrides: Option<Texts>,
    /// Whether it shares the stage's cache.
    pub use_stage_cache: bool,
}

impl CanarySettings {
    /// The variables that it sees, given the stage's.
    pub(crate) fn variables(&self, of_stage: Option<&Texts>) -> Option<Texts> {
        let mut variables = of_stage.cloned().unwrap_or_default();
        variables.extend(self.stage_variable_overrides.clone().unwrap_or_default());
        (!variables.is_empty()).then_some(variables)
    }
}

/// Sizes of a cache in gigabytes.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CacheClusterSize {
    #[shape(value = "0.5")]
    Gigabytes0_5,
    #[shape(value = "1.6")]
    Gigabytes1_6,
    #[shape(value = "6.1")]
    Gigabytes6_1,
    #[shape(value = "13.5")]
    Gigabytes13_5,
    #[shape(value = "28.4")]
    Gigabytes28_4,
    #[shape(value = "58.2")]
    Gigabytes58_2,
    #[shape(value = "118")]
    Gigabytes118,
    #[shape(value = "237")]
    Gigabytes237,
}

/// Whether a stage's cache stands.
#[derive(Shape, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CacheClusterStatus {
    #[shape(value = "CREATE_IN_PROGRESS")]
    CreateInProgress,
    #[shape(value = "AVAILABLE")]
    Available,
    #[shape(value = "DELETE_IN_PROGRESS")]
    DeleteInProgress,
    #[default]
    #[shape(value = "NOT_AVAILABLE")]
    NotAvailable,
    #[shape(value = "FLUSH_IN_PROGRESS")]
    FlushInProgress,
}
