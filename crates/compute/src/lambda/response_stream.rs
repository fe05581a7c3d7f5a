//! An invocation whose answer leaves while it is written. It runs in a task of its own: a caller who hangs up does not
//! end it, as on AWS, where a streaming function is billed to its end.

use std::sync::Arc;
use std::time::Duration;

use base::Error;
use bytes::Bytes;
use cloud::ports::{CutOff, Pieces};
use futures_util::stream;
use sandbox::{Outlet, Part};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::Lambda;
use super::invoke::{Answer, Invocation};
use super::resolve::Resolved;

/// How long the end of a whole answer waits for the function to be ready for its next request, so that a caller's next
/// request finds it. A handler that goes on working after its answer keeps nobody waiting longer than this.
const READY_PATIENCE: Duration = Duration::from_millis(10);

/// An answer on its way to the caller.
pub(crate) struct ResponseStream {
    parts: mpsc::Receiver<Part>,
    done: JoinHandle<Result<Answer, Error>>,
    wants_tail: bool,
    /// Whether the function has begun to stream.
    has_begun: bool,
}

/// What comes next of it.
#[derive(Debug)]
pub(crate) enum Next {
    /// A streaming handler has written something; this is its media type.
    Begin(String),
    /// The next bytes.
    Chunk(Bytes),
    /// The answer is whole. With the outcome if the caller wants the log, or if it was there in time.
    End(Option<Answer>),
    /// All there is, without [`Next::End`]: a buffered answer, or a failure, perhaps in the middle. The error is a fault
    /// of ours.
    Over(Result<Answer, Error>),
}

impl Lambda {
    /// Begins an invocation. What is refused before the function runs (throttles, a missing runtime) is the error.
    pub(crate) async fn stream_invocation(
        &self,
        resolved: &Arc<Resolved>,
        call: Invocation,
    ) -> Result<ResponseStream, Error> {
        let lease = self.lease(resolved, &call).await?;
        let (outlet, parts) = Outlet::new();
        let (lambda, resolved, wants_tail) = (self.clone(), resolved.clone(), call.wants_tail);
        let done = tokio::spawn(async move {
            match lease {
                Ok(lease) => lambda.run_leased(lease, &resolved, call, Some(outlet), None).await,
                Err(answer) => Ok(answer),
            }
        });
        Ok(ResponseStream { parts, done, wants_tail, has_begun: false })
    }

    /// Runs one request to its end even if its caller hangs up meanwhile.
    pub(crate) async fn run_to_its_end(&self, resolved: &Arc<Resolved>, call: Invocation) -> Result<Answer, Error> {
        let (lambda, resolved) = (self.clone(), resolved.clone());
        joined(tokio::spawn(async move { lambda.run_invocation(&resolved, call).await }).await)
    }
}

impl ResponseStream {
    /// Waits for what comes next. Not to be called again after the end.
    pub(crate) async fn next(&mut self) -> Next {
        match self.parts.recv().await {
            Some(Part::Begin { content_type }) => {
                self.has_begun = true;
                Next::Begin(content_type)
            }
            Some(Part::Chunk(bytes)) => Next::Chunk(bytes),
            Some(Part::End) if self.wants_tail => Next::End(self.outcome().await.ok()),
            Some(Part::End) => {
                let outcome = tokio::time::timeout(READY_PATIENCE, self.outcome()).await;
                Next::End(outcome.ok().and_then(Result::ok))
            }
            None => Next::Over(self.outcome().await),
        }
    }

    /// Its bytes from here on, for whoever wants nothing else of it. What breaks off in the middle ends with an error, so that
    /// nobody takes it for the whole.
    pub(crate) fn into_pieces(self) -> Pieces {
        Box::pin(stream::unfold(Some(self), |answer| async {
            let mut answer = answer?;
            loop {
                return match answer.next().await {
                    Next::Begin(_) => continue,
                    Next::Chunk(bytes) => Some((Ok(bytes), Some(answer))),
                    Next::End(_) => None,
                    Next::Over(Ok(Answer { payload, failed: false, .. })) if !answer.has_begun => {
                        Some((Ok(payload), None))
                    }
                    Next::Over(Ok(Answer { payload, .. })) => Some((Err(CutOff::Failed(payload)), None)),
                    Next::Over(Err(error)) => Some((Err(CutOff::Service(error)), None)),
                };
            }
        }))
    }

    async fn outcome(&mut self) -> Result<Answer, Error> {
        joined((&mut self.done).await)
    }
}

fn joined(outcome: Result<Result<Answer, Error>, JoinError>) -> Result<Answer, Error> {
    outcome.unwrap_or_else(|panic| {
        tracing::error!(%panic, "an invocation panicked");
        Err(Error::internal())
    })
}
