"""Extensions in layers through boto3: what the log shows of them, and what their users see."""

import datetime
import json

import pytest

from support.code import zip_of
from support.extension import extension
from support.server import eventually

ECHO = "def handler(event, context):\n    print('handled')\n    return event\n"


@pytest.fixture
def with_extensions(lambda_, create):
    """Makes functions with a layer of extensions."""
    made = []

    def make(source=ECHO, extensions=None, **settings):
        files = {f"extensions/{name}": text for name, text in extensions.items()}
        name = f"extensions-{len(made)}-{id(make)}"
        package = zip_of(files, executable=set(files))
        layer = lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": package})
        made.append((name, layer["Version"]))
        return create.python(source, Layers=[layer["LayerVersionArn"]], **settings)

    yield make
    for name, number in made:
        lambda_.delete_layer_version(LayerName=name, VersionNumber=number)


def messages(logs, function, pattern=""):
    found = logs.filter_log_events(logGroupName=function.log_group, filterPattern=pattern)["events"]
    return [event["message"] for event in found]


def until(logs, function, text, times=1, pattern=""):
    """All messages, once this text is in so many of them."""
    lines = []

    def seen():
        lines[:] = messages(logs, function, pattern)
        return sum(text in line for line in lines) >= times

    assert eventually(seen), "".join(lines)
    return lines


def replace(function):
    """Lets a new environment take over: the old one is retired."""
    function.configure(Description="other")
    function.tail(0)


def test_the_log_tells_of_an_extension_from_its_start_to_its_end(lambda_, logs, with_extensions):
    function = with_extensions(extensions={"watcher": extension()})
    # Whoever asks for the log's end has waited for the extension, too: the second request finds the environment free.
    assert function.tail({"n": 1}).value == {"n": 1}
    assert function.tail({"n": 2}).value == {"n": 2}
    replace(function)
    lines = until(logs, function, "[watcher] SHUTDOWN spindown")
    state = next(line for line in lines if line.startswith("EXTENSION"))
    assert state == "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n"
    starts = ("INIT_START", "EXTENSION", "START", "REPORT")
    order = [next(n for n, line in enumerate(lines) if line.startswith(start)) for start in starts]
    assert order == sorted(order), lines
    assert sum(line.startswith("[watcher] INVOKE") for line in lines) >= 2
    assert sum(line.startswith("REPORT") for line in lines) >= 2


def test_in_json_the_log_says_so_in_a_record(logs, with_extensions):
    function = with_extensions(extensions={"watcher": extension()}, LoggingConfig={"LogFormat": "JSON"})
    assert function.invoke(1).value == 1
    lines = until(logs, function, "platform.report")
    (record,) = [json.loads(line)["record"] for line in lines if '"platform.extension"' in line]
    assert record == {"name": "watcher", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}


def test_an_answer_does_not_wait_for_extensions_but_the_report_does(updraft, logs, with_extensions):
    slow = extension("while True:\n    next()\n    time.sleep(0.7)\n", events=["INVOKE"])
    function = with_extensions(extensions={"slow": slow})
    function.invoke(1)
    assert function.invoke(2).value == 2
    lines = until(logs, function, "REPORT RequestId", times=2)
    for report in (line for line in lines if line.startswith("REPORT")):
        assert float(report.split("Duration: ")[1].split(" ms")[0]) >= 700, report
    tail = function.tail(3)
    assert tail.value == 3 and "REPORT" in tail.tail, "whoever wants the log waits for it"
    # All three, as soon as the metrics are written.
    eventually(lambda: post_runtime(updraft, function).get("SampleCount") == 3)
    measured = post_runtime(updraft, function)
    assert (measured["SampleCount"], measured["Unit"]) == (3, "Milliseconds"), measured
    assert measured["Minimum"] > 350, "most of the 700 that the extension sleeps from the event on"


def post_runtime(updraft, function):
    """What the metric says of extensions' time after answers."""
    now = datetime.datetime.now(datetime.timezone.utc)
    points = updraft.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="PostRuntimeExtensionsDuration",
        Dimensions=[{"Name": "FunctionName", "Value": function.name}],
        StartTime=now - datetime.timedelta(minutes=30),
        EndTime=now + datetime.timedelta(minutes=2),
        Period=3600,
        Statistics=["SampleCount", "Minimum"],
    )["Datapoints"]
    return points[0] if len(points) == 1 else {}


def test_a_crash_and_a_launch_that_fails_are_told_in_awss_words(logs, with_extensions):
    function = with_extensions(extensions={"crasher": "#!/bin/sh\nexit 3\n"})
    answer = function.invoke(1)
    assert answer.error == "Unhandled"
    assert answer.value == {
        "errorType": "Extension.Crash",
        "errorMessage": f"RequestId: {answer.request_id} Error: exit status 3",
    }
    lines = until(logs, function, "REPORT")
    assert any("Status: error\tError Type: Extension.Crash" in line for line in lines if line.startswith("INIT_REPORT"))
    assert "EXTENSION\tName: crasher\tState: Started\tEvents: []\n" in lines
    function = with_extensions(extensions={"no-program": "nothing"})
    assert function.invoke(1).value["errorType"] == "Extension.LaunchError"
    until(logs, function, "State: LaunchError\tEvents: []\tError Type: UnknownError")


def test_a_timeout_is_the_functions_and_the_extension_hears_of_it(logs, with_extensions):
    function = with_extensions("import time\ndef handler(*_): time.sleep(60)\n", {"watcher": extension()}, Timeout=1)
    answer = function.invoke(1)
    assert answer.value["errorMessage"].endswith("Task timed out after 1.00 seconds")
    until(logs, function, "[watcher] SHUTDOWN timeout")


def test_a_node_function_has_an_internal_extension(logs, create):
    function = create.node(
        """
        import http from 'node:http';
        const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
        const call = (method, path, headers, body) => new Promise((done, failed) => {
          const request = http.request({ host, port, method, path: `/2020-01-01/extension${path}`, headers }, (answer) => {
            let text = ''; answer.on('data', (part) => text += part); answer.on('end', () => done([answer, text]));
          });
          request.on('error', failed); request.end(body);
        });
        const [registered] = await call('POST', '/register', { 'Lambda-Extension-Name': 'inner' }, '{"events":["INVOKE"]}');
        const id = { 'Lambda-Extension-Identifier': registered.headers['lambda-extension-identifier'] };
        (async () => { for (;;) { const [, text] = await call('GET', '/event/next', id); console.log('inner', JSON.parse(text).eventType); } })();
        process.on('SIGTERM', () => { console.log('asked to end'); process.exit(0); });
        export const handler = async (event) => event;
        """
    )
    assert function.invoke(5).value == 5
    lines = until(logs, function, "REPORT")
    assert "EXTENSION\tName: inner\tState: Ready\tEvents: [INVOKE]\n" in lines
    assert any("inner INVOKE" in line for line in lines)
    replace(function)
    until(logs, function, "asked to end")


# ---- telemetry

TELL = """
listen(4243)
say("subscribed", *subscribe(%s))
while True:
    if next()["eventType"] == "SHUTDOWN": break
time.sleep(0.5)
for event in RECEIVED: say("got", json.dumps(event))
say("told all")
"""


def telemetry(logs, function, name="collector"):
    """What an extension that tells everything at its end has received: type and record."""
    replace(function)
    lines = until(logs, function, f"[{name}] told all")
    events = [json.loads(line.split("] got ", 1)[1]) for line in lines if line.startswith(f"[{name}] got ")]
    return lines, [(event["type"], event["record"]) for event in events], events


def test_the_telemetry_api_tells_of_everything(logs, with_extensions):
    source = (
        "import json\nprint('loading')\ndef handler(event, context):\n"
        "    print(json.dumps({'a': 1}))\n    print('plain')\n    return 'x' * 10\n"
    )
    function = with_extensions(source, {"collector": extension(TELL % "")})
    answer = function.tail({})
    lines, told, events = telemetry(logs, function)
    assert "[collector] subscribed 200 \"OK\"\n" in lines
    assert "TELEMETRY\tName: collector\tState: Subscribed\tTypes: [Platform, Function, Extension]\n" in lines
    records = dict(reversed(told))
    kinds = [kind for kind, _ in told]
    for kind in (
        "platform.initStart", "platform.telemetrySubscription", "platform.initRuntimeDone", "platform.extension",
        "platform.initReport", "platform.start", "platform.runtimeDone", "platform.report",
    ):  # fmt: skip
        assert kind in kinds, kinds
    assert "platform.end" not in kinds and "platform.fault" not in kinds
    start = records["platform.initStart"]
    assert (start["initializationType"], start["phase"], start["functionName"]) == ("on-demand", "init", function.name)
    assert records["platform.telemetrySubscription"] == {
        "name": "collector", "state": "Subscribed", "types": ["platform", "function", "extension"],
    }  # fmt: skip
    assert records["platform.extension"] == {"name": "collector", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}
    assert records["platform.initReport"]["status"] == "success"
    assert records["platform.initReport"]["metrics"]["durationMs"] > 0
    began = records["platform.start"]
    assert (began["requestId"], began["version"]) == (answer.request_id, "$LATEST")
    assert began["tracing"]["type"] == "X-Amzn-Trace-Id"
    done = records["platform.runtimeDone"]
    assert (done["status"], done["metrics"]["producedBytes"]) == ("success", 12)
    assert [span["name"] for span in done["spans"]] == ["responseLatency", "responseDuration", "runtimeOverhead"]
    report = records["platform.report"]
    assert report["requestId"] == answer.request_id and report["status"] == "success"
    metrics = {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"}
    assert set(report["metrics"]) == metrics
    written = [record for kind, record in told if kind == "function"]
    assert "loading" in written and "plain" in written and {"a": 1} in written
    assert all(event["time"].endswith("Z") for event in events)


def test_the_logs_api_tells_in_its_own_words(logs, with_extensions):
    wish = 'path="/2020-08-15/logs", schemaVersion="2021-03-18", types=["platform", "function"]'
    function = with_extensions("def handler(*_): print('{\"a\": 1}')\n", {"collector": extension(TELL % wish)})
    function.tail({})
    lines, told, _ = telemetry(logs, function)
    assert "LOGS\tName: collector\tState: Subscribed\tTypes: [Platform, Function]\n" in lines
    kinds = {kind for kind, _ in told}
    for kind in ("logsSubscription", "start", "end", "report", "runtimeDone"):
        assert f"platform.{kind}" in kinds, kinds
    assert "platform.initStart" not in kinds and "extension" not in kinds
    assert ("function", '{"a": 1}') in told, "in the old schema a line is a line"


def test_a_timeout_and_an_error_are_told_as_such(logs, with_extensions):
    source = "import time\ndef handler(*_): time.sleep(60)\n"
    function = with_extensions(source, {"collector": extension(TELL % "")}, Timeout=1)
    function.invoke({})
    lines = until(logs, function, "[collector] told all")
    told = [json.loads(line.split("] got ", 1)[1]) for line in lines if line.startswith("[collector] got ")]
    kinds = [event["type"] for event in told]
    assert "platform.runtimeDone" in kinds, (kinds, lines)
    (done,) = [event["record"] for event in told if event["type"] == "platform.runtimeDone"]
    assert done["status"] == "timeout"
    (report,) = [event["record"] for event in told if event["type"] == "platform.report"]
    assert report["status"] == "timeout"


def test_subscriptions_that_are_wrong_or_late_are_refused(logs, with_extensions):
    asks = """
def refused(**more): say("refused", *subscribe(**more))
refused(schemaVersion="1999-01-01")
refused(types=[])
refused(types=["everything"])
refused(buffering={"maxItems": 1, "maxBytes": 1, "timeoutMs": 1})
refused(destination={"protocol": "HTTP", "URI": "http://sandbox.localdomain/x"})
refused(destination={"protocol": "HTTP", "URI": "http://example.com:80/"})
refused(destination={"protocol": "UDP", "URI": "x"})
say("anonymous", call("PUT", "/2022-07-01/telemetry", {}, {})[0:2])
listen(4243)
assert subscribe() == (200, '"OK"') == subscribe()
refused(path="/2020-08-15/logs", schemaVersion="2020-08-15")
next()
say("late", *subscribe())
next()
"""
    function = with_extensions(extensions={"collector": extension(asks)})
    function.tail({})
    lines = until(logs, function, "[collector] late")
    refused = [line.split("refused ", 1)[1].strip() for line in lines if "] refused " in line]
    words = [json.loads(line.split(" ", 1)[1])["errorMessage"] for line in refused]
    assert all(line.startswith("400 ") for line in refused)
    assert words == [
        "schemaVersion 1999-01-01 is not supported",
        "types should not be empty",
        "type everything is not supported; types should not be empty",
        "buffering.maxItems should be between 1000 and 10000; buffering.maxBytes should be between 262144 and 1048576; "
        "buffering.timeoutMs should be between 25 and 30000",
        "URI port is not provided",
        "URI host should be sandbox.localdomain",
        "protocol UDP is not supported",
        "the extension has subscribed through the other API already",
    ]
    assert any("anonymous (403," in line and "MissingExtensionIdentifier" in line for line in lines)
    (late,) = [line for line in lines if "] late " in line]
    assert "403" in late and "Telemetry.SubscriptionClosed" in late
    assert "Telemetry API subscription is closed already" in late


def test_tcp_gets_a_line_for_each_event(logs, with_extensions):
    tcp = """
server = socket.create_server(("sandbox.localdomain", 4244))
say(*subscribe(destination={"protocol": "TCP", "URI": "tcp://sandbox.localdomain:4244"}, types=["platform"]))
lines = server.accept()[0].makefile()
def read():
    for line in lines: RECEIVED.append(json.loads(line))
threading.Thread(target=read, daemon=True).start()
while next()["eventType"] != "SHUTDOWN": pass
time.sleep(0.5)
for event in RECEIVED: say("got", json.dumps(event))
say("told all")
"""
    function = with_extensions(extensions={"collector": extension(tcp)})
    function.tail({})
    _, told, _ = telemetry(logs, function)
    kinds = {kind for kind, _ in told}
    assert {"platform.initStart", "platform.start", "platform.runtimeDone", "platform.report"} <= kinds


def test_one_that_takes_nothing_is_told_what_it_has_missed(logs, with_extensions):
    deaf = """
GATE = threading.Event()
class Deaf(Receiver):
    def do_POST(self):
        GATE.wait()
        super().do_POST()
server = http.server.ThreadingHTTPServer(("sandbox.localdomain", 4243), Deaf)
threading.Thread(target=server.serve_forever, daemon=True).start()
subscribe(types=["function"], buffering={"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25})
subscribed = subscribe(types=["platform", "function"], destination={"protocol": "HTTP", "URI": "http://sandbox:4243/again"})
next()  # hears nothing during the first request
next()
GATE.set()
while not any(event["type"] == "platform.logsDropped" for event in RECEIVED): time.sleep(0.02)
for event in RECEIVED:
    if event["type"] == "platform.logsDropped": say("missed", json.dumps(event["record"]))
say("told all")
while next()["eventType"] != "SHUTDOWN": pass
"""
    source = "def handler(event, context):\n    for n in range(event['lines']): print('x' * 100)\n    return 'done'\n"
    function = with_extensions(source, {"collector": extension(deaf)}, Timeout=30)
    assert function.tail({"lines": 20000}).ok() == "done", "the function does not wait"
    assert function.tail({"lines": 1}).ok() == "done"
    lines = until(logs, function, "] told all", pattern='"[collector]"')
    missed = [json.loads(line.split("missed ", 1)[1]) for line in lines if "] missed " in line]
    assert missed, lines
    assert missed[0]["droppedRecords"] > 100 and missed[0]["droppedBytes"] > 100 * missed[0]["droppedRecords"]
    assert missed[0]["reason"].startswith("Consumer seems to have fallen behind")
