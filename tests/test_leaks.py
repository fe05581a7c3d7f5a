"""What a server holds it gives back: environments of functions that failed, fell idle or were deleted; CPU time when nothing
is asked."""

import concurrent.futures
import json
import os
import time
import urllib.request

import pytest

from support.functions import Factory
from support.server import eventually

QUIET = ["--pool-python", "0", "--pool-node", "0", "--pool-java", "0"]


@pytest.fixture
def server(another_server):
    """A server without pools, so that every environment is some function's."""
    with another_server(arguments=[*QUIET, "--keep-alive-secs", "3"]) as running:
        yield running


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def groups(server):
    return len(server.control_groups())


def settled(server, measure):
    """A measure that has stopped moving."""
    seen = [measure(server)]

    def still():
        seen.append(measure(server))
        return len(seen) > 4 and len(set(seen[-4:])) == 1

    eventually(still, 20, 0.25)
    return seen[-1]


def test_failures_leak_nothing(server, runtimes):
    source = """
import os, time
def handler(way, c):
    if way == "exit": os._exit(1)
    if way == "hang": time.sleep(60)
    if way == "memory": bytearray(1 << 30)
    if way == "fork": os.fork() or time.sleep(60)
    return way
"""
    function = Factory(server.client("lambda"), runtimes).python(source, Timeout=1)
    assert function.invoke("fine").ok() == "fine"
    descriptors_before, groups_before, processes_before = (
        settled(server, measure) for measure in (descriptors, groups, lambda s: len(s.processes()))
    )
    ways = ["exit", "hang", "memory", "fork"] * 15
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(function.invoke, ways))
    assert all(answer.error for way, answer in zip(ways, answers, strict=True) if way != "fork")
    assert function.invoke("fine").ok() == "fine"
    # Some slots are kept for the next environments; none of the sixty that ended may hold one each.
    assert eventually(lambda: len(server.processes()) <= processes_before + 12, 20), server.processes()
    assert eventually(lambda: groups(server) <= groups_before + 40, 20), (groups_before, groups(server))
    assert settled(server, descriptors) <= descriptors_before + 40


def test_an_idle_environment_is_ended(server, runtimes):
    function = Factory(server.client("lambda"), runtimes).python("def handler(e, c):\n    return c.log_stream_name\n")
    first = function.invoke().ok()
    with_it = settled(server, lambda s: len(s.processes()))
    assert eventually(lambda: len(server.processes()) < with_it, 30), "keep-alive is three seconds"
    assert function.invoke().ok() != first


def test_a_deleted_functions_environment_is_ended(updraft, create):
    waits = '#!/bin/sh\nsleep 65432 &\napi="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"\nwhile :; do\n'
    waits += '  curl -sSD /tmp/h "$api/next" >/tmp/e\n  id=$(grep -i aws-request-id /tmp/h | tr -d "[:space:]" | cut -d: -f2)\n'
    waits += '  curl -sS -o /dev/null "$api/$id/response" -d 1\ndone\n'
    function = create.custom(waits)
    assert function.invoke().ok() == 1
    lives = lambda: any("sleep 65432" in line for line in updraft.processes())  # noqa: E731
    assert lives()
    function.client.delete_function(FunctionName=function.name)
    assert eventually(lambda: not lives())


def test_an_idle_server_uses_no_cpu(another_server, runtimes):
    with another_server() as server:
        factory = Factory(server.client("lambda"), runtimes)
        python = factory.python("def handler(e, c):\n    return 1\n")
        node = factory.node("exports.handler = async () => 1;", file="index.js")
        assert (python.invoke().ok(), node.invoke().ok()) == (1, 1)
        assert eventually(lambda: pools_are_full(server), 60)
        time.sleep(1)
        before = cpu_seconds(server)
        time.sleep(4)
        assert cpu_seconds(server) - before < 0.2, "five per cent of one core would be too much"


def pools_are_full(server):
    status = json.load(urllib.request.urlopen(server.endpoint + "/_updraft/status", timeout=10))
    return all(pool["ready"] >= pool["target"] for pool in status["pools"])


def cpu_seconds(server):
    ticks = 0
    for line in server.processes():
        try:
            fields = open(f"/proc/{line.split(':')[0]}/stat").read().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
