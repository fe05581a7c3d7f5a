"""Asynchronous invocation: how it is configured, retries, destinations, loops, and what a crash leaves of it."""

import json
import time

import pytest
from support.functions import Factory
from support.refusals import refused
from support.server import eventually

ACCOUNT = "000000000000"
SQS = f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue"
PATIENCE = 60

# Prints every event that it gets, whole.
RECORDER = """
import json
def handler(event, context):
    print(json.dumps({"got": event, "id": context.aws_request_id}))
"""

# Fails as often as the event says.
WORKER = """
import json
def handler(event, context):
    print(json.dumps({"ran": context.aws_request_id}))
    if event.get("fail"):
        raise ValueError(event["fail"])
    return {"answer": event}
"""


@pytest.fixture(scope="module")
def impatient(executable, runtimes_dir, tmp_path_factory):
    """A server that tries again at once."""
    from support.server import Server

    arguments = ["--async-retry-delay-secs", "0"]
    with Server(executable, runtimes_dir, tmp_path_factory.mktemp("impatient") / "data", arguments=arguments) as server:
        yield server


@pytest.fixture(scope="module")
def made(impatient, runtimes):
    factory = Factory(impatient.client("lambda"), runtimes)
    yield factory
    factory.remove_all()


@pytest.fixture(scope="module")
def recorder(made):
    return made.python(RECORDER, stem="recorder")


@pytest.fixture
def records(impatient, recorder):
    """What the recorder got, for one request id."""
    logs = impatient.client("logs")

    def of(key, value):
        try:
            events = logs.filter_log_events(logGroupName=recorder.log_group, filterPattern="{ $.got = * || $.id = * }")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        seen = [json.loads(event["message"]) for event in events]
        return [one for one in seen if one["got"].get("requestContext", {}).get(key) == value]

    def wait(key, value):
        found = eventually(lambda: of(key, value), PATIENCE, 0.2)
        assert found, f"no record with {key} {value}"
        return found

    return wait


def metric(server, function, name, statistic="Sum"):
    """What CloudWatch says of a function in these minutes."""
    now = time.time()
    points = server.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda", MetricName=name, Dimensions=[{"Name": "FunctionName", "Value": function.name}],
        StartTime=now - 600, EndTime=now + 600, Period=60, Statistics=[statistic],
    )["Datapoints"]
    return sum(point[statistic] for point in points)


# ---- configuration


def test_a_configuration_is_kept_for_each_qualifier(lambda_, create):
    function = create.python(WORKER)
    lambda_.publish_version(FunctionName=function.name)
    put = lambda_.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=0)
    assert put["FunctionArn"] == function.arn + ":$LATEST"
    assert put["MaximumRetryAttempts"] == 0
    assert "MaximumEventAgeInSeconds" not in put
    assert put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    assert put["LastModified"].timestamp() > 1_700_000_000
    one = lambda_.put_function_event_invoke_config(
        FunctionName=function.name, Qualifier="1", MaximumEventAgeInSeconds=60, MaximumRetryAttempts=1
    )
    assert one["FunctionArn"] == function.arn + ":1"
    got = lambda_.get_function_event_invoke_config(FunctionName=function.name, Qualifier="1")
    assert (got["MaximumEventAgeInSeconds"], got["MaximumRetryAttempts"]) == (60, 1)
    listed = lambda_.list_function_event_invoke_configs(FunctionName=function.name)
    assert [one["FunctionArn"] for one in listed["FunctionEventInvokeConfigs"]] == [function.arn + ":$LATEST", function.arn + ":1"]
    page = lambda_.list_function_event_invoke_configs(FunctionName=function.name, MaxItems=1)
    rest = lambda_.list_function_event_invoke_configs(FunctionName=function.name, Marker=page["NextMarker"])
    assert [one["FunctionArn"] for one in rest["FunctionEventInvokeConfigs"]] == [function.arn + ":1"]


def test_update_keeps_what_it_does_not_name_and_put_does_not(lambda_, create):
    function, other = create.python(WORKER), create.python(RECORDER)
    destinations = {"OnFailure": {"Destination": other.arn}}
    lambda_.put_function_event_invoke_config(
        FunctionName=function.name, MaximumRetryAttempts=1, DestinationConfig=destinations
    )
    updated = lambda_.update_function_event_invoke_config(FunctionName=function.name, MaximumEventAgeInSeconds=100)
    assert (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]) == (1, 100)
    assert updated["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": other.arn}}
    put = lambda_.put_function_event_invoke_config(FunctionName=function.name, MaximumEventAgeInSeconds=100)
    assert "MaximumRetryAttempts" not in put
    assert put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}


def test_a_configuration_goes_alone_or_with_its_version_or_function(lambda_, create):
    function = create.python(WORKER)
    lambda_.publish_version(FunctionName=function.name)
    missing = f"The function {function.arn}:$LATEST doesn't have an EventInvokeConfig"
    for call in (lambda_.get_function_event_invoke_config, lambda_.delete_function_event_invoke_config):
        with refused(404, "ResourceNotFoundException", missing):
            call(FunctionName=function.name)
    with refused(404, "ResourceNotFoundException", missing):
        lambda_.update_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=1)
    for qualifier in ("$LATEST", "1"):
        lambda_.put_function_event_invoke_config(FunctionName=function.name, Qualifier=qualifier, MaximumRetryAttempts=1)
    lambda_.delete_function_event_invoke_config(FunctionName=function.name)
    with refused(404, "ResourceNotFoundException", missing):
        lambda_.get_function_event_invoke_config(FunctionName=function.name)
    lambda_.delete_function(FunctionName=function.name, Qualifier="1")
    assert lambda_.list_function_event_invoke_configs(FunctionName=function.name)["FunctionEventInvokeConfigs"] == []
    lambda_.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=1)
    lambda_.delete_function(FunctionName=function.name)
    create.python(WORKER, FunctionName=function.name)
    assert lambda_.list_function_event_invoke_configs(FunctionName=function.name)["FunctionEventInvokeConfigs"] == []


def test_what_is_wrong_is_refused(lambda_, create):
    function = create.python(WORKER)

    def put(**settings):
        return lambda_.put_function_event_invoke_config(FunctionName=function.name, **settings)

    def destination(arn, on="OnFailure"):
        return put(DestinationConfig={on: {"Destination": arn}})

    invalid = "InvalidParameterValueException"
    with refused(400, invalid, "You must specify at least one of error handling or destination setting."):
        put()
    with refused(404, "ResourceNotFoundException", "The function doesn't exist."):
        lambda_.put_function_event_invoke_config(FunctionName="nowhere", MaximumRetryAttempts=1)
    with refused(404, "ResourceNotFoundException", "The function doesn't exist."):
        put(Qualifier="17", MaximumRetryAttempts=1)
    with refused(404, "ResourceNotFoundException", "The function doesn't exist."):
        lambda_.list_function_event_invoke_configs(FunctionName="nowhere")
    nowhere = "arn:aws:lambda:us-east-1:000000000000:function:nowhere:$LATEST"
    with refused(404, "ResourceNotFoundException", f"The function {nowhere} doesn't have an EventInvokeConfig"):
        lambda_.get_function_event_invoke_config(FunctionName="nowhere")
    with refused(400, "ValidationException", "Member must have value less than or equal to 2"):
        put(MaximumRetryAttempts=3)
    with refused(400, "ValidationException", "Member must have value less than or equal to 21600"):
        put(MaximumEventAgeInSeconds=21601)
    with refused(400, "ValidationException", "Member must satisfy regular expression pattern"):
        destination("no arn")
    with refused(400, invalid, "You can't specify the function as a destination for itself."):
        destination(function.arn)
    missing = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:nowhere"
    with refused(400, invalid, f"The destination ARN {missing} is invalid."):
        destination(missing)
    table = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/t"
    with refused(400, invalid, "The provided destination config DestinationConfig(onSuccess=null, onFailure="):
        destination(table)
    with refused(400, invalid, "The provided destination config"):
        destination("arn:aws:s3:::bucket", on="OnSuccess")
    with refused(404, "ResourceNotFoundException"):
        lambda_.get_function_event_invoke_config(FunctionName=function.name)


@pytest.mark.parametrize("service", ["sqs", "sns", "events", "s3"])
def test_targets_whose_service_does_not_stand_are_refused_by_name(lambda_, create, service):
    arn = "arn:aws:s3:::bucket" if service == "s3" else f"arn:aws:{service}:us-east-1:{ACCOUNT}:thing"
    function = create.python(WORKER)
    with refused(501, "NotImplemented", f"the service {service}"):
        lambda_.put_function_event_invoke_config(
            FunctionName=function.name, DestinationConfig={"OnFailure": {"Destination": arn}}
        )
    if service in ("sqs", "sns"):
        with refused(501, "NotImplemented", f"the service {service}"):
            lambda_.update_function_configuration(FunctionName=function.name, DeadLetterConfig={"TargetArn": arn})


def test_dead_letters_go_to_queues_and_topics_only(lambda_, create):
    function = create.python(WORKER, DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in lambda_.get_function_configuration(FunctionName=function.name)
    with refused(400, "InvalidParameterValueException"):
        lambda_.update_function_configuration(FunctionName=function.name, DeadLetterConfig={"TargetArn": function.arn})


# ---- destinations


def test_a_success_is_told_to_its_destination(made, recorder, records):
    worker = made.python(WORKER)
    made.client.put_function_event_invoke_config(
        FunctionName=worker.name, DestinationConfig={"OnSuccess": {"Destination": recorder.arn}}
    )
    sent = worker.invoke({"n": 1}, InvocationType="Event")
    (record,) = records("requestId", sent.request_id)
    got = record["got"]
    assert record["id"] != sent.request_id, "the destination is an invocation of its own"
    assert got.pop("timestamp").endswith("Z")
    assert got == {
        "version": "1.0",
        "requestContext": {
            "requestId": sent.request_id,
            "functionArn": worker.arn + ":$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"answer": {"n": 1}},
    }


def test_a_failure_is_told_after_all_retries(made, recorder, records):
    worker = made.python(WORKER)
    made.client.publish_version(FunctionName=worker.name)
    made.client.put_function_event_invoke_config(
        FunctionName=worker.name, Qualifier="1", DestinationConfig={"OnFailure": {"Destination": recorder.arn}}
    )
    sent = worker.invoke({"fail": "no"}, InvocationType="Event", Qualifier="1")
    (record,) = records("requestId", sent.request_id)
    got = record["got"]
    assert got["requestContext"] == {
        "requestId": sent.request_id,
        "functionArn": worker.arn + ":1",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert got["responseContext"] == {"statusCode": 200, "executedVersion": "1", "functionError": "Unhandled"}
    assert got["responsePayload"]["errorMessage"] == "no"
    assert got["responsePayload"]["errorType"] == "ValueError"
    assert got["requestPayload"] == {"fail": "no"}


@pytest.mark.parametrize("retries", [0, 1])
def test_an_event_is_tried_as_often_as_configured(made, recorder, records, retries):
    worker = made.python(WORKER)
    made.client.put_function_event_invoke_config(
        FunctionName=worker.name,
        MaximumRetryAttempts=retries,
        DestinationConfig={"OnFailure": {"Destination": recorder.arn}},
    )
    sent = worker.invoke({"fail": "no"}, InvocationType="Event")
    (record,) = records("requestId", sent.request_id)
    assert record["got"]["requestContext"]["approximateInvokeCount"] == retries + 1


@pytest.fixture
def patient(another_server):
    """A server that tries again after a minute, as AWS does."""
    with another_server(arguments=["--async-retry-delay-secs", "60"]) as server:
        yield server


def test_an_event_that_would_grow_too_old_is_given_up_at_once(patient, runtimes):
    """The next try would come after a minute, and that is all the time it has."""
    create = Factory(patient.client("lambda"), runtimes)
    recorder, worker = create.python(RECORDER), create.python("import time\ndef handler(e, c):\n    time.sleep(0.05)\n    raise ValueError('no')\n")
    create.client.put_function_event_invoke_config(
        FunctionName=worker.name,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": recorder.arn}},
    )
    worker.invoke({}, InvocationType="Event")
    logs = patient.client("logs")

    def told():
        try:
            events = logs.filter_log_events(logGroupName=recorder.log_group, filterPattern="{ $.got = * || $.id = * }")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return json.loads(events[0]["message"])["got"]["requestContext"] if events else None

    assert eventually(lambda: told() is not None, 50, 0.2)
    assert (told()["condition"], told()["approximateInvokeCount"]) == ("EventAgeExceeded", 1)


def test_a_function_that_may_never_run_is_not_waited_for(made, recorder, records):
    worker = made.python(WORKER)
    made.client.put_function_event_invoke_config(
        FunctionName=worker.name, DestinationConfig={"OnFailure": {"Destination": recorder.arn}}
    )
    made.client.put_function_concurrency(FunctionName=worker.name, ReservedConcurrentExecutions=0)
    sent = worker.invoke({"n": 1}, InvocationType="Event")
    (record,) = records("requestId", sent.request_id)
    context = record["got"]["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("ZeroReservedConcurrency", 0)
    assert "responseContext" not in record["got"] and "responsePayload" not in record["got"]


def test_what_is_dropped_and_received_is_counted(impatient, made, recorder, records):
    worker = made.python(WORKER)
    made.client.put_function_event_invoke_config(
        FunctionName=worker.name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": recorder.arn}}
    )
    sent = [worker.invoke({"fail": "no"}, InvocationType="Event") for _ in range(3)]
    for one in sent:
        records("requestId", one.request_id)
    assert eventually(lambda: metric(impatient, worker, "AsyncEventsDropped") == 3, PATIENCE, 0.5)
    assert metric(impatient, worker, "AsyncEventsReceived") == 3
    assert metric(impatient, worker, "AsyncEventAge", "SampleCount") == 3


def test_events_of_a_function_that_is_gone_are_dropped_and_counted(another_server, runtimes):
    server = another_server(arguments=["--async-retry-delay-secs", "2"])
    with server:
        worker = Factory(server.client("lambda"), runtimes).python(WORKER)
        worker.invoke({"fail": "once"}, InvocationType="Event")
        assert eventually(lambda: metric(server, worker, "Errors") == 1, PATIENCE, 0.2)
        assert metric(server, worker, "AsyncEventsDropped") == 0
        worker.client.delete_function(FunctionName=worker.name)
        assert eventually(lambda: metric(server, worker, "AsyncEventsDropped") == 1, PATIENCE, 0.2)


def test_a_destination_that_is_gone_holds_nothing_up(made, recorder, records):
    gone, worker = made.python(RECORDER), made.python(WORKER)
    made.client.put_function_event_invoke_config(
        FunctionName=worker.name, DestinationConfig={"OnSuccess": {"Destination": gone.arn}}
    )
    made.client.delete_function(FunctionName=gone.name)
    worker.invoke({"n": 1}, InvocationType="Event")
    made.client.put_function_event_invoke_config(
        FunctionName=worker.name, DestinationConfig={"OnSuccess": {"Destination": recorder.arn}}
    )
    sent = worker.invoke({"n": 2}, InvocationType="Event")
    assert records("requestId", sent.request_id)


def test_one_slow_function_does_not_hold_up_others(made, recorder, records):
    slow = made.python("import time\ndef handler(e, c):\n    time.sleep(8)\n", Timeout=20, stem="slow")
    for _ in range(30):
        slow.invoke({}, InvocationType="Event")
    quick = made.python(WORKER)
    made.client.put_function_event_invoke_config(
        FunctionName=quick.name, DestinationConfig={"OnSuccess": {"Destination": recorder.arn}}
    )
    sent = quick.invoke({"n": 1}, InvocationType="Event")
    assert records("requestId", sent.request_id)


# ---- loops


CALLER = """
import boto3, json, os
client = boto3.client("lambda")
def handler(event, context):
    n = event.get("n", event.get("responsePayload", {}).get("n", 0))
    print(json.dumps({"round": n, "trace": os.environ["_X_AMZN_TRACE_ID"]}))
    kind = event.get("kind")
    if n < 40 and kind:
        try:
            answer = client.invoke(FunctionName=context.function_name, InvocationType=kind, Payload=json.dumps({"n": n + 1, "kind": kind}))
        except client.exceptions.RecursiveInvocationException as error:
            return {"stopped": n, "message": error.response["Error"]["Message"], "type": error.response["Type"]}
        if kind == "RequestResponse":
            return json.load(answer["Payload"])
    return {"n": n + 1}
"""


def rounds(server, function):
    logs = server.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=function.log_group, filterPattern="{ $.round >= 0 }")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return sorted(json.loads(event["message"])["round"] for event in events)


def test_recursion_is_configured(lambda_, create):
    function = create.python(WORKER)
    assert lambda_.get_function_recursion_config(FunctionName=function.name)["RecursiveLoop"] == "Terminate"
    assert lambda_.put_function_recursion_config(FunctionName=function.name, RecursiveLoop="Allow")["RecursiveLoop"] == "Allow"
    assert lambda_.get_function_recursion_config(FunctionName=function.name)["RecursiveLoop"] == "Allow"
    for call in (
        lambda: lambda_.get_function_recursion_config(FunctionName="nowhere"),
        lambda: lambda_.put_function_recursion_config(FunctionName="nowhere", RecursiveLoop="Allow"),
    ):
        with refused(404, "ResourceNotFoundException", "Function not found: "):
            call()
    with refused(400, "ValidationException", "Member must satisfy enum value set: [Allow, Terminate]"):
        lambda_.put_function_recursion_config(FunctionName=function.name, RecursiveLoop="Drop")


def test_a_synchronous_loop_is_stopped_with_an_error(made):
    function = made.python(CALLER, Timeout=60)
    answer = function.invoke({"n": 0, "kind": "RequestResponse"}).ok()
    assert answer["stopped"] == 16
    assert (answer["type"], "recursive loop" in answer["message"]) == ("User", True)


def test_an_asynchronous_loop_is_stopped_and_told(impatient, made, recorder, records):
    function = made.python(CALLER, Timeout=60)
    made.client.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnFailure": {"Destination": recorder.arn}}
    )
    function.invoke({"n": 0, "kind": "Event"}, InvocationType="Event")
    (record,) = records("functionArn", function.arn + ":$LATEST")
    assert record["got"]["requestContext"]["condition"] == "RecursiveInvocation"
    assert record["got"]["requestPayload"]["n"] == 17
    assert rounds(impatient, function) == list(range(17))


def test_a_loop_that_is_meant_goes_on(impatient, made):
    function = made.python(CALLER, Timeout=60)
    made.client.put_function_recursion_config(FunctionName=function.name, RecursiveLoop="Allow")
    function.invoke({"n": 20, "kind": "Event"}, InvocationType="Event")
    assert eventually(lambda: rounds(impatient, function) == list(range(20, 41)), PATIENCE, 0.3)


def test_two_destinations_that_lead_to_each_other_come_to_an_end(impatient, made):
    one, other = made.python(CALLER), made.python(CALLER)
    for function, target in ((one, other), (other, one)):
        made.client.put_function_event_invoke_config(
            FunctionName=function.name, DestinationConfig={"OnSuccess": {"Destination": target.arn}}
        )
    one.invoke({"n": 0}, InvocationType="Event")
    assert eventually(lambda: len(rounds(impatient, one)) == 17 and len(rounds(impatient, other)) == 17, PATIENCE, 0.3)
    time.sleep(1)
    assert len(rounds(impatient, one)) == 17, "and it has ended"


# ---- reset


def test_events_of_a_reset_account_are_forgotten(another_server, runtimes):
    import urllib.request

    server = another_server(arguments=["--async-retry-delay-secs", "2"])
    with server:
        function = Factory(server.client("lambda"), runtimes).python(WORKER)
        function.invoke({"fail": "once"}, InvocationType="Event")
        logs = server.client("logs")

        def runs():
            try:
                return len(logs.filter_log_events(logGroupName=function.log_group, filterPattern="{ $.ran = * }")["events"])
            except logs.exceptions.ResourceNotFoundException:
                return 0

        assert eventually(lambda: runs() == 1, PATIENCE)
        request = urllib.request.Request(f"{server.endpoint}/_updraft/reset?account={ACCOUNT}", method="POST")
        urllib.request.urlopen(request).close()
        again = Factory(server.client("lambda"), runtimes).python(WORKER, FunctionName=function.name)
        time.sleep(3)
        again.invoke({"n": 1}, InvocationType="Event")
        assert eventually(lambda: runs() >= 1, PATIENCE)
        assert runs() == 1, "the failed event did not come back"
