//! A Lambda on its own: store in memory, code cache in a temporary directory, nobody behind the ports.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{AccountId, Arn, Clock, Cx, Error, Region, Timestamp};
use bytes::Bytes;
use cloud::Operation;
use cloud::ports::{
    Counter, Credentials, LogDestination, LogEvent, LogSink, Meter, MeteredFunction, MetricName, Metrics,
    RoleCredentials, Scope, Series, Sources, Targets, Traces,
};
use compute::Lambda;
use compute::lambda::configuration::FunctionConfiguration;
use compute::lambda::operations::{CreateFunction, FunctionCode, GetFunctionConfiguration};
use compute::lambda::{CODE_STORAGE_BYTES_MAX, Config, Ports};
use sandbox::{Engine, Isolation, PoolTargets};
use store::Store;
use tempfile::TempDir;

use crate::zips::zip_of;

pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/lambda";
const PATIENCE: Duration = Duration::from_secs(10);

/// One server's life; [`World::restart`] begins the next over the same state.
pub(crate) struct World {
    pub(crate) lambda: Lambda,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) directory: Arc<TempDir>,
    /// What this life has measured.
    pub(crate) metrics: Values,
    settle_delay: Duration,
    targets: Targets,
    sources: Sources,
}

/// What a world is made of.
struct Setup {
    directory: Arc<TempDir>,
    store: Store,
    clock: Clock,
    settle_delay: Duration,
    targets: Targets,
    sources: Sources,
}

struct Nobody;

impl LogSink for Nobody {
    fn append(&self, _to: &LogDestination, _events: Vec<LogEvent>) {}
    fn append_own(&self, _to: &LogDestination, _events: Vec<LogEvent>) {}
    fn flushed(&self) -> cloud::BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Every value of every metric, in the order they came.
#[derive(Clone, Default)]
pub(crate) struct Values(Arc<Mutex<Vec<(&'static str, f64)>>>);

impl Values {
    /// The sum of a metric's values.
    pub(crate) fn sum(&self, metric: &str) -> f64 {
        let values = self.0.lock().expect("no test panics while it counts");
        values.iter().filter(|(name, _)| *name == metric).map(|(_, value)| value).sum()
    }
}

impl Metrics for Values {
    fn series(&self, _scope: &Arc<Scope>, metric: MetricName) -> Arc<dyn Series> {
        Arc::new(Valued { name: metric.name, values: self.clone() })
    }
}

struct Valued {
    name: &'static str,
    values: Values,
}

impl Series for Valued {
    fn record(&self, _at: Timestamp, value: f64) {
        self.values.0.lock().expect("no test panics while it counts").push((self.name, value));
    }
}

impl Meter for Nobody {
    fn counter(&self, _user: &MeteredFunction) -> Arc<Counter> {
        Arc::default()
    }
}

impl Traces for Nobody {
    fn put(&self, _account: AccountId, _region: &Region, _document: String) {}
}

impl Credentials for Nobody {
    fn for_role(&self, _role: &Arn, _session: &str, _lifetime_secs: u32, now: Timestamp) -> RoleCredentials {
        let text = String::new;
        RoleCredentials { access_key_id: text(), secret_access_key: text(), session_token: text(), expires: now }
    }
}

impl World {
    /// States settle at once.
    pub(crate) async fn new() -> World {
        World::with_settle_delay(Duration::ZERO).await
    }

    /// States stay Pending and InProgress for an hour.
    pub(crate) async fn slow() -> World {
        World::with_settle_delay(Duration::from_secs(3600)).await
    }

    async fn with_settle_delay(settle_delay: Duration) -> World {
        let directory = Arc::new(TempDir::new().expect("a temporary directory"));
        let store = Store::in_memory(store::system_clock());
        let clock = Clock::held(Timestamp::from_secs(1_795_363_200));
        let (targets, sources) = Default::default();
        let setup = Setup { directory, store, clock, settle_delay, targets, sources };
        World::open(setup, |_| ()).await
    }

    /// The same state under a new process, whose states settle at once.
    pub(crate) async fn restart(&self) -> World {
        World::open(Setup { settle_delay: Duration::ZERO, ..self.setup() }, |_| ()).await
    }

    /// As [`World::restart`], with others who take deliveries.
    pub(crate) async fn restart_with(&self, targets: Targets) -> World {
        World::open(Setup { settle_delay: Duration::ZERO, targets, ..self.setup() }, |_| ()).await
    }

    /// As [`World::restart`], with these queues and streams.
    pub(crate) async fn restart_with_sources(&self, sources: Sources) -> World {
        World::open(Setup { settle_delay: Duration::ZERO, sources, ..self.setup() }, |_| ()).await
    }

    /// The same with these queues and streams; states settle as slowly as before.
    pub(crate) async fn with_sources(self, sources: Sources) -> World {
        World::open(Setup { sources, ..self.setup() }, |_| ()).await
    }

    fn setup(&self) -> Setup {
        Setup {
            directory: self.directory.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            settle_delay: self.settle_delay,
            targets: self.targets.clone(),
            sources: self.sources.clone(),
        }
    }

    /// As [`World::restart`], with another configuration.
    pub(crate) async fn restart_configured(&self, change: impl FnOnce(&mut Config)) -> World {
        World::open(Setup { settle_delay: Duration::ZERO, ..self.setup() }, change).await
    }

    async fn open(setup: Setup, change: impl FnOnce(&mut Config)) -> World {
        let Setup { directory, store, clock, settle_delay, targets, sources } = setup;
        let mut config = Config {
            code_dir: directory.path().join("code"),
            hot_reload: true,
            endpoint_port: 4566,
            keep_alive: Duration::from_secs(1),
            async_retry_delay: Duration::ZERO,
            registries: Default::default(),
            concurrent_executions_max: 1_000,
            keep_events: None,
            code_storage_bytes_max: CODE_STORAGE_BYTES_MAX,
            settle_delay,
        };
        change(&mut config);
        let metrics = Values::default();
        let ports = Ports {
            engine: no_engine(&directory).await,
            logs: Arc::new(Nobody),
            metrics: Arc::new(metrics.clone()),
            meter: Arc::new(Nobody),
            traces: Arc::new(Nobody),
            credentials: Arc::new(Nobody),
            targets: targets.clone(),
            sources: sources.clone(),
            http: wire::client::Client::new(None),
        };
        let lambda = Lambda::open(config, store.clone(), clock.clone(), ports).await.expect("lambda opens");
        World { lambda, store, clock, directory, metrics, settle_delay, targets, sources }
    }

    /// The default account's root in us-east-1.
    pub(crate) fn cx(&self) -> Cx {
        Cx::internal(AccountId::DEFAULT, Region::default(), self.clock.clone())
    }

    /// Validates and runs an operation, as the front desk does.
    pub(crate) async fn call<O: Operation<Lambda>>(&self, operation: O) -> Result<O::Output, Error> {
        self.call_as(&self.cx(), operation).await
    }

    pub(crate) async fn call_as<O: Operation<Lambda>>(&self, cx: &Cx, operation: O) -> Result<O::Output, Error> {
        let value = operation.into_value();
        shape::validate::check(O::SCHEMA, &value)?;
        O::from_value(value).expect("a validated value fits").run(&self.lambda, cx).await
    }

    /// Creates a Python function and waits until it is active.
    pub(crate) async fn create(&self, name: &str) -> FunctionConfiguration {
        self.call(python(name)).await.expect("the function is created");
        self.settled(name).await
    }

    /// Waits until a function's `$LATEST` is between no two states.
    pub(crate) async fn settled(&self, name: &str) -> FunctionConfiguration {
        let settled = async {
            loop {
                let shown = self.configuration(name).await;
                let between = |state: &Option<String>, name: &str| state.as_deref() == Some(name);
                if !between(&shown.state, "Pending") && !between(&shown.last_update_status, "InProgress") {
                    return shown;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("the function settles")
    }

    pub(crate) async fn configuration(&self, name: &str) -> FunctionConfiguration {
        let get = GetFunctionConfiguration { function_name: name.into(), qualifier: None };
        self.call(get).await.expect("the function is there")
    }

    /// What is in the code cache, trees by name.
    pub(crate) fn trees(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path().join("code")).expect("the cache is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| name != ".boot").collect()
    }

    /// Waits until so many trees are left.
    pub(crate) async fn with_trees(&self, count: usize) {
        let gone = async {
            while self.trees().len() != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("unused trees go");
    }

    /// Waits until neither tree nor blob is left.
    pub(crate) async fn without_code(&self) {
        let gone = async {
            while !self.trees().is_empty() || !self.store.blobs().list().await.expect("blobs").is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("unused code goes");
    }
}

/// An engine that keeps nothing ready: no operation of the control plane runs code.
async fn no_engine(directory: &TempDir) -> Engine {
    let mut config = sandbox::Config::new(directory.path().join("engine"));
    config.isolation = Isolation::Process;
    config.pools = PoolTargets { python: 0, node: 0, java: 0, zygotes: false };
    Engine::start(config).await.expect("an engine starts")
}

/// A Python function with a zip of one file.
pub(crate) fn python(name: &str) -> CreateFunction {
    CreateFunction {
        function_name: name.into(),
        runtime: Some("python3.12".to_owned()),
        role: ROLE.to_owned(),
        handler: Some("app.handler".to_owned()),
        code: zip(app("1")),
        ..CreateFunction::default()
    }
}

/// A zip whose content depends on the text.
pub(crate) fn app(text: &str) -> Bytes {
    zip_of(&[("app.py", format!("def handler(event, context):\n    return {text}\n").as_bytes())])
}

pub(crate) fn zip(bytes: Bytes) -> FunctionCode {
    FunctionCode { zip_file: Some(bytes), ..FunctionCode::default() }
}

/// Asserts AWS's code and (the beginning of) AWS's words.
#[track_caller]
pub(crate) fn refused<T>(answer: Result<T, Error>, status: u16, code: &str, words: &str) {
    let error = answer.err().unwrap_or_else(|| panic!("should have been refused: {words}"));
    assert_eq!((error.status, error.code.as_ref()), (status, code), "{error}");
    assert!(error.message.starts_with(words), "{}\n  should begin with\n{words}", error.message);
}
