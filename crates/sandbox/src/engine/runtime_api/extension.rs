//! AWS's Extensions API, `/2020-01-01/extension`: register, wait for the next event, report an error at init or exit.
//!
//! Refusals and their words follow the runtime interface emulator: all are 403 with `errorType` and `errorMessage`.

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{HeaderMap, Method, StatusCode, body::Incoming, header::HeaderValue};
use serde::{Deserialize, Serialize};

use super::{
    super::extensions::{ExtensionEvent, Refused},
    Response, Shared, accepted, json, not_found, refuse,
};

pub(super) const PREFIX: &str = "/2020-01-01/extension/";

const NAME: &str = "lambda-extension-name";
const IDENTIFIER: &str = "lambda-extension-identifier";
const ERROR_TYPE: &str = "lambda-extension-function-error-type";
const ACCEPT_FEATURE: &str = "lambda-extension-accept-feature";

/// Longest body that is read. A registration has a hundred bytes, an error document a stack trace.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Longest name of an extension; AWS names no number, a file name has 255.
const NAME_BYTES_MAX: usize = 255;

/// Answers a call below [`PREFIX`].
pub(super) async fn answer(
    shared: &Shared,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Response {
    match (method, path) {
        (&Method::POST, "register") => register(shared, headers, body).await,
        (&Method::GET, "event/next") => next(shared, headers).await,
        (&Method::POST, "init/error") => error(shared, headers, Report::Init),
        (&Method::POST, "exit/error") => error(shared, headers, Report::Exit),
        _ => not_found(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registration {
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(default)]
    configuration_keys: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registered<'a> {
    function_name: &'a str,
    function_version: &'a str,
    handler: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

/// `POST /extension/register`
async fn register(shared: &Shared, headers: &HeaderMap, body: &mut Incoming) -> Response {
    let name = text(headers, NAME).unwrap_or_default();
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return forbidden("Extension.InvalidExtensionName", "Empty extension name");
    }
    let events = match read_registration(shared, name, body).await {
        Ok(events) => events,
        Err(refusal) => return *refusal,
    };
    let id = match shared.extensions.register(name, events) {
        Ok(id) => id,
        Err(refused) => return refusal(&refused, "Registered"),
    };
    shared.telemetry.watch();
    let Some(identity) = shared.identity.get() else {
        return not_found(); // nobody's code runs before it has a name
    };
    let spec = &identity.spec;
    let wants_account = text(headers, ACCEPT_FEATURE)
        .is_some_and(|features| features.split(',').any(|feature| feature.trim().eq_ignore_ascii_case("accountId")));
    let registered = Registered {
        function_name: &spec.function_name,
        function_version: &spec.function_version,
        handler: &spec.handler,
        account_id: wants_account.then_some(spec.owner.as_str()),
    };
    with_identifier(json(StatusCode::OK, serde_json::to_vec(&registered).unwrap_or_default().into()), &id)
}

/// The events of a registration, all of them possible for this extension.
async fn read_registration(
    shared: &Shared,
    name: &str,
    body: &mut Incoming,
) -> Result<Vec<ExtensionEvent>, Box<Response>> {
    let invalid = |why: &str| Box::new(forbidden("InvalidRequestFormat", why));
    let bytes = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| invalid(&error.to_string()))?;
    let registration: Registration =
        serde_json::from_slice(&bytes.to_bytes()).map_err(|error| invalid(&error.to_string()))?;
    if registration.configuration_keys.is_some_and(|keys| !keys.is_empty()) {
        return Err(invalid("configurationKeys are deprecated; use environment variables instead"));
    }
    let external = shared.extensions.is_external(name);
    let mut events = Vec::new();
    for event in registration.events.unwrap_or_default() {
        let known = match event.as_str() {
            "INVOKE" => ExtensionEvent::Invoke,
            "SHUTDOWN" if external => ExtensionEvent::Shutdown,
            "SHUTDOWN" => return Err(invalid_event(&event, "ShutdownEventNotSupportedForInternalExtension")),
            _ => return Err(invalid_event(&event, "InvalidEventType")),
        };
        if !events.contains(&known) {
            events.push(known);
        }
    }
    Ok(events)
}

fn invalid_event(event: &str, why: &str) -> Box<Response> {
    Box::new(forbidden("Extension.InvalidEventType", &format!("{event}: {why}")))
}

/// `GET /extension/event/next`
async fn next(shared: &Shared, headers: &HeaderMap) -> Response {
    let id = match identifier(headers) {
        Ok(id) => id,
        Err(refusal) => return *refusal,
    };
    match shared.extensions.next(id).await {
        Ok(event) => with_event_identifier(json(StatusCode::OK, event)),
        Err(Refused::UnknownId) => unknown(id),
        Err(refused) => refusal(&refused, "Ready"),
    }
}

enum Report {
    Init,
    Exit,
}

/// `POST /extension/init/error` and `/extension/exit/error`. The document in the body is for the extension's own log.
fn error(shared: &Shared, headers: &HeaderMap, report: Report) -> Response {
    let id = match identifier(headers) {
        Ok(id) => id,
        Err(refusal) => return *refusal,
    };
    let Some(error_type) = text(headers, ERROR_TYPE).filter(|text| !text.is_empty()) else {
        return forbidden("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found");
    };
    let (reported, target) = match report {
        Report::Init => (shared.extensions.init_error(id, error_type.to_owned()), "InitError"),
        Report::Exit => (shared.extensions.exit_error(id, error_type.to_owned()), "Exited"),
    };
    match reported {
        Ok(()) => accepted(),
        Err(Refused::UnknownId) => {
            forbidden("Extension.UnknownExtensionIdentifier", "Unknown Lambda-Extension-Identifier")
        }
        Err(refused) => refusal(&refused, target),
    }
}

/// The identifier that the caller shows; a UUID.
pub(super) fn identifier(headers: &HeaderMap) -> Result<&str, Box<Response>> {
    let Some(id) = text(headers, IDENTIFIER).filter(|id| !id.is_empty()) else {
        let words = "Missing Lambda-Extension-Identifier header";
        return Err(Box::new(forbidden("Extension.MissingExtensionIdentifier", words)));
    };
    let is_uuid = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_uuid {
        return Ok(id);
    }
    let words = "Invalid Lambda-Extension-Identifier";
    Err(Box::new(forbidden("Extension.InvalidExtensionIdentifier", words)))
}

/// Nobody has this identifier.
pub(super) fn unknown(id: &str) -> Response {
    forbidden("Extension.UnknownExtensionIdentifier", &format!("Unknown extension {id}"))
}

fn refusal(refused: &Refused, target: &str) -> Response {
    match refused {
        Refused::Closed => forbidden("Extension.RegistrationClosed", "Extension registration closed already"),
        Refused::NameTaken => {
            forbidden("Extension.InvalidExtensionState", "Extension with this name already registered")
        }
        Refused::TooMany => {
            let limit = super::super::extensions::EXTENSIONS_MAX;
            forbidden("Extension.TooManyExtensions", &format!("Extension limit ({limit}) reached"))
        }
        Refused::UnknownId => unknown(""),
        Refused::From(phase, who) => {
            let words = format!(
                "State transition from {} to {target} failed for extension {who}. Error: State transition is not allowed",
                phase.name()
            );
            forbidden("Extension.InvalidExtensionState", &words)
        }
    }
}

pub(super) fn forbidden(error_type: &str, words: &str) -> Response {
    refuse(StatusCode::FORBIDDEN, error_type, words)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn with_identifier(mut response: Response, id: &str) -> Response {
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(IDENTIFIER, id);
    }
    response
}

/// Each event has an identifier of its own.
fn with_event_identifier(mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::from_str(&base::id::uuid()) {
        response.headers_mut().insert("lambda-extension-event-identifier", id);
    }
    response
}

/// What an extension is told of an invocation.
pub(crate) fn invoke_event(event: &super::super::channel::Event) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Invoke<'a> {
        event_type: &'a str,
        deadline_ms: i64,
        request_id: &'a str,
        invoked_function_arn: &'a str,
        tracing: Tracing<'a>,
    }
    #[derive(Serialize)]
    struct Tracing<'a> {
        r#type: &'a str,
        value: &'a str,
    }
    let document = Invoke {
        event_type: ExtensionEvent::Invoke.name(),
        deadline_ms: event.deadline_ms,
        request_id: &event.request_id,
        invoked_function_arn: &event.invoked_function_arn,
        tracing: Tracing { r#type: "X-Amzn-Trace-Id", value: event.trace_id.as_deref().unwrap_or_default() },
    };
    serde_json::to_vec(&document).unwrap_or_default().into()
}

/// What an extension is told of the end.
pub(crate) fn shutdown_event(reason: &str, deadline_ms: i64) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shutdown<'a> {
        event_type: &'a str,
        deadline_ms: i64,
        shutdown_reason: &'a str,
    }
    let document = Shutdown { event_type: ExtensionEvent::Shutdown.name(), deadline_ms, shutdown_reason: reason };
    serde_json::to_vec(&document).unwrap_or_default().into()
}
