//! Asking what stands behind a route: the request that is made of a turn, and what is made of the answer.

use std::borrow::Cow;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue, Method, Request};
use serde_json::Value;
use shape::Body;
use wire::client::Tls;
use wire::route::percent;

use super::event::{self, Head};
use super::selection::below;
use super::stage::{Backend, BackendKind};
use super::turn::{Kind, Refused, Turn};
use crate::edge::integration::Failure;
use crate::edge::integration::lambda::FunctionCall;

/// A backend's answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Reply {
    /// The subprotocol that the backend chose.
    pub(super) fn subprotocol(&self) -> Option<HeaderValue> {
        self.headers.get(SEC_WEBSOCKET_PROTOCOL).cloned()
    }
}

impl Turn<'_> {
    /// Asks the route's backend.
    pub(super) async fn ask(&mut self, backend: &Backend) -> Result<Reply, Refused> {
        let begun = Instant::now();
        let reply = match &backend.kind {
            BackendKind::Unusable(why) => return Err(Refused::execution(500, why.clone())),
            BackendKind::Mock => return self.mock(backend),
            BackendKind::Function { function, proxy: true } => {
                let payload = self.call(backend, function, event::event(self).into()).await;
                payload.and_then(|payload| proxy_reply(&payload))
            }
            BackendKind::Function { function, proxy: false } => {
                let payload = self.request_body(backend)?;
                let payload = self.call(backend, function, payload).await;
                payload.and_then(|payload| self.respond(backend, 200, HeaderMap::new(), &payload))
            }
            BackendKind::Http { uri, proxy } => self.ask_server(backend, uri, *proxy).await,
        };
        self.integration_latency = Some(begun.elapsed());
        if let Ok(reply) = &reply {
            self.context.set("integration.status", reply.status);
        }
        reply
    }

    async fn call(&mut self, backend: &Backend, function: &base::Arn, payload: Bytes) -> Result<Bytes, Refused> {
        let source_arn = self.arn();
        let call = FunctionCall {
            function,
            source_arn: &source_arn,
            role: backend.integration.credentials_arn.as_deref(),
            payload,
            trace_id: self.trace_id.clone(),
            timeout: backend.timeout,
        };
        let answered = self.gateway.call_function(self.desk, &self.cx, call).await.map_err(of_failure)?;
        self.context.set("integration.requestId", answered.request_id);
        self.context.set("integration.integrationStatus", 200_u16);
        match answered.failed && matches!(backend.kind, BackendKind::Function { proxy: true, .. }) {
            true => Err(Refused::execution(502, "the function failed")),
            false => Ok(answered.payload),
        }
    }

    async fn ask_server(&mut self, backend: &Backend, uri: &str, proxy: bool) -> Result<Reply, Refused> {
        let body = match proxy {
            true => Bytes::copy_from_slice(self.body().as_bytes()),
            false => self.request_body(backend)?,
        };
        let request = self.http_request(backend, uri, proxy, body)?;
        let hops = self.connection.client.hops;
        let answer =
            self.gateway.call_http(request, backend.timeout, hops, Tls::default()).await.map_err(of_failure)?;
        let (head, content) = answer.into_parts();
        let bytes = content.collect().await.map_err(|error| of_failure(error.into()))?;
        let status = head.status.as_u16();
        self.context.set("integration.integrationStatus", status);
        match proxy {
            true => Ok(Reply { status, headers: head.headers, body: String::from_utf8_lossy(&bytes).into_owned() }),
            false => self.respond(backend, status, head.headers, &bytes),
        }
    }

    /// The request to a server: as a proxy with the handshake's headers and query string, and with what the integration says
    /// of parameters.
    fn http_request(&self, backend: &Backend, uri: &str, proxy: bool, body: Bytes) -> Result<Request<Body>, Refused> {
        let broken = |what: &str| Refused::execution(500, what.to_owned());
        let method = backend.integration.integration_method.as_deref().unwrap_or("POST");
        let method = match method {
            "ANY" => Method::POST,
            method => Method::from_bytes(method.as_bytes()).map_err(|_| broken("the method is none"))?,
        };
        let (mut headers, mut query, mut uri) = (HeaderMap::new(), Vec::new(), uri.to_owned());
        if let Kind::Connect(head) = &self.kind
            && proxy
        {
            for (name, value) in Head::of_handshake(head, &self.connection.client, self.trace_id.as_deref()).headers() {
                put(&mut headers, name, value);
            }
            headers.remove(http::header::HOST);
            let pairs = percent::pairs(head.uri.query().unwrap_or_default());
            query.extend(pairs.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())));
        }
        if !body.is_empty() {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        for (to, from) in backend.integration.request_parameters.iter().flatten() {
            let Some(value) = self.parameter(from) else { continue };
            let Some(to) = to.strip_prefix("integration.request.") else { continue };
            match to.split_once('.') {
                Some(("header", name)) => put(&mut headers, name, &value),
                Some(("querystring", name)) => {
                    query.retain(|(known, _)| known != name);
                    query.push((name.to_owned(), value.into_owned()));
                }
                Some(("path", name)) => uri = uri.replace(&format!("{{{name}}}"), &encoded(&value)),
                _ => {}
            }
        }
        if !query.is_empty() {
            let pairs: Vec<_> =
                query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
            uri.push(if uri.contains('?') { '&' } else { '?' });
            uri.push_str(&pairs.join("&"));
        }
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(all) = request.headers_mut() {
            *all = headers;
        }
        request.body(Body::Whole(body)).map_err(|_| broken("the integration's URI is none"))
    }

    /// What a parameter is mapped from: `'text'`, `context.connectionId`, `stageVariables.x`, `route.request.body.x`.
    pub(super) fn parameter(&self, from: &str) -> Option<Cow<'_, str>> {
        if let Some(text) = from.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            return Some(Cow::Owned(text.to_owned()));
        }
        self.look_up(from.strip_prefix("route.").unwrap_or(from))
    }

    /// What a reference of an expression means.
    pub(super) fn look_up(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(name) = name.strip_prefix("context.") {
            return self.context.get(name);
        }
        if let Some(name) = name.strip_prefix("stageVariables.") {
            return self.stage.variables.get(name).map(|value| value.as_str().into());
        }
        let name = name.strip_prefix("request.")?;
        match (name.split_once('.').unwrap_or((name, "")), &self.kind) {
            (("body", path), Kind::Message { text, .. }) => {
                let body: Value = serde_json::from_str(text).ok()?;
                below(&body, path).map(|text| Cow::Owned(text.into_owned()))
            }
            (("header", name), Kind::Connect(head)) => head.headers.get(name)?.to_str().ok().map(Cow::Borrowed),
            (("querystring", name), Kind::Connect(head)) => percent::find(head.uri.query()?, name),
            _ => None,
        }
    }
}

/// What a function behind a proxy integration answers with: an object with a status, and perhaps headers and a body.
fn proxy_reply(payload: &[u8]) -> Result<Reply, Refused> {
    let malformed = || Refused::execution(502, "Malformed Lambda proxy response");
    let answer: Value = serde_json::from_slice(payload).map_err(|_| malformed())?;
    let status = match answer.get("statusCode") {
        Some(Value::Number(number)) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let status = status.filter(|status| (100..600).contains(status)).ok_or_else(malformed)?;
    let body = match answer.get("body") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(body)) if answer.get("isBase64Encoded") == Some(&Value::Bool(true)) => {
            let bytes = STANDARD.decode(body).map_err(|_| malformed())?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Some(Value::String(body)) => body.clone(),
        Some(_) => return Err(malformed()),
    };
    let mut headers = HeaderMap::new();
    match answer.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(given)) => {
            for (name, value) in given {
                match value {
                    Value::String(value) => put(&mut headers, name, value),
                    Value::Null => {}
                    other => put(&mut headers, name, &other.to_string()),
                }
            }
        }
        Some(_) => return Err(malformed()),
    }
    Ok(Reply { status, headers, body })
}

/// What a client is told of a backend that gave no answer.
pub(super) fn of_failure(failure: Failure) -> Refused {
    let why = failure.to_string();
    match failure {
        Failure::Timeout(_) => Refused { message: "Endpoint request timed out".into(), ..Refused::execution(504, why) },
        Failure::Unreachable(_) => Refused::execution(502, why),
        Failure::Forbidden(_)
        | Failure::Throttled(_)
        | Failure::TooLarge(_)
        | Failure::Configuration(_)
        | Failure::Internal(_) => Refused::execution(500, why),
    }
}

/// Sets a header; what can be none is left out.
fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

/// A text as a part of a URL.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
