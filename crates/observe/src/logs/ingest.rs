//! The way in for what functions write: appended in memory, written to the store in batches a few milliseconds later.
//!
//! The writer commits without waiting for the disk: what it wrote survives the end of the process, not of the machine.
//! Readers call [`Ingest::flush`] first, so everything appended is readable at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use base::{Clock, Timestamp};
use cloud::ports::{LogDestination, LogEvent, LogSink};
use store::{Durability, Store, Tx};
use tokio::sync::{Notify, watch};

use crate::metrics::embedded;

use super::records::{EVENTS, Events, GROUPS, Group, Position, STREAMS, Stream, event_key, group_key, stream_key};

/// Bytes that may wait to be written, of one stream and in all; beyond it events are dropped, counted, and the stream says
/// how many. A stream's share holds a burst of the size that the engine lets pass at once, and is small beside the whole, so
/// that one that floods takes nobody else's place.
const STREAM_BACKLOG_BYTES_MAX: usize = 24 * 1024 * 1024;
const BACKLOG_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What one event costs beside its message: AWS counts 26 bytes.
pub(super) const EVENT_OVERHEAD_BYTES: usize = 26;

/// Events and bytes of one transaction; a stream that floods takes several. Bytes that are no UTF-8 grow threefold, and a
/// transaction holds 32 MB.
const EVENTS_PER_COMMIT: usize = 4_000;
const BYTES_PER_COMMIT: usize = 8 * 1024 * 1024;

/// Events of one record; longer ones have a record each.
const RECORD_BYTES_MAX: usize = 32 * 1024;

/// How long events gather before they are written, unless a reader waits for them: a busy function writes thousands of
/// lines a second, and a transaction for each would cost more than the function.
const GATHER: Duration = Duration::from_millis(5);

/// How often a writer without work looks whether it is still wanted.
const LOOK_UP: Duration = Duration::from_secs(60);

/// Events on their way into the store.
pub(super) struct Ingest {
    state: Mutex<Backlog>,
    /// There is something to write.
    wake: Notify,
    /// Somebody waits for it.
    hurry: Notify,
    written: watch::Sender<u64>,
}

#[derive(Default)]
struct Backlog {
    streams: HashMap<LogDestination, Waiting>,
    bytes: usize,
    /// Appends so far.
    appended: u64,
}

/// What waits of one stream.
#[derive(Default)]
struct Waiting {
    events: Vec<LogEvent>,
    bytes: usize,
    dropped: u64,
}

impl Waiting {
    /// The events, with a word about those that were dropped.
    fn into_events(mut self, now: Timestamp) -> Vec<LogEvent> {
        if self.dropped > 0 {
            let words = format!("[updraft] {} log events were dropped: written faster than stored\n", self.dropped);
            self.events.push(LogEvent { at: now, message: words.into() });
        }
        self.events
    }
}

impl Ingest {
    pub(super) fn start(store: Store, clock: Clock) -> Arc<Ingest> {
        let ingest = Arc::new(Ingest {
            state: Mutex::default(),
            wake: Notify::new(),
            hurry: Notify::new(),
            written: watch::Sender::new(0),
        });
        tokio::spawn(write(Arc::downgrade(&ingest), store, clock));
        ingest
    }

    /// Waits until everything appended before the call is in the store.
    pub(super) async fn flush(&self) {
        let goal = self.lock().appended;
        let mut written = self.written.subscribe();
        if *written.borrow() < goal {
            self.hurry.notify_one();
        }
        _ = written.wait_for(|done| *done >= goal).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Backlog> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, now: Timestamp) -> (Vec<(LogDestination, Vec<LogEvent>)>, u64) {
        let mut backlog = self.lock();
        backlog.bytes = 0;
        let (streams, appended) = (std::mem::take(&mut backlog.streams), backlog.appended);
        drop(backlog);
        (streams.into_iter().map(|(to, waiting)| (to, waiting.into_events(now))).collect(), appended)
    }
}

impl Ingest {
    fn push(&self, to: &LogDestination, events: Vec<LogEvent>, may_drop: bool) {
        let size: usize = events.iter().map(|e| e.message.len() + EVENT_OVERHEAD_BYTES).sum();
        let mut backlog = self.lock();
        backlog.appended += 1;
        let full = backlog.bytes + size > BACKLOG_BYTES_MAX;
        let waiting = backlog.streams.entry(to.clone()).or_default();
        if may_drop && (full || waiting.bytes + size > STREAM_BACKLOG_BYTES_MAX) {
            waiting.dropped += events.len() as u64;
        } else {
            waiting.bytes += size;
            waiting.events.extend(events);
            backlog.bytes += size;
        }
        drop(backlog);
        self.wake.notify_one();
    }
}

impl LogSink for Ingest {
    fn append(&self, to: &LogDestination, events: Vec<LogEvent>) {
        self.push(to, events, true);
    }

    fn append_own(&self, to: &LogDestination, events: Vec<LogEvent>) {
        self.push(to, events, false);
    }

    fn flushed(&self) -> cloud::BoxFuture<'_, ()> {
        Box::pin(self.flush())
    }
}

/// The writer: one task, ends with the last handle.
async fn write(ingest: Weak<Ingest>, store: Store, clock: Clock) {
    while let Some(this) = ingest.upgrade() {
        if tokio::time::timeout(LOOK_UP, this.wake.notified()).await.is_err() {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = this.hurry.notified() => {}
        }
        let (streams, appended) = this.take(clock.now());
        // All at once, so that many streams share one commit.
        let writes = streams.into_iter().map(|(to, events)| write_stream(&store, to, events, clock.now().millis()));
        futures_util::future::join_all(writes).await;
        this.written.send_replace(appended);
    }
}

async fn write_stream(store: &Store, to: LogDestination, events: Vec<LogEvent>, now_ms: i64) {
    for part in parts(&events) {
        if let Err(error) = append_now(store, &to, part.to_vec(), now_ms).await {
            tracing::error!(%error, group = &*to.group, "log events could not be stored and are lost");
        }
    }
    let messages = events.iter().map(|event| event.message.as_ref());
    embedded::record(store, (to.account, &to.region), Timestamp::from_millis(now_ms), messages).await;
}

/// The events in portions that one transaction takes.
fn parts(events: &[LogEvent]) -> impl Iterator<Item = &[LogEvent]> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |event: &&LogEvent| {
            bytes += event.message.len() + EVENT_OVERHEAD_BYTES;
            bytes <= BYTES_PER_COMMIT
        };
        let count = rest.iter().take(EVENTS_PER_COMMIT).take_while(fits).count();
        let (part, later) = rest.split_at(count.max(1).min(rest.len()));
        rest = later;
        (!part.is_empty()).then_some(part)
    })
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
    let mut together: Option<(Position, Events)> = None;
    let mut bytes = 0;
    for (time_ms, message) in events {
        let size = message.len() + EVENT_OVERHEAD_BYTES;
        stream.stored_bytes += size as i64;
        stream.first_event_ms = Some(stream.first_event_ms.map_or(time_ms, |first| first.min(time_ms)));
        stream.last_event_ms = Some(stream.last_event_ms.map_or(time_ms, |last| last.max(time_ms)));
        bytes += size;
        match &mut together {
            Some((first, events)) if first.time_ms == time_ms && bytes <= RECORD_BYTES_MAX => {
                events.messages.push(message)
            }
            _ => {
                let first = Position { time_ms, number: stream.next_number };
                let before = together.replace((first, Events { ingestion_ms: now_ms, messages: vec![message] }));
                if let Some((first, events)) = before {
                    tx.put(EVENTS, &event_key(&group.id, name, first), &events)?;
                }
                bytes = size;
            }
        }
        stream.next_number += 1;
    }
    if let Some((first, events)) = together {
        tx.put(EVENTS, &event_key(&group.id, name, first), &events)?;
    }
    stream.last_ingestion_ms = Some(now_ms);
    tx.put(STREAMS, &stream_key(&group.id, name), &stream)
}
