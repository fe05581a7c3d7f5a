//! Container images: how they are named, what they consist of, and how their layers become a root.
//!
//! Everything that is read here comes from strangers: an archive somebody loads, layers somebody built. So sizes, counts,
//! names and links are checked before they are believed, and nothing is ever written outside of the root. Where the
//! bytes are kept is the caller's matter: [`Blobs`].
//!
//! - `reference`: names, `host/repository:tag@sha256:…`.
//! - `tar`: the archive format, read as a stream.
//! - `manifest`: indexes, manifests and configurations.
//! - `archive`: an OCI layout or a `docker save` in a tar.
//! - `registry`: an image asked of a registry.
//! - `unpack`: layers, with whiteouts, into a directory.

mod archive;
mod digest;
mod manifest;
mod reference;
pub mod registry;
mod tar;
mod unpack;

use std::io;

pub use archive::{Found, read_archive};
pub use digest::Digest;
pub use manifest::{Architecture, Image, Settings, reachable};
pub use reference::Reference;
pub use unpack::{IMAGE_BYTES_MAX, resolve_program, unpack};

/// What went wrong with an image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is none that we can or want to use; why.
    #[error("{0}")]
    Refused(String),
    /// A part of it is missing.
    #[error("its part {0} is missing")]
    Missing(Digest),
    /// Not the image's fault.
    #[error("cannot read or write it: {0}")]
    Io(#[from] io::Error),
}

impl Error {
    pub(crate) fn refused(reason: impl Into<String>) -> Error {
        Error::Refused(reason.into())
    }
}

/// Where an image's parts are kept, by their content.
pub trait Blobs {
    /// Keeps what the reader has, at most `bytes_max` of it; with `expected` only if that is its digest.
    fn put(&self, content: &mut dyn io::Read, expected: Option<Digest>, bytes_max: u64) -> Result<Digest, Error>;

    /// Whether a part is there; it is kept like one that was put.
    fn has(&self, digest: Digest) -> Result<bool, Error>;

    /// Opens a part.
    fn open(&self, digest: Digest) -> Result<Box<dyn io::Read + Send>, Error>;
}
