"""What a developer does all day: save, invoke, read the log, look inside, run it again."""

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.dev import Session
from support.functions import ROLE, Factory, Function, Report
from support.server import eventually, free_port

ANSWERS = "def handler(event, context):\n    return {}\n"


@pytest.fixture
def hot(create, tmp_path):
    """Makes functions of directories that are used in place."""

    def make(files, *, runtime=None, handler="app.handler", **settings):
        directory = tmp_path / f"code-{len(create.made)}"
        directory.mkdir()
        for path, text in files.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(text)
        name = create.name("hot")
        create.client.create_function(
            FunctionName=name,
            Code={"S3Bucket": "hot-reload", "S3Key": str(directory)},
            Runtime=runtime or create.runtimes.python,
            Handler=handler,
            Role=ROLE,
            **settings,
        )
        create.made.append(name)
        return Function(create.client, name).wait(), directory

    return make


@pytest.fixture
def run(executable, updraft):
    """Runs a command of the program's against the session's server."""

    def run(*arguments, stdin=None, **environment):
        return subprocess.run(
            [executable, *arguments],
            env=updraft.client_environment() | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def is_warm(answer):
    return Report.of(answer.tail).init_ms is None


# ---- hot reload: exact, and warm while nothing changes


def test_a_hundred_edits_are_never_stale(hot):
    function, directory = hot({"app.py": ANSWERS.format(0)})
    app, other = directory / "app.py", directory / ".app.py.new"
    for n in range(1, 101):
        # Texts of the same size, as fast as it goes, in the two ways that editors save.
        if n % 2:
            app.write_text(ANSWERS.format(1000 + n))
        else:
            other.write_text(ANSWERS.format(1000 + n))
            other.rename(app)
        assert function.invoke().ok() == 1000 + n


def test_an_edit_that_hides_in_size_and_time_is_seen(hot):
    function, directory = hot({"app.py": ANSWERS.format(1)})
    app = directory / "app.py"
    for n in range(2, 10):
        before = app.stat()
        app.write_text(ANSWERS.format(n))
        os.utime(app, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert function.invoke().ok() == n


def test_an_unchanged_directory_stays_warm(hot):
    function, directory = hot({"app.py": "count = 0\ndef handler(e, c):\n    global count\n    count += 1\n    return count\n"})
    time.sleep(0.2)  # what was written just now could change again unseen: its environment serves one request
    assert function.tail().ok() == 1
    for n in range(2, 6):
        answer = function.tail()
        assert answer.ok() == n and is_warm(answer)
    (directory / "new.txt").write_text("anything at all")
    assert function.invoke().ok() == 1


def test_files_that_come_go_and_move_are_seen(hot):
    source = "import os\ndef handler(e, c):\n    return sorted(os.path.join(d, f) for d, _, fs in os.walk('.') for f in fs)\n"
    function, directory = hot({"app.py": source, "lib/a.txt": "a"})
    (directory / "link").symlink_to("lib")
    assert function.invoke().ok() == ["./app.py", "./lib/a.txt"]
    (directory / "lib/b.txt").write_text("b")
    assert "./lib/b.txt" in function.invoke().ok()
    (directory / "lib/b.txt").rename(directory / "lib/c.txt")
    assert function.invoke().ok() == ["./app.py", "./lib/a.txt", "./lib/c.txt"]
    (directory / "lib").rename(directory / "other")
    assert function.invoke().ok() == ["./app.py", "./link", "./other/a.txt", "./other/c.txt"]
    shutil.rmtree(directory / "other")
    assert function.invoke().ok() == ["./app.py", "./link"]


def test_a_directory_that_is_replaced_whole_is_seen(hot):
    """As bundlers do with their output."""
    function, directory = hot({"app.py": ANSWERS.format(1)})
    assert function.invoke().ok() == 1
    shutil.rmtree(directory)
    directory.mkdir()
    (directory / "app.py").write_text(ANSWERS.format(2))
    assert function.invoke().ok() == 2


def test_a_link_to_a_release_can_be_turned(hot, create, tmp_path):
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "app.py").write_text(ANSWERS.format(repr(release)))
    current = tmp_path / "current"
    current.symlink_to("one")
    function, _ = hot({"app.py": ""})
    create.client.update_function_code(FunctionName=function.name, S3Bucket="hot-reload", S3Key=str(current))
    function.wait()
    assert function.invoke().ok() == "one"
    current.unlink()
    current.symlink_to("two")
    assert function.invoke().ok() == "two"


def test_a_save_during_a_request_is_for_the_next(hot):
    slow = "import time\ndef handler(event, context):\n    time.sleep(event['seconds'])\n    return {}\n"
    function, directory = hot({"app.py": slow.format(1)})
    time.sleep(0.2)
    assert function.invoke({"seconds": 0}).ok() == 1
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(function.invoke, {"seconds": 1})
        time.sleep(0.3)
        (directory / "app.py").write_text(slow.format(2))
        assert function.invoke({"seconds": 0}).ok() == 2
        assert first.result().ok() == 1
    assert function.invoke({"seconds": 0}).ok() == 2


def test_bytecode_of_an_earlier_source_does_not_run(hot, create, executable):
    """Python itself would take it: size and whole seconds of the time are the same."""
    listed = subprocess.run([executable, "runtimes"], capture_output=True, text=True, check=True).stdout
    interpreter = re.search(rf"^\s*{re.escape(create.runtimes.python)}\s+(/\S+)", listed, re.M)[1]
    function, directory = hot({"app.py": "import part\ndef handler(e, c):\n    return part.value\n", "part.py": "value = 1\n"})
    part = directory / "part.py"
    subprocess.run([interpreter, "-m", "py_compile", str(part)], check=True)
    assert list(directory.glob("__pycache__/part*.pyc"))
    before = part.stat()
    part.write_text("value = 2\n")
    os.utime(part, ns=(before.st_atime_ns, before.st_mtime_ns))
    stale = subprocess.run([interpreter, "-c", "import part; print(part.value)"], cwd=directory, capture_output=True, text=True)
    assert stale.stdout == "1\n", "the trap is set"
    assert function.invoke().ok() == 2


def test_a_node_function_is_never_stale_either(hot, create):
    source = "exports.handler = async () => VALUE;\n"
    function, directory = hot({"index.js": source.replace("VALUE", "0")}, runtime=create.runtimes.node, handler="index.handler")
    for n in range(1, 11):
        (directory / "index.js").write_text(source.replace("VALUE", str(n)))
        assert function.invoke().ok() == n


# ---- updraft invoke


def test_invoke_prints_the_answer_and_nothing_else(create, run, tmp_path):
    function = create.python("def handler(event, context):\n    print('noise')\n    return event\n")
    (tmp_path / "event.json").write_text('{"from": "a file"}')
    for payload, stdin, answer in [
        ('{"a": 1.50}', None, '{"a": 1.5}\n'),
        (f"@{tmp_path}/event.json", None, '{"from": "a file"}\n'),
        ("-", "[1, 2]", "[1, 2]\n"),
        ("-1", None, "-1\n"),
    ]:
        done = run("invoke", function.name, "--payload", payload, stdin=stdin)
        assert (done.stdout, done.stderr, done.returncode) == (answer, "", 0)
    assert run("invoke", function.name).stdout == "{}\n"
    assert run("invoke", function.arn).stdout == "{}\n"


def test_invoke_tells_an_error_with_its_stack(create, run):
    function = create.python("def handler(event, context):\n    return 1 / event\n")
    done = run("invoke", function.name, "-p", "0")
    assert done.returncode == 1
    assert '"errorType": "ZeroDivisionError"' in done.stdout
    assert "ZeroDivisionError: division by zero\n" in done.stderr
    assert '  File "/var/task/app.py", line 2, in handler' in done.stderr
    assert f"updraft: {function.name} failed; request id " in done.stderr


def test_invoke_shows_the_log_if_asked(create, run):
    function = create.python("def handler(event, context):\n    print('to be seen')\n")
    done = run("invoke", function.name, "--tail")
    assert done.stdout == "null\n"
    assert "to be seen\n" in done.stderr and "REPORT RequestId: " in done.stderr


def test_invoke_of_versions_in_the_background_and_dry(create, run, lambda_, updraft):
    function = create.python("def handler(event, context):\n    return context.function_version\n")
    lambda_.publish_version(FunctionName=function.name)
    assert run("invoke", function.name, "-q", "1").stdout == '"1"\n'
    accepted = run("invoke", function.name, "--async")
    assert accepted.returncode == 0 and accepted.stdout == ""
    request_id = accepted.stderr.removeprefix("accepted: request id ").strip()
    assert eventually(lambda: "REPORT" in run("logs", function.name, "--request-id", request_id).stdout)
    dry = run("invoke", function.name, "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, "")


def test_invoke_says_what_is_wrong(create, run):
    for arguments, words, environment in [
        (["no-such"], "ResourceNotFoundException: Function not found", {}),
        (["f", "-p", "{"], "the event of --payload is not JSON: EOF while parsing", {}),
        (["f", "-p", "@/no/such"], "cannot read the event file /no/such", {}),
        (["f", "--endpoint", "http://127.0.0.1:1"], "no server answers at http://127.0.0.1:1; start one with", {}),
        (["f", "--endpoint", "https://aws"], "it must begin with http://", {}),
        (["f"], "AWS_ACCESS_KEY_ID=test", {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}),
        (["f"], "InvalidSignatureException: ", {"AWS_SECRET_ACCESS_KEY": "wrong"}),
    ]:
        done = run("invoke", *arguments, **environment)
        assert done.returncode == 1 and done.stdout == "", arguments
        assert words in done.stderr, arguments


# ---- updraft logs


def test_logs_of_a_time_a_pattern_and_a_request(create, run):
    function = create.python("def handler(event, context):\n    print('line', event)\n")
    function.invoke(1)
    second = function.invoke(2)
    assert eventually(lambda: run("logs", function.name).stdout.count("REPORT") == 2)
    log = run("logs", function.name, "--since", "5m").stdout
    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z line 1$", log, re.M)
    assert log.index("line 1") < log.index("line 2")
    filtered = run("logs", function.name, "--filter", '"line 2"').stdout.splitlines()
    assert len(filtered) == 1 and filtered[0].endswith("line 2")
    lines = run("logs", function.name, "--request-id", second.request_id).stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["START", "line", "END", "REPORT"]
    assert run("logs", function.name, "--since", "2000-01-01T00:00:00Z").stdout == log
    assert run("logs", function.name, "--since", "0s").stdout == ""


def test_logs_follow(create, updraft, executable):
    function = create.python("def handler(event, context):\n    print('line', event)\n")
    command = [executable, "logs", function.name, "--follow"]
    following = subprocess.Popen(command, env=updraft.client_environment(), stdout=subprocess.PIPE, text=True)
    seen = []
    reader = threading.Thread(target=lambda: seen.extend(following.stdout), daemon=True)
    reader.start()
    # It begins with what is written after its start, which cannot be seen from outside: hence more than one.
    numbers = itertools.count()
    assert eventually(lambda: function.invoke(next(numbers)).ok() or any("line" in line for line in seen))
    last = next(numbers)
    function.invoke(last)
    assert eventually(lambda: any(f"line {last}\n" in line for line in seen))
    following.send_signal(signal.SIGINT)
    assert following.wait(30) == 0
    reader.join()
    assert len(seen) == len(set(seen)), "every event once"


def test_logs_say_what_is_wrong(create, run):
    function = create.python("def handler(event, context):\n    pass\n")
    assert run("logs", "no-such").stderr.startswith("updraft: ResourceNotFoundException: ")
    assert "no event in /aws/lambda/" in run("logs", function.name, "--request-id", "x").stderr
    assert "use an age such as 30s" in run("logs", function.name, "--since", "yesterday").stderr
    assert "InvalidParameterException" in run("logs", function.name, "--filter", "{ $.").stderr


# ---- updraft dev


@pytest.fixture
def dev(executable, updraft, tmp_path):
    sessions = []

    def start(*arguments, files=None, environment=None, mode=0o755):
        directory = tmp_path / f"dev-{len(sessions)}"
        directory.mkdir(mode)
        for name, text in (files or {}).items():
            (directory / name).write_text(text)
        session = Session(executable, arguments, directory, updraft.client_environment() | (environment or {}))
        sessions.append(session)
        return session, directory

    yield start
    for session in sessions:
        session.process.kill()
        session.process.wait()


def test_dev_runs_a_hundred_saves_and_cleans_up(dev, lambda_):
    session, directory = dev("--name", "dev-hundred", files={"app.py": ANSWERS.format(0)})
    session.says("runs what is saved")
    assert "dev-hundred: app.handler of " in session.text
    function = Function(lambda_, "dev-hundred")
    for n in range(1, 101):
        (directory / "app.py").write_text(ANSWERS.format(1000 + n))
        assert function.invoke().ok() == 1000 + n
    session.says("saved app.py")
    assert session.end() == 0
    assert "dev-hundred is removed" in session.text
    with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
        lambda_.get_function(FunctionName="dev-hundred")


def test_dev_shows_logs_answers_and_errors(dev):
    source = "import os\ndef handler(event, context):\n    print('seen by', os.environ['WHO'])\n    return {}\n"
    arguments = ["--name", "dev-shows", "--event", '{"n": 1}', "--env", "WHO=ada", "--timeout", "5", "--memory", "256"]
    session, directory = dev(*arguments, files={"app.py": source.format("event")})
    session.says('{"n": 1}\n')
    session.says("seen by ada")
    session.says("Memory Size: 256 MB")
    (directory / "app.py").write_text(source.format("1 / 0"))
    session.says("saved app.py")
    session.says("ZeroDivisionError: division by zero\n")
    session.says('  File "/var/task/app.py", line 4, in handler\n    return 1 / 0')
    (directory / "app.py").write_text("def handler(event, context)\n    return 1\n")
    session.says("Runtime.UserCodeSyntaxError: Syntax error in module 'app': expected ':'")
    (directory / "app.py").write_text(source.format("'mended'"))
    session.says('"mended"\n')
    assert session.end() == 0


def test_dev_starts_a_server_where_none_is(dev, executable, runtimes_dir, tmp_path):
    port = free_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "UPDRAFT_DATA_DIR": str(tmp_path / "data"),
        "UPDRAFT_RUNTIMES_DIR": str(runtimes_dir),
    }
    session, _ = dev("--event", "1", files={"index.mjs": "export const handler = async (event) => event + 1;\n"}, environment=settings)
    session.says("no server answers at")
    session.says("dev-0: index.handler of ")
    session.says("\n2\n")
    assert session.end() == 0
    assert str(tmp_path / "data") not in Path("/proc/self/mountinfo").read_text()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the server has ended"


def test_dev_takes_up_its_own_and_leaves_others_alone(dev, create, lambda_):
    other = create.python(ANSWERS.format(1))
    session, _ = dev("--name", other.name, files={"app.py": ANSWERS.format(2)})
    assert session.process.wait(60) == 1
    session.says("there is a function of this name, with code of its own; choose another with --name")
    assert other.invoke().ok() == 1
    first, _ = dev("--name", "dev-kept", "--keep", files={"app.py": ANSWERS.format(3)})
    first.says("runs what is saved")
    assert first.end() == 0
    kept = Function(lambda_, "dev-kept")
    assert kept.invoke().ok() == 3
    second, _ = dev("--name", "dev-kept", files={"app.py": ANSWERS.format(4)})
    second.says("runs what is saved")
    assert kept.invoke().ok() == 4
    assert second.end() == 0


def test_dev_asks_for_what_it_cannot_guess(dev, run, tmp_path):
    session, _ = dev(files={"notes.txt": ""})
    assert session.process.wait(60) == 1
    session.says("give --runtime and --handler")
    closed, directory = dev(files={"app.py": ANSWERS.format(1)}, mode=0o700)
    closed.says(f"the function's user cannot read it; run chmod o+rx {directory}")
    assert "/no/such: No such file" in run("dev", "/no/such").stderr
    assert "give it as NAME=VALUE" in run("dev", "--env", "X").stderr


# ---- updraft events and replay


@pytest.fixture
def keeping(another_server, runtimes, executable):
    """A server that keeps events, functions on it, and commands against it."""

    class Keeping:
        def __init__(self, **settings):
            self.server = another_server(env={"UPDRAFT_KEEP_EVENTS": "1000"} | settings).start()
            self.create = Factory(self.server.client("lambda"), runtimes)

        def run(self, *arguments):
            command = [executable, *arguments]
            environment = self.server.client_environment()
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

        def events(self, *arguments):
            done = self.run("events", "--json", *arguments)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)["events"]

    return Keeping


GREETS = "def handler(event, context):\n    return {{'hello': event['name'], 'by': {}}}\n"


def test_an_event_runs_again_against_any_version(keeping):
    keeping = keeping()
    function = keeping.create.python(GREETS.format(1))
    function.client.publish_version(FunctionName=function.name)
    first = function.invoke({"name": "Ada"}, Qualifier="1")
    (kept,) = eventually(lambda: keeping.events(function.name))
    assert (kept["request_id"], kept["version"], kept["failed"]) == (first.request_id, "1", False)
    same = keeping.run("replay", first.request_id)
    assert same.returncode == 0 and "\nthe same answer\n" in same.stdout, same
    function.update(GREETS.format(2))
    other = keeping.run("replay", first.request_id)
    assert other.returncode == 0 and "\nanother answer\n" in other.stdout
    assert '"by": 1' in other.stdout and '"by": 2' in other.stdout
    assert any('"by": 1' in line and '"by": 2' in line for line in other.stdout.splitlines()), "side by side"
    again = json.loads(keeping.run("replay", first.request_id, "--qualifier", "1", "--json").stdout)
    assert again["event"] == {"name": "Ada"} and again["same"] is True
    assert again["then"]["answer"] == again["now"]["answer"] == {"hello": "Ada", "by": 1}
    assert (again["then"]["version"], again["now"]["version"]) == ("1", "1")
    next_ = keeping.create.python(GREETS.format(3))
    elsewhere = json.loads(keeping.run("replay", first.request_id, "--function", next_.name, "--json").stdout)
    assert elsewhere["now"]["answer"]["by"] == 3 and elsewhere["same"] is False


def test_failures_and_asynchronous_events_are_kept_too(keeping):
    keeping = keeping(UPDRAFT_ASYNC_RETRY_DELAY_SECS="3600")
    function = keeping.create.python("def handler(event, context):\n    return 1 / event\n")
    failed = function.invoke(0)
    function.invoke(4, InvocationType="Event")
    kept = eventually(lambda: len(found := keeping.events(function.name)) == 2 and found)
    assert [event["failed"] for event in kept] == [False, True]
    listed = keeping.run("events", function.name, "-n", "1").stdout
    assert kept[0]["request_id"] in listed and failed.request_id not in listed
    again = keeping.run("replay", failed.request_id)
    assert again.returncode == 1
    assert "ZeroDivisionError: division by zero" in again.stderr and "failed; request id" in again.stderr
    function.update("def handler(event, context):\n    return 'mended'\n")
    mended = keeping.run("replay", failed.request_id)
    assert mended.returncode == 0 and '"mended"' in mended.stdout and "another answer" in mended.stdout


def test_kept_events_survive_a_kill_and_go_with_a_reset(keeping):
    keeping = keeping()
    function = keeping.create.python(ANSWERS.format("event"))
    requests = [function.invoke(n).request_id for n in range(20)]
    eventually(lambda: len(keeping.events("-n", "100")) == 20)
    keeping.server.kill()
    keeping.server.start()
    assert [event["request_id"] for event in keeping.events("-n", "100")] == requests[::-1]
    reset = urllib.request.Request(f"{keeping.server.endpoint}/_updraft/reset", method="POST")
    urllib.request.urlopen(reset, timeout=60).close()
    assert keeping.events() == []


def test_kept_events_are_bounded(keeping):
    keeping = keeping(UPDRAFT_KEEP_EVENTS="5,1MB")
    function = keeping.create.python("def handler(event, context):\n    return 1\n")
    requests = [function.invoke(n).request_id for n in range(9)]
    newest = requests[:3:-1]
    assert eventually(lambda: [event["request_id"] for event in keeping.events()] == newest)
    large = function.invoke("x" * 700_000).request_id
    larger = function.invoke("y" * 700_000).request_id
    assert eventually(lambda: [event["request_id"] for event in keeping.events()] == [larger]), large


def test_no_event_is_kept_unasked_or_for_others_to_see(create, run, keeping):
    function = create.python(ANSWERS.format("event"))
    kept = run("events", function.name)
    assert kept.returncode == 1 and "this server keeps no events; start it with --keep-events" in kept.stderr
    assert "keeps no events" in run("replay", "x").stderr
    keeping = keeping()
    assert "no event of the request 'x' is kept" in keeping.run("replay", "x").stderr
    source = (
        "import os, urllib.request, urllib.error\n"
        "def handler(event, context):\n"
        "    try:\n"
        "        return urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/_updraft/lambda/events').status\n"
        "    except urllib.error.HTTPError as error:\n"
        "        return error.code\n"
    )
    assert keeping.create.python(source).invoke().ok() == 404, "functions see nothing of it"
    assert oct(keeping.server.data_dir.stat().st_mode & 0o777) == "0o700"
    keeping.server.stop()
    for wrong in ["0", "many", "1TB"]:
        done = run("serve", "--keep-events", wrong)
        assert done.returncode == 2 and "use a number of events such as 1000" in done.stderr


def test_completions_know_the_commands(run):
    script = run("completions", "bash").stdout
    for words in ["dev", "invoke", "logs", "events", "replay", "--qualifier", "--follow", "--debug-wait"]:
        assert words in script
    assert "secret" not in script, "credentials come from the environment alone"
