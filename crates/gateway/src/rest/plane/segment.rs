//! The segment that a stage with tracing adds to a request's trace.

use base::Timestamp;
use serde_json::{Value, json};

use super::Visit;
use crate::edge::trace::root;

/// A stage's part of a trace.
#[derive(Debug)]
pub(in crate::rest) struct Segment {
    id: String,
    /// Whose request it was, if somebody traced before.
    parent: Option<String>,
}

impl Segment {
    /// Begins a segment, unless the caller has decided against; gives the header that goes on.
    pub(in crate::rest) fn begin(header: &str) -> Option<(Segment, String)> {
        let part = |name: &str| header.split(';').find_map(|part| part.trim().strip_prefix(name));
        if part("Sampled=") == Some("0") {
            return None;
        }
        let (id, parent) = (base::id::lower_hex(16), part("Parent=").map(str::to_owned));
        let header = format!("Root={};Parent={id};Sampled=1", root(header));
        Some((Segment { id, parent }, header))
    }

    /// The segment of a request whose answer is known, as X-Ray has it.
    pub(in crate::rest) fn document(&self, visit: &Visit<'_>, status: u16) -> Document {
        let (context, stage) = (&visit.context, visit.stage);
        let (region, origin) = (&stage.api.home.region, &visit.cx.origin);
        let scheme = if origin.tls { "https" } else { "http" };
        let (api_id, name) = (&stage.api.id, &stage.name);
        let mut document = json!({
            "trace_id": root(&visit.trace_id),
            "id": self.id,
            "name": format!("{}/{name}", visit.serving.api.name),
            "origin": "AWS::ApiGateway::Stage",
            "start_time": seconds(context.at()),
            "resource_arn": format!("arn:{}:apigateway:{region}::/restapis/{api_id}/stages/{name}", region.partition()),
            "http": {
                "request": {
                    "url": format!("{scheme}://{}{}", origin.host, visit.uri.path()),
                    "method": visit.asked.method.as_str(),
                    "client_ip": context.get("identity.sourceIp"),
                    "user_agent": context.get("identity.userAgent"),
                    "x_forwarded_for": true,
                },
                "response": {"status": status},
            },
            "aws": {
                "api_gateway": {
                    "account_id": &*stage.account_id,
                    "request_id": &*visit.cx.request_id,
                    "rest_api_id": api_id,
                    "stage": &**name,
                },
            },
            "error": (400..500).contains(&status),
            "throttle": status == 429,
            "fault": status >= 500,
        });
        if let Some(parent) = &self.parent {
            document["parent_id"] = Value::from(parent.as_str());
        }
        Document(document)
    }
}

/// A segment but for its end.
#[derive(Debug)]
pub(in crate::rest) struct Document(Value);

impl Document {
    /// The segment of a request that is over.
    pub(in crate::rest) fn end(mut self, bytes: u64, end: Timestamp) -> String {
        self.0["end_time"] = Value::from(seconds(end));
        self.0["http"]["response"]["content_length"] = Value::from(bytes);
        self.0.to_string()
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stands_between_caller_and_callee() {
        let (segment, header) = Segment::begin("Root=1-a-b;Parent=c;Sampled=1").unwrap();
        assert_eq!(header, format!("Root=1-a-b;Parent={};Sampled=1", segment.id));
        assert_eq!(segment.parent.as_deref(), Some("c"));
        assert!(Segment::begin("Root=1-a-b").unwrap().0.parent.is_none());
        assert!(Segment::begin("Root=1-a-b;Sampled=0").is_none());
    }
}
