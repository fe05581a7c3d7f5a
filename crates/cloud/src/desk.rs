//! The front desk: the route of every request.
//!
//! [`Desk::phases`] names the phases in order; each is a file of that name in `desk/`.

mod authenticate;
mod authorize;
mod decode;
mod encode;
mod guest;
mod identify;
mod read;
mod record;
mod route;
mod run;

use std::sync::Arc;

use base::{Clock, Error};
use bytes::Bytes;
use http::Request;
use http::request::Parts;
use hyper::body::Incoming;
use wire::protocol::Answer;
use wire::server::Peer;
use wire::sigv4::SigningKeys;

use crate::Registry;
use crate::ports::Principals;

pub use authorize::IamMode;
pub use guest::{Held, Unread};
use record::Visit;

/// The front desk of a node.
pub struct Desk {
    registry: Arc<Registry>,
    principals: Arc<dyn Principals>,
    signing_keys: SigningKeys,
    bodies: read::Budget,
    bodies_of_functions: read::Budget,
    iam: IamMode,
    clock: Clock,
}

impl Desk {
    /// A desk before these services.
    pub fn new(registry: Arc<Registry>, principals: Arc<dyn Principals>, iam: IamMode, clock: Clock) -> Desk {
        Desk {
            registry,
            principals,
            signing_keys: SigningKeys::default(),
            bodies: read::Budget::new(false),
            bodies_of_functions: read::Budget::new(true),
            iam,
            clock,
        }
    }

    /// The services behind the desk.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Answers a request to an AWS API; what goes wrong is answered in the service's own form.
    pub async fn serve(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        let (head, body) = request.into_parts();
        self.answer(&head, read::Sent::Incoming(body), peer).await
    }

    /// Answers a request that a service of the house makes on somebody's behalf, signed like any other: an API's
    /// integration with an AWS service.
    pub async fn serve_held(&self, request: Request<Bytes>, peer: Peer) -> Answer {
        let (head, body) = request.into_parts();
        self.answer(&head, read::Sent::Held(body), peer).await
    }

    async fn answer(&self, head: &Parts, body: read::Sent, peer: Peer) -> Answer {
        let mut visit = Visit::begin(head, peer);
        let answer = match self.phases(head, body, &mut visit).await {
            Ok(answer) => answer,
            Err(error) => encode::refusal(&visit, &error),
        };
        record::end(&visit, &answer);
        answer
    }

    fn budget(&self, from_sandbox: bool) -> &read::Budget {
        if from_sandbox { &self.bodies_of_functions } else { &self.bodies }
    }

    async fn phases(&self, head: &Parts, body: read::Sent, visit: &mut Visit) -> Result<Answer, Error> {
        let identity =
            identify::identify(&self.registry, head).inspect_err(|_| visit.protocol = identify::spoken(head))?;
        visit.speaks(&identity);
        authenticate::precheck(&identity)?;
        let body = read::whole(self.budget(visit.origin.from_sandbox), head, body, &identity).await?;
        let (cx, check) = authenticate::authenticate(self, &identity, head, &body.bytes, visit).await?;
        let route = route::route(&identity, head, &body.bytes)?;
        visit.calls(route.operation.meta.name);
        let input = decode::decode(&identity, &route, head, body.bytes.clone(), check)?;
        let bound = identity.service.bind(route.at, input, &cx).map_err(|e| Error::validation(e.to_string()))?;
        authorize::authorize(self, &identity, &route, head.uri.path(), bound.needs(), &cx).await?;
        let output = run::run(bound, &cx, visit).await?;
        drop(body);
        Ok(encode::output(&identity, &route, &cx, output))
    }
}
