//! Token buckets: so many requests a second, and so many at once. A bucket is one number that requests move on (the generic cell
//! rate algorithm), so that taking a token is neither a lock nor an allocation.

use std::sync::atomic::{AtomicI64, Ordering};

use base::Timestamp;

/// How many requests may come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit {
    /// Tokens that come back each second.
    pub(crate) rate: f64,
    /// Tokens that the bucket holds: requests that may come at once.
    pub(crate) burst: u32,
}

/// What an account may call in a region, all APIs together: AWS's default of 10,000 a second and 5,000 at once. It is shown, and is
/// what stages and methods have that set only a part of their limits; all APIs together have no bucket here.
pub(crate) const ACCOUNT: Limit = Limit { rate: 10_000.0, burst: 5_000 };

/// A bucket. It is full at first.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// When the bucket will be full again, in microseconds since the epoch.
    full_at_us: AtomicI64,
}

impl Bucket {
    /// Takes a token; false if there is none.
    pub(crate) fn take(&self, limit: Limit, now: Timestamp) -> bool {
        let Limit { rate, burst } = limit;
        if burst == 0 || rate.is_nan() || rate <= 0.0 {
            return false;
        }
        let token_us = (1e6 / rate).clamp(0.0, 1e15);
        let now_us = now.millis().saturating_mul(1000);
        let latest = now_us.saturating_add((token_us * f64::from(burst)) as i64);
        let moved = |full_at: i64| {
            let after = full_at.max(now_us).saturating_add(token_us as i64);
            (after <= latest).then_some(after)
        };
        self.full_at_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &Bucket, limit: Limit, now_ms: i64, asked: u32) -> u32 {
        (0..asked).map(|_| u32::from(bucket.take(limit, Timestamp::from_millis(now_ms)))).sum()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let (bucket, limit) = (Bucket::default(), Limit { rate: 10.0, burst: 5 });
        assert_eq!(taken(&bucket, limit, 1_000_000, 100), 5);
        assert_eq!(taken(&bucket, limit, 1_000_099, 100), 0);
        assert_eq!(taken(&bucket, limit, 1_000_100, 100), 1);
        assert_eq!(taken(&bucket, limit, 1_000_400, 100), 3);
        // However long nobody comes, it holds no more than its burst.
        assert_eq!(taken(&bucket, limit, 9_000_000, 100), 5);
    }

    #[test]
    fn slow_rates_and_none() {
        let slow = Limit { rate: 0.001, burst: 1 };
        let bucket = Bucket::default();
        assert_eq!(taken(&bucket, slow, 1_000_000, 9), 1);
        assert_eq!(taken(&bucket, slow, 1_999_999, 9), 0);
        assert_eq!(taken(&bucket, slow, 2_000_000, 9), 1);
        for limit in [Limit { rate: 0.0, burst: 5 }, Limit { rate: 5.0, burst: 0 }, Limit { rate: f64::NAN, burst: 5 }]
        {
            assert_eq!(taken(&Bucket::default(), limit, 1_000_000, 9), 0, "{limit:?}");
        }
    }

    #[test]
    fn quick_rates_are_exact_over_time() {
        let (bucket, limit) = (Bucket::default(), Limit { rate: 10_000.0, burst: 100 });
        let all: u32 = (0..1000).map(|ms| taken(&bucket, limit, 1_000_000 + ms, 50)).sum();
        assert!((10_000..=10_100).contains(&all), "{all}");
    }
}
