//! Control groups against the real kernel, on every interface this host has: v1, v2, or v2 without controllers.
//! `tests/cgroup-v2/run.sh` runs the same tests in a virtual machine that has v2 only.
#![allow(unsafe_code, reason = "forks and enters namespaces as the spawner does")]

use std::{
    ffi::CString,
    os::fd::AsRawFd,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};
use sandbox::{
    LayerState,
    cgroup::{Entry, Group, Groups, Limits, Mounts, Version},
};

use crate::privilege;

/// As in `linux/sched.h`; libc's constant is a 32-bit one.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

const MEGABYTE: u64 = 1 << 20;
const ROOMY: Limits =
    Limits { memory_bytes: 256 * MEGABYTE, tmp_bytes: 0, cpu_milli: 1000, cpu_weight_milli: 1000, pids: 1024 };

/// Runs a test on each usable interface, on groups of its own; at least one must be usable.
fn on_each_interface(name: &str, needed: &[&str], test: impl Fn(&Mounts, &str, Groups)) {
    if !privilege::root_for(name) {
        return;
    }
    let mounts = Mounts::read().unwrap();
    let mut ran = 0;
    for (kind, mounts) in [("best", mounts.clone()), ("v2", mounts.only_v2())] {
        let instance = format!("test-{}-{name}-{kind}", std::process::id());
        let groups = Groups::open(&mounts, &instance);
        let lacks = |layer: &&&str| {
            let found = groups.layers().iter().find(|candidate| candidate.name == **layer);
            found.is_none_or(|found| found.state != LayerState::Present)
        };
        if let Some(layer) = needed.iter().find(lacks) {
            println!("{name} on {kind} ({:?}): this host has no {layer}", groups.version());
            groups.shutdown().unwrap();
            continue;
        }
        let version = groups.version();
        println!("{name} on {kind}: {version:?}");
        test(&mounts, &instance, groups);
        Groups::open(&mounts, &instance).shutdown().unwrap();
        ran += 1;
        if version == Version::V2 {
            break;
        }
    }
    assert!(ran > 0, "no usable control groups with {needed:?} on this host");
}

/// A shell command in a group, as the spawner would start it.
struct Inmate {
    pid: Pid,
}

impl Inmate {
    fn start(group: &Group, script: &str) -> Inmate {
        let program = CString::new("/bin/sh").unwrap();
        let arguments = [c"sh".to_owned(), c"-c".to_owned(), CString::new(script).unwrap()];
        let mut pointers: Vec<_> = arguments.iter().map(|argument| argument.as_ptr()).collect();
        pointers.push(std::ptr::null());
        let entry = group.entry().unwrap();
        // Closes on exec: then the child is inside.
        let (arrived, arriving) = std::io::pipe().unwrap();
        // SAFETY: all zeroes is a valid clone_args.
        let mut how: libc::clone_args = unsafe { std::mem::zeroed() };
        how.exit_signal = libc::SIGCHLD as u64;
        if let Entry::Directory(directory) = &entry {
            how.flags = CLONE_INTO_CGROUP;
            how.cgroup = directory.as_raw_fd() as u64;
        }
        // SAFETY: without CLONE_VM this is a fork; the child calls only write, execv and _exit on memory made above.
        let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const how, size_of::<libc::clone_args>()) };
        assert!(pid >= 0, "clone3: {}", std::io::Error::last_os_error());
        if pid == 0 {
            if let Entry::Tasks(files) = &entry {
                for file in files {
                    let _ = rustix::io::write(file, b"0");
                }
            }
            // SAFETY: see above; both pointers end in null.
            unsafe {
                libc::execv(program.as_ptr(), pointers.as_ptr());
                libc::_exit(127);
            }
        }
        drop(arriving);
        std::io::Read::read(&mut { arrived }, &mut [0]).unwrap();
        Inmate { pid: Pid::from_raw(pid as i32).unwrap() }
    }

    fn wait(&self) -> WaitStatus {
        waitpid(Some(self.pid), WaitOptions::empty()).unwrap().unwrap().1
    }
}

fn exit_code(group: &Group, script: &str) -> Option<i32> {
    let status = Inmate::start(group, script).wait();
    status.exit_status()
}

#[test]
fn memory_beyond_the_limit_is_an_oom_kill() {
    on_each_interface("memory", &["memory limit"], |_, _, mut groups| {
        let mut group = groups.take().unwrap();
        group.set(&Limits { memory_bytes: 64 * MEGABYTE, ..ROOMY }).unwrap();
        assert_eq!(exit_code(&group, "dd if=/dev/zero of=/dev/null bs=16M count=1 2>/dev/null"), Some(0));
        let usage = group.usage().unwrap();
        assert_eq!(usage.oom_kills, 0);
        assert!(usage.memory_peak_bytes > 16 * MEGABYTE || groups.version() == Version::V2, "{usage:?}");
        assert_ne!(exit_code(&group, "dd if=/dev/zero of=/dev/null bs=96M count=1 2>/dev/null"), Some(0));
        assert!(group.usage().unwrap().oom_kills >= 1);
        groups.give_back(group).unwrap();
    });
}

#[test]
fn memory_limits_go_up_and_down() {
    on_each_interface("memory-twice", &["memory limit"], |_, _, mut groups| {
        let mut group = groups.take().unwrap();
        for megabytes in [64, 512, 128, 10_240, 64] {
            group.set(&Limits { memory_bytes: megabytes * MEGABYTE, ..ROOMY }).unwrap();
        }
        assert_ne!(exit_code(&group, "dd if=/dev/zero of=/dev/null bs=96M count=1 2>/dev/null"), Some(0));
        groups.give_back(group).unwrap();
    });
}

#[test]
fn files_in_a_tmpfs_are_not_the_memory_of_processes() {
    on_each_interface("tmpfs", &["memory limit"], |_, instance, mut groups| {
        let mut group = groups.take().unwrap();
        let limits = Limits { memory_bytes: 64 * MEGABYTE, tmp_bytes: 128 * MEGABYTE, ..ROOMY };
        group.set(&limits).unwrap();
        let file = format!("{}/updraft-{instance}", a_tmpfs());
        let script = format!("dd if=/dev/zero of={file} bs=1M count=100 2>/dev/null");
        assert_eq!(exit_code(&group, &script), Some(0), "files have room of their own");
        let over = |group: &mut Group, megabytes| group.is_over(|| Ok(megabytes * MEGABYTE)).unwrap();
        assert!(!over(&mut group, 100));
        assert!(over(&mut group, 0), "what is no file counts");
        let peak = group.usage().unwrap().memory_peak_bytes / MEGABYTE;
        assert!(peak < 32, "{peak} MB");

        // Fills its memory, and waits for a reader that sleeps.
        let hoarder = Inmate::start(&group, "dd if=/dev/zero bs=80M count=1 2>/dev/null | sleep 100");
        let start = Instant::now();
        while !over(&mut group, 100) {
            assert!(start.elapsed() < Duration::from_secs(20), "80 MB are over 64");
            sleep(Duration::from_millis(10));
        }
        std::fs::remove_file(&file).unwrap();
        assert_eq!(group.usage().unwrap().memory_peak_bytes, limits.memory_bytes);
        group.kill().unwrap();
        hoarder.wait();
        groups.give_back(group).unwrap();
    });
}

/// A directory on a tmpfs, in which root may write.
fn a_tmpfs() -> &'static str {
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    let is_tmpfs = |path: &&&str| rustix::fs::statfs(**path).is_ok_and(|found| found.f_type as u64 == TMPFS_MAGIC);
    ["/dev/shm", "/tmp", "/run"].iter().find(is_tmpfs).expect("a tmpfs")
}

#[test]
fn cpu_is_given_in_proportion() {
    on_each_interface("cpu", &["cpu limit"], |_, _, mut groups| {
        let mut used = |cpu_milli| {
            let mut group = groups.take().unwrap();
            group.set(&Limits { cpu_milli, cpu_weight_milli: cpu_milli, ..ROOMY }).unwrap();
            let spinner = Inmate::start(&group, "while :; do :; done");
            let start = Instant::now();
            sleep(Duration::from_millis(800));
            let share = processor_time_ns(&group) as f64 / start.elapsed().as_nanos() as f64;
            group.kill().unwrap();
            spinner.wait();
            groups.give_back(group).unwrap();
            share
        };
        let (small, mut large) = (used(72), used(1000));
        // Other tests may leave little to share out; what counts is that the limit is not what keeps it from more.
        for _ in 0..10 {
            large = if large > 2.0 * small { large } else { used(1000) };
        }
        println!("72 thousandths got {small:.3} of a core, 1000 got {large:.3}");
        assert!(small < 0.12, "72 thousandths of a core got {small:.3}");
        assert!(large > 2.0 * small, "1000 thousandths got {large:.3}, 72 got {small:.3}");
    });
}

#[test]
fn where_there_is_not_enough_the_weight_decides() {
    on_each_interface("weight", &["cpu limit"], |_, _, mut groups| {
        // More than there are cores, in each of two groups, at the same time.
        let spin = "for _ in $(seq $(nproc)); do while :; do :; done & done; wait";
        let mut shares = || {
            let mut pair = [1000, 100].map(|cpu_weight_milli| {
                let mut group = groups.take().unwrap();
                group.set(&Limits { cpu_milli: 1_000_000, cpu_weight_milli, ..ROOMY }).unwrap();
                let spinner = Inmate::start(&group, spin);
                (group, spinner)
            });
            sleep(Duration::from_millis(800));
            let used = pair.each_mut().map(|(group, _)| processor_time_ns(group));
            for (group, spinner) in pair {
                group.kill().unwrap();
                spinner.wait();
                groups.give_back(group).unwrap();
            }
            used
        };
        let mut used = shares();
        // As above: other tests may be what decides for a while.
        for _ in 0..10 {
            used = if used[0] > 3 * used[1] { used } else { shares() };
        }
        println!("nanoseconds with ten times the weight and with one: {used:?}");
        assert!(used[0] > 3 * used[1], "{used:?}");
    });
}

#[test]
fn processes_beyond_the_limit_cannot_be_made() {
    on_each_interface("pids", &["process limit"], |_, _, mut groups| {
        let mut group = groups.take().unwrap();
        let many = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2 & done; wait";
        group.set(&Limits { pids: 5, ..ROOMY }).unwrap();
        assert_ne!(exit_code(&group, many), Some(0));
        group.kill().unwrap();
        group.set(&Limits { pids: 15, ..ROOMY }).unwrap();
        assert_eq!(exit_code(&group, many), Some(0));
        groups.give_back(group).unwrap();
    });
}

#[test]
fn frozen_processes_stand_still() {
    on_each_interface("freeze", &["freezing"], |_, _, mut groups| {
        let mut group = groups.take().unwrap();
        let spinner = Inmate::start(&group, "while :; do :; done & while :; do :; done");
        let moment = Duration::from_millis(100);
        assert!(progress(&group, moment) > 0, "a running process uses time");
        group.freeze(true).unwrap();
        // Nobody waits for the kernel to stop a busy process; it soon does.
        let stands_still = (0..50).any(|_| progress(&group, moment) == 0);
        assert!(stands_still, "a frozen process uses no time");
        group.freeze(false).unwrap();
        assert!(progress(&group, moment) > 0, "a thawed process goes on");
        group.freeze(true).unwrap();
        group.kill().unwrap();
        assert!(group.is_empty().unwrap(), "frozen processes die too");
        spinner.wait();
        groups.give_back(group).unwrap();
    });
}

fn progress(group: &Group, moment: Duration) -> u64 {
    let before = processor_time_ns(group);
    sleep(moment);
    processor_time_ns(group) - before
}

/// What its threads have used so far.
fn processor_time_ns(group: &Group) -> u64 {
    let of_thread = |thread| {
        let text = std::fs::read_to_string(format!("/proc/{thread}/schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
    };
    group.threads().unwrap().into_iter().map(of_thread).sum()
}

#[test]
fn an_empty_group_freezes_without_waiting() {
    on_each_interface("freeze-empty", &["freezing"], |_, _, mut groups| {
        let mut group = groups.take().unwrap();
        let start = Instant::now();
        group.freeze(true).unwrap();
        group.freeze(false).unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
        groups.give_back(group).unwrap();
    });
}

#[test]
fn a_group_given_back_leaves_nothing_to_the_next() {
    on_each_interface("recycle", &[], |_, _, mut groups| {
        let mut group = groups.take().unwrap();
        let before = group.usage().unwrap();
        group.set(&Limits { memory_bytes: 32 * MEGABYTE, ..ROOMY }).unwrap();
        Inmate::start(&group, "dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null").wait();
        let sleeper = Inmate::start(&group, "sleep 100 & sleep 100");
        group.freeze(true).unwrap();
        groups.give_back(group).unwrap();
        sleeper.wait();
        groups.refill(1).unwrap();
        let mut again = groups.take().unwrap();
        let usage = again.usage().unwrap();
        assert_eq!(usage.oom_kills, 0);
        assert!(usage.memory_peak_bytes <= before.memory_peak_bytes + MEGABYTE, "{usage:?}");
        assert!(again.is_empty().unwrap());
        again.set(&ROOMY).unwrap();
        assert_eq!(exit_code(&again, "exit 7"), Some(7), "it is not frozen");
        // Nobody is in this one, so it may be the next.
        again.set(&Limits { pids: 2, cpu_milli: 72, ..ROOMY }).unwrap();
        again.freeze(true).unwrap();
        groups.give_back(again).unwrap();
        let mut third = groups.take().unwrap();
        let usage = third.usage().unwrap();
        assert_eq!(usage.oom_kills, 0);
        assert!(usage.memory_peak_bytes <= before.memory_peak_bytes + MEGABYTE, "{usage:?}");
        third.set(&ROOMY).unwrap();
        let three_at_a_time = "sleep 0.1 & sleep 0.1 & wait; exit 7";
        assert_eq!(exit_code(&third, three_at_a_time), Some(7), "it is not frozen, and its limits are its own");
        groups.give_back(third).unwrap();
    });
}

#[test]
fn a_new_server_sweeps_what_a_dead_one_left() {
    on_each_interface("sweep", &[], |mounts, instance, mut groups| {
        let mut abandoned: Vec<_> = (0..5).map(|_| groups.take().unwrap()).collect();
        let inmates = abandoned.iter().map(|group| Inmate::start(group, "sleep 100 & sleep 100"));
        let inmates: Vec<_> = inmates.collect();
        abandoned[0].freeze(true).unwrap();
        // Killed and not shut down.
        drop(groups);
        let groups = Groups::open(mounts, instance);
        assert!(groups.layers().iter().all(|layer| layer.name != "crash sweep"));
        for inmate in &inmates {
            assert_eq!(inmate.wait().terminating_signal(), Some(libc::SIGKILL));
        }
        for group in &abandoned {
            assert!(group.entry().is_err(), "{} is still there", group.name());
        }
        groups.shutdown().unwrap();
    });
}

#[test]
fn a_delegated_group_with_processes_of_its_own_is_made_usable() {
    const UNIT: &str = "/sys/fs/cgroup/updraft-test-unit";
    if !privilege::root_for("delegation") {
        return;
    }
    if std::fs::create_dir(UNIT).is_err() || !std::path::Path::new(UNIT).join("cgroup.procs").exists() {
        println!("delegation: /sys/fs/cgroup is not the unified hierarchy here; covered by tests/cgroup-v2");
        let _ = std::fs::remove_dir(UNIT);
        return;
    }
    // As systemd does for its units.
    std::fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory +cpu +pids").unwrap();
    let mut member = std::process::Command::new("sleep").arg("100").spawn().unwrap();
    std::fs::write(format!("{UNIT}/cgroup.procs"), member.id().to_string()).unwrap();
    let line = format!("1 1 0:1 /unit {UNIT} rw - cgroup2 cgroup2 rw");
    let mounts = Mounts::parse(&line, "0::/unit");
    let mut groups = Groups::open(&mounts, "delegated");
    assert!(groups.layers().iter().all(|layer| layer.state == LayerState::Present), "{:?}", groups.layers());
    let mut group = groups.take().unwrap();
    group.set(&ROOMY).unwrap();
    assert_eq!(exit_code(&group, "exit 3"), Some(3));
    groups.give_back(group).unwrap();
    groups.shutdown().unwrap();
    member.kill().unwrap();
    member.wait().unwrap();
    std::fs::remove_dir(format!("{UNIT}/updraft-supervisor")).unwrap();
    std::fs::remove_dir(UNIT).unwrap();
}
