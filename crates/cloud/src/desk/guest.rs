//! Requests that are no calls of an API and still need what the desk has: they go to one resource of a service, by an
//! address of its own (a function's URL). The service routes them itself and asks here for the body, the signer, the
//! permission.

use std::sync::Arc;

use base::{Arn, Caller, Clock, Cx, Error, Origin, Region};
use bytes::Bytes;
use http::request::Parts;
use hyper::body::Incoming;
use wire::server::Peer;
use wire::sigv4::{self, Family};

use super::record::Visit;
use super::{Desk, IamMode, authenticate, authorize, read};

pub use super::read::{Held, Unread};

impl Desk {
    /// What is known of how a request came in.
    pub fn origin(&self, head: &Parts, peer: Peer) -> Arc<Origin> {
        Visit::begin(head, peer).origin
    }

    /// The clock of this node.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Reads a request's body, whole, within a limit.
    pub async fn body(&self, body: Incoming, limit_bytes: usize, origin: &Origin) -> Result<Held, Unread> {
        read::collect(self.budget(origin.from_sandbox), body, limit_bytes).await
    }

    /// Who signed a request for this service in this region; `None` if it is not signed at all.
    ///
    /// # Errors
    /// AWS's refusal of a signature that is none, in the words of a REST service.
    pub async fn signer(
        &self,
        service: &str,
        region: &Region,
        head: &Parts,
        body: &Bytes,
        origin: &Origin,
    ) -> Result<Option<Caller>, Error> {
        let refuse = |refusal: sigv4::Refusal| refusal.to_error(Family::RestJson);
        let Some(presented) = sigv4::parse(head).map_err(refuse)? else { return Ok(None) };
        presented.expect(Some(region.as_str()), Some(service)).map_err(refuse)?;
        let verified = authenticate::verified(self, &presented, head, body, origin.from_sandbox).await;
        verified.map(|(caller, _)| Some(caller)).map_err(refuse)
    }

    /// Whether policies let the context's caller do this to a resource of a service; `keys` are condition keys of this kind
    /// of request. Says no only where policies are enforced; where they warn, the log says what would have been denied.
    ///
    /// # Errors
    /// AWS's `AccessDeniedException`, with the sentence that says why.
    pub async fn permit(
        &self,
        cx: &Cx,
        service: &str,
        action: &str,
        resource: &Arn,
        keys: &[(&str, &str)],
    ) -> Result<(), Error> {
        let Some(mounted) = self.registry.service(service) else { return Err(Error::internal()) };
        if self.iam == IamMode::Off {
            return Ok(());
        }
        let action = format!("{service}:{action}");
        let denial = authorize::denial(self, mounted, cx, &action, &resource.to_string(), keys).await;
        authorize::decide(self, cx, denial)
    }
}
