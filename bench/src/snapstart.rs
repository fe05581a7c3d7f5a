//! The first request of a version with SnapStart whose init takes three seconds, over signed HTTP, beside a warm request of
//! the same version.
//!
//! Each round publishes a version anew and waits until it is Active, as a deployment would.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::client::{self, Connection};
use crate::functions::Function;
use crate::server::{Pools, Server};
use crate::statistics::Times;
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure};

const ROUNDS: usize = 5;
const WARM_REQUESTS: usize = 50;
/// The goal, whatever the init took.
const FIRST_AT_MOST: Goal = Goal::AtMost(Figure::Milliseconds(20.0));
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: String,
    state: String,
}

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let functions = [("Python", "python", &bench.functions.slow_python), ("Java", "java", &bench.functions.slow_java)];
    let mut server = Server::start(bench, Pools::Default)?;
    for (language, name, function) in functions {
        let Some(function) = function else { continue };
        let (mut first, mut warm) = rounds(&mut server, name, function)?;
        let what = format!("SnapStart {language}: first request after a 3 s init, p50");
        table.add(Row::new(what, first.p50()).beside(warm.p50()).goal(FIRST_AT_MOST));
    }
    Ok(())
}

fn rounds(server: &mut Server, name: &str, function: &Function) -> Result<(Times, Times), Failure> {
    server.create(name, function)?;
    let mut connection = Connection::open(server.address)?;
    let (mut first, mut warm) = (Times::default(), Times::default());
    for round in 0..ROUNDS {
        let version = publish(server, &mut connection, name, round)?;
        let path = format!("/2015-03-31/functions/{name}/invocations?Qualifier={version}");
        let invocation = client::signed(server.address, "POST", &path, b"{\"name\": \"bench\"}")?;
        first.take(|| connection.send(&invocation))?.good()?;
        for _ in 0..WARM_REQUESTS {
            warm.take(|| connection.send(&invocation))?.good()?;
        }
    }
    Ok((first, warm))
}

/// Publishes a version that differs from all earlier ones, and waits until it is ready.
fn publish(server: &Server, connection: &mut Connection, name: &str, round: usize) -> Result<String, Failure> {
    let started = Instant::now();
    let mut call = |method: &str, path: String, body: String| -> Result<Vec<u8>, Failure> {
        let request = client::signed(server.address, method, &path, body.as_bytes())?;
        loop {
            // A change that is under way refuses the next.
            match connection.send(&request)?.good() {
                Ok(answer) => return Ok(answer.body),
                Err(error) if started.elapsed() > ACTIVE_TIMEOUT => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    };
    let function = format!("/2015-03-31/functions/{name}");
    let settings = format!(
        "{{\"SnapStart\": {{\"ApplyOn\": \"PublishedVersions\"}}, \"Environment\": {{\"Variables\": {{\"ROUND\": \"{round}\"}}}}}}"
    );
    call("PUT", format!("{function}/configuration"), settings)?;
    let published = call("POST", format!("{function}/versions"), "{}".into())?;
    let mut version: Version = serde_json::from_slice(&published)?;
    while version.state != "Active" {
        if started.elapsed() > ACTIVE_TIMEOUT {
            return Err(format!("version {} of {name} is {}", version.version, version.state).into());
        }
        std::thread::sleep(Duration::from_millis(20));
        let path = format!("{function}/configuration?Qualifier={}", version.version);
        version = serde_json::from_slice(&call("GET", path, String::new())?)?;
    }
    Ok(version.version)
}
