"""OpenAPI documents as REST APIs and back: import, export, documentation, model templates; by boto3 and the AWS CLI."""

import json
import pathlib

import pytest
from botocore.exceptions import ClientError

DOCUMENTS = pathlib.Path(__file__).parent / "data" / "openapi"
REAL = ["petstore-2.json", "petstore-3.yaml", "uspto.json", "readme.json"]
MOCK = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": '{"id": "$input.params(\'id\')"}'}}},
}
DOCUMENT = {
    "openapi": "3.0.1",
    "info": {"title": "pets", "version": "1.0", "description": "All pets."},
    "paths": {
        "/pets/{id}": {
            "get": {
                "operationId": "getPet",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "a pet", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}},
                "x-amazon-apigateway-integration": MOCK,
            }
        }
    },
    "components": {"schemas": {"Pet": {"type": "object", "properties": {"owner": {"$ref": "#/components/schemas/Owner"}}}, "Owner": {"type": "object"}}},
}


@pytest.fixture(scope="module")
def gateway(updraft):
    return updraft.client("apigateway")


def imported(gateway, document=DOCUMENT, **arguments):
    body = document if isinstance(document, (str, bytes)) else json.dumps(document)
    return gateway.import_rest_api(body=body, **arguments)


def paths(gateway, api_id):
    items = gateway.get_resources(restApiId=api_id, embed=["methods"], limit=500)["items"]
    return {item["path"]: sorted(item.get("resourceMethods", {})) for item in items}


def exported(gateway, api_id, stage="prod", kind="oas30", accepts="application/json", extensions="apigateway"):
    parameters = {"extensions": extensions} if extensions else {}
    answer = gateway.get_export(restApiId=api_id, stageName=stage, exportType=kind, accepts=accepts, parameters=parameters)
    return answer, answer["body"].read().decode()


def settings(gateway, api_id):
    """All that an API is, without what is drawn by chance."""
    names = {}
    for kind in ("authorizers", "request_validators"):
        for item in getattr(gateway, f"get_{kind}")(restApiId=api_id)["items"]:
            names[item["id"]] = item["name"]
    methods = {}
    for item in gateway.get_resources(restApiId=api_id, embed=["methods"], limit=500)["items"]:
        for name, method in item.get("resourceMethods", {}).items():
            text = json.dumps(method, sort_keys=True)
            for chance, known in [*names.items(), (item["id"], "itself")]:
                text = text.replace(chance, known)
            methods[item["path"], name] = json.loads(text)
    models = {}
    for model in gateway.get_models(restApiId=api_id, limit=500)["items"]:
        models[model["name"]] = model["schema"].replace(api_id, "API")
    return methods, models


@pytest.mark.parametrize("name", REAL)
def test_documents_of_real_services_round_trip(gateway, name):
    api = imported(gateway, (DOCUMENTS / name).read_bytes())
    before = settings(gateway, api["id"])
    assert len(before[0]) >= 3
    put_integrations(gateway, api["id"])
    before = settings(gateway, api["id"])
    gateway.create_deployment(restApiId=api["id"], stageName="prod")
    kind = "swagger" if name == "petstore-2.json" else "oas30"
    for accepts in ("application/json", "application/yaml"):
        answer, document = exported(gateway, api["id"], kind=kind, accepts=accepts)
        assert answer["contentType"] == accepts
        again = imported(gateway, document, failOnWarnings=True)
        assert again["name"] == api["name"] and again.get("version") == api.get("version")
        assert settings(gateway, again["id"]) == before


def put_integrations(gateway, api_id):
    for item in gateway.get_resources(restApiId=api_id, limit=500)["items"]:
        for method in item.get("resourceMethods", {}):
            gateway.put_integration(restApiId=api_id, resourceId=item["id"], httpMethod=method, type="MOCK")


def test_an_import_is_an_api(gateway):
    api = imported(gateway)
    assert (api["name"], api["version"], api["description"]) == ("pets", "1.0", "All pets.")
    assert api["ResponseMetadata"]["HTTPStatusCode"] == 201 and "warnings" not in api
    assert paths(gateway, api["id"]) == {"/": [], "/pets": [], "/pets/{id}": ["GET"]}
    method = settings(gateway, api["id"])[0]["/pets/{id}", "GET"]
    assert method["operationName"] == "getPet"
    assert method["requestParameters"] == {"method.request.path.id": True}
    assert method["methodResponses"]["200"]["responseModels"] == {"application/json": "Pet"}
    assert method["methodIntegration"]["type"] == "MOCK"
    assert method["methodIntegration"]["cacheNamespace"] == "itself"
    model = gateway.get_model(restApiId=api["id"], modelName="Pet")
    reference = f"https://apigateway.amazonaws.com/restapis/{api['id']}/models/Owner"
    assert json.loads(model["schema"])["properties"]["owner"] == {"$ref": reference}


def test_regional_and_base_path(gateway):
    document = DOCUMENT | {"servers": [{"url": "https://x/v1/{basePath}", "variables": {"basePath": {"default": "a/b"}}}]}
    api = imported(gateway, document, parameters={"endpointConfigurationTypes": "REGIONAL", "basepath": "split"})
    assert api["endpointConfiguration"]["types"] == ["REGIONAL"]
    assert "/b/pets/{id}" in paths(gateway, api["id"])


def test_merge_and_overwrite(gateway):
    api = imported(gateway)
    ids = {item["path"]: item["id"] for item in gateway.get_resources(restApiId=api["id"])["items"]}
    more = DOCUMENT | {"info": {"title": "more"}, "paths": {"/pets/{id}": {"delete": {"x-amazon-apigateway-integration": MOCK}}, "/x": {"get": {}}}}
    merged = gateway.put_rest_api(restApiId=api["id"], body=json.dumps(more))
    assert (merged["name"], merged["description"], merged["id"]) == ("more", "All pets.", api["id"])
    assert paths(gateway, api["id"]) == {"/": [], "/pets": [], "/pets/{id}": ["DELETE", "GET"], "/x": ["GET"]}
    over = gateway.put_rest_api(restApiId=api["id"], mode="overwrite", body=json.dumps(more))
    assert "description" not in over
    assert paths(gateway, api["id"]) == {"/": [], "/pets": [], "/pets/{id}": ["DELETE"], "/x": ["GET"]}
    after = {item["path"]: item["id"] for item in gateway.get_resources(restApiId=api["id"])["items"]}
    assert {path: after[path] for path in ids} == ids


@pytest.mark.parametrize(
    "document, words",
    [
        ("", "Invalid OpenAPI input."),
        ("{", "Invalid OpenAPI input."),
        ({"openapi": "3.1.0", "info": {"title": "x"}}, "unsupported definition version"),
        (DOCUMENT | {"paths": {"/a b": {"get": {}}}}, "Unable to create resource at path '/a b': Resource's path part only allow"),
        (DOCUMENT | {"paths": {"/{a}": {"get": {}}, "/{b}": {"get": {}}}}, "A sibling ({a}) of this resource already has a variable path part"),
        (DOCUMENT | {"paths": {"/": {"get": {"x-amazon-apigateway-integration": {"type": "aws", "httpMethod": "GET", "uri": "no"}}}}}, "Unable to put method 'GET' on resource at path '/': Invalid ARN"),
        (DOCUMENT | {"paths": {"/": {"get": {"x-amazon-apigateway-integration": {"type": "moon"}}}}}, "malformed integration at path /."),
        (DOCUMENT | {"x-amazon-apigateway-minimum-compression-size": 10485761}, "Invalid minimum compression size, must be between 0 and 10485760"),
        (DOCUMENT | {"x-amazon-apigateway-api-key-source": "MOON"}, "Invalid API key source specified: MOON"),
        (DOCUMENT | {"x-amazon-apigateway-security-policy": "TLS_9"}, "Invalid security policy specified: TLS_9"),
        (DOCUMENT | {"x-amazon-apigateway-endpoint-access-mode": "LAX"}, "Invalid endpoint access mode specified: LAX"),
    ],
)
def test_what_cannot_be_imported_changes_nothing(gateway, document, words):
    api = imported(gateway)
    before = settings(gateway, api["id"])
    count = len(gateway.get_rest_apis(limit=500)["items"])
    body = document if isinstance(document, str) else json.dumps(document)
    for act in (
        lambda: gateway.import_rest_api(body=body or " "),
        lambda: gateway.put_rest_api(restApiId=api["id"], body=body or " "),
        lambda: gateway.put_rest_api(restApiId=api["id"], mode="overwrite", body=body or " "),
    ):
        with pytest.raises(ClientError) as refusal:
            act()
        assert refusal.value.response["Error"]["Code"] == "BadRequestException"
        assert words in refusal.value.response["Error"]["Message"]
    assert settings(gateway, api["id"]) == before
    assert len(gateway.get_rest_apis(limit=500)["items"]) == count
    with pytest.raises(ClientError) as refusal:
        gateway.put_rest_api(restApiId="nosuchapi", body=json.dumps(DOCUMENT))
    assert refusal.value.response["Error"]["Code"] == "NotFoundException"


def test_warnings(gateway):
    document = json.loads(json.dumps(DOCUMENT))
    document["components"]["schemas"]["not_a_name"] = {"type": "object"}
    api = imported(gateway, document)
    assert api["warnings"] == ["Model name must be alphanumeric: not_a_name"]
    with pytest.raises(ClientError) as refusal:
        imported(gateway, document, failOnWarnings=True)
    assert "Warnings found during import:\n\tModel name must be alphanumeric" in refusal.value.response["Error"]["Message"]


def test_exports(gateway):
    api = imported(gateway)
    gateway.create_deployment(restApiId=api["id"], stageName="prod")
    answer, text = exported(gateway, api["id"], extensions=None)
    document = json.loads(text)
    assert answer["contentDisposition"].startswith('attachment; filename="oas30_')
    assert document["openapi"] == "3.0.1" and document["info"] == {"title": "pets", "version": "1.0", "description": "All pets."}
    assert document["servers"][0]["variables"] == {"basePath": {"default": "prod"}}
    operation = document["paths"]["/pets/{id}"]["get"]
    assert "x-amazon-apigateway-integration" not in operation
    assert operation["responses"]["200"]["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
    assert document["components"]["schemas"]["Pet"]["properties"]["owner"] == {"$ref": "#/components/schemas/Owner"}
    _, text = exported(gateway, api["id"], kind="swagger", extensions="integrations")
    document = json.loads(text)
    assert (document["swagger"], document["basePath"], document["schemes"]) == ("2.0", "/prod", ["https"])
    assert document["paths"]["/pets/{id}"]["get"]["x-amazon-apigateway-integration"]["type"] == "mock"
    # What a stage serves is what was deployed.
    gateway.put_rest_api(restApiId=api["id"], mode="overwrite", body=json.dumps(DOCUMENT | {"paths": {"/y": {"get": {}}}}))
    assert list(json.loads(exported(gateway, api["id"])[1])["paths"]) == ["/pets/{id}"]
    for wrong in ({"exportType": "raml"}, {"stageName": "none"}, {"accepts": "text/html"}, {"parameters": {"extensions": "moon"}}):
        arguments = {"restApiId": api["id"], "stageName": "prod", "exportType": "oas30"} | wrong
        with pytest.raises(ClientError):
            gateway.get_export(**arguments)


def test_documentation(gateway):
    part = {"location": {"type": "METHOD", "path": "/pets/{id}", "method": "GET"}, "properties": {"summary": "one pet"}}
    documentation = {"version": "v1", "documentationParts": [part]}
    api = imported(gateway, DOCUMENT | {"x-amazon-apigateway-documentation": documentation})
    gateway.create_deployment(restApiId=api["id"], stageName="prod")
    without = imported(gateway, DOCUMENT | {"x-amazon-apigateway-documentation": documentation}, parameters={"ignore": "documentation"})
    body = json.dumps({"x-amazon-apigateway-documentation": documentation})
    ids = gateway.import_documentation_parts(restApiId=without["id"], mode="merge", body=body)["ids"]
    assert len(ids) == 1
    # The same place keeps its id.
    assert gateway.import_documentation_parts(restApiId=without["id"], mode="merge", body=body)["ids"] == ids
    with pytest.raises(ClientError):
        gateway.import_documentation_parts(restApiId=without["id"], body="{}")
    with pytest.raises(ClientError):
        gateway.import_documentation_parts(restApiId="nosuchapi", body=body)


def test_model_templates(gateway):
    api = imported(gateway)
    template = gateway.get_model_template(restApiId=api["id"], modelName="Pet")["value"]
    assert template.startswith("#set($inputRoot = $input.path('$'))\n{")
    with pytest.raises(ClientError) as refusal:
        gateway.get_model_template(restApiId=api["id"], modelName="None")
    assert refusal.value.response["Error"]["Code"] == "NotFoundException"
