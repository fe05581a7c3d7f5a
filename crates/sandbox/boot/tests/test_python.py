"""The Python boot file: handler semantics, error shapes, logging. Interpreter: `UPDRAFT_TEST_PYTHON`, else this one.

With `UPDRAFT_TEST_AWSLAMBDARIC` (an interpreter that has the package `awslambdaric`) the same functions also run under
AWS's own client, and the answers must be equal.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from harness import BOOT, Runtime, Task
from runtime_api import Exchange

PYTHON = os.environ.get("UPDRAFT_TEST_PYTHON", sys.executable)
OFFICIAL = os.environ.get("UPDRAFT_TEST_AWSLAMBDARIC")
VERSION = os.popen("%s -c 'import sys; print(\"%%d.%%d\" %% sys.version_info[:2])'" % PYTHON).read().strip()


def start(import_set="common", *arguments, env=None):
    return Runtime([PYTHON, "-I", "-S", os.path.join(BOOT, "python", "boot.py"), import_set, *arguments], env)


def run(source, payload=None, handler="app.handler", env=None, files=None, **header):
    """One event through a fresh runtime: the answer (to the settings if they fail), logs, output."""
    with Task({"app.py": source, **(files or {})}) as task, start("none") as runtime:
        runtime.parked()
        answer = runtime.init(task, handler, env)
        if answer and answer.kind == "K":
            answer = runtime.invoke(payload, **header)
        return answer, runtime.logs(), runtime.output.text()


# name: (source, handler, payload, environment)
SAME_AS_AWS = {
    "echo": ("def handler(e, c):\n    return e\n", "app.handler", {"k": ["é", 1.5, None, True]}, {}),
    "none": ("def handler(e, c):\n    pass\n", "app.handler", {}, {}),
    "decimal": (
        "from decimal import Decimal as D\ndef handler(e, c):\n    return [D('1.10'), {'n': D('NaN')}, D('1E+3')]\n",
        "app.handler", {}, {},
    ),
    "nan": ("def handler(e, c):\n    return [float('nan'), float('inf'), -float('inf')]\n", "app.handler", {}, {}),
    "bytes": ("def handler(e, c):\n    return b'raw \\xff'\n", "app.handler", {}, {}),
    "nested bytes": ("def handler(e, c):\n    return {'b': b'text'}\n", "app.handler", {}, {}),
    "escaped": ("def handler(e, c):\n    return 'é'\n", "app.handler", {}, {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.11"}),
    "unescaped": ("def handler(e, c):\n    return 'é'\n", "app.handler", {}, {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}),
    "set": ("def handler(e, c):\n    return {1}\n", "app.handler", {}, {}),
    "async": ("async def handler(e, c):\n    return 1\n", "app.handler", {}, {}),
    "raise": ("def inner():\n    raise KeyError('k')\ndef handler(e, c):\n    inner()\n", "app.handler", {}, {}),
    "own error": ("class Own(Exception): pass\ndef handler(e, c):\n    raise Own('é')\n", "app.handler", {}, {}),
    "empty error": ("def handler(e, c):\n    raise ValueError()\n", "app.handler", {}, {}),
    "directory": ("", "lib/mod.handler", 7, {}),
    "package": ("", "lib.mod.handler", 7, {}),
    "no module": ("", "nope.handler", {}, {}),
    "missing import": ("import nope\n", "app.handler", {}, {}),
    "no handler": ("", "app.nope", {}, {}),
    "malformed": ("", "handler", {}, {}),
    "built-in": ("", "sys.handler", {}, {}),
    "syntax": ("def handler(e, c:\n    pass\n", "app.handler", {}, {}),
    "init raises": ("1 / 0\n", "app.handler", {}, {}),
    "context": (
        "import os\ndef handler(e, c):\n    return [c.aws_request_id, c.function_name, c.function_version, c.log_group_name,"
        " c.log_stream_name, c.memory_limit_in_mb, c.invoked_function_arn, c.tenant_id, c.identity.cognito_identity_id,"
        " c.client_context, c.get_remaining_time_in_millis() > 0, os.environ.get('_X_AMZN_TRACE_ID'), os.getcwd()]\n",
        "app.handler", {}, {},
    ),
}
FILES = {"lib/mod.py": "def handler(e, c):\n    return e + 1\n", "lib/__init__.py": ""}


def without_host(text):
    """The text without what differs by installation: the interpreter's library paths and line numbers in it."""
    return re.sub(r'File \\"[^"]*/importlib/__init__.py\\", line \d+', "importlib", text)


class SameAsAws(unittest.TestCase):
    @unittest.skipUnless(OFFICIAL, "UPDRAFT_TEST_AWSLAMBDARIC is not set")
    def test_answers_are_equal(self):
        for name, (source, handler, payload, env) in SAME_AS_AWS.items():
            with self.subTest(name):
                self._compare(source, handler, payload, env)

    def _compare(self, source, handler, payload, env):
        with Task({"app.py": source, **FILES}) as task, start("none") as runtime:
            ours = runtime.parked().init(task, handler, env)
            if ours.kind == "K":
                ours = runtime.invoke(payload, deadline_ms=4000000000000)
            fixed = {
                "LAMBDA_TASK_ROOT": task, "PYTHONPATH": task, "AWS_LAMBDA_FUNCTION_NAME": "fn", "TZ": ":UTC",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn", "PYTHONDONTWRITEBYTECODE": "1",
                "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
            }
            body = json.dumps(payload).encode()
            theirs = Exchange([OFFICIAL, "-m", "awslambdaric", handler], {**fixed, **env}, body)
            self.assertEqual(theirs.kind, ours.kind, theirs.output)
            self.assertEqual(without_host(theirs.body.decode("latin1")), without_host(ours.body.decode("latin1")))


class Results(unittest.TestCase):
    def test_echo_and_a_second_event(self):
        with Task({"app.py": "n = 0\ndef handler(e, c):\n    global n; n += 1\n    return [n, e]\n"}) as task, start() as rt:
            self.assertEqual("K", rt.parked().init(task, "app.handler").kind)
            self.assertEqual([1, {"a": "é"}], rt.invoke({"a": "é"}).json)
            self.assertEqual([2, None], rt.invoke(None).json)

    def test_settings_and_event_arrive_together(self):
        with Task({"app.py": "def handler(e, c):\n    return e\n"}) as task, start("none") as rt:
            rt.parked().send_init(task, "app.handler")
            rt.send_event(1)
            rt.send_event("x" * 3_000_000)
            self.assertEqual("K", rt.receive().kind)
            self.assertEqual(b"1", rt.receive().body)
            self.assertEqual(3_000_002, len(rt.receive().body))

    def test_decimals_keep_their_digits(self):
        answer, _, _ = run("import decimal\ndef handler(e, c):\n    return {'d': decimal.Decimal('1.10')}\n")
        self.assertEqual(b'{"d": 1.10}', answer.body)

    def test_bad_payload(self):
        answer, _, _ = run("def handler(e, c):\n    return e\n", payload=b"{")
        self.assertEqual("Runtime.UnmarshalError", answer.json["errorType"])

    def test_client_context_identity_and_tenant(self):
        source = (
            "def handler(e, c):\n    return [c.client_context.custom, c.client_context.client.app_title, c.client_context.env,"
            " c.identity.cognito_identity_id, c.tenant_id, c.w3c()]\n"
        )
        answer, _, _ = run(
            source, client_context='{"custom":{"a":1},"client":{"app_title":"t"},"w3c":{"traceparent":"00"}}',
            cognito_identity='{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}', tenant_id="blue",
        )
        self.assertEqual([{"a": 1}, "t", None, "i", "blue", {"traceparent": "00"}], answer.json)

    def test_bad_client_context(self):
        answer, _, _ = run("def handler(e, c):\n    return 1\n", client_context="{")
        self.assertEqual("Runtime.LambdaContextUnmarshalError", answer.json["errorType"])

    def test_trace_id_follows_the_event(self):
        source = "import os\ndef handler(e, c):\n    return os.environ.get('_X_AMZN_TRACE_ID')\n"
        with Task({"app.py": source}) as task, start("none") as rt:
            rt.parked().init(task, "app.handler")
            self.assertEqual("Root=1", rt.invoke(trace_id="Root=1").json)
            self.assertIsNone(rt.invoke().json)


class Errors(unittest.TestCase):
    def test_import_error_document_and_log(self):
        answer, logs, _ = run("", handler="nope.handler")
        self.assertEqual("X", answer.kind)
        self.assertEqual(
            {
                "errorMessage": "Unable to import module 'nope': No module named 'nope'",
                "errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": [],
            },
            answer.json,
        )
        self.assertIn("LAMBDA_WARNING: Unhandled exception.", logs[0][1])
        self.assertEqual(
            "[ERROR] Runtime.ImportModuleError: Unable to import module 'nope': No module named 'nope'\n"
            "Traceback (most recent call last):", logs[1][1],
        )

    def test_types_of_init_errors(self):
        for handler, kind in {
            "handler": "MalformedHandlerName", "app.nope": "HandlerNotFound", "bad.handler": "UserCodeSyntaxError",
            "sys.exit": "BuiltInModuleConflict", "app.py/x.y": "ImportModuleError",
        }.items():
            answer, _, _ = run("", handler=handler, files={"bad.py": "def\n"})
            self.assertEqual(("X", "Runtime." + kind), (answer.kind, answer.json["errorType"]), handler)

    def test_handler_error_keeps_the_process(self):
        with Task({"app.py": "def handler(e, c):\n    return 1 / e\n"}) as task, start("none") as rt:
            rt.parked().init(task, "app.handler")
            error = rt.invoke(0)
            self.assertEqual("F", error.kind)
            self.assertEqual("division by zero", error.json["errorMessage"])
            self.assertEqual("ZeroDivisionError", error.json["errorType"])
            self.assertEqual("11111111-2222-3333-4444-555555555555", error.json["requestId"])
            self.assertEqual(
                ['  File "%s/app.py", line 2, in handler\n    return 1 / e\n' % task], error.json["stackTrace"]
            )
            self.assertEqual(0xA55A0017, rt.logs()[0][0])
            self.assertEqual(0.5, rt.invoke(2).json)

    def test_exits_end_the_process_with_their_status(self):
        for source, status in {
            "def handler(e, c):\n    raise SystemExit(3)\n": 3,
            "import os\ndef handler(e, c):\n    os._exit(4)\n": 4,
            "def handler(e, c):\n    exit(0)\n": 0,
            "class Own(BaseException): pass\ndef handler(e, c):\n    raise Own()\n": 1,
            "import sys\nsys.exit(5)\n": 5,
        }.items():
            with Task({"app.py": source}) as task, start("none") as rt:
                rt.parked().send_init(task, "app.handler")
                rt.send_event(None)
                answer = rt.receive()
                if answer is not None:
                    self.assertEqual("K", answer.kind)
                    self.assertIsNone(rt.receive())
                self.assertEqual(status, rt.exit_status(), source)


class Logging(unittest.TestCase):
    SOURCE = (
        "import logging\nlog = logging.getLogger()\ndef handler(e, c):\n    print('out')\n    log.info('quiet')\n"
        "    log.warning('loud %d', 1, extra={'k': 'v'})\n    c.log('plain')\n"
    )

    def test_text(self):
        answer, logs, output = run(self.SOURCE)
        self.assertEqual((b"null", "out\n"), (answer.body, output))
        self.assertRegex(
            logs[0][1], r"^\[WARNING\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t11111111-[-\d]+\tloud 1\n$"
        )
        self.assertEqual((0xA55A0003, "plain"), logs[1])
        self.assertEqual(2, len(logs))

    def test_json(self):
        _, logs, _ = run(self.SOURCE, env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"})
        self.assertEqual([0xA55A000E, 0xA55A0012, 0xA55A0003], [kind for kind, _ in logs])
        record = json.loads(logs[1][1])
        at = record.pop("timestamp")
        self.assertRegex(at, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual("v", record.pop("k"))
        record.pop("taskName", None)
        self.assertEqual(
            {"level": "WARNING", "message": "loud 1", "logger": "root", "requestId": "11111111-2222-3333-4444-555555555555"},
            record,
        )

    def test_level(self):
        _, logs, _ = run(self.SOURCE, env={"AWS_LAMBDA_LOG_LEVEL": "ERROR"})
        self.assertEqual(["plain"], [text for _, text in logs])

    def test_json_error(self):
        _, logs, _ = run("def handler(e, c):\n    1 / 0\n", env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
        self.assertEqual(0xA55A0016, logs[0][0])
        self.assertEqual("ZeroDivisionError", json.loads(logs[0][1])["errorType"])

    def test_without_telemetry_logs_go_to_stdout(self):
        with Task({"app.py": self.SOURCE}) as task:
            runtime = Runtime(["/usr/bin/env", "-u", "_LAMBDA_TELEMETRY_LOG_FD", PYTHON, "-I", "-S",
                               os.path.join(BOOT, "python", "boot.py"), "none"])
            with runtime:
                runtime.parked().init(task, "app.handler")
                runtime.invoke()
                self.assertIn("loud 1", runtime.output.text())


class Leftovers(unittest.TestCase):
    """Nothing of the warm-up, of us, or of the host may be seen by a function."""

    def test_environment_is_what_was_sent(self):
        source = "import os\ndef handler(e, c):\n    return dict(os.environ)\n"
        with Task({"app.py": source}) as task, start() as rt:
            rt.parked().init(task, "app.handler", {"OWN": "1"})
            env = rt.invoke().json
        self.assertEqual("1", env["OWN"])
        self.assertEqual([], [name for name in env if name.startswith(("WARM", "UPDRAFT", "_LAMBDA_TELEMETRY"))])

    def test_random_differs_between_sandboxes(self):
        source = "import random, uuid, tempfile\ndef handler(e, c):\n    return [random.random(), str(uuid.uuid4())]\n"
        seen = []
        for _ in range(2):
            with Task({"app.py": source}) as task, start() as rt:
                rt.parked().init(task, "app.handler")
                seen.append(rt.invoke().json)
        self.assertNotEqual(seen[0][0], seen[1][0])
        self.assertNotEqual(seen[0][1], seen[1][1])

    def test_no_module_and_no_logging_of_the_dummy(self):
        source = (
            "import sys, logging\nfound = [m for m in sys.modules if 'warmup_handler' in m]\n"
            "def handler(e, c):\n    root = logging.getLogger()\n    return [found, root.level, len(root.handlers)]\n"
        )
        with Task({"app.py": source}) as task, start() as rt:
            rt.parked().init(task, "app.handler")
            self.assertEqual([[], 30, 1], rt.invoke().json)
            self.assertEqual([], rt.logs())

    def test_descriptors_are_not_inherited(self):
        source = (
            "import subprocess\ndef handler(e, c):\n    return subprocess.run(['/bin/ls', '/proc/self/fd'],"
            " close_fds=False, capture_output=True, text=True).stdout.split()\n"
        )
        answer, _, _ = run(source)
        self.assertNotIn("4", answer.json)

    def test_own_copies_win_over_preloaded_modules(self):
        files = {"queue.py": "MINE = True\n", "html/__init__.py": "MINE = True\n"}
        source = "import queue, html, json\ndef handler(e, c):\n    return [queue.MINE, html.MINE, json.dumps(1)]\n"
        with Task({"app.py": source, **files}) as task, start() as rt:
            rt.parked().init(task, "app.handler")
            self.assertEqual([True, True, "1"], rt.invoke().json)

    def test_modules_named_like_ours(self):
        files = {name + ".py": "def handler(e, c):\n    return __file__\n" for name in ("boot", "runtime", "loop", "logs")}
        for name in ("boot", "runtime", "loop", "logs"):
            answer, _, _ = run("", handler=name + ".handler", files=files)
            self.assertIn("task-", answer.json)

    def test_module_path(self):
        answer, _, _ = run("import sys\ndef handler(e, c):\n    return sys.path\n", env={"PYTHONPATH": "/opt/mine"})
        path = answer.json
        self.assertIn("task-", path[0])
        self.assertEqual(
            ["/opt/python/lib/python%s/site-packages" % VERSION, "/opt/python", "/opt/mine", "/var/runtime"], path[1:5]
        )
        self.assertNotIn(os.path.join(BOOT, "python"), path)


FORK_LIBRARY = """
#include <Python.h>
#include <sys/wait.h>
#include <unistd.h>
int updraft_zygote_ready(void) { return 0; }
int updraft_zygote_fork(void) {
    static int forked;
    if (forked++) return -1;
    PyOS_BeforeFork();
    pid_t child = fork();
    if (child == 0) { PyOS_AfterFork_Child(); return WHO; }
    PyOS_AfterFork_Parent();
    close(3);
    waitpid(child, NULL, 0);
    return 0;
}
"""


class Zygote(unittest.TestCase):
    """With a stand-in for the helper library: one fork, no confinement, descriptors 3 and 4 as they are."""

    @unittest.skipUnless(shutil.which("cc"), "no C compiler for the stand-in")
    def test_a_fork_serves_like_a_started_process(self):
        files = {"app.py": "import random, http.client\ndef handler(e, c):\n    return [e, random.random()]\n"}
        with tempfile.TemporaryDirectory() as directory, Task(files) as task:
            # One that is parked, and one that somebody waits for.
            seen = [self._life(self._library(directory, who), task) for who in (1, 2)]
        self.assertNotEqual(seen[0], seen[1])

    def _library(self, directory, who):
        source, library = os.path.join(directory, "fork.c"), os.path.join(directory, f"fork{who}.so")
        declarations = "void PyOS_BeforeFork(void); void PyOS_AfterFork_Child(void); void PyOS_AfterFork_Parent(void);"
        with open(source, "w") as file:
            file.write(FORK_LIBRARY.replace("#include <Python.h>", "#include <stddef.h>\n" + declarations))
        subprocess.run(["cc", "-shared", "-fPIC", f"-DWHO={who}", "-o", library, source], check=True)
        return library

    def _life(self, library, task):
        argv = [PYTHON, "-I", "-S", os.path.join(BOOT, "python", "zygote.py"), "common"]
        with Runtime(argv, {"UPDRAFT_ZYGOTE_LIBRARY": library}) as rt:
            rt.parked()
            self.assertEqual("K", rt.init(task, "app.handler").kind)
            event, drawn = rt.invoke(5).json
            self.assertEqual(5, event)
            return drawn


class End(unittest.TestCase):
    def test_a_process_started_with_its_environment_keeps_it(self):
        source = "import os\ndef handler(e, c):\n    return [os.environ.get('OWN'), os.environ.get('_LAMBDA_TELEMETRY_LOG_FD')]\n"
        with Task({"app.py": source}) as task, start("none", "--exec", env={"OWN": "1"}) as rt:
            rt.parked().send(b"I", json.dumps({"handler": "app.handler", "env": None, "task_root": task}).encode())
            self.assertEqual("K", rt.receive().kind)
            self.assertEqual(["1", None], rt.invoke().json)

    def test_closing_the_channel_ends_the_process(self):
        rt = start("none").parked()
        rt.socket.close()
        began = time.time()
        self.assertEqual(0, rt.process.wait(10))
        self.assertLess(time.time() - began, 10)
        rt.process.stdout.close()


if __name__ == "__main__":
    unittest.main()
