//! The way in for what services measure: gathered in memory, written to the store every few seconds.
//!
//! A series gathers its values itself, under a lock of its own. The writer takes what has gathered, works out under which
//! sets of dimensions it is to be found, and commits without waiting for the disk: what it wrote survives the end of the
//! process. A crash loses what had not been written. Readers call [`Intake::flush`] first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base::Timestamp;
use cloud::ports::{MetricName, Metrics, Scope, Series};
use store::{Durability, Store};
use tokio::sync::{Notify, watch};

use super::bucket::Bucket;
use super::records::{self, Addition, Name, Refused};

/// How long values gather: what a crash may lose.
pub(super) const GATHER: Duration = Duration::from_secs(5);

/// How often a writer without work looks whether it is still wanted.
const LOOK_UP: Duration = Duration::from_secs(60);

/// Periods that one series gathers between two writes; only a clock that is set makes more than two.
const PERIODS_MAX: usize = 8;

/// Additions of one transaction: others wait for it.
const ADDITIONS_PER_COMMIT: usize = 250;

/// Most series at a time; the values of more are dropped, and the log says so.
const SERIES_MAX: usize = 200_000;

/// Series that are kept though nobody holds them; beyond it they go, and their totals begin anew.
const SERIES_KEPT_MAX: usize = 20_000;

type SeriesName = (Arc<Scope>, MetricName);

/// Values on their way into the store.
pub(super) struct Intake {
    series: Mutex<HashMap<SeriesName, Arc<Gathering>>>,
    signal: Arc<Signal>,
    written: watch::Sender<u64>,
    /// Where the values of series beyond the limit go: nowhere.
    overflow: Arc<Gathering>,
}

/// How a series tells the writer that there is something to write.
#[derive(Default)]
struct Signal {
    dirty: AtomicBool,
    wake: Notify,
    hurry: Notify,
}

/// One series.
struct Gathering {
    signal: Arc<Signal>,
    /// Minutes, in seconds, and their values.
    periods: Mutex<Vec<(i64, Bucket)>>,
    /// All values since the start but those of `periods`.
    total: Mutex<Bucket>,
}

impl Series for Gathering {
    fn record(&self, at: Timestamp, value: f64) {
        let minute = at.secs().div_euclid(60) * 60;
        let mut periods = lock(&self.periods);
        let full = periods.len() >= PERIODS_MAX;
        match periods.iter_mut().rev().find(|(start, _)| *start == minute || full) {
            Some((_, bucket)) => bucket.add(value, 1.0),
            None => periods.push((minute, Bucket::of(value, 1.0))),
        }
        drop(periods);
        if !self.signal.dirty.load(Ordering::Relaxed) && !self.signal.dirty.swap(true, Ordering::AcqRel) {
            self.signal.wake.notify_one();
        }
    }
}

impl Metrics for Intake {
    fn series(&self, scope: &Arc<Scope>, metric: MetricName) -> Arc<dyn Series> {
        let mut series = lock(&self.series);
        let key = (scope.clone(), metric);
        if let Some(known) = series.get(&key) {
            return known.clone();
        }
        if series.len() >= SERIES_MAX {
            tracing::warn!("more than {SERIES_MAX} series are measured at a time; the values of others are dropped");
            return self.overflow.clone();
        }
        let made =
            Arc::new(Gathering { signal: self.signal.clone(), periods: Mutex::default(), total: Mutex::default() });
        series.insert(key, made.clone());
        made
    }
}

impl Intake {
    pub(super) fn start(store: Store) -> Arc<Intake> {
        let signal = Arc::new(Signal::default());
        let nowhere = Gathering { signal: Arc::default(), periods: Mutex::default(), total: Mutex::default() };
        let intake = Arc::new(Intake {
            series: Mutex::default(),
            signal,
            written: watch::Sender::new(0),
            overflow: Arc::new(nowhere),
        });
        tokio::spawn(write(Arc::downgrade(&intake), store));
        intake
    }

    /// Waits until everything recorded before the call is in the store.
    pub(super) async fn flush(&self) {
        let mut written = self.written.subscribe();
        // Two rounds: the one under way may have taken its values before the call.
        let goal = *written.borrow() + 2;
        while *written.borrow_and_update() < goal {
            self.signal.hurry.notify_one();
            if written.changed().await.is_err() {
                return;
            }
        }
    }

    /// What has gathered. Of series that nobody holds some are kept, for their totals.
    fn take(&self) -> Vec<Addition> {
        let mut additions = Vec::new();
        lock(&self.overflow.periods).clear();
        let mut series = lock(&self.series);
        let crowded = series.len() > SERIES_KEPT_MAX;
        series.retain(|(scope, metric), gathering| {
            let periods = std::mem::take(&mut *lock(&gathering.periods));
            for (start_secs, bucket) in periods {
                additions.extend(expand(scope, *metric, start_secs, &bucket));
                lock(&gathering.total).merge(&bucket);
            }
            !crowded || Arc::strong_count(gathering) > 1
        });
        additions
    }

    /// Everything that every series has recorded since the start.
    pub(super) fn totals(&self) -> Vec<(Arc<Scope>, MetricName, Bucket)> {
        let series = lock(&self.series);
        let total = |((scope, metric), gathering): (&SeriesName, &Arc<Gathering>)| {
            let mut total = lock(&gathering.total).clone();
            lock(&gathering.periods).iter().for_each(|(_, bucket)| total.merge(bucket));
            (scope.clone(), *metric, total)
        };
        series.iter().map(total).collect()
    }
}

/// The values under each set of dimensions.
fn expand<'a>(
    scope: &'a Scope,
    metric: MetricName,
    start_secs: i64,
    bucket: &'a Bucket,
) -> impl Iterator<Item = Addition> + 'a {
    scope.dimension_sets.iter().map(move |set| {
        let mut dimensions: Vec<_> = set.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        dimensions.sort();
        Addition {
            name: Name {
                account: scope.account,
                region: scope.region.clone(),
                namespace: scope.namespace.to_owned(),
                metric: metric.name.to_owned(),
                dimensions,
            },
            unit: metric.unit.to_owned(),
            resolution_secs: 60,
            start_secs,
            bucket: bucket.clone(),
        }
    })
}

/// The writer: one task, ends with the last handle.
async fn write(intake: Weak<Intake>, store: Store) {
    let Some(signal) = intake.upgrade().map(|i| i.signal.clone()) else { return };
    loop {
        tokio::select! {
            woken = tokio::time::timeout(LOOK_UP, signal.wake.notified()) => if woken.is_ok() {
                // Somebody recorded a value: it gathers company, unless a reader waits.
                _ = tokio::time::timeout(GATHER, signal.hurry.notified()).await;
            },
            () = signal.hurry.notified() => {}
        }
        let Some(this) = intake.upgrade() else { return };
        signal.dirty.store(false, Ordering::Release);
        let additions = merged(this.take());
        for part in additions.chunks(ADDITIONS_PER_COMMIT) {
            store_additions(&store, part.to_vec()).await;
        }
        this.written.send_modify(|rounds| *rounds += 1);
    }
}

/// One addition for each metric and period: several scopes share the metric without dimensions.
fn merged(additions: Vec<Addition>) -> Vec<Addition> {
    let mut places: HashMap<(Name, String, i64), usize> = HashMap::new();
    let mut merged: Vec<Addition> = Vec::new();
    for addition in additions {
        let place = (addition.name.clone(), addition.unit.clone(), addition.start_secs);
        match places.get(&place) {
            Some(at) => merged[*at].bucket.merge(&addition.bucket),
            None => {
                places.insert(place, merged.len());
                merged.push(addition);
            }
        }
    }
    merged
}

async fn store_additions(store: &Store, additions: Vec<Addition>) {
    let outcome = store
        .transact_with(Durability::Buffered, move |tx| {
            let mut dropped = 0;
            for addition in &additions {
                match records::add(tx, addition) {
                    Ok(()) => {}
                    Err(Refused::TooMany) => dropped += 1,
                    Err(Refused::Store(error)) => return Err(error),
                }
            }
            Ok(dropped)
        })
        .await;
    match outcome {
        Ok(0) => {}
        Ok(dropped) => {
            tracing::warn!(
                dropped,
                "there are {} metrics already; values of new ones are dropped",
                records::METRICS_MAX
            );
        }
        Err(error) => tracing::error!(%error, "measured values could not be stored and are lost"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use base::{AccountId, Region};
    use store::Scan;

    use super::*;
    use crate::metrics::records::{METRICS, POINTS};

    const ERRORS: MetricName = MetricName { name: "Errors", unit: "Count" };

    fn scope(function: &str) -> Arc<Scope> {
        let dimension_sets = vec![Vec::new(), vec![("FunctionName", function.to_owned())]];
        let (account, region) = (AccountId::DEFAULT, Region::default());
        Arc::new(Scope { account, region, namespace: "AWS/Lambda", dimension_sets })
    }

    #[tokio::test]
    async fn values_are_found_under_every_set_of_dimensions_and_add_up() {
        let store = Store::in_memory(store::system_clock());
        let intake = Intake::start(store.clone());
        let at = Timestamp::from_secs(1_000_000_019);
        for round in 1..=2 {
            intake.series(&scope("a"), ERRORS).record(at, 1.0);
            intake.series(&scope("b"), ERRORS).record(at, 0.0);
            intake.series(&scope("a"), ERRORS).record(at.plus_millis(60_000), 5.0);
            intake.flush().await;
            assert_eq!(store.scan(METRICS, Scan::all()).await.unwrap().len(), 3);
            let points = store.scan(POINTS, Scan::all()).await.unwrap();
            let mut sums: Vec<f64> = points.iter().map(|(_, bucket)| bucket.sum).collect();
            sums.sort_by(f64::total_cmp);
            let (one, five) = (f64::from(round), 5.0 * f64::from(round));
            assert_eq!(sums, [0.0, one, one, five, five]);
        }
        let totals = intake.totals();
        let sum = totals.iter().find(|(scope, ..)| *scope == self::scope("a")).map(|(.., total)| total.sum);
        assert_eq!((totals.len(), sum), (2, Some(12.0)), "totals count on when values are written");
    }
}
