//! GetMetricData: values of many metrics, and expressions over them.

use std::cmp::Ordering;

use base::{Cx, Error, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use super::shapes::{Metric, StandardUnit};
use crate::metrics::CloudWatch;
use crate::metrics::error::{invalid_token, invalid_value, validation};
use crate::metrics::query::{self, Answer};

/// Datapoints of one answer; AWS's number.
const DATAPOINTS_MAX: usize = 100_800;

/// Gets values of metrics, or what expressions make of them.
#[derive(Shape)]
pub struct GetMetricData {
    /// What is wanted.
    pub metric_data_queries: Vec<MetricDataQuery>,
    /// From then on.
    pub start_time: Timestamp,
    /// Before then.
    pub end_time: Timestamp,
    /// Continues after an earlier page.
    pub next_token: Option<String>,
    /// The latest first, unless said otherwise.
    pub scan_by: Option<ScanBy>,
    /// At most so many datapoints.
    pub max_datapoints: Option<i32>,
    /// How labels show times; they show none here.
    pub label_options: Option<LabelOptions>,
}

/// A metric or an expression.
#[derive(Shape, Clone)]
pub struct MetricDataQuery {
    /// A name for the result, and for expressions.
    #[shape(length(1..=255))]
    pub id: String,
    /// The metric.
    pub metric_stat: Option<MetricStat>,
    /// The expression.
    #[shape(length(1..=2048))]
    pub expression: Option<String>,
    /// What the result is called.
    pub label: Option<String>,
    /// Whether the result is wanted, or only used by expressions.
    pub return_data: Option<bool>,
    /// Seconds of each datapoint of an expression.
    #[shape(range(1..))]
    pub period: Option<i32>,
    /// Whose metric it is.
    #[shape(length(1..=255))]
    pub account_id: Option<String>,
}

/// A metric's statistic.
#[derive(Shape, Clone)]
pub struct MetricStat {
    /// The metric.
    pub metric: Metric,
    /// Seconds of each datapoint.
    #[shape(range(1..))]
    pub period: i32,
    /// What is wanted of each.
    pub stat: String,
    /// Only values of this unit.
    pub unit: Option<StandardUnit>,
}

/// The order of a result's datapoints.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanBy {
    /// The latest first.
    TimestampDescending,
    /// The earliest first.
    TimestampAscending,
}

/// How labels show times.
#[derive(Shape)]
pub struct LabelOptions {
    /// `+0130`.
    pub timezone: Option<String>,
}

/// A page of results.
#[derive(Shape)]
pub struct GetMetricDataResponse {
    /// The results in the order of their queries.
    pub metric_data_results: Vec<MetricDataResult>,
    /// Continues after this page.
    pub next_token: Option<String>,
    /// What there is to say of the whole.
    pub messages: Vec<MessageData>,
}

/// A query's result. Times and values belong together one by one.
#[derive(Shape)]
pub struct MetricDataResult {
    /// The query's.
    pub id: Option<String>,
    /// What it is called.
    pub label: Option<String>,
    /// When its periods begin.
    pub timestamps: Option<Vec<Timestamp>>,
    /// Their values.
    pub values: Option<Vec<f64>>,
    /// Whether that is all.
    pub status_code: Option<StatusCode>,
    /// What there is to say of it.
    pub messages: Option<Vec<MessageData>>,
}

/// Whether a result is whole.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusCode {
    /// All of it.
    Complete,
    /// Something failed.
    InternalError,
    /// More is on the next page.
    PartialData,
    /// Not permitted.
    Forbidden,
}

/// A message.
#[derive(Shape)]
pub struct MessageData {
    /// Its kind.
    pub code: Option<String>,
    /// Its words.
    pub value: Option<String>,
}

impl Operation<CloudWatch> for GetMetricData {
    const META: Meta = Meta::read("GetMetricData");
    type Output = GetMetricDataResponse;

    fn authorize(&self, _: &Cx, _: &mut Authz) {}

    async fn run(self, cloudwatch: &CloudWatch, cx: &Cx) -> Result<GetMetricDataResponse, Error> {
        match self.start_time.cmp(&self.end_time) {
            Ordering::Less => {}
            // AWS ends some of its sentences with a line feed.
            Ordering::Equal => return Err(validation("The parameter StartTime must not equal parameter EndTime.\n")),
            Ordering::Greater => return Err(validation("The parameter EndTime must be greater than StartTime.")),
        }
        let limit = match self.max_datapoints {
            None => DATAPOINTS_MAX,
            Some(limit) => {
                usize::try_from(limit).ok().filter(|n| (1..=DATAPOINTS_MAX).contains(n)).ok_or_else(|| {
                    invalid_value(format!("The parameter MaxDatapoints must be between 1 and {DATAPOINTS_MAX}."))
                })?
            }
        };
        let skip = self.next_token.as_deref().map_or(Ok(0), place_of)?;
        let results = query::run(cloudwatch, cx, &self.metric_data_queries, (self.start_time, self.end_time)).await?;
        let descending = self.scan_by != Some(ScanBy::TimestampAscending);
        Ok(page(results, descending, skip, limit))
    }
}

/// The datapoints of all results from `skip` on, `limit` at most.
fn page(results: Vec<Answer>, descending: bool, skip: usize, limit: usize) -> GetMetricDataResponse {
    let (mut passed, mut left) = (0, limit);
    let total: usize = results.iter().map(|answer| answer.series.points.len()).sum();
    let mut shown = Vec::new();
    for Answer { id, series, units } in results {
        let count = series.points.len();
        let first = skip.saturating_sub(passed).min(count);
        passed += count;
        let here = (count - first).min(left);
        left -= here;
        let mut points: Vec<(i64, f64)> = series.points.into_iter().collect();
        if descending {
            points.reverse();
        }
        let points = &points[first..first + here];
        shown.push(MetricDataResult {
            id: Some(id),
            label: Some(series.label),
            timestamps: Some(points.iter().map(|(at, _)| Timestamp::from_secs(*at)).collect()),
            values: Some(points.iter().map(|(_, value)| *value).collect()),
            status_code: Some(if first + here == count { StatusCode::Complete } else { StatusCode::PartialData }),
            messages: (units.len() > 1).then(|| vec![multiple_units(&units)]),
        });
    }
    let next = skip + limit - left;
    let next_token = (next < total).then(|| URL_SAFE_NO_PAD.encode(next.to_string()));
    GetMetricDataResponse { metric_data_results: shown, next_token, messages: Vec::new() }
}

fn multiple_units(units: &[String]) -> MessageData {
    let words = format!("Multiple units returned: '[{}]'", units.join(", "));
    MessageData { code: Some("MultipleUnits".to_owned()), value: Some(words) }
}

fn place_of(token: &str) -> Result<usize, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let place = bytes.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    place.ok_or_else(invalid_token)
}
