//! Reading events: one stream in either direction, or many merged by time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use store::{Scan, Snapshot};

use super::records::{EVENTS, Event, Position, event_key};

/// Most bytes of one answer, messages with AWS's overhead for each: AWS gives at most 1 MB.
pub(super) const ANSWER_BYTES_MAX: usize = 1024 * 1024;

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
}

/// How much to read of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    pub(super) events_max: usize,
    /// Messages with AWS's overhead; at least one event is read, whatever its size.
    pub(super) bytes_max: usize,
}

/// Events read from the store at a time: they may have 256 KB each, and are not to be held beyond the portion.
const STEP_EVENTS: usize = 32;

/// A portion of a stream, the first events of the span or (in reverse) the last ones; always in order of time.
pub(super) async fn stream(
    snapshot: &Snapshot,
    group_id: &str,
    name: &str,
    span: Span,
    portion: Portion,
    reverse: bool,
) -> store::Result<Vec<Found>> {
    let (mut from, mut until) = (event_key(group_id, name, span.from), event_key(group_id, name, span.until));
    let (mut found, mut bytes) = (Vec::new(), 0);
    'steps: while found.len() < portion.events_max && from < until {
        let step = (portion.events_max - found.len()).min(STEP_EVENTS);
        let scan = Scan::under((group_id, name)).from(from.clone()).until(until.clone()).limit(step);
        let page = snapshot.scan(EVENTS, if reverse { scan.reverse() } else { scan }).await?;
        let last_page = page.len() < step;
        for (key, event) in page {
            let at = Position::of(&key);
            bytes += event.message.len() + super::ingest::EVENT_OVERHEAD_BYTES;
            if bytes > portion.bytes_max && !found.is_empty() {
                break 'steps;
            }
            match reverse {
                true => until = key,
                false => from = event_key(group_id, name, at.next()),
            }
            found.push(Found { stream: name.to_owned(), at, event });
        }
        if last_page {
            break;
        }
    }
    if reverse {
        found.reverse();
    }
    Ok(found)
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
const AHEAD: Portion = Portion { events_max: STEP_EVENTS, bytes_max: 64 * 1024 };

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
