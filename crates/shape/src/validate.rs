//! Constraints, checked and worded as AWS does: every violation in one message.
//!
//! Source of the words: answers of Lambda, API Gateway and CloudWatch Logs ("1 validation error detected: Value null at
//! 'functionName' failed to satisfy constraint: Member must not be null"). Paths are written with a small first letter,
//! positions in lists of structures from 1 as `.3.member`; lists and maps of scalars are refused as a whole.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{LazyLock, RwLock};

use base::Error;
use regex::Regex;

use crate::{Kind, Member, Place, Rules, Schema, Value};

/// More violations than this are counted but not worded.
const VIOLATIONS_MAX: usize = 20;

/// The longest part of an offending value that a message repeats, in characters.
const SHOWN_MAX: usize = 1024;

/// Checks a decoded input; the error is AWS's `ValidationException` with all violations in one sentence.
pub fn check(schema: &Schema, input: &Value) -> Result<(), Error> {
    let mut violations = Violations { found: Vec::new(), of_null: true };
    structure(schema, input, "", |_| true, &mut violations);
    violations.refused()
}

/// As [`check`], as API Gateway's first version words it: the body's members stand first, below `input_name`
/// (`createRestApiInput.name`), and lists of scalars are not said to be without null.
pub fn check_named(schema: &Schema, input: &Value, input_name: &str) -> Result<(), Error> {
    let mut violations = Violations { found: Vec::new(), of_null: false };
    structure(schema, input, input_name, |member| matches!(member.place, Place::Body), &mut violations);
    structure(schema, input, "", |member| !matches!(member.place, Place::Body), &mut violations);
    violations.refused()
}

/// What is wrong with an input.
struct Violations {
    found: Vec<String>,
    /// Whether lists of scalars are said to be without null.
    of_null: bool,
}

impl Violations {
    fn push(&mut self, violation: String) {
        self.found.push(violation);
    }

    fn refused(self) -> Result<(), Error> {
        if self.found.is_empty() {
            return Ok(());
        }
        Err(Error::validation(sentence(&self.found)))
    }
}

/// "2 validation errors detected: a; b".
pub fn sentence(violations: &[String]) -> String {
    let (count, plural) = (violations.len(), if violations.len() == 1 { "" } else { "s" });
    let words = violations[..count.min(VIOLATIONS_MAX)].join("; ");
    format!("{count} validation error{plural} detected: {words}")
}

/// "Value 'x' at 'path' failed to satisfy constraint: …", for services that check what a schema cannot say.
pub fn violation(value: &str, path: &str, constraint: &str) -> String {
    format!("Value '{value}' at '{path}' failed to satisfy constraint: {constraint}")
}

fn structure(schema: &Schema, value: &Value, path: &str, which: fn(&Member) -> bool, out: &mut Violations) {
    let Value::Struct(slots) = value else { return };
    for (member, slot) in schema.members().iter().zip(slots).filter(|(member, _)| which(member)) {
        let path = join(path, member.name);
        match slot {
            None if member.required => {
                out.push(format!("Value null at '{path}' failed to satisfy constraint: Member must not be null"));
            }
            None => {}
            Some(value) => member_value(member, value, &path, out),
        }
    }
}

fn member_value(member: &Member, value: &Value, path: &str, out: &mut Violations) {
    let before = out.found.len();
    rules(&member.rules, value, path, out);
    if out.found.len() == before {
        any(member.target(), value, path, out);
    }
}

fn any(schema: &Schema, value: &Value, path: &str, out: &mut Violations) {
    rules(&schema.rules, value, path, out);
    match (&schema.kind, value) {
        (Kind::Enum(allowed), Value::String(text)) if !allowed.contains(&text.as_str()) => {
            let set = allowed.join(", ");
            out.push(violation(text, path, &format!("Member must satisfy enum value set: [{set}]")));
        }
        (Kind::Nullable(_), Value::Null) => {}
        (Kind::Nullable(inner), _) => any(inner(), value, path, out),
        (_, Value::Null) => {
            out.push(format!("Value null at '{path}' failed to satisfy constraint: Member must not be null"));
        }
        (Kind::List(item), Value::List(items)) if item().is_scalar() => {
            scalars(item(), value, items.iter(), path, "Member", out);
        }
        (Kind::List(item), Value::List(items)) => {
            for (index, value) in items.iter().enumerate() {
                any(item(), value, &format!("{path}.{}.member", index + 1), out);
            }
        }
        (Kind::Map(item), Value::Map(entries)) if item().is_scalar() => {
            scalars(item(), value, entries.iter().map(|(_, v)| v), path, "Map value", out);
        }
        (Kind::Map(item), Value::Map(entries)) => {
            for (key, value) in entries {
                any(item(), value, &format!("{path}.{key}.member"), out);
            }
        }
        (Kind::Struct(_), _) => structure(schema, value, path, |_| true, out),
        (Kind::Union(members), Value::Union(at, value)) => {
            member_value(&members[*at], value, &join(path, members[*at].name), out);
        }
        _ => {}
    }
}

/// A list or map of scalars is refused as a whole, with all that its items must satisfy.
fn scalars<'a>(
    item: &Schema,
    whole: &Value,
    mut items: impl Iterator<Item = &'a Value>,
    path: &str,
    what: &str,
    out: &mut Violations,
) {
    let of_null = out.of_null;
    let wrong = |value: &Value| {
        let mut violations = Violations { found: Vec::new(), of_null };
        any(item, value, path, &mut violations);
        !violations.found.is_empty()
    };
    if items.any(wrong) {
        let all = constraints(item, of_null).join(", ");
        out.push(violation(&shown(whole), path, &format!("{what} must satisfy constraint: [{all}]")));
    }
}

/// All constraints of a scalar shape, in AWS's order and words.
fn constraints(schema: &Schema, of_null: bool) -> Vec<String> {
    let Rules { length, range, pattern } = schema.rules;
    let mut all = Vec::new();
    if let Some((least, most)) = length {
        all.push(format!("Member must have length less than or equal to {most}"));
        all.push(format!("Member must have length greater than or equal to {least}"));
    }
    if let Some((least, most)) = range {
        all.push(format!("Member must have value less than or equal to {most}"));
        all.push(format!("Member must have value greater than or equal to {least}"));
    }
    if let Some(pattern) = pattern {
        all.push(format!("Member must satisfy regular expression pattern: {pattern}"));
    }
    if let Kind::Enum(allowed) = schema.kind {
        all.push(format!("Member must satisfy enum value set: [{}]", allowed.join(", ")));
    }
    if of_null {
        all.push("Member must not be null".to_owned());
    }
    all
}

fn rules(rules: &Rules, value: &Value, path: &str, out: &mut Violations) {
    let mut refuse = |constraint: String| {
        out.push(violation(&shown(value), path, &constraint));
    };
    if let (Some((least, most)), Some(length)) = (rules.length, length(value)) {
        if length < least {
            refuse(format!("Member must have length greater than or equal to {least}"));
        } else if length > most {
            refuse(format!("Member must have length less than or equal to {most}"));
        }
    }
    if let (Some((least, most)), Value::Int(number)) = (rules.range, value) {
        if *number < least {
            refuse(format!("Member must have value greater than or equal to {least}"));
        } else if *number > most {
            refuse(format!("Member must have value less than or equal to {most}"));
        }
    }
    if let (Some(pattern), Value::String(text)) = (rules.pattern, value)
        && !matches(pattern, text)
    {
        refuse(format!("Member must satisfy regular expression pattern: {pattern}"));
    }
}

fn length(value: &Value) -> Option<u64> {
    let length = match value {
        Value::String(text) => text.chars().count(),
        Value::Blob(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(entries) => entries.len(),
        _ => return None,
    };
    Some(length as u64)
}

/// A pattern of AWS's model, matched against the whole text.
///
/// Java's syntax there is the regex crate's but for lookaround. Of that only what Lambda's alias names need is
/// understood: a leading `(?!^X$)`, which refuses texts that X matches as a whole.
struct Pattern {
    refused: Option<Regex>,
    whole: Regex,
}

impl Pattern {
    fn compile(pattern: &str) -> Option<Pattern> {
        let whole = |pattern: &str| Regex::new(&format!(r"\A(?:{pattern})\z")).ok();
        let (open, rest) =
            pattern.strip_prefix("(?!^").map_or_else(|| ("(", pattern.strip_prefix("((?!^")), |rest| ("", Some(rest)));
        match rest.and_then(|rest| rest.split_once("$)")) {
            Some((refused, rest)) => {
                Some(Pattern { refused: Some(whole(refused)?), whole: whole(&format!("{open}{rest}"))? })
            }
            None => Some(Pattern { refused: None, whole: whole(pattern)? }),
        }
    }

    fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text) && !self.refused.as_ref().is_some_and(|refused| refused.is_match(text))
    }
}

/// Whether the whole text matches. Patterns are constants of our schemas, compiled once each.
fn matches(pattern: &'static str, text: &str) -> bool {
    static COMPILED: LazyLock<RwLock<HashMap<&'static str, Option<Pattern>>>> = LazyLock::new(RwLock::default);
    let check = |compiled: &Option<Pattern>| compiled.as_ref().is_none_or(|pattern| pattern.matches(text));
    if let Ok(known) = COMPILED.read()
        && let Some(compiled) = known.get(pattern)
    {
        return check(compiled);
    }
    let compiled = Pattern::compile(pattern);
    debug_assert!(compiled.is_some(), "a declared pattern does not compile: {pattern}");
    let answer = check(&compiled);
    if let Ok(mut known) = COMPILED.write() {
        known.insert(pattern, compiled);
    }
    answer
}

fn shown(value: &Value) -> String {
    let mut text = String::new();
    write_shown(value, &mut text);
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

/// Java's `toString` of the value, as AWS shows it: `[a, b]`, `{k=v}`.
fn write_shown(value: &Value, out: &mut String) {
    let separated = |out: &mut String, index: usize| {
        if index > 0 {
            out.push_str(", ");
        }
    };
    match value {
        Value::Null => out.push_str("null"),
        Value::String(text) => out.push_str(text),
        Value::Int(number) => _ = write!(out, "{number}"),
        Value::Float(number) => _ = write!(out, "{number}"),
        Value::Bool(flag) => _ = write!(out, "{flag}"),
        Value::Blob(bytes) => _ = write!(out, "java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", bytes.len()),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separated(out, index);
                write_shown(item, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                separated(out, index);
                _ = write!(out, "{key}=");
                write_shown(item, out);
            }
            out.push('}');
        }
        _ => {}
    }
}

/// Appends a member's name as AWS's messages have it: with its first letter small, and `status_code` (as a path's label
/// may be called) as `statusCode`.
fn join(path: &str, name: &str) -> String {
    let mut words = name.split('_');
    let mut small = path.to_owned();
    if !path.is_empty() {
        small.push('.');
    }
    small.extend(words.next().into_iter().flat_map(|word| with_first(word, char::to_ascii_lowercase)));
    small.extend(words.flat_map(|word| with_first(word, char::to_ascii_uppercase)));
    small
}

/// A word whose first letter is another.
fn with_first(word: &str, change: fn(&char) -> char) -> impl Iterator<Item = char> {
    let mut letters = word.chars();
    letters.next().map(|first| change(&first)).into_iter().chain(letters)
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_pattern_may_begin_with_what_it_refuses() {
        for pattern in ["(?!^[0-9]+$)([a-zA-Z0-9-_]+)", r"((?!^\d+$)^[0-9a-zA-Z-_]+$)"] {
            let pattern = Pattern::compile(pattern).expect("it compiles");
            for (text, good) in [("live", true), ("1a", true), ("12", false), ("", false), ("a b", false), ("-", true)]
            {
                assert_eq!(pattern.matches(text), good, "{text}");
            }
        }
        assert!(Pattern::compile("a(?=b)").is_none(), "no other lookaround is understood");
    }
}
