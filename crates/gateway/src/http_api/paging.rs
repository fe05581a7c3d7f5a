//! Pages of version 2's lists. The token is the last item's key, in base64 as AWS's opaque tokens look.

use base::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::{IntoKey, Key, Record, SCAN_ITEMS_MAX, Scan, Store, Table};

use super::error::bad;
use crate::Failure;

/// Items on a page, if nothing is said.
const ITEMS_DEFAULT: usize = 25;

/// The most items on a page.
const ITEMS_MAX: usize = 500;
const _: () = assert!(ITEMS_MAX < SCAN_ITEMS_MAX);

/// Which page of a list is asked for.
pub(crate) struct Page {
    items: usize,
    after: Option<Key>,
}

impl Page {
    /// Reads what a request says; numbers are texts in this API.
    pub(crate) fn of(max_results: Option<&str>, next_token: Option<&str>) -> Result<Page, Error> {
        let items = match max_results {
            None => ITEMS_DEFAULT,
            Some(text) => match text.parse::<usize>() {
                Ok(number) if number > 0 => number.min(ITEMS_MAX),
                _ => return Err(bad("Invalid value for maxResults. It must be a positive number")),
            },
        };
        let read = |token: &str| Key::from_bytes(&STANDARD.decode(token).ok()?).ok();
        let after = match next_token.filter(|token| !token.is_empty()) {
            None => None,
            Some(token) => Some(read(token).ok_or_else(|| bad("Invalid next token"))?),
        };
        Ok(Page { items, after })
    }

    /// Reads the page, and the token of the next one.
    pub(crate) async fn read<R: Record>(
        self,
        store: &Store,
        table: Table<R>,
        under: impl IntoKey,
    ) -> Result<(Vec<R>, Option<String>), Error> {
        let scan = Scan::under(under).limit(self.items + 1);
        let scan = match self.after {
            Some(after) => scan.after(after),
            None => scan,
        };
        let mut found = store.scan(table, scan).await.map_err(Failure::from)?;
        let token = (found.len() > self.items).then(|| STANDARD.encode(found[self.items - 1].0.as_bytes()));
        found.truncate(self.items);
        Ok((found.into_iter().map(|(_, item)| item).collect(), token))
    }
}
