//! REST APIs.

use base::Timestamp;
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

use super::Texts;

/// A REST API.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct RestApi {
    /// Its id, which is in its addresses.
    pub id: String,
    /// Its name; need not be unique.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// When it was made.
    pub created_date: Timestamp,
    /// The user's own version.
    pub version: Option<String>,
    /// What an import found.
    pub warnings: Option<Vec<String>>,
    /// Content types whose bodies are bytes.
    pub binary_media_types: Option<Vec<String>>,
    /// From how many bytes answers are compressed; never where it is absent.
    pub minimum_compression_size: Option<i32>,
    /// Where callers' API keys come from.
    pub api_key_source: ApiKeySourceType,
    /// How it is reached.
    pub endpoint_configuration: EndpointConfiguration,
    /// Who may call it: a resource policy.
    pub policy: Option<String>,
    /// Tags.
    pub tags: Option<Texts>,
    /// Whether only custom domain names reach it.
    pub disable_execute_api_endpoint: bool,
    /// The root of its paths.
    pub root_resource_id: String,
    /// Which versions of TLS callers may use.
    pub security_policy: Option<SecurityPolicy>,
    /// Whether callers must name it in TLS as in HTTP.
    pub endpoint_access_mode: Option<EndpointAccessMode>,
    /// Whether a change is under way.
    pub api_status: Option<ApiStatus>,
    /// More of that.
    pub api_status_message: Option<String>,
}

impl Record for RestApi {}

/// Where callers' API keys come from.
#[derive(Shape, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApiKeySourceType {
    /// The header `X-API-Key`.
    #[default]
    #[shape(value = "HEADER")]
    Header,
    /// The answer of the authorizer.
    #[shape(value = "AUTHORIZER")]
    Authorizer,
}

/// How an API is reached.
#[derive(Shape, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointConfiguration {
    /// One type. AWS's shape is a list.
    pub types: Option<Vec<EndpointType>>,
    /// Versions of IP.
    pub ip_address_type: Option<IpAddressType>,
    /// The VPC endpoints of a private API.
    pub vpc_endpoint_ids: Option<Vec<String>>,
}

/// From where an API is reached. In the order in which AWS's refusals list them.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EndpointType {
    /// From VPCs alone.
    #[shape(value = "PRIVATE")]
    Private,
    /// By CloudFront.
    #[shape(value = "EDGE")]
    Edge,
    /// By the region's own address.
    #[shape(value = "REGIONAL")]
    Regional,
}

/// Versions of IP.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpAddressType {
    /// Version 4.
    #[shape(value = "ipv4")]
    Ipv4,
    /// Versions 4 and 6.
    #[shape(value = "dualstack")]
    Dualstack,
}

/// Whether callers must name an API in TLS as in HTTP.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EndpointAccessMode {
    /// They need not.
    #[shape(value = "BASIC")]
    Basic,
    /// They must.
    #[shape(value = "STRICT")]
    Strict,
}

/// Whether a change of an API is under way.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApiStatus {
    #[shape(value = "UPDATING")]
    Updating,
    #[shape(value = "AVAILABLE")]
    Available,
    #[shape(value = "PENDING")]
    Pending,
    #[shape(value = "FAILED")]
    Failed,
}

/// Which versions and ciphers of TLS callers may use.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, non_camel_case_types, reason = "AWS's names say it")]
pub enum SecurityPolicy {
    TLS_1_0,
    TLS_1_2,
    SecurityPolicy_TLS13_1_3_2025_09,
    SecurityPolicy_TLS13_1_3_FIPS_2025_09,
    SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09,
    SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09,
    SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09,
    SecurityPolicy_TLS13_1_2_Ext2_PQ_2025_09,
    SecurityPolicy_TLS13_1_2_Ext2_FIPS_PQ_2025_09,
    SecurityPolicy_TLS13_1_2_PQ_2025_09,
    SecurityPolicy_TLS13_1_2_2021_06,
    SecurityPolicy_TLS13_2025_EDGE,
    SecurityPolicy_TLS12_PFS_2025_EDGE,
    SecurityPolicy_TLS12_2018_EDGE,
}
