"""The house around the services: health, hooks, accounts, reset, settings, start and stop."""

import concurrent.futures
import json
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from support.cli import AWS
from support.functions import ROLE, Factory, Function
from support.refusals import refused
from support.server import environment, eventually, free_port

ECHO = "def handler(event, context):\n    return event\n"


def get(server, path, method="GET", headers=None):
    request = urllib.request.Request(server.endpoint + path, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def end_at_once(server, *, seconds=30):
    """Starts a server that is expected to refuse; gives its status and words."""
    done = subprocess.run(server.command(), env=environment(), capture_output=True, text=True, timeout=seconds)
    return done.returncode, done.stdout + done.stderr


# ---- health and info


@pytest.mark.parametrize("path", ["/_updraft/health", "/_localstack/health", "/health"])
def test_health_is_there_without_credentials(updraft, path):
    status, shown = get(updraft, path)
    assert status == 200
    assert {"lambda", "logs", "sts"} <= set(shown["services"])
    assert set(shown["services"].values()) <= {"running", "available"}
    assert shown["version"] and shown["edition"]


def test_info_is_localstack_shaped(updraft):
    status, shown = get(updraft, "/_localstack/info")
    assert status == 200
    assert {"version", "edition", "is_license_activated", "session_id", "machine_id", "system", "is_docker"} <= set(shown)
    assert shown["uptime"] >= 0


def test_an_unknown_endpoint_of_the_house_says_so(updraft):
    assert get(updraft, "/_updraft/nothing")[0] == 404


def test_status_and_runtimes_are_shown(updraft, executable, runtimes_dir, runtimes):
    command = [executable, "status", "--endpoint", updraft.endpoint]
    shown = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
    assert "isolation layer" in shown and "lambda" in shown and str(updraft.data_dir) in shown
    document = json.loads(subprocess.run([*command, "--json"], env=environment(), capture_output=True, check=True).stdout)
    assert {layer["name"] for layer in document["layers"]}
    command = [executable, "runtimes", "--runtimes-dir", runtimes_dir]
    shown = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
    assert runtimes.python in shown and runtimes.java in shown
    nobody = subprocess.run(
        [executable, "status", "--endpoint", f"http://127.0.0.1:{free_port()}"],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert nobody.returncode != 0 and "updraft serve" in nobody.stderr, "what happened and what to do next"


# ---- accounts


def test_a_twelve_digit_key_is_an_account_of_its_own(updraft, runtimes):
    one, two = (updraft.client("lambda", key=key) for key in ("111111111111", "222222222222"))
    functions = Factory(one, runtimes)
    function = functions.python(ECHO, FunctionName="mine")
    try:
        arn = one.get_function_configuration(FunctionName="mine")["FunctionArn"]
        assert arn == "arn:aws:lambda:us-east-1:111111111111:function:mine"
        with refused(404, "ResourceNotFoundException", "222222222222:function:mine"):
            two.get_function(FunctionName="mine")
        assert two.list_functions()["Functions"] == []
        assert function.invoke(1).ok() == 1
        assert updraft.client("sts", key="222222222222").get_caller_identity()["Account"] == "222222222222"
    finally:
        functions.remove_all()


def test_regions_are_apart(updraft, create):
    function = create.python(ECHO)
    with refused(404, "ResourceNotFoundException", f"arn:aws:lambda:eu-west-1:000000000000:function:{function.name}"):
        updraft.client("lambda", region="eu-west-1").get_function(FunctionName=function.name)


# ---- reset


def test_reset_forgets_what_it_is_asked_to(another_server, runtimes):
    server = another_server().start()
    lambdas = {key: server.client("lambda", key=key) for key in ("test", "111111111111")}
    logs = server.client("logs")

    def fill():
        for client in lambdas.values():
            if not client.list_functions()["Functions"]:
                assert Factory(client, runtimes).python(ECHO, FunctionName="f").invoke(1).ok() == 1

    def counts():
        functions = [len(client.list_functions()["Functions"]) for client in lambdas.values()]
        return functions, len(logs.describe_log_groups()["logGroups"])

    fill()
    assert eventually(lambda: counts() == ([1, 1], 1))
    assert get(server, "/_updraft/reset?account=111111111111", "POST")[0] == 200
    assert counts() == ([1, 0], 1)
    fill()
    assert get(server, "/_updraft/reset?service=lambda", "POST")[0] == 200
    assert counts() == ([0, 0], 1), "the logs stay"
    fill()
    assert get(server, "/_updraft/reset", "POST")[0] == 200
    assert counts() == ([0, 0], 0)
    assert not any((server.data_dir / "code").iterdir()) or eventually(lambda: not list((server.data_dir / "code").rglob("app.py")))
    fill()
    assert counts()[0] == [1, 1], "and everything works as before"
    assert get(server, "/_updraft/reset?service=nothing", "POST")[0] == 400
    assert get(server, "/_updraft/reset?account=me", "POST")[0] == 400
    assert counts()[0] == [1, 1], "a refusal resets nothing"
    assert get(server, "/_updraft/reset")[0] in (404, 405), "reading resets nothing"


def test_what_a_node_sends_is_no_administration(another_server):
    """A tenant may have a node send requests; that they come from this machine then must not count."""
    server = another_server().start()
    for hops in ("1", "17", "none", "0"):
        through = {"x-updraft-hops": hops}
        assert get(server, "/_updraft/reset", "POST", through)[0] in (403, 508), hops
        assert get(server, "/_updraft/status", headers=through)[0] in (404, 508), hops
    assert get(server, "/_updraft/health", headers={"x-updraft-hops": "1"})[0] == 200, "what is everybody's stays so"
    assert get(server, "/_updraft/status")[0] == 200


# ---- hooks


def test_hooks_run_in_order_with_endpoint_and_credentials(another_server, executable):
    server = another_server()
    hooks = server.data_dir / "init" / "ready.d"
    hooks.mkdir(parents=True)
    aws = AWS(server).program[0]
    (hooks / "01_group.sh").write_text(f"{aws} logs create-log-group --log-group-name /from/hook\n")
    (hooks / "02_fail.sh").write_text("exit 3\n")
    (hooks / "03_file.py").write_text(
        "import os, pathlib\npathlib.Path(__file__).with_name('out').write_text(os.environ['AWS_ENDPOINT_URL'])\n"
    )
    (hooks / "notes.txt").write_text("exit 1\n")
    server.start()
    assert eventually(lambda: get(server, "/_localstack/init/ready")[1]["completed"])
    scripts = get(server, "/_localstack/init")[1]["scripts"]
    shown = [(one["stage"], one["name"], one["state"]) for one in scripts]
    assert shown == [
        ("READY", "01_group.sh", "SUCCESSFUL"),
        ("READY", "02_fail.sh", "ERROR"),
        ("READY", "03_file.py", "SUCCESSFUL"),
    ], server.log_text()
    assert (hooks / "out").read_text() == server.endpoint
    groups = server.client("logs").describe_log_groups()["logGroups"]
    assert [one["logGroupName"] for one in groups] == ["/from/hook"]
    assert server.stop() == 0


# ---- settings


def test_a_config_file_is_read_and_flags_are_stronger(another_server, executable, tmp_path):
    server = another_server()
    config = tmp_path / "updraft.toml"
    config.write_text('listen = ["127.0.0.1:1"]\negress = "none"\nkeep_alive_secs = 5\n')
    server.arguments = ["--config", str(config)]
    with server:
        assert get(server, "/_updraft/health")[0] == 200
    config.write_text("no_such_setting = 1\n")
    status, words = end_at_once(server)
    assert status != 0 and "no_such_setting" in words and str(config) in words
    server.arguments = ["--config", "/nowhere.toml"]
    status, words = end_at_once(server)
    assert status != 0 and "/nowhere.toml" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--egress", "everywhere"], "nat or none"),
        (["--isolation", "hope"], "sandbox or process"),
        (["--region", "Middle Earth"], "Middle Earth"),
        (["--log", "=nonsense="], "--log =nonsense="),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_wrong_setting_is_refused_at_once(another_server, arguments, words):
    status, said = end_at_once(another_server(arguments=arguments))
    assert status != 0 and words in said


def test_test_credentials_are_not_for_the_network(another_server):
    server = another_server()
    server.arguments = ["--listen", f"0.0.0.0:{free_port()}"]
    status, words = end_at_once(server)
    assert status != 0
    assert "test/test" in words and "--test-credentials=false" in words
    server.arguments += ["--test-credentials", "false"]
    with server:
        assert get(server, "/_updraft/health")[0] == 200
        with refused(403, "UnrecognizedClientException"):
            server.client("lambda").list_functions()
        with refused(403, "UnrecognizedClientException"):
            server.client("lambda", key="111111111111").list_functions()


def test_two_servers_do_not_share_a_directory_or_a_port(updraft, another_server):
    second = another_server()
    second.data_dir = updraft.data_dir
    status, words = end_at_once(second)
    assert status != 0 and "another updraft" in words, words
    third = another_server("third")
    third.port = updraft.port
    status, words = end_at_once(third)
    assert status != 0 and str(updraft.port) in words and "--listen" in words
    assert get(updraft, "/_updraft/health")[0] == 200, "the first one does not notice"


def test_process_isolation_says_that_it_is_none(another_server, runtimes):
    server = another_server(arguments=["--isolation", "process"])
    with server:
        assert "isolated from NOTHING" in server.log_text()
        functions = Factory(server.client("lambda"), runtimes)
        assert functions.python(ECHO).invoke({"n": 1}).ok() == {"n": 1}
        source = "exports.handler = async (event) => event;"
        assert functions.node(source, file="index.js").invoke(2).ok() == 2


def test_egress_none_leaves_the_endpoint(another_server, runtimes):
    server = another_server(arguments=["--egress", "none"])
    source = """
import boto3, socket
def handler(event, context):
    try:
        socket.create_connection(("192.0.2.1", 80), 2)
        outside = "reached"
    except OSError as error:
        outside = error.strerror or str(error)
    return {"me": boto3.client("sts").get_caller_identity()["Account"], "outside": outside}
"""
    with server:
        told = Factory(server.client("lambda"), runtimes).python(source, MemorySize=512, Timeout=30).invoke().ok()
        assert told["me"] == "000000000000"
        assert told["outside"] == "Network is unreachable"


# ---- start, stop, restart


def test_sigterm_lets_requests_end_and_refuses_new_ones(another_server, runtimes):
    server = another_server().start()
    function = Factory(server.client("lambda"), runtimes).python(
        "import time\ndef handler(n, c):\n    time.sleep(n)\n    return n\n"
    )
    function.invoke(0).ok()
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        running = [pool.submit(function.invoke, 2) for _ in range(4)]
        time.sleep(0.7)
        assert pool.submit(server.stop).result() == 0
        assert [one.result().ok() for one in running] == [2] * 4
    with pytest.raises(OSError):
        urllib.request.urlopen(server.endpoint + "/health", timeout=2)
    server.assert_nothing_is_left()


def test_a_restart_keeps_everything(another_server, runtimes):
    server = another_server()
    with server:
        function = Factory(server.client("lambda"), runtimes).python(ECHO, Publish=True, Tags={"a": "b"})
        assert function.invoke(1).ok() == 1
        before = server.client("lambda").get_function(FunctionName=function.name)
        server.client("logs").put_retention_policy(logGroupName=function.log_group, retentionInDays=7)
    with server:
        after = server.client("lambda").get_function(FunctionName=function.name)
        assert after["Configuration"] == before["Configuration"]
        assert after["Tags"] == {"a": "b"}
        assert function.invoke(2).ok() == 2
        assert function.invoke(3, Qualifier="1").ok() == 3
        (group,) = server.client("logs").describe_log_groups()["logGroups"]
        assert group["retentionInDays"] == 7
        events = server.client("logs").filter_log_events(logGroupName=function.log_group, filterPattern="REPORT")["events"]
        assert len(events) >= 3


def test_a_running_function_can_be_replaced_by_hot_reload(create, tmp_path):
    source = tmp_path / "code"
    source.mkdir()
    (source / "app.py").write_text("def handler(e, c):\n    return 1\n")
    code = {"S3Bucket": "hot-reload", "S3Key": str(source)}
    name = create.name("hot")
    create.client.create_function(
        FunctionName=name, Code=code, Runtime=create.runtimes.python, Handler="app.handler", Role=ROLE
    )
    create.made.append(name)
    function = Function(create.client, name).wait()
    assert function.invoke().ok() == 1
    (source / "app.py").write_text("def handler(e, c):\n    return 2\n")
    assert function.invoke().ok() == 2
    with refused(400, "InvalidParameterValueException", "hot-reload"):
        create.client.update_function_code(FunctionName=name, S3Bucket="hot-reload", S3Key="relative")


def test_a_request_id_is_on_every_answer(updraft):
    seen = updraft.client("lambda").list_functions()["ResponseMetadata"]
    assert seen["RequestId"] and seen["HTTPHeaders"]["x-amzn-requestid"] == seen["RequestId"]
