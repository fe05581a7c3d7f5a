//! How the control plane reads and changes an API: in one transaction, with the automatic deployment that follows from a
//! change, and then the data planes forget what they had at hand.

use base::{AccountId, Cx, Error, Timestamp};
use store::{Key, Record, Scan, Table, Tx};

use super::api;
use super::error::{no_api, none};
use super::records::{
    APIS, AUTHORIZERS, Api, Authorizer, DEPLOYMENTS, Deployment, INTEGRATION_RESPONSES, INTEGRATIONS, Integration,
    IntegrationResponse, MODELS, Model, ROUTE_KEYS, ROUTE_RESPONSES, ROUTES, Route, RouteResponse, STAGES, Stage,
    VPC_LINKS, owned,
};
use super::snapshot::{SNAPSHOTS, auto_deploy};
use crate::edge::owner;
use crate::rest::records::Home;
use crate::rest::usage;
use crate::{Failure, Gateway, domain};

impl Gateway {
    /// An API of the caller's.
    pub(crate) async fn http_api(&self, cx: &Cx, api_id: &str) -> Result<Api, Error> {
        let found = self.store.get(APIS, &owned(cx.account, &cx.region, api_id)).await.map_err(Failure::from)?;
        found.ok_or_else(|| no_api(cx, api_id))
    }

    /// Something that belongs to an API of the caller's.
    pub(crate) async fn part<R: Record>(&self, cx: &Cx, api_id: &str, at: &Part<R>) -> Result<R, Error> {
        self.http_api(cx, api_id).await?;
        let found = self.store.get(at.table, &at.key).await.map_err(Failure::from)?;
        found.ok_or_else(|| at.missing())
    }

    /// Changes what stages with automatic deployment then serve.
    pub(crate) async fn change_api<T, F>(&self, cx: &Cx, api_id: &str, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>, &mut Api) -> Result<T, Failure> + Send + 'static,
    {
        let now = now(cx);
        let whole = move |tx: &mut Tx<'_>, api: &mut Api| {
            let done = work(tx, api)?;
            auto_deploy(tx, api, now)?;
            Ok(done)
        };
        self.touch_api(cx, api_id, whole).await
    }

    /// Changes what no deployment holds: stages, tags.
    pub(crate) async fn touch_api<T, F>(&self, cx: &Cx, api_id: &str, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>, &mut Api) -> Result<T, Failure> + Send + 'static,
    {
        let (key, missing) = (owned(cx.account, &cx.region, api_id), no_api(cx, api_id));
        let changed = self
            .store
            .transact(move |tx| {
                let mut api = tx.get(APIS, &key)?.ok_or_else(|| missing.clone())?;
                let done = work(tx, &mut api)?;
                tx.put(APIS, &key, &api)?;
                Ok::<T, Failure>(done)
            })
            .await;
        self.forget_api(api_id);
        Ok(changed?)
    }

    /// Makes an API with what belongs to it from the beginning, and shows it.
    pub(crate) async fn create_http_api<F>(&self, cx: &Cx, api: Api, work: F) -> Result<Api, Error>
    where
        F: Fn(&mut Tx<'_>, &Api, Timestamp) -> Result<(), Failure> + Send + 'static,
    {
        let (owner, now) = (api::owner_of(cx, api.protocol_type), now(cx));
        let created = self
            .store
            .transact(move |tx| {
                let mut api = api.clone();
                api::add(tx, &owner, &mut api)?;
                work(tx, &api, now)?;
                auto_deploy(tx, &api, now)?;
                Ok::<Api, Failure>(api)
            })
            .await?;
        self.forget_api(&created.api_id);
        Ok(api::shown(cx, created))
    }

    /// Deletes an API with all that belongs to it.
    pub(crate) async fn delete_http_api(&self, cx: &Cx, api_id: &str) -> Result<(), Error> {
        let (key, missing, id) = (owned(cx.account, &cx.region, api_id), no_api(cx, api_id), api_id.to_owned());
        let home = Home::of(cx);
        let deleted = self
            .store
            .transact(move |tx| {
                if !tx.exists(APIS, &key)? {
                    return Err(missing.clone().into());
                }
                if domain::is_mapped(tx, &id)? {
                    return Err(domain::still_mapped().into());
                }
                usage::forget_stage(tx, &home.api(id.clone()), None)?;
                tx.delete(APIS, &key)?;
                owner::release(tx, &id)?;
                delete_parts(tx, &id)
            })
            .await;
        self.forget_api(api_id);
        deleted?;
        self.end_connections_of(api_id, None);
        Ok(())
    }

    /// Deletes all that an account has of version 2, or all that there is.
    pub(crate) async fn reset_http_apis(&self, account: Option<AccountId>) -> Result<(), Error> {
        self.reset_domains(account).await?;
        let under = || account.map_or_else(Scan::all, |account| Scan::under(account.as_str()));
        for (key, api) in self.store.scan(APIS, under()).await.map_err(Failure::from)? {
            let id = api.api_id.clone();
            let deleted = self.store.transact(move |tx| {
                tx.delete(APIS, &key)?;
                owner::release(tx, &id)?;
                delete_parts(tx, &id)
            });
            deleted.await?;
            self.forget_api(&api.api_id);
            self.end_connections_of(&api.api_id, None);
        }
        let links = under();
        self.store.transact(move |tx| Ok::<_, Failure>(tx.delete_range(VPC_LINKS, links.clone())?)).await?;
        Ok(())
    }
}

/// Deletes all that belongs to an API.
fn delete_parts(tx: &mut Tx<'_>, api_id: &str) -> Result<(), Failure> {
    let all = || Scan::under(api_id);
    tx.delete_range(ROUTES, all())?;
    tx.delete_range(ROUTE_KEYS, all())?;
    tx.delete_range(ROUTE_RESPONSES, all())?;
    tx.delete_range(INTEGRATIONS, all())?;
    tx.delete_range(INTEGRATION_RESPONSES, all())?;
    tx.delete_range(AUTHORIZERS, all())?;
    tx.delete_range(MODELS, all())?;
    tx.delete_range(STAGES, all())?;
    tx.delete_range(DEPLOYMENTS, all())?;
    tx.delete_range(SNAPSHOTS, all())?;
    Ok(())
}

/// Something that belongs to an API: where it is kept, and what AWS calls it.
#[derive(Clone)]
pub(crate) struct Part<R> {
    table: Table<R>,
    noun: &'static str,
    id: String,
    key: Key,
}

impl<R: Record> Part<R> {
    /// Directly below an API.
    pub(crate) fn of(table: Table<R>, noun: &'static str, api_id: &str, id: &str) -> Part<R> {
        Part { table, noun, id: id.to_owned(), key: Key::of((api_id, id)) }
    }

    /// Below something else of an API.
    pub(crate) fn below(table: Table<R>, noun: &'static str, api_id: &str, parent: &str, id: &str) -> Part<R> {
        Part { table, noun, id: id.to_owned(), key: Key::of((api_id, parent, id)) }
    }

    /// AWS's words for its absence.
    pub(crate) fn missing(&self) -> Error {
        none(self.noun, &self.id)
    }

    /// Reads it within a transaction.
    pub(crate) fn get(&self, tx: &Tx<'_>) -> Result<R, Failure> {
        Ok(tx.get(self.table, &self.key)?.ok_or_else(|| self.missing())?)
    }

    /// Writes it.
    pub(crate) fn put(&self, tx: &mut Tx<'_>, record: &R) -> Result<(), Failure> {
        Ok(tx.put(self.table, &self.key, record)?)
    }

    /// Removes it; it must be there.
    pub(crate) fn delete(&self, tx: &mut Tx<'_>) -> Result<R, Failure> {
        let removed = self.get(tx)?;
        tx.delete(self.table, &self.key)?;
        Ok(removed)
    }
}

/// A route of an API.
pub(crate) fn route(api_id: &str, id: &str) -> Part<Route> {
    Part::of(ROUTES, "Route", api_id, id)
}

/// An integration of an API.
pub(crate) fn integration(api_id: &str, id: &str) -> Part<Integration> {
    Part::of(INTEGRATIONS, "Integration", api_id, id)
}

/// An authorizer of an API.
pub(crate) fn authorizer(api_id: &str, id: &str) -> Part<Authorizer> {
    Part::of(AUTHORIZERS, "Authorizer", api_id, id)
}

/// A model of an API.
pub(crate) fn model(api_id: &str, id: &str) -> Part<Model> {
    Part::of(MODELS, "Model", api_id, id)
}

/// A deployment of an API.
pub(crate) fn deployment(api_id: &str, id: &str) -> Part<Deployment> {
    Part::of(DEPLOYMENTS, "Deployment", api_id, id)
}

/// A stage of an API.
pub(crate) fn stage(api_id: &str, name: &str) -> Part<Stage> {
    Part::of(STAGES, "Stage", api_id, name)
}

/// A response of a route.
pub(crate) fn route_response(api_id: &str, route_id: &str, id: &str) -> Part<RouteResponse> {
    Part::below(ROUTE_RESPONSES, "RouteResponse", api_id, route_id, id)
}

/// A response of an integration.
pub(crate) fn integration_response(api_id: &str, integration_id: &str, id: &str) -> Part<IntegrationResponse> {
    Part::below(INTEGRATION_RESPONSES, "IntegrationResponse", api_id, integration_id, id)
}

/// The present time as AWS notes it here: to the second.
pub(crate) fn now(cx: &Cx) -> Timestamp {
    Timestamp::from_secs(cx.now().secs())
}
