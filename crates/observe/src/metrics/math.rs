//! Metric math: expressions over time series. `parse` reads them, `evaluate` works them out, `functions` has the functions.
//!
//! Not here: `SEARCH`, `ANOMALY_DETECTION_BAND`, Metrics Insights (`SELECT …`) and what else is refused by name.

mod evaluate;
mod functions;
mod parse;

use std::collections::BTreeMap;

use base::Error;

pub(super) use evaluate::{Context, evaluate};
pub(super) use parse::{Expression, parse};

use super::error::validation;

/// A metric's or an expression's values by the start of their period, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TimeSeries {
    pub(super) label: String,
    pub(super) period_secs: i64,
    pub(super) points: BTreeMap<i64, f64>,
}

/// What an expression may be worth.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Number(f64),
    Text(String),
    Series(TimeSeries),
    Array(Vec<TimeSeries>),
}

/// An error in an expression: AWS's code, and its opening.
fn in_expression(words: impl std::fmt::Display) -> Error {
    validation(format!("Error in expression: {words}"))
}
