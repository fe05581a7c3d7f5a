//! API Gateway: an HTTP API in front of a function beside the function alone, MOCK and HTTP_PROXY beside Debian's nginx doing the
//! same, and an API of 300 routes beside one of 3. Targets are asked in turns.

pub(crate) mod api;
mod nginx;

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::Connection;
use crate::hello::{self, Hello};
use crate::server::{Pools, Server};
use crate::statistics::Times;
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure, throughput};

use api::{Api, http_api_of_function, http_api_of_server, rest_api_of_mocks};
use nginx::Nginx;

const TURNS: usize = 6;
const REQUESTS_PER_TURN: usize = 250;
const WARM_UP: usize = 300;
/// Throughput is taken with so many connections.
const CONNECTIONS: usize = 8;
const TURN: Duration = Duration::from_millis(800);
/// "As fast", within what two measurements of the same differ on a shared machine.
const AS_FAST: f64 = 1.1;

/// Somebody who is asked, and what became of it.
struct Target {
    address: SocketAddr,
    request: Vec<u8>,
    times: Times,
    answers: u64,
}

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let hello = Hello::start()?;
    let mut server = Server::start(bench, Pools::Default)?;
    let nginx = Nginx::start(bench.scratch.path(), hello.address);
    if let Err(why) = &nginx {
        eprintln!("bench: there is no nginx to compare with: {why}");
    }
    // All before anything is measured: a connection that says nothing meanwhile is closed.
    let proxy = http_api_of_server(&mut server, hello.address)?;
    let (few, many) = (rest_api_of_mocks(&mut server, 3)?, rest_api_of_mocks(&mut server, 300)?);
    functions(bench, &mut server, nginx.as_ref().ok(), table)?;
    proxies(&server, [&few, &proxy], &hello, nginx.as_ref().ok(), table)?;
    routes(&server, &few, &many, table)
}

/// An HTTP API in front of a Python function.
fn functions(bench: &Bench, server: &mut Server, nginx: Option<&Nginx>, table: &mut Table) -> Result<(), Failure> {
    let Some(python) = &bench.functions.python else { return Err("no Python for functions".into()) };
    server.create("behind-an-api", python)?;
    let api = http_api_of_function(server, "behind-an-api")?;
    let mut targets = vec![
        Target::new(server.address, api.request("/hello", "x".repeat(500).as_bytes())),
        Target::new(server.address, server.invocation("behind-an-api")?),
    ];
    targets.extend(nginx.map(|nginx| Target::new(nginx.address, nginx.proxied())));
    run(&mut targets)?;
    let [api, invoke, others @ ..] = targets.as_mut_slice() else { return Ok(()) };
    let row = Row::new("HTTP API → Python, p50, beside Invoke", api.times.p50()).beside(invoke.times.p50());
    table.add(row.goal(Goal::RatioAtMost(1.2)));
    let row = Row::new("HTTP API → Python, throughput, beside Invoke", api.per_second()).beside(invoke.per_second());
    table.add(row.goal(Goal::RatioAtLeast(0.8)));
    if let [nginx] = others {
        let what = "HTTP API → Python, p50, beside nginx → hello";
        table.add(Row::new(what, api.times.p50()).beside(nginx.times.p50()));
        let what = "HTTP API → Python, throughput, beside nginx → hello";
        table.add(Row::new(what, api.per_second()).beside(nginx.per_second()));
    }
    Ok(())
}

/// What needs no function: answers of the gateway's own, and those of another server.
fn proxies(
    server: &Server,
    [mock, proxy]: [&Api; 2],
    hello: &Hello,
    nginx: Option<&Nginx>,
    table: &mut Table,
) -> Result<(), Failure> {
    for (what, request, nginx_request, goal) in [
        ("REST API, MOCK", mock.request("/r0", b""), nginx.map(Nginx::static_answer), 0.4),
        ("HTTP API, HTTP_PROXY", proxy.request("/", b""), nginx.map(Nginx::proxied), 0.5),
    ] {
        let bare = Target::new(hello.address, hello::REQUEST.to_vec());
        let mut targets = vec![Target::new(server.address, request), bare];
        targets.extend(nginx.zip(nginx_request).map(|(nginx, request)| Target::new(nginx.address, request)));
        run(&mut targets)?;
        let [ours, bare, others @ ..] = targets.as_mut_slice() else { return Ok(()) };
        if let [nginx] = others {
            let row = Row::new(format!("{what}, throughput, beside nginx"), ours.per_second());
            table.add(row.beside(nginx.per_second()).goal(Goal::RatioAtLeast(goal)));
            let row = Row::new(format!("{what}, p50, beside nginx"), ours.times.p50());
            table.add(row.beside(nginx.times.p50()));
        }
        let row = Row::new(format!("{what}, throughput, beside bare hyper hello"), ours.per_second());
        table.add(row.beside(bare.per_second()));
    }
    Ok(())
}

fn routes(server: &Server, few: &Api, many: &Api, table: &mut Table) -> Result<(), Failure> {
    let mut targets =
        [Target::new(server.address, many.request("/r299", b"")), Target::new(server.address, few.request("/r2", b""))];
    run(&mut targets)?;
    let [many, few] = &mut targets;
    let row = Row::new("an API of 300 routes beside one of 3, p50", many.times.p50()).beside(few.times.p50());
    table.add(row.goal(Goal::RatioAtMost(AS_FAST)));
    Ok(())
}

/// Asks all in turns: one request at a time first, then over several connections.
fn run(targets: &mut [Target]) -> Result<(), Failure> {
    let mut connections = Vec::new();
    for target in targets.iter_mut() {
        let mut connection = Connection::open(target.address)?;
        for _ in 0..WARM_UP {
            connection.send(&target.request)?.good()?;
        }
        connections.push(connection);
    }
    for _ in 0..TURNS {
        for (target, connection) in targets.iter_mut().zip(&mut connections) {
            for _ in 0..REQUESTS_PER_TURN {
                target.times.take(|| connection.send(&target.request))?.good()?;
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for turn in 0..=TURNS {
        for target in targets.iter_mut() {
            let answers = runtime.block_on(throughput::run(target.address, &target.request, CONNECTIONS, TURN))?;
            // The first turn warms up.
            target.answers += if turn == 0 { 0 } else { answers };
        }
    }
    Ok(())
}

impl Target {
    fn new(address: SocketAddr, request: Vec<u8>) -> Target {
        Target { address, request, times: Times::default(), answers: 0 }
    }

    fn per_second(&self) -> Figure {
        Figure::PerSecond(self.answers as f64 / (TURN * TURNS as u32).as_secs_f64())
    }
}
