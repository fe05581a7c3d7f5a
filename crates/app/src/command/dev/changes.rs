//! Which files were saved: for telling, and for knowing when to invoke again. What runs after a save is the server's matter, and
//! does not depend on what is found here.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Files that are looked at, at most; those beyond are not told of.
const FILES_MAX: usize = 20_000;

/// Directories of tools' own files, whose changes are no saves.
const UNTOLD: [&str; 6] = [".git", ".hg", ".idea", "__pycache__", "node_modules", ".venv"];

/// Files named in one line.
const NAMES_MAX: usize = 3;

/// The files of a directory as they were last seen.
pub(super) struct Changes {
    directory: PathBuf,
    seen: BTreeMap<PathBuf, Stamp>,
}

/// What tells one content of a file from the next.
type Stamp = (u64, u64, i64, i64);

impl Changes {
    pub(super) fn new(directory: &Path) -> Changes {
        Changes { directory: directory.to_owned(), seen: files(directory) }
    }

    /// What changed since the last call, in words; none if nothing did.
    pub(super) fn since_last(&mut self) -> Option<String> {
        let present = files(&self.directory);
        let saved = present.iter().filter(|(path, stamp)| self.seen.get(*path) != Some(stamp)).map(|(path, _)| path);
        let gone = self.seen.keys().filter(|path| !present.contains_key(*path));
        let mut names: Vec<String> = saved.map(|path| path.display().to_string()).collect();
        names.extend(gone.map(|path| format!("{} (removed)", path.display())));
        self.seen = present;
        if names.is_empty() {
            return None;
        }
        let more = names.len().saturating_sub(NAMES_MAX);
        names.truncate(NAMES_MAX);
        let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
        Some(format!("{}{rest}", names.join(", ")))
    }
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Stamp> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        // What cannot be read has no news.
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            let (name, Ok(metadata)) = (entry.file_name(), entry.metadata()) else { continue };
            if metadata.is_dir() {
                if !UNTOLD.iter().any(|untold| name == *untold) {
                    directories.push(entry.path());
                }
            } else if found.len() < FILES_MAX && !is_editors(&name.to_string_lossy()) {
                let path = entry.path();
                let path = path.strip_prefix(directory).unwrap_or(&path).to_owned();
                found.insert(path, (metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec()));
            }
        }
    }
    found
}

/// Files that editors keep beside those that they edit.
fn is_editors(name: &str) -> bool {
    name.ends_with('~')
        || name.starts_with(".#")
        || (name.starts_with('.') && (name.ends_with(".swp") || name.ends_with(".swx")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saves_are_told_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("app.py", "1");
        let mut changes = Changes::new(directory.path());
        assert_eq!(changes.since_last(), None);
        write("app.py", "22");
        write(".app.py.swp", "an editor's own");
        assert_eq!(changes.since_last().as_deref(), Some("app.py"));
        std::fs::remove_file(directory.path().join("app.py")).unwrap();
        assert_eq!(changes.since_last().as_deref(), Some("app.py (removed)"));
        ["a", "b", "c", "d", "e"].iter().for_each(|name| write(name, ""));
        assert_eq!(changes.since_last().as_deref(), Some("a, b, c and 2 more"));
    }
}
