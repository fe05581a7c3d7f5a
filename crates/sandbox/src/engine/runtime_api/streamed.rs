//! The Runtime API's streaming mode: a response whose body is passed on as it comes, with its error, if any, in trailers.

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, StatusCode, body::Incoming, header::CONTENT_TYPE};

use super::{
    Phase, Response, Shared, accepted, error_type_header, invalid_request_id, out_of_order, refuse, truncated,
};
use crate::engine::channel::FromRuntime;

/// What a response is if it does not say; the official client for Node.js sends the same.
const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// Whether a response is to be streamed; the refusal of a mode that does not exist.
pub(super) fn is_asked_for(headers: &HeaderMap) -> Result<bool, Box<Response>> {
    let Some(mode) = headers.get("lambda-runtime-function-response-mode") else { return Ok(false) };
    match mode.to_str().unwrap_or_default() {
        mode if mode.eq_ignore_ascii_case("streaming") => Ok(true),
        mode if mode.is_empty() || mode.eq_ignore_ascii_case("buffered") => Ok(false),
        _ => {
            let (kind, words) = ("InvalidFunctionResponseMode", "Invalid function response mode");
            Err(Box::new(refuse(StatusCode::BAD_REQUEST, kind, words)))
        }
    }
}

/// `POST /runtime/invocation/{id}/response` in streaming mode. The engine takes one message at a time, so a body that
/// nobody reads stops here, and with it the runtime's connection.
pub(super) async fn response(shared: &Shared, id: &str, headers: &HeaderMap, body: &mut Incoming) -> Response {
    {
        let mut phase = shared.phase();
        match &*phase {
            Phase::Running(event) if event.request_id == id => *phase = Phase::Streaming,
            Phase::Running(_) => return invalid_request_id(),
            other => return out_of_order(other, "InvocationResponse"),
        }
    }
    let _over = Over(shared);
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(DEFAULT_CONTENT_TYPE);
    shared.tell(FromRuntime::StreamBegins { content_type: content_type.to_owned() }).await;
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) if data.is_empty() => {}
            Ok(Ok(data)) => shared.tell(FromRuntime::Chunk(data)).await,
            Ok(Err(other)) => trailers = other.into_trailers().unwrap_or_default(),
            // The engine learns that it was not the whole from the next `/next`, or from the runtime's end.
            Err(_) => return truncated(),
        }
    }
    shared.tell(end(&trailers)).await;
    accepted()
}

/// How the response ended: well, unless the trailers name an error.
fn end(trailers: &HeaderMap) -> FromRuntime {
    let Some(error_type) = error_type_header(trailers).filter(|error_type| !error_type.is_empty()) else {
        return FromRuntime::StreamEnds;
    };
    let body = trailers.get("lambda-runtime-function-error-body").map_or(&b""[..], |body| body.as_bytes());
    let document = base64::engine::general_purpose::STANDARD.decode(body).unwrap_or_default();
    FromRuntime::stream_fails(Bytes::from(document), Some(error_type))
}

/// Ends the phase however the response ends, a connection cut off included.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        *self.0.phase() = Phase::Streamed;
    }
}
