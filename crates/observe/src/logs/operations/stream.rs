//! Log streams: create, delete, describe.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::Scan;

use super::{GroupIdentifier, GroupName, NewStreamName, StreamName, check_length, place, token};
use crate::logs::records::{GARBAGE, GROUPS, Garbage, STREAMS, Stream, group_key, stream_key};
use crate::logs::{Logs, groups, invalid, store_failed};

/// Streams of one answer, unless fewer are asked for.
const PAGE_MAX: usize = 50;

/// Makes a log stream.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct CreateLogStream {
    /// Its group.
    pub log_group_name: GroupName,
    /// Its name.
    pub log_stream_name: NewStreamName,
}

impl Operation<Logs> for CreateLogStream {
    const META: Meta = Meta::write("CreateLogStream");
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(groups::arn(cx, &self.log_group_name.0));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<(), Error> {
        check_length(&self.log_stream_name.0)?;
        logs.flush().await;
        let group = group_key(cx.account, &cx.region, &self.log_group_name.0);
        let (name, now_ms) = (self.log_stream_name.0, cx.now().millis());
        let work = move |tx: &mut store::Tx<'_>| {
            let Some(group) = tx.get(GROUPS, &group)? else { return Ok(Err(groups::no_group())) };
            let stream = Stream { created_ms: now_ms, ..Stream::default() };
            tx.insert(STREAMS, &stream_key(&group.id, &name), &stream).map(Ok)
        };
        match logs.store.transact(work).await {
            Err(store::Error::Exists(_)) => {
                Err(Error::new(400, "ResourceAlreadyExistsException", "The specified log stream already exists"))
            }
            other => other.map_err(store_failed)?,
        }
    }
}

/// Deletes a log stream with its events.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct DeleteLogStream {
    /// Its group.
    pub log_group_name: GroupName,
    /// Its name.
    pub log_stream_name: StreamName,
}

impl Operation<Logs> for DeleteLogStream {
    const META: Meta = Meta::write("DeleteLogStream");
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(cx.arn("logs", format!("log-group:{}:log-stream:{}", self.log_group_name.0, self.log_stream_name.0)));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<(), Error> {
        logs.flush().await;
        let group = logs.group(cx, &self.log_group_name.0).await?;
        logs.stream(&group, &self.log_stream_name.0).await?;
        let key = stream_key(&group.id, &self.log_stream_name.0);
        let work = move |tx: &mut store::Tx<'_>| {
            tx.delete(STREAMS, &key)?;
            tx.put(GARBAGE, &key, &Garbage {})
        };
        logs.store.transact(work).await.map_err(store_failed)?;
        // Events hang below the stream's name, so they must be gone before the name may be used again.
        groups::sweep(logs).await.map_err(store_failed)
    }
}

/// Lists a group's streams.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct DescribeLogStreams {
    /// The group's name.
    pub log_group_name: Option<GroupName>,
    /// The group's name or ARN.
    pub log_group_identifier: Option<GroupIdentifier>,
    /// Only those whose names begin with this.
    pub log_stream_name_prefix: Option<StreamName>,
    /// By name (the default) or by time of the last event.
    pub order_by: Option<OrderBy>,
    /// Backwards.
    pub descending: Option<bool>,
    /// Continues after an earlier page.
    #[shape(length(1..))]
    pub next_token: Option<String>,
    /// At most so many.
    #[shape(range(1..=50))]
    pub limit: Option<i32>,
}

/// Orders of streams.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderBy {
    /// By name.
    LogStreamName,
    /// By the time of the last event; streams without events come first.
    LastEventTime,
}

/// A page of streams.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct DescribeLogStreamsResponse {
    /// The streams.
    pub log_streams: Vec<LogStream>,
    /// There are more.
    pub next_token: Option<String>,
}

/// A log stream as callers see it. All times in milliseconds.
#[derive(Shape, Clone)]
#[shape(rename_all = "camelCase")]
pub struct LogStream {
    /// Its name.
    pub log_stream_name: String,
    /// When it was made.
    pub creation_time: i64,
    /// The time of its first event.
    pub first_event_timestamp: Option<i64>,
    /// The time of its last event.
    pub last_event_timestamp: Option<i64>,
    /// When the last event arrived.
    pub last_ingestion_time: Option<i64>,
    /// No longer of use; AWS still sends one.
    pub upload_sequence_token: Option<String>,
    /// Its ARN.
    pub arn: String,
    /// Its size; AWS has sent 0 for streams since 2019.
    pub stored_bytes: i64,
}

impl Operation<Logs> for DescribeLogStreams {
    const META: Meta = Meta::read("DescribeLogStreams");
    type Output = DescribeLogStreamsResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        let name = self.log_group_name.as_ref().map(|n| n.0.as_str());
        need.on(groups::arn(cx, name.unwrap_or("*")));
    }

    async fn run(self, logs: &Logs, cx: &Cx) -> Result<DescribeLogStreamsResponse, Error> {
        let order = self.order_by.unwrap_or(OrderBy::LogStreamName);
        if order == OrderBy::LastEventTime && self.log_stream_name_prefix.is_some() {
            return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        logs.flush().await;
        let name = groups::name_of(self.log_group_name.map(|n| n.0), self.log_group_identifier.map(|i| i.0))?;
        let group = logs.group(cx, &name).await?;
        let prefix = self.log_stream_name_prefix.map_or_else(String::new, |p| p.0);
        let scan = Scan::starting_with(group.id.as_str(), &prefix);
        let found = logs.store.scan(STREAMS, scan).await.map_err(store_failed)?;
        let mut streams: Vec<LogStream> = found
            .into_iter()
            .filter_map(|(key, stream)| key.parts().map(|(_, stream_name): (String, String)| (stream_name, stream)))
            .map(|(stream_name, stream)| describe(cx, &name, stream_name, stream))
            .collect();
        if order == OrderBy::LastEventTime {
            streams.sort_by_key(|s| (s.last_event_timestamp, s.log_stream_name.clone()));
        }
        if self.descending == Some(true) {
            streams.reverse();
        }
        let start = match &self.next_token {
            Some(token) => {
                let last = place(token)?;
                streams.iter().position(|s| s.log_stream_name == last).map_or(streams.len(), |at| at + 1)
            }
            None => 0,
        };
        let limit = self.limit.map_or(PAGE_MAX, |l| l as usize);
        let page: Vec<LogStream> = streams.iter().skip(start).take(limit).cloned().collect();
        let more = start + page.len() < streams.len();
        let next_token = page.last().filter(|_| more).map(|last| token(&last.log_stream_name));
        Ok(DescribeLogStreamsResponse { log_streams: page, next_token })
    }
}

fn describe(cx: &Cx, group: &str, name: String, stream: Stream) -> LogStream {
    LogStream {
        creation_time: stream.created_ms,
        first_event_timestamp: stream.first_event_ms,
        last_event_timestamp: stream.last_event_ms,
        last_ingestion_time: stream.last_ingestion_ms,
        upload_sequence_token: stream.last_ingestion_ms.map(|_| super::events::sequence_token(&stream)),
        arn: cx.arn("logs", format!("log-group:{group}:log-stream:{name}")).to_string(),
        stored_bytes: 0,
        log_stream_name: name,
    }
}
