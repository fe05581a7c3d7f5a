//! AWS Lambda: the service, its operations by name, and what they share.
//!
//! Here is the control plane: what functions there are, what their code and settings are, who may use them. Nothing runs
//! here; invocation has files of its own and comes in through [`Lambda`]'s `resolve`, which needs no read of the store.
//! State is in the store ([`records`]) and, unpacked, in the code cache ([`code`]), which can be lost.

pub mod alias;
pub(crate) mod asynchronous;
pub(crate) mod calls;
pub(crate) mod code;
pub mod code_signing;
pub(crate) mod code_storage;
pub(crate) mod code_uses;
pub(crate) mod concurrency;
pub mod configuration;
pub(crate) mod debugging;
pub(crate) mod deployment;
pub(crate) mod environment;
pub(crate) mod error;
pub mod event_invoke_config;
pub mod event_source_mapping;
pub(crate) mod extension;
pub(crate) mod fleet;
pub(crate) mod function;
pub(crate) mod gauges;
pub(crate) mod hot_reload;
pub mod image;
pub(crate) mod invoke;
pub(crate) mod kept_events;
pub mod layer;
pub mod lineage;
pub(crate) mod metrics;
pub mod name;
mod not_yet;
pub mod operations;
pub(crate) mod paging;
pub(crate) mod policy;
pub(crate) mod poller;
pub(crate) mod records;
pub(crate) mod registries;
pub(crate) mod report;
pub mod resolve;
pub(crate) mod response_stream;
pub(crate) mod runtime;
pub(crate) mod settings;
pub(crate) mod settle;
pub(crate) mod snapstart;
pub(crate) mod trace;
pub(crate) mod unreadable;
pub mod url;

use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::{AccountId, Arn, Clock, Cx, Error, Region};
use bytes::Bytes;
use cloud::ports::{Credentials, LogSink, Meter, Metrics, Sources, Targets, Traces};
use cloud::{BoxFuture, NotYet, Op, Service, ServiceId, check, op};
use sandbox::Engine;
use store::{Key, Scan, Store};
use tokio::sync::RwLock;
use wire::protocol::{Protocol, REQUEST_BYTES_MAX};

use code::CodeCache;
use code::link::LinkKey;
use error::Failure;
use fleet::Fleet;
use kept_events::Keeper;
use layer::LayerTarget;
use name::{Qualifier, Target};
use operations::*;
use records::{FUNCTIONS, LAYER_VERSIONS, SECRETS, Secret};
use resolve::Cache;

pub use code::CodeTree;
pub use code::link::PATH as CODE_DOWNLOAD_PATH;
pub use fleet::Environments;
pub use kept_events::{Keeping, KeptEvent, KeptWhole};
pub use oci::registry::Login as RegistryLogin;
pub use resolve::Resolved;

/// The service. A cheap handle: clones share everything.
#[derive(Clone)]
pub struct Lambda(Arc<Shared>);

/// What all operations and invocations share.
pub struct Shared {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) code: CodeCache,
    /// Held for reading while code is stored and not yet referred to, for writing while garbage is collected. Enough for
    /// one node; a cluster needs the age of the blob instead.
    pub(crate) collection: Arc<RwLock<()>>,
    pub(crate) cache: Cache,
    pub(crate) urls: url::UrlCache,
    pub(crate) fleet: Arc<Fleet>,
    /// Held while the fleet is told what is stored of concurrency.
    pub(crate) applying: tokio::sync::Mutex<()>,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) meter: Arc<dyn Meter>,
    pub(crate) traces: Arc<dyn Traces>,
    pub(crate) sampler: trace::Sampler,
    pub(crate) targets: Targets,
    pub(crate) sources: Sources,
    pub(crate) pulls: registries::Pulls,
    pub(crate) http: wire::client::Client,
    pub(crate) pollers: event_source_mapping::states::Pollers,
    pub(crate) workers: asynchronous::Workers,
    /// Present if events are kept.
    pub(crate) keeper: Option<Keeper>,
    link_key: LinkKey,
}

impl Deref for Lambda {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// AWS's default quota of all code of an account in a region, 75 GB, in bytes.
pub const CODE_STORAGE_BYTES_MAX: u64 = 80_530_636_800;

/// What the node decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where unpacked code is kept: a cache, made again when it is lost.
    pub code_dir: PathBuf,
    /// Whether the `hot-reload` bucket and debuggers' ports work. They show any directory of the host to functions and open
    /// ports of it, so they are for loopback only; and so is asking registries that are not named below.
    pub hot_reload: bool,
    /// Registries that container images may come from, by host and port, and as whom they are asked.
    pub registries: BTreeMap<String, RegistryLogin>,
    /// The port of the node's own endpoint, the same inside every sandbox.
    pub endpoint_port: u16,
    /// How long an idle execution environment is kept.
    pub keep_alive: Duration,
    /// How long a failed asynchronous event waits before its first retry, and half of what it waits before its second.
    /// AWS: one minute.
    pub async_retry_delay: Duration,
    /// Requests that may run at a time in an account and region, all functions together. AWS's default: 1,000.
    pub concurrent_executions_max: u32,
    /// How many events are kept for `updraft replay`; none: they hold secrets.
    pub keep_events: Option<Keeping>,
    /// Code that an account may store in a region, zipped, in bytes. AWS's default: 75 GB.
    pub code_storage_bytes_max: u64,
    /// How long Pending and InProgress last beyond what they must: zero, but for tests that want to see them.
    pub settle_delay: Duration,
}

/// What Lambda needs of others.
#[derive(Clone)]
pub struct Ports {
    /// What runs functions.
    pub engine: Engine,
    /// Where functions' logs go.
    pub logs: Arc<dyn LogSink>,
    /// Where Lambda's metrics go.
    pub metrics: Arc<dyn Metrics>,
    /// Who counts what functions use.
    pub meter: Arc<dyn Meter>,
    /// Who keeps traces.
    pub traces: Arc<dyn Traces>,
    /// Who makes the execution roles' credentials.
    pub credentials: Arc<dyn Credentials>,
    /// Who takes what is handed over: destinations, dead letters. Lambda itself need not be among them.
    pub targets: Targets,
    /// Whose queues and streams can be mapped to functions.
    pub sources: Sources,
    /// What asks others over HTTP.
    pub http: wire::client::Client,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The code cache's directory cannot be used.
    #[error("cannot use the code cache: {0}")]
    CodeCache(#[from] io::Error),
    /// The store failed.
    #[error("cannot read lambda's state: {0}")]
    Store(#[from] store::Error),
    /// What a crash interrupted cannot be finished.
    #[error("cannot finish what was interrupted: {0}")]
    Recover(String),
}

impl Lambda {
    /// Opens the service over its stored state and finishes what an earlier process began.
    pub async fn open(config: Config, store: Store, clock: Clock, ports: Ports) -> Result<Lambda, OpenError> {
        let directory = config.code_dir.clone();
        let opened = tokio::task::spawn_blocking(move || CodeCache::open(directory)).await;
        let code = opened.map_err(io::Error::other)??;
        let link_key = LinkKey(secret(&store, "code-link").await?);
        let keeper = Lambda::start_keeping(config.keep_events, &store, &clock).await?;
        let (collection, cache) = (Arc::default(), Cache::default());
        let (metrics, meter, traces) = (ports.metrics.clone(), ports.meter.clone(), ports.traces.clone());
        let sampler = trace::Sampler::default();
        let (targets, sources) = (ports.targets.clone(), ports.sources.clone());
        let (workers, pollers) = (asynchronous::Workers::new(), Default::default());
        let http = ports.http.clone();
        let fleet = Fleet::start(ports, clock.clone(), config.clone());
        let lambda = Lambda(Arc::new(Shared {
            store,
            clock,
            config,
            code,
            collection,
            cache,
            urls: url::UrlCache::default(),
            fleet,
            metrics,
            meter,
            traces,
            sampler,
            targets,
            sources,
            pulls: registries::Pulls::default(),
            http,
            pollers,
            workers,
            applying: tokio::sync::Mutex::default(),
            keeper,
            link_key,
        }));
        let recovered = async {
            lambda.forget_arrivals().await?;
            lambda.collect().await?;
            lambda.settle_all().await?;
            lambda.expect_all().await?;
            lambda.count_stored_code().await?;
            lambda.apply_all_concurrency().await?;
            lambda.start_mappings().await
        };
        recovered.await.map_err(|error: Failure| OpenError::Recover(error.to_string()))?;
        lambda.remake_snapshots();
        lambda.start_gauges();
        lambda.start_async_workers().await?;
        Ok(lambda)
    }

    /// How many execution environments there are.
    pub fn environments(&self) -> Environments {
        self.fleet.environments()
    }

    /// Takes no more asynchronous events: the first call of a stop.
    pub fn begin_close(&self) {
        self.fleet.begin_close();
        self.pollers.stop_all();
    }

    /// Ends all idle execution environments: the last call before the engine is shut down.
    pub fn close(&self) {
        self.fleet.close();
    }

    /// The zip that a link out of GetFunction means, if the link is ours and still good. The HTTP layer mounts it, without
    /// authentication, at [`CODE_DOWNLOAD_PATH`]; `None` is a 403.
    pub async fn code_download(&self, path: &str, query: &str) -> Option<Bytes> {
        let id = self.link_key.check(path, query, self.clock.now())?;
        self.store.blobs().get(id).await.ok()
    }

    /// A link by which the caller can fetch a zip.
    pub(crate) fn code_link(&self, cx: &Cx, id: store::BlobId) -> String {
        self.link_key.link(cx, id)
    }

    async fn reset_functions(&self, account: Option<AccountId>) -> Result<(), Failure> {
        self.forget_mappings(account).await?;
        self.forget_events(account).await?;
        self.forget_kept_events(account).await;
        let scan = account.map_or_else(Scan::all, |account| Scan::under(account.as_str()));
        for (key, _) in self.store.scan(FUNCTIONS, scan).await? {
            if let Some(target) = target_of(&key) {
                self.remove(&target, None).await?;
            }
        }
        self.reset_layers(account).await?;
        self.reset_code_signing(account).await?;
        if account.is_none() {
            self.reset_images().await?;
        }
        self.collect().await
    }
}

/// The function a key of [`FUNCTIONS`] means.
pub(crate) fn target_of(key: &Key) -> Option<Target> {
    let (account, region, name) = key.parts::<(String, String, String)>()?;
    let (account, region) = (AccountId::parse(&account)?, Region::parse(&region)?);
    Some(Target { account, region, name, qualifier: None })
}

/// A key of our own, drawn when it is first needed.
async fn secret(store: &Store, purpose: &'static str) -> Result<Vec<u8>, store::Error> {
    let fresh = base::id::lower_hex(64).into_bytes();
    store
        .transact(move |tx| {
            if let Some(secret) = tx.get(SECRETS, &Key::of(purpose.to_owned()))? {
                return Ok(secret.key);
            }
            tx.put(SECRETS, &Key::of(purpose.to_owned()), &Secret { key: fresh.clone() })?;
            Ok(fresh.clone())
        })
        .await
}

impl Service for Lambda {
    const ID: ServiceId = ServiceId::new("lambda", &[Protocol::RestJson1], "2015-03-31")
        .path_prefixes(&[
            "2014-11-13",
            "2015-03-31",
            "2016-08-19",
            "2017-03-31",
            "2017-10-31",
            "2018-10-31",
            "2019-09-25",
            "2019-09-30",
            "2020-04-22",
            "2020-06-30",
            "2021-07-20",
            "2021-10-31",
            "2021-11-15",
            "2024-08-31",
            "2025-11-30",
            "2025-12-01",
            "2026-07-09",
        ])
        .body_limit_bytes(REQUEST_BYTES_MAX);

    const OPERATIONS: &'static [Op<Self>] = &[
        op::<_, AddLayerVersionPermission>(),
        op::<_, AddPermission>(),
        op::<_, CreateAlias>(),
        op::<_, CreateCodeSigningConfig>(),
        op::<_, CreateEventSourceMapping>(),
        op::<_, CreateFunction>(),
        op::<_, CreateFunctionUrlConfig>(),
        op::<_, DeleteAlias>(),
        op::<_, DeleteCodeSigningConfig>(),
        op::<_, DeleteEventSourceMapping>(),
        op::<_, DeleteFunction>(),
        op::<_, DeleteFunctionCodeSigningConfig>(),
        op::<_, DeleteFunctionConcurrency>(),
        op::<_, DeleteFunctionEventInvokeConfig>(),
        op::<_, DeleteFunctionUrlConfig>(),
        op::<_, DeleteLayerVersion>(),
        op::<_, DeleteProvisionedConcurrencyConfig>(),
        op::<_, DeleteResourcePolicy>(),
        op::<_, GetAccountSettings>(),
        op::<_, GetAlias>(),
        op::<_, GetCodeSigningConfig>(),
        op::<_, GetEventSourceMapping>(),
        op::<_, GetFunction>(),
        op::<_, GetFunctionCodeSigningConfig>(),
        op::<_, GetFunctionConcurrency>(),
        op::<_, GetFunctionConfiguration>(),
        op::<_, GetFunctionEventInvokeConfig>(),
        op::<_, GetFunctionRecursionConfig>(),
        op::<_, GetFunctionUrlConfig>(),
        op::<_, GetLayerVersion>(),
        op::<_, GetLayerVersionByArn>(),
        op::<_, GetLayerVersionPolicy>(),
        op::<_, GetPolicy>(),
        op::<_, GetProvisionedConcurrencyConfig>(),
        op::<_, GetResourcePolicy>(),
        op::<_, GetRuntimeManagementConfig>(),
        op::<_, Invoke>(),
        op::<_, InvokeAsync>(),
        op::<_, InvokeWithResponseStream>(),
        op::<_, ListAliases>(),
        op::<_, ListCodeSigningConfigs>(),
        op::<_, ListEventSourceMappings>(),
        op::<_, ListFunctionEventInvokeConfigs>(),
        op::<_, ListFunctionUrlConfigs>(),
        op::<_, ListFunctions>(),
        op::<_, ListFunctionsByCodeSigningConfig>(),
        op::<_, ListLayerVersions>(),
        op::<_, ListLayers>(),
        op::<_, ListProvisionedConcurrencyConfigs>(),
        op::<_, ListTags>(),
        op::<_, ListVersionsByFunction>(),
        op::<_, PublishLayerVersion>(),
        op::<_, PublishVersion>(),
        op::<_, PutFunctionCodeSigningConfig>(),
        op::<_, PutFunctionConcurrency>(),
        op::<_, PutFunctionEventInvokeConfig>(),
        op::<_, PutFunctionRecursionConfig>(),
        op::<_, PutProvisionedConcurrencyConfig>(),
        op::<_, PutResourcePolicy>(),
        op::<_, PutRuntimeManagementConfig>(),
        op::<_, RemoveLayerVersionPermission>(),
        op::<_, RemovePermission>(),
        op::<_, TagResource>(),
        op::<_, UntagResource>(),
        op::<_, UpdateAlias>(),
        op::<_, UpdateCodeSigningConfig>(),
        op::<_, UpdateEventSourceMapping>(),
        op::<_, UpdateFunctionCode>(),
        op::<_, UpdateFunctionConfiguration>(),
        op::<_, UpdateFunctionEventInvokeConfig>(),
        op::<_, UpdateFunctionUrlConfig>(),
    ];

    const NOT_YET: &'static [NotYet] = not_yet::NOT_YET;

    fn resource_policy<'a>(&'a self, cx: &'a Cx, resource: &'a Arn) -> BoxFuture<'a, Option<String>> {
        let _ = cx;
        Box::pin(async move {
            let unreadable =
                |error: &store::Error| tracing::error!(%error, %resource, "a resource policy is unreadable");
            let (account, region) = (AccountId::parse(&resource.account)?, Region::parse(&resource.region)?);
            if let Some((layer, Some(number))) = LayerTarget::of_arn(resource) {
                let version = self.store.get(LAYER_VERSIONS, &layer.version_key(number)).await;
                let version = version.inspect_err(unreadable).ok()??;
                return Some(version.policy).filter(|policy| !policy.is_empty()).map(|policy| policy.document());
            }
            let mut words = resource.resource.strip_prefix("function:")?.splitn(2, ':');
            let (name, qualifier) = (words.next()?.to_owned(), words.next().unwrap_or_default());
            let target = Target { account, region, name, qualifier: Some(Qualifier::parse(qualifier)) };
            let function = self.store.get(FUNCTIONS, &target.key()).await.inspect_err(unreadable).ok()??;
            function.policies.get(qualifier).map(policy::Policy::document)
        })
    }

    fn reset<'a>(&'a self, account: Option<AccountId>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { Ok(self.reset_functions(account).await?) })
    }
}

const _: () = check(Lambda::OPERATIONS);
