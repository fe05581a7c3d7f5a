//! GetTraceSummaries: traces by time and filter expression, each in short.

use std::collections::BTreeMap;

use base::{Cx, Error, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud::{Authz, Meta, Operation};
use serde_json::Value;
use shape::Shape;
use store::{Key, Scan};

use super::batch_get_traces::TraceId;
use crate::traces::document::Document;
use crate::traces::filter::Filter;
use crate::traces::records::{TIMES, time_key};
use crate::traces::trace::{self, Trace};
use crate::traces::{XRay, invalid, owner, store_failed};

/// Traces looked at for one answer.
const PAGE_MAX: usize = 200;
/// How long a time range may be: AWS's 24 hours.
const RANGE_MS_MAX: i64 = 24 * 3_600_000;

/// Finds traces.
#[derive(Shape)]
pub struct GetTraceSummaries {
    /// Those that began then or later.
    pub start_time: Timestamp,
    /// And before then.
    pub end_time: Timestamp,
    /// What the range is about: when they began is meant in all cases.
    pub time_range_type: Option<TimeRangeType>,
    /// Whether a part of them is enough; all are shown.
    pub sampling: Option<bool>,
    /// Which part; refused.
    pub sampling_strategy: Option<SamplingStrategy>,
    /// Only those that pass.
    pub filter_expression: Option<String>,
    /// Continues after an earlier page.
    pub next_token: Option<String>,
}

/// What a time range is about.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeRangeType {
    /// When the trace began.
    TraceId,
    /// When a segment came.
    Event,
    /// When a service worked.
    Service,
}

/// Which part of traces is shown.
#[derive(Shape)]
pub struct SamplingStrategy {
    /// `PartialScan` or `FixedRate`.
    pub name: Option<SamplingStrategyName>,
    /// The share.
    pub value: Option<f64>,
}

/// How a part is chosen.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplingStrategyName {
    /// The first that are found.
    PartialScan,
    /// A share of all.
    FixedRate,
}

/// A page of traces.
#[derive(Shape)]
pub struct GetTraceSummariesResponse {
    /// Those that pass.
    pub trace_summaries: Vec<TraceSummary>,
    /// When the page was made.
    pub approximate_time: Option<Timestamp>,
    /// How many were looked at.
    pub traces_processed_count: Option<i64>,
    /// Continues after this page.
    pub next_token: Option<String>,
}

/// A trace in short.
#[derive(Shape)]
pub struct TraceSummary {
    /// Its id.
    pub id: Option<TraceId>,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// Seconds from its first start to its last end.
    pub duration: Option<f64>,
    /// Seconds of its root.
    pub response_time: Option<f64>,
    /// Whether anything in it failed by a service's fault.
    pub has_fault: Option<bool>,
    /// By a caller's.
    pub has_error: Option<bool>,
    /// By throttling.
    pub has_throttle: Option<bool>,
    /// Whether segments are still to come.
    pub is_partial: Option<bool>,
    /// Its root's request.
    pub http: Option<Http>,
    /// Annotations by key.
    pub annotations: Option<BTreeMap<String, Vec<ValueWithServiceIds>>>,
    /// Who was served.
    pub users: Option<Vec<TraceUser>>,
    /// The services that took part.
    pub service_ids: Option<Vec<ServiceId>>,
    /// The resources that took part.
    #[shape(name = "ResourceARNs")]
    pub resource_arns: Option<Vec<ResourceArnDetail>>,
    /// The service of its root.
    pub entry_point: Option<ServiceId>,
    /// How many documents it has.
    pub revision: Option<i32>,
}

/// A request.
#[derive(Shape)]
pub struct Http {
    /// Its address.
    #[shape(name = "HttpURL")]
    pub http_url: Option<String>,
    /// Its answer's status.
    pub http_status: Option<i32>,
    /// Its method.
    pub http_method: Option<String>,
    /// What sent it.
    pub user_agent: Option<String>,
    /// From where.
    pub client_ip: Option<String>,
}

/// An annotation and the services that made it.
#[derive(Shape)]
pub struct ValueWithServiceIds {
    /// The annotation.
    pub annotation_value: Option<AnnotationValue>,
    /// The services.
    pub service_ids: Option<Vec<ServiceId>>,
}

/// A value of an annotation: one of these.
#[derive(Shape, Clone, Default, PartialEq)]
pub struct AnnotationValue {
    /// A number.
    pub number_value: Option<f64>,
    /// True or false.
    pub boolean_value: Option<bool>,
    /// A text.
    pub string_value: Option<String>,
}

/// Somebody who was served.
#[derive(Shape)]
pub struct TraceUser {
    /// Who.
    pub user_name: Option<String>,
    /// By which services.
    pub service_ids: Option<Vec<ServiceId>>,
}

/// A service.
#[derive(Shape, Clone, PartialEq)]
pub struct ServiceId {
    /// Its name.
    pub name: Option<String>,
    /// All its names.
    pub names: Option<Vec<String>>,
    /// Its account.
    pub account_id: Option<String>,
    /// `AWS::Lambda::Function`.
    #[shape(name = "Type")]
    pub kind: Option<String>,
}

/// A resource.
#[derive(Shape)]
#[shape(name = "ResourceARNDetail")]
pub struct ResourceArnDetail {
    /// Its ARN.
    #[shape(name = "ARN")]
    pub arn: Option<String>,
}

impl Operation<XRay> for GetTraceSummaries {
    const META: Meta = Meta::read("GetTraceSummaries").http("POST", "/TraceSummaries");
    type Output = GetTraceSummariesResponse;

    fn authorize(&self, _: &Cx, _: &mut Authz) {}

    async fn run(self, xray: &XRay, cx: &Cx) -> Result<GetTraceSummariesResponse, Error> {
        if self.sampling_strategy.is_some() {
            return Err(Error::not_implemented("SamplingStrategy of GetTraceSummaries"));
        }
        let range_ms = self.end_time.millis() - self.start_time.millis();
        if range_ms <= 0 {
            return Err(invalid("The EndTime must be later than the StartTime."));
        }
        if range_ms > RANGE_MS_MAX {
            return Err(invalid("The time range cannot be longer than 24 hours."));
        }
        let filter = Filter::parse(self.filter_expression.as_deref().unwrap_or_default())?;
        xray.flush().await;
        let (owner, snapshot) = (owner(cx), xray.store.snapshot().map_err(store_failed)?);
        let mut scan = Scan::under((owner.0.as_str(), owner.1.as_str()))
            .from(time_key(&owner, self.start_time.millis(), ""))
            .until(time_key(&owner, self.end_time.millis(), ""))
            .limit(PAGE_MAX);
        if let Some(token) = &self.next_token {
            scan = scan.after(key_of_token(token)?);
        }
        let page = snapshot.scan(TIMES, scan).await.map_err(store_failed)?;
        let mut summaries = Vec::new();
        for (key, _) in &page {
            let Some((_, _, start_ms, id)) = key.parts::<(String, String, i64, String)>() else { continue };
            let Some(trace) = trace::read(&snapshot, &owner, &id).await.map_err(store_failed)? else { continue };
            if filter.passes(&trace) {
                summaries.push(summary(&trace, start_ms, cx));
            }
        }
        let last = page.last().filter(|_| page.len() == PAGE_MAX);
        Ok(GetTraceSummariesResponse {
            trace_summaries: summaries,
            approximate_time: Some(cx.now()),
            traces_processed_count: Some(page.len() as i64),
            next_token: last.map(|(key, _)| URL_SAFE_NO_PAD.encode(key.as_bytes())),
        })
    }
}

fn key_of_token(token: &str) -> Result<Key, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes.and_then(|bytes| Key::from_bytes(&bytes).ok()).ok_or_else(|| invalid("The next token is invalid."))
}

fn summary(trace: &Trace, start_ms: i64, cx: &Cx) -> TraceSummary {
    let any = |test: fn(&Document) -> bool| trace.documents().into_iter().any(test);
    let root = trace.root();
    let segments = || trace.segments.iter().map(|part| &part.document);
    let mut services: Vec<ServiceId> = Vec::new();
    for service in segments().map(|document| service_of(document, cx)) {
        if !services.contains(&service) {
            services.push(service);
        }
    }
    let arns: std::collections::BTreeSet<&String> = segments().filter_map(|d| d.resource_arn.as_ref()).collect();
    let user = |document: &Document| {
        let service_ids = Some(vec![service_of(document, cx)]);
        document.user.clone().map(|user| TraceUser { user_name: Some(user), service_ids })
    };
    TraceSummary {
        id: Some(TraceId(trace.id.clone())),
        start_time: Some(Timestamp::from_millis(start_ms)),
        duration: Some(trace.duration()),
        response_time: root.and_then(Document::duration),
        has_fault: Some(any(|d| d.fault)),
        has_error: Some(any(|d| d.error)),
        has_throttle: Some(any(|d| d.throttle)),
        is_partial: Some(segments().any(|d| d.in_progress || d.is_subsegment())),
        http: Some(http(root)),
        annotations: Some(annotations(trace, cx)),
        users: Some(segments().filter_map(user).collect()),
        service_ids: Some(services),
        resource_arns: Some(arns.into_iter().map(|arn| ResourceArnDetail { arn: Some(arn.clone()) }).collect()),
        entry_point: root.map(|root| service_of(root, cx)),
        revision: Some(trace.segments.len() as i32),
    }
}

fn service_of(document: &Document, cx: &Cx) -> ServiceId {
    ServiceId {
        name: Some(document.name.clone()),
        names: Some(vec![document.name.clone()]),
        account_id: Some(cx.account.to_string()),
        kind: document.origin.clone(),
    }
}

fn http(root: Option<&Document>) -> Http {
    let http = root.and_then(|root| root.http.clone()).unwrap_or_default();
    Http {
        http_url: http.request.url,
        http_status: http.response.status,
        http_method: http.request.method,
        user_agent: http.request.user_agent,
        client_ip: http.request.client_ip,
    }
}

/// By key, each value once, with the services that made it.
fn annotations(trace: &Trace, cx: &Cx) -> BTreeMap<String, Vec<ValueWithServiceIds>> {
    let mut found: BTreeMap<String, Vec<ValueWithServiceIds>> = BTreeMap::new();
    for part in &trace.segments {
        let service = service_of(&part.document, cx);
        for (key, value) in part.document.all().into_iter().flat_map(|document| &document.annotations) {
            let Some(value) = annotation(value) else { continue };
            let values = found.entry(key.clone()).or_default();
            match values.iter_mut().find(|known| known.annotation_value.as_ref() == Some(&value)) {
                Some(known) => {
                    let services = known.service_ids.get_or_insert_default();
                    if !services.contains(&service) {
                        services.push(service.clone());
                    }
                }
                None => values.push(ValueWithServiceIds {
                    annotation_value: Some(value),
                    service_ids: Some(vec![service.clone()]),
                }),
            }
        }
    }
    found
}

fn annotation(value: &Value) -> Option<AnnotationValue> {
    let none = AnnotationValue::default();
    match value {
        Value::Number(number) => Some(AnnotationValue { number_value: Some(number.as_f64()?), ..none }),
        Value::Bool(flag) => Some(AnnotationValue { boolean_value: Some(*flag), ..none }),
        Value::String(text) => Some(AnnotationValue { string_value: Some(text.clone()), ..none }),
        _ => None,
    }
}
