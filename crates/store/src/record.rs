//! Tables and the records in them: how a record becomes bytes, and how an old one becomes a new one.
//!
//! Records are stored as a two-byte version and JSON. JSON because it describes itself: a field added with
//! `#[serde(default)]` needs no migration, a record can be read with a pager at midnight, and every serde feature works;
//! the compact binary formats save a third of the bytes (which the tables' LZ4 blocks save anyway) and lose all three.
//! Bulk data (log batches, payloads) skips it: see [`Raw`], or override [`Record::encode`] and [`Record::decode`].

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// What a table stores.
pub trait Record: Serialize + DeserializeOwned {
    /// Raise it when a change of the type makes older stored records unreadable, and teach [`Record::migrate`] the old form.
    const VERSION: u16 = 1;

    /// Makes the present type of a record stored with an older (or newer) version. `bytes` is what [`Record::encode`]
    /// of that version wrote.
    fn migrate(version: u16, bytes: &[u8]) -> Result<Self> {
        let _ = bytes;
        Err(Error::UnknownVersion(version))
    }

    /// Appends the record's bytes, without the version.
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        serde_json::to_writer(out, self).map_err(Error::storage)
    }

    /// Reads bytes of the present version.
    fn decode(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(Error::storage)
    }
}

/// A record that is nothing but bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Raw(pub Vec<u8>);

impl Record for Raw {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.0);
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Self(bytes.to_vec()))
    }
}

/// Longest table name, bytes.
const TABLE_NAME_BYTES_MAX: usize = 64;

/// The name of a table, and what is in it. Declare it as a constant beside the record: a table exists by being used.
pub struct Table<R> {
    name: &'static str,
    record: PhantomData<fn() -> R>,
}

impl<R> Clone for Table<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Table<R> {}

impl<R: Record> Table<R> {
    /// Names a table. Names are `service.nouns`: lower-case letters, digits, `.`, `-` and `_`; a bad one does not compile
    /// in a constant.
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= TABLE_NAME_BYTES_MAX, "table name is empty or too long");
        let mut index = 0;
        while index < bytes.len() {
            assert!(
                matches!(bytes[index], b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'),
                "table names are made of a-z, 0-9, '.', '-' and '_'"
            );
            index += 1;
        }
        Self { name, record: PhantomData }
    }

    /// The table's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn encode(self, record: &R) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(256);
        out.extend(R::VERSION.to_be_bytes());
        record.encode(&mut out).map_err(|error| self.corrupt(error))?;
        Ok(out)
    }

    pub(crate) fn decode(self, stored: &[u8]) -> Result<R> {
        let (version, bytes) =
            stored.split_first_chunk::<2>().ok_or_else(|| self.corrupt(Error::Malformed("record version")))?;
        let version = u16::from_be_bytes(*version);
        let record = if version == R::VERSION { R::decode(bytes) } else { R::migrate(version, bytes) };
        record.map_err(|error| self.corrupt(error))
    }

    fn corrupt(self, error: Error) -> Error {
        match error {
            Error::UnknownVersion(_) => error,
            error => Error::Corrupt { table: self.name.to_owned(), reason: error.to_string() },
        }
    }
}
