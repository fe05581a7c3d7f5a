//! External extensions: the programs in `/opt/extensions`, started before the runtime gets its function.

use std::{fs, path::Path, sync::Arc};

use super::{
    Inner,
    cell::Cell,
    extensions::EXTENSIONS_MAX,
    life::Life,
    recipe::{self, Recipe},
    spec::Spec,
};

/// Where they are, below `/opt`.
const DIRECTORY: &str = "extensions";

/// Variables that AWS gives to the runtime only; besides these, all that begin with an underscore.
const RUNTIME_ONLY: [&str; 7] = [
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// Starts them all, in the order of their names. What cannot be started becomes the extensions' fault.
pub(super) async fn start(engine: &Inner, life: &mut Life, spec: &Spec) {
    // One look at a directory, and only where there are layers or is an image.
    let opt = match &spec.image {
        Some(_) => Some(spec.code.join("opt")), // the code is a whole root
        None => spec.opt.clone(),
    };
    let Some(names) = opt.as_deref().and_then(list) else { return };
    let Ok(recipe) = Recipe::find(&engine.runtimes, &spec.runtime, spec.memory_mb) else { return };
    let Ok(places) = engine.places_of(life, spec) else { return };
    let directory = places.opt.clone().unwrap_or_else(|| "/opt".into()).join(DIRECTORY);
    let mut environment = recipe::full_environment(&recipe, spec, &places);
    environment.retain(|(name, _)| !name.starts_with('_') && !RUNTIME_ONLY.contains(&name.as_str()));
    life.telemetry.watch();
    for (number, name) in names.into_iter().enumerate() {
        life.extensions.expect(&name);
        if number >= EXTENSIONS_MAX {
            let words = format!("extension limit ({EXTENSIONS_MAX}) reached");
            life.extensions.launch_failed(&name, "TooManyExtensions", words);
            return;
        }
        let path = directory.join(&name);
        match life.cell.join(&path, &environment).await {
            Ok(companion) => {
                let (extensions, ended_name) = (Arc::clone(&life.extensions), name.clone());
                let ended = companion.ended;
                if life.logs.add_extension(companion.output).is_err() {
                    tracing::warn!(extension = name, "the output of an extension is lost");
                }
                life.companions.push((name, companion.id));
                life.watch(async move {
                    let exit = ended.await;
                    extensions.exited(&ended_name, exit);
                });
            }
            Err(error) => {
                let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
                let reason = if denied { "PermissionDenied" } else { "UnknownError" };
                life.extensions.launch_failed(&name, reason, launch_words(&path, &error));
                return;
            }
        }
    }
}

/// Ends the external extension of this name.
pub(super) async fn kill(cell: &Cell, companions: &[(String, u64)], name: &str) {
    for (_, id) in companions.iter().filter(|(known, _)| known == name) {
        cell.kill_companion(*id).await;
    }
}

/// Names of what is no directory, as AWS takes it: a file that cannot be executed is an error, not overlooked.
fn list(opt: &Path) -> Option<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(opt.join(DIRECTORY))
        .ok()?
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    (!names.is_empty()).then_some(names)
}

/// Go's words, which AWS shows.
fn launch_words(path: &Path, error: &std::io::Error) -> String {
    let why = match error.kind() {
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        _ if error.raw_os_error() == Some(libc::ENOEXEC) => "exec format error".to_owned(),
        _ => error.to_string(),
    };
    format!("fork/exec {}: {why}", path.display())
}
