//! The extensions of one sandbox: who has registered for what, where each stands, what waits for it, and what went wrong.
//!
//! State only. Its HTTP side is `runtime_api/extension.rs`; `companions.rs` starts the processes of external ones; what the
//! engine waits for at init, at the end of an invocation and at the end of the sandbox is asked here. The states and their
//! names are those that AWS's runtime interface emulator shows.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, time::Instant};

use super::cell::Exit;

/// Most extensions of a function (AWS: 10).
pub(crate) const EXTENSIONS_MAX: usize = 10;

/// How long an extension that reported an error may take to end, which it is told to do and which names the end.
const EXIT_PATIENCE: Duration = Duration::from_millis(500);

/// What an extension can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExtensionEvent {
    /// Every invocation.
    Invoke,
    /// The end of the environment. External extensions only.
    Shutdown,
}

impl ExtensionEvent {
    /// As AWS spells it.
    pub fn name(self) -> &'static str {
        match self {
            ExtensionEvent::Invoke => "INVOKE",
            ExtensionEvent::Shutdown => "SHUTDOWN",
        }
    }
}

/// Where an extension stood when init was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionState {
    /// Its name.
    pub name: String,
    /// `Ready`, or the state in which it was found, in AWS's words.
    pub state: &'static str,
    /// What it registered for, in its own order.
    pub events: Vec<ExtensionEvent>,
    /// The error that it reported, or why it could not be started.
    pub error_type: Option<String>,
}

/// Why an extension ends the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// `Extension.Crash` and its like.
    pub(crate) error_type: String,
    /// `exit status 1`, say.
    pub(crate) words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Started,
    LaunchError,
    Registered,
    Ready,
    Running,
    InitError,
    ExitError,
    Exited,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Started => "Started",
            Phase::LaunchError => "LaunchError",
            Phase::Registered => "Registered",
            Phase::Ready => "Ready",
            Phase::Running => "Running",
            Phase::InitError => "InitError",
            Phase::ExitError => "ExitError",
            Phase::Exited => "Exited",
        }
    }
}

struct Extension {
    name: String,
    id: String,
    external: bool,
    events: Vec<ExtensionEvent>,
    phase: Phase,
    error_type: Option<String>,
    /// Events that it has not fetched yet: an invocation, and then the end.
    waiting: VecDeque<Bytes>,
    /// A `/event/next` of it is open.
    is_listening: bool,
    /// Its process is gone.
    ended: bool,
}

impl Extension {
    fn wants(&self, event: ExtensionEvent) -> bool {
        self.events.contains(&event)
    }

    fn is_idle(&self) -> bool {
        self.phase == Phase::Ready && self.waiting.is_empty()
    }
}

#[derive(Default)]
struct State {
    all: Vec<Extension>,
    /// The runtime is ready: nobody registers any more.
    closed: bool,
    /// Init is over altogether.
    initialised: bool,
    /// The environment is being shut down: ends are what is wanted.
    stopping: bool,
    fault: Option<(Fault, Instant)>,
}

/// All of a sandbox.
#[derive(Default)]
pub(crate) struct Extensions {
    /// Whether there are any: most functions have none, and shall not pay for more than this look.
    any: AtomicBool,
    state: Mutex<State>,
    changed: Notify,
}

/// Why a call was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Registration is over.
    Closed,
    NameTaken,
    TooMany,
    UnknownId,
    /// Not from this state.
    From(Phase, String),
}

impl Extensions {
    /// Whether any extension takes part.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Whether there are external ones.
    pub(crate) fn any_external(&self) -> bool {
        self.lock().all.iter().any(|one| one.external)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        let done = with(&mut self.lock());
        self.changed.notify_waiters();
        done
    }

    /// Waits until `when` answers something.
    async fn until<T>(&self, mut when: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = when(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    /// An external extension is about to be started.
    pub(crate) fn expect(&self, name: &str) {
        self.any.store(true, Ordering::Release);
        self.change(|state| state.all.push(blank(name, true)));
    }

    /// It could not be started. `reason` is for AWS's log line, `words` for the function's error.
    pub(crate) fn launch_failed(&self, name: &str, reason: &str, words: String) {
        self.change(|state| {
            if let Some(one) = state.all.iter_mut().find(|one| one.name == name) {
                (one.phase, one.error_type) = (Phase::LaunchError, Some(reason.to_owned()));
            }
            state.fail("Extension.LaunchError", words, Duration::ZERO);
        });
    }

    /// The process of an external extension has ended.
    pub(crate) fn exited(&self, name: &str, exit: Exit) {
        self.change(|state| {
            let Some(one) = state.all.iter_mut().find(|one| one.external && one.name == name) else { return };
            let reported = match one.phase {
                Phase::InitError => "Extension.InitError",
                Phase::ExitError => "Extension.ExitError",
                _ => "Extension.Crash",
            };
            one.ended = true;
            if state.initialised {
                one.phase = Phase::Exited; // at init the log tells how far it came
            }
            if !state.stopping {
                state.fail(reported, exit_words(exit), Duration::ZERO);
            }
        });
    }

    /// `POST /extension/register`; answers its identifier.
    pub(crate) fn register(&self, name: &str, events: Vec<ExtensionEvent>) -> Result<String, Refused> {
        let registered = self.change(|state| {
            if let Some(one) = state.all.iter_mut().find(|one| one.external && one.name == name) {
                if one.phase != Phase::Started {
                    return Err(Refused::From(one.phase, one.name.clone()));
                }
                (one.phase, one.events) = (Phase::Registered, events);
                return Ok(one.id.clone());
            }
            if state.closed {
                return Err(Refused::Closed);
            }
            if state.all.len() >= EXTENSIONS_MAX {
                return Err(Refused::TooMany);
            }
            if state.all.iter().any(|one| one.name == name) {
                return Err(Refused::NameTaken);
            }
            let one = Extension { phase: Phase::Registered, events, ..blank(name, false) };
            let id = one.id.clone();
            state.all.push(one);
            Ok(id)
        });
        self.any.store(registered.is_ok() || self.any(), Ordering::Release);
        registered
    }

    /// Whether an extension of this name was started from `/opt/extensions`.
    pub(crate) fn is_external(&self, name: &str) -> bool {
        self.lock().all.iter().any(|one| one.external && one.name == name)
    }

    /// The name that goes with an identifier.
    pub(crate) fn name_of(&self, id: &str) -> Option<String> {
        self.lock().all.iter().find(|one| one.id == id).map(|one| one.name.clone())
    }

    /// `GET /extension/event/next`: done with what it had; waits for what comes.
    pub(crate) async fn next(&self, id: &str) -> Result<Bytes, Refused> {
        self.change(|state| {
            let one = state.find(id)?;
            match one.phase {
                Phase::Registered | Phase::Running => {}
                // The same call once more, after its connection was lost.
                Phase::Ready if !one.is_listening => {}
                phase => return Err(Refused::From(phase, id.to_owned())),
            }
            (one.phase, one.is_listening) = (Phase::Ready, true);
            Ok(())
        })?;
        let listening = Listening { extensions: self, id };
        let event = self.until(|state| {
            let one = state.find(id).ok()?;
            let event = one.waiting.pop_front()?;
            one.phase = Phase::Running;
            Some(event)
        });
        let event = event.await;
        drop(listening);
        Ok(event)
    }

    /// `POST /extension/init/error`
    pub(crate) fn init_error(&self, id: &str, error_type: String) -> Result<(), Refused> {
        self.report(id, error_type, Phase::InitError, "Extension.InitError", |phase| phase == Phase::Registered)
    }

    /// `POST /extension/exit/error`
    pub(crate) fn exit_error(&self, id: &str, error_type: String) -> Result<(), Refused> {
        let may = |phase| matches!(phase, Phase::Registered | Phase::Ready | Phase::Running);
        self.report(id, error_type, Phase::ExitError, "Extension.ExitError", may)
    }

    fn report(
        &self,
        id: &str,
        error_type: String,
        becomes: Phase,
        fault: &str,
        may: impl FnOnce(Phase) -> bool,
    ) -> Result<(), Refused> {
        self.change(|state| {
            let one = state.find(id)?;
            if one.phase == becomes {
                return Ok(()); // only the first report counts
            }
            if !may(one.phase) {
                return Err(Refused::From(one.phase, id.to_owned()));
            }
            let patience = if one.external { EXIT_PATIENCE } else { Duration::ZERO };
            (one.phase, one.error_type) = (becomes, Some(error_type.clone()));
            if !state.stopping {
                state.fail(fault, error_type, patience);
            }
            Ok(())
        })
    }

    /// Waits until every external extension has registered: the runtime starts after that.
    pub(crate) async fn registered(&self) {
        self.until(|state| state.all.iter().all(|one| one.phase != Phase::Started).then_some(())).await;
    }

    /// Nobody registers any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Init is over.
    pub(crate) fn init_ended(&self) {
        let mut state = self.lock();
        (state.closed, state.initialised) = (true, true);
    }

    /// Waits until all have asked for their next event: at init everybody, in an invocation those who were told of it.
    pub(crate) async fn idle(&self) {
        self.until(|state| {
            let initialised = state.initialised;
            let asked = |one: &Extension| !initialised || one.wants(ExtensionEvent::Invoke);
            state.all.iter().filter(|one| asked(one)).all(Extension::is_idle).then_some(())
        })
        .await;
    }

    /// Tells those who want to know of an event.
    pub(crate) fn tell(&self, event: ExtensionEvent, document: &Bytes) {
        self.change(|state| {
            for one in state.all.iter_mut().filter(|one| one.wants(event)) {
                one.waiting.push_back(document.clone());
            }
        });
    }

    /// From now on ends are no faults.
    pub(crate) fn stop(&self) {
        self.change(|state| (state.stopping, state.closed, state.initialised) = (true, true, true));
    }

    /// Names of the external ones that do not want to be told of the end.
    pub(crate) fn unwarned(&self) -> Vec<String> {
        let state = self.lock();
        let unwarned = state.all.iter().filter(|one| one.external && !one.wants(ExtensionEvent::Shutdown));
        unwarned.map(|one| one.name.clone()).collect()
    }

    /// Waits until all external ones have ended, after [`Extensions::stop`].
    pub(crate) async fn gone(&self) {
        self.until(|state| {
            let gone = |one: &Extension| !one.external || one.ended || one.phase == Phase::LaunchError;
            state.all.iter().all(gone).then_some(())
        })
        .await;
    }

    /// Waits for something that ends the environment.
    pub(crate) async fn fault(&self) -> Fault {
        loop {
            let (fault, due) = self.until(|state| state.fault.clone()).await;
            tokio::select! {
                // It may end meanwhile and say better how.
                () = self.until(|state| (state.fault.as_ref() != Some(&(fault.clone(), due))).then_some(())) => {}
                () = tokio::time::sleep_until(due) => return fault,
            }
        }
    }

    /// As [`Extensions::fault`], for a conversation in which none can appear unless one is there.
    pub(crate) async fn fault_if_any(&self) -> Fault {
        if self.any() { self.fault().await } else { pending().await }
    }

    /// Where each stands, external ones first, as AWS lists them.
    pub(crate) fn states(&self) -> Vec<ExtensionState> {
        let state = self.lock();
        let (external, internal): (Vec<&Extension>, Vec<&Extension>) = state.all.iter().partition(|one| one.external);
        let state_of = |one: &Extension| ExtensionState {
            name: one.name.clone(),
            state: one.phase.name(),
            events: one.events.clone(),
            error_type: one.error_type.clone(),
        };
        external.into_iter().chain(internal).map(state_of).collect()
    }
}

impl State {
    fn find(&mut self, id: &str) -> Result<&mut Extension, Refused> {
        self.all.iter_mut().find(|one| one.id == id).ok_or(Refused::UnknownId)
    }

    /// The first fault names the error; how the process ended then gives the words.
    fn fail(&mut self, error_type: &str, words: String, patience: Duration) {
        let due = Instant::now() + patience;
        match &mut self.fault {
            Some((fault, until)) if patience.is_zero() && *until > Instant::now() => {
                (fault.words, *until) = (words, due);
            }
            Some(_) => {}
            none => *none = Some((Fault { error_type: error_type.to_owned(), words }, due)),
        }
    }
}

/// While it lives, its extension waits for an event.
struct Listening<'a> {
    extensions: &'a Extensions,
    id: &'a str,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        if let Ok(one) = self.extensions.lock().find(self.id) {
            one.is_listening = false;
        }
    }
}

fn blank(name: &str, external: bool) -> Extension {
    Extension {
        name: name.to_owned(),
        id: base::id::uuid(),
        external,
        events: Vec::new(),
        phase: Phase::Started,
        error_type: None,
        waiting: VecDeque::new(),
        is_listening: false,
        ended: false,
    }
}

/// Go's words, which AWS shows.
fn exit_words(exit: Exit) -> String {
    match (exit.status, exit.signal) {
        (Some(0), _) => "exit code 0".to_owned(),
        (Some(status), _) => format!("exit status {status}"),
        (None, Some(libc::SIGKILL)) => "signal: killed".to_owned(),
        (None, Some(libc::SIGTERM)) => "signal: terminated".to_owned(),
        (None, Some(libc::SIGSEGV)) => "signal: segmentation fault".to_owned(),
        (None, Some(libc::SIGABRT)) => "signal: aborted".to_owned(),
        (None, Some(signal)) => format!("signal: signal {signal}"),
        (None, None) => "exit code 0".to_owned(),
    }
}
