//! Percent-encoding of paths, query strings and forms, and back.

use std::borrow::Cow;

use crate::protocol::PARAMETERS_MAX;

/// Decoded keys and values, in order.
pub type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Splits and decodes `a=b&c=d`; a key without `=` has an empty value. Parameters beyond [`PARAMETERS_MAX`] are dropped.
pub fn pairs(query: &str) -> Pairs<'_> {
    let parts = query.split('&').filter(|part| !part.is_empty()).take(PARAMETERS_MAX);
    parts
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(key, true), decode(value, true))
        })
        .collect()
}

/// The first value of one key, without decoding the others' values.
pub fn find<'a>(query: &'a str, key: &str) -> Option<Cow<'a, str>> {
    let mut parts = query.split('&').map(|part| part.split_once('=').unwrap_or((part, "")));
    parts.find(|(found, _)| decode(found, true) == key).map(|(_, value)| decode(value, true))
}

/// Decodes `%41`; in query strings and forms a plus is a space. A percent sign without two digits stands for itself, and
/// bytes that are no UTF-8 become U+FFFD: such a name then fails validation with AWS's words.
pub fn decode(text: &str, plus_is_space: bool) -> Cow<'_, str> {
    let encoded = text.contains('%') || plus_is_space && text.contains('+');
    if !encoded {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            (b'+', _) if plus_is_space => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
}

/// Encodes all but what RFC 3986 calls unreserved: a text as one part of a path, or one name or value of a query string.
pub fn encode(text: &str) -> Cow<'_, str> {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if text.bytes().all(is_unreserved) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match is_unreserved(byte) {
            true => encoded.push(char::from(byte)),
            false => {
                encoded.push('%');
                for digit in [byte >> 4, byte & 15] {
                    encoded.extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
                }
            }
        }
    }
    Cow::Owned(encoded)
}

fn digit(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        _ => (hex | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_all_but_the_unreserved() {
        assert!(matches!(encode("aZ09-_.~"), Cow::Borrowed("aZ09-_.~")));
        assert_eq!(encode("a b/é%+"), "a%20b%2F%C3%A9%25%2B");
        assert_eq!(decode(&encode("a b/é%+"), true), "a b/é%+");
    }

    #[test]
    fn decodes_what_is_encoded_and_leaves_the_rest() {
        for (text, path, query) in
            [("a%2Fb", "a/b", "a/b"), ("a+b", "a+b", "a b"), ("%zz%4", "%zz%4", "%zz%4"), ("%C3%a9", "é", "é")]
        {
            assert_eq!((decode(text, false), decode(text, true)), (path.into(), query.into()));
        }
        assert_eq!(decode("%ff", false), "\u{fffd}");
        assert_eq!(
            pairs("a=1&b&&c=%20"),
            [("a".into(), "1".into()), ("b".into(), "".into()), ("c".into(), " ".into())]
        );
        assert_eq!(find("x=1&Action=Get", "Action").as_deref(), Some("Get"));
        assert_eq!(find("x=1", "Action"), None);
    }
}
