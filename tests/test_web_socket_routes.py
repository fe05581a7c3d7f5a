"""Messages to WebSocket APIs: the routes that they find, the limits and models that they meet, answers, metrics and logs."""

import json

import pytest
from support import metrics
from support.server import eventually
from support.sockets import ECHO


@pytest.fixture(scope="module")
def echo(shared):
    return shared.python(ECHO, stem="echo")


def test_routes_are_selected_by_expression(socket_api, echo):
    one = socket_api("${request.body.service}/${request.body.deep.action}")
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


def test_names_of_routes_with_a_dollar_are_not_for_clients(socket_api, echo):
    one = socket_api()
    integration = one.function(echo)
    for key in ("$connect", "$disconnect"):
        one.route(key, integration, two_way=False)
    one.deploy()
    with one.connect() as client:
        for key in ("$connect", "$disconnect", "$default"):
            assert client.ask({"action": key})["message"] == "Forbidden"


def test_answers_go_back_on_two_way_routes_only(socket_api, create):
    source = "def handler(event, context):\n    return __import__('json').loads(__import__('json').loads(event['body'])['say'])\n"
    one = socket_api()
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


def test_a_redeployed_api_serves_connections_that_were_there(socket_api, echo):
    one = socket_api()
    one.route("other", one.integration(IntegrationType="MOCK"))
    one.deploy()
    with one.connect() as client:
        assert client.ask("x")["message"] == "Forbidden"
        one.route("$default", one.function(echo), two_way=True)
        assert client.ask("x")["message"] == "Forbidden"
        one.redeploy()
        assert client.ask("x")["body"] == "x"


def test_messages_are_as_their_models_say(socket_api, echo):
    one = socket_api()
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


def test_throttling(socket_api):
    one = socket_api()
    one.route("other", one.integration(IntegrationType="MOCK"))
    one.deploy(DefaultRouteSettings={"ThrottlingBurstLimit": 2, "ThrottlingRateLimit": 0.001})
    with one.connect() as client:
        assert [client.ask("x")["message"] for _ in range(2)] == ["Forbidden", "Too Many Requests"]
    status, body = one.refused()
    assert status == 429 and json.loads(body)["message"] == "Too Many Requests"


def test_metrics_and_access_logs(socket_api, updraft, logs, echo):
    group = "/test/sockets"
    logs.create_log_group(logGroupName=group)
    one = socket_api()
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

    def total(metric, **dimensions):
        return sum(metrics.values(cloudwatch, "AWS/ApiGateway", metric, **dimensions))

    stage = {"ApiId": one.id, "Stage": "prod"}
    # Two messages in, two answers out.
    assert (total("ConnectCount", **stage), total("MessageCount", **stage)) == (1, 4)
    assert (total("ClientError", **stage), total("IntegrationError", **stage), total("ExecutionError", **stage)) == (1, 0, 0)
    assert total("MessageCount", ApiId=one.id) == 4
    assert total("MessageCount", Route="say", **stage) == 2
    logs.delete_log_group(logGroupName=group)
