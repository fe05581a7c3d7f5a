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
