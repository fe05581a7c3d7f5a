//! Tokens that an issuer signed (JWT): is one good, and what does it claim?
//!
//! The keys are the issuer's: found by its discovery document, or at a known address. They are kept for a while; a token that
//! names an unknown key has them read again, since keys rotate, but not more often than [`ASKED_AGAIN_AFTER_MS`] allows. What
//! issuers say comes from outside: it has a time and a size.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use shape::Body;
use wire::client::{Call, Client};

/// How long keys are good without being read again: AWS's two hours.
const KEYS_KEPT_MS: i64 = 2 * 60 * 60 * 1000;
/// How often an issuer is asked at most, whatever tokens name.
const ASKED_AGAIN_AFTER_MS: i64 = 5_000;
/// AWS's quotas for what issuers answer.
const ASK_TIMEOUT: Duration = Duration::from_millis(1_500);
const DISCOVERY_BYTES_MAX: u64 = 60_000;
const KEYS_BYTES_MAX: u64 = 150_000;
/// Keys of one issuer that are looked at.
const KEYS_MAX: usize = 100;
/// Issuers whose keys are kept; a full memory is emptied.
const ISSUERS_MAX: usize = 1_000;
/// The longest token. AWS's headers end at 10,240 bytes, all together.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Whose tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    /// What tokens must name as their issuer.
    pub(crate) issuer: String,
    /// Where its keys are.
    pub(crate) keys: KeysAt,
    /// For one of these a token must be; for whomever if there are none.
    pub(crate) audience: Vec<String>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KeysAt {
    /// Where its discovery document says, `{issuer}/.well-known/openid-configuration`.
    Discovered(String),
    /// At this address.
    Url(String),
}

impl Trust {
    /// Trust in an issuer that tells where its keys are.
    pub(crate) fn discovering(issuer: &str, audience: Vec<String>) -> Trust {
        Trust { issuer: issuer.to_owned(), keys: KeysAt::Discovered(issuer.to_owned()), audience }
    }
}

/// Why a token is not taken. The words go to the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is no token.
    #[error("the token is malformed")]
    Malformed,
    /// It is not signed in a way that only its issuer could.
    #[error("signing method {0} is invalid")]
    Algorithm(String),
    /// It does not say which key signed it.
    #[error("the token does not name its key")]
    NoKeyId,
    /// The issuer has no such key.
    #[error("the token's key is unknown to its issuer")]
    UnknownKey,
    /// The key is not of the kind that the token says.
    #[error("the token's key does not fit its signing method")]
    WrongKey,
    /// Somebody else signed it.
    #[error("the token has an invalid signature")]
    Signature,
    /// Another issuer's.
    #[error("the token does not have a valid issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("the token does not have a valid audience")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// The issuer does not tell its keys.
    #[error("the issuer's keys cannot be read")]
    Unreachable,
}

/// Issuers and their keys; a cache.
#[derive(Default)]
pub(crate) struct Issuers(Mutex<HashMap<KeysAt, Arc<Issuer>>>);

#[derive(Default)]
struct Issuer {
    keys: RwLock<Keys>,
    /// When it was last asked, and what came of it; held by the one who asks.
    asked: tokio::sync::Mutex<Option<(Timestamp, Result<(), Refused>)>>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, Arc<Key>>,
    read_at: Timestamp,
}

struct Key {
    decoding: DecodingKey,
    /// The one signing method that it is for, if it says so.
    algorithm: Option<String>,
}

/// A token taken apart, of which nothing is believed yet.
struct Token<'a> {
    algorithm: Algorithm,
    key_id: String,
    /// What is signed.
    message: &'a str,
    signature: &'a str,
    claims: Map<String, Value>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

impl Issuers {
    /// What a token claims, if it is good: signed by the issuer, for the audience, now.
    pub(crate) async fn verify(
        &self,
        http: &Client,
        token: &str,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Map<String, Value>, Refused> {
        let token = Token::parse(token)?;
        let key = self.of(&trust.keys).key(http, &trust.keys, &token.key_id, now).await?;
        token.check_signature(&key)?;
        check_claims(&token.claims, trust, now)?;
        Ok(token.claims)
    }

    fn of(&self, at: &KeysAt) -> Arc<Issuer> {
        let mut issuers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(issuer) = issuers.get(at) {
            return issuer.clone();
        }
        if issuers.len() >= ISSUERS_MAX {
            issuers.clear();
        }
        issuers.entry(at.clone()).or_default().clone()
    }
}

impl Issuer {
    async fn key(&self, http: &Client, at: &KeysAt, id: &str, now: Timestamp) -> Result<Arc<Key>, Refused> {
        if let Some(key) = self.known(id, now) {
            return Ok(key);
        }
        let mut asked = self.asked.lock().await;
        if let Some(key) = self.known(id, now) {
            return Ok(key);
        }
        if let Some((when, result)) = &*asked
            && now.millis() - when.millis() < ASKED_AGAIN_AFTER_MS
        {
            return Err(result.clone().err().unwrap_or(Refused::UnknownKey));
        }
        // Noted first: whoever asks may be gone before the answer comes.
        *asked = Some((now, Err(Refused::Unreachable)));
        let by_id = read_keys(http, at).await.ok_or(Refused::Unreachable)?;
        *asked = Some((now, Ok(())));
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Keys { by_id, read_at: now };
        self.known(id, now).ok_or(Refused::UnknownKey)
    }

    fn known(&self, id: &str, now: Timestamp) -> Option<Arc<Key>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let is_good = now.millis() - keys.read_at.millis() < KEYS_KEPT_MS;
        keys.by_id.get(id).filter(|_| is_good).cloned()
    }
}

/// An issuer's keys. What is no RSA key for signatures is passed over: AWS takes no other.
async fn read_keys(http: &Client, at: &KeysAt) -> Option<HashMap<String, Arc<Key>>> {
    #[derive(Deserialize)]
    struct Discovery {
        jwks_uri: String,
    }
    #[derive(Deserialize)]
    struct KeySet {
        keys: Vec<Value>,
    }
    #[derive(Deserialize)]
    struct Jwk {
        kty: String,
        kid: String,
        #[serde(rename = "use")]
        purpose: Option<String>,
        alg: Option<String>,
        n: String,
        e: String,
    }
    let address = match at {
        KeysAt::Url(url) => url.clone(),
        KeysAt::Discovered(issuer) => {
            let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            read::<Discovery>(http, &url, DISCOVERY_BYTES_MAX).await?.jwks_uri
        }
    };
    let set: KeySet = read(http, &address, KEYS_BYTES_MAX).await?;
    let keys = set.keys.into_iter().take(KEYS_MAX).filter_map(|key| {
        let key: Jwk = serde_json::from_value(key).ok()?;
        let is_for_signatures = key.kty == "RSA" && key.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let decoding = DecodingKey::from_rsa_components(&key.n, &key.e).ok().filter(|_| is_for_signatures)?;
        Some((key.kid, Arc::new(Key { decoding, algorithm: key.alg })))
    });
    Some(keys.collect())
}

async fn read<T: DeserializeOwned>(http: &Client, url: &str, bytes_max: u64) -> Option<T> {
    let request = Request::get(url).header("accept", "application/json").body(Body::default()).ok()?;
    let answer = async {
        let answer = http.send(request, Call::new(ASK_TIMEOUT, bytes_max)).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        if status != StatusCode::OK {
            return Err(format!("status {}", status.as_u16()));
        }
        let body: Bytes = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    };
    match answer.await {
        Ok(document) => Some(document),
        Err(error) => {
            tracing::warn!(url, error, "an issuer of tokens does not say what it should");
            None
        }
    }
}

impl Token<'_> {
    fn parse(token: &str) -> Result<Token<'_>, Refused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(Refused::Malformed)?;
        let header: Header = decoded(header)?;
        let algorithm = match header.alg.as_str() {
            "RS256" => Algorithm::RS256,
            "RS384" => Algorithm::RS384,
            "RS512" => Algorithm::RS512,
            "PS256" => Algorithm::PS256,
            "PS384" => Algorithm::PS384,
            "PS512" => Algorithm::PS512,
            other => {
                let name = other.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
                return Err(Refused::Algorithm(name));
            }
        };
        let key_id = header.kid.ok_or(Refused::NoKeyId)?;
        Ok(Token { algorithm, key_id, message, signature, claims: decoded(claims)? })
    }

    fn check_signature(&self, key: &Key) -> Result<(), Refused> {
        if key.algorithm.as_ref().is_some_and(|algorithm| *algorithm != format!("{:?}", self.algorithm)) {
            return Err(Refused::WrongKey);
        }
        let verified =
            jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), &key.decoding, self.algorithm);
        if verified.unwrap_or(false) { Ok(()) } else { Err(Refused::Signature) }
    }
}

fn decoded<T: DeserializeOwned>(part: &str) -> Result<T, Refused> {
    let json = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).map_err(|_| Refused::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| Refused::Malformed)
}

fn check_claims(claims: &Map<String, Value>, trust: &Trust, now: Timestamp) -> Result<(), Refused> {
    if claims.get("iss").and_then(Value::as_str) != Some(&trust.issuer) {
        return Err(Refused::Issuer);
    }
    let is_for = |whom: &Value| match whom {
        Value::String(one) => trust.audience.contains(one),
        Value::Array(many) => {
            many.iter().filter_map(Value::as_str).any(|one| trust.audience.iter().any(|it| it == one))
        }
        _ => false,
    };
    // `client_id` is looked at only where there is no `aud`: access tokens of Cognito have none.
    let audience = claims.get("aud").or_else(|| claims.get("client_id"));
    if !trust.audience.is_empty() && !audience.is_some_and(is_for) {
        return Err(Refused::Audience);
    }
    let now_secs = now.millis() as f64 / 1000.0;
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Refused::Malformed),
    };
    if time("exp")?.is_none_or(|end| end <= now_secs) {
        return Err(Refused::Expired);
    }
    for begin in [time("nbf")?, time("iat")?].into_iter().flatten() {
        if begin > now_secs {
            return Err(Refused::NotYet);
        }
    }
    Ok(())
}

/// The scopes that a token has: `scope` in one text, or `scp` in one text or a list.
pub(crate) fn scopes(claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let texts = ["scope", "scp"].into_iter().filter_map(|name| claims.get(name)).flat_map(|value| match value {
        Value::Array(many) => many.as_slice(),
        one => std::slice::from_ref(one),
    });
    texts.filter_map(Value::as_str).flat_map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn claims(claims: Value) -> Map<String, Value> {
        let mut all = json!({"iss": "https://i", "aud": "me", "exp": 1_001});
        let all = all.as_object_mut().unwrap();
        for (name, value) in claims.as_object().unwrap() {
            match value.is_null() {
                true => all.remove(name),
                false => all.insert(name.clone(), value.clone()),
            };
        }
        all.clone()
    }

    fn checked(said: Value) -> Result<(), Refused> {
        let trust = Trust::discovering("https://i", vec!["me".to_owned(), "you".to_owned()]);
        check_claims(&claims(said), &trust, NOW)
    }

    #[test]
    fn good_claims() {
        for said in [
            json!({}),
            json!({"aud": ["x", "you"]}),
            json!({"aud": null, "client_id": "me"}),
            json!({"nbf": 1_000, "iat": 999.5, "exp": 1_000.5}),
        ] {
            assert_eq!(checked(said.clone()), Ok(()), "{said}");
        }
        let anybody = Trust::discovering("https://i", Vec::new());
        assert_eq!(check_claims(&claims(json!({"aud": null})), &anybody, NOW), Ok(()));
    }

    #[test]
    fn bad_claims() {
        for (said, refused) in [
            (json!({"iss": null}), Refused::Issuer),
            (json!({"iss": "https://i/"}), Refused::Issuer),
            (json!({"aud": null}), Refused::Audience),
            (json!({"aud": "x"}), Refused::Audience),
            (json!({"aud": []}), Refused::Audience),
            (json!({"aud": "x", "client_id": "me"}), Refused::Audience),
            (json!({"exp": null}), Refused::Expired),
            (json!({"exp": 1_000}), Refused::Expired),
            (json!({"exp": "soon"}), Refused::Malformed),
            (json!({"nbf": 1_001}), Refused::NotYet),
            (json!({"iat": 1_001}), Refused::NotYet),
        ] {
            assert_eq!(checked(said.clone()), Err(refused), "{said}");
        }
    }

    #[test]
    fn scopes_stand_in_two_places() {
        let of = |said: Value| scopes(&claims(said)).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of(json!({"scope": "a b"})), ["a", "b"]);
        assert_eq!(of(json!({"scp": ["a", "b c"]})), ["a", "b", "c"]);
        assert!(of(json!({"scope": 1})).is_empty());
    }

    fn parsed(header: Value) -> Option<Refused> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        Token::parse(&format!("{}.{}.c2ln", part(&header), part(&json!({})))).err()
    }

    #[test]
    fn only_rsa_signatures_with_a_key_are_looked_at() {
        assert_eq!(parsed(json!({"alg": "RS256", "kid": "k"})), None);
        assert_eq!(parsed(json!({"alg": "RS256"})), Some(Refused::NoKeyId));
        for alg in ["none", "None", "HS256", "ES256", "EdDSA", ""] {
            assert_eq!(parsed(json!({"alg": alg, "kid": "k"})), Some(Refused::Algorithm(alg.to_owned())), "{alg}");
        }
        for token in ["", "a", "a.b", "a.b.c", "..", "e30.e30.", "e30.bm8.c", &"a".repeat(TOKEN_BYTES_MAX + 1)] {
            assert_eq!(Token::parse(token).err(), Some(Refused::Malformed));
        }
    }
}
