//! Images that nobody loaded: asked of the registry that their name begins with, within the request that names them.
//!
//! Whom the node asks is the operator's to say: registries that its configuration names are asked for everybody, others
//! only where nobody else can call, and never for a function, which has no business with the host's ports. One that is
//! neither the operator's nor on this machine leads nowhere on this machine, whatever it redirects to. What asking means is
//! `oci`'s, connections are `wire::client`'s; where parts are kept, and that none stays for nothing, is [`super::image`]'s.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::{Cx, Error};
use oci::registry::{self, Ask, Login, Way};
use oci::{Architecture, Reference};
use shape::Body;
use store::BlobId;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use wire::client::{Call, Client, Reach};

use super::Lambda;
use super::code::Refused;
use super::error::{Failure, invalid};
use super::image::{Parts, blob_id};

/// Images that come in at a time; others wait.
const PULLS_MAX: usize = 4;

/// How long one answer may take to its end; `oci` is stricter.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(900);

/// Turns at pulling.
pub(crate) struct Pulls(Arc<Semaphore>);

impl Default for Pulls {
    fn default() -> Pulls {
        Pulls(Arc::new(Semaphore::new(PULLS_MAX)))
    }
}

impl Lambda {
    /// What a name means at its registry, everything that it needs for the architecture among the blobs.
    pub(super) async fn pull(
        &self,
        cx: &Cx,
        uri: &str,
        reference: &Reference,
        architecture: Architecture,
        parts: Parts,
    ) -> Result<BlobId, Failure> {
        let login = self.login(cx, uri, reference)?;
        let host = reference.registry().map_or("", |(host, _)| host);
        let is_ours = login.is_some() || registry::is_this_machine(host);
        let ask = asking(self.http.within(if is_ours { Reach::Neighbours } else { Reach::Outside }));
        let turn = self.pulls.0.clone().acquire_owned().await;
        let turn = turn.map_err(|closed| Refused::Write(io::Error::other(closed)))?;
        let (asked, runtime) = (reference.clone(), Handle::current());
        let pulled = tokio::task::spawn_blocking(move || {
            // It goes on when the caller hangs up, and ends its turn and its arrival then.
            let _turn = turn;
            let way = Way { login: login.as_ref(), ask: &ask, runtime: &runtime };
            registry::pull(&asked, architecture, &parts, &way)
        });
        match pulled.await.map_err(|panic| Refused::Write(io::Error::other(panic)))? {
            Ok(root) => Ok(blob_id(root)),
            Err(error) => {
                tracing::info!(uri, %error, "did not get a container image");
                Err(failure(uri, error))
            }
        }
    }

    /// Whether the image's registry is asked, and as whom.
    fn login(&self, cx: &Cx, uri: &str, reference: &Reference) -> Result<Option<Login>, Failure> {
        let host = reference.registry().map(|(host, _)| host).filter(|host| !is_ecr(host));
        // Without a host it can only be one that was loaded; and ECR's are AWS's, or loaded under their names.
        let host = host.ok_or_else(|| failure(uri, registry::Error::Absent))?;
        let login = self.config.registries.get(host).cloned();
        if login.is_none() && (cx.origin.from_sandbox || !self.config.hot_reload) {
            let message = format!(
                "The registry {host} is not among those that this server asks (registries in its config file)."
            );
            return Err(Error::access_denied(message).into());
        }
        Ok(login)
    }
}

/// Asks with this client.
fn asking(client: Client) -> Box<Ask> {
    Box::new(move |request| {
        let client = client.clone();
        Box::pin(async move {
            // How much an answer may have is known to whoever reads it.
            let call = Call::new(ANSWER_TIMEOUT, u64::MAX);
            let answer = client.send(request.map(|()| Body::default()), call).await.map_err(io::Error::other)?;
            Ok(answer.map(|content| content.into_pieces()))
        })
    })
}

fn is_ecr(host: &str) -> bool {
    host.contains(".dkr.ecr.") || host.contains(".dkr-ecr.")
}

fn failure(uri: &str, error: registry::Error) -> Failure {
    let not_valid = format!("Source image {uri} is not valid. Provide a valid source image.");
    match error {
        registry::Error::Absent => {
            invalid(format!("Source image {uri} does not exist. Provide a valid source image.")).into()
        }
        registry::Error::Denied(_) => {
            Error::access_denied("Lambda does not have permission to access the ECR image. Check the ECR permissions.")
                .into()
        }
        // AWS's registry is never away, so that it has no words for it; these are the nearest, and why.
        unreachable @ registry::Error::Unreachable(_) => invalid(format!("{not_valid} ({unreachable})")).into(),
        registry::Error::Image(oci::Error::Io(error)) => Refused::Write(error).into(),
        registry::Error::Image(_) => invalid(not_valid).into(),
    }
}
