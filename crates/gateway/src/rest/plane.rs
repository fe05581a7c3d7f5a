//! The route of a request to a REST API: [`Visit::phases`] names its steps in order; each is a file in `plane/`.
//!
//! A stage is compiled once (`live`); a request that finds its stage at hand reads nothing from the store. Whatever refuses a request
//! says which case of a gateway response it is (`refusal`), and what the caller hears of it is said in one place.

mod admit;
mod asked;
mod cache;
mod compress;
mod ending;
mod event;
mod headers;
mod integrate;
mod keys;
mod live;
mod mapped;
mod media;
mod parameters;
mod proxied;
mod refusal;
mod segment;
mod streamed;
mod template;
mod test;
mod tree;
mod validate;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Caller, Cx};
use bytes::Bytes;
use cloud::Desk;
use cloud::desk::Unread;
use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Version};
use hyper::body::Incoming;
use shape::Body;
use wire::protocol::Answer;
use wire::server::Peer;

use crate::Gateway;
use crate::edge::address::Address;
use crate::edge::context::Context;
use crate::edge::execution_log::{Level, Log};
use crate::edge::head::{HEAD_BYTES_MAX, head_bytes};
use crate::edge::owner::Owner;
use crate::edge::trace;

use asked::Asked;
pub(crate) use cache::Answers;
use ending::Ending;
pub(crate) use live::LiveStages;
use live::{LiveMethod, LiveResource, LiveStage, Serving};
use proxied::Answered;
use refusal::Refusal;
use segment::Segment;
use streamed::{Reply, Streamed};
pub(crate) use test::TestCall;

/// The largest request body, in bytes: API Gateway's 10 MB.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// How much of a body is read only so that its sender can hear that it is too large: who is cut off while sending hears
/// nothing.
const BODY_BYTES_READ_MAX: usize = 16 * 1024 * 1024;

/// A request on its way.
pub(in crate::rest) struct Visit<'v> {
    gateway: &'v Gateway,
    /// Who knows policies; a test has none, for which all is allowed that its caller may have tested.
    desk: Option<&'v Desk>,
    stage: &'v Arc<LiveStage>,
    serving: &'v Serving,
    cx: Cx,
    asked: Asked,
    /// The whole address, which signatures are of.
    uri: http::Uri,
    context: Context,
    log: Log,
    trace_id: String,
    /// The stage's part of the trace, where it has one.
    segment: Option<Segment>,
    /// How many nodes the request has come through.
    hops: u8,
    /// Once it is known.
    method: Option<&'v LiveMethod>,
    integration_latency: Option<Duration>,
    cache_hit: Option<bool>,
    /// The API key that an authorizer names.
    usage_key: Option<String>,
    /// The policy that an authorizer's function gave.
    policy: Option<String>,
}

impl Gateway {
    pub(crate) async fn serve_rest(
        &self,
        desk: &Desk,
        owner: &Owner,
        address: Address,
        request: Request<Incoming>,
        peer: Peer,
    ) -> Answer {
        let begun = Instant::now();
        let (head, body) = request.into_parts();
        let Some((stage_name, path)) = below(&address, head.uri.path()) else { return forbidden() };
        let stage = match self.live_stage(owner, &address.api_id, stage_name).await {
            Ok(Some(stage)) => stage,
            Ok(None) => return forbidden(),
            Err(failure) => {
                failure.log();
                return crate::edge::refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error");
            }
        };
        if address.base_path.is_none() && stage.main.api.disable_execute_api_endpoint {
            return forbidden();
        }
        let (path, head_bytes) = (path.to_owned(), head_bytes(&head));
        let mut visit = Visit::begin(self, desk, &stage, &address, head, &path, peer);
        let reply = match visit.phases(desk, head_bytes, body).await {
            Ok(reply) => reply,
            Err(refusal) => Reply::Whole(visit.refuse(&refusal)),
        };
        visit.end(reply, begun)
    }
}

/// The stage and the path below it. What follows an API's address begins with the stage, after as many slashes as there are.
fn below<'p>(address: &'p Address, path: &'p str) -> Option<(&'p str, &'p str)> {
    let rest = path.get(address.prefix_bytes..)?;
    match &address.stage {
        Some(stage) => Some((stage, if rest.is_empty() { "/" } else { rest })),
        None => {
            let rest = rest.strip_prefix('/')?.trim_start_matches('/');
            let at = rest.find('/').unwrap_or(rest.len());
            let (stage, path) = rest.split_at(at);
            (!stage.is_empty()).then_some((stage, if path.is_empty() { "/" } else { path }))
        }
    }
}

/// AWS's answer where there is no such API or stage.
fn forbidden() -> Answer {
    let mut answer = crate::edge::refusal(StatusCode::FORBIDDEN, "Forbidden");
    answer.headers.insert("x-amzn-errortype", HeaderValue::from_static("ForbiddenException"));
    if let Ok(id) = HeaderValue::from_str(&base::id::uuid()) {
        answer.headers.insert("x-amzn-requestid", id);
    }
    answer
}

impl<'v> Visit<'v> {
    fn begin(
        gateway: &'v Gateway,
        desk: &'v Desk,
        stage: &'v Arc<LiveStage>,
        address: &Address,
        head: Parts,
        path: &str,
        peer: Peer,
    ) -> Visit<'v> {
        let origin = desk.origin(&head, peer);
        let home = &stage.api.home;
        let cx = Cx {
            request_id: base::id::uuid().into(),
            account: home.account,
            region: home.region.clone(),
            caller: Caller::anonymous(home.account),
            origin,
            clock: desk.clock().clone(),
        };
        let given = trace::header(cx.origin.trace_id.as_deref(), cx.now());
        let begun = if stage.record.shown.tracing_enabled { Segment::begin(&given) } else { None };
        let (segment, trace_id) = begun.map_or((None, given), |(segment, header)| (Some(segment), header));
        let mut asked = Asked {
            method: head.method,
            version: head.version,
            path: format!("/{}", path.trim_start_matches('/')),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: Bytes::new(),
            path_parameters: Vec::new(),
        };
        let source_ip = cx.origin.remote.map_or_else(|| "127.0.0.1".to_owned(), |ip| ip.to_canonical().to_string());
        forward(&mut asked.headers, &cx, &source_ip, &trace_id);
        let serving = stage.serving();
        let mut visit = Visit {
            gateway,
            desk: Some(desk),
            stage,
            serving,
            context: Context::new(cx.now()),
            log: Log::new(Level::Off, false, cx.clock.clone()),
            cx,
            asked,
            uri: head.uri,
            trace_id,
            segment,
            hops: peer.hops,
            method: None,
            integration_latency: None,
            cache_hit: None,
            usage_key: None,
            policy: None,
        };
        visit.introduce(address, path, source_ip);
        visit
    }

    /// Puts what is known of a request from its beginning into its context.
    fn introduce(&mut self, address: &Address, path: &str, source_ip: String) {
        let Visit { context, stage, cx, asked, serving, .. } = self;
        let host = cx.origin.host.as_str();
        let prefix = match (&address.base_path, address.prefix_bytes) {
            (Some(_), _) | (None, 0) => host.split(['.', ':']).next().unwrap_or_default(),
            (None, _) => &address.api_id,
        };
        context.set("requestId", cx.request_id.clone());
        context.set("extendedRequestId", base::id::extended_request());
        context.set("accountId", stage.account_id.clone());
        context.set("apiId", stage.api_id.clone());
        context.set("stage", stage.name.clone());
        context.set("deploymentId", serving.deployment_id.clone());
        context.set("httpMethod", asked.method.as_str().to_owned());
        context.set("protocol", if asked.version == Version::HTTP_2 { "HTTP/2.0" } else { "HTTP/1.1" });
        match &address.base_path {
            None => context.set("path", format!("/{}{path}", stage.name)),
            Some(base_path) => {
                context.set("path", self.uri.path().to_owned());
                context.set("customDomain.basePathMatched", base_path.clone());
            }
        }
        context.set("domainName", host.to_owned());
        context.set("domainPrefix", prefix.to_owned());
        context.set("identity.sourceIp", source_ip);
        context.set_some("identity.userAgent", asked.header("user-agent").map(std::borrow::Cow::into_owned));
        if stage.record.shown.tracing_enabled {
            context.set("xrayTraceId", trace::root(&self.trace_id).to_owned());
        }
        if stage.canary.is_some() {
            context.set("isCanaryRequest", if serving.is_canary { "true" } else { "false" });
        }
    }

    /// The steps of a request's way.
    async fn phases(&mut self, desk: &Desk, head_bytes: usize, body: Incoming) -> Result<Reply, Refusal> {
        if head_bytes > HEAD_BYTES_MAX {
            return Err(Refusal::request(431, "Request Header Fields Too Large"));
        }
        let method = self.route()?;
        let held = desk.body(body, BODY_BYTES_READ_MAX, &self.cx.origin).await.map_err(unread)?;
        if held.bytes.len() > BODY_BYTES_MAX {
            return Err(Refusal::too_large());
        }
        self.asked.body = held.bytes.clone();
        compress::body(&self.serving.api, &mut self.asked, BODY_BYTES_MAX)?;
        let extended = self.context.get("extendedRequestId").unwrap_or_default();
        self.log.info(|| format!("Extended Request Id: {extended}"));
        self.log_request();
        admit::admit(self, method).await?;
        keys::check(self, method).await?;
        self.throttle(method)?;
        self.work(method).await
    }

    /// What is left once a request is let in.
    async fn work(&mut self, method: &LiveMethod) -> Result<Reply, Refusal> {
        if let Some(validation) = &method.validation {
            validation.check(&self.asked).inspect_err(|refusal| {
                let words = refusal.validation.as_deref().or(refusal.message.as_deref()).unwrap_or_default();
                self.log.error(|| format!("Request failed validation: {words}"));
            })?;
        }
        let Some(integration) = &method.integration else {
            self.log
                .error(|| "Execution failed due to configuration error: No integration defined for method".to_owned());
            return Err(Refusal::configuration());
        };
        integrate::check_mapped(self, integration)?;
        if integration.streams {
            return Ok(Reply::Streamed(streamed::integrate(self, method, integration).await?));
        }
        let name = match cache::look_up(self, method, integration).await? {
            cache::Lookup::Hit(answered) => return Ok(Reply::Whole(answered)),
            cache::Lookup::Miss(name) => Some(name),
            cache::Lookup::Without => None,
        };
        let answered = integrate::integrate(self, method, integration).await?;
        if let Some(name) = name {
            cache::keep(self, method, name, &answered);
        }
        Ok(Reply::Whole(answered))
    }

    fn route(&mut self) -> Result<&'v LiveMethod, Refusal> {
        let found = self.serving.find(&self.asked.method, &self.asked.path);
        let (resource, method, parameters) = found.ok_or_else(Refusal::no_route)?;
        self.asked.path_parameters = parameters;
        self.meet(resource, method);
        Ok(method)
    }

    /// Notes which method the request is for.
    fn meet(&mut self, resource: &LiveResource, method: &'v LiveMethod) {
        self.method = Some(method);
        self.log.set_level(method.level, method.setting.data_trace_enabled);
        self.context.set("resourceId", resource.id.clone());
        self.context.set("resourcePath", resource.path.clone());
        self.context.set_some("operationName", method.declared.operation_name.clone());
    }

    fn log_request(&mut self) {
        let Visit { log, asked, cx, .. } = self;
        log.info(|| format!("Starting execution for request: {}", cx.request_id));
        log.info(|| format!("HTTP Method: {}, Resource Path: {}", asked.method, asked.path));
        log.map("Method request path", || asked.path_parameters.clone());
        log.map("Method request query string", || asked.query_pairs());
        log.map("Method request headers", || {
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            asked.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect()
        });
        log.data("Method request body before transformations", &asked.body);
    }

    /// Refuses what comes too fast for the method.
    fn throttle(&mut self, method: &LiveMethod) -> Result<(), Refusal> {
        let Some((limit, bucket)) = &method.throttle else { return Ok(()) };
        if bucket.take(*limit, self.cx.now()) {
            return Ok(());
        }
        self.log.error(|| "Method throttled".to_owned());
        Err(Refusal::new(crate::rest::records::GatewayResponseType::Throttled, "Too Many Requests"))
    }

    /// What the caller hears of a refusal.
    fn refuse(&mut self, refusal: &Refusal) -> Answered {
        let message = refusal.message.as_deref().unwrap_or_default();
        let answered =
            self.serving.responses.answer(refusal, &mut self.context, &self.asked, self.serving.variables.as_ref());
        let status = answered.status.as_u16();
        // (AWS's tests do not say so.)
        if self.desk.is_some() {
            self.log.error(|| format!("Gateway response type: {} with status code: {status}", refusal.case.name()));
            self.log.data("Gateway response body", &answered.body);
        }
        tracing::debug!(id = &*self.cx.request_id, status, message, "refused");
        answered
    }

    /// Signs the answer; at its end the request is measured and logged.
    fn end(self, reply: Reply, begun: Instant) -> Answer {
        let (status, mut headers, body, since) = match reply {
            Reply::Whole(mut answered) => {
                compress::answer(&self.serving.api, &self.asked, &mut answered);
                (answered.status, answered.headers, Body::from(answered.body), None)
            }
            Reply::Streamed(Streamed { status, headers, body, since }) => {
                (status, headers, Body::Stream(body), Some(since))
            }
        };
        let extended = self.context.get("extendedRequestId").unwrap_or_default();
        for (name, value) in [("x-amzn-requestid", &*self.cx.request_id), ("x-amz-apigw-id", &extended)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let document = self.segment.as_ref().map(|segment| segment.document(&self, status.as_u16()));
        let ending = Ending {
            gateway: self.gateway.clone(),
            stage: Arc::clone(self.stage),
            meter: self.method.and_then(|method| method.meter.clone()),
            document,
            begun,
            status: status.as_u16(),
            integration_latency: self.integration_latency,
            cache_hit: self.cache_hit,
            since,
            bytes: 0,
            cx: self.cx,
            context: self.context,
            log: self.log,
        };
        Answer { status, headers, body: ending::ended(body, ending) }
    }
}

/// Puts what AWS's front puts into every request.
fn forward(headers: &mut HeaderMap, cx: &Cx, source_ip: &str, trace_id: &str) {
    let before = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let chain = before.map_or_else(|| source_ip.to_owned(), |before| format!("{before}, {source_ip}"));
    let host = cx.origin.host.as_str();
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    let port = port.unwrap_or(if cx.origin.tls { "443" } else { "80" });
    let scheme = if cx.origin.tls { "https" } else { "http" };
    for (name, value) in [
        ("x-forwarded-for", chain.as_str()),
        ("x-forwarded-port", port),
        ("x-forwarded-proto", scheme),
        ("x-amzn-trace-id", trace_id),
        // Of HTTP/2 it is no header.
        ("host", host),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

fn unread(unread: Unread) -> Refusal {
    match unread {
        Unread::TooLarge => Refusal::too_large(),
        Unread::Broken => Refusal::malformed(),
        Unread::Late => Refusal::request(408, "Request Timeout"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_is_the_paths_first_part() {
        let address = |prefix_bytes, stage: Option<&str>| Address {
            api_id: "abc".to_owned(),
            region: None,
            prefix_bytes,
            stage: stage.map(str::to_owned),
            base_path: None,
        };
        let of = |address: &Address, path: &str| below(address, path).map(|(s, p)| (s.to_owned(), p.to_owned()));
        let found = |stage: &str, path: &str| Some((stage.to_owned(), path.to_owned()));
        assert_eq!(of(&address(0, None), "/prod/a/b"), found("prod", "/a/b"));
        assert_eq!(of(&address(0, None), "/prod"), found("prod", "/"));
        assert_eq!(of(&address(0, None), "/prod/"), found("prod", "/"));
        assert_eq!(of(&address(0, None), "//prod//a"), found("prod", "//a"));
        assert_eq!(of(&address(0, None), "/"), None);
        assert_eq!(of(&address(21, None), "/_aws/execute-api/abc/prod/x"), found("prod", "/x"));
        assert_eq!(of(&address(2, Some("prod")), "/x/y"), found("prod", "/y"));
        assert_eq!(of(&address(2, Some("prod")), "/x"), found("prod", "/"));
    }
}
