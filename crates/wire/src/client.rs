//! The HTTP client of the house: HTTP/1.1 and h2, plain and over TLS, one handle that is cheap to clone.
//!
//! For APIs' HTTP integrations, keys by URL, registries, receivers of traces: whatever the node asks of others over HTTP goes through
//! here, so that what may be reached ([`Reach`]), how long it may take and how much it may answer is decided in one place. It follows
//! no redirects, keeps no cookies and speaks to no proxy.
//!
//! A node's own endpoints trust whoever is on its machine, and so would trust a tenant who has the node send a request to
//! itself. Each request therefore says in a header, [`HOPS`], that a node sends it and how many nodes it has come through;
//! `wire::server` takes it out again into `Peer::hops`. Whoever forges it loses privileges and gains none. The count ends loops: an
//! API that integrates itself is refused after [`HOPS_MAX`] rounds, if whoever hands a request on hands on its hops.

mod connect;
mod content;
mod reach;
mod trust;

use std::collections::HashMap;
use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request, Response, Version};
use http_body::Body as HttpBody;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use shape::Body;
use tokio::sync::OnceCell;
use tokio::time::{sleep_until, timeout_at};

pub use connect::CONNECT_TIMEOUT;
pub use content::Content;
pub use reach::Reach;
pub use trust::{Identity, Tls};

use crate::body::outgoing::Outgoing;
use connect::{Channel, Commons, Connector};
use trust::Roots;

/// Says that a node sends a request, and how many nodes have sent it on.
pub const HOPS: HeaderName = HeaderName::from_static("x-updraft-hops");
/// A request that has come through more nodes is going in circles: as many rounds as functions have that call each other.
pub const HOPS_MAX: u8 = 16;

/// Idle connections to one host, and how long each is kept.
const IDLE_PER_HOST_MAX: usize = 64;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest head of an answer, and headers in it.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 256;
/// Kinds of connections that are kept; beyond them one is given up, whichever.
const CHANNELS_MAX: usize = 64;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no URL that can be asked.
    #[error("{0}")]
    Address(String),
    /// It leads where this client does not go.
    #[error("{0} may not be reached from here")]
    Forbidden(String),
    /// Nobody takes the connection, or it has no address.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The two cannot agree, or the certificate is not to be believed.
    #[error("TLS: {0}")]
    Tls(String),
    /// It took longer than the call may.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// What comes is no HTTP, or ends in the middle.
    #[error("the answer is broken: {0}")]
    Answer(String),
    /// The body has more bytes than the call takes.
    #[error("the answer has more than {0} bytes")]
    TooLarge(u64),
    /// The request's own body failed.
    #[error("the request's body cannot be read: {0}")]
    Request(String),
}

/// What one call may take.
#[derive(Clone, Debug)]
pub struct Call {
    /// From here to the last byte of the answer.
    pub timeout: Duration,
    /// Of the answer's body.
    pub answer_bytes_max: u64,
    /// How many nodes the request has come through that this one is sent for: `Peer::hops`. None for the node's own.
    pub hops: u8,
    /// Of certificates.
    pub tls: Tls,
}

impl Call {
    /// A call of the node's own, with ordinary verification.
    pub fn new(timeout: Duration, answer_bytes_max: u64) -> Call {
        Call { timeout, answer_bytes_max, hops: 0, tls: Tls::default() }
    }
}

/// A client. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    reach: Reach,
    inner: Arc<Inner>,
}

type Pool = legacy::Client<Connector, Outgoing>;

struct Inner {
    commons: Arc<Commons>,
    channels: Mutex<HashMap<Channel, Pool>>,
}

impl Client {
    /// A client that goes anywhere. `bundle` is a file of certificate authorities (PEM) to trust besides the system's. Nothing is
    /// read before it is needed.
    pub fn new(bundle: Option<PathBuf>) -> Client {
        let commons = Arc::new(Commons::new(Roots { bundle, store: OnceCell::new() }));
        Client { reach: Reach::Anywhere, inner: Arc::new(Inner { commons, channels: Mutex::default() }) }
    }

    /// The same client for others' URLs. It shares no connections with a client of another reach.
    pub fn within(&self, reach: Reach) -> Client {
        Client { reach, inner: Arc::clone(&self.inner) }
    }

    /// Sends a request to its absolute URL. The headers are the caller's, but those that frame a message or are between two
    /// neighbours only: they are ours. `Host` is the URL's unless there is another.
    pub async fn send(&self, request: Request<Body>, call: Call) -> Result<Response<Content>, Error> {
        let Call { timeout, answer_bytes_max, hops, tls } = call;
        let deadline = tokio::time::Instant::now() + timeout;
        let request = prepare(request, hops)?;
        // With h2 the host would have to be in two places that contradict each other.
        let http1_only = request.headers().contains_key(HOST);
        let pool = self.pool(Channel { reach: self.reach, tls, http1_only });
        let answer = timeout_at(deadline, pool.request(request)).await.map_err(|_| Error::Timeout(timeout))?;
        let (head, body) = answer.map_err(|error| why(&error))?.into_parts();
        if body.size_hint().lower() > answer_bytes_max {
            return Err(Error::TooLarge(answer_bytes_max));
        }
        let deadline = Box::pin(sleep_until(deadline));
        let content = Content { body, left: answer_bytes_max, bytes_max: answer_bytes_max, deadline, timeout };
        Ok(Response::from_parts(head, content))
    }

    fn pool(&self, channel: Channel) -> Pool {
        let mut channels = self.inner.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = channels.get(&channel) {
            return pool.clone();
        }
        if channels.len() >= CHANNELS_MAX
            && let Some(one) = channels.keys().next().cloned()
        {
            channels.remove(&one);
        }
        let connector = Connector::new(Arc::clone(&self.inner.commons), channel.clone());
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .timer(TokioTimer::new())
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEAD_BYTES_MAX as u32)
            .build(connector);
        channels.insert(channel, pool.clone());
        pool
    }
}

fn prepare(request: Request<Body>, hops: u8) -> Result<Request<Outgoing>, Error> {
    let (mut head, body) = request.into_parts();
    if !matches!(head.uri.scheme_str(), Some("http" | "https")) || head.uri.host().is_none_or(str::is_empty) {
        return Err(Error::Address(format!("{} is no URL of http or https", head.uri)));
    }
    if head.method == Method::CONNECT {
        return Err(Error::Address("CONNECT is for proxies".to_owned()));
    }
    head.version = Version::HTTP_11;
    strip_hop_by_hop(&mut head.headers);
    if let Body::Whole(bytes) = &body {
        head.headers.remove(CONTENT_LENGTH);
        // Methods that mean something by a body say that they have none (RFC 9110, 8.6).
        if bytes.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(&head.method) {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    }
    head.headers.insert(HOPS, HeaderValue::from(u16::from(hops) + 1));
    Ok(Request::from_parts(head, Outgoing::from(body)))
}

/// Takes out what concerns two neighbours on the way only (RFC 9110, 7.6.1): of requests and of answers that are handed on.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    named.iter().for_each(|name| _ = headers.remove(name));
    for name in [CONNECTION, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    ["keep-alive", "proxy-connection"].iter().for_each(|name| _ = headers.remove(*name));
}

/// Takes the count out of a request's headers: what is no number is as good as one.
pub(crate) fn take_hops(headers: &mut HeaderMap) -> u8 {
    let hops = headers.remove(HOPS);
    hops.map_or(0, |hops| hops.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(u8::MAX).max(1))
}

/// What became of a request, out of an error within errors.
fn why(error: &legacy::Error) -> Error {
    let mut inner: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = inner {
        if let Some(ours) = cause.downcast_ref::<Error>() {
            return ours.clone();
        }
        if let Some(hyper) = cause.downcast_ref::<hyper::Error>() {
            let text = chain(hyper);
            return if hyper.is_user() { Error::Request(text) } else { Error::Answer(text) };
        }
        inner = cause.source();
    }
    match error.is_connect() {
        true => Error::Connect(chain(error)),
        false => Error::Answer(chain(error)),
    }
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(cause) = inner {
        text.push_str(&format!(": {cause}"));
        inner = cause.source();
    }
    text
}
