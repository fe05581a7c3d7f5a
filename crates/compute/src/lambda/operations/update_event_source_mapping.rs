//! UpdateEventSourceMapping, and what it shares with the other operations on mappings.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::error::{Failure, invalid};
use crate::lambda::event_invoke_config::DestinationConfig;
use crate::lambda::event_source_mapping::rules::Wanted;
use crate::lambda::event_source_mapping::states::no_mapping;
use crate::lambda::event_source_mapping::{
    EventSourceMappingConfiguration, EventSourceMappingMetricsConfig, FilterCriteria, FunctionResponseType, MAPPINGS,
    MappingId, MappingRecord, MappingState, MappingTarget, ProvisionedPollerConfig, ScalingConfig, SourceKind,
};
use crate::lambda::name::{NamespacedFunctionName, Target};

/// Changes a mapping; what is not named stays.
#[derive(Shape, Default)]
#[shape(name = "UpdateEventSourceMappingRequest")]
pub struct UpdateEventSourceMapping {
    /// Which.
    #[shape(name = "UUID", label)]
    pub uuid: MappingId,
    /// The function.
    pub function_name: Option<NamespacedFunctionName>,
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

impl Operation<Lambda> for UpdateEventSourceMapping {
    const META: Meta =
        Meta::write("UpdateEventSourceMapping").http("PUT", "/2015-03-31/event-source-mappings/{UUID}").status(202);
    type Output = EventSourceMappingConfiguration;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(MappingTarget::of(cx, &self.uuid.0).arn());
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<EventSourceMappingConfiguration, Error> {
        self.refuse_not_built()?;
        let at = MappingTarget::of(cx, &self.uuid.0);
        let present = lambda.mapping(&at).await?;
        let target = match &self.function_name {
            Some(function) => Target::own(cx, function, None)?,
            None => present.target(&at),
        };
        let role = match &self.function_name {
            Some(_) => {
                lambda.check_source(&present.source, &target).await?;
                Some(lambda.version(&target).await?.1.settings.role)
            }
            None => None,
        };
        let wanted = self.wanted();
        let kind = SourceKind::of(&present.source).ok_or_else(Error::internal)?;
        let settings = present.settings.clone().with(kind, &wanted)?;
        lambda.check_discarded_to(settings.on_failure.as_deref())?;
        let (place, enabled, now, revision) = (at.clone(), self.enabled, cx.now(), base::id::uuid());
        let changed = lambda.store.transact(move |tx| {
            let mut record = tx.get(MAPPINGS, &place.key())?.ok_or_else(|| Failure::from(no_mapping()))?;
            check_settled(&record, "update")?;
            record.settings = record.settings.clone().with(kind, &wanted)?;
            record.state = match enabled {
                Some(true) if !record.enabled => MappingState::Enabling,
                Some(false) if record.enabled => MappingState::Disabling,
                _ => MappingState::Updating,
            };
            record.enabled = enabled.unwrap_or(record.enabled);
            record.function = target.name.clone();
            record.qualifier = target.qualifier.as_ref().map(ToString::to_string);
            record.role = role.clone().unwrap_or_else(|| record.role.clone());
            (record.modified, record.revision) = (now, revision.clone());
            tx.put(MAPPINGS, &place.key(), &record)?;
            Ok::<MappingRecord, Failure>(record)
        });
        let record = changed.await?;
        lambda.settle_mapping_later(&at);
        Ok(EventSourceMappingConfiguration::of(&at, &record))
    }
}

/// Refuses to touch a mapping between two states.
pub(crate) fn check_settled(record: &MappingRecord, verb: &str) -> Result<(), Error> {
    if !record.state.is_settling() {
        return Ok(());
    }
    let message = format!("Cannot {verb} the event source mapping because it is in use.");
    Err(Error::new(400, "ResourceInUseException", message).capital().with("Type", "User"))
}

/// Refuses the first of these settings that is there.
pub(crate) fn refuse(settings: &[(&str, bool)]) -> Result<(), Error> {
    match settings.iter().find(|(_, asked)| *asked) {
        None => Ok(()),
        Some((name, _)) => Err(Error::not_implemented(format!("an event source mapping's setting {name}"))),
    }
}

impl Lambda {
    /// Refuses destinations of discarded records that AWS refuses, and those whose service does not stand.
    pub(crate) fn check_discarded_to(&self, destination: Option<&str>) -> Result<(), Error> {
        let Some(destination) = destination else { return Ok(()) };
        match base::Arn::parse(destination) {
            Some(arn) if matches!(arn.service.as_str(), "sqs" | "sns" | "s3") => self.check_target_stands(&arn),
            _ => Err(invalid(format!(
                "The provided destination config DestinationConfig(onSuccess=null, \
                 onFailure=OnFailure(destination={destination})) is invalid."
            ))),
        }
    }
}

impl UpdateEventSourceMapping {
    fn wanted(&self) -> Wanted {
        Wanted {
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
            ..Wanted::default()
        }
    }

    fn refuse_not_built(&self) -> Result<(), Error> {
        refuse(&[
            ("KMSKeyArn", self.kms_key_arn.as_ref().is_some_and(|arn| !arn.is_empty())),
            ("LoggingConfig (Kafka)", self.logging_config.is_some()),
            ("SourceAccessConfigurations (Kafka and MQ)", self.source_access_configurations.is_some()),
            ("AmazonManagedKafkaEventSourceConfig", self.amazon_managed_kafka_event_source_config.is_some()),
            ("SelfManagedKafkaEventSourceConfig", self.self_managed_kafka_event_source_config.is_some()),
            ("DocumentDBEventSourceConfig", self.document_db_event_source_config.is_some()),
        ])
    }
}
