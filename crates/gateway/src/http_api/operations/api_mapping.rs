//! API mappings: which stage is below which path of a custom domain name.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::{Key, Scan, Tx};

use super::domain_name::no_domain;
use crate::Failure;
use crate::control::arn;
use crate::domain::{self, DOMAINS, Domain, MAPPINGS, Mapping, Refusal};
use crate::http_api::ApiGatewayV2;
use crate::http_api::error::{bad, conflict};
use crate::http_api::paging::Page;

/// Letters and digits of an id.
const ID_CHARACTERS: usize = 6;

/// A mapping.
#[derive(Shape, Clone, Debug)]
#[shape(rename_all = "camelCase")]
pub struct ApiMapping {
    /// The API.
    pub api_id: String,
    /// Its id.
    pub api_mapping_id: Option<String>,
    /// The path; empty for all that no other mapping has.
    pub api_mapping_key: Option<String>,
    /// The stage.
    pub stage: String,
}

impl ApiMapping {
    fn of(mapping: Mapping) -> ApiMapping {
        ApiMapping {
            api_id: mapping.api_id,
            api_mapping_id: Some(mapping.id),
            api_mapping_key: Some(mapping.key),
            stage: mapping.stage.unwrap_or_default(),
        }
    }
}

fn no_mapping() -> Error {
    Error::new(404, "NotFoundException", "Invalid API mapping identifier specified")
}

impl From<Refusal> for Failure {
    /// As version 2 says it.
    fn from(refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Key => {
                bad("API mapping key should be composed of one or more parts between slashes; each may have letters, \
                 digits and any of $-_.+!*'()")
                .into()
            }
            Refusal::Taken => conflict("ApiMapping key already exists for this domain name").into(),
            Refusal::TooMany => crate::http_api::error::too_many("API mappings").into(),
            Refusal::Api => bad("Invalid API identifier specified").into(),
            Refusal::Stage => bad("Invalid stage identifier specified").into(),
            Refusal::Store(error) => error.into(),
        }
    }
}

/// The caller's domain name.
fn own(tx: &Tx<'_>, key: &Key) -> Result<Domain, Failure> {
    Ok(tx.get(DOMAINS, key)?.ok_or_else(no_domain)?)
}

/// A mapping by its id. There are few of a name.
fn by_id(tx: &Tx<'_>, name: &str, id: &str) -> Result<Mapping, Failure> {
    let mut all = tx.scan(MAPPINGS, Scan::under(name))?.into_iter().map(|(_, mapping)| mapping);
    Ok(all.find(|mapping| mapping.id == id).ok_or_else(no_mapping)?)
}

/// Makes a stage found below a path of a domain name.
#[derive(Shape)]
#[shape(name = "CreateApiMappingRequest", rename_all = "camelCase")]
pub struct CreateApiMapping {
    /// The API.
    pub api_id: String,
    /// The path; empty for all that no other mapping has.
    pub api_mapping_key: Option<String>,
    /// The domain name.
    #[shape(label)]
    pub domain_name: String,
    /// The stage.
    pub stage: String,
}

impl Operation<ApiGatewayV2> for CreateApiMapping {
    const META: Meta =
        Meta::write("CreateApiMapping").http("POST", "/v2/domainnames/{domainName}/apimappings").status(201);
    type Output = ApiMapping;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/domainnames/{}/apimappings", self.domain_name)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<ApiMapping, Error> {
        let mapping = Mapping {
            id: base::id::lower_alphanumeric(ID_CHARACTERS),
            key: self.api_mapping_key.unwrap_or_default(),
            api_id: self.api_id,
            stage: Some(self.stage),
        };
        let (account, region, made) = (cx.account, cx.region.clone(), mapping.clone());
        let key = domain::domain_key(account, &region, &self.domain_name);
        let work = move |tx: &mut Tx<'_>| {
            let owner = own(tx, &key)?;
            Ok::<_, Failure>(domain::map(tx, (account, &region), &owner.name, None, &made)?)
        };
        let created = gateway.0.store.transact(work).await;
        gateway.0.forget_domain(&self.domain_name).await;
        created?;
        Ok(ApiMapping::of(mapping))
    }
}

/// Tells a mapping.
#[derive(Shape)]
#[shape(name = "GetApiMappingRequest", rename_all = "camelCase")]
pub struct GetApiMapping {
    /// Which.
    #[shape(label)]
    pub api_mapping_id: String,
    /// The domain name.
    #[shape(label)]
    pub domain_name: String,
}

impl Operation<ApiGatewayV2> for GetApiMapping {
    const META: Meta =
        Meta::read("GetApiMapping").http("GET", "/v2/domainnames/{domainName}/apimappings/{apiMappingId}");
    type Output = ApiMapping;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/domainnames/{}/apimappings/{}", self.domain_name, self.api_mapping_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<ApiMapping, Error> {
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        let state = gateway.0.store.snapshot().map_err(Failure::from)?;
        let owner = state.get(DOMAINS, &key).await.map_err(Failure::from)?.ok_or_else(no_domain)?;
        let all = state.scan(MAPPINGS, Scan::under(owner.name.as_str())).await.map_err(Failure::from)?;
        let found = all.into_iter().find(|(_, mapping)| mapping.id == self.api_mapping_id);
        Ok(ApiMapping::of(found.ok_or_else(no_mapping)?.1))
    }
}

/// Lists a domain name's mappings.
#[derive(Shape)]
#[shape(name = "GetApiMappingsRequest", rename_all = "camelCase")]
pub struct GetApiMappings {
    /// The domain name.
    #[shape(label)]
    pub domain_name: String,
    /// At most so many; a number.
    #[shape(query = "maxResults")]
    pub max_results: Option<String>,
    /// Where to continue.
    #[shape(query = "nextToken")]
    pub next_token: Option<String>,
}

/// A page of mappings.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetApiMappingsResponse {
    /// The mappings.
    pub items: Vec<ApiMapping>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetApiMappings {
    const META: Meta = Meta::read("GetApiMappings").http("GET", "/v2/domainnames/{domainName}/apimappings");
    type Output = GetApiMappingsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/domainnames/{}/apimappings", self.domain_name)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetApiMappingsResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        let owner = gateway.0.store.get(DOMAINS, &key).await.map_err(Failure::from)?.ok_or_else(no_domain)?;
        let (items, next_token) = page.read(&gateway.0.store, MAPPINGS, owner.name.as_str()).await?;
        Ok(GetApiMappingsResponse { items: items.into_iter().map(ApiMapping::of).collect(), next_token })
    }
}

/// Changes a mapping. What is not given stays.
#[derive(Shape)]
#[shape(name = "UpdateApiMappingRequest", rename_all = "camelCase")]
pub struct UpdateApiMapping {
    /// The API.
    pub api_id: String,
    /// Which.
    #[shape(label)]
    pub api_mapping_id: String,
    /// The path.
    pub api_mapping_key: Option<String>,
    /// The domain name.
    #[shape(label)]
    pub domain_name: String,
    /// The stage.
    pub stage: Option<String>,
}

impl Operation<ApiGatewayV2> for UpdateApiMapping {
    const META: Meta =
        Meta::write("UpdateApiMapping").http("PATCH", "/v2/domainnames/{domainName}/apimappings/{apiMappingId}");
    type Output = ApiMapping;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/domainnames/{}/apimappings/{}", self.domain_name, self.api_mapping_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<ApiMapping, Error> {
        let (account, region, name) = (cx.account, cx.region.clone(), self.domain_name.clone());
        let key = domain::domain_key(account, &region, &name);
        let work = move |tx: &mut Tx<'_>| {
            let owner = own(tx, &key)?;
            let before = by_id(tx, &owner.name, &self.api_mapping_id)?;
            let mapping = Mapping {
                id: before.id.clone(),
                key: self.api_mapping_key.clone().unwrap_or_else(|| before.key.clone()),
                api_id: self.api_id.clone(),
                stage: self.stage.clone().or_else(|| before.stage.clone()),
            };
            domain::map(tx, (account, &region), &owner.name, Some(&before), &mapping)?;
            Ok::<_, Failure>(mapping)
        };
        let changed = gateway.0.store.transact(work).await;
        gateway.0.forget_domain(&name).await;
        Ok(ApiMapping::of(changed?))
    }
}

/// Makes a stage no longer found below a path.
#[derive(Shape)]
#[shape(name = "DeleteApiMappingRequest", rename_all = "camelCase")]
pub struct DeleteApiMapping {
    /// Which.
    #[shape(label)]
    pub api_mapping_id: String,
    /// The domain name.
    #[shape(label)]
    pub domain_name: String,
}

impl Operation<ApiGatewayV2> for DeleteApiMapping {
    const META: Meta = Meta::write("DeleteApiMapping")
        .http("DELETE", "/v2/domainnames/{domainName}/apimappings/{apiMappingId}")
        .status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/domainnames/{}/apimappings/{}", self.domain_name, self.api_mapping_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        let id = self.api_mapping_id;
        let work = move |tx: &mut Tx<'_>| {
            let owner = own(tx, &key)?;
            let mapping = by_id(tx, &owner.name, &id)?;
            Ok::<_, Failure>(domain::remove_mapping(tx, &owner.name, &mapping)?)
        };
        let deleted = gateway.0.store.transact(work).await;
        gateway.0.forget_domain(&self.domain_name).await;
        Ok(deleted?)
    }
}
