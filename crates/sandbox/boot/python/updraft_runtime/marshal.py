"""JSON as AWS's client reads and writes it.

AWS encodes with simplejson: `Decimal` is written digit for digit, NaN and infinities as JavaScript spells them, named
tuples as objects, bytes inside a document as UTF-8 text; characters stay unescaped from Python 3.12 on. The runtime
pack brings simplejson. Without the pack the standard library's encoder does the same, but for named tuples (lists).
"""

import decimal
import json
import math
import os
import re
import sys

from .faults import Fault

_ENVIRONMENT = "AWS_Lambda_python"
_UNESCAPED_SINCE = (3, 12)

# Looked for once, before there is a function: an import that fails costs each of them most of a millisecond.
_runtime_directory = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_is_packed = os.path.isdir(os.path.join(_runtime_directory, "python%d.%d" % sys.version_info[:2], "simplejson"))


def _escapes(execution_env):
    if not (execution_env or "").startswith(_ENVIRONMENT):
        return True
    try:
        return tuple(map(int, execution_env[len(_ENVIRONMENT):].split("."))) < _UNESCAPED_SINCE
    except ValueError:
        return True


def _encoder_of_simplejson(ensure_ascii):
    import simplejson
    from simplejson.raw_json import RawJSON

    def default(value):
        if isinstance(value, decimal.Decimal):
            return math.nan if value.is_nan() else RawJSON(str(value))
        raise TypeError("Object of type %s is not JSON serializable" % value.__class__.__name__)

    return simplejson.JSONEncoder(
        use_decimal=False, ensure_ascii=ensure_ascii, allow_nan=True, default=default
    ).encode


def _encoder_of_stdlib(ensure_ascii):
    """Decimals leave the C encoder as marked strings; a second pass takes the marks and quotes off."""
    mark = ""
    seen = []

    def default(value):
        nonlocal mark
        if isinstance(value, decimal.Decimal):
            if value.is_nan():
                return math.nan
            mark = mark or "decimal-" + os.urandom(8).hex() + ":"
            seen.append(True)
            return mark + str(value)
        if isinstance(value, bytes):
            return value.decode("utf-8")
        raise TypeError("Object of type %s is not JSON serializable" % value.__class__.__name__)

    plain = json.JSONEncoder(ensure_ascii=ensure_ascii, default=default).encode

    def encode(value):
        text = plain(value)
        if seen:
            seen.clear()
            text = re.sub('"' + mark + '([^"]*)"', r"\1", text)
        return text

    return encode


class Marshaller:
    """Decodes events and encodes results for one function."""

    __slots__ = ("_encode", "_decode")

    def __init__(self, execution_env):
        ensure_ascii = _escapes(execution_env)
        self._encode = _encoder_of_simplejson(ensure_ascii) if _is_packed else _encoder_of_stdlib(ensure_ascii)
        self._decode = json.JSONDecoder().decode

    def event(self, payload):
        """The handler's first argument."""
        try:
            return self._decode(str(payload, "utf-8"))
        except Exception as error:
            raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: {}".format(error)) from None

    def result(self, value):
        """The invocation's payload. Bytes go out as they are."""
        if isinstance(value, bytes):
            return value
        try:
            return self._encode(value).encode("utf-8")
        except Exception as error:
            raise Fault("Runtime.MarshalError", "Unable to marshal response: {}".format(error)) from None

    def document(self, value):
        """An error document. Never fails for want of an encoding."""
        return self._encode(value).encode("utf-8", "backslashreplace")
