//! Who may call a method: the API's resource policy, then the method's own authorization.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use base::{Caller, CallerKind, Error};
use bytes::Bytes;
use http::Request;
use regex::Regex;
use serde::Serialize;
use serde_json::{Map, Value};

use super::event;
use super::live::{Identify, LiveAuthorizer, LiveMethod};
use super::refusal::Refusal;
use super::{Visit, integrate};
use crate::edge::authorizer::{May, Question, Verdict};
use crate::edge::integration::Failure;
use crate::edge::integration::lambda::FunctionCall;
use crate::edge::jwt::{Refused, Trust};
use crate::rest::records::GatewayResponseType as Case;

/// How long an authorizer's function may take: AWS's 29 seconds for all integrations.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(29);

/// Lets a request in, or refuses it.
pub(super) async fn admit(visit: &mut Visit<'_>, method: &LiveMethod) -> Result<(), Refusal> {
    let by_iam = method.declared.authorization_type == "AWS_IAM";
    if by_iam {
        sign(visit).await?;
    }
    if by_iam || visit.serving.api.policy.is_some() {
        permit(visit).await?;
    }
    match method.declared.authorization_type.as_str() {
        "CUSTOM" | "COGNITO_USER_POOLS" => {}
        _ => return Ok(()),
    }
    let id = method.declared.authorizer_id.as_deref().unwrap_or_default();
    let Some(authorizer) = visit.serving.authorizers.get(id) else {
        visit.log.error(|| "Execution failed due to configuration error: No authorizer found".to_owned());
        return Err(configuration());
    };
    match authorizer {
        LiveAuthorizer::Function(_) => by_function(visit, id).await,
        LiveAuthorizer::Tokens(_) => {
            by_token(visit, id, method.declared.authorization_scopes.as_deref().unwrap_or_default()).await
        }
        LiveAuthorizer::Broken => {
            visit.log.error(|| "Execution failed due to configuration error: Invalid authorizer".to_owned());
            Err(configuration())
        }
    }
}

/// `AWS_IAM`: who signed the request.
async fn sign(visit: &mut Visit<'_>) -> Result<(), Refusal> {
    let request = Request::builder().method(visit.asked.method.clone()).uri(visit.uri.clone()).body(());
    let Ok(request) = request else { return Err(Refusal::no_route()) };
    let (mut head, ()) = request.into_parts();
    head.headers = visit.asked.headers.clone();
    let Some(desk) = visit.desk else { return Ok(()) };
    let signer = desk.signer("execute-api", &visit.cx.region, &head, &visit.asked.body, &visit.cx.origin).await;
    let signer = signer.map_err(|error| unsigned(&error))?.ok_or_else(Refusal::no_route)?;
    introduce(visit, &signer);
    visit.cx.caller = signer;
    Ok(())
}

/// AWS's refusal of a signature.
fn unsigned(error: &Error) -> Refusal {
    let (case, error_type) = match &*error.code {
        "MissingAuthenticationToken" | "MissingAuthenticationTokenException" => return Refusal::no_route(),
        "UnrecognizedClientException" | "InvalidClientTokenId" => {
            (Case::InvalidSignature, "UnrecognizedClientException")
        }
        "ExpiredTokenException" | "ExpiredToken" => (Case::ExpiredToken, "ExpiredTokenException"),
        "IncompleteSignatureException" | "IncompleteSignature" => {
            (Case::InvalidSignature, "IncompleteSignatureException")
        }
        _ => (Case::InvalidSignature, "InvalidSignatureException"),
    };
    Refusal { error_type, ..Refusal::new(case, error.message.clone()) }
}

/// Puts who signed into the context.
fn introduce(visit: &mut Visit<'_>, signer: &Caller) {
    let context = &mut visit.context;
    context.set("identity.accountId", signer.account.to_string());
    context.set("identity.userArn", signer.arn.clone());
    context.set("identity.user", signer.user_id.clone());
    context.set("identity.caller", signer.user_id.clone());
    context.set_some("identity.accessKey", signer.access_key_id.clone());
}

/// Whether policies let the caller in: the API's, and for a signed request those of whoever signed it.
async fn permit(visit: &mut Visit<'_>) -> Result<(), Refusal> {
    let method = visit.asked.method.as_str();
    let text = visit.stage.arn(method, visit.asked.path.trim_end_matches('/'));
    let Some(arn) = base::Arn::parse(&text) else { return Err(configuration()) };
    let Some(desk) = visit.desk else { return Ok(()) };
    let Err(error) = desk.permit(&visit.cx, "execute-api", "Invoke", &arn, &[]).await else { return Ok(()) };
    let who = match visit.cx.caller.kind {
        CallerKind::Anonymous => "anonymous",
        _ => &visit.cx.caller.arn,
    };
    let masked = mask(&text, &visit.stage.account_id);
    let explicit = if error.message.contains("with an explicit deny") { " with an explicit deny" } else { "" };
    let words = format!("User: {who} is not authorized to perform: execute-api:Invoke on resource: {masked}{explicit}");
    visit.log.error(|| words.clone());
    Err(Refusal { is_of_iam: true, ..Refusal::new(Case::AccessDenied, words) })
}

/// An ARN whose account shows its last four digits only.
fn mask(arn: &str, account: &str) -> String {
    let shown = account.get(account.len().saturating_sub(4)..).unwrap_or_default();
    arn.replacen(account, &format!("********{shown}"), 1)
}

pub(super) fn configuration() -> Refusal {
    Refusal { message: None, ..Refusal::new(Case::AuthorizerConfigurationError, "") }
}

fn unauthorized() -> Refusal {
    Refusal::new(Case::Unauthorized, "Unauthorized")
}

/// What an authorizer's function gets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenEvent<'a> {
    r#type: &'static str,
    method_arn: &'a str,
    authorization_token: &'a str,
}

/// `CUSTOM`: a function says by a policy.
pub(super) async fn by_function(visit: &mut Visit<'_>, id: &str) -> Result<(), Refusal> {
    let serving = visit.serving;
    let Some(LiveAuthorizer::Function(authorizer)) = serving.authorizers.get(id) else { return Err(configuration()) };
    let request_id = visit.cx.request_id.clone();
    visit.log.info(|| format!("Starting authorizer: {id} for request: {request_id}"));
    let identity = identity(visit, &authorizer.identify).ok_or_else(|| {
        visit.log.error(|| format!("Unauthorized request: {request_id}"));
        unauthorized()
    })?;
    let arn = visit.stage.arn(visit.asked.method.as_str(), &visit.asked.path);
    let now = visit.cx.now();
    let question = Question {
        api_id: visit.stage.api.id.clone(),
        asked: format!("{}/{id}/{}", visit.stage.name, visit.stage.record.authorizer_flushes),
        identity,
    };
    // Without anything that tells callers apart, an answer is for one request only.
    let kept = if question.identity.is_empty() || authorizer.ttl_secs == 0 {
        None
    } else {
        visit.gateway.verdicts.find(&question, now)
    };
    let verdict = match kept {
        Some(verdict) => verdict,
        None => {
            let verdict = Arc::new(ask(visit, id, &authorizer.identify, &question.identity, &arn).await?);
            if !question.identity.is_empty() {
                visit.gateway.verdicts.keep(question, verdict.clone(), now, authorizer.ttl_secs);
            }
            verdict
        }
    };
    rule(visit, &verdict, &arn)
}

/// Acts on what an authorizer's function has said.
fn rule(visit: &mut Visit<'_>, verdict: &Verdict, arn: &str) -> Result<(), Refusal> {
    visit.context.set_authorizer(verdict.context.clone());
    let principal = verdict.context.get("principalId").and_then(Value::as_str).unwrap_or_default().to_owned();
    visit.context.set("authorizer.principalId", principal.clone());
    visit.usage_key = verdict.usage_key.clone();
    let words = match verdict.may(visit.stage.api.home.account, arn, &policy::Context::of(&visit.cx)) {
        May::Yes => {
            visit.log.info(|| format!("Successfully completed authorizer execution. Principal: {principal}"));
            return Ok(());
        }
        May::No => "User is not authorized to access this resource",
        May::Never => "User is not authorized to access this resource with an explicit deny",
    };
    visit.log.error(|| format!("The client is not authorized to perform this operation. {words}"));
    Err(Refusal { is_of_iam: true, ..Refusal::new(Case::AccessDenied, words) })
}

/// The values that tell a caller apart; none if one is missing, or a token is not as it should be.
fn identity(visit: &Visit<'_>, identify: &Identify) -> Option<Vec<String>> {
    let variables = visit.serving.variables.as_ref();
    match identify {
        Identify::Token { header, expression } => {
            let token = visit.asked.header(header).filter(|token| !token.is_empty())?;
            let is_good = expression.as_ref().is_none_or(|expression: &Regex| expression.is_match(&token));
            is_good.then(|| vec![token.into_owned()])
        }
        Identify::Request(sources) => sources
            .iter()
            .map(|source| {
                let value = source.value(&visit.asked, &visit.context, variables, None);
                value.filter(|value| !value.is_empty()).map(Cow::into_owned)
            })
            .collect(),
    }
}

/// Asks an authorizer's function.
async fn ask(
    visit: &mut Visit<'_>,
    id: &str,
    identify: &Identify,
    identity: &[String],
    arn: &str,
) -> Result<Verdict, Refusal> {
    let serving = visit.serving;
    let Some(LiveAuthorizer::Function(authorizer)) = serving.authorizers.get(id) else { return Err(configuration()) };
    let payload = match identify {
        Identify::Token { .. } => serde_json::to_vec(&TokenEvent {
            r#type: "TOKEN",
            method_arn: arn,
            authorization_token: identity.first().map_or("", String::as_str),
        })
        .unwrap_or_default(),
        Identify::Request(_) => event::authorizer_event(&visit.asked, &visit.context, serving.variables.as_ref(), arn),
    };
    let home = &visit.stage.api.home;
    let source_arn = format!(
        "arn:{}:execute-api:{}:{}:{}/authorizers/{id}",
        home.region.partition(),
        home.region,
        home.account,
        visit.stage.api.id
    );
    let call = FunctionCall {
        function: &authorizer.function,
        source_arn: &source_arn,
        role: authorizer.role.as_deref(),
        payload: Bytes::from(payload),
        trace_id: Some(visit.trace_id.clone()),
        timeout: TIMEOUT,
    };
    let begun = Instant::now();
    let answered = visit.gateway.call_function(visit.desk, &visit.cx, call).await;
    let latency = begun.elapsed().as_millis() as i64;
    visit.context.set("authorizer.latency", latency);
    visit.context.set("authorizer.integrationLatency", latency);
    let answered = answered.map_err(|failure| failed(visit, &failure))?;
    visit.context.set("authorizer.requestId", answered.request_id.clone());
    visit.context.set("authorizer.integrationStatus", 200_u16);
    if answered.failed {
        let error = integrate::error_message(&answered.payload);
        if error == "Unauthorized" {
            visit.log.error(|| "Unauthorized request".to_owned());
            return Err(unauthorized());
        }
        visit.log.error(|| format!("Execution failed due to configuration error: Authorizer error: {error}"));
        return Err(configuration());
    }
    visit.policy = policy_of(&answered.payload);
    Verdict::of_policy(&answered.payload, true).map_err(|malformed| {
        visit.log.error(|| {
            format!("Execution failed due to configuration error: Invalid JSON in authorizer response: {malformed}")
        });
        configuration()
    })
}

/// The policy in an authorizer's answer, for tests to show.
fn policy_of(payload: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(payload).ok()?;
    answer.get("policyDocument").map(|document| match document {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

fn failed(visit: &mut Visit<'_>, failure: &Failure) -> Refusal {
    visit.context.set("authorizer.error", failure.to_string());
    visit.log.error(|| format!("Execution failed due to configuration error: Authorizer function failed: {failure}"));
    match failure {
        Failure::Timeout(_) => Refusal { message: None, ..Refusal::new(Case::AuthorizerFailure, "") },
        _ => configuration(),
    }
}

/// `COGNITO_USER_POOLS`: a token of an issuer's.
pub(super) async fn by_token(visit: &mut Visit<'_>, id: &str, scopes: &[String]) -> Result<(), Refusal> {
    let serving = visit.serving;
    let Some(LiveAuthorizer::Tokens(authorizer)) = serving.authorizers.get(id) else { return Err(configuration()) };
    let header = visit.asked.header(&authorizer.header).map(Cow::into_owned).unwrap_or_default();
    let token = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer ")).unwrap_or(&header).trim();
    let is_good = authorizer.expression.as_ref().is_none_or(|expression| expression.is_match(token));
    if token.is_empty() || !is_good {
        return Err(unauthorized());
    }
    let mut why = Refused::Malformed;
    for trust in &authorizer.trusts {
        match verify(visit, token, trust).await {
            Ok(claims) => return accept(visit, scopes, claims),
            // The reason of the issuer that the token names, rather than that it is another's.
            Err(refused) if refused != Refused::Issuer => why = refused,
            Err(_) => {}
        }
    }
    visit.log.error(|| format!("Unauthorized request: {why}"));
    Err(match why {
        Refused::Expired => Refusal::new(Case::Unauthorized, "The incoming token has expired"),
        _ => unauthorized(),
    })
}

async fn verify(visit: &Visit<'_>, token: &str, trust: &Trust) -> Result<Map<String, Value>, Refused> {
    visit.gateway.issuers.verify(&visit.gateway.ports.http, token, trust, visit.cx.now()).await
}

/// Takes a token's claims, if it has one of the scopes that the method asks for.
fn accept(visit: &mut Visit<'_>, wanted: &[String], claims: Map<String, Value>) -> Result<(), Refusal> {
    let scopes = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
    if !wanted.is_empty() && !scopes.split(' ').any(|scope| wanted.iter().any(|wanted| wanted == scope)) {
        return Err(unauthorized());
    }
    let claims: Map<String, Value> =
        claims.into_iter().map(|(name, value)| (name, claim_text(&value).into())).collect();
    visit.context.set_authorizer(Arc::new(Map::from_iter([("claims".to_owned(), Value::from(claims))])));
    Ok(())
}

/// A claim as functions and templates see it: texts, lists with commas between.
fn claim_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(claim_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_masked() {
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/";
        assert_eq!(mask(arn, "123456789012"), "arn:aws:execute-api:us-east-1:********9012:abc/prod/GET/");
    }

    #[test]
    fn signatures_are_refused_in_awss_words() {
        let refused = |code: &'static str| unsigned(&Error::new(403, code, "m"));
        assert_eq!(refused("MissingAuthenticationTokenException"), Refusal::no_route());
        assert_eq!(refused("UnrecognizedClientException").error_type, "UnrecognizedClientException");
        assert_eq!(refused("InvalidSignatureException").case, Case::InvalidSignature);
        assert_eq!(refused("ExpiredTokenException").case, Case::ExpiredToken);
    }

    #[test]
    fn claims_are_texts() {
        for (claim, text) in [
            (serde_json::json!("a"), "a"),
            (serde_json::json!(["a", "b"]), "a,b"),
            (serde_json::json!(7), "7"),
            (serde_json::json!(true), "true"),
        ] {
            assert_eq!(claim_text(&claim), text);
        }
    }
}
