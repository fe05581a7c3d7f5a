//! How metrics and their values are stored, and the one place that adds values.
//!
//! A metric's values hang below a number of its own, one for each unit it was given in. A period's values lie under the
//! length of the period: 1 second, 1 minute, 5 minutes, 1 hour. Each value is in one place only; the roll-up moves it on
//! (`retention`), so a reader takes all four.

use std::collections::BTreeMap;

use base::{AccountId, Region};
use serde::{Deserialize, Serialize};
use store::{Key, Record, Table, Tx};

use super::bucket::Bucket;

/// Metrics by account, region, namespace, name and dimensions.
pub(super) const METRICS: Table<Metric> = Table::new("metrics.metrics");
/// Values by the metric's number, length of the period and its start, both in seconds.
pub(super) const POINTS: Table<Bucket> = Table::new("metrics.points");
/// One record: how many metrics there are.
pub(super) const TOTALS: Table<Totals> = Table::new("metrics.totals");

/// The lengths of period that values are kept in.
pub(super) const RESOLUTIONS_SECS: [u64; 4] = [1, 60, 300, 3_600];

/// Most metrics that a node keeps. AWS has no such limit; a metric with a dimension of random values has to meet one
/// somewhere.
pub(super) const METRICS_MAX: u64 = 100_000;

/// How far a metric's `last_ms` may lag behind, so that not every value writes it.
const LAST_MS_LAG: i64 = 10 * 60 * 1000;

/// A metric.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Metric {
    /// Names and values, in the order of their names.
    pub(super) dimensions: Vec<(String, String)>,
    /// The numbers of its values, by unit.
    pub(super) units: BTreeMap<String, u64>,
    /// When it last got a value, ten minutes more or less.
    pub(super) last_ms: i64,
}

/// What is counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) metrics: u64,
    pub(super) next_number: u64,
}

impl Record for Metric {}
impl Record for Totals {}

/// What a metric is called. Dimensions are in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) namespace: String,
    pub(super) metric: String,
    pub(super) dimensions: Vec<(String, String)>,
}

impl Name {
    pub(super) fn key(&self) -> Key {
        let dimensions: String = self.dimensions.iter().map(|(n, v)| format!("{n}\u{1}{v}\u{2}")).collect();
        let (account, region) = (self.account.as_str(), self.region.as_str());
        Key::of((account, region, &*self.namespace, &*self.metric, &*dimensions))
    }
}

/// Values of one period of a metric.
#[derive(Clone, Debug)]
pub(super) struct Addition {
    pub(super) name: Name,
    pub(super) unit: String,
    /// 1 or 60 seconds.
    pub(super) resolution_secs: u64,
    pub(super) start_secs: i64,
    pub(super) bucket: Bucket,
}

/// Why values were not added.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("there are {METRICS_MAX} metrics already")]
    TooMany,
    #[error(transparent)]
    Store(#[from] store::Error),
}

pub(super) fn point_key(number: u64, resolution_secs: u64, start_secs: i64) -> Key {
    Key::of((number, resolution_secs, start_secs))
}

/// Adds values.
pub(super) fn add(tx: &mut Tx<'_>, addition: &Addition) -> Result<(), Refused> {
    let number = number(tx, addition)?;
    let key = point_key(number, addition.resolution_secs, addition.start_secs);
    let mut bucket = tx.get(POINTS, &key)?.unwrap_or_default();
    bucket.merge(&addition.bucket);
    Ok(tx.put(POINTS, &key, &bucket)?)
}

/// The number that the addition's values hang below; a new metric gets one.
fn number(tx: &mut Tx<'_>, addition: &Addition) -> Result<u64, Refused> {
    let key = addition.name.key();
    let at_ms = addition.start_secs * 1000;
    let known = tx.get(METRICS, &key)?;
    if let Some(number) = known.as_ref().and_then(|m| m.units.get(&addition.unit)) {
        if let Some(metric) = known.as_ref().filter(|m| m.last_ms + LAST_MS_LAG < at_ms) {
            tx.put(METRICS, &key, &Metric { last_ms: at_ms, ..metric.clone() })?;
        }
        return Ok(*number);
    }
    let one = Key::of("all");
    let mut totals = tx.get(TOTALS, &one)?.unwrap_or_default();
    if totals.metrics >= METRICS_MAX {
        return Err(Refused::TooMany);
    }
    let number = totals.next_number;
    totals.next_number += 1;
    totals.metrics += 1;
    tx.put(TOTALS, &one, &totals)?;
    let dimensions = addition.name.dimensions.clone();
    let mut metric = known.unwrap_or(Metric { dimensions, units: BTreeMap::new(), last_ms: at_ms });
    metric.units.insert(addition.unit.clone(), number);
    metric.last_ms = metric.last_ms.max(at_ms);
    tx.put(METRICS, &key, &metric)?;
    Ok(number)
}
