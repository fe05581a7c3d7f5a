//! The records of platform events, in the shapes of AWS's Telemetry API; and which of them which schema knows.

use std::time::Duration;

use base::Timestamp;
use serde::Serialize;

use super::{
    super::{
        extensions::ExtensionState,
        spec::{InitReport, InitStatus, Spec},
    },
    Event, Record, Schema, Stream, SubscribedBy, SubscriptionState,
};

pub(crate) const INIT_START: &str = "platform.initStart";
pub(crate) const INIT_RUNTIME_DONE: &str = "platform.initRuntimeDone";
pub(crate) const INIT_REPORT: &str = "platform.initReport";
pub(crate) const START: &str = "platform.start";
pub(crate) const RUNTIME_DONE: &str = "platform.runtimeDone";
pub(crate) const END: &str = "platform.end";
pub(crate) const REPORT: &str = "platform.report";
pub(crate) const FAULT: &str = "platform.fault";
pub(crate) const EXTENSION: &str = "platform.extension";
const LOGS_DROPPED: &str = "platform.logsDropped";

const MB: u64 = 1024 * 1024;

/// Which part of an environment's life an init belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Before the first request.
    Init,
    /// Again, within it.
    Invoke,
}

/// Whether a schema has this event. The Logs API tells of the end and of faults, the Telemetry API of more besides.
pub(super) fn is_known(kind: &str, schema: Schema) -> bool {
    match kind {
        INIT_START => schema >= Schema::Telemetry2022July,
        INIT_RUNTIME_DONE | INIT_REPORT | RUNTIME_DONE => schema >= Schema::Logs2021,
        END | FAULT => schema <= Schema::Logs2021,
        _ => true,
    }
}

fn json(record: &impl Serialize) -> String {
    serde_json::to_string(record).unwrap_or_default() // numbers and text: cannot fail
}

fn initialization_type(spec: &Spec) -> &str {
    let variable = spec.env.iter().find(|(name, _)| name == "AWS_LAMBDA_INITIALIZATION_TYPE");
    variable.map_or("on-demand", |(_, value)| value)
}

fn to_ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

pub(crate) fn init_start(spec: &Spec, phase: Phase) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct InitStart<'a> {
        initialization_type: &'a str,
        phase: Phase,
        runtime_version: &'a str,
        function_name: &'a str,
        function_version: &'a str,
        instance_max_memory: u64,
    }
    json(&InitStart {
        initialization_type: initialization_type(spec),
        phase,
        runtime_version: &spec.runtime,
        function_name: &spec.function_name,
        function_version: &spec.function_version,
        instance_max_memory: u64::from(spec.memory_mb) * MB,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitEnd<'a> {
    initialization_type: &'a str,
    phase: Phase,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<DurationMetrics>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DurationMetrics {
    duration_ms: f64,
}

fn words_of(status: &InitStatus) -> (&'static str, Option<&str>) {
    match status {
        InitStatus::Done => ("success", None),
        InitStatus::TimedOut => ("timeout", None),
        InitStatus::Failed { error_type } => ("error", Some(error_type)),
    }
}

pub(crate) fn init_runtime_done(spec: &Spec, phase: Phase, status: &InitStatus) -> String {
    let (status, error_type) = words_of(status);
    json(&InitEnd { initialization_type: initialization_type(spec), phase, status, error_type, metrics: None })
}

pub(crate) fn init_report(spec: &Spec, phase: Phase, report: &InitReport) -> String {
    let (status, error_type) = words_of(&report.status);
    let metrics = Some(DurationMetrics { duration_ms: to_ms(report.duration) });
    json(&InitEnd { initialization_type: initialization_type(spec), phase, status, error_type, metrics })
}

pub(crate) fn extension(state: &ExtensionState) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Extension<'a> {
        name: &'a str,
        state: &'a str,
        events: Vec<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error_type: Option<&'a str>,
    }
    let events = state.events.iter().map(|event| event.name()).collect();
    json(&Extension { name: &state.name, state: state.state, events, error_type: state.error_type.as_deref() })
}

pub(super) fn subscription_kind(by: SubscribedBy) -> &'static str {
    match by {
        SubscribedBy::Telemetry => "platform.telemetrySubscription",
        SubscribedBy::Logs => "platform.logsSubscription",
    }
}

pub(super) fn subscription(state: &SubscriptionState) -> String {
    #[derive(Serialize)]
    struct Subscription<'a> {
        name: &'a str,
        state: &'a str,
        types: Vec<&'a str>,
    }
    let types = state.streams.iter().map(|stream| stream.name()).collect();
    json(&Subscription { name: &state.name, state: "Subscribed", types })
}

/// What an invocation's events say of it.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    pub(crate) trace_id: Option<String>,
    pub(crate) began_ms: i64,
}

#[derive(Serialize)]
struct Tracing<'a> {
    r#type: &'a str,
    value: &'a str,
}

impl Invocation {
    fn tracing(&self) -> Option<Tracing<'_>> {
        self.trace_id.as_deref().map(|value| Tracing { r#type: "X-Amzn-Trace-Id", value })
    }

    pub(crate) fn start(&self, version: &str) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Start<'a> {
            request_id: &'a str,
            version: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            tracing: Option<Tracing<'a>>,
        }
        json(&Start { request_id: &self.request_id, version, tracing: self.tracing() })
    }

    pub(crate) fn end(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct End<'a> {
            request_id: &'a str,
        }
        json(&End { request_id: &self.request_id })
    }

    /// A string, in AWS's newer words.
    pub(crate) fn fault(&self, status: &str, error_type: &str) -> String {
        json(&format!("RequestId: {} Status: {status}\tErrorType: {error_type}", self.request_id))
    }

    /// `latency`: until the answer began; `took`: until the runtime was done.
    pub(crate) fn runtime_done(
        &self,
        (status, error_type): (&str, Option<&str>),
        latency: Duration,
        took: Duration,
        produced_bytes: usize,
    ) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct RuntimeDone<'a> {
            request_id: &'a str,
            status: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            error_type: Option<&'a str>,
            metrics: Metrics,
            #[serde(skip_serializing_if = "Option::is_none")]
            tracing: Option<Tracing<'a>>,
            spans: [Span; 3],
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Metrics {
            duration_ms: f64,
            produced_bytes: usize,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Span {
            name: &'static str,
            start: String,
            duration_ms: f64,
        }
        let span = |name, after: Duration, length: Duration| Span {
            name,
            start: time(self.began_ms + after.as_millis() as i64),
            duration_ms: to_ms(length),
        };
        json(&RuntimeDone {
            request_id: &self.request_id,
            status,
            error_type,
            metrics: Metrics { duration_ms: to_ms(took), produced_bytes },
            tracing: self.tracing(),
            spans: [
                span("responseLatency", Duration::ZERO, latency),
                span("responseDuration", latency, took.saturating_sub(latency)),
                span("runtimeOverhead", took, Duration::ZERO),
            ],
        })
    }
}

/// The number of events that an extension was too slow for.
pub(super) fn logs_dropped(events: u64, bytes: u64, at_ms: i64) -> Event {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct LogsDropped<'a> {
        dropped_bytes: u64,
        dropped_records: u64,
        reason: &'a str,
    }
    let reason = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.";
    let record = json(&LogsDropped { dropped_bytes: bytes, dropped_records: events, reason });
    Event { stream: Stream::Platform, kind: LOGS_DROPPED, at_ms, record: Record::Object(record) }
}

fn time(at_ms: i64) -> String {
    Timestamp::from_millis(at_ms).to_lambda().replace("+0000", "Z")
}
