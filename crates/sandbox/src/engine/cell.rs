//! One running sandbox as the rest of the engine sees it, whichever way it is kept apart.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    pin::Pin,
};

use tokio::net::TcpStream;

#[cfg(target_os = "linux")]
use super::isolated::IsolatedCell;
use super::process::ProcessCell;

/// How a sandbox's runtime ended, or another process in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) status: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// It was our fault, and this is what happened.
    pub(crate) ours: Option<&'static str>,
    /// The kernel killed something in it for want of memory.
    pub(crate) out_of_memory: bool,
    /// Most memory it ever used, when that is known at the end.
    pub(crate) memory_peak_bytes: u64,
}

/// What a sandbox has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) memory_peak_bytes: u64,
    pub(crate) oom_kills: u64,
}

/// A new sandbox: the handle, and the ends the server holds.
pub(crate) struct Parts {
    pub(crate) cell: Cell,
    pub(crate) frames: Option<UnixStream>,
    pub(crate) output: OwnedFd,
    pub(crate) telemetry: Option<OwnedFd>,
    pub(crate) runtime_api: TcpListener,
    /// None where the sandbox shares the host's network and reaches the server by itself.
    pub(crate) endpoint: Option<TcpListener>,
    pub(crate) dns: Option<UdpSocket>,
}

/// A process that was started beside the runtime.
pub(crate) struct Companion {
    pub(crate) id: u64,
    pub(crate) output: OwnedFd,
    pub(crate) ended: Pin<Box<dyn Future<Output = Exit> + Send>>,
}

/// The handle. [`Cell::destroy`] must be called for each, some day.
pub(crate) enum Cell {
    #[cfg(target_os = "linux")]
    Isolated(IsolatedCell),
    Process(ProcessCell),
}

impl Cell {
    /// Waits for the end of its runtime.
    pub(crate) async fn exited(&self) -> Exit {
        match self {
            #[cfg(target_os = "linux")]
            Cell::Isolated(cell) => cell.exited().await,
            Cell::Process(cell) => cell.exited().await,
        }
    }

    /// Whether its runtime has ended already. Does not wait.
    pub(crate) fn has_exited(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Cell::Isolated(cell) => cell.has_exited(),
            Cell::Process(cell) => cell.has_exited(),
        }
    }

    /// Starts a program beside the runtime. From then on the sandbox does not end with its runtime.
    pub(crate) async fn join(&self, program: &Path, environment: &[(String, String)]) -> io::Result<Companion> {
        match self {
            #[cfg(target_os = "linux")]
            Cell::Isolated(cell) => cell.join(program, environment).await,
            Cell::Process(cell) => cell.join(program, environment),
        }
    }

    /// Ends such a program at once.
    pub(crate) async fn kill_companion(&self, id: u64) {
        match self {
            #[cfg(target_os = "linux")]
            Cell::Isolated(cell) => cell.kill_companion(id).await,
            Cell::Process(cell) => cell.kill_companion(id),
        }
    }

    /// Asks the runtime to end.
    pub(crate) async fn terminate(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Cell::Isolated(cell) => cell.terminate().await,
            Cell::Process(cell) => cell.terminate(),
        }
    }

    /// What it has used so far; zeros where that cannot be known.
    pub(crate) async fn usage(&self) -> Usage {
        match self {
            #[cfg(target_os = "linux")]
            Cell::Isolated(cell) => cell.usage().await,
            Cell::Process(cell) => cell.usage(),
        }
    }

    /// A connection to a port on its own loopback.
    pub(crate) async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match self {
            #[cfg(target_os = "linux")]
            Cell::Isolated(cell) => cell.socket().await?.connect(address).await,
            Cell::Process(_) => TcpStream::connect(address).await,
        }
    }

    /// The socket of the trace daemon inside of it; none where the network is the host's.
    pub(crate) async fn trace_daemon(&self) -> Option<UdpSocket> {
        match self {
            #[cfg(target_os = "linux")]
            Cell::Isolated(cell) => match cell.trace_daemon().await {
                Ok(socket) => Some(socket),
                Err(error) => {
                    tracing::warn!(%error, "a sandbox has no trace daemon");
                    None
                }
            },
            Cell::Process(_) => None,
        }
    }

    /// Stops or resumes it, without its noticing. Answers whether that was done.
    pub(crate) async fn freeze(&self, frozen: bool) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Cell::Isolated(cell) => cell.freeze(frozen).await,
            Cell::Process(_) => false, // a signal would be noticed, and process isolation promises nothing
        }
    }

    /// Kills everything in it and waits until it is gone. More than once is no error.
    pub(crate) async fn destroy(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Cell::Isolated(cell) => cell.destroy().await,
            Cell::Process(cell) => cell.destroy().await,
        }
    }
}
