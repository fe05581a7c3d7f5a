//! `GET /_updraft/metrics`: the node as Prometheus reads it. Lambda's metrics come from CloudWatch's intake; here are
//! environments, pools, the store and the process.

use std::fmt::{Display, Write};

use crate::house::House;

/// Prometheus's text format.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The clock ticks in which Linux tells processor time: 100 a second on every architecture that we run on.
const TICKS_PER_SEC: f64 = 100.0;

pub(crate) fn write(house: &House) -> String {
    let mut page = Page(house.cloudwatch.exposition());
    let environments = house.lambda.environments();
    page.family("updraft_lambda_environments", "gauge", "Execution environments by state.");
    page.sample("updraft_lambda_environments", "state=\"idle\"", environments.idle);
    page.sample("updraft_lambda_environments", "state=\"working\"", environments.working);
    let pools = house.engine.pools();
    page.family("updraft_pool_ready", "gauge", "Parked sandboxes ready to be taken.");
    pools.iter().for_each(|pool| page.sample("updraft_pool_ready", &format!("pool=\"{}\"", pool.name), pool.ready));
    page.family("updraft_pool_target", "gauge", "Parked sandboxes that the pool keeps.");
    pools.iter().for_each(|pool| page.sample("updraft_pool_target", &format!("pool=\"{}\"", pool.name), pool.target));
    page.family("updraft_launches_total", "counter", "Sandboxes launched, by pool and way.");
    for pool in &pools {
        for (way, count) in [("parked", pool.parked), ("zygote", pool.zygote), ("exec", pool.exec)] {
            page.sample("updraft_launches_total", &format!("pool=\"{}\",way=\"{way}\"", pool.name), count);
        }
    }
    page.family("updraft_store_revision", "counter", "Transactions that the store has told of.");
    page.sample("updraft_store_revision", "", house.store.revision());
    page.family("updraft_uptime_seconds", "gauge", "Since the node became ready.");
    page.sample("updraft_uptime_seconds", "", house.ready_at.elapsed().as_secs());
    process(&mut page);
    page.0
}

/// Memory, processor time and descriptors of the server itself, under the names that Prometheus's own clients use.
fn process(page: &mut Page) {
    if let Ok(stat) = std::fs::read_to_string("/proc/self/stat") {
        // The name in brackets may hold anything; fields are counted from behind it, the third on.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        page.family("process_cpu_seconds_total", "counter", "Processor time.");
        page.sample("process_cpu_seconds_total", "", (ticks(11) + ticks(12)) / TICKS_PER_SEC);
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|text| text.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        page.family("process_resident_memory_bytes", "gauge", "Resident memory.");
        page.sample("process_resident_memory_bytes", "", kib.unwrap_or_default() * 1024);
    }
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        page.family("process_open_fds", "gauge", "Open descriptors.");
        page.sample("process_open_fds", "", descriptors.count());
    }
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}
