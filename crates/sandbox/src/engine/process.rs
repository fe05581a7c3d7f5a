//! `--isolation process`: a plain child process in place of a sandbox, for macOS and locked-down containers. It isolates
//! nothing. The same frames, Runtime API and logs; no limits, no freezing, the host's own files and network.

use std::{
    ffi::OsString,
    io,
    net::TcpListener,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
};

use tokio::{process::Command, sync::watch};

use super::cell::{Cell, Companion, Exit, Parts, Usage};

/// Descriptor of the frames socket in the child.
const CHANNEL_FD: i32 = 3;

/// What to start.
pub(crate) struct ProcessPlan {
    pub(crate) argv: Vec<OsString>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
    pub(crate) channel: bool,
    /// Made before, since its port is part of the environment.
    pub(crate) runtime_api: TcpListener,
}

/// The handle.
pub(crate) struct ProcessCell {
    pid: i32,
    exit: watch::Receiver<Option<Exit>>,
    /// Groups of the processes beside it.
    companions: Mutex<Vec<i32>>,
}

/// Starts one.
#[expect(unsafe_code, reason = "the child must move one descriptor to number 3 before it executes")]
pub(crate) fn spawn(plan: ProcessPlan) -> io::Result<Parts> {
    let (ours, theirs) = UnixStream::pair()?;
    let (output, write_end) = io::pipe()?;
    let mut command = Command::new(&plan.argv[0]);
    command.args(&plan.argv[1..]).env_clear().envs(plan.env).current_dir(&plan.directory).process_group(0);
    command.stdin(Stdio::null()).stdout(write_end.try_clone()?).stderr(write_end);
    if plan.channel {
        let theirs = theirs.as_raw_fd();
        // SAFETY: runs between fork and exec and calls only dup2 and fcntl, which are async-signal-safe. `theirs`
        // stays open in the parent until `spawn` has returned.
        unsafe {
            command.pre_exec(move || {
                let done = if theirs == CHANNEL_FD {
                    libc::fcntl(theirs, libc::F_SETFD, 0) // dup2 onto itself would leave close-on-exec set
                } else {
                    libc::dup2(theirs, CHANNEL_FD)
                };
                if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
            });
        }
    }
    let mut child = command.spawn()?;
    let pid = child.id().map_or(0, |pid| pid as i32);
    let (tell, exit) = watch::channel(None);
    tokio::spawn(async move {
        let exit = child.wait().await.map(exit_of).unwrap_or_default();
        let _ = tell.send(Some(exit));
    });
    Ok(Parts {
        cell: Cell::Process(ProcessCell { pid, exit, companions: Mutex::default() }),
        frames: plan.channel.then_some(ours),
        output: OwnedFd::from(output),
        telemetry: None,
        runtime_api: plan.runtime_api,
        endpoint: None,
        dns: None,
    })
}

fn exit_of(status: std::process::ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    Exit { status: status.code(), signal: status.signal(), ..Exit::default() }
}

impl ProcessCell {
    pub(crate) async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or_default(),
            Err(_) => Exit::default(),
        }
    }

    pub(crate) fn join(&self, program: &Path, environment: &[(String, String)]) -> io::Result<Companion> {
        let (output, write_end) = io::pipe()?;
        let mut command = Command::new(program);
        command.env_clear().envs(environment.iter().cloned()).current_dir("/").process_group(0);
        command.stdin(Stdio::null()).stdout(write_end.try_clone()?).stderr(write_end);
        let mut child = command.spawn()?;
        let pid = child.id().map_or(0, |pid| pid as i32);
        self.companions.lock().unwrap_or_else(PoisonError::into_inner).push(pid);
        let ended = async move { child.wait().await.map(exit_of).unwrap_or_default() };
        Ok(Companion { id: pid as u64, output: OwnedFd::from(output), ended: Box::pin(ended) })
    }

    pub(crate) fn kill_companion(&self, id: u64) {
        kill_group(id as i32);
    }

    pub(crate) fn terminate(&self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid).filter(|_| !self.has_exited()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }

    pub(crate) fn has_exited(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// Peak of the first process alone, where `/proc` tells it.
    pub(crate) fn usage(&self) -> Usage {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let peak_kb = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        Usage { memory_peak_bytes: peak_kb.unwrap_or_default() * 1024, oom_kills: 0 }
    }

    pub(crate) async fn destroy(&self) {
        // Its whole process group: once the leader is reaped, a group id lives on for as long as it has members, and
        // with none the signal goes nowhere.
        let companions = self.companions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        companions.into_iter().chain([self.pid]).for_each(kill_group);
        self.exited().await;
    }
}

fn kill_group(leader: i32) {
    if let Some(group) = rustix::process::Pid::from_raw(leader) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}
