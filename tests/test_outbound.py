"""What a node asks of others for its tenants: where an API's integration leads, and where it does not."""

import http.client
import http.server
import json
import threading

import pytest


@pytest.fixture
def server(another_server):
    return another_server().start()


@pytest.fixture
def proxy_to(server):
    """Makes HTTP APIs whose every request goes to a URL; gives what asks them."""
    v2 = server.client("apigatewayv2")

    def make(url):
        api = v2.create_api(Name="out", ProtocolType="HTTP")["ApiId"]
        integration = v2.create_integration(
            ApiId=api, IntegrationType="HTTP_PROXY", IntegrationMethod="ANY", IntegrationUri=url, PayloadFormatVersion="1.0"
        )["IntegrationId"]
        v2.create_route(ApiId=api, RouteKey="$default", Target=f"integrations/{integration}")
        v2.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)

        def ask(method="GET", path="/", headers=None):
            connection = http.client.HTTPConnection("127.0.0.1", int(server.endpoint.rsplit(":", 1)[1]), timeout=60)
            host = {"Host": f"{api}.execute-api.us-east-1.localhost"}
            connection.request(method, path, headers=host | (headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

        return ask

    return make


def test_a_neighbours_server_is_reached_where_only_this_machine_calls(proxy_to):
    seen = []

    class Neighbour(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(dict(self.headers))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"hi")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Neighbour) as neighbour:
        threading.Thread(target=neighbour.serve_forever, daemon=True).start()
        assert proxy_to(f"http://localhost:{neighbour.server_port}/")() == (200, "hi")
        neighbour.shutdown()
    assert seen[0]["x-updraft-hops"] == "1"


def test_the_nodes_own_administration_is_out_of_reach(server, proxy_to):
    logs = server.client("logs")
    logs.create_log_group(logGroupName="stays")
    for path, method, refusal in (
        ("/_updraft/reset", "POST", 403),
        ("/_localstack/state/reset", "POST", 403),
        ("/_updraft/status", "GET", 404),
        ("/_updraft/metrics", "GET", 404),
    ):
        ask = proxy_to(server.endpoint + path)
        for forged in ({}, {"x-updraft-hops": "0"}, {"connection": "x-updraft-hops"}):
            assert ask(method, headers=forged)[0] == refusal, (path, forged)
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == ["stays"]


def test_metadata_services_are_out_of_reach(proxy_to):
    for url in ("http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/", "http://0.0.0.0/"):
        status, body = proxy_to(url)()
        assert status in (500, 503) and "meta" not in body, (status, body)


def test_an_api_that_calls_itself_comes_to_an_end(server):
    v2 = server.client("apigatewayv2")
    api = v2.create_api(Name="loop", ProtocolType="HTTP")["ApiId"]
    integration = v2.create_integration(
        ApiId=api, IntegrationType="HTTP_PROXY", IntegrationMethod="ANY", PayloadFormatVersion="1.0",
        IntegrationUri=f"{server.endpoint}/_aws/execute-api/{api}/",
    )["IntegrationId"]
    v2.create_route(ApiId=api, RouteKey="$default", Target=f"integrations/{integration}")
    v2.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    connection = http.client.HTTPConnection("127.0.0.1", int(server.endpoint.rsplit(":", 1)[1]), timeout=60)
    connection.request("GET", f"/_aws/execute-api/{api}/")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (508, {"message": "Loop Detected"})
