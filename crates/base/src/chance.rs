//! Chance, for decisions rather than for names ([`crate::id`] draws those).

use uuid::Uuid;

/// The bits of a `f64`'s fraction.
const FRACTION_BITS: u32 = 53;

/// A random number from 0 up to, but not, 1; all are equally likely.
pub fn fraction() -> f64 {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that draws numbers")]
    let drawn = Uuid::new_v4().as_u64_pair().1;
    // The two highest bits of this half are the UUID's variant: not random.
    let random = drawn & ((1 << FRACTION_BITS) - 1);
    random as f64 / (1_u64 << FRACTION_BITS) as f64
}

#[cfg(test)]
mod tests {
    #[test]
    fn fractions_are_spread_evenly() {
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            let fraction = super::fraction();
            assert!((0.0..1.0).contains(&fraction), "{fraction}");
            tenths[(fraction * 10.0) as usize] += 1;
        }
        // 1,000 each, give or take 30: ten times that is beyond any chance.
        assert!(tenths.iter().all(|count| (700..=1300).contains(count)), "{tenths:?}");
    }
}
