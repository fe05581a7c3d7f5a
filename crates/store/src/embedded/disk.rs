//! The embedded driver's open database, its frozen states, and the renewal of its journal.

use std::{
    fs::{self, File},
    io,
    ops::ControlFlow,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use fjall::{Database, Keyspace, Readable};

use crate::{
    Error, Result,
    scan::RawRange,
    view::{View, Visit},
};

/// How long settling waits for a flush: 10 s, looking every 2 ms.
const FLUSH_POLLS_MAX: usize = 5_000;
const FLUSH_POLL: Duration = Duration::from_millis(2);

/// The open database. As a [`View`] it shows the latest state, which only the committer may take for a consistent one.
pub(super) struct Disk {
    pub(super) keyspace: Keyspace,
    pub(super) database: Database,
    pub(super) lock: Arc<File>,
}

impl Disk {
    /// Writes all that is in memory into tables; false if that did not come to an end.
    pub(super) fn flush(&self) -> Result<bool> {
        // Not fjall's own waiting form, which never returns if the worker has failed (a full disk).
        self.keyspace.rotate_memtable().map_err(Error::storage)?;
        for _ in 0..FLUSH_POLLS_MAX {
            if self.keyspace.sealed_memtable_count() == 0 {
                return Ok(true);
            }
            thread::sleep(FLUSH_POLL);
        }
        Ok(false)
    }
}

/// What the journals take on disk (a new one is a sparse file of 64 MiB).
pub(super) fn journal_bytes(place: &Path) -> io::Result<u64> {
    journals(place)?.iter().map(|(_, path)| Ok(fs::metadata(path)?.blocks() * 512)).sum()
}

/// fjall's journals, `<number>.jnl`.
fn journals(place: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    Ok(found)
}

/// Replaces the journals of a closed database, whose content is all in tables, by an empty one. Killed in between, this
/// leaves an old journal beside the new: fjall reads it as one it had sealed itself, and finds all of it in tables.
pub(super) fn renew_journal(place: &Path) -> io::Result<()> {
    let old = journals(place)?;
    let next = old.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
    File::create_new(place.join(format!("{next}.jnl")))?.sync_all()?;
    File::open(place)?.sync_all()?;
    old.iter().try_for_each(|(_, path)| fs::remove_file(path))?;
    File::open(place)?.sync_all()
}

impl View for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let found = self.keyspace.get(key).map_err(Error::storage)?;
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, range: &RawRange, visit: &mut Visit<'_>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        show(self.keyspace.range::<&[u8], _>(range.bounds()), range, visit)
    }
}

/// A state of the database, frozen.
pub(super) struct Frozen {
    pub(super) snapshot: fjall::Snapshot,
    pub(super) disk: Arc<Disk>,
}

impl View for Frozen {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let found = self.snapshot.get(&self.disk.keyspace, key).map_err(Error::storage)?;
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, range: &RawRange, visit: &mut Visit<'_>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        show(self.snapshot.range::<&[u8], _>(&self.disk.keyspace, range.bounds()), range, visit)
    }
}

fn show(mut items: fjall::Iter, range: &RawRange, visit: &mut Visit<'_>) -> Result<()> {
    let mut flow = ControlFlow::Continue(());
    while flow.is_continue() {
        let Some(item) = (if range.reverse { items.next_back() } else { items.next() }) else {
            break;
        };
        let (key, value) = item.into_inner().map_err(Error::storage)?;
        flow = visit(&key, &value);
    }
    Ok(())
}
