//! Asynchronous invocation: a durable queue, two retries, an age limit.
//!
//! An event is acknowledged to its caller once it is in the queue. A worker leases events, runs them and removes them; a
//! failed one is replaced, in one transaction, by its next attempt. A lease is short and renewed while the function
//! runs, so after a crash an event waits half a minute at most and runs again: at least once, as on AWS.

use std::sync::{Arc, Weak};
use std::time::Duration;

use base::{AccountId, Cx, Error, Region};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::{Leased, NewMessage, Queue};
use tokio::sync::Semaphore;

use super::invoke::Invocation;
use super::name::QualifierText;
use super::{Lambda, Shared};

const EVENTS: Queue = Queue::new("lambda.async");

/// Attempts after the first: AWS's default `MaximumRetryAttempts`.
const RETRIES_MAX: u32 = 2;
/// AWS's default `MaximumEventAgeInSeconds`, in milliseconds.
const EVENT_AGE_MAX_MS: i64 = 21_600_000;
/// How long a lease lasts without renewal.
const LEASE_MS: i64 = 30_000;
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);
/// Events running at a time; others wait in the queue.
const RUNNING_MAX: usize = 200;
/// Times that one attempt may be taken from the queue without coming to an end: crashes of ours, not of the function.
const RECEIVES_MAX: u32 = 20;
/// Events taken from the queue at a time.
const LEASED_MAX: usize = 32;
/// First and longest wait of an event that was throttled; AWS backs off "from 1 second to a maximum of 5 minutes".
const THROTTLED_WAIT_MS: (i64, i64) = (1_000, 300_000);

/// What stands before an event's payload in the queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    account: AccountId,
    region: Region,
    function: String,
    qualifier: Option<String>,
    request_id: String,
    trace_id: String,
    #[serde(default)]
    client_context: Option<String>,
    accepted_ms: i64,
    /// Attempts that ran and failed.
    failures: u32,
    /// Attempts that were throttled in a row.
    throttles: u32,
}

impl Lambda {
    /// Takes an event; it is durable when this returns.
    pub(crate) async fn accept_event(
        &self,
        cx: &Cx,
        function: &str,
        qualifier: Option<&QualifierText>,
        call: Invocation,
    ) -> Result<(), Error> {
        let header = Header {
            account: cx.account,
            region: cx.region.clone(),
            function: function.to_owned(),
            qualifier: qualifier.map(|q| q.0.clone()),
            request_id: call.request_id,
            trace_id: call.trace_id,
            client_context: call.client_context,
            accepted_ms: self.clock.now().millis(),
            failures: 0,
            throttles: 0,
        };
        let message = NewMessage::new(encode(&header, &call.payload));
        self.store.enqueue(&EVENTS, message).await.map(|_| ()).map_err(|e| super::error::Failure::from(e).into())
    }

    /// Starts the worker; it ends with the service.
    pub(crate) fn start_async_worker(&self) {
        tokio::spawn(work(Arc::downgrade(&self.0)));
    }

    pub(crate) async fn forget_events(&self, account: Option<AccountId>) -> Result<(), store::Error> {
        // Events of other accounts must stay; events of functions that are gone are dropped when their turn comes.
        match account {
            None => self.store.purge(&EVENTS).await,
            Some(_) => Ok(()),
        }
    }
}

async fn work(shared: Weak<Shared>) {
    let running = Arc::new(Semaphore::new(RUNNING_MAX));
    loop {
        let Ok(place) = running.clone().acquire_owned().await else { return };
        let Some(lambda) = shared.upgrade().map(Lambda) else { return };
        if lambda.fleet.is_closed() {
            return;
        }
        // Only as many as can start now: a lease that waits runs out.
        let events_max = (1 + running.available_permits()).min(LEASED_MAX);
        drop(place);
        match lambda.store.lease(&EVENTS, events_max, LEASE_MS).await {
            Ok(events) if !events.is_empty() => start(&lambda, &running, events).await,
            Ok(_) => {
                let store = lambda.store.clone();
                drop(lambda);
                // A bound on the wait lets the worker notice that the service is gone.
                _ = tokio::time::timeout(Duration::from_secs(60), store.await_ready(&EVENTS)).await;
            }
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "the queue of asynchronous events cannot be read");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn start(lambda: &Lambda, running: &Arc<Semaphore>, events: Vec<Leased>) {
    for event in events {
        let Ok(place) = running.clone().acquire_owned().await else { return };
        let lambda = lambda.clone();
        tokio::spawn(async move {
            lambda.attempt(event).await;
            drop(place);
        });
    }
}

/// What becomes of an event after an attempt.
enum Verdict {
    /// It is done with, well or badly.
    Done,
    /// It runs again after so many milliseconds.
    Again(Header, i64),
}

impl Lambda {
    async fn attempt(&self, event: Leased) {
        let Some((header, payload)) = decode(&event.payload).filter(|_| event.receive_count <= RECEIVES_MAX) else {
            tracing::error!("an asynchronous event cannot be read, or always ends badly, and is dropped");
            self.conclude_event(event, None).await;
            return;
        };
        let renewal = self.renew(&event);
        let verdict = tokio::select! {
            verdict = self.run_event(&header, payload.clone()) => verdict,
            () = renewal => return,
        };
        // What is done with must not have left less in the log than it wrote, whatever happens to us next.
        self.fleet.logs_flushed().await;
        match verdict {
            Verdict::Done => self.conclude_event(event, None).await,
            Verdict::Again(header, delay_ms) => {
                let next = NewMessage::new(encode(&header, &payload)).delayed(delay_ms);
                self.conclude_event(event, Some(next)).await;
            }
        }
    }

    /// Renews the lease; ends only if it was lost.
    async fn renew(&self, event: &Leased) {
        loop {
            tokio::time::sleep(RENEWAL).await;
            if let Err(error) = self.store.extend(&EVENTS, event.receipt, LEASE_MS).await {
                tracing::warn!(%error, "the lease of an asynchronous event was lost; it will run again");
                return;
            }
        }
    }

    async fn run_event(&self, header: &Header, payload: Bytes) -> Verdict {
        let now_ms = self.clock.now().millis();
        if now_ms - header.accepted_ms > EVENT_AGE_MAX_MS {
            tracing::warn!(request_id = header.request_id, "an asynchronous event grew too old and is dropped");
            return Verdict::Done;
        }
        let cx = Cx::internal(header.account, header.region.clone(), self.clock.clone());
        let qualifier = header.qualifier.clone().map(QualifierText);
        let resolved = match self.resolve(&cx, &header.function, qualifier.as_ref()).await {
            Ok(resolved) => resolved,
            Err(error) if error.status == 404 => return Verdict::Done,
            Err(error) => return self.later(header, &error),
        };
        let call = Invocation {
            request_id: header.request_id.clone(),
            payload,
            client_context: header.client_context.clone(),
            trace_id: header.trace_id.clone(),
            wants_tail: false,
        };
        match self.run_invocation(&resolved, call).await {
            Ok(answer) if !answer.failed => Verdict::Done,
            Ok(_) => self.failed(header),
            Err(error) => self.later(header, &error),
        }
    }

    /// The function failed: again after one and two minutes, then no more.
    fn failed(&self, header: &Header) -> Verdict {
        if header.failures >= RETRIES_MAX {
            return Verdict::Done;
        }
        let failures = header.failures + 1;
        let delay = self.config.async_retry_delay * failures;
        Verdict::Again(Header { failures, throttles: 0, ..header.clone() }, delay.as_millis() as i64)
    }

    /// It did not come to run (throttled, or a fault of ours): that is no attempt; wait longer each time.
    fn later(&self, header: &Header, error: &Error) -> Verdict {
        let (first, longest) = THROTTLED_WAIT_MS;
        let delay_ms = (first << header.throttles.min(16)).min(longest);
        tracing::debug!(%error, request_id = header.request_id, delay_ms, "an asynchronous event waits");
        Verdict::Again(Header { throttles: header.throttles + 1, ..header.clone() }, delay_ms)
    }

    async fn conclude_event(&self, event: Leased, next: Option<NewMessage>) {
        let work = move |tx: &mut store::Tx<'_>| {
            tx.ack(&EVENTS, event.receipt)?;
            if let Some(next) = &next {
                tx.enqueue(&EVENTS, next.clone())?;
            }
            Ok::<(), store::Error>(())
        };
        if let Err(error) = self.store.transact(work).await {
            tracing::error!(%error, "the end of an asynchronous event was not recorded; it will run again");
        }
    }
}

/// Length of the header, header, payload.
fn encode(header: &Header, payload: &[u8]) -> Vec<u8> {
    let head = serde_json::to_vec(header).unwrap_or_default();
    let mut bytes = Vec::with_capacity(4 + head.len() + payload.len());
    bytes.extend_from_slice(&(head.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(payload);
    bytes
}

fn decode(bytes: &[u8]) -> Option<(Header, Bytes)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (head, payload) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((serde_json::from_slice(head).ok()?, Bytes::copy_from_slice(payload)))
}
