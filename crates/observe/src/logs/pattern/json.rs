//! Conditions on JSON messages.

use std::collections::BTreeMap;

use serde_json::Value;

use super::scanner::Scanner;
use super::test::Test;

/// How deep conditions may nest.
const DEPTH_MAX: usize = 32;

#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    One(Selector, Check),
}

#[derive(Debug)]
pub(super) enum Check {
    Test(Test),
    IsNull,
    IsBool(bool),
    Exists,
    NotExists,
}

/// `$.a.b[0]`, with `*` for any property or element.
#[derive(Debug)]
pub(super) struct Selector {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Property(String),
    Element(usize),
    Any,
}

pub(super) fn parse(text: &str) -> Result<Condition, String> {
    let mut scanner = Scanner::new(text);
    scanner.take("{");
    let condition = any(&mut scanner, 0)?;
    scanner.skip_spaces();
    if !scanner.take("}") || !scanner.at_end() {
        return Err("Invalid filter pattern: expected '}' at the end".to_owned());
    }
    Ok(condition)
}

fn any(scanner: &mut Scanner<'_>, depth: usize) -> Result<Condition, String> {
    let mut conditions = vec![all(scanner, depth)?];
    scanner.skip_spaces();
    while scanner.take("||") {
        conditions.push(all(scanner, depth)?);
        scanner.skip_spaces();
    }
    Ok(Condition::Any(conditions))
}

fn all(scanner: &mut Scanner<'_>, depth: usize) -> Result<Condition, String> {
    let mut conditions = vec![one(scanner, depth)?];
    scanner.skip_spaces();
    while scanner.take("&&") {
        conditions.push(one(scanner, depth)?);
        scanner.skip_spaces();
    }
    Ok(Condition::All(conditions))
}

fn one(scanner: &mut Scanner<'_>, depth: usize) -> Result<Condition, String> {
    scanner.skip_spaces();
    if scanner.take("(") {
        if depth == DEPTH_MAX {
            return Err("Invalid filter pattern: too deeply nested".to_owned());
        }
        let inner = any(scanner, depth + 1)?;
        scanner.skip_spaces();
        let closed = scanner.take(")");
        return closed.then_some(inner).ok_or_else(|| "Invalid filter pattern: expected ')'".to_owned());
    }
    let selector = selector(scanner)?;
    Ok(Condition::One(selector, check(scanner)?))
}

fn check(scanner: &mut Scanner<'_>) -> Result<Check, String> {
    if scanner.take_word("IS") {
        return match () {
            () if scanner.take_word("NULL") => Ok(Check::IsNull),
            () if scanner.take_word("TRUE") => Ok(Check::IsBool(true)),
            () if scanner.take_word("FALSE") => Ok(Check::IsBool(false)),
            () => Err("Invalid filter pattern: IS is followed by NULL, TRUE or FALSE".to_owned()),
        };
    }
    if scanner.take_word("NOT") {
        let exists = scanner.take_word("EXISTS");
        return exists.then_some(Check::NotExists).ok_or_else(|| "Invalid filter pattern: NOT EXISTS".to_owned());
    }
    if scanner.take_word("EXISTS") {
        return Ok(Check::Exists);
    }
    scanner.skip_spaces();
    Test::parse(scanner, &['}', ')', '&', '|']).map(Check::Test)
}

fn selector(scanner: &mut Scanner<'_>) -> Result<Selector, String> {
    if !scanner.take("$") {
        return Err("Invalid filter pattern: a property selector starts with '$'".to_owned());
    }
    let (mut text, mut steps) = ("$".to_owned(), Vec::new());
    loop {
        if scanner.take("[") {
            let inside = scanner.word_until(|c| c == ']');
            if !scanner.take("]") {
                return Err("Invalid filter pattern: expected ']'".to_owned());
            }
            text.push_str(&format!("[{inside}]"));
            steps.push(bracket(inside)?);
        } else if scanner.take(".") {
            text.push('.');
            if scanner.peek() == Some('[') {
                continue;
            }
            let name = scanner.word_until(|c| c.is_whitespace() || ".[]=!<>&|(){}".contains(c));
            if name.is_empty() {
                return Err("Invalid filter pattern: a property name is missing".to_owned());
            }
            text.push_str(name);
            steps.push(if name == "*" { Step::Any } else { Step::Property(name.to_owned()) });
        } else {
            break;
        }
    }
    match steps.is_empty() {
        true => Err("Invalid filter pattern: a property selector names a property".to_owned()),
        false => Ok(Selector { text, steps }),
    }
}

fn bracket(inside: &str) -> Result<Step, String> {
    let unquoted = ['\'', '"'].iter().find_map(|q| inside.strip_prefix(*q)?.strip_suffix(*q));
    match unquoted {
        Some(name) => Ok(Step::Property(name.to_owned())),
        None if inside == "*" => Ok(Step::Any),
        None => inside.parse().map(Step::Element).map_err(|_| format!("Invalid filter pattern: [{inside}]")),
    }
}

impl Selector {
    fn values<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        self.steps.iter().fold(vec![document], |found, step| found.into_iter().flat_map(|v| step.of(v)).collect())
    }
}

impl Step {
    fn of<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Step::Property(name), Value::Object(map)) => map.get(name).into_iter().collect(),
            (Step::Element(at), Value::Array(items)) => items.get(*at).into_iter().collect(),
            (Step::Any, Value::Object(map)) => map.values().collect(),
            (Step::Any, Value::Array(items)) => items.iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl Check {
    fn passes(&self, values: &[&Value]) -> bool {
        match self {
            Check::Exists => !values.is_empty(),
            Check::NotExists => values.is_empty(),
            Check::IsNull => values.iter().any(|v| v.is_null()),
            Check::IsBool(wanted) => values.iter().any(|v| v.as_bool() == Some(*wanted)),
            Check::Test(test) => values.iter().filter_map(|v| scalar(v)).any(|text| test.passes(&text)),
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

impl Condition {
    pub(super) fn holds(&self, document: &Value) -> bool {
        match self {
            Condition::All(conditions) => conditions.iter().all(|c| c.holds(document)),
            Condition::Any(conditions) => conditions.iter().any(|c| c.holds(document)),
            Condition::One(selector, check) => check.passes(&selector.values(document)),
        }
    }

    /// The first value of each selector, under the selector's own text.
    pub(super) fn values(&self, document: &Value) -> BTreeMap<String, String> {
        match self {
            Condition::All(conditions) | Condition::Any(conditions) => {
                conditions.iter().flat_map(|c| c.values(document)).collect()
            }
            Condition::One(selector, _) => {
                let first = selector.values(document).first().and_then(|v| scalar(v));
                first.map(|value| (selector.text.clone(), value)).into_iter().collect()
            }
        }
    }
}
