//! Makes lives: parked ones without a function, and new ones with it, by the spawner or as plain processes.

use std::{
    ffi::{CString, OsString},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

#[cfg(target_os = "linux")]
use super::isolated;
#[cfg(target_os = "linux")]
use super::snapshot::IMAGE_EXTRA_BYTES;
use super::{
    LaunchError, LaunchPath,
    cell::Cell,
    channel::FromRuntime,
    life::{Heard, Life, Say, Surroundings},
    process::{self, ProcessPlan},
    recipe::{Places, Recipe, full_environment},
    spec::{LogSink, Spec},
};
#[cfg(target_os = "linux")]
use crate::spawner::{self, CodeTrees, ImageTree, Limits, Plan, Spawner, Start, Step};

/// Longest time for an interpreter to boot and warm itself before it is parked. Generous: pools fill at low priority.
const PARK_TIMEOUT: Duration = Duration::from_secs(60);

/// Share of all places that pools leave to launches on demand.
const PLACES_FOR_LAUNCHES: f64 = 0.1;

/// What a sandbox weighs while it boots, at most: where there is not enough for all, those that serve go before a crowd that boots.
/// Not less, so that it comes to its end beside functions that spin, too.
#[cfg(target_os = "linux")]
const BOOT_WEIGHT_MILLI: u32 = 200;

/// Memory of a sandbox that has no function yet, in MB.
#[cfg(target_os = "linux")]
const PARKED_MEMORY_MB: u32 = 512;

/// What stands behind.
pub(crate) enum Backend {
    #[cfg(target_os = "linux")]
    Isolated(Spawner),
    Process,
}

/// Makes lives.
pub(crate) struct Factory {
    pub(crate) backend: Backend,
    pub(crate) surroundings: Surroundings,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) places_max: u32,
    pub(crate) runtime_dir: PathBuf,
    pub(crate) numbers: AtomicU64,
}

/// Takes nothing down: a parked sandbox runs nobody's code.
struct Unheard;

impl LogSink for Unheard {
    fn line(&self, _: i64, text: bytes::Bytes) {
        tracing::debug!(text = %String::from_utf8_lossy(text.trim_ascii_end()), "a parked sandbox says");
    }
}

impl Factory {
    /// A place for a pool's sandbox, if there are plenty.
    pub(crate) fn spare_place(&self) -> Option<OwnedSemaphorePermit> {
        let reserve = (f64::from(self.places_max) * PLACES_FOR_LAUNCHES).ceil() as usize;
        if self.places.available_permits() <= reserve {
            return None;
        }
        self.places.clone().try_acquire_owned().ok()
    }

    /// Boots one sandbox without a function and waits until it says that it is ready.
    pub(crate) async fn park(&self, recipe: &Recipe, place: OwnedSemaphorePermit) -> Result<Life, LaunchError> {
        let mut life = match self.make(recipe, None, LaunchPath::Zygote, Arc::new(Unheard), place).await {
            Ok(life) => life,
            Err((_, Some(place))) => {
                self.make(recipe, None, LaunchPath::Exec, Arc::new(Unheard), place).await.map_err(|(error, _)| error)?
            }
            Err((error, None)) => return Err(error),
        };
        match life.converse(Say::Nothing, Instant::now() + PARK_TIMEOUT).await {
            Heard::Message(FromRuntime::Parked) => Ok(life),
            other => Err(LaunchError::System(format!("{} did not boot: {other:?}", recipe.name()))),
        }
    }

    /// Gives a parked sandbox its function's code and limits.
    pub(crate) async fn adopt(&self, life: &Life, spec: &Spec) -> Result<(), LaunchError> {
        match &*life.cell {
            #[cfg(target_os = "linux")]
            Cell::Isolated(cell) => {
                cell.attach(&self.code(spec)?, init_limits(spec)).await.map_err(|error| system("attach code", error))
            }
            Cell::Process(_) => Ok(()),
        }
    }

    /// Takes back what init had beyond the function's share, and lets it go before those that boot. Does not wait: an invocation that begins meanwhile has a
    /// whole processor for some microseconds, which is better than one that waits for a busy spawner.
    pub(crate) fn end_of_init(&self, life: &Life, spec: &Spec) {
        #[cfg(target_os = "linux")]
        if matches!(&*life.cell, Cell::Isolated(_)) {
            let (cell, limits) = (life.cell.clone(), limits(spec));
            tokio::spawn(async move {
                if let Cell::Isolated(cell) = &*cell {
                    cell.settle(limits).await;
                }
            });
        }
    }

    /// Memory for as much again as the function may have, while an image is written; and the function's own limits after it.
    pub(crate) async fn make_room_for_image(&self, life: &Life, spec: &Spec, begins: bool) {
        #[cfg(target_os = "linux")]
        if let Cell::Isolated(cell) = &*life.cell {
            let own = init_limits(spec);
            let more = Limits { memory_bytes: own.memory_bytes * 2 + IMAGE_EXTRA_BYTES, ..own };
            cell.limit(if begins { more } else { own }).await;
        }
    }

    /// A sandbox started for this function (or for none) on the given path. Where that path does not exist, gives the
    /// place back for another try.
    pub(crate) async fn make(
        &self,
        recipe: &Recipe,
        spec: Option<&Spec>,
        path: LaunchPath,
        sink: Arc<dyn LogSink>,
        place: OwnedSemaphorePermit,
    ) -> Result<Life, (LaunchError, Option<OwnedSemaphorePermit>)> {
        let parts = match &self.backend {
            #[cfg(target_os = "linux")]
            Backend::Isolated(spawner) => match self.plan(recipe, spec, path) {
                Ok(plan) => isolated::spawn(spawner, &plan).await.map_err(|error| launch_error(error, &plan)),
                Err(error) => Err(error),
            },
            Backend::Process if path == LaunchPath::Zygote => Err(LaunchError::System("no zygote".into())),
            Backend::Process => self.start_process(recipe, spec),
        };
        match parts {
            Ok(parts) => {
                Life::new(parts, place, sink, &self.surroundings).map_err(|error| (system("watch", error), None))
            }
            Err(error) => Err((error, Some(place))),
        }
    }

    #[cfg(target_os = "linux")]
    fn plan(&self, recipe: &Recipe, spec: Option<&Spec>, path: LaunchPath) -> Result<Plan, LaunchError> {
        let places = Places::inside();
        let start = if path == LaunchPath::Zygote {
            if !recipe.can_fork() {
                return Err(LaunchError::System("no zygote".into()));
            }
            Start::Zygote { name: recipe.name() }
        } else {
            let environment = match spec {
                Some(spec) => full_environment(recipe, spec, &places),
                None => recipe.environment(&places),
            };
            Start::Exec { argv: c_strings(recipe.argv(&places, spec)?)?, env: c_environment(environment)? }
        };
        Ok(Plan {
            start,
            channel: recipe.interpreter.is_some(),
            code: match spec {
                Some(spec) if spec.image.is_none() => Some(self.code(spec)?),
                _ => None,
            },
            image: spec.and_then(|spec| {
                let directory = spec.image.as_ref()?.directory.clone();
                Some(ImageTree { root: spec.code.clone(), directory })
            }),
            limits: spec.map_or_else(|| parked_limits(recipe), init_limits),
            // AWS's sandboxes are called by their link-local address; nothing may be read from it.
            hostname: "169.254.100.1".into(),
        })
    }

    #[cfg(target_os = "linux")]
    fn code(&self, spec: &Spec) -> Result<CodeTrees, LaunchError> {
        Ok(CodeTrees { task: spec.code.clone(), opt: spec.opt.clone() })
    }

    /// Where things are for a plain process.
    pub(crate) fn outside(&self, spec: Option<&Spec>, runtime_api: String) -> Result<Places, LaunchError> {
        let opt = spec.and_then(|spec| spec.opt.clone());
        let task = spec.map_or_else(|| self.runtime_dir.clone(), |spec| spec.code.clone());
        Ok(Places { task, opt, runtime: self.runtime_dir.clone(), runtime_api })
    }

    fn start_process(&self, recipe: &Recipe, spec: Option<&Spec>) -> Result<super::cell::Parts, LaunchError> {
        if spec.is_some_and(|spec| spec.image.is_some()) {
            return Err(LaunchError::System(
                "container images need sandboxes; this host has --isolation process".into(),
            ));
        }
        let listen = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            Ok((listener.local_addr()?.to_string(), listener))
        };
        let (address, runtime_api) = listen().map_err(|error: io::Error| system("listen", error))?;
        let places = self.outside(spec, address)?;
        let env = match spec {
            Some(spec) => full_environment(recipe, spec, &places),
            None => recipe.environment(&places),
        };
        let plan = ProcessPlan {
            argv: recipe.argv(&places, spec)?,
            env,
            directory: places.task,
            channel: recipe.interpreter.is_some(),
            runtime_api,
        };
        process::spawn(plan).map_err(|error| system("start a process", error))
    }
}

pub(crate) fn system(step: &str, error: impl std::fmt::Display) -> LaunchError {
    LaunchError::System(format!("{step}: {error}"))
}

#[cfg(target_os = "linux")]
fn launch_error(error: spawner::Error, plan: &Plan) -> LaunchError {
    // The function's own fault, as far as the user chose the program: in Go's words, as AWS's supervisor says them.
    let words = |errno| match errno {
        libc::ENOENT => Some("no such file or directory"),
        libc::ENOTDIR => Some("not a directory"),
        libc::EACCES => Some("permission denied"),
        libc::ENOEXEC => Some("exec format error"),
        libc::ELOOP => Some("too many levels of symbolic links"),
        libc::E2BIG => Some("argument list too long"),
        _ => None,
    };
    let custom = plan.image.is_some() || !plan.channel;
    if let (spawner::Error::System { step, errno }, true, Start::Exec { argv, .. }) = (&error, custom, &plan.start)
        && let Some(why) = words(*errno)
    {
        let program = argv.first().map(|program| program.to_string_lossy()).unwrap_or_default();
        if step == Step::words(Step::Execute as u32) {
            return LaunchError::NotExecutable {
                error_type: "Runtime.InvalidEntrypoint",
                words: format!("fork/exec {program}: {why}"),
            };
        }
        if let (true, Some(image)) = (step == Step::words(Step::EnterTask as u32), &plan.image) {
            return LaunchError::NotExecutable {
                error_type: "Runtime.InvalidWorkingDir",
                words: format!("chdir {}: {why}", image.directory),
            };
        }
    }
    match error {
        spawner::Error::Full(slots) => LaunchError::Capacity(slots),
        other => LaunchError::System(other.to_string()),
    }
}

/// A function's limits, in AWS's proportions.
#[cfg(target_os = "linux")]
fn limits(spec: &Spec) -> Limits {
    /// Memory that buys one whole processor, in MB.
    const MEMORY_MB_PER_CPU: u64 = 1769;
    /// What a debugger's processes may have beside the function, which would not fit into 128 MB together with it.
    const DEBUGGER_MEMORY_MB: u32 = 128;
    /// AWS lets `/tmp` have about one file for each 16 KB.
    const TMP_BYTES_PER_INODE: u64 = 16 * 1024;
    let tmp_bytes = u64::from(spec.tmp_mb) << 20;
    let memory_mb = spec.memory_mb + spec.debug.map_or(0, |_| DEBUGGER_MEMORY_MB);
    let cpu_milli = (u64::from(spec.memory_mb) * 1000 / MEMORY_MB_PER_CPU) as u32;
    Limits {
        memory_bytes: u64::from(memory_mb) << 20,
        cpu_milli,
        cpu_weight_milli: cpu_milli,
        tmp_bytes,
        tmp_inodes: tmp_bytes / TMP_BYTES_PER_INODE,
        ..Limits::default()
    }
}

/// What a function may use while it initialises: at least two processors. AWS boosts init in the same way, so that a
/// function of 128 MB does not import its libraries with a fourteenth of a processor. Of what nobody else wants, that is.
#[cfg(target_os = "linux")]
fn init_limits(spec: &Spec) -> Limits {
    const INIT_CPU_MILLI: u32 = 2000;
    let own = limits(spec);
    let cpu_weight_milli = own.cpu_weight_milli.min(BOOT_WEIGHT_MILLI);
    Limits { cpu_milli: own.cpu_milli.max(INIT_CPU_MILLI), cpu_weight_milli, ..own }
}

#[cfg(target_os = "linux")]
fn parked_limits(recipe: &Recipe) -> Limits {
    let memory_mb = recipe.memory_class_mb.unwrap_or(PARKED_MEMORY_MB).max(PARKED_MEMORY_MB);
    Limits { memory_bytes: u64::from(memory_mb) << 20, cpu_weight_milli: BOOT_WEIGHT_MILLI, ..Limits::default() }
}

pub(crate) fn c_strings(strings: Vec<OsString>) -> Result<Vec<CString>, LaunchError> {
    strings
        .into_iter()
        .map(|string| CString::new(string.into_vec()).map_err(|error| system("argument", error)))
        .collect()
}

pub(crate) fn c_environment(environment: Vec<(String, String)>) -> Result<Vec<CString>, LaunchError> {
    c_strings(environment.into_iter().map(|(name, value)| format!("{name}={value}").into()).collect())
}

/// Which set of modules the zygote of this interpreter imports: boto3's as well where its runtime pack is installed.
pub(crate) fn import_set(runtime_dir: &Path, recipe: &Recipe) -> &'static str {
    if runtime_dir.join(recipe.name()).join("boto3").is_dir() { "boto3" } else { "common" }
}
