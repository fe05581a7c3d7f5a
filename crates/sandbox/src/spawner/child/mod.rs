//! What a sandbox's first process does before it is one: joins its cgroup, enters its namespaces, mounts, places its
//! descriptors, gives up every privilege.
//!
//! Shared source: compiled into the spawner (between `vfork` and `exec`) and into the zygote's helper library (in the
//! forked child). So it uses `core` only, allocates nothing, and makes raw system calls. It is a directory with a
//! `mod.rs` because a file that is included by path looks for its submodules beside itself.

pub mod orders;
pub mod sys;

use orders::{Failure, Fixed, Orders, Step};
use sys::{Answer, call, newer, number};

const MS_NOSUID: usize = 2;
const MS_NODEV: usize = 4;
const MS_NOEXEC: usize = 8;
const MS_BIND: usize = 4096;
const MS_MOVE: usize = 8192;
const MS_REC: usize = 16384;
const MNT_DETACH: usize = 2;
const EINVAL: i32 = 22;
const MOVE_MOUNT_F_EMPTY_PATH: usize = 4;
const AT_FDCWD: usize = -100isize as usize;
const O_PATH_CLOEXEC: usize = 0o10000000 | 0o2000000;
const PR_SET_PDEATHSIG: usize = 1;
const PR_SET_NO_NEW_PRIVS: usize = 38;
const SIGKILL: usize = 9;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
const RLIMIT_CORE: usize = 4;
const RLIMIT_NPROC: usize = 6;
const RLIMIT_NOFILE: usize = 7;
/// An empty directory of the template, bound over what is hidden.
const EMPTY_DIRECTORY: &core::ffi::CStr = c"/run/updraft/empty";
/// Where the first process keeps its report: of a step that failed, and then of the runtime's end.
const REPORT: i32 = 5;
/// What the first process becomes once the runtime goes on as its child (`helper/init.rs`).
static INIT: sys::Becomes = sys::Becomes::new(c"/run/updraft/init");

trait At<T> {
    fn at(self, step: Step) -> Result<T, Failure>;
}

impl<T> At<T> for Result<T, i32> {
    fn at(self, step: Step) -> Result<T, Failure> {
        self.map_err(|errno| Failure { step: step as u32, errno })
    }
}

/// Confines the calling process. After success it can never undo any of it.
pub fn confine(fixed: &Fixed, orders: &Orders) -> Result<(), Failure> {
    let descriptors = &orders.descriptors;
    join_groups(orders)?;
    enter_mounts(fixed, orders)?;
    if descriptors.network >= 0 {
        plain(number::SETNS, [descriptors.network as usize, sys::clone::NEWNET as usize, 0]).at(Step::EnterNetwork)?;
    }
    let hostname_length = orders.hostname.iter().position(|byte| *byte == 0).unwrap_or(orders.hostname.len());
    plain(number::SETHOSTNAME, [orders.hostname.as_ptr() as usize, hostname_length, 0]).at(Step::SetHostname)?;
    place_descriptors(orders).at(Step::Descriptors)?;
    limit_resources(orders).at(Step::ResourceLimits)?;
    give_up_privileges(fixed, orders)?;
    if orders.directory[0] != 0 {
        plain(number::CHDIR, [orders.directory.as_ptr() as usize, 0, 0]).at(Step::EnterTask)?;
    }
    Ok(())
}

/// After [`confine`]: the runtime goes on as the second process, and the first becomes the init that reaps for it. A function
/// that were the first process itself could not be ended by its own signals, and orphans would stay zombies.
///
/// # Safety
/// As for [`sys::split`].
pub unsafe fn leave_init_behind(flags: u64, thread_number: u64) -> Result<(), Failure> {
    // SAFETY: the caller vouches.
    unsafe { sys::split(flags, thread_number, &INIT) }.at(Step::LeaveInit)?;
    let _ = plain(number::CLOSE, [REPORT as usize, 0, 0]);
    Ok(())
}

/// Makes the calling process one more of a running sandbox: in its cgroup and namespaces (the clone put it into the pid
/// namespace already), as its user, under its restrictions.
pub fn join(fixed: &Fixed, orders: &Orders) -> Result<(), Failure> {
    let descriptors = &orders.descriptors;
    join_groups(orders)?;
    let namespaces =
        sys::clone::NEWNS | sys::clone::NEWNET | sys::clone::NEWIPC | sys::clone::NEWUTS | sys::clone::NEWCGROUP;
    plain(number::SETNS, [descriptors.sandbox as usize, namespaces as usize, 0]).at(Step::EnterSandbox)?;
    place_descriptors(orders).at(Step::Descriptors)?;
    limit_resources(orders).at(Step::ResourceLimits)?;
    give_up_privileges(fixed, orders)
}

/// First of all, so that every page it touches from here on is charged to it.
fn join_groups(orders: &Orders) -> Result<(), Failure> {
    for group in orders.descriptors.groups {
        if group >= 0 {
            write(group, b"0").at(Step::Cgroup)?;
        }
    }
    Ok(())
}

/// Writes what failed to the report of a zygote's child. `placed`: the descriptors may have been moved already.
pub fn report(orders: &Orders, failure: Failure) {
    let after_placing = failure.step > Step::Descriptors as u32;
    let descriptor = if after_placing { REPORT } else { orders.descriptors.report };
    // SAFETY: a Failure is eight plain bytes.
    let bytes = unsafe { core::slice::from_raw_parts((&raw const failure).cast::<u8>(), size_of::<Failure>()) };
    let _ = write(descriptor, bytes);
}

fn enter_mounts(fixed: &Fixed, orders: &Orders) -> Result<(), Failure> {
    let descriptors = &orders.descriptors;
    if descriptors.template >= 0 {
        plain(number::SETNS, [descriptors.template as usize, sys::clone::NEWNS as usize, 0]).at(Step::EnterTemplate)?;
    }
    // The cgroup namespace too: its root must be the cgroup just joined.
    let flags = sys::clone::NEWNS | sys::clone::NEWCGROUP;
    plain(number::UNSHARE, [flags as usize, 0, 0]).at(Step::UnshareMounts)?;
    let old_root_is_above = descriptors.root >= 0 && enter_image(descriptors.root).at(Step::EnterImage)?;
    mount(c"proc", c"/proc", c"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, c"hidepid=2".as_ptr().cast())
        .at(Step::MountProc)?;
    for mask in &fixed.masks[..fixed.masks_length as usize] {
        let cover = if mask.directory { EMPTY_DIRECTORY } else { c"/dev/null" };
        // SAFETY: `path` is NUL-terminated, `cover` is a literal.
        unsafe { call(number::MOUNT, [cover.as_ptr() as usize, mask.path.as_ptr() as usize, 0, MS_BIND, 0, 0]) }
            .at(Step::MaskProc)?;
    }
    mount(c"tmp", c"/tmp", c"tmpfs", MS_NOSUID | MS_NODEV, orders.tmp_options.as_ptr()).at(Step::MountTmp)?;
    if old_root_is_above {
        // Only now: in a user namespace nobody may mount a `/proc` who cannot see one.
        plain(number::UMOUNT2, [c".".as_ptr() as usize, MNT_DETACH, 0]).at(Step::EnterImage)?;
    }
    for (tree, path, step) in
        [(descriptors.task, c"/var/task", Step::MountTask), (descriptors.opt, c"/opt", Step::MountOpt)]
    {
        if tree >= 0 {
            move_mount(tree, path).at(step)?;
        }
    }
    Ok(())
}

/// Makes a container image the root, with the template's devices, helpers and names of hosts. Whether the old root lies
/// above the new one at `.`, to be taken away.
fn enter_image(tree: i32) -> Result<bool, i32> {
    move_mount(tree, c"/run/updraft/image")?;
    for (own, place, flags) in [
        (c"/dev", c"/run/updraft/image/dev", MS_BIND | MS_REC),
        (c"/run/updraft", c"/run/updraft/image/run/updraft", MS_BIND),
        (c"/etc/hosts", c"/run/updraft/image/etc/hosts", MS_BIND),
        (c"/etc/resolv.conf", c"/run/updraft/image/etc/resolv.conf", MS_BIND),
    ] {
        // SAFETY: NUL-terminated literals.
        unsafe { call(number::MOUNT, [own.as_ptr() as usize, place.as_ptr() as usize, 0, flags, 0, 0])? };
    }
    path_call(number::CHDIR, c"/run/updraft/image")?;
    let here = c".".as_ptr() as usize;
    match plain(number::PIVOT_ROOT, [here, here, 0]) {
        Ok(_) => Ok(true),
        // On an initramfs a root cannot be pivoted away, only covered, as the template's was.
        Err(EINVAL) => {
            // SAFETY: NUL-terminated literals.
            unsafe { call(number::MOUNT, [here, c"/".as_ptr() as usize, 0, MS_MOVE, 0, 0])? };
            path_call(number::CHROOT, c".").map(|_| false)
        }
        Err(errno) => Err(errno),
    }
}

/// Moves a detached mount to a path of the current mount namespace.
pub fn move_mount(tree: i32, path: &core::ffi::CStr) -> Answer {
    let empty = c"";
    // SAFETY: both paths are NUL-terminated.
    unsafe {
        call(
            newer::MOVE_MOUNT,
            [tree as usize, empty.as_ptr() as usize, AT_FDCWD, path.as_ptr() as usize, MOVE_MOUNT_F_EMPTY_PATH, 0],
        )
    }
}

fn place_descriptors(orders: &Orders) -> Result<(), i32> {
    let descriptors = &orders.descriptors;
    // Sources are all above 15: spawner and zygote keep the low numbers occupied.
    for (source, target) in [
        (descriptors.null, 0),
        (descriptors.output, 1),
        (descriptors.output, 2),
        (descriptors.channel, 3),
        (descriptors.telemetry, 4),
        (descriptors.report, REPORT),
    ] {
        if source >= 0 {
            plain(number::DUP3, [source as usize, target as usize, 0])?;
        } else {
            // Something else may sit there: descriptor 3 of a zygote is its control socket.
            let _ = plain(number::CLOSE, [target as usize, 0, 0]);
        }
    }
    plain(newer::CLOSE_RANGE, [REPORT as usize + 1, u32::MAX as usize, 0])?;
    if descriptors.report < 0 {
        let _ = plain(number::CLOSE, [REPORT as usize, 0, 0]);
    }
    Ok(())
}

fn limit_resources(orders: &Orders) -> Result<(), i32> {
    set_limit(RLIMIT_CORE, 0)?;
    set_limit(RLIMIT_NOFILE, orders.open_files)?;
    if orders.processes > 0 {
        set_limit(RLIMIT_NPROC, orders.processes)?;
    }
    plain(number::UMASK, [0o022, 0, 0]).map(|_| ())
}

fn set_limit(resource: usize, limit: u64) -> Result<(), i32> {
    let pair = [limit, limit];
    // SAFETY: `pair` is a struct rlimit64; no old value is asked for.
    unsafe { call(number::PRLIMIT64, [0, resource, pair.as_ptr() as usize, 0, 0, 0]) }.map(|_| ())
}

fn give_up_privileges(fixed: &Fixed, orders: &Orders) -> Result<(), Failure> {
    let user = orders.user as usize;
    if fixed.switches_user != 0 {
        plain(number::SETGROUPS, [0, 0, 0]).at(Step::SwitchUser)?;
        plain(number::SETRESGID, [user, user, user]).at(Step::SwitchUser)?;
        plain(number::SETRESUID, [user, user, user]).at(Step::SwitchUser)?;
    }
    // The bounding set is empty already, the spawner's is; the ambient set empties with these three.
    let header = [CAPABILITY_VERSION_3, 0];
    let none = [0u32; 6];
    // SAFETY: a header of two words and two triples of sets, as version 3 asks.
    unsafe { call(number::CAPSET, [header.as_ptr() as usize, none.as_ptr() as usize, 0, 0, 0, 0]) }
        .at(Step::DropCapabilities)?;
    // After the switch of users, which clears it.
    plain(number::PRCTL, [PR_SET_PDEATHSIG, SIGKILL, 0]).at(Step::DeathSignal)?;
    plain(number::PRCTL, [PR_SET_NO_NEW_PRIVS, 1, 0]).at(Step::NoNewPrivileges)?;
    if fixed.landlock_version > 0 {
        landlock(fixed.landlock_version).at(Step::Landlock)?;
    }
    if fixed.filter_length > 0 {
        install_filter(fixed).at(Step::Seccomp)?;
    }
    Ok(())
}

fn install_filter(fixed: &Fixed) -> Result<(), i32> {
    #[repr(C)]
    struct Program {
        length: u16,
        instructions: *const orders::Instruction,
    }
    const SECCOMP_SET_MODE_FILTER: usize = 1;
    let program = Program { length: fixed.filter_length as u16, instructions: fixed.filter.as_ptr() };
    // SAFETY: a struct sock_fprog over the filter's own instructions.
    unsafe { call(number::SECCOMP, [SECCOMP_SET_MODE_FILTER, 0, &raw const program as usize, 0, 0, 0]) }.map(|_| ())
}

/// File system rights of Landlock, by bit.
mod right {
    pub(super) const READ: u64 = 1 << 2 | 1 << 3;
    pub(super) const EXECUTE: u64 = 1;
    pub(super) const WRITE_FILE: u64 = 1 << 1;
    pub(super) const MAKE_DEVICES: u64 = 1 << 6 | 1 << 11;
    pub(super) const TRUNCATE: u64 = 1 << 14;
    pub(super) const IOCTL_DEVICE: u64 = 1 << 15;
}

/// The second lock on the file system: even a mount that were writable by mistake stays read-only but `/tmp`.
fn landlock(version: u32) -> Result<(), i32> {
    let handled: u64 = match version {
        1 => (1 << 13) - 1,
        2 => (1 << 14) - 1,
        3 | 4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    };
    // No network rules: the network namespace decides. Abstract sockets and signals stay within, from version 6 on.
    let attributes: [u64; 3] = [handled, 0, 0b11];
    let size = match version {
        ..=3 => 8,
        4 | 5 => 16,
        _ => 24,
    };
    // SAFETY: `size` bytes of `attributes` are there.
    let ruleset = unsafe { call(newer::LANDLOCK_CREATE_RULESET, [attributes.as_ptr() as usize, size, 0, 0, 0, 0])? };
    // `/tmp` has a rule of its own because it is a mount of its own: a rule on the mount point below it is not seen.
    for (path, rights) in [
        (c"/", right::READ | right::EXECUTE),
        (c"/tmp", !right::MAKE_DEVICES),
        (c"/dev", right::READ | right::WRITE_FILE | right::TRUNCATE | right::IOCTL_DEVICE),
        (c"/proc", right::READ | right::WRITE_FILE | right::TRUNCATE),
    ] {
        allow_beneath(ruleset, path, rights & handled)?;
    }
    plain(newer::LANDLOCK_RESTRICT_SELF, [ruleset, 0, 0])?;
    plain(number::CLOSE, [ruleset, 0, 0]).map(|_| ())
}

fn allow_beneath(ruleset: usize, path: &core::ffi::CStr, rights: u64) -> Result<(), i32> {
    #[repr(C, packed)]
    struct PathBeneath {
        rights: u64,
        parent: i32,
    }
    const LANDLOCK_RULE_PATH_BENEATH: usize = 1;
    // SAFETY: a NUL-terminated path.
    let parent = unsafe { call(number::OPENAT, [AT_FDCWD, path.as_ptr() as usize, O_PATH_CLOEXEC, 0, 0, 0])? };
    let rule = PathBeneath { rights, parent: parent as i32 };
    // SAFETY: a struct landlock_path_beneath_attr.
    unsafe {
        call(newer::LANDLOCK_ADD_RULE, [ruleset, LANDLOCK_RULE_PATH_BENEATH, &raw const rule as usize, 0, 0, 0])?
    };
    plain(number::CLOSE, [parent, 0, 0]).map(|_| ())
}

/// Executes a program.
///
/// # Safety
/// `path` must be NUL-terminated, `argv` and `envp` NULL-terminated arrays of such strings.
pub unsafe fn execute(path: *const u8, argv: *const *const u8, envp: *const *const u8) -> Failure {
    // SAFETY: the caller vouches for the three.
    let answer = unsafe { call(number::EXECVE, [path as usize, argv as usize, envp as usize, 0, 0, 0]) };
    Failure { step: Step::Execute as u32, errno: answer.err().unwrap_or(0) }
}

/// A call whose arguments are numbers, or pointers the caller has checked.
fn plain(number: usize, args: [usize; 3]) -> Answer {
    // SAFETY: private to this file, which passes numbers, or pointers that live across the call.
    unsafe { call(number, [args[0], args[1], args[2], 0, 0, 0]) }
}

fn path_call(number: usize, path: &core::ffi::CStr) -> Answer {
    plain(number, [path.as_ptr() as usize, 0, 0])
}

fn write(descriptor: i32, bytes: &[u8]) -> Answer {
    plain(number::WRITE, [descriptor as usize, bytes.as_ptr() as usize, bytes.len()])
}

fn mount(
    source: &core::ffi::CStr,
    target: &core::ffi::CStr,
    kind: &core::ffi::CStr,
    flags: usize,
    options: *const u8,
) -> Answer {
    // SAFETY: NUL-terminated strings all; `options` points into orders or to a literal.
    unsafe {
        call(
            number::MOUNT,
            [source.as_ptr() as usize, target.as_ptr() as usize, kind.as_ptr() as usize, flags, options as usize, 0],
        )
    }
}
