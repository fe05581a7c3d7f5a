//! REST APIs: API Gateway's first version (`2015-07-09`).
//!
//! The control plane is `operations`, by noun; what it keeps is in `records`; a deployment is a `snapshot` of an API, which never
//! changes. The data plane (`plane`) sees stages and snapshots only.

pub(crate) mod mapping;
mod not_yet;
pub mod operations;
mod plane;
#[expect(dead_code, reason = "the control plane comes with the next commits")]
pub mod records;
#[expect(dead_code, reason = "the control plane comes with the next commits")]
pub(crate) mod snapshot;

use base::{AccountId, Error};
use cloud::{BoxFuture, NotYet, Op, Service, ServiceId, check};
use wire::protocol::Protocol;

use crate::Gateway;

pub(crate) use plane::{Answers, Keys, LiveStages, Usages};
#[allow(unused_imports, reason = "the operations that test come with the next commits")]
pub(crate) use plane::{TestCall, Tested, TestedAuthorizer};

/// The service `apigateway`, version 1.
pub struct ApiGateway(pub Gateway);

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
        ])
        .validation_code("BadRequestException");
    const OPERATIONS: &'static [Op<Self>] = &[];
    const NOT_YET: &'static [NotYet] = not_yet::NOT_YET;

    fn reset<'a>(&'a self, _account: Option<AccountId>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}

const _: () = check(ApiGateway::OPERATIONS);
