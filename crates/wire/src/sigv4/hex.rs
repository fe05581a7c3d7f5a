//! Lower-case hex, SHA-256 and a comparison whose time does not tell where two strings part.

use sha2::{Digest, Sha256};

pub(super) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    encode(&Sha256::digest(bytes))
}

/// 64 lower-case hex digits.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Compares in a time that depends on the lengths alone.
pub(super) fn equal_constant_time(a: &str, b: &str) -> bool {
    let differing = a.bytes().zip(b.bytes()).fold(0u8, |seen, (x, y)| std::hint::black_box(seen | (x ^ y)));
    a.len() == b.len() && differing == 0
}
