//! The route of a request to REST APIs.

use cloud::Desk;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use wire::protocol::Answer;
use wire::server::Peer;

use crate::Gateway;
use crate::edge::address::Address;
use crate::edge::owner::Owner;

impl Gateway {
    pub(crate) async fn serve_rest(
        &self,
        _desk: &Desk,
        _owner: &Owner,
        _address: Address,
        _request: Request<Incoming>,
        _peer: Peer,
    ) -> Answer {
        crate::edge::refusal(StatusCode::NOT_IMPLEMENTED, "REST APIs cannot be called yet")
    }
}
