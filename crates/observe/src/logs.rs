//! CloudWatch Logs: groups, streams, events, retention, and the filter pattern language.
//!
//! Events lie in the store ordered by stream and time (`records`); what functions write arrives through `ingest`, which
//! never blocks them; `read` merges streams by time; `pattern` decides what matches.

mod groups;
mod ingest;
pub mod operations;
pub mod pattern;
mod read;
mod records;
mod retention;

use std::sync::Arc;

use base::{AccountId, Clock, Error};
use cloud::{BoxFuture, NotYet, Op, Service, ServiceId, check, op};
use store::Store;
use wire::protocol::Protocol;

use operations::*;

/// CloudWatch Logs.
pub struct Logs {
    store: Store,
    clock: Clock,
    ingest: Arc<ingest::Ingest>,
}

impl Logs {
    /// The service over this store. Starts the tasks that write what functions log and remove what has expired; they
    /// end with the last handle.
    pub fn start(store: Store, clock: Clock) -> Arc<Logs> {
        let ingest = ingest::Ingest::start(store.clone(), clock.clone());
        let logs = Arc::new(Logs { store, clock, ingest });
        retention::start(&logs);
        logs
    }

    /// The port by which other services write logs.
    pub fn sink(&self) -> Arc<dyn cloud::ports::LogSink> {
        self.ingest.clone()
    }

    /// Waits until everything appended so far is readable and survives the end of the process.
    pub async fn flush(&self) {
        self.ingest.flush().await;
    }
}

impl Service for Logs {
    const ID: ServiceId = ServiceId::new("logs", &[Protocol::AwsJson11], "2014-03-28")
        .target_prefix("Logs_20140328")
        .validation_code("InvalidParameterException");
    const OPERATIONS: &'static [Op<Self>] = &[
        op::<_, CreateLogGroup>(),
        op::<_, CreateLogStream>(),
        op::<_, DeleteLogGroup>(),
        op::<_, DeleteLogStream>(),
        op::<_, DeleteRetentionPolicy>(),
        op::<_, DescribeLogGroups>(),
        op::<_, DescribeLogStreams>(),
        op::<_, FilterLogEvents>(),
        op::<_, GetLogEvents>(),
        op::<_, ListTagsForResource>(),
        op::<_, ListTagsLogGroup>(),
        op::<_, PutLogEvents>(),
        op::<_, PutRetentionPolicy>(),
        op::<_, TagLogGroup>(),
        op::<_, TagResource>(),
        op::<_, TestMetricFilter>(),
        op::<_, UntagLogGroup>(),
        op::<_, UntagResource>(),
    ];
    const NOT_YET: &'static [NotYet] = operations::NOT_YET;

    fn reset<'a>(&'a self, account: Option<AccountId>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(groups::reset(self, account))
    }
}

const _: () = check(Logs::OPERATIONS);

/// A failed store is our fault, not the caller's: the log says what happened.
fn store_failed(error: store::Error) -> Error {
    tracing::error!(%error, "the log store failed");
    Error::new(500, "ServiceUnavailableException", "The service cannot complete the request.")
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(400, "InvalidParameterException", message)
}
