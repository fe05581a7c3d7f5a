//! What stands behind an API: functions (`lambda`), HTTP servers (`http`), services of the house (`aws`). Each file is one door, the same
//! for all kinds of API; what goes in and what becomes of the answer is the data plane's matter.

pub(crate) mod aws;
pub(crate) mod http;
pub(crate) mod lambda;

use std::time::Duration;

/// AWS's word, in the place of a role, for the credentials of whoever calls the API. It is refused where it is set: nobody here has their
/// secret.
pub(crate) const CALLERS_OWN: &str = "arn:aws:iam::*:user/*";

/// Why an integration gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// It did not answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The API may not ask it.
    #[error("{0}")]
    Forbidden(String),
    /// It is asked too much.
    #[error("{0}")]
    Throttled(String),
    /// What it is asked is larger than it takes.
    #[error("{0}")]
    TooLarge(String),
    /// There is no such thing, or it is not named as it should be.
    #[error("{0}")]
    Configuration(String),
    /// It cannot be reached, or what it says is no answer.
    #[error("{0}")]
    Unreachable(String),
    /// The request's own body cannot be read to its end.
    #[error("{0}")]
    Request(String),
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}
