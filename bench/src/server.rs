//! A release `updraft serve` on a data directory of its own, and the calls that put functions into it.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use node::status::Status;
use serde::Serialize;

use crate::client::{self, Connection};
use crate::functions::Function;
use crate::{Bench, Failure};

/// How long pools may take to fill.
const FILL_TIMEOUT: Duration = Duration::from_secs(20);

/// A running server; ends with this handle.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    pub(crate) ready_in: Duration,
    control: Connection,
    _data: tempfile::TempDir,
}

/// Whether sandboxes are kept ready.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pools {
    Default,
    None,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateFunction<'a> {
    function_name: &'a str,
    runtime: &'a str,
    handler: &'a str,
    role: &'a str,
    memory_size: u32,
    timeout: u32,
    code: Code,
    environment: Environment<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Code {
    zip_file: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Environment<'a> {
    variables: std::collections::BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateConfiguration<'a> {
    environment: Environment<'a>,
}

impl Server {
    pub(crate) fn start(bench: &Bench, pools: Pools) -> Result<Server, Failure> {
        Server::start_with(bench, pools, &[])
    }

    /// As [`Server::start`], with further arguments.
    pub(crate) fn start_with(bench: &Bench, pools: Pools, arguments: &[&str]) -> Result<Server, Failure> {
        let data = tempfile::Builder::new().prefix("data-").tempdir_in(bench.scratch.path())?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(bench.build.join("updraft"));
        command.arg("serve").arg("--data-dir").arg(data.path()).args([
            "--listen",
            &address.to_string(),
            "--log",
            "warn",
        ]);
        command.args(arguments);
        if let Some(packs) = &bench.packs {
            command.arg("--runtimes-dir").arg(packs);
        }
        if pools == Pools::None {
            command.args(["--pool-python=0", "--pool-node=0", "--pool-java=0"]);
        }
        let started = Instant::now();
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let ready_in = started.elapsed();
        if line.trim() != "Ready." {
            return Err(format!("updraft did not start: {:?}", process.wait()?).into());
        }
        let control = Connection::open(address)?;
        Ok(Server { process, address, ready_in, control, _data: data })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn create(&mut self, name: &str, function: &Function) -> Result<(), Failure> {
        let body = CreateFunction {
            function_name: name,
            runtime: &function.runtime,
            handler: function.handler,
            role: "arn:aws:iam::000000000000:role/bench",
            memory_size: 1769,
            timeout: 30,
            code: Code { zip_file: STANDARD.encode(&function.zip) },
            environment: Environment { variables: Default::default() },
        };
        self.call("POST", "/2015-03-31/functions", &serde_json::to_vec(&body)?).map(drop)
    }

    /// Gives a function other settings, so that its next request begins cold.
    pub(crate) fn change(&mut self, name: &str, round: usize, variable: Option<&str>) -> Result<(), Failure> {
        let mut variables = std::collections::BTreeMap::from([("ROUND", round.to_string())]);
        variables.extend(variable.map(|variable| (variable, String::new())));
        let body = UpdateConfiguration { environment: Environment { variables } };
        self.call("PUT", &format!("/2015-03-31/functions/{name}/configuration"), &serde_json::to_vec(&body)?).map(drop)
    }

    /// Lets no request of a function in.
    pub(crate) fn forbid(&mut self, name: &str) -> Result<(), Failure> {
        let path = format!("/2017-10-31/functions/{name}/concurrency");
        self.call("PUT", &path, br#"{"ReservedConcurrentExecutions": 0}"#).map(drop)
    }

    /// Calls an operation; its answer's body.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let request = client::signed(self.address, method, path, body)?;
        Ok(self.control.send(&request)?.good()?.body)
    }

    /// Calls an operation of another service; its answer's body.
    pub(crate) fn call_of(&mut self, service: &str, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let request = client::signed_for(service, self.address, method, path, body)?;
        Ok(self.control.send(&request)?.good()?.body)
    }

    /// A signed request that invokes a function with an event of about 1 KB.
    pub(crate) fn invocation(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let event = format!("{{\"name\": \"bench\", \"text\": \"{}\"}}", "x".repeat(990));
        let path = format!("/2015-03-31/functions/{name}/invocations");
        client::signed(self.address, "POST", &path, event.as_bytes())
    }

    pub(crate) fn status(&mut self) -> Result<Status, Failure> {
        let request = b"GET /_updraft/status HTTP/1.1\r\nhost: localhost\r\n\r\n";
        Ok(serde_json::from_slice(&self.control.send(request)?.good()?.body)?)
    }

    /// Launches so far from pools, by forking and from nothing.
    pub(crate) fn launches(&mut self) -> Result<[u64; 3], Failure> {
        let pools = self.status()?.pools;
        Ok([0, 1, 2].map(|path| pools.iter().map(|pool| pool.launches[path]).sum()))
    }

    /// Waits until every pool is full.
    pub(crate) fn fill(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        while started.elapsed() < FILL_TIMEOUT {
            let pools = self.status()?.pools;
            if !pools.is_empty() && pools.iter().all(|pool| pool.ready >= pool.target) {
                std::thread::sleep(Duration::from_millis(3));
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err("the pools do not fill".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.control.close();
        let stopped = Command::new("kill").arg(self.process.id().to_string()).status();
        if !stopped.is_ok_and(|status| status.success()) {
            _ = self.process.kill();
        }
        _ = self.process.wait();
    }
}
