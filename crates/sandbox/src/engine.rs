//! The async half of the sandbox engine, inside the server.
//!
//! It keeps pools of parked sandboxes, turns a [`Spec`] into a [`Sandbox`], passes requests through it, drains its
//! logs, holds its deadlines and freezes it when idle. It never forks and never enters a namespace: the spawner does.

mod boot_files;
mod cell;
mod channel;
mod companions;
mod debugger;
mod extensions;
mod factory;
mod frames;
mod idle;
#[cfg(target_os = "linux")]
mod isolated;
mod life;
mod logs;
mod pool;
mod process;
mod recipe;
mod runtime_api;
mod sandbox;
mod shutdown;
mod snapshot;
mod spec;
mod start;
mod stream;
mod telemetry;
mod trace_daemon;

use std::{
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base::Clock;
use tokio::{
    sync::OwnedSemaphorePermit,
    task::AbortHandle,
    time::{Instant, timeout},
};

pub use self::{
    extensions::{ExtensionEvent, ExtensionState},
    sandbox::Sandbox,
    snapshot::MemoryImage,
    spec::*,
    stream::{Outlet, Part},
    telemetry::{Stream as TelemetryStream, SubscribedBy, SubscriptionState},
    trace_daemon::{TRACE_DAEMON, TraceDaemon},
};
use self::{
    factory::Factory,
    idle::Freezer,
    life::Life,
    pool::Pools,
    recipe::{Places, Recipe},
};
use crate::{
    posture::{Egress, Isolation, Posture},
    runtimes::{Runtimes, Search},
};

/// How long a launch waits for a place when all are taken.
const PLACE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long [`Engine::shutdown`] waits.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves a connection that a sandbox made to the server's own endpoint, until it or the sandbox ends. Must not block.
pub type EndpointHandler =
    Arc<dyn Fn(tokio::net::TcpStream, SandboxIdentity) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// How many booted, warmed sandboxes to keep waiting for code, for each runtime in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolTargets {
    /// For each Python minor in use.
    pub python: usize,
    /// For each Node.js major in use.
    pub node: usize,
    /// For each Java version and memory class in use.
    pub java: usize,
    /// Whether Python interpreters are booted once and forked (about 15 MB for each minor on the host).
    pub zygotes: bool,
}

impl Default for PoolTargets {
    fn default() -> Self {
        PoolTargets { python: 8, node: 4, java: 2, zygotes: true }
    }
}

/// Settings of an engine.
#[derive(Clone)]
pub struct Config {
    /// A directory of this instance's own: the spawner's state.
    pub instance_dir: PathBuf,
    /// What functions see as `/var/runtime`. Boot files are written into it at each start; runtime packs (`python3.12`,
    /// say, with boto3) may lie beside them. Default: `runtime` in the instance's directory.
    pub runtime_dir: PathBuf,
    /// Where to look for interpreters.
    pub search: Search,
    /// The time that deadlines and log records carry.
    pub clock: Clock,
    /// The command that is the spawner. Empty: this executable with the hidden argument `__spawner`.
    pub spawner_program: Vec<PathBuf>,
    /// How functions are kept apart.
    pub isolation: Isolation,
    /// What sandboxes may reach outside.
    pub egress: Egress,
    /// Port of the server's endpoint, the same inside of every sandbox.
    pub endpoint_port: u16,
    /// Takes connections that sandboxes make to that port.
    pub endpoint: EndpointHandler,
    /// Most sandboxes at a time, parked ones included. The engine lowers it to what file descriptors and memory bear.
    pub sandboxes_max: u32,
    /// Parked sandboxes for each runtime in use.
    pub pools: PoolTargets,
}

impl Config {
    /// Settings with defaults for everything but the directory.
    pub fn new(instance_dir: impl Into<PathBuf>) -> Config {
        let instance_dir = instance_dir.into();
        Config {
            runtime_dir: instance_dir.join("runtime"),
            instance_dir,
            search: Search::default(),
            clock: Clock::system(),
            spawner_program: Vec::new(),
            isolation: Isolation::default(),
            egress: Egress::default(),
            endpoint_port: 4566,
            endpoint: Arc::new(|_, _| Box::pin(async {})),
            sandboxes_max: 1000,
            pools: PoolTargets::default(),
        }
    }
}

/// How a sandbox came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaunchPath {
    /// Booted and warmed before the request came.
    Parked,
    /// Forked from a booted interpreter.
    Zygote,
    /// Started from nothing.
    Exec,
}

/// State of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    /// Runtime name of the interpreter in it, and for Java its heap size.
    pub name: String,
    /// Parked and ready.
    pub ready: usize,
    /// How many it keeps.
    pub target: usize,
    /// Launches so far from the pool.
    pub parked: u64,
    /// Launches so far by forking the zygote.
    pub zygote: u64,
    /// Launches so far from nothing.
    pub exec: u64,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory of the instance could not be made.
    #[error("cannot prepare {path}: {source}")]
    Prepare {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The isolation that was asked for does not exist here.
    #[error("{0}")]
    Unavailable(String),
}

/// Why there is no sandbox.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// No AWS runtime has this name.
    #[error("unknown runtime {0}")]
    UnknownRuntime(String),
    /// The host has no interpreter that could serve it.
    #[error("runtime {runtime} is not installed on this host: {hint}")]
    MissingRuntime {
        /// Runtime name.
        runtime: String,
        /// How to install one.
        hint: String,
    },
    /// A custom runtime without an executable `bootstrap` in its code or layers (AWS: `Runtime.InvalidEntrypoint`).
    #[error("couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")]
    InvalidEntrypoint,
    /// The kernel does not execute the program, or its directory is not there (AWS: `Runtime.InvalidEntrypoint`,
    /// `Runtime.InvalidWorkingDir`).
    #[error("{words}")]
    NotExecutable {
        /// AWS's error type.
        error_type: &'static str,
        /// `fork/exec /var/task/bootstrap: exec format error`.
        words: String,
    },
    /// All sandboxes of this host are in use.
    #[error("all {0} sandboxes are in use")]
    Capacity(u32),
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    Stopping,
    /// The system refused.
    #[error("cannot start a sandbox: {0}")]
    System(String),
}

/// The engine. A cheap handle.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    posture: Posture,
    runtimes: Runtimes,
    factory: Arc<Factory>,
    pools: Arc<Pools>,
    filling: AbortHandle,
    freezer: Freezer,
    stopping: AtomicBool,
}

impl Engine {
    /// Finds the host's interpreters, starts the spawner (which first sweeps away what a crashed predecessor left) and
    /// begins to fill the pools. Takes a few milliseconds; pools fill behind it.
    pub async fn start(config: Config) -> Result<Engine, Error> {
        let inner = start::start(config).await?;
        Ok(Engine { inner: Arc::new(inner) })
    }

    /// Which layers of isolation stand.
    pub fn posture(&self) -> &Posture {
        &self.inner.posture
    }

    /// What the host's interpreters serve.
    pub fn runtimes(&self) -> &Runtimes {
        &self.inner.runtimes
    }

    /// Most sandboxes at a time, as far as the host's limits bear what was asked for.
    pub fn sandboxes_max(&self) -> u32 {
        self.inner.factory.places_max
    }

    /// Hints that functions of this runtime and size exist, so that sandboxes for them are parked. Cheap, repeatable.
    pub fn expect(&self, runtime: &str, memory_mb: u32) {
        if let Ok(recipe) = Recipe::find(&self.inner.runtimes, runtime, memory_mb) {
            self.inner.pools.expect(&recipe);
        }
    }

    /// The pools, and the launches so far.
    pub fn pools(&self) -> Vec<PoolStatus> {
        self.inner.pools.status()
    }

    /// A new execution environment for one function version: claims a parked one, forks the zygote, or starts from
    /// nothing, in that order. Init runs in the first [`Sandbox::invoke`], or before it in [`Sandbox::initialise`].
    pub async fn launch(&self, spec: Arc<Spec>, sink: Arc<dyn LogSink>) -> Result<Sandbox, LaunchError> {
        let launched = Instant::now();
        let number = self.inner.factory.numbers.fetch_add(1, Ordering::Relaxed);
        let (life, settings, path) = self.inner.start_life(&spec, number, sink.clone()).await?;
        let identity = SandboxIdentity { sandbox: number, spec };
        Ok(Sandbox::new(self.inner.clone(), identity, sink, path, launched, (life, settings)))
    }

    /// Destroys what is parked, waits for the sandboxes in use to be dropped (at most ten seconds) and refuses new ones.
    pub async fn shutdown(&self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.filling.abort();
        self.inner.pools.close();
        let factory = &self.inner.factory;
        let all = factory.places.acquire_many(factory.places_max);
        if timeout(SHUTDOWN_TIMEOUT, all).await.is_err() {
            tracing::warn!("sandboxes were still in use at shutdown; the spawner's end kills them");
        }
        #[cfg(target_os = "linux")]
        if let factory::Backend::Isolated(spawner) = &factory.backend {
            spawner.before_end().await;
        }
    }
}

impl Inner {
    fn clock(&self) -> &Clock {
        &self.factory.surroundings.clock
    }

    /// A life for this function, the settings it is to be sent, and how it came to be.
    async fn start_life(
        &self,
        spec: &Arc<Spec>,
        number: u64,
        sink: Arc<dyn LogSink>,
    ) -> Result<(Life, Option<Vec<u8>>, LaunchPath), LaunchError> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err(LaunchError::Stopping);
        }
        let recipe = match &spec.image {
            Some(_) => Recipe::of_image(),
            None => Recipe::find(&self.runtimes, &spec.runtime, spec.memory_mb)?,
        };
        let _launching = self.pools.launching();
        let (mut life, path) = self.find_life(&recipe, spec, sink.clone()).await?;
        self.pools.count(&recipe, path);
        life.name(SandboxIdentity { sandbox: number, spec: spec.clone() }, sink);
        let settings = match recipe.interpreter {
            Some(_) => Some(recipe::settings(&recipe, spec, &self.places_of(&life, spec)?, path != LaunchPath::Exec)),
            None => None,
        };
        Ok((life, settings, path))
    }

    async fn find_life(
        &self,
        recipe: &Recipe,
        spec: &Arc<Spec>,
        sink: Arc<dyn LogSink>,
    ) -> Result<(Life, LaunchPath), LaunchError> {
        let started_before = recipe.can_park() && recipe.may_be_started(spec, &Places::inside());
        if started_before && let Some(life) = self.pools.claim(recipe) {
            match self.factory.adopt(&life, spec).await {
                Ok(()) => return Ok((life, LaunchPath::Parked)),
                Err(error) => tracing::warn!(%error, "a parked sandbox could not be claimed; starting another"),
            }
        }
        let mut place = self.place().await?;
        if started_before && recipe.can_fork() {
            match self.factory.make(recipe, Some(spec), LaunchPath::Zygote, sink.clone(), place).await {
                Ok(life) => return Ok((life, LaunchPath::Zygote)),
                Err((_, Some(returned))) => place = returned,
                Err((error, None)) => return Err(error),
            }
        }
        let made = self.factory.make(recipe, Some(spec), LaunchPath::Exec, sink, place).await;
        made.map(|life| (life, LaunchPath::Exec)).map_err(|(error, _)| error)
    }

    /// A place for one more sandbox; parked ones make room.
    async fn place(&self) -> Result<OwnedSemaphorePermit, LaunchError> {
        let places = &self.factory.places;
        if let Ok(place) = places.clone().try_acquire_owned() {
            return Ok(place);
        }
        let full = LaunchError::Capacity(self.factory.places_max);
        self.pools.evict();
        // Also without a parked one: sandboxes that were just dropped are on their way out.
        match timeout(PLACE_TIMEOUT, places.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(full),
        }
    }

    /// Where things are for this life.
    fn places_of(&self, life: &Life, spec: &Spec) -> Result<Places, LaunchError> {
        match &life.runtime_api {
            None => Ok(Places::inside()),
            Some(address) => self.factory.outside(Some(spec), address.clone()),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.filling.abort();
        self.pools.close();
    }
}
