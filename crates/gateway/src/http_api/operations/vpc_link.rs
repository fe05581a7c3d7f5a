//! VPC links: create, tell, list, change, delete. There is no private network behind one: what a link leads to is reached as
//! everything else is.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::{Key, Scan, Tx};

use crate::Failure;
use crate::control::arn;
use crate::http_api::ApiGatewayV2;
use crate::http_api::api::check_tags;
use crate::http_api::change::now;
use crate::http_api::error::{bad, none};
use crate::http_api::merge::set_required;
use crate::http_api::paging::Page;
use crate::http_api::records::{APIS, INTEGRATIONS, Texts, VPC_LINKS, VpcLink, VpcLinkStatus, VpcLinkVersion, owned};

/// Letters and digits of an id.
const ID_CHARACTERS: usize = 6;

/// Makes a VPC link.
#[derive(Shape)]
#[shape(name = "CreateVpcLinkRequest", rename_all = "camelCase")]
pub struct CreateVpcLink {
    /// Its name.
    pub name: String,
    /// The security groups.
    pub security_group_ids: Option<Vec<String>>,
    /// The subnets.
    pub subnet_ids: Vec<String>,
    /// Its tags.
    pub tags: Option<Texts>,
}

impl Operation<ApiGatewayV2> for CreateVpcLink {
    const META: Meta = Meta::write("CreateVpcLink").http("POST", "/v2/vpclinks").status(201);
    type Output = VpcLink;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/vpclinks")));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<VpcLink, Error> {
        let link = VpcLink {
            vpc_link_id: base::id::lower_alphanumeric(ID_CHARACTERS),
            name: self.name,
            security_group_ids: self.security_group_ids.unwrap_or_default(),
            subnet_ids: self.subnet_ids,
            created_date: now(cx),
            tags: Some(self.tags.unwrap_or_default()),
            vpc_link_status: Some(VpcLinkStatus::Available),
            vpc_link_status_message: Some("VPC link is ready to route traffic".to_owned()),
            vpc_link_version: Some(VpcLinkVersion::V2),
        };
        check(&link)?;
        let (key, stored) = (owned(cx.account, &cx.region, &link.vpc_link_id), link.clone());
        gateway.0.store.transact(move |tx| Ok::<_, Failure>(tx.insert(VPC_LINKS, &key, &stored)?)).await?;
        Ok(link)
    }
}

fn check(link: &VpcLink) -> Result<(), Failure> {
    if !(1..=128).contains(&link.name.chars().count()) {
        return Err(bad("Name must be between 1 and 128 characters long").into());
    }
    if link.subnet_ids.is_empty() {
        return Err(bad("At least one subnet is required").into());
    }
    check_tags(link.tags.as_ref().unwrap_or(&Texts::new()))
}

/// Tells a VPC link.
#[derive(Shape)]
#[shape(name = "GetVpcLinkRequest", rename_all = "camelCase")]
pub struct GetVpcLink {
    /// Which.
    #[shape(label)]
    pub vpc_link_id: String,
}

impl Operation<ApiGatewayV2> for GetVpcLink {
    const META: Meta = Meta::read("GetVpcLink").http("GET", "/v2/vpclinks/{vpcLinkId}");
    type Output = VpcLink;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/vpclinks/{}", self.vpc_link_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<VpcLink, Error> {
        let key = owned(cx.account, &cx.region, &self.vpc_link_id);
        let found = gateway.0.store.get(VPC_LINKS, &key).await.map_err(Failure::from)?;
        found.ok_or_else(|| none("VpcLink", &self.vpc_link_id))
    }
}

/// Lists the VPC links of an account in a region.
#[derive(Shape)]
#[shape(name = "GetVpcLinksRequest", rename_all = "camelCase")]
pub struct GetVpcLinks {
    /// At most so many; a number.
    #[shape(query = "maxResults")]
    pub max_results: Option<String>,
    /// Where to continue.
    #[shape(query = "nextToken")]
    pub next_token: Option<String>,
}

/// A page of VPC links.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetVpcLinksResponse {
    /// The VPC links.
    pub items: Vec<VpcLink>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetVpcLinks {
    const META: Meta = Meta::read("GetVpcLinks").http("GET", "/v2/vpclinks");
    type Output = GetVpcLinksResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/vpclinks")));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetVpcLinksResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        let under = (cx.account.as_str(), cx.region.as_str());
        let (items, next_token) = page.read(&gateway.0.store, VPC_LINKS, under).await?;
        Ok(GetVpcLinksResponse { items, next_token })
    }
}

/// Gives a VPC link another name.
#[derive(Shape)]
#[shape(name = "UpdateVpcLinkRequest", rename_all = "camelCase")]
pub struct UpdateVpcLink {
    /// Which.
    #[shape(label)]
    pub vpc_link_id: String,
    /// Its name.
    pub name: Option<String>,
}

impl Operation<ApiGatewayV2> for UpdateVpcLink {
    const META: Meta = Meta::write("UpdateVpcLink").http("PATCH", "/v2/vpclinks/{vpcLinkId}");
    type Output = VpcLink;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/vpclinks/{}", self.vpc_link_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<VpcLink, Error> {
        let key = owned(cx.account, &cx.region, &self.vpc_link_id);
        let work = move |tx: &mut Tx<'_>| {
            let mut link = tx.get(VPC_LINKS, &key)?.ok_or_else(|| none("VpcLink", &self.vpc_link_id))?;
            set_required(&mut link.name, self.name.as_ref());
            check(&link)?;
            tx.put(VPC_LINKS, &key, &link)?;
            Ok::<_, Failure>(link)
        };
        Ok(gateway.0.store.transact(work).await?)
    }
}

/// Deletes a VPC link that no integration needs.
#[derive(Shape)]
#[shape(name = "DeleteVpcLinkRequest", rename_all = "camelCase")]
pub struct DeleteVpcLink {
    /// Which.
    #[shape(label)]
    pub vpc_link_id: String,
}

impl Operation<ApiGatewayV2> for DeleteVpcLink {
    const META: Meta = Meta::write("DeleteVpcLink").http("DELETE", "/v2/vpclinks/{vpcLinkId}").status(202);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/vpclinks/{}", self.vpc_link_id)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let (account, region, id) = (cx.account, cx.region.clone(), self.vpc_link_id);
        let work = move |tx: &mut Tx<'_>| {
            let key = owned(account, &region, &id);
            if !tx.exists(VPC_LINKS, &key)? {
                return Err(none("VpcLink", &id).into());
            }
            for (_, api) in tx.scan(APIS, Scan::under((account.as_str(), region.as_str())))? {
                let integrations = tx.scan(INTEGRATIONS, Scan::under(api.api_id.as_str()))?;
                if integrations.iter().any(|(_, one): &(Key, _)| one.connection_id.as_ref() == Some(&id)) {
                    return Err(bad(format!("Cannot delete VPC link {id}: it is used by API {}", api.api_id)).into());
                }
            }
            Ok::<_, Failure>(tx.delete(VPC_LINKS, &key)?)
        };
        Ok(gateway.0.store.transact(work).await?)
    }
}
