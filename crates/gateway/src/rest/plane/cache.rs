//! A stage's cache: answers that are given again for as long as the method says, told apart by the parameters that are the
//! cache's key. They are this node's, in memory, within one limit for all stages together (AWS's clusters have from 0.5 GB).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base::{Arn, Timestamp};
use http::header::{CACHE_CONTROL, HeaderName};
use http::{HeaderValue, Method};

use super::Visit;
use super::live::{LiveIntegration, LiveMethod, Place};
use super::parameters;
use super::proxied::Answered;
use super::refusal::Refusal;
use crate::rest::records::{GatewayResponseType as Case, UnauthorizedCacheControlHeaderStrategy as Strategy};

/// The largest answer that is kept, in bytes: AWS's.
const ANSWER_BYTES_MAX: usize = 1_048_576;

/// What all answers together may take, in bytes.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// AWS's longest time to live.
const TTL_SECS_MAX: i32 = 3_600;

/// Answers of all stages; a cache.
#[derive(Default)]
pub(crate) struct Answers(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    answers: HashMap<String, (Timestamp, Answered)>,
    bytes: usize,
}

/// What the cache is for a request.
#[derive(Debug)]
pub(super) enum Lookup {
    /// It has nothing to do with it.
    Without,
    /// The answer is there; with a warning if the caller wanted another and may not.
    Hit(Answered),
    /// It is to be kept under this name.
    Miss(String),
}

/// What every kept answer takes beside its body, roughly.
const OVERHEAD_BYTES: usize = 512;

impl Answers {
    fn find(&self, name: &str, now: Timestamp) -> Option<Answered> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.answers.get(name).filter(|(until, _)| now < *until).map(|(_, answered)| answered.clone())
    }

    fn keep(&self, name: String, answered: &Answered, now: Timestamp, ttl_secs: i32) {
        if answered.body.len() > ANSWER_BYTES_MAX {
            return;
        }
        let size = |name: &str, answered: &Answered| name.len() + answered.body.len() + OVERHEAD_BYTES;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + size(&name, answered) > BYTES_MAX {
            kept.answers.retain(|_, (until, _)| now < *until);
            kept.bytes = kept.answers.iter().map(|(name, (_, answered))| size(name, answered)).sum();
        }
        if kept.bytes + size(&name, answered) > BYTES_MAX {
            *kept = Kept::default();
        }
        kept.bytes += size(&name, answered);
        let until = now.plus_millis(i64::from(ttl_secs) * 1000);
        if let Some((_, before)) = kept.answers.insert(name.clone(), (until, answered.clone())) {
            kept.bytes -= size(&name, &before);
        }
    }
}

/// Looks a request up.
pub(super) async fn look_up(
    visit: &mut Visit<'_>,
    method: &LiveMethod,
    integration: &LiveIntegration,
) -> Result<Lookup, Refusal> {
    let shown = &visit.stage.record.shown;
    let is_cached = shown.cache_cluster_enabled
        && method.setting.caching_enabled
        && method.setting.cache_ttl_in_seconds > 0
        // Other methods change things: those are cached only where that is said of the very method.
        && (visit.asked.method == Method::GET || method.has_own_setting);
    if !is_cached || visit.desk.is_none() {
        return Ok(Lookup::Without);
    }
    let name = name(visit, method, integration);
    let mut warning = false;
    if wants_another(visit) {
        if may_invalidate(visit, method).await {
            visit.cache_hit = Some(false);
            return Ok(Lookup::Miss(name));
        }
        match method.setting.unauthorized_cache_control_header_strategy {
            Strategy::FailWith403 => {
                let words = "User is not authorized to invalidate the cache";
                return Err(Refusal::new(Case::AccessDenied, words));
            }
            Strategy::SucceedWithResponseHeader => warning = true,
            Strategy::SucceedWithoutResponseHeader => {}
        }
    }
    let found = visit.gateway.rest_answers.find(&name, visit.cx.now());
    visit.cache_hit = Some(found.is_some());
    let Some(mut answered) = found else { return Ok(Lookup::Miss(name)) };
    if warning {
        let words = "199 Cache-control headers were ignored because the caller was unauthorized.";
        answered.headers.insert(HeaderName::from_static("warning"), HeaderValue::from_static(words));
    }
    visit.log.info(|| "Cache hit for request".to_owned());
    Ok(Lookup::Hit(answered))
}

/// Keeps an answer. Failures are not kept, so that they end with their cause.
pub(super) fn keep(visit: &Visit<'_>, method: &LiveMethod, name: String, answered: &Answered) {
    if answered.status.is_success() {
        let ttl_secs = method.setting.cache_ttl_in_seconds.min(TTL_SECS_MAX);
        visit.gateway.rest_answers.keep(name, answered, visit.cx.now(), ttl_secs);
    }
}

/// `Cache-Control: max-age=0`: the caller wants another answer than what is kept.
fn wants_another(visit: &Visit<'_>) -> bool {
    let control = visit.asked.text(CACHE_CONTROL).unwrap_or_default();
    control.split(',').any(|one| one.trim().eq_ignore_ascii_case("max-age=0"))
}

async fn may_invalidate(visit: &Visit<'_>, method: &LiveMethod) -> bool {
    if !method.setting.require_authorization_for_cache_control {
        return true;
    }
    let arn = visit.stage.arn(visit.asked.method.as_str(), visit.asked.path.trim_end_matches('/'));
    match (visit.desk, Arn::parse(&arn)) {
        (Some(desk), Some(arn)) => desk.permit(&visit.cx, "execute-api", "InvalidateCache", &arn, &[]).await.is_ok(),
        _ => false,
    }
}

/// Under which name an answer is kept: the stage's, the namespace (a resource, if nothing else is said), the method and the
/// values of the key's parameters. A name in the path that is no parameter of the key tells nothing apart, as on AWS.
fn name(visit: &Visit<'_>, method: &LiveMethod, integration: &LiveIntegration) -> String {
    let stage = visit.stage;
    let canary = if visit.serving.is_canary && !visit.serving.uses_stage_cache { "canary" } else { "" };
    let resource = visit.context.get("resourceId").unwrap_or_default();
    let namespace = integration.declared.cache_namespace.as_deref().unwrap_or(&resource);
    let http_method = &method.declared.http_method;
    let flushes = stage.record.cache_flushes;
    let mut name = format!("{}/{}/{flushes}/{canary}/{namespace}/{http_method}", stage.api.id, stage.name);
    for parameter in integration.declared.cache_key_parameters.iter().flatten() {
        let value = match parameter.strip_prefix("integration.request.") {
            None => parameters::parse(parameter).and_then(|source| {
                source.value(&visit.asked, &visit.context, None, None).map(|value| value.into_owned())
            }),
            Some(_) => {
                integration.mapped.iter().find(|(place, _)| is_named(place, parameter)).and_then(|(_, source)| {
                    let variables = visit.serving.variables.as_ref();
                    source.value(&visit.asked, &visit.context, variables, None).map(|value| value.into_owned())
                })
            }
        };
        // Its length keeps one value from looking like two.
        let value = value.unwrap_or_default();
        name.push_str(&format!("/{}:{value}", value.len()));
    }
    name
}

fn is_named(place: &Place, parameter: &str) -> bool {
    Place::parse(parameter).as_ref() == Some(place)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn answer(bytes: usize) -> Answered {
        Answered { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from(vec![b'x'; bytes]) }
    }

    #[test]
    fn answers_are_kept_for_their_time() {
        let (answers, now) = (Answers::default(), Timestamp::from_secs(100));
        answers.keep("a".to_owned(), &answer(3), now, 5);
        assert_eq!(answers.find("a", now.plus_millis(4_999)).unwrap().body.len(), 3);
        assert!(answers.find("a", now.plus_millis(5_000)).is_none());
        assert!(answers.find("b", now).is_none());
    }

    #[test]
    fn all_together_have_a_limit() {
        let (answers, now) = (Answers::default(), Timestamp::from_secs(100));
        answers.keep("large".to_owned(), &answer(ANSWER_BYTES_MAX + 1), now, 5);
        assert!(answers.find("large", now).is_none());
        for number in 0..200 {
            answers.keep(number.to_string(), &answer(ANSWER_BYTES_MAX), now, 5);
            assert!(answers.find(&number.to_string(), now).is_some());
            assert!(answers.0.lock().unwrap().bytes <= BYTES_MAX);
        }
        answers.keep("0".to_owned(), &answer(1), now, 5);
        answers.keep("0".to_owned(), &answer(1), now, 5);
        let kept = answers.0.lock().unwrap();
        let bytes: usize = kept.answers.iter().map(|(name, (_, a))| name.len() + a.body.len() + OVERHEAD_BYTES).sum();
        assert_eq!(kept.bytes, bytes);
    }
}
