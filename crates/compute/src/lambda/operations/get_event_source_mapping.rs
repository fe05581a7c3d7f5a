//! GetEventSourceMapping.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::event_source_mapping::{EventSourceMappingConfiguration, MappingId, MappingTarget};

/// Returns a mapping.
#[derive(Shape, Default)]
#[shape(name = "GetEventSourceMappingRequest")]
pub struct GetEventSourceMapping {
    /// Which.
    #[shape(name = "UUID", label)]
    pub uuid: MappingId,
}

impl Operation<Lambda> for GetEventSourceMapping {
    const META: Meta = Meta::read("GetEventSourceMapping").http("GET", "/2015-03-31/event-source-mappings/{UUID}");
    type Output = EventSourceMappingConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(MappingTarget::of(cx, &self.uuid.0).arn());
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<EventSourceMappingConfiguration, Error> {
        let at = MappingTarget::of(cx, &self.uuid.0);
        Ok(EventSourceMappingConfiguration::of(&at, &lambda.mapping(&at).await?))
    }
}
