"""Requests to HTTP APIs, by plain HTTP: stages, routes, functions and servers behind them, mappings, CORS, limits, logs, metrics."""

import base64
import datetime
import json
import re
import socket

import pytest
from support.http_apis import ECHO, SAYS, Backend, Maker, echo
from support.server import eventually


@pytest.fixture(scope="module")
def v2(updraft):
    return updraft.client("apigatewayv2")


@pytest.fixture
def make_api(v2):
    maker = Maker(v2)
    yield maker
    maker.remove_all()


@pytest.fixture
def link(v2, make_api):
    """A VPC link, which ends after the APIs that use it."""
    link = v2.create_vpc_link(Name="link", SubnetIds=["subnet-1"])["VpcLinkId"]
    yield link
    make_api.remove_all()
    v2.delete_vpc_link(VpcLinkId=link)


@pytest.fixture(scope="module")
def echo_function(shared):
    return shared.python(ECHO)


@pytest.fixture(scope="module")
def says(shared):
    return shared.python(SAYS)


@pytest.fixture
def server():
    with Backend(echo) as backend:
        yield backend


def said(api, answer, path="/", **more):
    return api.ask("POST", path, json.dumps(answer), {"content-type": "application/json"}, **more)


# ---- stages and routes


def test_stages_stand_in_the_path_but_for_the_default_one(make_api, echo_function):
    api = make_api(stage=None)
    api.route("GET /pets", api.function(echo_function))
    api.refused(404, "Not Found", path="/pets")
    api.stage("dev", StageVariables={"table": "test-pets"})
    api.refused(404, "Not Found", path="/pets")
    event = api.event(path="/dev/pets?x=1")
    assert (event["rawPath"], event["requestContext"]["http"]["path"]) == ("/dev/pets", "/dev/pets")
    assert (event["requestContext"]["stage"], event["stageVariables"]) == ("dev", {"table": "test-pets"})
    api.stage("$default")
    event = api.event(path="/pets")
    assert (event["rawPath"], event["requestContext"]["stage"], event.get("stageVariables")) == ("/pets", "$default", None)
    assert api.event(path="/dev/pets")["requestContext"]["stage"] == "dev"
    api.client.delete_stage(ApiId=api.id, StageName="dev")
    api.refused(404, "Not Found", path="/dev/pets")


def test_a_stage_serves_what_was_deployed(make_api, echo_function, v2):
    api = make_api(stage=None)
    integration = api.function(echo_function)
    api.route("GET /a", integration)
    first = v2.create_deployment(ApiId=api.id)["DeploymentId"]
    api.stage("prod", AutoDeploy=False, DeploymentId=first)
    api.route("GET /b", integration)
    assert api.ask(path="/prod/a").status == 200
    api.refused(404, "Not Found", path="/prod/b")
    second = v2.create_deployment(ApiId=api.id)["DeploymentId"]
    v2.update_stage(ApiId=api.id, StageName="prod", DeploymentId=second)
    assert api.ask(path="/prod/b").status == 200


def test_every_address_leads_to_the_api(make_api, echo_function, updraft):
    api = make_api()
    api.stage("dev")
    api.route("GET /pets", api.function(echo_function))
    hosts = {"Host": f"{api.id}.execute-api.us-east-1.amazonaws.com"}
    connection = api.connect()
    for path, headers, stage in [
        (f"/_aws/execute-api/{api.id}/pets", {}, "$default"),
        (f"/_aws/execute-api/{api.id}/$default/pets", {}, "$default"),
        (f"/_aws/execute-api/{api.id}/dev/pets", {}, "dev"),
        (f"/restapis/{api.id}/dev/_user_request_/pets", {}, "dev"),
        ("/pets", hosts, "$default"),
        ("/dev/pets", {"Host": f"{api.id}.execute-api.localhost.localstack.cloud:4566"}, "dev"),
    ]:
        connection.request("GET", path, headers=headers)
        event = json.loads(connection.getresponse().read())
        assert event["requestContext"]["stage"] == stage, path
        assert event["requestContext"]["domainPrefix"] == api.id
    connection.request("GET", "/pets", headers={"Host": f"{api.id}.execute-api.eu-west-1.amazonaws.com"})
    assert connection.getresponse().status == 403, "another region's"


def test_the_best_route_is_taken(make_api, server):
    api = make_api()
    keys = ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default", "GET /", "ANY /any", "POST /any"]
    for number, key in enumerate(keys):
        api.route(key, api.server(f"{server.url}/{number}"))

    def route(method, path):
        return keys[int(json.loads(api.ask(method, path).text)["path"][1:])]

    for method, path, key in [
        ("GET", "/pets/dog/1", "GET /pets/dog/1"),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
        ("POST", "/test/5", "ANY /{proxy+}"),
        ("POST", "/pets/dog/1", "ANY /{proxy+}"),
        ("GET", "/", "GET /"),
        ("POST", "/", "$default"),
        ("POST", "/any", "POST /any"),
        ("PUT", "/any", "ANY /any"),
    ]:
        assert route(method, path) == key, (method, path)


def test_what_leads_nowhere_is_not_found(make_api, echo_function):
    api = make_api()
    api.route("GET /pets", api.function(echo_function))
    api.route("GET /nothing")
    for method, path in [("GET", "/"), ("POST", "/pets"), ("GET", "/pets/"), ("GET", "/pets/1"), ("GET", "/nothing")]:
        api.refused(404, "Not Found", method, path)
    api.client.update_api(ApiId=api.id, DisableExecuteApiEndpoint=True)
    api.refused(404, "Not Found", path="/pets")


# ---- functions: events


def test_the_event_of_format_2_field_by_field(make_api, echo_function):
    api = make_api(stage=None)
    api.stage("dev")
    api.route("POST /pets/{pet}/toys/{toy+}", api.function(echo_function))
    before = datetime.datetime.now(datetime.UTC).timestamp() * 1000
    connection = api.connect()
    connection.putrequest("POST", f"{api.base}/dev/pets/a%20b/toys/1/2?a=1&a=2&b=%2C&c", skip_accept_encoding=True)
    for name, value in [
        ("X-Odd", "1"), ("x-odd", "2"), ("Cookie", "a=1; b=2"), ("User-Agent", "me"), ("Content-Type", "text/plain"),
        ("Content-Length", "2"), ("Authorization", "Bearer x"), ("X-Forwarded-For", "10.0.0.1"),
    ]:
        connection.putheader(name, value)
    connection.endheaders(b"hi")
    response = connection.getresponse()
    event = json.loads(response.read())
    host = f"localhost:{api.address[1]}"
    context = event["requestContext"]
    assert context["requestId"] == response.headers["apigw-requestid"] and re.fullmatch(r"[\w-]{15}=", context["requestId"])
    assert before - 1000 <= context["timeEpoch"] <= before + 60_000
    moment = datetime.datetime.strptime(context["time"], "%d/%b/%Y:%H:%M:%S %z")
    assert int(moment.timestamp()) == context["timeEpoch"] // 1000
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", event["headers"]["x-amzn-trace-id"])
    assert event == {
        "version": "2.0",
        "routeKey": "POST /pets/{pet}/toys/{toy+}",
        "rawPath": "/dev/pets/a b/toys/1/2",
        "rawQueryString": "a=1&a=2&b=%2C&c",
        "cookies": ["a=1", "b=2"],
        "headers": {
            "authorization": "Bearer x", "content-length": "2", "content-type": "text/plain", "host": host,
            "user-agent": "me", "x-amzn-trace-id": event["headers"]["x-amzn-trace-id"],
            "x-forwarded-for": "10.0.0.1, 127.0.0.1", "x-forwarded-port": str(api.address[1]),
            "x-forwarded-proto": "http", "x-odd": "1,2",
        },
        "queryStringParameters": {"a": "1,2", "b": ",", "c": ""},
        "requestContext": {
            "accountId": "000000000000", "apiId": api.id, "domainName": host, "domainPrefix": api.id,
            "http": {
                "method": "POST", "path": "/dev/pets/a b/toys/1/2", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                "userAgent": "me",
            },
            "requestId": context["requestId"], "routeKey": "POST /pets/{pet}/toys/{toy+}", "stage": "dev",
            "time": context["time"], "timeEpoch": context["timeEpoch"],
        },
        "body": "hi",
        "pathParameters": {"pet": "a b", "toy": "1/2"},
        "isBase64Encoded": False,
    }


def test_the_event_of_format_1_field_by_field(make_api, shared):
    function = shared.python("import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n")
    api = make_api(stage=None)
    api.stage("dev", StageVariables={"v": "1"})
    api.route("ANY /pets/{pet}", api.function(function, "1.0"))
    connection = api.connect()
    connection.putrequest("GET", f"{api.base}/dev/pets/1?a=1&a=2", skip_accept_encoding=True)
    for name, value in [("X-Odd", "1"), ("x-odd", "2"), ("Cookie", "a=1"), ("User-Agent", "me")]:
        connection.putheader(name, value)
    connection.endheaders()
    event = json.loads(connection.getresponse().read())
    host, trace = f"localhost:{api.address[1]}", event["headers"]["X-Amzn-Trace-Id"]
    context = event["requestContext"]
    single = {
        "Content-Length": "0", "Host": host, "User-Agent": "me", "X-Amzn-Trace-Id": trace, "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Port": str(api.address[1]), "X-Forwarded-Proto": "http", "cookie": "a=1",
    }
    assert event == {
        "version": "1.0", "resource": "/pets/{pet}", "path": "/dev/pets/1", "httpMethod": "GET",
        "headers": single | {"x-odd": "2"},
        "multiValueHeaders": {name: [value] for name, value in single.items()} | {"x-odd": ["1", "2"]},
        "queryStringParameters": {"a": "1"}, "multiValueQueryStringParameters": {"a": ["1", "2"]},
        "requestContext": {
            "accountId": "000000000000", "apiId": api.id, "domainName": host, "domainPrefix": api.id,
            "extendedRequestId": context["requestId"], "httpMethod": "GET",
            "identity": {
                "accessKey": None, "accountId": None, "caller": None, "cognitoAmr": None,
                "cognitoAuthenticationProvider": None, "cognitoAuthenticationType": None, "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None, "principalOrgId": None, "sourceIp": "127.0.0.1", "user": None,
                "userAgent": "me", "userArn": None,
            },
            "path": "/dev/pets/1", "protocol": "HTTP/1.1", "requestId": context["requestId"],
            "requestTime": context["requestTime"], "requestTimeEpoch": context["requestTimeEpoch"],
            "resourceId": "ANY /pets/{pet}", "resourcePath": "/pets/{pet}", "stage": "dev",
        },
        "pathParameters": {"pet": "1"}, "stageVariables": {"v": "1"}, "body": None, "isBase64Encoded": False,
    }


def test_bodies_are_text_by_their_type_and_else_base64(make_api, echo_function):
    api = make_api()
    api.route("$default", api.function(echo_function))
    event = api.event("POST", "/", b"\x00\xff", {"content-type": "application/octet-stream"})
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\x00\xff", True)
    event = api.event("POST", "/", b"a=b", {"content-type": "application/x-www-form-urlencoded"})
    assert (event["body"], event["isBase64Encoded"]) == ("YT1i", True)
    event = api.event("POST", "/", '{"é": 1}'.encode(), {"content-type": "application/json"})
    assert (event["body"], event["isBase64Encoded"]) == ('{"é": 1}', False)
    event = api.event("GET", "/x/y")
    assert "body" not in event and event["isBase64Encoded"] is False and event["routeKey"] == "$default"


# ---- functions: answers


def test_answers_are_inferred_or_formatted(make_api, says):
    api = make_api()
    api.route("$default", api.function(says))
    for answer, body in [({"a": [1, 2]}, '{"a":[1,2]}'), ("hello", "hello"), (None, "null"), (3, "3")]:
        response = said(api, answer)
        assert (response.status, response.headers["content-type"], response.text) == (200, "application/json", body)
    response = said(api, {
        "statusCode": 201, "headers": {"X-One": "1", "content-type": "image/png"}, "cookies": ["a=1; Secure", "b=2"],
        "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True,
    })
    assert (response.status, response.content, response.headers["x-one"]) == (201, b"\x00\xff", "1")
    assert response.headers.get_all("set-cookie") == ["a=1; Secure", "b=2"]
    response = said(api, {"statusCode": 404, "body": "no"})
    assert (response.status, response.text, response.headers["content-type"]) == (404, "no", "text/plain; charset=utf-8")


def test_answers_of_format_1(make_api, says):
    api = make_api()
    api.route("$default", api.function(says, "1.0"))
    response = said(api, {"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "headers": {"x": "y"}, "body": "hi"})
    assert (response.status, response.text, response.headers["x"]) == (200, "hi", "y")
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    for answer in [{"body": "no status"}, "text", {"statusCode": 200, "body": {"a": 1}}]:
        response = said(api, answer)
        assert (response.status, response.text) == (500, '{"message":"Internal Server Error"}'), answer


def test_what_is_no_answer_is_an_internal_error(make_api, says):
    api = make_api()
    api.route("$default", api.function(says))
    for answer in [{"statusCode": "many"}, {"statusCode": 200, "headers": ["x"]}, {"statusCode": 99}]:
        response = said(api, answer)
        assert (response.status, response.text) == (500, '{"message":"Internal Server Error"}'), answer
    # The function fails, as its body is no JSON.
    api.refused(500, "Internal Server Error", "POST", "/", "no json", {"content-type": "text/plain"})


def test_late_functions_are_unavailable(make_api, create):
    function = create.python("import time\ndef handler(event, context):\n    time.sleep(5)\n")
    api = make_api()
    api.route("$default", api.function(function, TimeoutInMillis=100))
    api.refused(503, "Service Unavailable")


def test_missing_functions_and_too_large_requests(make_api, echo_function):
    api = make_api()
    api.route("GET /gone", api.function(echo_function.arn + "-gone"))
    api.route("POST /echo", api.function(echo_function))
    api.refused(500, "Internal Server Error", path="/gone")
    api.refused(413, "Request Entity Too Large", "POST", "/echo", b"x" * 7_000_000, {"content-type": "text/plain"})
    api.refused(413, "Request Entity Too Large", "POST", "/echo", b"x" * 11_000_000, {"content-type": "text/plain"})


def test_functions_may_be_named_by_stage_variables(make_api, create):
    function = create.python("def handler(event, context):\n    return context.invoked_function_arn\n")
    api = make_api(stage=None)
    api.stage("dev", StageVariables={"name": function.name})
    uri = "arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.name}"
    api.route("GET /plain", api.function(uri))
    wrapped = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{uri}/invocations"
    api.route("GET /wrapped", api.function(wrapped))
    assert api.ask(path="/dev/plain").text == function.arn
    assert api.ask(path="/dev/wrapped").text == function.arn


def test_functions_must_let_the_api_call_them(another_server):
    with another_server(arguments=["--iam", "enforce"]) as server:
        from support.functions import Factory, Runtimes

        lambda_ = server.client("lambda")
        function = Factory(lambda_, Runtimes.on_host(server.runtimes)).python(ECHO)
        api = Maker(server.client("apigatewayv2"))()
        integration = api.function(function)
        api.route("GET /pets/{id}", integration)
        api.route("$default", integration)
        api.refused(500, "Internal Server Error", path="/pets/1")

        def allow(name, source):
            lambda_.add_permission(
                FunctionName=function.name, StatementId=name, Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com", SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{source}",
            )

        allow("other", "otherapi/*/*/pets/{id}")
        api.refused(500, "Internal Server Error", path="/pets/1")
        allow("route", f"{api.id}/*/GET/pets/{{id}}")
        assert eventually(lambda: api.ask(path="/pets/1").status == 200)
        api.refused(500, "Internal Server Error", path="/else")
        allow("default", f"{api.id}/*/$default")
        assert eventually(lambda: api.ask(path="/else").status == 200)


# ---- servers


def test_servers_get_the_request_as_it_is(make_api, server):
    api = make_api(stage=None)
    api.stage("dev", StageVariables={"port": server.url.rsplit(":", 1)[1]})
    api.route("ANY /to/{proxy+}", api.server("http://localhost:${stageVariables.port}/v1/{proxy}?fixed=1"))
    response = api.ask("POST", "/dev/to/a%20b/c?x=1&y=%2F", "hello", {"X-Mine": "1", "Authorization": "Bearer t"})
    asked = json.loads(response.text)
    assert (asked["method"], asked["path"], asked["body"]) == ("POST", "/v1/a%20b/c?fixed=1&x=1&y=%2F", "hello")
    assert (asked["headers"]["x-mine"], asked["headers"]["authorization"]) == ("1", "Bearer t")
    assert asked["headers"]["host"] == server.url.removeprefix("http://")
    assert asked["headers"]["forwarded"] == f"for=127.0.0.1;host=localhost:{api.address[1]};proto=http"
    assert asked["headers"]["via"] == "HTTP/1.1 AmazonAPIGateway" and "x-updraft-hops" in asked["headers"]
    assert (response.headers["x-from"], response.headers["content-type"]) == ("backend", "application/json")


def test_servers_answers_come_back_as_they_are(make_api):
    def answer(request):
        request.body()
        request.give(418, b"\x00\xff", Content_Type="image/png", Set_Cookie="a=1", Connection="close")

    with Backend(answer) as backend:
        api = make_api()
        api.route("$default", api.server(backend.url, "PUT"))
        response = api.ask("GET", "/")
        assert (response.status, response.content, response.headers["content-type"]) == (418, b"\x00\xff", "image/png")
        assert response.headers["set-cookie"] == "a=1" and backend.asked[0].command == "PUT"


def test_bodies_stream_through(make_api):
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
        api = make_api()
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


def test_servers_that_do_not_answer_are_unavailable(make_api):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        api = make_api()
        api.route("GET /silent", api.server(f"http://localhost:{silent.getsockname()[1]}", TimeoutInMillis=100))
        api.refused(503, "Service Unavailable", path="/silent")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        api.route("GET /closed", api.server(f"http://localhost:{closed.getsockname()[1]}"))
        api.refused(503, "Service Unavailable", path="/closed")


def test_an_api_that_calls_itself_ends(make_api):
    api = make_api()
    api.route("$default", api.server(f"{api.url}/again"))
    assert api.ask().status == 508


def test_what_is_not_built_says_so(make_api, link):
    api = make_api()
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


def test_private_servers_are_reached_by_their_address(make_api, server, link):
    api = make_api()
    api.route("GET /private", api.server(server.url, ConnectionType="VPC_LINK", ConnectionId=link))
    assert api.event(path="/private")["path"] == "/"


# ---- parameter mapping


def test_requests_are_mapped_on_their_way(make_api, server, echo_function):
    mapping = {
        "append:header.x-added": "$context.requestId",
        "overwrite:header.x-from": "${request.path.id}-$request.querystring.q",
        "remove:header.x-secret": "''",
        "append:querystring.table": "$stageVariables.table",
        "overwrite:querystring.q": "$request.body.a.b[0]",
        "remove:querystring.gone": "''",
        "overwrite:path": "/v2$request.path",
    }
    api = make_api(stage=None)
    api.stage("dev", StageVariables={"table": "pets"})
    api.route("POST /pets/{id}", api.server(f"{server.url}/x", RequestParameters=mapping))
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


def test_answers_are_mapped_on_their_way_back(make_api):
    def answer(request):
        request.give(int(request.path[1:]), {"why": "because"}, X_Old="1", X_Both="a")

    with Backend(answer) as backend:
        changes = {
            "500": {"overwrite:statuscode": "403", "append:header.x-why": "$response.body.why", "remove:header.x-old": "''"},
            "404": {"append:header.x-both": "$response.header.x-old", "overwrite:header.x-id": "$context.requestId"},
        }
        api = make_api()
        api.route("GET /{status}", api.server(f"{backend.url}/{{status}}", ResponseParameters=changes))
        response = api.ask(path="/500")
        assert (response.status, response.headers["x-why"], response.headers["x-old"]) == (403, "because", None)
        assert json.loads(response.text) == {"why": "because"}
        response = api.ask(path="/404")
        assert response.status == 404 and response.headers.get_all("x-both") == ["a", "1"]
        assert response.headers["x-id"] == response.headers["apigw-requestid"]
        response = api.ask(path="/200")
        assert (response.status, response.headers["x-old"], response.headers["x-why"]) == (200, "1", None)


# ---- CORS


CORS = {
    "AllowOrigins": ["https://a.example"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-one", "x-two"],
    "ExposeHeaders": ["x-seen"], "MaxAge": 60, "AllowCredentials": True,
}
PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}


def cross(response):
    return {name.lower(): value for name, value in response.headers.items() if name.lower().startswith("access-control-")}


def test_preflight_requests_need_no_route(make_api, says):
    api = make_api(CorsConfiguration=CORS)
    api.route("POST /pets", api.function(says))
    for path in ("/pets", "/nowhere"):
        response = api.ask("OPTIONS", path, headers=PREFLIGHT)
        assert (response.status, response.text) == (204, "")
        assert cross(response) == {
            "access-control-allow-origin": "https://a.example", "access-control-allow-methods": "GET,POST",
            "access-control-allow-headers": "x-one,x-two", "access-control-max-age": "60",
            "access-control-allow-credentials": "true",
        }
    assert cross(api.ask("OPTIONS", "/pets", headers=PREFLIGHT | {"Origin": "https://b.example"})) == {}
    api.refused(404, "Not Found", "OPTIONS", "/pets")


def test_the_configuration_overrides_what_functions_say(make_api, says):
    api = make_api(CorsConfiguration=CORS)
    api.route("POST /pets", api.function(says))
    answer = {"statusCode": 200, "headers": {"access-control-allow-origin": "*", "access-control-max-age": "1"}, "body": ""}
    headers = {"content-type": "application/json", "origin": "https://a.example"}
    own = {
        "access-control-allow-origin": "https://a.example", "access-control-expose-headers": "x-seen",
        "access-control-allow-credentials": "true",
    }
    assert cross(api.ask("POST", "/pets", json.dumps(answer), headers)) == own
    assert cross(api.ask("POST", "/pets", "no json", headers)) == own, "refusals as well"
    assert cross(api.ask("POST", "/pets", json.dumps(answer), headers | {"origin": "https://b.example"})) == {}
    api.client.delete_cors_configuration(ApiId=api.id)
    assert cross(api.ask("POST", "/pets", json.dumps(answer), headers))["access-control-allow-origin"] == "*"


# ---- limits, logs, metrics


def test_routes_are_throttled(make_api, server, v2):
    api = make_api(stage=None)
    integration = api.server(server.url)
    api.route("GET /slow", integration)
    api.route("GET /quick", integration)
    limited = {"ThrottlingBurstLimit": 2, "ThrottlingRateLimit": 0.001}
    api.stage("dev", RouteSettings={"GET /slow": limited})
    assert [api.ask(path="/dev/slow").status for _ in range(2)] == [200, 200]
    api.refused(429, "Too Many Requests", path="/dev/slow")
    assert [api.ask(path="/dev/quick").status for _ in range(5)] == [200] * 5
    v2.update_stage(ApiId=api.id, StageName="dev", DefaultRouteSettings={"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.001})
    assert api.ask(path="/dev/quick").status == 200
    api.refused(429, "Too Many Requests", path="/dev/quick")


def test_requests_are_noted(make_api, echo_function, logs):
    group = "/test/http-api/access"
    logs.create_log_group(logGroupName=group)
    names = [
        "requestId", "httpMethod", "routeKey", "status", "path", "stage", "protocol", "identity.sourceIp", "error.message",
        "integrationStatus", "responseLength", "accountId", "apiId", "domainPrefix", "nothing",
    ]
    form = json.dumps({name: f"$context.{name}" for name in names})
    api = make_api(stage=None)
    api.route("GET /pets/{id}", api.function(echo_function))
    api.stage("dev", AccessLogSettings={"DestinationArn": f"arn:aws:logs:us-east-1:000000000000:log-group:{group}", "Format": form})
    response = api.ask(path="/dev/pets/1")
    missing = api.ask(path="/dev/nothing")

    def lines():
        events = logs.filter_log_events(logGroupName=group)["events"]
        return events if len(events) == 2 else None

    noted = {line["requestId"]: line for line in (json.loads(event["message"]) for event in eventually(lines))}
    common = {
        "httpMethod": "GET", "stage": "dev", "protocol": "HTTP/1.1", "identity.sourceIp": "127.0.0.1",
        "accountId": "000000000000", "apiId": api.id, "domainPrefix": api.id, "nothing": "-",
    }
    request_id = response.headers["apigw-requestid"]
    assert noted[request_id] == common | {
        "requestId": request_id, "routeKey": "GET /pets/{id}", "status": "200", "path": "/dev/pets/1",
        "error.message": "-", "integrationStatus": "200", "responseLength": str(len(response.content)),
    }
    request_id = missing.headers["apigw-requestid"]
    assert noted[request_id] == common | {
        "requestId": request_id, "routeKey": "-", "status": "404", "path": "/dev/nothing", "error.message": "Not Found",
        "integrationStatus": "-", "responseLength": "23",
    }
    logs.delete_log_group(logGroupName=group)


def test_requests_are_counted(make_api, says, updraft):
    api = make_api(stage=None)
    api.route("POST /pets", api.function(says))
    api.stage("dev", DefaultRouteSettings={"DetailedMetricsEnabled": True})
    said(api, {"statusCode": 200}, "/dev/pets")
    said(api, {"statusCode": 404}, "/dev/pets")
    said(api, "no such route", "/dev/nothing")
    api.ask("POST", "/dev/pets", "no json")
    cloudwatch = updraft.client("cloudwatch")
    now = datetime.datetime.now(datetime.UTC)

    def metric(name, statistic="Sum", **dimensions):
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/ApiGateway", MetricName=name, Period=3600, Statistics=[statistic],
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(hours=1),
        )["Datapoints"]
        return sum(point[statistic] for point in points)

    stage = {"ApiId": api.id, "Stage": "dev"}
    for dimensions in ({"ApiId": api.id}, stage):
        assert [metric(name, **dimensions) for name in ("Count", "4xx", "5xx")] == [4, 2, 1]
    assert metric("Latency", "SampleCount", **stage) == 4 and metric("IntegrationLatency", "SampleCount", **stage) == 3
    assert metric("DataProcessed", "SampleCount", **stage) == 4 and metric("DataProcessed", **stage) > 100
    route = stage | {"Method": "POST", "Resource": "/pets"}
    assert [metric(name, **route) for name in ("Count", "4xx", "5xx")] == [3, 1, 1]
