//! Streams: order, places, retries, splitting, windows, shards that follow each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloud::ports::StreamData;
use serde_json::{Value, json};
use store::Store;
use tokio::task::JoinHandle;

use super::sources::MemoryStream;
use super::{Function, Reaction, mapping, records};
use crate::lambda::event_source_mapping::{EventSourcePosition, MappingSettings};
use crate::lambda::poller::Count;
use crate::lambda::poller::stream::StreamPoller;

const KINESIS: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
const DYNAMODB: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1";
const SHARD: &str = "shardId-000000000000";
const DISCARDED: &str = "arn:aws:sqs:us-east-1:000000000000:discarded";
const NOW: Timestamp = Timestamp::from_secs(1_795_363_200);

struct World {
    stream: Arc<MemoryStream>,
    store: Store,
    clock: Clock,
}

impl World {
    fn new() -> World {
        let stream = Arc::<MemoryStream>::default().with_shard(SHARD, &[]);
        World { stream, store: Store::in_memory(store::system_clock()), clock: Clock::held(NOW) }
    }

    fn put(&self, count: usize) {
        (0..count).for_each(|n| self.stream.put(SHARD, &format!("key{}", n % 3), format!("{{\"n\":{n}}}"), NOW));
    }

    fn poll(&self, function: &Arc<Function>, change: impl FnOnce(&mut MappingSettings)) -> JoinHandle<()> {
        self.poll_arn(KINESIS, function, change)
    }

    fn poll_arn(
        &self,
        arn: &str,
        function: &Arc<Function>,
        change: impl FnOnce(&mut MappingSettings),
    ) -> JoinHandle<()> {
        let poller = StreamPoller {
            stream: self.stream.clone(),
            mapping: mapping(arn, change),
            consumer: function.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
        };
        tokio::spawn(poller.poll())
    }
}

/// Ends a poller, its shards' readers included.
async fn stop(poller: JoinHandle<()>) {
    poller.abort();
    _ = poller.await;
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// The sequence numbers of an event.
fn numbers(event: &Value) -> Vec<u32> {
    let number = |record: &Value| record["kinesis"]["sequenceNumber"].as_str().unwrap().parse().unwrap();
    records(event).iter().map(number).collect()
}

fn all(events: &[Value]) -> Vec<u32> {
    events.iter().flat_map(numbers).collect()
}

fn seen(function: &Function) -> Vec<u32> {
    all(&function.events.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn records_come_in_order_as_aws_writes_them() {
    let (world, function) = (World::new(), Function::good());
    world.put(5);
    world.poll(&function, |settings| settings.batch_size = 2);
    let events = function.called(3).await;
    assert_eq!(events.iter().map(numbers).collect::<Vec<_>>(), [vec![0, 1], vec![2, 3], vec![4]]);
    assert_eq!(
        records(&events[0])[0],
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0", "partitionKey": "key0", "sequenceNumber": "000",
                "data": STANDARD.encode("{\"n\":0}"), "approximateArrivalTimestamp": 1_795_363_200.0,
            },
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": format!("{SHARD}:000"),
            "eventName": "aws:kinesis:record", "invokeIdentityArn": "arn:aws:iam::000000000000:role/r",
            "awsRegion": "us-east-1", "eventSourceARN": KINESIS,
        })
    );
    assert_eq!(function.results.lock().unwrap().as_slice(), ["OK"; 3]);
}

#[tokio::test(start_paused = true)]
async fn changes_of_tables_come_as_aws_writes_them() {
    let (world, function) = (World::new(), Function::good());
    for (n, name) in ["INSERT", "MODIFY", "REMOVE"].into_iter().enumerate() {
        let dynamodb = json!({"Keys": {"id": {"S": n.to_string()}}, "SequenceNumber": n.to_string()});
        let data = StreamData::Change { event_id: format!("e{n}"), event_name: name.to_owned(), dynamodb };
        world.stream.put_data(SHARD, "k", data, NOW);
    }
    world.poll_arn(DYNAMODB, &function, |settings| {
        settings.filters = vec![r#"{"eventName": ["MODIFY"], "dynamodb": {"Keys": {"id": {"S": ["1"]}}}}"#.to_owned()];
    });
    let events = function.called(1).await;
    assert_eq!(
        events[0]["Records"],
        json!([{
            "eventID": "e1", "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1", "eventSourceARN": DYNAMODB,
            "dynamodb": {"Keys": {"id": {"S": "1"}}, "SequenceNumber": "1"},
        }])
    );
}

#[tokio::test(start_paused = true)]
async fn a_poller_goes_on_where_the_last_one_was() {
    let (world, function) = (World::new(), Function::good());
    world.put(4);
    let poller = world.poll(&function, |settings| settings.batch_size = 2);
    function.called(2).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    stop(poller).await;
    world.put(2);
    world.poll(&function, |settings| settings.batch_size = 2);
    function.called(3).await;
    assert_eq!(seen(&function), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_interrupts_is_repeated() {
    let world = World::new();
    let never_done = Function::slow(Duration::from_secs(100_000), |_, _| Reaction::Answer(Value::Null));
    world.put(2);
    let poller = world.poll(&never_done, |_| {});
    never_done.called(1).await;
    stop(poller).await;
    let function = Function::good();
    world.poll(&function, |_| {});
    function.called(1).await;
    assert_eq!(seen(&function), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn latest_is_what_comes_after_the_beginning_even_if_the_first_poller_ends() {
    let (world, function) = (World::new(), Function::good());
    world.put(2);
    world.clock.advance_ms(10);
    let latest = |settings: &mut MappingSettings| settings.starting_position = Some(EventSourcePosition::Latest);
    let poller = world.poll(&function, latest);
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop(poller).await;
    world.stream.put(SHARD, "k", "between", world.clock.now());
    world.clock.advance_ms(10);
    world.poll(&function, latest);
    function.called(1).await;
    assert_eq!(seen(&function), [2]);
}

/// Fails for batches that hold this record.
fn poisoned(poison: u32) -> Arc<Function> {
    Function::new(move |_, event| match numbers(event).contains(&poison) {
        true => Reaction::Fail,
        false => Reaction::Answer(Value::Null),
    })
}

#[tokio::test(start_paused = true)]
async fn splitting_finds_the_record_that_fails_and_tells_where_it_was() {
    let (world, function) = (World::new(), poisoned(5));
    world.put(8);
    world.poll(&function, |settings| {
        (settings.bisects, settings.retries_max) = (true, Some(1));
        settings.on_failure = Some(DISCARDED.to_owned());
    });
    function.until(|function| function.handed_over.lock().unwrap().len() == 1 && seen(function).contains(&7)).await;
    let told = function.handed_over.lock().unwrap()[0].clone();
    assert_eq!(told["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(told["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(told["responseContext"]["functionError"], "Unhandled");
    assert_eq!(
        told["KinesisBatchInfo"],
        json!({
            "shardId": SHARD, "startSequenceNumber": "005", "endSequenceNumber": "005", "batchSize": 1,
            "approximateArrivalOfFirstRecord": "2026-11-22T16:00:00.000Z",
            "approximateArrivalOfLastRecord": "2026-11-22T16:00:00.000Z", "streamArn": KINESIS,
        })
    );
    let succeeded: Vec<u32> = {
        let events = function.events.lock().unwrap();
        all(&events.iter().filter(|event| !numbers(event).contains(&5)).cloned().collect::<Vec<_>>())
    };
    assert_eq!(succeeded, [0, 1, 2, 3, 4, 6, 7], "each once, in order");
    assert_eq!(function.total(Count::Dropped), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_tried_as_often_as_is_set_and_the_shard_goes_on() {
    let (world, function) = (World::new(), poisoned(1));
    world.put(4);
    world.poll(&function, |settings| (settings.batch_size, settings.retries_max) = (2, Some(2)));
    function.called(4).await;
    assert_eq!(seen(&function), [0, 1, 0, 1, 0, 1, 2, 3]);
    assert_eq!(function.total(Count::Dropped), 2.0);
    assert!(function.handed_over.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_a_shard_waits_for_its_batch() {
    let world = World::new();
    let function = Function::new(|n, _| if n < 20 { Reaction::Fail } else { Reaction::Answer(Value::Null) });
    world.put(1);
    world.poll(&function, |_| {});
    function.called(21).await;
    assert_eq!(function.total(Count::Dropped), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_report_repeats_from_the_first_that_failed() {
    let world = World::new();
    let function = Function::new(|n, _| match n {
        0 => Reaction::Answer(json!({"batchItemFailures": [{"itemIdentifier": "003"}, {"itemIdentifier": "002"}]})),
        _ => Reaction::Answer(json!({"batchItemFailures": []})),
    });
    world.put(5);
    world.poll(&function, |settings| settings.reports_item_failures = true);
    let events = function.called(2).await;
    assert_eq!((numbers(&events[0]), numbers(&events[1])), (vec![0, 1, 2, 3, 4], vec![2, 3, 4]));
}

#[tokio::test(start_paused = true)]
async fn records_that_are_too_old_are_discarded() {
    let (world, function) = (World::new(), Function::good());
    world.put(2);
    world.clock.advance_ms(61_000);
    world.stream.put(SHARD, "k", "young", world.clock.now());
    world.poll(&function, |settings| {
        settings.record_age_max_secs = Some(60);
        settings.on_failure = Some(DISCARDED.to_owned());
    });
    function.called(1).await;
    assert_eq!(seen(&function), [2]);
    let told = function.handed_over.lock().unwrap()[0].clone();
    assert_eq!(told["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(told["KinesisBatchInfo"]["batchSize"], 2);
    assert!(told.get("responseContext").is_none());
}

#[tokio::test(start_paused = true)]
async fn throttling_uses_up_no_tries() {
    let world = World::new();
    let function = Function::new(|n, _| if n < 5 { Reaction::Throttle } else { Reaction::Answer(Value::Null) });
    world.put(1);
    world.poll(&function, |settings| settings.retries_max = Some(0));
    function.called(6).await;
    assert_eq!(function.total(Count::Dropped), 0.0);
}

#[tokio::test(start_paused = true)]
async fn lanes_run_at_the_same_time_and_keys_stay_in_order() {
    let world = World::new();
    let function = Function::slow(Duration::from_secs(1), |_, _| Reaction::Answer(Value::Null));
    for n in 0..40 {
        world.stream.put(SHARD, &format!("key{}", n % 8), format!("{n}"), NOW);
    }
    world.poll(&function, |settings| (settings.batch_size, settings.parallelization_factor) = (5, 4));
    function.until(|function| seen(function).len() == 40).await;
    assert!(function.running.lock().unwrap().1 > 1, "several batches of a shard at a time");
    let mut by_key: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    seen(&function).into_iter().for_each(|n| by_key.entry(n % 8).or_default().push(n));
    assert!(by_key.values().all(|numbers| numbers.is_sorted() && numbers.len() == 5), "{by_key:?}");
}

#[tokio::test(start_paused = true)]
async fn kinesis_data_is_filtered_decoded() {
    let (world, function) = (World::new(), Function::good());
    world.put(4);
    world.poll(&function, |settings| {
        settings.filters = vec![r#"{"partitionKey": ["key0"], "data": {"n": [{"anything-but": 0}]}}"#.to_owned()];
    });
    let events = function.called(1).await;
    assert_eq!(numbers(&events[0]), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_window_of_gathering_fills_a_batch() {
    let (world, function) = (World::new(), Function::good());
    world.put(1);
    let stream = world.stream.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        stream.put(SHARD, "k", "late", NOW);
    });
    world.poll(&function, |settings| settings.batching_window_secs = 10);
    let events = function.called(1).await;
    assert_eq!(numbers(&events[0]), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn children_are_read_once_their_parents_are_finished() {
    let (world, function) = (World::new(), Function::good());
    let stream = world.stream.clone().with_shard("child", &[SHARD]);
    world.put(2);
    stream.put("child", "k", "child", NOW);
    world.poll(&function, |settings| settings.batch_size = 1);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(seen(&function), [0, 1], "the parent is still open");
    stream.close(SHARD);
    let events = function.called(3).await;
    assert_eq!(records(&events[2])[0]["eventID"], "child:000");
}

/// Sums up what it gets, in its window's state.
fn summing() -> Arc<Function> {
    Function::new(|_, event| {
        let before = event["state"]["sum"].as_u64().unwrap_or(0);
        let sum: u64 = before + numbers(event).iter().map(|n| u64::from(*n)).sum::<u64>();
        Reaction::Answer(json!({"state": {"sum": sum}}))
    })
}

#[tokio::test(start_paused = true)]
async fn windows_keep_state_and_end() {
    let (world, function) = (World::new(), summing());
    world.put(4);
    world.clock.advance_ms(5_000);
    let poller = world.poll(&function, |settings| (settings.batch_size, settings.tumbling_window_secs) = (3, 60));
    let events = function.called(2).await;
    assert_eq!((numbers(&events[0]), numbers(&events[1])), (vec![0, 1, 2], vec![3]));
    assert_eq!(events[0]["window"], json!({"start": "2026-11-22T16:00:00Z", "end": "2026-11-22T16:01:00Z"}));
    assert_eq!((&events[0]["state"], &events[1]["state"]), (&json!({}), &json!({"sum": 3})));
    assert_eq!((&events[1]["isFinalInvokeForWindow"], &events[1]["shardId"]), (&json!(false), &json!(SHARD)));
    // What a window has come to survives the poller.
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop(poller).await;
    world.clock.advance_ms(60_000);
    world.poll(&function, |settings| (settings.batch_size, settings.tumbling_window_secs) = (3, 60));
    let last = function.called(3).await.remove(2);
    assert_eq!((&last["isFinalInvokeForWindow"], &last["state"]), (&json!(true), &json!({"sum": 6})));
    assert_eq!((&last["Records"], &last["isWindowTerminatedEarly"]), (&json!([]), &json!(false)));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(function.events.lock().unwrap().len(), 3, "and no more");
}

#[tokio::test(start_paused = true)]
async fn a_record_of_a_later_window_ends_the_one_before() {
    let (world, function) = (World::new(), summing());
    world.put(2);
    world.stream.put(SHARD, "k", "later", NOW.plus_millis(60_000));
    world.poll(&function, |settings| settings.tumbling_window_secs = 60);
    let events = function.called(3).await;
    assert_eq!(numbers(&events[0]), [0, 1]);
    assert_eq!((&events[1]["isFinalInvokeForWindow"], &events[1]["state"]), (&json!(true), &json!({"sum": 1})));
    assert_eq!((numbers(&events[2]), &events[2]["state"]), (vec![2], &json!({})));
}

#[tokio::test(start_paused = true)]
async fn a_state_that_grows_too_large_ends_its_window() {
    let world = World::new();
    let function = Function::new(|_, _| Reaction::Answer(json!({"state": {"text": "x".repeat(1_100_000)}})));
    world.put(1);
    world.poll(&function, |settings| settings.tumbling_window_secs = 60);
    let events = function.called(2).await;
    assert_eq!(
        (&events[1]["isFinalInvokeForWindow"], &events[1]["isWindowTerminatedEarly"]),
        (&json!(true), &json!(true))
    );
}
