//! The functions that are measured: each answers an event with itself.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sandbox::Search;
use sandbox::runtimes::{Interpreter, Runtimes, Serves};
use zip::write::SimpleFileOptions;

use crate::Failure;

const PYTHON: &str = "def handler(event, context):\n    return event\n";
const NODE: &str = "exports.handler = async (event) => event;\n";
const JAVA: &str = "import java.util.Map;\n\
    public class Bench { public Map<String, Object> handle(Map<String, Object> event) { return event; } }\n";
/// Their inits take three seconds.
const SLOW_PYTHON: &str = "import time\ntime.sleep(3)\ndef handler(event, context):\n    return event\n";
const SLOW_JAVA: &str = "import java.util.Map;\n\
    public class Slow { static { try { Thread.sleep(3000); } catch (InterruptedException e) { } }\n\
    public Map<String, Object> handle(Map<String, Object> event) { return event; } }\n";
/// Amazon's own client of the Runtime API for Python.
const OFFICIAL: &str =
    "#!/bin/sh\nexport PYTHONPATH=$LAMBDA_TASK_ROOT/packages\nexec {python} -m awslambdaric app.handler\n";

/// A function to be created.
pub(crate) struct Function {
    pub(crate) runtime: String,
    pub(crate) handler: &'static str,
    pub(crate) zip: Vec<u8>,
}

/// All of them; what this machine lacks is absent.
pub(crate) struct Functions {
    pub(crate) custom: Option<Function>,
    pub(crate) python: Option<Function>,
    /// Python by Amazon's own client.
    pub(crate) official: Option<Function>,
    pub(crate) node: Option<Function>,
    pub(crate) java: Option<Function>,
    /// With a long init, in a runtime that SnapStart has.
    pub(crate) slow_python: Option<Function>,
    pub(crate) slow_java: Option<Function>,
    pub(crate) python_program: Option<PathBuf>,
    pub(crate) node_program: Option<PathBuf>,
    pub(crate) java_program: Option<PathBuf>,
}

impl Functions {
    pub(crate) fn make(scratch: &Path, build: &Path) -> Result<Functions, Failure> {
        let runtimes = Runtimes::discover(&search());
        let python = newest(&runtimes, "python3");
        let node = newest(&runtimes, "nodejs");
        let java = newest(&runtimes, "java1");
        let official =
            python.as_ref().and_then(|(_, python)| official(&build.join("bench-awslambdaric"), &python.program));
        let function = |runtime: &str, handler, files: &[(&str, &[u8])]| {
            Ok::<_, Failure>(Function { runtime: runtime.to_owned(), handler, zip: zip(files)? })
        };
        let program = |found: &Option<(String, Interpreter)>| found.as_ref().map(|(_, i)| i.program.clone());
        Ok(Functions {
            custom: echo(scratch).map(|echo| function("provided.al2023", "x", &[("bootstrap", &echo)])).transpose()?,
            official: official.map(|zip| Function {
                runtime: "provided.al2023".to_owned(),
                handler: "app.handler",
                zip,
            }),
            slow_python: newest_for_snapstart(&runtimes)
                .map(|runtime| function(&runtime, "app.handler", &[("app.py", SLOW_PYTHON.as_bytes())]))
                .transpose()?,
            slow_java: match (&java, compiled_java(scratch, "Slow", SLOW_JAVA)) {
                (Some((runtime, _)), Some(class)) => {
                    Some(function(runtime, "Slow::handle", &[("Slow.class", &class)])?)
                }
                _ => None,
            },
            python_program: program(&python),
            node_program: program(&node),
            java_program: program(&java),
            python: python.map(|(r, _)| function(&r, "app.handler", &[("app.py", PYTHON.as_bytes())])).transpose()?,
            node: node.map(|(r, _)| function(&r, "app.handler", &[("app.js", NODE.as_bytes())])).transpose()?,
            java: match (java, compiled_java(scratch, "Bench", JAVA)) {
                (Some((runtime, _)), Some(class)) => {
                    Some(function(&runtime, "Bench::handle", &[("Bench.class", &class)])?)
                }
                _ => None,
            },
        })
    }

    /// Those that run in managed runtimes and custom ones, with names.
    pub(crate) fn all(&self) -> Vec<(&'static str, &Function)> {
        let all = [
            ("custom", &self.custom),
            ("python", &self.python),
            ("official", &self.official),
            ("node", &self.node),
            ("java", &self.java),
        ];
        all.into_iter().filter_map(|(name, function)| Some((name, function.as_ref()?))).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "a program of its own")]
fn search() -> Search {
    let variable = |name| std::env::var(name).unwrap_or_default();
    Search {
        path: variable("PATH").split(':').map(PathBuf::from).collect(),
        home: Some(variable("HOME").into()),
        java_home: None,
    }
}

/// The newest runtime of a family whose interpreter the host has as its own, else the newest it has.
fn newest(runtimes: &Runtimes, prefix: &str) -> Option<(String, Interpreter)> {
    let all = runtimes.list().iter().filter(|status| status.name.starts_with(prefix));
    let exact: Vec<_> = all
        .filter_map(|status| match &status.serves {
            Serves::Exact(Some(interpreter)) => Some((status.name.to_owned(), interpreter.clone())),
            _ => None,
        })
        .collect();
    let of_host = exact.iter().find(|(_, interpreter)| interpreter.program.starts_with("/usr/bin"));
    of_host.or(exact.first()).cloned()
}

/// The smallest compiled runtime, linked statically.
fn echo(scratch: &Path) -> Option<Vec<u8>> {
    let program = scratch.join("echo");
    let status = Command::new("rustc")
        .args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols", "-o"])
        .arg(&program)
        .arg("crates/sandbox/examples/echo_bootstrap.rs")
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success()).then(|| std::fs::read(program).ok())?
}

/// A Python that the host has and SnapStart takes.
fn newest_for_snapstart(runtimes: &Runtimes) -> Option<String> {
    let is_here =
        |name: &&&str| runtimes.find(name).is_some_and(|status| matches!(status.serves, Serves::Exact(Some(_))));
    ["python3.14", "python3.13", "python3.12"].iter().find(is_here).map(|name| (*name).to_owned())
}

fn compiled_java(scratch: &Path, name: &str, text: &str) -> Option<Vec<u8>> {
    let source = scratch.join(format!("{name}.java"));
    std::fs::write(&source, text).ok()?;
    let status = Command::new("javac").args(["--release", "17"]).arg(&source).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then(|| std::fs::read(scratch.join(format!("{name}.class"))).ok())?
}

/// A function with Amazon's client, which is fetched from PyPI once.
fn official(packages: &Path, python: &Path) -> Option<Vec<u8>> {
    if !packages.join("awslambdaric").is_dir() {
        let pip = ["-m", "pip", "install", "--quiet", "--no-compile", "--target"];
        let status =
            Command::new(python).args(pip).arg(packages).arg("awslambdaric==4.2.2").stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success()).then_some(())?;
    }
    let bootstrap = OFFICIAL.replace("{python}", &python.display().to_string());
    let mut files =
        vec![("bootstrap".to_owned(), bootstrap.into_bytes()), ("app.py".to_owned(), PYTHON.as_bytes().to_vec())];
    add_tree(packages, "packages", &mut files).ok()?;
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    zip(&files).ok()
}

fn add_tree(directory: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => add_tree(&entry.path(), &name, files)?,
            false => files.push((name, std::fs::read(entry.path())?)),
        }
    }
    Ok(())
}

pub(crate) fn zip(files: &[(&str, &[u8])]) -> Result<Vec<u8>, Failure> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default().unix_permissions(0o755))?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}
