"""AWS's Powertools for Python from PyPI, unchanged, in a layer: logger, metrics, tracer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.code import zip_of
from support.server import eventually

PACKAGES = ["aws-lambda-powertools==3.*", "jmespath", "typing-extensions", "aws-xray-sdk", "wrapt"]

SOURCE = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

logger, metrics, tracer = Logger(), Metrics(), Tracer()

@tracer.capture_method
def work(event):
    tracer.put_annotation("kind", "test")
    return event["n"] + 1

@logger.inject_lambda_context(log_event=True, correlation_id_path="id")
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    logger.info("working", extra={"n": event["n"]})
    metrics.add_metric(name="Worked", unit=MetricUnit.Count, value=1)
    return work(event)
"""


@pytest.fixture(scope="module")
def layer(lambda_, tmp_path_factory):
    target = tmp_path_factory.mktemp("powertools")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", str(target)]
    subprocess.run([*pip, *PACKAGES], check=True)
    # Without compiled parts, which are of this Python and have a slower twin.
    files = (path for path in Path(target).rglob("*") if path.suffix in (".py", ".json"))
    package = zip_of({f"python/{path.relative_to(target)}": path.read_text() for path in files})
    published = lambda_.publish_layer_version(LayerName="powertools", Content={"ZipFile": package})
    yield published["LayerVersionArn"]
    lambda_.delete_layer_version(LayerName="powertools", VersionNumber=published["Version"])


@pytest.mark.parametrize("traced", [False, True])
def test_powertools_run_unchanged(logs, create, layer, traced):
    environment = {
        "POWERTOOLS_SERVICE_NAME": "orders",
        "POWERTOOLS_METRICS_NAMESPACE": "Shop",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "POWERTOOLS_TRACE_DISABLED": "false" if traced else "true",
    }
    function = create.python(SOURCE, Layers=[layer], Environment={"Variables": environment}, MemorySize=512, Timeout=30)
    answer = function.invoke({"n": 1, "id": "abc"})
    assert answer.ok() == 2

    def records():
        found = logs.filter_log_events(logGroupName=function.log_group)["events"]
        lines = [json.loads(event["message"]) for event in found if event["message"].startswith("{")]
        return lines if any("_aws" in line for line in lines) else None

    lines = eventually(records)
    (working,) = [line for line in lines if line.get("message") == "working"]
    assert (working["service"], working["n"], working["level"]) == ("orders", 1, "INFO")
    assert working["function_request_id"] == answer.request_id and working["cold_start"] is True
    assert working["correlation_id"] == "abc" and working["function_name"] == function.name
    directives = [one for line in lines if "_aws" in line for one in line["_aws"]["CloudWatchMetrics"]]
    emitted = {metric["Name"] for directive in directives for metric in directive["Metrics"]}
    assert emitted == {"ColdStart", "Worked"}
