//! The route of a request to an API, to where the kinds of API part.

use std::sync::Arc;

use cloud::Desk;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use wire::protocol::Answer;
use wire::server::Peer;

use super::address::Address;
use super::owner::Kind;
use crate::Gateway;

impl Gateway {
    /// Answers a request to an API. `desk` says who signed it and whether they may.
    pub async fn serve(&self, desk: &Arc<Desk>, address: Address, request: Request<Incoming>, peer: Peer) -> Answer {
        let owner = match self.owner(&address.api_id).await {
            Ok(owner) => owner.filter(|owner| match (owner.place(), &address.region) {
                (Some((_, at)), Some(asked)) => at.as_str() == asked,
                (place, None) => place.is_some(),
                (None, _) => false,
            }),
            Err(_) => return refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        };
        let Some(owner) = owner else { return refusal(StatusCode::FORBIDDEN, "Forbidden") };
        match owner.kind {
            Kind::Rest => self.serve_rest(desk, &owner, address, request, peer).await,
            Kind::Http => self.serve_http_api(desk, &owner, address, request, peer).await,
            Kind::WebSocket => self.serve_web_socket(desk, &owner, address, request, peer).await,
        }
    }
}

/// A refusal in the one form that all kinds of API have: `{"message":"…"}`.
pub(crate) fn refusal(status: StatusCode, message: &str) -> Answer {
    let body = serde_json::json!({ "message": message }).to_string();
    Answer::new(status.as_u16(), "application/json", bytes::Bytes::from(body))
}
