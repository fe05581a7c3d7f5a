//! System calls, raw: for code that runs between a fork and its exec, and inside the zygote's helper library, where
//! there is no libc of ours to call. Only what `child` and the spawner's clone need.

use core::arch::asm;

/// What a system call answers: its value, or the error number.
pub type Answer = Result<usize, i32>;

#[cfg(target_arch = "x86_64")]
#[allow(missing_docs)]
pub mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const MMAP: usize = 9;
    pub const MUNMAP: usize = 11;
    pub const BRK: usize = 12;
    pub const RT_SIGACTION: usize = 13;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const PREAD64: usize = 17;
    pub const PWRITE64: usize = 18;
    pub const SENDMSG: usize = 46;
    pub const RECVMSG: usize = 47;
    pub const EXECVE: usize = 59;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const FCNTL: usize = 72;
    pub const CHDIR: usize = 80;
    pub const PIVOT_ROOT: usize = 155;
    pub const CHROOT: usize = 161;
    pub const UMOUNT2: usize = 166;
    pub const UMASK: usize = 95;
    pub const SETGROUPS: usize = 116;
    pub const SETRESUID: usize = 117;
    pub const SETRESGID: usize = 119;
    pub const CAPSET: usize = 126;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const PRCTL: usize = 157;
    pub const MOUNT: usize = 165;
    pub const SETHOSTNAME: usize = 170;
    pub const EXIT_GROUP: usize = 231;
    pub const GETRANDOM: usize = 318;
    pub const OPENAT: usize = 257;
    pub const UNSHARE: usize = 272;
    pub const DUP3: usize = 292;
    pub const PRLIMIT64: usize = 302;
    pub const SETNS: usize = 308;
    pub const SECCOMP: usize = 317;
}

// The table that every architecture since 2010 shares.
#[cfg(not(target_arch = "x86_64"))]
#[allow(missing_docs)]
pub mod number {
    pub const DUP3: usize = 24;
    pub const FCNTL: usize = 25;
    pub const UMOUNT2: usize = 39;
    pub const MOUNT: usize = 40;
    pub const PIVOT_ROOT: usize = 41;
    pub const CHDIR: usize = 49;
    pub const CHROOT: usize = 51;
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const WRITE: usize = 64;
    pub const CAPSET: usize = 91;
    pub const EXIT_GROUP: usize = 94;
    pub const GETRANDOM: usize = 278;
    pub const UNSHARE: usize = 97;
    pub const KILL: usize = 129;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const SETRESUID: usize = 147;
    pub const SETRESGID: usize = 149;
    pub const SETGROUPS: usize = 159;
    pub const SETHOSTNAME: usize = 161;
    pub const UMASK: usize = 166;
    pub const PRCTL: usize = 167;
    pub const SENDMSG: usize = 211;
    pub const RECVMSG: usize = 212;
    pub const EXECVE: usize = 221;
    pub const WAIT4: usize = 260;
    pub const PRLIMIT64: usize = 261;
    pub const SETNS: usize = 268;
    pub const SECCOMP: usize = 277;
}

// From 424 on the numbers are the same everywhere.
#[allow(missing_docs)]
pub mod newer {
    pub const OPEN_TREE: usize = 428;
    pub const MOVE_MOUNT: usize = 429;
    pub const CLONE3: usize = 435;
    pub const CLOSE_RANGE: usize = 436;
    pub const MOUNT_SETATTR: usize = 442;
    pub const LANDLOCK_CREATE_RULESET: usize = 444;
    pub const LANDLOCK_ADD_RULE: usize = 445;
    pub const LANDLOCK_RESTRICT_SELF: usize = 446;
}

/// Calls the kernel.
///
/// # Safety
/// The arguments must be what system call `number` asks for: pointers valid for what it reads and writes.
#[inline]
pub unsafe fn call(number: usize, args: [usize; 6]) -> Answer {
    let answer: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the x86-64 Linux convention; the caller vouches for the arguments.
    unsafe {
        asm!("syscall", inlateout("rax") number => answer, in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
             in("r10") args[3], in("r8") args[4], in("r9") args[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the arm64 Linux convention; the caller vouches for the arguments.
    unsafe {
        asm!("svc #0", in("x8") number, inlateout("x0") args[0] => answer, in("x1") args[1], in("x2") args[2],
             in("x3") args[3], in("x4") args[4], in("x5") args[5], options(nostack));
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: the RISC-V Linux convention; the caller vouches for the arguments.
    unsafe {
        asm!("ecall", in("a7") number, inlateout("a0") args[0] => answer, in("a1") args[1], in("a2") args[2],
             in("a3") args[3], in("a4") args[4], in("a5") args[5], options(nostack));
    }
    if answer < 0 { Err(-answer as i32) } else { Ok(answer as usize) }
}

/// Arguments of `clone3`, as the kernel lays them out.
#[repr(C)]
#[derive(Default, Clone, Copy)]
#[allow(missing_docs)]
pub struct CloneArgs {
    pub flags: u64,
    pub pidfd: u64,
    pub child_tid: u64,
    pub parent_tid: u64,
    pub exit_signal: u64,
    pub stack: u64,
    pub stack_size: u64,
    pub tls: u64,
    pub set_tid: u64,
    pub set_tid_size: u64,
    pub cgroup: u64,
}

/// Namespace and other clone flags.
#[allow(missing_docs)]
pub mod clone {
    pub const NEWNS: u64 = 0x0002_0000;
    pub const NEWCGROUP: u64 = 0x0200_0000;
    pub const NEWUTS: u64 = 0x0400_0000;
    pub const NEWIPC: u64 = 0x0800_0000;
    pub const NEWUSER: u64 = 0x1000_0000;
    pub const NEWPID: u64 = 0x2000_0000;
    pub const NEWNET: u64 = 0x4000_0000;
    pub const VM: u64 = 0x100;
    pub const PIDFD: u64 = 0x1000;
    pub const VFORK: u64 = 0x4000;
    pub const PARENT: u64 = 0x8000;
    pub const CHILD_CLEARTID: u64 = 0x0020_0000;
    pub const CHILD_SETTID: u64 = 0x0100_0000;
    pub const INTO_CGROUP: u64 = 0x2_0000_0000;
}

/// Whether [`spawn`] shares memory with its child here (no page tables are copied).
pub const SHARES_MEMORY: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// Clones a child that runs `entry(argument)`, as `vfork` does: the caller sleeps until the child has called exec or
/// exited. Returns the child's pid.
///
/// # Safety
/// The child shares the caller's memory (where [`SHARES_MEMORY`]) and runs on the caller's stack below its frame, so the
/// process must have one thread, and `entry` must never return and must leave what the caller relies on as it was.
#[inline(never)]
pub unsafe fn spawn(mut args: CloneArgs, entry: unsafe extern "C" fn(*mut u8) -> !, argument: *mut u8) -> Answer {
    args.flags |= clone::VFORK;
    if SHARES_MEMORY {
        args.flags |= clone::VM;
    }
    let size = core::mem::size_of::<CloneArgs>();
    let answer: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: in the child the call pushes only below the caller's stack pointer, and never comes back; in the caller,
    // which the kernel wakes after that, this is an ordinary system call. No `nostack`: nothing lives below the pointer.
    unsafe {
        asm!("syscall", "test rax, rax", "jnz 2f", "and rsp, -16", "mov rdi, r12", "call r13", "ud2", "2:",
             inlateout("rax") newer::CLONE3 => answer, in("rdi") &raw const args, in("rsi") size,
             in("r12") argument, in("r13") entry, lateout("rcx") _, lateout("r11") _);
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above; the stack pointer is always 16-byte aligned on arm64.
    unsafe {
        asm!("svc #0", "cbnz x0, 2f", "mov x0, x20", "blr x21", "brk #1", "2:",
             in("x8") newer::CLONE3, inlateout("x0") &raw const args => answer, in("x1") size,
             in("x20") argument, in("x21") entry);
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        // SAFETY: without CLONE_VM the child has its own copy of everything.
        match unsafe { call(newer::CLONE3, [&raw const args as usize, size, 0, 0, 0, 0]) } {
            // SAFETY: this is the child.
            Ok(0) => unsafe { entry(argument) },
            Ok(pid) => answer = pid as isize,
            Err(errno) => answer = -(errno as isize),
        }
    }
    if answer < 0 { Err(-answer as i32) } else { Ok(answer as usize) }
}

/// A program that a process becomes while its child goes on in its memory: nothing of it may lie on the stack.
#[repr(C)]
pub struct Becomes {
    path: *const u8,
    argv: [*const u8; 2],
    env: [*const u8; 1],
}

// SAFETY: the pointers are to literals, which nobody writes to.
unsafe impl Sync for Becomes {}

impl Becomes {
    /// A program without arguments and environment.
    pub const fn new(path: &'static core::ffi::CStr) -> Becomes {
        let path = path.as_ptr().cast();
        Becomes { path, argv: [path, core::ptr::null()], env: [core::ptr::null()] }
    }
}

/// Splits the calling process: a child goes on from here, with the caller's memory and on its stack, and the caller
/// executes `becomes`. Answers 0, in the child; only an error comes back in the caller. `flags` are `clone`'s: with
/// [`clone::VFORK`] the caller waits until the child has executed a program of its own or ended, without it the caller is
/// gone within microseconds and leaves the memory to the child. `thread_number`: where the kernel keeps the child's number,
/// if the flags say so.
///
/// # Safety
/// The process must have one thread and no signal handler that could run now; with VFORK, whoever shares the memory
/// must be asleep until `becomes` runs. Between clone and exec the caller touches registers only, never the stack.
#[inline(never)]
pub unsafe fn split(flags: u64, thread_number: u64, becomes: &'static Becomes) -> Answer {
    let flags = (flags | clone::VM) as usize | SIGCHLD;
    let number = thread_number as usize;
    let (path, argv, env) = (becomes.path, becomes.argv.as_ptr(), becomes.env.as_ptr());
    let answer: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: clone with the caller's stack: child and caller never use it at the same time, as said above. What follows
    // in the caller is two system calls on static memory that do not come back.
    unsafe {
        asm!("syscall", "test rax, rax", "jle 2f",
             "mov rdi, r12", "mov rsi, r13", "mov rdx, r14", "mov eax, 59", "syscall",
             "mov edi, 127", "mov eax, 231", "syscall", "ud2", "2:",
             inlateout("rax") 56usize => answer, in("rdi") flags, in("rsi") 0usize, in("rdx") 0usize,
             in("r10") number, in("r8") 0usize, in("r12") path, in("r13") argv, in("r14") env,
             lateout("rcx") _, lateout("r11") _);
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!("svc #0", "cmp x0, #0", "b.le 2f",
             "mov x0, x20", "mov x1, x21", "mov x2, x22", "mov x8, #221", "svc #0",
             "mov x0, #127", "mov x8, #94", "svc #0", "brk #1", "2:",
             in("x8") 220usize, inlateout("x0") flags => answer, in("x1") 0usize, in("x2") 0usize,
             in("x3") 0usize, in("x4") number, in("x20") path, in("x21") argv, in("x22") env);
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: as above.
    unsafe {
        asm!("ecall", "blez a0, 2f",
             "mv a0, s2", "mv a1, s3", "mv a2, s4", "li a7, 221", "ecall",
             "li a0, 127", "li a7, 94", "ecall", "unimp", "2:",
             in("a7") 220usize, inlateout("a0") flags => answer, in("a1") 0usize, in("a2") 0usize,
             in("a3") 0usize, in("a4") number, in("s2") path, in("s3") argv, in("s4") env);
    }
    if answer < 0 { Err(-answer as i32) } else { Ok(answer as usize) }
}

const SIGCHLD: usize = 17;

/// Ends the process.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: exit_group takes a number and does not return.
        let _ = unsafe { call(number::EXIT_GROUP, [status as usize, 0, 0, 0, 0, 0]) };
    }
}
