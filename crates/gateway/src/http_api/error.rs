//! AWS's words for what version 2 refuses.

use base::{Cx, Error};

/// 400: the request asks for what cannot be.
pub(crate) fn bad(message: impl Into<String>) -> Error {
    Error::new(400, "BadRequestException", message)
}

/// 409: something else stands in the way.
pub(crate) fn conflict(message: impl Into<String>) -> Error {
    Error::new(409, "ConflictException", message)
}

/// 404, for an API.
pub(crate) fn no_api(cx: &Cx, api_id: &str) -> Error {
    Error::new(404, "NotFoundException", format!("Invalid API identifier specified {}:{api_id}", cx.account))
}

/// 404, for anything else that has an id.
pub(crate) fn none(noun: &str, id: &str) -> Error {
    Error::new(404, "NotFoundException", format!("Invalid {noun} identifier specified {id}"))
}

/// 429: a quota. Clients that retry this wait in vain, as on AWS.
pub(crate) fn too_many(nouns: &str) -> Error {
    let message = format!(
        "Maximum number of {nouns} for this API has been reached. Please contact AWS if you need additional {nouns}."
    );
    Error::new(429, "TooManyRequestsException", message)
}
