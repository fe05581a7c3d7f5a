//! The zygote's helper library: the half of `fork` that Python cannot do.
//!
//! A zygote is a Python process that the spawner started inside the mount template: root, single-threaded, no network,
//! its control socket on descriptor 3. It imports what functions are likely to need and then loads this library:
//!
//! ```python
//! library = ctypes.PyDLL(os.environ["UPDRAFT_ZYGOTE_LIBRARY"])   # PyDLL: calls keep the interpreter's lock
//! library.updraft_zygote_ready()                                  # after imports and gc.freeze(); 0, or -errno
//! while (who := library.updraft_zygote_fork()) == 0:              # waits for an order, forks, answers the spawner
//!     pass
//! if who < 0:                                                     # the spawner is gone: end
//!     os._exit(0)
//! # who > 0: a sandbox's runtime, the child of its init. Confined: own namespaces, user, seccomp; cwd "/".
//! # who == 2: it has its code, so somebody waits for it; else it is to be parked.
//! # descriptor 0 /dev/null, 1 and 2 the output pipe, 3 the frames channel, 4 the telemetry log. Nothing else is open.
//! ```
//!
//! `updraft_zygote_fork` calls `PyOS_BeforeFork`, clones, and `PyOS_AfterFork_Parent` or `PyOS_AfterFork_Child`, so hooks
//! registered with `os.register_at_fork` run (in the child after it is confined). The zygote must not own threads and must
//! not use descriptors 3-15 for itself.

#![no_std]
// A zygote's every act is a system call, and Python calls in by C's convention.
#![allow(unsafe_code)]
#![allow(clippy::missing_safety_doc, dead_code)]

#[path = "../src/spawner/child/mod.rs"]
mod child;
#[cfg(target_arch = "x86_64")]
mod image;

use core::cell::UnsafeCell;

use child::{
    orders::{DESCRIPTORS_MAX, Fixed, MESSAGE_FIXED, MESSAGE_ORDERS, Orders, ZygoteSays},
    sys::{self, CloneArgs, call, clone, newer, number},
};

unsafe extern "C" {
    fn PyOS_BeforeFork();
    fn PyOS_AfterFork_Parent();
    fn PyOS_AfterFork_Child();
}

const CONTROL: usize = 3;
/// Descriptors below this are kept occupied, so that a child can place its own ones without losing any.
const LOW_DESCRIPTORS: usize = 16;
const EIO: i32 = 5;
const EINTR: i32 = 4;
const SIGCHLD: u64 = 17;

/// What came so far. A zygote has one thread, which holds Python's lock during every call.
struct Memory(UnsafeCell<State>);

// SAFETY: as above: there is never a second thread.
unsafe impl Sync for Memory {}

struct State {
    /// Where the kernel stores the thread's number for the C library (0: unknown).
    thread_number: u64,
    /// Drawn once; children of one zygote have one layout, and know each other by this.
    birth: [u64; 2],
    fixed: [u64; size_of::<Fixed>() / 8],
    orders: [u64; size_of::<Orders>() / 8],
}

static MEMORY: Memory = Memory(UnsafeCell::new(State {
    thread_number: 0,
    birth: [0; 2],
    fixed: [0; size_of::<Fixed>() / 8],
    orders: [0; size_of::<Orders>() / 8],
}));

/// Tells the spawner that the zygote has booted.
#[unsafe(no_mangle)]
pub extern "C" fn updraft_zygote_ready() -> i32 {
    const PR_GET_TID_ADDRESS: usize = 40;
    // SAFETY: one thread, no other borrow.
    let state = unsafe { &mut *MEMORY.0.get() };
    // SAFETY: the kernel stores one pointer into `thread_number`.
    let _ = unsafe { call(number::PRCTL, [PR_GET_TID_ADDRESS, &raw mut state.thread_number as usize, 0, 0, 0, 0]) };
    // SAFETY: the kernel writes sixteen bytes.
    let _ = unsafe { call(number::GETRANDOM, [state.birth.as_mut_ptr() as usize, 16, 0, 0, 0, 0]) };
    match occupy_low_descriptors().and_then(|()| say(0, None)) {
        Ok(()) => 0,
        Err(errno) => -errno,
    }
}

/// Waits for one order and carries it out. 0: in the zygote, 1: in the confined child, 2: in one that has its
/// function's code, negative: no more orders.
#[unsafe(no_mangle)]
pub extern "C" fn updraft_zygote_fork() -> i32 {
    // SAFETY: one thread, no other borrow.
    let state = unsafe { &mut *MEMORY.0.get() };
    let mut received = Received { numbers: [-1; DESCRIPTORS_MAX], length: 0 };
    match receive(state, &mut received) {
        Err(errno) => return -errno,
        Ok(MESSAGE_FIXED) => return 0,
        Ok(_) => {}
    }
    // SAFETY: `receive` has filled all of it with an Orders of this very build.
    let orders = unsafe { &mut *state.orders.as_mut_ptr().cast::<Orders>() };
    for descriptor in orders.descriptors.each().filter(|descriptor| **descriptor >= 0) {
        *descriptor = received.numbers.get(*descriptor as usize).copied().unwrap_or(-1);
    }
    // SAFETY: as above; the spawner sends Fixed before any order.
    let fixed = unsafe { &*state.fixed.as_ptr().cast::<Fixed>() };
    // SAFETY: Python's lock is held: the library is loaded as a PyDLL.
    unsafe { PyOS_BeforeFork() };
    let number = state.thread_number;
    let mut pidfd: i32 = -1;
    match clone_child(orders, &mut pidfd) {
        Ok(0) => {
            if let Err(failure) = child::confine(fixed, orders) {
                child::report(orders, failure);
                sys::exit(127);
            }
            // SAFETY: one thread, and no handler of Python's for a signal that anybody could send by now.
            if let Err(failure) = unsafe { child::leave_init_behind(thread_flags(number), number) } {
                child::report(orders, failure);
                sys::exit(127);
            }
            // SAFETY: as above, in the child.
            unsafe { PyOS_AfterFork_Child() };
            if orders.descriptors.task >= 0 { 2 } else { 1 }
        }
        answer => {
            // SAFETY: as above, in the zygote.
            unsafe { PyOS_AfterFork_Parent() };
            received.close();
            let said = match answer {
                Ok(pid) => say(pid as i64, Some(pidfd)),
                Err(errno) => say(-i64::from(errno), None),
            };
            close(pidfd);
            said.map_or_else(|errno| -errno, |()| 0)
        }
    }
}

/// The C library of the child that goes on as the runtime must learn its new number.
fn thread_flags(thread_number: u64) -> u64 {
    if thread_number == 0 { 0 } else { clone::CHILD_SETTID | clone::CHILD_CLEARTID }
}

/// The first process. The thread's number stays the zygote's in it: what is to be cleared when it executes init would by then
/// be the runtime's.
fn clone_child(orders: &Orders, pidfd: &mut i32) -> sys::Answer {
    let mut args = CloneArgs {
        // A child of the zygote's parent: the spawner reaps it, and outlives the zygote.
        flags: clone::NEWPID | clone::NEWIPC | clone::NEWUTS | clone::PARENT | clone::PIDFD,
        pidfd: &raw mut *pidfd as u64,
        ..CloneArgs::default()
    };
    if orders.descriptors.cgroup >= 0 {
        args.flags |= clone::INTO_CGROUP;
        args.cgroup = orders.descriptors.cgroup as u64;
    }
    // SAFETY: a struct clone_args; without CLONE_VM the child has its own copy of everything.
    unsafe { call(newer::CLONE3, [&raw const args as usize, size_of::<CloneArgs>(), 0, 0, 0, 0]) }
}

struct Received {
    numbers: [i32; DESCRIPTORS_MAX],
    length: usize,
}

impl Received {
    fn close(&self) {
        self.numbers[..self.length].iter().for_each(|number| close(*number));
    }
}

#[repr(C)]
struct Part {
    base: usize,
    length: usize,
}

#[repr(C)]
struct Message {
    name: usize,
    name_length: usize,
    parts: usize,
    parts_length: usize,
    control: usize,
    control_length: usize,
    flags: usize,
}

#[repr(C)]
struct Rights {
    length: usize,
    level: i32,
    kind: i32,
    numbers: [i32; DESCRIPTORS_MAX],
}

const RIGHTS_HEADER: usize = 16;
const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;

/// Receives one message into the state; its kind.
fn receive(state: &mut State, received: &mut Received) -> Result<u64, i32> {
    const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
    let mut buffer = [0u64; size_of::<Fixed>() / 8];
    let mut rights = Rights { length: 0, level: 0, kind: 0, numbers: [-1; DESCRIPTORS_MAX] };
    let length = loop {
        let mut part = Part { base: buffer.as_mut_ptr() as usize, length: size_of_val(&buffer) };
        let mut message = Message {
            name: 0,
            name_length: 0,
            parts: &raw mut part as usize,
            parts_length: 1,
            control: &raw mut rights as usize,
            control_length: size_of::<Rights>(),
            flags: 0,
        };
        // SAFETY: a struct msghdr over a buffer and a control buffer of the stated sizes.
        match unsafe { call(number::RECVMSG, [CONTROL, &raw mut message as usize, MSG_CMSG_CLOEXEC, 0, 0, 0]) } {
            Err(EINTR) => {}
            length => break length?,
        }
    };
    if rights.level == SOL_SOCKET && rights.kind == SCM_RIGHTS && rights.length > RIGHTS_HEADER {
        received.numbers = rights.numbers;
        received.length = (rights.length - RIGHTS_HEADER) / size_of::<i32>();
    }
    match (buffer[0], length) {
        (MESSAGE_FIXED, length) if length == size_of_val(&state.fixed) => state.fixed = buffer,
        (MESSAGE_ORDERS, length) if length == size_of_val(&state.orders) => {
            let words = state.orders.len();
            state.orders.copy_from_slice(&buffer[..words]);
        }
        _ => return Err(EIO),
    }
    Ok(buffer[0])
}

/// See [`State`].
#[cfg(target_arch = "x86_64")]
fn birth() -> [u64; 2] {
    // SAFETY: one thread, no other borrow.
    unsafe { (*MEMORY.0.get()).birth }
}

/// A sandbox's side: one byte of descriptor 3, and the descriptor that comes with it.
#[cfg(target_arch = "x86_64")]
fn receive_one_descriptor() -> Result<i32, i32> {
    const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
    let mut byte = 0u8;
    let mut rights = Rights { length: 0, level: 0, kind: 0, numbers: [-1; DESCRIPTORS_MAX] };
    let mut part = Part { base: &raw mut byte as usize, length: 1 };
    let mut message = Message {
        name: 0,
        name_length: 0,
        parts: &raw mut part as usize,
        parts_length: 1,
        control: &raw mut rights as usize,
        control_length: size_of::<Rights>(),
        flags: 0,
    };
    // SAFETY: a struct msghdr over one byte and a control buffer of the stated size.
    let length = unsafe { call(number::RECVMSG, [CONTROL, &raw mut message as usize, MSG_CMSG_CLOEXEC, 0, 0, 0]) }?;
    if length != 1 || rights.level != SOL_SOCKET || rights.kind != SCM_RIGHTS || rights.numbers[0] < 0 {
        return Err(EIO);
    }
    Ok(rights.numbers[0])
}

/// Tells the spawner of a child (or of none, having booted).
fn say(pid: i64, pidfd: Option<i32>) -> Result<(), i32> {
    const MSG_NOSIGNAL: usize = 0x4000;
    let said = ZygoteSays { pid };
    let mut rights = Rights {
        length: RIGHTS_HEADER + size_of::<i32>(),
        level: SOL_SOCKET,
        kind: SCM_RIGHTS,
        numbers: [pidfd.unwrap_or(-1); DESCRIPTORS_MAX],
    };
    let part = Part { base: &raw const said as usize, length: size_of::<ZygoteSays>() };
    let message = Message {
        name: 0,
        name_length: 0,
        parts: &raw const part as usize,
        parts_length: 1,
        control: if pidfd.is_some() { &raw mut rights as usize } else { 0 },
        // One number, and what aligns it.
        control_length: if pidfd.is_some() { RIGHTS_HEADER + 8 } else { 0 },
        flags: 0,
    };
    // SAFETY: a struct msghdr over buffers of the stated sizes.
    unsafe { call(number::SENDMSG, [CONTROL, &raw const message as usize, MSG_NOSIGNAL, 0, 0, 0]) }.map(|_| ())
}

/// Duplicates `/dev/null` over every free low number but the standard ones.
fn occupy_low_descriptors() -> Result<(), i32> {
    const F_GETFD: usize = 1;
    const CLOSE_ON_EXEC: usize = 0o2000000;
    for descriptor in CONTROL + 1..LOW_DESCRIPTORS {
        // SAFETY: numbers only.
        unsafe {
            if call(number::FCNTL, [descriptor, F_GETFD, 0, 0, 0, 0]).is_err() {
                call(number::DUP3, [0, descriptor, CLOSE_ON_EXEC, 0, 0, 0])?;
            }
        }
    }
    Ok(())
}

fn close(descriptor: i32) {
    // SAFETY: a number.
    let _ = unsafe { call(number::CLOSE, [descriptor as usize, 0, 0, 0, 0, 0]) };
}

/// The core library was compiled for unwinding and names this; with `panic=abort` nobody calls it.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    sys::exit(134)
}

