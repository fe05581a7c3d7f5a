//! The request body, whole, within the service's limit and inflated if it came compressed.

use std::time::Duration;

use base::Error;
use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

/// A body that has not arrived by then is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);

pub(super) async fn whole(head: &Parts, body: Incoming, limit_bytes: usize) -> Result<Bytes, Error> {
    let declared = head.headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit_bytes as u64) {
        return Err(too_large(limit_bytes));
    }
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit_bytes).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit_bytes)),
        Ok(Err(_)) => Err(Error::new(400, "RequestAbortedException", "The request body ended early.")),
        Err(_) => Err(Error::new(408, "RequestTimeoutException", "The request body did not arrive in time.")),
    }
}

/// Lambda's words; its own limits on single operations are checked where those are.
fn too_large(limit_bytes: usize) -> Error {
    let message = format!("Request must be smaller than {limit_bytes} bytes for this operation");
    Error::new(413, "RequestEntityTooLargeException", message)
}
