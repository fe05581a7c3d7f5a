//! A function's resource policy: who else may use it.
//!
//! Kept as statements and shown as the JSON document that IAM evaluates; nobody can write the document as a whole.

use std::collections::BTreeMap;

use base::{AccountId, Arn, Error};
use serde::{Deserialize, Serialize};

use super::error::{conflict, invalid, not_found};

/// AWS's limit of one policy, in bytes.
const POLICY_BYTES_MAX: usize = 20_480;

/// The statements of one policy, in the order they were added.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Policy {
    statements: Vec<Statement>,
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

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: &'static str,
    id: &'static str,
    statement: &'a [Statement],
}

impl Policy {
    /// Adds a statement under a new id.
    pub(crate) fn add(&mut self, statement: Statement) -> Result<(), Error> {
        if self.statements.iter().any(|other| other.sid == statement.sid) {
            let sid = &statement.sid;
            return Err(conflict(format!(
                "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement."
            )));
        }
        self.statements.push(statement);
        let bytes = self.document().len();
        if bytes > POLICY_BYTES_MAX {
            let message = format!("The final policy size ({bytes}) is bigger than the limit ({POLICY_BYTES_MAX}).");
            return Err(Error::new(400, "PolicyLengthExceededException", message).with("Type", "User"));
        }
        Ok(())
    }

    /// Removes a statement.
    pub(crate) fn remove(&mut self, sid: &str) -> Result<(), Error> {
        let Some(at) = self.statements.iter().position(|statement| statement.sid == sid) else {
            return Err(not_found(format!("Statement {sid} is not found in resource policy.")));
        };
        self.statements.remove(at);
        Ok(())
    }

    /// True if no statement is left: AWS then has no policy at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The policy as JSON.
    pub(crate) fn document(&self) -> String {
        let document = Document { version: "2012-10-17", id: "default", statement: &self.statements };
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
