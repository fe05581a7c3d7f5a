//! Pools of parked sandboxes: booted and warmed, one pool for each interpreter in use (and, for Java, heap size).
//!
//! One task fills them, one sandbox at a time, and gives way to launches; while all are full it sleeps. A pool exists
//! from the first hint or launch of its kind on, so a host that runs Python only never boots a Java machine.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, task::AbortHandle, time::Instant};

use super::{LaunchPath, PoolStatus, PoolTargets, factory::Factory, life::Life, recipe::Recipe};
use crate::runtimes::Family;

/// First pause after a sandbox could not be parked; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long refilling waits at a time while launches are under way, and at most.
const GIVE_WAY: Duration = Duration::from_millis(1);
const GIVE_WAY_MAX: Duration = Duration::from_millis(100);
/// How long after a launch it still waits: the init and the first request come then, and want the processor.
const AFTER_LAUNCH: Duration = Duration::from_millis(20);

/// Share of the host's memory that parked sandboxes may take.
const MEMORY_SHARE: u64 = 8;

/// All pools.
pub(crate) struct Pools {
    pools: Mutex<HashMap<Recipe, Pool>>,
    targets: PoolTargets,
    memory_mb_max: u64,
    wake: Notify,
    launching: AtomicUsize,
    /// When the last launch was over.
    launched: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Pool {
    ready: VecDeque<Life>,
    target: usize,
    pause: Duration,
    not_before: Option<Instant>,
    parked: u64,
    zygote: u64,
    exec: u64,
}

impl Pools {
    /// No pools yet. `memory_mb` is what the host has.
    pub(crate) fn new(targets: PoolTargets, memory_mb: u64) -> Arc<Pools> {
        Arc::new(Pools {
            pools: Mutex::new(HashMap::new()),
            targets,
            memory_mb_max: memory_mb / MEMORY_SHARE,
            wake: Notify::new(),
            launching: AtomicUsize::new(0),
            launched: Mutex::new(None),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Recipe, Pool>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that there is a pool of this kind.
    pub(crate) fn expect(&self, recipe: &Recipe) {
        let mut pools = self.lock();
        if !pools.contains_key(recipe) {
            pools.insert(recipe.clone(), Pool { target: self.target(recipe), ..Pool::default() });
            drop(pools);
            self.wake.notify_one();
        }
    }

    fn target(&self, recipe: &Recipe) -> usize {
        match recipe.family {
            Family::Python => self.targets.python,
            Family::Node => self.targets.node,
            Family::Java => self.targets.java,
            Family::Custom | Family::Unsupported => 0,
        }
    }

    /// Takes a parked sandbox that still lives.
    pub(crate) fn claim(&self, recipe: &Recipe) -> Option<Life> {
        self.expect(recipe);
        loop {
            let life = self.lock().get_mut(recipe)?.ready.pop_front()?;
            self.wake.notify_one();
            if life.is_alive() {
                return Some(life);
            }
        }
    }

    /// Gives up one parked sandbox of any kind, to make room. Answers whether there was one.
    pub(crate) fn evict(&self) -> bool {
        let victim =
            self.lock().values_mut().max_by_key(|pool| pool.ready.len()).and_then(|pool| pool.ready.pop_back());
        victim.is_some()
    }

    /// Takes a launch down.
    pub(crate) fn count(&self, recipe: &Recipe, path: LaunchPath) {
        self.expect(recipe);
        if let Some(pool) = self.lock().get_mut(recipe) {
            match path {
                LaunchPath::Parked => pool.parked += 1,
                LaunchPath::Zygote => pool.zygote += 1,
                LaunchPath::Exec => pool.exec += 1,
            }
        }
    }

    /// While the answer is held, refilling gives way.
    pub(crate) fn launching(&self) -> Launching<'_> {
        self.launching.fetch_add(1, Ordering::Relaxed);
        Launching(self)
    }

    /// Gives up all parked sandboxes and keeps none from now on.
    pub(crate) fn close(&self) {
        let lives: Vec<Life> = {
            let mut pools = self.lock();
            pools
                .values_mut()
                .flat_map(|pool| {
                    pool.target = 0;
                    pool.ready.drain(..)
                })
                .collect()
        };
        drop(lives);
    }

    /// State of all pools, by name.
    pub(crate) fn status(&self) -> Vec<PoolStatus> {
        let mut status: Vec<PoolStatus> = self
            .lock()
            .iter()
            .map(|(recipe, pool)| PoolStatus {
                name: recipe.name(),
                ready: pool.ready.len(),
                target: pool.target,
                parked: pool.parked,
                zygote: pool.zygote,
                exec: pool.exec,
            })
            .collect();
        status.sort_by(|one, other| one.name.cmp(&other.name));
        status
    }

    /// Starts the task that fills the pools.
    pub(crate) fn fill(self: &Arc<Self>, factory: Arc<Factory>) -> AbortHandle {
        let pools = self.clone();
        tokio::spawn(async move { pools.run(&factory).await }).abort_handle()
    }

    async fn run(&self, factory: &Factory) {
        loop {
            let Some(recipe) = self.next() else {
                let retry = self.lock().values().filter_map(|pool| pool.not_before).min();
                match retry {
                    Some(at) => tokio::select! {
                        () = self.wake.notified() => {}
                        () = tokio::time::sleep_until(at) => self.forgive(),
                    },
                    None => self.wake.notified().await,
                }
                continue;
            };
            self.give_way().await;
            let Some(place) = factory.spare_place() else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            self.settle(&recipe, factory.park(&recipe, place).await).await;
        }
    }

    /// The pool that lacks most, if any may be filled now.
    fn next(&self) -> Option<Recipe> {
        let pools = self.lock();
        let memory_mb: u64 = pools.iter().map(|(recipe, pool)| parked_mb(recipe) * pool.ready.len() as u64).sum();
        let lacking = pools.iter().filter(|(_, pool)| pool.ready.len() < pool.target && pool.not_before.is_none());
        let (recipe, _) = lacking.min_by_key(|(_, pool)| pool.ready.len() * 100 / pool.target.max(1))?;
        (memory_mb + parked_mb(recipe) <= self.memory_mb_max).then(|| recipe.clone())
    }

    async fn settle(&self, recipe: &Recipe, parked: Result<Life, super::LaunchError>) {
        let result = match parked {
            Ok(life) => {
                if recipe.family == Family::Java {
                    life.rest.park().await; // its own timers would run on
                }
                Ok(life)
            }
            Err(error) => Err(error),
        };
        let mut pools = self.lock();
        let Some(pool) = pools.get_mut(recipe) else { return };
        match result {
            Ok(life) if pool.ready.len() < pool.target => {
                pool.pause = Duration::ZERO;
                pool.ready.push_back(life);
            }
            Ok(_) => {}
            Err(error) => {
                pool.pause = (pool.pause * 2).clamp(PAUSE, PAUSE_MAX);
                pool.not_before = Some(Instant::now() + pool.pause);
                tracing::warn!(%error, pool = recipe.name(), "a sandbox could not be parked; launches take longer");
            }
        }
    }

    /// Lets pools whose pause is over try again.
    fn forgive(&self) {
        let now = Instant::now();
        for pool in self.lock().values_mut() {
            pool.not_before = pool.not_before.filter(|at| *at > now);
        }
    }

    fn is_busy(&self) -> bool {
        let launched = *self.launched.lock().unwrap_or_else(PoisonError::into_inner);
        self.launching.load(Ordering::Relaxed) > 0 || launched.is_some_and(|at| at.elapsed() < AFTER_LAUNCH)
    }

    async fn give_way(&self) {
        let mut left = GIVE_WAY_MAX;
        while self.is_busy() && left > Duration::ZERO {
            tokio::time::sleep(GIVE_WAY).await;
            left -= GIVE_WAY;
        }
    }
}

/// See [`Pools::launching`].
pub(crate) struct Launching<'a>(&'a Pools);

impl Drop for Launching<'_> {
    fn drop(&mut self) {
        self.0.launching.fetch_sub(1, Ordering::Relaxed);
        *self.0.launched.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// What a parked sandbox takes, in MB, rounded up.
fn parked_mb(recipe: &Recipe) -> u64 {
    match recipe.family {
        Family::Python => 4,
        Family::Node => 12,
        Family::Java => 48,
        Family::Custom | Family::Unsupported => 1,
    }
}
