//! `updraft dev`: a directory of code as a function, for as long as the command runs.
//!
//! The function is of the `hot-reload` bucket, so the server itself sees to it that a request runs what is saved; here is
//! what a developer wants to see meanwhile: files that changed, the log as it comes, and, with an event, the answer
//! after each save.

mod changes;
mod guess;
mod local;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use self::changes::Changes;
use self::guess::Guess;
use self::local::Local;
use super::invoke::{Call, read_event};
use super::logs::Tail;
use super::{Failure, tokio_runtime};
use crate::client::{Client, Server, encoded, refusal_code};

/// How often files are looked at for what to tell. What runs does not depend on it.
const LOOK: Duration = Duration::from_millis(200);

/// How long a function may take to become ready.
const READY_ATTEMPTS: u32 = 600;
const READY_PAUSE: Duration = Duration::from_millis(50);

/// Runs a directory of code as a function while you edit it
///
///   updraft dev                             the present directory; runtime and handler are guessed from its files
///   updraft dev src --name orders --env STAGE=dev --timeout 30
///   updraft dev --event event.json          invokes after each save and shows the answer
///   updraft dev --debug                     a debugger can attach; no timeout while one is attached
///
/// The next invocation after a save runs what was saved; while nothing changes, environments stay warm. The log is shown as it
/// comes. If no server runs at the endpoint, one is started, with the settings of UPDRAFT_* variables as for `updraft serve`.
/// Ctrl-C removes the function, and ends the server if it was started here.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Dev {
    /// The directory with the code
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// The function's name [default: the directory's]
    #[arg(long)]
    name: Option<String>,
    /// AWS's name of a runtime, such as python3.12 [default: guessed from the files]
    #[arg(long)]
    runtime: Option<String>,
    /// The entry point, such as app.handler [default: guessed from the files]
    #[arg(long)]
    handler: Option<String>,
    /// An environment variable of the function; may be given more than once
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    environment: Vec<(String, String)>,
    /// The execution role
    #[arg(long, value_name = "ARN", default_value = "arn:aws:iam::000000000000:role/dev")]
    role: String,
    /// Seconds an invocation may take
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=900))]
    timeout: u32,
    /// Memory in MB
    #[arg(long, value_name = "MB", default_value = "512", value_parser = clap::value_parser!(u32).range(128..=10240))]
    memory: u32,
    /// Invoke with this event at the start and after each save: JSON, @FILE, or a file's name
    #[arg(long, short, value_name = "JSON|FILE")]
    event: Option<String>,
    /// Let a debugger attach on this port of loopback [default: 5678 for Python, 9229 for Node.js, 5005 for Java]
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0")]
    debug: Option<u16>,
    /// With --debug: the code waits until a debugger has attached
    #[arg(long, requires = "debug")]
    debug_wait: bool,
    /// Leave the function there at the end
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    server: Server,
}

impl Dev {
    pub(super) fn run(self) -> Result<(), Failure> {
        let directory = self.directory.canonicalize();
        let directory = directory.map_err(|error| format!("{}: {error}", self.directory.display()))?;
        let function = self.function(&directory)?;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        tokio_runtime(threads)?.block_on(async {
            // Before anything is made, so that a signal that comes meanwhile still cleans up.
            let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            let stop = async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            let client = self.server.client();
            let local = Local::unless_up(&client, &self.server.endpoint).await?;
            let ended = self.session(&client, &function, stop).await;
            if let Some(local) = local {
                local.stop().await;
            }
            ended
        })
    }

    /// From the function's creation to its removal.
    async fn session(
        &self,
        client: &Client,
        function: &Function,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        if !is_open(&function.directory) {
            let directory = function.directory.display();
            eprintln!("{directory}: the function's user cannot read it; run chmod o+rx {directory}");
        }
        function.deploy(client).await?;
        function.introduce(&self.server.endpoint);
        let mut tail = Tail::new(client.clone(), function.log_group(), None, now_ms());
        let ended = tokio::select! {
            ended = tail.follow() => ended,
            ended = self.watch(client, function) => ended,
            () = stop => Ok(()),
        };
        // What was written until now is still to be seen.
        _ = tail.show_new().await;
        if !self.keep {
            function.remove(client).await?;
            eprintln!("{} is removed", function.name);
        }
        ended
    }

    /// Tells what is saved, and invokes if there is an event.
    async fn watch(&self, client: &Client, function: &Function) -> Result<(), Failure> {
        let mut changes = Changes::new(&function.directory);
        self.run_saved(client, function).await?;
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(words) = changes.since_last() else { continue };
            eprintln!("saved {words}");
            self.run_saved(client, function).await?;
        }
    }

    async fn run_saved(&self, client: &Client, function: &Function) -> Result<(), Failure> {
        if self.debug.is_some() {
            function.start_ahead(client).await?;
        }
        self.invoke(client, function).await;
        Ok(())
    }

    /// Failures are told and not the end: the next save may mend them.
    async fn invoke(&self, client: &Client, function: &Function) {
        let Some(given) = &self.event else { return };
        let file = Path::new(given).is_file();
        let called = async {
            let payload = read_event(&if file { format!("@{given}") } else { given.clone() })?;
            let call = Call { name: &function.name, qualifier: None, kind: "RequestResponse", tail: false, payload };
            call.send(client).await?.show(&function.name)
        };
        if let Err(failure) = called.await {
            eprintln!("{failure}");
        }
    }

    fn function(&self, directory: &Path) -> Result<Function, Failure> {
        let guess = match (&self.runtime, &self.handler) {
            (Some(runtime), Some(handler)) => Guess { runtime: runtime.clone(), handler: handler.clone() },
            (runtime, handler) => {
                let guess = Guess::of(directory, runtime.as_deref())?;
                Guess { handler: handler.clone().unwrap_or(guess.handler), ..guess }
            }
        };
        let mut variables: BTreeMap<_, _> = self.environment.iter().cloned().collect();
        let debug_port = self.debug.map(|port| if port == 0 { guess.debug_port() } else { port });
        if let Some(port) = debug_port {
            variables.insert("UPDRAFT_DEBUG_PORT".to_owned(), port.to_string());
            variables.insert("UPDRAFT_DEBUG_WAIT".to_owned(), u8::from(self.debug_wait).to_string());
        }
        Ok(Function {
            name: self.name.clone().unwrap_or_else(|| guess::name(directory)),
            directory: directory.to_owned(),
            settings: json!({
                "Runtime": guess.runtime,
                "Handler": guess.handler,
                "Role": self.role,
                "Timeout": self.timeout,
                "MemorySize": self.memory,
                "Environment": { "Variables": variables },
            }),
            debug_port,
        })
    }
}

/// The function of a session.
struct Function {
    name: String,
    directory: PathBuf,
    /// As CreateFunction and UpdateFunctionConfiguration take them.
    settings: Value,
    debug_port: Option<u16>,
}

impl Function {
    /// Makes it, or takes up what an earlier session left.
    async fn deploy(&self, client: &Client) -> Result<(), Failure> {
        let code = json!({ "S3Bucket": "hot-reload", "S3Key": self.directory });
        match client.lambda::<Value>(Method::GET, &self.path(""), None).await {
            Ok(found) if is_in_place(&found) => {
                self.ready(client).await?;
                client.lambda::<Value>(Method::PUT, &self.path("/configuration"), Some(&self.settings)).await?;
                self.ready(client).await?;
                client.lambda::<Value>(Method::PUT, &self.path("/code"), Some(&code)).await?;
            }
            Ok(_) => {
                let words = "there is a function of this name, with code of its own; choose another with --name";
                return Err(format!("{}: {words}", self.name).into());
            }
            Err(failure) if refusal_code(&failure) == Some("ResourceNotFoundException") => {
                let mut new = self.settings.clone();
                new["FunctionName"] = self.name.clone().into();
                new["Code"] = code;
                client.lambda::<Value>(Method::POST, "/2015-03-31/functions", Some(&new)).await?;
            }
            Err(failure) => return Err(failure),
        }
        self.ready(client).await
    }

    async fn ready(&self, client: &Client) -> Result<(), Failure> {
        for _ in 0..READY_ATTEMPTS {
            let shown: Value = client.lambda(Method::GET, &self.path("/configuration"), None).await?;
            let is = |name: &str, value: &str| shown.get(name).and_then(Value::as_str) == Some(value);
            if is("State", "Active") && is("LastUpdateStatus", "Successful") {
                return Ok(());
            }
            if is("State", "Failed") || is("LastUpdateStatus", "Failed") {
                return Err(format!("{} did not become ready: {shown}", self.name).into());
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
        Err(format!("{} does not become ready", self.name).into())
    }

    fn introduce(&self, endpoint: &str) {
        let text = |name: &str| self.settings[name].as_str().unwrap_or_default().to_owned();
        let (name, directory) = (&self.name, self.directory.display());
        eprintln!("{name}: {} of {directory} on {}, at {endpoint}", text("Handler"), text("Runtime"));
        eprintln!("  updraft invoke {name} --payload '{{}}'      runs what is saved; ctrl-C ends");
        if let Some(port) = self.debug_port {
            eprintln!("  a debugger attaches at 127.0.0.1:{port}; {directory} is /var/task there");
        }
    }

    /// Has an environment started, so that a debugger can attach before the first request.
    async fn start_ahead(&self, client: &Client) -> Result<(), Failure> {
        let path = format!("/_updraft/lambda/start?function={}&{}", encoded(&self.name), client.place());
        client.own(Method::POST, &path).await?.accepted().map(drop)
    }

    async fn remove(&self, client: &Client) -> Result<(), Failure> {
        match client.lambda::<Value>(Method::DELETE, &self.path(""), None).await {
            Err(failure) if refusal_code(&failure) != Some("ResourceNotFoundException") => Err(failure),
            _ => Ok(()),
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/2015-03-31/functions/{}{rest}", encoded(&self.name))
    }

    fn log_group(&self) -> String {
        format!("/aws/lambda/{}", self.name)
    }
}

/// Whether a function's code is a directory in use: one that a session of ours may have left.
fn is_in_place(found: &Value) -> bool {
    found.pointer("/Code/Location").and_then(Value::as_str).is_some_and(|location| location.starts_with("file://"))
}

/// Whether a directory can be read by whom it does not belong to, as a sandbox's user does.
fn is_open(directory: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(directory).is_ok_and(|metadata| metadata.permissions().mode() & 0o005 == 0o005)
}

fn now_ms() -> i64 {
    base::Clock::system().now().millis()
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
