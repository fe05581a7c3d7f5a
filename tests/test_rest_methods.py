"""The control plane of REST APIs: methods, integrations and their responses, with boto3."""

import pytest

from support.refusals import refuses
from support.rest_control import FUNCTION, ROLE, api, mock, op, rest, shown, status  # noqa: F401  (fixtures)


class TestMethods:
    def test_a_method(self, rest, api):  # noqa: F811
        place = {"restApiId": api[0], "resourceId": api[1], "httpMethod": "ANY"}
        made = rest.put_method(**place, authorizationType="NONE", requestParameters={"method.request.header.a": True})
        assert status(made) == 201
        expected = {
            "httpMethod": "ANY",
            "authorizationType": "NONE",
            "apiKeyRequired": False,
            "requestParameters": {"method.request.header.a": True},
        }
        assert shown(made) == expected
        assert shown(rest.get_method(**place)) == expected
        refuses(
            "ConflictException", "Method already exists for this resource", rest.put_method, **place, authorizationType="NONE"
        )
        assert status(rest.delete_method(**place)) == 204
        for call in (rest.get_method, rest.delete_method):
            refuses("NotFoundException", "Invalid Method identifier specified", call, **place)

    @pytest.mark.parametrize(
        "settings, code, words",
        [
            ({"restApiId": "nosuch"}, "NotFoundException", "Invalid Resource identifier specified"),
            ({"resourceId": "nosuch"}, "NotFoundException", "Invalid Resource identifier specified"),
            (
                {"httpMethod": "get"},
                "BadRequestException",
                "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY",
            ),
            (
                {"authorizationType": "CUSTOM"},
                "BadRequestException",
                "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a "
                "valid authorizer.",
            ),
            ({"requestValidatorId": "nosuch"}, "BadRequestException", "Invalid Request Validator identifier specified"),
            (
                {"requestModels": {"application/json": "petModel"}},
                "BadRequestException",
                "Invalid model identifier specified: petModel",
            ),
            (
                {"requestParameters": {"method.request.path.a": True, "method.request.header.a": True}},
                "BadRequestException",
                "Parameter names must be unique across querystring, header and path",
            ),
        ],
    )
    def test_methods_that_cannot_be(self, rest, api, settings, code, words):  # noqa: F811
        place = {"restApiId": api[0], "resourceId": api[1], "httpMethod": "GET", "authorizationType": "NONE"}
        refuses(code, words, rest.put_method, **(place | settings))
        assert "resourceMethods" not in rest.get_resource(restApiId=api[0], resourceId=api[1])

    def test_updates(self, rest, api):  # noqa: F811
        place = {"restApiId": api[0], "resourceId": api[1], "httpMethod": "ANY"}
        rest.put_method(**place, authorizationType="NONE")
        authorizer = rest.create_authorizer(
            restApiId=api[0], name="a", type="TOKEN", authorizerUri=FUNCTION, identitySource="method.request.header.A"
        )["id"]

        def update(*changes):
            return shown(rest.update_method(**place, patchOperations=list(changes)))

        changed = update(
            op("add", "/requestParameters/method.request.querystring.q", "true"),
            op("add", "/requestModels/application~1json", "Empty"),
        )
        assert changed["requestParameters"] == {"method.request.querystring.q": True}
        assert changed["requestModels"] == {"application/json": "Empty"}
        changed = update(
            op("replace", "/authorizationType", "CUSTOM"),
            op("replace", "/authorizerId", authorizer),
            op("replace", "/apiKeyRequired", "true"),
            op("replace", "/operationName", "Get"),
            op("replace", "/requestParameters/method.request.querystring.q", "false"),
        )
        assert (changed["authorizationType"], changed["authorizerId"]) == ("CUSTOM", authorizer)
        assert (changed["apiKeyRequired"], changed["operationName"]) == (True, "Get")
        assert changed["requestParameters"] == {"method.request.querystring.q": False}
        changed = update(
            op("remove", "/requestParameters/method.request.querystring.q"), op("remove", "/requestModels/application~1json")
        )
        assert "requestParameters" not in changed and "requestModels" not in changed
        words = f"Cannot delete authorizer '{authorizer}', is referenced in method: //ANY"
        refuses("ConflictException", words, rest.delete_authorizer, restApiId=api[0], authorizerId=authorizer)
        assert "authorizerId" not in update(op("replace", "/authorizationType", "NONE"))
        assert status(rest.delete_authorizer(restApiId=api[0], authorizerId=authorizer)) == 202

    @pytest.mark.parametrize(
        "change, words",
        [
            (op("add", "/apiKeyRequired", "true"), "Invalid patch operation specified. Must be one of: [replace]"),
            (op("remove", "/authorizationType"), "Invalid patch operation specified. Must be one of: [replace]"),
            (op("replace", "/httpMethod", "GET"), "Invalid patch path /httpMethod"),
            (op("add", "/requestParameters", "a"), "Invalid patch path /requestParameters"),
            (
                op("add", "/requestModels/application/json", "Empty"),
                "Invalid patch path /requestModels/application/json",
            ),
            (op("replace", "/requestValidatorId", "nosuch"), "Invalid Request Validator identifier specified"),
        ],
    )
    def test_wrong_updates(self, rest, api, change, words):  # noqa: F811
        place = {"restApiId": api[0], "resourceId": api[1], "httpMethod": "GET"}
        rest.put_method(**place, authorizationType="NONE")
        refuses("BadRequestException", words, rest.update_method, **place, patchOperations=[change])

    def test_responses(self, rest, api):  # noqa: F811
        place = {"restApiId": api[0], "resourceId": api[1], "httpMethod": "GET"}
        rest.put_method(**place, authorizationType="NONE")
        of = place | {"statusCode": "200"}
        made = rest.put_method_response(**of, responseParameters={}, responseModels={})
        assert (status(made), shown(made)) == (201, {"statusCode": "200", "responseParameters": {}, "responseModels": {}})
        refuses("ConflictException", "Response already exists for this resource", rest.put_method_response, **of)
        name = "/responseParameters/method.response.header.my-header"
        changed = rest.update_method_response(
            **of, patchOperations=[op("add", name, "true"), op("add", "/responseModels/application~1json", "Empty")]
        )
        assert status(changed) == 201
        assert changed["responseParameters"] == {"method.response.header.my-header": True}
        for change, code, words in [
            (op("replace", "/responseParameters/other", "true"), "NotFoundException", "Invalid parameter name specified"),
            (op("remove", "/responseModels/text~1xml"), "NotFoundException", "Content-Type specified was not found"),
            (op("add", "/wrong/a", "true"), "BadRequestException", "Invalid patch path /wrong/a"),
        ]:
            refuses(code, words, rest.update_method_response, **of, patchOperations=[change])
        words = (
            "1 validation error detected: Value 'wrong' at 'statusCode' failed to satisfy constraint: Member must satisfy "
            r"regular expression pattern: [1-5]\d\d"
        )
        refuses("ValidationException", words, rest.get_method_response, **place, statusCode="wrong")
        assert status(rest.delete_method_response(**of)) == 204
        refuses("NotFoundException", "Invalid Response status code specified", rest.get_method_response, **of)


class TestIntegrations:
    def test_a_mock(self, rest, api):  # noqa: F811
        place = mock(rest, *api)
        assert shown(rest.get_integration(**place)) == {
            "type": "MOCK",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "passthroughBehavior": "WHEN_NO_MATCH",
            "timeoutInMillis": 29000,
            "cacheNamespace": api[1],
            "cacheKeyParameters": [],
        }
        made = rest.put_integration_response(
            **place, statusCode="200", selectionPattern="", responseTemplates={"application/json": ""}
        )
        assert status(made) == 201
        assert shown(made) == {
            "statusCode": "200",
            "selectionPattern": "",
            "responseTemplates": {"application/json": None},
        }
        assert status(rest.delete_integration_response(**place, statusCode="200")) == 204
        assert "integrationResponses" not in rest.get_integration(**place)
        assert status(rest.delete_integration(**place)) == 204
        refuses("NotFoundException", "Invalid Integration identifier specified", rest.get_integration, **place)

    @pytest.mark.parametrize(
        "settings, code, words",
        [
            ({"type": "AWS_PROXY", "uri": FUNCTION}, "BadRequestException", "Enumeration value for HttpMethod must be non-empty"),
            ({"type": "HTTP", "uri": "nowhere"}, "BadRequestException", "Invalid HTTP endpoint specified for URI"),
            ({"type": "AWS", "uri": "nowhere"}, "BadRequestException", "Invalid ARN specified in the request"),
            (
                {"type": "AWS", "uri": "arn:aws:apigateway:us-east-1:sqs:q"},
                "BadRequestException",
                "AWS ARN for integration must contain path or action",
            ),
            (
                {"type": "AWS", "uri": "arn:aws:apigateway:us-east-1:sqs:path/1/q"},
                "BadRequestException",
                "Role ARN must be specified for AWS integrations",
            ),
            (
                {
                    "type": "AWS",
                    "uri": "arn:aws:apigateway:us-east-1:sqs:path/1/q",
                    "credentials": "arn:aws:iam::111111111111:role/other",
                },
                "AccessDeniedException",
                "Cross-account pass role is not allowed.",
            ),
            (
                {"type": "AWS_PROXY", "uri": "arn:aws:apigateway:us-east-1:sqs:path/1/q", "credentials": ROLE},
                "BadRequestException",
                "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
            ),
            (
                {"type": "MOCK", "requestParameters": {"integration.request.path.a": "true"}},
                "BadRequestException",
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping "
                "expression specified: true]",
            ),
            (
                {"type": "MOCK", "requestParameters": {"integration.request.path.a": "method.request.path.a"}},
                "BadRequestException",
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping "
                "expression specified: method.request.path.a]",
            ),
            (
                {"type": "MOCK", "requestTemplates": {"123": "a"}},
                "BadRequestException",
                "Validation Result: warnings : [], errors : [Invalid content type specified: 123]",
            ),
            (
                {"type": "HTTPS_PROXY"},
                "ValidationException",
                "1 validation error detected: Value 'HTTPS_PROXY' at 'putIntegrationInput.type' failed to satisfy "
                "constraint: Member must satisfy enum value set: [HTTP, MOCK, AWS_PROXY, HTTP_PROXY, AWS]",
            ),
        ],
    )
    def test_integrations_that_cannot_be(self, rest, api, settings, code, words):  # noqa: F811
        place = {"restApiId": api[0], "resourceId": api[1], "httpMethod": "GET"}
        rest.put_method(**place, authorizationType="NONE")
        if settings["type"] in ("HTTP", "AWS") or "credentials" in settings:
            settings = settings | {"integrationHttpMethod": "POST"}
        refuses(code, words, rest.put_integration, **place, **settings)
        refuses("NotFoundException", "Invalid Integration identifier specified", rest.get_integration, **place)

    def test_what_is_not_there(self, rest, api):  # noqa: F811
        place = mock(rest, *api)
        no_resource = "Invalid Resource identifier specified"
        for wrong in ({"restApiId": "nosuch"}, {"resourceId": "nosuch"}):
            refuses("NotFoundException", no_resource, rest.get_integration, **(place | wrong))
            refuses("NotFoundException", no_resource, rest.put_integration, **(place | wrong), type="MOCK")
        wrong = place | {"httpMethod": "POST"}
        refuses("NotFoundException", "Invalid Method identifier specified", rest.get_integration, **wrong)
        refuses("NotFoundException", "Invalid Method identifier specified", rest.put_integration, **wrong, type="MOCK")
        no_integration = "Invalid Integration identifier specified"
        refuses("NotFoundException", no_integration, rest.delete_integration_response, **wrong, statusCode="200")
        no_status = "Invalid Response status code specified"
        refuses("NotFoundException", no_status, rest.delete_integration_response, **place, statusCode="200")

    def test_updates(self, rest, api):  # noqa: F811
        place = {"restApiId": api[0], "resourceId": api[1], "httpMethod": "GET"}
        rest.put_method(**place, authorizationType="NONE", requestParameters={"method.request.querystring.q": False})
        rest.put_integration(**place, type="AWS_PROXY", integrationHttpMethod="POST", uri=FUNCTION)

        def update(*changes):
            return shown(rest.update_integration(**place, patchOperations=list(changes)))

        changed = update(
            op("replace", "/timeoutInMillis", "5000"),
            op("replace", "/passthroughBehavior", "NEVER"),
            op("add", "/requestParameters/integration.request.querystring.q", "method.request.querystring.q"),
            op("add", "/requestTemplates/application~1json", "$input.body"),
            op("add", "/cacheKeyParameters/method.request.querystring.q", ""),
            op("replace", "/contentHandling", "CONVERT_TO_TEXT"),
            op("replace", "/credentials", ROLE),
        )
        assert changed["timeoutInMillis"] == 5000
        assert changed["passthroughBehavior"] == "NEVER"
        assert changed["requestParameters"] == {"integration.request.querystring.q": "method.request.querystring.q"}
        assert changed["requestTemplates"] == {"application/json": "$input.body"}
        assert changed["cacheKeyParameters"] == ["method.request.querystring.q"]
        assert (changed["contentHandling"], changed["credentials"]) == ("CONVERT_TO_TEXT", ROLE)
        changed = update(
            op("remove", "/requestTemplates/application~1json"),
            op("remove", "/cacheKeyParameters/method.request.querystring.q"),
            op("replace", "/contentHandling", ""),
        )
        assert "requestTemplates" not in changed and "contentHandling" not in changed
        assert changed["cacheKeyParameters"] == []
        for change, words in [
            (op("replace", "/timeoutInMillis", "30000"), "Timeout should be between 50 ms and 29000 ms"),
            (op("replace", "/uri", "nowhere"), "Invalid ARN specified in the request"),
            (op("replace", "/nothing", "a"), "Invalid patch path /nothing"),
        ]:
            refuses("BadRequestException", words, rest.update_integration, **place, patchOperations=[change])

    def test_responses_map_what_their_method_has(self, rest, api):  # noqa: F811
        place = mock(rest, *api)
        header = "method.response.header.Access-Control-Allow-Origin"
        settings = {"statusCode": "200", "responseParameters": {header: "'*'"}}
        words = (
            "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression "
            f"parameter specified: {header}]"
        )
        refuses("BadRequestException", words, rest.put_integration_response, **place, **settings)
        rest.put_method_response(**place, statusCode="200", responseParameters={header: True})
        assert rest.put_integration_response(**place, **settings)["responseParameters"] == {header: "'*'"}
        changed = rest.update_integration_response(
            **place,
            statusCode="200",
            patchOperations=[op("replace", "/selectionPattern", "5.."), op("add", "/responseTemplates/text~1xml", "<a/>")],
        )
        assert (changed["selectionPattern"], changed["responseTemplates"]) == ("5..", {"text/xml": "<a/>"})
