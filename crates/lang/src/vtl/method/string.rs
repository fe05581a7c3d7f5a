//! `java.lang.String`. Lengths and places count UTF-16 units, as Java's do.

use std::sync::Arc;

use super::{Answer, Meter, pattern, within};
use crate::vtl::{Fault, List, Value, text};

pub(super) fn call(own: &Arc<str>, name: &str, arguments: &[Value], meter: &Meter) -> Answer {
    meter.step(own.len() as u64 / 64)?;
    match arguments {
        [] => plain(own, name, meter),
        [Value::String(other)] => with_text(own, name, other, meter),
        [Value::String(one), Value::String(other)] => with_texts(own, name, one, other, meter),
        [Value::Integer(at)] => with_number(own, name, *at),
        [Value::Integer(from), Value::Integer(to)] if matches!(name, "substring" | "subSequence") => {
            Ok(Some(part(own, *from, Some(*to))?.into()))
        }
        [Value::String(other), Value::Integer(number)] => with_text_and_number(own, name, other, *number, meter),
        // A null where a text has to be is what Java throws a NullPointerException for.
        [Value::Null] if matches!(name, "concat" | "contains" | "startsWith" | "endsWith" | "indexOf" | "matches") => {
            Err(Fault::Method(format!("{name} was given null")))
        }
        [Value::Null] if matches!(name, "equals" | "equalsIgnoreCase") => Ok(Some(false.into())),
        [other] if name == "valueOf" => Ok(Some(text::within(other, meter)?.into())),
        _ => Ok(None),
    }
}

fn plain(own: &Arc<str>, name: &str, meter: &Meter) -> Answer {
    Ok(Some(match name {
        "length" => length(own).into(),
        "isEmpty" => own.is_empty().into(),
        "trim" => own.trim_matches(|letter| letter <= ' ').into(),
        "toUpperCase" => own.to_uppercase().into(),
        "toLowerCase" => own.to_lowercase().into(),
        "toString" | "intern" => Value::String(own.clone()),
        "hashCode" => {
            let hash = own.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
            Value::Integer(hash.into())
        }
        "toCharArray" => {
            meter.made(32 * own.len())?;
            let units: Vec<u16> = own.encode_utf16().collect();
            Value::List(List::of(units.chunks(1).map(|unit| lossy(unit).into()).collect()))
        }
        "getBytes" => {
            meter.made(16 * own.len())?;
            #[expect(clippy::cast_possible_wrap, reason = "Java's bytes are signed")]
            let bytes = own.bytes().map(|byte| Value::Integer((byte as i8).into()));
            Value::List(List::of(bytes.collect()))
        }
        _ => return Ok(None),
    }))
}

fn with_text(own: &Arc<str>, name: &str, other: &Arc<str>, meter: &Meter) -> Answer {
    Ok(Some(match name {
        "equals" | "contentEquals" => (own == other).into(),
        "equalsIgnoreCase" => (own.to_lowercase() == other.to_lowercase()).into(),
        "contains" => own.contains(&**other).into(),
        "startsWith" => own.starts_with(&**other).into(),
        "endsWith" => own.ends_with(&**other).into(),
        "indexOf" => place(own, own.find(&**other)),
        "lastIndexOf" => place(own, own.rfind(&**other)),
        "compareTo" => compare(own, other),
        "compareToIgnoreCase" => compare(&own.to_lowercase(), &other.to_lowercase()),
        "concat" => {
            meter.made(own.len() + other.len())?;
            format!("{own}{other}").into()
        }
        "matches" => pattern::compiled(&format!(r"\A(?:{other})\z"), meter)?.is_match(own).into(),
        "split" => split(own, other, 0, meter)?,
        "valueOf" | "copyValueOf" => Value::String(other.clone()),
        _ => return Ok(None),
    }))
}

fn with_texts(own: &Arc<str>, name: &str, one: &Arc<str>, other: &Arc<str>, meter: &Meter) -> Answer {
    Ok(Some(match name {
        "replace" => {
            let found = if one.is_empty() { length(own) + 1 } else { own.matches(&**one).count() };
            meter.fits(own.len().saturating_add(found.saturating_mul(other.len())))?;
            own.replace(&**one, other).into()
        }
        "replaceAll" | "replaceFirst" => {
            let regex = pattern::compiled(one, meter)?;
            pattern::replace(own, &regex, other, name == "replaceAll", meter)?.into()
        }
        _ => return Ok(None),
    }))
}

fn with_number(own: &Arc<str>, name: &str, at: i64) -> Answer {
    Ok(Some(match name {
        "charAt" => {
            let at_unit = within(at, length(own))?;
            part(own, at, Some(i64::try_from(at_unit + 1).unwrap_or(i64::MAX)))?.into()
        }
        "codePointAt" => {
            let unit = own.encode_utf16().nth(within(at, length(own))?).unwrap_or_default();
            Value::Integer(unit.into())
        }
        "substring" => part(own, at, None)?.into(),
        "indexOf" | "lastIndexOf" => {
            let Some(letter) = u32::try_from(at).ok().and_then(char::from_u32) else {
                return Ok(Some(Value::Integer(-1)));
            };
            place(own, if name == "indexOf" { own.find(letter) } else { own.rfind(letter) })
        }
        "valueOf" => at.to_string().into(),
        _ => return Ok(None),
    }))
}

fn with_text_and_number(own: &Arc<str>, name: &str, other: &Arc<str>, number: i64, meter: &Meter) -> Answer {
    Ok(Some(match name {
        "split" => split(own, other, number, meter)?,
        "indexOf" => {
            let from = usize::try_from(number.max(0)).unwrap_or(usize::MAX).min(length(own));
            let rest = byte_of(own, from);
            place(own, own[rest..].find(&**other).map(|found| rest + found))
        }
        "lastIndexOf" => {
            let Ok(upto) = usize::try_from(number) else { return Ok(Some(Value::Integer(-1))) };
            let end = byte_of(own, upto.saturating_add(length(other)).min(length(own)));
            place(own, own[..end].rfind(&**other))
        }
        "startsWith" => match usize::try_from(number) {
            Ok(from) if from <= length(own) => own[byte_of(own, from)..].starts_with(&**other).into(),
            _ => false.into(),
        },
        _ => return Ok(None),
    }))
}

fn split(own: &str, regex: &str, limit: i64, meter: &Meter) -> Result<Value, Fault> {
    let pieces = pattern::split(own, &pattern::compiled(regex, meter)?, limit, meter)?;
    Ok(Value::List(List::of(pieces.into_iter().map(Value::from).collect())))
}

fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// Where a byte is, in UTF-16 units; -1 if nowhere.
fn place(text: &str, byte: Option<usize>) -> Value {
    byte.map_or(Value::Integer(-1), |byte| length(&text[..byte]).into())
}

/// The byte at which a UTF-16 unit is, or the letter of which it is the second half.
fn byte_of(text: &str, unit: usize) -> usize {
    if text.is_ascii() {
        return unit.min(text.len());
    }
    let mut units = 0;
    for (byte, letter) in text.char_indices() {
        if units + letter.len_utf16() > unit {
            return byte;
        }
        units += letter.len_utf16();
    }
    text.len()
}

/// Half of a pair is what Java writes for it: a question mark.
fn lossy(units: &[u16]) -> String {
    char::decode_utf16(units.iter().copied()).map(|letter| letter.unwrap_or('?')).collect()
}

fn part(text: &str, from: i64, to: Option<i64>) -> Result<String, Fault> {
    let length = length(text);
    let to = within(to.unwrap_or_else(|| i64::try_from(length).unwrap_or(i64::MAX)), length + 1)?;
    let from = within(from, to + 1)?;
    if text.is_ascii() {
        return Ok(text[from..to].to_owned());
    }
    let units: Vec<u16> = text.encode_utf16().skip(from).take(to - from).collect();
    Ok(lossy(&units))
}

fn compare(own: &str, other: &str) -> Value {
    let (mut own_units, mut other_units) = (own.encode_utf16(), other.encode_utf16());
    loop {
        match (own_units.next(), other_units.next()) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) => return Value::Integer(i64::from(one) - i64::from(other)),
            (None, None) => return Value::Integer(0),
            (Some(_), None) => return (1 + own_units.count()).into(),
            (None, Some(_)) => return Value::Integer(-i64::try_from(1 + other_units.count()).unwrap_or(i64::MAX)),
        }
    }
}
