//! The embedded driver: one directory, one process, fjall behind one committer thread.
//!
//! The committer takes what is queued (up to [`GROUP_TRANSACTIONS_MAX`]), runs the closures one after the other against the
//! disk's latest state plus what the earlier ones of the group wrote, writes all of it as one batch with one sync, and
//! only then answers. So transactions are serial without locks or retries, and 32 clients share a sync instead of
//! queueing for 32. `docs/decisions/0002-store-one-committer.md` has the figures.
//!
//! Directory: `lock` · `db/` (fjall's) · `blobs/`. `db/` is made under another name and renamed when whole, since a
//! process killed in the midst of fjall's own creation leaves something that fjall cannot open.

use std::{
    fs::{self, File},
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Blobs, Clock, Durability, Error, Result, Store,
    driver::{self, Driver, Work},
    feed::{Committed, Feed},
    handle::{REVISION_KEY, stored_revision},
    scan::RawRange,
    view::{Overlay, View, Visit, Writes},
};

/// Most transactions that share one sync.
const GROUP_TRANSACTIONS_MAX: usize = 256;
/// A group is closed when it has written so many bytes; the rest goes into the next one.
const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most transactions that wait for the committer; further callers wait for room.
const WAITING_TRANSACTIONS_MAX: usize = 4_096;
/// The keyspace that holds everything: one memtable and one set of files, however many tables there are.
const KEYSPACE: &str = "data";
/// The least that fjall accepts. It starts a new journal beyond 64 MB and drops the old one once its content is in tables.
const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Settings of the embedded driver. The defaults are for a server that shall be small when idle.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// Cache of table blocks, bytes.
    pub cache_bytes: u64,
    /// Recent writes kept in memory, bytes, before they become a table. Bounds what a start has to replay.
    pub memtable_bytes: u64,
    /// Open table files kept.
    pub open_files_max: usize,
}

impl Default for Embedded {
    fn default() -> Self {
        Self {
            cache_bytes: 8 * 1024 * 1024,
            memtable_bytes: 8 * 1024 * 1024,
            open_files_max: 100,
        }
    }
}

impl Embedded {
    /// Opens (or creates) the store in this directory and recovers what was committed.
    ///
    /// # Errors
    /// [`Error::InUse`] if the directory is open elsewhere.
    pub fn open(&self, directory: &Path, clock: Clock) -> Result<Store> {
        fs::create_dir_all(directory).map_err(Error::storage)?;
        let disk = Arc::new(self.open_disk(directory)?);
        let blobs = Blobs::open(directory.join("blobs"), Arc::clone(&clock))?;
        let revision = stored_revision(&*disk)?;
        let feed = Arc::new(Feed::new(revision));
        let (jobs, waiting) = mpsc::channel(WAITING_TRANSACTIONS_MAX);
        let committer = Committer {
            disk: Arc::clone(&disk),
            feed: Arc::clone(&feed),
            clock: Arc::clone(&clock),
            revision,
            failed: None,
        };
        let thread = thread::Builder::new()
            .name("store-committer".to_owned())
            .spawn(move || committer.run(waiting));
        let driver = Handle {
            jobs,
            disk: RwLock::new(Some(disk)),
            thread: Mutex::new(Some(thread.map_err(Error::storage)?)),
        };
        Ok(Store::new(Arc::new(driver), feed, blobs, clock))
    }

    fn open_disk(&self, directory: &Path) -> Result<Disk> {
        let lock = lock_directory(directory)?;
        let place = directory.join("db");
        if !place.try_exists().map_err(Error::storage)? {
            self.create(directory, &place)?;
        }
        let database = self.open_database(&place)?;
        let keyspace = self.open_keyspace(&database)?;
        Ok(Disk {
            keyspace,
            database,
            _lock: lock,
        })
    }

    fn create(&self, directory: &Path, place: &Path) -> Result<()> {
        let unfinished = directory.join("db.new");
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::storage(error)),
            _ => {}
        }
        let database = self.open_database(&unfinished)?;
        self.open_keyspace(&database)?;
        database.persist(PersistMode::SyncAll).map_err(Error::storage)?;
        drop(database);
        fs::rename(&unfinished, place).map_err(Error::storage)?;
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(Error::storage)
    }

    fn open_database(&self, place: &Path) -> Result<Database> {
        // One worker: with more, fjall's first one spins while the others compact.
        let builder = Database::builder(place)
            .worker_threads(1)
            .cache_size(self.cache_bytes)
            .max_cached_files(Some(self.open_files_max))
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .manual_journal_persist(true);
        builder.open().map_err(Error::storage)
    }

    fn open_keyspace(&self, database: &Database) -> Result<Keyspace> {
        let options = || KeyspaceCreateOptions::default().max_memtable_size(self.memtable_bytes);
        database.keyspace(KEYSPACE, options).map_err(Error::storage)
    }
}

/// Held, by the file's lock, as long as anything of the store is open.
fn lock_directory(directory: &Path) -> Result<File> {
    let lock = File::options()
        .create(true)
        .append(true)
        .open(directory.join("lock"))
        .map_err(Error::storage)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(Error::InUse(PathBuf::from(directory))),
        Err(fs::TryLockError::Error(error)) => Err(Error::storage(error)),
    }
}

/// The open database. As a [`View`] it shows the latest state, which only the committer may take for a consistent one.
struct Disk {
    keyspace: Keyspace,
    database: Database,
    _lock: File,
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
struct Frozen {
    snapshot: fjall::Snapshot,
    disk: Arc<Disk>,
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
        show(
            self.snapshot.range::<&[u8], _>(&self.disk.keyspace, range.bounds()),
            range,
            visit,
        )
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

struct Job {
    work: Work,
    durability: Durability,
    done: oneshot::Sender<Result<()>>,
}

enum Request {
    Run(Job),
    Close(oneshot::Sender<()>),
}

/// The side of the driver that the store's handles hold.
struct Handle {
    jobs: mpsc::Sender<Request>,
    disk: RwLock<Option<Arc<Disk>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    fn disk(&self) -> Result<Arc<Disk>> {
        self.disk
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or(Error::Closed)
    }
}

impl Driver for Handle {
    fn view(&self) -> Result<Arc<dyn View>> {
        let disk = self.disk()?;
        Ok(Arc::new(Frozen {
            snapshot: disk.database.snapshot(),
            disk,
        }))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.disk()?.get(key)
    }

    fn commit(&self, work: Work, durability: Durability) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (done, answer) = oneshot::channel();
            let job = Job { work, durability, done };
            self.jobs.send(Request::Run(job)).await.map_err(|_| Error::Closed)?;
            answer.await.unwrap_or_else(|_| Err(Error::Closed))
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (done, closed) = oneshot::channel();
            if self.jobs.send(Request::Close(done)).await.is_ok() {
                let _ = closed.await; // an error means that another close was faster
            }
            let disk = self.disk.write().unwrap_or_else(PoisonError::into_inner).take();
            drop(disk);
            Ok(())
        })
    }
}

impl Drop for Handle {
    /// Waits for the committer, so that the directory is free when the last handle is gone.
    fn drop(&mut self) {
        let (nobody, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.jobs, nobody));
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // A transaction's closure may have held the last handle: then this is the committer itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

struct Committer {
    disk: Arc<Disk>,
    feed: Arc<Feed>,
    clock: Clock,
    revision: u64,
    /// Set by the first failed write: what the disk holds is unknown from then on.
    failed: Option<Error>,
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
    fn run(mut self, mut waiting: mpsc::Receiver<Request>) {
        let mut requests = Vec::with_capacity(GROUP_TRANSACTIONS_MAX);
        loop {
            let taken = waiting.blocking_recv_many(&mut requests, GROUP_TRANSACTIONS_MAX);
            if taken == 0 {
                return; // all handles are gone
            }
            let mut group = Group::default();
            for request in requests.drain(..) {
                match request {
                    Request::Run(job) => self.add(&mut group, job),
                    Request::Close(done) => {
                        self.commit(group);
                        drop(self);
                        let _ = done.send(());
                        return;
                    }
                }
                if group.bytes > GROUP_BYTES_MAX {
                    self.commit(std::mem::take(&mut group));
                }
            }
            self.commit(group);
        }
    }

    /// Runs one transaction on top of the group's earlier ones.
    fn add(&mut self, group: &mut Group, mut job: Job) {
        if let Some(failed) = &self.failed {
            let _ = job.done.send(Err(failed.clone()));
            return;
        }
        let base = Overlay {
            base: &*self.disk,
            writes: &group.writes,
        };
        let answer = match driver::run(&mut job.work, &base, (self.clock)()) {
            Ok(None) => Ok(()),
            Ok(Some(writes)) => {
                if !writes.is_empty() {
                    self.revision += 1;
                    group.committed.push(Committed::of(self.revision, &writes));
                    group.bytes += writes
                        .iter()
                        .map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len))
                        .sum::<usize>();
                    group.durable |= job.durability == Durability::Durable;
                    group.writes.extend(writes);
                }
                Ok(())
            }
            Err(error) => Err(error),
        };
        // Even one that wrote nothing may have read what is not yet safe, so all answers wait for the write.
        group.answers.push((job.done, answer));
    }

    fn commit(&mut self, group: Group) {
        let written = if group.writes.is_empty() {
            Ok(())
        } else {
            self.write(group.writes, group.durable)
        };
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

    fn write(&self, writes: Writes, durable: bool) -> Result<()> {
        let mode = if durable {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        let mut batch = self.disk.database.batch().durability(Some(mode));
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(&self.disk.keyspace, &*key, &*value),
                None => batch.remove(&self.disk.keyspace, &*key),
            }
        }
        batch.insert(&self.disk.keyspace, REVISION_KEY, self.revision.to_be_bytes());
        batch.commit().map_err(Error::storage)
    }
}
