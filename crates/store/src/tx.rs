//! The table face of a transaction: reads that see its own writes, and writes that all happen or none.
//!
//! Physical keys: `t<table>\0<key>` for tables, `q<queue>\0…` for queues (`queue.rs`), `m…` for the driver's own.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::{
    Error, Key, Record, Result, SCAN_ITEMS_MAX, Scan, Table,
    scan::RawRange,
    view::{Overlay, View, Writes},
};

/// Longest encoded key, bytes. The longest AWS key is DynamoDB's 2,048 + 1,024; S3's is 1,024.
pub const KEY_BYTES_MAX: usize = 4 * 1024;
/// Largest encoded record, bytes. Above it belongs into a blob. A DynamoDB item is at most 400 KB, an SQS message 1 MiB.
pub const VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most keys one transaction may write.
pub const TX_WRITES_MAX: usize = 20_000;
/// Most bytes (keys and values) one transaction may write. DynamoDB's TransactWriteItems takes 4 MB.
pub const TX_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A running transaction. Given to the closure of [`Store::transact`](crate::Store::transact).
pub struct Tx<'a> {
    base: &'a dyn View,
    writes: Writes,
    bytes_written: usize,
    now_ms: i64,
    failed: Option<Error>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(base: &'a dyn View, now_ms: i64) -> Self {
        Self { base, writes: Writes::new(), bytes_written: 0, now_ms, failed: None }
    }

    /// Refuses if any write was refused, even if the closure swallowed that error: no half of a transaction commits.
    pub(crate) fn into_writes(self) -> Result<Writes> {
        self.failed.map_or(Ok(self.writes), Err)
    }

    /// The time of this run of the transaction, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Reads a record.
    pub fn get<R: Record>(&self, table: Table<R>, key: &Key) -> Result<Option<R>> {
        let stored = self.get_raw(&table_key(table, key))?;
        stored.map(|stored| table.decode(&stored)).transpose()
    }

    /// True if there is a record.
    pub fn exists<R: Record>(&self, table: Table<R>, key: &Key) -> Result<bool> {
        Ok(self.get_raw(&table_key(table, key))?.is_some())
    }

    /// Reads a range.
    pub fn scan<R: Record>(&self, table: Table<R>, scan: Scan) -> Result<Vec<(Key, R)>> {
        scan_table(&self.layered(), table, &scan)
    }

    /// Writes a record, over an older one if there is one.
    pub fn put<R: Record>(&mut self, table: Table<R>, key: &Key, record: &R) -> Result<()> {
        let value = table.encode(record)?;
        self.put_raw(table_key(table, key), value)
    }

    /// Writes a record that must be new: [`Error::Exists`] otherwise.
    pub fn insert<R: Record>(&mut self, table: Table<R>, key: &Key, record: &R) -> Result<()> {
        if self.exists(table, key)? {
            return Err(Error::Exists(table.name().to_owned()));
        }
        self.put(table, key, record)
    }

    /// Removes a record; no error if there is none.
    pub fn delete<R: Record>(&mut self, table: Table<R>, key: &Key) -> Result<()> {
        self.delete_raw(table_key(table, key))
    }

    /// Removes the records of a range and says how many there were. Limit the scan: each one counts as a write.
    pub fn delete_range<R: Record>(&mut self, table: Table<R>, scan: Scan) -> Result<usize> {
        let keys = self.keys_raw(&scan.range(&table_space(table)), scan.limit.unwrap_or(TX_WRITES_MAX + 1))?;
        let count = keys.len();
        keys.into_iter().try_for_each(|key| self.delete_raw(key))?;
        Ok(count)
    }

    /// Removes up to `keys_max` keys of any table or queue; true once nothing is left.
    pub(crate) fn erase_some(&mut self, keys_max: usize) -> Result<bool> {
        for space in [b"t", b"q"] {
            let keys = self.keys_raw(&RawRange::under(space.to_vec()), keys_max)?;
            if !keys.is_empty() {
                keys.into_iter().try_for_each(|key| self.delete_raw(key))?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn layered(&self) -> Overlay<'_> {
        Overlay { base: self.base, writes: &self.writes }
    }

    pub(crate) fn get_raw(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.layered().get(key)
    }

    pub(crate) fn scan_raw(&self, range: &RawRange, visit: &mut crate::view::Visit<'_>) -> Result<()> {
        self.layered().scan(range, visit)
    }

    pub(crate) fn keys_raw(&self, range: &RawRange, limit: usize) -> Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        if limit == 0 {
            return Ok(keys);
        }
        self.scan_raw(range, &mut |key, _| {
            keys.push(key.to_vec());
            if keys.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(keys)
    }

    pub(crate) fn put_raw(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.write(key, Some(value))
    }

    pub(crate) fn delete_raw(&mut self, key: Vec<u8>) -> Result<()> {
        self.write(key, None)
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<()> {
        let value_bytes = value.as_ref().map_or(0, Vec::len);
        let checked = Error::check_limit("key bytes", key.len(), KEY_BYTES_MAX)
            .and_then(|()| Error::check_limit("value bytes", value_bytes, VALUE_BYTES_MAX))
            .and_then(|()| Error::check_limit("writes in one transaction", self.writes.len() + 1, TX_WRITES_MAX))
            .and_then(|()| {
                let bytes = self.bytes_written + key.len() + value_bytes;
                Error::check_limit("bytes in one transaction", bytes, TX_BYTES_MAX)
            });
        if let Err(error) = checked {
            self.failed = Some(error.clone());
            return Err(error);
        }
        self.bytes_written += key.len() + value_bytes;
        self.writes.insert(key.into(), value.map(Bytes::from));
        Ok(())
    }
}

pub(crate) fn table_space<R: Record>(table: Table<R>) -> Vec<u8> {
    [b"t", table.name().as_bytes(), &[0]].concat()
}

pub(crate) fn table_key<R: Record>(table: Table<R>, key: &Key) -> Vec<u8> {
    [b"t", table.name().as_bytes(), &[0], &key.0].concat()
}

/// The table and key of a physical key; `None` if it is none of a table.
pub(crate) fn split_table_key(physical: &[u8]) -> Option<(&str, &[u8])> {
    let rest = physical.strip_prefix(b"t")?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    Some((std::str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]))
}

pub(crate) fn scan_table<R: Record>(view: &dyn View, table: Table<R>, scan: &Scan) -> Result<Vec<(Key, R)>> {
    let space = table_space(table);
    let limit = scan.limit.unwrap_or(SCAN_ITEMS_MAX + 1);
    let mut found = Vec::new();
    let mut failed = None;
    if limit == 0 {
        return Ok(found);
    }
    view.scan(&scan.range(&space), &mut |key, stored| match table.decode(stored) {
        Ok(record) => {
            found.push((Key(key[space.len()..].to_vec()), record));
            if found.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    Error::check_limit("items in one scan", found.len(), SCAN_ITEMS_MAX)?;
    Ok(found)
}
