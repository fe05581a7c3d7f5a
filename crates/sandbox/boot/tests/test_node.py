"""The Node.js boot file: handler semantics, error shapes, console. Program: `UPDRAFT_TEST_NODE`, else `node`.

With `UPDRAFT_TEST_AWS_LAMBDA_RIC` (the unpacked npm package `aws-lambda-ric`) the same functions also run under AWS's own
client, and the answers must be equal but for the stack lines inside of either client.
"""

import base64
import json
import os
import shutil
import tempfile
import time
import unittest

from harness import BOOT, Runtime, Task
from runtime_api import Exchange

NODE = os.environ.get("UPDRAFT_TEST_NODE", shutil.which("node"))
OFFICIAL = os.environ.get("UPDRAFT_TEST_AWS_LAMBDA_RIC")
REQUEST_ID = "11111111-2222-3333-4444-555555555555"


def start(*arguments, env=None):
    return Runtime([NODE, os.path.join(BOOT, "node", "boot.js"), *arguments], env)


def run(source, payload=None, handler="app.handler", env=None, files=None, name="app.js", **header):
    """One event through a fresh runtime: the answer (to the settings if they fail), logs, output, exit status or None."""
    with Task({name: source, **(files or {})}) as task, start("--exec") as runtime:
        runtime.parked()
        answer = runtime.init(task, handler, env)
        if answer and answer.kind == "K":
            answer = runtime.invoke(payload, **header)
        logs, output = runtime.logs(), runtime.output.text()
        return answer, logs, output, runtime.process.poll()


# name: (file, source, handler, payload)
SAME_AS_AWS = {
    "async": ("app.js", "exports.handler = async (e) => e", "app.handler", {"k": ["é", 1.5, None, True]}),
    "async undefined": ("app.js", "exports.handler = async () => {}", "app.handler", {}),
    "sync returns": ("app.js", "exports.handler = () => ({ignored: 1})", "app.handler", {}),
    "callback": ("app.js", "exports.handler = (e, c, cb) => cb(null, {a: e})", "app.handler", 7),
    "callback undefined": ("app.js", "exports.handler = (e, c, cb) => cb()", "app.handler", 7),
    "callback waits": (
        "app.js", "exports.handler = (e, c, cb) => { const r = {n: 0}; setTimeout(() => r.n++, 50); cb(null, r) }",
        "app.handler", 7,
    ),
    "callback does not wait": (
        "app.js",
        "exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; const r = {n: 0};"
        " setTimeout(() => r.n++, 1000); cb(null, r) }",
        "app.handler", 7,
    ),
    "callback error": ("app.js", "exports.handler = (e, c, cb) => cb(new TypeError('bad'))", "app.handler", 7),
    "callback string": ("app.js", "exports.handler = (e, c, cb) => cb('bad')", "app.handler", 7),
    "succeed": ("app.js", "exports.handler = (e, c) => c.succeed([1])", "app.handler", 7),
    "fail": ("app.js", "exports.handler = (e, c) => c.fail('no')", "app.handler", 7),
    "fail nothing": ("app.js", "exports.handler = (e, c) => c.fail()", "app.handler", 7),
    "done": ("app.js", "exports.handler = (e, c) => { c.done(null, 1); c.done(null, 2) }", "app.handler", 7),
    "throws": ("app.js", "exports.handler = () => { throw new RangeError('no') }", "app.handler", 7),
    "rejects": ("app.js", "exports.handler = async () => { throw new RangeError('no') }", "app.handler", 7),
    "rejects object": ("app.js", "exports.handler = async () => { throw {a: 1} }", "app.handler", 7),
    "rejects nothing": ("app.js", "exports.handler = () => Promise.reject()", "app.handler", 7),
    "own error": (
        "app.js",
        "class Own extends Error { constructor(m) { super(m); this.name = 'Own'; } }"
        " exports.handler = async () => { throw new Own('é\\x7f') }",
        "app.handler", 7,
    ),
    "circular": ("app.js", "exports.handler = async () => { const a = {}; a.a = a; return a }", "app.handler", 7),
    "uncaught": ("app.js", "exports.handler = () => { setTimeout(() => { throw new Error('late') }) }", "app.handler", 7),
    "unhandled": ("app.js", "exports.handler = () => { Promise.reject(new Error('lost')) }", "app.handler", 7),
    "unhandled at init": ("app.js", "Promise.reject(new Error('lost')); exports.handler = async () => 1", "app.handler", 7),
    "init throws": ("app.js", "throw new Error('early')", "app.handler", 7),
    "init throws string": ("app.js", "throw 'early'", "app.handler", 7),
    "syntax": ("app.js", "exports.handler = (", "app.handler", 7),
    "missing import": ("app.js", "require('nope')", "app.handler", 7),
    "no module": ("app.js", "", "nope.handler", 7),
    "no handler": ("app.js", "", "app.nope", 7),
    "not a function": ("app.js", "exports.handler = 1", "app.handler", 7),
    "malformed": ("app.js", "", "handler", 7),
    "relative": ("app.js", "", "../app.handler", 7),
    "directory": ("lib/app.js", "exports.handler = async (e) => e", "lib/app.handler", 7),
    "nested property": ("app.js", "exports.a = {b: async (e) => e}", "app.a.b", 7),
    "es module": ("app.mjs", "const x = await Promise.resolve(2); export const handler = async () => x", "app.handler", 7),
    "es module missing import": ("app.mjs", "import 'nope'; export const handler = 1", "app.handler", 7),
    "es module no handler": ("app.mjs", "export const other = 1", "app.handler", 7),
    "cjs": ("app.cjs", "exports.handler = async () => 3", "app.handler", 7),
    "context": (
        "app.js",
        "exports.handler = async (e, c) => [c, Object.keys(c), c.getRemainingTimeInMillis() > 0, process.cwd(),"
        " process.env._X_AMZN_TRACE_ID]",
        "app.handler", 7,
    ),
}


def comparable(kind, body):
    """The document without stack lines, which name the client's own files."""
    document = json.loads(body)
    if kind in "FX":
        document["trace"] = [line for line in document["trace"] if not line.startswith("    at ")]
        for end in ("- /var/runtime/index.mjs", "/dist/index.mjs"):
            document["trace"] = [line for line in document["trace"] if not line.endswith(end)]
            if document["errorMessage"].endswith(end):
                document["errorMessage"] = document["errorMessage"].rpartition("\n")[0]
    return document


def under_official(task, handler, payload):
    """One event under AWS's own client."""
    env = {
        "LAMBDA_TASK_ROOT": task, "AWS_LAMBDA_FUNCTION_NAME": "fn", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
    }
    stub = os.path.join(os.path.dirname(os.path.abspath(__file__)), "official_node_client.js")
    argv = [NODE, "-r", stub, os.path.join(OFFICIAL, "bin", "index.mjs"), handler]
    return Exchange(argv, env, json.dumps(payload).encode())


def official(source, payload):
    with Task({"app.js": source}) as task:
        return under_official(task, "app.handler", payload)


class SameAsAws(unittest.TestCase):
    @unittest.skipUnless(OFFICIAL, "UPDRAFT_TEST_AWS_LAMBDA_RIC is not set")
    def test_answers_are_equal(self):
        for name, (file, source, handler, payload) in SAME_AS_AWS.items():
            with self.subTest(name):
                self._compare(file, source, handler, payload)

    def _compare(self, file, source, handler, payload):
        with Task({file: source}) as task, start("--exec") as runtime:
            ours = runtime.parked().init(task, handler)
            if ours.kind == "K":
                ours = runtime.invoke(payload, deadline_ms=4000000000000)
            theirs = under_official(task, handler, payload)
            self.assertEqual(theirs.kind, ours.kind, theirs.output)
            self.assertEqual(comparable(theirs.kind, theirs.body), comparable(ours.kind, ours.body))


# Streaming handlers, by name.
STREAMS_SAME_AS_AWS = {
    "written": "async (e, s) => { s.write('a'); s.write('é'); s.write(Buffer.from([0, 255])); s.end() }",
    "ended with text": "async (e, s) => s.end('all')",
    "objects": "async (e, s) => { s.write({a: e}); s.end() }",
    "typed": "async (e, s) => { s.setContentType('text/plain'); s.write('a'); s.end() }",
    "empty": "async (e, s) => s.end()",
    "prelude": "async (e, s) => { s = awslambda.HttpResponseStream.from(s, {statusCode: 201}); s.write('x'); s.end() }",
    "prelude without a write": "async (e, s) => { s = awslambda.HttpResponseStream.from(s, {statusCode: 201}); s.end() }",
    "pipeline": (
        "async (e, s) => require('stream/promises').pipeline(require('stream').Readable.from(['a', 'b', 'c']), s)"
    ),
    "error first": "async () => { throw new RangeError('no') }",
    "error in the middle": "async (e, s) => { s.write('x'); throw new RangeError('no') }",
    "too late": "async (e, s) => { s.write('x'); s.setContentType('text/plain') }",
    "no promise": "(e, s) => { s.write('x') }",
    "large": "async (e, s) => { s.write('x'.repeat(300000)); s.end('y'.repeat(100000)) }",
    "context": "async (e, s, c) => { s.write(Object.keys(c).sort().join()); s.end() }",
}


class StreamsSameAsAws(unittest.TestCase):
    @unittest.skipUnless(OFFICIAL, "UPDRAFT_TEST_AWS_LAMBDA_RIC is not set")
    def test_streams_are_equal(self):
        for name, source in STREAMS_SAME_AS_AWS.items():
            with self.subTest(name):
                frames, _ = streamed(source, payload=7)
                document = next((body for kind, body in frames if kind in "AF"), None)
                theirs = official("exports.handler = awslambda.streamifyResponse(%s)" % source, 7)
                self.assertEqual("streaming", theirs.headers["lambda-runtime-function-response-mode"], theirs.output)
                self.assertEqual(theirs.body, b"".join(body for kind, body in frames if kind == "C"))
                if document is None:
                    self.assertEqual({}, theirs.trailers)
                    self.assertEqual(theirs.headers["content-type"], frames[0][1].decode())
                else:
                    error = base64.b64decode(theirs.trailers["lambda-runtime-function-error-body"])
                    self.assertEqual(theirs.trailers["lambda-runtime-function-error-type"], json.loads(document)["errorType"])
                    self.assertEqual(comparable("F", error), comparable("F", document))


class Results(unittest.TestCase):
    def test_events_in_a_row_and_together(self):
        with Task({"app.js": "let n = 0; exports.handler = async (e) => [++n, e]"}) as task, start() as rt:
            rt.parked().send_init(task, "app.handler")
            rt.send_event({"a": "é"})
            self.assertEqual("K", rt.receive().kind)
            self.assertEqual([1, {"a": "é"}], rt.receive().json)
            self.assertEqual([2, None], rt.invoke(None).json)

    def test_large_payloads_both_ways(self):
        with Task({"app.js": "exports.handler = async (e) => e"}) as task, start("--exec") as rt:
            rt.parked().init(task, "app.handler")
            for text in ("x" * 5_000_000, "é" * 100_000, "x" * 65_000, "y" * 70_000):
                self.assertEqual(text, rt.invoke(text).json)

    def test_callback_answers_when_the_loop_is_empty(self):
        source = "exports.handler = (e, c, cb) => { const r = {n: 0}; setTimeout(() => r.n++, 30); cb(null, r) }"
        self.assertEqual({"n": 1}, run(source)[0].json)

    def test_callback_answers_at_once_if_told(self):
        source = (
            "exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; const r = {n: 0};"
            " setTimeout(() => r.n++, 60000).unref(); cb(null, r) }"
        )
        self.assertEqual({"n": 0}, run(source)[0].json)

    def test_left_over_timers_run_in_later_invocations(self):
        source = (
            "let n = 0; exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false;"
            " setTimeout(() => n++, 1); setTimeout(() => cb(null, n), 20) }"
        )
        with Task({"app.js": source}) as task, start("--exec") as rt:
            rt.parked().init(task, "app.handler")
            self.assertEqual([1, 2], [rt.invoke().json, rt.invoke().json])

    def test_client_context_and_identity(self):
        answer = run(
            "exports.handler = async (e, c) => [c.clientContext, c.identity, c.tenantId]",
            client_context='{"custom":{"a":1}}', cognito_identity='{"cognitoIdentityId":"i"}', tenant_id="blue",
        )[0]
        self.assertEqual([{"custom": {"a": 1}}, {"cognitoIdentityId": "i"}, "blue"], answer.json)

    def test_bad_client_context(self):
        answer = run("exports.handler = async () => 1", client_context="{")[0]
        self.assertEqual("F", answer.kind)
        self.assertIn("Cannot parse ClientContext as json", answer.json["errorMessage"])

    def test_es_modules_by_package_json(self):
        files = {"package.json": '{"type": "module"}', "dep.js": "export default 5"}
        answer = run("import x from './dep.js'; export const handler = async () => x", files=files)[0]
        self.assertEqual(5, answer.json)

    def test_packages_of_layers_for_require_and_import(self):
        files = {"layer/node_modules/five/index.js": "module.exports = 5"}
        for name, source in {
            "app.js": "exports.handler = async () => require('five')",
            "app.mjs": "import five from 'five'; export const handler = async () => five",
        }.items():
            with Task({name: source, **files}) as task, start() as rt:
                rt.parked()
                answer = rt.init(task, "app.handler", {"NODE_PATH": task + "/layer/node_modules"})
                self.assertEqual("K", answer.kind, answer)
                self.assertEqual(5, rt.invoke().json)


class Errors(unittest.TestCase):
    def test_import_error(self):
        answer, logs, _, status = run("", handler="nope.handler")
        self.assertEqual("X", answer.kind)
        self.assertEqual("Runtime.ImportModuleError", answer.json["errorType"])
        self.assertEqual(
            "Error: Cannot find module 'nope'\nRequire stack:\n- /var/runtime/index.mjs", answer.json["errorMessage"]
        )
        self.assertRegex(logs[0][1], r"^\S+Z\tundefined\tERROR\tUncaught Exception \t\{\"errorType\":\"Runtime.ImportModu")
        self.assertEqual(129, status)

    def test_handler_error_keeps_the_process(self):
        source = "exports.handler = async (e) => { if (e) throw new RangeError('no'); return 1 }"
        with Task({"app.js": source}) as task, start("--exec") as rt:
            rt.parked().init(task, "app.handler")
            error = rt.invoke(1)
            self.assertEqual("F", error.kind)
            self.assertEqual(["errorType", "errorMessage", "trace"], list(error.json))
            self.assertEqual("RangeError: no", error.json["trace"][0])
            self.assertIn(task + "/app.js:1:", error.json["trace"][1])
            self.assertEqual(1, rt.invoke(0).json)
            kind, text = rt.logs()[0]
            self.assertEqual(0xA55A0017, kind)
            self.assertRegex(text, r"^\S+Z\t%s\tERROR\tInvoke Error \t\{\"errorType\":\"RangeError\"" % REQUEST_ID)

    def test_uncaught_answers_and_exits(self):
        for source, kind, status in (
            ("exports.handler = () => { setTimeout(() => { throw new Error('late') }) }", "Error", 129),
            ("exports.handler = () => { Promise.reject(new Error('x')) }", "Runtime.UnhandledPromiseRejection", 128),
        ):
            answer, _, _, code = run(source)
            self.assertEqual(("F", kind, status), (answer.kind, answer.json["errorType"], code))

    def test_exits(self):
        for source, status in (
            ("exports.handler = () => process.exit(3)", 3),
            ("exports.handler = async () => process.exit()", 0),
            ("process.exit(4)", 4),
        ):
            answer, _, _, _ = run(source)
            self.assertIsNone(answer, source)

    def test_await_that_never_ends_at_init(self):
        with Task({"app.mjs": "await new Promise(() => {})"}) as task, start("--exec") as rt:
            self.assertIsNone(rt.parked().init(task, "app.handler"))
            self.assertEqual(13, rt.exit_status())


class Console(unittest.TestCase):
    SOURCE = (
        "exports.handler = async () => { console.log('a %d', 1, {b: 2}); console.debug('d'); console.error('e\\nf');"
        " console.warn({k: 1}); process.stdout.write('plain') }"
    )

    def test_text(self):
        _, logs, output, _ = run(self.SOURCE)
        self.assertEqual("plain", output)
        self.assertEqual([0xA55A000F, 0xA55A000B, 0xA55A0017, 0xA55A0013], [kind for kind, _ in logs])
        self.assertRegex(logs[0][1], r"^\d{4}-\d\d-\d\dT[\d:.]{12}Z\t%s\tINFO\ta 1 \{ b: 2 \}\n$" % REQUEST_ID)
        self.assertTrue(logs[2][1].endswith("\tERROR\te\nf\n"))

    def test_json(self):
        _, logs, _, _ = run(self.SOURCE, env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"})
        self.assertEqual([0xA55A000E, 0xA55A0016, 0xA55A0012], [kind for kind, _ in logs])
        record = json.loads(logs[0][1])
        record.pop("timestamp")
        self.assertEqual({"level": "INFO", "requestId": REQUEST_ID, "message": "a 1 { b: 2 }"}, record)
        self.assertEqual({"k": 1}, json.loads(logs[2][1])["message"])

    def test_json_error(self):
        _, logs, _, _ = run("exports.handler = async () => { throw new RangeError('no') }", env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
        message = json.loads(logs[0][1])["message"]
        self.assertEqual(("RangeError", "no"), (message["errorType"], message["errorMessage"]))

    def test_level(self):
        _, logs, _, _ = run(self.SOURCE, env={"AWS_LAMBDA_LOG_LEVEL": "ERROR"})
        self.assertEqual(1, len(logs))


def streamed(source, env=None, payload=None):
    """The frames of one event through a streaming handler, (kind, body), up to the one that asks for the next; exit status."""
    with Task({"app.js": "exports.handler = awslambda.streamifyResponse(%s)" % source}) as task, start("--exec") as rt:
        rt.parked().init(task, "app.handler", env)
        rt.send_event(payload)
        frames = []
        while frames[-1:] == [] or frames[-1][0] not in "ROF":
            answer = rt.receive()
            if answer is None:
                return frames, rt.exit_status()
            frames.append((answer.kind, answer.body))
        return frames, None


class Streaming(unittest.TestCase):
    def test_parts_go_out_as_they_are_written(self):
        source = "async (e, s) => { s.setContentType('text/plain'); s.write('a'); s.write({b: 1}); s.end('c') }"
        parts = [("H", b"text/plain"), ("C", b"a"), ("C", b'{"b":1}'), ("C", b"c"), ("D", b""), ("R", b"")]
        self.assertEqual((parts, None), streamed(source))

    def test_the_first_part_is_there_before_the_handler_ends(self):
        with tempfile.TemporaryDirectory() as directory:
            go = os.path.join(directory, "go")
            source = (
                "exports.handler = awslambda.streamifyResponse(async (e, s) => { s.write('first');"
                " while (!require('fs').existsSync(e)) await new Promise((f) => setTimeout(f, 5)); s.end('last') })"
            )
            with Task({"app.js": source}) as task, start("--exec") as rt:
                rt.parked().init(task, "app.handler")
                rt.send_event(go)
                self.assertEqual(["H", "C"], [rt.receive().kind for _ in range(2)])
                open(go, "w").close()
                self.assertEqual(["C", "D", "R"], [rt.receive().kind for _ in range(3)])

    def test_an_empty_answer(self):
        self.assertEqual([("H", b"application/octet-stream"), ("D", b""), ("R", b"")], streamed("async (e, s) => s.end()")[0])

    def test_the_prelude_of_http(self):
        source = (
            "async (e, s) => { s = awslambda.HttpResponseStream.from(s, {statusCode: 201, cookies: ['a=b']});"
            " s.write('x'); s.end() }"
        )
        frames, _ = streamed(source)
        self.assertEqual(("H", b"application/vnd.awslambda.http-integration-response"), frames[0])
        body = b"".join(body for kind, body in frames if kind == "C")
        self.assertEqual(b'{"statusCode":201,"cookies":["a=b"]}' + bytes(8) + b"x", body)

    def test_large_writes_are_cut(self):
        frames, _ = streamed("async (e, s) => { s.write('x'.repeat(200000)); s.end() }")
        self.assertEqual([65536, 65536, 65536, 3392], [len(body) for kind, body in frames if kind == "C"])

    def test_a_full_stream_says_so_and_goes_on_once_it_is_read(self):
        with tempfile.TemporaryDirectory() as directory:
            full = os.path.join(directory, "full")
            source = (
                "async (e, s) => { const part = Buffer.alloc(65536); for (let i = 0; i < 64; i++) {"
                " if (!s.write(part)) { require('fs').writeFileSync(e, ''); await new Promise((f) => s.once('drain', f)); }"
                " } s.end() }"
            )
            handler = "exports.handler = awslambda.streamifyResponse(%s)" % source
            with Task({"app.js": handler}) as task, start("--exec") as rt:
                rt.parked().init(task, "app.handler")
                rt.send_event(full)
                deadline = time.monotonic() + 60
                while not os.path.exists(full):  # nobody reads, so it must come to this
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.01)
                bodies = []
                while (answer := rt.receive()).kind != "R":
                    bodies.append(answer.body)
                self.assertEqual(64 * 65536, sum(map(len, bodies[1:65])))

    def test_pipelines(self):
        source = (
            "async (e, s) => { const {pipeline} = require('stream/promises'); const {Readable} = require('stream');"
            " await pipeline(Readable.from(['a', 'b']), s) }"
        )
        self.assertEqual(b"ab", b"".join(body for kind, body in streamed(source)[0] if kind == "C"))

    def test_errors_before_the_first_part_are_the_answer(self):
        for source, words in (
            ("async () => { throw new RangeError('no') }", "no"),
            ("async (e, s) => {}", "Response stream is not finished."),
            ("(e, s) => s.end('x')", "Streaming does not support non-async handlers."),
        ):
            frames, _ = streamed(source)
            kinds = [kind for kind, _ in frames]
            document = json.loads([body for kind, body in frames if kind in "FA"][-1]) if set(kinds) & set("FA") else None
            if "H" in kinds:  # it had ended its stream already: too late for an error
                self.assertEqual(["H", "C", "D", "R"], kinds)
            else:
                self.assertEqual(["F"], kinds)
                self.assertEqual(words, document["errorMessage"])

    def test_errors_after_the_first_part_end_the_stream(self):
        for source in (
            "async (e, s) => { s.write('x'); throw new RangeError('no') }",
            "async (e, s) => { s.write('x'); await require('stream/promises').pipeline("
            "require('stream').Readable.from((async function* () { throw new RangeError('no') })()), s) }",
        ):
            frames, _ = streamed(source)
            self.assertEqual(["H", "C", "A", "R"], [kind for kind, _ in frames], source)
            self.assertEqual("RangeError", json.loads(frames[2][1])["errorType"])

    def test_what_nobody_catches_ends_the_process(self):
        late = "async (e, s) => { s.write('x'); setTimeout(() => { throw new Error('late') }); await new Promise(() => {}) }"
        frames, status = streamed(late)
        self.assertEqual((["H", "C"], 129), ([kind for kind, _ in frames], status))
        early = "async (e, s) => { setTimeout(() => { throw new Error('late') }); await new Promise(() => {}) }"
        self.assertEqual(["F"], [kind for kind, _ in streamed(early)[0]])

    def test_the_next_event_waits_for_what_is_left_to_do(self):
        source = (
            "let n = 0; exports.handler = awslambda.streamifyResponse(async (e, s, c) => { c.callbackWaitsForEmptyEventLoop = e;"
            " s.end(String(n)); setTimeout(() => n++, 300); })"
        )
        for waits, seen in ((True, b"1"), (False, b"0")):
            with Task({"app.js": source}) as task, start("--exec") as rt:
                rt.parked().init(task, "app.handler")
                bodies = []
                for _ in range(2):
                    rt.send_event(waits)
                    frames = [rt.receive() for _ in range(4)]
                    self.assertEqual(["H", "C", "D", "R"], [frame.kind for frame in frames])
                    bodies.append(frames[1].body)
                self.assertEqual([b"0", seen], bodies)

    def test_too_late(self):
        source = "async (e, s) => { s.write('x'); s.setContentType('text/plain') }"
        frames, _ = streamed(source)
        self.assertEqual("Runtime.InvalidStreamingOperation", json.loads(frames[2][1])["errorType"])

    def test_the_context_has_no_callbacks(self):
        frames, _ = streamed("async (e, s, c) => s.end(Object.keys(c).sort().join())")
        keys = frames[1][1].decode().split(",")
        self.assertNotIn("succeed", keys)
        self.assertIn("callbackWaitsForEmptyEventLoop", keys)


class Leftovers(unittest.TestCase):
    def test_nothing_of_the_warm_up_shows(self):
        source = (
            "const modules = Object.keys(require.cache).filter((f) => f.includes('warmup/index'));"
            "exports.handler = async () => ({modules, env: process.env, argv: process.argv, main: process.cwd()})"
        )
        with Task({"app.js": source}) as task, start() as rt:
            rt.parked().init(task, "app.handler", {"OWN": "1"})
            seen = rt.invoke().json
            self.assertEqual([], rt.logs())
        self.assertEqual([], seen["modules"])
        self.assertEqual("1", seen["env"]["OWN"])
        self.assertEqual([], [name for name in seen["env"] if name.startswith(("WARM", "_LAMBDA"))])
        self.assertEqual("/var/runtime/index.mjs", seen["argv"][1])

    def test_a_function_named_like_the_dummy(self):
        with Task({"index.js": "exports.handler = async () => 'mine'"}) as task, start() as rt:
            rt.parked().init(task, "index.handler")
            self.assertEqual("mine", rt.invoke().json)

    def test_closing_the_channel_ends_the_process(self):
        rt = start("--exec").parked()
        rt.socket.close()
        self.assertEqual(0, rt.process.wait(10))
        rt.process.stdout.close()


if __name__ == "__main__":
    unittest.main()
