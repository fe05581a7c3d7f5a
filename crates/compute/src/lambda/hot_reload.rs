//! Whether a directory of the host that is used in place (the `hot-reload` bucket) has changed.
//!
//! A [`Watch`] answers with the tree's present [`State`]; two equal answers mean that nothing in the tree was written,
//! replaced, renamed, added or removed in between. The state becomes part of the deployment's name (`resolve`), so that a
//! changed tree is a new deployment to the fleet: warm environments serve as long as nothing changes, and none ever runs
//! code from before a save that came before its request.
//!
//! What is compared is what the kernel says of every file: identity, size, mode and times, above all the *change time*,
//! which no program can set back; an edit that keeps size and modification time shows in it. Its steps are those of the
//! kernel's clock, so a tree that changed within the last step might change again without showing it: such a state equals
//! no other, and its environment serves one request only. Filesystems whose times are somebody else's (NFS, FUSE, 9p)
//! give such states always. Not seen: a program that writes through a shared memory map it made earlier, which the kernel
//! does not tell either.

use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::Clock;
use tokio::sync::Mutex;

/// Files and directories that are looked at, at most: beyond that every request starts cold, which is exact, too.
const ENTRIES_MAX: usize = 200_000;

/// Directories within directories that are followed.
const DEPTH_MAX: usize = 128;

/// Longest step of the kernel's coarse clock (10 ms at 100 Hz), with room for a clock that is being corrected.
const CLOCK_STEP_NS: i128 = 50_000_000;

/// How long a tree is waited for that never settles, such as one on a network's filesystem.
const SETTLING_MAX: Duration = Duration::from_secs(1);
const SETTLING_PAUSE: Duration = Duration::from_millis(10);

/// Filesystems that stamp changes with this machine's own clock, by their magic numbers in `statfs(2)`.
const LOCAL: [u64; 9] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x794C_7630, // overlayfs
    0xF2F5_2010, // F2FS
    0x2FC1_2FC1, // ZFS
    0xCA45_1A4E, // bcachefs
];

/// What a tree is like at one time. Equal states: nothing changed in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State(String);

impl State {
    /// A name for it, the same for equal states only.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Whether the same tree will have the same state again.
    fn lasts(&self) -> bool {
        self.0.contains('-')
    }

    /// A state that equals no other.
    fn passing() -> State {
        State(base::id::lower_hex(32))
    }
}

/// Watches one directory.
#[derive(Debug)]
pub(crate) struct Watch {
    directory: PathBuf,
    last: Mutex<Option<(Instant, State)>>,
}

impl Watch {
    pub(crate) fn new(directory: &Path) -> Watch {
        Watch { directory: directory.to_owned(), last: Mutex::new(None) }
    }

    /// The state of the tree at some time between the call and its return. Callers at the same time share one look.
    pub(crate) async fn state(&self) -> State {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some((begun, state)) = &*last
            && *begun > asked
        {
            return state.clone();
        }
        let begun = Instant::now();
        let directory = self.directory.clone();
        let looked = tokio::task::spawn_blocking(move || look(&directory)).await;
        let state = looked.unwrap_or_else(|_| State::passing());
        *last = Some((begun, state.clone()));
        state
    }

    /// As [`Watch::state`], but one that lasts, if the tree has such: what was saved just now is waited for until it could
    /// not change again unseen.
    pub(crate) async fn settled_state(&self) -> State {
        let asked = Instant::now();
        loop {
            let state = self.state().await;
            if state.lasts() || asked.elapsed() > SETTLING_MAX {
                return state;
            }
            tokio::time::sleep(SETTLING_PAUSE).await;
        }
    }
}

/// Looks at everything in a tree.
fn look(directory: &Path) -> State {
    // Before the first file is looked at: what is stamped later than this may change again without showing.
    let now_ns = i128::from(Clock::system().now().millis()) * 1_000_000;
    let mut look = Look { settled_before_ns: now_ns - CLOCK_STEP_NS, ..Look::default() };
    match look.root(directory) {
        Ok(()) if look.settled => State(format!("{:016x}-{:x}", look.sum, look.entries)),
        Ok(()) => State::passing(),
        Err(error) => {
            // Something went while we looked, or cannot be looked at: whatever it is, it is not known to be unchanged.
            tracing::debug!(directory = %directory.display(), %error, "a hot-reload directory cannot be looked at whole");
            State::passing()
        }
    }
}

struct Look {
    /// The entries' hashes, added up: the order in which a directory lists them means nothing.
    sum: u64,
    entries: usize,
    settled_before_ns: i128,
    /// Nothing was stamped so lately, or on such a filesystem, that its next change might not show.
    settled: bool,
    /// The filesystem that was last found to be local: there is seldom more than one.
    local_device: Option<u64>,
}

impl Default for Look {
    fn default() -> Self {
        Look { sum: 0, entries: 0, settled_before_ns: 0, settled: true, local_device: None }
    }
}

impl Look {
    fn root(&mut self, directory: &Path) -> io::Result<()> {
        // The directory itself is followed through links, as its mount is.
        let metadata = fs::metadata(directory)?;
        self.add(Path::new(""), directory, &metadata)?;
        self.directory(directory, Path::new(""), 0)
    }

    fn directory(&mut self, directory: &Path, below: &Path, depth: usize) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(io::Error::other("too many directories within each other"));
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // Of a link, not of what it leads to: a target in the tree is met on its own, and one outside of it does not
            // exist where the code runs.
            let metadata = entry.metadata()?;
            let (path, name) = (entry.path(), below.join(entry.file_name()));
            self.add(&name, &path, &metadata)?;
            if metadata.is_dir() {
                self.directory(&path, &name, depth + 1)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &Path, path: &Path, metadata: &Metadata) -> io::Result<()> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return Err(io::Error::other("too many files"));
        }
        let time_ns = |secs: i64, ns: i64| i128::from(secs) * 1_000_000_000 + i128::from(ns);
        let changed_ns = time_ns(metadata.ctime(), metadata.ctime_nsec());
        self.settled &= changed_ns < self.settled_before_ns && self.is_local(path, metadata.dev());
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        (metadata.dev(), metadata.ino(), metadata.mode(), metadata.uid(), metadata.gid()).hash(&mut hasher);
        (metadata.size(), time_ns(metadata.mtime(), metadata.mtime_nsec()), changed_ns).hash(&mut hasher);
        if metadata.is_symlink() {
            fs::read_link(path)?.hash(&mut hasher);
        }
        self.sum = self.sum.wrapping_add(hasher.finish());
        Ok(())
    }

    fn is_local(&mut self, path: &Path, device: u64) -> bool {
        if self.local_device == Some(device) {
            return true;
        }
        // A link's own filesystem is that of the directory it is in, which was met before.
        let local = rustix::fs::statfs(path).is_ok_and(|fs| LOCAL.contains(&(fs.f_type as u64)));
        if local {
            self.local_device = Some(device);
        }
        local
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A tree, and a way to wait until its last change has settled.
    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Tree {
            let tree = Tree(tempfile::tempdir().unwrap());
            tree.write("app.py", "one");
            fs::create_dir(tree.path("lib")).unwrap();
            tree.write("lib/part.py", "part");
            symlink("lib", tree.path("link")).unwrap();
            tree
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn settled(&self) -> State {
            loop {
                let state = look(self.0.path());
                if state.lasts() {
                    return state;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    #[test]
    fn an_unchanged_tree_stays_the_same() {
        let tree = Tree::new();
        let before = tree.settled();
        fs::read(tree.path("app.py")).unwrap();
        assert_eq!(look(tree.0.path()), before);
    }

    #[test]
    fn every_change_shows() {
        let tree = Tree::new();
        type Change = fn(&Tree);
        let changes: [(&str, Change); 12] = [
            ("another text", |t| t.write("app.py", "another")),
            ("of the same size", |t| t.write("app.py", "toehtna"[..7].as_ref())),
            ("in a directory", |t| t.write("lib/part.py", "trap")),
            ("replaced by renaming, as editors do", |t| {
                t.write(".app.py.new", "toehtna");
                fs::rename(t.path(".app.py.new"), t.path("app.py")).unwrap();
            }),
            ("a new file", |t| t.write("lib/more.py", "")),
            ("renamed", |t| fs::rename(t.path("lib/more.py"), t.path("lib/less.py")).unwrap()),
            ("removed", |t| fs::remove_file(t.path("lib/less.py")).unwrap()),
            ("a new directory", |t| fs::create_dir(t.path("empty")).unwrap()),
            ("a link that leads elsewhere", |t| {
                fs::remove_file(t.path("link")).unwrap();
                symlink("empty", t.path("link")).unwrap();
            }),
            ("mode", |t| {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
                fs::set_permissions(t.path("app.py"), mode).unwrap();
            }),
            ("written through another name", |t| {
                let outside = tempfile::tempdir_in(t.0.path().parent().unwrap()).unwrap();
                fs::hard_link(t.path("app.py"), outside.path().join("alias")).unwrap();
                t.settled();
                fs::write(outside.path().join("alias"), "through!").unwrap();
            }),
            ("two directories in each other's place", |t| {
                fs::rename(t.path("lib"), t.path("aside")).unwrap();
                fs::rename(t.path("empty"), t.path("lib")).unwrap();
                fs::rename(t.path("aside"), t.path("empty")).unwrap();
            }),
        ];
        for (what, change) in changes {
            let before = tree.settled();
            change(&tree);
            assert_ne!(look(tree.0.path()), before, "{what}, at once");
            assert_ne!(tree.settled(), before, "{what}, later");
        }
    }

    #[test]
    fn an_edit_that_hides_in_size_and_time_shows() {
        let tree = Tree::new();
        let before = tree.settled();
        let modified = fs::metadata(tree.path("app.py")).unwrap().modified().unwrap();
        tree.write("app.py", "two");
        let file = fs::File::options().write(true).open(tree.path("app.py")).unwrap();
        file.set_modified(modified).unwrap();
        assert_eq!(fs::metadata(tree.path("app.py")).unwrap().modified().unwrap(), modified);
        assert_ne!(tree.settled(), before);
    }

    #[test]
    fn there_and_back_again_is_not_the_same() {
        let tree = Tree::new();
        let before = tree.settled();
        tree.write("app.py", "two");
        tree.write("app.py", "one");
        assert_ne!(tree.settled(), before, "an environment may have loaded what was there in between");
    }

    #[test]
    fn what_has_just_changed_equals_nothing() {
        let tree = Tree::new();
        for n in 0..100 {
            tree.write("app.py", &n.to_string());
            let (first, second) = (look(tree.0.path()), look(tree.0.path()));
            // A slow machine may have settled in between; then the second is a lasting one.
            assert!(first != second || first.lasts(), "{first:?}");
        }
    }

    #[test]
    fn a_directory_that_is_not_there_equals_nothing() {
        let tree = Tree::new();
        let gone = tree.path("gone");
        assert_ne!(look(&gone), look(&gone));
    }

    #[test]
    fn the_directory_may_be_a_link() {
        let tree = Tree::new();
        let (first, second) = (tree.path("lib"), tree.path("other"));
        fs::create_dir(&second).unwrap();
        let current = tempfile::tempdir().unwrap();
        let link = current.path().join("current");
        symlink(&first, &link).unwrap();
        tree.settled();
        let before = look(&link);
        assert_eq!(look(&link), before);
        fs::remove_file(&link).unwrap();
        symlink(&second, &link).unwrap();
        assert_ne!(look(&link), before);
    }

    #[tokio::test]
    async fn a_look_begun_before_the_question_is_no_answer() {
        let tree = Tree::new();
        tree.settled();
        let watch = Watch::new(tree.0.path());
        for n in 0..50 {
            let before = watch.state().await;
            tree.write("app.py", &format!("edit {n}"));
            let (one, two) = tokio::join!(watch.state(), watch.state());
            assert!(one != before && two != before);
        }
    }
}
