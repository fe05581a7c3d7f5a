//! The limits of functions as functions feel them: memory, `/tmp`, processor time, processes; on each way to a sandbox.

use std::time::{Duration, Instant};

use sandbox::{Failure, Isolation, LaunchPath, Outcome, PoolTargets, Spec};

use crate::{
    privilege,
    support::{Bed, no_pools, request, text},
};

const PYTHON: &str = "python3.12";
const MEGABYTE: u64 = 1 << 20;
const PATHS: [LaunchPath; 3] = [LaunchPath::Exec, LaunchPath::Zygote, LaunchPath::Parked];

/// What the functions below have in common. Work is done at init, which has processor time whatever the memory.
const TOOLS: &str = r#"
import errno, mmap, os, time
def write(name, megabytes):
    """Megabytes written, and the error that ended it."""
    written = 0
    block = b"x" * (1 << 20)
    with open(f"/tmp/{name}", "wb", 0) as file:
        try:
            while written < megabytes:
                written += file.write(block) / len(block)
        except OSError as error:
            return [round(written), errno.errorcode[error.errno]]
    return [round(written), None]
def busy(seconds):
    """The share of a processor that it gets."""
    start, cpu = time.monotonic(), time.process_time()
    while time.monotonic() < start + seconds: pass
    return (time.process_time() - cpu) / (time.monotonic() - start)
"#;

async fn bed() -> Bed {
    let pools = PoolTargets { python: 1, zygotes: true, ..no_pools() };
    Bed::start(Isolation::Sandbox, pools).await
}

/// A small function, 128 MB of memory and 192 MB of `/tmp`.
fn small(bed: &Bed, code: &str) -> Spec {
    let mut spec = bed.spec(PYTHON, &[("app.py", &format!("{TOOLS}\n{code}"))]);
    (spec.memory_mb, spec.tmp_mb) = (128, 192);
    (spec.timeout, spec.init_timeout) = (Duration::from_secs(30), Duration::from_secs(30));
    spec
}

/// Runs it once in a sandbox that came to be in the given way.
async fn run(bed: &Bed, mut spec: Spec, path: LaunchPath) -> Outcome {
    if path == LaunchPath::Exec {
        spec.env.push(("LD_BIND_NOW".into(), "1".into()));
    }
    for _ in 0..1000 {
        let python = bed.engine.pools().into_iter().find(|pool| pool.name == PYTHON);
        let ready = python.is_some_and(|pool| pool.ready > 0);
        let (mut sandbox, _) = match (path, ready) {
            (LaunchPath::Exec, _) | (LaunchPath::Parked, true) | (LaunchPath::Zygote, false) => {
                bed.launch(spec.clone()).await
            }
            (LaunchPath::Zygote, true) => {
                // Takes the parked one away.
                drop(bed.launch(spec.clone()).await);
                continue;
            }
            (LaunchPath::Parked, false) => {
                bed.engine.expect(PYTHON, spec.memory_mb);
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        if sandbox.path() == path {
            return sandbox.invoke(request("1")).await;
        }
    }
    panic!("no sandbox came by {path:?}: {:?}", bed.engine.pools());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_tmp_is_an_error_and_not_the_end() {
    if !privilege::root_for("a_full_tmp_is_an_error_and_not_the_end") {
        return;
    }
    let bed = bed().await;
    let code = r#"
full = write("a", 300)
os.remove("/tmp/a")
again = write("b", 300)
mine = bytearray(60 << 20)
def handler(event, context):
    return [full, again, len(mine) >> 20, write("c", 1)]
"#;
    for path in PATHS {
        let outcome = run(&bed, small(&bed, code), path).await;
        assert!(outcome.result.is_ok(), "{path:?}: {outcome:?}");
        assert_eq!(text(&outcome), r#"[[192, "ENOSPC"], [192, "ENOSPC"], 60, [0, "ENOSPC"]]"#, "{path:?}");
        let peak = outcome.memory_peak_bytes / MEGABYTE;
        println!("{path:?}: peak {peak} MB");
        assert!((60..128).contains(&peak), "{path:?}: {peak} MB: /tmp is not the function's memory");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_beyond_the_limit_ends_the_function() {
    if !privilege::root_for("memory_beyond_the_limit_ends_the_function") {
        return;
    }
    let bed = bed().await;
    for (what, code) in [
        ("at once", "mine = bytearray(250 << 20)"),
        ("with a full /tmp", "write('a', 300)\nmine = bytearray(160 << 20)"),
        ("with a /tmp that was full", "write('a', 300)\nos.remove('/tmp/a')\nmine = bytearray(160 << 20)"),
        ("shared", "mine = mmap.mmap(-1, 160 << 20)\nfor at in range(0, len(mine), 4096): mine[at] = 1"),
        ("in a child", "if os.fork() == 0:\n  mine = bytearray(160 << 20)\n  time.sleep(60)\nos.wait()"),
        ("slowly", "mine = [bytearray(1 << 20) for _ in range(160) if not time.sleep(0.002)]"),
    ] {
        // The pause is what one that goes just beyond for a moment may get away with.
        let code = format!("def handler(event, context):\n  pass\n{code}\ntime.sleep(0.5)");
        for path in if what == "at once" { &PATHS[..] } else { &PATHS[1..2] } {
            let start = Instant::now();
            let outcome = run(&bed, small(&bed, &code), *path).await;
            println!("{what}, {path:?}: {:?}", start.elapsed());
            assert_eq!(outcome.result, Err(Failure::OutOfMemory), "{what}, {path:?}");
            assert_eq!(outcome.memory_peak_bytes, 128 * MEGABYTE, "{what}, {path:?}");
        }
    }
    let code = "mine = bytearray(90 << 20)\ndef handler(event, context): return len(mine) >> 20";
    assert_eq!(text(&run(&bed, small(&bed, code), LaunchPath::Zygote).await), "90");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_in_tmp_are_not_memory_used() {
    if !privilege::root_for("files_in_tmp_are_not_memory_used") {
        return;
    }
    let bed = bed().await;
    let code = "write('a', 60)\ndef handler(event, context): pass";
    for path in PATHS {
        let outcome = run(&bed, small(&bed, code), path).await;
        assert_eq!(text(&outcome), "null");
        let peak = outcome.memory_peak_bytes / MEGABYTE;
        assert!((1..50).contains(&peak), "{path:?}: {peak} MB");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_has_processor_time_whatever_the_memory() {
    if !privilege::root_for("init_has_processor_time_whatever_the_memory") {
        return;
    }
    let bed = bed().await;
    let code = "at_init = busy(0.3)\ndef handler(event, context): return [at_init, busy(0.6)]";
    for path in PATHS {
        // Other tests may leave little to share out; what counts is that the limit is not what keeps it from more.
        let start = Instant::now();
        let mut shares = (0.0, 0.0);
        while shares.0 < 0.11 && start.elapsed() < Duration::from_secs(60) {
            let outcome = run(&bed, small(&bed, code), path).await;
            shares = serde_json::from_str::<(f64, f64)>(text(&outcome)).unwrap();
        }
        println!("{path:?}: {shares:?}");
        assert!(shares.0 >= 0.11 && shares.1 < 0.1, "{path:?}: {shares:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_bomb_is_told_its_timeout_in_time() {
    if !privilege::root_for("a_fork_bomb_is_told_its_timeout_in_time") {
        return;
    }
    let bed = bed().await;
    let code = r#"
def handler(event, context):
    while event == "bomb":
        try:
            os.fork()
        except OSError:
            pass
"#;
    for memory_mb in [128, 1769] {
        let mut spec = small(&bed, code);
        (spec.memory_mb, spec.timeout) = (memory_mb, Duration::from_secs(3));
        let (mut sandbox, _) = bed.launch(spec.clone()).await;
        assert_eq!(text(&sandbox.invoke(request("1")).await), "null");
        let start = Instant::now();
        let outcome = sandbox.invoke(request("\"bomb\"")).await;
        let late = start.elapsed().saturating_sub(spec.timeout);
        println!("{memory_mb} MB: the answer came {late:?} after the time was up");
        assert_eq!(outcome.result, Err(Failure::Timeout));
        assert!(late < Duration::from_secs(1), "{memory_mb} MB: {late:?}");
    }
    let start = Instant::now();
    bed.engine.shutdown().await;
    println!("all gone after {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sandboxes_go_before_the_server_and_are_counted_by_themselves() {
    if !privilege::root_for("sandboxes_go_before_the_server_and_are_counted_by_themselves") {
        return;
    }
    let bed = bed().await;
    let code = "import resource\ndef handler(event, context): return [int(open('/proc/self/oom_score_adj').read()), resource.getrlimit(resource.RLIMIT_NPROC)[0]]";
    for path in PATHS {
        let outcome = run(&bed, small(&bed, code), path).await;
        let (score, processes) = serde_json::from_str::<(i32, i64)>(text(&outcome)).unwrap();
        assert_eq!(score, 500, "{path:?}");
        assert_ne!(processes, 1024, "{path:?}: counted by user id, which servers share");
    }
}
