//! What lies in a function's queue of asynchronous work: events to be run, and what is to be handed over once they have.
//! Header and payload are kept apart, so that no payload is parsed or escaped on its way.

use base::{AccountId, Region};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::lambda::metrics::Metric;
use crate::lambda::name::{Qualifier, Target};

/// A header in a queue; a payload follows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Entry {
    /// To be run.
    Event(Event),
    /// To be handed over.
    Handover(Handover),
}

/// An accepted event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) function: String,
    pub(super) qualifier: Option<String>,
    pub(super) request_id: String,
    pub(super) trace_id: String,
    #[serde(default)]
    pub(super) client_context: Option<String>,
    pub(super) accepted_ms: i64,
    /// Attempts that ran and failed.
    pub(super) failures: u32,
    /// Attempts that were throttled in a row.
    pub(super) throttles: u32,
}

impl Event {
    /// An event that was accepted now.
    pub(super) fn new(target: &Target, request_id: String, trace_id: String, accepted_ms: i64) -> Event {
        Event {
            account: target.account,
            region: target.region.clone(),
            function: target.name.clone(),
            qualifier: target.qualifier.as_ref().map(ToString::to_string),
            request_id,
            trace_id,
            client_context: None,
            accepted_ms,
            failures: 0,
            throttles: 0,
        }
    }

    /// The function, and the version or alias that was asked for.
    pub(super) fn target(&self) -> Target {
        Target {
            account: self.account,
            region: self.region.clone(),
            name: self.function.clone(),
            qualifier: self.qualifier.as_deref().map(Qualifier::parse),
        }
    }
}

/// Something that has to reach a destination or a dead letter queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Handover {
    pub(super) id: String,
    pub(super) kind: Kind,
    /// The function's ARN, with what was asked for.
    pub(super) source: String,
    pub(super) role: String,
    pub(super) target: String,
    pub(super) trace_id: String,
    pub(super) since_ms: i64,
    pub(super) tries: u32,
}

/// Why something is handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// An invocation record for a destination.
    Record { success: bool },
    /// The event itself, for the dead letter queue, and what its attributes say.
    DeadLetter { request_id: String, error_code: u16, error_message: String },
}

impl Kind {
    /// What counts those that could not be handed over.
    pub(super) fn failure(&self) -> Metric {
        match self {
            Kind::Record { .. } => Metric::DestinationDeliveryFailures,
            Kind::DeadLetter { .. } => Metric::DeadLetterErrors,
        }
    }
}

/// Length of the header, header, payload.
pub(super) fn encode(entry: &Entry, payload: &[u8]) -> Vec<u8> {
    let head = serde_json::to_vec(entry).unwrap_or_default();
    let mut bytes = Vec::with_capacity(4 + head.len() + payload.len());
    bytes.extend_from_slice(&(head.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(payload);
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Option<(Entry, Bytes)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (head, payload) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((serde_json::from_slice(head).ok()?, Bytes::copy_from_slice(payload)))
}
