//! Reading values: a metric's buckets between two times, one for each period.

use std::collections::BTreeMap;

use base::Timestamp;
use store::{Scan, Snapshot};

use super::bucket::Bucket;
use super::records::{METRICS, Name, POINTS, RESOLUTIONS_SECS, point_key};
use super::retention::{FIVE_MINUTES_AFTER_MS, HOUR_AFTER_MS};

/// From when to when, in which steps; all in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The first period begins here.
    pub(super) start_secs: i64,
    /// Values from here on are not in it.
    pub(super) end_secs: i64,
    pub(super) period_secs: i64,
}

impl Span {
    /// AWS's span of a request: its start is rounded down to what is kept of that age.
    pub(super) fn new(start: Timestamp, end: Timestamp, period_secs: i64, now: Timestamp) -> Span {
        let age_ms = now.millis() - start.millis();
        let grain = match age_ms {
            _ if age_ms > HOUR_AFTER_MS => 3_600,
            _ if age_ms > FIVE_MINUTES_AFTER_MS => 300,
            _ if period_secs < 60 => period_secs,
            _ => 60,
        };
        let end_secs = (end.millis() + 999).div_euclid(1000);
        Span { start_secs: start.secs().div_euclid(grain) * grain, end_secs, period_secs }
    }

    /// How many periods there are.
    pub(super) fn periods(&self) -> i64 {
        (self.end_secs - self.start_secs).max(0).div_euclid(self.period_secs)
            + i64::from((self.end_secs - self.start_secs).max(0) % self.period_secs > 0)
    }

    /// The starts of all periods.
    pub(super) fn starts(&self) -> impl Iterator<Item = i64> {
        let span = *self;
        (0..self.periods()).map(move |n| span.start_secs + n * span.period_secs)
    }

    fn period_of(&self, at_secs: i64) -> i64 {
        at_secs - (at_secs - self.start_secs).rem_euclid(self.period_secs)
    }
}

/// A metric's buckets by unit and start of their period.
pub(super) type Read = BTreeMap<String, BTreeMap<i64, Bucket>>;

/// Reads a metric's values, of one unit if it is given.
pub(super) async fn read(snapshot: &Snapshot, name: &Name, unit: Option<&str>, span: Span) -> store::Result<Read> {
    let mut read = Read::new();
    let Some(metric) = snapshot.get(METRICS, &name.key()).await? else { return Ok(read) };
    for (of, number) in metric.units.iter().filter(|(of, _)| unit.is_none_or(|unit| unit == *of)) {
        let mut buckets: BTreeMap<i64, Bucket> = BTreeMap::new();
        for resolution in RESOLUTIONS_SECS {
            let from = point_key(*number, resolution, span.start_secs);
            let until = point_key(*number, resolution, span.end_secs);
            for (key, bucket) in
                snapshot.scan(POINTS, Scan::under((*number, resolution)).from(from).until(until)).await?
            {
                let Some((_, _, start)) = key.parts::<(u64, u64, i64)>() else { continue };
                buckets.entry(span.period_of(start)).or_default().merge(&bucket);
            }
        }
        if !buckets.is_empty() {
            read.insert(of.clone(), buckets);
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_rounded_to_what_is_kept_of_their_age() {
        let now = Timestamp::from_secs(1_800_000_000);
        let start = |age_secs: i64, period| {
            let start = now.plus_millis(-age_secs * 1000 - 7_000);
            (start.secs() - Span::new(start, now, period, now).start_secs, start.secs())
        };
        let day = 86_400;
        for (age, period, grain) in
            [(600, 60, 60), (600, 300, 60), (600, 10, 10), (16 * day, 60, 300), (64 * day, 60, 3600)]
        {
            let (moved, at) = start(age, period);
            assert_eq!(moved, at % grain, "{age} {period}");
        }
    }

    #[test]
    fn a_last_period_cut_short_counts() {
        let span = Span { start_secs: 0, end_secs: 130, period_secs: 60 };
        assert_eq!(span.starts().collect::<Vec<_>>(), [0, 60, 120]);
        assert_eq!(Span { end_secs: 120, ..span }.periods(), 2);
        assert_eq!(span.period_of(119), 60);
    }
}
