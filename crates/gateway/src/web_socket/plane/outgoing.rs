//! Requests to servers and services behind a route: what parameters are mapped into, and the doors they go through.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use shape::Body;
use wire::client::Tls;
use wire::route::percent;

use super::event::Head;
use super::integration::{Reply, of_failure, put};
use super::stage::Backend;
use super::turn::{Kind, Refused, Turn};
use crate::edge::integration::aws::{ServiceCall, ServiceUri};

/// What is asked where nothing else is said.
const METHOD: &str = "POST";

/// A request as it is being made.
struct Outgoing {
    method: Method,
    uri: String,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    body: Bytes,
}

impl Outgoing {
    /// The query string.
    fn query(&self) -> String {
        let pairs = self.query.iter().map(|(name, value)| [percent::encode(name), percent::encode(value)].join("="));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Puts a value where a mapping's key says.
    fn set(&mut self, place: &str, value: &str) {
        match place.split_once('.') {
            Some(("header", name)) => put(&mut self.headers, name, value),
            Some(("querystring", name)) => {
                self.query.retain(|(known, _)| known != name);
                self.query.push((name.to_owned(), value.to_owned()));
            }
            Some(("path", name)) => self.uri = self.uri.replace(&format!("{{{name}}}"), &percent::encode(value)),
            _ => {}
        }
    }
}

impl Turn<'_> {
    /// Asks a server; `proxy` if messages go there as they are.
    pub(super) async fn ask_server(&mut self, backend: &Backend, uri: &str, proxy: bool) -> Result<Reply, Refused> {
        let mut outgoing = match proxy {
            true => self.passed_on(backend, uri)?,
            false => Outgoing { body: self.request_body(backend)?, ..self.empty(backend, uri)? },
        };
        self.map(backend, &mut outgoing);
        let query = outgoing.query();
        let mut url = outgoing.uri;
        if !query.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&query);
        }
        self.log.request(|| url.clone(), &outgoing.headers, &outgoing.body);
        let request = Request::builder().method(outgoing.method).uri(url).body(Body::Whole(outgoing.body));
        let mut request = request.map_err(|_| Refused::execution(500, "the integration's URI is none"))?;
        *request.headers_mut() = outgoing.headers;
        let hops = self.connection.client.hops;
        let answer =
            self.gateway.call_http(request, backend.timeout, hops, Tls::default()).await.map_err(of_failure)?;
        let (head, content) = answer.into_parts();
        let bytes = content.collect().await.map_err(|error| of_failure(error.into()))?;
        self.answered(backend, Response::from_parts(head, bytes), proxy)
    }

    /// Asks a service of the house as the integration's role.
    pub(super) async fn ask_service(&mut self, backend: &Backend, uri: &str) -> Result<Reply, Refused> {
        let mut outgoing = Outgoing { body: self.request_body(backend)?, ..self.empty(backend, uri)? };
        outgoing.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        self.map(backend, &mut outgoing);
        self.log.request(|| outgoing.uri.clone(), &outgoing.headers, &outgoing.body);
        let query = outgoing.query();
        let uri = ServiceUri::parse(&outgoing.uri);
        let uri = uri.ok_or_else(|| Refused::execution(500, format!("{} is no service", outgoing.uri)))?;
        let call = ServiceCall {
            uri: &uri,
            method: outgoing.method,
            headers: outgoing.headers,
            query: &query,
            body: outgoing.body,
            role: backend.integration.credentials_arn.as_deref(),
            timeout: backend.timeout,
        };
        let answer = self.gateway.call_service(self.desk, &self.cx, call).await.map_err(of_failure)?;
        self.answered(backend, answer, false)
    }

    /// A request that says nothing yet.
    fn empty(&self, backend: &Backend, uri: &str) -> Result<Outgoing, Refused> {
        let method = backend.integration.integration_method.as_deref().filter(|method| *method != "ANY");
        let method = Method::from_bytes(method.unwrap_or(METHOD).as_bytes());
        let method = method.map_err(|_| Refused::execution(500, "the method is none"))?;
        Ok(Outgoing { method, uri: uri.to_owned(), headers: HeaderMap::new(), query: Vec::new(), body: Bytes::new() })
    }

    /// A proxy's request: the message, or the handshake's headers and query string.
    fn passed_on(&self, backend: &Backend, uri: &str) -> Result<Outgoing, Refused> {
        let body = Bytes::copy_from_slice(self.body().as_bytes());
        let mut outgoing = Outgoing { body, ..self.empty(backend, uri)? };
        if let Kind::Connect(head) = &self.kind {
            for (name, value) in Head::of_handshake(head, &self.connection.client, self.trace_id.as_deref()).headers() {
                put(&mut outgoing.headers, name, value);
            }
            outgoing.headers.remove(http::header::HOST);
            let pairs = percent::pairs(head.uri.query().unwrap_or_default());
            outgoing.query.extend(pairs.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())));
        }
        Ok(outgoing)
    }

    /// Puts what the integration's request parameters say.
    fn map(&self, backend: &Backend, outgoing: &mut Outgoing) {
        if !outgoing.body.is_empty() {
            outgoing.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        for (to, from) in backend.integration.request_parameters.iter().flatten() {
            let Some(value) = self.parameter(from) else { continue };
            let Some(place) = to.strip_prefix("integration.request.") else { continue };
            outgoing.set(place, &value);
        }
    }

    /// What becomes of an answer.
    fn answered(&mut self, backend: &Backend, answer: Response<Bytes>, proxy: bool) -> Result<Reply, Refused> {
        let (head, bytes) = answer.into_parts();
        let status = head.status.as_u16();
        self.log_answer(status, &bytes);
        self.context.set("integration.integrationStatus", status);
        match proxy {
            true => Ok(Reply { status, headers: head.headers, body: String::from_utf8_lossy(&bytes).into_owned() }),
            false => self.respond(backend, status, head.headers, &bytes),
        }
    }
}
