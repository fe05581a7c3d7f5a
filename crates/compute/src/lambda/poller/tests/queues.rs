//! Queues: batches, filters, failures, throttling.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::sources::{HIDDEN, MemoryQueue};
use super::{Function, Reaction, mapping, records};
use crate::lambda::event_source_mapping::MappingSettings;
use crate::lambda::poller::Count;
use crate::lambda::poller::queue::QueuePoller;

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:queue";

fn poll(queue: &Arc<MemoryQueue>, function: &Arc<Function>, change: impl FnOnce(&mut MappingSettings)) -> AbortHandle {
    let poller = QueuePoller { queue: queue.clone(), mapping: mapping(ARN, change), consumer: function.clone() };
    tokio::spawn(Arc::new(poller).poll()).abort_handle()
}

fn bodies(event: &Value) -> Vec<String> {
    records(event).iter().map(|record| record["body"].as_str().unwrap().to_owned()).collect()
}

fn numbered(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("{{\"n\":{n}}}"))
}

async fn until_left(queue: &MemoryQueue, count: usize) {
    while queue.left().len() != count {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn messages_come_as_aws_writes_them_and_are_deleted() {
    let (queue, function) = (MemoryQueue::with(numbered(3)), Function::good());
    poll(&queue, &function, |settings| settings.batch_size = 2);
    let events = function.called(2).await;
    assert_eq!(bodies(&events[0]), ["{\"n\":0}", "{\"n\":1}"]);
    assert_eq!(bodies(&events[1]), ["{\"n\":2}"]);
    assert_eq!(
        records(&events[1])[0],
        json!({
            "messageId": "m2", "receiptHandle": "m2/1", "body": "{\"n\":2}",
            "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "md5OfBody": "",
            "eventSource": "aws:sqs", "eventSourceARN": ARN, "awsRegion": "us-east-1",
        })
    );
    until_left(&queue, 0).await;
    assert_eq!((function.total(Count::Polled), function.total(Count::Deleted)), (3.0, 3.0));
}

#[tokio::test(start_paused = true)]
async fn what_fails_comes_again_when_its_visibility_timeout_ends() {
    let queue = MemoryQueue::with(numbered(2));
    let function = Function::new(|n, _| if n == 0 { Reaction::Fail } else { Reaction::Answer(Value::Null) });
    let started = Instant::now();
    poll(&queue, &function, |_| {});
    let events = function.called(2).await;
    assert_eq!(bodies(&events[0]), bodies(&events[1]));
    assert_eq!(records(&events[1])[0]["attributes"]["ApproximateReceiveCount"], "2");
    assert!(started.elapsed() >= HIDDEN);
    until_left(&queue, 0).await;
}

#[tokio::test(start_paused = true)]
async fn only_those_that_are_reported_come_again() {
    let queue = MemoryQueue::with(numbered(3));
    let function = Function::new(|n, _| match n {
        0 => Reaction::Answer(json!({"batchItemFailures": [{"itemIdentifier": "m1"}]})),
        _ => Reaction::Answer(json!({"batchItemFailures": []})),
    });
    poll(&queue, &function, |settings| settings.reports_item_failures = true);
    let events = function.called(2).await;
    assert_eq!((bodies(&events[0]).len(), bodies(&events[1])), (3, vec!["{\"n\":1}".to_owned()]));
    until_left(&queue, 0).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_repeats_the_whole_batch() {
    let queue = MemoryQueue::with(numbered(2));
    let function = Function::new(|n, _| if n == 0 { Reaction::Nonsense } else { Reaction::Answer(json!({})) });
    poll(&queue, &function, |settings| settings.reports_item_failures = true);
    let events = function.called(2).await;
    assert_eq!(bodies(&events[0]), bodies(&events[1]));
    until_left(&queue, 0).await;
}

#[tokio::test(start_paused = true)]
async fn without_reporting_an_answer_means_nothing() {
    let queue = MemoryQueue::with(numbered(1));
    let function = Function::new(|_, _| Reaction::Answer(json!({"batchItemFailures": [{"itemIdentifier": "m0"}]})));
    poll(&queue, &function, |_| {});
    function.called(1).await;
    until_left(&queue, 0).await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_match_is_deleted_unseen() {
    let queue = MemoryQueue::with(numbered(4).chain(["plain".to_owned()]));
    let function = Function::good();
    poll(&queue, &function, |settings| {
        settings.filters =
            vec![r#"{"body": {"n": [{"numeric": [">", 2]}]}}"#.to_owned(), r#"{"body": ["plain"]}"#.to_owned()];
    });
    let events = function.called(1).await;
    assert_eq!(bodies(&events[0]), ["{\"n\":3}", "plain"]);
    until_left(&queue, 0).await;
    assert_eq!((function.total(Count::Polled), function.total(Count::FilteredOut)), (5.0, 3.0));
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_more_than_one_receive_gives() {
    let (queue, function) = (MemoryQueue::with(numbered(25)), Function::good());
    let late = queue.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        late.send("late");
    });
    let started = Instant::now();
    poll(&queue, &function, |settings| (settings.batch_size, settings.batching_window_secs) = (100, 5));
    let events = function.called(1).await;
    assert_eq!(bodies(&events[0]).len(), 26);
    assert!(started.elapsed() >= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_batch_stays_below_six_megabytes() {
    let large = |n: usize| format!("{n}{}", "x".repeat(1_000_000));
    let (queue, function) = (MemoryQueue::with((0..8).map(large)), Function::good());
    poll(&queue, &function, |_| {});
    let events = function.called(2).await;
    assert_eq!((records(&events[0]).len(), records(&events[1]).len()), (6, 2));
    assert!(events[0].to_string().len() < 6 * 1024 * 1024);
    until_left(&queue, 0).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_batches_run_at_a_time_than_are_allowed() {
    let queue = MemoryQueue::with(numbered(10));
    let function = Function::slow(Duration::from_secs(5), |_, _| Reaction::Answer(Value::Null));
    poll(&queue, &function, |settings| (settings.batch_size, settings.concurrency_max) = (1, Some(2)));
    function.called(10).await;
    assert_eq!(function.running.lock().unwrap().1, 2);
    until_left(&queue, 0).await;
}

#[tokio::test(start_paused = true)]
async fn as_many_pollers_stand_ready_as_are_provisioned() {
    for (pollers, ready) in
        [(None, 1), (Some((Some(3), None)), 3), (Some((None, Some(5))), 2), (Some((None, Some(1))), 1)]
    {
        let (queue, function) = (MemoryQueue::with([]), Function::good());
        let polling = poll(&queue, &function, |settings| settings.pollers = pollers);
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(queue.receiving(), (ready, ready), "{pollers:?}");
        numbered(20).for_each(|body| queue.send(body));
        until_left(&queue, 0).await;
        assert_eq!(queue.receiving().1, ready, "{pollers:?}: work does not make them more");
        polling.abort();
        while queue.receiving().0 > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn provisioned_pollers_together_run_no_more_batches_than_their_most() {
    let queue = MemoryQueue::with(numbered(60));
    let function = Function::slow(Duration::from_secs(5), |_, _| Reaction::Answer(Value::Null));
    poll(&queue, &function, |settings| (settings.batch_size, settings.pollers) = (1, Some((Some(2), Some(2)))));
    function.called(60).await;
    assert_eq!(function.running.lock().unwrap().1, 20, "ten for each");
    until_left(&queue, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_throttled_batch_waits_and_is_not_lost() {
    let queue = MemoryQueue::with(numbered(1));
    let function = Function::new(|n, _| if n < 2 { Reaction::Throttle } else { Reaction::Answer(Value::Null) });
    let started = Instant::now();
    poll(&queue, &function, |_| {});
    let events = function.called(3).await;
    assert!(started.elapsed() >= Duration::from_secs(3), "one second, then two");
    assert_eq!(records(&events[2])[0]["attributes"]["ApproximateReceiveCount"], "1", "it was never given back");
    until_left(&queue, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_throttled_too_long_goes_back() {
    let queue = MemoryQueue::with(numbered(1));
    let function = Function::new(|n, _| if n < 10 { Reaction::Throttle } else { Reaction::Answer(Value::Null) });
    poll(&queue, &function, |_| {});
    function.called(11).await;
    until_left(&queue, 0).await;
    assert!(function.total(Count::FailedInvoke) >= 1.0);
}
