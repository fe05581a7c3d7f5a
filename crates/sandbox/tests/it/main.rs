//! Tests of the sandbox engine from outside, against the real kernel and real runtimes.
#![allow(clippy::unwrap_used, reason = "a test that fails may say so bluntly")]

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod companions;
#[cfg(target_os = "linux")]
mod confined;
mod engine;
mod extensions;
mod image;
#[cfg(target_os = "linux")]
mod isolation;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod net;
#[cfg(target_os = "linux")]
mod privilege;
#[cfg(target_os = "linux")]
mod snapshot;
mod spawner;
mod streaming;
mod support;
