//! The queries of GetMetricData (and of alarms): checked, put in order, worked out.

use std::collections::{BTreeMap, HashSet};

use base::{Cx, Error, Timestamp};
use store::Snapshot;

use super::CloudWatch;
use super::error::{invalid_value, missing, store_failed, validation};
use super::math::{self, Context, Expression, Term, TimeSeries};
use super::operations::{MetricDataQuery, MetricStat, StandardUnit, check_period};
use super::read::{Span, read};
use super::statistic::Statistic;

/// Queries of one request; AWS's number.
const QUERIES_MAX: usize = 500;
/// Periods that one query may span: values are worked out in memory.
const PERIODS_MAX: i64 = 100_800;

/// Whose values are shown of a metric with several units, if none is asked for: the first of these. AWS's order.
const UNITS_IN_ORDER: &[&str] = &[
    "Megabits",
    "Terabits",
    "Gigabits",
    "Count",
    "Bytes",
    "Gigabytes",
    "Gigabytes/Second",
    "Kilobytes",
    "Kilobits/Second",
    "Terabytes",
    "Terabits/Second",
    "Bytes/Second",
    "Percent",
    "Megabytes",
    "Megabits/Second",
    "Milliseconds",
    "Microseconds",
    "Kilobytes/Second",
    "Gigabits/Second",
    "Megabytes/Second",
    "Bits",
    "Bits/Second",
    "Count/Second",
    "Seconds",
    "Kilobits",
    "Terabytes/Second",
    "None",
];

/// A query that has been checked.
struct Query<'a> {
    query: &'a MetricDataQuery,
    work: Work<'a>,
}

enum Work<'a> {
    Metric(&'a MetricStat, Statistic),
    Expression(Expression),
}

/// What a query has brought.
pub(super) struct Answer {
    /// The query's.
    pub(super) id: String,
    pub(super) series: TimeSeries,
    /// The metric has values of these units, of which `series` shows one; none if there is only one.
    pub(super) units: Vec<String>,
}

/// The results that are wanted, in the order of the queries; an expression may have several.
pub(super) async fn run(
    cloudwatch: &CloudWatch,
    cx: &Cx,
    queries: &[MetricDataQuery],
    (start, end): (Timestamp, Timestamp),
) -> Result<Vec<Answer>, Error> {
    let checked = check(cx, queries)?;
    cloudwatch.flush().await;
    let snapshot = cloudwatch.store.snapshot().map_err(store_failed)?;
    let mut results: BTreeMap<String, Term> = BTreeMap::new();
    let mut units = BTreeMap::new();
    for Query { query, work } in &checked {
        if let Work::Metric(metric, statistic) = work {
            let span = span(start, end, metric.period, cx.now())?;
            let (points, several) = fetch(&snapshot, cx, query, metric, statistic, span).await?;
            let label = query.label.clone().unwrap_or_else(|| default_label(metric, queries));
            let series = TimeSeries { label, period_secs: span.period_secs, points };
            results.insert(query.id.clone(), Term::Series(series));
            units.insert(&query.id, several);
        }
    }
    for Ordered { query, expression } in in_order(&checked)? {
        let period = period(query, expression, &checked, &results);
        let context =
            Context { results: &results, metrics: metric_ids(&checked), span: span(start, end, period, cx.now())? };
        let term = math::evaluate(expression, &context)?;
        results.insert(query.id.clone(), named(term, query)?);
    }
    let wanted = queries.iter().filter(|query| query.return_data != Some(false));
    let answers = |query: &MetricDataQuery| {
        let units = units.remove(&query.id).unwrap_or_default();
        let answer = |series| Answer { id: query.id.clone(), series, units: units.clone() };
        series_of(&query.id, &results).into_iter().map(answer).collect::<Vec<_>>()
    };
    Ok(wanted.flat_map(answers).collect())
}

/// An expression and its query.
struct Ordered<'a> {
    query: &'a MetricDataQuery,
    expression: &'a Expression,
}

fn check<'a>(cx: &Cx, queries: &'a [MetricDataQuery]) -> Result<Vec<Query<'a>>, Error> {
    if queries.is_empty() {
        return Err(missing("MetricDataQueries"));
    }
    if queries.len() > QUERIES_MAX {
        let message = format!("The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}.");
        return Err(invalid_value(message));
    }
    if queries.iter().all(|query| query.return_data == Some(false)) {
        return Err(validation("At least one element in MetricDataQueries must have ReturnData set to true."));
    }
    let mut seen = HashSet::new();
    let one = |(at, query): (usize, &'a MetricDataQuery)| {
        let place = format!("MetricDataQueries.member.{}", at + 1);
        if !is_id(&query.id) {
            return Err(invalid_value(format!("The value {} for parameter {place}.Id is invalid.", query.id)));
        }
        if !seen.insert(&query.id) {
            return Err(validation(format!(
                "The values for parameter id in MetricDataQueries are not unique: {}",
                query.id
            )));
        }
        if query.label.as_ref().is_some_and(|label| label.contains("${")) {
            return Err(Error::not_implemented("a dynamic label in GetMetricData"));
        }
        if query.account_id.as_deref().is_some_and(|account| account != cx.account.as_str()) {
            return Err(Error::not_implemented("metrics of other accounts in GetMetricData"));
        }
        Ok(Query { query, work: work(query, &place)? })
    };
    queries.iter().enumerate().map(one).collect()
}

fn work<'a>(query: &'a MetricDataQuery, place: &str) -> Result<Work<'a>, Error> {
    match (&query.metric_stat, &query.expression) {
        (Some(metric), None) => {
            check_period(metric.period, &format!("{place}.MetricStat.Period"))?;
            let unknown = || {
                invalid_value(format!(
                    "The value {} for parameter {place}.MetricStat.Stat is not supported.",
                    metric.stat
                ))
            };
            Ok(Work::Metric(metric, Statistic::parse(&metric.stat).ok_or_else(unknown)?))
        }
        (None, Some(expression)) => {
            if let Some(period) = query.period {
                check_period(period, &format!("{place}.Period"))?;
            }
            Ok(Work::Expression(math::parse(expression)?))
        }
        (None, None) => Err(validation(format!("The parameter {place}.MetricStat is required.\n"))),
        (Some(_), Some(_)) => {
            Err(validation(format!("The parameter {place} must have exactly one of MetricStat and Expression.")))
        }
    }
}

/// AWS: begins with a lower-case letter, then letters, digits and underscores.
fn is_id(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_lowercase()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn span(start: Timestamp, end: Timestamp, period_secs: i32, now: Timestamp) -> Result<Span, Error> {
    let span = Span::new(start, end, i64::from(period_secs), now);
    match span.periods() {
        0..=PERIODS_MAX => Ok(span),
        periods => Err(validation(format!("The request spans {periods} periods; {PERIODS_MAX} are allowed."))),
    }
}

/// The values of a metric, and the units that it has if there are several.
async fn fetch(
    snapshot: &Snapshot,
    cx: &Cx,
    query: &MetricDataQuery,
    metric: &MetricStat,
    statistic: &Statistic,
    span: Span,
) -> Result<(BTreeMap<i64, f64>, Vec<String>), Error> {
    let name = metric.metric.full_name(cx, &format!("MetricDataQueries[{}].MetricStat.Metric", query.id))?;
    let unit = metric.unit.map(StandardUnit::text);
    let mut read = read(snapshot, &name, unit.as_deref(), span).await.map_err(store_failed)?;
    let units = if read.len() > 1 { read.keys().cloned().collect() } else { Vec::new() };
    let first = UNITS_IN_ORDER.iter().find_map(|unit| read.remove(*unit)).unwrap_or_default();
    Ok((first.iter().filter_map(|(at, bucket)| Some((*at, statistic.of(bucket)?))).collect(), units))
}

/// What a metric's values are called that were given no label: its name, and in what it differs from others asked for.
fn default_label(metric: &MetricStat, queries: &[MetricDataQuery]) -> String {
    let mut label = metric.metric.metric_name.as_ref().map_or_else(String::new, |name| name.0.clone());
    let others = || queries.iter().filter_map(|query| query.metric_stat.as_ref());
    if others().any(|other| other.stat != metric.stat) {
        label.push_str(&format!(" {}", metric.stat));
    }
    if others().any(|other| other.period != metric.period) {
        label.push_str(&format!(" {}", metric.period));
    }
    label
}

fn metric_ids<'a>(queries: &'a [Query<'_>]) -> Vec<&'a str> {
    let metrics = queries.iter().filter(|query| matches!(query.work, Work::Metric(..)));
    metrics.map(|query| query.query.id.as_str()).collect()
}

/// The expressions, each after those that it refers to.
fn in_order<'a>(queries: &'a [Query<'_>]) -> Result<Vec<Ordered<'a>>, Error> {
    let mut waiting: Vec<Ordered<'_>> = queries
        .iter()
        .filter_map(|Query { query, work }| match work {
            Work::Expression(expression) => Some(Ordered { query, expression }),
            Work::Metric(..) => None,
        })
        .collect();
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let open: HashSet<&str> = waiting.iter().map(|w| w.query.id.as_str()).collect();
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|w| w.expression.ids().iter().all(|id| !open.contains(id)));
        if ready.is_empty() {
            let ids: Vec<&str> = rest.iter().map(|w| w.query.id.as_str()).collect();
            return Err(validation(format!("Circular dependency between the expressions {}", ids.join(", "))));
        }
        ordered.extend(ready);
        waiting = rest;
    }
    Ok(ordered)
}

/// An expression's period: its own, else that of what it is made of.
fn period(
    query: &MetricDataQuery,
    expression: &Expression,
    queries: &[Query<'_>],
    results: &BTreeMap<String, Term>,
) -> i32 {
    let of_result = |id: &str| match results.get(id) {
        Some(Term::Series(series)) => Some(series.period_secs),
        Some(Term::Array(many)) => many.first().map(|series| series.period_secs),
        _ => None,
    };
    let mut ids = expression.ids();
    if expression.calls("METRICS") {
        ids.extend(metric_ids(queries));
    }
    query.period.unwrap_or_else(|| ids.into_iter().filter_map(of_result).max().unwrap_or(60) as i32)
}

/// An expression's result under its label. Several series keep their own labels behind it.
fn named(term: Term, query: &MetricDataQuery) -> Result<Term, Error> {
    let label = query.label.clone().unwrap_or_else(|| query.id.clone());
    match term {
        Term::Series(series) => Ok(Term::Series(TimeSeries { label, ..series })),
        Term::Array(many) => {
            let named =
                many.into_iter().map(|series| TimeSeries { label: format!("{label} {}", series.label), ..series });
            Ok(Term::Array(named.collect()))
        }
        // Other expressions may use a number, but nobody can be shown one.
        number @ Term::Number(_) if query.return_data == Some(false) => Ok(number),
        Term::Number(_) | Term::Text(_) => Err(validation(format!(
            "Error in expression '{}': Expressions must return a time series, not a scalar",
            query.id
        ))),
    }
}

fn series_of(id: &str, results: &BTreeMap<String, Term>) -> Vec<TimeSeries> {
    match results.get(id) {
        Some(Term::Series(series)) => vec![series.clone()],
        Some(Term::Array(many)) => many.clone(),
        _ => Vec::new(),
    }
}
