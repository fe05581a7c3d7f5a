"""Requests by hand, where no SDK would go: signed at another time, changed after signing, malformed."""

import contextlib
import urllib.error
import urllib.request
from unittest import mock

import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

LIST = "/2015-03-31/functions"


def signed(server, path=LIST, *, at=None, service="lambda", method="GET", body=b"", headers=None, change=None):
    """Signs a request, at another time if `at` says so, and sends it after `change` had its way with it. Gives status, the
    header with the error's type, and text."""
    request = AWSRequest(method, server.endpoint + path, headers or {}, body)
    with clock(at):
        SigV4Auth(Credentials("test", "test"), service, "us-east-1").add_auth(request)
    prepared = request.prepare()
    sent = urllib.request.Request(prepared.url, body or None, dict(prepared.headers), method=method)
    if change:
        change(sent)
    return ask(sent)


def clock(at):
    """The clock of botocore's signers, set to another time."""
    if at is None:
        return contextlib.nullcontext()
    return mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: at.replace(tzinfo=None))


def ask(request):
    """Sends a request; gives status, the header with the error's type, and text."""
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, None, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("x-amzn-ErrorType"), error.read().decode()
