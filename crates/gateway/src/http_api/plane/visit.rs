//! What is known of a request to an HTTP API on its way.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base::{Caller, Cx, Timestamp};
use bytes::Bytes;
use cloud::Desk;
use cloud::desk::Held;
use cloud::ports::Series;
use cloud::proxy::event::{self, Authorizer, Source};
use http::header::{CONTENT_LENGTH, USER_AGENT};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use shape::Body;
use wire::protocol::Answer;
use wire::route::percent;
use wire::server::Peer;

use super::authorize::Admitted;
use super::router::Captures;
use super::stage::{DEFAULT, LiveRoute, LiveStage};
use super::template::Known;
use crate::Gateway;
use crate::edge::address::Address;
use crate::edge::context::Context;
use crate::edge::metrics::Meter;

/// A request on its way.
pub(super) struct Visit<'v> {
    pub(super) gateway: &'v Gateway,
    pub(super) desk: &'v Desk,
    pub(super) stage: &'v LiveStage,
    pub(super) cx: Cx,
    /// When it came.
    pub(super) at: Timestamp,
    pub(super) head: Parts,
    /// The body, once it has been read.
    pub(super) body: Option<Held>,
    pub(super) place: Place,
    /// The first label of the name that was asked, or what would be it.
    host_prefix: String,
    source_ip: String,
    pub(super) trace_id: String,
    /// How many nodes the request has come through.
    pub(super) hops: u8,
    pub(super) route: Option<&'v LiveRoute>,
    pub(super) captures: Captures,
    pub(super) admitted: Admitted,
    pub(super) noted: Noted,
}

/// Where a request goes, decoded, as AWS's HTTP APIs see paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Below the stage.
    pub(super) path: String,
    /// As events have it: with the stage's name, unless the stage has none in its address.
    pub(super) full_path: String,
    /// As it was sent, where a custom domain name maps a part of it: events of format 1.0 show that.
    pub(super) mapped_path: Option<String>,
}

/// What was learned on the way, for logs and metrics.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) integration_latency: Option<Duration>,
    pub(super) integration_status: Option<u16>,
    pub(super) integration_error: Option<String>,
    pub(super) integration_request_id: Option<String>,
    pub(super) authorizer_error: Option<String>,
    /// What the caller was told.
    pub(super) error: Option<&'static str>,
    pub(super) answer_bytes: Option<usize>,
}

impl<'v> Visit<'v> {
    pub(super) fn begin(
        gateway: &'v Gateway,
        desk: &'v Desk,
        stage: &'v LiveStage,
        address: &Address,
        place: Place,
        head: Parts,
        peer: Peer,
    ) -> Visit<'v> {
        let origin = desk.origin(&head, peer);
        let is_by_path = address.prefix_bytes > 0 && address.base_path.is_none();
        let host = origin.host.split(['.', ':']).next().unwrap_or_default();
        let now = desk.clock().now();
        let trace_id = origin.trace_id.as_ref().filter(|header| header.contains("Root="));
        Visit {
            host_prefix: if is_by_path { address.api_id.clone() } else { host.to_owned() },
            source_ip: origin.remote.map_or_else(|| "127.0.0.1".to_owned(), |ip| ip.to_canonical().to_string()),
            trace_id: trace_id.cloned().unwrap_or_else(|| format!("Root={}", base::id::trace_root(now))),
            cx: Cx {
                request_id: base::id::extended_request().into(),
                account: stage.account,
                region: stage.region.clone(),
                caller: Caller::anonymous(stage.account),
                origin,
                clock: desk.clock().clone(),
            },
            at: now,
            gateway,
            desk,
            stage,
            head,
            body: None,
            place,
            hops: peer.hops,
            route: None,
            captures: Captures::new(),
            admitted: Admitted::Anybody,
            noted: Noted::default(),
        }
    }

    /// A refusal in the gateway's own words.
    pub(super) fn refuse(&mut self, status: StatusCode, message: &'static str) -> Answer {
        self.noted.error = Some(message);
        crate::edge::refusal(status, message)
    }

    /// The body, as far as it has been read.
    pub(super) fn body_bytes(&self) -> Bytes {
        self.body.as_ref().map(|held| held.bytes.clone()).unwrap_or_default()
    }

    /// How many bytes the request's body has, as far as that is known.
    pub(super) fn request_bytes(&self) -> u64 {
        let said = self.head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        self.body.as_ref().map(|held| held.bytes.len() as u64).or(said).unwrap_or_default()
    }

    /// Where its bytes are counted.
    pub(super) fn data(&self) -> Vec<Arc<dyn Series>> {
        let of_route = self.route.and_then(|route| route.meter.as_ref());
        [Some(&self.stage.meter), of_route].into_iter().flatten().filter_map(Meter::data).cloned().collect()
    }

    /// What stands for the variables of the route's path.
    pub(super) fn path_parameters(&self) -> Vec<(&str, Cow<'_, str>)> {
        let names = self.route.into_iter().flat_map(|route| route.names.iter());
        let values = self.captures.iter().map(|range| Cow::Borrowed(&self.place.path[range.clone()]));
        names.map(String::as_str).zip(values).collect()
    }

    /// What events are made of.
    pub(super) fn source<'s>(&'s self, body: &'s [u8], parameters: &'s [(&'s str, Cow<'s, str>)]) -> Source<'s> {
        Source {
            head: &self.head,
            body,
            path: &self.place.full_path,
            path_parameters: parameters,
            query: self.head.uri.query().unwrap_or_default(),
            route_key: self.route.map_or(DEFAULT, |route| &route.key),
            stage: &self.stage.name,
            stage_variables: self.stage.variables.as_ref(),
            account_id: self.stage.account.as_str(),
            api_id: &self.stage.api_id,
            host: &self.cx.origin.host,
            host_prefix: &self.host_prefix,
            source_ip: &self.source_ip,
            tls: self.cx.origin.tls,
            authorizer: self.authorizer(),
            shows_authorization: true,
            request_id: &self.cx.request_id,
            trace_id: &self.trace_id,
            now: self.at,
        }
    }

    fn authorizer(&self) -> Option<Authorizer<'_>> {
        match &self.admitted {
            Admitted::Anybody => None,
            Admitted::Signer => Some(Authorizer::Iam(&self.cx.caller)),
            Admitted::Token { claims, scopes } => Some(Authorizer::Jwt { claims, scopes: scopes.as_deref() }),
            Admitted::Function { shown, .. } => Some(Authorizer::Lambda(shown.as_ref())),
        }
    }

    /// Who signed, where that is asked for.
    pub(super) fn signer(&self) -> Option<&Caller> {
        matches!(self.admitted, Admitted::Signer).then_some(&self.cx.caller)
    }

    /// The source address.
    pub(super) fn source_ip(&self) -> &str {
        &self.source_ip
    }

    /// Puts the header that every answer has, and notes how long the answer is.
    pub(super) fn sign(&mut self, answer: &mut Answer) {
        self.noted.answer_bytes = match &answer.body {
            Body::Whole(bytes) => Some(bytes.len()),
            Body::Stream(_) => None,
        };
        if let Ok(id) = HeaderValue::from_str(&self.cx.request_id) {
            answer.headers.insert("apigw-requestid", id);
        }
    }

    /// `$context` as it is now.
    pub(super) fn context(&self) -> Context {
        let mut context = Context::new(self.at);
        let user_agent = self.head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        context.set("accountId", self.stage.account.to_string());
        context.set("apiId", self.stage.api_id.clone());
        context.set("domainName", self.cx.origin.host.clone());
        context.set("domainPrefix", self.host_prefix.clone());
        context.set("extendedRequestId", self.cx.request_id.clone());
        context.set("httpMethod", self.head.method.to_string());
        context.set("identity.sourceIp", self.source_ip.clone());
        context.set_some("identity.userAgent", user_agent.map(str::to_owned));
        context.set("path", self.place.full_path.clone());
        context.set("protocol", event::protocol(&self.head));
        context.set("requestId", self.cx.request_id.clone());
        context.set_some("routeKey", self.route.map(|route| route.key.clone()));
        context.set("stage", self.stage.name.clone());
        if let Some(caller) = self.signer() {
            context.set("identity.accountId", caller.account.to_string());
            context.set("identity.caller", caller.user_id.clone());
            context.set("identity.user", caller.user_id.clone());
            context.set("identity.userArn", caller.arn.clone());
        }
        context.set_some("authorizer.error", self.noted.authorizer_error.clone());
        context.set_some("error.message", self.noted.error);
        self.add_integration(&mut context);
        if let Some(said) = self.admitted.said() {
            context.set_authorizer(said);
        }
        context
    }

    fn add_integration(&self, context: &mut Context) {
        let Noted { integration_latency, integration_status, integration_error, integration_request_id, .. } =
            &self.noted;
        let latency = integration_latency.map(|latency| latency.as_millis() as i64);
        for name in ["integration.latency", "integrationLatency"] {
            context.set_some(name, latency);
        }
        for name in ["integration.status", "integrationStatus"] {
            context.set_some(name, *integration_status);
        }
        for name in ["integration.error", "integrationErrorMessage"] {
            context.set_some(name, integration_error.clone());
        }
        for name in ["integration.requestId", "awsEndpointRequestId"] {
            context.set_some(name, integration_request_id.clone());
        }
    }
}

impl Known for Visit<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        joined(self.head.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())))
    }

    fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let pairs = percent::pairs(self.head.uri.query()?);
        joined(pairs.into_iter().filter(|(known, _)| known == name).map(|(_, value)| value))
    }

    fn body(&self) -> &[u8] {
        self.body.as_ref().map_or(&[], |held| &held.bytes)
    }

    fn path(&self) -> &str {
        &self.place.path
    }

    fn path_parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let at = self.route?.names.iter().position(|known| known == name)?;
        Some(Cow::Borrowed(&self.place.path[self.captures.get(at)?.clone()]))
    }

    fn context(&self, name: &str) -> Option<String> {
        Visit::context(self).get(name).map(Cow::into_owned)
    }
}

/// Values of one name, joined by commas; none if there is none.
pub(super) fn joined<'a>(mut values: impl Iterator<Item = Cow<'a, str>>) -> Option<Cow<'a, str>> {
    let mut all = values.next()?;
    for value in values {
        all.to_mut().extend([",", &*value]);
    }
    Some(all)
}
