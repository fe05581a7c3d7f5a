//! InvokeWithResponseStream: a function called synchronously, its answer told in events as it is written.

use base::{Cx, Error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cloud::{Authz, Meta, Operation};
use futures_util::stream;
use shape::{Event, EventStream, Events, Shape};

use crate::lambda::Lambda;
use crate::lambda::invoke::{Answer, Invocation};
use crate::lambda::name::{NamespacedFunctionName, QualifierText, Target};
use crate::lambda::response_stream::{Next, ResponseStream};

use super::invoke::{InvocationType, LogType, check_payload, client_context};

/// Calls a function and hands on its answer while it is written. The answer of a handler that does not stream is one chunk.
#[derive(Shape)]
#[shape(name = "InvokeWithResponseStreamRequest")]
pub struct InvokeWithResponseStream {
    /// The function.
    #[shape(label)]
    pub function_name: NamespacedFunctionName,
    /// Wait for the answer (the default), or only look whether it could be done.
    #[shape(header = "X-Amz-Invocation-Type")]
    pub invocation_type: Option<ResponseStreamingInvocationType>,
    /// `Tail` asks for the last 4 KB of the log, in the last event.
    #[shape(header = "X-Amz-Log-Type")]
    pub log_type: Option<LogType>,
    /// Data about the calling client, JSON in base64.
    #[shape(header = "X-Amz-Client-Context")]
    pub client_context: Option<String>,
    /// A version or alias.
    #[shape(query = "Qualifier")]
    pub qualifier: Option<QualifierText>,
    /// The event, JSON.
    #[shape(payload)]
    pub payload: Option<Bytes>,
    /// The tenant to run for; refused, since tenant isolation is not built yet.
    #[shape(header = "X-Amz-Tenant-Id", length(1..=256), pattern = r"[a-zA-Z0-9\._:\/=+\-@ ]+")]
    pub tenant_id: Option<String>,
}

/// How a function is called.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseStreamingInvocationType {
    /// Synchronously.
    RequestResponse,
    /// Not at all: only checks parameters and permission.
    DryRun,
}

/// The head of the answer, and its events.
#[derive(Shape)]
pub struct InvokeWithResponseStreamResponse {
    /// 200, whatever the function did; 204 for dry runs.
    #[shape(status_code)]
    pub status_code: Option<i32>,
    /// The version that runs.
    #[shape(header = "X-Amz-Executed-Version")]
    pub executed_version: Option<String>,
    /// The answer.
    #[shape(payload)]
    pub event_stream: Option<Events<InvokeWithResponseStreamResponseEvent>>,
    /// The media type of the events.
    #[shape(header = "Content-Type")]
    pub response_stream_content_type: Option<String>,
    /// The trace that the function was told; not in AWS's model, but sent.
    #[shape(header = "X-Amzn-Trace-Id")]
    pub trace_id: Option<String>,
}

/// One event.
#[derive(Shape)]
#[shape(union)]
pub enum InvokeWithResponseStreamResponseEvent {
    /// More of the answer.
    PayloadChunk(InvokeResponseStreamUpdate),
    /// The last event.
    InvokeComplete(InvokeWithResponseStreamCompleteEvent),
}

/// More of the answer.
#[derive(Shape)]
pub struct InvokeResponseStreamUpdate {
    /// Its bytes.
    #[shape(payload)]
    pub payload: Option<Bytes>,
}

/// How it ended.
#[derive(Shape, Default)]
pub struct InvokeWithResponseStreamCompleteEvent {
    /// The type of the error that the function ended with, if it did.
    pub error_code: Option<String>,
    /// The error document.
    pub error_details: Option<String>,
    /// The end of the log in base64, if it was asked for.
    pub log_result: Option<String>,
}

impl Operation<Lambda> for InvokeWithResponseStream {
    const META: Meta = Meta::write("InvokeWithResponseStream")
        .http("POST", "/2021-11-15/functions/{FunctionName}/response-streaming-invocations")
        .action("InvokeFunction");
    type Output = InvokeWithResponseStreamResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        if let Ok(target) = Target::of(cx, &self.function_name, self.qualifier.as_ref()) {
            need.on(target.arn());
        }
    }

    async fn run(self, lambda: &Lambda, cx: &Cx) -> Result<InvokeWithResponseStreamResponse, Error> {
        if self.tenant_id.is_some() {
            return Err(Error::not_implemented("TenantId of InvokeWithResponseStream"));
        }
        let resolved = lambda.resolve(cx, &self.function_name, self.qualifier.as_ref()).await?;
        let payload = self.payload.filter(|p| !p.is_empty()).unwrap_or_else(|| Bytes::from_static(b"{}"));
        check_payload(&payload, InvocationType::RequestResponse)?;
        let trace_id = lambda.trace_header(&resolved, cx.origin.trace_id.as_deref());
        let trace_id = lambda.enter(&resolved, &trace_id)?;
        let call = Invocation {
            request_id: cx.request_id.to_string(),
            payload,
            client_context: self.client_context.as_deref().map(client_context).transpose()?,
            trace_id: trace_id.clone(),
            wants_tail: self.log_type == Some(LogType::Tail),
            awaited: true,
        };
        let mut answer = InvokeWithResponseStreamResponse {
            status_code: Some(204),
            executed_version: Some(resolved.version.clone()),
            event_stream: None,
            response_stream_content_type: None,
            trace_id: Some(trace_id),
        };
        if self.invocation_type != Some(ResponseStreamingInvocationType::DryRun) {
            let events = events(lambda.stream_invocation(&resolved, call).await?);
            (answer.status_code, answer.event_stream) = (Some(200), Some(Events::new(events)));
        }
        Ok(answer)
    }
}

/// Where the telling of an answer stands.
enum Telling {
    Parts(ResponseStream),
    /// Only this is left.
    Last(Event),
    Nothing,
}

fn events(answer: ResponseStream) -> EventStream {
    EventStream(Box::pin(stream::unfold(Telling::Parts(answer), |telling| async {
        let mut answer = match telling {
            Telling::Parts(answer) => answer,
            Telling::Last(event) => return Some((Ok(event), Telling::Nothing)),
            Telling::Nothing => return None,
        };
        loop {
            return match answer.next().await {
                Next::Begin(content_type) => {
                    tracing::trace!(content_type, "a streamed answer begins"); // these callers are not told
                    continue;
                }
                Next::Chunk(bytes) => Some((Ok(chunk(bytes)), Telling::Parts(answer))),
                Next::End(outcome) => Some((Ok(complete(None, outcome.and_then(|o| o.tail))), Telling::Nothing)),
                Next::Over(Ok(Answer { payload, error_type: None, tail, .. })) => {
                    Some((Ok(chunk(payload)), Telling::Last(complete(None, tail))))
                }
                Next::Over(Ok(Answer { payload, error_type: Some(error_type), tail, .. })) => {
                    Some((Ok(complete(Some((error_type, payload)), tail)), Telling::Nothing))
                }
                Next::Over(Err(error)) => Some((Err(error), Telling::Nothing)),
            };
        }
    })))
}

fn chunk(bytes: Bytes) -> Event {
    let update = InvokeResponseStreamUpdate { payload: Some(bytes) };
    Event { name: "PayloadChunk", value: update.into_value() }
}

fn complete(error: Option<(String, Bytes)>, tail: Option<Vec<u8>>) -> Event {
    let (error_code, document) = error.unzip();
    let event = InvokeWithResponseStreamCompleteEvent {
        error_code,
        error_details: document.map(|document| String::from_utf8_lossy(&document).into_owned()),
        log_result: tail.map(|tail| STANDARD.encode(tail)),
    };
    Event { name: "InvokeComplete", value: event.into_value() }
}
