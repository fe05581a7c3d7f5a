//! AWS's words for what version 1 refuses. Their source is recorded answers of AWS, in the public test suites of emulators.

use base::{Cx, Error};

/// 400: the request asks for what cannot be.
pub(crate) fn bad(message: impl Into<String>) -> Error {
    Error::new(400, "BadRequestException", message)
}

/// 404: something named is not there.
pub(crate) fn missing(message: impl Into<String>) -> Error {
    Error::new(404, "NotFoundException", message)
}

/// 409: something else stands in the way.
pub(crate) fn conflict(message: impl Into<String>) -> Error {
    Error::new(409, "ConflictException", message)
}

/// 429: there is no room for more.
pub(crate) fn too_many(message: impl Into<String>) -> Error {
    Error::new(429, "LimitExceededException", message)
}

/// 404, for an API. The account is in the message.
pub(crate) fn no_api(cx: &Cx, api_id: &str) -> Error {
    missing(format!("Invalid API identifier specified {}:{api_id}", cx.account))
}

/// 404, for a resource, and for an API where a resource was asked for.
pub(crate) fn no_resource() -> Error {
    missing("Invalid Resource identifier specified")
}

/// 404, for a method.
pub(crate) fn no_method() -> Error {
    missing("Invalid Method identifier specified")
}

/// 404, for an integration.
pub(crate) fn no_integration() -> Error {
    missing("Invalid Integration identifier specified")
}

/// 404, for a response of a method or an integration.
pub(crate) fn no_response() -> Error {
    missing("Invalid Response status code specified")
}

/// 404, for a stage.
pub(crate) fn no_stage() -> Error {
    missing("Invalid stage identifier specified")
}
