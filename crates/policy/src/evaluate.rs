//! The decision: which policies are asked, and what their answers add up to.
//!
//! After "Policy evaluation logic" in IAM's user guide: a deny anywhere wins; inside one account either side may
//! allow; across accounts both must; boundaries and session policies only ever narrow.

use std::fmt;

use base::{AccountId, CallerKind};

use crate::context::Context;
use crate::document::{Effect, Policy};
use crate::principal::{Meant, Principal};

/// One question: may this principal do this to that?
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// `lambda:InvokeFunction`.
    pub action: &'a str,
    /// The resource's ARN, or `*` for actions that have none.
    pub resource: &'a str,
    /// Whose resource it is: decides whether the question crosses accounts.
    pub resource_account: AccountId,
    /// The request's condition keys.
    pub context: &'a Context,
}

/// A policy with the name it goes by where it is attached.
#[derive(Clone, Copy, Debug)]
pub struct Attached<'a> {
    /// Its name or ARN, for audit records.
    pub name: &'a str,
    /// The document.
    pub policy: &'a Policy,
}

/// All policies that bear on a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Of the user and its groups, or of the role.
    pub identity: &'a [Attached<'a>],
    /// Of the resource.
    pub resource: &'a [Attached<'a>],
    /// The user's or role's permissions boundary; none means no boundary.
    pub boundary: Option<Attached<'a>>,
    /// Given when the role was assumed; none means no narrowing.
    pub session: &'a [Attached<'a>],
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Root needs no policy in its own account.
    Root,
    /// Identity-based policies.
    Identity,
    /// The resource's policy.
    Resource,
    /// The permissions boundary.
    Boundary,
    /// Session policies.
    Session,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::Root => "root",
            Layer::Identity => "identity-based policy",
            Layer::Resource => "resource-based policy",
            Layer::Boundary => "permissions boundary",
            Layer::Session => "session policy",
        })
    }
}

/// The statement that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Which sort of policy.
    pub layer: Layer,
    /// The policy's name; empty for root.
    pub policy: String,
    /// Which of its statements, from zero.
    pub statement: usize,
    /// The statement's name.
    pub sid: Option<String>,
}

/// The answer, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes, by this statement.
    Allow {
        /// Who allowed.
        by: Source,
    },
    /// No, because nothing at this layer allows it.
    ImplicitDeny {
        /// Where an allow is missing.
        by: Layer,
    },
    /// No, because this statement denies it.
    ExplicitDeny {
        /// Who denied.
        by: Source,
    },
}

impl Decision {
    /// True for a yes.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allow { .. })
    }

    /// AWS's sentence for a no; `None` for a yes.
    pub fn denial_words(&self, request: &Request<'_>) -> Option<String> {
        let Request { principal, action, resource, .. } = request;
        let because = match self {
            Decision::Allow { .. } => return None,
            Decision::ImplicitDeny { by } => format!("because no {by} allows the {action} action"),
            Decision::ExplicitDeny { by } => format!("with an explicit deny in {} {}", article(by.layer), by.layer),
        };
        let on = if *resource == "*" { String::new() } else { format!(" on resource: {resource}") };
        Some(format!("User: {} is not authorized to perform: {action}{on} {because}", principal.arn))
    }
}

fn article(layer: Layer) -> &'static str {
    if layer == Layer::Identity { "an" } else { "a" }
}

/// Decides.
pub fn evaluate(request: &Request<'_>, policies: &Policies<'_>) -> Decision {
    let boundary = policies.boundary.as_slice();
    let identity = Answer::of(request, Layer::Identity, policies.identity);
    let resource = Answer::of(request, Layer::Resource, policies.resource);
    let narrowing = [
        (Layer::Boundary, boundary.is_empty(), Answer::of(request, Layer::Boundary, boundary)),
        (Layer::Session, policies.session.is_empty(), Answer::of(request, Layer::Session, policies.session)),
    ];
    let answers = [&identity, &resource, &narrowing[0].2, &narrowing[1].2];
    if let Some(by) = answers.into_iter().find_map(|a| a.deny.clone()) {
        return Decision::ExplicitDeny { by };
    }
    let Some(account) = request.principal.account else {
        // A service or nobody: only the resource can let them in.
        return resource.allow(Meant::ByRole).map_or(no(Layer::Resource), yes);
    };
    let crosses = account != request.resource_account;
    if !crosses && let Some(by) = resource.allow(Meant::ByName) {
        // Named itself, by the owner: neither boundary nor session narrows that.
        return yes(by);
    }
    if let Some((layer, ..)) = narrowing.iter().find(|(_, absent, answer)| !absent && answer.allow.is_none()) {
        return no(*layer);
    }
    let identity = identity.allow(Meant::ByAccount).or_else(|| root(request));
    match (identity, crosses) {
        (Some(by), false) => yes(by),
        (None, false) => resource.allow(Meant::ByRole).map_or(no(Layer::Identity), yes),
        (Some(_), true) => resource.allow(Meant::ByAccount).map_or(no(Layer::Resource), yes),
        (None, true) => no(Layer::Identity),
    }
}

fn yes(by: Source) -> Decision {
    Decision::Allow { by }
}

fn no(by: Layer) -> Decision {
    Decision::ImplicitDeny { by }
}

fn root(request: &Request<'_>) -> Option<Source> {
    let is_root = request.principal.kind == CallerKind::Root;
    is_root.then(|| Source { layer: Layer::Root, policy: String::new(), statement: 0, sid: None })
}

/// What one layer says: a deny, and its most exact allow.
struct Answer {
    deny: Option<Source>,
    allow: Option<(Meant, Source)>,
}

impl Answer {
    fn of(request: &Request<'_>, layer: Layer, policies: &[Attached<'_>]) -> Answer {
        let mut answer = Answer { deny: None, allow: None };
        for attached in policies {
            for (at, statement) in attached.policy.statements.iter().enumerate() {
                let Request { principal, action, resource, context, .. } = request;
                let meant = statement.applies(principal, action, resource, context);
                let better = answer.allow.as_ref().is_none_or(|(best, _)| *best < meant);
                if meant == Meant::No || (statement.effect == Effect::Allow && !better) {
                    continue;
                }
                let (policy, sid) = (attached.name.to_owned(), statement.sid.clone());
                let source = Source { layer, policy, statement: at, sid };
                match statement.effect {
                    Effect::Deny => answer.deny = answer.deny.or(Some(source)),
                    Effect::Allow => answer.allow = Some((meant, source)),
                }
            }
        }
        answer
    }

    /// The allow, if it means the principal at least so exactly.
    fn allow(&self, at_least: Meant) -> Option<Source> {
        self.allow.as_ref().filter(|(meant, _)| *meant >= at_least).map(|(_, source)| source.clone())
    }
}
