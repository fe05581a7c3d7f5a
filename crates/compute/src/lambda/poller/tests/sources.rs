//! A queue and a stream in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Arn, Timestamp};
use bytes::Bytes;
use cloud::ports::{
    Answer, Position, QueueDescription, QueueMessage, QueueSource, RecordPage, Shard, SourceError, StreamData,
    StreamRecord, StreamSource,
};
use tokio::time::Instant;

/// How long a received message is hidden.
pub(super) const HIDDEN: Duration = Duration::from_secs(30);

/// A queue.
#[derive(Default)]
pub(super) struct MemoryQueue {
    messages: Mutex<Vec<(Instant, u32, QueueMessage)>>,
    /// Who is receiving: now, and at most.
    receiving: Mutex<(usize, usize)>,
}

impl MemoryQueue {
    pub(super) fn send(&self, body: impl Into<String>) {
        let mut messages = self.messages.lock().unwrap();
        let message_id = format!("m{}", messages.len());
        messages.push((Instant::now(), 0, QueueMessage { message_id, body: body.into(), ..QueueMessage::default() }));
    }

    pub(super) fn with(bodies: impl IntoIterator<Item = String>) -> Arc<MemoryQueue> {
        let queue = Arc::<MemoryQueue>::default();
        bodies.into_iter().for_each(|body| queue.send(body));
        queue
    }

    /// The bodies that have not been deleted.
    pub(super) fn left(&self) -> Vec<String> {
        let messages = self.messages.lock().unwrap();
        messages.iter().filter(|(_, _, m)| !m.body.is_empty()).map(|(_, _, m)| m.body.clone()).collect()
    }

    /// How many receive: now, and the most so far.
    pub(super) fn receiving(&self) -> (usize, usize) {
        *self.receiving.lock().unwrap()
    }

    fn take(&self, most: usize) -> Vec<QueueMessage> {
        let now = Instant::now();
        let mut messages = self.messages.lock().unwrap();
        let visible = messages.iter_mut().filter(|(at, _, message)| *at <= now && !message.body.is_empty()).take(most);
        visible
            .map(|(at, receives, message)| {
                *at = now + HIDDEN;
                *receives += 1;
                message.receipt_handle = format!("{}/{receives}", message.message_id);
                message.attributes = BTreeMap::from([("ApproximateReceiveCount".to_owned(), receives.to_string())]);
                message.clone()
            })
            .collect()
    }
}

/// A receive under way; over when it is dropped.
struct Receiving<'a>(&'a Mutex<(usize, usize)>);

impl<'a> Receiving<'a> {
    fn begin(counts: &'a Mutex<(usize, usize)>) -> Receiving<'a> {
        let mut counted = counts.lock().unwrap();
        counted.0 += 1;
        counted.1 = counted.1.max(counted.0);
        Receiving(counts)
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().0 -= 1;
    }
}

impl QueueSource for MemoryQueue {
    fn describe<'a>(&'a self, _queue: &'a Arn) -> Answer<'a, QueueDescription> {
        Box::pin(async { Ok(QueueDescription { visibility_timeout_secs: HIDDEN.as_secs() as u32 }) })
    }

    fn receive<'a>(&'a self, _queue: &'a Arn, messages_max: usize, wait: Duration) -> Answer<'a, Vec<QueueMessage>> {
        Box::pin(async move {
            assert!(messages_max <= 10, "SQS gives ten at a time");
            let _one = Receiving::begin(&self.receiving);
            let end = Instant::now() + wait;
            loop {
                let taken = self.take(messages_max);
                if !taken.is_empty() || Instant::now() >= end {
                    return Ok(taken);
                }
                tokio::time::sleep(Duration::from_millis(50).min(end - Instant::now())).await;
            }
        })
    }

    fn delete<'a>(&'a self, _queue: &'a Arn, receipts: &'a [String]) -> Answer<'a, ()> {
        Box::pin(async move {
            assert!(receipts.len() <= 10, "SQS deletes ten at a time");
            let mut messages = self.messages.lock().unwrap();
            for (_, _, message) in messages.iter_mut().filter(|(_, _, m)| receipts.contains(&m.receipt_handle)) {
                message.body.clear();
            }
            Ok(())
        })
    }

    fn change_visibility<'a>(&'a self, _queue: &'a Arn, receipts: &'a [String], secs: u32) -> Answer<'a, ()> {
        Box::pin(async move {
            let until = Instant::now() + Duration::from_secs(secs.into());
            let mut messages = self.messages.lock().unwrap();
            messages
                .iter_mut()
                .filter(|(_, _, m)| receipts.contains(&m.receipt_handle))
                .for_each(|(at, _, _)| *at = until);
            Ok(())
        })
    }
}

#[derive(Default)]
struct MemoryShard {
    parents: Vec<String>,
    records: Vec<StreamRecord>,
    closed: bool,
}

/// A stream.
#[derive(Default)]
pub(super) struct MemoryStream {
    shards: Mutex<BTreeMap<String, MemoryShard>>,
}

impl MemoryStream {
    pub(super) fn with_shard(self: Arc<Self>, id: &str, parents: &[&str]) -> Arc<MemoryStream> {
        let parents = parents.iter().map(ToString::to_string).collect();
        self.shards.lock().unwrap().insert(id.to_owned(), MemoryShard { parents, ..MemoryShard::default() });
        self
    }

    pub(super) fn close(&self, shard: &str) {
        self.shards.lock().unwrap().get_mut(shard).unwrap().closed = true;
    }

    /// Adds a record of Kinesis; its sequence number is its place.
    pub(super) fn put(&self, shard: &str, key: &str, data: impl Into<String>, arrived: Timestamp) {
        self.put_data(shard, key, StreamData::Bytes(Bytes::from(data.into())), arrived);
    }

    pub(super) fn put_data(&self, shard: &str, key: &str, data: StreamData, arrived: Timestamp) {
        let mut shards = self.shards.lock().unwrap();
        let records = &mut shards.get_mut(shard).unwrap().records;
        let sequence_number = format!("{:03}", records.len());
        records.push(StreamRecord { sequence_number, partition_key: key.to_owned(), arrived, data });
    }
}

impl StreamSource for MemoryStream {
    fn shards<'a>(&'a self, _stream: &'a Arn) -> Answer<'a, Vec<Shard>> {
        let shards = self.shards.lock().unwrap();
        let listed =
            shards.iter().map(|(id, shard)| Shard { id: id.clone(), parents: shard.parents.clone() }).collect();
        Box::pin(async move { Ok(listed) })
    }

    fn iterator<'a>(&'a self, _stream: &'a Arn, shard: &'a str, from: &'a Position) -> Answer<'a, String> {
        let shards = self.shards.lock().unwrap();
        let records = &shards[shard].records;
        let place = match from {
            Position::TrimHorizon => 0,
            Position::AtTimestamp(at) => records.iter().take_while(|record| record.arrived < *at).count(),
            Position::After(number) => records.iter().take_while(|record| record.sequence_number <= *number).count(),
        };
        let iterator = format!("{shard}/{place}");
        Box::pin(async move { Ok(iterator) })
    }

    fn records<'a>(&'a self, _stream: &'a Arn, iterator: &'a str, records_max: usize) -> Answer<'a, RecordPage> {
        Box::pin(async move {
            let (shard, place) = iterator.split_once('/').unwrap();
            let place: usize = place.parse().unwrap();
            let shards = self.shards.lock().unwrap();
            let missing =
                || SourceError::NotFound { code: "ResourceNotFoundException".to_owned(), message: shard.to_owned() };
            let MemoryShard { records, closed, .. } = shards.get(shard).ok_or_else(missing)?;
            let page: Vec<StreamRecord> = records.iter().skip(place).take(records_max).cloned().collect();
            let end = place + page.len();
            let next = (!closed || end < records.len()).then(|| format!("{shard}/{end}"));
            Ok(RecordPage { records: page, next })
        })
    }
}
