//! How fast sandboxes are made and ended, below the engine: `spawner_bench DIRECTORY [ROUNDS]`, as root, where `DIRECTORY/bootstrap`
//! is a static program that prints something and ends. Run `updraft-spawner` from the same build.
//!
//! Prints, one beside the other, the bare fork, exec and wait of that program, and the same in a full sandbox: time to the first byte,
//! to the end, and how many a second with four at a time.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark")]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        ffi::CString,
        io::Read,
        os::fd::OwnedFd,
        path::PathBuf,
        process::{Command, Stdio},
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::{Duration, Instant},
    };

    use sandbox::{
        Egress,
        spawner::{CodeTrees, Config, Limits, Plan, Spawner, Start},
    };

    const WORKERS: usize = 4;

    pub(super) fn main() {
        let mut arguments = std::env::args().skip(1);
        let directory = PathBuf::from(arguments.next().expect("a directory with a bootstrap"));
        let rounds: usize = arguments.next().map_or(2000, |rounds| rounds.parse().unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(measure(directory, rounds));
    }

    async fn measure(directory: PathBuf, rounds: usize) {
        let program = directory.join("bootstrap");
        report("bare process", &mut (0..rounds / 4).map(|_| bare(&program)).collect::<Vec<_>>());
        let scratch = tempfile::tempdir().unwrap();
        let own = std::env::current_exe().unwrap();
        let spawner = own.parent().unwrap().parent().unwrap().join("updraft-spawner");
        let config =
            Config { program: vec![spawner], egress: Egress::None, slots_max: 256, ..Config::new(scratch.path()) };
        let start = Instant::now();
        let spawner = Spawner::start(config).await.unwrap();
        println!("spawner ready after {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let plan = Arc::new(plan(directory));
        let mut times = Vec::new();
        for _ in 0..rounds / 4 {
            times.push(sandboxed(&spawner, &plan).await);
        }
        report("sandbox", &mut times);
        throughput(&spawner, &plan, rounds).await;
        spawner.stop().await;
    }

    fn plan(directory: PathBuf) -> Plan {
        Plan {
            start: Start::Exec {
                argv: vec![CString::new("/var/task/bootstrap").unwrap()],
                env: vec![CString::new("PATH=/usr/bin").unwrap()],
            },
            channel: false,
            image: None,
            code: Some(CodeTrees::task(directory)),
            limits: Limits::default(),
            hostname: "bench".into(),
        }
    }

    /// First byte and end, of a process without a sandbox.
    fn bare(program: &PathBuf) -> (Duration, Duration) {
        let start = Instant::now();
        let mut child = Command::new(program).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut byte = [0u8];
        child.stdout.take().unwrap().read_exact(&mut byte).unwrap();
        let first = start.elapsed();
        child.wait().unwrap();
        (first, start.elapsed())
    }

    async fn sandboxed(spawner: &Spawner, plan: &Plan) -> (Duration, Duration) {
        let start = Instant::now();
        let spawned = spawner.spawn(plan).await.unwrap();
        let first = first_byte(spawned.output, start).await;
        spawner.wait(spawned.id).await.unwrap();
        drop((spawned.runtime_api, spawned.endpoint, spawned.dns));
        spawner.destroy(spawned.id).await.unwrap();
        (first, start.elapsed())
    }

    async fn first_byte(pipe: OwnedFd, start: Instant) -> Duration {
        let mut pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(pipe).unwrap();
        let mut byte = [0u8];
        tokio::io::AsyncReadExt::read_exact(&mut pipe, &mut byte).await.unwrap();
        start.elapsed()
    }

    async fn throughput(spawner: &Spawner, plan: &Arc<Plan>, rounds: usize) {
        let left = Arc::new(AtomicUsize::new(rounds));
        let start = Instant::now();
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                let (spawner, plan, left) = (spawner.clone(), Arc::clone(plan), Arc::clone(&left));
                tokio::spawn(async move {
                    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                        sandboxed(&spawner, &plan).await;
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        println!("create, run, destroy: {:.0}/s, {WORKERS} at a time", rounds as f64 / start.elapsed().as_secs_f64());
    }

    fn report(name: &str, times: &mut [(Duration, Duration)]) {
        let mut column = |pick: fn(&(Duration, Duration)) -> Duration| {
            times.sort_by_key(pick);
            let at = |share: f64| pick(&times[(times.len() as f64 * share) as usize]).as_micros();
            format!("min {} p50 {} p90 {}", at(0.0), at(0.5), at(0.9))
        };
        let (first, end) = (column(|pair| pair.0), column(|pair| pair.1));
        println!("{name}, µs: first byte {first}; gone {end}");
    }
}
