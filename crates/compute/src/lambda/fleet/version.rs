//! The environments of one deployment of a version: who is idle, who waits for one.

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::super::environment::Environment;
use super::capacity::Function;
use super::lock;

/// An environment is replaced at this age, well before its credentials end. AWS names no number; hours are observed.
const AGE_MAX: Duration = Duration::from_secs(6 * 3600);

/// The environments of one deployment of a version.
pub(crate) struct Version {
    /// The function's ARN and version, to find the successors of an older deployment.
    pub(super) name: String,
    /// How many requests may run.
    pub(super) capacity: Arc<Function>,
    /// Configurations of provisioned concurrency that it has.
    pub(super) keepers: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Initialised ahead, for whoever comes first.
    provisioned: Vec<Environment>,
    idle: Vec<Idle>,
    waiting: VecDeque<oneshot::Sender<Environment>>,
    retired: bool,
}

struct Idle {
    environment: Environment,
    since: Instant,
}

impl Version {
    pub(super) fn new(name: String, capacity: Arc<Function>) -> Version {
        Version { name, capacity, keepers: AtomicUsize::new(0), state: Mutex::default() }
    }

    /// Ends what is idle, and what is in use once it is given back.
    pub(super) fn retire(&self) {
        let mut state = lock(&self.state);
        state.retired = true;
        // Dropping them ends them; those who wait launch environments of their own.
        state.idle.clear();
        state.provisioned.clear();
    }

    /// A provisioned environment that is idle.
    pub(super) fn take_provisioned(&self) -> Option<Environment> {
        let mut state = lock(&self.state);
        std::iter::from_fn(|| state.provisioned.pop()).find(|environment| environment.is_usable(AGE_MAX))
    }

    /// An idle environment, or a place in the line for the next one that is given back.
    pub(super) fn take_or_wait(&self) -> Result<Environment, oneshot::Receiver<Environment>> {
        let mut state = lock(&self.state);
        while let Some(Idle { environment, .. }) = state.idle.pop() {
            if environment.is_usable(AGE_MAX) {
                return Ok(environment);
            }
        }
        // Those who have started environments of their own meanwhile wait no more.
        while state.waiting.front().is_some_and(oneshot::Sender::is_closed) {
            state.waiting.pop_front();
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(sender);
        Err(receiver)
    }

    /// Keeps an environment for the next request.
    pub(super) fn give_back(&self, mut environment: Environment) {
        let mut state = lock(&self.state);
        if state.retired || !environment.is_usable(AGE_MAX) || environment.is_surplus() {
            return;
        }
        while let Some(waiting) = state.waiting.pop_front() {
            match waiting.send(environment) {
                Ok(()) => return,
                Err(unwanted) => environment = unwanted,
            }
        }
        match environment.provisioned {
            Some(_) => state.provisioned.push(environment),
            None => state.idle.push(Idle { environment, since: Instant::now() }),
        }
    }

    /// Provisioned environments that are idle.
    pub(super) fn provisioned_idle(&self) -> usize {
        lock(&self.state).provisioned.len()
    }

    /// Ends provisioned environments that nobody wants any more, that died or that are too old.
    pub(super) fn sift_provisioned(&self) {
        let mut state = lock(&self.state);
        // One after the other: each that goes makes the next less of a surplus.
        let mut at = 0;
        while at < state.provisioned.len() {
            if state.provisioned[at].is_surplus() || !state.provisioned[at].is_usable(AGE_MAX) {
                drop(state.provisioned.swap_remove(at));
            } else {
                at += 1;
            }
        }
    }

    /// How many are idle.
    pub(super) fn idle(&self) -> usize {
        let state = lock(&self.state);
        state.idle.len() + state.provisioned.len()
    }

    /// Since when the longest idle one has been so.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        lock(&self.state).idle.first().map(|idle| idle.since)
    }

    /// Ends the longest idle one; false if none is idle.
    pub(super) fn evict(&self) -> bool {
        let mut state = lock(&self.state);
        let found = !state.idle.is_empty();
        if found {
            drop(state.idle.remove(0));
        }
        found
    }

    /// Ends those that were idle for too long; false if none is left.
    pub(super) fn reap(&self, keep_alive: Duration) -> bool {
        let mut state = lock(&self.state);
        state.idle.retain(|idle| idle.since.elapsed() < keep_alive && idle.environment.is_usable(AGE_MAX));
        !state.idle.is_empty()
    }
}
