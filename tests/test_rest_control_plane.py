"""The control plane of REST APIs: APIs and their resources, with boto3."""

import json

import pytest
from botocore.exceptions import ClientError

from support.refusals import refuses
from support.rest_control import api, mock, op, rest, shown, status  # noqa: F401  (fixtures)


class TestRestApis:
    def test_a_new_api_has_aws_defaults(self, rest):  # noqa: F811
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
    def test_wrong_settings_make_no_api(self, rest, settings, code, words):  # noqa: F811
        before = len(rest.get_rest_apis(limit=500)["items"])
        refuses(code, words, rest.create_rest_api, name="wrong", **settings)
        assert len(rest.get_rest_apis(limit=500)["items"]) == before

    def test_private_apis_are_dual_stack_and_policies_become_whole(self, rest):  # noqa: F811
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

    def test_users_may_choose_an_id_once(self, rest):  # noqa: F811
        made = rest.create_rest_api(name="mine", tags={"_custom_id_": "my-own-id"})
        assert made["id"] == "my-own-id"
        with pytest.raises(ClientError) as error:
            rest.create_rest_api(name="mine", tags={"_custom_id_": "my-own-id"})
        assert error.value.response["Error"]["Code"] == "ConflictException"
        rest.delete_rest_api(restApiId="my-own-id")
        with pytest.raises(ClientError) as error:
            rest.create_rest_api(name="mine", tags={"_custom_id_": "not/possible"})
        assert error.value.response["Error"]["Code"] == "BadRequestException"

    def test_updates(self, rest, api):  # noqa: F811
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
    def test_wrong_updates_change_nothing(self, rest, api, change, words):  # noqa: F811
        before = shown(rest.get_rest_api(restApiId=api[0]))
        changes = [op("replace", "/name", "other"), change]
        refuses("BadRequestException", words, rest.update_rest_api, restApiId=api[0], patchOperations=changes)
        assert shown(rest.get_rest_api(restApiId=api[0])) == before

    def test_wrong_operations_are_counted(self, rest, api):  # noqa: F811
        words = (
            "2 validation errors detected: Value 'wrong' at 'updateRestApiInput.patchOperations.1.member.op' failed to satisfy "
            "constraint: Member must satisfy enum value set: [add, remove, move, test, replace, copy]; Value 'wrong' at "
            "'updateRestApiInput.patchOperations.2.member.op' failed to satisfy constraint: Member must satisfy enum value "
            "set: [add, remove, move, test, replace, copy]"
        )
        changes = [op("wrong", "/name", "a"), op("wrong", "/name", "b")]
        refuses("ValidationException", words, rest.update_rest_api, restApiId=api[0], patchOperations=changes)

    def test_pages(self, rest):  # noqa: F811
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

    def test_a_clone_has_what_its_original_has(self, rest, api):  # noqa: F811
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
    def test_the_tree(self, rest, api):  # noqa: F811
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

    def test_where_nothing_can_be(self, rest, api):  # noqa: F811
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
    def test_moves_that_cannot_be(self, rest, api, change, code, words):  # noqa: F811
        api_id, root = api
        pets = rest.create_resource(restApiId=api_id, parentId=root, pathPart="pets")["id"]
        rest.create_resource(restApiId=api_id, parentId=root, pathPart="sibling")
        child = rest.create_resource(restApiId=api_id, parentId=pets, pathPart="child")["id"]
        change = change | {"value": child} if change.get("value") == "CHILD" else change
        refuses(code, words, rest.update_resource, restApiId=api_id, resourceId=pets, patchOperations=[change])
        assert rest.get_resource(restApiId=api_id, resourceId=child)["path"] == "/pets/child"

    def test_the_root_stays(self, rest, api):  # noqa: F811
        api_id, root = api
        for path in ("pathPart", "parentId"):
            words = f"Root resource cannot update its {path}."
            changes = [op("replace", f"/{path}", "a")]
            refuses("BadRequestException", words, rest.update_resource, restApiId=api_id, resourceId=root, patchOperations=changes)
        with pytest.raises(ClientError, match="Root resource"):
            rest.delete_resource(restApiId=api_id, resourceId=root)

    def test_methods_are_embedded_where_asked_for(self, rest, api):  # noqa: F811
        api_id, root = api
        mock(rest, api_id, root)
        assert rest.get_resource(restApiId=api_id, resourceId=root)["resourceMethods"] == {"GET": {}}
        whole = rest.get_resources(restApiId=api_id, embed=["methods"])["items"][0]["resourceMethods"]["GET"]
        assert whole["methodIntegration"]["type"] == "MOCK"
