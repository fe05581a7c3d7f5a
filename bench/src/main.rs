//! `make bench`: what a release build of Updraft costs over signed HTTP, beside baselines measured in the same run.
//!
//! Each section starts what it needs and ends it; times and their baseline are taken in turns, so that a busy machine
//! slows both. A missed goal is shown, never an error: only what cannot be measured at all fails. The whole run takes
//! about ten minutes. The benchmarks of the engine, the store and the templates are examples of their crates; their
//! figures are taken over here.

mod asynchronous;
mod burst;
mod client;
mod cold;
mod examples;
mod functions;
mod gateway;
mod hello;
mod many;
mod memory;
mod neighbour;
mod provisioned;
mod server;
mod snapstart;
mod start;
mod statistics;
mod streaming;
mod table;
mod throughput;
mod warm;
mod websockets;

use std::path::PathBuf;
use std::process::ExitCode;

/// What may go wrong: words for the terminal.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The program starts itself with this argument as the bare server.
const HELLO: &str = "__hello";

/// One measuring section, which adds rows to the table.
type Section = fn(&Bench, &mut table::Table) -> Result<(), Failure>;

const SECTIONS: &[(&str, Section)] = &[
    ("start", start::measure),
    ("cold", cold::measure),
    ("snapstart", snapstart::measure),
    ("warm", warm::measure),
    ("streaming", streaming::measure),
    ("throughput", throughput::measure),
    ("asynchronous", asynchronous::measure),
    ("provisioned", provisioned::measure),
    ("burst", burst::measure),
    ("neighbour", neighbour::measure),
    ("gateway", gateway::measure),
    ("templates", examples::templates),
    ("memory", memory::measure),
    ("many", many::measure),
    ("websockets", websockets::measure),
    ("engine", examples::engine),
    ("store", examples::store),
];

/// What all sections use.
struct Bench {
    /// Where cargo put the release build.
    build: PathBuf,
    /// Where the AWS SDKs for functions are, if anywhere.
    packs: Option<PathBuf>,
    /// Everything the run writes.
    scratch: tempfile::TempDir,
    functions: functions::Functions,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some(HELLO) => hello::serve(),
        _ => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All sections, or those that are named.
fn run(names: &[String]) -> Result<(), Failure> {
    if let Some(unknown) = names.iter().find(|name| SECTIONS.iter().all(|(known, _)| known != name)) {
        let known: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        return Err(format!("{unknown}: no such section; there are {}", known.join(", ")).into());
    }
    let bench = Bench::new()?;
    let mut table = table::Table::new();
    for (name, measure) in SECTIONS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|n| n == name)) {
        eprintln!("bench: {name} …");
        if let Err(error) = measure(&bench, &mut table) {
            eprintln!("bench: {name} was not measured to its end: {error}");
        }
    }
    println!("{table}");
    let path = table.write()?;
    println!("written to {}", path.display());
    Ok(())
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "a program of its own")]
    fn new() -> Result<Bench, Failure> {
        let build = std::env::current_exe()?.parent().ok_or("this program lies in no directory")?.to_owned();
        let home = PathBuf::from(std::env::var("HOME").unwrap_or_default());
        let packs =
            std::env::var("UPDRAFT_RUNTIMES_DIR").map_or_else(|_| home.join(".cache/updraft/runtimes"), PathBuf::from);
        let scratch = tempfile::Builder::new().prefix("updraft-bench-").tempdir()?;
        let functions = functions::Functions::make(scratch.path(), &build)?;
        Ok(Bench { build, packs: packs.is_dir().then_some(packs), scratch, functions })
    }
}
