//! TagResource, and what the tag operations share.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::{Failure, invalid};
use crate::lambda::event_source_mapping::states::no_mapping;
use crate::lambda::event_source_mapping::{MAPPINGS, MappingTarget};
use crate::lambda::function::load;
use crate::lambda::name::{TaggableResource, Target};
use crate::lambda::records::FUNCTIONS;

/// AWS's limits of tags.
const TAGS_MAX: usize = 50;
const TAG_KEY_CHARACTERS_MAX: usize = 128;
const TAG_VALUE_CHARACTERS_MAX: usize = 256;

/// Adds tags to a function or mapping, over older ones of the same keys.
#[derive(Shape, Default)]
#[shape(name = "TagResourceRequest")]
pub struct TagResource {
    /// The function's or mapping's ARN.
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
        let target = Tagged::of(cx, &self.resource)?;
        if self.tags.is_empty() {
            return Err(invalid("An error occurred and the request cannot be processed."));
        }
        change_tags(lambda, &target, move |tags| tags.extend(self.tags.clone())).await
    }
}

/// Changes tags, if the result is within AWS's limits. A function gets a new revision with them, as on AWS.
pub(crate) async fn change_tags(
    lambda: &Lambda,
    tagged: &Tagged,
    change: impl Fn(&mut BTreeMap<String, String>) + Send + 'static,
) -> Result<(), Error> {
    let (written, revision_id) = (tagged.clone(), base::id::uuid());
    let changed = lambda.store.transact(move |tx| {
        match &written {
            Tagged::Function(target) => {
                let mut function = load(tx, target)?;
                change(&mut function.tags);
                check_tags(&function.tags)?;
                function.latest.revision_id.clone_from(&revision_id);
                tx.put(FUNCTIONS, &target.key(), &function)?;
            }
            Tagged::Mapping(at) => {
                let mut mapping = tx.get(MAPPINGS, &at.key())?.ok_or_else(|| Failure::from(no_mapping()))?;
                change(&mut mapping.tags);
                check_tags(&mapping.tags)?;
                tx.put(MAPPINGS, &at.key(), &mapping)?;
            }
        }
        Ok::<_, Failure>(())
    });
    let changed = changed.await;
    if let Tagged::Function(target) = tagged {
        lambda.forget(target);
    }
    Ok(changed?)
}

/// What bears tags.
#[derive(Clone, Debug)]
pub(crate) enum Tagged {
    /// A function.
    Function(Target),
    /// An event source mapping.
    Mapping(MappingTarget),
}

impl Tagged {
    /// What an ARN means; of all that bears tags in Lambda only functions and mappings are built.
    pub(crate) fn of(cx: &Cx, resource: &TaggableResource) -> Result<Tagged, Error> {
        if let Some((_, id)) = resource.0.split_once(":event-source-mapping:") {
            let at = MappingTarget::of(cx, id);
            return if at.arn().to_string() == resource.0 { Ok(Tagged::Mapping(at)) } else { Err(no_mapping()) };
        }
        tagged_function(cx, resource).map(Tagged::Function)
    }

    /// Its tags.
    pub(crate) async fn tags(&self, lambda: &Lambda) -> Result<BTreeMap<String, String>, Failure> {
        match self {
            Tagged::Function(target) => Ok(lambda.function(target).await?.tags),
            Tagged::Mapping(at) => Ok(lambda.mapping(at).await?.tags),
        }
    }
}

fn tagged_function(cx: &Cx, resource: &TaggableResource) -> Result<Target, Error> {
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
