//! What stands behind a route is asked, and its answer becomes the API's: a function here, an HTTP server in `server`.

use std::borrow::Cow;
use std::time::Instant;

use base::Arn;
use bytes::Bytes;
use cloud::ports::Answered;
use cloud::proxy::event;
use cloud::proxy::response::{self, Malformed, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};
use hyper::body::Incoming;
use shape::Body;
use wire::protocol::Answer;
use wire::route::percent;

use super::BODY_BYTES_MAX;
use super::event as event_1;
use super::parameters::{Changes, Request};
use super::stage::{Backend, Format, LiveIntegration, LiveRoute};
use super::template::Known;
use super::visit::{Visit, joined};
use crate::edge::integration::Failure;
use crate::edge::integration::lambda::FunctionCall;

/// The largest event, in bytes: what Lambda takes.
const EVENT_BYTES_MAX: usize = 6_291_556;

/// What bodies are of which a function does not say it.
const DEFAULT_TYPE: &str = "text/plain; charset=utf-8";

impl Visit<'_> {
    /// Asks what stands behind a route. `body` is the request's, unless it has been read already.
    pub(super) async fn integrate(&mut self, route: &LiveRoute, body: Option<Incoming>) -> Answer {
        // A route without an integration leads nowhere.
        let Some(integration) = &route.integration else { return self.refuse(StatusCode::NOT_FOUND, "Not Found") };
        // Only what goes on to a server goes on as it comes, unless it is too large: its sender hears that once it is read.
        let streams = matches!(integration.backend, Backend::Server(..)) && !integration.request.read_body();
        let body = match body {
            Some(body) if !streams || self.request_bytes() > BODY_BYTES_MAX as u64 => match self.read(body).await {
                Ok(()) => None,
                Err(refused) => return refused,
            },
            body => body,
        };
        let begun = Instant::now();
        let answered = match &integration.backend {
            Backend::Function(function, format) => self.run(route, integration, function, *format).await,
            Backend::Server(address, method, tls) => {
                self.ask_server(integration, address, method.as_ref(), tls, body).await
            }
            Backend::NotBuilt(what) => {
                self.noted.integration_error = Some(format!("NotImplemented: {what}"));
                let body = serde_json::json!({ "message": format!("NotImplemented: {what}") }).to_string();
                return Answer::new(501, "application/json", Bytes::from(body));
            }
            Backend::Broken(why) => Err(Failure::Configuration(why.clone())),
        };
        self.noted.integration_latency = Some(begun.elapsed());
        match answered {
            Ok(mut answer) => {
                self.noted.integration_status.get_or_insert(answer.status.as_u16());
                if let Some(changes) = integration.answers.get(&answer.status.as_u16()) {
                    self.change(changes, &mut answer).await;
                }
                answer
            }
            Err(failure) => self.fail(&failure),
        }
    }

    /// AWS's answer for an integration that gave none.
    fn fail(&mut self, failure: &Failure) -> Answer {
        tracing::debug!(api = self.stage.api_id, %failure, "an integration gave no answer");
        self.noted.integration_error = Some(failure.to_string());
        match failure {
            Failure::Timeout(_) | Failure::Unreachable(_) | Failure::Throttled(_) => {
                self.refuse(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
            Failure::TooLarge(_) => self.refuse(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Failure::Request(_) => self.refuse(StatusCode::BAD_REQUEST, "Bad Request"),
            Failure::Forbidden(_) | Failure::Configuration(_) | Failure::Internal(_) => {
                self.refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
        }
    }

    async fn run(
        &mut self,
        route: &LiveRoute,
        integration: &LiveIntegration,
        function: &Arn,
        format: Format,
    ) -> Result<Answer, Failure> {
        let payload = self.event(integration, format);
        if payload.len() > EVENT_BYTES_MAX {
            return Err(Failure::TooLarge("the event is larger than a function takes".to_owned()));
        }
        let call = FunctionCall {
            function,
            source_arn: &self.stage.arn(self.head.method.as_str(), &route.resource),
            role: integration.role.as_deref(),
            payload: payload.into(),
            trace_id: Some(self.trace_id.clone()),
            timeout: integration.timeout,
        };
        let Answered { request_id, payload, failed } = self.gateway.call_function(self.desk, &self.cx, call).await?;
        self.noted.integration_request_id = Some(request_id);
        // What Lambda says of the call, not the function.
        self.noted.integration_status = Some(200);
        if failed {
            return Err(Failure::Configuration("The Lambda function returned an error".to_owned()));
        }
        let said = match format {
            Format::V1 => response::version_1(&payload, DEFAULT_TYPE),
            Format::V2 => response::whole(&payload, DEFAULT_TYPE),
        };
        let Response { status, headers, body } = said.map_err(|Malformed| {
            Failure::Configuration("The response from the Lambda function doesn't match the format".to_owned())
        })?;
        Ok(Answer { status, headers, body: body.into() })
    }

    fn event(&mut self, integration: &LiveIntegration, format: Format) -> Vec<u8> {
        // Functions see what the mapping makes of the request; logs see what was sent.
        let mapped = (!integration.request.is_empty()).then(|| self.mapped(&integration.request));
        let body = self.body_bytes();
        let parameters = self.path_parameters();
        let mut source = self.source(&body, &parameters);
        if format == Format::V1 {
            source.path = self.place.mapped_path.as_deref().unwrap_or(source.path);
        }
        if let Some((head, path)) = &mapped {
            source.head = head;
            source.query = head.uri.query().unwrap_or_default();
            source.path = path.as_deref().unwrap_or(source.path);
        }
        match format {
            Format::V2 => event::event(&source),
            Format::V1 => {
                let said = self.admitted.said();
                let resource = self.route.map_or("", |route| &route.resource);
                let more = event_1::More { resource, authorizer: said.as_deref(), signer: self.signer() };
                event_1::request(&source, &more)
            }
        }
    }

    /// The request as a mapping makes it, and its path if that is changed.
    pub(super) fn mapped(&self, changes: &Changes) -> (Parts, Option<String>) {
        let mut head = self.head.clone();
        let mut path = None;
        let pairs = percent::pairs(self.head.uri.query().unwrap_or_default());
        let mut query: Vec<(String, String)> =
            pairs.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let before = query.clone();
        changes.apply(self, &mut Request { headers: &mut head.headers, query: &mut query, path: &mut path });
        if query != before {
            let pairs = query.iter().map(|(name, value)| format!("{}={}", encoded(name, false), encoded(value, false)));
            let query = pairs.collect::<Vec<_>>().join("&");
            let target = if query.is_empty() { "/".to_owned() } else { format!("/?{query}") };
            head.uri = target.parse::<Uri>().unwrap_or(head.uri);
        }
        (head, path)
    }

    async fn change(&mut self, changes: &Changes, answer: &mut Answer) {
        let body = match std::mem::take(&mut answer.body) {
            Body::Stream(stream) if changes.read_body() => match collected(stream).await {
                Some(bytes) => Body::Whole(bytes),
                None => {
                    *answer = self.fail(&Failure::Unreachable("the answer ended early".to_owned()));
                    return;
                }
            },
            body => body,
        };
        let known = OfAnswer {
            visit: self,
            headers: answer.headers.clone(),
            body: match &body {
                Body::Whole(bytes) => bytes.clone(),
                Body::Stream(_) => Bytes::new(),
            },
        };
        changes.apply_to_answer(&known, &mut answer.status, &mut answer.headers);
        answer.body = body;
    }
}

/// All of a body that comes in pieces; none if it does not end well. (It has a limit already.)
async fn collected(mut stream: shape::body::ByteStream) -> Option<Bytes> {
    use futures_util::StreamExt as _;
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece.ok()?);
    }
    Some(all.into())
}

/// Text for a URL: a path keeps its slashes.
pub(super) fn encoded(text: &str, is_path: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            b'/' | b'@' | b':' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
                if is_path =>
            {
                out.push(byte.into());
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// What references in an answer's mapping refer to.
struct OfAnswer<'a> {
    visit: &'a Visit<'a>,
    headers: HeaderMap,
    body: Bytes,
}

impl Known for OfAnswer<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        joined(self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())))
    }
    fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        self.visit.query(name)
    }
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn path(&self) -> &str {
        self.visit.path()
    }
    fn path_parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        self.visit.path_parameter(name)
    }
    fn context(&self, name: &str) -> Option<String> {
        Known::context(self.visit, name)
    }
}
