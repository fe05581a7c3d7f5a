//! Which part of a table to read, in which direction, and how much of it.

use std::ops::Bound;

use crate::{IntoKey, Key, key};

/// Most items one scan may return. A scan without [`Scan::limit`] that finds more fails rather than being cut silently;
/// page with `limit` and [`Scan::after`].
pub const SCAN_ITEMS_MAX: usize = 100_000;

/// A range of keys within one table.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    prefix: Vec<u8>,
    from: Option<Key>,
    until: Option<Key>,
    after: Option<Key>,
    pub(crate) reverse: bool,
    pub(crate) limit: Option<usize>,
}

impl Scan {
    /// The whole table.
    pub fn all() -> Self {
        Self::default()
    }

    /// All keys that begin with these parts.
    pub fn under(parts: impl IntoKey) -> Self {
        Self { prefix: Key::of(parts).0, ..Self::default() }
    }

    /// All keys that begin with these parts and whose next part is a text beginning with `text`.
    pub fn starting_with(parts: impl IntoKey, text: &str) -> Self {
        let mut prefix = Key::of(parts).0;
        key::put_text_open(text, &mut prefix);
        Self { prefix, ..Self::default() }
    }

    /// Only keys not below this one.
    pub fn from(mut self, key: Key) -> Self {
        self.from = Some(key);
        self
    }

    /// Only keys below this one.
    pub fn until(mut self, key: Key) -> Self {
        self.until = Some(key);
        self
    }

    /// Continues a paged scan: only keys that come after this one, in the scan's own direction.
    pub fn after(mut self, key: Key) -> Self {
        self.after = Some(key);
        self
    }

    /// From the highest key down.
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// At most so many items (capped at [`SCAN_ITEMS_MAX`]).
    pub fn limit(mut self, items_max: usize) -> Self {
        self.limit = Some(items_max.min(SCAN_ITEMS_MAX));
        self
    }

    /// The physical range below `space` (which is never empty and never ends in 0xFF).
    pub(crate) fn range(&self, space: &[u8]) -> RawRange {
        let within = |key: &[u8]| [space, key].concat();
        let mut start = within(&self.prefix);
        let mut end = successor_of_prefix(start.clone());
        if let Some(from) = &self.from {
            start = start.max(within(&from.0));
        }
        if let Some(until) = &self.until {
            end = end.min(within(&until.0));
        }
        match &self.after {
            Some(after) if self.reverse => end = end.min(within(&after.0)),
            Some(after) => start = start.max([space, &after.0, &[0]].concat()),
            None => {}
        }
        RawRange { start, end, reverse: self.reverse }
    }
}

/// The smallest byte string above all that begin with `prefix`.
pub(crate) fn successor_of_prefix(mut prefix: Vec<u8>) -> Vec<u8> {
    while prefix.pop_if(|last| *last == u8::MAX).is_some() {}
    if let Some(last) = prefix.last_mut() {
        *last += 1;
    }
    prefix
}

/// A range of physical keys: `start` within, `end` not.
#[derive(Debug, Clone)]
pub(crate) struct RawRange {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
    pub(crate) reverse: bool,
}

impl RawRange {
    pub(crate) fn under(prefix: Vec<u8>) -> Self {
        Self { end: successor_of_prefix(prefix.clone()), start: prefix, reverse: false }
    }

    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Included(&self.start), Bound::Excluded(&self.end))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}
