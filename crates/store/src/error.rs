//! What can go wrong in the store, for all four faces. A caller that must tell two cases apart finds them as variants;
//! everything the medium says is one `Storage` text, since no caller can act on its details.

use std::path::PathBuf;

use crate::MessageId;

/// Why the store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process (or another handle of this one) has the directory open.
    #[error("data directory {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The medium failed; nothing of this call is promised. After a failed durable write the driver refuses all later
    /// ones, since it can no longer know what the disk holds: restart and recover.
    #[error("storage failed: {0}")]
    Storage(String),
    /// The commit was sent but its fate is unknown: it may or may not be found later.
    #[error("the outcome of the commit is unknown: {0}")]
    OutcomeUnknown(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The transaction's closure panicked; it changed nothing.
    #[error("the transaction panicked: {0}")]
    Panicked(String),
    /// A stored record does not decode.
    #[error("record of table {table} does not decode: {reason}")]
    Corrupt {
        /// The table's name.
        table: String,
        /// What the decoder said.
        reason: String,
    },
    /// A stored record has a version that `Record::migrate` does not know.
    #[error("record has unknown version {0}")]
    UnknownVersion(u16),
    /// `Tx::insert` found the key taken.
    #[error("key exists already in table {0}")]
    Exists(String),
    /// A named limit of this crate was passed; nothing was changed.
    #[error("{what} is {actual}, limit {limit}")]
    TooLarge {
        /// Which limit.
        what: &'static str,
        /// What was asked for.
        actual: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The receipt's lease was given to somebody else since, given back, or its message is gone.
    #[error("receipt for message {id} of queue {queue} is stale")]
    StaleReceipt {
        /// The queue's name.
        queue: String,
        /// The message.
        id: MessageId,
    },
    /// The lease ran out, so it cannot be extended; the message may already be with somebody else.
    #[error("lease on message {id} of queue {queue} has run out")]
    LeaseExpired {
        /// The queue's name.
        queue: String,
        /// The message.
        id: MessageId,
    },
    /// A text that should be a key, receipt or blob id is none.
    #[error("not a valid {0}")]
    Malformed(&'static str),
    /// There is no blob of that id.
    #[error("no blob {0}")]
    NoSuchBlob(crate::BlobId),
}

impl Error {
    pub(crate) fn storage(error: impl std::fmt::Display) -> Self {
        Self::Storage(error.to_string())
    }

    /// Refuses `actual` above `limit`.
    pub(crate) fn check_limit(what: &'static str, actual: usize, limit: usize) -> Result<(), Self> {
        if actual <= limit {
            return Ok(());
        }
        Err(Self::TooLarge { what, actual: actual as u64, limit: limit as u64 })
    }
}
