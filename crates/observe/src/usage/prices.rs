//! What AWS asks for Lambda: its public price list for us-east-1, of which the configuration may replace any number.

use serde::{Deserialize, Serialize};

/// Prices in one currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// `USD`.
    pub currency: String,
    /// Of a million requests.
    pub requests_per_million: f64,
    /// Of a gigabyte of `/tmp` above 512 MB, for a second.
    pub storage_gb_second: f64,
    /// Of memory on x86.
    pub x86_64: Architecture,
    /// Of memory on Arm.
    pub arm64: Architecture,
}

/// Prices of memory on one architecture; all for a gigabyte and a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// On demand: the first so many gigabyte-seconds of a month at one price, the next at another.
    pub tiers: Vec<Tier>,
    /// Of provisioned capacity, used or not.
    pub provisioned_gb_second: f64,
    /// Of the time that provisioned capacity works.
    pub provisioned_use_gb_second: f64,
}

/// A price that holds up to some use in a month.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Up to here, in gigabyte-seconds from the month's first; none for the last tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to_gb_seconds: Option<f64>,
    /// The price of one.
    pub gb_second: f64,
}

/// AWS's price list as of November 2025, us-east-1.
impl Default for Prices {
    fn default() -> Prices {
        let tier = |up_to_gb_seconds, gb_second| Tier { up_to_gb_seconds, gb_second };
        Prices {
            currency: "USD".to_owned(),
            requests_per_million: 0.20,
            storage_gb_second: 0.000_000_030_9,
            x86_64: Architecture {
                tiers: vec![tier(Some(6e9), 0.000_016_666_7), tier(Some(15e9), 0.000_015), tier(None, 0.000_013_333_4)],
                provisioned_gb_second: 0.000_004_166_7,
                provisioned_use_gb_second: 0.000_009_722_2,
            },
            arm64: Architecture {
                tiers: vec![
                    tier(Some(7.5e9), 0.000_013_333_4),
                    tier(Some(18.75e9), 0.000_012_000_1),
                    tier(None, 0.000_010_666_7),
                ],
                provisioned_gb_second: 0.000_003_333_4,
                provisioned_use_gb_second: 0.000_007_777_8,
            },
        }
    }
}

impl Prices {
    pub(super) fn of(&self, architecture: &str) -> &Architecture {
        if architecture == "arm64" { &self.arm64 } else { &self.x86_64 }
    }
}

impl Architecture {
    /// What so many gigabyte-seconds of a month cost on demand.
    pub(super) fn on_demand(&self, gb_seconds: f64) -> f64 {
        let (mut cost, mut from) = (0.0, 0.0);
        for tier in &self.tiers {
            let up_to = tier.up_to_gb_seconds.unwrap_or(f64::INFINITY);
            cost += (gb_seconds.min(up_to) - from).max(0.0) * tier.gb_second;
            from = up_to;
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_follow_each_other() {
        let prices = Prices::default();
        let near = |cost: f64, wanted: f64| assert!((cost - wanted).abs() < 1e-6 * wanted.max(1.0), "{cost} {wanted}");
        near(prices.x86_64.on_demand(1e6), 16.6667);
        near(prices.x86_64.on_demand(7e9), 6e9 * 0.0000166667 + 1e9 * 0.000015);
        near(prices.x86_64.on_demand(20e9), 6e9 * 0.0000166667 + 9e9 * 0.000015 + 5e9 * 0.0000133334);
        near(prices.arm64.on_demand(1e6), 13.3334);
        near(prices.arm64.on_demand(0.0), 0.0);
    }
}
