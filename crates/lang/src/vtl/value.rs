//! Java's objects, as far as templates meet them: what a reference names.
//!
//! Lists and maps are shared and mutable, as in Java: `$a.add(1)` is seen by whoever else holds `$a`. They may therefore
//! hold themselves; a rendering empties at its end whatever could (`Meter::tie`), so that nothing is leaked, and nothing
//! is dropped level by level.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use indexmap::{Equivalent, IndexMap};

use super::tree::Block;
use super::{Fault, Meter};

/// What a reference names.
#[derive(Clone, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// Java's Boolean.
    Bool(bool),
    /// Java's Integer and Long.
    Integer(i64),
    /// Java's BigInteger and BigDecimal, as they are written.
    Large(Arc<str>),
    /// Java's Double.
    Float(f64),
    /// Java's String.
    String(Arc<str>),
    /// Java's List, or array.
    List(List),
    /// Java's Map.
    Map(Map),
    /// Something of the host's.
    Object(Rc<dyn Object>),
    /// What `#define` holds.
    #[doc(hidden)]
    Defined(Defined),
}

/// A `#define`d block.
#[derive(Clone)]
pub struct Defined(pub(super) Arc<Block>);

/// Something of the host's that templates may call: `$input`, `$util`.
pub trait Object {
    /// The value of `$object.name`; `None` if there is no such property.
    ///
    /// # Errors
    /// What a getter throws.
    fn property(&self, name: &str, meter: &Meter) -> Result<Option<Value>, Fault> {
        let _ = (name, meter);
        Ok(None)
    }

    /// The value of `$object.name(arguments)`; `None` if there is no such method for such arguments.
    ///
    /// # Errors
    /// What the method throws.
    fn call(&self, name: &str, arguments: &[Value], meter: &Meter) -> Result<Option<Value>, Fault> {
        let _ = (name, arguments, meter);
        Ok(None)
    }

    /// `#set($object.name = value)`. Whether there is such a property to be set.
    ///
    /// # Errors
    /// What a setter throws.
    fn set(&self, name: &str, value: &Value, meter: &Meter) -> Result<bool, Fault> {
        let _ = (name, value, meter);
        Ok(false)
    }

    /// What it is as a text; `None` renders the reference itself.
    ///
    /// # Errors
    /// What `toString` throws, or a text beyond the limits.
    fn text(&self, meter: &Meter) -> Result<Option<String>, Fault>;

    /// What `#foreach` goes through, if it can: the next item, `None` at the end.
    fn next(&self) -> Option<Option<Value>> {
        None
    }
}

/// A shared list.
#[derive(Clone)]
pub struct List(Rc<ListCell>);

struct ListCell {
    kind: Cell<ListKind>,
    items: RefCell<Vec<Value>>,
}

/// How a list looks as a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    /// `[a, b]`
    Java,
    /// `["a","b"]`: the JSON reader of API Gateway has lists of its own.
    Json,
    /// `[a, b]`, without places: a map's keys, values and entries.
    View,
}

/// A shared map that keeps its order.
#[derive(Clone, Default)]
pub struct Map(Rc<RefCell<IndexMap<Key, Value>>>);

/// What a map's entries are found by.
#[derive(Clone, Debug)]
pub enum Key {
    /// Null, which Java's maps take too.
    Null,
    /// A Boolean.
    Bool(bool),
    /// An Integer.
    Integer(i64),
    /// A Double, by its bits.
    Float(u64),
    /// A String.
    String(Arc<str>),
}

impl List {
    /// An empty list that looks as Java's.
    pub fn new() -> List {
        List::of(Vec::new())
    }

    /// A list that looks as Java's.
    pub fn of(items: Vec<Value>) -> List {
        List(Rc::new(ListCell { kind: Cell::new(ListKind::Java), items: RefCell::new(items) }))
    }

    /// A list that looks as JSON: what comes out of a JSON document.
    pub fn json(items: Vec<Value>) -> List {
        List(Rc::new(ListCell { kind: Cell::new(ListKind::Json), items: RefCell::new(items) }))
    }

    pub(super) fn view(items: Vec<Value>) -> List {
        List(Rc::new(ListCell { kind: Cell::new(ListKind::View), items: RefCell::new(items) }))
    }

    pub(super) fn kind(&self) -> ListKind {
        self.0.kind.get()
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.0.items.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at a place.
    pub fn get(&self, at: usize) -> Option<Value> {
        self.0.items.borrow().get(at).cloned()
    }

    /// All items, as they are now.
    pub fn items(&self) -> Vec<Value> {
        self.0.items.borrow().clone()
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Vec<Value>) -> T) -> T {
        act(&mut self.0.items.borrow_mut())
    }

    pub(super) fn same(&self, other: &List) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Default for List {
    fn default() -> List {
        List::new()
    }
}

impl Map {
    /// An empty map.
    pub fn new() -> Map {
        Map::default()
    }

    /// The value under a text.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.0.borrow().get(&Text(key)).cloned()
    }

    /// The value under a key.
    pub fn get_key(&self, key: &Key) -> Option<Value> {
        self.0.borrow().get(key).cloned()
    }

    /// Puts a value under a text.
    pub fn put(&self, key: &str, value: Value) {
        self.0.borrow_mut().insert(Key::String(key.into()), value);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, as they are now.
    pub fn entries(&self) -> Vec<(Key, Value)> {
        self.0.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut IndexMap<Key, Value>) -> T) -> T {
        act(&mut self.0.borrow_mut())
    }

    pub(super) fn same(&self, other: &Map) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl FromIterator<(Key, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (Key, Value)>>(entries: I) -> Map {
        Map(Rc::new(RefCell::new(entries.into_iter().collect())))
    }
}

/// A text as a key, without an allocation.
struct Text<'a>(&'a str);

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<Key> for Text<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        matches!(key, Key::String(text) if **text == *self.0)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Key::Null => 0_u8.hash(state),
            Key::Bool(value) => value.hash(state),
            Key::Integer(value) => value.hash(state),
            Key::Float(bits) => bits.hash(state),
            Key::String(text) => text.hash(state),
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        match (self, other) {
            (Key::Null, Key::Null) => true,
            (Key::Bool(one), Key::Bool(other)) => one == other,
            (Key::Integer(one), Key::Integer(other)) => one == other,
            (Key::Float(one), Key::Float(other)) => one == other,
            (Key::String(one), Key::String(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Key {}

impl Key {
    /// The key that a value is; `None` for what no map here is keyed by.
    pub fn of(value: &Value) -> Option<Key> {
        Some(match value {
            Value::Null => Key::Null,
            Value::Bool(value) => Key::Bool(*value),
            Value::Integer(value) => Key::Integer(*value),
            Value::Float(value) => Key::Float(value.to_bits()),
            Value::String(text) | Value::Large(text) => Key::String(text.clone()),
            _ => return None,
        })
    }

    /// The key as a value.
    pub fn value(&self) -> Value {
        match self {
            Key::Null => Value::Null,
            Key::Bool(value) => Value::Bool(*value),
            Key::Integer(value) => Value::Integer(*value),
            Key::Float(bits) => Value::Float(f64::from_bits(*bits)),
            Key::String(text) => Value::String(text.clone()),
        }
    }
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Value {
        Value::String(text.into())
    }

    /// The text of a String.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Whether it holds other values, and might so hold itself.
    pub(super) fn holds(&self) -> bool {
        matches!(self, Value::List(_) | Value::Map(_) | Value::Object(_))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Integer(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text.into())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what it holds: it may hold itself.
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Large(text) => f.write_str(text),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::String(text) => write!(f, "{text:?}"),
            Value::List(list) => write!(f, "List({})", list.len()),
            Value::Map(map) => write!(f, "Map({})", map.len()),
            Value::Object(_) => f.write_str("Object"),
            Value::Defined(_) => f.write_str("Defined"),
        }
    }
}
