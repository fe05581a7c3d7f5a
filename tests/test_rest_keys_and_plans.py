"""What stands beside REST APIs: keys, usage plans, documentation, certificates, VPC links; test calls; the AWS CLI."""

import json
import ssl
import subprocess

import pytest
from botocore.exceptions import ClientError

from support.refusals import refuses
from support.rest_control import api, mock, op, rest, shown, status  # noqa: F401  (fixtures)


@pytest.fixture
def key(rest):  # noqa: F811
    made = rest.create_api_key(name="key", enabled=True)
    yield made
    rest.delete_api_key(apiKey=made["id"])


@pytest.fixture
def staged(rest, api):  # noqa: F811
    """An API with a stage: its id."""
    mock(rest, *api)
    rest.create_deployment(restApiId=api[0], stageName="dev")
    return api[0]


@pytest.fixture
def plan(rest, staged):  # noqa: F811
    quota = {"limit": 10, "period": "DAY"}
    made = rest.create_usage_plan(name="plan", apiStages=[{"apiId": staged, "stage": "dev"}], quota=quota)
    yield made
    stages = rest.get_usage_plan(usagePlanId=made["id"])["apiStages"]
    changes = [op("remove", "/apiStages", f"{one['apiId']}:{one['stage']}") for one in stages]
    rest.update_usage_plan(usagePlanId=made["id"], patchOperations=changes)
    rest.delete_usage_plan(usagePlanId=made["id"])


class TestKeys:
    def test_a_key_shows_its_value_where_it_is_asked_for(self, rest, key):  # noqa: F811
        assert status(key) == 201
        value = key["value"]
        assert len(value) == 40
        expected = {"id": key["id"], "name": "key", "enabled": True, "stageKeys": [], "tags": {}}
        assert shown(rest.get_api_key(apiKey=key["id"])) == expected
        assert rest.get_api_key(apiKey=key["id"], includeValue=True)["value"] == value
        listed = {one["id"]: one for one in rest.get_api_keys(nameQuery="ke", limit=500)["items"]}
        assert "value" not in listed[key["id"]]
        assert key["id"] not in [one["id"] for one in rest.get_api_keys(nameQuery="other")["items"]]
        changed = rest.update_api_key(
            apiKey=key["id"], patchOperations=[op("replace", "/enabled", "false"), op("replace", "/customerId", "c")]
        )
        assert (changed["enabled"], changed["customerId"], "value" in changed) == (False, "c", False)
        assert [one["id"] for one in rest.get_api_keys(customerId="c")["items"]] == [key["id"]]
        words = "API Key already exists"
        refuses("ConflictException", words, rest.create_api_key, name="same", value=value)

    def test_keys_that_cannot_be(self, rest, key):  # noqa: F811
        words = "API Key value should be at least 20 characters"
        refuses("BadRequestException", words, rest.create_api_key, name="a", value="short")
        for call in (rest.get_api_key, rest.delete_api_key):
            refuses("NotFoundException", "Invalid API Key identifier specified", call, apiKey="nosuch")
        words = (
            "Invalid patch path  '/id' specified for op 'replace'. Must be one of: [/name, /description, /enabled, "
            "/customerId, /value]"
        )
        change = op("replace", "/id", "a")
        refuses("BadRequestException", words, rest.update_api_key, apiKey=key["id"], patchOperations=[change])

    def test_keys_are_imported(self, rest, plan):  # noqa: F811
        file = f"Name,key,description,Enabled,usageplanIds\na,imported-key-0123456789,\"d, e\",true,{plan['id']}\nb,short,,,\n"
        done = rest.import_api_keys(body=file.encode(), format="csv")
        assert status(done) == 201
        assert done["warnings"] == ["API Key value should be at least 20 characters"]
        (made,) = done["ids"]
        assert rest.get_api_key(apiKey=made)["description"] == "d, e"
        assert [one["id"] for one in rest.get_usage_plan_keys(usagePlanId=plan["id"])["items"]] == [made]
        with pytest.raises(ClientError, match="Missing required column: key"):
            rest.import_api_keys(body=b"name,value\n", format="csv")
        rest.delete_api_key(apiKey=made)
        assert rest.get_usage_plan_keys(usagePlanId=plan["id"])["items"] == []


class TestPlans:
    def test_a_plan(self, rest, plan, staged):  # noqa: F811
        expected = {
            "id": plan["id"],
            "name": "plan",
            "apiStages": [{"apiId": staged, "stage": "dev"}],
            "quota": {"limit": 10, "offset": 0, "period": "DAY"},
        }
        assert (status(plan), shown(plan)) == (201, expected)
        assert shown(rest.get_usage_plan(usagePlanId=plan["id"])) == expected | {"tags": {}}
        assert expected in rest.get_usage_plans(limit=500)["items"]

        def update(*changes):
            return shown(rest.update_usage_plan(usagePlanId=plan["id"], patchOperations=list(changes)))

        method = f"/apiStages/{staged}:dev/throttle/~1pets~1GET"
        changed = update(
            op("replace", "/throttle/rateLimit", "200"),
            op("replace", "/throttle/burstLimit", "100"),
            op("add", f"{method}/rateLimit", "2"),
        )
        assert changed["throttle"] == {"burstLimit": 100, "rateLimit": 200.0}
        assert changed["apiStages"][0]["throttle"] == {"/pets/GET": {"rateLimit": 2.0}}
        changed = update(op("remove", "/throttle"), op("remove", method), op("remove", "/quota"))
        assert "throttle" not in changed and "quota" not in changed
        assert changed["apiStages"] == [{"apiId": staged, "stage": "dev"}]
        with pytest.raises(ClientError, match="there are API Stages associated"):
            rest.delete_usage_plan(usagePlanId=plan["id"])
        for value in (None, "nocolon"):
            change = {"usagePlanId": plan["id"], "patchOperations": [op("add", "/apiStages", value)]}
            refuses("BadRequestException", "Invalid API Stage specified", rest.update_usage_plan, **change)
        for kind, name in (("add", "nosuch"), ("remove", "other")):
            words = f"Invalid API Stage {{api: {staged}, stage: {name}}} specified for usageplan {plan['id']}"
            change = {"usagePlanId": plan["id"], "patchOperations": [op(kind, "/apiStages", f"{staged}:{name}")]}
            refuses("NotFoundException", words, rest.update_usage_plan, **change)

    @pytest.mark.parametrize(
        "settings, code, words",
        [
            (
                {"apiStages": [{"apiId": "nosuch", "stage": "dev"}]},
                "NotFoundException",
                "API Stage not found: nosuch:dev",
            ),
            ({"name": ""}, "BadRequestException", "Usage Plan name must be non-empty"),
            (
                {"quota": {"limit": 0, "period": "DAY"}},
                "BadRequestException",
                "Usage Plan quota requires a limit greater than 0 and a period of DAY, WEEK or MONTH",
            ),
        ],
    )
    def test_plans_that_cannot_be(self, rest, settings, code, words):  # noqa: F811
        refuses(code, words, rest.create_usage_plan, **({"name": "plan"} | settings))

    def test_keys_of_plans(self, rest, plan, key, staged):  # noqa: F811
        place = {"usagePlanId": plan["id"], "keyId": key["id"]}
        made = rest.create_usage_plan_key(**place, keyType="API_KEY")
        expected = {"id": key["id"], "type": "API_KEY", "name": "key", "value": key["value"]}
        assert (status(made), shown(made)) == (201, expected)
        assert shown(rest.get_usage_plan_key(**place)) == expected
        assert [one["id"] for one in rest.get_usage_plans(keyId=key["id"])["items"]] == [plan["id"]]
        other = rest.create_usage_plan(name="other", apiStages=[{"apiId": staged, "stage": "dev"}])["id"]
        with pytest.raises(ClientError, match="already associated with another usage plan"):
            rest.create_usage_plan_key(usagePlanId=other, keyId=key["id"], keyType="API_KEY")
        rest.update_usage_plan(usagePlanId=other, patchOperations=[op("remove", "/apiStages", f"{staged}:dev")])
        rest.delete_usage_plan(usagePlanId=other)
        assert status(rest.delete_usage_plan_key(**place)) == 202
        refuses("NotFoundException", "Invalid Usage Plan Key identifier specified", rest.get_usage_plan_key, **place)

    def test_usage(self, rest, plan, key):  # noqa: F811
        place = {"usagePlanId": plan["id"], "keyId": key["id"]}
        rest.create_usage_plan_key(**place, keyType="API_KEY")
        dates = {"startDate": "2024-12-30", "endDate": "2024-12-31"}
        usage = rest.get_usage(usagePlanId=plan["id"], **dates)
        assert shown(usage) == {"usagePlanId": plan["id"], **dates, "items": {key["id"]: [[0, 10], [0, 10]]}}
        changed = rest.update_usage(**place, patchOperations=[op("replace", "/remaining", "5")])
        assert changed["items"] == {key["id"]: [[0, 5]]}
        for wrong in ({"startDate": "2024-12-32"}, {"startDate": "2025-01-01"}):
            with pytest.raises(ClientError, match="Invalid date"):
                rest.get_usage(usagePlanId=plan["id"], **(dates | wrong))


class TestDocumentation:
    def test_parts_and_versions(self, rest, api):  # noqa: F811
        api_id, _ = api
        settings = {"restApiId": api_id, "location": {"type": "API"}, "properties": '{"foo": "bar"}'}
        made = rest.create_documentation_part(**settings)
        expected = {"id": made["id"], "location": {"type": "API"}, "properties": '{"foo": "bar"}'}
        assert (status(made), shown(made)) == (201, expected)
        with pytest.raises(ClientError, match="already exists"):
            rest.create_documentation_part(**settings)
        place = {"restApiId": api_id, "documentationPartId": made["id"]}
        words = "Invalid patch path  '/invalidPath' specified for op 'replace'. Must be one of: [/properties]"
        change = op("replace", "/invalidPath", "{}")
        refuses("BadRequestException", words, rest.update_documentation_part, **place, patchOperations=[change])
        changed = rest.update_documentation_part(**place, patchOperations=[op("replace", "/properties", '{"a": 1}')])
        assert changed["properties"] == '{"a": 1}'
        version = rest.create_documentation_version(restApiId=api_id, documentationVersion="v1")
        assert (status(version), shown(version)) == (201, {"version": "v1"})
        changed = rest.update_documentation_version(
            restApiId=api_id, documentationVersion="v1", patchOperations=[op("replace", "/description", "d")]
        )
        assert changed["description"] == "d"
        assert status(rest.delete_documentation_part(**place)) == 202
        refuses("NotFoundException", "Invalid Documentation part identifier specified", rest.get_documentation_part, **place)
        assert status(rest.delete_documentation_version(restApiId=api_id, documentationVersion="v1")) == 202


class TestLinksAndCertificates:
    def test_a_link(self, rest):  # noqa: F811
        target = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/a/b"
        made = rest.create_vpc_link(name="link", targetArns=[target])
        assert status(made) == 202
        assert shown(made) == {"id": made["id"], "name": "link", "status": "PENDING", "targetArns": [target]}
        expected = {
            "id": made["id"],
            "name": "link",
            "status": "AVAILABLE",
            "statusMessage": "Your vpc link is ready for use",
            "targetArns": [target],
        }
        assert shown(rest.get_vpc_link(vpcLinkId=made["id"])) == expected | {"tags": {}}
        assert expected in rest.get_vpc_links()["items"]
        changed = rest.update_vpc_link(vpcLinkId=made["id"], patchOperations=[op("replace", "/name", "new")])
        assert changed["name"] == "new"
        assert status(rest.delete_vpc_link(vpcLinkId=made["id"])) == 202
        for call in (rest.get_vpc_link, rest.delete_vpc_link):
            refuses("NotFoundException", "Invalid Vpc Link identifier specified", call, vpcLinkId=made["id"])
        words = "Invalid ARN. ARN is not well formed invalid-arn"
        refuses("BadRequestException", words, rest.create_vpc_link, name="a", targetArns=["invalid-arn"])
        refuses("BadRequestException", "Name cannot be empty", rest.create_vpc_link, name="", targetArns=[target])
        words = "More than one target arn specified for vpc link."
        refuses("BadRequestException", words, rest.create_vpc_link, name="a", targetArns=[target, target])

    def test_a_certificate_is_one(self, rest, staged):  # noqa: F811
        made = rest.generate_client_certificate(description="d")
        assert status(made) == 201
        ssl.create_default_context(cadata=made["pemEncodedCertificate"])
        assert (made["expirationDate"] - made["createdDate"]).days == 365
        place = {"clientCertificateId": made["clientCertificateId"]}
        change = op("replace", "/clientCertificateId", made["clientCertificateId"])
        rest.update_stage(restApiId=staged, stageName="dev", patchOperations=[change])
        with pytest.raises(ClientError, match="is in use by stage dev"):
            rest.delete_client_certificate(**place)
        rest.update_stage(restApiId=staged, stageName="dev", patchOperations=[op("replace", "/clientCertificateId", "")])
        assert status(rest.delete_client_certificate(**place)) == 202
        refuses("NotFoundException", "Invalid Client Certificate identifier specified", rest.get_client_certificate, **place)

    def test_sdk_types(self, rest):  # noqa: F811
        assert [one["id"] for one in rest.get_sdk_types()["items"]] == ["javascript"]
        assert rest.get_sdk_type(id="javascript")["friendlyName"] == "JavaScript"
        with pytest.raises(ClientError, match="Invalid SDK type"):
            rest.get_sdk_type(id="cobol")


class TestTestCalls:
    def test_a_method_is_tested_without_a_deployment(self, rest, api):  # noqa: F811
        place = mock(rest, *api)
        rest.put_method_response(**place, statusCode="200")
        rest.put_integration_response(
            **place, statusCode="200", responseTemplates={"application/json": '{"q": "$input.params(\'q\')"}'}
        )
        tested = rest.test_invoke_method(**place, pathWithQueryString="/?q=1")
        assert (tested["status"], json.loads(tested["body"])) == (200, {"q": "1"})
        assert tested["headers"]["Content-Type"] == "application/json"
        assert tested["multiValueHeaders"]["Content-Type"] == ["application/json"]
        lines = tested["log"].splitlines()
        assert lines[0].startswith("Execution log for request ")
        said = [line.split(" : ", 1)[-1] for line in lines[1:]]
        assert said == [
            "Starting execution for request: " + lines[0].split()[-1],
            "HTTP Method: GET, Resource Path: /",
            "Method request path: {}",
            "Method request query string: {q=1}",
            "Method request headers: {}",
            "Method request body before transformations: ",
            'Method response body after transformations: {"q": "1"}',
            "Method response headers: {Content-Type=application/json}",
            "Successfully completed execution",
            "Method completed with status: 200",
        ]
        assert lines[-1].endswith("Method completed with status: 200")

    def test_what_is_not_there(self, rest, api):  # noqa: F811
        place = mock(rest, *api)
        for wrong, words in [
            ({"httpMethod": "PUT"}, "Invalid Method identifier specified"),
            ({"resourceId": "nosuch"}, "Invalid Resource identifier specified"),
            ({"restApiId": "nosuch"}, "Invalid Resource identifier specified"),
        ]:
            refuses("NotFoundException", words, rest.test_invoke_method, **(place | wrong))
        words = "Invalid Authorizer identifier specified"
        refuses("NotFoundException", words, rest.test_invoke_authorizer, restApiId=api[0], authorizerId="nosuch")


def test_the_cli_makes_an_api(updraft, executable):
    def aws(*arguments):
        command = ["aws", "apigateway", *arguments, "--output", "json"]
        done = subprocess.run(command, env=updraft.client_environment(), capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout or b"{}")

    made = aws("create-rest-api", "--name", "cli", "--tags", "a=b")
    place = ["--rest-api-id", made["id"], "--resource-id", made["rootResourceId"], "--http-method", "GET"]
    aws("put-method", *place, "--authorization-type", "NONE")
    aws("put-integration", *place, "--type", "MOCK")
    deployed = aws("create-deployment", "--rest-api-id", made["id"], "--stage-name", "dev")
    change = "op=replace,path=/*/*/throttling/rateLimit,value=5"
    changed = aws("update-stage", "--rest-api-id", made["id"], "--stage-name", "dev", "--patch-operations", change)
    assert changed["deploymentId"] == deployed["id"]
    assert changed["methodSettings"]["*/*"]["throttlingRateLimit"] == 5.0
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{made['id']}"
    assert aws("get-tags", "--resource-arn", arn) == {"tags": {"a": "b"}}
    aws("delete-rest-api", "--rest-api-id", made["id"])
