"""AWS's Chalice, unchanged: it deploys functions and an API with an authorizer, changes them, and takes them away again."""

import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

from support.functions import ROLE
from support.rest import Stage

CHALICE = Path(sys.executable).parent / "chalice"

APP = """
from chalice import AuthResponse, BadRequestError, Chalice, Response

app = Chalice(app_name="shop")

@app.route("/")
def index():
    return {"says": "SAID"}

@app.route("/goods/{name}", methods=["GET", "POST"], cors=True)
def goods(name):
    if name == "bad":
        raise BadRequestError("no such thing")
    request = app.current_request
    return {"name": name, "query": dict(request.query_params or {}), "body": request.json_body if request.raw_body else None}

@app.authorizer(ttl_seconds=0)
def keeper(request):
    routes = {"all": ["*"], "goods": ["/goods/*"]}.get(request.token, [])
    return AuthResponse(routes=routes, principal_id="me", context={"token": request.token})

@app.route("/secret", authorizer=keeper)
def secret():
    return app.current_request.context["authorizer"]["token"]

@app.route("/keyed", api_key_required=True)
def keyed():
    return {}

@app.route("/reversed", methods=["POST"], content_types=["application/octet-stream"])
def backwards():
    return Response(app.current_request.raw_body[::-1], headers={"Content-Type": "application/octet-stream"})

@app.lambda_function()
def alone(event, context):
    return {"heard": event}
"""

CONFIG = {
    "version": "2.0", "app_name": "shop", "manage_iam_role": False, "iam_role_arn": ROLE,
    "stages": {"dev": {"api_gateway_stage": "api"}},
}


@pytest.fixture
def project(updraft, tmp_path):
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice/config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "requirements.txt").touch()

    class Project:
        def write(self, says):
            (tmp_path / "app.py").write_text(APP.replace("SAID", says))

        def run(self, *arguments, **more):
            done = subprocess.run(
                [CHALICE, *arguments], cwd=tmp_path, env=updraft.client_environment(), capture_output=True, text=True, **more
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        def stage(self):
            resources = json.loads((tmp_path / ".chalice/deployed/dev.json").read_text())["resources"]
            (api,) = (one["rest_api_id"] for one in resources if one["resource_type"] == "rest_api")
            return Stage(types.SimpleNamespace(server=updraft, id=api), "api")

    return Project()


def test_chalice(updraft, project):
    project.write("hello")
    project.run("deploy", "--no-autogen-policy")
    api = project.stage()
    assert api.event("GET", "/") == {"says": "hello"}
    assert api.event("GET", "/goods/tea?x=1") == {"name": "tea", "query": {"x": "1"}, "body": None}
    json_type = {"Content-Type": "application/json"}
    assert api.event("POST", "/goods/tea", b'{"a": 1}', json_type) == {"name": "tea", "query": {}, "body": {"a": 1}}
    assert api.ask("GET", "/goods/bad").status == 400
    preflight = api.ask("OPTIONS", "/goods/tea")
    assert (preflight.status, preflight.content) == (200, b"")
    assert preflight.headers["access-control-allow-methods"] == "GET,POST,OPTIONS"
    for token, status in ((None, 401), ("all", 200), ("goods", 403), ("none", 403)):
        answer = api.ask("GET", "/secret", headers={"Authorization": token} if token else {})
        assert answer.status == status, (token, answer.text)
    assert (api.ask("GET", "/keyed").status, api.ask("GET", "/nothing").json) == (403, {"message": "Missing Authentication Token"})
    octets = {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"}
    assert api.ask("POST", "/reversed", b"\x00\xff", octets).content == b"\xff\x00"
    assert json.loads(project.run("invoke", "-n", "alone", input='{"x": 1}')) == {"heard": {"x": 1}}

    project.write("good bye")
    project.run("deploy", "--no-autogen-policy")
    assert api.event("GET", "/") == {"says": "good bye"}
    assert project.stage().host == api.host

    project.run("delete")
    assert api.ask("GET", "/").status == 403
    pages = updraft.client("lambda").get_paginator("list_functions").paginate()
    assert not [one for page in pages for one in page["Functions"] if one["FunctionName"].startswith("shop-")]
