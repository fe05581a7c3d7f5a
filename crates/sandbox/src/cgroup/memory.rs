//! What counts as a function's memory, and how much it had at most.
//!
//! `/tmp` is a tmpfs, whose pages the kernel charges to the group like any others; on AWS it is a disk, and a full one is
//! an error to the writer and not the end of the function. So the kernel's limit leaves room for both together, and what
//! remains without `/tmp` and without caches that the kernel could drop is compared with the function's own limit by whoever
//! calls [`super::Group::is_over`], every few milliseconds while it runs. (The kernel's own signals do not serve: on v1 a
//! threshold costs 5 to 15 ms to set, and without the OOM killer writes to a tmpfs fail with `ENOMEM`.)

use std::{
    os::fd::OwnedFd,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use rustix::fs::{Mode, OFlags, openat};

/// Longest `memory.stat` we read. Linux 6.18 writes 1 KB on v1 and 1.6 KB on v2; the lines that count come first.
const STAT_BYTES_MAX: usize = 4096;

/// What the kernel is told to enforce: room for the function's memory, its files and the kernel's records of them (an inode
/// and its name take about 1 KB for each 16 KB of `/tmp`).
pub(super) fn hard_limit(memory_bytes: u64, tmp_bytes: u64) -> u64 {
    memory_bytes.saturating_add(tmp_bytes).saturating_add(tmp_bytes / 8)
}

/// The parts of a group's memory that we tell apart, in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    /// What no file stands behind; on v2 also what the kernel itself needs for the processes and cannot give back. v1 does
    /// not tell which of the kernel's memory is of that kind, so there only the hard limit counts it.
    own: u64,
    /// Shared memory: `/tmp` and what processes share without a file.
    shared: u64,
    /// Contents of files, shared memory included.
    files: u64,
}

impl Parts {
    /// Reads the lines of `memory.stat` of either version: no name is in use in both with different meanings.
    pub(super) fn parse(stat: &str) -> Parts {
        let mut parts = Parts::default();
        for line in stat.lines() {
            let Some((name, number)) = line.split_once(' ') else {
                continue;
            };
            let number = || number.trim().parse::<u64>().unwrap_or_default();
            match name {
                "rss" | "anon" | "kernel_stack" | "pagetables" | "percpu" | "sock" | "slab_unreclaimable" => {
                    parts.own += number();
                }
                "shmem" => parts.shared = number(),
                "cache" | "file" => parts.files = number(),
                _ => {}
            }
        }
        parts
    }

    /// The function's own memory, if all shared memory were its own: the most that it can be.
    pub(super) fn own_at_most(&self) -> u64 {
        self.own + self.shared
    }

    /// The function's own memory when files in `/tmp` hold this much.
    pub(super) fn own_without(&self, tmp_bytes: u64) -> u64 {
        self.own + self.shared.saturating_sub(tmp_bytes)
    }
}

/// Highest memory use that is told as it is, files included. Where files hold it takes up to 30 µs to find out, which would
/// be felt in small functions, and AWS itself never tells less than this.
const FILES_MATTER_FROM: u64 = 32 << 20;

/// Tells the most memory a group ever had without its files, for others to read without asking us.
#[derive(Debug)]
pub struct Meter {
    directory: OwnedFd,
    /// The kernel's file with the highest memory use; none where it has no such file.
    peak: OnceLock<Option<OwnedFd>>,
    peak_seen: AtomicU64,
    answer: AtomicU64,
}

impl Meter {
    /// From the directory of a group, of the memory controller on v1.
    pub fn new(directory: OwnedFd) -> Meter {
        Meter { directory, peak: OnceLock::new(), peak_seen: AtomicU64::new(0), answer: AtomicU64::new(0) }
    }

    /// The group's directory.
    pub fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// The highest memory use in bytes, less what files hold now: exact as long as files that were written were not
    /// deleted before we looked. About 1 µs, and more when it has grown since the last time. None where the kernel does
    /// not tell (v2 before Linux 5.19).
    pub fn read(&self) -> Option<u64> {
        let peak = self.peak.get_or_init(|| {
            let names = ["memory.max_usage_in_bytes", "memory.peak"];
            names.iter().find_map(|name| self.open(name))
        });
        let peak = number(peak.as_ref()?)?;
        if peak <= self.peak_seen.load(Relaxed) {
            return Some(self.answer.load(Relaxed));
        }
        let most = if peak < FILES_MATTER_FROM {
            peak
        } else {
            let parts = parts(&self.open("memory.stat")?)?;
            peak.saturating_sub(parts.files).max(parts.own)
        };
        self.peak_seen.store(peak, Relaxed);
        Some(self.answer.fetch_max(most, Relaxed).max(most))
    }

    fn open(&self, name: &str) -> Option<OwnedFd> {
        openat(&self.directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
    }
}

/// Reads a file that holds a number.
pub(super) fn number(file: &OwnedFd) -> Option<u64> {
    read(file, &mut [0; 32])?.trim().parse().ok()
}

/// Reads `memory.stat`.
pub(super) fn parts(stat: &OwnedFd) -> Option<Parts> {
    read(stat, &mut [0; STAT_BYTES_MAX]).map(Parts::parse)
}

fn read<'a>(file: &OwnedFd, buffer: &'a mut [u8]) -> Option<&'a str> {
    let length = rustix::io::pread(file, &mut *buffer, 0).ok()?;
    std::str::from_utf8(&buffer[..length]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_understood() {
        let v1 = "cache 900\nrss 100\nrss_huge 64\nshmem 800\nmapped_file 1\ntotal_rss 100\n";
        let v2 = "anon 70\nfile 900\nkernel 90\nkernel_stack 10\npagetables 15\npercpu 0\nsock 0\nshmem 800\nslab_reclaimable 60\nslab_unreclaimable 5\nslab 65\n";
        let parts = Parts { own: 100, shared: 800, files: 900 };
        assert_eq!((Parts::parse(v1), Parts::parse(v2)), (parts, parts));
        assert_eq!(parts.own_at_most(), 900);
        assert_eq!((parts.own_without(700), parts.own_without(900)), (200, 100));
    }

    #[test]
    fn the_hard_limit_never_wraps() {
        assert_eq!(hard_limit(1 << 20, 0), 1 << 20);
        assert_eq!(hard_limit(u64::MAX, 8), u64::MAX);
    }
}
