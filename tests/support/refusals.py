"""Refusals: an error has a status, a code and words, and all three are AWS's."""

import contextlib

import botocore.exceptions


@contextlib.contextmanager
def refused(status, code, words=None):
    """Expects the call inside to be refused so; `words` is the message or a part of it."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        seen = error.response
        assert (seen["ResponseMetadata"]["HTTPStatusCode"], seen["Error"]["Code"]) == (status, code), seen
        assert words is None or words in seen["Error"]["Message"], seen["Error"]["Message"]
    else:
        raise AssertionError(f"not refused, though it should be with {status} {code}")


def refuses(code, words, call, **arguments):
    """Calls; what is refused must have this code and exactly these words."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        answer = error.response["Error"]
        assert (answer["Code"], answer["Message"]) == (code, words)
    else:
        raise AssertionError(f"not refused, though it should be with {code}")
