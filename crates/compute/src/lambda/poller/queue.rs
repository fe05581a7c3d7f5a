//! Reading a queue. A message is hidden while its batch runs and deleted once the function has dealt with it; whatever
//! else happens (a failure, a crash) it comes back by itself when its visibility timeout ends. So nothing is kept here.

use std::sync::Arc;
use std::time::Duration;

use cloud::ports::{QueueMessage, QueueSource};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::response::{self, Verdict};
use super::{Consumer, Count, Mapping, PAYLOAD_BYTES_MAX, backoff, event};

/// How long a receive waits for a message: SQS's longest.
const RECEIVE_WAIT: Duration = Duration::from_secs(20);
/// Messages of one receive, and of one delete: SQS's limits.
const MESSAGES_AT_A_TIME: usize = 10;
/// Batches of a mapping at a time where nothing else is set. AWS scales to 1,250; what a node can run is less.
const CONCURRENCY: u32 = 100;
/// Batches at a time that a provisioned poller handles on AWS.
const CONCURRENCY_OF_POLLER: u32 = 10;
/// Pollers of a mapping in provisioned mode that does not say how many: AWS's default.
const POLLERS_MIN: u32 = 2;

/// A queue that is read.
pub(crate) struct QueuePoller {
    pub(crate) queue: Arc<dyn QueueSource>,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) consumer: Arc<dyn Consumer>,
}

impl QueuePoller {
    /// Reads on and on; ends by being dropped, and batches under way go on then.
    pub(crate) async fn poll(self: Arc<Self>) {
        let (pollers, batches) = self.scale();
        let places = Arc::new(Semaphore::new(batches as usize));
        let mut polling = JoinSet::new();
        for _ in 0..pollers {
            polling.spawn(Arc::clone(&self).poll_alone(places.clone()));
        }
        while polling.join_next().await.is_some() {}
    }

    /// How many pollers stand ready, and how many batches may run at a time. A poller hands its batches on and reads the
    /// next, so that more than the least number are never needed: the most that are allowed bound the batches.
    fn scale(&self) -> (u32, u32) {
        let settings = &self.mapping.settings;
        let of_pollers = settings.pollers.and_then(|(_, most)| most).map(|most| most * CONCURRENCY_OF_POLLER);
        let batches = settings.concurrency_max.or(of_pollers).unwrap_or(CONCURRENCY).min(CONCURRENCY * 10);
        let pollers = settings
            .pollers
            .map_or(1, |(least, most)| least.unwrap_or_else(|| POLLERS_MIN.min(most.unwrap_or(POLLERS_MIN))));
        (pollers, batches.max(pollers))
    }

    async fn poll_alone(self: Arc<Self>, places: Arc<Semaphore>) {
        let mut carried = Vec::new();
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let batch = self.gather(&mut carried).await;
            let this = Arc::clone(&self);
            tokio::spawn(async move {
                this.process(batch).await;
                drop(place);
            });
        }
    }

    /// Gathers a batch: until it is full, its time is over or it would grow too large. What was received and does not fit
    /// is carried to the next.
    async fn gather(&self, carried: &mut Vec<QueueMessage>) -> Vec<QueueMessage> {
        let settings = &self.mapping.settings;
        let (most, window) = (settings.batch_size as usize, Duration::from_secs(settings.batching_window_secs.into()));
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut failures = 0;
        let mut received = std::mem::take(carried);
        let mut end = None;
        loop {
            let mut waiting = received.into_iter();
            while batch.len() < most
                && let Some(message) = waiting.next()
            {
                let size = event::message(&self.mapping, &message).to_string().len() + 1;
                if bytes + size > PAYLOAD_BYTES_MAX && !batch.is_empty() {
                    carried.push(message);
                    carried.extend(waiting);
                    return batch;
                }
                bytes += size;
                batch.push(message);
            }
            carried.extend(waiting);
            if !batch.is_empty() {
                end = end.or_else(|| Some(Instant::now() + window));
            }
            let left = end.map_or(RECEIVE_WAIT, |end| end.saturating_duration_since(Instant::now()));
            if batch.len() >= most || left.is_zero() {
                return batch;
            }
            let wanted = (most - batch.len()).min(MESSAGES_AT_A_TIME);
            received = match self.queue.receive(&self.mapping.source, wanted, left.min(RECEIVE_WAIT)).await {
                Ok(messages) => {
                    failures = 0;
                    self.filter(messages).await
                }
                Err(error) => {
                    tracing::warn!(%error, source = %self.mapping.source, "a queue cannot be read");
                    tokio::time::sleep(backoff(failures)).await;
                    failures += 1;
                    Vec::new()
                }
            };
        }
    }

    /// Those that pass; those that do not are deleted, as AWS does.
    async fn filter(&self, messages: Vec<QueueMessage>) -> Vec<QueueMessage> {
        if messages.is_empty() {
            return messages;
        }
        self.consumer.count(Count::Polled, messages.len() as f64);
        let passes =
            |message: &QueueMessage| self.mapping.filters.pass(&|| event::message_for_filters(&self.mapping, message));
        let (wanted, others): (Vec<_>, Vec<_>) = messages.into_iter().partition(passes);
        if !others.is_empty() {
            self.consumer.count(Count::FilteredOut, others.len() as f64);
            self.delete(others.iter()).await;
        }
        wanted
    }

    async fn process(&self, batch: Vec<QueueMessage>) {
        let records = batch.iter().map(|message| event::message(&self.mapping, message)).collect();
        let payload = event::batch(records);
        self.consumer.count(Count::Invoked, batch.len() as f64);
        let Some(answer) = self.invoke(payload).await else {
            self.consumer.count(Count::FailedInvoke, batch.len() as f64);
            return;
        };
        let identifiers: Vec<&str> = batch.iter().map(|message| message.message_id.as_str()).collect();
        let verdict = match (answer.failed, self.mapping.settings.reports_item_failures) {
            (true, _) => Verdict::Failure,
            (false, false) => Verdict::Success,
            (false, true) => response::read(&answer.payload, &identifiers),
        };
        let failed = match verdict {
            Verdict::Success => Vec::new(),
            Verdict::Failure => (0..batch.len()).collect(),
            Verdict::Partial(places) => places,
        };
        self.consumer.count(Count::FailedInvoke, failed.len() as f64);
        let done = batch.iter().enumerate().filter(|(place, _)| failed.binary_search(place).is_err());
        let deleted = self.delete(done.map(|(_, message)| message)).await;
        self.consumer.count(Count::Deleted, deleted as f64);
    }

    /// Calls the function; while it is throttled again and again, as long as its messages stay hidden for half of their
    /// time. None if it did not come to run: the messages come back then.
    async fn invoke(&self, payload: bytes::Bytes) -> Option<super::Invoked> {
        let hidden = self.queue.describe(&self.mapping.source).await.map_or(0, |queue| queue.visibility_timeout_secs);
        let give_up = Instant::now() + Duration::from_secs(hidden.into()) / 2;
        for failures in 0.. {
            match self.consumer.invoke(payload.clone()).await {
                Ok(answer) => return Some(answer),
                Err(error) if Instant::now() + backoff(failures) < give_up => {
                    tracing::debug!(%error, mapping = self.mapping.id, "a batch waits");
                    tokio::time::sleep(backoff(failures)).await;
                }
                Err(error) => {
                    tracing::info!(%error, mapping = self.mapping.id, "a batch goes back to its queue");
                    return None;
                }
            }
        }
        None
    }

    /// Deletes messages, and says how many; those that cannot be deleted come again.
    async fn delete(&self, messages: impl Iterator<Item = &QueueMessage>) -> usize {
        let receipts: Vec<String> = messages.map(|message| message.receipt_handle.clone()).collect();
        let mut deleted = 0;
        for receipts in receipts.chunks(MESSAGES_AT_A_TIME) {
            match self.queue.delete(&self.mapping.source, receipts).await {
                Ok(()) => deleted += receipts.len(),
                Err(error) => tracing::warn!(%error, source = %self.mapping.source, "messages are not deleted"),
            }
        }
        deleted
    }
}
