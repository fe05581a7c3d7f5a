//! Filters: which elements are meant. `@.price < 10 && @.kind in ['dog', 'cat']`

use regex::Regex;
use serde_json::Value as Json;

use super::find::Visits;
use super::{Error, Path};
use crate::vtl::Value;

#[derive(Clone, Debug)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    /// There is such a place.
    Exists(Operand),
    Compare(Operand, Comparison, Operand),
}

#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// `@.a`, from the element.
    Here(Path),
    /// `$.a`, from the document's root.
    Root(Path),
    Literal(Json),
    /// `/pattern/`
    Pattern(Regex),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    Contains,
    Size,
    Empty,
    AnyOf,
    NoneOf,
    SubsetOf,
}

/// What holds nothing else.
#[derive(Clone, Copy, PartialEq)]
enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(&'a str),
}

/// A value that is compared: from the document, or from the path.
enum Operated<'p> {
    Absent,
    Found(Value),
    Literal(&'p Json),
    Pattern(&'p Regex),
}

impl Filter {
    pub(super) fn holds(&self, node: &Value, root: &Value, visits: &Visits) -> Result<bool, Error> {
        visits.one()?;
        match self {
            Filter::All(filters) => {
                for filter in filters {
                    if !filter.holds(node, root, visits)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Filter::Any(filters) => {
                for filter in filters {
                    if filter.holds(node, root, visits)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Filter::Not(filter) => filter.holds(node, root, visits).map(|held| !held),
            Filter::Exists(operand) => Ok(!matches!(operand.value(node, root, visits)?, Operated::Absent)),
            Filter::Compare(left, comparison, right) => {
                let (left, right) = (left.value(node, root, visits)?, right.value(node, root, visits)?);
                left.compare(*comparison, &right, visits)
            }
        }
    }
}

impl Operand {
    fn value(&self, node: &Value, root: &Value, visits: &Visits) -> Result<Operated<'_>, Error> {
        let found = match self {
            Operand::Here(path) => visits.find(path, node, root)?,
            Operand::Root(path) => visits.find(path, root, root)?,
            Operand::Literal(literal) => return Ok(Operated::Literal(literal)),
            Operand::Pattern(pattern) => return Ok(Operated::Pattern(pattern)),
        };
        Ok(found.map_or(Operated::Absent, Operated::Found))
    }
}

impl Operated<'_> {
    #[expect(clippy::cast_precision_loss, reason = "numbers are compared as Doubles")]
    fn scalar(&self) -> Option<Scalar<'_>> {
        Some(match self {
            Operated::Found(value) => match value {
                Value::Null => Scalar::Null,
                Value::Bool(value) => Scalar::Bool(*value),
                Value::Integer(value) => Scalar::Number(*value as f64),
                Value::Float(value) => Scalar::Number(*value),
                Value::Large(text) => Scalar::Number(text.parse().unwrap_or(f64::NAN)),
                Value::String(text) => Scalar::Text(text),
                _ => return None,
            },
            Operated::Literal(json) => match json {
                Json::Null => Scalar::Null,
                Json::Bool(value) => Scalar::Bool(*value),
                Json::Number(number) => Scalar::Number(number.as_f64().unwrap_or(f64::NAN)),
                Json::String(text) => Scalar::Text(text),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// What it holds, if it is a list.
    fn items(&self) -> Option<Vec<Operated<'_>>> {
        match self {
            Operated::Found(Value::List(list)) => Some(list.items().into_iter().map(Operated::Found).collect()),
            Operated::Literal(Json::Array(items)) => Some(items.iter().map(Operated::Literal).collect()),
            _ => None,
        }
    }

    fn compare(&self, comparison: Comparison, other: &Operated<'_>, visits: &Visits) -> Result<bool, Error> {
        let order = match (self.scalar(), other.scalar()) {
            (Some(Scalar::Number(left)), Some(Scalar::Number(right))) => left.partial_cmp(&right),
            (Some(Scalar::Text(left)), Some(Scalar::Text(right))) => Some(left.cmp(right)),
            _ => None,
        };
        Ok(match comparison {
            Comparison::Equal => self.equals(other, visits)?,
            Comparison::NotEqual => !self.equals(other, visits)?,
            Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
            Comparison::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
            Comparison::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
            Comparison::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
            Comparison::Matches => match (self.scalar(), other) {
                (Some(Scalar::Text(text)), Operated::Pattern(pattern)) => pattern.is_match(text),
                _ => false,
            },
            Comparison::In => other.has(self, visits)?,
            Comparison::NotIn => !other.has(self, visits)?,
            Comparison::Contains => match (self.scalar(), other.scalar()) {
                (Some(Scalar::Text(text)), Some(Scalar::Text(part))) => text.contains(part),
                _ => self.has(other, visits)?,
            },
            Comparison::Size => match (self.size(), other.scalar()) {
                #[expect(clippy::cast_precision_loss, reason = "a document's size")]
                (Some(size), Some(Scalar::Number(number))) => size as f64 == number,
                _ => false,
            },
            Comparison::Empty => match (self.size(), other.scalar()) {
                (Some(size), Some(Scalar::Bool(wanted))) => (size == 0) == wanted,
                _ => false,
            },
            Comparison::AnyOf => self.meets(other, visits)?.is_some_and(|(some, _)| some),
            Comparison::NoneOf => self.meets(other, visits)?.is_some_and(|(some, _)| !some),
            Comparison::SubsetOf => self.meets(other, visits)?.is_some_and(|(_, all)| all),
        })
    }

    fn size(&self) -> Option<usize> {
        match (self.scalar(), self) {
            (Some(Scalar::Text(text)), _) => Some(text.encode_utf16().count()),
            (_, Operated::Found(Value::List(list))) => Some(list.len()),
            (_, Operated::Found(Value::Map(map))) => Some(map.len()),
            _ => None,
        }
    }

    fn has(&self, wanted: &Operated<'_>, visits: &Visits) -> Result<bool, Error> {
        for item in self.items().unwrap_or_default() {
            if item.equals(wanted, visits)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Of two lists: whether some, and whether all of the one's items are in the other.
    fn meets(&self, other: &Operated<'_>, visits: &Visits) -> Result<Option<(bool, bool)>, Error> {
        let (Some(items), Some(_)) = (self.items(), other.items()) else { return Ok(None) };
        let (mut some, mut all) = (false, true);
        for item in &items {
            let there = other.has(item, visits)?;
            some |= there;
            all &= there;
        }
        Ok(Some((some, all)))
    }

    fn equals(&self, other: &Operated<'_>, visits: &Visits) -> Result<bool, Error> {
        visits.one()?;
        match (self.scalar(), other.scalar()) {
            (Some(Scalar::Number(number)), Some(Scalar::Text(text)))
            | (Some(Scalar::Text(text)), Some(Scalar::Number(number))) => Ok(text.parse() == Ok(number)),
            (Some(left), Some(right)) => Ok(left == right),
            (None, None) => match (self.items(), other.items()) {
                (Some(left), Some(right)) if left.len() == right.len() => {
                    for (left, right) in left.iter().zip(&right) {
                        if !left.equals(right, visits)? {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                }
                _ => Ok(false),
            },
            _ => Ok(false),
        }
    }
}
