//! What goes wrong in Lambda's control plane: our own failures, and AWS's words for the caller's.
//!
//! The words are AWS's, collected from recorded answers; `Type: User` beside them says whose fault it is. Whether the
//! member is called `Message` or `message` differs by shape in AWS's model, and so it does here.

use base::{Arn, Error};

use super::code::{Refused, UNZIPPED_BYTES_MAX};

/// Anything that ends an operation early: AWS's error, or a fault below us that the caller sees as one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Said in AWS's words.
    #[error(transparent)]
    Aws(#[from] Error),
    /// The store failed.
    #[error("store: {0}")]
    Store(#[from] store::Error),
    /// The code could not be unpacked.
    #[error("code: {0}")]
    Code(#[from] Refused),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Aws(error) => error,
            Failure::Code(Refused::Unreadable(reason)) => {
                tracing::info!(reason, "refused a deployment package");
                invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
            }
            Failure::Code(Refused::Empty) => invalid("Uploaded file must be a non-empty zip"),
            Failure::Code(Refused::TooLarge(_)) => {
                invalid(format!("Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes"))
            }
            Failure::Code(Refused::Write(_)) | Failure::Store(_) => {
                tracing::error!(error = %failure, "lambda's control plane failed");
                Error::new(500, "ServiceException", "An error occurred and the request cannot be processed.")
                    .capital()
                    .with("Type", "Server")
            }
        }
    }
}

/// 400 `InvalidParameterValueException`.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(400, "InvalidParameterValueException", message).with("Type", "User")
}

/// As [`invalid`], for the checks whose answers on AWS do not say whose fault it is.
pub(crate) fn unattributed(message: impl Into<String>) -> Error {
    Error::new(400, "InvalidParameterValueException", message)
}

/// 409 `ResourceConflictException`.
pub(crate) fn conflict(message: impl Into<String>) -> Error {
    Error::new(409, "ResourceConflictException", message).with("Type", "User")
}

/// 404 `ResourceNotFoundException`.
pub(crate) fn not_found(message: impl Into<String>) -> Error {
    Error::new(404, "ResourceNotFoundException", message).capital().with("Type", "User")
}

/// The function (or the version of it) that is not there, by the ARN that was asked for.
pub(crate) fn no_function(arn: &Arn) -> Error {
    not_found(format!("Function not found: {arn}"))
}

/// The alias that is not there, in the words of the operations on aliases.
pub(crate) fn no_alias(arn: &Arn) -> Error {
    not_found(format!("Cannot find alias arn: {arn}"))
}

/// 412: the caller's revision is an old one. `read_with` names the call that tells the present one.
pub(crate) fn stale_revision(read_with: &str) -> Error {
    let message = format!(
        "The Revision Id provided does not match the latest Revision Id. Call the {read_with} API to retrieve the \
         latest Revision Id"
    );
    Error::new(412, "PreconditionFailedException", message).with("Type", "User")
}

/// 413: the zip does not fit into one request. AWS counts the request, base64 included.
pub(crate) fn request_too_large(operation: &str) -> Error {
    let limit = wire::protocol::REQUEST_BYTES_MAX;
    let message = format!("Request must be smaller than {limit} bytes for the {operation} operation");
    Error::new(413, "RequestEntityTooLargeException", message)
}
