"""The quickstart with the AWS CLI: nothing but AWS_ENDPOINT_URL and the customary credentials."""

import json
import time
import zipfile

import pytest

from support.cli import AWS
from support.functions import ROLE

SOURCES = {
    "python": ("app.py", "def handler(event, context):\n    print('called')\n    return {'hello': event['name']}\n", "app.handler"),
    "node": ("index.mjs", "export const handler = async (event) => { console.log('called'); return { hello: event.name }; };\n", "index.handler"),
    "custom": (
        "bootstrap",
        '#!/bin/sh\napi="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"\n'
        'while :; do\n  event=$(curl -sSD /tmp/h "$api/invocation/next")\n'
        "  id=$(grep -i aws-request-id /tmp/h | tr -d '[:space:]' | cut -d: -f2)\n  echo called\n"
        '  curl -sS -o /dev/null "$api/invocation/$id/response" -d "{\\"hello\\": \\"Ada\\"}"\ndone\n',
        "any",
    ),
}


@pytest.fixture(scope="module")
def aws(updraft):
    return AWS(updraft)


@pytest.fixture
def package(tmp_path):
    def make(name, source):
        path = tmp_path / "function.zip"
        with zipfile.ZipFile(path, "w") as archive:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, source)
        return path

    return make


@pytest.mark.parametrize("language", SOURCES)
def test_the_quickstart(aws, package, runtimes, tmp_path, language):
    file, source, handler = SOURCES[language]
    runtime = {"python": runtimes.python, "node": runtimes.node, "custom": "provided.al2023"}[language]
    name, zipped = f"quick-{language}", f"fileb://{package(file, source)}"
    aws.run(
        *("lambda", "create-function", "--function-name", name, "--runtime", runtime, "--role", ROLE),
        *("--handler", handler, "--zip-file", zipped, "--timeout", 10, "--environment", "Variables={AB=1}"),
    )
    aws.run("lambda", "wait", "function-active-v2", "--function-name", name)
    (tmp_path / "event.json").write_text('{"name": "Ada"}')
    event, answer = f"fileb://{tmp_path / 'event.json'}", tmp_path / "answer.json"
    answer = aws.run("lambda", "invoke", "--function-name", name, "--payload", event, "--log-type", "Tail", answer)
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert json.loads((tmp_path / "answer.json").read_text()) == {"hello": "Ada"}
    events = aws.run("logs", "filter-log-events", "--log-group-name", f"/aws/lambda/{name}", "--query", "events[].message")
    assert any(line.endswith("called\n") for line in events)
    assert events[-1].startswith("REPORT RequestId: ")
    aws.run("lambda", "update-function-configuration", "--function-name", name, "--timeout", 20)
    aws.run("lambda", "wait", "function-updated-v2", "--function-name", name)
    shown = aws.run("lambda", "get-function-configuration", "--function-name", name)
    assert (shown["Timeout"], shown["Environment"]) == (20, {"Variables": {"AB": "1"}})
    assert name in aws.run("lambda", "list-functions", "--query", "Functions[].FunctionName")
    aws.run("lambda", "delete-function", "--function-name", name)
    refusal = aws.refusal("lambda", "get-function", "--function-name", name)
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert f"(ResourceNotFoundException) when calling the GetFunction operation: Function not found: {arn}" in refusal


def test_a_failing_function_is_shown_as_such(aws, package, runtimes, tmp_path):
    source = "def handler(event, context):\n    raise ValueError(event)\n"
    zipped = f"fileb://{package('app.py', source)}"
    create = ("lambda", "create-function", "--function-name", "quick-failing", "--runtime", runtimes.python)
    aws.run(*create, "--role", ROLE, "--handler", "app.handler", "--zip-file", zipped)
    aws.run("lambda", "wait", "function-active-v2", "--function-name", "quick-failing")
    answer = aws.run("lambda", "invoke", "--function-name", "quick-failing", tmp_path / "answer.json")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads((tmp_path / "answer.json").read_text())["errorType"] == "ValueError"
    accepted = ("lambda", "invoke", "--function-name", "quick-failing", "--invocation-type", "Event", tmp_path / "none")
    assert aws.run(*accepted)["StatusCode"] == 202
    aws.run("lambda", "delete-function", "--function-name", "quick-failing")


def test_who_am_i(aws, updraft):
    assert aws.run("sts", "get-caller-identity") == {
        "UserId": "000000000000",
        "Account": "000000000000",
        "Arn": "arn:aws:iam::000000000000:root",
    }
    stranger = AWS(updraft, key="123456789012")
    assert stranger.run("sts", "get-caller-identity")["Account"] == "123456789012"
    wrong = AWS(updraft)
    wrong.environment["AWS_SECRET_ACCESS_KEY"] = "wrong"
    refusal = wrong.refusal("sts", "get-caller-identity")
    assert "(SignatureDoesNotMatch) when calling the GetCallerIdentity operation: The request signature we calculated" in refusal


def test_logs_by_hand(aws):
    aws.run("logs", "create-log-group", "--log-group-name", "/by/hand")
    aws.run("logs", "create-log-stream", "--log-group-name", "/by/hand", "--log-stream-name", "s")
    event = json.dumps([{"timestamp": int(time.time() * 1000), "message": "written by hand"}])
    aws.run("logs", "put-log-events", "--log-group-name", "/by/hand", "--log-stream-name", "s", "--log-events", event)
    found = aws.run("logs", "filter-log-events", "--log-group-name", "/by/hand", "--filter-pattern", "hand")
    assert found["events"][0]["message"] == "written by hand"
    aws.run("logs", "delete-log-group", "--log-group-name", "/by/hand")
