//! May this caller do this? The evaluation of all policies that bind caller and resource.

use base::{AccountId, Arn, CallerKind, Cx, Error};
use policy::{Attached, Context, Kind, Policies, Policy, Principal, Request};

use super::Desk;
use super::identify::Identity;
use super::route::Route;
use crate::ServiceId;
use crate::operation::{Meta, Need};
use crate::registry::Mounted;

/// What becomes of a request that policies do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IamMode {
    /// It is refused.
    Enforce,
    /// It is let through, and the log says what would have been denied.
    Warn,
    /// Policies are not looked at.
    Off,
}

pub(super) async fn authorize(
    desk: &Desk,
    identity: &Identity,
    route: &Route,
    path: &str,
    needs: &[Need],
    cx: &Cx,
) -> Result<(), Error> {
    if cx.caller.kind == CallerKind::Anonymous && !route.operation.meta.open {
        return Err(super::authenticate::missing_token(identity));
    }
    if desk.iam == IamMode::Off {
        return Ok(());
    }
    for need in needs {
        let action = action(&identity.service.id, &route.operation.meta, need);
        let resource = resource(&identity.service.id, cx, path, need);
        let denial = denial(desk, &identity.service, cx, &action, &resource, &[]).await;
        decide(desk, cx, denial)?;
    }
    Ok(())
}

/// The IAM action that a permission is about: `lambda:GetFunction`, `apigateway:GET`.
fn action(service: &ServiceId, meta: &Meta, need: &Need) -> String {
    let of_operation = match meta.http {
        Some(binding) if service.iam_by_method => binding.method,
        _ => meta.action_name(),
    };
    format!("{}:{}", service.iam_prefix, need.action.unwrap_or(of_operation))
}

/// What a permission is about. Where actions are HTTP methods and an operation names nothing, it is the path:
/// `arn:aws:apigateway:us-east-1::/restapis/abc`.
fn resource(service: &ServiceId, cx: &Cx, path: &str, need: &Need) -> String {
    if !service.iam_by_method || need.resource != "*" {
        return need.resource.clone();
    }
    format!("arn:{}:{}:{}::{path}", cx.region.partition(), service.iam_prefix, cx.region)
}

/// What becomes of a request that policies deny.
pub(super) fn decide(desk: &Desk, cx: &Cx, denial: Option<String>) -> Result<(), Error> {
    match (denial, desk.iam) {
        (None, _) => Ok(()),
        (Some(denial), IamMode::Enforce) => Err(Error::access_denied(denial)),
        (Some(denial), _) => {
            tracing::warn!(id = &*cx.request_id, "IAM would deny this: {denial}");
            Ok(())
        }
    }
}

/// AWS's sentence about a request that policies do not allow; `None` if they allow it. `keys` are condition keys of this
/// kind of request, beside those that all have.
pub(super) async fn denial(
    desk: &Desk,
    service: &Mounted,
    cx: &Cx,
    action: &str,
    resource: &str,
    keys: &[(&str, &str)],
) -> Option<String> {
    let arn = Arn::parse(resource);
    let resource_account = arn.as_ref().and_then(|a| AccountId::parse(&a.account)).unwrap_or(cx.caller.account);
    if cx.caller.kind == CallerKind::Root && resource_account == cx.caller.account {
        return None;
    }
    let documents = match desk.principals.policies(&cx.caller).await {
        Some(documents) => documents,
        None if resource_account == cx.caller.account => return None,
        // Another account's resource: that nobody keeps policies here yet does not open it.
        None => Vec::new(),
    };
    let of_caller = parsed(&documents, Kind::Identity);
    let attached = match &arn {
        Some(arn) => service.resource_policy(cx, arn).await,
        None => None,
    };
    let of_resource = parsed(attached.as_slice(), Kind::Resource);
    let (principal, mut context) = (Principal::of(&cx.caller), Context::of(cx));
    keys.iter().for_each(|(key, value)| context.set(key, *value));
    let request = Request { principal: &principal, action, resource, resource_account, context: &context };
    let (by_identity, by_resource) = (named(&of_caller, "identity policy"), named(&of_resource, "resource policy"));
    let policies = Policies { identity: &by_identity, resource: &by_resource, ..Policies::default() };
    policy::evaluate(&request, &policies).denial_words(&request)
}

/// Policies that do not parse allow nothing; they were refused when they were stored, so this is a fault of ours.
fn parsed(documents: &[String], kind: Kind) -> Vec<Policy> {
    let parse = |document: &String| match Policy::parse(document, kind) {
        Ok(policy) => Some(policy),
        Err(error) => {
            tracing::error!(%error, "a stored policy cannot be read and allows nothing");
            None
        }
    };
    documents.iter().filter_map(parse).collect()
}

fn named<'a>(policies: &'a [Policy], name: &'a str) -> Vec<Attached<'a>> {
    policies.iter().map(|policy| Attached { name, policy }).collect()
}
