//! The functions of metric math.

use std::collections::BTreeMap;

use base::Error;

use super::evaluate::{Context, binary, map};
use super::{Term, TimeSeries, in_expression};

/// Functions that AWS has and we do not.
const NOT_YET: &[&str] = &[
    "ANOMALY_DETECTION_BAND",
    "DB_PERF_INSIGHTS",
    "INSIGHT_RULE_METRIC",
    "LAMBDA",
    "SEARCH",
    "SERVICE_QUOTA",
    "SLICE",
    "SORT",
];

pub(super) fn call(name: &str, arguments: Vec<Term>, context: &Context<'_>) -> Result<Term, Error> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().ok_or_else(|| in_expression(format!("{name} needs more arguments")));
    let result = match name {
        "SUM" => aggregate(next()?, |values| values.iter().sum())?,
        "AVG" => aggregate(next()?, mean)?,
        "MIN" => aggregate(next()?, |values| values.iter().copied().fold(f64::INFINITY, f64::min))?,
        "MAX" => aggregate(next()?, |values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max))?,
        "STDDEV" => aggregate(next()?, deviation)?,
        "DATAPOINT_COUNT" => aggregate(next()?, |values| values.len() as f64)?,
        "FIRST" | "LAST" => one_of(next()?, name == "FIRST")?,
        "METRICS" => metrics(arguments.next(), context)?,
        "ABS" => map(next()?, |value| Some(value.abs()))?,
        "CEIL" => map(next()?, |value| Some(value.ceil()))?,
        "FLOOR" => map(next()?, |value| Some(value.floor()))?,
        "LOG" => map(next()?, |value| Some(value.ln()).filter(|v| v.is_finite()))?,
        "LOG10" => map(next()?, |value| Some(value.log10()).filter(|v| v.is_finite()))?,
        "RATE" => over_time(next()?, |(at, value), (before, old)| (value - old) / (at - before) as f64)?,
        "DIFF" => over_time(next()?, |(_, value), (_, old)| value - old)?,
        "DIFF_TIME" => over_time(next()?, |(at, _), (before, _)| (at - before) as f64)?,
        "RUNNING_SUM" => running_sum(next()?)?,
        "FILL" => fill(next()?, next()?, context)?,
        "IF" => {
            let (condition, then) = (next()?, next()?);
            choose(condition, then, arguments.next(), context)?
        }
        "PERIOD" => match next()? {
            Term::Series(series) => Term::Number(series.period_secs as f64),
            _ => return Err(in_expression("PERIOD takes a time series")),
        },
        "TIME_SERIES" => match next()? {
            Term::Number(number) => Term::Series(constant(number, context)),
            _ => return Err(in_expression("TIME_SERIES takes a number")),
        },
        "REMOVE_EMPTY" => match next()? {
            Term::Array(many) => Term::Array(many.into_iter().filter(|s| !s.points.is_empty()).collect()),
            other => other,
        },
        other if NOT_YET.contains(&other) => {
            return Err(Error::not_implemented(format!("the metric math function {other}")));
        }
        other => return Err(in_expression(format!("there is no function {other}"))),
    };
    match arguments.next() {
        None => Ok(result),
        Some(_) => Err(in_expression(format!("{name} has too many arguments"))),
    }
}

/// One series becomes a number, several become one series, period by period.
fn aggregate(term: Term, join: impl Fn(&[f64]) -> f64) -> Result<Term, Error> {
    match term {
        Term::Series(series) => {
            let values: Vec<f64> = series.points.into_values().collect();
            Ok(Term::Number(if values.is_empty() { 0.0 } else { join(&values) }))
        }
        Term::Array(many) => {
            let mut together: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
            let period_secs = many.first().map_or(60, |series| series.period_secs);
            for (at, value) in many.into_iter().flat_map(|series| series.points) {
                together.entry(at).or_default().push(value);
            }
            let points = together.into_iter().map(|(at, values)| (at, join(&values))).collect();
            Ok(Term::Series(TimeSeries { label: String::new(), period_secs, points }))
        }
        Term::Number(_) | Term::Text(_) => Err(in_expression("a time series or an array of them is needed")),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// The first or last series of an array.
fn one_of(term: Term, first: bool) -> Result<Term, Error> {
    let Term::Array(mut many) = term else { return Err(in_expression("FIRST and LAST take an array")) };
    let found = if first { (!many.is_empty()).then(|| many.swap_remove(0)) } else { many.pop() };
    found.map(Term::Series).ok_or_else(|| in_expression("the array is empty"))
}

/// All metrics of the request whose ids contain a text.
fn metrics(filter: Option<Term>, context: &Context<'_>) -> Result<Term, Error> {
    let text = match filter {
        None => String::new(),
        Some(Term::Text(text)) => text,
        Some(_) => return Err(in_expression("METRICS takes a text")),
    };
    let wanted = context.metrics.iter().filter(|id| id.contains(&text));
    let series = wanted.filter_map(|id| match context.results.get(*id) {
        Some(Term::Series(series)) => Some(series.clone()),
        _ => None,
    });
    Ok(Term::Array(series.collect()))
}

/// Each value with the one before it; the first has none.
fn over_time(term: Term, join: impl Fn((i64, f64), (i64, f64)) -> f64) -> Result<Term, Error> {
    each(term, |series| {
        let points: Vec<(i64, f64)> = series.points.into_iter().collect();
        let points = points.windows(2).map(|pair| (pair[1].0, join(pair[1], pair[0]))).collect();
        TimeSeries { points, ..series }
    })
}

fn running_sum(term: Term) -> Result<Term, Error> {
    each(term, |mut series| {
        let mut sum = 0.0;
        for value in series.points.values_mut() {
            sum += *value;
            *value = sum;
        }
        series
    })
}

/// Periods without a value get one: a number, the one before, or one on the line between its neighbours.
fn fill(term: Term, filling: Term, context: &Context<'_>) -> Result<Term, Error> {
    let starts: Vec<i64> = context.span.starts().collect();
    let value = |series: &TimeSeries, at: i64| {
        let before = || series.points.range(..at).next_back();
        match &filling {
            Term::Number(number) => Some(*number),
            Term::Series(other) => other.points.get(&at).copied(),
            Term::Text(text) if text == "REPEAT" => before().map(|(_, value)| *value),
            Term::Text(_) => {
                let ((from, old), (to, new)) = (before()?, series.points.range(at..).next()?);
                Some(old + (new - old) * (at - from) as f64 / (to - from) as f64)
            }
            Term::Array(_) => None,
        }
    };
    match &filling {
        Term::Array(_) => return Err(in_expression("FILL fills with a number, a time series, REPEAT or LINEAR")),
        Term::Text(text) if text != "REPEAT" && text != "LINEAR" => {
            return Err(in_expression(format!("FILL does not know '{text}'")));
        }
        _ => {}
    }
    each(term, |series| {
        let known = |at: &i64| Some((*at, series.points.get(at).copied().or_else(|| value(&series, *at))?));
        TimeSeries { points: starts.iter().filter_map(known).collect(), ..series.clone() }
    })
}

/// Where the condition is not zero the one, else the other; where there is no other, nothing.
fn choose(condition: Term, then: Term, otherwise: Option<Term>, context: &Context<'_>) -> Result<Term, Error> {
    let Term::Series(condition) = condition else {
        return match condition {
            Term::Number(number) if number != 0.0 => Ok(then),
            Term::Number(_) => Ok(otherwise.unwrap_or_else(|| {
                Term::Series(TimeSeries { period_secs: context.span.period_secs, ..TimeSeries::default() })
            })),
            _ => Err(in_expression("IF needs a time series or a number as its condition")),
        };
    };
    let where_it = |holds: bool| {
        let points = condition.points.iter().filter(|(_, value)| (**value != 0.0) == holds);
        Term::Series(TimeSeries { points: points.map(|(at, value)| (*at, *value)).collect(), ..condition.clone() })
    };
    let Term::Series(mut chosen) = binary(where_it(true), then, |_, value| Some(value))? else {
        return Err(in_expression("IF takes no arrays"));
    };
    if let Some(otherwise) = otherwise {
        let Term::Series(other) = binary(where_it(false), otherwise, |_, value| Some(value))? else {
            return Err(in_expression("IF takes no arrays"));
        };
        chosen.points.extend(other.points);
    }
    Ok(Term::Series(chosen))
}

/// The same value in every period.
fn constant(number: f64, context: &Context<'_>) -> TimeSeries {
    let points = context.span.starts().map(|at| (at, number)).collect();
    TimeSeries { label: String::new(), period_secs: context.span.period_secs, points }
}

fn each(term: Term, change: impl Fn(TimeSeries) -> TimeSeries) -> Result<Term, Error> {
    match term {
        Term::Series(series) => Ok(Term::Series(change(series))),
        Term::Array(many) => Ok(Term::Array(many.into_iter().map(change).collect())),
        Term::Number(_) | Term::Text(_) => Err(in_expression("a time series is needed")),
    }
}
