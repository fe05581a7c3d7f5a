//! Requests per second over 1, 8 and 32 connections, in turns with the bare server. The client is one thread.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client;
use crate::hello::{self, Hello};
use crate::server::{Pools, Server};
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure};

const TURNS: usize = 3;
const TURN: Duration = Duration::from_millis(800);
const WARM_UP: Duration = Duration::from_millis(400);

/// A server and what it is asked.
struct Target {
    what: &'static str,
    address: SocketAddr,
    request: Vec<u8>,
    /// Share of the bare server's throughput that is aimed at.
    goal: f64,
}

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let hello = Hello::start()?;
    let mut server = Server::start(bench, Pools::Default)?;
    let mut targets = Vec::new();
    for (what, function, goal) in
        [("Python", &bench.functions.python, 0.12), ("custom runtime", &bench.functions.custom, 0.25)]
    {
        let Some(function) = function else { continue };
        let name = what.replace(' ', "-");
        server.create(&name, function)?;
        targets.push(Target { what, address: server.address, request: server.invocation(&name)?, goal });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for connections in [1, 8, 32] {
        let mut bare = 0;
        let mut counts = vec![0; targets.len()];
        for target in &targets {
            runtime.block_on(run(target.address, &target.request, connections, WARM_UP))?;
        }
        for _ in 0..TURNS {
            bare += runtime.block_on(run(hello.address, hello::REQUEST, connections, TURN))?;
            for (target, count) in targets.iter().zip(&mut counts) {
                *count += runtime.block_on(run(target.address, &target.request, connections, TURN))?;
            }
        }
        let per_second = |count: u64| Figure::PerSecond(count as f64 / (TURN * TURNS as u32).as_secs_f64());
        for (target, count) in targets.iter().zip(counts) {
            let what = format!("throughput {}, {connections} connections", target.what);
            let row = Row::new(what, per_second(count)).beside(per_second(bare));
            table.add(if connections > 1 { row.goal(Goal::RatioAtLeast(target.goal)) } else { row });
        }
    }
    Ok(())
}

/// How many answers came in this time.
async fn run(address: SocketAddr, request: &[u8], connections: usize, length: Duration) -> Result<u64, Failure> {
    let end = Instant::now() + length;
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(ask(address, request.to_vec(), end));
    }
    let mut count = 0;
    while let Some(asked) = tasks.join_next().await {
        count += asked??;
    }
    Ok(count)
}

async fn ask(address: SocketAddr, request: Vec<u8>, end: Instant) -> Result<u64, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut count = 0;
    while Instant::now() < end {
        stream.write_all(&request).await?;
        let mut filled = 0;
        while client::whole(&buffer[..filled]).is_none_or(|(head, body)| filled < head + body) {
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Err("the server hung up".into()),
                read => filled += read,
            }
        }
        if !buffer.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(&buffer[..filled]).into_owned().into());
        }
        count += 1;
    }
    Ok(count)
}
