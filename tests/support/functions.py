"""Functions as users write them, deployed and called through boto3."""

import base64
import itertools
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .code import zip_of

ROLE = "arn:aws:iam::000000000000:role/worker"
WAITER = {"Delay": 0.05, "MaxAttempts": 1200}
_numbers = itertools.count(1)


@dataclass
class Answer:
    """What an invocation gave."""

    status: int
    payload: bytes
    error: str | None
    tail: str | None
    request_id: str
    version: str | None

    @property
    def value(self):
        return json.loads(self.payload)

    def ok(self):
        """The answer's value, of a function that did not fail."""
        assert self.error is None, self.payload
        return self.value


@dataclass
class Report:
    """The REPORT line."""

    request_id: str
    duration_ms: float
    billed_ms: int
    memory_mb: int
    used_mb: int
    init_ms: float | None
    text: str

    @classmethod
    def of(cls, log):
        pattern = (
            r"REPORT RequestId: (\S+)\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\tMemory Size: (\d+) MB\t"
            r"Max Memory Used: (\d+) MB\t(?:Init Duration: ([\d.]+) ms\t)?.*"
        )
        found = re.search(pattern, log)
        assert found, log
        request_id, duration, billed, memory, used, init = found.groups()
        return cls(request_id, float(duration), int(billed), int(memory), int(used), init and float(init), found[0])


class Function:
    """A deployed function."""

    def __init__(self, client, name):
        self.client, self.name = client, name

    @property
    def arn(self):
        return f"arn:aws:lambda:us-east-1:000000000000:function:{self.name}"

    @property
    def log_group(self):
        return f"/aws/lambda/{self.name}"

    def invoke(self, event=None, *, raw=None, client=None, **more):
        payload = raw if raw is not None else json.dumps({} if event is None else event).encode()
        seen = (client or self.client).invoke(FunctionName=self.name, Payload=payload, **more)
        tail = seen.get("LogResult")
        return Answer(
            seen["StatusCode"],
            seen["Payload"].read(),
            seen.get("FunctionError"),
            base64.b64decode(tail).decode() if tail is not None else None,
            seen["ResponseMetadata"]["RequestId"],
            seen.get("ExecutedVersion"),
        )

    def tail(self, event=None, **more):
        """Invokes and asks for the end of the log."""
        return self.invoke(event, LogType="Tail", **more)

    def wait(self):
        self.client.get_waiter("function_active_v2").wait(FunctionName=self.name, WaiterConfig=WAITER)
        self.client.get_waiter("function_updated_v2").wait(FunctionName=self.name, WaiterConfig=WAITER)
        return self

    def configure(self, **settings):
        self.client.update_function_configuration(FunctionName=self.name, **settings)
        return self.wait()

    def update(self, source, **more):
        self.client.update_function_code(FunctionName=self.name, ZipFile=zip_of({"app.py": source}), **more)
        return self.wait()


class Factory:
    """Makes functions and removes them at the end."""

    def __init__(self, client, runtimes):
        self.client, self.runtimes, self.made = client, runtimes, []

    def name(self, stem="function"):
        return f"{stem}-{next(_numbers)}"

    def create(self, code, *, stem="function", wait=True, **settings):
        name = settings.pop("FunctionName", None) or self.name(stem)
        defaults = {"Runtime": self.runtimes.python, "Handler": "app.handler", "Role": ROLE, "Timeout": 10}
        self.client.create_function(FunctionName=name, Code={"ZipFile": code}, **(defaults | settings))
        self.made.append(name)
        function = Function(self.client, name)
        return function.wait() if wait else function

    def python(self, source, files=None, **settings):
        return self.create(zip_of({"app.py": source} | (files or {})), **({"stem": "python"} | settings))

    def node(self, source, files=None, *, file="index.mjs", **settings):
        defaults = {"stem": "node", "Runtime": self.runtimes.node, "Handler": "index.handler"}
        return self.create(zip_of({file: source} | (files or {})), **(defaults | settings))

    def java(self, package, handler, **settings):
        defaults = {"stem": "java", "Runtime": self.runtimes.java, "Handler": handler, "MemorySize": 512, "Timeout": 30}
        return self.create(package, **(defaults | settings))

    def custom(self, bootstrap, files=None, **settings):
        code = zip_of({"bootstrap": bootstrap} | (files or {}), executable={"bootstrap"})
        return self.create(code, **({"stem": "custom", "Runtime": "provided.al2023", "Handler": "any"} | settings))

    def remove_all(self):
        for name in self.made:
            try:
                self.client.delete_function(FunctionName=name)
            except self.client.exceptions.ResourceNotFoundException:
                pass


@dataclass
class Runtimes:
    """Runtime names whose interpreters and packs this host has, as `updraft runtimes` shows them."""

    python: str
    node: str
    java: str

    @classmethod
    def on_host(cls, runtimes_dir):
        minors = sorted(int(path.name.removeprefix("python3.")) for path in Path(runtimes_dir).glob("python3.*"))
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
        java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
        python = os.environ.get("UPDRAFT_TEST_PYTHON") or f"python3.{minors[-1]}"
        node = re.match(r"v(\d+)", node)[1]
        java = re.search(r'version "(\d+)', java)[1]
        return cls(python, f"nodejs{node}.x", f"java{java}")


def compile_java(sources, runtimes_dir, directory):
    """A zip of classes compiled against the libraries that the runtime brings: AWS's interfaces, and CRaC's."""
    classes = Path(directory) / "classes"
    paths = []
    for path, text in sources.items():
        target = Path(directory) / "src" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        paths.append(str(target))
    libraries = ":".join(str(Path(runtimes_dir) / "java" / name) for name in ("aws-lambda-java-core.jar", "crac.jar"))
    subprocess.run(["javac", "--release", "17", "-cp", libraries, "-d", str(classes), *paths], check=True)
    files = {str(path.relative_to(classes)): path.read_bytes() for path in sorted(classes.rglob("*.class"))}
    return zip_of(files)


def lines_of(logs, function, pattern):
    """The events of a function's log that a filter pattern fits; none where there is no log yet."""
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=function.log_group, filterPattern=pattern)
        return [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
