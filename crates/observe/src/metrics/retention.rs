//! Ageing: values of a second become values of a minute after three hours, those of a minute values of five after 15 days,
//! those values of an hour after 63 days, and after 455 days they go: AWS's schedule. It may run late and twice: each step
//! moves values in one transaction, and readers take values wherever they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use base::Clock;
use store::{Durability, Key, Scan, Store};

use super::CloudWatch;
use super::bucket::Bucket;
use super::records::{METRICS, POINTS, TOTALS, point_key};

/// When values of a minute become coarser, and those of five minutes.
pub(super) const FIVE_MINUTES_AFTER_MS: i64 = 15 * DAY_MS;
pub(super) const HOUR_AFTER_MS: i64 = 63 * DAY_MS;

/// How long values of a second are kept as such, and values at all.
const MINUTE_AFTER_MS: i64 = 3 * 3_600_000;
const GONE_AFTER_MS: i64 = 455 * DAY_MS;

const DAY_MS: i64 = 86_400_000;

/// From which length of period to which, in seconds, after how long.
const STEPS: [(u64, u64, i64); 3] =
    [(1, 60, MINUTE_AFTER_MS), (60, 300, FIVE_MINUTES_AFTER_MS), (300, 3_600, HOUR_AFTER_MS)];

/// How often ageing values are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(3600);

/// Values moved in one transaction, and metrics read at a time.
const POINTS_PER_STEP: usize = 1_000;
const METRICS_PER_STEP: usize = 1_000;

pub(super) fn start(cloudwatch: &Arc<CloudWatch>) {
    tokio::spawn(run(Arc::downgrade(cloudwatch)));
}

async fn run(cloudwatch: Weak<CloudWatch>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(cloudwatch) = cloudwatch.upgrade() else { return };
        if let Err(error) = sweep(&cloudwatch.store, &cloudwatch.clock).await {
            tracing::warn!(%error, "metrics could not be rolled up; trying again in an hour");
        }
    }
}

/// Ages all metrics.
async fn sweep(store: &Store, clock: &Clock) -> store::Result<()> {
    let now_ms = clock.now().millis();
    let mut after: Option<Key> = None;
    loop {
        let mut scan = Scan::all().limit(METRICS_PER_STEP);
        if let Some(after) = after.take() {
            scan = scan.after(after);
        }
        let page = store.scan(METRICS, scan).await?;
        for (key, metric) in &page {
            for number in metric.units.values() {
                for (from, to, after_ms) in STEPS {
                    roll_up(store, *number, (from, to), horizon_secs(now_ms, after_ms, to)).await?;
                }
                expire(store, *number, (now_ms - GONE_AFTER_MS) / 1000).await?;
            }
            if metric.last_ms < now_ms - GONE_AFTER_MS {
                forget(store, key.clone(), metric.units.len() as u64).await?;
            }
        }
        match page.last() {
            Some((key, _)) if page.len() == METRICS_PER_STEP => after = Some(key.clone()),
            _ => return Ok(()),
        }
    }
}

/// Only whole periods of the coarser kind are moved.
fn horizon_secs(now_ms: i64, after_ms: i64, to_secs: u64) -> i64 {
    ((now_ms - after_ms) / 1000).div_euclid(to_secs as i64) * to_secs as i64
}

async fn roll_up(store: &Store, number: u64, (from, to): (u64, u64), horizon_secs: i64) -> store::Result<()> {
    let old = move || Scan::under((number, from)).until(point_key(number, from, horizon_secs)).limit(POINTS_PER_STEP);
    loop {
        if store.scan(POINTS, old().limit(1)).await?.is_empty() {
            return Ok(()); // nothing is written where nothing is to be done
        }
        let moved = store
            .transact_with(Durability::Buffered, move |tx| {
                let points = tx.scan(POINTS, old())?;
                let mut coarse: BTreeMap<i64, Bucket> = BTreeMap::new();
                for (key, bucket) in &points {
                    let (_, _, start) = key.parts::<(u64, u64, i64)>().unwrap_or_default();
                    coarse.entry(start.div_euclid(to as i64) * to as i64).or_default().merge(bucket);
                    tx.delete(POINTS, key)?;
                }
                for (start, bucket) in coarse {
                    let key = point_key(number, to, start);
                    let mut whole = tx.get(POINTS, &key)?.unwrap_or_default();
                    whole.merge(&bucket);
                    tx.put(POINTS, &key, &whole)?;
                }
                Ok::<_, store::Error>(points.len())
            })
            .await?;
        if moved < POINTS_PER_STEP {
            return Ok(());
        }
    }
}

async fn expire(store: &Store, number: u64, horizon_secs: i64) -> store::Result<()> {
    let old =
        move || Scan::under((number, 3_600u64)).until(point_key(number, 3_600, horizon_secs)).limit(POINTS_PER_STEP);
    while !store.scan(POINTS, old().limit(1)).await?.is_empty() {
        store.transact_with(Durability::Buffered, move |tx| tx.delete_range(POINTS, old())).await?;
    }
    Ok(())
}

/// Removes a metric without values.
pub(super) async fn forget(store: &Store, key: Key, units: u64) -> store::Result<()> {
    store
        .transact_with(Durability::Buffered, move |tx| {
            tx.delete(METRICS, &key)?;
            let mut totals = tx.get(TOTALS, &Key::of("all"))?.unwrap_or_default();
            totals.metrics = totals.metrics.saturating_sub(units);
            tx.put(TOTALS, &Key::of("all"), &totals)
        })
        .await
}

#[cfg(test)]
mod tests {
    use base::{AccountId, Region, Timestamp};

    use super::*;
    use crate::metrics::records::{self, Addition, Name};

    fn addition(at_secs: i64, resolution_secs: u64, value: f64) -> Addition {
        let name = Name {
            account: AccountId::DEFAULT,
            region: Region::default(),
            namespace: "Shop".into(),
            metric: "Latency".into(),
            dimensions: Vec::new(),
        };
        let start_secs = at_secs / resolution_secs as i64 * resolution_secs as i64;
        Addition { name, unit: "None".into(), resolution_secs, start_secs, bucket: Bucket::of(value, 1.0) }
    }

    async fn by_resolution(store: &Store) -> BTreeMap<u64, Vec<Bucket>> {
        let mut points: BTreeMap<u64, Vec<Bucket>> = BTreeMap::new();
        for (key, bucket) in store.scan(POINTS, Scan::all()).await.unwrap() {
            let (_, resolution, _) = key.parts::<(u64, u64, i64)>().unwrap();
            points.entry(resolution).or_default().push(bucket);
        }
        points
    }

    #[tokio::test]
    async fn values_grow_coarser_with_age_and_keep_sum_count_and_percentiles() {
        let store = Store::in_memory(store::system_clock());
        let begin = 1_800_000_000 / 3600 * 3600;
        let clock = Clock::held(Timestamp::from_secs(begin + 3_600));
        let additions: Vec<Addition> = (0..3_600).map(|s| addition(begin + s, 1, s as f64)).collect();
        store.transact(move |tx| additions.iter().try_for_each(|a| records::add(tx, a))).await.unwrap();
        let day = 86_400;
        // So long after the hour: values of a second, minute, five minutes, hour.
        for (age_secs, wanted) in [
            (0, [3600, 0, 0, 0]),
            (4 * 3600, [0, 60, 0, 0]),
            (15 * day + 3600, [0, 0, 12, 0]),
            (63 * day + 3600, [0, 0, 0, 1]),
        ] {
            let now = Timestamp::from_secs(begin + 3_600 + age_secs);
            clock.advance_ms(now.millis() - clock.now().millis());
            for _twice in 0..2 {
                sweep(&store, &clock).await.unwrap();
            }
            let points = by_resolution(&store).await;
            let counts = records::RESOLUTIONS_SECS.map(|r| points.get(&r).map_or(0, Vec::len));
            assert_eq!(counts, wanted, "after {age_secs} s");
            let mut whole = Bucket::default();
            points.values().flatten().for_each(|bucket| whole.merge(bucket));
            assert_eq!((whole.count, whole.sum, whole.maximum), (3600.0, 3600.0 * 3599.0 / 2.0, 3599.0));
            assert!((whole.percentile(90.0).unwrap() / 3240.0 - 1.0).abs() < 0.011);
        }
        clock.advance_ms(455 * DAY_MS);
        sweep(&store, &clock).await.unwrap();
        assert!(by_resolution(&store).await.is_empty());
        assert!(store.scan(METRICS, Scan::all()).await.unwrap().is_empty(), "the metric is forgotten with its values");
    }

    #[tokio::test]
    async fn a_period_that_is_not_over_stays_fine() {
        let store = Store::in_memory(store::system_clock());
        let begin = 1_800_000_000 / 3600 * 3600;
        let additions = [addition(begin, 60, 1.0), addition(begin + 60, 60, 1.0)];
        store.transact(move |tx| additions.iter().try_for_each(|a| records::add(tx, a))).await.unwrap();
        let clock = Clock::held(Timestamp::from_millis((begin + 120) * 1000 + FIVE_MINUTES_AFTER_MS));
        sweep(&store, &clock).await.unwrap();
        assert_eq!(by_resolution(&store).await[&60].len(), 2);
    }
}
