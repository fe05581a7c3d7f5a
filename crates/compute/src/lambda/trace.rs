//! Tracing: the header that a request carries, whether it is sampled, and the segments that tell of it.
//!
//! A caller's decision holds whatever the function's setting. Without one, a function with active tracing is sampled by
//! X-Ray's default rule: the first request of each second, and 5 % of the others. Two segments tell of a sampled request:
//! the service's, and below it the function's with its phases. What the function itself tells goes to the trace
//! daemon inside its sandbox, which hands it on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base::{AccountId, Region, Timestamp};
use bytes::Bytes;
use cloud::ports::Traces;
use sandbox::{InitStatus, Outcome};
use serde::Serialize;

use super::Lambda;
use super::resolve::Resolved;

/// Of requests beyond the first of a second, every so manieth is sampled: 5 %.
const ONE_OF: u8 = 20;

/// Longest header that is taken over; AWS's own have less than 200 bytes.
const HEADER_BYTES_MAX: usize = 1_024;

/// A trace header taken apart: `Root=1-…;Parent=…;Sampled=1;Lineage=…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Header {
    root: Option<String>,
    parent: Option<String>,
    sampled: Option<bool>,
    /// All else, as it came.
    rest: Vec<String>,
}

impl Header {
    fn parse(text: &str) -> Header {
        let mut header = Header::default();
        if text.len() > HEADER_BYTES_MAX {
            return header;
        }
        for field in text.split(';').map(str::trim) {
            match field.split_once('=') {
                Some(("Root", root)) if is_trace_id(root) => header.root = Some(root.to_owned()),
                Some(("Parent", parent)) if is_segment_id(parent) => header.parent = Some(parent.to_owned()),
                Some(("Sampled", "1")) => header.sampled = Some(true),
                Some(("Sampled", "0")) => header.sampled = Some(false),
                // `Self` is a load balancer's, and `?` asks for a decision.
                Some(("Root" | "Parent" | "Sampled" | "Self", _)) | None => {}
                Some(_) => header.rest.push(field.to_owned()),
            }
        }
        header
    }
}

impl std::fmt::Display for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let field = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}={value}"));
        let sampled = self.sampled.map(|sampled| format!("Sampled={}", u8::from(sampled)));
        let known = [field("Root", &self.root), field("Parent", &self.parent), sampled];
        let fields: Vec<String> = known.into_iter().flatten().chain(self.rest.iter().cloned()).collect();
        f.write_str(&fields.join(";"))
    }
}

/// `1-5759e988-bd862e3fe1be46a994272793`.
fn is_trace_id(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_hex = |part: Option<&str>, length| {
        part.is_some_and(|part| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    parts.next() == Some("1") && is_hex(parts.next(), 8) && is_hex(parts.next(), 24) && parts.next().is_none()
}

/// The header of a request that came without one, before anybody has decided whether it is sampled.
pub(crate) fn undecided(now: Timestamp) -> String {
    format!("Root={}", base::id::trace_root(now))
}

fn is_segment_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// X-Ray's default rule.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    /// The second in which a request was last sampled for being the first.
    second: AtomicI64,
}

impl Sampler {
    fn samples(&self, now: Timestamp) -> bool {
        let second = now.secs();
        let is_first = self.second.swap(second, Ordering::Relaxed) != second;
        is_first || chance()
    }
}

/// True once in twenty.
fn chance() -> bool {
    let random = u8::from_str_radix(&base::id::lower_hex(2), 16).unwrap_or_default();
    // 240 is the greatest multiple of 20 that fits: beyond it the draw would favour the small numbers.
    if random >= 240 { chance() } else { random.is_multiple_of(ONE_OF) }
}

/// A sampled request under way.
#[derive(Debug)]
pub(crate) struct Trace {
    root: String,
    parent: Option<String>,
    service_id: String,
    function_id: String,
    begun: Timestamp,
}

impl Lambda {
    /// The trace header of a request to this version: the caller's, with what it lacks.
    pub(crate) fn trace_header(&self, resolved: &Resolved, given: Option<&str>) -> String {
        let now = self.clock.now();
        let mut header = given.map(Header::parse).unwrap_or_default();
        if header.root.is_none() {
            header.root = Some(base::id::trace_root(now));
            header.parent = None;
        }
        let decision = header.sampled.unwrap_or_else(|| resolved.tracing_active && self.sampler.samples(now));
        header.sampled = Some(decision);
        if header.parent.is_none() && !decision {
            header.parent = Some(base::id::lower_hex(16));
        }
        header.to_string()
    }

    /// Begins the trace of a request if its header says that it is sampled, and makes the header that the function sees.
    pub(crate) fn begin_trace(&self, header: &mut String) -> Option<Trace> {
        if !header.contains("Sampled=1") {
            return None;
        }
        let mut parsed = Header::parse(header);
        let root = parsed.root.clone()?;
        let ids = || base::id::lower_hex(16);
        let trace = Trace {
            root,
            parent: parsed.parent.take(),
            service_id: ids(),
            function_id: ids(),
            begun: self.clock.now(),
        };
        parsed.parent = Some(trace.function_id.clone());
        *header = parsed.to_string();
        Some(trace)
    }

    /// Tells of a traced request that is over.
    pub(crate) fn end_trace(&self, trace: &Trace, resolved: &Resolved, request_id: &str, outcome: &Outcome) {
        let now = self.clock.now();
        let segments = Segments { trace, resolved, request_id, outcome, now };
        for document in [segments.service(), segments.function()] {
            self.traces.put(resolved.account, &resolved.region, document);
        }
    }

    /// Tells of a traced request that did not come to run.
    pub(crate) fn end_trace_unrun(&self, trace: &Trace, resolved: &Resolved, request_id: &str, status: u16) {
        let mut segment = service_segment(trace, resolved, request_id, self.clock.now());
        segment.throttle = status == 429;
        segment.error = status < 500;
        segment.fault = status >= 500;
        segment.http.response.status = status;
        self.traces.put(resolved.account, &resolved.region, json(&segment));
    }

    /// Who receives what the function tells of itself.
    pub(crate) fn trace_daemon(&self, resolved: &Resolved) -> Arc<dyn sandbox::TraceDaemon> {
        let (account, region) = (resolved.account, resolved.region.clone());
        Arc::new(Daemon { traces: self.traces.clone(), account, region })
    }
}

/// The trace daemon of one sandbox: a datagram is a line of JSON that names the format, and a segment.
struct Daemon {
    traces: Arc<dyn Traces>,
    account: AccountId,
    region: Region,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Daemon({}, {})", self.account, self.region)
    }
}

impl sandbox::TraceDaemon for Daemon {
    fn receive(&self, datagram: Bytes) {
        let Ok(text) = std::str::from_utf8(&datagram) else { return };
        if let Some((head, document)) = text.split_once('\n')
            && head.contains("\"format\"")
        {
            self.traces.put(self.account, &self.region, document.trim().to_owned());
        }
    }
}

/// What the segments of a request are made of.
struct Segments<'a> {
    trace: &'a Trace,
    resolved: &'a Resolved,
    request_id: &'a str,
    outcome: &'a Outcome,
    now: Timestamp,
}

#[derive(Serialize)]
struct Segment<'a> {
    id: &'a str,
    trace_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<&'a str>,
    name: &'a str,
    origin: &'static str,
    start_time: f64,
    end_time: f64,
    http: Http,
    aws: Aws<'a>,
    resource_arn: String,
    #[serde(skip_serializing_if = "is_false")]
    error: bool,
    #[serde(skip_serializing_if = "is_false")]
    fault: bool,
    #[serde(skip_serializing_if = "is_false")]
    throttle: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subsegments: Vec<Subsegment>,
}

#[derive(Serialize)]
struct Http {
    response: Response,
}

#[derive(Serialize)]
struct Response {
    status: u16,
}

#[derive(Serialize)]
struct Aws<'a> {
    account_id: String,
    function_arn: String,
    request_id: &'a str,
    resource_names: [&'a str; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cloudwatch_logs: Vec<LogGroup<'a>>,
}

#[derive(Serialize)]
struct LogGroup<'a> {
    log_group: &'a str,
}

#[derive(Serialize)]
struct Subsegment {
    id: String,
    name: &'static str,
    start_time: f64,
    end_time: f64,
    #[serde(skip_serializing_if = "is_false")]
    fault: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn service_segment<'a>(trace: &'a Trace, resolved: &'a Resolved, request_id: &'a str, end: Timestamp) -> Segment<'a> {
    Segment {
        id: &trace.service_id,
        trace_id: &trace.root,
        parent_id: trace.parent.as_deref(),
        name: &resolved.name,
        origin: "AWS::Lambda",
        start_time: secs(trace.begun),
        end_time: secs(end),
        http: Http { response: Response { status: 200 } },
        aws: Aws {
            account_id: resolved.account.to_string(),
            function_arn: resolved.function_arn.to_string(),
            request_id,
            resource_names: [&resolved.name],
            cloudwatch_logs: Vec::new(),
        },
        resource_arn: resolved.function_arn.to_string(),
        error: false,
        fault: false,
        throttle: false,
        subsegments: Vec::new(),
    }
}

impl Segments<'_> {
    /// What the service did.
    fn service(&self) -> String {
        let fault = self.outcome.result.is_err();
        json(&Segment { fault, ..service_segment(self.trace, self.resolved, self.request_id, self.now) })
    }

    /// What the function did: init, invocation, and what came after its answer. Phases are laid backwards from the end.
    fn function(&self) -> String {
        let end = secs(self.now);
        let invocation_start = end - self.outcome.duration.as_secs_f64();
        let failed = self.outcome.result.is_err();
        let mut subsegments = Vec::new();
        let phase = |name, start_time: f64, end_time: f64, fault| {
            let id = base::id::lower_hex(16);
            Subsegment { id, name, start_time, end_time, fault }
        };
        let mut start = invocation_start;
        if let Some(init) = &self.outcome.init {
            start = invocation_start - init.duration.as_secs_f64();
            let fault = init.status != InitStatus::Done;
            subsegments.push(phase("Initialization", start, invocation_start, fault));
        }
        if let Some(restore) = &self.outcome.restore {
            start = invocation_start - restore.duration.as_secs_f64();
            subsegments.push(phase("Restore", start, invocation_start, false));
        }
        subsegments.push(phase("Invocation", invocation_start, end, failed));
        subsegments.push(phase("Overhead", end, end + OVERHEAD.as_secs_f64(), false));
        let service = service_segment(self.trace, self.resolved, self.request_id, self.now);
        let aws = Aws { cloudwatch_logs: vec![LogGroup { log_group: &self.resolved.log_group }], ..service.aws };
        json(&Segment {
            id: &self.trace.function_id,
            parent_id: Some(&self.trace.service_id),
            origin: "AWS::Lambda::Function",
            start_time: start,
            end_time: end + OVERHEAD.as_secs_f64(),
            fault: failed,
            aws,
            subsegments,
            ..service
        })
    }
}

/// What an environment takes until it is ready for the next request, as long as nobody has measured it: the answer does
/// not wait for it.
const OVERHEAD: Duration = Duration::from_micros(100);

fn secs(at: Timestamp) -> f64 {
    at.millis() as f64 / 1000.0
}

fn json(segment: &Segment<'_>) -> String {
    serde_json::to_string(segment).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

    #[test]
    fn headers_are_taken_apart_and_put_together() {
        let text = format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0");
        assert_eq!(Header::parse(&text).to_string(), text);
        let odd = format!("Self=1-67891234-12456789abcdef012345678; Root={ROOT} ; Sampled=?;nonsense");
        let header = Header::parse(&odd);
        assert_eq!((header.root.as_deref(), header.sampled, header.rest.len()), (Some(ROOT), None, 0));
        for bad in ["", "Root=1-2-3", "Root=x", "Parent=short;Sampled=2", &"x".repeat(2_000)] {
            assert_eq!(Header::parse(bad), Header::default(), "{bad}");
        }
    }

    #[test]
    fn the_first_of_each_second_is_sampled_and_one_in_twenty_of_the_others() {
        let sampler = Sampler::default();
        for second in 1..50 {
            assert!(sampler.samples(Timestamp::from_secs(second)));
        }
        let sampled = (0..10_000).filter(|_| sampler.samples(Timestamp::from_secs(49))).count();
        // Eight standard deviations to either side: it does not fail by chance.
        assert!((326..=674).contains(&sampled), "{sampled}");
    }
}
