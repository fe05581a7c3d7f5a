//! The embedded driver: one directory, one process, fjall behind one committer thread.
//!
//! The committer takes what is queued (up to `GROUP_TRANSACTIONS_MAX`), runs the closures one after the other against the
//! disk's latest state plus what the earlier ones of the group wrote, writes all of it as one batch with one sync, and
//! only then answers. So transactions are serial without locks or retries, and 32 clients share a sync instead of
//! queueing for 32. `docs/decisions/0002-store-one-committer.md` has the figures.
//!
//! fjall reads its journal back at some 100 MB/s, flushed or not, and begins a new one only beyond 64 MB: opening could
//! take most of a second. So when the committer has had nothing to do for a while, and when it closes, it *settles*: flushes
//! what is in memory and begins an empty journal. A process killed in the midst of heavy writing still opens slowly.
//!
//! Directory: `lock` · `db/` (fjall's) · `blobs/`. `db/` is made under another name and renamed when whole, since a
//! process killed in the midst of fjall's own creation leaves something that fjall cannot open.

mod committer;
mod disk;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, oneshot};

use self::{
    committer::{Committer, Job, Request},
    disk::{Disk, Frozen, journal_bytes},
};
use crate::{
    Blobs, Clock, Durability, Error, Result, Store,
    driver::{Driver, Work},
    feed::Feed,
    handle::stored_revision,
    view::View,
};

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
    /// Journal bytes that are not worth settling: read back in some 10 ms.
    pub journal_bytes_kept: u64,
    /// Idleness before settling.
    pub settle_after: Duration,
}

impl Default for Embedded {
    fn default() -> Self {
        Self {
            cache_bytes: 8 * 1024 * 1024,
            memtable_bytes: 8 * 1024 * 1024,
            open_files_max: 100,
            journal_bytes_kept: 1024 * 1024,
            settle_after: Duration::from_secs(1),
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
        let lock = Arc::new(lock_directory(directory)?);
        let place = directory.join("db");
        if !place.try_exists().map_err(Error::storage)? {
            self.create(directory, &place)?;
        }
        let journal_bytes = journal_bytes(&place).map_err(Error::storage)?;
        let disk = self.open_disk(&place, lock)?;
        let revision = stored_revision(&disk)?;
        let blobs = Blobs::open(directory.join("blobs"), Arc::clone(&clock))?;
        let feed = Arc::new(Feed::new(revision));
        let disk = Arc::new(RwLock::new(Some(Arc::new(disk))));
        let (jobs, waiting) = mpsc::channel();
        let committer = Committer {
            settings: self.clone(),
            place,
            disk: Arc::clone(&disk),
            feed: Arc::clone(&feed),
            clock: Arc::clone(&clock),
            revision,
            journal_bytes,
            failed: None,
        };
        let thread = thread::Builder::new().name("store-committer".to_owned()).spawn(move || committer.run(waiting));
        let driver = Handle {
            jobs: Some(jobs),
            room: Arc::new(Semaphore::new(WAITING_TRANSACTIONS_MAX)),
            disk,
            thread: Mutex::new(Some(thread.map_err(Error::storage)?)),
        };
        Ok(Store::new(Arc::new(driver), feed, blobs, clock))
    }

    fn open_disk(&self, place: &Path, lock: Arc<File>) -> Result<Disk> {
        let database = self.open_database(place)?;
        let keyspace = self.open_keyspace(&database)?;
        Ok(Disk { keyspace, database, lock })
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
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(Error::storage)
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
    let lock = File::options().create(true).append(true).open(directory.join("lock")).map_err(Error::storage)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(Error::InUse(PathBuf::from(directory))),
        Err(fs::TryLockError::Error(error)) => Err(Error::storage(error)),
    }
}

/// The open database, for the handles to read and the committer to replace; gone once closed.
type SharedDisk = Arc<RwLock<Option<Arc<Disk>>>>;

/// The side of the driver that the store's handles hold.
struct Handle {
    /// Taken only to let the committer end.
    jobs: Option<mpsc::Sender<Request>>,
    room: Arc<Semaphore>,
    disk: SharedDisk,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    fn disk(&self) -> Result<Arc<Disk>> {
        self.disk.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Error::Closed)
    }

    fn send(&self, request: Request) -> Result<()> {
        let jobs = self.jobs.as_ref().ok_or(Error::Closed)?;
        jobs.send(request).map_err(|_| Error::Closed)
    }
}

impl Driver for Handle {
    fn view(&self) -> Result<Arc<dyn View>> {
        let disk = self.disk()?;
        Ok(Arc::new(Frozen { snapshot: disk.database.snapshot(), disk }))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.disk()?.get(key)
    }

    fn commit(&self, work: Work, durability: Durability) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| Error::Closed)?;
            let (done, answer) = oneshot::channel();
            self.send(Request::Run(Job { work, durability, done, room }))?;
            answer.await.unwrap_or(Err(Error::Closed))
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (done, closed) = oneshot::channel();
            if self.send(Request::Close(done)).is_ok() {
                let _ = closed.await; // an error means that another close was faster
            }
            Ok(())
        })
    }
}

impl Drop for Handle {
    /// Waits for the committer, so that the directory is free when the last handle is gone.
    fn drop(&mut self) {
        drop(self.jobs.take());
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // A transaction's closure may have held the last handle: then this is the committer itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}
