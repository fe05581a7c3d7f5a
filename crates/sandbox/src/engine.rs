//! The async half of the sandbox engine, inside the server.
//!
//! It keeps pools of parked sandboxes, turns a [`Spec`] into a [`Sandbox`], passes requests through it, drains its
//! logs, holds its deadlines and freezes it when idle. It never forks and never enters a namespace: the spawner does.

mod spec;

use std::{path::PathBuf, sync::Arc};

pub use spec::*;

use crate::{
    posture::{Egress, Isolation, Posture},
    runtimes::Runtimes,
};

/// Takes a connection that a sandbox made to the server's own endpoint. Must not block.
pub type EndpointHandler = Arc<dyn Fn(tokio::net::TcpStream, SandboxIdentity) + Send + Sync>;

/// How many booted, warmed sandboxes to keep waiting for code, for each runtime in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolTargets {
    /// For each Python minor in use.
    pub python: usize,
    /// For each Node.js major in use.
    pub node: usize,
    /// For each Java version and memory class in use.
    pub java: usize,
}

impl Default for PoolTargets {
    fn default() -> Self {
        PoolTargets { python: 8, node: 4, java: 2 }
    }
}

/// Settings of an engine.
#[derive(Clone)]
pub struct Config {
    /// A directory of this instance's own: boot files, merged layers, the spawner's state.
    pub instance_dir: PathBuf,
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
        Config {
            instance_dir: instance_dir.into(),
            isolation: Isolation::default(),
            egress: Egress::default(),
            endpoint_port: 4566,
            endpoint: Arc::new(|_, _| ()),
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
}

impl Engine {
    /// Finds the host's interpreters, starts the spawner (which first sweeps away what a crashed predecessor left) and
    /// begins to fill the pools. Takes a few milliseconds; pools fill behind it.
    pub async fn start(config: Config) -> Result<Engine, Error> {
        let _ = config;
        Err(Error::Unavailable("not built yet".into()))
    }

    /// Which layers of isolation stand.
    pub fn posture(&self) -> &Posture {
        &self.inner.posture
    }

    /// What the host's interpreters serve.
    pub fn runtimes(&self) -> &Runtimes {
        &self.inner.runtimes
    }

    /// Hints that functions of this runtime and size exist, so that sandboxes for them are parked. Cheap, repeatable.
    pub fn expect(&self, runtime: &str, memory_mb: u32) {
        let _ = (runtime, memory_mb);
    }

    /// The pools.
    pub fn pools(&self) -> Vec<PoolStatus> {
        Vec::new()
    }

    /// A new execution environment for one function version: claims a parked one, forks the zygote, or starts from
    /// nothing, in that order. Init runs in the first [`Sandbox::invoke`].
    pub async fn launch(&self, spec: Arc<Spec>, sink: Arc<dyn LogSink>) -> Result<Sandbox, LaunchError> {
        let _ = sink;
        Err(LaunchError::UnknownRuntime(spec.runtime.clone()))
    }

    /// Destroys what is parked, waits for the sandboxes in use to be dropped (at most ten seconds) and ends the spawner.
    pub async fn shutdown(&self) {}
}

/// One execution environment of one function version. Dropping it destroys it, in the background.
pub struct Sandbox {
    identity: SandboxIdentity,
    path: LaunchPath,
}

impl Sandbox {
    /// How it came to be.
    pub fn path(&self) -> LaunchPath {
        self.path
    }

    /// Its number and what it runs.
    pub fn identity(&self) -> &SandboxIdentity {
        &self.identity
    }

    /// Runs init, if that is still to do, and one request. If the returned future is dropped the sandbox is killed.
    pub async fn invoke(&mut self, request: Request) -> Outcome {
        let _ = request;
        Outcome {
            result: Err(Failure::Internal("not built yet".into())),
            init: None,
            init_retry: None,
            duration: std::time::Duration::ZERO,
            memory_peak_bytes: 0,
        }
    }

    /// Whether another request can go through it.
    pub fn is_alive(&self) -> bool {
        false
    }
}
