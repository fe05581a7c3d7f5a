//! Requests per second over 1, 8 and 32 connections, in turns with the bare server, and the server's processor time for
//! each of them, which a busy machine changes least. The client is one thread.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client;
use crate::hello::{self, Hello};
use crate::server::{Pools, Server};
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure, memory};

const TURNS: usize = 3;
const TURN: Duration = Duration::from_millis(800);
const WARM_UP: Duration = Duration::from_millis(400);

/// A server and what it is asked.
struct Target {
    what: &'static str,
    address: SocketAddr,
    process: u32,
    request: Vec<u8>,
    /// Share of the bare server's throughput that is aimed at.
    goal: Option<f64>,
    tally: Tally,
}

/// What a target has done so far, with so many connections.
#[derive(Clone, Copy, Default)]
struct Tally {
    answers: u64,
    processor: Duration,
}

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let hello = Hello::start()?;
    let mut server = Server::start(bench, Pools::Default)?;
    let bare = (hello.address, hello.id(), hello::REQUEST.to_vec());
    let mut targets = vec![Target::new("bare hyper hello", bare, None)];
    for (what, function, goal) in
        [("Python", &bench.functions.python, 0.12), ("custom runtime", &bench.functions.custom, 0.25)]
    {
        let Some(function) = function else { continue };
        let name = what.replace(' ', "-");
        server.create(&name, function)?;
        targets.push(Target::new(what, (server.address, server.id(), server.invocation(&name)?), Some(goal)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for connections in [1, 8, 32] {
        for target in &mut targets {
            runtime.block_on(target.run(connections, WARM_UP))?;
            target.tally = Tally::default();
        }
        for _ in 0..TURNS {
            for target in &mut targets {
                runtime.block_on(target.run(connections, TURN))?;
            }
        }
        report(&targets, connections, table);
    }
    Ok(())
}

fn report(targets: &[Target], connections: usize, table: &mut Table) {
    let [bare, targets @ ..] = targets else { return };
    for target in targets {
        let what = format!("throughput {}, {connections} connections", target.what);
        let row = Row::new(what, target.per_second()).beside(bare.per_second());
        table.add(target.goal.filter(|_| connections > 1).map(Goal::RatioAtLeast).into_iter().fold(row, Row::goal));
        let what = format!("  the server's processor time for each, {}", target.what);
        table.add(Row::new(what, target.processor_each()).beside(bare.processor_each()));
    }
}

impl Target {
    fn new(what: &'static str, (address, process, request): (SocketAddr, u32, Vec<u8>), goal: Option<f64>) -> Target {
        Target { what, address, process, request, goal, tally: Tally::default() }
    }

    async fn run(&mut self, connections: usize, length: Duration) -> Result<(), Failure> {
        let before = memory::processor_time(self.process);
        self.tally.answers += run(self.address, &self.request, connections, length).await?;
        self.tally.processor += memory::processor_time(self.process).saturating_sub(before);
        Ok(())
    }

    fn per_second(&self) -> Figure {
        Figure::PerSecond(self.tally.answers as f64 / (TURN * TURNS as u32).as_secs_f64())
    }

    fn processor_each(&self) -> Figure {
        self.tally.processor.div_f64(self.tally.answers.max(1) as f64).into()
    }
}

/// How many answers came in this time.
pub(crate) async fn run(
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    length: Duration,
) -> Result<u64, Failure> {
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
        if !buffer.starts_with(b"HTTP/1.1 20") {
            return Err(String::from_utf8_lossy(&buffer[..filled]).into_owned().into());
        }
        count += 1;
    }
    Ok(count)
}
