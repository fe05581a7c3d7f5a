//! The spawner: the one privileged process, and the server's handle of it.
//!
//! The server never forks: a copy of a big process's descriptor and page tables costs up to 14 ms. A tiny process does,
//! single-threaded, in plain system calls: it alone forks, enters namespaces, mounts, confines, kills and reaps. The two
//! speak over one SEQPACKET socket; when the server's end closes, however the server died, the spawner kills every
//! sandbox and ends.
//!
//! - `plan`: what crosses the socket, in words of isolation. `protocol`: how it crosses.
//! - `client`: [`Spawner`], the server's side.
//! - `process`: the process from its start; `worker`: its loop; `slot`: one sandbox; `companions`: further processes in it;
//!   `launch`: the clone; `zygote`.
//! - `child`: what a new process does before it is a sandbox; shared with `helper/lib.rs`, which zygotes load.
//! - `template` and `etc`: the tree that sandboxes see. `seccomp`, `capabilities`: what they may not do.
//!
//! `unsafe` is allowed in here: making namespaces between a clone and an exec *is* raw system calls. Every block says why it
//! is sound; no pointer outlives the call it is passed to but the launcher's page.
#![allow(unsafe_code)]

mod capabilities;
// Shared with the zygote's helper library, which uses another part of it.
#[allow(unreachable_pub, dead_code)]
mod child;
mod client;
mod companions;
mod etc;
mod launch;
mod plan;
mod process;
mod protocol;
mod seccomp;
mod slot;
mod template;
mod worker;
mod zygote;

pub(crate) use child::orders::Step;
pub use client::{Error, Spawner};
pub use plan::{
    CodeTrees, Companion, CompanionId, Config, Ended, Exit, ImageTree, Limits, Plan, Program, SlotId, Spawned, Start,
    UID_FIRST, Usage, Userland, ZygotePlan,
};

/// The command-line argument by which an executable is told to be the spawner.
pub const ARGUMENT: &str = "__spawner";

/// Runs the spawner process: for the hidden argument [`ARGUMENT`], before anything else (no threads, no runtime), with
/// the server's socket as standard input. Ends with the server.
pub fn main() -> ! {
    process::main()
}

/// What a sandbox's child was doing when it failed with [`Ended::Unconfined`].
pub fn step_words(step: u32) -> &'static str {
    child::orders::Step::words(step)
}
