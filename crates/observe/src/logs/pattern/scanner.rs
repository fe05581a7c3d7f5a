//! Reads a pattern from left to right.

use regex::RegexBuilder;

/// The largest compiled regular expression of a pattern, in bytes: patterns come from outside.
const REGEX_SIZE_MAX: usize = 256 * 1024;

pub(super) struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { rest: text }
    }

    pub(super) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes this text if it is next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes this word if it is next, whatever its case, and does not go on.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        self.skip_spaces();
        let Some(head) = self.rest.get(..word.len()).filter(|h| h.eq_ignore_ascii_case(word)) else { return false };
        let after = &self.rest[head.len()..];
        if after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = after;
        true
    }

    /// Takes what lies before the first character of this kind.
    pub(super) fn word_until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Takes `"text"`, with `\"` and `\\` inside, if it is next.
    pub(super) fn quoted(&mut self) -> Result<Option<String>, String> {
        let Some(inner) = self.rest.strip_prefix('"') else { return Ok(None) };
        let mut text = String::new();
        let mut letters = inner.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = &inner[at + 1..];
                    return Ok(Some(text));
                }
                '\\' => match letters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                _ => text.push(letter),
            }
        }
        Err(format!("Unbalanced quotes in pattern near '{}'", self.rest))
    }

    /// Takes `%regular expression%` if it is next.
    pub(super) fn regex(&mut self) -> Result<Option<regex::Regex>, String> {
        let Some(inner) = self.rest.strip_prefix('%') else { return Ok(None) };
        let Some(end) = inner.find('%') else { return Err("Invalid regular expression: missing closing %".to_owned()) };
        let built = RegexBuilder::new(&inner[..end]).size_limit(REGEX_SIZE_MAX).build();
        let regex = built.map_err(|_| format!("Invalid regular expression '{}'", &inner[..end]))?;
        self.rest = &inner[end + 1..];
        Ok(Some(regex))
    }
}
