//! How operations read and change what is kept: whole changes in one transaction, after which data planes forget what they
//! had of the API.

use base::{Cx, Error, Timestamp};
use store::{Key, Record, Table, Tx};

use super::error::no_api;
use super::records::{Api, Home, REST_APIS, RestApi};
use crate::{Failure, Gateway};

/// Ids, as AWS draws them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Id {
    /// Of an API, an API key or a VPC link.
    Api,
    /// Of a root resource.
    Root,
    /// Of anything in an API, and of usage plans and certificates.
    Part,
}

impl Id {
    /// A fresh one.
    pub(crate) fn draw(self) -> String {
        base::id::lower_alphanumeric(match self {
            Id::Api | Id::Root => 10,
            Id::Part => 6,
        })
    }
}

/// The present second: AWS shows no smaller parts.
pub(crate) fn now(cx: &Cx) -> Timestamp {
    Timestamp::from_secs(cx.now().secs())
}

impl Gateway {
    /// An API, or AWS's 404.
    pub(crate) async fn rest_api(&self, cx: &Cx, api_id: &str) -> Result<RestApi, Error> {
        self.found(REST_APIS, Home::of(cx).below(api_id), || no_api(cx, api_id)).await
    }

    /// A record, or what is said where there is none.
    pub(crate) async fn found<R: Record>(
        &self,
        table: Table<R>,
        key: Key,
        missing: impl FnOnce() -> Error,
    ) -> Result<R, Error> {
        self.store.get(table, &key).await.map_err(Failure::from)?.ok_or_else(missing)
    }

    /// Changes an API or something of it.
    pub(crate) async fn change_rest<T, F>(&self, at: &Api, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>, &Api) -> Result<T, Failure> + Send + 'static,
    {
        let api = at.clone();
        let done = self.store.transact(move |tx| work(tx, &api)).await;
        self.forget_api(&at.id);
        Ok(done?)
    }

    /// Changes what stands beside APIs: keys, plans, links.
    pub(crate) async fn change_home<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    {
        Ok(self.store.transact(work).await?)
    }
}
