"""Errors as AWS shapes them: the document the caller gets, and the line the log gets."""

import os
import time
import traceback

_OWN_DIRECTORY = os.path.dirname(os.path.abspath(__file__))
_LOG_INDENT = "\u00a0"  # AWS indents with no-break spaces, so that no log viewer strips them


class Fault(Exception):
    """An error of the runtime's own, with AWS's type name."""

    def __init__(self, error_type, message, trace=None):
        self.error_type = error_type
        self.message = message
        self.trace = trace


def document(message, error_type, stack_trace, request_id=""):
    """AWS's error document, keys in AWS's order. Before the first event the request id is empty."""
    return {
        "errorMessage": message or "",
        "errorType": error_type or "",
        "requestId": request_id,
        "stackTrace": stack_trace or [],
    }


def of_fault(fault, request_id=""):
    """The document for a fault."""
    return document(fault.message, fault.error_type, fault.trace, request_id)


def of_exception(error, request_id=""):
    """The document for what user code raised; our own frames are left out, as AWS leaves out its own."""
    # Four-tuples, not FrameSummary objects: AWS's traces have no caret lines.
    frames = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(error.__traceback__)]
    first = next((i for i, frame in enumerate(frames) if not frame[0].startswith(_OWN_DIRECTORY)), 0)
    return document(str(error), type(error).__name__, traceback.format_list(frames[first:]), request_id)


def as_log_text(error):
    """The log record in text format."""
    kind, message = error["errorType"], error["errorMessage"]
    first = "[ERROR]"
    if kind:
        first += " " + kind
    if message:
        first += (": " if kind else " ") + message
    lines = [first, "Traceback (most recent call last):"]
    for element in error["stackTrace"]:
        for line in element.splitlines() or [""]:
            bare = line.lstrip(" ")
            lines.append(_LOG_INDENT * (len(line) - len(bare)) + bare)
    return lines


def as_log_json(error):
    """The log record in JSON format."""
    return {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "level": "ERROR", **error}
