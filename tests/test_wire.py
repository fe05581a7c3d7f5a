"""What no SDK sends: wrong routes, malformed bodies, half requests. Each gets AWS's error, none a 500, and the server lives on."""

import base64
import concurrent.futures
import json
import random
import socket

import pytest
from botocore.exceptions import ClientError

from support.code import zip_of
from support.raw import LIST, signed
from support.refusals import refused

JSON = {"Content-Type": "application/json"}
APP = zip_of({"app.py": "def handler(event, context):\n    return event\n"})


@pytest.fixture(autouse=True)
def alive(updraft):
    yield
    assert updraft.is_running()
    assert updraft.client("sts").get_caller_identity()["Account"] == "000000000000"


def logs_call(updraft, operation, body):
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Logs_20140328.{operation}"}
    return signed(updraft, "/", service="logs", method="POST", body=body, headers=headers)


# ---- restJson1


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/2015-03-31/nothing"), ("GET", "/2019-01-01/functions/f"), ("GET", LIST + "/f/unheard-of")]
)
def test_a_route_of_nobody_is_unknown(updraft, method, path):
    status, kind, text = signed(updraft, path, method=method)
    assert (status, kind) == (404, "UnknownOperationException"), text


@pytest.mark.parametrize(
    "service, call",
    [
        ("iam", lambda iam: iam.get_role(RoleName="r")),  # awsQuery
        ("s3", lambda s3: s3.list_buckets()),  # restXml
        ("kms", lambda kms: kms.list_keys()),  # awsJson1.1
        ("efs", lambda efs: efs.describe_file_systems()),  # restJson1
    ],
)
def test_a_service_of_nobody_says_so_in_its_own_form(updraft, service, call):
    name = {"efs": "elasticfilesystem"}.get(service, service)
    with refused(501, "NotImplemented", f"the service {name} is not implemented by Updraft yet"):
        call(updraft.client(service))


def test_a_method_of_nobody_is_refused(updraft):
    status, kind, text = signed(updraft, LIST, method="PATCH", body=b"{}", headers=JSON)
    assert (status, kind) == (405, "MethodNotAllowedException"), text


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"text"', b"\xff\xfe", b'{"FunctionName": 7}', b'{"FunctionName": {"a": 1}}', b'{"Timeout": "soon"}', b"[" * 100_000],
    ids=["open", "list", "text", "no-utf8", "number", "object", "word", "deep"],
)
def test_a_body_of_another_form_is_a_serialization_error(updraft, body):
    status, kind, text = signed(updraft, LIST, method="POST", body=body, headers=JSON)
    assert (status, kind) == (400, "SerializationException"), text


def test_what_is_required_must_be_there(updraft):
    status, kind, text = signed(updraft, LIST, method="POST", body=b"{}", headers=JSON)
    assert (status, kind) == (400, "ValidationException"), text
    message = json.loads(text)["message"]
    assert message.startswith("3 validation errors detected: ")
    for member in ("functionName", "role", "code"):
        assert f"Value null at '{member}' failed to satisfy constraint: Member must not be null" in message


def test_members_nobody_knows_are_passed_over(updraft, create):
    name = create.name("wire")
    document = {
        "FunctionName": name,
        "Runtime": create.runtimes.python,
        "Handler": "app.handler",
        "Role": "arn:aws:iam::000000000000:role/worker",
        "Code": {"ZipFile": base64.b64encode(APP).decode()},
        "MemberOfTomorrow": {"a": [1, 2]},
    }
    status, _, text = signed(updraft, LIST, method="POST", body=json.dumps(document).encode(), headers=JSON)
    create.made.append(name)
    assert status == 201, text


def test_code_that_is_no_base64_is_a_serialization_error(updraft):
    document = {"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/worker", "Code": {"ZipFile": "!!!"}}
    status, kind, text = signed(updraft, LIST, method="POST", body=json.dumps(document).encode(), headers=JSON)
    assert (status, kind) == (400, "SerializationException"), text


def test_a_request_too_large_is_refused(updraft):
    client = updraft.client("lambda")
    with refused(413, "RequestEntityTooLargeException", "Request must be smaller than 70167211 bytes for the CreateFunction operation"):
        client.create_function(
            FunctionName="huge",
            Runtime="python3.12",
            Handler="app.handler",
            Role="arn:aws:iam::000000000000:role/worker",
            Code={"ZipFile": bytes(52_700_000)},
        )


# ---- awsJson1.1


def test_an_unknown_target_is_unknown(updraft):
    status, _, text = logs_call(updraft, "MakeCoffee", b"{}")
    assert (status, json.loads(text)["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"logGroupName": 7}', b'{"logGroupName": ["a"]}'])
def test_a_document_of_another_form_is_a_serialization_error(updraft, body):
    status, _, text = logs_call(updraft, "CreateLogGroup", body)
    assert (status, json.loads(text)["__type"]) == (400, "SerializationException"), text


def test_a_required_member_is_missed(updraft):
    status, _, text = logs_call(updraft, "CreateLogGroup", b"{}")
    document = json.loads(text)
    assert (status, document["__type"]) == (400, "InvalidParameterException")
    words = "1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null"
    assert document["message"] == words


# ---- awsQuery


def test_a_query_names_its_action(updraft):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    call = lambda body: signed(updraft, "/", service="sts", method="POST", body=body, headers=headers)  # noqa: E731
    status, _, text = call(b"Action=GetCallerIdentity&Version=2011-06-15")
    assert status == 200 and "<Account>000000000000</Account>" in text and "<RequestId>" in text
    status, _, text = call(b"Action=MakeCoffee&Version=2011-06-15")
    assert status == 400 and "<Code>InvalidAction</Code>" in text
    assert "Could not find operation MakeCoffee for version 2011-06-15" in text
    status, _, text = call(b"Version=2011-06-15")
    assert status == 400 and ("MissingAction" in text or "InvalidAction" in text), text


# ---- below HTTP


def exchange(updraft, data, *, close=False):
    """Sends bytes; gives what comes back, at most a little."""
    with socket.create_connection(("127.0.0.1", updraft.port), 10) as connection:
        connection.settimeout(5)
        try:
            connection.sendall(data)
            if close:
                connection.shutdown(socket.SHUT_WR)
            return connection.recv(4096)
        except OSError:
            return b""  # the server hung up, or is patient


def test_noise_is_no_harm(updraft):
    random.seed(7)
    for _ in range(30):
        exchange(updraft, random.randbytes(200) + b"\r\n\r\n", close=True)
    for text in (
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 " + b"," * 5_000 + b"\r\n\r\n",
        b"GET /%zz%00/../.. HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ):
        answer = exchange(updraft, text, close=True)
        assert not answer.startswith(b"HTTP/1.1 5"), answer


def test_connections_left_open_do_not_keep_others_out(updraft):
    idle = [socket.create_connection(("127.0.0.1", updraft.port), 10) for _ in range(200)]
    try:
        for connection in idle[:50]:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
        assert updraft.client("sts").get_caller_identity()
    finally:
        for connection in idle:
            connection.close()


# ---- many at a time


def test_simultaneous_updates_succeed_or_conflict(updraft, create):
    function = create.python("def handler(event, context):\n    return 0\n")
    client = updraft.client("lambda")

    def change(n):
        try:
            client.update_function_configuration(FunctionName=function.name, Timeout=n)
            return n
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceConflictException", error
            words = f"An update is in progress for resource: {function.arn}"
            assert words in error.response["Error"]["Message"]
            return None

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        done = [n for n in pool.map(change, range(10, 58)) if n]
    assert done
    function.wait()
    assert client.get_function_configuration(FunctionName=function.name)["Timeout"] in done


def test_simultaneous_creations_of_one_name_make_one(updraft, create):
    name = create.name("race")

    def make(n):
        try:
            create.create(zip_of({"app.py": f"def handler(e, c):\n    return {n}\n"}), FunctionName=name, wait=False)
            return n
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceConflictException", error

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = [n for n in pool.map(make, range(1, 9)) if n]
    assert len(made) == 1
    answer = updraft.client("lambda").invoke(FunctionName=name)
    assert json.load(answer["Payload"]) == made[0]
