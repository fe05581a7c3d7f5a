//! The execution environments of all function versions: who is idle, who waits, who must go.
//!
//! One request in an environment at a time. A request takes the environment that was idle last; if there is none it
//! waits for whichever comes first, a released one or a place to launch its own. So a burst of short requests is served
//! by few environments, and a burst of long ones gets one each. How many requests may run at all is counted in `capacity`;
//! who is above a limit is refused at once. Environments belong to a *deployment* of a version: after
//! a change no request sees an old one, and requests already running end where they are.

mod capacity;
mod provisioned;
mod version;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use base::{AccountId, Clock, Error, Region};
use sandbox::{LaunchError, LaunchPath};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use self::capacity::{Capacities, Permit};
pub(crate) use self::capacity::{Peaks, SetAside};
use self::provisioned::Keepers;
pub(crate) use self::provisioned::{Place, Standing, Status};
use self::version::Version;
use super::environment::{self, Environment, Initialization};
use super::records::Settings;
use super::resolve::Resolved;
use super::snapstart::{self, Snapshots};
use super::{Config, Ports};

/// Environments that may be starting at a time, beside one for each processor. More would only make each other slow: starting is a
/// matter of CPU. With fewer the spawner would wait for inits: two beside two processors made a fifth fewer environments.
const LAUNCHES_BESIDE: usize = 6;

/// How long an environment that boots keeps its place after its launch, unless its init ends before: about the CPU time of a
/// runtime's boot. An init that sleeps must not hold others up.
const BOOT_HOLD: Duration = Duration::from_millis(50);

/// How long a request that may run waits while the host bears no further sandbox, and between looks. AWS's limits are
/// kept at once; this one is our own.
const HOST_PATIENCE: Duration = Duration::from_secs(30);
const HOST_LOOK: Duration = Duration::from_millis(20);

/// All environments of this node.
pub(crate) struct Fleet {
    ports: Ports,
    clock: Clock,
    config: Config,
    versions: Mutex<HashMap<String, Arc<Version>>>,
    capacities: Capacities,
    keepers: Keepers,
    pub(crate) snapshots: Arc<Snapshots>,
    closed: AtomicBool,
    launches: Arc<Semaphore>,
}

/// How many execution environments there are.
#[derive(Clone, Copy, Debug)]
pub struct Environments {
    /// Without a request.
    pub idle: usize,
    /// With one, or starting for one.
    pub working: usize,
}

/// An environment in somebody's hands. Give it back with [`Lease::release`]; dropping it ends it.
pub(crate) struct Lease {
    environment: Option<Environment>,
    version: Arc<Version>,
    fleet: Arc<Fleet>,
    permit: Permit,
}

/// The place of an environment that boots.
#[derive(Debug)]
pub(crate) struct Starting(tokio::task::JoinHandle<()>);

impl Starting {
    /// Keeps the place of a launch for a moment.
    fn hold(place: OwnedSemaphorePermit) -> Starting {
        Starting(tokio::spawn(async move {
            tokio::time::sleep(BOOT_HOLD).await;
            drop(place);
        }))
    }
}

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
    /// Its program is not there or cannot be executed: AWS answers as if the function had failed.
    NotExecutable {
        /// AWS's error type.
        error_type: &'static str,
        /// Why.
        words: String,
    },
}

impl Fleet {
    pub(crate) fn start(ports: Ports, clock: Clock, config: Config) -> Arc<Fleet> {
        let snapshots = Snapshots::new(ports.clone(), clock.clone(), config.clone());
        let fleet = Arc::new(Fleet {
            snapshots,
            capacities: Capacities::new(config.concurrent_executions_max),
            ports,
            clock,
            config,
            versions: Mutex::default(),
            keepers: Keepers::default(),
            closed: AtomicBool::new(false),
            launches: Arc::new(Semaphore::new(processors() + LAUNCHES_BESIDE)),
        });
        tokio::spawn(reap(Arc::downgrade(&fleet)));
        fleet
    }

    /// An environment for one request: a provisioned one if there is one, or else as the limits allow. `awaited`: a client
    /// waits for the answer.
    pub(crate) async fn lease(self: &Arc<Self>, resolved: &Arc<Resolved>, awaited: bool) -> Result<Lease, Refusal> {
        let version = self.version(resolved);
        if let Some(environment) = version.take_provisioned() {
            let permit = version.capacity.admit_provisioned();
            return Ok(Lease { environment: Some(environment), version, fleet: self.clone(), permit });
        }
        let permit = version.capacity.admit(awaited).map_err(|throttle| Refusal::Aws(throttle.into()))?;
        let mut lease = Lease { environment: None, version, fleet: self.clone(), permit };
        lease.acquire(resolved).await?;
        Ok(lease)
    }

    /// What functions of an account have set aside, by name. All others have nothing.
    pub(crate) fn set_aside(&self, account: AccountId, region: &Region, set_aside: &HashMap<String, SetAside>) {
        self.capacities.set(account, region, set_aside);
    }

    /// The most requests that ran at a time, since somebody last asked.
    pub(crate) fn peaks(&self) -> Vec<Peaks> {
        self.capacities.peaks()
    }

    /// Provisioned environments with a request, by the qualified ARN they were asked for, and as a share of all.
    pub(crate) fn provisioned_used(&self) -> Vec<(String, usize, f64)> {
        self.keepers.used()
    }

    /// How the provisioned concurrency of a qualified ARN stands.
    pub(crate) fn standing(&self, arn: &str) -> Option<Standing> {
        self.keepers.standing(arn)
    }

    /// Ends the provisioned concurrency of a function where it is not of these qualified ARNs.
    pub(crate) fn unprovision(&self, function_arn: &str, keep: impl Fn(&str) -> bool) {
        self.keepers.retain(function_arn, keep);
    }

    /// Makes room for one more: ends the environment that has been idle longest, or else a snapshot; false if there is neither.
    fn evict(&self) -> bool {
        self.evict_idle() || self.snapshots.evict()
    }

    fn evict_idle(&self) -> bool {
        let versions = lock(&self.versions);
        let oldest = versions.values().filter_map(|v| Some((v.idle_since()?, v))).min_by_key(|(since, _)| *since);
        oldest.is_some_and(|(_, version)| version.evict())
    }

    /// How many environments there are.
    pub(crate) fn environments(&self) -> Environments {
        let idle = lock(&self.versions).values().map(|version| version.idle()).sum();
        Environments { idle, working: self.capacities.running() }
    }

    /// Tells the engine that requests for functions with such settings may come.
    pub(crate) fn expect(&self, settings: &Settings) {
        self.ports.engine.expect(&settings.runtime, settings.memory_mb);
    }

    /// Ends the idle environments of a function, or of one version of it, and those in use once they are given back.
    pub(crate) fn retire(&self, function_arn: &str, version: Option<u64>) {
        let version = version.map(|number| number.to_string());
        let of_version = version.as_ref().map(|version| format!("{function_arn}:{version}"));
        self.keepers.retain(function_arn, |arn| of_version.as_ref().is_some_and(|gone| gone != arn));
        lock(&self.versions).retain(|_, of| {
            let rest = of.name.strip_prefix(function_arn).and_then(|rest| rest.strip_prefix(':'));
            let gone = rest.is_some_and(|rest| version.as_ref().is_none_or(|version| version == rest));
            if gone {
                of.retire();
            }
            !gone
        });
    }

    /// Ends the environments of a function's `$LATEST` that are of another deployment than this one. The next request would do so,
    /// too, but would wait for a spawner and processors that are busy with it.
    pub(crate) fn replace_latest(&self, function_arn: &str, deployment_id: &str) {
        lock(&self.versions).retain(|id, of| {
            // A deployment that is a directory has its state behind a slash.
            let present = id.strip_prefix(deployment_id).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let is_latest = of.name.strip_prefix(function_arn) == Some(":$LATEST");
            let replaced = is_latest && !present;
            if replaced {
                of.retire();
            }
            !replaced
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
        self.keepers.clear();
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
        let capacity = self.capacities.function(resolved.account, &resolved.region, &resolved.name);
        let version = Arc::new(Version::new(name, capacity));
        versions.insert(resolved.deployment_id.clone(), version.clone());
        version
    }

    /// A new environment. Room is for those who work: who has been idle longest makes it.
    async fn launch(&self, resolved: &Arc<Resolved>, how: Initialization) -> Result<Environment, LaunchError> {
        if how == Initialization::SnapStart
            && let Some(snapshot) = self.snapshots.take(resolved).await
        {
            return Ok(snapshot);
        }
        loop {
            let launched = environment::launch(&self.ports, &self.clock, &self.config, resolved, how).await;
            if !matches!(launched, Err(LaunchError::Capacity(_))) || !self.evict() {
                return launched;
            }
        }
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// AWS's answer to a request for which no environment could be started.
fn refusal(error: LaunchError, resolved: &Resolved) -> Refusal {
    match error {
        LaunchError::InvalidEntrypoint => Refusal::NotExecutable {
            error_type: "Runtime.InvalidEntrypoint",
            words: "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned(),
        },
        LaunchError::NotExecutable { error_type, words } => Refusal::NotExecutable { error_type, words },
        LaunchError::Capacity(_) => Refusal::Aws(capacity::Throttle::Account.into()),
        LaunchError::MissingRuntime { .. } | LaunchError::UnknownRuntime(_) => {
            Refusal::Aws(Error::new(502, "InvalidRuntimeException", error.to_string()).capital().with("Type", "User"))
        }
        LaunchError::Stopping => {
            let message = "The server is stopping.";
            Refusal::Aws(Error::new(503, "ServiceUnavailableException", message).capital().with("Type", "Service"))
        }
        other => {
            tracing::error!(error = %other, function = %resolved.function_arn, "no environment could be started");
            let message = "Lambda was unable to configure an execution environment for this function.";
            Refusal::Aws(Error::new(500, "ServiceException", message).capital().with("Type", "Service"))
        }
    }
}

impl Lease {
    async fn acquire(&mut self, resolved: &Arc<Resolved>) -> Result<(), Refusal> {
        let released = match self.version.take_or_wait() {
            Ok(environment) => {
                self.hold(environment);
                return self.restore().await;
            }
            Err(released) => released,
        };
        self.version.capacity.grow().map_err(|throttle| Refusal::Aws(throttle.into()))?;
        let launched = self.wait_or_launch(released, resolved).await;
        if !matches!(launched, Ok(true)) {
            self.version.capacity.ungrow();
        }
        launched?;
        // Without a place among those who start: what runs here are the function's own hooks.
        self.restore().await
    }

    /// Takes what comes first, a released environment or one of its own; whether it is its own.
    async fn wait_or_launch(
        &mut self,
        mut released: oneshot::Receiver<Environment>,
        resolved: &Arc<Resolved>,
    ) -> Result<bool, Refusal> {
        let began = Instant::now();
        loop {
            let place = tokio::select! {
                biased;
                Ok(environment) = &mut released => {
                    self.hold(environment);
                    return Ok(false);
                }
                place = self.fleet.launches.clone().acquire_owned() => place,
            };
            // An environment may have been handed over in the same moment; it must not be lost.
            released.close();
            if let Ok(environment) = released.try_recv() {
                self.hold(environment);
                return Ok(false);
            }
            match self.fleet.launch(resolved, Initialization::of_request(resolved)).await {
                Ok(environment) => {
                    let boots = environment.sandbox.path() != LaunchPath::Parked;
                    if let Some(place) = place.ok().filter(|_| boots) {
                        environment.log.starts(Starting::hold(place));
                    }
                    self.hold(environment);
                    return Ok(true);
                }
                Err(LaunchError::Capacity(_)) if began.elapsed() < HOST_PATIENCE => drop(place),
                Err(error) => return Err(refusal(error, resolved)),
            }
            tokio::time::sleep(HOST_LOOK).await;
            released = match self.version.take_or_wait() {
                Ok(environment) => {
                    self.hold(environment);
                    return Ok(false);
                }
                Err(released) => released,
            };
        }
    }

    /// Has an environment from now on. A provisioned one needs no share of what others wait for.
    fn hold(&mut self, environment: Environment) {
        if environment.provisioned.is_some() {
            self.permit = self.version.capacity.admit_provisioned();
        }
        self.environment = Some(environment);
    }

    async fn restore(&mut self) -> Result<(), Refusal> {
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

    /// Whether extensions may keep the environment after a request's answer is there.
    pub(crate) fn lingers(&self) -> bool {
        self.environment.as_ref().is_some_and(|environment| environment.sandbox.lingers())
    }

    /// Whether the request has a provisioned environment; none if its version has no provisioned concurrency.
    pub(crate) fn is_provisioned(&self) -> Option<bool> {
        match self.environment.as_ref().is_some_and(|environment| environment.provisioned.is_some()) {
            true => Some(true),
            false => (self.version.keepers.load(Ordering::SeqCst) > 0).then_some(false),
        }
    }

    /// Gives the environment back for the next request.
    pub(crate) fn release(mut self) {
        let environment = self.environment.take().filter(|_| !self.fleet.closed.load(Ordering::SeqCst));
        if let Some(environment) = environment {
            self.version.give_back(environment);
        }
    }
}

/// Ends environments that were idle for too long.
async fn reap(fleet: Weak<Fleet>) {
    loop {
        let Some(this) = fleet.upgrade() else { return };
        let keep_alive = this.config.keep_alive;
        lock(&this.versions).retain(|_, version| {
            // Somebody may hold the version between looking it up and leasing from it.
            version.reap(keep_alive) || Arc::strong_count(version) > 1
        });
        this.capacities.forget_idle();
        drop(this);
        tokio::time::sleep((keep_alive / 4).clamp(Duration::from_secs(1), Duration::from_secs(60))).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
