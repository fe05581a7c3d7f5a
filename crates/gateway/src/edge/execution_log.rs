//! Execution logs: what AWS writes about a request's way, line by line, into a stage's log group; and the same lines for
//! `TestInvokeMethod`. A line that nobody reads is not made.

use std::fmt::Write as _;
use std::sync::Arc;

use base::{Arn, Clock, Timestamp};
use bytes::Bytes;
use cloud::ports::{LogDestination, LogEvent, LogSink};
use http::{HeaderMap, HeaderName};

/// The longest line, in bytes: AWS cuts execution logs at 1,024.
const LINE_BYTES_MAX: usize = 1024;

/// Lines of one request; a request has about twenty.
const LINES_MAX: usize = 200;

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    #[default]
    Off,
    /// Failures.
    Error,
    /// The whole way.
    Info,
}

impl Level {
    /// A level by AWS's name.
    pub(crate) fn of(name: Option<&str>) -> Level {
        match name {
            Some("INFO") => Level::Info,
            Some("ERROR") => Level::Error,
            _ => Level::Off,
        }
    }
}

/// The lines of one request.
#[derive(Debug)]
pub(crate) struct Log {
    level: Level,
    /// Bodies and headers, too.
    has_data: bool,
    clock: Clock,
    lines: Vec<(Timestamp, String)>,
}

impl Log {
    pub(crate) fn new(level: Level, has_data: bool, clock: Clock) -> Log {
        Log { level, has_data, clock, lines: Vec::new() }
    }

    /// Sets how much is logged, once the method is known.
    pub(crate) fn set_level(&mut self, level: Level, has_data: bool) {
        (self.level, self.has_data) = (level, has_data);
    }

    /// A line about the request's way.
    pub(crate) fn info(&mut self, line: impl FnOnce() -> String) {
        if self.level == Level::Info {
            self.put(line());
        }
    }

    /// A line with what is sent or came, as text.
    pub(crate) fn data(&mut self, what: &str, body: &[u8]) {
        if self.level == Level::Info && self.has_data {
            self.put(format!("{what}: {}", String::from_utf8_lossy(body)));
        }
    }

    /// A line with headers or parameters.
    pub(crate) fn map<'a, K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        what: &str,
        pairs: impl FnOnce() -> Vec<(K, V)> + 'a,
    ) {
        if self.level == Level::Info && self.has_data {
            let pairs = pairs();
            let pairs: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{}={}", name.as_ref(), value.as_ref())).collect();
            self.put(format!("{what}: {{{}}}", pairs.join(", ")));
        }
    }

    /// Lines about what an integration is about to be asked.
    pub(crate) fn request(&mut self, uri: impl FnOnce() -> String, headers: &HeaderMap, body: &[u8]) {
        if self.level != Level::Info {
            return;
        }
        let address = address(uri());
        self.put(format!("Endpoint request URI: {address}"));
        if !headers.is_empty() {
            self.map("Endpoint request headers", || pairs(headers));
        }
        self.data("Endpoint request body after transformations", body);
        self.put(format!("Sending request to {address}"));
    }

    /// A line about a failure.
    pub(crate) fn error(&mut self, line: impl FnOnce() -> String) {
        if self.level >= Level::Error {
            self.put(line());
        }
    }

    fn put(&mut self, mut line: String) {
        if self.lines.len() >= LINES_MAX {
            return;
        }
        if line.len() > LINE_BYTES_MAX {
            let end = (0..=LINE_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or_default();
            line.truncate(end);
            line.push_str(" [TRUNCATED]");
        }
        self.lines.push((self.clock.now(), line));
    }

    /// Sends the lines on their way.
    pub(crate) fn write(&mut self, logs: &Arc<dyn LogSink>, to: &LogDestination, request_id: &str) {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() {
            return;
        }
        let event = |(at, line)| LogEvent { at, message: Bytes::from(format!("({request_id}) {line}")) };
        logs.append_own(to, lines.into_iter().map(event).collect());
    }

    /// The lines as `TestInvokeMethod` shows them.
    pub(crate) fn shown(&self, request_id: &str) -> String {
        let mut shown = format!("Execution log for request {request_id}\n");
        for (at, line) in &self.lines {
            _ = writeln!(shown, "{} : {line}", at.to_java_date());
        }
        shown
    }
}

/// An integration's address as logs have it: of a path of a service, the URL that AWS asks.
fn address(uri: String) -> String {
    let of_service = Arn::parse(&uri).filter(|arn| arn.service == "apigateway");
    let url = of_service.and_then(|Arn { account: service, region, resource, .. }| {
        let path = resource.strip_prefix("path/")?.trim_start_matches('/').to_owned();
        Some(format!("https://{service}.{region}.amazonaws.com/{path}"))
    });
    url.unwrap_or(uri)
}

/// A header's name as AWS shows it: the server below tells no case.
pub(crate) fn shown_name(name: &HeaderName) -> String {
    if name == "x-amzn-errortype" {
        return "x-amzn-ErrorType".to_owned();
    }
    let words = name.as_str().split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    words.collect::<Vec<_>>().join("-")
}

/// Headers as pairs, several of a name joined.
pub(crate) fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .keys()
        .map(|name| {
            let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            (shown_name(name), values.collect::<Vec<_>>().join(","))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(level: Level, has_data: bool) -> Log {
        Log::new(level, has_data, Clock::held(Timestamp::from_millis(1_481_159_580_000)))
    }

    #[test]
    fn levels_choose_lines() {
        for (level, has_data, lines) in [
            (Level::Off, true, vec![]),
            (Level::Error, true, vec!["e"]),
            (Level::Info, false, vec!["i", "e"]),
            (Level::Info, true, vec!["i", "e", "b: x", "m: {a=1, b=2}"]),
        ] {
            let mut log = log(level, has_data);
            log.info(|| "i".to_owned());
            log.error(|| "e".to_owned());
            log.data("b", b"x");
            log.map("m", || vec![("a", "1"), ("b", "2")]);
            assert_eq!(log.lines.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>(), lines);
        }
    }

    #[test]
    fn services_have_urls() {
        let function = "arn:aws:lambda:eu-west-1:123456789012:function:f";
        let uri = format!("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{function}/invocations");
        let mut log = log(Level::Info, true);
        log.request(|| uri, &HeaderMap::new(), b"{}");
        let url = format!("https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/{function}/invocations");
        let lines: Vec<_> = log.lines.into_iter().map(|(_, line)| line).collect();
        let body = "Endpoint request body after transformations: {}".to_owned();
        assert_eq!(lines, [format!("Endpoint request URI: {url}"), body, format!("Sending request to {url}")]);
        for other in ["http://a/b", "arn:aws:apigateway:eu-west-1:sts:action/GetCallerIdentity"] {
            assert_eq!(address(other.to_owned()), other);
        }
    }

    #[test]
    fn a_test_shows_its_lines() {
        let mut log = log(Level::Info, true);
        log.info(|| "Method completed with status: 200".to_owned());
        log.data("b", "é".repeat(LINE_BYTES_MAX).as_bytes());
        let shown = log.shown("id");
        assert!(shown.starts_with(
            "Execution log for request id\nThu Dec 08 01:13:00 UTC 2016 : Method completed with status: 200\n"
        ));
        assert!(shown.ends_with("é [TRUNCATED]\n"));
        for _ in 0..2 * LINES_MAX {
            log.info(|| "x".to_owned());
        }
        assert_eq!(log.lines.len(), LINES_MAX);
    }
}
