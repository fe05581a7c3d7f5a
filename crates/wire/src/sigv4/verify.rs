//! The comparison itself, and what is left to check while the body arrives.

use base::Timestamp;
use http::request::Parts;
use sha2::{Digest, Sha256};

use super::refusal::{Mismatch, UrlExpired};
use super::{ChunkSignatures, PayloadHash, Presented, Refusal, SKEW_MAX_MS, Scope, SigningKey, canonical, hex};

/// The body as far as the verifier may see it.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// The whole body as received (compressed and framed as sent).
    Bytes(&'a [u8]),
    /// Not read yet. A request whose signature covers an undeclared hash of its body ([`PayloadHash::OfBody`]) then
    /// passes only if the body was empty when signed: read the body first.
    Unread,
}

/// A request whose signature is right.
#[derive(Debug)]
pub struct Verified {
    /// Whose secret signed it.
    pub access_key_id: String,
    /// Day, region and service.
    pub scope: Scope,
    /// What is left to check while the body is read.
    pub body: BodyCheck,
}

/// What is left to check on a body.
#[derive(Debug)]
pub enum BodyCheck {
    /// Nothing: the body was covered by the signature and agrees, or nothing was promised about it.
    Done,
    /// The body must have this hash.
    Sha256(BodySha256),
    /// aws-chunked with signed chunks: hand this to `body::aws_chunked::Decoder::signed`.
    SignedChunks(ChunkSignatures),
    /// aws-chunked without signatures: `body::aws_chunked::Decoder::unsigned`.
    UnsignedChunks,
}

/// Checks a signature with the key of the presented scope, at the time `now`.
///
/// The caller has found the secret, checked the session token and called [`Presented::expect`].
///
/// # Errors
/// A skewed or expired request, a signed header that is absent, or a signature that is not this key's.
pub fn verify(
    presented: &Presented,
    parts: &Parts,
    payload: Payload<'_>,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    check_time(presented, now)?;
    let hash = signed_hash(presented, payload)?;
    let date = presented.signed_at.to_basic();
    let mut first = None;
    for path in canonical::paths(&presented.scope, parts.uri.path()) {
        let canonical = canonical::request(parts, &path, &presented.signed_headers, &hash)
            .ok_or_else(|| absent_header(presented, parts))?;
        let string_to_sign = canonical::string_to_sign(&date, &presented.scope, &canonical);
        if hex::equal_constant_time(&key.sign_hex(string_to_sign.as_bytes()), &presented.signature) {
            return Ok(verified(presented, payload, key, date));
        }
        first.get_or_insert_with(|| Mismatch {
            access_key_id: presented.access_key_id.clone(),
            signature: presented.signature.clone(),
            canonical_request: String::from_utf8_lossy(&canonical).into_owned(),
            string_to_sign,
        });
    }
    Err(Refusal::Mismatch(Box::new(first.unwrap_or_default())))
}

fn check_time(presented: &Presented, now: Timestamp) -> Result<(), Refusal> {
    let (signed_at, age_ms) = (presented.signed_at, now.millis() - presented.signed_at.millis());
    if age_ms < -SKEW_MAX_MS {
        return Err(Refusal::NotYet { signed_at, now });
    }
    match presented.expires_s {
        None if age_ms > SKEW_MAX_MS => Err(Refusal::Expired { signed_at, now }),
        Some(expires_s) if age_ms > i64::from(expires_s) * 1000 => {
            Err(Refusal::UrlExpired(UrlExpired { signed_at, now, expires_s }))
        }
        _ => Ok(()),
    }
}

/// The canonical request's last line; for S3 the declared hash must be the body's own.
fn signed_hash(presented: &Presented, payload: Payload<'_>) -> Result<String, Refusal> {
    let actual = || match payload {
        Payload::Bytes(bytes) => hex::sha256(bytes),
        Payload::Unread => super::EMPTY_SHA256.to_owned(),
    };
    match (&presented.payload, payload) {
        (PayloadHash::Declared(declared), Payload::Bytes(_)) if presented.scope.is_s3() => {
            let computed = actual();
            let agrees = computed == *declared;
            if agrees { Ok(computed) } else { Err(Refusal::content_hash(declared, computed)) }
        }
        // Elsewhere AWS trusts its own hash only, so that a wrong declaration is a wrong signature.
        (PayloadHash::Declared(_), Payload::Bytes(_)) => Ok(actual()),
        (other, _) => Ok(other.literal().map_or_else(actual, str::to_owned)),
    }
}

fn absent_header(presented: &Presented, parts: &Parts) -> Refusal {
    let absent = presented.signed_headers.iter().find(|n| !parts.headers.contains_key(n.as_str()));
    Refusal::SignedHeaderAbsent { name: absent.cloned().unwrap_or_default() }
}

fn verified(presented: &Presented, payload: Payload<'_>, key: &SigningKey, date: String) -> Verified {
    let body = match (&presented.payload, payload) {
        (PayloadHash::Declared(hash), Payload::Unread) => BodyCheck::Sha256(BodySha256::new(hash.clone())),
        (PayloadHash::SignedChunks { trailer }, _) => BodyCheck::SignedChunks(ChunkSignatures::new(
            key.clone(),
            date,
            &presented.scope,
            presented.signature.clone(),
            *trailer,
        )),
        (PayloadHash::UnsignedChunks, _) => BodyCheck::UnsignedChunks,
        _ => BodyCheck::Done,
    };
    Verified { access_key_id: presented.access_key_id.clone(), scope: presented.scope.clone(), body }
}

/// Hashes a body as it streams past and compares at its end.
#[derive(Clone, Debug)]
pub struct BodySha256 {
    declared: String,
    seen: Sha256,
}

impl BodySha256 {
    fn new(declared: String) -> BodySha256 {
        BodySha256 { declared, seen: Sha256::new() }
    }

    /// Takes the next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.seen.update(bytes);
    }

    /// The verdict at the body's end; until then whatever was read is provisional.
    pub fn finish(self) -> Result<(), Refusal> {
        let computed = hex::encode(&self.seen.finalize());
        if computed == self.declared { Ok(()) } else { Err(Refusal::content_hash(&self.declared, computed)) }
    }
}
