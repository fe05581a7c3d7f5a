//! TagResource, and what the tag operations share.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::{Failure, invalid};
use crate::lambda::function::load;
use crate::lambda::name::{TaggableResource, Target};
use crate::lambda::records::FUNCTIONS;

/// AWS's limits of tags.
const TAGS_MAX: usize = 50;
const TAG_KEY_CHARACTERS_MAX: usize = 128;
const TAG_VALUE_CHARACTERS_MAX: usize = 256;

/// Adds tags to a function, over older ones of the same keys.
#[derive(Shape, Default)]
#[shape(name = "TagResourceRequest")]
pub struct TagResource {
    /// The function's ARN.
    #[shape(label)]
    pub resource: TaggableResource,
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

impl Operation<Lambda> for TagResource {
    const META: Meta = Meta::write("TagResource").http("POST", "/2017-03-31/tags/{Resource}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.resource);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<(), Error> {
        let target = tagged_function(cx, &self.resource)?;
        if self.tags.is_empty() {
            return Err(invalid("An error occurred and the request cannot be processed."));
        }
        change_tags(lambda, &target, move |tags| tags.extend(self.tags.clone())).await
    }
}

/// Changes a function's tags, if the result is within AWS's limits. Tags have no part in revisions and states.
pub(crate) async fn change_tags(
    lambda: &Lambda,
    target: &Target,
    change: impl Fn(&mut BTreeMap<String, String>) + Send + 'static,
) -> Result<(), Error> {
    let target = target.clone();
    let changed = lambda.store.transact(move |tx| {
        let mut function = load(tx, &target)?;
        change(&mut function.tags);
        check_tags(&function.tags)?;
        tx.put(FUNCTIONS, &target.key(), &function)?;
        Ok::<_, Failure>(())
    });
    Ok(changed.await?)
}

/// The function that an ARN means; of all that bears tags in Lambda only functions are built.
pub(crate) fn tagged_function(cx: &Cx, resource: &TaggableResource) -> Result<Target, Error> {
    if !resource.0.contains(":function:") {
        return Err(Error::not_implemented(format!("tagging of {}", resource.0)));
    }
    let target = Target::own(cx, resource, None)?;
    if target.qualifier.is_some() {
        return Err(invalid("Tags on function aliases and versions are not supported. Please specify a function ARN."));
    }
    Ok(target)
}

/// Refuses too many tags, and too long ones.
pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if tags.len() > TAGS_MAX {
        return Err(invalid("Number of tags exceeds resource tag limit."));
    }
    let fits = |key: &str, value: &str| {
        !key.is_empty()
            && key.chars().count() <= TAG_KEY_CHARACTERS_MAX
            && value.chars().count() <= TAG_VALUE_CHARACTERS_MAX
    };
    if let Some((key, _)) = tags.iter().find(|(key, value)| !fits(key, value)) {
        return Err(invalid(format!(
            "The tag '{key}' has no key, a key of more than {TAG_KEY_CHARACTERS_MAX} characters or a value of more than \
             {TAG_VALUE_CHARACTERS_MAX} characters."
        )));
    }
    if let Some(key) = tags.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(invalid(format!("System tags cannot be added or changed by a caller: {key}")));
    }
    Ok(())
}
