"""WebSocket APIs: boto3 builds them, a WebSocket client from PyPI calls them, functions answer."""

import datetime
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import websocket

from support.functions import Factory
from support.refusals import refused
from support.server import ROOT, eventually
from support.sockets import Socket, SocketApi

# Keeps the events it gets in its log, and answers with them.
ECHO = """
import json
def handler(event, context):
    print("EVENT " + json.dumps(event))
    return {"statusCode": 200, "body": json.dumps(event)}
"""

# Does with a handshake what its query string says.
DOOR = """
import json
def handler(event, context):
    say = (event.get("queryStringParameters") or {}).get("say", "ok")
    if say == "raise":
        raise RuntimeError("no")
    if say == "nothing":
        return None
    if say == "protocol":
        return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "chat"}}
    return {"statusCode": {"ok": 200, "no": 403, "bad": 400, "broken": 500}[say], "body": "said " + say}
"""

ID = re.compile(r"[A-Za-z0-9_-]{15}=")


@pytest.fixture
def api(updraft):
    made = []

    def make(*arguments, on=None, **settings):
        made.append(SocketApi(on or updraft, *arguments, **settings))
        return made[-1]

    yield make
    for one in made:
        if one.server.is_running():
            one.delete()


@pytest.fixture(scope="module")
def echo(shared):
    return shared.python(ECHO, stem="echo")


def events(logs, function, kind):
    """The events of a kind that a function has got."""
    found = logs.filter_log_events(logGroupName=function.log_group, filterPattern='"EVENT "')["events"]
    all_ = [json.loads(event["message"].removeprefix("EVENT ")) for event in found if event["message"].startswith("EVENT")]
    return [event for event in all_ if event["requestContext"]["eventType"] == kind]


def test_connection_is_there_without_any_route_and_its_messages_are_forbidden(api):
    one = api()
    one.route("other", one.integration(IntegrationType="MOCK"))
    one.deploy()
    with one.connect() as client:
        answer = client.ask("hello")
        assert set(answer) == {"message", "connectionId", "requestId"} and answer["message"] == "Forbidden"
        assert ID.fullmatch(answer["connectionId"]) and ID.fullmatch(answer["requestId"])
        client.say("again")
        # To the letter as AWS writes it, spaces and all.
        text = client.socket.recv()
        assert re.fullmatch(r'{"message": "Forbidden", "connectionId":"[^"]+", "requestId":"[^"]+"}', text), text


def test_addresses(api, updraft, echo):
    one = api()
    one.route("$default", one.function(echo), two_way=True)
    one.deploy()
    for url, host in [
        (f"ws://localhost:{updraft.port}/prod", one.host),
        (f"ws://localhost:{updraft.port}/prod/", one.host),
        (f"ws://localhost:{updraft.port}/prod", f"{one.id}.execute-api.localhost.localstack.cloud:{updraft.port}"),
        (one.url, None),
    ]:
        socket = websocket.create_connection(url, host=host, timeout=60)
        socket.send("x")
        context = json.loads(socket.recv())["requestContext"]
        assert (context["apiId"], context["stage"]) == (one.id, "prod")
        assert context["domainName"] == (host or one.host)
        socket.close()
    for url, host in [
        (f"ws://localhost:{updraft.port}/other", one.host),
        (f"ws://localhost:{updraft.port}/prod/further", one.host),
        (f"ws://localhost:{updraft.port}/", one.host),
        (f"ws://localhost:{updraft.port}/prod", f"none.execute-api.us-east-1.localhost:{updraft.port}"),
        (f"ws://localhost:{updraft.port}/prod", one.host.replace("us-east-1", "eu-west-1")),
    ]:
        with pytest.raises(websocket.WebSocketBadStatusException) as failed:
            websocket.create_connection(url, host=host, timeout=60)
        assert (failed.value.status_code, json.loads(failed.value.resp_body)) == (403, {"message": "Forbidden"})


def test_custom_domain_names(api, updraft, echo):
    one = api(DisableExecuteApiEndpoint=True)
    one.route("$default", one.function(echo), two_way=True)
    one.deploy()
    assert one.refused()[0] == 403
    certificate = "arn:aws:acm:us-east-1:000000000000:certificate/11111111-2222-3333-4444-555555555555"
    name = "socket.example.com"
    one.client.create_domain_name(
        DomainName=name, DomainNameConfigurations=[{"CertificateArn": certificate, "EndpointType": "REGIONAL"}]
    )
    one.client.create_api_mapping(DomainName=name, ApiId=one.id, Stage="prod", ApiMappingKey="talk")
    connection = websocket.create_connection(f"ws://localhost:{updraft.port}/talk", host=name, timeout=60)
    connection.send("x")
    context = json.loads(connection.recv())["requestContext"]
    assert (context["domainName"], context["stage"]) == (name, "prod")
    connection.close()
    one.client.delete_domain_name(DomainName=name)


def test_what_is_no_handshake_is_told_so(api, updraft):
    one = api()
    one.route("$default", one.integration(IntegrationType="MOCK"))
    one.deploy()
    lines = ["GET /prod HTTP/1.1", f"Host: {one.host}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]

    def status(*without, more=()):
        head = [line for line in lines if not line.startswith(tuple(without) or ("?",))] + list(more)
        with socket.create_connection(("localhost", updraft.port), 60) as raw:
            raw.sendall("\r\n".join([*head, "", ""]).encode())
            return raw.recv(4096).decode()

    assert status().startswith("HTTP/1.1 101") and "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in status()
    assert status("Upgrade").startswith("HTTP/1.1 426")
    assert status("Connection").startswith("HTTP/1.1 426")
    assert status("Sec-WebSocket-Key").startswith("HTTP/1.1 400")
    other = status("Sec-WebSocket-Version", more=["Sec-WebSocket-Version: 8"])
    assert other.startswith("HTTP/1.1 400") and "sec-websocket-version: 13" in other.lower()


def test_events_of_a_connection(api, logs, create):
    function = create.python(ECHO, stem="events")
    one = api()
    integration = one.function(function)
    for key in ("$connect", "$disconnect", "$default"):
        one.route(key, integration, two_way=key == "$default")
    one.deploy(StageVariables={"colour": "blue"})
    client = one.connect("?a=1&a=2&b=%20x", headers=["X-Own: 1", "X-Own: 2", "User-Agent: test/1"])
    message = client.ask('{"action":"none","é":1}')
    client.close(4001, b"done")

    (connect,) = eventually(lambda: events(logs, function, "CONNECT"))
    (disconnect,) = eventually(lambda: events(logs, function, "DISCONNECT"))

    context = connect["requestContext"]
    assert context == {
        "routeKey": "$connect",
        "eventType": "CONNECT",
        "extendedRequestId": context["requestId"],
        "requestTime": context["requestTime"],
        "messageDirection": "IN",
        "stage": "prod",
        "connectedAt": context["connectedAt"],
        "requestTimeEpoch": context["requestTimeEpoch"],
        "identity": {"userAgent": "test/1", "sourceIp": "127.0.0.1"},
        "requestId": context["requestId"],
        "domainName": one.host,
        "connectionId": context["connectionId"],
        "apiId": one.id,
    }
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"])
    assert ID.fullmatch(context["connectionId"]) and ID.fullmatch(context["requestId"])
    assert context["requestTimeEpoch"] >= context["connectedAt"] > 1_700_000_000_000
    assert set(connect) == {
        "headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "stageVariables",
        "requestContext", "isBase64Encoded",
    }  # fmt: skip
    assert connect["queryStringParameters"] == {"a": "2", "b": " x"}
    assert connect["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": [" x"]}
    assert connect["stageVariables"] == {"colour": "blue"} and connect["isBase64Encoded"] is False
    headers = connect["headers"]
    assert headers["Host"] == one.host and headers["Sec-WebSocket-Version"] == "13" and headers["X-Own"] == "2"
    assert connect["multiValueHeaders"]["X-Own"] == ["1", "2"]
    assert headers["X-Forwarded-For"] == "127.0.0.1" and headers["X-Forwarded-Proto"] == "http"
    assert headers["X-Amzn-Trace-Id"].startswith("Root=1-")
    assert not {"Connection", "Upgrade"} & set(headers)

    said = message["requestContext"]
    assert set(message) == {"requestContext", "body", "isBase64Encoded", "stageVariables"}
    assert message["body"] == '{"action":"none","é":1}'
    assert (said["routeKey"], said["eventType"], said["connectionId"]) == ("$default", "MESSAGE", context["connectionId"])
    assert ID.fullmatch(said["messageId"]) and said["connectedAt"] == context["connectedAt"]
    assert set(said) == set(context) | {"messageId"}

    gone = disconnect["requestContext"]
    assert (gone["routeKey"], gone["disconnectStatusCode"], gone["disconnectReason"]) == ("$disconnect", 4001, "done")
    assert set(gone) == set(context) | {"disconnectStatusCode", "disconnectReason"}
    assert disconnect["headers"] == {"Host": one.host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    assert disconnect["multiValueHeaders"] == {name: [value] for name, value in disconnect["headers"].items()}


def test_events_parse_in_powertools(api, logs, create, powertools):
    function = create.python(ECHO, stem="parsed")
    one = api()
    for key in ("$connect", "$disconnect", "$default"):
        one.route(key, one.function(function), two_way=key == "$default")
    one.deploy()
    client = one.connect("?a=1")
    message = client.ask("hello")
    client.close()
    parsed = powertools("APIGatewayWebSocketMessageEventModel", message)
    assert parsed["body"] == "hello" and parsed["requestContext"]["apiId"] == one.id
    for kind in ("CONNECT", "DISCONNECT"):
        (event,) = eventually(lambda kind=kind: events(logs, function, kind))
        parsed = powertools(f"APIGatewayWebSocket{kind.title()}EventModel", event)
        assert parsed["requestContext"]["eventType"] == kind


def test_connect_route_lets_in_or_refuses(api, shared):
    one = api()
    one.route("$connect", one.function(shared.python(DOOR, stem="door")))
    one.deploy()
    one.connect("?say=ok").close()
    for say, status in [("no", 403), ("bad", 400), ("broken", 500)]:
        assert one.refused(f"?say={say}") == (status, "said " + say)
    for say in ("raise", "nothing"):
        status, body = one.refused(f"?say={say}")
        assert status == 502 and json.loads(body)["message"] == "Internal server error"
    chosen = one.connect("?say=protocol", subprotocols=["chat", "other"])
    assert chosen.socket.getsubprotocol() == "chat"
    # Who asks for a subprotocol and is told none does not go on, as browsers do.
    with pytest.raises(websocket.WebSocketException):
        one.connect("?say=ok", subprotocols=["chat"])


def test_function_that_does_not_let_the_api_call_it(updraft, api, shared, another_server):
    running = another_server(env={"UPDRAFT_IAM": "enforce"}).start()
    one = api(on=running)
    function = Factory(running.client("lambda"), shared.runtimes).python(ECHO, stem="closed")
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function.arn}/invocations"
    integration = one.integration(IntegrationType="AWS_PROXY", IntegrationUri=uri)
    one.route("$default", integration, two_way=True)
    one.deploy()
    with one.connect() as client:
        assert client.ask("x")["message"] == "Internal server error"
        one.function(function)
        assert eventually(lambda: client.ask("x").get("body")) == "x"
    assert running.stop() == 0


def test_routes_are_selected_by_expression(api, echo):
    one = api("${request.body.service}/${request.body.deep.action}")
    integration = one.function(echo)
    for key in ("shop/buy", "shop/7", "$default", "$connect"):
        one.route(key, integration, two_way=key != "$connect")
    one.deploy()
    with one.connect() as client:
        for message, key in [
            ({"service": "shop", "deep": {"action": "buy"}}, "shop/buy"),
            ({"service": "shop", "deep": {"action": 7}}, "shop/7"),
            ({"service": "shop", "deep": {"action": "sell"}}, "$default"),
            ({"service": "shop"}, "$default"),
            ([1, 2], "$default"),
            ("no JSON at all {", "$default"),
            ("", "$default"),
        ]:
            assert client.ask(message)["requestContext"]["routeKey"] == key, message


def test_names_of_routes_with_a_dollar_are_not_for_clients(api, echo):
    one = api()
    integration = one.function(echo)
    for key in ("$connect", "$disconnect"):
        one.route(key, integration, two_way=False)
    one.deploy()
    with one.connect() as client:
        for key in ("$connect", "$disconnect", "$default"):
            assert client.ask({"action": key})["message"] == "Forbidden"


def test_answers_go_back_on_two_way_routes_only(api, create):
    source = "def handler(event, context):\n    return __import__('json').loads(__import__('json').loads(event['body'])['say'])\n"
    one = api()
    integration = one.function(create.python(source, stem="says"))
    one.route("one", integration)
    one.route("two", integration, two_way=True)
    one.deploy()
    with one.connect() as client:
        client.say({"action": "one", "say": '{"statusCode":200,"body":"unheard"}'})
        assert client.ask({"action": "two", "say": '{"statusCode":200,"body":"heard"}'}) == "heard"
        assert client.ask({"action": "two", "say": '{"statusCode":"500","body":"heard too"}'}) == "heard too"
        encoded = '{"statusCode":200,"body":"aMOkIQ==","isBase64Encoded":true}'
        assert client.ask({"action": "two", "say": encoded}) == "hä!"
        for malformed in ('{"body":"x"}', '"x"', "null", '{"statusCode":200,"body":{}}', '{"statusCode":"x"}'):
            answer = client.ask({"action": "one", "say": malformed})
            assert answer["message"] == "Internal server error", malformed
        assert client.ask({"action": "one", "say": "raises, since this is no JSON"})["message"] == "Internal server error"
        # Nothing came in between.
        assert client.ask({"action": "two", "say": '{"statusCode":200,"body":"last"}'}) == "last"


def test_a_redeployed_api_serves_connections_that_were_there(api, echo):
    one = api()
    one.route("other", one.integration(IntegrationType="MOCK"))
    one.deploy()
    with one.connect() as client:
        assert client.ask("x")["message"] == "Forbidden"
        one.route("$default", one.function(echo), two_way=True)
        assert client.ask("x")["message"] == "Forbidden"
        one.redeploy()
        assert client.ask("x")["body"] == "x"


def test_iam_on_connect(api, echo):
    one = api()
    one.route("$connect", one.function(echo), AuthorizationType="AWS_IAM")
    one.route("$default", one.function(echo), two_way=True)
    one.deploy()
    status, body = one.refused()
    assert status == 403 and json.loads(body)["message"] == "Missing Authentication Token"
    assert one.refused(one.signed_query(secret="wrong"))[0] == 403
    with one.connect(one.signed_query()) as client:
        assert client.ask("x")["body"] == "x"


AUTHORIZER = """
import json
def handler(event, context):
    print("EVENT " + json.dumps(event))
    token = event["headers"]["Auth"]
    if token == "unauthorized":
        raise Exception("Unauthorized")
    if token == "nonsense":
        return {"yes": True}
    statement = {"Effect": token.title(), "Action": "execute-api:Invoke", "Resource": event["methodArn"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "me", "policyDocument": policy, "context": {"tenant": "blue", "n": 7}}
"""


def test_an_authorizer_on_connect(api, logs, create, echo):
    function = create.python(AUTHORIZER, stem="authorizer")
    one = api()
    one.function(function)
    authorizer = one.client.create_authorizer(
        ApiId=one.id,
        AuthorizerType="REQUEST",
        Name="by-header",
        AuthorizerUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function.arn}/invocations",
        IdentitySource=["route.request.header.Auth", "route.request.querystring.who"],
    )["AuthorizerId"]
    one.route("$connect", one.function(echo), AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    one.route("$default", one.function(echo), two_way=True)
    one.deploy()
    with one.connect("?who=me", headers=["Auth: allow"]) as client:
        context = client.ask("x")["requestContext"]
        assert context["authorizer"] == {"principalId": "me", "tenant": "blue", "n": "7"}
    for token, status, message in [
        ("deny", 403, "User is not authorized to access this resource with an explicit deny"),
        ("unauthorized", 401, "Unauthorized"),
        ("nonsense", 500, "Internal server error"),
    ]:
        seen, body = one.refused("?who=me", headers=[f"Auth: {token}"])
        assert (seen, json.loads(body)["message"]) == (status, message)
    for missing in ({"query": "?who=me"}, {"headers": ["Auth: allow"]}):
        status, body = one.refused(**missing)
        assert (status, json.loads(body)["message"]) == (401, "Unauthorized")
    event = eventually(lambda: events(logs, function, "CONNECT"))[0]
    assert set(event) == {
        "type", "methodArn", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "stageVariables", "requestContext",
    }  # fmt: skip
    assert event["type"] == "REQUEST" and event["stageVariables"] == {}
    assert event["methodArn"] == f"arn:aws:execute-api:us-east-1:000000000000:{one.id}/prod/$connect"
    assert event["headers"]["Auth"] == "allow" and event["headers"]["Connection"].lower() == "upgrade"


def test_what_clients_must_not_send(api, echo):
    one = api()
    one.route("$default", one.function(echo), two_way=True)
    one.deploy()
    client = one.connect()
    client.socket.send_binary(b"\x01")
    assert client.end()[0] == 1003
    client = one.connect()
    client.socket.send("x" * (32 * 1024 + 1))
    assert client.end()[0] == 1009
    client = one.connect()
    for at in range(5):
        opcode = websocket.ABNF.OPCODE_TEXT if at == 0 else websocket.ABNF.OPCODE_CONT
        client.socket.send_frame(websocket.ABNF.create_frame("x" * 32 * 1024, opcode, 0))
    assert client.end()[0] == 1009
    # The greatest that may be is taken.
    client = one.connect()
    for at in range(4):
        opcode = websocket.ABNF.OPCODE_TEXT if at == 0 else websocket.ABNF.OPCODE_CONT
        client.socket.send_frame(websocket.ABNF.create_frame("x" * 32 * 1024, opcode, int(at == 3)))
    assert len(client.hear()["body"]) == 128 * 1024
    client.socket.ping("are you there")
    opcode, data = client.socket.recv_data(control_frame=True)
    assert (opcode, data) == (websocket.ABNF.OPCODE_PONG, b"are you there")


def test_backends_write_look_and_close(api):
    one = api()
    one.route("other", one.integration(IntegrationType="MOCK"))
    one.deploy()
    client = one.connect(headers=["User-Agent: test/1"])
    id_ = client.ask("who am I?")["connectionId"]
    for management in (one.management(), one.management(f"http://localhost:{one.server.port}")):
        management.post_to_connection(ConnectionId=id_, Data="hä?\n")
        assert client.hear() == "hä?\n"
        description = management.get_connection(ConnectionId=id_)
        assert description["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "test/1"}
        assert description["LastActiveAt"] >= description["ConnectedAt"]
    long = "x" * (128 * 1024)
    management.post_to_connection(ConnectionId=id_, Data=long)
    assert client.hear() == long
    with refused(413, "PayloadTooLargeException", "Message too long"):
        management.post_to_connection(ConnectionId=id_, Data=long + "x")
    management.post_to_connection(ConnectionId=id_, Data="")
    management.post_to_connection(ConnectionId=id_, Data="last words")
    management.delete_connection(ConnectionId=id_)
    assert client.socket.recv() == "" and client.socket.recv() == "last words"
    assert client.end() == (None, "")
    for management in (one.management(), one.management(f"http://localhost:{one.server.port}")):
        with refused(410, "GoneException"):
            management.get_connection(ConnectionId=id_)
        with refused(410, "GoneException"):
            management.delete_connection(ConnectionId=id_)
        with refused(410, "GoneException"):
            management.post_to_connection(ConnectionId=id_, Data="x")


def test_backends_must_sign_for_the_right_api(api, updraft):
    one, other = api(), api()
    for each in (one, other):
        each.route("other", each.integration(IntegrationType="MOCK"))
        each.deploy()
    with one.connect() as client:
        id_ = client.ask("who am I?")["connectionId"]
        with refused(410, "GoneException"):
            other.management().get_connection(ConnectionId=id_)
        elsewhere = f"http://localhost:{updraft.port}/_aws/execute-api/{one.id}/other"
        with refused(403, "ForbiddenException", "Forbidden"):
            one.management(elsewhere).get_connection(ConnectionId=id_)
        with refused(403, "InvalidSignatureException"):
            one.management(secret="wrong").post_to_connection(ConnectionId=id_, Data="x")
        with pytest.raises(urllib.error.HTTPError) as unsigned:
            urllib.request.urlopen(f"http://localhost:{updraft.port}/_aws/execute-api/{one.id}/prod/@connections/{id_}")
        assert unsigned.value.code == 403
        assert json.loads(unsigned.value.read())["message"] == "Missing Authentication Token"


def test_functions_write_to_connections(api, create):
    source = """
import boto3, json
def handler(event, context):
    context = event["requestContext"]
    endpoint = f"http://{context['domainName']}/{context['stage']}"
    if json.loads(event["body"])["action"] == "path":
        endpoint = None
    client = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)
    client.post_to_connection(ConnectionId=context["connectionId"], Data=b"from inside")
    return {"statusCode": 200}
"""
    one = api()
    one.route("$default", one.function(create.python(source, stem="inside", Timeout=30, MemorySize=512)))
    one.deploy()
    with one.connect() as client:
        assert client.ask({"action": "host"}) == "from inside"
        assert client.ask({"action": "path"}) == "from inside"


def test_a_client_that_does_not_read_is_not_waited_for(api):
    one = api()
    one.route("other", one.integration(IntegrationType="MOCK"))
    one.deploy()
    # With as little room in the kernel as can be.
    client = one.connect(sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])
    id_ = client.ask("who am I?")["connectionId"]
    management, outcomes = one.management(), set()

    def post():
        try:
            management.post_to_connection(ConnectionId=id_, Data="x" * 128 * 1024)
        except management.exceptions.LimitExceededException:
            outcomes.add("limit")
        except management.exceptions.GoneException:
            outcomes.add("gone")
        return "gone" in outcomes

    assert eventually(post)
    assert "limit" in outcomes


def test_mock_answers_with_templates(api):
    one = api()
    mock = one.integration(
        IntegrationType="MOCK",
        TemplateSelectionExpression="\\$default",
        RequestTemplates={"$default": '{"statusCode": #if($input.path("$.fail") == true)500#{else}200#end}'},
    )
    for key, text in [
        ("$default", '{"hello":"$context.connectionId","stage":"$stageVariables.colour"}'),
        ("/5\\d\\d/", '{"failed":"$context.routeKey"}'),
    ]:
        one.client.create_integration_response(
            ApiId=one.id, IntegrationId=mock, IntegrationResponseKey=key, ResponseTemplates={"$default": text}
        )
    one.route("go", mock, two_way=True)
    one.deploy(StageVariables={"colour": "blue"})
    with one.connect() as client:
        answer = client.ask({"action": "go"})
        assert ID.fullmatch(answer["hello"]) and answer["stage"] == "blue"
        assert client.ask({"action": "go", "fail": True}) == {"failed": "go"}


def test_functions_behind_templates(api, create):
    source = "def handler(event, context):\n    return {'got': event}\n"
    function = create.python(source, stem="plain")
    one = api()
    template = '{"n": $input.json("$.n"), "id": "$context.connectionId"}'
    integration = one.function(function, IntegrationType="AWS", IntegrationMethod="POST", RequestTemplates={"$default": template})
    passing = one.function(function, IntegrationType="AWS", IntegrationMethod="POST")
    never = one.function(function, IntegrationType="AWS", IntegrationMethod="POST", PassthroughBehavior="NEVER")
    answer = one.function(function, IntegrationType="AWS", IntegrationMethod="POST")
    one.client.create_integration_response(
        ApiId=one.id,
        IntegrationId=answer,
        IntegrationResponseKey="$default",
        ResponseTemplates={"$default": "n is $input.path('$.got.n')"},
    )
    for key, target in [("one", integration), ("two", passing), ("three", never), ("four", answer)]:
        one.route(key, target, two_way=True)
    one.deploy()
    with one.connect() as client:
        got = client.ask({"action": "one", "n": 7})["got"]
        assert got["n"] == 7 and ID.fullmatch(got["id"])
        assert client.ask({"action": "two", "n": 7}) == {"got": {"action": "two", "n": 7}}
        assert client.ask({"action": "three"})["message"] == "Unsupported Media Type"
        assert client.ask({"action": "four", "n": 8}) == "n is 8"


class Backend(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked; with another status where the path says so."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        said = json.dumps({"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body})
        self.send_response(403 if self.path.startswith("/no") else 200)
        self.send_header("Content-Length", str(len(said.encode())))
        self.end_headers()
        self.wfile.write(said.encode())

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def backend():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_servers_behind_websockets(api, backend):
    one = api()
    parameters = {
        "integration.request.header.X-Connection": "context.connectionId",
        "integration.request.querystring.n": "route.request.body.n",
        "integration.request.header.X-Static": "'same'",
    }
    proxy = one.integration(
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="POST",
        IntegrationUri=backend + "/${stageVariables.way}?a=1",
        RequestParameters=parameters,
    )
    template = {"$default": '{"text": $input.json("$.text")}'}
    plain = one.integration(
        IntegrationType="HTTP", IntegrationMethod="POST", IntegrationUri=backend + "/plain", RequestTemplates=template
    )
    one.client.create_integration_response(
        ApiId=one.id,
        IntegrationId=plain,
        IntegrationResponseKey="$default",
        ResponseTemplates={"$default": "$input.path('$.body')"},
    )
    one.route("proxy", proxy, two_way=True)
    one.route("plain", plain, two_way=True)
    door = one.integration(IntegrationType="HTTP_PROXY", IntegrationMethod="GET", IntegrationUri=backend + "/door")
    one.route("$connect", door)
    one.deploy(StageVariables={"way": "there"})
    with one.connect() as client:
        said = client.ask({"action": "proxy", "n": 5})
        assert (said["method"], said["path"]) == ("POST", "/there?a=1&n=5")
        headers = {name.lower(): value for name, value in said["headers"].items()}
        assert ID.fullmatch(headers["x-connection"]) and headers["x-static"] == "same"
        assert json.loads(said["body"]) == {"action": "proxy", "n": 5}
        assert client.ask({"action": "plain", "text": "hé"}) == {"text": "hé"}


def test_a_server_refuses_a_handshake(api, backend):
    one = api()
    door = one.integration(IntegrationType="HTTP_PROXY", IntegrationMethod="GET", IntegrationUri=backend + "/no")
    one.route("$connect", door)
    one.deploy()
    status, body = one.refused("?a=b%20c", headers=["X-Own: yes"])
    said = json.loads(body)
    headers = {name.lower(): value for name, value in said["headers"].items()}
    assert status == 403 and said["path"] == "/no?a=b%20c" and headers["x-own"] == "yes"


def test_a_server_that_is_not_there(api):
    one = api()
    nobody = one.integration(IntegrationType="HTTP_PROXY", IntegrationMethod="GET", IntegrationUri="http://127.0.0.1:1/")
    one.route("$connect", nobody)
    one.deploy()
    status, body = one.refused()
    assert status == 502 and json.loads(body)["message"] == "Internal server error"


def test_messages_are_as_their_models_say(api, echo):
    one = api()
    pet = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    for name, schema in [("Pet", pet), ("Any", {})]:
        one.client.create_model(
            ApiId=one.id, Name=name, ContentType="application/json", Schema=json.dumps(schema)
        )
    one.route(
        "$default",
        one.function(echo),
        two_way=True,
        ModelSelectionExpression="$request.body.kind",
        RequestModels={"pet": "Pet", "any": "Any"},
    )
    door = one.integration(IntegrationType="MOCK", RequestTemplates={"$default": '{"statusCode": 200}'})
    one.route("$connect", door, RequestParameters={"route.request.querystring.who": {"Required": True}})
    one.deploy()
    status, body = one.refused()
    assert (status, json.loads(body)["message"]) == (400, "Missing required request parameters: [who]")
    with one.connect("?who=me") as client:
        assert client.ask({"kind": "pet", "name": 7})["message"] == "Invalid request body"
        assert client.ask({"kind": "pet"})["message"] == "Invalid request body"
        for good in ({"kind": "pet", "name": "x"}, {"kind": "any", "name": 7}, {"kind": "other"}):
            assert json.loads(client.ask(good)["body"]) == good


def test_throttling(api):
    one = api()
    one.route("other", one.integration(IntegrationType="MOCK"))
    one.deploy(DefaultRouteSettings={"ThrottlingBurstLimit": 2, "ThrottlingRateLimit": 0.001})
    with one.connect() as client:
        assert [client.ask("x")["message"] for _ in range(2)] == ["Forbidden", "Too Many Requests"]
    status, body = one.refused()
    assert status == 429 and json.loads(body)["message"] == "Too Many Requests"


def test_metrics_and_access_logs(api, updraft, logs, echo):
    group = "/test/sockets"
    logs.create_log_group(logGroupName=group)
    one = api()
    integration = one.function(echo)
    one.route("$connect", integration)
    one.route("say", integration, two_way=True)
    one.deploy(
        AccessLogSettings={
            "DestinationArn": f"arn:aws:logs:us-east-1:000000000000:log-group:{group}",
            "Format": '{"type":"$context.eventType","route":"$context.routeKey","connection":"$context.connectionId",'
            '"status":$context.status,"error":"$context.error.message","id":"$context.requestId"}',
        },
        RouteSettings={"say": {"DetailedMetricsEnabled": True}},
    )
    with one.connect() as client:
        said = client.ask({"action": "say"})["requestContext"]
        forbidden = client.ask({"action": "none"})

    def lines():
        found = [json.loads(event["message"]) for event in logs.filter_log_events(logGroupName=group)["events"]]
        return found if len(found) >= 3 else None

    connect, say, none = eventually(lines)[:3]
    assert (connect["type"], connect["route"], connect["status"]) == ("CONNECT", "$connect", 200)
    assert say == {
        "type": "MESSAGE",
        "route": "say",
        "connection": said["connectionId"],
        "status": 200,
        "error": "-",
        "id": said["requestId"],
    }
    assert (none["status"], none["error"], none["id"]) == (403, "Forbidden", forbidden["requestId"])

    cloudwatch = updraft.client("cloudwatch")
    now = datetime.datetime.now(datetime.UTC)

    def total(metric, **dimensions):
        statistics = cloudwatch.get_metric_statistics(
            Namespace="AWS/ApiGateway",
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now - datetime.timedelta(hours=1),
            EndTime=now + datetime.timedelta(hours=1),
            Period=3600,
            Statistics=["Sum"],
        )
        return sum(point["Sum"] for point in statistics["Datapoints"])

    stage = {"ApiId": one.id, "Stage": "prod"}
    # Two messages in, two answers out.
    assert (total("ConnectCount", **stage), total("MessageCount", **stage)) == (1, 4)
    assert (total("ClientError", **stage), total("IntegrationError", **stage), total("ExecutionError", **stage)) == (1, 0, 0)
    assert total("MessageCount", ApiId=one.id) == 4
    assert total("MessageCount", Route="say", **stage) == 2
    logs.delete_log_group(logGroupName=group)


def test_endings_have_their_codes(api, another_server, shared):
    running = another_server(env={"UPDRAFT_WEBSOCKET_IDLE_SECS": "1"}).start()
    one = api(on=running)
    one.route("$default", one.integration(IntegrationType="MOCK"))
    one.deploy()
    assert one.connect().end() == (1001, "Going away")
    assert running.stop() == 0


def test_a_stopping_server_says_goodbye(api, another_server):
    running = another_server().start()
    one = api(on=running)
    one.route("$default", one.integration(IntegrationType="MOCK"))
    one.deploy()
    client, seen = one.connect(), []
    reader = threading.Thread(target=lambda: seen.append(client.end()))
    reader.start()
    assert running.stop() == 0
    reader.join(30)
    assert seen == [(1001, "Going away")]


def test_a_deleted_stage_closes_its_connections(api):
    one = api()
    one.route("$default", one.integration(IntegrationType="MOCK"))
    one.deploy()
    client = one.connect()
    one.client.delete_stage(ApiId=one.id, StageName="prod")
    assert client.end()[0] == 1001
    assert one.refused()[0] == 403


def test_the_chat_of_the_examples(updraft, runtimes, lambda_, logs):
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = updraft.client_environment(PATH=tools, PYTHON=sys.executable, PYTHON_RUNTIME=runtimes.python)
    deploy = ROOT / "examples/chat/deploy.sh"
    done = subprocess.run([deploy], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    url = done.stdout.strip()
    assert re.fullmatch(rf"ws://localhost:{updraft.port}/_aws/execute-api/[a-z0-9]+/live", url)

    def enter(name):
        return Socket(websocket.create_connection(f"{url}?name={name}", timeout=60))

    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        websocket.create_connection(url, timeout=60)
    assert refusal.value.status_code == 400
    ada = enter("Ada")
    grace = enter("Grace")
    assert ada.hear() == {"from": "Grace", "event": "came"}
    ada.say({"action": "send", "text": "Hello!"})
    heard = [ada.hear(), ada.hear()]
    said = grace.hear()
    assert {"heard": 2} in heard and said in heard and (said["from"], said["text"]) == ("Ada", "Hello!")
    assert "error" in ada.ask({"action": "send", "text": " "})
    grace.close()
    assert ada.hear() == {"from": "Grace", "event": "went"}
    ada.close()
    updraft.client("apigatewayv2").delete_api(ApiId=url.split("/")[-2])
    for name in ("connect", "disconnect", "send"):
        lambda_.delete_function(FunctionName=f"chat-{name}")
    logs.delete_log_group(logGroupName="/chat/connections")
