//! The narrow ports between services' data planes. Each is declared here, implemented by one service and handed to the
//! others by `node`; none knows who stands behind it.

mod deliver;
mod invoke;
mod meter;
mod metrics;
mod source;
mod traces;

pub use deliver::{Attribute, Deliver, Delivery, Targets, Undelivered};
pub use invoke::{AnswerStream, Answered, Call, CutOff, Invoke, Pieces};
pub use meter::{Counter, Meter, MeteredFunction, Used};
pub use metrics::{MetricName, Metrics, Scope, Series};
pub use source::{
    Answer, MessageAttribute, Position, QueueDescription, QueueMessage, QueueSource, RecordPage, Shard, SourceError,
    Sources, StreamData, StreamRecord, StreamSource,
};
pub use traces::Traces;

use std::sync::Arc;

use base::{AccountId, Arn, Caller, Region, Timestamp};
use bytes::Bytes;

use crate::BoxFuture;

/// Who stands behind an access key. Implemented by `identity`.
pub trait Principals: Send + Sync {
    /// The secret and the principal of an access key, given the session token that came with it.
    fn find<'a>(
        &'a self,
        access_key_id: &'a str,
        session_token: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Credential, UnknownPrincipal>>;

    /// The identity policies that bind a principal, as JSON documents. `None` means that nobody keeps policies for such
    /// principals yet, so that there is nothing to decide by.
    fn policies<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Option<Vec<String>>>;
}

/// An access key's other half.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The secret access key.
    pub secret: Arc<str>,
    /// Whose it is.
    pub caller: Caller,
}

/// Why an access key names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownPrincipal {
    /// No such key.
    #[error("no such access key")]
    NoSuchKey,
    /// The session token is not one of ours or belongs to another key.
    #[error("the session token is not valid")]
    InvalidToken,
    /// The session has ended.
    #[error("the session has expired")]
    Expired,
}

/// Temporary credentials for roles. Implemented by `identity`; no durable write.
pub trait Credentials: Send + Sync {
    /// Credentials of a role's session, good for `lifetime_secs`.
    fn for_role(&self, role: &Arn, session_name: &str, lifetime_secs: u32, now: Timestamp) -> RoleCredentials;
}

/// Temporary credentials.
#[derive(Clone, Debug)]
pub struct RoleCredentials {
    /// `ASIA…`.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// The session token.
    pub session_token: String,
    /// When they end.
    pub expires: Timestamp,
}

/// Where logs go. Implemented by `observe`. Never blocks and never fails the caller. What was appended is readable at
/// once; it reaches the store within milliseconds, and from then on survives the end of the process.
pub trait LogSink: Send + Sync {
    /// Appends what somebody else wrote to a stream, making group and stream if they are not there. A stream that floods
    /// loses events, and says how many.
    fn append(&self, to: &LogDestination, events: Vec<LogEvent>);

    /// As `append`, for the service's own lines: a few short ones for each request, never dropped.
    fn append_own(&self, to: &LogDestination, events: Vec<LogEvent>);

    /// Waits until everything appended so far survives the end of the process.
    fn flushed(&self) -> BoxFuture<'_, ()>;
}

/// A log stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogDestination {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The log group's name.
    pub group: Arc<str>,
    /// The log stream's name.
    pub stream: Arc<str>,
}

/// One log event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// When it was written.
    pub at: Timestamp,
    /// What was written, without the final line break.
    pub message: Bytes,
}
