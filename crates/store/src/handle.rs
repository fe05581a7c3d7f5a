//! The store's handle: cheap to clone, the same for every driver.
//!
//! Reads and commits are `async` because a driver may be remote; the embedded one answers reads inline, in microseconds.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    Blobs, Changes, Clock, Durability, Embedded, Enqueued, Error, Key, Leased, Memory, MessageId, NewMessage, Queue,
    QueueCounts, Receipt, Record, Result, Scan, Table, Tx,
    driver::{Driver, Work},
    feed::Feed,
    tx::{scan_table, table_key},
    view::View,
};

/// Keys that one step of a purge or of erasing removes: small enough not to hold up others for long.
const KEYS_PER_STEP: usize = 5_000;
/// Messages that one step of ending leases gives back, for the same reason.
const MESSAGES_PER_STEP: usize = 1_000;
/// How long a queue waiter waits for a commit before it looks for what time alone makes visible. In front of that lies a
/// tombstone for everything that was leased and acknowledged within the length of a lease: a busy queue had no time for
/// anything else. What becomes visible meanwhile is seen so much later.
const QUIET: Duration = Duration::from_millis(10);
/// Longest single sleep of a queue waiter; then it looks at the clock again, should that have been set.
const WAIT_MS_MAX: i64 = 60_000;

/// Tables, queues, change feed and blobs of one Updraft. Clones share everything.
#[derive(Clone)]
pub struct Store {
    driver: Arc<dyn Driver>,
    feed: Arc<Feed>,
    blobs: Blobs,
    clock: Clock,
}

impl Store {
    /// Opens (or creates) the embedded store in this directory, with default settings. See [`Embedded`].
    pub fn open(directory: &Path, clock: Clock) -> Result<Self> {
        Embedded::default().open(directory, clock)
    }

    /// A store that lives and dies with its handles. See [`Memory`] for one with faults.
    pub fn in_memory(clock: Clock) -> Self {
        Memory::default().open(clock)
    }

    pub(crate) fn new(driver: Arc<dyn Driver>, feed: Arc<Feed>, blobs: Blobs, clock: Clock) -> Self {
        Self { driver, feed, blobs, clock }
    }

    /// The store's time, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// The blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Reads one record of the latest committed state.
    pub async fn get<R: Record>(&self, table: Table<R>, key: &Key) -> Result<Option<R>> {
        let stored = self.driver.get(&table_key(table, key))?;
        stored.map(|stored| table.decode(&stored)).transpose()
    }

    /// Reads a range of the latest committed state. For two reads that must fit together take a [`Store::snapshot`].
    pub async fn scan<R: Record>(&self, table: Table<R>, scan: Scan) -> Result<Vec<(Key, R)>> {
        self.snapshot()?.scan(table, scan).await
    }

    /// The latest committed state, frozen. Keep it briefly: old versions are kept on disk as long as it lives.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot { view: self.driver.view()? })
    }

    /// Runs `work` as one serializable transaction over any tables and queues and returns once what it wrote is durable.
    ///
    /// `work` sees its own writes. If it returns an error nothing is changed. It may run more than once, must not block,
    /// and runs where other transactions wait for it: keep it short and without effects outside of `tx`. Dropping the
    /// future does not call the transaction back.
    ///
    /// # Errors
    /// Whatever `work` returns; otherwise [`Error`] for the store's own failures. After [`Error::OutcomeUnknown`] the
    /// transaction may have happened.
    pub async fn transact<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.transact_with(Durability::Durable, work).await
    }

    /// As [`Store::transact`], with a choice of what an acknowledged commit survives.
    pub async fn transact_with<T, E, F>(&self, durability: Durability, work: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.run(durability, work, true).await
    }

    /// As [`Store::transact`], but nothing is changed even if `work` succeeds: to know whether it would.
    pub async fn rehearse<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.run(Durability::Buffered, work, false).await
    }

    async fn run<T, E, F>(&self, durability: Durability, work: F, keeps: bool) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let answer = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&answer);
        let work: Work = Box::new(move |tx| {
            let result = work(tx);
            let commits = keeps && result.is_ok();
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            commits
        });
        self.driver.commit(work, durability).await?;
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer.unwrap_or_else(|| Err(Error::OutcomeUnknown("the transaction did not run".to_owned()).into()))
    }

    /// Adds one message, durably. In a larger transaction use [`Tx::enqueue`].
    pub async fn enqueue(&self, queue: &Queue, message: NewMessage) -> Result<Enqueued> {
        let queue = queue.clone();
        self.transact(move |tx| tx.enqueue(&queue, message.clone())).await
    }

    /// Leases up to `messages_max` messages. Buffered: should the power fail, the lease is forgotten and the messages are
    /// visible again, which is what a lost lease means anyway.
    pub async fn lease(&self, queue: &Queue, messages_max: usize, lease_ms: i64) -> Result<Vec<Leased>> {
        if !self.has_visible(queue)? {
            return Ok(Vec::new()); // an idle poller writes nothing and wakes nobody
        }
        let queue = queue.clone();
        self.transact_with(Durability::Buffered, move |tx| tx.lease(&queue, messages_max, lease_ms)).await
    }

    /// Removes a leased message, durably.
    pub async fn ack(&self, queue: &Queue, receipt: Receipt) -> Result<()> {
        let queue = queue.clone();
        self.transact(move |tx| tx.ack(&queue, receipt)).await
    }

    /// Gives a leased message back, to be visible after `delay_ms`.
    pub async fn nack(&self, queue: &Queue, receipt: Receipt, delay_ms: i64) -> Result<()> {
        let queue = queue.clone();
        self.transact_with(Durability::Buffered, move |tx| tx.nack(&queue, receipt, delay_ms)).await
    }

    /// Gives back every message whose lease runs, visible after the delay that its receive count gets: for whoever knows
    /// that nobody works on this queue, as after a start. Buffered, as leases are.
    pub async fn nack_all(&self, queue: &Queue, delay_ms: impl Fn(u32) -> i64 + Clone + Send + 'static) -> Result<()> {
        let view = self.driver.view()?;
        if Tx::new(view.as_ref(), self.now_ms()).leased(queue, 1)?.is_empty() {
            return Ok(()); // nothing to write
        }
        loop {
            let (queue, delay_ms) = (queue.clone(), delay_ms.clone());
            let step = move |tx: &mut Tx<'_>| tx.nack_some(&queue, MESSAGES_PER_STEP, &delay_ms);
            if self.transact_with(Durability::Buffered, step).await? {
                return Ok(());
            }
        }
    }

    /// Makes a lease end `lease_ms` from now.
    pub async fn extend(&self, queue: &Queue, receipt: Receipt, lease_ms: i64) -> Result<()> {
        let queue = queue.clone();
        self.transact_with(Durability::Buffered, move |tx| tx.extend(&queue, receipt, lease_ms)).await
    }

    /// Moves a leased message to another queue, durably: dead-lettering.
    pub async fn move_message(&self, from: &Queue, receipt: Receipt, to: &Queue) -> Result<MessageId> {
        let (from, to) = (from.clone(), to.clone());
        self.transact(move |tx| tx.move_message(&from, receipt, &to)).await
    }

    /// Counts a queue's messages.
    pub async fn queue_counts(&self, queue: &Queue) -> Result<QueueCounts> {
        let view = self.driver.view()?;
        Tx::new(view.as_ref(), self.now_ms()).queue_counts(queue)
    }

    /// Removes all messages of a queue, leased ones too, in steps.
    pub async fn purge(&self, queue: &Queue) -> Result<()> {
        loop {
            let queue = queue.clone();
            if self.transact(move |tx| tx.purge_some(&queue, KEYS_PER_STEP)).await? {
                return Ok(());
            }
        }
    }

    /// Removes all records and messages, in steps; the change feed tells of it. What is written meanwhile may stay or go:
    /// stop the writers first. Blobs stay, for garbage collection.
    pub async fn erase(&self) -> Result<()> {
        while !self.transact(|tx| tx.erase_some(KEYS_PER_STEP)).await? {}
        Ok(())
    }

    /// Waits until a message of the queue is visible, by a commit or by time. Somebody else may lease it first, so
    /// call [`Store::lease`] in a loop with this.
    pub async fn await_ready(&self, queue: &Queue) -> Result<()> {
        let changed = self.feed.queue_changed(queue.name());
        loop {
            let notified = changed.notified();
            tokio::pin!(notified);
            notified.as_mut().enable(); // before looking, or a commit in between is missed
            if self.has_visible(queue)? {
                return Ok(());
            }
            let by_time = async {
                tokio::time::sleep(QUIET).await;
                let next_ms = self.next_visible_at_ms(queue)?;
                let wait_ms = next_ms.map_or(WAIT_MS_MAX, |at_ms| at_ms.saturating_sub(self.now_ms()));
                tokio::time::sleep(Duration::from_millis(wait_ms.clamp(0, WAIT_MS_MAX).unsigned_abs())).await;
                Ok::<(), Error>(())
            };
            tokio::select! { () = notified => {}, waited = by_time => waited? }
        }
    }

    /// Makes everybody in [`Store::await_ready`] look at the clock again. For tests that own the clock.
    pub fn wake_waiters(&self) {
        self.feed.wake_all();
    }

    /// The revision of the last transaction the change feed has told of.
    pub fn revision(&self) -> u64 {
        self.feed.revision()
    }

    /// What changed in these tables (all, if none is named) after revision `from`.
    pub fn changes(&self, from: u64, tables: &[&str]) -> Changes {
        self.feed.changes(from, tables)
    }

    /// As [`Store::changes`], but waits until there is something to tell.
    pub async fn await_changes(&self, from: u64, tables: &[&str]) -> Changes {
        let mut revisions = self.feed.subscribe();
        let mut from = from;
        loop {
            revisions.mark_unchanged();
            match self.changes(from, tables) {
                Changes::Page { changes, through } if changes.is_empty() => from = through,
                told => return told,
            }
            if revisions.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Finishes the transactions already accepted and closes; everything later fails with [`Error::Closed`]. The
    /// directory is free for another process when this returns and no snapshot is left. Dropping the last handle does
    /// the same, blocking.
    pub async fn close(&self) -> Result<()> {
        self.driver.close().await
    }

    fn has_visible(&self, queue: &Queue) -> Result<bool> {
        let view = self.driver.view()?;
        Tx::new(view.as_ref(), self.now_ms()).has_visible(queue)
    }

    fn next_visible_at_ms(&self, queue: &Queue) -> Result<Option<i64>> {
        let view = self.driver.view()?;
        Tx::new(view.as_ref(), self.now_ms()).next_visible_at_ms(queue)
    }
}

/// A consistent state of all tables.
#[derive(Clone)]
pub struct Snapshot {
    view: Arc<dyn View>,
}

/// Where a driver keeps the revision of the state, in every state.
pub(crate) const REVISION_KEY: &[u8] = b"mrevision";

pub(crate) fn stored_revision(view: &dyn View) -> Result<u64> {
    let stored: Option<Bytes> = view.get(REVISION_KEY)?;
    let bytes = stored.as_deref().and_then(|stored| <[u8; 8]>::try_from(stored).ok());
    Ok(bytes.map_or(0, u64::from_be_bytes))
}

impl Snapshot {
    /// The last transaction in this state: where to begin with [`Store::changes`].
    pub fn revision(&self) -> Result<u64> {
        stored_revision(self.view.as_ref())
    }

    /// Reads one record.
    pub async fn get<R: Record>(&self, table: Table<R>, key: &Key) -> Result<Option<R>> {
        let stored = self.view.get(&table_key(table, key))?;
        stored.map(|stored| table.decode(&stored)).transpose()
    }

    /// Reads a range.
    pub async fn scan<R: Record>(&self, table: Table<R>, scan: Scan) -> Result<Vec<(Key, R)>> {
        scan_table(self.view.as_ref(), table, &scan)
    }
}
