//! Running a function for somebody else: an API's integration or authorizer. Events, whose answer nobody waits for, go
//! through [`Deliver`](super::Deliver).

use base::{Arn, Error};
use bytes::Bytes;

use crate::BoxFuture;

/// Runs functions. Implemented by `compute`. Nothing durable is written; permissions are the caller's matter
/// (`Desk::permit`).
pub trait Invoke: Send + Sync {
    /// Runs a function and waits for its whole answer. A failure of the function is an answer, too.
    ///
    /// # Errors
    /// As Lambda's `Invoke` has them: no such function, throttled, too large, a fault of ours.
    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Answered, Error>>;
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
