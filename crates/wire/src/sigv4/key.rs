//! Signing keys: derived from a secret for one day, region and service, and kept for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{Scope, hex};

/// How many derived keys are kept; past that the cache starts anew, which costs four HMACs a key.
const KEYS_MAX: usize = 1024;

/// A key that signs in one scope only.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// Derives the key of `scope` from a secret access key.
    pub fn derive(secret_access_key: &str, scope: &Scope) -> SigningKey {
        let date = hmac(format!("AWS4{secret_access_key}").as_bytes(), scope.date.as_bytes());
        let region = hmac(&date, scope.region.as_bytes());
        let service = hmac(&region, scope.service.as_bytes());
        SigningKey(hmac(&service, b"aws4_request"))
    }

    /// The signature of `text`, in lower-case hex.
    pub fn sign_hex(&self, text: &[u8]) -> String {
        hex::encode(&hmac(&self.0, text))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// A bounded cache of derived keys; a rebuildable convenience, no truth.
///
/// Entries are found by a hash over the secret and the scope, so a key id that is given a new secret never meets the
/// old one's key.
#[derive(Default)]
pub struct SigningKeys(Mutex<HashMap<[u8; 32], SigningKey>>);

impl SigningKeys {
    /// The key of `scope`, derived at most once while it is remembered.
    pub fn get(&self, secret_access_key: &str, scope: &Scope) -> SigningKey {
        let mut name = Sha256::new();
        for part in [secret_access_key, &scope.date, &scope.region, &scope.service] {
            name.update((part.len() as u64).to_le_bytes());
            name.update(part.as_bytes());
        }
        let name: [u8; 32] = name.finalize().into();
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_MAX && !keys.contains_key(&name) {
            keys.clear();
        }
        keys.entry(name).or_insert_with(|| SigningKey::derive(secret_access_key, scope)).clone()
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys(…)")
    }
}
