//! Freezes sandboxes that have been idle for a while, so that what they leave running takes no CPU between invocations.
//!
//! One task for the whole engine, asleep while nothing is due. Freezing at once would add about 0.1 ms to the next
//! request of a busy function; hence the delay.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, mpsc},
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::cell::Cell;

/// Idle time before a sandbox is frozen.
const FREEZE_AFTER: Duration = Duration::from_millis(100);

/// Whether one sandbox works, idles or is frozen.
pub(crate) struct Rest {
    cell: Arc<Cell>,
    frozen: Mutex<bool>,
    busy: AtomicBool,
    queued: AtomicBool,
    idle_since_ms: AtomicU64,
    born: Instant,
}

impl Rest {
    pub(crate) fn new(cell: Arc<Cell>) -> Arc<Rest> {
        Arc::new(Rest {
            cell,
            frozen: Mutex::new(false),
            busy: AtomicBool::new(true),
            queued: AtomicBool::new(false),
            idle_since_ms: AtomicU64::new(0),
            born: Instant::now(),
        })
    }

    /// Work begins; thaws it first.
    pub(crate) async fn wake(&self) {
        self.busy.store(true, Ordering::SeqCst);
        let mut frozen = self.frozen.lock().await;
        if *frozen {
            self.cell.freeze(false).await;
            *frozen = false;
        }
    }

    async fn freeze(&self) {
        let mut frozen = self.frozen.lock().await;
        if !*frozen && !self.busy.load(Ordering::SeqCst) {
            *frozen = self.cell.freeze(true).await;
        }
    }

    /// Nobody works in it, and nobody will for long: freezes it at once.
    pub(crate) async fn park(&self) {
        self.busy.store(false, Ordering::SeqCst);
        self.freeze().await;
    }

    fn due(&self) -> Instant {
        self.born + Duration::from_millis(self.idle_since_ms.load(Ordering::SeqCst)) + FREEZE_AFTER
    }
}

/// The task, and the way to it.
pub(crate) struct Freezer {
    newly_idle: mpsc::UnboundedSender<Weak<Rest>>,
    task: AbortHandle,
}

impl Freezer {
    /// Must be called within a tokio runtime.
    pub(crate) fn start() -> Freezer {
        let (newly_idle, inbox) = mpsc::unbounded_channel();
        Freezer { newly_idle, task: tokio::spawn(run(inbox)).abort_handle() }
    }

    /// Work is done; freezes it if none comes for [`FREEZE_AFTER`].
    pub(crate) fn idle(&self, rest: &Arc<Rest>) {
        rest.idle_since_ms.store(rest.born.elapsed().as_millis() as u64, Ordering::SeqCst);
        rest.busy.store(false, Ordering::SeqCst);
        // At most one entry for each sandbox: the queue is bounded by their number.
        if !rest.queued.swap(true, Ordering::SeqCst) {
            let _ = self.newly_idle.send(Arc::downgrade(rest));
        }
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(mut inbox: mpsc::UnboundedReceiver<Weak<Rest>>) {
    let mut waiting: VecDeque<(Instant, Weak<Rest>)> = VecDeque::new();
    loop {
        let Some((due, _)) = waiting.front() else {
            let Some(rest) = inbox.recv().await else { return };
            waiting.push_back((Instant::now() + FREEZE_AFTER, rest));
            continue;
        };
        // Entries come in the order of their time, so the first is always the next.
        sleep_until(*due).await;
        while let Ok(rest) = inbox.try_recv() {
            waiting.push_back((Instant::now() + FREEZE_AFTER, rest));
        }
        let Some(rest) = waiting.pop_front().and_then(|(_, rest)| rest.upgrade()) else {
            continue;
        };
        let again = Instant::now() + Duration::from_millis(1);
        if rest.due() > again && !rest.busy.load(Ordering::SeqCst) {
            waiting.push_back((Instant::now() + FREEZE_AFTER, Arc::downgrade(&rest)));
            continue;
        }
        rest.queued.store(false, Ordering::SeqCst);
        if rest.busy.load(Ordering::SeqCst) {
            continue; // the end of its work queues it again
        }
        rest.freeze().await;
    }
}
