//! Puts an engine together.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use tokio::sync::Semaphore;

use super::{
    Config, Error, Inner, boot_files,
    factory::{Backend, Factory},
    idle::Freezer,
    life::Surroundings,
    pool::Pools,
    recipe,
};
#[cfg(target_os = "linux")]
use crate::net::dns::Upstream;
use crate::{
    posture::{Isolation, Layer, Posture},
    runtimes::{Family, Runtimes},
};

/// Descriptors the server holds for one sandbox: process, frames, two log pipes, three sockets, a memory meter of two, a
/// few connections.
const DESCRIPTORS_PER_SANDBOX: u64 = 12;

/// Descriptors left to the rest of the server.
const DESCRIPTORS_FOR_OTHERS: u64 = 512;

pub(super) async fn start(config: Config) -> Result<Inner, Error> {
    prepare(&config.instance_dir, |path| fs::create_dir_all(path))?;
    prepare(&config.runtime_dir, boot_files::write)?;
    let search = config.search.clone();
    let runtimes = tokio::task::spawn_blocking(move || Runtimes::discover(&search)).await;
    let mut runtimes = runtimes.map_err(|error| Error::Unavailable(error.to_string()))?;
    // Java's boot files are compiled, with AWS's libraries, when the pack is built; the others travel in the program.
    if !config.runtime_dir.join(recipe::JAVA_BOOT).is_file() {
        runtimes.withdraw(Family::Java, "build its runtime pack (crates/sandbox/boot/packs/build.sh DIRECTORY java)");
    }
    let places_max = config.sandboxes_max.min(sandboxes_by_descriptors()).max(1);
    let (backend, posture) = match config.isolation {
        Isolation::Process => (Backend::Process, process_posture()),
        Isolation::Sandbox => isolated(&config, &runtimes, places_max).await?,
    };
    let factory = Arc::new(Factory {
        backend,
        surroundings: Surroundings {
            endpoint: config.endpoint,
            clock: config.clock,
            #[cfg(target_os = "linux")]
            dns: Arc::new(match leads_outside(config.egress, &posture) {
                true => Upstream::of_host().unwrap_or(Upstream::Refuse),
                false => Upstream::Refuse,
            }),
        },
        places: Arc::new(Semaphore::new(places_max as usize)),
        places_max,
        runtime_dir: config.runtime_dir,
        numbers: AtomicU64::new(1),
    });
    let pools = Pools::new(config.pools, memory_mb());
    Ok(Inner {
        posture,
        runtimes,
        filling: pools.fill(factory.clone()),
        factory,
        pools,
        freezer: Freezer::start(),
        stopping: AtomicBool::new(false),
    })
}

fn prepare(path: &Path, with: impl Fn(&Path) -> std::io::Result<()>) -> Result<(), Error> {
    with(path).map_err(|source| Error::Prepare { path: path.to_owned(), source })
}

#[cfg(target_os = "linux")]
async fn isolated(config: &Config, runtimes: &Runtimes, slots_max: u32) -> Result<(Backend, Posture), Error> {
    use crate::spawner::{self, Spawner, Userland, ZygotePlan};

    use super::{
        factory::{c_environment, c_strings, import_set},
        recipe::{Places, Recipe},
    };
    let places = Places::inside();
    let mut binds = Vec::new();
    let mut zygotes = Vec::new();
    for (family, interpreter) in runtimes.interpreters() {
        for bind in &interpreter.binds {
            if !binds.contains(bind) {
                binds.push(bind.clone());
            }
        }
        let recipe = Recipe { family, interpreter: Some(interpreter.clone()), memory_class_mb: None };
        if recipe.can_fork() && config.pools.zygotes {
            let argv = c_strings(recipe.zygote_argv(&places, import_set(&config.runtime_dir, &recipe)));
            let env = c_environment(recipe.environment(&places));
            if let (Ok(argv), Ok(env)) = (argv, env) {
                zygotes.push(ZygotePlan { name: recipe.name(), argv, env });
            }
        }
    }
    let spawner = Spawner::start(spawner::Config {
        instance_dir: config.instance_dir.clone(),
        program: config.spawner_program.clone(),
        egress: config.egress,
        endpoint_port: config.endpoint_port,
        slots_max,
        userland: Userland { binds, runtime_dir: Some(config.runtime_dir.clone()) },
        zygotes,
    });
    let spawner = spawner.await.map_err(|error| Error::Unavailable(error.to_string()))?;
    let posture = spawner.posture();
    Ok((Backend::Isolated(spawner), posture))
}

#[cfg(not(target_os = "linux"))]
async fn isolated(_: &Config, _: &Runtimes, _: u32) -> Result<(Backend, Posture), Error> {
    Err(Error::Unavailable("sandboxes need Linux; --isolation process runs functions without any isolation".into()))
}

fn process_posture() -> Posture {
    let why = "functions are plain child processes: nothing keeps them from each other or from this host";
    Posture { layers: vec![Layer::degraded("isolation", why, "run on Linux without --isolation process")] }
}

/// Takes all the descriptors the host allows, and answers how many sandboxes they bear.
fn sandboxes_by_descriptors() -> u32 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let wanted = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, wanted).is_ok() {
            limit = wanted;
        }
    }
    let descriptors = limit.current.unwrap_or(u64::from(u32::MAX));
    let bears = descriptors.saturating_sub(DESCRIPTORS_FOR_OTHERS) / DESCRIPTORS_PER_SANDBOX;
    u32::try_from(bears).unwrap_or(u32::MAX)
}

/// The host's memory; where it cannot be read, enough for small pools.
fn memory_mb() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    total.map_or(4096, |kb| kb / 1024)
}

/// Names are found only where connections can be made: a resolver alone would be a way outside, too.
#[cfg(target_os = "linux")]
fn leads_outside(egress: crate::Egress, posture: &Posture) -> bool {
    egress == crate::Egress::Nat && posture.degraded().all(|layer| layer.name != "egress")
}
