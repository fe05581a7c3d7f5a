//! HTTP servers behind APIs.

use std::time::Duration;

use http::{Request, Response};
use shape::Body;
use wire::client::{self, Call, Content, Tls};

use super::Failure;
use crate::Gateway;

/// The largest answer that does not stream, in bytes: API Gateway's payloads end at 10 MB.
pub(crate) const ANSWER_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// The largest answer that streams, in bytes. AWS names none: it sends 10 MB as they come, 2 MB a second after that, for
/// 15 minutes at most.
const STREAM_BYTES_MAX: u64 = ANSWER_BYTES_MAX + 15 * 60 * 2 * 1024 * 1024;

impl Gateway {
    /// Sends a request to a server behind an API. `hops` is how many nodes the API's own request has come through.
    pub(crate) async fn call_http(
        &self,
        request: Request<Body>,
        timeout: Duration,
        hops: u8,
        tls: Tls,
    ) -> Result<Response<Content>, Failure> {
        let call = Call { timeout, answer_bytes_max: ANSWER_BYTES_MAX, hops, tls };
        self.ports.http.send(request, call).await.map_err(Failure::from)
    }

    /// The same, for an answer that goes on to the API's caller while it comes. `timeout` is from here to its end.
    pub(crate) async fn stream_http(
        &self,
        request: Request<Body>,
        timeout: Duration,
        hops: u8,
        tls: Tls,
    ) -> Result<Response<Content>, Failure> {
        let call = Call { timeout, answer_bytes_max: STREAM_BYTES_MAX, hops, tls };
        self.ports.http.send(request, call).await.map_err(Failure::from)
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Failure {
        match error {
            client::Error::Timeout(timeout) => Failure::Timeout(timeout),
            client::Error::Address(_) | client::Error::Forbidden(_) => Failure::Configuration(error.to_string()),
            client::Error::Connect(_) | client::Error::Tls(_) | client::Error::Answer(_) => {
                Failure::Unreachable(error.to_string())
            }
            client::Error::TooLarge(_) => Failure::Unreachable(error.to_string()),
            client::Error::Request(_) => Failure::Request(error.to_string()),
        }
    }
}
