//! How an event ended, and what is written about it: the invocation record that destinations get, and what the attributes
//! of a dead letter say. Members, names and numbers as AWS's "Adding a destination" shows them.

use std::sync::Arc;

use base::{Error, Timestamp};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::lambda::report::to_millis;
use crate::lambda::resolve::Resolved;

/// How much of an error's message a dead letter carries: AWS's "first 1 KB of the error message".
const ERROR_MESSAGE_BYTES_MAX: usize = 1024;

/// Why an event is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Condition {
    /// The function answered.
    Success,
    /// It failed as often as it may.
    RetriesExhausted,
    /// It grew too old, or would have before its next try.
    EventAgeExceeded,
    /// Nobody may run it.
    ZeroReservedConcurrency,
    /// It went in a circle.
    RecursiveInvocation,
}

/// The end of an event.
pub(super) struct End {
    pub(super) condition: Condition,
    /// The version that ran or would have; none if it is gone.
    pub(super) resolved: Option<Arc<Resolved>>,
    pub(super) response: Option<Response>,
}

/// What came of the last attempt.
pub(super) struct Response {
    status: u16,
    payload: Option<Bytes>,
    failed: bool,
    message: Option<String>,
}

impl Response {
    pub(super) fn ok(payload: Bytes) -> Response {
        Response { status: 200, payload: Some(payload), failed: false, message: None }
    }

    /// A function's failure is HTTP 200, too.
    pub(super) fn failed(payload: Bytes) -> Response {
        Response { status: 200, payload: Some(payload), failed: true, message: None }
    }

    /// Whether the function ran for it.
    pub(super) fn is_answer(&self) -> bool {
        self.payload.is_some()
    }

    fn refused(error: &Error) -> Response {
        Response { status: error.status, payload: None, failed: false, message: Some(error.message.clone()) }
    }
}

impl End {
    pub(super) fn new(condition: Condition, resolved: Option<Arc<Resolved>>) -> End {
        End { condition, resolved, response: None }
    }

    pub(super) fn answered(condition: Condition, resolved: Arc<Resolved>, response: Response) -> End {
        End { condition, resolved: Some(resolved), response: Some(response) }
    }

    /// It could not be run until it was too old.
    pub(super) fn refused(resolved: Option<Arc<Resolved>>, error: &Error) -> End {
        End { condition: Condition::EventAgeExceeded, resolved, response: Some(Response::refused(error)) }
    }

    /// Nobody may run it: AWS's words, the missing space included, and no status.
    pub(super) fn forbidden(resolved: Arc<Resolved>) -> End {
        End { condition: Condition::ZeroReservedConcurrency, resolved: Some(resolved), response: None }
    }

    /// The function is not there any more.
    pub(super) fn gone(error: &Error) -> End {
        End { condition: Condition::RetriesExhausted, resolved: None, response: Some(Response::refused(error)) }
    }

    /// It would have gone in a circle.
    pub(super) fn recursive(resolved: Arc<Resolved>, error: &Error) -> End {
        let response = Some(Response::refused(error));
        End { condition: Condition::RecursiveInvocation, resolved: Some(resolved), response }
    }

    /// The status and message that a dead letter's attributes carry.
    pub(super) fn error(&self) -> (u16, String) {
        let Some(response) = &self.response else {
            let message = match self.condition {
                Condition::ZeroReservedConcurrency => {
                    "Function not invoked. Function isconfigured with zero reserved concurrent executions".to_owned()
                }
                condition => format!("{condition:?}"),
            };
            return (0, message);
        };
        let of_payload = || {
            let payload = response.payload.as_ref()?;
            let document: Option<ErrorDocument> = serde_json::from_slice(payload).ok();
            document.map_or_else(|| Some(String::from_utf8_lossy(payload).into_owned()), |d| d.error_message)
        };
        let mut message = response.message.clone().or_else(of_payload).unwrap_or_default();
        message.truncate(message.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX));
        (response.status, message)
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorDocument {
    error_message: Option<String>,
}

/// An event as its record tells of it.
pub(super) struct Told<'a> {
    pub(super) request_id: &'a str,
    /// With what was asked for, `$LATEST` if nothing was.
    pub(super) function_arn: &'a str,
    pub(super) invoke_count: u32,
    pub(super) payload: &'a [u8],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'a str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    condition: Condition,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    executed_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'a str>,
}

/// The invocation record.
pub(super) fn invocation_record(told: &Told<'_>, end: &End, now: Timestamp) -> Vec<u8> {
    let version = end.resolved.as_ref().map(|resolved| resolved.version.as_str());
    let context = end.response.as_ref().map(|response| ResponseContext {
        status_code: response.status,
        executed_version: version.filter(|_| response.payload.is_some()),
        function_error: response.failed.then_some("Unhandled"),
    });
    let record = Record {
        version: "1.0",
        timestamp: to_millis(now),
        request_context: RequestContext {
            request_id: told.request_id,
            function_arn: told.function_arn,
            condition: end.condition,
            approximate_invoke_count: told.invoke_count,
        },
        // It was JSON when it was accepted.
        request_payload: serde_json::from_slice(told.payload).ok(),
        response_context: context,
        response_payload: end.response.as_ref().and_then(|r| r.payload.as_deref()).and_then(json),
    };
    serde_json::to_vec(&record).unwrap_or_default()
}

/// An answer as JSON; one that is none becomes text.
fn json(answer: &[u8]) -> Option<Box<RawValue>> {
    let text = String::from_utf8_lossy(answer).into_owned();
    match RawValue::from_string(text) {
        Ok(json) => Some(json),
        Err(_) => serde_json::value::to_raw_value(&String::from_utf8_lossy(answer)).ok(),
    }
}
