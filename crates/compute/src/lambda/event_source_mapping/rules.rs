//! What may be set for which kind of source, with AWS's defaults and limits. Ranges that hold for every source are in the
//! shapes; here is what ties members together or differs by source.

use base::{Arn, Error, Timestamp};
use cloud::ports::SourceError;
use lang::pattern::Pattern;

use super::{
    EventSourceMappingMetric, EventSourceMappingMetricsConfig, EventSourcePosition, FilterCriteria,
    FunctionResponseType, MappingRecord, MappingSettings, ProvisionedPollerConfig, ScalingConfig, SourceKind,
};
use crate::lambda::Lambda;
use crate::lambda::error::{Failure, invalid};
use crate::lambda::event_invoke_config::DestinationConfig;
use crate::lambda::name::Target;

/// AWS's default quota of filters of a mapping.
const FILTERS_MAX: usize = 5;
/// AWS's defaults of records in a batch.
const QUEUE_BATCH: u32 = 10;
const STREAM_BATCH: u32 = 100;
/// AWS's limits: a FIFO queue's batch, a standard queue's without a window, and any other.
const FIFO_BATCH_MAX: u32 = 10;
const BATCH_MAX_WITHOUT_WINDOW: u32 = 10;
/// The least age at which AWS discards records, in seconds.
const RECORD_AGE_SECS_MIN: i32 = 60;

/// What Create and Update want set; what is absent stays, or is AWS's default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) batch_size: Option<i32>,
    pub(crate) batching_window_secs: Option<i32>,
    pub(crate) filter_criteria: Option<FilterCriteria>,
    pub(crate) function_response_types: Option<Vec<FunctionResponseType>>,
    pub(crate) starting_position: Option<EventSourcePosition>,
    pub(crate) starting_timestamp: Option<Timestamp>,
    pub(crate) parallelization_factor: Option<i32>,
    pub(crate) bisects: Option<bool>,
    pub(crate) maximum_retry_attempts: Option<i32>,
    pub(crate) maximum_record_age_secs: Option<i32>,
    pub(crate) tumbling_window_secs: Option<i32>,
    pub(crate) destination_config: Option<DestinationConfig>,
    pub(crate) scaling_config: Option<ScalingConfig>,
    pub(crate) provisioned_poller_config: Option<ProvisionedPollerConfig>,
    pub(crate) metrics_config: Option<EventSourceMappingMetricsConfig>,
}

impl MappingSettings {
    /// AWS's defaults.
    pub(crate) fn defaults(kind: SourceKind) -> MappingSettings {
        MappingSettings {
            batch_size: if kind.is_stream() { STREAM_BATCH } else { QUEUE_BATCH },
            batching_window_secs: 0,
            filters: Vec::new(),
            reports_item_failures: false,
            starting_position: None,
            starting_timestamp: None,
            parallelization_factor: 1,
            bisects: false,
            retries_max: None,
            record_age_max_secs: None,
            tumbling_window_secs: 0,
            on_failure: None,
            concurrency_max: None,
            pollers: None,
            metrics: None,
        }
    }

    /// These settings with the changes made.
    pub(crate) fn with(mut self, kind: SourceKind, wanted: &Wanted) -> Result<MappingSettings, Error> {
        wanted.check_kind(kind)?;
        let number = |n: i32| u32::try_from(n).unwrap_or_default();
        let or_any = |n: i32| u32::try_from(n).ok();
        set(&mut self.batch_size, wanted.batch_size.map(number));
        set(&mut self.batching_window_secs, wanted.batching_window_secs.map(number));
        set(&mut self.parallelization_factor, wanted.parallelization_factor.map(number));
        set(&mut self.bisects, wanted.bisects);
        set(&mut self.retries_max, wanted.maximum_retry_attempts.map(or_any));
        set(&mut self.record_age_max_secs, wanted.maximum_record_age_secs.map(or_any));
        set(&mut self.tumbling_window_secs, wanted.tumbling_window_secs.map(number));
        set(&mut self.reports_item_failures, wanted.function_response_types.as_ref().map(|types| !types.is_empty()));
        set(&mut self.filters, wanted.filter_criteria.as_ref().map(patterns).transpose()?);
        if let Some(destinations) = &wanted.destination_config {
            self.on_failure = destinations.arns()[1].map(str::to_owned);
        }
        if let Some(scaling) = &wanted.scaling_config {
            self.concurrency_max = scaling.maximum_concurrency.map(number);
        }
        if let Some(pollers) = &wanted.provisioned_poller_config {
            let (least, most) = (pollers.minimum_pollers.map(number), pollers.maximum_pollers.map(number));
            self.pollers = (least.is_some() || most.is_some()).then_some((least, most));
        }
        set(&mut self.metrics, wanted.metrics_config.as_ref().map(|config| config.metrics.clone()));
        self.starting_position = self.starting_position.or(wanted.starting_position);
        self.starting_timestamp = self.starting_timestamp.or(wanted.starting_timestamp);
        self.check(kind)?;
        Ok(self)
    }

    /// What ties several members together.
    fn check(&self, kind: SourceKind) -> Result<(), Error> {
        let MappingSettings { batch_size, batching_window_secs, .. } = *self;
        if kind == SourceKind::FifoQueue {
            if batch_size > FIFO_BATCH_MAX {
                return Err(invalid(format!("BatchSize {batch_size} exceeds the max of {FIFO_BATCH_MAX}")));
            }
            if batching_window_secs > 0 {
                return Err(invalid("Batching window is not supported for FIFO queues."));
            }
        }
        if kind == SourceKind::Queue && batch_size > BATCH_MAX_WITHOUT_WINDOW && batching_window_secs == 0 {
            return Err(invalid(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            ));
        }
        if self.concurrency_max.is_some() && self.pollers.is_some() {
            return Err(invalid("ScalingConfig and ProvisionedPollerConfig cannot be set together."));
        }
        if let Some((Some(least), Some(most))) = self.pollers
            && least > most
        {
            return Err(invalid("MinimumPollers must be less than or equal to MaximumPollers."));
        }
        Ok(())
    }
}

fn set<T>(setting: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *setting = wanted;
    }
}

impl Wanted {
    /// Refuses what this kind of source does not have.
    fn check_kind(&self, kind: SourceKind) -> Result<(), Error> {
        let stream_only = [
            ("ParallelizationFactor", self.parallelization_factor.is_some()),
            ("BisectBatchOnFunctionError", self.bisects.is_some()),
            ("MaximumRetryAttempts", self.maximum_retry_attempts.is_some()),
            ("MaximumRecordAgeInSeconds", self.maximum_record_age_secs.is_some()),
            ("TumblingWindowInSeconds", self.tumbling_window_secs.is_some()),
            ("DestinationConfig", self.destination_config.as_ref().is_some_and(|d| d.arns()[1].is_some())),
            ("StartingPosition", self.starting_position.is_some()),
            ("StartingPositionTimestamp", self.starting_timestamp.is_some()),
        ];
        let queue_only = [
            ("ScalingConfig", self.scaling_config.is_some()),
            ("ProvisionedPollerConfig", self.provisioned_poller_config.is_some()),
        ];
        let foreign: &[(&str, bool)] = if kind.is_stream() { &queue_only } else { &stream_only };
        // AWS refuses this one for every kind that is built here.
        let on_success = self.destination_config.as_ref().is_some_and(|d| d.on_success.is_some());
        let foreign = foreign.iter().copied().chain([("DestinationConfig", on_success)]).find(|(_, asked)| *asked);
        if let Some((name, _)) = foreign {
            return Err(invalid(format!("Unsupported {name} parameter for given event source mapping type.")));
        }
        let age = self.maximum_record_age_secs.unwrap_or(-1);
        if (0..RECORD_AGE_SECS_MIN).contains(&age) {
            return Err(invalid(format!("MaximumRecordAgeInSeconds must be -1 or at least {RECORD_AGE_SECS_MIN}.")));
        }
        let metrics = self.metrics_config.as_ref().and_then(|config| config.metrics.as_deref()).unwrap_or_default();
        if metrics.iter().any(|metric| *metric != EventSourceMappingMetric::EventCount) {
            return Err(invalid("Unsupported MetricsConfig parameter for given event source mapping type."));
        }
        let pollers = self.provisioned_poller_config.as_ref();
        if pollers.is_some_and(|pollers| pollers.poller_group_name.as_ref().is_some_and(|name| !name.is_empty())) {
            return Err(invalid("Unsupported PollerGroupName parameter for given event source mapping type."));
        }
        Ok(())
    }

    /// Where a new mapping of a stream begins.
    pub(crate) fn check_start(&self, kind: SourceKind, source: &Arn) -> Result<(), Error> {
        if !kind.is_stream() {
            return match self.starting_position {
                Some(_) => Err(invalid("StartingPosition is not valid for SQS event sources.")),
                None => Ok(()),
            };
        }
        match (self.starting_position, self.starting_timestamp) {
            (None, _) => Err(invalid(
                "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member \
                 must not be null.",
            )),
            (Some(EventSourcePosition::AtTimestamp), _) if kind == SourceKind::DynamoDb => {
                Err(invalid(format!("Unsupported starting position for arn type: {source}")))
            }
            (Some(EventSourcePosition::AtTimestamp), None) => {
                Err(invalid("StartingPositionTimestamp is required when StartingPosition is AT_TIMESTAMP."))
            }
            (Some(EventSourcePosition::TrimHorizon | EventSourcePosition::Latest), Some(_)) => {
                Err(invalid("Timestamp only valid with StartingPosition AT_TIMESTAMP"))
            }
            _ => Ok(()),
        }
    }
}

/// The patterns of filters, each checked.
fn patterns(criteria: &FilterCriteria) -> Result<Vec<String>, Error> {
    let filters = criteria.filters.clone().unwrap_or_default();
    if filters.len() > FILTERS_MAX {
        return Err(invalid(format!("The number of filters exceeds the limit of {FILTERS_MAX}.")));
    }
    let pattern = |filter: super::Filter| {
        let pattern = filter.pattern.unwrap_or_default();
        match Pattern::parse(&pattern) {
            Ok(_) => Ok(pattern),
            Err(error) => {
                tracing::info!(%error, pattern, "refused a filter");
                Err(invalid("Invalid filter pattern definition."))
            }
        }
    };
    filters.into_iter().map(pattern).collect()
}

/// The kind of a source; refuses what is none, and kinds that are not built.
pub(crate) fn source_kind(source: &Arn) -> Result<SourceKind, Error> {
    let later = ["kafka", "mq", "rds", "docdb"];
    match SourceKind::of(source) {
        Some(kind) => Ok(kind),
        None if later.contains(&source.service.as_str()) => Err(not_standing(source)),
        None => Err(invalid("Unrecognized event source.")),
    }
}

fn not_standing(source: &Arn) -> Error {
    Error::not_implemented(format!("an event source of the service {}", source.service))
}

impl Lambda {
    /// Refuses sources of services that do not stand: after all that AWS would refuse first.
    pub(crate) fn check_stands(&self, source: &Arn, kind: SourceKind) -> Result<(), Error> {
        let stands = match kind {
            SourceKind::Queue | SourceKind::FifoQueue => self.sources.queues(&source.service).is_some(),
            _ => self.sources.streams(&source.service).is_some(),
        };
        if stands { Ok(()) } else { Err(not_standing(source)) }
    }

    /// Refuses sources that are not there, and queues that would show a message again while its function runs.
    pub(crate) async fn check_source(&self, source: &Arn, target: &Target) -> Result<(), Failure> {
        let (_, version) = self.version(target).await.map_err(|_| invalid("Function does not exist"))?;
        if let Some(queues) = self.sources.queues(&source.service) {
            let described = queues.describe(source).await.map_err(|error| match error {
                SourceError::NotFound { code, message } => invalid(format!(
                    "Error occurred while ReceiveMessage. SQS Error Code: {code}. SQS Error Message: {message}"
                )),
                SourceError::Later(why) => unavailable(&why),
            })?;
            let (hidden, timeout) = (described.visibility_timeout_secs, version.settings.timeout_secs);
            if hidden < timeout {
                let words = format!(
                    "Queue visibility timeout: {hidden} seconds is less than Function timeout: {timeout} seconds"
                );
                return Err(invalid(words).into());
            }
        } else if let Some(streams) = self.sources.streams(&source.service) {
            streams.shards(source).await.map_err(|error| match error {
                SourceError::NotFound { .. } => invalid(format!("Stream not found: {source}")),
                SourceError::Later(why) => unavailable(&why),
            })?;
        }
        Ok(())
    }
}

fn unavailable(why: &str) -> Error {
    tracing::error!(why, "an event source does not answer");
    Error::new(500, "ServiceException", "An error occurred and the request cannot be processed.")
        .capital()
        .with("Type", "Service")
}

/// AWS's words for a function that is mapped to a source already; they differ for queues.
pub(crate) fn already_mapped(record: &MappingRecord, function: &str) -> Error {
    let (source, id) = (&record.source, &record.id);
    let is_stream = SourceKind::of(source).is_some_and(SourceKind::is_stream);
    let message = if is_stream {
        format!(
            "The event source arn (\" {source} \") and function (\" {function} \") provided mapping already exists. \
             Please update or delete the existing mapping with UUID {id}"
        )
    } else {
        format!(
            "An event source mapping with SQS arn (\" {source} \") and function (\" {function} \") already exists. \
             Please update or delete the existing mapping with UUID {id}"
        )
    };
    crate::lambda::error::conflict(message)
}
