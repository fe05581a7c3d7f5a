//! The names of AWS's runtimes: which are known, and which of them we can run.
//!
//! Whether this host has an interpreter for one is the engine's matter (`updraft runtimes`), and not a reason to refuse a
//! function: interpreters can be installed later. Deprecated names are taken, unlike on AWS, since old functions are
//! what people test; a name that no sandbox of ours could run is refused at once.

use base::Error;

use super::error::invalid;

/// The runtimes that AWS lets functions be created with, in the order its message lists ours.
const CURRENT: &[&str] = &[
    "nodejs24.x",
    "nodejs22.x",
    "nodejs20.x",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "java25",
    "java21",
    "java17",
    "java11",
    "java8.al2",
    "dotnet10",
    "dotnet8",
    "ruby4.0",
    "ruby3.4",
    "ruby3.3",
    "ruby3.2",
    "provided.al2023",
    "provided.al2",
];

/// The runtimes that AWS knows and no longer takes.
const DEPRECATED: &[&str] = &[
    "nodejs18.x",
    "nodejs16.x",
    "nodejs14.x",
    "nodejs12.x",
    "nodejs10.x",
    "nodejs8.10",
    "nodejs6.10",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs",
    "python3.9",
    "python3.8",
    "python3.7",
    "python3.6",
    "python2.7",
    "java8",
    "dotnet6",
    "dotnetcore3.1",
    "dotnetcore2.1",
    "dotnetcore2.0",
    "dotnetcore1.0",
    "ruby2.7",
    "ruby2.5",
    "go1.x",
    "provided",
];

/// The families that sandboxes can run.
const RUNNABLE: &[&str] = &["nodejs", "python3", "java", "provided"];

/// Whether AWS knows, or knew, such a runtime.
pub(crate) fn is_known(runtime: &str) -> bool {
    CURRENT.contains(&runtime) || DEPRECATED.contains(&runtime)
}

/// All names that AWS lists, as its messages have them: `[nodejs24.x, …]`.
pub(crate) fn names() -> String {
    format!("[{}]", [CURRENT, DEPRECATED].concat().join(", "))
}

/// Those that functions can still be made with, as AWS's messages have them.
pub(crate) fn current_names() -> String {
    format!("[{}]", CURRENT.join(", "))
}

/// What a build of a runtime is called in logs: `python:3.12.v1`. There is one of each here: the host's.
pub(crate) fn version_name(runtime: &str) -> String {
    let at = runtime.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(runtime.len());
    let (family, release) = runtime.split_at(at);
    match release.trim_start_matches('.').trim_end_matches(".x") {
        "" => format!("{family}:v1"),
        release => format!("{family}:{release}.v1"),
    }
}

/// Refuses a name that AWS does not know, in its words, and one that we cannot run, in ours.
pub(crate) fn check(runtime: &str) -> Result<(), Error> {
    if !is_known(runtime) {
        return Err(invalid(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: {} or be a \
             valid ARN",
            current_names()
        )));
    }
    if RUNNABLE.iter().any(|family| runtime.starts_with(family)) {
        return Ok(());
    }
    Err(Error::not_implemented(format!("the runtime {runtime}")))
}
