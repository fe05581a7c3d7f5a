//! Handing something over to a target named by its ARN: an event's destination, a dead letter; later a rule's target or a
//! notification. Each service that can be such a target implements [`Deliver`] for itself and is registered in
//! [`Targets`]; a service that is not there cannot be chosen as a target in the first place.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use base::Arn;
use bytes::Bytes;

use crate::BoxFuture;

/// Takes what others hand over.
pub trait Deliver: Send + Sync {
    /// Takes it; durable when this returns. After a crash the same delivery may come again: its `id` tells.
    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Result<(), Undelivered>>;
}

/// What is handed over.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its own id, the same each time it is tried.
    pub id: String,
    /// On whose behalf: what resource policies call `aws:SourceArn`.
    pub source: Arn,
    /// The role whose permissions count.
    pub role: String,
    /// To whom.
    pub target: Arn,
    /// The message's body, the event, the object.
    pub payload: Bytes,
    /// Message attributes; a target without such a thing leaves them out.
    pub attributes: Vec<Attribute>,
    /// What an event bus shows as the detail's type; other targets leave it out.
    pub detail_type: &'static str,
    /// What it is called where objects are kept; other targets leave it out.
    pub object_key: String,
    /// The trace that it belongs to, with the lineage by which loops are found.
    pub trace_id: Option<String>,
}

/// A message attribute as SQS and SNS have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// `String` or `Number`.
    pub data_type: &'static str,
    /// Its value.
    pub value: String,
}

/// Why it was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// It never will be: no such queue, no permission, too large.
    #[error("refused: {0}")]
    Refused(String),
    /// It may be, later.
    #[error("not now: {0}")]
    Later(String),
}

/// Who takes deliveries, by the service in the target's ARN. A cheap handle: clones share everything.
#[derive(Clone, Default)]
pub struct Targets(Arc<RwLock<BTreeMap<&'static str, Arc<dyn Deliver>>>>);

impl Targets {
    /// Makes a service known as a target.
    pub fn register(&self, service: &'static str, deliver: Arc<dyn Deliver>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(service, deliver);
    }

    /// Who takes deliveries for this service, if it stands.
    pub fn find(&self, service: &str) -> Option<Arc<dyn Deliver>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(service).cloned()
    }
}
