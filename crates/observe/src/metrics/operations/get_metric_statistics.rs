//! GetMetricStatistics: one metric's values, period by period.

use std::collections::BTreeMap;

use base::{Cx, Error, Timestamp};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use super::shapes::{self, Dimension, MetricName, Namespace, StandardUnit};
use crate::metrics::CloudWatch;
use crate::metrics::bucket::Bucket;
use crate::metrics::error::{invalid_combination, invalid_value, store_failed};
use crate::metrics::read::{Span, read};
use crate::metrics::statistic;

/// Datapoints of one answer; AWS's number.
const DATAPOINTS_MAX: i64 = 1_440;

/// Gets a metric's statistics.
#[derive(Shape)]
pub struct GetMetricStatistics {
    /// Where the metric belongs.
    pub namespace: Namespace,
    /// Its name.
    pub metric_name: MetricName,
    /// Its dimensions, all of them.
    #[shape(length(0..=30))]
    pub dimensions: Option<Vec<Dimension>>,
    /// From then on.
    pub start_time: Timestamp,
    /// Before then.
    pub end_time: Timestamp,
    /// Seconds of each datapoint.
    #[shape(range(1..))]
    pub period: i32,
    /// What is wanted of each.
    #[shape(length(1..=5))]
    pub statistics: Option<Vec<Statistic>>,
    /// Percentiles and the like.
    #[shape(length(1..=10))]
    pub extended_statistics: Option<Vec<String>>,
    /// Only values of this unit.
    pub unit: Option<StandardUnit>,
}

/// A statistic.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// How many.
    SampleCount,
    /// Their mean.
    Average,
    /// Their sum.
    Sum,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
}

impl Statistic {
    pub(in crate::metrics) fn parsed(self) -> statistic::Statistic {
        match self {
            Statistic::SampleCount => statistic::Statistic::SampleCount,
            Statistic::Average => statistic::Statistic::Average,
            Statistic::Sum => statistic::Statistic::Sum,
            Statistic::Minimum => statistic::Statistic::Minimum,
            Statistic::Maximum => statistic::Statistic::Maximum,
        }
    }
}

/// A metric's values.
#[derive(Shape)]
pub struct GetMetricStatisticsResponse {
    /// The metric's name.
    pub label: Option<String>,
    /// A datapoint for each period with values.
    pub datapoints: Vec<Datapoint>,
}

/// The values of a period.
#[derive(Shape, Default)]
pub struct Datapoint {
    /// When it begins.
    pub timestamp: Option<Timestamp>,
    /// How many.
    pub sample_count: Option<f64>,
    /// Their mean.
    pub average: Option<f64>,
    /// Their sum.
    pub sum: Option<f64>,
    /// The least.
    pub minimum: Option<f64>,
    /// The greatest.
    pub maximum: Option<f64>,
    /// Their unit.
    pub unit: Option<StandardUnit>,
    /// Percentiles and the like, by name.
    pub extended_statistics: Option<BTreeMap<String, f64>>,
}

impl Operation<CloudWatch> for GetMetricStatistics {
    const META: Meta = Meta::read("GetMetricStatistics");
    type Output = GetMetricStatisticsResponse;

    fn authorize(&self, _: &Cx, _: &mut Authz) {}

    async fn run(self, cloudwatch: &CloudWatch, cx: &Cx) -> Result<GetMetricStatisticsResponse, Error> {
        let (span, extended) = (self.span(cx)?, self.extended()?);
        if self.statistics.is_none() && extended.is_empty() {
            return Err(invalid_combination("Must specify either Statistics or ExtendedStatistics"));
        }
        let metric = shapes::Metric {
            namespace: Some(self.namespace.clone()),
            metric_name: Some(self.metric_name.clone()),
            dimensions: self.dimensions.clone(),
        };
        let name = metric.full_name(cx, "")?;
        cloudwatch.flush().await;
        let snapshot = cloudwatch.store.snapshot().map_err(store_failed)?;
        let unit = self.unit.map(StandardUnit::text);
        let units = read(&snapshot, &name, unit.as_deref(), span).await.map_err(store_failed)?;
        let wanted = self.statistics.as_deref().unwrap_or_default();
        let mut datapoints = Vec::new();
        for (unit, buckets) in units {
            let unit = StandardUnit::parse(&unit);
            let point = |(start, bucket): (i64, Bucket)| datapoint(start, unit, &bucket, wanted, &extended);
            datapoints.extend(buckets.into_iter().filter_map(point));
        }
        Ok(GetMetricStatisticsResponse { label: Some(self.metric_name.0), datapoints })
    }
}

impl GetMetricStatistics {
    fn span(&self, cx: &Cx) -> Result<Span, Error> {
        check_period(self.period, "Period")?;
        if self.start_time >= self.end_time {
            return Err(invalid_value("The parameter StartTime must be less than the parameter EndTime."));
        }
        let span = Span::new(self.start_time, self.end_time, i64::from(self.period), cx.now());
        if span.periods() > DATAPOINTS_MAX {
            return Err(invalid_combination(format!(
                "You have requested up to {} datapoints, which exceeds the limit of {DATAPOINTS_MAX}. You may reduce the \
                 datapoints requested by increasing Period, or decreasing the time range.",
                span.periods()
            )));
        }
        Ok(span)
    }

    fn extended(&self) -> Result<Vec<(String, statistic::Statistic)>, Error> {
        let parse = |text: &String| {
            let statistic = statistic::Statistic::parse(text);
            let words =
                || invalid_value(format!("The value {text} for parameter ExtendedStatistics is not supported."));
            Ok((text.clone(), statistic.ok_or_else(words)?))
        };
        self.extended_statistics.iter().flatten().map(parse).collect()
    }
}

/// The periods that AWS takes.
pub(in crate::metrics) fn check_period(period_secs: i32, place: &str) -> Result<(), Error> {
    match period_secs {
        1 | 5 | 10 | 20 | 30 => Ok(()),
        period if period % 60 == 0 => Ok(()),
        _ => Err(invalid_value(format!("The parameter {place} must be 1, 5, 10, 20, 30 or a multiple of 60."))),
    }
}

/// A period as it is shown; none if nothing that is wanted is known of it.
fn datapoint(
    start_secs: i64,
    unit: Option<StandardUnit>,
    bucket: &Bucket,
    wanted: &[Statistic],
    extended: &[(String, statistic::Statistic)],
) -> Option<Datapoint> {
    let value = |which: Statistic| wanted.contains(&which).then(|| which.parsed().of(bucket)).flatten();
    let known = |(name, statistic): &(String, statistic::Statistic)| Some((name.clone(), statistic.of(bucket)?));
    let extended: BTreeMap<String, f64> = extended.iter().filter_map(known).collect();
    let is_known = !wanted.is_empty() || !extended.is_empty();
    is_known.then(|| Datapoint {
        timestamp: Some(Timestamp::from_secs(start_secs)),
        sample_count: value(Statistic::SampleCount),
        average: value(Statistic::Average),
        sum: value(Statistic::Sum),
        minimum: value(Statistic::Minimum),
        maximum: value(Statistic::Maximum),
        unit,
        extended_statistics: Some(extended).filter(|extended| !extended.is_empty()),
    })
}
