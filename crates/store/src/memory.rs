//! The memory driver, for tests: nothing is kept, and commits can be made to fail, to be slow or to be lost, by a seed.
//!
//! [`Memory`] plays the disk: handles opened from it see the same state, one at a time. What a "crash" takes back is
//! exactly what power loss may take from the embedded driver: buffered commits after the last durable one.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{
    Blobs, Clock, Durability, Error, Result, Store, driver,
    driver::{Driver, Work},
    feed::{Committed, Feed},
    handle::{REVISION_KEY, stored_revision},
    scan::RawRange,
    view::{View, Visit, Writes},
};

/// Which commits go wrong. The same seed and the same order of commits give the same faults.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Where chance begins.
    pub seed: u64,
    /// Of 1,000 commits, so many fail and change nothing.
    pub fail_before_per_mille: u32,
    /// Of 1,000 commits, so many happen but are reported as [`Error::OutcomeUnknown`].
    pub fail_after_per_mille: u32,
    /// Each commit first waits up to this long.
    pub delay_ms_max: u64,
}

/// A disk made of memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Memory {
    disk: Arc<Mutex<Disk>>,
}

type Rows = BTreeMap<Bytes, Bytes>;

#[derive(Default)]
struct Disk {
    /// Shared with views; copied only if one is alive when something is written.
    rows: Arc<Rows>,
    /// How to take back what was written since the last durable commit, oldest first.
    undo: Vec<(Bytes, Option<Bytes>)>,
    /// Counts openings and crashes: a handle of an earlier one is closed.
    generation: u64,
    faults: Faults,
    chance: u64,
    blobs: Option<Blobs>,
}

impl Memory {
    /// A disk with faults.
    pub fn with_faults(faults: Faults) -> Self {
        let memory = Self::default();
        memory.set_faults(faults);
        memory
    }

    /// Changes the faults from the next commit on.
    pub fn set_faults(&self, faults: Faults) {
        let mut disk = self.lock();
        disk.chance = faults.seed;
        disk.faults = faults;
    }

    /// Opens a store on this disk. Handles opened earlier are closed by it.
    ///
    /// # Panics
    /// If no temporary directory can be made for the blobs.
    pub fn open(&self, clock: Clock) -> Store {
        let mut disk = self.lock();
        disk.generation += 1;
        let blobs = disk.blobs.get_or_insert_with(|| {
            Blobs::temporary(Arc::clone(&clock)).expect("a temporary directory for blobs can be made")
        });
        let blobs = blobs.with_clock(Arc::clone(&clock));
        let revision = stored_revision(&Frozen(Arc::clone(&disk.rows))).unwrap_or_default();
        let feed = Arc::new(Feed::new(revision));
        let driver = Handle {
            memory: self.clone(),
            generation: disk.generation,
            revision: Mutex::new(revision),
            feed: Arc::clone(&feed),
            clock: Arc::clone(&clock),
        };
        Store::new(Arc::new(driver), feed, blobs, clock)
    }

    /// Power loss: takes back what was only buffered and closes all handles.
    pub fn crash(&self) {
        let mut disk = self.lock();
        disk.generation += 1;
        let undo = std::mem::take(&mut disk.undo);
        let rows = Arc::make_mut(&mut disk.rows);
        for (key, before) in undo.into_iter().rev() {
            match before {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    /// A number below `bound`, from the seed (splitmix64).
    fn draw(&mut self, bound: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    fn write(&mut self, writes: Writes, durability: Durability) {
        let rows = Arc::make_mut(&mut self.rows);
        for (key, value) in writes {
            let before = match value {
                Some(value) => rows.insert(key.clone(), value),
                None => rows.remove(&key),
            };
            self.undo.push((key, before));
        }
        if durability == Durability::Durable {
            self.undo.clear();
        }
    }
}

struct Frozen(Arc<Rows>);

impl View for Frozen {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, range: &RawRange, visit: &mut Visit<'_>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let mut found = self.0.range::<[u8], _>(range.bounds());
        let mut flow = ControlFlow::Continue(());
        while flow.is_continue() {
            let Some((key, value)) = (if range.reverse { found.next_back() } else { found.next() }) else {
                break;
            };
            flow = visit(key, value);
        }
        Ok(())
    }
}

struct Handle {
    memory: Memory,
    generation: u64,
    revision: Mutex<u64>,
    feed: Arc<Feed>,
    clock: Clock,
}

impl Handle {
    /// The disk, if this handle is still the one that has it open.
    fn disk(&self) -> Result<MutexGuard<'_, Disk>> {
        let disk = self.memory.lock();
        if disk.generation == self.generation { Ok(disk) } else { Err(Error::Closed) }
    }

    fn commit_now(&self, mut work: Work, durability: Durability) -> Result<()> {
        let mut disk = self.disk()?;
        let (before, after) = (disk.faults.fail_before_per_mille, disk.faults.fail_after_per_mille);
        let drawn = disk.draw(1_000);
        if drawn < u64::from(before) {
            return Err(Error::Storage("injected failure before the commit".to_owned()));
        }
        let view = Frozen(Arc::clone(&disk.rows));
        let writes = driver::run(&mut work, &view, (self.clock)())?;
        drop(view);
        let Some(mut writes) = writes.filter(|writes| !writes.is_empty()) else {
            return Ok(());
        };
        let mut revision = self.revision.lock().unwrap_or_else(PoisonError::into_inner);
        *revision += 1;
        let committed = Committed::of(*revision, &writes);
        writes.insert(REVISION_KEY.into(), Some(Bytes::copy_from_slice(&revision.to_be_bytes())));
        disk.write(writes, durability);
        self.feed.publish(*revision, vec![committed]);
        if drawn < u64::from(before + after) {
            return Err(Error::OutcomeUnknown("injected failure after the commit".to_owned()));
        }
        Ok(())
    }
}

impl Driver for Handle {
    fn view(&self) -> Result<Arc<dyn View>> {
        Ok(Arc::new(Frozen(Arc::clone(&self.disk()?.rows))))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.disk()?.rows.get(key).cloned())
    }

    fn commit(&self, work: Work, durability: Durability) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let delay_ms = {
                let mut disk = self.disk()?;
                let bound = disk.faults.delay_ms_max;
                if bound == 0 { 0 } else { disk.draw(bound + 1) }
            };
            if delay_ms > 0 {
                tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            }
            self.commit_now(work, durability)
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if let Ok(mut disk) = self.disk() {
                disk.generation += 1;
                disk.undo.clear(); // closing in order syncs
            }
            Ok(())
        })
    }
}
