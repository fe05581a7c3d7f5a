//! The chain of signatures in an aws-chunked body: each chunk's covers the one before it, the request's is the first.
//!
//! Framing lives in `body::aws_chunked`; this only knows what to sign.

use sha2::{Digest, Sha256};

use super::{EMPTY_SHA256, Scope, SigningKey, hex};

/// Checks (or makes) chunk and trailer signatures in their order.
#[derive(Clone, Debug)]
pub struct ChunkSignatures {
    key: SigningKey,
    date: String,
    scope: String,
    previous: String,
    chunk: Sha256,
    trailer: bool,
}

impl ChunkSignatures {
    pub(super) fn new(key: SigningKey, date: String, scope: &Scope, seed: String, trailer: bool) -> ChunkSignatures {
        ChunkSignatures { key, date, scope: scope.to_string(), previous: seed, chunk: Sha256::new(), trailer }
    }

    /// True if signed trailing headers must follow the last chunk.
    pub fn expects_trailer(&self) -> bool {
        self.trailer
    }

    /// Takes the next bytes of the present chunk.
    pub fn update(&mut self, bytes: &[u8]) {
        self.chunk.update(bytes);
    }

    /// Ends the present chunk and gives its signature.
    pub fn end_chunk(&mut self) -> String {
        let data = hex::encode(&std::mem::take(&mut self.chunk).finalize());
        self.link("AWS4-HMAC-SHA256-PAYLOAD", &format!("{EMPTY_SHA256}\n{data}"))
    }

    /// The signature of the trailing headers, given as `name:value\n` lines.
    pub fn end_trailer(&mut self, lines: &[u8]) -> String {
        let hash = hex::sha256(lines);
        self.link("AWS4-HMAC-SHA256-TRAILER", &hash)
    }

    /// Ends the present chunk; true if `signature` is its own.
    pub fn check_chunk(&mut self, signature: &str) -> bool {
        hex::equal_constant_time(&self.end_chunk(), signature)
    }

    /// True if `signature` is that of the trailing headers.
    pub fn check_trailer(&mut self, lines: &[u8], signature: &str) -> bool {
        hex::equal_constant_time(&self.end_trailer(lines), signature)
    }

    fn link(&mut self, kind: &str, content: &str) -> String {
        let ChunkSignatures { date, scope, previous, .. } = self;
        self.previous = self.key.sign_hex(format!("{kind}\n{date}\n{scope}\n{previous}\n{content}").as_bytes());
        self.previous.clone()
    }
}
