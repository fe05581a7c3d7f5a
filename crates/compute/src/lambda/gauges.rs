//! Gauges of concurrency: how much ran at a time, recorded every few seconds as AWS/Lambda's metrics.
//!
//! Requests only raise peaks; a task of its own reads them, so that a request never looks up an account's series.

use std::sync::{Arc, Weak};
use std::time::Duration;

use base::Arn;

use super::metrics::Metric;
use super::name::{Qualifier, Target};
use super::{Lambda, Shared};

/// How often peaks are read. AWS's metrics have a point for each minute.
const PERIOD: Duration = Duration::from_secs(5);

impl Lambda {
    /// Starts the task; it ends with the service.
    pub(crate) fn start_gauges(&self) {
        tokio::spawn(read(Arc::downgrade(&self.0)));
    }

    fn record_gauges(&self) {
        for peaks in self.fleet.peaks() {
            let (account, region) = (peaks.account, &peaks.region);
            self.record_account(account, region, Metric::ConcurrentExecutions, peaks.running as f64);
            self.record_account(account, region, Metric::UnreservedConcurrentExecutions, peaks.unreserved as f64);
            for (name, peak) in peaks.functions {
                let target = Target { account, region: region.clone(), name, qualifier: None };
                self.record_of_function(&target, Metric::ConcurrentExecutions, peak as f64);
            }
        }
        for (arn, busy, share) in self.fleet.provisioned_used() {
            let Some(target) = target_of(&arn) else { continue };
            self.record_of_function(&target, Metric::ProvisionedConcurrentExecutions, busy as f64);
            self.record_of_function(&target, Metric::ProvisionedConcurrencyUtilization, share);
        }
    }
}

async fn read(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(lambda) = shared.upgrade().map(Lambda) else { return };
        lambda.record_gauges();
    }
}

/// The version or alias that a qualified ARN means.
fn target_of(arn: &str) -> Option<Target> {
    let arn = Arn::parse(arn)?;
    let (name, qualifier) = arn.resource.strip_prefix("function:")?.split_once(':')?;
    Some(Target {
        account: base::AccountId::parse(&arn.account)?,
        region: base::Region::parse(&arn.region)?,
        name: name.to_owned(),
        qualifier: Some(Qualifier::parse(qualifier)),
    })
}
