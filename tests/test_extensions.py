"""Extensions in layers through boto3: what the log shows of them, and what their users see."""

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


def messages(logs, function):
    found = logs.filter_log_events(logGroupName=function.log_group)["events"]
    return [event["message"] for event in found]


def until(logs, function, text, times=1):
    """All messages, once this text is in so many of them."""
    lines = []

    def seen():
        lines[:] = messages(logs, function)
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
    order = [next(n for n, line in enumerate(lines) if line.startswith(start)) for start in ("INIT_START", "EXTENSION", "START", "REPORT")]
    assert order == sorted(order), lines
    assert sum(line.startswith("[watcher] INVOKE") for line in lines) >= 2
    assert sum(line.startswith("REPORT") for line in lines) >= 2


def test_in_json_the_log_says_so_in_a_record(logs, with_extensions):
    function = with_extensions(extensions={"watcher": extension()}, LoggingConfig={"LogFormat": "JSON"})
    assert function.invoke(1).value == 1
    lines = until(logs, function, "platform.report")
    (record,) = [json.loads(line)["record"] for line in lines if '"platform.extension"' in line]
    assert record == {"name": "watcher", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}


def test_an_answer_does_not_wait_for_extensions_but_the_report_does(logs, with_extensions):
    slow = extension("while True:\n    next()\n    time.sleep(0.7)\n", events=["INVOKE"])
    function = with_extensions(extensions={"slow": slow})
    function.invoke(1)
    assert function.invoke(2).value == 2
    lines = until(logs, function, "REPORT RequestId", times=2)
    for report in (line for line in lines if line.startswith("REPORT")):
        assert float(report.split("Duration: ")[1].split(" ms")[0]) >= 700, report
    tail = function.tail(3)
    assert tail.value == 3 and "REPORT" in tail.tail, "whoever wants the log waits for it"


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
