//! cgroup v1: a directory per controller, all below `<controller>/updraft/<instance>/`.
//!
//! What v1 cannot do: kill a whole group at once on an out-of-memory (the kernel takes the largest process; the others
//! live until the sandbox is destroyed), and kill a frozen process (we thaw after sending the signals).

use std::{io, os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    Entry, Mounts, Tree, Usage, Version, cores, cpu_quota,
    files::{Base, FREEZE_PATIENCE, errno, field_of, until, within},
    mounts::Hierarchy,
    tell,
};
use crate::posture::Layer;

/// The controllers we use, in the order in which a child enters them: memory first, so that all it touches is charged.
const CONTROLLERS: [&str; 4] = ["memory", "cpu", "pids", "freezer"];

/// One core's weight against other groups; the kernel's default.
const SHARES_PER_CORE: u64 = 1024;

/// The kernel's lowest weight.
const SHARES_MIN: u64 = 2;

/// The v1 hierarchies with our instance's directory open in each.
#[derive(Debug, Clone)]
pub(super) struct V1 {
    controllers: Vec<Controller>,
}

#[derive(Debug, Clone)]
struct Controller {
    name: &'static str,
    path: PathBuf,
    /// Shared by controllers that are mounted together.
    base: Arc<Base>,
    /// Whether another controller before this one has the same directory.
    repeated: bool,
}

/// Makes the instance's directory in every hierarchy that lets us.
pub(super) fn open(mounts: &Mounts, instance: &str) -> io::Result<(V1, Vec<Layer>)> {
    let mut tree = V1 { controllers: Vec::new() };
    let mut failures = Vec::new();
    for name in CONTROLLERS {
        let Some(hierarchy) = mounts.v1.get(name) else {
            failures.push((name, "not mounted".to_owned()));
            continue;
        };
        match open_controller(hierarchy, instance) {
            Ok((path, base)) => tree.add(name, path, base),
            Err(error) => failures.push((name, error.to_string())),
        }
    }
    if tree.controllers.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no hierarchy is mounted and writable"));
    }
    tree.weigh_all();
    let layers = layers(&tree, &failures);
    Ok((tree, layers))
}

/// At the top of the hierarchy where that is writable, else below our own group.
fn open_controller(hierarchy: &Hierarchy, instance: &str) -> io::Result<(PathBuf, Base)> {
    let below = PathBuf::from("updraft").join(instance);
    let top = hierarchy.top.join(&below);
    let refused = match Base::make(&top) {
        Ok(base) => return Ok((top, base)),
        Err(error) => error,
    };
    let own = hierarchy.own.join(&below);
    match Base::make(&own) {
        Ok(base) => Ok((own, base)),
        Err(_) => Err(refused),
    }
}

fn layers(tree: &V1, failures: &[(&str, String)]) -> Vec<Layer> {
    let pairs = [("memory limit", "memory"), ("cpu limit", "cpu"), ("process limit", "pids"), ("freezing", "freezer")];
    pairs
        .map(|(layer, controller)| match failures.iter().find(|(name, _)| *name == controller) {
            Some((_, why)) if !tree.has(controller) => Layer::degraded(
                layer,
                format!("cgroup v1 controller {controller}: {why}"),
                format!("mount it writable at /sys/fs/cgroup/{controller}, or use a cgroup v2 host"),
            ),
            _ => Layer::present(layer),
        })
        .to_vec()
}

impl V1 {
    pub(super) fn has(&self, controller: &str) -> bool {
        self.get(controller).is_some()
    }

    fn get(&self, controller: &str) -> Option<&Base> {
        self.controllers.iter().find(|candidate| candidate.name == controller).map(|found| found.base.as_ref())
    }

    fn add(&mut self, name: &'static str, path: PathBuf, base: Base) {
        let twin = self.controllers.iter().find(|other| other.path == path).map(|other| Arc::clone(&other.base));
        let repeated = twin.is_some();
        let base = twin.unwrap_or_else(|| Arc::new(base));
        self.controllers.push(Controller { name, path, base, repeated });
    }

    /// Each directory once.
    fn bases(&self) -> impl Iterator<Item = &Base> {
        self.controllers.iter().filter(|controller| !controller.repeated).map(|controller| controller.base.as_ref())
    }

    /// All sandboxes together weigh as much as all cores. By default they would weigh as one, split among the cores.
    fn weigh_all(&self) {
        let Some(cpu) = self.controllers.iter().find(|controller| controller.name == "cpu") else { return };
        for directory in [Some(cpu.path.as_path()), cpu.path.parent()].into_iter().flatten() {
            // One that is not ours to write weighs what its owner says.
            let _ = std::fs::write(directory.join("cpu.shares"), (SHARES_PER_CORE * cores() as u64).to_string());
        }
    }

    fn signal_all(&self, group: &str) -> io::Result<bool> {
        let mut any = false;
        for base in self.bases() {
            for pid in base.pids(group)? {
                any = true;
                if let Some(pid) = Pid::from_raw(pid) {
                    // A process may be gone by now; what counts is that the list gets empty.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
        Ok(any)
    }
}

impl Tree for V1 {
    fn version(&self) -> Version {
        Version::V1
    }

    fn create(&self, name: &str) -> io::Result<()> {
        self.bases().try_for_each(|base| base.mkdir(name))
    }

    fn entry(&self, name: &str) -> io::Result<Entry> {
        // Not `cgroup.procs`: for that the kernel keeps all processes of the host from forking and exiting, and who is first to do so
        // after a quiet while waits for a grace period of RCU, which is 7 ms.
        let files = self.bases().map(|base| base.open_write(name, "tasks"));
        Ok(Entry::Tasks(files.collect::<io::Result<_>>()?))
    }

    fn set_memory(&self, group: &str, bytes: u64) -> io::Result<()> {
        const LIMIT: &str = "memory.limit_in_bytes";
        // Memory and swap together; equal to the memory limit means: no swap.
        const LIMIT_WITH_SWAP: &str = "memory.memsw.limit_in_bytes";
        let Some(memory) = self.get("memory") else {
            return Ok(());
        };
        // The limit with swap may never be the lower one, so the order depends on the direction: try down, then up.
        match memory.write(group, LIMIT, bytes) {
            Err(error) if errno(&error) == Some(libc::EINVAL) => {
                memory.write_if_there(group, LIMIT_WITH_SWAP, bytes)?;
                memory.write(group, LIMIT, bytes)
            }
            Err(error) => Err(error),
            Ok(()) => {
                if !memory.write_if_there(group, LIMIT_WITH_SWAP, bytes)? {
                    memory.write_if_there(group, "memory.swappiness", 0)?;
                }
                Ok(())
            }
        }
    }

    fn set_cpu(&self, group: &str, cpu_milli: u32, known: &mut Option<Duration>) -> io::Result<()> {
        let Some(cpu) = self.get("cpu") else { return Ok(()) };
        let Some((quota, period)) = cpu_quota(cpu_milli, cores()) else {
            return cpu.write_if_there(group, "cpu.cfs_quota_us", -1).map(drop);
        };
        tell(known, period, |period| cpu.write_if_there(group, "cpu.cfs_period_us", period.as_micros()).map(drop))?;
        cpu.write_if_there(group, "cpu.cfs_quota_us", quota.as_micros())?;
        Ok(())
    }

    fn set_weight(&self, group: &str, weight_milli: u32) -> io::Result<()> {
        let Some(cpu) = self.get("cpu") else { return Ok(()) };
        let shares = (u64::from(weight_milli) * SHARES_PER_CORE / 1000).max(SHARES_MIN);
        cpu.write(group, "cpu.shares", shares)
    }

    fn set_pids(&self, name: &str, limit: u32) -> io::Result<()> {
        match self.get("pids") {
            Some(pids) => pids.write(name, "pids.max", limit),
            None => Ok(()),
        }
    }

    fn freeze(&self, name: &str, frozen: bool) -> io::Result<()> {
        let Some(freezer) = self.get("freezer") else {
            return Ok(());
        };
        let state = if frozen { "FROZEN" } else { "THAWED" };
        freezer.write(name, "freezer.state", state)?;
        if !frozen {
            return Ok(());
        }
        // Reading also makes the kernel look again whether the last process has stopped.
        within(FREEZE_PATIENCE, || Ok(freezer.read(name, "freezer.state")?.trim() == state))?;
        Ok(())
    }

    fn memory_directory(&self, name: &str) -> Option<OwnedFd> {
        self.get("memory")?.directory(name).ok()
    }

    fn memory_now(&self, name: &str) -> Option<OwnedFd> {
        self.get("memory")?.open_read(name, "memory.usage_in_bytes").ok()
    }

    fn memory_stat(&self, name: &str) -> Option<OwnedFd> {
        self.get("memory")?.open_read(name, "memory.stat").ok()
    }

    fn counters(&self, name: &str) -> io::Result<Usage> {
        let mut usage = Usage::default();
        if let Some(memory) = self.get("memory") {
            usage.memory_bytes = memory.number(name, "memory.usage_in_bytes")?.unwrap_or_default();
            usage.oom_kills = memory.field(name, "memory.oom_control", "oom_kill")?.unwrap_or_default();
        }
        Ok(usage)
    }

    fn threads(&self, name: &str) -> io::Result<Vec<i32>> {
        self.bases().next().map_or(Ok(Vec::new()), |base| base.numbers(name, "tasks"))
    }

    fn is_empty(&self, name: &str) -> io::Result<bool> {
        for base in self.bases() {
            if !base.pids(name)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn kill(&self, name: &str) -> io::Result<()> {
        if self.is_empty(name)? {
            return Ok(());
        }
        // Frozen processes cannot fork away from under us, but die only once thawed.
        if let Some(freezer) = self.get("freezer") {
            freezer.write_if_there(name, "freezer.state", "FROZEN")?;
        }
        self.signal_all(name)?;
        if let Some(freezer) = self.get("freezer") {
            freezer.write_if_there(name, "freezer.state", "THAWED")?;
        }
        until(|| Ok(!self.signal_all(name)?))
    }

    /// Only the part about memory is made anew, which leaves nothing of the last occupant: emptying its counters takes longer, since
    /// all processors have to give back their pages. The others have nothing; making and removing those was a sixth of all that the
    /// spawner does for a sandbox.
    ///
    /// Whoever is in any of them is in memory's, the first that is entered, and that cannot be removed with anybody inside.
    fn renew(&self, name: &str, frozen: bool) -> io::Result<bool> {
        let (Some(memory), Some(freezer)) = (self.get("memory"), self.get("freezer")) else {
            return Ok(false);
        };
        if !memory.rmdir_if_empty(name)? {
            return Ok(false);
        }
        memory.mkdir(name)?;
        if frozen {
            freezer.write(name, "freezer.state", "THAWED")?;
        }
        Ok(true)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.bases().try_for_each(|base| base.rmdir(name))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for base in self.bases() {
            names.extend(base.children()?);
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn close(&self) -> io::Result<()> {
        for controller in self.controllers.iter().filter(|controller| !controller.repeated) {
            remove_if_empty(&controller.path)?;
        }
        Ok(())
    }
}

/// Removes the instance's directory, and `updraft` above it when no other instance is there.
pub(super) fn remove_if_empty(instance: &std::path::Path) -> io::Result<()> {
    match std::fs::remove_dir(instance) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if let Some(updraft) = instance.parent() {
        // Another instance may live there: then it stays.
        let _ = std::fs::remove_dir(updraft);
    }
    Ok(())
}

/// Whether a kernel file of `key number` lines says yes.
pub(super) fn says_one(text: &str, key: &str) -> bool {
    field_of(text, key) == Some(1)
}
