//! What a driver must do, and what it may assume.
//!
//! A driver keeps physical keys in byte order, gives consistent views of them, and runs closures as serializable
//! transactions. It publishes every committed change to the [`Feed`](crate::feed::Feed) it was given, after the change can
//! be read and before it is acknowledged. Nothing here needs threads or files: a driver over SQL runs the closure on a
//! blocking thread, reads through a serializable SQL transaction, and runs it again when the database says so.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{
    Error, Result, Tx,
    view::{View, Writes},
};

/// Tells the time, in milliseconds since 1970. Injected, so that a test can own it.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The machine's clock.
#[allow(clippy::disallowed_methods, reason = "this is the one place of the crate that reads the machine's clock")]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    })
}

/// What an acknowledged commit has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Power loss: the medium has been told to sync. For everything a client was told "done" about.
    #[default]
    Durable,
    /// The end of this process, `kill -9` included, but not power loss. For logs and other bulk data.
    Buffered,
}

/// The closure of a transaction: true commits, false drops its writes. May be called more than once.
pub(crate) type Work = Box<dyn FnMut(&mut Tx<'_>) -> bool + Send>;

/// See the module.
pub(crate) trait Driver: Send + Sync {
    /// The latest committed state.
    fn view(&self) -> Result<Arc<dyn View>>;

    /// Reads one key of the latest committed state: `view().get()`, where that can be had cheaper.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>>;

    /// Runs `work` and, if it says so, commits what it wrote. Once polled it goes on even when the future is dropped.
    fn commit(&self, work: Work, durability: Durability) -> BoxFuture<'_, Result<()>>;

    /// Finishes what was accepted, then refuses everything.
    fn close(&self) -> BoxFuture<'_, Result<()>>;
}

/// Runs a closure over `base`. A panic in it is its own transaction's failure, not the committer's.
pub(crate) fn run(work: &mut Work, base: &dyn View, now_ms: i64) -> Result<Option<Writes>> {
    let mut tx = Tx::new(base, now_ms);
    match catch_unwind(AssertUnwindSafe(|| work(&mut tx))) {
        Ok(true) => tx.into_writes().map(Some),
        Ok(false) => Ok(None),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Error::Panicked(text.unwrap_or_else(|| "no message".to_owned())))
        }
    }
}
