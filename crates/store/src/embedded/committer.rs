//! The embedded driver's committer: groups transactions, writes them, answers; settles when there is nothing to do.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, mpsc},
};

use bytes::Bytes;
use fjall::PersistMode;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    Embedded, SharedDisk,
    disk::{Disk, renew_journal},
};
use crate::{
    Clock, Durability, Error, Result,
    driver::{self, Work},
    feed::{Committed, Feed},
    handle::REVISION_KEY,
    view::{Overlay, Writes},
};

/// Most transactions that share one sync.
const GROUP_TRANSACTIONS_MAX: usize = 256;
/// A group is closed when it has written so many bytes; the rest goes into the next one.
const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What fjall writes per key beside key and value, about.
const JOURNAL_BYTES_PER_WRITE: usize = 24;

pub(super) struct Job {
    pub(super) work: Work,
    pub(super) durability: Durability,
    pub(super) done: oneshot::Sender<Result<()>>,
    /// A place among those that wait.
    pub(super) room: OwnedSemaphorePermit,
}

pub(super) enum Request {
    Run(Job),
    Close(oneshot::Sender<()>),
}

pub(super) struct Committer {
    pub(super) settings: Embedded,
    /// The database's directory.
    pub(super) place: PathBuf,
    pub(super) disk: SharedDisk,
    pub(super) feed: Arc<Feed>,
    pub(super) clock: Clock,
    pub(super) revision: u64,
    /// What the next opening would have to read.
    pub(super) journal_bytes: u64,
    /// Set by the first failed write: what the disk holds is unknown from then on.
    pub(super) failed: Option<Error>,
}

/// What a group has done so far.
#[derive(Default)]
struct Group {
    writes: Writes,
    bytes: usize,
    committed: Vec<Committed>,
    durable: bool,
    answers: Vec<(oneshot::Sender<Result<()>>, Result<()>)>,
}

impl Committer {
    pub(super) fn run(mut self, waiting: mpsc::Receiver<Request>) {
        let mut closed = None;
        while closed.is_none() {
            let Some(first) = self.next(&waiting) else { break };
            let Ok(disk) = self.open_disk() else { break };
            let mut group = Group::default();
            for request in std::iter::once(first).chain(waiting.try_iter()).take(GROUP_TRANSACTIONS_MAX) {
                match request {
                    Request::Run(job) => self.add(&disk, &mut group, job),
                    Request::Close(done) => {
                        closed = Some(done);
                        break;
                    }
                }
                if group.bytes > GROUP_BYTES_MAX {
                    break;
                }
            }
            self.commit(&disk, group);
        }
        self.settle(false);
        self.disk.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(waiting);
        if let Some(done) = closed {
            let _ = done.send(());
        }
    }

    /// The next request; none when all handles are gone. Settles when there is none for a while, then sleeps.
    fn next(&mut self, waiting: &mpsc::Receiver<Request>) -> Option<Request> {
        while self.journal_bytes > self.settings.journal_bytes_kept && self.failed.is_none() {
            match waiting.recv_timeout(self.settings.settle_after) {
                Ok(request) => return Some(request),
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => self.settle(true),
            }
        }
        waiting.recv().ok()
    }

    fn open_disk(&self) -> Result<Arc<Disk>> {
        self.disk.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Error::Closed)
    }

    /// Leaves next to nothing to be read by the next opening, unless somebody is reading now.
    fn settle(&mut self, open_again: bool) {
        if self.journal_bytes <= self.settings.journal_bytes_kept || self.failed.is_some() {
            return;
        }
        if let Err(error) = self.try_settle(open_again) {
            tracing::error!(%error, "the store could not be settled; it refuses writes until it is opened again");
            self.failed = Some(error);
        }
    }

    fn try_settle(&mut self, open_again: bool) -> Result<()> {
        if !self.open_disk()?.flush()? {
            return Ok(());
        }
        let mut shared = self.disk.write().unwrap_or_else(PoisonError::into_inner);
        let disk = match Arc::try_unwrap(shared.take().ok_or(Error::Closed)?) {
            Ok(disk) => disk,
            Err(in_use) => {
                *shared = Some(in_use);
                return Ok(());
            }
        };
        let lock = Arc::clone(&disk.lock);
        drop(disk);
        renew_journal(&self.place).map_err(Error::storage)?;
        self.journal_bytes = 0;
        if open_again {
            *shared = Some(Arc::new(self.settings.open_disk(&self.place, lock)?));
        }
        Ok(())
    }

    /// Runs one transaction on top of the group's earlier ones.
    fn add(&mut self, disk: &Disk, group: &mut Group, job: Job) {
        let Job { mut work, durability, done, room } = job;
        drop(room);
        if let Some(failed) = &self.failed {
            let _ = done.send(Err(failed.clone()));
            return;
        }
        let base = Overlay { base: disk, writes: &group.writes };
        let answer = match driver::run(&mut work, &base, (self.clock)()) {
            Ok(None) => Ok(()),
            Ok(Some(writes)) => {
                if !writes.is_empty() {
                    self.revision += 1;
                    group.committed.push(Committed::of(self.revision, &writes));
                    group.bytes += writes.iter().map(journal_bytes_of).sum::<usize>();
                    group.durable |= durability == Durability::Durable;
                    group.writes.extend(writes);
                }
                Ok(())
            }
            Err(error) => Err(error),
        };
        // Even one that wrote nothing may have read what is not yet safe, so all answers wait for the write.
        group.answers.push((done, answer));
    }

    fn commit(&mut self, disk: &Disk, group: Group) {
        let written = if group.writes.is_empty() { Ok(()) } else { self.write(disk, group.writes, group.durable) };
        self.journal_bytes += group.bytes as u64;
        if let Err(error) = &written {
            tracing::error!(%error, "a commit failed; the store refuses writes until it is opened again");
            self.failed = Some(error.clone());
        } else if !group.committed.is_empty() {
            self.feed.publish(self.revision, group.committed);
        }
        for (done, answer) in group.answers {
            let _ = done.send(match &written {
                Ok(()) => answer,
                Err(error) => Err(Error::OutcomeUnknown(error.to_string())),
            });
        }
    }

    fn write(&self, disk: &Disk, writes: Writes, durable: bool) -> Result<()> {
        let mode = if durable { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = disk.database.batch().durability(Some(mode));
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(&disk.keyspace, &*key, &*value),
                None => batch.remove(&disk.keyspace, &*key),
            }
        }
        batch.insert(&disk.keyspace, REVISION_KEY, self.revision.to_be_bytes());
        batch.commit().map_err(Error::storage)
    }
}

fn journal_bytes_of((key, value): (&Bytes, &Option<Bytes>)) -> usize {
    key.len() + value.as_ref().map_or(0, Bytes::len) + JOURNAL_BYTES_PER_WRITE
}
