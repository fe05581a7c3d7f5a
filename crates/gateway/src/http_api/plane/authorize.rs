//! Who may take a route: everybody, whoever signed and is let by IAM, whoever has a token of an issuer, whomever a function lets
//! in. Refusals are AWS's: 401 for who is not known, 403 for who may not, 500 where nobody can say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::Arn;
use bytes::Bytes;
use cloud::ports::Answered;
use cloud::proxy::event::{self, Pairs, RequestContext, Source};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use wire::protocol::Answer;

use super::event as event_1;
use super::stage::Format;
use super::template::Template;
use super::visit::Visit;
use crate::edge::authorizer::{May, Question, Verdict};
use crate::edge::integration::lambda::{FunctionCall, function_of};
use crate::edge::jwt::{self, Trust};
use crate::http_api::records::{Authorizer, AuthorizerType, Texts};

/// How long a function may take to say who may come in: AWS's ten seconds.
const AUTHORIZER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a function throws to say that it does not know the caller.
const UNAUTHORIZED: &str = "Unauthorized";

/// Who may take a route.
#[derive(Debug)]
pub(super) enum Access {
    /// Everybody.
    Open,
    /// Who signed, and whom policies let.
    Signed,
    /// Whom an authorizer lets; its tokens need one of these scopes, if there are any.
    By(Arc<LiveAuthorizer>, Vec<String>),
    /// Nobody: its authorizer is gone.
    Nobody,
}

/// An authorizer, ready.
#[derive(Debug)]
pub(super) struct LiveAuthorizer {
    /// Where the request has what it is known by; all of it must be there.
    sources: Vec<Template>,
    kind: AuthorizerKind,
}

#[derive(Debug)]
enum AuthorizerKind {
    Tokens(Trust),
    Function(Function),
    /// It cannot work, and why.
    Broken(String),
}

#[derive(Debug)]
struct Function {
    /// The authorizer's id.
    id: String,
    function: Arn,
    /// What its policy calls `aws:SourceArn`.
    source_arn: String,
    role: Option<String>,
    format: Format,
    /// Whether it answers with a Boolean instead of a policy.
    is_simple: bool,
    /// How long its answers are good.
    kept_secs: u32,
}

/// How a request was let in.
#[derive(Clone, Debug)]
pub(super) enum Admitted {
    Anybody,
    /// Whoever signed, who is the visit's caller.
    Signer,
    Token {
        claims: BTreeMap<String, String>,
        scopes: Option<Vec<String>>,
    },
    Function {
        /// All that it says, its principal included.
        said: Arc<Map<String, Value>>,
        /// What functions see of it, if it says anything.
        shown: Option<Map<String, Value>>,
    },
}

/// Why a request is not let in.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    message: &'static str,
    challenge: Option<String>,
    why: String,
}

impl Refused {
    fn unknown(why: impl Into<String>) -> Refused {
        Refused { status: StatusCode::UNAUTHORIZED, message: UNAUTHORIZED, challenge: None, why: why.into() }
    }

    fn forbidden(why: impl Into<String>) -> Refused {
        Refused { status: StatusCode::FORBIDDEN, message: "Forbidden", challenge: None, why: why.into() }
    }

    fn broken(why: impl Into<String>) -> Refused {
        let (status, message) = (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        Refused { status, message, challenge: None, why: why.into() }
    }

    fn challenged(mut self, challenge: String) -> Refused {
        self.challenge = Some(challenge);
        self
    }

    /// The answer, and what logs say of it.
    pub(super) fn answer(self, visit: &mut Visit<'_>) -> Answer {
        tracing::debug!(api = visit.stage.api_id, why = self.why, "a request is not let in");
        visit.noted.authorizer_error = Some(self.why);
        let mut answer = visit.refuse(self.status, self.message);
        if let Some(challenge) = self.challenge.and_then(|challenge| HeaderValue::from_str(&challenge).ok()) {
            answer.headers.insert(http::header::WWW_AUTHENTICATE, challenge);
        }
        answer
    }
}

impl Admitted {
    /// What `$context.authorizer` is.
    pub(super) fn said(&self) -> Option<Arc<Map<String, Value>>> {
        let mut said = Map::new();
        match self {
            Admitted::Anybody | Admitted::Signer => return None,
            Admitted::Token { claims, scopes } => {
                said.insert(
                    "claims".to_owned(),
                    claims.iter().map(|(name, text)| (name.clone(), text.clone())).collect(),
                );
                said.insert("scopes".to_owned(), scopes.clone().map_or(Value::Null, Value::from));
            }
            Admitted::Function { said, .. } => return Some(said.clone()),
        }
        Some(Arc::new(said))
    }
}

impl LiveAuthorizer {
    pub(super) fn new(authorizer: &Authorizer, source_arn: String, variables: Option<&Texts>) -> LiveAuthorizer {
        let sources = authorizer.identity_source.iter().flatten();
        let kind = match authorizer.authorizer_type {
            AuthorizerType::Jwt => {
                let settings = authorizer.jwt_configuration.clone().unwrap_or_default();
                let audience = settings.audience.unwrap_or_default();
                AuthorizerKind::Tokens(Trust::discovering(&settings.issuer.unwrap_or_default(), audience))
            }
            AuthorizerType::Request => {
                let uri = authorizer.authorizer_uri.as_deref().unwrap_or_default();
                let uri = Template::address(uri, variables).constant();
                let version = authorizer.authorizer_payload_format_version.as_deref();
                let kept = authorizer.authorizer_result_ttl_in_seconds;
                match function_of(&uri) {
                    None => AuthorizerKind::Broken(format!("{uri} names no function")),
                    Some(function) => AuthorizerKind::Function(Function {
                        id: authorizer.authorizer_id.clone(),
                        function,
                        source_arn,
                        role: authorizer.authorizer_credentials_arn.clone(),
                        format: Format::of(version),
                        is_simple: authorizer.enable_simple_responses == Some(true),
                        kept_secs: kept.and_then(|secs| u32::try_from(secs).ok()).unwrap_or(0),
                    }),
                }
            }
        };
        LiveAuthorizer { sources: sources.map(|source| Template::parse(source, variables)).collect(), kind }
    }
}

impl Visit<'_> {
    /// Lets a request in, or refuses it.
    pub(super) async fn authorize(&mut self, access: &Access) -> Result<(), Refused> {
        self.admitted = match access {
            Access::Open => Admitted::Anybody,
            Access::Signed => self.signed().await?,
            Access::By(authorizer, scopes) => {
                let identity: Option<Vec<String>> = authorizer
                    .sources
                    .iter()
                    .map(|source| source.text(self).filter(|text| !text.is_empty()).map(|text| text.into_owned()))
                    .collect();
                match &authorizer.kind {
                    AuthorizerKind::Tokens(trust) => self.by_token(trust, identity.as_deref(), scopes).await?,
                    AuthorizerKind::Function(function) => {
                        let identity = identity.ok_or_else(|| Refused::unknown("an identity source is missing"))?;
                        self.by_function(function, identity).await?
                    }
                    AuthorizerKind::Broken(why) => return Err(Refused::broken(why.clone())),
                }
            }
            Access::Nobody => return Err(Refused::broken("the route's authorizer is gone")),
        };
        Ok(())
    }

    async fn signed(&mut self) -> Result<Admitted, Refused> {
        let body = self.body_bytes();
        let cx = &self.cx;
        let signer = self.desk.signer("execute-api", &cx.region, &self.head, &body, &cx.origin).await;
        let signer = signer.map_err(|error| Refused::forbidden(error.message))?;
        self.cx.caller = signer.ok_or_else(|| Refused::forbidden("the request is not signed"))?;
        let resource = self.stage.arn(self.head.method.as_str(), &self.place.path);
        let resource = Arn::parse(&resource).ok_or_else(|| Refused::broken(format!("{resource} is no ARN")))?;
        let permitted = self.desk.permit(&self.cx, "execute-api", "Invoke", &resource, &[]).await;
        permitted.map_err(|error| Refused::forbidden(error.message))?;
        Ok(Admitted::Signer)
    }

    async fn by_token(
        &self,
        trust: &Trust,
        identity: Option<&[String]>,
        wanted: &[String],
    ) -> Result<Admitted, Refused> {
        let Some(token) = identity.and_then(|sources| sources.first()) else {
            return Err(Refused::unknown("there is no token").challenged("Bearer".to_owned()));
        };
        let has_prefix = token.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("Bearer "));
        let token = token[if has_prefix { 7 } else { 0 }..].trim();
        let challenge = |error: &str, why: &str| {
            format!("Bearer scope=\"{}\" error=\"{error}\" error_description=\"{why}\"", wanted.join(" "))
        };
        let (issuers, http) = (&self.gateway.issuers, &self.gateway.ports.http);
        let claims = issuers.verify(http, token, trust, self.cx.now()).await.map_err(|refused| {
            let why = refused.to_string();
            Refused::unknown(&*why).challenged(challenge("invalid_token", &why))
        })?;
        let scopes: Vec<String> =
            jwt::scopes(&claims).filter(|scope| wanted.iter().any(|it| it == scope)).map(str::to_owned).collect();
        if !wanted.is_empty() && scopes.is_empty() {
            let why = "the token does not have any of the route's scopes";
            return Err(Refused::forbidden(why).challenged(challenge("insufficient_scope", why)));
        }
        let claims = claims.iter().map(|(name, claim)| (name.clone(), claim_text(claim))).collect();
        Ok(Admitted::Token { claims, scopes: (!wanted.is_empty()).then_some(scopes) })
    }

    async fn by_function(&self, function: &Function, identity: Vec<String>) -> Result<Admitted, Refused> {
        let arn = self.stage.arn(self.head.method.as_str(), &self.place.path);
        let now = self.cx.now();
        // Without an identity all callers would be one.
        let kept_secs = if identity.is_empty() { 0 } else { function.kept_secs };
        let verdicts = &self.gateway.verdicts;
        let (api_id, asked) = (self.stage.api_id.clone(), format!("{}/{}", self.stage.name, function.id));
        let question = Question { api_id, asked, identity };
        let verdict = match verdicts.find(&question, now).filter(|_| kept_secs > 0) {
            Some(verdict) => verdict,
            None => {
                let verdict = Arc::new(self.ask(function, &question.identity, &arn).await?);
                verdicts.keep(question, verdict.clone(), now, kept_secs);
                verdict
            }
        };
        if verdict.may(self.cx.account, &arn, &policy::Context::of(&self.cx)) != May::Yes {
            return Err(Refused::forbidden("the authorizer says no"));
        }
        let said = verdict.context.clone();
        let others = said.iter().filter(|(name, _)| function.is_simple || *name != "principalId");
        let shown: Map<String, Value> = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Admitted::Function { shown: (!shown.is_empty()).then_some(shown), said })
    }

    async fn ask(&self, function: &Function, identity: &[String], arn: &str) -> Result<Verdict, Refused> {
        let parameters = self.path_parameters();
        let source = self.source(&[], &parameters);
        let resource = self.route.map_or("", |route| &route.resource);
        let payload = match function.format {
            Format::V1 => {
                let more = event_1::More { resource, authorizer: None, signer: None };
                event_1::authorizer(&source, &more, arn, identity)
            }
            Format::V2 => event_2(&source, arn, identity),
        };
        let call = FunctionCall {
            function: &function.function,
            source_arn: &function.source_arn,
            role: function.role.as_deref(),
            payload: payload.into(),
            trace_id: Some(self.trace_id.clone()),
            timeout: AUTHORIZER_TIMEOUT,
        };
        let answered = self.gateway.call_function(self.desk, &self.cx, call).await;
        match answered.map_err(|failure| Refused::broken(failure.to_string()))? {
            Answered { failed: true, payload, .. } if says_unauthorized(&payload) => {
                Err(Refused::unknown("the authorizer does not know the caller"))
            }
            Answered { failed: true, .. } => Err(Refused::broken("the authorizer failed")),
            Answered { payload, .. } => {
                let said = match function.is_simple {
                    true => Verdict::of_simple(&payload),
                    false => Verdict::of_policy(&payload, false),
                };
                said.map_err(|malformed| Refused::broken(format!("the authorizer's answer is none: {malformed}")))
            }
        }
    }
}

/// A claim as text, as functions get it: AWS writes lists like `[a b]`.
fn claim_text(claim: &Value) -> String {
    match claim {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(claim_text).collect::<Vec<_>>().join(" ")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}:{}", claim_text(value)));
            format!("map[{}]", members.collect::<Vec<_>>().join(" "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => claim.to_string(),
    }
}

/// Whether an error document is of a function that threw `Unauthorized`.
fn says_unauthorized(payload: &Bytes) -> bool {
    let error = serde_json::from_slice::<Value>(payload).ok();
    error.is_some_and(|error| error.get("errorMessage").and_then(Value::as_str) == Some(UNAUTHORIZED))
}

/// The event of format 2.0.
fn event_2(source: &Source<'_>, arn: &str, identity: &[String]) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Event<'a> {
        version: &'static str,
        #[serde(rename = "type")]
        kind: &'static str,
        route_arn: &'a str,
        identity_source: Option<&'a [String]>,
        route_key: &'a str,
        raw_path: &'a str,
        raw_query_string: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        cookies: Vec<&'a str>,
        headers: BTreeMap<&'a str, Cow<'a, str>>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        query_string_parameters: BTreeMap<Cow<'a, str>, String>,
        request_context: RequestContext<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_parameters: Option<Pairs<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stage_variables: Option<&'a Texts>,
    }
    let mut headers = event::headers(source);
    // Here they have no place but the headers as well.
    if let Some(cookies) = source.head.headers.get(http::header::COOKIE).and_then(|value| value.to_str().ok()) {
        headers.insert("cookie", cookies.into());
    }
    let event = Event {
        version: "2.0",
        kind: "REQUEST",
        route_arn: arn,
        identity_source: (!identity.is_empty()).then_some(identity),
        route_key: source.route_key,
        raw_path: source.path,
        raw_query_string: source.query,
        cookies: event::cookies(&source.head.headers),
        headers,
        query_string_parameters: event::parameters(source.query),
        request_context: RequestContext::of(source),
        path_parameters: (!source.path_parameters.is_empty()).then_some(Pairs(source.path_parameters)),
        stage_variables: source.stage_variables.filter(|variables| !variables.is_empty()),
    };
    serde_json::to_vec(&event).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_texts_as_aws_writes_them() {
        for (claim, text) in [
            (json!("a"), "a"),
            (json!(1_583_349_317), "1583349317"),
            (json!(true), "true"),
            (json!(["admins", "users"]), "[admins users]"),
            (json!({"b": 1, "a": "x"}), "map[a:x b:1]"),
        ] {
            assert_eq!(claim_text(&claim), text);
        }
    }

    #[test]
    fn what_is_thrown_may_be_unauthorized() {
        assert!(says_unauthorized(&Bytes::from_static(br#"{"errorMessage":"Unauthorized","errorType":"Exception"}"#)));
        assert!(!says_unauthorized(&Bytes::from_static(br#"{"errorMessage":"Other"}"#)));
        assert!(!says_unauthorized(&Bytes::from_static(b"x")));
    }
}
