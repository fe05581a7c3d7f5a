//! The route of a request to an HTTP API: [`Visit::phases`] names its steps in order; each is a file in `plane/`.
//!
//! An API's stages are compiled once (`stage`); a request that finds its API at hand reads nothing from the store.

mod authorize;
mod event;
mod integrate;
mod parameters;
mod router;
mod server;
mod stage;
mod template;
mod visit;
mod weigh;

use std::time::Instant;

use cloud::Desk;
use cloud::desk::Unread;
use cloud::proxy::cors::{self, Policy};
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use shape::Body;
use wire::protocol::Answer;
use wire::route::percent;
use wire::server::Peer;

use crate::Gateway;
use crate::edge::address::Address;
use crate::edge::head::{HEAD_BYTES_MAX, head_bytes};
use crate::edge::metrics::Measured;
use crate::edge::owner::Owner;

use authorize::Access;
pub(crate) use stage::HttpApis;
use stage::{DEFAULT, LiveApi, LiveStage};
use visit::{Place, Visit};

/// The largest request body, in bytes: API Gateway's 10 MB.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// How much of a body is read only so that its sender can hear that it is too large: who is cut off while sending hears
/// nothing.
const BODY_BYTES_READ_MAX: usize = 16 * 1024 * 1024;

impl Gateway {
    pub(crate) async fn serve_http_api(
        &self,
        desk: &Desk,
        owner: &Owner,
        address: Address,
        request: Request<Incoming>,
        peer: Peer,
    ) -> Answer {
        let begun = Instant::now();
        let (head, body) = request.into_parts();
        let api = match self.live_http_api(owner, &address.api_id).await {
            Ok(api) => api,
            Err(_) => return unvisited(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        };
        let found = api.as_ref().and_then(|api| locate(api, &address, head.uri.path()));
        let is_custom = address.base_path.is_some();
        let Some((stage, place)) = found.filter(|(stage, _)| is_custom || !stage.is_hidden) else {
            return unvisited(StatusCode::NOT_FOUND, "Not Found");
        };
        let is_head_too_large = head_bytes(&head) > HEAD_BYTES_MAX;
        let mut visit = Visit::begin(self, desk, stage, &address, place, head, peer);
        let mut answer = match is_head_too_large {
            false => visit.phases(body).await,
            true => visit.refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large"),
        };
        if let Some(policy) = &stage.cors
            && !cors::is_preflight(&visit.head)
        {
            policy.apply(&visit.head, &mut answer.headers);
        }
        visit.sign(&mut answer);
        visit.end(&answer, begun);
        Answer { body: weigh::weigh(answer.body, visit.request_bytes(), visit.at, visit.data()), ..answer }
    }
}

/// The stage that a request is for, and where below it. A stage's name is the path's first segment; what begins with no
/// stage's name is for `$default`.
fn locate<'l>(api: &'l LiveApi, address: &Address, sent: &str) -> Option<(&'l LiveStage, Place)> {
    let path = percent::decode(sent.get(address.prefix_bytes..)?, false);
    // What looks like the beginning of a query once it is decoded ends the path, as on AWS.
    let path = path.split('?').next().unwrap_or_default();
    let rooted = |path: &str| if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let below = |stage: &'l LiveStage, rest: &str, whole: &str| {
        let full_path = if stage.name == DEFAULT { rooted(rest) } else { rooted(whole) };
        let mapped_path = address.base_path.as_ref().map(|_| percent::decode(sent, false).into_owned());
        (stage, Place { path: rooted(rest), full_path, mapped_path })
    };
    if let Some(name) = &address.stage {
        return Some(below(api.stage(name)?, path, &format!("{name}{path}")));
    }
    let first = path.trim_start_matches('/');
    let (first, rest) = first.split_at(first.find('/').unwrap_or(first.len()));
    match api.stage(first) {
        Some(stage) => Some(below(stage, rest, path)),
        None => Some(below(api.stage(DEFAULT)?, path, path)),
    }
}

/// A refusal before anything is known of the request.
fn unvisited(status: StatusCode, message: &str) -> Answer {
    let mut answer = crate::edge::refusal(status, message);
    if let Ok(id) = HeaderValue::from_str(&base::id::extended_request()) {
        answer.headers.insert("apigw-requestid", id);
    }
    answer
}

impl Visit<'_> {
    async fn phases(&mut self, body: Incoming) -> Answer {
        let stage = self.stage;
        let preflight = stage.cors.as_ref().filter(|_| cors::is_preflight(&self.head));
        let Some((route, captures)) = stage.route(&self.head.method, &self.place.path) else {
            return match preflight {
                Some(policy) => self.preflight(policy),
                None => self.refuse(StatusCode::NOT_FOUND, "Not Found"),
            };
        };
        (self.route, self.captures) = (Some(route), captures);
        if let Some((limit, bucket)) = &route.limit
            && !bucket.take(*limit, self.cx.now())
        {
            return self.refuse(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        }
        let mut body = Some(body);
        if matches!(route.access, Access::Signed)
            && let Some(body) = body.take()
            && let Err(refused) = self.read(body).await
        {
            return refused;
        }
        if let Err(refused) = self.authorize(&route.access).await {
            return refused.answer(self);
        }
        match preflight {
            // The configuration answers, whatever stands behind.
            Some(policy) => self.preflight(policy),
            None => self.integrate(route, body).await,
        }
    }

    fn preflight(&self, policy: &Policy) -> Answer {
        Answer { status: StatusCode::NO_CONTENT, headers: policy.preflight(&self.head), body: Body::default() }
    }

    /// Reads the body, whole.
    async fn read(&mut self, body: Incoming) -> Result<(), Answer> {
        match self.desk.body(body, BODY_BYTES_READ_MAX, &self.cx.origin).await {
            Ok(held) if held.bytes.len() <= BODY_BYTES_MAX => self.body = Some(held),
            Ok(_) | Err(Unread::TooLarge) => {
                return Err(self.refuse(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"));
            }
            Err(Unread::Broken) => return Err(self.refuse(StatusCode::BAD_REQUEST, "Bad Request")),
            Err(Unread::Late) => return Err(self.refuse(StatusCode::REQUEST_TIMEOUT, "Request Timeout")),
        }
        Ok(())
    }

    /// Counts a request and notes it, once its answer is known.
    fn end(&self, answer: &Answer, begun: Instant) {
        let latency = begun.elapsed();
        let measured = Measured {
            at: self.at,
            status: answer.status.as_u16(),
            latency,
            integration_latency: self.noted.integration_latency,
            cache_hit: None,
        };
        self.stage.meter.record(&measured);
        if let Some(meter) = self.route.and_then(|route| route.meter.as_ref()) {
            meter.record(&measured);
        }
        tracing::debug!(api = self.stage.api_id, status = measured.status, id = &*self.cx.request_id, "http api");
        let Some(log) = &self.stage.access_log else { return };
        let mut context = self.context();
        context.set("status", measured.status);
        context.set("responseLatency", latency.as_millis() as i64);
        context.set_some("responseLength", self.noted.answer_bytes.map(|bytes| bytes as i64));
        log.write(&self.gateway.ports.logs, &context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str, full_path: &str) -> Place {
        Place { path: path.to_owned(), full_path: full_path.to_owned(), mapped_path: None }
    }

    fn located(stages: &[&str], stage: Option<&str>, path: &str) -> Option<(String, Place)> {
        let api = LiveApi::with_empty_stages(stages);
        let stage = stage.map(str::to_owned);
        let address = Address { api_id: "abc".to_owned(), region: None, prefix_bytes: 0, stage, base_path: None };
        locate(&api, &address, path).map(|(stage, place)| (stage.name.clone(), place))
    }

    #[test]
    fn stages_stand_in_paths_but_for_the_default_one() {
        let both = ["$default", "dev"];
        let at = |stage: &str, path, full_path| Some((stage.to_owned(), place(path, full_path)));
        assert_eq!(located(&both, None, "/dev/pets"), at("dev", "/pets", "/dev/pets"));
        assert_eq!(located(&both, None, "/dev"), at("dev", "/", "/dev"));
        assert_eq!(located(&both, None, "/dev/"), at("dev", "/", "/dev/"));
        assert_eq!(located(&both, None, "/pets/1"), at("$default", "/pets/1", "/pets/1"));
        assert_eq!(located(&both, None, ""), at("$default", "/", "/"));
        assert_eq!(located(&both, None, "/$default/pets"), at("$default", "/pets", "/pets"));
        assert_eq!(located(&both, Some("dev"), "/pets"), at("dev", "/pets", "/dev/pets"));
        assert_eq!(located(&both, Some("$default"), ""), at("$default", "/", "/"));
        assert_eq!(located(&["dev"], None, "/pets"), None);
        assert_eq!(located(&["dev"], Some("prod"), "/pets"), None);
    }

    #[test]
    fn custom_domain_names_map_paths() {
        let api = LiveApi::with_empty_stages(&["dev"]);
        let (api_id, stage, base_path) = ("abc".to_owned(), Some("dev".to_owned()), Some("shop".to_owned()));
        let address = Address { api_id, region: None, prefix_bytes: "/shop".len(), stage, base_path };
        let (_, found) = locate(&api, &address, "/shop/pets").unwrap();
        assert_eq!(found, Place { mapped_path: Some("/shop/pets".to_owned()), ..place("/pets", "/dev/pets") });
    }

    #[test]
    fn paths_are_decoded() {
        let (_, found) = located(&["$default"], None, "/a%20b/c%2Fd?").unwrap();
        assert_eq!(found, place("/a b/c/d", "/a b/c/d"));
        let (_, found) = located(&["$default"], None, "/me%3Fadmin=1").unwrap();
        assert_eq!(found.path, "/me");
    }
}
