//! The link in GetFunction's `Code.Location`: our own endpoint, good for ten minutes, signed so that nobody can make one.
//!
//! AWS hands out a presigned S3 URL with the same life. It needs no credentials, which is why it must be unguessable.

use base::{Cx, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use store::BlobId;

/// Where our HTTP layer mounts [`crate::Lambda::code_download`].
pub const PATH: &str = "/_updraft/lambda/code/";

/// How long a link is good, as on AWS.
const LIFETIME_SECS: i64 = 600;

/// The key that links are signed with; kept in the store, so that links outlive a restart.
#[derive(Clone)]
pub(crate) struct LinkKey(pub(crate) Vec<u8>);

impl LinkKey {
    /// A link to a zip, on the host by which the caller reached us.
    pub(crate) fn link(&self, cx: &Cx, id: BlobId) -> String {
        let scheme = if cx.origin.tls { "https" } else { "http" };
        let host = if cx.origin.host.is_empty() { "localhost:4566" } else { cx.origin.host.as_str() };
        let expires = cx.now().secs() + LIFETIME_SECS;
        let signature = hex(&self.sign(id, expires).finalize().into_bytes());
        format!("{scheme}://{host}{PATH}{id}?expires={expires}&sig={signature}")
    }

    /// The zip a link means, if we made it and it is still good.
    pub(crate) fn check(&self, path: &str, query: &str, now: Timestamp) -> Option<BlobId> {
        let id: BlobId = path.strip_prefix(PATH)?.parse().ok()?;
        let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let expires: i64 = parameter("expires")?.parse().ok()?;
        let signature = unhex(parameter("sig")?)?;
        self.sign(id, expires).verify_slice(&signature).ok()?;
        (now.secs() <= expires).then_some(id)
    }

    fn sign(&self, id: BlobId, expires: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!("any length is a key"));
        mac.update(id.as_bytes());
        mac.update(&expires.to_be_bytes());
        mac
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}
