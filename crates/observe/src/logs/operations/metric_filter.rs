//! TestMetricFilter: which messages a pattern matches, and what it takes out of them.

use std::collections::BTreeMap;

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::logs::pattern::Pattern;
use crate::logs::{Logs, invalid};

/// Tries a filter pattern on sample messages.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct TestMetricFilter {
    /// The pattern.
    #[shape(length(0..=1024))]
    pub filter_pattern: String,
    /// The messages.
    #[shape(length(1..=50))]
    pub log_event_messages: Vec<String>,
}

/// What matched.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct TestMetricFilterResponse {
    /// One for each message that matched.
    pub matches: Vec<MetricFilterMatchRecord>,
}

/// A message that matched.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct MetricFilterMatchRecord {
    /// Its number among the messages, from 1.
    pub event_number: i64,
    /// The message.
    pub event_message: String,
    /// The fields that the pattern names, as they are in the message.
    pub extracted_values: BTreeMap<String, String>,
}

impl Operation<Logs> for TestMetricFilter {
    const META: Meta = Meta::read("TestMetricFilter");
    type Output = TestMetricFilterResponse;

    async fn run(self, _: &Logs, _: &Cx) -> Result<TestMetricFilterResponse, Error> {
        let pattern = Pattern::parse(&self.filter_pattern).map_err(invalid)?;
        let numbered = self.log_event_messages.into_iter().zip(1_i64..);
        let matches = numbered.filter_map(|(event_message, event_number)| {
            let extracted_values = pattern.extract(&event_message)?;
            Some(MetricFilterMatchRecord { event_number, event_message, extracted_values })
        });
        Ok(TestMetricFilterResponse { matches: matches.collect() })
    }
}
