//! A server of the command's own, where none runs yet.

use std::net::SocketAddr;

use node::Node;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::command::{Failure, serve};

/// A server within this process.
pub(super) struct Local {
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Local {
    /// Starts a server at the endpoint, unless one answers there.
    pub(super) async fn unless_up(client: &Client, endpoint: &str) -> Result<Option<Local>, Failure> {
        if client.is_up().await {
            return Ok(None);
        }
        let Some(address) = loopback(endpoint) else {
            return Err(format!("no server answers at {endpoint}, and one can be started on this machine only").into());
        };
        eprintln!("no server answers at {endpoint}: starting one");
        let node = Node::start(serve::from_environment(address)?).await?;
        for layer in node.degraded() {
            eprintln!("degraded isolation: {layer}");
        }
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let running = tokio::spawn(node.run(move || _ = ready.send(()), async move { _ = stopped.await }));
        is_ready.await.map_err(|_| "the server ended at its start")?;
        Ok(Some(Local { stop, running }))
    }

    /// Ends it in order.
    pub(super) async fn stop(self) {
        _ = self.stop.send(());
        if let Err(error) = self.running.await {
            eprintln!("the server did not end well: {error}");
        }
    }
}

/// The address of an endpoint on this machine.
fn loopback(endpoint: &str) -> Option<SocketAddr> {
    let authority = endpoint.strip_prefix("http://")?.trim_end_matches('/');
    let numeric = authority.replace("localhost", "127.0.0.1");
    let with_port = if numeric.rsplit_once(':').is_some() { numeric } else { format!("{numeric}:80") };
    with_port.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::loopback;

    #[test]
    fn a_server_can_be_started_on_this_machine_only() {
        assert_eq!(loopback("http://localhost:4566"), Some(([127, 0, 0, 1], 4566).into()));
        assert_eq!(loopback("http://127.0.0.1:80/"), Some(([127, 0, 0, 1], 80).into()));
        assert_eq!(loopback("http://localhost"), Some(([127, 0, 0, 1], 80).into()));
        for elsewhere in ["http://10.0.0.1:4566", "http://example.com", "https://localhost:1"] {
            assert_eq!(loopback(elsewhere), None, "{elsewhere}");
        }
    }
}
