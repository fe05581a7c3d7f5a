//! What Lambda measures: the metrics of the namespace `AWS/Lambda`, with AWS's dimensions and units.
//!
//! A value goes to the function, to the name it was called by (`Resource`: with its alias or version), to the executed
//! version where an alias led there, and to all functions of the region together. On the way of a request use
//! [`Lambda::record`]: each version keeps its series. Elsewhere [`Lambda::record_for`] looks them up.

use std::sync::{Arc, OnceLock};

use base::{AccountId, Region};
use cloud::ports::{Counter, MeteredFunction, MetricName, Metrics, Scope, Series, Used};

use super::Lambda;
use super::configuration::Architecture;
use super::name::Target;
use super::resolve::Resolved;

const NAMESPACE: &str = "AWS/Lambda";

/// A metric of AWS Lambda.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "asynchronous events and mappings record theirs as they land")]
pub(crate) enum Metric {
    AsyncEventAge,
    AsyncEventsDropped,
    AsyncEventsReceived,
    ClaimedAccountConcurrency,
    ConcurrentExecutions,
    DeadLetterErrors,
    DestinationDeliveryFailures,
    Duration,
    Errors,
    Invocations,
    IteratorAge,
    OffsetLag,
    OversizedRecordCount,
    PostRuntimeExtensionsDuration,
    ProvisionedConcurrencyInvocations,
    ProvisionedConcurrencySpilloverInvocations,
    ProvisionedConcurrencyUtilization,
    ProvisionedConcurrentExecutions,
    RecursiveInvocationsDropped,
    Throttles,
    UnreservedConcurrentExecutions,
    Url4xxCount,
    Url5xxCount,
    UrlRequestCount,
    UrlRequestLatency,
}

/// How many kinds there are: [`Metric::UrlRequestLatency`] is the last.
const METRICS: usize = Metric::UrlRequestLatency as usize + 1;

impl Metric {
    fn name(self) -> MetricName {
        let name = match self {
            Metric::AsyncEventAge => "AsyncEventAge",
            Metric::AsyncEventsDropped => "AsyncEventsDropped",
            Metric::AsyncEventsReceived => "AsyncEventsReceived",
            Metric::ClaimedAccountConcurrency => "ClaimedAccountConcurrency",
            Metric::ConcurrentExecutions => "ConcurrentExecutions",
            Metric::DeadLetterErrors => "DeadLetterErrors",
            Metric::DestinationDeliveryFailures => "DestinationDeliveryFailures",
            Metric::Duration => "Duration",
            Metric::Errors => "Errors",
            Metric::Invocations => "Invocations",
            Metric::IteratorAge => "IteratorAge",
            Metric::OffsetLag => "OffsetLag",
            Metric::OversizedRecordCount => "OversizedRecordCount",
            Metric::PostRuntimeExtensionsDuration => "PostRuntimeExtensionsDuration",
            Metric::ProvisionedConcurrencyInvocations => "ProvisionedConcurrencyInvocations",
            Metric::ProvisionedConcurrencySpilloverInvocations => "ProvisionedConcurrencySpilloverInvocations",
            Metric::ProvisionedConcurrencyUtilization => "ProvisionedConcurrencyUtilization",
            Metric::ProvisionedConcurrentExecutions => "ProvisionedConcurrentExecutions",
            Metric::RecursiveInvocationsDropped => "RecursiveInvocationsDropped",
            Metric::Throttles => "Throttles",
            Metric::UnreservedConcurrentExecutions => "UnreservedConcurrentExecutions",
            Metric::Url4xxCount => "Url4xxCount",
            Metric::Url5xxCount => "Url5xxCount",
            Metric::UrlRequestCount => "UrlRequestCount",
            Metric::UrlRequestLatency => "UrlRequestLatency",
        };
        MetricName { name, unit: self.unit() }
    }

    fn unit(self) -> &'static str {
        match self {
            Metric::AsyncEventAge
            | Metric::Duration
            | Metric::IteratorAge
            | Metric::PostRuntimeExtensionsDuration
            | Metric::UrlRequestLatency => "Milliseconds",
            Metric::ProvisionedConcurrencyUtilization => "None",
            _ => "Count",
        }
    }
}

/// The series of one version as it is called, each made when it is first recorded into.
#[derive(Clone, Default)]
pub(crate) struct Meters {
    scope: OnceLock<Arc<Scope>>,
    series: [OnceLock<Arc<dyn Series>>; METRICS],
    /// What it uses, for the bill.
    used: OnceLock<Arc<Counter>>,
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meters")
    }
}

impl Meters {
    fn series(&self, resolved: &Resolved, metrics: &dyn Metrics, metric: Metric) -> &dyn Series {
        let series = self.series[metric as usize].get_or_init(|| {
            let scope = self.scope.get_or_init(|| Arc::new(scope_of_version(resolved)));
            metrics.series(scope, metric.name())
        });
        &**series
    }
}

/// `/tmp` up to here costs nothing.
const FREE_STORAGE_MB: u32 = 512;

impl Lambda {
    /// Counts a request for the bill: its billed time with the memory and `/tmp` that it had, cheaper where the memory is
    /// provisioned, since that costs for itself.
    pub(crate) fn bill(&self, resolved: &Resolved, billed_ms: u64, is_provisioned: bool) {
        let used = resolved.meters.used.get_or_init(|| self.meter.counter(&metered(resolved)));
        let storage_mb = resolved.ephemeral_storage_mb.saturating_sub(FREE_STORAGE_MB);
        let mb_ms = u64::from(resolved.memory_mb) * billed_ms;
        let (on_demand_mb_ms, provisioned_use_mb_ms) = if is_provisioned { (0, mb_ms) } else { (mb_ms, 0) };
        let storage_mb_ms = u64::from(storage_mb) * billed_ms;
        used.add(Used { requests: 1, on_demand_mb_ms, provisioned_use_mb_ms, storage_mb_ms, ..Used::default() });
    }

    /// Records a value of a version, as it was called. Cheap: made for every request.
    pub(crate) fn record(&self, resolved: &Resolved, metric: Metric, value: f64) {
        let series = resolved.meters.series(resolved, &*self.metrics, metric);
        series.record(self.clock.now(), value);
    }

    /// Records a value of a function that is not resolved: by the name it was called by.
    pub(crate) fn record_for(&self, target: &Target, metric: Metric, value: f64) {
        let resource = match &target.qualifier {
            None => target.name.clone(),
            Some(qualifier) => format!("{}:{qualifier}", target.name),
        };
        let scope = scope(target.account, &target.region, &target.name, resource, None);
        self.metrics.series(&Arc::new(scope), metric.name()).record(self.clock.now(), value);
    }

    /// Records a value that is a function's alone: no part of the account's.
    pub(crate) fn record_of_function(&self, target: &Target, metric: Metric, value: f64) {
        let named = ("FunctionName", target.name.clone());
        let dimensions = match &target.qualifier {
            None => vec![named],
            Some(qualifier) => vec![named, ("Resource", format!("{}:{qualifier}", target.name))],
        };
        let (account, region) = (target.account, target.region.clone());
        let scope = Scope { account, region, namespace: NAMESPACE, dimension_sets: vec![dimensions] };
        self.metrics.series(&Arc::new(scope), metric.name()).record(self.clock.now(), value);
    }

    /// Records a value of an account as a whole.
    pub(crate) fn record_account(&self, account: AccountId, region: &Region, metric: Metric, value: f64) {
        let scope = Scope { account, region: region.clone(), namespace: NAMESPACE, dimension_sets: vec![Vec::new()] };
        self.metrics.series(&Arc::new(scope), metric.name()).record(self.clock.now(), value);
    }
}

/// Whose use it is, for the bill.
pub(super) fn metered(resolved: &Resolved) -> MeteredFunction {
    let architecture = if resolved.architecture == Architecture::Arm64 { "arm64" } else { "x86_64" };
    let (account, region) = (resolved.account, resolved.region.clone());
    MeteredFunction { account, region, function: resolved.name.clone(), architecture }
}

fn scope_of_version(resolved: &Resolved) -> Scope {
    let resource = resolved.invoked_arn.resource.strip_prefix("function:").unwrap_or(&resolved.name).to_owned();
    let qualifier = resource.split_once(':').map(|(_, qualifier)| qualifier);
    let through_alias = qualifier.is_some_and(|qualifier| qualifier != resolved.version);
    let executed = through_alias.then(|| resolved.version.clone());
    scope(resolved.account, &resolved.region, &resolved.name, resource, executed)
}

fn scope(account: AccountId, region: &Region, function: &str, resource: String, executed: Option<String>) -> Scope {
    let named = ("FunctionName", function.to_owned());
    let called = ("Resource", resource);
    let mut dimension_sets = vec![Vec::new(), vec![named.clone()], vec![named.clone(), called.clone()]];
    if let Some(version) = executed {
        dimension_sets.push(vec![named, called, ("ExecutedVersion", version)]);
    }
    Scope { account, region: region.clone(), namespace: NAMESPACE, dimension_sets }
}
