//! The `updraft` command: reads flags and environment, and calls `node`. One file for each subcommand.

mod client;
mod command;

use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The spawner is this executable, started again: before threads, allocator pools and argument parsing.
    #[cfg(target_os = "linux")]
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "__spawner") {
        sandbox::spawner::main();
    }
    // An idle server would hold twice the memory in huge pages, and has no heap large enough to gain by them. The spawner
    // allows them again, for functions.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    // Before there are other threads, which inherit it. A kernel that refuses serves all the same.
    #[cfg(target_os = "linux")]
    let _ = sandbox::turns::take(0, sandbox::turns::Turn::First);
    match command::run(command::Updraft::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("updraft: {error}");
            ExitCode::FAILURE
        }
    }
}
