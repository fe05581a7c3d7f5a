//! UntagResource.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::name::{TaggableResource, Target};

use super::tag_resource::{Tagged, change_tags};

/// Removes tags from a function or mapping; keys that it does not have are no error.
#[derive(Shape, Default)]
#[shape(name = "UntagResourceRequest")]
pub struct UntagResource {
    /// The function's or mapping's ARN.
    #[shape(label)]
    pub resource: TaggableResource,
    /// The tags' keys.
    #[shape(query = "tagKeys")]
    pub tag_keys: Vec<String>,
}

impl Operation<Lambda> for UntagResource {
    const META: Meta = Meta::write("UntagResource").http("DELETE", "/2017-03-31/tags/{Resource}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.resource);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let target = Tagged::of(cx, &self.resource)?;
        change_tags(lambda, &target, move |tags| tags.retain(|key, _| !self.tag_keys.contains(key))).await
    }
}
