//! Lambda authorizers: a function that says by an IAM policy, or (in API Gateway's second version) by yes or no, whether a caller may
//! do what it asks for. Its answers are kept for as long as the authorizer says; a policy is weighed anew for each request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base::{AccountId, Caller, CallerKind, Timestamp};
use policy::{Attached, Decision, Kind, Policies, Policy, Principal};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Answers kept, all authorizers together; beyond them those that are over go, and if there are none of those, all.
const KEPT_MAX: usize = 10_000;

/// The largest answer that is kept, in bytes: AWS's policies end at 8,192 characters.
const POLICY_BYTES_MAX: usize = 8_192;

/// What an authorizer's function said.
#[derive(Debug)]
pub(crate) struct Verdict {
    ruling: Ruling,
    /// What goes into `$context.authorizer`, its principal included.
    pub(crate) context: Arc<Map<String, Value>>,
    /// The API key that the caller is counted by.
    pub(crate) usage_key: Option<String>,
}

#[derive(Debug)]
enum Ruling {
    Simple(bool),
    Policy(Box<Policy>),
}

/// Whether a caller may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum May {
    Yes,
    /// Nothing allows it.
    No,
    /// Something denies it.
    Never,
}

/// What the function said is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    principal_id: Option<Value>,
    policy_document: Option<Value>,
    is_authorized: Option<bool>,
    context: Option<Map<String, Value>>,
    usage_identifier_key: Option<String>,
}

impl Verdict {
    /// Reads an answer with a policy. Values of its context become texts, as in REST APIs, if `as_texts`.
    pub(crate) fn of_policy(payload: &[u8], as_texts: bool) -> Result<Verdict, Malformed> {
        let said: Said = serde_json::from_slice(payload).map_err(|error| Malformed(error.to_string()))?;
        let document = said.policy_document.ok_or_else(|| Malformed("there is no policyDocument".to_owned()))?;
        let principal = match said.principal_id {
            Some(Value::String(id)) if !id.is_empty() => id,
            Some(Value::Number(id)) => id.to_string(),
            _ => return Err(Malformed("there is no principalId".to_owned())),
        };
        let ruling = ruling(document)?;
        let mut context = context(said.context, as_texts)?;
        context.insert("principalId".to_owned(), principal.into());
        Ok(Verdict { ruling, context: Arc::new(context), usage_key: said.usage_identifier_key })
    }

    /// Reads an answer of yes or no.
    pub(crate) fn of_simple(payload: &[u8]) -> Result<Verdict, Malformed> {
        let said: Said = serde_json::from_slice(payload).map_err(|error| Malformed(error.to_string()))?;
        let yes = said.is_authorized.ok_or_else(|| Malformed("there is no isAuthorized".to_owned()))?;
        let context = said.context.unwrap_or_default();
        Ok(Verdict { ruling: Ruling::Simple(yes), context: Arc::new(context), usage_key: None })
    }

    /// Whether the caller may invoke this method or route, by its ARN.
    pub(crate) fn may(&self, account: AccountId, arn: &str, context: &policy::Context) -> May {
        let policy = match &self.ruling {
            Ruling::Simple(true) => return May::Yes,
            Ruling::Simple(false) => return May::No,
            Ruling::Policy(policy) => policy,
        };
        // Whoever it is, the policy is its own.
        let caller = Caller { kind: CallerKind::User, ..Caller::root(account) };
        let principal = Principal::of(&caller);
        let request = policy::Request {
            principal: &principal,
            action: "execute-api:Invoke",
            resource: arn,
            resource_account: account,
            context,
        };
        let identity = [Attached { name: "authorizer", policy }];
        match policy::evaluate(&request, &Policies { identity: &identity, ..Policies::default() }) {
            Decision::Allow { .. } => May::Yes,
            Decision::ImplicitDeny { .. } => May::No,
            Decision::ExplicitDeny { .. } => May::Never,
        }
    }
}

/// Reads a policy, written out or as a text of its own. Statements about no resource (`"Resource": []`, by which AWS's Chalice says
/// no to everything) give and take nothing, where IAM itself would refuse them.
fn ruling(document: Value) -> Result<Ruling, Malformed> {
    let malformed = |error: &dyn std::fmt::Display| Malformed(error.to_string());
    let mut document = match document {
        Value::String(text) if text.len() <= POLICY_BYTES_MAX => {
            serde_json::from_str(&text).map_err(|error| malformed(&error))?
        }
        other => other,
    };
    if let Some(Value::Array(statements)) = document.get_mut("Statement") {
        let before = statements.len();
        statements.retain(|statement| statement["Resource"] != Value::Array(Vec::new()));
        if statements.is_empty() && before > 0 {
            return Ok(Ruling::Simple(false));
        }
    }
    let document = document.to_string();
    if document.len() > POLICY_BYTES_MAX {
        return Err(Malformed(format!("the policy is longer than {POLICY_BYTES_MAX} bytes")));
    }
    let policy = Policy::parse(&document, Kind::Identity).map_err(|error| malformed(&error))?;
    Ok(Ruling::Policy(Box::new(policy)))
}

/// What the function adds. Where values become texts, AWS takes no objects and lists; HTTP APIs hand them on.
fn context(said: Option<Map<String, Value>>, as_texts: bool) -> Result<Map<String, Value>, Malformed> {
    let mut context = said.unwrap_or_default();
    for (name, value) in &mut context {
        match value {
            Value::Array(_) | Value::Object(_) if as_texts => {
                return Err(Malformed(format!("the context's {name} is neither text nor number nor truth value")));
            }
            Value::Number(_) | Value::Bool(_) if as_texts => *value = value.to_string().into(),
            _ => {}
        }
    }
    Ok(context)
}

/// Answers at hand, by who was asked and for whom; a cache.
#[derive(Default)]
pub(crate) struct Verdicts(Mutex<HashMap<Question, (Timestamp, Arc<Verdict>)>>);

/// Who was asked for whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// The API.
    pub(crate) api_id: String,
    /// The stage, its authorizer, and how often its answers have been flushed.
    pub(crate) asked: String,
    /// The values of its identity sources.
    pub(crate) identity: Vec<String>,
}

impl Verdicts {
    /// The answer at hand.
    pub(crate) fn find(&self, question: &Question, now: Timestamp) -> Option<Arc<Verdict>> {
        let verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.get(question).filter(|(until, _)| now < *until).map(|(_, verdict)| verdict.clone())
    }

    /// Keeps an answer.
    pub(crate) fn keep(&self, question: Question, verdict: Arc<Verdict>, now: Timestamp, ttl_secs: u32) {
        if ttl_secs == 0 {
            return;
        }
        let mut verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= KEPT_MAX {
            verdicts.retain(|_, (until, _)| now < *until);
        }
        if verdicts.len() >= KEPT_MAX {
            verdicts.clear();
        }
        verdicts.insert(question, (now.plus_millis(i64::from(ttl_secs) * 1000), verdict));
    }

    /// Forgets all answers about an API.
    pub(crate) fn forget(&self, api_id: &str) {
        let mut verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.retain(|question, _| question.api_id != api_id);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ACCOUNT: AccountId = AccountId::DEFAULT;

    fn answer(effect: &str, resource: &str) -> Vec<u8> {
        let statement = json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource});
        json!({
            "principalId": "me",
            "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "context": {"text": "x", "number": 1, "truth": true, "nothing": null},
            "usageIdentifierKey": "key",
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_policy_allows_and_denies() {
        let arn = "arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET/pets";
        for (effect, resource, may) in [
            ("Allow", arn, May::Yes),
            ("Allow", "*", May::Yes),
            ("Allow", "arn:aws:execute-api:*:*:abc/*/GET/*", May::Yes),
            ("Allow", "arn:aws:execute-api:us-east-1:000000000000:abc/prod/POST/*", May::No),
            ("Deny", "*", May::Never),
            ("Deny", "arn:aws:execute-api:us-east-1:000000000000:other/*", May::No),
        ] {
            let verdict = Verdict::of_policy(&answer(effect, resource), true).unwrap();
            assert_eq!(verdict.may(ACCOUNT, arn, &policy::Context::new()), may, "{effect} {resource}");
        }
    }

    #[test]
    fn statements_about_nothing_allow_nothing() {
        let arn = "arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET/pets";
        let nothing = json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": []});
        let all = json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"});
        for (statements, may) in [(json!([nothing]), May::No), (json!([nothing, all]), May::Yes)] {
            let policy = json!({"Version": "2012-10-17", "Statement": statements});
            for document in [policy.clone(), Value::String(policy.to_string())] {
                let said = json!({"principalId": "me", "policyDocument": document}).to_string();
                let verdict = Verdict::of_policy(said.as_bytes(), true).unwrap();
                assert_eq!(verdict.may(ACCOUNT, arn, &policy::Context::new()), may, "{said}");
            }
        }
    }

    #[test]
    fn contexts_are_flat() {
        let verdict = Verdict::of_policy(&answer("Allow", "*"), true).unwrap();
        let expected = json!({"text": "x", "number": "1", "truth": "true", "nothing": null, "principalId": "me"});
        assert_eq!(Value::from((*verdict.context).clone()), expected);
        assert_eq!(verdict.usage_key.as_deref(), Some("key"));
        let verdict = Verdict::of_policy(&answer("Allow", "*"), false).unwrap();
        assert_eq!((&verdict.context["number"], &verdict.context["truth"]), (&json!(1), &json!(true)));
        let simple = Verdict::of_simple(br#"{"isAuthorized": true, "context": {"a": [1]}}"#).unwrap();
        assert_eq!(simple.may(ACCOUNT, "any", &policy::Context::new()), May::Yes);
        assert_eq!(Value::from((*simple.context).clone()), json!({"a": [1]}));
    }

    #[test]
    fn all_else_is_no_answer() {
        let policy = json!({"Version": "2012-10-17", "Statement": []});
        for said in [
            json!(null),
            json!("Allow"),
            json!({}),
            json!({"principalId": "me"}),
            json!({"principalId": "me", "policyDocument": {}}),
            json!({"principalId": "me", "policyDocument": policy}),
            json!({"principalId": "", "policyDocument": {"Version": "2012-10-17"}}),
        ] {
            assert!(Verdict::of_policy(said.to_string().as_bytes(), true).is_err(), "{said}");
        }
        let mut nested: Value = serde_json::from_slice(&answer("Allow", "*")).unwrap();
        nested["context"] = json!({"a": {"b": 1}});
        assert!(Verdict::of_policy(nested.to_string().as_bytes(), true).is_err());
        assert!(Verdict::of_policy(nested.to_string().as_bytes(), false).is_ok());
        assert!(Verdict::of_simple(b"{}").is_err());
    }

    #[test]
    fn answers_are_kept_for_their_time() {
        let (verdicts, now) = (Verdicts::default(), Timestamp::from_secs(100));
        let question = |identity: &str| Question {
            api_id: "abc".to_owned(),
            asked: "prod/1/0".to_owned(),
            identity: vec![identity.to_owned()],
        };
        let verdict = Arc::new(Verdict::of_policy(&answer("Allow", "*"), true).unwrap());
        verdicts.keep(question("a"), verdict.clone(), now, 10);
        verdicts.keep(question("b"), verdict, now, 0);
        assert!(verdicts.find(&question("a"), now.plus_millis(9_999)).is_some());
        assert!(verdicts.find(&question("a"), now.plus_millis(10_000)).is_none());
        assert!(verdicts.find(&question("b"), now).is_none());
        verdicts.forget("abc");
        assert!(verdicts.find(&question("a"), now).is_none());
    }
}
