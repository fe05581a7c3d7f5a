"""REST APIs whose answers go on while they come (`responseTransferMode` STREAM): functions that write a prelude, HTTP servers."""

import contextlib
import http.client
import http.server
import json
import threading

import pytest

from support.refusals import refused, refuses
from support.rest import Api
from support.server import eventually

# `go()` waits until the test has tagged the function: so the test knows that what it has seen came before the end.
STREAMS = """
import { LambdaClient, ListTagsCommand } from '@aws-sdk/client-lambda';
const go = async (context) => {
  const lambda = new LambdaClient();
  const Resource = context.invokedFunctionArn.split(':').slice(0, 7).join(':');
  while (!(await lambda.send(new ListTagsCommand({ Resource }))).Tags.go) await new Promise((f) => setTimeout(f, 20));
};
const begin = (stream, head) => awslambda.HttpResponseStream.from(stream, head);
const part = (stream, bytes) => stream.write(Buffer.alloc(bytes, 'x')) || new Promise((f) => stream.once('drain', f));
export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  BODY
});
"""
PRELUDE = (
    "stream = begin(stream, { statusCode: 201, headers: { 'Content-Type': 'text/x', 'X-One': '1', Date: 'today' },"
    " multiValueHeaders: { 'X-Many': ['a', 'b'] }, cookies: ['c=1', 'd=2'] }); "
)


@pytest.fixture(scope="module")
def apigateway(updraft):
    return updraft.client("apigateway")


@pytest.fixture
def api(updraft, apigateway):
    made = []

    def make(**settings):
        made.append(Api(updraft, apigateway, **settings))
        return made[-1]

    yield make
    for one in made:
        apigateway.delete_rest_api(restApiId=one.id)


def uri(function):
    return f"arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{function.arn}/response-streaming-invocations"


def streams(one, path, function, method="GET", **settings):
    """A method that a function answers while it writes."""
    one.function(path, function, method, **({"uri": uri(function), "responseTransferMode": "STREAM"} | settings))


def streaming(create, body, **settings):
    return create.node(STREAMS.replace("BODY", body), **({"MemorySize": 512, "Timeout": 60} | settings))


@contextlib.contextmanager
def asked(stage, path, method="GET", headers=None):
    """An answer whose head is there, and perhaps no more."""
    connection = http.client.HTTPConnection(stage.address.hostname, stage.address.port, timeout=60)
    connection.request(method, f"/{stage.name}{path}", headers={"Host": stage.host} | (headers or {}))
    yield connection.getresponse()
    connection.close()


def test_a_functions_answer_arrives_while_it_is_written(create, lambda_, api):
    function = streaming(create, PRELUDE + "stream.write('first'); await go(context); stream.end(event.path + event.body);")
    one = api(minimumCompressionSize=0)
    streams(one, "/s", function)
    stage = one.deploy()
    with asked(stage, "/s", headers={"Accept-Encoding": "gzip"}) as answer:
        headers = answer.headers
        assert (answer.status, headers["Content-Type"], headers["X-One"]) == (201, "text/x", "1")
        assert (headers.get_all("X-Many"), headers.get_all("Set-Cookie")) == (["a", "b"], ["c=1", "d=2"])
        assert (headers["x-amzn-remapped-date"], headers["Transfer-Encoding"]) == ("today", "chunked")
        assert headers["Content-Encoding"] is None and headers["x-amzn-requestid"] and headers["x-amzn-trace-id"]
        assert answer.read(5) == b"first"
        lambda_.tag_resource(Resource=function.arn, Tags={"go": "now"})
        assert answer.read() == b"/snull"


def test_answers_may_be_larger_than_10_megabytes(create, api):
    one = api()
    streams(one, "/s", streaming(create, PRELUDE + "for (let n = 0; n < 320; n++) await part(stream, 65536); stream.end();"))
    answer = one.deploy().ask("GET", "/s")
    assert (answer.status, len(answer.content)) == (201, 320 * 65536)


@pytest.mark.parametrize(
    "body",
    [
        "throw new Error('no');",
        PRELUDE + "throw new Error('no');",
        "stream.end('no prelude');",
        PRELUDE.replace("201", "'many'") + "stream.write('x'); stream.end();",
        "stream = begin(stream, { headers: { x: 'y'.repeat(16 * 1024) } }); stream.write('x'); stream.end();",
    ],
    ids=["fails", "fails-after-the-head", "no-prelude", "no-status", "too-long"],
)
def test_what_is_no_answer(create, api, body):
    one = api()
    streams(one, "/s", streaming(create, body))
    answer = one.deploy().ask("GET", "/s")
    assert (answer.status, answer.json) == (502, {"message": "Internal server error"})


def test_a_buffered_handler_has_no_prelude(create, api):
    one = api()
    streams(one, "/s", create.python("def handler(event, context):\n    return {'statusCode': 200, 'body': 'x'}\n"))
    assert one.deploy().ask("GET", "/s").status == 502


def test_an_answer_that_breaks_off_is_cut_off(create, api):
    one = api()
    body = PRELUDE + "stream.write('some'); setTimeout(() => process.exit(1), 50); await new Promise(() => {});"
    streams(one, "/s", streaming(create, body))
    with asked(one.deploy(), "/s") as answer:
        assert answer.status == 201
        with pytest.raises(http.client.IncompleteRead) as cut:
            answer.read()
        assert cut.value.partial == b"some"


def test_an_answer_begins_within_the_integrations_time(create, api):
    one = api()
    never = "await new Promise((done) => setTimeout(done, 60000));"
    streams(one, "/s", streaming(create, never), timeoutInMillis=500)
    answer = one.deploy().ask("GET", "/s")
    assert (answer.status, answer.json) == (504, {"message": "Endpoint request timed out"})


def test_a_function_needs_its_permission(create, api, updraft):
    one = api()
    one.method("/s", "GET")
    one.client.put_integration(
        **one.at("/s"), type="AWS_PROXY", integrationHttpMethod="POST", responseTransferMode="STREAM",
        uri=uri(type("Gone", (), {"arn": "arn:aws:lambda:us-east-1:000000000000:function:gone"})),
    )
    assert one.deploy().ask("GET", "/s").status == 500


def test_nothing_that_streams_is_cached(create, api):
    one = api()
    streams(one, "/s", streaming(create, PRELUDE + "stream.write(context.awsRequestId); stream.end();"))
    stage = one.deploy(cacheClusterEnabled=True, cacheClusterSize="0.5")
    stage.update(("/*/*/caching/enabled", "true"))
    first, second = (stage.ask("GET", "/s") for _ in range(2))
    assert (first.status, second.status) == (201, 201) and first.text != second.text


def test_it_is_logged_when_it_is_over(create, lambda_, logs, updraft, api):
    function = streaming(create, PRELUDE + "stream.write('first'); await go(context); stream.end('last');")
    one = api()
    streams(one, "/s", function)
    stage = one.deploy()
    group = f"streams-{one.id}"
    logs.create_log_group(logGroupName=group)
    names = {
        "mode": "integration.responseTransferMode", "head": "integration.timeToAllHeaders", "content": "integration.timeToFirstContent",
        "all": "integrationLatency", "length": "responseLength", "status": "status",
    }
    line = "{" + ",".join(f'"{key}":"$context.{name}"' for key, name in names.items()) + "}"
    stage.update(
        ("/accessLogSettings/destinationArn", f"arn:aws:logs:us-east-1:000000000000:log-group:{group}"),
        ("/accessLogSettings/format", line),
    )

    def lines():
        return [json.loads(event["message"]) for event in logs.filter_log_events(logGroupName=group)["events"]]

    with asked(stage, "/s") as answer:
        assert answer.read(5) == b"first"
        assert lines() == []
        lambda_.tag_resource(Resource=function.arn, Tags={"go": "now"})
        assert answer.read() == b"last"
    (seen,) = eventually(lines)
    assert (seen["mode"], seen["length"], seen["status"]) == ("STREAMED", "9", "201")
    assert 0 <= int(seen["head"]) <= int(seen["content"]) <= int(seen["all"])


def test_a_test_shows_the_whole_answer(create, api):
    one = api()
    streams(one, "/s", streaming(create, PRELUDE + "stream.write('first '); stream.end('last');"))
    streams(one, "/large", streaming(create, PRELUDE + "for (let n = 0; n < 64; n++) await part(stream, 65536); stream.end();"))
    tested = one.client.test_invoke_method(**one.at("/s"))
    assert (tested["status"], tested["body"], tested["headers"]["Content-Type"]) == (201, "first last", "text/x")
    assert 1 << 20 < len(one.client.test_invoke_method(**one.at("/large"))["body"]) < 4 << 20


class Slow(http.server.BaseHTTPRequestHandler):
    """Sends a part, and another once it may."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(202)
        for name, value in (("Transfer-Encoding", "chunked"), ("Content-Type", "text/slow"), ("X-Path", self.path)):
            self.send_header(name, value)
        self.end_headers()
        for text in (b"first", b"last", b""):
            if text == b"last":
                self.server.may_end.wait(60)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            self.wfile.flush()

    def log_message(self, *_):
        pass


@pytest.fixture
def slow():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.may_end = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.may_end.set()
    server.shutdown()


def test_a_servers_answer_arrives_while_it_comes(api, slow):
    one = api()
    behind = f"http://127.0.0.1:{slow.server_port}"
    one.server_behind("/s", behind + "/x", "GET", responseTransferMode="STREAM", timeoutInMillis=900_000)
    with asked(one.deploy(), "/s?q=1") as answer:
        assert (answer.status, answer.headers["Content-Type"], answer.headers["X-Path"]) == (202, "text/slow", "/x?q=1")
        assert answer.read(5) == b"first"
        slow.may_end.set()
        assert answer.read() == b"last"


def test_a_server_that_is_not_there(api):
    one = api()
    one.server_behind("/s", "http://127.0.0.1:9/", "GET", responseTransferMode="STREAM")
    assert one.deploy().ask("GET", "/s").status == 504


def test_transfer_modes_that_cannot_be(api, create):
    one = api()
    one.method("/s", "GET")
    arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
    plain = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    streamed = f"arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{arn}/response-streaming-invocations"
    put = one.client.put_integration
    place = one.at("/s") | {"integrationHttpMethod": "POST"}
    refuses(
        "BadRequestException",
        "Invalid ResponseTransferMode. Cannot use ResponseTransferMode BUFFERED for Lambda functions invoked by "
        "InvokeWithResponseStream for AWS_PROXY integrations.",
        put, **place, type="AWS_PROXY", uri=streamed,
    )
    with refused(400, "BadRequestException", "Cannot use ResponseTransferMode STREAM for Lambda functions invoked by Invoke"):
        put(**place, type="AWS_PROXY", uri=plain, responseTransferMode="STREAM")
    for kind, more in (("MOCK", {}), ("HTTP", {"uri": "http://example.com/"}), ("AWS", {"uri": plain})):
        with refused(400, "BadRequestException", "Invalid ResponseTransferMode"):
            put(**place, type=kind, responseTransferMode="STREAM", **more)
    with refused(400, "BadRequestException", "Timeout should be between 50 ms and 900000 ms"):
        put(**place, type="AWS_PROXY", uri=streamed, responseTransferMode="STREAM", timeoutInMillis=900_001)
    with refused(400, "BadRequestException", "Timeout should be between 50 ms and 29000 ms"):
        put(**place, type="AWS_PROXY", uri=plain, timeoutInMillis=30_000)
    made = put(**place, type="AWS_PROXY", uri=streamed, responseTransferMode="STREAM", timeoutInMillis=900_000)
    assert (made["responseTransferMode"], made["timeoutInMillis"]) == ("STREAM", 900_000)
    back = [
        {"op": "replace", "path": f"/{name}", "value": value}
        for name, value in (("uri", plain), ("responseTransferMode", "BUFFERED"), ("timeoutInMillis", "29000"))
    ]
    assert one.client.update_integration(**one.at("/s"), patchOperations=back)["responseTransferMode"] == "BUFFERED"


def test_documents_keep_the_transfer_mode(api, apigateway):
    arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
    said = {
        "type": "aws_proxy", "httpMethod": "POST", "responseTransferMode": "STREAM", "timeoutInMillis": 90_000,
        "uri": f"arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{arn}/response-streaming-invocations",
    }

    def document(**more):
        paths = {"/s": {"get": {"x-amazon-apigateway-integration": said | more}}}
        return json.dumps({"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": paths})

    with refused(400, "BadRequestException", "Invalid ResponseTransferMode"):
        apigateway.import_rest_api(body=document(responseTransferMode="BUFFERED"))
    one = api()
    apigateway.put_rest_api(restApiId=one.id, mode="overwrite", body=document())
    one.deploy()
    exported = apigateway.get_export(
        restApiId=one.id, stageName="prod", exportType="oas30", parameters={"extensions": "integrations"}
    )
    written = json.loads(exported["body"].read())["paths"]["/s"]["get"]["x-amazon-apigateway-integration"]
    assert {name: written[name] for name in said} == said
