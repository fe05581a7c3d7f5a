//! SnapStart: environments of published versions that are initialised once, when the version is published, and go on from
//! there when a request comes.
//!
//! A snapshot is an environment that sleeps, frozen, at the end of its init. A restore uses it up, and another is made in the
//! background: where the function's memory can be written down as an image, by copying it in a few milliseconds, without
//! an init, also for a request that finds none ready; else by another init, and such a request has an ordinary one.
//! Snapshots are lost with the process and made anew at its start: a version stays Active meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::{AccountId, Arn, Clock, Error, Region};
use sandbox::{Failure as SandboxFailure, InitFailure, LaunchError, MemoryImage};
use serde::Serialize;
use store::Scan;
use tokio::sync::{Notify, Semaphore};

use super::environment::{self, Environment, Initialization};
use super::error::{Failure, invalid};
use super::name::{Qualifier, Target};
use super::records::{Settings, State, VERSIONS, VersionRecord};
use super::report;
use super::resolve::Resolved;
use super::{Config, Lambda, Ports};

/// Snapshots kept ready for each version.
const READY_PER_VERSION: usize = 2;

/// Snapshots kept in all. Each is a process with all its memory; the version whose last restore is longest ago gives way.
const SNAPSHOTS_MAX: usize = 64;

/// Snapshots that are made at a time: their inits would only make each other, and requests, slow.
const MAKING_AT_A_TIME: usize = 2;

/// A snapshot is made anew at this age: what the function fetched in its init grows old. AWS's own do so from time to time.
const AGE_MAX: Duration = Duration::from_secs(12 * 3600);

/// Memory of all images, in bytes. The version whose last restore is longest ago gives its image up.
const IMAGES_BYTES_MAX: u64 = 1 << 30;

/// How often a copy is tried before an image is taken for bad: a parked interpreter may have come without a zygote.
const COPY_ATTEMPTS_MAX: usize = 2;

/// After so many bad images a version has none any more. Once is bad luck: the zygote may have ended.
const BAD_IMAGES_MAX: usize = 2;

/// How long a function's credentials are good; it asks for them whenever it needs some.
const CREDENTIALS_SECS: u32 = 12 * 3600;

/// How often a publication tries to get a place for its snapshot, and how long it waits in between.
const PUBLISH_ATTEMPTS_MAX: usize = 60;
const PUBLISH_PAUSE: Duration = Duration::from_secs(1);

/// AWS's reason for a version whose init failed.
pub(crate) const INIT_FAILED: &str = "An error occurred during function initialization.";

/// The largest `/tmp` of functions with SnapStart, in MB.
const EPHEMERAL_STORAGE_MB_MAX: u32 = 512;

/// All snapshots.
pub(crate) struct Snapshots {
    ports: Ports,
    clock: Clock,
    config: Config,
    versions: Mutex<HashMap<String, Version>>,
    making: Semaphore,
    closed: AtomicBool,
    /// Inits under way are given up at a stop.
    closing: Notify,
}

/// Those of one deployment of a version.
struct Version {
    resolved: Arc<Resolved>,
    ready: Vec<Ready>,
    image: Option<Written>,
    /// Its memory cannot be written down.
    has_no_image: bool,
    bad_images: usize,
    is_filling: bool,
    restored: Instant,
}

struct Ready {
    environment: Environment,
    made: Instant,
}

struct Written {
    image: Arc<MemoryImage>,
    made: Instant,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unmade {
    /// No sandbox could be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The function's init failed.
    #[error("init failed: {:?}", .0.failure)]
    Init(InitFailure),
    /// The image is not good for a copy.
    #[error("no copy of the image: {0:?}")]
    Copy(SandboxFailure),
}

impl Snapshots {
    pub(crate) fn new(ports: Ports, clock: Clock, config: Config) -> Arc<Snapshots> {
        let (versions, making) = (Mutex::default(), Semaphore::new(MAKING_AT_A_TIME));
        Arc::new(Snapshots {
            ports,
            clock,
            config,
            versions,
            making,
            closed: AtomicBool::new(false),
            closing: Notify::new(),
        })
    }

    /// Makes the first snapshot of a version, and sees to the others.
    pub(crate) async fn publish(self: &Arc<Self>, resolved: &Arc<Resolved>) -> Result<(), Unmade> {
        let resolved = &self.expect(resolved);
        if self.lacks(&resolved.deployment_id) < READY_PER_VERSION {
            return Ok(());
        }
        let made = self.make(resolved).await;
        match made {
            Ok(environment) => self.keep(resolved, environment),
            Err(error) => {
                self.lock().remove(&resolved.deployment_id);
                return Err(error);
            }
        }
        self.fill(&resolved.deployment_id);
        Ok(())
    }

    /// A snapshot of this version, if one is ready or can be copied now, to be restored by [`restore`].
    pub(crate) async fn take(self: &Arc<Self>, resolved: &Arc<Resolved>) -> Option<Environment> {
        let resolved = self.expect(resolved);
        let (ready, image) = {
            let mut versions = self.lock();
            let version = versions.get_mut(&resolved.deployment_id)?;
            version.restored = Instant::now();
            version.ready.retain(Ready::is_usable);
            let ready = version.ready.pop().map(|ready| ready.environment);
            (ready, version.image())
        };
        let taken = match (ready, image) {
            (Some(environment), _) => Some(environment),
            (None, Some(image)) => self.copy(&resolved, &image).await.ok(),
            (None, None) => None,
        };
        self.fill(&resolved.deployment_id);
        taken
    }

    /// Gives up the snapshots of a function, or of one of its versions.
    pub(crate) fn retire(&self, function_arn: &str, version: Option<u64>) {
        let version = version.map(|number| number.to_string());
        self.lock().retain(|_, kept| {
            let is_meant = kept.resolved.function_arn.to_string() == function_arn
                && version.as_ref().is_none_or(|version| kept.resolved.version == *version);
            !is_meant
        });
    }

    /// Gives up one snapshot to make room; false if there is none.
    pub(crate) fn evict(&self) -> bool {
        give_up_oldest(&mut self.lock(), None)
    }

    /// Gives up all snapshots, and makes no more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.closing.notify_waiters();
        self.lock().clear();
    }

    /// Makes sure that the version is known; answers what its environments are of.
    fn expect(&self, resolved: &Arc<Resolved>) -> Arc<Resolved> {
        let version = || Version {
            resolved: resolved.clone(),
            ready: Vec::new(),
            image: None,
            has_no_image: false,
            bad_images: 0,
            is_filling: false,
            restored: Instant::now(),
        };
        self.lock().entry(resolved.deployment_id.clone()).or_insert_with(version).resolved.clone()
    }

    fn lacks(&self, deployment_id: &str) -> usize {
        let versions = self.lock();
        let ready = versions.get(deployment_id).map_or(READY_PER_VERSION, |version| version.ready.len());
        READY_PER_VERSION.saturating_sub(ready)
    }

    /// Makes what a version lacks, in the background.
    pub(crate) fn fill(self: &Arc<Self>, deployment_id: &str) {
        {
            let mut versions = self.lock();
            let Some(version) = versions.get_mut(deployment_id) else { return };
            if version.is_filling || version.ready.len() >= READY_PER_VERSION {
                return;
            }
            version.is_filling = true;
        }
        let (snapshots, deployment_id) = (self.clone(), deployment_id.to_owned());
        tokio::spawn(async move {
            snapshots.fill_up(&deployment_id).await;
            if let Some(version) = snapshots.lock().get_mut(&deployment_id) {
                version.is_filling = false;
            }
        });
    }

    async fn fill_up(self: &Arc<Self>, deployment_id: &str) {
        while self.lacks(deployment_id) > 0 && !self.closed.load(Ordering::SeqCst) {
            let Some(resolved) = self.lock().get(deployment_id).map(|version| version.resolved.clone()) else {
                return;
            };
            match self.make(&resolved).await {
                Ok(environment) => self.keep(&resolved, environment),
                // The next restore tries again; until then requests have inits of their own.
                Err(error) => {
                    tracing::warn!(%error, function = %resolved.function_arn, "a snapshot could not be made");
                    return;
                }
            }
        }
    }

    async fn make(&self, resolved: &Arc<Resolved>) -> Result<Environment, Unmade> {
        let closing = self.closing.notified();
        if self.closed.load(Ordering::SeqCst) {
            return Err(LaunchError::Stopping.into());
        }
        tokio::select! {
            made = self.make_somehow(resolved) => made,
            () = closing => Err(LaunchError::Stopping.into()),
        }
    }

    /// By the image, if there is one; else by an init, and an image of that, if there can be one.
    async fn make_somehow(&self, resolved: &Arc<Resolved>) -> Result<Environment, Unmade> {
        let Ok(_turn) = self.making.acquire().await else { return Err(LaunchError::Stopping.into()) };
        if let Some(copy) = self.copy_of_image(resolved).await? {
            return Ok(copy);
        }
        let environment = self.initialise(resolved).await?;
        if self.with_version(resolved, |version| version.has_no_image).unwrap_or(true) {
            return Ok(environment);
        }
        let environment = match self.write_image(resolved, environment).await {
            Some(environment) => environment,
            None => match self.copy_of_image(resolved).await? {
                Some(copy) => copy,
                None => self.initialise(resolved).await?,
            },
        };
        Ok(environment)
    }

    /// Writes an image of a snapshot, which is gone then; or gives it back.
    async fn write_image(&self, resolved: &Resolved, mut environment: Environment) -> Option<Environment> {
        let image = environment.sandbox.image().await;
        let is_written = image.is_some();
        match image {
            Some(image) => self.keep_image(resolved, image),
            None => drop(self.with_version(resolved, |version| version.has_no_image = true)),
        }
        (!is_written && environment.sandbox.is_alive()).then_some(environment)
    }

    /// A copy; none if there is no image, or one that turns out to be bad.
    async fn copy_of_image(&self, resolved: &Arc<Resolved>) -> Result<Option<Environment>, Unmade> {
        let Some(image) = self.with_version(resolved, Version::image).flatten() else { return Ok(None) };
        let mut attempt = 1;
        loop {
            match self.copy(resolved, &image).await {
                Ok(environment) => return Ok(Some(environment)),
                Err(Unmade::Copy(_)) if attempt < COPY_ATTEMPTS_MAX => attempt += 1,
                Err(Unmade::Copy(why)) => {
                    tracing::warn!(?why, function = %resolved.function_arn, "an image is given up");
                    self.with_version(resolved, Version::give_up_image);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn copy(&self, resolved: &Arc<Resolved>, image: &MemoryImage) -> Result<Environment, Unmade> {
        let launched =
            environment::start(&self.ports, &self.clock, &self.config, resolved, Initialization::SnapStart).await;
        let mut environment = launched?;
        environment.sandbox.load(image).await.map_err(Unmade::Copy)?;
        environment.is_snapshot = true;
        Ok(environment)
    }

    async fn initialise(&self, resolved: &Arc<Resolved>) -> Result<Environment, Unmade> {
        let launched =
            environment::launch(&self.ports, &self.clock, &self.config, resolved, Initialization::SnapStart).await;
        let mut environment = launched?;
        let done = environment.sandbox.snapshot().await;
        let report = done.as_ref().unwrap_or_else(|failed| &failed.report);
        environment.log.write(report::init_report(resolved, report, Initialization::SnapStart, self.clock.now()));
        done.map_err(Unmade::Init)?;
        environment.is_snapshot = true;
        Ok(environment)
    }

    /// Keeps a snapshot, if its version still wants one.
    fn keep(&self, resolved: &Arc<Resolved>, environment: Environment) {
        let mut versions = self.lock();
        let kept: usize = versions.values().map(|version| version.ready.len()).sum();
        if kept >= SNAPSHOTS_MAX && !give_up_oldest(&mut versions, Some(&resolved.deployment_id)) {
            return;
        }
        if let Some(version) = versions.get_mut(&resolved.deployment_id)
            && version.ready.len() < READY_PER_VERSION
            && !self.closed.load(Ordering::SeqCst)
        {
            version.ready.push(Ready { environment, made: Instant::now() });
        }
    }

    fn keep_image(&self, resolved: &Resolved, image: MemoryImage) {
        let mut versions = self.lock();
        let mut bytes: u64 = versions.values().filter_map(|version| version.image.as_ref()).map(Written::bytes).sum();
        while bytes + image.bytes() > IMAGES_BYTES_MAX {
            let having = versions.values_mut().filter(|version| version.image.is_some());
            let Some(oldest) = having.min_by_key(|version| version.restored).and_then(|version| version.image.take())
            else {
                return;
            };
            bytes -= oldest.bytes();
        }
        if let Some(version) = versions.get_mut(&resolved.deployment_id) {
            version.image = Some(Written { image: Arc::new(image), made: Instant::now() });
        }
    }

    fn with_version<T>(&self, resolved: &Resolved, look: impl FnOnce(&mut Version) -> T) -> Option<T> {
        self.lock().get_mut(&resolved.deployment_id).map(look)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Version>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Version {
    fn image(&mut self) -> Option<Arc<MemoryImage>> {
        self.image.take_if(|written| written.made.elapsed() >= AGE_MAX);
        self.image.as_ref().map(|written| written.image.clone())
    }

    fn give_up_image(&mut self) {
        self.image = None;
        self.bad_images += 1;
        self.has_no_image |= self.bad_images >= BAD_IMAGES_MAX;
    }
}

impl Written {
    fn bytes(&self) -> u64 {
        self.image.bytes()
    }
}

impl Ready {
    fn is_usable(&self) -> bool {
        self.environment.sandbox.is_alive() && self.made.elapsed() < AGE_MAX
    }
}

/// Drops a snapshot of the version that has gone without a restore for longest.
fn give_up_oldest(versions: &mut HashMap<String, Version>, but: Option<&str>) -> bool {
    let having = versions.iter_mut().filter(|(id, version)| but != Some(id.as_str()) && !version.ready.is_empty());
    let oldest = having.min_by_key(|(_, version)| version.restored);
    oldest.is_some_and(|(_, version)| version.ready.pop().is_some())
}

/// Lets a snapshot go on, in a log stream of its own.
pub(crate) async fn restore(environment: &mut Environment, clock: &Clock) -> Result<(), Error> {
    let resolved = environment.resolved.clone();
    environment.is_snapshot = false;
    environment.log.move_to(environment::log_stream(&resolved.version, clock.now()));
    environment.log.write(report::restore_start(&resolved, clock.now()));
    let restored = environment.sandbox.restore().await;
    let (report, failure) = match &restored {
        Ok(report) => (report, None),
        Err(failed) => (&failed.report, Some(&failed.failure)),
    };
    environment.log.write(report::restore_report(&resolved, report, failure, clock.now()));
    restored.map(drop).map_err(|failed| match failed.failure {
        SandboxFailure::Timeout => {
            let message = "Lambda couldn't restore the snapshot within the timeout limit.";
            Error::new(408, "SnapStartTimeoutException", message).capital().with("Type", "User")
        }
        _ => {
            let message = "The runtime hook after the restore encountered an error. For more information, check the \
                           Amazon CloudWatch logs.";
            Error::new(400, "SnapStartException", message).capital().with("Type", "User")
        }
    })
}

/// A version whose first snapshot is being made.
pub(crate) fn not_ready() -> Error {
    let message =
        "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE.";
    Error::new(409, "SnapStartNotReadyException", message).capital().with("Type", "User")
}

/// What SnapStart asks of a function: AWS's managed runtimes for it, and a small `/tmp`.
pub(crate) fn check(settings: &Settings) -> Result<(), Error> {
    if !settings.snap_start {
        return Ok(());
    }
    if !supports(&settings.runtime) {
        return Err(invalid(format!("{} is not supported for SnapStart enabled functions.", settings.runtime)));
    }
    if settings.ephemeral_storage_mb > EPHEMERAL_STORAGE_MB_MAX {
        return Err(invalid(format!(
            "Ephemeral storage of more than {EPHEMERAL_STORAGE_MB_MAX} MB is not supported for SnapStart enabled \
             functions."
        )));
    }
    Ok(())
}

/// Java 11, Python 3.12, .NET 8, and what came after.
fn supports(runtime: &str) -> bool {
    let number = |text: &str| text.parse::<u32>().unwrap_or_default();
    if let Some(minor) = runtime.strip_prefix("python3.") {
        return number(minor) >= 12;
    }
    if let Some(major) = runtime.strip_prefix("java") {
        return number(major) >= 11;
    }
    runtime.strip_prefix("dotnet").is_some_and(|major| number(major) >= 8)
}

/// The credentials that an environment asks for.
pub(crate) fn credentials(resolved: &Resolved, ports: &Ports, clock: &Clock) -> Option<sandbox::Credentials> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Document {
        access_key_id: String,
        secret_access_key: String,
        token: String,
        expiration: String,
    }
    let role = Arn::parse(&resolved.role).filter(|_| resolved.snap_start)?;
    // As for variables: never into another account.
    let role = Arn { account: resolved.account.to_string(), ..role };
    let (source, clock, name) = (ports.credentials.clone(), clock.clone(), resolved.name.clone());
    let fetch = move || {
        let made = source.for_role(&role, &name, CREDENTIALS_SECS, clock.now());
        let document = Document {
            access_key_id: made.access_key_id,
            secret_access_key: made.secret_access_key,
            token: made.session_token,
            expiration: made.expires.to_date_time(),
        };
        serde_json::to_string(&document).unwrap_or_default()
    };
    Some(sandbox::Credentials { token: resolved.credentials_token.clone(), fetch: Arc::new(fetch) })
}

impl Lambda {
    /// The first snapshot of a version that is being published: nothing, or the function's own reason why there is none.
    /// The error is for what is not its fault: the version stays Pending, and the next start tries again.
    pub(crate) async fn first_snapshot(
        &self,
        target: &Target,
        version: VersionRecord,
    ) -> Result<Option<String>, Failure> {
        if !version.snap_starts() || version.state != State::Pending {
            return Ok(None);
        }
        let target = Target { qualifier: Some(Qualifier::Version(version.number)), ..target.clone() };
        let resolved = self.ready(&target, version).await?;
        let mut attempt = 1;
        loop {
            let error = match self.fleet.snapshots.publish(&resolved).await {
                Ok(()) => return Ok(None),
                Err(error) => error,
            };
            tracing::info!(%error, function = %resolved.function_arn, version = resolved.version, "no snapshot");
            match error {
                Unmade::Init(_) => return Ok(Some(INIT_FAILED.to_owned())),
                Unmade::Launch(error @ (LaunchError::MissingRuntime { .. } | LaunchError::UnknownRuntime(_))) => {
                    return Ok(Some(error.to_string()));
                }
                Unmade::Launch(LaunchError::Capacity(_)) if attempt < PUBLISH_ATTEMPTS_MAX => {
                    attempt += 1;
                    tokio::time::sleep(PUBLISH_PAUSE).await;
                }
                error => return Err(Error::new(503, "ServiceUnavailableException", error.to_string()).into()),
            }
        }
    }

    /// Makes the snapshots that were lost with an earlier process, in the background.
    pub(crate) fn remake_snapshots(&self) {
        let lambda = self.clone();
        tokio::spawn(async move {
            if let Err(error) = lambda.remake_all().await {
                tracing::warn!(%error, "snapshots are not made anew; requests have inits of their own");
            }
        });
    }

    async fn remake_all(&self) -> Result<(), Failure> {
        for (key, version) in self.store.scan(VERSIONS, Scan::all()).await? {
            if !version.snap_starts() || version.state != State::Active {
                continue;
            }
            let Some((account, region, name, number)) = key.parts::<(String, String, String, u64)>() else {
                continue;
            };
            let (Some(account), Some(region)) = (AccountId::parse(&account), Region::parse(&region)) else {
                continue;
            };
            let qualifier = Some(Qualifier::Version(number));
            let resolved = self.ready(&Target { account, region, name, qualifier }, version).await?;
            self.fleet.snapshots.expect(&resolved);
            self.fleet.snapshots.fill(&resolved.deployment_id);
        }
        Ok(())
    }
}
