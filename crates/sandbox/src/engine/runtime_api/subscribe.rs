//! AWS's Telemetry API (`PUT /2022-07-01/telemetry`) and the Logs API before it (`PUT /2020-08-15/logs`): subscriptions.
//!
//! Only while an environment initialises, and only by extensions that have registered. Ranges and defaults are AWS's; all
//! that is wrong with a request is told at once.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::{HeaderMap, Method, StatusCode, body::Incoming};
use serde::Deserialize;

use super::{
    super::telemetry::{Buffering, Destination, Refused, Schema, Stream, SubscribedBy, Wish},
    Response, Shared,
    extension::{forbidden, identifier, unknown},
    json, not_found, refuse,
};

/// Longest request that is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// AWS's ranges of the buffer: events, bytes, milliseconds.
const ITEMS: std::ops::RangeInclusive<u64> = 1_000..=10_000;
const BYTES: std::ops::RangeInclusive<u64> = 262_144..=1_048_576;
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 25..=30_000;

const ITEMS_DEFAULT: u64 = 10_000;
const BYTES_DEFAULT: u64 = 262_144;
const TIMEOUT_MS_DEFAULT: u64 = 1_000;

/// What this host is called inside of a sandbox.
const HOSTS: [&str; 2] = ["sandbox.localdomain", "sandbox"];

/// Which API a path belongs to.
pub(super) fn api(path: &str) -> Option<SubscribedBy> {
    match path.strip_suffix('/').unwrap_or(path) {
        "/2022-07-01/telemetry" => Some(SubscribedBy::Telemetry),
        "/2020-08-15/logs" => Some(SubscribedBy::Logs),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    schema_version: Option<String>,
    types: Option<Vec<String>>,
    buffering: Option<AskedBuffering>,
    destination: Option<AskedDestination>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct AskedBuffering {
    max_items: Option<u64>,
    max_bytes: Option<u64>,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
struct AskedDestination {
    protocol: Option<String>,
    #[serde(rename = "URI")]
    uri: Option<String>,
    port: Option<u16>,
}

/// Answers a subscription.
pub(super) async fn answer(
    shared: &Shared,
    by: SubscribedBy,
    method: &Method,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Response {
    if method != Method::PUT {
        return not_found();
    }
    let id = match identifier(headers) {
        Ok(id) => id,
        Err(refusal) => return *refusal,
    };
    let Some(name) = shared.extensions.name_of(id) else { return unknown(id) };
    let asked = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => serde_json::from_slice::<Asked>(&body.to_bytes()).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let wish = match asked.and_then(|asked| read(asked, name, by)) {
        Ok(wish) => wish,
        Err(words) => return refuse(StatusCode::BAD_REQUEST, invalid(by), &words),
    };
    match (shared.telemetry.subscribe(wish), by) {
        (Ok(()), _) => json(StatusCode::OK, "\"OK\"".into()),
        (Err(Refused::Closed), SubscribedBy::Telemetry) => {
            forbidden("Telemetry.SubscriptionClosed", "Telemetry API subscription is closed already")
        }
        (Err(Refused::Closed), SubscribedBy::Logs) => {
            forbidden("Logs.SubscriptionClosed", "Logs API subscription is closed already")
        }
        // AWS says that this is an error and not which.
        (Err(Refused::OtherApi), _) => {
            let words = "the extension has subscribed through the other API already";
            refuse(StatusCode::BAD_REQUEST, invalid(by), words)
        }
    }
}

fn invalid(by: SubscribedBy) -> &'static str {
    match by {
        SubscribedBy::Telemetry => "ValidationError",
        SubscribedBy::Logs => "Logs.ValidationError",
    }
}

/// What is asked for, or everything that is wrong with it.
fn read(asked: Asked, name: String, by: SubscribedBy) -> Result<Wish, String> {
    let mut wrong = Vec::new();
    let schema = schema(asked.schema_version.as_deref(), by).unwrap_or_else(|words| {
        wrong.push(words);
        Schema::Logs2020
    });
    let destination = asked.destination.ok_or_else(|| "destination should not be empty".to_owned());
    let destination = destination.and_then(|asked| destination_of(&asked));
    let streams = streams(asked.types.unwrap_or_default(), &mut wrong);
    let buffering = asked.buffering.unwrap_or_default();
    let mut number = |name: &str, asked: Option<u64>, default: u64, range: std::ops::RangeInclusive<u64>| {
        let value = asked.unwrap_or(default);
        if !range.contains(&value) {
            wrong.push(format!("buffering.{name} should be between {} and {}", range.start(), range.end()));
        }
        value
    };
    let buffering = Buffering {
        items_max: number("maxItems", buffering.max_items, ITEMS_DEFAULT, ITEMS) as usize,
        bytes_max: number("maxBytes", buffering.max_bytes, BYTES_DEFAULT, BYTES) as usize,
        timeout: Duration::from_millis(number("timeoutMs", buffering.timeout_ms, TIMEOUT_MS_DEFAULT, TIMEOUT_MS)),
    };
    match destination {
        Ok(destination) if wrong.is_empty() => Ok(Wish { name, by, schema, streams, buffering, destination }),
        Ok(_) => Err(wrong.join("; ")),
        Err(words) => Err([vec![words], wrong].concat().join("; ")),
    }
}

fn schema(version: Option<&str>, by: SubscribedBy) -> Result<Schema, String> {
    match (by, version) {
        (SubscribedBy::Logs, None | Some("2020-08-15")) => Ok(Schema::Logs2020),
        (SubscribedBy::Logs, Some("2021-03-18")) => Ok(Schema::Logs2021),
        (SubscribedBy::Telemetry, Some("2022-07-01")) => Ok(Schema::Telemetry2022July),
        (SubscribedBy::Telemetry, Some("2022-12-13")) => Ok(Schema::Telemetry2022December),
        (SubscribedBy::Telemetry, Some("2025-01-29")) => Ok(Schema::Telemetry2025),
        (SubscribedBy::Telemetry, None) => Err("schemaVersion should not be empty".into()),
        (_, Some(other)) => Err(format!("schemaVersion {other} is not supported")),
    }
}

fn streams(types: Vec<String>, wrong: &mut Vec<String>) -> Vec<Stream> {
    let mut streams = Vec::new();
    for name in types {
        match [Stream::Platform, Stream::Function, Stream::Extension].into_iter().find(|stream| stream.name() == name) {
            Some(stream) if !streams.contains(&stream) => streams.push(stream),
            Some(_) => {}
            None => wrong.push(format!("type {name} is not supported")),
        }
    }
    if streams.is_empty() {
        wrong.push("types should not be empty".into());
    }
    streams
}

/// Only within the sandbox.
fn destination_of(asked: &AskedDestination) -> Result<Destination, String> {
    match asked.protocol.as_deref() {
        Some("HTTP") => {
            let uri = asked.uri.as_deref().ok_or("URI should not be empty")?;
            let uri: hyper::Uri = uri.parse().map_err(|_| "URI is not valid")?;
            if uri.scheme_str() != Some("http") {
                return Err("URI scheme should be http".into());
            }
            if !uri.host().is_some_and(|host| HOSTS.contains(&host)) {
                return Err(format!("URI host should be {}", HOSTS[0]));
            }
            let port = uri.port_u16().ok_or("URI port is not provided")?;
            let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
            Ok(Destination::Http { port, path })
        }
        Some("TCP") => {
            let of_uri =
                asked.uri.as_deref().and_then(|uri| uri.rsplit(':').next()?.trim_end_matches('/').parse().ok());
            let port = asked.port.or(of_uri).ok_or("port is not provided")?;
            Ok(Destination::Tcp { port })
        }
        Some(other) => Err(format!("protocol {other} is not supported")),
        None => Err("protocol should not be empty".into()),
    }
}
