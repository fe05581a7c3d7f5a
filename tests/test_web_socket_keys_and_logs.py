"""API keys that handshakes of WebSocket APIs need, and what stages write into their execution logs."""

import contextlib
import datetime
import json

import pytest

from support.refusals import refuses
from support.server import eventually
from support.sockets import ECHO

KEYED = """
def handler(event, context):
    return {
        "principalId": "someone",
        "policyDocument": {"Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": event["methodArn"]}]},
        "usageIdentifierKey": event["queryStringParameters"].get("key", ""),
    }
"""


@pytest.fixture
def rest(updraft):
    return updraft.client("apigateway")


@pytest.fixture
def keyed(rest, socket_api):
    """Makes keys, each with a plan of its own for an API's stage."""
    made = []

    def make(one, **settings):
        key = rest.create_api_key(name="key", enabled=True)
        plan = rest.create_usage_plan(name="plan", apiStages=[{"apiId": one.id, "stage": one.stage}], **settings)["id"]
        made.append((key["id"], plan))
        rest.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
        return key | {"plan": plan}

    yield make
    for key, plan in made:
        rest.delete_api_key(apiKey=key)
        for stage in rest.get_usage_plan(usagePlanId=plan)["apiStages"]:
            change = {"op": "remove", "path": "/apiStages", "value": f"{stage['apiId']}:{stage['stage']}"}
            rest.update_usage_plan(usagePlanId=plan, patchOperations=[change])
        rest.delete_usage_plan(usagePlanId=plan)


def test_a_handshake_has_a_key_in_a_header(socket_api, create, keyed, rest):
    one = socket_api()
    integration = one.function(create.python(ECHO))
    one.route("$connect", integration, ApiKeyRequired=True)
    one.route("ask", integration, two_way=True)
    one.deploy()
    key = keyed(one, quota={"limit": 2, "period": "DAY"})
    header = [f"x-api-key: {key['value']}"]
    for headers in ([], ["x-api-key: none"]):
        status, body = one.refused(headers=headers)
        assert (status, json.loads(body)["message"]) == (403, "Forbidden")
    with one.connect(headers=header) as client:
        # Keys are asked for at $connect alone.
        for _ in range(3):
            assert client.ask({"action": "ask"})["requestContext"]["eventType"] == "MESSAGE"
    one.connect(headers=header).close()
    status, body = one.refused(headers=header)
    assert (status, json.loads(body)["message"]) == (429, "Limit Exceeded")
    today = datetime.datetime.now(datetime.UTC).date()
    # (Midnight may have been between.)
    days = {"startDate": str(today - datetime.timedelta(days=1)), "endDate": str(today)}
    usage = rest.get_usage(usagePlanId=key["plan"], keyId=key["id"], **days)["items"][key["id"]]
    assert sum(used for used, _ in usage) == 2
    # The stage leaves the plan when it ends, and with it the key the stage.
    one.client.delete_stage(ApiId=one.id, StageName=one.stage)
    assert rest.get_usage_plan(usagePlanId=key["plan"])["apiStages"] == []


def test_a_plan_throttles_handshakes(socket_api, create, keyed):
    one = socket_api()
    one.route("$connect", one.function(create.python(ECHO)), ApiKeyRequired=True)
    one.deploy()
    key = keyed(one, throttle={"rateLimit": 0.001, "burstLimit": 1})
    header = [f"x-api-key: {key['value']}"]
    one.connect(headers=header).close()
    status, body = one.refused(headers=header)
    assert (status, json.loads(body)["message"]) == (429, "Too Many Requests")


def test_an_authorizer_names_the_key(socket_api, create, keyed):
    one = socket_api(ApiKeySelectionExpression="$context.authorizer.usageIdentifierKey")
    function = create.python(KEYED)
    one.function(function)  # the permission
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function.arn}/invocations"
    authorizer = one.client.create_authorizer(
        ApiId=one.id, AuthorizerType="REQUEST", Name="keyed", AuthorizerUri=uri, IdentitySource=["route.request.querystring.key"]
    )
    by = {"AuthorizationType": "CUSTOM", "AuthorizerId": authorizer["AuthorizerId"]}
    one.route("$connect", one.function(create.python(ECHO)), ApiKeyRequired=True, **by)
    one.deploy()
    key = keyed(one)
    one.connect(f"?key={key['value']}").close()
    for query, headers in (("?key=other", []), ("?key=other", [f"x-api-key: {key['value']}"])):
        status, body = one.refused(query, headers=headers)
        assert (status, json.loads(body)["message"]) == (403, "Forbidden")


def test_plans_are_for_stages_that_are_there(rest, socket_api, make_api):
    one = socket_api()
    http = make_api()["ApiId"]
    make_stage = one.client.create_stage
    make_stage(ApiId=http, StageName="prod")
    for stage in ({"apiId": one.id, "stage": "prod"}, {"apiId": http, "stage": "prod"}):
        words = f"API Stage not found: {stage['apiId']}:prod"
        refuses("NotFoundException", words, rest.create_usage_plan, name="plan", apiStages=[stage])


def test_execution_logs(socket_api, create, logs):
    one = socket_api()
    function = create.python("def handler(event, context):\n    return {'statusCode': 200, 'body': 'said'}\n")
    integration = one.function(function)
    one.route("$connect", integration)
    one.route("loud", integration, two_way=True)
    one.route("quiet", integration, two_way=True)
    broken = one.integration(IntegrationType="HTTP_PROXY", IntegrationMethod="GET", IntegrationUri="http://localhost:1/")
    one.route("broken", broken, two_way=True)
    errors, silence = {"LoggingLevel": "ERROR", "DataTraceEnabled": True}, {"LoggingLevel": "OFF"}
    one.deploy(
        DefaultRouteSettings={"LoggingLevel": "INFO", "DataTraceEnabled": True},
        RouteSettings={"quiet": silence, "broken": errors},
    )
    with one.connect(headers=["User-Agent: tester"]) as client:
        for action in ("quiet", "loud"):
            assert client.ask({"action": action}) == "said"
        assert client.ask({"action": "broken"})["message"] == "Internal server error"

    group = f"/aws/apigateway/{one.id}/prod"

    def lines():
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            found = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
            return found if any("Execution failed" in line for line in found) else []
        return []

    written = eventually(lines)
    requests = [line.split(") ", 1) for line in written]
    of_connect = next(id_ for id_, line in requests if "is connecting" in line)
    said = [line for id_, line in requests if id_ == of_connect]
    assert f"Client [UserAgent: tester, SourceIp: 127.0.0.1] is connecting to WebSocket API [{one.id}]." in said
    for expected in (
        "WebSocket Request Route: [$connect]",
        "API Key authorized because route '$connect' does not require API Key. "
        "Request will not contribute to throttle or quota limits",
        "Method completed with status: 200",
    ):
        assert expected in said, said
    of_message = next(id_ for id_, line in requests if line == "WebSocket Request Route: [loud]")
    said = [line for id_, line in requests if id_ == of_message]
    assert 'Request body before transformations: {"action": "loud"}' in said
    assert "Received response. Status: 200" in said
    assert not any("quiet" in line for line in written)
