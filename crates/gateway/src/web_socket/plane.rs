//! The route of a request to WebSocket APIs.

use cloud::Desk;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use wire::protocol::Answer;
use wire::server::Peer;

use crate::Gateway;
use crate::edge::address::Address;
use crate::edge::owner::Owner;

impl Gateway {
    pub(crate) async fn serve_web_socket(
        &self,
        _desk: &Desk,
        _owner: &Owner,
        _address: Address,
        _request: Request<Incoming>,
        _peer: Peer,
    ) -> Answer {
        crate::edge::refusal(StatusCode::NOT_IMPLEMENTED, "WebSocket APIs cannot be called yet")
    }
}
