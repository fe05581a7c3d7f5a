//! Mappings between two states, and their pollers. A change is a row in a state that says so, and is settled a moment after
//! the answer: the poller starts or stops, and the row says where the mapping has come to. A start settles what a crash
//! left. Doing it twice does no harm.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use base::{AccountId, Cx, Error};
use bytes::Bytes;
use cloud::BoxFuture;
use cloud::ports::{MetricName, Scope};
use store::{Durability, Scan};
use tokio::task::AbortHandle;

use super::{EventSourceMappingMetric, MAPPINGS, MappingRecord, MappingState, MappingTarget, SourceKind};
use crate::lambda::error::Failure;
use crate::lambda::invoke::Invocation;
use crate::lambda::lineage;
use crate::lambda::metrics::Metric;
use crate::lambda::name::{QualifierText, Target};
use crate::lambda::poller::queue::QueuePoller;
use crate::lambda::poller::stream::{CHECKPOINTS, StreamPoller};
use crate::lambda::poller::{Consumer, Count, Filters, Invoked, Mapping};
use crate::lambda::{Lambda, Shared};

/// Places of shards that one transaction forgets.
const CHECKPOINTS_PER_STEP: usize = 1_000;

/// The pollers that run, each with the revision it goes by.
#[derive(Default)]
pub(crate) struct Pollers(Mutex<HashMap<MappingTarget, (String, AbortHandle)>>);

impl Pollers {
    fn lock(&self) -> MutexGuard<'_, HashMap<MappingTarget, (String, AbortHandle)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, at: &MappingTarget) {
        if let Some((_, poller)) = self.lock().remove(at) {
            poller.abort();
        }
    }

    /// Ends all of them; batches under way go on.
    pub(crate) fn stop_all(&self) {
        self.lock().drain().for_each(|(_, (_, poller))| poller.abort());
    }
}

impl Lambda {
    /// Settles mappings that a crash left between two states, and starts pollers.
    pub(crate) async fn start_mappings(&self) -> Result<(), Failure> {
        for (key, record) in self.store.scan(MAPPINGS, Scan::all()).await? {
            let Some(at) = MappingTarget::of_key(&key) else { continue };
            match record.state.is_settling() {
                true => self.settle_mapping(&at).await?,
                false => self.run_mapping(&at, &record),
            }
        }
        Ok(())
    }

    /// Settles a mapping in a moment.
    pub(crate) fn settle_mapping_later(&self, at: &MappingTarget) {
        let (lambda, at) = (self.clone(), at.clone());
        tokio::spawn(async move {
            tokio::time::sleep(lambda.config.settle_delay).await;
            if let Err(error) = lambda.settle_mapping(&at).await {
                tracing::error!(%error, mapping = at.id, "a mapping stays between two states until the next start");
            }
        });
    }

    async fn settle_mapping(&self, at: &MappingTarget) -> Result<(), Failure> {
        let (mapping, now) = (at.clone(), self.clock.now());
        let settled = self.store.transact(move |tx| {
            let Some(mut record) = tx.get(MAPPINGS, &mapping.key())? else { return Ok::<_, Failure>(None) };
            if record.state == MappingState::Deleting {
                tx.delete(MAPPINGS, &mapping.key())?;
                return Ok(None);
            }
            if record.state.is_settling() {
                record.state = if record.enabled { MappingState::Enabled } else { MappingState::Disabled };
                record.modified = now;
                tx.put(MAPPINGS, &mapping.key(), &record)?;
            }
            Ok(Some(record))
        });
        match settled.await? {
            Some(record) => self.run_mapping(at, &record),
            None => {
                self.pollers.stop(at);
                self.forget_checkpoints(&at.id).await?;
            }
        }
        Ok(())
    }

    async fn forget_checkpoints(&self, mapping: &str) -> Result<(), Failure> {
        loop {
            let scan = Scan::under(mapping.to_owned()).limit(CHECKPOINTS_PER_STEP);
            let forgotten = self.store.transact(move |tx| tx.delete_range(CHECKPOINTS, scan.clone())).await?;
            if forgotten < CHECKPOINTS_PER_STEP {
                return Ok(());
            }
        }
    }

    /// Removes all mappings of an account, or of all.
    pub(crate) async fn forget_mappings(&self, account: Option<AccountId>) -> Result<(), Failure> {
        let scan = account.map_or_else(Scan::all, |account| Scan::under(account.as_str()));
        for (key, _) in self.store.scan(MAPPINGS, scan).await? {
            let Some(at) = MappingTarget::of_key(&key) else { continue };
            self.pollers.stop(&at);
            self.store.transact(move |tx| tx.delete(MAPPINGS, &key)).await?;
            self.forget_checkpoints(&at.id).await?;
        }
        Ok(())
    }

    /// Sees to it that an enabled mapping has a poller of its present revision, and a disabled one none.
    fn run_mapping(&self, at: &MappingTarget, record: &MappingRecord) {
        let mut running = self.pollers.lock();
        if let Some((revision, _)) = running.get(at)
            && record.enabled
            && *revision == record.revision
        {
            return;
        }
        if let Some((_, poller)) = running.remove(at) {
            poller.abort();
        }
        if !record.enabled || self.fleet.is_closed() {
            return;
        }
        match self.poller(at, record) {
            Some(poller) => _ = running.insert(at.clone(), (record.revision.clone(), poller)),
            None => tracing::error!(mapping = at.id, source = %record.source, "no service has this event source"),
        }
    }

    fn poller(&self, at: &MappingTarget, record: &MappingRecord) -> Option<AbortHandle> {
        let target = record.target(at);
        let consumer = Arc::new(FunctionConsumer {
            lambda: Arc::downgrade(&self.0),
            at: at.clone(),
            target: target.clone(),
            counts: record.settings.metrics.as_ref().is_some_and(|m| m.contains(&EventSourceMappingMetric::EventCount)),
            result: Mutex::default(),
        });
        let mapping = Arc::new(Mapping {
            id: at.id.clone(),
            source: record.source.clone(),
            kind: SourceKind::of(&record.source)?,
            function_arn: target.arn().to_string(),
            role: record.role.clone(),
            settings: record.settings.clone(),
            filters: Filters::of(&record.settings.filters),
        });
        let service = record.source.service.as_str();
        if let Some(queue) = self.sources.queues(service) {
            return Some(tokio::spawn(Arc::new(QueuePoller { queue, mapping, consumer }).poll()).abort_handle());
        }
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let stream = self.sources.streams(service)?;
        Some(tokio::spawn(StreamPoller { stream, mapping, consumer, store, clock }.poll()).abort_handle())
    }

    /// The mapping, if there is one.
    pub(crate) async fn mapping(&self, at: &MappingTarget) -> Result<MappingRecord, Failure> {
        self.store.get(MAPPINGS, &at.key()).await?.ok_or_else(|| no_mapping().into())
    }
}

/// AWS's words for a mapping that is not there.
pub(crate) fn no_mapping() -> Error {
    crate::lambda::error::not_found("The resource you requested does not exist.")
}

/// A function as a poller sees it.
struct FunctionConsumer {
    lambda: Weak<Shared>,
    at: MappingTarget,
    target: Target,
    /// Whether the mapping has metrics of its own.
    counts: bool,
    /// What the store says of the last batch, if that is known.
    result: Mutex<&'static str>,
}

impl FunctionConsumer {
    fn lambda(&self) -> Option<Lambda> {
        self.lambda.upgrade().map(Lambda)
    }
}

impl Consumer for FunctionConsumer {
    fn invoke(&self, payload: Bytes) -> BoxFuture<'_, Result<Invoked, Error>> {
        Box::pin(async move {
            let Some(lambda) = self.lambda() else { return Err(Error::internal()) };
            let target = self.target.clone();
            // A task of its own, so that a poller that is stopped leaves no request half done.
            let ran = tokio::spawn(async move { lambda.run_batch(&target, payload).await }).await;
            ran.unwrap_or_else(|_| Err(Error::internal()))
        })
    }

    fn hand_over<'a>(&'a self, destination: &'a str, record: Vec<u8>) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(lambda) = self.lambda() else { return false };
            let put = lambda.put_record(&self.target, destination, &record).await;
            put.inspect_err(|error| tracing::error!(%error, "a record of a discarded batch is not kept")).is_ok()
        })
    }

    fn count(&self, what: Count, value: f64) {
        let Some(lambda) = self.lambda() else { return };
        let name = match what {
            Count::IteratorAge => return lambda.record_for(&self.target, Metric::IteratorAge, value),
            _ if !self.counts => return,
            Count::Polled => "PolledEventCount",
            Count::FilteredOut => "FilteredOutEventCount",
            Count::Invoked => "InvokedEventCount",
            Count::FailedInvoke => "FailedInvokeEventCount",
            Count::Deleted => "DeletedEventCount",
            Count::Dropped => "DroppedEventCount",
        };
        let scope = Scope {
            account: self.at.account,
            region: self.at.region.clone(),
            namespace: "AWS/Lambda",
            dimension_sets: vec![vec![("EventSourceMappingUUID", self.at.id.clone())]],
        };
        let series = lambda.metrics.series(&Arc::new(scope), MetricName { name, unit: "Count" });
        series.record(lambda.clock.now(), value);
    }

    fn processed(&self, result: &'static str) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let known = std::mem::replace(&mut *self.result.lock().unwrap_or_else(PoisonError::into_inner), result);
            let Some(lambda) = self.lambda().filter(|_| known != result) else { return };
            let key = self.at.key();
            let noted = lambda.store.transact_with(Durability::Buffered, move |tx| {
                if let Some(mut record) = tx.get(MAPPINGS, &key)? {
                    record.last_processing_result = result.to_owned();
                    tx.put(MAPPINGS, &key, &record)?;
                }
                Ok::<_, store::Error>(())
            });
            if let Err(error) = noted.await {
                tracing::warn!(%error, mapping = self.at.id, "how the last batch went is not noted");
            }
        })
    }
}

impl Lambda {
    async fn run_batch(&self, target: &Target, payload: Bytes) -> Result<Invoked, Error> {
        let cx = Cx::internal(target.account, target.region.clone(), self.clock.clone());
        let qualifier = target.qualifier.as_ref().map(|qualifier| QualifierText(qualifier.to_string()));
        let resolved = self.resolve(&cx, &target.name, qualifier.as_ref()).await?;
        let request_id = cx.request_id.to_string();
        let trace_id = lineage::enter(&self.trace_header(&resolved, None), &resolved.lineage_name).trace_id;
        let call = Invocation { request_id: request_id.clone(), payload, trace_id, ..Invocation::default() };
        let answer = self.run_invocation(&resolved, call).await?;
        let version = resolved.version.clone();
        Ok(Invoked { request_id, version, payload: answer.payload, failed: answer.failed })
    }
}
