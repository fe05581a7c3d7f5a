//! Lambda's metrics as Prometheus reads them: what was recorded since the start, by function and the name it was called by.
//! Prometheus sums up itself, so only the finest series of each is shown. Times are in seconds, as its users expect.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use cloud::ports::{MetricName, Scope};

use super::bucket::Bucket;

/// Bounds of the histograms, in seconds: from a warm no-op to the longest that Lambda lets run.
const BOUNDS_SECS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 900.0];

/// Lambda's metrics that count what happened, not how much there is at a time.
const COUNTERS: &[(&str, &str)] = &[
    ("AsyncEventsDropped", "async_events_dropped"),
    ("AsyncEventsReceived", "async_events_received"),
    ("DeadLetterErrors", "dead_letter_errors"),
    ("DestinationDeliveryFailures", "destination_delivery_failures"),
    ("Errors", "errors"),
    ("Invocations", "invocations"),
    ("ProvisionedConcurrencyInvocations", "provisioned_concurrency_invocations"),
    ("ProvisionedConcurrencySpilloverInvocations", "provisioned_concurrency_spillover_invocations"),
    ("RecursiveInvocationsDropped", "recursive_invocations_dropped"),
    ("Throttles", "throttles"),
    ("Url4xxCount", "url_4xx"),
    ("Url5xxCount", "url_5xx"),
    ("UrlRequestCount", "url_requests"),
];

/// Those that are times.
const HISTOGRAMS: &[(&str, &str)] = &[
    ("AsyncEventAge", "async_event_age"),
    ("Duration", "duration"),
    ("IteratorAge", "iterator_age"),
    ("UrlRequestLatency", "url_request_latency"),
];

pub(super) fn write(totals: Vec<(Arc<Scope>, MetricName, Bucket)>) -> String {
    let mut by_name: BTreeMap<&str, BTreeMap<String, Bucket>> = BTreeMap::new();
    for (scope, metric, total) in totals.into_iter().filter(|(scope, ..)| scope.namespace == "AWS/Lambda") {
        by_name.entry(metric.name).or_default().entry(labels(&scope)).or_default().merge(&total);
    }
    let mut text = String::new();
    for (name, ours) in COUNTERS {
        let Some(series) = by_name.get(name) else { continue };
        _ = writeln!(text, "# HELP updraft_lambda_{ours}_total AWS/Lambda {name}.");
        _ = writeln!(text, "# TYPE updraft_lambda_{ours}_total counter");
        for (labels, total) in series {
            _ = writeln!(text, "updraft_lambda_{ours}_total{{{labels}}} {}", total.sum);
        }
    }
    for (name, ours) in HISTOGRAMS {
        let Some(series) = by_name.get(name) else { continue };
        _ = writeln!(text, "# HELP updraft_lambda_{ours}_seconds AWS/Lambda {name}; bounds within 1 %.");
        _ = writeln!(text, "# TYPE updraft_lambda_{ours}_seconds histogram");
        for (labels, total) in series {
            histogram(&mut text, &format!("updraft_lambda_{ours}_seconds"), labels, total);
        }
    }
    text
}

fn histogram(text: &mut String, name: &str, labels: &str, total: &Bucket) {
    let values: Vec<(f64, f64)> = total.weighted().into_iter().flatten().collect();
    for bound in BOUNDS_SECS {
        let below: f64 = values.iter().take_while(|(ms, _)| *ms <= bound * 1000.0).map(|(_, count)| count).sum();
        _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
    }
    _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", total.count);
    _ = writeln!(text, "{name}_sum{{{labels}}} {}", total.sum / 1000.0);
    _ = writeln!(text, "{name}_count{{{labels}}} {}", total.count);
}

/// Account, region, and the finest set of dimensions.
fn labels(scope: &Scope) -> String {
    let mut labels = format!("account=\"{}\",region=\"{}\"", scope.account, scope.region);
    let finest = scope.dimension_sets.iter().max_by_key(|set| set.len());
    for (name, value) in finest.into_iter().flatten() {
        let name = match *name {
            "FunctionName" => "function",
            "Resource" => "resource",
            "ExecutedVersion" => "version",
            other => other,
        };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        _ = write!(labels, ",{name}=\"{value}\"");
    }
    labels
}
