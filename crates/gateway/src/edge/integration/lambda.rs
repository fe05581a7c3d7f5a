//! Functions behind APIs: what names one, whether the API may run it, the run, and events that nobody waits for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base::{AccountId, Arn, Caller, CallerKind, Cx, Error, Timestamp};
use bytes::Bytes;
use cloud::ports::{AnswerStream, Answered, Call, Delivery, Undelivered};
use cloud::{BoxFuture, Desk};

use super::Failure;
use crate::Gateway;

/// Who API Gateway is to functions' policies.
const PRINCIPAL: &str = "apigateway.amazonaws.com";

/// How API Gateway's sessions of roles are called, as callees see them.
pub(crate) const ROLE_SESSION: &str = "BackplaneAssumeRoleSession";

/// How long a permission is remembered. What is taken back ends within this time (AWS: within seconds as well); a refusal is
/// remembered not at all, since whoever adds a permission tries at once.
const PERMIT_KEPT_MS: i64 = 1_000;

/// Permissions remembered; a full memory is emptied.
const PERMITS_MAX: usize = 10_000;

/// A function that an API has run.
#[derive(Clone, Debug)]
pub(crate) struct FunctionCall<'a> {
    /// The function, with a version or alias if one is meant.
    pub(crate) function: &'a Arn,
    /// The method, route or authorizer on whose behalf: what the function's policy calls `aws:SourceArn`.
    pub(crate) source_arn: &'a str,
    /// The role whose permissions count, instead of the function's policy.
    pub(crate) role: Option<&'a str>,
    /// The event.
    pub(crate) payload: Bytes,
    /// The trace header that the call belongs to.
    pub(crate) trace_id: Option<String>,
    /// How long the answer may take.
    pub(crate) timeout: Duration,
}

impl From<FunctionCall<'_>> for Call {
    fn from(call: FunctionCall<'_>) -> Call {
        Call { function: call.function.clone(), payload: call.payload, trace_id: call.trace_id }
    }
}

/// Permissions of APIs to run functions, as they were a moment ago; a cache.
#[derive(Default)]
pub(crate) struct Permits(Mutex<HashMap<Permit, Timestamp>>);

#[derive(PartialEq, Eq, Hash)]
struct Permit {
    function: Arn,
    source_arn: String,
    role: Option<String>,
}

impl Permits {
    fn are_known(&self, permit: &Permit, now: Timestamp) -> bool {
        let permits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        permits.get(permit).is_some_and(|given| (0..PERMIT_KEPT_MS).contains(&(now.millis() - given.millis())))
    }

    fn remember(&self, permit: Permit, now: Timestamp) {
        let mut permits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if permits.len() >= PERMITS_MAX {
            permits.clear();
        }
        permits.insert(permit, now);
    }
}

/// The header by which an integration says whether anybody waits for a function's answer: `Event` if nobody does.
pub(crate) const INVOCATION_TYPE: &str = "x-amz-invocation-type";

/// What ends an address by which a function's answer is streamed.
pub(crate) const STREAMING: &str = "/response-streaming-invocations";

/// The function that an integration's or authorizer's URI names:
/// `arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations`, or, in API Gateway's second version, its ARN alone.
pub(crate) fn function_of(uri: &str) -> Option<Arn> {
    let arn = match Arn::parse(uri)? {
        arn if arn.service == "apigateway" && arn.account == "lambda" => {
            let path = arn.resource.strip_prefix("path/")?;
            let (_version, path) = path.trim_start_matches('/').split_once("/functions/")?;
            Arn::parse(path.strip_suffix("/invocations").or_else(|| path.strip_suffix(STREAMING))?)?
        }
        arn => arn,
    };
    (arn.service == "lambda" && arn.resource.starts_with("function:")).then_some(arn)
}

impl Gateway {
    /// Runs a function for an API, if the API may, and waits for its answer. A failure of the function is an answer, too.
    /// Without a desk nobody is asked whether it may: that is for tests of the control plane.
    pub(crate) async fn call_function(
        &self,
        desk: impl Into<Option<&Desk>>,
        cx: &Cx,
        call: FunctionCall<'_>,
    ) -> Result<Answered, Failure> {
        if let Some(desk) = desk.into() {
            self.may_call(desk, cx, &call).await?;
        }
        let timeout = call.timeout;
        within(timeout, self.ports.functions.invoke(call.into())).await
    }

    /// The same, but the answer is handed on while it is written. Its end is the caller's to watch.
    pub(crate) async fn stream_function(
        &self,
        desk: Option<&Desk>,
        cx: &Cx,
        call: FunctionCall<'_>,
    ) -> Result<AnswerStream, Failure> {
        if let Some(desk) = desk {
            self.may_call(desk, cx, &call).await?;
        }
        let timeout = call.timeout;
        within(timeout, self.ports.functions.stream(call.into())).await
    }

    /// Gives a function an event, if the API may. It is durable when this returns, and runs when it runs: what AWS does where
    /// an integration says so ([`INVOCATION_TYPE`]).
    pub(crate) async fn send_event(
        &self,
        desk: impl Into<Option<&Desk>>,
        cx: &Cx,
        call: FunctionCall<'_>,
    ) -> Result<(), Failure> {
        if let Some(desk) = desk.into() {
            self.may_call(desk, cx, &call).await?;
        }
        let source = Arn::parse(call.source_arn);
        let source = source.ok_or_else(|| Failure::Internal(format!("{} is no ARN", call.source_arn)))?;
        let functions = self.ports.targets.find("lambda");
        let functions = functions.ok_or_else(|| Failure::Internal("nobody takes events for functions".to_owned()))?;
        let delivery = Delivery {
            id: base::id::uuid(),
            source,
            role: call.role.unwrap_or_default().to_owned(),
            target: call.function.clone(),
            payload: call.payload,
            attributes: Vec::new(),
            detail_type: "",
            object_key: String::new(),
            trace_id: call.trace_id,
        };
        functions.deliver(&delivery).await.map_err(|error| match error {
            Undelivered::Refused(why) => Failure::Configuration(why),
            Undelivered::Later(why) => Failure::Internal(why),
        })
    }

    /// Whether the API may run a function: by the function's policy, or by those of the integration's role.
    async fn may_call(&self, desk: &Desk, cx: &Cx, call: &FunctionCall<'_>) -> Result<(), Failure> {
        let permit = Permit {
            function: call.function.clone(),
            source_arn: call.source_arn.to_owned(),
            role: call.role.map(str::to_owned),
        };
        let now = cx.now();
        if self.permits.are_known(&permit, now) {
            return Ok(());
        }
        let caller = match call.role {
            None => service(cx.account),
            Some(role) => session(role).ok_or_else(|| Failure::Configuration("Invalid credentials".to_owned()))?,
        };
        let cx = Cx { caller, ..cx.clone() };
        let keys = [("aws:SourceArn", call.source_arn), ("aws:SourceAccount", cx.account.as_str())];
        // A role's permissions count as if it asked itself: on nobody's behalf.
        let keys = if call.role.is_none() { &keys[..] } else { &[] };
        let permitted = desk.permit(&cx, "lambda", "InvokeFunction", call.function, keys).await;
        permitted.map_err(|error| Failure::Forbidden(error.message))?;
        self.permits.remember(permit, now);
        Ok(())
    }
}

async fn within<T>(timeout: Duration, run: BoxFuture<'_, Result<T, Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(timeout, run).await {
        Err(_) => Err(Failure::Timeout(timeout)),
        Ok(outcome) => outcome.map_err(Failure::of_lambda),
    }
}

impl Failure {
    /// What Lambda says of a call that it does not run.
    pub(crate) fn of_lambda(error: Error) -> Failure {
        match error.status {
            404 => Failure::Configuration(error.message),
            413 => Failure::TooLarge(error.message),
            429 => Failure::Throttled(error.message),
            400..500 => Failure::Configuration(error.message),
            _ => Failure::Internal(error.message),
        }
    }
}

/// API Gateway itself as a caller, for one account's sake.
pub(crate) fn service(account: AccountId) -> Caller {
    Caller { account, arn: PRINCIPAL.into(), user_id: PRINCIPAL.into(), kind: CallerKind::Service, access_key_id: None }
}

/// A session of the role that an integration names.
pub(crate) fn session(role: &str) -> Option<Caller> {
    let arn = Arn::parse(role).filter(|arn| arn.service == "iam")?;
    let name = arn.resource.strip_prefix("role/")?.rsplit('/').next()?;
    let (partition, account) = (&arn.partition, AccountId::parse(&arn.account)?);
    Some(Caller {
        account,
        arn: format!("arn:{partition}:sts::{account}:assumed-role/{name}/{ROLE_SESSION}").into(),
        user_id: format!("{name}:{ROLE_SESSION}").into(),
        kind: CallerKind::AssumedRole,
        access_key_id: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_functions() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:live";
        for uri in [
            arn.to_owned(),
            format!("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{arn}/invocations"),
            format!("arn:aws:apigateway:eu-west-1:lambda:path//2015-03-31/functions/{arn}/invocations"),
            format!(
                "arn:aws:apigateway:eu-west-1:lambda:path/2021-11-15/functions/{arn}/response-streaming-invocations"
            ),
        ] {
            assert_eq!(function_of(&uri).map(|arn| arn.to_string()).as_deref(), Some(arn), "{uri}");
        }
        for uri in [
            "",
            "http://example.com",
            "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/f/invocations",
            "arn:aws:apigateway:eu-west-1:lambda:action/Invoke",
            "arn:aws:apigateway:eu-west-1:sqs:path/123456789012/q",
            "arn:aws:lambda:eu-west-1:123456789012:layer:l",
        ] {
            assert_eq!(function_of(uri), None, "{uri}");
        }
    }

    #[test]
    fn roles_have_sessions() {
        let caller = session("arn:aws:iam::123456789012:role/path/to/r").unwrap();
        assert_eq!(&*caller.arn, "arn:aws:sts::123456789012:assumed-role/r/BackplaneAssumeRoleSession");
        for role in ["", "arn:aws:iam::123456789012:user/u", "arn:aws:iam::1:role/r", "arn:aws:iam::*:user/*"] {
            assert_eq!(session(role), None, "{role}");
        }
    }
}
