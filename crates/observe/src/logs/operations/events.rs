//! Events of one stream: put and get.

use std::sync::Arc;

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use super::{GroupIdentifier, GroupName, StreamName};
use crate::logs::ingest::{EVENT_OVERHEAD_BYTES, put_events};
use crate::logs::read::{self, ANSWER_BYTES_MAX, Found, Portion, Span};
use crate::logs::records::{GROUPS, Group, Position, STREAMS, Stream, group_key, stream_key};
use crate::logs::retention::horizon_ms;
use crate::logs::{Logs, groups, invalid, store_failed};
use crate::metrics::embedded;

/// Largest batch in bytes, each event with 26 bytes of overhead.
const BATCH_BYTES_MAX: usize = 1_048_576;
/// Greatest span of one batch.
const BATCH_SPAN_MS: i64 = 24 * 3_600_000;
/// Events further ahead are rejected.
const FUTURE_MAX_MS: i64 = 2 * 3_600_000;
/// Events older are rejected.
const PAST_MAX_MS: i64 = 14 * 24 * 3_600_000;
/// Events of one answer, unless fewer are asked for.
const EVENTS_MAX: usize = 10_000;

/// Writes a batch of events.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct PutLogEvents {
    /// The group.
    pub log_group_name: GroupName,
    /// The stream.
    pub log_stream_name: StreamName,
    /// The events in order of time.
    #[shape(length(1..=10000))]
    pub log_events: Vec<InputLogEvent>,
    /// Taken and not looked at, as by AWS since 2023.
    #[shape(length(1..))]
    pub sequence_token: Option<String>,
}

/// An event to write.
#[derive(Shape, Clone)]
#[shape(rename_all = "camelCase")]
pub struct InputLogEvent {
    /// Its time in milliseconds.
    #[shape(range(0..))]
    pub timestamp: i64,
    /// Its text.
    #[shape(length(1..))]
    pub message: String,
}

/// What became of a batch.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct PutLogEventsResponse {
    /// No longer of use; AWS still sends one.
    pub next_sequence_token: Option<String>,
    /// Which events were not taken.
    pub rejected_log_events_info: Option<RejectedLogEventsInfo>,
}

/// Ranges of a batch that were not taken.
#[derive(Shape, Clone, Debug, Default, PartialEq, Eq)]
#[shape(rename_all = "camelCase")]
pub struct RejectedLogEventsInfo {
    /// From this one on, more than two hours in the future.
    pub too_new_log_event_start_index: Option<i32>,
    /// Before this one, more than 14 days old.
    pub too_old_log_event_end_index: Option<i32>,
    /// Before this one, older than the group's retention.
    pub expired_log_event_end_index: Option<i32>,
}

impl Operation<Logs> for PutLogEvents {
    const META: Meta = Meta::write("PutLogEvents");
    type Output = PutLogEventsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(cx.arn("logs", format!("log-group:{}:log-stream:{}", self.log_group_name.0, self.log_stream_name.0)));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<PutLogEventsResponse, Error> {
        check_batch(&self.log_events)?;
        logs.flush().await;
        let (name, now_ms) = (self.log_stream_name.0, cx.now().millis());
        let key = group_key(cx.account, &cx.region, &self.log_group_name.0);
        let events = Arc::new(self.log_events);
        let written = events.clone();
        let work = move |tx: &mut store::Tx<'_>| {
            let Some(group) = tx.get(GROUPS, &key)? else { return Ok(Err(groups::no_group())) };
            let Some(stream) = tx.get(STREAMS, &stream_key(&group.id, &name))? else {
                return Ok(Err(groups::no_stream()));
            };
            let (taken, rejected) = sort_out(&written, &group, now_ms);
            let token =
                sequence_token(&Stream { next_number: stream.next_number + taken.len() as u64, ..stream.clone() });
            let events = taken.iter().map(|e| (e.timestamp, e.message.clone()));
            put_events(tx, &group, &name, stream, events, now_ms)?;
            Ok(Ok(PutLogEventsResponse { next_sequence_token: Some(token), rejected_log_events_info: rejected }))
        };
        let answer = logs.store.transact(work).await.map_err(store_failed)??;
        let messages = events.iter().map(|event| event.message.as_bytes());
        embedded::record(&logs.store, (cx.account, &cx.region), cx.now(), messages).await;
        Ok(answer)
    }
}

fn check_batch(events: &[InputLogEvent]) -> Result<(), Error> {
    let bytes: usize = events.iter().map(|e| e.message.len() + EVENT_OVERHEAD_BYTES).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(invalid(format!("Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}")));
    }
    if !events.is_sorted_by_key(|e| e.timestamp) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    let span = events.last().map_or(0, |e| e.timestamp) - events.first().map_or(0, |e| e.timestamp);
    if span > BATCH_SPAN_MS {
        let message = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
        return Err(invalid(message));
    }
    Ok(())
}

/// The events that are neither too old nor too new, and where the others lie.
fn sort_out<'a>(
    events: &'a [InputLogEvent],
    group: &Group,
    now_ms: i64,
) -> (&'a [InputLogEvent], Option<RejectedLogEventsInfo>) {
    let before = |limit_ms: i64| events.partition_point(|e| e.timestamp < limit_ms);
    let (old, expired) = (before(now_ms - PAST_MAX_MS), before(horizon_ms(group, now_ms)));
    let new = before(now_ms + FUTURE_MAX_MS + 1);
    let some = |index: usize, limit: usize| (index != limit).then_some(index as i32);
    let rejected = RejectedLogEventsInfo {
        too_new_log_event_start_index: some(new, events.len()),
        too_old_log_event_end_index: some(old, 0),
        expired_log_event_end_index: some(expired, 0),
    };
    let start = old.max(expired).min(new);
    (&events[start..new], (rejected != RejectedLogEventsInfo::default()).then_some(rejected))
}

/// Fifty-six digits, as AWS's are.
pub(super) fn sequence_token(stream: &Stream) -> String {
    format!("{:056}", stream.next_number + 1)
}

/// Reads one stream's events in either direction.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetLogEvents {
    /// The group's name.
    pub log_group_name: Option<GroupName>,
    /// The group's name or ARN.
    pub log_group_identifier: Option<GroupIdentifier>,
    /// The stream.
    pub log_stream_name: StreamName,
    /// From this time on, in milliseconds.
    #[shape(range(0..))]
    pub start_time: Option<i64>,
    /// Before this time.
    #[shape(range(0..))]
    pub end_time: Option<i64>,
    /// Continues from an earlier page, in the token's direction.
    #[shape(length(1..))]
    pub next_token: Option<String>,
    /// At most so many.
    #[shape(range(1..=10000))]
    pub limit: Option<i32>,
    /// The first page holds the earliest events rather than the latest.
    pub start_from_head: Option<bool>,
    /// Shows masked data; nothing is masked here.
    pub unmask: Option<bool>,
}

/// A page of events.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetLogEventsResponse {
    /// In order of time.
    pub events: Vec<OutputLogEvent>,
    /// Goes on after this page; the same as was sent when nothing follows.
    pub next_forward_token: String,
    /// Goes back before this page.
    pub next_backward_token: String,
}

/// An event as callers see it. All times in milliseconds.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct OutputLogEvent {
    /// Its time.
    pub timestamp: i64,
    /// Its text.
    pub message: String,
    /// When it arrived.
    pub ingestion_time: i64,
}

impl Operation<Logs> for GetLogEvents {
    const META: Meta = Meta::read("GetLogEvents");
    type Output = GetLogEventsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        let group = self.log_group_name.as_ref().map_or("*", |n| n.0.as_str());
        need.on(cx.arn("logs", format!("log-group:{group}:log-stream:{}", self.log_stream_name.0)));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<GetLogEventsResponse, Error> {
        logs.flush().await;
        let name = groups::name_of(self.log_group_name.map(|n| n.0), self.log_group_identifier.map(|i| i.0))?;
        let group = logs.group(cx, &name).await?;
        logs.stream(&group, &self.log_stream_name.0).await?;
        let mut span = Span::new(self.start_time, self.end_time, horizon_ms(&group, cx.now().millis()));
        let from = self.next_token.as_deref().map(Token::parse).transpose()?;
        let reverse = match from {
            Some(Token::Forward(at)) => {
                span.from = span.from.max(at);
                false
            }
            Some(Token::Backward(at)) => {
                span.until = span.until.min(at);
                true
            }
            None => self.start_from_head != Some(true),
        };
        let limit = self.limit.map_or(EVENTS_MAX, |l| l as usize);
        let snapshot = logs.store.snapshot().map_err(store_failed)?;
        let stream = self.log_stream_name.0.as_str();
        let portion = Portion { events_max: limit, bytes_max: ANSWER_BYTES_MAX };
        let found = read::stream(&snapshot, &group.id, stream, span, portion, reverse).await.map_err(store_failed)?;
        Ok(page(found, from, span))
    }
}

fn page(found: Vec<Found>, from: Option<Token>, span: Span) -> GetLogEventsResponse {
    let edge = match from {
        Some(Token::Forward(at) | Token::Backward(at)) => at,
        None => Position::start_of(span.from.time_ms.max(0)),
    };
    let forward = found.last().map_or(edge, |last| last.at.next());
    let backward = found.first().map_or(edge, |first| first.at);
    let show = |f: Found| OutputLogEvent {
        timestamp: f.at.time_ms,
        message: f.event.message,
        ingestion_time: f.event.ingestion_ms,
    };
    GetLogEventsResponse {
        events: found.into_iter().map(show).collect(),
        next_forward_token: Token::Forward(forward).to_string(),
        next_backward_token: Token::Backward(backward).to_string(),
    }
}

/// A direction and a place: `f/` or `b/`, 56 digits, `/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// From this place on.
    Forward(Position),
    /// Before this place.
    Backward(Position),
}

impl Token {
    fn parse(text: &str) -> Result<Token, Error> {
        let wrong = || invalid("The specified nextToken is invalid.");
        let digits = text.get(2..58).filter(|d| d.bytes().all(|b| b.is_ascii_digit())).ok_or_else(wrong)?;
        let time_ms = digits[..28].parse().map_err(|_| wrong())?;
        let number = digits[28..].parse().map_err(|_| wrong())?;
        let at = Position { time_ms, number };
        match (text.get(..2), text.get(58..)) {
            (Some("f/"), Some("/s")) => Ok(Token::Forward(at)),
            (Some("b/"), Some("/s")) => Ok(Token::Backward(at)),
            _ => Err(wrong()),
        }
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (direction, at) = match self {
            Token::Forward(at) => ('f', at),
            Token::Backward(at) => ('b', at),
        };
        write!(f, "{direction}/{:028}{:028}/s", at.time_ms.max(0), at.number)
    }
}
