"""`kill -9` of the server under load: on restart everything that was acknowledged is there, and nothing of the old one is."""

import concurrent.futures
import json
import os
import random
import threading
import time
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support.code import zip_of
from support.functions import ROLE, Factory
from support.server import eventually

# An event that ran when the server died waits a second, and as much longer as that happens to it again.
DELIVERY_SECONDS_MAX = 90

# How long asynchronous events are sent while the server is killed again and again. `make torture` says longer.
TORTURE_SECONDS = float(os.environ.get("UPDRAFT_TORTURE_SECONDS", "8"))

EVENTS = """
import json, time
def handler(event, context):
    print(json.dumps({"event": event["n"], "id": context.aws_request_id}))
    time.sleep(event["seconds"])
"""


def namespaces(lines):
    """The network namespaces of processes listed as `PID: command`."""
    found = set()
    for line in lines:
        try:
            found.add(os.readlink(f"/proc/{line.split(':')[0]}/ns/net"))
        except OSError:
            pass
    return found - {os.readlink("/proc/self/ns/net")}


def namespaces_in_use():
    found = set()
    for entry in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add(os.readlink(entry))
        except OSError:
            pass
    return found


class Load:
    """Clients that write and call until the server is gone, and remember what was acknowledged."""

    def __init__(self, server, runtimes):
        self.server, self.runtimes = server, runtimes
        self.functions, self.lines, self.events = [], [], {}
        self.client, self.logs = server.client("lambda"), server.client("logs")

    def prepare(self):
        factory = Factory(self.client, self.runtimes)
        self.events_function = factory.python(EVENTS, FunctionName="events", Timeout=30)
        self.sleeper = factory.python("import time\ndef handler(n, c):\n    time.sleep(n)\n    return n\n", FunctionName="sleeper")
        node = "exports.handler = async (n) => { console.log('node was called'); return n; };"
        self.node = factory.node(node, file="index.js", FunctionName="node")
        assert (self.node.invoke(7).ok(), self.sleeper.invoke(0).ok()) == (7, 0)
        self.logs.create_log_group(logGroupName="/load")
        self.logs.create_log_stream(logGroupName="/load", logStreamName="s")

    def create_function(self, n):
        code = zip_of({"app.py": f"def handler(e, c):\n    return {n}\n"})
        name = f"created-{n}"
        self.client.create_function(
            FunctionName=name, Runtime=self.runtimes.python, Handler="app.handler", Role=ROLE, Code={"ZipFile": code}
        )
        self.functions.append((name, n))

    def put_line(self, n):
        event = {"timestamp": int(time.time() * 1000), "message": f"line {n}"}
        self.logs.put_log_events(logGroupName="/load", logStreamName="s", logEvents=[event])
        self.lines.append(f"line {n}")

    def send_event(self, n):
        answer = self.events_function.invoke({"n": n, "seconds": n % 3}, InvocationType="Event")
        self.events[n] = answer.request_id
        time.sleep(0.01)

    def call(self, n):
        self.sleeper.invoke(0.2)

    def until_gone(self, action, stop):
        for n in range(10_000):
            if stop.is_set():
                return
            try:
                action(n)
            except (BotoCoreError, ClientError, OSError):
                return

    def run_and_kill(self, seconds):
        stop = threading.Event()
        actions = [self.create_function, self.put_line, self.send_event, self.call, self.call]
        with concurrent.futures.ThreadPoolExecutor(len(actions)) as pool:
            for action in actions:
                pool.submit(self.until_gone, action, stop)
            time.sleep(seconds)
            before = self.server.processes()
            self.server.kill()
            stop.set()
        return before


@pytest.fixture
def crashed(another_server, runtimes):
    """A server that was killed under load, with its load. It is not running."""
    server = another_server().start()
    load = Load(server, runtimes)
    load.prepare()
    before = load.run_and_kill(3)
    assert len(before) > 5, "there was something to leave behind"
    return server, load, before


def test_everything_acknowledged_is_there_and_nothing_of_the_old_server_is(crashed):
    server, load, before = crashed
    inside = namespaces(before)
    assert load.functions and load.lines and load.events
    # The spawner ends with its server; no restart is needed for that.
    assert eventually(lambda: not server.processes(), 10), server.processes()
    assert not inside & namespaces_in_use()
    assert not server.mounts()
    with server:
        check_functions(load)
        check_lines(load)
        check_events(load)
        old = {line.split(":")[0] for line in before}
        assert not old & {line.split(":")[0] for line in server.processes()}
    # Leaving the block checked that after a clean stop nothing is left either, the crashed server's things included.


def check_functions(load):
    for name, value in load.functions:
        shown = load.client.get_function_configuration(FunctionName=name)
        assert shown["State"] in ("Active", "Pending"), shown
    for name, value in load.functions[-5:] + load.functions[:5]:
        load.client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
        answer = load.client.invoke(FunctionName=name)
        assert json.load(answer["Payload"]) == value
    assert load.node.invoke("again").ok() == "again"


def messages(load, group, pattern=""):
    pages = load.logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern=pattern)
    return [event["message"] for page in pages for event in page["events"]]


def check_lines(load):
    kept = messages(load, "/load")
    assert kept[: len(load.lines)] == load.lines, "every acknowledged line, in order"
    assert len(kept) <= len(load.lines) + 1, "and no more than the one that was under way"


def check_events(load):
    def missing():
        seen = [json.loads(line) for line in messages(load, "/aws/lambda/events", "{ $.event = * }")]
        ran = {(one["event"], one["id"]) for one in seen}
        return set(load.events.items()) - ran

    assert not eventually(lambda: not missing(), DELIVERY_SECONDS_MAX, 0.5, give=missing), missing()


def start_again(server):
    """Starts a killed server. Meanwhile its port is anybody's: a connection of another program may have it for a while."""

    def started():
        try:
            return server.start()
        except AssertionError as error:
            if "Address already in use" not in "".join(str(error).splitlines()[-3:]):
                raise
            return None

    assert eventually(started, 60, 0.3), "the port stays in use"


WORKER = """
def handler(event, context):
    if event["n"] % 5 == 0:
        raise ValueError(event["n"])
    return event["n"]
"""

RECORDER = """
import json
def handler(event, context):
    told = event["requestContext"]
    print(json.dumps({"told": told["requestId"], "condition": told["condition"]}))
"""

# Threads that send events, and how long each waits after one: what was accepted has to be worked off, too.
SENDERS = 4
SENDER_PAUSE_SECONDS = 0.02


class Senders:
    """Threads that send events while there is a server to send them to, and remember which were accepted."""

    def __init__(self, function):
        self.function, self.accepted = function, {}
        # Nobody connects while there is nobody to connect to: a socket that tries may end up connected to itself, on the port.
        self.up, self.stop = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=self._send, args=(first,), daemon=True) for first in range(1, SENDERS + 1)]
        for thread in self.threads:
            thread.start()

    def _send(self, first):
        for n in range(first, 1_000_000, SENDERS):
            self.up.wait()
            if self.stop.is_set():
                return
            try:
                self.accepted[self.function.invoke({"n": n}, InvocationType="Event").request_id] = n
            except (BotoCoreError, ClientError, OSError):
                pass
            time.sleep(SENDER_PAUSE_SECONDS)

    def end(self):
        self.stop.set()
        self.up.set()
        for thread in self.threads:
            thread.join()


class Told:
    """What the recorder's log says, read as it grows."""

    # Lines are in the order of their times but for those of sandboxes that ran at the same time.
    OVERLAP_MS = 60_000

    def __init__(self, logs, group):
        self.logs, self.group = logs, group
        self.lines, self.latest = {}, 0

    def read(self):
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=self.group, filterPattern="{ $.told = * }", startTime=max(0, self.latest - self.OVERLAP_MS)
        )
        for page in pages:
            for event in page["events"]:
                one = json.loads(event["message"])
                self.lines[event["eventId"]] = (one["told"], one["condition"])
                self.latest = max(self.latest, event["timestamp"])
        ends = {}
        for id, condition in self.lines.values():
            ends.setdefault(id, set()).add(condition)
        return ends


def total(server, function, name):
    """The sum of one of a function's metrics within the last day."""
    shown = server.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=name,
        Dimensions=[{"Name": "FunctionName", "Value": function.name}],
        StartTime=time.time() - 86_400,
        EndTime=time.time() + 60,
        Period=86_400,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in shown["Datapoints"])


def kill_and_start(server, chance):
    """A kill, and the start after it; one in ten starts is killed as well, somewhere on its way. Gives the number of kills."""
    kills = 1
    server.kill()
    while chance.random() < 0.1:
        server.launch()
        time.sleep(chance.uniform(0, 0.15))
        server.kill()
        kills += 1
    start_again(server)
    return kills


def test_every_accepted_event_comes_to_an_end_however_often_the_server_is_killed(another_server, runtimes):
    """A success, or a failure after all retries: each is told to a destination, which is an event itself."""
    seed = int(os.environ.get("UPDRAFT_TORTURE_SEED", time.time()))
    chance = random.Random(seed)
    arguments = ["--async-retry-delay-secs", "0", "--pool-python", "1", "--pool-node", "0", "--pool-java", "0"]
    server = another_server(arguments=arguments).start()
    factory = Factory(server.client("lambda", retries={"max_attempts": 0}), runtimes)
    # On a busy machine three seconds may pass where nothing happens: that would be a failure, and another end.
    worker = factory.python(WORKER, FunctionName="worker", Timeout=60)
    recorder = factory.python(RECORDER, FunctionName="recorder", Timeout=60)
    server.client("logs").create_log_group(logGroupName=recorder.log_group)
    destination = {"Destination": recorder.arn}
    factory.client.put_function_event_invoke_config(
        FunctionName=worker.name, DestinationConfig={"OnSuccess": destination, "OnFailure": destination}
    )
    senders = Senders(worker)
    kills, began = 0, time.monotonic()
    try:
        while time.monotonic() < began + TORTURE_SECONDS:
            senders.up.set()
            # From 20 ms to 1.3 s, the shorter the likelier.
            time.sleep(0.02 * 64 ** chance.random())
            senders.up.clear()
            kills += kill_and_start(server, chance)
    finally:
        killed_for = time.monotonic() - began
        senders.up.clear()
        server.kill()
        senders.end()
    accepted = senders.accepted
    print(f"\nseed {seed}: {kills} kills in {killed_for:.0f} s, {len(accepted)} events accepted")
    assert kills and accepted
    told = Told(server.client("logs"), recorder.log_group)

    def missing():
        return accepted.keys() - told.read().keys()

    with server:
        # Some have been made to wait by every kill, but none longer than it is old, or five minutes.
        began = time.monotonic()
        left = eventually(lambda: not missing(), 2 * DELIVERY_SECONDS_MAX + TORTURE_SECONDS, 1, give=missing) or set()
        repeated = len(told.lines) - len(set(told.lines.values()))
        print(f"all but {len(left)} ended after {time.monotonic() - began:.0f} s more; {repeated} were told more than once")
        # A drop that is counted but not told is no end either: there is a destination, and it takes everything.
        counted = {name: total(server, worker, name) for name in ("AsyncEventsDropped", "DestinationDeliveryFailures")}
        assert not left, f"{len(left)} of {len(accepted)} events came to no end, as {sorted(left)[:3]}; counted: {counted}"
        ends, found = {id: {"Success" if n % 5 else "RetriesExhausted"} for id, n in accepted.items()}, told.read()
        wrong = {id: found[id] for id, end in ends.items() if found[id] != end}
        assert not wrong, f"{len(wrong)} events came to another end than theirs, as {sorted(wrong.items())[:3]}"


def test_crash_after_crash(another_server, runtimes):
    """Killed at once after the start, in the middle of a start, and again: it always comes back."""
    server = another_server()
    server.start()
    function = Factory(server.client("lambda"), runtimes).python("def handler(e, c):\n    return e\n")
    server.kill()
    for _ in range(3):
        server.start()
        assert function.invoke(1).ok() == 1
        server.kill()
    with server:
        assert function.invoke(2).ok() == 2


def test_a_dead_spawner_is_replaced(another_server, runtimes):
    """The process that makes sandboxes is killed; the server makes a new one."""
    server = another_server()
    with server:
        function = Factory(server.client("lambda"), runtimes).python("def handler(e, c):\n    return e\n")
        assert function.invoke(1).ok() == 1
        spawners = [line for line in server.processes() if "__spawner" in line]
        os.kill(int(spawners[0].split(":")[0]), 9)
        assert eventually(lambda: works(function), 20)


def works(function):
    try:
        return function.invoke(2).ok() == 2
    except (AssertionError, ClientError):
        return False
