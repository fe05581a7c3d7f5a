//! JSON text to values, in one pass and without an intermediate tree.
//!
//! serde_json does the text (escapes, numbers, UTF-8, at most 128 levels); this seed leads it by the schema and refuses
//! in AWS's words. Members that the schema does not know are skipped, as AWS skips them; of a key given twice the last
//! counts; a null member is an absent one.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use base::Error;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use shape::{Body, Kind, Member, Schema, TimestampFormat, Value};

use super::Members;
use crate::protocol::text;

/// Reads a document under a schema. A top-level null is the empty structure.
pub(in crate::protocol) fn read(schema: &'static Schema, json: &[u8], members: Members) -> Result<Value, Error> {
    let refusal = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(json);
    let seed = Seed { schema, members, format: TimestampFormat::EpochSeconds, refusal: &refusal };
    match seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)) {
        Ok(Value::Null) if matches!(schema.kind, Kind::Struct(_)) => Ok(Value::empty(schema)),
        Ok(Value::Null) => Err(Error::serialization("Expected a value, found null")),
        Ok(value) => Ok(value),
        Err(error) => Err(Error::serialization(refusal.take().unwrap_or_else(|| error.to_string()))),
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    schema: &'static Schema,
    members: Members,
    format: TimestampFormat,
    /// AWS's words for what was refused; serde's error would add line and column.
    refusal: &'a RefCell<Option<String>>,
}

impl Seed<'_> {
    fn inside(self, schema: &'static Schema) -> Self {
        Seed { schema, members: Members::All, ..self }
    }

    fn refuse<T, E: de::Error>(self, words: impl Into<String>) -> Result<T, E> {
        *self.refusal.borrow_mut() = Some(words.into());
        Err(E::custom("refused"))
    }

    fn cannot<T, E: de::Error>(self, found: &str) -> Result<T, E> {
        self.refuse(text::cannot_words(found, self.schema))
    }

    fn whole_number<E: de::Error>(self, number: i128) -> Result<Value, E> {
        match self.schema.kind {
            Kind::Int => match i32::try_from(number) {
                Ok(number) => Ok(Value::Int(number.into())),
                Err(_) => self.cannot("NUMBER_VALUE"),
            },
            Kind::Long => match i64::try_from(number) {
                Ok(number) => Ok(Value::Int(number)),
                Err(_) => self.cannot("NUMBER_VALUE"),
            },
            Kind::Float | Kind::Double => Ok(Value::Float(number as f64)),
            Kind::Timestamp => self.seconds(number as f64),
            _ => self.cannot("NUMBER_VALUE"),
        }
    }

    fn seconds<E: de::Error>(self, seconds: f64) -> Result<Value, E> {
        match text::from_seconds(seconds) {
            Some(instant) => Ok(Value::Timestamp(instant)),
            None => self.cannot("NUMBER_VALUE"),
        }
    }

    fn structure<'de, A: MapAccess<'de>>(self, members: &'static [Member], mut map: A) -> Result<Value, A::Error> {
        let mut slots: Vec<Option<Value>> = members.iter().map(|_| None).collect();
        while let Some(found) = map.next_key_seed(Key(members))? {
            let Some(at) = found.filter(|at| self.members.has(&members[*at])) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value_seed(self.member(&members[at]))?;
            slots[at] = present(value);
        }
        Ok(Value::Struct(slots))
    }

    fn union<'de, A: MapAccess<'de>>(self, members: &'static [Member], mut map: A) -> Result<Value, A::Error> {
        let mut set = None;
        while let Some(found) = map.next_key_seed(Key(members))? {
            let Some(at) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if let Some(value) = present(map.next_value_seed(self.member(&members[at]))?)
                && set.replace((at, value)).is_some_and(|(before, _)| before != at)
            {
                return self.refuse(format!("Only one member of the union {} may be set", self.schema.name));
            }
        }
        match set {
            Some((at, value)) => Ok(Value::Union(at, Box::new(value))),
            None => self.refuse(format!("Exactly one member of the union {} must be set", self.schema.name)),
        }
    }

    fn entries<'de, A: MapAccess<'de>>(self, item: &'static Schema, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            entries.push((key, map.next_value_seed(self.inside(item))?));
        }
        Ok(Value::Map(last_of_each(entries)))
    }

    fn member(self, member: &'static Member) -> Self {
        let format = member.timestamp.unwrap_or(TimestampFormat::EpochSeconds);
        Seed { schema: member.target(), members: Members::All, format, refusal: self.refusal }
    }
}

fn present(value: Value) -> Option<Value> {
    match value {
        Value::Null | Value::Document(serde_json::Value::Null) => None,
        value => Some(value),
    }
}

fn last_of_each(mut entries: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let distinct = entries.iter().map(|(key, _)| key.as_str()).collect::<HashSet<_>>().len();
    if distinct == entries.len() {
        return entries;
    }
    let mut seen = HashSet::new();
    entries.reverse();
    entries.retain(|(key, _)| seen.insert(key.clone()));
    entries.reverse();
    entries
}

/// Finds a key's member without copying the key.
struct Key(&'static [Member]);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, keys: D) -> Result<Self::Value, D::Error> {
        keys.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<usize>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|member| member.name == name))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        match self.schema.kind {
            Kind::Document => serde::Deserialize::deserialize(json).map(Value::Document),
            Kind::Nullable(inner) => self.inside(inner()).deserialize(json),
            _ => json.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.schema.name)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Value, E> {
        match self.schema.kind {
            Kind::Bool => Ok(Value::Bool(flag)),
            _ => self.cannot(if flag { "TRUE_VALUE" } else { "FALSE_VALUE" }),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        self.whole_number(number.into())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        self.whole_number(number.into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        match self.schema.kind {
            Kind::Float | Kind::Double => Ok(Value::Float(number)),
            // Coral reads numbers through a class it calls TruncatingBigNumber: 1.0 and 1.7 are both 1.
            Kind::Int | Kind::Long => self.whole_number(number.trunc() as i128),
            Kind::Timestamp => self.seconds(number),
            _ => self.cannot("NUMBER_VALUE"),
        }
    }

    fn visit_str<E: de::Error>(self, found: &str) -> Result<Value, E> {
        match self.schema.kind {
            Kind::String | Kind::Enum(_) => Ok(Value::String(found.to_owned())),
            Kind::Blob | Kind::Body => match (text::blob(found), self.schema.kind) {
                (Some(bytes), Kind::Body) => Ok(Value::Body(Body::Whole(bytes.into()))),
                (Some(bytes), _) => Ok(Value::Blob(bytes.into())),
                (None, _) => self.cannot("STRING_VALUE"),
            },
            Kind::Float | Kind::Double if matches!(found, "NaN" | "Infinity" | "-Infinity") => {
                Ok(Value::Float(text::parse_float(found).unwrap_or(f64::NAN)))
            }
            Kind::Timestamp if self.format != TimestampFormat::EpochSeconds => {
                match text::parse_timestamp(found, self.format) {
                    Some(instant) => Ok(Value::Timestamp(instant)),
                    None => self.cannot("STRING_VALUE"),
                }
            }
            _ => self.cannot("STRING_VALUE"),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let Kind::List(item) = self.schema.kind else {
            return self.refuse("Start of list found where not expected");
        };
        let mut items = Vec::new();
        while let Some(value) = sequence.next_element_seed(self.inside(item()))? {
            items.push(value);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        match self.schema.kind {
            Kind::Struct(members) => self.structure(members, map),
            Kind::Union(members) => self.union(members, map),
            Kind::Map(item) => self.entries(item(), map),
            _ => self.refuse("Start of structure or map found where not expected."),
        }
    }
}
