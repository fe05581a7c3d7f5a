//! AWS Signature Version 4: checking what callers sign, and signing what the house and its tests send.
//!
//! Everything here is pure. The route of a request is [`parse`] (what does it claim?), a look-up of the secret by
//! [`Presented::access_key_id`] by whoever keeps secrets, [`SigningKeys::get`], and [`verify`]. A body that is still
//! unread is checked afterwards by the [`BodyCheck`] inside [`Verified`]. Whatever goes wrong is a [`Refusal`], which
//! knows AWS's code and words for every protocol family.
//!
//! Deliberately absent: SigV4a (ECDSA), SigV2, the look-up of keys and session tokens, and S3's POST policies (their
//! signature is [`SigningKey::sign_hex`] over the policy text).

mod canonical;
mod chunks;
mod hex;
mod key;
mod parse;
mod refusal;
mod sign;
#[cfg(test)]
mod tests;
mod verify;

pub use chunks::ChunkSignatures;
pub use key::{SigningKey, SigningKeys};
pub use parse::parse;
pub use refusal::{Family, Refusal};
pub use sign::{Credentials, SignedPayload, Signer};
pub use verify::{BodyCheck, BodySha256, Payload, Verified, verify};

use std::fmt;

use base::Timestamp;

/// The only algorithm spoken here.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a signed request's clock may be off, in either direction: AWS's 15 minutes.
pub const SKEW_MAX_MS: i64 = 15 * 60 * 1000;
/// The longest life of a presigned URL: AWS's seven days.
pub const EXPIRES_MAX_S: u32 = 604_800;
/// SHA-256 of nothing, in hex.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const STREAMING_SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const STREAMING_SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const STREAMING_UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// What a signature is good for: one day, region and service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// `20261122`, the day of the request's date.
    pub date: String,
    /// `us-east-1`.
    pub region: String,
    /// The signing name: `lambda`, `s3`, `execute-api`.
    pub service: String,
}

impl Scope {
    /// S3 and its kin encode the path once and take it as it stands; all others encode it twice and normalize it.
    fn is_s3(&self) -> bool {
        matches!(self.service.as_str(), "s3" | "s3express" | "s3-outposts" | "s3-object-lambda")
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// What a request says about its body's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadHash {
    /// Nothing: the hash of the body itself was signed (every service but S3).
    OfBody,
    /// `X-Amz-Content-Sha256` holds the body's hash, in lower-case hex.
    Declared(String),
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`, with `-TRAILER` if `trailer`: aws-chunked, each chunk signed.
    SignedChunks {
        /// Signed trailing headers follow the last chunk.
        trailer: bool,
    },
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: aws-chunked, nothing signed.
    UnsignedChunks,
}

impl PayloadHash {
    /// True if the body comes framed as aws-chunked.
    pub fn is_aws_chunked(&self) -> bool {
        matches!(self, PayloadHash::SignedChunks { .. } | PayloadHash::UnsignedChunks)
    }

    /// The words of the canonical request's last line, except for [`PayloadHash::OfBody`].
    fn literal(&self) -> Option<&str> {
        match self {
            PayloadHash::OfBody => None,
            PayloadHash::Declared(hash) => Some(hash),
            PayloadHash::Unsigned => Some(UNSIGNED_PAYLOAD),
            PayloadHash::SignedChunks { trailer: false } => Some(STREAMING_SIGNED),
            PayloadHash::SignedChunks { trailer: true } => Some(STREAMING_SIGNED_TRAILER),
            PayloadHash::UnsignedChunks => Some(STREAMING_UNSIGNED_TRAILER),
        }
    }
}

/// What a signed request claims, well formed but not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Whose secret is said to have signed.
    pub access_key_id: String,
    /// Day, region and service.
    pub scope: Scope,
    /// Lower-case header names as the request lists them.
    pub signed_headers: Vec<String>,
    /// 64 characters of hex, as sent.
    pub signature: String,
    /// `X-Amz-Security-Token`: the caller of [`verify`] checks that it belongs to the key.
    pub session_token: Option<String>,
    /// What was said about the body.
    pub payload: PayloadHash,
    /// When the request says it was signed.
    pub signed_at: Timestamp,
    /// Life of a presigned URL in seconds; `None` for a request signed by header.
    pub expires_s: Option<u32>,
}

impl Presented {
    /// True if the signature came in the query.
    pub fn is_presigned(&self) -> bool {
        self.expires_s.is_some()
    }

    /// Refuses a scope meant for another region or service; `None` expects nothing.
    pub fn expect(&self, region: Option<&str>, service: Option<&str>) -> Result<(), Refusal> {
        if let Some(expected) = region.filter(|r| *r != self.scope.region) {
            return Err(Refusal::Region { given: self.scope.region.clone(), expected: expected.to_owned() });
        }
        if let Some(expected) = service.filter(|s| *s != self.scope.service) {
            return Err(Refusal::Service { given: self.scope.service.clone(), expected: expected.to_owned() });
        }
        Ok(())
    }
}
