"""Runs a boot file as the sandbox would: frames on descriptor 3, telemetry on 4, output on 1 and 2. No isolation."""

import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

BOOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ANSWER_SECONDS = 30

# Low descriptors are taken, so that placing 3 and 4 in the child never lands on one that subprocess itself uses.
_placeholders = []
while not _placeholders or _placeholders[-1] < 20:
    _placeholders.append(os.open(os.devnull, os.O_RDONLY))


class Answer:
    """One frame from the runtime."""

    def __init__(self, kind, body):
        self.kind, self.body = kind, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "%s %r" % (self.kind, self.body)


class Runtime:
    """A started boot file."""

    def __init__(self, argv, env=None):
        ours, theirs = socket.socketpair()
        self.socket = ours
        self.socket.settimeout(ANSWER_SECONDS)
        log_read, log_write = os.pipe()
        base = {"PATH": "/usr/bin:/bin", "_LAMBDA_TELEMETRY_LOG_FD": "4"}

        def place():
            os.dup2(theirs.fileno(), 3)
            os.dup2(log_write, 4)

        self.process = subprocess.Popen(
            argv, env={**base, **(env or {})}, preexec_fn=place, pass_fds=(3, 4), cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        theirs.close()
        os.close(log_write)
        self.output, self.telemetry = _Drain(self.process.stdout.fileno()), _Drain(log_read)
        self._inbox = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def send(self, kind, body):
        self.socket.sendall(struct.pack("<Ic", len(body) + 1, kind) + body)

    def receive(self):
        """The next frame; `None` when the runtime has closed its end."""
        while len(self._inbox) < 5 or len(self._inbox) < 4 + struct.unpack_from("<I", self._inbox)[0]:
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:  # it ended with a frame unread
                return None
            if not data:
                return None
            self._inbox += data
        length = struct.unpack_from("<I", self._inbox)[0]
        answer = Answer(self._inbox[4:5].decode(), self._inbox[5 : 4 + length])
        self._inbox = self._inbox[4 + length :]
        return answer

    def parked(self):
        answer = self.receive()
        assert answer and answer.kind == "P", (answer, self.output.text())
        return self

    def init(self, task_root, handler, env=None, **more):
        """Sends the settings and takes the answer to them."""
        self.send_init(task_root, handler, env, **more)
        return self.receive()

    def send_init(self, task_root, handler, env=None, **more):
        function_env = {
            "PATH": "/usr/bin:/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC", "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": task_root, "AWS_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_NAME": "fn",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn", "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
        }
        function_env.update(env or {})
        settings = {
            "handler": handler, "env": function_env, "task_root": task_root, "function_name": "fn",
            "function_version": "$LATEST", "memory_mb": 128, "log_group": "/aws/lambda/fn", "log_stream": "s", **more,
        }
        self.send(b"I", json.dumps(settings).encode())

    def send_event(self, payload, **header):
        fields = {
            "request_id": "11111111-2222-3333-4444-555555555555",
            "deadline_ms": int(time.time() * 1000) + 3000,
            "invoked_function_arn": "arn:aws:lambda:us-east-1:000000000000:function:fn",
            **header,
        }
        raw = json.dumps(fields).encode()
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.send(b"E", struct.pack("<I", len(raw)) + raw + body)

    def invoke(self, payload=None, **header):
        self.send_event(payload, **header)
        return self.receive()

    def exit_status(self):
        return self.process.wait(ANSWER_SECONDS)

    def logs(self):
        """Telemetry records so far: (type, text)."""
        time.sleep(0.05)
        data, records = self.telemetry.bytes(), []
        while data:
            kind, length, at_us = struct.unpack_from(">IIQ", data)
            assert abs(at_us / 1e6 - time.time()) < 600, "microseconds since 1970"
            records.append((kind, data[16 : 16 + length].decode()))
            data = data[16 + length :]
        return records


class _Drain:
    """Reads a pipe in the background, as the server does."""

    def __init__(self, fd):
        self._data = bytearray()
        self._fd = os.dup(fd)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            data = os.read(self._fd, 65536)
            if not data:
                return
            self._data += data

    def bytes(self):
        return bytes(self._data)

    def text(self):
        time.sleep(0.05)
        return self._data.decode(errors="replace")


class Task:
    """A temporary `/var/task` with these files."""

    def __init__(self, files):
        self.path = tempfile.mkdtemp(prefix="task-")
        for name, text in files.items():
            path = os.path.join(self.path, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb" if isinstance(text, bytes) else "w") as file:
                file.write(text)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def microseconds(call, rounds):
    """Sorted durations of a call, in µs."""
    durations = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        call()
        durations.append((time.perf_counter_ns() - start) / 1000)
    return sorted(durations)
