//! Times in order, and two figures of them.

use std::time::{Duration, Instant};

/// Times of one thing done many times.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Does something and takes its time.
    pub(crate) fn take<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.0.push(started.elapsed());
        result
    }

    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn p50(&mut self) -> Duration {
        self.at(500)
    }

    pub(crate) fn p99(&mut self) -> Duration {
        self.at(990)
    }

    /// The time at so many thousandths from the shortest; zero if there are none.
    fn at(&mut self, thousandths: usize) -> Duration {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * thousandths / 1000).copied().unwrap_or_default()
    }
}
