//! Who asks, and who a document speaks of.

use base::{AccountId, Arn, Caller, CallerKind};

use crate::json::Json;

/// Who asks, as far as a document can name them.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// The account; none for services and the anonymous.
    pub account: Option<AccountId>,
    /// Which sort of principal, as the rules differ.
    pub kind: CallerKind,
    /// The most exact name: user, root or role session ARN; for a service its name (`sns.amazonaws.com`).
    pub arn: String,
    /// The role behind a session, with its path.
    pub role_arn: Option<String>,
    /// The unique id, without a session's name: documents may name it.
    pub unique_id: String,
}

impl Principal {
    /// From the request's caller. A role's path is not in its session's ARN: set [`Principal::role_arn`] if it has one.
    pub fn of(caller: &Caller) -> Principal {
        let has_account = !matches!(caller.kind, CallerKind::Service | CallerKind::Anonymous);
        let session = caller.kind == CallerKind::AssumedRole;
        Principal {
            account: has_account.then_some(caller.account),
            kind: caller.kind,
            arn: caller.arn.to_string(),
            role_arn: session.then(|| principal_arn(&caller.arn)),
            unique_id: caller.user_id.split(':').next().unwrap_or_default().to_owned(),
        }
    }
}

/// What `aws:PrincipalArn` shows: the role's ARN for a session, else the ARN itself.
pub(crate) fn principal_arn(arn: &str) -> String {
    let role = Arn::parse(arn).filter(|a| a.service == "sts").and_then(|a| {
        let name = a.resource.strip_prefix("assumed-role/")?.split('/').next()?.to_owned();
        Some(Arn { service: "iam".to_owned(), resource: format!("role/{name}"), ..a })
    });
    role.map_or_else(|| arn.to_owned(), |role| role.to_string())
}

/// How exactly a statement means a principal; the rules depend on it. Ordered: the later, the more exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meant {
    /// Not at all.
    No,
    /// Through its account, which thereby may delegate.
    ByAccount,
    /// As the role behind the session, or as anybody.
    ByRole,
    /// By its own name: a user, a session, a service.
    ByName,
}

/// The `Principal` or `NotPrincipal` of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Principals {
    pub(crate) negated: bool,
    names: Vec<Name>,
}

#[derive(Clone, Debug, PartialEq)]
enum Name {
    Everybody,
    Account(String),
    /// An ARN or a unique id.
    Aws(String),
    Service(String),
    /// Federated and canonical users: read and kept, but nobody here is one yet.
    Other,
}

impl Principals {
    /// `"*"`, or an object of `AWS`, `Service`, `Federated` and `CanonicalUser`. The error is the offending name.
    pub(crate) fn parse(json: &Json, negated: bool) -> Result<Principals, String> {
        let members = match json {
            Json::String(star) if star == "*" => {
                return Ok(Principals { negated, names: vec![Name::Everybody] });
            }
            Json::Object(members) if !members.is_empty() => members,
            other => return Err(format!("{other:?}")),
        };
        let mut names = Vec::new();
        for (kind, value) in members {
            let values = match value {
                Json::String(one) => std::slice::from_ref(one).to_vec(),
                Json::Array(many) => strings(many).ok_or_else(|| kind.clone())?,
                _ => return Err(kind.clone()),
            };
            for value in values {
                let name = Name::parse(kind, &value).ok_or_else(|| format!("\"{kind}\":\"{value}\""))?;
                names.push(name);
            }
        }
        Ok(Principals { negated, names })
    }

    /// How exactly `principal` is meant; for `NotPrincipal`, everybody who is not named is meant as anybody.
    pub(crate) fn meant(&self, principal: &Principal) -> Meant {
        let named = self.names.iter().map(|name| name.meant(principal)).max().unwrap_or(Meant::No);
        match (self.negated, named) {
            (false, named) => named,
            (true, Meant::No) => Meant::ByRole,
            (true, _) => Meant::No,
        }
    }
}

fn strings(items: &[Json]) -> Option<Vec<String>> {
    items.iter().map(|i| if let Json::String(s) = i { Some(s.clone()) } else { None }).collect()
}

impl Name {
    fn parse(kind: &str, value: &str) -> Option<Name> {
        match kind {
            "AWS" if value == "*" => Some(Name::Everybody),
            "AWS" => aws_name(value),
            // A star is refused inside names: it would not be a wildcard there.
            "Service" if !value.is_empty() && !value.contains('*') => Some(Name::Service(value.to_owned())),
            "Federated" | "CanonicalUser" if !value.is_empty() => Some(Name::Other),
            _ => None,
        }
    }

    fn meant(&self, principal: &Principal) -> Meant {
        let by = |meant: Meant, holds: bool| if holds { meant } else { Meant::No };
        match self {
            Name::Everybody => Meant::ByRole,
            Name::Account(account) => by(Meant::ByAccount, principal.account.is_some_and(|a| a.as_str() == account)),
            Name::Aws(name) if *name == principal.arn => Meant::ByName,
            Name::Aws(name) if principal.role_arn.as_ref() == Some(name) => Meant::ByRole,
            Name::Aws(name) if *name == principal.unique_id => match principal.kind {
                CallerKind::AssumedRole => Meant::ByRole,
                _ => Meant::ByName,
            },
            Name::Service(name) => by(Meant::ByName, principal.kind == CallerKind::Service && *name == principal.arn),
            Name::Aws(_) | Name::Other => Meant::No,
        }
    }
}

/// An account (twelve digits or its root's ARN), the ARN of somebody in IAM or STS, or a unique id.
fn aws_name(value: &str) -> Option<Name> {
    if AccountId::parse(value).is_some() {
        return Some(Name::Account(value.to_owned()));
    }
    if let Some(arn) = Arn::parse(value) {
        let known =
            matches!(arn.service.as_str(), "iam" | "sts") && arn.region.is_empty() && !value.contains(['*', '?']);
        AccountId::parse(&arn.account).filter(|_| known)?;
        let root = arn.service == "iam" && arn.resource == "root";
        return Some(if root { Name::Account(arn.account) } else { Name::Aws(value.to_owned()) });
    }
    let unique_id =
        (16..=128).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    unique_id.then(|| Name::Aws(value.to_owned()))
}
