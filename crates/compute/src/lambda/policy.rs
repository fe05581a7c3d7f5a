//! A function's resource policy: who else may use it.
//!
//! Kept as statements, each the JSON it was given as, and shown as the document that IAM evaluates. AddPermission writes
//! one statement, PutResourcePolicy all of them.

use std::collections::BTreeMap;

use base::{AccountId, Arn, Error};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::{conflict, invalid, not_found};

/// AWS's limit of one policy, in bytes.
pub(crate) const POLICY_BYTES_MAX: usize = 20_480;

/// The statements of one policy, in the order they were added.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    #[serde(default = "version")]
    version: String,
    #[serde(default = "id")]
    id: Option<String>,
    statements: Vec<Box<RawValue>>,
}

/// One statement, its members in AWS's order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement {
    pub(crate) sid: String,
    pub(crate) effect: Effect,
    pub(crate) principal: Principal,
    pub(crate) action: String,
    pub(crate) resource: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) condition: BTreeMap<String, BTreeMap<String, String>>,
}

/// Resource policies of functions only allow.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Effect {
    Allow,
}

/// Who is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Principal {
    /// `*`.
    Anyone(String),
    /// An AWS service.
    Service {
        #[serde(rename = "Service")]
        service: String,
    },
    /// An account, user or role.
    Aws {
        #[serde(rename = "AWS")]
        arn: String,
    },
}

/// A policy document: as it is given, with one statement or a list of them, and as it is shown.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document<T> {
    #[serde(default = "version")]
    version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    statement: T,
}

/// What AddPermission's policies say.
fn version() -> String {
    "2012-10-17".to_owned()
}

/// What AddPermission's policies are called.
fn id() -> Option<String> {
    Some("default".to_owned())
}

/// A statement's id, if it has one.
fn sid(statement: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "Sid")]
        sid: Option<String>,
    }
    serde_json::from_str::<Named>(statement.get()).ok()?.sid
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { version: version(), id: id(), statements: Vec::new() }
    }
}

impl Policy {
    /// Reads a whole document, which must be one that can be evaluated and must speak of `resource` alone.
    pub(crate) fn parse(text: &str, resource: &Arn) -> Result<Policy, Error> {
        ::policy::Policy::parse(text, ::policy::Kind::Resource).map_err(|malformed| invalid(malformed.to_string()))?;
        let unreadable = |_| invalid("Syntax errors in policy.");
        let whole: Document<Box<RawValue>> = serde_json::from_str(text).map_err(unreadable)?;
        let one_or_all = whole.statement.get();
        let statements = match one_or_all.starts_with('[') {
            true => serde_json::from_str(one_or_all).map_err(unreadable)?,
            false => vec![whole.statement],
        };
        let policy = Policy { version: whole.version, id: whole.id, statements };
        policy.check_resources(&resource.to_string())?;
        policy.check_size()?;
        Ok(policy)
    }

    /// AWS attaches no policy to one resource that speaks of another.
    fn check_resources(&self, own: &str) -> Result<(), Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Resources {
            One(String),
            Many(Vec<String>),
        }
        #[derive(Deserialize)]
        struct About {
            #[serde(rename = "Resource")]
            resource: Option<Resources>,
        }
        for statement in &self.statements {
            let about = serde_json::from_str::<About>(statement.get()).ok().and_then(|about| about.resource);
            let is_own = match about {
                Some(Resources::One(resource)) => resource == own,
                Some(Resources::Many(resources)) => resources.iter().all(|resource| resource == own),
                None => false,
            };
            if !is_own {
                return Err(invalid(format!("The resource of each statement in the policy must be {own}.")));
            }
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), Error> {
        let bytes = self.document().len();
        if bytes > POLICY_BYTES_MAX {
            let message = format!("The final policy size ({bytes}) is bigger than the limit ({POLICY_BYTES_MAX}).");
            return Err(Error::new(400, "PolicyLengthExceededException", message).with("Type", "User"));
        }
        Ok(())
    }

    /// Adds a statement under a new id.
    pub(crate) fn add(&mut self, statement: &Statement) -> Result<(), Error> {
        if self.position(&statement.sid).is_some() {
            let sid = &statement.sid;
            return Err(conflict(format!(
                "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement."
            )));
        }
        let added = serde_json::value::to_raw_value(statement).map_err(|error| invalid(error.to_string()))?;
        self.statements.push(added);
        self.check_size()
    }

    /// Removes a statement.
    pub(crate) fn remove(&mut self, sid: &str) -> Result<(), Error> {
        let Some(at) = self.position(sid) else {
            return Err(not_found(format!("Statement {sid} is not found in resource policy.")));
        };
        self.statements.remove(at);
        Ok(())
    }

    fn position(&self, wanted: &str) -> Option<usize> {
        self.statements.iter().position(|statement| sid(statement).as_deref() == Some(wanted))
    }

    /// True if no statement is left: AWS then has no policy at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The policy as JSON.
    pub(crate) fn document(&self) -> String {
        let document = Document { version: self.version.clone(), id: self.id.clone(), statement: &self.statements };
        serde_json::to_string(&document).unwrap_or_default()
    }
}

impl Statement {
    /// The statement as JSON.
    pub(crate) fn document(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Adds a condition, if there is a value for it.
    pub(crate) fn when(mut self, operator: &str, key: &str, value: Option<impl Into<String>>) -> Statement {
        if let Some(value) = value {
            self.condition.entry(operator.to_owned()).or_default().insert(key.to_owned(), value.into());
        }
        self
    }
}

impl Principal {
    /// Reads a principal as AddPermission takes it: a service, an account, an IAM ARN or everybody.
    pub(crate) fn parse(text: &str, partition: &str) -> Result<Principal, Error> {
        if text == "*" {
            return Ok(Principal::Anyone(text.to_owned()));
        }
        // `alexa-appkit.amazon.com` is the one service outside of amazonaws.com.
        if text.ends_with(".amazonaws.com") || text.ends_with(".amazonaws.com.cn") || text.ends_with(".amazon.com") {
            return Ok(Principal::Service { service: text.to_owned() });
        }
        if AccountId::parse(text).is_some() {
            return Ok(Principal::Aws { arn: format!("arn:{partition}:iam::{text}:root") });
        }
        if Arn::parse(text).is_some_and(|arn| arn.service == "iam" || arn.service == "sts") {
            return Ok(Principal::Aws { arn: text.to_owned() });
        }
        Err(invalid("The provided principal was invalid. Please check the principal and try again."))
    }
}
