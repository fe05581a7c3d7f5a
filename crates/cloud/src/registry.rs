//! All services by name: what the front desk routes by, and call-by-name.

use std::collections::HashMap;
use std::sync::Arc;

use base::{AccountId, Arn, Cx, Error};
use shape::{Mismatch, Schema, Value};
use wire::route::RestRouter;

use crate::operation::{Meta, Need, Prepared};
use crate::{Authz, BoxFuture, NotYet, Op, Service, ServiceId};

/// The services of this node.
#[derive(Default)]
pub struct Registry {
    services: Vec<Arc<Mounted>>,
}

/// One service with its types erased and its routes built.
pub struct Mounted {
    /// Its names.
    pub id: ServiceId,
    /// What it cannot do yet.
    pub not_yet: &'static [NotYet],
    rest: RestRouter,
    by_name: HashMap<&'static str, usize>,
    inner: Box<dyn Erased>,
}

/// What a request's route leads to.
pub enum Target {
    /// An operation of ours, by its position.
    Operation(usize),
    /// One that AWS has and we do not, by its name.
    NotYet(&'static str),
}

/// An operation with its types erased.
#[derive(Clone, Copy)]
pub struct OperationInfo {
    /// Its declaration.
    pub meta: Meta,
    /// Its input's schema.
    pub input: &'static Schema,
    /// Its output's schema.
    pub output: &'static Schema,
}

/// A decoded request bound to its service.
pub struct Bound {
    needs: Vec<Need>,
    run: Box<dyn FnOnce(Cx) -> BoxFuture<'static, Result<Value, Error>> + Send>,
}

impl Bound {
    /// The permissions it needs.
    pub fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// Runs it.
    pub fn run(self, cx: Cx) -> BoxFuture<'static, Result<Value, Error>> {
        (self.run)(cx)
    }
}

trait Erased: Send + Sync {
    fn len(&self) -> usize;
    fn info(&self, at: usize) -> OperationInfo;
    fn bind(&self, at: usize, input: Value, cx: &Cx) -> Result<Bound, Mismatch>;
    fn resource_policy<'a>(&'a self, cx: &'a Cx, resource: &'a Arn) -> BoxFuture<'a, Option<String>>;
    fn reset(&self, account: Option<AccountId>) -> BoxFuture<'_, Result<(), Error>>;
}

struct Holder<S: Service>(Arc<S>);

impl<S: Service> Erased for Holder<S> {
    fn len(&self) -> usize {
        S::OPERATIONS.len()
    }
    fn info(&self, at: usize) -> OperationInfo {
        let Op { meta, input, output, .. } = &S::OPERATIONS[at];
        OperationInfo { meta: *meta, input, output }
    }
    fn bind(&self, at: usize, input: Value, cx: &Cx) -> Result<Bound, Mismatch> {
        let prepared: Box<dyn Prepared<S>> = (S::OPERATIONS[at].prepare)(input)?;
        let mut authz = Authz::default();
        prepared.authorize(cx, &mut authz);
        let service = self.0.clone();
        Ok(Bound { needs: authz.into_needs(), run: Box::new(move |cx| prepared.run(service, cx)) })
    }
    fn resource_policy<'a>(&'a self, cx: &'a Cx, resource: &'a Arn) -> BoxFuture<'a, Option<String>> {
        self.0.resource_policy(cx, resource)
    }
    fn reset(&self, account: Option<AccountId>) -> BoxFuture<'_, Result<(), Error>> {
        self.0.reset(account)
    }
}

impl Registry {
    /// Adds a service.
    pub fn mount<S: Service>(&mut self, service: Arc<S>) {
        let rest = RestRouter::new(S::OPERATIONS.iter().map(|o| o.meta.http).chain(S::NOT_YET.iter().map(|n| n.http)));
        let by_name = S::OPERATIONS.iter().enumerate().map(|(at, operation)| (operation.meta.name, at)).collect();
        let inner = Box::new(Holder(service));
        self.services.push(Arc::new(Mounted { id: S::ID, not_yet: S::NOT_YET, rest, by_name, inner }));
    }

    /// All services, in the order they were mounted.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Mounted>> {
        self.services.iter()
    }

    /// A service by its name, or by that in signatures and hosts.
    pub fn service(&self, name: &str) -> Option<&Arc<Mounted>> {
        self.services.iter().find(|s| s.id.name == name || s.id.signing_name == name)
    }

    /// Calls an operation by name, as CloudFormation, Step Functions and API Gateway's AWS integrations do. The input is
    /// validated; the permission check is the caller's matter (`Desk::call` does both).
    pub async fn call(&self, cx: &Cx, service: &str, operation: &str, input: Value) -> Result<Value, Error> {
        let mounted = self.service(service).ok_or_else(|| Error::not_implemented(format!("the service {service}")))?;
        match mounted.by_name(operation) {
            Some(Target::Operation(at)) => {
                let operation = mounted.info(at);
                mounted.id.validate(operation.meta.name, operation.input, &input)?;
                let bound = mounted.bind(at, input, cx).map_err(|error| Error::validation(error.to_string()))?;
                bound.run(cx.clone()).await
            }
            Some(Target::NotYet(name)) => Err(Error::not_implemented(format!("{service}:{name}"))),
            None => Err(Error::new(400, "UnknownOperationException", format!("{service} has no {operation}"))),
        }
    }
}

impl Mounted {
    /// The routes of its HTTP-binding operations; positions are resolved by [`Mounted::target`].
    pub fn rest(&self) -> &RestRouter {
        &self.rest
    }

    /// What a position of [`Mounted::rest`] means.
    pub fn target(&self, position: usize) -> Target {
        match position.checked_sub(self.inner.len()) {
            None => Target::Operation(position),
            Some(at) => Target::NotYet(self.not_yet[at].name),
        }
    }

    /// What an operation's name means; `None` if AWS has no such operation.
    pub fn by_name(&self, name: &str) -> Option<Target> {
        match self.by_name.get(name) {
            Some(at) => Some(Target::Operation(*at)),
            None => self.not_yet.iter().find(|n| n.name == name).map(|n| Target::NotYet(n.name)),
        }
    }

    /// Whether any of its operations may be called without a signature.
    pub fn has_open_operations(&self) -> bool {
        self.operations().any(|operation| operation.meta.open)
    }

    /// An operation's declaration.
    pub fn info(&self, at: usize) -> OperationInfo {
        self.inner.info(at)
    }

    /// All operations' declarations.
    pub fn operations(&self) -> impl Iterator<Item = OperationInfo> + '_ {
        (0..self.inner.len()).map(|at| self.inner.info(at))
    }

    /// Turns a validated input into a request that can be authorized and run.
    pub fn bind(&self, at: usize, input: Value, cx: &Cx) -> Result<Bound, Mismatch> {
        self.inner.bind(at, input, cx)
    }

    /// The policy attached to one of the service's resources.
    pub fn resource_policy<'a>(&'a self, cx: &'a Cx, resource: &'a Arn) -> BoxFuture<'a, Option<String>> {
        self.inner.resource_policy(cx, resource)
    }

    /// Forgets all state, or one account's.
    pub fn reset(&self, account: Option<AccountId>) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.reset(account)
    }
}
