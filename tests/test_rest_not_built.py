"""What AWS's REST APIs have and nobody here acts on: refused whichever way it comes, so that nothing is quietly ignored."""

import json

import pytest

from support.refusals import refused, refuses
from support.rest_control import FUNCTION, ROLE, api, mock, op, rest, shown  # noqa: F401  (fixtures)

STREAMING = FUNCTION.replace("/invocations", "/response-streaming-invocations")
INTEGRATIONS = [
    ("AWS with a function that streams", {"type": "AWS", "uri": STREAMING}),
    (
        "integration target",
        {"type": "HTTP_PROXY", "uri": "http://example.com/", "connectionType": "VPC_LINK", "connectionId": "link",
         "integrationTarget": "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/a/b/c"},
    ),
    (
        "as the API's caller",
        {"type": "AWS", "uri": "arn:aws:apigateway:us-east-1:sqs:path/1/q", "credentials": "arn:aws:iam::*:user/*"},
    ),
    (
        "Firehose",
        {"type": "AWS_PROXY", "uri": "arn:aws:apigateway:us-east-1:firehose:action/PutRecord", "credentials": ROLE},
    ),
]


def document(methods=None, **more):
    return json.dumps({"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {"/": methods or {}}} | more)


def refuse_imports(rest, api_id, words, body):  # noqa: F811
    """Neither a new API nor one that is there gets any of it."""
    before = shown(rest.get_resources(restApiId=api_id, embed=["methods"]))
    with refused(501, "NotImplemented", words):
        rest.import_rest_api(body=body)
    for mode in ("merge", "overwrite"):
        with refused(501, "NotImplemented", words):
            rest.put_rest_api(restApiId=api_id, mode=mode, body=body)
    assert shown(rest.get_resources(restApiId=api_id, embed=["methods"])) == before


@pytest.mark.parametrize("words, settings", INTEGRATIONS)
def test_integrations(rest, api, words, settings):  # noqa: F811
    place = mock(rest, *api)
    before = shown(rest.get_integration(**place))
    with refused(501, "NotImplemented", words):
        rest.put_integration(**place, integrationHttpMethod="POST", **settings)
    described = settings | {"httpMethod": "POST", "type": settings["type"].lower()}
    refuse_imports(rest, api[0], words, document({"get": {"x-amazon-apigateway-integration": described}}))
    changes = [op("replace", "/httpMethod", "POST"), *(op("replace", f"/{name}", value) for name, value in settings.items())]
    with refused(501, "NotImplemented", words):
        rest.update_integration(**place, patchOperations=changes)
    assert shown(rest.get_integration(**place)) == before


def test_buffered_answers_are_built(rest, api):  # noqa: F811
    place = mock(rest, *api)
    made = rest.put_integration(
        **place, type="HTTP_PROXY", integrationHttpMethod="GET", uri="http://example.com/", responseTransferMode="BUFFERED"
    )
    assert made["responseTransferMode"] == "BUFFERED"


def test_authorizers_by_token_of_any_issuer(rest, api):  # noqa: F811
    with refused(501, "NotImplemented", "JWT authorizers"):
        rest.create_authorizer(restApiId=api[0], name="a", type="JWT")
    made = rest.create_authorizer(
        restApiId=api[0], name="a", type="TOKEN", authorizerUri=FUNCTION, identitySource="method.request.header.A"
    )
    with refused(501, "NotImplemented", "JWT authorizers"):
        rest.update_authorizer(restApiId=api[0], authorizerId=made["id"], patchOperations=[op("replace", "/type", "JWT")])
    assert rest.get_authorizer(restApiId=api[0], authorizerId=made["id"])["type"] == "TOKEN"
    scheme = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom"}
    scheme["x-amazon-apigateway-authorizer"] = {"type": "jwt"}
    body = document({"get": {"security": [{"j": []}]}}, components={"securitySchemes": {"j": scheme}})
    refuse_imports(rest, api[0], "JWT authorizers", body)


def test_strict_access(rest, api):  # noqa: F811
    words = "endpoint access mode STRICT"
    with refused(501, "NotImplemented", words):
        rest.create_rest_api(name="strict", endpointAccessMode="STRICT")
    for mode in ("STRICT", "BASIC"):
        update = {"restApiId": api[0], "patchOperations": [op("replace", "/endpointAccessMode", mode)]}
        if mode == "BASIC":
            assert rest.update_rest_api(**update)["endpointAccessMode"] == "BASIC"
        else:
            with refused(501, "NotImplemented", words):
                rest.update_rest_api(**update)
    refuse_imports(rest, api[0], words, document(**{"x-amazon-apigateway-endpoint-access-mode": "STRICT"}))


def test_access_logs_go_to_log_groups_alone(rest, api):  # noqa: F811
    mock(rest, *api)
    rest.create_deployment(restApiId=api[0], stageName="dev")

    def update(arn):
        changes = [op("replace", "/accessLogSettings/destinationArn", arn)]
        return rest.update_stage(restApiId=api[0], stageName="dev", patchOperations=changes)

    with refused(501, "NotImplemented", "Firehose"):
        update("arn:aws:firehose:us-east-1:000000000000:deliverystream/amazon-apigateway-x")
    refuses("BadRequestException", "Invalid ARN specified in the request", update, arn="arn:aws:logs:us-east-1:000000000000:g")
    refuses("BadRequestException", "Invalid ARN specified in the request", update, arn="g")
    words = "Access Log destination must be a CloudWatch Logs log group or a Firehose stream"
    refuses("BadRequestException", words, update, arn="arn:aws:sqs:us-east-1:000000000000:q")
    assert "accessLogSettings" not in rest.get_stage(restApiId=api[0], stageName="dev")
    group = "arn:aws:logs:us-east-1:000000000000:log-group:g"
    assert update(group)["accessLogSettings"] == {"destinationArn": group}


def test_tests_of_methods_with_a_service_behind_them(rest, api):  # noqa: F811
    place = mock(rest, *api)
    assert rest.test_invoke_method(**place)["status"] == 500
    uri = "arn:aws:apigateway:us-east-1:sqs:path/000000000000/q"
    rest.put_integration(**place, type="AWS", integrationHttpMethod="POST", uri=uri, credentials=ROLE)
    with refused(501, "NotImplemented", "a service behind it"):
        rest.test_invoke_method(**place)
