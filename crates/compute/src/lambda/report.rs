//! What Lambda itself writes and answers about an invocation: START, END, REPORT, and the error documents of functions
//! that did not get to write their own. Words and shapes as observed on AWS.

use std::fmt;
use std::time::Duration;

use base::Timestamp;
use bytes::Bytes;
use sandbox::{Failure, InitReport, InitStatus, Outcome, RestoreReport};
use serde::Serialize;

use super::configuration::{LogFormat, RuntimeVersionConfig, SystemLogLevel};
use super::environment::Initialization;
use super::resolve::Resolved;
use super::runtime;

const MB: u64 = 1024 * 1024;

/// What a failed invocation is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FunctionError {
    /// The error document.
    pub(crate) payload: Bytes,
    /// Its `errorType`.
    pub(crate) error_type: String,
    /// REPORT's `Status`; a handler's own exception has none.
    status: Option<&'static str>,
    /// A line that the log gets before END.
    line: Option<String>,
}

/// An error document of Lambda's own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    error_type: &'a str,
    error_message: &'a str,
}

/// The answer for a failure; `Err` is a fault of ours.
pub(crate) fn function_error(
    failure: &Failure,
    resolved: &Resolved,
    request_id: &str,
    now: Timestamp,
) -> Result<FunctionError, String> {
    let error = match failure {
        Failure::Function { payload, error_type } => {
            FunctionError { payload: payload.clone(), error_type: error_type.clone(), status: None, line: None }
        }
        Failure::InitError { payload, error_type } => FunctionError {
            payload: payload.clone(),
            error_type: error_type.clone(),
            status: Some("error"),
            line: None,
        },
        Failure::Timeout => {
            let words = format!("Task timed out after {:.2} seconds", f64::from(resolved.timeout_secs));
            let line = format!("{} {request_id} {words}\n", to_millis(now));
            FunctionError { status: Some("timeout"), ..own("Sandbox.Timedout", &named(request_id, &words), Some(line)) }
        }
        Failure::Exit { status, signal } => {
            let words = named(request_id, &exit_words(*status, *signal));
            let line = format!("{words}\nRuntime.ExitError\n");
            own("Runtime.ExitError", &words, Some(line))
        }
        Failure::OutOfMemory => {
            let words = named(request_id, "Runtime exited with error: signal: killed");
            let line = format!("{words}\nRuntime.OutOfMemory\n");
            own("Runtime.OutOfMemory", &words, Some(line))
        }
        Failure::ResponseTooLarge { limit, .. } => {
            // Written elsewhere on AWS than the others, hence the other order.
            let error_type = "Function.ResponseSizeTooLarge";
            let words = format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
            let document = format!(r#"{{"errorMessage":"{words}","errorType":"{error_type}"}}"#);
            FunctionError { payload: document.into(), ..own(error_type, &words, None) }
        }
        Failure::Extension { error_type, words } => {
            let words = named(request_id, words);
            own(error_type, &words, Some(format!("{words}\n{error_type}\n")))
        }
        Failure::Malformed => own("Runtime.Unknown", &named(request_id, "Unknown application error occurred"), None),
        Failure::Internal(why) => return Err(why.clone()),
    };
    Ok(error)
}

/// A program that is not there, or that the kernel does not execute.
pub(crate) fn not_executable(request_id: &str, error_type: &str, words: &str) -> FunctionError {
    own(error_type, &named(request_id, words), None)
}

fn own(error_type: &str, message: &str, line: Option<String>) -> FunctionError {
    let document = serde_json::to_vec(&Document { error_type, error_message: message }).unwrap_or_default();
    FunctionError { payload: document.into(), error_type: error_type.to_owned(), status: Some("error"), line }
}

fn named(request_id: &str, words: &str) -> String {
    format!("RequestId: {request_id} Error: {words}")
}

fn exit_words(status: Option<i32>, signal: Option<i32>) -> String {
    match (status, signal) {
        (_, Some(signal)) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
        (Some(status), None) if status != 0 => format!("Runtime exited with error: exit status {status}"),
        _ => "Runtime exited without providing a reason".to_owned(),
    }
}

/// Go's names of signals, which Lambda's supervisor prints.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        31 => "bad system call",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

/// The line that a new environment begins with.
pub(crate) fn init_start(resolved: &Resolved, how: Initialization, now: Timestamp) -> Option<Bytes> {
    if resolved.image.is_some() {
        return None; // an image has no runtime version to tell
    }
    let runtime = RuntimeVersion::of(resolved);
    if resolved.log_format != LogFormat::Json {
        return Some(format!("INIT_START {runtime}\n").into());
    }
    let record = InitStartRecord {
        initialization_type: how.name(),
        phase: "init",
        runtime,
        function_name: &resolved.name,
        function_version: &resolved.version,
    };
    json(resolved, now, "platform.initStart", record)
}

/// The line that ends an init ahead of any request; that of a request has it in its REPORT.
pub(crate) fn init_report(
    resolved: &Resolved,
    report: &InitReport,
    how: Initialization,
    now: Timestamp,
) -> Option<Bytes> {
    let duration_ms = to_ms(report.duration);
    if resolved.log_format != LogFormat::Json {
        let line = failed_init_report(report, "init");
        return Some(line.unwrap_or_else(|| format!("INIT_REPORT Init Duration: {duration_ms:.2} ms\n")).into());
    }
    let record = InitReportRecord {
        initialization_type: how.name(),
        phase: "init",
        status: match report.status {
            InitStatus::Done => "success",
            InitStatus::TimedOut => "timeout",
            InitStatus::Failed { .. } => "error",
        },
        metrics: DurationMetrics { duration_ms: round2(duration_ms) },
    };
    json(resolved, now, "platform.initReport", record)
}

/// The line that a restored environment begins with.
pub(crate) fn restore_start(resolved: &Resolved, now: Timestamp) -> Option<Bytes> {
    let runtime = RuntimeVersion::of(resolved);
    if resolved.log_format != LogFormat::Json {
        return Some(format!("RESTORE_START {runtime}\n").into());
    }
    let record = RestoreStartRecord {
        runtime,
        function_name: &resolved.name,
        function_version: &resolved.version,
        instance_max_memory: u64::from(resolved.memory_mb) * MB,
    };
    json(resolved, now, "platform.restoreStart", record)
}

/// The line that ends a restore.
pub(crate) fn restore_report(
    resolved: &Resolved,
    report: &RestoreReport,
    failure: Option<&Failure>,
    now: Timestamp,
) -> Option<Bytes> {
    let duration_ms = to_ms(report.duration);
    let status = failure.map(|failure| if *failure == Failure::Timeout { "timeout" } else { "error" });
    if resolved.log_format != LogFormat::Json {
        let status = status.map(|status| format!("\tStatus: {status}")).unwrap_or_default();
        return Some(format!("RESTORE_REPORT Restore Duration: {duration_ms:.2} ms{status}\n").into());
    }
    let metrics = DurationMetrics { duration_ms: round2(duration_ms) };
    json(resolved, now, "platform.restoreReport", RestoreReportRecord { status: status.unwrap_or("success"), metrics })
}

/// The line that a request begins with.
pub(crate) fn start(resolved: &Resolved, request_id: &str, now: Timestamp) -> Option<Bytes> {
    let version = &resolved.version;
    if resolved.log_format != LogFormat::Json {
        return Some(format!("START RequestId: {request_id} Version: {version}\n").into());
    }
    json(resolved, now, "platform.start", StartRecord { request_id, version })
}

/// The lines that a request ends with.
pub(crate) fn end(
    resolved: &Resolved,
    request_id: &str,
    outcome: &Outcome,
    error: Option<&FunctionError>,
    now: Timestamp,
) -> Vec<Bytes> {
    let metrics = Metrics::of(resolved, outcome);
    let status = error.and_then(|e| e.status);
    if resolved.log_format == LogFormat::Json {
        let record = report_record(resolved, request_id, outcome, error);
        return json(resolved, now, "platform.report", record).into_iter().collect();
    }
    let mut lines: Vec<Bytes> = init_reports(outcome).map(Bytes::from).collect();
    lines.extend(error.and_then(|e| e.line.clone()).map(Bytes::from));
    lines.push(format!("END RequestId: {request_id}\n").into());
    lines.push(metrics.line(request_id, status, error).into());
    lines
}

/// INIT_REPORT stands only for attempts at init that failed; a good one is in REPORT's `Init Duration`.
fn init_reports(outcome: &Outcome) -> impl Iterator<Item = String> {
    let attempts = [(&outcome.init, "init"), (&outcome.init_retry, "invoke")];
    attempts.into_iter().filter_map(|(attempt, phase)| failed_init_report(attempt.as_ref()?, phase))
}

fn failed_init_report(attempt: &InitReport, phase: &str) -> Option<String> {
    let ms = to_ms(attempt.duration);
    match &attempt.status {
        InitStatus::Done => None,
        InitStatus::TimedOut => {
            Some(format!("INIT_REPORT Init Duration: {ms:.2} ms\tPhase: {phase}\tStatus: timeout\n"))
        }
        InitStatus::Failed { error_type } => Some(format!(
            "INIT_REPORT Init Duration: {ms:.2} ms\tPhase: {phase}\tStatus: error\tError Type: {error_type}\n"
        )),
    }
}

/// Which build of a runtime an environment has.
#[derive(Serialize)]
struct RuntimeVersion {
    /// `python:3.12.v1`.
    #[serde(rename = "runtimeVersion")]
    name: String,
    #[serde(rename = "runtimeVersionArn", skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
}

impl RuntimeVersion {
    fn of(resolved: &Resolved) -> RuntimeVersion {
        let RuntimeVersionConfig { runtime_version_arn } =
            RuntimeVersionConfig::of(&resolved.region, &resolved.runtime);
        RuntimeVersion { name: runtime::version_name(&resolved.runtime), arn: runtime_version_arn }
    }
}

impl fmt::Display for RuntimeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arn = self.arn.as_deref().unwrap_or_default();
        write!(f, "Runtime Version: {}\tRuntime Version ARN: {arn}", self.name)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitStartRecord<'a> {
    initialization_type: &'a str,
    phase: &'a str,
    #[serde(flatten)]
    runtime: RuntimeVersion,
    function_name: &'a str,
    function_version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitReportRecord<'a> {
    initialization_type: &'a str,
    phase: &'a str,
    status: &'a str,
    metrics: DurationMetrics,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoreStartRecord<'a> {
    #[serde(flatten)]
    runtime: RuntimeVersion,
    function_name: &'a str,
    function_version: &'a str,
    instance_max_memory: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoreReportRecord<'a> {
    status: &'a str,
    metrics: DurationMetrics,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DurationMetrics {
    duration_ms: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartRecord<'a> {
    request_id: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportRecord<'a> {
    request_id: &'a str,
    metrics: Metrics,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
}

/// The numbers of REPORT.
#[derive(Serialize)]
struct Metrics {
    #[serde(rename = "durationMs")]
    duration_ms: f64,
    #[serde(rename = "billedDurationMs")]
    billed_duration_ms: u64,
    #[serde(rename = "memorySizeMB")]
    memory_size_mb: u32,
    #[serde(rename = "maxMemoryUsedMB")]
    max_memory_used_mb: u64,
    #[serde(rename = "initDurationMs", skip_serializing_if = "Option::is_none")]
    init_duration_ms: Option<f64>,
    #[serde(rename = "restoreDurationMs", skip_serializing_if = "Option::is_none")]
    restore_duration_ms: Option<f64>,
    #[serde(rename = "billedRestoreDurationMs", skip_serializing_if = "Option::is_none")]
    billed_restore_duration_ms: Option<u64>,
}

/// What is billed of a request. Since August 2025 AWS bills the init phase like the invocation, in whole milliseconds.
pub(crate) fn billed_ms(outcome: &Outcome) -> u64 {
    let init = outcome.init.as_ref().map_or(Duration::ZERO, |init| init.duration);
    whole_ms(outcome.duration + init) + outcome.restore.map_or(0, |restore| whole_ms(restore.billed))
}

impl Metrics {
    fn of(resolved: &Resolved, outcome: &Outcome) -> Metrics {
        let init = outcome.init.as_ref().filter(|i| i.status == InitStatus::Done).map(|i| i.duration);
        let billed_restore_ms = outcome.restore.map(|restore| whole_ms(restore.billed));
        // Never more than the limit: the kernel counts what it was about to give, too.
        let used_mb = outcome.memory_peak_bytes.div_ceil(MB).min(u64::from(resolved.memory_mb));
        Metrics {
            duration_ms: round2(to_ms(outcome.duration)),
            billed_duration_ms: billed_ms(outcome),
            memory_size_mb: resolved.memory_mb,
            max_memory_used_mb: used_mb,
            init_duration_ms: init.map(|d| round2(to_ms(d))),
            restore_duration_ms: outcome.restore.map(|restore| round2(to_ms(restore.duration))),
            billed_restore_duration_ms: billed_restore_ms,
        }
    }

    fn line(&self, request_id: &str, status: Option<&str>, error: Option<&FunctionError>) -> String {
        let Metrics { duration_ms, billed_duration_ms, memory_size_mb, max_memory_used_mb, init_duration_ms, .. } =
            self;
        let mut line = format!(
            "REPORT RequestId: {request_id}\tDuration: {duration_ms:.2} ms\tBilled Duration: {billed_duration_ms} ms\t\
             Memory Size: {memory_size_mb} MB\tMax Memory Used: {max_memory_used_mb} MB\t"
        );
        if let Some(init) = init_duration_ms {
            line.push_str(&format!("Init Duration: {init:.2} ms\t"));
        }
        if let (Some(restore), Some(billed)) = (self.restore_duration_ms, self.billed_restore_duration_ms) {
            line.push_str(&format!("Restore Duration: {restore:.2} ms\tBilled Restore Duration: {billed} ms\t"));
        }
        if let Some(status) = status {
            line.push_str(&format!("Status: {status}\t"));
        }
        if let Some(error) = error.filter(|_| status == Some("error")) {
            line.push_str(&format!("Error Type: {}\t", error.error_type));
        }
        line.push('\n');
        line
    }
}

#[derive(Serialize)]
struct Record<'a, T> {
    time: String,
    #[serde(rename = "type")]
    kind: &'a str,
    record: T,
}

/// A request's report as extensions are told of it.
pub(super) fn record(resolved: &Resolved, request_id: &str, outcome: &Outcome, now: Timestamp) -> String {
    let failure = outcome.result.as_ref().err();
    let error = failure.and_then(|failure| function_error(failure, resolved, request_id, now).ok());
    serde_json::to_string(&report_record(resolved, request_id, outcome, error.as_ref())).unwrap_or_default()
}

fn report_record<'a>(
    resolved: &Resolved,
    request_id: &'a str,
    outcome: &Outcome,
    error: Option<&'a FunctionError>,
) -> ReportRecord<'a> {
    let status = error.and_then(|e| e.status);
    let error_type = error.map(|e| e.error_type.as_str()).filter(|_| status == Some("error"));
    let metrics = Metrics::of(resolved, outcome);
    ReportRecord { request_id, metrics, status: status.unwrap_or("success"), error_type }
}

/// Whether a function's lines are JSON.
pub(super) fn is_json(resolved: &Resolved) -> bool {
    resolved.log_format == LogFormat::Json
}

/// A line in JSON, unless the function's system log level hides it: INFO shows all of these, WARN none.
pub(super) fn json<T: Serialize>(resolved: &Resolved, now: Timestamp, kind: &str, record: T) -> Option<Bytes> {
    if resolved.system_log_level == Some(SystemLogLevel::Warn) {
        return None;
    }
    let mut line = serde_json::to_vec(&Record { time: to_millis(now), kind, record }).ok()?;
    line.push(b'\n');
    Some(line.into())
}

/// `2026-11-22T16:00:00.000Z`: always with milliseconds.
pub(crate) fn to_millis(now: Timestamp) -> String {
    now.to_lambda().replace("+0000", "Z")
}

/// As it is billed.
fn whole_ms(duration: Duration) -> u64 {
    duration.as_micros().div_ceil(1000) as u64
}

fn to_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn round2(ms: f64) -> f64 {
    (ms * 100.0).round() / 100.0
}
