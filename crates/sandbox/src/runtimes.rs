//! Which interpreters the host has, and which AWS runtime names they serve. Pure listing: nothing is started for it
//! but, where no file tells it, `node --version`.

use std::path::PathBuf;

/// Language family of a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// CPython.
    Python,
    /// Node.js.
    Node,
    /// A Java virtual machine.
    Java,
    /// The user's own `bootstrap` (`provided*`).
    Custom,
    /// Ruby, .NET and Go 1.x: names AWS has and Updraft does not run yet.
    Unsupported,
}

/// An interpreter on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// The real program, no shim or link.
    pub program: PathBuf,
    /// Its version, for example `3.12.1`.
    pub version: String,
    /// Directories outside of `/usr` that it needs, seen at the same path inside of a sandbox.
    pub binds: Vec<PathBuf>,
}

/// What serves a runtime name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serves {
    /// The right minor (Python) or major (others) version; for custom runtimes the function itself.
    Exact(Option<Interpreter>),
    /// Another version of the same language.
    StandIn(Interpreter),
    /// Nothing.
    Missing {
        /// How to install one.
        hint: String,
    },
}

/// One AWS runtime name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// AWS's name.
    pub name: &'static str,
    /// Language family.
    pub family: Family,
    /// What serves it.
    pub serves: Serves,
}

/// All AWS runtime names and what serves them on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runtimes {
    statuses: Vec<RuntimeStatus>,
}

impl Runtimes {
    /// Looks at the host. Blocks for some milliseconds.
    pub fn discover() -> Runtimes {
        Runtimes::default()
    }

    /// All names, in AWS's order.
    pub fn list(&self) -> &[RuntimeStatus] {
        &self.statuses
    }

    /// One name.
    pub fn find(&self, name: &str) -> Option<&RuntimeStatus> {
        self.statuses.iter().find(|status| status.name == name)
    }
}
