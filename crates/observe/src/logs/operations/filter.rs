//! Events of many streams: FilterLogEvents, which `aws logs tail` and `filter-log-events` call.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::{Scan, Snapshot};

use super::{GroupIdentifier, GroupName, StreamName, place, token};
use crate::logs::pattern::Pattern;
use crate::logs::read::{ANSWER_BYTES_MAX, Found, Merge, Span};
use crate::logs::records::{Group, Position, STREAMS, stream_key};
use crate::logs::retention::horizon_ms;
use crate::logs::{Logs, groups, invalid, store_failed};

/// Events of one answer, unless fewer are asked for.
const EVENTS_MAX: usize = 10_000;

/// Events looked at for one answer; then a token says where to go on, as AWS does when a search takes long.
const SCANNED_MAX: usize = 100_000;

/// Events matched before others get their turn: reads of the embedded store never wait by themselves.
const EVENTS_PER_TURN: usize = 128;

/// Searches a group's streams; events come in order of time over all streams.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct FilterLogEvents {
    /// The group's name.
    pub log_group_name: Option<GroupName>,
    /// The group's name or ARN.
    pub log_group_identifier: Option<GroupIdentifier>,
    /// Only these streams.
    #[shape(length(1..=100))]
    pub log_stream_names: Option<Vec<StreamName>>,
    /// Only streams whose names begin with this.
    pub log_stream_name_prefix: Option<StreamName>,
    /// From this time on, in milliseconds.
    #[shape(range(0..))]
    pub start_time: Option<i64>,
    /// Up to this time.
    #[shape(range(0..))]
    pub end_time: Option<i64>,
    /// What events must match; see [`crate::logs::pattern`].
    #[shape(length(0..=1024))]
    pub filter_pattern: Option<String>,
    /// Continues an earlier search.
    #[shape(length(1..))]
    pub next_token: Option<String>,
    /// At most so many.
    #[shape(range(1..=10000))]
    pub limit: Option<i32>,
    /// Taken and not looked at, as by AWS since 2019: always interleaved.
    pub interleaved: Option<bool>,
    /// Shows masked data; nothing is masked here.
    pub unmask: Option<bool>,
}

/// A page of a search.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct FilterLogEventsResponse {
    /// In order of time.
    pub events: Vec<FilteredLogEvent>,
    /// Empty, as AWS's has been since 2019.
    pub searched_log_streams: Vec<SearchedLogStream>,
    /// There is more to search.
    pub next_token: Option<String>,
}

/// A stream that was searched.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct SearchedLogStream {
    /// Its name.
    pub log_stream_name: Option<String>,
    /// Whether all of it was.
    pub searched_completely: Option<bool>,
}

/// An event that matched. All times in milliseconds.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct FilteredLogEvent {
    /// Its stream.
    pub log_stream_name: String,
    /// Its time.
    pub timestamp: i64,
    /// Its text.
    pub message: String,
    /// When it arrived.
    pub ingestion_time: i64,
    /// Its id, 56 digits, unique within the group; `aws logs tail` tells events apart by it.
    pub event_id: String,
}

impl Operation<Logs> for FilterLogEvents {
    const META: Meta = Meta::read("FilterLogEvents");
    type Output = FilterLogEventsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        let name = self.log_group_name.as_ref().map(|n| n.0.as_str());
        need.on(groups::arn(cx, name.unwrap_or("*")));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<FilterLogEventsResponse, Error> {
        if self.log_stream_names.is_some() && self.log_stream_name_prefix.is_some() {
            let message = "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.";
            return Err(invalid(message));
        }
        let pattern = Pattern::parse(self.filter_pattern.as_deref().unwrap_or_default()).map_err(invalid)?;
        let from = self.next_token.as_deref().map(Place::parse).transpose()?;
        logs.flush().await;
        let given = self.log_group_name.as_ref().map(|n| n.0.clone());
        let name = groups::name_of(given, self.log_group_identifier.as_ref().map(|i| i.0.clone()))?;
        let group = logs.group(cx, &name).await?;
        // "Events with a timestamp later than this time are not returned": inclusive, unlike GetLogEvents'.
        let last_ms = self.end_time.map(|time| time.saturating_add(1));
        let mut span = Span::new(self.start_time, last_ms, horizon_ms(&group, cx.now().millis()));
        if let Some(from) = &from {
            span.from = span.from.max(Position::start_of(from.at.time_ms));
        }
        let snapshot = logs.store.snapshot().map_err(store_failed)?;
        let streams = self.streams(&snapshot, &group, span).await?;
        let merge = Merge::new(&snapshot, &group.id, span, streams);
        let limit = self.limit.map_or(EVENTS_MAX, |l| l as usize);
        search(merge, &pattern, from, limit).await.map_err(store_failed)
    }
}

impl FilterLogEvents {
    /// The streams to search: those asked for that have events within the span.
    async fn streams(&self, snapshot: &Snapshot, group: &Group, span: Span) -> Result<Vec<String>, Error> {
        if let Some(names) = &self.log_stream_names {
            for name in names {
                let found = snapshot.get(STREAMS, &stream_key(&group.id, &name.0)).await.map_err(store_failed)?;
                found.ok_or_else(groups::no_stream)?;
            }
            return Ok(names.iter().map(|n| n.0.clone()).collect());
        }
        let prefix = self.log_stream_name_prefix.as_ref().map_or("", |p| p.0.as_str());
        let scan = Scan::starting_with(group.id.as_str(), prefix);
        let all = snapshot.scan(STREAMS, scan).await.map_err(store_failed)?;
        let within = all.into_iter().filter(|(_, stream)| {
            stream.last_event_ms.is_some_and(|last| last >= span.from.time_ms)
                && stream.first_event_ms.is_some_and(|first| first < span.until.time_ms)
        });
        Ok(within.filter_map(|(key, _)| key.parts().map(|(_, name): (String, String)| name)).collect())
    }
}

async fn search(
    mut merge: Merge<'_>,
    pattern: &Pattern,
    mut from: Option<Place>,
    limit: usize,
) -> store::Result<FilterLogEventsResponse> {
    let (mut events, mut bytes, mut scanned) = (Vec::new(), 0, 0);
    let mut next_token = None;
    while let Some(found) = merge.next().await? {
        let here = Place { at: found.at, stream: found.stream.clone() };
        if from.as_ref().is_some_and(|from| here < *from) {
            continue;
        }
        from = None;
        if events.len() == limit || bytes > ANSWER_BYTES_MAX || scanned == SCANNED_MAX {
            next_token = Some(here.token());
            break;
        }
        scanned += 1;
        if scanned % EVENTS_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
        if pattern.matches(&found.event.message) {
            bytes += found.event.message.len();
            events.push(show(found));
        }
    }
    Ok(FilterLogEventsResponse { events, searched_log_streams: Vec::new(), next_token })
}

fn show(found: Found) -> FilteredLogEvent {
    FilteredLogEvent {
        event_id: event_id(&found),
        log_stream_name: found.stream,
        timestamp: found.at.time_ms,
        message: found.event.message,
        ingestion_time: found.event.ingestion_ms,
    }
}

/// Twenty digits of time, sixteen of the stream's name, twenty of the number within the stream.
fn event_id(found: &Found) -> String {
    // FNV-1a: only to tell streams apart.
    let hash =
        found.stream.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{:020}{:016}{:020}", found.at.time_ms.max(0), hash % 10_000_000_000_000_000, found.at.number)
}

/// Where a search goes on. Ordered as [`Merge`] orders events.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    at: Position,
    stream: String,
}

impl Place {
    fn parse(text: &str) -> Result<Place, Error> {
        let inner = place(text)?;
        let mut parts = inner.splitn(3, '/');
        let wrong = || invalid("The specified nextToken is invalid.");
        let mut next = || parts.next().ok_or_else(wrong);
        let (time, number, stream) = (next()?, next()?, next()?);
        let time_ms = time.parse().map_err(|_| wrong())?;
        let number = number.parse().map_err(|_| wrong())?;
        Ok(Place { at: Position { time_ms, number }, stream: stream.to_owned() })
    }

    fn token(&self) -> String {
        token(&format!("{}/{}/{}", self.at.time_ms, self.at.number, self.stream))
    }

    fn order(&self) -> (i64, &str, u64) {
        (self.at.time_ms, &self.stream, self.at.number)
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Place) -> Option<std::cmp::Ordering> {
        Some(self.order().cmp(&other.order()))
    }
}
