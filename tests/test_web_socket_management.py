"""What backends do with connections of WebSocket APIs: write, look, close; a whole chat."""

import json
import re
import socket
import urllib.error
import urllib.request

import pytest
import websocket
from support.examples import deployed
from support.refusals import refused
from support.server import eventually
from support.sockets import Socket


def test_backends_write_look_and_close(socket_api):
    one = socket_api()
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


def test_backends_must_sign_for_the_right_api(socket_api, updraft):
    one, other = socket_api(), socket_api()
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


def test_functions_write_to_connections(socket_api, create):
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
    one = socket_api()
    one.route("$default", one.function(create.python(source, stem="inside", Timeout=30, MemorySize=512)))
    one.deploy()
    with one.connect() as client:
        assert client.ask({"action": "host"}) == "from inside"
        assert client.ask({"action": "path"}) == "from inside"


def test_a_client_that_does_not_read_is_not_waited_for(socket_api):
    one = socket_api()
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


def test_the_chat_of_the_examples(updraft, runtimes, lambda_, logs):
    url = deployed("chat", updraft, runtimes)
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
