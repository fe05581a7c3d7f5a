//! What is worth knowing of a whole log.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::access_log::Entry;

/// How many paths are listed.
const PATHS_MAX: usize = 5;

#[derive(Debug, Serialize)]
pub struct Summary {
    pub requests: usize,
    pub lines_not_understood: usize,
    pub clients: usize,
    pub bytes: u64,
    /// By class: `2xx`, `4xx`, …
    pub statuses: BTreeMap<String, usize>,
    pub methods: BTreeMap<String, usize>,
    pub latency_ms: Latency,
    /// The busiest, busiest first.
    pub paths: Vec<PathSummary>,
    /// Requests by hour.
    pub hours: BTreeMap<String, usize>,
}

#[derive(Debug, Serialize)]
pub struct Latency {
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

#[derive(Debug, Serialize)]
pub struct PathSummary {
    pub path: String,
    pub requests: usize,
    pub errors: usize,
    pub p95_ms: f64,
}

impl Summary {
    /// `None` if no line is understood.
    pub fn of(log: &str) -> Option<Summary> {
        let lines = log.lines().filter(|line| !line.trim().is_empty());
        let (mut entries, mut lines_not_understood) = (Vec::new(), 0);
        for line in lines {
            match Entry::parse(line) {
                Some(entry) => entries.push(entry),
                None => lines_not_understood += 1,
            }
        }
        Some(Summary {
            requests: entries.len(),
            lines_not_understood,
            clients: entries.iter().map(|entry| entry.client).collect::<HashSet<_>>().len(),
            bytes: entries.iter().map(|entry| entry.bytes).sum(),
            statuses: count(entries.iter().map(|entry| format!("{}xx", entry.status / 100))),
            methods: count(entries.iter().map(|entry| entry.method.to_owned())),
            latency_ms: Latency::of(entries.iter().map(|entry| entry.seconds).collect())?,
            paths: busiest(&entries),
            hours: count(entries.iter().map(|entry| entry.hour.to_owned())),
        })
    }
}

impl Latency {
    fn of(mut seconds: Vec<f64>) -> Option<Latency> {
        seconds.sort_by(f64::total_cmp);
        let max = *seconds.last()?;
        let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
        let percentile = |percent| milliseconds(nearest_rank(&seconds, percent));
        Some(Latency {
            mean: milliseconds(mean),
            p50: percentile(50),
            p95: percentile(95),
            p99: percentile(99),
            max: milliseconds(max),
        })
    }
}

fn busiest(entries: &[Entry]) -> Vec<PathSummary> {
    let mut by_path: HashMap<&str, Vec<&Entry>> = HashMap::new();
    for entry in entries {
        by_path.entry(entry.path).or_default().push(entry);
    }
    let mut paths: Vec<PathSummary> = by_path
        .into_iter()
        .map(|(path, entries)| PathSummary {
            path: path.to_owned(),
            requests: entries.len(),
            errors: entries.iter().filter(|entry| entry.status >= 500).count(),
            p95_ms: {
                let mut seconds: Vec<f64> = entries.iter().map(|entry| entry.seconds).collect();
                seconds.sort_by(f64::total_cmp);
                milliseconds(nearest_rank(&seconds, 95))
            },
        })
        .collect();
    paths.sort_by(|one, other| other.requests.cmp(&one.requests).then_with(|| one.path.cmp(&other.path)));
    paths.truncate(PATHS_MAX);
    paths
}

/// Of sorted numbers, at least one: the smallest that `percent` of them do not exceed.
fn nearest_rank(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent).div_ceil(100) - 1]
}

fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

fn count(names: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    names.fold(BTreeMap::new(), |mut counts, name| {
        *counts.entry(name).or_default() += 1;
        counts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_ranks() {
        let line = |path: &str, status: u16, seconds: f64| {
            format!(r#"192.0.2.1 - - [20/Nov/2026:16:42:10 +0000] "GET {path} HTTP/1.1" {status} 10 "-" "-" {seconds}"#)
        };
        let log = [line("/a", 200, 0.01), line("/b", 503, 0.5), line("/a", 404, 0.02), "junk".to_owned()].join("\n");
        let summary = Summary::of(&log).unwrap();
        assert_eq!((summary.requests, summary.lines_not_understood, summary.clients, summary.bytes), (3, 1, 1, 30));
        assert_eq!((summary.latency_ms.p50, summary.latency_ms.max), (20.0, 500.0));
        assert_eq!((summary.paths[0].path.as_str(), summary.paths[0].requests), ("/a", 2));
        assert_eq!(summary.paths[1].errors, 1);
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert!(Summary::of("\njunk\n").is_none());
    }
}
