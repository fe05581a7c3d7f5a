//! Calls of functions by other services, over the port `Invoke`.

use std::sync::Arc;

use base::{Caller, Cx, Error};
use cloud::BoxFuture;
use cloud::ports::{AnswerStream, Answered, Call, Invoke};

use super::Lambda;
use super::asynchronous::handover::function_of;
use super::error::not_found;
use super::invoke::Invocation;
use super::name::QualifierText;
use super::resolve::Resolved;
use super::trace;

/// The largest event, in bytes: what AWS's message says, and the envelope it allows.
const EVENT_BYTES_MAX: usize = 6_291_556;
const EVENT_BYTES_WORDS: usize = 6_291_456;

impl Invoke for Lambda {
    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Answered, Error>> {
        Box::pin(async move {
            let (resolved, invocation) = self.invocation(call).await?;
            let request_id = invocation.request_id.clone();
            let answer = self.run_to_its_end(&resolved, invocation).await?;
            Ok(Answered { request_id, payload: answer.payload, failed: answer.failed })
        })
    }

    fn stream(&self, call: Call) -> BoxFuture<'_, Result<AnswerStream, Error>> {
        Box::pin(async move {
            let (resolved, invocation) = self.invocation(call).await?;
            let request_id = invocation.request_id.clone();
            let answer = self.stream_invocation(&resolved, invocation).await?;
            Ok(AnswerStream { request_id, pieces: answer.into_pieces() })
        })
    }
}

impl Lambda {
    /// What another service's call runs, and with what.
    async fn invocation(&self, call: Call) -> Result<(Arc<Resolved>, Invocation), Error> {
        if call.payload.len() > EVENT_BYTES_MAX {
            let words =
                format!("Request must be smaller than {EVENT_BYTES_WORDS} bytes for the InvokeFunction operation");
            return Err(Error::new(413, "RequestEntityTooLargeException", words));
        }
        let target = function_of(&call.function);
        let target = target.ok_or_else(|| not_found(format!("Function not found: {}", call.function)))?;
        let cx = Cx {
            caller: Caller::root(target.account),
            ..Cx::internal(target.account, target.region.clone(), self.clock.clone())
        };
        let qualifier = target.qualifier.as_ref().map(|qualifier| QualifierText(qualifier.to_string()));
        let resolved = self.resolve(&cx, &target.name, qualifier.as_ref()).await?;
        let trace_id = call.trace_id.unwrap_or_else(|| trace::undecided(self.clock.now()));
        let invocation = Invocation {
            request_id: cx.request_id.to_string(),
            trace_id: self.trace_header(&resolved, Some(&trace_id)),
            payload: call.payload,
            awaited: true,
            ..Invocation::default()
        };
        Ok((resolved, invocation))
    }
}
