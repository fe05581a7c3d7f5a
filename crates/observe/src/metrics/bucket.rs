//! What is kept of the values of one period: sum, least, greatest, count, and a sketch for percentiles.
//!
//! The sketch counts values in bins whose bounds grow by 2 % (a logarithmic histogram): an estimate is off by 1 % of the
//! value at most. AWS's own bins grow by 10 %. Buckets of neighbouring periods merge without loss, which is what the
//! roll-up does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use store::Record;

/// Greatest relative error of a percentile.
const RELATIVE_ERROR: f64 = 0.01;

/// Ratio of the bounds of a bin.
const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);

/// Most bins of one sketch: values over twelve orders of magnitude have 1,400. Beyond it the lowest are joined.
const BINS_MAX: usize = 2_048;

/// Values nearer to zero than this count as zero.
const ZERO: f64 = 1e-9;

/// The values of one period.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) sum: f64,
    pub(crate) minimum: f64,
    pub(crate) maximum: f64,
    pub(crate) count: f64,
    /// Values not above zero but for zero itself, or sets of values that somebody had summed up before: AWS has no
    /// percentiles for such periods.
    unsketched: bool,
    zeros: f64,
    bins: BTreeMap<i32, f64>,
}

impl Bucket {
    /// A bucket of one value.
    pub(crate) fn of(value: f64, count: f64) -> Bucket {
        let mut bucket = Bucket::default();
        bucket.add(value, count);
        bucket
    }

    /// A bucket of values that somebody else summed up. Their percentiles are known only if they are all the same.
    pub(crate) fn of_set(sum: f64, minimum: f64, maximum: f64, count: f64) -> Bucket {
        if minimum == maximum {
            return Bucket { sum, ..Bucket::of(minimum, count) };
        }
        if count == 1.0 {
            return Bucket { minimum, maximum, ..Bucket::of(sum, count) };
        }
        Bucket { sum, minimum, maximum, count, unsketched: true, ..Bucket::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0.0
    }

    /// Adds a value that was measured so many times.
    pub(crate) fn add(&mut self, value: f64, count: f64) {
        self.widen(value, value);
        self.sum += value * count;
        self.count += count;
        if value < 0.0 {
            self.unsketched = true;
        } else if value < ZERO {
            self.zeros += count;
        } else {
            *self.bins.entry(bin(value)).or_default() += count;
            self.shrink();
        }
    }

    /// Adds another period's values.
    pub(crate) fn merge(&mut self, other: &Bucket) {
        if other.is_empty() {
            return;
        }
        self.widen(other.minimum, other.maximum);
        self.sum += other.sum;
        self.count += other.count;
        self.unsketched |= other.unsketched;
        self.zeros += other.zeros;
        for (bin, count) in &other.bins {
            *self.bins.entry(*bin).or_default() += count;
        }
        self.shrink();
    }

    fn widen(&mut self, minimum: f64, maximum: f64) {
        let fresh = self.is_empty();
        self.minimum = if fresh { minimum } else { self.minimum.min(minimum) };
        self.maximum = if fresh { maximum } else { self.maximum.max(maximum) };
    }

    fn shrink(&mut self) {
        while self.bins.len() > BINS_MAX {
            let Some((_, count)) = self.bins.pop_first() else { return };
            if let Some(mut next) = self.bins.first_entry() {
                *next.get_mut() += count;
            }
        }
    }

    /// The value below which so many per cent of the values are; none where nobody can know.
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        if percent >= 100.0 {
            return self.weighted().map(|_| self.maximum);
        }
        let rank = self.count * percent / 100.0;
        let mut below = 0.0;
        self.weighted()?.find_map(|(value, count)| {
            below += count;
            (below >= rank).then_some(value)
        })
    }

    /// Estimated values in ascending order, each with how often it was measured; none where nobody can know.
    pub(crate) fn weighted(&self) -> Option<impl Iterator<Item = (f64, f64)> + '_> {
        if self.unsketched || self.is_empty() {
            return None;
        }
        let zeros = (self.zeros > 0.0).then_some((0.0, self.zeros));
        let bins = self.bins.iter().map(|(bin, count)| (middle(*bin).clamp(self.minimum, self.maximum), *count));
        Some(zeros.into_iter().chain(bins))
    }
}

/// The bin that a positive value belongs to.
fn bin(value: f64) -> i32 {
    (value.ln() / GAMMA.ln()).ceil() as i32
}

/// The value of a bin that is nearest to all in it, relatively.
fn middle(bin: i32) -> f64 {
    2.0 * GAMMA.powi(bin) / (GAMMA + 1.0)
}

/// Stored as four numbers, a flag, the zeros, and the bins as differences: some hundred bytes for a busy minute.
impl Record for Bucket {
    fn encode(&self, out: &mut Vec<u8>) -> store::Result<()> {
        for number in [self.sum, self.minimum, self.maximum, self.count, self.zeros] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        let whole = self.bins.values().all(|count| count.fract() == 0.0 && *count < 2f64.powi(53));
        out.push(u8::from(self.unsketched) | u8::from(whole) << 1);
        let mut before = 0;
        for (bin, count) in &self.bins {
            put_varint(out, zigzag(i64::from(*bin) - before));
            before = i64::from(*bin);
            match whole {
                true => put_varint(out, *count as u64),
                false => out.extend_from_slice(&count.to_be_bytes()),
            }
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> store::Result<Bucket> {
        decode(bytes).ok_or(store::Error::Malformed("metric values"))
    }
}

fn decode(mut rest: &[u8]) -> Option<Bucket> {
    let mut numbers = [0.0; 5];
    for number in &mut numbers {
        *number = take_f64(&mut rest)?;
    }
    let [sum, minimum, maximum, count, zeros] = numbers;
    let (flags, after) = rest.split_first()?;
    rest = after;
    let (unsketched, whole) = (flags & 1 != 0, flags & 2 != 0);
    let (mut bins, mut before) = (BTreeMap::new(), 0);
    while !rest.is_empty() {
        before += unzigzag(take_varint(&mut rest)?);
        let count = if whole { take_varint(&mut rest)? as f64 } else { take_f64(&mut rest)? };
        bins.insert(i32::try_from(before).ok()?, count);
    }
    Some(Bucket { sum, minimum, maximum, count, unsketched, zeros, bins })
}

fn take_f64(rest: &mut &[u8]) -> Option<f64> {
    let (bytes, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(f64::from_be_bytes(*bytes))
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random but are the same each time.
    fn pseudo_random(count: usize) -> impl Iterator<Item = f64> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64
        })
        .take(count)
    }

    fn exact(sorted: &[f64], percent: f64) -> f64 {
        let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
        sorted[rank.clamp(1, sorted.len()) - 1]
    }

    #[test]
    fn percentiles_are_off_by_one_per_cent_at_most_whatever_the_distribution() {
        let uniform: Vec<f64> = pseudo_random(10_000).map(|u| 1.0 + 999.0 * u).collect();
        let exponential: Vec<f64> = pseudo_random(10_000).map(|u| -(1.0 - u).ln() * 25.0).collect();
        let heavy: Vec<f64> = pseudo_random(10_000).map(|u| (1.0 - u).powf(-2.0)).collect();
        for mut values in [uniform, exponential, heavy] {
            let mut bucket = Bucket::default();
            values.iter().for_each(|value| bucket.add(*value, 1.0));
            values.sort_by(f64::total_cmp);
            for percent in [0.1, 1.0, 10.0, 50.0, 90.0, 95.0, 99.0, 99.9, 99.99] {
                let (known, guess) = (exact(&values, percent), bucket.percentile(percent).unwrap());
                let off = (guess - known).abs() / known;
                assert!(off <= RELATIVE_ERROR + 1e-9, "p{percent}: {guess} for {known}");
            }
            assert_eq!(bucket.percentile(100.0), values.last().copied());
        }
    }

    #[test]
    fn merged_buckets_are_what_one_bucket_of_all_values_is() {
        let values: Vec<f64> = pseudo_random(5_000).map(|u| (u * 1e4).round()).collect();
        let mut whole = Bucket::default();
        values.iter().for_each(|v| whole.add(*v, 1.0));
        let mut merged = Bucket::default();
        for part in values.chunks(37) {
            let mut bucket = Bucket::default();
            part.iter().for_each(|v| bucket.add(*v, 1.0));
            merged.merge(&bucket);
        }
        assert_eq!(merged, whole);
    }

    #[test]
    fn buckets_are_read_as_they_were_written_and_pieces_are_refused() {
        let mut bucket = Bucket::of(0.0, 3.0);
        pseudo_random(500).for_each(|u| bucket.add(u * 1e6, 1.0));
        for extra in [0.0, 0.5] {
            bucket.add(7.0, 1.0 + extra);
            let mut bytes = Vec::new();
            bucket.encode(&mut bytes).unwrap();
            assert_eq!(Bucket::decode(&bytes).unwrap(), bucket);
            assert!(Bucket::decode(&bytes[..20]).is_err());
        }
        let mut busy = Bucket::default();
        pseudo_random(100_000).for_each(|u| busy.add(10.0 + 10.0 * u, 1.0));
        let mut bytes = Vec::new();
        busy.encode(&mut bytes).unwrap();
        assert!(bytes.len() < 200, "{} bytes", bytes.len());
    }

    #[test]
    fn what_was_summed_up_or_is_negative_has_no_percentiles() {
        assert_eq!(Bucket::of_set(30.0, 1.0, 9.0, 6.0).percentile(50.0), None);
        assert_eq!(Bucket::of_set(30.0, 5.0, 5.0, 6.0).percentile(50.0), Some(5.0));
        assert_eq!(Bucket::of(-1.0, 1.0).percentile(50.0), None);
        assert_eq!(Bucket::default().percentile(50.0), None);
        let mut mixed = Bucket::of(5.0, 1.0);
        mixed.merge(&Bucket::of_set(30.0, 1.0, 9.0, 6.0));
        assert_eq!((mixed.percentile(50.0), mixed.maximum, mixed.count), (None, 9.0, 7.0));
    }

    #[test]
    fn bins_have_a_limit_and_the_top_stays_exact() {
        let mut bucket = Bucket::default();
        for exponent in -300..300 {
            for step in 0..10 {
                bucket.add(2f64.powf(f64::from(exponent) + f64::from(step) / 10.0), 1.0);
            }
        }
        assert!(bucket.bins.len() <= BINS_MAX);
        let known = 2f64.powf(299.0 + 0.9 - 6000.0 * 0.01 / 10.0);
        let guess = bucket.percentile(99.0).unwrap();
        assert!((guess / known).ln().abs() < 0.1, "{guess} for {known}");
    }
}
