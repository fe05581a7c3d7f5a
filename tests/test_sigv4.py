"""Signatures: the right one opens, every wrong one is refused with the service's own error."""

import datetime
import json
import urllib.request

import boto3
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.raw import LIST, ask, clock, signed
from support.refusals import refused

SERVICES = {
    "lambda": lambda client: client.list_functions(),
    "logs": lambda client: client.describe_log_groups(),
    "sts": lambda client: client.get_caller_identity(),
}

# (status, code) by service: restJson1, awsJson1.1, awsQuery
WRONG_SECRET = {
    "lambda": (403, "InvalidSignatureException"),
    "logs": (400, "InvalidSignatureException"),
    "sts": (403, "SignatureDoesNotMatch"),
}
UNKNOWN_KEY = {
    "lambda": (403, "UnrecognizedClientException"),
    "logs": (400, "UnrecognizedClientException"),
    "sts": (403, "InvalidClientTokenId"),
}
WORDS = "The request signature we calculated does not match the signature you provided."

both = pytest.mark.parametrize("service", SERVICES)


def client(updraft, service, key="test", secret="test", token=None):
    return boto3.session.Session(key, secret, token, "us-east-1").client(service, endpoint_url=updraft.endpoint)


@both
def test_the_right_signature_opens(updraft, service):
    assert SERVICES[service](client(updraft, service))["ResponseMetadata"]["HTTPStatusCode"] == 200


@both
def test_a_wrong_secret_is_refused(updraft, service):
    with refused(*WRONG_SECRET[service], WORDS):
        SERVICES[service](client(updraft, service, secret="other"))


@both
def test_an_unknown_key_is_refused(updraft, service):
    with refused(*UNKNOWN_KEY[service], "The security token included in the request is invalid"):
        SERVICES[service](client(updraft, service, key="AKIAIOSFODNN7EXAMPLE"))


@both
def test_a_made_up_session_is_refused(updraft, service):
    with refused(*UNKNOWN_KEY[service], "The security token included in the request is invalid"):
        SERVICES[service](client(updraft, service, key="ASIAIOSFODNN7EXAMPLE", token="made up"))


# ---- by hand, where no SDK would go


def minutes_from_now(minutes):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)


def test_a_request_signed_now_is_taken(updraft):
    status, _, text = signed(updraft)
    assert (status, "Functions" in text) == (200, True)


@pytest.mark.parametrize("minutes", [-14, 14])
def test_clocks_may_differ_by_a_quarter_of_an_hour(updraft, minutes):
    assert signed(updraft, at=minutes_from_now(minutes))[0] == 200


def test_an_old_signature_has_expired(updraft):
    status, code, text = signed(updraft, at=minutes_from_now(-16))
    assert (status, code) == (403, "InvalidSignatureException")
    assert "Signature expired: " in text and " is now earlier than " in text


def test_a_signature_from_the_future_is_refused(updraft):
    status, code, text = signed(updraft, at=minutes_from_now(16))
    assert (status, code) == (403, "InvalidSignatureException")
    assert "Signature not yet current: " in text and " is still later than " in text


def test_what_was_signed_cannot_be_changed(updraft):
    def other_path(request):
        request.full_url = request.full_url.replace("MaxItems=1", "MaxItems=2")

    assert signed(updraft, LIST + "?MaxItems=1")[0] == 200
    status, code, text = signed(updraft, LIST + "?MaxItems=1", change=other_path)
    assert (status, code) == (403, "InvalidSignatureException") and WORDS in text

    def other_body(request):
        request.data = b'"changed"'

    status, code, _ = signed(updraft, "/2015-03-31/functions/f/invocations", method="POST", body=b'"signed"', change=other_body)
    assert (status, code) == (403, "InvalidSignatureException")


def test_the_scope_must_be_the_services(updraft):
    status, code, text = signed(updraft, service="logs")
    assert (status, "UnknownOperationException" in text) == (400, True), "logs has no such operation"
    status, code, text = signed(updraft, service="nothing")
    assert status == 403 or "the service nothing is not implemented by Updraft yet" in text, (status, code, text)


def test_an_unsigned_request_is_refused(updraft):
    status, code, text = ask(urllib.request.Request(updraft.endpoint + LIST))
    assert (status, code) == (403, "MissingAuthenticationTokenException"), text
    assert json.loads(text)["message" if "message" in text else "Message"] == "Missing Authentication Token"


def test_an_incomplete_signature_is_refused(updraft):
    header = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/lambda/aws4_request"}
    status, code, text = ask(urllib.request.Request(updraft.endpoint + LIST, headers=header))
    assert (status, code) == (403, "IncompleteSignatureException"), (status, code, text)


# ---- presigned URLs


def presigned(updraft, expires, at=None):
    url = updraft.endpoint + "/?Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest("GET", url)
    with clock(at):
        SigV4QueryAuth(Credentials("test", "test"), "sts", "us-east-1", expires=expires).add_auth(request)
    return request.prepare().url


def test_a_presigned_url_opens_until_it_expires(updraft):
    url = presigned(updraft, 60)
    status, _, text = ask(urllib.request.Request(url))
    assert status == 200 and "arn:aws:iam::000000000000:root" in text
    status, _, text = ask(urllib.request.Request(url.replace("2011-06-15", "2011-06-16")))
    assert status == 403 and "<Code>SignatureDoesNotMatch</Code>" in text
    status, _, text = ask(urllib.request.Request(presigned(updraft, 60, minutes_from_now(-2))))
    assert status == 403 and "expired" in text.lower(), text
    status, _, text = ask(urllib.request.Request(presigned(updraft, 604_801)))
    assert status == 400 and "X-Amz-Expires must be less than a week" in text, text


def test_presigned_by_boto3(updraft):
    presign = updraft.client("sts").generate_presigned_url
    for method in ("GET", "POST"):
        url = presign("get_caller_identity", ExpiresIn=60, HttpMethod=method)
        assert ask(urllib.request.Request(url, method=method))[0] == 200
    assert ask(urllib.request.Request(url, method="GET"))[0] == 403, "the method is signed"
