//! What extensions have to do with an invocation: the lines that tell of them, and the answer that leaves before they are done.

use std::sync::Arc;

use base::{Error, Timestamp};
use bytes::Bytes;
use sandbox::engine::{ExtensionState, SubscribedBy, SubscriptionState, TelemetryStream};
use serde::Serialize;
use tokio::sync::oneshot;

use super::Lambda;
use super::fleet::Lease;
use super::invoke::{Answer, Invocation};
use super::report::{self, FunctionError};
use super::resolve::Resolved;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtensionRecord<'a> {
    name: &'a str,
    state: &'a str,
    events: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
}

/// The line about an extension once init is over.
pub(crate) fn state_line(resolved: &Resolved, extension: &ExtensionState, now: Timestamp) -> Option<Bytes> {
    let events: Vec<&str> = extension.events.iter().map(|event| event.name()).collect();
    let ExtensionState { name, state, error_type, .. } = extension;
    if report::is_json(resolved) {
        let record = ExtensionRecord { name, state, events, error_type: error_type.as_deref() };
        return report::json(resolved, now, "platform.extension", record);
    }
    let error = error_type.as_ref().map(|error_type| format!("\tError Type: {error_type}")).unwrap_or_default();
    Some(format!("EXTENSION\tName: {name}\tState: {state}\tEvents: [{}]{error}\n", events.join(", ")).into())
}

#[derive(Serialize)]
struct SubscriptionRecord<'a> {
    name: &'a str,
    state: &'a str,
    types: Vec<&'a str>,
}

/// The line about a subscription to telemetry.
pub(crate) fn subscription_line(
    resolved: &Resolved,
    subscription: &SubscriptionState,
    now: Timestamp,
) -> Option<Bytes> {
    let SubscriptionState { name, by, streams } = subscription;
    let (kind, word) = match by {
        SubscribedBy::Telemetry => ("platform.telemetrySubscription", "TELEMETRY"),
        SubscribedBy::Logs => ("platform.logsSubscription", "LOGS"),
    };
    if report::is_json(resolved) {
        let types = streams.iter().map(|stream| stream.name()).collect();
        return report::json(resolved, now, kind, SubscriptionRecord { name, state: "Subscribed", types });
    }
    let types: Vec<&str> = streams.iter().map(|stream| capital(*stream)).collect();
    Some(format!("{word}\tName: {name}\tState: Subscribed\tTypes: [{}]\n", types.join(", ")).into())
}

fn capital(stream: TelemetryStream) -> &'static str {
    match stream {
        TelemetryStream::Platform => "Platform",
        TelemetryStream::Function => "Function",
        TelemetryStream::Extension => "Extension",
    }
}

impl Lambda {
    /// Runs a request in an environment with extensions, in a task of its own: the answer leaves when the runtime has given
    /// it, and the environment is free, and the request reported, when the extensions are done, too.
    pub(super) async fn run_lingering(
        &self,
        lease: Lease,
        resolved: &Arc<Resolved>,
        call: Invocation,
    ) -> Result<Answer, Error> {
        let (early, answered) = oneshot::channel();
        let request_id = call.request_id.clone();
        let (lambda, of) = (self.clone(), resolved.clone());
        let whole = tokio::spawn(async move { lambda.run_leased(lease, &of, call, None, Some(early)).await });
        match answered.await {
            Ok(Ok(payload)) => Ok(Answer { payload, failed: false, error_type: None, tail: None }),
            Ok(Err(failure)) => match report::function_error(&failure, resolved, &request_id, self.clock.now()) {
                Ok(FunctionError { payload, error_type, .. }) => {
                    Ok(Answer { payload, failed: true, error_type: Some(error_type), tail: None })
                }
                Err(_) => joined(whole.await),
            },
            // There was none before the end.
            Err(_) => joined(whole.await),
        }
    }
}

fn joined(whole: Result<Result<Answer, Error>, tokio::task::JoinError>) -> Result<Answer, Error> {
    whole.unwrap_or_else(|error| {
        tracing::error!(%error, "an invocation ended without an answer");
        let words = "An error occurred and the request cannot be processed.";
        Err(Error::new(500, "ServiceException", words).capital().with("Type", "Service"))
    })
}
