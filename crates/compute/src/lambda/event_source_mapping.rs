//! Event source mappings: which queue or stream calls which function, and how. Here is what the API shows and the store
//! keeps; what may be set is in [`rules`], what becomes of a mapping between two states in [`states`], and the reading of
//! sources in [`super::poller`].

pub(crate) mod rules;
pub(crate) mod states;

use std::collections::BTreeMap;

use base::{Arn, Timestamp};
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::{Key, Record, Table};

use super::event_invoke_config::{DestinationArn, DestinationConfig, OnFailure};
use super::name::{Qualifier, Target};

/// Mappings by (account, region, id).
pub(crate) const MAPPINGS: Table<MappingRecord> = Table::new("lambda.event-source-mappings");

/// The id of a mapping.
#[derive(Shape, Clone, Debug, Default)]
#[shape(name = "UUIDString", length(36..=36))]
pub struct MappingId(pub String);

/// The filters of a mapping.
#[derive(Shape, Clone, Debug, Default)]
pub struct FilterCriteria {
    /// A record is meant if one of them matches.
    pub filters: Option<Vec<Filter>>,
}

/// One filter.
#[derive(Shape, Clone, Debug, Default)]
pub struct Filter {
    /// An event pattern.
    #[shape(length(0..=4096))]
    pub pattern: Option<String>,
}

/// What a function's answer may say about its batch.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionResponseType {
    /// Which records failed.
    ReportBatchItemFailures,
}

/// Where reading a stream begins.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventSourcePosition {
    /// With what arrives from now on.
    #[shape(value = "LATEST")]
    Latest,
    /// With what arrived at a time or after it.
    #[shape(value = "AT_TIMESTAMP")]
    AtTimestamp,
    /// With the oldest record.
    #[shape(value = "TRIM_HORIZON")]
    TrimHorizon,
}

/// How many batches of a queue may run at a time.
#[derive(Shape, Clone, Debug, Default)]
pub struct ScalingConfig {
    /// So many.
    #[shape(range(2..=1000))]
    pub maximum_concurrency: Option<i32>,
}

/// How many pollers read a queue: so many at least stand ready, and ten batches of each at most run at a time.
#[derive(Shape, Clone, Debug, Default)]
pub struct ProvisionedPollerConfig {
    /// At least.
    #[shape(range(1..=200))]
    pub minimum_pollers: Option<i32>,
    /// At most.
    #[shape(range(1..=10_000))]
    pub maximum_pollers: Option<i32>,
    /// Kafka only.
    #[shape(length(0..=128), pattern = "[a-zA-Z0-9-_]*")]
    pub poller_group_name: Option<String>,
}

/// Which metrics a mapping has of its own.
#[derive(Shape, Clone, Debug, Default)]
pub struct EventSourceMappingMetricsConfig {
    /// By name.
    #[shape(length(0..=3))]
    pub metrics: Option<Vec<EventSourceMappingMetric>>,
}

/// Metrics of a mapping.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventSourceMappingMetric {
    /// How many records were polled, filtered out, handed to the function, failed, dropped.
    EventCount,
    /// Kafka only.
    ErrorCount,
    /// Kafka only.
    KafkaMetrics,
}

/// A mapping as the operations show it. Kafka's, MQ's and DocumentDB's members come with them.
#[derive(Shape, Clone, Debug, Default)]
pub struct EventSourceMappingConfiguration {
    /// The id.
    #[shape(name = "UUID")]
    pub uuid: Option<String>,
    /// Streams: where reading began.
    pub starting_position: Option<EventSourcePosition>,
    /// Streams: when, for `AT_TIMESTAMP`.
    pub starting_position_timestamp: Option<Timestamp>,
    /// Records in a batch at most.
    pub batch_size: Option<i32>,
    /// How long a batch is gathered.
    pub maximum_batching_window_in_seconds: Option<i32>,
    /// Streams: batches of a shard at a time.
    pub parallelization_factor: Option<i32>,
    /// The queue or stream.
    pub event_source_arn: Option<String>,
    /// Filters, if there are any.
    pub filter_criteria: Option<FilterCriteria>,
    /// The mapping's own metrics.
    pub metrics_config: Option<EventSourceMappingMetricsConfig>,
    /// Queues: batches at a time.
    pub scaling_config: Option<ScalingConfig>,
    /// The function, with the version or alias that was named.
    pub function_arn: Option<String>,
    /// When it last changed.
    pub last_modified: Option<Timestamp>,
    /// Streams: how the last batch went.
    pub last_processing_result: Option<String>,
    /// `Creating`, `Enabling`, `Enabled`, `Disabling`, `Disabled`, `Updating` or `Deleting`.
    pub state: Option<String>,
    /// Who brought it there.
    pub state_transition_reason: Option<String>,
    /// Streams: where records of discarded batches go.
    pub destination_config: Option<DestinationConfig>,
    /// Streams: older records are discarded; -1 for none.
    pub maximum_record_age_in_seconds: Option<i32>,
    /// Streams: whether a failed batch is split.
    pub bisect_batch_on_function_error: Option<bool>,
    /// Streams: tries after the first; -1 for any number.
    pub maximum_retry_attempts: Option<i32>,
    /// Streams: length of processing windows; 0 for none.
    pub tumbling_window_in_seconds: Option<i32>,
    /// What the function's answer may say.
    pub function_response_types: Option<Vec<FunctionResponseType>>,
    /// The mapping's ARN.
    pub event_source_mapping_arn: Option<String>,
    /// Queues: pollers.
    pub provisioned_poller_config: Option<ProvisionedPollerConfig>,
}

/// A mapping in the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MappingRecord {
    pub(crate) id: String,
    pub(crate) source: Arn,
    pub(crate) function: String,
    pub(crate) qualifier: Option<String>,
    /// The function's role when the mapping was made or last changed.
    pub(crate) role: String,
    pub(crate) enabled: bool,
    pub(crate) state: MappingState,
    /// Changes with every change of what a poller goes by.
    pub(crate) revision: String,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) last_processing_result: String,
    pub(crate) settings: MappingSettings,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Record for MappingRecord {}

/// Where a mapping is between being made and being gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MappingState {
    Creating,
    Enabling,
    Enabled,
    Disabling,
    Disabled,
    Updating,
    Deleting,
}

impl MappingState {
    /// Whether it is between two states.
    pub(crate) fn is_settling(self) -> bool {
        !matches!(self, MappingState::Enabled | MappingState::Disabled)
    }
}

/// What a poller goes by. Whether a member means anything depends on the kind of source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MappingSettings {
    pub(crate) batch_size: u32,
    pub(crate) batching_window_secs: u32,
    /// Patterns; none lets everything pass.
    pub(crate) filters: Vec<String>,
    pub(crate) reports_item_failures: bool,
    pub(crate) starting_position: Option<EventSourcePosition>,
    pub(crate) starting_timestamp: Option<Timestamp>,
    pub(crate) parallelization_factor: u32,
    pub(crate) bisects: bool,
    /// None for any number.
    pub(crate) retries_max: Option<u32>,
    /// None for any age.
    pub(crate) record_age_max_secs: Option<u32>,
    /// 0 for none.
    pub(crate) tumbling_window_secs: u32,
    pub(crate) on_failure: Option<String>,
    pub(crate) concurrency_max: Option<u32>,
    /// Pollers at least and at most.
    pub(crate) pollers: Option<(Option<u32>, Option<u32>)>,
    pub(crate) metrics: Option<Vec<EventSourceMappingMetric>>,
}

/// The kinds of source that differ in what may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Queue,
    FifoQueue,
    Kinesis,
    DynamoDb,
}

impl SourceKind {
    /// The kind that an ARN means, if Lambda reads such a thing.
    pub(crate) fn of(source: &Arn) -> Option<SourceKind> {
        match source.service.as_str() {
            "sqs" if source.resource.ends_with(".fifo") => Some(SourceKind::FifoQueue),
            "sqs" => Some(SourceKind::Queue),
            "kinesis" => Some(SourceKind::Kinesis),
            "dynamodb" => Some(SourceKind::DynamoDb),
            _ => None,
        }
    }

    pub(crate) fn is_stream(self) -> bool {
        matches!(self, SourceKind::Kinesis | SourceKind::DynamoDb)
    }
}

/// Who and where a mapping is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MappingTarget {
    pub(crate) account: base::AccountId,
    pub(crate) region: base::Region,
    pub(crate) id: String,
}

impl MappingTarget {
    pub(crate) fn of(cx: &base::Cx, id: &str) -> MappingTarget {
        MappingTarget { account: cx.account, region: cx.region.clone(), id: id.to_owned() }
    }

    /// The mapping that a key of [`MAPPINGS`] means.
    pub(crate) fn of_key(key: &Key) -> Option<MappingTarget> {
        let (account, region, id) = key.parts::<(String, String, String)>()?;
        let (account, region) = (base::AccountId::parse(&account)?, base::Region::parse(&region)?);
        Some(MappingTarget { account, region, id })
    }

    pub(crate) fn key(&self) -> Key {
        Key::of((self.account.as_str(), self.region.as_str(), self.id.as_str()))
    }

    pub(crate) fn arn(&self) -> Arn {
        Arn::new("lambda", &self.region, self.account, format!("event-source-mapping:{}", self.id))
    }
}

impl MappingRecord {
    /// The function that is called.
    pub(crate) fn target(&self, at: &MappingTarget) -> Target {
        Target {
            account: at.account,
            region: at.region.clone(),
            name: self.function.clone(),
            qualifier: self.qualifier.as_deref().map(Qualifier::parse),
        }
    }
}

impl EventSourceMappingConfiguration {
    /// As AWS shows it: members that the kind of source does not have are left out.
    pub(crate) fn of(at: &MappingTarget, record: &MappingRecord) -> EventSourceMappingConfiguration {
        let MappingSettings { batch_size, batching_window_secs, .. } = record.settings;
        let settings = &record.settings;
        let filters = settings.filters.iter().map(|pattern| Filter { pattern: Some(pattern.clone()) }).collect();
        let is_stream = SourceKind::of(&record.source).is_some_and(SourceKind::is_stream);
        let shown = EventSourceMappingConfiguration {
            uuid: Some(record.id.clone()),
            batch_size: Some(batch_size as i32),
            maximum_batching_window_in_seconds: Some(batching_window_secs as i32),
            event_source_arn: Some(record.source.to_string()),
            filter_criteria: (!settings.filters.is_empty()).then_some(FilterCriteria { filters: Some(filters) }),
            metrics_config: settings
                .metrics
                .clone()
                .map(|metrics| EventSourceMappingMetricsConfig { metrics: Some(metrics) }),
            function_arn: Some(record.target(at).arn().to_string()),
            last_modified: Some(record.modified),
            state: Some(format!("{:?}", record.state)),
            function_response_types: Some(
                settings
                    .reports_item_failures
                    .then_some(FunctionResponseType::ReportBatchItemFailures)
                    .into_iter()
                    .collect(),
            ),
            event_source_mapping_arn: Some(at.arn().to_string()),
            ..EventSourceMappingConfiguration::default()
        };
        if is_stream { shown.with_stream(record) } else { shown.with_queue(record) }
    }

    fn with_queue(self, record: &MappingRecord) -> EventSourceMappingConfiguration {
        let number = |n: u32| n as i32;
        EventSourceMappingConfiguration {
            state_transition_reason: Some("USER_INITIATED".to_owned()),
            scaling_config: record
                .settings
                .concurrency_max
                .map(|most| ScalingConfig { maximum_concurrency: Some(number(most)) }),
            provisioned_poller_config: record.settings.pollers.map(|(least, most)| ProvisionedPollerConfig {
                minimum_pollers: least.map(number),
                maximum_pollers: most.map(number),
                poller_group_name: None,
            }),
            ..self
        }
    }

    fn with_stream(self, record: &MappingRecord) -> EventSourceMappingConfiguration {
        let settings = &record.settings;
        let or_any = |number: Option<u32>| Some(number.map_or(-1, |number| number as i32));
        let on_failure = OnFailure { destination: settings.on_failure.clone().map(DestinationArn) };
        EventSourceMappingConfiguration {
            state_transition_reason: Some("User action".to_owned()),
            last_processing_result: Some(record.last_processing_result.clone()),
            starting_position: settings.starting_position,
            starting_position_timestamp: settings.starting_timestamp,
            parallelization_factor: Some(settings.parallelization_factor as i32),
            destination_config: Some(DestinationConfig { on_failure: Some(on_failure), on_success: None }),
            maximum_record_age_in_seconds: or_any(settings.record_age_max_secs),
            bisect_batch_on_function_error: Some(settings.bisects),
            maximum_retry_attempts: or_any(settings.retries_max),
            tumbling_window_in_seconds: Some(settings.tumbling_window_secs as i32),
            ..self
        }
    }
}
