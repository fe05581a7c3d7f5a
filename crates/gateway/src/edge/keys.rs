//! API keys: whose a request is, under which usage plan, and whether the plan lets it be: by its throttle now, by its quota (`usage`)
//! over a day, week or month.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base::Timestamp;
use store::Key;

use super::Visit;
use super::live::LiveMethod;
use super::refusal::Refusal;
use crate::edge::throttle::{ACCOUNT, Bucket, Limit};
use crate::rest::records::{
    API_KEY_VALUES, API_KEYS, ApiKeySourceType, ApiStage, GatewayResponseType as Case, PLANS_OF_KEYS, ThrottleSettings,
    USAGE_PLANS, UsagePlan,
};
use crate::{Failure, Gateway};

/// How long a key and its plan are remembered. What changes them is felt within this time (AWS: within minutes).
const KEY_KEPT_MS: i64 = 1_000;

/// Keys remembered; a full memory is emptied.
const KEYS_MAX: usize = 10_000;

/// Buckets of plans; a full memory is emptied, which lets through a burst too many.
const BUCKETS_MAX: usize = 100_000;

/// A key on a stage.
#[derive(Debug)]
struct KnownKey {
    id: String,
    plan: Option<UsagePlan>,
}

/// Keys at hand, and the buckets of their plans; a cache.
#[derive(Default)]
pub(crate) struct Keys {
    known: Mutex<HashMap<String, (Timestamp, Arc<KnownKey>)>>,
    buckets: Mutex<HashMap<String, Arc<Bucket>>>,
}

/// Lets a request in if it has a key where it needs one, and the key's plan allows it now.
pub(super) async fn check(visit: &mut Visit<'_>, method: &LiveMethod) -> Result<(), Refusal> {
    let stage = format!("{}/{}", visit.stage.api.id, visit.stage.name);
    if !method.declared.api_key_required {
        visit.log.info(|| {
            format!(
                "API Key authorized because method '{} {}' does not require API Key. Request will not contribute to throttle or \
                 quota limits",
                method.declared.http_method,
                visit.context.get("resourcePath").unwrap_or_default()
            )
        });
        return Ok(());
    }
    let value = match visit.serving.api.api_key_source {
        ApiKeySourceType::Header => visit.asked.header("x-api-key").map(std::borrow::Cow::into_owned),
        ApiKeySourceType::Authorizer => visit.usage_key.clone(),
    };
    let request_id = &visit.cx.request_id;
    visit.log.info(|| {
        format!(
            "Verifying Usage Plan for request: {request_id}. API Key: {} API Stage: {stage}",
            hidden(value.as_deref())
        )
    });
    let known = match value.as_deref().filter(|value| !value.is_empty()) {
        Some(value) => visit.gateway.known_key(visit, &stage, value).await.map_err(Refusal::unread)?,
        None => None,
    };
    let Some((value, known)) = value.zip(known) else {
        visit.log.error(|| format!("API Key not authorized for API Stage {stage}"));
        return Err(Refusal::new(Case::InvalidApiKey, "Forbidden"));
    };
    visit.context.set("identity.apiKey", value);
    visit.context.set("identity.apiKeyId", known.id.clone());
    if let Some(plan) = &known.plan {
        admit(visit, method, &known.id, plan).await?;
    }
    visit.log.info(|| format!("Usage Plan check succeeded for API Key and API Stage {stage}"));
    Ok(())
}

/// A key as logs show it.
fn hidden(value: Option<&str>) -> String {
    let value = value.unwrap_or_default();
    let shown = value.char_indices().rev().nth(5).map_or("", |(at, _)| &value[at..]);
    format!("{}{shown}", "*".repeat(value.chars().count() - shown.chars().count()))
}

async fn admit(visit: &mut Visit<'_>, method: &LiveMethod, key_id: &str, plan: &UsagePlan) -> Result<(), Refusal> {
    let now = visit.cx.now();
    let of_stage = plan.api_stages.iter().flatten().find(|stage| is_of(stage, visit));
    let path = visit.context.get("resourcePath").unwrap_or_default();
    let name = format!("{path}/{}", method.declared.http_method);
    let of_method = of_stage.and_then(|stage| stage.throttle.as_ref()?.get(&name));
    let limits = [(of_method, name.as_str()), (plan.throttle.as_ref(), "")];
    for (settings, scope) in limits {
        let Some(limit) = settings.and_then(limit) else { continue };
        let scope = if scope.is_empty() { String::new() } else { format!("{}/{scope}", visit.stage.api.id) };
        let bucket = visit.gateway.rest_keys.bucket(format!("{}/{key_id}/{scope}", plan.id));
        if !bucket.take(limit, now) {
            visit.log.error(|| "API Key is throttled by its usage plan".to_owned());
            return Err(Refusal::new(Case::Throttled, "Too Many Requests"));
        }
    }
    let home = &visit.stage.api.home;
    let used = visit.gateway.use_quota(home, plan, key_id, now).await;
    if used.map_err(Refusal::unread)? {
        return Ok(());
    }
    visit.log.error(|| "API Key has no quota left in its usage plan".to_owned());
    Err(Refusal::new(Case::QuotaExceeded, "Limit Exceeded"))
}

fn is_of(stage: &ApiStage, visit: &Visit<'_>) -> bool {
    stage.api_id.as_deref() == Some(&visit.stage.api.id) && stage.stage.as_deref() == Some(&*visit.stage.name)
}

fn limit(settings: &ThrottleSettings) -> Option<Limit> {
    // A burst alone leaves the rate to the account.
    let rate = settings.rate_limit.or(settings.burst_limit.map(|_| ACCOUNT.rate))?;
    // Without a burst of its own a plan lets as many come at once as in a second.
    let burst =
        settings.burst_limit.map_or(rate.ceil().max(1.0) as u32, |burst| u32::try_from(burst).unwrap_or_default());
    Some(Limit { rate, burst })
}

impl Keys {
    /// Forgets which keys an API's stages know.
    pub(crate) fn forget(&self, api_id: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, _| !name.strip_prefix(api_id).is_some_and(|rest| rest.starts_with('/')));
    }

    /// Forgets all keys.
    pub(crate) fn forget_all(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn bucket(&self, name: String) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX {
            buckets.clear();
        }
        buckets.entry(name).or_default().clone()
    }
}

impl Gateway {
    /// The key with this value, if it may use the stage.
    async fn known_key(&self, visit: &Visit<'_>, stage: &str, value: &str) -> Result<Option<Arc<KnownKey>>, Failure> {
        let (name, now) = (format!("{stage}/{value}"), visit.cx.now());
        let at_hand = self.rest_keys.known.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if let Some((read, known)) = at_hand
            && (0..KEY_KEPT_MS).contains(&(now.millis() - read.millis()))
        {
            return Ok(Some(known));
        }
        let Some(known) = self.read_key(visit, stage, value).await?.map(Arc::new) else { return Ok(None) };
        let mut keys = self.rest_keys.known.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(name, (now, known.clone()));
        Ok(Some(known))
    }

    async fn read_key(&self, visit: &Visit<'_>, stage: &str, value: &str) -> Result<Option<KnownKey>, Failure> {
        let (api, from) = (&visit.stage.api, self.store.snapshot()?);
        let Some(id) = from.get(API_KEY_VALUES, &api.home.below(value)).await? else { return Ok(None) };
        let key = from.get(API_KEYS, &api.home.below(&id.0)).await?.filter(|key| key.enabled);
        let Some(key) = key else { return Ok(None) };
        let plan_key: Key = api.plan_of_key(&visit.stage.name, &key.id);
        let plan = match from.get(PLANS_OF_KEYS, &plan_key).await? {
            Some(of) => from.get(USAGE_PLANS, &api.home.below(&of.plan_id)).await?,
            None => None,
        };
        let may = plan.is_some() || key.stage_keys.iter().any(|known| known == stage);
        Ok(may.then_some(KnownKey { id: key.id, plan }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_show_their_last_six() {
        for (value, shown) in
            [(Some("abcdefghij"), "****efghij"), (Some("abc"), "***"), (None, ""), (Some("éééééééé"), "**éééééé")]
        {
            assert_eq!(hidden(value), shown);
        }
    }

    #[test]
    fn a_plan_without_a_burst_has_a_seconds_worth() {
        let of = |rate_limit, burst_limit| limit(&ThrottleSettings { burst_limit, rate_limit });
        assert_eq!(of(Some(2.5), None), Some(Limit { rate: 2.5, burst: 3 }));
        assert_eq!(of(Some(2.5), Some(0)), Some(Limit { rate: 2.5, burst: 0 }));
        assert_eq!(of(None, Some(3)), Some(Limit { rate: ACCOUNT.rate, burst: 3 }));
        assert_eq!(of(None, None), None);
    }
}
