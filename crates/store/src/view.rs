//! Reading raw ordered bytes: what a driver offers, and a layer of not yet written changes over it.

use std::{collections::BTreeMap, ops::ControlFlow};

use bytes::Bytes;

use crate::{Result, scan::RawRange};

/// A consistent state of all physical keys. Reads may block for the time of a disk read.
pub(crate) trait View: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>>;

    /// Shows the range's items in order, until `visit` breaks.
    fn scan(&self, range: &RawRange, visit: &mut Visit<'_>) -> Result<()>;
}

pub(crate) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Changes by key; `None` deletes.
pub(crate) type Writes = BTreeMap<Bytes, Option<Bytes>>;

/// `writes` as if they were already in `base`.
pub(crate) struct Overlay<'a> {
    pub(crate) base: &'a dyn View,
    pub(crate) writes: &'a Writes,
}

impl View for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.base.get(key),
        }
    }

    fn scan(&self, range: &RawRange, visit: &mut Visit<'_>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let mut written = writes_within(self.writes, range).peekable();
        if written.peek().is_none() {
            drop(written);
            return self.base.scan(range, visit);
        }
        let mut flow = ControlFlow::Continue(());
        self.base.scan(range, &mut |key, value| {
            // What was written in front of this key comes first; a write to this very key replaces it.
            while let Some((own, change)) = written.next_if(|(own, _)| comes_first(own, key, range.reverse)) {
                let same = own.as_ref() == key;
                flow = change.as_ref().map_or(ControlFlow::Continue(()), |value| visit(own, value));
                if same || flow.is_break() {
                    return flow;
                }
            }
            flow = visit(key, value);
            flow
        })?;
        while flow.is_continue() {
            match written.next() {
                Some((key, Some(value))) => flow = visit(key, value),
                Some((_, None)) => {}
                None => break,
            }
        }
        Ok(())
    }
}

/// True if `own` is not behind `other` in the direction of the scan.
fn comes_first(own: &[u8], other: &[u8], reverse: bool) -> bool {
    if reverse { own >= other } else { own <= other }
}

fn writes_within<'a>(
    writes: &'a Writes,
    range: &RawRange,
) -> Box<dyn Iterator<Item = (&'a Bytes, &'a Option<Bytes>)> + 'a> {
    let found = writes.range::<[u8], _>(range.bounds());
    if range.reverse { Box::new(found.rev()) } else { Box::new(found) }
}
