//! Test calls: a method or an authorizer of an API as it is now, without a deployment, run by the control plane, which gets the
//! execution log along with the answer. Authorization, keys and throttles are left out, as on AWS.

use std::sync::Arc;
use std::time::Instant;

use base::Cx;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Version};
use serde_json::{Map, Value};
use wire::client::Identity;

use super::asked::Asked;
use super::live::{LiveAuthorizer, LiveStage};
use super::proxied::Answered;
use super::streamed::{Reply, TEST_PATIENCE};
use super::{Visit, admit, trace};
use crate::Gateway;
use crate::edge::context::Context;
use crate::edge::execution_log::{Level, Log};
use crate::rest::records::{Api, Stage, StageRecord, Texts};
use crate::rest::snapshot::{Snapshot, Staged};

/// What AWS calls the stage of a test.
const STAGE: &str = "test-invoke-stage";

/// A request of a test.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestCall {
    /// `GET`, `ANY`.
    pub(crate) http_method: String,
    /// The resource's own path, unless it is given.
    pub(crate) path_with_query: Option<String>,
    pub(crate) body: String,
    pub(crate) headers: HeaderMap,
    pub(crate) variables: Option<Texts>,
    /// What servers that ask are shown.
    pub(crate) identity: Option<Identity>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Tested {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) log: String,
    pub(crate) latency_ms: i64,
}

/// What an authorizer said to a test.
#[derive(Clone, Debug)]
pub(crate) struct TestedAuthorizer {
    /// What a caller would get: 200 if it may go on.
    pub(crate) client_status: u16,
    pub(crate) log: String,
    pub(crate) latency_ms: i64,
    pub(crate) principal_id: Option<String>,
    /// The policy, JSON.
    pub(crate) policy: Option<String>,
    /// The claims of a token.
    pub(crate) claims: Option<Map<String, Value>>,
    /// What the function put into the context.
    pub(crate) context: Map<String, Value>,
}

impl Gateway {
    /// Runs a method as it is now. None if the resource has no such method.
    pub(crate) async fn test_method(
        &self,
        cx: &Cx,
        api: &Api,
        snapshot: Snapshot,
        resource_id: &str,
        call: TestCall,
    ) -> Option<Tested> {
        let stage = Arc::new(self.test_stage(api, snapshot, &call));
        let resource = stage.main.resource(resource_id)?;
        let method = resource.declared(&call.http_method)?;
        let begun = Instant::now();
        let mut visit = Visit::test(self, cx, &stage, &call, Some(&resource.path));
        visit.asked.path_parameters = stage.main.parameters(resource, &visit.asked.path).unwrap_or_default();
        visit.meet(resource, method);
        visit.log.set_level(Level::Info, true);
        visit.log_request();
        let answered = match tokio::time::timeout(TEST_PATIENCE, visit.work(method)).await {
            Ok(Ok(Reply::Whole(answered))) => Some(answered),
            Ok(Ok(Reply::Streamed(streamed))) => Some(streamed.shown().await),
            Ok(Err(refusal)) => {
                let mut refused = visit.refuse(&refusal);
                refused.headers.remove(CONTENT_TYPE);
                Some(refused)
            }
            Err(_) => None,
        };
        // An answer that has no head in time has the status 0 on AWS.
        let (status, headers, body) = match answered {
            Some(Answered { status, headers, body }) => (status.as_u16(), headers, body),
            None => (0, HeaderMap::new(), Bytes::new()),
        };
        visit.log.info(|| format!("Method completed with status: {status}"));
        Some(Tested {
            status,
            headers,
            body,
            log: visit.log.shown(&cx.request_id),
            latency_ms: begun.elapsed().as_millis() as i64,
        })
    }

    /// Asks an authorizer as it is now. None if there is no such one.
    pub(crate) async fn test_authorizer(
        &self,
        cx: &Cx,
        api: &Api,
        snapshot: Snapshot,
        authorizer_id: &str,
        call: TestCall,
    ) -> Option<TestedAuthorizer> {
        let stage = Arc::new(self.test_stage(api, snapshot, &call));
        let authorizer = stage.main.authorizers.get(authorizer_id)?;
        let begun = Instant::now();
        let mut visit = Visit::test(self, cx, &stage, &call, None);
        visit.log.set_level(Level::Info, true);
        let ruled = match authorizer {
            LiveAuthorizer::Function(_) => admit::by_function(&mut visit, authorizer_id).await,
            LiveAuthorizer::Tokens(_) => admit::by_token(&mut visit, authorizer_id, &[]).await,
            LiveAuthorizer::Broken => Err(admit::configuration()),
        };
        // A policy that denies is an answer to a test; only who has no answer fails.
        let said = visit.context.authorizer().cloned();
        let client_status = match &ruled {
            Err(refusal) if said.is_none() => refusal.case.status().unwrap_or(500),
            _ => 200,
        };
        let said = said.as_deref().cloned().unwrap_or_default();
        let context = said.iter().filter(|(name, _)| !matches!(name.as_str(), "principalId" | "claims"));
        Some(TestedAuthorizer {
            client_status,
            log: visit.log.shown(&cx.request_id),
            latency_ms: begun.elapsed().as_millis() as i64,
            principal_id: said.get("principalId").and_then(Value::as_str).map(str::to_owned),
            policy: visit.policy.take(),
            claims: said.get("claims").and_then(Value::as_object).cloned(),
            context: context.map(|(name, value)| (name.clone(), value.clone())).collect(),
        })
    }

    fn test_stage(&self, api: &Api, snapshot: Snapshot, call: &TestCall) -> LiveStage {
        let shown = Stage { stage_name: STAGE.to_owned(), variables: call.variables.clone(), ..Stage::default() };
        let stage = StageRecord { shown, ..StageRecord::default() };
        let identity = call.identity.clone();
        LiveStage::new(self, &Staged { api: api.clone(), stage, snapshot, canary: None, identity })
    }
}

impl<'v> Visit<'v> {
    fn test(
        gateway: &'v Gateway,
        cx: &Cx,
        stage: &'v Arc<LiveStage>,
        call: &TestCall,
        path: Option<&str>,
    ) -> Visit<'v> {
        let asked_path = call.path_with_query.as_deref().filter(|path| !path.is_empty()).or(path).unwrap_or("/");
        let (path, query) = asked_path.split_once('?').unwrap_or((asked_path, ""));
        let cx = cx.clone();
        let method = Method::from_bytes(call.http_method.as_bytes()).ok().filter(|method| method != "ANY");
        let asked = Asked {
            method: method.unwrap_or(Method::GET),
            version: Version::HTTP_11,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: call.headers.clone(),
            body: Bytes::copy_from_slice(call.body.as_bytes()),
            path_parameters: Vec::new(),
        };
        let mut context = Context::new(cx.now());
        context.set("requestId", cx.request_id.clone());
        context.set("extendedRequestId", base::id::extended_request());
        context.set("accountId", stage.account_id.clone());
        context.set("apiId", stage.api_id.clone());
        context.set("stage", STAGE);
        context.set("httpMethod", asked.method.as_str().to_owned());
        context.set("protocol", "HTTP/1.1");
        context.set("path", asked.path.clone());
        context.set("domainName", "testPrefix.testDomainName");
        context.set("domainPrefix", "testPrefix");
        context.set("identity.sourceIp", "test-invoke-source-ip");
        context.set("identity.userAgent", cx.origin.user_agent.clone());
        context.set("identity.accountId", cx.caller.account.to_string());
        context.set("identity.user", cx.caller.user_id.clone());
        context.set("identity.caller", cx.caller.user_id.clone());
        context.set("identity.userArn", cx.caller.arn.clone());
        context.set_some("identity.accessKey", cx.caller.access_key_id.clone());
        context.set("identity.apiKey", "test-invoke-api-key");
        context.set("identity.apiKeyId", "test-invoke-api-key-id");
        Visit {
            gateway,
            desk: None,
            stage,
            serving: &stage.main,
            asked,
            uri: http::Uri::default(),
            context,
            log: Log::new(Level::Info, true, cx.clock.clone()),
            trace_id: trace::header(cx.origin.trace_id.as_deref(), cx.now()),
            cx,
            segment: None,
            hops: 0,
            method: None,
            integration_latency: None,
            cache_hit: None,
            usage_key: None,
            policy: None,
        }
    }
}
