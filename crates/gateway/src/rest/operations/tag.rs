//! Tags of all that bears them.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::rest::ApiGateway;
use crate::rest::records::Texts;
use crate::rest::tags::{self, Tagged};

/// The tags of something.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct Tags {
    /// By key.
    pub tags: Texts,
}

/// Adds tags, over older ones of the same keys.
#[derive(Shape)]
#[shape(name = "TagResourceRequest", rename_all = "camelCase")]
pub struct TagResource {
    /// The ARN of what bears them.
    #[shape(label, name = "resource_arn")]
    pub resource_arn: String,
    /// Tags.
    pub tags: Texts,
}

impl Operation<ApiGateway> for TagResource {
    const META: Meta = Meta::write("TagResource").http("PUT", "/tags/{resource_arn}").status(204);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let tagged = Tagged::of(cx, &self.resource_arn)?;
        let added = self.tags;
        gateway
            .change_rest_tags(tagged, move |tags| {
                tags.extend(added.clone());
                tags::check(Some(tags))
            })
            .await
    }
}

/// Takes tags away.
#[derive(Shape)]
#[shape(name = "UntagResourceRequest", rename_all = "camelCase")]
pub struct UntagResource {
    /// The ARN of what bears them.
    #[shape(label, name = "resource_arn")]
    pub resource_arn: String,
    /// Their keys.
    #[shape(query = "tagKeys")]
    pub tag_keys: Vec<String>,
}

impl Operation<ApiGateway> for UntagResource {
    const META: Meta = Meta::write("UntagResource").http("DELETE", "/tags/{resource_arn}").status(204);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let tagged = Tagged::of(cx, &self.resource_arn)?;
        let keys = self.tag_keys;
        gateway
            .change_rest_tags(tagged, move |tags| {
                tags.retain(|key, _| !keys.contains(key));
                Ok(())
            })
            .await
    }
}

/// Lists the tags of something.
#[derive(Shape)]
#[shape(name = "GetTagsRequest", rename_all = "camelCase")]
pub struct GetTags {
    /// The ARN of what bears them.
    #[shape(label, name = "resource_arn")]
    pub resource_arn: String,
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

impl Operation<ApiGateway> for GetTags {
    const META: Meta = Meta::read("GetTags").http("GET", "/tags/{resource_arn}");
    type Output = Tags;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<Tags, Error> {
        let tagged = Tagged::of(cx, &self.resource_arn)?;
        let tags = gateway.read_rest_tags(tagged).await?;
        Ok(Tags { tags })
    }
}
