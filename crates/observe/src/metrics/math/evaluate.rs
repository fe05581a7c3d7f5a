//! Working out a tree. Between two series, only periods that both have count.

use std::collections::BTreeMap;

use base::Error;

use super::parse::{Expression, Operator};
use super::{Term, TimeSeries, functions, in_expression};
use crate::metrics::read::Span;

/// What an expression may refer to.
pub(in crate::metrics) struct Context<'a> {
    /// The results of other queries, by id.
    pub(in crate::metrics) results: &'a BTreeMap<String, Term>,
    /// The metrics (not expressions) of the request, by id.
    pub(in crate::metrics) metrics: Vec<&'a str>,
    /// The request's span, in steps of the expression's period.
    pub(in crate::metrics) span: Span,
}

/// What an expression is worth.
pub(in crate::metrics) fn evaluate(expression: &Expression, context: &Context<'_>) -> Result<Term, Error> {
    match expression {
        Expression::Number(number) => Ok(Term::Number(*number)),
        Expression::Text(text) => Ok(Term::Text(text.clone())),
        // FILL's two words.
        Expression::Id(id) if id == "REPEAT" || id == "LINEAR" => Ok(Term::Text(id.clone())),
        Expression::Id(id) => {
            let found = context.results.get(id).cloned();
            found.ok_or_else(|| in_expression(format!("'{id}' is no id of another query")))
        }
        Expression::Array(items) => {
            let mut series = Vec::new();
            for item in items {
                match evaluate(item, context)? {
                    Term::Series(one) => series.push(one),
                    Term::Array(many) => series.extend(many),
                    _ => return Err(in_expression("an array holds time series only")),
                }
            }
            Ok(Term::Array(series))
        }
        Expression::Call(name, arguments) => {
            let arguments: Result<Vec<Term>, Error> = arguments.iter().map(|a| evaluate(a, context)).collect();
            functions::call(name, arguments?, context)
        }
        Expression::Negative(inner) => map(evaluate(inner, context)?, |value| Some(-value)),
        Expression::Binary(operator, left, right) => {
            binary(evaluate(left, context)?, evaluate(right, context)?, |a, b| apply(*operator, a, b))
        }
    }
}

/// A division by zero has no result: AWS leaves the period out.
fn apply(operator: Operator, a: f64, b: f64) -> Option<f64> {
    let truth = |is: bool| Some(f64::from(u8::from(is)));
    let result = match operator {
        Operator::Or => return truth(a != 0.0 || b != 0.0),
        Operator::And => return truth(a != 0.0 && b != 0.0),
        Operator::Equal => return truth(a == b),
        Operator::NotEqual => return truth(a != b),
        Operator::Less => return truth(a < b),
        Operator::LessOrEqual => return truth(a <= b),
        Operator::Greater => return truth(a > b),
        Operator::GreaterOrEqual => return truth(a >= b),
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::Power => a.powf(b),
    };
    result.is_finite().then_some(result)
}

/// Each value changed; what becomes of it may be nothing.
pub(super) fn map(term: Term, change: impl Fn(f64) -> Option<f64>) -> Result<Term, Error> {
    let series = |series: TimeSeries| TimeSeries {
        points: series.points.into_iter().filter_map(|(at, value)| Some((at, change(value)?))).collect(),
        ..series
    };
    match term {
        Term::Number(number) => change(number).map(Term::Number).ok_or_else(|| in_expression("a number has no result")),
        Term::Series(one) => Ok(Term::Series(series(one))),
        Term::Array(many) => Ok(Term::Array(many.into_iter().map(series).collect())),
        Term::Text(text) => Err(in_expression(format!("'{text}' is a text, not a time series"))),
    }
}

/// Two terms made one, period by period.
pub(super) fn binary(left: Term, right: Term, join: impl Fn(f64, f64) -> Option<f64>) -> Result<Term, Error> {
    match (left, right) {
        (left, Term::Number(b)) => map(left, |a| join(a, b)),
        (Term::Number(a), right) => map(right, |b| join(a, b)),
        (Term::Series(a), Term::Series(b)) => Ok(Term::Series(joined(&a, &b, &join))),
        (Term::Array(many), Term::Series(b)) => Ok(Term::Array(many.iter().map(|a| joined(a, &b, &join)).collect())),
        (Term::Series(a), Term::Array(many)) => Ok(Term::Array(many.iter().map(|b| joined(&a, b, &join)).collect())),
        (Term::Array(_), Term::Array(_)) => Err(in_expression("two arrays cannot be combined by an operator")),
        (Term::Text(text), _) | (_, Term::Text(text)) => {
            Err(in_expression(format!("'{text}' is a text, not a time series")))
        }
    }
}

fn joined(a: &TimeSeries, b: &TimeSeries, join: impl Fn(f64, f64) -> Option<f64>) -> TimeSeries {
    let both = |(at, value): (&i64, &f64)| Some((*at, join(*value, *b.points.get(at)?)?));
    TimeSeries { points: a.points.iter().filter_map(both).collect(), ..a.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn series(label: &str, points: &[(i64, f64)]) -> Term {
        let points = points.iter().map(|(minute, value)| (minute * 60, *value)).collect();
        Term::Series(TimeSeries { label: label.into(), period_secs: 60, points })
    }

    /// The values by minute of what an expression is worth over two metrics.
    fn worth(text: &str) -> Vec<Vec<(i64, f64)>> {
        let results = BTreeMap::from([
            ("errors".to_owned(), series("errors", &[(0, 1.0), (1, 0.0), (3, 5.0)])),
            ("calls".to_owned(), series("calls", &[(0, 10.0), (1, 0.0), (2, 7.0), (3, 20.0)])),
        ]);
        let span = Span { start_secs: 0, end_secs: 300, period_secs: 60 };
        let context = Context { results: &results, metrics: vec!["errors", "calls"], span };
        let shown = |series: TimeSeries| series.points.into_iter().map(|(at, value)| (at / 60, value)).collect();
        match evaluate(&parse(text).unwrap(), &context).unwrap() {
            Term::Number(number) => vec![vec![(-1, number)]],
            Term::Series(one) => vec![shown(one)],
            Term::Array(many) => many.into_iter().map(shown).collect(),
            Term::Text(_) => panic!("a text"),
        }
    }

    #[test]
    fn periods_that_one_side_lacks_or_that_divide_by_zero_are_left_out() {
        assert_eq!(worth("100 * errors / calls"), [[(0, 10.0), (3, 25.0)]]);
        assert_eq!(worth("errors + calls")[0].len(), 3);
        assert_eq!(worth("calls > 8"), [[(0, 1.0), (1, 0.0), (2, 0.0), (3, 1.0)]]);
        assert_eq!(worth("-errors"), [[(0, -1.0), (1, -0.0), (3, -5.0)]]);
        assert_eq!(worth("[errors, calls] * 2")[1], [(0, 20.0), (1, 0.0), (2, 14.0), (3, 40.0)]);
    }

    #[test]
    fn functions_of_one_series_give_a_number_and_of_several_a_series() {
        assert_eq!(worth("SUM(calls)"), [[(-1, 37.0)]]);
        assert_eq!(worth("AVG(errors)"), [[(-1, 2.0)]]);
        assert_eq!(worth("SUM(METRICS())"), [[(0, 11.0), (1, 0.0), (2, 7.0), (3, 25.0)]]);
        assert_eq!(worth("MAX([errors, calls])"), [[(0, 10.0), (1, 0.0), (2, 7.0), (3, 20.0)]]);
        assert_eq!(worth("MIN(METRICS('err'))"), [[(0, 1.0), (1, 0.0), (3, 5.0)]]);
        assert_eq!(worth("calls / SUM(calls) * 37")[0][3], (3, 20.0));
    }

    #[test]
    fn functions_over_time() {
        assert_eq!(worth("RATE(calls)")[0], [(1, -10.0 / 60.0), (2, 7.0 / 60.0), (3, 13.0 / 60.0)]);
        assert_eq!(worth("DIFF(errors)")[0], [(1, -1.0), (3, 5.0)]);
        assert_eq!(worth("RUNNING_SUM(calls)")[0][3], (3, 37.0));
        assert_eq!(worth("FILL(errors, 9)")[0], [(0, 1.0), (1, 0.0), (2, 9.0), (3, 5.0), (4, 9.0)]);
        assert_eq!(worth("FILL(errors, REPEAT)")[0], [(0, 1.0), (1, 0.0), (2, 0.0), (3, 5.0), (4, 5.0)]);
        assert_eq!(worth("FILL(errors, LINEAR)")[0], [(0, 1.0), (1, 0.0), (2, 2.5), (3, 5.0)]);
        assert_eq!(worth("IF(calls > 8, calls, 0)")[0], [(0, 10.0), (1, 0.0), (2, 0.0), (3, 20.0)]);
        assert_eq!(worth("IF(errors, calls)")[0], [(0, 10.0), (3, 20.0)]);
        assert_eq!(worth("calls / PERIOD(calls)")[0][0], (0, 10.0 / 60.0));
    }

    #[test]
    fn what_is_not_built_is_refused_by_name_and_nonsense_otherwise() {
        let results = BTreeMap::new();
        let span = Span { start_secs: 0, end_secs: 60, period_secs: 60 };
        let context = Context { results: &results, metrics: Vec::new(), span };
        let status =
            |text: &str| evaluate(&parse(text).unwrap(), &context).map_err(|e| (e.status, e.code.into_owned()));
        assert_eq!(status("SEARCH('x')"), Err((501, "NotImplemented".into())));
        for bad in ["nobody + 1", "NONSENSE(1)", "SUM()", "'text' + 1", "[1]", "RATE(1)"] {
            assert_eq!(status(bad), Err((400, "ValidationError".into())), "{bad}");
        }
    }
}
