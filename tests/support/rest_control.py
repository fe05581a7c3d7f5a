"""The control plane of REST APIs as tests use it, through boto3: what makes APIs, what reads answers. The fixtures are imported by name."""

import pytest

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
