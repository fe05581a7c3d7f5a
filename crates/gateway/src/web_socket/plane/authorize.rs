//! Whether a client may have the connection that it asks for: by its signature, or as a function says.

use std::time::Duration;

use base::{Arn, Caller};
use bytes::Bytes;
use http::request::Parts;
use serde::Deserialize;

use super::event;
use super::stage::{Authorization, LiveAuthorizer};
use super::turn::{Refused, Turn};
use crate::edge::authorizer::{May, Verdict};
use crate::edge::integration::lambda::FunctionCall;

/// How long an authorizer may take; AWS's number.
const TIMEOUT: Duration = Duration::from_secs(29);

/// What a function that failed says.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    error_message: Option<String>,
}

impl Turn<'_> {
    /// Lets a client in, or refuses it.
    pub(super) async fn authorize(&mut self, authorization: &Authorization, head: &Parts) -> Result<(), Refused> {
        match authorization {
            Authorization::None => Ok(()),
            Authorization::Iam => self.authorize_signer(head).await,
            Authorization::Function(authorizer) => self.authorize_by_function(authorizer, head).await,
            Authorization::Broken(why) => Err(Refused::execution(500, why.clone())),
        }
    }

    /// Lets those in who have signed, and whom policies let invoke the route.
    async fn authorize_signer(&mut self, head: &Parts) -> Result<(), Refused> {
        let signer = self.desk.signer("execute-api", &self.stage.region, head, &Bytes::new(), &self.cx.origin).await;
        let signer = signer.map_err(|error| Refused::client(403, error.message))?;
        let caller = signer.ok_or_else(|| Refused::client(403, "Missing Authentication Token"))?;
        self.set_signer(&caller);
        self.cx.caller = caller;
        let arn = Arn::parse(&self.arn()).ok_or_else(Refused::forbidden)?;
        let permitted = self.desk.permit(&self.cx, "execute-api", "Invoke", &arn, &[]).await;
        permitted.map_err(|error| Refused::client(403, error.message))
    }

    /// Lets those in whom a function lets. What it says is not kept for others: for WebSocket APIs AWS does not, either.
    async fn authorize_by_function(&mut self, authorizer: &LiveAuthorizer, head: &Parts) -> Result<(), Refused> {
        let unauthorized = || Refused::client(401, "Unauthorized");
        let request_id = &self.request_id;
        self.log.info(|| format!("Starting authorizer: {} for request: {request_id}", authorizer.id));
        let is_there = |source: &String| self.parameter(source).is_some_and(|value| !value.is_empty());
        if !authorizer.identity_sources.iter().all(is_there) {
            return Err(unauthorized());
        }
        let arn = self.arn();
        let place = &self.stage.place;
        let (region, account) = (&self.stage.region, self.stage.account);
        let source_arn =
            format!("arn:aws:execute-api:{region}:{account}:{}/authorizers/{}", place.api_id, authorizer.id);
        let call = FunctionCall {
            function: &authorizer.function,
            source_arn: &source_arn,
            role: authorizer.role.as_deref(),
            payload: event::authorizer_event(self, head, &arn).into(),
            trace_id: self.trace_id.clone(),
            timeout: TIMEOUT,
        };
        let answered = self.gateway.call_function(self.desk, &self.cx, call).await;
        let answered = answered.map_err(|failure| Refused::execution(500, failure.to_string()))?;
        self.context.set("authorizer.requestId", answered.request_id);
        if answered.failed {
            let said = serde_json::from_slice::<Failure>(&answered.payload).unwrap_or_default();
            return Err(match said.error_message.as_deref() {
                // AWS's way for a function to say so.
                Some("Unauthorized") => unauthorized(),
                _ => Refused::execution(500, "the authorizer failed"),
            });
        }
        let verdict = Verdict::of_policy(&answered.payload, true);
        let verdict = verdict.map_err(|malformed| Refused::execution(500, malformed.to_string()))?;
        self.context.set_authorizer(verdict.context.clone());
        self.usage_key = verdict.usage_key.clone();
        match verdict.may(account, &arn, &policy::Context::of(&self.cx)) {
            May::Yes => {
                let principal = verdict.context.get("principalId").and_then(serde_json::Value::as_str);
                let principal = principal.unwrap_or_default();
                self.log.info(|| format!("Successfully completed authorizer execution. Principal: {principal}"));
                Ok(())
            }
            May::No => Err(Refused::client(403, "User is not authorized to access this resource")),
            May::Never => {
                Err(Refused::client(403, "User is not authorized to access this resource with an explicit deny"))
            }
        }
    }

    fn set_signer(&mut self, caller: &Caller) {
        let key = caller.access_key_id.as_deref().map(str::to_owned);
        self.context.set("identity.accountId", caller.account.to_string());
        self.context.set_some("identity.accessKey", key);
        for name in ["identity.caller", "identity.user"] {
            self.context.set(name, caller.user_id.to_string());
        }
        self.context.set("identity.userArn", caller.arn.to_string());
    }
}
