//! `java.util.Map` and its entries.

use std::rc::Rc;

use super::{Answer, Meter};
use crate::vtl::evaluate::same;
use crate::vtl::{Fault, Key, List, Map, Object, Value, text};

/// What an entry takes.
const ENTRY_BYTES: usize = 64;

pub(super) fn call(map: &Map, name: &str, arguments: &[Value], meter: &Meter) -> Answer {
    let key = |value: &Value| Key::of(value);
    Ok(match (name, arguments) {
        ("size", []) => Some(map.len().into()),
        ("isEmpty", []) => Some(map.is_empty().into()),
        ("get", [wanted]) => Some(key(wanted).and_then(|key| map.get_key(&key)).unwrap_or_default()),
        ("getOrDefault", [wanted, other]) => {
            Some(key(wanted).and_then(|key| map.get_key(&key)).unwrap_or_else(|| other.clone()))
        }
        ("put", [named, value]) => Some(put(map, some_key(named)?, value, meter)?),
        ("putIfAbsent", [named, value]) => {
            let named = some_key(named)?;
            match map.get_key(&named) {
                Some(there) if !there.is_null() => Some(there),
                _ => Some(put(map, named, value, meter)?),
            }
        }
        ("putAll", [Value::Map(other)]) => {
            for (key, value) in other.entries() {
                put(map, key, &value, meter)?;
            }
            Some(super::void())
        }
        ("remove", [named]) => {
            meter.step(map.len() as u64 / 64)?;
            let removed = key(named).and_then(|key| map.with(|entries| entries.shift_remove(&key)));
            Some(removed.unwrap_or_default())
        }
        ("clear", []) => {
            map.with(indexmap::IndexMap::clear);
            Some(super::void())
        }
        ("containsKey", [named]) => Some(key(named).is_some_and(|key| map.get_key(&key).is_some()).into()),
        ("containsValue", [value]) => {
            for (_, there) in map.entries() {
                if same(&there, value, meter, 0)? {
                    return Ok(Some(true.into()));
                }
            }
            Some(false.into())
        }
        ("keySet", []) => Some(listed(map.entries().iter().map(|(key, _)| key.value()).collect(), meter)?),
        ("values", []) => Some(listed(map.entries().into_iter().map(|(_, value)| value).collect(), meter)?),
        ("entrySet", []) => {
            let entries = map.entries().into_iter().map(|(key, _)| {
                let entry: Rc<dyn Object> = Rc::new(Entry { map: map.clone(), key });
                Value::Object(entry)
            });
            Some(listed(entries.collect(), meter)?)
        }
        _ => None,
    })
}

/// Puts a value under a key; answers the one that was there.
pub(super) fn put(map: &Map, key: Key, value: &Value, meter: &Meter) -> Result<Value, Fault> {
    meter.made(ENTRY_BYTES)?;
    meter.tie(&Value::Map(map.clone()), value.holds());
    Ok(map.with(|entries| entries.insert(key, value.clone())).unwrap_or_default())
}

fn some_key(value: &Value) -> Result<Key, Fault> {
    Key::of(value).ok_or_else(|| Fault::Method("a map's key must be a string or a number".to_owned()))
}

/// A view of the map, as far as templates can tell.
fn listed(items: Vec<Value>, meter: &Meter) -> Result<Value, Fault> {
    meter.made(ENTRY_BYTES * items.len())?;
    let held = items.iter().any(Value::holds);
    let list = Value::List(List::view(items));
    meter.tie(&list, held);
    Ok(list)
}

/// `Map.Entry`
struct Entry {
    map: Map,
    key: Key,
}

impl Object for Entry {
    fn property(&self, name: &str, _: &Meter) -> Answer {
        Ok(match name {
            "key" => Some(self.key.value()),
            "value" => Some(self.map.get_key(&self.key).unwrap_or_default()),
            _ => None,
        })
    }

    fn call(&self, name: &str, arguments: &[Value], meter: &Meter) -> Answer {
        match (name, arguments) {
            ("getKey", []) => self.property("key", meter),
            ("getValue", []) => self.property("value", meter),
            ("setValue", [value]) => put(&self.map, self.key.clone(), value, meter).map(Some),
            _ => Ok(None),
        }
    }

    fn set(&self, name: &str, value: &Value, meter: &Meter) -> Result<bool, Fault> {
        if name == "value" {
            put(&self.map, self.key.clone(), value, meter)?;
        }
        Ok(name == "value")
    }

    fn text(&self, meter: &Meter) -> Result<Option<String>, Fault> {
        let value = self.map.get_key(&self.key).unwrap_or_default();
        let key = text::within(&self.key.value(), meter)?;
        Ok(Some(format!("{key}={}", text::within(&value, meter)?)))
    }
}
