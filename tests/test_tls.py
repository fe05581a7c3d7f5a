"""https on the one port: certificates of the node's own authority or of the operator, clients that trust nothing else."""

import http.client
import json
import socket
import ssl
import subprocess

import boto3
import pytest

from support import tls
from support.functions import Factory
from support.server import environment


@pytest.fixture
def server(another_server):
    return another_server().start()


def port(server):
    return int(server.endpoint.rsplit(":", 1)[1])


def shown(server, name, context=None):
    """The certificate that a name is shown, as far as the client trusts it."""
    with socket.create_connection(("127.0.0.1", port(server)), timeout=30) as raw:
        with (context or ssl.create_default_context()).wrap_socket(raw, server_hostname=name) as stream:
            return stream.getpeercert(), stream.version()


def authority(server):
    """The node's authority, which is made when somebody first speaks TLS."""
    file = server.data_dir / "tls" / "authority.pem"
    if not file.exists():
        with pytest.raises(ssl.SSLCertVerificationError):
            shown(server, "localhost")
    return file


def test_nothing_is_made_before_somebody_needs_it(server):
    assert server.client("lambda").list_functions()["Functions"] == []
    assert not (server.data_dir / "tls").exists()
    file = authority(server)
    assert file.exists() and (file.with_suffix(".key").stat().st_mode & 0o777) == 0o600


def test_aws_tools_work_over_https(server, runtimes):
    file = authority(server)
    endpoint = server.endpoint.replace("http://", "https://").replace("127.0.0.1", "localhost")
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("lambda", endpoint_url=endpoint, verify=str(file), **keys)
    function = Factory(client, runtimes).python("def handler(event, context):\n    return event['headers']['x-forwarded-proto']\n")
    url = client.create_function_url_config(FunctionName=function.name, AuthType="NONE")["FunctionUrl"]
    client.add_permission(
        FunctionName=function.name, StatementId="all", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE"
    )
    assert url.startswith("https://"), "addresses that we return are of the scheme that the caller used"
    connection = http.client.HTTPSConnection("localhost", port(server), context=ssl.create_default_context(cafile=str(file)))
    connection.request("GET", url.split("/", 3)[3].join(("/", "")))
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"https")
    code = client.get_function(FunctionName=function.name)["Code"]["Location"]
    assert code.startswith("https://")


def test_curl_speaks_http_2(server):
    file = authority(server)
    url = f"https://abc.execute-api.us-east-1.localhost:{port(server)}/_updraft/health"
    command = ["curl", "-sS", "--cacert", file, "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]
    resolve = ["--resolve", f"abc.execute-api.us-east-1.localhost:{port(server)}:127.0.0.1"]
    done = subprocess.run([*command, *resolve, url], capture_output=True, text=True, timeout=60)
    version, _, status = done.stdout.partition(" ")
    assert version in ("2", "1.1") and status == "403", (done.stdout, done.stderr)
    features = subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout
    assert version == "2" or "HTTP2" not in features


def test_the_authority_vouches_for_this_machine_and_survives(server, another_server):
    file = authority(server)
    context = ssl.create_default_context(cafile=str(file))
    for name in ("localhost", "127.0.0.1", "x.localhost", "a.b.c.localhost.localstack.cloud"):
        certificate, version = shown(server, name, context)
        assert version == "TLSv1.3"
        assert name in [value for _, value in certificate["subjectAltName"]], certificate
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(server, "example.com", context)
    before = file.read_bytes()
    server.stop()
    server.start()
    assert shown(server, "localhost", context) and file.read_bytes() == before, "who trusts it need not trust again"


def test_the_operators_certificate(another_server, tmp_path):
    own = tls.Authority(tmp_path / "ca")
    certificate, key = own.certificate("updraft.example", "localhost")
    server = another_server(arguments=["--tls-cert", certificate, "--tls-key", key]).start()
    for name in ("updraft.example", "localhost"):
        shown(server, name, own.client_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(server, "other.example", own.client_context())
    assert not (server.data_dir / "tls").exists()


@pytest.mark.parametrize("missing", ["--tls-cert", "--tls-key", "both wrong", "mismatch"])
def test_certificates_that_cannot_be_used_stop_the_start(executable, another_server, tmp_path, missing):
    own = tls.Authority(tmp_path / "ca")
    certificate, key = own.certificate("a.example")
    _, other = own.certificate("b.example")
    arguments, words = {
        "--tls-cert": (["--tls-key", key], "belong together"),
        "--tls-key": (["--tls-cert", certificate], "belong together"),
        "both wrong": (["--tls-cert", key, "--tls-key", tmp_path / "none"], "none"),
        "mismatch": (["--tls-cert", certificate, "--tls-key", other], "--tls-cert and --tls-key"),
    }[missing]
    command = another_server(arguments=arguments).command()
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and words in done.stderr, done.stderr


def test_plain_http_goes_on_beside_it(server):
    authority(server)
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=30)
    connection.request("GET", "/_updraft/health")
    assert json.load(connection.getresponse())["edition"] == "updraft"
