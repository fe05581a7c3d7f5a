//! CloudWatch's errors. Newer clients know them by their shapes' names, older ones by awsQuery's codes.

use base::Error;

pub(super) fn invalid_value(message: impl Into<String>) -> Error {
    Error::new(400, "InvalidParameterValueException", message).with_query_code("InvalidParameterValue")
}

pub(super) fn invalid_combination(message: impl Into<String>) -> Error {
    Error::new(400, "InvalidParameterCombinationException", message).with_query_code("InvalidParameterCombination")
}

/// A parameter that has to be there.
pub(super) fn missing(parameter: impl std::fmt::Display) -> Error {
    missing_parameter(format!("The parameter {parameter} is required."))
}

pub(super) fn missing_parameter(message: impl Into<String>) -> Error {
    Error::new(400, "MissingRequiredParameterException", message).with_query_code("MissingParameter")
}

/// What breaks a rule that the model does not tell.
pub(super) fn validation(message: impl Into<String>) -> Error {
    Error::new(400, "ValidationError", message)
}

pub(super) fn invalid_token() -> Error {
    Error::new(400, "InvalidNextToken", "The next token specified is invalid.").with_query_code("InvalidNextToken")
}

/// A failed store is our fault, not the caller's: the log says what happened.
pub(super) fn store_failed(error: store::Error) -> Error {
    tracing::error!(%error, "the metric store failed");
    Error::new(500, "InternalServiceFault", "The request processing has failed because of an internal error.")
        .capital()
        .with_query_code("InternalServiceError")
}
