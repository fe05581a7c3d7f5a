//! What a stage's requests are measured by, in `AWS/ApiGateway`: each series is looked up once, when the stage is compiled.

use std::sync::Arc;
use std::time::Duration;

use base::{AccountId, Region, Timestamp};
use cloud::ports::{MetricName, Metrics, Scope, Series};

/// AWS's namespace.
pub(crate) const NAMESPACE: &str = "AWS/ApiGateway";

/// A set of dimensions: names and values.
pub(crate) type Dimensions = Vec<(&'static str, String)>;

/// What one kind of API calls its metrics.
#[derive(Debug)]
pub(crate) struct Names {
    count: &'static str,
    client_errors: &'static str,
    server_errors: &'static str,
    /// Whether answers are cached, and so counted as hits and misses.
    caches: bool,
    /// Whether bytes are counted.
    data: bool,
}

/// REST APIs' metrics.
pub(crate) const REST: Names =
    Names { count: "Count", client_errors: "4XXError", server_errors: "5XXError", caches: true, data: false };
/// HTTP APIs' metrics.
pub(crate) const HTTP: Names =
    Names { count: "Count", client_errors: "4xx", server_errors: "5xx", caches: false, data: true };

/// Where one set of requests is counted.
pub(crate) struct Meter {
    count: Arc<dyn Series>,
    client_errors: Arc<dyn Series>,
    server_errors: Arc<dyn Series>,
    latency: Arc<dyn Series>,
    integration_latency: Arc<dyn Series>,
    cache: Option<[Arc<dyn Series>; 2]>,
    data: Option<Arc<dyn Series>>,
}

/// What a request came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// When it came.
    pub(crate) at: Timestamp,
    /// The answer's status.
    pub(crate) status: u16,
    /// From its coming to its answer.
    pub(crate) latency: Duration,
    /// What the integration took of that, if one was asked.
    pub(crate) integration_latency: Option<Duration>,
    /// Whether the answer was in the cache, where there is one.
    pub(crate) cache_hit: Option<bool>,
}

impl Meter {
    /// The meter of requests that count under these sets of dimensions.
    pub(crate) fn new(
        metrics: &Arc<dyn Metrics>,
        account: AccountId,
        region: &Region,
        names: &Names,
        dimension_sets: Vec<Dimensions>,
    ) -> Meter {
        let scope = Arc::new(Scope { account, region: region.clone(), namespace: NAMESPACE, dimension_sets });
        let series = |name, unit| metrics.series(&scope, MetricName { name, unit });
        Meter {
            count: series(names.count, "Count"),
            client_errors: series(names.client_errors, "Count"),
            server_errors: series(names.server_errors, "Count"),
            latency: series("Latency", "Milliseconds"),
            integration_latency: series("IntegrationLatency", "Milliseconds"),
            cache: names.caches.then(|| [series("CacheHitCount", "Count"), series("CacheMissCount", "Count")]),
            data: names.data.then(|| series("DataProcessed", "Bytes")),
        }
    }

    /// Counts a request. Every one counts as an error or not, so that the averages are rates.
    pub(crate) fn record(&self, measured: &Measured) {
        let Measured { at, status, latency, .. } = *measured;
        let one_if = |is_so: bool| f64::from(u8::from(is_so));
        self.count.record(at, 1.0);
        self.client_errors.record(at, one_if((400..500).contains(&status)));
        self.server_errors.record(at, one_if(status >= 500));
        self.latency.record(at, millis(latency));
        if let Some(latency) = measured.integration_latency {
            self.integration_latency.record(at, millis(latency));
        }
        if let (Some([hits, misses]), Some(hit)) = (&self.cache, measured.cache_hit) {
            hits.record(at, one_if(hit));
            misses.record(at, one_if(!hit));
        }
    }
}

impl Meter {
    /// Where the bytes of requests and their answers are counted, once they are known: perhaps later than all else.
    pub(crate) fn data(&self) -> Option<&Arc<dyn Series>> {
        self.data.as_ref()
    }
}

/// Whole milliseconds, as AWS has them.
fn millis(latency: Duration) -> f64 {
    latency.as_millis() as f64
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meter")
    }
}
