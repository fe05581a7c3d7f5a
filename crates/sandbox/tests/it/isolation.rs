//! The isolation checklist, tried from inside of real sandboxes. Beside each refusal stands a positive control: the same
//! attempt outside of a sandbox, in throw-away namespaces, is allowed, so the test is able to fail.

use std::{
    collections::BTreeMap,
    net::UdpSocket,
    os::fd::AsFd,
    process::Command,
    time::{Duration, Instant},
};

use sandbox::{
    Egress, Isolation, PoolTargets,
    net::dns,
    spawner::{Ended, Limits, Plan, Spawner, Start},
};
use serde::Deserialize;

use crate::{
    net::{HOST, INTERNET, METADATA, PORT, World, serve, within},
    privilege,
    spawner::{c_strings, config, exec, home, home_with, run, shell},
    support::{Bed, no_pools, text},
};

const PYTHON: &str = "/usr/bin/python3";
const PROBE: &str = include_str!("isolation.py");

/// What the probe says, by name of attempt.
#[derive(Debug, Deserialize)]
struct Outcomes {
    attempts: BTreeMap<String, String>,
    ordinary: BTreeMap<String, String>,
}

/// The system calls of the probe, under this architecture's numbers.
fn numbers() -> Vec<String> {
    let numbers = [
        ("unshare", libc::SYS_unshare),
        ("clone", libc::SYS_clone),
        ("clone3", libc::SYS_clone3),
        ("setns", libc::SYS_setns),
        ("mount", libc::SYS_mount),
        ("umount2", libc::SYS_umount2),
        ("open_tree", libc::SYS_open_tree),
        ("move_mount", libc::SYS_move_mount),
        ("fsopen", libc::SYS_fsopen),
        ("mount_setattr", libc::SYS_mount_setattr),
        ("pivot_root", libc::SYS_pivot_root),
        ("ptrace", libc::SYS_ptrace),
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("bpf", libc::SYS_bpf),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("keyctl", libc::SYS_keyctl),
        ("add_key", libc::SYS_add_key),
        ("request_key", libc::SYS_request_key),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("kexec_load", libc::SYS_kexec_load),
        ("init_module", libc::SYS_init_module),
        ("finit_module", libc::SYS_finit_module),
        ("delete_module", libc::SYS_delete_module),
        ("reboot", libc::SYS_reboot),
        ("swapon", libc::SYS_swapon),
        ("sethostname", libc::SYS_sethostname),
        ("settimeofday", libc::SYS_settimeofday),
        ("syslog", libc::SYS_syslog),
        ("fanotify_init", libc::SYS_fanotify_init),
        ("quotactl", libc::SYS_quotactl),
        ("personality", libc::SYS_personality),
        ("ioctl", libc::SYS_ioctl),
        ("x32_getpid", 0x4000_0000 | libc::SYS_getpid),
    ];
    numbers.map(|(name, number)| format!("{name}={number}")).to_vec()
}

fn parse(text: &str) -> Outcomes {
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The probe as root, in namespaces that go away with it.
fn outside() -> Outcomes {
    let output = Command::new("unshare")
        .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--mount-proc"])
        .args([PYTHON, "-I", "-c", PROBE])
        .args(numbers())
        .output()
        .expect("util-linux is installed");
    let (text, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{complaints}");
    parse(&text)
}

/// Refused is refused; `EACCES`, `EROFS` and `ENOENT` are how files refuse, `EAFNOSUPPORT` is how sockets do.
fn is_refusal(outcome: &str) -> bool {
    ["EPERM", "EACCES", "EROFS", "ENOENT", "EAFNOSUPPORT", "killed"].contains(&outcome)
}

/// This kernel has no such thing at all.
fn is_absent(outcome: &str) -> bool {
    ["ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "ENOENT"].contains(&outcome)
}

fn judge(inside: &Outcomes, outside: &Outcomes) {
    for (name, outcome) in &inside.attempts {
        let control = &outside.attempts[name];
        println!("{name}: {outcome}, outside {control}");
        if is_absent(control) && name != "clone3" {
            assert_ne!(outcome, "ok", "{name}");
            continue;
        }
        match name.as_str() {
            // Not refused but hidden, so that C libraries use clone, which a filter can judge.
            "clone3" => assert_eq!((outcome.as_str(), control.as_str()), ("ENOSYS", "EINVAL")),
            // Other calls than this architecture's kill; a kernel without them answers otherwise.
            "x32 call" | "i386 call" if cfg!(target_arch = "x86_64") => assert_eq!(outcome, "killed", "{name}"),
            "x32 call" | "i386 call" => {}
            _ => {
                assert!(is_refusal(outcome), "{name} in a sandbox: {outcome}");
                // Some machines withhold a privilege even from root; that proves nothing about sandboxes.
                if is_refusal(control) {
                    println!("  unproven: {name} is refused outside of a sandbox, too");
                }
            }
        }
    }
    let proven = outside.attempts.values().filter(|control| !is_refusal(control) && !is_absent(control));
    assert!(proven.count() >= 30, "the control was refused too much: {outside:?}");
    for (name, outcome) in &inside.ordinary {
        assert_eq!(outcome, "ok", "{name} must work in a sandbox");
    }
}

#[tokio::test]
async fn what_is_forbidden_is_refused() {
    if !privilege::root_for("what_is_forbidden_is_refused") {
        return;
    }
    let home = home().await.unwrap();
    let numbers = numbers();
    let mut argv = vec![PYTHON, "-I", "-c", PROBE];
    argv.extend(numbers.iter().map(String::as_str));
    let (text, exit) = run(&home.spawner, &exec(&argv)).await;
    assert_eq!(exit.ended, Ended::Exited(0), "{text}");
    judge(&parse(&text), &outside());
    home.spawner.stop().await;
}

#[tokio::test]
async fn the_children_of_a_zygote_are_refused_as_much() {
    if !privilege::root_for("the_children_of_a_zygote_are_refused_as_much") {
        return;
    }
    let boot = format!(
        r#"
import ctypes, os, sys
library = ctypes.PyDLL(os.environ["UPDRAFT_ZYGOTE_LIBRARY"])
library.updraft_zygote_ready()
while (who := library.updraft_zygote_fork()) == 0:
    pass
if who < 0:
    os._exit(0)
sys.argv = ["probe"] + {:?}
exec(compile({PROBE:?}, "probe", "exec"))
sys.stdout.flush()
os._exit(0)
"#,
        numbers()
    );
    let mut zygote = crate::spawner::zygote();
    zygote.argv = c_strings(&[PYTHON, "-I", "-S", "-c", &boot]);
    let home = home_with(|config| config.zygotes.push(zygote)).await.unwrap();
    let mut plan = shell("");
    plan.start = Start::Zygote { name: "python".into() };
    let (text, exit) = run(&home.spawner, &plan).await;
    assert_eq!(exit.ended, Ended::Exited(0), "{text}");
    judge(&parse(&text), &outside());
    home.spawner.stop().await;
}

#[tokio::test]
async fn proc_sys_and_dev_show_little() {
    if !privilege::root_for("proc_sys_and_dev_show_little") {
        return;
    }
    let home = home().await.unwrap();
    let hidden = "/proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/kallsyms /proc/kmsg /proc/slabinfo \
                  /proc/kpageflags /sys/kernel /sys/fs/cgroup/cgroup.procs /proc/acpi /proc/scsi";
    let script = format!(
        "for f in {hidden}; do echo \"$f $(head -c 64 $f 2>/dev/null | tr -d '\\0' | wc -c)\"; done; \
         echo dev $(ls /dev); echo suid $(awk '$6 !~ /nosuid/' /proc/self/mountinfo | wc -l); \
         find / -xdev -writable -type d 2>/dev/null | sed 's/^/writable /'"
    );
    let (text, _) = run(&home.spawner, &shell(&script)).await;
    println!("{text}");
    for line in text.lines().filter(|line| line.starts_with("/proc") || line.starts_with("/sys")) {
        let kallsyms_without_addresses = line.starts_with("/proc/kallsyms");
        assert!(line.ends_with(" 0") || kallsyms_without_addresses, "{line}");
    }
    assert!(text.contains("\nsuid 0\n"), "{text}");
    let devices = text.lines().find_map(|line| line.strip_prefix("dev ")).unwrap();
    let known = "fd full null pts ptmx random shm stderr stdin stdout tty urandom zero";
    for device in devices.split(' ') {
        assert!(known.split(' ').any(|name| name == device), "/dev/{device}");
    }
    let (text, _) = run(&home.spawner, &shell("cat /proc/mounts; head -c 10 /proc/kallsyms")).await;
    let instance = home.directory.path().to_string_lossy().into_owned();
    assert!(!text.contains(&instance), "{text}");
    home.spawner.stop().await;
}

/// One sandbox misbehaves as the script says; another must still answer soon.
async fn contained(spawner: &Spawner, hostile: &Plan) -> (String, Ended) {
    let slow = Duration::from_secs(5);
    let spawned = spawner.spawn(hostile).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = Instant::now();
    let (text, _) = run(spawner, &shell("echo neighbour")).await;
    assert_eq!(text, "neighbour\n");
    assert!(start.elapsed() < slow, "a neighbour waited {:?}", start.elapsed());
    let text = tokio::time::timeout(slow, crate::spawner::read_all(spawned.output)).await;
    spawner.destroy(spawned.id).await.unwrap();
    let ended = match text {
        Ok(_) => Ended::Exited(0),
        Err(_) => Ended::Signaled(libc::SIGKILL),
    };
    (text.unwrap_or_default(), ended)
}

fn limited(script: &str, limits: Limits) -> Plan {
    Plan { limits, ..exec(&[PYTHON, "-I", "-c", script]) }
}

#[tokio::test]
async fn floods_are_contained() {
    if !privilege::root_for("floods_are_contained") {
        return;
    }
    let home = home().await.unwrap();
    let limits = Limits {
        memory_bytes: 256 << 20,
        pids: 64,
        open_files: 128,
        tmp_bytes: 8 << 20,
        tmp_inodes: 100,
        ..Limits::default()
    };
    let count = |script: &str| {
        format!(
            "import os, errno\nn = 0\ntry:\n  while True:\n    {script}\n    n += 1\nexcept OSError as e:\n  print(n, errno.errorcode[e.errno], flush=True)\n"
        )
    };
    // A bomb that keeps forking until it is destroyed; it says at which number it met the limit.
    let bomb = count("os.fork() or __import__('time').sleep(9)") + "os._exit(0)\n";
    let (text, _) = contained(&home.spawner, &limited(&bomb, limits)).await;
    assert_eq!(text, "63 EAGAIN\n", "processes");
    for (what, script, expected) in [
        ("files", "os.open('/dev/null', 0)", "EMFILE"),
        ("bytes in /tmp", "open('/tmp/x', 'ab', 0).write(b'x' * 65536)", "ENOSPC"),
        ("files in /tmp", "open(f'/tmp/{n}', 'w').close()", "ENOSPC"),
    ] {
        let (text, _) = contained(&home.spawner, &limited(&count(script), limits)).await;
        println!("{what}: {text}");
        let number: u64 = text.split(' ').next().unwrap().parse().unwrap();
        assert!(text.trim().ends_with(expected) && number > 50 && number < 140, "{what}: {text}");
    }
    // Children that nobody waits for are limited as processes are.
    let zombies = count("os.fork() or os._exit(0)");
    let (text, _) = contained(&home.spawner, &limited(&zombies, limits)).await;
    assert_eq!(text, "63 EAGAIN\n", "zombies");
    home.spawner.stop().await;
}

#[tokio::test]
async fn nothing_is_left_of_many_sandboxes() {
    if !privilege::root_for("nothing_is_left_of_many_sandboxes") {
        return;
    }
    const ROUNDS: usize = 60;
    let home = home().await.unwrap();
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let before = mounts();
    let nap = format!("1{}", std::process::id());
    let orphans = shell(&format!("for i in 1 2 3; do (setsid sleep {nap} &) ; done; echo done"));
    for _ in 0..ROUNDS {
        let (first, second, third) =
            tokio::join!(run(&home.spawner, &orphans), run(&home.spawner, &orphans), run(&home.spawner, &orphans));
        for (text, _) in [first, second, third] {
            assert_eq!(text, "done\n");
        }
    }
    assert_eq!(mounts(), before);
    let sleepers = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let command = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        processes.map(command).filter(|line| *line == format!("sleep\0{nap}\0").into_bytes()).count()
    };
    assert_eq!(sleepers(), 0, "processes live on");
    home.spawner.stop().await;
    for controller in ["memory", "cpu", "pids", "freezer", "unified", "."] {
        let path = format!("/sys/fs/cgroup/{controller}/updraft/{}", instance_name(home.directory.path()));
        assert!(!std::path::Path::new(&path).exists(), "{path} is left");
    }
}

/// As the spawner names its cgroups: FNV-1a of the directory.
fn instance_name(directory: &std::path::Path) -> String {
    let bytes = directory.as_os_str().as_encoded_bytes().iter();
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// Says which of the addresses it can connect to.
const CONNECT: &str = r#"
import socket, sys
for word in sys.argv[1:]:
    host, port = word.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), 1) as s:
            print(word, "reached as", s.recv(100).decode())
    except OSError as error:
        print(word, "refused")
"#;

#[test]
fn a_whole_sandbox_reaches_the_outside_and_nothing_else() {
    if !privilege::root_for("a_whole_sandbox_reaches_the_outside_and_nothing_else") {
        return;
    }
    let world = World::new();
    serve(&world.host.0, PORT);
    serve(&world.internet.0, PORT);
    let try_all = |egress: Egress| {
        // The spawner is started in the host of this test, and knows no other network.
        within(world.host.0.as_fd(), || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let directory = tempfile::tempdir().unwrap();
                let mut config = config(directory.path());
                config.egress = egress;
                let spawner = Spawner::start(config).await.unwrap();
                let addresses = [INTERNET, HOST, METADATA].map(|address| format!("{address}:{PORT}"));
                let mut argv = vec![PYTHON, "-I", "-c", CONNECT, "127.0.0.1:8000"];
                argv.extend(addresses.iter().map(String::as_str));
                let (text, _) = run(&spawner, &exec(&argv)).await;
                let layers = spawner.posture().layers;
                spawner.stop().await;
                (text, layers)
            })
        })
    };
    let (text, layers) = try_all(Egress::Nat);
    assert!(text.contains(&format!("{INTERNET}:{PORT} reached as {HOST}")), "{text} {layers:?}");
    assert_eq!(text.matches("refused").count(), 3, "{text}");
    let (text, _) = try_all(Egress::None);
    assert_eq!(text.matches("refused").count(), 4, "{text}");
    let tables = within(world.host.0.as_fd(), || Command::new("nft").args(["list", "tables"]).output().unwrap());
    assert_eq!(String::from_utf8_lossy(&tables.stdout), "", "the spawner took its rules along");
}

/// Pretends to be the host's resolvers, wherever those are: every name has the address [`INTERNET`].
fn resolve_everything(world: &World) {
    let dns::Upstream::Servers(servers) = dns::Upstream::of_host().unwrap() else {
        return;
    };
    for server in servers {
        let local = server.ip().is_loopback();
        let netns = if local { &world.host.0 } else { &world.internet.0 };
        let socket = within(netns.as_fd(), || {
            if !local {
                let device = ["addr", "add", &server.ip().to_string(), "dev", "eth0"];
                assert!(Command::new("ip").args(device).status().unwrap().success());
            }
            UdpSocket::bind(server).unwrap()
        });
        std::thread::spawn(move || {
            let mut question = [0u8; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let _ = socket.send_to(&answer(&question[..length]), from);
            }
        });
    }
}

/// An answer with one address to a question for that, with none to others.
fn answer(question: &[u8]) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let wants_address = question[end - 4..end - 2] == [0, 1];
    let mut answer = question[..end].to_vec();
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(wants_address), 0, 0, 0, 0]);
    if wants_address {
        // The question's name, type A, class IN, one minute, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(INTERNET.octets());
    }
    answer
}

const FUNCTION: &str = r#"
import random, socket, tempfile, uuid, os, secrets
def handler(event, context):
    if event.get("unique"):
        return [random.random(), str(uuid.uuid4()), os.urandom(8).hex(), secrets.token_hex(8), tempfile.mktemp(), hash("x")]
    said = []
    for name in ["outside.example.com", "localhost"]:
        try:
            with socket.create_connection((name, 8000), 1) as s:
                said.append(s.recv(100).decode())
        except OSError as error:
            said.append(type(error).__name__)
    return said
"#;

fn isolated(config: &mut sandbox::Config) {
    config.spawner_program = vec![env!("CARGO_BIN_EXE_updraft-spawner").into()];
}

#[test]
fn a_function_finds_names_when_it_may_go_outside() {
    if !privilege::root_for("a_function_finds_names_when_it_may_go_outside") {
        return;
    }
    let world = World::new();
    resolve_everything(&world);
    serve(&world.internet.0, PORT);
    serve(&world.host.0, PORT);
    let outcome = |egress: Egress| {
        within(world.host.0.as_fd(), || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let change = |config: &mut sandbox::Config| {
                    isolated(config);
                    config.egress = egress;
                };
                let bed = Bed::start_with(Isolation::Sandbox, no_pools(), change).await;
                let (outcome, _) = bed.run(bed.spec("python3.12", &[("app.py", FUNCTION)]), "{}").await;
                let said = text(&outcome).to_owned();
                bed.engine.shutdown().await;
                said
            })
        })
    };
    assert_eq!(outcome(Egress::Nat), format!("[\"{HOST}\", \"ConnectionRefusedError\"]"));
    assert_eq!(outcome(Egress::None), "[\"gaierror\", \"ConnectionRefusedError\"]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_sandboxes_draw_the_same_numbers() {
    if !privilege::root_for("no_two_sandboxes_draw_the_same_numbers") {
        return;
    }
    let pools = PoolTargets { python: 2, zygotes: true, ..no_pools() };
    let change = |config: &mut sandbox::Config| {
        isolated(config);
        config.egress = Egress::None;
    };
    let bed = Bed::start_with(Isolation::Sandbox, pools, change).await;
    let spec = bed.spec("python3.12", &[("app.py", FUNCTION)]);
    let mut drawn: Vec<Vec<serde_json::Value>> = Vec::new();
    for _ in 0..6 {
        let (outcome, _) = bed.run(spec.clone(), "{\"unique\":true}").await;
        drawn.push(serde_json::from_str(text(&outcome)).unwrap());
    }
    println!("{drawn:?}");
    // The last is the seed of string hashes, which a zygote's children share: known, and why accounts do not share zygotes.
    for kind in 0..5 {
        let distinct: std::collections::HashSet<_> = drawn.iter().map(|all| all[kind].to_string()).collect();
        assert_eq!(distinct.len(), drawn.len(), "{drawn:?}");
    }
    bed.engine.shutdown().await;
}
