//! The HTTP server: connections in, one handler called for each request, answers out.
//!
//! HTTP/1.1, h2 and h2c on one port, told apart by their first bytes. Every connection has limits on time and size, so a
//! slow or endless sender holds nothing but its own socket.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::body::outgoing::Outgoing;
use crate::client::{self, HOPS_MAX};
use crate::protocol::Answer;

/// A client that has not sent its whole head by then is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest request head, in bytes. AWS's endpoints take about 16 KB; prefixed metadata headers need room.
const HEAD_LIMIT_BYTES: usize = 64 * 1024;

/// Open connections; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 12_000;

/// How long open requests may take to end once the server is asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The remote address; none for sockets without one.
    pub address: Option<IpAddr>,
    /// True for a connection out of a function's sandbox.
    pub from_sandbox: bool,
    /// True for a request that came over TLS.
    pub tls: bool,
    /// How many nodes' clients ([`crate::client`]) the request has come through: none, unless a node sends it on behalf of
    /// somebody, however near it seems to be.
    pub hops: u8,
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request; what goes wrong is an answer too.
    fn handle(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Answer> + Send;
}

/// Serves a listener until `stop` completes, then lets open requests end.
pub async fn serve<H: Handler>(listener: TcpListener, handler: Arc<H>, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (closing, closed) = watch::channel(());
    tokio::pin!(stop);
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: waiting is the only cure, and spinning would make it worse.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        _ = stream.set_nodelay(true);
        let peer = Peer { address: Some(address.ip()), from_sandbox: false, tls: false, hops: 0 };
        let (handler, watcher, mut closed) = (handler.clone(), graceful.watcher(), closed.clone());
        tokio::spawn(async move {
            // A connection that says nothing must not hold up the end.
            let begun = tokio::select! { begun = has_begun(&stream) => begun, _ = closed.changed() => false };
            if begun {
                let service = service_fn(move |request| respond(handler.clone(), request, peer));
                let builder = builder();
                let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                if let Err(error) = watcher.watch(connection.into_owned()).await {
                    tracing::debug!(%error, "a connection ended badly");
                }
            }
            drop(place);
        });
    }
    drop((listener, closing));
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end within {} s and were cut off", DRAIN_TIMEOUT.as_secs());
    }
}

/// Serves one connection to its end: sockets that do not come from our own listener.
pub async fn serve_connection<H: Handler>(stream: TcpStream, handler: Arc<H>, peer: Peer) {
    if !has_begun(&stream).await {
        return;
    }
    let service = service_fn(move |request| respond(handler.clone(), request, peer));
    if let Err(error) = builder().serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Waits for the first byte: telling HTTP/1.1 from h2 has no time limit of its own, so a silent client would keep its
/// connection for ever.
async fn has_begun(stream: &TcpStream) -> bool {
    let mut first = [0; 1];
    let peeked = tokio::time::timeout(HEAD_TIMEOUT, stream.peek(&mut first)).await;
    matches!(peeked, Ok(Ok(count)) if count > 0)
}

/// Without hyper's `pipeline_flush`: with it a body that streams is taken as fast as it comes and held in memory, however
/// slowly its reader takes it.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_LIMIT_BYTES.max(8192));
    builder.http2().timer(TokioTimer::new()).max_header_list_size(HEAD_LIMIT_BYTES as u32);
    builder
}

async fn respond<H: Handler>(
    handler: Arc<H>,
    mut request: Request<Incoming>,
    mut peer: Peer,
) -> Result<Response<Outgoing>, Infallible> {
    peer.hops = client::take_hops(request.headers_mut());
    let Answer { status, headers, body } = match peer.hops {
        0..=HOPS_MAX => handler.handle(request, peer).await,
        _ => Answer::new(508, "application/json", Bytes::from_static(br#"{"message":"Loop Detected"}"#)),
    };
    let mut response = Response::new(Outgoing::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}
