//! REST APIs: API Gateway's first version (`2015-07-09`).
//!
//! The control plane is `operations`, by noun; what it keeps is in `records`; a deployment is a `snapshot` of an API, which never
//! changes. The data plane (`plane`) sees stages and snapshots only.

mod api;
mod authorizer;
mod certificate;
mod change;
mod csv;
mod documentation;
mod error;
mod expression;
mod integration;
pub(crate) mod mapping;
mod method;
mod model;
mod not_yet;
mod openapi;
pub mod operations;
mod paging;
pub mod patch;
mod path_part;
mod plan;
mod plane;
pub mod records;
mod reset;
mod sdk;
pub(crate) mod snapshot;
mod stage;
mod tags;
pub(crate) mod usage;
mod vpc_link;

use std::ops::Deref;

use base::{AccountId, Error};
use cloud::{BoxFuture, NotYet, Op, Service, ServiceId, check};
use wire::protocol::Protocol;

use crate::Gateway;

pub(crate) use openapi::template as model_template;
pub(crate) use plane::{Answers, LiveStages};

/// The service `apigateway`, version 1.
pub struct ApiGateway(pub Gateway);

impl Deref for ApiGateway {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.0
    }
}

impl Service for ApiGateway {
    const ID: ServiceId = ServiceId::new("apigateway", &[Protocol::RestJson1], "2015-07-09")
        .iam_by_method()
        .path_prefixes(&[
            "restapis",
            "apikeys",
            "usageplans",
            "domainnames",
            "vpclinks",
            "clientcertificates",
            "sdktypes",
            "account",
            "domainnameaccessassociations",
        ])
        .names_inputs();
    const OPERATIONS: &'static [Op<Self>] = operations::OPERATIONS;
    const NOT_YET: &'static [NotYet] = not_yet::NOT_YET;

    fn reset<'a>(&'a self, account: Option<AccountId>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.reset_rest_apis(account))
    }
}

const _: () = check(ApiGateway::OPERATIONS);
