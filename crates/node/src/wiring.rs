//! What a node is made of, put together in plain calls.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use base::Clock;
use cloud::describe::{ServiceDescription, describe};
use cloud::ports::{Sources, Targets};
use cloud::{Desk, IamMode, Registry};
use compute::Lambda;
use compute::lambda;
use gateway::Gateway;
use gateway::http_api::ApiGatewayV2;
use gateway::rest::ApiGateway;
use gateway::web_socket::ManagementApi;
use identity::{Identity, Seed, Sts};
use observe::{CloudWatch, Logs, Usage, XRay};
use sandbox::Engine;
use store::Store;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use wire::client::{Client, Reach};
use wire::server::{self, Peer, Tls};

use crate::config::{self, Config, KeepEvents};
use crate::hooks::Hooks;
use crate::house::House;

/// How long the scripts of `shutdown.d` may take, all together.
const HOOKS_AT_SHUTDOWN: Duration = Duration::from_secs(30);

/// How long WebSocket connections may take to be closed, their functions to hear of it.
const WEB_SOCKETS_AT_SHUTDOWN: Duration = Duration::from_secs(10);

/// A running node.
pub struct Node {
    house: Arc<House>,
    listeners: Vec<TcpListener>,
    tls: Arc<Tls>,
    store: Store,
    logs: Arc<Logs>,
    cloudwatch: Arc<CloudWatch>,
    engine: Engine,
    hooks: Arc<Hooks>,
    stop: watch::Sender<bool>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("cannot use the data directory {}: {source}\n  give another with --data-dir, or its owner's rights", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The state cannot be opened.
    #[error("cannot open the state in {}: {source}\n  is another updraft running with this --data-dir?", path.display())]
    Store {
        /// Where.
        path: PathBuf,
        /// Why.
        source: store::Error,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}\n  is another program using the port? choose one with --listen")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error("--tls-cert and --tls-key: {0}")]
    Tls(#[from] server::Refused),
    /// The sandboxes cannot be made.
    #[error("{0}\n  `--isolation process` runs functions as plain processes, isolated from nothing")]
    Sandbox(#[from] sandbox::Error),
    /// Lambda's state cannot be read.
    #[error("{0}")]
    Lambda(#[from] lambda::OpenError),
    /// The well-known credentials would be open to the network.
    #[error(
        "{0} can be reached from other machines, so the well-known test/test credentials are refused there\n  \
         listen on 127.0.0.1, or start with --test-credentials=false and use credentials of your own"
    )]
    TestCredentials(std::net::SocketAddr),
}

impl Node {
    /// Opens the state, starts the services and binds the listeners. Nothing is answered until [`Node::run`].
    pub async fn start(config: Config) -> Result<Node, StartError> {
        if let Some(open) = config.listen.iter().find(|a| !a.ip().is_loopback()).filter(|_| config.test_credentials) {
            return Err(StartError::TestCredentials(*open));
        }
        raise_open_files();
        let clock = Clock::system();
        let in_data_dir = |source| StartError::DataDir { path: config.data_dir.clone(), source };
        make_private(&config.data_dir).map_err(in_data_dir)?;
        let listeners = listen(&config).await?;
        let master = crate::credentials::master_key(&config.data_dir).map_err(in_data_dir)?;
        let tls = Arc::new(tls(&config)?);
        let inside = Inside::new(tls.clone());
        // At the same time, since both mostly wait: for the disk, and for the kernel's networks.
        let (store, engine) = tokio::try_join!(open_store(&config.data_dir, &clock), async {
            Ok(Engine::start(engine_config(&config, &clock, &listeners, &inside)).await?)
        })?;
        let seed = if config.test_credentials { Seed::Test } else { Seed::Nothing };
        let identity = Arc::new(Identity::new(master, seed));
        let http = Client::new(config.ca_bundle.clone());
        let observers = Observers::start(&store, &clock, &config, &http);
        let ports = observers.lambda_ports(&engine, &identity, &http);
        let lambda = Lambda::open(lambda_config(&config, &listeners), store.clone(), clock.clone(), ports).await?;
        let ports = observers.gateway_ports(&config, &lambda, &identity, &http, &tls);
        let gateway = Gateway::open(store.clone(), clock.clone(), ports, lifetimes(&config));
        if let Err(error) = gateway.show_certificates().await {
            tracing::error!(%error, "custom domain names have the node's own certificate until the next start");
        }
        let registry = observers.registry(&lambda, &gateway);
        let hooks = Arc::new(Hooks::new(config.init_dirs.clone(), hook_environment(&config, &listeners)));
        let desk = Arc::new(Desk::new(Arc::new(registry), identity, iam_mode(&config), clock));
        let Observers { logs, cloudwatch, xray, usage } = observers;
        let house = Arc::new(House {
            desk,
            lambda,
            gateway,
            engine: engine.clone(),
            cloudwatch: cloudwatch.clone(),
            usage,
            xray,
            store: store.clone(),
            hooks: hooks.clone(),
            ready_at: Instant::now(),
            session_id: base::id::uuid(),
            config,
        });
        inside.open(&house);
        Ok(Node { house, listeners, tls, store, logs, cloudwatch, engine, hooks, stop: watch::Sender::new(false) })
    }

    /// The addresses that are listened on.
    pub fn addresses(&self) -> Vec<std::net::SocketAddr> {
        self.listeners.iter().filter_map(|l| l.local_addr().ok()).collect()
    }

    /// Layers of isolation that this host lacks, each in a sentence.
    pub fn degraded(&self) -> Vec<String> {
        let layers = self.engine.posture().degraded();
        let sentence = |layer: &sandbox::Layer| match &layer.state {
            sandbox::LayerState::Degraded { why } => format!("{}: {why}. {}", layer.name, layer.fix),
            sandbox::LayerState::Present => layer.name.to_owned(),
        };
        layers.map(sentence).collect()
    }

    /// Answers requests until `stop` completes; then lets those under way end, and closes everything in order.
    pub async fn run(self, ready: impl FnOnce(), stop: impl Future<Output = ()>) {
        let Node { house, listeners, tls, store, logs, cloudwatch, engine, hooks, stop: stopping } = self;
        tokio::pin!(stop);
        let early = async {
            hooks.run("boot").await;
            hooks.run("start").await;
        };
        tokio::select! {
            () = early => {}
            () = &mut stop => stopping.send_modify(|stop| *stop = true),
        }
        let mut servers = JoinSet::new();
        for listener in listeners {
            let mut stopping = stopping.subscribe();
            let stopped = async move { _ = stopping.wait_for(|stop| *stop).await };
            servers.spawn(server::serve(listener, house.clone(), tls.clone(), stopped));
        }
        ready();
        let ready_hooks = tokio::spawn({
            let hooks = hooks.clone();
            async move { hooks.run("ready").await }
        });
        if !*stopping.borrow() {
            stop.await;
        }
        ready_hooks.abort();
        // While functions can still be told.
        house.gateway.end_connections(WEB_SOCKETS_AT_SHUTDOWN).await;
        house.lambda.begin_close();
        stopping.send_replace(true);
        while servers.join_next().await.is_some() {}
        if tokio::time::timeout(HOOKS_AT_SHUTDOWN, hooks.run("shutdown")).await.is_err() {
            tracing::warn!("the shutdown hooks took longer than {} s and were ended", HOOKS_AT_SHUTDOWN.as_secs());
        }
        house.lambda.close();
        engine.shutdown().await;
        logs.flush().await;
        cloudwatch.flush().await;
        house.usage.flush().await;
        house.xray.close().await;
        if let Err(error) = store.close().await {
            tracing::error!(%error, "the store did not close cleanly; it repairs itself at the next start");
        }
    }
}

/// Who keeps what happens: the services that everything else reports to.
struct Observers {
    logs: Arc<Logs>,
    cloudwatch: Arc<CloudWatch>,
    xray: Arc<XRay>,
    usage: Arc<Usage>,
}

impl Observers {
    fn start(store: &Store, clock: &Clock, config: &Config, http: &Client) -> Observers {
        let receiver = config.otlp_endpoint.clone().map(|endpoint| (endpoint, http.clone()));
        Observers {
            logs: Logs::start(store.clone(), clock.clone()),
            cloudwatch: CloudWatch::start(store.clone(), clock.clone()),
            xray: XRay::start(store.clone(), clock.clone(), receiver),
            usage: Usage::start(store.clone(), clock.clone(), config.prices.clone()),
        }
    }

    fn lambda_ports(&self, engine: &Engine, identity: &Arc<Identity>, http: &Client) -> lambda::Ports {
        lambda::Ports {
            engine: engine.clone(),
            logs: self.logs.sink(),
            metrics: self.cloudwatch.sink(),
            meter: self.usage.clone(),
            traces: self.xray.sink(),
            credentials: identity.clone(),
            // Queues, topics, buses, buckets and streams register here as their services come to stand.
            targets: Targets::default(),
            sources: Sources::default(),
            http: http.clone(),
        }
    }

    fn gateway_ports(
        &self,
        config: &Config,
        lambda: &Lambda,
        identity: &Arc<Identity>,
        http: &Client,
        tls: &Arc<Tls>,
    ) -> gateway::Ports {
        // Its own: Lambda knows itself, and would never end if it held a list that holds it.
        let targets = Targets::default();
        targets.register("lambda", Arc::new(lambda.clone()));
        gateway::Ports {
            functions: Arc::new(lambda.clone()),
            targets,
            http: http.clone().within(if config.is_loopback() { Reach::Neighbours } else { Reach::Outside }),
            certificates: tls.clone(),
            logs: self.logs.sink(),
            metrics: self.cloudwatch.sink(),
            traces: self.xray.sink(),
            credentials: identity.clone(),
        }
    }

    /// All services that have an API.
    fn registry(&self, lambda: &Lambda, gateway: &Gateway) -> Registry {
        let mut registry = Registry::default();
        registry.mount(Arc::new(lambda.clone()));
        registry.mount(self.logs.clone());
        registry.mount(self.cloudwatch.clone());
        registry.mount(self.xray.clone());
        registry.mount(Arc::new(ApiGateway(gateway.clone())));
        registry.mount(Arc::new(ApiGatewayV2(gateway.clone())));
        registry.mount(Arc::new(ManagementApi(gateway.clone())));
        registry.mount(Arc::new(Sts));
        registry
    }
}

/// All declarations, without a running node: for `updraft __schemas`.
pub fn schemas() -> Vec<ServiceDescription> {
    vec![
        describe::<Lambda>(),
        describe::<Logs>(),
        describe::<CloudWatch>(),
        describe::<XRay>(),
        describe::<ApiGateway>(),
        describe::<ApiGatewayV2>(),
        describe::<ManagementApi>(),
        describe::<Sts>(),
    ]
}

/// Lets the node have as many files and connections open as the system allows it: what it is given at first is for programs
/// that use `select`, and 1,024 are few for a server.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Makes the data directory for its owner only: functions' variables, events and logs are in it.
fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mode = std::fs::metadata(directory)?.permissions().mode();
    if mode & 0o077 != 0 {
        let owned = std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700));
        if let Err(error) = owned {
            tracing::warn!(%error, "{} can be read by others; it holds functions' secrets", directory.display());
        }
    }
    Ok(())
}

/// The operator's certificate, or one of the node's own authority once somebody knocks with TLS.
fn tls(config: &Config) -> Result<Tls, server::Refused> {
    let directory = config.data_dir.join("tls");
    match &config.tls {
        Some(given) => Tls::given(directory, &given.certificate, &given.key),
        None => Ok(Tls::own(directory)),
    }
}

async fn listen(config: &Config) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::new();
    for address in &config.listen {
        let bound = TcpListener::bind(address).await;
        listeners.push(bound.map_err(|source| StartError::Listen { address: *address, source })?);
    }
    Ok(listeners)
}

async fn open_store(data_dir: &Path, clock: &Clock) -> Result<Store, StartError> {
    let path = data_dir.join("store");
    let (place, clock) = (path.clone(), clock.clone());
    let open = move || Store::open(&place, Arc::new(move || clock.now().millis()));
    let opened = tokio::task::spawn_blocking(open).await;
    opened
        .unwrap_or_else(|panic| Err(store::Error::Panicked(panic.to_string())))
        .map_err(|source| StartError::Store { path, source })
}

/// The port that functions find us on: that of the first listener.
fn port(listeners: &[TcpListener]) -> u16 {
    listeners.first().and_then(|l| l.local_addr().ok()).map_or(config::PORT, |a| a.port())
}

fn engine_config(config: &Config, clock: &Clock, listeners: &[TcpListener], inside: &Inside) -> sandbox::Config {
    let defaults = sandbox::PoolTargets::default();
    let inside = inside.clone();
    sandbox::Config {
        runtime_dir: config.runtimes_dir.clone(),
        search: config.search.clone(),
        clock: clock.clone(),
        isolation: match config.isolation {
            config::Isolation::Sandbox => sandbox::Isolation::Sandbox,
            config::Isolation::Process => sandbox::Isolation::Process,
        },
        egress: match config.egress {
            config::Egress::Nat => sandbox::Egress::Nat,
            config::Egress::None => sandbox::Egress::None,
        },
        endpoint_port: port(listeners),
        endpoint: Arc::new(move |stream, _| Box::pin(inside.clone().serve(stream))),
        sandboxes_max: config.sandboxes_max,
        pools: sandbox::PoolTargets {
            python: config.pools.python.unwrap_or(defaults.python),
            node: config.pools.node.unwrap_or(defaults.node),
            java: config.pools.java.unwrap_or(defaults.java),
            ..defaults
        },
        ..sandbox::Config::new(config.data_dir.join("sandboxes"))
    }
}

fn lambda_config(config: &Config, listeners: &[TcpListener]) -> lambda::Config {
    lambda::Config {
        code_dir: config.data_dir.join("code"),
        hot_reload: config.is_loopback(),
        registries: config.registries.clone(),
        endpoint_port: port(listeners),
        keep_alive: Duration::from_secs(config.keep_alive_secs),
        async_retry_delay: Duration::from_secs(config.async_retry_delay_secs),
        concurrent_executions_max: config.concurrent_executions_max,
        keep_events: config.keep_events.map(KeepEvents::keeping),
        code_storage_bytes_max: lambda::CODE_STORAGE_BYTES_MAX,
        settle_delay: Duration::ZERO,
    }
}

fn lifetimes(config: &Config) -> gateway::Lifetimes {
    gateway::Lifetimes {
        idle: Duration::from_secs(config.websocket_idle_secs),
        whole: Duration::from_secs(config.websocket_lifetime_secs),
    }
}

fn iam_mode(config: &Config) -> IamMode {
    match config.iam {
        config::Iam::Enforce => IamMode::Enforce,
        config::Iam::Warn => IamMode::Warn,
        config::Iam::Off => IamMode::Off,
    }
}

/// What init hooks find in their environment: everything AWS's tools need.
fn hook_environment(config: &Config, listeners: &[TcpListener]) -> Vec<(String, String)> {
    let set = |name: &str, value: String| (name.to_owned(), value);
    let mut environment = vec![
        set("AWS_ENDPOINT_URL", format!("http://localhost:{}", port(listeners))),
        set("AWS_DEFAULT_REGION", config.region.to_string()),
        set("AWS_REGION", config.region.to_string()),
    ];
    if config.test_credentials {
        environment.push(set("AWS_ACCESS_KEY_ID", "test".to_owned()));
        environment.push(set("AWS_SECRET_ACCESS_KEY", "test".to_owned()));
    }
    environment
}

/// The door for connections out of sandboxes: open once the house stands.
#[derive(Clone)]
struct Inside {
    house: Arc<OnceLock<std::sync::Weak<House>>>,
    tls: Arc<Tls>,
}

impl Inside {
    fn new(tls: Arc<Tls>) -> Inside {
        Inside { house: Arc::default(), tls }
    }

    fn open(&self, house: &Arc<House>) {
        _ = self.house.set(Arc::downgrade(house));
    }

    async fn serve(self, stream: TcpStream) {
        let Some(house) = self.house.get().and_then(std::sync::Weak::upgrade) else { return };
        let peer = Peer { address: None, from_sandbox: true, tls: false, hops: 0 };
        server::serve_connection(stream, house, &self.tls, peer).await;
    }
}
