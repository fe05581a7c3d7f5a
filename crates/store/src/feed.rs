//! The change feed: which keys changed, in the order of commits, from revision N on; and who waits for that.
//!
//! The feed is kept in memory and bounded. Its readers keep caches, and a cache does not outlive the process that would
//! have to catch up, so a restarted (or too slow) reader gets the plain answer "too old: rebuild" instead of a log that
//! every commit would have to pay for. Work that must not be lost goes into a queue, not here.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use crate::{Key, tx::split_table_key, view::Writes};

/// Most changes the feed keeps; a reader that falls further behind must rebuild.
pub const CHANGES_RETAINED_MAX: usize = 16_384;
/// About so many changes come in one page; a transaction is never cut in two.
pub const CHANGES_PAGE_MAX: usize = 1_000;

/// One changed key. The value is read from the tables: what is there is at least as new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The transaction that made it. All changes of one transaction have the same revision.
    pub revision: u64,
    /// The table's name.
    pub table: String,
    /// The record's key.
    pub key: Key,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Written, new or over an older record.
    Put,
    /// Removed.
    Delete,
}

/// The answer to "what changed since revision N?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// The next changes, oldest first; may be empty.
    Page {
        /// The changes of the tables asked for.
        changes: Vec<Change>,
        /// Everything up to here has been told: ask from here next.
        through: u64,
    },
    /// The feed no longer reaches back so far: take a snapshot, rebuild from it, and go on from its
    /// [`revision`](crate::Snapshot::revision).
    TooOld {
        /// The earliest revision from which one can still ask.
        oldest: u64,
    },
}

struct RawChange {
    revision: u64,
    key: Bytes,
    kind: ChangeKind,
}

struct Ring {
    changes: VecDeque<RawChange>,
    /// All changes above this revision are in the ring.
    complete_from: u64,
    /// The last revision told of.
    last: u64,
}

/// What one transaction did, as the feed needs to know it.
pub(crate) struct Committed {
    changes: Vec<RawChange>,
    queues: HashSet<Bytes>,
}

impl Committed {
    pub(crate) fn of(revision: u64, writes: &Writes) -> Self {
        let mut committed = Self { changes: Vec::new(), queues: HashSet::new() };
        for (key, value) in writes {
            match key.first() {
                Some(b't') => {
                    let kind = if value.is_some() { ChangeKind::Put } else { ChangeKind::Delete };
                    committed.changes.push(RawChange { revision, key: key.clone(), kind });
                }
                Some(b'q') if value.is_some() => {
                    let end = key.iter().position(|byte| *byte == 0).unwrap_or(key.len());
                    committed.queues.insert(key.slice(1..end));
                }
                _ => {}
            }
        }
        committed
    }
}

/// Shared by a driver, which publishes, and the store's handles, which read and wait.
pub(crate) struct Feed {
    ring: Mutex<Ring>,
    revision: watch::Sender<u64>,
    waiting: Mutex<HashMap<Bytes, Arc<Notify>>>,
}

/// Queue waiters are forgotten beyond this many names; the remaining ones register again.
const WAITED_QUEUES_MAX: usize = 10_000;

impl Feed {
    pub(crate) fn new(revision: u64) -> Self {
        Self {
            ring: Mutex::new(Ring { changes: VecDeque::new(), complete_from: revision, last: revision }),
            revision: watch::Sender::new(revision),
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Tells of transactions that can be read by now; `revision` is the last of them.
    pub(crate) fn publish(&self, revision: u64, committed: Vec<Committed>) {
        let mut queues = HashSet::new();
        {
            let mut ring = lock(&self.ring);
            for transaction in committed {
                ring.changes.extend(transaction.changes);
                queues.extend(transaction.queues);
            }
            ring.last = revision;
            ring.shrink();
        }
        self.revision.send_replace(revision);
        if !queues.is_empty() {
            let waiting = lock(&self.waiting);
            queues.iter().filter_map(|queue| waiting.get(queue)).for_each(|notify| notify.notify_waiters());
        }
    }

    /// Wakes everybody who waits for a queue, as if each had changed.
    pub(crate) fn wake_all(&self) {
        lock(&self.waiting).values().for_each(|notify| notify.notify_waiters());
    }

    /// What is notified when messages of this queue change.
    pub(crate) fn queue_changed(&self, queue: &str) -> Arc<Notify> {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= WAITED_QUEUES_MAX {
            waiting.retain(|_, notify| Arc::strong_count(notify) > 1);
        }
        waiting.entry(Bytes::copy_from_slice(queue.as_bytes())).or_default().clone()
    }

    pub(crate) fn changes(&self, from: u64, tables: &[&str]) -> Changes {
        let ring = lock(&self.ring);
        if from < ring.complete_from {
            return Changes::TooOld { oldest: ring.complete_from };
        }
        let start = ring.changes.partition_point(|change| change.revision <= from);
        let mut changes: Vec<Change> = Vec::new();
        for change in ring.changes.range(start..) {
            if changes.len() >= CHANGES_PAGE_MAX && changes.last().is_some_and(|last| last.revision != change.revision)
            {
                let through = changes.last().map_or(from, |last| last.revision);
                return Changes::Page { changes, through };
            }
            let Some((table, key)) = split_table_key(&change.key) else {
                continue;
            };
            if tables.is_empty() || tables.contains(&table) {
                changes.push(Change {
                    revision: change.revision,
                    table: table.to_owned(),
                    key: Key(key.to_vec()),
                    kind: change.kind,
                });
            }
        }
        // A snapshot may already show a commit that is about to be published: then there is nothing to tell yet.
        Changes::Page { changes, through: ring.last.max(from) }
    }
}

impl Ring {
    /// Drops the oldest transactions, whole, until the limit is kept.
    fn shrink(&mut self) {
        while self.changes.len() > CHANGES_RETAINED_MAX {
            let Some(oldest) = self.changes.front().map(|change| change.revision) else {
                return;
            };
            while self.changes.front().is_some_and(|change| change.revision == oldest) {
                self.changes.pop_front();
            }
            self.complete_from = oldest;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
