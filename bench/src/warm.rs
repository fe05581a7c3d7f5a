//! Requests to environments that are there already, one at a time over one connection, in turns with the bare server.

use std::time::Duration;

use crate::client::Connection;
use crate::hello::{self, Hello};
use crate::server::{Pools, Server};
use crate::statistics::Times;
use crate::table::{Goal, Row, Table};
use crate::{Bench, Failure};

const TURNS: usize = 12;
const REQUESTS_PER_TURN: usize = 250;
const WARM_UP: usize = 500;

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let hello = Hello::start()?;
    let mut bare = Connection::open(hello.address)?;
    let mut server = Server::start(bench, Pools::Default)?;
    for (name, function) in bench.functions.all() {
        server.create(name, function)?;
        let invocation = server.invocation(name)?;
        let mut connection = Connection::open(server.address)?;
        repeat(WARM_UP, &mut connection, &invocation, &mut Times::default())?;
        let (mut warm, mut baseline) = (Times::default(), Times::default());
        for _ in 0..TURNS {
            repeat(REQUESTS_PER_TURN, &mut connection, &invocation, &mut warm)?;
            repeat(REQUESTS_PER_TURN, &mut bare, hello::REQUEST, &mut baseline)?;
        }
        let over = |micros| Some(Goal::OverBaseline(Duration::from_micros(micros).into()));
        let (what, goal) = match name {
            "python" => ("Python", over(60)),
            "official" => ("Python by awslambdaric", over(200)),
            "node" => ("Node.js", None),
            "java" => ("Java", None),
            _ => ("custom runtime", None),
        };
        let row = Row::new(format!("warm {what}, one connection, p50"), warm.p50()).beside(baseline.p50());
        table.add(goal.into_iter().fold(row, Row::goal));
        table.add(Row::new(format!("warm {what}, one connection, p99"), warm.p99()).beside(baseline.p99()));
    }
    Ok(())
}

fn repeat(count: usize, connection: &mut Connection, request: &[u8], times: &mut Times) -> Result<(), Failure> {
    for _ in 0..count {
        times.take(|| connection.send(request))?.good()?;
    }
    Ok(())
}
