//! The schema of every API shape, the dynamic value between wire and types, and validation in AWS's words.
//!
//! A request passes three forms: bytes → [`Value`] (a protocol in `wire`, led by the [`Schema`]) → a typed struct (the
//! derived [`Shape`] conversions); a response the same way back. Protocols, validation and call-by-name work on
//! `Value` and `Schema` alone, so a new protocol recompiles no service. See `docs/decisions/0001-shapes.md`.

extern crate self as shape;

pub mod body;
pub mod schema;
pub mod validate;
pub mod value;

mod types;

pub use body::{Body, Event, EventStream};
pub use schema::{Kind, Member, Place, Rules, Schema, SchemaFn, TimestampFormat};
pub use shape_derive::Shape;
pub use types::Events;
pub use value::{Fields, Mismatch, Value};

/// A type that is an API shape: it has a constant schema and converts to and from [`Value`].
///
/// Derived; implemented by hand here only for the primitives and collections.
pub trait Shape: Sized + Send + 'static {
    /// The shape's schema.
    const SCHEMA: &'static Schema;

    /// The schema as a function, so that shapes may contain themselves.
    fn schema() -> &'static Schema {
        Self::SCHEMA
    }

    /// From a value decoded under [`Shape::SCHEMA`].
    fn from_value(value: Value) -> Result<Self, Mismatch>;

    /// To a value under [`Shape::SCHEMA`].
    fn into_value(self) -> Value;
}

/// The empty shape: operations without input or output members.
impl Shape for () {
    const SCHEMA: &'static Schema = &Schema::new("Unit", Kind::Struct(&[]));
    fn from_value(_: Value) -> Result<Self, Mismatch> {
        Ok(())
    }
    fn into_value(self) -> Value {
        Value::Struct(Vec::new())
    }
}
