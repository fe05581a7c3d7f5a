"""Extensions that their users get from PyPI and npm, unchanged."""

import json
import shutil
import subprocess
import sys
import tarfile

import pytest

from support.code import zip_of
from support.server import eventually

SIGTERM = """
import logging, signal, sys
import lambda_sigterm

def last_words(*_):
    print("about to end")
    sys.exit(0)

signal.signal(signal.SIGTERM, last_words)
logging.getLogger().setLevel(logging.INFO)
lambda_sigterm.register()

def handler(event, context):
    return event
"""


@pytest.fixture
def publish(lambda_):
    made = []

    def publish(name, package):
        published = lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": package})
        made.append((name, published["Version"]))
        return published["LayerVersionArn"]

    yield publish
    for name, version in made:
        lambda_.delete_layer_version(LayerName=name, VersionNumber=version)


def until_logged(logs, function, condition):
    """The messages in which something was found."""

    def found():
        events = logs.filter_log_events(logGroupName=function.log_group)["events"]
        messages.extend(event["message"] for event in events)
        return [message for message in messages if condition(message)]

    messages = []
    return eventually(found) or pytest.fail("".join(messages))


def test_lambda_sigterm_of_pypi(logs, create, publish, tmp_path):
    """An internal extension: all it is for is that the runtime gets a SIGTERM and time for last words."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", str(tmp_path)]
    subprocess.run([*pip, "lambda-sigterm==0.1.2"], check=True)
    files = {f"python/{path.relative_to(tmp_path)}": path.read_text() for path in tmp_path.rglob("*.py")}
    # It imports urllib3, which the runtime has beside boto3.
    function = create.python(SIGTERM, Layers=[publish("lambda-sigterm", zip_of(files))], MemorySize=512, Timeout=30)
    assert function.invoke(1).ok() == 1
    until_logged(logs, function, lambda line: "lambda-sigterm" in line and "Ready" in line)
    # The old environment ends with the update; no request has to come.
    function.configure(Description="other")
    until_logged(logs, function, lambda line: line == "about to end\n")
    assert function.invoke(2).ok() == 2


def test_the_otel_extension_of_npm(logs, create, publish, tmp_path):
    """An external extension with a wrapper: Register and Next, the Logs API, a server of its own within the sandbox; what it
    has to report it writes to the log, since it is told of no receiver."""
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("npm is not installed")
    package = "@serverless/aws-lambda-otel-extension-dist@0.1.11"
    packed = subprocess.run([npm, "pack", "--silent", package], cwd=tmp_path, check=True, capture_output=True, text=True)
    with tarfile.open(tmp_path / packed.stdout.strip()) as archive:
        layer = archive.extractfile("package/extension.zip").read()
    function = create.node(
        "exports.handler = async (event) => ({ got: event.n });",
        file="index.js",
        Layers=[publish("otel", layer)],
        Environment={
            "Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel-extension/otel-handler", "SLS_OTEL_REPORT_TYPE": "json"}
        },
        MemorySize=1024,
        Timeout=30,
    )
    answer = function.invoke({"n": 1})
    assert answer.ok() == {"got": 1}
    until_logged(logs, function, lambda line: line.startswith("EXTENSION\tName: otel-extension\tState: Ready"))

    def spans(message):
        try:
            reports = json.loads(message)
        except ValueError:
            return []
        reports = [json.loads(one) if isinstance(one, str) else one for one in reports]
        return [one for one in reports if isinstance(one, dict) and "resourceSpans" in one]

    traced = until_logged(logs, function, lambda line: line.startswith("[") and spans(line))
    assert answer.request_id in traced[0] and function.name in traced[0]
