//! One batch of a stream's records, to its end: tried, split, tried again, and discarded when it has been tried often
//! enough or its records are too old.

use std::sync::Arc;

use base::{Clock, Error, Timestamp};
use bytes::Bytes;
use cloud::ports::StreamRecord;
use serde::Serialize;
use serde_json::Value;

use super::event::{self, Window};
use super::response::{self, Verdict};
use super::{Consumer, Count, Invoked, Mapping, backoff};
use crate::lambda::event_source_mapping::SourceKind;
use crate::lambda::report::to_millis;

/// How a batch went, in AWS's words.
const OK: &str = "OK";
const FAILED: &str = "PROBLEM: Function call failed";

/// What runs batches of one shard.
#[derive(Clone)]
pub(super) struct Runner {
    pub(super) mapping: Arc<Mapping>,
    pub(super) consumer: Arc<dyn Consumer>,
    pub(super) clock: Clock,
    pub(super) shard: Arc<str>,
}

/// A part of a batch, and how often it has been tried.
struct Part {
    records: Vec<StreamRecord>,
    tries: u32,
}

/// What came of a try.
enum Tried {
    /// The function's answer.
    Done(Invoked),
    /// The records from this place on failed.
    Failed(usize, Option<Invoked>),
    /// It did not come to run.
    NotRun(Error),
}

impl Runner {
    /// Runs a batch until each of its records has been dealt with or discarded. `window` is what the function is told of
    /// its window; the answer is what it says last.
    pub(super) async fn run(&self, records: Vec<StreamRecord>, window: Option<&Window<'_>>) -> Option<Invoked> {
        let settings = &self.mapping.settings;
        let mut waiting = vec![Part { records, tries: 0 }];
        let (mut answer, mut not_run) = (None, 0);
        while let Some(part) = waiting.pop() {
            let part = self.without_old(part).await;
            if part.records.is_empty() && window.is_none_or(|window| !window.is_final) {
                continue;
            }
            match self.try_part(&part, window).await {
                Tried::Done(done) => {
                    self.consumer.processed(OK).await;
                    (answer, not_run) = (Some(done), 0);
                }
                Tried::NotRun(error) => {
                    tracing::debug!(%error, mapping = self.mapping.id, "a batch waits");
                    self.consumer.processed(FAILED).await;
                    tokio::time::sleep(backoff(not_run)).await;
                    not_run += 1;
                    waiting.push(part);
                }
                Tried::Failed(from, invoked) => {
                    self.consumer.processed(FAILED).await;
                    let Part { mut records, tries } = part;
                    let mut rest = records.split_off(from);
                    // Splitting is no retry; what is left of a partly good batch is not split.
                    if settings.bisects && from == 0 && rest.len() > 1 {
                        let second = rest.split_off(rest.len() / 2);
                        waiting.push(Part { records: second, tries });
                        waiting.push(Part { records: rest, tries });
                    } else if settings.retries_max.is_some_and(|most| tries >= most) {
                        self.discard(&rest, tries + 1, "RetryAttemptsExhausted", invoked.as_ref()).await;
                    } else {
                        tokio::time::sleep(backoff(tries)).await;
                        waiting.push(Part { records: rest, tries: tries + 1 });
                    }
                }
            }
        }
        answer
    }

    async fn try_part(&self, part: &Part, window: Option<&Window<'_>>) -> Tried {
        let records: Vec<Value> = part.records.iter().map(|r| event::record(&self.mapping, &self.shard, r)).collect();
        let count = records.len() as f64;
        let payload = match window {
            None => event::batch(records),
            Some(window) => event::windowed_batch(&self.mapping, records, window),
        };
        if let Some(last) = part.records.last() {
            let age_ms = self.clock.now().millis() - last.arrived.millis();
            self.consumer.count(Count::IteratorAge, age_ms.max(0) as f64);
        }
        self.consumer.count(Count::Invoked, count);
        let tried = self.invoke(payload, part).await;
        if !matches!(tried, Tried::Done(_)) {
            self.consumer.count(Count::FailedInvoke, count);
        }
        tried
    }

    async fn invoke(&self, payload: Bytes, part: &Part) -> Tried {
        let invoked = match self.consumer.invoke(payload).await {
            Ok(invoked) => invoked,
            Err(error) => return Tried::NotRun(error),
        };
        if invoked.failed {
            return Tried::Failed(0, Some(invoked));
        }
        if !self.mapping.settings.reports_item_failures {
            return Tried::Done(invoked);
        }
        let identifiers: Vec<&str> = part.records.iter().map(|record| record.sequence_number.as_str()).collect();
        match response::read(&invoked.payload, &identifiers) {
            Verdict::Success => Tried::Done(invoked),
            Verdict::Failure => Tried::Failed(0, Some(invoked)),
            // Streams are in order, so the first that failed is where to go on.
            Verdict::Partial(places) => Tried::Failed(places.first().copied().unwrap_or_default(), Some(invoked)),
        }
    }

    /// The part without the records that are too old, which are discarded.
    async fn without_old(&self, mut part: Part) -> Part {
        let Some(most_secs) = self.mapping.settings.record_age_max_secs else { return part };
        let oldest = self.clock.now().plus_millis(-i64::from(most_secs) * 1000);
        let young = part.records.iter().position(|record| record.arrived >= oldest).unwrap_or(part.records.len());
        let records = part.records.split_off(young);
        if !part.records.is_empty() {
            self.discard(&part.records, part.tries, "RecordAgeExceeded", None).await;
        }
        Part { records, ..part }
    }

    /// Gives records up; where they were is told to the destination, if there is one, before anything moves on.
    async fn discard(&self, records: &[StreamRecord], tries: u32, condition: &str, invoked: Option<&Invoked>) {
        self.consumer.count(Count::Dropped, records.len() as f64);
        let Some(destination) = &self.mapping.settings.on_failure else { return };
        let Some(told) = self.record(records, tries, condition, invoked) else { return };
        for failures in 0.. {
            if self.consumer.hand_over(destination, told.clone()).await {
                return;
            }
            tokio::time::sleep(backoff(failures)).await;
        }
    }

    fn record(
        &self,
        records: &[StreamRecord],
        tries: u32,
        condition: &str,
        invoked: Option<&Invoked>,
    ) -> Option<Vec<u8>> {
        let (first, last) = (records.first()?, records.last()?);
        let info = BatchInfo {
            shard_id: &self.shard,
            start_sequence_number: &first.sequence_number,
            end_sequence_number: &last.sequence_number,
            approximate_arrival_of_first_record: to_millis(first.arrived),
            approximate_arrival_of_last_record: to_millis(last.arrived),
            batch_size: records.len(),
            stream_arn: self.mapping.source.to_string(),
        };
        let is_kinesis = self.mapping.kind == SourceKind::Kinesis;
        let (kinesis, dynamodb) = if is_kinesis { (Some(info), None) } else { (None, Some(info)) };
        let record = Discarded {
            request_context: RequestContext {
                request_id: invoked.map_or_else(base::id::uuid, |invoked| invoked.request_id.clone()),
                function_arn: &self.mapping.function_arn,
                condition,
                approximate_invoke_count: tries,
            },
            response_context: invoked.map(|invoked| ResponseContext {
                status_code: 200,
                executed_version: &invoked.version,
                function_error: invoked.failed.then_some("Unhandled"),
            }),
            version: "1.0",
            timestamp: to_millis(self.clock.now()),
            kinesis,
            dynamodb,
        };
        serde_json::to_vec(&record).ok()
    }
}

/// What a destination is told of discarded records: where they are, not what they say.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Discarded<'a> {
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    version: &'a str,
    timestamp: String,
    #[serde(rename = "KinesisBatchInfo", skip_serializing_if = "Option::is_none")]
    kinesis: Option<BatchInfo<'a>>,
    #[serde(rename = "DDBStreamBatchInfo", skip_serializing_if = "Option::is_none")]
    dynamodb: Option<BatchInfo<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: String,
    function_arn: &'a str,
    condition: &'a str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchInfo<'a> {
    shard_id: &'a str,
    start_sequence_number: &'a str,
    end_sequence_number: &'a str,
    approximate_arrival_of_first_record: String,
    approximate_arrival_of_last_record: String,
    batch_size: usize,
    stream_arn: String,
}

/// The beginning of the window that a time belongs to.
pub(super) fn window_start(at: Timestamp, window_secs: u32) -> Timestamp {
    let length = i64::from(window_secs) * 1000;
    Timestamp::from_millis(at.millis().div_euclid(length) * length)
}
