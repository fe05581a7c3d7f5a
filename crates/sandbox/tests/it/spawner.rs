//! The spawner from outside: makes sandboxes, looks at them from inside, kills things, and counts what is left.

use std::{
    ffi::CString,
    io::Read,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sandbox::{
    Egress,
    spawner::{CodeTrees, Config, Ended, Error, Exit, Limits, Plan, Spawned, Spawner, Start, ZygotePlan},
};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn config(directory: &Path) -> Config {
    Config {
        program: vec![env!("CARGO_BIN_EXE_updraft-spawner").into()],
        egress: Egress::None,
        slots_max: 64,
        ..Config::new(directory)
    }
}

pub(crate) fn c_strings(words: &[&str]) -> Vec<CString> {
    words.iter().map(|word| CString::new(*word).unwrap()).collect()
}

pub(crate) fn shell(script: &str) -> Plan {
    exec(&["/bin/sh", "-c", script])
}

pub(crate) fn exec(argv: &[&str]) -> Plan {
    Plan {
        start: Start::Exec { argv: c_strings(argv), env: c_strings(&["PATH=/usr/bin:/bin", "HOME=/tmp"]) },
        channel: false,
        code: None,
        image: None,
        limits: Limits { memory_bytes: 512 << 20, ..Limits::default() },
        hostname: "updraft".into(),
    }
}

/// Reads a non-blocking pipe to its end, off the runtime.
pub(crate) async fn read_all(pipe: OwnedFd) -> String {
    tokio::task::spawn_blocking(move || {
        rustix::io::ioctl_fionbio(&pipe, false).unwrap();
        let mut text = Vec::new();
        std::fs::File::from(pipe).read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    })
    .await
    .unwrap()
}

/// Runs a plan to its end: what it printed, and how it ended.
pub(crate) async fn run(spawner: &Spawner, plan: &Plan) -> (String, Exit) {
    let Spawned { id, output, .. } = spawner.spawn(plan).await.unwrap();
    let text = tokio::time::timeout(PATIENCE, read_all(output)).await.expect("output ends");
    let exit = tokio::time::timeout(PATIENCE, spawner.wait(id)).await.expect("it ends").unwrap();
    spawner.destroy(id).await.unwrap();
    (text, exit)
}

pub(crate) struct Home {
    pub(crate) spawner: Spawner,
    pub(crate) directory: tempfile::TempDir,
}

/// None, with a word, where the kernel or the user does not bear it.
pub(crate) async fn home() -> Option<Home> {
    home_with(|_| ()).await
}

pub(crate) async fn home_with(change: impl FnOnce(&mut Config)) -> Option<Home> {
    if !is_root() {
        eprintln!("skipped: not root");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    change(&mut config);
    let spawner = Spawner::start(config).await.unwrap();
    Some(Home { spawner, directory })
}

#[tokio::test]
async fn runs_a_program_and_reads_its_output() {
    let Some(home) = home().await else { return };
    let (text, exit) = run(&home.spawner, &shell("echo out; echo err >&2; exit 7")).await;
    assert_eq!((text.as_str(), exit.ended), ("out\nerr\n", Ended::Exited(7)));
    let (_, exit) = run(&home.spawner, &shell("kill -9 $$; exit 0")).await;
    // It is not the first process of its pid namespace, which could not end itself.
    assert!(matches!(exit.ended, Ended::Signaled(9)), "{exit:?}");
    home.spawner.stop().await;
}

#[tokio::test]
async fn a_sandbox_sees_little_and_may_little() {
    let Some(home) = home().await else { return };
    let script = r#"
        echo "user $(id -u) $(id -un)"
        grep -E '^(Cap|NoNewPrivs|Seccomp:|NSpid)' /proc/self/status
        echo "host $(uname -n)"
        echo "root $(echo /*)"
        echo "etc-shadow $(cat /etc/shadow 2>&1)"
        for d in / /usr /etc /var/task /opt /var/runtime /dev /run/updraft; do touch $d/x 2>/dev/null && echo "writable $d"; done
        touch /tmp/x && echo "tmp ok"
        echo "pids $(ls /proc | grep -c '^[0-9]')"
        echo "fds $(ls -l /proc/self/fd | awk 'NR>1 {print $9, $11}' | grep -v '/proc/' | tr '\n' ';')"
        cat /proc/mounts | grep -v -E 'nosuid' | sed 's/^/suid-mount /'
        cat /proc/kcore /proc/kmsg /proc/kallsyms 2>/dev/null | wc -c
        mount -t tmpfs x /tmp 2>&1 | head -1
        unshare -U true 2>&1 | head -1
        chroot / true 2>&1 | head -1
    "#;
    let (text, exit) = run(&home.spawner, &shell(script)).await;
    println!("{text}");
    assert_eq!(exit.ended, Ended::Exited(0));
    assert!(text.contains("user 200"), "own user: {text}");
    assert!(text.contains("sbx_user"), "{text}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(text.contains(&format!("{set}:\t0000000000000000")), "{set} in {text}");
    }
    assert!(text.contains("NoNewPrivs:\t1") && text.contains("Seccomp:\t2"), "{text}");
    assert!(text.contains("host updraft"), "{text}");
    assert!(!text.contains("writable"), "{text}");
    assert!(text.contains("tmp ok"), "{text}");
    assert!(!text.contains("suid-mount"), "{text}");
    assert!(text.contains("No such file"), "{text}");
    home.spawner.stop().await;
}

#[tokio::test]
async fn no_descriptor_leaks_into_a_sandbox() {
    let Some(home) = home().await else { return };
    let mut plan = exec(&[
        "/usr/bin/python3",
        "-I",
        "-c",
        "import os; print(sorted(int(f) for f in os.listdir('/proc/self/fd')))",
    ]);
    let (text, _) = run(&home.spawner, &plan).await;
    // 3 is the listing itself (there is no channel), 4 the telemetry log.
    assert_eq!(text, "[0, 1, 2, 3, 4]\n");
    plan.channel = true;
    let (text, _) = run(&home.spawner, &plan).await;
    assert_eq!(text, "[0, 1, 2, 3, 4, 5]\n");
    home.spawner.stop().await;
}

#[tokio::test]
async fn managed_and_compiled_programs_run() {
    let Some(home) = home().await else { return };
    for (argv, expected) in [
        (vec!["/usr/bin/bash", "-c", "echo $((6*7))"], "42\n"),
        (
            vec![
                "/usr/bin/python3",
                "-I",
                "-c",
                "import threading,subprocess,socket; t=threading.Thread(target=print,args=(1,)); t.start(); t.join(); print(subprocess.run(['/bin/echo','2'],capture_output=True,text=True).stdout.strip())",
            ],
            "1\n2\n",
        ),
        (
            vec!["/usr/bin/node", "-e", "require('child_process').exec('echo 2',(e,o)=>console.log(1+1,o.trim()))"],
            "2 2\n",
        ),
    ] {
        if !Path::new(argv[0]).exists() {
            continue;
        }
        let (text, exit) = run(&home.spawner, &exec(&argv)).await;
        assert_eq!((text.as_str(), exit.ended), (expected, Ended::Exited(0)), "{argv:?}");
    }
    if Path::new("/usr/bin/java").exists() {
        let (text, exit) = run(&home.spawner, &exec(&["/usr/bin/java", "-Xmx64m", "-version"])).await;
        assert!(text.contains("penJDK"), "{text} {exit:?}");
    }
    home.spawner.stop().await;
}

#[tokio::test]
async fn code_is_mounted_at_once_or_later() {
    let Some(home) = home().await else { return };
    let task = tree(home.directory.path(), "task", "hello.txt", "task");
    let opt = tree(home.directory.path(), "layers", "layer.txt", "opt");
    let code = CodeTrees { task, opt: Some(opt) };
    let mut plan = shell("pwd; cat hello.txt /opt/layer.txt; touch x 2>/dev/null && echo writable");
    plan.code = Some(code.clone());
    let (text, _) = run(&home.spawner, &plan).await;
    assert_eq!(text, "/var/task\ntaskopt");

    let parked = shell(
        "while ! [ -e /var/task/hello.txt ]; do sleep 0.02; done; cat /var/task/hello.txt; df -k /tmp | tail -1 | awk '{print $2}'",
    );
    let Spawned { id, output, .. } = home.spawner.spawn(&parked).await.unwrap();
    home.spawner.freeze(id, true).await.unwrap();
    let limits = Limits { tmp_bytes: 64 << 20, ..parked.limits };
    home.spawner.attach(id, &code, limits).await.unwrap();
    home.spawner.freeze(id, false).await.unwrap();
    assert_eq!(read_all(output).await, "task65536\n");
    assert_eq!(home.spawner.wait(id).await.unwrap().ended, Ended::Exited(0));
    home.spawner.destroy(id).await.unwrap();
    home.spawner.stop().await;
}

fn tree(base: &Path, name: &str, file: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let directory = base.join(name);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(directory.join(file), text).unwrap();
    directory
}

#[tokio::test]
async fn failures_say_the_step_and_leave_nothing() {
    let Some(home) = home_with(|config| config.slots_max = 2).await else {
        return;
    };
    let spawner = &home.spawner;
    for _ in 0..5 {
        match spawner.spawn(&exec(&["/nowhere"])).await {
            Err(Error::System { step, errno }) => {
                assert_eq!((step.as_str(), errno), ("execute the program", 2));
            }
            other => panic!("{other:?}"),
        }
        let mut plan = shell("true");
        plan.code = Some(CodeTrees::task("/nowhere"));
        assert!(matches!(spawner.spawn(&plan).await, Err(Error::System { errno: 2, .. })));
        let zygote = Plan { start: Start::Zygote { name: "none".into() }, ..plan.clone() };
        assert!(matches!(spawner.spawn(&zygote).await, Err(Error::System { errno: 2, .. } | Error::NoZygote(_))));
    }
    let first = spawner.spawn(&shell("sleep 100")).await.unwrap();
    let second = spawner.spawn(&shell("sleep 100")).await.unwrap();
    assert!(matches!(spawner.spawn(&shell("true")).await, Err(Error::Full(2))));
    assert_ne!(first.id, second.id);
    spawner.destroy(first.id).await.unwrap();
    spawner.destroy(first.id).await.unwrap();
    assert!(matches!(spawner.freeze(first.id, true).await, Err(Error::Gone)));
    // A frozen one can be destroyed too.
    spawner.freeze(second.id, true).await.unwrap();
    spawner.destroy(second.id).await.unwrap();
    assert_eq!(run(spawner, &shell("echo ok")).await.0, "ok\n");
    spawner.stop().await;
}

#[tokio::test]
async fn memory_beyond_the_limit_is_told_as_such() {
    let Some(home) = home().await else { return };
    let mut plan = exec(&["/usr/bin/python3", "-I", "-c", "x = bytearray(300 << 20); print(len(x))"]);
    plan.limits.memory_bytes = 64 << 20;
    let (text, exit) = run(&home.spawner, &plan).await;
    assert_eq!(text, "");
    assert_eq!(exit.ended, Ended::Signaled(9));
    assert!(exit.usage.oom_kills > 0, "{exit:?}");
    plan.limits.memory_bytes = 512 << 20;
    let (text, exit) = run(&home.spawner, &plan).await;
    assert_eq!(text.trim(), (300 << 20).to_string());
    assert!(exit.usage.memory_peak_bytes > 300 << 20, "{exit:?}");
    home.spawner.stop().await;
}

#[tokio::test]
async fn two_sandboxes_see_nothing_of_each_other() {
    let Some(home) = home().await else { return };
    let first = home.spawner.spawn(&shell("echo secret > /tmp/secret; sleep 100")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (text, _) =
        run(&home.spawner, &shell("ls /tmp; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; kill -9 -1; echo alive")).await;
    assert!(!text.contains("secret"), "{text}");
    assert!(home.spawner.usage(first.id).await.is_ok());
    home.spawner.destroy(first.id).await.unwrap();
    home.spawner.stop().await;
}

#[tokio::test]
async fn a_dead_spawner_takes_its_sandboxes_along_and_is_replaced() {
    let Some(home) = home().await else { return };
    let Spawned { id, pidfd, .. } = home.spawner.spawn(&shell("trap '' TERM; sleep 100")).await.unwrap();
    let watchdog = home.spawner.process_id().unwrap();
    kill(watchdog);
    let exit = tokio::time::timeout(PATIENCE, home.spawner.wait(id)).await.unwrap().unwrap();
    assert_eq!(exit.ended, Ended::SpawnerDied);
    wait_for_end(pidfd).await;
    home.spawner.destroy(id).await.unwrap();
    assert_eq!(run(&home.spawner, &shell("echo again")).await.0, "again\n");
    home.spawner.stop().await;
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

async fn wait_for_end(pidfd: OwnedFd) {
    let start = Instant::now();
    let mut ends =
        [rustix::event::PollFd::from_borrowed_fd(std::os::fd::AsFd::as_fd(&pidfd), rustix::event::PollFlags::IN)];
    while start.elapsed() < PATIENCE {
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        if rustix::event::poll(&mut ends, Some(&now)).unwrap() > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("a process of a sandbox lives on");
}

pub(crate) fn zygote() -> ZygotePlan {
    const BOOT: &str = r#"
import ctypes, os, sys, json
library = ctypes.PyDLL(os.environ["UPDRAFT_ZYGOTE_LIBRARY"])
library.updraft_zygote_ready()
while (who := library.updraft_zygote_fork()) == 0:
    pass
if who < 0:
    os._exit(0)
status = open("/proc/self/status").read()
lines = {line.split(":")[0]: line.split(":")[1].strip() for line in status.splitlines()}
names = ["Uid", "CapEff", "CapPrm", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "NSpid"]
print(json.dumps([lines[name] for name in names[1:]]), flush=True)
print(os.getpid(), os.getuid(), sorted(os.listdir("/proc/self/fd")), flush=True)
with open("/tmp/file", "w") as file:
    file.write("x")
import threading
t = threading.Thread(target=print, args=("thread",)); t.start(); t.join()
sys.stdout.flush()
os._exit(3)
"#;
    ZygotePlan {
        name: "python".into(),
        argv: c_strings(&["/usr/bin/python3", "-I", "-S", "-c", BOOT]),
        env: c_strings(&["PATH=/usr/bin:/bin"]),
    }
}

#[tokio::test]
async fn a_zygote_forks_confined_children() {
    let Some(home) = home_with(|config| config.zygotes.push(zygote())).await else {
        return;
    };
    let mut plan = shell("");
    plan.start = Start::Zygote { name: "python".into() };
    for channel in [false, true] {
        plan.channel = channel;
        let (text, exit) = run(&home.spawner, &plan).await;
        println!("{text}");
        assert_eq!(exit.ended, Ended::Exited(3));
        let none = "0000000000000000";
        assert!(text.starts_with(&format!("[\"{none}\", \"{none}\", \"{none}\", \"{none}\", \"1\", \"2\"")), "{text}");
        assert!(text.contains("\n2 200"), "{text}");
        let fds = if channel { "['0', '1', '2', '3', '4', '5']" } else { "['0', '1', '2', '3', '4']" };
        assert!(text.contains(fds), "{text}");
        assert!(text.ends_with("thread\n"), "{text}");
    }
    assert!(home.spawner.zygote_ready("python"));
    // What fails in the child of a zygote is told at its end.
    plan.code = Some(CodeTrees::task("/etc/hostname"));
    let (_, exit) = run(&home.spawner, &plan).await;
    assert!(matches!(exit.ended, Ended::Unconfined { .. }), "{exit:?}");
    home.spawner.stop().await;
}

#[tokio::test]
async fn a_settled_sandbox_takes_short_turns() {
    let Some(home) = home().await else { return };
    let plan = shell("echo ready; sleep 100 & wait");
    let spawned = home.spawner.spawn(&plan).await.unwrap();
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", spawned.pidfd.as_raw_fd())).unwrap();
    let init: i32 = info.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap().trim().parse().unwrap();
    let children = std::fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
    let runtime = children.split_whitespace().next().unwrap().parse().unwrap();
    let before = turn_ns(runtime);
    home.spawner.settle(spawned.id, plan.limits).await.unwrap();
    // Kernels before 6.12 have none.
    assert!(before == 0 || turn_ns(runtime) == 200_000, "{before} ns, then {}", turn_ns(runtime));
    home.spawner.destroy(spawned.id).await.unwrap();
    home.spawner.stop().await;
}

/// What a thread runs at a stretch.
#[expect(unsafe_code, reason = "a system call that no crate has")]
fn turn_ns(thread: i32) -> u64 {
    // The runtime of `struct sched_attr`, of which this is the first version.
    let mut attributes = [0u64; 6];
    let size = size_of_val(&attributes);
    // SAFETY: room for a structure of the size that is told.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, thread, attributes.as_mut_ptr(), size, 0) };
    assert_eq!(got, 0, "{}", std::io::Error::last_os_error());
    attributes[3]
}

/// What the system holds for an instance: processes of the spawner's pid namespaces and directories of its cgroups.
fn leftovers(instance: &str) -> Vec<String> {
    let mut found = Vec::new();
    for controller in ["memory", "cpu", "pids", "freezer", "unified", ""] {
        let group = Path::new("/sys/fs/cgroup").join(controller).join("updraft").join(instance);
        if group.exists() {
            found.push(group.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn a_thousand_sandboxes_leave_nothing() {
    let Some(home) = home_with(|config| config.slots_max = 8).await else {
        return;
    };
    let plan = shell("true");
    let worker = worker_of(home.spawner.process_id().unwrap());
    let ids = |count: usize| {
        let (spawner, plan) = (home.spawner.clone(), plan.clone());
        async move {
            for _ in 0..count {
                let spawned = spawner.spawn(&plan).await.unwrap();
                spawner.destroy(spawned.id).await.unwrap();
            }
        }
    };
    ids(50).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = descriptors_of(worker);
    tokio::join!(ids(250), ids(250), ids(250), ids(250));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = descriptors_of(worker);
    assert!(after <= before + 40, "the spawner held {before} descriptors, then {after}");
    assert_eq!(children_of(worker), 0);
    let instance = home.spawner.instance();
    home.spawner.stop().await;
    assert_eq!(leftovers(&instance), Vec::<String>::new());
}

fn worker_of(watchdog: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{watchdog}/task/{watchdog}/children")).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}

fn children_of(pid: u32) -> usize {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap().split_whitespace().count()
}

fn descriptors_of(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// An idle spawner sleeps: processor time it uses in a while, in clock ticks.
fn ticks_of(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test]
async fn an_idle_spawner_uses_no_processor() {
    let Some(home) = home().await else { return };
    // The server keeps the pidfd of one that has ended: that must not keep the spawner busy.
    let ended = home.spawner.spawn(&shell("true")).await.unwrap();
    home.spawner.wait(ended.id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let worker = worker_of(home.spawner.process_id().unwrap());
    let before = ticks_of(worker);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(ticks_of(worker) <= before + 1);
    home.spawner.stop().await;
}

/// Not a test by itself: the server that [`a_killed_server_leaves_nothing`] kills.
#[tokio::test]
async fn server_to_be_killed() {
    let Some(directory) = std::env::var_os("UPDRAFT_TEST_SERVER") else {
        return;
    };
    let mut config = config(Path::new(&directory));
    config.zygotes.push(zygote());
    let spawner = Spawner::start(config).await.unwrap();
    for number in 0..20 {
        let spawned = spawner.spawn(&shell("trap '' TERM HUP INT; sleep 1000 & sleep 1000")).await.unwrap();
        if number % 2 == 0 {
            spawner.freeze(spawned.id, true).await.unwrap();
        }
        std::mem::forget(spawned);
    }
    println!("instance {} worker {}", spawner.instance(), worker_of(spawner.process_id().unwrap()));
    tokio::time::sleep(Duration::from_secs(1000)).await;
}

#[test]
fn a_killed_server_leaves_nothing() {
    use std::io::BufRead;
    if !is_root() {
        return;
    }
    for kill_the_worker_too in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let mut server = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "spawner::server_to_be_killed", "--nocapture"])
            .env("UPDRAFT_TEST_SERVER", directory.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(server.stdout.take().unwrap()).lines();
        let line = lines.map_while(Result::ok).find(|line| line.contains("instance ")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let (instance, worker) = (words[words.len() - 3].to_owned(), words[words.len() - 1].parse::<u32>().unwrap());
        let everything = descendants_of(worker);
        assert!(everything.len() >= 40, "{everything:?}");
        if kill_the_worker_too {
            kill(worker);
        }
        server.kill().unwrap();
        server.wait().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let alive: Vec<u32> = everything.iter().copied().filter(|pid| is_alive(*pid)).collect();
            let groups = leftovers(&instance);
            if alive.is_empty() && groups.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "processes {alive:?} and cgroups {groups:?} are left");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn descendants_of(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for child in children.split_whitespace() {
        all.extend(descendants_of(child.parse().unwrap()));
    }
    all
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test]
async fn without_root_it_works_and_says_what_is_missing() {
    if !is_root() || !Path::new("/usr/bin/setpriv").exists() {
        return;
    }
    // A directory and a copy of the program that an ordinary user can reach.
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("spawner");
    std::fs::copy(env!("CARGO_BIN_EXE_updraft-spawner"), &program).unwrap();
    let own = directory.path().join("instance");
    std::fs::create_dir(&own).unwrap();
    for path in [directory.path(), &own] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::os::unix::fs::chown(&own, Some(65_534), Some(65_534)).unwrap();
    let task = tree(directory.path(), "task", "hello.txt", "task");
    let mut config = config(&own);
    config.program = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
        .map(PathBuf::from)
        .into_iter()
        .chain([program])
        .collect();
    config.zygotes.push(zygote());
    let spawner = Spawner::start(config).await.unwrap();
    let posture = spawner.posture();
    println!("{posture:?}");
    assert!(posture.degraded().any(|layer| layer.name == "user ids"));
    let mut plan = shell(
        "id -u; grep -E '^CapEff|^Seccomp:' /proc/self/status; cat /var/task/hello.txt; ls /proc | grep -c '^[0-9]'",
    );
    plan.code = Some(CodeTrees::task(&task));
    let (text, exit) = run(&spawner, &plan).await;
    println!("{text}");
    assert_eq!(exit.ended, Ended::Exited(0));
    assert!(text.starts_with("993\nCapEff:\t0000000000000000\nSeccomp:\t2\ntask"), "{text}");
    let parked = shell("while ! [ -e /var/task/hello.txt ]; do sleep 0.02; done; cat /var/task/hello.txt");
    let Spawned { id, output, .. } = spawner.spawn(&parked).await.unwrap();
    spawner.attach(id, &CodeTrees::task(&task), parked.limits).await.unwrap();
    assert_eq!(read_all(output).await, "task");
    spawner.destroy(id).await.unwrap();
    plan.code = None;
    plan.start = Start::Zygote { name: "python".into() };
    let (text, exit) = run(&spawner, &plan).await;
    assert_eq!(exit.ended, Ended::Exited(3), "{text}");
    assert!(text.contains("\n2 993"), "{text}");
    spawner.stop().await;
}
