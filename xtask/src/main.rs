//! The repository's own chores. `cargo xtask` lists them.
//!
//! Each chore is a file: it takes its arguments, says what it found and fails loudly. `tidy` is a test as well.

mod botocore;
mod declared;
mod diff;
mod model_diff;
mod new_op;
mod not_yet;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask tidy
    Checks the floors between crates, file sizes and openings, forbidden words. It is a test, too.
cargo xtask new-op SERVICE Operation [--to FILE] [--shapes]
    Scaffolds an operation from AWS's public model; --shapes adds the shapes it refers to.
cargo xtask not-yet SERVICE
    Prints NotYet entries for the operations that AWS has and we neither answer nor list.
cargo xtask model-diff SERVICE... [--write | --check] [--schemas FILE]
    Compares our declarations with AWS's public models; --write commits the gaps to docs/coverage/SERVICE.md, --check
    fails where that page is not true, or an operation of AWS is neither answered nor listed as not yet.
    The declarations come from `updraft __schemas`, or from FILE.
Models are those inside the botocore that `python3` imports (pip install botocore).";

/// What a chore may fail with: words for the terminal.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let Some((chore, rest)) = arguments.split_first() else {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    match chore.as_str() {
        "tidy" => tidy::run(&root()),
        "new-op" => new_op::run(&Arguments::read(rest)),
        "not-yet" => not_yet::run(&Arguments::read(rest)),
        "model-diff" => model_diff::run(&root(), &Arguments::read(rest)),
        other => Err(format!("no chore '{other}'\n{USAGE}").into()),
    }
}

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// Words and options of a chore.
struct Arguments {
    words: Vec<String>,
    options: Vec<(String, Option<String>)>,
}

impl Arguments {
    /// `--to FILE` and `--schemas FILE` take a value, all other options none.
    fn read(arguments: &[String]) -> Arguments {
        let mut read = Arguments { words: Vec::new(), options: Vec::new() };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.strip_prefix("--") {
                None => read.words.push(argument.clone()),
                Some(name @ ("to" | "schemas")) => read.options.push((name.to_owned(), rest.next().cloned())),
                Some(name) => read.options.push((name.to_owned(), None)),
            }
        }
        read
    }

    fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(n, _)| n == name)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(n, _)| n == name)?.1.as_deref()
    }
}
