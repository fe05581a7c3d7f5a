//! Processes that run beside the runtimes of sandboxes: AWS's external extensions. They are the spawner's children and
//! members of a sandbox's namespaces, and end with it.

use std::os::fd::OwnedFd;

use super::{
    launch,
    plan::{CompanionId, Ended, SlotId},
};

/// Most of them in one sandbox (AWS: 10 extensions).
pub(super) const COMPANIONS_MAX: u32 = 16;

struct Companion {
    id: CompanionId,
    sandbox: SlotId,
    pidfd: OwnedFd,
}

/// All of a spawner.
#[derive(Default)]
pub(super) struct Companions {
    running: Vec<Option<Companion>>,
    counted: CompanionId,
}

impl Companions {
    /// Takes one in; gives its name and the index it is watched by.
    pub(super) fn insert(&mut self, sandbox: SlotId, pidfd: OwnedFd) -> (CompanionId, usize) {
        self.counted += 1;
        let companion = Some(Companion { id: self.counted, sandbox, pidfd });
        let index = match self.running.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.running.push(None);
                self.running.len() - 1
            }
        };
        self.running[index] = companion;
        (self.counted, index)
    }

    /// The handle of the one at this index.
    pub(super) fn pidfd(&self, index: usize) -> Option<&OwnedFd> {
        self.running.get(index)?.as_ref().map(|companion| &companion.pidfd)
    }

    /// Ends one.
    pub(super) fn kill(&self, sandbox: SlotId, id: CompanionId) {
        let all = self.running.iter().flatten();
        all.filter(|one| one.id == id && one.sandbox == sandbox).for_each(|one| launch::kill(&one.pidfd));
    }

    /// Collects the one at this index; none while it runs.
    pub(super) fn collect(&mut self, index: usize) -> Option<(CompanionId, Ended)> {
        let companion = self.running.get(index)?.as_ref()?;
        let ended = match launch::reap(&companion.pidfd, false) {
            Ok(ended) => ended?,
            Err(_) => Ended::Signaled(libc::SIGKILL),
        };
        let id = companion.id;
        self.running[index] = None;
        Some((id, ended))
    }

    /// Collects every one as it ends: the first process of a pid namespace is not gone before all others are.
    pub(super) fn collect_all(&mut self, mut wait: impl FnMut(&OwnedFd)) {
        for companion in self.running.drain(..).flatten() {
            wait(&companion.pidfd);
            let _ = launch::reap(&companion.pidfd, false);
        }
    }
}
