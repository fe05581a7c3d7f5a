//! The route of a request to a function's URL: found, read, let in, turned into an event, run, and its answer turned into a
//! response. Refusals are in the words that AWS's URLs have, which differ from its API's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Caller, Cx, Error};
use bytes::Bytes;
use cloud::desk::{Desk, Held, Unread};
use cloud::ports::{CutOff, Pieces};
use cloud::proxy::cors;
use cloud::proxy::event::{self, Authorizer};
use cloud::proxy::response::{self, Headless, Malformed, PRELUDE_MEDIA_TYPE, Prelude, Response};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::header::{CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use shape::Body;
use wire::protocol::{Answer, Protocol};
use wire::server::Peer;

use super::address::Address;
use super::{FunctionUrlAuthType, InvokeMode, Url};
use crate::lambda::Lambda;
use crate::lambda::invoke::{self, Invocation};
use crate::lambda::metrics::Metric;
use crate::lambda::name::{Qualifier, QualifierText, Target};
use crate::lambda::resolve::Resolved;
use crate::lambda::response_stream::{Next, ResponseStream};
use crate::lambda::trace;

/// The largest request, in bytes: of the event that is made of it, and so of its body.
const REQUEST_BYTES_MAX: usize = 6_291_556;
const REQUEST_BYTES_WORDS: usize = 6_291_456;

/// How much of a body is read only so that its sender can hear that it is too large: who is cut off while sending hears
/// nothing.
const BODY_BYTES_READ_MAX: usize = 16 * 1024 * 1024;

/// The page of AWS's documentation that refusals name.
const TROUBLESHOOTING: &str = "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";

/// What is known of a visit.
struct Visit {
    url: Arc<Url>,
    cx: Cx,
    head: Parts,
    trace_id: String,
}

impl Lambda {
    /// Answers a request to a function's URL. `desk` says who signed it and whether they may.
    pub async fn serve_url(&self, desk: &Desk, address: Address, request: Request<Incoming>, peer: Peer) -> Answer {
        let (head, body) = request.into_parts();
        let origin = desk.origin(&head, peer);
        let url = match self.url(&address.id).await {
            Ok(url) => url.filter(|url| address.region.as_ref().is_none_or(|r| r == url.target.region.as_str())),
            Err(failure) => return refusal(&failure.into(), &base::id::uuid()),
        };
        let Some(url) = url else { return unknown() };
        let trace_id = origin.trace_id.clone().unwrap_or_else(|| trace::undecided(self.clock.now()));
        let cx = Cx {
            request_id: base::id::uuid().into(),
            account: url.target.account,
            region: url.target.region.clone(),
            caller: Caller::anonymous(url.target.account),
            origin,
            clock: desk.clock().clone(),
        };
        let mut visit = Visit { url, cx, head, trace_id };
        let begun = Instant::now();
        let mut answer = self.visit(desk, &address, body, &mut visit).await;
        visit.sign(&mut answer);
        self.measure_url(&visit.url.target, answer.status, begun.elapsed());
        tracing::debug!(url = visit.url.record.id, status = answer.status.as_u16(), id = &*visit.cx.request_id, "url");
        answer
    }

    /// Records a request to a URL. Every one counts as an error or not, so that the averages are rates.
    fn measure_url(&self, target: &Target, status: StatusCode, latency: Duration) {
        let one_if = |is_so: bool| f64::from(u8::from(is_so));
        self.record_for(target, Metric::UrlRequestCount, 1.0);
        self.record_for(target, Metric::Url4xxCount, one_if(status.is_client_error()));
        self.record_for(target, Metric::Url5xxCount, one_if(status.is_server_error()));
        self.record_for(target, Metric::UrlRequestLatency, latency.as_secs_f64() * 1000.0);
    }

    async fn visit(&self, desk: &Desk, address: &Address, body: Incoming, visit: &mut Visit) -> Answer {
        if let Some(policy) = &visit.url.cors
            && cors::is_preflight(&visit.head)
        {
            return answer(StatusCode::OK, policy.preflight(&visit.head), Body::default());
        }
        let body = match desk.body(body, BODY_BYTES_READ_MAX, &visit.cx.origin).await {
            Ok(body) => body,
            Err(unread) => return refusal(&unread_error(unread), &visit.cx.request_id),
        };
        if body.bytes.len() > REQUEST_BYTES_MAX {
            return refusal(&too_large(), &visit.cx.request_id);
        }
        let signer = match admit(desk, visit, &body.bytes).await {
            Ok(signer) => signer,
            Err(refused) => return refused,
        };
        let event = visit.event(address, &body, signer.as_ref());
        drop(body);
        if event.len() > REQUEST_BYTES_MAX {
            return refusal(&too_large(), &visit.cx.request_id);
        }
        let resolved = match self.resolve(&visit.cx, &visit.url.target.name, visit.qualifier().as_ref()).await {
            Ok(resolved) => resolved,
            // The alias is gone, and its permissions with it.
            Err(error) if error.status == 404 => return forbidden(),
            Err(error) => return refusal(&error, &visit.cx.request_id),
        };
        visit.trace_id = self.trace_header(&resolved, Some(&visit.trace_id));
        let run = self.run_url(&resolved, visit, event.into()).await;
        run.unwrap_or_else(|error| refusal(&error, &visit.cx.request_id))
    }

    async fn run_url(&self, resolved: &Arc<Resolved>, visit: &Visit, payload: Bytes) -> Result<Answer, Error> {
        let call = Invocation {
            request_id: visit.cx.request_id.to_string(),
            payload,
            trace_id: visit.trace_id.clone(),
            awaited: true,
            ..Invocation::default()
        };
        let mut answer = match visit.url.record.invoke_mode {
            Some(InvokeMode::ResponseStream) => streamed(self.stream_invocation(resolved, call).await?).await?,
            Some(InvokeMode::Buffered) | None => match self.run_to_its_end(resolved, call).await? {
                invoke::Answer { failed: true, .. } => bad_gateway(),
                invoke::Answer { payload, .. } => of_payload(&payload),
            },
        };
        if let Some(policy) = &visit.url.cors {
            policy.apply(&visit.head, &mut answer.headers);
        }
        Ok(answer)
    }
}

impl Visit {
    fn event(&self, address: &Address, body: &Held, signer: Option<&Caller>) -> Vec<u8> {
        let path = self.head.uri.path().get(address.prefix_bytes..).filter(|path| !path.is_empty());
        let source_ip =
            self.cx.origin.remote.map_or_else(|| "127.0.0.1".to_owned(), |ip| ip.to_canonical().to_string());
        event::event(&event::Source {
            head: &self.head,
            body: &body.bytes,
            path: path.unwrap_or("/"),
            path_parameters: &[],
            query: self.head.uri.query().unwrap_or_default(),
            route_key: "$default",
            stage: "$default",
            stage_variables: None,
            account_id: signer.map_or("anonymous", |caller| caller.account.as_str()),
            api_id: &self.url.record.id,
            host: &self.cx.origin.host,
            host_prefix: &self.url.record.id,
            source_ip: &source_ip,
            tls: self.cx.origin.tls,
            authorizer: signer.map(Authorizer::Iam),
            shows_authorization: signer.is_none(),
            request_id: &self.cx.request_id,
            trace_id: &self.trace_id,
            now: self.cx.now(),
        })
    }

    fn qualifier(&self) -> Option<QualifierText> {
        match &self.url.target.qualifier {
            Some(Qualifier::Alias(alias)) => Some(QualifierText(alias.clone())),
            _ => None,
        }
    }

    /// Puts the headers that every answer has.
    fn sign(&self, answer: &mut Answer) {
        for (name, value) in [("x-amzn-requestid", &*self.cx.request_id), ("x-amzn-trace-id", &self.trace_id)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                answer.headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// Lets a request in, or refuses it: whoever signed it where the URL asks for that, everybody elsewhere, if the function's
/// policy says so. Since October 2025 both permissions are needed.
async fn admit(desk: &Desk, visit: &mut Visit, body: &Bytes) -> Result<Option<Caller>, Answer> {
    let Visit { url, cx, head, .. } = visit;
    let auth_type = url.record.auth_type;
    let signer = match auth_type {
        FunctionUrlAuthType::None => None,
        FunctionUrlAuthType::AwsIam => {
            let signer = desk.signer("lambda", &cx.region, head, body, &cx.origin).await;
            Some(signer.map_err(|error| refusal(&error, &cx.request_id))?.ok_or_else(forbidden)?)
        }
    };
    if let Some(signer) = &signer {
        cx.caller = signer.clone();
    }
    let arn = url.target.arn();
    let keys = [("lambda:FunctionUrlAuthType", auth_type.name()), ("lambda:InvokedViaFunctionUrl", "true")];
    for action in ["InvokeFunctionUrl", "InvokeFunction"] {
        desk.permit(cx, "lambda", action, &arn, &keys).await.map_err(|_| forbidden())?;
    }
    Ok(signer)
}

/// The response to a caller who gets it whole.
fn of_payload(payload: &Bytes) -> Answer {
    match response::whole(payload, "application/json") {
        Ok(Response { status, headers, body }) => answer(status, headers, body),
        Err(Malformed) => bad_gateway(),
    }
}

/// The response to a caller who gets it as it is written, once its head is known.
async fn streamed(mut answer: ResponseStream) -> Result<Answer, Error> {
    match answer.next().await {
        Next::Begin(media_type) if media_type.starts_with(PRELUDE_MEDIA_TYPE) => {
            let mut pieces = answer.into_pieces();
            match Prelude::default().read(&mut pieces).await {
                Ok(Response { status, headers, body }) => Ok(rest(status, headers, body, pieces)),
                Err(Headless::Failed(CutOff::Service(error))) => Err(error),
                Err(Headless::Failed(CutOff::Failed(_)) | Headless::Malformed) => Ok(bad_gateway()),
            }
        }
        Next::Begin(media_type) => Ok(rest(StatusCode::OK, of_type(&media_type), Bytes::new(), answer.into_pieces())),
        Next::Over(Ok(invoke::Answer { failed: false, payload, .. })) => {
            Ok(self::answer(StatusCode::OK, of_type("application/json"), payload))
        }
        Next::Over(Err(error)) => Err(error),
        Next::Over(Ok(_)) | Next::Chunk(_) | Next::End(_) => Ok(bad_gateway()),
    }
}

fn of_type(media_type: &str) -> HeaderMap {
    HeaderMap::from_iter(HeaderValue::from_str(media_type).ok().map(|value| (CONTENT_TYPE, value)))
}

/// The body from here on. One that fails in the middle is cut off, so that no caller takes it for the whole.
fn rest(status: StatusCode, headers: HeaderMap, first: Bytes, pieces: Pieces) -> Answer {
    let first = (!first.is_empty()).then_some(Ok(first));
    let body = stream::iter(first).chain(pieces.map_err(std::io::Error::other));
    answer(status, headers, Body::Stream(Box::pin(body)))
}

fn answer(status: StatusCode, headers: HeaderMap, body: impl Into<Body>) -> Answer {
    Answer { status, headers, body: body.into() }
}

fn unread_error(unread: Unread) -> Error {
    match unread {
        Unread::TooLarge => too_large(),
        Unread::Broken => Error::new(400, "BadRequestException", "The request body ended early."),
        Unread::Late => Error::new(408, "RequestTimeoutException", "The request body did not arrive in time."),
    }
}

fn too_large() -> Error {
    let message = format!("Request must be smaller than {REQUEST_BYTES_WORDS} bytes for the InvokeFunction operation");
    Error::new(413, "RequestEntityTooLargeException", message).capital()
}

fn refusal(error: &Error, request_id: &str) -> Answer {
    Protocol::RestJson1.encode_error(error, request_id, None)
}

/// The function failed, or what it said is no response.
fn bad_gateway() -> Answer {
    Answer::new(502, "application/json", Bytes::from_static(b"Internal Server Error"))
}

/// Nobody's URL, as AWS answers it: without a word.
fn unknown() -> Answer {
    denied(Answer::new(403, "application/json", Bytes::from_static(b"{\"Message\":null}")))
}

fn forbidden() -> Answer {
    let words = format!("Forbidden. For troubleshooting Function URL authorization issues, see: {TROUBLESHOOTING}");
    denied(Answer::new(403, "application/json", Bytes::from(format!("{{\"Message\":\"{words}\"}}"))))
}

fn denied(mut answer: Answer) -> Answer {
    answer.headers.insert("x-amzn-errortype", HeaderValue::from_static("AccessDeniedException"));
    answer
}
