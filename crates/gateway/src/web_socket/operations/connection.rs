//! A connection as backends see it: written to, looked at, closed.

use std::sync::Arc;

use base::{Cx, Error, Timestamp};
use bytes::Bytes;
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use super::super::ManagementApi;
use super::super::connection::{Connection, Ending, Untaken};
use super::super::socket::MESSAGE_BYTES_MAX;

/// The IAM action of all operations.
pub(crate) const ACTION: &str = "ManageConnections";

/// Sends a message to a client.
#[derive(Shape)]
#[shape(name = "PostToConnectionRequest", rename_all = "camelCase")]
pub struct PostToConnection {
    /// The connection.
    #[shape(label)]
    pub connection_id: String,
    /// The message; AWS's greatest are 128 KB.
    #[shape(name = "Data", payload, length(..=131_072))]
    pub data: Bytes,
}

/// Tells since when a connection has been there, and whose it is.
#[derive(Shape)]
#[shape(name = "GetConnectionRequest", rename_all = "camelCase")]
pub struct GetConnection {
    /// The connection.
    #[shape(label)]
    pub connection_id: String,
}

/// Closes a connection.
#[derive(Shape)]
#[shape(name = "DeleteConnectionRequest", rename_all = "camelCase")]
pub struct DeleteConnection {
    /// The connection.
    #[shape(label)]
    pub connection_id: String,
}

/// A connection.
#[derive(Shape, Debug)]
#[shape(name = "GetConnectionResponse", rename_all = "camelCase")]
pub struct ConnectionDescription {
    /// When it was made.
    #[shape(timestamp = "date-time")]
    pub connected_at: Option<Timestamp>,
    /// Whose it is.
    pub identity: Option<Identity>,
    /// When something last came or went.
    #[shape(timestamp = "date-time")]
    pub last_active_at: Option<Timestamp>,
}

/// Whose a connection is.
#[derive(Shape, Debug)]
#[shape(rename_all = "camelCase")]
pub struct Identity {
    /// The client's address.
    pub source_ip: String,
    /// The client's `User-Agent`.
    pub user_agent: String,
}

impl Operation<ManagementApi> for PostToConnection {
    const META: Meta = Meta::write("PostToConnection").http("POST", "/@connections/{connectionId}").action(ACTION);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(cx.arn("execute-api", format!("*/*/POST/@connections/{}", self.connection_id)));
    }

    async fn run(self, api: &ManagementApi, cx: &Cx) -> Result<(), Error> {
        let connection = api.connection(cx, &self.connection_id)?;
        if self.data.len() > MESSAGE_BYTES_MAX {
            return Err(too_large());
        }
        // Frames are text, as AWS's are.
        connection.outbox.put(&String::from_utf8_lossy(&self.data)).map_err(|untaken| match untaken {
            Untaken::Full => Error::new(429, "LimitExceededException", ""),
            Untaken::Gone => gone(),
        })?;
        api.0.count_post(&connection, cx.now()).await;
        Ok(())
    }
}

impl Operation<ManagementApi> for GetConnection {
    const META: Meta = Meta::read("GetConnection").http("GET", "/@connections/{connectionId}").action(ACTION);
    type Output = ConnectionDescription;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(cx.arn("execute-api", format!("*/*/GET/@connections/{}", self.connection_id)));
    }

    async fn run(self, api: &ManagementApi, cx: &Cx) -> Result<ConnectionDescription, Error> {
        let connection = api.connection(cx, &self.connection_id)?;
        Ok(ConnectionDescription {
            connected_at: Some(connection.connected),
            identity: Some(Identity {
                source_ip: connection.client.source_ip.clone(),
                user_agent: connection.client.user_agent.clone().unwrap_or_default(),
            }),
            last_active_at: Some(connection.last_active()),
        })
    }
}

impl Operation<ManagementApi> for DeleteConnection {
    const META: Meta =
        Meta::write("DeleteConnection").http("DELETE", "/@connections/{connectionId}").status(204).action(ACTION);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(cx.arn("execute-api", format!("*/*/DELETE/@connections/{}", self.connection_id)));
    }

    async fn run(self, api: &ManagementApi, cx: &Cx) -> Result<(), Error> {
        // AWS's close frame has no status.
        api.connection(cx, &self.connection_id)?.outbox.close(Ending::without_status());
        Ok(())
    }
}

impl ManagementApi {
    /// An open connection of the context's account.
    fn connection(&self, cx: &Cx, id: &str) -> Result<Arc<Connection>, Error> {
        let found = self.0.connections.find(id).filter(|connection| connection.account == cx.account);
        found.ok_or_else(gone)
    }
}

/// There is no such connection, or no longer. AWS says no word.
pub(crate) fn gone() -> Error {
    Error::new(410, "GoneException", "")
}

/// The message has more than 128 KB.
pub(crate) fn too_large() -> Error {
    Error::new(413, "PayloadTooLargeException", "Message too long")
}
