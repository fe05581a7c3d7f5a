//! Quotas: how often a key has been used under its plan. Counted in memory and written in batches, some hundred milliseconds
//! later, so that no request waits for the store; what a crash loses is that much.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base::Timestamp;
use store::{Key, Scan};

use crate::rest::records::{Home, QuotaPeriodType, QuotaSettings, USAGE, UsageDay, UsagePlan};
use crate::rest::usage::{day_text, period_start};
use crate::{Failure, Gateway};

/// How long counts wait to be written.
const WRITE_AFTER: Duration = Duration::from_millis(300);

/// Counts of keys under their plans.
#[derive(Default)]
pub(crate) struct Usages(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    counters: HashMap<Counted, Counter>,
    /// Somebody will write soon.
    is_writing: bool,
}

/// A key under a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Counted {
    account: String,
    region: String,
    plan_id: String,
    key_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Counter {
    /// `2026-11-25`
    day: String,
    count: UsageDay,
    /// The plan's when it was counted last: a new one moves what remains.
    limit: i64,
    is_written: bool,
}

impl Counted {
    fn new(home: &Home, plan_id: &str, key_id: &str) -> Counted {
        Counted {
            account: home.account.to_string(),
            region: home.region.to_string(),
            plan_id: plan_id.to_owned(),
            key_id: key_id.to_owned(),
        }
    }

    fn all_days(&self) -> Scan {
        Scan::under((self.account.as_str(), self.region.as_str(), self.plan_id.as_str(), self.key_id.as_str()))
    }

    fn key(&self, day: &str) -> Key {
        Key::of((self.account.as_str(), self.region.as_str(), self.plan_id.as_str(), self.key_id.as_str(), day))
    }
}

impl Counts {
    /// Counts one use today; none if today's count is not at hand.
    fn count(&mut self, counted: &Counted, today: &str, limit: i64) -> Option<bool> {
        let counter = self.counters.get_mut(counted).filter(|counter| counter.day == today)?;
        counter.count.remaining += limit - counter.limit;
        counter.limit = limit;
        if counter.count.remaining <= 0 {
            return Some(false);
        }
        counter.count.used += 1;
        counter.count.remaining -= 1;
        counter.is_written = false;
        Some(true)
    }
}

impl Usages {
    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    /// Counts a use of a key under its plan; false if the plan's quota does not allow it.
    pub(super) async fn use_quota(
        &self,
        home: &Home,
        plan: &UsagePlan,
        key_id: &str,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let (counted, today) = (Counted::new(home, &plan.id, key_id), day_text(now));
        // Without a quota it is counted all the same: usage can be asked for.
        let limit = plan.quota.and_then(|quota| quota.limit).map_or(i64::MAX / 2, i64::from);
        let at_hand = self.usages.lock().count(&counted, &today, limit);
        let may = match at_hand {
            Some(may) => may,
            None => {
                self.write_usage().await?;
                let count = self.read_usage(&counted, plan.quota.as_ref(), limit, now).await?;
                let mut counts = self.usages.lock();
                // Whoever else read it at the same time has perhaps counted already.
                let is_there = counts.counters.get(&counted).is_some_and(|counter| counter.day == today);
                if !is_there {
                    let counter = Counter { day: today.clone(), count, limit, is_written: true };
                    counts.counters.insert(counted.clone(), counter);
                }
                counts.count(&counted, &today, limit).unwrap_or_default()
            }
        };
        self.write_soon();
        Ok(may)
    }

    /// Today's count as it is stored, or as it begins.
    async fn read_usage(
        &self,
        counted: &Counted,
        quota: Option<&QuotaSettings>,
        limit: i64,
        now: Timestamp,
    ) -> Result<UsageDay, Failure> {
        let days = self.store.scan(USAGE, counted.all_days()).await?;
        let days = days.into_iter().filter_map(|(key, count)| {
            let (_, _, _, _, day) = key.parts::<(String, String, String, String, String)>()?;
            Some((day, count))
        });
        let days: Vec<(String, UsageDay)> = days.collect();
        let period = quota.and_then(|quota| quota.period).unwrap_or(QuotaPeriodType::Day);
        let (today, start) = (day_text(now), day_text(period_start(period, now)));
        let used = days.iter().find(|(day, _)| *day == today).map_or(0, |(_, count)| count.used);
        let offset = quota.and_then(|quota| quota.offset).map_or(0, i64::from);
        let remaining = match days.iter().rfind(|(day, _)| *day >= start) {
            Some((_, count)) => count.remaining,
            None if days.is_empty() => limit - offset,
            None => limit,
        };
        Ok(UsageDay { used, remaining })
    }

    /// Has counts written in a while, unless somebody does already.
    fn write_soon(&self) {
        let mut counts = self.usages.lock();
        let has_new = counts.counters.values().any(|counter| !counter.is_written);
        if counts.is_writing || !has_new {
            return;
        }
        counts.is_writing = true;
        let gateway = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(WRITE_AFTER).await;
            gateway.usages.lock().is_writing = false;
            if let Err(error) = gateway.write_usage().await {
                tracing::error!(%error, "what API keys used cannot be written");
            }
        });
    }

    /// Writes all counts that are not written yet. Whoever reads usage from the store calls this before.
    pub(crate) async fn write_usage(&self) -> Result<(), Failure> {
        let new: Vec<(Counted, Counter)> = {
            let counts = self.usages.lock();
            let new = counts.counters.iter().filter(|(_, counter)| !counter.is_written);
            new.map(|(counted, counter)| (counted.clone(), counter.clone())).collect()
        };
        if new.is_empty() {
            return Ok(());
        }
        let written = new.clone();
        self.store
            .transact(move |tx| {
                for (counted, counter) in &written {
                    tx.put(USAGE, &counted.key(&counter.day), &counter.count)?;
                }
                Ok::<_, Failure>(())
            })
            .await?;
        let mut counts = self.usages.lock();
        for (counted, counter) in new {
            if let Some(now) = counts.counters.get_mut(&counted).filter(|now| **now == counter) {
                now.is_written = true;
            }
        }
        Ok(())
    }

    /// Forgets all counts, once the control plane has changed what is stored.
    pub(crate) fn forget_usage(&self) {
        self.usages.lock().counters.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_used_up_and_may_grow() {
        let counted = Counted {
            account: "1".to_owned(),
            region: "r".to_owned(),
            plan_id: "p".to_owned(),
            key_id: "k".to_owned(),
        };
        let mut counts = Counts::default();
        assert_eq!(counts.count(&counted, "today", 2), None);
        let count = UsageDay { used: 0, remaining: 2 };
        let counter = Counter { day: "today".to_owned(), count, limit: 2, is_written: true };
        counts.counters.insert(counted.clone(), counter);
        let mut may = |limit| counts.count(&counted, "today", limit);
        assert_eq!([may(2), may(2), may(2), may(3), may(3)], [true, true, false, true, false].map(Some));
        assert_eq!(counts.counters[&counted].count, UsageDay { used: 3, remaining: 0 });
        assert_eq!(counts.count(&counted, "tomorrow", 2), None);
    }
}
