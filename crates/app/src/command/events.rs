//! `updraft events` and `updraft replay`: what functions were called with, and the same once more.

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use comfy_table::{Cell, ContentArrangement, Table, presets};
use http::Method;
use node::{KeptEvents, WholeEvent};
use serde_json::{Value, json};

use super::invoke::{Call, Called, error_words};
use super::status::table;
use super::{Failure, tokio_runtime};
use crate::client::{Client, Server, encoded};

/// Lists the events that were kept of a function's invocations, the newest first
///
///   updraft serve --keep-events 1000        keeps them: events hold secrets, so by default none are
///   updraft events hello
///   updraft replay 3f6c2a…                  runs one of them again
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Events {
    /// The function's name [default: all functions]
    name: Option<String>,
    /// Most events
    #[arg(long, short = 'n', default_value = "20", value_name = "N")]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// Runs a kept event again, against any version, and shows both answers side by side
///
///   updraft replay 3f6c2a…                  against $LATEST of the same function
///   updraft replay 3f6c2a… --qualifier 7
///   updraft replay 3f6c2a… --function hello-next
///
/// The function runs for real, with all its effects. The exit status is 0 if it answers, whether or not the answer is the
/// former one, and 1 if it fails.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Replay {
    /// The request whose event it is: of `updraft events`, the log, or x-amzn-requestid
    #[arg(value_name = "REQUEST-ID")]
    request_id: String,
    /// A version or alias [default: $LATEST]
    #[arg(long, short, value_name = "VERSION|ALIAS")]
    qualifier: Option<String>,
    /// Another function to run it against [default: the one it was for]
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

impl Events {
    pub(super) fn run(self) -> Result<(), Failure> {
        let client = self.server.client();
        let function = self.name.as_ref().map(|name| format!("&function={}", encoded(name))).unwrap_or_default();
        let path = format!("/_updraft/lambda/events?limit={}&{}{function}", self.limit, client.place());
        let answer = tokio_runtime(1)?.block_on(client.own(Method::GET, &path))?;
        let kept: KeptEvents = answer.json()?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&kept)?);
            return Ok(());
        }
        let mut rows = table(&["time", "request id", "function", "version", "answer", "event bytes"]);
        for event in &kept.events {
            let state = match (event.failed, event.answer_bytes) {
                (_, None) => "not kept",
                (true, _) => "error",
                (false, _) => "ok",
            };
            let (time, bytes) = (shown(event.at_ms), event.event_bytes.to_string());
            rows.add_row([&time, &event.request_id, &event.function, &event.version, state, &bytes]);
        }
        println!("{rows}");
        Ok(())
    }
}

impl Replay {
    pub(super) fn run(self) -> Result<(), Failure> {
        tokio_runtime(1)?.block_on(self.replay())
    }

    async fn replay(self) -> Result<(), Failure> {
        let client = self.server.client();
        let kept = self.kept(&client).await?;
        let client = client.within(kept.head.account.as_str(), kept.head.region.as_str());
        let name = self.function.as_deref().unwrap_or(&kept.head.function);
        let qualifier = self.qualifier.as_deref();
        let payload: Bytes = STANDARD.decode(&kept.event)?.into();
        let call = Call { name, qualifier, kind: "RequestResponse", tail: false, payload: payload.clone() };
        let now = call.send(&client).await?;
        let then = kept.answer.as_ref().map(|answer| STANDARD.decode(answer)).transpose()?;
        let same = then.as_ref().map(|then| is_same(then, &now.payload) && kept.head.failed == now.failed);
        match self.json {
            true => println!("{}", document(&kept, &payload, then.as_deref(), &now, same)),
            false => show(&kept, then.as_deref(), &now, same),
        }
        if !now.failed {
            return Ok(());
        }
        eprintln!("{}", error_words(&now.payload));
        Err(format!("{name} failed; request id {}", now.request_id).into())
    }

    async fn kept(&self, client: &Client) -> Result<WholeEvent, Failure> {
        let path = format!("/_updraft/lambda/event?request={}", encoded(&self.request_id));
        client.own(Method::GET, &path).await?.json()
    }
}

/// Whether two answers say the same: white space and the order of members say nothing.
fn is_same(then: &[u8], now: &[u8]) -> bool {
    let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    then == now || value(then).is_some_and(|then| value(now).is_some_and(|now| then == now))
}

fn document(kept: &WholeEvent, event: &[u8], then: Option<&[u8]>, now: &Called, same: Option<bool>) -> Value {
    let value = |bytes: &[u8]| {
        serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes).into_owned()))
    };
    json!({
        "event": value(event),
        "then": {
            "requestId": kept.head.request_id,
            "version": kept.head.version,
            "failed": kept.head.failed,
            "answer": then.map(value),
        },
        "now": {
            "requestId": now.request_id,
            "version": now.version,
            "failed": now.failed,
            "answer": value(&now.payload),
        },
        "same": same,
    })
}

fn show(kept: &WholeEvent, then: Option<&[u8]>, now: &Called, same: Option<bool>) {
    let head = &kept.head;
    let title = |when: &str, version: &str, failed: bool, request_id: &str| {
        let failed = if failed { ", failed" } else { "" };
        format!("{when}: version {version}{failed}\n{request_id}")
    };
    let mut sides = Table::new();
    sides.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    sides.set_header([
        title(&shown(head.at_ms), &head.version, head.failed, &head.request_id),
        title("now", now.version.as_deref().unwrap_or_default(), now.failed, &now.request_id),
    ]);
    let then = then.map_or_else(|| "(its answer was not kept)".to_owned(), set_out);
    sides.add_row([Cell::new(then), Cell::new(set_out(&now.payload))]);
    println!("{sides}");
    match same {
        Some(true) => println!("the same answer"),
        Some(false) => println!("another answer"),
        None => {}
    }
}

/// JSON set out in lines.
fn set_out(payload: &[u8]) -> String {
    match serde_json::from_slice::<Value>(payload) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(payload).into_owned(),
    }
}

fn shown(at_ms: i64) -> String {
    Timestamp::from_millis(at_ms).to_lambda().replace("+0000", "Z")
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn answers_are_the_same_by_what_they_say() {
        assert!(is_same(b"{\"a\":1,\"b\":2}", b"{ \"b\": 2, \"a\": 1 }"));
        assert!(is_same(b"not json", b"not json"));
        assert!(!is_same(b"1", b"2"));
        assert!(!is_same(b"not json", b"1"));
    }
}
