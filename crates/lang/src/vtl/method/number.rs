//! `java.lang.Integer`, `Long` and `Double`, which are one here: what one of them can parse, any can.

use super::Answer;
use crate::vtl::evaluate::Number;
use crate::vtl::{Fault, Value};

#[expect(clippy::cast_possible_truncation, reason = "as Java narrows")]
pub(super) fn call(value: &Value, name: &str, arguments: &[Value]) -> Answer {
    let Some(own) = Number::of(value) else { return Ok(None) };
    let whole = match own {
        Number::Whole(value) => value as i64,
        Number::Float(value) => value as i64,
    };
    Ok(Some(match (name, arguments) {
        ("intValue", []) => Value::Integer(match own {
            Number::Whole(value) => i64::from(value as i32),
            Number::Float(value) => i64::from(value as i32),
        }),
        ("longValue", []) => Value::Integer(whole),
        ("shortValue", []) => Value::Integer(i64::from(whole as i16)),
        ("byteValue", []) => Value::Integer(i64::from(whole as i8)),
        ("doubleValue" | "floatValue", []) => Value::Float(own.float()),
        ("isNaN", []) => own.float().is_nan().into(),
        ("isInfinite", []) => own.float().is_infinite().into(),
        ("hashCode", []) => Value::Integer(i64::from((whole ^ (whole >> 32)) as i32)),
        ("compareTo" | "compare", [other]) => match Number::of(other) {
            Some(other) => {
                Value::Integer(own.float().partial_cmp(&other.float()).map_or(0, |order| i64::from(order as i8)))
            }
            None => return Ok(None),
        },
        ("parseInt" | "parseLong" | "parseShort" | "parseByte", [Value::String(text)])
        | ("valueOf" | "decode", [Value::String(text)])
            if !matches!(value, Value::Float(_)) || name.starts_with("parse") =>
        {
            parsed(text, 10)?
        }
        ("parseInt" | "parseLong" | "valueOf", [Value::String(text), Value::Integer(radix)]) => match radix {
            2..=36 => parsed(text, *radix as u32)?,
            _ => return Err(not_a_number(text)),
        },
        ("parseDouble" | "parseFloat" | "valueOf", [Value::String(text)]) => {
            Value::Float(text.trim().parse().map_err(|_| not_a_number(text))?)
        }
        ("valueOf", [other @ (Value::Integer(_) | Value::Float(_))]) => other.clone(),
        ("toString", [Value::Integer(number)]) => number.to_string().into(),
        ("toHexString", [Value::Integer(number)]) => match i32::try_from(*number) {
            Ok(number) => format!("{number:x}").into(),
            Err(_) => format!("{number:x}").into(),
        },
        ("toBinaryString", [Value::Integer(number)]) => match i32::try_from(*number) {
            Ok(number) => format!("{number:b}").into(),
            Err(_) => format!("{number:b}").into(),
        },
        ("toOctalString", [Value::Integer(number)]) => match i32::try_from(*number) {
            Ok(number) => format!("{number:o}").into(),
            Err(_) => format!("{number:o}").into(),
        },
        ("max" | "min" | "sum", [one, other]) => return Ok(pair(name, one, other)),
        ("signum", [Value::Integer(number)]) => Value::Integer(number.signum()),
        _ => return Ok(None),
    }))
}

fn pair(name: &str, one: &Value, other: &Value) -> Option<Value> {
    Some(match (Number::of(one)?, Number::of(other)?) {
        (Number::Whole(one), Number::Whole(other)) => Number::Whole(match name {
            "max" => one.max(other),
            "min" => one.min(other),
            _ => one.saturating_add(other),
        })
        .value(),
        (one, other) => {
            let (one, other) = (one.float(), other.float());
            Value::Float(match name {
                "max" => one.max(other),
                "min" => one.min(other),
                _ => one + other,
            })
        }
    })
}

fn parsed(text: &str, radix: u32) -> Result<Value, Fault> {
    i64::from_str_radix(text, radix).map(Value::Integer).map_err(|_| not_a_number(text))
}

fn not_a_number(text: &str) -> Fault {
    Fault::Method(format!("For input string: \"{}\"", text.chars().take(100).collect::<String>()))
}
