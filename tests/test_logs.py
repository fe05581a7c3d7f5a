"""CloudWatch Logs through boto3, and `aws logs tail --follow` beside a running function."""

import itertools
import subprocess
import time

import pytest

from support.cli import AWS
from support.refusals import refused
from support.server import eventually

MISSING = "ResourceNotFoundException"
INVALID = "InvalidParameterException"
_numbers = itertools.count(1)


def now_ms():
    return int(time.time() * 1000)


@pytest.fixture
def group(logs):
    name = f"/test/{next(_numbers)}"
    logs.create_log_group(logGroupName=name)
    yield name
    try:
        logs.delete_log_group(logGroupName=name)
    except logs.exceptions.ResourceNotFoundException:
        pass


@pytest.fixture
def put(logs, group):
    """Writes messages to a stream, one millisecond apart, ending now."""

    def write(*messages, stream="stream", begin=None):
        try:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        except logs.exceptions.ResourceAlreadyExistsException:
            pass
        begin = begin or now_ms() - len(messages)
        events = [{"timestamp": begin + n, "message": message} for n, message in enumerate(messages)]
        return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    return write


def messages(answer):
    return [event["message"] for event in answer["events"]]


# ---- groups


def test_a_group_is_made_described_and_deleted(logs, group):
    (shown,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert shown["arn"] == f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"
    assert shown["logGroupArn"] == f"arn:aws:logs:us-east-1:000000000000:log-group:{group}"
    assert (shown["storedBytes"], shown["metricFilterCount"], shown["logGroupClass"]) == (0, 0, "STANDARD")
    assert "retentionInDays" not in shown and shown["deletionProtectionEnabled"] is False
    (sought,) = logs.describe_log_groups(logGroupNamePattern=group.upper())["logGroups"]
    assert not {"storedBytes", "deletionProtectionEnabled"} & sought.keys(), "which AWS leaves out here"
    logs.create_log_group(logGroupName=f"{group}/delivered", logGroupClass="DELIVERY")
    (delivered,) = logs.describe_log_groups(logGroupNamePrefix=f"{group}/delivered")["logGroups"]
    assert delivered["retentionInDays"] == 2
    logs.delete_log_group(logGroupName=f"{group}/delivered")
    assert abs(shown["creationTime"] - now_ms()) < 60_000 and "retentionInDays" not in shown
    with refused(400, "ResourceAlreadyExistsException", "The specified log group already exists"):
        logs.create_log_group(logGroupName=group)
    logs.delete_log_group(logGroupName=group)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    with refused(400, MISSING, "The specified log group does not exist."):
        logs.delete_log_group(logGroupName=group)


def test_a_group_needs_a_name(logs):
    with refused(400, INVALID, "1 validation error detected: Value 'no name!' at 'logGroupName' failed to satisfy constraint"):
        logs.create_log_group(logGroupName="no name!")


def test_groups_come_in_pages(logs):
    names = [f"/pages/{n}" for n in range(7)]
    for name in names:
        logs.create_log_group(logGroupName=name)
    pages = list(logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/pages/", PaginationConfig={"PageSize": 3}))
    assert [len(page["logGroups"]) for page in pages] == [3, 3, 1]
    assert [one["logGroupName"] for page in pages for one in page["logGroups"]] == names
    found = logs.describe_log_groups(logGroupNamePattern="AGES/5")["logGroups"]
    assert [one["logGroupName"] for one in found] in (["/pages/5"], []), "a pattern is found anywhere in the name"
    with refused(400, INVALID, "mutually exclusive"):
        logs.describe_log_groups(logGroupNamePrefix="/a", logGroupNamePattern="a")


def test_retention_is_one_of_awss_numbers_of_days(logs, group, put):
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    (shown,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert shown["retentionInDays"] == 1
    day_ms = 24 * 3_600_000
    answer = put("expired", begin=now_ms() - 2 * day_ms)
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    logs.delete_retention_policy(logGroupName=group)
    (shown,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert "retentionInDays" not in shown
    with refused(400, INVALID):
        logs.put_retention_policy(logGroupName=group, retentionInDays=2)
    with refused(400, MISSING):
        logs.put_retention_policy(logGroupName="/nowhere", retentionInDays=1)


def test_tags_come_and_go(logs, group):
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}"
    logs.tag_resource(resourceArn=arn, tags={"team": "blue", "stage": "test"})
    logs.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"stage": "test"}
    with refused(400, MISSING):
        logs.list_tags_for_resource(resourceArn=arn + "x")


# ---- streams


def test_streams_are_listed_by_name_or_last_event(logs, group, put):
    begin = now_ms() - 10_000
    for n, stream in enumerate(["c", "a", "b"]):
        put("x", stream=stream, begin=begin + n)
    by_name = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert [one["logStreamName"] for one in by_name] == ["a", "b", "c"]
    by_time = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True)["logStreams"]
    assert [one["logStreamName"] for one in by_time] == ["b", "a", "c"]
    shown = by_name[0]
    assert shown["firstEventTimestamp"] == shown["lastEventTimestamp"] == begin + 1
    assert shown["arn"] == f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:log-stream:a"
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group, PaginationConfig={"PageSize": 2})
    assert [one["logStreamName"] for page in pages for one in page["logStreams"]] == ["a", "b", "c"]
    logs.delete_log_stream(logGroupName=group, logStreamName="a")
    with refused(400, MISSING, "The specified log stream does not exist."):
        logs.get_log_events(logGroupName=group, logStreamName="a")
    with refused(400, "ResourceAlreadyExistsException", "The specified log stream already exists"):
        logs.create_log_stream(logGroupName=group, logStreamName="b")
    with refused(400, INVALID, "logStreamName"):
        logs.create_log_stream(logGroupName=group, logStreamName="no:colons")
    with refused(400, MISSING, "The specified log group does not exist."):
        logs.create_log_stream(logGroupName="/nowhere", logStreamName="a")
    logs.create_log_stream(logGroupName=group, logStreamName="s" * 512)
    logs.create_log_group(logGroupName="g" * 512)
    too_long = "Invalid LogGroup or LogStream, both must have length less than or equal to 512."
    with refused(400, INVALID, too_long):
        logs.create_log_stream(logGroupName=group, logStreamName="s" * 513)
    with refused(400, INVALID, too_long):
        logs.create_log_group(logGroupName="g" * 513)


# ---- events


def test_events_are_put_and_got(logs, group, put):
    begin = now_ms() - 100
    put("one", "zwei ü", "three\nlines\nlong", begin=begin)
    answer = logs.get_log_events(logGroupName=group, logStreamName="stream", startFromHead=True)
    assert messages(answer) == ["one", "zwei ü", "three\nlines\nlong"]
    assert [event["timestamp"] for event in answer["events"]] == [begin, begin + 1, begin + 2]
    assert all(abs(event["ingestionTime"] - now_ms()) < 60_000 for event in answer["events"])


def test_pages_lead_in_both_directions(logs, group, put):
    put(*[str(n) for n in range(10)])
    get = lambda **more: logs.get_log_events(logGroupName=group, logStreamName="stream", limit=4, **more)  # noqa: E731
    last = get()
    assert messages(last) == ["6", "7", "8", "9"], "without startFromHead the latest come first"
    before = get(nextToken=last["nextBackwardToken"])
    assert messages(before) == ["2", "3", "4", "5"]
    again = get(nextToken=before["nextForwardToken"])
    assert messages(again) == messages(last)
    first = get(startFromHead=True)
    second = get(nextToken=first["nextForwardToken"], startFromHead=True)
    assert messages(first) + messages(second) == [str(n) for n in range(8)]
    end = get(nextToken=again["nextForwardToken"])
    assert messages(end) == [] and end["nextForwardToken"] == again["nextForwardToken"], "the end: the same token again"
    put("late", begin=now_ms() + 5)
    assert messages(get(nextToken=end["nextForwardToken"])) == ["late"]
    with refused(400, INVALID, "The specified nextToken is invalid."):
        get(nextToken="f/nonsense")


def test_a_span_of_time_is_cut_out(logs, group, put):
    begin = now_ms() - 1000
    put(*"abcde", begin=begin)
    cut = logs.get_log_events(
        logGroupName=group, logStreamName="stream", startTime=begin + 1, endTime=begin + 3, startFromHead=True
    )
    assert messages(cut) == ["b", "c"], "the start belongs to it, the end does not"


def test_wrong_batches_are_refused(logs, group, put):
    put("x")
    send = lambda *events: logs.put_log_events(  # noqa: E731
        logGroupName=group,
        logStreamName="stream",
        logEvents=[{"timestamp": timestamp, "message": message} for timestamp, message in events],
    )
    present = now_ms()
    with refused(400, INVALID, "Log events in a single PutLogEvents request must be in chronological order."):
        send((present, "b"), (present - 1, "a"))
    with refused(400, INVALID, "cannot span more than 24 hours"):
        send((present - 25 * 3_600_000, "a"), (present, "b"))
    with refused(400, INVALID, "Upload too large: 1048577 bytes exceeds limit of 1048576"):
        send((present, "x" * (1_048_577 - 26)))
    with refused(400, MISSING, "The specified log stream does not exist."):
        logs.put_log_events(
            logGroupName=group, logStreamName="nowhere", logEvents=[{"timestamp": present, "message": "x"}]
        )


def test_events_too_old_or_new_are_left_out_and_told(logs, group, put):
    hour_ms = 3_600_000
    put("x")
    send = lambda *times: logs.put_log_events(  # noqa: E731
        logGroupName=group, logStreamName="stream", logEvents=[{"timestamp": t, "message": str(t)} for t in times]
    ).get("rejectedLogEventsInfo")
    present = now_ms()
    assert send(present, present + 3 * hour_ms) == {"tooNewLogEventStartIndex": 1}
    assert send(present - 15 * 24 * hour_ms) == {"tooOldLogEventEndIndex": 1}
    assert send(present) is None


# ---- search


def test_a_search_goes_over_all_streams_in_order_of_time(logs, group, put):
    begin = now_ms() - 1000
    put("a1", "a2", stream="a", begin=begin)
    put("b1", "b2", stream="b", begin=begin + 1)
    found = logs.filter_log_events(logGroupName=group)
    assert messages(found) == ["a1", "a2", "b1", "b2"]
    assert len({event["eventId"] for event in found["events"]}) == 4
    assert messages(logs.filter_log_events(logGroupName=group, logStreamNames=["b"])) == ["b1", "b2"]
    assert messages(logs.filter_log_events(logGroupName=group, logStreamNamePrefix="a")) == ["a1", "a2"]
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, PaginationConfig={"PageSize": 3})
    assert [message for page in pages for message in messages(page)] == ["a1", "a2", "b1", "b2"]
    with refused(400, MISSING, "The specified log group does not exist."):
        logs.filter_log_events(logGroupName="/nowhere")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("ERROR", [0, 1]),
        ("ERROR disk", [0]),
        ("?disk ?WARN", [0, 2]),
        ("ERROR -disk", [1]),
        ('"network is down"', [1]),
        ("%ERR.R.*down$%", [1]),
        ("{ $.level = ERROR }", []),
        ('{ $.level = "info" && $.user.id > 5 }', [3]),
        ("{ $.user.id = 5 || $.tags[0] = new }", [3, 4]),
        ("{ $.tags[0] NOT EXISTS }", [4]),
        ("[kind=ERROR, ..., state]", [0, 1]),
        ("[, part=disk, verb, state]", [0]),
    ],
)
def test_patterns_are_awss(logs, shared_lines, pattern, found):
    group, lines = shared_lines
    answer = logs.filter_log_events(logGroupName=group, filterPattern=pattern)
    assert messages(answer) == [lines[n] for n in found]


@pytest.fixture(scope="module")
def shared_lines(logs):
    lines = [
        "ERROR disk is full",
        "ERROR network is down",
        "WARN slow answer",
        '{"level": "info", "user": {"id": 7}, "tags": ["new"]}',
        '{"level": "info", "user": {"id": 5}}',
    ]
    begin = now_ms() - 1000
    logs.create_log_group(logGroupName="/lines")
    logs.create_log_stream(logGroupName="/lines", logStreamName="s")
    events = [{"timestamp": begin + n, "message": line} for n, line in enumerate(lines)]
    logs.put_log_events(logGroupName="/lines", logStreamName="s", logEvents=events)
    return "/lines", lines


def test_a_pattern_that_is_none_is_refused(logs, group):
    for pattern in ("{ $.a = }", '"open', "[a, ..., ...]"):
        with refused(400, INVALID):
            logs.filter_log_events(logGroupName=group, filterPattern=pattern)


def test_a_big_log_is_read_whole(logs, group, put):
    total = 12_000
    begin = now_ms() - total
    for at in range(0, total, 4_000):
        put(*[f"event {at + n}" for n in range(4_000)], begin=begin + at)
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    found = [message for page in pages for message in messages(page)]
    assert found == [f"event {n}" for n in range(total)]


# ---- Lambda's logs


def test_a_function_writes_to_its_group_and_stream(create, logs):
    source = "import sys\ndef handler(e, c):\n    print('out')\n    print('err', file=sys.stderr)\n    return c.log_stream_name\n"
    function = create.python(source)
    answer = function.invoke()
    stream = answer.ok()
    (shown,) = logs.describe_log_streams(logGroupName=function.log_group)["logStreams"]
    assert shown["logStreamName"] == stream
    lines = messages(logs.get_log_events(logGroupName=function.log_group, logStreamName=stream, startFromHead=True))
    kinds = [line.split()[0] for line in lines]
    assert kinds == ["INIT_START", "START", "out", "err", "END", "REPORT"]
    assert lines[2] == "out\n"
    assert all(line.endswith("\n") for line in lines)


def test_a_function_may_write_to_a_group_of_its_choice_in_json(create, logs):
    import json

    source = "import logging\ndef handler(e, c):\n    logging.getLogger().warning('careful %s', e)\n"
    function = create.python(source, LoggingConfig={"LogFormat": "JSON", "LogGroup": "/chosen"})
    answer = function.invoke(7)
    lines = [json.loads(line) for line in messages(logs.filter_log_events(logGroupName="/chosen"))]
    mine = next(line for line in lines if line.get("message") == "careful 7")
    assert (mine["level"], mine["requestId"]) == ("WARNING", answer.request_id) or mine["level"] == "WARN"
    kinds = [line["type"] for line in lines if "type" in line]
    assert kinds == ["platform.initStart", "platform.start", "platform.report"]
    assert lines[-1]["record"]["requestId"] == answer.request_id
    with refused(400, MISSING):
        logs.filter_log_events(logGroupName=function.log_group)


def test_logs_outlive_the_function(create, logs):
    function = create.python("def handler(e, c):\n    print('I was here')\n")
    function.invoke()
    function.client.delete_function(FunctionName=function.name)
    assert "I was here\n" in messages(logs.filter_log_events(logGroupName=function.log_group))


def test_aws_logs_tail_follows_a_function(create, updraft, tmp_path):
    source = "def handler(n, c):\n    print('tick', n)\n"
    function = create.python(source)
    function.invoke("first")
    aws = AWS(updraft)
    if not aws.is_version_2():
        pytest.skip("`aws logs tail` needs the AWS CLI 2, which `make setup` installs")
    with open(tmp_path / "tail", "w+") as output:
        tail = subprocess.Popen(
            [*aws.program, "logs", "tail", function.log_group, "--follow", "--format", "short"],
            env=aws.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            shown = lambda: (tmp_path / "tail").read_text()  # noqa: E731
            assert eventually(lambda: "tick first" in shown()), shown()
            function.invoke("second")
            assert eventually(lambda: "tick second" in shown()), shown()
            assert shown().count("tick first") == 1
        finally:
            tail.terminate()
            tail.wait(10)


def test_what_is_not_built_says_so(logs):
    with refused(501, "NotImplemented", "not implemented by Updraft yet"):
        logs.start_query(logGroupName="/a", startTime=0, endTime=1, queryString="fields @message")
