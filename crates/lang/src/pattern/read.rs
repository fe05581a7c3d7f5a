//! Reading a pattern, and what makes one invalid.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::test::{Test, TextTest};
use super::{Fields, Wanted};

/// Numbers that patterns may name: EventBridge's "between -5.0e9 and 5.0e9 inclusive".
const NUMBER_MAX: f64 = 5.0e9;

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

fn wrong<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error(what.into()))
}

pub(super) fn pattern(text: &str) -> Result<Fields, Error> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => fields(&object),
        Ok(_) => wrong("Filter is not an object"),
        Err(error) => wrong(error.to_string()),
    }
}

fn fields(object: &Map<String, Value>) -> Result<Fields, Error> {
    if object.is_empty() {
        return wrong("Empty objects are not allowed");
    }
    let mut read = Fields::default();
    for (name, value) in object {
        match value {
            Value::Array(alternatives) if name == "$or" && is_either(alternatives) => {
                let alternatives = alternatives.iter().filter_map(Value::as_object).map(fields);
                read.either.push(alternatives.collect::<Result<_, _>>()?);
            }
            Value::Object(object) => read.named.push((name.clone(), Wanted::Object(fields(object)?))),
            Value::Array(values) if values.is_empty() => return wrong("Empty arrays are not allowed"),
            Value::Array(values) => {
                let tests = values.iter().map(test).collect::<Result<_, _>>()?;
                read.named.push((name.clone(), Wanted::OneOf(tests)));
            }
            _ => return wrong(format!("\"{name}\" must be an object or an array")),
        }
    }
    Ok(read)
}

/// `$or` joins at least two objects that name fields; anything else under it is a field of that name.
fn is_either(alternatives: &[Value]) -> bool {
    let names_fields =
        |object: &Map<String, Value>| object.iter().all(|(name, value)| !is_operator(name) || value.is_object());
    alternatives.len() > 1 && alternatives.iter().all(|one| one.as_object().is_some_and(names_fields))
}

fn is_operator(name: &str) -> bool {
    ["prefix", "suffix", "anything-but", "numeric", "exists", "equals-ignore-case", "wildcard", "cidr"].contains(&name)
}

fn test(value: &Value) -> Result<Test, Error> {
    match value {
        Value::Object(object) => {
            let mut members = object.iter();
            match (members.next(), members.next()) {
                (Some((name, operand)), None) => operator(name, operand),
                _ => wrong("Only one key allowed in match expression"),
            }
        }
        Value::Array(_) => wrong("Match value must be String, number, true, false, or null"),
        Value::Number(_) => Ok(Test::Number(number(value)?)),
        other => Ok(Test::Equals(other.clone())),
    }
}

fn operator(name: &str, operand: &Value) -> Result<Test, Error> {
    match name {
        "prefix" | "suffix" | "equals-ignore-case" | "wildcard" => text_test(name, operand).map(Test::Text),
        "anything-but" => anything_but(operand),
        "numeric" => numeric(operand),
        "cidr" => cidr(operand),
        "exists" => match operand {
            Value::Bool(there) => Ok(Test::Exists(*there)),
            _ => wrong("exists match pattern must be either true or false."),
        },
        other => wrong(format!("Unrecognized match type {other}")),
    }
}

fn text_test(name: &str, operand: &Value) -> Result<TextTest, Error> {
    if let (Value::Object(object), "prefix" | "suffix") = (operand, name) {
        let text = object.get("equals-ignore-case").and_then(Value::as_str).filter(|_| object.len() == 1);
        return match (name, text) {
            (_, None | Some("")) => wrong(format!("{name} match pattern must be a string")),
            ("prefix", Some(text)) => Ok(TextTest::PrefixIgnoringCase(text.to_owned())),
            (_, Some(text)) => Ok(TextTest::SuffixIgnoringCase(text.to_owned())),
        };
    }
    let Some(text) = operand.as_str() else { return wrong(format!("{name} match pattern must be a string")) };
    match name {
        "prefix" if !text.is_empty() => Ok(TextTest::Prefix(text.to_owned())),
        "suffix" if !text.is_empty() => Ok(TextTest::Suffix(text.to_owned())),
        "prefix" | "suffix" => wrong(format!("Null {name} not allowed")),
        "wildcard" => wildcard(text),
        _ => Ok(TextTest::EqualsIgnoringCase(text.to_owned())),
    }
}

/// `*` is any text, `\*` an asterisk, `\\` a backslash.
fn wildcard(text: &str) -> Result<TextTest, Error> {
    let mut pieces = vec![String::new()];
    let mut letters = text.chars().peekable();
    let mut after_asterisk = false;
    while let Some(letter) = letters.next() {
        if letter == '*' {
            if after_asterisk {
                return wrong("Consecutive wildcard characters are not allowed");
            }
            pieces.push(String::new());
            after_asterisk = true;
            continue;
        }
        after_asterisk = false;
        let literal = match letter {
            '\\' => match letters.next_if(|next| matches!(next, '*' | '\\')) {
                Some(escaped) => escaped,
                None => return wrong("Invalid escape character"),
            },
            other => other,
        };
        if let Some(piece) = pieces.last_mut() {
            piece.push(literal);
        }
    }
    Ok(TextTest::Wildcard(pieces))
}

fn anything_but(operand: &Value) -> Result<Test, Error> {
    let one = |value: &Value| match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => test(value),
        _ => wrong("Inside anything-but only texts, numbers, booleans and null are allowed"),
    };
    match operand {
        Value::Array(values) if values.is_empty() => wrong("Empty arrays are not allowed"),
        Value::Array(values) => Ok(Test::AnythingBut(values.iter().map(one).collect::<Result<_, _>>()?)),
        Value::Object(object) => {
            let Some((name, operand)) = object.iter().next().filter(|_| object.len() == 1) else {
                return wrong("Only one key allowed in match expression");
            };
            if !matches!(name.as_str(), "prefix" | "suffix" | "equals-ignore-case" | "wildcard") {
                return wrong(format!("Unsupported anything-but pattern: {name}"));
            }
            let operands = operand.as_array().cloned().unwrap_or_else(|| vec![operand.clone()]);
            if operands.is_empty() {
                return wrong("Empty arrays are not allowed");
            }
            let tests = operands.iter().map(|operand| text_test(name, operand).map(Test::Text));
            Ok(Test::AnythingBut(tests.collect::<Result<_, _>>()?))
        }
        scalar => Ok(Test::AnythingBut(vec![one(scalar)?])),
    }
}

/// `["=", 1]`, `[">", 1]`, `[">=", 1, "<", 2]`.
fn numeric(operand: &Value) -> Result<Test, Error> {
    let Some(words) = operand.as_array().filter(|words| !words.is_empty()) else {
        return wrong("Value of numeric must be an array.");
    };
    let (mut low, mut high) = (None, None);
    for pair in words.chunks(2) {
        let [Value::String(sign), value] = pair else { return wrong("Bad numeric range operator") };
        let value = number(value)?;
        match sign.as_str() {
            "=" if words.len() == 2 => (low, high) = (Some((value, true)), Some((value, true))),
            ">" | ">=" if low.is_none() && high.is_none() => low = Some((value, sign == ">=")),
            "<" | "<=" if high.is_none() => high = Some((value, sign == "<=")),
            other => return wrong(format!("Unrecognized numeric range operator: {other}")),
        }
    }
    if let (Some((low, _)), Some((high, _))) = (low, high)
        && low > high
    {
        return wrong("Bottom must be less than top");
    }
    Ok(Test::Numeric { low, high })
}

fn number(value: &Value) -> Result<f64, Error> {
    match value.as_f64() {
        Some(number) if number.abs() <= NUMBER_MAX => Ok(number),
        Some(_) => wrong("Value must be between -5.0e9 and 5.0e9, inclusive"),
        None => wrong("Expected a number"),
    }
}

fn cidr(operand: &Value) -> Result<Test, Error> {
    let malformed = || Error("Malformed CIDR, one '/' required".to_owned());
    let (network, bits) = operand.as_str().and_then(|text| text.split_once('/')).ok_or_else(malformed)?;
    let network: IpAddr = network.parse().map_err(|_| Error(format!("Malformed IP address: {network}")))?;
    let bits: u8 = bits.parse().map_err(|_| Error(format!("Malformed CIDR, mask bits must be an integer: {bits}")))?;
    let most = if network.is_ipv4() { 32 } else { 128 };
    if bits > most {
        return wrong(format!("Malformed CIDR, mask bits must be at most {most}"));
    }
    Ok(Test::Cidr(network, bits))
}
