//! The kernel's word that nothing in a tree has changed, which spares looking at it again.
//!
//! A watch (inotify) is set on each directory and each file before it is read, so whatever changes later leaves an event, and
//! does so before the call that changed it returns. Files are watched, and not their directories alone, since a file can be
//! written through another name, outside of the tree. Nothing is learned from events but that there was one.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

/// Watches of one tree at most: each costs the kernel about 1 KB, and a user has some ten thousands at least.
const WATCHES_MAX: usize = 32_768;

/// Everything that changes what is read. Closing after writing, too: a file written through a shared memory map tells no
/// other way.
const CHANGES: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::MOVE_SELF);

/// Watches on one tree.
#[derive(Debug)]
pub(super) struct Notifier {
    events: OwnedFd,
    watches: usize,
}

impl Notifier {
    /// None where the kernel has no more to give.
    pub(super) fn new() -> Option<Notifier> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        Some(Notifier { events, watches: 0 })
    }

    /// Watches a directory or a file from now on; false if it cannot be watched.
    pub(super) fn watch(&mut self, path: &Path, follow: bool) -> bool {
        let how = if follow { CHANGES } else { CHANGES | WatchFlags::DONT_FOLLOW };
        self.watches += 1;
        self.watches <= WATCHES_MAX && inotify::add_watch(&self.events, path, how).is_ok()
    }

    /// Whether nothing has happened since the watches were set.
    pub(super) fn is_quiet(&self) -> bool {
        let mut event = [0_u8; 512];
        matches!(rustix::io::read(&self.events, &mut event), Err(Errno::AGAIN))
    }
}
