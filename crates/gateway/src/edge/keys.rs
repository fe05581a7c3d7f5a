//! API keys: whose a request to a stage is, under which usage plan, and whether the plan lets it be: by its throttle now, by its
//! quota (`usage`) over a day, week or month. Where a kind of API finds a key and how it refuses one is its own matter.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base::{Cx, Timestamp};

use super::execution_log::Log;
use super::throttle::{ACCOUNT, Bucket, Limit};
use crate::rest::records::{
    API_KEY_VALUES, API_KEYS, Api, ApiStage, PLANS_OF_KEYS, ThrottleSettings, USAGE_PLANS, UsagePlan,
};
use crate::{Failure, Gateway};

/// How long a key and its plan are remembered. What changes them is felt within this time (AWS: within minutes).
const KEY_KEPT_MS: i64 = 1_000;

/// Keys remembered; a full memory is emptied.
const KEYS_MAX: usize = 10_000;

/// Buckets of plans; a full memory is emptied, which lets through a burst too many.
const BUCKETS_MAX: usize = 100_000;

/// A stage that keys may be for.
#[derive(Clone, Copy)]
pub(crate) struct KeyedStage<'a> {
    pub(crate) api: &'a Api,
    pub(crate) name: &'a str,
}

impl fmt::Display for KeyedStage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api.id, self.name)
    }
}

impl KeyedStage<'_> {
    /// What a plan says of it.
    fn of_plan<'p>(&self, plan: &'p UsagePlan) -> Option<&'p ApiStage> {
        let is_it =
            |one: &&ApiStage| one.api_id.as_deref() == Some(&self.api.id) && one.stage.as_deref() == Some(self.name);
        plan.api_stages.iter().flatten().find(is_it)
    }
}

/// A key that may use a stage.
#[derive(Debug)]
pub(crate) struct KnownKey {
    pub(crate) id: String,
    plan: Option<UsagePlan>,
}

/// What a key's plan says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// It may be.
    Admitted,
    /// There are too many at once.
    Throttled,
    /// The period's quota is used up.
    UsedUp,
}

/// Keys at hand, and the buckets of their plans; a cache.
#[derive(Default)]
pub(crate) struct Keys {
    known: Mutex<HashMap<String, (Timestamp, Arc<KnownKey>)>>,
    buckets: Mutex<HashMap<String, Arc<Bucket>>>,
}

impl Gateway {
    /// The key that a request came with, if there is such a one and it may use the stage.
    pub(crate) async fn find_key(
        &self,
        log: &mut Log,
        cx: &Cx,
        stage: KeyedStage<'_>,
        value: Option<&str>,
    ) -> Result<Option<Arc<KnownKey>>, Failure> {
        log.info(|| {
            let (id, shown) = (&cx.request_id, hidden(value));
            format!("Verifying Usage Plan for request: {id}. API Key: {shown} API Stage: {stage}")
        });
        let known = match value.filter(|value| !value.is_empty()) {
            Some(value) => self.known_key(stage, value, cx.now()).await?,
            None => None,
        };
        if known.is_none() {
            log.error(|| format!("API Key not authorized for API Stage {stage}"));
        }
        Ok(known)
    }

    /// Counts a request of a key's under its plan, if the plan allows it. `method` is the name of what it uses in the stage,
    /// where that may have a limit of its own: `{path}/{HTTP method}`.
    pub(crate) async fn spend(
        &self,
        log: &mut Log,
        cx: &Cx,
        stage: KeyedStage<'_>,
        key: &KnownKey,
        method: Option<&str>,
    ) -> Result<Ruling, Failure> {
        let ruling = match &key.plan {
            Some(plan) => self.rule(cx.now(), stage, &key.id, plan, method).await?,
            None => Ruling::Admitted,
        };
        match ruling {
            Ruling::Admitted => log.info(|| format!("Usage Plan check succeeded for API Key and API Stage {stage}")),
            Ruling::Throttled => log.error(|| "API Key is throttled by its usage plan".to_owned()),
            Ruling::UsedUp => log.error(|| "API Key has no quota left in its usage plan".to_owned()),
        }
        Ok(ruling)
    }

    async fn rule(
        &self,
        now: Timestamp,
        stage: KeyedStage<'_>,
        key_id: &str,
        plan: &UsagePlan,
        method: Option<&str>,
    ) -> Result<Ruling, Failure> {
        let of_method = method.and_then(|name| {
            let settings = stage.of_plan(plan)?.throttle.as_ref()?.get(name)?;
            Some((limit(settings)?, format!("{}/{name}", stage.api.id)))
        });
        let of_plan = plan.throttle.as_ref().and_then(limit).map(|limit| (limit, String::new()));
        for (limit, scope) in of_method.into_iter().chain(of_plan) {
            if !self.keys.bucket(format!("{}/{key_id}/{scope}", plan.id)).take(limit, now) {
                return Ok(Ruling::Throttled);
            }
        }
        match self.use_quota(&stage.api.home, plan, key_id, now).await? {
            true => Ok(Ruling::Admitted),
            false => Ok(Ruling::UsedUp),
        }
    }

    /// The key with this value, if it may use the stage.
    async fn known_key(
        &self,
        stage: KeyedStage<'_>,
        value: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<KnownKey>>, Failure> {
        let name = format!("{stage}/{value}");
        let at_hand = self.keys.known.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if let Some((read, known)) = at_hand
            && (0..KEY_KEPT_MS).contains(&(now.millis() - read.millis()))
        {
            return Ok(Some(known));
        }
        let Some(known) = self.read_key(stage, value).await?.map(Arc::new) else { return Ok(None) };
        let mut keys = self.keys.known.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(name, (now, known.clone()));
        Ok(Some(known))
    }

    async fn read_key(&self, stage: KeyedStage<'_>, value: &str) -> Result<Option<KnownKey>, Failure> {
        let (api, from) = (stage.api, self.store.snapshot()?);
        let Some(id) = from.get(API_KEY_VALUES, &api.home.below(value)).await? else { return Ok(None) };
        let key = from.get(API_KEYS, &api.home.below(&id.0)).await?.filter(|key| key.enabled);
        let Some(key) = key else { return Ok(None) };
        let plan = match from.get(PLANS_OF_KEYS, &api.plan_of_key(stage.name, &key.id)).await? {
            Some(of) => from.get(USAGE_PLANS, &api.home.below(&of.plan_id)).await?,
            None => None,
        };
        let name = stage.to_string();
        let may = plan.is_some() || key.stage_keys.contains(&name);
        Ok(may.then_some(KnownKey { id: key.id, plan }))
    }
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

/// The line of a log where nobody needs a key.
pub(crate) fn not_needed(what: &str) -> String {
    format!(
        "API Key authorized because {what} does not require API Key. Request will not contribute to throttle or quota limits"
    )
}

/// A key as logs show it.
fn hidden(value: Option<&str>) -> String {
    let value = value.unwrap_or_default();
    let shown = value.char_indices().rev().nth(5).map_or("", |(at, _)| &value[at..]);
    format!("{}{shown}", "*".repeat(value.chars().count() - shown.chars().count()))
}

fn limit(settings: &ThrottleSettings) -> Option<Limit> {
    // A burst alone leaves the rate to the account.
    let rate = settings.rate_limit.or(settings.burst_limit.map(|_| ACCOUNT.rate))?;
    // Without a burst of its own a plan lets as many come at once as in a second.
    let burst =
        settings.burst_limit.map_or(rate.ceil().max(1.0) as u32, |burst| u32::try_from(burst).unwrap_or_default());
    Some(Limit { rate, burst })
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
