//! The managed runtimes' boot files, which travel inside the program, on their way to `/var/runtime`.

use std::{
    fs, io,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// Path below `/var/runtime` and content.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/boot_files.rs"));

/// Writes them below `directory`, where runtime packs may already be. A file that is right is left alone, since another
/// server's sandboxes may be reading it.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, content) in FILES {
        let path = directory.join(name);
        if fs::read(&path).is_ok_and(|present| present == *content) {
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        // Engines that start at the same time must not finish each other's files.
        let unfinished =
            path.with_extension(format!("{}.{}", std::process::id(), UNFINISHED.fetch_add(1, Ordering::Relaxed)));
        fs::write(&unfinished, content)?;
        fs::rename(&unfinished, &path)?;
    }
    Ok(())
}

/// Whether there is a boot file for this family.
#[cfg(test)]
fn has(prefix: &str) -> bool {
    FILES.iter().any(|(name, _)| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_files_are_written_once_and_repaired() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        let Some((name, content)) = FILES.first() else { return };
        fs::write(directory.path().join(name), b"damaged").unwrap();
        write(directory.path()).unwrap();
        assert_eq!(fs::read(directory.path().join(name)).unwrap(), *content);
        assert!(has("python/"));
    }
}
