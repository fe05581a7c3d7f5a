"""The Java boot jar: handler kinds, conversion, error shapes, logging. Programs: `UPDRAFT_TEST_JAVA` (a JDK's home), else
those on the path. Needs the java pack: `UPDRAFT_TEST_RUNTIME_DIR` (as `packs/build.sh` made it), else skipped.

With `UPDRAFT_TEST_JAVA_RIC` (a class path with AWS's client, aws-lambda-java-runtime-interface-client, and its libraries)
the same functions also run under it, and the answers must be equal.
"""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import Runtime
from runtime_api import Exchange

HOME = os.environ.get("UPDRAFT_TEST_JAVA")
JAVA = os.path.join(HOME, "bin/java") if HOME else shutil.which("java")
JAVAC = os.path.join(HOME, "bin/javac") if HOME else shutil.which("javac")
RUNTIME_DIR = os.environ.get("UPDRAFT_TEST_RUNTIME_DIR", "")
OFFICIAL = os.environ.get("UPDRAFT_TEST_JAVA_RIC")
JARS = os.path.join(RUNTIME_DIR, "java")
CLASS_PATH = ":".join(
    os.path.join(JARS, name) for name in ("boot.jar", "aws-lambda-java-core.jar", "aws-lambda-java-serialization.jar", "crac.jar")
)
FLAGS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto", "-Xss512k"]
REQUEST_ID = "11111111-2222-3333-4444-555555555555"

SOURCE = r"""
package example;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.util.*;

public class Functions {
    public static class Point { public int x; private String label; public String getLabel() { return label; }
        public void setLabel(String l) { label = l; } }
    public static abstract class Base<A, B> implements RequestHandler<A, B> {}
    public static class Typed extends Base<Point, Map<String, Object>> {
        public Map<String, Object> handleRequest(Point p, Context c) {
            Map<String, Object> m = new TreeMap<>(); m.put("x", p.x + 1); m.put("label", p.getLabel()); return m; } }
    public static class Echo implements RequestStreamHandler {
        public void handleRequest(InputStream in, OutputStream out, Context c) throws IOException { in.transferTo(out); } }
    public static class Plain {
        public String none() { return "none"; }
        public Point pojo(Point p, Context c) { p.x += 1; return p; }
        public List<Integer> list(List<Integer> in) { Collections.reverse(in); return in; }
        public int number(int in) { return in + 1; }
        public static String statics(String in) { return "<" + in + ">"; }
        public void nothing(String in) {}
        public String context(Context c) { return c.getAwsRequestId() + c.getFunctionName() + c.getMemoryLimitInMB()
            + c.getInvokedFunctionArn() + c.getFunctionVersion() + c.getLogGroupName() + c.getLogStreamName()
            + (c.getRemainingTimeInMillis() > 0) + c.getIdentity() + c.getClientContext(); }
        public void out(OutputStream o, Context c) throws IOException { o.write("[1]".getBytes()); }
        public void in(InputStream i) throws IOException { i.read(); }
        public String over(String a) { return "short"; }
        public String over(String a, Context c) { return "long"; }
        public String three(String a, String b, String c) { return ""; }
        public String fails(Object in) { throw new IllegalStateException("no"); }
        public String failsDeep(Object in) { throw new RuntimeException("outer", new IOException("inner")); }
        public String failsSilently(Object in) { throw new IllegalStateException(); }
        public String exits(Object in) { System.exit(3); return ""; }
        public String memory(Object in) { throw new OutOfMemoryError("full"); }
        public String logs(Object in, Context c) { c.getLogger().log("a\nb"); System.out.println("out"); System.err.print("err");
            LambdaRuntime.getLogger().log("w", com.amazonaws.services.lambda.runtime.logging.LogLevel.WARN); return ""; }
        public Map<String, String> env(Object in) { return System.getenv(); }
        public String trace(Object in) { return System.getProperty("com.amazonaws.xray.traceHeader"); }
        public Object client(Object in, Context c) { return Arrays.asList(c.getClientContext().getCustom(),
            c.getClientContext().getClient().getAppTitle(), c.getIdentity().getIdentityId()); }
    }
    public static class Raw implements RequestHandler { public Object handleRequest(Object in, Context c) { return in; } }
    public static class BadConstructor { public BadConstructor() { throw new IllegalStateException("built"); }
        public String go() { return ""; } }
    public static class BadStatic { static { if (true) throw new IllegalStateException("static"); } public String go() { return ""; } }
    public static class NoConstructor { public NoConstructor(int a) {} public String go() { return ""; } }
    public class Inner { public String go() { return ""; } }
    public static class Neither {}
    public static class Snapped implements RequestHandler<String, String>, org.crac.Resource {
        static final List<String> seen = new ArrayList<>();
        public Snapped() { org.crac.Core.getGlobalContext().register(this);
            org.crac.Core.getGlobalContext().register(new Other()); }
        public void beforeCheckpoint(org.crac.Context<? extends org.crac.Resource> c) { seen.add("before"); }
        public void afterRestore(org.crac.Context<? extends org.crac.Resource> c) {
            if (System.getenv("BREAKS") != null) throw new IllegalStateException("lost"); seen.add("after"); }
        public String handleRequest(String in, Context c) { return seen.toString(); }
        static Other kept; // CRaC's context holds its resources weakly
        class Other implements org.crac.Resource { { kept = this; }
            public void beforeCheckpoint(org.crac.Context<? extends org.crac.Resource> c) { seen.add("other before"); }
            public void afterRestore(org.crac.Context<? extends org.crac.Resource> c) { seen.add("other after"); } }
    }
}
"""

# name: (handler without the package, payload)
SAME_AS_AWS = {
    "typed": ("Typed", {"x": 1, "label": "é"}), "typed by name": ("Typed::handleRequest", {"x": 1}),
    "streams": ("Echo", {"any": [1, 2]}), "raw": ("Raw", 1),
    "no arguments": ("Plain::none", {}), "pojo": ("Plain::pojo", {"x": 1, "label": "l"}), "list": ("Plain::list", [1, 2]),
    "number": ("Plain::number", 41), "static": ("Plain::statics", "s"), "void": ("Plain::nothing", "s"),
    "context": ("Plain::context", {}), "output only": ("Plain::out", {}), "input only": ("Plain::in", {}),
    "overload": ("Plain::over", "s"), "three": ("Plain::three", "s"), "fails": ("Plain::fails", {}),
    "fails deep": ("Plain::failsDeep", {}), "fails silently": ("Plain::failsSilently", {}),
    "wrong type": ("Plain::number", "text"), "no method": ("Plain::nope", {}), "no class": ("Nope", {}),
    "empty method": ("Plain::", {}), "constructor fails": ("BadConstructor::go", {}), "static fails": ("BadStatic::go", {}),
    "no constructor": ("NoConstructor::go", {}), "inner": ("Inner::go", {}), "neither": ("Neither", {}),
    "memory": ("Plain::memory", {}),
}


def full(handler):
    return "example.Functions$" + handler


def without_reflection(body, kind):
    """The answer without the JDK's frames and what names either client's own classes."""
    if kind == "O":
        return body
    document = json.loads(body)
    if "stackTrace" in document:
        document["stackTrace"] = [line for line in document["stackTrace"] if line.startswith("example.")]
    return document


@unittest.skipUnless(JAVA and JAVAC and os.path.exists(os.path.join(JARS, "boot.jar")), "no JDK or no java pack")
class JavaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.task = tempfile.mkdtemp(prefix="task-")
        source = os.path.join(cls.task, "Functions.java")
        with open(source, "w") as file:
            file.write(SOURCE)
        subprocess.run([JAVAC, "-nowarn", "-Xlint:none", "-cp", CLASS_PATH, "-d", cls.task, source], check=True,
                       stderr=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.task, ignore_errors=True)

    def start(self, *arguments):
        return Runtime([JAVA, *FLAGS, "-jar", os.path.join(JARS, "boot.jar"), *arguments])

    def run_one(self, handler, payload=None, env=None, **header):
        with self.start("--exec") as runtime:
            answer = runtime.parked().init(self.task, full(handler), env)
            if answer.kind == "K":
                answer = runtime.invoke(payload, **header)
            return answer, runtime.logs(), runtime.output.text()

    @unittest.skipUnless(OFFICIAL, "UPDRAFT_TEST_JAVA_RIC is not set")
    def test_answers_are_equal_to_aws(self):
        env = {
            "LAMBDA_TASK_ROOT": self.task, "AWS_LAMBDA_FUNCTION_NAME": "fn", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
        }
        for name, (handler, payload) in SAME_AS_AWS.items():
            with self.subTest(name):
                ours, _, _ = self.run_one(handler, payload, deadline_ms=4000000000000)
                argv = [JAVA, *FLAGS, "-cp", OFFICIAL, "com.amazonaws.services.lambda.runtime.api.client.AWSLambda", full(handler)]
                theirs = Exchange(argv, env, json.dumps(payload).encode())
                self.assertEqual(theirs.kind, ours.kind, theirs.output)
                self.assertEqual(without_reflection(theirs.body, theirs.kind), without_reflection(ours.body, ours.kind))

    def test_kinds_of_handlers(self):
        for handler, payload, answer in (
            ("Typed", {"x": 1, "label": "é"}, {"x": 2, "label": "é"}), ("Echo", {"any": [1]}, {"any": [1]}),
            ("Plain::none", {}, "none"), ("Plain::pojo", {"x": 1, "label": "l"}, {"x": 2, "label": "l"}),
            ("Plain::list", [1, 2], [2, 1]), ("Plain::number", 41, 42), ("Plain::statics", "s", "<s>"),
            ("Plain::nothing", "s", None), ("Plain::out", {}, [1]), ("Plain::in", {}, None), ("Plain::over", "s", "long"),
        ):
            got, _, output = self.run_one(handler, payload)
            self.assertEqual(("O", answer), (got.kind, got.json), (handler, output))

    def test_many_events_after_a_warm_up(self):
        with self.start() as runtime:
            runtime.parked().send_init(self.task, full("Plain::number"), {"OWN": "1"})
            runtime.send_event(1)
            self.assertEqual(["K", "O"], [runtime.receive().kind, runtime.receive().kind])
            self.assertEqual([8, 9], [runtime.invoke(7).json, runtime.invoke(8).json])
            self.assertEqual(([], ""), (runtime.logs(), runtime.output.text()))

    def test_nothing_of_the_warm_up_shows(self):
        with self.start() as runtime:
            runtime.parked().init(self.task, full("Plain::env"), {"OWN": "1"})
            env = runtime.invoke({}).json
            self.assertEqual("1", env["OWN"])
            self.assertNotIn("_LAMBDA_TELEMETRY_LOG_FD", env)

    def test_large_payloads(self):
        with self.start("--exec") as runtime:
            runtime.parked().init(self.task, full("Echo"))
            for size in (5_000_000, 10, 40_000):
                self.assertEqual("x" * size, runtime.invoke("x" * size).json)

    def test_handler_errors(self):
        answer, logs, _ = self.run_one("Plain::fails", {})
        self.assertEqual("F", answer.kind)
        self.assertEqual(["errorMessage", "errorType", "stackTrace"], list(answer.json))
        self.assertEqual(("no", "java.lang.IllegalStateException"), (answer.json["errorMessage"], answer.json["errorType"]))
        self.assertRegex(answer.json["stackTrace"][0], r"^example\.Functions\$Plain\.fails\(Functions\.java:\d+\)$")
        self.assertFalse([line for line in answer.json["stackTrace"] if "updraft" in line])
        self.assertTrue(logs[0][1].startswith("no: java.lang.IllegalStateException\njava.lang.IllegalStateException: no\n\tat ex"))
        self.assertEqual(0xA55A0003, logs[0][0])

    def test_loading_errors(self):
        for handler, kind, message in (
            ("Nope", "F", "Class not found: example.Functions$Nope"),
            ("Plain::nope", "F", "No public method named nope with appropriate method signature found on class example.Functions$Plain"),
            ("Plain::", "F", "Invalid handler: `example.Functions$Plain::'"),
            ("Neither", "F", "Class does not implement an appropriate handler interface: example.Functions$Neither"),
            ("BadConstructor::go", "X", "built"),
            ("BadStatic::go", "X", "Error loading class example.Functions$BadStatic"),
        ):
            answer, _, _ = self.run_one(handler, {})
            self.assertEqual((kind, message), (answer.kind, answer.json["errorMessage"]), handler)

    def test_exit_and_failing_machine_end_the_process(self):
        for handler, status in (("Plain::exits", 3), ("Plain::memory", 0)):
            with self.start("--exec") as runtime:
                runtime.parked().init(self.task, full(handler))
                runtime.invoke({})
                self.assertEqual(status, runtime.exit_status())

    def test_trace_client_context_and_identity(self):
        self.assertEqual("Root=1", self.run_one("Plain::trace", {}, trace_id="Root=1")[0].json)
        answer, _, _ = self.run_one(
            "Plain::client", {}, client_context='{"custom":{"a":"1"},"client":{"app_title":"t"}}',
            cognito_identity='{"cognitoIdentityId":"i"}',
        )
        self.assertEqual([{"a": "1"}, "t", "i"], answer.json)

    def test_logs(self):
        _, logs, output = self.run_one("Plain::logs", {})
        self.assertEqual([(0xA55A0003, "a\nb"), (0xA55A0013, "[WARN] w")], logs)
        self.assertEqual("out\nerr", output)

    def test_json_logs(self):
        _, logs, _ = self.run_one("Plain::logs", {}, {"AWS_LAMBDA_LOG_FORMAT": "JSON"})
        record = json.loads(logs[1][1])
        self.assertRegex(record.pop("timestamp"), r"^\d{4}-\d\d-\d\dT[\d:.]{12}Z$")
        self.assertEqual({"message": "w", "level": "WARN", "AWSRequestId": REQUEST_ID}, record)
        self.assertEqual(0xA55A0012, logs[1][0])

    def test_a_snapshot_runs_its_hooks_around_its_sleep(self):
        snap_start = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
        with self.start() as runtime:
            self.assertEqual("S", runtime.parked().init(self.task, full("Snapped"), snap_start).kind)
            runtime.send(b"R", b"")
            self.assertEqual("K", runtime.receive().kind)
            self.assertEqual("[other before, before, after, other after]", runtime.invoke("").json)
        with self.start("--exec") as runtime:
            breaks = {"BREAKS": "1"} | snap_start
            self.assertEqual("S", runtime.parked().init(self.task, full("Snapped"), breaks).kind)
            runtime.send(b"R", b"")
            failed = runtime.receive()
            self.assertEqual(("Y", "java.lang.IllegalStateException"), (failed.kind, failed.json["errorType"]))
            self.assertEqual(64, runtime.exit_status())
        with self.start("--exec") as runtime:
            self.assertEqual("K", runtime.parked().init(self.task, full("Snapped")).kind, "hooks are no one's business then")
            self.assertEqual("[]", runtime.invoke("").json)

    def test_jars_in_lib(self):
        with tempfile.TemporaryDirectory() as task:
            os.mkdir(os.path.join(task, "lib"))
            subprocess.run(["jar", "cf", os.path.join(task, "lib/a.jar"), "-C", self.task, "example"], check=True)
            with self.start("--exec") as runtime:
                self.assertEqual("K", runtime.parked().init(task, full("Plain::none")).kind)
                self.assertEqual("none", runtime.invoke({}).json)

    def test_closing_the_channel_ends_the_process(self):
        runtime = self.start("--exec").parked()
        runtime.socket.close()
        self.assertEqual(0, runtime.process.wait(10))
        runtime.process.stdout.close()


if __name__ == "__main__":
    unittest.main()
