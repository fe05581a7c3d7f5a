//! Tests of the sandbox engine from outside.
#![allow(clippy::unwrap_used, reason = "a test that fails may say so bluntly")]

mod engine;
#[cfg(target_os = "linux")]
mod spawner;
mod support;
