"""The control plane of REST APIs: APIs, resources, methods, integrations, and all that belongs to them, with boto3."""

import json

import pytest
from botocore.exceptions import ClientError

from support.refusals import refuses

ROLE = "arn:aws:iam::000000000000:role/any"
FUNCTION = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-east-1:000000000000:function:f/invocations"
)


@pytest.fixture(scope="module")
def rest(updraft):
    return updraft.client("apigateway")


@pytest.fixture
def api(rest):
    """An API of a test's own: its id and that of its root resource."""
    made = rest.create_rest_api(name="test")
    yield made["id"], made["rootResourceId"]
    rest.delete_rest_api(restApiId=made["id"])


def shown(answer):
    """An answer without what boto3 adds and what differs each time."""
    return {key: value for key, value in answer.items() if key not in ("ResponseMetadata", "createdDate", "lastUpdatedDate")}


def status(answer):
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def op(kind, path, value=None, **more):
    made = {"op": kind, "path": path} | more
    return made if value is None else made | {"value": value}


def mock(rest, api_id, resource_id, method="GET"):
    """A method that answers by itself."""
    place = {"restApiId": api_id, "resourceId": resource_id, "httpMethod": method}
    rest.put_method(**place, authorizationType="NONE")
    rest.put_integration(**place, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    return place


class TestRestApis:
    def test_a_new_api_has_aws_defaults(self, rest):
        made = rest.create_rest_api(name="shop", description="sells", version="v1", tags={"team": "a"})
        assert status(made) == 201
        expected = {
            "id": made["id"],
            "name": "shop",
            "description": "sells",
            "version": "v1",
            "apiKeySource": "HEADER",
            "endpointConfiguration": {"types": ["EDGE"], "ipAddressType": "ipv4"},
            "disableExecuteApiEndpoint": False,
            "rootResourceId": made["rootResourceId"],
            "tags": {"team": "a"},
        }
        assert shown(made) == expected
        assert len(made["id"]) == 10
        assert shown(rest.get_rest_api(restApiId=made["id"])) == expected
        assert made["id"] in [one["id"] for one in rest.get_rest_apis(limit=500)["items"]]
        assert rest.get_resources(restApiId=made["id"])["items"] == [{"id": made["rootResourceId"], "path": "/"}]
        models = rest.get_models(restApiId=made["id"])["items"]
        assert [model["name"] for model in models] == ["Empty", "Error"]
        assert json.loads(models[0]["schema"])["title"] == "Empty Schema"
        assert status(rest.delete_rest_api(restApiId=made["id"])) == 202
        refuses(
            "NotFoundException",
            f"Invalid API identifier specified 000000000000:{made['id']}",
            rest.get_rest_api,
            restApiId=made["id"],
        )

    @pytest.mark.parametrize(
        "settings, code, words",
        [
            ({"description": ""}, "BadRequestException", "Description cannot be an empty string"),
            (
                {"minimumCompressionSize": -1},
                "BadRequestException",
                "Invalid minimum compression size, must be between 0 and 10485760",
            ),
            (
                {"endpointConfiguration": {"types": []}},
                "BadRequestException",
                "REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.",
            ),
            (
                {"endpointConfiguration": {"types": ["EDGE", "REGIONAL"]}},
                "BadRequestException",
                "Cannot create an api with multiple Endpoint Types.",
            ),
            (
                {"endpointConfiguration": {"types": ["PRIVATE"], "ipAddressType": "ipv4"}},
                "BadRequestException",
                "Only dualstack ipAddressType is supported for Private APIs.",
            ),
            (
                {"endpointConfiguration": {"types": ["wrong"], "ipAddressType": "wrong"}},
                "ValidationException",
                "2 validation errors detected: Value '[wrong]' at 'createRestApiInput.endpointConfiguration.types' failed to "
                "satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [PRIVATE, EDGE, "
                "REGIONAL]]; Value 'wrong' at 'createRestApiInput.endpointConfiguration.ipAddressType' failed to satisfy "
                "constraint: Member must satisfy enum value set: [ipv4, dualstack]",
            ),
            (
                {"policy": "{"},
                "BadRequestException",
                "Invalid policy document. Please check the policy syntax and ensure that Principals are valid.",
            ),
            ({"cloneFrom": "nosuch"}, "NotFoundException", "Invalid API identifier specified 000000000000:nosuch"),
        ],
    )
    def test_wrong_settings_make_no_api(self, rest, settings, code, words):
        before = len(rest.get_rest_apis(limit=500)["items"])
        refuses(code, words, rest.create_rest_api, name="wrong", **settings)
        assert len(rest.get_rest_apis(limit=500)["items"]) == before

    def test_private_apis_are_dual_stack_and_policies_become_whole(self, rest):
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}],
        }
        made = rest.create_rest_api(
            name="private", endpointConfiguration={"types": ["PRIVATE"]}, policy=json.dumps(policy), binaryMediaTypes=[]
        )
        assert made["endpointConfiguration"] == {"types": ["PRIVATE"], "ipAddressType": "dualstack"}
        assert "binaryMediaTypes" not in made
        whole = json.loads(made["policy"])["Statement"][0]["Resource"]
        assert whole == f"arn:aws:execute-api:us-east-1:000000000000:{made['id']}/*"
        rest.delete_rest_api(restApiId=made["id"])

    def test_users_may_choose_an_id_once(self, rest):
        made = rest.create_rest_api(name="mine", tags={"_custom_id_": "my-own-id"})
        assert made["id"] == "my-own-id"
        with pytest.raises(ClientError) as error:
            rest.create_rest_api(name="mine", tags={"_custom_id_": "my-own-id"})
        assert error.value.response["Error"]["Code"] == "ConflictException"
        rest.delete_rest_api(restApiId="my-own-id")
        with pytest.raises(ClientError) as error:
            rest.create_rest_api(name="mine", tags={"_custom_id_": "not/possible"})
        assert error.value.response["Error"]["Code"] == "BadRequestException"

    def test_updates(self, rest, api):
        api_id, _ = api

        def update(*changes):
            return rest.update_rest_api(restApiId=api_id, patchOperations=list(changes))

        changed = update(
            op("add", "/binaryMediaTypes/image~1png"),
            op("add", "/binaryMediaTypes/image~1jpeg"),
            op("replace", "/description", "new"),
            op("replace", "/apiKeySource", "AUTHORIZER"),
            op("replace", "/disableExecuteApiEndpoint", "true"),
        )
        assert changed["binaryMediaTypes"] == ["image/png", "image/jpeg"]
        assert (changed["description"], changed["apiKeySource"]) == ("new", "AUTHORIZER")
        assert changed["disableExecuteApiEndpoint"] is True
        assert changed["tags"] == {}, "an answer to an update has tags even where there are none"
        changed = update(op("replace", "/binaryMediaTypes/image~1png", "image/gif"), op("remove", "/description"))
        assert changed["binaryMediaTypes"] == ["image/jpeg", "image/gif"]
        assert "description" not in changed
        assert update(op("replace", "/minimumCompressionSize", "0"))["minimumCompressionSize"] == 0
        assert "minimumCompressionSize" not in update(op("replace", "/minimumCompressionSize"))
        changed = update(op("replace", "/endpointConfiguration/types/0", "PRIVATE"))
        assert changed["endpointConfiguration"] == {"types": ["PRIVATE"], "ipAddressType": "dualstack"}

    @pytest.mark.parametrize(
        "change, words",
        [
            (op("add", "/binaryMediaTypes", "a"), "Invalid patch path /binaryMediaTypes"),
            (op("remove", "/minimumCompressionSize"), "Invalid patch operation specified. Must be one of: [replace]"),
            (
                op("replace", "/minimumCompressionSize", "many"),
                "Invalid minimum compression size, must be between 0 and 10485760",
            ),
            (
                op("replace", "/endpointConfiguration/types/0", "wrong"),
                "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE",
            ),
            (
                op("replace", "/endpointConfiguration/ipAddressType", "wrong"),
                "ipAddressType must be either ipv4 or dualstack.",
            ),
            (
                op("copy", "/endpointConfiguration/types/0", "EDGE"),
                "Invalid patch operation specified. Must be 'add'|'remove'|'replace'",
            ),
            (op("replace", "/id", "a"), "Invalid patch path /id"),
            ({"op": "replace", "value": "a"}, "Invalid patch path null"),
        ],
    )
    def test_wrong_updates_change_nothing(self, rest, api, change, words):
        before = shown(rest.get_rest_api(restApiId=api[0]))
        changes = [op("replace", "/name", "other"), change]
        refuses("BadRequestException", words, rest.update_rest_api, restApiId=api[0], patchOperations=changes)
        assert shown(rest.get_rest_api(restApiId=api[0])) == before

    def test_wrong_operations_are_counted(self, rest, api):
        words = (
            "2 validation errors detected: Value 'wrong' at 'updateRestApiInput.patchOperations.1.member.op' failed to satisfy "
            "constraint: Member must satisfy enum value set: [add, remove, move, test, replace, copy]; Value 'wrong' at "
            "'updateRestApiInput.patchOperations.2.member.op' failed to satisfy constraint: Member must satisfy enum value "
            "set: [add, remove, move, test, replace, copy]"
        )
        changes = [op("wrong", "/name", "a"), op("wrong", "/name", "b")]
        refuses("ValidationException", words, rest.update_rest_api, restApiId=api[0], patchOperations=changes)

    def test_pages(self, rest):
        made = [rest.create_rest_api(name=f"page-{n}")["id"] for n in range(3)]
        seen, position = [], {}
        while True:
            page = rest.get_rest_apis(limit=2, **position)
            assert len(page["items"]) <= 2
            seen += [one["id"] for one in page["items"]]
            if "position" not in page:
                break
            position = {"position": page["position"]}
        assert set(made) <= set(seen) and len(seen) == len(set(seen))
        with pytest.raises(ClientError, match="Invalid position parameter specified"):
            rest.get_rest_apis(position="nonsense!")
        for api_id in made:
            rest.delete_rest_api(restApiId=api_id)

    def test_a_clone_has_what_its_original_has(self, rest, api):
        api_id, root = api
        pets = rest.create_resource(restApiId=api_id, parentId=root, pathPart="pets")["id"]
        mock(rest, api_id, pets)
        rest.create_model(restApiId=api_id, name="Pet", contentType="application/json", schema='{"type": "object"}')
        clone = rest.create_rest_api(name="clone", cloneFrom=api_id)["id"]
        resources = rest.get_resources(restApiId=clone, embed=["methods"])["items"]
        assert {one["path"]: list(one.get("resourceMethods", {})) for one in resources} == {"/": [], "/pets": ["GET"]}
        assert rest.get_model(restApiId=clone, modelName="Pet")["name"] == "Pet"
        rest.delete_rest_api(restApiId=clone)


class TestResources:
    def test_the_tree(self, rest, api):
        api_id, root = api
        pets = rest.create_resource(restApiId=api_id, parentId=root, pathPart="pets")
        assert status(pets) == 201
        assert shown(pets) == {"id": pets["id"], "parentId": root, "path": "/pets", "pathPart": "pets"}
        one = rest.create_resource(restApiId=api_id, parentId=pets["id"], pathPart="{id}")
        toys = rest.create_resource(restApiId=api_id, parentId=one["id"], pathPart="toys")
        assert toys["path"] == "/pets/{id}/toys"
        renamed = rest.update_resource(
            restApiId=api_id, resourceId=pets["id"], patchOperations=[op("replace", "/pathPart", "dogs")]
        )
        assert renamed["path"] == "/dogs"
        assert rest.get_resource(restApiId=api_id, resourceId=toys["id"])["path"] == "/dogs/{id}/toys"
        moved = rest.update_resource(
            restApiId=api_id, resourceId=one["id"], patchOperations=[op("replace", "/parentId", root)]
        )
        assert moved["path"] == "/{id}"
        assert status(rest.delete_resource(restApiId=api_id, resourceId=one["id"])) == 202
        left = rest.get_resources(restApiId=api_id)["items"]
        assert {resource["path"] for resource in left} == {"/", "/dogs"}, "what was below is gone, too"

    def test_where_nothing_can_be(self, rest, api):
        api_id, root = api

        def create(parent, part):
            return rest.create_resource(restApiId=api_id, parentId=parent, pathPart=part)

        def refuse(code, words, parent, part):
            refuses(code, words, rest.create_resource, restApiId=api_id, parentId=parent, pathPart=part)

        greedy = create(root, "{proxy+}")["id"]
        parent = create(root, "parent")["id"]
        create(parent, "{child+}")
        refuse("NotFoundException", "Invalid Resource identifier specified", "nosuch", "a")
        refuse("ConflictException", "Another resource with the same parent already has this name: parent", root, "parent")
        only_one = "A sibling ({proxy+}) of this resource already has a variable path part -- only one is allowed"
        refuse("BadRequestException", only_one, root, "{id}")
        below = "Cannot create a child of a resource with a greedy path variable: {proxy+}"
        refuse("BadRequestException", below, greedy, "a")
        letters = (
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning "
            "and the end."
        )
        for part in ("/a", "a b", "{a", "a+", ""):
            refuse("BadRequestException", letters, root, part)

    @pytest.mark.parametrize(
        "change, code, words",
        [
            (op("replace", "/parentId", "nosuch"), "NotFoundException", "Invalid Resource identifier specified"),
            (
                op("replace", "/invalid", "a"),
                "BadRequestException",
                "Invalid patch path  '/invalid' specified for op 'replace'. Must be one of: [/parentId, /pathPart]",
            ),
            (
                op("remove", "/pathPart"),
                "BadRequestException",
                "Invalid patch path  '/pathPart' specified for op 'remove'. Please choose supported operations",
            ),
            (
                op("replace", "/pathPart", "sibling"),
                "ConflictException",
                "Another resource with the same parent already has this name: sibling",
            ),
            (op("replace", "/parentId", "CHILD"), "BadRequestException", "Resources cannot be cyclical."),
        ],
    )
    def test_moves_that_cannot_be(self, rest, api, change, code, words):
        api_id, root = api
        pets = rest.create_resource(restApiId=api_id, parentId=root, pathPart="pets")["id"]
        rest.create_resource(restApiId=api_id, parentId=root, pathPart="sibling")
        child = rest.create_resource(restApiId=api_id, parentId=pets, pathPart="child")["id"]
        change = change | {"value": child} if change.get("value") == "CHILD" else change
        refuses(code, words, rest.update_resource, restApiId=api_id, resourceId=pets, patchOperations=[change])
        assert rest.get_resource(restApiId=api_id, resourceId=child)["path"] == "/pets/child"

    def test_the_root_stays(self, rest, api):
        api_id, root = api
        for path in ("pathPart", "parentId"):
            words = f"Root resource cannot update its {path}."
            changes = [op("replace", f"/{path}", "a")]
            refuses("BadRequestException", words, rest.update_resource, restApiId=api_id, resourceId=root, patchOperations=changes)
        with pytest.raises(ClientError, match="Root resource"):
            rest.delete_resource(restApiId=api_id, resourceId=root)

    def test_methods_are_embedded_where_asked_for(self, rest, api):
        api_id, root = api
        mock(rest, api_id, root)
        assert rest.get_resource(restApiId=api_id, resourceId=root)["resourceMethods"] == {"GET": {}}
        whole = rest.get_resources(restApiId=api_id, embed=["methods"])["items"][0]["resourceMethods"]["GET"]
        assert whole["methodIntegration"]["type"] == "MOCK"


class TestMethods:
    def test_a_method(self, rest, api):
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
    def test_methods_that_cannot_be(self, rest, api, settings, code, words):
        place = {"restApiId": api[0], "resourceId": api[1], "httpMethod": "GET", "authorizationType": "NONE"}
        refuses(code, words, rest.put_method, **(place | settings))
        assert "resourceMethods" not in rest.get_resource(restApiId=api[0], resourceId=api[1])

    def test_updates(self, rest, api):
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
    def test_wrong_updates(self, rest, api, change, words):
        place = {"restApiId": api[0], "resourceId": api[1], "httpMethod": "GET"}
        rest.put_method(**place, authorizationType="NONE")
        refuses("BadRequestException", words, rest.update_method, **place, patchOperations=[change])

    def test_responses(self, rest, api):
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
    def test_a_mock(self, rest, api):
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
    def test_integrations_that_cannot_be(self, rest, api, settings, code, words):
        place = {"restApiId": api[0], "resourceId": api[1], "httpMethod": "GET"}
        rest.put_method(**place, authorizationType="NONE")
        if settings["type"] in ("HTTP", "AWS") or "credentials" in settings:
            settings = settings | {"integrationHttpMethod": "POST"}
        refuses(code, words, rest.put_integration, **place, **settings)
        refuses("NotFoundException", "Invalid Integration identifier specified", rest.get_integration, **place)

    def test_what_is_not_there(self, rest, api):
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

    def test_updates(self, rest, api):
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

    def test_responses_map_what_their_method_has(self, rest, api):
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
