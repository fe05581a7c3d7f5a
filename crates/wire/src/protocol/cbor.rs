//! CBOR under a schema.
//!
//! minicbor does the bytes. Both definite and indefinite lengths are read; we write definite ones. Timestamps carry
//! tag 1. Members that the schema does not know are skipped, a null member is an absent one.

use std::collections::BTreeMap;
use std::convert::Infallible;

use base::Error;
use minicbor::data::{IanaTag, Type};
use minicbor::{Decoder, Encoder, decode, encode};
use shape::{Body, Kind, Member, Schema, Value};

use super::{DEPTH_MAX, error_members, text};

/// Reads a document under a schema; bytes after it are refused.
pub(super) fn read(schema: &'static Schema, cbor: &[u8]) -> Result<Value, Error> {
    let mut decoder = Decoder::new(cbor);
    let value = any(&mut decoder, schema, 0).map_err(Refusal::into_error)?;
    if decoder.position() != cbor.len() {
        return Err(Error::serialization("bytes follow the end of the document"));
    }
    match value {
        Value::Null => Ok(Value::empty(schema)),
        value => Ok(value),
    }
}

/// Why a document is refused: its bytes or its meaning.
enum Refusal {
    Bytes(decode::Error),
    Form(Error),
}

impl Refusal {
    fn into_error(self) -> Error {
        match self {
            Refusal::Bytes(error) => Error::serialization(format!("the CBOR document is malformed: {error}")),
            Refusal::Form(error) => error,
        }
    }
}

impl From<decode::Error> for Refusal {
    fn from(error: decode::Error) -> Refusal {
        Refusal::Bytes(error)
    }
}

type Read<T> = Result<T, Refusal>;

fn refuse<T>(words: impl Into<String>) -> Read<T> {
    Err(Refusal::Form(Error::serialization(words)))
}

fn any(cbor: &mut Decoder<'_>, schema: &'static Schema, depth: usize) -> Read<Value> {
    if depth > DEPTH_MAX {
        return refuse(format!("the document nests deeper than {DEPTH_MAX}"));
    }
    let found = cbor.datatype()?;
    if matches!(found, Type::Null | Type::Undefined) {
        cbor.skip()?;
        return Ok(Value::Null);
    }
    match (schema.kind, found) {
        (Kind::Nullable(inner), _) => any(cbor, inner(), depth),
        (Kind::Bool, Type::Bool) => Ok(Value::Bool(cbor.bool()?)),
        (Kind::Int | Kind::Long, _) => integer(cbor, schema, found),
        (Kind::Float | Kind::Double, _) => number(cbor, schema, found).map(Value::Float),
        (Kind::String | Kind::Enum(_), Type::String | Type::StringIndef) => string(cbor).map(Value::String),
        (Kind::Blob, Type::Bytes | Type::BytesIndef) => Ok(Value::Blob(byte_string(cbor)?.into())),
        (Kind::Body, Type::Bytes | Type::BytesIndef) => Ok(Value::Body(Body::Whole(byte_string(cbor)?.into()))),
        (Kind::Timestamp, Type::Tag) => timestamp(cbor, schema),
        (Kind::List(item), Type::Array | Type::ArrayIndef) => list(cbor, item(), depth),
        (Kind::Map(item), Type::Map | Type::MapIndef) => map(cbor, item(), depth),
        (Kind::Struct(members), Type::Map | Type::MapIndef) => structure(cbor, members, depth),
        (Kind::Union(members), Type::Map | Type::MapIndef) => union(cbor, schema, members, depth),
        (_, Type::Array | Type::ArrayIndef) => refuse("Start of list found where not expected"),
        (_, Type::Map | Type::MapIndef) => refuse("Start of structure or map found where not expected."),
        _ => refuse(text::cannot_words(&found.to_string(), schema)),
    }
}

fn integer(cbor: &mut Decoder<'_>, schema: &Schema, found: Type) -> Read<Value> {
    let number = match found {
        Type::F16 | Type::F32 | Type::F64 => {
            let number = number(cbor, schema, found)?;
            if number.fract() != 0.0 || number.abs() > 9e15 {
                return Err(Refusal::Form(text::cannot("NUMBER_VALUE", schema)));
            }
            number as i64
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            let number = i128::from(cbor.int()?);
            i64::try_from(number).map_err(|_| Refusal::Form(text::cannot("NUMBER_VALUE", schema)))?
        }
        _ => return Err(Refusal::Form(text::cannot(&found.to_string(), schema))),
    };
    if matches!(schema.kind, Kind::Int) && i32::try_from(number).is_err() {
        return Err(Refusal::Form(text::cannot("NUMBER_VALUE", schema)));
    }
    Ok(Value::Int(number))
}

fn number(cbor: &mut Decoder<'_>, schema: &Schema, found: Type) -> Read<f64> {
    match found {
        Type::F16 => half(cbor),
        Type::F32 => Ok(cbor.f32()?.into()),
        Type::F64 => Ok(cbor.f64()?),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            Ok(i128::from(cbor.int()?) as f64)
        }
        _ => Err(Refusal::Form(text::cannot(&found.to_string(), schema))),
    }
}

/// A half-precision float, which minicbor reads only together with a crate that brings a derive of its own.
fn half(cbor: &mut Decoder<'_>) -> Read<f64> {
    let at = cbor.position();
    let Some([_, high, low]) = cbor.input().get(at..at + 3) else {
        return refuse("the CBOR document ends inside a number");
    };
    let bits = u16::from_be_bytes([*high, *low]);
    cbor.set_position(at + 3);
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    Ok(if bits >> 15 == 1 { -magnitude } else { magnitude })
}

fn string(cbor: &mut Decoder<'_>) -> Read<String> {
    let mut whole = String::new();
    for part in cbor.str_iter()? {
        whole.push_str(part?);
    }
    Ok(whole)
}

fn byte_string(cbor: &mut Decoder<'_>) -> Read<Vec<u8>> {
    let mut whole = Vec::new();
    for part in cbor.bytes_iter()? {
        whole.extend_from_slice(part?);
    }
    Ok(whole)
}

fn timestamp(cbor: &mut Decoder<'_>, schema: &Schema) -> Read<Value> {
    if cbor.tag()? != IanaTag::Timestamp.tag() {
        return refuse("a timestamp has tag 1");
    }
    let found = cbor.datatype()?;
    match text::from_seconds(number(cbor, schema, found)?) {
        Some(instant) => Ok(Value::Timestamp(instant)),
        None => Err(Refusal::Form(text::cannot("NUMBER_VALUE", schema))),
    }
}

/// True when a container of this length has ended after `taken` items; takes the break of an indefinite one.
fn ended(cbor: &mut Decoder<'_>, length: Option<u64>, taken: u64) -> Read<bool> {
    match length {
        Some(length) => Ok(taken == length),
        None if cbor.datatype()? == Type::Break => {
            cbor.skip()?;
            Ok(true)
        }
        None => Ok(false),
    }
}

fn list(cbor: &mut Decoder<'_>, item: &'static Schema, depth: usize) -> Read<Value> {
    let length = cbor.array()?;
    let mut items = Vec::new();
    while !ended(cbor, length, items.len() as u64)? {
        items.push(any(cbor, item, depth + 1)?);
    }
    Ok(Value::List(items))
}

fn map(cbor: &mut Decoder<'_>, item: &'static Schema, depth: usize) -> Read<Value> {
    let (length, mut taken) = (cbor.map()?, 0);
    let mut entries = BTreeMap::new();
    while !ended(cbor, length, taken)? {
        let key = string(cbor)?;
        entries.insert(key, any(cbor, item, depth + 1)?);
        taken += 1;
    }
    Ok(Value::Map(entries.into_iter().collect()))
}

/// Calls `set` with each known member that is not null.
fn known(
    cbor: &mut Decoder<'_>,
    members: &'static [Member],
    depth: usize,
    mut set: impl FnMut(usize, Value) -> Read<()>,
) -> Read<()> {
    let (length, mut taken) = (cbor.map()?, 0);
    while !ended(cbor, length, taken)? {
        let key = string(cbor)?;
        taken += 1;
        match members.iter().position(|member| member.name == key) {
            None => cbor.skip()?,
            Some(at) => match any(cbor, members[at].target(), depth + 1)? {
                Value::Null => {}
                value => set(at, value)?,
            },
        }
    }
    Ok(())
}

fn structure(cbor: &mut Decoder<'_>, members: &'static [Member], depth: usize) -> Read<Value> {
    let mut slots: Vec<Option<Value>> = members.iter().map(|_| None).collect();
    known(cbor, members, depth, |at, value| {
        slots[at] = Some(value);
        Ok(())
    })?;
    Ok(Value::Struct(slots))
}

fn union(cbor: &mut Decoder<'_>, schema: &Schema, members: &'static [Member], depth: usize) -> Read<Value> {
    let mut found = None;
    known(cbor, members, depth, |at, value| match found.replace((at, value)) {
        Some((before, _)) if before != at => refuse(format!("Only one member of the union {} may be set", schema.name)),
        _ => Ok(()),
    })?;
    match found {
        Some((at, value)) => Ok(Value::Union(at, Box::new(value))),
        None => refuse(format!("Exactly one member of the union {} must be set", schema.name)),
    }
}

/// Writes a document.
pub(super) fn write(schema: &Schema, value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::with_capacity(256));
    let written = put(&mut encoder, schema, value);
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
    encoder.into_writer()
}

/// Writes an error's document: `__type` (except in event streams, whose headers carry it), members, message.
pub(super) fn write_error(error: &Error, with_type: bool) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::with_capacity(256));
    let written = put_error(&mut encoder, error, with_type);
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
    encoder.into_writer()
}

type Writer = Encoder<Vec<u8>>;
type Written = Result<(), encode::Error<Infallible>>;

fn put_error(cbor: &mut Writer, error: &Error, with_type: bool) -> Written {
    let all = error_members(error, with_type);
    cbor.map(all.len() as u64)?;
    for (name, value) in all {
        cbor.str(name)?.str(value)?;
    }
    Ok(())
}

fn put(cbor: &mut Writer, schema: &Schema, value: &Value) -> Written {
    match (schema.kind, value) {
        (Kind::Nullable(inner), value) => put(cbor, inner(), value),
        (Kind::Struct(members), Value::Struct(slots)) => {
            cbor.map(slots.iter().flatten().count() as u64)?;
            for (member, value) in members.iter().zip(slots).filter_map(|(m, slot)| Some((m, slot.as_ref()?))) {
                cbor.str(member.name)?;
                put(cbor, member.target(), value)?;
            }
            Ok(())
        }
        (Kind::Union(members), Value::Union(at, value)) => {
            cbor.map(1)?.str(members[*at].name)?;
            put(cbor, members[*at].target(), value)
        }
        (Kind::Map(item), Value::Map(entries)) => {
            cbor.map(entries.len() as u64)?;
            for (key, value) in entries {
                cbor.str(key)?;
                put(cbor, item(), value)?;
            }
            Ok(())
        }
        (Kind::List(item), Value::List(items)) => {
            cbor.array(items.len() as u64)?;
            items.iter().try_for_each(|value| put(cbor, item(), value))
        }
        (_, value) => put_single(cbor, value),
    }
}

fn put_single(cbor: &mut Writer, value: &Value) -> Written {
    match value {
        Value::Bool(flag) => cbor.bool(*flag)?.ok(),
        Value::Int(number) => cbor.i64(*number)?.ok(),
        Value::Float(number) => cbor.f64(*number)?.ok(),
        Value::String(text) => cbor.str(text)?.ok(),
        Value::Blob(bytes) | Value::Body(Body::Whole(bytes)) => cbor.bytes(bytes)?.ok(),
        Value::Timestamp(instant) => {
            cbor.tag(IanaTag::Timestamp)?;
            match instant.millis() % 1000 {
                0 => cbor.i64(instant.secs())?.ok(),
                _ => cbor.f64(instant.millis() as f64 / 1000.0)?.ok(),
            }
        }
        // Documents and streams have no form here (Smithy: "documents are not supported").
        _ => cbor.null()?.ok(),
    }
}
