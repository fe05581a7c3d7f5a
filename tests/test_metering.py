"""What functions used: `updraft usage` and its endpoint, with AWS's prices; and the page for Prometheus."""

import datetime
import json
import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from support.functions import Function, Report
from support.server import eventually

TODAY = "%Y-%m-%d"


def get(server, path, headers=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(server.endpoint + path, headers=headers or {}), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def usage(server, query=""):
    status, text = get(server, f"/_updraft/usage{query}")
    assert status == 200, text
    return json.loads(text)


def used_by(server, function, query=""):
    found = [one for one in usage(server, query)["functions"] if one["function"] == function.name]
    return found[0] if found else None


def updraft_usage(server, *arguments):
    command = [str(server.executable), "usage", "--endpoint", server.endpoint, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture
def metered(create):
    """A function that ran three times, and its REPORT lines."""
    function = create.python("import time\ndef handler(event, context):\n    time.sleep(0.02)\n", MemorySize=256)
    reports = [Report.of(function.invoke(LogType="Tail").tail) for _ in range(3)]
    return function, reports


def test_use_is_what_the_reports_say_to_the_millisecond(updraft, metered):
    function, reports = metered
    used = used_by(updraft, function)
    gb_seconds = sum(report.billed_ms for report in reports) * 256 / 1024 / 1000
    assert (used["requests"], used["architecture"], used["region"]) == (3, "x86_64", "us-east-1")
    assert used["gbSeconds"] == pytest.approx(gb_seconds, abs=1e-9)
    assert used["cost"] == pytest.approx(3 / 1e6 * 0.20 + gb_seconds * 0.0000166667, abs=1e-12)


def test_failures_cost_as_well_and_a_larger_tmp_costs_more(updraft, create):
    failing = create.python("def handler(event, context):\n    raise ValueError(1)\n")
    assert failing.invoke().error
    assert used_by(updraft, failing)["requests"] == 1 and used_by(updraft, failing)["gbSeconds"] > 0
    roomy = create.python("def handler(event, context):\n    pass\n", EphemeralStorage={"Size": 1536})
    report = Report.of(roomy.invoke(LogType="Tail").tail)
    assert used_by(updraft, roomy)["storageGbSeconds"] == pytest.approx(report.billed_ms / 1000, abs=1e-9)


def test_provisioned_capacity_costs_while_it_stands_and_makes_what_works_on_it_cheaper(updraft, create, lambda_):
    function = create.python("import time\ndef handler(event, context):\n    time.sleep(0.02)\n", MemorySize=256)
    lambda_.publish_version(FunctionName=function.name)
    named = {"FunctionName": function.name, "Qualifier": "1"}

    def is_ready():
        return lambda_.get_provisioned_concurrency_config(**named)["Status"] == "READY"

    before = time.monotonic()
    lambda_.put_provisioned_concurrency_config(ProvisionedConcurrentExecutions=2, **named)
    assert eventually(is_ready, 60)
    ready = time.monotonic()
    on_it = Report.of(Function(lambda_, f"{function.name}:1").invoke(LogType="Tail").tail).billed_ms * 256 / 1024 / 1000
    beside = Report.of(function.invoke(LogType="Tail").tail).billed_ms * 256 / 1024 / 1000
    assert eventually(lambda: used_by(updraft, function)["provisionedGbSeconds"] > 0, 60), "counted while it stands"
    end = time.monotonic()
    lambda_.delete_provisioned_concurrency_config(**named)
    after = time.monotonic()
    used = used_by(updraft, function)
    assert used["requests"] == 2
    assert used["provisionedUseGbSeconds"] == pytest.approx(on_it, abs=1e-9)
    assert used["gbSeconds"] == pytest.approx(on_it + beside, abs=1e-9)
    # Two of 256 MB make half a gigabyte; a millisecond may be left over on either side.
    stood = used["provisionedGbSeconds"] / 0.5
    assert end - ready - 0.002 <= stood <= after - before + 0.002
    prices = 0.0000097222 * on_it + 0.0000166667 * beside + 0.0000041667 * stood * 0.5
    assert used["cost"] == pytest.approx(2 / 1e6 * 0.20 + prices, abs=1e-12)
    assert eventually(lambda: time.monotonic() > after + 6, 60), "longer than between two counts"
    assert used_by(updraft, function) == used, "what has ended costs no more"


def test_provisioned_capacity_that_never_stood_costs_nothing(updraft, create, lambda_):
    function = create.python("raise ValueError('never')\n")
    lambda_.publish_version(FunctionName=function.name)
    named = {"FunctionName": function.name, "Qualifier": "1"}
    lambda_.put_provisioned_concurrency_config(ProvisionedConcurrentExecutions=1, **named)
    failed = lambda: lambda_.get_provisioned_concurrency_config(**named)["Status"] == "FAILED"  # noqa: E731
    assert eventually(failed, 60)
    assert used_by(updraft, function) is None
    lambda_.delete_provisioned_concurrency_config(**named)
    assert used_by(updraft, function) is None


def test_days_and_months(updraft, metered):
    function, _ = metered
    today = datetime.datetime.now(datetime.timezone.utc)
    assert used_by(updraft, function, f"?day={today.strftime(TODAY)}")["requests"] == 3
    assert used_by(updraft, function, f"?month={today.strftime('%Y-%m')}")["requests"] == 3
    assert used_by(updraft, function, "?month=2001-01") is None
    for bad in ("?month=2026", "?day=2026-02-30", "?day=yesterday"):
        assert get(updraft, f"/_updraft/usage{bad}")[0] == 400, bad


def test_the_command_shows_it(updraft, metered):
    function, _ = metered
    document = json.loads(updraft_usage(updraft, "--json").stdout)
    assert document["currency"] == "USD" and document["total"]["requests"] >= 3
    assert document["total"]["cost"] == pytest.approx(sum(one["cost"] for one in document["functions"]))
    shown = updraft_usage(updraft).stdout
    assert re.search(rf"{function.name}\s+x86_64\s+3\s", shown), shown
    refused = updraft_usage(updraft, "--day", "nonsense")
    assert refused.returncode != 0 and "400" in refused.stderr, refused.stderr


def test_use_survives_a_kill_and_prices_can_be_replaced(another_server, runtimes, tmp_path):
    from support import functions

    config = tmp_path / "updraft.toml"
    config.write_text('[prices]\ncurrency = "EUR"\nrequests_per_million = 1000000.0\n')
    server = another_server(arguments=["--config", str(config)]).start()
    factory = functions.Factory(server.client("lambda"), runtimes)
    function = factory.python("def handler(event, context):\n    pass\n")
    function.invoke()
    before = used_by(server, function)
    assert usage(server)["currency"] == "EUR" and 1 < before["cost"] < 1.01
    server.kill()
    again = another_server(arguments=["--config", str(config)]).start()
    assert used_by(again, function) == before


def test_only_this_machine_may_see_it(updraft, create):
    curious = create.python(
        """
import urllib.error, urllib.request, os

def handler(event, context):
    seen = []
    for path in ("usage", "metrics"):
        try:
            urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_updraft/" + path)
            seen.append(200)
        except urllib.error.HTTPError as error:
            seen.append(error.code)
    return seen
"""
    )
    assert curious.invoke().ok() == [404, 404]
    for path in ("usage", "metrics"):
        assert get(updraft, f"/_updraft/{path}", {"Origin": "http://elsewhere.example"})[0] == 403


def test_prometheus_reads_counters_histograms_and_gauges(updraft, create):
    function = create.python("def handler(event, context):\n    return 1 / event['by']\n")
    for by in (1, 2, 0):
        function.invoke({"by": by})

    def samples():
        status, text = get(updraft, "/_updraft/metrics")
        assert status == 200
        pattern = re.compile(r"^([a-zA-Z_][a-zA-Z0-9_]*)(?:\{(.*)\})? (\S+)$")
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        parsed = [pattern.match(line) for line in lines]
        assert all(parsed), [line for line, match in zip(lines, parsed) if not match]
        return {(m[1], m[2] or ""): float(m[3]) for m in parsed}

    found = samples()
    labels = f'account="000000000000",region="us-east-1",function="{function.name}",resource="{function.name}"'
    assert found["updraft_lambda_invocations_total", labels] == 3
    assert found["updraft_lambda_errors_total", labels] == 1
    assert found["updraft_lambda_duration_seconds_count", labels] == 3
    assert found["updraft_lambda_duration_seconds_bucket", labels + ',le="+Inf"'] == 3
    assert found["updraft_lambda_duration_seconds_bucket", labels + ',le="900"'] == 3
    assert 0 < found["updraft_lambda_duration_seconds_sum", labels] < 30
    assert found["updraft_lambda_environments", 'state="idle"'] >= 1
    assert found["process_resident_memory_bytes", ""] > 1e6 and found["process_open_fds", ""] > 3
    function.invoke({"by": 1})
    assert samples()["updraft_lambda_invocations_total", labels] == 4
