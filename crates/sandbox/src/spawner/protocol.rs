//! The socket between server and spawner: one SEQPACKET message is one request, reply or event; descriptors ride along.
//!
//! Both ends are the same build, so the encoding (postcard) needs no versions. A message is not trusted in size only.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::plan::{CodeTrees, CompanionId, Ended, Exit, Limits, Plan, Program, SlotId, Usage, Userland, ZygotePlan};

/// Longest message. Arguments and environment are what makes one long; the kernel's default socket buffer bears more.
pub(super) const MESSAGE_MAX: usize = 160 * 1024;
/// Most descriptors in one message.
pub(super) const DESCRIPTORS_MAX: usize = 24;

/// The first message: what the process is to be.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) instance_dir: PathBuf,
    pub(super) nat: bool,
    pub(super) endpoint_port: u16,
    pub(super) slots_max: u32,
    pub(super) userland: Userland,
    pub(super) zygotes: Vec<ZygotePlan>,
}

/// A request; the reply carries the same ticket.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) ticket: u64,
    pub(super) request: Request,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Spawn(Plan),
    Attach {
        id: SlotId,
        code: CodeTrees,
        limits: Limits,
    },
    Limit {
        id: SlotId,
        limits: Limits,
    },
    /// Its init is over.
    Settle {
        id: SlotId,
        limits: Limits,
    },
    Freeze {
        id: SlotId,
        frozen: bool,
    },
    Usage {
        id: SlotId,
    },
    Join {
        id: SlotId,
        program: Program,
    },
    /// Asks the runtime to end, or (of a companion) ends it.
    Stop {
        id: SlotId,
        companion: Option<CompanionId>,
    },
    Socket {
        id: SlotId,
        kind: SocketKind,
    },
    Destroy {
        id: SlotId,
    },
}

/// What socket of a sandbox's network.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum SocketKind {
    /// TCP, not connected.
    Stream,
    /// UDP, where the trace daemon listens.
    TraceDaemon,
}

/// What the spawner says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// It can work; layers as name, why it is degraded, what to do.
    Ready {
        layers: Vec<(String, Option<String>, String)>,
    },
    /// It cannot.
    Failed {
        why: String,
    },
    ZygoteReady {
        name: String,
    },
    ZygoteEnded {
        name: String,
    },
    /// The sandbox is gone, or only its runtime, when it has companions.
    Exited {
        id: SlotId,
        exit: Exit,
    },
    CompanionEnded {
        companion: CompanionId,
        ended: Ended,
    },
    Reply {
        ticket: u64,
        reply: Result<Reply, Refusal>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// Descriptors: pidfd, output, telemetry, runtime_api, endpoint, dns, the channel if it was asked for, and the
    /// memory meter's directory if there is one.
    Spawned {
        id: SlotId,
    },
    /// With the read end of its output.
    Joined {
        companion: CompanionId,
    },
    /// With the socket.
    Socket,
    Done,
    Usage(Usage),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Refusal {
    Full,
    Gone,
    NoZygote,
    System { step: String, errno: i32 },
}

impl Refusal {
    /// What was being done when the system refused.
    pub(super) fn system(step: &str) -> impl FnOnce(io::Error) -> Refusal {
        move |error| Refusal::System { step: step.to_owned(), errno: error.raw_os_error().unwrap_or(libc::EIO) }
    }
}

/// Fails for paths that are not UTF-8.
pub(super) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    postcard::to_allocvec(message).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    postcard::from_bytes(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Sends one message. On a non-blocking socket may fail with `WouldBlock`.
pub(super) fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    loop {
        match sendmsg(&socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Receives one message into `buffer`; its length (0: the other end closed) and its descriptors.
pub(super) fn receive(socket: impl AsFd, buffer: &mut [u8], wait: bool) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut flags = RecvFlags::CMSG_CLOEXEC;
    if !wait {
        flags |= RecvFlags::DONTWAIT;
    }
    let message = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags) {
            Err(rustix::io::Errno::INTR) => {}
            // A server that was killed with unread messages resets the connection: closed, all the same.
            Err(rustix::io::Errno::CONNRESET) => return Ok((0, Vec::new())),
            message => break message?,
        }
    };
    let mut descriptors = Vec::new();
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = part {
            descriptors.extend(fds);
        }
    }
    Ok((message.bytes, descriptors))
}
