//! PATCH as version 1 has it: lists of JSON-Patch operations, of which each noun takes its own paths.
//!
//! AWS refuses in two voices. Newer nouns list the paths that they take ([`Paths`]); older ones name the path or the operation
//! that they do not ([`bad_path`], [`Change::only`]).

use std::collections::BTreeMap;

use base::Error;
use shape::Shape;

use super::error::{bad, missing};
use super::records::{Templates, text_of};

/// One change of a PATCH request.
#[derive(Shape, Clone, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct PatchOperation {
    /// What to do.
    pub op: Option<Op>,
    /// Where, as a JSON pointer.
    pub path: Option<String>,
    /// With what.
    pub value: Option<String>,
    /// From where, for `copy`.
    pub from: Option<String>,
}

/// What a change does. In the order in which AWS's refusals list them.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Op {
    #[shape(value = "add")]
    Add,
    #[shape(value = "remove")]
    Remove,
    #[shape(value = "move")]
    Move,
    #[shape(value = "test")]
    Test,
    #[shape(value = "replace")]
    Replace,
    #[shape(value = "copy")]
    Copy,
}

/// A change whose path has been read.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) op: Op,
    /// The path as it was given.
    pub(crate) path: String,
    /// Its parts, with `~1` and `~0` read.
    parts: Vec<String>,
    pub(crate) value: Option<String>,
    pub(crate) from: Option<String>,
}

/// Most changes in a request.
const CHANGES_MAX: usize = 1_000;

/// Reads the changes of a request.
pub(crate) fn changes(operations: Option<Vec<PatchOperation>>) -> Result<Vec<Change>, Error> {
    let operations = operations.unwrap_or_default();
    if operations.len() > CHANGES_MAX {
        return Err(bad("Too many patch operations specified"));
    }
    operations.into_iter().map(Change::read).collect()
}

impl Change {
    fn read(operation: PatchOperation) -> Result<Change, Error> {
        let path = operation.path.ok_or_else(|| bad_path("null"))?;
        let op = operation.op.ok_or_else(|| bad("Invalid patch operation specified: null"))?;
        let parts = path.strip_prefix('/').unwrap_or(&path).split('/');
        let parts = parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
        Ok(Change { op, path, parts, value: operation.value, from: operation.from })
    }

    /// The parts of the path, to match on.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.parts.iter().map(String::as_str).collect()
    }

    /// The value; none where it is absent or empty.
    pub(crate) fn text(&self) -> Option<String> {
        self.value.clone().filter(|value| !value.is_empty())
    }

    /// The value as AWS reads it for a switch: all but `true` is false.
    pub(crate) fn flag(&self) -> bool {
        self.value.as_deref().is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The value as a number, or AWS's refusal.
    pub(crate) fn number<T: std::str::FromStr>(&self) -> Result<T, Error> {
        let value = self.value.as_deref().unwrap_or_default();
        value.trim().parse().map_err(|_| bad(format!("Invalid value specified for path {}: '{value}'", self.path)))
    }

    /// Refuses all operations but these.
    pub(crate) fn only(&self, allowed: &[Op]) -> Result<(), Error> {
        if allowed.contains(&self.op) {
            return Ok(());
        }
        let names: Vec<String> = allowed.iter().map(|op| text_of(*op)).collect();
        Err(bad(format!("Invalid patch operation specified. Must be one of: [{}]", names.join(", "))))
    }

    /// Changes a text: `replace` and `add` set it, `remove` and an empty value take it away.
    pub(crate) fn set(&self, slot: &mut Option<String>) {
        *slot = if self.op == Op::Remove { None } else { self.text() };
    }

    /// Refuses what none of the older nouns' paths is.
    pub(crate) fn unknown(&self) -> Error {
        bad_path(&self.path)
    }

    /// Changes an entry of a map of a method or response: `missing_words` say that what is to be replaced or removed is not
    /// there. A map that becomes empty is absent.
    pub(crate) fn entry<V>(
        &self,
        map: &mut Option<BTreeMap<String, V>>,
        key: &str,
        missing_words: &str,
        value: impl FnOnce() -> Result<V, Error>,
    ) -> Result<(), Error> {
        let there = map.as_ref().is_some_and(|map| map.contains_key(key));
        match self.op {
            Op::Add => {
                map.get_or_insert_default().insert(key.to_owned(), value()?);
            }
            Op::Replace | Op::Remove if !there => return Err(missing(missing_words)),
            Op::Replace => {
                map.get_or_insert_default().insert(key.to_owned(), value()?);
            }
            Op::Remove => {
                if let Some(entries) = map {
                    entries.remove(key);
                }
            }
            Op::Move | Op::Test | Op::Copy => return Err(self.unknown()),
        }
        if map.as_ref().is_some_and(BTreeMap::is_empty) {
            *map = None;
        }
        Ok(())
    }

    /// Changes a template.
    pub(crate) fn template(&self, map: &mut Option<Templates>, content_type: &str) -> Result<(), Error> {
        let value = self.text();
        self.entry(map, content_type, NO_CONTENT_TYPE, || Ok(value))
    }
}

/// AWS's words where a parameter to be replaced or removed is not there.
pub(crate) const NO_PARAMETER: &str = "Invalid parameter name specified";
/// The same of a template or model.
pub(crate) const NO_CONTENT_TYPE: &str = "Content-Type specified was not found";

/// An older noun's refusal of a path.
pub(crate) fn bad_path(path: &str) -> Error {
    bad(format!("Invalid patch path {path}"))
}

/// The paths that a newer noun takes, by operation. `{…}` stands for any one part.
pub(crate) struct Paths {
    pub(crate) add: &'static [&'static str],
    pub(crate) remove: &'static [&'static str],
    pub(crate) replace: &'static [&'static str],
}

impl Paths {
    /// Paths that can only be replaced.
    pub(crate) const fn replaced(replace: &'static [&'static str]) -> Paths {
        Paths { add: &[], remove: &[], replace }
    }

    /// Refuses other paths.
    pub(crate) fn check(&self, change: &Change) -> Result<(), Error> {
        let allowed = match change.op {
            Op::Add => self.add,
            Op::Remove => self.remove,
            Op::Replace => self.replace,
            Op::Move | Op::Test | Op::Copy => &[],
        };
        if allowed.iter().any(|pattern| fits(pattern, &change.path)) {
            return Ok(());
        }
        let (path, op) = (&change.path, text_of(change.op));
        // Two blanks, as AWS has them.
        let begin = format!("Invalid patch path  '{path}' specified for op '{op}'.");
        Err(bad(match allowed {
            [] => format!("{begin} Please choose supported operations"),
            _ => format!("{begin} Must be one of: [{}]", allowed.join(", ")),
        }))
    }
}

/// Whether a path is of a pattern.
pub(crate) fn fits(pattern: &str, path: &str) -> bool {
    let (mut expected, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(text)) if part == text => {}
            (Some(part), Some(text)) if part.starts_with('{') && !text.is_empty() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(op: Op, path: &str) -> Change {
        Change::read(PatchOperation { op: Some(op), path: Some(path.to_owned()), ..PatchOperation::default() }).unwrap()
    }

    #[test]
    fn paths_are_read_with_their_escapes() {
        assert_eq!(change(Op::Add, "/requestModels/application~1json").parts(), ["requestModels", "application/json"]);
        assert_eq!(change(Op::Add, "/a/b~01").parts(), ["a", "b~1"]);
        assert_eq!(change(Op::Add, "").parts(), [""]);
    }

    #[test]
    fn newer_nouns_list_what_they_take() {
        let paths = Paths { add: &[], remove: &[], replace: &["/name", "/throttle/{method}/rateLimit"] };
        assert!(paths.check(&change(Op::Replace, "/name")).is_ok());
        assert!(paths.check(&change(Op::Replace, "/throttle/~1x~1GET/rateLimit")).is_ok());
        let refused = |op, path| paths.check(&change(op, path)).unwrap_err().message;
        assert_eq!(
            refused(Op::Replace, "/id"),
            "Invalid patch path  '/id' specified for op 'replace'. Must be one of: [/name, /throttle/{method}/rateLimit]"
        );
        assert_eq!(
            refused(Op::Add, "/name"),
            "Invalid patch path  '/name' specified for op 'add'. Please choose supported operations"
        );
    }
}
