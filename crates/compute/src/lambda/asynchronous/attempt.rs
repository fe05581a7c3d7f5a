//! One attempt at an event, and how it goes on: again later, or to an end that destinations and dead letter queues hear of.

use base::{Cx, Error};
use bytes::Bytes;
use store::{Leased, NewMessage, Queue};

use super::event::{Entry, Event, decode, encode};
use super::record::{Condition, End, Response};
use super::{LEASE_MS, RENEWAL, backoff_ms, queue_of};
use crate::lambda::Lambda;
use crate::lambda::event_invoke_config::{EVENT_AGE_SECS_MAX, RETRIES_MAX};
use crate::lambda::invoke::Invocation;
use crate::lambda::lineage::{self, RecursiveLoop};
use crate::lambda::metrics::Metric;
use crate::lambda::name::{QualifierText, Target};
use crate::lambda::records::{CONCURRENCY, EventInvokeConfigRecord};

/// What becomes of an event after an attempt.
enum Verdict {
    /// It runs again after so many milliseconds.
    Again(Event, i64),
    /// It is done with.
    Ended(End),
}

/// What a function's settings for the qualifier that was asked for say.
struct Limits {
    retries_max: u32,
    age_max_ms: i64,
}

impl Limits {
    fn of(config: Option<&EventInvokeConfigRecord>) -> Limits {
        let age_secs = config.and_then(|c| c.maximum_event_age_secs).unwrap_or(EVENT_AGE_SECS_MAX);
        Limits {
            retries_max: config.and_then(|c| c.maximum_retry_attempts).unwrap_or(RETRIES_MAX),
            age_max_ms: i64::from(age_secs) * 1000,
        }
    }
}

impl Lambda {
    /// Handles what a worker took from its function's queue.
    pub(super) async fn handle(&self, function: &Target, leased: Leased) {
        let queue = queue_of(function);
        let Some((entry, payload)) = decode(&leased.payload) else {
            tracing::error!(function = function.name, "an asynchronous event cannot be read and is dropped");
            self.record_for(function, Metric::AsyncEventsDropped, 1.0);
            return self.conclude_entry(function, &queue, leased, Vec::new()).await;
        };
        let handled = async {
            match entry {
                Entry::Event(event) => self.attempt(event, payload).await,
                Entry::Handover(handover) => {
                    self.hand_over(function, handover, payload, leased.receive_count > 1).await
                }
            }
        };
        let next = tokio::select! {
            next = handled => next,
            () = self.renew(&queue, &leased) => return,
        };
        // What is done with must not have left less in the log than it wrote, whatever happens to us next.
        self.fleet.logs_flushed().await;
        self.conclude_entry(function, &queue, leased, next).await;
    }

    /// Renews the lease; ends only if it was lost.
    async fn renew(&self, queue: &Queue, leased: &Leased) {
        loop {
            tokio::time::sleep(RENEWAL).await;
            if let Err(error) = self.store.extend(queue, leased.receipt, LEASE_MS).await {
                tracing::warn!(%error, "the lease of an asynchronous event was lost; it will run again");
                return;
            }
        }
    }

    /// Takes what was handled out of the queue and puts in how it goes on, together.
    async fn conclude_entry(&self, function: &Target, queue: &Queue, leased: Leased, next: Vec<NewMessage>) {
        let (key, queue) = (function.key(), queue.clone());
        let work = move |tx: &mut store::Tx<'_>| {
            tx.ack(&queue, leased.receipt)?;
            for message in &next {
                super::put(tx, &key, &queue, message.clone())?;
            }
            Ok::<(), store::Error>(())
        };
        if let Err(error) = self.store.transact(work).await {
            tracing::error!(%error, "the end of an asynchronous event was not recorded; it will run again");
        }
    }

    /// One attempt; what goes back into the queue for it.
    async fn attempt(&self, event: Event, payload: Bytes) -> Vec<NewMessage> {
        let target = event.target();
        let config = match self.event_invoke_config(&target).await {
            Ok(config) => config,
            Err(error) => return vec![again(&wait_longer(event, &error.into()), &payload)],
        };
        match self.run_event(&event, &target, payload.clone(), &Limits::of(config.as_ref())).await {
            Verdict::Again(event, delay_ms) => vec![again(&(event, delay_ms), &payload)],
            Verdict::Ended(end) => {
                if end.condition != Condition::Success {
                    self.record_for(&target, Metric::AsyncEventsDropped, 1.0);
                    tracing::info!(request_id = event.request_id, condition = ?end.condition, "an event is given up");
                }
                self.handovers(&event, &target, &payload, config.as_ref(), &end)
            }
        }
    }

    async fn run_event(&self, event: &Event, target: &Target, payload: Bytes, limits: &Limits) -> Verdict {
        let age_ms = self.clock.now().millis() - event.accepted_ms;
        let cx = Cx::internal(target.account, target.region.clone(), self.clock.clone());
        let qualifier = target.qualifier.as_ref().map(|q| QualifierText(q.to_string()));
        let resolved = match self.resolve(&cx, &target.name, qualifier.as_ref()).await {
            Ok(resolved) => resolved,
            // Functions and versions that are gone do not come back.
            Err(error) if error.status == 404 => return Verdict::Ended(End::gone(&error)),
            Err(error) => return later(event, age_ms, limits, End::refused(None, &error), &error),
        };
        if age_ms > limits.age_max_ms {
            return Verdict::Ended(End::new(Condition::EventAgeExceeded, Some(resolved)));
        }
        if event.failures + event.throttles == 0 {
            self.record(&resolved, Metric::AsyncEventAge, age_ms as f64);
        }
        // Here and not at the door, since a caller has been told already that the event is accepted.
        let entered = lineage::enter(&event.trace_id, &resolved.lineage_name);
        if entered.is_loop() && resolved.recursive_loop == RecursiveLoop::Terminate {
            self.record(&resolved, Metric::RecursiveInvocationsDropped, 1.0);
            return Verdict::Ended(End::recursive(resolved, &lineage::stopped()));
        }
        let call = Invocation {
            request_id: event.request_id.clone(),
            payload,
            client_context: event.client_context.clone(),
            trace_id: entered.trace_id,
            ..Invocation::default()
        };
        match self.run_invocation(&resolved, call).await {
            Ok(answer) if !answer.failed => {
                Verdict::Ended(End::answered(Condition::Success, resolved, Response::ok(answer.payload)))
            }
            Ok(answer) => {
                let age_ms = self.clock.now().millis() - event.accepted_ms;
                let end = |condition| End::answered(condition, resolved, Response::failed(answer.payload));
                self.failed(event, age_ms, limits, end)
            }
            Err(error) if error.status == 429 && self.may_never_run(target).await => {
                Verdict::Ended(End::forbidden(resolved))
            }
            Err(error) => later(event, age_ms, limits, End::refused(Some(resolved), &error), &error),
        }
    }

    /// Whether the function's concurrency is set to nothing: AWS does not wait for that to change.
    async fn may_never_run(&self, target: &Target) -> bool {
        let concurrency = self.store.get(CONCURRENCY, &target.key()).await;
        concurrency.is_ok_and(|record| record.is_some_and(|record| record.reserved == Some(0)))
    }

    /// The function failed: again after one and two minutes, unless these are more tries or a longer time than it may
    /// have. AWS gives up at once when the next try would come too late.
    fn failed(&self, event: &Event, age_ms: i64, limits: &Limits, end: impl FnOnce(Condition) -> End) -> Verdict {
        if event.failures >= limits.retries_max {
            return Verdict::Ended(end(Condition::RetriesExhausted));
        }
        let failures = event.failures + 1;
        let delay_ms = (self.config.async_retry_delay * failures).as_millis() as i64;
        if age_ms + delay_ms > limits.age_max_ms {
            return Verdict::Ended(end(Condition::EventAgeExceeded));
        }
        Verdict::Again(Event { failures, throttles: 0, ..event.clone() }, delay_ms)
    }
}

/// It did not come to run (throttled, or a fault of ours): that is no attempt; wait longer each time, as long as its age
/// allows.
fn later(event: &Event, age_ms: i64, limits: &Limits, end: End, error: &Error) -> Verdict {
    let (event, delay_ms) = wait_longer(event.clone(), error);
    if age_ms + delay_ms > limits.age_max_ms {
        return Verdict::Ended(end);
    }
    Verdict::Again(event, delay_ms)
}

fn wait_longer(event: Event, error: &Error) -> (Event, i64) {
    let delay_ms = backoff_ms(event.throttles);
    tracing::debug!(%error, request_id = event.request_id, delay_ms, "an asynchronous event waits");
    (Event { throttles: event.throttles + 1, ..event }, delay_ms)
}

fn again((event, delay_ms): &(Event, i64), payload: &[u8]) -> NewMessage {
    NewMessage::new(encode(&Entry::Event(event.clone()), payload)).delayed(*delay_ms)
}
