"""examples/petstore: a REST API imported from a public document, deployed by its script and called as its README says."""

import json
import re
import urllib.error
import urllib.request

import pytest

from support.examples import deployed


@pytest.fixture(scope="module")
def petstore(updraft, lambda_, runtimes):
    address = deployed("petstore", updraft, runtimes)
    assert re.fullmatch(rf"http://localhost:{updraft.port}/_aws/execute-api/[a-z0-9]+/v2", address)
    yield lambda path, body=None, kind="application/json": ask(address + path, body, kind)
    updraft.client("apigateway").delete_rest_api(restApiId=address.split("/")[-2])
    lambda_.delete_function(FunctionName="petstore-pets")


def ask(url, body, kind):
    """Gives status, document and headers."""
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    request = urllib.request.Request(url, data, {"Content-Type": kind} if data else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


def refused(answer, status, words):
    assert answer[0] == status, answer[1]
    assert (answer[1]["code"], answer[1]["type"]) == (status, "error") and re.search(words, answer[1]["message"]), answer[1]


def test_what_is_valid_is_mapped_to_the_function_and_back(petstore):
    pet = {"name": 'Bella "the" dog', "photoUrls": ["https://photos.example/ü"], "tags": [{"id": 1, "name": 'a "b"'}, {"name": "c"}]}
    status, added, headers = petstore("/pet", pet)
    assert (status, added) == (200, pet | {"id": added["id"], "status": "available"})
    assert headers["Location"] == f"/v2/pet/{added['id']}"
    status, found, _ = petstore("/pet/findByStatus?status=available,%20pending")
    assert status == 200 and [one["name"] for one in found] == ["Félicette", "Dolly", 'Alex "the" Parrot']
    assert set(found[0]) == {"id", "name", "photoUrls", "status"} and len(found[0]["photoUrls"]) == 2
    status, one, _ = petstore("/pet/2")
    assert (status, one["category"]) == (200, {"id": 2, "name": "cats"})


def test_what_is_invalid_by_its_model_is_refused(petstore):
    for body, why in [
        ({"name": "Bella"}, r'missing required properties \(\["photoUrls"\]\)'),
        ({"name": 1, "photoUrls": []}, r'\(integer\) does not match .* \(allowed: \["string"\]\)'),
        ({"name": "a", "photoUrls": [], "status": "lost"}, "lost"),
        ({"name": "a", "photoUrls": [], "category": {"id": "x"}}, "integer"),
        (b"{", "JSON"),
    ]:
        answer = petstore("/pet", body)
        refused(answer, 405, "^Invalid request body$")
        assert re.search(why, answer[2]["X-Reason"]), answer[2]["X-Reason"]
    refused(petstore("/pet/findByStatus"), 400, r"Missing required request parameters: \[status\]")


def test_errors_of_the_function_are_mapped(petstore):
    refused(petstore("/pet/99"), 404, "^there is no pet 99$")
    refused(petstore("/pet/%22x"), 400, 'is no id$')
    refused(petstore("/pet/findByStatus?status=lost"), 400, "^lost is no status$")


def test_what_the_gateway_answers_by_itself(petstore):
    assert petstore("/store/inventory")[:2] == (200, {"available": 2, "pending": 1, "sold": 1})
    refused(petstore("/user/login?username=a&password=b"), 501, "^GET /user/login is not built$")
    refused(petstore("/nowhere"), 404, "there is no such operation")
    # The function takes JSON alone, and the integration never passes on what it has no template for.
    status, said, _ = petstore("/pet", b"<Pet/>", "text/xml")
    assert (status, said) == (415, {"message": "Unsupported Media Type"})
