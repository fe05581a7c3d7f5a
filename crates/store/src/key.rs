//! Keys: tuples of parts, written so that comparing the bytes compares the tuples, part by part.
//!
//! Each part is a tag byte and a body. Text and bytes escape 0x00 as 0x00 0xFF and end with 0x00 0x01, so that no part is
//! the beginning of another and `("a", "b")` sorts before `("a!", "")`; integers are big-endian with the sign bit turned.
//! (FoundationDB's tuple layer, the model, ends with a single 0x00; then the prefix `("a",)` also covers `("a\0",)`.)

use std::fmt;

const TAG_BYTES: u8 = 1;
const TAG_TEXT: u8 = 2;
const TAG_U64: u8 = 3;
const TAG_I64: u8 = 4;
const ZERO: u8 = 0x00;
const ZERO_ENDS: u8 = 0x01;
const ZERO_IS_MEANT: u8 = 0xFF;

/// An encoded key. Orders as the tuple it was made of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(pub(crate) Vec<u8>);

impl Key {
    /// Encodes a tuple of parts, `Key::of(("account", "region", 7_u64))`, or a single part.
    pub fn of(parts: impl IntoKey) -> Self {
        let mut out = Vec::with_capacity(64);
        parts.encode(&mut out);
        Self(out)
    }

    /// The encoded bytes, for paging tokens. Give them back to [`Key::from_bytes`].
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes bytes that once came from [`Key::as_bytes`]; refuses what is not a whole key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, crate::Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            skip_part(&mut rest).ok_or(crate::Error::Malformed("key"))?;
        }
        Ok(Self(bytes.to_vec()))
    }

    /// Decodes the whole key as a tuple of these types; `None` if it is a different one.
    pub fn parts<T: FromKey>(&self) -> Option<T> {
        let mut rest = self.0.as_slice();
        let parts = T::decode(&mut rest)?;
        rest.is_empty().then_some(parts)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0.escape_ascii())
    }
}

fn skip_part(rest: &mut &[u8]) -> Option<()> {
    match *rest.first()? {
        TAG_BYTES | TAG_TEXT => take_escaped(rest, rest[0]).map(drop),
        tag @ (TAG_U64 | TAG_I64) => take_fixed(rest, tag).map(drop),
        _ => None,
    }
}

fn put_escaped(tag: u8, body: &[u8], out: &mut Vec<u8>) {
    put_escaped_open(tag, body, out);
    out.extend([ZERO, ZERO_ENDS]);
}

/// As [`put_escaped`], without the end: what all longer texts begin with.
pub(crate) fn put_text_open(text: &str, out: &mut Vec<u8>) {
    put_escaped_open(TAG_TEXT, text.as_bytes(), out);
}

fn put_escaped_open(tag: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    for &byte in body {
        out.push(byte);
        if byte == ZERO {
            out.push(ZERO_IS_MEANT);
        }
    }
}

fn take_escaped(rest: &mut &[u8], tag: u8) -> Option<Vec<u8>> {
    let mut input = rest.strip_prefix(&[tag])?;
    let mut body = Vec::new();
    loop {
        let (&byte, after) = input.split_first()?;
        input = after;
        if byte != ZERO {
            body.push(byte);
            continue;
        }
        let (&meaning, after) = input.split_first()?;
        input = after;
        match meaning {
            ZERO_IS_MEANT => body.push(ZERO),
            ZERO_ENDS => break,
            _ => return None,
        }
    }
    *rest = input;
    Some(body)
}

fn take_fixed(rest: &mut &[u8], tag: u8) -> Option<u64> {
    let (body, after) = rest.strip_prefix(&[tag])?.split_first_chunk::<8>()?;
    *rest = after;
    Some(u64::from_be_bytes(*body))
}

const SIGN: u64 = 1 << 63;

/// One part of a key.
pub trait KeyPart {
    /// Appends the part.
    fn put(&self, out: &mut Vec<u8>);
}

/// A tuple of parts (or one part) that makes a key or the beginning of one.
pub trait IntoKey {
    /// Appends all parts.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A tuple of owned parts (or one part) that a key can be read back as.
pub trait FromKey: Sized {
    /// Takes the parts from the front of `rest`.
    fn decode(rest: &mut &[u8]) -> Option<Self>;
}

impl KeyPart for str {
    fn put(&self, out: &mut Vec<u8>) {
        put_escaped(TAG_TEXT, self.as_bytes(), out);
    }
}
impl KeyPart for String {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_str().put(out);
    }
}
impl KeyPart for [u8] {
    fn put(&self, out: &mut Vec<u8>) {
        put_escaped(TAG_BYTES, self, out);
    }
}
impl<const N: usize> KeyPart for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_slice().put(out);
    }
}
impl KeyPart for Vec<u8> {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_slice().put(out);
    }
}
impl KeyPart for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(TAG_U64);
        out.extend(self.to_be_bytes());
    }
}
impl KeyPart for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        u64::from(*self).put(out);
    }
}
impl KeyPart for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(TAG_I64);
        out.extend((self.cast_unsigned() ^ SIGN).to_be_bytes());
    }
}
impl<T: KeyPart + ?Sized> KeyPart for &T {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }
}
impl<T: KeyPart + ?Sized> IntoKey for &T {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }
}

impl FromKey for String {
    fn decode(rest: &mut &[u8]) -> Option<Self> {
        String::from_utf8(take_escaped(rest, TAG_TEXT)?).ok()
    }
}
impl FromKey for Vec<u8> {
    fn decode(rest: &mut &[u8]) -> Option<Self> {
        take_escaped(rest, TAG_BYTES)
    }
}
impl FromKey for u64 {
    fn decode(rest: &mut &[u8]) -> Option<Self> {
        take_fixed(rest, TAG_U64)
    }
}
impl FromKey for u32 {
    fn decode(rest: &mut &[u8]) -> Option<Self> {
        u64::decode(rest)?.try_into().ok()
    }
}
impl FromKey for i64 {
    fn decode(rest: &mut &[u8]) -> Option<Self> {
        Some((take_fixed(rest, TAG_I64)? ^ SIGN).cast_signed())
    }
}

macro_rules! single_parts {
    ($($part:ty),*) => { $(
        impl IntoKey for $part {
            fn encode(&self, out: &mut Vec<u8>) {
                self.put(out);
            }
        }
    )* };
}
single_parts!(String, Vec<u8>, u64, u32, i64);

impl IntoKey for () {
    fn encode(&self, _out: &mut Vec<u8>) {}
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),+))*) => { $(
        impl<$($name: KeyPart),+> IntoKey for ($($name,)+) {
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$index.put(out);)+
            }
        }
        impl<$($name: FromKey),+> FromKey for ($($name,)+) {
            fn decode(rest: &mut &[u8]) -> Option<Self> {
                Some(($($name::decode(rest)?,)+))
            }
        }
    )* };
}
tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
}
