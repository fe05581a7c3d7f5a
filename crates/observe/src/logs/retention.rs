//! Removing what has expired and what was deleted. Expired events are hidden from readers at once ([`horizon_ms`]); this
//! only gives their space back, so it may run late and twice.

use std::sync::{Arc, Weak};
use std::time::Duration;

use store::{Key, Scan};

use super::records::{EVENTS, GROUPS, Group, Position, STREAMS};
use super::{Logs, groups};

/// How often expired events are looked for. AWS takes up to 72 hours.
const SWEEP_INTERVAL: Duration = Duration::from_secs(3600);

const DAY_MS: i64 = 86_400_000;
const EVENTS_PER_STEP: usize = 2_000;

/// The days that AWS takes for a retention policy.
pub(super) const DAYS: [i32; 23] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653, 3654];

/// Events before this time have expired.
pub(super) fn horizon_ms(group: &Group, now_ms: i64) -> i64 {
    group.retention_days.map_or(i64::MIN, |days| now_ms - i64::from(days) * DAY_MS)
}

pub(super) fn start(logs: &Arc<Logs>) {
    tokio::spawn(run(Arc::downgrade(logs)));
}

async fn run(logs: Weak<Logs>) {
    // What a crash left half removed goes first.
    let mut pause = Duration::from_secs(1);
    loop {
        tokio::time::sleep(pause).await;
        let Some(logs) = logs.upgrade() else { return };
        if let Err(error) = sweep(&logs).await {
            tracing::warn!(%error, "expired log events could not be removed; trying again in an hour");
        }
        pause = SWEEP_INTERVAL;
    }
}

async fn sweep(logs: &Logs) -> store::Result<()> {
    groups::sweep(logs).await?;
    let now_ms = logs.clock.now().millis();
    for (_, group) in logs.store.scan(GROUPS, Scan::all()).await? {
        let horizon = horizon_ms(&group, now_ms);
        if horizon == i64::MIN {
            continue;
        }
        for (key, stream) in logs.store.scan(STREAMS, Scan::under(group.id.as_str())).await? {
            if stream.first_event_ms.is_some_and(|first| first < horizon) {
                expire(logs, &key, horizon).await?;
            }
        }
    }
    Ok(())
}

async fn expire(logs: &Logs, stream: &Key, horizon_ms: i64) -> store::Result<()> {
    let Some((group, name)) = stream.parts::<(String, String)>() else { return Ok(()) };
    loop {
        let (group, name) = (group.clone(), name.clone());
        let removed = logs
            .store
            .transact(move |tx| {
                let until = super::records::event_key(&group, &name, Position::start_of(horizon_ms));
                tx.delete_range(EVENTS, Scan::under((&*group, &*name)).until(until).limit(EVENTS_PER_STEP))
            })
            .await?;
        if removed < EVENTS_PER_STEP {
            return Ok(());
        }
    }
}
