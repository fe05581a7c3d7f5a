//! Fresh identifiers in the forms AWS uses.

use uuid::Uuid;

use crate::Timestamp;

/// A random (version 4) UUID in lower case: request ids, revision ids, tokens.
pub fn uuid() -> String {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that draws ids")]
    Uuid::new_v4().to_string()
}

/// `length` random characters of `a-z0-9`, for ids such as API ids and function URL ids.
pub fn lower_alphanumeric(length: usize) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    draw(length, ALPHABET)
}

/// `length` random characters of `A-Z2-7`, the alphabet of access key and principal ids.
pub fn upper_base32(length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    draw(length, ALPHABET)
}

/// `length` random lower-case hexadecimal digits.
pub fn lower_hex(length: usize) -> String {
    draw(length, b"0123456789abcdef")
}

/// What X-Ray calls a trace: `1-6745a1b2-…`, begun at this time.
pub fn trace_root(at: Timestamp) -> String {
    format!("1-{:08x}-{}", at.secs(), lower_hex(24))
}

/// API Gateway's id of a request, and of WebSocket connections and their messages: eleven bytes in the URL-safe base64, like
/// `U9euFi_ySQ0EPsw=`.
pub fn extended_request() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // The last character has only four bits of the eleventh byte.
    draw(14, ALPHABET) + &draw(1, b"AEIMQUYcgkosw048") + "="
}

fn draw(length: usize, alphabet: &[u8]) -> String {
    random_bytes(length).map(|b| char::from(alphabet[usize::from(b) % alphabet.len()])).collect()
}

fn random_bytes(length: usize) -> impl Iterator<Item = u8> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that draws ids")]
    let blocks = std::iter::repeat_with(|| Uuid::new_v4().into_bytes());
    // Bytes 6 and 8 of a version 4 UUID carry its version and variant: not random, so left out.
    blocks.flat_map(|b| b.into_iter().enumerate().filter(|(i, _)| *i != 6 && *i != 8).map(|(_, b)| b)).take(length)
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_have_their_length_and_differ() {
        assert_eq!(super::upper_base32(16).len(), 16);
        assert_ne!(super::lower_alphanumeric(20), super::lower_alphanumeric(20));
        assert_eq!(super::uuid().len(), 36);
        assert_eq!(super::extended_request().len(), 16);
        let root = super::trace_root(super::Timestamp::from_secs(0x1234_5678));
        assert!(root.starts_with("1-12345678-") && root.len() == 35, "{root}");
    }
}
