//! The way in for segments that services and daemons send: gathered in memory, written a second later. Readers call
//! [`Intake::flush`] first. A crash loses what had not been written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base::{AccountId, Region};
use cloud::ports::Traces;
use store::{Durability, Store};
use tokio::sync::Notify;

use super::document::Document;
use super::otlp::Exporter;
use super::records::{self, Arrival, Owner};

/// How long segments gather.
const GATHER: Duration = Duration::from_secs(1);

/// How often a writer without work looks whether it is still wanted.
const LOOK_UP: Duration = Duration::from_secs(60);

/// Segments that may wait; beyond it they are dropped and counted.
const WAITING_MAX: usize = 20_000;

/// Segments written in one transaction.
const SEGMENTS_PER_COMMIT: usize = 250;

pub(super) struct Intake {
    store: Store,
    exporter: Option<Exporter>,
    waiting: Mutex<Waiting>,
    wake: Notify,
    /// One writer at a time, so that a reader who waited for it sees everything.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    segments: Vec<(Owner, String)>,
    dropped: u64,
}

impl Traces for Intake {
    fn put(&self, account: AccountId, region: &Region, document: String) {
        let mut waiting = self.waiting();
        if waiting.segments.len() >= WAITING_MAX {
            waiting.dropped += 1;
            return;
        }
        waiting.segments.push(((account, region.clone()), document));
        drop(waiting);
        self.wake.notify_one();
    }
}

impl Intake {
    pub(super) fn start(store: Store, exporter: Option<Exporter>) -> Arc<Intake> {
        let (waiting, wake, writing) = (Mutex::default(), Notify::new(), tokio::sync::Mutex::default());
        let intake = Arc::new(Intake { store, exporter, waiting, wake, writing });
        tokio::spawn(write(Arc::downgrade(&intake)));
        intake
    }

    /// Writes everything that waits.
    pub(super) async fn flush(&self) {
        let _one = self.writing.lock().await;
        let Waiting { segments, dropped } = std::mem::take(&mut *self.waiting());
        if dropped > 0 {
            tracing::warn!(dropped, "segments of traces came faster than they are stored and are lost");
        }
        let arrivals: Vec<Arrival> = segments.into_iter().filter_map(arrival).collect();
        for part in arrivals.chunks(SEGMENTS_PER_COMMIT) {
            if let Err(error) = self.add(part.to_vec()).await {
                tracing::error!(%error, "segments of traces could not be stored and are lost");
            }
        }
    }

    /// Adds segments, and has them exported if that is wanted; they survive the end of the process when this returns.
    pub(super) async fn add(&self, arrivals: Vec<Arrival>) -> store::Result<()> {
        if let Some(exporter) = &self.exporter {
            exporter.put(&arrivals);
        }
        let work = move |tx: &mut store::Tx<'_>| arrivals.iter().try_for_each(|arrival| records::add(tx, arrival));
        self.store.transact_with(Durability::Buffered, work).await
    }

    /// Writes everything that waits, and exports what the receiver still takes.
    pub(super) async fn close(&self) {
        self.flush().await;
        if let Some(exporter) = &self.exporter {
            exporter.close().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn arrival((owner, text): (Owner, String)) -> Option<Arrival> {
    match Document::read(&text) {
        Ok(document) => Some(Arrival::new(owner, &document, text)),
        Err(invalid) => {
            tracing::debug!(code = invalid.code, "a segment of a trace is none and is dropped");
            None
        }
    }
}

async fn write(intake: Weak<Intake>) {
    loop {
        let Some(this) = intake.upgrade() else { return };
        let woken = tokio::time::timeout(LOOK_UP, this.wake.notified()).await;
        if woken.is_ok() {
            tokio::time::sleep(GATHER).await;
            this.flush().await;
        }
    }
}
