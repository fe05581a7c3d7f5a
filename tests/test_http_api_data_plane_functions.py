"""Functions behind HTTP APIs: the events that they get, and what becomes of their answers."""

import base64
import datetime
import json
import re

from support.functions import Factory, Runtimes
from support.http_apis import ECHO, Maker, said
from support.server import eventually


# ---- events


def test_the_event_of_format_2_field_by_field(serve_api, echo_function):
    api = serve_api(stage=None)
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


def test_the_event_of_format_1_field_by_field(serve_api, shared):
    function = shared.python("import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n")
    api = serve_api(stage=None)
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


def test_bodies_are_text_by_their_type_and_else_base64(serve_api, echo_function):
    api = serve_api()
    api.route("$default", api.function(echo_function))
    event = api.event("POST", "/", b"\x00\xff", {"content-type": "application/octet-stream"})
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\x00\xff", True)
    event = api.event("POST", "/", b"a=b", {"content-type": "application/x-www-form-urlencoded"})
    assert (event["body"], event["isBase64Encoded"]) == ("YT1i", True)
    event = api.event("POST", "/", '{"é": 1}'.encode(), {"content-type": "application/json"})
    assert (event["body"], event["isBase64Encoded"]) == ('{"é": 1}', False)
    event = api.event("GET", "/x/y")
    assert "body" not in event and event["isBase64Encoded"] is False and event["routeKey"] == "$default"


# ---- answers


def test_answers_are_inferred_or_formatted(serve_api, says):
    api = serve_api()
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


def test_answers_of_format_1(serve_api, says):
    api = serve_api()
    api.route("$default", api.function(says, "1.0"))
    response = said(api, {"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "headers": {"x": "y"}, "body": "hi"})
    assert (response.status, response.text, response.headers["x"]) == (200, "hi", "y")
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    for answer in [{"body": "no status"}, "text", {"statusCode": 200, "body": {"a": 1}}]:
        response = said(api, answer)
        assert (response.status, response.text) == (500, '{"message":"Internal Server Error"}'), answer


def test_what_is_no_answer_is_an_internal_error(serve_api, says):
    api = serve_api()
    api.route("$default", api.function(says))
    for answer in [{"statusCode": "many"}, {"statusCode": 200, "headers": ["x"]}, {"statusCode": 99}]:
        response = said(api, answer)
        assert (response.status, response.text) == (500, '{"message":"Internal Server Error"}'), answer
    # The function fails, as its body is no JSON.
    api.refused(500, "Internal Server Error", "POST", "/", "no json", {"content-type": "text/plain"})


def test_late_functions_are_unavailable(serve_api, create):
    function = create.python("import time\ndef handler(event, context):\n    time.sleep(5)\n")
    api = serve_api()
    api.route("$default", api.function(function, TimeoutInMillis=100))
    api.refused(503, "Service Unavailable")


def test_missing_functions_and_too_large_requests(serve_api, echo_function):
    api = serve_api()
    api.route("GET /gone", api.function(echo_function.arn + "-gone"))
    api.route("POST /echo", api.function(echo_function))
    api.refused(500, "Internal Server Error", path="/gone")
    api.refused(413, "Request Entity Too Large", "POST", "/echo", b"x" * 7_000_000, {"content-type": "text/plain"})
    api.refused(413, "Request Entity Too Large", "POST", "/echo", b"x" * 11_000_000, {"content-type": "text/plain"})


def test_functions_may_be_named_by_stage_variables(serve_api, create):
    function = create.python("def handler(event, context):\n    return context.invoked_function_arn\n")
    api = serve_api(stage=None)
    api.stage("dev", StageVariables={"name": function.name})
    uri = "arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.name}"
    api.route("GET /plain", api.function(uri))
    wrapped = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{uri}/invocations"
    api.route("GET /wrapped", api.function(wrapped))
    assert api.ask(path="/dev/plain").text == function.arn
    assert api.ask(path="/dev/wrapped").text == function.arn


def test_functions_must_let_the_api_call_them(another_server):
    with another_server(arguments=["--iam", "enforce"]) as server:
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
