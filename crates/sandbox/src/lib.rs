//! Isolates and runs code: the one deep engine under every function.
//!
//! This crate knows no AWS *service*: no functions table, no permissions, no log groups. It knows a [`Spec`] (which
//! interpreter, which code tree, which limits), makes a [`Sandbox`] of it in about a millisecond, passes one
//! [`Request`] at a time through it and reports the [`Outcome`].
//!
//! - `engine`: the async half inside the server. It never forks and never enters a namespace.
//! - `runtimes`: which interpreters the host has, and which AWS runtime names they serve.
//! - `spawner`: the tiny privileged process that forks, mounts, confines and reaps, and its client (Linux only).
//! - `cgroup`, `net`: limits and network namespaces, used by the spawner (Linux only).
//! - `packs`: the AWS SDKs that managed runtimes offer without the user bundling them, built on the host.
//! - `turns`: who interrupts whom on a busy processor (Linux only).
//! - `posture`: what isolation was asked for, and which layers of it this host really gives.

#[cfg(target_os = "linux")]
pub mod cgroup;
pub mod engine;
#[cfg(target_os = "linux")]
pub mod net;
pub mod packs;
pub mod posture;
pub mod runtimes;
#[cfg(target_os = "linux")]
pub mod spawner;
#[cfg(target_os = "linux")]
pub mod turns;

pub use engine::{
    Architecture, Config, Credentials, DebugPort, Engine, Error, Failure, ImageProcess, InitFailure, InitReport,
    InitStatus, LaunchError, LaunchPath, LogSink, MemoryImage, Outcome, Outlet, Part, PoolStatus, PoolTargets, Request,
    RestoreFailure, RestoreReport, Sandbox, SandboxIdentity, Spec, TRACE_DAEMON, TraceDaemon,
};
pub use posture::{Egress, Isolation, Layer, LayerState, Posture};
pub use runtimes::{Runtimes, Search};
