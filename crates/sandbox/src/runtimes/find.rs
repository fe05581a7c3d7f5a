//! Finds interpreters on the host. Nothing here decides which of them serves what.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Interpreter, Search};

/// CPythons: `python3.N` on the path and in `/usr/bin`, then pyenv's.
pub(super) fn python(search: &Search) -> Vec<Interpreter> {
    let mut found = Vec::new();
    for directory in bin_directories(search) {
        for name in names_in(&directory) {
            if let Some(minor) = name.strip_prefix("python3.").filter(|minor| minor.parse::<u32>().is_ok()) {
                add(search, &mut found, &directory.join(&name), || Some(format!("3.{minor}")));
            }
        }
    }
    for version in versions_in(search, ".pyenv/versions") {
        let name = version.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(minor) = name.strip_prefix("3.").and_then(|rest| rest.split('.').next()) else {
            continue;
        };
        add(search, &mut found, &version.join(format!("bin/python3.{minor}")), || Some(name.clone()));
    }
    found
}

/// Node.js: `node` on the path and in `/usr/bin`, then nvm's.
pub(super) fn node(search: &Search) -> Vec<Interpreter> {
    let mut found = Vec::new();
    for directory in bin_directories(search) {
        let program = directory.join("node");
        add(search, &mut found, &program, || node_version(&program));
    }
    for version in versions_in(search, ".nvm/versions/node") {
        let name = version.file_name().unwrap_or_default().to_string_lossy().into_owned();
        add(search, &mut found, &version.join("bin/node"), || name.strip_prefix('v').map(str::to_owned));
    }
    found
}

/// Java machines: `JAVA_HOME`, `java` on the path, then all of `/usr/lib/jvm`.
pub(super) fn java(search: &Search) -> Vec<Interpreter> {
    let mut homes: Vec<PathBuf> = search.java_home.clone().into_iter().collect();
    for directory in bin_directories(search) {
        let program = fs::canonicalize(directory.join("java")).unwrap_or_default();
        homes.extend(program.ancestors().nth(2).map(Path::to_owned));
    }
    let jvm = Path::new("/usr/lib/jvm");
    homes.extend(names_in(jvm).into_iter().map(|name| jvm.join(name)));
    let mut found = Vec::new();
    for home in homes {
        add(search, &mut found, &home.join("bin/java"), || java_version(&home));
    }
    found
}

/// Adds a program unless it is no program, a script (a shim), or known already.
fn add(search: &Search, found: &mut Vec<Interpreter>, program: &Path, version: impl FnOnce() -> Option<String>) {
    let Ok(program) = fs::canonicalize(program) else { return };
    if !is_binary(&program) || found.iter().any(|known| known.program == program) {
        return;
    }
    if !is_own_installation(&program, search) {
        let program = program.display();
        tracing::info!(
            "{program} is left out: functions would see all that lies beside it; give it a directory of its own"
        );
        return;
    }
    if let Some(version) = version() {
        let binds = binds(&program);
        found.push(Interpreter { program, version, binds });
    }
}

/// Whether all that lies two levels above a program may be shown to functions: an installation's own directory, not one
/// that it shares with other things, such as `~/bin`, `~/.local/bin` or `/opt/bin`. (`/usr/local` is shared, too, but only
/// by programs that the host's administrator put there for everybody.)
fn is_own_installation(program: &Path, search: &Search) -> bool {
    let Some(prefix) = program.ancestors().nth(2) else { return false };
    if program.starts_with("/usr") {
        return true;
    }
    let home = search.home.as_deref();
    let holds_home = home.is_some_and(|home| home.starts_with(prefix) || prefix == home.join(".local"));
    !holds_home && prefix.components().count() > 2
}

/// An executable file that is no script.
fn is_binary(program: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let executable = fs::metadata(program).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    let mut start = [0; 2];
    executable && fs::File::open(program).and_then(|mut file| file.read_exact(&mut start)).is_ok() && &start != b"#!"
}

fn bin_directories(search: &Search) -> Vec<PathBuf> {
    let mut directories = search.path.clone();
    directories.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
    let mut seen = Vec::new();
    directories.retain(|directory| {
        let new = directory.is_absolute() && !seen.contains(directory);
        seen.push(directory.clone());
        new
    });
    directories
}

fn versions_in(search: &Search, below: &str) -> Vec<PathBuf> {
    let Some(directory) = search.home.as_ref().map(|home| home.join(below)) else {
        return Vec::new();
    };
    names_in(&directory).into_iter().rev().map(|name| directory.join(name)).collect()
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The version a header beside the program tells, or the program itself.
fn node_version(program: &Path) -> Option<String> {
    let program = fs::canonicalize(program).ok()?;
    let header = program.ancestors().nth(2)?.join("include/node/node_version.h");
    if let Ok(header) = fs::read_to_string(header) {
        let part = |name: &str| {
            let line = header.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name));
            line.map(|rest| rest.trim().to_owned())
        };
        if let (Some(major), Some(minor), Some(patch)) =
            (part("NODE_MAJOR_VERSION "), part("NODE_MINOR_VERSION "), part("NODE_PATCH_VERSION "))
        {
            return Some(format!("{major}.{minor}.{patch}"));
        }
    }
    let output =
        Command::new(&program).arg("--version").env_clear().stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    text.trim().strip_prefix('v').map(str::to_owned)
}

/// `JAVA_VERSION="17.0.15"` of the file `release`.
fn java_version(home: &Path) -> Option<String> {
    let release = fs::read_to_string(home.join("release")).ok()?;
    let line = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    Some(line.trim_matches('"').to_owned())
}

/// What a sandbox must see beside `/usr`: the installation itself when it is elsewhere, and, for Debian's Javas, the
/// settings in `/etc` that their links lead to.
fn binds(program: &Path) -> Vec<PathBuf> {
    let Some(prefix) = program.ancestors().nth(2) else {
        return Vec::new();
    };
    let in_usr = program.starts_with("/usr") && !program.starts_with("/usr/local") && !program.starts_with("/usr/src");
    let mut binds = if in_usr || prefix == Path::new("/") { Vec::new() } else { vec![prefix.to_owned()] };
    if program.file_name().is_some_and(|name| name == "java") {
        links_to_etc(prefix, 3, &mut binds);
    }
    binds
}

fn links_to_etc(directory: &Path, depth: u32, binds: &mut Vec<PathBuf>) {
    for name in names_in(directory) {
        let path = directory.join(name);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() && depth > 0 => links_to_etc(&path, depth - 1, binds),
            Ok(meta) if meta.is_symlink() => {
                let Ok(target) = fs::canonicalize(&path) else { continue };
                let Ok(below) = target.strip_prefix("/etc") else {
                    continue;
                };
                // The directory right below /etc; for certificates only their own.
                let parts = if below.starts_with("ssl") { 3 } else { 1 };
                let bind = Path::new("/etc").join(below.iter().take(parts).collect::<PathBuf>());
                if !binds.contains(&bind) {
                    binds.push(bind);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_shares_its_directory_is_left_out() {
        let search = Search { home: Some("/home/ann".into()), ..Search::default() };
        let own = |program: &str| is_own_installation(Path::new(program), &search);
        for good in ["/home/ann/.pyenv/versions/3.12.1/bin/python3.12", "/usr/bin/node", "/opt/node-20/bin/node"] {
            assert!(own(good), "{good}");
        }
        for bad in
            ["/home/ann/bin/node", "/home/ann/.local/bin/python3.12", "/opt/bin/node", "/bin/node", "/srv/bin/node"]
        {
            assert!(!own(bad), "{bad}");
        }
    }
}
