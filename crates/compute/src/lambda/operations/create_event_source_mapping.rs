//! CreateEventSourceMapping.

use std::collections::BTreeMap;

use base::{Arn, Cx, Error, Timestamp};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::{Scan, Tx};

use super::tag_resource::check_tags;
use crate::lambda::Lambda;
use crate::lambda::error::{Failure, invalid};
use crate::lambda::event_invoke_config::DestinationConfig;
use crate::lambda::event_source_mapping::rules::{Wanted, already_mapped, source_kind};
use crate::lambda::event_source_mapping::{
    EventSourceMappingConfiguration, EventSourceMappingMetricsConfig, EventSourcePosition, FilterCriteria,
    FunctionResponseType, MAPPINGS, MappingRecord, MappingSettings, MappingState, MappingTarget,
    ProvisionedPollerConfig, ScalingConfig,
};
use crate::lambda::name::{NamespacedFunctionName, Target};

/// How the last batch of a mapping went that has had none.
const NO_RECORDS: &str = "No records processed";

/// Lets a function be called with what is in a queue or stream.
#[derive(Shape, Default)]
#[shape(name = "CreateEventSourceMappingRequest")]
pub struct CreateEventSourceMapping {
    /// The queue or stream.
    #[shape(
        length(0..=10_000),
        pattern = r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)"
    )]
    pub event_source_arn: Option<String>,
    /// The function.
    pub function_name: NamespacedFunctionName,
    /// Streams: where reading begins.
    pub starting_position: Option<EventSourcePosition>,
    /// Streams: when, for `AT_TIMESTAMP`.
    pub starting_position_timestamp: Option<Timestamp>,
    /// Tags of the mapping.
    pub tags: Option<BTreeMap<String, String>>,
    /// Kafka only, not built yet.
    pub self_managed_event_source: Option<serde_json::Value>,
    /// Kafka only, not built yet.
    #[shape(length(1..=1))]
    pub topics: Option<Vec<String>>,
    /// MQ only, not built yet.
    #[shape(length(1..=1))]
    pub queues: Option<Vec<String>>,
    /// Whether it is read.
    pub enabled: Option<bool>,
    /// Records in a batch at most.
    #[shape(range(1..=10_000))]
    pub batch_size: Option<i32>,
    /// How long a batch is gathered.
    #[shape(range(0..=300))]
    pub maximum_batching_window_in_seconds: Option<i32>,
    /// Which records are meant.
    pub filter_criteria: Option<FilterCriteria>,
    /// What the function's answer may say.
    #[shape(length(0..=1))]
    pub function_response_types: Option<Vec<FunctionResponseType>>,
    /// Streams: batches of a shard at a time.
    #[shape(range(1..=10))]
    pub parallelization_factor: Option<i32>,
    /// Streams: where records of discarded batches go.
    pub destination_config: Option<DestinationConfig>,
    /// Streams: older records are discarded.
    #[shape(range(-1..=604_800))]
    pub maximum_record_age_in_seconds: Option<i32>,
    /// Streams: whether a failed batch is split.
    pub bisect_batch_on_function_error: Option<bool>,
    /// Streams: tries after the first.
    #[shape(range(-1..=10_000))]
    pub maximum_retry_attempts: Option<i32>,
    /// Streams: length of processing windows.
    #[shape(range(0..=900))]
    pub tumbling_window_in_seconds: Option<i32>,
    /// Queues: batches at a time.
    pub scaling_config: Option<ScalingConfig>,
    /// Queues: pollers.
    pub provisioned_poller_config: Option<ProvisionedPollerConfig>,
    /// The mapping's own metrics.
    pub metrics_config: Option<EventSourceMappingMetricsConfig>,
    /// Not built yet: a key for the filters.
    #[shape(name = "KMSKeyArn", length(0..=10_000), pattern = "(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()")]
    pub kms_key_arn: Option<String>,
    /// Kafka only, not built yet.
    pub logging_config: Option<serde_json::Value>,
    /// Kafka and MQ only, not built yet.
    pub source_access_configurations: Option<Vec<serde_json::Value>>,
    /// Kafka only, not built yet.
    pub amazon_managed_kafka_event_source_config: Option<serde_json::Value>,
    /// Kafka only, not built yet.
    pub self_managed_kafka_event_source_config: Option<serde_json::Value>,
    /// DocumentDB only, not built yet.
    #[shape(name = "DocumentDBEventSourceConfig")]
    pub document_db_event_source_config: Option<serde_json::Value>,
}

impl Operation<Lambda> for CreateEventSourceMapping {
    const META: Meta =
        Meta::write("CreateEventSourceMapping").http("POST", "/2015-03-31/event-source-mappings").status(202);
    type Output = EventSourceMappingConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Target::need(cx, need, &self.function_name);
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<EventSourceMappingConfiguration, Error> {
        self.refuse_not_built()?;
        let source = self.event_source_arn.as_deref().and_then(Arn::parse);
        let source = source.ok_or_else(|| invalid("Unrecognized event source."))?;
        let kind = source_kind(&source)?;
        let wanted = self.wanted();
        wanted.check_start(kind, &source)?;
        let settings = MappingSettings::defaults(kind).with(kind, &wanted)?;
        let tags = self.tags.clone().unwrap_or_default();
        check_tags(&tags)?;
        let target = Target::own(cx, &self.function_name, None)?;
        let (_, version) = lambda.version(&target).await.map_err(|_| invalid("Function does not exist"))?;
        lambda.check_stands(&source, kind)?;
        lambda.check_discarded_to(settings.on_failure.as_deref())?;
        lambda.check_source(&source, &target).await?;
        let at = MappingTarget::of(cx, &base::id::uuid());
        let record = MappingRecord {
            id: at.id.clone(),
            source,
            function: target.name.clone(),
            qualifier: target.qualifier.as_ref().map(ToString::to_string),
            role: version.settings.role,
            enabled: self.enabled != Some(false),
            state: MappingState::Creating,
            revision: base::id::uuid(),
            created: cx.now(),
            modified: cx.now(),
            last_processing_result: NO_RECORDS.to_owned(),
            settings,
            tags,
        };
        let (new, place) = (record.clone(), at.clone());
        lambda.store.transact(move |tx| insert(tx, &place, &new)).await?;
        lambda.settle_mapping_later(&at);
        Ok(EventSourceMappingConfiguration::of(&at, &record))
    }
}

fn insert(tx: &mut Tx<'_>, at: &MappingTarget, new: &MappingRecord) -> Result<(), Failure> {
    let all = tx.scan(MAPPINGS, Scan::under((at.account.as_str(), at.region.as_str())))?;
    let same = |other: &MappingRecord| {
        (&other.source, &other.function, &other.qualifier) == (&new.source, &new.function, &new.qualifier)
    };
    if let Some((_, other)) = all.iter().find(|(_, other)| same(other)) {
        return Err(already_mapped(other, &new.function).into());
    }
    Ok(tx.put(MAPPINGS, &at.key(), new)?)
}

impl CreateEventSourceMapping {
    fn wanted(&self) -> Wanted {
        Wanted {
            starting_position: self.starting_position,
            starting_timestamp: self.starting_position_timestamp,
            batch_size: self.batch_size,
            batching_window_secs: self.maximum_batching_window_in_seconds,
            filter_criteria: self.filter_criteria.clone(),
            function_response_types: self.function_response_types.clone(),
            parallelization_factor: self.parallelization_factor,
            bisects: self.bisect_batch_on_function_error,
            maximum_retry_attempts: self.maximum_retry_attempts,
            maximum_record_age_secs: self.maximum_record_age_in_seconds,
            tumbling_window_secs: self.tumbling_window_in_seconds,
            destination_config: self.destination_config.clone(),
            scaling_config: self.scaling_config.clone(),
            provisioned_poller_config: self.provisioned_poller_config.clone(),
            metrics_config: self.metrics_config.clone(),
        }
    }

    fn refuse_not_built(&self) -> Result<(), Error> {
        let asked = [
            ("SelfManagedEventSource (Kafka)", self.self_managed_event_source.is_some()),
            ("Topics (Kafka)", self.topics.is_some()),
            ("Queues (MQ)", self.queues.is_some()),
            ("KMSKeyArn", self.kms_key_arn.as_ref().is_some_and(|arn| !arn.is_empty())),
            ("LoggingConfig (Kafka)", self.logging_config.is_some()),
            ("SourceAccessConfigurations (Kafka and MQ)", self.source_access_configurations.is_some()),
            ("AmazonManagedKafkaEventSourceConfig", self.amazon_managed_kafka_event_source_config.is_some()),
            ("SelfManagedKafkaEventSourceConfig", self.self_managed_kafka_event_source_config.is_some()),
            ("DocumentDBEventSourceConfig", self.document_db_event_source_config.is_some()),
        ];
        super::update_event_source_mapping::refuse(&asked)
    }
}
