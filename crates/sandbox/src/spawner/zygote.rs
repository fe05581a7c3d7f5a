//! The spawner's hold of one zygote: starts it, sends it orders, hears of its children.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use super::{
    child::orders::{Fixed, Orders, ZygoteSays},
    launch::{self, Launcher, Program},
    plan::{SlotId, ZygotePlan},
    protocol,
    template::ZYGOTE_LIBRARY,
};
use crate::cgroup::{Entry, Group};

/// A child that was ordered and is not born yet.
pub(super) struct Birth {
    pub(super) ticket: u64,
    pub(super) id: SlotId,
}

/// A running zygote.
pub(super) struct Zygote {
    pub(super) plan: ZygotePlan,
    pub(super) pidfd: OwnedFd,
    pub(super) control: OwnedFd,
    pub(super) booted: bool,
    pub(super) group: Option<Group>,
    /// In the order in which they were ordered, which is the order of the answers.
    pub(super) births: VecDeque<Birth>,
}

/// What a zygote said.
pub(super) enum News {
    Booted,
    Born(OwnedFd),
    /// The clone failed with this error number.
    Refused(i32),
}

impl Zygote {
    pub(super) fn start(plan: ZygotePlan, launcher: &Launcher, group: Option<Group>) -> io::Result<Zygote> {
        let (control, theirs) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::SEQPACKET,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )?;
        let mut env = plan.env.clone();
        env.push(std::ffi::CString::new(format!("UPDRAFT_ZYGOTE_LIBRARY={ZYGOTE_LIBRARY}"))?);
        let program = Program::new(plan.argv.clone(), env)?;
        let mut orders = launch::blank_orders();
        orders.descriptors.template = launcher.template.as_raw_fd();
        orders.descriptors.null = launcher.null.as_raw_fd();
        orders.descriptors.channel = theirs.as_raw_fd();
        let entry = group.as_ref().map(Group::entry).transpose()?;
        join(&mut orders, entry.as_ref());
        let pidfd = launcher.zygote(&orders, &program).map_err(|failure| {
            io::Error::other(format!("{}: {}", failure.words(), io::Error::from_raw_os_error(failure.errno)))
        })?;
        protocol::send(&control, bytes_of::<Fixed>(&launcher.fixed), &[])?;
        Ok(Zygote { plan, pidfd, control, booted: false, group, births: VecDeque::new() })
    }

    /// Orders a child. The descriptors in `orders` are this process's.
    pub(super) fn order(&mut self, orders: &Orders, birth: Birth) -> io::Result<()> {
        let mut orders = *orders;
        let mut numbers = Vec::new();
        for descriptor in orders.descriptors.each().filter(|descriptor| **descriptor >= 0) {
            numbers.push(*descriptor);
            *descriptor = numbers.len() as i32 - 1;
        }
        // SAFETY: the caller of this function holds all descriptors named in its orders.
        let borrowed: Vec<BorrowedFd<'_>> =
            numbers.iter().map(|number| unsafe { BorrowedFd::borrow_raw(*number) }).collect();
        protocol::send(&self.control, bytes_of(&orders), &borrowed)?;
        self.births.push_back(birth);
        Ok(())
    }

    /// Reads one message; none when there is none, an error when the zygote has closed its end.
    pub(super) fn hear(&self) -> io::Result<Option<News>> {
        let mut buffer = [0u8; size_of::<ZygoteSays>()];
        let (length, mut descriptors) = match protocol::receive(self.control.as_fd(), &mut buffer, false) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            received => received?,
        };
        if length != buffer.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(match (i64::from_ne_bytes(buffer), descriptors.pop()) {
            (0, _) => News::Booted,
            (pid, Some(pidfd)) if pid > 0 => News::Born(pidfd),
            (pid, _) => News::Refused(-pid as i32),
        }))
    }
}

/// Writes into the orders how the child joins its cgroup.
pub(super) fn join(orders: &mut Orders, entry: Option<&Entry>) {
    match entry {
        Some(Entry::Tasks(files)) => {
            for (place, file) in orders.descriptors.groups.iter_mut().zip(files) {
                *place = file.as_raw_fd();
            }
        }
        Some(Entry::Directory(directory)) => orders.descriptors.cgroup = directory.as_raw_fd(),
        Some(Entry::Nothing) | None => {}
    }
}

/// A plain structure as it lies in memory, for the library that is of the same build.
fn bytes_of<T: Copy>(value: &T) -> &[u8] {
    // SAFETY: as many bytes as the value has; Orders and Fixed are repr(C) without
    // padding, so every byte is initialized.
    unsafe { std::slice::from_raw_parts((&raw const *value).cast(), size_of::<T>()) }
}
