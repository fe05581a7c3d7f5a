//! `updraft logs`: what a function wrote, once or as it comes.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use base::{Clock, Timestamp};
use clap::Args;
use http::Method;
use serde::{Deserialize, Serialize};

use super::{Failure, tokio_runtime};
use crate::client::{Client, Server, encoded, refusal_code};

/// How often new events are asked for.
const POLL: Duration = Duration::from_millis(250);

/// How far behind the newest event an event may still turn up: environments hand their lines over within milliseconds.
const LATE_MS: i64 = 10_000;

/// Shows a function's log
///
///   updraft logs hello                      the last ten minutes
///   updraft logs hello --follow             what comes from now on, until ctrl-C
///   updraft logs hello --since 2h --filter ERROR
///   updraft logs hello --filter '{ $.level = "WARN" }'
///   updraft logs hello --request-id 3f6c…   all that was written during one request
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Logs {
    /// The function: its name or ARN
    name: String,
    /// Go on with new events as they come
    #[arg(long, short)]
    follow: bool,
    /// How far back: 30s, 5m, 2h, 7d, or a time such as 2026-11-25T12:00:00Z [default: 10m; with --follow: now]
    #[arg(long, value_name = "AGE|TIME", value_parser = since)]
    since: Option<Since>,
    /// Only events that match a CloudWatch Logs filter pattern
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
    /// Only what was written during this request
    #[arg(long, value_name = "ID", conflicts_with_all = ["follow", "filter"])]
    request_id: Option<String>,
    /// The log group [default: the function's]
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    AgoMs(i64),
    Time(Timestamp),
}

impl Since {
    fn start_ms(self) -> i64 {
        match self {
            Since::AgoMs(age_ms) => Clock::system().now().millis() - age_ms,
            Since::Time(time) => time.millis(),
        }
    }
}

const DEFAULT_AGE: Since = Since::AgoMs(600_000);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Search<'a> {
    log_group_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_stream_names: Option<[&'a str; 1]>,
    start_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_pattern: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    events: Vec<Event>,
    next_token: Option<String>,
}

/// One event of a log.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_id: String,
    log_stream_name: String,
    timestamp: i64,
    message: String,
}

impl Logs {
    pub(super) fn run(self) -> Result<(), Failure> {
        tokio_runtime(1)?.block_on(async {
            let client = self.server.client();
            let group = match &self.group {
                Some(group) => group.clone(),
                None => group_of(&client, &self.name).await?,
            };
            if let Some(request_id) = &self.request_id {
                return show_request(&client, &group, request_id, self.since).await;
            }
            let now = Since::AgoMs(0);
            let since = self.since.unwrap_or(if self.follow { now } else { DEFAULT_AGE });
            let mut tail = Tail::new(client, group, self.filter.clone(), since.start_ms());
            if !self.follow {
                return tail.show_new().await;
            }
            tokio::select! {
                ended = tail.follow() => ended,
                _ = tokio::signal::ctrl_c() => Ok(()),
            }
        })
    }
}

/// The log group that a function writes to.
async fn group_of(client: &Client, name: &str) -> Result<String, Failure> {
    let path = format!("/2015-03-31/functions/{}/configuration", encoded(name));
    let configuration: serde_json::Value = client.lambda(Method::GET, &path, None).await?;
    let group = configuration.pointer("/LoggingConfig/LogGroup").and_then(|group| group.as_str());
    Ok(group.map_or_else(|| format!("/aws/lambda/{name}"), str::to_owned))
}

/// The end of a log group: what has not been shown yet.
pub(super) struct Tail {
    client: Client,
    group: String,
    filter: Option<String>,
    from_ms: i64,
    /// Events from `from_ms` on that were shown.
    shown: BTreeSet<(i64, String)>,
}

impl Tail {
    pub(super) fn new(client: Client, group: String, filter: Option<String>, from_ms: i64) -> Tail {
        Tail { client, group, filter, from_ms, shown: BTreeSet::new() }
    }

    /// Shows events as they come; ends only with an error.
    pub(super) async fn follow(&mut self) -> Result<(), Failure> {
        loop {
            self.show_new().await?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Shows what came since the last time.
    pub(super) async fn show_new(&mut self) -> Result<(), Failure> {
        for event in search(&self.client, &self.group, None, self.filter.as_deref(), self.from_ms).await? {
            if self.shown.insert((event.timestamp, event.event_id.clone())) {
                show(&event)?;
            }
        }
        if let Some((newest_ms, _)) = self.shown.last() {
            self.from_ms = self.from_ms.max(newest_ms - LATE_MS);
            self.shown = self.shown.split_off(&(self.from_ms, String::new()));
        }
        Ok(())
    }
}

async fn search(
    client: &Client,
    group: &str,
    stream: Option<&str>,
    filter: Option<&str>,
    start_time: i64,
) -> Result<Vec<Event>, Failure> {
    let (mut events, mut next_token) = (Vec::new(), None);
    loop {
        let search = Search {
            log_group_name: group,
            log_stream_names: stream.map(|stream| [stream]),
            start_time: start_time.max(0),
            filter_pattern: filter,
            next_token,
        };
        let found: Found = match client.logs("FilterLogEvents", &search).await {
            // The group comes with the first line.
            Err(failure) if refusal_code(&failure) == Some("ResourceNotFoundException") => return Ok(events),
            found => found?,
        };
        events.extend(found.events);
        next_token = found.next_token;
        if next_token.is_none() {
            return Ok(events);
        }
    }
}

/// An environment serves one request at a time, so what stands between a request's START and REPORT in its stream is its own.
async fn show_request(client: &Client, group: &str, request_id: &str, since: Option<Since>) -> Result<(), Failure> {
    let from_ms = since.map_or(0, Since::start_ms);
    let quoted = format!("\"{}\"", request_id.replace(['"', '\\'], ""));
    let named = search(client, group, None, Some(&quoted), from_ms).await?;
    let first = named.first().ok_or_else(|| format!("no event in {group} names the request {request_id}"))?;
    let last = named.last().unwrap_or(first);
    let all = search(client, group, Some(&first.log_stream_name), None, first.timestamp).await?;
    let begun = all.iter().skip_while(|event| event.event_id != first.event_id);
    for event in begun {
        show(event)?;
        if event.event_id == last.event_id {
            break;
        }
    }
    Ok(())
}

fn show(event: &Event) -> Result<(), Failure> {
    let (dim, plain) = if std::io::stdout().is_terminal() { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    let time = Timestamp::from_millis(event.timestamp).to_lambda().replace("+0000", "Z");
    let mut out = std::io::stdout().lock();
    writeln!(out, "{dim}{time}{plain} {}", event.message.trim_end_matches('\n'))?;
    Ok(out.flush()?)
}

fn since(text: &str) -> Result<Since, String> {
    if let Some(time) = Timestamp::parse_date_time(text) {
        return Ok(Since::Time(time));
    }
    let wrong = || "use an age such as 30s, 5m, 2h or 7d, or a time such as 2026-11-25T12:00:00Z".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let unit_ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(unit_ms).filter(|ms| *ms >= 0).map(Since::AgoMs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::{Since, since};

    #[test]
    fn ages_and_times_are_understood() {
        assert_eq!(since("5m"), Ok(Since::AgoMs(300_000)));
        assert_eq!(since("7d"), Ok(Since::AgoMs(604_800_000)));
        assert!(matches!(since("2026-11-25T12:00:00Z"), Ok(Since::Time(_))));
        for bad in ["", "m", "5", "-5m", "5x", "yesterday", "99999999999999999d", "5é"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
