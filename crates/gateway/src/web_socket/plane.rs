//! The route of a request to a WebSocket API: to the connections' backends' side (`management`), or a handshake, from which
//! the connection lives on: `$connect`, its messages, `$disconnect`.

mod authorize;
mod event;
mod handshake;
mod integration;
mod keys;
mod log;
mod message;
mod metrics;
mod outgoing;
mod selection;
mod stage;
mod template;
mod turn;

use std::sync::Arc;
use std::time::Instant;

use cloud::Desk;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use wire::protocol::Answer;
use wire::server::Peer;
use wire::upgrade::Upgrade;

use super::connection::{Client, Connection, Ending, Place};
use super::connections::Held;
use super::socket::{self, InFlight, Receive};
use crate::Gateway;
use crate::edge::address::{self, Address};
use crate::edge::owner::Owner;
use crate::edge::refusal;
use handshake::Handshake;
use integration::Reply;
use turn::{Kind, Refused, Turn};

pub(crate) use stage::LiveStage;

/// The route of handshakes.
const CONNECT: &str = "$connect";

impl Gateway {
    pub(crate) async fn serve_web_socket(
        &self,
        desk: &Arc<Desk>,
        owner: &Owner,
        address: Address,
        mut request: Request<Incoming>,
        peer: Peer,
    ) -> Answer {
        let path = request.uri().path().get(address.prefix_bytes..).unwrap_or_default();
        let (stage, rest) = match &address.stage {
            Some(stage) => (stage.as_str(), path.trim_start_matches('/')),
            None => {
                let path = path.trim_start_matches('/');
                path.split_once('/').unwrap_or((path, ""))
            }
        };
        let place = Place { api_id: address.api_id.as_str().into(), stage: stage.into() };
        if let Some(id) = super::management::connection_of(rest) {
            return self.manage(desk, Some(place), id, request, peer).await;
        }
        if !rest.is_empty() {
            return refusal(StatusCode::FORBIDDEN, "Forbidden");
        }
        let client = client_of(&request, owner, &address, peer);
        let upgrade = Upgrade::of(&mut request);
        let (head, _) = request.into_parts();
        let handshake = match Handshake::of(&head) {
            Ok(handshake) => handshake,
            Err(refused) => return *refused,
        };
        // In a task of its own: a client that does not wait for the answer still has its `$disconnect`.
        let (gateway, desk) = (self.clone(), desk.clone());
        let by_domain = address.base_path.is_some();
        let visit = Visit { gateway, desk, place, by_domain, client, head, upgrade };
        let answered = tokio::spawn(visit.connect(handshake)).await;
        answered.unwrap_or_else(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"))
    }
}

/// A client that asks for a connection.
struct Visit {
    gateway: Gateway,
    desk: Arc<Desk>,
    place: Place,
    /// By a custom domain name, not by the API's own.
    by_domain: bool,
    client: Client,
    head: Parts,
    upgrade: Upgrade,
}

impl Visit {
    async fn connect(self, handshake: Handshake) -> Answer {
        let Visit { gateway, desk, place, by_domain, client, head, upgrade } = self;
        let stage = match gateway.socket_stage(&place).await {
            Ok(Some(stage)) => stage,
            Ok(None) => return refusal(StatusCode::FORBIDDEN, "Forbidden"),
            Err(_) => return refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        };
        if stage.disable_execute_api_endpoint && !by_domain {
            return refusal(StatusCode::FORBIDDEN, "Forbidden");
        }
        let admitted = gateway.connections.admit(place, stage.account(), client, desk.clock().now());
        let Some((mut connection, place)) = admitted else {
            return refusal(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        };
        let subprotocol = match gateway.agree(&desk, &stage, &mut connection, &head).await {
            Ok(subprotocol) => subprotocol,
            Err(refused) => return *refused,
        };
        let held = Held::hold(&gateway, connection, place);
        held.connection.open();
        tokio::spawn(live(gateway, desk, held, upgrade));
        handshake.agree(subprotocol)
    }
}

impl Gateway {
    /// Asks whoever has to be asked whether a connection may be; the subprotocol that the backend chose, or the refusal.
    async fn agree(
        &self,
        desk: &Desk,
        stage: &LiveStage,
        connection: &mut Connection,
        head: &Parts,
    ) -> Result<Option<HeaderValue>, Box<Answer>> {
        let begun = Instant::now();
        let route = stage.routes.get(CONNECT);
        let mut turn = Turn::new(self, desk, stage, connection, Kind::Connect(head), route);
        let outcome = turn.connect().await;
        let answer = match outcome {
            Ok(reply) if (200..300).contains(&reply.status) => {
                turn.end(reply.status, metrics::Blame::None, begun);
                let authorizer = turn.context.authorizer().cloned();
                connection.authorizer = authorizer;
                return Ok(reply.subprotocol());
            }
            Ok(reply) => {
                turn.end(reply.status, message::blame_of(reply.status.max(400)), begun);
                // (A status that is no refusal is one nevertheless, and 101 would be none.)
                let status = if reply.status < 200 { 502 } else { reply.status };
                Answer::new(status, "application/json", bytes::Bytes::from(reply.body))
            }
            Err(refused) => {
                turn.refuse(&refused);
                turn.end(refused.status, refused.blame, begun);
                Answer::new(refused.status, "application/json", bytes::Bytes::from(turn.words(&refused)))
            }
        };
        Err(Box::new(answer))
    }
}

impl Turn<'_> {
    async fn connect(&mut self) -> Result<Reply, Refused> {
        if !self.stage.admits(self.route, self.context.at()) {
            return Err(Refused::client(429, "Too Many Requests"));
        }
        let agreed = Reply { status: 200, ..Reply::default() };
        let Some(route) = self.route else { return Ok(agreed) };
        let is_missing = |name: &&String| self.parameter(name).is_none_or(|value| value.is_empty());
        let missing: Vec<&str> = route.required.iter().filter(is_missing).map(|name| last_part(name)).collect();
        if !missing.is_empty() {
            return Err(Refused::client(400, format!("Missing required request parameters: [{}]", missing.join(", "))));
        }
        if let Kind::Connect(head) = self.kind {
            self.authorize(&route.authorization, head).await?;
            self.check_key(route, head).await?;
        }
        let Some(backend) = &route.backend else { return Ok(agreed) };
        self.meter().connected(self.context.at());
        self.ask(backend).await
    }
}

/// A parameter's own name: what comes after `route.request.header.`.
fn last_part(name: &str) -> &str {
    name.splitn(4, '.').nth(3).unwrap_or(name)
}

/// A connection's life after its handshake.
async fn live(gateway: Gateway, desk: Arc<Desk>, held: Held, upgrade: Upgrade) {
    let connection = held.connection.clone();
    let ending = match upgrade.connection().await {
        Ok((stream, unread)) => {
            let receiver = Receiver { gateway: gateway.clone(), desk: desk.clone() };
            let lifetimes = gateway.connections.lifetimes;
            socket::serve(stream, unread, &connection, lifetimes, &gateway.clock, &receiver).await
        }
        Err(error) => {
            tracing::debug!(%error, connection = connection.id, "a client left during its handshake");
            Ending::abnormal()
        }
    };
    connection.shut();
    // On the heap, so that the idle task is not as large as all that may become of it.
    Box::pin(gateway.disconnected(&desk, &connection, &ending)).await;
    drop(held);
}

/// Who works on a connection's messages.
struct Receiver {
    gateway: Gateway,
    desk: Arc<Desk>,
}

impl Receive for Receiver {
    async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.gateway.connections.room(bytes).await
    }

    fn receive(&self, connection: &Arc<Connection>, text: Utf8Bytes, in_flight: InFlight) {
        let (gateway, desk, connection) = (self.gateway.clone(), self.desk.clone(), connection.clone());
        tokio::spawn(async move {
            gateway.message(&desk, &connection, &text).await;
            drop(in_flight);
        });
    }
}

/// What is known of a client. An address that is a path has no host of the API's own; events then name the one that leads to
/// it from inside.
fn client_of(request: &Request<Incoming>, owner: &Owner, address: &Address, peer: Peer) -> Client {
    let host = address::host(request).unwrap_or_default();
    let prefix_bytes = if address.base_path.is_some() { 0 } else { address.prefix_bytes };
    let domain_name = match (prefix_bytes, owner.place()) {
        (0, _) | (_, None) => host.to_owned(),
        (_, Some((_, region))) => {
            let port = host.rsplit_once(':').map_or(String::new(), |(_, port)| format!(":{port}"));
            format!("{}.execute-api.{region}.localhost{port}", address.api_id)
        }
    };
    let user_agent = request.headers().get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
    Client {
        source_ip: peer.address.map_or_else(|| "127.0.0.1".to_owned(), |ip| ip.to_canonical().to_string()),
        address: peer.address,
        user_agent: user_agent.map(str::to_owned),
        domain_name,
        tls: peer.tls,
        from_sandbox: peer.from_sandbox,
        hops: peer.hops,
    }
}
