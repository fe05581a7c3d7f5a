//! VPC links.

use base::{Arn, Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::rest::ApiGateway;
use crate::rest::change::Id;
use crate::rest::error::{bad, missing};
use crate::rest::patch::{self, PatchOperation, Paths};
use crate::rest::records::{Home, Texts, VPC_LINKS, VpcLink, VpcLinkStatus};
use crate::rest::{tags, vpc_link};

fn no_link() -> Error {
    missing("Invalid Vpc Link identifier specified")
}

/// Names a private target.
#[derive(Shape)]
#[shape(name = "CreateVpcLinkRequest", rename_all = "camelCase")]
pub struct CreateVpcLink {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// The load balancer.
    pub target_arns: Vec<String>,
    /// Tags.
    pub tags: Option<Texts>,
}

impl Operation<ApiGateway> for CreateVpcLink {
    const META: Meta = Meta::write("CreateVpcLink").http("POST", "/vpclinks").status(202);
    type Output = VpcLink;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<VpcLink, Error> {
        if self.name.is_empty() {
            return Err(bad("Name cannot be empty"));
        }
        if let Some(arn) = self.target_arns.iter().find(|arn| Arn::parse(arn).is_none()) {
            return Err(bad(format!("Invalid ARN. ARN is not well formed {arn}")));
        }
        match self.target_arns.len() {
            0 => return Err(bad("Exactly one target ARN must be specified")),
            1 => {}
            _ => return Err(bad("More than one target arn specified for vpc link.")),
        }
        tags::check(self.tags.as_ref())?;
        let made = VpcLink {
            id: Id::Api.draw(),
            name: self.name,
            description: self.description,
            target_arns: self.target_arns,
            status: VpcLinkStatus::Available,
            status_message: Some("Your vpc link is ready for use".to_owned()),
            tags: self.tags.filter(|tags| !tags.is_empty()),
        };
        let key = Home::of(cx).below(&made.id);
        // It stands at once; AWS's takes minutes, and an answer that says so from the start is not expected.
        let shown = VpcLink { status: VpcLinkStatus::Pending, status_message: None, ..made.clone() };
        gateway.change_home(move |tx| Ok(tx.put(VPC_LINKS, &key, &made)?)).await?;
        Ok(shown)
    }
}

/// Shows a VPC link.
#[derive(Shape)]
#[shape(name = "GetVpcLinkRequest", rename_all = "camelCase")]
pub struct GetVpcLink {
    /// The VPC link.
    #[shape(label, name = "vpclink_id")]
    pub vpc_link_id: String,
}

impl Operation<ApiGateway> for GetVpcLink {
    const META: Meta = Meta::read("GetVpcLink").http("GET", "/vpclinks/{vpclink_id}");
    type Output = VpcLink;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<VpcLink, Error> {
        let mut found = gateway.found(VPC_LINKS, Home::of(cx).below(&self.vpc_link_id), no_link).await?;
        found.tags.get_or_insert_default();
        Ok(found)
    }
}

/// Lists VPC links.
#[derive(Shape)]
#[shape(name = "GetVpcLinksRequest", rename_all = "camelCase")]
pub struct GetVpcLinks {
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

impl Operation<ApiGateway> for GetVpcLinks {
    const META: Meta = Meta::read("GetVpcLinks").http("GET", "/vpclinks");
    type Output = VpcLinks;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<VpcLinks, Error> {
        let (position, limit) = (self.position.as_deref(), self.limit);
        let (items, position) = gateway.page(VPC_LINKS, Home::of(cx).all(), position, limit).await?;
        Ok(VpcLinks { position, items })
    }
}

/// A page of VPC links.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct VpcLinks {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<VpcLink>,
}

/// Deletes a VPC link through which nothing deployed leads.
#[derive(Shape)]
#[shape(name = "DeleteVpcLinkRequest", rename_all = "camelCase")]
pub struct DeleteVpcLink {
    /// The VPC link.
    #[shape(label, name = "vpclink_id")]
    pub vpc_link_id: String,
}

impl Operation<ApiGateway> for DeleteVpcLink {
    const META: Meta = Meta::write("DeleteVpcLink").http("DELETE", "/vpclinks/{vpclink_id}").status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (home, id) = (Home::of(cx), self.vpc_link_id);
        gateway
            .change_home(move |tx| {
                let key = home.below(&id);
                if !tx.exists(VPC_LINKS, &key)? {
                    return Err(no_link().into());
                }
                let users = vpc_link::users(tx, &home, &id)?;
                if !users.is_empty() {
                    let users = users.join(", ");
                    let words = format!(
                        "Cannot delete vpc link. Vpc link '{id}', is referenced in [{users}] in format of \
                         [RESTApiId:Method:Resource:Stage]."
                    );
                    return Err(bad(words).into());
                }
                Ok(tx.delete(VPC_LINKS, &key)?)
            })
            .await
    }
}

const PATHS: Paths = Paths::replaced(&["/name", "/description"]);

/// Changes a VPC link's name or description.
#[derive(Shape)]
#[shape(name = "UpdateVpcLinkRequest", rename_all = "camelCase")]
pub struct UpdateVpcLink {
    /// The VPC link.
    #[shape(label, name = "vpclink_id")]
    pub vpc_link_id: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateVpcLink {
    const META: Meta = Meta::write("UpdateVpcLink").http("PATCH", "/vpclinks/{vpclink_id}");
    type Output = VpcLink;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<VpcLink, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let key = Home::of(cx).below(&self.vpc_link_id);
        let mut changed = gateway
            .change_home(move |tx| {
                let mut link = tx.get(VPC_LINKS, &key)?.ok_or_else(no_link)?;
                for change in &changes {
                    PATHS.check(change)?;
                    match change.path.as_str() {
                        "/name" => link.name = change.text().ok_or_else(|| bad("Name cannot be empty"))?,
                        _ => change.set(&mut link.description),
                    }
                }
                tx.put(VPC_LINKS, &key, &link)?;
                Ok(link)
            })
            .await?;
        changed.tags.get_or_insert_default();
        Ok(changed)
    }
}
