//! What the server asks of the spawner: plain data that crosses the socket, in words of isolation only.
//!
//! Nothing here knows how it is done; `process` and `child` do it.

use std::{
    ffi::CString,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{cgroup::Meter, posture::Egress};

/// First user id of sandboxes; slot `n` runs as `UID_FIRST + n`. High enough to stay clear of people and `DynamicUser`
/// services (61184-65519) and of the sub-uids that distributions hand out from 100000 on for a few users.
pub const UID_FIRST: u32 = 200_000;

/// Settings of a spawner process, fixed for its life.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directory of this instance's own. Holds the lock file that keeps two servers off one instance, and names the
    /// cgroups that a start after a crash sweeps.
    pub instance_dir: PathBuf,
    /// The command that runs [`super::main`]. Empty means this very executable with
    /// the hidden argument `__spawner`. It gets its socket as standard input.
    pub program: Vec<PathBuf>,
    /// What sandboxes may reach outside.
    pub egress: Egress,
    /// Port of the server's endpoint, listened on inside of every sandbox.
    pub endpoint_port: u16,
    /// Most sandboxes at a time.
    pub slots_max: u32,
    /// What of the host every sandbox sees.
    pub userland: Userland,
    /// Interpreters that are booted once and forked.
    pub zygotes: Vec<ZygotePlan>,
}

impl Config {
    /// Settings with defaults for everything but the directory.
    pub fn new(instance_dir: impl Into<PathBuf>) -> Config {
        Config {
            instance_dir: instance_dir.into(),
            program: Vec::new(),
            egress: Egress::default(),
            endpoint_port: 4566,
            slots_max: 1000,
            userland: Userland::default(),
            zygotes: Vec::new(),
        }
    }
}

/// What of the host every sandbox sees, read-only: `/usr` always (with `/usr/local` and `/usr/src` empty), a synthesized
/// `/etc`, and these.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Userland {
    /// Interpreter prefixes outside of `/usr` (or below `/usr/local`), seen at the same path inside. Ones that do not
    /// exist are an error.
    pub binds: Vec<PathBuf>,
    /// Boot files and runtime packs, seen as `/var/runtime`. None: an empty directory.
    pub runtime_dir: Option<PathBuf>,
}

/// An interpreter that is booted once, in the mount template, and forked for each sandbox. It must stay single-threaded
/// and hold nothing of any tenant. Its control socket is descriptor 3; the environment variable
/// `UPDRAFT_ZYGOTE_LIBRARY` names the helper library (`helper/lib.rs` says how it is called).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ZygotePlan {
    /// What [`Start::Zygote`] calls it. Unique.
    pub name: String,
    /// Program (absolute path, as seen inside) and arguments.
    pub argv: Vec<CString>,
    /// Its whole environment, `NAME=value`.
    pub env: Vec<CString>,
}

/// How the first process of a sandbox comes to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Start {
    /// Executes a program.
    Exec {
        /// Program (absolute path, as seen inside) and arguments.
        argv: Vec<CString>,
        /// Its whole environment, `NAME=value`.
        env: Vec<CString>,
    },
    /// Forks a zygote, which goes on by itself.
    Zygote {
        /// Name of its [`ZygotePlan`].
        name: String,
    },
}

/// One sandbox to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// How its first process comes to be.
    pub start: Start,
    /// Whether it gets a stream socket to the server on descriptor 3.
    pub channel: bool,
    /// Its code; none for a parked sandbox, which gets it by [`super::Spawner::attach`], and for an image.
    pub code: Option<CodeTrees>,
    /// A container image, in place of the host's userland and of code.
    pub image: Option<ImageTree>,
    /// What it may use.
    pub limits: Limits,
    /// Its host name, at most 63 bytes.
    pub hostname: String,
}

/// Directories with a function's code on the host; seen read-only inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeTrees {
    /// Seen as `/var/task`.
    pub task: PathBuf,
    /// Seen as `/opt`: all layers, already merged.
    pub opt: Option<PathBuf>,
}

/// A container image on the host; seen read-only inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTree {
    /// Seen as the root. Has directories `proc`, `dev`, `tmp`, `run/updraft` and files `etc/hosts`, `etc/resolv.conf` to
    /// mount on, none of them links.
    pub root: PathBuf,
    /// Where the first process starts: an absolute path inside, at most 1,023 bytes.
    pub directory: String,
}

impl CodeTrees {
    /// Code without layers.
    pub fn task(task: impl AsRef<Path>) -> CodeTrees {
        CodeTrees { task: task.as_ref().to_owned(), opt: None }
    }
}

/// What a sandbox may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of the whole sandbox in bytes, the files in its `/tmp` apart (AWS: 128 MB to 10,240 MB).
    pub memory_bytes: u64,
    /// Processor time in thousandths of one processor (AWS: 1,769 MB of memory buy one, so `memory_mb * 1000 / 1769`).
    pub cpu_milli: u32,
    /// What it weighs against others where there is not enough processor time for all, in thousandths of a processor.
    pub cpu_weight_milli: u32,
    /// Processes and threads (AWS: 1,024).
    pub pids: u32,
    /// Open files of one process (AWS: 1,024). Lowered to what the host gives the spawner.
    pub open_files: u64,
    /// Size of `/tmp` in bytes (AWS: 512 MB to 10,240 MB).
    pub tmp_bytes: u64,
    /// Files in `/tmp`.
    pub tmp_inodes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes: 128 << 20,
            cpu_milli: 1000,
            cpu_weight_milli: 1000,
            pids: 1024,
            open_files: 1024,
            tmp_bytes: 512 << 20,
            tmp_inodes: 65_536,
        }
    }
}

/// Names a sandbox: its slot, and which of the slot's sandboxes it is, so that a late request never hits the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SlotId {
    /// Below [`Config::slots_max`]. Also decides the user id.
    pub slot: u32,
    /// Counts the sandboxes of this spawner.
    pub generation: u64,
}

/// The ends of a sandbox that the server holds.
#[derive(Debug)]
pub struct Spawned {
    /// Its name.
    pub id: SlotId,
    /// Readable when the sandbox has ended, which it does with its runtime unless other processes were started in it.
    pub pidfd: OwnedFd,
    /// Stream socket to descriptor 3, if asked for. Non-blocking, like all of these.
    pub channel: Option<OwnedFd>,
    /// Read end of standard output and standard error.
    pub output: OwnedFd,
    /// Read end of descriptor 4, the telemetry log.
    pub telemetry: OwnedFd,
    /// TCP listener on 127.0.0.1:9001 inside.
    pub runtime_api: OwnedFd,
    /// TCP listener on 127.0.0.1:[`Config::endpoint_port`] inside.
    pub endpoint: OwnedFd,
    /// UDP socket on 127.0.0.1:53 inside.
    pub dns: OwnedFd,
    /// Tells the highest memory use so far; none where the kernel does not.
    pub memory_meter: Option<Meter>,
}

/// A program to be run beside a sandbox's runtime.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Program {
    /// Program (absolute path, as seen inside) and arguments.
    pub argv: Vec<CString>,
    /// Its whole environment, `NAME=value`.
    pub env: Vec<CString>,
}

/// Names a process that was started beside a sandbox's runtime. Never used twice.
pub type CompanionId = u64;

/// The ends of such a process that the server holds.
#[derive(Debug)]
pub struct Companion {
    /// Its name.
    pub id: CompanionId,
    /// Read end of its standard output and standard error. Non-blocking.
    pub output: OwnedFd,
    /// How it ended, once it has.
    pub ended: tokio::sync::watch::Receiver<Option<Ended>>,
}

/// What a sandbox has used so far. Zeros where the host lacks the cgroup controller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Memory now, in bytes.
    pub memory_bytes: u64,
    /// Most memory since the start, in bytes, what files hold apart; never above the limit.
    pub memory_peak_bytes: u64,
    /// Processes that were killed because the memory limit was reached.
    pub oom_kills: u64,
}

/// How the runtime of a sandbox ended, or another process that was started in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// It exited with this status.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
    /// It could not be confined, so it ended before any code of the function ran (only a zygote's child tells it here;
    /// else [`super::Spawner::spawn`] fails). [`super::step_words`] puts the step in words.
    Unconfined {
        /// Number of the step.
        step: u32,
        /// The system's error number.
        errno: i32,
    },
    /// The spawner itself died, and took every sandbox with it.
    SpawnerDied,
}

/// The end of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// How it ended.
    pub ended: Ended,
    /// What it used in its life.
    pub usage: Usage,
}
