//! What AWS says of a payload that is no JSON.
//!
//! Lambda hands on the words of the parser it uses, Jackson, with line and column; callers see them, and tests compare
//! them. So a payload that was found unreadable is read once more here, in Jackson's order of checks, only to learn what
//! it would have stumbled over. Payloads that can be read never come here.

/// Where Jackson says a text is from when it must not quote it.
const SOURCE: &str = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)";
const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
/// Jackson's limit of arrays and objects within each other.
const DEPTH_MAX: usize = 1_000;
/// Characters of an unknown word that are quoted.
const WORD_CHARACTERS_MAX: usize = 256;

/// Jackson's complaint, if it has one.
pub(crate) fn complaint(payload: &[u8]) -> Option<String> {
    let mut reader = Reader { bytes: payload, at: 0, line: 1, line_start: 0, open: Vec::new() };
    reader.read().err()
}

/// An array or object that is not closed yet.
struct Open {
    is_object: bool,
    has_entries: bool,
    line: usize,
    column: usize,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
    open: Vec<Open>,
}

type Read<T> = Result<T, String>;

impl Reader<'_> {
    /// Token after token until the end of the text.
    fn read(&mut self) -> Read<()> {
        while let Some(mut byte) = self.skip_space()? {
            if matches!(byte, b']' | b'}') {
                self.close(byte)?;
                continue;
            }
            if self.open.last().is_some_and(|open| open.has_entries) {
                if byte != b',' {
                    let words = format!("was expecting comma to separate {} entries", self.scope());
                    return Err(self.unexpected(byte, &words));
                }
                byte = self.next_within()?;
            }
            if let Some(open) = self.open.last_mut() {
                open.has_entries = true;
                if open.is_object {
                    byte = self.name(byte)?;
                }
            }
            self.value(byte)?;
        }
        match self.open.last() {
            Some(open) => {
                let (start, scope) = (location(open.line, open.column), self.scope());
                Err(self.here(&format!(
                    "Unexpected end-of-input: expected close marker for {scope} (start marker at {start})"
                )))
            }
            None => Ok(()),
        }
    }

    fn close(&mut self, byte: u8) -> Read<()> {
        let is_object = byte == b'}';
        match self.open.last() {
            Some(open) if open.is_object == is_object => {
                self.open.pop();
                Ok(())
            }
            open => {
                let expected = if open.is_some_and(|open| open.is_object) { '}' } else { ']' };
                let start = open.map_or_else(|| location(1, 0), |open| location(open.line, open.column));
                let (marker, scope) = (char::from(byte), self.scope());
                Err(self.here(&format!(
                    "Unexpected close marker '{marker}': expected '{expected}' (for {scope} starting at {start})"
                )))
            }
        }
    }

    /// A member's name and the colon behind it; gives the first byte of its value.
    fn name(&mut self, byte: u8) -> Read<u8> {
        if byte != b'"' {
            return Err(self.unexpected(byte, "was expecting double-quote to start field name"));
        }
        self.string("field name")?;
        let byte = self.next_within()?;
        if byte != b':' {
            return Err(self.unexpected(byte, "was expecting a colon to separate field name and value"));
        }
        self.next_within()
    }

    fn value(&mut self, byte: u8) -> Read<()> {
        match byte {
            b'"' => self.string("VALUE_STRING"),
            b'[' | b'{' => {
                if self.open.len() == DEPTH_MAX {
                    return Err(self.here(&format!(
                        "Document nesting depth ({}) exceeds the maximum allowed ({DEPTH_MAX}, from \
                         `StreamReadConstraints.getMaxNestingDepth()`)",
                        DEPTH_MAX + 1
                    )));
                }
                let column = self.at - self.line_start;
                self.open.push(Open { is_object: byte == b'{', has_entries: false, line: self.line, column });
                Ok(())
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number(byte),
            b',' | b'}' | b']' if !self.open.is_empty() => Err(self.unexpected(byte, "expected a value")),
            _ if starts_word(char::from(byte)) => Err(self.unknown_word(char::from(byte).to_string())),
            _ => Err(self.unexpected(byte, &format!("expected a valid value {VALUES}"))),
        }
    }

    fn word(&mut self, word: &str) -> Read<()> {
        for (read, expected) in word.bytes().enumerate().skip(1) {
            if self.peek() != Some(expected) {
                return Err(self.unknown_word(word[..read].to_owned()));
            }
            self.at += 1;
        }
        match self.peek() {
            Some(next) if next >= b'0' && !matches!(next, b']' | b'}') && continues_word(char::from(next)) => {
                Err(self.unknown_word(word.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The complaint about a word, of which this much is read; the rest of it is quoted, too.
    fn unknown_word(&mut self, mut word: String) -> String {
        let mut characters = word.chars().count();
        while let Some(byte) = self.take() {
            match self.character(byte) {
                Err(complaint) => return complaint,
                Ok(character) if !continues_word(character) => break,
                Ok(character) => word.push(character),
            }
            characters += 1;
            if characters >= WORD_CHARACTERS_MAX {
                word.push_str("...");
                break;
            }
        }
        self.here(&format!("Unrecognized token '{word}': was expecting {VALUES}"))
    }

    fn number(&mut self, first: u8) -> Read<()> {
        let mut digit = first;
        if first == b'-' {
            digit = self.digit("expected digit (0-9) to follow minus sign, for valid numeric value")?;
        }
        if digit == b'0' && self.peek().is_some_and(|next| next.is_ascii_digit()) {
            self.at += 1;
            return Err(self.here("Invalid numeric value: Leading zeroes not allowed"));
        }
        self.digits();
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digit("Decimal point not followed by a digit")?;
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digit("Exponent indicator not followed by a digit")?;
            self.digits();
        }
        match self.peek() {
            Some(next) if self.open.is_empty() && !matches!(next, b' ' | b'\t' | b'\r' | b'\n') => {
                self.at += 1;
                Err(self.unexpected(next, "Expected space separating root-level values"))
            }
            _ => Ok(()),
        }
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|next| next.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn digit(&mut self, words: &str) -> Read<u8> {
        match self.take() {
            Some(byte) if byte.is_ascii_digit() => Ok(byte),
            Some(byte) => {
                let message =
                    format!("Unexpected character ({}) in numeric value: {words}", described(char::from(byte)));
                Err(self.before(&message))
            }
            None => Err(self.here("Unexpected end-of-input in VALUE_NUMBER_INT")),
        }
    }

    /// The rest of a string, behind its quote.
    fn string(&mut self, what: &str) -> Read<()> {
        let ended = |reader: &Self| Err(reader.here(&format!("Unexpected end-of-input in {what}")));
        loop {
            match self.take() {
                None => return ended(self),
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape()?,
                Some(byte) if byte < b' ' => {
                    let (character, whose) =
                        (described(char::from(byte)), if what == "field name" { "name" } else { "string value" });
                    return Err(self.here(&format!(
                        "Illegal unquoted character ({character}): has to be escaped using backslash to be included in {whose}"
                    )));
                }
                Some(byte) => drop(self.character(byte)?),
            }
        }
    }

    fn escape(&mut self) -> Read<()> {
        let ended = "Unexpected end-of-input in character escape sequence";
        match self.take() {
            None => Err(self.here(ended)),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => (0..4).try_for_each(|_| match self.take() {
                Some(byte) if byte.is_ascii_hexdigit() => Ok(()),
                Some(byte) => Err(self.unexpected(byte, "expected a hex-digit for character escape sequence")),
                None => Err(self.here(ended)),
            }),
            Some(byte) => {
                let character = self.character(byte)?;
                Err(self.here(&format!("Unrecognized character escape {}", described(character))))
            }
        }
    }

    /// The character that begins with this byte, in UTF-8.
    fn character(&mut self, first: u8) -> Read<char> {
        let (mut code, more) = match first {
            0..0x80 => return Ok(char::from(first)),
            0xc0..0xe0 => (u32::from(first & 0x1f), 1),
            0xe0..0xf0 => (u32::from(first & 0x0f), 2),
            0xf0..0xf8 => (u32::from(first & 0x07), 3),
            _ => return Err(self.here(&format!("Invalid UTF-8 start byte 0x{first:x}"))),
        };
        for _ in 0..more {
            match self.take() {
                Some(byte) if byte & 0xc0 == 0x80 => code = code << 6 | u32::from(byte & 0x3f),
                Some(byte) => return Err(self.here(&format!("Invalid UTF-8 middle byte 0x{byte:x}"))),
                None => return Err(self.here("Unexpected end-of-input")),
            }
        }
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// The next byte that is no white space, within an array or object, where the text cannot end.
    fn next_within(&mut self) -> Read<u8> {
        let next = self.skip_space()?;
        next.ok_or_else(|| self.here(&format!("Unexpected end-of-input within/between {} entries", self.scope())))
    }

    /// The next byte that is no white space.
    fn skip_space(&mut self) -> Read<Option<u8>> {
        while let Some(byte) = self.take() {
            match byte {
                b' ' | b'\t' => {}
                b'\r' if self.peek() == Some(b'\n') => {}
                b'\r' | b'\n' => (self.line, self.line_start) = (self.line + 1, self.at),
                0..b' ' => {
                    return Err(self.here(&format!(
                        "Illegal character ({}): only regular white space (\\r, \\n, \\t) is allowed between tokens",
                        described(char::from(byte))
                    )));
                }
                b'/' => {
                    let words = "maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' \
                                 not enabled for parser)";
                    return Err(self.unexpected(byte, words));
                }
                byte => return Ok(Some(byte)),
            }
        }
        Ok(None)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn scope(&self) -> &'static str {
        match self.open.last() {
            None => "root",
            Some(open) if open.is_object => "Object",
            Some(_) => "Array",
        }
    }

    fn unexpected(&self, byte: u8, words: &str) -> String {
        self.before(&format!("Unexpected character ({}): {words}", described(char::from(byte))))
    }

    /// A complaint about what comes next.
    fn here(&self, words: &str) -> String {
        format!("{words}\n at {}", location(self.line, self.at - self.line_start + 1))
    }

    /// A complaint about the byte that was just read.
    fn before(&self, words: &str) -> String {
        format!("{words}\n at {}", location(self.line, self.at - self.line_start))
    }
}

fn location(line: usize, column: usize) -> String {
    format!("{SOURCE}; line: {line}, column: {column}]")
}

fn described(character: char) -> String {
    let code = u32::from(character);
    match code {
        _ if character.is_control() => format!("(CTRL-CHAR, code {code})"),
        256.. => format!("'{character}' (code {code} / 0x{code:x})"),
        _ => format!("'{character}' (code {code})"),
    }
}

/// Whether Java lets an identifier begin so, which decides whether Jackson speaks of a word or of a character.
fn starts_word(character: char) -> bool {
    character.is_alphabetic() || matches!(character, '$' | '_' | '¢'..='¥' | '\u{20a0}'..='\u{20cf}')
}

fn continues_word(character: char) -> bool {
    let is_ignorable = matches!(character, '\0'..='\u{8}' | '\u{e}'..='\u{1b}' | '\u{7f}'..='\u{9f}');
    starts_word(character) || character.is_numeric() || is_ignorable
}

#[cfg(test)]
mod tests {
    use super::complaint;

    fn of(payload: &[u8]) -> String {
        let words = complaint(payload).expect("a complaint");
        words.replace("[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); ", "[")
    }

    #[test]
    fn what_aws_was_seen_to_say() {
        let values = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
        assert_eq!(of(b"n\x87r\x9e\xe9\xb5\xd7I\xee\x9bmt"), "Invalid UTF-8 start byte 0x87\n at [line: 1, column: 3]");
        let words = format!(
            "Unexpected character ((CTRL-CHAR, code 153)): expected a valid value {values}\n at [line: 1, column: 1]"
        );
        assert_eq!(of(b"\x99\xeb,j\x07\xa1zYh"), words);
        let words = format!("Unrecognized token 'test': was expecting {values}\n at [line: 1, column: 6]");
        assert_eq!(of(b"test data"), words);
        assert!(
            of(b"0D\xe9a")
                .starts_with("Unexpected character ('D' (code 68)): Expected space separating root-level values")
        );
        assert!(of(b"1\x84D").starts_with("Unexpected character ((CTRL-CHAR, code 132)): Expected space separating"));
    }

    #[test]
    fn the_usual_slips() {
        for (payload, words) in [
            (
                &b"{a: 1}"[..],
                "Unexpected character ('a' (code 97)): was expecting double-quote to start field name\n at [line: 1, column: 2]",
            ),
            (
                b"{\"a\": 1,}",
                "Unexpected character ('}' (code 125)): was expecting double-quote to start field name\n at [line: 1, column: 9]",
            ),
            (
                b"{\"a\" 1}",
                "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value\n at [line: 1, column: 6]",
            ),
            (
                b"{\"a\": 1 \"b\": 2}",
                "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries\n at [line: 1, column: 9]",
            ),
            (b"[1,]", "Unexpected character (']' (code 93)): expected a value\n at [line: 1, column: 4]"),
            (
                b"{\"a\":\n [1",
                "Unexpected end-of-input: expected close marker for Array (start marker at [line: 2, column: 2])\n at [line: 2, column: 4]",
            ),
            (b"{\"a\":", "Unexpected end-of-input within/between Object entries\n at [line: 1, column: 6]"),
            (b"\"abc", "Unexpected end-of-input in VALUE_STRING\n at [line: 1, column: 5]"),
            (
                b"{\"a\": 1]",
                "Unexpected close marker ']': expected '}' (for Object starting at [line: 1, column: 1])\n at [line: 1, column: 9]",
            ),
            (
                b"{}}",
                "Unexpected close marker '}': expected ']' (for root starting at [line: 1, column: 0])\n at [line: 1, column: 4]",
            ),
            (b"[01]", "Invalid numeric value: Leading zeroes not allowed\n at [line: 1, column: 4]"),
            (
                b"[\"a\tb\"]",
                "Illegal unquoted character ((CTRL-CHAR, code 9)): has to be escaped using backslash to be included in string value\n at [line: 1, column: 5]",
            ),
            (b"[\"\\x\"]", "Unrecognized character escape 'x' (code 120)\n at [line: 1, column: 5]"),
        ] {
            assert_eq!(of(payload), words, "{}", String::from_utf8_lossy(payload));
        }
    }

    #[test]
    fn no_complaint_about_json_and_no_end_of_memory() {
        for payload in
            [&br#"{"a": [1, -2.5e+3, true, null, "\u00e4 \"ok\""], "b": {}}"#[..], b"\"x\"", b" 3 ", b"[\r\n]"]
        {
            assert_eq!(complaint(payload), None, "{}", String::from_utf8_lossy(payload));
        }
        assert!(
            of(&b"[".repeat(100_000)).starts_with("Document nesting depth (1001) exceeds the maximum allowed (1000")
        );
    }
}
