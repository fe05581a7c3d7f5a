//! Asynchronous invocation: a durable queue for each function, retries, an age limit, destinations.
//!
//! An event is acknowledged to its caller once it is in its function's queue. While there is something in it, a worker of
//! that function leases what is due, a place ([`places`]) for each, and runs it ([`attempt`]). How an event goes on (again
//! later, handed over to a destination, done with) is one transaction with its leaving the queue, and what is to be handed
//! over lies in the same queue until it has been ([`handover`]). A lease is short and renewed meanwhile.
//!
//! After a crash of the server the next one ends the leases of the last, and what was being worked on runs again: at least
//! once, as on AWS. Nobody asks whether an event was the crash's cause or its bystander, since the answer is the same as to
//! any fault that is not the function's: it waits, longer each time, until it is too old. So no event is given up for
//! others' crashes, and one that takes the server with it does so ever more seldom, then ends where failed ones go.

mod attempt;
mod event;
pub(crate) mod handover;
mod places;
mod record;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base::{AccountId, Error};
use store::{Durability, Enqueued, Key, NewMessage, Queue, Scan, Tx};

use self::event::{Entry, Event, encode};
pub(crate) use self::handover::function_of;
use self::places::Places;
use super::invoke::Invocation;
use super::name::Target;
use super::records::{EVENT_QUEUES, Mark};
use super::{Lambda, Shared, target_of};

/// How long a lease lasts without renewal.
const LEASE_MS: i64 = 30_000;
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);
/// First and longest wait of what failed by no fault of the function: AWS tries again what was throttled or met a system
/// error "from 1 second after the first attempt to a maximum of 5 minutes".
const BACKOFF_MS: (i64, i64) = (1_000, 300_000);
/// Events out of their queues at a time; the others wait in them.
const RUNNING_MAX: usize = 400;
/// Events of one function taken from its queue at a time.
const LEASED_MAX: usize = 32;
/// How long a function's worker waits for more when its queue is empty.
const LINGER: Duration = Duration::from_secs(60);
/// The largest event, in bytes (1 MB since October 2025).
pub(crate) const EVENT_BYTES_MAX: usize = 1_048_576;

/// Who works on which queue, and the places they share.
pub(crate) struct Workers {
    places: Arc<Places>,
    /// Functions that have a worker; true if something was accepted since it last looked.
    serving: Mutex<HashMap<Target, bool>>,
}

impl Workers {
    pub(crate) fn new() -> Workers {
        Workers { places: Places::new(RUNNING_MAX), serving: Mutex::default() }
    }

    fn serving(&self) -> MutexGuard<'_, HashMap<Target, bool>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lambda {
    /// Takes an event; it is durable when this returns.
    pub(crate) async fn accept_event(&self, target: &Target, call: Invocation) -> Result<(), Error> {
        let mut event = Event::new(target, call.request_id, call.trace_id, self.clock.now().millis());
        event.client_context = call.client_context;
        let message = NewMessage::new(encode(&Entry::Event(event), &call.payload));
        self.put_message(&target.function(), message).await.map_err(super::error::Failure::from)?;
        Ok(())
    }

    async fn put_message(&self, function: &Target, message: NewMessage) -> Result<(), store::Error> {
        let (key, queue) = (function.key(), queue_of(function));
        self.store.transact(move |tx| put(tx, &key, &queue, message.clone())).await?;
        self.serve(function);
        Ok(())
    }

    /// Starts the workers of all queues that an earlier process left something in. What that one was working on it will
    /// not end.
    pub(crate) async fn start_async_workers(&self) -> Result<(), store::Error> {
        for (key, _) in self.store.scan(EVENT_QUEUES, Scan::all()).await? {
            if let Some(function) = target_of(&key) {
                self.store.nack_all(&queue_of(&function), |receives| backoff_ms(receives.saturating_sub(1))).await?;
                self.serve(&function);
            }
        }
        Ok(())
    }

    /// Forgets all events of an account, or of all.
    pub(crate) async fn forget_events(&self, account: Option<AccountId>) -> Result<(), store::Error> {
        let scan = account.map_or_else(Scan::all, |account| Scan::under(account.as_str()));
        for (key, _) in self.store.scan(EVENT_QUEUES, scan).await? {
            let Some(function) = target_of(&key) else { continue };
            self.store.purge(&queue_of(&function)).await?;
            self.store.transact(move |tx| tx.delete(EVENT_QUEUES, &key)).await?;
        }
        Ok(())
    }

    /// Sees to it that somebody works on this function's queue.
    fn serve(&self, function: &Target) {
        let mut serving = self.workers.serving();
        if let Some(more) = serving.get_mut(function) {
            *more = true;
            return;
        }
        serving.insert(function.clone(), false);
        tokio::spawn(work(Arc::downgrade(&self.0), function.clone()));
    }

    /// Ends a function's worker, unless there is something to do after all.
    async fn end_serving(&self, function: &Target) -> bool {
        let (key, queue) = (function.key(), queue_of(function));
        let emptied = self.store.transact_with(Durability::Buffered, move |tx| {
            let empty = tx.next_visible_at_ms(&queue)?.is_none();
            if empty {
                tx.delete(EVENT_QUEUES, &key)?;
            }
            Ok::<bool, store::Error>(empty)
        });
        if !matches!(emptied.await, Ok(true)) {
            return false;
        }
        // What is accepted from here on finds either this worker, or none and starts another.
        let mut serving = self.workers.serving();
        match serving.get_mut(function) {
            Some(more) if *more => {
                *more = false;
                false
            }
            _ => {
                serving.remove(function);
                true
            }
        }
    }
}

/// How long something waits that failed so many times before.
fn backoff_ms(failures: u32) -> i64 {
    let (first, longest) = BACKOFF_MS;
    (first << failures.min(16)).min(longest)
}

/// A function's queue.
fn queue_of(function: &Target) -> Queue {
    Queue::named(format!("lambda.async/{}/{}/{}", function.account, function.region, function.name))
}

/// Puts a message into a function's queue, and notes that there is something in it.
fn put(tx: &mut Tx<'_>, function: &Key, queue: &Queue, message: NewMessage) -> Result<Enqueued, store::Error> {
    if !tx.exists(EVENT_QUEUES, function)? {
        tx.put(EVENT_QUEUES, function, &Mark {})?;
    }
    tx.enqueue(queue, message)
}

/// The worker of one function. It ends with the service, or when there has been nothing to do for a while.
async fn work(shared: Weak<Shared>, function: Target) {
    let queue = queue_of(&function);
    loop {
        let Some(lambda) = shared.upgrade().map(Lambda) else { return };
        if lambda.fleet.is_closed() {
            return;
        }
        // Only as many as can start now: a lease that waits runs out.
        let places = lambda.workers.places.take(&function, LEASED_MAX).await;
        match lambda.store.lease(&queue, places.len(), LEASE_MS).await {
            Ok(entries) if !entries.is_empty() => {
                for (leased, place) in entries.into_iter().zip(places) {
                    let (lambda, function) = (lambda.clone(), function.clone());
                    tokio::spawn(async move {
                        lambda.handle(&function, leased).await;
                        drop(place);
                    });
                }
            }
            Ok(_) => {
                drop(places);
                let store = lambda.store.clone();
                drop(lambda);
                let waited = tokio::time::timeout(LINGER, store.await_ready(&queue)).await;
                let Some(lambda) = shared.upgrade().map(Lambda) else { return };
                if waited.is_err() && lambda.end_serving(&function).await {
                    return;
                }
            }
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, function = function.name, "the queue of asynchronous events cannot be read");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
