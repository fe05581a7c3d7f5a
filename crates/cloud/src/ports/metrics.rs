//! Where services' own metrics go. Implemented by `observe`, read through CloudWatch.
//!
//! Made for hot paths: a [`Series`] is looked up once and kept, and recording into it is a short lock of its own and no
//! allocation. What one value means for several sets of dimensions is said once, in the [`Scope`], and worked out when
//! values are written to the store, some seconds later.

use std::sync::Arc;

use base::{AccountId, Region, Timestamp};

/// Where metrics go. Never blocks and never fails the caller. What was recorded is readable at once; it reaches the
/// store within seconds, and a crash loses what had not.
pub trait Metrics: Send + Sync {
    /// The series of one metric, made if it is not there. The same arguments give the same series.
    fn series(&self, scope: &Arc<Scope>, metric: MetricName) -> Arc<dyn Series>;
}

/// Where one metric's values go.
pub trait Series: Send + Sync {
    /// Records a value that was measured at this time.
    fn record(&self, at: Timestamp, value: f64);
}

/// A metric's name and unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MetricName {
    /// AWS's name: `Invocations`.
    pub name: &'static str,
    /// AWS's unit: `Count`, `Milliseconds`, `None`.
    pub unit: &'static str,
}

/// Whose metrics: the account and region, the namespace, and every set of dimensions under which a value is to be found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// `AWS/Lambda`.
    pub namespace: &'static str,
    /// Sets of names and values; the empty set is the metric without dimensions.
    pub dimension_sets: Vec<Vec<(&'static str, String)>>,
}
