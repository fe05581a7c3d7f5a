//! Temporary credentials without state: the session token is the session, sealed under the node's master key.

use base::{AccountId, Arn, Caller, CallerKind, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cloud::ports::{Credential, RoleCredentials, UnknownPrincipal};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The key under which sessions are sealed; all nodes of a cluster share it.
#[derive(Clone)]
pub struct MasterKey(pub [u8; 32]);

/// AWS's secrets have forty characters.
const SECRET_LENGTH: usize = 40;

/// What a session token says.
#[derive(Serialize, Deserialize)]
struct Claims {
    /// The access key this token belongs to.
    key: String,
    role: String,
    session: String,
    expires_ms: i64,
}

impl MasterKey {
    /// Makes a role's session.
    pub fn issue(&self, role: &Arn, session_name: &str, expires: Timestamp) -> RoleCredentials {
        let access_key_id = format!("ASIA{}", base::id::upper_base32(16));
        let claims = Claims {
            key: access_key_id.clone(),
            role: role.to_string(),
            session: session_name.to_owned(),
            expires_ms: expires.millis(),
        };
        let body = serde_json::to_vec(&claims).unwrap_or_default();
        let session_token = format!("{}.{}", URL_SAFE_NO_PAD.encode(&body), self.seal(&body));
        let secret_access_key = self.secret(&access_key_id);
        RoleCredentials { access_key_id, secret_access_key, session_token, expires }
    }

    /// Opens a token that came with this access key.
    pub fn open(&self, access_key_id: &str, token: &str, now: Timestamp) -> Result<Credential, UnknownPrincipal> {
        let claims = self.claims(token).filter(|c| c.key == access_key_id).ok_or(UnknownPrincipal::InvalidToken)?;
        if claims.expires_ms <= now.millis() {
            return Err(UnknownPrincipal::Expired);
        }
        let caller = assumed_role(&claims, access_key_id).ok_or(UnknownPrincipal::InvalidToken)?;
        Ok(Credential { secret: self.secret(access_key_id).into(), caller })
    }

    fn claims(&self, token: &str) -> Option<Claims> {
        let (body, seal) = token.split_once('.')?;
        let body = URL_SAFE_NO_PAD.decode(body).ok()?;
        let given = URL_SAFE_NO_PAD.decode(seal).ok()?;
        // `verify_slice` compares in constant time.
        self.mac(b"session", &body).verify_slice(&given).ok()?;
        serde_json::from_slice(&body).ok()
    }

    fn seal(&self, body: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(b"session", body).finalize().into_bytes())
    }

    fn secret(&self, access_key_id: &str) -> String {
        let bytes = self.mac(b"secret", access_key_id.as_bytes()).finalize().into_bytes();
        STANDARD.encode(bytes)[..SECRET_LENGTH].to_owned()
    }

    fn mac(&self, purpose: &[u8], body: &[u8]) -> Hmac<Sha256> {
        // HMAC takes a key of any length, so this cannot fail.
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!());
        mac.update(purpose);
        mac.update(&[0]);
        mac.update(body);
        mac
    }
}

/// `arn:aws:sts::account:assumed-role/RoleName/session` with the role's unique id in front of the user id.
fn assumed_role(claims: &Claims, access_key_id: &str) -> Option<Caller> {
    let role = Arn::parse(&claims.role)?;
    let account = AccountId::parse(&role.account)?;
    let name = role.resource.rsplit('/').next()?;
    let session = &claims.session;
    Some(Caller {
        account,
        arn: format!("arn:{}:sts::{account}:assumed-role/{name}/{session}", role.partition).into(),
        user_id: format!("{}:{session}", role_id(&claims.role)).into(),
        kind: CallerKind::AssumedRole,
        access_key_id: Some(access_key_id.into()),
    })
}

/// A role's unique id: derived from its ARN until IAM keeps roles with ids of their own.
fn role_id(role_arn: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Sha256::digest(role_arn.as_bytes());
    let letters = digest.iter().take(17).map(|b| char::from(ALPHABET[usize::from(b % 32)]));
    "AROA".chars().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> Arn {
        Arn::parse("arn:aws:iam::123456789012:role/service-role/worker").expect("an ARN")
    }

    #[test]
    fn a_session_opens_with_its_own_key_until_it_ends() {
        let (key, now) = (MasterKey([7; 32]), Timestamp::from_secs(1_000));
        let issued = key.issue(&role(), "f", now.plus_millis(1000));
        let opened = key.open(&issued.access_key_id, &issued.session_token, now).expect("valid");
        assert_eq!(&*opened.secret, issued.secret_access_key);
        assert_eq!(&*opened.caller.arn, "arn:aws:sts::123456789012:assumed-role/worker/f");
        assert!(opened.caller.user_id.starts_with("AROA") && opened.caller.user_id.ends_with(":f"));
        let refuse = |key: &MasterKey, id: &str, token: &str, at| key.open(id, token, at).expect_err("refused");
        let (id, token) = (&issued.access_key_id, &issued.session_token);
        assert_eq!(refuse(&key, id, token, now.plus_millis(1000)), UnknownPrincipal::Expired);
        assert_eq!(refuse(&key, "ASIAOTHER", token, now), UnknownPrincipal::InvalidToken);
        assert_eq!(refuse(&MasterKey([8; 32]), id, token, now), UnknownPrincipal::InvalidToken);
        assert_eq!(refuse(&key, id, &token.replacen('e', "f", 1), now), UnknownPrincipal::InvalidToken);
    }
}
