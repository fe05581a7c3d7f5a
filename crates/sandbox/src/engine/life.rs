//! The life of one sandbox: its handle, its conversation, its logs, the connections it makes; and its end.
//!
//! A `Life` is either parked in a pool or owned by a [`super::Sandbox`]. Dropping it, in whatever state, buries it in the
//! background; its place counts as taken until it is really gone.

use std::{
    future::pending,
    io,
    net::TcpListener,
    sync::{Arc, OnceLock},
    time::Duration,
};

use base::Clock;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::{
    EndpointHandler,
    cell::{Cell, Exit, Parts},
    channel::{Channel, Event, FromRuntime, ImageOrder},
    debugger::{Debugger, overdue},
    extensions::{Extensions, Fault},
    frames::FrameSocket,
    idle::Rest,
    logs::Logs,
    runtime_api::RuntimeApi,
    shutdown::Reason,
    spec::{Failure, LogSink, SandboxIdentity},
    stream::Delivery,
    telemetry::Telemetry,
    trace_daemon::{self, TraceDaemon},
};

/// How long a runtime that hung up, or whose end we saw before its last words, is waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long words already on their way over HTTP are waited for once the process is gone.
const WORDS_UNDER_WAY: Duration = Duration::from_millis(5);

/// Unsampled time after which memory use is asked for again. Touching a page costs at least a microsecond, so within
/// 2 ms a function can at most have taken 8 MB more than the last sample says.
const SAMPLE_AFTER: Duration = Duration::from_millis(2);

/// How long the answer to a request may wait for the end of the sandbox that failed it. Ends take less than 1 ms, but those
/// of a thousand processes on a busy host seconds; the rest of them happens in the background.
const END_PATIENCE: Duration = Duration::from_millis(50);

/// What the engine says before it listens.
pub(crate) enum Say<'a> {
    /// Nothing: custom runtimes come by themselves.
    Nothing,
    /// The function's settings.
    Init(&'a [u8]),
    /// Go on, snapshot.
    Restore,
    /// Something about images.
    Image(ImageOrder<'a>),
    /// One event.
    Event(Event),
}

/// What ended the listening.
#[derive(Debug)]
pub(crate) enum Heard {
    Message(FromRuntime),
    Exit(Exit),
    /// An extension ends the environment.
    Extension(Fault),
    Deadline,
}

/// A sandbox.
pub(crate) struct Life {
    pub(crate) cell: Arc<Cell>,
    pub(crate) rest: Arc<Rest>,
    /// Address of its Runtime API where that is not AWS's own (process isolation).
    pub(crate) runtime_api: Option<String>,
    /// Its extensions, if it has any.
    pub(crate) extensions: Arc<Extensions>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// Name and number of the processes of external ones.
    pub(crate) companions: Vec<(String, u64)>,
    pub(crate) logs: Logs,
    pub(crate) clock: Clock,
    channel: Channel,
    identity: Arc<OnceLock<SandboxIdentity>>,
    memory_peak_bytes: u64,
    unsampled: Option<Duration>,
    place: Option<OwnedSemaphorePermit>,
    debugger: Option<Debugger>,
    guests: JoinSet<()>,
    /// Whether the trace daemon listens inside.
    traced: bool,
}

/// What every life of an engine shares.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) endpoint: EndpointHandler,
    pub(crate) clock: Clock,
    #[cfg(target_os = "linux")]
    pub(crate) dns: Arc<crate::net::dns::Upstream>,
}

impl Life {
    /// Takes over a new sandbox. Must be called within a tokio runtime.
    pub(crate) fn new(
        parts: Parts,
        place: OwnedSemaphorePermit,
        sink: Arc<dyn LogSink>,
        surroundings: &Surroundings,
    ) -> io::Result<Life> {
        let cell = Arc::new(parts.cell);
        let mut grave = Grave { cell: Some(cell.clone()), place: Some(place) };
        let identity = Arc::new(OnceLock::new());
        let mut guests = JoinSet::new();
        if let Some(listener) = parts.endpoint {
            listener.set_nonblocking(true)?;
            guests.spawn(welcome(listener, identity.clone(), surroundings.endpoint.clone()));
        }
        #[cfg(target_os = "linux")]
        if let Some(socket) = parts.dns {
            socket.set_nonblocking(true)?;
            let socket = tokio::net::UdpSocket::from_std(socket)?;
            let upstream = surroundings.dns.clone();
            guests.spawn(async move {
                if let Err(error) = crate::net::dns::forward(socket, upstream).await {
                    tracing::debug!(%error, "a sandbox has lost its name server");
                }
            });
        }
        let runtime_api = match &*cell {
            Cell::Process(_) => Some(parts.runtime_api.local_addr()?.to_string()),
            #[cfg(target_os = "linux")]
            Cell::Isolated(_) => None,
        };
        let frames = parts.frames.map(FrameSocket::new).transpose()?;
        let extensions = Arc::<Extensions>::default();
        let telemetry = Arc::new(Telemetry::new(cell.clone(), surroundings.clock.clone(), identity.clone()));
        let api = RuntimeApi::start(parts.runtime_api, identity.clone(), extensions.clone(), telemetry.clone())?;
        let mut logs = Logs::new(parts.output, parts.telemetry, sink, surroundings.clock.clone())?;
        logs.tap(telemetry.clone());
        let life = Life {
            rest: Rest::new(cell.clone()),
            runtime_api,
            extensions,
            companions: Vec::new(),
            clock: surroundings.clock.clone(),
            channel: Channel::new(frames, api),
            logs,
            telemetry,
            identity,
            memory_peak_bytes: 0,
            unsampled: None,
            place: grave.place.take(),
            debugger: None,
            guests,
            traced: false,
            cell,
        };
        grave.cell = None;
        Ok(life)
    }

    /// From now on it is this one.
    pub(crate) fn name(&mut self, identity: SandboxIdentity, sink: Arc<dyn LogSink>) {
        if let Some(debug) = identity.spec.debug {
            self.debugger = Some(Debugger::open(debug, self.cell.clone(), sink.clone(), self.clock.clone()));
        }
        let _ = self.identity.set(identity);
        self.telemetry.begin(sink.clone());
        self.logs.set_sink(sink);
    }

    /// Whether it may be frozen when it has nothing to do: a debugger expects answers from a function that idles.
    pub(crate) fn may_rest(&self) -> bool {
        self.debugger.is_none()
    }

    /// Runs something beside it until it ends.
    pub(crate) fn watch(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.guests.spawn(task);
    }

    /// Opens the trace daemon's port inside, if it is not open yet.
    pub(crate) async fn trace(&mut self, daemon: &Arc<dyn TraceDaemon>) {
        if std::mem::replace(&mut self.traced, true) {
            return;
        }
        if let Some(socket) = self.cell.trace_daemon().await {
            self.guests.spawn(trace_daemon::serve(socket, daemon.clone()));
        }
    }

    /// Says something and hands on logs until the runtime answers, ends, or the time is over.
    pub(crate) async fn converse(&mut self, say: Say<'_>, deadline: Instant) -> Heard {
        let Life { channel, logs, cell, extensions, debugger, .. } = self;
        // At init one may appear at any time.
        let watched = !matches!(say, Say::Event(_)) || extensions.any();
        let talk = async {
            let said = match say {
                Say::Nothing => Ok(()),
                Say::Init(settings) => channel.send_init(settings).await,
                Say::Restore => channel.send_restore().await,
                Say::Image(order) => channel.send_image(order).await,
                Say::Event(event) => channel.send_event(event).await,
            };
            match said {
                Ok(()) => channel.receive().await,
                Err(_) => FromRuntime::Closed,
            }
        };
        let fault = async { if watched { extensions.fault().await } else { pending().await } };
        let heard = until(talk, cell, fault, logs, overdue(deadline, debugger.as_ref())).await;
        self.last_words(heard).await
    }

    /// Waits until the extensions are done, with logs, as [`Life::converse`]; none when they are.
    pub(crate) async fn attend(
        &mut self,
        extensions_done: impl Future<Output = ()>,
        deadline: Instant,
    ) -> Option<Heard> {
        let Life { logs, cell, extensions, debugger, .. } = self;
        tokio::select! {
            biased;
            fault = extensions.fault() => Some(Heard::Extension(fault)),
            () = extensions_done => None,
            exit = cell.exited() => Some(Heard::Exit(exit)),
            () = overdue(deadline, debugger.as_ref()) => Some(Heard::Deadline),
            never = logs.pump() => match never {},
        }
    }

    /// As [`Life::converse`], within a streamed answer: what was heard before goes to the caller first. Of what a runtime
    /// wrote before its end nothing is lost.
    pub(crate) async fn relay(&mut self, delivery: &mut Delivery, deadline: Instant) -> Heard {
        let Life { channel, logs, cell, extensions, debugger, .. } = self;
        let talk = async {
            delivery.flush().await;
            channel.receive().await
        };
        let heard = until(talk, cell, extensions.fault_if_any(), logs, overdue(deadline, debugger.as_ref())).await;
        if matches!(heard, Heard::Exit(_)) && timeout_at(deadline, delivery.flush()).await.is_err() {
            return heard;
        }
        self.last_words(heard).await
    }

    /// The end of a runtime may be seen before its last words are heard, and the other way round.
    async fn last_words(&mut self, heard: Heard) -> Heard {
        match heard {
            Heard::Message(FromRuntime::Closed) => match timeout(LAST_WORDS, self.cell.exited()).await {
                Ok(exit) => Heard::Exit(exit),
                Err(_) => Heard::Message(FromRuntime::Closed),
            },
            Heard::Exit(exit) => match timeout(WORDS_UNDER_WAY, self.channel.receive()).await {
                Ok(message) if message != FromRuntime::Closed => Heard::Message(message),
                _ => Heard::Exit(exit),
            },
            other => other,
        }
    }

    /// Whether the runtime has said nothing unasked-for.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.channel.is_quiet()
    }

    /// Whether it could take another request.
    pub(crate) fn is_alive(&self) -> bool {
        !self.cell.has_exited()
    }

    /// Hands on all logs written so far.
    pub(crate) fn drain_logs(&mut self) {
        self.logs.drain();
    }

    /// Most memory it ever used, asked for anew when `used` more time may have changed it.
    pub(crate) async fn memory_peak(&mut self, used: Duration) -> u64 {
        let unsampled = self.unsampled.map_or(Duration::MAX, |before| before + used);
        if unsampled >= SAMPLE_AFTER {
            self.memory_peak_bytes = self.memory_peak_bytes.max(self.cell.usage().await.memory_peak_bytes);
            self.unsampled = Some(Duration::ZERO);
        } else {
            self.unsampled = Some(unsampled);
        }
        self.memory_peak_bytes
    }

    /// Kills it, hands on its last logs, and answers its peak memory and why it has to be gone: `failure`, or
    /// [`Failure::OutOfMemory`] where that was behind it. What takes longer than [`END_PATIENCE`] to end does so later, and so
    /// does what has extensions.
    pub(crate) async fn end(mut self, failure: Failure, exit: Option<Exit>) -> (Failure, u64) {
        let mut peak = self.memory_peak_bytes.max(exit.map_or(0, |exit| exit.memory_peak_bytes));
        let mut out_of_memory = exit.is_some_and(|exit| exit.out_of_memory);
        if peak == 0 || exit.is_none() {
            let usage = self.cell.usage().await;
            peak = peak.max(usage.memory_peak_bytes);
            out_of_memory |= usage.oom_kills > 0;
        }
        let by_memory = out_of_memory && matches!(failure, Failure::Exit { .. });
        let failure = if by_memory { Failure::OutOfMemory } else { failure };
        if self.extensions.any() {
            self.logs.drain();
            self.retire(Reason::of(&failure));
            return (failure, peak);
        }
        // Dropping `self` asks for the same once more, and waits for it.
        let _ = timeout(END_PATIENCE, self.cell.destroy()).await;
        self.logs.drain();
        (failure, peak)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        drop(Grave { cell: Some(self.cell.clone()), place: self.place.take() });
    }
}

/// Listens and hands on logs until the runtime has spoken, ends, or the time is over.
async fn until(
    talk: impl Future<Output = FromRuntime>,
    cell: &Cell,
    fault: impl Future<Output = Fault>,
    logs: &mut Logs,
    overdue: impl Future<Output = ()>,
) -> Heard {
    tokio::select! {
        biased;
        message = talk => Heard::Message(message),
        fault = fault => Heard::Extension(fault),
        exit = cell.exited() => Heard::Exit(exit),
        () = overdue => Heard::Deadline,
        never = logs.pump() => match never {},
    }
}

/// Buries a sandbox when dropped, unless it has been taken out.
struct Grave {
    cell: Option<Arc<Cell>>,
    place: Option<OwnedSemaphorePermit>,
}

impl Drop for Grave {
    fn drop(&mut self) {
        let (Some(cell), place) = (self.cell.take(), self.place.take()) else {
            return;
        };
        // Outside of a runtime the server is past its end, and the spawner's own end buries everything.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                cell.destroy().await;
                drop(place);
            });
        }
    }
}

/// Connections that one sandbox may have to the server's endpoint at a time; further ones wait.
const CONNECTIONS_MAX: usize = 64;

/// Hands over the connections a sandbox makes to the server's endpoint. Before it has a function there are none to be
/// expected: nothing but our own boot files has run in it.
async fn welcome(listener: TcpListener, identity: Arc<OnceLock<SandboxIdentity>>, endpoint: EndpointHandler) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut conversations = JoinSet::new();
    loop {
        let Ok(place) = room.clone().acquire_owned().await else {
            return;
        };
        while conversations.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Some(identity) = identity.get() {
                    let _ = stream.set_nodelay(true);
                    let conversation = endpoint(stream, identity.clone());
                    conversations.spawn(async move {
                        conversation.await;
                        drop(place);
                    });
                }
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
