//! Pages of lists. A position is the last item's key, in base64 as AWS's opaque positions look.

use base::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::{Key, Record, Scan, Table};

use super::error::bad;
use crate::{Failure, Gateway};

/// Items on a page, if nothing is said.
const ITEMS_DEFAULT: usize = 25;

/// The most items on a page.
const ITEMS_MAX: usize = 500;

/// A page of a list, and where it ended if more follows.
pub(crate) type Page<T> = (Vec<T>, Option<String>);

/// How many items a request asks for.
fn size(limit: Option<i32>) -> usize {
    match limit.and_then(|limit| usize::try_from(limit).ok()) {
        Some(limit) if limit > 0 => limit.min(ITEMS_MAX),
        _ => ITEMS_DEFAULT,
    }
}

fn read(position: Option<&str>) -> Result<Option<Key>, Error> {
    let key = |text: &str| Key::from_bytes(&STANDARD.decode(text).ok()?).ok();
    match position.filter(|position| !position.is_empty()) {
        None => Ok(None),
        Some(position) => key(position).map(Some).ok_or_else(|| bad("Invalid position parameter specified.")),
    }
}

impl Gateway {
    /// A page of a table.
    pub(crate) async fn page<R: Record>(
        &self,
        table: Table<R>,
        under: Scan,
        position: Option<&str>,
        limit: Option<i32>,
    ) -> Result<Page<R>, Error> {
        let size = size(limit);
        let scan = under.limit(size + 1);
        let scan = match read(position)? {
            Some(after) => scan.after(after),
            None => scan,
        };
        let found = self.store.scan(table, scan).await.map_err(Failure::from)?;
        Ok(cut(found, size))
    }

    /// A page of those items of a table that are `wanted`.
    pub(crate) async fn page_of<R: Record>(
        &self,
        table: Table<R>,
        under: Scan,
        position: Option<&str>,
        limit: Option<i32>,
        wanted: impl Fn(&R) -> bool,
    ) -> Result<Page<R>, Error> {
        let scan = match read(position)? {
            Some(after) => under.after(after),
            None => under,
        };
        let mut found = self.store.scan(table, scan).await.map_err(Failure::from)?;
        found.retain(|(_, item)| wanted(item));
        Ok(cut(found, size(limit)))
    }
}

/// Cuts a list that has one item more than a page, or any number of them.
fn cut<T>(mut found: Vec<(Key, T)>, size: usize) -> Page<T> {
    let position = (found.len() > size).then(|| STANDARD.encode(found[size - 1].0.as_bytes()));
    found.truncate(size);
    (found.into_iter().map(|(_, item)| item).collect(), position)
}

/// A page of a list that is made anew for each request: the position is how many came before.
pub(crate) fn page_of_made<T>(made: Vec<T>, position: Option<&str>, limit: Option<i32>) -> Result<Page<T>, Error> {
    let from = match position.filter(|position| !position.is_empty()) {
        None => 0,
        Some(text) => text.parse::<usize>().map_err(|_| bad("Invalid position parameter specified."))?,
    };
    let (all, size) = (made.len(), size(limit));
    let page: Vec<T> = made.into_iter().skip(from).take(size).collect();
    let end = from.saturating_add(size);
    Ok((page, (end < all).then(|| end.to_string())))
}
