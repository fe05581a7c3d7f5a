//! Who may run how much at a time: places for asynchronous events, shared fairly between functions.
//!
//! A function may take a place only while it holds fewer than are free. So one function alone gets half of all, two get a
//! third each, and there is room for a newcomer however slow those before it are. Places say how many events are out of
//! their queues at a time; whether there is an environment for them decides the fleet.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::lambda::name::Target;

/// All places.
pub(crate) struct Places(Mutex<State>);

struct State {
    free: usize,
    held: HashMap<Target, usize>,
    waiting: VecDeque<(Target, oneshot::Sender<()>)>,
}

impl State {
    fn share_left(&self, function: &Target) -> bool {
        self.held.get(function).copied().unwrap_or(0) < self.free
    }
}

/// A place in a function's hands; dropping it frees it.
pub(crate) struct Place {
    places: Arc<Places>,
    function: Target,
}

impl Places {
    pub(crate) fn new(total: usize) -> Arc<Places> {
        Arc::new(Places(Mutex::new(State { free: total, held: HashMap::new(), waiting: VecDeque::new() })))
    }

    /// Waits for one place and takes what there is beyond that, up to `wanted`.
    pub(crate) async fn take(self: &Arc<Places>, function: &Target, wanted: usize) -> Vec<Place> {
        loop {
            let turn = match self.try_take(function, wanted) {
                Ok(taken) => return taken,
                Err(turn) => turn,
            };
            // An error would mean that the sender is gone, and it goes only by sending.
            _ = turn.await;
        }
    }

    fn try_take(self: &Arc<Places>, function: &Target, wanted: usize) -> Result<Vec<Place>, oneshot::Receiver<()>> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        while taken.len() < wanted && state.share_left(function) {
            state.free -= 1;
            *state.held.entry(function.clone()).or_default() += 1;
            taken.push(Place { places: Arc::clone(self), function: function.clone() });
        }
        if !taken.is_empty() {
            return Ok(taken);
        }
        let (sender, turn) = oneshot::channel();
        state.waiting.push_back((function.clone(), sender));
        Err(turn)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        state.free += 1;
        if let Some(held) = state.held.get_mut(&self.function) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(&self.function);
            }
        }
        // One place freed, one waiter woken: whoever has waited longest of those whose share allows it.
        while let Some(first) = state.waiting.iter().position(|(function, _)| state.share_left(function)) {
            let woken = state.waiting.remove(first).is_some_and(|(_, turn)| turn.send(()).is_ok());
            if woken {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base::{AccountId, Region};

    use super::{Places, Target};

    fn function(name: &str) -> Target {
        Target { account: AccountId::DEFAULT, region: Region::default(), name: name.to_owned(), qualifier: None }
    }

    #[tokio::test]
    async fn one_function_leaves_room_for_others() {
        let places = Places::new(12);
        let first = places.take(&function("a"), 100).await;
        assert_eq!(first.len(), 6, "as many as are free");
        let second = places.take(&function("b"), 100).await;
        assert_eq!(second.len(), 3);
        assert!(places.try_take(&function("a"), 1).is_err());
        let third = places.take(&function("c"), 100).await;
        assert_eq!(third.len(), 2, "of the three that were free");
    }

    #[tokio::test]
    async fn who_waits_longest_gets_what_is_freed() {
        let places = Places::new(2);
        let held = places.take(&function("a"), 1).await;
        let rest = places.take(&function("b"), 1).await;
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take(&function("c"), 1).await.len() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        assert_eq!(waiting.await.ok(), Some(1));
        drop(rest);
        assert_eq!(places.lock().free, 2);
        assert!(places.lock().held.is_empty());
    }
}
