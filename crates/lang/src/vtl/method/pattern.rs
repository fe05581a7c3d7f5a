//! Java's regular expressions, where they can be matched in linear time. Lookaround and back references cannot, and fail.

use regex::{Captures, Regex, RegexBuilder};

use super::Meter;
use crate::vtl::Fault;

/// A compiled pattern's size.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Patterns that one rendering keeps compiled.
const PATTERNS_MAX: usize = 64;

/// A compiled pattern.
pub(super) fn compiled(pattern: &str, meter: &Meter) -> Result<Regex, Fault> {
    if let Some(regex) = meter.patterns.borrow().get(pattern) {
        return Ok(regex.clone());
    }
    // Compiling is dear.
    meter.step(200 + 50 * pattern.len() as u64)?;
    let regex = RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| Fault::Method(format!("the regular expression is invalid: {error}")))?;
    let mut patterns = meter.patterns.borrow_mut();
    if patterns.len() < PATTERNS_MAX {
        patterns.insert(pattern.to_owned(), regex.clone());
    }
    Ok(regex)
}

/// `replaceAll` and `replaceFirst`.
pub(super) fn replace(text: &str, regex: &Regex, with: &str, all: bool, meter: &Meter) -> Result<String, Fault> {
    meter.step(text.len() as u64 / 16)?;
    let mut out = String::new();
    let mut done = 0;
    for found in regex.captures_iter(text) {
        let Some(whole) = found.get(0) else { break };
        out.push_str(&text[done..whole.start()]);
        expand(with, &found, &mut out)?;
        meter.step(1)?;
        meter.fits(out.len())?;
        done = whole.end();
        if !all {
            break;
        }
    }
    out.push_str(&text[done..]);
    meter.fits(out.len())?;
    Ok(out)
}

/// Java's replacement: `$1` is a group, a backslash takes the next letter as it is.
fn expand(with: &str, found: &Captures<'_>, out: &mut String) -> Result<(), Fault> {
    let wrong = || Err(Fault::Method("the replacement names no group of the pattern".to_owned()));
    let mut letters = with.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(next) => out.push(next),
                None => return Err(Fault::Method("character to be escaped is missing".to_owned())),
            },
            '$' => {
                if letters.peek() == Some(&'{') {
                    letters.next();
                    let name: String = letters.by_ref().take_while(|letter| *letter != '}').collect();
                    match found.name(&name) {
                        Some(group) => out.push_str(group.as_str()),
                        None => return wrong(),
                    }
                    continue;
                }
                let Some(first) = letters.next().and_then(|letter| letter.to_digit(10)) else {
                    return Err(Fault::Method("illegal group reference".to_owned()));
                };
                let mut group = first as usize;
                if group >= found.len() {
                    return wrong();
                }
                // Further digits belong to it as long as there is such a group.
                while let Some(digit) = letters.peek().and_then(|letter| letter.to_digit(10)) {
                    let longer = group * 10 + digit as usize;
                    if longer >= found.len() {
                        break;
                    }
                    letters.next();
                    group = longer;
                }
                out.push_str(found.get(group).map_or("", |group| group.as_str()));
            }
            other => out.push(other),
        }
    }
    Ok(())
}

/// `split`: without the empty texts at the end, unless a limit says otherwise.
pub(super) fn split(text: &str, regex: &Regex, limit: i64, meter: &Meter) -> Result<Vec<String>, Fault> {
    meter.step(text.len() as u64 / 16)?;
    let pieces_max = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let mut pieces = Vec::new();
    let mut done = 0;
    for found in regex.find_iter(text) {
        if pieces.len() + 1 >= pieces_max {
            break;
        }
        // Nothing between the beginning and a match of no width there.
        if found.end() == 0 || (found.is_empty() && found.start() >= text.len()) {
            continue;
        }
        pieces.push(text[done..found.start()].to_owned());
        meter.made(32)?;
        done = found.end();
    }
    pieces.push(text[done..].to_owned());
    if limit == 0 && pieces.len() > 1 {
        while pieces.last().is_some_and(String::is_empty) {
            pieces.pop();
        }
    }
    Ok(pieces)
}
