//! API Gateway: any function, AWS service or HTTP server as an API.
//!
//! Three kinds of API, each with its control plane (operations by name) and its data plane (the route of a request to an
//! API): [`rest`] (API Gateway v1), [`http_api`] and [`web_socket`] (v2). What the data planes share is in `edge`; what
//! custom domain names are, in `domain`.
//!
//! [`Gateway`] is what all of them hold: the store, the ports to other services, and caches that can be lost.

mod control;
mod domain;
pub mod edge;
pub mod http_api;
pub mod rest;
#[cfg(test)]
mod spoil;
pub mod web_socket;

use std::ops::Deref;
use std::sync::Arc;

use base::{Clock, Error};
use cloud::ports::{Credentials, Invoke, LogSink, Metrics, Targets, Traces};
use store::Store;
use wire::client::Client;
use wire::server::Tls;

use edge::authorizer::Verdicts;
use edge::integration::lambda::Permits;
use edge::jwt::Issuers;
use edge::keys::Keys;
use edge::live::Live;
use edge::owner::Owners;
use edge::usage::Usages;
use web_socket::connection::Place;
use web_socket::connections::Connections;
pub use web_socket::connections::Lifetimes;
use web_socket::plane::LiveStage;

/// What API Gateway is, as a whole. A cheap handle: clones share everything.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

/// What control planes and data planes share.
pub struct Shared {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) ports: Ports,
    /// Whose an API's id is; a cache.
    pub(crate) owners: Owners,
    /// Which functions APIs may run; a cache.
    pub(crate) permits: Permits,
    /// What authorizers' functions have said; a cache.
    pub(crate) verdicts: Verdicts,
    /// Keys of those who issue tokens; a cache.
    pub(crate) issuers: Issuers,
    /// Stages of REST APIs, ready for requests; a cache.
    pub(crate) rest_live: rest::LiveStages,
    /// Custom domain names; a cache.
    pub(crate) custom_domains: domain::CustomDomains,
    /// Answers that stages of REST APIs give again; a cache.
    pub(crate) rest_answers: rest::Answers,
    /// API keys with their plans; a cache.
    pub(crate) keys: Keys,
    /// What API keys used of their quotas.
    pub(crate) usages: Usages,
    /// HTTP APIs' stages, ready for requests; a cache.
    pub(crate) http_apis: http_api::HttpApis,
    /// Stages of WebSocket APIs; a cache.
    pub(crate) socket_stages: Live<Place, LiveStage>,
    /// The WebSocket connections of this node.
    pub(crate) connections: Connections,
}

impl Deref for Gateway {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// What API Gateway needs of others.
#[derive(Clone)]
pub struct Ports {
    /// Who runs functions.
    pub functions: Arc<dyn Invoke>,
    /// Who takes events that nobody waits for.
    pub targets: Targets,
    /// What asks others over HTTP, as far as tenants may: integrations' URLs and JWT issuers'.
    pub http: Client,
    /// Where certificates of custom domain names are shown from.
    pub certificates: Arc<Tls>,
    /// Where access logs and execution logs go.
    pub logs: Arc<dyn LogSink>,
    /// Where metrics go.
    pub metrics: Arc<dyn Metrics>,
    /// Who keeps traces.
    pub traces: Arc<dyn Traces>,
    /// Who makes the credentials of the roles that integrations name.
    pub credentials: Arc<dyn Credentials>,
}

impl Gateway {
    /// API Gateway over this store. WebSocket connections live no longer than `lifetimes` says.
    pub fn open(store: Store, clock: Clock, ports: Ports, lifetimes: Lifetimes) -> Gateway {
        let connections = Connections::new(lifetimes);
        Gateway(Arc::new(Shared {
            store,
            clock,
            ports,
            owners: Owners::default(),
            permits: Permits::default(),
            verdicts: Verdicts::default(),
            issuers: Issuers::default(),
            rest_live: Default::default(),
            custom_domains: Default::default(),
            rest_answers: Default::default(),
            keys: Default::default(),
            usages: Default::default(),
            http_apis: Live::default(),
            socket_stages: Live::default(),
            connections,
        }))
    }

    /// Forgets all that data planes have at hand of an API. Every write to an API or its stages calls this, once it is
    /// stored and before it is answered; every cache of a data plane has a line here.
    pub(crate) fn forget_api(&self, api_id: &str) {
        self.owners.forget(|id| id == api_id);
        self.forget_authorizations(api_id);
        self.keys.forget(api_id);
        self.rest_live.forget(|name| rest::snapshot::is_of(name, api_id));
        self.http_apis.forget(|id| id == api_id);
        self.socket_stages.forget(|place| &*place.api_id == api_id);
    }

    /// Forgets what authorizers have answered for an API.
    pub(crate) fn forget_authorizations(&self, api_id: &str) {
        self.verdicts.forget(api_id);
    }
}

/// Why an operation failed, before it has AWS's words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Refused, in AWS's words.
    #[error(transparent)]
    Aws(#[from] Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Failure {
    /// Has the node's log say that the store failed: that is our fault, not the caller's, who hears nothing of it.
    pub(crate) fn log(&self) {
        if let Failure::Store(error) = self {
            tracing::error!(%error, "the store of API Gateway failed");
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        failure.log();
        match failure {
            Failure::Aws(error) => error,
            Failure::Store(_) => Error::internal(),
        }
    }
}
