//! `updraft serve`: a node in the foreground.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use node::config::{Egress, Iam, Isolation, KeepEvents, PoolSettings};
use node::{Node, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{Failure, tokio_runtime};

#[derive(Args)]
pub(super) struct Serve {
    /// Address to listen on; may be given more than once [default: 127.0.0.1:4566]
    #[arg(long, env = "UPDRAFT_LISTEN", value_delimiter = ',', value_name = "ADDRESS:PORT")]
    listen: Option<Vec<SocketAddr>>,
    /// Directory of all state [default: /var/lib/updraft as root, else ~/.local/share/updraft]
    #[arg(long, env = "UPDRAFT_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// TOML file with settings of the same names (data_dir = "…"); flags and environment are stronger
    #[arg(long, env = "UPDRAFT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Region of requests that name none [default: us-east-1]
    #[arg(long, env = "UPDRAFT_REGION")]
    region: Option<String>,
    /// How functions are kept apart: sandbox, or process, which isolates nothing [default: sandbox]
    #[arg(long, env = "UPDRAFT_ISOLATION", value_parser = isolation, value_name = "KIND")]
    isolation: Option<Isolation>,
    /// What functions reach outside: nat, or none but Updraft itself [default: nat]
    #[arg(long, env = "UPDRAFT_EGRESS", value_parser = egress, value_name = "KIND")]
    egress: Option<Egress>,
    /// What becomes of requests that IAM policies do not allow: enforce, warn or off [default: warn on loopback]
    #[arg(long, env = "UPDRAFT_IAM", value_parser = iam, value_name = "MODE")]
    iam: Option<Iam>,
    /// Directory with init hooks (ready.d/*.sh, *.py); may be given more than once
    #[arg(long = "init-dir", env = "UPDRAFT_INIT_DIRS", value_delimiter = ':', value_name = "DIR")]
    init_dirs: Option<Vec<PathBuf>>,
    /// Directory of runtime packs, the AWS SDKs that functions find [default: DATA_DIR/runtimes]
    #[arg(long, env = "UPDRAFT_RUNTIMES_DIR", value_name = "DIR")]
    runtimes_dir: Option<PathBuf>,
    /// Most sandboxes at a time [default: 1000]
    #[arg(long, env = "UPDRAFT_SANDBOXES_MAX", value_name = "N")]
    sandboxes_max: Option<u32>,
    /// Requests that may run at a time in an account and region [default: 1000, as on AWS]
    #[arg(long, env = "UPDRAFT_CONCURRENT_EXECUTIONS_MAX", value_name = "N")]
    concurrent_executions_max: Option<u32>,
    /// Parked Python sandboxes for each minor version in use [default: 8]
    #[arg(long, env = "UPDRAFT_POOL_PYTHON", value_name = "N")]
    pool_python: Option<usize>,
    /// Parked Node.js sandboxes for each major version in use [default: 4]
    #[arg(long, env = "UPDRAFT_POOL_NODE", value_name = "N")]
    pool_node: Option<usize>,
    /// Parked Java sandboxes for each memory class in use [default: 2]
    #[arg(long, env = "UPDRAFT_POOL_JAVA", value_name = "N")]
    pool_java: Option<usize>,
    /// Seconds an idle sandbox is kept [default: 600]
    #[arg(long, env = "UPDRAFT_KEEP_ALIVE_SECS", value_name = "SECONDS")]
    keep_alive_secs: Option<u64>,
    /// Seconds before the first retry of a failed asynchronous event [default: 60, as on AWS]
    #[arg(long, env = "UPDRAFT_ASYNC_RETRY_DELAY_SECS", value_name = "SECONDS")]
    async_retry_delay_secs: Option<u64>,
    /// Keep functions' events and answers, for `updraft events` and `updraft replay`: at most so many, or so much (64MB), or
    /// both (1000,64MB), and for a week. They hold whatever secrets events hold [default: none]
    #[arg(long, env = "UPDRAFT_KEEP_EVENTS", value_name = "N|SIZE")]
    keep_events: Option<KeepEvents>,
    /// Whether test/test and twelve-digit access keys are known; refused where other machines can reach the node
    #[arg(long, env = "UPDRAFT_TEST_CREDENTIALS", value_name = "BOOL", action = clap::ArgAction::Set)]
    test_credentials: Option<bool>,
    /// Send traces to an OpenTelemetry receiver as well, such as http://localhost:4318; only in builds with the feature otlp
    #[arg(long, env = "UPDRAFT_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Seconds a WebSocket connection stays without a message [default: 600, as on AWS]
    #[arg(long, env = "UPDRAFT_WEBSOCKET_IDLE_SECS", value_name = "SECONDS")]
    websocket_idle_secs: Option<u64>,
    /// Seconds a WebSocket connection stays at most [default: 7200, as on AWS]
    #[arg(long, env = "UPDRAFT_WEBSOCKET_LIFETIME_SECS", value_name = "SECONDS")]
    websocket_lifetime_secs: Option<u64>,
    /// PEM file of the server's certificate, followed by those that vouch for it. The port speaks http and https [default: a
    /// certificate for localhost and all names below it, made when it is first needed by an authority in DATA_DIR/tls]
    #[arg(long, env = "UPDRAFT_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key
    #[arg(long, env = "UPDRAFT_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// PEM file of certificate authorities to trust besides the system's, wherever the node asks others over https
    #[arg(long, env = "UPDRAFT_CA_BUNDLE", value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// What to log: error, warn, info, debug, trace, or a filter such as info,cloud=debug
    #[arg(long, env = "UPDRAFT_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
    /// Log JSON, one document a line
    #[arg(long, env = "UPDRAFT_LOG_JSON")]
    log_json: bool,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        start_logging(&self.log, self.log_json)?;
        let file = self.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        let config = self.settings().or(file).complete(default_data_dir(), super::runtimes::search())?;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        tokio_runtime(threads)?.block_on(serve(config))
    }

    fn settings(self) -> Settings {
        Settings {
            listen: self.listen,
            data_dir: self.data_dir,
            region: self.region,
            isolation: self.isolation,
            egress: self.egress,
            iam: self.iam,
            init_dirs: self.init_dirs,
            runtimes_dir: self.runtimes_dir,
            sandboxes_max: self.sandboxes_max,
            concurrent_executions_max: self.concurrent_executions_max,
            pools: PoolSettings { python: self.pool_python, node: self.pool_node, java: self.pool_java },
            keep_alive_secs: self.keep_alive_secs,
            async_retry_delay_secs: self.async_retry_delay_secs,
            keep_events: self.keep_events,
            test_credentials: self.test_credentials,
            otlp_endpoint: self.otlp_endpoint,
            websocket_idle_secs: self.websocket_idle_secs,
            websocket_lifetime_secs: self.websocket_lifetime_secs,
            tls_cert: self.tls_cert,
            tls_key: self.tls_key,
            ca_bundle: self.ca_bundle,
            prices: None,
            registries: None,
        }
    }
}

async fn serve(config: node::Config) -> Result<(), Failure> {
    // Before the start, so that a signal that comes meanwhile is not lost.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let isolates_nothing = config.isolation == Isolation::Process;
    let node = Node::start(config).await?;
    for address in node.addresses() {
        tracing::info!("listening on http://{address} (and https)");
    }
    if isolates_nothing {
        tracing::warn!("--isolation process: functions run as plain processes and are isolated from NOTHING");
    }
    for layer in node.degraded() {
        tracing::warn!("degraded isolation: {layer}");
    }
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests under way may end, new ones are refused");
    };
    // The line that Testcontainers and users' scripts wait for, as LocalStack prints it.
    node.run(|| println!("Ready."), stop).await;
    Ok(())
}

/// The settings of a server that another command starts: those of the environment, at an address of its own.
pub(super) fn from_environment(address: SocketAddr) -> Result<node::Config, Failure> {
    #[derive(clap::Parser)]
    struct Environment {
        #[command(flatten)]
        serve: Serve,
    }
    let Environment { serve } = clap::Parser::try_parse_from(["updraft"])?;
    start_logging("warn", false)?;
    let file = serve.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
    let settings = Settings { listen: Some(vec![address]), ..serve.settings() };
    Ok(settings.or(file).complete(default_data_dir(), super::runtimes::search())?)
}

fn start_logging(filter: &str, json: bool) -> Result<(), Failure> {
    // The storage engine tells its own housekeeping at `info`: of no use to users, unless they ask for it by name.
    let directives = format!("fjall=warn,lsm_tree=warn,{filter}");
    let filter = EnvFilter::try_new(directives).map_err(|error| format!("--log {filter}: {error}"))?;
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match json {
        true => logging.json().init(),
        false => logging.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
    }
    Ok(())
}

/// `/var/lib/updraft` for root, else below the user's own data directory.
#[expect(clippy::disallowed_methods, reason = "the command reads the environment")]
pub(super) fn default_data_dir() -> PathBuf {
    let home = std::env::var("HOME").map(PathBuf::from);
    match (home, std::env::var("XDG_DATA_HOME")) {
        (Ok(home), _) if home == Path::new("/root") => "/var/lib/updraft".into(),
        (_, Ok(data)) if !data.is_empty() => PathBuf::from(data).join("updraft"),
        (Ok(home), _) => home.join(".local/share/updraft"),
        (Err(_), _) => "/var/lib/updraft".into(),
    }
}

fn isolation(text: &str) -> Result<Isolation, String> {
    match text {
        "sandbox" => Ok(Isolation::Sandbox),
        "process" => Ok(Isolation::Process),
        _ => Err("sandbox or process".to_owned()),
    }
}

fn egress(text: &str) -> Result<Egress, String> {
    match text {
        "nat" => Ok(Egress::Nat),
        "none" => Ok(Egress::None),
        _ => Err("nat or none".to_owned()),
    }
}

fn iam(text: &str) -> Result<Iam, String> {
    match text {
        "enforce" => Ok(Iam::Enforce),
        "warn" => Ok(Iam::Warn),
        "off" => Ok(Iam::Off),
        _ => Err("enforce, warn or off".to_owned()),
    }
}
