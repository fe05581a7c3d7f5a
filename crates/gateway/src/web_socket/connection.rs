//! One WebSocket connection as the rest of the node sees it: whose it is, what is known of its client, and its outbox.
//! Who reads and writes its socket is in `socket`.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::{AccountId, Timestamp};
use serde_json::{Map, Value};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// What a connection's outbox holds at most, in bytes: two messages of the greatest size. AWS has such a buffer, too
/// (its `LimitExceededException` names it), and does not say how large it is.
pub(crate) const OUTBOX_BYTES_MAX: usize = 256 * 1024;

/// How many messages an outbox holds at most, however small.
pub(crate) const OUTBOX_MESSAGES_MAX: usize = 256;

/// How long to wait for the budget that all connections share before looking again.
const BUDGET_PATIENCE: Duration = Duration::from_millis(100);

/// A connection of a client.
pub(crate) struct Connection {
    /// AWS's form of id: `JC1dgf9yoAMCK-g=`.
    pub(crate) id: String,
    /// The API and its stage.
    pub(crate) place: Place,
    /// Whose the API is.
    pub(crate) account: AccountId,
    /// When the client connected.
    pub(crate) connected: Timestamp,
    /// Where it comes from.
    pub(crate) client: Client,
    /// What the authorizer said of it, for all its messages.
    pub(crate) authorizer: Option<Arc<Map<String, Value>>>,
    pub(crate) outbox: Outbox,
    last_active_millis: AtomicI64,
    is_open: AtomicBool,
}

/// Which API and stage a connection is one of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) api_id: Arc<str>,
    pub(crate) stage: Arc<str>,
}

/// What is known of a connection's client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// The peer's address, as events have it.
    pub(crate) source_ip: String,
    /// The peer's address; none for a function.
    pub(crate) address: Option<IpAddr>,
    /// Its `User-Agent`.
    pub(crate) user_agent: Option<String>,
    /// The host name under which it found the API, with its port.
    pub(crate) domain_name: String,
    /// Whether it came over TLS.
    pub(crate) tls: bool,
    /// Whether it is a function.
    pub(crate) from_sandbox: bool,
    /// How many nodes its handshake came through.
    pub(crate) hops: u8,
}

/// How a connection ends: the close frame's status and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) status: u16,
    pub(crate) reason: String,
}

impl Ending {
    /// The node or the connection's time is over: AWS's code and words for both.
    pub(crate) fn going_away() -> Ending {
        Ending::new(1001, "Going away")
    }

    /// A close frame without a status (RFC 6455, 7.1.5), in AWS's words.
    pub(crate) fn without_status() -> Ending {
        Ending::new(1005, "Client-side close frame status not set")
    }

    /// No close frame at all (RFC 6455, 7.1.5).
    pub(crate) fn abnormal() -> Ending {
        Ending::new(1006, "Connection closed abnormally")
    }

    pub(crate) fn new(status: u16, reason: &str) -> Ending {
        Ending { status, reason: reason.to_owned() }
    }
}

impl Connection {
    pub(crate) fn new(
        place: Place,
        account: AccountId,
        client: Client,
        now: Timestamp,
        budget: Arc<Semaphore>,
    ) -> Connection {
        Connection {
            id: base::id::extended_request(),
            place,
            account,
            connected: now,
            client,
            authorizer: None,
            outbox: Outbox::new(budget),
            last_active_millis: AtomicI64::new(now.millis()),
            is_open: AtomicBool::new(false),
        }
    }

    /// When a frame last came or went.
    pub(crate) fn last_active(&self) -> Timestamp {
        Timestamp::from_millis(self.last_active_millis.load(Ordering::Relaxed))
    }

    pub(crate) fn touch(&self, now: Timestamp) {
        self.last_active_millis.store(now.millis(), Ordering::Relaxed);
    }

    /// Whether backends may write to it: from the end of the handshake to the beginning of the close.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::Release);
    }

    pub(crate) fn shut(&self) {
        self.is_open.store(false, Ordering::Release);
        self.outbox.abandon();
    }
}

/// What is to be sent to a client, in order. Bounded by its own limits and by the budget that all connections share: a
/// client that does not read holds no more than that.
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    budget: Arc<Semaphore>,
    /// Something has come in: for the one who writes.
    arrived: Notify,
    /// Something has gone out: for those who wait for room.
    departed: Notify,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
    ending: Option<Ending>,
    is_abandoned: bool,
}

/// A message on its way to a client; always text, as AWS sends them.
pub(crate) struct Message {
    pub(crate) text: String,
    _share: OwnedSemaphorePermit,
}

/// What the outbox has for the one who writes.
pub(crate) enum Next {
    /// A message.
    Message(Message),
    /// The connection is to be closed.
    Close(Ending),
    /// Nothing yet.
    Nothing,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untaken {
    /// Too much waits already.
    Full,
    /// The connection is closed or closing.
    Gone,
}

impl Outbox {
    fn new(budget: Arc<Semaphore>) -> Outbox {
        Outbox { queue: Mutex::default(), budget, arrived: Notify::new(), departed: Notify::new() }
    }

    /// Puts a message in, if there is room at once.
    pub(crate) fn put(&self, text: &str) -> Result<(), Untaken> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.ending.is_some() || queue.is_abandoned {
            return Err(Untaken::Gone);
        }
        if queue.messages.len() >= OUTBOX_MESSAGES_MAX || queue.bytes + text.len() > OUTBOX_BYTES_MAX {
            return Err(Untaken::Full);
        }
        let kilobytes = u32::try_from(text.len() / 1024 + 1).unwrap_or(u32::MAX);
        let share = self.budget.clone().try_acquire_many_owned(kilobytes).map_err(|_| Untaken::Full)?;
        queue.bytes += text.len();
        queue.messages.push_back(Message { text: text.to_owned(), _share: share });
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    /// Puts a message in as soon as there is room for it.
    pub(crate) async fn put_when_possible(&self, text: &str) -> Result<(), Untaken> {
        loop {
            let departed = self.departed.notified();
            match self.put(text) {
                // What all connections share may be what is used up; nobody says when it no longer is.
                Err(Untaken::Full) => _ = tokio::time::timeout(BUDGET_PATIENCE, departed).await,
                done => return done,
            }
        }
    }

    /// Closes the connection once what waits has been sent.
    pub(crate) fn close(&self, ending: Ending) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.ending.get_or_insert(ending);
        drop(queue);
        self.arrived.notify_one();
        self.departed.notify_waiters();
    }

    pub(crate) fn take(&self) -> Next {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match (queue.messages.pop_front(), &queue.ending) {
            (Some(message), _) => {
                queue.bytes -= message.text.len();
                Next::Message(message)
            }
            (None, Some(ending)) => Next::Close(ending.clone()),
            (None, None) => {
                queue.messages.shrink_to_fit();
                Next::Nothing
            }
        };
        drop(queue);
        self.departed.notify_waiters();
        next
    }

    /// Waits until there may be something to send, or [`Outbox::wake`] is called.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Has the one who writes look again at what may be done.
    pub(crate) fn wake(&self) {
        self.arrived.notify_one();
    }

    /// Nobody writes any more.
    fn abandon(&self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.is_abandoned = true;
        queue.messages = VecDeque::new();
        queue.bytes = 0;
        drop(queue);
        self.departed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(budget_kilobytes: usize) -> Outbox {
        Outbox::new(Arc::new(Semaphore::new(budget_kilobytes)))
    }

    fn text(next: Next) -> Option<String> {
        match next {
            Next::Message(message) => Some(message.text),
            Next::Close(_) | Next::Nothing => None,
        }
    }

    #[test]
    fn an_outbox_is_bounded_by_bytes_by_messages_and_by_what_all_share() {
        let by_bytes = outbox(10_000);
        let half = "x".repeat(OUTBOX_BYTES_MAX / 2);
        assert_eq!(by_bytes.put(&half), Ok(()));
        assert_eq!(by_bytes.put(&half), Ok(()));
        assert_eq!(by_bytes.put("x"), Err(Untaken::Full));
        assert!(text(by_bytes.take()).is_some());
        assert_eq!(by_bytes.put("x"), Ok(()));

        let by_messages = outbox(10_000);
        for _ in 0..OUTBOX_MESSAGES_MAX {
            assert_eq!(by_messages.put(""), Ok(()));
        }
        assert_eq!(by_messages.put(""), Err(Untaken::Full));

        let shared = Arc::new(Semaphore::new(1));
        let (one, other) = (Outbox::new(shared.clone()), Outbox::new(shared));
        assert_eq!(one.put("a"), Ok(()));
        assert_eq!(other.put("b"), Err(Untaken::Full));
        assert_eq!(text(one.take()).as_deref(), Some("a"));
        assert_eq!(other.put("b"), Ok(()));
    }

    #[test]
    fn what_waits_is_sent_before_the_close_and_nothing_is_taken_after_it() {
        let outbox = outbox(10);
        assert_eq!(outbox.put("last words"), Ok(()));
        outbox.close(Ending::going_away());
        outbox.close(Ending::without_status());
        assert_eq!(outbox.put("too late"), Err(Untaken::Gone));
        assert_eq!(text(outbox.take()).as_deref(), Some("last words"));
        assert!(matches!(outbox.take(), Next::Close(ending) if ending == Ending::going_away()));
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_there_is_some_or_the_connection_is_gone() {
        let outbox = Arc::new(outbox(1));
        assert_eq!(outbox.put("a"), Ok(()));
        let wait = |text: &'static str| {
            let outbox = outbox.clone();
            tokio::spawn(async move { outbox.put_when_possible(text).await })
        };
        let second = wait("b");
        tokio::task::yield_now().await;
        assert_eq!(text(outbox.take()).as_deref(), Some("a"));
        assert_eq!(second.await.unwrap(), Ok(()));
        let third = wait("c");
        tokio::task::yield_now().await;
        outbox.abandon();
        assert_eq!(third.await.unwrap(), Err(Untaken::Gone));
    }
}
