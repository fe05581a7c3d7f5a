//! The dynamic value between wire and types.
//!
//! Its meaning comes from the schema it was made under: a structure is a row of slots in the order of the schema's
//! members, so conversion to a type compares no strings.

use base::Timestamp;
use bytes::Bytes;

use crate::{Body, EventStream, Schema};

/// A value under some schema.
#[derive(Debug)]
pub enum Value {
    /// An explicit null inside a sparse list or map.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of either width.
    Int(i64),
    /// A float of either width.
    Float(f64),
    /// Text or an enum's value.
    String(String),
    /// Bytes, decoded.
    Blob(Bytes),
    /// An instant.
    Timestamp(Timestamp),
    /// Free-form JSON.
    Document(serde_json::Value),
    /// A streaming payload.
    Body(Body),
    /// An outgoing event stream.
    Events(EventStream),
    /// A list.
    List(Vec<Value>),
    /// A map, in the order of the wire.
    Map(Vec<(String, Value)>),
    /// A structure: one slot for each member of its schema, in order.
    Struct(Vec<Option<Value>>),
    /// A union: the position of the member that is set, and its value.
    Union(usize, Box<Value>),
}

/// A value does not fit the type it is converted to: a fault of the caller who skipped validation, or of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shape} cannot be made from {found}")]
pub struct Mismatch {
    /// The shape that was wanted.
    pub shape: &'static str,
    /// What was there instead.
    pub found: &'static str,
}

impl Mismatch {
    /// `shape` was wanted and `found` was there.
    pub fn new(shape: &'static str, found: &Value) -> Mismatch {
        Mismatch { shape, found: found.kind_name() }
    }
}

impl Value {
    /// A structure of this schema with every slot empty.
    pub fn empty(schema: &Schema) -> Value {
        Value::Struct(schema.members().iter().map(|_| None).collect())
    }

    /// The slots of a structure.
    pub fn into_fields(self, schema: &'static Schema) -> Result<Fields, Mismatch> {
        match self {
            Value::Struct(slots) if slots.len() == schema.members().len() => Ok(Fields { schema, slots }),
            other => Err(Mismatch::new(schema.name, &other)),
        }
    }

    /// The value of a structure's member by name, for code that holds no type (call-by-name, documentation).
    pub fn get(&self, schema: &Schema, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(slots) => schema.member(name).and_then(|(at, _)| slots.get(at)?.as_ref()),
            _ => None,
        }
    }

    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The name of this value's variant, for messages.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a float",
            Value::String(_) => "a string",
            Value::Blob(_) => "a blob",
            Value::Timestamp(_) => "a timestamp",
            Value::Document(_) => "a document",
            Value::Body(_) => "a body",
            Value::Events(_) => "an event stream",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Struct(_) => "a structure",
            Value::Union(..) => "a union",
        }
    }
}

/// A structure's slots on their way into a type; used by the derive.
pub struct Fields {
    schema: &'static Schema,
    slots: Vec<Option<Value>>,
}

impl Fields {
    /// Takes a member that must be there.
    pub fn required<T: crate::Shape>(&mut self, at: usize) -> Result<T, Mismatch> {
        match self.slots[at].take() {
            Some(value) => T::from_value(value),
            None => Err(Mismatch { shape: self.schema.members()[at].name, found: "nothing" }),
        }
    }

    /// Takes a member that may be absent.
    pub fn optional<T: crate::Shape>(&mut self, at: usize) -> Result<Option<T>, Mismatch> {
        self.slots[at].take().map(T::from_value).transpose()
    }
}
