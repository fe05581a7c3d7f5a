"""Invocation: every runtime, every way of calling, every way of failing; and that a failure hurts nobody else."""

import base64
import concurrent.futures
import importlib.util
import json
import re
import sys
import time
from pathlib import Path

import pytest

from support.code import zip_of
from support.functions import Report, compile_java
from support.refusals import refused
from support.server import eventually

ECHO = "def handler(event, context):\n    return event\n"

PYTHON = """
import json, os, sys

def handler(event, context):
    print("hello from", context.function_name)
    return {
        "event": event,
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "request_id": context.aws_request_id,
        "log_group": context.log_group_name,
        "log_stream": context.log_stream_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
    }
"""

NODE = """
export const handler = async (event, context) => {
  console.log('hello from', context.functionName);
  return {
    event,
    name: context.functionName,
    version: context.functionVersion,
    arn: context.invokedFunctionArn,
    memory: context.memoryLimitInMB,
    request_id: context.awsRequestId,
    log_group: context.logGroupName,
    log_stream: context.logStreamName,
    remaining_ms: context.getRemainingTimeInMillis(),
  };
};
"""

JAVA = {
    "shop/Tell.java": """
package shop;
import com.amazonaws.services.lambda.runtime.*;
import java.util.*;

public class Tell implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        context.getLogger().log("hello from " + context.getFunctionName() + "\\n");
        if (event.containsKey("fail")) throw new IllegalStateException("it broke");
        Map<String, Object> told = new TreeMap<>();
        told.put("event", event);
        told.put("name", context.getFunctionName());
        told.put("version", context.getFunctionVersion());
        told.put("arn", context.getInvokedFunctionArn());
        told.put("memory", context.getMemoryLimitInMB());
        told.put("request_id", context.getAwsRequestId());
        told.put("log_group", context.getLogGroupName());
        told.put("log_stream", context.getLogStreamName());
        told.put("remaining_ms", context.getRemainingTimeInMillis());
        return told;
    }
    public record Order(String id, int count) {}
    public static class Line { public String item; public int count; }
    public Line twice(Line line) { line.count *= 2; return line; }
}
""",
    "shop/Upper.java": """
package shop;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.nio.charset.StandardCharsets;

public class Upper implements RequestStreamHandler {
    public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
        out.write(new String(in.readAllBytes(), StandardCharsets.UTF_8).toUpperCase().getBytes(StandardCharsets.UTF_8));
    }
}
""",
}

BOOTSTRAP = """#!/bin/sh
# The custom runtime of AWS's tutorial: curl against the Runtime API.
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while :; do
    headers=$(mktemp)
    event=$(curl -sS -LD "$headers" "$api/invocation/next")
    id=$(grep -Fi lambda-runtime-aws-request-id "$headers" | tr -d '[:space:]' | cut -d: -f2)
    arn=$(grep -Fi lambda-runtime-invoked-function-arn "$headers" | tr -d '[:space:]' | cut -d: -f2-)
    echo "hello from $AWS_LAMBDA_FUNCTION_NAME"
    if [ "$event" = '"fail"' ]; then
        curl -sS -o /dev/null "$api/invocation/$id/error" -H 'Lambda-Runtime-Function-Error-Type: Shop.Closed' \\
            -d '{"errorMessage": "come back tomorrow", "errorType": "ShopClosed"}'
        continue
    fi
    curl -sS -o /dev/null "$api/invocation/$id/response" \\
        -d "{\\"event\\": $event, \\"request_id\\": \\"$id\\", \\"arn\\": \\"$arn\\", \\"name\\": \\"$AWS_LAMBDA_FUNCTION_NAME\\", \\"handler\\": \\"$_HANDLER\\"}"
done
"""


@pytest.fixture(scope="module")
def java_package(runtimes_dir, tmp_path_factory):
    return compile_java(JAVA, runtimes_dir, tmp_path_factory.mktemp("java"))


@pytest.fixture(scope="module")
def echo(shared):
    return shared.python(ECHO, stem="echo")


@pytest.fixture(scope="module")
def neighbour(shared):
    """A function beside those that misbehave. It remembers, so that a new environment would show."""
    source = "import os\ncount = 0\ndef handler(e, c):\n    global count\n    count += 1\n    return count\n"
    return shared.python(source, stem="neighbour")


@pytest.fixture
def unharmed(neighbour):
    """Whatever the test does, the neighbour's environment is still there afterwards."""
    before = neighbour.invoke().ok()
    yield
    assert neighbour.invoke().ok() == before + 1


# ---- runtimes


@pytest.mark.parametrize("language", ["python", "node", "java"])
def test_a_managed_runtime_gets_event_and_context(create, request, language):
    function = {
        "python": lambda: create.python(PYTHON),
        "node": lambda: create.node(NODE),
        "java": lambda: create.java(request.getfixturevalue("java_package"), "shop.Tell"),
    }[language]()
    answer = function.tail({"n": 1, "text": "grüße"})
    told = answer.ok()
    assert told["event"] == {"n": 1, "text": "grüße"}
    assert (told["name"], told["version"], told["arn"]) == (function.name, "$LATEST", function.arn)
    assert int(told["memory"]) == (512 if language == "java" else 128)
    assert told["request_id"] == answer.request_id
    assert told["log_group"] == function.log_group
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", told["log_stream"])
    assert 0 < told["remaining_ms"] <= 30_000
    assert f"hello from {function.name}" in answer.tail
    assert Report.of(answer.tail).request_id == answer.request_id


def test_a_custom_runtime_speaks_the_runtime_api(create):
    function = create.custom(BOOTSTRAP, Handler="shop.open")
    answer = function.tail({"n": 1})
    told = answer.ok()
    assert told == {
        "event": {"n": 1},
        "request_id": answer.request_id,
        "arn": function.arn,
        "name": function.name,
        "handler": "shop.open",
    }
    assert f"hello from {function.name}" in answer.tail
    failed = function.invoke("fail")
    assert (failed.status, failed.error) == (200, "Unhandled")
    assert failed.value == {"errorMessage": "come back tomorrow", "errorType": "ShopClosed"}
    assert function.invoke(2).ok()["event"] == 2


def test_a_custom_runtime_without_bootstrap_is_told_so(create):
    function = create.create(zip_of({"x": "y"}), Runtime="provided.al2023")
    answer = function.invoke()
    assert answer.error == "Unhandled"
    assert answer.value["errorType"] == "Runtime.InvalidEntrypoint"
    words = "Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    assert answer.value["errorMessage"] == f"RequestId: {answer.request_id} {words}"


def test_java_handlers_of_every_kind(create, java_package):
    assert create.java(java_package, "shop.Upper::handleRequest").invoke("loud").ok() == "LOUD"
    pojo = create.java(java_package, "shop.Tell::twice")
    assert pojo.invoke({"item": "pen", "count": 21}).ok() == {"item": "pen", "count": 42}
    failed = create.java(java_package, "shop.Tell").invoke({"fail": True})
    assert failed.error == "Unhandled"
    assert failed.value["errorType"] == "java.lang.IllegalStateException"
    assert failed.value["errorMessage"] == "it broke"
    assert any("shop.Tell.handleRequest" in line for line in failed.value["stackTrace"])
    missing = create.java(java_package, "shop.Nothing").invoke()
    assert missing.error == "Unhandled"
    assert missing.value["errorType"] == "java.lang.ClassNotFoundException" or "Class not found" in missing.value["errorMessage"]


def test_node_handlers_of_every_kind(create):
    callback = create.node(
        "exports.handler = (event, context, callback) => callback(null, event.n + 1);", file="index.js"
    )
    assert callback.invoke({"n": 1}).ok() == 2
    module = create.node(
        "import { twice } from './lib/twice.mjs';\nexport const main = (event) => Promise.resolve(twice(event));",
        {"lib/twice.mjs": "export const twice = (n) => 2 * n;"},
        Handler="index.main",
    )
    assert module.invoke(21).ok() == 42
    failing = create.node("exports.handler = async () => { throw new RangeError('too far'); };", file="index.js")
    answer = failing.invoke()
    assert answer.error == "Unhandled"
    assert (answer.value["errorType"], answer.value["errorMessage"]) == ("RangeError", "too far")
    assert answer.value["trace"][0] == "RangeError: too far"


# ---- ways of calling


def test_the_answer_is_the_bytes_of_the_function(echo):
    for event in ({"a": [1, 2.5, None, True, "ü\u2028"]}, [], "", 0, None, {"big": "x" * 1_000_000}):
        assert echo.invoke(raw=json.dumps(event).encode()).ok() == event
    assert echo.invoke(raw=b"").ok() == {}, "no payload is an empty object"


def test_a_payload_must_be_json(echo):
    words = "Could not parse request body into json: Could not parse payload into json: "
    expected = "Unexpected character ('n' (code 110)): was expecting double-quote to start field name\n at [Source: REDACTED"
    with refused(400, "InvalidRequestContentException", words + expected):
        echo.invoke(raw=b"{no json")


def test_a_payload_has_awss_limits(echo):
    words = "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    with refused(413, "RequestEntityTooLargeException", words):
        echo.invoke(raw=b'"' + b"x" * 6_291_600 + b'"')
    words = "1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
    with refused(413, "RequestEntityTooLargeException", words):
        echo.invoke(raw=b'"' + b"x" * 1_048_576 + b'"', InvocationType="Event")


def test_a_dry_run_runs_nothing(create):
    function = create.python("raise SystemExit(1)")
    answer = function.invoke(InvocationType="DryRun")
    assert (answer.status, answer.payload, answer.error) == (204, b"", None)
    missing = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nowhere:$LATEST"
    with refused(404, "ResourceNotFoundException", missing):
        function.client.invoke(FunctionName="nowhere", InvocationType="DryRun")


def test_an_unknown_invocation_type_is_refused(echo):
    with refused(400, "ValidationException", "invocationType"):
        echo.invoke(InvocationType="Sometimes")


def test_the_tail_holds_the_last_4_kilobytes(create):
    function = create.python("def handler(n, c):\n    print('x' * n)\n    print('end of it')\n")
    answer = function.tail(10)
    lines = answer.tail.splitlines()
    assert lines[-5:-1] == [
        f"START RequestId: {answer.request_id} Version: $LATEST",
        "x" * 10,
        "end of it",
        f"END RequestId: {answer.request_id}",
    ]
    report = Report.of(answer.tail)
    assert report.request_id == answer.request_id
    assert report.memory_mb == 128 and 0 < report.used_mb <= 128
    assert report.billed_ms >= report.duration_ms and report.init_ms is not None
    warm = function.tail(10)
    assert Report.of(warm.tail).init_ms is None, "the second one finds everything initialized"
    long = function.tail(10_000)
    assert len(long.tail.encode()) <= 4096 and "end of it" in long.tail and "REPORT" in long.tail
    assert function.invoke(10).tail is None, "nobody asked"


def test_one_request_id_everywhere(create, logs):
    function = create.python("def handler(e, c):\n    print('mine')\n    return c.aws_request_id\n")
    answer = function.tail()
    assert answer.ok() == answer.request_id
    found = re.findall(r"RequestId: (\S+)", answer.tail)
    assert len(found) == 3 and set(found) == {answer.request_id}
    events = eventually(lambda: logs.filter_log_events(logGroupName=function.log_group)["events"])
    ids = set(re.findall(r"RequestId: (\S+)", "".join(event["message"] for event in events)))
    assert ids == {answer.request_id}


def test_the_client_context_arrives(create):
    source = """
def handler(event, context):
    client = context.client_context
    return {"custom": client.custom, "env": client.env, "title": client.client.app_title}
"""
    function = create.python(source)
    context = {"client": {"app_title": "shop"}, "custom": {"k": "v"}, "env": {"locale": "de"}}
    packed = base64.b64encode(json.dumps(context).encode()).decode()
    assert function.invoke(ClientContext=packed).ok() == {"custom": {"k": "v"}, "env": {"locale": "de"}, "title": "shop"}
    with refused(400, "InvalidRequestContentException", "Client context"):
        function.invoke(ClientContext="no base64")


def test_the_trace_header_arrives(create, updraft):
    function = create.python("import os\ndef handler(e, c):\n    return os.environ.get('_X_AMZN_TRACE_ID')\n")
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    client = updraft.client("lambda", user_agent_extra="trace")
    add = lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", trace)  # noqa: E731
    client.meta.events.register("before-sign.lambda.Invoke", add)
    assert function.invoke(client=client).ok().startswith("Root=1-5759e988-bd862e3fe1be46a994272793;")
    assert re.match(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01]", function.invoke().ok())


# ---- asynchronous calls


COUNTING = """
import json, os
def handler(event, context):
    print(json.dumps({"id": context.aws_request_id, "n": event["n"]}))
    if event["n"] < 0:
        raise ValueError("no")
"""


def lines_of(logs, function, pattern):
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=function.log_group, filterPattern=pattern)
        return [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def test_an_accepted_event_runs(create, logs):
    function = create.python(COUNTING)
    answer = function.invoke({"n": 1}, InvocationType="Event")
    assert (answer.status, answer.payload) == (202, b"")
    seen = eventually(lambda: lines_of(logs, function, "{ $.n = 1 }"))
    assert json.loads(seen[0]) == {"id": answer.request_id, "n": 1}


def test_a_failing_event_is_tried_three_times_with_one_id(create, logs):
    function = create.python(COUNTING)
    answer = function.invoke({"n": -1}, InvocationType="Event")
    eventually(lambda: len(lines_of(logs, function, "REPORT")) >= 3)
    time.sleep(0.5)
    assert len(lines_of(logs, function, "REPORT")) == 3
    assert [json.loads(line)["id"] for line in lines_of(logs, function, "{ $.n = * }")] == [answer.request_id] * 3


def test_an_event_for_nobody_is_refused(lambda_):
    with refused(404, "ResourceNotFoundException", "Function not found"):
        lambda_.invoke(FunctionName="nowhere", InvocationType="Event", Payload=b"{}")


# ---- failures: AWS's error, the next one works, the neighbours do not notice


def test_an_exception_is_an_answer(create):
    function = create.python("def handler(event, context):\n    raise KeyError(event['what'])\n")
    answer = function.tail({"what": "door"})
    assert (answer.status, answer.error) == (200, "Unhandled")
    assert answer.value["errorType"] == "KeyError"
    assert answer.value["errorMessage"] == "'door'"
    assert answer.value["requestId"] == answer.request_id
    assert answer.value["stackTrace"] == [
        '  File "/var/task/app.py", line 2, in handler\n    raise KeyError(event[\'what\'])\n'
    ]
    assert "[ERROR] KeyError: 'door'" in answer.tail
    assert function.invoke({"what": "window"}).value["errorMessage"] == "'window'"


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ("import nothing_like_it\n", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nothing_like_it'"),
        ("def other(event, context):\n    pass\n", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("def handler(:\n", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("def handler(event, context):\n    return {1, 2}\n", "Runtime.MarshalError", "Unable to marshal response"),
    ],
    ids=["import", "handler", "syntax", "marshal"],
)
def test_what_python_cannot_load_or_send_is_explained(create, source, kind, words):
    answer = create.python(source).invoke()
    assert (answer.status, answer.error, answer.value["errorType"]) == (200, "Unhandled", kind)
    assert words in answer.value["errorMessage"]


def test_an_exit_ends_the_environment_and_nothing_else(create, unharmed):
    function = create.python("import os\ndef handler(n, c):\n    if n: os._exit(n)\n    return os.getpid()\n")
    answer = function.tail(3)
    assert answer.error == "Unhandled"
    words = f"RequestId: {answer.request_id} Error: Runtime exited with error: exit status 3"
    assert answer.value == {"errorType": "Runtime.ExitError", "errorMessage": words}
    assert f"END RequestId: {answer.request_id}" in answer.tail and "REPORT" in answer.tail
    assert isinstance(function.invoke(0).ok(), int)


def test_an_exit_without_a_reason(create):
    function = create.node("exports.handler = async (n) => n ? process.exit(0) : 'fine';", file="index.js")
    answer = function.invoke(1)
    assert answer.value["errorType"] == "Runtime.ExitError"
    assert answer.value["errorMessage"].endswith("Error: Runtime exited without providing a reason")
    assert function.invoke(0).ok() == "fine"


def test_a_handler_that_hangs_is_ended(create, unharmed):
    source = "import time\ndef handler(n, c):\n    print('begun')\n    time.sleep(n)\n    return 'slept'\n"
    function = create.python(source, Timeout=1)
    answer = function.tail(60)
    assert answer.error == "Unhandled"
    words = f"RequestId: {answer.request_id} Error: Task timed out after 1.00 seconds"
    assert answer.value == {"errorType": "Sandbox.Timedout", "errorMessage": words}
    assert "begun" in answer.tail
    assert f"{answer.request_id} Task timed out after 1.00 seconds" in answer.tail
    assert "Status: timeout" in answer.tail and Report.of(answer.tail).duration_ms >= 1000
    assert function.invoke(0).ok() == "slept"


def test_a_busy_handler_is_ended_too(create, unharmed):
    function = create.node("exports.handler = async (n) => { while (n); return 'done'; };", file="index.js", Timeout=1)
    assert function.invoke(1).value["errorType"] == "Sandbox.Timedout"
    assert function.invoke(0).ok() == "done"


def test_too_much_memory_is_reported_as_such(create, unharmed):
    source = "def handler(mb, c):\n    held = bytearray(mb * 1024 * 1024)\n    held[::4096] = b'x' * len(held[::4096])\n    return len(held)\n"
    function = create.python(source, MemorySize=128)
    answer = function.tail(400)
    assert answer.error == "Unhandled"
    assert answer.value["errorType"] == "Runtime.OutOfMemory"
    assert answer.value["errorMessage"] == f"RequestId: {answer.request_id} Error: Runtime exited with error: signal: killed"
    report = Report.of(answer.tail)
    assert report.used_mb == report.memory_mb == 128
    assert "Error Type: Runtime.OutOfMemory" in report.text
    assert function.invoke(10).ok() == 10 << 20


def test_more_memory_is_more_memory(create):
    source = "def handler(mb, c):\n    held = bytearray(mb << 20)\n    held[::4096] = b'x' * len(held[::4096])\n    return len(held)\n"
    function = create.python(source, MemorySize=512)
    answer = function.tail(200)
    assert answer.ok() == 200 << 20
    assert 200 <= Report.of(answer.tail).used_mb <= 512


def test_a_fork_bomb_stays_in_its_box(create, unharmed):
    source = """
import os, time
def handler(n, c):
    if not n:
        return "calm"
    try:
        while True:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
    except OSError as error:
        return type(error).__name__
"""
    function = create.python(source, Timeout=10, MemorySize=1024)
    bombed = function.invoke(1)
    assert bombed.error == "Unhandled" or bombed.value == "BlockingIOError", bombed.payload
    assert function.invoke(0).ok() == "calm"


def test_processes_left_behind_do_not_outlive_the_environment(create, updraft):
    source = """
import subprocess, time
def handler(e, c):
    subprocess.Popen(["sleep", "12345"])
    if e: time.sleep(60)
"""
    function = create.python(source, Timeout=1)
    assert function.invoke(1).value["errorType"] == "Sandbox.Timedout"
    assert eventually(lambda: not any("sleep 12345" in line for line in updraft.processes()))


def test_tmp_is_as_large_as_it_says(create, unharmed):
    source = """
import os
def handler(mb, c):
    try:
        with open("/tmp/fill", "wb") as file:
            for _ in range(mb):
                file.write(bytes(1 << 20))
    except OSError as error:
        return error.strerror
    finally:
        size = os.path.getsize("/tmp/fill") >> 20
        os.remove("/tmp/fill")
    return size
"""
    function = create.python(source, MemorySize=1024)
    assert function.invoke(600).ok() == "No space left on device"
    assert function.invoke(500).ok() == 500


def test_tmp_stays_with_the_environment_and_with_nobody_else(create):
    source = "import os\ndef handler(e, c):\n    was = os.path.exists('/tmp/mark')\n    open('/tmp/mark', 'w').close()\n    return was\n"
    one, two = create.python(source), create.python(source)
    assert [one.invoke().ok(), one.invoke().ok(), two.invoke().ok()] == [False, True, False]


def test_the_rest_of_the_disk_is_read_only(create):
    source = """
def handler(path, c):
    try:
        open(path, "w").close()
        return "written"
    except OSError as error:
        return error.strerror
"""
    function = create.python(source)
    for path in ("/var/task/x", "/opt/x", "/etc/x", "/usr/x", "/x"):
        assert function.invoke(path).ok() in ("Read-only file system", "Permission denied"), path
    assert function.invoke("/tmp/x").ok() == "written"


def test_a_log_flood_drowns_nobody(create, logs, unharmed):
    source = "def handler(n, c):\n    for i in range(n):\n        print('line', i, 'x' * 100)\n    return n\n"
    function = create.python(source, Timeout=60)
    answer = function.tail(50_000)
    assert answer.ok() == 50_000
    assert "line 49999" in answer.tail
    found = eventually(lambda: lines_of(logs, function, '"line 49999"'))
    assert len(found) == 1
    assert function.invoke(1).ok() == 1


def test_an_answer_may_have_6_megabytes(create, unharmed):
    function = create.python("def handler(n, c):\n    return 'x' * n\n", MemorySize=512)
    answer = function.invoke(7 * 1024 * 1024)
    assert answer.error == "Unhandled"
    assert answer.value["errorType"] == "Function.ResponseSizeTooLarge"
    assert answer.value["errorMessage"] == "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    assert len(function.invoke(6_291_000).ok()) == 6_291_000


# ---- what a function finds


def test_the_environment_is_awss(create, runtimes):
    source = "import os\ndef handler(e, c):\n    return dict(os.environ) | {'cwd': os.getcwd(), 'log': c.log_stream_name}\n"
    function = create.python(source, Environment={"Variables": {"GREETING": "hello", "PATH_LIKE": "a:b"}}, MemorySize=256)
    seen = function.invoke().ok()
    expected = {
        "GREETING": "hello",
        "PATH_LIKE": "a:b",
        "_HANDLER": "app.handler",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtimes.python}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": seen["log"],
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "cwd": "/var/task",
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA") and seen["AWS_SESSION_TOKEN"]
    assert seen["AWS_ENDPOINT_URL"].startswith("http://")
    assert not any(name.startswith("UPDRAFT") for name in seen), "nothing of the host's environment"


def test_boto3_is_there_and_acts_as_the_role(create, echo):
    source = """
import boto3, json
def handler(target, context):
    identity = boto3.client("sts").get_caller_identity()
    answer = boto3.client("lambda").invoke(FunctionName=target, Payload=json.dumps({"from": context.function_name}))
    return {"arn": identity["Arn"], "account": identity["Account"], "answer": json.load(answer["Payload"])}
"""
    function = create.python(source, MemorySize=512, Timeout=30)
    told = function.invoke(echo.name).ok()
    assert told["account"] == "000000000000"
    assert told["arn"] == f"arn:aws:sts::000000000000:assumed-role/worker/{function.name}"
    assert told["answer"] == {"from": function.name}


@pytest.mark.parametrize("file", ["index.mjs", "index.js"])
def test_the_sdk_for_javascript_is_there(create, echo, file):
    load = {
        "index.mjs": "import { LambdaClient, InvokeCommand } from '@aws-sdk/client-lambda';\n"
        "import { STSClient, GetCallerIdentityCommand } from '@aws-sdk/client-sts';\n",
        "index.js": "const { LambdaClient, InvokeCommand } = require('@aws-sdk/client-lambda');\n"
        "const { STSClient, GetCallerIdentityCommand } = require('@aws-sdk/client-sts');\n",
    }[file]
    body = """
const lambda = new LambdaClient({}), sts = new STSClient({});
async function handler(target) {
  const identity = await sts.send(new GetCallerIdentityCommand({}));
  const answer = await lambda.send(new InvokeCommand({ FunctionName: target, Payload: '{"from":"node"}' }));
  return { arn: identity.Arn, answer: JSON.parse(new TextDecoder().decode(answer.Payload)) };
}
"""
    tail = "export { handler };" if file.endswith("mjs") else "exports.handler = handler;"
    function = create.node(load + body + tail, file=file, MemorySize=512, Timeout=30)
    told = function.invoke(echo.name).ok()
    assert told["answer"] == {"from": "node"}
    assert told["arn"] == f"arn:aws:sts::000000000000:assumed-role/worker/{function.name}"


def test_a_function_sees_nobody_elses_processes(create):
    source = "import os\ndef handler(e, c):\n    return sorted(int(p) for p in os.listdir('/proc') if p.isdigit())\n"
    assert len(create.python(source).invoke().ok()) <= 3


def test_a_function_may_not_reset_the_server(create, lambda_):
    source = """
import os, urllib.request, urllib.error
def handler(path, c):
    try:
        return urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + path, method="POST")).status
    except urllib.error.HTTPError as error:
        return error.code
"""
    function = create.python(source)
    assert function.invoke("/_updraft/reset").ok() == 403
    assert lambda_.get_function(FunctionName=function.name)


# ---- concurrency


def test_200_simultaneous_first_invokes_all_succeed(create):
    source = "import time, uuid\nme = str(uuid.uuid4())\ndef handler(n, c):\n    time.sleep(2)\n    return [n, me]\n"
    function = create.python(source, Timeout=60)
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        answers = [answer.ok() for answer in pool.map(function.invoke, range(200))]
    assert [n for n, _ in answers] == list(range(200))
    assert len({environment for _, environment in answers}) >= 100, "those that ran at a time had environments of their own"


def test_one_request_at_a_time_in_an_environment(create):
    source = """
import os, time, uuid
me, inside = str(uuid.uuid4()), 0
def handler(n, c):
    global inside
    inside += 1
    seen, began = inside, time.time()
    time.sleep(0.3)
    inside -= 1
    return {"me": me, "inside": seen, "began": began, "ended": time.time()}
"""
    function = create.python(source, Timeout=30)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = [answer.ok() for answer in pool.map(function.invoke, range(40))]
    assert {answer["inside"] for answer in answers} == {1}
    by_environment = {}
    for answer in answers:
        by_environment.setdefault(answer["me"], []).append((answer["began"], answer["ended"]))
    for spans in by_environment.values():
        spans.sort()
        assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False)), "two at a time"


def test_a_warm_environment_is_used_again(create):
    function = create.python("import uuid\nme = str(uuid.uuid4())\ndef handler(e, c):\n    return me\n")
    assert len({function.invoke().ok() for _ in range(10)}) == 1


def test_an_idle_environment_does_nothing(create):
    source = """
import threading, time
ticks = 0
def tick():
    global ticks
    while True:
        time.sleep(0.01)
        ticks += 1
threading.Thread(target=tick, daemon=True).start()
def handler(e, c):
    return ticks
"""
    function = create.python(source)
    before = function.invoke().ok()
    time.sleep(2)
    assert function.invoke().ok() - before < 100, "200 ticks would fit: it is frozen between requests"


def test_a_change_counts_for_the_very_next_request(create):
    function = create.python("def handler(e, c):\n    return 0\n")
    assert function.invoke().ok() == 0
    for n in range(1, 6):
        function.update(f"def handler(e, c):\n    return {n}\n")
        assert {function.invoke().ok() for _ in range(3)} == {n}
    function.update("import os\ndef handler(e, c):\n    return os.environ.get('WORD')\n")
    for word in ("a", "b"):
        function.configure(Environment={"Variables": {"WORD": word}})
        assert function.invoke().ok() == word


def test_a_change_does_not_end_what_runs(create):
    function = create.python("import time\ndef handler(e, c):\n    time.sleep(2)\n    return 'old'\n")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(function.invoke)
        time.sleep(0.5)
        function.update("def handler(e, c):\n    return 'new'\n")
        assert function.invoke().ok() == "new"
        assert running.result().ok() == "old"


def test_an_answer_nobody_waits_for_hurts_nobody(create, updraft):
    function = create.python("import time\ndef handler(n, c):\n    time.sleep(n)\n    return n\n")
    impatient = updraft.client("lambda", read_timeout=0.5)
    with pytest.raises(Exception, match="[Rr]ead timeout|timed out"):
        function.invoke(3, client=impatient)
    assert function.invoke(0).ok() == 0


# ---- the official client, brought along by the function


def test_the_official_python_client_can_take_the_place_of_ours(create, runtimes_dir):
    """awslambdaric as in AWS's container images, started by the function's own wrapper."""
    if importlib.util.find_spec("awslambdaric") is None:
        pytest.skip("awslambdaric is not installed; tests/requirements.txt has it")
    minor = f"python3.{sys.version_info.minor}"
    if not (runtimes_dir / minor).exists():
        pytest.skip(f"awslambdaric is built for {minor} here, and there is no runtime pack of it")
    packages = Path(importlib.util.find_spec("awslambdaric").origin).parent.parent
    patterns = ("awslambdaric/**/*", "runtime_client*", "simplejson/**/*", "snapshot_restore_py/**/*")
    found = [path for pattern in patterns for path in packages.glob(pattern)]
    files = {
        str(path.relative_to(packages)): path.read_bytes()
        for path in found
        if path.is_file() and "__pycache__" not in path.parts
    }
    files["app.py"] = "def handler(event, context):\n    print('official')\n    return [event, context.aws_request_id]\n"
    files["wrapper"] = '#!/bin/sh\nPYTHONPATH=/var/task exec "$1" -m awslambdaric app.handler\n'
    code = zip_of(files, executable={"wrapper"})
    settings = {"Environment": {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}}}
    function = create.create(code, stem="official", Runtime=minor, MemorySize=256, **settings)
    answer = function.tail("hi")
    assert answer.ok() == ["hi", answer.request_id], answer.tail
    assert "official" in answer.tail
    assert function.invoke(2).ok()[0] == 2
