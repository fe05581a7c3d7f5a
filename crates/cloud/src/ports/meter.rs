//! What functions used, for the bill. Implemented by `observe`. A [`Counter`] is looked up once and kept; counting is a
//! few atomic additions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::{AccountId, Region};

/// Who counts. What was counted reaches the store within seconds, and a crash loses what had not.
pub trait Meter: Send + Sync {
    /// The counter of a function on one architecture, made if it is not there. The same user gives the same counter.
    fn counter(&self, user: &MeteredFunction) -> Arc<Counter>;
}

/// Whose use is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MeteredFunction {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The function's name.
    pub function: String,
    /// AWS's name of the architecture: `x86_64`, `arm64`.
    pub architecture: &'static str,
}

/// What was used since somebody last took it.
#[derive(Debug, Default)]
pub struct Counter {
    requests: AtomicU64,
    on_demand_mb_ms: AtomicU64,
    provisioned_use_mb_ms: AtomicU64,
    provisioned_mb_ms: AtomicU64,
    storage_mb_ms: AtomicU64,
}

/// Amounts of use. Memory times time in megabytes (of 1,048,576 bytes) times milliseconds, the grain of AWS's bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Requests.
    pub requests: u64,
    /// Memory during billed time, on demand.
    pub on_demand_mb_ms: u64,
    /// Memory during billed time, on provisioned capacity.
    pub provisioned_use_mb_ms: u64,
    /// Memory of provisioned capacity, whether it worked or not.
    pub provisioned_mb_ms: u64,
    /// `/tmp` above the 512 MB that cost nothing, during billed time.
    pub storage_mb_ms: u64,
}

impl Counter {
    /// Counts.
    pub fn add(&self, used: Used) {
        for (counter, amount) in self.parts().into_iter().zip(used.parts()) {
            if amount > 0 {
                counter.fetch_add(amount, Ordering::Relaxed);
            }
        }
    }

    /// What was counted since the last time.
    pub fn take(&self) -> Used {
        let [requests, on_demand_mb_ms, provisioned_use_mb_ms, provisioned_mb_ms, storage_mb_ms] =
            self.parts().map(|counter| counter.swap(0, Ordering::Relaxed));
        Used { requests, on_demand_mb_ms, provisioned_use_mb_ms, provisioned_mb_ms, storage_mb_ms }
    }

    fn parts(&self) -> [&AtomicU64; 5] {
        [
            &self.requests,
            &self.on_demand_mb_ms,
            &self.provisioned_use_mb_ms,
            &self.provisioned_mb_ms,
            &self.storage_mb_ms,
        ]
    }
}

impl Used {
    fn parts(&self) -> [u64; 5] {
        let Used { requests, on_demand_mb_ms, provisioned_use_mb_ms, provisioned_mb_ms, storage_mb_ms } = *self;
        [requests, on_demand_mb_ms, provisioned_use_mb_ms, provisioned_mb_ms, storage_mb_ms]
    }

    /// Whether nothing was used.
    pub fn is_nothing(&self) -> bool {
        *self == Used::default()
    }
}
