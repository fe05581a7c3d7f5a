//! A signer: for the house's own outgoing calls and for tests. It adds nothing but what a signature needs.

use base::Timestamp;
use http::header::{HeaderName, HeaderValue, InvalidHeaderValue};
use http::request::Parts;

use super::{ALGORITHM, ChunkSignatures, PayloadHash, Scope, SigningKey, UNSIGNED_PAYLOAD, canonical, hex};

/// A key pair, with its token if it is temporary.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// `AKIA…` or `ASIA…`.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret_access_key: &'a str,
    /// `X-Amz-Security-Token` of temporary credentials.
    pub session_token: Option<&'a str>,
}

/// What the signature says about the body.
#[derive(Clone, Copy, Debug)]
pub enum SignedPayload<'a> {
    /// The hash of these bytes.
    Bytes(&'a [u8]),
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// aws-chunked with signed chunks; the [`ChunkSignatures`] that [`Signer::sign`] gives back makes them.
    SignedChunks {
        /// Signed trailing headers follow.
        trailer: bool,
    },
    /// aws-chunked without signatures.
    UnsignedChunks,
}

/// Signs requests to one service in one region.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// Whose.
    pub credentials: Credentials<'a>,
    /// `us-east-1`.
    pub region: &'a str,
    /// The signing name: `lambda`, `s3`.
    pub service: &'a str,
}

impl Signer<'_> {
    /// Adds date, token and `Authorization` headers; a `host` header must be there, or an authority in the URI.
    ///
    /// Every header present is signed, but those that proxies and clients change on the way. Gives back the chain of
    /// chunk signatures, which matters to aws-chunked bodies only.
    ///
    /// # Errors
    /// A session token that cannot stand in a header.
    pub fn sign(
        &self,
        parts: &mut Parts,
        payload: SignedPayload<'_>,
        now: Timestamp,
    ) -> Result<ChunkSignatures, InvalidHeaderValue> {
        let (date, scope, hash) = (now.to_basic(), self.scope(now), hash_text(payload));
        self.add_headers(parts, &date, &hash, &scope)?;
        let signed = signed_names(parts);
        let path = canonical::paths(&scope, parts.uri.path()).swap_remove(0);
        let canonical = canonical::request(parts, &path, &signed, &hash).unwrap_or_default();
        let key = SigningKey::derive(self.credentials.secret_access_key, &scope);
        let signature = key.sign_hex(canonical::string_to_sign(&date, &scope, &canonical).as_bytes());
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            self.credentials.access_key_id,
            signed.join(";"),
        );
        parts.headers.insert("authorization", HeaderValue::from_str(&authorization)?);
        let trailer = matches!(payload, SignedPayload::SignedChunks { trailer: true });
        Ok(ChunkSignatures::new(key, date, &scope, signature, trailer))
    }

    /// The query to add to a URL so that it carries its own signature for `expires_s` seconds; only the host is signed.
    ///
    /// The body is unsigned for S3 and empty for all others.
    pub fn presign(&self, parts: &Parts, expires_s: u32, now: Timestamp) -> String {
        let (date, scope) = (now.to_basic(), self.scope(now));
        let encode = |text: &str| canonical::encode(text.as_bytes(), false);
        let credential = encode(&format!("{}/{scope}", self.credentials.access_key_id));
        let token = self.credentials.session_token.map(|t| format!("&X-Amz-Security-Token={}", encode(t)));
        let query = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={date}&X-Amz-Expires={expires_s}{}\
             &X-Amz-SignedHeaders=host",
            token.unwrap_or_default(),
        );
        let mut whole = parts.clone();
        let path = canonical::paths(&scope, parts.uri.path()).swap_remove(0);
        let before = parts.uri.query().map(|q| format!("{q}&")).unwrap_or_default();
        let path_and_query = format!("{}?{before}{query}", parts.uri.path());
        let mut uri = whole.uri.clone().into_parts();
        uri.path_and_query = path_and_query.parse().ok();
        whole.uri = uri.try_into().unwrap_or_default();
        let hash = if scope.is_s3() { UNSIGNED_PAYLOAD } else { super::EMPTY_SHA256 };
        let canonical = canonical::request(&whole, &path, &["host".to_owned()], hash).unwrap_or_default();
        let key = SigningKey::derive(self.credentials.secret_access_key, &scope);
        let signature = key.sign_hex(canonical::string_to_sign(&date, &scope, &canonical).as_bytes());
        format!("{query}&X-Amz-Signature={signature}")
    }

    fn scope(&self, now: Timestamp) -> Scope {
        let date = now.to_basic()[..8].to_owned();
        Scope { date, region: self.region.to_owned(), service: self.service.to_owned() }
    }

    fn add_headers(&self, parts: &mut Parts, date: &str, hash: &str, scope: &Scope) -> Result<(), InvalidHeaderValue> {
        let headers = &mut parts.headers;
        headers.insert("x-amz-date", HeaderValue::from_str(date)?);
        if scope.is_s3() || !hex::is_sha256(hash) {
            headers.insert("x-amz-content-sha256", HeaderValue::from_str(hash)?);
        }
        if let Some(token) = self.credentials.session_token {
            headers.insert("x-amz-security-token", HeaderValue::from_str(token)?);
        }
        Ok(())
    }
}

fn hash_text(payload: SignedPayload<'_>) -> String {
    let kind = match payload {
        SignedPayload::Bytes(bytes) => return hex::sha256(bytes),
        SignedPayload::Unsigned => PayloadHash::Unsigned,
        SignedPayload::SignedChunks { trailer } => PayloadHash::SignedChunks { trailer },
        SignedPayload::UnsignedChunks => PayloadHash::UnsignedChunks,
    };
    kind.literal().unwrap_or_default().to_owned()
}

fn signed_names(parts: &Parts) -> Vec<String> {
    const CHANGED_ON_THE_WAY: [&str; 6] =
        ["authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"];
    let keys = parts.headers.keys().map(HeaderName::as_str).filter(|n| !CHANGED_ON_THE_WAY.contains(n));
    let mut names: Vec<String> = keys.map(str::to_owned).collect();
    if !parts.headers.contains_key("host") {
        names.push("host".to_owned());
    }
    names.sort_unstable();
    names
}
