"""Aliases: names of versions that requests go by, moved without losing one."""

import collections
import concurrent.futures
import json
import threading

import pytest

from support.code import zip_of
from support.functions import Function
from support.refusals import refused
from support.server import eventually

WHO = """
import time
VERSION = {version}
def handler(event, context):
    started = VERSION
    time.sleep(event.get("seconds", 0))
    assert started == VERSION
    return {{"code": VERSION, "version": context.function_version, "arn": context.invoked_function_arn}}
"""


class Aliased(Function):
    """A function by one of its aliases."""

    def __init__(self, function, alias):
        super().__init__(function.client, f"{function.name}:{alias}")


@pytest.fixture
def versions(create, lambda_):
    """A function with the versions 1 and 2, each of which says what it is."""
    function = create.python(WHO.format(version=1), stem="alias")
    lambda_.publish_version(FunctionName=function.name)
    function.update(WHO.format(version=2))
    lambda_.publish_version(FunctionName=function.name)
    return function


def alias(function, name="live", version="1", **more):
    function.client.create_alias(FunctionName=function.name, Name=name, FunctionVersion=version, **more)
    return Aliased(function, name)


def test_an_alias_runs_its_version_and_says_so(lambda_, versions):
    live = alias(versions, Description="what customers use")
    assert lambda_.get_alias(FunctionName=versions.name, Name="live")["Description"] == "what customers use"
    answer = live.invoke()
    assert answer.version == "1"
    assert answer.ok() == {"code": 1, "version": "1", "arn": f"{versions.arn}:live"}
    by_qualifier = versions.invoke(Qualifier="live")
    assert (by_qualifier.version, by_qualifier.ok()["arn"]) == ("1", f"{versions.arn}:live")
    assert versions.invoke(Qualifier="2").ok()["arn"] == f"{versions.arn}:2"
    assert live.invoke(InvocationType="DryRun").status == 204
    shown = lambda_.get_function(FunctionName=versions.name, Qualifier="live")["Configuration"]
    assert (shown["Version"], shown["FunctionArn"]) == ("1", f"{versions.arn}:live")
    with refused(404, "ResourceNotFoundException", f"Function not found: {versions.arn}:dead"):
        versions.invoke(Qualifier="dead")
    with refused(404, "ResourceNotFoundException", f"Function not found: {versions.arn}:dead"):
        versions.invoke(Qualifier="dead", InvocationType="Event")


def test_an_event_goes_to_the_aliass_version(versions, logs):
    live = alias(versions, version="2")
    assert live.invoke(InvocationType="Event").status == 202

    def started():
        try:
            found = logs.filter_log_events(logGroupName=versions.log_group, filterPattern='"START RequestId"')
        except logs.exceptions.ResourceNotFoundException:
            return None
        return [event["message"] for event in found["events"]]

    assert eventually(started)[0].endswith("Version: 2\n")


def test_requests_are_shared_out_by_weight(versions):
    live = alias(versions, RoutingConfig={"AdditionalVersionWeights": {"2": 0.3}})
    live.invoke().ok()
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: live.invoke(), range(600)))
    counts = collections.Counter(answer.version for answer in answers)
    assert all(str(answer.ok()["code"]) == answer.version for answer in answers)
    # 180 are expected; more than eight standard deviations are 90.
    assert 90 <= counts["2"] <= 270, counts


def test_a_rollback_loses_no_request_and_mixes_nothing(lambda_, versions):
    live = alias(versions, version="2")
    stop, moved = threading.Event(), threading.Event()
    seen, after = [], []

    def customer():
        while not stop.is_set():
            late = moved.is_set()
            answer = live.invoke({"seconds": 0.002})
            seen.append(answer)
            if late:
                after.append(answer)

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        customers = [threads.submit(customer) for _ in range(8)]
        for version in ["1", "2", "1", "2", "1"]:
            count = len(seen)
            eventually(lambda: len(seen) > count + 40)
            lambda_.update_alias(FunctionName=versions.name, Name="live", FunctionVersion=version)
        moved.set()
        eventually(lambda: len(after) > 50)
        stop.set()
        for done in customers:
            done.result()
    for answer in seen:
        assert answer.ok() == {"code": int(answer.version), "version": answer.version, "arn": f"{versions.arn}:live"}
    assert {answer.version for answer in seen} == {"1", "2"}
    assert {answer.version for answer in after} == {"1"}, "what came after the answer to UpdateAlias"


def test_a_version_in_use_is_not_deleted(lambda_, versions):
    live = alias(versions, RoutingConfig={"AdditionalVersionWeights": {"2": 0.0}})
    for version in ["1", "2"]:
        with refused(
            409,
            "ResourceConflictException",
            "Unable to delete version because the following aliases reference it: [live]",
        ):
            lambda_.delete_function(FunctionName=versions.name, Qualifier=version)
    assert live.invoke().version == "1"
    lambda_.delete_alias(FunctionName=versions.name, Name="live")
    lambda_.delete_function(FunctionName=versions.name, Qualifier="1")
    listed = lambda_.list_versions_by_function(FunctionName=versions.name)["Versions"]
    assert [version["Version"] for version in listed] == ["$LATEST", "2"]


def test_revisions_guard_an_alias(lambda_, versions):
    alias(versions)
    first = lambda_.get_alias(FunctionName=versions.name, Name="live")["RevisionId"]
    moved = lambda_.update_alias(FunctionName=versions.name, Name="live", FunctionVersion="2", RevisionId=first)
    assert moved["RevisionId"] != first
    with refused(412, "PreconditionFailedException", "The Revision Id provided does not match the latest"):
        lambda_.update_alias(FunctionName=versions.name, Name="live", FunctionVersion="1", RevisionId=first)
    assert lambda_.get_alias(FunctionName=versions.name, Name="live")["FunctionVersion"] == "2"


def test_tags_are_not_for_aliases_and_versions(lambda_, versions):
    alias(versions)
    for qualifier in ["live", "1", "$LATEST"]:
        with refused(400, "InvalidParameterValueException", "Tags on function aliases and versions are not supported."):
            lambda_.tag_resource(Resource=f"{versions.arn}:{qualifier}", Tags={"a": "b"})


def test_a_permission_on_an_alias_lets_another_account_in_by_it_alone(another_server, runtimes):
    with another_server(arguments=["--iam", "enforce"]) as server:
        owner, other = server.client("lambda"), server.client("lambda", key="111111111111")
        code = {"ZipFile": zip_of({"app.py": WHO.format(version=1)})}
        arn = owner.create_function(
            FunctionName="shop", Runtime=runtimes.python, Role="arn:aws:iam::000000000000:role/r",
            Handler="app.handler", Code=code, Publish=True,
        )["FunctionArn"]  # fmt: skip
        owner.get_waiter("published_version_active").wait(FunctionName="shop", Qualifier="1")
        owner.create_alias(FunctionName="shop", Name="live", FunctionVersion="1")
        owner.add_permission(
            FunctionName="shop", Qualifier="live", StatementId="guest", Action="lambda:InvokeFunction",
            Principal="111111111111",
        )  # fmt: skip
        assert json.load(other.invoke(FunctionName=f"{arn}:live", Payload="{}")["Payload"])["version"] == "1"
        for name in [arn, f"{arn}:1", f"{arn}:$LATEST"]:
            with refused(403, "AccessDeniedException"):
                other.invoke(FunctionName=name, Payload="{}")
