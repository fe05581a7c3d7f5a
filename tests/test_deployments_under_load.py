"""Deployments are atomic: whatever is deployed while requests come, each answer is wholly of one deployment, none is an error, and
none is older than what was deployed before it was asked for."""

import bisect
import http.client
import json
import threading
import time

import pytest

from support.rest import Api
from support.server import eventually

THREADS = 6
CHANGES = 12


class Load:
    """Asks again and again from several threads, each over one connection, and remembers what was said when."""

    def __init__(self, address, path, host=None, read=None):
        self.address, self.path, self.headers = address, path, {"Host": host} if host else {}
        self.read = read or (lambda answer, body: (answer.status, answer.headers["x-version"], body))
        self.heard, self.over = [], threading.Event()
        self.threads = [threading.Thread(target=self.ask) for _ in range(THREADS)]

    def ask(self):
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        while not self.over.is_set():
            asked_at = time.monotonic()
            try:
                connection.request("GET", self.path, headers=self.headers)
                answer = connection.getresponse()
                said = self.read(answer, answer.read().decode())
            except Exception as error:  # it is told where it is looked at, in the test's own thread
                said = repr(error)
                connection.close()
            self.heard.append((asked_at, time.monotonic(), said))

    def goes_on(self):
        """Waits until each thread has asked about twice more."""
        wanted = len(self.heard) + 2 * THREADS
        assert eventually(lambda: len(self.heard) >= wanted, 120)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.goes_on()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


class History:
    """What was to be heard from when on: each state is all answers that it may give."""

    def __init__(self, *first):
        self.states, self.begun, self.done = [set(first)], [0.0], [0.0]

    def change(self, load, act, *says):
        self.states.append(set(says))
        self.begun.append(time.monotonic())
        act()
        self.done.append(time.monotonic())
        load.goes_on()

    def check(self, load):
        seen = set()
        for asked_at, heard_at, said in load.heard:
            oldest = bisect.bisect_right(self.done, asked_at) - 1
            newest = bisect.bisect_right(self.begun, heard_at) - 1
            possible = range(oldest, newest + 1)
            assert any(said in self.states[at] for at in possible), (said, [self.states[at] for at in possible])
            seen.add(said)
        assert all(state & seen for state in self.states), "every state was heard"


# ---- REST APIs


def rest_document(version):
    """An API whose answer tells its version three times, and two stage variables."""
    status, body = 420 + version, f'["{version}","$stageVariables.a","$stageVariables.b"]'
    answer = {
        "statusCode": str(status), "responseTemplates": {"application/json": body},
        "responseParameters": {"method.response.header.X-Version": f"'{version}'"},
    }
    operation = {
        "responses": {str(status): {"description": "", "headers": {"X-Version": {"schema": {"type": "string"}}}}},
        "x-amazon-apigateway-integration": {
            "type": "mock", "requestTemplates": {"application/json": f'{{"statusCode": {status}}}'}, "responses": {"default": answer},
        },
    }
    return json.dumps({"openapi": "3.0.1", "info": {"title": "versions"}, "paths": {"/v": {"get": operation}}})


def rest_says(version, variable):
    return 420 + version, str(version), f'["{version}","{variable}","{variable}"]'


@pytest.fixture
def rest_versions(updraft):
    """A REST API of version 0, deployed to one stage; its client, its id, and what is to be asked."""
    client = updraft.client("apigateway")
    api = client.import_rest_api(body=rest_document(0))["id"]
    client.create_deployment(restApiId=api, stageName="prod", variables={"a": "0", "b": "0"})
    load = Load(("localhost", updraft.port), "/prod/v", f"{api}.execute-api.us-east-1.localhost:{updraft.port}")
    yield client, api, load
    client.delete_rest_api(restApiId=api)


def variables(value):
    return [{"op": "replace", "path": f"/variables/{name}", "value": str(value)} for name in "ab"]


def test_rest_deployments(rest_versions):
    client, api, load = rest_versions
    history = History(rest_says(0, 0))

    def deploy(version):
        # What is not deployed is not to be seen.
        client.put_rest_api(restApiId=api, mode="overwrite", body=rest_document(version))
        client.create_deployment(restApiId=api, stageName="prod")

    with load:
        for version in range(1, CHANGES):
            history.change(load, lambda version=version: deploy(version), rest_says(version, 0))
    history.check(load)


def test_rest_stages_that_change(rest_versions):
    """Variables, the deployment, and both in one patch: forth and back."""
    client, api, load = rest_versions
    first = client.get_stage(restApiId=api, stageName="prod")["deploymentId"]
    client.put_rest_api(restApiId=api, mode="overwrite", body=rest_document(1))
    ids = [first, client.create_deployment(restApiId=api)["id"]]
    history = History(rest_says(0, 0))

    def update(*patches):
        client.update_stage(restApiId=api, stageName="prod", patchOperations=list(patches))

    def deployment(version):
        return {"op": "replace", "path": "/deploymentId", "value": ids[version]}

    with load:
        for number in range(1, CHANGES, 3):
            history.change(load, lambda: update(*variables(number)), rest_says(0, number))
            history.change(load, lambda: update(deployment(1), *variables(number + 1)), rest_says(1, number + 1))
            history.change(load, lambda: update(deployment(0)), rest_says(0, number + 1))
    history.check(load)


def test_rest_canaries(rest_versions):
    """Each request is wholly the canary's or the stage's; a canary that is promoted is all there is."""
    client, api, load = rest_versions
    history = History(rest_says(0, 0))

    def canary(version):
        client.put_rest_api(restApiId=api, mode="overwrite", body=rest_document(version))
        overrides = {"a": f"c{version}", "b": f"c{version}"}
        settings = {"percentTraffic": 50.0, "stageVariableOverrides": overrides}
        client.create_deployment(restApiId=api, stageName="prod", canarySettings=settings)

    def promote():
        copied = [
            {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
            {"op": "copy", "from": "/canarySettings/stageVariableOverrides", "path": "/variables"},
            {"op": "remove", "path": "/canarySettings"},
        ]
        client.update_stage(restApiId=api, stageName="prod", patchOperations=copied)

    stands = rest_says(0, 0)
    with load:
        for version in range(1, CHANGES // 2):
            comes = rest_says(version, f"c{version}")
            history.change(load, lambda version=version: canary(version), stands, comes)
            history.change(load, promote, comes)
            stands = comes
    history.check(load)


def test_rest_functions_by_stage_variable(updraft, create, lambda_):
    """The function's version and the variable that names it belong together."""
    source = """
import json
def handler(event, context):
    said = [event["stageVariables"]["v"], context.function_version]
    return {"statusCode": 200, "headers": {"x-version": said[0]}, "body": json.dumps(said)}
"""
    function = create.python(source, Publish=True)
    lambda_.update_function_configuration(FunctionName=function.name, Description="another")
    function.wait()
    assert lambda_.publish_version(FunctionName=function.name)["Version"] == "2"
    api = Api(updraft, updraft.client("apigateway"))
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function.arn}:${{stageVariables.v}}/invocations"
    api.function("/v", function, "GET", uri=uri)
    for version in "12":
        lambda_.add_permission(
            FunctionName=function.name, Qualifier=version, StatementId="api", Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com", SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{api.id}/*",
        )
    stage = api.deploy(variables={"v": "1"})
    says = lambda version: (200, version, f'["{version}", "{version}"]')  # noqa: E731
    history = History(says("1"))
    with Load(("localhost", updraft.port), "/prod/v", stage.host) as load:
        for number in range(CHANGES):
            version = "21"[number % 2]
            history.change(load, lambda version=version: stage.update(("/variables/v", version)), says(version))
    history.check(load)
    api.client.delete_rest_api(restApiId=api.id)


# ---- HTTP APIs


def http_document(version, backend):
    """An API whose integration changes the request and the answer, each by its version."""
    answer = {"overwrite:statuscode": str(420 + version), "overwrite:header.x-version": str(version)}
    integration = {
        "type": "http_proxy", "httpMethod": "GET", "uri": backend, "payloadFormatVersion": "1.0",
        "requestParameters": {
            "overwrite:header.x-asked": f"{version}", "overwrite:header.x-a": "$stageVariables.a",
            "overwrite:header.x-b": "$stageVariables.b",
        },
        "responseParameters": {"200": answer},
    }
    operation = {"x-amazon-apigateway-integration": integration}
    return json.dumps({"openapi": "3.0.1", "info": {"title": "versions"}, "paths": {"/v": {"get": operation}}})


def http_says(version, variable):
    return 420 + version, str(version), (str(version), str(variable), str(variable))


def read_http(answer, body):
    asked = json.loads(body)["headers"]
    return answer.status, answer.headers["x-version"], tuple(asked[name] for name in ("x-asked", "x-a", "x-b"))


@pytest.fixture
def http_versions(v2, serve_api, echo_server):
    """An HTTP API of version 0 whose stage deploys by itself; what is to be asked."""
    api = serve_api(stage=None)
    v2.reimport_api(ApiId=api.id, Body=http_document(0, echo_server.url))
    api.stage("prod", StageVariables={"a": "0", "b": "0"})
    return api, Load(api.address, api.base + "/prod/v", read=read_http)


def test_http_apis_that_are_imported_again(v2, http_versions, echo_server):
    api, load = http_versions
    history = History(http_says(0, 0))
    with load:
        for version in range(1, CHANGES):
            body = http_document(version, echo_server.url)
            history.change(load, lambda body=body: v2.reimport_api(ApiId=api.id, Body=body), http_says(version, 0))
    history.check(load)


def test_http_integrations_that_change(v2, http_versions):
    """Each change of a part is a deployment of the whole."""
    api, load = http_versions
    history = History(http_says(0, 0))
    integration = v2.get_integrations(ApiId=api.id)["Items"][0]

    def change(version):
        asked = integration["RequestParameters"] | {"overwrite:header.x-asked": str(version)}
        answer = {"overwrite:statuscode": str(420 + version), "overwrite:header.x-version": str(version)}
        v2.update_integration(
            ApiId=api.id, IntegrationId=integration["IntegrationId"], RequestParameters=asked, ResponseParameters={"200": answer}
        )

    with load:
        for version in range(1, CHANGES):
            history.change(load, lambda version=version: change(version), http_says(version, 0))
    history.check(load)


def test_http_stages_that_change(v2, http_versions):
    api, load = http_versions
    history = History(http_says(0, 0))

    def change(number):
        v2.update_stage(ApiId=api.id, StageName="prod", StageVariables={"a": str(number), "b": str(number)})

    with load:
        for number in range(1, CHANGES):
            history.change(load, lambda number=number: change(number), http_says(0, number))
    history.check(load)


def test_http_deployments_by_hand(v2, serve_api, echo_server):
    """A stage that does not deploy by itself: its deployment and variables change in one."""
    api = serve_api(stage=None)
    ids = []
    for version in range(2):
        v2.reimport_api(ApiId=api.id, Body=http_document(version, echo_server.url))
        ids.append(v2.create_deployment(ApiId=api.id)["DeploymentId"])
    api.stage("prod", AutoDeploy=False, DeploymentId=ids[0], StageVariables={"a": "0", "b": "0"})
    history = History(http_says(0, 0))

    def change(number):
        settings = {"DeploymentId": ids[number % 2], "StageVariables": {"a": str(number), "b": str(number)}}
        v2.update_stage(ApiId=api.id, StageName="prod", **settings)

    with Load(api.address, api.base + "/prod/v", read=read_http) as load:
        for number in range(1, CHANGES):
            history.change(load, lambda number=number: change(number), http_says(number % 2, number))
    history.check(load)
