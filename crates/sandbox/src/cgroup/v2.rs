//! cgroup v2: one directory per group below `<base>/updraft/<instance>/`.
//!
//! Where the base is depends on who runs us. Root on the host itself uses the top of the hierarchy, which alone may hold
//! processes beside groups. In a container, and as an ordinary user in a unit with `Delegate=yes`, it is our own group:
//! there the kernel wants all processes out of it before it may share out controllers, so we move them (they are the
//! server, the spawner and whatever else lives in that unit or container) one group down, into `updraft-supervisor`.

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    Entry, Mounts, Tree, Usage, Version, cores, cpu_quota,
    files::{Base, FREEZE_PATIENCE, errno, until, within},
    v1::{remove_if_empty, says_one},
};
use crate::posture::Layer;

/// The controllers we ask for.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// Where the processes of our own group go when the group has to share out controllers.
const SUPERVISOR: &str = "updraft-supervisor";

/// One core's weight against other groups; the kernel's default.
const WEIGHT_PER_CORE: u64 = 100;

/// The kernel's highest weight.
const WEIGHT_MAX: u64 = 10_000;

/// The unified hierarchy with our instance's directory open.
#[derive(Debug, Clone)]
pub(super) struct V2 {
    path: PathBuf,
    base: Arc<Base>,
    controllers: Vec<String>,
}

/// Makes the instance's directory with as many controllers as we can get.
pub(super) fn open(mounts: &Mounts, instance: &str) -> io::Result<(V2, Vec<Layer>)> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "not mounted");
    let hierarchy = mounts.v2.as_ref().ok_or_else(missing)?;
    let mut places = vec![hierarchy.top.clone()];
    // After a restart of the spawner our own group may be the one that an earlier one moved us to.
    let own = match hierarchy.own.file_name() {
        Some(name) if name == SUPERVISOR => hierarchy.own.parent().unwrap_or(&hierarchy.own).to_owned(),
        _ => hierarchy.own.clone(),
    };
    if own != hierarchy.top {
        places.push(own.clone());
    }
    let mut best: Option<V2> = None;
    let mut refused = missing();
    for place in places {
        match open_below(&place, place == own, instance) {
            Ok(tree) if tree.controllers.len() == CONTROLLERS.len() => return Ok((tree.clone(), layers(&tree))),
            Ok(tree) if best.as_ref().is_none_or(|best| tree.controllers.len() > best.controllers.len()) => {
                if let Some(worse) = best.replace(tree) {
                    worse.close()?;
                }
            }
            Ok(tree) => tree.close()?,
            Err(error) => refused = error,
        }
    }
    let tree = best.ok_or(refused)?;
    let layers = layers(&tree);
    Ok((tree, layers))
}

fn open_below(place: &Path, is_own: bool, instance: &str) -> io::Result<V2> {
    let updraft = place.join("updraft");
    let path = updraft.join(instance);
    let base = Arc::new(Base::make(&path)?);
    share_out(place, is_own)?;
    share_out(&updraft, false)?;
    share_out(&path, false)?;
    // All sandboxes together weigh as much as all cores. By default they would weigh as one, split among the cores.
    let weight = (WEIGHT_PER_CORE * cores() as u64).min(WEIGHT_MAX).to_string();
    for directory in [&updraft, &path] {
        let _ = std::fs::write(directory.join("cpu.weight"), &weight); // not there without the controller
    }
    let enabled = std::fs::read_to_string(path.join("cgroup.subtree_control"))?;
    let controllers = enabled.split_whitespace().map(str::to_owned).filter(|name| CONTROLLERS.contains(&name.as_str()));
    Ok(V2 { base, controllers: controllers.collect(), path })
}

/// Lets the groups below `group` have the controllers that `group` has. One that is not there is no error: it is
/// missing from `cgroup.subtree_control` afterwards, and reported.
fn share_out(group: &Path, may_evacuate: bool) -> io::Result<()> {
    let offered = std::fs::read_to_string(group.join("cgroup.controllers"))?;
    let control = group.join("cgroup.subtree_control");
    let enabled = std::fs::read_to_string(&control)?;
    for name in CONTROLLERS {
        let has = |list: &str| list.split_whitespace().any(|entry| entry == name);
        if !has(&offered) || has(&enabled) {
            continue;
        }
        let enable = || std::fs::write(&control, format!("+{name}"));
        match enable() {
            Err(error) if errno(&error) == Some(libc::EBUSY) && may_evacuate => {
                evacuate(group)?;
                enable()?;
            }
            Err(error) if errno(&error) == Some(libc::EBUSY) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            other => other?,
        }
    }
    Ok(())
}

/// Moves all processes of our own group one group down: a group with processes of its own may not share out controllers.
fn evacuate(group: &Path) -> io::Result<()> {
    let refuge = group.join(SUPERVISOR);
    std::fs::create_dir_all(&refuge)?;
    until(|| {
        let pids = std::fs::read_to_string(group.join("cgroup.procs"))?;
        for pid in pids.lines() {
            match std::fs::write(refuge.join("cgroup.procs"), pid) {
                Err(error) if errno(&error) != Some(libc::ESRCH) => return Err(error),
                _ => {}
            }
        }
        Ok(pids.is_empty())
    })
}

fn layers(tree: &V2) -> Vec<Layer> {
    let mut layers = [("memory limit", "memory"), ("cpu limit", "cpu"), ("process limit", "pids")]
        .map(|(layer, controller)| match tree.has(controller) {
            true => Layer::present(layer),
            false => Layer::degraded(
                layer,
                format!("the cgroup v2 controller {controller} is not given to {}", tree.path.display()),
                "run as a systemd unit with Delegate=yes, or as root on the host",
            ),
        })
        .to_vec();
    layers.push(Layer::present("freezing"));
    layers
}

impl V2 {
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|candidate| candidate == controller)
    }

    fn memory_file(&self, group: &str, file: &str) -> Option<OwnedFd> {
        self.has("memory").then(|| self.base.open_read(group, file).ok())?
    }

    fn populated(&self, group: &str) -> io::Result<bool> {
        match self.base.read(group, "cgroup.events") {
            Ok(text) => Ok(says_one(&text, "populated")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `cgroup.kill` came with Linux 5.14; before it, one signal per process.
    fn signal_all(&self, group: &str) -> io::Result<()> {
        if self.base.write_if_there(group, "cgroup.kill", 1)? {
            return Ok(());
        }
        for pid in self.base.pids(group)? {
            if let Some(pid) = Pid::from_raw(pid) {
                // A process may be gone by now; what counts is that the group gets empty.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        Ok(())
    }
}

impl Tree for V2 {
    fn version(&self) -> Version {
        Version::V2
    }

    fn create(&self, name: &str) -> io::Result<()> {
        self.base.mkdir(name)
    }

    fn entry(&self, name: &str) -> io::Result<Entry> {
        self.base.directory(name).map(Entry::Directory)
    }

    fn set_memory(&self, group: &str, bytes: u64) -> io::Result<()> {
        if !self.has("memory") {
            return Ok(());
        }
        self.base.write(group, "memory.max", bytes)?;
        self.base.write_if_there(group, "memory.swap.max", 0)?;
        // All die together: a function that lost one of its processes to the limit would answer nonsense.
        self.base.write_if_there(group, "memory.oom.group", 1)?;
        Ok(())
    }

    fn set_cpu(&self, group: &str, cpu_milli: u32, _: &mut Option<Duration>) -> io::Result<()> {
        if !self.has("cpu") {
            return Ok(());
        }
        let max = match cpu_quota(cpu_milli, cores()) {
            Some((quota, period)) => format!("{} {}", quota.as_micros(), period.as_micros()),
            None => "max".to_owned(),
        };
        self.base.write_if_there(group, "cpu.max", max)?;
        Ok(())
    }

    fn set_weight(&self, group: &str, weight_milli: u32) -> io::Result<()> {
        if !self.has("cpu") {
            return Ok(());
        }
        let weight = (u64::from(weight_milli) * WEIGHT_PER_CORE / 1000).clamp(1, WEIGHT_MAX);
        self.base.write(group, "cpu.weight", weight)
    }

    fn set_pids(&self, name: &str, limit: u32) -> io::Result<()> {
        if self.has("pids") {
            self.base.write(name, "pids.max", limit)?;
        }
        Ok(())
    }

    fn freeze(&self, name: &str, frozen: bool) -> io::Result<()> {
        self.base.write(name, "cgroup.freeze", u8::from(frozen))?;
        if !frozen {
            return Ok(());
        }
        within(FREEZE_PATIENCE, || {
            let events = self.base.read(name, "cgroup.events")?;
            // The kernel never calls a group frozen that has no process; there is nothing to wait for then.
            Ok(says_one(&events, "frozen") || !says_one(&events, "populated"))
        })?;
        Ok(())
    }

    fn memory_directory(&self, name: &str) -> Option<OwnedFd> {
        self.has("memory").then(|| self.base.directory(name).ok())?
    }

    fn memory_now(&self, name: &str) -> Option<OwnedFd> {
        self.memory_file(name, "memory.current")
    }

    fn memory_stat(&self, name: &str) -> Option<OwnedFd> {
        self.memory_file(name, "memory.stat")
    }

    fn counters(&self, name: &str) -> io::Result<Usage> {
        let mut usage = Usage::default();
        if self.has("memory") {
            usage.memory_bytes = self.base.number(name, "memory.current")?.unwrap_or_default();
            usage.oom_kills = self.base.field(name, "memory.events", "oom_kill")?.unwrap_or_default();
        }
        Ok(usage)
    }

    fn threads(&self, name: &str) -> io::Result<Vec<i32>> {
        self.base.numbers(name, "cgroup.threads")
    }

    fn is_empty(&self, name: &str) -> io::Result<bool> {
        self.populated(name).map(|populated| !populated)
    }

    fn kill(&self, name: &str) -> io::Result<()> {
        until(|| {
            if !self.populated(name)? {
                return Ok(true);
            }
            self.signal_all(name)?;
            Ok(false)
        })
    }

    /// The highest memory use cannot be forgotten, and there is one directory only.
    fn renew(&self, _: &str, _: bool) -> io::Result<bool> {
        Ok(false)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.base.rmdir(name)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.base.children()
    }

    fn close(&self) -> io::Result<()> {
        remove_if_empty(&self.path)
    }
}
