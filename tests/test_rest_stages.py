"""Deployments and stages of REST APIs, models, validators, authorizers, gateway responses, tags, the account."""

import json

import pytest
from botocore.exceptions import ClientError

from support.refusals import refuses
from support.rest_control import FUNCTION, api, mock, op, rest, shown, status  # noqa: F401  (fixtures)

STAGE_PATHS = (
    "Must be one of: [/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, "
    "/accessLogSettings, /accessLogSettings/destinationArn, /accessLogSettings/format, "
    "/{resourcePath}/{httpMethod}/metrics/enabled, /{resourcePath}/{httpMethod}/logging/dataTrace, "
    "/{resourcePath}/{httpMethod}/logging/loglevel, /{resourcePath}/{httpMethod}/throttling/burstLimit/{resourcePath}/"
    "{httpMethod}/throttling/rateLimit/{resourcePath}/{httpMethod}/caching/ttlInSeconds, "
    "/{resourcePath}/{httpMethod}/caching/enabled, /{resourcePath}/{httpMethod}/caching/dataEncrypted, "
    "/{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, "
    "/{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, "
    "/*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit "
    "/*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, "
    "/*/*/caching/requireAuthorizationForCacheControl, /*/*/caching/unauthorizedCacheControlHeaderStrategy, "
    "/variables/{variable_name}, /tracingEnabled]"
)


@pytest.fixture
def deployed(rest, api):  # noqa: F811
    """An API with two deployments: its id and theirs."""
    mock(rest, *api)
    ids = [rest.create_deployment(restApiId=api[0])["id"] for _ in range(2)]
    return api[0], *ids


class TestDeployments:
    def test_a_deployment(self, rest, api):  # noqa: F811
        api_id = api[0]
        words = "The REST API doesn't contain any methods"
        refuses("BadRequestException", words, rest.create_deployment, restApiId=api_id)
        rest.put_method(restApiId=api_id, resourceId=api[1], httpMethod="GET", authorizationType="NONE")
        refuses("BadRequestException", "No integration defined for method", rest.create_deployment, restApiId=api_id)
        rest.delete_method(restApiId=api_id, resourceId=api[1], httpMethod="GET")
        mock(rest, *api)
        made = rest.create_deployment(restApiId=api_id, description="first", stageName="dev", stageDescription="a stage")
        assert status(made) == 201
        assert shown(made) == {"id": made["id"], "description": "first"}
        stage = rest.get_stage(restApiId=api_id, stageName="dev")
        assert (stage["deploymentId"], stage["description"]) == (made["id"], "a stage")
        whole = rest.get_deployment(restApiId=api_id, deploymentId=made["id"], embed=["apisummary"])
        assert whole["apiSummary"] == {"/": {"GET": {"authorizationType": "NONE", "apiKeyRequired": False}}}
        assert "apiSummary" not in rest.get_deployment(restApiId=api_id, deploymentId=made["id"])
        words = "Active stages pointing to this deployment must be moved or deleted"
        refuses("BadRequestException", words, rest.delete_deployment, restApiId=api_id, deploymentId=made["id"])
        changed = rest.update_deployment(
            restApiId=api_id, deploymentId=made["id"], patchOperations=[op("replace", "/description", "second")]
        )
        assert changed["description"] == "second"
        assert status(rest.delete_stage(restApiId=api_id, stageName="dev")) == 202
        assert status(rest.delete_deployment(restApiId=api_id, deploymentId=made["id"])) == 202
        words = "Invalid Deployment identifier specified"
        refuses("NotFoundException", words, rest.get_deployment, restApiId=api_id, deploymentId=made["id"])
        assert rest.get_deployments(restApiId=api_id)["items"] == []

    def test_a_canary_needs_its_stage(self, rest, deployed):
        api_id, first, _ = deployed
        begin = "Invalid deployment content specified."
        words = "Non null and non empty stageName must be provided for canary deployment. Provided value is null"
        canary = {"canarySettings": {"percentTraffic": 50}}
        refuses("BadRequestException", begin + words, rest.create_deployment, restApiId=api_id, **canary)
        words = "Stage none must already be created before making a canary release deployment"
        refuses("BadRequestException", begin + words, rest.create_deployment, restApiId=api_id, stageName="none", **canary)
        rest.create_stage(restApiId=api_id, stageName="dev", deploymentId=first)
        made = rest.create_deployment(restApiId=api_id, stageName="dev", **canary)["id"]
        stage = rest.get_stage(restApiId=api_id, stageName="dev")
        assert stage["deploymentId"] == first
        assert stage["canarySettings"] == {"deploymentId": made, "percentTraffic": 50.0, "useStageCache": False}


class TestStages:
    def test_a_stage(self, rest, deployed):
        api_id, first, second = deployed
        made = rest.create_stage(
            restApiId=api_id, stageName="dev", deploymentId=first, description="d", variables={"a": "1"}, tags={"t": "v"}
        )
        assert status(made) == 201
        expected = {
            "stageName": "dev",
            "deploymentId": first,
            "description": "d",
            "cacheClusterEnabled": False,
            "cacheClusterStatus": "NOT_AVAILABLE",
            "methodSettings": {},
            "tracingEnabled": False,
            "variables": {"a": "1"},
            "tags": {"t": "v"},
        }
        assert shown(made) == expected
        assert shown(rest.get_stage(restApiId=api_id, stageName="dev")) == expected
        rest.create_stage(restApiId=api_id, stageName="other", deploymentId=second)
        names = [stage["stageName"] for stage in rest.get_stages(restApiId=api_id)["item"]]
        assert names == ["dev", "other"]
        names = [stage["stageName"] for stage in rest.get_stages(restApiId=api_id, deploymentId=second)["item"]]
        assert names == ["other"]
        refuses(
            "ConflictException",
            "Stage already exists",
            rest.create_stage,
            restApiId=api_id,
            stageName="dev",
            deploymentId=first,
        )

    @pytest.mark.parametrize(
        "settings, words",
        [
            ({"stageName": "a b"}, "Stage name only allows a-zA-Z0-9_"),
            ({"deploymentId": "nosuch"}, "Deployment id does not exist"),
            ({"documentationVersion": "nosuch"}, "Invalid Documentation version specified"),
            ({"variables": {"a-b": "1"}}, "Stage variable names must be alphanumeric including underscores: a-b"),
            ({"canarySettings": {"percentTraffic": 101}}, "Percent traffic must be between 0.0 and 100.0"),
        ],
    )
    def test_stages_that_cannot_be(self, rest, deployed, settings, words):
        api_id, first, _ = deployed
        settings = {"restApiId": api_id, "stageName": "dev", "deploymentId": first} | settings
        refuses("BadRequestException", words, rest.create_stage, **settings)
        refuses("NotFoundException", "Invalid stage identifier specified", rest.get_stage, restApiId=api_id, stageName="dev")

    def test_updates(self, rest, deployed):
        api_id, first, second = deployed
        rest.create_stage(restApiId=api_id, stageName="dev", deploymentId=first)

        def update(*changes):
            return shown(rest.update_stage(restApiId=api_id, stageName="dev", patchOperations=list(changes)))

        changed = update(
            op("replace", "/deploymentId", second),
            op("replace", "/description", "new"),
            op("replace", "/variables/var1", "test"),
            op("replace", "/tracingEnabled", "true"),
            op("replace", "/*/*/throttling/burstLimit", "123"),
            op("replace", "/*/*/caching/enabled", "true"),
            op("replace", "/~1pets~1{id}/GET/logging/loglevel", "INFO"),
            op("replace", "/accessLogSettings/format", "$context.requestId"),
            op("replace", "/accessLogSettings/destinationArn", "arn:aws:logs:us-east-1:000000000000:log-group:g"),
        )
        assert (changed["deploymentId"], changed["description"], changed["tracingEnabled"]) == (second, "new", True)
        assert changed["variables"] == {"var1": "test"}
        assert changed["methodSettings"]["*/*"] == {
            "cacheDataEncrypted": False,
            "cacheTtlInSeconds": 300,
            "cachingEnabled": True,
            "dataTraceEnabled": False,
            "metricsEnabled": False,
            "requireAuthorizationForCacheControl": True,
            "throttlingBurstLimit": 123,
            "throttlingRateLimit": 10000.0,
            "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
        }
        assert changed["methodSettings"]["~1pets~1{id}/GET"]["loggingLevel"] == "INFO"
        assert changed["accessLogSettings"]["format"] == "$context.requestId"
        changed = update(
            op("remove", "/*/*"), op("remove", "/accessLogSettings"), op("remove", "/variables/var1"), op("replace", "/cacheClusterEnabled", "true")
        )
        assert list(changed["methodSettings"]) == ["~1pets~1{id}/GET"]
        assert "accessLogSettings" not in changed and "variables" not in changed
        assert (changed["cacheClusterSize"], changed["cacheClusterStatus"]) == ("0.5", "AVAILABLE")

    @pytest.mark.parametrize(
        "change, words",
        [
            (op("replace", "/documentation_version", "a"), f"Invalid method setting path: /documentation_version. {STAGE_PATHS}"),
            (op("replace", "/tags/tag1", "a"), f"Invalid method setting path: /tags/tag1. {STAGE_PATHS}"),
            (
                op("replace", "/pets/ANY/caching/enabled", "true"),
                f"Invalid method setting path: /pets/ANY/caching/enabled. {STAGE_PATHS}",
            ),
            (
                op("replace", "/canarySettings/badPath", "true"),
                f"Invalid method setting path: /canarySettings/badPath. {STAGE_PATHS}",
            ),
            (
                op("remove", "/canarySettings/badPath"),
                "Cannot remove method setting canarySettings/badPath because there is no method setting for this method ",
            ),
            (
                op("remove", "/canarySettings/stageVariableOverrides"),
                "Cannot remove method setting canarySettings/stageVariableOverrides because there is no method setting for "
                "this method ",
            ),
            (
                op("remove", "/*/*"),
                "Cannot remove method setting */* because there is no method setting for this method ",
            ),
            (
                op("add", "/canarySettings/deploymentId", "a"),
                "Invalid add operation with path: /canarySettings/deploymentId",
            ),
            (op("replace", "/canarySettings/deploymentId", "a"), "Deployment id does not exist"),
            (op("replace", "/deploymentId", "a"), "Deployment id does not exist"),
            (
                op("copy", "/deploymentId", **{"from": "/canarySettings/deploymentId"}),
                "Promotion not available. Canary does not exist.",
            ),
        ],
    )
    def test_wrong_updates_change_nothing(self, rest, deployed, change, words):
        api_id, first, _ = deployed
        before = shown(rest.create_stage(restApiId=api_id, stageName="dev", deploymentId=first))
        changes = [op("replace", "/description", "new"), change]
        refuses("BadRequestException", words, rest.update_stage, restApiId=api_id, stageName="dev", patchOperations=changes)
        assert shown(rest.get_stage(restApiId=api_id, stageName="dev")) == before

    def test_a_canary_is_promoted(self, rest, deployed):
        api_id, first, second = deployed
        rest.create_stage(restApiId=api_id, stageName="dev", deploymentId=first, variables={"a": "1"})

        def update(*changes):
            return shown(rest.update_stage(restApiId=api_id, stageName="dev", patchOperations=list(changes)))

        changed = update(op("replace", "/canarySettings/deploymentId", second))
        assert changed["canarySettings"] == {"deploymentId": second, "percentTraffic": 0.0, "useStageCache": False}
        changed = update(
            op("replace", "/canarySettings/percentTraffic", "50"),
            op("replace", "/canarySettings/stageVariableOverrides/a", "2"),
        )
        assert changed["canarySettings"]["stageVariableOverrides"] == {"a": "2"}
        changed = update(
            op("copy", "/deploymentId", **{"from": "/canarySettings/deploymentId"}),
            op("copy", "/variables", **{"from": "/canarySettings/stageVariableOverrides"}),
            op("remove", "/canarySettings"),
        )
        assert (changed["deploymentId"], changed["variables"]) == (second, {"a": "2"})
        assert "canarySettings" not in changed

    def test_caches_are_flushed(self, rest, deployed):
        api_id, first, _ = deployed
        rest.create_stage(restApiId=api_id, stageName="dev", deploymentId=first)
        for flush in (rest.flush_stage_cache, rest.flush_stage_authorizers_cache):
            assert status(flush(restApiId=api_id, stageName="dev")) == 202
            refuses("NotFoundException", "Invalid stage identifier specified", flush, restApiId=api_id, stageName="none")


class TestModels:
    SCHEMA = '{"title": "Pet", "type": "object"}'

    def test_a_model(self, rest, api):  # noqa: F811
        settings = {"restApiId": api[0], "name": "Pet", "contentType": "application/json"}
        made = rest.create_model(**settings, schema=self.SCHEMA, description="d")
        assert status(made) == 201
        expected = {"id": made["id"], "name": "Pet", "description": "d", "schema": self.SCHEMA, "contentType": "application/json"}
        assert shown(made) == expected
        place = {"restApiId": api[0], "modelName": "Pet"}
        assert shown(rest.get_model(**place)) == expected
        refuses(
            "ConflictException", "Model name already exists for this REST API", rest.create_model, **settings, schema=self.SCHEMA
        )
        changed = rest.update_model(**place, patchOperations=[op("replace", "/schema", '{"type": "array"}')])
        assert changed["schema"] == '{"type": "array"}'
        owner = {"$ref": f"https://apigateway.amazonaws.com/restapis/{api[0]}/models/Pet"}
        rest.create_model(
            restApiId=api[0], name="Owner", contentType="application/json", schema=json.dumps({"properties": {"pet": owner}})
        )
        flat = json.loads(rest.get_model(restApiId=api[0], modelName="Owner", flatten=True)["schema"])
        assert flat["properties"]["pet"] == {"$ref": "#/definitions/Pet"}
        assert flat["definitions"] == {"Pet": {"type": "array"}}
        assert status(rest.delete_model(**place)) == 202
        refuses("NotFoundException", "Invalid model name specified: Pet", rest.get_model, **place)

    @pytest.mark.parametrize(
        "settings, code, words",
        [
            ({"restApiId": "nosuch"}, "NotFoundException", "Invalid API identifier specified 000000000000:nosuch"),
            ({"name": ""}, "BadRequestException", "Model name must be non-empty"),
            ({"name": "a-b"}, "BadRequestException", "Model name must be alphanumeric: a-b"),
            (
                {"schema": ""},
                "BadRequestException",
                "Model schema must have at least 1 property or array items defined",
            ),
        ],
    )
    def test_models_that_cannot_be(self, rest, api, settings, code, words):  # noqa: F811
        settings = {"restApiId": api[0], "name": "Pet", "contentType": "application/json", "schema": self.SCHEMA} | settings
        refuses(code, words, rest.create_model, **settings)

    def test_a_model_that_is_named_stays(self, rest, api):  # noqa: F811
        rest.create_model(restApiId=api[0], name="Pet", contentType="application/json", schema=self.SCHEMA)
        place = {"restApiId": api[0], "resourceId": api[1], "httpMethod": "ANY"}
        rest.put_method(**place, authorizationType="NONE", requestModels={"application/json": "Pet"})
        words = "Cannot delete model 'Pet', is referenced in method request: //ANY"
        refuses("ConflictException", words, rest.delete_model, restApiId=api[0], modelName="Pet")
        rest.update_method(**place, patchOperations=[op("remove", "/requestModels/application~1json")])
        assert status(rest.delete_model(restApiId=api[0], modelName="Pet")) == 202

    def test_wrong_updates(self, rest, api):  # noqa: F811
        for change, words in [
            (
                op("add", "/wrong-path", "a"),
                "Invalid patch path  '/wrong-path' specified for op 'add'. Please choose supported operations",
            ),
            (
                op("replace", "/name", "a"),
                "Invalid patch path  '/name' specified for op 'replace'. Must be one of: [/description, /schema]",
            ),
            (op("replace", "/schema", ""), "Model schema must have at least 1 property or array items defined"),
        ]:
            refuses(
                "BadRequestException", words, rest.update_model, restApiId=api[0], modelName="Empty", patchOperations=[change]
            )


class TestRequestValidators:
    def test_a_validator(self, rest, api):  # noqa: F811
        made = rest.create_request_validator(restApiId=api[0], name="v")
        place = {"restApiId": api[0], "requestValidatorId": made["id"]}
        expected = {"id": made["id"], "name": "v", "validateRequestBody": False, "validateRequestParameters": False}
        assert (status(made), shown(made)) == (201, expected)
        assert rest.get_request_validators(restApiId=api[0])["items"] == [expected]

        def update(change):
            return rest.update_request_validator(**place, patchOperations=[change])

        assert update(op("replace", "/validateRequestBody", "true"))["validateRequestBody"] is True
        assert update(op("replace", "/validateRequestBody"))["validateRequestBody"] is False
        for change, words in [
            (
                op("replace", "/invalidPath", "a"),
                "Invalid patch path  '/invalidPath' specified for op 'replace'. Must be one of: [/name, "
                "/validateRequestParameters, /validateRequestBody]",
            ),
            (op("replace", "/name", ""), "Request Validator name cannot be blank"),
        ]:
            refuses("BadRequestException", words, rest.update_request_validator, **place, patchOperations=[change])
        assert status(rest.delete_request_validator(**place)) == 202
        for call in (rest.get_request_validator, rest.delete_request_validator):
            refuses("NotFoundException", "Invalid Request Validator identifier specified", call, **place)
        words = "Invalid REST API identifier specified"
        refuses("BadRequestException", words, rest.create_request_validator, restApiId="nosuch", name="v")


class TestAuthorizers:
    def test_an_authorizer(self, rest, api):  # noqa: F811
        settings = {"restApiId": api[0], "name": "a", "type": "TOKEN"}
        words = (
            "Invalid Authorizer URI: nowhere. Authorizer URI should be a valid API Gateway ARN that represents a Lambda "
            "function invocation."
        )
        refuses("BadRequestException", words, rest.create_authorizer, **settings, authorizerUri="nowhere")
        made = rest.create_authorizer(**settings, authorizerUri=FUNCTION, identitySource="method.request.header.Auth")
        expected = {
            "id": made["id"],
            "name": "a",
            "type": "TOKEN",
            "authType": "custom",
            "authorizerUri": FUNCTION,
            "identitySource": "method.request.header.Auth",
            "authorizerResultTtlInSeconds": 300,
        }
        assert (status(made), shown(made)) == (201, expected)
        words = "Authorizer name must be unique. Authorizer a already exists in this RestApi."
        refuses("ConflictException", words, rest.create_authorizer, **settings, authorizerUri=FUNCTION)
        place = {"restApiId": api[0], "authorizerId": made["id"]}
        changed = rest.update_authorizer(
            **place, patchOperations=[op("replace", "/authorizerResultTtlInSeconds", "0"), op("replace", "/name", "b")]
        )
        assert (changed["authorizerResultTtlInSeconds"], changed["name"]) == (0, "b")
        with pytest.raises(ClientError, match="must be between 0 and 3600"):
            rest.update_authorizer(**place, patchOperations=[op("replace", "/authorizerResultTtlInSeconds", "3601")])
        assert status(rest.delete_authorizer(**place)) == 202
        refuses("NotFoundException", "Invalid Authorizer identifier specified", rest.get_authorizer, **place)

    def test_user_pools_are_added_and_removed(self, rest, api):  # noqa: F811
        pool = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_{}"
        settings = {"restApiId": api[0], "name": "a", "type": "COGNITO_USER_POOLS"}
        with pytest.raises(ClientError, match="provider ARNs"):
            rest.create_authorizer(**settings)
        made = rest.create_authorizer(**settings, providerARNs=[pool.format("a")])
        assert made["authType"] == "cognito_user_pools"
        changed = rest.update_authorizer(
            restApiId=api[0],
            authorizerId=made["id"],
            patchOperations=[
                op("add", "/providerARNs", pool.format("b")),
                op("remove", "/providerARNs", pool.format("a")),
            ],
        )
        assert changed["providerARNs"] == [pool.format("b")]

    def test_apis_that_are_not_there(self, rest):
        words = "Unable to complete operation due to concurrent modification. Please try again later."
        refuses("ConflictException", words, rest.create_authorizer, restApiId="nosuch", name="a", type="TOKEN")
        words = "Invalid API identifier specified 000000000000:nosuch"
        refuses("NotFoundException", words, rest.get_authorizers, restApiId="nosuch")


class TestGatewayResponses:
    TEMPLATE = {"application/json": '{"message":$context.error.messageString}'}

    def test_a_response(self, rest, api):  # noqa: F811
        place = {"restApiId": api[0], "responseType": "MISSING_AUTHENTICATION_TOKEN"}
        default = {
            "responseType": "MISSING_AUTHENTICATION_TOKEN",
            "statusCode": "403",
            "responseParameters": {},
            "responseTemplates": self.TEMPLATE,
            "defaultResponse": True,
        }
        assert shown(rest.get_gateway_response(**place)) == default
        words = "Gateway response type not defined on api"
        refuses("NotFoundException", words, rest.delete_gateway_response, **place)
        made = rest.put_gateway_response(**place, statusCode="404")
        assert (status(made), shown(made)) == (201, default | {"statusCode": "404", "defaultResponse": False})
        assert status(rest.delete_gateway_response(**place)) == 202
        assert shown(rest.get_gateway_response(**place)) == default

    def test_the_general_case_covers_others(self, rest, api):  # noqa: F811
        parameters = {"gatewayresponse.header.x": "'y'"}
        rest.put_gateway_response(restApiId=api[0], responseType="DEFAULT_5XX", statusCode="599", responseParameters=parameters)
        rest.put_gateway_response(restApiId=api[0], responseType="AUTHORIZER_FAILURE", responseTemplates={"text/plain": "no"})
        all_of_them = rest.get_gateway_responses(restApiId=api[0])["items"]
        assert [one["responseType"] for one in all_of_them] == sorted(one["responseType"] for one in all_of_them)
        by_type = {one["responseType"]: one for one in all_of_them}
        assert len(by_type) == 21
        covered = by_type["INTEGRATION_TIMEOUT"]
        assert (covered["statusCode"], covered["responseParameters"], covered["defaultResponse"]) == ("599", parameters, True)
        assert by_type["AUTHORIZER_FAILURE"]["statusCode"] == "500"
        assert "statusCode" not in by_type["DEFAULT_4XX"]

    def test_updates(self, rest, api):  # noqa: F811
        place = {"restApiId": api[0], "responseType": "DEFAULT_4XX"}
        changed = rest.update_gateway_response(**place, patchOperations=[op("replace", "/statusCode", "444")])
        assert (changed["statusCode"], changed["defaultResponse"]) == ("444", False)
        for change, code, words in [
            (op("add", "/statusCode", "400"), "BadRequestException", "Invalid patch path /statusCode"),
            (
                op("replace", "/responseParameters/gatewayresponse.header.none", "'a'"),
                "NotFoundException",
                "Invalid parameter name specified",
            ),
            (op("add", "/wrongPath", "a"), "BadRequestException", "Invalid patch path /wrongPath"),
            (
                op("replace", "/responseTemplates/application~1json"),
                "BadRequestException",
                "Invalid null or empty value in responseTemplates",
            ),
        ]:
            refuses(code, words, rest.update_gateway_response, **place, patchOperations=[change])

    def test_cases_that_are_none(self, rest, api):  # noqa: F811
        with pytest.raises(ClientError) as error:
            rest.get_gateway_response(restApiId=api[0], responseType="FAKE")
        assert error.value.response["Error"]["Code"] == "ValidationException"
        begin = (
            "1 validation error detected: Value 'FAKE' at 'responseType' failed to satisfy constraint: Member must satisfy "
            "enum value set: [REQUEST_TOO_LARGE, RESOURCE_NOT_FOUND, "
        )
        assert error.value.response["Error"]["Message"].startswith(begin)


class TestTagsAndAccount:
    def test_tags_of_apis_and_stages(self, rest, deployed):
        api_id, first, _ = deployed
        rest.create_stage(restApiId=api_id, stageName="dev", deploymentId=first)
        for path in (f"/restapis/{api_id}", f"/restapis/{api_id}/stages/dev"):
            arn = f"arn:aws:apigateway:us-east-1::{path}"
            assert status(rest.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})) == 204
            assert rest.get_tags(resourceArn=arn)["tags"] == {"a": "1", "b": "2"}
            assert status(rest.untag_resource(resourceArn=arn, tagKeys=["a"])) == 204
            assert rest.get_tags(resourceArn=arn)["tags"] == {"b": "2"}
            with pytest.raises(ClientError, match="Maximum number of tags"):
                rest.tag_resource(resourceArn=arn, tags={f"k{n}": "" for n in range(50)})
        assert rest.get_stage(restApiId=api_id, stageName="dev")["tags"] == {"b": "2"}
        missing = "arn:aws:apigateway:us-east-1::/restapis/nosuch"
        words = "Invalid API identifier specified 000000000000:nosuch"
        refuses("NotFoundException", words, rest.get_tags, resourceArn=missing)
        with pytest.raises(ClientError, match="Invalid resource ARN"):
            rest.get_tags(resourceArn="arn:aws:sqs:us-east-1:000000000000:q")

    def test_the_account(self, rest):
        account = shown(rest.get_account())
        assert account["throttleSettings"] == {"burstLimit": 5000, "rateLimit": 10000.0}
        assert account["features"] == ["UsagePlans"]
        role = "arn:aws:iam::000000000000:role/logs"
        changed = rest.update_account(patchOperations=[op("replace", "/cloudwatchRoleArn", role)])
        assert changed["cloudwatchRoleArn"] == role == rest.get_account()["cloudwatchRoleArn"]
        words = (
            "Invalid patch path  '/apiKeyVersion' specified for op 'replace'. Must be one of: [/cloudwatchRoleArn]"
        )
        change = op("replace", "/apiKeyVersion", "1")
        refuses("BadRequestException", words, rest.update_account, patchOperations=[change])
        changed = rest.update_account(patchOperations=[op("replace", "/cloudwatchRoleArn", "")])
        assert "cloudwatchRoleArn" not in changed
