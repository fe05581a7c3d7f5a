//! The Shutdown phase: what an environment with extensions gets before it ends. AWS's order and limits: the runtime is asked to
//! end by SIGTERM, then the external extensions that registered for it get the Shutdown event, then everything is killed.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{
    companions, extensions::ExtensionEvent, life::Life, runtime_api::extension::shutdown_event, spec::Failure,
};

/// Time for the whole phase where external extensions are registered (AWS: 2,000 ms).
const WITH_EXTERNAL: Duration = Duration::from_millis(2000);

/// Time where only internal ones are (AWS: 500 ms). Without any there is no such phase.
const WITH_INTERNAL: Duration = Duration::from_millis(500);

/// The runtime's part of it, in tenths.
const RUNTIME_TENTHS: u32 = 3;

/// Why an environment ends, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It was idle, or is not wanted any more.
    Spindown,
    /// An invocation or an init took too long.
    Timeout,
    /// Something in it went wrong.
    Failure,
}

impl Reason {
    /// What a failure means for the extensions.
    pub(crate) fn of(failure: &Failure) -> Reason {
        if matches!(failure, Failure::Timeout) { Reason::Timeout } else { Reason::Failure }
    }

    fn name(self) -> &'static str {
        match self {
            Reason::Spindown => "spindown",
            Reason::Timeout => "timeout",
            Reason::Failure => "failure",
        }
    }
}

/// A life in the middle of a phase. Dropped there, with the future of the phase, it ends as after a failure.
pub(super) struct AtWork(Option<Life>);

impl From<Life> for AtWork {
    fn from(life: Life) -> AtWork {
        AtWork(Some(life))
    }
}

impl AtWork {
    /// The phase has come to its end.
    pub(super) fn done(mut self) -> Life {
        // Present until this, which consumes it.
        self.0.take().unwrap_or_else(|| unreachable!())
    }
}

impl Deref for AtWork {
    type Target = Life;

    fn deref(&self) -> &Life {
        self.0.as_ref().unwrap_or_else(|| unreachable!())
    }
}

impl DerefMut for AtWork {
    fn deref_mut(&mut self) -> &mut Life {
        self.0.as_mut().unwrap_or_else(|| unreachable!())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Some(life) = self.0.take_if(|life| life.extensions.any()) {
            life.retire(Reason::Failure);
        }
    }
}

impl Life {
    /// Ends it in the background: those who wait for an answer do not wait for last words.
    pub(crate) fn retire(self, reason: Reason) {
        // Outside of a runtime the server is past its end, and so is everything in it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(self.shut_down(reason));
        }
    }

    async fn shut_down(mut self, reason: Reason) {
        self.rest.wake().await;
        let external = self.extensions.any_external();
        let limit = if external { WITH_EXTERNAL } else { WITH_INTERNAL };
        let started = Instant::now();
        self.extensions.stop();
        self.drain_logs();
        self.telemetry.flush();
        self.cell.terminate().await;
        let (cell, deadline) = (self.cell.clone(), started + limit * RUNTIME_TENTHS / 10);
        self.attend_end(
            async move {
                cell.exited().await;
            },
            deadline,
        )
        .await;
        if external {
            let left = (started + limit).saturating_duration_since(Instant::now());
            let deadline_ms = self.clock.now().millis() + left.as_millis() as i64;
            self.extensions.tell(ExtensionEvent::Shutdown, &shutdown_event(reason.name(), deadline_ms));
            for name in self.extensions.unwarned() {
                companions::kill(&self.cell, &self.companions, &name).await;
            }
            let extensions = self.extensions.clone();
            self.attend_end(async move { extensions.gone().await }, started + limit).await;
        }
        self.cell.destroy().await;
        self.drain_logs();
    }

    /// Hands on logs until something has ended or the time is over.
    async fn attend_end(&mut self, end: impl Future<Output = ()>, deadline: Instant) {
        tokio::select! {
            biased;
            () = end => {}
            () = sleep_until(deadline) => {}
            never = self.logs.pump() => match never {},
        }
    }
}
