"""OpenAPI definitions of HTTP APIs: ImportApi, ReimportApi, ExportApi, with what SAM, CDK and Terraform write into them."""

import json
import subprocess

import pytest
from support.apis import FUNCTION, INVOKE
from support.refusals import refused

PROXY = {"type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0", "uri": INVOKE}
DEFINITION = {
    "openapi": "3.0.1",
    "info": {"title": "orders", "version": "7", "description": "all orders"},
    "servers": [{"url": "https://example.com/{basePath}", "variables": {"basePath": {"default": "shop/v1"}}}],
    "tags": [{"name": "httpapi:createdBy", "x-amazon-apigateway-tag-value": "SAM"}, {"name": "orders"}],
    "security": [{"users": ["read"]}],
    "paths": {
        "/orders": {
            "get": {"operationId": "listOrders", "responses": {}, "x-amazon-apigateway-integration": PROXY},
            "post": {
                "security": [{"users": ["write"]}],
                "x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/shared"},
            },
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path"}],
            "x-amazon-apigateway-any-method": {
                "security": [{"function": []}],
                "x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/shared"},
            },
        },
        "/signed": {"get": {"security": [{"sigv4": []}], "x-amazon-apigateway-integration": PROXY}},
        "$default": {"x-amazon-apigateway-any-method": {"security": [], "isDefaultRoute": True, "x-amazon-apigateway-integration": PROXY}},
    },
    "components": {
        "securitySchemes": {
            "users": {
                "type": "oauth2",
                "x-amazon-apigateway-authorizer": {
                    "type": "jwt", "identitySource": "$request.header.Authorization",
                    "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["shop"]},
                },
            },
            "function": {
                "type": "apiKey", "name": "Unused", "in": "header",
                "x-amazon-apigateway-authorizer": {
                    "type": "request", "identitySource": "$request.header.a, $request.querystring.b", "authorizerUri": INVOKE,
                    "authorizerPayloadFormatVersion": "2.0", "authorizerResultTtlInSeconds": 60, "enableSimpleResponses": True,
                },
            },
            "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"},
        },
        "x-amazon-apigateway-integrations": {
            "shared": {
                "type": "http_proxy", "httpMethod": "ANY", "uri": "https://backend.example/{proxy}", "timeoutInMillis": 5000,
                "requestParameters": {"append:header.x": "$context.requestId"},
                "responseParameters": {"200": {"overwrite:statuscode": "201"}},
            }
        },
    },
    "x-amazon-apigateway-cors": {"allowOrigins": ["https://a.example"], "allowMethods": ["*"], "maxAge": 5},
    "x-amazon-apigateway-importexport-version": "1.0",
}


@pytest.fixture
def imported(v2):
    made = []

    def make(definition, **settings):
        body = definition if isinstance(definition, str) else json.dumps(definition)
        api = v2.import_api(Body=body, **settings)
        made.append(api["ApiId"])
        return api

    yield make
    for api_id in made:
        v2.delete_api(ApiId=api_id)


def routes(v2, api_id):
    return {one["RouteKey"]: one for one in v2.get_routes(ApiId=api_id)["Items"]}


def check_orders(v2, api_id, prefix=""):
    """What DEFINITION describes stands."""
    made = routes(v2, api_id)
    assert set(made) == {"$default", f"ANY {prefix}/orders/{{id}}", f"GET {prefix}/orders", f"POST {prefix}/orders", f"GET {prefix}/signed"}
    integrations = {f"integrations/{one['IntegrationId']}": one for one in v2.get_integrations(ApiId=api_id)["Items"]}
    assert len(integrations) == 4, "what is shared is one"
    listed, posted, one = made[f"GET {prefix}/orders"], made[f"POST {prefix}/orders"], made[f"ANY {prefix}/orders/{{id}}"]
    assert integrations[listed["Target"]]["IntegrationUri"] == INVOKE
    assert integrations[listed["Target"]]["PayloadFormatVersion"] == "2.0"
    assert posted["Target"] == one["Target"]
    shared = integrations[one["Target"]]
    assert (shared["IntegrationType"], shared["IntegrationMethod"], shared["TimeoutInMillis"]) == ("HTTP_PROXY", "ANY", 5000)
    assert shared["RequestParameters"] == {"append:header.x": "$context.requestId"}
    assert shared["ResponseParameters"] == {"200": {"overwrite:statuscode": "201"}}
    authorizers = {one["Name"]: one for one in v2.get_authorizers(ApiId=api_id)["Items"]}
    assert set(authorizers) == {"users", "function"}
    assert authorizers["users"]["JwtConfiguration"] == {"Issuer": "https://issuer.example", "Audience": ["shop"]}
    assert authorizers["function"]["IdentitySource"] == ["$request.header.a", "$request.querystring.b"]
    assert (authorizers["function"]["AuthorizerResultTtlInSeconds"], authorizers["function"]["EnableSimpleResponses"]) == (60, True)
    assert (listed["AuthorizationType"], listed["AuthorizationScopes"]) == ("JWT", ["read"])
    assert (posted["AuthorizerId"], posted["AuthorizationScopes"]) == (authorizers["users"]["AuthorizerId"], ["write"])
    assert (one["AuthorizationType"], one["AuthorizerId"]) == ("CUSTOM", authorizers["function"]["AuthorizerId"])
    assert made[f"GET {prefix}/signed"]["AuthorizationType"] == "AWS_IAM"
    assert made["$default"]["AuthorizationType"] == "NONE", "an empty list asks nothing"
    assert listed["OperationName"] == "listOrders"


def test_a_definition_becomes_an_api(v2, imported):
    api = imported(DEFINITION)
    assert api["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (api["Name"], api["Version"], api["Description"], api["ProtocolType"]) == ("orders", "7", "all orders", "HTTP")
    assert api["CorsConfiguration"] == {"AllowOrigins": ["https://a.example"], "AllowMethods": ["*"], "MaxAge": 5}
    assert api["Tags"] == {"httpapi:createdBy": "SAM"} and "Warnings" not in api
    assert v2.get_stages(ApiId=api["ApiId"])["Items"] == []
    check_orders(v2, api["ApiId"])


def test_base_paths(v2, imported):
    for base_path, prefix in {"ignore": "", "prepend": "/shop/v1", "split": "/v1"}.items():
        check_orders(v2, imported(DEFINITION, Basepath=base_path)["ApiId"], prefix)
    with refused(400, "BadRequestException", "Invalid basepath"):
        imported(DEFINITION, Basepath="other")


def test_definitions_may_be_yaml(v2, imported):
    api = imported(f"""
openapi: "3.0.1"
info:
  title: yaml
  version: 2024-01-01
paths:
  /pets/{{id}}:
    get:
      x-amazon-apigateway-integration: &function
        type: AWS_PROXY
        httpMethod: POST
        payloadFormatVersion: "2.0"
        uri: {INVOKE}
    delete:
      x-amazon-apigateway-integration: *function
""")
    assert set(routes(v2, api["ApiId"])) == {"GET /pets/{id}", "DELETE /pets/{id}"}
    assert api["Version"] == "2024-01-01"


def test_warnings_are_told_and_can_refuse(v2, imported):
    odd = {
        "openapi": "3.0.1", "info": {"title": "odd"}, "x-amazon-apigateway-policy": {},
        "paths": {"/a": {"get": {}}, "/b": {"get": {"security": [{"nobody": []}], "x-amazon-apigateway-integration": PROXY}}},
    }
    with refused(400, "BadRequestException", "Warnings found during import"):
        imported(odd, FailOnWarnings=True)
    warnings = imported(odd)["Warnings"]
    assert [words for words in ("GET /a", "nobody", "x-amazon-apigateway-policy") if not any(words in one for one in warnings)] == []


def test_refused_definitions(imported):
    small = {"openapi": "3.0.1", "info": {"title": "x"}, "paths": {}}
    with_integration = lambda **one: small | {"paths": {"/": {"get": {"x-amazon-apigateway-integration": PROXY | one}}}}
    for words, definition in {
        "Invalid OpenAPI input.": "not: [a: definition",
        "Only OpenAPI 3.0 is supported": {"swagger": "2.0", "info": {"title": "x"}, "paths": {}},
        "OpenAPI version 3.1.0 is not supported": small | {"openapi": "3.1.0"},
        "missing field `title`": small | {"info": {}},
        "Integration type \"mock\" is not supported": with_integration(type="mock"),
        "Unable to resolve the reference #/x": with_integration(**{"$ref": "#/x"}),
        "Invalid integration URI": with_integration(uri="http://x"),
        "The provided route key is not formatted properly": small | {"paths": {"/{a+}/b": {"get": {}}}},
        "invalid type": with_integration(timeoutInMillis={"a": 1}),
        "Invalid format for origin": small | {"x-amazon-apigateway-cors": {"allowOrigins": ["x"]}},
    }.items():
        with refused(400, "BadRequestException", words):
            imported(definition)
    many = {f"/{n}": {"get": {}} for n in range(301)}
    with refused(429, "TooManyRequestsException", "Maximum number of Routes"):
        imported(small | {"paths": many})
    assert len(imported(small | {"paths": dict(list(many.items())[:300])})["Warnings"]) == 300
    deep = "[" * 100_000
    with refused(400, "BadRequestException", "Invalid OpenAPI input."):
        imported(deep)
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
    with refused(400, "BadRequestException", "Invalid OpenAPI input."):
        imported(bomb)


def test_importing_again_replaces_everything_at_once(v2, make_api):
    api = make_api(Target=FUNCTION, Tags={"kept": "yes"})["ApiId"]
    before = routes(v2, api)["$default"]["RouteId"]
    served = v2.get_stage(ApiId=api, StageName="$default")["DeploymentId"]
    again = v2.reimport_api(ApiId=api, Body=json.dumps({key: value for key, value in DEFINITION.items() if key != "tags"}))
    assert again["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (again["ApiId"], again["Name"], again["Tags"]) == (api, "orders", {"kept": "yes"})
    check_orders(v2, api)
    assert routes(v2, api)["$default"]["RouteId"] == before
    assert len(v2.get_deployments(ApiId=api)["Items"]) == 2, "one change, one deployment"
    assert v2.get_stage(ApiId=api, StageName="$default")["DeploymentId"] != served
    broken = DEFINITION | {"paths": DEFINITION["paths"] | {"/z": {"get": {"x-amazon-apigateway-integration": PROXY | {"uri": "x"}}}}}
    with refused(400, "BadRequestException", "Invalid integration URI"):
        v2.reimport_api(ApiId=api, Body=json.dumps(broken))
    check_orders(v2, api)
    with refused(404, "NotFoundException", "Invalid API identifier specified 000000000000:nothing"):
        v2.reimport_api(ApiId="nothing", Body=json.dumps(DEFINITION))


def test_what_is_exported_can_be_imported(v2, imported):
    api = imported(DEFINITION)["ApiId"]
    export = lambda **settings: v2.export_api(**({"ApiId": api, "Specification": "OAS30", "OutputType": "JSON"} | settings))["body"].read()
    definition = json.loads(export())
    assert definition["openapi"] == "3.0.1"
    assert definition["info"] == {"title": "orders", "version": "7", "description": "all orders"}
    assert definition["x-amazon-apigateway-importexport-version"] == "1.0"
    one = definition["paths"]["/orders/{id}"]["x-amazon-apigateway-any-method"]
    assert one["parameters"] == [{
        "name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Generated path parameter for id",
    }]
    assert one["responses"] == {"default": {"description": "Default response for ANY /orders/{id}"}}
    assert definition["paths"]["/$default"]["x-amazon-apigateway-any-method"]["isDefaultRoute"] is True
    assert definition["x-amazon-apigateway-cors"]["allowOrigins"] == ["https://a.example"]
    # What was shared by two operations is now two integrations: exports share nothing, as AWS's do not.
    for text in (json.dumps(definition), export(OutputType="YAML").decode()):
        again = imported(text)
        assert again["Name"] == "orders" and set(routes(v2, again["ApiId"])) == set(routes(v2, api))
        authorization = lambda all: {key: (one["AuthorizationType"], one.get("AuthorizationScopes")) for key, one in all.items()}
        assert authorization(routes(v2, again["ApiId"])) == authorization(routes(v2, api))
    plain = export(IncludeExtensions=False).decode()
    assert [one for one in ("integration", "authorizer", "authtype", "cors") if f"x-amazon-apigateway-{one}" in plain] == []
    v2.create_stage(ApiId=api, StageName="prod", DeploymentId=v2.create_deployment(ApiId=api)["DeploymentId"])
    v2.delete_route(ApiId=api, RouteId=routes(v2, api)["$default"]["RouteId"])
    assert "/$default" not in json.loads(export())["paths"]
    served = json.loads(export(StageName="prod"))
    assert "/$default" in served["paths"] and served["servers"][0]["variables"]["basePath"]["default"] == "prod"
    for words, settings in {
        "Invalid specification": {"Specification": "OAS20"}, "Invalid output type": {"OutputType": "XML"},
        "Invalid export version": {"ExportVersion": "2.0"},
    }.items():
        with refused(400, "BadRequestException", words):
            export(**settings)
    with refused(404, "NotFoundException", "Invalid Stage identifier specified nothing"):
        export(StageName="nothing")


def test_the_aws_cli_imports_and_exports(v2, updraft, tmp_path, imported):
    source, target = tmp_path / "in.json", tmp_path / "out.yaml"
    source.write_text(json.dumps(DEFINITION))
    aws = lambda *words: subprocess.run(
        ["aws", "apigatewayv2", *words], env=updraft.client_environment(), capture_output=True, text=True, check=True, timeout=120
    ).stdout
    api = json.loads(aws("import-api", "--body", f"file://{source}"))["ApiId"]
    check_orders(v2, api)
    aws("export-api", "--api-id", api, "--specification", "OAS30", "--output-type", "YAML", str(target))
    assert set(routes(v2, imported(target.read_text())["ApiId"])) == set(routes(v2, api))
    keys = json.loads(aws("get-routes", "--api-id", api, "--query", "Items[].RouteKey"))
    assert "GET /orders" in keys
    aws("tag-resource", "--resource-arn", f"arn:aws:apigateway:us-east-1::/apis/{api}", "--tags", "a=b")
    aws("delete-api", "--api-id", api)
