//! What a directory of code is, by the files in it: a runtime and a handler.

use std::path::Path;

use sandbox::runtimes::{Family, Serves};

use crate::command::{Failure, runtimes};

/// Runtime and handler.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) runtime: String,
    pub(super) handler: String,
}

/// Files that handlers are in, most likely first, and the family of their language.
const FILES: [(&str, Family); 15] = [
    ("lambda_function.py", Family::Python),
    ("app.py", Family::Python),
    ("handler.py", Family::Python),
    ("main.py", Family::Python),
    ("index.py", Family::Python),
    ("index.mjs", Family::Node),
    ("index.js", Family::Node),
    ("index.cjs", Family::Node),
    ("app.mjs", Family::Node),
    ("app.js", Family::Node),
    ("handler.mjs", Family::Node),
    ("handler.js", Family::Node),
    ("main.mjs", Family::Node),
    ("main.js", Family::Node),
    ("bootstrap", Family::Custom),
];

/// Names that handlers have, most likely first.
const HANDLERS: [&str; 4] = ["handler", "lambda_handler", "main", "run"];

impl Guess {
    /// The likeliest for a directory; of this runtime's language, if it is given.
    pub(super) fn of(directory: &Path, runtime: Option<&str>) -> Result<Guess, Failure> {
        let wanted = runtime.and_then(family_of);
        let suits = |family: Family| wanted.is_none_or(|wanted| wanted == family);
        let found = FILES.iter().find(|(file, family)| suits(*family) && directory.join(file).is_file());
        let Some((file, family)) = found else {
            let names: Vec<&str> = FILES.iter().filter(|(_, family)| suits(*family)).map(|(file, _)| *file).collect();
            let words = format!(
                "{}: cannot guess what to run: none of {} is there\n  give --runtime and --handler",
                directory.display(),
                names.join(", ")
            );
            return Err(words.into());
        };
        let text = std::fs::read_to_string(directory.join(file)).unwrap_or_default();
        let module = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
        let name = HANDLERS.into_iter().find(|name| defines(&text, name, *family));
        let default = if *file == "lambda_function.py" { "lambda_handler" } else { "handler" };
        let handler = format!("{module}.{}", name.unwrap_or(default));
        let runtime = match runtime {
            Some(runtime) => runtime.to_owned(),
            None => newest(*family)?,
        };
        Ok(Guess { runtime, handler })
    }
}

impl Guess {
    /// The port that debuggers of the language look at first.
    pub(super) fn debug_port(&self) -> u16 {
        match family_of(&self.runtime) {
            Some(Family::Node) => 9229,
            Some(Family::Java) => 5005,
            _ => 5678,
        }
    }
}

/// Whether a source defines a function of this name at its top level.
fn defines(text: &str, name: &str, family: Family) -> bool {
    let starts = |line: &str, start: &str| {
        let rest = line.strip_prefix(start).and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let beginnings: &[&str] = match family {
        Family::Python => &["def ", "async def ", ""],
        _ => &[
            "export const ",
            "export function ",
            "export async function ",
            "export let ",
            "exports.",
            "module.exports.",
        ],
    };
    let is_assigned = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='));
    text.lines().any(|line| {
        beginnings.iter().any(|start| match *start {
            "" => is_assigned(line),
            start => starts(line, start),
        })
    })
}

fn family_of(runtime: &str) -> Option<Family> {
    let of =
        [("python", Family::Python), ("nodejs", Family::Node), ("java", Family::Java), ("provided", Family::Custom)];
    of.into_iter().find(|(name, _)| runtime.starts_with(name)).map(|(_, family)| family)
}

/// The newest runtime of a language that this host has an interpreter of its own for.
fn newest(family: Family) -> Result<String, Failure> {
    if family == Family::Custom {
        return Ok("provided.al2023".to_owned());
    }
    let found = sandbox::Runtimes::discover(&runtimes::search());
    let exact =
        found.list().iter().filter(|status| status.family == family && matches!(status.serves, Serves::Exact(_)));
    let newest = exact.max_by_key(|status| version(status.name));
    let newest = newest.or_else(|| found.list().iter().find(|status| status.family == family));
    newest.map(|status| status.name.to_owned()).ok_or_else(|| "no runtime of this language; give --runtime".into())
}

/// The numbers in a runtime's name.
fn version(runtime: &str) -> Vec<u32> {
    runtime.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// A function's name after a directory's.
pub(super) fn name(directory: &Path) -> String {
    /// AWS's limit.
    const NAME_MAX: usize = 64;
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name: String = name.chars().map(|c| if fits(c) { c } else { '-' }).take(NAME_MAX).collect();
    if name.is_empty() { "dev".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler(file: &str, text: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(file), text).unwrap();
        let runtime = if file.ends_with(".py") { "python3.12" } else { "nodejs22.x" };
        Guess::of(directory.path(), Some(runtime)).unwrap().handler
    }

    #[test]
    fn handlers_are_found_by_what_files_define() {
        assert_eq!(handler("app.py", "def handler(event, context):\n"), "app.handler");
        assert_eq!(handler("app.py", "import x\n\ndef lambda_handler(e, c): ...\n"), "app.lambda_handler");
        assert_eq!(handler("app.py", "def handler_of_all(): ...\nmain = make()\n"), "app.main");
        assert_eq!(handler("lambda_function.py", ""), "lambda_function.lambda_handler");
        assert_eq!(handler("index.mjs", "export const handler = async () => {}\n"), "index.handler");
        assert_eq!(handler("index.js", "exports.run = () => {}\n"), "index.run");
        assert_eq!(handler("app.js", "module.exports = { handler }\n"), "app.handler");
    }

    #[test]
    fn what_cannot_be_guessed_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("index.mjs"), "").unwrap();
        let failure = Guess::of(directory.path(), Some("python3.12")).unwrap_err().to_string();
        assert!(failure.contains("none of lambda_function.py, app.py"), "{failure}");
        assert!(failure.contains("give --runtime and --handler"), "{failure}");
    }

    #[test]
    fn names_are_made_fit() {
        assert_eq!(name(Path::new("/home/ada/my orders.v2")), "my-orders-v2");
        assert_eq!(name(Path::new("/")), "dev");
    }

    #[test]
    fn the_newest_runtime_is_the_highest_number() {
        assert!(version("python3.13") > version("python3.9"));
    }
}
