//! JSON documents as values: objects keep their order, lists look as JSON, numbers that do not fit stay as written.
//!
//! Reads what json-smart reads where that is harmless: besides JSON itself nothing but an empty text is taken. Writing is
//! in `text.rs`.

use std::sync::Arc;

use super::{Fault, Key, List, Map, Meter, Value};

/// Objects and lists within each other.
const DEPTH_MAX: usize = 100;
/// Numbers that are longer than this stay as they are written: json-smart's bound for a Double.
const DOUBLE_LENGTH_MAX: usize = 18;

/// Reads a document.
///
/// # Errors
/// Says what is no JSON, and at which byte.
pub fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value()?;
    reader.space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => reader.wrong("unexpected text after the document"),
    }
}

/// Writes a value as JSON, without spaces.
///
/// # Errors
/// A text or a nesting beyond the limits.
pub fn write(value: &Value, meter: &Meter) -> Result<String, Fault> {
    super::text::json(value, meter)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn wrong<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("{what} at position {}", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: u8) -> bool {
        self.space();
        let there = self.peek() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self) -> Result<Value, String> {
        self.space();
        match self.peek() {
            None => self.wrong("unexpected end of the document"),
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => {
                for (word, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
                {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                self.wrong("unexpected character")
            }
        }
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX { self.wrong("too deep a document") } else { Ok(()) }
    }

    fn object(&mut self) -> Result<Value, String> {
        self.deeper()?;
        let mut entries = Vec::new();
        if !self.take(b'}') {
            loop {
                self.space();
                if self.peek() != Some(b'"') {
                    return self.wrong("expected a name");
                }
                let name = self.string()?;
                if !self.take(b':') {
                    return self.wrong("expected ':'");
                }
                entries.push((Key::String(name), self.value()?));
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return self.wrong("expected ',' or '}'");
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Map(entries.into_iter().collect::<Map>()))
    }

    fn list(&mut self) -> Result<Value, String> {
        self.deeper()?;
        let mut items = Vec::new();
        if !self.take(b']') {
            loop {
                items.push(self.value()?);
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return self.wrong("expected ',' or ']'");
                }
            }
        }
        self.depth -= 1;
        Ok(Value::List(List::json(items)))
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        while matches!(self.peek(), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.starts_with(|first: char| first.is_ascii_digit()) || text.ends_with(['.', 'e', 'E', '+', '-']) {
            return self.wrong("no number");
        }
        if digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Ok(text.parse().map_or_else(|_| Value::Large(text.into()), Value::Integer));
        }
        match text.parse::<f64>() {
            Ok(value) if text.len() <= DOUBLE_LENGTH_MAX && value.is_finite() => Ok(Value::Float(value)),
            Ok(_) => Ok(Value::Large(text.into())),
            Err(_) => self.wrong("no number"),
        }
    }

    fn string(&mut self) -> Result<Arc<str>, String> {
        self.at += 1;
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                None => return self.wrong("unexpected end of a string"),
                Some(b'"') => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(text.into());
                }
                Some(b'\\') => return self.escaped(start),
                Some(_) => self.at += 1,
            }
        }
    }

    /// The rest of a string that has escapes.
    fn escaped(&mut self, start: usize) -> Result<Arc<str>, String> {
        let mut out = self.text[start..self.at].to_owned();
        loop {
            let rest = &self.text[self.at..];
            let Some(first) = rest.chars().next() else { return self.wrong("unexpected end of a string") };
            self.at += first.len_utf8();
            match first {
                '"' => return Ok(out.into()),
                '\\' => {
                    let Some(letter) = self.peek() else { return self.wrong("unexpected end of a string") };
                    self.at += 1;
                    match letter {
                        b'"' | b'\\' | b'/' => out.push(char::from(letter)),
                        b'b' => out.push('\u{8}'),
                        b'f' => out.push('\u{c}'),
                        b'n' => out.push('\n'),
                        b'r' => out.push('\r'),
                        b't' => out.push('\t'),
                        b'u' => out.push(self.code_point()?),
                        _ => return self.wrong("unknown escape"),
                    }
                }
                other => out.push(other),
            }
        }
    }

    fn code_point(&mut self) -> Result<char, String> {
        let first = self.unit()?;
        if !(0xD800..0xDC00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        if self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let second = self.unit()?;
            if (0xDC00..0xE000).contains(&second) {
                let joined = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn unit(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at..self.at + 4).filter(|text| text.bytes().all(|one| one.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => self.wrong("no four hexadecimal digits"),
        }
    }
}
