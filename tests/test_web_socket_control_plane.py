"""The control plane of WebSocket APIs (API Gateway v2) through boto3: what differs from HTTP APIs, and what only these have."""

import json

import pytest
from support.apis import INVOKE, bare
from support.refusals import refused


@pytest.fixture
def api(v2):
    made = v2.create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")["ApiId"]
    yield made
    v2.delete_api(ApiId=made)


def test_apis_show_where_they_are(v2, updraft, api):
    read = v2.get_api(ApiId=api)
    assert read["ApiEndpoint"] == f"{updraft.endpoint.replace('http', 'ws', 1)}/_aws/execute-api/{api}"
    assert read["RouteSelectionExpression"] == "$request.body.action"
    changed = v2.update_api(ApiId=api, RouteSelectionExpression="${request.body.kind}", DisableSchemaValidation=True)
    assert (changed["RouteSelectionExpression"], changed["DisableSchemaValidation"]) == ("${request.body.kind}", True)
    with refused(400, "BadRequestException", "Invalid route selection expression"):
        v2.update_api(ApiId=api, RouteSelectionExpression="action")
    with refused(400, "BadRequestException", "Invalid API key selection expression"):
        v2.update_api(ApiId=api, ApiKeySelectionExpression="$request.querystring.key")
    with refused(400, "BadRequestException", "CORS configuration is not supported"):
        v2.update_api(ApiId=api, CorsConfiguration={"AllowOrigins": ["*"]})


def test_routes_and_their_responses(v2, api):
    for key in ("$connect", "$disconnect", "$default", "send message"):
        v2.create_route(ApiId=api, RouteKey=key)
    with refused(400, "BadRequestException", "The provided route key is not formatted properly"):
        v2.create_route(ApiId=api, RouteKey="$other")
    with refused(400, "BadRequestException", "Currently, authorization is restricted to the $connect route only"):
        v2.create_route(ApiId=api, RouteKey="x", AuthorizationType="AWS_IAM")
    route = v2.create_route(
        ApiId=api, RouteKey="ask", RouteResponseSelectionExpression="$default",
        RequestParameters={"route.request.querystring.q": {"Required": True}}, RequestModels={"a": "b"},
        ModelSelectionExpression="$request.body.action",
    )["RouteId"]
    for call in (lambda **it: v2.create_route(RouteKey="keyed", **it), lambda **it: v2.update_route(RouteId=route, **it)):
        with refused(400, "BadRequestException", "API keys are restricted to the $connect route only"):
            call(ApiId=api, ApiKeyRequired=True)
    v2.delete_route_request_parameter(ApiId=api, RouteId=route, RequestParameterKey="route.request.querystring.q")
    assert v2.get_route(ApiId=api, RouteId=route)["RequestParameters"] == {}
    with refused(404, "NotFoundException"):
        v2.delete_route_request_parameter(ApiId=api, RouteId=route, RequestParameterKey="route.request.querystring.q")
    created = v2.create_route_response(ApiId=api, RouteId=route, RouteResponseKey="$default")
    response = created["RouteResponseId"]
    assert bare(created) == {"RouteResponseId": response, "RouteResponseKey": "$default"}
    changed = v2.update_route_response(ApiId=api, RouteId=route, RouteResponseId=response, ModelSelectionExpression="x")
    assert v2.get_route_responses(ApiId=api, RouteId=route)["Items"] == [bare(changed)]
    with refused(409, "ConflictException"):
        v2.create_route_response(ApiId=api, RouteId=route, RouteResponseKey="$default")
    with refused(400, "BadRequestException", "Only $default"):
        v2.update_route_response(ApiId=api, RouteId=route, RouteResponseId=response, RouteResponseKey="other")
    with refused(404, "NotFoundException", "Invalid Route identifier specified nothing"):
        v2.create_route_response(ApiId=api, RouteId="nothing", RouteResponseKey="$default")
    v2.delete_route_response(ApiId=api, RouteId=route, RouteResponseId=response)
    with refused(404, "NotFoundException", f"Invalid RouteResponse identifier specified {response}"):
        v2.get_route_response(ApiId=api, RouteId=route, RouteResponseId=response)
    v2.create_route_response(ApiId=api, RouteId=route, RouteResponseKey="$default")
    v2.delete_route(ApiId=api, RouteId=route)
    with refused(404, "NotFoundException", f"Invalid Route identifier specified {route}"):
        v2.get_route_responses(ApiId=api, RouteId=route)


def test_integrations_and_their_responses(v2, api):
    created = v2.create_integration(ApiId=api, IntegrationType="MOCK", RequestTemplates={"200": '{"statusCode":200}'}, TemplateSelectionExpression="200")
    mock = created["IntegrationId"]
    assert bare(created) == {
        "IntegrationId": mock, "IntegrationType": "MOCK", "ConnectionType": "INTERNET", "PayloadFormatVersion": "1.0",
        "PassthroughBehavior": "WHEN_NO_MATCH", "TimeoutInMillis": 29000, "TemplateSelectionExpression": "200",
        "IntegrationResponseSelectionExpression": "${integration.response.statuscode}",
        "RequestTemplates": {"200": '{"statusCode":200}'},
    }
    queue = {"IntegrationType": "AWS", "IntegrationUri": "arn:aws:apigateway:us-east-1:sqs:path/1/q", "IntegrationMethod": "POST"}
    for settings in (
        {"IntegrationType": "AWS_PROXY", "IntegrationUri": INVOKE},
        {"IntegrationType": "AWS", "IntegrationUri": INVOKE, "IntegrationMethod": "POST"},
        queue | {"CredentialsArn": "arn:aws:iam::000000000000:role/r"},
        {"IntegrationType": "HTTP", "IntegrationUri": "http://example.com", "IntegrationMethod": "GET",
         "RequestParameters": {"integration.request.header.x": "route.request.body.y"}},
    ):
        v2.create_integration(ApiId=api, **settings)
    for words, settings in {
        "PayloadFormatVersion 2.0 is not supported": {"IntegrationType": "MOCK", "PayloadFormatVersion": "2.0"},
        "Timeout should be between 50 ms and 29000 ms": {"IntegrationType": "MOCK", "TimeoutInMillis": 30000},
        "Invalid integration URI specified": {"IntegrationType": "AWS", "IntegrationMethod": "POST"},
        "Role ARN must be specified for AWS integrations": queue,
        "must contain path or action": queue | {"IntegrationUri": "arn:aws:apigateway:us-east-1:sqs:q"},
        "Integration method is required": {"IntegrationType": "HTTP", "IntegrationUri": "http://a"},
        "Invalid mapping expression specified": {"IntegrationType": "MOCK", "RequestParameters": {"append:header.x": "y"}},
        "not supported on protocolType WEBSOCKET": {"IntegrationType": "AWS_PROXY", "IntegrationSubtype": "SQS-SendMessage"},
    }.items():
        with refused(400, "BadRequestException", words):
            v2.create_integration(ApiId=api, **settings)
    streaming = INVOKE.replace("/invocations", "/response-streaming-invocations")
    for kind in ("AWS_PROXY", "AWS"):
        with refused(400, "BadRequestException", "Invalid integration URI specified"):
            v2.create_integration(ApiId=api, IntegrationType=kind, IntegrationUri=streaming, IntegrationMethod="POST")
    for words, settings in {
        "request parameters": {"IntegrationType": "AWS", "IntegrationUri": INVOKE, "IntegrationMethod": "POST",
                               "RequestParameters": {"integration.request.header.X-Amz-Invocation-Type": "'DryRun'"}},
        "private integration": {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://example.com", "IntegrationMethod": "GET",
                                "ConnectionType": "VPC_LINK", "ConnectionId": "abc"},
        "caller's own credentials": {"IntegrationType": "MOCK", "CredentialsArn": "arn:aws:iam::*:user/*"},
    }.items():
        with refused(501, "NotImplemented", words):
            v2.create_integration(ApiId=api, **settings)
    with refused(501, "NotImplemented", "response parameters"):
        v2.create_integration_response(
            ApiId=api, IntegrationId=mock, IntegrationResponseKey="/400/",
            ResponseParameters={"route.response.header.x": "integration.response.header.y"},
        )
    made = v2.create_integration_response(ApiId=api, IntegrationId=mock, IntegrationResponseKey="/200/", ResponseTemplates={"a": "b"})
    response = made["IntegrationResponseId"]
    v2.create_integration_response(ApiId=api, IntegrationId=mock, IntegrationResponseKey="$default")
    with refused(409, "ConflictException"):
        v2.create_integration_response(ApiId=api, IntegrationId=mock, IntegrationResponseKey="/200/")
    with refused(400, "BadRequestException", "integration response key is not formatted properly"):
        v2.create_integration_response(ApiId=api, IntegrationId=mock, IntegrationResponseKey="200")
    changed = v2.update_integration_response(ApiId=api, IntegrationId=mock, IntegrationResponseId=response, IntegrationResponseKey="/2\\d\\d/")
    assert (changed["IntegrationResponseKey"], changed["ResponseTemplates"]) == ("/2\\d\\d/", {"a": "b"})
    assert len(v2.get_integration_responses(ApiId=api, IntegrationId=mock)["Items"]) == 2
    v2.delete_integration_response(ApiId=api, IntegrationId=mock, IntegrationResponseId=response)
    with refused(404, "NotFoundException", f"Invalid IntegrationResponse identifier specified {response}"):
        v2.get_integration_response(ApiId=api, IntegrationId=mock, IntegrationResponseId=response)
    v2.delete_integration(ApiId=api, IntegrationId=mock)
    with refused(404, "NotFoundException", f"Invalid Integration identifier specified {mock}"):
        v2.get_integration_responses(ApiId=api, IntegrationId=mock)


def test_models(v2, api, updraft):
    schema = json.dumps({"type": "object"})
    created = v2.create_model(ApiId=api, Name="Message", Schema=schema, Description="d")
    model = created["ModelId"]
    assert bare(created) == {
        "ModelId": model, "Name": "Message", "Schema": schema, "Description": "d", "ContentType": "application/json",
    }
    assert v2.update_model(ApiId=api, ModelId=model, ContentType="text/json")["ContentType"] == "text/json"
    template = v2.get_model_template(ApiId=api, ModelId=model)["Value"]
    assert template.startswith("#set($inputRoot = $input.path('$'))")
    with refused(404, "NotFoundException", "Invalid Model identifier specified nothing"):
        v2.get_model_template(ApiId=api, ModelId="nothing")
    for words, settings in {
        "Model name must be alphanumeric": {"Name": "a-b", "Schema": "{}"},
        "Model schema must be a valid JSON object": {"Name": "Other", "Schema": "[]"},
    }.items():
        with refused(400, "BadRequestException", words):
            v2.create_model(ApiId=api, **settings)
    with refused(409, "ConflictException", "Model name already exists"):
        v2.create_model(ApiId=api, Name="Message", Schema="{}")
    v2.delete_model(ApiId=api, ModelId=model)
    with refused(404, "NotFoundException", f"Invalid Model identifier specified {model}"):
        v2.get_model(ApiId=api, ModelId=model)
    assert v2.get_models(ApiId=api)["Items"] == []


def test_authorizers(v2, api):
    request = {"AuthorizerType": "REQUEST", "Name": "r", "AuthorizerUri": INVOKE, "IdentitySource": ["route.request.querystring.token"]}
    created = v2.create_authorizer(ApiId=api, **request)
    assert bare(created) == request | {"AuthorizerId": created["AuthorizerId"]}
    v2.create_route(ApiId=api, RouteKey="$connect", AuthorizationType="CUSTOM", AuthorizerId=created["AuthorizerId"])
    for words, settings in {
        "JWT authorizers are not supported": {"AuthorizerType": "JWT"},
        "AuthorizerPayloadFormatVersion is not supported": {"AuthorizerPayloadFormatVersion": "2.0"},
        "Invalid identity source expression": {"IdentitySource": ["$request.header.x"]},
    }.items():
        with refused(400, "BadRequestException", words):
            v2.create_authorizer(ApiId=api, **(request | settings))


def test_stages_have_no_default_and_execution_logs(v2, api):
    v2.create_route(ApiId=api, RouteKey="$default")
    stage = v2.create_stage(ApiId=api, StageName="dev", AutoDeploy=True)
    assert stage["DefaultRouteSettings"] == {"DetailedMetricsEnabled": False, "DataTraceEnabled": False, "LoggingLevel": "OFF"}
    assert stage["DeploymentId"]
    loud = {"LoggingLevel": "INFO", "DataTraceEnabled": True}
    assert v2.update_stage(ApiId=api, StageName="dev", RouteSettings={"$default": loud})["RouteSettings"] == {"$default": loud}
    silent = {"LoggingLevel": "OFF", "DataTraceEnabled": False}
    changed = v2.update_stage(ApiId=api, StageName="dev", DefaultRouteSettings=silent, RouteSettings={"$default": silent})
    assert changed["DefaultRouteSettings"] == silent | {"DetailedMetricsEnabled": False}
    assert changed["RouteSettings"] == {"$default": silent}
    with refused(400, "BadRequestException", "Stage name only allows"):
        v2.create_stage(ApiId=api, StageName="$default")
    with refused(501, "NotImplemented", "client certificate"):
        v2.create_stage(ApiId=api, StageName="c", ClientCertificateId="abc")
