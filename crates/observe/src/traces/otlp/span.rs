//! A segment of X-Ray as spans of OpenTelemetry: it and each subsegment within is one. Names of attributes are those of
//! OpenTelemetry's semantic conventions; shapes are OTLP's JSON: ids in hexadecimal, 64-bit numbers as strings,
//! enumerations as numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::traces::document::Document;
use crate::traces::records::{Arrival, Owner};

/// `SpanKind` and `StatusCode` by OTLP's numbers.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const ERROR: u8 = 2;

/// The body of a request to `/v1/traces`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Export {
    pub(super) resource_spans: Vec<ResourceSpans>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceSpans {
    resource: Resource,
    scope_spans: [ScopeSpans; 1],
}

#[derive(Debug, Serialize)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Debug, Serialize)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<Span>,
}

/// Who observed it.
#[derive(Debug, Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute>,
    status: Status,
}

/// Empty where nothing went wrong: OTLP's "unset".
#[derive(Debug, Default, Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Attribute {
    key: String,
    value: AnyValue,
}

#[derive(Debug, Serialize)]
enum AnyValue {
    #[serde(rename = "stringValue")]
    Text(String),
    #[serde(rename = "boolValue")]
    Truth(bool),
    #[serde(rename = "intValue")]
    Whole(String),
    #[serde(rename = "doubleValue")]
    Real(f64),
}

/// What exports need besides; who writes it otherwise loses it here, but nothing else.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Beside {
    aws: Aws,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Aws {
    request_id: Option<String>,
}

/// What spans are of: one function or service of one account.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Of {
    owner: Owner,
    service: String,
    is_function: bool,
}

impl Export {
    /// What a batch of segments becomes. Those in progress are left out: OTLP knows finished spans only, and they come
    /// again when they are.
    pub(super) fn of(arrivals: &[Arrival]) -> Export {
        let mut spans: BTreeMap<Of, Vec<Span>> = BTreeMap::new();
        for Arrival { owner, document: text, .. } in arrivals {
            let Ok(document) = Document::read(text) else { continue };
            let is_function = document.origin.as_deref().is_some_and(|origin| origin.starts_with("AWS::Lambda"));
            let of = Of { owner: owner.clone(), service: document.name.clone(), is_function };
            let beside: Beside = serde_json::from_str(text).unwrap_or_default();
            add(spans.entry(of).or_default(), &document, beside.aws.request_id.filter(|_| is_function));
        }
        let resource_spans = spans.into_iter().filter(|(_, spans)| !spans.is_empty());
        Export { resource_spans: resource_spans.map(|(of, spans)| of.with(spans)).collect() }
    }
}

impl Of {
    fn with(self, spans: Vec<Span>) -> ResourceSpans {
        let Of { owner: (account, region), service, is_function } = self;
        let mut attributes = vec![
            text("cloud.provider", "aws"),
            text("cloud.account.id", account.as_str()),
            text("cloud.region", region.as_str()),
        ];
        if is_function {
            attributes.extend([text("cloud.platform", "aws_lambda"), text("faas.name", &*service)]);
        }
        attributes.push(text("service.name", service));
        let scope = Scope { name: "updraft", version: env!("CARGO_PKG_VERSION") };
        ResourceSpans { resource: Resource { attributes }, scope_spans: [ScopeSpans { scope, spans }] }
    }
}

/// Adds the spans of a segment and of what is within. Its documents have 64 KB, which bounds how deep they go.
fn add(spans: &mut Vec<Span>, segment: &Document, request_id: Option<String>) {
    let trace_id = otlp_trace_id(segment.trace_id.as_deref().unwrap_or_default());
    let mut left = vec![(segment, segment.parent_id.as_deref(), segment.is_subsegment())];
    while let Some((document, parent, is_within)) = left.pop() {
        left.extend(document.subsegments.iter().map(|within| (within, Some(document.id.as_str()), true)));
        let Some((start, end)) = document.start_time.zip(document.end_time) else { continue };
        if !is_span_id(&document.id) {
            continue; // only a segment's own id is checked when it arrives
        }
        let mut attributes = attributes(document);
        if !is_within && let Some(request_id) = &request_id {
            attributes.push(text("faas.invocation_id", request_id));
        }
        spans.push(Span {
            trace_id: trace_id.clone(),
            span_id: document.id.to_ascii_lowercase(),
            parent_span_id: parent.filter(|id| is_span_id(id)).map(str::to_ascii_lowercase),
            name: document.name.clone(),
            kind: match (is_within, &document.http) {
                (false, _) => SERVER,
                (true, Some(_)) => CLIENT,
                (true, None) => INTERNAL,
            },
            start_time_unix_nano: nanos(start),
            end_time_unix_nano: nanos(end),
            attributes,
            status: status(document),
        });
    }
}

/// `1-5759e988-bd862e3fe1be46a994272793` without what OpenTelemetry does not have.
fn otlp_trace_id(xray: &str) -> String {
    xray.trim_start_matches("1-").replace('-', "").to_ascii_lowercase()
}

fn is_span_id(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A document's time is a number that bears microseconds at most; what is below would be noise.
fn nanos(secs: f64) -> String {
    ((secs * 1e6).round() as u64).saturating_mul(1000).to_string()
}

fn status(document: &Document) -> Status {
    let marks = [(document.throttle, "throttle"), (document.fault, "fault"), (document.error, "error")];
    let mark = marks.into_iter().find(|(is_marked, _)| *is_marked);
    mark.map_or_else(Status::default, |(_, message)| Status { code: Some(ERROR), message: Some(message) })
}

fn attributes(document: &Document) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    let mut add = |key: &str, value: &Option<String>| attributes.extend(value.as_ref().map(|value| text(key, value)));
    add("cloud.resource_id", &document.resource_arn);
    add("user.id", &document.user);
    if let Some(http) = &document.http {
        add("http.request.method", &http.request.method);
        add("url.full", &http.request.url);
        add("user_agent.original", &http.request.user_agent);
        add("client.address", &http.request.client_ip);
        let status = http.response.status.map(|status| AnyValue::Whole(status.to_string()));
        attributes.extend(status.map(|value| Attribute { key: "http.response.status_code".to_owned(), value }));
    }
    let annotations = document.annotations.iter();
    attributes
        .extend(annotations.filter_map(|(key, value)| Some(Attribute { key: key.clone(), value: plain(value)? })));
    attributes
}

/// An annotation's value: X-Ray has text, numbers and truth.
fn plain(value: &Value) -> Option<AnyValue> {
    match value {
        Value::String(text) => Some(AnyValue::Text(text.clone())),
        Value::Bool(truth) => Some(AnyValue::Truth(*truth)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(AnyValue::Whole(whole.to_string())),
            None => number.as_f64().map(AnyValue::Real),
        },
        _ => None,
    }
}

fn text(key: &str, value: impl Into<String>) -> Attribute {
    Attribute { key: key.to_owned(), value: AnyValue::Text(value.into()) }
}

#[cfg(test)]
mod tests {
    use base::{AccountId, Region};
    use serde_json::json;

    use super::*;

    const TRACE: &str = "1-5759e988-BD862e3fe1be46a994272793";
    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

    fn arrival(document: &Value) -> Arrival {
        let owner = (AccountId::DEFAULT, Region::default());
        let text = document.to_string();
        Arrival::new(owner, &Document::read(&text).unwrap(), text)
    }

    fn exported(documents: &[Value]) -> Value {
        serde_json::to_value(Export::of(&documents.iter().map(arrival).collect::<Vec<_>>())).unwrap()
    }

    fn function() -> Value {
        json!({
            "id": "53995C3f42cd8ad8", "trace_id": TRACE, "parent_id": "0123456789abcdef", "name": "f",
            "origin": "AWS::Lambda::Function", "start_time": 1_700_000_000.123, "end_time": 1_700_000_001.5,
            "resource_arn": ARN, "aws": {"request_id": "r-1"}, "http": {"response": {"status": 200}}, "fault": true,
            "annotations": {"customer": "c", "paid": true, "items": 3, "weight": 0.5, "odd": []},
            "subsegments": [
                {"id": "00000000000000aa", "name": "Invocation", "start_time": 1_700_000_000.2, "end_time": 1_700_000_001,
                 "subsegments": [{"id": "00000000000000bb", "name": "shop", "start_time": 1_700_000_000.3,
                    "end_time": 1_700_000_000.4, "throttle": true, "error": true,
                    "http": {"request": {"method": "GET", "url": "http://shop/"}, "response": {"status": 429}}}]},
                {"id": "00000000000000cc", "name": "unfinished", "start_time": 1_700_000_000.2, "in_progress": true},
                {"id": "odd", "name": "odd", "start_time": 1_700_000_000, "end_time": 1_700_000_001},
            ],
        })
    }

    #[test]
    fn a_segment_and_what_is_within_are_spans_of_their_function() {
        let all = exported(&[function()]);
        let [only] = all["resourceSpans"].as_array().unwrap().as_slice() else { panic!("{all}") };
        let string = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        assert_eq!(
            only["resource"]["attributes"],
            json!([
                string("cloud.provider", "aws"),
                string("cloud.account.id", "000000000000"),
                string("cloud.region", "us-east-1"),
                string("cloud.platform", "aws_lambda"),
                string("faas.name", "f"),
                string("service.name", "f"),
            ])
        );
        let spans = &only["scopeSpans"][0]["spans"];
        assert_eq!(only["scopeSpans"][0]["scope"]["name"], "updraft");
        assert_eq!(spans.as_array().unwrap().len(), 3, "without the unfinished and the odd: {spans}");
        let trace_id = "5759e988bd862e3fe1be46a994272793";
        assert_eq!(
            spans[0],
            json!({
                "traceId": trace_id, "spanId": "53995c3f42cd8ad8", "parentSpanId": "0123456789abcdef", "name": "f",
                "kind": 2, "startTimeUnixNano": "1700000000123000000", "endTimeUnixNano": "1700000001500000000",
                "attributes": [
                    string("cloud.resource_id", ARN),
                    {"key": "http.response.status_code", "value": {"intValue": "200"}},
                    string("customer", "c"),
                    {"key": "items", "value": {"intValue": "3"}},
                    {"key": "paid", "value": {"boolValue": true}},
                    {"key": "weight", "value": {"doubleValue": 0.5}},
                    string("faas.invocation_id", "r-1"),
                ],
                "status": {"code": 2, "message": "fault"},
            })
        );
        let invocation = &spans[1];
        assert_eq!((&invocation["name"], &invocation["kind"]), (&json!("Invocation"), &json!(1)));
        assert_eq!((&invocation["parentSpanId"], &invocation["status"]), (&json!("53995c3f42cd8ad8"), &json!({})));
        let call = &spans[2];
        assert_eq!((&call["name"], &call["kind"], &call["traceId"]), (&json!("shop"), &json!(3), &json!(trace_id)));
        assert_eq!(call["parentSpanId"], "00000000000000aa");
        assert_eq!(call["status"], json!({"code": 2, "message": "throttle"}));
        let method = string("http.request.method", "GET");
        assert!(call["attributes"].as_array().unwrap().contains(&method), "{call}");
    }

    #[test]
    fn services_are_apart_and_a_root_has_no_parent() {
        let users = json!({"id": "53995c3f42cd8ad9", "trace_id": TRACE, "name": "shop", "start_time": 1, "end_time": 2,
            "aws": "whatever"});
        let running = json!({"id": "53995c3f42cd8ada", "trace_id": TRACE, "name": "waits", "start_time": 1,
            "in_progress": true});
        let all = exported(&[function(), users, running]);
        assert_eq!(all["resourceSpans"].as_array().unwrap().len(), 2, "nothing of what runs: {all}");
        let shop = &all["resourceSpans"][1];
        let attributes = shop["resource"]["attributes"].to_string();
        assert!(attributes.contains("\"shop\"") && !attributes.contains("faas.name"), "{attributes}");
        let span = &shop["scopeSpans"][0]["spans"][0];
        assert_eq!((span.get("parentSpanId"), &span["status"]), (None, &json!({})));
    }
}
