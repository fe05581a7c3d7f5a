//! The embedded metric format: log events that are JSON objects with a member `_aws` become values of metrics, whoever
//! wrote them. What is not of the format stays a log event and nothing else, as on AWS.

use base::{AccountId, Region, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use store::{Durability, Store};

use super::bucket::Bucket;
use super::operations::StandardUnit;
use super::records::{self, Addition, Name, Refused};

/// AWS's limits: metrics of a directive, values of a metric, dimensions of a set, bytes of an event.
const METRICS_MAX: usize = 100;
const VALUES_MAX: usize = 100;
const DIMENSIONS_MAX: usize = 30;
const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// How old values may be, and how far ahead.
const PAST_MS_MAX: i64 = 14 * 86_400_000;
const FUTURE_MS_MAX: i64 = 2 * 3_600_000;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "_aws")]
    aws: Metadata,
    #[serde(flatten)]
    members: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: String,
    #[serde(default)]
    dimensions: Vec<Vec<String>>,
    metrics: Vec<Definition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: String,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    storage_resolution: Option<u64>,
}

/// Stores the metrics in log events of one account and region. Never fails the log: what cannot be stored is told in the
/// server's own log.
pub(crate) async fn record<'a>(
    store: &Store,
    (account, region): (AccountId, &Region),
    now: Timestamp,
    messages: impl Iterator<Item = &'a [u8]>,
) {
    let found = messages.filter(|message| may_be(message)).flat_map(|message| read(account, region, now, message));
    let additions: Vec<Addition> = found.collect();
    if additions.is_empty() {
        return;
    }
    let work = move |tx: &mut store::Tx<'_>| additions.iter().try_for_each(|addition| records::add(tx, addition));
    let outcome: Result<(), Refused> = store.transact_with(Durability::Buffered, work).await;
    if let Err(error) = outcome {
        tracing::warn!(%error, "metrics embedded in log events were not stored");
    }
}

/// A look that costs nothing beside writing the event.
fn may_be(message: &[u8]) -> bool {
    message.len() <= EVENT_BYTES_MAX
        && message.trim_ascii_start().first() == Some(&b'{')
        && message.windows(17).any(|window| window == b"CloudWatchMetrics")
}

/// The values of an event; none if it is not of the format.
fn read(account: AccountId, region: &Region, now: Timestamp, message: &[u8]) -> Vec<Addition> {
    let Ok(event) = serde_json::from_slice::<Event>(message) else { return Vec::new() };
    let age_ms = now.millis() - event.aws.timestamp;
    if !(-FUTURE_MS_MAX..=PAST_MS_MAX).contains(&age_ms) {
        return Vec::new();
    }
    let mut additions = Vec::new();
    for directive in &event.aws.cloud_watch_metrics {
        let is_ours = directive.namespace.starts_with("AWS/") || directive.namespace.is_empty();
        if is_ours || directive.metrics.len() > METRICS_MAX {
            continue;
        }
        let none = [Vec::new()];
        let sets = if directive.dimensions.is_empty() { &none[..] } else { &directive.dimensions };
        let sets: Vec<_> = sets.iter().filter_map(|set| dimensions(set, &event.members)).collect();
        for definition in &directive.metrics {
            let Some((unit, resolution_secs, bucket)) = measured(definition, &event.members) else { continue };
            let seconds = event.aws.timestamp.div_euclid(1000);
            additions.extend(sets.iter().map(|dimensions| Addition {
                name: Name {
                    account,
                    region: region.clone(),
                    namespace: directive.namespace.clone(),
                    metric: definition.name.clone(),
                    dimensions: dimensions.clone(),
                },
                unit: unit.to_owned(),
                resolution_secs,
                start_secs: seconds.div_euclid(resolution_secs as i64) * resolution_secs as i64,
                bucket: bucket.clone(),
            }));
        }
    }
    additions
}

/// A set's names with the event's values, in the order of the names; none if a value is missing or no text.
fn dimensions(set: &[String], members: &Map<String, Value>) -> Option<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = set
        .iter()
        .map(|name| {
            let value = members.get(name)?.as_str().filter(|value| !value.is_empty())?;
            Some((name.clone(), value.to_owned()))
        })
        .collect::<Option<_>>()?;
    found.sort();
    found.dedup();
    (found.len() <= DIMENSIONS_MAX).then_some(found)
}

/// A metric's unit, resolution and values; none if the event has no good ones.
fn measured<'a>(definition: &'a Definition, members: &Map<String, Value>) -> Option<(&'a str, u64, Bucket)> {
    let unit = definition.unit.as_deref().unwrap_or("None");
    StandardUnit::parse(unit)?;
    let resolution_secs = definition.storage_resolution.unwrap_or(60);
    if resolution_secs != 1 && resolution_secs != 60 {
        return None;
    }
    let mut bucket = Bucket::default();
    let mut add = |value: &Value| value.as_f64().filter(|v| v.is_finite()).map(|value| bucket.add(value, 1.0));
    match members.get(&definition.name)? {
        Value::Array(values) if values.len() <= VALUES_MAX => {
            values.iter().map(&mut add).collect::<Option<Vec<()>>>().map(drop)?
        }
        value => add(value)?,
    }
    (!bucket.is_empty()).then_some((unit, resolution_secs, bucket))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    /// Name, dimensions, unit, sum and count.
    type Found = (String, Vec<(String, String)>, String, f64, f64);

    fn found(event: &Value) -> Vec<Found> {
        let message = event.to_string();
        if !may_be(message.as_bytes()) {
            return Vec::new();
        }
        let now = Timestamp::from_millis(NOW);
        let additions = read(AccountId::DEFAULT, &Region::default(), now, message.as_bytes());
        let shown = |a: Addition| (a.name.metric, a.name.dimensions, a.unit, a.bucket.sum, a.bucket.count);
        additions.into_iter().map(shown).collect()
    }

    fn event() -> Value {
        json!({
            "_aws": {"Timestamp": NOW - 1000, "CloudWatchMetrics": [{
                "Namespace": "Shop",
                "Dimensions": [["Service"], ["Service", "Host"]],
                "Metrics": [{"Name": "Latency", "Unit": "Milliseconds"}, {"Name": "Orders"}],
            }]},
            "Service": "cart", "Host": "h1", "Latency": 12.5, "Orders": [1, 2, 3], "Other": "text",
        })
    }

    #[test]
    fn each_metric_is_found_under_each_set_of_dimensions() {
        let service = ("Service".to_owned(), "cart".to_owned());
        let both = vec![("Host".to_owned(), "h1".to_owned()), service.clone()];
        let wanted = [
            ("Latency".to_owned(), vec![service.clone()], "Milliseconds".to_owned(), 12.5, 1.0),
            ("Latency".to_owned(), both.clone(), "Milliseconds".to_owned(), 12.5, 1.0),
            ("Orders".to_owned(), vec![service], "None".to_owned(), 6.0, 3.0),
            ("Orders".to_owned(), both, "None".to_owned(), 6.0, 3.0),
        ];
        assert_eq!(found(&event()), wanted);
        let mut plain = event();
        plain["_aws"]["CloudWatchMetrics"][0]["Dimensions"] = json!([]);
        assert_eq!(found(&plain).len(), 2);
    }

    #[test]
    fn what_is_not_of_the_format_is_no_metric() {
        type Change = fn(&mut Value);
        let changes: [(Change, usize); 9] = [
            (|e| e["_aws"]["Timestamp"] = json!("soon"), 0),
            (|e| e["_aws"]["Timestamp"] = json!(NOW - 15 * 86_400_000), 0),
            (|e| e["_aws"]["CloudWatchMetrics"][0]["Namespace"] = json!("AWS/Lambda"), 0),
            (|e| e["_aws"]["CloudWatchMetrics"] = json!("CloudWatchMetrics"), 0),
            (|e| e["Host"] = json!(7), 2),
            (|e| e["Latency"] = json!("fast"), 2),
            (|e| e["Orders"] = json!([1, "two"]), 2),
            (|e| e["Orders"] = json!(vec![1; 101]), 2),
            (|e| e["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"] = json!("Furlongs"), 2),
        ];
        for (change, left) in changes {
            let mut event = event();
            change(&mut event);
            assert_eq!(found(&event).len(), left, "{event}");
        }
        assert_eq!(found(&json!({"message": "plain"})), []);
    }
}
