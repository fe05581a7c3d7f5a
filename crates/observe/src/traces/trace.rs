//! One trace, read and put together: subsegments that came by themselves are laid into the documents that they belong to,
//! as X-Ray shows them.

use std::collections::BTreeMap;

use serde_json::Value;
use store::{Key, Scan, Snapshot};

use super::document::Document;
use super::records::{Owner, SEGMENTS, TRACES, trace_key};

/// How deep subsegments may lie: documents nest no deeper when they are read.
const DEPTH_MAX: usize = 64;

/// A trace.
pub(super) struct Trace {
    pub(super) id: String,
    pub(super) segments: Vec<Part>,
    pub(super) limit_exceeded: bool,
}

/// A document of a trace.
pub(super) struct Part {
    pub(super) document: Document,
    pub(super) text: String,
}

/// Reads a trace; `None` if there is none.
pub(super) async fn read(snapshot: &Snapshot, owner: &Owner, id: &str) -> store::Result<Option<Trace>> {
    let Some(trace) = snapshot.get(TRACES, &trace_key(owner, id)).await? else { return Ok(None) };
    let under = Scan::under((owner.0.as_str(), owner.1.as_str(), id));
    let found: Vec<(Key, _)> = snapshot.scan(SEGMENTS, under).await?;
    let texts: Vec<String> = found.into_iter().map(|(_, segment)| segment.document).collect();
    Ok(Some(Trace { id: id.to_owned(), segments: together(&texts), limit_exceeded: trace.limit_exceeded }))
}

fn together(texts: &[String]) -> Vec<Part> {
    let mut alone: Vec<Value> = Vec::new();
    let mut within: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for value in texts.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok()) {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        match (text("type").as_deref(), text("parent_id")) {
            (Some("subsegment"), Some(parent)) => within.entry(parent).or_default().push(value),
            _ => alone.push(value),
        }
    }
    for value in &mut alone {
        take_in(value, &mut within, 0);
    }
    // What is left belongs to documents that have not come, or to each other.
    while let Some((parent, mut orphans)) = within.pop_first() {
        let Some(mut orphan) = orphans.pop() else { continue };
        if !orphans.is_empty() {
            within.insert(parent, orphans);
        }
        take_in(&mut orphan, &mut within, 0);
        alone.push(orphan);
    }
    let part = |value: Value| Some(Part { text: value.to_string(), document: serde_json::from_value(value).ok()? });
    let mut parts: Vec<Part> = alone.into_iter().filter_map(part).collect();
    parts.sort_by(|a, b| {
        a.document.start_time.unwrap_or_default().total_cmp(&b.document.start_time.unwrap_or_default())
    });
    parts
}

/// Lays those that belong into a document into it, at any depth.
fn take_in(value: &mut Value, within: &mut BTreeMap<String, Vec<Value>>, depth: usize) {
    let Value::Object(members) = value else { return };
    let id = members.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    if depth == DEPTH_MAX {
        return;
    }
    if let Some(children) = within.remove(&id) {
        let list = members.entry("subsegments").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.extend(children);
        }
    }
    if let Some(Value::Array(list)) = members.get_mut("subsegments") {
        list.iter_mut().for_each(|child| take_in(child, within, depth + 1));
    }
}

impl Trace {
    /// The segment that all others hang below, as far as it has come.
    pub(super) fn root(&self) -> Option<&Document> {
        let ids: Vec<&str> = self.segments.iter().flat_map(|s| s.document.all()).map(|d| d.id.as_str()).collect();
        let is_root = |part: &&Part| part.document.parent_id.as_deref().is_none_or(|parent| !ids.contains(&parent));
        self.segments.iter().find(is_root).or(self.segments.first()).map(|part| &part.document)
    }

    /// Seconds since 1970 of its first start and last end.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let documents = || self.segments.iter().map(|part| &part.document);
        let start = documents().filter_map(|d| d.start_time).fold(f64::INFINITY, f64::min);
        let end = documents().filter_map(|d| d.end_time.or(d.start_time)).fold(f64::NEG_INFINITY, f64::max);
        (start, end.max(start))
    }

    pub(super) fn duration(&self) -> f64 {
        let (start, end) = self.bounds();
        if start.is_finite() { ((end - start) * 1000.0).round() / 1000.0 } else { 0.0 }
    }

    /// Every document, and all within each.
    pub(super) fn documents(&self) -> Vec<&Document> {
        self.segments.iter().flat_map(|part| part.document.all()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsegments_are_laid_into_what_they_belong_to_whatever_came_first() {
        let texts = [
            r#"{"id":"c","parent_id":"b","type":"subsegment","name":"c","start_time":3,"end_time":4}"#,
            r#"{"id":"b","parent_id":"a1","type":"subsegment","name":"b","start_time":2,"end_time":5}"#,
            r#"{"id":"a","name":"a","start_time":1,"end_time":6,"subsegments":[{"id":"a1","name":"a1","start_time":1}]}"#,
            r#"{"id":"x","parent_id":"nobody","type":"subsegment","name":"x","start_time":9,"end_time":9.5}"#,
        ];
        let segments = together(&texts.map(str::to_owned));
        let trace = Trace { id: "t".into(), segments, limit_exceeded: false };
        assert_eq!(trace.segments.len(), 2);
        assert_eq!(trace.root().unwrap().name, "a");
        let path = &trace.segments[0].document.subsegments[0].subsegments[0].subsegments[0];
        assert_eq!((path.name.as_str(), trace.duration()), ("c", 8.5));
    }
}
