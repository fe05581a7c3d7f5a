//! The execution environments of all function versions: who is idle, who waits, who must go.
//!
//! One request in an environment at a time. A request takes the environment that was idle last; if there is none it
//! waits for whichever comes first, a released one or a place to launch its own. So a burst of short requests is served
//! by few environments, and a burst of long ones gets one each. Environments belong to a *deployment* of a version: after
//! a change no request sees an old one, and requests already running end where they are.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use base::{Clock, Error};
use sandbox::{LaunchError, LaunchPath};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::environment::{self, Environment};
use super::records::Settings;
use super::resolve::Resolved;
use super::snapstart::{self, Snapshots};
use super::{Config, Ports};

/// AWS's default limit of concurrent executions of an account. Settable limits come with reserved concurrency.
const CONCURRENT_EXECUTIONS_MAX: usize = 1_000;

/// Environments that may be starting at a time. More would only make each other slow: starting is a matter of CPU.
const LAUNCHES_AT_A_TIME: usize = 8;

/// How long an environment that starts from nothing keeps its place after its launch, unless its request ends before:
/// about the CPU time of a runtime's boot. An init that sleeps must not hold others up.
const BOOT_HOLD: Duration = Duration::from_millis(50);

/// An environment is replaced at this age, well before its credentials end. AWS names no number; hours are observed.
const AGE_MAX: Duration = Duration::from_secs(6 * 3600);

/// All environments of this node.
pub(crate) struct Fleet {
    ports: Ports,
    clock: Clock,
    config: Config,
    versions: Mutex<HashMap<String, Arc<Version>>>,
    pub(crate) snapshots: Arc<Snapshots>,
    closed: AtomicBool,
    launches: Arc<Semaphore>,
    running: AtomicUsize,
}

/// How many execution environments there are.
#[derive(Clone, Copy, Debug)]
pub struct Environments {
    /// Without a request.
    pub idle: usize,
    /// With one, or starting for one.
    pub working: usize,
}

/// The environments of one deployment of a version.
struct Version {
    /// The function's ARN and version, to find the successors of an older deployment.
    name: String,
    state: Mutex<VersionState>,
}

#[derive(Default)]
struct VersionState {
    idle: Vec<Idle>,
    waiting: VecDeque<oneshot::Sender<Environment>>,
    retired: bool,
}

struct Idle {
    environment: Environment,
    since: Instant,
}

/// An environment in somebody's hands. Give it back with [`Lease::release`]; dropping it ends it.
pub(crate) struct Lease {
    environment: Option<Environment>,
    version: Arc<Version>,
    fleet: Arc<Fleet>,
    /// Held while the environment starts.
    starting: Option<Starting>,
}

struct Starting(tokio::task::JoinHandle<()>);

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why there is no environment.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// AWS's error.
    Aws(Error),
    /// A custom runtime without a bootstrap: AWS answers as if the function had failed.
    InvalidEntrypoint,
}

impl Fleet {
    pub(crate) fn start(ports: Ports, clock: Clock, config: Config) -> Arc<Fleet> {
        let snapshots = Snapshots::new(ports.clone(), clock.clone(), config.clone());
        let fleet = Arc::new(Fleet {
            snapshots,
            ports,
            clock,
            config,
            versions: Mutex::default(),
            closed: AtomicBool::new(false),
            launches: Arc::new(Semaphore::new(LAUNCHES_AT_A_TIME)),
            running: AtomicUsize::new(0),
        });
        tokio::spawn(reap(Arc::downgrade(&fleet)));
        fleet
    }

    /// An environment for one request.
    pub(crate) async fn lease(self: &Arc<Self>, resolved: &Arc<Resolved>) -> Result<Lease, Refusal> {
        if self.running.fetch_add(1, Ordering::SeqCst) >= CONCURRENT_EXECUTIONS_MAX {
            self.running.fetch_sub(1, Ordering::SeqCst);
            return Err(Refusal::Aws(throttled("ConcurrentInvocationLimitExceeded")));
        }
        let version = self.version(resolved);
        let mut lease = Lease { environment: None, version, fleet: self.clone(), starting: None };
        lease.acquire(resolved).await?;
        Ok(lease)
    }

    /// Makes room for one more: ends the environment that has been idle longest, or else a snapshot; false if there is neither.
    fn evict(&self) -> bool {
        self.evict_idle() || self.snapshots.evict()
    }

    fn evict_idle(&self) -> bool {
        let versions = lock(&self.versions);
        let since = |version: &Arc<Version>| lock(&version.state).idle.first().map(|idle| idle.since);
        let oldest = versions.values().filter_map(|v| Some((since(v)?, v))).min_by_key(|(since, _)| *since);
        let Some((_, version)) = oldest else { return false };
        let mut state = lock(&version.state);
        let found = !state.idle.is_empty();
        if found {
            drop(state.idle.remove(0));
        }
        found
    }

    /// How many environments there are.
    pub(crate) fn environments(&self) -> Environments {
        let idle = lock(&self.versions).values().map(|version| lock(&version.state).idle.len()).sum();
        Environments { idle, working: self.running.load(Ordering::SeqCst) }
    }

    /// Tells the engine that requests for functions with such settings may come.
    pub(crate) fn expect(&self, settings: &Settings) {
        self.ports.engine.expect(&settings.runtime, settings.memory_mb);
    }

    /// Ends the idle environments of a function, or of one version of it, and those in use once they are given back.
    pub(crate) fn retire(&self, function_arn: &str, version: Option<u64>) {
        let version = version.map(|number| number.to_string());
        lock(&self.versions).retain(|_, of| {
            let rest = of.name.strip_prefix(function_arn).and_then(|rest| rest.strip_prefix(':'));
            let gone = rest.is_some_and(|rest| version.as_ref().is_none_or(|version| version == rest));
            if gone {
                of.retire();
            }
            !gone
        });
    }

    /// Waits until what functions have logged so far survives the end of the process.
    pub(crate) async fn logs_flushed(&self) {
        self.ports.logs.flushed().await;
    }

    /// Whether it is being stopped.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Takes no new work from queues: while requests under way come to their end.
    pub(crate) fn begin_close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Ends all idle environments, and those in use once they are given back: before the engine stops.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.snapshots.close();
        for (_, version) in lock(&self.versions).drain() {
            version.retire();
        }
    }

    fn version(&self, resolved: &Resolved) -> Arc<Version> {
        let mut versions = lock(&self.versions);
        if let Some(version) = versions.get(&resolved.deployment_id) {
            return version.clone();
        }
        let name = format!("{}:{}", resolved.function_arn, resolved.version);
        versions.retain(|_, older| {
            let replaced = older.name == name;
            if replaced {
                older.retire();
            }
            !replaced
        });
        let version = Arc::new(Version { name, state: Mutex::default() });
        versions.insert(resolved.deployment_id.clone(), version.clone());
        version
    }

    async fn launch(&self, resolved: &Arc<Resolved>) -> Result<Environment, Refusal> {
        if resolved.snap_start
            && let Some(snapshot) = self.snapshots.claim(resolved)
        {
            return Ok(snapshot);
        }
        let mut launched = environment::launch(&self.ports, &self.clock, &self.config, resolved).await;
        // Room is for those who work: who has been idle longest makes it.
        while matches!(launched, Err(LaunchError::Capacity(_))) && self.evict() {
            launched = environment::launch(&self.ports, &self.clock, &self.config, resolved).await;
        }
        launched.map_err(|error| match error {
            LaunchError::InvalidEntrypoint => Refusal::InvalidEntrypoint,
            LaunchError::Capacity(_) => Refusal::Aws(throttled("ConcurrentInvocationLimitExceeded")),
            LaunchError::MissingRuntime { .. } | LaunchError::UnknownRuntime(_) => Refusal::Aws(
                Error::new(502, "InvalidRuntimeException", error.to_string()).capital().with("Type", "User"),
            ),
            LaunchError::Stopping => {
                let message = "The server is stopping.";
                Refusal::Aws(Error::new(503, "ServiceUnavailableException", message).capital().with("Type", "Service"))
            }
            other => {
                tracing::error!(error = %other, function = %resolved.function_arn, "no environment could be started");
                let message = "Lambda was unable to configure an execution environment for this function.";
                Refusal::Aws(Error::new(500, "ServiceException", message).capital().with("Type", "Service"))
            }
        })
    }
}

impl Version {
    fn retire(&self) {
        let mut state = lock(&self.state);
        state.retired = true;
        // Dropping them ends them; those who wait launch environments of their own.
        state.idle.clear();
    }

    /// An idle environment, or a place in the line for the next one that is given back.
    fn take_or_wait(&self) -> Result<Environment, oneshot::Receiver<Environment>> {
        let mut state = lock(&self.state);
        while let Some(Idle { environment, .. }) = state.idle.pop() {
            if environment.is_usable(AGE_MAX) {
                return Ok(environment);
            }
        }
        // Those who have started environments of their own meanwhile wait no more.
        while state.waiting.front().is_some_and(oneshot::Sender::is_closed) {
            state.waiting.pop_front();
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(sender);
        Err(receiver)
    }

    fn give_back(&self, mut environment: Environment) {
        let mut state = lock(&self.state);
        if state.retired || !environment.is_usable(AGE_MAX) {
            return;
        }
        while let Some(waiting) = state.waiting.pop_front() {
            match waiting.send(environment) {
                Ok(()) => return,
                Err(unwanted) => environment = unwanted,
            }
        }
        state.idle.push(Idle { environment, since: Instant::now() });
    }
}

impl Lease {
    async fn acquire(&mut self, resolved: &Arc<Resolved>) -> Result<(), Refusal> {
        let mut released = match self.version.take_or_wait() {
            Ok(environment) => {
                self.environment = Some(environment);
                return Ok(());
            }
            Err(released) => released,
        };
        let place = self.fleet.launches.clone().acquire_owned();
        tokio::select! {
            biased;
            Ok(environment) = &mut released => self.environment = Some(environment),
            place = place => {
                // An environment may have been handed over in the same moment; it must not be lost.
                released.close();
                match released.try_recv() {
                    Ok(environment) => self.environment = Some(environment),
                    Err(_) => {
                        let environment = self.fleet.launch(resolved).await?;
                        let boots = environment.sandbox.path() == LaunchPath::Exec;
                        self.environment = Some(environment);
                        self.starting = place.ok().filter(|_| boots).map(hold);
                    }
                }
            }
        }
        // Without a place among those who start: what runs here are the function's own hooks.
        match self.environment.as_mut().filter(|environment| environment.is_snapshot) {
            Some(snapshot) => snapstart::restore(snapshot, &self.fleet.clock).await.map_err(Refusal::Aws),
            None => Ok(()),
        }
    }

    /// The environment.
    pub(crate) fn environment(&mut self) -> &mut Environment {
        // Present from `acquire` until `release`, which consumes the lease.
        self.environment.as_mut().unwrap_or_else(|| unreachable!())
    }

    /// Gives the environment back for the next request.
    pub(crate) fn release(mut self) {
        self.starting = None;
        let environment = self.environment.take().filter(|_| !self.fleet.closed.load(Ordering::SeqCst));
        if let Some(environment) = environment {
            self.version.give_back(environment);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.fleet.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Keeps the place of a launch for a moment.
fn hold(place: OwnedSemaphorePermit) -> Starting {
    Starting(tokio::spawn(async move {
        tokio::time::sleep(BOOT_HOLD).await;
        drop(place);
    }))
}

/// Ends environments that were idle for too long.
async fn reap(fleet: Weak<Fleet>) {
    loop {
        let Some(this) = fleet.upgrade() else { return };
        let keep_alive = this.config.keep_alive;
        lock(&this.versions).retain(|_, version| {
            let mut state = lock(&version.state);
            state.idle.retain(|idle| idle.since.elapsed() < keep_alive && idle.environment.is_usable(AGE_MAX));
            // Somebody may hold the version between looking it up and leasing from it.
            !state.idle.is_empty() || Arc::strong_count(version) > 1
        });
        drop(this);
        tokio::time::sleep((keep_alive / 4).clamp(Duration::from_secs(1), Duration::from_secs(60))).await;
    }
}

/// 429 with AWS's reason.
fn throttled(reason: &'static str) -> Error {
    Error::new(429, "TooManyRequestsException", "Rate Exceeded.").with("Reason", reason).with("Type", "User")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
