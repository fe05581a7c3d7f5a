//! BatchGetTraces: traces with all their documents.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::traces::{XRay, invalid, owner, store_failed, trace};

/// Traces of one request; AWS's number.
const TRACES_MAX: usize = 5;

/// Gets traces by their ids.
#[derive(Shape)]
pub struct BatchGetTraces {
    /// The ids.
    pub trace_ids: Vec<TraceId>,
    /// Continues after an earlier page; there are no pages here.
    pub next_token: Option<String>,
}

/// A trace's id.
#[derive(Shape, Clone, Debug)]
#[shape(name = "TraceId", length(1..=35))]
pub struct TraceId(pub String);

/// Traces.
#[derive(Shape)]
pub struct BatchGetTracesResponse {
    /// Those that were found.
    pub traces: Vec<Trace>,
    /// Ids of those that were not.
    pub unprocessed_trace_ids: Vec<TraceId>,
    /// Continues after this page.
    pub next_token: Option<String>,
}

/// A trace.
#[derive(Shape)]
pub struct Trace {
    /// Its id.
    pub id: Option<TraceId>,
    /// Seconds from its first start to its last end.
    pub duration: Option<f64>,
    /// Whether segments of it were dropped.
    pub limit_exceeded: Option<bool>,
    /// Its segments in the order of their starts.
    pub segments: Option<Vec<Segment>>,
}

/// A segment.
#[derive(Shape)]
pub struct Segment {
    /// Its id.
    pub id: Option<String>,
    /// Its document, with the subsegments that came by themselves.
    pub document: Option<String>,
}

impl Operation<XRay> for BatchGetTraces {
    const META: Meta = Meta::read("BatchGetTraces").http("POST", "/Traces");
    type Output = BatchGetTracesResponse;

    fn authorize(&self, _: &Cx, _: &mut Authz) {}

    async fn run(self, xray: &XRay, cx: &Cx) -> Result<BatchGetTracesResponse, Error> {
        if self.trace_ids.is_empty() || self.trace_ids.len() > TRACES_MAX {
            return Err(invalid(format!("TraceIds must have between 1 and {TRACES_MAX} ids.")));
        }
        xray.flush().await;
        let snapshot = xray.store.snapshot().map_err(store_failed)?;
        let (mut traces, mut missing) = (Vec::new(), Vec::new());
        for id in self.trace_ids {
            match trace::read(&snapshot, &owner(cx), &id.0).await.map_err(store_failed)? {
                Some(trace) => traces.push(shown(trace)),
                None => missing.push(id),
            }
        }
        Ok(BatchGetTracesResponse { traces, unprocessed_trace_ids: missing, next_token: None })
    }
}

fn shown(trace: trace::Trace) -> Trace {
    let duration = trace.duration();
    let segment = |part: trace::Part| Segment { id: Some(part.document.id), document: Some(part.text) };
    Trace {
        id: Some(TraceId(trace.id)),
        duration: Some(duration),
        limit_exceeded: Some(trace.limit_exceeded),
        segments: Some(trace.segments.into_iter().map(segment).collect()),
    }
}
