//! Who asks: the signature checked against the key's secret.

use std::sync::Arc;

use base::{AccountId, Caller, CallerKind, Cx, Error, Region};
use bytes::Bytes;
use http::request::Parts;
use wire::sigv4::{self, BodyCheck, Payload, Presented, Refusal};

use super::identify::Identity;
use super::record::Visit;
use super::{Desk, IamMode};
use crate::ports::UnknownPrincipal;

/// Refuses, before the body is read, what no body could make good: a signature that is none, or none where every
/// operation of the service needs one.
pub(super) fn precheck(identity: &Identity) -> Result<(), Error> {
    match &identity.presented {
        Err(refusal) => Err(refusal.to_error(identity.family())),
        Ok(None) if !identity.service.has_open_operations() => Err(missing_token(identity)),
        Ok(_) => Ok(()),
    }
}

/// The request's context, and what is left to check while the body is taken apart. An unsigned request comes out as anonymous; whether that will do is `authorize`'s matter.
pub(super) async fn authenticate(
    desk: &Desk,
    identity: &Identity,
    head: &Parts,
    body: &Bytes,
    visit: &Visit,
) -> Result<(Cx, BodyCheck), Error> {
    let family = identity.family();
    let refuse = |refusal: &Refusal| refusal.to_error(family);
    let (caller, region, check) = match identity.presented.as_ref().map_err(refuse)? {
        None => (Caller::anonymous(AccountId::DEFAULT), Region::default(), BodyCheck::Done),
        Some(presented) => {
            presented.expect(None, Some(identity.service.id.signing_name)).map_err(|r| refuse(&r))?;
            let (caller, check) =
                verified(desk, presented, head, body, visit.origin.from_sandbox).await.map_err(|r| refuse(&r))?;
            let given = &presented.scope.region;
            let region = Region::parse(given).ok_or_else(|| {
                refuse(&Refusal::Region { given: given.clone(), expected: Region::default().to_string() })
            })?;
            (caller, region, check)
        }
    };
    let cx = Cx {
        request_id: visit.request_id.clone(),
        account: caller.account,
        region,
        caller,
        origin: Arc::clone(&visit.origin),
        clock: desk.clock.clone(),
    };
    Ok((cx, check))
}

/// Whose signature it is, and that it is good.
pub(super) async fn verified(
    desk: &Desk,
    presented: &Presented,
    head: &Parts,
    body: &Bytes,
    from_sandbox: bool,
) -> Result<(Caller, BodyCheck), Refusal> {
    let now = desk.clock.now();
    let (key, token) = (presented.access_key_id.as_str(), presented.session_token.as_deref());
    let credential = desk.principals.find(key, token, now).await.map_err(|unknown| match unknown {
        UnknownPrincipal::NoSuchKey => Refusal::UnknownKey { access_key_id: key.to_owned() },
        UnknownPrincipal::InvalidToken => Refusal::InvalidToken,
        UnknownPrincipal::Expired => Refusal::ExpiredToken,
    })?;
    let is_root = credential.caller.kind == CallerKind::Root;
    if is_root && from_sandbox && desk.iam == IamMode::Enforce {
        // The well-known keys are for developers' tools; a function has its role.
        return Err(Refusal::UnknownKey { access_key_id: key.to_owned() });
    }
    let signing_key = desk.signing_keys.get(&credential.secret, &presented.scope);
    let verified = sigv4::verify(presented, head, Payload::Bytes(body), &signing_key, now)?;
    Ok((credential.caller, verified.body))
}

/// The refusal of an unsigned request.
pub(super) fn missing_token(identity: &Identity) -> Error {
    Refusal::MissingToken.to_error(identity.family())
}
