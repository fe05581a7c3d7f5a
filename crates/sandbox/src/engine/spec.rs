//! The words of the engine's door: what to run, what goes in, what comes out. Plain data, no behaviour.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{extensions::ExtensionState, stream::Outlet, telemetry::SubscriptionState, trace_daemon::TraceDaemon};

/// Largest response of a synchronous invocation, in bytes: AWS's 6 MB and a little for its envelope.
pub const RESPONSE_BYTES_MAX: usize = 6_291_556;

/// Largest streamed response, in bytes: AWS's 200 MB.
pub const STREAM_BYTES_MAX: usize = 200 * 1024 * 1024;

/// Largest request payload the engine carries, in bytes (AWS: 6 MB for synchronous invocations).
pub const PAYLOAD_BYTES_MAX: usize = 6_291_556;

/// Time AWS gives the init phase before it starts over inside the invocation.
pub const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time AWS gives an init that runs ahead of any request (provisioned concurrency, SnapStart): this, or the function's own
/// timeout where that is longer.
pub const INIT_AHEAD_TIMEOUT: Duration = Duration::from_secs(130);

/// Instruction set a function was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Architecture {
    /// `x86_64`
    #[default]
    X86_64,
    /// `arm64`
    Arm64,
}

/// Everything that makes an execution environment of one function version.
#[derive(Debug, Clone)]
pub struct Spec {
    /// AWS's runtime name, for example `python3.12` or `provided.al2023`.
    pub runtime: String,
    /// What the code was built for. Interpreted code runs on either; a custom runtime of the other kind fails to exec.
    pub architecture: Architecture,
    /// Handler as the user wrote it, for example `app.handler`.
    pub handler: String,
    /// The extracted code tree; becomes `/var/task`, or for an image the root. Never written to.
    pub code: PathBuf,
    /// Present if the code is a container image: then `runtime`, `handler` and `opt` mean nothing.
    pub image: Option<ImageProcess>,
    /// The code tree is a directory that its owner edits while functions run: nothing derived from it is trusted.
    pub code_in_place: bool,
    /// Becomes `/opt`: all layers, laid over each other. Never written to.
    pub opt: Option<PathBuf>,
    /// The user's variables and all of AWS's but those only the engine can know
    /// (`AWS_LAMBDA_RUNTIME_API`, `LAMBDA_TASK_ROOT`, `LAMBDA_RUNTIME_DIR`, `_HANDLER`, `PATH`, `LANG`, `TZ`, `LD_LIBRARY_PATH`).
    pub env: Vec<(String, String)>,
    /// Where the function gets credentials while it runs; none: they are among its variables, good for as long as they are.
    pub credentials: Option<Credentials>,
    /// Memory limit in MB (1024 * 1024 bytes); CPU is in proportion, 1,769 MB being one vCPU.
    pub memory_mb: u32,
    /// Size of `/tmp` in MB.
    pub tmp_mb: u32,
    /// Time for one invocation, counted from the end of a successful init.
    pub timeout: Duration,
    /// Time for the first attempt at init; on AWS [`INIT_TIMEOUT`], or [`INIT_AHEAD_TIMEOUT`] ahead of any request.
    pub init_timeout: Duration,
    /// Function name, told to the runtime.
    pub function_name: String,
    /// Version, `$LATEST` or a number, told to the runtime.
    pub function_version: String,
    /// Log group, told to the runtime.
    pub log_group: String,
    /// Log stream of this environment, told to the runtime.
    pub log_stream: String,
    /// Where a debugger attaches; none: nowhere.
    pub debug: Option<DebugPort>,
    /// Opaque to the engine (the account, say); given back in [`SandboxIdentity`].
    pub owner: String,
}

/// Where a debugger attaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct DebugPort {
    /// On the host's loopback, and inside of the sandbox.
    pub port: u16,
    /// The function's own code waits until somebody has attached.
    pub wait: bool,
}

/// Credentials that a function asks for, as a container does: `AWS_CONTAINER_CREDENTIALS_FULL_URI` in its environment leads
/// to its Runtime API's address. AWS has them for SnapStart, where variables would be older than the environment.
#[derive(Clone)]
pub struct Credentials {
    /// What the function must say to get them (`AWS_CONTAINER_AUTHORIZATION_TOKEN`).
    pub token: String,
    /// Makes AWS's document of them, JSON with `AccessKeyId`, `SecretAccessKey`, `Token` and `Expiration`. Must not block.
    pub fetch: Arc<dyn Fn() -> String + Send + Sync>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

/// How a container image is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageProcess {
    /// Program (an absolute path in the image) and arguments; empty if the image names none.
    pub argv: Vec<String>,
    /// The image's own variables; [`Spec::env`] wins over them.
    pub env: Vec<(String, String)>,
    /// Where it runs, an absolute path in the image.
    pub directory: String,
}

/// Who speaks on a connection that came out of a sandbox.
#[derive(Debug, Clone)]
pub struct SandboxIdentity {
    /// Number of the sandbox, unique within this engine's life.
    pub sandbox: u64,
    /// What it runs.
    pub spec: Arc<Spec>,
}

/// Where a sandbox's output goes.
pub trait LogSink: Send + Sync {
    /// One record as it was written: a line of standard output with its line feed, if it has one, or one record of the
    /// telemetry pipe (may have many lines, and a line feed at its end or not). At most 256 KB; longer ones come in
    /// pieces. `at_ms` is milliseconds since the epoch.
    ///
    /// Must not block. Order is kept, and everything written before a response is delivered before that
    /// invocation's [`Outcome`].
    fn line(&self, at_ms: i64, text: Bytes);

    /// Init is over, all it wrote has been delivered, and the event is about to be handed over.
    fn invoke_begins(&self) {}

    /// Init is over, or has failed, and this is where an extension stands.
    fn extension(&self, _: &ExtensionState) {}

    /// An extension has subscribed to telemetry.
    fn subscription(&self, _: &SubscriptionState) {}
}

/// Who is told an answer before its environment is free.
pub type EarlyAnswer = tokio::sync::oneshot::Sender<Result<Bytes, Failure>>;

/// One request. Its deadline is the [`Spec`]'s timeout, counted from the moment the environment is initialised.
#[derive(Debug, Default)]
pub struct Request {
    /// Request id, the same in headers, logs and reports.
    pub request_id: String,
    /// ARN the caller named, qualifier included.
    pub function_arn: String,
    /// `X-Amzn-Trace-Id`, if tracing.
    pub trace_id: Option<String>,
    /// Client context, raw JSON.
    pub client_context: Option<String>,
    /// Cognito identity, raw JSON.
    pub cognito_identity: Option<String>,
    /// The event: JSON text, at most [`PAYLOAD_BYTES_MAX`].
    pub payload: Bytes,
    /// Where a streamed answer goes while it is written; without it such an answer is collected, up to
    /// [`RESPONSE_BYTES_MAX`].
    pub outlet: Option<Outlet>,
    /// Told the function's answer as soon as it is there, when extensions keep the environment after that.
    /// [`super::Sandbox::lingers`] says whether they may. Without extensions nothing comes.
    pub early: Option<EarlyAnswer>,
    /// Who receives what the function sends to the trace daemon, if the request is traced. An environment keeps the first.
    pub trace_daemon: Option<Arc<dyn TraceDaemon>>,
}

/// How one attempt at init went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitStatus {
    /// The runtime asked for its first event.
    Done,
    /// The runtime reported an error or ended; AWS's error type, for example `Runtime.ImportModuleError`.
    Failed {
        /// AWS's error type.
        error_type: String,
    },
    /// It did not end in time.
    TimedOut,
}

/// One attempt at init.
#[derive(Debug, Clone)]
pub struct InitReport {
    /// From the launch to the end of the attempt.
    pub duration: Duration,
    /// How it went.
    pub status: InitStatus,
}

/// An init ahead of any request that failed; the sandbox is gone.
#[derive(Debug, Clone)]
pub struct InitFailure {
    /// The attempt.
    pub report: InitReport,
    /// Why, as an invocation would have told it.
    pub failure: Failure,
}

impl InitFailure {
    pub(crate) fn internal(what: &str) -> InitFailure {
        let status = InitStatus::Failed { error_type: "Runtime.Unknown".into() };
        let report = InitReport { duration: Duration::ZERO, status };
        InitFailure { report, failure: Failure::Internal(what.into()) }
    }
}

/// Time AWS gives a restore, hooks included.
pub const RESTORE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a restore went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreReport {
    /// All of it.
    pub duration: Duration,
    /// The part in which the function's own hooks may have run.
    pub billed: Duration,
}

/// A restore that failed; the sandbox is gone.
#[derive(Debug, Clone)]
pub struct RestoreFailure {
    /// What there was of it.
    pub report: RestoreReport,
    /// Why: [`Failure::Timeout`], [`Failure::Function`] for a hook's own error, or an end of the process.
    pub failure: Failure,
}

/// What became of one request.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The function's answer, or why there is none. What went to the request's [`Outlet`] is not repeated here.
    pub result: Result<Bytes, Failure>,
    /// Present in the first invocation of an environment, unless it was initialised ahead: its init phase. It is not part
    /// of `duration`.
    pub init: Option<InitReport>,
    /// Present in the first invocation after a restore.
    pub restore: Option<RestoreReport>,
    /// Present when the init phase failed: as AWS does, init is tried once more, in a fresh environment, within the
    /// invocation and its timeout (it *is* part of `duration`).
    pub init_retry: Option<InitReport>,
    /// Time of the invoke phase.
    pub duration: Duration,
    /// How much of that extensions took after the runtime's answer, where there are any.
    pub extensions: Option<Duration>,
    /// Most memory the environment ever used.
    pub memory_peak_bytes: u64,
}

/// Why a request has no answer. After anything but [`Failure::Function`] the sandbox is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The handler failed and the runtime said so; the sandbox lives on.
    Function {
        /// The error document as the runtime shaped it.
        payload: Bytes,
        /// `errorType` in it, or what the runtime's header said.
        error_type: String,
    },
    /// The timeout passed; the sandbox was killed.
    Timeout,
    /// The runtime ended without an answer.
    Exit {
        /// Exit status, when it exited.
        status: Option<i32>,
        /// Signal, when one killed it.
        signal: Option<i32>,
    },
    /// The memory limit was reached and the kernel killed it.
    OutOfMemory,
    /// The response is over its limit.
    ResponseTooLarge {
        /// Its size, as far as known.
        bytes: usize,
        /// [`RESPONSE_BYTES_MAX`] or [`STREAM_BYTES_MAX`].
        limit: usize,
    },
    /// Init failed, twice, and the runtime said why.
    InitError {
        /// The error document as the runtime shaped it.
        payload: Bytes,
        /// `errorType` in it.
        error_type: String,
    },
    /// An extension ended, or reported an error.
    Extension {
        /// AWS's error type: `Extension.Crash`, `Extension.InitError`, `Extension.ExitError`, `Extension.LaunchError`.
        error_type: String,
        /// How it ended, in Go's words, or what it reported.
        words: String,
    },
    /// The runtime broke the protocol.
    Malformed,
    /// The engine's own fault, in words.
    Internal(String),
}
