//! `java.util.List`, and arrays as Velocity shows them: with `size`, `get`, `set` and `isEmpty`.

use super::{Answer, Iterator, Meter, within};
use crate::vtl::evaluate::same;
use crate::vtl::value::ListKind;
use crate::vtl::{Fault, List, Value};

/// What an item takes.
const ITEM_BYTES: usize = 16;
/// What a map's keys, values and entries can do here.
const VIEW_METHODS: [&str; 6] = ["contains", "containsAll", "isEmpty", "iterator", "size", "toArray"];

pub(super) fn call(list: &List, name: &str, arguments: &[Value], meter: &Meter) -> Answer {
    meter.step(list.len() as u64 / 64)?;
    if list.kind() == ListKind::View && !VIEW_METHODS.contains(&name) {
        return Ok(None);
    }
    match ask(list, name, arguments, meter)? {
        None => change(list, name, arguments, meter),
        answer => Ok(answer),
    }
}

/// What leaves the list as it is.
fn ask(list: &List, name: &str, arguments: &[Value], meter: &Meter) -> Answer {
    Ok(Some(match (name, arguments) {
        ("size", []) => list.len().into(),
        ("isEmpty", []) => list.is_empty().into(),
        ("get", [Value::Integer(at)]) => get(list, *at, false)?,
        ("contains", [value]) => position(list, value, meter)?.is_some().into(),
        ("containsAll", [Value::List(other)]) => has_all(list, other, meter)?.into(),
        ("indexOf", [value]) => position(list, value, meter)?.map_or(Value::Integer(-1), Into::into),
        ("lastIndexOf", [value]) => last_position(list, value, meter)?.map_or(Value::Integer(-1), Into::into),
        ("subList", [Value::Integer(from), Value::Integer(to)]) => part(list, *from, *to, meter)?,
        ("toArray", []) => {
            meter.made(ITEM_BYTES * list.len())?;
            let copy = Value::List(List::of(list.items()));
            meter.tie(&copy, true);
            copy
        }
        ("iterator" | "listIterator", []) => {
            meter.made(ITEM_BYTES * list.len())?;
            Iterator::over(list.items())
        }
        _ => return Ok(None),
    }))
}

/// What makes another of the list.
fn change(list: &List, name: &str, arguments: &[Value], meter: &Meter) -> Answer {
    Ok(Some(match (name, arguments) {
        ("set", [Value::Integer(at), value]) => set(list, *at, value, meter)?,
        ("add", [value]) => {
            hold(list, value, meter)?;
            list.with(|items| items.push(value.clone()));
            true.into()
        }
        ("add", [Value::Integer(at), value]) => {
            hold(list, value, meter)?;
            let at = within(*at, list.len() + 1)?;
            list.with(|items| items.insert(at, value.clone()));
            super::void()
        }
        ("addAll", [Value::List(other)]) => {
            let more = other.items();
            for value in &more {
                hold(list, value, meter)?;
            }
            list.with(|items| items.extend(more.iter().cloned()));
            (!more.is_empty()).into()
        }
        ("remove", [Value::Integer(at)]) => {
            let at = within(*at, list.len())?;
            list.with(|items| items.remove(at))
        }
        ("remove", [value]) => {
            let found = position(list, value, meter)?;
            if let Some(at) = found {
                list.with(|items| items.remove(at));
            }
            found.is_some().into()
        }
        ("removeAll" | "retainAll", [Value::List(other)]) => keep(list, other, name == "retainAll", meter)?.into(),
        ("clear", []) => {
            list.with(Vec::clear);
            super::void()
        }
        _ => return Ok(None),
    }))
}

/// The item at a place, or what Java throws. `$list[-1]` is the last.
pub(super) fn get(list: &List, at: i64, from_end: bool) -> Result<Value, Fault> {
    let length = list.len();
    let at = if from_end && at < 0 { at + i64::try_from(length).unwrap_or(i64::MAX) } else { at };
    Ok(list.get(within(at, length)?).unwrap_or_default())
}

/// Replaces an item; answers the one that was there.
pub(super) fn set(list: &List, at: i64, value: &Value, meter: &Meter) -> Result<Value, Fault> {
    let at = within(at, list.len())?;
    hold(list, value, meter)?;
    Ok(list.with(|items| std::mem::replace(&mut items[at], value.clone())))
}

fn hold(list: &List, value: &Value, meter: &Meter) -> Result<(), Fault> {
    meter.made(ITEM_BYTES)?;
    meter.tie(&Value::List(list.clone()), value.holds());
    Ok(())
}

fn position(list: &List, value: &Value, meter: &Meter) -> Result<Option<usize>, Fault> {
    for (at, item) in list.items().iter().enumerate() {
        if same(item, value, meter, 0)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn last_position(list: &List, value: &Value, meter: &Meter) -> Result<Option<usize>, Fault> {
    for (at, item) in list.items().iter().enumerate().rev() {
        if same(item, value, meter, 0)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn has_all(list: &List, other: &List, meter: &Meter) -> Result<bool, Fault> {
    for value in &other.items() {
        if position(list, value, meter)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The items from one place to another, as a list of their own.
fn part(list: &List, from: i64, to: i64, meter: &Meter) -> Result<Value, Fault> {
    let to = within(to, list.len() + 1)?;
    let from = within(from, to + 1)?;
    meter.made(ITEM_BYTES * (to - from))?;
    let part = list.with(|items| items[from..to].to_vec());
    let held = part.iter().any(Value::holds);
    let part = Value::List(if list.kind() == ListKind::Json { List::json(part) } else { List::of(part) });
    meter.tie(&part, held);
    Ok(part)
}

fn keep(list: &List, other: &List, wanted: bool, meter: &Meter) -> Result<bool, Fault> {
    let mut kept = Vec::new();
    let items = list.items();
    for item in &items {
        if position(other, item, meter)?.is_some() == wanted {
            kept.push(item.clone());
        }
    }
    let changed = kept.len() != items.len();
    list.with(|items| *items = kept);
    Ok(changed)
}
