//! Queues and streams as others read them: what Lambda's event source mappings poll. A service that has queues or streams
//! implements [`QueueSource`] or [`StreamSource`] and is registered in [`Sources`]; what is not there cannot be mapped.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base::{Arn, Timestamp};
use bytes::Bytes;

use crate::BoxFuture;

/// Why a source did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no such queue, stream or shard; AWS's code and words.
    #[error("{code}: {message}")]
    NotFound {
        /// AWS's code.
        code: String,
        /// AWS's words.
        message: String,
    },
    /// It may work later.
    #[error("not now: {0}")]
    Later(String),
}

/// What a source answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, SourceError>>;

/// Queues: a message is hidden while somebody has it, and gone only once it is deleted.
pub trait QueueSource: Send + Sync {
    /// What the queue is like, if there is such a queue.
    fn describe<'a>(&'a self, queue: &'a Arn) -> Answer<'a, QueueDescription>;

    /// Up to `messages_max` messages, which are hidden for the queue's visibility timeout; waits for the first as long as
    /// it is told to.
    fn receive<'a>(&'a self, queue: &'a Arn, messages_max: usize, wait: Duration) -> Answer<'a, Vec<QueueMessage>>;

    /// Removes messages by their receipt handles; what is gone already is no error.
    fn delete<'a>(&'a self, queue: &'a Arn, receipts: &'a [String]) -> Answer<'a, ()>;

    /// Hides messages for so many seconds from now; none makes them visible at once.
    fn change_visibility<'a>(&'a self, queue: &'a Arn, receipts: &'a [String], secs: u32) -> Answer<'a, ()>;
}

/// A queue's settings that matter to readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDescription {
    /// How long a message is hidden from others once it was received.
    pub visibility_timeout_secs: u32,
}

/// A message as SQS shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueMessage {
    /// Its id.
    pub message_id: String,
    /// The handle of this receipt.
    pub receipt_handle: String,
    /// Its body.
    pub body: String,
    /// `ApproximateReceiveCount`, `SentTimestamp`, `MessageGroupId` and the like.
    pub attributes: BTreeMap<String, String>,
    /// The sender's attributes.
    pub message_attributes: BTreeMap<String, MessageAttribute>,
    /// MD5 of the body, hexadecimal.
    pub md5_of_body: String,
    /// MD5 of the sender's attributes, if there are any.
    pub md5_of_message_attributes: Option<String>,
}

/// A sender's attribute of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageAttribute {
    /// `String`, `Number`, `Binary`, perhaps with a dot and more.
    pub data_type: String,
    /// Text and numbers.
    pub string_value: Option<String>,
    /// Bytes.
    pub binary_value: Option<Bytes>,
}

/// Streams: shards of records in order, read by position.
pub trait StreamSource: Send + Sync {
    /// The stream's shards, those that are closed but still hold records too.
    fn shards<'a>(&'a self, stream: &'a Arn) -> Answer<'a, Vec<Shard>>;

    /// Where reading a shard begins.
    fn iterator<'a>(&'a self, stream: &'a Arn, shard: &'a str, from: &'a Position) -> Answer<'a, String>;

    /// Up to `records_max` records from there.
    fn records<'a>(&'a self, stream: &'a Arn, iterator: &'a str, records_max: usize) -> Answer<'a, RecordPage>;
}

/// A shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: String,
    /// Shards whose records come before this one's.
    pub parents: Vec<String>,
}

/// A place in a shard.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Position {
    /// The oldest record.
    TrimHorizon,
    /// What arrives at or after this time.
    AtTimestamp(Timestamp),
    /// After the record of this sequence number.
    After(String),
}

/// Some records of a shard.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordPage {
    /// In order.
    pub records: Vec<StreamRecord>,
    /// Where to go on; none at the end of a closed shard.
    pub next: Option<String>,
}

/// A record of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRecord {
    /// Its place in the shard.
    pub sequence_number: String,
    /// Records of the same key are kept in order.
    pub partition_key: String,
    /// When it arrived.
    pub arrived: Timestamp,
    /// What it says.
    pub data: StreamData,
}

/// What a record says, by the kind of stream.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamData {
    /// Kinesis: a producer's bytes.
    Bytes(Bytes),
    /// DynamoDB: a change of an item.
    Change {
        /// The change's id.
        event_id: String,
        /// `INSERT`, `MODIFY` or `REMOVE`.
        event_name: String,
        /// Keys and images as DynamoDB writes them, with `SequenceNumber`, `SizeBytes` and `StreamViewType`.
        dynamodb: serde_json::Value,
    },
}

/// Who reads which service's queues and streams. A cheap handle: clones share everything.
#[derive(Clone, Default)]
pub struct Sources(Arc<RwLock<Registered>>);

#[derive(Default)]
struct Registered {
    queues: BTreeMap<&'static str, Arc<dyn QueueSource>>,
    streams: BTreeMap<&'static str, Arc<dyn StreamSource>>,
}

impl Sources {
    /// Makes a service's queues known.
    pub fn register_queues(&self, service: &'static str, source: Arc<dyn QueueSource>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).queues.insert(service, source);
    }

    /// Makes a service's streams known.
    pub fn register_streams(&self, service: &'static str, source: Arc<dyn StreamSource>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).streams.insert(service, source);
    }

    /// The queues of this service, if it stands.
    pub fn queues(&self, service: &str) -> Option<Arc<dyn QueueSource>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).queues.get(service).cloned()
    }

    /// The streams of this service, if it stands.
    pub fn streams(&self, service: &str) -> Option<Arc<dyn StreamSource>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).streams.get(service).cloned()
    }
}
