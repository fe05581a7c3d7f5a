//! Asking what stands behind a route, functions most of all. Requests to servers and services are made in `outgoing`, what
//! templates make of either side in `template`.

use std::borrow::Cow;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HeaderName, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use wire::route::percent;

use super::event;
use super::selection::below;
use super::stage::{Backend, BackendKind};
use super::turn::{Kind, Refused, Turn};
use crate::edge::integration::Failure;
use crate::edge::integration::lambda::FunctionCall;

/// Lambda's status for an event that nobody waits for.
const ACCEPTED: u16 = 202;

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
            BackendKind::Proxy { function } => {
                let payload = self.call(backend, function, event::event(self).into()).await;
                payload.and_then(|payload| proxy_reply(&payload))
            }
            BackendKind::Function { function, event } => {
                let payload = self.request_body(backend)?;
                match event {
                    true => self.send(backend, function, payload).await,
                    false => {
                        let payload = self.call(backend, function, payload).await;
                        payload.and_then(|payload| self.respond(backend, 200, HeaderMap::new(), &payload))
                    }
                }
            }
            BackendKind::Service { uri } => self.ask_service(backend, uri).await,
            BackendKind::Http { uri, proxy } => self.ask_server(backend, uri, *proxy).await,
        };
        self.integration_latency = Some(begun.elapsed());
        if let Ok(reply) = &reply {
            self.context.set("integration.status", reply.status);
        }
        reply
    }

    /// Runs a function and waits for its answer.
    async fn call(&mut self, backend: &Backend, function: &base::Arn, payload: Bytes) -> Result<Bytes, Refused> {
        let source_arn = self.arn();
        let uri = &backend.integration.integration_uri;
        self.log.request(|| uri.clone().unwrap_or_default(), &HeaderMap::new(), &payload);
        let call = self.function_call(backend, function, &source_arn, payload);
        let answered = self.gateway.call_function(self.desk, &self.cx, call).await.map_err(of_failure)?;
        self.log_answer(200, &answered.payload);
        self.log.info(|| format!("AWS Integration Endpoint RequestId : {}", answered.request_id));
        self.context.set("integration.requestId", answered.request_id);
        self.context.set("integration.integrationStatus", 200_u16);
        match answered.failed && matches!(backend.kind, BackendKind::Proxy { .. }) {
            true => Err(Refused::execution(502, "the function failed")),
            false => Ok(answered.payload),
        }
    }

    /// Gives a function an event that nobody waits for.
    async fn send(&mut self, backend: &Backend, function: &base::Arn, payload: Bytes) -> Result<Reply, Refused> {
        let source_arn = self.arn();
        let uri = &backend.integration.integration_uri;
        self.log.request(|| uri.clone().unwrap_or_default(), &HeaderMap::new(), &payload);
        let call = self.function_call(backend, function, &source_arn, payload);
        self.gateway.send_event(self.desk, &self.cx, call).await.map_err(of_failure)?;
        self.log_answer(ACCEPTED, &Bytes::new());
        self.context.set("integration.integrationStatus", ACCEPTED);
        self.respond(backend, ACCEPTED, HeaderMap::new(), &Bytes::new())
    }

    fn function_call<'a>(
        &self,
        backend: &'a Backend,
        function: &'a base::Arn,
        source_arn: &'a str,
        payload: Bytes,
    ) -> FunctionCall<'a> {
        FunctionCall {
            function,
            source_arn,
            role: backend.integration.credentials_arn.as_deref(),
            payload,
            trace_id: self.trace_id.clone(),
            timeout: backend.timeout,
        }
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
        | Failure::Request(_)
        | Failure::Internal(_) => Refused::execution(500, why),
    }
}

/// Sets a header; what can be none is left out.
pub(super) fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}
