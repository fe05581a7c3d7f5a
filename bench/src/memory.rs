//! Memory of idle sandboxes, by two measures: the processes' proportional share, and what the host has less of.
//!
//! The second counts everything (page tables, sockets, control groups, the server's own books) but also whatever else
//! happens on the machine meanwhile.

use std::time::Duration;

use crate::client::Connection;
use crate::server::{Pools, Server};
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure};

/// Until what has been used is frozen and what is freed is given back.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let with_boto3 = bench.packs.is_some();
    let mut server = Server::start(bench, Pools::None)?;
    for (name, function) in bench.functions.all() {
        let (what, count, goal) = match name {
            "custom" => ("custom runtime", 30, Some(0.5)),
            "python" if with_boto3 => ("Python, boto3 at hand", 30, Some(3.0)),
            "python" => ("Python", 30, Some(2.5)),
            "node" => ("Node.js", 12, Some(6.5)),
            "java" => ("Java", 8, Some(17.5)),
            _ => continue,
        };
        // One first, and then what all of them together have more: what they share is not to be counted.
        invoke_new(&mut server, &format!("{name}-first"), function)?;
        std::thread::sleep(SETTLE);
        let (available, held) = (available_mb(), proportional_mb_below(server.id()));
        for number in 0..count {
            invoke_new(&mut server, &format!("{name}-{number}"), function)?;
        }
        std::thread::sleep(SETTLE);
        let share = (proportional_mb_below(server.id()) - held) / f64::from(count);
        let host = (available - available_mb()) / f64::from(count);
        let row = Row::new(format!("memory of an idle sandbox, {what} (PSS)"), Figure::Megabytes(share));
        table.add(goal.map(|mb| Goal::AtMost(Figure::Megabytes(mb))).into_iter().fold(row, Row::goal));
        table.add(Row::new(format!("memory of an idle sandbox, {what} (MemAvailable)"), Figure::Megabytes(host)));
    }
    Ok(())
}

fn invoke_new(server: &mut Server, name: &str, function: &crate::functions::Function) -> Result<(), Failure> {
    server.create(name, function)?;
    Connection::open(server.address)?.send(&server.invocation(name)?)?.good().map(drop)
}

/// Resident memory of all processes below this one, shared pages counted once, in MiB.
pub(crate) fn proportional_mb_below(process: u32) -> f64 {
    descendants(process).into_iter().map(proportional_mb).sum()
}

/// All processes below this one.
fn descendants(of: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let other_tasks = std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let others = other_tasks.filter(|task| task.file_name().to_string_lossy() != of.to_string());
    let of_threads = others.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let mut found = Vec::new();
    for list in std::iter::once(children).chain(of_threads) {
        for child in list.split_whitespace().filter_map(|id| id.parse().ok()) {
            found.push(child);
            found.extend(descendants(child));
        }
    }
    found
}

/// Resident memory, in MiB.
pub(crate) fn resident_mb(process: u32) -> f64 {
    kilobytes(&format!("/proc/{process}/status"), "VmRSS:") / 1024.0
}

/// Resident memory with shared pages divided among those who share them, in MiB.
fn proportional_mb(process: u32) -> f64 {
    kilobytes(&format!("/proc/{process}/smaps_rollup"), "Pss:") / 1024.0
}

/// Processor time that a process has used, to a hundredth of a second.
pub(crate) fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(ticks * 10)
}

fn available_mb() -> f64 {
    kilobytes("/proc/meminfo", "MemAvailable:") / 1024.0
}

fn kilobytes(file: &str, field: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
