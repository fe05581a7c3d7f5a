"""HTTP servers behind HTTP APIs, and what integrations change in requests and responses on their way."""

import json
import socket

import pytest
from support.http_apis import Backend


@pytest.fixture
def link(v2, serve_api):
    """A VPC link, which ends after the APIs that use it."""
    link = v2.create_vpc_link(Name="link", SubnetIds=["subnet-1"])["VpcLinkId"]
    yield link
    serve_api.remove_all()
    v2.delete_vpc_link(VpcLinkId=link)


# ---- servers


def test_servers_get_the_request_as_it_is(serve_api, echo_server):
    api = serve_api(stage=None)
    api.stage("dev", StageVariables={"port": echo_server.url.rsplit(":", 1)[1]})
    api.route("ANY /to/{proxy+}", api.server("http://localhost:${stageVariables.port}/v1/{proxy}?fixed=1"))
    response = api.ask("POST", "/dev/to/a%20b/c?x=1&y=%2F", "hello", {"X-Mine": "1", "Authorization": "Bearer t"})
    asked = json.loads(response.text)
    assert (asked["method"], asked["path"], asked["body"]) == ("POST", "/v1/a%20b/c?fixed=1&x=1&y=%2F", "hello")
    assert (asked["headers"]["x-mine"], asked["headers"]["authorization"]) == ("1", "Bearer t")
    assert asked["headers"]["host"] == echo_server.url.removeprefix("http://")
    assert asked["headers"]["forwarded"] == f"for=127.0.0.1;host=localhost:{api.address[1]};proto=http"
    assert asked["headers"]["via"] == "HTTP/1.1 AmazonAPIGateway" and "x-updraft-hops" in asked["headers"]
    assert (response.headers["x-from"], response.headers["content-type"]) == ("backend", "application/json")


def test_servers_answers_come_back_as_they_are(serve_api):
    def answer(request):
        request.body()
        request.give(418, b"\x00\xff", Content_Type="image/png", Set_Cookie="a=1", Connection="close")

    with Backend(answer) as backend:
        api = serve_api()
        api.route("$default", api.server(backend.url, "PUT"))
        response = api.ask("GET", "/")
        assert (response.status, response.content, response.headers["content-type"]) == (418, b"\x00\xff", "image/png")
        assert response.headers["set-cookie"] == "a=1" and backend.asked[0].command == "PUT"


def test_bodies_stream_through(serve_api):
    """What a server says is heard while it still speaks, and it hears while its client still speaks."""

    def answer(request):
        first = request.rfile.readline(), request.rfile.readline()
        assert first == (b"5\r\n", b"first\r\n"), first
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"5\r\nheard\r\n")
        request.wfile.flush()
        rest = request.body()
        request.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))

    with Backend(answer) as backend:
        api = serve_api()
        api.route("$default", api.server(backend.url))
        with socket.create_connection(api.address, timeout=60) as line:
            line.sendall(f"POST {api.base}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n".encode())
            heard = b""
            while b"heard" not in heard:
                heard += line.recv(4096)
            line.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
            while not heard.endswith(b"0\r\n\r\n"):
                heard += line.recv(4096)
            assert b"second" in heard


def test_servers_that_do_not_answer_are_unavailable(serve_api):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        api = serve_api()
        api.route("GET /silent", api.server(f"http://localhost:{silent.getsockname()[1]}", TimeoutInMillis=100))
        api.refused(503, "Service Unavailable", path="/silent")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        api.route("GET /closed", api.server(f"http://localhost:{closed.getsockname()[1]}"))
        api.refused(503, "Service Unavailable", path="/closed")


def test_an_api_that_calls_itself_ends(serve_api):
    api = serve_api()
    api.route("$default", api.server(f"{api.url}/again"))
    assert api.ask().status == 508


def test_what_is_not_built_says_so(serve_api, link):
    api = serve_api()
    listener = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/a/1/2"
    api.route("GET /private", api.server(listener, ConnectionType="VPC_LINK", ConnectionId=link))
    sqs = api.integration(
        IntegrationType="AWS_PROXY", IntegrationSubtype="SQS-SendMessage", PayloadFormatVersion="1.0",
        CredentialsArn="arn:aws:iam::000000000000:role/r",
        RequestParameters={"QueueUrl": "q", "MessageBody": "$request.body.m"},
    )
    api.route("GET /queue", sqs)
    for path, word in [("/private", listener), ("/queue", "SQS-SendMessage")]:
        response = api.ask(path=path)
        assert response.status == 501 and "NotImplemented" in response.text and word in response.text


def test_private_servers_are_reached_by_their_address(serve_api, echo_server, link):
    api = serve_api()
    api.route("GET /private", api.server(echo_server.url, ConnectionType="VPC_LINK", ConnectionId=link))
    assert api.event(path="/private")["path"] == "/"


# ---- parameter mapping


def test_requests_are_mapped_on_their_way(serve_api, echo_server, echo_function):
    mapping = {
        "append:header.x-added": "$context.requestId",
        "overwrite:header.x-from": "${request.path.id}-$request.querystring.q",
        "remove:header.x-secret": "''",
        "append:querystring.table": "$stageVariables.table",
        "overwrite:querystring.q": "$request.body.a.b[0]",
        "remove:querystring.gone": "''",
        "overwrite:path": "/v2$request.path",
    }
    api = serve_api(stage=None)
    api.stage("dev", StageVariables={"table": "pets"})
    api.route("POST /pets/{id}", api.server(f"{echo_server.url}/x", RequestParameters=mapping))
    body = json.dumps({"a": {"b": ["found"]}})
    response = api.ask("POST", "/dev/pets/7?q=1&gone=1", body, {"x-secret": "s", "x-from": "client"})
    asked = json.loads(response.text)
    assert asked["path"] == "/v2/pets/7?table=pets&q=found" and asked["body"] == body
    headers = asked["headers"]
    assert (headers["x-added"], headers["x-from"]) == (response.headers["apigw-requestid"], "7-1")
    assert "x-secret" not in headers
    # A function sees it mapped, too.
    api.route("GET /f", api.function(echo_function, RequestParameters={"overwrite:header.h": "v", "append:querystring.q": "2"}))
    event = api.event(path="/dev/f?q=1")
    assert (event["headers"]["h"], event["queryStringParameters"], event["rawQueryString"]) == ("v", {"q": "1,2"}, "q=1&q=2")


def test_answers_are_mapped_on_their_way_back(serve_api):
    def answer(request):
        request.give(int(request.path[1:]), {"why": "because"}, X_Old="1", X_Both="a")

    with Backend(answer) as backend:
        changes = {
            "500": {"overwrite:statuscode": "403", "append:header.x-why": "$response.body.why", "remove:header.x-old": "''"},
            "404": {"append:header.x-both": "$response.header.x-old", "overwrite:header.x-id": "$context.requestId"},
        }
        api = serve_api()
        api.route("GET /{status}", api.server(f"{backend.url}/{{status}}", ResponseParameters=changes))
        response = api.ask(path="/500")
        assert (response.status, response.headers["x-why"], response.headers["x-old"]) == (403, "because", None)
        assert json.loads(response.text) == {"why": "because"}
        response = api.ask(path="/404")
        assert response.status == 404 and response.headers.get_all("x-both") == ["a", "1"]
        assert response.headers["x-id"] == response.headers["apigw-requestid"]
        response = api.ask(path="/200")
        assert (response.status, response.headers["x-old"], response.headers["x-why"]) == (200, "1", None)
