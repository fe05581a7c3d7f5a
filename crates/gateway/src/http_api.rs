//! HTTP APIs, and the control plane that they share with WebSocket APIs: API Gateway's second version (`2018-11-29`).
//!
//! The control plane is `operations`, by noun; what it keeps is in `records`. The data plane of HTTP APIs is `plane`; that of
//! WebSocket APIs is [`web_socket`](crate::web_socket).

pub(crate) mod change;
pub(crate) mod error;
mod not_yet;
pub mod operations;
mod plane;
pub(crate) mod records;
pub(crate) mod snapshot;

use base::{AccountId, Error};
use cloud::{BoxFuture, NotYet, Op, Service, ServiceId, check};
use wire::protocol::Protocol;

use crate::Gateway;

/// The service `apigatewayv2`. Its signatures and permissions name `apigateway`, as version 1's do.
pub struct ApiGatewayV2(pub Gateway);

impl Service for ApiGatewayV2 {
    const ID: ServiceId = ServiceId::new("apigatewayv2", &[Protocol::RestJson1], "2018-11-29")
        .signing_name("apigateway")
        .iam_prefix("apigateway")
        .iam_by_method()
        .path_prefixes(&["v2"])
        .validation_code("BadRequestException");
    const OPERATIONS: &'static [Op<Self>] = &[];
    const NOT_YET: &'static [NotYet] = not_yet::NOT_YET;

    fn reset<'a>(&'a self, account: Option<AccountId>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.0.reset_http_apis(account))
    }
}

const _: () = check(ApiGatewayV2::OPERATIONS);
