//! YAML: events become values, values become text.

use std::collections::HashMap;
use std::fmt::Write;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

use super::{Error, Limits};

/// The key that merges maps into the one in which it stands.
const MERGE: &str = "<<";

pub(super) fn read(text: &str, limits: &Limits) -> Result<Value, Error> {
    let mut builder =
        Builder { limits: *limits, size: Size::default(), open: Vec::new(), anchors: HashMap::new(), done: None };
    for event in Parser::new(StrInput::new(text)) {
        let (event, span) = event.map_err(|error| wrong(error.info(), error.marker()))?;
        builder.event(event).map_err(|what| wrong(&what, &span.start))?;
    }
    builder.done.ok_or_else(|| Error { what: "the document is empty".to_owned(), line: 1, column: 1 })
}

fn wrong(what: &str, at: &Marker) -> Error {
    Error { what: what.to_owned(), line: at.line(), column: at.col() + 1 }
}

struct Builder {
    limits: Limits,
    size: Size,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    done: Option<Value>,
}

/// How much there is of something.
#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    text_bytes: usize,
}

/// What aliases repeat.
struct Anchored {
    value: Value,
    size: Size,
    /// How many lists and maps it has within each other.
    depth: usize,
}

/// A list or map that has begun.
struct Open {
    anchor: usize,
    /// How much there was before it.
    before: Size,
    /// How deep what it holds is so far.
    depth: usize,
    what: Holder,
}

enum Holder {
    List(Vec<Value>),
    Map { members: Map<String, Value>, merged: Vec<Value>, key: Option<String> },
}

impl Builder {
    fn event(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::SequenceStart(anchor, _) => self.open(anchor, Holder::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                self.open(anchor, Holder::Map { members: Map::new(), merged: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Scalar(text, style, anchor, tag) => {
                let as_text = tag.as_ref().is_some_and(|tag| tag.suffix == "str");
                let value = match style {
                    ScalarStyle::Plain if !as_text => plain(&text),
                    _ => Value::String(text.into_owned()),
                };
                let size = Size { values: 1, text_bytes: value.as_str().map_or(0, str::len) };
                self.count(size)?;
                if anchor > 0 {
                    // It is kept twice.
                    self.count(size)?;
                    self.anchors.insert(anchor, Anchored { value: value.clone(), size, depth: 0 });
                }
                self.put(value, 0)
            }
            Event::Alias(anchor) => self.repeat(anchor),
            _ => Ok(()),
        }
    }

    /// Puts what an anchor names, once it is known that there is room for it.
    fn repeat(&mut self, anchor: usize) -> Result<(), String> {
        let Some(Anchored { size, depth, .. }) = self.anchors.get(&anchor) else {
            return Err("an alias names what is not there".to_owned());
        };
        let (size, depth) = (*size, *depth);
        self.count(size)?;
        self.check_depth(self.open.len() + depth)?;
        let value = self.anchors.get(&anchor).map(|anchored| anchored.value.clone()).unwrap_or_default();
        self.put(value, depth)
    }

    fn count(&mut self, more: Size) -> Result<(), String> {
        self.size.values += more.values;
        self.size.text_bytes += more.text_bytes;
        if self.size.values > self.limits.values {
            return Err("the document has too many values".to_owned());
        }
        if self.size.text_bytes > self.limits.text_bytes {
            return Err("the document's aliases repeat too much text".to_owned());
        }
        Ok(())
    }

    fn check_depth(&self, depth: usize) -> Result<(), String> {
        if depth > self.limits.depth { Err("the document is too deep".to_owned()) } else { Ok(()) }
    }

    fn open(&mut self, anchor: usize, what: Holder) -> Result<(), String> {
        self.check_depth(self.open.len() + 1)?;
        self.open.push(Open { anchor, before: self.size, depth: 0, what });
        self.count(Size { values: 1, text_bytes: 0 })
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.what {
            Holder::List(items) => Value::Array(items),
            Holder::Map { mut members, merged, .. } => {
                for (name, value) in merged.into_iter().flat_map(members_of) {
                    members.entry(name).or_insert(value);
                }
                Value::Object(members)
            }
        };
        let depth = open.depth + 1;
        if open.anchor > 0 {
            let size = Size {
                values: self.size.values - open.before.values,
                text_bytes: self.size.text_bytes - open.before.text_bytes,
            };
            self.count(size)?;
            self.anchors.insert(open.anchor, Anchored { value: value.clone(), size, depth });
        }
        self.put(value, depth)
    }

    fn put(&mut self, value: Value, depth: usize) -> Result<(), String> {
        if let Some(open) = self.open.last_mut() {
            open.depth = open.depth.max(depth);
        }
        match self.open.last_mut().map(|open| &mut open.what) {
            None if self.done.is_some() => return Err("there is more than one document".to_owned()),
            None => self.done = Some(value),
            Some(Holder::List(items)) => items.push(value),
            Some(Holder::Map { members, merged, key }) => match key.take() {
                None => *key = Some(key_text(value)?),
                Some(name) if name == MERGE && (value.is_object() || value.is_array()) => merged.push(value),
                Some(name) => {
                    if members.insert(name.clone(), value).is_some() {
                        return Err(format!("the key {name:?} stands twice"));
                    }
                }
            },
        }
        Ok(())
    }
}

/// What a merge brings: the members of a map, or of several.
fn members_of(value: Value) -> Vec<(String, Value)> {
    match value {
        Value::Object(members) => members.into_iter().collect(),
        Value::Array(items) => {
            items.into_iter().filter_map(|item| item.as_object().cloned()).flat_map(Map::into_iter).collect()
        }
        _ => Vec::new(),
    }
}

fn key_text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok("null".to_owned()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Array(_) | Value::Object(_) => Err("a key is no text".to_owned()),
    }
}

/// A plain scalar by YAML's core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let radix = |prefix, radix| text.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, radix).ok());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number = match unsigned.as_bytes().first() {
        Some(b'0'..=b'9' | b'.') if unsigned.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse::<i64>().ok().map(Value::from)
        }
        Some(b'0'..=b'9' | b'.')
            if unsigned.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) =>
        {
            text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
        }
        _ => None,
    };
    number.or_else(|| radix("0x", 16).or_else(|| radix("0o", 8)).map(Value::from)).unwrap_or_else(|| text.into())
}

/// Writes a value as YAML, as Jackson does: texts in double quotes, two blanks a level.
pub fn write(value: &Value) -> String {
    let mut out = "---\n".to_owned();
    match value {
        Value::Object(members) if !members.is_empty() => write_members(members, 0, &mut out),
        Value::Array(items) if !items.is_empty() => write_items(items, 0, &mut out),
        scalar => {
            write_scalar(scalar, &mut out);
            out.push('\n');
        }
    }
    out
}

fn write_members(members: &Map<String, Value>, level: usize, out: &mut String) {
    for (name, value) in members {
        let _ = write!(out, "{:1$}", "", 2 * level);
        write_key(name, out);
        out.push(':');
        write_below(value, level + 1, level, out);
    }
}

fn write_items(items: &[Value], level: usize, out: &mut String) {
    for value in items {
        let _ = write!(out, "{:1$}-", "", 2 * level);
        match value {
            // The first member stands beside the dash.
            Value::Object(members) if !members.is_empty() => {
                let mut inner = String::new();
                write_members(members, level + 1, &mut inner);
                out.push(' ');
                out.push_str(inner.trim_start());
            }
            value => write_below(value, level + 1, level + 1, out),
        }
    }
}

fn write_below(value: &Value, level: usize, list_level: usize, out: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            out.push('\n');
            write_members(members, level, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write_items(items, list_level, out);
        }
        scalar => {
            out.push(' ');
            write_scalar(scalar, out);
            out.push('\n');
        }
    }
}

fn write_key(name: &str, out: &mut String) {
    let plain = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/' || first == '$')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/$-_.+".contains(&byte))
        && plain(name).is_string();
    if plain { out.push_str(name) } else { out.push_str(&Value::from(name).to_string()) }
}

/// JSON's scalars are YAML's: what is in double quotes is escaped alike.
fn write_scalar(value: &Value, out: &mut String) {
    out.push_str(&value.to_string());
}
