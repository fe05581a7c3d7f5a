//! Runtime packs: what managed runtimes offer without the user bundling it, as on AWS (boto3, the AWS SDK for JavaScript,
//! Java's boot jar). They are built on the host by a script that this program carries, from the registries its package
//! managers know.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

use crate::runtimes::{Family, Runtimes};

const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/pack_files.rs"));

/// One pack that can be built here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// For people: `python3.11`, `nodejs`, `java`, `debugpy`.
    pub name: String,
    /// Made only when asked for: functions do without it.
    pub optional: bool,
    arguments: Vec<String>,
}

/// The packs that suit the interpreters of this host.
pub fn for_host(runtimes: &Runtimes) -> Vec<Pack> {
    let mut packs: Vec<Pack> = Vec::new();
    for (family, interpreter) in runtimes.interpreters() {
        let minor = interpreter.version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        let pack = match family {
            Family::Python => Pack::new(&format!("python{minor}"), &["python", &minor]),
            Family::Node => Pack::new("nodejs", &["nodejs"]),
            Family::Java => Pack::new("java", &["java"]),
            _ => continue,
        };
        if !packs.contains(&pack) {
            packs.push(pack);
        }
    }
    if runtimes.interpreters().iter().any(|(family, _)| *family == Family::Python) {
        packs.push(Pack { optional: true, ..Pack::new("debugpy", &["debugpy"]) });
    }
    packs
}

impl Pack {
    fn new(name: &str, arguments: &[&str]) -> Pack {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Pack { name: name.to_owned(), optional: false, arguments }
    }

    /// Whether a pack of this name lies in the directory; it may be an older one.
    pub fn is_in(&self, directory: &Path) -> bool {
        let at = if self.name == "nodejs" { "node_modules" } else { &self.name };
        directory.join(at).join(".stamp").exists()
    }

    /// Builds it into the directory; what is current already is left alone. `scratch` is an empty directory of the
    /// caller's. Blocks for seconds to minutes; the package managers' errors go to standard error.
    pub fn build(&self, directory: &Path, scratch: &Path) -> io::Result<ExitStatus> {
        for (name, content) in FILES {
            let path = scratch.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, content)?;
        }
        Command::new("sh").arg(scratch.join("packs/build.sh")).arg(directory).args(&self.arguments).status()
    }
}
