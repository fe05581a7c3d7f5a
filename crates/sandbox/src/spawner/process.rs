//! The spawner process from its start to its loop.
//!
//! It is two processes. The *watchdog*, which the server starts, sweeps what a crash left, enters a user namespace when it
//! has no privileges, and then only waits. The *worker*, first process of a pid namespace, does everything else. Because
//! every sandbox lives in that pid namespace, the kernel itself kills all of them with the worker, whatever became of it:
//! nothing a sandbox does to its own death signal can outlive us.

use std::{
    ffi::CString,
    fs,
    io::{self, Write as _},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::fs::DirBuilderExt as _,
    },
    path::Path,
    time::Duration,
};

use super::{
    capabilities,
    child::orders::{self, Fixed, Mask},
    launch::{self, Launcher},
    plan::UID_FIRST,
    protocol::{self, Hello, MESSAGE_MAX, Said},
    seccomp,
    slot::{self, Kit},
    template::{self, Template},
    worker::Worker,
};
use crate::{
    cgroup::{Groups, Mounts},
    net::{self, NetPool},
    posture::{Egress, Layer, LayerState},
    turns::{self, Turn},
};

/// Descriptors below this are kept occupied, so that a child can place its own ones without losing any.
const LOW_DESCRIPTORS: i32 = 16;
/// The only user id in a user namespace: AWS's own `sbx_user` has it.
const UID_ROOTLESS: u32 = 993;
/// How long the worker may take to end when the server has.
const WORKER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a former spawner of this instance may take to end.
const LOCK_ATTEMPTS: u32 = 400;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Parts of `/proc` that tell about the host or reach into it.
const MASKED: [(&str, bool); 16] = [
    ("/proc/kcore", false),
    ("/proc/keys", false),
    ("/proc/key-users", false),
    ("/proc/kmsg", false),
    ("/proc/kallsyms", false),
    ("/proc/sysrq-trigger", false),
    ("/proc/timer_list", false),
    ("/proc/sched_debug", false),
    ("/proc/latency_stats", false),
    ("/proc/cmdline", false),
    ("/proc/modules", false),
    ("/proc/acpi", true),
    ("/proc/scsi", true),
    ("/proc/bus", true),
    ("/proc/fs", true),
    ("/proc/irq", true),
];
const ZYGOTE_LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libupdraft_zygote.so"));
const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/updraft_init"));

/// See [`super::main`].
pub(super) fn main() -> ! {
    let status = match watch() {
        Ok(status) => status,
        Err(why) => {
            eprintln!("updraft spawner: {why}");
            1
        }
    };
    std::process::exit(status)
}

/// The watchdog.
fn watch() -> Result<i32, String> {
    // The server, of whose threads we inherit, goes before us.
    let _ = turns::take(0, Turn::Last);
    let socket = take_socket().map_err(|error| format!("no socket on standard input: {error}"))?;
    let ready = prepare(&socket);
    let (hello, rootless) = match ready {
        Ok(ready) => ready,
        Err(why) => {
            say_failed(&socket, &why);
            return Err(why);
        }
    };
    // SAFETY: numbers only. The next child becomes the first process of a new pid namespace; there is one thread.
    if let Err(error) = template::check(unsafe { libc::unshare(libc::CLONE_NEWPID) }) {
        let why = format!("cannot make a pid namespace: {error}");
        say_failed(&socket, &why);
        return Err(why);
    }
    let (life, worker_life) = io::pipe().map_err(|error| format!("cannot make a pipe: {error}"))?;
    // SAFETY: there is one thread, so the child may do whatever it likes.
    let pid = unsafe { libc::fork() };
    match pid {
        ..0 => Err(format!("cannot fork: {}", io::Error::last_os_error())),
        0 => {
            drop(life);
            let status = work(socket, &hello, rootless);
            drop(worker_life);
            std::process::exit(status)
        }
        _ => {
            drop(worker_life);
            Ok(guard(pid, &socket, &life.into(), &hello))
        }
    }
}

/// Waits for the worker's end, or for the server's and then not much longer for the worker's; then sweeps.
///
/// The worker's end shows in a pipe that only it holds, not in its pidfd: while a sandbox is frozen by cgroup version 1 the
/// kernel cannot finish the first process of a pid namespace, and only the sweep thaws it.
fn guard(pid: libc::pid_t, socket: &OwnedFd, life: &OwnedFd, hello: &Hello) -> i32 {
    // SAFETY: a pid of our own child, not reaped yet.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if pidfd < 0 {
        return 1;
    }
    // SAFETY: the kernel just made it for us.
    let worker = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
    let mut ends = [
        // No events asked for: only the hang-up is told.
        libc::pollfd { fd: life.as_raw_fd(), events: 0, revents: 0 },
        libc::pollfd { fd: socket.as_raw_fd(), events: 0, revents: 0 },
    ];
    loop {
        // SAFETY: two pollfds.
        let polled = unsafe { libc::poll(ends.as_mut_ptr(), 2, -1) };
        if polled > 0 {
            break;
        }
    }
    if ends[0].revents == 0 {
        slot::wait_readable(life, WORKER_PATIENCE);
    }
    launch::kill(&worker);
    // After an orderly end nothing is left to be swept.
    if let Ok(mounts) = Mounts::read() {
        let _ = Groups::open(&mounts, &instance_name(&hello.instance_dir)).shutdown();
    }
    let ended = launch::reap(&worker, true);
    i32::from(!matches!(ended, Ok(Some(super::plan::Ended::Exited(0)))))
}

/// The socket comes as standard input; low descriptors are then all occupied by `/dev/null`.
fn take_socket() -> io::Result<OwnedFd> {
    // SAFETY: numbers only; everything above standard error is closed before anything is opened.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0);
        // Out of the terminal's reach: an interrupt is for the server, which then ends us in its own time.
        libc::setsid();
        let socket = libc::fcntl(0, libc::F_DUPFD_CLOEXEC, LOW_DESCRIPTORS);
        template::check(socket)?;
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        template::check(null)?;
        template::check(libc::dup2(null, 0))?;
        for number in 3..LOW_DESCRIPTORS {
            if number != null {
                template::check(libc::dup3(null, number, libc::O_CLOEXEC))?;
            }
        }
        Ok(OwnedFd::from_raw_fd(socket))
    }
}

/// Reads the settings, locks the instance, sweeps it, and gets privileges.
fn prepare(socket: &OwnedFd) -> Result<(Hello, bool), String> {
    let mut buffer = vec![0; MESSAGE_MAX];
    let (length, _) = protocol::receive(socket, &mut buffer, true).map_err(|error| error.to_string())?;
    let hello: Hello = protocol::decode(&buffer[..length]).map_err(|error| format!("bad settings: {error}"))?;
    let directory = &hello.instance_dir;
    for path in [directory.clone(), directory.join("root")] {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|error| format!("cannot make {}: {error}", path.display()))?;
    }
    lock(directory)?;
    if let Ok(mounts) = Mounts::read() {
        // Opening sweeps. It must happen before the pid namespace, in which older processes have no numbers.
        drop(Groups::open(&mounts, &instance_name(directory)));
    }
    let rootless = !capabilities::has_admin();
    if rootless {
        enter_user_namespace().map_err(|error| {
            format!("this user may not make user namespaces ({error}): run as root, or allow them (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)")
        })?;
    }
    Ok((hello, rootless))
}

/// Two servers on one instance would sweep each other away. The lock is held until worker and watchdog have ended.
fn lock(directory: &Path) -> Result<(), String> {
    let path = directory.join("spawner.lock");
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| format!("cannot open {}: {error}", path.display()))?;
    for _ in 0..LOCK_ATTEMPTS {
        // SAFETY: an open descriptor and a number.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            // Held for the life of the process.
            std::mem::forget(file);
            return Ok(());
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    Err(format!("another server uses {}", directory.display()))
}

fn enter_user_namespace() -> io::Result<()> {
    // SAFETY: plain calls without arguments.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    // SAFETY: a number; there is one thread.
    template::check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) })?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{UID_ROOTLESS} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{UID_ROOTLESS} {group} 1"))
}

/// A name for cgroups and links: the same for the same directory.
pub(super) fn instance_name(directory: &Path) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in directory.as_os_str().as_encoded_bytes() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

fn say_failed(socket: &OwnedFd, why: &str) {
    if let Ok(said) = protocol::encode(&Said::Failed { why: why.to_owned() }) {
        let _ = protocol::send(socket, &said, &[]);
    }
}

/// The worker.
fn work(socket: OwnedFd, hello: &Hello, rootless: bool) -> i32 {
    // SAFETY: numbers only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let speaker = match socket.try_clone() {
        Ok(speaker) => speaker,
        Err(_) => return 1,
    };
    let served = set_up(socket, hello, rootless).and_then(|worker| worker.run().map_err(|error| error.to_string()));
    match served {
        Ok(()) => 0,
        Err(why) => {
            say_failed(&speaker, &why);
            let _ = writeln!(io::stderr(), "updraft spawner: {why}");
            1
        }
    }
}

fn set_up(socket: OwnedFd, hello: &Hello, rootless: bool) -> Result<Worker, String> {
    let said = |what: &'static str| move |error: io::Error| format!("cannot {what}: {error}");
    // A copy of the host's mounts of our own: what we do never shows up there, what the host mounts shows up here.
    // SAFETY: a number; there is one thread.
    template::check(unsafe { libc::unshare(libc::CLONE_NEWNS) }).map_err(said("make a mount namespace"))?;
    template::mount("none", Path::new("/"), "", libc::MS_REC | libc::MS_SLAVE, "").map_err(said("detach mounts"))?;
    let home = open_own_mounts().map_err(said("open /proc/self/ns/mnt"))?;
    let pids = fs::File::open("/proc/self/ns/pid").map_err(said("open /proc/self/ns/pid"))?;
    let instance = instance_name(&hello.instance_dir);
    let groups = Groups::open(&Mounts::read().unwrap_or_default(), &instance);
    let networks = NetPool::new(&net::Config {
        egress: if hello.nat && !rootless { Egress::Nat } else { Egress::None },
        endpoint_port: hello.endpoint_port,
        instance,
        links: net::LinkRange::default(),
    });
    capabilities::restrict_self().map_err(said("restrict capabilities"))?;
    let users = if rootless { (UID_ROOTLESS, 1) } else { (UID_FIRST, hello.slots_max) };
    let template = make_template(hello, users, rootless)?;
    let (fixed, mut layers) = fix(rootless);
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null").map_err(said("open /dev/null"))?;
    let launcher = Launcher::new(fixed, template, null.into(), pids.into()).map_err(said("map a page"))?;
    let kit = Kit {
        home,
        user_first: users.0,
        open_files_max: open_files_max(),
        switches_user: !rootless,
        counts_processes: groups
            .layers()
            .iter()
            .any(|layer| layer.name == "process limit" && layer.state == LayerState::Present),
    };
    let mut worker =
        Worker::new(socket, launcher, kit, groups, networks, hello.slots_max).map_err(said("watch the socket"))?;
    layers.extend(worker.layers());
    if hello.nat && rootless {
        layers.retain(|layer| layer.name != "egress");
        let why = "started without root: sandboxes reach nothing but this server";
        layers.push(Layer::degraded("egress", why, "start the server as root"));
    }
    // The server does without huge pages and its choice is inherited; functions are to have them. Not before now: this
    // process's own memory is small and stays so.
    let _ = rustix::thread::disable_transparent_huge_pages(false);
    hello.zygotes.iter().for_each(|zygote| worker.offer_zygote(zygote.clone()));
    worker.say(&Said::Ready { layers: layers.into_iter().map(flat).collect() }).map_err(said("answer the server"))?;
    Ok(worker)
}

fn flat(layer: Layer) -> (String, Option<String>, String) {
    let why = match layer.state {
        LayerState::Present => None,
        LayerState::Degraded { why } => Some(why),
    };
    (layer.name.to_owned(), why, layer.fix)
}

fn open_own_mounts() -> io::Result<OwnedFd> {
    fs::File::open("/proc/self/ns/mnt").map(OwnedFd::from)
}

fn open_files_max() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a struct rlimit to be filled, then read.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        // This process itself holds a few for each sandbox.
        libc::setrlimit(libc::RLIMIT_NOFILE, &libc::rlimit { rlim_cur: limit.rlim_max, ..limit });
    }
    limit.rlim_max
}

/// Builds the template in a child with mounts of its own, and takes the descriptor of its namespace.
fn make_template(hello: &Hello, users: (u32, u32), rootless: bool) -> Result<OwnedFd, String> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|error| format!("cannot make a socket: {error}"))?;
    // SAFETY: there is one thread, so the child may do whatever it likes.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let built = build_template(hello, users, rootless);
        let (words, descriptors) = match &built {
            Ok(namespace) => (String::from("built"), vec![namespace.as_fd()]),
            Err(why) => (why.clone(), Vec::new()),
        };
        let _ = protocol::send(&theirs, words.as_bytes(), &descriptors);
        super::child::sys::exit(0);
    }
    drop(theirs);
    let mut words = [0u8; 1024];
    let heard = protocol::receive(&ours, &mut words, true);
    // SAFETY: our own child; its status does not matter.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    match heard {
        Ok((_, mut descriptors)) if descriptors.len() == 1 => Ok(descriptors.remove(0)),
        Ok((length, _)) => {
            Err(format!("cannot build the mount template: {}", String::from_utf8_lossy(&words[..length])))
        }
        Err(error) => Err(format!("cannot build the mount template: {error}")),
    }
}

fn build_template(hello: &Hello, users: (u32, u32), rootless: bool) -> Result<OwnedFd, String> {
    // SAFETY: a number; there is one thread.
    template::check(unsafe { libc::unshare(libc::CLONE_NEWNS) }).map_err(|error| format!("unshare: {error}"))?;
    let namespace = open_own_mounts().map_err(|error| format!("open /proc/self/ns/mnt: {error}"))?;
    let scratch = hello.instance_dir.join("root");
    let template = Template {
        scratch: &scratch,
        userland: &hello.userland,
        zygote_library: ZYGOTE_LIBRARY,
        init: INIT,
        users,
        keeps_proc: rootless,
    };
    template::build(&template).map_err(|failed| format!("{}: {}", failed.doing, failed.error))?;
    Ok(namespace)
}

/// What every child is told, and the layers of isolation it makes.
fn fix(rootless: bool) -> (Box<Fixed>, Vec<Layer>) {
    let mut layers = vec![Layer::present("namespaces"), Layer::present("capabilities and no_new_privs")];
    layers.push(if rootless {
        let why = "started without root: all sandboxes share one user id, in a user namespace";
        Layer::degraded("user ids", why, "start the server as root")
    } else {
        Layer::present("user ids")
    });
    let mut fixed = Box::new(Fixed {
        message: orders::MESSAGE_FIXED,
        landlock_version: landlock_version(),
        switches_user: u32::from(!rootless),
        filter_length: 0,
        masks_length: 0,
        masks: [Mask { path: [0; 31], directory: false }; orders::MASKS_MAX],
        filter: [orders::Instruction::default(); orders::FILTER_MAX],
    });
    for (path, directory) in MASKED.iter().filter(|(path, _)| Path::new(path).exists()) {
        let mask = &mut fixed.masks[fixed.masks_length as usize];
        mask.directory = *directory;
        launch::fill(&mut mask.path, &CString::new(*path).unwrap_or_default());
        fixed.masks_length += 1;
    }
    if has_seccomp() {
        let filter = seccomp::compile();
        fixed.filter[..filter.len()].copy_from_slice(&filter);
        fixed.filter_length = filter.len() as u32;
        layers.push(Layer::present("seccomp"));
    } else {
        layers.push(Layer::degraded(
            "seccomp",
            "this kernel has no seccomp filters",
            "use a kernel with CONFIG_SECCOMP_FILTER",
        ));
    }
    layers.push(if fixed.landlock_version > 0 {
        Layer::present("landlock")
    } else {
        let fix = "use Linux 5.13 or later with landlock among the security modules (lsm=landlock,...)";
        Layer::degraded("landlock", "this kernel has no landlock", fix)
    });
    (fixed, layers)
}

fn landlock_version() -> u32 {
    const VERSION: libc::c_long = 1;
    // SAFETY: asks for the version: no structure, size 0.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, VERSION) };
    u32::try_from(version).unwrap_or(0)
}

fn has_seccomp() -> bool {
    const GET_ACTION_AVAIL: libc::c_long = 2;
    let action: u32 = 0x7fff_0000;
    // SAFETY: asks whether an action exists; one word.
    unsafe { libc::syscall(libc::SYS_seccomp, GET_ACTION_AVAIL, 0, &raw const action) == 0 }
}
