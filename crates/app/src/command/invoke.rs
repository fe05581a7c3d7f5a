//! `updraft invoke`: calls a function and shows its answer, or its error so that a person can read it.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use base64::Engine as _;
use bytes::Bytes;
use clap::Args;
use http::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Failure, tokio_runtime};
use crate::client::{Answer, Client, Server, encoded};

/// Calls a function: the answer goes to standard output, everything else to standard error
///
///   updraft invoke hello --payload '{"name": "Ada"}'
///   updraft invoke hello --payload @event.json --tail
///   jq .detail event.json | updraft invoke hello --payload - --qualifier live
///
/// The exit status is 0 if the function answered, and 1 if it failed or could not be called. A failed function's error
/// document is its answer; its type, message and stack are told on standard error.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Invoke {
    /// The function: its name or ARN
    name: String,
    /// The event: JSON, @FILE, or - for standard input [default: {}]
    #[arg(long, short, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    payload: Option<String>,
    /// A version or alias [default: $LATEST]
    #[arg(long, short, value_name = "VERSION|ALIAS")]
    qualifier: Option<String>,
    /// Hand the event over and do not wait: it runs, and is retried, in the background
    #[arg(long = "async", conflicts_with_all = ["tail", "dry_run"])]
    asynchronous: bool,
    /// Only see whether the function could be called
    #[arg(long, conflicts_with = "tail")]
    dry_run: bool,
    /// Show the last 4 KB of the request's log on standard error
    #[arg(long, visible_alias = "log")]
    tail: bool,
    #[command(flatten)]
    server: Server,
}

/// A call.
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) qualifier: Option<&'a str>,
    /// AWS's name of the invocation type.
    pub(super) kind: &'static str,
    pub(super) tail: bool,
    pub(super) payload: Bytes,
}

/// What came of a call.
pub(super) struct Called {
    pub(super) payload: Bytes,
    pub(super) failed: bool,
    pub(super) request_id: String,
    pub(super) version: Option<String>,
    tail: Option<Vec<u8>>,
}

/// A function's error document, as runtimes of all languages write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorDocument {
    error_type: Option<String>,
    error_message: Option<String>,
    #[serde(default, alias = "trace")]
    stack_trace: Option<serde_json::Value>,
}

impl Invoke {
    pub(super) fn run(self) -> Result<(), Failure> {
        let payload = self.payload.as_deref().map_or_else(|| Ok(Bytes::from_static(b"{}")), read_event)?;
        let kind = match (self.asynchronous, self.dry_run) {
            (true, _) => "Event",
            (_, true) => "DryRun",
            _ => "RequestResponse",
        };
        let call = Call { name: &self.name, qualifier: self.qualifier.as_deref(), kind, tail: self.tail, payload };
        let called = tokio_runtime(1)?.block_on(call.send(&self.server.client()))?;
        match kind {
            "Event" => eprintln!("accepted: request id {}", called.request_id),
            "DryRun" => eprintln!("{} could be called", self.name),
            _ => return called.show(&self.name),
        }
        Ok(())
    }
}

impl Call<'_> {
    pub(super) async fn send(self, client: &Client) -> Result<Called, Failure> {
        let qualifier = self.qualifier.map(|q| format!("?Qualifier={}", encoded(q))).unwrap_or_default();
        let path = format!("/2015-03-31/functions/{}/invocations{qualifier}", encoded(self.name));
        let mut headers = vec![("x-amz-invocation-type", self.kind)];
        if self.tail {
            headers.push(("x-amz-log-type", "Tail"));
        }
        let answer = client.send("lambda", Method::POST, &path, &headers, self.payload).await?;
        Ok(Called::of(answer.accepted()?))
    }
}

impl Called {
    fn of(answer: Answer) -> Called {
        let text = |name: &str| answer.header(name).map(str::to_owned);
        Called {
            failed: text("x-amz-function-error").is_some(),
            request_id: text("x-amzn-requestid").unwrap_or_default(),
            version: text("x-amz-executed-version"),
            tail: text("x-amz-log-result").and_then(|log| base64::engine::general_purpose::STANDARD.decode(log).ok()),
            payload: answer.body,
        }
    }

    /// Log to standard error, answer to standard output; a failure is told in words.
    pub(super) fn show(&self, name: &str) -> Result<(), Failure> {
        if let Some(tail) = &self.tail {
            eprint!("{}", String::from_utf8_lossy(tail));
        }
        println!("{}", readable(&self.payload));
        if !self.failed {
            return Ok(());
        }
        eprintln!("{}", error_words(&self.payload));
        Err(format!("{name} failed; request id {}", self.request_id).into())
    }
}

/// An event as it is given on the command line.
pub(super) fn read_event(given: &str) -> Result<Bytes, Failure> {
    let (bytes, from) = match given.strip_prefix('@') {
        Some(path) => (read_file(Path::new(path))?, path),
        None if given == "-" => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes)?;
            (bytes, "standard input")
        }
        None => (given.as_bytes().to_vec(), "--payload"),
    };
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(&bytes) {
        return Err(format!("the event of {from} is not JSON: {error}").into());
    }
    Ok(bytes.into())
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| format!("cannot read the event file {}: {error}", path.display()).into())
}

/// JSON set out for people where people read it, and byte for byte where programs do.
pub(super) fn readable(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload).into_owned();
    if !std::io::stdout().is_terminal() {
        return text;
    }
    // Values out of order or numbers out of range would be another document.
    match serde_json::from_slice::<serde_json::Value>(payload) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or(text),
        Err(_) => text,
    }
}

/// Type, message and stack of a function's error.
pub(super) fn error_words(payload: &[u8]) -> String {
    let Ok(error) = serde_json::from_slice::<ErrorDocument>(payload) else {
        return String::from_utf8_lossy(payload).into_owned();
    };
    let kind = error.error_type.unwrap_or_else(|| "Error".to_owned());
    let title = format!("{kind}: {}", error.error_message.unwrap_or_default());
    let lines = match &error.stack_trace {
        Some(serde_json::Value::Array(lines)) => lines.iter().map(frame).collect(),
        Some(serde_json::Value::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    };
    // Node.js begins its stack with the message again.
    let mut words = title.clone();
    for line in lines.iter().filter(|line| !title.starts_with(line.as_str())) {
        words.push('\n');
        words.push_str(line.trim_end_matches('\n'));
    }
    words
}

/// A line of a stack: text, or `[file, line, function, source]` as old Python clients write it.
fn frame(line: &serde_json::Value) -> String {
    match line {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(parts) => {
            let parts: Vec<String> =
                parts.iter().map(|part| part.as_str().map_or(part.to_string(), str::to_owned)).collect();
            format!("  {}", parts.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::error_words;

    #[test]
    fn errors_of_all_languages_can_be_read() {
        let python = br#"{"errorMessage":"no","errorType":"ValueError","requestId":"1","stackTrace":["  File \"/var/task/app.py\", line 2, in handler\n    raise ValueError('no')\n"]}"#;
        assert_eq!(
            error_words(python),
            "ValueError: no\n  File \"/var/task/app.py\", line 2, in handler\n    raise ValueError('no')"
        );
        let node = br#"{"errorType":"Error","errorMessage":"no","trace":["Error: no","    at handler (/var/task/index.mjs:1:1)"]}"#;
        assert_eq!(error_words(node), "Error: no\n    at handler (/var/task/index.mjs:1:1)");
        let java = br#"{"errorMessage":"no","errorType":"java.lang.RuntimeException","stackTrace":["app.Main.run(Main.java:1)"]}"#;
        assert_eq!(error_words(java), "java.lang.RuntimeException: no\napp.Main.run(Main.java:1)");
        assert_eq!(error_words(b"\"text\""), "\"text\"");
    }
}
