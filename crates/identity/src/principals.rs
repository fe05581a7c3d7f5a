//! Who stands behind an access key.

use std::sync::Arc;

use base::{AccountId, Arn, Caller, CallerKind, Timestamp};
use cloud::BoxFuture;
use cloud::ports::{Credential, Credentials, Principals, RoleCredentials, UnknownPrincipal};

use crate::session::MasterKey;

/// The customary access key and secret of emulators' users.
const SEEDED_KEY: &str = "test";

/// Which long-term keys this node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// None: only sessions and (later) IAM's keys.
    Nothing,
    /// `test`/`test` is the root of account 000000000000, and every twelve-digit key with the secret `test` the root of
    /// that account. Only for loopback listeners.
    Test,
}

/// All principals of this node.
pub struct Identity {
    master: MasterKey,
    seed: Seed,
}

impl Identity {
    /// Principals whose sessions are sealed under `master`.
    pub fn new(master: MasterKey, seed: Seed) -> Identity {
        Identity { master, seed }
    }

    fn look_up(
        &self,
        access_key_id: &str,
        session_token: Option<&str>,
        now: Timestamp,
    ) -> Result<Credential, UnknownPrincipal> {
        match session_token {
            // The seeded keys are long-term; tools that insist on a token with them may send any.
            Some(_) if self.seeded_account(access_key_id).is_some() => self.seeded(access_key_id),
            Some(token) => self.master.open(access_key_id, token, now),
            None => self.seeded(access_key_id),
        }
    }

    fn seeded(&self, access_key_id: &str) -> Result<Credential, UnknownPrincipal> {
        let account = self.seeded_account(access_key_id).ok_or(UnknownPrincipal::NoSuchKey)?;
        let caller = Caller { access_key_id: Some(access_key_id.into()), ..Caller::root(account) };
        Ok(Credential { secret: Arc::from(SEEDED_KEY), caller })
    }

    fn seeded_account(&self, access_key_id: &str) -> Option<AccountId> {
        match self.seed {
            Seed::Nothing => None,
            Seed::Test if access_key_id == SEEDED_KEY => Some(AccountId::DEFAULT),
            Seed::Test => AccountId::parse(access_key_id),
        }
    }
}

impl Principals for Identity {
    fn find<'a>(
        &'a self,
        access_key_id: &'a str,
        session_token: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Credential, UnknownPrincipal>> {
        Box::pin(async move { self.look_up(access_key_id, session_token, now) })
    }

    /// Root of another account is bound like everybody by what a resource's policy says; roles have no policies until
    /// IAM stands, so for now they may do what their account may.
    fn policies<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Option<Vec<String>>> {
        Box::pin(async { (caller.kind != CallerKind::AssumedRole).then(Vec::new) })
    }
}

impl Credentials for Identity {
    fn for_role(&self, role: &Arn, session_name: &str, lifetime_secs: u32, now: Timestamp) -> RoleCredentials {
        self.master.issue(role, session_name, now.plus_millis(i64::from(lifetime_secs) * 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_keys_are_roots_and_strangers_are_nobody() {
        let open = Identity::new(MasterKey([1; 32]), Seed::Test);
        let now = Timestamp::from_secs(0);
        let account = |id: &Identity, key: &str| id.look_up(key, None, now).map(|c| c.caller.account.to_string());
        assert_eq!(account(&open, "test").as_deref(), Ok("000000000000"));
        assert_eq!(account(&open, "123456789012").as_deref(), Ok("123456789012"));
        assert_eq!(account(&open, "AKIAEXAMPLE"), Err(UnknownPrincipal::NoSuchKey));
        let closed = Identity::new(MasterKey([1; 32]), Seed::Nothing);
        assert_eq!(account(&closed, "test"), Err(UnknownPrincipal::NoSuchKey));
        assert_eq!(account(&closed, "123456789012"), Err(UnknownPrincipal::NoSuchKey));
    }
}
