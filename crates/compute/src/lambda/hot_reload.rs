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
//! give such states always.
//!
//! A tree that was looked at once need not be looked at again as long as the kernel reports no change ([`notifier`]); then a
//! state lasts whatever its times are. Where it cannot be watched it is looked at each time.

mod notifier;

use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base::Clock;
use tokio::sync::Mutex;

use notifier::Notifier;

/// Files and directories that are looked at, at most: beyond that every request starts cold, which is exact, too.
const ENTRIES_MAX: usize = 200_000;

/// Directories within directories that are followed.
const DEPTH_MAX: usize = 128;

/// Longest step of the kernel's coarse clock (10 ms at 100 Hz), with room for a clock that is being corrected.
const CLOCK_STEP_NS: i128 = 50_000_000;

/// How long a tree is waited for that never settles, such as one on a network's filesystem.
const SETTLING_MAX: Duration = Duration::from_secs(1);
const SETTLING_PAUSE: Duration = Duration::from_millis(10);

/// Overlayfs stamps changes, but its files may change place beneath a watch.
const OVERLAY: u64 = 0x794C_7630;

/// Filesystems that stamp changes with this machine's own clock, by their magic numbers in `statfs(2)`.
const LOCAL: [u64; 9] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    OVERLAY,
    0xF2F5_2010, // F2FS
    0x2FC1_2FC1, // ZFS
    0xCA45_1A4E, // bcachefs
];

/// What a tree is like at one time. Equal states: nothing changed in between.
#[derive(Clone, Debug)]
pub(crate) struct State {
    name: String,
    /// An unchanged tree will have the same state again.
    lasts: bool,
}

impl State {
    /// A name for it, the same for equal states only.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A state that equals no other.
    fn passing() -> State {
        State { name: base::id::lower_hex(32), lasts: false }
    }
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.name == other.name
    }
}

/// Watches one directory.
#[derive(Debug)]
pub(crate) struct Watch {
    directory: PathBuf,
    last: Mutex<Option<Seen>>,
    /// It was found too large for the kernel to watch, or on a filesystem where that is no use: not tried again.
    unwatchable: AtomicBool,
}

/// What was seen at the last look.
#[derive(Debug)]
struct Seen {
    begun: Instant,
    state: State,
    /// Device and number of the directory itself, and what would know of changes since; none where nothing would.
    quiet: Option<(Notifier, (u64, u64))>,
}

impl Seen {
    /// Whether all is as it was, by the kernel's word.
    fn still_holds(&self, directory: &Path) -> bool {
        // The path may lead to another directory, without a change in this one.
        let leads_to = || fs::metadata(directory).ok().map(|metadata| identity(&metadata));
        self.quiet.as_ref().is_some_and(|(notifier, root)| leads_to() == Some(*root) && notifier.is_quiet())
    }
}

impl Watch {
    pub(crate) fn new(directory: &Path) -> Watch {
        Watch { directory: directory.to_owned(), last: Mutex::new(None), unwatchable: AtomicBool::new(false) }
    }

    /// The state of the tree at some time between the call and its return. Callers at the same time share one look.
    pub(crate) async fn state(&self) -> State {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(seen) = &*last
            && (seen.begun > asked || seen.still_holds(&self.directory))
        {
            return seen.state.clone();
        }
        let begun = Instant::now();
        let directory = self.directory.clone();
        let tried = !self.unwatchable.load(Ordering::Relaxed);
        let looked = tokio::task::spawn_blocking(move || look(&directory, tried.then(Notifier::new).flatten())).await;
        let Looked { state, quiet, watched } = looked.unwrap_or_else(|_| Looked::unknown());
        self.unwatchable.store(!watched, Ordering::Relaxed);
        *last = Some(Seen { begun, state: state.clone(), quiet });
        state
    }

    /// As [`Watch::state`], but one that lasts, if the tree has such: what was saved just now is waited for until it could
    /// not change again unseen.
    pub(crate) async fn settled_state(&self) -> State {
        let asked = Instant::now();
        loop {
            let state = self.state().await;
            if state.lasts || asked.elapsed() > SETTLING_MAX {
                return state;
            }
            tokio::time::sleep(SETTLING_PAUSE).await;
        }
    }
}

/// What a look gives.
struct Looked {
    state: State,
    /// How to know that it still holds, as in [`Seen`].
    quiet: Option<(Notifier, (u64, u64))>,
    /// Everything could be watched, whether or not something happened meanwhile.
    watched: bool,
}

impl Looked {
    /// Something went while we looked, or cannot be looked at: whatever it is, it is not known to be unchanged.
    fn unknown() -> Looked {
        Looked { state: State::passing(), quiet: None, watched: true }
    }
}

/// Looks at everything in a tree, and has it watched from then on.
fn look(directory: &Path, notifier: Option<Notifier>) -> Looked {
    // Before the first file is looked at: what is stamped later than this may change again without showing.
    let now_ns = i128::from(Clock::system().now().millis()) * 1_000_000;
    let mut look = Look { settled_before_ns: now_ns - CLOCK_STEP_NS, notifier, ..Look::default() };
    let root = match look.root(directory) {
        Ok(root) => root,
        Err(error) => {
            tracing::debug!(directory = %directory.display(), %error, "a hot-reload directory cannot be looked at whole");
            return Looked::unknown();
        }
    };
    let watched = look.notifier.is_some();
    let quiet = look.notifier.filter(Notifier::is_quiet);
    let state = match (look.settled, &quiet) {
        (true, _) => State { name: format!("{:016x}-{:x}", look.sum, look.entries), lasts: true },
        (false, Some(_)) => State { lasts: true, ..State::passing() },
        (false, None) => State::passing(),
    };
    Looked { state, quiet: quiet.map(|notifier| (notifier, root)), watched }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
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
    /// Goes when something cannot be watched.
    notifier: Option<Notifier>,
}

impl Default for Look {
    fn default() -> Self {
        Look { sum: 0, entries: 0, settled_before_ns: 0, settled: true, local_device: None, notifier: None }
    }
}

impl Look {
    /// Answers the directory's own identity.
    fn root(&mut self, directory: &Path) -> io::Result<(u64, u64)> {
        // The directory itself is followed through links, as its mount is.
        self.watch(directory, true);
        let metadata = fs::metadata(directory)?;
        self.add(Path::new(""), directory, &metadata)?;
        self.directory(directory, Path::new(""), 0)?;
        Ok(identity(&metadata))
    }

    fn watch(&mut self, path: &Path, follow: bool) {
        self.notifier = self.notifier.take().and_then(|mut notifier| notifier.watch(path, follow).then_some(notifier));
    }

    fn directory(&mut self, directory: &Path, below: &Path, depth: usize) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(io::Error::other("too many directories within each other"));
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let (path, name) = (entry.path(), below.join(entry.file_name()));
            // Before its times are read, or a change in between would neither show nor be told. A link is never changed,
            // only replaced, and that is its directory's news.
            if !entry.file_type()?.is_symlink() {
                self.watch(&path, false);
            }
            // Of a link, not of what it leads to: a target in the tree is met on its own, and one outside of it does not
            // exist where the code runs.
            let metadata = entry.metadata()?;
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
        let local = self.is_local(path, metadata.dev());
        self.settled &= local && changed_ns < self.settled_before_ns;
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
        let magic = rustix::fs::statfs(path).map_or(0, |fs| fs.f_type as u64);
        let local = LOCAL.contains(&magic);
        if local {
            self.local_device = Some(device);
        }
        if !local || magic == OVERLAY {
            self.notifier = None;
        }
        local
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A look without a notifier: what remains where nothing can be watched.
    fn walk(directory: &Path) -> State {
        look(directory, None).state
    }

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
                let state = walk(self.0.path());
                if state.lasts {
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
        assert_eq!(walk(tree.0.path()), before);
    }

    type Change = fn(&Tree);

    /// In this order each is possible.
    const CHANGES: [(&str, Change); 12] = [
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

    #[test]
    fn every_change_shows() {
        let tree = Tree::new();
        for (what, change) in CHANGES {
            let before = tree.settled();
            change(&tree);
            assert_ne!(walk(tree.0.path()), before, "{what}, at once");
            assert_ne!(tree.settled(), before, "{what}, later");
        }
    }

    #[tokio::test]
    async fn every_change_is_notified_and_nothing_else_is() {
        let tree = Tree::new();
        let watch = Watch::new(tree.0.path());
        for (what, change) in CHANGES {
            let before = watch.state().await;
            assert!(watch.last.lock().await.as_ref().is_some_and(|seen| seen.quiet.is_some()), "{what}: watched");
            assert!(before.lasts, "though it was written just now");
            fs::read(tree.path("app.py")).unwrap();
            assert_eq!(watch.state().await, before, "{what}: not yet");
            change(&tree);
            assert_ne!(watch.state().await, before, "{what}");
        }
    }

    #[tokio::test]
    async fn a_file_written_through_a_memory_map_shows_when_that_is_closed() {
        let tree = Tree::new();
        let watch = Watch::new(tree.0.path());
        let file = fs::File::options().write(true).open(tree.path("app.py")).unwrap();
        let before = watch.state().await;
        // A map cannot be made here without unsafe code; what ends one is the same as what ends this.
        drop(file);
        assert_ne!(watch.state().await, before);
    }

    #[tokio::test]
    async fn directories_made_later_are_watched_too() {
        let tree = Tree::new();
        let watch = Watch::new(tree.0.path());
        watch.state().await;
        fs::create_dir_all(tree.path("a/b/c")).unwrap();
        let before = watch.state().await;
        tree.write("a/b/c/deep.py", "deep");
        let after = watch.state().await;
        assert_ne!(after, before);
        tree.write("a/b/c/deep.py", "keep");
        assert_ne!(watch.state().await, after);
    }

    #[tokio::test]
    async fn a_path_that_leads_elsewhere_shows() {
        let tree = Tree::new();
        fs::create_dir(tree.path("other")).unwrap();
        let current = tempfile::tempdir().unwrap();
        let link = current.path().join("current");
        symlink(tree.path("lib"), &link).unwrap();
        let watch = Watch::new(&link);
        let before = watch.state().await;
        assert_eq!(watch.state().await, before);
        fs::remove_file(&link).unwrap();
        symlink(tree.path("other"), &link).unwrap();
        assert_ne!(watch.state().await, before);
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
            let (first, second) = (walk(tree.0.path()), walk(tree.0.path()));
            // A slow machine may have settled in between; then the second is a lasting one.
            assert!(first != second || first.lasts, "{first:?}");
        }
    }

    #[test]
    fn a_directory_that_is_not_there_equals_nothing() {
        let tree = Tree::new();
        let gone = tree.path("gone");
        assert_ne!(walk(&gone), walk(&gone));
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
        let before = walk(&link);
        assert_eq!(walk(&link), before);
        fs::remove_file(&link).unwrap();
        symlink(&second, &link).unwrap();
        assert_ne!(walk(&link), before);
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
