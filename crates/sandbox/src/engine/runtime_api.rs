//! AWS's Runtime API over HTTP, for custom runtimes and the official runtime interface clients.
//!
//! The listener was made inside the sandbox's network namespace, so only that sandbox can reach it. Behaviour follows
//! the observable one of AWS's runtime interface emulator: `/next` before a response hands out the same event again,
//! a wrong request id is 400 `InvalidRequestID`, calls out of order are 403 `InvalidStateTransition`, anything else 404.
//! The Extensions API is in `extension`, the Telemetry and Logs APIs are in `subscribe`.

pub(crate) mod extension;
mod streamed;
mod subscribe;

use std::{
    convert::Infallible,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, StatusCode,
    body::{Body, Incoming},
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::JoinSet,
};

use super::{
    channel::{Event, FromRuntime},
    extensions::Extensions,
    spec::{RESPONSE_BYTES_MAX, SandboxIdentity},
    telemetry::Telemetry,
};

/// Connections a sandbox may hold open at a time; official clients use one or two, and each extension as many.
const CONNECTIONS_MAX: usize = 64;

/// Time for the headers of one request to arrive, once its first byte is there.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);

/// Messages to the engine that may wait. A runtime has at most a ready, a result and an error to say per invocation.
const OUTBOX_MAX: usize = 8;

/// How much of a refused body is read to keep the connection.
const DISCARD_BYTES_MAX: usize = 256 * 1024;

const PREFIX: &str = "/2018-06-01/runtime/";

/// Where functions with [`super::spec::Credentials`] ask for them: AWS has the same address.
pub(crate) const CREDENTIALS_PATH: &str = "/2021-04-23/credentials";

/// The server of one sandbox.
pub(crate) struct RuntimeApi {
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<FromRuntime>,
    _accept: JoinSet<()>,
}

struct Shared {
    extensions: Arc<Extensions>,
    telemetry: Arc<Telemetry>,
    identity: Arc<OnceLock<SandboxIdentity>>,
    phase: Mutex<Phase>,
    /// The event that waits for a `/next`.
    offered: Mutex<Option<Arc<Event>>>,
    changed: Notify,
    /// Held while a body is read.
    reading: tokio::sync::Mutex<()>,
    outbox: mpsc::Sender<FromRuntime>,
}

/// Where the runtime stands; the names in `Display` are those AWS's error messages use.
enum Phase {
    Started,
    InitError,
    /// Asked to be restored; is a snapshot until then.
    RestoreReady,
    /// Goes on after that.
    Restoring,
    RestoreError,
    /// Asked for an event; there is none yet.
    Ready,
    /// Has this event and owes an answer.
    Running(Arc<Event>),
    /// Its answer is being streamed.
    Streaming,
    /// It was, and the engine waits to hear that the runtime is ready again.
    Streamed,
    ResponseSent,
}

impl Phase {
    fn name(&self) -> &'static str {
        match self {
            Phase::Started => "Started",
            Phase::InitError => "InitError",
            Phase::RestoreReady => "RestoreReady",
            Phase::Restoring => "Restoring",
            Phase::RestoreError => "RestoreError",
            Phase::Ready => "Ready",
            Phase::Running(_) => "Running",
            Phase::Streaming => "InvocationResponse",
            Phase::Streamed | Phase::ResponseSent => "ResponseSent",
        }
    }
}

impl RuntimeApi {
    /// Serves the listener until dropped. Must be called within a tokio runtime.
    pub(crate) fn start(
        listener: TcpListener,
        identity: Arc<OnceLock<SandboxIdentity>>,
        extensions: Arc<Extensions>,
        telemetry: Arc<Telemetry>,
    ) -> std::io::Result<RuntimeApi> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (outbox, inbox) = mpsc::channel(OUTBOX_MAX);
        let shared = Arc::new(Shared {
            extensions,
            telemetry,
            identity,
            phase: Mutex::new(Phase::Started),
            offered: Mutex::new(None),
            changed: Notify::new(),
            reading: tokio::sync::Mutex::new(()),
            outbox,
        });
        let mut accept = JoinSet::new();
        accept.spawn(accept_all(listener, shared.clone()));
        Ok(RuntimeApi { shared, inbox, _accept: accept })
    }

    /// Hands out an event to the next (or already waiting) `/next`.
    pub(crate) fn offer(&self, event: Event) {
        *lock(&self.shared.offered) = Some(Arc::new(event));
        self.shared.changed.notify_waiters();
    }

    /// Answers the `/restore/next` that waits.
    pub(crate) fn restore(&self) {
        let mut phase = self.shared.phase();
        if matches!(*phase, Phase::RestoreReady) {
            *phase = Phase::Restoring;
            self.shared.changed.notify_waiters();
        }
    }

    /// What the runtime says next. Dropping the future loses nothing.
    pub(crate) async fn receive(&mut self) -> FromRuntime {
        match self.inbox.recv().await {
            Some(message) => message,
            None => std::future::pending().await, // the accept task holds a sender for as long as we live
        }
    }
}

impl Shared {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        lock(&self.phase)
    }

    /// The event this runtime is to work on, if there is one: a new one, or the one it already has.
    fn take_event(&self) -> Option<Arc<Event>> {
        let mut phase = self.phase();
        if let Some(event) = lock(&self.offered).take() {
            *phase = Phase::Running(event);
        }
        match &*phase {
            Phase::Running(event) => Some(event.clone()),
            _ => None,
        }
    }

    async fn tell(&self, message: FromRuntime) {
        // Fails only when the engine has let go of the sandbox.
        let _ = self.outbox.send(message).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept_all(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                // Out of descriptors, most likely: others will give some back.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        while connections.try_join_next().is_some() {}
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(|request| answer(&shared, request));
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(permit);
        });
    }
}

type Request = hyper::Request<Incoming>;
type Response = hyper::Response<Full<Bytes>>;

async fn answer(shared: &Shared, request: Request) -> Result<Response, Infallible> {
    let (head, mut body) = request.into_parts();
    if let Some(path) = head.uri.path().strip_prefix(extension::PREFIX) {
        let response = extension::answer(shared, &head.method, path, &head.headers, &mut body).await;
        discard(&mut body).await;
        return Ok(response);
    }
    if let Some(by) = subscribe::api(head.uri.path()) {
        let response = subscribe::answer(shared, by, &head.method, &head.headers, &mut body).await;
        discard(&mut body).await;
        return Ok(response);
    }
    let rest = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let parts: Vec<&str> = rest.split('/').collect();
    let response = match (&head.method, parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(shared).await,
        (&Method::POST, ["invocation", id, "response"]) => response(shared, id, &head.headers, &mut body).await,
        (&Method::POST, ["invocation", id, "error"]) => error(shared, id, &head.headers, &mut body).await,
        (&Method::POST, ["init", "error"]) => init_error(shared, &head.headers, &mut body).await,
        (&Method::GET, ["restore", "next"]) => restore_next(shared).await,
        (&Method::POST, ["restore", "error"]) => restore_error(shared, &head.headers, &mut body).await,
        (&Method::GET, _) if head.uri.path() == CREDENTIALS_PATH => credentials(shared, &head.headers),
        _ => not_found(),
    };
    discard(&mut body).await;
    Ok(response)
}

/// Reads a refused body to its end, if that is near: the connection could not be kept otherwise.
async fn discard(body: &mut Incoming) {
    let mut left = DISCARD_BYTES_MAX;
    while !body.is_end_stream() {
        let Some(Ok(frame)) = body.frame().await else { return };
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// `GET /runtime/invocation/next`: the first one ends init; waits for an event.
async fn next(shared: &Shared) -> Response {
    let news = {
        let mut phase = shared.phase();
        let (news, next) = match *phase {
            Phase::InitError | Phase::RestoreReady | Phase::RestoreError | Phase::Streaming => {
                return out_of_order(&phase, "Ready");
            }
            Phase::Started | Phase::Restoring => (Some(FromRuntime::InitDone), Some(Phase::Ready)),
            Phase::Streamed => (Some(FromRuntime::Ready), Some(Phase::Ready)),
            Phase::ResponseSent => (None, Some(Phase::Ready)),
            Phase::Ready | Phase::Running(_) => (None, None),
        };
        if let Some(next) = next {
            *phase = next;
        }
        news
    };
    if let Some(news) = news {
        shared.tell(news).await;
    }
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if let Some(event) = shared.take_event() {
            return event_response(&event);
        }
        changed.await;
    }
}

/// `POST /runtime/invocation/{id}/response`
async fn response(shared: &Shared, id: &str, headers: &HeaderMap, body: &mut Incoming) -> Response {
    match streamed::is_asked_for(headers) {
        Ok(true) => return streamed::response(shared, id, headers, body).await,
        Ok(false) => {}
        Err(refusal) => return *refusal,
    }
    if let Err(refusal) = owes_answer(shared, id, "InvocationResponse") {
        return *refusal;
    }
    let target = "InvocationResponse";
    match read_body(shared, body).await {
        Err(BodyError::TooLarge(bytes)) => finish(shared, id, target, FromRuntime::TooLarge(bytes), too_large()).await,
        Err(BodyError::Truncated) => truncated(),
        Ok(body) => finish(shared, id, target, FromRuntime::Response(body), accepted()).await,
    }
}

/// `POST /runtime/invocation/{id}/error`
async fn error(shared: &Shared, id: &str, headers: &HeaderMap, body: &mut Incoming) -> Response {
    if let Err(refusal) = owes_answer(shared, id, "InvocationErrorResponse") {
        return *refusal;
    }
    let (target, header) = ("InvocationErrorResponse", error_type_header(headers));
    match read_body(shared, body).await {
        Err(BodyError::TooLarge(bytes)) => finish(shared, id, target, FromRuntime::TooLarge(bytes), too_large()).await,
        Err(BodyError::Truncated) => truncated(),
        Ok(payload) => finish(shared, id, target, FromRuntime::error(payload, header), accepted()).await,
    }
}

/// `POST /runtime/init/error`
async fn init_error(shared: &Shared, headers: &HeaderMap, body: &mut Incoming) -> Response {
    if !matches!(*shared.phase(), Phase::Started) {
        return out_of_order(&shared.phase(), "InitError");
    }
    let header = error_type_header(headers);
    let payload = match read_body(shared, body).await {
        Err(BodyError::TooLarge(_)) => return too_large(),
        Err(BodyError::Truncated) => return truncated(),
        Ok(payload) => payload,
    };
    {
        let mut phase = shared.phase();
        if !matches!(*phase, Phase::Started) {
            return out_of_order(&phase, "InitError");
        }
        *phase = Phase::InitError;
    }
    shared.tell(FromRuntime::init_failed(payload, header)).await;
    accepted()
}

/// `GET /runtime/restore/next`: ends the init of a function with SnapStart; waits to be restored.
async fn restore_next(shared: &Shared) -> Response {
    {
        let mut phase = shared.phase();
        if !matches!(*phase, Phase::Started) {
            return out_of_order(&phase, "RestoreReady");
        }
        *phase = Phase::RestoreReady;
    }
    shared.tell(FromRuntime::SnapshotReady).await;
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if !matches!(*shared.phase(), Phase::RestoreReady) {
            return json(StatusCode::OK, Bytes::new());
        }
        changed.await;
    }
}

/// `POST /runtime/restore/error`
async fn restore_error(shared: &Shared, headers: &HeaderMap, body: &mut Incoming) -> Response {
    let payload = match read_body(shared, body).await {
        Err(BodyError::TooLarge(_)) => return too_large(),
        Err(BodyError::Truncated) => return truncated(),
        Ok(payload) => payload,
    };
    {
        let mut phase = shared.phase();
        if !matches!(*phase, Phase::Restoring) {
            return out_of_order(&phase, "RestoreError");
        }
        *phase = Phase::RestoreError;
    }
    shared.tell(FromRuntime::restore_failed(payload, error_type_header(headers))).await;
    accepted()
}

/// `GET /2021-04-23/credentials`: for whoever in the sandbox knows the token.
fn credentials(shared: &Shared, headers: &HeaderMap) -> Response {
    let Some(credentials) = shared.identity.get().and_then(|identity| identity.spec.credentials.as_ref()) else {
        return not_found();
    };
    let said = headers.get(hyper::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if said != Some(credentials.token.as_str()) {
        return refuse(StatusCode::FORBIDDEN, "InvalidToken", "Invalid authorization token");
    }
    json(StatusCode::OK, (credentials.fetch)().into())
}

/// Whether the runtime has been given the event it names and has not answered it yet.
fn owes_answer(shared: &Shared, id: &str, target: &str) -> Result<(), Box<Response>> {
    let phase = shared.phase();
    match &*phase {
        Phase::Running(event) if event.request_id == id => Ok(()),
        Phase::Running(_) => Err(Box::new(invalid_request_id())),
        other => Err(Box::new(out_of_order(other, target))),
    }
}

/// Takes the answer, unless another connection was faster.
async fn finish(shared: &Shared, id: &str, target: &str, message: FromRuntime, reply: Response) -> Response {
    {
        // Looked at and changed in one hold: of two answers the second must not become the next request's.
        let mut phase = shared.phase();
        match &*phase {
            Phase::Running(event) if event.request_id == id => *phase = Phase::ResponseSent,
            Phase::Running(_) => return invalid_request_id(),
            other => return out_of_order(other, target),
        }
    }
    shared.tell(message).await;
    reply
}

enum BodyError {
    TooLarge(usize),
    Truncated,
}

/// One body at a time: a runtime has one answer to give, and what it half sends is held in the server's memory.
async fn read_body(shared: &Shared, body: &mut Incoming) -> Result<Bytes, BodyError> {
    let _turn = shared.reading.lock().await;
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > RESPONSE_BYTES_MAX {
        return Err(BodyError::TooLarge(announced));
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Truncated)?.into_data() else {
            continue;
        };
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
        if whole.len() > RESPONSE_BYTES_MAX {
            return Err(BodyError::TooLarge(whole.len()));
        }
    }
    Ok(whole.freeze())
}

fn error_type_header(headers: &HeaderMap) -> Option<String> {
    headers.get("lambda-runtime-function-error-type")?.to_str().ok().map(str::to_owned)
}

fn event_response(event: &Event) -> Response {
    let mut response = hyper::Response::new(Full::new(event.payload.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut set = |name: &'static str, value: Option<&str>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("lambda-runtime-aws-request-id", Some(&event.request_id));
    set("lambda-runtime-deadline-ms", Some(&event.deadline_ms.to_string()));
    set("lambda-runtime-invoked-function-arn", Some(&event.invoked_function_arn));
    set("lambda-runtime-trace-id", event.trace_id.as_deref());
    set("lambda-runtime-client-context", event.client_context.as_deref());
    set("lambda-runtime-cognito-identity", event.cognito_identity.as_deref());
    response
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    error_message: &'a str,
    error_type: &'a str,
}

fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = hyper::Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn refuse(status: StatusCode, error_type: &str, error_message: &str) -> Response {
    let body = serde_json::to_vec(&ErrorBody { error_message, error_type }).unwrap_or_default();
    json(status, body.into())
}

fn accepted() -> Response {
    json(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"))
}

fn not_found() -> Response {
    let mut response = hyper::Response::new(Full::new(Bytes::from_static(b"404 page not found\n")));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn invalid_request_id() -> Response {
    refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
}

fn truncated() -> Response {
    refuse(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", "HTTP request detected as truncated")
}

fn too_large() -> Response {
    let message = format!("Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).");
    refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
}

fn out_of_order(phase: &Phase, target: &str) -> Response {
    let message = format!(
        "State transition from {} to {target} failed for runtime. Error: State transition is not allowed",
        phase.name()
    );
    refuse(StatusCode::FORBIDDEN, "InvalidStateTransition", &message)
}
