"""The handler's second argument."""

import json
import logging
import sys
import time

from .faults import Fault

# Trace-context fields that AWS hands on by `context.w3c()` and takes out of the client context.
_W3C_FIELDS = ("traceparent", "tracestate", "baggage")


class _Record:
    """Attributes by name, absent ones `None`, and a readable form."""

    __slots__ = ()

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self):
        fields = ",".join("{}={}".format(name, getattr(self, name)) for name in self.__slots__)
        return "{}([{}])".format(type(self).__name__, fields)


class Client(_Record):
    """The mobile application that calls, by its own account."""

    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(_Record):
    """What the caller sent as `ClientContext`."""

    __slots__ = ("custom", "env", "client")

    def __init__(self, values):
        super().__init__(values)
        if self.client is not None:
            self.client = Client(self.client)


class CognitoIdentity(_Record):
    """The Amazon Cognito identity of the caller, if any."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class LambdaContext:
    """One per invocation. Names and types are AWS's (`memory_limit_in_mb` is a string there too)."""

    def __init__(self, function, header):
        self.aws_request_id = header["request_id"]
        self.log_group_name = function.log_group
        self.log_stream_name = function.log_stream
        self.function_name = function.name
        self.memory_limit_in_mb = function.memory_mb
        self.function_version = function.version
        self.invoked_function_arn = header.get("invoked_function_arn")
        self.tenant_id = header.get("tenant_id")
        self._w3c_fields = {}
        self.client_context = self._client_context(header.get("client_context"))
        self.identity = self._identity(header.get("cognito_identity"))
        self._epoch_deadline_time_in_ms = header["deadline_ms"]

    def _client_context(self, raw):
        if not raw:
            return None
        values = _parse(raw, "Client Context")
        if values is None:
            return None
        if isinstance(values, dict) and "w3c" in values:
            fields = values.pop("w3c")
            if isinstance(fields, dict):
                self._w3c_fields = {k: fields[k] for k in _W3C_FIELDS if isinstance(fields.get(k), str)}
        return ClientContext(values)

    @staticmethod
    def _identity(raw):
        if not raw:
            return CognitoIdentity({})
        values = _parse(raw, "Cognito Identity") or {}
        return CognitoIdentity(
            {
                "cognito_identity_id": values.get("cognitoIdentityId"),
                "cognito_identity_pool_id": values.get("cognitoIdentityPoolId"),
            }
        )

    def get_remaining_time_in_millis(self):
        """Milliseconds until the invocation times out, at least 0."""
        left = self._epoch_deadline_time_in_ms - int(time.time() * 1000)
        return left if left > 0 else 0

    def w3c(self):
        """The W3C trace context of the invocation."""
        return dict(self._w3c_fields)

    def log(self, msg):
        """Writes one record to the log, as it is."""
        for handler in logging.getLogger().handlers:
            if hasattr(handler, "log_sink"):
                handler.log_sink.log(str(msg))
                return
        sys.stdout.write(str(msg))

    def __repr__(self):
        names = (
            "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
            "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id",
        )
        return "LambdaContext([{}])".format(",".join("{}={}".format(n, getattr(self, n)) for n in names))


def _parse(raw, what):
    try:
        return json.loads(raw)
    except Exception as error:
        raise Fault(
            "Runtime.LambdaContextUnmarshalError", "Unable to parse {} JSON: {}".format(what, error)
        ) from None
