//! The HTTP server: connections in, one handler called for each request, answers out.
//!
//! HTTP/1.1, h2 and h2c, plain and over TLS, on one port, told apart by their first bytes. Every connection has limits on
//! time and size, so a slow or endless sender holds nothing but its own socket.

mod authority;
mod tls;
pub(crate) mod unstalled;

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::body::outgoing::Outgoing;
use crate::client::{self, HOPS_MAX};
use crate::protocol::Answer;
use crate::stream::Stream;

pub use tls::{Certificate, Refused, Tls};
use unstalled::Unstalled;

/// A client that has not sent its whole head by then is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest request head, in bytes. AWS's endpoints take about 16 KB; prefixed metadata headers need room.
const HEAD_LIMIT_BYTES: usize = 64 * 1024;

/// A client that has not shaken hands by then is closed.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection of h2 without a sign of life is asked for one after so long, and closed if it gives none.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How HTTP/2 begins (RFC 9113, 3.4), and TLS's record of a handshake.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HANDSHAKE: u8 = 0x16;

/// How often the beginning of a preface is looked at again: the kernel does not tell when more has come.
const PREFACE_INTERVAL: Duration = Duration::from_millis(10);

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
pub async fn serve<H: Handler>(listener: TcpListener, handler: Arc<H>, tls: Arc<Tls>, stop: impl Future<Output = ()>) {
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
        let (handler, tls, mut closed) = (handler.clone(), tls.clone(), closed.clone());
        tokio::spawn(async move {
            // A connection that says nothing must not hold up the end.
            let opened = tokio::select! { opened = open(stream, &tls) => opened, _ = closed.changed() => None };
            if let Some(opened) = opened {
                converse(opened, handler, peer, async move { _ = closed.changed().await }).await;
            }
            drop(place);
        });
    }
    drop((listener, closing));
    if timeout(DRAIN_TIMEOUT, places.acquire_many(CONNECTIONS_MAX as u32)).await.is_err() {
        tracing::warn!("some requests did not end within {} s and were cut off", DRAIN_TIMEOUT.as_secs());
    }
}

/// Serves one connection to its end: sockets that do not come from our own listener.
pub async fn serve_connection<H: Handler>(stream: TcpStream, handler: Arc<H>, tls: &Tls, peer: Peer) {
    if let Some(opened) = open(stream, tls).await {
        converse(opened, handler, peer, std::future::pending()).await;
    }
}

/// A connection of which it is known what it speaks.
struct Opened {
    stream: Stream,
    is_http2: bool,
}

/// Requests and answers, until the client has no more or `closing` completes, and then those under way.
async fn converse<H: Handler>(opened: Opened, handler: Arc<H>, peer: Peer, closing: impl Future<Output = ()>) {
    let Opened { stream, is_http2 } = opened;
    let peer = Peer { tls: stream.is_tls(), ..peer };
    let service = service_fn(move |request| respond(handler.clone(), request, peer));
    let stream = TokioIo::new(Unstalled::new(stream));
    let ended = if is_http2 {
        let mut connection = pin!(http2_builder().serve_connection(stream, service));
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = closing => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    } else {
        let mut connection = pin!(http1_builder().serve_connection(stream, service).with_upgrades());
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = closing => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// What a connection begins with.
#[derive(PartialEq, Eq)]
enum Beginning {
    Http1,
    Http2,
    Tls,
}

/// Finds out what a connection speaks, within a time: hyper would wait without end for what tells HTTP/1.1 from h2. None for
/// a client that says nothing, or with whom there is no agreement.
async fn open(stream: TcpStream, tls: &Tls) -> Option<Opened> {
    let (stream, is_http2) = match timeout(HEAD_TIMEOUT, beginning(&stream)).await.ok()?.ok()?? {
        Beginning::Http1 => (Stream::Plain(stream), false),
        Beginning::Http2 => (Stream::Plain(stream), true),
        Beginning::Tls => {
            let shaken = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await.ok()?;
            let stream = shaken.inspect_err(|error| tracing::debug!(%error, "no agreement over TLS")).ok()?;
            let stream = Stream::Tls(Box::new(stream));
            let is_http2 = stream.is_http2();
            (stream, is_http2)
        }
    };
    Some(Opened { stream, is_http2 })
}

/// Looks at the first bytes and leaves them where they are. None for a connection that ends before it begins.
async fn beginning(stream: &TcpStream) -> std::io::Result<Option<Beginning>> {
    let mut first = [0; PREFACE.len()];
    loop {
        let seen = match stream.peek(&mut first).await? {
            0 => return Ok(None),
            count => &first[..count],
        };
        match seen {
            [HANDSHAKE, ..] => return Ok(Some(Beginning::Tls)),
            _ if !PREFACE.starts_with(seen) => return Ok(Some(Beginning::Http1)),
            _ if seen.len() == PREFACE.len() => return Ok(Some(Beginning::Http2)),
            _ => sleep(PREFACE_INTERVAL).await,
        }
    }
}

/// Without hyper's `pipeline_flush`: with it a body that streams is taken as fast as it comes and held in memory, however
/// slowly its reader takes it.
fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_LIMIT_BYTES.max(8192));
    builder
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_header_list_size(HEAD_LIMIT_BYTES as u32);
    builder
}

async fn respond<H: Handler>(
    handler: Arc<H>,
    mut request: Request<Incoming>,
    mut peer: Peer,
) -> Result<Response<Outgoing>, Infallible> {
    peer.hops = client::take_hops(request.headers_mut());
    let Answer { status, headers, body } = match peer.hops {
        // Whoever reads one of two hosts and whoever reads the other would see different requests (RFC 9112, 3.2).
        _ if request.headers().get_all(HOST).iter().nth(1).is_some() => refusal(400, "Bad Request"),
        0..=HOPS_MAX => handler.handle(request, peer).await,
        _ => refusal(508, "Loop Detected"),
    };
    let mut response = Response::new(Outgoing::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// What is refused before anybody has seen it.
fn refusal(status: u16, message: &str) -> Answer {
    Answer::new(status, "application/json", Bytes::from(format!(r#"{{"message":"{message}"}}"#)))
}
