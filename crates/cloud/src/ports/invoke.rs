//! Running a function for somebody else: an API's integration or authorizer. Events, whose answer nobody waits for, go
//! through [`Deliver`](super::Deliver).

use std::pin::Pin;

use base::{Arn, Error};
use bytes::Bytes;
use futures_util::Stream;

use crate::BoxFuture;

/// Runs functions. Implemented by `compute`. Nothing durable is written; permissions are the caller's matter
/// (`Desk::permit`).
pub trait Invoke: Send + Sync {
    /// Runs a function and waits for its whole answer. A failure of the function is an answer, too.
    ///
    /// # Errors
    /// As Lambda's `Invoke` has them: no such function, throttled, too large, a fault of ours.
    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Answered, Error>>;

    /// Runs a function and gives its answer while it is written, as Lambda's `InvokeWithResponseStream` does. The answer of a
    /// handler that does not stream is one piece. A function whose answer is dropped runs to its end.
    ///
    /// # Errors
    /// As for [`invoke`](Invoke::invoke); what happens once the function runs is in the answer.
    fn stream(&self, call: Call) -> BoxFuture<'_, Result<AnswerStream, Error>>;
}

/// What a function is called with.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function's ARN, with a version or alias if one is meant.
    pub function: Arn,
    /// The event, JSON; at most 6,291,556 bytes.
    pub payload: Bytes,
    /// The trace header that the call belongs to.
    pub trace_id: Option<String>,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The invocation's own id, which its log lines carry.
    pub request_id: String,
    /// The function's answer, or the error document.
    pub payload: Bytes,
    /// True if the payload is an error document.
    pub failed: bool,
}

/// What comes of a call, while it comes.
pub struct AnswerStream {
    /// The invocation's own id, which its log lines carry.
    pub request_id: String,
    /// The function's answer.
    pub pieces: Pieces,
}

/// The pieces of an answer, as they are written. One that ends with an error is not whole.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, CutOff>> + Send>>;

/// Why an answer is not whole.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CutOff {
    /// The function failed, perhaps in the middle; with the error document.
    #[error("the function failed")]
    Failed(Bytes),
    /// A fault of ours.
    #[error("{0}")]
    Service(Error),
}
