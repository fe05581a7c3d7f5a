//! Event source mappings as the API shows them, over sources that are never read.

use std::sync::Arc;
use std::time::Duration;

use base::{Arn, Error};
use cloud::ports::{
    Answer, Position, QueueDescription, QueueMessage, QueueSource, RecordPage, Shard, SourceError, Sources,
    StreamSource,
};
use compute::lambda::event_invoke_config::{DestinationArn, DestinationConfig, OnFailure, OnSuccess};
use compute::lambda::event_source_mapping::{
    EventSourceMappingConfiguration, EventSourceMappingMetric, EventSourceMappingMetricsConfig, EventSourcePosition,
    Filter, FilterCriteria, FunctionResponseType, MappingId, ProvisionedPollerConfig, ScalingConfig,
};
use compute::lambda::operations::{
    CreateEventSourceMapping, DeleteEventSourceMapping, DeleteFunction, GetEventSourceMapping, ListEventSourceMappings,
    ListTags, TagResource, UntagResource, UpdateEventSourceMapping, UpdateFunctionConfiguration,
};

use crate::cloud_in_memory::{World, refused};

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const FIFO: &str = "arn:aws:sqs:us-east-1:000000000000:q.fifo";
const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-11-22T16:00:00.000";
const PATIENCE: Duration = Duration::from_secs(10);

/// Queues and streams that are there and stay empty, but for those called `missing`.
struct Empty;

fn there<T: Send + 'static>(source: &Arn, answer: T) -> Answer<'_, T> {
    let missing = source.resource.contains("missing");
    Box::pin(async move {
        match missing {
            false => Ok(answer),
            true => Err(SourceError::NotFound {
                code: "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
                message: "The specified queue does not exist.".to_owned(),
            }),
        }
    })
}

impl QueueSource for Empty {
    fn describe<'a>(&'a self, queue: &'a Arn) -> Answer<'a, QueueDescription> {
        there(queue, QueueDescription { visibility_timeout_secs: 30 })
    }

    fn receive<'a>(&'a self, _: &'a Arn, _: usize, wait: Duration) -> Answer<'a, Vec<QueueMessage>> {
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            Ok(Vec::new())
        })
    }

    fn delete<'a>(&'a self, queue: &'a Arn, _: &'a [String]) -> Answer<'a, ()> {
        there(queue, ())
    }

    fn change_visibility<'a>(&'a self, queue: &'a Arn, _: &'a [String], _: u32) -> Answer<'a, ()> {
        there(queue, ())
    }
}

impl StreamSource for Empty {
    fn shards<'a>(&'a self, stream: &'a Arn) -> Answer<'a, Vec<Shard>> {
        there(stream, Vec::new())
    }

    fn iterator<'a>(&'a self, stream: &'a Arn, _: &'a str, _: &'a Position) -> Answer<'a, String> {
        there(stream, String::new())
    }

    fn records<'a>(&'a self, stream: &'a Arn, _: &'a str, _: usize) -> Answer<'a, RecordPage> {
        there(stream, RecordPage { records: Vec::new(), next: None })
    }
}

fn sources() -> Sources {
    let sources = Sources::default();
    sources.register_queues("sqs", Arc::new(Empty));
    sources.register_streams("kinesis", Arc::new(Empty));
    sources.register_streams("dynamodb", Arc::new(Empty));
    sources
}

async fn world() -> World {
    let world = World::new().await.restart_with_sources(sources()).await;
    world.create("f").await;
    world
}

fn create(source: &str) -> CreateEventSourceMapping {
    let is_stream = !source.contains(":sqs:");
    CreateEventSourceMapping {
        event_source_arn: Some(source.to_owned()),
        function_name: "f".into(),
        starting_position: is_stream.then_some(EventSourcePosition::TrimHorizon),
        ..CreateEventSourceMapping::default()
    }
}

async fn get(world: &World, id: &str) -> Result<EventSourceMappingConfiguration, Error> {
    world.call(GetEventSourceMapping { uuid: MappingId(id.to_owned()) }).await
}

async fn until(world: &World, id: &str, state: &str) -> EventSourceMappingConfiguration {
    let waited = async {
        loop {
            let shown = get(world, id).await.unwrap();
            if shown.state.as_deref() == Some(state) {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.expect(state)
}

async fn made(world: &World, create: CreateEventSourceMapping) -> String {
    let id = world.call(create).await.unwrap().uuid.unwrap();
    until(world, &id, "Enabled").await;
    id
}

#[tokio::test]
async fn a_queue_s_mapping_has_aws_s_defaults() {
    let world = world().await;
    let shown = world.call(create(QUEUE)).await.unwrap();
    let id = shown.uuid.clone().unwrap();
    let arn = "arn:aws:lambda:us-east-1:000000000000";
    assert_eq!(shown.state.as_deref(), Some("Creating"));
    assert_eq!(shown.state_transition_reason.as_deref(), Some("USER_INITIATED"));
    assert_eq!((shown.batch_size, shown.maximum_batching_window_in_seconds), (Some(10), Some(0)));
    assert_eq!(shown.function_arn, Some(format!("{arn}:function:f")));
    assert_eq!(shown.event_source_mapping_arn, Some(format!("{arn}:event-source-mapping:{id}")));
    assert_eq!(shown.event_source_arn.as_deref(), Some(QUEUE));
    assert_eq!(shown.function_response_types, Some(vec![]), "empty, not absent");
    assert!(shown.filter_criteria.is_none() && shown.scaling_config.is_none() && shown.metrics_config.is_none());
    assert!(shown.starting_position.is_none() && shown.destination_config.is_none());
    assert!(shown.last_processing_result.is_none() && shown.maximum_retry_attempts.is_none());
    assert!(shown.bisect_batch_on_function_error.is_none() && shown.parallelization_factor.is_none());
    until(&world, &id, "Enabled").await;
}

#[tokio::test]
async fn a_stream_s_mapping_has_aws_s_defaults() {
    let world = world().await;
    let shown = world.call(create(STREAM)).await.unwrap();
    assert_eq!((shown.batch_size, shown.parallelization_factor), (Some(100), Some(1)));
    assert_eq!((shown.maximum_retry_attempts, shown.maximum_record_age_in_seconds), (Some(-1), Some(-1)));
    assert_eq!((shown.bisect_batch_on_function_error, shown.tumbling_window_in_seconds), (Some(false), Some(0)));
    assert_eq!(shown.starting_position, Some(EventSourcePosition::TrimHorizon));
    assert_eq!(shown.last_processing_result.as_deref(), Some("No records processed"));
    assert_eq!(shown.state_transition_reason.as_deref(), Some("User action"));
    let destinations = shown.destination_config.unwrap();
    assert!(destinations.on_success.is_none() && destinations.on_failure.unwrap().destination.is_none());
    until(&world, &shown.uuid.unwrap(), "Enabled").await;
}

#[tokio::test]
async fn settings_are_kept_shown_and_changed() {
    let world = world().await;
    let filters = |pattern: &str| FilterCriteria { filters: Some(vec![Filter { pattern: Some(pattern.to_owned()) }]) };
    let id = made(
        &world,
        CreateEventSourceMapping {
            batch_size: Some(100),
            maximum_batching_window_in_seconds: Some(5),
            filter_criteria: Some(filters(r#"{"body": ["x"]}"#)),
            function_response_types: Some(vec![FunctionResponseType::ReportBatchItemFailures]),
            scaling_config: Some(ScalingConfig { maximum_concurrency: Some(2) }),
            metrics_config: Some(EventSourceMappingMetricsConfig {
                metrics: Some(vec![EventSourceMappingMetric::EventCount]),
            }),
            ..create(QUEUE)
        },
    )
    .await;
    let shown = get(&world, &id).await.unwrap();
    assert_eq!((shown.batch_size, shown.maximum_batching_window_in_seconds), (Some(100), Some(5)));
    assert_eq!(shown.scaling_config.unwrap().maximum_concurrency, Some(2));
    assert_eq!(shown.filter_criteria.unwrap().filters.unwrap()[0].pattern.as_deref(), Some(r#"{"body": ["x"]}"#));
    assert_eq!(shown.function_response_types, Some(vec![FunctionResponseType::ReportBatchItemFailures]));
    let update = |change: UpdateEventSourceMapping| UpdateEventSourceMapping { uuid: MappingId(id.clone()), ..change };
    let updated = world
        .call(update(UpdateEventSourceMapping {
            batch_size: Some(7),
            filter_criteria: Some(FilterCriteria::default()),
            function_response_types: Some(vec![]),
            scaling_config: Some(ScalingConfig::default()),
            ..Default::default()
        }))
        .await
        .unwrap();
    assert_eq!(updated.state.as_deref(), Some("Updating"));
    let shown = until(&world, &id, "Enabled").await;
    assert_eq!((shown.batch_size, shown.maximum_batching_window_in_seconds), (Some(7), Some(5)));
    assert!(shown.filter_criteria.is_none() && shown.scaling_config.is_none());
    let words = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
    let refusal = update(UpdateEventSourceMapping {
        batch_size: Some(11),
        maximum_batching_window_in_seconds: Some(0),
        ..Default::default()
    });
    refused(world.call(refusal).await, 400, "InvalidParameterValueException", words);
    assert_eq!(get(&world, &id).await.unwrap().batch_size, Some(7), "nothing changed");
}

#[tokio::test]
async fn states_are_shown_and_what_is_between_two_is_not_touched() {
    let world = world().await;
    let id = made(&world, create(QUEUE)).await;
    let enable = |enabled| UpdateEventSourceMapping {
        uuid: MappingId(id.clone()),
        enabled: Some(enabled),
        ..Default::default()
    };
    let delete = || DeleteEventSourceMapping { uuid: MappingId(id.clone()) };
    assert_eq!(world.call(enable(false)).await.unwrap().state.as_deref(), Some("Disabling"));
    until(&world, &id, "Disabled").await;
    assert_eq!(world.call(enable(true)).await.unwrap().state.as_deref(), Some("Enabling"));
    until(&world, &id, "Enabled").await;
    assert_eq!(world.call(delete()).await.unwrap().state.as_deref(), Some("Deleting"));
    let gone = async {
        while get(&world, &id).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it goes");
    let words = "The resource you requested does not exist.";
    refused(get(&world, &id).await, 404, "ResourceNotFoundException", words);
    refused(world.call(delete()).await, 404, "ResourceNotFoundException", words);
    refused(world.call(enable(true)).await, 404, "ResourceNotFoundException", words);
    let slow = World::slow().await.with_sources(sources()).await;
    slow.call(crate::cloud_in_memory::python("f")).await.unwrap();
    let id = slow.call(create(QUEUE)).await.unwrap().uuid.unwrap();
    let busy = DeleteEventSourceMapping { uuid: MappingId(id.clone()) };
    let words = "Cannot delete the event source mapping because it is in use.";
    refused(slow.call(busy).await, 400, "ResourceInUseException", words);
    let next = slow.restart_with_sources(sources()).await;
    assert_eq!(get(&next, &id).await.unwrap().state.as_deref(), Some("Enabled"), "a start settles it");
}

#[tokio::test]
async fn a_function_is_mapped_to_a_source_once() {
    let world = world().await;
    for source in [QUEUE, STREAM] {
        let id = made(&world, create(source)).await;
        let words = match source == QUEUE {
            true => {
                format!("An event source mapping with SQS arn (\" {source} \") and function (\" f \") already exists. ")
            }
            false => format!(
                "The event source arn (\" {source} \") and function (\" f \") provided mapping already exists. "
            ),
        };
        let words = format!("{words}Please update or delete the existing mapping with UUID {id}");
        refused(world.call(create(source)).await, 409, "ResourceConflictException", &words);
    }
    world.create("g").await;
    made(&world, CreateEventSourceMapping { function_name: "g".into(), ..create(QUEUE) }).await;
    let list = |source: Option<&str>, function: Option<&str>| ListEventSourceMappings {
        event_source_arn: source.map(str::to_owned),
        function_name: function.map(Into::into),
        ..Default::default()
    };
    let count =
        async |list: ListEventSourceMappings| world.call(list).await.unwrap().event_source_mappings.unwrap().len();
    assert_eq!(count(list(None, None)).await, 3);
    assert_eq!(count(list(Some(QUEUE), None)).await, 2);
    assert_eq!(count(list(None, Some("g"))).await, 1);
    assert_eq!(count(list(Some(STREAM), Some("g"))).await, 0);
    let page = world.call(ListEventSourceMappings { max_items: Some(2), ..Default::default() }).await.unwrap();
    let rest = ListEventSourceMappings { marker: page.next_marker, ..Default::default() };
    assert_eq!((page.event_source_mappings.unwrap().len(), count(rest).await), (2, 1));
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let world = world().await;
    let invalid = "InvalidParameterValueException";
    let bad = |source: &str, words: &str, change: &dyn Fn(&mut CreateEventSourceMapping)| {
        let mut create = create(source);
        change(&mut create);
        (create, words.to_owned())
    };
    let on_failure = |arn: &str| DestinationConfig {
        on_failure: Some(OnFailure { destination: Some(DestinationArn(arn.to_owned())) }),
        on_success: None,
    };
    let filter = |pattern: &str| Filter { pattern: Some(pattern.to_owned()) };
    let unsupported = |name: &str| format!("Unsupported {name} parameter for given event source mapping type.");
    let start = Some(EventSourcePosition::TrimHorizon);
    let now = Some(world.clock.now());
    let cases = [
        bad(QUEUE, "Unrecognized event source.", &|c| c.event_source_arn = None),
        bad("arn:aws:s3:::bucket", "Unrecognized event source.", &|_| {}),
        bad(QUEUE, "Function does not exist", &|c| c.function_name = "nowhere".into()),
        bad(QUEUE, "Function does not exist", &|c| c.function_name = "f:17".into()),
        bad(QUEUE, "Maximum batch window in seconds must be greater than 0", &|c| c.batch_size = Some(11)),
        bad(FIFO, "BatchSize 11 exceeds the max of 10", &|c| c.batch_size = Some(11)),
        bad(FIFO, "Batching window is not supported for FIFO queues.", &|c| {
            c.maximum_batching_window_in_seconds = Some(1)
        }),
        bad(QUEUE, "StartingPosition is not valid for SQS event sources.", &|c| c.starting_position = start),
        bad(QUEUE, &unsupported("ParallelizationFactor"), &|c| c.parallelization_factor = Some(2)),
        bad(QUEUE, &unsupported("BisectBatchOnFunctionError"), &|c| c.bisect_batch_on_function_error = Some(true)),
        bad(QUEUE, &unsupported("DestinationConfig"), &|c| c.destination_config = Some(on_failure(QUEUE))),
        bad(STREAM, &unsupported("ScalingConfig"), &|c| c.scaling_config = Some(ScalingConfig::default())),
        bad(STREAM, &unsupported("DestinationConfig"), &|c| {
            c.destination_config = Some(DestinationConfig { on_success: Some(OnSuccess::default()), on_failure: None });
        }),
        bad(STREAM, "1 validation error detected: Value null at 'startingPosition'", &|c| c.starting_position = None),
        bad(STREAM, "StartingPositionTimestamp is required", &|c| {
            c.starting_position = Some(EventSourcePosition::AtTimestamp);
        }),
        bad(STREAM, "Timestamp only valid with StartingPosition AT_TIMESTAMP", &|c| {
            c.starting_position_timestamp = now
        }),
        bad(TABLE, "Unsupported starting position for arn type: arn:aws:dynamodb", &|c| {
            c.starting_position = Some(EventSourcePosition::AtTimestamp);
            c.starting_position_timestamp = now;
        }),
        bad(STREAM, "MaximumRecordAgeInSeconds must be -1 or at least 60.", &|c| {
            c.maximum_record_age_in_seconds = Some(59)
        }),
        bad(STREAM, "The provided destination config", &|c| c.destination_config = Some(on_failure(STREAM))),
        bad(QUEUE, "Invalid filter pattern definition.", &|c| {
            c.filter_criteria = Some(FilterCriteria { filters: Some(vec![filter("{")]) });
        }),
        bad(QUEUE, "The number of filters exceeds the limit of 5.", &|c| {
            c.filter_criteria = Some(FilterCriteria { filters: Some(vec![filter(r#"{"a": [1]}"#); 6]) });
        }),
        bad(QUEUE, "ScalingConfig and ProvisionedPollerConfig cannot be set together.", &|c| {
            c.scaling_config = Some(ScalingConfig { maximum_concurrency: Some(2) });
            c.provisioned_poller_config =
                Some(ProvisionedPollerConfig { minimum_pollers: Some(2), ..ProvisionedPollerConfig::default() });
        }),
        bad(
            "arn:aws:sqs:us-east-1:000000000000:missing",
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue.",
            &|_| {},
        ),
        bad("arn:aws:kinesis:us-east-1:000000000000:stream/missing", "Stream not found: arn:aws:kinesis", &|_| {}),
    ];
    for (create, words) in cases {
        refused(world.call(create).await, 400, invalid, &words);
    }
    let none = world.call(ListEventSourceMappings::default()).await.unwrap().event_source_mappings.unwrap();
    assert!(none.is_empty(), "nothing was made");
    let scaling = |most| Some(ScalingConfig { maximum_concurrency: Some(most) });
    for wrong in [
        CreateEventSourceMapping { batch_size: Some(0), ..create(QUEUE) },
        CreateEventSourceMapping { batch_size: Some(10_001), ..create(QUEUE) },
        CreateEventSourceMapping { maximum_batching_window_in_seconds: Some(301), ..create(QUEUE) },
        CreateEventSourceMapping { parallelization_factor: Some(11), ..create(STREAM) },
        CreateEventSourceMapping { maximum_retry_attempts: Some(10_001), ..create(STREAM) },
        CreateEventSourceMapping { maximum_record_age_in_seconds: Some(604_801), ..create(STREAM) },
        CreateEventSourceMapping { tumbling_window_in_seconds: Some(901), ..create(STREAM) },
        CreateEventSourceMapping { scaling_config: scaling(1), ..create(QUEUE) },
        CreateEventSourceMapping { scaling_config: scaling(1001), ..create(QUEUE) },
    ] {
        refused(world.call(wrong).await, 400, "ValidationException", "1 validation error detected: Value ");
    }
    let slow = UpdateFunctionConfiguration { function_name: "f".into(), timeout: Some(31), ..Default::default() };
    world.call(slow).await.unwrap();
    world.settled("f").await;
    let words = "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds";
    refused(world.call(create(QUEUE)).await, 400, invalid, words);
}

#[tokio::test]
async fn sources_and_destinations_that_do_not_stand_are_refused_by_name() {
    let without = World::new().await;
    without.create("f").await;
    for (source, service) in [(QUEUE, "sqs"), (STREAM, "kinesis"), (TABLE, "dynamodb")] {
        let words = format!("an event source of the service {service} is not implemented");
        refused(without.call(create(source)).await, 501, "NotImplemented", &words);
    }
    let world = world().await;
    let broker = create("arn:aws:mq:us-east-1:000000000000:broker:b:1");
    refused(world.call(broker).await, 501, "NotImplemented", "an event source of the service mq");
    let kafka = CreateEventSourceMapping {
        self_managed_event_source: Some(serde_json::json!({"Endpoints": {}})),
        function_name: "f".into(),
        ..CreateEventSourceMapping::default()
    };
    refused(world.call(kafka).await, 501, "NotImplemented", "an event source mapping's setting SelfManagedEventSource");
    let destination = DestinationConfig {
        on_failure: Some(OnFailure { destination: Some(DestinationArn(QUEUE.to_owned())) }),
        on_success: None,
    };
    let discarding = CreateEventSourceMapping { destination_config: Some(destination), ..create(STREAM) };
    refused(world.call(discarding).await, 501, "NotImplemented", &format!("delivery to {QUEUE}: the service sqs"));
    let key = CreateEventSourceMapping {
        kms_key_arn: Some("arn:aws:kms:us-east-1:000000000000:key/k".to_owned()),
        ..create(QUEUE)
    };
    refused(world.call(key).await, 501, "NotImplemented", "an event source mapping's setting KMSKeyArn");
}

#[tokio::test]
async fn mappings_bear_tags_and_outlive_their_function() {
    let world = world().await;
    let tags = std::collections::BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    let id = made(&world, CreateEventSourceMapping { tags: Some(tags.clone()), ..create(QUEUE) }).await;
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{id}");
    let listed = async || world.call(ListTags { resource: arn.as_str().into() }).await.unwrap().tags.unwrap();
    assert_eq!(listed().await, tags);
    let more = std::collections::BTreeMap::from([("b".to_owned(), "2".to_owned())]);
    world.call(TagResource { resource: arn.as_str().into(), tags: more.clone() }).await.unwrap();
    world.call(UntagResource { resource: arn.as_str().into(), tag_keys: vec!["a".to_owned()] }).await.unwrap();
    assert_eq!(listed().await, more);
    world.call(DeleteFunction { function_name: "f".into(), qualifier: None }).await.unwrap();
    assert_eq!(get(&world, &id).await.unwrap().state.as_deref(), Some("Enabled"));
    let unknown = arn.replace(&id, "00000000-0000-0000-0000-000000000000");
    let words = "The resource you requested does not exist.";
    refused(world.call(ListTags { resource: unknown.as_str().into() }).await, 404, "ResourceNotFoundException", words);
}
