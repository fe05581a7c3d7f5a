//! Who may use which stages how much: usage plans, their keys, and the index by which a key finds its plan on a stage.
//!
//! The data plane reads the index, and writes what was used ([`UsageDay`]).

use base::{Error, Timestamp};
use store::{Key, Scan, Tx};

use super::error::{bad, conflict, missing};
use super::records::{
    Api, ApiStage, Home, PLANS_OF_KEYS, PlanOfKey, QuotaPeriodType, STAGES, USAGE, USAGE_PLAN_KEYS, USAGE_PLANS,
    UsageDay, UsagePlan,
};
use crate::edge::owner::{self, Kind, Owner};
use crate::{Failure, Gateway, http_api};

/// A day, in milliseconds.
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

pub(crate) fn no_key() -> Error {
    missing("Invalid API Key identifier specified")
}

pub(crate) fn no_plan() -> Error {
    missing("Invalid Usage Plan ID specified")
}

impl Gateway {
    /// Changes keys or plans; `work` says which APIs' callers may notice.
    pub(crate) async fn change_usage<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<(T, Vec<String>), Failure> + Send + 'static,
    {
        self.write_usage().await?;
        let (done, api_ids) = self.change_home(work).await?;
        self.forget_usage();
        api_ids.iter().for_each(|id| self.forget_api(id));
        Ok(done)
    }
}

/// A plan's stages: API and name of each.
pub(crate) fn stages_of(plan: &UsagePlan) -> impl Iterator<Item = (&str, &str)> {
    plan.api_stages.iter().flatten().filter_map(pair_of)
}

fn pair_of(stage: &ApiStage) -> Option<(&str, &str)> {
    Some((stage.api_id.as_deref()?, stage.stage.as_deref()?))
}

/// The APIs of a plan's stages.
pub(crate) fn apis_of(plan: &UsagePlan) -> Vec<String> {
    stages_of(plan).map(|(api_id, _)| api_id.to_owned()).collect()
}

/// The ids of a plan's keys.
pub(crate) fn keys_of(tx: &Tx<'_>, home: &Home, plan_id: &str) -> Result<Vec<String>, Failure> {
    let found = tx.scan(USAGE_PLAN_KEYS, home.all_below(plan_id))?;
    Ok(found.into_iter().map(|(key, _)| super::api::last(&key)).collect())
}

/// Lets keys use a plan's stages. A key may have one plan on a stage.
pub(crate) fn bind(tx: &mut Tx<'_>, home: &Home, plan: &UsagePlan, key_ids: &[String]) -> Result<(), Failure> {
    for (api_id, stage) in stages_of(plan) {
        for key_id in key_ids {
            let at = home.api(api_id).plan_of_key(stage, key_id);
            if tx.get(PLANS_OF_KEYS, &at)?.is_some_and(|other| other.plan_id != plan.id) {
                let words = format!(
                    "Usage Plan Key {key_id} is already associated with another usage plan for API Stage {api_id}:{stage}"
                );
                return Err(conflict(words).into());
            }
            tx.put(PLANS_OF_KEYS, &at, &PlanOfKey { plan_id: plan.id.clone() })?;
        }
    }
    Ok(())
}

/// Takes a plan's stages from keys.
pub(crate) fn unbind(tx: &mut Tx<'_>, home: &Home, plan: &UsagePlan, key_ids: &[String]) -> Result<(), Failure> {
    for (api_id, stage) in stages_of(plan) {
        for key_id in key_ids {
            tx.delete(PLANS_OF_KEYS, &home.api(api_id).plan_of_key(stage, key_id))?;
        }
    }
    Ok(())
}

/// Takes a stage that ends, or all stages of an API, from all plans.
pub(crate) fn forget_stage(tx: &mut Tx<'_>, api: &Api, stage: Option<&str>) -> Result<(), Failure> {
    let ends =
        |one: &ApiStage| one.api_id.as_deref() == Some(&api.id) && (stage.is_none() || one.stage.as_deref() == stage);
    for (key, mut plan) in tx.scan(USAGE_PLANS, api.home.all())? {
        let stages = plan.api_stages.get_or_insert_default();
        if stages.iter().any(ends) {
            stages.retain(|one| !ends(one));
            tx.put(USAGE_PLANS, &key, &plan)?;
        }
    }
    let home = &api.home;
    let under = (home.account.as_str(), home.region.as_str(), api.id.as_str());
    let all = match stage {
        Some(stage) => Scan::under((under.0, under.1, under.2, stage)),
        None => Scan::under(under),
    };
    tx.delete_range(PLANS_OF_KEYS, all)?;
    Ok(())
}

/// Refuses stages that are not there, in the words for a plan that is there already if there is one.
pub(crate) fn check_stage(tx: &Tx<'_>, home: &Home, stage: &ApiStage, plan_id: Option<&str>) -> Result<(), Failure> {
    let (api_id, name) = pair_of(stage).ok_or_else(|| bad("Both API ID and stage must be specified"))?;
    if tx.exists(STAGES, &home.deep(api_id, name))? || is_socket_stage(tx, home, api_id, name)? {
        return Ok(());
    }
    Err(match plan_id {
        Some(plan_id) => no_stage(api_id, name, plan_id),
        None => missing(format!("API Stage not found: {api_id}:{name}")),
    }
    .into())
}

/// AWS's words for a stage that a plan has not, or cannot have.
pub(crate) fn no_stage(api_id: &str, name: &str, plan_id: &str) -> Error {
    missing(format!("Invalid API Stage {{api: {api_id}, stage: {name}}} specified for usageplan {plan_id}"))
}

/// Whether there is such a stage of a WebSocket API. HTTP APIs have no keys.
fn is_socket_stage(tx: &Tx<'_>, home: &Home, api_id: &str, name: &str) -> store::Result<bool> {
    let ours = Owner::new(home.account, &home.region, Kind::WebSocket);
    Ok(owner::of(tx, api_id)? == Some(ours) && tx.exists(http_api::records::STAGES, &Key::of((api_id, name)))?)
}

/// The key of what a key used of a plan's quota on one day.
pub(crate) fn usage_key(home: &Home, plan_id: &str, key_id: &str, day: Timestamp) -> Key {
    let day = day_text(day);
    Key::of((home.account.as_str(), home.region.as_str(), plan_id, key_id, day.as_str()))
}

/// A day as usage names it: `2024-12-31`.
pub(crate) fn day_text(day: Timestamp) -> String {
    day.to_date_time().chars().take(10).collect()
}

/// Reads a day.
pub(crate) fn read_day(text: &str) -> Result<Timestamp, Error> {
    let read = (text.len() == 10).then(|| Timestamp::parse_date_time(&format!("{text}T00:00:00Z"))).flatten();
    read.ok_or_else(|| bad(format!("Invalid date specified: {text}. The format is yyyy-MM-dd")))
}

/// The beginning of the quota's period in which a time lies.
pub(crate) fn period_start(period: QuotaPeriodType, now: Timestamp) -> Timestamp {
    let day = now.millis().div_euclid(DAY_MS);
    let days = match period {
        QuotaPeriodType::Day => day,
        // Day 0 was a Thursday; weeks begin on Sunday.
        QuotaPeriodType::Week => day - (day + 4).rem_euclid(7),
        QuotaPeriodType::Month => day - i64::from(now.civil().day) + 1,
    };
    Timestamp::from_millis(days * DAY_MS)
}

/// What a key used and what remained, day by day.
pub(crate) fn days(
    tx: &Tx<'_>,
    home: &Home,
    plan: &UsagePlan,
    key_id: &str,
    first: Timestamp,
    last: Timestamp,
) -> Result<Vec<Vec<i64>>, Failure> {
    let (mut shown, mut day) = (Vec::new(), first);
    while day <= last {
        let today = tx.get(USAGE, &usage_key(home, &plan.id, key_id, day))?;
        let today = match today {
            Some(today) => today,
            None => UsageDay { used: 0, remaining: remaining_before(tx, home, plan, key_id, day)? },
        };
        shown.push(vec![today.used, today.remaining]);
        day = day.plus_millis(DAY_MS);
    }
    Ok(shown)
}

/// What remained of the period's limit when a day began.
pub(crate) fn remaining_before(
    tx: &Tx<'_>,
    home: &Home,
    plan: &UsagePlan,
    key_id: &str,
    day: Timestamp,
) -> Result<i64, Failure> {
    let quota = plan.quota.unwrap_or_default();
    let limit = i64::from(quota.limit.unwrap_or_default());
    let start = period_start(quota.period.unwrap_or(QuotaPeriodType::Day), day);
    let mut before = day.plus_millis(-DAY_MS);
    while before >= start {
        if let Some(found) = tx.get(USAGE, &usage_key(home, &plan.id, key_id, before))? {
            return Ok(found.remaining);
        }
        before = before.plus_millis(-DAY_MS);
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_in_utc() {
        let at = |text: &str| Timestamp::parse_date_time(text).unwrap();
        for (period, start) in [
            (QuotaPeriodType::Day, "2024-12-31"),
            (QuotaPeriodType::Week, "2024-12-29"),
            (QuotaPeriodType::Month, "2024-12-01"),
        ] {
            assert_eq!(day_text(period_start(period, at("2024-12-31T23:59:59Z"))), start);
        }
        assert_eq!(day_text(period_start(QuotaPeriodType::Week, at("2024-12-29T00:00:00Z"))), "2024-12-29");
        assert!(read_day("2024-13-01").is_err());
        assert!(read_day("2024-1-1").is_err());
    }
}
