"""Clients made for REST APIs (GetSdk), run by Node.js against what they are made for."""

import io
import json
import re
import subprocess
import zipfile
from urllib.parse import unquote

import pytest

from support.cli import AWS
from support.refusals import refused
from support.rest import Api

ECHO = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"
FILES = {
    "apiGateway-js-sdk/" + name
    for name in ("README.md", "apigClient.js", *(
        f"lib/apiGatewayCore/{part}.js" for part in ("apiGatewayClient", "sigV4Client", "simpleHttpClient", "utils")
    ))
}


@pytest.fixture(scope="module")
def apigateway(updraft):
    return updraft.client("apigateway")


@pytest.fixture(scope="module")
def made(updraft, apigateway, shared):
    """An API with methods of all kinds, deployed, and the key to some."""
    one = Api(updraft, apigateway)
    echo = shared.python(ECHO)
    one.function("/", echo, "GET")
    one.function("/pets/{petId}", echo, "PUT", method_settings={
        "authorizationType": "AWS_IAM",
        "requestParameters": {"method.request.path.petId": True, "method.request.querystring.full": True, "method.request.header.x-own": False},
    })
    one.function("/keyed", echo, "POST", method_settings={"apiKeyRequired": True})
    one.function("/files/{proxy+}", echo, "GET", method_settings={"authorizationType": "AWS_IAM"})
    one.function("/any", echo, "ANY")
    one.mock("/fails", text="no", status=404)
    one.deploy("dev")
    plan = apigateway.create_usage_plan(name="p", apiStages=[{"apiId": one.id, "stage": "dev"}])
    key = apigateway.create_api_key(name="k", enabled=True)
    apigateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    yield one, key["value"]
    apigateway.delete_rest_api(restApiId=one.id)
    apigateway.delete_usage_plan(usagePlanId=plan["id"])
    apigateway.delete_api_key(apiKey=key["id"])


@pytest.fixture(scope="module")
def run(apigateway, made, tmp_path_factory):
    """Runs a program with the client at hand; gives what it returns."""
    place = tmp_path_factory.mktemp("sdk")
    sdk = apigateway.get_sdk(restApiId=made[0].id, stageName="dev", sdkType="javascript")
    zipfile.ZipFile(io.BytesIO(sdk["body"].read())).extractall(place)

    def run(program, **config):
        script = f"""
            const factory = require('./apiGateway-js-sdk/apigClient.js');
            const client = factory.newClient({json.dumps(config)});
            (async () => {{ {program} }})().then((said) => console.log(JSON.stringify(said)));
        """
        done = subprocess.run(["node", "-e", script], cwd=place, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


KEYS = {"accessKey": "test", "secretKey": "test"}


def test_the_archive(apigateway, made):
    sdk = apigateway.get_sdk(restApiId=made[0].id, stageName="dev", sdkType="javascript", parameters={"x": "y"})
    assert sdk["contentType"] == "application/octet-stream"
    named = r'attachment; filename="javascript_\d{4}-\d\d-\d\d_\d\d-\d\dZ\.zip"'
    assert re.fullmatch(named, sdk["contentDisposition"]), sdk["contentDisposition"]
    archive = zipfile.ZipFile(io.BytesIO(sdk["body"].read()))
    assert set(archive.namelist()) == FILES and archive.testzip() is None


def test_by_the_cli(updraft, made, tmp_path):
    file = tmp_path / "sdk.zip"
    AWS(updraft).run("apigateway", "get-sdk", "--rest-api-id", made[0].id, "--stage-name", "dev", "--sdk-type", "javascript", file)
    assert set(zipfile.ZipFile(file).namelist()) == FILES


def test_each_method_is_a_function(run):
    names = run("return Object.keys(client).sort()")
    assert names == ["failsGet", "filesProxyGet", "keyedPost", "petsPetIdPut", "rootGet"]


def test_a_plain_call(run):
    program = "const { status, data, headers } = await client.rootGet(); return { status, data, headers }"
    answer = run(program)
    assert (answer["status"], answer["data"]["path"], answer["data"]["httpMethod"]) == (200, "/", "GET")
    assert answer["headers"]["content-type"] == "application/json"
    assert answer["data"]["headers"]["Accept"] == "application/json"


def test_a_signed_call_with_parameters_everywhere(run):
    program = """
        const params = { petId: "a b/ü'*", full: ['2', '1'], 'x-own': 'own' };
        const more = { headers: { 'X-More': ' more  of it ' }, queryParams: { 'a-b': '(1)', a: '~' } };
        return (await client.petsPetIdPut(params, { name: 'é' }, more)).data;
    """
    event = run(program, **KEYS)
    assert unquote(event["pathParameters"]["petId"]) == "a b/ü'*" and json.loads(event["body"]) == {"name": "é"}
    assert event["multiValueQueryStringParameters"] == {"full": ["1", "2"], "a-b": ["(1)"], "a": ["~"]}
    assert event["headers"]["x-own"] == "own" and event["headers"]["Content-Type"] == "application/json"
    assert event["requestContext"]["identity"]["accessKey"] == "test"


def test_paths_of_many_parts_and_bodies_of_bytes(run):
    proxied = run("return (await client.filesProxyGet({ proxy: 'a/b c/d' })).data.pathParameters", **KEYS)
    assert proxied == {"proxy": "a/b%20c/d"}
    program = "return (await client.petsPetIdPut({ petId: 1, full: 1 }, new Uint8Array([104, 105]))).data.body"
    assert run(program, defaultContentType="text/plain", **KEYS) == "hi"


def test_temporary_credentials(run, shared):
    keys = {"accessKey": "AWS_ACCESS_KEY_ID", "secretKey": "AWS_SECRET_ACCESS_KEY", "sessionToken": "AWS_SESSION_TOKEN"}
    function = shared.python(f"import os\ndef handler(event, context):\n    return {{name: os.environ[key] for name, key in {keys}.items()}}\n")
    identity = run("return (await client.filesProxyGet({ proxy: 'x' })).data.requestContext.identity", **function.invoke().ok())
    assert identity["userArn"] == f"arn:aws:sts::000000000000:assumed-role/worker/{function.name}"


def test_an_api_key(run, made):
    program = "return (await client.keyedPost(undefined, 'text')).data"
    assert run(program, apiKey=made[1])["body"] == "text"
    refused = "try { await client.keyedPost() } catch (error) { return [error.message, error.response.status, error.response.data] }"
    assert run(refused) == ["Request failed with status code 403", 403, {"message": "Forbidden"}]


def test_what_is_refused(run):
    caught = "try { %s } catch (error) { return [error.message, error.response && error.response.status] }"
    assert run(caught % "await client.petsPetIdPut({ petId: 1 })", **KEYS) == ["full must be defined", None]
    assert run(caught % "await client.filesProxyGet({ proxy: 'x' })") == ["Request failed with status code 403", 403]
    wrong = KEYS | {"secretKey": "wrong"}
    assert run(caught % "await client.filesProxyGet({ proxy: 'x' })", **wrong)[1] == 403
    assert run(caught % "await client.failsGet()") == ["Request failed with status code 404", 404]


def test_another_address(run, made):
    one = made[0]
    url = f"{one.server.endpoint}/restapis/{one.id}/dev/_user_request_"
    event = run("return (await client.filesProxyGet({ proxy: 'x' })).data", invokeUrl=url, **KEYS)
    assert event["path"] == "/files/x"


def test_clients_that_are_not_made(apigateway, made):
    one = made[0]
    for language in ("java", "android", "objectivec", "swift", "ruby"):
        with refused(501, "NotImplemented", f"GetSdk for {language}"):
            apigateway.get_sdk(restApiId=one.id, stageName="dev", sdkType=language)
    with refused(400, "BadRequestException", "Invalid SDK type specified: cobol"):
        apigateway.get_sdk(restApiId=one.id, stageName="dev", sdkType="cobol")
    with refused(404, "NotFoundException", "Invalid stage identifier specified"):
        apigateway.get_sdk(restApiId=one.id, stageName="none", sdkType="javascript")
    with refused(404, "NotFoundException", "Invalid API identifier specified"):
        apigateway.get_sdk(restApiId="none", stageName="dev", sdkType="javascript")
