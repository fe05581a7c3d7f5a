//! The spawner: the one privileged process, and the server's handle of it.
//!
//! The server never forks: a copy of a big process's descriptor and page tables costs up to 14 ms. A tiny process does,
//! single-threaded, in plain system calls: it alone forks, enters namespaces, mounts, confines, kills and reaps. The two
//! speak over one SEQPACKET socket; when the server's end closes, however the server died, the spawner kills every
//! sandbox and ends.
//!
//! - `plan`: what crosses the socket. `protocol`: how.
//! - `client`: [`Spawner`], the server's side.

mod client;
mod plan;

pub use client::{Error, Spawner};
pub use plan::{
    CodeTrees, Config, Ended, Exit, Limits, Plan, SlotId, Spawned, Start, UID_FIRST, Usage, Userland, ZygotePlan,
};

/// The command-line argument by which an executable is told to be the spawner.
pub const ARGUMENT: &str = "__spawner";

/// Runs the spawner process: for the hidden argument [`ARGUMENT`], before anything else (no threads, no runtime), with
/// the server's socket on descriptor 3. Ends with the server.
pub fn main() -> ! {
    eprintln!("the spawner is not built yet");
    std::process::exit(2)
}
