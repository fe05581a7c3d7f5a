"""`make demo`: four functions and an HTTP API, built, deployed and called with AWS's own tools and curl against a server of the
demo's own.

The route is `main`. Whatever happens, the server is stopped and its directory removed; the exit status is 0 only if every
answer was right and nothing was left behind.
"""

import argparse
import base64
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
import botocore.config

import functions
from api import Api
from functions import EXAMPLES, expect
from server import Server
from terminal import Failure, bad, command, dim, good, heading, progress, run, say, table

REGION = "us-east-1"
COLD_ROUNDS = 5
WARM_ROUNDS = 20
EMPTY_COLD_ROUNDS = 10
EMPTY_WARM_ROUNDS = 100
AWS_SECONDS_MAX = 60
PACKS_SECONDS_MAX = 900
REPORT = re.compile(r"REPORT RequestId: \S+\s+Duration: ([\d.]+) ms.*?Max Memory Used: (\d+) MB(?:\s+Init Duration: ([\d.]+) ms)?")
PATHS = ("parked", "zygote", "exec")


class Demo:
    def __init__(self, options, directory):
        self.options, self.directory = options, Path(directory)
        self.server = Server(options.updraft, options.runtimes_dir, directory)
        self.environment = client_environment(self.server.endpoint)
        self.rows = []

    def main(self):
        self.build()
        self.install_packs()
        self.start()
        for example in functions.ALL:
            self.deploy(example)
        self.connect()
        for example in functions.ALL:
            self.show(example)
        self.show_api()
        self.tail_logs()
        self.summary()
        self.compare()
        self.finish()

    def build(self):
        heading("The functions")
        for example in functions.ALL:
            with progress(f"{example.name}: building ({example.language})"):
                run([str(EXAMPLES / example.name / "build.sh")], seconds=example.build_seconds_max, what=f"building {example.name}")

    def install_packs(self):
        """What these functions' runtimes need on this machine; quick when it is there."""
        minor = "%d.%d" % sys.version_info[:2]
        with progress("runtime packs: boto3, Java's boot jar"):
            run([self.options.updraft, "runtimes", "install", "--runtimes-dir", self.options.runtimes_dir, f"python{minor}", "java"],
                seconds=PACKS_SECONDS_MAX, what="updraft runtimes install")

    def start(self):
        heading("The server")
        command(["updraft", *self.server.words[1:]])
        seconds = self.server.start()
        say(f"ready in {seconds * 1000:.0f} ms; in another terminal: export AWS_ENDPOINT_URL={self.server.endpoint}")
        layers = self.server.status()["layers"]
        degraded = [layer for layer in layers if layer["degraded"]]
        say(f"isolation: {len(layers) - len(degraded)} of {len(layers)} layers present"
            + (f" ({', '.join(layer['name'] for layer in layers)})" if not degraded else ""))
        for layer in degraded:
            say(bad(f"  degraded: {layer['name']}: {layer['degraded']}. {layer['fix']}"))

    def deploy(self, example):
        if example is functions.ALL[0]:
            heading("Deployed with the AWS CLI")
        command(["aws lambda create-function --cli-input-json", f"file://examples/{example.name}/function.json",
                 "--zip-file", f"fileb://examples/{example.name}/build/function.zip …"])
        arn = run([str(EXAMPLES / "deploy.sh"), example.name], seconds=example.build_seconds_max, env=self.environment,
                  what=f"deploying {example.name}").strip().splitlines()[-1]
        expect(arn, f"arn:aws:lambda:{REGION}:000000000000:function:{example.name}", "the ARN")
        say(f"{dim(arn)}")

    def connect(self):
        config = botocore.config.Config(read_timeout=60, retries={"max_attempts": 0})
        session = boto3.session.Session("test", "test", None, REGION)
        self.lambda_ = session.client("lambda", endpoint_url=self.server.endpoint, config=config)
        self.apis = session.client("apigatewayv2", endpoint_url=self.server.endpoint, config=config)

    # ---- one function

    def show(self, example):
        heading(f"{example.name} ({example.language}) on {example.document}")
        before = self.launched()
        self.invoke_by_cli(example)
        answer, _, report = self.invoke(example, example.payload())
        say(good("right: ") + example.check(answer))
        cold = [self.cold(example) for _ in range(COLD_ROUNDS)]
        say(good("right: ") + example.more(lambda payload=None, event=None, fails=False: self.invoke(
            example, payload or example.payload(event), fails)[0]))
        warm = [self.invoke(example, warm_payload(example)) for _ in range(WARM_ROUNDS)]
        paths = [path for path, then, now in zip(PATHS, before, self.launched(), strict=True) if now > then]
        row = {
            "function": example.name,
            "language": example.language,
            "launch": "+".join(paths) or "?",
            "init": median(report["init"] for _, report in cold),
            "cold": median(seconds * 1000 for seconds, _ in cold),
            "warm": median(seconds * 1000 for _, seconds, _ in warm),
            "memory": f"{max(report['memory'] for _, _, report in warm)} MB",
        }
        say(f"cold {row['cold']} (init {row['init']}, {row['launch']}), warm {row['warm']}; medians of {COLD_ROUNDS} and {WARM_ROUNDS}, boto3, signed")
        self.rows.append(row)

    def invoke_by_cli(self, example):
        out = self.directory / "answer.json"
        command(["aws lambda invoke --function-name", example.name, "--payload", f"file://examples/{example.name}/{example.event}",
                 "--log-type Tail answer.json"])
        text = run(["aws", "lambda", "invoke", "--function-name", example.name, "--cli-binary-format", "raw-in-base64-out",
                    "--payload", f"file://{EXAMPLES / example.name / example.event}", "--log-type", "Tail", str(out)],
                   seconds=AWS_SECONDS_MAX, env=self.environment, what="aws lambda invoke")
        answer = json.loads(text)
        expect((answer["StatusCode"], answer.get("FunctionError")), (200, None), "what aws lambda invoke prints")
        example.check(json.loads(out.read_bytes()))
        report = base64.b64decode(answer["LogResult"]).decode().strip().splitlines()[-1]
        say(dim(report.replace("\t", "  ")))

    def invoke(self, example, payload, fails=False):
        """The answer's document, the seconds it took, and what the REPORT line says."""
        began = time.perf_counter()
        answer = self.lambda_.invoke(FunctionName=example.name, Payload=payload, LogType="Tail")
        body = answer["Payload"].read()
        seconds = time.perf_counter() - began
        if bool(answer.get("FunctionError")) != fails:
            raise Failure(f"{example.name} answered {answer.get('FunctionError')}: {body[:500].decode(errors='replace')}")
        tail = base64.b64decode(answer["LogResult"]).decode(errors="replace")
        found = REPORT.search(tail)
        if not found:
            raise Failure(f"{example.name} has no REPORT line:\n{tail}")
        duration, memory, init = found.groups()
        report = {"duration": float(duration), "memory": int(memory), "init": float(init) if init else None}
        return json.loads(body), seconds, report

    def cold(self, example):
        """The first answer of a sandbox that did not exist: an update retires those there are."""
        self.lambda_.update_function_configuration(FunctionName=example.name, Environment={"Variables": {"ROUND": str(time.time_ns())}})
        self.lambda_.get_waiter("function_updated_v2").wait(FunctionName=example.name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
        self.wait_for_pools()
        answer, seconds, report = self.invoke(example, example.payload())
        example.check(answer)
        if report["init"] is None:
            raise Failure(f"{example.name}: an updated function was answered by an old sandbox")
        return seconds, report

    def wait_for_pools(self):
        """Pools fill in the background; a person who types is slower than that, a loop is not."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and any(p["ready"] < p["target"] for p in self.server.status()["pools"]):
            time.sleep(0.05)

    def launched(self):
        return [sum(column) for column in zip(*self.server.launches().values(), strict=True)] or [0, 0, 0]

    # ---- an API

    def show_api(self):
        heading("An HTTP API of four more functions (examples/orders-service), called with curl")
        self.api = Api(self.environment)
        self.api.show()

    # ---- afterwards

    def compare(self):
        """Functions that do nothing: what is left is Updraft's own, beside a bare start of the interpreter."""
        heading("Of that, Updraft's own: functions that do nothing, beside a bare interpreter")
        rows = []
        for example in functions.EMPTY:
            self.lambda_.create_function(FunctionName=example.name, Runtime=example.runtime, Handler="index.handler", MemorySize=1769,
                                         Role="arn:aws:iam::000000000000:role/demo", Code={"ZipFile": example.package()})
            self.lambda_.get_waiter("function_active_v2").wait(FunctionName=example.name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
            cold = [self.cold(example) for _ in range(EMPTY_COLD_ROUNDS)]
            warm = [self.invoke(example, b"{}")[1] for _ in range(EMPTY_WARM_ROUNDS)]
            bare = [start_of(example.bare) for _ in range(COLD_ROUNDS)]
            rows.append([example.language, median(seconds * 1000 for seconds, _ in cold),
                         median(report["init"] for _, report in cold), median(seconds * 1000 for seconds in warm),
                         median(seconds * 1000 for seconds in bare), " ".join(example.bare)])
            self.lambda_.delete_function(FunctionName=example.name)
        table(["empty function", "cold", "init of it", "warm", "bare", "bare is"], rows)
        say(dim("a millisecond or two of each is boto3 signing and parsing; `make bench` measures without it"))

    def tail_logs(self):
        heading("Their logs")
        for example in functions.ALL:
            command(["aws logs tail", f"/aws/lambda/{example.name}"])
            lines = run(["aws", "logs", "tail", f"/aws/lambda/{example.name}", "--format", "short", "--since", "30m"],
                        seconds=AWS_SECONDS_MAX, env=self.environment, what="aws logs tail").strip().splitlines()
            reports = [line for line in lines if " REPORT RequestId: " in line]
            if len(reports) < COLD_ROUNDS + WARM_ROUNDS:
                raise Failure(f"{len(reports)} REPORT lines in the log, fewer than there were invocations")
            for line in lines[-4:]:
                say(dim(line.replace("\t", "  ")[:160]))
            say(dim(f"({len(lines)} lines, {len(reports)} of them REPORT)"))

    def summary(self):
        heading("Together")
        header = ["function", "language", "launch", "cold", "init of it", "warm", "max memory"]
        table(header, [[row[key] for key in ("function", "language", "launch", "cold", "init", "warm", "memory")] for row in self.rows])
        say(dim("cold and warm: the whole call through boto3, over signed HTTP, the function's own work included, which is most"))
        say(dim("of it; as on AWS, a function has CPU in proportion to its memory (1,769 MB: one core, 512 MB: 0.29)"))

    def finish(self):
        heading("Cleaning up")
        for example in functions.ALL:
            self.lambda_.delete_function(FunctionName=example.name)
        self.api.clean_up(self.lambda_, self.apis)
        expect(self.lambda_.list_functions()["Functions"], [], "the functions left")
        expect(self.apis.get_apis()["Items"], [], "the APIs left")
        say(f"functions and API deleted; server ended {self.server.stop():.1f} s after SIGTERM")
        remains = self.server.remains()
        if remains:
            raise Failure("left behind: " + ", ".join(remains))
        say("no process, mount or control group is left")


def median(numbers):
    return f"{statistics.median(numbers):.1f} ms"


def start_of(words):
    """Seconds that a program takes from start to end."""
    began = time.perf_counter()
    subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=30)
    return time.perf_counter() - began


def warm_payload(example):
    """The catalogue rather than an order: the stock would run out."""
    return example.payload("events/products.json" if example.name == "order-api" else None)


def client_environment(endpoint):
    """What a user exports before using AWS's tools, and nothing of this machine's own settings."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return mine | {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updraft", required=True, help="the updraft binary")
    parser.add_argument("--runtimes-dir", required=True, help="the directory of runtime packs")
    return parser.parse_args()


def run_demo(options):
    began = time.monotonic()
    directory = tempfile.mkdtemp(prefix="updraft-demo-")
    os.chmod(directory, 0o755)
    demo = Demo(options, directory)
    try:
        demo.main()
    except Failure as failure:
        print(f"\n{bad('demo failed:')} {failure}", file=sys.stderr)
        if demo.server.log_path.exists():
            print(f"\nthe server's last words:\n{demo.server.log_tail()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; cleaning up", file=sys.stderr)
        return 130
    finally:
        if demo.server.is_running():
            try:
                demo.server.stop()
            except Failure as failure:
                print(failure, file=sys.stderr)
        shutil.rmtree(directory, ignore_errors=True)
    if os.path.exists(directory):
        print(f"{bad('demo failed:')} {directory} could not be removed", file=sys.stderr)
        return 1
    print(f"\n{good('All answers were right.')} {time.monotonic() - began:.0f} s. Next: README.md, quickstart.")
    return 0


def interrupt(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    sys.exit(run_demo(read_options()))
