//! Values as texts: Java's `toString`, and JSON.

use std::fmt::Write;

use super::value::{Key, ListKind};
use super::{Fault, Meter, Object, Value};

/// What a value looks like; `None` for what has no text.
pub(super) fn of(value: &Value, meter: &Meter) -> Result<Option<String>, Fault> {
    Ok(match value {
        Value::Null => None,
        Value::String(text) | Value::Large(text) => Some(text.to_string()),
        Value::Object(object) => object_text(object.as_ref(), meter)?,
        value => {
            let mut writer = Writer::new(meter, Style::Java);
            writer.java(value)?;
            Some(writer.out)
        }
    })
}

/// An object's text may be made of its values' texts, and so of its own.
fn object_text(object: &dyn Object, meter: &Meter) -> Result<Option<String>, Fault> {
    meter.deeper()?;
    let text = object.text(meter)?;
    meter.higher();
    Ok(text)
}

/// What a value looks like inside others, and in concatenations: nothing is `null`.
pub(super) fn within(value: &Value, meter: &Meter) -> Result<String, Fault> {
    Ok(of(value, meter)?.unwrap_or_else(|| "null".to_owned()))
}

/// A value as JSON, without spaces.
///
/// # Errors
/// Text or nesting beyond the limits.
pub(super) fn json(value: &Value, meter: &Meter) -> Result<String, Fault> {
    let mut writer = Writer::new(meter, Style::Json);
    writer.json(value)?;
    Ok(writer.out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `toString`: what is JSON within it has `\/` for slashes, as its library writes by default.
    Java,
    Json,
}

struct Writer<'m> {
    out: String,
    meter: &'m Meter,
    style: Style,
}

impl<'m> Writer<'m> {
    fn new(meter: &'m Meter, style: Style) -> Writer<'m> {
        Writer { out: String::new(), meter, style }
    }

    fn push(&mut self, text: &str) -> Result<(), Fault> {
        self.out.push_str(text);
        self.meter.fits(self.out.len())
    }

    fn java(&mut self, value: &Value) -> Result<(), Fault> {
        match value {
            Value::Null => self.push("null"),
            Value::Bool(value) => self.push(if *value { "true" } else { "false" }),
            Value::Integer(value) => {
                let _ = write!(self.out, "{value}");
                Ok(())
            }
            Value::Float(value) => self.push(&double(*value)),
            Value::String(text) | Value::Large(text) => self.push(text),
            Value::List(list) if list.kind() == ListKind::Json => self.json(value),
            Value::List(list) => {
                self.meter.deeper()?;
                self.push("[")?;
                for (at, item) in list.items().iter().enumerate() {
                    self.push(if at == 0 { "" } else { ", " })?;
                    match item {
                        Value::List(inner) if inner.same(list) => self.push("(this Collection)")?,
                        item => self.java(item)?,
                    }
                }
                self.meter.higher();
                self.push("]")
            }
            Value::Map(map) => {
                self.meter.deeper()?;
                self.push("{")?;
                for (at, (key, item)) in map.entries().iter().enumerate() {
                    self.push(if at == 0 { "" } else { ", " })?;
                    self.java(&key.value())?;
                    self.push("=")?;
                    match item {
                        Value::Map(inner) if inner.same(map) => self.push("(this Map)")?,
                        item => self.java(item)?,
                    }
                }
                self.meter.higher();
                self.push("}")
            }
            Value::Object(object) => self.object(object.as_ref()),
            Value::Defined(_) => Ok(()),
        }
    }

    fn object(&mut self, object: &dyn Object) -> Result<(), Fault> {
        let text = object_text(object, self.meter)?;
        self.push(text.as_deref().unwrap_or("null"))
    }

    fn json(&mut self, value: &Value) -> Result<(), Fault> {
        match value {
            Value::String(text) => self.quoted(text),
            Value::Float(value) if !value.is_finite() => self.push("null"),
            Value::List(list) => {
                self.meter.deeper()?;
                self.push("[")?;
                for (at, item) in list.items().iter().enumerate() {
                    self.push(if at == 0 { "" } else { "," })?;
                    self.json(item)?;
                }
                self.meter.higher();
                self.push("]")
            }
            Value::Map(map) => {
                self.meter.deeper()?;
                self.push("{")?;
                for (at, (key, item)) in map.entries().iter().enumerate() {
                    self.push(if at == 0 { "" } else { "," })?;
                    match key {
                        Key::String(text) => self.quoted(text)?,
                        other => {
                            self.push("\"")?;
                            self.java(&other.value())?;
                            self.push("\"")?;
                        }
                    }
                    self.push(":")?;
                    self.json(item)?;
                }
                self.meter.higher();
                self.push("}")
            }
            Value::Object(object) => match object_text(object.as_ref(), self.meter)? {
                Some(text) => self.quoted(&text),
                None => self.push("null"),
            },
            other => self.java(other),
        }
    }

    /// As json-smart, the library that API Gateway's paths are built on, escapes.
    fn quoted(&mut self, text: &str) -> Result<(), Fault> {
        self.meter.fits(self.out.len() + text.len())?;
        self.out.push('"');
        for letter in text.chars() {
            match letter {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '/' if self.style == Style::Java => self.out.push_str("\\/"),
                '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2000}'..='\u{20ff}' => {
                    let _ = write!(self.out, "\\u{:04X}", u32::from(letter));
                }
                other => self.out.push(other),
            }
        }
        self.out.push('"');
        self.meter.fits(self.out.len())
    }
}

/// Java's `Double.toString`.
pub(super) fn double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}
