//! Whose turn it is on a busy processor: the server's threads before functions that serve, and those before sandboxes that boot.
//!
//! Nobody gets more of the processor by it. Linux (6.12 and later) lets a thread choose how much it runs at a stretch, and who
//! wakes up with less to do interrupts who has more, if it is within its share. By default all have the same, and then whoever
//! wakes up waits for the next tick of the clock, which are 4 ms on common kernels: while a thousand sandboxes boot, a request
//! of 0.1 ms to a warm one would take 5. Older kernels ignore it.

use std::io;

/// What a thread runs at a stretch; the kernel takes 0.1 to 100 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The server: some microseconds for each request, for which many wait.
    First,
    /// A function that has come through its init.
    Second,
    /// All others, the spawner and what boots: the kernel's default.
    Last,
}

impl Turn {
    fn slice_ns(self) -> u64 {
        match self {
            Turn::First => 100_000,
            Turn::Second => 200_000,
            // The kernel's way to say: as if nobody had chosen.
            Turn::Last => 0,
        }
    }
}

/// `struct sched_attr`, its first version: what later ones add stays as it is.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

const SIZE: u32 = size_of::<Attributes>() as u32;

/// For a thread, or for the calling one if it is 0, and for what it starts from now on. Its priority stays. A thread that
/// chose a real-time policy is left alone.
#[expect(unsafe_code, reason = "a system call that no crate has")]
pub fn take(thread: i32, turn: Turn) -> io::Result<()> {
    const SCHED_BATCH: u32 = 3;
    let mut attributes = Attributes { size: SIZE, ..Attributes::default() };
    // SAFETY: a struct of the size that is told, to be filled.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, thread, &raw mut attributes, SIZE, 0) };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    if attributes.policy != 0 && attributes.policy != SCHED_BATCH {
        return Ok(());
    }
    attributes.size = SIZE;
    attributes.runtime = turn.slice_ns();
    // SAFETY: as above, to be read.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, thread, &raw const attributes, 0) };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In nanoseconds, as the kernel tells it; 0 on kernels before 6.12, which have none.
    #[expect(unsafe_code, reason = "as above")]
    fn slice() -> u64 {
        let mut attributes = Attributes { size: SIZE, ..Attributes::default() };
        // SAFETY: a struct of the size that is told, to be filled.
        let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
        assert_eq!((got, attributes.policy), (0, 0));
        attributes.runtime
    }

    #[test]
    fn a_thread_chooses_its_turn_and_those_it_starts_inherit_it() {
        // A thread of its own: what it chooses is nobody else's.
        let chosen = std::thread::spawn(|| {
            let before = slice();
            take(0, Turn::First).unwrap();
            let inherited = std::thread::spawn(slice).join().unwrap();
            let first = slice();
            take(0, Turn::Second).unwrap();
            let second = slice();
            take(0, Turn::Last).unwrap();
            (before, first, inherited, second, slice())
        });
        let (before, first, inherited, second, last) = chosen.join().unwrap();
        assert_eq!((inherited, last), (first, before));
        assert!(before == 0 || (first, second) == (100_000, 200_000), "{before} {first} {second}");
    }
}
