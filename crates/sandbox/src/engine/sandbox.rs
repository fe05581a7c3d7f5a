//! One execution environment and the route of a request through it: thaw, init (twice, as AWS does), invoke, report.
//!
//! Init may also be run ahead of any request ([`Sandbox::initialise`]); requests then find it done. Or it stops at its end, as
//! a snapshot, and is restored when a request comes (`snapshot`).

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Inner, LaunchPath,
    cell::Exit,
    channel::{Event, FromRuntime},
    companions,
    extensions::{ExtensionEvent, Fault},
    life::{Heard, Life, Say},
    runtime_api::extension::invoke_event,
    shutdown::{AtWork, Reason},
    spec::{
        EarlyAnswer, Failure, InitFailure, InitReport, InitStatus, LogSink, Outcome, RESPONSE_BYTES_MAX, Request,
        RestoreReport, SandboxIdentity,
    },
    stream,
    telemetry::{Telemetry, record},
};

/// AWS's longest timeout.
const TIMEOUT_MAX: Duration = Duration::from_secs(900);

/// One execution environment of one function version. Dropping it destroys it, in the background.
pub struct Sandbox {
    pub(super) engine: Arc<Inner>,
    pub(super) identity: SandboxIdentity,
    sink: Arc<dyn LogSink>,
    path: LaunchPath,
    launched: Instant,
    /// Settings of a managed runtime until they are sent; none for custom runtimes.
    settings: Option<Vec<u8>>,
    pub(super) initialised: bool,
    /// It sleeps at the end of its init.
    pub(super) is_snapshot: bool,
    /// For the first request after a restore.
    pub(super) restored: Option<RestoreReport>,
    telemetry: Arc<Telemetry>,
    pub(super) life: Option<Life>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Sandbox { identity, path, life, .. } = self;
        write!(f, "Sandbox({}, {}, {path:?}, alive: {})", identity.sandbox, identity.spec.runtime, life.is_some())
    }
}

/// A life that has to end: why, and how it ended if it did so by itself.
pub(super) struct Broken {
    pub(super) failure: Failure,
    pub(super) exit: Option<Exit>,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Broken { failure, exit: None }
    }
}

impl From<Exit> for Broken {
    fn from(exit: Exit) -> Self {
        // What is our fault must not be told as the function's: an event would lose one of its attempts.
        let failure = match exit.ours {
            Some(what) => Failure::Internal(what.to_owned()),
            None => Failure::Exit { status: exit.status, signal: exit.signal },
        };
        Broken { failure, exit: Some(exit) }
    }
}

impl From<Fault> for Broken {
    fn from(Fault { error_type, words }: Fault) -> Self {
        Failure::Extension { error_type, words }.into()
    }
}

/// The reports of one request so far.
#[derive(Default)]
struct Reports {
    init: Option<InitReport>,
    restore: Option<RestoreReport>,
    init_retry: Option<InitReport>,
    extensions: Option<Duration>,
}

impl Reports {
    fn outcome(self, result: Result<bytes::Bytes, Failure>, duration: Duration, memory_peak_bytes: u64) -> Outcome {
        Outcome {
            result,
            init: self.init,
            restore: self.restore,
            init_retry: self.init_retry,
            duration,
            extensions: self.extensions,
            memory_peak_bytes,
        }
    }
}

impl Sandbox {
    pub(super) fn new(
        engine: Arc<Inner>,
        identity: SandboxIdentity,
        sink: Arc<dyn LogSink>,
        path: LaunchPath,
        launched: Instant,
        (life, settings): (Life, Option<Vec<u8>>),
    ) -> Sandbox {
        Sandbox {
            engine,
            identity,
            sink,
            path,
            launched,
            settings,
            initialised: false,
            is_snapshot: false,
            restored: None,
            telemetry: life.telemetry.clone(),
            life: Some(life),
        }
    }

    /// How it came to be.
    pub fn path(&self) -> LaunchPath {
        self.path
    }

    /// Its number and what it runs.
    pub fn identity(&self) -> &SandboxIdentity {
        &self.identity
    }

    /// Whether another request can go through it.
    pub fn is_alive(&self) -> bool {
        self.life.as_ref().is_some_and(Life::is_alive)
    }

    /// Whether an extension hears of what happens in it. Stands still after its end, so that its last report can be told.
    pub fn is_watched(&self) -> bool {
        self.telemetry.is_watched()
    }

    /// Tells extensions of a request's report: a JSON record, in the shape of AWS's `platform.report`.
    pub fn tell_report(&self, record: String) {
        self.telemetry.platform(record::REPORT, record);
    }

    /// Whether extensions may keep it after a request's answer is there.
    pub fn lingers(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.extensions.any())
            || (!self.initialised && self.identity.spec.opt.is_some())
    }

    /// Runs the init phase ahead of any request, once, within [`Spec::init_timeout`](super::Spec::init_timeout); after it
    /// the sandbox idles like one that has answered, and [`Sandbox::invoke`] reports no init. A failure ends it: AWS
    /// tries again inside of an invocation only, and there is none. If the returned future is dropped the sandbox is killed.
    ///
    /// It is an error to ask for it when it was done before, or when the sandbox is gone.
    pub async fn initialise(&mut self) -> Result<InitReport, InitFailure> {
        if self.initialised {
            return Err(InitFailure::internal("the sandbox is initialised"));
        }
        let Some(life) = self.life.take().map(AtWork::from) else {
            return Err(InitFailure::internal("the sandbox is gone"));
        };
        life.rest.wake().await;
        let (mut life, report) = self.first_init(life, Until::Ready).await.map_err(|(failure, _)| failure)?;
        self.init_ended(&life);
        life.drain_logs();
        self.idles(&life);
        self.life = Some(life.done());
        Ok(report)
    }

    /// Runs init, if that is still to do, and one request. If the returned future is dropped the sandbox is killed; with
    /// extensions it has its Shutdown phase before.
    ///
    /// Init has [`Spec::init_timeout`](super::Spec::init_timeout). If it fails or takes longer, it is tried once more in a
    /// fresh environment, as AWS does, and that attempt counts in the invocation and its [`Spec::timeout`](super::Spec::timeout).
    pub async fn invoke(&mut self, mut request: Request) -> Outcome {
        let early = request.early.take();
        let mut reports = Reports { restore: self.restored.take(), ..Reports::default() };
        let Some(mut life) = self.life.take().filter(|_| !self.is_snapshot).map(AtWork::from) else {
            let why = if self.is_snapshot { "the sandbox is a snapshot" } else { "the sandbox is gone" };
            return reports.outcome(Err(Failure::Internal(why.into())), Duration::ZERO, 0);
        };
        life.rest.wake().await;
        let mut retried = None;
        if !self.initialised {
            life = match self.first_init(life, Until::Ready).await {
                Ok((life, report)) => {
                    reports.init = Some(report);
                    life
                }
                Err((failed, peak)) => {
                    reports.init = Some(failed.report);
                    let started = Instant::now();
                    retried = Some(started);
                    match self.second_init(&mut reports, peak).await {
                        Ok(life) => life,
                        Err((failure, peak)) => return reports.outcome(Err(failure), started.elapsed(), peak),
                    }
                }
            };
            self.init_ended(&life);
        }
        life.drain_logs();
        self.sink.invoke_begins();
        let started = retried.unwrap_or_else(Instant::now);
        let deadline = started + self.identity.spec.timeout;
        let told = life.telemetry.is_watched().then(|| self.tell_start(&request));
        let began = Instant::now();
        let mut heard = self.exchange(&mut life, request, deadline).await;
        if let Some(told) = &told {
            self.tell_runtime_done(told, &heard, began.elapsed());
        }
        if life.extensions.any() {
            let answered = Instant::now();
            heard = linger(&mut life, heard, early, deadline).await;
            reports.extensions = Some(answered.elapsed());
        }
        if let Some(told) = &told {
            self.tell_end(told, &heard);
        }
        let duration = started.elapsed();
        match heard {
            Ok(result) => {
                life.drain_logs();
                let peak = life.memory_peak(duration).await;
                self.idles(&life);
                self.life = Some(life.done());
                reports.outcome(result, duration, peak)
            }
            Err(broken) => {
                let (failure, peak) = life.done().end(broken.failure, broken.exit).await;
                reports.outcome(Err(failure), duration, peak)
            }
        }
    }

    /// The init phase. On failure the life is over; answers its peak memory, too.
    pub(super) async fn first_init(
        &self,
        mut life: AtWork,
        until: Until,
    ) -> Result<(AtWork, InitReport), (InitFailure, u64)> {
        let deadline = Instant::now() + self.identity.spec.init_timeout;
        let settings = self.settings.as_deref();
        let done = self.init(&mut life, settings, until, deadline, self.launched).await;
        let duration = self.launched.elapsed();
        match done {
            Ok(()) => Ok((life, InitReport { duration, status: InitStatus::Done })),
            Err(broken) => {
                let (failure, peak) = life.done().end(broken.failure, broken.exit).await;
                let report = InitReport { duration, status: status_of(&failure) };
                Err((InitFailure { report, failure }, peak))
            }
        }
    }

    /// It has nothing to do until the next request.
    pub(super) fn idles(&self, life: &Life) {
        if life.may_rest() {
            self.engine.freezer.idle(&life.rest);
        }
    }

    /// One attempt at init, AWS's three parts of it: the extensions register, then the runtime and the function initialise, and
    /// all ask for their first event.
    async fn init(
        &self,
        life: &mut Life,
        settings: Option<&[u8]>,
        until: Until,
        deadline: Instant,
        began: Instant,
    ) -> Result<(), Broken> {
        companions::start(&self.engine, life, &self.identity.spec).await;
        let extensions = life.extensions.clone();
        let registered = match extensions.any() {
            true => life.attend(extensions.registered(), deadline).await,
            false => None,
        };
        let done = match registered {
            None => init(life, settings, until, deadline).await,
            Some(heard) => Err(broken(heard)),
        };
        extensions.close();
        if !extensions.any() {
            extensions.init_ended();
            life.telemetry.close();
            return done;
        }
        let (spec, telemetry, phase) = (&self.identity.spec, life.telemetry.clone(), life.telemetry.phase());
        telemetry.platform(record::INIT_RUNTIME_DONE, record::init_runtime_done(spec, phase, &status_after(&done)));
        let done = match done {
            Ok(()) => life.attend(extensions.idle(), deadline).await.map_or(Ok(()), |heard| Err(broken(heard))),
            failed => failed,
        };
        life.drain_logs();
        for state in extensions.states() {
            telemetry.platform(record::EXTENSION, record::extension(&state));
            self.sink.extension(&state);
        }
        let report = InitReport { duration: began.elapsed(), status: status_after(&done) };
        telemetry.platform(record::INIT_REPORT, record::init_report(spec, phase, &report));
        extensions.init_ended();
        telemetry.close();
        done
    }

    /// It has no more init to do, and no more of the processor than its function's share.
    pub(super) fn init_ended(&mut self, life: &Life) {
        self.initialised = true;
        self.engine.factory.end_of_init(life, &self.identity.spec);
    }

    /// Init within the invocation, in a fresh environment.
    async fn second_init(&mut self, reports: &mut Reports, peak: u64) -> Result<AtWork, (Failure, u64)> {
        let started = Instant::now();
        let spec = self.identity.spec.clone();
        let launched = self.engine.start_life(&spec, self.identity.sandbox, self.sink.clone()).await;
        let (life, settings, path) = launched.map_err(|error| (Failure::Internal(error.to_string()), peak))?;
        let mut life = AtWork::from(life);
        self.path = path;
        life.rest.wake().await;
        self.telemetry = life.telemetry.clone();
        self.telemetry.begin_again();
        let done = self.init(&mut life, settings.as_deref(), Until::Ready, started + spec.timeout, started).await;
        let duration = started.elapsed();
        match done {
            Ok(()) => {
                reports.init_retry = Some(InitReport { duration, status: InitStatus::Done });
                Ok(life)
            }
            Err(broken) => {
                let (failure, second_peak) = life.done().end(broken.failure, broken.exit).await;
                reports.init_retry = Some(InitReport { duration, status: status_of(&failure) });
                Err((failure, peak.max(second_peak)))
            }
        }
    }

    /// The invoke phase.
    async fn exchange(
        &self,
        life: &mut Life,
        request: Request,
        deadline: Instant,
    ) -> Result<Result<bytes::Bytes, Failure>, Broken> {
        if !life.is_quiet() {
            return Err(Failure::Malformed.into());
        }
        if let Some(daemon) = &request.trace_daemon {
            life.trace(daemon).await;
        }
        let mut left = deadline.saturating_duration_since(Instant::now());
        if !life.may_rest() {
            left = left.max(TIMEOUT_MAX); // what the function is told: its debugger may hold it up
        }
        let event = Event {
            request_id: request.request_id,
            deadline_ms: self.engine.clock().now().millis() + left.as_millis() as i64,
            invoked_function_arn: request.function_arn,
            trace_id: request.trace_id,
            client_context: request.client_context,
            cognito_identity: request.cognito_identity,
            payload: request.payload,
        };
        if life.extensions.any() {
            life.extensions.tell(ExtensionEvent::Invoke, &invoke_event(&event));
        }
        match life.converse(Say::Event(event), deadline).await {
            Heard::Message(FromRuntime::Response(payload)) => Ok(Ok(payload)),
            Heard::Message(FromRuntime::Error { payload, error_type }) => {
                Ok(Err(Failure::Function { payload, error_type }))
            }
            Heard::Message(FromRuntime::StreamBegins { content_type }) => {
                stream::relay(life, content_type, request.outlet, deadline).await
            }
            Heard::Message(FromRuntime::TooLarge(bytes)) => {
                Err(Failure::ResponseTooLarge { bytes, limit: RESPONSE_BYTES_MAX }.into())
            }
            heard => Err(broken(heard)),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(life) = self.life.take_if(|life| life.extensions.any()) {
            life.retire(Reason::Spindown);
        }
    }
}

/// After the runtime's answer: the environment is free for another request, and this one over, when the extensions are done
/// with it. Its caller need not wait for that.
async fn linger(
    life: &mut Life,
    heard: Result<Result<bytes::Bytes, Failure>, Broken>,
    early: Option<EarlyAnswer>,
    deadline: Instant,
) -> Result<Result<bytes::Bytes, Failure>, Broken> {
    let Ok(result) = heard else { return heard };
    if let Some(early) = early {
        let _ = early.send(result.clone()); // nobody waits any more
    }
    let extensions = life.extensions.clone();
    match life.attend(extensions.idle(), deadline).await {
        None => Ok(result),
        Some(heard) => Err(broken(heard)),
    }
}

/// What ends an environment.
pub(super) fn broken(heard: Heard) -> Broken {
    match heard {
        Heard::Message(FromRuntime::Closed) => Exit::default().into(),
        Heard::Message(_) => Failure::Malformed.into(),
        Heard::Exit(exit) => exit.into(),
        Heard::Extension(fault) => fault.into(),
        Heard::Deadline => Failure::Timeout.into(),
    }
}

/// Extensions' part in a request: what they are told of it.
impl Sandbox {
    fn tell_start(&self, request: &Request) -> record::Invocation {
        let invocation = record::Invocation {
            request_id: request.request_id.clone(),
            trace_id: request.trace_id.clone(),
            began_ms: self.engine.clock().now().millis(),
        };
        self.telemetry.platform(record::START, invocation.start(&self.identity.spec.function_version));
        invocation
    }

    fn tell_runtime_done(
        &self,
        invocation: &record::Invocation,
        heard: &Result<Result<bytes::Bytes, Failure>, Broken>,
        took: Duration,
    ) {
        let produced = match heard {
            Ok(Ok(payload) | Err(Failure::Function { payload, .. })) => payload.len(),
            _ => 0,
        };
        let status = words_after(heard);
        let status = (status.0, status.1.as_deref());
        self.telemetry.platform(record::RUNTIME_DONE, invocation.runtime_done(status, took, took, produced));
    }

    fn tell_end(&self, invocation: &record::Invocation, heard: &Result<Result<bytes::Bytes, Failure>, Broken>) {
        if let (status, Some(error_type)) = words_after(heard) {
            self.telemetry.platform(record::FAULT, invocation.fault(status, &error_type));
        }
        self.telemetry.platform(record::END, invocation.end());
    }
}

/// AWS's words for how a request went. A handler's own error is a success of the runtime.
fn words_after(heard: &Result<Result<bytes::Bytes, Failure>, Broken>) -> (&'static str, Option<String>) {
    let failure = match heard {
        Ok(Ok(_) | Err(Failure::Function { .. })) => return ("success", None),
        Ok(Err(failure)) => failure,
        Err(broken) => &broken.failure,
    };
    match status_of(failure) {
        InitStatus::Failed { error_type } => ("error", Some(error_type)),
        _ => ("timeout", None),
    }
}

/// How an attempt at init went.
fn status_after(done: &Result<(), Broken>) -> InitStatus {
    match done {
        Ok(()) => InitStatus::Done,
        Err(broken) => status_of(&broken.failure),
    }
}

/// How far an init is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The runtime asks for its first event.
    Ready,
    /// The runtime waits to be restored.
    Snapshot,
}

/// The runtime's and the function's part of an init.
async fn init(life: &mut Life, settings: Option<&[u8]>, until: Until, deadline: Instant) -> Result<(), Broken> {
    let mut say = settings.map_or(Say::Nothing, Say::Init);
    loop {
        return match life.converse(std::mem::replace(&mut say, Say::Nothing), deadline).await {
            Heard::Message(FromRuntime::Parked) => continue, // it booted just now: the settings are on their way
            Heard::Message(FromRuntime::SnapshotReady) if until == Until::Ready => {
                say = Say::Restore; // nobody wants to keep it
                continue;
            }
            Heard::Message(FromRuntime::SnapshotReady) => Ok(()),
            Heard::Message(FromRuntime::InitDone) if until == Until::Ready => Ok(()),
            Heard::Message(
                FromRuntime::InitFailed { payload, error_type } | FromRuntime::RestoreFailed { payload, error_type },
            ) => Err(Failure::InitError { payload, error_type }.into()),
            heard => Err(broken(heard)),
        };
    }
}

/// AWS's word for a failed attempt at init.
fn status_of(failure: &Failure) -> InitStatus {
    let error_type = match failure {
        Failure::Timeout => return InitStatus::TimedOut,
        Failure::InitError { error_type, .. } => error_type.clone(),
        Failure::OutOfMemory => "Runtime.OutOfMemory".into(),
        Failure::Exit { .. } => "Runtime.ExitError".into(),
        Failure::Extension { error_type, .. } => error_type.clone(),
        _ => "Runtime.Unknown".into(),
    };
    InitStatus::Failed { error_type }
}
