//! Pages of lists. The marker is the last item's key, in base64 as AWS's opaque markers look.

use base::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::Key;

use super::error::invalid;

/// AWS returns at most so many functions or versions at a time, whatever `MaxItems` says.
const PAGE_ITEMS_MAX: usize = 50;

/// How many items to return.
pub(crate) fn page_size(max_items: Option<i32>) -> usize {
    max_items.and_then(|max| usize::try_from(max).ok()).map_or(PAGE_ITEMS_MAX, |max| max.min(PAGE_ITEMS_MAX))
}

/// The key after which to continue.
pub(crate) fn read_marker(marker: Option<&str>) -> Result<Option<Key>, Error> {
    let read = |marker: &str| Key::from_bytes(&STANDARD.decode(marker).ok()?).ok();
    match marker.filter(|marker| !marker.is_empty()) {
        None => Ok(None),
        Some(marker) => read(marker).map(Some).ok_or_else(|| invalid("Invalid pagination token")),
    }
}

/// The marker of a page that ended with this key.
pub(crate) fn write_marker(last: &Key) -> String {
    STANDARD.encode(last.as_bytes())
}

/// Cuts a list that was read with one item more than a page has; the marker is there if something follows.
pub(crate) fn cut<T>(mut items: Vec<(Key, T)>, size: usize) -> (Vec<T>, Option<String>) {
    let marker = (items.len() > size).then(|| write_marker(&items[size - 1].0));
    items.truncate(size);
    (items.into_iter().map(|(_, item)| item).collect(), marker)
}
