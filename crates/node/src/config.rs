//! What a node is told at start: from flags, the environment and one TOML file, in that order of strength.
//!
//! `app` reads flags and environment (clap does both); this module reads the file, fills in defaults and refuses what
//! cannot be. Names of settings are the same in all three: `--data-dir`, `UPDRAFT_DATA_DIR`, `data_dir = …`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use base::Region;
use compute::lambda::RegistryLogin;
use observe::traces::otlp;
use serde::Deserialize;

pub use crate::keep_events::KeepEvents;

/// The port of everything, as users of emulators know it.
pub const PORT: u16 = 4566;

/// Settings as given; absent means the default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Addresses to listen on. Default `127.0.0.1:4566`.
    pub listen: Option<Vec<SocketAddr>>,
    /// The directory of all state. Default `/var/lib/updraft` for root, else `~/.local/share/updraft`.
    pub data_dir: Option<PathBuf>,
    /// The region of requests that name none. Default `us-east-1`.
    pub region: Option<String>,
    /// `sandbox` (default) or `process`, which isolates nothing.
    pub isolation: Option<Isolation>,
    /// `nat` (default) or `none`.
    pub egress: Option<Egress>,
    /// `enforce`, `warn` (default on loopback) or `off`.
    pub iam: Option<Iam>,
    /// Directories of init hooks; each may have `ready.d/`. Default `/etc/updraft/init` and `/etc/localstack/init`.
    pub init_dirs: Option<Vec<PathBuf>>,
    /// Where runtime packs (the AWS SDKs offered to functions) are. Default `<data_dir>/runtimes`.
    pub runtimes_dir: Option<PathBuf>,
    /// Most sandboxes at a time. Default 1,000, AWS's account limit; lowered to what the host bears.
    pub sandboxes_max: Option<u32>,
    /// Requests that may run at a time in an account and region. Default 1,000, as on AWS.
    pub concurrent_executions_max: Option<u32>,
    /// Parked sandboxes for each runtime in use.
    #[serde(default)]
    pub pools: PoolSettings,
    /// How long an idle sandbox is kept, in seconds. Default 600.
    pub keep_alive_secs: Option<u64>,
    /// How long a failed asynchronous event waits before its first retry, in seconds. Default 60, as on AWS.
    pub async_retry_delay_secs: Option<u64>,
    /// How many of functions' events are kept for `updraft replay`: `1000`, `64MB` or both. Default: none.
    pub keep_events: Option<KeepEvents>,
    /// Whether `test`/`test` and twelve-digit access keys are known. Default: yes on loopback; refused elsewhere.
    pub test_credentials: Option<bool>,
    /// Where traces go as OTLP over HTTP: `http://localhost:4318`. Default: nowhere. Builds with the feature `otlp` only.
    pub otlp_endpoint: Option<String>,
    /// How long a WebSocket connection stays without a message, in seconds. Default 600, as on AWS.
    pub websocket_idle_secs: Option<u64>,
    /// How long a WebSocket connection stays at most, in seconds. Default 7,200, as on AWS.
    pub websocket_lifetime_secs: Option<u64>,
    /// The server's own certificate, PEM, followed by those that vouch for it. Default: the node makes one when it is needed.
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Certificate authorities (PEM) that are trusted besides the system's when others are asked over https.
    pub ca_bundle: Option<PathBuf>,
    /// What AWS asks for Lambda, where it is not the public price list: a table in the file only.
    pub prices: Option<observe::usage::Prices>,
    /// Registries that container images come from, by host and port: tables in the file only, since they have passwords.
    pub registries: Option<BTreeMap<String, RegistryLogin>>,
}

/// How many sandboxes to park for each runtime in use.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSettings {
    /// Python. Default 8.
    pub python: Option<usize>,
    /// Node.js. Default 4.
    pub node: Option<usize>,
    /// Java. Default 2.
    pub java: Option<usize>,
}

/// How functions are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Linux namespaces, cgroups, seccomp.
    Sandbox,
    /// Plain processes: isolates nothing.
    Process,
}

/// What functions may reach outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// The outside world through NAT.
    Nat,
    /// Nothing but Updraft's own endpoint.
    None,
}

/// What becomes of requests that IAM policies do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Iam {
    /// They are refused.
    Enforce,
    /// They are let through and logged.
    Warn,
    /// Policies are not looked at.
    Off,
}

/// Complete, consistent settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses to listen on, at least one.
    pub listen: Vec<SocketAddr>,
    /// The directory of all state.
    pub data_dir: PathBuf,
    /// The region of requests that name none.
    pub region: Region,
    /// How functions are kept apart.
    pub isolation: Isolation,
    /// What functions may reach outside.
    pub egress: Egress,
    /// What becomes of requests that IAM policies do not allow.
    pub iam: Iam,
    /// Directories of init hooks.
    pub init_dirs: Vec<PathBuf>,
    /// Where runtime packs are.
    pub runtimes_dir: PathBuf,
    /// Most sandboxes at a time.
    pub sandboxes_max: u32,
    /// Requests that may run at a time in an account and region.
    pub concurrent_executions_max: u32,
    /// Parked sandboxes for each runtime in use.
    pub pools: PoolSettings,
    /// How long an idle sandbox is kept, in seconds.
    pub keep_alive_secs: u64,
    /// How long a failed asynchronous event waits before its first retry, in seconds.
    pub async_retry_delay_secs: u64,
    /// How many of functions' events are kept.
    pub keep_events: Option<KeepEvents>,
    /// Whether `test`/`test` and twelve-digit access keys are known.
    pub test_credentials: bool,
    /// Where traces go besides.
    pub otlp_endpoint: Option<otlp::Endpoint>,
    /// How long a WebSocket connection stays without a message, in seconds.
    pub websocket_idle_secs: u64,
    /// How long a WebSocket connection stays at most, in seconds.
    pub websocket_lifetime_secs: u64,
    /// The operator's certificate; none: the node makes its own.
    pub tls: Option<TlsFiles>,
    /// Certificate authorities that are trusted besides the system's.
    pub ca_bundle: Option<PathBuf>,
    /// What AWS asks for Lambda.
    pub prices: observe::usage::Prices,
    /// Registries that container images come from.
    pub registries: BTreeMap<String, RegistryLogin>,
    /// Where to look for interpreters.
    pub search: sandbox::Search,
}

/// Files of the server's certificate.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, and those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the config file {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the config file {} is not understood: {source}", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// What and where.
        source: Box<toml::de::Error>,
    },
    /// A region that is none.
    #[error("'{0}' is not a region name; use one like us-east-1")]
    Region(String),
    /// A receiver of traces that there cannot be.
    #[error("--otlp-endpoint: {0}")]
    Otlp(#[from] otlp::Refused),
    /// A certificate without its key, or the reverse.
    #[error("--tls-cert and --tls-key belong together; one is missing")]
    HalfTls,
    /// A file that a setting names and that cannot be read.
    #[error("--{setting} {}: {source}", path.display())]
    File {
        /// The setting.
        setting: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A list of addresses without any.
    #[error("no address to listen on; give --listen 127.0.0.1:4566")]
    NoListener,
}

impl Settings {
    /// Reads a TOML file.
    pub fn read(path: &Path) -> Result<Settings, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| Error::Parse { path: path.to_owned(), source: Box::new(source) })
    }

    /// These settings, with `other`'s where these are silent.
    pub fn or(self, other: Settings) -> Settings {
        Settings {
            listen: self.listen.or(other.listen),
            data_dir: self.data_dir.or(other.data_dir),
            region: self.region.or(other.region),
            isolation: self.isolation.or(other.isolation),
            egress: self.egress.or(other.egress),
            iam: self.iam.or(other.iam),
            init_dirs: self.init_dirs.or(other.init_dirs),
            runtimes_dir: self.runtimes_dir.or(other.runtimes_dir),
            sandboxes_max: self.sandboxes_max.or(other.sandboxes_max),
            concurrent_executions_max: self.concurrent_executions_max.or(other.concurrent_executions_max),
            pools: PoolSettings {
                python: self.pools.python.or(other.pools.python),
                node: self.pools.node.or(other.pools.node),
                java: self.pools.java.or(other.pools.java),
            },
            keep_alive_secs: self.keep_alive_secs.or(other.keep_alive_secs),
            async_retry_delay_secs: self.async_retry_delay_secs.or(other.async_retry_delay_secs),
            keep_events: self.keep_events.or(other.keep_events),
            test_credentials: self.test_credentials.or(other.test_credentials),
            otlp_endpoint: self.otlp_endpoint.or(other.otlp_endpoint),
            websocket_idle_secs: self.websocket_idle_secs.or(other.websocket_idle_secs),
            websocket_lifetime_secs: self.websocket_lifetime_secs.or(other.websocket_lifetime_secs),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            ca_bundle: self.ca_bundle.or(other.ca_bundle),
            prices: self.prices.or(other.prices),
            registries: self.registries.or(other.registries),
        }
    }

    /// Fills in defaults and refuses what cannot be.
    pub fn complete(self, home_data_dir: PathBuf, search: sandbox::Search) -> Result<Config, Error> {
        let data_dir = self.data_dir.unwrap_or(home_data_dir);
        let region = self.region.map_or(Ok(Region::default()), |r| Region::parse(&r).ok_or(Error::Region(r)))?;
        let listen = self.listen.unwrap_or_else(|| vec![SocketAddr::new(IpAddr::from([127, 0, 0, 1]), PORT)]);
        if listen.is_empty() {
            return Err(Error::NoListener);
        }
        readable("ca-bundle", self.ca_bundle.as_deref())?;
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            _ => return Err(Error::HalfTls),
        };
        let loopback = listen.iter().all(|a| a.ip().is_loopback());
        Ok(Config {
            region,
            isolation: self.isolation.unwrap_or(Isolation::Sandbox),
            egress: self.egress.unwrap_or(Egress::Nat),
            iam: self.iam.unwrap_or(if loopback { Iam::Warn } else { Iam::Enforce }),
            init_dirs: self
                .init_dirs
                .unwrap_or_else(|| vec!["/etc/updraft/init".into(), "/etc/localstack/init".into()]),
            runtimes_dir: self.runtimes_dir.unwrap_or_else(|| data_dir.join("runtimes")),
            sandboxes_max: self.sandboxes_max.unwrap_or(1000),
            concurrent_executions_max: self.concurrent_executions_max.unwrap_or(1000),
            pools: self.pools,
            keep_alive_secs: self.keep_alive_secs.unwrap_or(600),
            async_retry_delay_secs: self.async_retry_delay_secs.unwrap_or(60),
            keep_events: self.keep_events,
            // Asked for by default even where it will be refused: an open listener must be opened knowingly.
            test_credentials: self.test_credentials.unwrap_or(true),
            otlp_endpoint: self.otlp_endpoint.as_deref().map(otlp::Endpoint::parse).transpose()?,
            websocket_idle_secs: self.websocket_idle_secs.unwrap_or(600),
            websocket_lifetime_secs: self.websocket_lifetime_secs.unwrap_or(7_200),
            tls,
            ca_bundle: self.ca_bundle,
            prices: self.prices.unwrap_or_default(),
            registries: self.registries.unwrap_or_default(),
            data_dir,
            listen,
            search,
        })
    }
}

/// Refuses a file that will not be there when it is needed.
fn readable(setting: &'static str, path: Option<&Path>) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    let opened = std::fs::File::open(path);
    opened.map(drop).map_err(|source| Error::File { setting, path: path.to_owned(), source })
}

impl Config {
    /// Whether only this machine can reach the node: the condition for the seeded `test` credentials.
    pub fn is_loopback(&self) -> bool {
        self.listen.iter().all(|a| a.ip().is_loopback())
    }
}
