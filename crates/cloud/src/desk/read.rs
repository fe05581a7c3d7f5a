//! The request body, whole, within the service's limit; large ones share a budget of memory.

use std::sync::Arc;
use std::time::Duration;

use base::Error;
use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::identify::Identity;
use super::route;

/// A body that has not arrived by then is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// Bodies up to this size are bounded by the number of connections alone.
const SMALL_BODY_BYTES: usize = 64 * 1024;
/// What all larger bodies together may hold, in KB; further ones wait.
const LARGE_BODIES_KB_MAX: usize = 512 * 1024;

/// The memory that large request bodies share.
pub(super) struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Budget(Arc::new(Semaphore::new(LARGE_BODIES_KB_MAX)))
    }
}

/// A body and its share of the budget, to be held until the operation is over.
pub(super) struct Held {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

pub(super) async fn whole(budget: &Budget, head: &Parts, body: Incoming, identity: &Identity) -> Result<Held, Error> {
    let limit_bytes = identity.service.id.body_limit_bytes;
    let declared = head.headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit_bytes as u64) {
        return Err(too_large(identity, head));
    }
    // A body of unknown length may become anything up to the limit.
    let expected_bytes = declared.map_or(limit_bytes, |length| length as usize);
    let read = async {
        let room = budget.room(expected_bytes).await;
        (Limited::new(body, limit_bytes).collect().await, room)
    };
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok((Ok(collected), _room)) => Ok(Held { bytes: collected.to_bytes(), _room }),
        Ok((Err(error), _)) if error.is::<LengthLimitError>() => Err(too_large(identity, head)),
        Ok((Err(_), _)) => Err(Error::new(400, "RequestAbortedException", "The request body ended early.")),
        Err(_) => Err(Error::new(408, "RequestTimeoutException", "The request body did not arrive in time.")),
    }
}

impl Budget {
    async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= SMALL_BODY_BYTES {
            return None;
        }
        let kilobytes = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX).min(LARGE_BODIES_KB_MAX as u32);
        self.0.clone().acquire_many_owned(kilobytes).await.ok()
    }
}

/// Lambda's words; its own limits on single operations are checked where those are.
fn too_large(identity: &Identity, head: &Parts) -> Error {
    let limit_bytes = identity.service.id.body_limit_bytes;
    // Where the operation is named in the body, nobody will know.
    let operation = route::route(identity, head, &Bytes::new());
    let operation = operation.map_or_else(|_| "this".to_owned(), |route| format!("the {}", route.operation.meta.name));
    let message = format!("Request must be smaller than {limit_bytes} bytes for {operation} operation");
    Error::new(413, "RequestEntityTooLargeException", message)
}
