//! PutMetricData: values that users measure.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Cx, Error, Timestamp};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Durability;

use super::shapes::{Dimension, MetricName, Namespace, StandardUnit, sorted};
use crate::metrics::CloudWatch;
use crate::metrics::bucket::Bucket;
use crate::metrics::error::{invalid_combination, invalid_value, missing, missing_parameter, store_failed};
use crate::metrics::records::{self, Addition, METRICS_MAX, Name, Refused};

/// Metrics of one request; AWS's number.
const DATA_MAX: usize = 1_000;
/// Values of one metric in one request; AWS's number.
const VALUES_MAX: usize = 150;
/// How old values may be, and how far ahead: AWS's two weeks and two hours.
const PAST_MS_MAX: i64 = 14 * 86_400_000;
const FUTURE_MS_MAX: i64 = 2 * 3_600_000;
/// The greatest value, up and down: AWS's 2^360.
fn value_max() -> f64 {
    2f64.powi(360)
}

/// Stores values of metrics.
#[derive(Shape)]
pub struct PutMetricData {
    /// Where the metrics belong. What begins with `AWS/` is the services' own.
    pub namespace: Namespace,
    /// The values.
    pub metric_data: Option<Vec<MetricDatum>>,
    /// Values with the entities they belong to; refused, since entities are not built.
    pub entity_metric_data: Option<Vec<EntityMetricData>>,
    /// Whether invalid entities refuse the request.
    pub strict_entity_validation: Option<bool>,
}

/// Values of an entity.
#[derive(Shape)]
pub struct EntityMetricData {
    /// The entity.
    pub entity: Option<Entity>,
    /// The values.
    pub metric_data: Option<Vec<MetricDatum>>,
}

/// An entity.
#[derive(Shape)]
pub struct Entity {
    /// What it is known by.
    #[shape(length(2..=4))]
    pub key_attributes: Option<BTreeMap<String, String>>,
    /// What else is known of it.
    #[shape(length(0..=10))]
    pub attributes: Option<BTreeMap<String, String>>,
}

/// Values of a metric at one time.
#[derive(Shape)]
pub struct MetricDatum {
    /// The metric.
    pub metric_name: MetricName,
    /// What tells it apart from others of its name.
    #[shape(length(0..=30))]
    pub dimensions: Option<Vec<Dimension>>,
    /// When; now if absent.
    pub timestamp: Option<Timestamp>,
    /// One value.
    pub value: Option<f64>,
    /// Values that somebody has summed up.
    pub statistic_values: Option<StatisticSet>,
    /// Values.
    pub values: Option<Vec<f64>>,
    /// How often each of them was measured; once if absent.
    pub counts: Option<Vec<f64>>,
    /// Their unit.
    pub unit: Option<StandardUnit>,
    /// Seconds: 1 for high resolution, 60 otherwise.
    #[shape(range(1..))]
    pub storage_resolution: Option<i32>,
}

/// Values summed up.
#[derive(Shape, Clone)]
pub struct StatisticSet {
    /// How many.
    pub sample_count: f64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub minimum: f64,
    /// The greatest.
    pub maximum: f64,
}

impl Operation<CloudWatch> for PutMetricData {
    const META: Meta = Meta::write("PutMetricData");
    type Output = ();

    fn authorize(&self, _: &Cx, _: &mut Authz) {}

    async fn run(self, cloudwatch: &CloudWatch, cx: &Cx) -> Result<(), Error> {
        if self.entity_metric_data.is_some_and(|data| !data.is_empty()) {
            return Err(Error::not_implemented("EntityMetricData of PutMetricData"));
        }
        if self.namespace.0.starts_with("AWS/") {
            return Err(invalid_value("The value AWS/ for parameter Namespace is invalid."));
        }
        let data = self.metric_data.filter(|data| !data.is_empty());
        let data = data.ok_or_else(|| missing("MetricData"))?;
        if data.len() > DATA_MAX {
            let message = format!("The collection MetricData must not have a size greater than {DATA_MAX}.");
            return Err(invalid_value(message));
        }
        let place = |at: usize| format!("MetricData.member.{}", at + 1);
        let additions: Result<Vec<Addition>, Error> = data
            .into_iter()
            .enumerate()
            .map(|(at, datum)| datum.into_addition(cx, &self.namespace.0, &place(at)))
            .collect();
        cloudwatch.add(additions?).await
    }
}

impl CloudWatch {
    /// Adds values; they survive the end of the process when this returns.
    pub(in crate::metrics) async fn add(&self, additions: Vec<Addition>) -> Result<(), Error> {
        let additions = Arc::new(additions);
        let outcome: Result<(), Refused> = self
            .store
            .transact_with(Durability::Buffered, move |tx| additions.iter().try_for_each(|a| records::add(tx, a)))
            .await;
        outcome.map_err(|refused| match refused {
            Refused::TooMany => {
                let message = format!("The maximum number of metrics ({METRICS_MAX}) has been reached.");
                Error::new(400, "LimitExceededFault", message).with_query_code("LimitExceeded")
            }
            Refused::Store(error) => store_failed(error),
        })
    }
}

impl MetricDatum {
    fn into_addition(self, cx: &Cx, namespace: &str, place: &str) -> Result<Addition, Error> {
        let bucket = self.bucket(place)?;
        let now = cx.now();
        let at = self.timestamp.unwrap_or(now);
        check_time(at, now, place)?;
        let resolution_secs = match self.storage_resolution {
            Some(1) => 1,
            None | Some(60) => 60,
            Some(_) => {
                let message = format!("The parameter {place}.StorageResolution must be either 1 or 60.");
                return Err(invalid_value(message));
            }
        };
        let dimensions = sorted(self.dimensions.as_deref().unwrap_or_default(), place)?;
        Ok(Addition {
            name: Name {
                account: cx.account,
                region: cx.region.clone(),
                namespace: namespace.to_owned(),
                metric: self.metric_name.0,
                dimensions,
            },
            unit: self.unit.unwrap_or(StandardUnit::None).text(),
            resolution_secs,
            start_secs: at.secs().div_euclid(resolution_secs as i64) * resolution_secs as i64,
            bucket,
        })
    }

    fn bucket(&self, place: &str) -> Result<Bucket, Error> {
        let given = [("Value", self.value.is_some()), ("Values", self.values.is_some())];
        let set = ("StatisticValues", self.statistic_values.is_some());
        let given: Vec<&str> = given.into_iter().chain([set]).filter(|(_, is)| *is).map(|(name, _)| name).collect();
        if let [first, second, ..] = given[..] {
            return Err(invalid_combination(format!(
                "The parameters {place}.{first} and {place}.{second} are mutually exclusive and you have specified both."
            )));
        }
        match (self.value, &self.values, &self.statistic_values) {
            (Some(value), ..) => Ok(Bucket::of(checked(value, place, "Value")?, 1.0)),
            (_, Some(values), _) => self.bucket_of_values(values, place),
            (.., Some(set)) => bucket_of_set(set, place),
            _ => Err(missing_parameter(format!(
                "At least one of the parameters {place}.Value, {place}.Values or {place}.StatisticValues must be \
                 specified."
            ))),
        }
    }

    fn bucket_of_values(&self, values: &[f64], place: &str) -> Result<Bucket, Error> {
        if values.is_empty() || values.len() > VALUES_MAX {
            return Err(invalid_value(format!(
                "The collection {place}.Values must not have a size less than 1 or greater than {VALUES_MAX}."
            )));
        }
        let counts = self.counts.as_deref();
        if counts.is_some_and(|counts| counts.len() != values.len()) {
            return Err(invalid_value(format!(
                "The parameters {place}.Values and {place}.Counts must be of the same size."
            )));
        }
        let mut bucket = Bucket::default();
        for (at, value) in values.iter().enumerate() {
            let count = counts.map_or(1.0, |counts| counts[at]);
            let value = checked(*value, place, &format!("Values.member.{}", at + 1))?;
            if !(count > 0.0 && count <= value_max()) {
                return Err(out_of_range(count, place, &format!("Counts.member.{}", at + 1)));
            }
            bucket.add(value, count);
        }
        Ok(bucket)
    }
}

fn bucket_of_set(set: &StatisticSet, place: &str) -> Result<Bucket, Error> {
    for (name, value) in [("Sum", set.sum), ("Minimum", set.minimum), ("Maximum", set.maximum)] {
        checked(value, place, &format!("StatisticValues.{name}"))?;
    }
    if !(set.sample_count > 0.0 && set.sample_count <= value_max()) {
        return Err(out_of_range(set.sample_count, place, "StatisticValues.SampleCount"));
    }
    if set.minimum > set.maximum {
        return Err(invalid_combination(format!(
            "The parameter {place}.StatisticValues.Minimum must not be greater than {place}.StatisticValues.Maximum."
        )));
    }
    Ok(Bucket::of_set(set.sum, set.minimum, set.maximum, set.sample_count))
}

fn checked(value: f64, place: &str, member: &str) -> Result<f64, Error> {
    if value.is_finite() && value.abs() <= value_max() { Ok(value) } else { Err(out_of_range(value, place, member)) }
}

fn out_of_range(value: f64, place: &str, member: &str) -> Error {
    invalid_value(format!("The value {value} for parameter {place}.{member} is invalid."))
}

fn check_time(at: Timestamp, now: Timestamp, place: &str) -> Result<(), Error> {
    let age_ms = now.millis() - at.millis();
    if age_ms > PAST_MS_MAX {
        let words = "must specify a time no more than two weeks in the past.";
        return Err(invalid_value(format!("The parameter {place}.Timestamp {words}")));
    }
    if age_ms < -FUTURE_MS_MAX {
        let words = "must specify a time no more than two hours in the future.";
        return Err(invalid_value(format!("The parameter {place}.Timestamp {words}")));
    }
    Ok(())
}
