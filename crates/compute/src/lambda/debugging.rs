//! Debuggers: a function whose variables name a port can be attached to there, by its developer on this host.
//!
//! `UPDRAFT_DEBUG_PORT` opens the port on loopback; with `UPDRAFT_DEBUG_WAIT` the function's code waits for the debugger.
//! Variables, because every tool can set them. They are for servers that only this machine reaches, and not for functions to
//! set: a port of the host is not theirs to open.

use std::collections::BTreeMap;

use base::{Cx, Error};
use sandbox::DebugPort;

use super::configuration::Environment;
use super::error::invalid;
use super::fleet::Refusal;
use super::{Config, Lambda};

const PORT: &str = "UPDRAFT_DEBUG_PORT";
const WAIT: &str = "UPDRAFT_DEBUG_WAIT";

/// Ports below it belong to the host's own services.
const PORT_MIN: u16 = 1024;
/// The Runtime API's own, inside of every sandbox.
const RUNTIME_API_PORT: u16 = 9001;

/// Where a debugger of a function with these variables attaches.
pub(crate) fn port(config: &Config, variables: &BTreeMap<String, String>) -> Option<DebugPort> {
    let port = variables.get(PORT)?.parse().ok().filter(|_| config.hot_reload)?;
    Some(DebugPort { port, wait: variables.get(WAIT).is_some_and(|wait| wait != "0" && !wait.is_empty()) })
}

/// Refuses variables that cannot have their effect, and those that the caller may not set.
pub(crate) fn check(cx: &Cx, config: &Config, environment: Option<&Environment>) -> Result<(), Error> {
    let Some(given) = environment.and_then(|environment| environment.variables.as_ref()?.get(PORT)) else {
        return Ok(());
    };
    if cx.origin.from_sandbox {
        return Err(Error::access_denied(format!("{PORT} is for callers outside of functions.")));
    }
    if !config.hot_reload {
        return Err(Error::access_denied(format!("{PORT} is off: this server listens beyond loopback.")));
    }
    let taken = [RUNTIME_API_PORT, config.endpoint_port];
    match given.parse::<u16>() {
        Ok(port) if port >= PORT_MIN && !taken.contains(&port) => Ok(()),
        _ => Err(invalid(format!(
            "{PORT} must be a port from {PORT_MIN} to 65535, and not {RUNTIME_API_PORT} or the server's own: '{given}'"
        ))),
    }
}

impl Lambda {
    /// Starts an environment of a function that idles without one, so that a debugger can be attached before the first
    /// request. Its output goes to the function's log; whether its init succeeds shows there, and in the next request.
    pub async fn start_ahead(&self, cx: &Cx, function: &str) -> Result<(), Error> {
        let resolved = self.resolve(cx, function, None).await?;
        let mut lease = self.fleet.lease(&resolved, false).await.map_err(|refusal| match refusal {
            Refusal::Aws(error) => error,
            Refusal::NotExecutable { words, .. } => invalid(words),
        })?;
        // One that was there is initialised already, and says so.
        if let Err(failed) = lease.environment().sandbox.initialise().await {
            tracing::debug!(?failed, function = %resolved.function_arn, "nothing was initialised ahead");
        }
        lease.release();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn config(hot_reload: bool) -> Config {
        Config {
            code_dir: "/nowhere".into(),
            hot_reload,
            endpoint_port: 4566,
            keep_alive: Duration::ZERO,
            registries: BTreeMap::default(),
            concurrent_executions_max: 1_000,
            code_storage_bytes_max: crate::lambda::CODE_STORAGE_BYTES_MAX,
            async_retry_delay: Duration::ZERO,
            keep_events: None,
            settle_delay: Duration::ZERO,
        }
    }

    fn of(pairs: &[(&str, &str)], hot_reload: bool) -> Option<(u16, bool)> {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        port(&config(hot_reload), &variables).map(|debug| (debug.port, debug.wait))
    }

    #[test]
    fn variables_say_where_and_whether_to_wait() {
        assert_eq!(of(&[(PORT, "5678")], true), Some((5678, false)));
        assert_eq!(of(&[(PORT, "5678"), (WAIT, "1")], true), Some((5678, true)));
        assert_eq!(of(&[(PORT, "5678"), (WAIT, "0")], true), Some((5678, false)));
        assert_eq!(of(&[(PORT, "5678")], false), None, "the server is reached from elsewhere");
        assert_eq!(of(&[(PORT, "x")], true), None);
        assert_eq!(of(&[], true), None);
    }
}
