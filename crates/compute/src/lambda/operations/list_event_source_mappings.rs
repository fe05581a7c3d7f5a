//! ListEventSourceMappings.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;
use store::Scan;

use crate::lambda::Lambda;
use crate::lambda::error::Failure;
use crate::lambda::event_source_mapping::{EventSourceMappingConfiguration, MAPPINGS, MappingTarget};
use crate::lambda::name::{NamespacedFunctionName, Target};
use crate::lambda::paging::{cut, read_marker};

/// AWS returns at most so many mappings at a time, whatever `MaxItems` says.
const PAGE_ITEMS_MAX: usize = 100;

/// Lists mappings: all, or those of a function or of a source.
#[derive(Shape, Default)]
#[shape(name = "ListEventSourceMappingsRequest")]
pub struct ListEventSourceMappings {
    /// Only those of this queue or stream.
    #[shape(
        query = "EventSourceArn",
        length(0..=10_000),
        pattern = r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)"
    )]
    pub event_source_arn: Option<String>,
    /// Only those of this function, and of this version or alias if one is named.
    #[shape(query = "FunctionName")]
    pub function_name: Option<NamespacedFunctionName>,
    /// Where to continue.
    #[shape(query = "Marker")]
    pub marker: Option<String>,
    /// At most so many; never more than 100.
    #[shape(query = "MaxItems", range(1..=10_000))]
    pub max_items: Option<i32>,
}

/// A page of mappings.
#[derive(Shape, Debug, Default)]
pub struct ListEventSourceMappingsResponse {
    /// There if more follow.
    pub next_marker: Option<String>,
    /// The mappings.
    pub event_source_mappings: Option<Vec<EventSourceMappingConfiguration>>,
}

impl Operation<Lambda> for ListEventSourceMappings {
    const META: Meta = Meta::read("ListEventSourceMappings").http("GET", "/2015-03-31/event-source-mappings");
    type Output = ListEventSourceMappingsResponse;

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<ListEventSourceMappingsResponse, Error> {
        let target = self.function_name.as_ref().map(|function| Target::own(cx, function, None)).transpose()?;
        let size = self.max_items.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE_ITEMS_MAX);
        let size = size.min(PAGE_ITEMS_MAX);
        let mut scan = Scan::under((cx.account.as_str(), cx.region.as_str()));
        if let Some(marker) = read_marker(self.marker.as_deref())? {
            scan = scan.after(marker);
        }
        let all = lambda.store.scan(MAPPINGS, scan).await.map_err(Failure::from)?;
        let meant = all.into_iter().filter_map(|(key, record)| {
            let at = MappingTarget::of_key(&key)?;
            let of_function = target.as_ref().is_none_or(|target| record.target(&at) == *target);
            let of_source = self.event_source_arn.as_ref().is_none_or(|source| record.source.to_string() == *source);
            let shown = EventSourceMappingConfiguration::of(&at, &record);
            (of_function && of_source).then_some((key, shown))
        });
        let (mappings, next_marker) = cut(meant.take(size + 1).collect(), size);
        Ok(ListEventSourceMappingsResponse { next_marker, event_source_mappings: Some(mappings) })
    }
}
