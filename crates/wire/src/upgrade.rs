//! What becomes of a connection once its HTTP/1.1 request has turned it into something else: its bytes, both ways.
//!
//! A handler that takes an [`Upgrade`] out of a request and answers 101 has the connection from then on; the server
//! holds nothing of it any more.

use std::io;

use bytes::Bytes;
use http::Request;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::server::unstalled::Unstalled;

/// A connection's bytes, plain or through TLS.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The connection of a request that asks for another protocol.
pub struct Upgrade(OnUpgrade);

impl Upgrade {
    /// The connection that this request came over.
    pub fn of<B>(request: &mut Request<B>) -> Upgrade {
        Upgrade(hyper::upgrade::on(request))
    }

    /// The connection, once the answer 101 has gone out, and what its client has sent since.
    ///
    /// # Errors
    /// If the answer was another or did not arrive.
    pub async fn connection(self) -> io::Result<(Box<dyn Duplex>, Bytes)> {
        Ok(opened(self.0.await.map_err(io::Error::other)?))
    }
}

/// The bare connection. HTTP's own buffers, of some kilobytes, are let go.
fn opened(upgraded: Upgraded) -> (Box<dyn Duplex>, Bytes) {
    match upgraded.downcast::<TokioIo<Unstalled>>() {
        Ok(parts) => (Box::new(parts.io.into_inner().into_inner()), unread(&parts.read_buf)),
        Err(upgraded) => (Box::new(TokioIo::new(upgraded)), Bytes::new()),
    }
}

/// A copy, since these few bytes would otherwise keep the whole buffer that they were read into.
fn unread(buffer: &Bytes) -> Bytes {
    Bytes::copy_from_slice(buffer)
}
