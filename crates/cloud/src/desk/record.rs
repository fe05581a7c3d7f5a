//! What is written down of a request: its id goes out with the answer, its outcome into the log.

use std::sync::Arc;
use std::time::Instant;

use base::Origin;
use http::request::Parts;
use wire::protocol::{Answer, Protocol};
use wire::server::Peer;

use super::identify::{Identity, header};
use crate::registry::Mounted;

/// What is known of a request so far; grows from phase to phase.
pub(super) struct Visit {
    pub(super) request_id: Arc<str>,
    pub(super) origin: Arc<Origin>,
    pub(super) service: Option<Arc<Mounted>>,
    pub(super) protocol: Protocol,
    operation: Option<&'static str>,
    begun: Instant,
}

impl Visit {
    pub(super) fn begin(head: &Parts, peer: Peer) -> Visit {
        let text = |name: &str| header(head, name).map(str::to_owned);
        let origin = Origin {
            remote: peer.address,
            host: text("host").or_else(|| head.uri.authority().map(ToString::to_string)).unwrap_or_default(),
            tls: peer.tls,
            from_sandbox: peer.from_sandbox,
            user_agent: text("user-agent").unwrap_or_default(),
            trace_id: text("x-amzn-trace-id"),
        };
        Visit {
            request_id: base::id::uuid().into(),
            origin: Arc::new(origin),
            service: None,
            protocol: Protocol::RestJson1,
            operation: None,
            begun: Instant::now(),
        }
    }

    pub(super) fn speaks(&mut self, identity: &Identity) {
        self.service = Some(identity.service.clone());
        self.protocol = identity.protocol;
    }

    /// The operation's name, once it is known.
    pub(super) fn operation(&self) -> &'static str {
        self.operation.unwrap_or("?")
    }

    pub(super) fn calls(&mut self, operation: &'static str) {
        self.operation = Some(operation);
    }
}

/// One line for each request, at `debug` for successes and `info` for refusals.
pub(super) fn end(visit: &Visit, answer: &Answer) {
    let service = visit.service.as_ref().map_or("?", |s| s.id.name);
    let operation = visit.operation();
    let (status, micros) = (answer.status.as_u16(), visit.begun.elapsed().as_micros() as u64);
    let id = &*visit.request_id;
    match status {
        500.. => tracing::warn!(service, operation, status, micros, id, "request failed"),
        400.. => tracing::info!(service, operation, status, micros, id, "request refused"),
        _ => tracing::debug!(service, operation, status, micros, id, "request"),
    }
}
