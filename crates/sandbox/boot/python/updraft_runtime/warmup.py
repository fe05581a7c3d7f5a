"""Runs a dummy function through the real path and forgets it.

Most of a first invocation's time goes into touching pages for the first time. This touches them before the request
comes. What it leaves behind must be nothing a function can see: modules, environment, logging, random state, path caches.
"""

import importlib
import json
import logging
import os
import random
import struct
import sys

from . import loop, preload
from .logs import Current

_HANDLER_MODULE = "updraft_warmup_handler"
_ROUNDS = 3


def run():
    """Warms this process. Leaves it as it was."""
    before = _State()
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        _call_dummy(sink)
    finally:
        os.close(sink)
        before.restore()


def _call_dummy(log_fd):
    directory = os.path.join(loop._boot_directory, "warmup")
    environ = {"WARM_%d" % i: "x" * 40 for i in range(30)}
    environ.update(PATH="/usr/bin:/bin", AWS_EXECUTION_ENV="AWS_Lambda_" + loop._version)
    front = [directory] + loop.default_front("/var/task", {})
    init = {"handler": _HANDLER_MODULE + ".handler", "env": environ, "task_root": directory, "sys_path": front}
    init = json.loads(json.dumps(init))
    tops = dict(preload._preloaded_tops)
    loop.apply_settings(init)
    preload._preloaded_tops.clear()
    preload._preloaded_tops.update(tops)
    function = loop.Function(init, log_fd)
    function.load(init["handler"])
    header = {"request_id": "0" * 36, "deadline_ms": 0, "invoked_function_arn": "arn", "trace_id": "Root=1"}
    header = json.dumps(header).encode()
    payload = json.dumps({"key%d" % i: ["value", i, 1.5, None, {"a": "\u00e9"}] for i in range(20)}).encode()
    body = struct.pack("<I", len(header)) + header + payload
    for _ in range(_ROUNDS):
        function.answer(body)


class _State:
    """Everything the dummy may have changed."""

    def __init__(self):
        root = logging.getLogger()
        self.modules = set(sys.modules)
        self.environ = dict(os.environ)
        self.path = list(sys.path)
        self.cwd = os.getcwd()
        self.caches = set(sys.path_importer_cache)
        self.handlers, self.level = list(root.handlers), root.level
        self.converter = logging.Formatter.__dict__["converter"]

    def restore(self):
        root = logging.getLogger()
        for name in set(sys.modules) - self.modules:
            if name == _HANDLER_MODULE:
                del sys.modules[name]
        preload.note()
        os.environ.clear()
        os.environ.update(self.environ)
        sys.path[:] = self.path
        os.chdir(self.cwd)
        for entry in set(sys.path_importer_cache) - self.caches:
            if not entry.startswith(sys.prefix):
                del sys.path_importer_cache[entry]
        root.handlers[:] = self.handlers
        root.setLevel(self.level)
        logging.Formatter.converter = self.converter
        logging._handlers.clear()
        del logging._handlerList[:]
        Current.request_id = Current.tenant_id = None
        tempfile = sys.modules.get("tempfile")
        if tempfile:
            tempfile._name_sequence = None
        random.seed()
        importlib.invalidate_caches()
