//! The embedded driver: one directory, one process, fjall behind one committer thread.
//!
//! The committer takes what is queued (up to [`GROUP_TRANSACTIONS_MAX`]), runs the closures one after the other against the
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

use std::{
    fs::{self, File},
    io,
    ops::ControlFlow,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

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

/// How long settling waits for a flush: 10 s, looking every 2 ms.
const FLUSH_POLLS_MAX: usize = 5_000;
const FLUSH_POLL: Duration = Duration::from_millis(2);
/// What fjall writes per key beside key and value, about.
const JOURNAL_BYTES_PER_WRITE: usize = 24;

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
        let thread = thread::Builder::new()
            .name("store-committer".to_owned())
            .spawn(move || committer.run(waiting));
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
        Ok(Disk {
            keyspace,
            database,
            lock,
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
    lock: Arc<File>,
}

impl Disk {
    /// Writes all that is in memory into tables; false if that did not come to an end.
    fn flush(&self) -> Result<bool> {
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
fn journal_bytes(place: &Path) -> io::Result<u64> {
    journals(place)?
        .iter()
        .map(|(_, path)| Ok(fs::metadata(path)?.blocks() * 512))
        .sum()
}

/// fjall's journals, `<number>.jnl`.
fn journals(place: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    Ok(found)
}

/// Replaces the journals of a closed database, whose content is all in tables, by an empty one. Killed in between, this
/// leaves an old journal beside the new: fjall reads it as one it had sealed itself, and finds all of it in tables.
fn renew_journal(place: &Path) -> io::Result<()> {
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
    /// A place among those that wait.
    _room: OwnedSemaphorePermit,
}

enum Request {
    Run(Job),
    Close(oneshot::Sender<()>),
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
        self.disk
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or(Error::Closed)
    }

    fn send(&self, request: Request) -> Result<()> {
        let jobs = self.jobs.as_ref().ok_or(Error::Closed)?;
        jobs.send(request).map_err(|_| Error::Closed)
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
            let room = Arc::clone(&self.room)
                .acquire_owned()
                .await
                .map_err(|_| Error::Closed)?;
            let (done, answer) = oneshot::channel();
            self.send(Request::Run(Job {
                work,
                durability,
                done,
                _room: room,
            }))?;
            answer.await.unwrap_or_else(|_| Err(Error::Closed))
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

struct Committer {
    settings: Embedded,
    /// The database's directory.
    place: PathBuf,
    disk: SharedDisk,
    feed: Arc<Feed>,
    clock: Clock,
    revision: u64,
    /// What the next opening would have to read.
    journal_bytes: u64,
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
    fn run(mut self, waiting: mpsc::Receiver<Request>) {
        let mut closed = None;
        while closed.is_none() {
            let Some(first) = self.next(&waiting) else { break };
            let Ok(disk) = self.open_disk() else { break };
            let mut group = Group::default();
            for request in std::iter::once(first)
                .chain(waiting.try_iter())
                .take(GROUP_TRANSACTIONS_MAX)
            {
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
        self.disk
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or(Error::Closed)
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
    fn add(&mut self, disk: &Disk, group: &mut Group, mut job: Job) {
        if let Some(failed) = &self.failed {
            let _ = job.done.send(Err(failed.clone()));
            return;
        }
        let base = Overlay {
            base: disk,
            writes: &group.writes,
        };
        let answer = match driver::run(&mut job.work, &base, (self.clock)()) {
            Ok(None) => Ok(()),
            Ok(Some(writes)) => {
                if !writes.is_empty() {
                    self.revision += 1;
                    group.committed.push(Committed::of(self.revision, &writes));
                    group.bytes += writes.iter().map(journal_bytes_of).sum::<usize>();
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

    fn commit(&mut self, disk: &Disk, group: Group) {
        let written = if group.writes.is_empty() {
            Ok(())
        } else {
            self.write(disk, group.writes, group.durable)
        };
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
        let mode = if durable {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
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
