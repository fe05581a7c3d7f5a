//! ListTags.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::name::{TaggableResource, Target};

use super::tag_resource::Tagged;

/// Returns a function's or mapping's tags.
#[derive(Shape, Default)]
#[shape(name = "ListTagsRequest")]
pub struct ListTags {
    /// The function's or mapping's ARN.
    #[shape(label)]
    pub resource: TaggableResource,
}

/// Tags; empty, not absent, if there are none.
#[derive(Shape, Debug, Default)]
pub struct ListTagsResponse {
    /// By key.
    pub tags: Option<BTreeMap<String, String>>,
}

impl Operation<Lambda> for ListTags {
    const META: Meta = Meta::read("ListTags").http("GET", "/2017-03-31/tags/{Resource}");
    type Output = ListTagsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.resource);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListTagsResponse, Error> {
        let tags = Tagged::of(cx, &self.resource)?.tags(lambda).await?;
        Ok(ListTagsResponse { tags: Some(tags) })
    }
}
