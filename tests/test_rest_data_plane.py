"""Requests to REST APIs: routing, functions and servers behind them, mapping, refusals. Made through boto3, called by plain HTTP."""

import base64
import contextlib
import http.server
import json
import ssl
import threading

import pytest

from support.functions import lines_of
from support.refusals import refused, refuses
from support.rest import Api
from support.server import eventually
from support.tls import Authority

ECHO = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"
SAYS = "import json\ndef handler(event, context):\n    return json.loads(event['body'])\n"
RAW = "def handler(event, context):\n    if event.get('fail'):\n        raise Exception(event['fail'])\n    return event\n"


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


@pytest.fixture(scope="module")
def says(shared):
    return shared.python(SAYS)


class Told(http.server.BaseHTTPRequestHandler):
    """Tells what it was asked."""

    protocol_version = "HTTP/1.1"

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body.decode()}
        said = json.dumps(asked).encode()
        self.send_response(int(self.headers.get("x-status") or 200))
        self.send_header("Content-Type", "application/x-told")
        self.send_header("X-Own", "own")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def answering(tls=None):
    """An HTTP server that tells what it was asked: its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
    if tls:
        # The handshake is a connection's own matter: one that fails must not keep others waiting.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def behind():
    with answering() as address:
        yield address


def test_a_path_means_the_most_exact_resource_with_the_method(api):
    one = api()
    for path in ["/pets", "/pets/{id}", "/pets/top", "/{any+}"]:
        one.mock(path, "ANY" if path == "/{any+}" else "GET", text=path + " $input.params('id')")
    stage = one.deploy()
    for method, path, said in [
        ("GET", "/pets", "/pets "),
        ("GET", "/pets/", "/pets "),
        ("GET", "/pets/7", "/pets/{id} 7"),
        ("GET", "/pets/top", "/pets/top "),
        ("GET", "/pets/7/x", "/{any+} "),
        ("POST", "/pets", "/{any+} "),
        ("POST", "/pets/top", "/{any+} "),
    ]:
        answer = stage.ask(method, path)
        assert (answer.status, answer.text) == (200, said), (method, path)


def test_slashes_that_mean_nothing(api, echo):
    one = api()
    for path in ["/fixed", "/{proxy+}"]:
        one.function(path, echo)
    stage = one.deploy()
    for path, seen, proxy in [
        ("/a", "/a", "a"),
        ("/a/", "/a/", "a"),
        ("//a", "/a", "a"),
        ("/a//b", "/a//b", "a//b"),
        ("//fixed", "/fixed", None),
    ]:
        event = stage.event("GET", path)
        shown = (event["path"], (event["pathParameters"] or {}).get("proxy"), event["requestContext"]["path"])
        assert shown == (seen, proxy, f"/prod{path}"), path


def test_missing_paths_methods_stages_and_apis(api):
    one = api()
    one.mock("/a", text="a")
    stage = one.deploy()
    for method, path in [("GET", "/"), ("GET", "/b"), ("POST", "/a"), ("GET", "/a/b"), ("HEAD", "/a"), ("OPTIONS", "/a")]:
        answer = stage.ask(method, path)
        assert (answer.status, answer.error_type) == (403, "MissingAuthenticationTokenException"), (method, path)
        if method != "HEAD":
            assert answer.json == {"message": "Missing Authentication Token"}
        assert answer.headers["x-amzn-requestid"] and answer.headers["x-amz-apigw-id"].endswith("=")
    stage.name = "none"
    answer = stage.ask("GET", "/a")
    assert (answer.status, answer.json, answer.error_type) == (403, {"message": "Forbidden"}, "ForbiddenException")
    stage.name = "prod"
    answer = stage.ask("GET", "/a", host=stage.host.replace(one.id, "nobodys123"))
    assert (answer.status, answer.json) == (403, {"message": "Forbidden"})


def test_all_addresses_lead_to_an_api(api):
    one = api()
    one.mock("/a", text="a")
    stage = one.deploy()
    for host, name in [
        (None, "prod"),
        (f"{one.id}.execute-api.localhost.localstack.cloud:{stage.address.port}", "prod"),
        ("localhost", f"_aws/execute-api/{one.id}/prod"),
        ("localhost", f"restapis/{one.id}/prod/_user_request_"),
    ]:
        stage.name = name
        assert stage.ask("GET", "/a", host=host).text == "a", (host, name)


def test_deployments_do_not_change(api):
    one = api()
    one.mock("/a", text="before")
    stage = one.deploy()
    patch = [{"op": "replace", "path": "/responseTemplates/application~1json", "value": "after"}]
    one.client.update_integration_response(**one.at("/a"), statusCode="200", patchOperations=patch)
    assert stage.ask("GET", "/a").text == "before"
    one.deploy()
    assert stage.ask("GET", "/a").text == "after"


def test_a_functions_event_is_awss(api, echo):
    one = api()
    one.function("/pets/{id}/{rest+}", echo, method_settings={"operationName": "Pets"})
    stage = one.deploy(variables={"v": "1"})
    headers = {"X-Odd": "1", "Content-Type": "text/plain", "User-Agent": "me"}
    event = stage.event("POST", "/pets/a%20b/c/d?x=1&y=%2C+z&x=2", "hello", headers)
    context = event.pop("requestContext")
    assert event.pop("headers").items() >= {
        "Content-Type": "text/plain", "Host": stage.host, "User-Agent": "me", "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Port": str(stage.address.port), "X-Forwarded-Proto": "http",
    }.items()
    assert event.pop("multiValueHeaders")["User-Agent"] == ["me"]
    assert event == {
        "resource": "/pets/{id}/{rest+}",
        "path": "/pets/a%20b/c/d",
        "httpMethod": "POST",
        "queryStringParameters": {"x": "2", "y": ", z"},
        "multiValueQueryStringParameters": {"x": ["1", "2"], "y": [", z"]},
        "pathParameters": {"id": "a%20b", "rest": "c/d"},
        "stageVariables": {"v": "1"},
        "body": "hello",
        "isBase64Encoded": False,
    }
    assert context.pop("requestTimeEpoch") > 1_700_000_000_000
    for name in ["requestTime", "requestId", "extendedRequestId", "deploymentId"]:
        assert context.pop(name)
    nothing = [
        "accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
        "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn",
    ]
    assert context == {
        "accountId": "000000000000",
        "apiId": one.id,
        "domainName": stage.host,
        "domainPrefix": one.id,
        "httpMethod": "POST",
        "identity": {name: None for name in nothing} | {"sourceIp": "127.0.0.1", "userAgent": "me"},
        "operationName": "Pets",
        "path": "/prod/pets/a%20b/c/d",
        "protocol": "HTTP/1.1",
        "resourceId": one.resources["/pets/{id}/{rest+}"],
        "resourcePath": "/pets/{id}/{rest+}",
        "stage": "prod",
    }


def test_what_a_request_has_not_is_null(api, echo):
    one = api()
    one.function("/", echo)
    event = one.deploy().event("GET", "/")
    for name in ["body", "queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables"]:
        assert event[name] is None, name
    assert event["isBase64Encoded"] is False


def test_a_functions_answer(api, says):
    one = api()
    one.function("/", says)
    stage = one.deploy()

    def say(answer):
        return stage.ask("POST", "/", json.dumps(answer))

    answer = say({"statusCode": 201, "body": "x", "headers": {"X-A": "1", "Content-Type": "text/plain"}})
    assert (answer.status, answer.text, answer.headers["x-a"]) == (201, "x", "1")
    assert answer.headers["content-type"] == "text/plain" and answer.headers["x-amzn-trace-id"].startswith("Root=1-")
    answer = say({"statusCode": "404", "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "headers": {"set-cookie": "c=3"}})
    assert (answer.status, answer.headers.get_all("set-cookie")) == (404, ["a=1", "b=2"])
    assert answer.headers["content-type"] == "application/json"
    answer = say({"statusCode": 200, "headers": {"Date": "today", "Server": "mine"}})
    assert (answer.headers["x-amzn-remapped-date"], answer.headers["x-amzn-remapped-server"]) == ("today", "mine")
    answer = say({"statusCode": 200, "body": base64.b64encode(b"\xff").decode(), "isBase64Encoded": True})
    assert answer.text == "/w=="


@pytest.mark.parametrize(
    "said", ['"x"', "[]", "null", '{"statusCode": "many"}', '{"statusCode": 200, "body": {}}', '{"statusCode": 200, "other": 1}']
)
def test_a_malformed_answer_is_502(api, says, said):
    one = api()
    one.function("/", says)
    answer = one.deploy().ask("POST", "/", said)
    assert (answer.status, answer.json) == (502, {"message": "Internal server error"})
    assert answer.error_type == "InternalServerErrorException"


def test_functions_that_fail_or_may_not_be_asked(api, shared, echo):
    one = api()
    one.function("/fails", shared.python("def handler(event, context):\n    raise Exception('no')\n"))
    one.function("/late", shared.python("import time\ndef handler(event, context):\n    time.sleep(10)\n", Timeout=20), timeoutInMillis=200)
    uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"
    one.method("/none")
    missing = uri.format("arn:aws:lambda:us-east-1:000000000000:function:nobodys")
    one.client.put_integration(**one.at("/none"), type="AWS_PROXY", integrationHttpMethod="POST", uri=missing)
    one.method("/get")
    one.client.put_integration(**one.at("/get"), type="AWS_PROXY", integrationHttpMethod="GET", uri=uri.format(echo.arn))
    stage = one.deploy()
    for path, status, message in [
        ("/fails", 502, "Internal server error"),
        ("/late", 504, "Endpoint request timed out"),
        ("/none", 500, "Internal server error"),
        ("/get", 500, "Internal server error"),
    ]:
        answer = stage.ask("GET", path)
        assert (answer.status, answer.json) == (status, {"message": message}), path


def test_stage_variables_name_functions(api, echo):
    one = api()
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:${{stageVariables.f}}/invocations"
    one.function("/", echo, uri=uri)
    assert one.deploy("good", variables={"f": echo.name}).event()["stageVariables"] == {"f": echo.name}
    assert one.deploy("bad", variables={"f": "nobodys"}).ask().status == 500


def test_bodies_that_are_bytes(api, echo, says):
    one = api(binaryMediaTypes=["image/png", "application/octet-stream"])
    one.function("/echo", echo)
    one.function("/says", says)
    stage = one.deploy()
    event = stage.event("POST", "/echo", b"\xff\x00", {"Content-Type": "image/png"})
    assert (event["body"], event["isBase64Encoded"]) == ("/wA=", True)
    event = stage.event("POST", "/echo", b"abc", {"Content-Type": "text/plain"})
    assert (event["body"], event["isBase64Encoded"]) == ("abc", False)
    said = json.dumps({"statusCode": 200, "body": "/wA=", "isBase64Encoded": True})
    assert stage.ask("POST", "/says", said, {"Accept": "image/png"}).content == b"\xff\x00"
    assert stage.ask("POST", "/says", said, {"Accept": "text/html"}).content == b"/wA="


def test_a_request_has_a_size(api, echo):
    one = api()
    one.function("/", echo)
    stage = one.deploy()
    answer = stage.ask("POST", "/", b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status, answer.json, answer.error_type) == (413, {"message": "Request Too Long"}, "RequestTooLargeException")
    # What a function takes is less.
    assert stage.ask("POST", "/", b"x" * (7 * 1024 * 1024)).status == 413
    assert stage.ask("GET", "/", headers={"X-Large": "x" * 11_000}).status == 431
    assert stage.ask("GET", "/", headers={"X-Large": "x" * 9_000}).status == 200


def test_servers_behind_an_api(api, behind):
    one = api()
    mapped = {
        "integration.request.path.rest": "method.request.path.rest",
        "integration.request.header.X-Mapped": "context.httpMethod",
        "integration.request.querystring.v": "stageVariables.v",
        "integration.request.header.X-Fixed": "'fixed'",
    }
    settings = {"requestParameters": {"method.request.path.rest": True}}
    one.server_behind("/p/{rest+}", behind + "/base/{rest}", requestParameters=mapped, method_settings=settings)
    stage = one.deploy(variables={"v": "a b"})
    answer = stage.ask("PUT", "/p/x/y%20z?q=1&q=2", "hello", {"X-Mine": "mine", "X-Status": "418"})
    asked = answer.json
    assert (answer.status, asked["method"], asked["body"]) == (418, "PUT", "hello")
    assert asked["path"] == "/base/x/y%20z?q=1&q=2&v=a%20b"
    headers = {name.lower(): value for name, value in asked["headers"].items()}
    assert headers["host"] == behind.removeprefix("http://") and headers["x-amzn-apigateway-api-id"] == one.id
    assert (headers["x-mine"], headers["x-mapped"], headers["x-fixed"]) == ("mine", "PUT", "fixed")
    assert headers["x-forwarded-for"] == "127.0.0.1" and headers["x-amzn-trace-id"]
    assert (answer.headers["x-own"], answer.headers["content-type"]) == ("own", "application/x-told")
    assert answer.headers["x-amzn-remapped-content-length"] and answer.headers["x-amzn-remapped-server"]


def test_servers_see_the_stages_client_certificate(apigateway, api, tmp_path):
    certificate = apigateway.generate_client_certificate()
    known = {"clientCertificateId": certificate["clientCertificateId"]}
    context = Authority(tmp_path).server_context("localhost", "127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificate["pemEncodedCertificate"])
    with answering(context) as uri:
        one = api()
        for path, kind in (("/proxy", "HTTP_PROXY"), ("/mapped", "HTTP")):
            settings = {"tlsConfig": {"insecureSkipVerification": True}}
            one.server_behind(path, uri, "GET", kind=kind, **settings)
            one.responses(path, "GET", status_200={})
        stage = one.deploy()
        assert stage.ask("GET", "/proxy").status == 504
        stage.update(("/clientCertificateId", known["clientCertificateId"]))
        for path in ("/proxy", "/mapped"):
            assert stage.ask("GET", path).json["method"] == "GET"
        tested = apigateway.test_invoke_method(**one.at("/proxy"), **known)
        assert (tested["status"], apigateway.test_invoke_method(**one.at("/proxy"))["status"]) == (200, 504)
        with refused(400, "BadRequestException", "Invalid client certificate identifier specified"):
            apigateway.test_invoke_method(**one.at("/proxy"), clientCertificateId="nosuch")
        stage.update(("/clientCertificateId", ""))
        assert stage.ask("GET", "/proxy").status == 504
        apigateway.delete_client_certificate(**known)


def test_a_vpc_link_leads_to_the_address_of_the_integration(apigateway, api, behind):
    target = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/a/b"
    link, other = (apigateway.create_vpc_link(name=name, targetArns=[target])["id"] for name in ("link", "other"))
    one = api()
    private = {"connectionType": "VPC_LINK", "connectionId": link}
    one.server_behind("/private", behind + "/x", "GET", **private)
    one.server_behind("/mapped", behind + "/y", "GET", kind="HTTP", **private | {"connectionId": "${stageVariables.link}"})
    one.responses("/mapped", "GET", status_200={})
    stage = one.deploy(variables={"link": other})
    assert [stage.ask("GET", path).json["path"] for path in ("/private", "/mapped")] == ["/x", "/y"]
    for id, path in ((link, "/private"), (other, "/mapped")):
        words = (
            f"Cannot delete vpc link. Vpc link '{id}', is referenced in [{one.id}:GET:{one.resources[path]}:prod] in format of "
            "[RESTApiId:Method:Resource:Stage]."
        )
        refuses("BadRequestException", words, apigateway.delete_vpc_link, vpcLinkId=id)
    apigateway.delete_stage(restApiId=one.id, stageName="prod")
    for id in (link, other):
        apigateway.delete_vpc_link(vpcLinkId=id)


def test_a_vpc_link_is_named_and_its_load_balancer_is_none_of_the_integrations(api):
    one = api()
    one.method("/private", "GET")
    private = one.at("/private") | {
        "type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "http://example.com/", "connectionType": "VPC_LINK",
    }
    with refused(400, "BadRequestException", "Invalid connectionId specified"):
        one.client.put_integration(**private)
    with refused(400, "BadRequestException", "Invalid VpcLink identifier specified nothing"):
        one.client.put_integration(**private, connectionId="nothing")
    described = private | {"type": "http_proxy", "httpMethod": "GET", "connectionId": "nothing"}
    body = {"openapi": "3.0.1", "info": {"title": "t", "version": "1"}}
    body["paths"] = {"/p": {"get": {"x-amazon-apigateway-integration": described}}}
    with refused(400, "BadRequestException", "Invalid VpcLink identifier specified nothing"):
        one.client.import_rest_api(body=json.dumps(body))
    listener = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/a/b/c"
    with refused(501, "NotImplemented", "integration target"):
        one.client.put_integration(**private, connectionId="link", integrationTarget=listener)


def test_headers_that_api_gateway_has_for_itself(api, behind, echo):
    one = api()
    one.function("/function", echo, "GET")
    one.server_behind("/server", behind, "GET")
    one.server_behind("/post", behind, "GET", kind="HTTP", http_method="POST")
    one.responses("/post", status_200={"responseTemplates": {"application/json": "$input.path('$.headers')"}})
    names = ["Authorization", "Upgrade", "Transfer-Encoding", "X-Own"]
    one.method("/mock")
    one.client.put_integration(**one.at("/mock"), type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    mapped = {f"method.response.header.{name}": "'own'" for name in names}
    one.responses("/mock", headers=names, status_200={"responseParameters": mapped})
    stage = one.deploy()
    sent = {name: "own" for name in ["Max-Forwards", "Content-MD5", "Trailer", "WWW-Authenticate", "Date", "Content-Encoding"]}
    answer = stage.ask("GET", "/function", headers=sent)
    assert {name for name in sent if name in answer.json["headers"]} == {"Date", "Content-Encoding"}
    assert answer.headers["x-amzn-trace-id"] == answer.json["headers"]["X-Amzn-Trace-Id"]
    answer = stage.ask("GET", "/server", headers=sent)
    # What is empty is not encoded.
    assert {name for name in sent if name.lower() in answer.json["headers"]} == {"Date"}
    assert "x-amzn-trace-id" not in answer.headers, "a server's answer has its own"
    told = stage.ask("GET", "/post").text
    assert "content-length=0" in told and "content-type" not in told
    headers = stage.ask("GET", "/mock").headers
    assert [headers.get(f"x-amzn-remapped-{name}") for name in names] == ["own", "own", None, None]
    assert headers["x-own"] == "own" and "authorization" not in headers


def test_headers_that_cannot_be_mapped(api, behind, echo):
    one = api()

    def mapped(name):
        return {"requestParameters": {f"integration.request.header.{name}": "'1'"}}

    one.server_behind("/length", behind, "GET", **mapped("Content-Length"))
    one.server_behind("/te", behind, "GET", **mapped("TE"))
    one.function("/function", echo, "GET", **mapped("Authorization"))
    stage = one.deploy()
    for path in ("/length", "/function"):
        answer = stage.ask("GET", path)
        assert (answer.status, answer.text) == (500, '{"message": "Internal server error"}'), path
        assert answer.error_type == "InternalServerErrorException"
    assert stage.ask("GET", "/te").status == 200


def test_servers_that_cannot_be_reached(api):
    one = api()
    one.server_behind("/nobody", "http://127.0.0.1:9/", "GET")
    one.server_behind("/nonsense", "http://${stageVariables.none}/", "GET")
    stage = one.deploy()
    answer = stage.ask("GET", "/nobody")
    assert (answer.status, answer.json) == (504, {"message": "Internal server error"})
    assert stage.ask("GET", "/nonsense").status == 500


def test_servers_with_mapping(api, behind):
    one = api()
    one.method("/m", "POST", requestParameters={"method.request.querystring.status": False})
    one.client.put_integration(
        **one.at("/m", "POST"), type="HTTP", integrationHttpMethod="PUT", uri=behind + "/x",
        requestParameters={"integration.request.header.x-status": "method.request.querystring.status"},
        requestTemplates={"application/json": '{"made": "$input.path(\'$.a\')"}'},
    )
    one.responses(
        "/m", "POST", headers=["X-Told"],
        status_200={"responseTemplates": {"application/json": "$input.path('$.body') $input.path('$.method')"},
                    "responseParameters": {"method.response.header.X-Told": "integration.response.header.X-Own"}},
        status_400={"selectionPattern": "4\\d{2}", "responseTemplates": {"text/plain": "bad"}},
    )
    stage = one.deploy()
    answer = stage.ask("POST", "/m", '{"a": 7}', {"Content-Type": "application/json"})
    assert (answer.status, answer.text, answer.headers["x-told"]) == (200, '{"made": "7"} PUT', "own")
    assert answer.headers["content-type"] == "application/json"
    answer = stage.ask("POST", "/m?status=404", "{}")
    assert (answer.status, answer.text, answer.headers["content-type"]) == (400, "bad", "text/plain")


def test_functions_with_mapping(api, shared):
    one, raw = api(), shared.python(RAW)
    one.function(
        "/f/{id}", raw, "POST", "AWS",
        requestTemplates={"application/json": '{"id": "$input.params(\'id\')", "fail": $input.json(\'$.fail\')}'},
    )
    one.responses(
        "/f/{id}", "POST",
        status_200={"responseTemplates": {"application/json": "$input.json('$.id')"}},
        status_404={"selectionPattern": "no .*", "responseTemplates": {"application/json": '{"m": "$input.path(\'$.errorMessage\')"}'}},
    )
    stage = one.deploy()
    answer = stage.ask("POST", "/f/7", '{"fail": ""}')
    assert (answer.status, answer.text) == (200, '"7"')
    answer = stage.ask("POST", "/f/7", '{"fail": "no such"}')
    assert (answer.status, answer.json) == (404, {"m": "no such"})
    assert stage.ask("POST", "/f/7", '{"fail": "other"}').status == 200


def test_services_of_the_house_behind_an_api(api, create, logs):
    one, function = api(), create.python("def handler(event, context):\n    print('got', event['n'])\n")
    role = "arn:aws:iam::000000000000:role/caller"
    one.method("/who")
    one.client.put_integration(
        **one.at("/who"), type="AWS", integrationHttpMethod="POST", credentials=role,
        uri="arn:aws:apigateway:us-east-1:sts:action/GetCallerIdentity",
    )
    one.responses("/who", status_200={})
    one.method("/event", "POST")
    one.client.put_integration(
        **one.at("/event", "POST"), type="AWS", integrationHttpMethod="POST", credentials=role,
        uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function.arn}/invocations",
        requestParameters={"integration.request.header.X-Amz-Invocation-Type": "'Event'"},
    )
    one.responses("/event", "POST", status_202={})
    one.method("/none")
    one.client.put_integration(
        **one.at("/none"), type="AWS", integrationHttpMethod="POST", credentials=role,
        uri="arn:aws:apigateway:us-east-1:dynamodb:action/Scan",
    )
    one.responses("/none", status_200={})
    stage = one.deploy()
    assert "assumed-role/caller/BackplaneAssumeRoleSession" in stage.ask("GET", "/who").text
    assert stage.ask("POST", "/event", '{"n": 42}').status == 202
    assert eventually(lambda: lines_of(logs, function, '"got 42"'))
    assert stage.ask("GET", "/none").status == 500


@pytest.mark.parametrize(
    "behavior, template, content_type, status",
    [
        ("WHEN_NO_MATCH", "application/json", "text/plain", 200),
        ("WHEN_NO_TEMPLATES", "application/json", "text/plain", 415),
        ("WHEN_NO_TEMPLATES", None, "text/plain", 200),
        ("NEVER", "application/json", "text/plain", 415),
        ("NEVER", None, "application/json", 415),
        ("NEVER", "application/json", "application/json", 200),
    ],
)
def test_bodies_without_a_template(api, shared, behavior, template, content_type, status):
    one, raw = api(), shared.python(RAW)
    templates = {template: '{"made": 1}'} if template else {}
    one.function("/f", raw, "POST", "AWS", passthroughBehavior=behavior, requestTemplates=templates)
    one.responses("/f", "POST", status_200={})
    answer = one.deploy().ask("POST", "/f", '{"sent": 1}', {"Content-Type": content_type})
    assert answer.status == status
    if status == 415:
        assert answer.json == {"message": "Unsupported Media Type"}
    else:
        assert answer.json == ({"made": 1} if template == content_type else {"sent": 1})


def test_mocks(api):
    one = api()
    one.mock("/chosen", request='{"statusCode": $input.params("s")}')
    one.responses("/chosen", status_404={"selectionPattern": "404", "responseTemplates": {"application/json": "gone"}})
    one.mock("/none", request="{}")
    one.mock("/broken", request="#if(")
    override = "#set($context.responseOverride.status = 418)#set($context.responseOverride.header.X-Over = 'o')tea"
    one.mock("/over", text=override)
    stage = one.deploy()
    assert stage.ask("GET", "/chosen?s=200").status == 200
    answer = stage.ask("GET", "/chosen?s=404")
    assert (answer.status, answer.text) == (404, "gone")
    assert stage.ask("GET", "/none").status == 500
    assert stage.ask("GET", "/broken").status == 500
    answer = stage.ask("GET", "/over")
    assert (answer.status, answer.text, answer.headers["x-over"]) == (418, "tea", "o")


def test_gateway_responses(api):
    one = api()
    one.mock("/a", text="a")
    one.client.put_gateway_response(
        restApiId=one.id, responseType="MISSING_AUTHENTICATION_TOKEN", statusCode="404",
        responseParameters={"gatewayresponse.header.X-Why": "context.error.responseType",
                            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
        responseTemplates={"application/json": '{"no": $context.error.messageString, "path": "$context.path"}'},
    )
    stage = one.deploy()
    answer = stage.ask("GET", "/b")
    assert (answer.status, answer.json) == (404, {"no": "Missing Authentication Token", "path": "/prod/b"})
    assert (answer.headers["x-why"], answer.headers["access-control-allow-origin"]) == ("MISSING_AUTHENTICATION_TOKEN", "*")
    one.client.delete_gateway_response(restApiId=one.id, responseType="MISSING_AUTHENTICATION_TOKEN")
    one.client.put_gateway_response(restApiId=one.id, responseType="DEFAULT_4XX", responseTemplates={"text/plain": "all of them"})
    one.deploy()
    answer = stage.ask("GET", "/b")
    assert (answer.status, answer.text, answer.headers["content-type"]) == (403, "all of them", "text/plain")
