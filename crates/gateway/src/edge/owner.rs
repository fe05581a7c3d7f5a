//! Whose an API's id is, and of which kind: ids of all kinds are one space, since addresses are.

use base::{AccountId, Region};
use serde::{Deserialize, Serialize};
use store::{Key, Record, Table, Tx};

use super::live::Live;
use crate::{Failure, Gateway};

/// (id): whose API it is. Written in the transaction that makes the API, removed in the one that deletes it.
const OWNERS: Table<Owner> = Table::new("gateway.owners");

/// Owners at hand, by API id.
pub(crate) type Owners = Live<String, Owner>;

/// Whose an API is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    account: String,
    region: String,
    pub(crate) kind: Kind,
}

impl Record for Owner {}

/// The kinds of API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// API Gateway v1.
    Rest,
    /// API Gateway v2, HTTP.
    Http,
    /// API Gateway v2, WebSocket.
    WebSocket,
}

impl Owner {
    pub(crate) fn new(account: AccountId, region: &Region, kind: Kind) -> Owner {
        Owner { account: account.to_string(), region: region.to_string(), kind }
    }

    /// The account and region, unless the record is damaged.
    pub(crate) fn place(&self) -> Option<(AccountId, Region)> {
        Some((AccountId::parse(&self.account)?, Region::parse(&self.region)?))
    }
}

/// Claims an API's id for its owner; false if it is another's, which only an id of the user's choice can be.
pub(crate) fn claim(tx: &mut Tx<'_>, api_id: &str, owner: &Owner) -> store::Result<bool> {
    let key = Key::of(api_id);
    if tx.exists(OWNERS, &key)? {
        return Ok(false);
    }
    tx.put(OWNERS, &key, owner)?;
    Ok(true)
}

/// Whose an API is, within a transaction.
pub(crate) fn of(tx: &Tx<'_>, api_id: &str) -> store::Result<Option<Owner>> {
    tx.get(OWNERS, &Key::of(api_id))
}

/// Gives an API's id free.
pub(crate) fn release(tx: &mut Tx<'_>, api_id: &str) -> store::Result<()> {
    tx.delete(OWNERS, &Key::of(api_id))
}

impl Gateway {
    /// Whose an API is; none if there is no such API.
    pub(crate) async fn owner(&self, api_id: &str) -> Result<Option<std::sync::Arc<Owner>>, Failure> {
        let read = async { Ok(self.store.snapshot()?.get(OWNERS, &Key::of(api_id)).await?) };
        self.owners.get(api_id.to_owned(), read).await
    }
}
