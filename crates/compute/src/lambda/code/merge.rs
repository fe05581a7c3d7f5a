//! Several layers become one tree for `/opt`: hard links, a later layer's files winning over an earlier one's.
//!
//! The layers' own trees are never written to. Directories here are our own, so that a tree can be removed as it is made.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::CodeTree;

/// Lays the layers over each other in a new directory.
pub(super) fn merge(layers: &[Arc<CodeTree>], into: &Path) -> io::Result<()> {
    layers.iter().try_for_each(|layer| overlay(layer.path(), into))
}

fn overlay(from: &Path, to: &Path) -> io::Result<()> {
    if !to.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        fs::create_dir(to)?;
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        match target.symlink_metadata() {
            Ok(found) if found.is_dir() && kind.is_dir() => {}
            Ok(found) if found.is_dir() => fs::remove_dir_all(&target)?,
            Ok(_) => fs::remove_file(&target)?,
            Err(_) => {}
        }
        if kind.is_dir() {
            overlay(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target)?; // a file may have no more links than its file system lets it
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::CodeTree;
    use super::merge;

    #[test]
    fn later_layers_win_and_none_is_changed() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let (one, two) = (root.path().join("1"), root.path().join("2"));
        for (layer, text) in [(&one, "one"), (&two, "two")] {
            fs::create_dir_all(layer.join("python/shared")).expect("a directory");
            fs::write(layer.join("python/both.py"), text).expect("a file");
            fs::write(layer.join(format!("python/shared/{text}.py")), text).expect("a file");
        }
        // What is a directory in one and a file in the other.
        fs::create_dir(one.join("odd")).expect("a directory");
        fs::write(one.join("odd/inside"), "one").expect("a file");
        fs::write(two.join("odd"), "two").expect("a file");
        let read = |path: &std::path::Path| fs::read_to_string(path).expect("it is there");

        let (first, second) = (root.path().join("12"), root.path().join("21"));
        let layers = [one.clone(), two.clone()].map(CodeTree::unpacked);
        merge(&layers, &first).expect("merged");
        assert_eq!(read(&first.join("python/both.py")), "two");
        assert_eq!(read(&first.join("odd")), "two");
        assert!(first.join("python/shared/one.py").is_file() && first.join("python/shared/two.py").is_file());
        let [one_tree, two_tree] = layers;
        merge(&[two_tree, one_tree], &second).expect("merged");
        assert_eq!(read(&second.join("python/both.py")), "one");
        assert_eq!(read(&second.join("odd/inside")), "one");
        assert_eq!(read(&one.join("python/both.py")), "one", "a layer is never written to");
    }
}
