//! Asynchronous events against targets that do not stand yet: dead letters, destinations that refuse or are busy, crashes
//! between an event's end and its delivery. The function is a custom one without a bootstrap, which fails without a
//! process of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{AccountId, Cx, Region};
use bytes::Bytes;
use cloud::ports::{Attribute, Deliver, Delivery, Targets, Undelivered};
use cloud::{BoxFuture, Service};
use compute::lambda::configuration::DeadLetterConfig;
use compute::lambda::event_invoke_config::{DestinationArn, DestinationConfig, OnFailure};
use compute::lambda::operations::{CreateFunction, InvocationType, Invoke, PutFunctionEventInvokeConfig};
use serde_json::Value;
use store::Queue;
use tokio::sync::Notify;

use crate::cloud_in_memory::{World, python, refused};

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:letters";
const PATIENCE: Duration = Duration::from_secs(30);
/// Where the function's events wait.
const EVENTS: Queue = Queue::new("lambda.async/000000000000/us-east-1/f");
/// The longest age of an event, and of a handover.
const HOURS_6_MS: i64 = 21_600_000;

/// A service that takes deliveries, after answering with these errors.
#[derive(Default)]
struct Taker {
    errors: Mutex<VecDeque<Undelivered>>,
    taken: Mutex<Vec<Delivery>>,
    tried: Mutex<Vec<String>>,
    notify: Notify,
}

impl Taker {
    fn new(errors: impl IntoIterator<Item = Undelivered>) -> Arc<Taker> {
        Arc::new(Taker { errors: Mutex::new(errors.into_iter().collect()), ..Taker::default() })
    }

    fn targets(self: &Arc<Taker>) -> Targets {
        let targets = Targets::default();
        targets.register("sqs", self.clone());
        targets
    }

    async fn until(&self, enough: impl Fn(&Taker) -> bool) {
        let waited = async {
            loop {
                let notified = self.notify.notified();
                if enough(self) {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(PATIENCE, waited).await.expect("deliveries come");
    }

    async fn taken(&self, count: usize) -> Vec<Delivery> {
        self.until(|taker| taker.taken.lock().unwrap().len() >= count).await;
        self.taken.lock().unwrap().clone()
    }
}

impl Deliver for Taker {
    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            self.tried.lock().unwrap().push(delivery.id.clone());
            let error = self.errors.lock().unwrap().pop_front();
            if error.is_none() {
                self.taken.lock().unwrap().push(delivery.clone());
            }
            self.notify.notify_waiters();
            error.map_or(Ok(()), Err)
        })
    }
}

/// A function that fails, with a dead letter queue if there is one to be had.
fn failing(dead_letters: Option<&str>) -> CreateFunction {
    CreateFunction {
        runtime: Some("provided.al2023".to_owned()),
        dead_letter_config: dead_letters.map(|arn| DeadLetterConfig { target_arn: Some(arn.to_owned()) }),
        ..python("f")
    }
}

async fn send(world: &World, cx: &Cx, payload: &'static str) {
    let invoke = Invoke {
        function_name: "f".into(),
        invocation_type: Some(InvocationType::Event),
        log_type: None,
        client_context: None,
        payload: Some(Bytes::from_static(payload.as_bytes())),
        qualifier: None,
        durable_execution_name: None,
        tenant_id: None,
    };
    let accepted = world.call_as(cx, invoke).await.expect("the event is accepted");
    assert_eq!(accepted.status_code, Some(202));
}

async fn world_with(taker: &Arc<Taker>) -> World {
    World::new().await.restart_with(taker.targets()).await
}

fn destination(arn: &str) -> PutFunctionEventInvokeConfig {
    PutFunctionEventInvokeConfig {
        function_name: "f".into(),
        destination_config: Some(DestinationConfig {
            on_failure: Some(OnFailure { destination: Some(DestinationArn(arn.to_owned())) }),
            on_success: None,
        }),
        ..PutFunctionEventInvokeConfig::default()
    }
}

#[tokio::test]
async fn a_dead_letter_is_the_event_and_says_why() {
    let taker = Taker::new([]);
    let world = world_with(&taker).await;
    let created = world.call(failing(Some(QUEUE))).await.unwrap();
    assert_eq!(created.dead_letter_config.unwrap().target_arn.as_deref(), Some(QUEUE));
    let cx = world.cx();
    send(&world, &cx, r#"{"n": 1}"#).await;
    let letter = taker.taken(1).await.remove(0);
    assert_eq!(letter.target.to_string(), QUEUE);
    assert_eq!(&letter.payload[..], br#"{"n": 1}"#);
    let words = "RequestId: REQUEST Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
    let attribute = |name, data_type, value: String| Attribute { name, data_type, value };
    assert_eq!(
        letter.attributes,
        [
            attribute("RequestID", "String", cx.request_id.to_string()),
            attribute("ErrorMessage", "String", words.replace("REQUEST", &cx.request_id)),
            attribute("ErrorCode", "Number", "200".to_owned()),
        ]
    );
    assert_eq!(letter.role, crate::cloud_in_memory::ROLE);
}

#[tokio::test]
async fn a_dead_letter_queue_needs_its_service() {
    let world = World::new().await;
    let words = format!("delivery to {QUEUE}: the service sqs is not implemented");
    refused(world.call(failing(Some(QUEUE))).await, 501, "NotImplemented", &words);
    world.call(failing(Some(""))).await.unwrap();
    let words = format!("delivery to {QUEUE}: the service sqs is not implemented");
    refused(world.call(destination(QUEUE)).await, 501, "NotImplemented", &words);
}

#[tokio::test]
async fn a_busy_target_is_tried_again_with_the_same_delivery() {
    let taker = Taker::new([Undelivered::Later("busy".to_owned())]);
    let world = world_with(&taker).await;
    world.call(failing(None)).await.unwrap();
    world.call(destination(QUEUE)).await.unwrap();
    send(&world, &world.cx(), "{}").await;
    let record = taker.taken(1).await.remove(0);
    let tried = taker.tried.lock().unwrap().clone();
    assert_eq!(tried, [record.id.clone(), record.id.clone()]);
    let told: Value = serde_json::from_slice(&record.payload).unwrap();
    assert_eq!(told["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(told["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(told["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record.detail_type, "Lambda Function Invocation Result - Failure");
    let prefix = "aws/lambda/async/f/2026/11/22/2026-11-22T";
    assert!(record.object_key.starts_with(prefix), "{}", record.object_key);
}

#[tokio::test]
async fn a_target_that_refuses_is_tried_once() {
    let taker = Taker::new([Undelivered::Refused("no such queue".to_owned())]);
    let world = world_with(&taker).await;
    world.call(failing(None)).await.unwrap();
    world.call(destination(QUEUE)).await.unwrap();
    send(&world, &world.cx(), "{}").await;
    taker.until(|taker| !taker.tried.lock().unwrap().is_empty()).await;
    send(&world, &world.cx(), "2").await;
    let record = taker.taken(1).await.remove(0);
    let told: Value = serde_json::from_slice(&record.payload).unwrap();
    assert_eq!(told["requestPayload"], 2, "the first is gone, and holds nothing up");
    assert_eq!(taker.tried.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_was_not_delivered_when_the_server_ended_is_delivered_by_the_next() {
    let busy = Taker::new(std::iter::repeat_n(Undelivered::Later("busy".to_owned()), 1000));
    let world = world_with(&busy).await;
    world.call(failing(Some(QUEUE))).await.unwrap();
    send(&world, &world.cx(), r#"{"n": 7}"#).await;
    busy.until(|taker| !taker.tried.lock().unwrap().is_empty()).await;
    world.lambda.begin_close();
    let taker = Taker::new([]);
    let _next = world.restart_with(taker.targets()).await;
    let letter = taker.taken(1).await.remove(0);
    assert_eq!(&letter.payload[..], br#"{"n": 7}"#);
    assert_eq!(busy.tried.lock().unwrap().first(), Some(&letter.id), "the very same");
}

/// An event that a server accepted which then died, with it in hand, `receives` times.
async fn crashed(world: &World, receives: u32) {
    world.lambda.begin_close();
    send(world, &world.cx(), r#"{"n": 8}"#).await;
    for receive in 1..=receives {
        let leased = world.store.lease(&EVENTS, 1, 3_600_000).await.unwrap();
        assert_eq!(leased[0].receive_count, receive);
        if receive < receives {
            world.store.nack(&EVENTS, leased[0].receipt, 0).await.unwrap();
        }
    }
}

fn record(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.payload).unwrap()
}

#[tokio::test]
async fn what_a_dead_server_held_the_next_one_takes() {
    let taker = Taker::new([]);
    let world = world_with(&taker).await;
    world.call(failing(None)).await.unwrap();
    world.call(destination(QUEUE)).await.unwrap();
    crashed(&world, 1).await;
    let _next = world.restart_with(taker.targets()).await;
    let told = record(&taker.taken(1).await[0]);
    assert_eq!(told["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(told["requestContext"]["approximateInvokeCount"], 3, "the one that was interrupted is no failure");
    assert_eq!(told["requestPayload"]["n"], 8);
}

#[tokio::test]
async fn crashes_make_an_event_wait_and_do_not_give_it_up() {
    let taker = Taker::new([]);
    let world = world_with(&taker).await;
    world.call(failing(None)).await.unwrap();
    world.call(destination(QUEUE)).await.unwrap();
    crashed(&world, 1_000).await;
    let next = world.restart_with(taker.targets()).await;
    let counts = next.store.queue_counts(&EVENTS).await.unwrap();
    assert_eq!((counts.visible, counts.in_flight, counts.delayed), (0, 0, 1), "five minutes at most");
    next.lambda.begin_close();
    // The wait is over.
    next.store.purge(&EVENTS).await.unwrap();
    crashed(&next, 1_000).await;
    let leases_ended = next.store.nack_all(&EVENTS, |receives| i64::from(receives) - 1_000).await;
    leases_ended.unwrap();
    let last = next.restart_with(taker.targets()).await;
    let told = record(&taker.taken(1).await[0]);
    assert_eq!(told["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(told["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(last.metrics.sum("AsyncEventsDropped"), 1.0);
}

#[tokio::test]
async fn an_event_that_no_attempt_brings_to_an_end_goes_where_failed_ones_go_once_it_is_too_old() {
    let taker = Taker::new([]);
    let world = world_with(&taker).await;
    world.call(failing(Some(QUEUE))).await.unwrap();
    world.call(destination(QUEUE)).await.unwrap();
    crashed(&world, 1).await;
    world.clock.advance_ms(HOURS_6_MS + 1);
    let next = world.restart_with(taker.targets()).await;
    let mut taken = taker.taken(2).await;
    taken.sort_by_key(|delivery| delivery.attributes.len());
    let told = record(&taken[0]);
    assert_eq!(told["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(told["requestContext"]["approximateInvokeCount"], 0, "it was not run again");
    assert_eq!(told["requestPayload"]["n"], 8);
    assert_eq!(&taken[1].payload[..], br#"{"n": 8}"#, "the dead letter");
    assert_eq!(next.metrics.sum("AsyncEventsDropped"), 1.0);
}

#[tokio::test]
async fn a_handover_that_crashes_interrupt_ends_by_its_age() {
    let busy = Taker::new(std::iter::repeat_n(Undelivered::Later("busy".to_owned()), 1000));
    let world = world_with(&busy).await;
    world.call(failing(Some(QUEUE))).await.unwrap();
    send(&world, &world.cx(), "{}").await;
    busy.until(|taker| !taker.tried.lock().unwrap().is_empty()).await;
    world.lambda.begin_close();
    // It goes back into the queue to wait for its second try, in which the server dies.
    world.store.await_ready(&EVENTS).await.unwrap();
    world.store.lease(&EVENTS, 1, 3_600_000).await.unwrap();
    world.clock.advance_ms(HOURS_6_MS);
    let taker = Taker::new([]);
    let next = world.restart_with(taker.targets()).await;
    let counted = async {
        while next.metrics.sum("DeadLetterErrors") == 0.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.expect("it is counted");
    assert!(taker.tried.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_reset_forgets_one_accounts_events_and_no_others() {
    let busy = Taker::new(std::iter::repeat_n(Undelivered::Later("busy".to_owned()), 1000));
    let world = world_with(&busy).await;
    let other = AccountId::parse("111111111111").unwrap();
    let stranger = Cx::internal(other, Region::default(), world.clock.clone());
    for cx in [&world.cx(), &stranger] {
        world.call_as(cx, failing(Some(QUEUE))).await.unwrap();
        send(&world, cx, "{}").await;
    }
    busy.until(|taker| taker.tried.lock().unwrap().len() >= 2).await;
    world.lambda.reset(Some(other)).await.unwrap();
    world.lambda.begin_close();
    let taker = Taker::new([]);
    let _next = world.restart_with(taker.targets()).await;
    assert_eq!(taker.taken(1).await[0].source.account, "000000000000");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(taker.taken.lock().unwrap().len(), 1);
}
