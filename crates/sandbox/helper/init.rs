//! The first process of a sandbox: reaps what is orphaned, tells how the runtime ended, hands on the signal to end.
//!
//! It begins as the process that confined itself (`spawner/child`); the runtime is its first child and so has number 2. Descriptor 5
//! is its report to the spawner; all others are closed. Whether the sandbox ends with the runtime is not decided here.

#![no_std]
#![no_main]
#![allow(unsafe_code)]
#![allow(clippy::missing_safety_doc, dead_code)]

#[path = "../src/spawner/child/orders.rs"]
mod orders;
#[path = "../src/spawner/child/sys.rs"]
mod sys;

use orders::{Failure, REPORT_CONFINED, REPORT_ENDED};
use sys::{call, newer, number};

const REPORT: usize = 5;
const RUNTIME: usize = 2;
const SIGTERM: usize = 15;
const SIGCHLD: usize = 17;
const PR_SET_DUMPABLE: usize = 4;
const SIG_BLOCK: usize = 0;
const WAIT_NO_HANG: usize = 1;
/// Where the sender's number is in a siginfo, in words of four bytes.
const SENDER: usize = 4;

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {serve}", "ud2", serve = sym serve);
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(".globl _start", "_start:", "bl {serve}", "brk #1", serve = sym serve);
#[cfg(target_arch = "riscv64")]
core::arch::global_asm!(".globl _start", "_start:", "call {serve}", "unimp", serve = sym serve);

extern "C" fn serve() -> ! {
    let signals: u64 = 1 << (SIGTERM - 1) | 1 << (SIGCHLD - 1);
    let set = &raw const signals as usize;
    let mut sender = [0u32; 32];
    // SAFETY: numbers, and a signal set of eight bytes.
    unsafe {
        let _ = call(newer::CLOSE_RANGE, [0, REPORT - 1, 0, 0, 0, 0]);
        let _ = call(newer::CLOSE_RANGE, [REPORT + 1, u32::MAX as usize, 0, 0, 0, 0]);
        // The sandbox's other processes have the same user: they shall not look into this one.
        let _ = call(number::PRCTL, [PR_SET_DUMPABLE, 0, 0, 0, 0, 0]);
        let _ = call(number::RT_SIGPROCMASK, [SIG_BLOCK, set, 0, 8, 0, 0]);
    }
    report(REPORT_CONFINED, 0);
    loop {
        reap();
        // SAFETY: a signal set, and room for a siginfo of 128 bytes.
        let arrived = unsafe { call(number::RT_SIGTIMEDWAIT, [set, sender.as_mut_ptr() as usize, 0, 8, 0, 0]) };
        // A sender outside of the namespace shows as 0: the spawner's word counts, a function's does not.
        if arrived == Ok(SIGTERM) && sender[SENDER] == 0 {
            // SAFETY: numbers.
            let _ = unsafe { call(number::KILL, [RUNTIME, SIGTERM, 0, 0, 0, 0]) };
        }
    }
}

/// Collects all that have ended.
fn reap() {
    loop {
        let mut status = 0i32;
        // SAFETY: room for a status.
        let ended = unsafe { call(number::WAIT4, [usize::MAX, &raw mut status as usize, WAIT_NO_HANG, 0, 0, 0]) };
        match ended {
            Ok(0) | Err(_) => return,
            Ok(RUNTIME) => report(REPORT_ENDED, status),
            Ok(_) => {}
        }
    }
}

fn report(what: u32, number: i32) {
    let report = Failure { step: what, errno: number };
    let bytes = &raw const report as usize;
    // SAFETY: eight plain bytes.
    let _ = unsafe { call(number::WRITE, [REPORT, bytes, size_of::<Failure>(), 0, 0, 0]) };
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    sys::exit(134)
}
