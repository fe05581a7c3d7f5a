//! Resource limits: one control group per sandbox, on cgroup v1 hosts and on v2 hosts alike.
//!
//! Synchronous and without a runtime, because it is called from the single-threaded spawner. What differs between the
//! kernel's two interfaces sits behind the [`Tree`] trait in `v1` and `v2`; what the host has *and lets us write* decides
//! which of them is used, and a controller that is missing is reported as a degraded [`Layer`], never dropped silently.
//! All groups of one server live under `<hierarchy>/updraft/<instance>/`, so that [`Groups::open`] can sweep away what a
//! crash left behind. Keeping two servers off the same instance name is the caller's business (the lock of its data
//! directory does that).
//!
//! Not here: who enters a group and when (the spawner's child does, through [`Group::entry`]), and limits that are not
//! cgroups (rlimits, the size of `/tmp`).

mod files;
mod memory;
mod mounts;
mod v1;
mod v2;

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

pub use memory::Meter;
pub use mounts::Mounts;

use crate::posture::Layer;

/// One vCPU in [`Limits::cpu_milli`].
pub const CPU_MILLI_PER_CORE: u32 = 1000;

/// Length of a CPU accounting period. AWS Lambda uses 20 ms too; at the usual 100 ms a function of 128 MB
/// (72 thousandths of a core) would stand still for 93 ms after its first 7 ms of work.
pub const CPU_PERIOD: Duration = Duration::from_millis(20);

/// The kernel refuses CPU quotas and periods below 1 ms (`min_cfs_quota_period`).
const CPU_QUOTA_MIN: Duration = Duration::from_millis(1);

/// The kernel refuses CPU periods above 1 s (`max_cfs_quota_period`).
const CPU_PERIOD_MAX: Duration = Duration::from_secs(1);

/// Groups that wait for their next occupant, at most; further ones are removed.
const RENEWED_MAX: usize = 32;

/// How long we wait for a frozen, emptied or removed group before calling it an error.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one sandbox may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all processes together; no swap where the kernel allows that. Without [`Limits::tmp_bytes`] the kernel
    /// counts everything, caches and its own memory too; with it, [`Group::is_over`] has to be asked.
    pub memory_bytes: u64,
    /// Memory that the files in a tmpfs of the sandbox may take besides.
    pub tmp_bytes: u64,
    /// Processor time in thousandths of a core: `memory_mb * 1000 / 1769`, as AWS gives it.
    pub cpu_milli: u32,
    /// What it weighs against other sandboxes where there is not enough processor time for all, in thousandths of what a
    /// whole core weighs.
    pub cpu_weight_milli: u32,
    /// Processes and threads together. AWS's limit is 1024.
    pub pids: u32,
}

/// What one sandbox has used since its group was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Memory charged now.
    pub memory_bytes: u64,
    /// The highest amount of memory ever charged, less what files hold, and never above the limit; on v2 before Linux
    /// 5.19, the highest that [`Group::usage`] saw.
    pub memory_peak_bytes: u64,
    /// Processes the kernel killed because of the memory limit.
    pub oom_kills: u64,
}

/// Which of the kernel's interfaces is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A directory per controller.
    V1,
    /// The unified hierarchy.
    V2,
    /// Neither can be written: no limits but rlimits.
    Missing,
}

/// How a new process gets into a group.
#[derive(Debug)]
pub enum Entry {
    /// v1: `tasks` files. The child, of one thread, writes `0` to each of them *before anything else*, so that all its memory is
    /// charged here. Until it has, [`Group::kill`] does not reach it.
    Tasks(Vec<OwnedFd>),
    /// v2: the group's directory, for `clone3` with `CLONE_INTO_CGROUP`.
    Directory(OwnedFd),
    /// No groups on this host: nothing to do.
    Nothing,
}

/// What the two kernel interfaces have in common. Groups are named; the state is in the kernel.
trait Tree: Send + Sync {
    fn version(&self) -> Version;
    /// Makes the group in every controller.
    fn create(&self, name: &str) -> io::Result<()>;
    fn entry(&self, name: &str) -> io::Result<Entry>;
    /// Sets the limit of memory, [`Limits::tmp_bytes`] included.
    fn set_memory(&self, name: &str, bytes: u64) -> io::Result<()>;
    /// `period`: the one that the group has, if that is known; kept so.
    fn set_cpu(&self, name: &str, cpu_milli: u32, period: &mut Option<Duration>) -> io::Result<()>;
    fn set_weight(&self, name: &str, weight_milli: u32) -> io::Result<()>;
    fn set_pids(&self, name: &str, pids: u32) -> io::Result<()>;
    /// Freezes and waits until all processes are frozen, or thaws.
    fn freeze(&self, name: &str, frozen: bool) -> io::Result<()>;
    fn counters(&self, name: &str) -> io::Result<Usage>;
    /// The directory with the files about memory.
    fn memory_directory(&self, name: &str) -> Option<OwnedFd>;
    /// A file that tells the present memory use, as a number.
    fn memory_now(&self, name: &str) -> Option<OwnedFd>;
    /// `memory.stat`.
    fn memory_stat(&self, name: &str) -> Option<OwnedFd>;
    /// Its threads, as numbers of our own pid namespace.
    fn threads(&self, name: &str) -> io::Result<Vec<i32>>;
    fn is_empty(&self, name: &str) -> io::Result<bool>;
    /// Sends SIGKILL to every process, frozen or not, until none is left.
    fn kill(&self, name: &str) -> io::Result<()>;
    /// Makes an empty group, which may be frozen, as good as new for the next occupant, but for limits other than memory's. False
    /// where that is not possible, or where it is not empty: then it has to be removed.
    fn renew(&self, name: &str, frozen: bool) -> io::Result<bool>;
    /// Removes an empty group from every controller; a group that is gone already is fine.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The names of all groups of this instance.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Removes the instance's own directory, once its groups are gone.
    fn close(&self) -> io::Result<()>;
}

/// The control groups of one server: makes them, keeps some ready, removes and sweeps.
pub struct Groups {
    tree: Arc<dyn Tree>,
    layers: Vec<Layer>,
    ready: Vec<Group>,
    made: u64,
}

impl Groups {
    /// Chooses the interface, makes `updraft/<instance>` in it and sweeps what a former server of that name left there.
    /// Never fails: a host without usable control groups gives [`Version::Missing`] and says why in [`Groups::layers`].
    /// `instance` must be a plain file name.
    pub fn open(mounts: &Mounts, instance: &str) -> Groups {
        let (tree, layers) = choose(mounts, instance);
        let mut groups = Groups { tree, layers, ready: Vec::new(), made: 0 };
        if let Err(error) = groups.sweep() {
            let why = format!("leftovers of a former server could not be removed: {error}");
            groups.layers.push(Layer::degraded("crash sweep", why, "remove the processes and directories by hand"));
        }
        groups
    }

    /// Which interface is in use.
    pub fn version(&self) -> Version {
        self.tree.version()
    }

    /// Memory, CPU, process-count limits and freezing: present or degraded, for the posture report.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// How many unused groups are ready.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Makes unused groups until `ready` are waiting. About 60 to 200 µs each; call it outside the path of requests.
    pub fn refill(&mut self, ready: usize) -> io::Result<()> {
        while self.ready.len() < ready {
            let group = self.make()?;
            self.ready.push(group);
        }
        Ok(())
    }

    /// An empty group: a ready one, else a new one. Its limits are undefined until [`Group::set`].
    pub fn take(&mut self) -> io::Result<Group> {
        match self.ready.pop() {
            Some(group) => Ok(group),
            None => self.make(),
        }
    }

    /// Takes a group back. An empty one may get ready for the next, of other groups what is still inside is killed.
    pub fn give_back(&mut self, group: Group) -> io::Result<()> {
        if self.ready.len() < RENEWED_MAX && matches!(self.tree.renew(&group.name, group.frozen), Ok(true)) {
            let Group { tree, name, told, .. } = group;
            // Its memory is made anew.
            self.ready.push(Group { told: Told { memory_bytes: None, ..told }, ..Group::new(tree, name) });
            return Ok(());
        }
        group.kill()?;
        self.tree.remove(&group.name)
    }

    /// Kills and removes every group of this instance, those in use too, and the instance's directory.
    pub fn shutdown(mut self) -> io::Result<()> {
        self.sweep()?;
        self.tree.close()
    }

    fn sweep(&mut self) -> io::Result<()> {
        self.ready.clear();
        for name in self.tree.names()? {
            self.tree.kill(&name)?;
            self.tree.remove(&name)?;
        }
        Ok(())
    }

    fn make(&mut self) -> io::Result<Group> {
        let name = format!("s{}", self.made);
        self.made += 1;
        self.tree.create(&name)?;
        Ok(Group::new(Arc::clone(&self.tree), name))
    }
}

/// One sandbox's group. Dropping it does nothing: give it back.
pub struct Group {
    tree: Arc<dyn Tree>,
    name: String,
    /// What was set last; none in a group in which setting failed.
    limits: Option<Limits>,
    told: Told,
    /// It may be frozen.
    frozen: bool,
    peak_seen: u64,
    /// Opened when it is first looked into.
    memory_now: Option<OwnedFd>,
}

/// What the kernel has been told of a group, also for an earlier occupant: what it knows is not written again.
#[derive(Default)]
struct Told {
    memory_bytes: Option<u64>,
    cpu_milli: Option<u32>,
    cpu_period: Option<Duration>,
    weight_milli: Option<u32>,
    pids: Option<u32>,
}

/// Tells the kernel what it does not know yet. When that fails nothing is known.
fn tell<T: Copy + PartialEq>(
    known: &mut Option<T>,
    wanted: T,
    write: impl FnOnce(T) -> io::Result<()>,
) -> io::Result<()> {
    if *known != Some(wanted) {
        *known = None;
        write(wanted)?;
        *known = Some(wanted);
    }
    Ok(())
}

impl Group {
    fn new(tree: Arc<dyn Tree>, name: String) -> Group {
        Group { tree, name, limits: None, told: Told::default(), frozen: false, peak_seen: 0, memory_now: None }
    }

    /// The directory's name below `updraft/<instance>/`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens what a new process needs to get in.
    pub fn entry(&self) -> io::Result<Entry> {
        self.tree.entry(&self.name)
    }

    /// Writes the limits; may be repeated with others while processes run.
    /// Fails with `EBUSY` when memory in use cannot be brought below the new limit.
    pub fn set(&mut self, limits: &Limits) -> io::Result<()> {
        self.limits = None;
        let Group { tree, name, told, .. } = self;
        let hard_limit = memory::hard_limit(limits.memory_bytes, limits.tmp_bytes);
        tell(&mut told.memory_bytes, hard_limit, |bytes| tree.set_memory(name, bytes))?;
        tell(&mut told.cpu_milli, limits.cpu_milli, |milli| tree.set_cpu(name, milli, &mut told.cpu_period))?;
        tell(&mut told.weight_milli, limits.cpu_weight_milli, |milli| tree.set_weight(name, milli))?;
        tell(&mut told.pids, limits.pids, |pids| tree.set_pids(name, pids))?;
        self.limits = Some(*limits);
        Ok(())
    }

    /// Lets the processes have all the processor time there is: dying takes some, too, and a thousand of them with a
    /// fourteenth of a processor would need a quarter of a minute.
    pub fn hurry(&mut self) -> io::Result<()> {
        let all = CPU_MILLI_PER_CORE * cores() as u32;
        let Some(limits) = self.limits.filter(|limits| limits.cpu_milli < all) else {
            return Ok(());
        };
        self.set(&Limits { cpu_milli: all, cpu_weight_milli: all, ..limits })
    }

    /// Whether the processes have more memory than [`Limits::memory_bytes`], not counting what files in their tmpfs hold:
    /// `tmp_bytes` tells that, and is asked only when it matters. Less than 1 µs as long as all memory together is
    /// within that limit.
    pub fn is_over(&mut self, tmp_bytes: impl FnOnce() -> io::Result<u64>) -> io::Result<bool> {
        let Some(limits) = self.limits.filter(|limits| limits.tmp_bytes > 0) else {
            return Ok(false);
        };
        if self.memory_now.is_none() {
            self.memory_now = self.tree.memory_now(&self.name);
        }
        let now = self.memory_now.as_ref().and_then(memory::number);
        if now.is_none_or(|now| now <= limits.memory_bytes) {
            return Ok(false);
        }
        let Some(parts) = self.tree.memory_stat(&self.name).and_then(|stat| memory::parts(&stat)) else {
            return Ok(false);
        };
        Ok(parts.own_at_most() > limits.memory_bytes && parts.own_without(tmp_bytes()?) > limits.memory_bytes)
    }

    /// Stops all processes and returns when they have stopped, or lets them go on. They cannot notice.
    pub fn freeze(&mut self, frozen: bool) -> io::Result<()> {
        self.frozen = true; // for all that is known until it has thawed
        self.tree.freeze(&self.name, frozen)?;
        self.frozen = frozen;
        Ok(())
    }

    /// The threads inside, as numbers of our own pid namespace.
    pub fn threads(&self) -> io::Result<Vec<i32>> {
        self.tree.threads(&self.name)
    }

    /// What has been used since the group was taken.
    pub fn usage(&mut self) -> io::Result<Usage> {
        let mut now = self.tree.counters(&self.name)?;
        let peak = self.memory_meter().and_then(|meter| meter.read());
        self.peak_seen = self.peak_seen.max(peak.unwrap_or(now.memory_bytes));
        let limit = self.limits.map_or(u64::MAX, |limits| limits.memory_bytes);
        now.memory_peak_bytes = self.peak_seen.min(limit);
        Ok(now)
    }

    /// Tells the highest memory use so far, for others to read without asking us. None without the memory controller.
    pub fn memory_meter(&self) -> Option<Meter> {
        self.tree.memory_directory(&self.name).map(Meter::new)
    }

    /// Whether no process, zombies apart, is inside.
    pub fn is_empty(&self) -> io::Result<bool> {
        self.tree.is_empty(&self.name)
    }

    /// Kills all processes, frozen or not, and returns when none is left. Reaping them is their parent's business.
    pub fn kill(&self) -> io::Result<()> {
        self.tree.kill(&self.name)
    }
}

/// CPU quota and period for a share of `cpu_milli`, or none when the share is all the host has.
/// The period is [`CPU_PERIOD`], longer only where the quota would fall below the kernel's minimum.
fn cpu_quota(cpu_milli: u32, cores: usize) -> Option<(Duration, Duration)> {
    let per_core = u128::from(CPU_MILLI_PER_CORE);
    let milli = u128::from(cpu_milli.max(1));
    if milli >= cores as u128 * per_core {
        return None;
    }
    let quota = Duration::from_nanos((CPU_PERIOD.as_nanos() * milli / per_core) as u64);
    if quota >= CPU_QUOTA_MIN {
        return Some((quota, CPU_PERIOD));
    }
    let period = Duration::from_nanos((CPU_QUOTA_MIN.as_nanos() * per_core / milli) as u64);
    Some((CPU_QUOTA_MIN, period.min(CPU_PERIOD_MAX)))
}

/// How many cores there are to share out.
pub(crate) fn cores() -> usize {
    // Asked once: the answer costs fifteen system calls, and every sandbox would pay for them.
    static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The interface that gives most: whoever has the memory controller wins, v2 when neither or both have.
fn choose(mounts: &Mounts, instance: &str) -> (Arc<dyn Tree>, Vec<Layer>) {
    let mut reasons = Vec::new();
    let unified = v2::open(mounts, instance).map_err(|error| reasons.push(format!("v2: {error}"))).ok();
    if let Some((tree, layers)) = &unified
        && tree.has("memory")
    {
        return (Arc::new(tree.clone()), layers.clone());
    }
    let split = v1::open(mounts, instance).map_err(|error| reasons.push(format!("v1: {error}"))).ok();
    match (split, unified) {
        (Some((tree, layers)), unified) if tree.has("memory") => {
            if let Some((unused, _)) = unified {
                // Not empty only when a former server did use it; then the directory harms nobody.
                let _ = unused.close();
            }
            (Arc::new(tree), layers)
        }
        (_, Some((tree, layers))) => (Arc::new(tree), layers),
        (Some((tree, layers)), None) => (Arc::new(tree), layers),
        (None, None) => {
            let why = reasons.join("; ");
            let fix = "run as root, or as a systemd unit with Delegate=yes";
            let layers = ["memory limit", "cpu limit", "process limit", "freezing"];
            (Arc::new(Missing), layers.map(|name| Layer::degraded(name, why.clone(), fix)).to_vec())
        }
    }
}

/// A host without control groups: every call succeeds and does nothing, as [`Groups::layers`] has said.
struct Missing;

impl Tree for Missing {
    fn version(&self) -> Version {
        Version::Missing
    }
    fn create(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn entry(&self, _: &str) -> io::Result<Entry> {
        Ok(Entry::Nothing)
    }
    fn set_memory(&self, _: &str, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn set_cpu(&self, _: &str, _: u32, _: &mut Option<Duration>) -> io::Result<()> {
        Ok(())
    }
    fn set_weight(&self, _: &str, _: u32) -> io::Result<()> {
        Ok(())
    }
    fn set_pids(&self, _: &str, _: u32) -> io::Result<()> {
        Ok(())
    }
    fn freeze(&self, _: &str, _: bool) -> io::Result<()> {
        Ok(())
    }
    fn memory_directory(&self, _: &str) -> Option<OwnedFd> {
        None
    }
    fn memory_now(&self, _: &str) -> Option<OwnedFd> {
        None
    }
    fn memory_stat(&self, _: &str) -> Option<OwnedFd> {
        None
    }
    fn counters(&self, _: &str) -> io::Result<Usage> {
        Ok(Usage::default())
    }
    fn threads(&self, _: &str) -> io::Result<Vec<i32>> {
        Ok(Vec::new())
    }
    fn is_empty(&self, _: &str) -> io::Result<bool> {
        Ok(true)
    }
    fn kill(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn renew(&self, _: &str, _: bool) -> io::Result<bool> {
        Ok(false)
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn close(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_shares_get_a_short_period() {
        let (quota, period) = cpu_quota(72, 2).unwrap();
        assert_eq!((quota, period), (Duration::from_micros(1440), Duration::from_millis(20)));
        let (quota, period) = cpu_quota(10, 2).unwrap();
        assert_eq!((quota, period), (Duration::from_millis(1), Duration::from_millis(100)));
    }

    #[test]
    fn several_cores_get_more_than_a_period() {
        assert_eq!(cpu_quota(1500, 4), Some((Duration::from_millis(30), CPU_PERIOD)));
    }

    #[test]
    fn a_share_of_the_whole_host_is_no_limit() {
        assert_eq!(cpu_quota(2000, 2), None);
    }

    #[test]
    fn a_host_without_groups_says_so() {
        let groups = Groups::open(&Mounts::parse("", ""), "test");
        assert_eq!(groups.version(), Version::Missing);
        assert!(groups.layers().iter().all(|layer| layer.state != crate::posture::LayerState::Present));
    }
}
