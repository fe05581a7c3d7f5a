//! The spawner's own privileges: few, and none that a child could win back.
//!
//! The bounding set is emptied once, here, so that a sandbox need not spend 41 system calls on it; what zygotes and `nft`
//! keep over their exec travels in the inheritable set.

use std::io;

/// `CAP_CHOWN`, `DAC_OVERRIDE`, `DAC_READ_SEARCH`, `KILL`, `SETGID`, `SETUID`, `SETPCAP`, `NET_BIND_SERVICE`,
/// `NET_ADMIN`, `NET_RAW`, `SYS_CHROOT`, `SYS_PTRACE` (to enter a sandbox's mount namespace), `SYS_ADMIN`, `SYS_NICE`
/// (to choose the turns of functions).
const KEPT: [u32; 14] = [0, 1, 2, 5, 6, 7, 8, 10, 12, 13, 18, 19, 21, 23];
/// What a zygote needs to confine its children: `SETGID`, `SETUID`, `SYS_CHROOT`, `SYS_ADMIN`, `DAC_OVERRIDE`.
const ZYGOTE: [u32; 5] = [1, 6, 7, 18, 21];
const SYS_ADMIN: u32 = 21;
const VERSION_3: u32 = 0x2008_0522;

type Sets = [u32; 6];

/// Whether this process may make namespaces.
pub(super) fn has_admin() -> bool {
    get().is_ok_and(|sets| sets[0] & (1 << SYS_ADMIN) != 0)
}

/// Keeps the few, makes them inheritable, empties the bounding set.
pub(super) fn restrict_self() -> io::Result<()> {
    let present = get()?;
    let kept = KEPT.iter().fold(0u32, |set, number| set | 1 << number) & present[1];
    // SETPCAP is still effective here, so the inheritable set may grow.
    set(&[kept, kept, kept, 0, 0, 0])?;
    for number in 0.. {
        // SAFETY: numbers only.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) } < 0 {
            break;
        }
    }
    Ok(())
}

/// In a zygote, before its exec: lets the needed ones survive it, whatever the user id.
pub(super) fn keep_over_exec() -> Result<(), i32> {
    for number in ZYGOTE {
        // SAFETY: numbers only.
        let raised = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, number, 0, 0) };
        if raised < 0 {
            return Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EPERM));
        }
    }
    Ok(())
}

fn get() -> io::Result<Sets> {
    let header = [VERSION_3, 0];
    let mut sets: Sets = [0; 6];
    // SAFETY: a header and two triples, as version 3 asks.
    let answer = unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(sets) }
}

/// Order of the words: effective, permitted, inheritable of the low 32, then of the high 32.
fn set(sets: &Sets) -> io::Result<()> {
    let header = [VERSION_3, 0];
    // SAFETY: a header and two triples, as version 3 asks.
    let answer = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
