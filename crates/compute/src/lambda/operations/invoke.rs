//! Invoke: a function called synchronously, asynchronously, or dry.

use base::{Cx, Error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cloud::{Authz, Meta, Operation};
use serde::de::IgnoredAny;
use shape::Shape;

use crate::lambda::Lambda;
use crate::lambda::asynchronous::EVENT_BYTES_MAX;
use crate::lambda::invoke::Invocation;
use crate::lambda::metrics::Metric;
use crate::lambda::name::{NamespacedFunctionName, QualifierText, Target};
use crate::lambda::unreadable;

/// The largest payload of a synchronous invocation, in bytes: what AWS's message says, and the envelope it allows.
const SYNC_BYTES_MAX: usize = 6_291_556;
const SYNC_BYTES_WORDS: usize = 6_291_456;
/// The largest client context, in bytes of base64.
const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;

/// Calls a function.
#[derive(Shape)]
pub struct Invoke {
    /// The function.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// How: wait for the answer (the default), accept the event, or only look whether it could be done.
    #[shape(header = "X-Amz-Invocation-Type")]
    pub invocation_type: Option<InvocationType>,
    /// `Tail` asks for the last 4 KB of the log.
    #[shape(header = "X-Amz-Log-Type")]
    pub log_type: Option<LogType>,
    /// Data about the calling client, JSON in base64.
    #[shape(header = "X-Amz-Client-Context")]
    pub client_context: Option<String>,
    /// The event, JSON.
    #[shape(payload)]
    pub payload: Option<Bytes>,
    /// A version or alias.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
    /// A name for a durable execution; refused, since there are none yet.
    #[shape(header = "X-Amz-Durable-Execution-Name", length(1..=64), pattern = "[a-zA-Z0-9-_]+")]
    pub durable_execution_name: Option<String>,
    /// The tenant to run for; refused, since tenant isolation is not built yet.
    #[shape(header = "X-Amz-Tenant-Id", length(1..=256), pattern = r"[a-zA-Z0-9\._:\/=+\-@ ]+")]
    pub tenant_id: Option<String>,
}

/// How a function is called.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvocationType {
    /// Asynchronously.
    Event,
    /// Synchronously.
    RequestResponse,
    /// Not at all: only checks parameters and permission.
    DryRun,
}

/// What of the log is wanted.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogType {
    /// Nothing.
    None,
    /// Its end.
    Tail,
}

/// What came of a call.
#[derive(Shape, Default)]
pub struct InvocationResponse {
    /// 200 for synchronous calls (whatever the function did), 202 for accepted events, 204 for dry runs.
    #[shape(status_code)]
    pub status_code: Option<i32>,
    /// Present if the payload is an error document.
    #[shape(header = "X-Amz-Function-Error")]
    pub function_error: Option<String>,
    /// The end of the log in base64.
    #[shape(header = "X-Amz-Log-Result")]
    pub log_result: Option<String>,
    /// The function's answer.
    #[shape(payload)]
    pub payload: Option<Bytes>,
    /// The version that ran.
    #[shape(header = "X-Amz-Executed-Version")]
    pub executed_version: Option<String>,
    /// `application/json`; not in AWS's model, but sent.
    #[shape(header = "Content-Type")]
    pub content_type: Option<String>,
    /// The trace that the function was told; not in AWS's model, but sent.
    #[shape(header = "X-Amzn-Trace-Id")]
    pub trace_id: Option<String>,
}

impl Operation<Lambda> for Invoke {
    const META: Meta =
        Meta::write("Invoke").http("POST", "/2015-03-31/functions/{FunctionName}/invocations").action("InvokeFunction");
    type Output = InvocationResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        if let Ok(target) = Target::of(cx, &self.function_name, self.qualifier.as_ref()) {
            need.on(target.arn());
        }
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<InvocationResponse, Error> {
        for (asked, what) in [(&self.durable_execution_name, "DurableExecutionName"), (&self.tenant_id, "TenantId")] {
            if asked.is_some() {
                return Err(Error::not_implemented(format!("{what} of Invoke")));
            }
        }
        let kind = self.invocation_type.unwrap_or(InvocationType::RequestResponse);
        let resolved = lambda.resolve(cx, &self.function_name, self.qualifier.as_ref()).await?;
        let payload = self.payload.filter(|p| !p.is_empty()).unwrap_or_else(|| Bytes::from_static(b"{}"));
        check_payload(&payload, kind)?;
        let call = Invocation {
            request_id: cx.request_id.to_string(),
            payload,
            client_context: self.client_context.as_deref().map(client_context).transpose()?,
            trace_id: lambda.trace_header(&resolved, cx.origin.trace_id.as_deref()),
            wants_tail: self.log_type == Some(LogType::Tail),
            awaited: kind == InvocationType::RequestResponse,
        };
        match kind {
            InvocationType::DryRun => Ok(InvocationResponse { status_code: Some(204), ..Default::default() }),
            InvocationType::Event => {
                let target = Target::of(cx, &self.function_name, self.qualifier.as_ref())?;
                lambda.record(&resolved, Metric::AsyncEventsReceived, 1.0);
                lambda.accept_event(&target, call).await?;
                Ok(InvocationResponse { status_code: Some(202), ..Default::default() })
            }
            InvocationType::RequestResponse => {
                let trace_id = lambda.enter(&resolved, &call.trace_id)?;
                let call = Invocation { trace_id: trace_id.clone(), ..call };
                let answer = lambda.run_invocation(&resolved, call).await?;
                Ok(InvocationResponse {
                    status_code: Some(200),
                    function_error: answer.failed.then(|| "Unhandled".to_owned()),
                    log_result: answer.tail.map(|tail| STANDARD.encode(tail)),
                    payload: Some(answer.payload),
                    executed_version: Some(resolved.version.clone()),
                    content_type: Some("application/json".to_owned()),
                    trace_id: Some(trace_id),
                })
            }
        }
    }
}

pub(super) fn check_payload(payload: &Bytes, kind: InvocationType) -> Result<(), Error> {
    let size = payload.len();
    if kind == InvocationType::Event && size > EVENT_BYTES_MAX {
        let words = "byte payload is too large for the Event invocation type";
        return Err(too_large(format!("{size} {words} (limit {EVENT_BYTES_MAX} bytes)")).with("Type", "User"));
    }
    if size > SYNC_BYTES_MAX {
        let message = format!("Request must be smaller than {SYNC_BYTES_WORDS} bytes for the InvokeFunction operation");
        return Err(too_large(message));
    }
    serde_json::from_slice::<IgnoredAny>(payload).map(|_| ()).map_err(|error| {
        let complaint = unreadable::complaint(payload).unwrap_or_else(|| error.to_string());
        invalid_content(format!(
            "Could not parse request body into json: Could not parse payload into json: {complaint}"
        ))
    })
}

/// AWS's model says `RequestTooLargeException`; AWS does not.
fn too_large(message: String) -> Error {
    Error::new(413, "RequestEntityTooLargeException", message)
}

/// The context's JSON out of its base64.
pub(super) fn client_context(base64: &str) -> Result<String, Error> {
    if base64.len() > CLIENT_CONTEXT_BYTES_MAX {
        return Err(invalid_content(format!("Client context must be at most {CLIENT_CONTEXT_BYTES_MAX} bytes")));
    }
    let text = STANDARD.decode(base64).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    // Line breaks are white space in JSON, and the Runtime API hands the context over in a header.
    let text = text.map(|text| text.replace(['\r', '\n'], " "));
    let text = text.filter(|t| serde_json::from_str::<IgnoredAny>(t).is_ok());
    text.ok_or_else(|| invalid_content("Client context must be a valid Base64-encoded JSON object.".to_owned()))
}

fn invalid_content(message: String) -> Error {
    Error::new(400, "InvalidRequestContentException", message).with("Type", "User")
}
