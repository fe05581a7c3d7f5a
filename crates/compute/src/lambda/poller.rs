//! The pollers of event source mappings: records are read from a source, filtered, gathered into batches and given to a
//! function, and what becomes of them is told to the source. [`queue`] does that for queues, whose messages come again
//! unless they are deleted; [`stream`] for streams, whose place is kept in the store. Both know the function only as a
//! [`Consumer`] and the source only by its port, so that tests own either side.

pub(crate) mod batch;
pub(crate) mod event;
pub(crate) mod queue;
pub(crate) mod response;
pub(crate) mod shard;
pub(crate) mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

use base::{Arn, Error};
use bytes::Bytes;
use cloud::BoxFuture;
use lang::pattern::Pattern;
use serde_json::Value;

use super::event_source_mapping::{MappingSettings, SourceKind};

/// The largest payload of an invocation: AWS's 6 MB.
const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;
/// First and longest wait after a failure. AWS names no numbers but "exponential backoff".
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Who the records are for.
pub(crate) trait Consumer: Send + Sync {
    /// Calls the function. The error is for what is not its fault: throttling, a function that is gone, a fault of ours.
    fn invoke(&self, payload: Bytes) -> BoxFuture<'_, Result<Invoked, Error>>;

    /// Has a record of what was discarded handed over to a destination; true once it is durable.
    fn hand_over<'a>(&'a self, destination: &'a str, record: Vec<u8>) -> BoxFuture<'a, bool>;

    /// Counts.
    fn count(&self, what: Count, value: f64);

    /// How the last batch went, in AWS's words.
    fn processed(&self, result: &'static str) -> BoxFuture<'_, ()>;
}

/// What a function made of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Invoked {
    pub(crate) request_id: String,
    pub(crate) version: String,
    pub(crate) payload: Bytes,
    pub(crate) failed: bool,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Count {
    Polled,
    FilteredOut,
    Invoked,
    FailedInvoke,
    Deleted,
    Dropped,
    /// The last record's age, in milliseconds.
    IteratorAge,
}

/// What a poller goes by.
pub(crate) struct Mapping {
    pub(crate) id: String,
    pub(crate) source: Arn,
    pub(crate) kind: SourceKind,
    /// With what was named: records of discarded batches say it.
    pub(crate) function_arn: String,
    pub(crate) role: String,
    pub(crate) settings: MappingSettings,
    pub(crate) filters: Filters,
}

/// Filters that have been read.
#[derive(Default)]
pub(crate) struct Filters(Vec<Pattern>);

impl Filters {
    /// Reads patterns that were checked when they were set.
    pub(crate) fn of(patterns: &[String]) -> Filters {
        Filters(patterns.iter().filter_map(|pattern| Pattern::parse(pattern).ok()).collect())
    }

    /// Whether a record passes; without filters every one does.
    fn pass(&self, record: &dyn Fn() -> Value) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let record = record();
        self.0.iter().any(|pattern| pattern.matches(&record))
    }
}

/// How long to wait after so many failures in a row.
fn backoff(failures: u32) -> Duration {
    let (first, longest) = BACKOFF;
    (first * 2_u32.saturating_pow(failures.min(16))).min(longest)
}
