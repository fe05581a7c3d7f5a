//! The request body, whole, within the service's limit; large ones share a budget of memory.

use std::sync::Arc;
use std::time::Duration;

use base::Error;
use bytes::Bytes;
use http::request::Parts;
use http_body::Body as _;
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
/// The same for requests out of sandboxes, so that functions cannot hold up the world outside.
const SANDBOX_BODIES_KB_MAX: usize = 128 * 1024;

/// The memory that large request bodies share.
pub(super) struct Budget {
    room: Arc<Semaphore>,
    kilobytes: usize,
}

/// A body and its share of the budget, to be held until the operation is over.
pub struct Held {
    /// All of it.
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is larger than it may be.
    TooLarge,
    /// It ended early.
    Broken,
    /// It did not arrive in time.
    Late,
}

/// A body that has been sent, or is at hand.
pub(super) enum Sent {
    /// It comes in.
    Incoming(Incoming),
    /// Somebody in the house holds it.
    Held(Bytes),
}

pub(super) async fn whole(budget: &Budget, head: &Parts, body: Sent, identity: &Identity) -> Result<Held, Error> {
    let limit_bytes = identity.service.id.body_limit_bytes;
    let collected = match body {
        Sent::Incoming(body) => collect(budget, body, limit_bytes).await,
        Sent::Held(bytes) if bytes.len() <= limit_bytes => Ok(Held { bytes, _room: None }),
        Sent::Held(_) => Err(Unread::TooLarge),
    };
    collected.map_err(|unread| match unread {
        Unread::TooLarge => too_large(identity, head),
        Unread::Broken => Error::new(400, "RequestAbortedException", "The request body ended early."),
        Unread::Late => Error::new(408, "RequestTimeoutException", "The request body did not arrive in time."),
    })
}

pub(super) async fn collect(budget: &Budget, body: Incoming, limit_bytes: usize) -> Result<Held, Unread> {
    // What has a length says so, and a GET has no body at all; the rest may become anything up to the limit.
    let declared = body.size_hint().upper();
    if declared.is_some_and(|length| length > limit_bytes as u64) {
        return Err(Unread::TooLarge);
    }
    let expected_bytes = declared.map_or(limit_bytes, |length| length as usize);
    let read = async {
        let room = budget.room(expected_bytes).await;
        (Limited::new(body, limit_bytes).collect().await, room)
    };
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok((Ok(collected), room)) => {
            let bytes = collected.to_bytes();
            Ok(Held { _room: room.map(|room| fitted(room, bytes.len())), bytes })
        }
        Ok((Err(error), _)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Ok((Err(_), _)) => Err(Unread::Broken),
        Err(_) => Err(Unread::Late),
    }
}

/// The part of a share that a body really needs.
fn fitted(mut room: OwnedSemaphorePermit, bytes: usize) -> OwnedSemaphorePermit {
    let surplus = room.num_permits().saturating_sub(bytes / 1024 + 1);
    drop(room.split(surplus));
    room
}

impl Budget {
    /// A budget for requests from elsewhere, or the smaller one for those out of sandboxes.
    pub(super) fn new(from_sandbox: bool) -> Budget {
        let kilobytes = if from_sandbox { SANDBOX_BODIES_KB_MAX } else { LARGE_BODIES_KB_MAX };
        Budget { room: Arc::new(Semaphore::new(kilobytes)), kilobytes }
    }

    async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= SMALL_BODY_BYTES {
            return None;
        }
        let kilobytes = u32::try_from((bytes / 1024 + 1).min(self.kilobytes)).unwrap_or(u32::MAX);
        self.room.clone().acquire_many_owned(kilobytes).await.ok()
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
