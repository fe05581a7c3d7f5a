//! Registries: one image asked of one by the OCI Distribution API v2, its parts kept as they come.
//!
//! A registry's word is a stranger's, and so is the name by which it is asked: documents are bounded before they are read, parts
//! have the bytes that their manifest promises and the digest that names them. Where it is and where it leads is in `address`,
//! asking (redirects, tokens, time) in `exchange`. Who makes the connections ([`Ask`]), and so what may be reached, is the caller's
//! matter, as is what functions may be made of the image and where its parts are kept.

mod address;
mod exchange;

use std::future::Future;
use std::io::{self, Cursor, Read as _};
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use http::{Request, Response};
use serde::Deserialize;
use tokio::runtime::Handle;

use crate::manifest::{self, Architecture, DEPTH_MAX, DOCUMENT_BYTES_MAX, Descriptor, Document};
use crate::unpack::IMAGE_BYTES_MAX;
use crate::{Blobs, Digest, Image, Reference};

use address::Address;
use exchange::Exchange;

/// What manifests are taken, by the Distribution specification and by Docker's older names.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Sends one request to its absolute URL, following nothing: this crate makes no connections.
pub type Ask = dyn Fn(Request<()>) -> Pin<Box<dyn Future<Output = io::Result<Response<Pieces>>> + Send>> + Send + Sync;

/// The content of an answer, as it comes. Dropping it ends it.
pub type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// How the operator's configuration knows a registry. Without a name and a password it is asked as nobody.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The user's name.
    #[serde(default)]
    pub username: String,
    /// The user's password, or what stands for one.
    #[serde(default)]
    pub password: String,
    /// Whether it speaks https. Unless this says so, registries of this machine do not and all others do.
    pub https: Option<bool>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the password: configurations are logged.
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry has none of that name.
    #[error("the registry has no such image")]
    Absent,
    /// The registry gives it to others.
    #[error("the registry refuses access: {0}")]
    Denied(String),
    /// It cannot be asked, or what it answers is none.
    #[error("the registry cannot be asked: {0}")]
    Unreachable(String),
    /// What it has is no image for us.
    #[error(transparent)]
    Image(#[from] crate::Error),
}

/// Brings the image of that name and architecture among the blobs; those that are there already are not asked for. Returns
/// what the name means: a manifest or an index. Blocks: the way's runtime does the waiting, and must not be the caller's own thread.
pub fn pull(
    reference: &Reference,
    architecture: Architecture,
    blobs: &dyn Blobs,
    way: &Way<'_>,
) -> Result<Digest, Error> {
    let (host, repository) = reference.registry().ok_or(Error::Absent)?;
    let home = Address::of(host, way.login.and_then(|login| login.https))?;
    let exchange = Exchange::new(home, repository, way);
    let mut pull = Pull { exchange, repository, blobs };
    let wanted = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.clone().unwrap_or_else(|| "latest".to_owned()),
    };
    let (root, mut document) = pull.document(&wanted, reference.digest)?;
    for depth in 0.. {
        let Some(chosen) = manifest::choose(&document, architecture)? else { break };
        if depth == DEPTH_MAX {
            return Err(crate::Error::refused("too many indexes within indexes").into());
        }
        let digest: Digest = chosen.digest.parse()?;
        document = pull.document(&chosen.digest, Some(digest))?.1;
    }
    let (Some(config), Some(layers)) = (&document.config, &document.layers) else {
        return Err(crate::Error::refused("the manifest has no configuration or no layers").into());
    };
    pull.part(config, DOCUMENT_BYTES_MAX)?;
    // All that can be said against it without its layers, before they are fetched.
    Image::find(blobs, root, architecture)?;
    let mut left = IMAGE_BYTES_MAX;
    for layer in layers {
        pull.part(layer, left)?;
        left = left.saturating_sub(layer.size);
    }
    Ok(root)
}

/// How a registry is asked.
pub struct Way<'a> {
    /// As whom.
    pub login: Option<&'a Login>,
    /// By whom.
    pub ask: &'a Ask,
    /// Where waiting is done.
    pub runtime: &'a Handle,
}

/// Whether a registry's name means this machine, whatever a resolver says.
pub fn is_this_machine(host: &str) -> bool {
    address::is_this_machine(host.rsplit_once(':').map_or(host, |(host, _)| host))
}

struct Pull<'a> {
    exchange: Exchange<'a>,
    repository: &'a str,
    blobs: &'a dyn Blobs,
}

impl Pull<'_> {
    /// A manifest or an index, by its tag or digest.
    fn document(&mut self, name: &str, expected: Option<Digest>) -> Result<(Digest, Document), Error> {
        let path = format!("/v2/{}/manifests/{name}", self.repository);
        let mut content = self.exchange.get(&path, MANIFEST_TYPES, DOCUMENT_BYTES_MAX)?;
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|error| Error::Unreachable(error.to_string()))?;
        let digest = self.blobs.put(&mut Cursor::new(&bytes), expected, DOCUMENT_BYTES_MAX)?;
        Ok((digest, manifest::parse(&bytes)?))
    }

    /// A configuration or a layer, unless it is there.
    fn part(&mut self, part: &Descriptor, bytes_max: u64) -> Result<(), Error> {
        let digest: Digest = part.digest.parse()?;
        if part.size > bytes_max {
            return Err(crate::Error::refused(format!("{digest} makes it more than {bytes_max} bytes")).into());
        }
        if self.blobs.has(digest)? {
            return Ok(());
        }
        let path = format!("/v2/{}/blobs/{digest}", self.repository);
        let content = self.exchange.get(&path, "*/*", part.size);
        let mut content = content.map_err(|error| match error {
            Error::Absent => crate::Error::Missing(digest).into(),
            other => other,
        })?;
        self.blobs.put(&mut content, Some(digest), part.size)?;
        Ok(())
    }
}
