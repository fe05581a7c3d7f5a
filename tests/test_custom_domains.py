"""Custom domain names: the control planes of both versions of API Gateway over one store, and requests below such names."""

import contextlib
import http.client
import json
import socket
import ssl
from urllib.parse import urlsplit

import pytest
from support.apis import bare
from support.refusals import refused
from support.tls import Authority

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
# ---- version 1


@pytest.fixture(scope="session")
def v1(updraft):
    return updraft.client("apigateway")


@pytest.fixture
def v1_domain(v1):
    made = []

    def make(name="v1.example.com", **settings):
        made.append(name)
        return v1.create_domain_name(domainName=name, **settings)

    yield make
    for name in made:
        with contextlib.suppress(v1.exceptions.NotFoundException):
            v1.delete_domain_name(domainName=name)


@pytest.fixture
def rest_api(v1):
    """An API of version 1 with a stage."""
    api = v1.create_rest_api(name="mapped")["id"]
    root = v1.get_resources(restApiId=api)["items"][0]["id"]
    at = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    v1.put_method(authorizationType="NONE", **at)
    v1.put_integration(type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'}, **at)
    v1.put_method_response(statusCode="200", **at)
    v1.put_integration_response(statusCode="200", responseTemplates={"application/json": '"mapped"'}, **at)
    v1.create_deployment(restApiId=api, stageName="prod")
    yield api
    v1.delete_rest_api(restApiId=api)


def test_both_versions_show_the_same_names(v1, v2, v1_domain, api):
    regional = v1_domain(
        regionalCertificateArn=CERTIFICATE, endpointConfiguration={"types": ["REGIONAL"]}, tags={"a": "b"}, securityPolicy="TLS_1_2"
    )
    assert regional["regionalDomainName"].endswith(".execute-api.us-east-1.amazonaws.com")
    assert (regional["regionalHostedZoneId"], regional["regionalCertificateArn"]) == ("Z1UJRXOUMOOFQ8", CERTIFICATE)
    assert (regional["domainNameStatus"], regional["securityPolicy"], regional["tags"]) == ("AVAILABLE", "TLS_1_2", {"a": "b"})
    assert regional["endpointConfiguration"] == {"types": ["REGIONAL"], "ipAddressType": "ipv4"}
    assert not {"distributionDomainName", "certificateArn"} & regional.keys()
    assert v1.get_domain_name(domainName="v1.example.com")["regionalDomainName"] == regional["regionalDomainName"]
    seen, = v2.get_domain_name(DomainName="v1.example.com")["DomainNameConfigurations"]
    assert (seen["ApiGatewayDomainName"], seen["EndpointType"]) == (regional["regionalDomainName"], "REGIONAL")
    edge = v1_domain("edge.example.com", certificateArn=CERTIFICATE)
    assert edge["distributionDomainName"].endswith(".cloudfront.net") and edge["certificateArn"] == CERTIFICATE
    assert (edge["distributionHostedZoneId"], edge["endpointConfiguration"]["types"]) == ("Z2FDTNDATAQYW2", ["EDGE"])
    assert v2.get_domain_name(DomainName="edge.example.com")["DomainNameConfigurations"][0]["EndpointType"] == "EDGE"
    assert {"v1.example.com", "edge.example.com"} <= {one["domainName"] for one in v1.get_domain_names()["items"]}
    v2.create_api_mapping(DomainName="v1.example.com", ApiId=api, Stage="prod", ApiMappingKey="a/b")
    assert v1.get_base_path_mappings(domainName="v1.example.com")["items"] == [{"basePath": "a/b", "restApiId": api, "stage": "prod"}]
    changed = v1.update_domain_name(domainName="v1.example.com", patchOperations=[
        {"op": "replace", "path": "/securityPolicy", "value": "TLS_1_0"},
        {"op": "replace", "path": "/regionalCertificateArn", "value": CERTIFICATE + "2"},
    ])
    assert (changed["securityPolicy"], changed["regionalCertificateArn"]) == ("TLS_1_0", CERTIFICATE + "2")
    arn = changed["domainNameArn"]
    v1.tag_resource(resourceArn=arn, tags={"c": "d"})
    v1.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert v1.get_tags(resourceArn=arn)["tags"] == v2.get_tags(ResourceArn=arn)["Tags"] == {"c": "d"}
    assert v1.delete_domain_name(domainName="v1.example.com")["ResponseMetadata"]["HTTPStatusCode"] == 202
    for call in (v1.get_domain_name, v1.delete_domain_name, v1.get_base_path_mappings):
        with refused(404, "NotFoundException", "Invalid domain name identifier specified"):
            call(domainName="v1.example.com")


def test_base_path_mappings(v1, v1_domain, rest_api):
    v1_domain(regionalCertificateArn=CERTIFICATE, endpointConfiguration={"types": ["REGIONAL"]})
    at = {"domainName": "v1.example.com"}
    created = v1.create_base_path_mapping(basePath="orders", restApiId=rest_api, stage="prod", **at)
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert bare(created) == {"basePath": "orders", "restApiId": rest_api, "stage": "prod"}
    assert bare(v1.create_base_path_mapping(restApiId=rest_api, **at)) == {"basePath": "(none)", "restApiId": rest_api}
    assert bare(v1.get_base_path_mapping(basePath="(none)", **at)) == {"basePath": "(none)", "restApiId": rest_api}
    changed = v1.update_base_path_mapping(basePath="(none)", patchOperations=[
        {"op": "replace", "path": "/basePath", "value": "v2"}, {"op": "replace", "path": "/stage", "value": "prod"},
    ], **at)
    assert bare(changed) == {"basePath": "v2", "restApiId": rest_api, "stage": "prod"}
    for status, code, words, settings in (
        (409, "ConflictException", "Base path already exists for this domain name", {"basePath": "orders"}),
        (400, "BadRequestException", "API Gateway V1 doesn't support the slash character (/)", {"basePath": "a/b"}),
        (400, "BadRequestException", "Invalid REST API identifier specified", {"restApiId": "nothing"}),
        (400, "BadRequestException", "Invalid stage identifier specified", {"stage": "nothing"}),
        (404, "NotFoundException", "Invalid domain name identifier specified", {"domainName": "nothing.example.com"}),
    ):
        with refused(status, code, words):
            v1.create_base_path_mapping(**(at | {"basePath": "x", "restApiId": rest_api, "stage": "prod"} | settings))
    with refused(400, "BadRequestException", "Must be one of: [/basePath, /stage, /restapiId]"):
        v1.update_base_path_mapping(basePath="v2", patchOperations=[{"op": "replace", "path": "/colour", "value": "x"}], **at)
    with refused(400, "BadRequestException", "Deleting API failed. Please remove all base path mappings"):
        v1.delete_rest_api(restApiId=rest_api)
    assert v1.delete_base_path_mapping(basePath="v2", **at)["ResponseMetadata"]["HTTPStatusCode"] == 202
    for call in (v1.get_base_path_mapping, v1.delete_base_path_mapping):
        with refused(404, "NotFoundException", "Invalid base path mapping identifier specified"):
            call(basePath="v2", **at)
    v1.delete_domain_name(**at)


def test_requests_find_their_stage_by_host_and_path(v1, v2, v1_domain, rest_api, updraft):
    v1_domain("*.shop.example.com", regionalCertificateArn=CERTIFICATE, endpointConfiguration={"types": ["REGIONAL"]})

    host = "eu.shop.example.com"
    assert ask(updraft, host, "/orders/v1")[0] == 403
    v2.create_api_mapping(DomainName="*.shop.example.com", ApiId=rest_api, Stage="prod", ApiMappingKey="orders/v1")
    assert ask(updraft, host, "/orders/v1") == (200, "mapped")
    assert ask(updraft, host, "/orders/v2")[0] == 403
    v1.create_base_path_mapping(domainName="*.shop.example.com", restApiId=rest_api)
    assert ask(updraft, host, "/prod") == (200, "mapped"), "without a stage the path goes on with its name"
    assert ask(updraft, host, "/orders/v1") == (200, "mapped")
    v1.delete_domain_name(domainName="*.shop.example.com")
    assert ask(updraft, host, "/orders/v1") != (200, "mapped")


def test_an_uploaded_certificate_is_shown_to_who_asks_for_its_name(v1, v1_domain, updraft, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.certificate("tls.example.com")
    _, other_key = authority.certificate("other.example.com")
    pem = {"certificateName": "mine", "certificateBody": certificate.read_text(), "certificateChain": authority.bundle.read_text()}
    created = v1_domain("tls.example.com", certificatePrivateKey=key.read_text(), **pem)
    assert created["certificateName"] == "mine" and created["certificateUploadDate"]
    assert "PRIVATE KEY" not in str(v1.get_domain_name(domainName="tls.example.com"))

    def shown():
        parts = urlsplit(updraft.endpoint)
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as plain:
            with authority.client_context().wrap_socket(plain, server_hostname="tls.example.com") as secure:
                return secure.getpeercert()["subjectAltName"]

    assert shown() == (("DNS", "tls.example.com"),)
    v1.delete_domain_name(domainName="tls.example.com")
    with pytest.raises(ssl.SSLError):
        shown()
    for words, settings in {
        "A private key must be provided": {},
        "Invalid certificate": {"certificatePrivateKey": "no key"},
        "Invalid certificate:": {"certificatePrivateKey": other_key.read_text()},
    }.items():
        with refused(400, "BadRequestException", words):
            v1_domain("tls.example.com", **pem, **settings)


def test_refused_names_of_version_1(v1, v1_domain):
    v1_domain(certificateArn=CERTIFICATE)
    for words, settings in {
        "The domain name you provided already exists.": {},
        "No Domain Name specified": {"domainName": ""},
        "Invalid domain name specified: localhost": {"domainName": "localhost"},
        "Invalid certificate ARN": {"domainName": "x.example.com", "certificateArn": "arn:aws:s3:::b"},
        "more than one endpoint type": {"domainName": "x.example.com", "endpointConfiguration": {"types": ["EDGE", "REGIONAL"]}},
    }.items():
        with refused(400, "BadRequestException", words):
            v1.create_domain_name(**({"domainName": "v1.example.com", "certificateArn": CERTIFICATE} | settings))
    with refused(501, "NotImplemented", "private custom domain name"):
        v1.create_domain_name(domainName="x.example.com", endpointConfiguration={"types": ["PRIVATE"]})
    with refused(400, "BadRequestException", "Invalid patch path /colour"):
        v1.update_domain_name(domainName="v1.example.com", patchOperations=[{"op": "replace", "path": "/colour", "value": "x"}])
