//! Values to JSON text.

use serde::Serialize;
use shape::{Body, Kind, Schema, TimestampFormat, Value};

use super::Members;
use crate::protocol::text;

/// Appends the value's JSON. Members that are not set are left out; nulls stand in sparse lists and maps only.
pub(crate) fn write(out: &mut Vec<u8>, schema: &Schema, value: &Value, members: Members) {
    any(out, schema, value, members, TimestampFormat::EpochSeconds);
}

fn any(out: &mut Vec<u8>, schema: &Schema, value: &Value, members: Members, format: TimestampFormat) {
    match (schema.kind, value) {
        (Kind::Nullable(inner), value) => any(out, inner(), value, members, format),
        (Kind::Struct(declared), Value::Struct(slots)) => {
            let set = declared.iter().zip(slots).filter(|(member, _)| members.has(member));
            let set = set.filter_map(|(member, slot)| Some((member.name, member, slot.as_ref()?)));
            object(out, set, |out, member, value| {
                let format = member.timestamp.unwrap_or(TimestampFormat::EpochSeconds);
                any(out, member.target(), value, Members::All, format);
            });
        }
        (Kind::Union(declared), Value::Union(at, value)) => {
            let member = &declared[*at];
            object(out, [(member.name, member, &**value)], |out, member, value| {
                let format = member.timestamp.unwrap_or(TimestampFormat::EpochSeconds);
                any(out, member.target(), value, Members::All, format);
            });
        }
        (Kind::Map(item), Value::Map(entries)) => {
            let entries = entries.iter().map(|(key, value)| (key.as_str(), item, value));
            object(out, entries, |out, item, value| any(out, item(), value, Members::All, format));
        }
        (Kind::List(item), Value::List(items)) => {
            out.push(b'[');
            for (index, value) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                any(out, item(), value, Members::All, format);
            }
            out.push(b']');
        }
        _ => single(out, value, format),
    }
}

/// A document of text members only: errors.
pub(crate) fn write_texts(members: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.push(b'{');
    for (index, (name, text)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        plain(&mut out, *name);
        out.push(b':');
        plain(&mut out, *text);
    }
    out.push(b'}');
    out
}

fn object<'a, K>(
    out: &mut Vec<u8>,
    entries: impl IntoIterator<Item = (&'a str, K, &'a Value)>,
    mut write_value: impl FnMut(&mut Vec<u8>, K, &'a Value),
) {
    out.push(b'{');
    for (index, (name, how, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        plain(out, name);
        out.push(b':');
        write_value(out, how, value);
    }
    out.push(b'}');
}

fn single(out: &mut Vec<u8>, value: &Value, format: TimestampFormat) {
    match value {
        Value::Bool(flag) => plain(out, flag),
        Value::Int(number) => plain(out, number),
        Value::Float(number) if number.is_finite() => plain(out, number),
        Value::Float(number) => plain(out, &text::render_float(*number)),
        Value::String(words) => plain(out, words),
        Value::Blob(bytes) | Value::Body(Body::Whole(bytes)) => plain(out, &text::base64(bytes)),
        Value::Timestamp(instant) if format == TimestampFormat::EpochSeconds => {
            out.extend_from_slice(text::render_timestamp(*instant, format).as_bytes());
        }
        Value::Timestamp(instant) => plain(out, &text::render_timestamp(*instant, format)),
        Value::Document(document) => plain(out, document),
        // Streams have no place inside a document, and a value unlike its schema is a fault of ours.
        _ => out.extend_from_slice(b"null"),
    }
}

fn plain<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok(), "strings, numbers and documents always write to memory");
}
