//! Condition operators: their names, what they accept in a document, and when they hold.

use base::Timestamp;

use crate::context::Context;
use crate::operand::{Cidr, date, number};
use crate::pattern::{Pattern, Reading, Resolved};

/// One operator over one key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    quantifier: Quantifier,
    if_exists: bool,
    negated: bool,
    key: String,
    test: Test,
}

/// How the values of a key with many values are taken together.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Quantifier {
    One,
    ForAllValues,
    ForAnyValue,
}

/// What is compared, with the document's values.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    Text { patterns: Vec<Pattern>, ignore_case: bool },
    Arn(Vec<Pattern>),
    Number(Order, Vec<f64>),
    Date(Order, Vec<Timestamp>),
    Bool(Vec<bool>),
    Binary(Vec<String>),
    Ip(Vec<Cidr>),
    Null(Vec<bool>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

impl Order {
    fn holds<T: PartialOrd>(self, given: &T, wanted: &T) -> bool {
        match self {
            Order::Equals => given == wanted,
            Order::LessThan => given < wanted,
            Order::LessThanEquals => given <= wanted,
            Order::GreaterThan => given > wanted,
            Order::GreaterThanEquals => given >= wanted,
        }
    }

    /// `Equals`, `NotEquals`, `LessThan`, … and whether it is negated.
    fn parse(name: &str) -> Option<(Order, bool)> {
        Some(match name {
            "Equals" => (Order::Equals, false),
            "NotEquals" => (Order::Equals, true),
            "LessThan" => (Order::LessThan, false),
            "LessThanEquals" => (Order::LessThanEquals, false),
            "GreaterThan" => (Order::GreaterThan, false),
            "GreaterThanEquals" => (Order::GreaterThanEquals, false),
            _ => return None,
        })
    }
}

impl Condition {
    /// Reads one operator; `None` if there is no such operator or a value is not of its kind.
    pub(crate) fn parse(operator: &str, key: &str, values: &[String], variables: bool) -> Option<Condition> {
        let (quantifier, rest) = match operator.split_once(':') {
            None => (Quantifier::One, operator),
            Some(("ForAllValues", rest)) => (Quantifier::ForAllValues, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::ForAnyValue, rest),
            Some(_) => return None,
        };
        let name = rest.strip_suffix("IfExists").unwrap_or(rest);
        let (test, negated) = Test::parse(name, values, variables)?;
        let if_exists = name.len() != rest.len();
        // Null asks whether the key exists: it has no other form.
        let plain = quantifier == Quantifier::One && !if_exists;
        if matches!(test, Test::Null(_)) && !plain {
            return None;
        }
        Some(Condition { quantifier, if_exists, negated, key: key.to_owned(), test })
    }

    /// Whether the condition holds for a request.
    pub(crate) fn holds(&self, context: &Context) -> bool {
        let values = context.values(&self.key);
        if let Test::Null(wanted) = &self.test {
            return wanted.contains(&values.is_empty());
        }
        if values.is_empty() {
            return match self.quantifier {
                Quantifier::ForAllValues => true,
                _ if self.if_exists => true,
                Quantifier::ForAnyValue => false,
                // "Not equal to" is true of what is not there.
                Quantifier::One => self.negated,
            };
        }
        let one = |value: &String| match self.test.matches(value, context) {
            Match::Unknowable => false,
            Match::Yes => !self.negated,
            Match::No => self.negated,
        };
        match self.quantifier {
            Quantifier::ForAnyValue => values.iter().any(one),
            // Several values without a quantifier: as AWS does, one suffices, and a negation must hold for all.
            Quantifier::One if !self.negated => values.iter().any(one),
            Quantifier::ForAllValues | Quantifier::One => values.iter().all(one),
        }
    }
}

/// The outcome of one value against all of a document's.
enum Match {
    Yes,
    No,
    /// The value is not of the operator's kind, or a variable has no value: neither the test nor its negation holds.
    Unknowable,
}

impl Test {
    fn parse(name: &str, values: &[String], variables: bool) -> Option<(Test, bool)> {
        if let Some(order) = name.strip_prefix("Numeric") {
            let (order, negated) = Order::parse(order)?;
            return Some((Test::Number(order, all(values, number)?), negated));
        }
        if let Some(order) = name.strip_prefix("Date") {
            let (order, negated) = Order::parse(order)?;
            return Some((Test::Date(order, all(values, date)?), negated));
        }
        let text = |wildcards, ignore_case| {
            let patterns = all(values, |v| Pattern::parse(v, Reading { wildcards, variables }))?;
            Some(Test::Text { patterns, ignore_case })
        };
        let arn = || all(values, |v| Pattern::parse(v, Reading { wildcards: true, variables })).map(Test::Arn);
        let ip = || all(values, Cidr::parse).map(Test::Ip);
        Some(match name {
            "StringEquals" => (text(false, false)?, false),
            "StringNotEquals" => (text(false, false)?, true),
            "StringEqualsIgnoreCase" => (text(false, true)?, false),
            "StringNotEqualsIgnoreCase" => (text(false, true)?, true),
            "StringLike" => (text(true, false)?, false),
            "StringNotLike" => (text(true, false)?, true),
            // AWS treats the two as one.
            "ArnEquals" | "ArnLike" => (arn()?, false),
            "ArnNotEquals" | "ArnNotLike" => (arn()?, true),
            "Bool" => (Test::Bool(all(values, boolean)?), false),
            "BinaryEquals" => (Test::Binary(all(values, base64)?), false),
            "IpAddress" => (ip()?, false),
            "NotIpAddress" => (ip()?, true),
            "Null" => (Test::Null(all(values, boolean)?), false),
            _ => return None,
        })
    }

    fn matches(&self, given: &str, context: &Context) -> Match {
        match self {
            Test::Text { patterns, ignore_case: false } => any_pattern(patterns, context, |p| p.matches(given)),
            Test::Text { patterns, ignore_case: true } => {
                let given = given.to_lowercase();
                any_pattern(patterns, context, |p| p.ignoring_case().matches(&given))
            }
            Test::Arn(patterns) => any_pattern(patterns, context, |p| p.matches_arn(given)),
            Test::Number(order, wanted) => any(number(given), wanted, |given, wanted| order.holds(given, wanted)),
            Test::Date(order, wanted) => any(date(given), wanted, |given, wanted| order.holds(given, wanted)),
            Test::Bool(wanted) => any(boolean(given), wanted, |given, wanted| given == wanted),
            Test::Binary(wanted) => any(Some(given.to_owned()), wanted, |given, wanted| given == wanted),
            Test::Ip(wanted) => any(given.parse().ok(), wanted, |given, wanted| wanted.contains(*given)),
            Test::Null(_) => Match::Unknowable,
        }
    }
}

fn any_pattern(patterns: &[Pattern], context: &Context, test: impl Fn(Resolved) -> bool) -> Match {
    let mut unknowable = false;
    for pattern in patterns {
        match pattern.resolve(context) {
            None => unknowable = true,
            Some(resolved) => {
                if test(resolved) {
                    return Match::Yes;
                }
            }
        }
    }
    if unknowable { Match::Unknowable } else { Match::No }
}

fn any<G, W>(given: Option<G>, wanted: &[W], test: impl Fn(&G, &W) -> bool) -> Match {
    match given {
        None => Match::Unknowable,
        Some(given) if wanted.iter().any(|w| test(&given, w)) => Match::Yes,
        Some(_) => Match::No,
    }
}

fn all<T>(values: &[String], parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    values.iter().map(|v| parse(v)).collect()
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Base64 is compared as text: its canonical form is the same exactly if the bytes are.
fn base64(text: &str) -> Option<String> {
    let digits = text.trim_end_matches('=');
    let plain = digits.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    (plain && text.len().is_multiple_of(4) && text.len() - digits.len() <= 2).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Condition;
    use crate::Context;

    fn holds(operator: &str, wanted: &[&str], given: &[&str]) -> bool {
        let wanted: Vec<String> = wanted.iter().map(|v| (*v).to_owned()).collect();
        let mut context = Context::new();
        if !given.is_empty() {
            context.set_many("k:Key", given.iter().map(|v| (*v).to_owned()));
        }
        context.set("aws:username", "Ann");
        Condition::parse(operator, "K:key", &wanted, true).expect(operator).holds(&context)
    }

    #[test]
    fn operators_hold() {
        for (operator, wanted, given) in [
            ("StringEquals", "a", "a"),
            ("StringEquals", "${aws:username}", "Ann"),
            ("StringEquals", "a*", "a*"),
            ("StringNotEquals", "a", "b"),
            ("StringEqualsIgnoreCase", "äB", "Äb"),
            ("StringNotEqualsIgnoreCase", "ab", "c"),
            ("StringLike", "a*", "abc"),
            ("StringNotLike", "a*", "bc"),
            ("NumericEquals", "10", "1e1"),
            ("NumericNotEquals", "10", "11"),
            ("NumericLessThan", "10", "9.5"),
            ("NumericLessThanEquals", "10", "10"),
            ("NumericGreaterThan", "-1", "0"),
            ("NumericGreaterThanEquals", "5", "5"),
            ("DateEquals", "2026-11-22T00:00:00Z", "1795305600"),
            ("DateNotEquals", "2026-11-22", "2026-11-23"),
            ("DateLessThan", "2026-11-22", "2026-11-21T23:59:59Z"),
            ("DateGreaterThanEquals", "2026-11-22", "2026-11-22"),
            ("Bool", "true", "True"),
            ("BinaryEquals", "QmluYXJ5", "QmluYXJ5"),
            ("IpAddress", "203.0.113.0/24", "203.0.113.7"),
            ("NotIpAddress", "203.0.113.0/24", "198.51.100.1"),
            ("ArnLike", "arn:aws:s3:::*", "arn:aws:s3:::bucket"),
            ("ArnEquals", "arn:aws:sns:*:*:t", "arn:aws:sns:r:1:t"),
            ("ArnNotLike", "arn:aws:sns:*:*:t", "arn:aws:sns:r:1:u"),
            ("Null", "false", "x"),
        ] {
            assert!(holds(operator, &[wanted], &[given]), "{operator} {wanted} {given}");
        }
    }

    #[test]
    fn operators_fail() {
        for (operator, wanted, given) in [
            ("StringEquals", "a", "A"),
            ("StringEquals", "a*", "ab"),
            ("StringEquals", "${aws:absent}", "${aws:absent}"),
            ("StringNotEquals", "${aws:absent}", "x"),
            ("StringNotLike", "a*", "ab"),
            ("NumericEquals", "10", "ten"),
            ("NumericNotEquals", "10", "ten"),
            ("NumericLessThan", "10", "10"),
            ("DateLessThan", "2026-11-22", "2026-11-22"),
            ("Bool", "true", "false"),
            ("Bool", "true", "yes"),
            ("BinaryEquals", "QmluYXJ5", "QmluYXJ6"),
            ("IpAddress", "203.0.113.0/24", "203.0.114.7"),
            ("IpAddress", "203.0.113.0/24", "nowhere"),
            ("NotIpAddress", "203.0.113.0/24", "203.0.113.7"),
            ("ArnLike", "arn:aws:s3:*", "arn:aws:s3:::bucket"),
            ("Null", "true", "x"),
        ] {
            assert!(!holds(operator, &[wanted], &[given]), "{operator} {wanted} {given}");
        }
    }

    #[test]
    fn absent_keys() {
        for (operator, expected) in [
            ("StringEquals", false),
            ("StringNotEquals", true),
            ("StringEqualsIfExists", true),
            ("StringNotEqualsIfExists", true),
            ("ForAllValues:StringEquals", true),
            ("ForAnyValue:StringEquals", false),
            ("ForAnyValue:StringNotEquals", false),
            ("ForAnyValue:StringEqualsIfExists", true),
        ] {
            assert_eq!(holds(operator, &["a"], &[]), expected, "{operator}");
        }
        assert!(holds("Null", &["true"], &[]));
        assert!(!holds("Null", &["false"], &[]));
    }

    #[test]
    fn many_values() {
        for (operator, given, expected) in [
            ("StringEquals", &["b", "x"][..], true),
            ("StringNotEquals", &["x", "b"], false),
            ("ForAllValues:StringEquals", &["a", "b"], true),
            ("ForAllValues:StringEquals", &["a", "x"], false),
            ("ForAnyValue:StringEquals", &["x", "b"], true),
            ("ForAnyValue:StringEquals", &["x", "y"], false),
            ("ForAllValues:StringNotEquals", &["x", "y"], true),
            ("ForAllValues:StringNotEquals", &["x", "a"], false),
            ("ForAnyValue:StringNotEquals", &["x", "a"], true),
            ("ForAnyValue:StringNotEquals", &["a", "b"], false),
        ] {
            assert_eq!(holds(operator, &["a", "b"], given), expected, "{operator} {given:?}");
        }
    }

    #[test]
    fn nonsense_is_no_condition() {
        for (operator, value) in [
            ("StringSame", "a"),
            ("stringequals", "a"),
            ("ForSome:StringEquals", "a"),
            ("NullIfExists", "true"),
            ("Null", "maybe"),
            ("Bool", "1"),
            ("NumericEquals", "ten"),
            ("DateEquals", "soon"),
            ("IpAddress", "10.0.0.0/99"),
            ("BinaryEquals", "?"),
            ("StringLike", "${"),
        ] {
            assert_eq!(Condition::parse(operator, "k:k", &[value.to_owned()], true), None, "{operator}");
        }
    }
}
