//! Metering: what each function used on each day, kept durably, and what it would have cost on AWS (`prices`).
//!
//! Counters are taken every few seconds and added to the day's record of the function. A day is one of UTC; what is
//! counted in its last seconds may stand under the next. A crash loses what had not been written.

mod prices;
mod report;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base::{Clock, Timestamp};
use cloud::BoxFuture;
use cloud::ports::{Counter, Meter, MeteredFunction, Used};
use serde::{Deserialize, Serialize};
use store::{Durability, Key, Record, Store, Table};

pub use prices::{Architecture, Prices, Tier};
pub use report::{FunctionUsage, Period, Report, Totals};

/// What functions used, by day (`2026-11-22`), account, region, name and architecture.
const DAYS: Table<Day> = Table::new("usage.days");

/// How often counters are taken: what a crash may lose.
const INTERVAL: Duration = Duration::from_secs(5);

/// Days written in one transaction.
const DAYS_PER_COMMIT: usize = 500;

/// Counters that are kept though nobody holds them.
const COUNTERS_KEPT_MAX: usize = 1_000;

/// What a function used on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Day {
    requests: u64,
    on_demand_mb_ms: u64,
    #[serde(default)]
    provisioned_use_mb_ms: u64,
    #[serde(default)]
    provisioned_mb_ms: u64,
    #[serde(default)]
    storage_mb_ms: u64,
}

impl Record for Day {}

impl Day {
    fn join(&mut self, other: &Day) {
        self.requests += other.requests;
        self.on_demand_mb_ms += other.on_demand_mb_ms;
        self.provisioned_use_mb_ms += other.provisioned_use_mb_ms;
        self.provisioned_mb_ms += other.provisioned_mb_ms;
        self.storage_mb_ms += other.storage_mb_ms;
    }
}

impl From<Used> for Day {
    fn from(used: Used) -> Day {
        let Used { requests, on_demand_mb_ms, provisioned_use_mb_ms, provisioned_mb_ms, storage_mb_ms } = used;
        Day { requests, on_demand_mb_ms, provisioned_use_mb_ms, provisioned_mb_ms, storage_mb_ms }
    }
}

/// The meter.
pub struct Usage {
    store: Store,
    clock: Clock,
    prices: Prices,
    counters: Mutex<HashMap<MeteredFunction, Arc<Counter>>>,
    /// One writer at a time, so that a reader who waited for it sees everything.
    writing: tokio::sync::Mutex<()>,
}

impl Meter for Usage {
    fn counter(&self, user: &MeteredFunction) -> Arc<Counter> {
        self.counters().entry(user.clone()).or_default().clone()
    }
}

impl Usage {
    /// The meter over this store. Starts the task that writes what was counted; it ends with the last handle.
    pub fn start(store: Store, clock: Clock, prices: Prices) -> Arc<Usage> {
        let (counters, writing) = (Mutex::default(), tokio::sync::Mutex::default());
        let usage = Arc::new(Usage { store, clock, prices, counters, writing });
        tokio::spawn(write(Arc::downgrade(&usage)));
        usage
    }

    /// Writes everything counted so far.
    pub async fn flush(&self) {
        let _one = self.writing.lock().await;
        let now = self.clock.now();
        let taken = self.take();
        for part in taken.chunks(DAYS_PER_COMMIT) {
            let part = part.to_vec();
            let work = move |tx: &mut store::Tx<'_>| {
                for (user, used) in &part {
                    let key = day_key(&day_of(now), user);
                    let mut day = tx.get(DAYS, &key)?.unwrap_or_default();
                    day.join(&Day::from(*used));
                    tx.put(DAYS, &key, &day)?;
                }
                Ok::<(), store::Error>(())
            };
            if let Err(error) = self.store.transact_with(Durability::Buffered, work).await {
                tracing::error!(%error, "what functions used could not be stored and is lost");
            }
        }
    }

    /// What was counted; counters that nobody holds go.
    fn take(&self) -> Vec<(MeteredFunction, Used)> {
        let mut counters = self.counters();
        let taken: Vec<_> = counters
            .iter()
            .map(|(user, counter)| (user.clone(), counter.take()))
            .filter(|(_, used)| !used.is_nothing())
            .collect();
        if counters.len() > COUNTERS_KEPT_MAX {
            counters.retain(|_, counter| Arc::strong_count(counter) > 1);
        }
        taken
    }

    fn counters(&self) -> MutexGuard<'_, HashMap<MeteredFunction, Arc<Counter>>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was used within a period, and what it would have cost.
    pub fn report(&self, period: Period) -> BoxFuture<'_, store::Result<Report>> {
        Box::pin(report::make(self, period))
    }
}

async fn write(usage: Weak<Usage>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(usage) = usage.upgrade() else { return };
        usage.flush().await;
    }
}

/// `2026-11-22`.
fn day_of(now: Timestamp) -> String {
    let civil = now.civil();
    format!("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day)
}

fn day_key(day: &str, user: &MeteredFunction) -> Key {
    Key::of((day, user.account.as_str(), user.region.as_str(), &*user.function, user.architecture))
}
