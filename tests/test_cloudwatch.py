"""CloudWatch metrics through boto3 in all three protocols and the AWS CLI: put, read, list, metric math; Lambda's own."""

import datetime
import itertools
import json

import boto3
import botocore.exceptions
import pytest

from support.cli import AWS
from support.refusals import refused, refuses
from support.server import eventually

INVALID = "InvalidParameterValue"
COMBINATION = "InvalidParameterCombination"
_numbers = itertools.count(1)


def minute(ago=0):
    """The start of a minute so many minutes ago."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.replace(second=0, microsecond=0) - datetime.timedelta(minutes=ago)


@pytest.fixture(scope="session")
def cloudwatch(updraft):
    return updraft.client("cloudwatch")


@pytest.fixture
def namespace():
    return f"Test/{next(_numbers)}"


@pytest.fixture
def put(cloudwatch, namespace):
    def write(name="Latency", **datum):
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": name, **datum}])

    return write


@pytest.fixture
def data(cloudwatch):
    """Asks for metrics (namespace, name, statistic) and expressions by id; answers values, the earliest first."""

    def ask(begin=30, **queries):
        built = []
        for id, query in queries.items():
            if isinstance(query, str):
                built.append({"Id": id, "Expression": query})
            else:
                namespace, name, stat, *dimensions = query
                dimensions = [{"Name": n, "Value": v} for n, v in dimensions]
                metric = {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}
                built.append({"Id": id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}})
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=built,
            StartTime=minute(begin),
            EndTime=minute(-2),
            ScanBy="TimestampAscending",
        )
        assert all(result["StatusCode"] == "Complete" for result in answer["MetricDataResults"])
        return {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}

    return ask


# ---- put and read


def test_values_are_summed_up_by_period(cloudwatch, namespace, put):
    for value in (1, 2, 3, 4):
        put(Value=value, Timestamp=minute(3), Unit="Milliseconds")
    put(Values=[10, 20], Counts=[3, 1], Timestamp=minute(2), Unit="Milliseconds")
    put(
        StatisticValues={"SampleCount": 4, "Sum": 100, "Minimum": 5, "Maximum": 60},
        Timestamp=minute(1),
        Unit="Milliseconds",
    )
    shown = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName="Latency",
        StartTime=minute(5),
        EndTime=minute(),
        Period=60,
        Statistics=["SampleCount", "Average", "Sum", "Minimum", "Maximum"],
    )
    assert shown["Label"] == "Latency"
    points = sorted(shown["Datapoints"], key=lambda point: point["Timestamp"])
    assert points == [
        dict(Timestamp=minute(3), SampleCount=4, Average=2.5, Sum=10, Minimum=1, Maximum=4, Unit="Milliseconds"),
        dict(Timestamp=minute(2), SampleCount=4, Average=12.5, Sum=50, Minimum=10, Maximum=20, Unit="Milliseconds"),
        dict(Timestamp=minute(1), SampleCount=4, Average=25, Sum=100, Minimum=5, Maximum=60, Unit="Milliseconds"),
    ]
    (whole,) = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName="Latency",
        StartTime=minute(5),
        EndTime=minute(),
        Period=300,
        Statistics=["Sum", "Maximum"],
    )["Datapoints"]
    assert (whole["Sum"], whole["Maximum"]) == (160, 60) and "Average" not in whole


def test_percentiles_are_near_the_exact_ones_and_missing_where_nobody_knows_them(cloudwatch, namespace, put):
    put(Values=list(range(1, 101)), Timestamp=minute(2))
    put("Summed", StatisticValues=dict(SampleCount=9, Sum=9, Minimum=0, Maximum=5), Timestamp=minute(2))
    ask = dict(Namespace=namespace, StartTime=minute(5), EndTime=minute(), Period=60)
    extended = ["p50", "p99", "p100", "tm90", "IQM", "PR(:30)"]
    (point,) = cloudwatch.get_metric_statistics(MetricName="Latency", ExtendedStatistics=extended, **ask)["Datapoints"]
    found = point["ExtendedStatistics"]
    for name, exact in {"p50": 50, "p99": 99, "p100": 100, "tm90": 45.5, "IQM": 50.5}.items():
        assert found[name] == pytest.approx(exact, rel=0.011), name
    assert found["PR(:30)"] == pytest.approx(30, abs=1)
    assert cloudwatch.get_metric_statistics(MetricName="Summed", ExtendedStatistics=["p50"], **ask)["Datapoints"] == []
    with refused(400, INVALID):
        cloudwatch.get_metric_statistics(MetricName="Latency", ExtendedStatistics=["p101"], **ask)


def test_units_are_kept_apart(cloudwatch, namespace, put, data):
    put(Value=1, Unit="Seconds", Timestamp=minute(2))
    put(Value=1000, Unit="Milliseconds", Timestamp=minute(2))
    ask = dict(Namespace=namespace, MetricName="Latency", StartTime=minute(5), EndTime=minute(), Period=60)
    both = cloudwatch.get_metric_statistics(Statistics=["Sum"], **ask)["Datapoints"]
    assert sorted((p["Unit"], p["Sum"]) for p in both) == [("Milliseconds", 1000), ("Seconds", 1)]
    (one,) = cloudwatch.get_metric_statistics(Statistics=["Sum"], Unit="Seconds", **ask)["Datapoints"]
    assert one["Sum"] == 1
    # Without a unit, GetMetricData shows one of them, and says so.
    stat = {"Metric": {"Namespace": namespace, "MetricName": "Latency"}, "Period": 60, "Stat": "Sum"}
    query = {"MetricDataQueries": [{"Id": "m", "MetricStat": stat}], "StartTime": minute(5), "EndTime": minute()}
    (result,) = cloudwatch.get_metric_data(**query)["MetricDataResults"]
    assert result["Values"] == [1000]
    words = "Multiple units returned: '[Milliseconds, Seconds]'"
    assert result["Messages"] == [{"Code": "MultipleUnits", "Value": words}]
    stat["Unit"] = "Seconds"
    (result,) = cloudwatch.get_metric_data(**query)["MetricDataResults"]
    assert result["Values"] == [1] and not result.get("Messages")


def test_high_resolution_shows_seconds(cloudwatch, namespace, put):
    for second, value in ((0, 1), (1, 2), (31, 4)):
        put(Value=value, Timestamp=minute(2) + datetime.timedelta(seconds=second), StorageResolution=1)

    def sums(period):
        points = cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName="Latency",
            StartTime=minute(2),
            EndTime=minute(1),
            Period=period,
            Statistics=["Sum"],
        )["Datapoints"]
        return sorted(point["Sum"] for point in points)

    assert (sums(1), sums(30), sums(60)) == ([1, 2, 4], [3, 4], [7])


def test_datapoints_are_paged(cloudwatch, namespace, put):
    for ago in range(1, 8):
        put(Value=ago, Timestamp=minute(ago))
        put("Other", Value=10 * ago, Timestamp=minute(ago))
    metric = {"Namespace": namespace, "MetricName": "Latency"}
    other = {"Namespace": namespace, "MetricName": "Other"}
    queries = [
        {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "Label": "first"},
        {"Id": "b", "MetricStat": {"Metric": other, "Period": 60, "Stat": "Sum"}},
    ]
    ask = dict(MetricDataQueries=queries, StartTime=minute(20), EndTime=minute())
    found, pages, token = {"a": [], "b": []}, 0, {}
    while pages == 0 or token:
        answer = cloudwatch.get_metric_data(MaxDatapoints=5, **ask, **token)
        for result in answer["MetricDataResults"]:
            found[result["Id"]] += result["Values"]
        pages += 1
        token = {"NextToken": answer["NextToken"]} if "NextToken" in answer else {}
    assert (found, pages) == ({"a": [1, 2, 3, 4, 5, 6, 7], "b": [10, 20, 30, 40, 50, 60, 70]}, 3)
    whole = cloudwatch.get_metric_data(**ask)["MetricDataResults"]
    assert [result["Label"] for result in whole] == ["first", "Other"]
    assert whole[0]["Timestamps"][0] == minute(1), "the latest first"
    # A label that nobody gave says in what the metrics differ.
    queries += [{"Id": "c", "MetricStat": {"Metric": other, "Period": 60, "Stat": "Maximum"}}]
    labels = [result["Label"] for result in cloudwatch.get_metric_data(**ask)["MetricDataResults"]]
    assert labels == ["first", "Other Sum", "Other Maximum"]
    queries[2]["MetricStat"]["Period"] = 300
    labels = [result["Label"] for result in cloudwatch.get_metric_data(**ask)["MetricDataResults"]]
    assert labels == ["first", "Other Sum 60", "Other Maximum 300"]
    with refused(400, "InvalidNextToken"):
        cloudwatch.get_metric_data(NextToken="no token", **ask)


# ---- metric math


def test_expressions(namespace, put, data):
    for ago, errors, calls in ((4, 1, 10), (3, 0, 20), (2, 5, 20)):
        put("Errors", Value=errors, Timestamp=minute(ago))
        put("Calls", Value=calls, Timestamp=minute(ago))
    errors, calls = (namespace, "Errors", "Sum"), (namespace, "Calls", "Sum")
    found = data(
        errors=errors,
        calls=calls,
        rate="100 * errors / calls",
        all="SUM(METRICS())",
        bad="IF(rate > 5, rate)",
        filled="FILL(errors, 0)",
        growth="DIFF(calls)",
        share="calls / SUM(calls)",
        later="rate + 1",
    )
    assert found["rate"] == [10, 0, 25]
    assert found["all"] == [11, 20, 25]
    assert found["bad"] == [10, 25]
    assert found["filled"].count(0) == len(found["filled"]) - 2 and sum(found["filled"]) == 6
    assert found["growth"] == [10, 0]
    assert sum(found["share"]) == pytest.approx(1)
    assert found["later"] == [11, 1, 26]


@pytest.mark.parametrize(
    "expression, code",
    [
        ("m +", "ValidationError"),
        ("nobody * 2", "ValidationError"),
        ("SUM(m)", "ValidationError"),
        ("e + 1", "ValidationError"),
        ("SEARCH('{AWS/Lambda} Errors', 'Sum', 60)", "NotImplemented"),
        ("ANOMALY_DETECTION_BAND(m)", "NotImplemented"),
    ],
)
def test_what_is_no_expression_is_refused(data, namespace, expression, code):
    with refused(501 if code == "NotImplemented" else 400, code):
        data(m=(namespace, "Latency", "Sum"), e=expression)


# ---- list


def test_metrics_are_listed_by_namespace_name_and_dimensions(cloudwatch, namespace, put):
    put("A", Value=1, Dimensions=[{"Name": "Shop", "Value": "north"}, {"Name": "Host", "Value": "h1"}])
    put("A", Value=1, Dimensions=[{"Name": "Shop", "Value": "south"}])
    put("B", Value=1)

    def listed(**filters):
        metrics = cloudwatch.list_metrics(Namespace=namespace, **filters)["Metrics"]
        return sorted((m["MetricName"], [d["Value"] for d in m["Dimensions"]]) for m in metrics)

    assert listed() == [("A", ["h1", "north"]), ("A", ["south"]), ("B", [])]
    assert listed(MetricName="A", Dimensions=[{"Name": "Shop"}]) == [("A", ["h1", "north"]), ("A", ["south"])]
    assert listed(Dimensions=[{"Name": "Shop", "Value": "south"}]) == [("A", ["south"])]
    assert listed(RecentlyActive="PT3H") == listed()
    put("Old", Value=1, Timestamp=minute(5 * 60))
    assert "Old" in str(listed()) and "Old" not in str(listed(RecentlyActive="PT3H"))
    with refused(400, "InvalidNextToken"):
        listed(NextToken="no token")


def test_lists_are_paged(cloudwatch, namespace):
    for first in range(0, 1200, 400):
        data = [{"MetricName": f"m{n:04}", "Value": 1} for n in range(first, first + 400)]
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
    pages = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace))
    assert [len(page["Metrics"]) for page in pages] == [500, 500, 200]
    names = [metric["MetricName"] for page in pages for metric in page["Metrics"]]
    assert names == [f"m{n:04}" for n in range(1200)]


# ---- refusals


@pytest.mark.parametrize(
    "datum, code",
    [
        ({"Value": float("nan")}, INVALID),
        ({"Value": float("inf")}, INVALID),
        ({"Value": 2.0**361}, INVALID),
        ({}, "MissingParameter"),
        ({"Value": 1, "Values": [1]}, COMBINATION),
        ({"Values": [1, 2], "Counts": [1]}, INVALID),
        ({"Values": [1] * 151}, INVALID),
        ({"Values": [1], "Counts": [0]}, INVALID),
        ({"Value": 1, "StorageResolution": 30}, INVALID),
        ({"Value": 1, "Timestamp": minute(15 * 24 * 60)}, INVALID),
        ({"Value": 1, "Timestamp": minute(-3 * 60)}, INVALID),
        ({"Value": 1, "Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]}, INVALID),
        ({"Value": 1, "Dimensions": [{"Name": f"d{n}", "Value": "v"} for n in range(31)]}, "ValidationError"),
        ({"Value": 1, "Unit": "Furlongs"}, "ValidationError"),
        ({"StatisticValues": dict(SampleCount=1, Sum=1, Minimum=2, Maximum=1)}, COMBINATION),
        ({"StatisticValues": dict(SampleCount=0, Sum=0, Minimum=0, Maximum=0)}, INVALID),
    ],
)
def test_bad_values_are_refused_and_change_nothing(cloudwatch, namespace, put, datum, code):
    with refused(400, code):
        cloudwatch.put_metric_data(
            Namespace=namespace, MetricData=[{"MetricName": "Good", "Value": 1}, {"MetricName": "Bad", **datum}]
        )
    assert cloudwatch.list_metrics(Namespace=namespace)["Metrics"] == []


def test_requests_out_of_bounds_are_refused(cloudwatch, namespace):
    with refused(400, INVALID):
        cloudwatch.put_metric_data(Namespace="AWS/Mine", MetricData=[{"MetricName": "a", "Value": 1}])
    with refused(400, INVALID):
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "a", "Value": 1}] * 1001)
    ask = dict(Namespace=namespace, MetricName="a", Statistics=["Sum"])
    with refused(400, COMBINATION):
        cloudwatch.get_metric_statistics(StartTime=minute(2000), EndTime=minute(), Period=60, **ask)
    with refused(400, INVALID):
        cloudwatch.get_metric_statistics(StartTime=minute(), EndTime=minute(5), Period=60, **ask)
    with refused(400, INVALID):
        cloudwatch.get_metric_statistics(StartTime=minute(5), EndTime=minute(), Period=61, **ask)
    get = lambda query, times: cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "q"} | query], StartTime=times[0], EndTime=times[1]
    )
    sum_of_a = {"MetricStat": {"Metric": {"Namespace": namespace, "MetricName": "a"}, "Period": 60, "Stat": "Sum"}}
    then, now = minute(5), minute()
    refuses("ValidationError", "The parameter EndTime must be greater than StartTime.", get, query=sum_of_a, times=(now, then))
    refuses("ValidationError", "The parameter StartTime must not equal parameter EndTime.\n", get, query=sum_of_a, times=(now, now))
    words = "The parameter MetricDataQueries.member.1.MetricStat is required.\n"
    refuses("ValidationError", words, get, query={}, times=(then, now))
    with refused(501, "NotImplemented"):
        cloudwatch.put_dashboard(DashboardName="d", DashboardBody="{}")


# ---- protocols and tools


@pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "json", "query"])
def test_all_protocols_say_the_same(updraft, namespace, protocol):
    session = boto3.session.Session("test", "test", None, "us-east-1")
    # The session keeps the model, so what is changed here is what its clients speak.
    model = session._session.get_component("data_loader").load_service_model("cloudwatch", "service-2")
    model["metadata"] |= {"protocol": protocol, "protocols": [protocol]}
    client = session.client("cloudwatch", endpoint_url=updraft.endpoint)
    assert client.meta.service_model.resolved_protocol == protocol
    dimensions = [{"Name": "Shop", "Value": "north"}]
    client.put_metric_data(
        Namespace=namespace,
        MetricData=[{"MetricName": "a", "Value": 1.5, "Timestamp": minute(1), "Dimensions": dimensions}],
    )
    (metric,) = client.list_metrics(Namespace=namespace)["Metrics"]
    assert metric == {"Namespace": namespace, "MetricName": "a", "Dimensions": dimensions}
    query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Average"}}
    (result,) = client.get_metric_data(MetricDataQueries=[query], StartTime=minute(5), EndTime=minute())["MetricDataResults"]
    assert (result["Timestamps"], result["Values"]) == ([minute(1)], [1.5])
    with pytest.raises(botocore.exceptions.ClientError) as error:
        client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "a"}])
    assert error.value.response["Error"]["Code"] == "MissingParameter"


def test_the_cli_puts_and_reads(updraft, namespace):
    aws = AWS(updraft)
    at = minute(1).isoformat()
    aws.run("cloudwatch", "put-metric-data", "--namespace", namespace, "--metric-name", "m", "--value", 3, "--timestamp", at)
    metric = {"Namespace": namespace, "MetricName": "m"}
    query = json.dumps([{"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}])
    times = ["--start-time", minute(5).isoformat(), "--end-time", minute(-1).isoformat()]
    answer = aws.run("cloudwatch", "get-metric-data", "--metric-data-queries", query, *times)
    assert answer["MetricDataResults"][0]["Values"] == [3]
    told = aws.refusal("cloudwatch", "put-metric-data", "--namespace", namespace, "--metric-data", "MetricName=m")
    assert "Values or" in told


# ---- Lambda's own


def test_invocations_errors_and_durations_are_measured(create, data):
    made = create.python("def handler(event, context):\n    return 1 / event['by']\n")
    for by in (1, 2, 0, 4):
        made.invoke({"by": by})
    name, function = made.name, ("FunctionName", made.name)
    found = data(
        calls=("AWS/Lambda", "Invocations", "Sum", function),
        named=("AWS/Lambda", "Invocations", "Sum", function, ("Resource", name)),
        errors=("AWS/Lambda", "Errors", "Sum", function),
        throttles=("AWS/Lambda", "Throttles", "Sum", function),
        durations=("AWS/Lambda", "Duration", "SampleCount", function),
        slowest=("AWS/Lambda", "Duration", "p99", function),
        everywhere=("AWS/Lambda", "Invocations", "Sum"),
    )
    assert sum(found["calls"]) == sum(found["named"]) == sum(found["durations"]) == 4
    assert (sum(found["errors"]), sum(found["throttles"])) == (1, 0)
    assert all(value > 0 for value in found["slowest"])
    assert sum(found["everywhere"]) >= 4


def test_what_was_measured_survives_a_restart(another_server, namespace):
    server = another_server().start()
    client = server.client("cloudwatch")
    client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", "Value": 7, "Timestamp": minute(1)}])
    server.kill()
    again = another_server().start()
    shown = again.client("cloudwatch").get_metric_statistics(
        Namespace=namespace, MetricName="m", StartTime=minute(5), EndTime=minute(-1), Period=60, Statistics=["Sum"]
    )
    assert [point["Sum"] for point in shown["Datapoints"]] == [7]


# ---- embedded metric format

EMBEDDED = """
import json, time

def handler(event, context):
    directive = {"Namespace": event["namespace"], "Dimensions": [["Shop"]], "Metrics": [{"Name": "Orders", "Unit": "Count"}]}
    at = int(time.time() * 1000)
    print(json.dumps({"_aws": {"Timestamp": at, "CloudWatchMetrics": [directive]}, "Shop": "north", "Orders": [1, 2]}))
    print(json.dumps({"_aws": {"Timestamp": at, "CloudWatchMetrics": "no directives"}, "Orders": 100}))
"""


def test_metrics_in_log_lines_of_functions_are_metrics(create, namespace, data):
    create.python(EMBEDDED).invoke({"namespace": namespace}).ok()
    orders = (namespace, "Orders", "Sum", ("Shop", "north"))
    eventually(lambda: data(m=orders) == {"m": [3]})


def test_metrics_in_log_events_of_users_are_metrics(logs, namespace, data):
    group = f"/embedded/{namespace}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    at = int(minute(2).timestamp() * 1000)
    directive = {"Namespace": namespace, "Dimensions": [[]], "Metrics": [{"Name": "Orders"}]}
    message = json.dumps({"_aws": {"Timestamp": at, "CloudWatchMetrics": [directive]}, "Orders": 5})
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": at, "message": message}])
    assert data(m=(namespace, "Orders", "Sum")) == {"m": [5]}
