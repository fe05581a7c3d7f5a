//! The subcommands.

mod dev;
mod events;
mod image;
mod invoke;
mod logs;
mod runtimes;
mod serve;
mod status;
mod usage;

use clap::{CommandFactory as _, Parser, Subcommand};

/// What a command may fail with: words for the terminal that say what happened, why, and what to do next.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// The serverless cloud you run yourself: AWS Lambda, its API and its tools, in one binary.
///
/// Start it with `updraft serve`, then point any AWS tool at it:
///
///   export AWS_ENDPOINT_URL=http://localhost:4566
///   export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
///   aws lambda list-functions
#[derive(Parser)]
#[command(name = "updraft", version, verbatim_doc_comment)]
pub(crate) struct Updraft {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a node until it is told to stop.
    Serve(Box<serve::Serve>),
    Dev(Box<dev::Dev>),
    /// Container images for functions.
    Image(image::Image),
    Invoke(invoke::Invoke),
    Logs(logs::Logs),
    Events(events::Events),
    Replay(events::Replay),
    /// Shows a running node: isolation layers present or degraded, pools, services.
    Status(status::Status),
    /// Shows what functions used in a month or on a day, and what it would have cost on AWS.
    Usage(usage::Usage),
    /// Shows which Lambda runtimes this host can run, what stands in for what, and what is missing.
    Runtimes(runtimes::Runtimes),
    /// Prints a completion script: updraft completions bash > /etc/bash_completion.d/updraft
    Completions {
        /// The shell to complete in.
        shell: clap_complete::Shell,
    },
    /// Prints all operations and shapes as JSON.
    #[command(name = "__schemas", hide = true)]
    Schemas,
}

pub(crate) fn run(updraft: Updraft) -> Result<(), Failure> {
    match updraft.command {
        Command::Serve(serve) => serve.run(),
        Command::Dev(dev) => dev.run(),
        Command::Image(image) => image.run(),
        Command::Invoke(invoke) => invoke.run(),
        Command::Logs(logs) => logs.run(),
        Command::Events(events) => events.run(),
        Command::Replay(replay) => replay.run(),
        Command::Status(status) => status.run(),
        Command::Usage(usage) => usage.run(),
        Command::Runtimes(runtimes) => runtimes.run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Updraft::command(), "updraft", &mut std::io::stdout());
            Ok(())
        }
        Command::Schemas => {
            serde_json::to_writer_pretty(std::io::stdout(), &node::schemas())?;
            Ok(())
        }
    }
}

/// A runtime for commands that talk to a node or are one.
fn tokio_runtime(worker_threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(worker_threads).enable_all().build()
}
