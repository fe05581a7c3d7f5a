//! The error every operation answers with: AWS's code, AWS's words, AWS's status.
//!
//! How it looks on the wire is each protocol's matter (`wire::protocol`). Modules keep enums of their own
//! (`thiserror`) for what can go wrong inside, and turn them into this at the edge, in one place.

use std::borrow::Cow;
use std::fmt;

/// An AWS API error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The shape's name, e.g. `ResourceNotFoundException`.
    pub code: Cow<'static, str>,
    /// The sentence AWS sends. Empty means no message member at all.
    pub message: String,
    /// HTTP status; 5xx are the server's fault, all else the sender's.
    pub status: u16,
    /// The message member is called `Message`, not `message`: AWS's shapes differ one by one, so each error says it.
    pub capital_message: bool,
    /// The code in awsQuery and `x-amzn-query-error` where it differs (`AWS.SimpleQueueService.NonExistentQueue`).
    pub query_code: Option<&'static str>,
    /// Further members of the error shape (`Type`, `Reason`, …), in order; sent beside the message.
    pub members: Vec<(&'static str, String)>,
    /// Response headers of the error shape (`Retry-After`).
    pub headers: Vec<(&'static str, String)>,
}

impl Error {
    /// A sender's error.
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Error {
        Error {
            code: code.into(),
            message: message.into(),
            status,
            capital_message: false,
            query_code: None,
            members: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Adds a member of the error shape.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Error {
        self.members.push((name, value.into()));
        self
    }

    /// Calls the message member `Message` in JSON and CBOR.
    pub fn capital(mut self) -> Error {
        self.capital_message = true;
        self
    }

    /// Gives the code that query-compatible clients see where it is another.
    pub fn with_query_code(mut self, code: &'static str) -> Error {
        self.query_code = Some(code);
        self
    }

    /// Adds a response header of the error shape.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Error {
        self.headers.push((name, value.into()));
        self
    }

    /// 400 `ValidationException`.
    pub fn validation(message: impl Into<String>) -> Error {
        Error::new(400, "ValidationException", message)
    }

    /// 400 `SerializationException`: the request is not of the operation's form. AWS writes `Message` here.
    pub fn serialization(message: impl Into<String>) -> Error {
        Error::new(400, "SerializationException", message).capital()
    }

    /// 403 `AccessDeniedException`.
    pub fn access_denied(message: impl Into<String>) -> Error {
        Error::new(403, "AccessDeniedException", message)
    }

    /// 501 `NotImplemented`: AWS has this, we do not yet. Never a silent success.
    pub fn not_implemented(what: impl fmt::Display) -> Error {
        Error::new(501, "NotImplemented", format!("{what} is not implemented by Updraft yet"))
    }

    /// 500 `InternalFailure`: a fault of ours; say what in the log, not to the caller.
    pub fn internal() -> Error {
        Error::new(500, "InternalFailure", "The request processing has failed because of an unknown error.")
    }

    /// True if the fault is the server's.
    pub fn is_server_fault(&self) -> bool {
        self.status >= 500
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}
