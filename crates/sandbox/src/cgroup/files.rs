//! Small reads and writes in a control-group directory, relative to a directory that stays open.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, unlinkat};

use super::PATIENCE;

/// Longest file we read here (`memory.stat` is not among them; `cgroup.procs` of a full group fits).
const FILE_BYTES_MAX: usize = 64 * 1024;

/// A directory of control groups, open for as long as the server lives.
#[derive(Debug)]
pub(super) struct Base {
    fd: OwnedFd,
}

impl Base {
    /// Opens, making it and its parents if need be.
    pub(super) fn make(path: &std::path::Path) -> io::Result<Base> {
        std::fs::create_dir_all(path).map_err(|error| named(&path.display().to_string(), error))?;
        Base::open(path)
    }

    pub(super) fn open(path: &std::path::Path) -> io::Result<Base> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Base { fd: rustix::fs::open(path, flags, Mode::empty())? })
    }

    pub(super) fn mkdir(&self, name: &str) -> io::Result<()> {
        rustix::fs::mkdirat(&self.fd, name, Mode::from(0o755)).map_err(|error| named(name, error.into()))
    }

    /// The group's directory itself.
    pub(super) fn directory(&self, group: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        openat(&self.fd, group, flags, Mode::empty()).map_err(|error| named(group, error.into()))
    }

    pub(super) fn open_read(&self, group: &str, file: &str) -> io::Result<OwnedFd> {
        let path = format!("{group}/{file}");
        openat(&self.fd, &path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| named(&path, error.into()))
    }

    pub(super) fn open_write(&self, group: &str, file: &str) -> io::Result<OwnedFd> {
        let path = format!("{group}/{file}");
        openat(&self.fd, &path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| named(&path, error.into()))
    }

    pub(super) fn write(&self, group: &str, file: &str, value: impl ToString) -> io::Result<()> {
        let fd = self.open_write(group, file)?;
        let value = value.to_string();
        match rustix::io::write(&fd, value.as_bytes()) {
            Ok(_) => Ok(()),
            Err(error) => Err(named(&format!("{group}/{file} = {value}"), error.into())),
        }
    }

    /// Like [`Base::write`], but a file this kernel does not have is `Ok(false)`.
    pub(super) fn write_if_there(&self, group: &str, file: &str, value: impl ToString) -> io::Result<bool> {
        match self.write(group, file, value) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn read(&self, group: &str, file: &str) -> io::Result<String> {
        let fd = self.open_read(group, file)?;
        let mut text = Vec::with_capacity(256);
        let mut part = [0u8; 4096];
        while text.len() < FILE_BYTES_MAX {
            match rustix::io::read(&fd, &mut part)? {
                0 => break,
                count => text.extend_from_slice(&part[..count]),
            }
        }
        String::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// A file that holds one number; a file this kernel does not have reads as none.
    pub(super) fn number(&self, group: &str, file: &str) -> io::Result<Option<u64>> {
        match self.read(group, file) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The number after `key` in a file of `key number` lines.
    pub(super) fn field(&self, group: &str, file: &str, key: &str) -> io::Result<Option<u64>> {
        match self.read(group, file) {
            Ok(text) => Ok(field_of(&text, key)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The processes inside, as numbers of our own pid namespace (0 for those outside of it).
    pub(super) fn pids(&self, group: &str) -> io::Result<Vec<i32>> {
        self.numbers(group, "cgroup.procs")
    }

    /// A file of one number a line; a file this kernel does not have has none.
    pub(super) fn numbers(&self, group: &str, file: &str) -> io::Result<Vec<i32>> {
        match self.read(group, file) {
            Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Names of the groups directly below.
    pub(super) fn children(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            if entry.file_type() == FileType::Directory && name != "." && name != ".." {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    /// Removes a group unless something is inside. A group that is not there is not empty either.
    pub(super) fn rmdir_if_empty(&self, group: &str) -> io::Result<bool> {
        match unlinkat(self.fd.as_fd(), group, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::BUSY | rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(named(group, error.into())),
        }
    }

    /// Removes an empty group. The kernel answers `EBUSY` for a moment after the last process has died.
    pub(super) fn rmdir(&self, group: &str) -> io::Result<()> {
        let mut removed = Ok(());
        until(|| {
            removed = unlinkat(self.fd.as_fd(), group, AtFlags::REMOVEDIR);
            Ok(removed != Err(rustix::io::Errno::BUSY))
        })
        .map_err(|error| named(group, error))?;
        match removed {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(named(group, error.into())),
        }
    }
}

/// The number after `key` in lines of `key number`.
pub(super) fn field_of(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Asks until the answer is yes; a kernel that takes very long is an error.
pub(super) fn until(done: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    match within(PATIENCE, done)? {
        true => Ok(()),
        false => {
            let words = format!("the kernel took more than {PATIENCE:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, words))
        }
    }
}

/// Asks again and again, at first at once and then with growing pauses, until the answer is yes (true) or time is up.
pub(super) fn within(patience: Duration, mut done: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    const PAUSE_MAX: Duration = Duration::from_millis(5);
    let start = Instant::now();
    let mut pause = Duration::from_micros(10);
    for attempt in 0.. {
        if done()? {
            return Ok(true);
        }
        if start.elapsed() > patience {
            break;
        }
        if attempt < 3 {
            thread::yield_now();
            continue;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Ok(false)
}

/// How long anybody waits for a group to stand still. A process that is busy in the kernel stops when it comes out of it,
/// and must not hold up those who only want it to stop soon.
pub(super) const FREEZE_PATIENCE: Duration = Duration::from_millis(2);

/// Says which file an error is about.
pub(super) fn named(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Named { what: what.to_owned(), error })
}

/// An error with the name of its file, which still shows the kernel's error number as its source.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {error}")]
struct Named {
    what: String,
    #[source]
    error: io::Error,
}

/// The kernel's error number, through [`named`].
pub(super) fn errno(error: &io::Error) -> Option<i32> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Named>());
    inner.map_or_else(|| error.raw_os_error(), |named| errno(&named.error))
}
