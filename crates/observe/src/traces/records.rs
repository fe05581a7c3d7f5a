//! How traces are stored, and the one place that adds segments. Documents lie under their trace as they came; an index
//! by time finds traces without reading them.

use base::{AccountId, Region};
use serde::{Deserialize, Serialize};
use store::{Key, Record, Scan, Table, Tx};

use super::document::Document;

/// Documents by account, region, trace and segment.
pub(super) const SEGMENTS: Table<Segment> = Table::new("traces.segments");
/// Traces by account, region and id.
pub(super) const TRACES: Table<Trace> = Table::new("traces.traces");
/// Traces by account, region, start in milliseconds and id.
pub(super) const TIMES: Table<Mark> = Table::new("traces.times");
/// One record: how many traces there are.
const TOTALS: Table<Totals> = Table::new("traces.totals");

/// Most traces that a node keeps: beyond it, each new one takes the place of the account's oldest.
pub(super) const TRACES_MAX: u64 = 100_000;

/// Most documents of one trace; AWS limits their bytes to 500 KB. More are dropped, and the trace says so.
pub(super) const SEGMENTS_MAX: u32 = 1_000;

/// A document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Segment {
    pub(super) document: String,
}

/// A trace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Trace {
    pub(super) start_ms: i64,
    pub(super) segments: u32,
    #[serde(default)]
    pub(super) limit_exceeded: bool,
}

/// Says that a trace began then.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mark {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Totals {
    traces: u64,
}

impl Record for Segment {}
impl Record for Trace {}
impl Record for Mark {}
impl Record for Totals {}

/// Whose traces.
pub(super) type Owner = (AccountId, Region);

/// A segment on its way into the store: its document taken apart, and as it came.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) owner: Owner,
    pub(super) trace_id: String,
    pub(super) segment_id: String,
    pub(super) start_ms: i64,
    pub(super) document: String,
}

impl Arrival {
    pub(super) fn new(owner: Owner, document: &Document, text: String) -> Arrival {
        Arrival {
            owner,
            trace_id: document.trace_id.clone().unwrap_or_default(),
            segment_id: document.id.clone(),
            start_ms: document.start_ms(),
            document: text,
        }
    }
}

pub(super) fn trace_key((account, region): &Owner, trace_id: &str) -> Key {
    Key::of((account.as_str(), region.as_str(), trace_id))
}

pub(super) fn time_key((account, region): &Owner, start_ms: i64, trace_id: &str) -> Key {
    Key::of((account.as_str(), region.as_str(), start_ms, trace_id))
}

/// Adds a segment, over an earlier state of it.
pub(super) fn add(tx: &mut Tx<'_>, arrival: &Arrival) -> store::Result<()> {
    let Arrival { owner, trace_id, segment_id, start_ms, document } = arrival;
    let key = trace_key(owner, trace_id);
    let known = tx.get(TRACES, &key)?;
    if known.is_none() {
        make_room(tx, owner)?;
    }
    let mut trace = known.clone().unwrap_or(Trace { start_ms: *start_ms, segments: 0, limit_exceeded: false });
    let segment_key = Key::of((owner.0.as_str(), owner.1.as_str(), trace_id.as_str(), segment_id.as_str()));
    let is_new = !tx.exists(SEGMENTS, &segment_key)?;
    if is_new && trace.segments >= SEGMENTS_MAX {
        trace.limit_exceeded = true;
        return tx.put(TRACES, &key, &trace);
    }
    if let Some(known) = known.filter(|known| known.start_ms > *start_ms) {
        tx.delete(TIMES, &time_key(owner, known.start_ms, trace_id))?;
        trace.start_ms = *start_ms;
    }
    trace.segments += u32::from(is_new);
    tx.put(TIMES, &time_key(owner, trace.start_ms, trace_id), &Mark {})?;
    tx.put(TRACES, &key, &trace)?;
    tx.put(SEGMENTS, &segment_key, &Segment { document: document.clone() })
}

fn make_room(tx: &mut Tx<'_>, owner: &Owner) -> store::Result<()> {
    let mut totals = tx.get(TOTALS, &Key::of("all"))?.unwrap_or_default();
    if totals.traces >= TRACES_MAX {
        let oldest = tx.scan(TIMES, Scan::under((owner.0.as_str(), owner.1.as_str())).limit(1))?;
        for (key, _) in oldest {
            remove(tx, &key)?;
        }
        totals = tx.get(TOTALS, &Key::of("all"))?.unwrap_or_default();
    }
    totals.traces += 1;
    tx.put(TOTALS, &Key::of("all"), &totals)
}

/// Removes a trace by its place in the index of times.
pub(super) fn remove(tx: &mut Tx<'_>, time: &Key) -> store::Result<()> {
    tx.delete(TIMES, time)?;
    let Some((account, region, _, trace_id)) = time.parts::<(String, String, i64, String)>() else { return Ok(()) };
    tx.delete(TRACES, &Key::of((&*account, &*region, &*trace_id)))?;
    tx.delete_range(SEGMENTS, Scan::under((&*account, &*region, &*trace_id)))?;
    let mut totals = tx.get(TOTALS, &Key::of("all"))?.unwrap_or_default();
    totals.traces = totals.traces.saturating_sub(1);
    tx.put(TOTALS, &Key::of("all"), &totals)
}
