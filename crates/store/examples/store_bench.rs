//! Measures the embedded store beside the bare disk, in one run: durable small transactions per second with 32 clients,
//! with one, raw fdatasync per second; then opening time, memory, and the time used while idle.
//!
//! `cargo run --release -p store --example store_bench [seconds] [directory]`; `... open <data directory>` only opens.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use store::{Durability, Error, Key, NewMessage, Queue, Raw, Store, Table, system_clock};

const ITEMS: Table<Raw> = Table::new("bench.items");
const INDEX: Table<Raw> = Table::new("bench.index");
const STREAM: Table<Raw> = Table::new("bench.stream");
const QUEUE: Queue = Queue::new("bench.queue");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "open").is_some() {
        return open(Path::new(&arguments.next().ok_or("open what?")?));
    }
    let seconds = arguments.next().map_or(Ok(4), |text| text.parse())?;
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let length = Duration::from_secs(seconds);
    let directory = tempfile::tempdir_in(parent)?;
    println!("raw fdatasync of 4 KiB appended: {:.0}/s", raw_syncs(directory.path(), length / 2)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let data = directory.path().join("data");
    let started = Instant::now();
    let store = Store::open(&data, system_clock())?;
    println!("create: {:?}, resident {} KiB", started.elapsed(), resident_kib());
    let only_queue = std::env::var_os("ONLY_QUEUE").is_some();
    for (name, clients, durability) in [
        ("durable, 1 client", 1, Durability::Durable),
        ("durable, 32 clients", 32, Durability::Durable),
        ("buffered, 32 clients", 32, Durability::Buffered),
    ] {
        if only_queue {
            continue;
        }
        let latencies = runtime.block_on(run(&store, clients, length, durability))?;
        report(name, &latencies, length);
    }
    println!("queue, 8 workers: {:.0} enqueue+lease+ack/s", runtime.block_on(cycle_queue(&store, length / 2))?);
    idle()?;
    drop(store);
    println!("directory: {} MiB on disk", size_of(&data)? / 1024 / 1024);
    // In fresh processes, since this one keeps memory that it has freed. The second finds what the first tidied.
    for _ in 0..2 {
        std::process::Command::new(std::env::current_exe()?).arg("open").arg(&data).status()?;
    }
    println!("raw fdatasync again: {:.0}/s", raw_syncs(directory.path(), length / 2)?);
    if std::env::var_os("KEEP").is_some() {
        println!("kept {}", directory.keep().display());
    }
    Ok(())
}

fn open(data: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let before = resident_kib();
    let started = Instant::now();
    let store = Store::open(data, system_clock())?;
    println!("open: {:?}, resident {} KiB, {before} before", started.elapsed(), resident_kib());
    idle()?;
    drop(store);
    Ok(())
}

fn raw_syncs(directory: &Path, length: Duration) -> std::io::Result<f64> {
    let mut file = File::create(directory.join("raw"))?;
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < length {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

/// Each transaction puts three keys: an item, an index entry, a stream record.
async fn run(store: &Store, clients: u64, length: Duration, durability: Durability) -> Result<Vec<u64>, Error> {
    let started = Instant::now();
    let tasks = (0..clients).map(|client| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            for n in 0_u64.. {
                if started.elapsed() >= length {
                    break;
                }
                let begun = Instant::now();
                store.transact_with(durability, move |tx| small(tx, client, n)).await?;
                latencies.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
            Ok::<_, Error>(latencies)
        })
    });
    let mut all = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        all.extend(task.await.map_err(|error| Error::Panicked(error.to_string()))??);
    }
    all.sort_unstable();
    Ok(all)
}

fn small(tx: &mut store::Tx<'_>, client: u64, n: u64) -> Result<(), Error> {
    let spread = (client << 32 | n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    tx.put(ITEMS, &Key::of(("account", "region", "table", spread)), &Raw(vec![1; 200]))?;
    tx.put(INDEX, &Key::of(("index", spread ^ 0xFFFF)), &Raw(Vec::new()))?;
    tx.put(STREAM, &Key::of((client, n)), &Raw(vec![2; 200]))
}

async fn cycle_queue(store: &Store, length: Duration) -> Result<f64, Error> {
    let started = Instant::now();
    let workers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut count = 0;
            while started.elapsed() < length {
                for _ in 0..4 {
                    store.enqueue(&QUEUE, NewMessage::new(vec![3; 200])).await?;
                }
                for message in store.lease(&QUEUE, 4, 60_000).await? {
                    store.ack(&QUEUE, message.receipt).await?;
                    count += 1;
                }
            }
            Ok::<_, Error>(count)
        })
    });
    let mut count = 0;
    for worker in workers.collect::<Vec<_>>() {
        count += worker.await.map_err(|error| Error::Panicked(error.to_string()))??;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

fn report(name: &str, latencies: &[u64], length: Duration) {
    let at = |share: usize| latencies.get((latencies.len() * share / 1000).min(latencies.len().saturating_sub(1)));
    println!(
        "{name}: {:.0} transactions/s, p50 {} µs, p99 {} µs, p99.9 {} µs",
        latencies.len() as f64 / length.as_secs_f64(),
        at(500).unwrap_or(&0),
        at(990).unwrap_or(&0),
        at(999).unwrap_or(&0),
    );
}

/// Waits for compactions to end, then looks at the processor time of three idle seconds.
fn idle() -> std::io::Result<()> {
    std::thread::sleep(Duration::from_secs(3));
    let before = processor_ticks()?;
    std::thread::sleep(Duration::from_secs(3));
    println!(
        "idle: {} ms of processor time in 3 s, resident {} KiB",
        (processor_ticks()? - before) * 10,
        resident_kib()
    );
    Ok(())
}

fn processor_ticks() -> std::io::Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok([11, 12].iter().filter_map(|index| fields.get(*index)?.parse::<u64>().ok()).sum())
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

fn size_of(directory: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        // Blocks, not length: a fresh journal is a sparse file of 64 MiB.
        let blocks = std::os::unix::fs::MetadataExt::blocks(&metadata);
        bytes += if metadata.is_dir() { size_of(&entry.path())? } else { blocks * 512 };
    }
    Ok(bytes)
}
