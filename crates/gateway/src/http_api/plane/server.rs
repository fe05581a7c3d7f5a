//! HTTP servers behind HTTP APIs: the request goes on as it is, but for what a proxy must change, and so does the answer, both
//! as they come.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{FORWARDED, HOST, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use shape::Body;
use wire::client::{Tls, strip_hop_by_hop};
use wire::protocol::Answer;

use super::BODY_BYTES_MAX;
use super::integrate::encoded;
use super::stage::LiveIntegration;
use super::template::{Known, Template};
use super::visit::Visit;
use crate::edge::integration::Failure;

/// How API Gateway names itself to servers.
const AGENT: &str = "HTTP/1.1 AmazonAPIGateway";

const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

impl Visit<'_> {
    /// Asks a server. A `body` that has not been read goes on as it comes.
    pub(super) async fn ask_server(
        &mut self,
        integration: &LiveIntegration,
        address: &Template,
        method: Option<&Method>,
        tls: &Tls,
        body: Option<Incoming>,
    ) -> Result<Answer, Failure> {
        let (head, path) = self.mapped(&integration.request);
        let uri = self.uri(address, path.as_deref(), head.uri.query())?;
        let is_too_large = Arc::new(AtomicBool::new(false));
        let body = match body {
            None => Body::Whole(self.body_bytes()),
            Some(body) => streamed(body, is_too_large.clone()),
        };
        let mut request = Request::new(body);
        *request.method_mut() = method.unwrap_or(&head.method).clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.forwarded(head.headers);
        let answer = self.gateway.call_http(request, integration.timeout, self.hops, tls.clone()).await;
        // That is why the request to the server failed, if it did: it was broken off.
        let answer =
            answer.map_err(|failure| if is_too_large.load(Ordering::Relaxed) { too_large() } else { failure })?;
        let (head, content) = answer.into_parts();
        let mut headers = head.headers;
        strip_hop_by_hop(&mut headers);
        Ok(Answer { status: head.status, headers, body: content.into() })
    }

    fn uri(&self, address: &Template, path: Option<&str>, query: Option<&str>) -> Result<Uri, Failure> {
        let known = InAddress(self);
        let text = address.text(&known).unwrap_or_default();
        let broken = || Failure::Configuration(format!("{text} is no address of a server"));
        let uri: Uri = text.parse().map_err(|_| broken())?;
        let path = path.map_or_else(|| uri.path().to_owned(), |path| encoded(path, true));
        let queries: Vec<&str> = [uri.query(), query].into_iter().flatten().filter(|query| !query.is_empty()).collect();
        let target = match queries.is_empty() {
            true => path,
            false => format!("{path}?{}", queries.join("&")),
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(target.parse().map_err(|_| broken())?);
        Uri::from_parts(parts).map_err(|_| broken())
    }

    /// The headers that go on: the request's, and what proxies add.
    fn forwarded(&self, mut headers: HeaderMap) -> HeaderMap {
        headers.remove(HOST);
        let origin = &self.cx.origin;
        let proto = if origin.tls { "https" } else { "http" };
        let forwarded = format!("for={};host={};proto={proto}", self.source_ip(), origin.host);
        let added = [(FORWARDED, forwarded.as_str()), (VIA, AGENT), (TRACE_ID, &self.trace_id)];
        for (name, value) in added {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers
    }
}

fn too_large() -> Failure {
    Failure::TooLarge("the request is larger than 10 MB".to_owned())
}

/// A body as it comes, up to API Gateway's limit: what is more breaks off, and `is_too_large` says so.
fn streamed(body: Incoming, is_too_large: Arc<AtomicBool>) -> Body {
    use http_body::Body as _;
    if body.is_end_stream() {
        return Body::default();
    }
    let mut left = BODY_BYTES_MAX;
    let pieces = body.into_data_stream().map(move |piece| {
        let piece: Bytes = piece.map_err(std::io::Error::other)?;
        left = left.checked_sub(piece.len()).ok_or_else(|| {
            is_too_large.store(true, Ordering::Relaxed);
            std::io::Error::other("the request is larger than 10 MB")
        })?;
        Ok(piece)
    });
    Body::Stream(Box::pin(pieces))
}

/// What stands for variables in an address: parts of its path.
struct InAddress<'a>(&'a Visit<'a>);

impl Known for InAddress<'_> {
    fn header(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
    fn query(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
    fn body(&self) -> &[u8] {
        &[]
    }
    fn path(&self) -> &str {
        self.0.path()
    }
    fn path_parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.path_parameter(name).map(|value| encoded(&value, true).into())
    }
    fn context(&self, _: &str) -> Option<String> {
        None
    }
}
