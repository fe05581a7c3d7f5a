//! A thousand simultaneous first requests to one function, each of which keeps its environment, and what a warm neighbour
//! notices of it. The baseline of the burst is a thousand bare interpreters started by as many threads as there are
//! processors: what that many processes cost without any isolation, code or answer.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::{self, Connection};
use crate::functions::{self, Function};
use crate::server::{Pools, Server};
use crate::statistics::Times;
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure, neighbour};

const REQUESTS: usize = 1_000;

/// Requests of the neighbour before the burst.
const QUIET: usize = 2_000;

/// Each request of the burst keeps its environment for so long, so that the next needs another.
const BURST: &str = "import time, uuid\nme = str(uuid.uuid4())\ndef handler(event, context):\n    \
    began = time.time()\n    time.sleep(15)\n    return {'me': me, 'began': began}\n";

#[derive(Deserialize)]
struct Answer {
    me: String,
    /// When its handler began, in seconds of the host's clock.
    began: f64,
}

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let (Some(python), Some(program)) = (&bench.functions.python, &bench.functions.python_program) else {
        return Err("there is no Python".into());
    };
    // Room for the neighbour as well, and for parked sandboxes.
    let limits = ["--concurrent-executions-max", "1100", "--sandboxes-max", "1100"];
    let mut server = Server::start_with(bench, Pools::Default, &limits)?;
    let zip = functions::zip(&[("app.py", BURST.as_bytes())])?;
    server.create("burst", &Function { runtime: python.runtime.clone(), handler: python.handler, zip })?;
    server.create("neighbour", python)?;
    server.fill()?;
    let (invocation, burst) = (server.invocation("neighbour")?, server.invocation("burst")?);
    let mut connection = Connection::open(server.address)?;
    let mut quiet = Times::default();
    for _ in 0..QUIET {
        quiet.take(|| connection.send(&invocation))?.good()?;
    }
    let over = AtomicBool::new(false);
    let (answers, mut noisy) = std::thread::scope(|threads| {
        let meanwhile = threads.spawn(|| {
            neighbour::first_in_turn();
            let mut noisy = Times::default();
            while !over.load(Ordering::SeqCst) {
                noisy.take(|| connection.send(&invocation))?.good()?;
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok::<_, Failure>(noisy)
        });
        let answers = all_at_once(server.address, &burst);
        over.store(true, Ordering::SeqCst);
        let noisy = meanwhile.join().map_err(|_| "the neighbour's client panicked")??;
        Ok::<_, Failure>((answers?, noisy))
    })?;
    let environments = answers.iter().map(|(answer, _)| answer.me.as_str()).collect::<BTreeSet<_>>().len();
    let last = answers.iter().map(|(answer, sent)| answer.began - sent).fold(0.0, f64::max);
    let bare = bare_interpreters(program)?;
    let what = format!("burst: {REQUESTS} first requests of one Python function, the last begins after");
    let ideal = Figure::Milliseconds(bare.as_secs_f64() * 1000.0);
    table.add(Row::new(what, Figure::Milliseconds(last * 1000.0)).beside(ideal).goal(Goal::RatioAtMost(1.5)));
    let rate = Figure::PerSecond(environments as f64 / last);
    let bare_rate = Figure::PerSecond(REQUESTS as f64 / bare.as_secs_f64());
    let row = Row::new(format!("  its {environments} sandboxes, ready per second"), rate).beside(bare_rate);
    table.add(row.goal(Goal::AtLeast(Figure::PerSecond(200.0))));
    let row = Row::new("  a warm neighbour meanwhile, p99, beside its quiet p99", noisy.p99()).beside(quiet.p99());
    table.add(row.goal(Goal::RatioAtMost(3.0)));
    Ok(())
}

/// All answers, each with the time at which it was asked for; one that failed is a failure of all.
fn all_at_once(address: SocketAddr, request: &[u8]) -> Result<Vec<(Answer, f64)>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..REQUESTS {
            tasks.spawn(ask(address, request.to_vec()));
        }
        let mut answers = Vec::new();
        while let Some(answer) = tasks.join_next().await {
            answers.push(answer??);
        }
        Ok(answers)
    })
}

async fn ask(address: SocketAddr, request: Vec<u8>) -> Result<(Answer, f64), Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    #[expect(clippy::disallowed_methods, reason = "compared with what the function reads off the same clock")]
    let sent = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    stream.write_all(&request).await?;
    let (mut buffer, mut filled) = (vec![0; 4096], 0);
    loop {
        match stream.read(&mut buffer[filled..]).await? {
            0 => return Err("the server hung up".into()),
            read => filled += read,
        }
        if let Some((head, body)) = client::whole(&buffer[..filled])
            && head + body <= filled
        {
            if !buffer.starts_with(b"HTTP/1.1 200") {
                return Err(String::from_utf8_lossy(&buffer[..filled]).into_owned().into());
            }
            return Ok((serde_json::from_slice(&buffer[head..head + body])?, sent));
        }
    }
}

/// As many interpreters as the burst has requests, from start to exit.
fn bare_interpreters(program: &std::path::Path) -> Result<Duration, Failure> {
    let (started, left) = (Instant::now(), AtomicUsize::new(REQUESTS));
    let processors = std::thread::available_parallelism()?.get();
    let take = || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    std::thread::scope(|threads| {
        let workers: Vec<_> = (0..processors)
            .map(|_| {
                threads.spawn(|| {
                    while take() {
                        let mut command = Command::new(program);
                        command.args(["-I", "-S", "-E", "-c", "pass"]).env_clear().stdin(Stdio::null());
                        command.status()?;
                    }
                    Ok::<_, std::io::Error>(())
                })
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| "a thread panicked")??;
        }
        Ok::<_, Failure>(())
    })?;
    Ok(started.elapsed())
}
