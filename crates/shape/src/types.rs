//! Rust's own types as shapes: primitives and collections.

use std::collections::BTreeMap;

use base::Timestamp;
use bytes::Bytes;

use crate::{Body, EventStream, Kind, Mismatch, Schema, Shape, Value};

/// `impl Shape` for a type that is exactly one variant of [`Value`].
macro_rules! primitive {
    ($type:ty, $name:literal, $kind:expr, $pattern:pat => $back:expr, $forth:expr) => {
        impl Shape for $type {
            const SCHEMA: &'static Schema = &Schema::new($name, $kind);
            fn from_value(value: Value) -> Result<Self, Mismatch> {
                match value {
                    $pattern => Ok($back),
                    other => Err(Mismatch::new($name, &other)),
                }
            }
            fn into_value(self) -> Value {
                let forth: fn($type) -> Value = $forth;
                forth(self)
            }
        }
    };
}

primitive!(bool, "Boolean", Kind::Bool, Value::Bool(b) => b, Value::Bool);
primitive!(i32, "Integer", Kind::Int, Value::Int(n) => n as i32, |n| Value::Int(i64::from(n)));
primitive!(i64, "Long", Kind::Long, Value::Int(n) => n, Value::Int);
primitive!(f32, "Float", Kind::Float, Value::Float(x) => x as f32, |x| Value::Float(widened(x)));
primitive!(f64, "Double", Kind::Double, Value::Float(x) => x, Value::Float);
primitive!(String, "String", Kind::String, Value::String(s) => s, Value::String);
primitive!(Bytes, "Blob", Kind::Blob, Value::Blob(b) => b, Value::Blob);
primitive!(Timestamp, "Timestamp", Kind::Timestamp, Value::Timestamp(t) => t, Value::Timestamp);
primitive!(serde_json::Value, "Document", Kind::Document, Value::Document(d) => d, Value::Document);
primitive!(Body, "Body", Kind::Body, Value::Body(b) => b, Value::Body);

/// The double with the same digits: `0.1`, where the exact one is `0.10000000149011612` and would be shown so.
fn widened(number: f32) -> f64 {
    if number.is_finite() { number.to_string().parse().unwrap_or(f64::from(number)) } else { f64::from(number) }
}

impl<T: Shape> Shape for Vec<T> {
    const SCHEMA: &'static Schema = &Schema::new("List", Kind::List(T::schema));
    fn from_value(value: Value) -> Result<Self, Mismatch> {
        match value {
            Value::List(items) => items.into_iter().map(T::from_value).collect(),
            other => Err(Mismatch::new("List", &other)),
        }
    }
    fn into_value(self) -> Value {
        Value::List(self.into_iter().map(T::into_value).collect())
    }
}

impl<T: Shape> Shape for BTreeMap<String, T> {
    const SCHEMA: &'static Schema = &Schema::new("Map", Kind::Map(T::schema));
    fn from_value(value: Value) -> Result<Self, Mismatch> {
        match value {
            Value::Map(entries) => entries.into_iter().map(|(k, v)| Ok((k, T::from_value(v)?))).collect(),
            other => Err(Mismatch::new("Map", &other)),
        }
    }
    fn into_value(self) -> Value {
        Value::Map(self.into_iter().map(|(k, v)| (k, v.into_value())).collect())
    }
}

impl<T: Shape> Shape for Box<T> {
    const SCHEMA: &'static Schema = T::SCHEMA;
    fn from_value(value: Value) -> Result<Self, Mismatch> {
        T::from_value(value).map(Box::new)
    }
    fn into_value(self) -> Value {
        (*self).into_value()
    }
}

/// An item of a sparse list or map. (A structure's `Option` fields are the derive's matter: absent, never null.)
impl<T: Shape> Shape for Option<T> {
    const SCHEMA: &'static Schema = &Schema::new(T::SCHEMA.name, Kind::Nullable(T::schema));
    fn from_value(value: Value) -> Result<Self, Mismatch> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
}

/// An outgoing event stream whose events are members of the union `T`.
pub struct Events<T> {
    stream: EventStream,
    union: std::marker::PhantomData<fn() -> T>,
}

impl<T> Events<T> {
    /// Sends what this stream yields.
    pub fn new(stream: EventStream) -> Events<T> {
        Events { stream, union: std::marker::PhantomData }
    }
}

impl<T: Shape> Shape for Events<T> {
    const SCHEMA: &'static Schema = &Schema::new("EventStream", Kind::Events(T::schema));
    fn from_value(value: Value) -> Result<Self, Mismatch> {
        match value {
            Value::Events(stream) => Ok(Events::new(stream)),
            other => Err(Mismatch::new("EventStream", &other)),
        }
    }
    fn into_value(self) -> Value {
        Value::Events(self.stream)
    }
}
