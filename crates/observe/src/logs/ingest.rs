//! The way in for what functions write: appended in memory, written to the store in batches a few milliseconds later.
//!
//! The writer commits without waiting for the disk: what it wrote survives the end of the process, not of the machine.
//! Readers call [`Ingest::flush`] first, so everything appended is readable at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use base::Clock;
use bytes::Bytes;
use cloud::ports::{LogDestination, LogEvent, LogSink};
use store::{Durability, Store, Tx};
use tokio::sync::{Notify, watch};

use super::records::{EVENTS, Event, GROUPS, Group, Position, STREAMS, Stream, event_key, group_key, stream_key};

/// Bytes that may wait to be written; beyond it events are dropped, counted, and the stream says how many.
const BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What one event costs beside its message: AWS counts 26 bytes.
pub(super) const EVENT_OVERHEAD_BYTES: usize = 26;

/// Events of one transaction; a stream that floods takes several.
const EVENTS_PER_COMMIT: usize = 4_000;

/// Events on their way into the store.
pub(super) struct Ingest {
    state: Mutex<Backlog>,
    wake: Notify,
    written: watch::Sender<u64>,
}

#[derive(Default)]
struct Backlog {
    streams: HashMap<LogDestination, Vec<LogEvent>>,
    dropped: HashMap<LogDestination, u64>,
    bytes: usize,
    /// Appends so far.
    appended: u64,
}

impl Ingest {
    pub(super) fn start(store: Store, clock: Clock) -> Arc<Ingest> {
        let ingest =
            Arc::new(Ingest { state: Mutex::default(), wake: Notify::new(), written: watch::Sender::new(0) });
        tokio::spawn(write(Arc::downgrade(&ingest), store, clock));
        ingest
    }

    /// Waits until everything appended before the call is in the store.
    pub(super) async fn flush(&self) {
        let goal = self.lock().appended;
        let mut written = self.written.subscribe();
        _ = written.wait_for(|done| *done >= goal).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Backlog> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> (Vec<(LogDestination, Vec<LogEvent>)>, u64) {
        let mut backlog = self.lock();
        backlog.bytes = 0;
        let mut streams = std::mem::take(&mut backlog.streams);
        for (to, count) in std::mem::take(&mut backlog.dropped) {
            let events = streams.entry(to).or_default();
            let at = events.last().map_or_else(|| base::Timestamp::from_millis(0), |e| e.at);
            let message = Bytes::from(format!("[updraft] {count} log events were dropped: written faster than stored"));
            events.push(LogEvent { at, message });
        }
        (streams.into_iter().collect(), backlog.appended)
    }
}

impl LogSink for Ingest {
    fn append(&self, to: &LogDestination, events: Vec<LogEvent>) {
        let mut backlog = self.lock();
        backlog.appended += 1;
        let size: usize = events.iter().map(|e| e.message.len() + EVENT_OVERHEAD_BYTES).sum();
        if backlog.bytes + size > BACKLOG_BYTES_MAX {
            *backlog.dropped.entry(to.clone()).or_default() += events.len() as u64;
        } else {
            backlog.bytes += size;
            backlog.streams.entry(to.clone()).or_default().extend(events);
        }
        drop(backlog);
        self.wake.notify_one();
    }
}

/// The writer: one task, ends with the last handle.
async fn write(ingest: Weak<Ingest>, store: Store, clock: Clock) {
    loop {
        let Some(this) = ingest.upgrade() else { return };
        let notified = this.wake.notified();
        let (streams, appended) = this.take();
        let idle = streams.is_empty();
        for (to, events) in streams {
            for part in events.chunks(EVENTS_PER_COMMIT) {
                if let Err(error) = append_now(&store, &to, part.to_vec(), clock.now().millis()).await {
                    tracing::error!(%error, group = &*to.group, "log events could not be stored and are lost");
                }
            }
        }
        this.written.send_replace(appended);
        if idle {
            // Holding only a weak handle while waiting lets the service end.
            let waiting = tokio::time::timeout(std::time::Duration::from_secs(60), notified);
            _ = waiting.await;
        }
    }
}

async fn append_now(store: &Store, to: &LogDestination, events: Vec<LogEvent>, now_ms: i64) -> store::Result<()> {
    let to = to.clone();
    let key = group_key(to.account, &to.region, &to.group);
    store
        .transact_with(Durability::Buffered, move |tx| {
            let group = match tx.get(GROUPS, &key)? {
                Some(group) => group,
                None => {
                    let group = Group {
                        id: base::id::uuid(),
                        created_ms: now_ms,
                        retention_days: None,
                        tags: Default::default(),
                        class: None,
                    };
                    tx.put(GROUPS, &key, &group)?;
                    group
                }
            };
            let known = tx.get(STREAMS, &stream_key(&group.id, &to.stream))?;
            let stream = known.unwrap_or(Stream { created_ms: now_ms, ..Stream::default() });
            let events = events.iter().map(|e| (e.at.millis(), String::from_utf8_lossy(&e.message).into_owned()));
            put_events(tx, &group, &to.stream, stream, events, now_ms)
        })
        .await
}

/// Writes events into a stream and keeps its totals; the one place that does.
pub(super) fn put_events(
    tx: &mut Tx<'_>,
    group: &Group,
    name: &str,
    mut stream: Stream,
    events: impl Iterator<Item = (i64, String)>,
    now_ms: i64,
) -> store::Result<()> {
    for (time_ms, message) in events {
        stream.stored_bytes += (message.len() + EVENT_OVERHEAD_BYTES) as i64;
        stream.first_event_ms = Some(stream.first_event_ms.map_or(time_ms, |first| first.min(time_ms)));
        stream.last_event_ms = Some(stream.last_event_ms.map_or(time_ms, |last| last.max(time_ms)));
        let at = Position { time_ms, number: stream.next_number };
        tx.put(EVENTS, &event_key(&group.id, name, at), &Event { ingestion_ms: now_ms, message })?;
        stream.next_number += 1;
    }
    stream.last_ingestion_ms = Some(now_ms);
    tx.put(STREAMS, &stream_key(&group.id, name), &stream)
}
