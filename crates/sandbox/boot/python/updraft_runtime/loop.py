"""A function's life: settings, loading, events.

Functions return frames instead of writing them, so that the warm-up takes the same path without a server.
"""

import builtins
import json
import logging
import os
import random
import sys
import time

from . import channel as frames
from . import faults, handler, preload, snapshot
from .context import LambdaContext
from .faults import Fault
from .logs import UNHANDLED_WARNING, Current, Logs
from .marshal import Marshaller

_stdlib_path = [entry for entry in sys.path if entry and not entry.startswith("/var/runtime")]
_version = "python%d.%d" % sys.version_info[:2]
_TRACE_ID = "_X_AMZN_TRACE_ID"


class Function:
    """A loaded function."""

    def __init__(self, init, telemetry_fd):
        environ = os.environ
        self.name = environ.get("AWS_LAMBDA_FUNCTION_NAME", init.get("function_name"))
        self.version = environ.get("AWS_LAMBDA_FUNCTION_VERSION", init.get("function_version"))
        self.memory_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str(init.get("memory_mb", 128)))
        self.log_group = environ.get("AWS_LAMBDA_LOG_GROUP_NAME", init.get("log_group"))
        self.log_stream = environ.get("AWS_LAMBDA_LOG_STREAM_NAME", init.get("log_stream") or None)
        self.marshaller = Marshaller(environ.get("AWS_EXECUTION_ENV"))
        self.logs = Logs(environ, telemetry_fd)
        self.handler = None
        self._decode_header = json.JSONDecoder().decode
        self._trace_id = environ.get(_TRACE_ID)

    def load(self, name):
        """Loads the handler; `None`, or the error document."""
        self.logs.install()
        try:
            self.handler = handler.load(name)
            return None
        except Fault as fault:
            error = faults.of_fault(fault)
        except Exception as raised:
            error = faults.of_exception(raised)
        logging.warning(UNHANDLED_WARNING)
        return self.failed(error)

    def failed(self, error):
        """Logs an error, if there is one, and gives its document."""
        if error is None:
            return None
        self.logs.error(error, self.marshaller)
        return self.marshaller.document(error)

    def answer(self, body):
        """Runs one event; the answer's kind and body. Exits and the like pass through and end the process."""
        payload_at = 4 + int.from_bytes(body[:4], "little")
        header = self._decode_header(str(body[4:payload_at], "utf-8"))
        request_id = header["request_id"]
        Current.request_id = request_id
        Current.tenant_id = header.get("tenant_id")
        trace_id = header.get("trace_id")
        if trace_id != self._trace_id:
            self._set_trace_id(trace_id)
        try:
            context = LambdaContext(self, header)
            event = self.marshaller.event(body[payload_at:])
            return frames.RESULT, self.marshaller.result(self.handler(event, context))
        except Fault as fault:
            error = faults.of_fault(fault, request_id)
        except Exception as raised:
            error = faults.of_exception(raised, request_id)
        self.logs.error(error, self.marshaller)
        return frames.ERROR, self.marshaller.document(error)

    def _set_trace_id(self, trace_id):
        self._trace_id = trace_id
        if trace_id is None:
            os.environ.pop(_TRACE_ID, None)
        else:
            os.environ[_TRACE_ID] = trace_id


def apply_settings(init):
    """Makes the process the function's: environment, module path, directory, random state."""
    environ = os.environ
    zone = environ.get("TZ")
    if init.get("env") is not None:  # else the process was started with it, and a wrapper may have changed it since
        for name in [name for name in environ if name not in init["env"]]:
            del environ[name]
        for name, value in init["env"].items():
            environ[name] = value
    environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
    if environ.get("TZ") != zone:
        time.tzset()
    task_root = init.get("task_root") or "/var/task"
    front = init.get("sys_path") or default_front(task_root, environ)
    for entry in front:
        sys.path_importer_cache.pop(entry, None)
    sys.path[:] = front + _stdlib_path + [pack_directory()]
    if init.get("code_in_place"):
        from . import sources

        sources.distrust_bytecode(task_root)
    preload.drop_shadowed(front)
    try:
        os.chdir(task_root)
    except OSError:
        pass  # no code: the import says so better
    random.seed()


def default_front(task_root, environ):
    """What comes before the standard library, in AWS's order."""
    own = [entry for entry in environ.get("PYTHONPATH", "").split(":") if entry]
    return [task_root, "/opt/python/lib/%s/site-packages" % _version, "/opt/python"] + own + ["/var/runtime"]


def pack_directory():
    """The runtime pack (boto3 and what it needs) of this interpreter's version, beside the boot files."""
    return os.path.join(os.path.dirname(_boot_directory), _version)


_boot_directory = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def prepare():
    """What `site` and a script's start would have done."""
    if not hasattr(builtins, "exit"):
        import site

        site.setquit()
        site.setcopyright()
        site.sethelper()
    sys.dont_write_bytecode = True  # the code's directory is read-only
    sys.argv = ["bootstrap"]
    if sys.path and sys.path[0] == _boot_directory:
        del sys.path[0]
    _stdlib_path[:] = [entry for entry in _stdlib_path if entry != _boot_directory]


def take_telemetry_fd():
    """The log descriptor this process was started with; not for the function's children."""
    raw = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
    if raw is None:
        return None
    os.set_inheritable(int(raw), False)
    return int(raw)


def become_snapshot(channel, function):
    """From the end of init to the end of the restore; an exit status (AWS's client has the same) if that failed."""
    failure = function.failed(snapshot.before())
    if failure is not None:
        channel.send(frames.INIT_FAILED, failure)
        return 64
    snapshot.sleep(channel)
    failure = function.failed(snapshot.after())
    if failure is not None:
        channel.send(frames.RESTORE_FAILED, failure)
        return 65
    return 0


def serve(channel, telemetry_fd):
    """Takes settings, then events, until the server closes the channel. Returns the process's exit status."""
    try:
        channel.send(frames.PARKED)
        kind, body = channel.receive()
        while kind == frames.LOAD:
            snapshot.load(channel)
            kind, body = channel.receive()
        init = json.loads(str(body, "utf-8"))
        apply_settings(init)
        if init.get("debug"):
            from . import debugger

            debugger.listen(init["debug"], os.path.dirname(_boot_directory))
        function = Function(init, telemetry_fd)
        failure = function.load(init["handler"])
        if failure is not None:
            channel.send(frames.INIT_FAILED, failure)
            return 1
        if snapshot.is_wanted():
            status = become_snapshot(channel, function)
            if status:
                return status
        channel.send(frames.INIT_DONE)
        receive, send, answer = channel.receive, channel.send, function.answer
        while True:
            _, body = receive()
            kind, result = answer(body)
            send(kind, result)
    except frames.Closed:
        return 0
    except (BrokenPipeError, ConnectionResetError):
        return 0
