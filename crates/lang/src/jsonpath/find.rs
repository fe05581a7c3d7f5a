//! Following a path into a document.

use std::cell::Cell;
use std::sync::Arc;

use super::filter::Filter;
use super::{DEPTH_MAX, Error, Function, Path, Selector, Step, VISITS_MAX};
use crate::vtl::{Key, List, Value};

/// Why a search goes no further.
enum End {
    /// Nothing is where a definite path leads.
    Absent,
    Error(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> End {
        End::Error(error)
    }
}

type Result<T> = std::result::Result<T, End>;

/// From where to where a slice goes.
type Bounds = (Option<i64>, Option<i64>);

/// How many values have been looked at, filters' searches included.
#[derive(Default)]
pub(super) struct Visits(Cell<usize>);

impl Visits {
    pub(super) fn one(&self) -> std::result::Result<(), Error> {
        self.0.set(self.0.get() + 1);
        if self.0.get() > VISITS_MAX { Err(Error("the path looks at too many values".to_owned())) } else { Ok(()) }
    }

    pub(super) fn find(&self, path: &Path, from: &Value, root: &Value) -> std::result::Result<Option<Value>, Error> {
        let mut search = Search { visits: self, root, found: Vec::new() };
        match search.follow(&path.steps, from, true, 0) {
            Ok(()) if path.definite => Ok(search.found.pop()),
            Ok(()) => Ok(Some(Value::List(List::json(search.found)))),
            Err(End::Absent) => Ok(None),
            Err(End::Error(error)) => Err(error),
        }
    }
}

struct Search<'s> {
    visits: &'s Visits,
    root: &'s Value,
    found: Vec<Value>,
}

impl Search<'_> {
    fn enter(&self, depth: usize) -> Result<()> {
        self.visits.one()?;
        if depth > DEPTH_MAX {
            return Err(Error("the document is too deep for the path".to_owned()).into());
        }
        Ok(())
    }

    /// Follows the steps from a value. `definite`: no step so far could mean several places.
    fn follow(&mut self, steps: &[Step], value: &Value, definite: bool, depth: usize) -> Result<()> {
        self.enter(depth)?;
        match steps.split_first() {
            None => {
                self.found.push(value.clone());
                Ok(())
            }
            Some((step, rest)) if step.everywhere => self.everywhere(&step.selector, rest, value, depth),
            Some((step, rest)) => self.select(&step.selector, rest, value, definite, depth),
        }
    }

    /// Where a definite path meets no such thing, it leads nowhere; any other goes on elsewhere.
    fn nothing(definite: bool) -> Result<()> {
        if definite { Err(End::Absent) } else { Ok(()) }
    }

    fn select(
        &mut self,
        selector: &Selector,
        rest: &[Step],
        value: &Value,
        definite: bool,
        depth: usize,
    ) -> Result<()> {
        match selector {
            Selector::Name(name) => match member(value, name) {
                Some(member) => self.follow(rest, &member, definite, depth + 1),
                None => Self::nothing(definite),
            },
            Selector::Names(names) => self.names(names, rest, value, definite, depth),
            Selector::Indices(indices) => self.indices(indices, rest, value, definite, depth),
            Selector::Slice(from, to) => self.slice((*from, *to), rest, value, definite, depth),
            Selector::All => {
                for child in children(value) {
                    self.follow(rest, &child, false, depth + 1)?;
                }
                Ok(())
            }
            Selector::Filter(filter) => self.filter(filter, rest, value, definite, depth),
            Selector::Function(function) => {
                let answer = apply(*function, value);
                self.follow(rest, &answer, definite, depth + 1)
            }
        }
    }

    fn indices(&mut self, indices: &[i64], rest: &[Step], value: &Value, definite: bool, depth: usize) -> Result<()> {
        let Value::List(list) = value else { return Self::nothing(definite) };
        let definite = definite && indices.len() == 1;
        for index in indices {
            match place(*index, list.len()).and_then(|at| list.get(at)) {
                Some(element) => self.follow(rest, &element, definite, depth + 1)?,
                None => Self::nothing(definite)?,
            }
        }
        Ok(())
    }

    fn slice(&mut self, (from, to): Bounds, rest: &[Step], value: &Value, definite: bool, depth: usize) -> Result<()> {
        let Value::List(list) = value else { return Self::nothing(definite) };
        let elements = list.items();
        let bound = |at: i64| place(at, elements.len()).unwrap_or(0).min(elements.len());
        let (from, to) = (from.map_or(0, bound), to.map_or(elements.len(), bound));
        for element in elements.get(from..to).unwrap_or_default() {
            self.follow(rest, element, false, depth + 1)?;
        }
        Ok(())
    }

    /// Those of a list's elements that a filter holds of; of an object, the object itself is asked.
    fn filter(&mut self, filter: &Filter, rest: &[Step], value: &Value, definite: bool, depth: usize) -> Result<()> {
        let asked = match value {
            Value::List(list) => list.items(),
            Value::Map(_) => vec![value.clone()],
            _ => return Self::nothing(definite),
        };
        for one in &asked {
            if filter.holds(one, self.root, self.visits)? {
                self.follow(rest, one, false, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Several members: at the end of a path an object of them, else one after the other.
    fn names(&mut self, names: &[Arc<str>], rest: &[Step], value: &Value, definite: bool, depth: usize) -> Result<()> {
        if !matches!(value, Value::Map(_)) {
            return Self::nothing(definite);
        }
        let members = names.iter().filter_map(|name| Some((Key::String(name.clone()), member(value, name)?)));
        if rest.is_empty() {
            self.found.push(Value::Map(members.collect()));
            return Ok(());
        }
        for (_, member) in members {
            self.follow(rest, &member, false, depth + 1)?;
        }
        Ok(())
    }

    fn everywhere(&mut self, selector: &Selector, rest: &[Step], value: &Value, depth: usize) -> Result<()> {
        self.enter(depth)?;
        let meant = match (selector, value) {
            // A list's elements are asked when their turn comes.
            (Selector::Filter(_), value) => !matches!(value, Value::List(_)),
            (Selector::Names(names), value) => names.iter().all(|name| member(value, name).is_some()),
            _ => true,
        };
        if meant {
            self.select(selector, rest, value, false, depth)?;
        }
        for child in children(value) {
            self.everywhere(selector, rest, &child, depth + 1)?;
        }
        Ok(())
    }
}

fn member(value: &Value, name: &str) -> Option<Value> {
    match value {
        Value::Map(map) => map.get(name),
        _ => None,
    }
}

fn children(value: &Value) -> Vec<Value> {
    match value {
        Value::List(list) => list.items(),
        Value::Map(map) => map.entries().into_iter().map(|(_, member)| member).collect(),
        _ => Vec::new(),
    }
}

/// The place that an index means; from the end if negative.
fn place(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(at) => Some(at),
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// What a function answers: null for what it is not made for.
#[expect(clippy::cast_precision_loss, reason = "a list's length, or a number that is reckoned with as a Double")]
fn apply(function: Function, value: &Value) -> Value {
    match (function, value) {
        (Function::Length, Value::List(list)) => list.len().into(),
        (Function::Length, Value::Map(map)) => map.len().into(),
        (Function::Length, _) => Value::Null,
        (_, Value::List(list)) => {
            let numbers = list.items().into_iter().filter_map(|item| match item {
                Value::Integer(number) => Some(number as f64),
                Value::Float(number) => Some(number),
                _ => None,
            });
            let numbers: Vec<f64> = numbers.collect();
            if numbers.is_empty() {
                return Value::Null;
            }
            let sum: f64 = numbers.iter().sum();
            Value::Float(match function {
                Function::Minimum => numbers.iter().copied().fold(f64::INFINITY, f64::min),
                Function::Maximum => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                Function::Average => sum / numbers.len() as f64,
                _ => sum,
            })
        }
        _ => Value::Null,
    }
}
