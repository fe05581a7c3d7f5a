//! Init hooks: scripts that users of emulators run at stages of a start (`ready.d/*.sh`, `*.py`), as in LocalStack.
//!
//! Scripts run one after another in the order of their names, with endpoint and credentials in their environment. One
//! that fails is reported and does not stop the others.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tokio::process::Command;

/// The stages LocalStack has, in order.
pub(crate) const STAGES: [&str; 4] = ["boot", "start", "ready", "shutdown"];

/// A script and what became of it; LocalStack's words.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Script {
    stage: String,
    name: String,
    state: &'static str,
}

/// The hooks of a node.
pub(crate) struct Hooks {
    directories: Vec<PathBuf>,
    environment: Vec<(String, String)>,
    scripts: Mutex<Vec<Script>>,
    completed: Mutex<Vec<&'static str>>,
}

impl Hooks {
    pub(crate) fn new(directories: Vec<PathBuf>, environment: Vec<(String, String)>) -> Hooks {
        Hooks { directories, environment, scripts: Mutex::default(), completed: Mutex::default() }
    }

    /// Runs a stage's scripts to their end.
    pub(crate) async fn run(&self, stage: &'static str) {
        for path in self.found(stage) {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let state = match self.script(&path).await {
                Ok(status) if status.success() => "SUCCESSFUL",
                Ok(status) => {
                    tracing::error!(script = %path.display(), %status, "an init hook failed");
                    "ERROR"
                }
                Err(error) => {
                    tracing::error!(script = %path.display(), %error, "an init hook could not be run");
                    "ERROR"
                }
            };
            let script = Script { stage: stage.to_uppercase(), name, state };
            self.scripts.lock().unwrap_or_else(PoisonError::into_inner).push(script);
        }
        self.completed.lock().unwrap_or_else(PoisonError::into_inner).push(stage);
    }

    fn found(&self, stage: &str) -> Vec<PathBuf> {
        let in_directory = |directory: &PathBuf| {
            let entries = std::fs::read_dir(directory.join(format!("{stage}.d"))).into_iter().flatten().flatten();
            let runnable = |path: &PathBuf| path.extension().is_some_and(|e| e == "sh" || e == "py");
            let mut scripts: Vec<PathBuf> = entries.map(|e| e.path()).filter(runnable).collect();
            scripts.sort();
            scripts
        };
        self.directories.iter().flat_map(in_directory).collect()
    }

    async fn script(&self, path: &Path) -> std::io::Result<std::process::ExitStatus> {
        let interpreter = if path.extension().is_some_and(|e| e == "py") { "python3" } else { "bash" };
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        Command::new(interpreter).arg(path).envs(environment).stdin(Stdio::null()).kill_on_drop(true).status().await
    }

    /// What ran so far, and which stages are over.
    pub(crate) fn report(&self) -> (Vec<Script>, Vec<&'static str>) {
        let scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let completed = self.completed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (scripts, completed)
    }
}

impl Script {
    /// Whether it belongs to this stage.
    pub(crate) fn is_of(&self, stage: &str) -> bool {
        self.stage.eq_ignore_ascii_case(stage)
    }
}
