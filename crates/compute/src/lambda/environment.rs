//! One execution environment: what AWS puts into it, and where its output goes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::{Arn, Clock, Timestamp};
use bytes::Bytes;
use cloud::ports::{LogDestination, LogEvent};
use sandbox::engine::{ExtensionState, INIT_AHEAD_TIMEOUT, INIT_TIMEOUT, SubscriptionState};
use sandbox::{LaunchError, LogSink, Sandbox, Spec};

use super::configuration::{Architecture, LogFormat};
use super::fleet::{Place, Starting};
use super::resolve::Resolved;
use super::{Config, Ports, debugging, extension, report, snapstart};

/// How long an environment's credentials are good: AWS's maximum for a role session.
const CREDENTIALS_SECS: u32 = 12 * 3600;

/// What `LogType=Tail` shows at most, in bytes.
const TAIL_BYTES_MAX: usize = 4096;

/// How an environment comes to be initialised: `AWS_LAMBDA_INITIALIZATION_TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Initialization {
    /// When a request needs it.
    OnDemand,
    /// Ahead of requests, and kept.
    ProvisionedConcurrency,
    /// Once, to be restored when a request needs it.
    SnapStart,
}

impl Initialization {
    /// Of an environment that a request needs.
    pub(crate) fn of_request(resolved: &Resolved) -> Initialization {
        if resolved.snap_start { Initialization::SnapStart } else { Initialization::OnDemand }
    }

    /// AWS's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Initialization::OnDemand => "on-demand",
            Initialization::ProvisionedConcurrency => "provisioned-concurrency",
            Initialization::SnapStart => "snap-start",
        }
    }

    /// How long it may take.
    fn timeout(self, resolved: &Resolved) -> Duration {
        match self {
            Initialization::OnDemand => INIT_TIMEOUT,
            _ => INIT_AHEAD_TIMEOUT.max(Duration::from_secs(u64::from(resolved.timeout_secs))),
        }
    }
}

/// An execution environment.
pub(crate) struct Environment {
    pub(crate) sandbox: Sandbox,
    pub(crate) log: Arc<EnvironmentLog>,
    /// Held also so that its code's files stay where they are.
    pub(crate) resolved: Arc<Resolved>,
    /// It has to be restored before its first request.
    pub(crate) is_snapshot: bool,
    pub(crate) initialization: Initialization,
    /// Its place among the provisioned ones, if it is one of them.
    pub(crate) provisioned: Option<Place>,
    started: Instant,
}

impl Environment {
    /// Whether another request may go through it.
    pub(crate) fn is_usable(&self, age_max: Duration) -> bool {
        self.sandbox.is_alive() && self.started.elapsed() < age_max
    }

    /// Whether it is provisioned and there are more of those than are wanted.
    pub(crate) fn is_surplus(&self) -> bool {
        self.provisioned.as_ref().is_some_and(Place::is_surplus)
    }
}

/// Starts an environment that is to have an init.
pub(crate) async fn launch(
    ports: &Ports,
    clock: &Clock,
    config: &Config,
    resolved: &Arc<Resolved>,
    initialization: Initialization,
) -> Result<Environment, LaunchError> {
    let environment = start(ports, clock, config, resolved, initialization).await?;
    environment.log.write(report::init_start(resolved, initialization, clock.now()));
    Ok(environment)
}

/// Starts an environment, of which the log says nothing yet.
pub(crate) async fn start(
    ports: &Ports,
    clock: &Clock,
    config: &Config,
    resolved: &Arc<Resolved>,
    initialization: Initialization,
) -> Result<Environment, LaunchError> {
    let stream = log_stream(&resolved.version, clock.now());
    let to = LogDestination {
        account: resolved.account,
        region: resolved.region.clone(),
        group: resolved.log_group.as_str().into(),
        stream: stream.as_str().into(),
    };
    let to = Mutex::new(Arc::new(to));
    let log = Arc::new(EnvironmentLog {
        ports: ports.clone(),
        to,
        clock: clock.clone(),
        resolved: resolved.clone(),
        state: Mutex::default(),
    });
    let env = variables(resolved, ports, config, initialization, &stream, clock.now());
    let spec = Arc::new(Spec {
        runtime: resolved.runtime.clone(),
        architecture: match resolved.architecture {
            Architecture::Arm64 => sandbox::Architecture::Arm64,
            _ => sandbox::Architecture::X86_64,
        },
        handler: resolved.handler.clone(),
        code: resolved.code.path().to_owned(),
        image: resolved.image.clone(),
        code_in_place: resolved.hot_reload,
        opt: resolved.layers.as_ref().map(|layers| layers.path().to_owned()),
        env,
        credentials: snapstart::credentials(resolved, ports, clock),
        memory_mb: resolved.memory_mb,
        tmp_mb: resolved.ephemeral_storage_mb,
        timeout: Duration::from_secs(u64::from(resolved.timeout_secs)),
        init_timeout: initialization.timeout(resolved),
        function_name: resolved.name.clone(),
        function_version: resolved.version.clone(),
        log_group: resolved.log_group.clone(),
        // AWS tells functions with SnapStart none, since it changes with the restore.
        log_stream: if resolved.snap_start { String::new() } else { stream },
        // What is initialised ahead stands still, and a debugger with it.
        debug: debugging::port(config, &resolved.environment).filter(|_| initialization == Initialization::OnDemand),
        owner: resolved.account.to_string(),
    });
    let sandbox = ports.engine.launch(spec, log.clone()).await?;
    Ok(Environment {
        sandbox,
        log,
        resolved: resolved.clone(),
        is_snapshot: false,
        initialization,
        provisioned: None,
        started: Instant::now(),
    })
}

/// `2026/11/22/[$LATEST]` and 32 random digits.
pub(crate) fn log_stream(version: &str, now: Timestamp) -> String {
    let civil = now.civil();
    let random = base::id::lower_hex(32);
    format!("{:04}/{:02}/{:02}/[{version}]{random}", civil.year, civil.month, civil.day)
}

/// The environment variables of AWS's list of "defined runtime environment variables" and the user's. Those that only
/// the engine knows (`AWS_LAMBDA_RUNTIME_API`, `PATH`, …) it adds itself.
fn variables(
    resolved: &Resolved,
    ports: &Ports,
    config: &Config,
    initialization: Initialization,
    log_stream: &str,
    now: Timestamp,
) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = Vec::with_capacity(24 + resolved.environment.len());
    let mut set = |name: &str, value: &str| env.push((name.to_owned(), value.to_owned()));
    set("AWS_LAMBDA_FUNCTION_NAME", &resolved.name);
    set("AWS_LAMBDA_FUNCTION_VERSION", &resolved.version);
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &resolved.memory_mb.to_string());
    set("AWS_LAMBDA_INITIALIZATION_TYPE", initialization.name());
    if !resolved.snap_start {
        set("AWS_LAMBDA_LOG_GROUP_NAME", &resolved.log_group);
        set("AWS_LAMBDA_LOG_STREAM_NAME", log_stream);
    }
    if resolved.image.is_none() {
        set("AWS_EXECUTION_ENV", &format!("AWS_Lambda_{}", resolved.runtime));
    }
    set("AWS_REGION", resolved.region.as_str());
    set("AWS_DEFAULT_REGION", resolved.region.as_str());
    set("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR");
    let (daemon, port) = sandbox::TRACE_DAEMON;
    set("AWS_XRAY_DAEMON_ADDRESS", &format!("{daemon}:{port}"));
    set("_AWS_XRAY_DAEMON_ADDRESS", &daemon.to_string());
    set("_AWS_XRAY_DAEMON_PORT", &port.to_string());
    if resolved.log_format == LogFormat::Json {
        set("AWS_LAMBDA_LOG_FORMAT", "JSON");
        if let Some(level) = &resolved.application_log_level {
            set("AWS_LAMBDA_LOG_LEVEL", level.name());
        }
    }
    // With SnapStart they are asked for instead: variables would be as old as the snapshot.
    if let Some(role) = Arn::parse(&resolved.role).filter(|_| !resolved.snap_start) {
        // Any well-formed role is taken until IAM stands, but it never leads into another account.
        let role = Arn { account: resolved.account.to_string(), ..role };
        let credentials = ports.credentials.for_role(&role, &resolved.name, CREDENTIALS_SECS, now);
        set("AWS_ACCESS_KEY_ID", &credentials.access_key_id);
        set("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key);
        set("AWS_SESSION_TOKEN", &credentials.session_token);
    }
    if !resolved.environment.contains_key("AWS_ENDPOINT_URL") {
        set("AWS_ENDPOINT_URL", &format!("http://localhost:{}", config.endpoint_port));
    }
    env.extend(resolved.environment.iter().map(|(name, value)| (name.clone(), value.clone())));
    env
}

/// Where an environment's output goes: into its log stream, and the last of it into the tail of the present request.
pub(crate) struct EnvironmentLog {
    ports: Ports,
    to: Mutex<Arc<LogDestination>>,
    clock: Clock,
    resolved: Arc<Resolved>,
    state: Mutex<Present>,
}

/// What is remembered for the present request.
#[derive(Default)]
struct Present {
    /// START, until the request really begins: a first request's init writes before it.
    start: Option<Bytes>,
    /// The end of what was written, if the caller asked for it.
    tail: Option<Vec<u8>>,
    /// Its place among those that boot, until it has.
    starting: Option<Starting>,
}

impl EnvironmentLog {
    /// It boots, and holds a place until it begins its first request.
    pub(crate) fn starts(&self, place: Starting) {
        self.lock().starting = Some(place);
    }

    /// Prepares for a request: its START line, and whether its output is wanted.
    pub(crate) fn begin(&self, start: Option<Bytes>, wants_tail: bool) {
        let mut present = self.lock();
        present.start = start;
        present.tail = wants_tail.then(Vec::new);
    }

    /// Writes the lines that end a request; gives the tail if it was wanted.
    pub(crate) fn end(&self, lines: impl IntoIterator<Item = Bytes>) -> Option<Vec<u8>> {
        self.invoke_begins(); // an environment that failed in init never got that far
        self.write(lines);
        self.lock().tail.take()
    }

    /// Writes lines of our own.
    pub(crate) fn write(&self, lines: impl IntoIterator<Item = Bytes>) {
        let at = self.clock.now();
        let events: Vec<LogEvent> = lines.into_iter().map(|message| LogEvent { at, message }).collect();
        if events.is_empty() {
            return;
        }
        let mut present = self.lock();
        if let Some(tail) = &mut present.tail {
            events.iter().for_each(|event| keep_tail(tail, &event.message));
        }
        drop(present);
        self.ports.logs.append_own(&self.to(), events);
    }

    /// What comes from now on goes into another stream.
    pub(crate) fn move_to(&self, stream: String) {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        *to = Arc::new(LogDestination { stream: stream.as_str().into(), ..(**to).clone() });
    }

    fn to(&self) -> Arc<LogDestination> {
        self.to.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Present> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogSink for EnvironmentLog {
    fn line(&self, at_ms: i64, text: Bytes) {
        if text.is_empty() {
            return; // no event is
        }
        // A copy, so that a short line does not hold all that was read with it.
        let message = Bytes::copy_from_slice(&text);
        if let Some(tail) = &mut self.lock().tail {
            keep_tail(tail, &message);
        }
        self.ports.logs.append(&self.to(), vec![LogEvent { at: Timestamp::from_millis(at_ms), message }]);
    }

    fn invoke_begins(&self) {
        let (start, booted) = {
            let mut present = self.lock();
            (present.start.take(), present.starting.take())
        };
        drop(booted);
        self.write(start);
    }

    fn subscription(&self, state: &SubscriptionState) {
        self.write(extension::subscription_line(&self.resolved, state, self.clock.now()));
    }

    fn extension(&self, state: &ExtensionState) {
        self.write(extension::state_line(&self.resolved, state, self.clock.now()));
    }
}

fn keep_tail(tail: &mut Vec<u8>, message: &[u8]) {
    tail.extend_from_slice(message);
    if tail.len() > TAIL_BYTES_MAX {
        tail.drain(..tail.len() - TAIL_BYTES_MAX);
    }
}
