"""Where log records go: one frame each on the telemetry descriptor, so that a record with many lines stays one.

A telemetry frame is `u32` big-endian type, `u32` length, `u64` microseconds since 1970, text. The type's low bits say
text or JSON and the level. Without the descriptor (AWS's client does the same) records go to stdout.
"""

import io
import json
import logging
import os
import struct
import sys
import time
import traceback

from . import faults

_TYPE = 0xA55A0002
_TEXT = 1
_LEVEL_BITS = {0: 0, 10: 8, 20: 12, 30: 16, 40: 20, 50: 24}
_DATE_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_frame_head = struct.Struct(">IIQ").pack

# Attributes every record has; what is not among them came by `extra=` and is shown in JSON.
_RECORD_FIELDS = frozenset(
    "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created msecs"
    " relativeCreated thread threadName processName process taskName aws_request_id tenant_id _frame_type".split()
) - {"taskName"}


class Current:
    """The invocation that log records belong to."""

    request_id = None
    tenant_id = None


class FrameSink:
    """Records as telemetry frames."""

    def __init__(self, fd):
        self.fd = fd

    def log(self, msg, frame_type=None):
        text = msg.encode("utf8", "backslashreplace")
        data = _frame_head(frame_type or _TYPE | _TEXT, len(text), time.time_ns() // 1000) + text
        while data:
            data = data[os.write(self.fd, data):]

    def log_error(self, lines, frame_type):
        self.log("\n".join(lines), frame_type)


class StdoutSink:
    """Records as plain output; carriage returns keep an error's lines in one record, as on AWS."""

    def log(self, msg, frame_type=None):
        sys.stdout.write(msg)

    def log_error(self, lines, frame_type):
        sys.stdout.write("\r".join(lines) + "\n")


class _Handler(logging.Handler):
    def __init__(self, sink):
        logging.Handler.__init__(self)
        self.log_sink = sink

    def emit(self, record):
        self.log_sink.log(self.format(record))


class _LevelHandler(_Handler):
    """With a level or JSON configured, frames say their level."""

    def emit(self, record):
        text = self.format(record)
        own_type = getattr(record, "_frame_type", None)
        self.log_sink.log(text, own_type or _TYPE | _TEXT | _LEVEL_BITS[_rounded(record.levelno)])


class _Filter(logging.Filter):
    def filter(self, record):
        record.aws_request_id = Current.request_id or ""
        record.tenant_id = Current.tenant_id
        return True


class _JsonFormatter(logging.Formatter):
    """One object per record; absent things are left out."""

    def __init__(self):
        super().__init__(datefmt=_DATE_FORMAT)
        self._encode = json.JSONEncoder(ensure_ascii=False, default=str).encode

    def format(self, record):
        record.levelno = _rounded(record.levelno)
        record.levelname = logging.getLevelName(record.levelno)
        record._frame_type = _TYPE | _LEVEL_BITS[record.levelno]
        raised = record.exc_info
        shown = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(raised[2]) if raised else None,
            "errorType": raised[0].__name__ if raised and raised[0] else None,
            "errorMessage": str(raised[1]) if raised else None,
            "requestId": getattr(record, "aws_request_id", None),
            "location": "{0.pathname}:{0.funcName}:{0.lineno}".format(record) if raised else None,
            "tenantId": getattr(record, "tenant_id", None),
        }
        for key, value in record.__dict__.items():
            if key not in _RECORD_FIELDS and key not in shown:
                shown[key] = value
        return self._encode({key: value for key, value in shown.items() if value is not None}) + "\n"


def _rounded(level):
    return min(50, max(0, level)) // 10 * 10


class Logs:
    """A function's logging, by its environment (`AWS_LAMBDA_LOG_FORMAT`, `AWS_LAMBDA_LOG_LEVEL`)."""

    def __init__(self, environ, fd):
        self.sink = StdoutSink() if fd is None else FrameSink(fd)
        self.is_json = environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
        level = environ.get("AWS_LAMBDA_LOG_LEVEL", "")
        self.level = "DEBUG" if level == "TRACE" else level.upper()

    def install(self):
        """Gives the root logger AWS's handler."""
        logging.Formatter.converter = time.gmtime
        root = logging.getLogger()
        handler = _LevelHandler(self.sink) if self.is_json or self.level else _Handler(self.sink)
        if self.is_json:
            handler.setFormatter(_JsonFormatter())
        else:
            text = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
            handler.setFormatter(logging.Formatter(text, "%Y-%m-%dT%H:%M:%S"))
        if self.level in logging._nameToLevel:
            root.setLevel(self.level)
        handler.addFilter(_Filter())
        root.addHandler(handler)

    def error(self, error, marshaller):
        """Logs an error document."""
        level = _LEVEL_BITS[40]
        if self.is_json:
            line = str(marshaller.document(faults.as_log_json(error)), "utf-8")
            self.sink.log_error([line], _TYPE | level)
        else:
            self.sink.log_error(faults.as_log_text(error), _TYPE | _TEXT | level)


def unbuffer_stdio():
    """Output leaves at once, as on AWS: a sandbox may be killed at any moment."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        raw = open(fd, "wb", buffering=0, closefd=False)
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)


UNHANDLED_WARNING = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, in rare cases, "
    "a Lambda runtime update can cause unexpected function behavior. For functions using managed runtimes, runtime updates "
    "can be triggered by a function change, or can be applied automatically. To determine if the runtime has been updated, "
    "check the runtime version in the INIT_START log entry. If this error correlates with a change in the runtime version, "
    "you may be able to mitigate this error by temporarily rolling back to the previous runtime version. For more "
    "information, see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)
