//! The telemetry of one sandbox: who has subscribed to which streams, and what waits to be delivered.
//!
//! What happens is published here once, as an event of AWS's Telemetry API schema; each subscription takes those of its
//! types, in the form of its schema version, into a bounded buffer. `telemetry/deliver.rs` sends them, `telemetry/record.rs`
//! has the records of platform events, `runtime_api/subscribe.rs` is the HTTP side. While nobody can hear, nothing is
//! formatted or kept: that is one look at a flag.

mod deliver;
pub(crate) mod record;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use base::{Clock, Timestamp};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::{sync::Notify, task::JoinSet, time::Instant};

use super::{
    cell::Cell,
    spec::{LogSink, SandboxIdentity},
};

/// What is kept of the time before a subscription, in bytes: init, as a rule some hundred.
const BACKLOG_BYTES_MAX: usize = 256 * 1024;

/// A buffer takes twice what is configured before it drops: AWS's "payloads as large as 2 × maxBytes".
const OVERFLOW: usize = 2;

/// Through which API somebody has subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribedBy {
    /// The Telemetry API, of 2022.
    Telemetry,
    /// The Logs API, of 2020.
    Logs,
}

/// A version of the events' schema, in order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Schema {
    Logs2020,
    Logs2021,
    Telemetry2022July,
    Telemetry2022December,
    Telemetry2025,
}

/// A stream of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// What Lambda itself does.
    Platform,
    /// What the function writes.
    Function,
    /// What extensions write.
    Extension,
}

impl Stream {
    /// As subscriptions spell it.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Platform => "platform",
            Stream::Function => "function",
            Stream::Extension => "extension",
        }
    }
}

/// How much to wait for before sending. AWS's ranges are checked where it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Buffering {
    pub(crate) items_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) timeout: Duration,
}

/// Where to send, within the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// An array of events in the body of a POST.
    Http { port: u16, path: String },
    /// A line for each event.
    Tcp { port: u16 },
}

/// What an extension asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) by: SubscribedBy,
    pub(crate) schema: Schema,
    pub(crate) streams: Vec<Stream>,
    pub(crate) buffering: Buffering,
    pub(crate) destination: Destination,
}

/// Somebody has subscribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionState {
    /// The extension.
    pub name: String,
    /// How.
    pub by: SubscribedBy,
    /// To what.
    pub streams: Vec<Stream>,
}

/// Why a subscription was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Init is over.
    Closed,
    /// It has subscribed by the other API.
    OtherApi,
}

/// An event as it is published; what it looks like depends on the schema of whom it is for.
struct Event {
    stream: Stream,
    kind: &'static str,
    at_ms: i64,
    record: Record,
}

enum Record {
    /// JSON.
    Object(String),
    /// A line, or several.
    Text(Bytes),
}

impl Event {
    fn len(&self) -> usize {
        match &self.record {
            Record::Object(json) => json.len(),
            Record::Text(text) => text.len(),
        }
    }
}

/// A subscription.
struct Subscription {
    wish: Wish,
    queue: Mutex<Queue>,
    woken: Notify,
    clock: Clock,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Bytes>,
    bytes: usize,
    /// When the first of them came.
    since: Option<Instant>,
    dropped_events: u64,
    dropped_bytes: u64,
    /// Send at once what there is.
    flush: bool,
}

#[derive(Default)]
struct State {
    /// Nobody subscribes any more.
    closed: bool,
    /// What was published before anybody subscribed, and how many bytes that is.
    backlog: Vec<Event>,
    backlog_bytes: usize,
    subscriptions: Vec<Arc<Subscription>>,
}

/// All of a sandbox.
pub(crate) struct Telemetry {
    /// Whether anybody hears, or may still come to hear of what is now.
    watched: AtomicBool,
    state: Mutex<State>,
    deliveries: Mutex<JoinSet<()>>,
    cell: Arc<Cell>,
    clock: Clock,
    identity: Arc<OnceLock<SandboxIdentity>>,
    sink: OnceLock<Arc<dyn LogSink>>,
    /// When its function's init began.
    began_ms: AtomicI64,
    /// That init is a second one, within an invocation.
    again: AtomicBool,
}

impl Telemetry {
    pub(crate) fn new(cell: Arc<Cell>, clock: Clock, identity: Arc<OnceLock<SandboxIdentity>>) -> Telemetry {
        Telemetry {
            watched: AtomicBool::new(false),
            state: Mutex::default(),
            deliveries: Mutex::default(),
            cell,
            clock,
            identity,
            sink: OnceLock::new(),
            began_ms: AtomicI64::new(0),
            again: AtomicBool::new(false),
        }
    }

    /// It has its function from now on.
    pub(crate) fn begin(&self, sink: Arc<dyn LogSink>) {
        let _ = self.sink.set(sink);
        self.began_ms.store(self.clock.now().millis(), Ordering::Relaxed);
    }

    /// Its init is a second one, within an invocation.
    pub(crate) fn begin_again(&self) {
        self.again.store(true, Ordering::Relaxed);
    }

    /// Which part of the environment's life its init is.
    pub(crate) fn phase(&self) -> record::Phase {
        if self.again.load(Ordering::Relaxed) { record::Phase::Invoke } else { record::Phase::Init }
    }

    /// Whether what happens is worth formatting.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }

    /// The first extension appears: what happens from now on, and the beginning of init, is kept for it.
    pub(crate) fn watch(&self) {
        let mut state = lock(&self.state);
        if state.closed || self.watched.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(identity) = self.identity.get() {
            let record = Record::Object(record::init_start(&identity.spec, self.phase()));
            let at_ms = self.began_ms.load(Ordering::Relaxed);
            keep(&mut state, Event { stream: Stream::Platform, kind: record::INIT_START, at_ms, record });
        }
    }

    /// Init is over: nobody subscribes any more, and what nobody has asked for is forgotten.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        (state.backlog, state.backlog_bytes) = (Vec::new(), 0);
        self.watched.store(!state.subscriptions.is_empty(), Ordering::Release);
    }

    /// Takes a subscription in: a new one, or another of the same extension in place of its former one.
    pub(crate) fn subscribe(&self, wish: Wish) -> Result<(), Refused> {
        {
            let mut state = lock(&self.state);
            if state.closed {
                return Err(Refused::Closed);
            }
            let former = state.subscriptions.iter().position(|one| one.wish.name == wish.name);
            if former.is_some_and(|at| state.subscriptions[at].wish.by != wish.by) {
                return Err(Refused::OtherApi);
            }
            if former.is_some_and(|at| state.subscriptions[at].wish.destination == wish.destination) {
                return Ok(()); // the same once more is no second one
            }
            let subscription = Arc::new(Subscription {
                wish: wish.clone(),
                queue: Mutex::default(),
                woken: Notify::new(),
                clock: self.clock.clone(),
            });
            state.backlog.iter().for_each(|event| subscription.take(event));
            match former {
                Some(at) => state.subscriptions[at] = Arc::clone(&subscription),
                None => state.subscriptions.push(Arc::clone(&subscription)),
            }
            lock(&self.deliveries).spawn(deliver::run(subscription, Arc::clone(&self.cell)));
        }
        self.watched.store(true, Ordering::Release);
        let state = SubscriptionState { name: wish.name, by: wish.by, streams: wish.streams };
        self.platform(record::subscription_kind(state.by), record::subscription(&state));
        if let Some(sink) = self.sink.get() {
            sink.subscription(&state);
        }
        Ok(())
    }

    /// Publishes a platform event, whose record is JSON. Ask [`Telemetry::is_watched`] before making one.
    pub(crate) fn platform(&self, kind: &'static str, record: String) {
        let at_ms = self.clock.now().millis();
        self.publish(Event { stream: Stream::Platform, kind, at_ms, record: Record::Object(record) });
    }

    /// Publishes what was written to a log.
    pub(crate) fn line(&self, stream: Stream, at_ms: i64, text: Bytes) {
        self.publish(Event { stream, kind: stream.name(), at_ms, record: Record::Text(text) });
    }

    fn publish(&self, event: Event) {
        let mut state = lock(&self.state);
        state.subscriptions.iter().for_each(|one| one.take(&event));
        if !state.closed {
            keep(&mut state, event);
        }
    }

    /// Sends what waits, and from now on what comes at once: the environment is about to end.
    pub(crate) fn flush(&self) {
        for one in &lock(&self.state).subscriptions {
            lock(&one.queue).flush = true;
            one.woken.notify_one();
        }
    }
}

fn keep(state: &mut State, event: Event) {
    if state.backlog_bytes + event.len() <= BACKLOG_BYTES_MAX {
        state.backlog_bytes += event.len();
        state.backlog.push(event);
    }
}

#[derive(Serialize)]
struct Written<'a> {
    time: String,
    r#type: &'a str,
    record: &'a RawValue,
}

impl Subscription {
    /// Puts an event into the buffer, if it is of this subscription's kind.
    fn take(&self, event: &Event) {
        let wanted = self.wish.streams.contains(&event.stream) && record::is_known(event.kind, self.wish.schema);
        if !wanted {
            return;
        }
        if let Some(written) = self.write(event) {
            self.push(written);
        }
    }

    fn write(&self, event: &Event) -> Option<Bytes> {
        let json = match &event.record {
            Record::Object(json) => json.clone(),
            Record::Text(text) => self.write_text(text),
        };
        let record = RawValue::from_string(json).ok()?;
        let time = Timestamp::from_millis(event.at_ms).to_lambda().replace("+0000", "Z");
        serde_json::to_vec(&Written { time, r#type: event.kind, record: &record }).ok().map(Bytes::from)
    }

    /// A line as a string. Since December 2022 one that is a JSON object is given as the object.
    fn write_text(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        let is_object = self.wish.schema >= Schema::Telemetry2022December
            && text.starts_with('{')
            && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        if is_object { text.into_owned() } else { serde_json::to_string(&text).unwrap_or_default() }
    }

    fn push(&self, written: Bytes) {
        let Buffering { items_max, bytes_max, .. } = self.wish.buffering;
        let mut queue = lock(&self.queue);
        if queue.events.len() >= items_max * OVERFLOW || queue.bytes + written.len() > bytes_max * OVERFLOW {
            queue.dropped_events += 1;
            queue.dropped_bytes += written.len() as u64;
            return;
        }
        queue.bytes += written.len();
        queue.events.push_back(written);
        let first = queue.since.is_none();
        queue.since.get_or_insert_with(Instant::now);
        if first || queue.flush || queue.events.len() >= items_max || queue.bytes >= bytes_max {
            self.woken.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
