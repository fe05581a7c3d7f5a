"""The demo's server: `updraft serve` in a directory and on a port of its own, stopped as a service manager stops it, and
looked after for what it might leave behind."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

from terminal import Failure

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 30
REMAINS_SECONDS_MAX = 10


class Server:
    def __init__(self, updraft, runtimes_dir, directory):
        self.directory = Path(directory).resolve()
        self.data_dir, self.log_path = self.directory / "data", self.directory / "server.log"
        self.port = free_port()
        self.endpoint = f"http://localhost:{self.port}"
        self.words = [str(updraft), "serve", "--listen", f"127.0.0.1:{self.port}", "--data-dir", str(self.data_dir),
                      "--runtimes-dir", str(runtimes_dir)]
        self.control_groups = set()

    def start(self):
        """Gives the seconds from start to `Ready.`"""
        began = time.monotonic()
        env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "UPDRAFT_"))}
        env["UPDRAFT_INIT_DIRS"] = str(self.directory / "init")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=log, text=True)
        ready = threading.Event()
        threading.Thread(target=self._read, args=(ready,), daemon=True).start()
        while not ready.wait(0.01):
            if self.process.poll() is not None:
                raise Failure(f"the server ended at its start with {self.process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > began + START_SECONDS_MAX:
                raise Failure(f"the server was not ready within {START_SECONDS_MAX} s:\n{self.log_tail()}")
        return time.monotonic() - began

    def _read(self, ready):
        for line in self.process.stdout:
            if line.strip() == "Ready.":
                ready.set()

    def log_tail(self, lines=15):
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def status(self):
        """What `updraft status --json` prints."""
        with urllib.request.urlopen(f"{self.endpoint}/_updraft/status", timeout=10) as answer:
            return json.load(answer)

    def launches(self):
        """How sandboxes came to be so far, by pool: parked, forked from a zygote, started from nothing."""
        return {pool["name"]: pool["launches"] for pool in self.status()["pools"]}

    def is_running(self):
        return hasattr(self, "process") and self.process.poll() is None

    def stop(self):
        """Asks it to end; gives the seconds that took."""
        self.control_groups |= {group for process in self.processes() for group in control_groups_of(process)}
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure(f"the server did not end within {STOP_SECONDS_MAX} s of SIGTERM:\n{self.log_tail()}") from None
        if status != 0:
            raise Failure(f"the server ended with {status}:\n{self.log_tail()}")
        return time.monotonic() - began

    def kill(self):
        if self.is_running():
            self.process.kill()
            self.process.wait()

    def remains(self):
        """Processes, mounts and control groups that outlived the server; the kernel is given some seconds."""
        deadline = time.monotonic() + REMAINS_SECONDS_MAX
        while True:
            found = [f"process {process}" for process in self.processes()]
            found += [f"mount {line.split()[4]}" for line in read("/proc/self/mountinfo").splitlines() if str(self.directory) in line]
            found += [f"control group {group}" for group in self.control_groups if os.path.isdir(group)]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.1)

    def processes(self):
        """Those that bear the server's directory in their command line or in their mounts."""
        mine = str(self.directory)
        numbers = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()]
        return [n for n in numbers if mine in read(f"/proc/{n}/cmdline") or mine in read(f"/proc/{n}/mountinfo")]


def control_groups_of(process):
    """The directories of a process's control groups that are Updraft's."""
    for line in read(f"/proc/{process}/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        below = Path("/sys/fs/cgroup", controllers) if controllers else Path("/sys/fs/cgroup")
        if "/updraft/" in path:
            yield f"{below}{path}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read(path):
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
