"""Connections of WebSocket APIs: addresses, handshakes and who refuses them, events of their beginning and end, how they end."""

import json
import re
import socket
import threading

import pytest
import websocket
from support.server import eventually
from support.sockets import ECHO, ID, events


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


@pytest.fixture(scope="module")
def echo(shared):
    return shared.python(ECHO, stem="echo")


def test_connection_is_there_without_any_route_and_its_messages_are_forbidden(socket_api):
    one = socket_api()
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


def test_addresses(socket_api, updraft, echo):
    one = socket_api()
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


def test_custom_domain_names(socket_api, updraft, echo):
    one = socket_api(DisableExecuteApiEndpoint=True)
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


def test_what_is_no_handshake_is_told_so(socket_api, updraft):
    one = socket_api()
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


def test_events_of_a_connection(socket_api, logs, create):
    function = create.python(ECHO, stem="events")
    one = socket_api()
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


def test_events_parse_in_powertools(socket_api, logs, create, powertools):
    function = create.python(ECHO, stem="parsed")
    one = socket_api()
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


def test_connect_route_lets_in_or_refuses(socket_api, shared):
    one = socket_api()
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


def test_iam_on_connect(socket_api, echo):
    one = socket_api()
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


def test_an_authorizer_on_connect(socket_api, logs, create, echo):
    function = create.python(AUTHORIZER, stem="authorizer")
    one = socket_api()
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


def test_what_clients_must_not_send(socket_api, echo):
    one = socket_api()
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


def test_endings_have_their_codes(socket_api, another_server):
    running = another_server(env={"UPDRAFT_WEBSOCKET_IDLE_SECS": "1"}).start()
    one = socket_api(on=running)
    one.route("$default", one.integration(IntegrationType="MOCK"))
    one.deploy()
    assert one.connect().end() == (1001, "Going away")
    assert running.stop() == 0


def test_a_stopping_server_says_goodbye(socket_api, another_server):
    running = another_server().start()
    one = socket_api(on=running)
    one.route("$default", one.integration(IntegrationType="MOCK"))
    one.deploy()
    client, seen = one.connect(), []
    reader = threading.Thread(target=lambda: seen.append(client.end()))
    reader.start()
    assert running.stop() == 0
    reader.join(30)
    assert seen == [(1001, "Going away")]


def test_a_deleted_stage_closes_its_connections(socket_api):
    one = socket_api()
    one.route("$default", one.integration(IntegrationType="MOCK"))
    one.deploy()
    client = one.connect()
    one.client.delete_stage(ApiId=one.id, StageName="prod")
    assert client.end()[0] == 1001
    assert one.refused()[0] == 403
