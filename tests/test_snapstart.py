"""SnapStart: versions that are initialised when they are published, and restored when a request comes.

Nothing here is timed. What a function counts in its init and in its hooks says what ran, how often and in which order;
the log says what was told of it.
"""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import botocore
import pytest

from support.functions import Factory, Function, Report, compile_java
from support.server import eventually

ON = {"ApplyOn": "PublishedVersions"}
VERSION_WAITER = {"Delay": 0.05, "MaxAttempts": 1200}

# The init writes down when it ran in the log, and shows in every answer what happened to its environment.
PYTHON = """
import os, random, time, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot

BORN = uuid.uuid4().hex
HAPPENED = ["init"]
print("born", BORN)

register_before_snapshot(HAPPENED.append, "before")

@register_after_restore
def after():
    HAPPENED.append("after")
    print("after", BORN)

def handler(event, context):
    HAPPENED.append("event")
    if event.get("sleep"):
        time.sleep(event["sleep"])
    return {
        "born": BORN,
        "happened": HAPPENED,
        "random": random.random(),
        "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "names": sorted(name for name in os.environ if name.startswith("AWS_")),
        "stream": context.log_stream_name,
        "version": context.function_version,
    }
"""


def publish(function, **settings):
    function.configure(SnapStart=ON, **settings)
    published = function.client.publish_version(FunctionName=function.name)
    wait_for(function, published["Version"])
    return published["Version"]


def wait_for(function, version):
    waiter = function.client.get_waiter("published_version_active")
    waiter.wait(FunctionName=function.name, Qualifier=version, WaiterConfig=VERSION_WAITER)


def configuration(function, version):
    return function.client.get_function_configuration(FunctionName=function.name, Qualifier=version)


def lines(logs, function):
    """All lines of the function's log, by stream."""
    found = {}
    for event in logs.filter_log_events(logGroupName=function.log_group)["events"]:
        found.setdefault(event["logStreamName"], []).append(event["message"].rstrip("\n"))
    return found


def inits(logs, function):
    """The names that inits gave themselves."""
    return [line.split()[1] for stream in lines(logs, function).values() for line in stream if line.startswith("born")]


@pytest.fixture(autouse=True)
def needs_python_3_12(runtimes):
    if int(runtimes.python.removeprefix("python3.")) < 12:
        pytest.skip("SnapStart needs Python 3.12")


def test_a_published_version_is_initialised_once_ahead_and_restored(create, logs):
    function = create.python(PYTHON)
    version = publish(function)
    shown = configuration(function, version)
    assert shown["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    assert shown["State"] == "Active"
    latest = function.client.get_function_configuration(FunctionName=function.name)
    assert latest["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}

    assert inits(logs, function), "init ran before any request"
    answer = function.tail(Qualifier=version)
    told = answer.ok()
    assert told["happened"] == ["init", "before", "after", "event"]
    assert told["type"] == "snap-start" and told["version"] == version
    assert inits(logs, function).count(told["born"]) == 1, "and not again"
    again = function.tail(Qualifier=version)
    assert again.ok()["happened"] == ["init", "before", "after", "event", "event"], "the same environment goes on"
    assert again.ok()["born"] == told["born"]
    assert "Restore Duration" not in again.tail and "Restore Duration" in answer.tail


def test_the_log_of_a_restored_environment(create, logs):
    function = create.python(PYTHON)
    version = publish(function)
    born = function.invoke(Qualifier=version).ok()["born"]
    # A snapshot's init has a stream of its own, and the restored environment another.
    streams = lines(logs, function)
    starts = [stream for stream in streams.values() if f"born {born}" in stream]
    restores = [stream for stream in streams.values() if f"after {born}" in stream]
    assert len(starts) == len(restores) == 1
    assert starts[0][0].startswith("INIT_START Runtime Version: python:3.")
    assert starts[0][1] == f"born {born}"
    assert re.fullmatch(r"INIT_REPORT Init Duration: [\d.]+ ms", starts[0][2])
    assert len(starts[0]) == 3
    restored = restores[0]
    assert restored[0].startswith("RESTORE_START Runtime Version: python:3.")
    assert restored[1] == f"after {born}"
    assert re.fullmatch(r"RESTORE_REPORT Restore Duration: [\d.]+ ms", restored[2])
    assert restored[3].startswith("START RequestId:") and f"Version: {version}" in restored[3]
    report = re.search(r"Restore Duration: ([\d.]+) ms\tBilled Restore Duration: (\d+) ms", restored[-1])
    assert report and Report.of(restored[-1]).init_ms is None
    whole = Report.of(restored[-1])
    assert whole.billed_ms >= int(report[2]) + int(whole.duration_ms)
    assert all(re.match(rf"\d{{4}}/\d\d/\d\d/\[{version}\][0-9a-f]{{32}}", name) for name in streams)


def test_the_log_in_json(create, logs):
    function = create.python(PYTHON, LoggingConfig={"LogFormat": "JSON"})
    version = publish(function)
    assert function.invoke(Qualifier=version).ok()
    records = [
        json.loads(line) for stream in lines(logs, function).values() for line in stream if '"type":"platform' in line
    ]
    by_type = {record["type"]: record["record"] for record in records}
    assert by_type["platform.initStart"]["initializationType"] == "snap-start"
    assert by_type["platform.initReport"]["status"] == "success"
    assert by_type["platform.restoreStart"]["functionVersion"] == version
    assert by_type["platform.restoreReport"]["status"] == "success"
    assert by_type["platform.restoreReport"]["metrics"]["durationMs"] > 0
    assert by_type["platform.report"]["metrics"]["restoreDurationMs"] > 0
    assert "initDurationMs" not in by_type["platform.report"]["metrics"]


def test_latest_has_inits_as_ever(create):
    function = create.python(PYTHON)
    publish(function)
    told = function.tail()
    assert told.ok()["type"] == "on-demand" and told.ok()["happened"] == ["init", "event"]
    assert "Init Duration" in told.tail


def test_concurrent_requests_all_get_environments_of_their_own(create, logs):
    function = create.python(PYTHON)
    version = publish(function)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: function.invoke({"sleep": 1}, Qualifier=version).ok(), range(8)))
    assert all(answer["happened"][:4] == ["init", "before", "after", "event"] for answer in answers)
    assert len({answer["random"] for answer in answers}) == len(answers), "no two share a random state"
    assert inits(logs, function) == [answers[0]["born"]], "all are copies of the one that had the init"
    assert {answer["born"] for answer in answers} == {answers[0]["born"]}


def test_a_small_function_with_the_sdk_is_copied_too(create, logs):
    function = create.python("""
import boto3, time, uuid
client = boto3.client("sts")
print("born", uuid.uuid4().hex)
def handler(event, context):
    time.sleep(event["sleep"])
    return client.get_caller_identity()["Arn"]
""", MemorySize=128, Timeout=60)  # fmt: skip
    version = publish(function)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: function.invoke({"sleep": 1}, Qualifier=version).ok(), range(4)))
    assert set(answers) == {f"arn:aws:sts::000000000000:assumed-role/worker/{function.name}"}
    assert len(inits(logs, function)) == 1


def test_a_function_with_threads_has_an_init_for_each_snapshot(create, logs):
    function = create.python("""
import threading, uuid
BORN = uuid.uuid4().hex
print("born", BORN)
wake = threading.Event()
threading.Thread(target=wake.wait, daemon=True).start()
def handler(event, context):
    return [BORN, threading.active_count()]
""")  # fmt: skip
    version = publish(function)
    born, threads = function.invoke(Qualifier=version).ok()
    assert threads == 2, "its thread came along"
    assert born in inits(logs, function) and eventually(lambda: len(inits(logs, function)) >= 3)


def test_the_environment_asks_for_credentials(create, updraft):
    function = create.python("""
import boto3, os
def handler(event, context):
    credentials = boto3.Session().get_credentials()
    frozen = credentials.get_frozen_credentials()
    return {
        "method": credentials.method,
        "names": sorted(name for name in os.environ if name.startswith("AWS_")),
        "who": boto3.client("sts").get_caller_identity()["Arn"],
        "key": frozen.access_key,
    }
""", Timeout=60, MemorySize=512)
    version = publish(function)
    told = function.invoke(Qualifier=version).ok()
    assert told["method"] == "container-role" and told["key"].startswith("ASIA")
    assert told["who"] == f"arn:aws:sts::000000000000:assumed-role/worker/{function.name}"
    names = set(told["names"])
    assert {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"} <= names
    assert not names & {
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    }  # fmt: skip


def test_an_init_that_fails_fails_the_version(create):
    function = create.python("print('trying')\nraise ValueError('no')\n")
    function.configure(SnapStart=ON)
    published = function.client.publish_version(FunctionName=function.name)
    assert published["State"] == "Pending" and published["SnapStart"]["OptimizationStatus"] == "On"
    version = published["Version"]
    shown = eventually(lambda: (seen := configuration(function, version))["State"] != "Pending" and seen)
    assert shown["State"] == "Failed"
    assert shown["StateReason"] == "An error occurred during function initialization."
    assert shown["StateReasonCode"] == "FunctionError"
    with pytest.raises(function.client.exceptions.ResourceConflictException):
        function.invoke(Qualifier=version)
    assert function.invoke().error == "Unhandled", "$LATEST is none of its business"


def test_a_pending_version_takes_no_requests(create):
    function = create.python("import time\ntime.sleep(4)\ndef handler(event, context):\n    return 1\n")
    function.configure(SnapStart=ON)
    version = function.client.publish_version(FunctionName=function.name)["Version"]
    with pytest.raises(function.client.exceptions.SnapStartNotReadyException) as refused:
        function.invoke(Qualifier=version)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert "will be ready to invoke once your function state becomes ACTIVE" in str(refused.value)
    wait_for(function, version)
    assert function.invoke(Qualifier=version).ok() == 1


def test_a_hook_that_fails_after_a_restore_is_told(create, logs):
    function = create.python(PYTHON + "\nregister_after_restore(lambda: 1 / 0)\n")
    version = publish(function)
    with pytest.raises(function.client.exceptions.SnapStartException) as refused:
        function.invoke(Qualifier=version)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    told = "\n".join(line for stream in lines(logs, function).values() for line in stream)
    assert "ZeroDivisionError" in told and "Status: error" in told


def test_a_restore_that_takes_too_long_is_told(create):
    function = create.python(PYTHON + "\nregister_after_restore(time.sleep, 60)\n")
    version = publish(function)
    with pytest.raises(function.client.exceptions.SnapStartTimeoutException) as refused:
        function.invoke(Qualifier=version)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 408


def test_a_hook_that_fails_before_the_snapshot_fails_the_version(create):
    function = create.python(PYTHON + "\nregister_before_snapshot(lambda: 1 / 0)\n")
    function.configure(SnapStart=ON)
    version = function.client.publish_version(FunctionName=function.name)["Version"]
    shown = eventually(lambda: (seen := configuration(function, version))["State"] != "Pending" and seen)
    assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "FunctionError")


def test_what_it_does_not_support_is_refused(create, runtimes):
    refused = botocore.exceptions.ClientError
    with pytest.raises(refused, match=f"{re.escape(runtimes.node)} is not supported for SnapStart enabled functions."):
        create.node("export const handler = async () => 1", SnapStart=ON)
    function = create.python("def handler(event, context):\n    return 1\n", SnapStart=ON)
    with pytest.raises(refused, match="InvalidParameterValueException"):
        function.configure(EphemeralStorage={"Size": 513})
    with pytest.raises(refused, match="python3.11 is not supported for SnapStart enabled functions."):
        function.configure(Runtime="python3.11")
    function.configure(SnapStart={"ApplyOn": "None"}, EphemeralStorage={"Size": 513})
    shown = function.client.get_function_configuration(FunctionName=function.name)
    assert shown["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    with pytest.raises(refused, match="InvalidParameterValueException"):
        function.configure(SnapStart=ON)


def test_provisioned_concurrency_goes_without_it(create):
    function = create.python(PYTHON)
    version = publish(function)
    with pytest.raises(botocore.exceptions.ClientError, match="not supported for functions with SnapStart"):
        function.client.put_provisioned_concurrency_config(
            FunctionName=function.name, Qualifier=version, ProvisionedConcurrentExecutions=1
        )


def test_an_alias_leads_to_the_same_snapshots(create, logs):
    function = create.python(PYTHON)
    version = publish(function)
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion=version)
    told = function.tail(Qualifier="live")
    assert told.ok()["happened"] == ["init", "before", "after", "event"] and "Restore Duration" in told.tail
    assert inits(logs, function) == [told.ok()["born"]]


def test_a_deleted_version_takes_its_snapshots_along(another_server, runtimes):
    server = another_server()
    server.start()
    client = server.client("lambda")
    create = Factory(client, runtimes)
    function = create.python(PYTHON)
    version = publish(function)
    assert function.invoke(Qualifier=version).ok()
    client.delete_function(FunctionName=function.name, Qualifier=version)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        function.invoke(Qualifier=version)
    server.stop()


def test_snapshots_are_made_anew_after_a_restart(another_server, runtimes):
    server = another_server()
    server.start()
    function = Factory(server.client("lambda"), runtimes).python(PYTHON)
    version = publish(function)
    first = function.invoke(Qualifier=version).ok()
    logs = server.client("logs")
    eventually(lambda: first["born"] in inits(logs, function))
    server.kill()
    server.start()
    function, logs = Function(server.client("lambda"), function.name), server.client("logs")
    assert configuration(function, version)["State"] == "Active"
    assert eventually(lambda: set(inits(logs, function)) - {first["born"]}), "an init without a request"
    answer = function.tail(Qualifier=version)
    assert answer.ok()["happened"] == ["init", "before", "after", "event"]
    assert answer.ok()["born"] != first["born"]
    server.stop()


def test_a_stop_in_the_middle_of_a_publication_leaves_it_to_the_next_start(another_server, runtimes):
    server = another_server()
    server.start()
    code = "import time\ntime.sleep(8)\ndef handler(event, context):\n    return 1\n"
    function = Factory(server.client("lambda"), runtimes).python(code)
    function.configure(SnapStart=ON)
    version = function.client.publish_version(FunctionName=function.name)["Version"]
    server.stop()
    server.start()
    function = Function(server.client("lambda"), function.name)
    assert configuration(function, version)["State"] == "Pending"
    wait_for(function, version)
    assert function.invoke(Qualifier=version).ok() == 1
    server.stop()


JAVA = {
    "shop/Snapped.java": """
package shop;

import com.amazonaws.services.lambda.runtime.*;
import java.util.*;
import org.crac.Core;
import org.crac.Resource;

public class Snapped implements RequestHandler<Map<String, Object>, Map<String, Object>>, Resource {
    static final List<String> HAPPENED = new ArrayList<>(List.of("init"));

    public Snapped() {
        Core.getGlobalContext().register(this);
        System.out.println("born");
    }

    public void beforeCheckpoint(org.crac.Context<? extends Resource> context) { HAPPENED.add("before"); }

    public void afterRestore(org.crac.Context<? extends Resource> context) { HAPPENED.add("after"); }

    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        HAPPENED.add("event");
        return Map.of("happened", HAPPENED, "type", System.getenv("AWS_LAMBDA_INITIALIZATION_TYPE"));
    }
}
"""
}


def test_java_with_the_hooks_of_crac(create, logs, runtimes_dir, tmp_path):
    function = create.java(compile_java(JAVA, runtimes_dir, tmp_path), "shop.Snapped")
    version = publish(function)
    answer = function.tail(Qualifier=version)
    assert answer.ok() == {"happened": ["init", "before", "after", "event"], "type": "snap-start"}
    assert "Restore Duration" in answer.tail
    streams = lines(logs, function)
    assert sum(stream.count("born") for stream in streams.values()) <= 3, "one init for each snapshot, and no more"
    assert any(stream[0].startswith("INIT_START") and "born" in stream for stream in streams.values())
    assert any(stream[0].startswith("RESTORE_START") and "born" not in stream for stream in streams.values())
