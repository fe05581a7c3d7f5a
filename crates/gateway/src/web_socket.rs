//! WebSocket APIs: their connections, the route of a message, and the service by which backends answer
//! (`apigatewaymanagementapi`, which signatures and permissions call `execute-api`).

mod not_yet;
pub mod operations;
mod plane;

use base::{AccountId, Error};
use cloud::{BoxFuture, NotYet, Op, Service, ServiceId, check};
use wire::protocol::Protocol;

use crate::Gateway;

/// The service `apigatewaymanagementapi`. It also speaks for the resource policies of all APIs, whose ARNs are
/// `arn:aws:execute-api:…`.
pub struct ManagementApi(pub Gateway);

impl Service for ManagementApi {
    const ID: ServiceId = ServiceId::new("apigatewaymanagementapi", &[Protocol::RestJson1], "2018-11-29")
        .signing_name("execute-api")
        .iam_prefix("execute-api")
        .path_prefixes(&["@connections", "%40connections"])
        .validation_code("BadRequestException");
    const OPERATIONS: &'static [Op<Self>] = &[];
    const NOT_YET: &'static [NotYet] = not_yet::NOT_YET;

    fn reset<'a>(&'a self, _account: Option<AccountId>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}

const _: () = check(ManagementApi::OPERATIONS);
