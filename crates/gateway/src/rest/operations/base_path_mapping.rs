//! Base path mappings: which stage is below which path of a custom domain name.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;
use store::{Key, Scan, Tx};

use super::domain_name::{no_domain, refuse_private};
use crate::Failure;
use crate::domain::{self, DOMAINS, MAPPINGS, Mapping, Refusal};
use crate::rest::ApiGateway;
use crate::rest::error::{bad, conflict, missing, too_many};
use crate::rest::patch::{self, Change, PatchOperation, Paths};

/// How AWS writes the path of the mapping that has none.
const NONE: &str = "(none)";

/// Letters and digits of an id, which only version 2 shows.
const ID_CHARACTERS: usize = 6;

/// What can be changed.
const PATHS: Paths = Paths::replaced(&["/basePath", "/stage", "/restapiId"]);

/// A mapping.
#[derive(Shape, Clone, Debug)]
#[shape(rename_all = "camelCase")]
pub struct BasePathMapping {
    /// The path; `(none)` for all that no other mapping has.
    pub base_path: Option<String>,
    /// The API.
    pub rest_api_id: Option<String>,
    /// The stage; none if the path goes on with its name.
    pub stage: Option<String>,
}

impl BasePathMapping {
    fn of(mapping: Mapping) -> BasePathMapping {
        BasePathMapping {
            base_path: Some(if mapping.key.is_empty() { NONE.to_owned() } else { mapping.key }),
            rest_api_id: Some(mapping.api_id),
            stage: mapping.stage,
        }
    }
}

fn no_mapping() -> Error {
    missing("Invalid base path mapping identifier specified")
}

/// What a refusal is in version 1's words.
fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Key => bad("Invalid base path specified").into(),
        Refusal::Taken => conflict("Base path already exists for this domain name").into(),
        Refusal::TooMany => {
            too_many("Maximum number of base path mappings for this domain name has been reached").into()
        }
        Refusal::Api => bad("Invalid REST API identifier specified").into(),
        Refusal::Stage => bad("Invalid stage identifier specified").into(),
        Refusal::Store(error) => error.into(),
    }
}

/// The key of the mapping that a path means.
fn key_of(base_path: Option<&str>) -> Result<String, Error> {
    match base_path.unwrap_or_default() {
        "" | NONE => Ok(String::new()),
        path if path.contains('/') => Err(bad(
            "API Gateway V1 doesn't support the slash character (/) in base path mappings. To create a multi-level \
             base path mapping, use API Gateway V2.",
        )),
        path => Ok(path.to_owned()),
    }
}

/// Makes a stage found below a path of a domain name.
#[derive(Shape)]
#[shape(name = "CreateBasePathMappingRequest", rename_all = "camelCase")]
pub struct CreateBasePathMapping {
    /// The domain name.
    #[shape(label, name = "domain_name")]
    pub domain_name: String,
    /// The id of a private one.
    #[shape(query = "domainNameId")]
    pub domain_name_id: Option<String>,
    /// The path; empty for all that no other mapping has.
    pub base_path: Option<String>,
    /// The API.
    pub rest_api_id: String,
    /// The stage; none if the path goes on with its name.
    pub stage: Option<String>,
}

impl Operation<ApiGateway> for CreateBasePathMapping {
    const META: Meta =
        Meta::write("CreateBasePathMapping").http("POST", "/domainnames/{domain_name}/basepathmappings").status(201);
    type Output = BasePathMapping;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<BasePathMapping, Error> {
        refuse_private(self.domain_name_id.as_ref())?;
        let mapping = Mapping {
            id: base::id::lower_alphanumeric(ID_CHARACTERS),
            key: key_of(self.base_path.as_deref())?,
            api_id: self.rest_api_id,
            stage: self.stage.filter(|stage| !stage.is_empty()),
        };
        let (account, region, made) = (cx.account, cx.region.clone(), mapping.clone());
        let key = domain::domain_key(account, &region, &self.domain_name);
        let work = move |tx: &mut Tx<'_>| {
            let owner = tx.get(DOMAINS, &key)?.ok_or_else(no_domain)?;
            domain::map(tx, (account, &region), &owner.name, None, &made).map_err(refused)
        };
        let created = gateway.change_home(work).await;
        gateway.forget_domain(&self.domain_name).await;
        created?;
        Ok(BasePathMapping::of(mapping))
    }
}

/// Tells a mapping.
#[derive(Shape)]
#[shape(name = "GetBasePathMappingRequest", rename_all = "camelCase")]
pub struct GetBasePathMapping {
    /// The domain name.
    #[shape(label, name = "domain_name")]
    pub domain_name: String,
    /// The id of a private one.
    #[shape(query = "domainNameId")]
    pub domain_name_id: Option<String>,
    /// The path.
    #[shape(label, name = "base_path")]
    pub base_path: String,
}

impl Operation<ApiGateway> for GetBasePathMapping {
    const META: Meta =
        Meta::read("GetBasePathMapping").http("GET", "/domainnames/{domain_name}/basepathmappings/{base_path}");
    type Output = BasePathMapping;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<BasePathMapping, Error> {
        refuse_private(self.domain_name_id.as_ref())?;
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        let owner = gateway.found(DOMAINS, key, no_domain).await?;
        let key = Key::of((owner.name.as_str(), key_of(Some(&self.base_path)).map_err(|_| no_mapping())?));
        Ok(BasePathMapping::of(gateway.found(MAPPINGS, key, no_mapping).await?))
    }
}

/// Lists a domain name's mappings.
#[derive(Shape)]
#[shape(name = "GetBasePathMappingsRequest", rename_all = "camelCase")]
pub struct GetBasePathMappings {
    /// The domain name.
    #[shape(label, name = "domain_name")]
    pub domain_name: String,
    /// The id of a private one.
    #[shape(query = "domainNameId")]
    pub domain_name_id: Option<String>,
    /// Where to continue.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// At most so many.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

/// A page of mappings.
#[derive(Shape)]
#[shape(name = "BasePathMappings", rename_all = "camelCase")]
pub struct BasePathMappings {
    /// There if more follow.
    pub position: Option<String>,
    /// The mappings.
    #[shape(name = "item")]
    pub items: Vec<BasePathMapping>,
}

impl Operation<ApiGateway> for GetBasePathMappings {
    const META: Meta = Meta::read("GetBasePathMappings").http("GET", "/domainnames/{domain_name}/basepathmappings");
    type Output = BasePathMappings;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<BasePathMappings, Error> {
        refuse_private(self.domain_name_id.as_ref())?;
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        let owner = gateway.found(DOMAINS, key, no_domain).await?;
        let under = Scan::under(owner.name.as_str());
        let (found, position) = gateway.page(MAPPINGS, under, self.position.as_deref(), self.limit).await?;
        Ok(BasePathMappings { position, items: found.into_iter().map(BasePathMapping::of).collect() })
    }
}

/// Changes a mapping.
#[derive(Shape)]
#[shape(name = "UpdateBasePathMappingRequest", rename_all = "camelCase")]
pub struct UpdateBasePathMapping {
    /// The domain name.
    #[shape(label, name = "domain_name")]
    pub domain_name: String,
    /// The id of a private one.
    #[shape(query = "domainNameId")]
    pub domain_name_id: Option<String>,
    /// The path.
    #[shape(label, name = "base_path")]
    pub base_path: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateBasePathMapping {
    const META: Meta =
        Meta::write("UpdateBasePathMapping").http("PATCH", "/domainnames/{domain_name}/basepathmappings/{base_path}");
    type Output = BasePathMapping;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<BasePathMapping, Error> {
        refuse_private(self.domain_name_id.as_ref())?;
        let changes = patch::changes(self.patch_operations)?;
        let (account, region) = (cx.account, cx.region.clone());
        let (key, path) = (domain::domain_key(account, &region, &self.domain_name), key_of(Some(&self.base_path))?);
        let work = move |tx: &mut Tx<'_>| {
            let owner = tx.get(DOMAINS, &key)?.ok_or_else(no_domain)?;
            let at = Key::of((owner.name.as_str(), path.as_str()));
            let before = tx.get(MAPPINGS, &at)?.ok_or_else(no_mapping)?;
            let mut changed = before.clone();
            changes.iter().try_for_each(|change| apply(&mut changed, change))?;
            domain::map(tx, (account, &region), &owner.name, Some(&before), &changed).map_err(refused)?;
            Ok(changed)
        };
        let changed = gateway.change_home(work).await;
        gateway.forget_domain(&self.domain_name).await;
        Ok(BasePathMapping::of(changed?))
    }
}

fn apply(mapping: &mut Mapping, change: &Change) -> Result<(), Error> {
    PATHS.check(change)?;
    match change.path.as_str() {
        "/basePath" => mapping.key = key_of(change.value.as_deref())?,
        "/stage" => mapping.stage = change.text(),
        _ => mapping.api_id = change.text().unwrap_or_default(),
    }
    Ok(())
}

/// Makes a stage no longer found below a path.
#[derive(Shape)]
#[shape(name = "DeleteBasePathMappingRequest", rename_all = "camelCase")]
pub struct DeleteBasePathMapping {
    /// The domain name.
    #[shape(label, name = "domain_name")]
    pub domain_name: String,
    /// The id of a private one.
    #[shape(query = "domainNameId")]
    pub domain_name_id: Option<String>,
    /// The path.
    #[shape(label, name = "base_path")]
    pub base_path: String,
}

impl Operation<ApiGateway> for DeleteBasePathMapping {
    const META: Meta = Meta::write("DeleteBasePathMapping")
        .http("DELETE", "/domainnames/{domain_name}/basepathmappings/{base_path}")
        .status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        refuse_private(self.domain_name_id.as_ref())?;
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        let path = key_of(Some(&self.base_path)).map_err(|_| no_mapping())?;
        let work = move |tx: &mut Tx<'_>| {
            let owner = tx.get(DOMAINS, &key)?.ok_or_else(no_domain)?;
            let mapping = tx.get(MAPPINGS, &Key::of((owner.name.as_str(), path.as_str())))?.ok_or_else(no_mapping)?;
            Ok(domain::remove_mapping(tx, &owner.name, &mapping)?)
        };
        let deleted = gateway.change_home(work).await;
        gateway.forget_domain(&self.domain_name).await;
        deleted
    }
}
