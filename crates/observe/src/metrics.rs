//! CloudWatch metrics: taken in from services (`intake`) and users, kept (`records`, `bucket`) and rolled up as they age
//! (`retention`), read (`read`, `statistic`) and worked with (`query`, `math`).

mod bucket;
pub(crate) mod embedded;
mod error;
mod exposition;
mod intake;
mod math;
pub mod operations;
mod query;
mod read;
mod records;
mod retention;
mod statistic;

use std::sync::Arc;

use base::{AccountId, Clock, Error};
use cloud::{BoxFuture, NotYet, Op, Service, ServiceId, check, op};
use store::{Durability, Scan, Store};
use wire::protocol::Protocol;

use operations::*;
use records::{METRICS, POINTS};

/// CloudWatch.
pub struct CloudWatch {
    store: Store,
    clock: Clock,
    intake: Arc<intake::Intake>,
}

impl CloudWatch {
    /// The service over this store. Starts the tasks that write what services measure and roll up what ages; they end
    /// with the last handle.
    pub fn start(store: Store, clock: Clock) -> Arc<CloudWatch> {
        let intake = intake::Intake::start(store.clone());
        let cloudwatch = Arc::new(CloudWatch { store, clock, intake });
        retention::start(&cloudwatch);
        cloudwatch
    }

    /// The port by which services record their metrics.
    pub fn sink(&self) -> Arc<dyn cloud::ports::Metrics> {
        self.intake.clone()
    }

    /// Waits until everything recorded so far is readable and survives the end of the process.
    pub async fn flush(&self) {
        self.intake.flush().await;
    }

    /// Everything that services have recorded since the start, as Prometheus reads it.
    pub fn exposition(&self) -> String {
        exposition::write(self.intake.totals())
    }

    async fn forget(&self, account: Option<AccountId>) -> store::Result<()> {
        self.flush().await;
        let all = || account.map_or_else(Scan::all, |account| Scan::under(account.as_str())).limit(500);
        loop {
            let page = self.store.scan(METRICS, all()).await?;
            if page.is_empty() {
                return Ok(());
            }
            for (key, metric) in page {
                let numbers: Vec<u64> = metric.units.values().copied().collect();
                for number in &numbers {
                    let points = Scan::under(*number).limit(5_000);
                    while !self.store.scan(POINTS, points.clone().limit(1)).await?.is_empty() {
                        let points = points.clone();
                        let work = move |tx: &mut store::Tx<'_>| tx.delete_range(POINTS, points.clone());
                        self.store.transact_with(Durability::Buffered, work).await?;
                    }
                }
                retention::forget(&self.store, key, numbers.len() as u64).await?;
            }
        }
    }
}

impl Service for CloudWatch {
    const ID: ServiceId =
        ServiceId::new("cloudwatch", &[Protocol::RpcV2Cbor, Protocol::AwsJson10, Protocol::AwsQuery], "2010-08-01")
            .signing_name("monitoring")
            .target_prefix("GraniteServiceVersion20100801")
            .shape_name("GraniteServiceVersion20100801")
            .xml_namespace("http://monitoring.amazonaws.com/doc/2010-08-01/")
            .validation_code("ValidationError");
    const OPERATIONS: &'static [Op<Self>] =
        &[op::<_, GetMetricData>(), op::<_, GetMetricStatistics>(), op::<_, ListMetrics>(), op::<_, PutMetricData>()];
    const NOT_YET: &'static [NotYet] = operations::NOT_YET;

    fn reset<'a>(&'a self, account: Option<AccountId>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.forget(account).await.map_err(error::store_failed) })
    }
}

const _: () = check(CloudWatch::OPERATIONS);
