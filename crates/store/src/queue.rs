//! Leased queues: what a message, a lease and a receipt are, and how they lie in the ordered keys.
//!
//! A message is in the queue until it is acknowledged. Leasing hides it until the lease ends and raises its *epoch*; a
//! receipt names message and epoch, so whoever lost the lease (it ran out and somebody else has the message) is refused.
//!
//! Per queue, below `q<queue>\0`: `s` totals and hints · `h<id>` header · `p<id>` payload (written once, never with the
//! header) · `v<time><id>` when a message becomes visible, leased ones at the end of their lease · `g<group>\0<id>` the
//! members of a group · `r<group>\0` a group's head · `d<dedup>` what was sent lately and `e<time><dedup>` until when.
//! `queue_tx.rs` moves them.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, Record, Result};

/// Most messages one lease call hands out. SQS gives 10, a Lambda event source mapping asks for up to 10,000 in many calls.
pub const LEASE_BATCH_MAX: usize = 1_000;
/// Largest payload, bytes. SQS and asynchronous Lambda invocations take 1 MiB; the rest is room for our envelope.
pub const PAYLOAD_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Longest queue, group and deduplication name, bytes. SQS: 80 and 128.
const NAME_BYTES_MAX: usize = 512;

/// The name of a queue. A queue exists by being used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queue(Cow<'static, str>);

impl Queue {
    /// Names a queue known at compile time.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Names a queue that a user made.
    pub fn named(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        &self.0
    }

    pub(crate) fn check(&self) -> Result<()> {
        Error::check_limit("queue name bytes", self.0.len(), NAME_BYTES_MAX)?;
        if self.0.is_empty() || self.0.contains('\0') {
            return Err(Error::Malformed("queue name"));
        }
        Ok(())
    }

    fn space(&self, kind: u8) -> Vec<u8> {
        [b"q", self.0.as_bytes(), &[0, kind]].concat()
    }

    pub(crate) fn whole(&self) -> Vec<u8> {
        [b"q", self.0.as_bytes(), &[0]].concat()
    }

    pub(crate) fn totals_key(&self) -> Vec<u8> {
        self.space(b's')
    }

    pub(crate) fn headers(&self) -> Vec<u8> {
        self.space(b'h')
    }

    pub(crate) fn header_key(&self, id: MessageId) -> Vec<u8> {
        with(self.space(b'h'), &id.0.to_be_bytes())
    }

    pub(crate) fn payload_key(&self, id: MessageId) -> Vec<u8> {
        with(self.space(b'p'), &id.0.to_be_bytes())
    }

    pub(crate) fn due_space(&self) -> Vec<u8> {
        self.space(b'v')
    }

    pub(crate) fn due_key(&self, due: Due) -> Vec<u8> {
        with(with(self.space(b'v'), &sortable(due.at_ms)), &due.id.0.to_be_bytes())
    }

    pub(crate) fn group_members(&self, group: &str) -> Vec<u8> {
        with(with(self.space(b'g'), group.as_bytes()), &[0])
    }

    pub(crate) fn group_member_key(&self, group: &str, id: MessageId) -> Vec<u8> {
        with(self.group_members(group), &id.0.to_be_bytes())
    }

    pub(crate) fn group_head_key(&self, group: &str) -> Vec<u8> {
        with(self.space(b'r'), group.as_bytes())
    }

    pub(crate) fn dedup_key(&self, dedup: &str) -> Vec<u8> {
        with(self.space(b'd'), dedup.as_bytes())
    }

    pub(crate) fn dedup_expiries(&self) -> Vec<u8> {
        self.space(b'e')
    }

    pub(crate) fn dedup_expiry_key(&self, until_ms: i64, dedup: &str) -> Vec<u8> {
        with(with(self.space(b'e'), &sortable(until_ms)), dedup.as_bytes())
    }
}

fn with(mut key: Vec<u8>, rest: &[u8]) -> Vec<u8> {
    key.extend_from_slice(rest);
    key
}

const SIGN: u64 = 1 << 63;

fn sortable(time_ms: i64) -> [u8; 8] {
    (time_ms.cast_unsigned() ^ SIGN).to_be_bytes()
}

/// A message's number within its queue, in the order of enqueueing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(pub u64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Proof of a lease. Prints as `id.epoch` and parses from it; a service may wrap it in its own handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Receipt {
    /// The message.
    pub id: MessageId,
    /// Which lease of it.
    pub epoch: u32,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id, self.epoch)
    }
}

impl FromStr for Receipt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text
            .split_once('.')
            .and_then(|(id, epoch)| Some(Self { id: MessageId(id.parse().ok()?), epoch: epoch.parse().ok()? }));
        parsed.ok_or(Error::Malformed("receipt"))
    }
}

/// A message to be enqueued.
#[derive(Debug, Clone, Default)]
pub struct NewMessage {
    pub(crate) payload: Vec<u8>,
    pub(crate) visible_at_ms: Option<i64>,
    pub(crate) delay_ms: i64,
    pub(crate) group: Option<String>,
    pub(crate) dedup: Option<(String, i64)>,
}

impl NewMessage {
    /// A message that is visible at once.
    pub fn new(payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: payload.into(), ..Self::default() }
    }

    /// Hides it until this time (milliseconds since 1970).
    pub fn visible_at(mut self, time_ms: i64) -> Self {
        self.visible_at_ms = Some(time_ms);
        self
    }

    /// Hides it for so long.
    pub fn delayed(mut self, delay_ms: i64) -> Self {
        self.delay_ms = delay_ms;
        self
    }

    /// Puts it into a group: messages of a group are handed out in order, and none while an earlier one is out
    /// (as in SQS FIFO queues; one lease call may take several of a group, in order).
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Drops it if a message with this id was enqueued less than `window_ms` ago. SQS: 5 minutes.
    pub fn dedup(mut self, id: impl Into<String>, window_ms: i64) -> Self {
        self.dedup = Some((id.into(), window_ms));
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        Error::check_limit("payload bytes", self.payload.len(), PAYLOAD_BYTES_MAX)?;
        for name in self.group.iter().chain(self.dedup.iter().map(|(id, _)| id)) {
            Error::check_limit("group or deduplication id bytes", name.len(), NAME_BYTES_MAX)?;
            if name.contains('\0') {
                return Err(Error::Malformed("group or deduplication id"));
            }
        }
        Ok(())
    }
}

/// What became of a message given to `enqueue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// Its number; for a duplicate, that of the first one.
    pub id: MessageId,
    /// True if it was dropped because of its deduplication id.
    pub duplicate: bool,
}

/// A message in somebody's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// Proof, for acknowledging, giving back and extending.
    pub receipt: Receipt,
    /// The message's bytes.
    pub payload: Vec<u8>,
    /// Its group, if it has one.
    pub group: Option<String>,
    /// How many times it has been handed out, this one included.
    pub receive_count: u32,
    /// When it was enqueued (in its first queue, if it was moved).
    pub enqueued_at_ms: i64,
    /// When it was first handed out.
    pub first_leased_at_ms: i64,
    /// When this lease ends.
    pub lease_until_ms: i64,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueCounts {
    /// Could be leased now (messages that wait behind their group's head count here).
    pub visible: u64,
    /// Leased and not yet acknowledged.
    pub in_flight: u64,
    /// Not leased and hidden until later.
    pub delayed: u64,
    /// When the oldest message still here was enqueued.
    pub oldest_enqueued_at_ms: Option<i64>,
}

/// An entry of the index of visibility times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Due {
    pub(crate) at_ms: i64,
    pub(crate) id: MessageId,
}

impl Due {
    pub(crate) const FIRST: Self = Self { at_ms: i64::MIN, id: MessageId(0) };

    pub(crate) fn of_key(queue: &Queue, key: &[u8]) -> Option<Self> {
        let (at, id) = key.get(queue.due_space().len()..)?.split_first_chunk::<8>()?;
        let at_ms = (u64::from_be_bytes(*at) ^ SIGN).cast_signed();
        Some(Self { at_ms, id: MessageId(u64::from_be_bytes(id.try_into().ok()?)) })
    }
}

/// Kept per queue. The hints let scans begin behind the tombstones that a queue leaves at its head in a log-structured
/// store; they are lower bounds, kept in the same transaction as what they bound.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) next_id: u64,
    pub(crate) messages: u64,
    /// No due entry lies before this one.
    pub(crate) first_due: Due,
    /// No message lies before this one.
    pub(crate) first_id: MessageId,
}

impl Default for Totals {
    fn default() -> Self {
        Self { next_id: 1, messages: 0, first_due: Due::FIRST, first_id: MessageId(0) }
    }
}

impl Record for Totals {}

/// A message without its payload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) enqueued_at_ms: i64,
    pub(crate) visible_at_ms: i64,
    pub(crate) receive_count: u32,
    pub(crate) epoch: u32,
    pub(crate) leased: bool,
    /// Has an entry in the index of visibility times. False for those waiting behind their group's head.
    pub(crate) due: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_leased_at_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
}

impl Record for Header {}

/// A group's first message.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct GroupHead {
    pub(crate) id: MessageId,
}

impl Record for GroupHead {}

/// A message enqueued under a deduplication id.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) id: MessageId,
    pub(crate) until_ms: i64,
}

impl Record for Sent {}
