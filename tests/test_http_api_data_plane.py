"""Requests to HTTP APIs, by plain HTTP: stages, routes, CORS, limits, logs, metrics."""

import json

from support import metrics
from support.http_apis import said
from support.server import eventually


# ---- stages and routes


def test_stages_stand_in_the_path_but_for_the_default_one(serve_api, echo_function):
    api = serve_api(stage=None)
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


def test_a_stage_serves_what_was_deployed(serve_api, echo_function, v2):
    api = serve_api(stage=None)
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


def test_every_address_leads_to_the_api(serve_api, echo_function, updraft):
    api = serve_api()
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


def test_the_best_route_is_taken(serve_api, echo_server):
    api = serve_api()
    keys = ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default", "GET /", "ANY /any", "POST /any"]
    for number, key in enumerate(keys):
        api.route(key, api.server(f"{echo_server.url}/{number}"))

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


def test_what_leads_nowhere_is_not_found(serve_api, echo_function):
    api = serve_api()
    api.route("GET /pets", api.function(echo_function))
    api.route("GET /nothing")
    for method, path in [("GET", "/"), ("POST", "/pets"), ("GET", "/pets/"), ("GET", "/pets/1"), ("GET", "/nothing")]:
        api.refused(404, "Not Found", method, path)
    api.client.update_api(ApiId=api.id, DisableExecuteApiEndpoint=True)
    api.refused(404, "Not Found", path="/pets")


# ---- CORS


CORS = {
    "AllowOrigins": ["https://a.example"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-one", "x-two"],
    "ExposeHeaders": ["x-seen"], "MaxAge": 60, "AllowCredentials": True,
}
PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}


def cross(response):
    return {name.lower(): value for name, value in response.headers.items() if name.lower().startswith("access-control-")}


def test_preflight_requests_need_no_route(serve_api, says):
    api = serve_api(CorsConfiguration=CORS)
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


def test_the_configuration_overrides_what_functions_say(serve_api, says):
    api = serve_api(CorsConfiguration=CORS)
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


def test_routes_are_throttled(serve_api, echo_server, v2):
    api = serve_api(stage=None)
    integration = api.server(echo_server.url)
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


def test_requests_are_noted(serve_api, echo_function, logs):
    group = "/test/http-api/access"
    logs.create_log_group(logGroupName=group)
    names = [
        "requestId", "httpMethod", "routeKey", "status", "path", "stage", "protocol", "identity.sourceIp", "error.message",
        "integrationStatus", "responseLength", "accountId", "apiId", "domainPrefix", "nothing",
    ]
    form = json.dumps({name: f"$context.{name}" for name in names})
    api = serve_api(stage=None)
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


def test_requests_are_counted(serve_api, says, updraft):
    api = serve_api(stage=None)
    api.route("POST /pets", api.function(says))
    api.stage("dev", DefaultRouteSettings={"DetailedMetricsEnabled": True})
    said(api, {"statusCode": 200}, "/dev/pets")
    said(api, {"statusCode": 404}, "/dev/pets")
    said(api, "no such route", "/dev/nothing")
    api.ask("POST", "/dev/pets", "no json")
    cloudwatch = updraft.client("cloudwatch")

    def metric(name, statistic="Sum", **dimensions):
        return sum(metrics.values(cloudwatch, "AWS/ApiGateway", name, statistic, **dimensions))

    stage = {"ApiId": api.id, "Stage": "dev"}
    for dimensions in ({"ApiId": api.id}, stage):
        assert [metric(name, **dimensions) for name in ("Count", "4xx", "5xx")] == [4, 2, 1]
    assert metric("Latency", "SampleCount", **stage) == 4 and metric("IntegrationLatency", "SampleCount", **stage) == 3
    assert metric("DataProcessed", "SampleCount", **stage) == 4 and metric("DataProcessed", **stage) > 100
    route = stage | {"Method": "POST", "Resource": "/pets"}
    assert [metric(name, **route) for name in ("Count", "4xx", "5xx")] == [3, 1, 1]
