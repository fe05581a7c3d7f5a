//! Serializability, checked against a model; and the same under injected faults.
//!
//! Every transaction takes a ticket (the next number, from a record) and reports what it read. Replaying the transactions
//! by ticket on a plain map must show each the same values: then the order of tickets is a serial order that explains
//! everything seen. And since a ticket is read before its transaction is acknowledged, real time may not contradict it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use store::{Durability, Error, Faults, Key, Memory, NewMessage, Queue, Scan, Store};

use crate::fixture::{Fixture, OTHERS, THINGS, key, thing};

crate::on_every_driver!(is_serializable);

const CLIENTS: u64 = 12;
const ROUNDS: u64 = 40;
const CELLS: u64 = 5;

struct Seen {
    ticket: u64,
    /// The highest ticket acknowledged to anybody before this transaction began.
    acknowledged_before: u64,
    read: (u64, u64),
    sum: u64,
    wrote: (u64, u64),
    from: u64,
    to: u64,
}

async fn one(store: &Store, from: u64, to: u64, acknowledged: &AtomicU64) -> Seen {
    let acknowledged_before = acknowledged.load(Ordering::SeqCst);
    let seen = store
        .transact(move |tx| {
            let cell = |tx: &store::Tx<'_>, n: u64| tx.get(THINGS, &Key::of(n)).map(|c| c.map_or(0, |c| c.count));
            let ticket = tx.get(OTHERS, &key("ticket"))?.map_or(0, |last| last.count) + 1;
            tx.put(OTHERS, &key("ticket"), &thing(ticket))?;
            let read = (cell(tx, from)?, cell(tx, to)?);
            let sum = tx.scan(THINGS, Scan::all())?.iter().map(|(_, cell)| cell.count).sum();
            let wrote = (read.0 + ticket, if from == to { read.0 + ticket } else { read.1 + read.0 % 7 });
            tx.put(THINGS, &Key::of(from), &thing(wrote.0))?;
            tx.put(THINGS, &Key::of(to), &thing(wrote.1))?;
            Ok::<_, Error>(Seen { ticket, acknowledged_before, read, sum, wrote, from, to })
        })
        .await
        .unwrap();
    acknowledged.fetch_max(seen.ticket, Ordering::SeqCst);
    seen
}

async fn is_serializable(fixture: &Fixture) {
    let store = fixture.open();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let clients = (0..CLIENTS).map(|client| {
        let (store, acknowledged) = (store.clone(), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            let mut seen = Vec::new();
            for round in 0..ROUNDS {
                let (from, to) = ((client * 7 + round) % CELLS, (client + round * 3) % CELLS);
                seen.push(one(&store, from, to, &acknowledged).await);
            }
            seen
        })
    });
    let mut all = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        all.extend(client.await.unwrap());
    }
    all.sort_by_key(|seen| seen.ticket);
    let mut model = BTreeMap::new();
    for (index, seen) in all.iter().enumerate() {
        assert_eq!(seen.ticket, index as u64 + 1);
        assert!(seen.acknowledged_before < seen.ticket);
        let cell = |n| model.get(&n).copied().unwrap_or(0);
        assert_eq!(seen.read, (cell(seen.from), cell(seen.to)));
        assert_eq!(seen.sum, model.values().sum::<u64>());
        model.insert(seen.from, seen.wrote.0);
        model.insert(seen.to, seen.wrote.1);
    }
}

/// One seed's life: commits fail, are slow, are lost in crashes. Whatever was acknowledged durably stays, whatever failed
/// before it was written is absent, and a record and its message are never apart.
async fn live_with_faults(seed: u64) -> Vec<bool> {
    let clock = store::system_clock();
    let memory = Memory::with_faults(Faults {
        seed,
        fail_before_per_mille: 150,
        fail_after_per_mille: 150,
        ..Faults::default()
    });
    let queue = Queue::new("outbox");
    let mut outcomes = Vec::new();
    let mut store = memory.open(clock.clone());
    let (mut surely, mut surely_not) = (Vec::new(), Vec::new());
    for n in 0..200_u64 {
        let durability = if n % 3 == 0 { Durability::Durable } else { Durability::Buffered };
        let put = store.transact_with(durability, move |tx| {
            tx.put(THINGS, &Key::of(n), &thing(n))?;
            tx.enqueue(&Queue::new("outbox"), NewMessage::new(n.to_string())).map(drop)
        });
        match put.await {
            Ok(()) if durability == Durability::Durable => surely.push(n),
            Ok(()) | Err(Error::OutcomeUnknown(_)) => {}
            Err(Error::Storage(_)) => surely_not.push(n),
            Err(other) => panic!("{other}"),
        }
        if n % 50 == 49 {
            memory.crash();
            assert_eq!(store.get(THINGS, &key("any")).await, Err(Error::Closed));
            store = memory.open(clock.clone());
        }
    }
    memory.set_faults(Faults::default());
    for n in 0..200_u64 {
        outcomes.push(store.get(THINGS, &Key::of(n)).await.unwrap().is_some());
    }
    assert!(surely.iter().all(|n| outcomes[*n as usize]));
    assert!(surely_not.iter().all(|n| !outcomes[*n as usize]));
    let there = outcomes.iter().filter(|there| **there).count();
    assert_eq!(store.queue_counts(&queue).await.unwrap().visible, there as u64);
    assert!(surely_not.len() > 5 && there < 200 - surely_not.len(), "the faults did happen");
    outcomes
}

#[tokio::test]
async fn acknowledged_stays_through_injected_faults() {
    for seed in 0..20 {
        assert_eq!(live_with_faults(seed).await, live_with_faults(seed).await, "a seed repeats itself");
    }
}
