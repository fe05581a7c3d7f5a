//! What was used within a day or a month, by function, with what it would have cost on AWS: `updraft usage`.

use std::collections::BTreeMap;

use base::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Key, Scan};

use super::{DAYS, Day, Prices, Usage, day_of};

/// Days of functions read at a time.
const PAGE: usize = 10_000;

/// A gigabyte in megabytes and a second in milliseconds: AWS divides by 1,024.
const MB_MS_PER_GB_SECOND: f64 = 1024.0 * 1000.0;

/// A day or a month of UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period(String);

impl Period {
    /// Reads `2026-11` or `2026-11-22`.
    pub fn parse(text: &str) -> Option<Period> {
        let whole = if text.len() == 7 { format!("{text}-01") } else { text.to_owned() };
        Timestamp::parse_date_time(&format!("{whole}T00:00:00Z"))?;
        let is_plain = matches!(text.len(), 7 | 10) && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        is_plain.then(|| Period(text.to_owned()))
    }

    /// The month that `now` is in.
    pub fn month_of(now: Timestamp) -> Period {
        Period(day_of(now)[..7].to_owned())
    }
}

/// What was used.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `2026-11` or `2026-11-22`, of UTC.
    pub period: String,
    /// `USD`.
    pub currency: String,
    /// All of it.
    pub total: Totals,
    /// By function, the dearest first.
    pub functions: Vec<FunctionUsage>,
}

/// What a function used.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionUsage {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Its name.
    pub function: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// How much.
    #[serde(flatten)]
    pub used: Totals,
}

/// Amounts and their cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Requests.
    pub requests: u64,
    /// Memory during billed time, on demand and on provisioned capacity.
    pub gb_seconds: f64,
    /// Of these, on provisioned capacity.
    pub provisioned_use_gb_seconds: f64,
    /// Memory of provisioned capacity, used or not.
    pub provisioned_gb_seconds: f64,
    /// `/tmp` above 512 MB during billed time.
    pub storage_gb_seconds: f64,
    /// What it would have cost, without a free tier.
    pub cost: f64,
}

pub(super) async fn make(usage: &Usage, period: Period) -> store::Result<Report> {
    usage.flush().await;
    let mut functions: BTreeMap<(String, String, String, String), Day> = BTreeMap::new();
    let mut after: Option<Key> = None;
    loop {
        let mut scan = Scan::starting_with((), &period.0).limit(PAGE);
        if let Some(after) = after.take() {
            scan = scan.after(after);
        }
        let page = usage.store.scan(DAYS, scan).await?;
        for (key, day) in &page {
            let parts = key.parts::<(String, String, String, String, String)>();
            let Some((_, account, region, function, architecture)) = parts else { continue };
            functions.entry((account, region, function, architecture)).or_default().join(day);
        }
        match page.last() {
            Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
            _ => break,
        }
    }
    Ok(report(&usage.prices, period.0, functions))
}

fn report(prices: &Prices, period: String, found: BTreeMap<(String, String, String, String), Day>) -> Report {
    // A month's tiers count an account's use of an architecture in a region as a whole.
    let mut together: BTreeMap<(String, String, String), f64> = BTreeMap::new();
    for ((account, region, _, architecture), day) in &found {
        let key = (account.clone(), region.clone(), architecture.clone());
        *together.entry(key).or_default() += day.on_demand_mb_ms as f64 / MB_MS_PER_GB_SECOND;
    }
    let mut total = Totals::default();
    let mut functions = Vec::new();
    for ((account, region, function, architecture), day) in found {
        let whole = together[&(account.clone(), region.clone(), architecture.clone())];
        let used = totals(prices, &architecture, &day, whole);
        total.join(&used);
        functions.push(FunctionUsage { account, region, function, architecture, used });
    }
    functions.sort_by(|a, b| b.used.cost.total_cmp(&a.used.cost));
    Report { period, currency: prices.currency.clone(), total, functions }
}

/// A function's amounts; its memory on demand costs its share of what all of the account's does.
fn totals(prices: &Prices, architecture: &str, day: &Day, whole_gb_seconds: f64) -> Totals {
    let gb_seconds = |mb_ms: u64| mb_ms as f64 / MB_MS_PER_GB_SECOND;
    let (on_demand, provisioned_use) = (gb_seconds(day.on_demand_mb_ms), gb_seconds(day.provisioned_use_mb_ms));
    let (provisioned, storage) = (gb_seconds(day.provisioned_mb_ms), gb_seconds(day.storage_mb_ms));
    let price = prices.of(architecture);
    let share = if whole_gb_seconds > 0.0 { on_demand / whole_gb_seconds } else { 0.0 };
    let cost = day.requests as f64 / 1e6 * prices.requests_per_million
        + price.on_demand(whole_gb_seconds) * share
        + provisioned_use * price.provisioned_use_gb_second
        + provisioned * price.provisioned_gb_second
        + storage * prices.storage_gb_second;
    Totals {
        requests: day.requests,
        gb_seconds: on_demand + provisioned_use,
        provisioned_use_gb_seconds: provisioned_use,
        provisioned_gb_seconds: provisioned,
        storage_gb_seconds: storage,
        cost,
    }
}

impl Totals {
    fn join(&mut self, other: &Totals) {
        self.requests += other.requests;
        self.gb_seconds += other.gb_seconds;
        self.provisioned_use_gb_seconds += other.provisioned_use_gb_seconds;
        self.provisioned_gb_seconds += other.provisioned_gb_seconds;
        self.storage_gb_seconds += other.storage_gb_seconds;
        self.cost += other.cost;
    }
}

#[cfg(test)]
mod tests {
    use base::{AccountId, Clock, Region};
    use cloud::ports::{Meter as _, MeteredFunction, Used};
    use store::Store;

    use super::*;

    fn user(function: &str, architecture: &'static str) -> MeteredFunction {
        let (account, region) = (AccountId::DEFAULT, Region::default());
        MeteredFunction { account, region, function: function.into(), architecture }
    }

    fn gb_seconds(amount: u64) -> Used {
        Used { requests: 1_000_000, on_demand_mb_ms: amount * 1024 * 1000, ..Used::default() }
    }

    #[tokio::test]
    async fn use_adds_up_by_function_day_and_month_and_costs_what_aws_asks() {
        let clock = Clock::held(Timestamp::parse_date_time("2026-11-30T23:00:00Z").unwrap());
        let usage = Usage::start(Store::in_memory(store::system_clock()), clock.clone(), Prices::default());
        usage.counter(&user("a", "x86_64")).add(gb_seconds(100));
        usage.counter(&user("a", "x86_64")).add(gb_seconds(200));
        usage.counter(&user("b", "arm64")).add(gb_seconds(1000));
        usage.flush().await;
        clock.advance_ms(2 * 3_600_000);
        usage.counter(&user("a", "x86_64")).add(gb_seconds(7));
        let november = usage.report(Period::parse("2026-11").unwrap()).await.unwrap();
        let shown: Vec<_> =
            november.functions.iter().map(|f| (&*f.function, f.used.requests, f.used.gb_seconds)).collect();
        assert_eq!(shown, [("a", 2_000_000, 300.0), ("b", 1_000_000, 1000.0)]);
        let wanted = 3.0 * 0.20 + 300.0 * 0.0000166667 + 1000.0 * 0.0000133334;
        assert!((november.total.cost - wanted).abs() < 1e-9, "{}", november.total.cost);
        let first = usage.report(Period::parse("2026-12-01").unwrap()).await.unwrap();
        assert_eq!((first.total.requests, first.total.gb_seconds), (1_000_000, 7.0));
        assert!(usage.report(Period::parse("2026-12-02").unwrap()).await.unwrap().functions.is_empty());
    }

    #[test]
    fn periods_are_days_and_months() {
        for good in ["2026-11", "2026-11-30"] {
            assert!(Period::parse(good).is_some(), "{good}");
        }
        for bad in ["", "2026", "2026-13", "2026-11-31", "2026-1", "11-2026", "2026-11-3x", "2026-11-30T", "é026-11"] {
            assert_eq!(Period::parse(bad), None, "{bad}");
        }
        assert_eq!(Period::month_of(Timestamp::from_secs(0)), Period("1970-01".into()));
    }
}
