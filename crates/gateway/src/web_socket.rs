//! WebSocket APIs: their connections, the route of a message, and the service by which backends answer
//! (`apigatewaymanagementapi`, which signatures and permissions call `execute-api`).

pub(crate) mod connection;
pub(crate) mod connections;
mod management;
pub mod operations;
pub(crate) mod plane;
mod socket;

use base::{AccountId, Arn, Cx, Error};
use cloud::{BoxFuture, Op, Service, ServiceId, check, op};
use wire::protocol::Protocol;

use crate::Gateway;
use operations::connection::{DeleteConnection, GetConnection, PostToConnection};

/// The service `apigatewaymanagementapi`. It also speaks for the resource policies of all APIs, whose ARNs are
/// `arn:aws:execute-api:…`.
pub struct ManagementApi(pub Gateway);

impl Service for ManagementApi {
    const ID: ServiceId = ServiceId::new("apigatewaymanagementapi", &[Protocol::RestJson1], "2018-11-29")
        .signing_name("execute-api")
        .iam_prefix("execute-api")
        .path_prefixes(&["@connections", "%40connections"])
        .validation_code("BadRequestException");
    const OPERATIONS: &'static [Op<Self>] =
        &[op::<_, DeleteConnection>(), op::<_, GetConnection>(), op::<_, PostToConnection>()];

    fn resource_policy<'a>(&'a self, _cx: &'a Cx, resource: &'a Arn) -> BoxFuture<'a, Option<String>> {
        Box::pin(self.0.policy_of_api(resource))
    }

    fn reset<'a>(&'a self, _account: Option<AccountId>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}

const _: () = check(ManagementApi::OPERATIONS);
