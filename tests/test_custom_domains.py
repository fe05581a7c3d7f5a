"""Custom domain names: the control plane of both versions of API Gateway over one store, through boto3."""

import contextlib
import http.client
import json

import pytest
from support.apis import bare
from support.refusals import refused

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/11111111-2222-3333-4444-555555555555"
CONFIGURATION = {"CertificateArn": CERTIFICATE, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}


@pytest.fixture
def make_domain(v2):
    made = []

    def make(name="api.example.com", **settings):
        domain = v2.create_domain_name(DomainName=name, **({"DomainNameConfigurations": [CONFIGURATION]} | settings))
        made.append(name)
        return domain

    yield make
    for name in made:
        with contextlib.suppress(v2.exceptions.NotFoundException):
            v2.delete_domain_name(DomainName=name)


@pytest.fixture
def api(v2):
    made = v2.create_api(Name="mapped", ProtocolType="HTTP")["ApiId"]
    v2.create_stage(ApiId=made, StageName="$default")
    v2.create_stage(ApiId=made, StageName="prod")
    yield made
    v2.delete_api(ApiId=made)


def test_domain_names_are_claimed_told_changed_and_given_up(v2, updraft, make_domain):
    created = make_domain(Tags={"a": "b"})
    configuration, = created["DomainNameConfigurations"]
    assert configuration["ApiGatewayDomainName"].endswith(".execute-api.us-east-1.amazonaws.com")
    del configuration["ApiGatewayDomainName"]
    assert configuration == CONFIGURATION | {
        "DomainNameStatus": "AVAILABLE", "HostedZoneId": "Z1UJRXOUMOOFQ8", "IpAddressType": "ipv4",
    }
    assert {name: value for name, value in bare(created).items() if name != "DomainNameConfigurations"} == {
        "DomainName": "api.example.com", "ApiMappingSelectionExpression": "$request.basepath", "Tags": {"a": "b"},
        "DomainNameArn": "arn:aws:apigateway:us-east-1::/domainnames/api.example.com", "RoutingMode": "API_MAPPING_ONLY",
    }
    assert "api.example.com" in {one["DomainName"] for one in v2.get_domain_names()["Items"]}
    with refused(409, "ConflictException", "The domain name you provided already exists."):
        make_domain("API.example.com")
    with refused(409, "ConflictException", "The domain name you provided already exists."):
        updraft.client("apigatewayv2", region="eu-west-1").create_domain_name(
            DomainName="api.example.com", DomainNameConfigurations=[CONFIGURATION]
        )
    changed = v2.update_domain_name(DomainName="api.example.com", DomainNameConfigurations=[{"SecurityPolicy": "TLS_1_0"}])
    assert changed["DomainNameConfigurations"][0]["SecurityPolicy"] == "TLS_1_0"
    assert changed["DomainNameConfigurations"][0]["CertificateArn"] == CERTIFICATE
    v2.tag_resource(ResourceArn=created["DomainNameArn"], Tags={"c": "d"})
    assert v2.get_domain_name(DomainName="api.example.com")["Tags"] == {"a": "b", "c": "d"}
    v2.delete_domain_name(DomainName="api.example.com")
    for call in (v2.get_domain_name, v2.delete_domain_name, v2.update_domain_name, v2.get_api_mappings):
        with refused(404, "NotFoundException", "Invalid domain name identifier specified"):
            call(DomainName="api.example.com")
    make_domain()


def test_refused_domain_names(make_domain):
    for words, settings in {
        "Exactly one domain name configuration": {"DomainNameConfigurations": []},
        "A certificate ARN must be provided": {"DomainNameConfigurations": [{"EndpointType": "REGIONAL"}]},
        "Invalid certificate ARN": {"DomainNameConfigurations": [{"CertificateArn": "arn:aws:s3:::x"}]},
        "EDGE endpoints are not supported": {"DomainNameConfigurations": [CONFIGURATION | {"EndpointType": "EDGE"}]},
        "Invalid tag": {"Tags": {"aws:a": "b"}},
    }.items():
        with refused(400, "BadRequestException", words):
            make_domain("refused.example.com", **settings)
    for name in ("localhost", "a b.example.com", "-a.example.com", "a.*.example.com"):
        with refused(400, "BadRequestException", "Invalid domain name specified"):
            make_domain(name)
    with refused(501, "NotImplemented", "mutual TLS"):
        make_domain("refused.example.com", MutualTlsAuthentication={"TruststoreUri": "s3://b/k"})
    with refused(501, "NotImplemented", "routing by rules"):
        make_domain("refused.example.com", RoutingMode="ROUTING_RULE_ONLY")


def test_mappings(v2, make_domain, api):
    make_domain()
    at = {"DomainName": "api.example.com"}
    created = v2.create_api_mapping(ApiId=api, Stage="prod", ApiMappingKey="orders/v1", **at)
    mapping = created["ApiMappingId"]
    assert bare(created) == {"ApiId": api, "ApiMappingId": mapping, "ApiMappingKey": "orders/v1", "Stage": "prod"}
    assert bare(v2.get_api_mapping(ApiMappingId=mapping, **at)) == bare(created)
    root = v2.create_api_mapping(ApiId=api, Stage="$default", **at)
    assert root["ApiMappingKey"] == ""
    changed = v2.update_api_mapping(ApiMappingId=mapping, ApiId=api, ApiMappingKey="orders", **at)
    assert (changed["ApiMappingKey"], changed["Stage"]) == ("orders", "prod")
    assert [one["ApiMappingKey"] for one in v2.get_api_mappings(**at)["Items"]] == ["", "orders"]
    for key in ("orders", ""):
        with refused(409, "ConflictException", "ApiMapping key already exists for this domain name"):
            v2.create_api_mapping(ApiId=api, Stage="prod", ApiMappingKey=key, **at)
    with refused(400, "BadRequestException", "Deleting API failed. Please remove all base path mappings"):
        v2.delete_api(ApiId=api)
    for words, settings in {
        "Invalid stage identifier specified": {"Stage": "nothing"},
        "Invalid API identifier specified": {"ApiId": "nothing"},
        "API mapping key": {"ApiMappingKey": "/orders"},
    }.items():
        with refused(400, "BadRequestException", words):
            v2.create_api_mapping(**({"ApiId": api, "Stage": "prod", "ApiMappingKey": "x"} | settings), **at)
    v2.delete_api_mapping(ApiMappingId=mapping, **at)
    for call in (v2.get_api_mapping, v2.delete_api_mapping):
        with refused(404, "NotFoundException", "Invalid API mapping identifier specified"):
            call(ApiMappingId=mapping, **at)
    v2.delete_domain_name(**at)


def ask(server, host, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", int(server.endpoint.rsplit(":", 1)[1]), timeout=30)
    connection.request(method, path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"null")


SHOWN = """
def handler(event, context):
    at = event["requestContext"]
    return {"path": event["rawPath"], "stage": at["stage"], "domain": at["domainName"], "prefix": at["domainPrefix"]}
"""


def test_hosts_and_paths_lead_to_stages(updraft, v2, make_domain, create):
    function = create.python(SHOWN)
    api = v2.create_api(Name="behind", ProtocolType="HTTP", Target=function.arn)["ApiId"]
    v2.create_stage(ApiId=api, StageName="prod", AutoDeploy=True)
    function.client.add_permission(
        FunctionName=function.name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    make_domain("shop.example.com")
    make_domain("*.example.com")
    host = "shop.example.com"
    assert ask(updraft, host, "/orders/7") == (403, {"message": "Forbidden"})
    v2.create_api_mapping(DomainName=host, ApiId=api, Stage="prod", ApiMappingKey="orders")
    root = v2.create_api_mapping(DomainName=host, ApiId=api, Stage="$default")["ApiMappingId"]
    wild = v2.create_api_mapping(DomainName="*.example.com", ApiId=api, Stage="$default")["ApiMappingId"]

    def stage(host, path):
        status, shown = ask(updraft, host, path)
        return shown.get("stage") if status == 200 else status

    assert stage(host, "/orders/7") == "prod", "the longest key wins, at once"
    assert stage(host, "/ordersets") == "$default", "segment by segment"
    status, shown = ask(updraft, "SHOP.example.com:4566", "/x")
    assert status == 200 and shown["prefix"].lower() == "shop"
    assert stage("any.example.com", "/orders/7") == "$default", "the wildcard's own mappings"
    v2.delete_api_mapping(DomainName="*.example.com", ApiMappingId=wild)
    assert stage("any.example.com", "/x") == 403
    v2.delete_api_mapping(DomainName=host, ApiMappingId=root)
    assert stage(host, "/x") == 403 and stage(host, "/orders") == "prod"
    for mapping in v2.get_api_mappings(DomainName=host)["Items"]:
        v2.delete_api_mapping(DomainName=host, ApiMappingId=mapping["ApiMappingId"])
    v2.delete_domain_name(DomainName=host)
    v2.delete_api(ApiId=api)
