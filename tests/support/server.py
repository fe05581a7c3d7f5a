"""A server of the tests' own: started on a free port with a directory of its own, watched, stopped, searched for remains.

The searching is the point of half of it: a server that ended, however it ended, leaves no process, mount, control group
or network interface of its own behind.
"""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.config

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
ACCOUNT = "000000000000"
REGION = "us-east-1"


def binary():
    """The command under test: UPDRAFT_BIN, or a debug build made now."""
    given = os.environ.get("UPDRAFT_BIN")
    if given:
        return Path(given).resolve()
    subprocess.run(["cargo", "build", "--package", "updraft"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "debug" / "updraft"


def runtimes_dir():
    """The runtime packs: UPDRAFT_RUNTIMES_DIR, or the user's cache, filled by the server's own command."""
    given = os.environ.get("UPDRAFT_RUNTIMES_DIR")
    if given:
        return Path(given).resolve()
    directory = Path.home() / ".cache/updraft/runtimes"
    has_all = directory.is_dir() and all(any(directory.glob(p)) for p in ("python3*", "node_modules", "java"))
    if not has_all:
        subprocess.run([binary(), "runtimes", "install", "--runtimes-dir", directory], check=True)
    return directory


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**more):
    """The tests' environment without anything that would configure a server or a client behind our back."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "UPDRAFT_"))}
    return mine | more


def client_environment(endpoint, key="test", region=REGION, **more):
    """What a user exports before using AWS's tools."""
    return environment(
        AWS_ENDPOINT_URL=endpoint,
        AWS_ACCESS_KEY_ID=key,
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION=region,
        AWS_REGION=region,  # the SDKs for JavaScript and Java know no default region
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_PAGER="",
        **more,
    )


class Server:
    """One `updraft serve`. Use it as a context manager, or start and stop it."""

    def __init__(self, executable, runtimes, data_dir, *, arguments=(), env=None):
        self.executable, self.runtimes, self.data_dir = executable, runtimes, Path(data_dir).resolve()
        self.arguments, self.env = list(arguments), dict(env or {})
        self.port = free_port()
        self.endpoint = f"http://localhost:{self.port}"
        self.process = None
        self.log_path = self.data_dir.parent / f"{self.data_dir.name}.log"
        self.output = []
        self._clients = {}
        self._family = set()

    def command(self):
        return [
            str(self.executable), "serve",
            "--listen", f"127.0.0.1:{self.port}",
            "--data-dir", str(self.data_dir),
            "--runtimes-dir", str(self.runtimes),
            *self.arguments,
        ]

    def launch(self):
        """Starts it, and does not wait until it is ready; gives what says so."""
        settings = {
            "UPDRAFT_ASYNC_RETRY_DELAY_SECS": "1",
            "UPDRAFT_INIT_DIRS": str(self.data_dir / "init"),
            # NAT is tested between hosts in namespaces of the tests' own; here the machine's network is left alone.
            "UPDRAFT_EGRESS": "none",
        }
        env = environment(**settings | self.env)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
            )
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout, ready), daemon=True)
        self._reader.start()
        return ready

    def start(self):
        ready = self.launch()
        deadline = time.monotonic() + START_SECONDS_MAX
        while not ready.wait(0.02):
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode} at its start:\n{self.log_text()}")
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"no line `Ready.` within {START_SECONDS_MAX} s:\n{self.log_text()}")
        return self

    def _read(self, stdout, ready):
        for line in stdout:
            self.output.append(line.rstrip("\n"))
            if line.strip() == "Ready.":
                ready.set()

    def log_text(self):
        """What the server said on stderr."""
        return self.log_path.read_text(errors="replace")

    def stop(self):
        """Asks it to end, as a service manager does, and gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"not ended {STOP_SECONDS_MAX} s after SIGTERM:\n{self.log_text()[-4000:]}") from None

    def kill(self):
        """The power cut."""
        self.process.kill()
        self.process.wait()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if not self.is_running():
            return
        status = self.stop()
        if kind is None:
            assert status == 0, self.log_text()[-4000:]
            self.assert_nothing_is_left()

    # ---- clients

    def client(self, service, *, key="test", secret="test", token=None, region=REGION, **config):
        """A boto3 client as a user would make it, but without retries that would hide errors."""
        config = {"retries": {"max_attempts": 0}, "max_pool_connections": 256, "read_timeout": 120} | config
        identity = (service, key, secret, token, region, repr(sorted(config.items(), key=str)))
        if identity not in self._clients:
            session = boto3.session.Session(key, secret, token, region)
            self._clients[identity] = session.client(
                service, endpoint_url=self.endpoint, config=botocore.config.Config(**config)
            )
        return self._clients[identity]

    def client_environment(self, **more):
        return client_environment(self.endpoint, **more)

    # ---- remains

    def instance(self):
        """The name that the server's control groups have."""
        value = 0xCBF29CE484222325
        for byte in str(self.data_dir / "sandboxes").encode():
            value = ((value ^ byte) * 0x100000001B3) % 2**64
        return f"{value:016x}"

    def _network_tag(self):
        value = 0x811C9DC5
        for byte in self.instance().encode():
            value = ((value ^ byte) * 0x01000193) % 2**32
        return f"{(value ^ (value >> 16)) & 0xFFFF:04x}"

    def control_groups(self):
        found = []
        for directory, names, _ in os.walk("/sys/fs/cgroup"):
            if directory.endswith(f"updraft/{self.instance()}"):
                found += [directory, *(f"{directory}/{name}" for name in names)]
        return found

    def mounts(self):
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if str(self.data_dir) in line]

    def processes(self):
        """`PID: command` of every process of the server's: it and its descendants (also those seen by an earlier call), and
        whatever bears its directory in its command line, its mounts or its control group."""
        every = {process.pid: process for process in _processes()}
        ours = {pid for pid, process in every.items() if self._is_ours(process)}
        if self.is_running():
            ours.add(self.process.pid)
        while more := {pid for pid, process in every.items() if process.parent in ours} - ours:
            ours |= more
        self._family |= {(pid, every[pid].started) for pid in ours if pid in every}
        ours -= {os.getpid()}
        return [f"{pid}: {every[pid].command}" for pid in sorted(ours) if pid in every]

    def _is_ours(self, process):
        if (process.pid, process.started) in self._family or str(self.data_dir) in process.command:
            return True
        entry = Path("/proc") / str(process.pid)
        return f"updraft/{self.instance()}" in _read(entry / "cgroup") or str(self.data_dir) in _read(entry / "mountinfo")

    def network_interfaces(self):
        names = re.findall(r"^\s*([^:\s]+):", _read(Path("/proc/net/dev")), re.M)
        return [name for name in names if name.startswith(f"updr{self._network_tag()}-")]

    def remains(self):
        remains = {
            "processes": self.processes(),
            "control groups": self.control_groups(),
            "mounts": self.mounts(),
            "network interfaces": self.network_interfaces(),
        }
        return {what: found for what, found in remains.items() if found}

    def assert_nothing_is_left(self, seconds=10):
        """The kernel takes interfaces and groups apart in its own time, hence the patience."""
        assert not eventually(lambda: not self.remains(), seconds, give=self.remains), self.remains()


@dataclass
class _Process:
    pid: int
    parent: int
    started: str
    command: str


def _processes():
    for entry in Path("/proc").glob("[0-9]*"):
        # The name of the program, in brackets, may hold anything.
        fields = _read(entry / "stat").rpartition(")")[2].split()
        if len(fields) > 19 and fields[0] != "Z":
            yield _Process(int(entry.name), int(fields[1]), fields[19], _read(entry / "cmdline").replace("\0", " ").strip())


def eventually(condition, seconds=30, pause=0.05, give=None):
    """Waits until something holds, and gives it; gives the last falsehood (or `give()`) when time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return None if give else found
        if time.monotonic() > deadline:
            return give() if give else found
        time.sleep(pause)


def _read(path):
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
