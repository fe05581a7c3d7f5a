//! A sandbox made by the spawner.

use std::{
    io,
    net::{TcpListener, UdpSocket},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::TcpSocket,
};

use super::{
    cell::{Cell, Companion, Exit, Parts, Usage},
    factory::{c_environment, c_strings},
};
use crate::{
    cgroup::Meter,
    spawner::{self, CodeTrees, Ended, Limits, Plan, Program, SlotId, Spawner},
};

/// The handle.
pub(crate) struct IsolatedCell {
    spawner: Spawner,
    id: SlotId,
    pidfd: AsyncFd<OwnedFd>,
    memory_meter: Option<Meter>,
    /// The limit of its memory.
    memory_bytes: AtomicU64,
    /// There are processes beside the runtime: it does not end with the runtime.
    lingers: AtomicBool,
}

/// Makes one.
pub(crate) async fn spawn(spawner: &Spawner, plan: &Plan) -> Result<Parts, spawner::Error> {
    let spawned = spawner.spawn(plan).await?;
    let id = spawned.id;
    #[expect(unsafe_code, reason = "registering a descriptor with the event loop")]
    // SAFETY: an `OwnedFd` answers the same descriptor all its life and keeps it open until it is dropped, with `AsyncFd`.
    let registered = unsafe { AsyncFd::register_with_interest(spawned.pidfd, Interest::READABLE) };
    let pidfd = match registered {
        Ok(pidfd) => pidfd,
        Err(error) => {
            let _ = spawner.destroy(id).await;
            let errno = io::Error::from(error).raw_os_error().unwrap_or_default();
            return Err(spawner::Error::System { step: "watch a process".into(), errno });
        }
    };
    Ok(Parts {
        cell: Cell::Isolated(IsolatedCell {
            spawner: spawner.clone(),
            id,
            pidfd,
            memory_meter: spawned.memory_meter,
            memory_bytes: AtomicU64::new(plan.limits.memory_bytes),
            lingers: AtomicBool::new(false),
        }),
        frames: spawned.channel.map(UnixStream::from),
        output: spawned.output,
        telemetry: Some(spawned.telemetry),
        runtime_api: TcpListener::from(spawned.runtime_api),
        endpoint: Some(TcpListener::from(spawned.endpoint)),
        dns: Some(UdpSocket::from(spawned.dns)),
    })
}

impl IsolatedCell {
    /// Gives a parked sandbox its code and real limits.
    pub(crate) async fn attach(&self, code: &CodeTrees, limits: Limits) -> Result<(), spawner::Error> {
        self.memory_bytes.store(limits.memory_bytes, Relaxed);
        self.spawner.attach(self.id, code, limits).await
    }

    /// Changes what it may use from now on. One that ended meanwhile needs no limits.
    pub(crate) async fn limit(&self, limits: Limits) {
        if let Err(error) = self.spawner.limit(self.id, limits).await
            && !matches!(error, spawner::Error::Gone | spawner::Error::Died)
        {
            tracing::warn!(%error, slot = self.id.slot, "a sandbox could not be limited");
        }
    }

    /// Its init is over: what it may use from now on.
    pub(crate) async fn settle(&self, limits: Limits) {
        if let Err(error) = self.spawner.settle(self.id, limits).await
            && !matches!(error, spawner::Error::Gone | spawner::Error::Died)
        {
            tracing::warn!(%error, slot = self.id.slot, "a sandbox could not be limited");
        }
    }

    pub(crate) async fn exited(&self) -> Exit {
        if !self.lingers.load(Relaxed) {
            // An error of the poll itself cannot be told from an end, and `wait` tells the truth.
            let _ = self.pidfd.readable().await;
        }
        match self.spawner.wait(self.id).await {
            Ok(exit) => Exit {
                out_of_memory: exit.usage.oom_kills > 0,
                memory_peak_bytes: exit.usage.memory_peak_bytes,
                ..exit_of(exit.ended)
            },
            Err(_) => Exit::default(),
        }
    }

    pub(crate) async fn join(&self, program: &Path, environment: &[(String, String)]) -> io::Result<Companion> {
        let words = |error: super::LaunchError| io::Error::other(error.to_string());
        let program = Program {
            argv: c_strings(vec![program.into()]).map_err(words)?,
            env: c_environment(environment.to_vec()).map_err(words)?,
        };
        self.lingers.store(true, Relaxed);
        let spawner::Companion { id, output, mut ended } = match self.spawner.join(self.id, program).await {
            Ok(companion) => companion,
            Err(spawner::Error::System { errno, .. }) => return Err(io::Error::from_raw_os_error(errno)),
            Err(error) => return Err(io::Error::other(error)),
        };
        let ended = async move {
            let ended = ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
            exit_of(ended.unwrap_or(Ended::SpawnerDied))
        };
        Ok(Companion { id, output, ended: Box::pin(ended) })
    }

    pub(crate) async fn kill_companion(&self, id: u64) {
        let _ = self.spawner.stop_process(self.id, Some(id)).await; // gone already, most likely
    }

    pub(crate) async fn terminate(&self) {
        let _ = self.spawner.stop_process(self.id, None).await; // as above
    }

    pub(crate) fn has_exited(&self) -> bool {
        if self.lingers.load(Relaxed) && self.spawner.exit(self.id).is_some() {
            return true;
        }
        let mut fds = [PollFd::from_borrowed_fd(self.pidfd.get_ref().as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).map_err(io::Error::from).is_ok_and(|ready| ready > 0)
    }

    /// Read from the kernel directly where that is possible: the spawner may be busy with making another sandbox.
    pub(crate) async fn usage(&self) -> Usage {
        if let Some(memory_peak_bytes) = self.memory_meter.as_ref().and_then(Meter::read) {
            return Usage {
                // One look late it may have had more for a moment.
                memory_peak_bytes: memory_peak_bytes.min(self.memory_bytes.load(Relaxed)),
                oom_kills: 0,
            };
        }
        match self.spawner.usage(self.id).await {
            Ok(usage) => Usage { memory_peak_bytes: usage.memory_peak_bytes, oom_kills: usage.oom_kills },
            Err(_) => Usage::default(),
        }
    }

    /// A socket in its network.
    pub(crate) async fn socket(&self) -> io::Result<TcpSocket> {
        let socket = self.spawner.socket(self.id).await.map_err(io::Error::other)?;
        Ok(TcpSocket::from_std_stream(socket.into()))
    }

    /// The socket of the trace daemon inside of it.
    pub(crate) async fn trace_daemon(&self) -> Result<UdpSocket, spawner::Error> {
        self.spawner.trace_daemon(self.id).await.map(UdpSocket::from)
    }

    pub(crate) async fn freeze(&self, frozen: bool) -> bool {
        self.spawner.freeze(self.id, frozen).await.is_ok()
    }

    pub(crate) async fn destroy(&self) {
        if let Err(error) = self.spawner.destroy(self.id).await {
            tracing::warn!(%error, slot = self.id.slot, "a sandbox could not be destroyed");
        }
    }
}

fn exit_of(ended: Ended) -> Exit {
    let (status, signal, ours) = match ended {
        Ended::Exited(status) => (Some(status), None, None),
        Ended::Signaled(signal) => (None, Some(signal), None),
        Ended::Unconfined { step, errno } => {
            let error = io::Error::from_raw_os_error(errno);
            tracing::error!("a sandbox could not be made: {}: {error}", spawner::step_words(step));
            (None, None, Some("the sandbox could not be made"))
        }
        Ended::SpawnerDied => (None, None, Some("the spawner ended")),
    };
    Exit { status, signal, ours, ..Exit::default() }
}
