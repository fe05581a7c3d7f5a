//! What a warm function notices of others that spin on every processor, and of one that is a fork bomb, beside what it needs
//! while nothing else runs, measured just before. What it notices of a thousand cold starts is in `burst`.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::Connection;
use crate::functions::{self, Function};
use crate::server::{Pools, Server};
use crate::statistics::Times;
use crate::table::{Goal, Row, Table};
use crate::{Bench, Failure};

/// Requests before the others begin.
const QUIET: usize = 2_000;

/// Until the others are under way, and how long the neighbour is measured then. They last six seconds, which is a little longer.
const BEFORE: Duration = Duration::from_millis(700);
const MEASURED: Duration = Duration::from_secs(4);

/// Spinning requests for each processor.
const SPINNERS_EACH: usize = 2;

const SPIN: &str = "import time\ndef handler(event, context):\n    end = time.time() + 6\n    \
    while time.time() < end:\n        pass\n";

const BOMB: &str = "import os, time\ndef handler(event, context):\n    me, end = os.getpid(), time.time() + 6\n    \
    while time.time() < end:\n        try:\n            os.fork()\n        except OSError:\n            pass\n    \
    if os.getpid() != me:\n        os._exit(0)\n";

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let Some(python) = &bench.functions.python else { return Err("there is no Python".into()) };
    let spinners = std::thread::available_parallelism()?.get() * SPINNERS_EACH;
    for (what, source, requests) in [("spinning functions", SPIN, spinners), ("a fork bomb", BOMB, 1)] {
        let mut server = Server::start(bench, Pools::Default)?;
        let zip = functions::zip(&[("app.py", source.as_bytes())])?;
        server.create("other", &Function { runtime: python.runtime.clone(), handler: python.handler, zip })?;
        server.create("neighbour", python)?;
        server.fill()?;
        let (neighbour, other) = (server.invocation("neighbour")?, server.invocation("other")?);
        let mut connection = Connection::open(server.address)?;
        let mut quiet = Times::default();
        for _ in 0..QUIET {
            quiet.take(|| connection.send(&neighbour))?.good()?;
        }
        let mut noisy = beside(server.address, &other, requests, || requests_of(&mut connection, &neighbour))?;
        let row = Row::new(format!("a warm neighbour beside {what}, p99, and its quiet p99"), noisy.p99());
        table.add(row.beside(quiet.p99()).goal(Goal::RatioAtMost(3.0)));
        let row = Row::new(format!("  p50 beside {what}, and quiet"), noisy.p50());
        table.add(row.beside(quiet.p50()));
    }
    Ok(())
}

/// Does something while so many requests are under way, and waits for their end: beside one that was refused it was alone.
fn beside<T>(
    address: SocketAddr,
    request: &[u8],
    requests: usize,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    std::thread::scope(|threads| {
        let other = move || Connection::open(address)?.send(request)?.good();
        let others: Vec<_> = (0..requests).map(|_| threads.spawn(other)).collect();
        std::thread::sleep(BEFORE);
        let done = work()?;
        for other in others {
            other.join().map_err(|_| "a thread panicked")??;
        }
        Ok(done)
    })
}

/// One after the other, with pauses. From a client that does not wait for a processor itself: elsewhere it would be another machine's.
fn requests_of(connection: &mut Connection, request: &[u8]) -> Result<Times, Failure> {
    let mut times = Times::default();
    let end = std::time::Instant::now() + MEASURED;
    first_in_turn();
    while std::time::Instant::now() < end {
        times.take(|| connection.send(request))?.good()?;
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(times)
}

/// Lets the calling thread go before what is measured, as far as that leaves its share alone.
pub(crate) fn first_in_turn() {
    let _ = sandbox::turns::take(0, sandbox::turns::Turn::First); // a kernel that has no turns
}
