//! Reading one shard: rounds of records are gathered, filtered, shared out into lanes by their partition keys, cut into
//! batches and run; then the shard's place moves on. With tumbling windows there is one lane, and batches do not cross
//! windows.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use base::Timestamp;
use cloud::ports::{Position, StreamRecord};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::batch::{Runner, window_start};
use super::event::{self, Window};
use super::stream::{CHECKPOINTS, Checkpoint, OpenWindow, StreamPoller, checkpoint_key};
use super::{Count, Invoked, PAYLOAD_BYTES_MAX, backoff};

/// How often a shard without new records is looked at, as on AWS.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// Records of one read: Kinesis's limit.
const RECORDS_AT_A_TIME: usize = 10_000;
/// The largest state of a window, in bytes: AWS's 1 MB. A larger one ends its window.
const STATE_BYTES_MAX: usize = 1024 * 1024;

/// A shard that is read.
pub(super) struct ShardReader {
    poller: StreamPoller,
    runner: Runner,
    shard: String,
    place: Checkpoint,
    iterator: Option<String>,
}

/// Records that are dealt with together.
struct Round {
    /// Those that passed the filters.
    records: Vec<StreamRecord>,
    /// The last that was read, passed or not.
    last: Option<String>,
    /// The shard is closed and this was its end.
    ended: bool,
}

impl ShardReader {
    pub(super) fn new(poller: StreamPoller, shard: &str, place: Checkpoint) -> ShardReader {
        let runner = Runner {
            mapping: poller.mapping.clone(),
            consumer: poller.consumer.clone(),
            clock: poller.clock.clone(),
            shard: shard.into(),
        };
        ShardReader { poller, runner, shard: shard.to_owned(), place, iterator: None }
    }

    /// Reads until the shard is closed and at its end.
    pub(super) async fn read(mut self) {
        loop {
            let round = self.gather().await;
            if self.poller.mapping.settings.tumbling_window_secs > 0 {
                self.run_windows(round.records).await;
                self.end_window(round.ended).await;
            } else {
                self.run_lanes(round.records).await;
            }
            if let Some(last) = round.last {
                self.place.position = Position::After(last);
            }
            self.place.finished = round.ended;
            self.keep_place().await;
            if round.ended {
                return;
            }
        }
    }

    /// Gathers a round: as many records as all lanes take at once, or what comes before the batching window ends. It may
    /// be empty: when something was read that nobody wants, or an open window is over.
    async fn gather(&mut self) -> Round {
        let settings = &self.poller.mapping.settings;
        let most = settings.batch_size as usize * settings.parallelization_factor as usize;
        let window = Duration::from_secs(settings.batching_window_secs.into());
        let mut round = Round { records: Vec::new(), last: None, ended: false };
        let (mut end, mut failures) = (None, 0);
        loop {
            match self.page((most - round.records.len()).min(RECORDS_AT_A_TIME)).await {
                Ok((records, next)) => {
                    failures = 0;
                    let read = records.len();
                    round.last = records.last().map(|record| record.sequence_number.clone()).or(round.last);
                    round.records.extend(self.filter(records));
                    round.ended = next.is_none();
                    self.iterator = next;
                    if !round.records.is_empty() {
                        end = end.or_else(|| Some(Instant::now() + window));
                    }
                    let is_over = end.is_some_and(|end| Instant::now() >= end);
                    if round.ended || round.records.len() >= most || is_over {
                        return round;
                    }
                    let nothing_wanted = round.records.is_empty() && round.last.is_some();
                    if nothing_wanted || read == 0 && self.window_is_over() {
                        return round;
                    }
                    let left = end.map_or(POLL_EVERY, |end| end.saturating_duration_since(Instant::now()));
                    if read == 0 {
                        tokio::time::sleep(left.min(POLL_EVERY)).await;
                    }
                }
                Err(why) => {
                    tracing::warn!(why, source = %self.poller.mapping.source, "a shard cannot be read");
                    self.iterator = None;
                    // What has been gathered would be read again from the place that is kept.
                    round = Round { records: Vec::new(), last: None, ended: false };
                    end = None;
                    tokio::time::sleep(backoff(failures)).await;
                    failures += 1;
                }
            }
        }
    }

    async fn page(&self, records_max: usize) -> Result<(Vec<StreamRecord>, Option<String>), String> {
        let (stream, source) = (&self.poller.stream, &self.poller.mapping.source);
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => stream.iterator(source, &self.shard, &self.place.position).await.map_err(|e| e.to_string())?,
        };
        let page = stream.records(source, &iterator, records_max).await.map_err(|e| e.to_string())?;
        Ok((page.records, page.next))
    }

    fn filter(&self, records: Vec<StreamRecord>) -> Vec<StreamRecord> {
        let (mapping, consumer) = (&self.poller.mapping, &self.poller.consumer);
        let read = records.len();
        let passes =
            |record: &StreamRecord| mapping.filters.pass(&|| event::record_for_filters(mapping, &self.shard, record));
        let wanted: Vec<StreamRecord> = records.into_iter().filter(passes).collect();
        if read > 0 {
            consumer.count(Count::Polled, read as f64);
            consumer.count(Count::FilteredOut, (read - wanted.len()) as f64);
        }
        wanted
    }

    /// Runs records in as many lanes as are set, those of a partition key in order.
    async fn run_lanes(&self, records: Vec<StreamRecord>) {
        let settings = &self.poller.mapping.settings;
        let lane_count = settings.parallelization_factor.max(1) as usize;
        let mut lanes: Vec<Vec<StreamRecord>> = vec![Vec::new(); lane_count];
        for record in records {
            lanes[lane_of(&record.partition_key, lane_count)].push(record);
        }
        let mut running = JoinSet::new();
        for lane in lanes.into_iter().filter(|lane| !lane.is_empty()) {
            let batches = self.cut(lane);
            let runner = self.runner.clone();
            running.spawn(async move {
                for batch in batches {
                    runner.run(batch, None).await;
                }
            });
        }
        while running.join_next().await.is_some() {}
    }

    /// Cuts records into batches that are neither too long nor too large.
    fn cut(&self, records: Vec<StreamRecord>) -> Vec<Vec<StreamRecord>> {
        let most = self.poller.mapping.settings.batch_size as usize;
        let mut batches: Vec<Vec<StreamRecord>> = Vec::new();
        let mut bytes = 0;
        for record in records {
            let size = event::record(&self.poller.mapping, &self.shard, &record).to_string().len() + 1;
            match batches.last_mut().filter(|batch| batch.len() < most && bytes + size <= PAYLOAD_BYTES_MAX) {
                Some(batch) => {
                    bytes += size;
                    batch.push(record);
                }
                None => {
                    bytes = size;
                    batches.push(vec![record]);
                }
            }
        }
        batches
    }

    /// Runs records window by window; the last window stays open.
    async fn run_windows(&mut self, records: Vec<StreamRecord>) {
        let length = self.poller.mapping.settings.tumbling_window_secs;
        let mut rest = records;
        while let Some(first) = rest.first() {
            let start = window_start(first.arrived, length);
            let same = rest.iter().take_while(|record| window_start(record.arrived, length) == start).count();
            let later = rest.split_off(same);
            if self.place.window.as_ref().is_some_and(|open| open.start != start) {
                self.close_window(false).await;
            }
            for batch in self.cut(rest) {
                let last = batch.last().map(|record| record.sequence_number.clone());
                let open = self.place.window.get_or_insert_with(|| OpenWindow { start, state: json!({}) }).clone();
                let answer = self.run_in_window(batch, &open, false, false).await;
                let state = answer.and_then(|answer| state_of(&answer)).unwrap_or(open.state);
                let is_too_large = state.to_string().len() > STATE_BYTES_MAX;
                self.place.window = Some(OpenWindow { start, state });
                if is_too_large {
                    self.close_window(true).await;
                }
                // Each batch has changed the state, so none may be repeated for the sake of a later one.
                self.place.position = last.map_or_else(|| self.place.position.clone(), Position::After);
                self.keep_place().await;
            }
            rest = later;
        }
    }

    fn window_is_over(&self) -> bool {
        let length_ms = i64::from(self.poller.mapping.settings.tumbling_window_secs) * 1000;
        let now = self.poller.clock.now();
        self.place.window.as_ref().is_some_and(|open| now >= open.start.plus_millis(length_ms))
    }

    /// Closes the open window if its time is over, or if the shard ends.
    async fn end_window(&mut self, shard_ended: bool) {
        if self.place.window.is_some() && (shard_ended || self.window_is_over()) {
            self.close_window(false).await;
        }
    }

    /// Tells the function that a window is complete.
    async fn close_window(&mut self, is_early: bool) {
        if let Some(open) = self.place.window.take() {
            self.run_in_window(Vec::new(), &open, true, is_early).await;
        }
    }

    async fn run_in_window(
        &self,
        records: Vec<StreamRecord>,
        open: &OpenWindow,
        is_final: bool,
        is_early: bool,
    ) -> Option<Invoked> {
        let length_ms = i64::from(self.poller.mapping.settings.tumbling_window_secs) * 1000;
        let end: Timestamp = open.start.plus_millis(length_ms);
        let (start, state, shard) = (open.start, &open.state, self.shard.as_str());
        self.runner.run(records, Some(&Window { start, end, state, shard, is_final, is_early })).await
    }

    /// Writes down how far the shard has been read; a batch that is not noted would run again, so this is not given up.
    async fn keep_place(&self) {
        for failures in 0.. {
            let (key, place) = (checkpoint_key(&self.poller.mapping.id, &self.shard), self.place.clone());
            match self.poller.store.transact(move |tx| tx.put(CHECKPOINTS, &key, &place)).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(%error, mapping = self.poller.mapping.id, "a shard's place is not written");
                    tokio::time::sleep(backoff(failures)).await;
                }
            }
        }
    }
}

/// The same lane for the same key.
fn lane_of(partition_key: &str, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    partition_key.hash(&mut hasher);
    (hasher.finish() % lanes as u64) as usize
}

/// The state in a function's answer.
fn state_of(answer: &Invoked) -> Option<Value> {
    let mut answer: Value = serde_json::from_slice(&answer.payload).ok()?;
    answer.get_mut("state").map(Value::take).filter(Value::is_object)
}
