"""What stands behind routes of WebSocket APIs: MOCK, functions behind templates, servers, services of the house."""

import json

import pytest
from support.functions import Factory, lines_of
from support.http_apis import Backend, echo
from support.server import eventually
from support.sockets import ECHO, ID


@pytest.fixture
def backend():
    """A server that tells what it was asked; with another status where the path says so."""
    with Backend(lambda request: echo(request, 403 if request.path.startswith("/no") else 200)) as server:
        yield server.url


def test_mock_answers_with_templates(socket_api):
    one = socket_api()
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


def test_functions_behind_templates(socket_api, create):
    source = "def handler(event, context):\n    return {'got': event}\n"
    function = create.python(source, stem="plain")
    one = socket_api()
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


def test_function_that_does_not_let_the_api_call_it(updraft, socket_api, shared, another_server):
    running = another_server(env={"UPDRAFT_IAM": "enforce"}).start()
    one = socket_api(on=running)
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


def test_servers_behind_websockets(socket_api, backend):
    one = socket_api()
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


def test_a_server_refuses_a_handshake(socket_api, backend):
    one = socket_api()
    door = one.integration(IntegrationType="HTTP_PROXY", IntegrationMethod="GET", IntegrationUri=backend + "/no")
    one.route("$connect", door)
    one.deploy()
    status, body = one.refused("?a=b%20c", headers=["X-Own: yes"])
    said = json.loads(body)
    headers = {name.lower(): value for name, value in said["headers"].items()}
    assert status == 403 and said["path"] == "/no?a=b%20c" and headers["x-own"] == "yes"


def test_a_server_that_is_not_there(socket_api):
    one = socket_api()
    nobody = one.integration(IntegrationType="HTTP_PROXY", IntegrationMethod="GET", IntegrationUri="http://127.0.0.1:1/")
    one.route("$connect", nobody)
    one.deploy()
    status, body = one.refused()
    assert status == 502 and json.loads(body)["message"] == "Internal server error"


def test_services_of_the_house(socket_api, logs):
    role = "arn:aws:iam::000000000000:role/caller"
    one = socket_api()

    def service(uri, **settings):
        uri = f"arn:aws:apigateway:us-east-1:{uri}"
        given = {"IntegrationType": "AWS", "IntegrationMethod": "POST", "CredentialsArn": role, "IntegrationUri": uri}
        return one.integration(**(given | settings))

    group = f"/test/{one.id}"
    template = {"$default": '{"logGroupName": $input.json("$.group")}'}
    one.route("who", service("sts:action/GetCallerIdentity"), two_way=True)
    one.route("group", service("logs:action/CreateLogGroup", RequestTemplates=template), two_way=True)
    named = service(
        "lambda:path/2015-03-31/functions/{name}",
        IntegrationMethod="GET",
        RequestParameters={"integration.request.path.name": "route.request.body.name"},
    )
    one.route("function", named, two_way=True)
    one.route("none", service("nothing:action/Do"), two_way=True)
    one.deploy()
    with one.connect() as client:
        assert "assumed-role/caller/BackplaneAssumeRoleSession" in json.dumps(client.ask({"action": "who"}))
        assert client.ask({"action": "group", "group": group}) == {}
        # What the service refuses is an answer, too.
        assert "already exists" in json.dumps(client.ask({"action": "group", "group": group}))
        assert "function:absent" in json.dumps(client.ask({"action": "function", "name": "absent"}))
        assert client.ask({"action": "none"})["message"] == "Internal server error"
    assert [found["logGroupName"] for found in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]] == [group]
    logs.delete_log_group(logGroupName=group)


def test_functions_that_nobody_waits_for(socket_api, create, logs):
    function = create.python("def handler(event, context):\n    print('got', event['n'])\n    return 'unheard'\n")
    one = socket_api()
    later = one.function(
        function,
        IntegrationType="AWS",
        IntegrationMethod="POST",
        RequestParameters={"integration.request.header.X-Amz-Invocation-Type": "'Event'"},
    )
    one.client.create_integration_response(
        ApiId=one.id,
        IntegrationId=later,
        IntegrationResponseKey="/202/",
        ResponseTemplates={"$default": "taken"},
    )
    one.route("later", later, two_way=True)
    one.deploy()
    with one.connect() as client:
        assert client.ask({"action": "later", "n": 42}) == "taken"
    assert eventually(lambda: lines_of(logs, function, '"got 42"'))
