"""The control plane of HTTP APIs (API Gateway v2) through boto3: APIs, routes, integrations, authorizers, stages, deployments."""

import re
import urllib.request

import pytest
from support.apis import FUNCTION, INVOKE, bare
from support.refusals import refused

SELECTION = "$request.method $request.path"


@pytest.fixture
def api(make_api):
    return make_api()["ApiId"]


def function_integration(v2, api, **settings):
    defaults = {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "2.0"}
    return v2.create_integration(ApiId=api, **(defaults | settings))["IntegrationId"]


# ---- APIs


def test_apis_are_made_told_listed_changed_and_deleted(v2, updraft, make_api):
    created = make_api(Tags={"team": "zoo"}, Version="1.0", CorsConfiguration={"AllowOrigins": ["https://a.example"]})
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    api_id = created["ApiId"]
    assert re.fullmatch("[a-z0-9]{10}", api_id)
    assert created["ApiEndpoint"] == f"{updraft.endpoint}/_aws/execute-api/{api_id}"
    assert created["CreatedDate"].microsecond == 0
    assert bare(created) == {
        "ApiEndpoint": created["ApiEndpoint"], "ApiId": api_id, "Name": "pets", "ProtocolType": "HTTP",
        "ApiKeySelectionExpression": "$request.header.x-api-key", "RouteSelectionExpression": SELECTION,
        "CreatedDate": created["CreatedDate"], "DisableExecuteApiEndpoint": False, "IpAddressType": "ipv4",
        "CorsConfiguration": {"AllowOrigins": ["https://a.example"]}, "Tags": {"team": "zoo"}, "Version": "1.0",
    }
    assert bare(v2.get_api(ApiId=api_id)) == bare(created)
    assert bare(created) in v2.get_apis(MaxResults="500")["Items"]
    changed = v2.update_api(ApiId=api_id, Name="animals", Description="all", Version="")
    assert (changed["Name"], changed["Description"]) == ("animals", "all") and "Version" not in changed
    assert changed["CorsConfiguration"] == created["CorsConfiguration"]
    v2.delete_cors_configuration(ApiId=api_id)
    assert "CorsConfiguration" not in v2.get_api(ApiId=api_id)
    assert v2.delete_api(ApiId=api_id)["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (v2.get_api, v2.delete_api, v2.get_routes, v2.get_stages, v2.update_api, v2.create_deployment):
        with refused(404, "NotFoundException", f"Invalid API identifier specified 000000000000:{api_id}"):
            call(ApiId=api_id)


def test_refused_apis(v2, make_api):
    for words, settings in {
        "Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]": {"ProtocolType": "GOPHER"},
        "RouteSelectionExpression is required": {"ProtocolType": "WEBSOCKET"},
        "Only $request.method $request.path is supported": {"RouteSelectionExpression": "$request.body.action"},
        "Name must be between 1 and 128 characters long": {"Name": "n" * 129},
        "Invalid format for origin example.com": {"CorsConfiguration": {"AllowOrigins": ["example.com"]}},
        "allowCredentials": {"CorsConfiguration": {"AllowOrigins": ["*"], "AllowCredentials": True}},
        "maxAge must be between": {"CorsConfiguration": {"MaxAge": 86401}},
        "Invalid HTTP method specified: FETCH": {"CorsConfiguration": {"AllowMethods": ["FETCH"]}},
        "Invalid tag": {"Tags": {"aws:x": "y"}},
        "Target is required": {"RouteKey": "GET /"},
        "Invalid HTTP endpoint specified for URI": {"Target": "gopher://x"},
    }.items():
        with refused(400, "BadRequestException", words):
            make_api(**settings)
    with refused(400, "BadRequestException", "CORS configuration is not supported"):
        make_api(ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.a", CorsConfiguration={})
    with refused(400, "BadRequestException", "'ipAddressType' failed to satisfy constraint: Member must satisfy enum value set"):
        make_api(IpAddressType="ipv6")


def test_quick_create_makes_an_integration_a_route_and_a_stage_that_serves(v2, make_api):
    api = make_api(Target=FUNCTION)["ApiId"]
    integration, route, stage = (
        call(ApiId=api)["Items"][0] for call in (v2.get_integrations, v2.get_routes, v2.get_stages)
    )
    assert integration["IntegrationType"] == "AWS_PROXY" and integration["PayloadFormatVersion"] == "2.0"
    assert (route["RouteKey"], route["Target"]) == ("$default", f"integrations/{integration['IntegrationId']}")
    assert (stage["StageName"], stage["AutoDeploy"], stage["ApiGatewayManaged"]) == ("$default", True, True)
    assert v2.get_deployment(ApiId=api, DeploymentId=stage["DeploymentId"])["AutoDeployed"]
    v2.update_api(ApiId=api, Target="https://example.com/x", RouteKey="GET /x")
    changed, = v2.get_integrations(ApiId=api)["Items"]
    assert changed["IntegrationType"] == "HTTP_PROXY" and changed["IntegrationUri"] == "https://example.com/x"
    assert changed["IntegrationMethod"] == "ANY" and changed["IntegrationId"] == integration["IntegrationId"]
    assert v2.get_routes(ApiId=api)["Items"][0]["RouteKey"] == "GET /x"
    assert v2.get_stage(ApiId=api, StageName="$default")["DeploymentId"] != stage["DeploymentId"]
    plain = make_api()["ApiId"]
    with refused(400, "BadRequestException", "quick create"):
        v2.update_api(ApiId=plain, Target=FUNCTION)


def test_an_id_of_the_users_choice_is_given_once(v2, make_api):
    assert make_api(Tags={"_custom_id_": "my-own-api"})["ApiId"] == "my-own-api"
    with refused(409, "ConflictException", "my-own-api"):
        make_api(Tags={"_custom_id_": "my-own-api"})
    assert v2.get_api(ApiId="my-own-api")["Name"] == "pets"


def test_lists_come_in_pages(v2, api):
    keys = {f"GET /{n}" for n in range(30)}
    for key in keys:
        v2.create_route(ApiId=api, RouteKey=key)
    first = v2.get_routes(ApiId=api)
    assert len(first["Items"]) == 25, "AWS's page"
    rest = v2.get_routes(ApiId=api, NextToken=first["NextToken"])
    assert {one["RouteKey"] for one in first["Items"] + rest["Items"]} == keys and "NextToken" not in rest
    assert len(v2.get_routes(ApiId=api, MaxResults="500")["Items"]) == 30
    pages = v2.get_paginator("get_routes").paginate(ApiId=api, PaginationConfig={"PageSize": 7})
    assert {one["RouteKey"] for page in pages for one in page["Items"]} == keys
    for bad in ({"MaxResults": "many"}, {"MaxResults": "0"}, {"NextToken": "%%%"}):
        with refused(400, "BadRequestException"):
            v2.get_routes(ApiId=api, **bad)


# ---- routes


def test_routes_are_made_told_changed_and_deleted(v2, api):
    integration = function_integration(v2, api)
    created = v2.create_route(ApiId=api, RouteKey="GET /pets/{id}", Target=f"integrations/{integration}")
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    route = created["RouteId"]
    assert bare(created) == {
        "RouteId": route, "RouteKey": "GET /pets/{id}", "Target": f"integrations/{integration}",
        "ApiKeyRequired": False, "AuthorizationType": "NONE",
    }
    assert bare(v2.get_route(ApiId=api, RouteId=route)) == bare(created)
    changed = v2.update_route(ApiId=api, RouteId=route, RouteKey="ANY /{proxy+}", OperationName="all")
    assert (changed["RouteKey"], changed["OperationName"], changed["Target"]) == ("ANY /{proxy+}", "all", created["Target"])
    v2.create_route(ApiId=api, RouteKey="GET /pets/{id}")
    with refused(409, "ConflictException", "Route with key GET /pets/{id} already exists for this API"):
        v2.create_route(ApiId=api, RouteKey="GET /pets/{id}")
    with refused(409, "ConflictException", "Route with key GET /pets/{id} already exists for this API"):
        v2.update_route(ApiId=api, RouteId=route, RouteKey="GET /pets/{id}")
    assert v2.get_route(ApiId=api, RouteId=route)["RouteKey"] == "ANY /{proxy+}", "what is refused changes nothing"
    v2.delete_route(ApiId=api, RouteId=route)
    with refused(404, "NotFoundException", f"Invalid Route identifier specified {route}"):
        v2.get_route(ApiId=api, RouteId=route)
    v2.create_route(ApiId=api, RouteKey="ANY /{proxy+}")


def test_refused_routes(v2, api):
    for key in ("GET", "/pets", "FETCH /pets", "GET pets", "$connect", "GET /{a+}/b", ""):
        with refused(400, "BadRequestException", "The provided route key is not formatted properly for HTTP protocol."):
            v2.create_route(ApiId=api, RouteKey=key)
    for settings in (
        {"ApiKeyRequired": True}, {"RequestModels": {"a": "b"}}, {"RouteResponseSelectionExpression": "$default"},
        {"RequestParameters": {"route.request.header.x": {"Required": True}}}, {"Target": "functions/x"},
        {"AuthorizationType": "JWT"}, {"AuthorizationScopes": ["a"]},
    ):
        with refused(400, "BadRequestException"):
            v2.create_route(ApiId=api, RouteKey="GET /", **settings)
    with refused(404, "NotFoundException", "Invalid Integration identifier specified nothing"):
        v2.create_route(ApiId=api, RouteKey="GET /", Target="integrations/nothing")
    with refused(404, "NotFoundException", "Invalid Authorizer identifier specified nothing"):
        v2.create_route(ApiId=api, RouteKey="GET /", AuthorizationType="JWT", AuthorizerId="nothing")
    assert v2.get_routes(ApiId=api)["Items"] == []


# ---- integrations


def test_integrations_are_made_changed_and_deleted(v2, api):
    created = v2.create_integration(
        ApiId=api, IntegrationType="HTTP_PROXY", IntegrationUri="https://example.com/{id}", IntegrationMethod="GET",
        RequestParameters={"append:header.x-a": "$context.requestId", "overwrite:path": "/b"},
        ResponseParameters={"200": {"overwrite:statuscode": "204"}},
    )
    integration = created["IntegrationId"]
    assert bare(created) == {
        "IntegrationId": integration, "IntegrationType": "HTTP_PROXY", "IntegrationUri": "https://example.com/{id}",
        "IntegrationMethod": "GET", "ConnectionType": "INTERNET", "PayloadFormatVersion": "1.0",
        "TimeoutInMillis": 30000, "ResponseParameters": {"200": {"overwrite:statuscode": "204"}},
        "RequestParameters": {"append:header.x-a": "$context.requestId", "overwrite:path": "/b"},
    }
    changed = v2.update_integration(
        ApiId=api, IntegrationId=integration, TimeoutInMillis=1000, ResponseParameters={"200": {}, "500": {"append:header.b": "c"}},
        RequestParameters={"append:header.x-a": "", "remove:querystring.q": "''"},
    )
    assert changed["RequestParameters"] == {"overwrite:path": "/b", "remove:querystring.q": "''"}
    assert changed["ResponseParameters"] == {"500": {"append:header.b": "c"}}
    assert changed["TimeoutInMillis"] == 1000
    route = v2.create_route(ApiId=api, RouteKey="GET /", Target=f"integrations/{integration}")["RouteId"]
    with refused(409, "ConflictException", f"referenced by the following Routes with Ids: [{route}]"):
        v2.delete_integration(ApiId=api, IntegrationId=integration)
    v2.delete_route(ApiId=api, RouteId=route)
    v2.delete_integration(ApiId=api, IntegrationId=integration)
    with refused(404, "NotFoundException", f"Invalid Integration identifier specified {integration}"):
        v2.get_integration(ApiId=api, IntegrationId=integration)


def test_integrations_with_functions_and_services(v2, api):
    for uri in (FUNCTION, f"{FUNCTION}:live", INVOKE):
        made = v2.get_integration(ApiId=api, IntegrationId=function_integration(v2, api, IntegrationUri=uri))
        assert (made["IntegrationUri"], made["IntegrationMethod"]) == (uri, "POST")
    role = "arn:aws:iam::000000000000:role/r"
    queue = {"IntegrationType": "AWS_PROXY", "IntegrationSubtype": "SQS-SendMessage", "PayloadFormatVersion": "1.0", "CredentialsArn": role}
    parameters = {"QueueUrl": "http://x/1/q", "MessageBody": "$request.body"}
    made = v2.create_integration(ApiId=api, RequestParameters=parameters, **queue)
    assert made["RequestParameters"] == parameters and made["IntegrationSubtype"] == "SQS-SendMessage"
    for words, settings in {
        "Missing required parameter MessageBody": {"RequestParameters": {"QueueUrl": "u"}},
        "Invalid parameter Colour": {"RequestParameters": parameters | {"Colour": "red"}},
        "Invalid integration subtype specified: SQS-Sing": {"IntegrationSubtype": "SQS-Sing"},
        "IntegrationUri cannot be set": {"IntegrationUri": FUNCTION},
        "PayloadFormatVersion 2.0 is not supported": {"PayloadFormatVersion": "2.0"},
        "Invalid ARN specified": {"CredentialsArn": "role"},
    }.items():
        with refused(400, "BadRequestException", words):
            v2.create_integration(ApiId=api, **({"RequestParameters": parameters} | queue | settings))


def test_refused_integrations(v2, api):
    link = v2.create_vpc_link(Name="l", SubnetIds=["subnet-1"])["VpcLinkId"]
    proxy = {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://example.com", "IntegrationMethod": "GET"}
    private = proxy | {"ConnectionType": "VPC_LINK"}
    listener = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/a/1/2"
    v2.create_integration(ApiId=api, **private | {"ConnectionId": link, "IntegrationUri": listener, "TlsConfig": {"ServerNameToVerify": "a.example"}})
    for words, settings in {
        "Only AWS_PROXY and HTTP_PROXY integrations": {"IntegrationType": "MOCK"},
        "PayloadFormatVersion is a required parameter": {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION},
        "PayloadFormatVersion 3.0 is not supported": {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "3.0"},
        "Invalid integration URI": {"IntegrationType": "AWS_PROXY", "IntegrationUri": "http://x", "PayloadFormatVersion": "2.0"},
        "Invalid integration URI specified": {"IntegrationType": "AWS_PROXY", "IntegrationUri": INVOKE.replace("/invocations", "/response-streaming-invocations"), "PayloadFormatVersion": "2.0"},
        "Invalid HTTP endpoint": proxy | {"IntegrationUri": "example.com"},
        "Invalid HTTP method specified: FETCH": proxy | {"IntegrationMethod": "FETCH"},
        "Timeout should be between 50 ms and 30000 ms": proxy | {"TimeoutInMillis": 30001},
        "ConnectionId is required": private,
        "Invalid VpcLink identifier specified nothing": private | {"ConnectionId": "nothing"},
        "TlsConfig is only supported": proxy | {"TlsConfig": {"ServerNameToVerify": "a.example"}},
        "Operations on header Authorization are restricted": proxy | {"RequestParameters": {"append:header.Authorization": "x"}},
        "Invalid mapping expression specified": proxy | {"RequestParameters": {"header.x": "y"}},
        "Invalid status code specified": proxy | {"ResponseParameters": {"ok": {"append:header.x": "y"}}},
        "Request templates are not supported": proxy | {"RequestTemplates": {"a": "b"}},
    }.items():
        with refused(400, "BadRequestException", words):
            v2.create_integration(ApiId=api, **settings)
    with refused(400, "BadRequestException", "is used by API"):
        v2.delete_vpc_link(VpcLinkId=link)


# ---- authorizers


def test_jwt_authorizers(v2, api):
    jwt = {"AuthorizerType": "JWT", "Name": "j", "IdentitySource": ["$request.header.Authorization"]}
    configuration = {"Audience": ["a"], "Issuer": "https://issuer.example/pool"}
    created = v2.create_authorizer(ApiId=api, JwtConfiguration=configuration, **jwt)
    authorizer = created["AuthorizerId"]
    assert bare(created) == {"AuthorizerId": authorizer, "JwtConfiguration": configuration} | jwt
    route = v2.create_route(
        ApiId=api, RouteKey="GET /", AuthorizationType="JWT", AuthorizerId=authorizer, AuthorizationScopes=["read"]
    )
    assert (route["AuthorizationType"], route["AuthorizationScopes"]) == ("JWT", ["read"])
    with refused(400, "BadRequestException", "does not match the type"):
        v2.update_route(ApiId=api, RouteId=route["RouteId"], AuthorizationType="CUSTOM", AuthorizationScopes=[])
    with refused(409, "ConflictException", f"[{route['RouteId']}]"):
        v2.delete_authorizer(ApiId=api, AuthorizerId=authorizer)
    for words, settings in {
        "At least one audience": {"JwtConfiguration": {"Issuer": "https://a"}},
        "Invalid issuer": {"JwtConfiguration": {"Issuer": "a", "Audience": ["b"]}},
        "exactly one identity source": {"IdentitySource": []},
        "Invalid identity source expression: header.x": {"IdentitySource": ["header.x"]},
        "AuthorizerUri is not supported": {"AuthorizerUri": FUNCTION},
    }.items():
        with refused(400, "BadRequestException", words):
            v2.create_authorizer(ApiId=api, **(jwt | {"JwtConfiguration": configuration} | settings))
    v2.delete_route(ApiId=api, RouteId=route["RouteId"])
    v2.delete_authorizer(ApiId=api, AuthorizerId=authorizer)
    assert v2.get_authorizers(ApiId=api)["Items"] == []


def test_request_authorizers(v2, api):
    request = {
        "AuthorizerType": "REQUEST", "Name": "r", "IdentitySource": ["$request.header.x", "$context.stage"],
        "AuthorizerUri": INVOKE, "AuthorizerPayloadFormatVersion": "2.0",
    }
    created = v2.create_authorizer(ApiId=api, **request)
    assert bare(created) == request | {
        "AuthorizerId": created["AuthorizerId"], "AuthorizerResultTtlInSeconds": 300, "EnableSimpleResponses": False,
    }
    changed = v2.update_authorizer(
        ApiId=api, AuthorizerId=created["AuthorizerId"], EnableSimpleResponses=True, AuthorizerResultTtlInSeconds=0, IdentitySource=[]
    )
    assert (changed["EnableSimpleResponses"], changed["AuthorizerResultTtlInSeconds"], changed["Name"]) == (True, 0, "r")
    for words, settings in {
        "AuthorizerPayloadFormatVersion 1.3 is not supported": {"AuthorizerPayloadFormatVersion": "1.3"},
        "EnableSimpleResponses can only be set": {"AuthorizerPayloadFormatVersion": "1.0", "EnableSimpleResponses": True},
        "TTL must be between 0 and 3600 seconds": {"AuthorizerResultTtlInSeconds": 3601},
        "Identity source must be set if authorizer caching is enabled": {"IdentitySource": []},
        "Invalid Authorizer URI: https://x": {"AuthorizerUri": "https://x"},
    }.items():
        with refused(400, "BadRequestException", words):
            v2.create_authorizer(ApiId=api, **(request | settings))
    del request["AuthorizerPayloadFormatVersion"]
    with refused(400, "BadRequestException", "AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer"):
        v2.create_authorizer(ApiId=api, **request)


# ---- deployments and stages


def test_a_stage_with_automatic_deployment_serves_every_change(v2, api):
    stage = v2.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    assert "DeploymentId" not in stage
    assert stage["LastDeploymentStatusMessage"] == (
        "Deployment attempt failed: At least one route is required before deploying the Api."
    )
    seen = set()
    for n in range(14):
        v2.create_route(ApiId=api, RouteKey=f"GET /{n}")
        stage = v2.get_stage(ApiId=api, StageName="$default")
        assert stage["LastDeploymentStatusMessage"] == f"Successfully deployed stage with deployment ID '{stage['DeploymentId']}'"
        seen.add(stage["DeploymentId"])
    assert len(seen) == 14
    deployments = v2.get_deployments(ApiId=api)["Items"]
    assert stage["DeploymentId"] in {one["DeploymentId"] for one in deployments}
    assert len(deployments) == 11, "those that nobody serves are kept for a while only"
    assert all(one["AutoDeployed"] and one["DeploymentStatus"] == "DEPLOYED" for one in deployments)
    assert deployments[0]["Description"] == "Automatic deployment triggered by changes to the Api configuration"
    with refused(400, "BadRequestException", "AutoDeploy"):
        v2.update_stage(ApiId=api, StageName="$default", DeploymentId=deployments[0]["DeploymentId"] + "x")


def test_deployments_are_given_to_stages(v2, api):
    with refused(400, "BadRequestException", "At least one route is required before deploying the Api."):
        v2.create_deployment(ApiId=api)
    v2.create_route(ApiId=api, RouteKey="GET /")
    first = v2.create_deployment(ApiId=api, Description="one")
    assert bare(first) == {
        "DeploymentId": first["DeploymentId"], "Description": "one", "AutoDeployed": False,
        "CreatedDate": first["CreatedDate"], "DeploymentStatus": "DEPLOYED",
    }
    v2.create_stage(ApiId=api, StageName="prod", DeploymentId=first["DeploymentId"])
    second = v2.create_deployment(ApiId=api, StageName="prod")["DeploymentId"]
    assert v2.get_stage(ApiId=api, StageName="prod")["DeploymentId"] == second
    assert v2.update_deployment(ApiId=api, DeploymentId=second, Description="two")["Description"] == "two"
    with refused(400, "BadRequestException", "Active stages pointing to this deployment must be moved or deleted"):
        v2.delete_deployment(ApiId=api, DeploymentId=second)
    v2.update_stage(ApiId=api, StageName="prod", DeploymentId=first["DeploymentId"])
    v2.delete_deployment(ApiId=api, DeploymentId=second)
    with refused(404, "NotFoundException", f"Invalid Deployment identifier specified {second}"):
        v2.update_stage(ApiId=api, StageName="prod", DeploymentId=second)
    with refused(404, "NotFoundException", "Invalid Stage identifier specified nothing"):
        v2.create_deployment(ApiId=api, StageName="nothing")


def test_stages_are_made_changed_and_deleted(v2, api):
    v2.create_route(ApiId=api, RouteKey="GET /pets")
    group = "arn:aws:logs:us-east-1:000000000000:log-group:access"
    created = v2.create_stage(
        ApiId=api, StageName="prod", StageVariables={"a": "1", "b": "2"}, Tags={"k": "v"}, Description="d",
        AccessLogSettings={"DestinationArn": f"{group}:*", "Format": "$context.requestId"},
        DefaultRouteSettings={"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 2.5},
        RouteSettings={"GET /pets": {"DetailedMetricsEnabled": True}},
    )
    assert created["CreatedDate"] == created["LastUpdatedDate"]
    assert bare(created) == {
        "StageName": "prod", "StageVariables": {"a": "1", "b": "2"}, "Tags": {"k": "v"}, "Description": "d",
        "AccessLogSettings": {"DestinationArn": group, "Format": "$context.requestId"}, "AutoDeploy": False,
        "DefaultRouteSettings": {"DetailedMetricsEnabled": False, "ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 2.5},
        "RouteSettings": {"GET /pets": {"DetailedMetricsEnabled": True}},
        "CreatedDate": created["CreatedDate"], "LastUpdatedDate": created["LastUpdatedDate"],
    }
    changed = v2.update_stage(
        ApiId=api, StageName="prod", StageVariables={"a": "", "c": "3"}, Description="",
        DefaultRouteSettings={"DetailedMetricsEnabled": True}, RouteSettings={"GET /pets": {"ThrottlingBurstLimit": 1}},
    )
    assert changed["StageVariables"] == {"b": "2", "c": "3"} and "Description" not in changed
    assert changed["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 5
    assert changed["RouteSettings"] == {"GET /pets": {"DetailedMetricsEnabled": True, "ThrottlingBurstLimit": 1}}
    v2.delete_route_settings(ApiId=api, StageName="prod", RouteKey="GET /pets")
    v2.delete_access_log_settings(ApiId=api, StageName="prod")
    v2.reset_authorizers_cache(ApiId=api, StageName="prod")
    read = v2.get_stage(ApiId=api, StageName="prod")
    assert read["RouteSettings"] == {} and "AccessLogSettings" not in read
    with refused(404, "NotFoundException", "Unable to find Route by key GET /pets within the provided RouteSettings"):
        v2.delete_route_settings(ApiId=api, StageName="prod", RouteKey="GET /pets")
    v2.delete_stage(ApiId=api, StageName="prod")
    with refused(404, "NotFoundException", "Invalid Stage identifier specified prod"):
        v2.get_stage(ApiId=api, StageName="prod")


def test_refused_stages(v2, api):
    v2.create_stage(ApiId=api, StageName="there")
    with refused(409, "ConflictException", "Stage already exists"):
        v2.create_stage(ApiId=api, StageName="there")
    with refused(404, "NotFoundException", "Unable to find Route by key GET /x within the provided RouteSettings"):
        v2.create_stage(ApiId=api, StageName="s", RouteSettings={"GET /x": {}})
    group = "arn:aws:logs:us-east-1:000000000000:log-group:access"
    for words, settings in {
        "Stage name only allows a-zA-Z0-9_-": {"StageName": "a b"},
        "Execution logs are not supported on protocolType HTTP": {"DefaultRouteSettings": {"LoggingLevel": "INFO"}},
        "Access Log value missing. Expected destinationArn and format.": {"AccessLogSettings": {"DestinationArn": group}},
        "Invalid ARN specified": {"AccessLogSettings": {"DestinationArn": "group", "Format": "$context.requestId"}},
        "$context.extendedRequestId": {"AccessLogSettings": {"DestinationArn": group, "Format": "x"}},
        "Invalid stage variable name": {"StageVariables": {"a-b": "c"}},
        "Stage variable value for a": {"StageVariables": {"a": "b c"}},
        "AutoDeploy": {"AutoDeploy": True, "DeploymentId": "abc"},
        "must not be negative": {"DefaultRouteSettings": {"ThrottlingBurstLimit": -1}},
    }.items():
        with refused(400, "BadRequestException", words):
            v2.create_stage(ApiId=api, **({"StageName": "s"} | settings))
    for arn in (group.replace("000000000000", "111111111111"), group.replace("000000000000", ""), "arn:aws:firehose:us-east-1:000000000000:deliverystream/x"):
        with refused(400, "BadRequestException", "Invalid ARN specified"):
            v2.create_stage(ApiId=api, StageName="s", AccessLogSettings={"DestinationArn": arn, "Format": "$context.requestId"})
    stream = "arn:aws:firehose:us-east-1:000000000000:deliverystream/amazon-apigateway-x"
    with refused(501, "NotImplemented", "delivery streams"):
        v2.create_stage(ApiId=api, StageName="s", AccessLogSettings={"DestinationArn": stream, "Format": "$context.requestId"})
    assert [one["StageName"] for one in v2.get_stages(ApiId=api)["Items"]] == ["there"]
    for n in range(9):
        v2.create_stage(ApiId=api, StageName=f"s{n}")
    with refused(429, "TooManyRequestsException", "Maximum number of Stages for this API has been reached."):
        v2.create_stage(ApiId=api, StageName="eleventh")


# ---- VPC links, tags, what is beside


def test_vpc_links(v2):
    created = v2.create_vpc_link(Name="link", SubnetIds=["subnet-1"], SecurityGroupIds=["sg-1"], Tags={"a": "b"})
    link = created["VpcLinkId"]
    assert (created["VpcLinkStatus"], created["VpcLinkVersion"]) == ("AVAILABLE", "V2")
    assert bare(v2.get_vpc_link(VpcLinkId=link)) == bare(created)
    assert v2.update_vpc_link(VpcLinkId=link, Name="other")["Name"] == "other"
    assert link in {one["VpcLinkId"] for one in v2.get_vpc_links()["Items"]}
    assert v2.delete_vpc_link(VpcLinkId=link)["ResponseMetadata"]["HTTPStatusCode"] == 202
    for call in (v2.get_vpc_link, v2.delete_vpc_link, v2.update_vpc_link):
        with refused(404, "NotFoundException", f"Invalid VpcLink identifier specified {link}"):
            call(VpcLinkId=link)
    with refused(400, "BadRequestException", "At least one subnet is required"):
        v2.create_vpc_link(Name="link", SubnetIds=[])


def test_tags_of_apis_stages_and_links(v2, api):
    v2.create_stage(ApiId=api, StageName="$default")
    link = v2.create_vpc_link(Name="tagged", SubnetIds=["subnet-1"])["VpcLinkId"]
    base = "arn:aws:apigateway:us-east-1::"
    for arn in (f"{base}/apis/{api}", f"{base}/apis/{api}/stages/$default", f"{base}/vpclinks/{link}"):
        assert v2.get_tags(ResourceArn=arn)["Tags"] == {}
        v2.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "2"})
        v2.tag_resource(ResourceArn=arn, Tags={"b": "3"})
        assert v2.get_tags(ResourceArn=arn)["Tags"] == {"a": "1", "b": "3"}
        v2.untag_resource(ResourceArn=arn, TagKeys=["a", "c"])
        assert v2.get_tags(ResourceArn=arn)["Tags"] == {"b": "3"}
        with refused(400, "BadRequestException", "Invalid tag"):
            v2.tag_resource(ResourceArn=arn, Tags={"aws:x": "1"})
    assert v2.get_stage(ApiId=api, StageName="$default")["Tags"] == {"b": "3"}
    with refused(404, "NotFoundException"):
        v2.get_tags(ResourceArn=f"{base}/apis/nothing")
    for bad in (f"{base}/pets/x", "arn:aws:lambda:us-east-1::/apis/x", "x"):
        with refused(400, "BadRequestException", "Invalid resource ARN specified"):
            v2.get_tags(ResourceArn=bad)
    v2.delete_vpc_link(VpcLinkId=link)


def test_other_accounts_and_regions_do_not_see_an_api(updraft, api):
    for client in (updraft.client("apigatewayv2", region="eu-west-1"),):
        with refused(404, "NotFoundException"):
            client.get_api(ApiId=api)
        assert api not in {one["ApiId"] for one in client.get_apis(MaxResults="500")["Items"]}


def test_what_is_not_built_says_so(v2):
    with refused(501, "NotImplemented", "ListPortals"):
        v2.list_portals()


def test_what_was_acknowledged_survives_a_crash(another_server):
    server = another_server().start()
    v2 = server.client("apigatewayv2")
    api = v2.create_api(Name="kept", ProtocolType="HTTP", Target=FUNCTION)["ApiId"]
    v2.create_route(ApiId=api, RouteKey="GET /last")
    before = bare(v2.get_stage(ApiId=api, StageName="$default"))
    server.kill()
    v2 = another_server().start().client("apigatewayv2")
    assert {one["RouteKey"] for one in v2.get_routes(ApiId=api)["Items"]} == {"$default", "GET /last"}
    assert bare(v2.get_stage(ApiId=api, StageName="$default")) == before
    assert v2.get_deployment(ApiId=api, DeploymentId=before["DeploymentId"])["AutoDeployed"]


def test_a_reset_forgets_all(another_server):
    server = another_server().start()
    v2 = server.client("apigatewayv2")
    api = v2.create_api(Name="gone", ProtocolType="HTTP", Target=FUNCTION, Tags={"_custom_id_": "again"})["ApiId"]
    v2.create_vpc_link(Name="gone", SubnetIds=["subnet-1"])
    urllib.request.urlopen(f"{server.endpoint}/_updraft/reset?service=apigatewayv2", b"").close()
    with refused(404, "NotFoundException"):
        v2.get_api(ApiId=api)
    assert v2.get_vpc_links()["Items"] == []
    assert v2.create_api(Name="new", ProtocolType="HTTP", Tags={"_custom_id_": "again"})["ApiId"] == "again"
