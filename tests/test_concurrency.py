"""Concurrency: the account's limit, reservations, and environments that are initialised before anybody calls."""

import concurrent.futures

import pytest
from botocore.exceptions import ClientError

from support import metrics
from support.functions import Factory, Function, Report, lines_of
from support.refusals import refused
from support.server import eventually

INVALID, MISSING, CONFLICT = "InvalidParameterValueException", "ResourceNotFoundException", "ResourceConflictException"

SLEEPY = "import time\ndef handler(event, context):\n    time.sleep(event['seconds'])\n    return 'done'\n"

# Its init takes a second, so that whoever meets it in a request notices.
SLOW_INIT = """
import os, time, uuid
time.sleep(1)
me, initialised = str(uuid.uuid4()), time.time()
print("initialised as", os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"])
def handler(event, context):
    time.sleep(event.get("seconds", 0))
    if event.get("exit"):
        os._exit(1)
    return {
        "me": me, "initialised": initialised, "how": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "version": context.function_version,
    }
"""


def throttled(function, event, reason):
    """Expects one request to be refused, at once and in AWS's words."""
    with pytest.raises(ClientError) as refusal:
        function.invoke(event)
    seen = refusal.value.response
    assert (seen["ResponseMetadata"]["HTTPStatusCode"], seen["Error"]["Code"]) == (429, "TooManyRequestsException"), seen
    assert (seen["Reason"], seen["Error"]["Message"], seen["Type"]) == (reason, "Rate Exceeded.", "User")
    assert int(seen["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1
    assert int(seen["retryAfterSeconds"]) >= 1


def running(function, logs, count):
    """Waits until so many requests have begun."""
    assert eventually(lambda: len(lines_of(logs, function, '"START RequestId"')) >= count, 60)


# ---- reservations


def test_a_reservation_is_set_shown_and_given_back(lambda_, create):
    function = create.python(SLEEPY)
    before = lambda_.get_account_settings()["AccountLimit"]
    assert "ReservedConcurrentExecutions" not in lambda_.get_function_concurrency(FunctionName=function.name)
    assert "Concurrency" not in lambda_.get_function(FunctionName=function.name)
    put = lambda_.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=7)
    assert put["ReservedConcurrentExecutions"] == 7
    assert lambda_.get_function_concurrency(FunctionName=function.arn)["ReservedConcurrentExecutions"] == 7
    shown = lambda_.get_function(FunctionName=function.name)["Concurrency"]
    assert shown == {"ReservedConcurrentExecutions": 7}
    now = lambda_.get_account_settings()["AccountLimit"]
    assert now["ConcurrentExecutions"] == before["ConcurrentExecutions"] == 1000
    assert now["UnreservedConcurrentExecutions"] == before["UnreservedConcurrentExecutions"] - 7
    answer = lambda_.delete_function_concurrency(FunctionName=function.name)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "ReservedConcurrentExecutions" not in lambda_.get_function_concurrency(FunctionName=function.name)
    lambda_.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=5)
    lambda_.delete_function(FunctionName=function.name)
    assert lambda_.get_account_settings()["AccountLimit"] == before, "a function that goes gives it back, too"


def test_wrong_reservations_are_refused(lambda_, create):
    function = create.python(SLEEPY)
    put = lambda_.put_function_concurrency
    unreserved = lambda_.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    with refused(
        400,
        INVALID,
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
        "minimum value of [100].",
    ):
        put(FunctionName=function.name, ReservedConcurrentExecutions=unreserved - 99)
    assert "ReservedConcurrentExecutions" not in lambda_.get_function_concurrency(FunctionName=function.name)
    put(FunctionName=function.name, ReservedConcurrentExecutions=unreserved - 100)
    lambda_.delete_function_concurrency(FunctionName=function.name)
    only_functions = "This operation is permitted on Lambda functions only. Aliases and versions do not support this"
    for name in [f"{function.name}:$LATEST", f"{function.arn}:1"]:
        with refused(400, INVALID, only_functions):
            put(FunctionName=name, ReservedConcurrentExecutions=1)
    with refused(404, MISSING, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nowhere:$LATEST"):
        put(FunctionName="nowhere", ReservedConcurrentExecutions=1)
    with refused(404, MISSING, "Function not found: "):
        lambda_.get_function_concurrency(FunctionName="nowhere")
    with refused(404, MISSING, "Function not found: "):
        lambda_.delete_function_concurrency(FunctionName="nowhere")


def test_zero_stops_a_function_and_no_other(lambda_, create):
    function, neighbour = create.python(SLEEPY), create.python(SLEEPY)
    assert function.invoke({"seconds": 0}).ok() == "done"
    lambda_.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    throttled(function, {"seconds": 0}, reason)
    assert neighbour.invoke({"seconds": 0}).ok() == "done"
    throttled(function, {"seconds": 0}, reason)
    lambda_.delete_function_concurrency(FunctionName=function.name)
    assert function.invoke({"seconds": 0}).ok() == "done"


def test_above_a_reservation_429_at_once_and_below_it_all_succeed(lambda_, logs, create):
    function, neighbour = create.python(SLEEPY, Timeout=120), create.python(SLEEPY)
    lambda_.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=3)
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        long_ones = [threads.submit(function.invoke, {"seconds": 8}) for _ in range(3)]
        running(function, logs, 3)
        for _ in range(5):
            throttled(function, {"seconds": 0}, "ReservedFunctionConcurrentInvocationLimitExceeded")
        assert not any(one.done() for one in long_ones), "they were refused while the others ran, not after"
        assert neighbour.invoke({"seconds": 0}).ok() == "done"
        assert [one.result().ok() for one in long_ones] == ["done"] * 3
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        for _ in range(8):  # a reservation of three bears thirty requests a second
            assert {one.ok() for one in threads.map(function.invoke, [{"seconds": 0}] * 3)} == {"done"}


def test_a_reservation_bears_ten_requests_a_second_for_each_of_its_units(lambda_, create):
    function = create.python(SLEEPY)
    lambda_.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    assert [function.invoke({"seconds": 0}).ok() for _ in range(10)] == ["done"] * 10
    with pytest.raises(ClientError) as caught:
        for _ in range(500):
            function.invoke({"seconds": 0})
    answer = caught.value.response
    assert answer["Error"]["Code"] == "TooManyRequestsException"
    assert answer["Reason"] == "ReservedFunctionInvocationRateLimitExceeded"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
    lambda_.delete_function_concurrency(FunctionName=function.name)
    assert [function.invoke({"seconds": 0}).ok() for _ in range(20)] == ["done"] * 20


def test_the_accounts_limit_is_for_all_functions_without_a_reservation(another_server, runtimes):
    with another_server(arguments=["--concurrent-executions-max", "104"]) as server:
        client, logs = server.client("lambda"), server.client("logs")
        factory = Factory(client, runtimes)
        one, two, own = (factory.python(SLEEPY, Timeout=120) for _ in range(3))
        client.put_function_concurrency(FunctionName=own.name, ReservedConcurrentExecutions=4)
        limits = client.get_account_settings()["AccountLimit"]
        assert (limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]) == (104, 100)
        other_region = Function(server.client("lambda", region="eu-west-1"), "elsewhere")
        Factory(other_region.client, runtimes).python(SLEEPY, FunctionName="elsewhere")
        with concurrent.futures.ThreadPoolExecutor(100) as threads:
            crowd = [threads.submit(one.invoke, {"seconds": 25}) for _ in range(100)]
            running(one, logs, 100)
            throttled(one, {"seconds": 0}, "ConcurrentInvocationLimitExceeded")
            throttled(two, {"seconds": 0}, "ConcurrentInvocationLimitExceeded")
            assert own.invoke({"seconds": 0}).ok() == "done", "what is reserved stays"
            assert other_region.invoke({"seconds": 0}).ok() == "done", "each region has a limit of its own"
            assert {one.result().ok() for one in crowd} == {"done"}
        assert two.invoke({"seconds": 0}).ok() == "done"


# ---- provisioned concurrency


def standing(function, qualifier="1"):
    return function.client.get_provisioned_concurrency_config(FunctionName=function.name, Qualifier=qualifier)


def provision(function, count, qualifier="1", *, wait="READY"):
    answer = function.client.put_provisioned_concurrency_config(
        FunctionName=function.name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (answer["Status"], answer["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", count)
    if wait:
        assert eventually(lambda: standing(function, qualifier)["Status"] == wait, 60), standing(function, qualifier)
    return answer


class Version(Function):
    """A function by one of its qualifiers."""

    def __init__(self, function, qualifier):
        super().__init__(function.client, f"{function.name}:{qualifier}")


@pytest.fixture
def published(create, lambda_):
    """A function with version 1, whose init takes a second."""
    function = create.python(SLOW_INIT, stem="provisioned")
    lambda_.publish_version(FunctionName=function.name)
    return function


def test_provisioned_environments_are_initialised_before_the_first_request(lambda_, logs, published):
    put = provision(published, 2)
    assert (put["AllocatedProvisionedConcurrentExecutions"], put["AvailableProvisionedConcurrentExecutions"]) == (0, 0)
    now = standing(published)
    assert now["AllocatedProvisionedConcurrentExecutions"] == now["AvailableProvisionedConcurrentExecutions"] == 2
    assert now["LastModified"] == put["LastModified"] and "StatusReason" not in now
    events = logs.filter_log_events(logGroupName=published.log_group)["events"]
    streams = {}
    for event in events:
        streams.setdefault(event["logStreamName"], []).append(event["message"].split(" ")[0].strip())
    assert list(streams.values()) == [["INIT_START", "initialised", "INIT_REPORT"]] * 2, events
    first = Version(published, "1").tail()
    assert first.ok()["how"] == "provisioned-concurrency"
    assert Report.of(first.tail).init_ms is None, "it was no cold start"
    assert "Init Duration" not in first.tail and "INIT" not in first.tail
    listed = lambda_.list_provisioned_concurrency_configs(FunctionName=published.name)["ProvisionedConcurrencyConfigs"]
    assert [(one["FunctionArn"], one["Status"]) for one in listed] == [(f"{published.arn}:1", "READY")]
    on_demand = published.tail()
    assert on_demand.ok()["how"] == "on-demand" and Report.of(on_demand.tail).init_ms >= 1000


def test_what_is_more_spills_over_to_on_demand(logs, published):
    provision(published, 2)
    version = Version(published, "1")
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        answers = [one.ok() for one in threads.map(version.invoke, [{"seconds": 3}] * 3)]
    assert sorted(answer["how"] for answer in answers) == ["on-demand"] + ["provisioned-concurrency"] * 2
    for _ in range(4):
        assert version.invoke().ok()["how"] == "provisioned-concurrency", "first those that are paid for"


def test_concurrency_shows_in_metrics(updraft, published):
    provision(published, 1)
    version, cloudwatch = Version(published, "1"), updraft.client("cloudwatch")
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        assert len([one.ok() for one in threads.map(version.invoke, [{"seconds": 8}] * 2)]) == 2

    def total(name, **dimensions):
        return sum(metrics.values(cloudwatch, "AWS/Lambda", name, **dimensions))

    def highest(name, **dimensions):
        return max(metrics.values(cloudwatch, "AWS/Lambda", name, "Maximum", **dimensions), default=None)

    named, resource = {"FunctionName": published.name}, {"Resource": f"{published.name}:1"}
    assert eventually(lambda: highest("ConcurrentExecutions", **named) == 2), highest("ConcurrentExecutions", **named)
    assert highest("ConcurrentExecutions") >= 2 and highest("UnreservedConcurrentExecutions") >= 1
    assert total("ProvisionedConcurrencyInvocations", **named, **resource) == 1
    assert total("ProvisionedConcurrencySpilloverInvocations", **named, **resource) == 1
    assert highest("ProvisionedConcurrentExecutions", **named, **resource) == 1
    assert highest("ProvisionedConcurrencyUtilization", **named, **resource) == 1.0


def test_an_end_is_made_good(published):
    provision(published, 1)
    version = Version(published, "1")
    before = version.invoke().ok()["me"]
    assert version.invoke({"exit": True}).error == "Unhandled"
    assert eventually(lambda: standing(published)["AvailableProvisionedConcurrentExecutions"] == 1)
    after = version.invoke().ok()
    assert after["how"] == "provisioned-concurrency" and after["me"] != before


def test_more_and_fewer_and_none(lambda_, published):
    provision(published, 1)
    provision(published, 3)
    assert standing(published)["AvailableProvisionedConcurrentExecutions"] == 3
    provision(published, 1)
    assert eventually(lambda: standing(published)["AllocatedProvisionedConcurrentExecutions"] == 1)
    delete = lambda_.delete_provisioned_concurrency_config
    for _ in range(2):
        answer = delete(FunctionName=published.name, Qualifier="1")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204, "also if there is none"
    with refused(404, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this"):
        standing(published)
    assert Version(published, "1").invoke().ok()["how"] == "on-demand"
    assert lambda_.list_provisioned_concurrency_configs(FunctionName=published.name)["ProvisionedConcurrencyConfigs"] == []


def test_it_follows_an_alias(lambda_, published):
    published.update(SLOW_INIT + "# another\n")
    lambda_.publish_version(FunctionName=published.name)
    lambda_.create_alias(FunctionName=published.name, Name="live", FunctionVersion="1")
    live = Version(published, "live")
    provision(published, 1, "live")
    assert (live.invoke().ok()["how"], live.invoke().version) == ("provisioned-concurrency", "1")
    assert Version(published, "1").invoke().ok()["how"] == "provisioned-concurrency", "they are the version's"
    lambda_.update_alias(FunctionName=published.name, Name="live", FunctionVersion="2")
    assert eventually(lambda: standing(published, "live")["Status"] == "READY")
    answer = live.invoke().ok()
    assert (answer["version"], answer["how"]) == ("2", "provisioned-concurrency")
    assert Version(published, "1").invoke().ok()["how"] == "on-demand"
    with refused(409, CONFLICT, "Version is pointed by a Provisioned Concurrency alias"):
        provision(published, 1, "2")
    provision(published, 1, "1")
    lambda_.create_alias(FunctionName=published.name, Name="other", FunctionVersion="1")
    already = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
    with refused(409, CONFLICT, already):
        provision(published, 1, "other")
    lambda_.delete_alias(FunctionName=published.name, Name="live")
    with refused(404, MISSING, f"Cannot find alias arn: {published.arn}:live"):
        standing(published, "live")
    assert live.client.list_provisioned_concurrency_configs(FunctionName=published.name)[
        "ProvisionedConcurrencyConfigs"
    ][0]["FunctionArn"].endswith(":1")


def test_an_init_that_fails_is_told(lambda_, create):
    function = create.python("import nothing_like_it\ndef handler(e, c):\n    pass\n")
    lambda_.publish_version(FunctionName=function.name)
    provision(function, 2, wait="FAILED")
    now = standing(function)
    assert now["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert now["AvailableProvisionedConcurrentExecutions"] == 0
    assert Version(function, "1").invoke().error == "Unhandled", "requests still come through, to the same error"


def test_wrong_provisioned_concurrency_is_refused(lambda_, published):
    put = lambda_.put_provisioned_concurrency_config
    name, arn = published.name, published.arn
    lambda_.create_alias(FunctionName=name, Name="edge", FunctionVersion="$LATEST")
    published.update(SLOW_INIT + "# another\n")
    lambda_.publish_version(FunctionName=name)
    both = {"AdditionalVersionWeights": {"2": 0.5}}
    lambda_.create_alias(FunctionName=name, Name="both", FunctionVersion="1", RoutingConfig=both)
    unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    for qualifier, status, code, words in [
        ("$LATEST", 400, INVALID, unpublished),
        ("edge", 400, INVALID, unpublished),
        ("both", 400, INVALID, "Alias with weights can not be used with Provisioned Concurrency"),
        ("9", 404, MISSING, f"Function not found: {arn}:9"),
        ("none", 404, MISSING, f"Cannot find alias arn: {arn}:none"),
    ]:
        with refused(status, code, words):
            put(FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=1)
    with refused(404, MISSING, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nowhere:1"):
        put(FunctionName="nowhere", Qualifier="1", ProvisionedConcurrentExecutions=1)
    not_of_latest = "The function resource provided must be an alias or a published version."
    with refused(400, INVALID, not_of_latest):
        standing(published, "$LATEST")
    with refused(400, INVALID, not_of_latest):
        lambda_.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="$LATEST")
    with refused(404, MISSING, f"Function not found: {arn}:9"):
        standing(published, "9")
    with refused(404, MISSING, "Function not found: "):
        lambda_.list_provisioned_concurrency_configs(FunctionName="nowhere")

    unreserved = lambda_.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    minimum = "decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
    with refused(400, INVALID, f"Specified ConcurrentExecutions for function {minimum}"):
        put(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=unreserved - 99)
    with refused(400, INVALID, "is greater than account's unreserved concurrency [1000]."):
        put(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1001)
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    more = "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
    with refused(400, INVALID, more):
        put(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=3)
    provision(published, 2)
    with refused(400, INVALID, more):
        put(FunctionName=name, Qualifier="2", ProvisionedConcurrentExecutions=1)
    total = " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2]."
    with refused(400, INVALID, total):
        lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    throttled(published, {}, "ReservedFunctionConcurrentInvocationLimitExceeded")
    assert Version(published, "1").invoke().ok()["how"] == "provisioned-concurrency", "all of the reservation is theirs"


def test_it_survives_the_servers_death(another_server, runtimes):
    server = another_server().start()
    factory = Factory(server.client("lambda"), runtimes)
    function = factory.python(SLOW_INIT)
    function.client.publish_version(FunctionName=function.name)
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=2)
    provision(function, 2)
    before = {Version(function, "1").invoke().ok()["me"]}
    server.kill()
    server.start()
    assert eventually(lambda: standing(function)["Status"] == "READY", 60)
    after = Version(function, "1").invoke().ok()
    assert after["how"] == "provisioned-concurrency" and after["me"] not in before
    throttled(function, {}, "ReservedFunctionConcurrentInvocationLimitExceeded")
