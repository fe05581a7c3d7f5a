//! The only door to the system clock, so that a test can hold it still or push it on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Timestamp;

/// A source of wall-clock time; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Held(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's own clock.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// A clock that stands at `start` until [`Clock::advance_ms`] moves it.
    pub fn held(start: Timestamp) -> Clock {
        Clock(Source::Held(Arc::new(AtomicI64::new(start.millis()))))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system clock")]
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(since.as_millis() as i64)
            }
            Source::Held(ms) => Timestamp::from_millis(ms.load(Ordering::SeqCst)),
        }
    }

    /// Moves a held clock on; does nothing to the system's.
    pub fn advance_ms(&self, by: i64) {
        if let Source::Held(ms) = &self.0 {
            ms.fetch_add(by, Ordering::SeqCst);
        }
    }
}
