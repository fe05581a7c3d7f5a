//! The route of a request to a connection (`…/{stage}/@connections/{id}`): whose it is, who signed it and whether they may,
//! and then the operation of the management service.
//!
//! It does not go through the front desk, since it is the API's address that says what is meant. AWS's tools that are told
//! no endpoint but the node's own send to `/@connections/{id}`: ids are one space, so that will do.

use base::{Arn, Cx, Error, Region};
use cloud::desk::Unread;
use cloud::{Desk, Meta, Operation};
use http::request::Parts;
use http::{Method, Request};
use hyper::body::Incoming;
use shape::Shape;
use wire::protocol::{Answer, Protocol, Reply};
use wire::route::percent;
use wire::server::Peer;
use wire::sigv4;

use super::ManagementApi;
use super::connection::Place;
use super::operations::connection::{ACTION, DeleteConnection, GetConnection, PostToConnection, gone, too_large};
use crate::Gateway;

/// The largest body that is read at all, in bytes: who sends more than a message may have can still be told so.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The connection that a path below a stage names.
pub(super) fn connection_of(path: &str) -> Option<String> {
    let (marker, id) = path.split_once('/')?;
    let is_one = percent::decode(marker, false) == "@connections" && !id.is_empty() && !id.contains('/');
    is_one.then(|| percent::decode(id, false).into_owned())
}

/// A request to a connection.
struct Visit<'a> {
    gateway: &'a Gateway,
    desk: &'a Desk,
    /// The API and stage that the address named, if it did.
    place: Option<Place>,
    id: String,
    head: Parts,
}

impl Gateway {
    /// The connection that a request is for whose sender knows no API's address, but the node's alone.
    pub fn connection_of<B>(request: &Request<B>) -> Option<String> {
        connection_of(request.uri().path().strip_prefix('/')?)
    }

    /// Answers a request to a connection, of whichever API.
    pub async fn serve_connection(&self, desk: &Desk, id: String, request: Request<Incoming>, peer: Peer) -> Answer {
        self.manage(desk, None, id, request, peer).await
    }

    /// Answers a request to a connection of a place, or of whichever has it.
    pub(super) async fn manage(
        &self,
        desk: &Desk,
        place: Option<Place>,
        id: String,
        request: Request<Incoming>,
        peer: Peer,
    ) -> Answer {
        let (head, body) = request.into_parts();
        let request_id = base::id::uuid();
        let visit = Visit { gateway: self, desk, place, id, head };
        let answered = visit.answer(body, peer, &request_id).await;
        answered.unwrap_or_else(|error| Protocol::RestJson1.encode_error(&error, &request_id, None))
    }
}

impl Visit<'_> {
    async fn answer(self, body: Incoming, peer: Peer, request_id: &str) -> Result<Answer, Error> {
        let origin = self.desk.origin(&self.head, peer);
        let body = self.desk.body(body, BODY_BYTES_MAX, &origin).await.map_err(|unread| match unread {
            Unread::TooLarge => too_large(),
            Unread::Broken => Error::new(400, "BadRequestException", "The request body ended early."),
            Unread::Late => Error::new(408, "RequestTimeoutException", "The request body did not arrive in time."),
        })?;
        let connection = self.gateway.connections.find(&self.id);
        let place = self.place.clone().or_else(|| connection.as_ref().map(|connection| connection.place.clone()));
        let stage = match &place {
            Some(place) => Some(self.gateway.socket_stage(place).await?.ok_or_else(forbidden)?),
            None => None,
        };
        let region = stage.as_ref().map_or_else(|| self.claimed_region(), |stage| stage.region().clone());
        let signer = self.desk.signer("execute-api", &region, &self.head, &body.bytes, &origin).await?;
        let caller = signer
            .ok_or_else(|| Error::new(403, "MissingAuthenticationTokenException", "Missing Authentication Token"))?;
        let account = stage.as_ref().map_or(caller.account, |stage| stage.account());
        let clock = self.desk.clock().clone();
        let cx = Cx { request_id: request_id.into(), account, region, caller, origin, clock };
        let (Some(place), Some(_)) = (place, stage) else { return Err(gone()) };
        self.permitted(&cx, &place).await?;
        if connection.is_none_or(|connection| connection.place != place) {
            return Err(gone());
        }
        let connection_id = self.id;
        match self.head.method {
            Method::GET => run(self.gateway, &cx, GetConnection { connection_id }).await,
            Method::DELETE => run(self.gateway, &cx, DeleteConnection { connection_id }).await,
            Method::POST => run(self.gateway, &cx, PostToConnection { connection_id, data: body.bytes.clone() }).await,
            _ => Err(forbidden()),
        }
    }

    /// Whether the signer may, by the policies of whoever it is.
    async fn permitted(&self, cx: &Cx, place: &Place) -> Result<(), Error> {
        let (api, stage, method) = (&place.api_id, &place.stage, &self.head.method);
        let resource = format!("{api}/{stage}/{method}/@connections/{}", self.id);
        let arn = Arn::new("execute-api", &cx.region, cx.account, resource);
        self.desk.permit(cx, "execute-api", ACTION, &arn, &[]).await
    }

    /// The region of a signature that is checked against itself: that of a connection that is nowhere.
    fn claimed_region(&self) -> Region {
        let presented = sigv4::parse(&self.head).ok().flatten();
        presented.and_then(|presented| Region::parse(&presented.scope.region)).unwrap_or_default()
    }
}

async fn run<O: Operation<ManagementApi>>(gateway: &Gateway, cx: &Cx, operation: O) -> Result<Answer, Error> {
    const { assert!(O::META.http.is_some(), "it is bound to HTTP") };
    let output = operation.run(&ManagementApi(gateway.clone()), cx).await?;
    let Meta { name, http, .. } = O::META;
    let schema = <O::Output as Shape>::SCHEMA;
    let reply =
        Reply { operation: name, output: schema, http: http.as_ref(), xml_namespace: None, request_id: &cx.request_id };
    Ok(Protocol::RestJson1.encode(&reply, output.into_value()))
}

/// AWS's refusal of a stage that there is not, and of what there is nothing to do for.
fn forbidden() -> Error {
    Error::new(403, "ForbiddenException", "Forbidden")
}
