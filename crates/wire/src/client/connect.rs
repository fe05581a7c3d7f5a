//! Making connections of one channel: the name looked up, each address tried that the channel's reach allows, TLS on top. All of
//! it within one time limit; connections and look-ups have places, and whoever finds none within that time has failed to connect.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::{TlsConnector, TlsStream};

use super::trust::{self, Roots, Tls};
use super::{Error, Reach};
use crate::stream::Stream;

/// How long it may take to connect, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at a time, idle ones included.
const CONNECTIONS_MAX: usize = 4096;
/// Names looked up at a time: each takes a thread for as long as a resolver keeps silent.
const LOOKUPS_MAX: usize = 32;

/// What all channels share.
pub(super) struct Commons {
    pub(super) roots: Roots,
    connections: Arc<Semaphore>,
    lookups: Semaphore,
}

impl Commons {
    pub(super) fn new(roots: Roots) -> Commons {
        Commons { roots, connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)), lookups: Semaphore::new(LOOKUPS_MAX) }
    }
}

/// Connections that differ in any of this are never mixed up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Channel {
    pub(super) reach: Reach,
    pub(super) tls: Tls,
    pub(super) http1_only: bool,
}

/// Makes the connections of one channel.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
    commons: Arc<Commons>,
    channel: Channel,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Connector {
    pub(super) fn new(commons: Arc<Commons>, channel: Channel) -> Connector {
        Connector(Arc::new(Inner { commons, channel, config: OnceCell::new() }))
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Link>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.connect(&uri).await.map(TokioIo::new) })
    }
}

impl Inner {
    async fn connect(&self, uri: &Uri) -> Result<Link, Error> {
        let until = Instant::now() + CONNECT_TIMEOUT;
        let late = |_| Error::Connect(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()));
        let over_tls = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or_else(|| Error::Address(format!("{uri} has no host")))?;
        let port = uri.port_u16().unwrap_or(if over_tls { 443 } else { 80 });
        let places = Arc::clone(&self.commons.connections);
        let place = timeout_at(until, places.acquire_owned()).await.map_err(late)?;
        let place = place.map_err(|closed| Error::Connect(closed.to_string()))?;
        let addresses = timeout_at(until, self.look_up(host, port)).await.map_err(late)??;
        let stream = timeout_at(until, self.reach(&addresses, until)).await.map_err(late)??;
        _ = stream.set_nodelay(true);
        let stream = match over_tls {
            false => Stream::Plain(stream),
            true => timeout_at(until, self.secure(stream, host)).await.map_err(late)??,
        };
        Ok(Link { stream, _place: place })
    }

    /// The addresses of a host that may be tried. Names below `localhost` are this machine by definition (RFC 6761), and so
    /// is the public wildcard name that emulators' users know, with or without a resolver.
    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let addresses = match literal {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) if is_localhost(host) => {
                [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].map(|ip| SocketAddr::new(ip, port)).to_vec()
            }
            Err(_) => {
                let place = self.commons.lookups.acquire().await;
                let _place = place.map_err(|closed| Error::Connect(closed.to_string()))?;
                let found = tokio::net::lookup_host((host, port)).await;
                found.map_err(|error| Error::Connect(format!("{host}: {error}")))?.collect()
            }
        };
        let reach = self.channel.reach;
        let allowed: Vec<SocketAddr> = addresses.iter().copied().filter(|address| reach.allows(address.ip())).collect();
        match (allowed.is_empty(), addresses.is_empty()) {
            (false, _) => Ok(allowed),
            (true, true) => Err(Error::Connect(format!("{host} has no address"))),
            (true, false) => Err(Error::Forbidden(host.to_owned())),
        }
    }

    /// The first of the addresses that takes a connection; each has its share of the time that is left.
    async fn reach(&self, addresses: &[SocketAddr], until: Instant) -> Result<TcpStream, Error> {
        let mut last = Error::Connect("no address".to_owned());
        for (at, address) in addresses.iter().enumerate() {
            let now = Instant::now();
            let share = until.saturating_duration_since(now) / (addresses.len() - at) as u32;
            let stream = match timeout_at(now + share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    last = Error::Connect(format!("{address}: {error}"));
                    continue;
                }
                Err(_) => {
                    last = Error::Connect(format!("{address} does not answer"));
                    continue;
                }
            };
            let ours = stream.local_addr().map_err(|error| Error::Connect(error.to_string()))?;
            match self.channel.reach.allows_between(ours.ip(), address.ip()) {
                true => return Ok(stream),
                false => last = Error::Forbidden(address.ip().to_string()),
            }
        }
        Err(last)
    }

    async fn secure(&self, stream: TcpStream, host: &str) -> Result<Stream, Error> {
        let Channel { tls, http1_only, .. } = &self.channel;
        let config = self.config.get_or_try_init(|| trust::config(&self.commons.roots, tls, *http1_only)).await?;
        let refused = |error: std::io::Error| Error::Tls(error.to_string());
        let name = trust::server_name(tls.server_name.as_deref().unwrap_or(host)).map_err(refused)?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(refused)?;
        Ok(Stream::Tls(Box::new(TlsStream::from(stream))))
    }
}

fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    ["localhost", "localhost.localstack.cloud"]
        .iter()
        .any(|name| host.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

/// A connection, and its place among those that there may be.
pub(super) struct Link {
    stream: Stream,
    _place: OwnedSemaphorePermit,
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if self.stream.is_http2() { connected.negotiated_h2() } else { connected }
    }
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::is_localhost;

    #[test]
    fn names_of_this_machine_need_no_resolver() {
        for name in ["localhost", "LocalHost.", "abc.execute-api.us-east-1.localhost", "x.localhost.localstack.cloud"] {
            assert!(is_localhost(name), "{name}");
        }
        for name in ["notlocalhost", "localhost.example.com", "local", "localstack.cloud", ""] {
            assert!(!is_localhost(name), "{name}");
        }
    }
}
