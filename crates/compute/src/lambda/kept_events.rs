//! Kept events: what functions were called with, and what they answered, for `updraft events` and `updraft replay`.
//!
//! Off unless the node is told how much to keep, since events hold secrets. Nothing of it stands in a request's way: an
//! event is handed to one writer, which stores what came in batches after the answers have gone; a writer that cannot keep up
//! loses events, aloud, rather than hold anybody up. What is kept is bounded by number, bytes and age, oldest first out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::{AccountId, Clock, Region};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::{Durability, Key, Raw, Record, Scan, Store, Table};
use tokio::sync::{mpsc, oneshot};

use super::Lambda;
use super::invoke::Answer;
use super::resolve::Resolved;

/// What is known of each kept event, by (time, request id): oldest first.
const HEADS: Table<KeptEvent> = Table::new("lambda.kept-events");
/// Event and answer, under the same keys.
const BODIES: Table<Raw> = Table::new("lambda.kept-event-bodies");

/// Events in the writer's hands at most, by number and by bytes; further ones are lost.
const WAITING_MAX: usize = 1_024;
const WAITING_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Events written at a time.
const BATCH_MAX: usize = 64;
/// How often old events are looked for while nothing comes.
const SWEEP: Duration = Duration::from_secs(3600);

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Most events.
    pub events_max: u64,
    /// Most bytes of events and answers.
    pub bytes_max: u64,
    /// Longest time.
    pub age_max: Duration,
}

/// What is known of a kept event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptEvent {
    /// The request's.
    pub request_id: String,
    /// Whose function.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// Its name.
    pub function: String,
    /// The version that ran.
    pub version: String,
    /// When the answer was there, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Size of the event.
    pub event_bytes: u64,
    /// Size of the answer; none if there was none to keep: it was streamed, or the fault was ours.
    pub answer_bytes: Option<u64>,
    /// Whether the answer is an error document.
    pub failed: bool,
}

impl Record for KeptEvent {}

impl KeptEvent {
    fn key(&self) -> Key {
        Key::of((self.at_ms.max(0) as u64, self.request_id.clone()))
    }

    fn bytes(&self) -> u64 {
        self.event_bytes + self.answer_bytes.unwrap_or(0)
    }
}

/// A kept event with all that was kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptWhole {
    /// What is known of it.
    pub head: KeptEvent,
    /// The event.
    pub event: Bytes,
    /// The answer.
    pub answer: Option<Bytes>,
}

enum Order {
    Keep(KeptWhole),
    /// Forgets those of an account, or all; answers when that is done.
    Forget(Option<AccountId>, oneshot::Sender<()>),
}

/// The way to the writer.
pub(crate) struct Keeper {
    orders: mpsc::Sender<Order>,
    waiting_bytes: Arc<AtomicU64>,
}

impl Keeper {
    pub(crate) fn start(keeping: Keeping, store: Store, clock: Clock) -> Keeper {
        let (orders, inbox) = mpsc::channel(WAITING_MAX);
        let waiting_bytes = Arc::new(AtomicU64::new(0));
        let writer = Writer { keeping, store, clock, waiting_bytes: waiting_bytes.clone(), events: 0, bytes: 0 };
        tokio::spawn(writer.run(inbox));
        Keeper { orders, waiting_bytes }
    }

    /// Hands an event over. Never waits.
    pub(crate) fn keep(&self, whole: KeptWhole) {
        let bytes = whole.head.bytes();
        if self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= WAITING_BYTES_MAX
            && self.orders.try_send(Order::Keep(whole)).is_ok()
        {
            return;
        }
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        tracing::warn!("an event is not kept: the store takes them more slowly than they come");
    }

    async fn forget(&self, account: Option<AccountId>) {
        let (done, is_done) = oneshot::channel();
        if self.orders.send(Order::Forget(account, done)).await.is_ok() {
            _ = is_done.await;
        }
    }
}

/// Writes and removes: the only one who does, so that the totals are right.
struct Writer {
    keeping: Keeping,
    store: Store,
    clock: Clock,
    waiting_bytes: Arc<AtomicU64>,
    events: u64,
    bytes: u64,
}

impl Writer {
    async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        if let Err(error) = self.count().await {
            tracing::warn!(%error, "kept events cannot be counted");
        }
        let mut orders = Vec::new();
        loop {
            orders.clear();
            let waited = tokio::time::timeout(SWEEP, inbox.recv_many(&mut orders, BATCH_MAX)).await;
            if waited == Ok(0) {
                return; // the service is gone
            }
            for result in [self.carry_out(&mut orders).await, self.make_room().await] {
                match result {
                    Err(store::Error::Closed) => return,
                    Err(error) => tracing::warn!(%error, "events are not kept, or not removed"),
                    Ok(()) => {}
                }
            }
        }
    }

    async fn count(&mut self) -> store::Result<()> {
        for (_, head) in self.store.scan(HEADS, Scan::all()).await? {
            self.events += 1;
            self.bytes += head.bytes();
        }
        self.make_room().await
    }

    async fn carry_out(&mut self, orders: &mut Vec<Order>) -> store::Result<()> {
        let mut wholes = Vec::new();
        for order in orders.drain(..) {
            match order {
                Order::Keep(whole) => wholes.push(whole),
                Order::Forget(account, done) => {
                    self.write(std::mem::take(&mut wholes)).await?;
                    self.forget(account).await?;
                    _ = done.send(());
                }
            }
        }
        self.write(wholes).await
    }

    async fn write(&mut self, wholes: Vec<KeptWhole>) -> store::Result<()> {
        if wholes.is_empty() {
            return Ok(());
        }
        let (events, bytes) = (wholes.len() as u64, wholes.iter().map(|whole| whole.head.bytes()).sum::<u64>());
        let written = self.store.transact_with(Durability::Buffered, move |tx| {
            for KeptWhole { head, event, answer } in &wholes {
                let body = [event.as_ref(), answer.as_deref().unwrap_or_default()].concat();
                tx.put(HEADS, &head.key(), head)?;
                tx.put(BODIES, &head.key(), &Raw(body))?;
            }
            Ok::<(), store::Error>(())
        });
        let written = written.await;
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        written?;
        self.events += events;
        self.bytes += bytes;
        Ok(())
    }

    /// Removes the oldest until the rest is within its bounds.
    async fn make_room(&mut self) -> store::Result<()> {
        let horizon_ms = self.clock.now().millis() - self.keeping.age_max.as_millis() as i64;
        loop {
            let oldest = self.store.scan(HEADS, Scan::all().limit(BATCH_MAX)).await?;
            let (mut events, mut bytes) = (self.events, self.bytes);
            let mut gone = Vec::new();
            for (key, head) in oldest {
                if events <= self.keeping.events_max && bytes <= self.keeping.bytes_max && head.at_ms >= horizon_ms {
                    break;
                }
                events = events.saturating_sub(1);
                bytes = bytes.saturating_sub(head.bytes());
                gone.push(key);
            }
            if gone.is_empty() {
                return Ok(());
            }
            remove(&self.store, gone).await?;
            (self.events, self.bytes) = (events, bytes);
        }
    }

    async fn forget(&mut self, account: Option<AccountId>) -> store::Result<()> {
        let all = self.store.scan(HEADS, Scan::all()).await?;
        let (gone, kept): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, head)| account.is_none_or(|account| account == head.account));
        remove(&self.store, gone.into_iter().map(|(key, _)| key).collect()).await?;
        self.events = kept.len() as u64;
        self.bytes = kept.iter().map(|(_, head)| head.bytes()).sum();
        Ok(())
    }
}

async fn remove(store: &Store, keys: Vec<Key>) -> store::Result<()> {
    let removed = store.transact_with(Durability::Buffered, move |tx| {
        for key in &keys {
            tx.delete(HEADS, key)?;
            tx.delete(BODIES, key)?;
        }
        Ok::<(), store::Error>(())
    });
    removed.await
}

impl Lambda {
    /// Starts to keep events, if that is wanted; else removes what was kept when it was.
    pub(crate) async fn start_keeping(
        keeping: Option<Keeping>,
        store: &Store,
        clock: &Clock,
    ) -> store::Result<Option<Keeper>> {
        if let Some(keeping) = keeping {
            return Ok(Some(Keeper::start(keeping, store.clone(), clock.clone())));
        }
        let left = store.scan(HEADS, Scan::all()).await?;
        if !left.is_empty() {
            remove(store, left.into_iter().map(|(key, _)| key).collect()).await?;
        }
        Ok(None)
    }

    /// Keeps what a function was called with, and its answer.
    pub(crate) fn keep_event(&self, resolved: &Resolved, request_id: &str, event: Bytes, answer: Option<&Answer>) {
        let Some(keeper) = &self.keeper else { return };
        let (payload, failed) =
            (answer.map(|answer| answer.payload.clone()), answer.is_none_or(|answer| answer.failed));
        let head = KeptEvent {
            request_id: request_id.to_owned(),
            account: resolved.account,
            region: resolved.region.clone(),
            function: resolved.name.clone(),
            version: resolved.version.clone(),
            at_ms: self.clock.now().millis(),
            event_bytes: event.len() as u64,
            answer_bytes: payload.as_ref().map(|payload| payload.len() as u64),
            failed,
        };
        keeper.keep(KeptWhole { head, event, answer: payload });
    }

    /// Whether events are kept at all.
    pub fn keeps_events(&self) -> bool {
        self.keeper.is_some()
    }

    /// The kept events of a function, or of all: the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn kept_events(
        &self,
        account: AccountId,
        function: Option<&str>,
        events_max: usize,
    ) -> store::Result<Vec<KeptEvent>> {
        let all = self.store.scan(HEADS, Scan::all().reverse()).await?;
        let own = all.into_iter().map(|(_, head)| head).filter(|head| head.account == account);
        let wanted = own.filter(|head| function.is_none_or(|function| function == head.function));
        Ok(wanted.take(events_max).collect())
    }

    /// What was kept of a request; of its last attempt, if there were several.
    ///
    /// # Errors
    /// The store's.
    pub async fn kept_event(&self, request_id: &str) -> store::Result<Option<KeptWhole>> {
        let all = self.store.scan(HEADS, Scan::all().reverse()).await?;
        let Some((key, head)) = all.into_iter().find(|(_, head)| head.request_id == request_id) else {
            return Ok(None);
        };
        let Some(Raw(body)) = self.store.get(BODIES, &key).await? else { return Ok(None) };
        let mut event = Bytes::from(body);
        let answer = event.split_off((head.event_bytes as usize).min(event.len()));
        let answer = head.answer_bytes.map(|_| answer);
        Ok(Some(KeptWhole { head, event, answer }))
    }

    pub(crate) async fn forget_kept_events(&self, account: Option<AccountId>) {
        if let Some(keeper) = &self.keeper {
            keeper.forget(account).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(account: &str, at_ms: i64, event: &'static [u8], answer: &'static [u8]) -> KeptWhole {
        let head = KeptEvent {
            request_id: format!("request-{at_ms}"),
            account: AccountId::parse(account).unwrap(),
            region: Region::default(),
            function: "f".to_owned(),
            version: "$LATEST".to_owned(),
            at_ms,
            event_bytes: event.len() as u64,
            answer_bytes: Some(answer.len() as u64),
            failed: false,
        };
        KeptWhole { head, event: Bytes::from_static(event), answer: Some(Bytes::from_static(answer)) }
    }

    const ONE: &str = "000000000000";
    const TWO: &str = "111111111111";

    struct Bench {
        keeper: Keeper,
        store: Store,
    }

    impl Bench {
        fn new(keeping: Keeping) -> Bench {
            Bench::over(keeping, Store::in_memory(Arc::new(|| 0)))
        }

        fn over(keeping: Keeping, store: Store) -> Bench {
            let clock = Clock::held(base::Timestamp::from_millis(10_000));
            Bench { keeper: Keeper::start(keeping, store.clone(), clock), store }
        }

        /// Times of what is kept, once the writer has done all it was told.
        async fn times(&self) -> Vec<i64> {
            self.keeper.forget(AccountId::parse("999999999999")).await;
            // Room is made after the orders of a batch: a second one comes after it.
            self.keeper.forget(AccountId::parse("999999999999")).await;
            let heads = self.store.scan(HEADS, Scan::all()).await.unwrap();
            let bodies = self.store.scan(BODIES, Scan::all()).await.unwrap();
            assert_eq!(heads.len(), bodies.len());
            heads.into_iter().map(|(_, head)| head.at_ms).collect()
        }
    }

    const PLENTY: Keeping = Keeping { events_max: 100, bytes_max: 1 << 20, age_max: Duration::from_secs(3600) };

    #[tokio::test]
    async fn the_oldest_go_first_whichever_bound_is_passed() {
        for (keeping, left) in [
            (PLENTY, vec![1_000, 2_000, 3_000]),
            (Keeping { events_max: 2, ..PLENTY }, vec![2_000, 3_000]),
            (Keeping { bytes_max: 10, ..PLENTY }, vec![3_000]),
            (Keeping { bytes_max: 1, ..PLENTY }, vec![]),
            (Keeping { age_max: Duration::from_secs(8), ..PLENTY }, vec![2_000, 3_000]),
        ] {
            let bench = Bench::new(keeping);
            for at_ms in [1_000, 2_000, 3_000] {
                bench.keeper.keep(whole(ONE, at_ms, b"event", b"now"));
            }
            assert_eq!(bench.times().await, left, "{keeping:?}");
        }
    }

    #[tokio::test]
    async fn bounds_hold_over_a_restart() {
        let bench = Bench::new(PLENTY);
        for at_ms in [1_000, 2_000, 3_000] {
            bench.keeper.keep(whole(ONE, at_ms, b"event", b"now"));
        }
        bench.times().await;
        let again = Bench::over(Keeping { events_max: 2, ..PLENTY }, bench.store.clone());
        assert_eq!(again.times().await, [2_000, 3_000]);
        again.keeper.keep(whole(ONE, 4_000, b"event", b"now"));
        assert_eq!(again.times().await, [3_000, 4_000]);
    }

    #[tokio::test]
    async fn a_reset_forgets_an_account_or_all() {
        let bench = Bench::new(PLENTY);
        bench.keeper.keep(whole(ONE, 1_000, b"event", b"now"));
        bench.keeper.keep(whole(TWO, 2_000, b"event", b"now"));
        bench.keeper.forget(AccountId::parse(ONE)).await;
        assert_eq!(bench.times().await, [2_000]);
        bench.keeper.forget(None).await;
        assert!(bench.times().await.is_empty());
    }

    #[tokio::test]
    async fn when_it_is_turned_off_nothing_stays() {
        let bench = Bench::new(PLENTY);
        bench.keeper.keep(whole(ONE, 1_000, b"secret", b"now"));
        bench.times().await;
        let off = Lambda::start_keeping(None, &bench.store, &Clock::system()).await.unwrap();
        assert!(off.is_none() && bench.store.scan(BODIES, Scan::all()).await.unwrap().is_empty());
    }
}
