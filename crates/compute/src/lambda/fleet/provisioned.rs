//! Provisioned concurrency: environments that are initialised ahead, and made anew when they end.
//!
//! A *keeper* sees to it that one version has as many of them as were asked for. Each holds a [`Place`], whatever becomes of
//! it: when an environment ends, wherever that happens, its place is free and the keeper fills it again. What is allocated
//! costs, used or not, from the first time that all of it stands until its configuration ends.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use cloud::ports::{Counter, Used};
use sandbox::LaunchError;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

use super::super::environment::{Environment, Initialization};
use super::super::metrics;
use super::super::report;
use super::super::resolve::Resolved;
use super::{Fleet, Starting, Version, lock};

/// Inits that one keeper runs at a time. Their launches wait in the line of all launches besides.
const INITS_AT_A_TIME: usize = 32;

/// Failures in a row after which AWS's status is FAILED. The keeper tries on, since what was wrong may be outside.
const FAILURES_MAX: u32 = 3;

/// First pause after a failure; doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How often a keeper looks for environments that ended without anybody's noticing, and counts for the bill.
const LOOK: Duration = Duration::from_secs(5);

/// AWS's reason for a configuration whose function cannot be initialised.
const INIT_FAILED: &str = "FUNCTION_ERROR_INIT_FAILURE";

/// All keepers, by the ARN with the qualifier that the configuration is of.
#[derive(Default)]
pub(crate) struct Keepers(Mutex<HashMap<String, Keeper>>);

/// How a configuration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Environments that are there, those in the middle of their init among them.
    pub(crate) allocated: usize,
    /// Environments that are initialised, idle or busy.
    pub(crate) available: usize,
    pub(crate) status: Status,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    InProgress,
    /// As many as were asked for were there once; ends are made good in the background.
    Ready,
    /// And why.
    Failed(String),
}

struct Keeper {
    deployment_id: String,
    version: Arc<Version>,
    wanted: Arc<Wanted>,
    task: AbortHandle,
}

/// How many are wanted, and how many there are.
struct Wanted {
    counts: Mutex<Counts>,
    changed: Notify,
    memory_mb: u64,
    /// For the bill.
    used: Arc<Counter>,
}

#[derive(Default)]
struct Counts {
    requested: usize,
    allocated: usize,
    available: usize,
    was_ready: bool,
    failures: u32,
    reason: Option<String>,
    /// Up to when it is on the bill; none before all of it stood, and after the end.
    billed_to: Option<Instant>,
}

impl Counts {
    /// Environments that are there. After a failure a place is kept while nothing is in it.
    fn allocated(&self) -> usize {
        if self.failures > 0 { self.available } else { self.allocated }
    }

    /// Notes whether as many as were asked for are there.
    fn look(&mut self) {
        self.was_ready |= self.available >= self.requested;
        if self.was_ready && self.billed_to.is_none() {
            self.billed_to = Some(Instant::now());
        }
    }
}

impl Wanted {
    /// The counts, to be changed: what stood until now is put on the bill.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        let mut counts = lock(&self.counts);
        // Whoever asks for less pays for less, though what is above it may be at work still.
        let environments = counts.allocated().min(counts.requested) as u64;
        if let Some(billed_to) = &mut counts.billed_to {
            let whole_ms = billed_to.elapsed().as_millis() as u64;
            *billed_to += Duration::from_millis(whole_ms);
            self.used.add(Used { provisioned_mb_ms: environments * self.memory_mb * whole_ms, ..Used::default() });
        }
        counts
    }
}

/// The place of one provisioned environment; dropped with it.
pub(crate) struct Place {
    wanted: Arc<Wanted>,
    available: bool,
}

impl Place {
    /// The next place, if one is free.
    fn next(wanted: &Arc<Wanted>) -> Option<Place> {
        let mut counts = wanted.counts();
        (counts.allocated < counts.requested).then(|| {
            counts.allocated += 1;
            Place { wanted: wanted.clone(), available: false }
        })
    }

    /// Its environment is initialised.
    fn fill(&mut self) {
        let mut counts = self.wanted.counts();
        self.available = true;
        counts.available += 1;
        (counts.failures, counts.reason) = (0, None);
        counts.look();
    }

    /// Whether there are more environments than are wanted.
    pub(crate) fn is_surplus(&self) -> bool {
        let counts = lock(&self.wanted.counts);
        counts.allocated > counts.requested
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.wanted.counts();
        counts.allocated -= 1;
        counts.available -= usize::from(self.available);
        drop(counts);
        self.wanted.changed.notify_one();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
        let mut counts = self.wanted.counts();
        (counts.requested, counts.billed_to) = (0, None);
        drop(counts);
        self.version.keepers.fetch_sub(1, Ordering::SeqCst);
        self.version.sift_provisioned();
    }
}

impl Keepers {
    /// How the configuration of a qualified ARN stands.
    pub(crate) fn standing(&self, arn: &str) -> Option<Standing> {
        let keepers = lock(&self.0);
        let counts = lock(&keepers.get(arn)?.wanted.counts);
        let status = match &counts.reason {
            Some(reason) => Status::Failed(reason.clone()),
            None if counts.was_ready => Status::Ready,
            None => Status::InProgress,
        };
        Some(Standing { allocated: counts.allocated(), available: counts.available, status })
    }

    /// How much of each configuration is used, by qualified ARN: environments with a request, and as a share of those
    /// that are initialised.
    pub(super) fn used(&self) -> Vec<(String, usize, f64)> {
        let keepers = lock(&self.0);
        let used = keepers.iter().filter_map(|(arn, keeper)| {
            let idle = keeper.version.provisioned_idle();
            let available = lock(&keeper.wanted.counts).available;
            let busy = available.saturating_sub(idle);
            (available > 0).then(|| (arn.clone(), busy, busy as f64 / available as f64))
        });
        used.collect()
    }

    /// Ends the configurations of a function that are not among these.
    pub(super) fn retain(&self, function_arn: &str, keep: impl Fn(&str) -> bool) {
        let of_function = |arn: &str| arn.strip_prefix(function_arn).is_some_and(|rest| rest.starts_with(':'));
        lock(&self.0).retain(|arn, _| !of_function(arn) || keep(arn));
    }

    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }
}

impl Fleet {
    /// Has so many environments of a version kept ready for the configuration of `arn`. What another version had for
    /// it ends.
    pub(crate) fn provision(self: &Arc<Self>, arn: String, resolved: &Arc<Resolved>, requested: usize) {
        let mut keepers = lock(&self.keepers.0);
        if self.is_closed() {
            return;
        }
        match keepers.get(&arn) {
            Some(keeper) if keeper.deployment_id == resolved.deployment_id => {
                let mut counts = keeper.wanted.counts();
                if counts.requested != requested {
                    (counts.requested, counts.was_ready) = (requested, false);
                    (counts.failures, counts.reason) = (0, None);
                    counts.look();
                }
                drop(counts);
                keeper.wanted.changed.notify_one();
            }
            _ => {
                let counts = Mutex::new(Counts { requested, ..Counts::default() });
                let used = self.ports.meter.counter(&metrics::metered(resolved));
                let memory_mb = resolved.memory_mb.into();
                let wanted = Arc::new(Wanted { counts, changed: Notify::new(), memory_mb, used });
                let version = self.version(resolved);
                version.keepers.fetch_add(1, Ordering::SeqCst);
                let keeping = keep(Arc::downgrade(self), version.clone(), resolved.clone(), wanted.clone());
                let task = tokio::spawn(keeping).abort_handle();
                let deployment_id = resolved.deployment_id.clone();
                keepers.insert(arn, Keeper { deployment_id, version, wanted, task });
            }
        }
    }

    /// One provisioned environment, initialised, or AWS's reason why not.
    async fn make_provisioned(self: &Arc<Self>, resolved: &Arc<Resolved>) -> Result<Environment, String> {
        let starting = self.launches.clone().acquire_owned().await;
        let launched = self.launch(resolved, Initialization::ProvisionedConcurrency).await;
        let mut environment = launched.map_err(|error: LaunchError| error.to_string())?;
        let starting = starting.ok().map(Starting::hold);
        let initialised = environment.sandbox.initialise().await;
        drop(starting);
        let report = initialised.as_ref().unwrap_or_else(|failed| &failed.report);
        environment.log.write(report::init_report(resolved, report, environment.initialization, self.clock.now()));
        if let Err(failed) = initialised {
            tracing::info!(failure = ?failed.failure, function = %resolved.function_arn, "provisioned concurrency");
            return Err(INIT_FAILED.to_owned());
        }
        Ok(environment)
    }
}

/// Fills places until the configuration ends.
async fn keep(fleet: Weak<Fleet>, version: Arc<Version>, resolved: Arc<Resolved>, wanted: Arc<Wanted>) {
    let room = Arc::new(Semaphore::new(INITS_AT_A_TIME));
    let mut making = JoinSet::new();
    loop {
        drop(wanted.counts());
        version.sift_provisioned();
        // A turn first: a place that is taken and given back at once would wake us again, for ever.
        while let Ok(turn) = room.clone().try_acquire_owned() {
            let Some(mut place) = Place::next(&wanted) else { break };
            let Some(fleet) = fleet.upgrade() else { return };
            let (version, resolved, wanted) = (version.clone(), resolved.clone(), wanted.clone());
            making.spawn(async move {
                match fleet.make_provisioned(&resolved).await {
                    Ok(mut environment) => {
                        place.fill();
                        environment.provisioned = Some(place);
                        version.give_back(environment);
                    }
                    // The place stays taken meanwhile, or the next attempt would begin at once.
                    Err(reason) => tokio::time::sleep(note_failure(&wanted, reason)).await,
                }
                drop(turn);
            });
        }
        tokio::select! {
            () = wanted.changed.notified() => {}
            Some(_) = making.join_next() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Notes a failure; how long to wait before the next attempt.
fn note_failure(wanted: &Wanted, reason: String) -> Duration {
    let mut counts = wanted.counts();
    counts.failures += 1;
    if counts.failures >= FAILURES_MAX {
        counts.reason = Some(reason);
    }
    (PAUSE * (1 << counts.failures.min(16))).min(PAUSE_MAX)
}
