//! `kill -9` at random points: a child process works on a store and is killed; what it was told "done" about must be there,
//! nothing may be half there, and leases must be sane.
//!
//! The child is this test binary, started again to run [`child`] alone. It writes down each acknowledgement after it got
//! it. The parent kills it up to 150 ms after it began, or after it was started (so also while it opens, recovers or
//! creates), looks at what is left, and goes on with the same directory. `STORE_CRASH_RUNS` sets how many times (30 by default),
//! `STORE_CRASH_SEED` repeats the times of one series.

use std::{
    collections::{HashMap, HashSet},
    env,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use store::{Clock, Durability, Embedded, Error, Key, NewMessage, Queue, Record, Scan, Store, Table, Tx, system_clock};

use crate::fixture::{Thing, thing};

const DIRECTORY: &str = "STORE_CRASH_CHILD";
const CLIENTS: u64 = 8;
const ACCOUNTS: u64 = 10;
/// How far back each client's history is kept.
const HISTORY_KEPT: u64 = 50;
const LEASE_MS: i64 = 60_000;

const COUNTERS: Table<Thing> = Table::new("crash.counters");
const HISTORY: Table<Thing> = Table::new("crash.history");
const BALANCES: Table<Balance> = Table::new("crash.balances");
const SUMS: Table<Sums> = Table::new("crash.sums");
const DONE: Table<Thing> = Table::new("crash.done");
const JOBS: Queue = Queue::new("crash.jobs");

#[derive(Serialize, Deserialize)]
struct Balance {
    amount: i64,
}
impl Record for Balance {}

#[derive(Default, Serialize, Deserialize)]
struct Sums {
    enqueued: u64,
    done: u64,
}
impl Record for Sums {}

fn open(directory: &Path, clock: Clock) -> Result<Store, Error> {
    // A small memtable, so that kills hit flushes and compactions too.
    Embedded { memtable_bytes: 256 * 1024, ..Embedded::default() }.open(&directory.join("data"), clock)
}

/// Not a test: what the child process runs.
#[test]
fn child() {
    let Some(directory) = env::var_os(DIRECTORY).map(PathBuf::from) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let log = Arc::new(Mutex::new(File::options().create(true).append(true).open(directory.join("log")).unwrap()));
        let store = open(&directory, system_clock()).unwrap();
        let clients = (0..CLIENTS).map(|client| tokio::spawn(work(store.clone(), Arc::clone(&log), client)));
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
    });
}

async fn work(store: Store, log: Arc<Mutex<File>>, client: u64) {
    let write_down = |line: String| log.lock().unwrap().write_all(line.as_bytes()).unwrap();
    for round in 0.. {
        while system_clock()() / 20 % 3 == 2 {
            tokio::time::sleep(Duration::from_millis(1)).await; // everybody rests, the store settles
        }
        let durability = if round % 4 == 3 { Durability::Buffered } else { Durability::Durable };
        let step = store.transact_with(durability, move |tx| step(tx, client)).await.unwrap();
        write_down(format!("wrote {client} {step}\n"));
        if round % 3 != client % 3 {
            continue;
        }
        for message in store.lease(&JOBS, 3, LEASE_MS).await.unwrap() {
            let id = message.receipt.id.0;
            write_down(format!("leased {id} {}\n", message.receipt.epoch));
            if id % 5 == 0 {
                continue; // forgotten
            }
            store
                .transact(move |tx| {
                    tx.ack(&JOBS, message.receipt)?;
                    tx.put(DONE, &Key::of(id), &thing(id))?;
                    count(tx, 0, 1)
                })
                .await
                .unwrap();
            write_down(format!("done {id} 0\n"));
        }
    }
}

fn count(tx: &mut Tx<'_>, enqueued: u64, done: u64) -> Result<(), Error> {
    let before = tx.get(SUMS, &Key::of("all"))?.unwrap_or_default();
    tx.put(SUMS, &Key::of("all"), &Sums { enqueued: before.enqueued + enqueued, done: before.done + done })
}

/// One transaction over five tables and a queue.
fn step(tx: &mut Tx<'_>, client: u64) -> Result<u64, Error> {
    let step = tx.get(COUNTERS, &Key::of(client))?.map_or(0, |last| last.count) + 1;
    tx.put(COUNTERS, &Key::of(client), &thing(step))?;
    let note = "n".repeat((step as usize * 977) % 3_000);
    tx.insert(HISTORY, &Key::of((client, step)), &Thing { count: step, note })?;
    tx.delete(HISTORY, &Key::of((client, step.saturating_sub(HISTORY_KEPT))))?;
    for (account, amount) in [((client + step) % ACCOUNTS, 7), ((client * 3 + step * 7) % ACCOUNTS, -7)] {
        let before = tx.get(BALANCES, &Key::of(account))?.map_or(0, |balance| balance.amount);
        tx.put(BALANCES, &Key::of(account), &Balance { amount: before + amount })?;
    }
    tx.enqueue(&JOBS, NewMessage::new(format!("{client}:{step}")))?;
    count(tx, 1, 0)?;
    Ok(step)
}

/// What the child wrote down before it was killed.
#[derive(Default)]
struct Log {
    wrote: HashMap<u64, u64>,
    leased: HashMap<u64, u32>,
    done: HashSet<u64>,
    lines: usize,
}

fn read_log(directory: &Path) -> Log {
    let mut log = Log::default();
    let text = fs::read_to_string(directory.join("log")).unwrap_or_default();
    for line in text.lines() {
        let mut words = line.split(' ');
        let what = words.next().unwrap();
        let mut number = || words.next().unwrap().parse::<u64>().unwrap();
        let (first, second) = (number(), number());
        match what {
            "wrote" => drop(log.wrote.insert(first, second)),
            "leased" => drop(log.leased.insert(first, second as u32)),
            "done" => drop(log.done.insert(first)),
            other => panic!("{other}"),
        }
        log.lines += 1;
    }
    log
}

/// Nothing acknowledged is lost.
async fn check_acknowledged(store: &Store, log: &Log) {
    for (client, step) in &log.wrote {
        let counter = store.get(COUNTERS, &Key::of(*client)).await.unwrap().map_or(0, |last| last.count);
        assert!(counter >= *step, "client {client} was told {step}, found {counter}");
    }
    for id in &log.done {
        assert!(store.get(DONE, &Key::of(*id)).await.unwrap().is_some(), "message {id} was acknowledged");
    }
}

/// Nothing is half there. Holds of every state that ever was, whatever was lost behind it.
async fn check_whole(store: &Store) {
    let mut steps = 0;
    for client in 0..CLIENTS {
        let counter = store.get(COUNTERS, &Key::of(client)).await.unwrap().map_or(0, |last| last.count);
        let history = store.scan(HISTORY, Scan::under(client)).await.unwrap();
        let kept: Vec<_> = history.iter().map(|(key, _)| key.parts::<(u64, u64)>().unwrap().1).collect();
        let expected: Vec<_> = (counter.saturating_sub(HISTORY_KEPT - 1).max(1)..=counter).collect();
        assert_eq!(kept, expected, "history of client {client}");
        steps += counter;
    }
    let balances = store.scan(BALANCES, Scan::all()).await.unwrap();
    assert_eq!(balances.iter().map(|(_, balance)| balance.amount).sum::<i64>(), 0);
    let sums = store.get(SUMS, &Key::of("all")).await.unwrap().unwrap_or_default();
    assert_eq!(sums.enqueued, steps);
    let counts = store.queue_counts(&JOBS).await.unwrap();
    assert_eq!(counts.visible + counts.in_flight, sums.enqueued - sums.done);
}

/// Takes everything that is left in the queue, as of a time when all leases have ended.
async fn check_and_drain_queue(store: &Store, log: &Log) {
    let mut seen = HashSet::new();
    loop {
        let leased = store.lease(&JOBS, 500, LEASE_MS).await.unwrap();
        if leased.is_empty() {
            break;
        }
        for message in &leased {
            let id = message.receipt.id.0;
            assert!(seen.insert(message.payload.clone()), "a message is there twice");
            assert!(!log.done.contains(&id), "message {id} came back after it was done");
            let before = log.leased.get(&id).copied().unwrap_or(0);
            assert!(message.receipt.epoch > before, "lease {before} of message {id} was forgotten");
        }
        let receipts: Vec<_> = leased.iter().map(|message| message.receipt).collect();
        let acknowledge = move |tx: &mut Tx<'_>| {
            receipts.iter().try_for_each(|receipt| tx.ack(&JOBS, *receipt))?;
            count(tx, 0, receipts.len() as u64)
        };
        store.transact(acknowledge).await.unwrap();
    }
    while store.transact(|tx| tx.delete_range(DONE, Scan::all().limit(1_000))).await.unwrap() > 0 {}
    let counts = store.queue_counts(&JOBS).await.unwrap();
    assert_eq!((counts.visible, counts.in_flight, counts.delayed), (0, 0, 0));
}

/// Runs the child for so long, kills it, and returns what it had written down. The time counts from its start or, on a
/// machine too busy for that, from when it got to its log.
fn run_and_kill(directory: &Path, lifetime: Duration, from_log: bool) -> Log {
    let _ = fs::remove_file(directory.join("log"));
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while from_log && !directory.join("log").exists() && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(lifetime);
    let ended_by_itself = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ended_by_itself.is_none(), "the child failed: {ended_by_itself:?}");
    read_log(directory)
}

fn a_day_later() -> Clock {
    let now = system_clock();
    Arc::new(move || now() + 86_400_000)
}

/// A number below `bound` (xorshift).
fn draw(chance: &mut u64, bound: u64) -> u64 {
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    *chance % bound
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_was_told() {
    let number = |name: &str| env::var_os(name).and_then(|number| number.to_str()?.parse::<u64>().ok());
    let runs = number("STORE_CRASH_RUNS").unwrap_or(30);
    let seed = number("STORE_CRASH_SEED").unwrap_or_else(|| system_clock()().unsigned_abs());
    let mut chance = seed | 1;
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledgements = 0;
    for run in 0..runs {
        let lifetime = Duration::from_micros(draw(&mut chance, 150_000));
        let log = run_and_kill(directory.path(), lifetime, run % 4 > 0);
        acknowledgements += log.lines;
        println!("seed {seed}, run {run}: killed after {lifetime:?}, {} acknowledgements", log.lines);
        let store = open(directory.path(), a_day_later()).unwrap();
        check_acknowledged(&store, &log).await;
        check_whole(&store).await;
        check_and_drain_queue(&store, &log).await;
        check_whole(&store).await;
    }
    println!("{runs} kills, {acknowledgements} acknowledgements, none lost");
    assert!(runs < 10 || acknowledgements > 0, "the child never got to work");
}

/// Power loss may cut the journal anywhere behind the last sync: then transactions are missing from the end, whole.
#[tokio::test]
async fn a_torn_journal_loses_whole_transactions_from_the_end() {
    let directory = tempfile::tempdir().unwrap();
    run_and_kill(directory.path(), Duration::from_millis(300), true);
    let mut chance = 0x5EED;
    for _ in 0..10 {
        let copy = tempfile::tempdir().unwrap();
        copy_directory(&directory.path().join("data"), &copy.path().join("data"));
        tear_journal(&copy.path().join("data/db"), draw(&mut chance, 20_000));
        let store = open(copy.path(), a_day_later()).unwrap();
        check_whole(&store).await;
    }
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Cuts so many bytes off the newest journal (whose unwritten rest is zeros).
fn tear_journal(database: &Path, bytes: u64) {
    let journals = fs::read_dir(database).unwrap().map(|entry| entry.unwrap().path());
    let newest = journals
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .max_by_key(|path| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap())
        .unwrap();
    let content = fs::read(&newest).unwrap();
    let written = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    File::options().write(true).open(newest).unwrap().set_len(written.saturating_sub(bytes)).unwrap();
}
