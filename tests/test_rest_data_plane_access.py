"""Who may call REST APIs, how often, and what is written of it: authorizers, signatures, policies, keys, quotas, throttles,
validation, caches, canaries, logs, metrics."""

import datetime
import gzip
import json
import zlib

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.rest import Api
from support.server import eventually

ECHO = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"
COUNTS = "n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return {'statusCode': 200, 'body': str(n)}\n"
AUTHORIZER = """
n = 0
def handler(event, context):
    global n
    n += 1
    token = event.get('authorizationToken') or event['headers'].get('x-token') or event['queryStringParameters']['token']
    if token == 'unauthorized':
        raise Exception('Unauthorized')
    if token == 'broken':
        return {'principalId': 'me'}
    if token == 'fails':
        raise Exception('other')
    effect = 'Deny' if token == 'deny' else 'Allow'
    resource = event['methodArn'] if token == 'narrow' else '*' if token != 'elsewhere' else 'arn:aws:execute-api:*:*:other/*'
    statement = {'Effect': effect, 'Action': 'execute-api:Invoke', 'Resource': resource}
    return {
        'principalId': 'me', 'policyDocument': {'Version': '2012-10-17', 'Statement': [statement]},
        'context': {'calls': n, 'yes': True, 'arn': event['methodArn'], 'type': event['type']},
    }
"""


@pytest.fixture(scope="module")
def apigateway(updraft):
    return updraft.client("apigateway")


@pytest.fixture
def api(updraft, apigateway):
    made = []

    def make(**settings):
        made.append(Api(updraft, apigateway, **settings))
        return made[-1]

    yield make
    for one in made:
        apigateway.delete_rest_api(restApiId=one.id)


@pytest.fixture(scope="module")
def echo(shared):
    return shared.python(ECHO)


def authorized(api, create, echo, **settings):
    """An API whose methods an authorizer guards."""
    one, function = api(), create.python(AUTHORIZER)
    one.permit(function)
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function.arn}/invocations"
    defaults = {"name": "a", "type": "TOKEN", "authorizerUri": uri, "identitySource": "method.request.header.X-Token"}
    authorizer = one.client.create_authorizer(restApiId=one.id, **(defaults | settings))
    method = {"authorizationType": "CUSTOM", "authorizerId": authorizer["id"]}
    one.function("/a", echo, "GET", method_settings=method)
    one.function("/b", echo, "GET", method_settings=method)
    return one.deploy()


def test_token_authorizers(api, create, echo):
    stage = authorized(api, create, echo, authorizerResultTtlInSeconds=300)
    said = stage.event("GET", "/a", headers={"X-Token": "allow"})["requestContext"]["authorizer"]
    arn = f"arn:aws:execute-api:us-east-1:000000000000:{stage.api.id}/prod/GET/a"
    assert {**said, "integrationLatency": 0} == {
        "principalId": "me", "calls": "1", "yes": "true", "arn": arn, "type": "TOKEN", "integrationLatency": 0,
    }
    # Kept: the function is not asked again, for another method neither.
    assert stage.event("GET", "/b", headers={"X-Token": "allow"})["requestContext"]["authorizer"]["calls"] == "1"
    for token, status, body in [
        (None, 401, {"message": "Unauthorized"}),
        ("unauthorized", 401, {"message": "Unauthorized"}),
        ("deny", 403, {"Message": "User is not authorized to access this resource with an explicit deny"}),
        ("elsewhere", 403, {"Message": "User is not authorized to access this resource"}),
        ("broken", 500, {"message": None}),
        ("fails", 500, {"message": None}),
    ]:
        answer = stage.ask("GET", "/a", headers={"X-Token": token} if token else {})
        assert (answer.status, answer.json) == (status, body), token
    # A kept policy is for the method that it names.
    assert stage.ask("GET", "/a", headers={"X-Token": "narrow"}).status == 200
    assert stage.ask("GET", "/b", headers={"X-Token": "narrow"}).status == 403
    stage.api.client.flush_stage_authorizers_cache(restApiId=stage.api.id, stageName="prod")
    assert stage.event("GET", "/a", headers={"X-Token": "allow"})["requestContext"]["authorizer"]["calls"] != "1"


def test_tokens_that_do_not_look_like_one(api, create, echo):
    stage = authorized(api, create, echo, identityValidationExpression="al.*")
    assert stage.ask("GET", "/a", headers={"X-Token": "allow"}).status == 200
    assert stage.ask("GET", "/a", headers={"X-Token": "no"}).status == 401


def test_request_authorizers(api, create, echo):
    stage = authorized(
        api, create, echo, type="REQUEST", identitySource="method.request.querystring.token, context.httpMethod",
        authorizerResultTtlInSeconds=0,
    )
    said = stage.event("GET", "/a?token=allow")["requestContext"]["authorizer"]
    assert (said["type"], said["calls"]) == ("REQUEST", "1")
    assert stage.event("GET", "/a?token=allow")["requestContext"]["authorizer"]["calls"] == "2"
    assert stage.ask("GET", "/a?token=").status == 401
    assert stage.ask("GET", "/a").status == 401


def signed(stage, path, key="test", secret="test", body=b"", method="GET"):
    request = AWSRequest(method, f"http://{stage.host}/{stage.name}{path}", {}, body)
    SigV4Auth(Credentials(key, secret), "execute-api", "us-east-1").add_auth(request)
    return stage.ask(method, path, body or None, dict(request.prepare().headers))


def test_signatures(api, echo):
    one = api()
    one.function("/a", echo, "GET", method_settings={"authorizationType": "AWS_IAM"})
    stage = one.deploy()
    answer = stage.ask("GET", "/a")
    assert (answer.status, answer.json) == (403, {"message": "Missing Authentication Token"})
    answer = signed(stage, "/a?q=1")
    assert answer.status == 200, answer.text
    identity = answer.json["requestContext"]["identity"]
    assert (identity["accountId"], identity["userArn"]) == ("000000000000", "arn:aws:iam::000000000000:root")
    assert identity["accessKey"] == "test"
    answer = signed(stage, "/a", secret="wrong")
    assert (answer.status, answer.error_type) == (403, "InvalidSignatureException")
    assert "signature we calculated does not match" in answer.json["message"]
    answer = signed(stage, "/a", key="AKIANOBODY")
    assert (answer.status, answer.error_type) == (403, "UnrecognizedClientException")


def test_resource_policies(another_server):
    server = another_server(arguments=["--iam", "enforce"]).start()
    client = server.client("apigateway")

    def policy(effect, ip):
        allow = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
        also = {**allow, "Effect": effect, "Condition": {"IpAddress": {"aws:SourceIp": ip}}}
        return json.dumps({"Version": "2012-10-17", "Statement": [allow, also] if effect == "Deny" else [also]})

    for effect, ip, status in [("Allow", "127.0.0.1", 200), ("Allow", "10.0.0.1", 403), ("Deny", "127.0.0.0/8", 403)]:
        one = Api(server, client, policy=policy(effect, ip))
        one.mock("/a", text="a")
        answer = one.deploy().ask("GET", "/a")
        assert answer.status == status, (effect, ip, answer.text)
        if status == 403:
            explicit = " with an explicit deny" if effect == "Deny" else ""
            resource = f"arn:aws:execute-api:us-east-1:********0000:{one.id}/prod/GET/a"
            words = f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {resource}{explicit}"
            assert (answer.json, answer.error_type) == ({"Message": words}, "AccessDeniedException")


def test_validation(api):
    one = api()
    schema = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    one.client.create_model(restApiId=one.id, name="Pet", contentType="application/json", schema=json.dumps(schema))
    validator = one.client.create_request_validator(
        restApiId=one.id, name="all", validateRequestBody=True, validateRequestParameters=True
    )
    settings = {
        "requestValidatorId": validator["id"], "requestModels": {"application/json": "Pet"},
        "requestParameters": {"method.request.header.X-Need": True, "method.request.querystring.q": True},
    }
    one.mock("/v", "POST", text="good", method_settings=settings)
    one.client.put_gateway_response(
        restApiId=one.id, responseType="BAD_REQUEST_BODY",
        responseTemplates={"application/json": '{"message": $context.error.messageString, "why": "$context.error.validationErrorString"}'},
    )
    stage = one.deploy()
    answer = stage.ask("POST", "/v", "{}")
    assert (answer.status, answer.json) == (400, {"message": "Missing required request parameters: [X-Need, q]"})
    assert answer.error_type == "BadRequestException"
    answer = stage.ask("POST", "/v?q=1", '{"name": 1}', {"X-Need": "1"})
    assert (answer.status, answer.text) == (
        400,
        '{"message": "Invalid request body", "why": "[instance type (integer) does not match any allowed primitive type '
        '(allowed: ["string"])]"}',
    )
    answer = stage.ask("POST", "/v?q=1", '{"name": "a"}', {"X-Need": "1", "Content-Type": "application/json"})
    assert (answer.status, answer.text) == (200, "good")


def plan(one, **settings):
    """A key on the stage `prod`, with a usage plan."""
    made = one.client.create_usage_plan(name="p", apiStages=[{"apiId": one.id, "stage": "prod"}], **settings)
    key = one.client.create_api_key(name="k", enabled=True)
    one.client.create_usage_plan_key(usagePlanId=made["id"], keyId=key["id"], keyType="API_KEY")
    return made["id"], key


def test_keys_and_quotas(api, echo):
    one = api()
    one.function("/k", echo, "GET", method_settings={"apiKeyRequired": True})
    stage = one.deploy()
    plan_id, key = plan(one, quota={"limit": 3, "period": "DAY"})
    for headers in [{}, {"X-Api-Key": "nobodys"}]:
        answer = stage.ask("GET", "/k", headers=headers)
        assert (answer.status, answer.json, answer.error_type) == (403, {"message": "Forbidden"}, "ForbiddenException")
    headers = {"x-api-key": key["value"]}
    identity = stage.event("GET", "/k", headers=headers)["requestContext"]["identity"]
    assert (identity["apiKey"], identity["apiKeyId"]) == (key["value"], key["id"])
    assert [stage.ask("GET", "/k", headers=headers).status for _ in range(3)] == [200, 200, 429]
    answer = stage.ask("GET", "/k", headers=headers)
    assert (answer.json, answer.error_type) == ({"message": "Limit Exceeded"}, "LimitExceededException")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    usage = one.client.get_usage(usagePlanId=plan_id, startDate=today, endDate=today)["items"]
    assert usage == {key["id"]: [[3, 0]]}
    patch = [{"op": "replace", "path": "/remaining", "value": "1"}]
    one.client.update_usage(usagePlanId=plan_id, keyId=key["id"], patchOperations=patch)
    assert [stage.ask("GET", "/k", headers=headers).status for _ in range(2)] == [200, 429]
    one.client.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}])
    assert stage.ask("GET", "/k", headers=headers).status == 403


def test_throttles_of_plans_and_methods(api):
    one = api()
    one.mock("/p", text="p", method_settings={"apiKeyRequired": True})
    one.mock("/m", text="m")
    one.mock("/free", text="free")
    stage = one.deploy()
    _, key = plan(one, throttle={"rateLimit": 0.001, "burstLimit": 2})
    headers = {"x-api-key": key["value"]}
    assert [stage.ask("GET", "/p", headers=headers).status for _ in range(3)] == [200, 200, 429]
    stage.update(("/~1m/GET/throttling/rateLimit", "0.001"), ("/~1m/GET/throttling/burstLimit", "1"))
    assert stage.ask("GET", "/m").status == 200
    answer = stage.ask("GET", "/m")
    assert (answer.status, answer.json, answer.error_type) == (429, {"message": "Too Many Requests"}, "TooManyRequestsException")
    assert stage.ask("GET", "/free").status == 200


def test_quotas_survive_a_crash(another_server):
    server = another_server().start()
    one = Api(server, server.client("apigateway"))
    one.mock("/k", text="k", method_settings={"apiKeyRequired": True})
    stage = one.deploy()
    plan_id, key = plan(one, quota={"limit": 5, "period": "MONTH"})
    headers = {"x-api-key": key["value"]}
    assert [stage.ask("GET", "/k", headers=headers).status for _ in range(3)] == [200] * 3
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    # Asked for, and so written.
    assert one.client.get_usage(usagePlanId=plan_id, startDate=today, endDate=today)["items"] == {key["id"]: [[3, 2]]}
    server.kill()
    server.start()
    assert [stage.ask("GET", "/k", headers=headers).status for _ in range(3)] == [200, 200, 429]


def test_caches(api, shared):
    one, counts = api(), shared.python(COUNTS)
    settings = {"requestParameters": {"method.request.querystring.q": False}}
    one.function("/c", counts, "GET", method_settings=settings, cacheKeyParameters=["method.request.querystring.q"])
    stage = one.deploy(cacheClusterEnabled=True, cacheClusterSize="0.5")
    first = stage.ask("GET", "/c").text
    assert stage.ask("GET", "/c").text != first
    stage.update(("/*/*/caching/enabled", "true"), ("/*/*/caching/ttlInSeconds", "300"),
                 ("/*/*/caching/requireAuthorizationForCacheControl", "false"))
    kept = stage.ask("GET", "/c").text
    assert [stage.ask("GET", "/c").text for _ in range(2)] == [kept] * 2
    assert stage.ask("GET", "/c?q=1").text != kept
    renewed = stage.ask("GET", "/c", headers={"Cache-Control": "max-age=0"}).text
    assert renewed != kept and stage.ask("GET", "/c").text == renewed
    one.client.flush_stage_cache(restApiId=one.id, stageName="prod")
    assert stage.ask("GET", "/c").text != renewed


def test_canaries(api):
    one = api()
    one.mock("/a", text="$stageVariables.v")
    stage = one.deploy(variables={"v": "old"})
    overrides = {"percentTraffic": 100.0, "stageVariableOverrides": {"v": "new"}}
    one.client.create_deployment(restApiId=one.id, stageName="prod", canarySettings=overrides)
    assert stage.ask("GET", "/a").text == "new"
    stage.update(("/canarySettings/percentTraffic", "0.0"))
    assert stage.ask("GET", "/a").text == "old"


def test_compression(api):
    one = api(minimumCompressionSize=100)
    one.mock("/large", text="x" * 1000)
    one.mock("/large", "POST")
    one.mock("/small", text="x")
    stage = one.deploy()
    answer = stage.ask("GET", "/large", headers={"Accept-Encoding": "gzip"})
    assert (answer.headers["content-encoding"], gzip.decompress(answer.content)) == ("gzip", b"x" * 1000)
    assert stage.ask("GET", "/large").text == "x" * 1000
    assert stage.ask("GET", "/small", headers={"Accept-Encoding": "gzip"}).text == "x"
    for body, status in [(gzip.compress(b"x"), 200), (b"no gzip", 400), (gzip.compress(bytes(11 << 20)), 413)]:
        assert stage.ask("POST", "/large", body, {"Content-Encoding": "gzip"}).status == status


def test_compressed_bodies_are_inflated(api, shared):
    echo = shared.python("import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n")
    one = api(minimumCompressionSize=0)
    one.function("/a", echo, "POST")
    stage = one.deploy()
    for encoding, compress in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        asked = stage.ask("POST", "/a", compress(b"x" * 1000), {"Content-Encoding": encoding}).json
        assert asked["body"] == "x" * 1000 and "Content-Encoding" not in asked["headers"]
        assert stage.ask("POST", "/a", b"plain", {"Content-Encoding": encoding}).status == 400
        large = compress(b"x" * (10 * 1024 * 1024 + 1))
        assert stage.ask("POST", "/a", large, {"Content-Encoding": encoding}).status == 413


def test_an_api_may_have_no_endpoint_of_its_own(api):
    one = api(disableExecuteApiEndpoint=True)
    one.mock("/a", text="a")
    assert one.deploy().ask("GET", "/a").status == 403


def test_access_logs_and_execution_logs(api, logs, updraft):
    one = api()
    one.mock("/a/{id}", text="said")
    stage = one.deploy()
    group = f"access-{one.id}"
    logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}"
    line = '{"id":"$context.requestId","status":$context.status,"path":"$context.resourcePath","none":"$context.identity.user"}'
    stage.update(
        ("/accessLogSettings/destinationArn", arn), ("/accessLogSettings/format", line),
        ("/*/*/logging/loglevel", "INFO"), ("/*/*/logging/dataTrace", "true"),
    )
    request_id = stage.ask("GET", "/a/7").headers["x-amzn-requestid"]

    def lines(group):
        try:
            return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    [written] = eventually(lambda: lines(group))
    assert json.loads(written) == {"id": request_id, "status": 200, "path": "/a/{id}", "none": "-"}
    written = eventually(lambda: lines(f"API-Gateway-Execution-Logs_{one.id}/prod"))
    assert all(one_line.startswith(f"({request_id}) ") for one_line in written)
    written = [one_line.removeprefix(f"({request_id}) ") for one_line in written]
    for expected in [
        f"Starting execution for request: {request_id}",
        "HTTP Method: GET, Resource Path: /a/7",
        "Method request path: {id=7}",
        "Method response body after transformations: said",
        "Successfully completed execution",
        "Method completed with status: 200",
    ]:
        assert expected in written, written


def test_traces(api, echo, updraft):
    one = api()
    one.function("/t", echo, "GET")
    stage = one.deploy(tracingEnabled=True)
    answer = stage.ask("GET", "/t")
    parts = dict(part.split("=") for part in answer.headers["x-amzn-trace-id"].split(";"))
    assert parts["Sampled"] == "1"
    xray = updraft.client("xray")

    def segment():
        for trace in xray.batch_get_traces(TraceIds=[parts["Root"]])["Traces"]:
            for one_segment in trace["Segments"]:
                document = json.loads(one_segment["Document"])
                if document.get("origin") == "AWS::ApiGateway::Stage":
                    return document
        return None

    document = eventually(segment)
    assert document["id"] == parts["Parent"] and document["name"].endswith("/prod")
    assert document["http"]["response"]["status"] == 200
    assert document["aws"]["api_gateway"]["rest_api_id"] == one.id
    quiet = one.deploy("quiet")
    assert "Sampled" not in quiet.ask("GET", "/t").headers["x-amzn-trace-id"]


def test_metrics(api, updraft):
    one = api()
    one.mock("/a", text="a")
    stage = one.deploy()
    name = one.client.get_rest_api(restApiId=one.id)["name"]
    for path in ["/a", "/a", "/none"]:
        stage.ask("GET", path)
    cloudwatch = updraft.client("cloudwatch")
    now = datetime.datetime.now(datetime.UTC)

    def total(metric):
        found = cloudwatch.get_metric_statistics(
            Namespace="AWS/ApiGateway", MetricName=metric, Period=3600, Statistics=["Sum"],
            Dimensions=[{"Name": "ApiName", "Value": name}, {"Name": "Stage", "Value": "prod"}],
            StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(hours=1),
        )
        return sum(point["Sum"] for point in found["Datapoints"])

    assert eventually(lambda: total("Count") == 3)
    assert (total("4XXError"), total("5XXError")) == (1, 0)
