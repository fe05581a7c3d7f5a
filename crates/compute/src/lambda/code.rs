//! Code trees: what a function's `/var/task` is made of.
//!
//! The zip is the truth and lives as a blob of the store. The unpacked tree, `<data>/code/<sha256>/`, is a cache: made
//! when the code is uploaded, made again when it is missing, trusted only until the machine restarts. A tree is
//! shared by all functions with the same zip and never changes; it goes when no version refers to its zip any more, but
//! stays on disk (under another name) as long as somebody holds its [`CodeTree`].

pub(crate) mod link;
mod merge;
pub(crate) mod unzip;

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use store::BlobId;

use super::hot_reload::Watch;

pub(crate) use unzip::{Refused, UNZIPPED_BYTES_MAX};

/// AWS's limit of a zip uploaded in the request, in bytes.
pub(crate) const ZIPPED_BYTES_MAX: usize = 52_428_800;

/// Trees being made, trees of several layers and trees whose function is gone begin with a dot; a start removes them all.
const UNFINISHED: &str = ".new-";
const MERGED: &str = ".opt-";
const RETIRED: &str = ".old-";
/// Holds the kernel's id of the boot the trees were written in.
const BOOT: &str = ".boot";

/// An unpacked code tree. As long as this lives, so do the files at its path.
#[derive(Debug)]
pub struct CodeTree {
    path: PathBuf,
    retired: OnceLock<PathBuf>,
    /// Present if the tree may change in place.
    watch: Option<Watch>,
}

impl CodeTree {
    /// A directory of the host that is used in place and never removed: hot reload.
    pub(crate) fn in_place(path: &Path) -> Arc<CodeTree> {
        Arc::new(CodeTree { path: path.to_owned(), retired: OnceLock::new(), watch: Some(Watch::new(path)) })
    }

    fn unpacked(path: PathBuf) -> Arc<CodeTree> {
        Arc::new(CodeTree { path, retired: OnceLock::new(), watch: None })
    }

    /// A tree that goes with its last holder.
    fn temporary(path: PathBuf) -> Arc<CodeTree> {
        Arc::new(CodeTree { retired: OnceLock::from(path.clone()), path, watch: None })
    }

    /// What tells whether the tree has changed; none for those that never do.
    pub(crate) fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Where the files are. A tree that was retired meanwhile has moved; what is mounted stays.
    pub fn path(&self) -> &Path {
        self.retired.get().unwrap_or(&self.path)
    }
}

impl Drop for CodeTree {
    fn drop(&mut self) {
        if let Some(path) = self.retired.take() {
            let remove = move || remove_tree(&path).unwrap_or_else(|error| warn_left(&path, &error));
            // Without a thread it stays, and the next start removes it.
            _ = std::thread::Builder::new().name("remove code".to_owned()).spawn(remove);
        }
    }
}

/// The cache of unpacked code. Clones share it.
#[derive(Clone)]
pub(crate) struct CodeCache {
    shared: Arc<Shared>,
}

struct Shared {
    directory: PathBuf,
    held: Mutex<HashMap<BlobId, Weak<CodeTree>>>,
    /// What several layers became, by their trees in order.
    merged: tokio::sync::Mutex<HashMap<Vec<PathBuf>, Weak<CodeTree>>>,
}

impl CodeCache {
    /// Opens the directory and removes what an earlier process left half made. Files are not synced one by one, so after
    /// the machine restarted a tree may be incomplete: then all are removed, to be made again when they are needed.
    pub(crate) fn open(directory: PathBuf) -> io::Result<CodeCache> {
        fs::create_dir_all(&directory)?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let same_boot = !boot.is_empty() && fs::read_to_string(directory.join(BOOT)).is_ok_and(|old| old == boot);
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !entry.file_type()?.is_dir() || (same_boot && !hidden) {
                continue;
            }
            match remove_tree(&entry.path()) {
                // Nothing refers to an unfinished tree: it must not keep the server from starting.
                Err(error) if hidden => warn_left(&entry.path(), &error),
                removed => removed?,
            }
        }
        fs::write(directory.join(BOOT), boot)?;
        Ok(CodeCache { shared: Arc::new(Shared { directory, held: Mutex::default(), merged: Default::default() }) })
    }

    /// Unpacks a package under its content's name, unless it is there. Nothing is left behind if it is refused.
    pub(crate) async fn unpack(&self, id: BlobId, package: Bytes) -> Result<Arc<CodeTree>, Refused> {
        let cache = self.clone();
        let unpacked = tokio::task::spawn_blocking(move || cache.unpack_now(id, &package));
        unpacked.await.unwrap_or_else(|panic| Err(Refused::Write(io::Error::other(panic))))
    }

    fn unpack_now(&self, id: BlobId, package: &[u8]) -> Result<Arc<CodeTree>, Refused> {
        self.make(id, |tree| unzip::unzip(package, tree).map(drop))
    }

    /// A tree under this name, made now unless it is there. Blocks for as long as that takes.
    pub(crate) fn make(
        &self,
        id: BlobId,
        fill: impl FnOnce(&Path) -> Result<(), Refused>,
    ) -> Result<Arc<CodeTree>, Refused> {
        if let Some(tree) = self.find(id) {
            return Ok(tree);
        }
        let unfinished = self.shared.directory.join(format!("{UNFINISHED}{}", base::id::lower_hex(16)));
        fs::create_dir(&unfinished)?;
        let made = fill(&unfinished).and_then(|()| self.name_tree(&unfinished, id));
        if made.is_err() {
            remove_tree(&unfinished).unwrap_or_else(|error| warn_left(&unfinished, &error));
        }
        made
    }

    fn name_tree(&self, unfinished: &Path, id: BlobId) -> Result<Arc<CodeTree>, Refused> {
        let path = self.path(id);
        if let Err(error) = fs::rename(unfinished, &path) {
            if !path.is_dir() {
                return Err(error.into());
            }
            remove_tree(unfinished)?; // somebody else was faster; the content is the same
        }
        self.find(id).ok_or_else(|| Refused::Write(io::Error::other("the code tree went while it was made")))
    }

    /// One tree of all these layers, a later one's files winning; it goes when nobody holds it any more.
    pub(crate) async fn merge(&self, mut layers: Vec<Arc<CodeTree>>) -> Result<Option<Arc<CodeTree>>, Refused> {
        if layers.len() < 2 {
            return Ok(layers.pop());
        }
        let key: Vec<PathBuf> = layers.iter().map(|layer| layer.path().to_owned()).collect();
        let mut merged = self.shared.merged.lock().await;
        if let Some(tree) = merged.get(&key).and_then(Weak::upgrade) {
            return Ok(Some(tree));
        }
        let path = self.shared.directory.join(format!("{MERGED}{}", base::id::lower_hex(16)));
        // Whatever happens now, the tree's end removes what is there.
        let tree = CodeTree::temporary(path.clone());
        let made = tokio::task::spawn_blocking(move || merge::merge(&layers, &path)).await;
        made.map_err(io::Error::other)??;
        merged.retain(|_, tree| tree.strong_count() > 0);
        merged.insert(key, Arc::downgrade(&tree));
        Ok(Some(tree))
    }

    /// The tree, if it is there.
    pub(crate) fn find(&self, id: BlobId) -> Option<Arc<CodeTree>> {
        let mut held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = held.get(&id).and_then(Weak::upgrade) {
            return Some(tree);
        }
        let path = self.path(id);
        path.is_dir().then(|| {
            let tree = CodeTree::unpacked(path);
            held.insert(id, Arc::downgrade(&tree));
            tree
        })
    }

    /// Forgets a tree that nothing refers to; the files go when the last holder does.
    pub(crate) async fn retire(&self, id: BlobId) {
        let cache = self.clone();
        let retired = tokio::task::spawn_blocking(move || cache.retire_now(id));
        if let Ok(Err(error)) = retired.await {
            tracing::warn!(%id, %error, "cannot remove an unused code tree");
        }
    }

    fn retire_now(&self, id: BlobId) -> io::Result<()> {
        let away = self.shared.directory.join(format!("{RETIRED}{}", base::id::lower_hex(16)));
        let holder = {
            let mut held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
            match fs::rename(self.path(id), &away) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                moved => moved?,
            }
            held.remove(&id).and_then(|tree| tree.upgrade())
        };
        match holder {
            Some(tree) => _ = tree.retired.set(away),
            None => remove_tree(&away)?,
        }
        Ok(())
    }

    fn path(&self, id: BlobId) -> PathBuf {
        self.shared.directory.join(id.to_string())
    }
}

/// Removes a tree whose directories are read-only, links unfollowed.
fn remove_tree(path: &Path) -> io::Result<()> {
    make_writable(path)?;
    fs::remove_dir_all(path)
}

fn make_writable(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

fn warn_left(path: &Path, error: &io::Error) {
    tracing::warn!(path = %path.display(), %error, "cannot remove a code tree; the next start will");
}
