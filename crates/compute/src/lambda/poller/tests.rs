//! The pollers against sources in memory and functions that are closures, in time that passes as fast as nothing waits.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod queues;
mod sources;
mod streams;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Arn, Error};
use bytes::Bytes;
use cloud::BoxFuture;
use serde_json::Value;
use tokio::sync::Notify;

use super::{Consumer, Count, Filters, Invoked, Mapping};
use crate::lambda::event_source_mapping::{MappingSettings, SourceKind};

/// In paused time this is how long a test waits for nothing.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What a function makes of an event.
enum Reaction {
    Answer(Value),
    /// Bytes that are no JSON.
    Nonsense,
    Fail,
    Throttle,
}

type Handler = Box<dyn Fn(usize, &Value) -> Reaction + Send + Sync>;

/// A function, and what it and its mapping were told.
struct Function {
    handler: Handler,
    /// How long it runs.
    runs: Duration,
    events: Mutex<Vec<Value>>,
    running: Mutex<(usize, usize)>,
    handed_over: Mutex<Vec<Value>>,
    counted: Mutex<Vec<(Count, f64)>>,
    results: Mutex<Vec<&'static str>>,
    notify: Notify,
}

impl Function {
    fn new(handler: impl Fn(usize, &Value) -> Reaction + Send + Sync + 'static) -> Arc<Function> {
        Function::slow(Duration::ZERO, handler)
    }

    fn slow(runs: Duration, handler: impl Fn(usize, &Value) -> Reaction + Send + Sync + 'static) -> Arc<Function> {
        Arc::new(Function {
            handler: Box::new(handler),
            runs,
            events: Mutex::default(),
            running: Mutex::default(),
            handed_over: Mutex::default(),
            counted: Mutex::default(),
            results: Mutex::default(),
            notify: Notify::new(),
        })
    }

    /// A function that always succeeds.
    fn good() -> Arc<Function> {
        Function::new(|_, _| Reaction::Answer(Value::Null))
    }

    async fn until(&self, enough: impl Fn(&Function) -> bool) {
        let waited = async {
            while !enough(self) {
                _ = tokio::time::timeout(Duration::from_millis(100), self.notify.notified()).await;
            }
        };
        tokio::time::timeout(PATIENCE, waited).await.expect("the function is called");
    }

    async fn called(&self, times: usize) -> Vec<Value> {
        self.until(|function| function.events.lock().unwrap().len() >= times).await;
        self.events.lock().unwrap().clone()
    }

    fn total(&self, what: Count) -> f64 {
        self.counted.lock().unwrap().iter().filter(|(counted, _)| *counted == what).map(|(_, value)| value).sum()
    }
}

impl Consumer for Function {
    fn invoke(&self, payload: Bytes) -> BoxFuture<'_, Result<Invoked, Error>> {
        Box::pin(async move {
            let event: Value = serde_json::from_slice(&payload).unwrap();
            let number = {
                let mut events = self.events.lock().unwrap();
                events.push(event.clone());
                events.len() - 1
            };
            {
                let mut running = self.running.lock().unwrap();
                running.0 += 1;
                running.1 = running.1.max(running.0);
            }
            tokio::time::sleep(self.runs).await;
            self.running.lock().unwrap().0 -= 1;
            let reaction = (self.handler)(number, &event);
            self.notify.notify_waiters();
            let answer = |payload: Bytes, failed| {
                Ok(Invoked { request_id: format!("request-{number}"), version: "$LATEST".to_owned(), payload, failed })
            };
            match reaction {
                Reaction::Answer(value) => answer(value.to_string().into(), false),
                Reaction::Nonsense => answer(Bytes::from_static(b"nonsense"), false),
                Reaction::Fail => answer(Bytes::from_static(br#"{"errorMessage": "no"}"#), true),
                Reaction::Throttle => Err(Error::new(429, "TooManyRequestsException", "Rate Exceeded.")),
            }
        })
    }

    fn hand_over<'a>(&'a self, destination: &'a str, record: Vec<u8>) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            assert_eq!(destination, "arn:aws:sqs:us-east-1:000000000000:discarded");
            self.handed_over.lock().unwrap().push(serde_json::from_slice(&record).unwrap());
            true
        })
    }

    fn count(&self, what: Count, value: f64) {
        self.counted.lock().unwrap().push((what, value));
    }

    fn processed(&self, result: &'static str) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.results.lock().unwrap().push(result);
        })
    }
}

fn mapping(source: &str, change: impl FnOnce(&mut MappingSettings)) -> Arc<Mapping> {
    let source = Arn::parse(source).unwrap();
    let kind = SourceKind::of(&source).unwrap();
    let mut settings = MappingSettings::defaults(kind);
    change(&mut settings);
    Arc::new(Mapping {
        id: "00000000-0000-0000-0000-000000000000".to_owned(),
        kind,
        source,
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
        role: "arn:aws:iam::000000000000:role/r".to_owned(),
        filters: Filters::of(&settings.filters),
        settings,
    })
}

/// The records of an event.
fn records(event: &Value) -> &Vec<Value> {
    event["Records"].as_array().unwrap()
}
