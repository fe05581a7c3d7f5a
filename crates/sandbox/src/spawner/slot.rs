//! One sandbox as the spawner holds it: its cgroup, its network namespace, its first process; how they are put together.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

use super::{
    child::{
        self,
        orders::{Failure, Orders, REPORT_CONFINED, REPORT_ENDED},
    },
    launch::{self, Launcher, Program},
    plan::{self, CodeTrees, Ended, Exit, Limits, Plan, SlotId, Usage},
    protocol::Refusal,
    template, zygote,
};
use crate::{
    cgroup::{self, Entry, Group},
    net::NetSlot,
    turns::{self, Turn},
};

/// How long a sandbox that is being made may take until it is one: some hundred microseconds.
const CONFINED_PATIENCE: Duration = Duration::from_millis(500);

/// Reports of one sandbox: that it is confined, or why not, and how its runtime ended.
const REPORTS_MAX: usize = 2;

/// What all slots share.
pub(super) struct Kit {
    /// The spawner's own mount namespace, to come back to.
    pub(super) home: OwnedFd,
    /// First user id; the only one, where sandboxes do not switch.
    pub(super) user_first: u32,
    /// Most open files that this process may grant.
    pub(super) open_files_max: u64,
    /// Whether each sandbox has a user of its own.
    pub(super) switches_user: bool,
    /// Whether the cgroup counts processes. Else a limit on the user's processes has to do, which also counts those of
    /// sandboxes of other servers that have the same user.
    pub(super) counts_processes: bool,
}

impl Kit {
    fn user_of(&self, id: SlotId) -> u32 {
        if self.switches_user { self.user_first + id.slot } else { self.user_first }
    }
}

/// A sandbox.
pub(super) struct Slot {
    pub(super) id: SlotId,
    /// None until its first process is born.
    pub(super) pidfd: Option<OwnedFd>,
    pub(super) group: Group,
    pub(super) network: NetSlot,
    /// The server's ends, until they are sent.
    pub(super) ends: Option<Ends>,
    /// Requests to destroy it that wait for its end.
    pub(super) destroyers: Vec<u64>,
    /// Its first process has been reaped.
    pub(super) ended: bool,
    /// The server never heard of it.
    pub(super) orphan: bool,
    /// It has been killed.
    dying: bool,
    /// It was killed for having more memory than it may.
    out_of_memory: bool,
    frozen: bool,
    /// It has its code, so its memory is to be looked at.
    has_code: bool,
    /// Where its first process says what failed, and how the runtime ended.
    pub(super) report: Option<OwnedFd>,
    /// Its namespaces are made. A zygote's child may be not so far when the server hears of it.
    confined: bool,
    /// How the runtime ended, or what kept the sandbox from being made.
    runtime_ended: Option<Ended>,
    /// Processes beside the runtime, running ones and ended ones. While there are none the sandbox ends with the runtime.
    pub(super) companions: u32,
    tmp: (u64, u64),
    open_files: u64,
    processes: u64,
}

/// The server's ends of pipes and socket.
pub(super) struct Ends {
    output: OwnedFd,
    telemetry: OwnedFd,
    channel: Option<OwnedFd>,
    memory_meter: Option<cgroup::Meter>,
}

/// Everything a child needs, just before it is cloned.
pub(super) struct Prepared {
    pub(super) orders: Orders,
    ends: Ends,
    report: OwnedFd,
    /// Descriptors named in the orders; closed when the child has them.
    _held: Vec<OwnedFd>,
    _entry: Entry,
}

impl Slot {
    pub(super) fn new(id: SlotId, group: Group, network: NetSlot) -> Slot {
        Slot {
            id,
            pidfd: None,
            group,
            network,
            ends: None,
            destroyers: Vec::new(),
            ended: false,
            orphan: false,
            dying: false,
            out_of_memory: false,
            frozen: false,
            has_code: false,
            report: None,
            confined: false,
            runtime_ended: None,
            companions: 0,
            tmp: (0, 0),
            open_files: 0,
            processes: 0,
        }
    }

    /// Makes pipes, code trees and limits, and writes the orders.
    pub(super) fn prepare(&mut self, kit: &Kit, launcher: &Launcher, plan: &Plan) -> Result<Prepared, Refusal> {
        let limits = &plan.limits;
        self.group
            .set(&group_limits(limits, plan.code.is_some() || plan.image.is_some()))
            .map_err(Refusal::system("write the cgroup's limits"))?;
        self.has_code = plan.code.is_some() || plan.image.is_some();
        let entry = self.group.entry().map_err(Refusal::system("open the cgroup"))?;
        let (output, output_end) = pipe()?;
        let (telemetry, telemetry_end) = pipe()?;
        let mut held = vec![output_end, telemetry_end];
        let mut orders = launch::blank_orders();
        orders.user = u64::from(kit.user_of(self.id));
        self.open_files = limits.open_files.min(kit.open_files_max);
        orders.open_files = self.open_files;
        // In a user namespace all sandboxes are one user, whose processes must not be counted together.
        let by_user = kit.switches_user && !kit.counts_processes;
        self.processes = if by_user { u64::from(limits.pids) + 1 } else { 0 };
        orders.processes = self.processes;
        let tmp = format!("mode=1777,size={},nr_inodes={}", limits.tmp_bytes, limits.tmp_inodes);
        launch::fill(&mut orders.tmp_options, &c_string(tmp)?);
        launch::fill(&mut orders.hostname, &c_string(plan.hostname.clone())?);
        let descriptors = &mut orders.descriptors;
        descriptors.null = launcher.null.as_raw_fd();
        descriptors.network = self.network.netns.as_raw_fd();
        descriptors.output = held[0].as_raw_fd();
        descriptors.telemetry = held[1].as_raw_fd();
        let mut channel = None;
        if plan.channel {
            let (ours, theirs) = channel_pair()?;
            descriptors.channel = theirs.as_raw_fd();
            held.push(theirs);
            channel = Some(ours);
        }
        let (report, report_end) = pipe()?;
        descriptors.report = report_end.as_raw_fd();
        held.push(report_end);
        if matches!(plan.start, super::plan::Start::Exec { .. }) {
            descriptors.template = launcher.template.as_raw_fd();
            if plan.code.is_some() {
                launch::fill(&mut orders.directory, c"/var/task");
            }
        }
        if let Some(image) = &plan.image {
            launch::fill(&mut orders.directory, &c_string(image.directory.clone())?);
            descriptors.root = hold(&mut held, code_tree(&image.root)?);
        }
        if let Some(code) = &plan.code {
            descriptors.task = hold(&mut held, code_tree(&code.task)?);
            if let Some(opt) = &code.opt {
                descriptors.opt = hold(&mut held, code_tree(opt)?);
            }
        }
        zygote::join(&mut orders, Some(&entry));
        self.tmp = (limits.tmp_bytes, limits.tmp_inodes);
        Ok(Prepared {
            orders,
            ends: Ends { output, telemetry, channel, memory_meter: self.group.memory_meter() },
            report,
            _held: held,
            _entry: entry,
        })
    }

    pub(super) fn execute(
        &self,
        launcher: &Launcher,
        prepared: &Prepared,
        argv: Vec<CString>,
        env: Vec<CString>,
    ) -> Result<OwnedFd, Refusal> {
        let program = Program::new(argv, env).map_err(Refusal::system("execute the program"))?;
        launcher.sandbox(&prepared.orders, &program).map_err(refusal)
    }

    /// Keeps the server's ends; the child's are closed here.
    pub(super) fn take_ends(&mut self, prepared: Prepared) {
        self.ends = Some(prepared.ends);
        self.report = Some(prepared.report);
    }

    /// What goes to the server: pidfd, output, telemetry, the three sockets, the channel, the memory meter.
    pub(super) fn ends(&self) -> Vec<BorrowedFd<'_>> {
        let (Some(ends), Some(pidfd), Some(sockets)) = (&self.ends, &self.pidfd, &self.network.sockets) else {
            return Vec::new();
        };
        let mut all = vec![
            pidfd.as_fd(),
            ends.output.as_fd(),
            ends.telemetry.as_fd(),
            sockets.runtime_api.as_fd(),
            sockets.endpoint.as_fd(),
            sockets.dns.as_fd(),
        ];
        all.extend(ends.channel.as_ref().map(AsFd::as_fd));
        all.extend(ends.memory_meter.iter().map(|meter| meter.directory().as_fd()));
        all
    }

    /// Starts another process in it; gives its handle and the read end of its output.
    pub(super) fn join(
        &mut self,
        kit: &Kit,
        launcher: &Launcher,
        program: plan::Program,
    ) -> Result<(OwnedFd, OwnedFd), Refusal> {
        self.await_confined()?;
        let Some(pidfd) = self.pidfd.as_ref().filter(|_| !self.ended) else {
            return Err(Refusal::Gone);
        };
        let program = Program::new(program.argv, program.env).map_err(Refusal::system("execute the program"))?;
        let entry = self.group.entry().map_err(Refusal::system("open the cgroup"))?;
        let (output, output_end) = pipe()?;
        let mut orders = launch::blank_orders();
        orders.user = u64::from(kit.user_of(self.id));
        orders.open_files = self.open_files;
        orders.processes = self.processes;
        orders.descriptors.null = launcher.null.as_raw_fd();
        orders.descriptors.output = output_end.as_raw_fd();
        orders.descriptors.sandbox = pidfd.as_raw_fd();
        zygote::join(&mut orders, Some(&entry));
        let companion = launcher.companion(pidfd, &orders, &program).map_err(refusal)?;
        self.companions += 1;
        Ok((companion, output))
    }

    /// Whoever joined it too early would be in the zygote's namespaces.
    fn await_confined(&mut self) -> Result<(), Refusal> {
        let deadline = Instant::now() + CONFINED_PATIENCE;
        while !self.confined {
            let Some(report) = &self.report else { return Err(Refusal::Gone) };
            wait_readable(report, deadline.saturating_duration_since(Instant::now()));
            let (_, more) = self.hear();
            if !more || self.runtime_ended.is_some() {
                self.kill();
                return Err(Refusal::Gone);
            }
            if Instant::now() > deadline {
                return Err(Refusal::system("wait for the sandbox")(io::ErrorKind::TimedOut.into()));
            }
        }
        Ok(())
    }

    /// Asks the runtime to end.
    pub(super) fn terminate(&self) {
        if let Some(pidfd) = &self.pidfd {
            launch::signal(pidfd, libc::SIGTERM);
        }
    }

    /// Reads its report. Answers how the runtime ended when that is news, and whether there will be more.
    pub(super) fn hear(&mut self) -> (Option<Ended>, bool) {
        let Some(report) = &self.report else { return (None, false) };
        match read_failure(report) {
            Ok(Some(Failure { step: REPORT_CONFINED, .. })) => {
                self.confined = true;
                (None, true)
            }
            Ok(Some(said)) => {
                let ended = match said.step {
                    REPORT_ENDED => ended(said.errno),
                    step => Ended::Unconfined { step, errno: said.errno },
                };
                let news = self.runtime_ended.is_none();
                self.runtime_ended.get_or_insert(ended);
                (news.then_some(ended), true)
            }
            Ok(None) => (None, false),
            Err(_) => (None, true),
        }
    }

    /// Mounts code into the running sandbox, and writes its real limits.
    pub(super) fn attach(&mut self, home: &OwnedFd, code: &CodeTrees, limits: &Limits) -> Result<(), Refusal> {
        let Some(pidfd) = &self.pidfd else {
            return Err(Refusal::Gone);
        };
        if self.ended {
            return Err(Refusal::Gone);
        }
        let task = code_tree(&code.task)?;
        let opt = code.opt.as_deref().map(code_tree).transpose()?;
        let tmp = ((limits.tmp_bytes, limits.tmp_inodes) != self.tmp).then_some(limits);
        enter_mounts(pidfd).map_err(Refusal::system("enter the sandbox's mounts"))?;
        let mounted = mount_code(&task, opt.as_ref(), tmp);
        if enter_mounts(home).is_err() {
            // Going on would mean to act for the host inside of somebody's sandbox.
            std::process::abort();
        }
        mounted?;
        self.tmp = (limits.tmp_bytes, limits.tmp_inodes);
        self.has_code = true;
        self.group.set(&group_limits(limits, true)).map_err(Refusal::system("write the cgroup's limits"))
    }

    pub(super) fn freeze(&mut self, frozen: bool) -> io::Result<()> {
        self.group.freeze(frozen)?;
        self.frozen = frozen;
        Ok(())
    }

    /// Writes the control group's limits anew; those of files and `/tmp` stay.
    pub(super) fn limit(&mut self, limits: &Limits) -> Result<(), Refusal> {
        self.group.set(&group_limits(limits, self.has_code)).map_err(Refusal::system("write the cgroup's limits"))
    }

    /// It is done with its init: its limits from now on, and its turn on the processor before those that boot.
    pub(super) fn settle(&mut self, limits: &Limits) -> Result<(), Refusal> {
        self.limit(limits)?;
        for thread in self.group.threads().unwrap_or_default() {
            let _ = turns::take(thread, Turn::Second); // gone already, or a kernel that has no turns
        }
        Ok(())
    }

    pub(super) fn usage(&mut self) -> Usage {
        let used = self.group.usage().unwrap_or_default();
        Usage {
            memory_bytes: used.memory_bytes,
            memory_peak_bytes: used.memory_peak_bytes,
            oom_kills: used.oom_kills.max(u64::from(self.out_of_memory)),
        }
    }

    /// Whether it is to be looked after.
    pub(super) fn is_running(&self) -> bool {
        self.pidfd.is_some() && (self.dying || (self.has_code && !self.frozen))
    }

    /// Kills it if it has more memory than it may, its files in `/tmp` apart. Helps it if it takes long to die.
    pub(super) fn look_after(&mut self, home: &OwnedFd) {
        let Some(pidfd) = &self.pidfd else { return };
        if self.dying {
            let _ = self.group.hurry();
            return;
        }
        // An error means that it is ending.
        if let Ok(true) = self.group.is_over(|| tmp_bytes(pidfd, home)) {
            self.out_of_memory = true;
            self.kill();
        }
    }

    /// Kills its first process, and with that the kernel kills all others of its pid namespace.
    pub(super) fn kill(&mut self) {
        self.dying = true;
        if let Some(pidfd) = &self.pidfd {
            launch::kill(pidfd);
        }
        if self.frozen {
            // A frozen process of cgroup version 1 dies only when it thaws.
            let _ = self.freeze(false);
        }
    }

    /// Reaps its first process; none while that runs.
    pub(super) fn collect(&mut self) -> Option<(Exit, OwnedFd)> {
        let ended = match launch::reap(self.pidfd.as_ref()?, false) {
            Ok(ended) => ended?,
            Err(_) => Ended::Signaled(libc::SIGKILL),
        };
        let usage = self.usage();
        self.ended = true;
        let pidfd = self.pidfd.take()?;
        for _ in 0..REPORTS_MAX {
            self.hear();
        }
        self.report = None;
        let ended = self.runtime_ended.unwrap_or(ended);
        Some((Exit { ended, usage }, pidfd))
    }
}

/// Before it has code nobody looks at its memory: the kernel alone limits it, `/tmp` included.
fn group_limits(limits: &Limits, has_code: bool) -> cgroup::Limits {
    cgroup::Limits {
        memory_bytes: limits.memory_bytes,
        tmp_bytes: if has_code { limits.tmp_bytes } else { 0 },
        cpu_milli: limits.cpu_milli,
        cpu_weight_milli: limits.cpu_weight_milli,
        // The init is not the function's.
        pids: limits.pids + 1,
    }
}

/// A zygote runs code of ours alone, and everybody who starts waits for it.
pub(super) fn zygote_limits() -> cgroup::Limits {
    let all = cgroup::CPU_MILLI_PER_CORE * cgroup::cores() as u32;
    let limits = Limits { memory_bytes: i64::MAX as u64, cpu_milli: all, ..Limits::default() };
    group_limits(&limits, false)
}

fn refusal(failure: Failure) -> Refusal {
    Refusal::System { step: failure.words().to_owned(), errno: failure.errno }
}

fn code_tree(path: &Path) -> Result<OwnedFd, Refusal> {
    template::code_tree(path).map_err(Refusal::system("open the code tree"))
}

fn hold(held: &mut Vec<OwnedFd>, descriptor: OwnedFd) -> i32 {
    let number = descriptor.as_raw_fd();
    held.push(descriptor);
    number
}

fn c_string(text: String) -> Result<CString, Refusal> {
    CString::new(text).map_err(|_| Refusal::system("read the plan")(io::Error::from_raw_os_error(libc::EINVAL)))
}

/// The first end, which does not block, is the server's.
fn pipe() -> Result<(OwnedFd, OwnedFd), Refusal> {
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| no_pipe(error.into()))?;
    non_blocking(&read).map_err(no_pipe)?;
    Ok((read, write))
}

fn channel_pair() -> Result<(OwnedFd, OwnedFd), Refusal> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| no_pipe(error.into()))?;
    non_blocking(&ours).map_err(no_pipe)?;
    Ok((ours, theirs))
}

fn no_pipe(error: io::Error) -> Refusal {
    Refusal::system("make a pipe")(error)
}

fn non_blocking(descriptor: &OwnedFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(descriptor, true)?)
}

/// `setns` to the mounts of a process, or of a namespace.
fn enter_mounts(descriptor: &OwnedFd) -> io::Result<()> {
    // SAFETY: a descriptor and a number; this process has one thread.
    template::check(unsafe { libc::setns(descriptor.as_raw_fd(), libc::CLONE_NEWNS) })
}

/// What files in a sandbox's `/tmp` hold.
fn tmp_bytes(pidfd: &OwnedFd, home: &OwnedFd) -> io::Result<u64> {
    enter_mounts(pidfd)?;
    let found = rustix::fs::statfs(c"/tmp");
    if enter_mounts(home).is_err() {
        // As in `attach`.
        std::process::abort();
    }
    let found = found?;
    Ok(found.f_blocks.saturating_sub(found.f_bfree) * found.f_bsize as u64)
}

fn mount_code(task: &OwnedFd, opt: Option<&OwnedFd>, tmp: Option<&Limits>) -> Result<(), Refusal> {
    let moved = |tree: &OwnedFd, path| {
        child::move_mount(tree.as_raw_fd(), path).map(|_| ()).map_err(io::Error::from_raw_os_error)
    };
    moved(task, c"/var/task").map_err(Refusal::system("mount the code on /var/task"))?;
    if let Some(opt) = opt {
        moved(opt, c"/opt").map_err(Refusal::system("mount the layers on /opt"))?;
    }
    if let Some(limits) = tmp {
        let options = format!("size={},nr_inodes={}", limits.tmp_bytes, limits.tmp_inodes);
        let flags = libc::MS_REMOUNT | libc::MS_NOSUID | libc::MS_NODEV;
        template::mount("tmp", Path::new("/tmp"), "tmpfs", flags, &options).map_err(Refusal::system("resize /tmp"))?;
    }
    Ok(())
}

/// What a report says next; none when nobody can write to it any more.
fn read_failure(report: &OwnedFd) -> io::Result<Option<Failure>> {
    let mut bytes = [0u8; 8];
    let read = rustix::io::read(report, &mut bytes)?;
    let [a, b, c, d, rest @ ..] = bytes;
    let failure = Failure { step: u32::from_ne_bytes([a, b, c, d]), errno: i32::from_ne_bytes(rest) };
    Ok((read == bytes.len()).then_some(failure))
}

/// From a wait status.
fn ended(status: i32) -> Ended {
    if libc::WIFSIGNALED(status) {
        Ended::Signaled(libc::WTERMSIG(status))
    } else {
        Ended::Exited(libc::WEXITSTATUS(status))
    }
}

/// Waits until a descriptor is readable, or the patience ends.
pub(super) fn wait_readable(descriptor: &OwnedFd, patience: Duration) {
    let mut wait = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd.
    let _ = unsafe { libc::poll(&mut wait, 1, patience.as_millis() as libc::c_int) };
}
