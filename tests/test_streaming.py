"""Response streaming through the API: parts reach the caller as they are written, and every end that an answer may have."""

import base64
import http.client
import json

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.code import zip_of
from support.functions import Report
from support.refusals import refused
from support.server import eventually

# `go()` waits until the test has tagged the function: so the test knows that what it has seen came before the end.
STREAMS = """
import { LambdaClient, ListTagsCommand } from '@aws-sdk/client-lambda';
const go = async (context) => {
  const lambda = new LambdaClient();
  const Resource = context.invokedFunctionArn.split(':').slice(0, 7).join(':');
  while (!(await lambda.send(new ListTagsCommand({ Resource }))).Tags.go) await new Promise((f) => setTimeout(f, 20));
};
const part = (stream, bytes) => stream.write(Buffer.alloc(bytes, 'x')) || new Promise((f) => stream.once('drain', f));
export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  BODY
});
"""

BOOTSTRAP = """#!/bin/sh
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while :; do
    headers=$(mktemp)
    curl -sS -D "$headers" "$api/invocation/next" > /dev/null
    id=$(grep -Fi lambda-runtime-aws-request-id "$headers" | tr -d '[:space:]' | cut -d: -f2)
    { printf 'one '; printf 'two'; } | curl -sS -o /dev/null "$api/invocation/$id/response" -X POST -T - \\
        -H 'Transfer-Encoding: chunked' -H 'Lambda-Runtime-Function-Response-Mode: streaming'
done
"""


def streaming(create, body, **settings):
    return create.node(STREAMS.replace("BODY", body), **({"stem": "streaming", "MemorySize": 512} | settings))


class Stream:
    """An answer as it comes in."""

    def __init__(self, function, event=None, *, client=None, **more):
        client = client or function.client
        self.head = client.invoke_with_response_stream(FunctionName=function.name, Payload=json.dumps(event).encode(), **more)
        self.events = iter(self.head["EventStream"])
        self.complete = None

    def chunk(self):
        return next(self.events)["PayloadChunk"]["Payload"]

    def rest(self):
        """All chunks that are left; the last event is in `complete` then."""
        chunks = []
        for event in self.events:
            assert self.complete is None, "nothing follows InvokeComplete"
            if "PayloadChunk" in event:
                chunks.append(event["PayloadChunk"]["Payload"])
            else:
                self.complete = event["InvokeComplete"]
        assert self.complete is not None, chunks
        return chunks

    @property
    def error(self):
        return self.complete["ErrorCode"], json.loads(self.complete["ErrorDetails"])

    @property
    def tail(self):
        return base64.b64decode(self.complete["LogResult"]).decode()


def test_the_first_chunk_is_there_before_the_handler_ends(create, lambda_):
    function = streaming(create, "stream.write('first'); await go(context); stream.end('last');")
    stream = Stream(function)
    assert stream.chunk() == b"first"
    lambda_.tag_resource(Resource=function.arn, Tags={"go": "now"})
    assert stream.rest() == [b"last"]
    assert stream.complete == {}


def test_the_head(create, lambda_):
    function = streaming(create, "stream.setContentType('text/plain'); stream.end('x');")
    lambda_.publish_version(FunctionName=function.name)
    for more, version in (({}, "$LATEST"), ({"Qualifier": "1"}, "1")):
        head = Stream(function, **more).head
        assert (head["StatusCode"], head["ExecutedVersion"]) == (200, version)
        assert head["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
        assert len(head["ResponseMetadata"]["RequestId"]) == 36


def test_a_buffered_answer_is_one_chunk(create):
    function = create.python("def handler(event, context):\n    print('here')\n    return [event, context.aws_request_id]\n")
    stream = Stream(function, {"a": 1}, LogType="Tail")
    request_id = stream.head["ResponseMetadata"]["RequestId"]
    assert [json.loads(chunk) for chunk in stream.rest()] == [[{"a": 1}, request_id]]
    assert "here\n" in stream.tail
    assert Report.of(stream.tail).request_id == request_id


def test_a_plain_invocation_collects_the_answer(create):
    function = streaming(create, "for (const word of event) stream.write(word); stream.end();")
    assert function.invoke(["a", "b", "c"]).payload == b"abc"


def test_answers_may_be_larger_than_buffered_ones(create):
    function = streaming(create, "for (let n = 0; n < event; n++) await part(stream, 65536); stream.end();")
    assert sum(map(len, Stream(function, 320).rest())) == 320 * 65536
    answer = function.invoke(320)
    assert answer.error == "Unhandled"
    assert answer.value["errorType"] == "Function.ResponseSizeTooLarge"
    assert sum(map(len, Stream(function, 1).rest())) == 65536, "and the next request finds a fresh environment"


def test_200_megabytes_are_the_limit(create):
    function = streaming(create, "for (let n = 0; n < 3300; n++) await part(stream, 65536); stream.end();", Timeout=60)
    stream = Stream(function)
    assert sum(map(len, stream.rest())) <= 200 << 20
    code, details = stream.error
    assert (code, details["errorType"]) == ("Function.ResponseSizeTooLarge", "Function.ResponseSizeTooLarge")
    assert "(209715200 bytes)" in details["errorMessage"]


def test_errors_before_the_first_chunk(create):
    function = streaming(create, "throw new RangeError('none of that');")
    stream = Stream(function, LogType="Tail")
    assert stream.rest() == []
    code, details = stream.error
    assert (code, details["errorType"], details["errorMessage"]) == ("RangeError", "RangeError", "none of that")
    assert "Invoke Error" in stream.tail
    assert function.invoke().value["errorMessage"] == "none of that"


def test_errors_in_the_middle(create):
    function = streaming(create, "stream.write('some'); throw new RangeError('no more');")
    stream = Stream(function, LogType="Tail")
    assert stream.rest() == [b"some"]
    assert stream.error[0] == "RangeError"
    assert Report.of(stream.tail).request_id == stream.head["ResponseMetadata"]["RequestId"]


def test_exits_in_the_middle(create):
    function = streaming(create, "await part(stream, 10); setTimeout(() => process.exit(3), 50); await new Promise(() => {});")
    stream = Stream(function)
    assert stream.rest() == [b"x" * 10]
    code, details = stream.error
    assert code == "Runtime.ExitError"
    assert details["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")


def test_timeouts_in_the_middle(create):
    function = streaming(create, "stream.write('some'); await new Promise((f) => setTimeout(f, 60000));", Timeout=1)
    stream = Stream(function, LogType="Tail")
    assert stream.rest() == [b"some"]
    code, details = stream.error
    assert code == "Sandbox.Timedout"
    assert details["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert "Status: timeout" in stream.tail


def test_memory_runs_out_in_the_middle(create):
    hog = "stream.write('some'); const all = []; for (;;) { all.push(Buffer.alloc(16 << 20, 1)); await new Promise(setImmediate); }"
    stream = Stream(streaming(create, hog, MemorySize=256))
    assert stream.rest() == [b"some"]
    assert stream.error[0] in ("Runtime.OutOfMemory", "Runtime.ExitError")


def test_a_caller_who_hangs_up_does_not_end_the_function(create, lambda_, logs):
    function = streaming(create, "stream.write('first'); await go(context); stream.end('last'); console.log('went on');")
    stream = Stream(function)
    assert stream.chunk() == b"first"
    stream.head["EventStream"].close()
    lambda_.tag_resource(Resource=function.arn, Tags={"go": "now"})
    found = lambda: logs.filter_log_events(logGroupName=function.log_group, filterPattern='"went on"')["events"]
    assert eventually(found)


def test_a_handler_may_go_on_after_its_answer(create, lambda_, logs):
    function = streaming(create, "stream.end('all'); await go(context); console.log('went on');")
    stream = Stream(function)
    assert (stream.rest(), stream.complete) == ([b"all"], {})
    lambda_.tag_resource(Resource=function.arn, Tags={"go": "now"})
    found = lambda: logs.filter_log_events(logGroupName=function.log_group, filterPattern='"went on"')["events"]
    assert eventually(found)


# Writes parts of 64 KB and says how many there were each time that the stream is full.
FLOOD = (
    "for (let n = 1; n <= event; n++) { if (!stream.write(Buffer.alloc(65536))) { console.log('full at', n);"
    " await new Promise((f) => stream.once('drain', f)); } } stream.end();"
)


def unread(server, function, event):
    """A connection on which an answer begins that nobody reads."""
    path = f"/2021-11-15/functions/{function.name}/response-streaming-invocations"
    body = json.dumps(event).encode()
    request = AWSRequest("POST", server.endpoint + path, {}, body)
    SigV4Auth(Credentials("test", "test"), "lambda", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("localhost", server.port, timeout=60)
    connection.request("POST", path, body, dict(request.prepare().headers))
    return connection


def full_at(logs, function):
    """How many parts the handler had written when its stream was full last."""
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=function.log_group, filterPattern='"full at"')
    found = [int(event["message"].rsplit(" ", 1)[1]) for page in pages for event in page["events"]]
    return max(found, default=0)


def test_a_caller_who_reads_slowly_slows_the_handler(create, updraft, logs):
    function = streaming(create, FLOOD, Timeout=60)
    connection = unread(updraft, function, 800)
    eventually(lambda: logs.describe_log_groups(logGroupNamePrefix=function.log_group)["logGroups"])
    # It stops once the buffers on the way are full: the same count twice, of a handler that would go on.
    counts = [0]
    assert eventually(lambda: counts.append(full_at(logs, function)) or counts[-1] == counts[-2] > 0, pause=1), counts
    assert counts[-1] < 400, "of 800 parts, for a caller who takes none"
    text = connection.getresponse().read()
    assert text.count(b"PayloadChunk") >= 800 and text.count(b"InvokeComplete") == 1


def test_a_caller_who_reads_nothing_holds_no_environment_beyond_its_time(create, updraft, logs):
    function = streaming(create, FLOOD, Timeout=2)
    connection = unread(updraft, function, 3000)
    report = lambda: logs.filter_log_events(logGroupName=function.log_group, filterPattern='"Status: timeout"')["events"]
    assert eventually(lambda: logs.describe_log_groups(logGroupNamePrefix=function.log_group)["logGroups"] and report())
    text = connection.getresponse().read()
    assert b"Sandbox.Timedout" in text[-1000:]


def test_one_environment_serves_one_stream_after_the_other(create):
    function = create.node(STREAMS.replace("export", "let n = 0; export").replace("BODY", "stream.end(String(n++));"))
    # An answer is whole a moment before its environment is free again, so another one may have to help out.
    assert eventually(lambda: Stream(function).rest() == [b"3"])


def test_a_custom_runtime_streams(create):
    function = create.custom(BOOTSTRAP)
    for _ in range(2):
        stream = Stream(function)
        assert (b"".join(stream.rest()), stream.complete) == (b"one two", {})
    assert function.invoke().payload == b"one two"


def test_refusals(create, lambda_):
    function = streaming(create, "stream.end('x');")
    with refused(404, "ResourceNotFoundException", "Function not found: "):
        lambda_.invoke_with_response_stream(FunctionName="nowhere")
    with refused(404, "ResourceNotFoundException", f"Function not found: {function.arn}:7"):
        lambda_.invoke_with_response_stream(FunctionName=function.name, Qualifier="7")
    with refused(400, "InvalidRequestContentException", "Could not parse request body into json"):
        lambda_.invoke_with_response_stream(FunctionName=function.name, Payload=b"{")
    with refused(501, "NotImplemented", "TenantId"):
        lambda_.invoke_with_response_stream(FunctionName=function.name, TenantId="blue")


def test_dry_runs(create, lambda_):
    function = streaming(create, "stream.end('x');")
    head = lambda_.invoke_with_response_stream(FunctionName=function.name, InvocationType="DryRun")
    assert head["StatusCode"] == 204
    with refused(404, "ResourceNotFoundException"):
        lambda_.invoke_with_response_stream(FunctionName="nowhere", InvocationType="DryRun")


def test_an_entrypoint_that_is_not_there(create):
    stream = Stream(create.create(zip_of({"other": "x"}), Runtime="provided.al2023", Handler="any"))
    assert stream.rest() == []
    assert stream.error[0] == "Runtime.InvalidEntrypoint"
