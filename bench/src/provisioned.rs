//! The first request on provisioned concurrency, of a function whose init takes a second, beside warm requests to the same
//! environment. Each round has a version of its own, so that nobody has called its environment before.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::client::Connection;
use crate::functions::{self, Function};
use crate::server::{Pools, Server};
use crate::statistics::Times;
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure};

const ROUNDS: usize = 12;
const WARM_PER_ROUND: usize = 50;

/// How long one environment may take to be initialised.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

const SLOW_INIT: &str = "import time\ntime.sleep(1)\ndef handler(event, context):\n    return event\n";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Standing {
    status: String,
}

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let Some(python) = &bench.functions.python else { return Err("there is no Python".into()) };
    let zip = functions::zip(&[("app.py", SLOW_INIT.as_bytes())])?;
    let function = Function { runtime: python.runtime.clone(), handler: python.handler, zip };
    let mut server = Server::start(bench, Pools::Default)?;
    server.create("slow-init", &function)?;
    let mut connection = Connection::open(server.address)?;
    let (mut first, mut warm) = (Times::default(), Times::default());
    for round in 0..ROUNDS {
        once_settled(|| server.change("slow-init", round, None))?;
        let version = publish(&mut server)?;
        provision(&mut server, &version)?;
        let invocation = server.invocation(&format!("slow-init:{version}"))?;
        first.take(|| connection.send(&invocation))?.good()?;
        for _ in 0..WARM_PER_ROUND {
            warm.take(|| connection.send(&invocation))?.good()?;
        }
        server.call("DELETE", &configuration(&version), b"")?;
    }
    let goal = Goal::RatioAndMore(2.0, Figure::Milliseconds(5.0));
    let what = "first request on provisioned concurrency (init 1 s), p50, beside warm";
    table.add(Row::new(what, first.p50()).beside(warm.p50()).goal(goal));
    Ok(())
}

fn publish(server: &mut Server) -> Result<String, Failure> {
    let body = once_settled(|| server.call("POST", "/2015-03-31/functions/slow-init/versions", b"{}"))?;
    Ok(serde_json::from_slice::<Version>(&body)?.version)
}

/// A change is refused while the function's creation, or the change before, is under way.
fn once_settled<T>(mut act: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let started = Instant::now();
    loop {
        match act() {
            Err(_) if started.elapsed() < READY_TIMEOUT => std::thread::sleep(Duration::from_millis(5)),
            done => return done,
        }
    }
}

fn provision(server: &mut Server, version: &str) -> Result<(), Failure> {
    let path = configuration(version);
    server.call("PUT", &path, b"{\"ProvisionedConcurrentExecutions\":1}")?;
    let started = Instant::now();
    while started.elapsed() < READY_TIMEOUT {
        let standing: Standing = serde_json::from_slice(&server.call("GET", &path, b"")?)?;
        if standing.status == "READY" {
            // It freezes like any other that nobody calls.
            std::thread::sleep(Duration::from_millis(200));
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err("an environment is not initialised in time".into())
}

fn configuration(version: &str) -> String {
    format!("/2019-09-30/functions/slow-init/provisioned-concurrency?Qualifier={version}")
}
