//! Several layers become one `/opt` tree: hard links, the later layer winning, made once for each list of layers.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

/// Most layers of a function (AWS: 5).
const LAYERS_MAX: usize = 5;

/// The tree for these layers: none, the only one, or a merged one below `cache`. Layer directories never change once
/// extracted, so their paths name the result.
pub(crate) fn merge(layers: &[PathBuf], cache: &Path) -> io::Result<Option<PathBuf>> {
    match layers {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        layers if layers.len() > LAYERS_MAX => Err(io::Error::other(format!("more than {LAYERS_MAX} layers"))),
        layers => {
            let mut hasher = DefaultHasher::new();
            layers.hash(&mut hasher);
            let tree = cache.join(format!("{:016x}", hasher.finish()));
            if !tree.is_dir() {
                let unfinished = cache.join(format!("{:016x}.{}", hasher.finish(), std::process::id()));
                let _ = fs::remove_dir_all(&unfinished);
                for layer in layers {
                    overlay(layer, &unfinished)?;
                }
                match fs::rename(&unfinished, &tree) {
                    Err(_) if tree.is_dir() => fs::remove_dir_all(&unfinished)?, // another launch was faster
                    done => done?,
                }
            }
            Ok(Some(tree))
        }
    }
}

fn overlay(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            if target.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
                fs::remove_file(&target)?;
            }
            overlay(&source, &target)?;
            continue;
        }
        match target.symlink_metadata() {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&target)?,
            Ok(_) => fs::remove_file(&target)?,
            Err(_) => {}
        }
        if entry.file_type()?.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target)?; // another file system
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_win_and_none_is_changed() {
        let root = tempfile::tempdir().unwrap();
        let (one, two, cache) = (root.path().join("1"), root.path().join("2"), root.path().join("cache"));
        for (layer, text) in [(&one, "one"), (&two, "two")] {
            fs::create_dir_all(layer.join("python/shared")).unwrap();
            fs::write(layer.join("python/both.py"), text).unwrap();
            fs::write(layer.join(format!("python/shared/{text}.py")), text).unwrap();
        }
        fs::create_dir_all(&cache).unwrap();
        let tree = merge(&[one.clone(), two.clone()], &cache).unwrap().unwrap();
        assert_eq!(fs::read_to_string(tree.join("python/both.py")).unwrap(), "two");
        assert!(tree.join("python/shared/one.py").is_file() && tree.join("python/shared/two.py").is_file());
        assert_eq!(fs::read_to_string(one.join("python/both.py")).unwrap(), "one");
        let other = merge(&[two, one.clone()], &cache).unwrap().unwrap();
        assert_eq!(fs::read_to_string(other.join("python/both.py")).unwrap(), "one");
        assert_eq!(merge(&[], &cache).unwrap(), None);
        assert_eq!(merge(std::slice::from_ref(&one), &cache).unwrap(), Some(one.clone()));
        assert!(merge(&vec![one; 6], &cache).is_err());
    }
}
