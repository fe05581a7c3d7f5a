//! Statistics: what a period's values are summed up to. `Sum`, `p99.9`, `TM(10%:90%)`, `PR(:300)`, `IQM`.

use super::bucket::Bucket;

/// A statistic.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    Percentile(f64),
    /// Of the values within bounds: their mean, winsorized mean, count, sum.
    Trimmed(Trim, Bounds),
    /// Per cent of values above the first bound and not above the second.
    PercentileRank(Option<f64>, Option<f64>),
}

/// What is made of the values within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trim {
    Mean,
    Winsorized,
    Count,
    Sum,
}

/// From where to where: in per cent of the values, or values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bounds {
    Percent(f64, f64),
    Values(Option<f64>, Option<f64>),
}

impl Statistic {
    /// Reads a statistic as AWS writes it; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Statistic> {
        let plain = match text {
            "SampleCount" => Some(Statistic::SampleCount),
            "Average" => Some(Statistic::Average),
            "Sum" => Some(Statistic::Sum),
            "Minimum" => Some(Statistic::Minimum),
            "Maximum" => Some(Statistic::Maximum),
            "IQM" | "iqm" => Some(Statistic::Trimmed(Trim::Mean, Bounds::Percent(25.0, 75.0))),
            _ => None,
        };
        plain.or_else(|| Statistic::parse_percentile(text)).or_else(|| Statistic::parse_trimmed(text))
    }

    fn parse_percentile(text: &str) -> Option<Statistic> {
        number(text.strip_prefix(['p', 'P'])?).filter(|p| (0.0..=100.0).contains(p)).map(Statistic::Percentile)
    }

    /// `tm90` is `TM(0%:90%)`.
    fn parse_trimmed(text: &str) -> Option<Statistic> {
        let (name, rest) = text.split_at_checked(2)?;
        let trim = match name.to_ascii_lowercase().as_str() {
            "tm" => Some(Trim::Mean),
            "wm" => Some(Trim::Winsorized),
            "tc" => Some(Trim::Count),
            "ts" => Some(Trim::Sum),
            "pr" => None,
            _ => return None,
        };
        let Some(inner) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else {
            let upper = number(rest).filter(|p| (0.0..=100.0).contains(p))?;
            return trim.map(|trim| Statistic::Trimmed(trim, Bounds::Percent(0.0, upper)));
        };
        let (lower, upper) = inner.split_once(':')?;
        let percent = |text: &str, default: f64| match text.strip_suffix('%') {
            Some(text) => number(text).filter(|p| (0.0..=100.0).contains(p)),
            None => text.is_empty().then_some(default),
        };
        if inner.contains('%') {
            let (lower, upper) = (percent(lower, 0.0)?, percent(upper, 100.0)?);
            return trim.filter(|_| lower <= upper).map(|trim| Statistic::Trimmed(trim, Bounds::Percent(lower, upper)));
        }
        let value = |text: &str| if text.is_empty() { Some(None) } else { number(text).map(Some) };
        let (lower, upper) = (value(lower)?, value(upper)?);
        if lower.is_none() && upper.is_none() {
            return None;
        }
        Some(match trim {
            Some(trim) => Statistic::Trimmed(trim, Bounds::Values(lower, upper)),
            None => Statistic::PercentileRank(lower, upper),
        })
    }

    /// Of a period's values; none where nobody can know.
    pub(super) fn of(&self, bucket: &Bucket) -> Option<f64> {
        match self {
            Statistic::SampleCount => Some(bucket.count),
            Statistic::Average => Some(bucket.sum / bucket.count),
            Statistic::Sum => Some(bucket.sum),
            Statistic::Minimum => Some(bucket.minimum),
            Statistic::Maximum => Some(bucket.maximum),
            Statistic::Percentile(percent) => bucket.percentile(*percent),
            Statistic::Trimmed(trim, bounds) => trimmed(bucket, *trim, *bounds),
            Statistic::PercentileRank(lower, upper) => {
                let within = |(value, _): &(f64, f64)| is_within(*value, *lower, *upper);
                let count: f64 = bucket.weighted()?.filter(within).map(|(_, count)| count).sum();
                Some(100.0 * count / bucket.count)
            }
        }
    }
}

fn number(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    if digits { text.parse().ok() } else { None }
}

fn is_within(value: f64, lower: Option<f64>, upper: Option<f64>) -> bool {
    lower.is_none_or(|lower| value > lower) && upper.is_none_or(|upper| value <= upper)
}

fn trimmed(bucket: &Bucket, trim: Trim, bounds: Bounds) -> Option<f64> {
    let (mut count, mut sum, mut under, mut above) = (0.0, 0.0, 0.0, 0.0);
    let (mut least, mut greatest) = (None, None);
    let mut below = 0.0;
    for (value, here) in bucket.weighted()? {
        let (before, after) = match bounds {
            Bounds::Percent(lower, upper) => {
                let (from, to) = (bucket.count * lower / 100.0, bucket.count * upper / 100.0);
                ((from - below).clamp(0.0, here), (below + here - to).clamp(0.0, here))
            }
            Bounds::Values(lower, upper) => {
                let is_under = lower.is_some_and(|lower| value <= lower);
                let is_above = upper.is_some_and(|upper| value > upper);
                (if is_under { here } else { 0.0 }, if is_above { here } else { 0.0 })
            }
        };
        below += here;
        under += before;
        above += after;
        let within = here - before - after;
        if within > 0.0 {
            count += within;
            sum += within * value;
            least.get_or_insert(value);
            greatest = Some(value);
        }
    }
    match trim {
        Trim::Count => Some(count),
        Trim::Sum => Some(sum),
        Trim::Mean => (count > 0.0).then(|| sum / count),
        // What lies outside counts as the outermost value within.
        Trim::Winsorized => Some((sum + least? * under + greatest? * above) / bucket.count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hundred() -> Bucket {
        let mut bucket = Bucket::default();
        (1..=100).for_each(|n| bucket.add(f64::from(n), 1.0));
        bucket
    }

    #[test]
    fn statistics_are_read_as_aws_writes_them_and_nothing_else_is() {
        for good in ["Sum", "p99", "p99.9", "p0", "p100", "tm90", "TM(10%:90%)", "WM(:80%)", "TC(5:)", "PR(:30)", "IQM"]
        {
            assert!(Statistic::parse(good).is_some(), "{good}");
        }
        for bad in
            ["", "sum", "p", "p101", "pnan", "p-1", "TM(90%:10%)", "TM(10:20%)", "PR(:)", "pr90", "xx90", "TM(", "é9"]
        {
            assert_eq!(Statistic::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn statistics_of_one_to_a_hundred() {
        let near = |text: &str, wanted: f64| {
            let got = Statistic::parse(text).unwrap().of(&hundred()).unwrap();
            // Bounds may fall into a bin that two of the hundred share.
            assert!((got - wanted).abs() <= (wanted * 0.015).max(1.0), "{text}: {got}, not {wanted}");
        };
        near("Average", 50.5);
        near("p90", 90.0);
        near("tm90", 45.5);
        near("TM(10%:90%)", 50.5);
        near("IQM", 50.5);
        near("TC(10%:90%)", 80.0);
        near("TS(0%:50%)", 1275.0);
        near("TC(:50)", 50.0);
        near("PR(:30)", 30.0);
        near("PR(50:)", 50.0);
        near("wm80", (3240.0 + 20.0 * 80.0) / 100.0);
    }
}
