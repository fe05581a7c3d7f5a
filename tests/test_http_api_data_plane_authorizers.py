"""Who may call an HTTP API: tokens of issuers (JWT), functions that say so, signatures and policies (IAM)."""

import json
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from support.functions import Factory, Runtimes
from support.http_apis import ECHO, Maker
from support.server import eventually
from support.tokens import Issuer, Key, hmac_with

# Says what it is asked, in a context of its own.
AUTHORIZER = """
import json
def handler(event, context):
    word = event["headers"].get("x-word") or event["headers"].get("X-Word")
    if word == "throw":
        raise Exception("Unauthorized")
    if word == "fail":
        raise Exception("other")
    if word == "odd":
        return "odd"
    resource = event.get("routeArn") or event.get("methodArn")
    said = {"event": json.dumps(event), "number": 1, "yes": True}
    if SIMPLE:
        return {"isAuthorized": word == "open", "context": said | {"list": [1], "map": {"a": "b"}}}
    effect = "Allow" if word == "open" else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, "context": said}
"""


@pytest.fixture
def issuer(tmp_path):
    with Issuer(tmp_path) as issuer:
        yield issuer


@pytest.fixture
def guarded(serve_api, echo_function, issuer):
    """An API whose routes want tokens."""
    api = serve_api()
    api.authorizer = api.client.create_authorizer(
        ApiId=api.id, Name="tokens", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": issuer.url, "Audience": ["me", "you"]},
    )["AuthorizerId"]
    integration = api.function(echo_function)
    api.route("GET /", integration, AuthorizationType="JWT", AuthorizerId=api.authorizer)
    api.route(
        "GET /scoped", integration, AuthorizationType="JWT", AuthorizerId=api.authorizer,
        AuthorizationScopes=["pets.read", "pets.write"],
    )
    return api


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def unauthorized(api, token, why, path="/"):
    response = api.refused(401, "Unauthorized", path=path, headers=bearer(token))
    scopes = "pets.read pets.write" if path == "/scoped" else ""
    assert response.headers["www-authenticate"] == f'Bearer scope="{scopes}" error="invalid_token" error_description="{why}"'


# ---- tokens


def test_a_good_token_is_let_in_and_its_claims_are_told(guarded, issuer, echo_function):
    claims = {"n": 7, "yes": True, "cognito:groups": ["a", "b"], "scope": "pets.read other"}
    token = issuer.token(**claims)
    told = guarded.event(path="/", headers=bearer(token))["requestContext"]["authorizer"]["jwt"]
    own = issuer.claims()
    assert told["scopes"] is None
    assert set(told["claims"]) == {"iss", "aud", "sub", "iat", "exp", "n", "yes", "cognito:groups", "scope"}
    assert (told["claims"]["iss"], told["claims"]["aud"], told["claims"]["sub"]) == (issuer.url, "me", "somebody")
    assert told["claims"]["n"] == "7" and told["claims"]["yes"] == "true" and told["claims"]["cognito:groups"] == "[a b]"
    assert abs(int(told["claims"]["exp"]) - own["exp"]) < 60
    scoped = guarded.event(path="/scoped", headers=bearer(token))["requestContext"]["authorizer"]["jwt"]
    assert scoped["scopes"] == ["pets.read"]
    assert guarded.ask(headers={"Authorization": token}).status == 200, "without Bearer as well"
    assert guarded.ask(headers={"authorization": f"bearer {token}"}).status == 200
    assert issuer.asked_for_keys() == 1, "keys are kept"


def test_claims_are_in_format_1_and_in_the_context_too(serve_api, shared, issuer):
    function = shared.python("import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n")
    api = serve_api()
    authorizer = api.client.create_authorizer(
        ApiId=api.id, Name="tokens", AuthorizerType="JWT", IdentitySource=["$request.querystring.token"],
        JwtConfiguration={"Issuer": issuer.url, "Audience": ["me"]},
    )["AuthorizerId"]
    mapping = {"overwrite:header.x-sub": "$context.authorizer.claims.sub"}
    api.route("GET /", api.function(function, "1.0", RequestParameters=mapping), AuthorizationType="JWT", AuthorizerId=authorizer)
    event = api.event(path=f"/?token={issuer.token()}")
    assert event["requestContext"]["authorizer"]["claims"]["sub"] == "somebody"
    assert event["requestContext"]["authorizer"]["scopes"] is None and event["headers"]["x-sub"] == "somebody"
    response = api.refused(401, "Unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("claims", "why"), [
    ({"exp": 1}, "the token has expired"),
    ({"exp": None}, "the token has expired"),
    ({"nbf": 99_999_999_999}, "the token is not valid yet"),
    ({"iat": 99_999_999_999}, "the token is not valid yet"),
    ({"aud": "others"}, "the token does not have a valid audience"),
    ({"aud": ["others"], "client_id": "me"}, "the token does not have a valid audience"),
    ({"aud": None}, "the token does not have a valid audience"),
    ({"iss": "https://elsewhere.example"}, "the token does not have a valid issuer"),
])
def test_tokens_with_wrong_claims_are_refused(guarded, issuer, claims, why):
    unauthorized(guarded, issuer.token(**claims), why)


def test_audiences_and_clients(guarded, issuer):
    for claims in ({"aud": "you"}, {"aud": ["x", "you"]}, {"aud": None, "client_id": "me"}):
        assert guarded.ask(headers=bearer(issuer.token(**claims))).status == 200, claims


def test_forged_tokens_are_refused(guarded, issuer, tmp_path):
    stranger = Key(tmp_path, "stranger")
    good = issuer.token()
    assert guarded.ask(headers=bearer(good)).status == 200
    head, claims, signature = good.split(".")
    other_claims = issuer.token(sub="root").split(".")[1]
    unauthorized(guarded, f"{head}.{other_claims}.{signature}", "the token has an invalid signature")
    unauthorized(guarded, f"{head}.{claims}.", "the token has an invalid signature")
    unauthorized(guarded, issuer.token(stranger, {"kid": "first"}), "the token has an invalid signature")
    for alg in ("none", "HS256", "ES256"):
        unauthorized(guarded, issuer.token(header={"alg": alg}, sign=lambda _: b""), f"signing method {alg} is invalid")
    forged = issuer.token(header={"alg": "HS256"}, sign=hmac_with(issuer.key.public))
    unauthorized(guarded, forged, "signing method HS256 is invalid")
    unauthorized(guarded, issuer.token(header={"alg": "RS512"}), "the token's key does not fit its signing method")
    unauthorized(guarded, issuer.token(header={"kid": None}), "the token does not name its key")
    unauthorized(guarded, issuer.token(header={"kid": "unknown"}), "the token's key is unknown to its issuer")
    for token in ("x", "a.b.c", "..", "\u00e9"):
        assert guarded.ask(headers={"Authorization": f"Bearer {token}".encode("latin-1").decode("latin-1")}).status == 401
    response = guarded.refused(401, "Unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    assert issuer.asked_for_keys() <= 2, "strangers do not make the issuer busy"


def test_routes_may_want_scopes(guarded, issuer):
    for claims in ({"scope": "pets.write"}, {"scp": ["pets.read"]}, {"scp": "a pets.read"}):
        assert guarded.ask(path="/scoped", headers=bearer(issuer.token(**claims))).status == 200, claims
    for claims in ({}, {"scope": "pets"}, {"scope": ["x"], "scp": []}):
        response = guarded.refused(403, "Forbidden", path="/scoped", headers=bearer(issuer.token(**claims)))
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    unauthorized(guarded, issuer.token(exp=1), "the token has expired", "/scoped")


def test_keys_rotate(guarded, issuer, tmp_path):
    assert guarded.ask(headers=bearer(issuer.token())).status == 200
    second = Key(tmp_path, "second")
    issuer.keys.append(second.jwk())
    token = issuer.token(second)
    assert eventually(lambda: guarded.ask(headers=bearer(token)).status == 200)
    assert guarded.ask(headers=bearer(issuer.token())).status == 200
    assert issuer.asked_for_keys() == 2


def test_keys_of_other_kinds_are_passed_over(guarded, issuer, tmp_path):
    other = Key(tmp_path, "other")
    issuer.keys[:] = [
        {"kty": "oct", "kid": "first", "k": "AAAA"}, {"kty": "EC", "kid": "ec"}, "nonsense",
        other.jwk(use="enc"), issuer.key.jwk(),
    ]
    assert guarded.ask(headers=bearer(issuer.token())).status == 200
    unauthorized(guarded, issuer.token(other), "the token's key is unknown to its issuer")


def broken(request):
    return request.give(500)


def silent(request):
    time.sleep(3)


def huge(request):
    return request.give(200, {"jwks_uri": "x" * 100_000})


def no_json(request):
    return request.give(200, b"<html>")


@pytest.mark.parametrize("answers", [broken, silent, huge, no_json])
def test_issuers_that_do_not_tell_their_keys(guarded, issuer, answers):
    issuer.answers = answers
    unauthorized(guarded, issuer.token(), "the issuer's keys cannot be read")
    issuer.answers = None
    assert eventually(lambda: guarded.ask(headers=bearer(issuer.token())).status == 200)


def test_issuers_that_are_down(guarded, issuer):
    token = issuer.token()
    issuer.shutdown()
    issuer.server_close()
    unauthorized(guarded, token, "the issuer's keys cannot be read")


def test_preflight_requests_need_tokens_where_their_route_does(serve_api, echo_function, issuer):
    api = serve_api(CorsConfiguration={"AllowOrigins": ["*"], "AllowMethods": ["*"]})
    authorizer = api.client.create_authorizer(
        ApiId=api.id, Name="tokens", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": issuer.url, "Audience": ["me"]},
    )["AuthorizerId"]
    integration = api.function(echo_function)
    api.route("ANY /any", integration, AuthorizationType="JWT", AuthorizerId=authorizer)
    api.route("GET /get", integration, AuthorizationType="JWT", AuthorizerId=authorizer)
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    assert api.ask("OPTIONS", "/any", headers=asked).status == 401
    assert api.ask("OPTIONS", "/any", headers=asked | bearer(issuer.token())).status == 204
    assert api.ask("OPTIONS", "/get", headers=asked).status == 204
    response = api.ask("GET", "/get", headers=asked)
    assert (response.status, response.headers["access-control-allow-origin"]) == (401, "*")


# ---- functions


def with_function(api, echo_function, function, version="2.0", route="ANY /pets/{id}", sources=("$request.header.x-word",), **settings):
    authorizer = api.client.create_authorizer(
        ApiId=api.id, Name="function", AuthorizerType="REQUEST", IdentitySource=list(sources),
        AuthorizerUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function.arn}/invocations",
        AuthorizerPayloadFormatVersion=version, **settings,
    )["AuthorizerId"]
    api.route(route, api.function(echo_function), AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    return authorizer


@pytest.fixture(scope="module")
def simple(shared):
    return shared.python(AUTHORIZER.replace("SIMPLE", "True"))


@pytest.fixture(scope="module")
def by_policy(shared):
    return shared.python(AUTHORIZER.replace("SIMPLE", "False"))


def word(word):
    return {"x-word": word}


def test_functions_answer_yes_or_no(serve_api, echo_function, simple):
    api = serve_api(stage=None)
    api.stage("dev", StageVariables={"v": "1"})
    with_function(api, echo_function, simple, EnableSimpleResponses=True)
    event = api.event(path="/dev/pets/7?q=1", headers=word("open") | {"cookie": "c=1"})
    said = event["requestContext"]["authorizer"]["lambda"]
    asked = json.loads(said.pop("event"))
    assert said == {"number": 1, "yes": True, "list": [1], "map": {"a": "b"}}
    arn = f"arn:aws:execute-api:us-east-1:000000000000:{api.id}/dev/GET/pets/7"
    assert (asked["version"], asked["type"], asked["routeArn"], asked["identitySource"]) == ("2.0", "REQUEST", arn, ["open"])
    for name in ("routeKey", "rawPath", "rawQueryString", "cookies", "queryStringParameters", "pathParameters", "stageVariables"):
        assert asked[name] == event[name], name
    context = event["requestContext"]
    assert asked["requestContext"] == {name: context[name] for name in context if name != "authorizer"}
    assert "body" not in asked and asked["headers"]["x-word"] == "open"
    api.refused(403, "Forbidden", path="/dev/pets/7", headers=word("closed"))
    api.refused(401, "Unauthorized", path="/dev/pets/7")
    api.refused(401, "Unauthorized", path="/dev/pets/7", headers=word("throw"))
    api.refused(500, "Internal Server Error", path="/dev/pets/7", headers=word("fail"))
    api.refused(500, "Internal Server Error", path="/dev/pets/7", headers=word("odd"))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_functions_answer_with_policies(serve_api, echo_function, by_policy, version):
    api = serve_api()
    with_function(api, echo_function, by_policy, version)
    event = api.event(path="/pets/7", headers=word("open"))
    asked = json.loads(event["requestContext"]["authorizer"]["lambda"]["event"])
    arn = f"arn:aws:execute-api:us-east-1:000000000000:{api.id}/$default/GET/pets/7"
    if version == "1.0":
        assert (asked["methodArn"], asked["identitySource"], asked["authorizationToken"]) == (arn, "open", "open")
        assert (asked["resource"], asked["path"], asked["httpMethod"]) == ("/pets/{id}", "/pets/7", "GET")
        assert asked["pathParameters"] == {"id": "7"} and asked["requestContext"]["resourcePath"] == "/pets/{id}"
    else:
        assert (asked["routeArn"], asked["identitySource"]) == (arn, ["open"])
    api.refused(403, "Forbidden", path="/pets/7", headers=word("closed"))
    api.refused(500, "Internal Server Error", path="/pets/7", headers=word("odd"))


def test_what_functions_say_is_in_format_1_and_in_the_context(serve_api, shared, by_policy):
    function = shared.python("import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n")
    api = serve_api()
    authorizer = with_function(api, function, by_policy)
    mapping = {"overwrite:header.x-who": "$context.authorizer.principalId $context.authorizer.number"}
    api.route("GET /one", api.function(function, "1.0", RequestParameters=mapping), AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    event = api.event(path="/one", headers=word("open"))
    assert event["requestContext"]["authorizer"]["principalId"] == "me"
    assert event["requestContext"]["authorizer"]["number"] == 1 and event["headers"]["x-who"] == "me 1"


def counting(shared):
    """Lets everybody in and tells how many it has let in."""
    return shared.python(
        "count = 0\n"
        "def handler(event, context):\n"
        "    global count\n"
        "    count += 1\n"
        "    statement = {'Action': 'execute-api:Invoke', 'Effect': 'Allow', 'Resource': event['routeArn']}\n"
        "    policy = {'Version': '2012-10-17', 'Statement': [statement]}\n"
        "    return {'isAuthorized': True, 'principalId': 'p', 'policyDocument': policy, 'context': {'count': count}}\n"
    )


def test_answers_are_remembered_by_identity(serve_api, echo_function, shared):
    api = serve_api()
    authorizer = with_function(
        api, echo_function, counting(shared), EnableSimpleResponses=True, AuthorizerResultTtlInSeconds=300,
        sources=["$request.header.x-word", "$request.querystring.q"],
    )

    def count(path, one):
        return api.event(path=path, headers=word(one))["requestContext"]["authorizer"]["lambda"]["count"]

    assert [count("/pets/1?q=1", "a"), count("/pets/2?q=1", "a"), count("/pets/1?q=2", "a"), count("/pets/1?q=1", "b")] == [1, 1, 2, 3]
    assert count("/pets/1?q=1", "a") == 1
    api.refused(401, "Unauthorized", path="/pets/1", headers=word("a"))
    api.client.update_authorizer(ApiId=api.id, AuthorizerId=authorizer, AuthorizerResultTtlInSeconds=0)
    assert [count("/pets/1?q=1", "a"), count("/pets/1?q=1", "a")] == [4, 5]


def test_a_remembered_policy_is_asked_for_each_path(serve_api, echo_function, shared):
    api = serve_api()
    with_function(api, echo_function, counting(shared), AuthorizerResultTtlInSeconds=300)
    assert api.ask(path="/pets/1", headers=word("a")).status == 200
    api.refused(403, "Forbidden", path="/pets/2", headers=word("a"))


def test_authorizers_must_be_let_call_their_function(another_server):
    with another_server(arguments=["--iam", "enforce"]) as server:
        lambda_ = server.client("lambda")
        factory = Factory(lambda_, Runtimes.on_host(server.runtimes))
        function, echo = factory.python(AUTHORIZER.replace("SIMPLE", "True")), factory.python(ECHO)
        api = Maker(server.client("apigatewayv2"))()
        authorizer = with_function(api, echo, function, EnableSimpleResponses=True)

        def allow(function, source):
            lambda_.add_permission(
                FunctionName=function.name, StatementId="api", Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com", SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{api.id}/{source}",
            )

        allow(echo, "*/*/pets/{id}")
        api.refused(500, "Internal Server Error", path="/pets/1", headers=word("open"))
        allow(function, f"authorizers/{authorizer}")
        assert eventually(lambda: api.ask(path="/pets/1", headers=word("open")).status == 200)
        api.refused(403, "Forbidden", path="/pets/1", headers=word("closed"))


# ---- IAM


def signed(api, path, *, key="test", secret="test", region="us-east-1", service="execute-api", body=b"", token=None):
    request = AWSRequest("POST", api.url + path, {}, body)
    SigV4Auth(Credentials(key, secret, token), service, region).add_auth(request)
    return api.ask("POST", path, body, dict(request.prepare().headers))


def test_signed_requests_are_let_in_and_told_of(serve_api, echo_function):
    api = serve_api()
    api.route("POST /pets/{id}", api.function(echo_function), AuthorizationType="AWS_IAM")
    response = signed(api, "/pets/1", body=b'{"a": 1}')
    assert response.status == 200, response.text
    event = json.loads(response.text)
    assert event["requestContext"]["authorizer"]["iam"] == {
        "accessKey": "test", "accountId": "000000000000", "callerId": "000000000000", "cognitoIdentity": None,
        "principalOrgId": None, "userArn": "arn:aws:iam::000000000000:root", "userId": "000000000000",
    }
    stranger = json.loads(signed(api, "/pets/1", key="123456789012").text)["requestContext"]
    assert stranger["authorizer"]["iam"]["userArn"] == "arn:aws:iam::123456789012:root"
    assert stranger["accountId"] == "000000000000", "the API's, not the caller's"
    api.refused(403, "Forbidden", "POST", "/pets/1")
    for wrong in ({"secret": "wrong"}, {"service": "lambda"}, {"region": "eu-west-1"}):
        response = signed(api, "/pets/1", **wrong)
        assert (response.status, response.text) == (403, '{"message":"Forbidden"}'), wrong


def test_strangers_may_not_where_policies_are_enforced(another_server):
    with another_server(arguments=["--iam", "enforce"]) as server:
        lambda_ = server.client("lambda")
        echo = Factory(lambda_, Runtimes.on_host(server.runtimes)).python(ECHO)
        api = Maker(server.client("apigatewayv2"))()
        lambda_.add_permission(
            FunctionName=echo.name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
        )
        api.route("POST /pets", api.function(echo), AuthorizationType="AWS_IAM")
        assert signed(api, "/pets").status == 200
        response = signed(api, "/pets", key="123456789012")
        assert (response.status, response.text) == (403, '{"message":"Forbidden"}')


# ---- the models of others


def test_events_parse_in_powertools(serve_api, echo_function, simple, issuer, powertools):
    api = serve_api()
    with_function(api, echo_function, simple, EnableSimpleResponses=True)
    event = api.event(path="/pets/7?q=1", headers=word("open"))
    asked = json.loads(event["requestContext"]["authorizer"]["lambda"]["event"])
    parsed = powertools("APIGatewayProxyEventV2Model", event)
    assert parsed["requestContext"]["authorizer"]["lambda"]["number"] == 1 and parsed["pathParameters"] == {"id": "7"}
    parsed = powertools("ApiGatewayAuthorizerRequestV2", asked)
    assert parsed["routeArn"] == asked["routeArn"] and parsed["identitySource"] == ["open"]
    authorizer = api.client.create_authorizer(
        ApiId=api.id, Name="tokens", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": issuer.url, "Audience": ["me"]},
    )["AuthorizerId"]
    api.route("POST /token", api.function(echo_function), AuthorizationType="JWT", AuthorizerId=authorizer)
    headers = bearer(issuer.token()) | {"content-type": "application/json", "cookie": "a=1"}
    parsed = powertools("APIGatewayProxyEventV2Model", api.event("POST", "/token", '{"a": 1}', headers))
    assert parsed["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] == "somebody" and parsed["cookies"] == ["a=1"]
