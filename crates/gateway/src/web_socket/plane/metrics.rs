//! What a WebSocket API is measured by, in `AWS/ApiGateway`: by API, by stage, and by route where the stage asks for that.

use std::sync::Arc;
use std::time::Duration;

use base::{AccountId, Region, Timestamp};
use cloud::ports::{MetricName, Metrics, Scope, Series};

use crate::edge::metrics::NAMESPACE;
use crate::web_socket::connection::Place;

/// Where one route's turns are counted.
pub(super) struct Meter {
    connects: Arc<dyn Series>,
    messages: Arc<dyn Series>,
    integration_errors: Arc<dyn Series>,
    client_errors: Arc<dyn Series>,
    execution_errors: Arc<dyn Series>,
    integration_latency: Arc<dyn Series>,
}

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// Nobody's fault.
    None,
    /// It was refused before the backend was asked.
    Client,
    /// The backend could not be asked, or gave no answer.
    Execution,
    /// The backend answered with an error.
    Integration,
}

impl Meter {
    pub(super) fn new(
        metrics: &Arc<dyn Metrics>,
        account: AccountId,
        region: &Region,
        place: &Place,
        route: Option<&str>,
    ) -> Meter {
        let api = || ("ApiId", place.api_id.to_string());
        let stage = || ("Stage", place.stage.to_string());
        let mut dimension_sets = vec![vec![api()], vec![api(), stage()]];
        dimension_sets.extend(route.map(|route| vec![api(), ("Route", route.to_owned()), stage()]));
        let scope = Arc::new(Scope { account, region: region.clone(), namespace: NAMESPACE, dimension_sets });
        let series = |name, unit| metrics.series(&scope, MetricName { name, unit });
        Meter {
            connects: series("ConnectCount", "Count"),
            messages: series("MessageCount", "Count"),
            integration_errors: series("IntegrationError", "Count"),
            client_errors: series("ClientError", "Count"),
            execution_errors: series("ExecutionError", "Count"),
            integration_latency: series("IntegrationLatency", "Milliseconds"),
        }
    }

    /// Counts a handshake that reaches its backend.
    pub(super) fn connected(&self, at: Timestamp) {
        self.connects.record(at, 1.0);
    }

    /// Counts a message, from the client or to it.
    pub(super) fn message(&self, at: Timestamp) {
        self.messages.record(at, 1.0);
    }

    /// Counts what became of a turn; each kind of error as one or none, so that averages are rates.
    pub(super) fn outcome(&self, at: Timestamp, blame: Blame, integration_latency: Option<Duration>) {
        let one_if = |of: Blame| f64::from(u8::from(blame == of));
        self.client_errors.record(at, one_if(Blame::Client));
        self.execution_errors.record(at, one_if(Blame::Execution));
        self.integration_errors.record(at, one_if(Blame::Integration));
        if let Some(latency) = integration_latency {
            self.integration_latency.record(at, latency.as_millis() as f64);
        }
    }
}
