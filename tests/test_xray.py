"""Tracing: headers, sampling, segments of Lambda and of functions through X-Ray's API, Amazon's SDK inside a function."""

import datetime
import importlib.util
import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from support.cli import AWS
from support.refusals import refused
from support.server import eventually

HEADER = re.compile(r"Root=(1-[0-9a-f]{8}-[0-9a-f]{24})(;Parent=([0-9a-f]{16}))?;Sampled=([01])")
SHOWS_HEADER = """
import os

def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked")
    return {name: os.environ.get(name) for name in ("_X_AMZN_TRACE_ID", "AWS_XRAY_DAEMON_ADDRESS", "AWS_XRAY_CONTEXT_MISSING")}
"""


@pytest.fixture(scope="session")
def xray(updraft):
    return updraft.client("xray")


def new_trace_id():
    return f"1-{int(time.time()):08x}-{time.time_ns():024x}"


def invoke(function, header=None, event=None):
    """Calls a function as a service that traces would; gives its answer and the answer's trace header."""

    def add(request, **_):
        if header:
            request.headers["X-Amzn-Trace-Id"] = header

    events = function.client.meta.events
    events.register("before-sign.lambda.Invoke", add)
    try:
        answer = function.client.invoke(FunctionName=function.name, Payload=json.dumps(event or {}))
    finally:
        events.unregister("before-sign.lambda.Invoke", add)
    return json.loads(answer["Payload"].read()), answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"]


def trace(xray, trace_id):
    """A trace's documents; None if there is none."""
    answer = xray.batch_get_traces(TraceIds=[trace_id])
    assert [one["Id"] for one in answer["Traces"]] + answer["UnprocessedTraceIds"] == [trace_id]
    return [json.loads(s["Document"]) for s in answer["Traces"][0]["Segments"]] if answer["Traces"] else None


def by_origin(documents):
    return {document["origin"]: document for document in documents}


def segment(trace_id, **more):
    now = time.time()
    base = {"id": f"{time.time_ns() & (1 << 60) - 1:016x}", "name": "shop", "start_time": now - 1, "end_time": now}
    return base | {"trace_id": trace_id} | more


def put(xray, *documents):
    return xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(d) for d in documents])["UnprocessedTraceSegments"]


def summaries(xray, expression, seconds=60):
    now = datetime.datetime.now(datetime.timezone.utc)
    pages = xray.get_paginator("get_trace_summaries").paginate(
        StartTime=now - datetime.timedelta(seconds=seconds), EndTime=now + datetime.timedelta(seconds=5), FilterExpression=expression
    )
    return {one["Id"]: one for page in pages for one in page["TraceSummaries"]}


# ---- headers and sampling


def test_a_header_is_made_and_not_sampled_where_nobody_asked(xray, create):
    function = create.python(SHOWS_HEADER)
    assert function.client.get_function_configuration(FunctionName=function.name)["TracingConfig"] == {"Mode": "PassThrough"}
    seen, header = invoke(function)
    made = HEADER.match(header)
    assert made and made[4] == "0", header
    assert HEADER.match(seen["_X_AMZN_TRACE_ID"])[1] == made[1]
    assert seen["AWS_XRAY_DAEMON_ADDRESS"] == "169.254.79.129:2000" and seen["AWS_XRAY_CONTEXT_MISSING"] == "LOG_ERROR"
    assert trace(xray, made[1]) is None


@pytest.mark.parametrize("sampled", [0, 1])
def test_the_callers_decision_holds_whatever_the_setting(xray, create, sampled):
    function = create.python(SHOWS_HEADER, TracingConfig={"Mode": ["Active", "PassThrough"][sampled]})
    trace_id = new_trace_id()
    seen, header = invoke(function, f"Root={trace_id};Parent=53995c3f42cd8ad8;Sampled={sampled}")
    assert header.startswith(f"Root={trace_id};Parent=53995c3f42cd8ad8;Sampled={sampled}")
    inside = HEADER.match(seen["_X_AMZN_TRACE_ID"])
    assert (inside[1], inside[4]) == (trace_id, str(sampled))
    documents = trace(xray, trace_id)
    if not sampled:
        assert documents is None
        return
    found = by_origin(documents)
    service, own = found["AWS::Lambda"], found["AWS::Lambda::Function"]
    assert (service["parent_id"], own["parent_id"], own["id"]) == ("53995c3f42cd8ad8", service["id"], inside[3])


def test_active_functions_are_sampled_once_a_second_and_tell_of_their_phases(xray, create):
    function = create.python(SHOWS_HEADER, TracingConfig={"Mode": "Active"})
    assert function.client.get_function_configuration(FunctionName=function.name)["TracingConfig"] == {"Mode": "Active"}
    time.sleep(1.1)  # another function's request may have been this second's first
    _, header = invoke(function)
    made = HEADER.match(header)
    assert made[4] == "1", header
    found = by_origin(trace(xray, made[1]))
    service, own = found["AWS::Lambda"], found["AWS::Lambda::Function"]
    assert (service["name"], service["resource_arn"], service["http"]["response"]["status"]) == (function.name, function.arn, 200)
    assert [part["name"] for part in own["subsegments"]] == ["Initialization", "Invocation", "Overhead"]
    starts = [part["start_time"] for part in own["subsegments"]]
    assert starts == sorted(starts) and all(p["start_time"] <= p["end_time"] for p in own["subsegments"])
    decisions = [HEADER.match(invoke(function)[1])[4] for _ in range(40)]
    assert "0" in decisions, "not every request is the first of its second"


def test_the_setting_changes_for_the_next_request(create):
    function = create.python(SHOWS_HEADER)
    function.client.update_function_configuration(FunctionName=function.name, TracingConfig={"Mode": "Active"})
    function.wait()
    time.sleep(1.1)
    assert HEADER.match(invoke(function)[1])[4] == "1"
    with refused(400, "ValidationException"):
        function.client.update_function_configuration(FunctionName=function.name, TracingConfig={"Mode": "Sometimes"})


def test_failures_are_faults(xray, create):
    function = create.python(SHOWS_HEADER)
    trace_id = new_trace_id()
    invoke(function, f"Root={trace_id};Sampled=1", {"fail": True})
    found = by_origin(trace(xray, trace_id))
    assert found["AWS::Lambda"]["fault"] and found["AWS::Lambda::Function"]["fault"]
    assert trace_id in summaries(xray, f'fault AND service("{function.name}")')
    assert trace_id not in summaries(xray, f'ok AND service("{function.name}")')


# ---- inside a function


def packages(*names):
    """Installed Python packages as files of a deployment package."""
    files = {}
    for name in names:
        (root,) = importlib.util.find_spec(name).submodule_search_locations
        for path in Path(root).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                files[f"{name}/{path.relative_to(root)}"] = path.read_bytes()
    return files


def test_amazons_sdk_tells_of_subsegments_through_the_daemon(xray, create):
    source = """
import os, pathlib, shutil

# The SDK reads its configuration below HOME; a function's is not writable on every platform.
os.environ.setdefault("HOME", "/tmp")
from aws_xray_sdk.core import xray_recorder


def handler(event, context):
    with xray_recorder.in_subsegment("work") as outer:
        outer.put_annotation("shop", "north")
        outer.put_metadata("order", {"lines": 3})
        with xray_recorder.in_subsegment("detail"):
            pass
    try:
        with xray_recorder.in_subsegment("broken"):
            raise KeyError("lost")
    except KeyError:
        pass
    return "done"
"""
    function = create.python(source, packages("aws_xray_sdk", "wrapt"), MemorySize=512, Timeout=30)
    for round in range(2):
        trace_id = new_trace_id()
        assert invoke(function, f"Root={trace_id};Sampled=1")[0] == "done"

        def arrived():
            own = by_origin(trace(xray, trace_id))["AWS::Lambda::Function"]
            return own if {"work", "broken"} <= {part["name"] for part in own["subsegments"]} else None

        own = eventually(arrived)
        parts = {part["name"]: part for part in own["subsegments"]}
        assert parts["work"]["annotations"] == {"shop": "north"} and parts["work"]["subsegments"][0]["name"] == "detail"
        assert parts["broken"]["fault"] and parts["broken"]["cause"]["exceptions"][0]["type"] == "KeyError"
        found = summaries(xray, 'annotation.shop = "north"')[trace_id]
        assert found["Annotations"]["shop"][0]["AnnotationValue"] == {"StringValue": "north"}
    assert invoke(function)[0] == "done", "untraced requests do not need a daemon"


def test_the_daemon_takes_what_is_a_segment_and_drops_the_rest(xray, create):
    source = """
import json, os, socket

def handler(event, context):
    daemon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    address = ("169.254.79.129", 2000)
    head = json.dumps({"format": "json", "version": 1}).encode() + b"\\n"
    for datagram in (b"", b"nonsense", head, head + b"{", head + b"x" * 60000, head + json.dumps(event["segment"]).encode()):
        daemon.sendto(datagram, address)
    return "sent"
"""
    function = create.python(source)
    trace_id, other = new_trace_id(), new_trace_id()
    mine = segment(other, name="by-hand", origin="Mine")
    assert invoke(function, f"Root={trace_id};Sampled=1", {"segment": mine})[0] == "sent"
    assert eventually(lambda: trace(xray, other)) == [mine]


# ---- the API


def test_segments_are_put_together_and_bad_ones_told_apart(xray):
    trace_id = new_trace_id()
    root = segment(trace_id, subsegments=[{"id": "aaaaaaaaaaaaaaaa", "name": "db", "start_time": 1, "end_time": 2}])
    inner = segment(trace_id, id="bbbbbbbbbbbbbbbb", type="subsegment", parent_id="aaaaaaaaaaaaaaaa", name="query")
    refusals = put(xray, inner, root, {"id": "nonsense"}, segment("no-trace"))
    assert [refusal["ErrorCode"] for refusal in refusals] == ["InvalidId", "InvalidTraceId"]
    (document,) = trace(xray, trace_id)
    assert document["subsegments"][0]["subsegments"][0]["name"] == "query"
    going_on = segment(trace_id, id="cccccccccccccccc", in_progress=True)
    del going_on["end_time"]
    put(xray, going_on)
    assert summaries(xray, "partial")[trace_id]["IsPartial"]
    put(xray, segment(trace_id, id="cccccccccccccccc"))
    assert trace_id not in summaries(xray, "partial")


def test_summaries_say_what_a_trace_is(xray):
    trace_id = new_trace_id()
    http = {"request": {"method": "GET", "url": "https://shop/cart"}, "response": {"status": 429}}
    put(xray, segment(trace_id, http=http, error=True, throttle=True, user="kim", annotations={"age": 7, "vip": True}))
    found = summaries(xray, "throttle AND http.status = 429 AND annotation[age] > 6")[trace_id]
    assert found["Duration"] == pytest.approx(1, abs=0.01) and found["ResponseTime"] == pytest.approx(1, abs=0.01)
    assert (found["HasError"], found["HasFault"], found["HasThrottle"]) == (True, False, True)
    assert (found["Http"]["HttpURL"], found["Http"]["HttpStatus"]) == ("https://shop/cart", 429)
    assert found["EntryPoint"]["Name"] == "shop" and found["Users"][0]["UserName"] == "kim"
    assert found["Annotations"]["vip"][0]["AnnotationValue"] == {"BooleanValue": True}
    assert trace_id not in summaries(xray, "duration > 5")


def test_what_cannot_be_asked_is_refused(xray):
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    for expression, status, code in (
        ("nonsense", 400, "InvalidRequestException"),
        ("fault AND", 400, "InvalidRequestException"),
        ('edge("a", "b")', 501, "NotImplemented"),
    ):
        with refused(status, code):
            summaries(xray, expression)
    with refused(400, "InvalidRequestException"):
        xray.get_trace_summaries(StartTime=now, EndTime=now - day)
    with refused(400, "InvalidRequestException"):
        xray.get_trace_summaries(StartTime=now - 2 * day, EndTime=now)
    with refused(400, "InvalidRequestException"):
        xray.batch_get_traces(TraceIds=[new_trace_id() for _ in range(6)])
    with refused(501, "NotImplemented"):
        xray.get_groups()
    assert xray.batch_get_traces(TraceIds=[new_trace_id()])["Traces"] == []


def test_the_default_rule_is_the_only_one(xray):
    (record,) = xray.get_sampling_rules()["SamplingRuleRecords"]
    rule = record["SamplingRule"]
    assert (rule["RuleName"], rule["FixedRate"], rule["ReservoirSize"]) == ("Default", 0.05, 1)
    statistics = dict(ClientID="a" * 24, Timestamp=time.time(), RequestCount=1, SampledCount=1)
    answer = xray.get_sampling_targets(
        SamplingStatisticsDocuments=[{"RuleName": "Default"} | statistics, {"RuleName": "other"} | statistics]
    )
    (target,) = answer["SamplingTargetDocuments"]
    assert (target["RuleName"], target["FixedRate"], target["ReservoirQuota"]) == ("Default", 0.05, 1)
    assert [one["RuleName"] for one in answer["UnprocessedStatistics"]] == ["other"]


def test_the_cli_reads_traces(updraft, xray):
    trace_id = new_trace_id()
    put(xray, segment(trace_id))
    aws = AWS(updraft)
    (found,) = aws.run("xray", "batch-get-traces", "--trace-ids", trace_id)["Traces"]
    assert json.loads(found["Segments"][0]["Document"])["name"] == "shop"
    now = int(time.time())
    listed = aws.run("xray", "get-trace-summaries", "--start-time", now - 60, "--end-time", now + 5)["TraceSummaries"]
    assert trace_id in [one["Id"] for one in listed]


def test_traces_survive_a_kill(another_server):
    server = another_server().start()
    trace_id = new_trace_id()
    put(server.client("xray"), segment(trace_id))
    server.kill()
    again = another_server().start()
    assert trace(again.client("xray"), trace_id)


def test_a_build_without_otlp_says_so(updraft):
    serve = [str(updraft.executable), "serve", "--otlp-endpoint", "http://localhost:4318"]
    refused = subprocess.run(serve, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and "--otlp-endpoint: this build has no OTLP" in refused.stderr, refused.stderr
