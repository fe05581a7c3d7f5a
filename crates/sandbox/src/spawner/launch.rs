//! Making a process: prepares what the child must know and clones it.
//!
//! The clone is a `vfork` with shared memory: the spawner's pages are not copied, and the spawner sleeps the 0.2 ms until the
//! child has executed its program or told which step failed. See `child::sys::spawn` for why that is sound.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use super::{
    capabilities,
    child::{
        self,
        orders::{Descriptors, Failure, Fixed, Orders, Step},
        sys::{self, CloneArgs, clone},
    },
};

/// Namespaces that every sandbox gets at its clone; mounts, cgroup and network follow in the child.
pub(super) const NAMESPACES: u64 = clone::NEWPID | clone::NEWIPC | clone::NEWUTS;

/// Makes children.
pub(super) struct Launcher {
    /// What every sandbox is told.
    pub(super) fixed: Box<Fixed>,
    /// The template's mount namespace.
    pub(super) template: OwnedFd,
    /// `/dev/null`.
    pub(super) null: OwnedFd,
    /// The spawner's own pid namespace, to come back to.
    pids: OwnedFd,
    expendable: Expendable,
    /// Where a child writes what failed: shared memory, also where the clone does not share all of it.
    report: *mut Failure,
}

/// Makes the kernel, when the host is out of memory, end sandboxes before the server and the spawner. Children inherit it
/// from the process that clones them, which for that moment says it of itself: writing once more in every child would
/// cost it a new tree of `/proc` entries. A host that does not allow it loses no isolation.
struct Expendable {
    /// The file, and what it said of us at the start.
    file: Option<(OwnedFd, Vec<u8>)>,
}

impl Expendable {
    /// The kernel's scale goes to 1,000; half of it, so that sandboxes of other programs may still say more.
    const SCORE: &[u8] = b"500";

    fn open() -> Expendable {
        let open = || {
            let path = "/proc/self/oom_score_adj";
            let own = std::fs::read(path).ok()?;
            let score = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse::<i32>().ok();
            let raises = score(&own)? < score(Self::SCORE)?;
            let file = std::fs::OpenOptions::new().write(true).open(path).ok()?;
            raises.then(|| (file.into(), own))
        };
        Expendable { file: open() }
    }

    fn set(&self, expendable: bool) {
        if let Some((file, own)) = &self.file {
            let _ = rustix::io::pwrite(file, if expendable { Self::SCORE } else { own }, 0);
        }
    }
}

/// A program with its arguments and environment, as `execve` wants them.
pub(super) struct Program {
    strings: Vec<CString>,
    argv_length: usize,
}

impl Program {
    /// Fails without arguments: the first one is the program.
    pub(super) fn new(argv: Vec<CString>, env: Vec<CString>) -> io::Result<Program> {
        if argv.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let argv_length = argv.len();
        Ok(Program { strings: argv.into_iter().chain(env).collect(), argv_length })
    }

    fn pointers(&self) -> (Vec<*const u8>, Vec<*const u8>) {
        let terminated = |strings: &[CString]| {
            let pointers = strings.iter().map(|string| string.as_ptr().cast());
            pointers.chain([std::ptr::null()]).collect::<Vec<*const u8>>()
        };
        (terminated(&self.strings[..self.argv_length]), terminated(&self.strings[self.argv_length..]))
    }
}

/// What the child of a clone looks at; it lives in the spawner's frame, which sleeps meanwhile.
struct Job<'a> {
    fixed: &'a Fixed,
    orders: &'a Orders,
    argv: Vec<*const u8>,
    env: Vec<*const u8>,
    report: *mut Failure,
}

impl Launcher {
    /// Maps the page of the report.
    pub(super) fn new(fixed: Box<Fixed>, template: OwnedFd, null: OwnedFd, pids: OwnedFd) -> io::Result<Launcher> {
        // SAFETY: an anonymous mapping at an address of the kernel's choice.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Failure>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Launcher { fixed, template, null, pids, expendable: Expendable::open(), report: page.cast() })
    }

    /// Makes a sandbox that executes a program. When this returns the program runs.
    pub(super) fn sandbox(&self, orders: &Orders, program: &Program) -> Result<OwnedFd, Failure> {
        self.clone(NAMESPACES, orders, program, sandbox_entry)
    }

    /// Makes one more process of a running sandbox, whose first process is given. When this returns the program runs. It is
    /// the spawner's child, and a process of the sandbox's pid namespace.
    pub(super) fn companion(&self, sandbox: &OwnedFd, orders: &Orders, program: &Program) -> Result<OwnedFd, Failure> {
        let birthplace = |namespace: &OwnedFd| {
            // SAFETY: a descriptor and a number; it decides where children are born, and there is one thread.
            let entered = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWPID) };
            if entered < 0 { Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)) } else { Ok(()) }
        };
        birthplace(sandbox).map_err(|errno| Failure { step: Step::EnterSandbox as u32, errno })?;
        let cloned = self.clone(0, orders, program, companion_entry);
        if birthplace(&self.pids).is_err() {
            // The next sandbox would be made inside of this one.
            std::process::abort();
        }
        cloned
    }

    /// Makes a zygote: in the template, privileged, without a network, its control socket (`orders`' channel) on 3.
    pub(super) fn zygote(&self, orders: &Orders, program: &Program) -> Result<OwnedFd, Failure> {
        self.clone(clone::NEWNET | clone::NEWIPC, orders, program, zygote_entry)
    }

    fn clone(
        &self,
        namespaces: u64,
        orders: &Orders,
        program: &Program,
        entry: unsafe extern "C" fn(*mut u8) -> !,
    ) -> Result<OwnedFd, Failure> {
        let (argv, env) = program.pointers();
        let mut job = Job { fixed: &self.fixed, orders, argv, env, report: self.report };
        let mut pidfd: libc::c_int = -1;
        let mut args = CloneArgs {
            flags: namespaces | clone::PIDFD,
            pidfd: &raw mut pidfd as u64,
            exit_signal: libc::SIGCHLD as u64,
            ..CloneArgs::default()
        };
        if orders.descriptors.cgroup >= 0 {
            args.flags |= clone::INTO_CGROUP;
            args.cgroup = orders.descriptors.cgroup as u64;
        }
        self.expendable.set(true);
        // SAFETY: the report page stays mapped; the spawner has one thread; the entries never return and write to
        // nothing but the report.
        let cloned = unsafe {
            self.report.write_volatile(Failure::NONE);
            sys::spawn(args, entry, (&raw mut job).cast())
        };
        self.expendable.set(false);
        cloned.map_err(|errno| Failure { step: Step::Clone as u32, errno })?;
        // SAFETY: the clone succeeded, so the kernel has stored a descriptor for us.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        // SAFETY: as above; the child is past its last write.
        let failure = unsafe { self.report.read_volatile() };
        if failure == Failure::NONE {
            return Ok(pidfd);
        }
        // A sandbox's first process is an init by now, which does not end by itself.
        kill(&pidfd);
        let _ = reap(&pidfd, true);
        Err(failure)
    }
}

unsafe extern "C" fn sandbox_entry(job: *mut u8) -> ! {
    // SAFETY: `Launcher::clone` passes its Job.
    let job = unsafe { &*job.cast::<Job<'_>>() };
    let confined = child::confine(job.fixed, job.orders).and_then(|()| {
        // SAFETY: the spawner sleeps until this process executes init, and this one until its child has executed its
        // program; the spawner handles no signals.
        unsafe { child::leave_init_behind(clone::VFORK, 0) }
    });
    let failure = match confined {
        // SAFETY: arrays made by `Program::pointers`, of which the first has at least one string.
        Ok(()) => unsafe { child::execute(job.argv[0], job.argv.as_ptr(), job.env.as_ptr()) },
        Err(failure) => failure,
    };
    // SAFETY: the page is mapped as long as the launcher lives.
    unsafe { job.report.write_volatile(failure) };
    sys::exit(127)
}

unsafe extern "C" fn companion_entry(job: *mut u8) -> ! {
    // SAFETY: `Launcher::clone` passes its Job.
    let job = unsafe { &*job.cast::<Job<'_>>() };
    let failure = match child::join(job.fixed, job.orders) {
        // SAFETY: arrays made by `Program::pointers`, of which the first has at least one string.
        Ok(()) => unsafe { child::execute(job.argv[0], job.argv.as_ptr(), job.env.as_ptr()) },
        Err(failure) => failure,
    };
    // SAFETY: the page is mapped as long as the launcher lives.
    unsafe { job.report.write_volatile(failure) };
    sys::exit(127)
}

unsafe extern "C" fn zygote_entry(job: *mut u8) -> ! {
    // SAFETY: `Launcher::clone` passes its Job.
    let job = unsafe { &*job.cast::<Job<'_>>() };
    let failure = match enter_template(job.orders) {
        // SAFETY: arrays made by `Program::pointers`, of which the first has at least one string.
        Ok(()) => unsafe { child::execute(job.argv[0], job.argv.as_ptr(), job.env.as_ptr()) },
        Err(failure) => failure,
    };
    // SAFETY: the page is mapped as long as the launcher lives.
    unsafe { job.report.write_volatile(failure) };
    sys::exit(127)
}

/// The few steps of a zygote.
fn enter_template(orders: &Orders) -> Result<(), Failure> {
    let failed = |step: Step| move |errno: i32| Failure { step: step as u32, errno };
    let errno = || io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    let descriptors = &orders.descriptors;
    for group in descriptors.groups.iter().filter(|group| **group >= 0) {
        // SAFETY: one byte of a literal.
        if unsafe { libc::write(*group, c"0".as_ptr().cast(), 1) } < 0 {
            return Err(failed(Step::Cgroup)(errno()));
        }
    }
    // SAFETY: plain calls with numbers; the descriptors are open.
    unsafe {
        if libc::setns(descriptors.template, libc::CLONE_NEWNS) < 0 {
            return Err(failed(Step::EnterTemplate)(errno()));
        }
        for (source, target) in [(descriptors.null, 0), (descriptors.null, 1), (descriptors.channel, 3)] {
            if libc::dup2(source, target) < 0 {
                return Err(failed(Step::Descriptors)(errno()));
            }
        }
        if libc::syscall(libc::SYS_close_range, 4, u32::MAX, 0) < 0 {
            return Err(failed(Step::Descriptors)(errno()));
        }
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    capabilities::keep_over_exec().map_err(failed(Step::DropCapabilities))
}

/// Collects a child that has ended; none while it runs (or, waiting, none never).
pub(super) fn reap(pidfd: &OwnedFd, wait: bool) -> io::Result<Option<super::plan::Ended>> {
    use super::plan::Ended;
    // SAFETY: a zeroed siginfo is valid, and waitid fills it.
    let (answer, info) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let options = libc::WEXITED | if wait { 0 } else { libc::WNOHANG };
        (libc::waitid(libc::P_PIDFD, pidfd.as_raw_fd() as libc::id_t, &mut info, options), info)
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: waitid succeeded, so these fields are what it filled (zero: still running).
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok(match (pid, info.si_code) {
        (0, _) => None,
        (_, libc::CLD_EXITED) => Some(Ended::Exited(status)),
        _ => Some(Ended::Signaled(status)),
    })
}

/// Sends SIGKILL.
pub(super) fn kill(pidfd: &OwnedFd) {
    signal(pidfd, libc::SIGKILL);
}

/// Sends a signal.
pub(super) fn signal(pidfd: &OwnedFd, number: libc::c_int) {
    // SAFETY: numbers and a null siginfo. It may have ended already, which is what is wanted.
    unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), number, std::ptr::null::<u8>(), 0);
    }
}

/// Orders without descriptors.
pub(super) fn blank_orders() -> Orders {
    Orders {
        message: child::orders::MESSAGE_ORDERS,
        user: 0,
        open_files: 1024,
        processes: 0,
        tmp_options: [0; 128],
        hostname: [0; 64],
        directory: [0; 1024],
        descriptors: Descriptors::NONE,
    }
}

/// Copies a string with its NUL into a field of fixed size; cut off if it is too long.
pub(super) fn fill(field: &mut [u8], text: &CStr) {
    let bytes = text.to_bytes();
    let length = bytes.len().min(field.len() - 1);
    field[..length].copy_from_slice(&bytes[..length]);
    field[length] = 0;
}
