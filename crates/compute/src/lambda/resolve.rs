//! From a name in a request to everything an invocation needs, without reading the store.
//!
//! The answers are cached and the cache is emptied, function by function, by every change. A reader that was overtaken by
//! a change while it read the store must not put its old answer into the cache: hence the generation. For an alias with two
//! versions the answer is both, and each request draws its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use base::{AccountId, Arn, Cx, Error, Region};
use store::Snapshot;

use super::code::CodeTree;
use super::configuration::{Architecture, LogFormat, LogLevel, SystemLogLevel};
use super::error::{Failure, conflict, no_function};
use super::function::version_at;
use super::lineage::{self, RecursiveLoop};
use super::metrics::Meters;
use super::name::{Qualifier, QualifierText, Target};
use super::records::{ALIASES, Code, State, VersionRecord, version_text};
use super::{Config, Lambda, debugging, snapstart};

/// Most functions whose answers are kept.
const FUNCTIONS_MAX: usize = 10_000;

/// Everything that an invocation of one version needs. Hold it as long as the execution environment lives: its
/// [`CodeTree`] keeps the files in place.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The account it is in.
    pub account: AccountId,
    /// The region it is in.
    pub region: Region,
    /// The function's own name.
    pub name: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// The function's ARN, without version.
    pub function_arn: Arn,
    /// The ARN as it was asked for, with the qualifier if there was one: the context's `invoked_function_arn`.
    pub invoked_arn: Arn,
    /// AWS's name of the runtime.
    pub runtime: String,
    /// The entry point.
    pub handler: String,
    /// The user's environment variables.
    pub environment: BTreeMap<String, String>,
    /// Memory in MB.
    pub memory_mb: u32,
    /// Seconds an invocation may take.
    pub timeout_secs: u32,
    /// Size of `/tmp` in MB.
    pub ephemeral_storage_mb: u32,
    /// The instruction set.
    pub architecture: Architecture,
    /// The execution role.
    pub role: String,
    /// Requests without a decision of their caller's are sampled for tracing.
    pub tracing_active: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Least level of the function's own lines; only with JSON.
    pub application_log_level: Option<LogLevel>,
    /// Least level of Lambda's lines; only with JSON.
    pub system_log_level: Option<SystemLogLevel>,
    /// Where logs go.
    pub log_group: String,
    /// Where events go that could not be run.
    pub dead_letter_target: Option<String>,
    /// What trace headers call the function in their lineage.
    pub lineage_name: String,
    /// What happens to events that go in a circle.
    pub recursive_loop: RecursiveLoop,
    /// Changes whenever anything about the version does.
    pub revision_id: String,
    /// Changes when code or settings are updated, and only then: what execution environments belong to.
    pub deployment_id: String,
    /// What `/var/task` is.
    pub code: Arc<CodeTree>,
    /// How the image that the code is runs, if it is one.
    pub image: Option<sandbox::ImageProcess>,
    /// What `/opt` is: all layers, laid over each other.
    pub layers: Option<Arc<CodeTree>>,
    /// Its environments are restored from snapshots.
    pub snap_start: bool,
    /// By which such environments ask for their credentials.
    pub(crate) credentials_token: String,
    /// The code may change in place (the `hot-reload` bucket): then the deployment is that of the tree's present state.
    pub hot_reload: bool,
    /// Where what is measured of it goes.
    pub(crate) meters: Meters,
}

/// Where the requests for one name go.
struct Route {
    first: Arc<Resolved>,
    /// A second version, and its share of the requests.
    second: Option<(f64, Arc<Resolved>)>,
}

impl Route {
    /// The version for one request.
    fn draw(&self) -> Arc<Resolved> {
        match &self.second {
            Some((weight, second)) if base::chance::fraction() < *weight => second.clone(),
            _ => self.first.clone(),
        }
    }
}

/// Answers by function.
#[derive(Default)]
pub(crate) struct Cache {
    functions: RwLock<HashMap<Target, HashMap<Target, Route>>>,
    generation: AtomicU64,
}

impl Cache {
    fn find(&self, target: &Target) -> Option<Arc<Resolved>> {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        functions.get(&target.function())?.get(target).map(Route::draw)
    }

    fn insert(&self, target: &Target, route: Route, generation: u64) {
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::SeqCst) != generation {
            return;
        }
        if functions.len() >= FUNCTIONS_MAX {
            functions.clear();
        }
        functions.entry(target.function()).or_default().insert(target.clone(), route);
    }

    fn forget(&self, target: &Target) {
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::SeqCst);
        functions.remove(&target.function());
    }
}

impl Lambda {
    /// The version that a caller means, ready to run. A version that is still pending is finished on the spot.
    ///
    /// # Errors
    /// AWS's 404 for what is not there, its 409 for a function that failed to become active.
    pub async fn resolve(
        &self,
        cx: &Cx,
        function: impl AsRef<str>,
        qualifier: Option<&QualifierText>,
    ) -> Result<Arc<Resolved>, Error> {
        let target = Target::of(cx, function, qualifier)?;
        let resolved = match self.cache.find(&target) {
            Some(found) => found,
            None => self.resolve_from_store(&target).await?,
        };
        match resolved.hot_reload {
            false => Ok(resolved),
            true => Ok(resolved.as_the_tree_is_now(&self.config).await),
        }
    }

    async fn resolve_from_store(&self, target: &Target) -> Result<Arc<Resolved>, Failure> {
        let generation = self.cache.generation.load(Ordering::SeqCst);
        let route = self.route(target).await?;
        let drawn = route.draw();
        self.cache.insert(target, route, generation);
        Ok(drawn)
    }

    /// The version that is meant, as the store has it; of an alias with two the first.
    pub(crate) async fn first_version(&self, target: &Target) -> Result<Arc<Resolved>, Failure> {
        Ok(self.route(target).await?.first)
    }

    async fn route(&self, target: &Target) -> Result<Route, Failure> {
        // One look at all of it: an alias may move, and its old version go, meanwhile.
        let snapshot = self.store.snapshot()?;
        let Some(Qualifier::Alias(name)) = &target.qualifier else {
            // Whoever asks for a function asks for $LATEST; where there is none, AWS's words for calls name it.
            let version = target.qualified(target.qualifier.clone().unwrap_or(Qualifier::Latest));
            return Ok(Route { first: self.settled(&snapshot, target, &version).await?, second: None });
        };
        let alias = snapshot.get(ALIASES, &target.alias_key(name)).await?;
        let alias = alias.ok_or_else(|| no_function(&target.arn()))?;
        let version = |number| target.qualified(Qualifier::parse(&version_text(number)));
        let first = self.settled(&snapshot, target, &version(alias.version)).await?;
        let second = match alias.additional {
            Some(second) => Some((second.weight, self.settled(&snapshot, target, &version(second.version)).await?)),
            None => None,
        };
        Ok(Route { first, second })
    }

    /// A version that is between no two states, ready to run for requests that name `named`.
    async fn settled(&self, snapshot: &Snapshot, named: &Target, version: &Target) -> Result<Arc<Resolved>, Failure> {
        let (function, record) = version_at(snapshot, version).await?;
        match &record.state {
            State::Active => {}
            State::Pending if record.snap_starts() => return Err(snapstart::not_ready().into()),
            State::Pending => {
                self.settle(version, record.number).await?;
                return Box::pin(self.settled(&self.store.snapshot()?, named, version)).await;
            }
            State::Failed(reason) => return Err(not_active(reason).into()),
        }
        let resolved = self.ready(named, record).await?;
        // What its versions share is no part of a version's record.
        let recursive_loop = function.recursive_loop;
        Ok(Arc::new(Resolved { recursive_loop, ..Arc::unwrap_or_clone(resolved) }))
    }

    /// A version with its code in place.
    pub(crate) async fn ready(&self, target: &Target, version: VersionRecord) -> Result<Arc<Resolved>, Failure> {
        let (code, layers) = self.trees(&version.code, &version.settings.layers).await?;
        Ok(Arc::new(Resolved::new(target, version, code, layers)))
    }

    /// Makes the next invocation look into the store: after every change of a function.
    pub(crate) fn forget(&self, target: &Target) {
        self.urls.forget();
        self.cache.forget(target);
    }
}

impl Resolved {
    /// The same version with the deployment that the tree's present state makes of it: environments of other states end.
    async fn as_the_tree_is_now(self: Arc<Self>, config: &Config) -> Arc<Resolved> {
        let Some(watch) = self.code.watch() else { return self };
        let state = match debugging::port(config, &self.environment) {
            None => watch.state().await,
            // An environment of one request would take its debugger with it.
            Some(_) => watch.settled_state().await,
        };
        let deployment_id = format!("{}/{}", self.deployment_id, state.name());
        Arc::new(Resolved { deployment_id, ..(*self).clone() })
    }

    fn new(target: &Target, version: VersionRecord, code: Arc<CodeTree>, layers: Option<Arc<CodeTree>>) -> Resolved {
        let (number, hot_reload) = (version.version(), version.code.id().is_none());
        let snap_start = version.snap_starts();
        let own_path = version.settings.environment.as_ref().and_then(|variables| variables.get("PATH"));
        let image = match &version.code {
            Code::Image(image) => Some(image.process(&version.settings.image, code.path(), own_path)),
            Code::Zip { .. } | Code::HotReload { .. } => None,
        };
        let VersionRecord { settings, revision_id, deployment_id, .. } = version;
        Resolved {
            account: target.account,
            region: target.region.clone(),
            name: target.name.clone(),
            version: number,
            function_arn: target.function_arn(),
            invoked_arn: target.arn(),
            runtime: settings.runtime,
            handler: settings.handler,
            environment: settings.environment.unwrap_or_default(),
            memory_mb: settings.memory_mb,
            timeout_secs: settings.timeout_secs,
            ephemeral_storage_mb: settings.ephemeral_storage_mb,
            architecture: settings.architecture,
            role: settings.role,
            tracing_active: settings.tracing_active,
            log_format: settings.logging.format,
            application_log_level: settings.logging.application_level,
            system_log_level: settings.logging.system_level,
            log_group: settings.logging.group,
            dead_letter_target: settings.dead_letter_target,
            recursive_loop: RecursiveLoop::default(),
            lineage_name: lineage::name(&target.function_arn().to_string()),
            revision_id,
            deployment_id,
            code,
            image,
            layers,
            snap_start,
            credentials_token: if snap_start { base::id::lower_hex(64) } else { String::new() },
            hot_reload,
            meters: Meters::default(),
        }
    }
}

fn not_active(reason: &str) -> Error {
    conflict(format!(
        "The operation cannot be performed at this time. The function is currently in the following state: Failed \
         ({reason})"
    ))
}
