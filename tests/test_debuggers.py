"""Debuggers attach to functions, by the protocols that editors speak, and nobody else is held up."""

import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import functions
from support.debuggers import DebugAdapter, Inspector, Jdb
from support.dev import Session
from support.refusals import refused
from support.server import Server, eventually, free_port


@pytest.fixture(scope="module")
def debugpy(executable, runtimes_dir):
    """The pack, made when it is missing."""
    subprocess.run([executable, "runtimes", "install", "debugpy", "--runtimes-dir", runtimes_dir], check=True)


@pytest.fixture
def start_ahead(updraft):
    def start(function):
        url = f"{updraft.endpoint}/_updraft/lambda/start?function={function.name}"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=60) as answer:
            assert answer.status == 200

    return start


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as pool:
        yield pool


PYTHON = """import time
def handler(event, context):
    doubled = event['n'] * 2
    time.sleep(event.get('seconds', 0))
    return doubled, context.get_remaining_time_in_millis()
"""


def debugged(port, **more):
    return {"Environment": {"Variables": {"UPDRAFT_DEBUG_PORT": str(port)} | more}, "Timeout": 2}


def test_debugpy_stops_a_python_function(create, pool, debugpy, start_ahead):
    port = free_port()
    function = create.python(PYTHON, **debugged(port))
    start_ahead(function)  # a debugger can attach before the first request
    debugger = DebugAdapter(port).attach({"/var/task/app.py": [4]})
    running = pool.submit(function.tail, {"n": 21})
    thread, frame = debugger.stopped()
    assert (frame["line"], frame["source"]["path"]) == (4, "/var/task/app.py")
    assert debugger.ask("evaluate", expression="doubled", frameId=frame["id"])["result"] == "42"
    # Its own neighbours and another function are not held up by a function that stands still.
    other = create.python("def handler(event, context):\n    return 'free'\n")
    assert other.invoke().ok() == "free"
    assert function.invoke({"n": 1}).ok()[0] == 2
    with pytest.raises(TimeoutError):
        running.result(3)  # longer than the function's timeout
    debugger.ask("setExpression", expression="doubled", value="7", frameId=frame["id"])
    debugger.ask("continue", threadId=thread)
    answer = running.result(60)
    assert answer.ok()[0] == 7
    debugger.close()


def test_the_log_says_it_and_the_timeout_returns(create, debugpy, start_ahead, run_logs):
    port = free_port()
    function = create.python(PYTHON, **debugged(port))
    start_ahead(function)
    debugger = DebugAdapter(port).attach({})
    slow = function.invoke({"n": 1, "seconds": 3})
    assert slow.ok()[0] == 2, "three seconds, with a timeout of two"
    assert slow.value[1] > 60_000, "and the function is told so"
    debugger.close()
    assert eventually(lambda: "UPDRAFT debugger has left" in run_logs(function))
    log = run_logs(function)
    assert f"UPDRAFT debugger can be attached at 127.0.0.1:{port}; while one is, this function has no timeout" in log
    assert f"UPDRAFT debugger is attached at 127.0.0.1:{port}; the timeout is suspended" in log
    late = function.invoke({"n": 1, "seconds": 30})
    assert late.error and "Task timed out after 2.00 seconds" in late.payload.decode()


@pytest.fixture
def run_logs(executable, updraft):
    def run_logs(function):
        command = [executable, "logs", function.name]
        return subprocess.run(command, env=updraft.client_environment(), capture_output=True, text=True, check=True).stdout

    return run_logs


def test_code_that_waits_for_its_debugger(create, pool, debugpy):
    port = free_port()
    source = "value = 1\nvalue += 1\ndef handler(event, context):\n    return value\n"
    function = create.python(source, **debugged(port, UPDRAFT_DEBUG_WAIT="1"))
    running = pool.submit(function.invoke)
    debugger = eventually(lambda: attach_if_there(port, {"/var/task/app.py": [2]}))
    thread, frame = debugger.stopped()
    assert frame["line"] == 2, "at the module's own lines"
    debugger.ask("continue", threadId=thread)
    assert running.result(60).ok() == 2
    debugger.close()


def attach_if_there(port, breakpoints):
    try:
        return DebugAdapter(port).attach(breakpoints)
    except ConnectionRefusedError:
        return None


def test_without_debugpy_it_says_what_to_do(executable, runtimes, tmp_path):
    with Server(executable, tmp_path / "no-packs", tmp_path / "data") as server:
        factory = functions.Factory(server.client("lambda"), runtimes)
        answer = factory.python(PYTHON, **debugged(free_port())).tail({"n": 1})
        assert answer.ok()[0] == 2
        assert "run `updraft runtimes install debugpy`, or bring it with the code" in answer.tail


def test_the_inspector_stops_a_node_function(create, pool, start_ahead):
    port = free_port()
    source = "exports.handler = async (event) => {\n  const doubled = event.n * 2;\n  return doubled;\n};\n"
    function = create.node(source, file="index.js", **debugged(port))
    start_ahead(function)
    debugger = Inspector(port)
    debugger.ask("Runtime.enable")
    assert debugger.ask("Runtime.evaluate", expression="6 * 7")["result"]["value"] == 42
    debugger.ask("Debugger.enable")
    debugger.ask("Debugger.setBreakpointByUrl", lineNumber=2, url="file:///var/task/index.js")
    running = pool.submit(function.invoke, {"n": 21})
    frame = debugger.event("Debugger.paused")["callFrames"][0]
    assert frame["location"]["lineNumber"] == 2
    evaluated = debugger.ask("Debugger.evaluateOnCallFrame", callFrameId=frame["callFrameId"], expression="doubled")
    assert evaluated["result"]["value"] == 42
    with pytest.raises(TimeoutError):
        running.result(3)
    debugger.ask("Debugger.resume")
    assert running.result(60).ok() == 42
    debugger.close()
    assert function.invoke({"n": 4}).ok() == 8


def test_jdb_stops_a_java_function(create, pool, runtimes_dir, tmp_path, start_ahead):
    source = (
        "package app;\npublic class Main {\n    public int run(Integer n) {\n        int doubled = n * 2;\n"
        "        return doubled;\n    }\n}\n"
    )
    port = free_port()
    package = functions.compile_java({"app/Main.java": source}, runtimes_dir, tmp_path)
    function = create.java(package, "app.Main::run", **debugged(port))
    start_ahead(function)
    debugger = Jdb(port)
    assert eventually(lambda: "Initializing jdb" in debugger.text), debugger.text
    debugger.say("stop at app.Main:5")
    assert eventually(lambda: "Set breakpoint app.Main:5" in debugger.text), debugger.text
    running = pool.submit(function.invoke, 21)
    assert eventually(lambda: "Breakpoint hit" in debugger.text), debugger.text
    with pytest.raises(TimeoutError):
        running.result(3)
    debugger.say("where")
    assert eventually(lambda: "app.Main.run (Main.java:5)" in debugger.text), debugger.text
    debugger.say("cont")
    assert running.result(60).ok() == 42
    debugger.close()


def test_the_port_passes_on_to_the_next_environment(create, debugpy, start_ahead):
    port = free_port()
    function = create.python(PYTHON, **debugged(port))
    start_ahead(function)
    first = DebugAdapter(port).attach({})
    function.configure(Description="another deployment")
    start_ahead(function)
    second = eventually(lambda: attach_if_there(port, {"/var/task/app.py": [3]}))
    assert second
    first.close()
    second.close()


def test_ports_are_for_developers_only(create, another_server, runtimes, updraft):
    for port in ["80", "9001", str(updraft.port), "x", "65536", ""]:
        with refused(400, "InvalidParameterValueException", "UPDRAFT_DEBUG_PORT must be a port from 1024"):
            create.python(PYTHON, **debugged(port))
    source = (
        "import boto3\nfrom botocore.exceptions import ClientError\ndef handler(event, context):\n"
        "    try:\n        boto3.client('lambda').update_function_configuration(FunctionName=context.function_name,"
        " Environment={'Variables': {'UPDRAFT_DEBUG_PORT': '5999'}})\n"
        "    except ClientError as error:\n        return error.response['Error']['Code']\n"
    )
    function = create.python(source, Timeout=30, MemorySize=512)
    assert function.invoke().ok() == "AccessDeniedException"


def test_dev_debugs_what_was_saved(debugpy, executable, updraft, tmp_path, pool, lambda_):
    port, code = free_port(), tmp_path / "code"
    code.mkdir()
    (code / "app.py").write_text(PYTHON)
    arguments = ["--name", "dev-debugged", "--debug", str(port), "--timeout", "2"]
    session = Session(executable, arguments, code, updraft.client_environment())
    session.says(f"a debugger attaches at 127.0.0.1:{port}; {code} is /var/task there")
    session.says("UPDRAFT debugger can be attached")
    (code / "app.py").write_text("# saved\n" + PYTHON)
    session.says("UPDRAFT debugger can be attached", times=2)
    path = str(code / "app.py")
    debugger = DebugAdapter(port).attach({path: [5]}, local=str(code))
    running = pool.submit(functions.Function(lambda_, "dev-debugged").invoke, {"n": 2})
    thread, frame = debugger.stopped()
    assert (frame["line"], Path(frame["source"]["path"])) == (5, Path(path)), "paths are the developer's own"
    debugger.ask("continue", threadId=thread)
    assert running.result(60).ok()[0] == 4
    debugger.close()
    assert session.end() == 0
