//! Single values as text: in paths, query strings, headers, forms and XML.

use base::{Error, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shape::{Kind, Schema, TimestampFormat, Value};

/// Reads one value; a shape that is no single value is refused.
pub(super) fn parse(schema: &Schema, text: &str, format: TimestampFormat) -> Result<Value, Error> {
    let value = match schema.kind {
        Kind::Bool => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Int => text.trim().parse::<i32>().ok().map(|n| Value::Int(n.into())),
        Kind::Long => text.trim().parse().ok().map(Value::Int),
        Kind::Float | Kind::Double => parse_float(text).map(Value::Float),
        Kind::String | Kind::Enum(_) => Some(Value::String(text.to_owned())),
        Kind::Blob => blob(text).map(|bytes| Value::Blob(bytes.into())),
        Kind::Timestamp => parse_timestamp(text, format).map(Value::Timestamp),
        Kind::Document => serde_json::from_str(text).ok().map(Value::Document),
        Kind::Nullable(inner) => return parse(inner(), text, format),
        _ => None,
    };
    value.ok_or_else(|| cannot("STRING_VALUE", schema))
}

/// Writes one value; structures, lists and the like have no text.
pub(super) fn render(value: &Value, format: TimestampFormat) -> Option<String> {
    Some(match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => render_float(*number),
        Value::String(text) => text.clone(),
        Value::Blob(bytes) => STANDARD.encode(bytes),
        Value::Timestamp(instant) => render_timestamp(*instant, format),
        Value::Document(document) => document.to_string(),
        _ => return None,
    })
}

/// "NUMBER_VALUE can not be converted to a String": Lambda's words (its `Message` is capital), and other Coral services'.
pub(super) fn cannot(found: &str, schema: &Schema) -> Error {
    Error::serialization(cannot_words(found, schema))
}

/// The words of [`cannot`].
pub(super) fn cannot_words(found: &str, schema: &Schema) -> String {
    let wanted = match schema.kind {
        Kind::Bool => "a Boolean",
        Kind::Int => "an Integer",
        Kind::Long => "a Long",
        Kind::Float => "a Float",
        Kind::Double => "a Double",
        Kind::Blob | Kind::Body => "a Blob",
        Kind::Timestamp => "milliseconds since epoch",
        Kind::Nullable(inner) => return cannot_words(found, inner()),
        Kind::List(_) | Kind::Map(_) | Kind::Struct(_) | Kind::Union(_) => return "Unexpected field type".to_owned(),
        Kind::String | Kind::Enum(_) | Kind::Document | Kind::Events(_) => "a String",
    };
    format!("{found} can not be converted to {wanted}")
}

/// Base64 as clients send it: the standard alphabet with padding.
pub(super) fn blob(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Base64 of these bytes.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn parse_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        // Rust's own parser also takes "inf" and "nan", which are not the protocols' words.
        _ if text.bytes().any(|b| b.is_ascii_alphabetic() && b != b'e' && b != b'E') => None,
        _ => text.trim().parse().ok(),
    }
}

/// `NaN`, `Infinity`, or the shortest digits that read back.
pub(super) fn render_float(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => number.to_string(),
    }
}

/// Reads a timestamp; besides the format asked for, the others that cannot be mistaken are taken too, as AWS takes them.
pub(super) fn parse_timestamp(text: &str, format: TimestampFormat) -> Option<Timestamp> {
    let text = text.trim();
    let seconds = || parse_float(text).and_then(from_seconds);
    let found = match format {
        TimestampFormat::EpochSeconds => seconds(),
        TimestampFormat::DateTime => Timestamp::parse_date_time(text),
        TimestampFormat::HttpDate => Timestamp::parse_http_date(text),
    };
    found.or_else(|| Timestamp::parse_date_time(text)).or_else(|| Timestamp::parse_http_date(text)).or_else(seconds)
}

/// The latest second a timestamp may name: the end of the year 9999, as in `date-time`.
const SECONDS_MAX: f64 = 253_402_300_799.999;

/// An instant from seconds since the epoch; none if that is no instant of the years to 9999.
pub(super) fn from_seconds(seconds: f64) -> Option<Timestamp> {
    (seconds.abs() <= SECONDS_MAX).then(|| Timestamp::from_secs_f64(seconds))
}

pub(super) fn render_timestamp(instant: Timestamp, format: TimestampFormat) -> String {
    match format {
        TimestampFormat::EpochSeconds => epoch_seconds(instant),
        TimestampFormat::DateTime => instant.to_date_time(),
        TimestampFormat::HttpDate => instant.to_http_date(),
    }
}

/// Seconds with milliseconds only where there are some: `1795359124`, `1795359124.123`.
fn epoch_seconds(instant: Timestamp) -> String {
    let millis = instant.millis();
    let (sign, magnitude) = (if millis < 0 { "-" } else { "" }, millis.unsigned_abs());
    match magnitude % 1000 {
        0 => format!("{sign}{}", magnitude / 1000),
        fraction => format!("{sign}{}.{fraction:03}", magnitude / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_and_instants_have_their_words() {
        for (text, number) in
            [("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY), ("1.5", 1.5), ("1e3", 1e3)]
        {
            assert_eq!(parse_float(text), Some(number));
        }
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
        for bad in ["inf", "nan", "", "x", "1,5"] {
            assert_eq!(parse_float(bad), None, "{bad}");
        }
        assert_eq!(epoch_seconds(Timestamp::from_millis(1_795_359_124_120)), "1795359124.120");
        assert_eq!(epoch_seconds(Timestamp::from_millis(-1500)), "-1.500");
        assert_eq!(parse_timestamp("1e300", TimestampFormat::EpochSeconds), None);
    }
}
