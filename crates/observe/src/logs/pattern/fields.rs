//! Messages as fields separated by spaces; `"…"` and `[…]` hold a field together.

use std::collections::BTreeMap;

use super::scanner::Scanner;
use super::test::{self, Test};

/// Most fields of a pattern; patterns themselves have at most 1,024 characters.
const FIELDS_MAX: usize = 512;

#[derive(Debug)]
pub(super) struct Fields {
    before: Vec<Field>,
    /// `...` stood here: any number of fields, then those of `after`.
    open: bool,
    after: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    /// Alternatives of tests that must all pass; empty: anything passes.
    tests: Vec<Vec<Test>>,
}

pub(super) fn parse(text: &str) -> Result<Fields, String> {
    let mut scanner = Scanner::new(text);
    scanner.take("[");
    let mut fields = Fields { before: Vec::new(), open: false, after: Vec::new() };
    loop {
        scanner.skip_spaces();
        if scanner.take("...") {
            if fields.open {
                return Err("Invalid filter pattern: an ellipsis may stand only once".to_owned());
            }
            fields.open = true;
        } else {
            let field = field(&mut scanner)?;
            if fields.open { fields.after.push(field) } else { fields.before.push(field) }
        }
        if fields.before.len() + fields.after.len() > FIELDS_MAX {
            return Err("Invalid filter pattern: too many fields".to_owned());
        }
        scanner.skip_spaces();
        if scanner.take("]") {
            break;
        }
        if !scanner.take(",") {
            return Err("Invalid filter pattern: expected ',' or ']'".to_owned());
        }
    }
    match scanner.at_end() {
        true => Ok(fields),
        false => Err("Invalid filter pattern: something follows ']'".to_owned()),
    }
}

fn field(scanner: &mut Scanner<'_>) -> Result<Field, String> {
    let name = name(scanner).to_owned();
    let mut tests = Vec::new();
    scanner.skip_spaces();
    if test::starts(scanner) {
        let mut together = vec![one(scanner)?];
        loop {
            scanner.skip_spaces();
            if scanner.take("&&") {
                repeat_name(scanner);
                together.push(one(scanner)?);
            } else if scanner.take("||") {
                tests.push(std::mem::take(&mut together));
                repeat_name(scanner);
                together.push(one(scanner)?);
            } else {
                break;
            }
        }
        tests.push(together);
    }
    Ok(Field { name, tests })
}

fn one(scanner: &mut Scanner<'_>) -> Result<Test, String> {
    Test::parse(scanner, &[',', ']', '&', '|'])
}

/// In `status = 404 || status = 410` the name stands again; AWS takes any.
fn repeat_name(scanner: &mut Scanner<'_>) {
    scanner.skip_spaces();
    name(scanner);
    scanner.skip_spaces();
}

fn name<'a>(scanner: &mut Scanner<'a>) -> &'a str {
    scanner.word_until(|c| c.is_whitespace() || ",]=!<>&|".contains(c))
}

impl Fields {
    /// The fields by `$name` (or `$number`, where they have none) if the message matches.
    pub(super) fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        let values = split(message);
        let named = self.before.len() + self.after.len();
        let fits = if self.open { values.len() >= named } else { values.len() == named };
        if !fits {
            return None;
        }
        let tail = values.len() - self.after.len();
        let mut found = BTreeMap::new();
        for (at, value) in values.iter().enumerate() {
            let field = if at < self.before.len() {
                self.before.get(at)
            } else {
                at.checked_sub(tail).and_then(|i| self.after.get(i))
            };
            if field.is_some_and(|f| !f.passes(value)) {
                return None;
            }
            let name = field.filter(|f| !f.name.is_empty()).map_or_else(|| (at + 1).to_string(), |f| f.name.clone());
            found.insert(format!("${name}"), (*value).to_owned());
        }
        Some(found)
    }
}

impl Field {
    fn passes(&self, value: &str) -> bool {
        self.tests.is_empty() || self.tests.iter().any(|all| all.iter().all(|t| t.passes(value)))
    }
}

fn split(message: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = message.trim_start();
    while let Some(first) = rest.chars().next() {
        let closing = match first {
            '"' => rest[1..].find('"'),
            '[' => rest[1..].find(']'),
            _ => None,
        };
        let (field, after) = match closing {
            Some(end) => (&rest[1..=end], &rest[end + 2..]),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        fields.push(field);
        rest = after.trim_start();
    }
    fields
}
