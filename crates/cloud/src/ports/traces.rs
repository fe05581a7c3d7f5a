//! Where traces go. Implemented by `observe`, read through X-Ray.

use base::{AccountId, Region};

/// Who keeps traces. Never blocks and never fails the caller: what is too much is dropped and counted. What was put
/// reaches the store within seconds.
pub trait Traces: Send + Sync {
    /// Keeps a segment, as X-Ray's JSON document. One that is no such document is dropped.
    fn put(&self, account: AccountId, region: &Region, document: String);
}
