//! Traces go after 30 days, as on AWS.

use std::sync::{Arc, Weak};
use std::time::Duration;

use store::{Durability, Key, Scan};

use super::XRay;
use super::records::{self, TIMES};

const KEPT_MS: i64 = 30 * 86_400_000;
const SWEEP_INTERVAL: Duration = Duration::from_secs(3600);
/// Traces looked at a time, and removed in one transaction.
const LOOKED_AT: usize = 5_000;
const REMOVED: usize = 20;

pub(super) fn start(xray: &Arc<XRay>) {
    tokio::spawn(run(Arc::downgrade(xray)));
}

async fn run(xray: Weak<XRay>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(xray) = xray.upgrade() else { return };
        if let Err(error) = sweep(&xray).await {
            tracing::warn!(%error, "old traces could not be removed; trying again in an hour");
        }
    }
}

async fn sweep(xray: &XRay) -> store::Result<()> {
    let horizon_ms = xray.clock.now().millis() - KEPT_MS;
    let mut after: Option<Key> = None;
    loop {
        let mut scan = Scan::all().limit(LOOKED_AT);
        if let Some(after) = after.take() {
            scan = scan.after(after);
        }
        let page = xray.store.scan(TIMES, scan).await?;
        let is_old = |key: &Key| key.parts::<(String, String, i64, String)>().is_some_and(|parts| parts.2 < horizon_ms);
        let old: Vec<Key> = page.iter().map(|(key, _)| key).filter(|key| is_old(key)).cloned().collect();
        for part in old.chunks(REMOVED) {
            let part = part.to_vec();
            let work = move |tx: &mut store::Tx<'_>| part.iter().try_for_each(|key| records::remove(tx, key));
            xray.store.transact_with(Durability::Buffered, work).await?;
        }
        match page.last() {
            Some((key, _)) if page.len() == LOOKED_AT => after = Some(key.clone()),
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use base::{AccountId, Clock, Region, Timestamp};
    use store::Store;

    use super::super::records::{SEGMENTS, SEGMENTS_MAX, TRACES};
    use super::*;

    fn document(trace: u32, segment: u32, start: i64) -> String {
        format!(
            r#"{{"id":"{segment:016x}","trace_id":"1-00000000-{trace:024x}","name":"s","start_time":{start},"end_time":{}}}"#,
            start + 1
        )
    }

    #[tokio::test]
    async fn old_traces_go_with_all_that_is_theirs_and_large_ones_are_cut() {
        let clock = Clock::held(Timestamp::from_secs(1_800_000_000));
        let xray = XRay::start(Store::in_memory(store::system_clock()), clock.clone(), None);
        let (account, region) = (AccountId::DEFAULT, Region::default());
        for segment in 0..SEGMENTS_MAX + 5 {
            xray.sink().put(account, &region, document(1, segment, 1_800_000_000));
        }
        xray.sink().put(account, &region, document(2, 1, 1_800_000_000 + 86_400));
        xray.sink().put(account, &region, document(2, 1, 1_800_000_000 + 86_399));
        xray.sink().put(account, &region, "no document".to_owned());
        xray.flush().await;
        let count = async || {
            let segments = xray.store.scan(SEGMENTS, Scan::all()).await.unwrap().len();
            let times = xray.store.scan(TIMES, Scan::all()).await.unwrap().len();
            (segments, xray.store.scan(TRACES, Scan::all()).await.unwrap().len(), times)
        };
        assert_eq!(count().await, (SEGMENTS_MAX as usize + 1, 2, 2));
        clock.advance_ms(KEPT_MS + 1);
        sweep(&xray).await.unwrap();
        assert_eq!(count().await, (1, 1, 1));
        clock.advance_ms(2 * 86_400_000);
        sweep(&xray).await.unwrap();
        assert_eq!(count().await, (0, 0, 0));
    }
}
