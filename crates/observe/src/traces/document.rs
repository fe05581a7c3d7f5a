//! A segment as X-Ray's JSON document: what we must know of it. The document itself is kept as it came.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Longest document; AWS's number.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// A segment or subsegment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    pub(super) id: String,
    pub(super) trace_id: Option<String>,
    pub(super) parent_id: Option<String>,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) origin: Option<String>,
    pub(super) start_time: Option<f64>,
    pub(super) end_time: Option<f64>,
    pub(super) in_progress: bool,
    pub(super) error: bool,
    pub(super) fault: bool,
    pub(super) throttle: bool,
    pub(super) user: Option<String>,
    pub(super) resource_arn: Option<String>,
    pub(super) http: Option<Http>,
    pub(super) annotations: BTreeMap<String, Value>,
    pub(super) subsegments: Vec<Document>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Http {
    pub(super) request: HttpRequest,
    pub(super) response: HttpResponse,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HttpRequest {
    pub(super) method: Option<String>,
    pub(super) url: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) client_ip: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HttpResponse {
    pub(super) status: Option<i32>,
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) id: Option<String>,
    pub(super) code: &'static str,
    pub(super) words: String,
}

impl Document {
    /// Reads a document that somebody sent.
    pub(super) fn read(text: &str) -> Result<Document, Invalid> {
        let invalid = |id: &str, code: &'static str| Invalid {
            id: (!id.is_empty()).then(|| id.to_owned()),
            code,
            words: format!("Invalid segment. ErrorCode: {code}"),
        };
        if text.len() > DOCUMENT_BYTES_MAX {
            return Err(invalid("", "SegmentSizeLimitExceeded"));
        }
        let document: Document = serde_json::from_str(text).map_err(|_| invalid("", "ParseError"))?;
        let refuse = |code| Err(invalid(&document.id, code));
        if !is_hex(&document.id, 16) {
            return refuse("InvalidId");
        }
        if document.name.is_empty() || document.name.chars().count() > 200 {
            return refuse("MissingName");
        }
        if !document.trace_id.as_deref().is_some_and(is_trace_id) {
            return refuse("InvalidTraceId");
        }
        if !document.start_time.is_some_and(|start| start > 0.0 && start < 1e11) {
            return refuse("MissingStartTime");
        }
        if document.end_time.is_none() && !document.in_progress {
            return refuse("MissingEndTime");
        }
        if document.is_subsegment() && document.parent_id.is_none() {
            return refuse("MissingParentId");
        }
        Ok(document)
    }

    /// Whether it belongs inside of another document.
    pub(super) fn is_subsegment(&self) -> bool {
        self.kind.as_deref() == Some("subsegment")
    }

    pub(super) fn start_ms(&self) -> i64 {
        (self.start_time.unwrap_or_default() * 1000.0) as i64
    }

    /// Seconds from its start to its end; none while it goes on.
    pub(super) fn duration(&self) -> Option<f64> {
        Some(self.end_time? - self.start_time?)
    }

    /// It and all within.
    pub(super) fn all(&self) -> Vec<&Document> {
        let mut all = vec![self];
        let mut at = 0;
        while at < all.len() {
            let within = &all[at].subsegments;
            all.extend(within);
            at += 1;
        }
        all
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `1-5759e988-bd862e3fe1be46a994272793`.
pub(super) fn is_trace_id(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    parts.next() == Some("1")
        && parts.next().is_some_and(|part| is_hex(part, 8))
        && parts.next().is_some_and(|part| is_hex(part, 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_segment_lacks_is_said() {
        let whole = r#"{"id":"70de5b6f19ff9a0a","trace_id":"1-581cf771-a006649127e371903a2de979","name":"shop","start_time":1.5,"end_time":2}"#;
        let document = Document::read(whole).unwrap();
        assert_eq!((document.name.as_str(), document.start_ms(), document.duration()), ("shop", 1500, Some(0.5)));
        for (old, new, code) in [
            ("\"name\":\"shop\"", "\"name\":\"\"", "MissingName"),
            ("70de5b6f19ff9a0a", "70de", "InvalidId"),
            ("1-581cf771-", "2-581cf771-", "InvalidTraceId"),
            ("\"start_time\":1.5,", "", "MissingStartTime"),
            (",\"end_time\":2", "", "MissingEndTime"),
            ("\"end_time\":2", "\"end_time\":2,\"type\":\"subsegment\"", "MissingParentId"),
            ("{", "", "ParseError"),
        ] {
            assert_eq!(Document::read(&whole.replacen(old, new, 1)).map_err(|e| e.code).err(), Some(code), "{code}");
        }
    }
}
