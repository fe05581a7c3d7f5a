//! Policy documents: what may stand in them, read strictly. A document that is accepted can be evaluated.

use base::CallerKind;

use crate::condition::Condition;
use crate::context::Context;
use crate::json::Json;
use crate::pattern::{Pattern, Reading};
use crate::principal::{Meant, Principal, Principals};

/// The longest text of any policy document: 131,072 characters in IAM's API.
pub const TEXT_MAX_BYTES: usize = 131_072;

/// The length that counts against IAM's size limits: all but white space.
///
/// The limits are the services': managed policies 6,144, inline policies of a user 2,048, a group 5,120, a role 10,240,
/// trust policies 2,048 (by default), Lambda's resource policies 20,480, S3's bucket policies 20,480.
pub fn counted_length(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

/// What a document is for, which decides what must and must not stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Attached to a user, group or role; also boundaries and session policies. No principal.
    Identity,
    /// Attached to a resource: principal and resource are required.
    Resource,
    /// A role's trust policy: a principal, and no resource, as that is the role.
    Trust,
}

/// Whether a statement gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Gives.
    Allow,
    /// Takes, whatever others give.
    Deny,
}

/// A policy document that can be evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The document's `Id`.
    pub id: Option<String>,
    /// In the document's order; at least one.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its name, unique in the document.
    pub sid: Option<String>,
    /// Gives or takes.
    pub effect: Effect,
    principals: Option<Principals>,
    actions: OneOf,
    resources: Option<OneOf>,
    conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq)]
struct OneOf {
    negated: bool,
    patterns: Vec<Pattern>,
}

/// Why a document is refused, in IAM's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// All that IAM has no better words for; `detail` is ours and says where.
    #[error("Syntax errors in policy.")]
    Syntax {
        /// Where and what, for people.
        detail: String,
    },
    /// Longer than [`TEXT_MAX_BYTES`].
    #[error("Policy document is longer than {TEXT_MAX_BYTES} characters.")]
    TooLong,
    /// `Version` is neither 2012-10-17 nor 2008-10-17.
    #[error("Policy document must be version 2012-10-17 or greater.")]
    Version,
    /// An element that must be there.
    #[error("Missing required field {0}")]
    Missing(&'static str),
    /// An element that must not be there.
    #[error("Has prohibited field {0}")]
    Prohibited(&'static str),
    /// A principal in an identity policy.
    #[error("Policy document should not specify a principal.")]
    PrincipalInIdentity,
    /// No action at all.
    #[error("Policy statement must contain actions.")]
    NoActions,
    /// No resource at all.
    #[error("Policy statement must contain resources.")]
    NoResources,
    /// An action without its service.
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    Vendor {
        /// The action or key.
        given: String,
    },
    /// A resource that is no ARN.
    #[error("Resource {given} must be in ARN format or \"*\".")]
    ResourceFormat {
        /// As sent.
        given: String,
    },
    /// Two statements of one name.
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    SidRepeated,
    /// A name with other than letters and digits.
    #[error(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
    )]
    SidCharacters,
    /// Nobody can be meant by that.
    #[error("Invalid principal in policy: {given}")]
    Principal {
        /// As sent.
        given: String,
    },
}

impl Malformed {
    /// IAM's `MalformedPolicyDocument`, 400. Other services have names of their own for it.
    pub fn to_error(&self) -> base::Error {
        base::Error::new(400, "MalformedPolicyDocument", self.to_string())
    }
}

fn syntax(detail: impl Into<String>) -> Malformed {
    Malformed::Syntax { detail: detail.into() }
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// The first thing wrong with it, in IAM's words.
    pub fn parse(text: &str, kind: Kind) -> Result<Policy, Malformed> {
        if text.len() > TEXT_MAX_BYTES {
            return Err(Malformed::TooLong);
        }
        let tree: Json = serde_json::from_str(text).map_err(|e| syntax(e.to_string()))?;
        let mut members = Members::of(tree, "document")?;
        let variables = match members.string("Version")?.as_deref() {
            Some("2012-10-17") => true,
            // No version means the older one, in which `${` is nothing special.
            Some("2008-10-17") | None => false,
            Some(_) => return Err(Malformed::Version),
        };
        let id = members.string("Id")?;
        let statements = match members.take("Statement") {
            Some(Json::Array(statements)) => statements,
            Some(one @ Json::Object(_)) => vec![one],
            Some(_) => return Err(syntax("Statement is neither object nor list")),
            None => return Err(syntax("Statement is missing")),
        };
        members.nothing_left()?;
        if statements.is_empty() {
            return Err(syntax("Statement is empty"));
        }
        let statements: Vec<_> =
            statements.into_iter().map(|s| Statement::parse(s, kind, variables)).collect::<Result<_, _>>()?;
        check_sids(&statements)?;
        Ok(Policy { id, statements })
    }
}

fn check_sids(statements: &[Statement]) -> Result<(), Malformed> {
    let mut sids: Vec<&str> = statements.iter().filter_map(|s| s.sid.as_deref()).filter(|s| !s.is_empty()).collect();
    sids.sort_unstable();
    if sids.windows(2).any(|pair| pair[0] == pair[1]) { Err(Malformed::SidRepeated) } else { Ok(()) }
}

impl Statement {
    fn parse(tree: Json, kind: Kind, variables: bool) -> Result<Statement, Malformed> {
        let mut members = Members::of(tree, "Statement")?;
        let sid = members.string("Sid")?;
        // Resource policies of many services allow spaces and more in their names; IAM does not.
        let plain = |s: &String| s.bytes().all(|b| b.is_ascii_alphanumeric());
        if kind != Kind::Resource && !sid.as_ref().is_none_or(plain) {
            return Err(Malformed::SidCharacters);
        }
        let effect = match members.string("Effect")?.as_deref() {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            Some(other) => return Err(syntax(format!("Effect is '{other}'"))),
            None => return Err(Malformed::Missing("Effect")),
        };
        let principals = read_principals(&mut members, kind)?;
        let actions = read_actions(&mut members)?;
        let resources = read_resources(&mut members, kind, variables)?;
        let conditions = read_conditions(members.take("Condition"), variables)?;
        members.nothing_left()?;
        Ok(Statement { sid, effect, principals, actions, resources, conditions })
    }

    /// How exactly the statement means this principal, if it speaks of this action, resource and context at all.
    /// Statements without principals mean whomever they are attached to.
    pub(crate) fn applies(&self, principal: &Principal, action: &str, resource: &str, context: &Context) -> Meant {
        let meant = self.principals.as_ref().map_or(Meant::ByName, |p| p.meant(principal));
        let applies = meant != Meant::No
            && self.actions.speaks_of(&action.to_ascii_lowercase(), context)
            && self.resources.as_ref().is_none_or(|r| r.speaks_of(resource, context))
            && self.conditions.iter().all(|c| c.holds(context));
        // Naming a user's or root's own ARN is naming it; anybody who is no role session is as good as named by `*`.
        match meant {
            _ if !applies => Meant::No,
            Meant::ByRole if principal.kind != CallerKind::AssumedRole => Meant::ByName,
            meant => meant,
        }
    }
}

impl OneOf {
    /// A pattern whose variable has no value fails the whole statement, negated or not.
    fn speaks_of(&self, text: &str, context: &Context) -> bool {
        let resolved: Option<Vec<_>> = self.patterns.iter().map(|p| p.resolve(context)).collect();
        match resolved {
            Some(patterns) => patterns.iter().any(|p| p.matches(text)) != self.negated,
            // Some other pattern may still match as it stands.
            None if !self.negated => self.patterns.iter().filter_map(|p| p.resolve(context)).any(|p| p.matches(text)),
            None => false,
        }
    }
}

fn read_principals(members: &mut Members, kind: Kind) -> Result<Option<Principals>, Malformed> {
    let Some((json, negated)) = members.either("Principal", "NotPrincipal")? else {
        return if kind == Kind::Identity { Ok(None) } else { Err(Malformed::Missing("Principal")) };
    };
    if kind == Kind::Identity {
        return Err(Malformed::PrincipalInIdentity);
    }
    let principals = Principals::parse(&json, negated).map_err(|given| Malformed::Principal { given })?;
    Ok(Some(principals))
}

fn read_actions(members: &mut Members) -> Result<OneOf, Malformed> {
    let (json, negated) = members.either("Action", "NotAction")?.ok_or(Malformed::NoActions)?;
    let actions = strings(json).filter(|a| !a.is_empty()).ok_or(Malformed::NoActions)?;
    let mut patterns = Vec::with_capacity(actions.len());
    for action in actions {
        check_vendor(&action)?;
        // Actions have wildcards but never variables, and their case does not matter.
        let reading = Reading { wildcards: true, variables: false };
        let pattern = Pattern::parse(&action.to_ascii_lowercase(), reading);
        patterns.push(pattern.ok_or_else(|| syntax("Action"))?);
    }
    Ok(OneOf { negated, patterns })
}

fn check_vendor(text: &str) -> Result<(), Malformed> {
    let vendor = |v: &str| v == "*" || (!v.is_empty() && v.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    let whole = text == "*" || text.split_once(':').is_some_and(|(v, rest)| vendor(v) && !rest.is_empty());
    if whole { Ok(()) } else { Err(Malformed::Vendor { given: text.to_owned() }) }
}

fn read_resources(members: &mut Members, kind: Kind, variables: bool) -> Result<Option<OneOf>, Malformed> {
    let Some((json, negated)) = members.either("Resource", "NotResource")? else {
        return if kind == Kind::Trust { Ok(None) } else { Err(Malformed::NoResources) };
    };
    if kind == Kind::Trust {
        return Err(Malformed::Prohibited("Resource"));
    }
    let resources = strings(json).filter(|r| !r.is_empty()).ok_or(Malformed::NoResources)?;
    let mut patterns = Vec::with_capacity(resources.len());
    for resource in resources {
        let arn = resource.starts_with("arn:") && resource.matches(':').count() >= 5;
        // `arn:aws:s3*` and the like: a wildcard may stand for the colons that are not there.
        let wild = resource.starts_with("arn:") && resource.contains('*');
        if resource != "*" && !arn && !wild {
            return Err(Malformed::ResourceFormat { given: resource });
        }
        let pattern = Pattern::parse(&resource, Reading { wildcards: true, variables });
        patterns.push(pattern.ok_or_else(|| syntax(format!("Resource '{resource}'")))?);
    }
    Ok(Some(OneOf { negated, patterns }))
}

fn read_conditions(json: Option<Json>, variables: bool) -> Result<Vec<Condition>, Malformed> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let mut conditions = Vec::new();
    for (operator, keys) in Members::of(json, "Condition")?.0 {
        for (key, values) in Members::of(keys, &operator)?.0 {
            check_vendor(&key).map_err(|_| Malformed::Vendor { given: key.clone() })?;
            let values = scalars(values).ok_or_else(|| syntax(format!("Condition {operator} {key}")))?;
            let condition = Condition::parse(&operator, &key, &values, variables);
            conditions.push(condition.ok_or_else(|| syntax(format!("Condition {operator} {key}")))?);
        }
    }
    Ok(conditions)
}

/// The members of an object, taken out one by one; whatever is left at the end is an error.
struct Members(Vec<(String, Json)>);

impl Members {
    fn of(json: Json, what: &str) -> Result<Members, Malformed> {
        let Json::Object(members) = json else {
            return Err(syntax(format!("{what} is not an object")));
        };
        for (at, (name, _)) in members.iter().enumerate() {
            if members[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(syntax(format!("{name} appears twice in {what}")));
            }
        }
        Ok(Members(members))
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn string(&mut self, name: &str) -> Result<Option<String>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(syntax(format!("{name} is not a string"))),
        }
    }

    /// One of two elements that exclude each other; the flag says that it is the second.
    fn either(&mut self, plain: &str, negated: &str) -> Result<Option<(Json, bool)>, Malformed> {
        match (self.take(plain), self.take(negated)) {
            (Some(_), Some(_)) => Err(syntax(format!("{plain} and {negated} in one statement"))),
            (Some(json), None) => Ok(Some((json, false))),
            (None, Some(json)) => Ok(Some((json, true))),
            (None, None) => Ok(None),
        }
    }

    fn nothing_left(&self) -> Result<(), Malformed> {
        self.0.first().map_or(Ok(()), |(name, _)| Err(syntax(format!("unknown element {name}"))))
    }
}

/// A string or a list of strings.
fn strings(json: Json) -> Option<Vec<String>> {
    match json {
        Json::String(one) => Some(vec![one]),
        Json::Array(many) => many.into_iter().map(|j| if let Json::String(s) = j { Some(s) } else { None }).collect(),
        _ => None,
    }
}

/// A string, number or boolean, or a list of them, as strings.
fn scalars(json: Json) -> Option<Vec<String>> {
    match json {
        Json::String(text) | Json::Number(text) => Some(vec![text]),
        Json::Bool(value) => Some(vec![value.to_string()]),
        Json::Array(many) => {
            let lists: Option<Vec<_>> = many.into_iter().map(|j| scalars(j).filter(|l| l.len() == 1)).collect();
            lists.map(|l| l.concat())
        }
        Json::Null | Json::Object(_) => None,
    }
}
