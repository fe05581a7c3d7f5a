//! Reading events: one stream in either direction, or many merged by time.

use std::collections::VecDeque;

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

/// Up to `limit` events of a stream, the first ones of the span or (in reverse) the last ones; always in order of time.
pub(super) async fn stream(
    snapshot: &Snapshot,
    group_id: &str,
    name: &str,
    span: Span,
    limit: usize,
    reverse: bool,
) -> store::Result<Vec<Found>> {
    let (from, until) = (event_key(group_id, name, span.from), event_key(group_id, name, span.until));
    if from >= until {
        return Ok(Vec::new());
    }
    let scan = Scan::under((group_id, name)).from(from).until(until).limit(limit);
    let scan = if reverse { scan.reverse() } else { scan };
    let found = snapshot.scan(EVENTS, scan).await?;
    let found = found.into_iter().map(|(key, event)| Found { stream: name.to_owned(), at: Position::of(&key), event });
    let mut within = within_bytes(found);
    if reverse {
        within.reverse();
    }
    Ok(within)
}

fn within_bytes(found: impl Iterator<Item = Found>) -> Vec<Found> {
    let mut bytes = 0;
    let fits = |found: &Found| {
        bytes += found.event.message.len() + super::ingest::EVENT_OVERHEAD_BYTES;
        bytes <= ANSWER_BYTES_MAX
    };
    found.take_while(fits).collect()
}

/// Many streams of a group as one sequence ordered by time, stream and number.
pub(super) struct Merge<'a> {
    snapshot: &'a Snapshot,
    group_id: &'a str,
    span: Span,
    cursors: Vec<Cursor>,
}

struct Cursor {
    stream: String,
    page: VecDeque<Found>,
    next: Option<Position>,
}

/// Events read ahead of each stream.
const PAGE_EVENTS: usize = 256;

impl<'a> Merge<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, group_id: &'a str, span: Span, streams: Vec<String>) -> Merge<'a> {
        let cursor = |stream| Cursor { stream, page: VecDeque::new(), next: Some(span.from) };
        Merge { snapshot, group_id, span, cursors: streams.into_iter().map(cursor).collect() }
    }

    /// The next event of all streams.
    pub(super) async fn next(&mut self) -> store::Result<Option<Found>> {
        for at in 0..self.cursors.len() {
            self.fill(at).await?;
        }
        let heads = self.cursors.iter().enumerate().filter_map(|(at, c)| Some((c.page.front()?, at)));
        let first = heads.min_by(|(a, _), (b, _)| (a.at.time_ms, &a.stream, a.at).cmp(&(b.at.time_ms, &b.stream, b.at)));
        let Some((_, at)) = first else { return Ok(None) };
        Ok(self.cursors[at].page.pop_front())
    }

    async fn fill(&mut self, at: usize) -> store::Result<()> {
        let cursor = &mut self.cursors[at];
        let Some(from) = cursor.next.filter(|_| cursor.page.is_empty()) else { return Ok(()) };
        let span = Span { from, until: self.span.until };
        let page = stream(self.snapshot, self.group_id, &cursor.stream, span, PAGE_EVENTS, false).await?;
        let after = |last: &Found| Position { number: last.at.number + 1, ..last.at };
        cursor.next = page.last().map(after);
        cursor.page = page.into();
        Ok(())
    }
}
