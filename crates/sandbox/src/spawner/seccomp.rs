//! The seccomp filter: which system calls code in a sandbox may make.
//!
//! An allowlist. What is not on it gets `EPERM`, a number newer than this list gets `ENOSYS` (so that a C library falls back),
//! another architecture's calls kill. Installing a filter makes the kernel run it once for every number, and that price is
//! paid for each sandbox; so it is compiled as a binary search, a third of the cost of a chain of comparisons, which is
//! what the existing filter compilers emit.

use super::child::orders::{FILTER_MAX, Instruction};

/// What happens to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Refuse(i32),
    Kill,
    /// `clone` without new namespaces.
    CheckClone,
    /// Unix, IPv4, IPv6, and netlink for routes (`getifaddrs`).
    CheckSocket,
    /// All but pushing characters into a terminal.
    CheckIoctl,
    /// Only the ordinary personality, or asking for it.
    CheckPersonality,
}

const LOAD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;
const RETURN_ALLOW: u32 = 0x7fff_0000;
const RETURN_ERRNO: u32 = 0x0005_0000;
const RETURN_KILL_PROCESS: u32 = 0x8000_0000;
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const X32_BIT: u32 = 0x4000_0000;
/// The newest number this list has judged (`setxattrat` … `open_tree_attr`, Linux 6.15).
const NUMBER_LAST: u32 = 467;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: u32 = 0xc000_00f3;

/// Flags of `clone` that make namespaces.
const CLONE_NAMESPACES: u32 = 0x7e02_0000;

/// The low half of a system call's argument; all architectures here are little-endian.
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// Compiles the filter of this machine's architecture.
pub(super) fn compile() -> Vec<Instruction> {
    let mut program = vec![
        statement(LOAD, OFFSET_ARCHITECTURE),
        jump(JUMP_EQUAL, ARCHITECTURE, 1, 0),
        statement(RETURN, RETURN_KILL_PROCESS),
        statement(LOAD, OFFSET_NUMBER),
    ];
    search(&ranges(), &mut program);
    assert!(program.len() <= FILTER_MAX, "the seccomp filter has {} instructions", program.len());
    program
}

/// The verdicts as ranges: each holds from its number up to the next one's.
fn ranges() -> Vec<(u32, Verdict)> {
    let mut ranges = vec![(0, Verdict::Refuse(libc::EPERM))];
    let mut set = |from: u32, verdict: Verdict| match ranges.last_mut() {
        Some((_, last)) if *last == verdict => {}
        Some((start, last)) if *start == from => *last = verdict,
        _ => ranges.push((from, verdict)),
    };
    for number in 0..=NUMBER_LAST {
        set(number, judge(number));
    }
    set(NUMBER_LAST + 1, Verdict::Refuse(libc::ENOSYS));
    if cfg!(target_arch = "x86_64") {
        set(X32_BIT, Verdict::Kill);
    }
    ranges
}

fn judge(number: u32) -> Verdict {
    let number = libc::c_long::from(number);
    match number {
        libc::SYS_clone => Verdict::CheckClone,
        // Its flags are in memory, where a filter cannot look; callers fall back to clone.
        libc::SYS_clone3 => Verdict::Refuse(libc::ENOSYS),
        libc::SYS_socket => Verdict::CheckSocket,
        libc::SYS_ioctl => Verdict::CheckIoctl,
        libc::SYS_personality => Verdict::CheckPersonality,
        _ if ALLOWED.contains(&number) || ALLOWED_HERE.contains(&number) => Verdict::Allow,
        _ => Verdict::Refuse(libc::EPERM),
    }
}

/// Emits a binary search over `ranges`.
fn search(ranges: &[(u32, Verdict)], program: &mut Vec<Instruction>) {
    if let [(_, verdict)] = ranges {
        return decide(*verdict, program);
    }
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    let at = program.len();
    program.push(Instruction::default());
    search(lower, program);
    let skip = u8::try_from(program.len() - at - 1).expect("half of the filter is short");
    program[at] = jump(JUMP_GREATER_EQUAL, upper[0].0, skip, 0);
    search(upper, program);
}

fn decide(verdict: Verdict, program: &mut Vec<Instruction>) {
    let allow = statement(RETURN, RETURN_ALLOW);
    let refuse = |errno: i32| statement(RETURN, RETURN_ERRNO | errno as u32);
    match verdict {
        Verdict::Allow => program.push(allow),
        Verdict::Refuse(errno) => program.push(refuse(errno)),
        Verdict::Kill => program.push(statement(RETURN, RETURN_KILL_PROCESS)),
        Verdict::CheckClone => program.extend([
            statement(LOAD, argument(0)),
            jump(JUMP_ANY_BIT, CLONE_NAMESPACES, 0, 1),
            refuse(libc::EPERM),
            allow,
        ]),
        Verdict::CheckSocket => program.extend([
            statement(LOAD, argument(0)),
            jump(JUMP_EQUAL, libc::AF_UNIX as u32, 6, 0),
            jump(JUMP_EQUAL, libc::AF_INET as u32, 5, 0),
            jump(JUMP_EQUAL, libc::AF_INET6 as u32, 4, 0),
            jump(JUMP_EQUAL, libc::AF_NETLINK as u32, 0, 2),
            statement(LOAD, argument(2)),
            jump(JUMP_EQUAL, libc::NETLINK_ROUTE as u32, 1, 0),
            refuse(libc::EAFNOSUPPORT),
            allow,
        ]),
        Verdict::CheckIoctl => program.extend([
            statement(LOAD, argument(1)),
            jump(JUMP_EQUAL, libc::TIOCSTI as u32, 1, 0),
            jump(JUMP_EQUAL, TIOCLINUX, 0, 1),
            refuse(libc::EPERM),
            allow,
        ]),
        Verdict::CheckPersonality => program.extend([
            statement(LOAD, argument(0)),
            jump(JUMP_EQUAL, 0, 2, 0),
            jump(JUMP_EQUAL, u32::MAX, 1, 0),
            refuse(libc::EPERM),
            allow,
        ]),
    }
}

const TIOCLINUX: u32 = 0x541c;

fn statement(code: u16, operand: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, operand }
}

fn jump(code: u16, operand: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction { code, jump_true, jump_false, operand }
}

/// Numbers that the `libc` crate does not name for every architecture; from 424 on all architectures share them.
mod newer {
    #[cfg(target_arch = "x86_64")]
    pub(super) const IO_PGETEVENTS: libc::c_long = 333;
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) const IO_PGETEVENTS: libc::c_long = 292;
    pub(super) const CACHESTAT: libc::c_long = 451;
    pub(super) const FCHMODAT2: libc::c_long = 452;
    pub(super) const FUTEX_WAKE: libc::c_long = 454;
    pub(super) const FUTEX_WAIT: libc::c_long = 455;
    pub(super) const FUTEX_REQUEUE: libc::c_long = 456;
    pub(super) const MSEAL: libc::c_long = 462;
}

#[rustfmt::skip]
const ALLOWED: &[libc::c_long] = &[
    // files
    libc::SYS_read, libc::SYS_write, libc::SYS_readv, libc::SYS_writev, libc::SYS_pread64, libc::SYS_pwrite64, libc::SYS_preadv,
    libc::SYS_pwritev, libc::SYS_preadv2, libc::SYS_pwritev2, libc::SYS_openat, libc::SYS_openat2, libc::SYS_close, libc::SYS_close_range,
    libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_statfs, libc::SYS_fstatfs, libc::SYS_lseek, libc::SYS_faccessat,
    libc::SYS_faccessat2, libc::SYS_ftruncate, libc::SYS_truncate, libc::SYS_fallocate, libc::SYS_fadvise64, libc::SYS_readahead,
    libc::SYS_getdents64, libc::SYS_getcwd, libc::SYS_chdir, libc::SYS_fchdir, libc::SYS_mkdirat, libc::SYS_mknodat, libc::SYS_unlinkat,
    libc::SYS_symlinkat, libc::SYS_linkat, libc::SYS_renameat2, libc::SYS_readlinkat, libc::SYS_fchmod, libc::SYS_fchmodat,
    newer::FCHMODAT2, libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_utimensat, libc::SYS_umask, libc::SYS_flock, libc::SYS_fsync,
    libc::SYS_fdatasync, libc::SYS_sync, libc::SYS_syncfs, libc::SYS_sync_file_range, libc::SYS_fcntl, libc::SYS_dup, libc::SYS_dup3,
    libc::SYS_pipe2, libc::SYS_splice, libc::SYS_tee, libc::SYS_vmsplice, libc::SYS_sendfile, libc::SYS_copy_file_range,
    libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr, libc::SYS_getxattr, libc::SYS_lgetxattr, libc::SYS_fgetxattr,
    libc::SYS_listxattr, libc::SYS_llistxattr, libc::SYS_flistxattr, libc::SYS_removexattr, libc::SYS_lremovexattr,
    libc::SYS_fremovexattr, libc::SYS_inotify_init1, libc::SYS_inotify_add_watch, libc::SYS_inotify_rm_watch, libc::SYS_memfd_create,
    newer::CACHESTAT,
    // waiting
    libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2, libc::SYS_ppoll, libc::SYS_pselect6,
    libc::SYS_eventfd2, libc::SYS_timerfd_create, libc::SYS_timerfd_settime, libc::SYS_timerfd_gettime, libc::SYS_signalfd4,
    libc::SYS_io_setup, libc::SYS_io_submit, libc::SYS_io_getevents, libc::SYS_io_cancel, libc::SYS_io_destroy, newer::IO_PGETEVENTS,
    // memory
    libc::SYS_brk, libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_mprotect, libc::SYS_madvise, libc::SYS_msync,
    libc::SYS_mincore, libc::SYS_mlock, libc::SYS_mlock2, libc::SYS_mlockall, libc::SYS_munlock, libc::SYS_munlockall,
    libc::SYS_membarrier, libc::SYS_remap_file_pages, libc::SYS_pkey_alloc, libc::SYS_pkey_free, libc::SYS_pkey_mprotect, newer::MSEAL,
    // processes and threads
    libc::SYS_execve, libc::SYS_execveat, libc::SYS_exit, libc::SYS_exit_group, libc::SYS_wait4, libc::SYS_waitid, libc::SYS_kill,
    libc::SYS_tkill, libc::SYS_tgkill, libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal, libc::SYS_getpid, libc::SYS_getppid,
    libc::SYS_gettid, libc::SYS_getpgid, libc::SYS_setpgid, libc::SYS_getsid, libc::SYS_setsid, libc::SYS_set_tid_address,
    libc::SYS_set_robust_list, libc::SYS_get_robust_list, libc::SYS_rseq, libc::SYS_futex, libc::SYS_futex_waitv, newer::FUTEX_WAKE,
    newer::FUTEX_WAIT, newer::FUTEX_REQUEUE, libc::SYS_prctl, libc::SYS_restart_syscall, libc::SYS_seccomp,
    libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self,
    // signals
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigpending, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_rt_sigreturn, libc::SYS_rt_sigsuspend, libc::SYS_rt_sigtimedwait, libc::SYS_sigaltstack,
    // who am I, and giving up privileges (there are none)
    libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid, libc::SYS_getresuid, libc::SYS_getresgid,
    libc::SYS_getgroups, libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setreuid, libc::SYS_setregid, libc::SYS_setresuid,
    libc::SYS_setresgid, libc::SYS_setgroups, libc::SYS_setfsuid, libc::SYS_setfsgid, libc::SYS_capget, libc::SYS_capset,
    // limits and scheduling
    libc::SYS_prlimit64, libc::SYS_getrusage, libc::SYS_times, libc::SYS_getpriority, libc::SYS_setpriority, libc::SYS_ioprio_get,
    libc::SYS_ioprio_set, libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_sched_setaffinity,
    libc::SYS_sched_getscheduler, libc::SYS_sched_setscheduler, libc::SYS_sched_getparam, libc::SYS_sched_setparam,
    libc::SYS_sched_getattr, libc::SYS_sched_setattr, libc::SYS_sched_get_priority_max, libc::SYS_sched_get_priority_min,
    libc::SYS_sched_rr_get_interval, libc::SYS_getcpu, libc::SYS_sysinfo, libc::SYS_uname,
    // time
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep, libc::SYS_nanosleep, libc::SYS_gettimeofday,
    libc::SYS_getitimer, libc::SYS_setitimer, libc::SYS_timer_create, libc::SYS_timer_settime, libc::SYS_timer_gettime,
    libc::SYS_timer_getoverrun, libc::SYS_timer_delete,
    // randomness
    libc::SYS_getrandom,
    // network
    libc::SYS_socketpair, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4, libc::SYS_connect,
    libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_getsockopt, libc::SYS_setsockopt, libc::SYS_sendto, libc::SYS_recvfrom,
    libc::SYS_sendmsg, libc::SYS_recvmsg, libc::SYS_sendmmsg, libc::SYS_recvmmsg, libc::SYS_shutdown,
    // System V and POSIX queues, of the sandbox's own IPC namespace
    libc::SYS_shmget, libc::SYS_shmat, libc::SYS_shmdt, libc::SYS_shmctl, libc::SYS_semget, libc::SYS_semop, libc::SYS_semtimedop,
    libc::SYS_semctl, libc::SYS_msgget, libc::SYS_msgsnd, libc::SYS_msgrcv, libc::SYS_msgctl, libc::SYS_mq_open, libc::SYS_mq_unlink,
    libc::SYS_mq_timedsend, libc::SYS_mq_timedreceive, libc::SYS_mq_notify, libc::SYS_mq_getsetattr,
];

/// The older twins that only x86-64 has.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const ALLOWED_HERE: &[libc::c_long] = &[
    libc::SYS_open, libc::SYS_creat, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_getdents, libc::SYS_mkdir,
    libc::SYS_rmdir, libc::SYS_mknod, libc::SYS_unlink, libc::SYS_symlink, libc::SYS_link, libc::SYS_rename, libc::SYS_renameat,
    libc::SYS_readlink, libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown, libc::SYS_utime, libc::SYS_utimes, libc::SYS_futimesat,
    libc::SYS_dup2, libc::SYS_pipe, libc::SYS_poll, libc::SYS_select, libc::SYS_epoll_create, libc::SYS_epoll_wait,
    libc::SYS_eventfd, libc::SYS_signalfd, libc::SYS_inotify_init, libc::SYS_alarm, libc::SYS_pause, libc::SYS_time, libc::SYS_fork,
    libc::SYS_vfork, libc::SYS_getpgrp, libc::SYS_getrlimit, libc::SYS_setrlimit, libc::SYS_arch_prctl,
];
#[cfg(target_arch = "aarch64")]
const ALLOWED_HERE: &[libc::c_long] = &[libc::SYS_renameat];
#[cfg(target_arch = "riscv64")]
const ALLOWED_HERE: &[libc::c_long] = &[libc::SYS_riscv_flush_icache];

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel would.
    fn run(number: u32, architecture: u32, arguments: [u32; 3]) -> u32 {
        let program = compile();
        let (mut accumulator, mut at) = (0u32, 0usize);
        loop {
            let instruction = program[at];
            at += 1;
            let taken = match instruction.code {
                LOAD => {
                    accumulator = match instruction.operand {
                        OFFSET_NUMBER => number,
                        OFFSET_ARCHITECTURE => architecture,
                        offset => arguments[(offset as usize - 16) / 8],
                    };
                    continue;
                }
                RETURN => return instruction.operand,
                JUMP_EQUAL => accumulator == instruction.operand,
                JUMP_GREATER_EQUAL => accumulator >= instruction.operand,
                JUMP_ANY_BIT => accumulator & instruction.operand != 0,
                code => panic!("operation {code:#x}"),
            };
            at += usize::from(if taken { instruction.jump_true } else { instruction.jump_false });
        }
    }

    fn here(number: libc::c_long, arguments: [u32; 3]) -> u32 {
        run(number as u32, ARCHITECTURE, arguments)
    }

    const EPERM: u32 = RETURN_ERRNO | libc::EPERM as u32;

    #[test]
    fn the_search_finds_every_verdict() {
        for number in 0..=NUMBER_LAST {
            let expected = match judge(number) {
                Verdict::Allow => RETURN_ALLOW,
                Verdict::Refuse(errno) => RETURN_ERRNO | errno as u32,
                _ => continue,
            };
            assert_eq!(run(number, ARCHITECTURE, [0; 3]), expected, "system call {number}");
        }
    }

    #[test]
    fn foreign_and_unknown_calls() {
        assert_eq!(run(1, 0x4000_0003, [0; 3]), RETURN_KILL_PROCESS);
        assert_eq!(run(NUMBER_LAST + 1, ARCHITECTURE, [0; 3]), RETURN_ERRNO | libc::ENOSYS as u32);
        assert_eq!(here(libc::SYS_clone3, [0; 3]), RETURN_ERRNO | libc::ENOSYS as u32);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(run(X32_BIT | 1, ARCHITECTURE, [0; 3]), RETURN_KILL_PROCESS);
    }

    #[test]
    fn dangerous_calls_are_refused() {
        for number in [
            libc::SYS_ptrace,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_bpf,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            libc::SYS_userfaultfd,
            libc::SYS_keyctl,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_perf_event_open,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_open_by_handle_at,
            libc::SYS_kexec_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_move_mount,
            libc::SYS_open_tree,
            libc::SYS_fsopen,
            libc::SYS_mount_setattr,
            libc::SYS_syslog,
            libc::SYS_reboot,
            libc::SYS_swapon,
            libc::SYS_pidfd_getfd,
            libc::SYS_kcmp,
            libc::SYS_fanotify_init,
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
            libc::SYS_sethostname,
            libc::SYS_quotactl,
            libc::SYS_acct,
        ] {
            assert_eq!(here(number, [0; 3]), EPERM, "system call {number}");
        }
    }

    #[test]
    fn arguments_decide() {
        assert_eq!(here(libc::SYS_clone, [libc::SIGCHLD as u32, 0, 0]), RETURN_ALLOW);
        assert_eq!(here(libc::SYS_clone, [libc::CLONE_NEWUSER as u32, 0, 0]), EPERM);
        assert_eq!(here(libc::SYS_socket, [libc::AF_INET6 as u32, 1, 0]), RETURN_ALLOW);
        assert_eq!(here(libc::SYS_socket, [libc::AF_NETLINK as u32, 3, 0]), RETURN_ALLOW);
        let refused = RETURN_ERRNO | libc::EAFNOSUPPORT as u32;
        assert_eq!(here(libc::SYS_socket, [libc::AF_NETLINK as u32, 3, libc::NETLINK_NETFILTER as u32]), refused);
        for family in [libc::AF_PACKET, libc::AF_ALG, libc::AF_VSOCK] {
            assert_eq!(here(libc::SYS_socket, [family as u32, 3, 0]), refused);
        }
        assert_eq!(here(libc::SYS_ioctl, [1, libc::TIOCGWINSZ as u32, 0]), RETURN_ALLOW);
        assert_eq!(here(libc::SYS_ioctl, [1, libc::TIOCSTI as u32, 0]), EPERM);
        assert_eq!(here(libc::SYS_ioctl, [1, TIOCLINUX, 0]), EPERM);
        assert_eq!(here(libc::SYS_personality, [u32::MAX, 0, 0]), RETURN_ALLOW);
        assert_eq!(here(libc::SYS_personality, [0x0040_0000, 0, 0]), EPERM);
    }
}
