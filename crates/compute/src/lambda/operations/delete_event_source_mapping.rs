//! DeleteEventSourceMapping.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use super::update_event_source_mapping::check_settled;
use crate::lambda::Lambda;
use crate::lambda::error::Failure;
use crate::lambda::event_source_mapping::states::no_mapping;
use crate::lambda::event_source_mapping::{
    EventSourceMappingConfiguration, MAPPINGS, MappingId, MappingState, MappingTarget,
};

/// Ends a mapping. It is shown as `Deleting` and gone a moment later.
#[derive(Shape, Default)]
#[shape(name = "DeleteEventSourceMappingRequest")]
pub struct DeleteEventSourceMapping {
    /// Which.
    #[shape(name = "UUID", label)]
    pub uuid: MappingId,
}

impl Operation<Lambda> for DeleteEventSourceMapping {
    const META: Meta =
        Meta::write("DeleteEventSourceMapping").http("DELETE", "/2015-03-31/event-source-mappings/{UUID}").status(202);
    type Output = EventSourceMappingConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(MappingTarget::of(cx, &self.uuid.0).arn());
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<EventSourceMappingConfiguration, Error> {
        let at = MappingTarget::of(cx, &self.uuid.0);
        let place = at.clone();
        let deleting = lambda.store.transact(move |tx| {
            let mut record = tx.get(MAPPINGS, &place.key())?.ok_or_else(|| Failure::from(no_mapping()))?;
            check_settled(&record, "delete")?;
            record.state = MappingState::Deleting;
            record.enabled = false;
            tx.put(MAPPINGS, &place.key(), &record)?;
            Ok::<_, Failure>(record)
        });
        let record = deleting.await?;
        lambda.settle_mapping_later(&at);
        Ok(EventSourceMappingConfiguration::of(&at, &record))
    }
}
