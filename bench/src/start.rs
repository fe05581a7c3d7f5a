//! The server from its start to `Ready.`, and what it holds in memory then, with no pools.

use std::time::Duration;

use crate::memory;
use crate::server::{Pools, Server};
use crate::statistics::Times;
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure};

const ROUNDS: usize = 7;

/// Until tasks of the start have ended.
const SETTLE: Duration = Duration::from_millis(700);

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let mut ready = Times::default();
    let (mut own, mut spawner) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let server = Server::start(bench, Pools::None)?;
        ready.add(server.ready_in);
        std::thread::sleep(SETTLE);
        own.push(memory::resident_mb(server.id()));
        spawner.push(memory::proportional_mb_below(server.id()));
    }
    own.sort_by(f64::total_cmp);
    spawner.sort_by(f64::total_cmp);
    let at_most_50_ms = Goal::AtMost(Duration::from_millis(50).into());
    table.add(Row::new("server: start to Ready.", ready.p50()).goal(at_most_50_ms));
    let at_most_20_mib = Goal::AtMost(Figure::Megabytes(20.0));
    table
        .add(Row::new("server: resident when idle, no pools", Figure::Megabytes(own[ROUNDS / 2])).goal(at_most_20_mib));
    table.add(Row::new("  its spawner and zygotes (PSS)", Figure::Megabytes(spawner[ROUNDS / 2])));
    Ok(())
}
