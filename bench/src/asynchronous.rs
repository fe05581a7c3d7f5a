//! Asynchronous events accepted per second over 32 connections, in turns with the store's own durable appends of as many
//! bytes by 32 tasks: what an accept costs beside its one write. The function may run nothing, so that the events that
//! were accepted do not take the processors from those that are being.

use std::sync::Arc;
use std::time::{Duration, Instant};

use store::{NewMessage, Queue, Store};
use tokio::task::JoinSet;

use crate::server::{Pools, Server};
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure, client, throughput};

const TURNS: usize = 3;
const TURN: Duration = Duration::from_millis(1_000);
const WARM_UP: Duration = Duration::from_millis(400);
const CLIENTS: usize = 32;
const QUEUE: Queue = Queue::new("bench");

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let Some(function) = bench.functions.custom.as_ref().or(bench.functions.python.as_ref()) else { return Ok(()) };
    let mut server = Server::start(bench, Pools::Default)?;
    server.create("events", function)?;
    server.forbid("events")?;
    let event = format!("{{\"text\": \"{}\"}}", "x".repeat(1_000));
    let path = "/2015-03-31/functions/events/invocations";
    let headers = [("x-amz-invocation-type", "Event")];
    let request = client::signed_with(server.address, "POST", path, &headers, event.as_bytes())?;
    let store = Store::open(&bench.scratch.path().join("appends"), store::system_clock())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(throughput::run(server.address, &request, CLIENTS, WARM_UP))?;
    let (mut accepted, mut appended) = (0, 0);
    for _ in 0..TURNS {
        accepted += runtime.block_on(throughput::run(server.address, &request, CLIENTS, TURN))?;
        appended += runtime.block_on(append(&store, event.as_bytes(), TURN))?;
    }
    let per_second = |count: u64| Figure::PerSecond(count as f64 / (TURN * TURNS as u32).as_secs_f64());
    let what = format!("asynchronous events accepted, {CLIENTS} connections, beside durable appends");
    table.add(Row::new(what, per_second(accepted)).beside(per_second(appended)).goal(Goal::RatioAtLeast(0.5)));
    Ok(())
}

/// How many messages so many tasks append, each waiting for its own.
async fn append(store: &Store, payload: &[u8], length: Duration) -> Result<u64, Failure> {
    let (end, payload) = (Instant::now() + length, Arc::<[u8]>::from(payload));
    let mut tasks = JoinSet::new();
    for _ in 0..CLIENTS {
        let (store, payload) = (store.clone(), payload.clone());
        tasks.spawn(async move {
            let mut count = 0_u64;
            while Instant::now() < end {
                store.enqueue(&QUEUE, NewMessage::new(payload.to_vec())).await?;
                count += 1;
            }
            Ok::<_, store::Error>(count)
        });
    }
    let mut count = 0;
    while let Some(appended) = tasks.join_next().await {
        count += appended??;
    }
    Ok(count)
}
