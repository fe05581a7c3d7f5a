//! JSON under a schema: shared by restJson1, awsJson and event streams.

mod read;
mod write;

pub(super) use read::read;
pub(crate) use write::{write, write_texts};

use shape::{Member, Place};

/// Which members of the outermost structure are in the document; structures inside always have all of theirs in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Members {
    /// All of them.
    All,
    /// Those without an HTTP binding.
    Unbound,
}

impl Members {
    fn has(self, member: &Member) -> bool {
        self == Members::All || member.place == Place::Body
    }
}
