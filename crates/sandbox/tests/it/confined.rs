//! What only real sandboxes promise: shares of the processor, memory, rest, identities, pools of every kind.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sandbox::{Failure, Isolation, LaunchPath, PoolTargets};

use crate::support::{Bed, no_pools, request, text};

const PYTHON: &str = "python3.12";

async fn bed() -> Bed {
    Bed::start(Isolation::Sandbox, no_pools()).await
}

/// 128 MB buy a fourteenth of a processor, but not while the function initialises.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_has_a_whole_processor_and_an_invocation_its_share() {
    let bed = bed().await;
    if bed.engine.posture().degraded().any(|layer| layer.name == "cpu limit") {
        return eprintln!("skipped: this host has no cpu limit");
    }
    let code = "import time\ndef work():\n    began = time.monotonic()\n    until = time.process_time() + 0.15\n    while time.process_time() < until: pass\n    return time.monotonic() - began\ninit = work()\ndef handler(event, context): return [init, work()]\n";
    let mut spec = bed.spec(PYTHON, &[("app.py", code)]);
    spec.memory_mb = 128;
    let (outcome, _) = bed.run(spec, "{}").await;
    let [init, invocation]: [f64; 2] = serde_json::from_str(text(&outcome)).expect("two numbers");
    // Alone, 0.15 s of work take as long; with the function's share they take two seconds.
    assert!(invocation > 1.0 && init < invocation, "init {init} s, invocation {invocation} s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_memory_is_told_from_other_ends() {
    let bed = bed().await;
    if bed.engine.posture().degraded().any(|layer| layer.name == "memory limit") {
        return eprintln!("skipped: this host has no memory limit");
    }
    let code = "def handler(event, context):\n    hog = bytearray(event)\n    return len(hog)\n";
    let mut spec = bed.spec(PYTHON, &[("app.py", code)]);
    spec.memory_mb = 128;
    let (outcome, _) = bed.run(spec.clone(), "300000000").await;
    assert_eq!(outcome.result, Err(Failure::OutOfMemory));
    let (outcome, _) = bed.run(spec, "50000000").await;
    assert_eq!(text(&outcome), "50000000");
    assert!((50_000_000..=128 << 20).contains(&outcome.memory_peak_bytes), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_on_after_the_answer_stands_still() {
    let bed = bed().await;
    if bed.engine.posture().degraded().any(|layer| layer.name == "freezing") {
        return eprintln!("skipped: this host cannot freeze");
    }
    let code = "import threading, time\nticks = 0\ndef tick():\n    global ticks\n    while True:\n        time.sleep(0.01)\n        ticks += 1\nthreading.Thread(target=tick, daemon=True).start()\ndef handler(event, context): return ticks\n";
    let (mut sandbox, _) = bed.launch(bed.spec(PYTHON, &[("app.py", code)])).await;
    let ticks =
        async |sandbox: &mut sandbox::Sandbox| text(&sandbox.invoke(request("1")).await).parse::<u64>().unwrap();
    let before = ticks(&mut sandbox).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let after = ticks(&mut sandbox).await;
    // Running on it would have made some 200; frozen, at most those of the first moments (of a busy machine).
    assert!(after - before < 120, "{before} then {after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_the_endpoint_come_with_their_identity() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let bed = Bed::start_with(Isolation::Sandbox, no_pools(), |config| {
        config.endpoint = Arc::new(move |stream: tokio::net::TcpStream, identity: sandbox::SandboxIdentity| {
            assert_eq!(identity.spec.function_name, "greet");
            counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut stream = stream;
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nfrom the server").await;
            })
        });
    })
    .await;
    let code = "import urllib.request\ndef handler(event, context): return urllib.request.urlopen('http://localhost:4566/').read().decode()\n";
    let (outcome, _) = bed.run(bed.spec(PYTHON, &[("app.py", code)]), "1").await;
    assert_eq!(text(&outcome), "\"from the server\"");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_is_forked_and_node_is_parked() {
    let pools = PoolTargets { node: 1, zygotes: true, ..no_pools() };
    let bed = Bed::start(Isolation::Sandbox, pools).await;
    let spec = bed.spec(PYTHON, &[("app.py", "import random\ndef handler(event, context): return random.random()\n")]);
    let mut drawn = Vec::new();
    for _ in 0..3 {
        let (mut sandbox, _) = bed.launch(spec.clone()).await;
        assert_eq!(sandbox.path(), LaunchPath::Zygote);
        drawn.push(text(&sandbox.invoke(request("1")).await).to_owned());
    }
    drawn.dedup();
    assert_eq!(drawn.len(), 3, "forks of one zygote draw different numbers");

    bed.engine.expect("nodejs20.x", 128);
    for _ in 0..1000 {
        if bed.engine.pools().iter().any(|pool| pool.ready == 1) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let code = "exports.handler = async () => process.cwd();\n";
    let (mut sandbox, _) = bed.launch(bed.spec("nodejs20.x", &[("app.js", code)])).await;
    assert_eq!(sandbox.path(), LaunchPath::Parked);
    assert_eq!(text(&sandbox.invoke(request("1")).await), "\"/var/task\"");
}
