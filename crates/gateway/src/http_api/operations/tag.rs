//! Tags of APIs, stages, VPC links and custom domain names.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::control::arn;
use crate::http_api::ApiGatewayV2;
use crate::http_api::records::Texts;
use crate::http_api::tags::Tagged;

/// Tells the tags of something.
#[derive(Shape)]
#[shape(name = "GetTagsRequest", rename_all = "camelCase")]
pub struct GetTags {
    /// The ARN of what has them.
    #[shape(label, name = "resource-arn")]
    pub resource_arn: String,
}

/// Tags.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetTagsResponse {
    /// By key.
    pub tags: Texts,
}

impl Operation<ApiGatewayV2> for GetTags {
    const META: Meta = Meta::read("GetTags").http("GET", "/v2/tags/{resource-arn}");
    type Output = GetTagsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/tags/{}", self.resource_arn)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetTagsResponse, Error> {
        Ok(GetTagsResponse { tags: gateway.0.http_tags(cx, &Tagged::of(cx, &self.resource_arn)?).await? })
    }
}

/// Gives something tags, beside those that it has.
#[derive(Shape)]
#[shape(name = "TagResourceRequest", rename_all = "camelCase")]
pub struct TagResource {
    /// The ARN of what gets them.
    #[shape(label, name = "resource-arn")]
    pub resource_arn: String,
    /// By key.
    pub tags: Option<Texts>,
}

/// Nothing.
#[derive(Shape)]
pub struct TagResourceResponse {}

impl Operation<ApiGatewayV2> for TagResource {
    const META: Meta = Meta::write("TagResource").http("POST", "/v2/tags/{resource-arn}").status(201);
    type Output = TagResourceResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/tags/{}", self.resource_arn)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<TagResourceResponse, Error> {
        let (at, given) = (Tagged::of(cx, &self.resource_arn)?, self.tags.unwrap_or_default());
        gateway.0.change_http_tags(cx, &at, move |tags| tags.extend(given.clone())).await?;
        Ok(TagResourceResponse {})
    }
}

/// Takes tags away.
#[derive(Shape)]
#[shape(name = "UntagResourceRequest", rename_all = "camelCase")]
pub struct UntagResource {
    /// The ARN of what has them.
    #[shape(label, name = "resource-arn")]
    pub resource_arn: String,
    /// Their keys.
    #[shape(query = "tagKeys")]
    pub tag_keys: Vec<String>,
}

impl Operation<ApiGatewayV2> for UntagResource {
    const META: Meta = Meta::write("UntagResource").http("DELETE", "/v2/tags/{resource-arn}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/tags/{}", self.resource_arn)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let (at, keys) = (Tagged::of(cx, &self.resource_arn)?, self.tag_keys);
        gateway.0.change_http_tags(cx, &at, move |tags| tags.retain(|key, _| !keys.contains(key))).await
    }
}
