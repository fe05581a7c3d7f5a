//! PutTraceSegments: what daemons and users send.

use base::{Cx, Error};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::traces::document::Document;
use crate::traces::records::Arrival;
use crate::traces::{XRay, owner, store_failed};

/// Takes segments of traces.
#[derive(Shape)]
pub struct PutTraceSegments {
    /// Their documents, JSON.
    pub trace_segment_documents: Vec<String>,
}

/// What was not taken.
#[derive(Shape)]
pub struct PutTraceSegmentsResponse {
    /// Segments that are none.
    pub unprocessed_trace_segments: Vec<UnprocessedTraceSegment>,
}

/// A segment that was not taken.
#[derive(Shape)]
pub struct UnprocessedTraceSegment {
    /// Its id, if it had one.
    pub id: Option<String>,
    /// What is wrong with it.
    pub error_code: Option<String>,
    /// In words.
    pub message: Option<String>,
}

impl Operation<XRay> for PutTraceSegments {
    const META: Meta = Meta::write("PutTraceSegments").http("POST", "/TraceSegments");
    type Output = PutTraceSegmentsResponse;

    fn authorize(&self, _: &Cx, _: &mut Authz) {}

    async fn run(self, xray: &XRay, cx: &Cx) -> Result<PutTraceSegmentsResponse, Error> {
        let (mut arrivals, mut refused) = (Vec::new(), Vec::new());
        for text in self.trace_segment_documents {
            match Document::read(&text) {
                Ok(document) => arrivals.push(Arrival::new(owner(cx), &document, text)),
                Err(invalid) => refused.push(UnprocessedTraceSegment {
                    id: invalid.id,
                    error_code: Some(invalid.code.to_owned()),
                    message: Some(invalid.words),
                }),
            }
        }
        xray.intake.add(arrivals).await.map_err(store_failed)?;
        Ok(PutTraceSegmentsResponse { unprocessed_trace_segments: refused })
    }
}
