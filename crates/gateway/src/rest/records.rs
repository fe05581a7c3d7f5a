//! What is kept of REST APIs: tables and keys here, the records by noun below. A record is AWS's own shape of the noun, so
//! that what is stored is what operations show; what AWS does not show of it stands in a record around the shape.
//!
//! Keys begin with (account, region); below an API follows its id. A deployment's frozen API is a [`snapshot`](super::snapshot).

mod account;
mod api_key;
mod authorizer;
mod client_certificate;
mod deployment;
mod documentation;
mod gateway_response;
mod integration;
mod method;
mod model;
mod resource;
mod rest_api;
mod stage;
mod usage_plan;
mod vpc_link;

pub use account::Account;
pub use api_key::{ApiKey, StageKey};
pub use authorizer::{
    Authorizer, AuthorizerType, JwtAdditionalClaim, JwtClaimFormat, JwtConfiguration, JwtIssuer, JwtSigningAlgorithm,
};
pub use client_certificate::ClientCertificate;
pub(crate) use client_certificate::ClientCertificateRecord;
pub use deployment::{Deployment, MethodSnapshot};
pub(crate) use documentation::DocumentationVersionRecord;
pub use documentation::{DocumentationPart, DocumentationPartLocation, DocumentationPartType, DocumentationVersion};
pub use gateway_response::{GatewayResponse, GatewayResponseType};
pub use integration::{
    ConnectionType, ContentHandlingStrategy, Integration, IntegrationResponse, IntegrationType, ResponseTransferMode,
    TlsConfig,
};
pub use method::{Method, MethodResponse, StatusCode};
pub use model::{Model, RequestValidator};
pub use resource::Resource;
pub use rest_api::{
    ApiKeySourceType, ApiStatus, EndpointAccessMode, EndpointConfiguration, EndpointType, IpAddressType, RestApi,
    SecurityPolicy,
};
pub(crate) use stage::StageRecord;
pub use stage::{
    AccessLogSettings, CacheClusterSize, CacheClusterStatus, CanarySettings, MethodSetting, Stage,
    UnauthorizedCacheControlHeaderStrategy,
};
pub use usage_plan::{ApiStage, QuotaPeriodType, QuotaSettings, ThrottleSettings, UsagePlan, UsagePlanKey};
pub(crate) use usage_plan::{PlanOfKey, UsageDay};
pub use vpc_link::{VpcLink, VpcLinkStatus};

use std::collections::BTreeMap;

use base::{AccountId, Cx, Region};
use store::{Key, Record, Scan, Table};

/// Texts by text: tags, variables, templates' headers.
pub type Texts = BTreeMap<String, String>;
/// Templates by content type. AWS keeps an empty one as null.
pub type Templates = BTreeMap<String, Option<String>>;

/// (account, region): settings of the whole account.
pub(crate) const ACCOUNTS: Table<Account> = Table::new("gateway.rest.accounts");
/// (account, region, API).
pub(crate) const REST_APIS: Table<RestApi> = Table::new("gateway.rest.apis");
/// (account, region, API, id): with methods and all below them.
pub(crate) const RESOURCES: Table<Resource> = Table::new("gateway.rest.resources");
/// (account, region, API, name).
pub(crate) const MODELS: Table<Model> = Table::new("gateway.rest.models");
/// (account, region, API, id).
pub(crate) const REQUEST_VALIDATORS: Table<RequestValidator> = Table::new("gateway.rest.request-validators");
/// (account, region, API, id).
pub(crate) const AUTHORIZERS: Table<Authorizer> = Table::new("gateway.rest.authorizers");
/// (account, region, API, type): only those that differ from AWS's defaults.
pub(crate) const GATEWAY_RESPONSES: Table<GatewayResponse> = Table::new("gateway.rest.gateway-responses");
/// (account, region, API, id).
pub(crate) const DEPLOYMENTS: Table<Deployment> = Table::new("gateway.rest.deployments");
/// (account, region, API, name).
pub(crate) const STAGES: Table<StageRecord> = Table::new("gateway.rest.stages");
/// (account, region, API, id).
pub(crate) const DOCUMENTATION_PARTS: Table<DocumentationPart> = Table::new("gateway.rest.documentation-parts");
/// (account, region, API, version).
pub(crate) const DOCUMENTATION_VERSIONS: Table<DocumentationVersionRecord> =
    Table::new("gateway.rest.documentation-versions");
/// (account, region, id).
pub(crate) const API_KEYS: Table<ApiKey> = Table::new("gateway.rest.api-keys");
/// (account, region, value): the key that has it. Values are unique.
pub(crate) const API_KEY_VALUES: Table<Text> = Table::new("gateway.rest.api-key-values");
/// (account, region, id).
pub(crate) const USAGE_PLANS: Table<UsagePlan> = Table::new("gateway.rest.usage-plans");
/// (account, region, plan, key): which keys a plan has.
pub(crate) const USAGE_PLAN_KEYS: Table<Mark> = Table::new("gateway.rest.usage-plan-keys");
/// (account, region, API, stage, key): the one plan under which a key may use a stage.
pub(crate) const PLANS_OF_KEYS: Table<PlanOfKey> = Table::new("gateway.rest.plans-of-keys");
/// (account, region, plan, key, day as `2024-12-31`): what a key used of its quota. The data plane writes it.
pub(crate) const USAGE: Table<UsageDay> = Table::new("gateway.rest.usage");
/// (account, region, id).
pub(crate) const VPC_LINKS: Table<VpcLink> = Table::new("gateway.rest.vpc-links");
/// (account, region, id).
pub(crate) const CLIENT_CERTIFICATES: Table<ClientCertificateRecord> = Table::new("gateway.rest.client-certificates");

/// That something is so.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Mark {}

impl Record for Mark {}

/// A name of something else.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Text(pub(crate) String);

impl Record for Text {}

/// An account in a region: where all keys begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
}

impl Home {
    /// Of the account and region that a request is for.
    pub(crate) fn of(cx: &Cx) -> Home {
        Home { account: cx.account, region: cx.region.clone() }
    }

    /// The key of the account's own record.
    pub(crate) fn key(&self) -> Key {
        Key::of((self.account.as_str(), self.region.as_str()))
    }

    /// The key of something that stands beside APIs: a usage plan, an API key, an API itself.
    pub(crate) fn below(&self, id: &str) -> Key {
        Key::of((self.account.as_str(), self.region.as_str(), id))
    }

    /// The key of something below what stands beside APIs.
    pub(crate) fn deep(&self, id: &str, below: &str) -> Key {
        Key::of((self.account.as_str(), self.region.as_str(), id, below))
    }

    /// All that is directly in the account and region.
    pub(crate) fn all(&self) -> Scan {
        Scan::under((self.account.as_str(), self.region.as_str()))
    }

    /// All that is below one thing.
    pub(crate) fn all_below(&self, id: &str) -> Scan {
        Scan::under((self.account.as_str(), self.region.as_str(), id))
    }

    /// An API here. It need not exist.
    pub(crate) fn api(&self, id: impl Into<String>) -> Api {
        Api { home: self.clone(), id: id.into() }
    }
}

/// An API, fully named. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Api {
    pub(crate) home: Home,
    pub(crate) id: String,
}

impl Api {
    /// The API's own key.
    pub(crate) fn key(&self) -> Key {
        self.home.below(&self.id)
    }

    /// The key of one of its nouns.
    pub(crate) fn below(&self, id: &str) -> Key {
        self.home.deep(&self.id, id)
    }

    /// All of its nouns of one kind.
    pub(crate) fn all(&self) -> Scan {
        self.home.all_below(&self.id)
    }

    /// The key of what a plan says of a key on one of its stages.
    pub(crate) fn plan_of_key(&self, stage: &str, key_id: &str) -> Key {
        let home = &self.home;
        Key::of((home.account.as_str(), home.region.as_str(), self.id.as_str(), stage, key_id))
    }
}

/// The text of a value of one of AWS's sets.
pub(crate) fn text_of<T: shape::Shape>(value: T) -> String {
    match value.into_value() {
        shape::Value::String(text) => text,
        _ => String::new(),
    }
}

/// The value of one of AWS's sets that has this text.
pub(crate) fn of_text<T: shape::Shape>(text: &str) -> Option<T> {
    T::from_value(shape::Value::String(text.to_owned())).ok()
}
