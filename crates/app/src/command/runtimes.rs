//! `updraft runtimes`: what this host can run, and the packs that make it whole.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sandbox::packs;
use sandbox::runtimes::Serves;

use super::status::table;
use super::{Failure, serve};

#[derive(Args)]
pub(super) struct Runtimes {
    #[command(subcommand)]
    command: Option<Command>,
    /// Directory of runtime packs [default: DATA_DIR/runtimes]
    #[arg(long, env = "UPDRAFT_RUNTIMES_DIR", value_name = "DIR", global = true)]
    runtimes_dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the runtime packs for this host's interpreters: boto3, the AWS SDK for JavaScript v3, Java's boot jar.
    /// Needs pip, npm and Maven with a JDK; what is current is left alone. The pack debugpy, for debugging Python functions, is
    /// built when it is named.
    Install {
        /// Only these packs, by the names that `updraft runtimes` shows [default: all that suit this host, but debugpy]
        #[arg(value_name = "PACK")]
        packs: Vec<String>,
    },
}

impl Runtimes {
    pub(super) fn run(self) -> Result<(), Failure> {
        let directory = self.runtimes_dir.unwrap_or_else(|| serve::default_data_dir().join("runtimes"));
        let found = sandbox::Runtimes::discover(&search());
        match self.command {
            None => show(&found, &directory),
            Some(Command::Install { packs }) => install(&found, &directory, &packs)?,
        }
        Ok(())
    }
}

/// Where interpreters are looked for, out of the environment.
#[expect(clippy::disallowed_methods, reason = "the command reads the environment")]
pub(super) fn search() -> sandbox::Search {
    let path = std::env::var_os("PATH").unwrap_or_default();
    sandbox::Search {
        path: std::env::split_paths(&path).collect(),
        home: std::env::var_os("HOME").map(PathBuf::from),
        java_home: std::env::var_os("JAVA_HOME").map(PathBuf::from),
    }
}

fn show(found: &sandbox::Runtimes, directory: &std::path::Path) {
    let mut rows = table(&["runtime", "served by", "version", "note"]);
    for status in found.list() {
        let row = match &status.serves {
            Serves::Exact(None) => ["the function itself".to_owned(), String::new(), String::new()],
            Serves::Exact(Some(i)) => [i.program.display().to_string(), i.version.clone(), String::new()],
            Serves::StandIn(i) => [i.program.display().to_string(), i.version.clone(), "stand-in".to_owned()],
            Serves::Missing { hint } => ["MISSING".to_owned(), String::new(), hint.clone()],
        };
        rows.add_row(std::iter::once(status.name.to_owned()).chain(row));
    }
    println!("{rows}\n");
    let mut rows = table(&["pack", "state"]);
    for pack in packs::for_host(found) {
        let state = match (pack.is_in(directory), pack.optional) {
            (true, _) => "installed",
            (false, false) => "missing: run `updraft runtimes install`",
            (false, true) => "for debuggers: `updraft runtimes install debugpy`",
        };
        rows.add_row([pack.name.as_str(), state]);
    }
    println!("packs in {}:\n{rows}", directory.display());
}

fn install(found: &sandbox::Runtimes, directory: &std::path::Path, only: &[String]) -> Result<(), Failure> {
    let suitable = packs::for_host(found);
    if let Some(unknown) = only.iter().find(|name| !suitable.iter().any(|pack| pack.name == **name)) {
        let names: Vec<&str> = suitable.iter().map(|pack| pack.name.as_str()).collect();
        return Err(format!("no pack '{unknown}' suits this host; there are: {}", names.join(", ")).into());
    }
    let scratch = std::env::temp_dir().join(format!("updraft-packs-{}", std::process::id()));
    let mut failed = Vec::new();
    for pack in suitable.into_iter().filter(|pack| (only.is_empty() && !pack.optional) || only.contains(&pack.name)) {
        println!("{} …", pack.name);
        if !pack.build(directory, &scratch)?.success() {
            failed.push(pack.name);
        }
    }
    _ = std::fs::remove_dir_all(&scratch);
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("these packs could not be built: {} (the lines above say why)", failed.join(", ")).into()),
    }
}
