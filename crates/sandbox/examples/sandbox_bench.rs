//! What the engine costs, beside baselines measured in the same run: cold start by runtime and path, warm invocations,
//! create + run + destroy per second, memory of an idle sandbox.
//!
//! `cargo run --release -p sandbox --example sandbox_bench [-- WORD...]`, as root for real sandboxes. `quick` makes
//! few rounds; `process` measures plain processes instead of sandboxes; `nat` gives sandboxes a network; `packs` is a directory
//! made by `boot/packs/build.sh` (without it Java is left out).

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use sandbox::{
    Config, Engine, Isolation, LaunchPath, LayerState, LogSink, PoolTargets, Request, Sandbox, Search, Spec,
    runtimes::{Runtimes, Serves},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A JSON event of about 1 KB.
fn event() -> Bytes {
    Bytes::from(format!("{{\"name\":\"bench\",\"text\":\"{}\"}}", "x".repeat(990)))
}

const PYTHON: &str = "import json\ndef handler(event, context):\n    return event\n";
const NODE: &str = "exports.handler = async (event) => event;\n";

struct Nowhere;

impl LogSink for Nowhere {
    fn line(&self, _: i64, _: Bytes) {}
}

struct Bench {
    directory: tempfile::TempDir,
    isolation: Isolation,
    rounds: usize,
    runtime_dir: PathBuf,
    egress: sandbox::Egress,
}

/// One function under test.
struct Subject {
    label: &'static str,
    runtime: String,
    handler: &'static str,
    code: PathBuf,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let directory = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir()?;
    let packs = arguments.iter().find_map(|argument| argument.strip_prefix("packs="));
    let bench = Bench {
        runtime_dir: packs.map_or_else(|| directory.path().join("runtime"), PathBuf::from),
        directory,
        isolation: if has("process") { Isolation::Process } else { Isolation::Sandbox },
        rounds: if has("quick") { 20 } else { 100 },
        egress: if has("nat") { sandbox::Egress::Nat } else { sandbox::Egress::None },
    };
    bench.posture().await?;
    if !has("bare") {
        baselines(&bench)?;
        hello_baseline().await?;
    }
    // Named parts only, if any are named.
    let wants = |part: &str, parts: &[&str]| has(part) || !parts.iter().any(|other| has(other));
    let labels = ["custom", "python", "node", "java"];
    let parts = ["cold", "warm", "throughput", "memory"];
    let subjects: Vec<Subject> = bench.subjects().into_iter().filter(|one| wants(one.label, &labels)).collect();
    for part in parts.into_iter().filter(|part| wants(part, &parts)) {
        for subject in &subjects {
            match part {
                "cold" => bench.cold(subject).await?,
                "warm" => bench.warm(subject).await?,
                "throughput" if subject.label == "java" => {}
                "throughput" => bench.throughput(subject).await?,
                _ => bench.memory(subject).await?,
            }
        }
    }
    Ok(())
}

impl Bench {
    async fn engine(&self, pools: PoolTargets) -> Result<Engine, Failure> {
        let mut config = Config::new(self.directory.path().join("instance"));
        config.isolation = self.isolation;
        config.egress = self.egress;
        config.pools = pools;
        config.search = search();
        config.runtime_dir = self.runtime_dir.clone();
        if let Some(program) = beside("updraft-spawner") {
            config.spawner_program = vec![program];
        }
        Ok(Engine::start(config).await?)
    }

    async fn posture(&self) -> Result<(), Failure> {
        let started = Instant::now();
        let engine = self.engine(no_pools()).await?;
        println!("engine started in {}", show(started.elapsed()));
        for layer in &engine.posture().layers {
            match &layer.state {
                LayerState::Present => println!("  on        {}", layer.name),
                LayerState::Degraded { why } => println!("  DEGRADED  {}: {why}", layer.name),
            }
        }
        engine.shutdown().await;
        Ok(())
    }

    fn subjects(&self) -> Vec<Subject> {
        let mut subjects = Vec::new();
        let write = |name: &str, file: &str, text: &[u8]| {
            let code = self.directory.path().join(name);
            fs::create_dir_all(&code).and_then(|()| fs::write(code.join(file), text)).expect("a writable directory");
            fs::set_permissions(code.join(file), fs::Permissions::from_mode(0o755)).expect("our own file");
            code
        };
        if let Some(program) = self.echo() {
            let code = write("custom", "bootstrap", &fs::read(program).unwrap_or_default());
            subjects.push(Subject { label: "custom", runtime: "provided.al2023".into(), handler: "x", code });
        }
        let python = write("python", "app.py", PYTHON.as_bytes());
        subjects.push(Subject { label: "python", runtime: exact("python3"), handler: "app.handler", code: python });
        let node = write("node", "app.js", NODE.as_bytes());
        subjects.push(Subject { label: "node", runtime: exact("nodejs"), handler: "app.handler", code: node });
        if self.runtime_dir.join("java/boot.jar").is_file()
            && let Some(code) = self.java()
        {
            subjects.push(Subject { label: "java", runtime: exact("java1"), handler: "Bench::handle", code });
        }
        subjects
    }

    /// The echo runtime, linked statically where a compiler is at hand.
    fn echo(&self) -> Option<PathBuf> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/echo_bootstrap.rs");
        let program = self.directory.path().join("echo");
        let compiled = Command::new("rustc")
            .args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-o"])
            .arg(&program)
            .arg(source)
            .stderr(Stdio::null())
            .status();
        if compiled.is_ok_and(|status| status.success()) { Some(program) } else { beside("echo_bootstrap") }
    }

    fn java(&self) -> Option<PathBuf> {
        let code = self.directory.path().join("java");
        fs::create_dir_all(&code).ok()?;
        let source = code.join("Bench.java");
        let text = "import java.util.Map;\npublic class Bench { public Map<String, Object> handle(Map<String, Object> event) { return event; } }\n";
        fs::write(&source, text).ok()?;
        let status = Command::new("javac").args(["--release", "17"]).arg(&source).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success()).then_some(code)
    }

    /// Launch and first answer, by each path that exists.
    async fn cold(&self, subject: &Subject) -> Result<(), Failure> {
        for path in [LaunchPath::Parked, LaunchPath::Zygote, LaunchPath::Exec] {
            let pools = match path {
                LaunchPath::Parked => PoolTargets { python: 4, node: 4, java: 2, zygotes: subject.label == "python" },
                LaunchPath::Zygote => PoolTargets { zygotes: true, ..no_pools() },
                LaunchPath::Exec => no_pools(),
            };
            if (subject.label == "custom" && path != LaunchPath::Exec)
                || (subject.label != "python" && path == LaunchPath::Zygote)
                || (path == LaunchPath::Zygote && self.isolation == Isolation::Process)
            {
                continue;
            }
            let engine = self.engine(pools).await?;
            let (mut times, mut launches) = (Vec::new(), Vec::new());
            let (mut inits, mut invokes) = (Vec::new(), Vec::new());
            for round in 0..self.rounds + 3 {
                if path == LaunchPath::Parked {
                    fill(&engine, subject).await?;
                }
                let started = Instant::now();
                let mut sandbox = launch(&engine, subject).await?;
                let launched = started.elapsed();
                let outcome = sandbox.invoke(request()).await;
                let elapsed = started.elapsed();
                if outcome.result.as_deref().map_or(0, <[u8]>::len) < request().payload.len() {
                    return Err(format!("{}: {outcome:?}", subject.label).into());
                }
                if round >= 3 && sandbox.path() == path {
                    times.push(elapsed);
                    launches.push(launched);
                    let init = outcome.init.as_ref().map_or(Duration::ZERO, |init| init.duration);
                    // A few microseconds may lie between the two clocks' starts.
                    inits.push(init.saturating_sub(launched));
                    invokes.push(outcome.duration);
                }
                drop(sandbox);
                if path != LaunchPath::Parked {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            let path = format!("{path:?}").to_lowercase();
            report(&format!("cold {} {path}: first answer", subject.label), &mut times);
            report(&format!("cold {} {path}:   of it launch", subject.label), &mut launches);
            report(&format!("cold {} {path}:   of it init", subject.label), &mut inits);
            report(&format!("cold {} {path}:   of it invoke", subject.label), &mut invokes);
            engine.shutdown().await;
        }
        Ok(())
    }

    async fn warm(&self, subject: &Subject) -> Result<(), Failure> {
        let engine = self.engine(no_pools()).await?;
        let mut sandbox = launch(&engine, subject).await?;
        let mut times = Vec::new();
        let rounds = self.rounds * 100;
        for round in 0..rounds + 500 {
            let started = Instant::now();
            let outcome = sandbox.invoke(request()).await;
            if round >= 500 {
                times.push(started.elapsed());
            }
            outcome.result.map_err(|failure| format!("{failure:?}"))?;
        }
        report(&format!("warm {}", subject.label), &mut times);
        engine.shutdown().await;
        Ok(())
    }

    /// Four at a time: create, run once, destroy.
    async fn throughput(&self, subject: &Subject) -> Result<(), Failure> {
        let engine = self.engine(PoolTargets { zygotes: subject.label == "python", ..no_pools() }).await?;
        launch(&engine, subject).await?.invoke(request()).await;
        let total = if subject.label == "custom" { self.rounds * 20 } else { self.rounds };
        let started = Instant::now();
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (engine, spec) = (engine.clone(), spec(subject));
            workers.spawn(async move {
                for _ in 0..total / 4 {
                    let mut sandbox =
                        engine.launch(spec.clone(), Arc::new(Nowhere)).await.map_err(|e| e.to_string())?;
                    sandbox.invoke(request()).await.result.map_err(|failure| format!("{failure:?}"))?;
                }
                Ok::<(), String>(())
            });
        }
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        engine.shutdown().await;
        let per_second = total as f64 / started.elapsed().as_secs_f64();
        println!("{:<44} {per_second:>9.0} /s", format!("create+run+destroy {}", subject.label));
        Ok(())
    }

    /// Difference of the host's available memory, everything counted.
    async fn memory(&self, subject: &Subject) -> Result<(), Failure> {
        let count = if subject.label == "java" { 10 } else { 40 };
        let engine = self.engine(PoolTargets { zygotes: subject.label == "python", ..no_pools() }).await?;
        launch(&engine, subject).await?.invoke(request()).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = available_kb();
        let mut sandboxes = Vec::new();
        for _ in 0..count {
            let mut sandbox = launch(&engine, subject).await?;
            sandbox.invoke(request()).await;
            sandboxes.push(sandbox);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let each = before.saturating_sub(available_kb()) as f64 / f64::from(count) / 1024.0;
        println!(
            "{:<44} {each:>9.2} MB ({:?})",
            format!("memory of an idle sandbox {}", subject.label),
            sandboxes[0].path()
        );
        drop(sandboxes);
        engine.shutdown().await;
        Ok(())
    }
}

/// Programs from start to exit, and the bare HTTP server.
fn baselines(bench: &Bench) -> Result<(), Failure> {
    let runtimes = Runtimes::discover(&search());
    let program = |name: &str| match &runtimes.find(name)?.serves {
        Serves::Exact(Some(interpreter)) | Serves::StandIn(interpreter) => Some(interpreter.program.clone()),
        _ => None,
    };
    for (name, runtime, arguments) in
        [("python3 -c pass", exact("python3"), ["-c", "pass"]), ("node -e 0", exact("nodejs"), ["-e", "0"])]
    {
        let Some(program) = program(&runtime) else { continue };
        let mut times = Vec::new();
        for round in 0..bench.rounds.min(40) + 2 {
            let started = Instant::now();
            Command::new(&program).args(arguments).env_clear().stdin(Stdio::null()).status()?;
            if round >= 2 {
                times.push(started.elapsed());
            }
        }
        report(&format!("baseline {name}"), &mut times);
    }
    Ok(())
}

async fn hello_baseline() -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let service = hyper::service::service_fn(async |_| {
                Ok::<_, std::convert::Infallible>(hyper::Response::new(Full::new(Bytes::from_static(b"hello"))))
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        }
    });
    let times = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut times = Vec::new();
        let mut buffer = [0; 4096];
        for round in 0..10_500 {
            let started = Instant::now();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
            let _ = stream.read(&mut buffer)?;
            if round >= 500 {
                times.push(started.elapsed());
            }
        }
        Ok::<_, std::io::Error>(times)
    });
    report("baseline bare hyper hello", &mut times.await??);
    Ok(())
}

async fn fill(engine: &Engine, subject: &Subject) -> Result<(), Failure> {
    engine.expect(&subject.runtime, 1769);
    for _ in 0..3000 {
        if engine.pools().iter().any(|pool| pool.target > 0 && pool.ready == pool.target) {
            tokio::time::sleep(Duration::from_millis(2)).await;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Err(format!("the pool does not fill: {:?}", engine.pools()).into())
}

async fn launch(engine: &Engine, subject: &Subject) -> Result<Sandbox, Failure> {
    Ok(engine.launch(spec(subject), Arc::new(Nowhere)).await?)
}

fn spec(subject: &Subject) -> Arc<Spec> {
    let env = [("AWS_REGION", "us-east-1"), ("AWS_LAMBDA_FUNCTION_NAME", "bench"), ("STAGE", "bench")];
    Arc::new(Spec {
        runtime: subject.runtime.clone(),
        architecture: Default::default(),
        handler: subject.handler.into(),
        code: subject.code.clone(),
        image: None,
        code_in_place: false,
        debug: None,
        opt: None,
        env: env.map(|(name, value)| (name.into(), value.into())).to_vec(),
        credentials: None,
        memory_mb: 1769,
        tmp_mb: 512,
        timeout: Duration::from_secs(10),
        init_timeout: Duration::from_secs(10),
        function_name: "bench".into(),
        function_version: "$LATEST".into(),
        log_group: "/aws/lambda/bench".into(),
        log_stream: "bench".into(),
        owner: String::new(),
    })
}

fn request() -> Request {
    Request {
        request_id: "11111111-2222-3333-4444-555555555555".into(),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:bench".into(),
        payload: event(),
        ..Request::default()
    }
}

fn no_pools() -> PoolTargets {
    PoolTargets { python: 0, node: 0, java: 0, zygotes: false }
}

/// The newest runtime of a family that is there exactly.
fn exact(prefix: &str) -> String {
    let runtimes = Runtimes::discover(&search());
    let found = runtimes.list().iter().filter(|status| status.name.starts_with(prefix));
    let exact = found.clone().find(|status| {
        matches!(&status.serves, Serves::Exact(Some(interpreter)) if interpreter.binds.iter().all(|bind| bind.starts_with("/etc")))
    });
    exact.or_else(|| found.clone().next()).map(|status| status.name.to_owned()).unwrap_or_default()
}

fn search() -> Search {
    #[expect(clippy::disallowed_methods, reason = "a program of its own")]
    let variable = |name| std::env::var(name).unwrap_or_default();
    Search {
        path: variable("PATH").split(':').map(PathBuf::from).collect(),
        home: Some(variable("HOME").into()),
        java_home: None,
    }
}

/// A program of the same build.
fn beside(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    own.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|program| program.is_file())
}

fn available_kb() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or_default()
}

fn report(what: &str, times: &mut [Duration]) {
    if times.is_empty() {
        println!("{what:<44} not measured");
        return;
    }
    times.sort();
    let at = |share: f64| show(times[((times.len() - 1) as f64 * share) as usize]);
    println!("{what:<44} min {:>9}  p50 {:>9}  p99 {:>9}  n {}", at(0.0), at(0.5), at(0.99), times.len());
}

fn show(time: Duration) -> String {
    if time < Duration::from_millis(1) {
        format!("{} us", time.as_micros())
    } else {
        format!("{:.2} ms", time.as_secs_f64() * 1000.0)
    }
}
