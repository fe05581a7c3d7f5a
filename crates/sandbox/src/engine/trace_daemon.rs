//! What a sandbox sends to the trace daemon, handed on. The daemon's socket is opened at the first request that is traced;
//! sandboxes that never trace never have one.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::Arc,
};

use bytes::Bytes;

/// Where AWS has its trace daemon inside a sandbox, by UDP.
pub const TRACE_DAEMON: (Ipv4Addr, u16) = (Ipv4Addr::new(169, 254, 79, 129), 2000);

/// Longest datagram: what UDP carries.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Who receives what sandboxes send to the trace daemon.
pub trait TraceDaemon: Send + Sync + std::fmt::Debug {
    /// One datagram: a line that says how it is written, and a document. Must not block.
    fn receive(&self, datagram: Bytes);
}

/// Hands on until the task is aborted with its sandbox.
pub(super) async fn serve(socket: UdpSocket, daemon: Arc<dyn TraceDaemon>) {
    let socket = match tokio::net::UdpSocket::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::warn!(%error, "a sandbox's trace daemon cannot be watched"),
    };
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    while let Ok((length, _)) = socket.recv_from(&mut buffer).await {
        daemon.receive(Bytes::copy_from_slice(&buffer[..length]));
    }
}
