//! X-Ray: segments taken in from services, daemons and users (`intake`), kept as they came (`records`), put together to
//! traces when they are read (`trace`), found by time and filter expression (`filter`); sent to others as well (`otlp`).

mod document;
mod filter;
mod intake;
pub mod operations;
pub mod otlp;
mod records;
mod retention;
mod trace;

use std::sync::Arc;

use base::{AccountId, Clock, Cx, Error};
use cloud::{BoxFuture, NotYet, Op, Service, ServiceId, check, op};
use store::{Durability, Scan, Store};
use wire::client::Client;
use wire::protocol::Protocol;

use operations::*;
use records::{Owner, TIMES};

/// X-Ray.
pub struct XRay {
    store: Store,
    clock: Clock,
    intake: Arc<intake::Intake>,
}

impl XRay {
    /// The service over this store. Starts the tasks that write segments and remove old traces; they end with the last
    /// handle. What it takes in goes to the receiver of OTLP as well, if there is one.
    pub fn start(store: Store, clock: Clock, receiver: Option<(otlp::Endpoint, Client)>) -> Arc<XRay> {
        let exporter = receiver.map(|(endpoint, client)| otlp::Exporter::start(endpoint, client));
        let intake = intake::Intake::start(store.clone(), exporter);
        let xray = Arc::new(XRay { store, clock, intake });
        retention::start(&xray);
        xray
    }

    /// The port by which services tell of what they do.
    pub fn sink(&self) -> Arc<dyn cloud::ports::Traces> {
        self.intake.clone()
    }

    /// Waits until everything put so far is readable and survives the end of the process.
    pub async fn flush(&self) {
        self.intake.flush().await;
    }

    /// As [`XRay::flush`], for the last time: what is still to be exported is, if its receiver is quick.
    pub async fn close(&self) {
        self.intake.close().await;
    }

    async fn forget(&self, account: Option<AccountId>) -> store::Result<()> {
        self.flush().await;
        let some = move || account.map_or_else(Scan::all, |account| Scan::under(account.as_str())).limit(20);
        loop {
            let removed = self
                .store
                .transact_with(Durability::Buffered, move |tx| {
                    let traces = tx.scan(TIMES, some())?;
                    traces.iter().try_for_each(|(key, _)| records::remove(tx, key))?;
                    Ok::<_, store::Error>(traces.len())
                })
                .await?;
            if removed == 0 {
                return Ok(());
            }
        }
    }
}

impl Service for XRay {
    const ID: ServiceId =
        ServiceId::new("xray", &[Protocol::RestJson1], "2016-04-12").validation_code("InvalidRequestException");
    const OPERATIONS: &'static [Op<Self>] = &[
        op::<_, BatchGetTraces>(),
        op::<_, GetSamplingRules>(),
        op::<_, GetSamplingTargets>(),
        op::<_, GetTraceSummaries>(),
        op::<_, PutTraceSegments>(),
    ];
    const NOT_YET: &'static [NotYet] = operations::NOT_YET;

    fn reset<'a>(&'a self, account: Option<AccountId>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.forget(account).await.map_err(store_failed) })
    }
}

const _: () = check(XRay::OPERATIONS);

fn owner(cx: &Cx) -> Owner {
    (cx.account, cx.region.clone())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(400, "InvalidRequestException", message).capital()
}

/// A failed store is our fault, not the caller's: the log says what happened.
fn store_failed(error: store::Error) -> Error {
    tracing::error!(%error, "the trace store failed");
    Error::internal()
}
