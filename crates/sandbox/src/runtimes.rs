//! Which interpreters the host has, and which AWS runtime names they serve.
//!
//! Pure listing: file names, links and `release` files tell nearly everything; only `node --version` may have to be
//! asked. Version managers' shims (shell scripts) are passed over, the real installations behind them are looked at.

mod find;

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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interpreter {
    /// The real program, no shim or link.
    pub program: PathBuf,
    /// Its version, for example `3.12.1`.
    pub version: String,
    /// Directories outside of `/usr` (or below `/usr/local`) that it needs, seen at the same path inside of a sandbox.
    pub binds: Vec<PathBuf>,
}

impl Interpreter {
    /// The number AWS's names count by: the minor for Python, the major for others.
    fn number(&self, family: Family) -> Option<u32> {
        let mut numbers = self.version.split('.').map(|number| number.parse::<u32>().ok());
        let major = numbers.next()??;
        match family {
            Family::Python => numbers.next()?,
            // Java 8 calls itself 1.8.
            Family::Java if major == 1 => numbers.next()?,
            _ => Some(major),
        }
    }
}

/// What serves a runtime name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serves {
    /// The right minor (Python) or major (others) version; for custom runtimes, which bring their own, no interpreter.
    Exact(Option<Interpreter>),
    /// Another version of the same language: the nearest newer, else the nearest older.
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

/// Where to look, besides `/usr/bin` and `/usr/lib/jvm`.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The directories of `PATH`, in order.
    pub path: Vec<PathBuf>,
    /// The user's home, for `.pyenv` and `.nvm`.
    pub home: Option<PathBuf>,
    /// `JAVA_HOME`.
    pub java_home: Option<PathBuf>,
}

/// All AWS runtime names and what serves them on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runtimes {
    statuses: Vec<RuntimeStatus>,
}

/// AWS's names, and for each the number its interpreter should have.
const NAMES: [(&str, Family, u32); 33] = [
    ("python3.14", Family::Python, 14),
    ("python3.13", Family::Python, 13),
    ("python3.12", Family::Python, 12),
    ("python3.11", Family::Python, 11),
    ("python3.10", Family::Python, 10),
    ("python3.9", Family::Python, 9),
    ("python3.8", Family::Python, 8),
    ("nodejs24.x", Family::Node, 24),
    ("nodejs22.x", Family::Node, 22),
    ("nodejs20.x", Family::Node, 20),
    ("nodejs18.x", Family::Node, 18),
    ("nodejs16.x", Family::Node, 16),
    ("java25", Family::Java, 25),
    ("java21", Family::Java, 21),
    ("java17", Family::Java, 17),
    ("java11", Family::Java, 11),
    ("java8.al2", Family::Java, 8),
    ("java8", Family::Java, 8),
    ("provided.al2023", Family::Custom, 0),
    ("provided.al2", Family::Custom, 0),
    ("provided", Family::Custom, 0),
    ("ruby3.4", Family::Unsupported, 0),
    ("ruby3.3", Family::Unsupported, 0),
    ("ruby3.2", Family::Unsupported, 0),
    ("ruby2.7", Family::Unsupported, 0),
    ("dotnet10", Family::Unsupported, 0),
    ("dotnet9", Family::Unsupported, 0),
    ("dotnet8", Family::Unsupported, 0),
    ("dotnet6", Family::Unsupported, 0),
    ("dotnetcore3.1", Family::Unsupported, 0),
    ("go1.x", Family::Unsupported, 0),
    ("nodejs14.x", Family::Unsupported, 0),
    ("python3.7", Family::Unsupported, 0),
];

/// Oldest Python whose boot file works.
const PYTHON_MINOR_MIN: u32 = 8;

/// Oldest Node.js whose boot file works.
const NODE_MAJOR_MIN: u32 = 16;

impl Runtimes {
    /// Looks at the host. Blocks for some milliseconds.
    pub fn discover(search: &Search) -> Runtimes {
        let keep = |family, least, found: Vec<Interpreter>| -> Vec<Interpreter> {
            found.into_iter().filter(|one| one.number(family).is_some_and(|number| number >= least)).collect()
        };
        let python = keep(Family::Python, PYTHON_MINOR_MIN, find::python(search));
        let node = keep(Family::Node, NODE_MAJOR_MIN, find::node(search));
        let java = keep(Family::Java, 8, find::java(search));
        Runtimes::from_interpreters(&python, &node, &java)
    }

    /// Matches names with interpreters; of two with the same number the first wins.
    fn from_interpreters(python: &[Interpreter], node: &[Interpreter], java: &[Interpreter]) -> Runtimes {
        let statuses = NAMES.iter().map(|&(name, family, number)| {
            let serves = match family {
                Family::Python => serve(family, number, python, name),
                Family::Node => serve(family, number, node, name),
                Family::Java => serve(family, number, java, name),
                Family::Custom => Serves::Exact(None),
                Family::Unsupported => Serves::Missing { hint: unsupported_hint(name) },
            };
            RuntimeStatus { name, family, serves }
        });
        Runtimes { statuses: statuses.collect() }
    }

    /// All names, in AWS's order, newest first.
    pub fn list(&self) -> &[RuntimeStatus] {
        &self.statuses
    }

    /// One name.
    pub fn find(&self, name: &str) -> Option<&RuntimeStatus> {
        self.statuses.iter().find(|status| status.name == name)
    }

    /// Takes the names of a family away, for want of something that is no interpreter.
    pub(crate) fn withdraw(&mut self, family: Family, hint: &str) {
        for status in self.statuses.iter_mut().filter(|status| status.family == family) {
            if !matches!(status.serves, Serves::Missing { .. }) {
                status.serves = Serves::Missing { hint: hint.to_owned() };
            }
        }
    }

    /// The interpreters that serve any name, each once.
    pub(crate) fn interpreters(&self) -> Vec<(Family, &Interpreter)> {
        let mut all: Vec<(Family, &Interpreter)> = Vec::new();
        for status in &self.statuses {
            if let Serves::Exact(Some(interpreter)) | Serves::StandIn(interpreter) = &status.serves
                && !all.iter().any(|(_, known)| *known == interpreter)
            {
                all.push((status.family, interpreter));
            }
        }
        all
    }
}

fn serve(family: Family, wanted: u32, found: &[Interpreter], name: &str) -> Serves {
    let number = |one: &&Interpreter| one.number(family).unwrap_or_default();
    if let Some(exact) = found.iter().find(|one| number(one) == wanted) {
        return Serves::Exact(Some(exact.clone()));
    }
    let newer = found.iter().filter(|one| number(one) > wanted).min_by_key(number);
    let older = found.iter().filter(|one| number(one) < wanted).rev().max_by_key(number);
    match newer.or(older) {
        Some(other) => Serves::StandIn(other.clone()),
        None => Serves::Missing { hint: hint(family, wanted, name) },
    }
}

fn hint(family: Family, wanted: u32, name: &str) -> String {
    match family {
        Family::Python => format!("install python3.{wanted} (apt-get install python3, or pyenv install 3.{wanted})"),
        Family::Node => format!("install Node.js {wanted} (apt-get install nodejs, or nvm install {wanted})"),
        Family::Java => format!("install a JDK or JRE {wanted} (apt-get install openjdk-{wanted}-jre-headless)"),
        Family::Custom | Family::Unsupported => unsupported_hint(name),
    }
}

fn unsupported_hint(name: &str) -> String {
    match name {
        "go1.x" => "AWS retired it: build for provided.al2023".to_owned(),
        "nodejs14.x" => "too old for Updraft: use nodejs16.x or newer".to_owned(),
        "python3.7" => "too old for Updraft: use python3.8 or newer".to_owned(),
        _ => "Updraft does not run this language yet; a custom runtime (provided.al2023) can".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(version: &str) -> Interpreter {
        Interpreter { program: format!("/usr/bin/x{version}").into(), version: version.into(), binds: Vec::new() }
    }

    fn serving(runtimes: &Runtimes, name: &str) -> (&'static str, String) {
        match &runtimes.find(name).unwrap().serves {
            Serves::Exact(Some(interpreter)) => ("exact", interpreter.version.clone()),
            Serves::Exact(None) => ("exact", String::new()),
            Serves::StandIn(interpreter) => ("stand-in", interpreter.version.clone()),
            Serves::Missing { .. } => ("missing", String::new()),
        }
    }

    #[test]
    fn exact_first_then_nearest_newer_then_nearest_older() {
        let python: Vec<_> = ["3.11.2", "3.9.1", "3.13.0", "3.11.7"].map(interpreter).to_vec();
        let runtimes = Runtimes::from_interpreters(&python, &[], &[interpreter("1.8.0_392"), interpreter("17.0.15")]);
        assert_eq!(serving(&runtimes, "python3.11"), ("exact", "3.11.2".into()));
        assert_eq!(serving(&runtimes, "python3.10"), ("stand-in", "3.11.2".into()));
        assert_eq!(serving(&runtimes, "python3.12"), ("stand-in", "3.13.0".into()));
        assert_eq!(serving(&runtimes, "python3.14"), ("stand-in", "3.13.0".into()));
        assert_eq!(serving(&runtimes, "nodejs20.x"), ("missing", String::new()));
        assert_eq!(serving(&runtimes, "java8.al2"), ("exact", "1.8.0_392".into()));
        assert_eq!(serving(&runtimes, "java11"), ("stand-in", "17.0.15".into()));
        assert_eq!(serving(&runtimes, "java25"), ("stand-in", "17.0.15".into()));
        assert_eq!(serving(&runtimes, "provided.al2023"), ("exact", String::new()));
        assert_eq!(serving(&runtimes, "ruby3.3"), ("missing", String::new()));
        assert!(runtimes.find("cobol85").is_none());
        assert_eq!(runtimes.interpreters().len(), 5);
    }
}
