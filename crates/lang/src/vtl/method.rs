//! What Java's objects can do, and what it costs: properties, indices, methods.
//!
//! Nothing here is found by reflection: what is not written down names nothing, and renders as it is written. A method that
//! throws in Java ends the rendering.

mod list;
mod map;
mod number;
mod pattern;
mod string;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use regex::Regex;

use super::evaluate::same;
use super::value::ListKind;
use super::{Fault, Key, Object, Rules, Value, text};

/// What a method answers: `None` if there is none of that name for those arguments.
type Answer = Result<Option<Value>, Fault>;

/// What a rendering has used up.
pub struct Meter {
    rules: Rules,
    steps: Cell<u64>,
    memory_bytes: Cell<usize>,
    /// Values within each other, while they become a text.
    depth: Cell<usize>,
    /// What holds other values, and might hold itself.
    tied: RefCell<Vec<Value>>,
    patterns: RefCell<HashMap<String, Regex>>,
}

impl Meter {
    /// Nothing used up yet.
    pub fn new(rules: Rules) -> Meter {
        Meter {
            rules,
            steps: Cell::new(0),
            memory_bytes: Cell::new(0),
            depth: Cell::new(0),
            tied: RefCell::default(),
            patterns: RefCell::default(),
        }
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Work was done.
    ///
    /// # Errors
    /// It was too much.
    pub fn step(&self, steps: u64) -> Result<(), Fault> {
        let used = self.steps.get().saturating_add(steps);
        self.steps.set(used);
        if used > self.rules.steps { Err(Fault::Limit("steps")) } else { Ok(()) }
    }

    /// Goes into a value. Whoever comes back without an error says so by `higher`.
    pub(super) fn deeper(&self) -> Result<(), Fault> {
        self.depth.set(self.depth.get() + 1);
        self.step(1)?;
        if self.depth.get() > self.rules.depth { Err(Fault::Limit("nesting")) } else { Ok(()) }
    }

    pub(super) fn higher(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }

    /// Whether a text may be so long.
    ///
    /// # Errors
    /// It may not.
    pub fn fits(&self, bytes: usize) -> Result<(), Fault> {
        if bytes > self.rules.text_bytes { Err(Fault::Limit("text size")) } else { Ok(()) }
    }

    /// A value of so many bytes was made.
    ///
    /// # Errors
    /// It is too long, or all of them together are.
    pub fn made(&self, bytes: usize) -> Result<(), Fault> {
        let all = self.memory_bytes.get().saturating_add(bytes);
        self.memory_bytes.set(all);
        if all > self.rules.memory_bytes {
            return Err(Fault::Limit("memory"));
        }
        self.step(bytes as u64 / 256)?;
        self.fits(bytes)
    }

    /// Remembers a list or map that holds others: it is emptied at the end.
    pub(super) fn tie(&self, value: &Value, holds: bool) {
        if holds {
            self.tied.borrow_mut().push(value.clone());
        }
    }

    /// Empties what might hold itself, without going from one into the next.
    pub(super) fn untie(&self) {
        let tied = self.tied.take();
        let mut loose = Vec::new();
        for value in &tied {
            match value {
                Value::List(list) => loose.append(&mut list.with(std::mem::take)),
                Value::Map(map) => loose.extend(map.with(std::mem::take).into_values()),
                _ => {}
            }
        }
    }
}

/// `$value.name`
pub(super) fn property(value: &Value, name: &str, meter: &Meter) -> Answer {
    match value {
        // A map's entries hide whatever else it has.
        Value::Map(map) => Ok(map.get(name)),
        Value::Object(object) => object.property(name, meter),
        Value::List(list) if name == "empty" => Ok(Some(list.is_empty().into())),
        Value::String(text) if name == "empty" => Ok(Some(text.is_empty().into())),
        Value::String(text) if name == "bytes" => string::call(text, "getBytes", &[], meter),
        _ => Ok(None),
    }
}

/// `$value[index]`
pub(super) fn index(value: &Value, index: &Value, meter: &Meter) -> Answer {
    match (value, index) {
        (Value::List(list), Value::Integer(at)) if list.kind() != ListKind::View => {
            list::get(list, *at, true).map(Some)
        }
        (Value::Map(map), index) => Ok(Key::of(index).and_then(|key| map.get_key(&key))),
        (Value::Object(object), index) => object.call("get", std::slice::from_ref(index), meter),
        _ => Ok(None),
    }
}

/// `$value.name(arguments)`
pub(super) fn call(value: &Value, name: &str, arguments: &[Value], meter: &Meter) -> Answer {
    let found = match value {
        Value::String(text) => string::call(text, name, arguments, meter)?,
        Value::List(list) => list::call(list, name, arguments, meter)?,
        Value::Map(map) => map::call(map, name, arguments, meter)?,
        Value::Integer(_) | Value::Float(_) | Value::Large(_) => number::call(value, name, arguments)?,
        Value::Bool(own) => boolean(*own, name, arguments)?,
        Value::Object(object) => object.call(name, arguments, meter)?,
        Value::Null | Value::Defined(_) => None,
    };
    match (found, name, arguments) {
        (None, "toString", []) => Ok(text::of(value, meter)?.map(Into::into)),
        (None, "equals", [other]) => same(value, other, meter, 0).map(|same| Some(same.into())),
        (found, ..) => Ok(found),
    }
}

fn boolean(own: bool, name: &str, arguments: &[Value]) -> Answer {
    Ok(match (name, arguments) {
        ("booleanValue", []) => Some(own.into()),
        ("compareTo", [Value::Bool(other)]) => Some((i64::from(own) - i64::from(*other)).into()),
        ("parseBoolean" | "valueOf", [Value::String(text)]) => Some(text.eq_ignore_ascii_case("true").into()),
        ("hashCode", []) => Some(Value::Integer(if own { 1231 } else { 1237 })),
        _ => None,
    })
}

/// `#set($value.name = new)`: nothing happens where there is nothing to set.
pub(super) fn set_property(value: &Value, name: &str, new: &Value, meter: &Meter) -> Result<(), Fault> {
    match value {
        Value::Map(map) => map::put(map, Key::String(name.into()), new, meter).map(drop),
        Value::Object(object) => object.set(name, new, meter).map(drop),
        _ => Ok(()),
    }
}

/// `#set($value[index] = new)`
pub(super) fn set_index(value: &Value, index: &Value, new: &Value, meter: &Meter) -> Result<(), Fault> {
    match (value, index) {
        (Value::List(list), Value::Integer(at)) => list::set(list, *at, new, meter).map(drop),
        (Value::Map(map), index) => match Key::of(index) {
            Some(key) => map::put(map, key, new, meter).map(drop),
            None => Ok(()),
        },
        (Value::Object(object), Value::String(name)) => object.set(name, new, meter).map(drop),
        _ => Ok(()),
    }
}

/// What `#foreach` goes through.
pub(super) enum Items {
    Listed(std::vec::IntoIter<Value>),
    Object(Rc<dyn Object>),
}

impl Items {
    /// The items of a list, the values of a map, the rest of an iterator; nothing goes through anything else.
    pub(super) fn of(value: Value, meter: &Meter) -> Result<Option<Items>, Fault> {
        Ok(match value {
            Value::List(list) => {
                meter.step(list.len() as u64 / 16)?;
                Some(Items::Listed(list.items().into_iter()))
            }
            Value::Map(map) => {
                meter.step(map.len() as u64 / 16)?;
                Some(Items::Listed(map.with(|map| map.values().cloned().collect::<Vec<_>>()).into_iter()))
            }
            Value::Object(object) => Some(Items::Object(object)),
            _ => None,
        })
    }

    pub(super) fn next(&mut self) -> Option<Value> {
        match self {
            Items::Listed(items) => items.next(),
            Items::Object(object) => object.next().flatten(),
        }
    }
}

/// `$list.iterator()`
struct Iterator(RefCell<std::vec::IntoIter<Value>>);

impl Iterator {
    fn over(items: Vec<Value>) -> Value {
        Value::Object(Rc::new(Iterator(RefCell::new(items.into_iter()))))
    }
}

impl Object for Iterator {
    fn call(&self, name: &str, arguments: &[Value], _: &Meter) -> Answer {
        match (name, arguments) {
            ("hasNext", []) => Ok(Some((self.0.borrow().len() > 0).into())),
            ("next", []) => match self.0.borrow_mut().next() {
                Some(item) => Ok(Some(item)),
                None => Err(Fault::Method("the iterator has no more elements".to_owned())),
            },
            _ => Ok(None),
        }
    }

    fn text(&self, _: &Meter) -> Result<Option<String>, Fault> {
        Ok(Some("iterator".to_owned()))
    }

    fn next(&self) -> Option<Option<Value>> {
        Some(self.0.borrow_mut().next())
    }
}

/// What a method without a value answers: nothing to be shown.
fn void() -> Value {
    "".into()
}

/// An index that is within a list or a text, or what Java throws.
fn within(at: i64, length: usize) -> Result<usize, Fault> {
    match usize::try_from(at) {
        Ok(at) if at < length => Ok(at),
        _ => Err(Fault::Method(format!("index {at} is out of bounds for length {length}"))),
    }
}
