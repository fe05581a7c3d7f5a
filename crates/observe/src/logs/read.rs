//! Reading events: one stream in either direction, or many merged by time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use store::{Key, Scan, Snapshot};

use super::ingest::EVENT_OVERHEAD_BYTES;
use super::records::{EVENTS, Events, Position, event_key};

/// Most bytes of one answer, messages with AWS's overhead for each: AWS gives at most 1 MB.
pub(super) const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// A log event; its time is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) ingestion_ms: i64,
    pub(super) message: String,
}

/// An event with its place.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) stream: String,
    pub(super) at: Position,
    pub(super) event: Event,
}

/// A half-open range of time within a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: Position,
    pub(super) until: Position,
}

impl Span {
    /// From `start_ms` (or the horizon, if later) to before `end_ms`.
    pub(super) fn new(start_ms: Option<i64>, end_ms: Option<i64>, horizon_ms: i64) -> Span {
        Span {
            from: Position::start_of(start_ms.unwrap_or(i64::MIN).max(horizon_ms)),
            until: Position::start_of(end_ms.unwrap_or(i64::MAX)),
        }
    }

    fn contains(self, at: Position) -> bool {
        self.from <= at && at < self.until
    }
}

/// How much to read of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    pub(super) events_max: usize,
    /// Messages with AWS's overhead; at least one event is read, whatever its size.
    pub(super) bytes_max: usize,
}

/// Records read from the store at a time: they may have 256 KB each, and are not to be held beyond the portion.
const STEP_RECORDS: usize = 32;

/// A portion of a stream, the first events of the span or (in reverse) the last ones; always in order of time.
pub(super) async fn stream(
    snapshot: &Snapshot,
    group_id: &str,
    name: &str,
    span: Span,
    portion: Portion,
    reverse: bool,
) -> store::Result<Vec<Found>> {
    let mut from = first_key(snapshot, group_id, name, span.from).await?;
    let mut until = event_key(group_id, name, span.until);
    let (mut found, mut bytes) = (Vec::new(), 0);
    'steps: while found.len() < portion.events_max && from < until {
        let step = (portion.events_max - found.len()).min(STEP_RECORDS);
        let scan = Scan::under((group_id, name)).from(from.clone()).until(until.clone()).limit(step);
        let page = snapshot.scan(EVENTS, if reverse { scan.reverse() } else { scan }).await?;
        let last_page = page.len() < step;
        match page.last() {
            Some((last, _)) if reverse => until = last.clone(),
            Some((last, _)) => from = event_key(group_id, name, Position::of(last).next()),
            None => {}
        }
        let events = page.into_iter().flat_map(|(key, events)| unfold(&key, events, name, reverse));
        for event in events.filter(|event| span.contains(event.at)) {
            bytes += event.event.message.len() + EVENT_OVERHEAD_BYTES;
            if found.len() == portion.events_max || bytes > portion.bytes_max && !found.is_empty() {
                break 'steps;
            }
            found.push(event);
        }
        if last_page {
            break;
        }
    }
    Ok(in_order(found, reverse))
}

/// The key to begin at: that of the record which the place lies in, or the place's own. Such a record may begin before
/// the place, but within the same millisecond.
async fn first_key(snapshot: &Snapshot, group_id: &str, name: &str, at: Position) -> store::Result<Key> {
    let key = |at| event_key(group_id, name, at);
    if at.number == 0 {
        return Ok(key(at));
    }
    let before = Scan::under((group_id, name)).from(key(Position::start_of(at.time_ms))).until(key(at.next()));
    let holding = snapshot.scan(EVENTS, before.reverse().limit(1)).await?.pop();
    Ok(holding.map_or_else(|| key(at), |(key, _)| key))
}

/// The events of a record, in the order of reading.
fn unfold(key: &Key, events: Events, stream: &str, reverse: bool) -> Vec<Found> {
    let Events { ingestion_ms, messages } = events;
    let first = Position::of(key);
    let places = (first.number..).map(|number| Position { number, ..first });
    let found = places.zip(messages).map(|(at, message)| {
        let event = Event { ingestion_ms, message };
        Found { stream: stream.to_owned(), at, event }
    });
    in_order(found.collect(), reverse)
}

/// Turns round what was read, or is to be read, backwards.
fn in_order(mut found: Vec<Found>, reverse: bool) -> Vec<Found> {
    if reverse {
        found.reverse();
    }
    found
}

/// Many streams of a group as one sequence ordered by time, stream and number.
pub(super) struct Merge<'a> {
    snapshot: &'a Snapshot,
    group_id: &'a str,
    span: Span,
    cursors: Vec<Cursor>,
    /// The first event of each stream that has one left, and its cursor.
    heads: BinaryHeap<Reverse<(i64, String, u64, usize)>>,
    begun: bool,
}

struct Cursor {
    stream: String,
    page: VecDeque<Found>,
    next: Option<Position>,
}

/// What is read ahead of each stream.
const AHEAD: Portion = Portion { events_max: 1_024, bytes_max: 64 * 1024 };

/// Streams begun before others get their turn: reads of the embedded store never wait by themselves.
const STREAMS_PER_TURN: usize = 64;

impl<'a> Merge<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, group_id: &'a str, span: Span, streams: Vec<String>) -> Merge<'a> {
        let cursor = |stream| Cursor { stream, page: VecDeque::new(), next: Some(span.from) };
        let cursors = streams.into_iter().map(cursor).collect();
        Merge { snapshot, group_id, span, cursors, heads: BinaryHeap::new(), begun: false }
    }

    /// The next event of all streams.
    pub(super) async fn next(&mut self) -> store::Result<Option<Found>> {
        if !self.begun {
            self.begun = true;
            for at in 0..self.cursors.len() {
                self.advance(at).await?;
                if at % STREAMS_PER_TURN == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
        let Some(Reverse((_, _, _, at))) = self.heads.pop() else { return Ok(None) };
        let found = self.cursors[at].page.pop_front();
        self.advance(at).await?;
        Ok(found)
    }

    /// Puts a stream's first event among the heads, reading on if need be.
    async fn advance(&mut self, at: usize) -> store::Result<()> {
        let cursor = &mut self.cursors[at];
        if let Some(from) = cursor.next.filter(|_| cursor.page.is_empty()) {
            let span = Span { from, until: self.span.until };
            let page = stream(self.snapshot, self.group_id, &cursor.stream, span, AHEAD, false).await?;
            cursor.next = page.last().map(|last| last.at.next());
            cursor.page = page.into();
        }
        if let Some(head) = cursor.page.front() {
            self.heads.push(Reverse((head.at.time_ms, cursor.stream.clone(), head.at.number, at)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::ingest::put_events;
    use crate::logs::records::{Group, Stream};

    /// Seven events of three milliseconds, in two batches: records of 2, 1, 3 and 1 events.
    async fn stored() -> Snapshot {
        let store = store::Store::in_memory(store::system_clock());
        let group =
            Group { id: "g".into(), created_ms: 0, retention_days: None, tags: Default::default(), class: None };
        for times in [&[1, 1, 2][..], &[2, 2, 2, 3]] {
            let group = group.clone();
            let put = store.transact(move |tx| {
                let stream = tx.get(crate::logs::records::STREAMS, &crate::logs::records::stream_key("g", "s"))?;
                let events = times.iter().map(|time| (*time, time.to_string()));
                put_events(tx, &group, "s", stream.unwrap_or(Stream::default()), events, 9)
            });
            put.await.unwrap();
        }
        store.snapshot().unwrap()
    }

    async fn numbers(from: (i64, u64), until: (i64, u64), limit: usize, reverse: bool) -> Vec<u64> {
        let at = |(time_ms, number)| Position { time_ms, number };
        let span = Span { from: at(from), until: at(until) };
        let portion = Portion { events_max: limit, bytes_max: ANSWER_BYTES_MAX };
        let found = stream(&stored().await, "g", "s", span, portion, reverse).await.unwrap();
        assert!(found.iter().all(|f| f.event.ingestion_ms == 9 && f.event.message == f.at.time_ms.to_string()));
        found.iter().map(|f| f.at.number).collect()
    }

    #[tokio::test]
    async fn records_of_many_events_are_read_event_by_event() {
        let (first, end) = ((i64::MIN, 0), (i64::MAX, 0));
        assert_eq!(numbers(first, end, 100, false).await, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(numbers(first, end, 100, true).await, [0, 1, 2, 3, 4, 5, 6]);
        for limit in 1..7 {
            let all = [0, 1, 2, 3, 4, 5, 6];
            assert_eq!(numbers(first, end, limit, false).await, all[..limit], "first {limit}");
            assert_eq!(numbers(first, end, limit, true).await, all[7 - limit..], "last {limit}");
        }
    }

    #[tokio::test]
    async fn a_span_may_begin_and_end_within_a_record() {
        for reverse in [false, true] {
            assert_eq!(numbers((2, 4), (i64::MAX, 0), 100, reverse).await, [4, 5, 6]);
            assert_eq!(numbers((1, 1), (2, 5), 100, reverse).await, [1, 2, 3, 4]);
            assert_eq!(numbers((2, 0), (3, 0), 100, reverse).await, [2, 3, 4, 5]);
            assert!(numbers((2, 6), (3, 0), 100, reverse).await.is_empty());
            assert!(numbers((3, 0), (2, 0), 100, reverse).await.is_empty());
        }
    }
}
