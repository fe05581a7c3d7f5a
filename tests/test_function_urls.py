"""Function URLs: their configuration through boto3, and the URLs themselves through plain HTTP and signed requests."""

import base64
import datetime
import http.client
import json
import re
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.functions import Factory, Runtimes
from support.refusals import refused
from support.server import eventually

ECHO = "def handler(event, context):\n    return event\n"
SAYS = "import json\ndef handler(event, context):\n    return json.loads(event['body'])\n"
FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)


class Url:
    """A function's URL and a plain client for it."""

    def __init__(self, url):
        self.url, parts = url, urlsplit(url)
        self.address, self.base = (parts.hostname, parts.port), parts.path

    def connect(self):
        return http.client.HTTPConnection(*self.address, timeout=60)

    def ask(self, method="GET", path="", body=None, headers=None):
        """Sends a request; gives the response, its body in `text` and `content`."""
        connection = self.connect()
        connection.request(method, self.base + path, body, headers or {})
        response = connection.getresponse()
        response.content = response.read()
        response.text = response.content.decode(errors="replace")
        connection.close()
        return response

    def event(self, *arguments, **more):
        response = self.ask(*arguments, **more)
        assert response.status == 200, (response.status, response.text)
        return json.loads(response.text)

    def signed(self, *, key="test", secret="test", region="us-east-1", body=b"", path="", method="POST", token=None):
        request = AWSRequest(method, self.url + path, {}, body)
        SigV4Auth(Credentials(key, secret, token), "lambda", region).add_auth(request)
        return self.ask(method, path, body, dict(request.prepare().headers))


def open_to_all(lambda_, function, qualifier=None):
    """What the console does for a URL without authentication."""
    more = {"Qualifier": qualifier} if qualifier else {}
    lambda_.add_permission(
        FunctionName=function.name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*",
        FunctionUrlAuthType="NONE", **more,
    )
    lambda_.add_permission(
        FunctionName=function.name, StatementId="invoke", Action="lambda:InvokeFunction", Principal="*",
        InvokedViaFunctionUrl=True, **more,
    )


@pytest.fixture
def url(lambda_):
    """Makes URLs that everybody may use."""

    def make(function, **settings):
        created = lambda_.create_function_url_config(FunctionName=function.name, **({"AuthType": "NONE"} | settings))
        open_to_all(lambda_, function, settings.get("Qualifier"))
        return Url(created["FunctionUrl"])

    return make


# ---- configuration


def test_configurations_are_made_read_changed_and_deleted(create, lambda_, updraft):
    function = create.python(ECHO)
    created = lambda_.create_function_url_config(FunctionName=function.name, AuthType="NONE")
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert re.fullmatch(rf"{updraft.endpoint}/_aws/lambda-url/[a-z0-9]{{32}}/", created["FunctionUrl"])
    assert (created["FunctionArn"], created["AuthType"]) == (function.arn, "NONE")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created["CreationTime"])
    assert not {"Cors", "InvokeMode", "LastModifiedTime"} & created.keys(), "absent is not empty"
    (listed,) = lambda_.list_function_url_configs(FunctionName=function.name)["FunctionUrlConfigs"]
    for shown in (lambda_.get_function_url_config(FunctionName=function.name), listed):
        assert shown["InvokeMode"] == "BUFFERED", "which the answer to its creation does not say"
    cors = {"AllowOrigins": ["https://a.example"], "MaxAge": 5, "AllowHeaders": ["X-One"], "ExposeHeaders": ["ETag"]}
    kept = cors | {"AllowHeaders": ["x-one"], "ExposeHeaders": ["etag"]}
    changed = lambda_.update_function_url_config(
        FunctionName=function.name, AuthType="AWS_IAM", Cors=cors, InvokeMode="RESPONSE_STREAM"
    )
    read = lambda_.get_function_url_config(FunctionName=function.arn)
    for seen in (changed, read, lambda_.list_function_url_configs(FunctionName=function.name)["FunctionUrlConfigs"][0]):
        assert (seen["AuthType"], seen["Cors"], seen["InvokeMode"]) == ("AWS_IAM", kept, "RESPONSE_STREAM")
        assert (seen["FunctionUrl"], seen["CreationTime"]) == (created["FunctionUrl"], created["CreationTime"])
    same = lambda_.update_function_url_config(FunctionName=function.name)
    assert (same["AuthType"], same["Cors"], same["InvokeMode"]) == ("AWS_IAM", kept, "RESPONSE_STREAM")
    lambda_.delete_function_url_config(FunctionName=function.name)
    with refused(404, "ResourceNotFoundException", "The resource you requested does not exist."):
        lambda_.get_function_url_config(FunctionName=function.name)
    again = lambda_.create_function_url_config(FunctionName=function.name, AuthType="NONE")
    assert again["FunctionUrl"] != created["FunctionUrl"]


def test_aliases_have_urls_of_their_own(create, lambda_, url):
    function = create.python("def handler(event, context):\n    return [context.function_version, context.invoked_function_arn]\n")
    lambda_.publish_version(FunctionName=function.name)
    lambda_.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    own, live = url(function), url(function, Qualifier="live")
    assert json.loads(own.ask().text) == ["$LATEST", function.arn]
    assert json.loads(live.ask().text) == ["1", f"{function.arn}:live"]
    arns = [one["FunctionArn"] for one in lambda_.list_function_url_configs(FunctionName=function.name)["FunctionUrlConfigs"]]
    assert arns == [function.arn, f"{function.arn}:live"]
    page = lambda_.list_function_url_configs(FunctionName=function.name, MaxItems=1)
    assert [one["FunctionArn"] for one in page["FunctionUrlConfigs"]] == arns[:1]
    page = lambda_.list_function_url_configs(FunctionName=function.name, MaxItems=1, Marker=page["NextMarker"])
    assert [one["FunctionArn"] for one in page["FunctionUrlConfigs"]] == arns[1:] and "NextMarker" not in page
    with refused(409, "ResourceConflictException", f"[functionArn = {function.arn}:live]"):
        lambda_.create_function_url_config(FunctionName=function.name, Qualifier="live", AuthType="NONE")
    lambda_.delete_alias(FunctionName=function.name, Name="live")
    gone = live.ask()
    assert (gone.status, json.loads(gone.text)) == (403, {"Message": FORBIDDEN})
    assert own.ask().status == 200


def test_refused_configurations(create, lambda_):
    function = create.python(ECHO)
    make = lambda **settings: lambda_.create_function_url_config(
        **({"FunctionName": function.name, "AuthType": "NONE"} | settings)
    )
    enum = "failed to satisfy constraint: Member must satisfy enum value set: "
    alias = "failed to satisfy constraint: Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)"
    for words, settings in {
        f"Value 'UNKNOWN' at 'invokeMode' {enum}[RESPONSE_STREAM, BUFFERED]": {"InvokeMode": "UNKNOWN"},
        f"Value 'ALL' at 'authType' {enum}[NONE, AWS_IAM]": {"AuthType": "ALL"},
        f"Value '$LATEST' at 'qualifier' {alias}": {"Qualifier": "$LATEST"},
        f"Value '1' at 'qualifier' {alias}": {"Qualifier": "1"},
        f"Value '{function.name}:1' at 'functionName' failed": {"FunctionName": f"{function.name}:1"},
        "Value '[OPTIONS]' at 'cors.allowMethods' failed": {"Cors": {"AllowMethods": ["OPTIONS"]}},
        "at 'cors.allowOrigins' failed": {"Cors": {"AllowOrigins": ["x" * 254]}},
        "'cors.maxAge' failed": {"Cors": {"MaxAge": 86401}},
        "at 'cors.allowHeaders' failed": {"Cors": {"AllowHeaders": ["x"] * 101}},
    }.items():
        with refused(400, "ValidationException", words):
            make(**settings)
    for missing in ({"FunctionName": "nowhere"}, {"Qualifier": "nowhere"}):
        with refused(404, "ResourceNotFoundException", "Function does not exist"):
            make(**missing)
    with refused(404, "ResourceNotFoundException", "The resource you requested does not exist."):
        lambda_.update_function_url_config(FunctionName=function.name)
    with refused(404, "ResourceNotFoundException", "The resource you requested does not exist."):
        lambda_.delete_function_url_config(FunctionName=function.name)
    with refused(404, "ResourceNotFoundException", "Function does not exist"):
        lambda_.list_function_url_configs(FunctionName="nowhere")
    assert lambda_.list_function_url_configs(FunctionName=function.name)["FunctionUrlConfigs"] == []
    make()
    with refused(409, "ResourceConflictException", "FunctionUrlConfig exists for this Lambda function"):
        make()


def test_a_tag_names_the_url(create, lambda_, url):
    function = create.python(ECHO, Tags={"_custom_id_": "my-shop"})
    lambda_.publish_version(FunctionName=function.name)
    lambda_.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    assert url(function).url.endswith("/_aws/lambda-url/my-shop/")
    assert url(function, Qualifier="live").url.endswith("/_aws/lambda-url/my-shop-live/")
    other = create.python(ECHO, Tags={"_custom_id_": "my-shop"})
    with refused(409, "ResourceConflictException", "my-shop"):
        lambda_.create_function_url_config(FunctionName=other.name, AuthType="NONE")


def test_the_url_goes_with_the_function(create, lambda_, url):
    function = create.python(ECHO)
    one = url(function)
    assert one.ask().status == 200
    lambda_.delete_function(FunctionName=function.name)
    gone = one.ask()
    assert (gone.status, gone.text, gone.headers["x-amzn-ErrorType"]) == (403, '{"Message":null}', "AccessDeniedException")


def test_urls_survive_a_restart(another_server):
    with another_server() as server:
        lambda_ = server.client("lambda")
        function = Factory(lambda_, Runtimes.on_host(server.runtimes)).python(ECHO)
        created = lambda_.create_function_url_config(FunctionName=function.name, AuthType="NONE")
        server.kill()
        server.start()
        assert lambda_.get_function_url_config(FunctionName=function.name)["FunctionUrl"] == created["FunctionUrl"]
        assert Url(created["FunctionUrl"]).ask().status == 200


# ---- requests


def test_the_event(create, url):
    one = url(create.python(ECHO))
    headers = {"X-Odd-Name": "1", "Cookie": "a=1; b=2", "Content-Type": "text/plain", "User-Agent": "me"}
    event = one.event("POST", "some/path%20here?x=1&x=2&y=a%2Fb", "hé".encode(), headers)
    identity = one.base.split("/")[3]
    assert event["version"] == "2.0"
    assert event["routeKey"] == "$default"
    assert event["rawPath"] == "/some/path%20here"
    assert event["rawQueryString"] == "x=1&x=2&y=a%2Fb"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "a/b"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert (event["body"], event["isBase64Encoded"]) == ("hé", False)
    seen = event["headers"]
    assert (seen["x-odd-name"], seen["user-agent"], seen["content-length"]) == ("1", "me", "3")
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert seen["x-forwarded-port"] == str(one.address[1])
    assert "cookie" not in seen and seen["x-amzn-trace-id"].startswith("Root=1-")
    context = event["requestContext"]
    assert (context["accountId"], context["apiId"], context["domainPrefix"]) == ("anonymous", identity, identity)
    assert (context["routeKey"], context["stage"]) == ("$default", "$default")
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["time"])
    assert "authorizer" not in context and "pathParameters" not in event
    http_ = {"method": "POST", "path": "/some/path%20here", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "me"}
    assert context["http"] == http_


def test_what_a_request_has_not_its_event_has_not(create, url):
    event = url(create.python(ECHO)).event()
    assert event["rawPath"] == "/"
    assert not {"body", "cookies", "queryStringParameters"} & event.keys()


def test_binary_bodies_come_in_base64(create, url):
    one = url(create.python(ECHO))
    event = one.event("POST", "", b"\x00\xff", {"Content-Type": "application/octet-stream"})
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\x00\xff", True)


def test_one_id_for_all(create, url, logs):
    function = create.python("def handler(event, context):\n    return [context.aws_request_id, event['requestContext']['requestId']]\n")
    response = url(function).ask()
    assert json.loads(response.text) == [response.headers["x-amzn-RequestId"]] * 2
    assert response.headers["X-Amzn-Trace-Id"].startswith("Root=1-")


def test_hosts_lead_to_the_url_as_well(create, url):
    one = url(create.python(ECHO))
    identity = one.base.split("/")[3]
    for domain in ("on.aws", "localhost.localstack.cloud:4566"):
        host = f"{identity}.lambda-url.us-east-1.{domain}"
        connection = one.connect()
        connection.request("GET", "/a/b?c=d", headers={"Host": host})
        event = json.loads(connection.getresponse().read())
        assert (event["rawPath"], event["rawQueryString"], event["headers"]["host"]) == ("/a/b", "c=d", host)
        assert event["requestContext"]["domainName"] == host
    connection = one.connect()
    connection.request("GET", "/", headers={"Host": f"{identity}.lambda-url.eu-west-1.on.aws"})
    assert connection.getresponse().status == 403, "of another region"


def test_the_shown_url_follows_the_callers_host(create, lambda_, updraft):
    function = create.python(ECHO)
    lambda_.create_function_url_config(FunctionName=function.name, AuthType="NONE")
    path = f"/2021-10-31/functions/{function.name}/url"
    request = AWSRequest("GET", updraft.endpoint + path, {"Host": f"localhost.localstack.cloud:{updraft.port}"})
    SigV4Auth(Credentials("test", "test"), "lambda", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", updraft.port)
    connection.request("GET", path, headers=dict(request.prepare().headers))
    shown = json.loads(connection.getresponse().read())["FunctionUrl"]
    expected = rf"http://[a-z0-9]{{32}}\.lambda-url\.us-east-1\.localhost\.localstack\.cloud:{updraft.port}/"
    assert re.fullmatch(expected, shown)


# ---- responses


def test_inferred_responses(create, url):
    one = url(create.python(SAYS))
    for said, text in (
        ({"hello": "world"}, '{"hello":"world"}'),
        (["hello", 3, True], '["hello",3,true]'),
        ("hello", "hello"),
        (3, "3"),
        (True, "true"),
        (None, "null"),
        ({"body": "x"}, '{"body":"x"}'),
    ):
        response = one.ask("POST", "", json.dumps(said), {"Content-Type": "application/json"})
        assert (response.status, response.text) == (200, text)
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Content-Length"] == str(len(text))


def test_explicit_responses(create, url):
    one = url(create.python(SAYS))

    def answer(**said):
        return one.ask("POST", "", json.dumps(said), {"Content-Type": "application/json"})

    full = answer(
        statusCode=201, headers={"Content-Type": "text/x", "My-Header": "Value", "Number": 5},
        cookies=["a=1; Secure", "b=2"], body="aGk=", isBase64Encoded=True,
    )
    assert (full.status, full.text, full.headers["My-Header"], full.headers["Number"]) == (201, "hi", "Value", "5")
    assert full.headers["Content-Type"] == "text/x"
    assert full.headers.get_all("Set-Cookie") == ["a=1; Secure", "b=2"]
    teapot = answer(statusCode="418", body="i'm a teapot")
    assert (teapot.status, teapot.text, teapot.headers["Content-Type"]) == (418, "i'm a teapot", "application/json")
    assert answer(statusCode=204).content == b""
    for malformed in ({"statusCode": "many"}, {"statusCode": 200, "headers": []}, {"statusCode": 200, "body": "%", "isBase64Encoded": True}):
        response = answer(**malformed)
        assert (response.status, response.text) == (502, "Internal Server Error"), malformed


def test_failures_are_a_bad_gateway(create, url, logs):
    code = (
        "import time, os\ndef handler(event, context):\n    what = event['rawPath'][1:]\n"
        "    if what == 'raise': raise ValueError('no')\n    if what == 'sleep': time.sleep(30)\n    if what == 'exit': os._exit(1)\n"
        "    return 'x' * 6_300_000 if what == 'much' else 'fine'\n"
    )
    one = url(create.python(code, Timeout=1, MemorySize=512))
    for what in ("raise", "sleep", "exit", "much"):
        response = one.ask(path=what)
        assert (response.status, response.text) == (502, "Internal Server Error"), what
        assert response.headers["Content-Type"] == "application/json"
    assert one.ask().text == "fine"


def test_limits(create, url):
    one = url(create.python("def handler(event, context):\n    return len(event['body'])\n", MemorySize=512))
    text = {"Content-Type": "text/plain"}
    assert one.ask("POST", "", "x" * 6_000_000, text).text == "6000000"
    for body, headers in (("x" * 6_291_500, text), (b"\0" * 5_000_000, {}), ("x" * 7_000_000, text)):
        response = one.ask("POST", "", body, headers)
        assert response.status == 413, len(body)
        assert "6291456 bytes" in response.text


def test_throttles(create, lambda_, url):
    for mode in ("BUFFERED", "RESPONSE_STREAM"):
        function = create.python(ECHO)
        one = url(function, InvokeMode=mode)
        lambda_.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
        response = one.ask()
        assert (response.status, response.headers["x-amzn-ErrorType"]) == (429, "TooManyRequestsException")
        assert "Rate Exceeded" in response.text


def test_requests_are_counted(create, url, updraft):
    function = create.python("def handler(event, context):\n    return 1 / int(event['rawPath'][1:])\n")
    one = url(function)
    assert [one.ask(path=path).status for path in "110"] == [200, 200, 502]
    cloudwatch = updraft.client("cloudwatch")
    now = datetime.datetime.now(datetime.timezone.utc)

    def sums():
        seen = {}
        for metric in ("UrlRequestCount", "Url4xxCount", "Url5xxCount", "UrlRequestLatency"):
            points = cloudwatch.get_metric_statistics(
                Namespace="AWS/Lambda", MetricName=metric, Dimensions=[{"Name": "FunctionName", "Value": function.name}],
                StartTime=now - datetime.timedelta(minutes=10), EndTime=now + datetime.timedelta(minutes=10), Period=1200,
                Statistics=["Sum", "SampleCount"],
            )["Datapoints"]
            seen[metric] = (sum(point["Sum"] for point in points), sum(point["SampleCount"] for point in points))
        return seen

    seen = eventually(lambda: (found := sums())["UrlRequestCount"][0] == 3 and found)
    assert seen and (seen["Url4xxCount"], seen["Url5xxCount"]) == ((0, 3), (1, 3))
    assert seen["UrlRequestLatency"][0] > 0


# ---- who may come in


def test_without_permission_urls_are_closed_where_policies_are_enforced(another_server):
    with another_server(arguments=["--iam", "enforce"]) as server:
        lambda_ = server.client("lambda")
        function = Factory(lambda_, Runtimes.on_host(server.runtimes)).python(ECHO)
        one = Url(lambda_.create_function_url_config(FunctionName=function.name, AuthType="NONE")["FunctionUrl"])

        def is_closed():
            response = one.ask()
            if response.status == 200:
                return False
            assert (response.status, json.loads(response.text)) == (403, {"Message": FORBIDDEN})
            assert response.headers["x-amzn-ErrorType"] == "AccessDeniedException"
            return True

        assert is_closed()
        add = lambda **more: lambda_.add_permission(FunctionName=function.name, Principal="*", **more)
        add(StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
        assert is_closed(), "since October 2025 lambda:InvokeFunction is needed, too"
        add(StatementId="invoke", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)
        assert not is_closed()
        lambda_.update_function_url_config(FunctionName=function.name, AuthType="AWS_IAM")
        stranger = one.signed(key="123456789012")
        assert stranger.status == 403, "the statement is for URLs without authentication"
        assert one.signed().status == 200, "the owner may"
        lambda_.update_function_url_config(FunctionName=function.name, AuthType="NONE")
        lambda_.remove_permission(FunctionName=function.name, StatementId="url")
        assert is_closed()
        direct = server.client("lambda", key="123456789012")
        with refused(403, "AccessDeniedException"):
            direct.invoke(FunctionName=function.arn)
        with refused(403, "AccessDeniedException"):
            direct.invoke_with_response_stream(FunctionName=function.arn)


def test_without_permission_a_warning_is_all_where_policies_warn(create, lambda_, updraft):
    function = create.python(ECHO)
    one = Url(lambda_.create_function_url_config(FunctionName=function.name, AuthType="NONE")["FunctionUrl"])
    assert one.ask().status == 200
    assert "IAM would deny this" in updraft.log_text() and "lambda:InvokeFunctionUrl" in updraft.log_text()


def test_urls_with_iam_need_a_signature(create, url):
    one = url(create.python(ECHO), AuthType="AWS_IAM")
    unsigned = one.ask()
    assert (unsigned.status, json.loads(unsigned.text)) == (403, {"Message": FORBIDDEN})
    response = one.signed(path="some/path?x=1", body=b'{"a": 1}')
    assert response.status == 200
    event = json.loads(response.text)
    assert (event["rawPath"], event["queryStringParameters"]) == ("/some/path", {"x": "1"})
    assert event["requestContext"]["accountId"] == "000000000000"
    iam = {
        "accessKey": "test", "accountId": "000000000000", "callerId": "000000000000", "cognitoIdentity": None,
        "principalOrgId": None, "userArn": "arn:aws:iam::000000000000:root", "userId": "000000000000",
    }
    assert event["requestContext"]["authorizer"] == {"iam": iam}
    for wrong in ({"secret": "wrong"}, {"key": "AKIANOBODY"}, {"region": "eu-west-1"}):
        refused_ = one.signed(**wrong)
        assert refused_.status == 403, wrong
        assert refused_.headers["x-amzn-ErrorType"]


# ---- browsers


CORS = {
    "AllowOrigins": ["https://a.example"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-one"],
    "ExposeHeaders": ["x-seen"], "MaxAge": 60, "AllowCredentials": True,
}


def cors_of(response):
    return {k.lower().removeprefix("access-control-"): v for k, v in response.headers.items() if k.lower().startswith("access-control-")}


def test_preflight_requests_are_answered_without_the_function(create, url, logs):
    function = create.python(ECHO)
    one = url(function, Cors=CORS)
    ask = lambda origin, method: one.ask("OPTIONS", "", headers={"Origin": origin, "Access-Control-Request-Method": method})
    told = ask("https://a.example", "POST")
    assert (told.status, told.content) == (200, b"")
    assert cors_of(told) == {
        "allow-origin": "https://a.example", "allow-methods": "GET,POST", "allow-headers": "x-one", "max-age": "60",
        "allow-credentials": "true",
    }
    assert cors_of(ask("https://b.example", "POST")) == {}
    assert cors_of(ask("https://a.example", "DELETE")) == {}
    groups = logs.describe_log_groups(logGroupNamePrefix=function.log_group)["logGroups"]
    assert groups == [], "the function was never called"


def test_pages_from_elsewhere_may_ask_and_are_told_what_they_may_see(create, url):
    code = (
        "def handler(event, context):\n    return {'statusCode': 200, 'body': 'x', 'headers': "
        "{'Access-Control-Allow-Origin': 'https://mine.example', 'Access-Control-Allow-Headers': 'y'}}\n"
    )
    one = url(create.python(code), Cors=CORS)
    browser = {"Origin": "https://a.example", "Sec-Fetch-Site": "cross-site"}
    expected = {"allow-origin": "https://a.example", "allow-credentials": "true", "expose-headers": "x-seen"}
    assert cors_of(one.ask(headers=browser)) == expected
    assert cors_of(one.ask(headers={"Origin": "https://b.example"})) == {}
    own = url(create.python(code))
    assert cors_of(own.ask(headers=browser)) == {"allow-origin": "https://mine.example", "allow-headers": "y"}


def test_the_api_itself_stays_closed_to_pages_from_elsewhere(updraft):
    api = Url(f"{updraft.endpoint}/")
    assert api.ask(path="2015-03-31/functions", headers={"Origin": "https://a.example"}).status == 403


def test_options_go_to_a_function_without_cors(create, url):
    one = url(create.python(ECHO))
    event = one.event("OPTIONS", headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"})
    assert event["requestContext"]["http"]["method"] == "OPTIONS"


# ---- streams


STREAMS = """
import { LambdaClient, ListTagsCommand } from '@aws-sdk/client-lambda';
const go = async (context) => {
  const lambda = new LambdaClient();
  while (!(await lambda.send(new ListTagsCommand({ Resource: context.invokedFunctionArn }))).Tags.go) await new Promise((f) => setTimeout(f, 20));
};
export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  BODY
});
"""


@pytest.fixture
def streaming(create, url):
    def make(body, mode="RESPONSE_STREAM", **settings):
        function = create.node(STREAMS.replace("BODY", body), **({"MemorySize": 512} | settings))
        return function, url(function, InvokeMode=mode)

    return make


PRELUDE = (
    "stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { 'Content-Type': 'text/x', 'X-Own': '1' },"
    " cookies: ['a=1', 'b=2'] });"
)


def test_a_streamed_response_arrives_while_it_is_written(streaming, lambda_):
    function, one = streaming(PRELUDE + "stream.write('first'); await go(context); stream.end('last');")
    connection = one.connect()
    connection.request("GET", one.base)
    response = connection.getresponse()
    assert (response.status, response.headers["Content-Type"], response.headers["X-Own"]) == (201, "text/x", "1")
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.read(5) == b"first"
    lambda_.tag_resource(Resource=function.arn, Tags={"go": "now"})
    assert response.read() == b"last"


def test_a_streamed_response_without_a_prelude(streaming):
    _, one = streaming("stream.setContentType('text/event-stream'); stream.write('a'); stream.end('b');")
    response = one.ask()
    assert (response.status, response.text, response.headers["Content-Type"]) == (200, "ab", "text/event-stream")
    _, one = streaming("stream.end('c');")
    assert one.ask().headers["Content-Type"] == "application/octet-stream"


def test_streams_that_fail(streaming):
    for body in ("throw new Error('no');", PRELUDE + "throw new Error('no');", PRELUDE.replace("201", "'many'") + "stream.write('x'); stream.end();"):
        _, one = streaming(body)
        response = one.ask()
        assert (response.status, response.text) == (502, "Internal Server Error"), body
    _, one = streaming("stream.write('some'); setTimeout(() => process.exit(1), 50); await new Promise(() => {});")
    connection = one.connect()
    connection.request("GET", one.base)
    response = connection.getresponse()
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead) as cut:
        response.read()
    assert cut.value.partial == b"some"


def test_a_buffered_answer_through_a_streaming_url(create, url):
    one = url(create.python("def handler(event, context):\n    return {'statusCode': 418, 'body': 'x'}\n"), InvokeMode="RESPONSE_STREAM")
    response = one.ask()
    assert (response.status, json.loads(response.text)) == (200, {"statusCode": 418, "body": "x"})


def test_a_streaming_handler_through_a_buffered_url(streaming):
    _, one = streaming("""stream.write('{"statusCode": 201, '); stream.end('"body": "x"}');""", mode="BUFFERED")
    response = one.ask()
    assert (response.status, response.text) == (201, "x")


def test_a_streaming_url_keeps_its_cors(create, url):
    function = create.node(STREAMS.replace("BODY", "stream.end('x');"), MemorySize=512)
    response = url(function, InvokeMode="RESPONSE_STREAM", Cors=CORS).ask(headers={"Origin": "https://a.example"})
    assert cors_of(response)["allow-origin"] == "https://a.example"
