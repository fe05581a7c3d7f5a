//! The end of everything: all that is kept of REST APIs, or one account's.

use base::{AccountId, Error};
use store::{Record, Scan, Table, Tx};

use super::api;
use super::records::{
    ACCOUNTS, API_KEY_VALUES, API_KEYS, CLIENT_CERTIFICATES, Home, PLANS_OF_KEYS, REST_APIS, USAGE, USAGE_PLAN_KEYS,
    USAGE_PLANS, VPC_LINKS,
};
use crate::{Failure, Gateway};

impl Gateway {
    /// Forgets all REST APIs and what stands beside them, or one account's.
    pub(crate) async fn reset_rest_apis(&self, account: Option<AccountId>) -> Result<(), Error> {
        let of = move || account.map_or_else(Scan::all, |account| Scan::under(account.as_str()));
        for (key, one) in self.store.scan(REST_APIS, of()).await.map_err(Failure::from)? {
            let place = key.parts::<(String, String, String)>();
            let home = place.and_then(|(account, region, _)| {
                Some(Home { account: AccountId::parse(&account)?, region: base::Region::parse(&region)? })
            });
            if let Some(home) = home {
                self.change_rest(&home.api(one.id), api::delete).await?;
            }
        }
        self.forget_usage();
        self.keys.forget_all();
        self.change_home(move |tx| {
            forget(tx, ACCOUNTS, of())?;
            forget(tx, API_KEYS, of())?;
            forget(tx, API_KEY_VALUES, of())?;
            forget(tx, USAGE_PLANS, of())?;
            forget(tx, USAGE_PLAN_KEYS, of())?;
            forget(tx, PLANS_OF_KEYS, of())?;
            forget(tx, USAGE, of())?;
            forget(tx, VPC_LINKS, of())?;
            forget(tx, CLIENT_CERTIFICATES, of())
        })
        .await
    }
}

fn forget<R: Record>(tx: &mut Tx<'_>, table: Table<R>, all: Scan) -> Result<(), Failure> {
    Ok(tx.delete_range(table, all).map(drop)?)
}
