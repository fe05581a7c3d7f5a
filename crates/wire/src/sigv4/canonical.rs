//! The canonical request and the string to sign, byte for byte as the signer must have built them.

use http::request::Parts;

use super::{ALGORITHM, Scope, hex};

/// `AWS4-HMAC-SHA256`, date, scope and the canonical request's hash.
pub(super) fn string_to_sign(date: &str, scope: &Scope, canonical_request: &[u8]) -> String {
    format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex::sha256(canonical_request))
}

/// The canonical request for one canonical path. Header values are bytes: they need not be UTF-8.
///
/// `None` if a header that is said to be signed is not there.
pub(super) fn request(parts: &Parts, path: &str, signed_headers: &[String], payload_hash: &str) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(512);
    for line in [parts.method.as_str(), path, &query(parts.uri.query().unwrap_or_default())] {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    for name in signed_headers {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend_from_slice(&header(parts, name)?);
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(signed_headers.join(";").as_bytes());
    text.push(b'\n');
    text.extend_from_slice(payload_hash.as_bytes());
    Some(text)
}

/// All values of a header, trimmed, inner runs of spaces made one, joined by commas.
fn header(parts: &Parts, name: &str) -> Option<Vec<u8>> {
    let values: Vec<Vec<u8>> = parts.headers.get_all(name).iter().map(|v| squeeze(v.as_bytes())).collect();
    if values.is_empty() {
        // HTTP/2 carries the host in the URI's authority.
        return (name == "host").then(|| parts.uri.authority().map(|a| a.as_str().into()))?;
    }
    Some(values.join(&b','))
}

fn squeeze(value: &[u8]) -> Vec<u8> {
    let words = value.split(|b| matches!(b, b' ' | b'\t')).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

/// The canonical paths that a correct signer may have used.
///
/// S3: decoded and encoded once. Others: dot segments and double slashes removed, then what was sent is encoded again;
/// some signers (Go's) do not remove anything, and AWS takes theirs too.
pub(super) fn paths(scope: &Scope, raw: &str) -> Vec<String> {
    let raw = if raw.is_empty() { "/" } else { raw };
    if scope.is_s3() {
        return vec![encode(&percent_decode(raw, false), true)];
    }
    let normal = encode(remove_dot_segments(raw).as_bytes(), true);
    let as_sent = encode(raw.as_bytes(), true);
    if normal == as_sent { vec![normal] } else { vec![normal, as_sent] }
}

fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let ends_with_slash = path.ends_with('/') && !kept.is_empty();
    format!("/{}{}", kept.join("/"), if ends_with_slash { "/" } else { "" })
}

/// The query without its signature, decoded, encoded anew and sorted by name, then value.
pub(super) fn query(raw: &str) -> String {
    let mut pairs: Vec<(String, String)> = raw
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(&percent_decode(name, true), false), encode(&percent_decode(value, true), false)))
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Undoes percent-encoding, and `+` for a space in queries; a stray `%` stands for itself.
pub(super) fn percent_decode(text: &str, plus_is_space: bool) -> Vec<u8> {
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) if plus_is_space => decoded.push(b' '),
            (other, ..) => decoded.push(other),
        }
        at += 1;
    }
    decoded
}

/// Percent-encodes all but RFC 3986's unreserved characters, and `/` in paths.
pub(super) fn encode(bytes: &[u8], keep_slash: bool) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 4);
    for b in bytes {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(*b)),
            b'/' if keep_slash => text.push('/'),
            _ => {
                text.push('%');
                text.push(char::from(DIGITS[usize::from(b >> 4)]));
                text.push(char::from(DIGITS[usize::from(b & 15)]));
            }
        }
    }
    text
}
