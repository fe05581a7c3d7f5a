"""Fixtures: one server for the whole session, functions that clean up after themselves, servers of a test's own."""

import contextlib
import json
import subprocess
import sys

import pytest

from support import functions, http_apis, images, server
from support.functions import ROLE, Function
from support.sockets import SocketApi


def pytest_collection_modifyitems(items):
    """Whoever asks that nobody else be harmed is hostile."""
    for item in items:
        if "unharmed" in item.fixturenames:
            item.add_marker("hostile")


@pytest.fixture(scope="session")
def executable():
    return server.binary()


@pytest.fixture(scope="session")
def runtimes_dir(executable):
    return server.runtimes_dir()


@pytest.fixture(scope="session")
def runtimes(runtimes_dir):
    return functions.Runtimes.on_host(runtimes_dir)


@pytest.fixture(scope="session")
def updraft(executable, runtimes_dir, tmp_path_factory):
    """The session's server. At the end it is asked to stop, must do so cleanly and leave nothing."""
    with server.Server(executable, runtimes_dir, tmp_path_factory.mktemp("updraft") / "data") as running:
        yield running


@pytest.fixture
def another_server(executable, runtimes_dir, tmp_path):
    """Makes servers of a test's own, in the test's directory; stops those that still run."""
    made = []

    def make(name="data", **settings):
        one = server.Server(executable, runtimes_dir, tmp_path / name, **settings)
        made.append(one)
        return one

    yield make
    for one in made:
        if one.is_running():
            one.kill()


@pytest.fixture(scope="session")
def lambda_(updraft):
    return updraft.client("lambda")


@pytest.fixture(scope="session")
def v2(updraft):
    """API Gateway's second version."""
    return updraft.client("apigatewayv2")


@pytest.fixture
def make_api(v2):
    """Makes HTTP APIs for one test."""
    made = []

    def make(**settings):
        api = v2.create_api(**({"Name": "pets", "ProtocolType": "HTTP"} | settings))
        made.append(api["ApiId"])
        return api

    yield make
    for api_id in made:
        with contextlib.suppress(v2.exceptions.NotFoundException):
            v2.delete_api(ApiId=api_id)


@pytest.fixture
def socket_api(updraft):
    """Makes WebSocket APIs for one test."""
    made = []

    def make(*arguments, on=None, **settings):
        made.append(SocketApi(on or updraft, *arguments, **settings))
        return made[-1]

    yield make
    for one in made:
        if one.server.is_running():
            one.delete()


@pytest.fixture
def serve_api(v2):
    """Makes HTTP APIs that one test calls."""
    maker = http_apis.Maker(v2)
    yield maker
    maker.remove_all()


@pytest.fixture(scope="module")
def echo_function(shared):
    """A function that answers with its event."""
    return shared.python(http_apis.ECHO)


@pytest.fixture(scope="module")
def says(shared):
    """A function that answers with what its event's body says."""
    return shared.python(http_apis.SAYS)


@pytest.fixture
def echo_server():
    """An HTTP server that tells what it was asked."""
    with http_apis.Backend(http_apis.echo) as backend:
        yield backend


@pytest.fixture(scope="session")
def logs(updraft):
    return updraft.client("logs")


@pytest.fixture
def create(lambda_, runtimes):
    """Makes functions for one test."""
    factory = functions.Factory(lambda_, runtimes)
    yield factory
    factory.remove_all()


@pytest.fixture(scope="module")
def shared(lambda_, runtimes):
    """Makes functions that the tests of a module share."""
    factory = functions.Factory(lambda_, runtimes)
    yield factory
    factory.remove_all()


@pytest.fixture(scope="session")
def load_image(updraft, executable):
    """`updraft image load` with an archive from standard input."""

    def load(archive, *arguments, ok=True):
        done = subprocess.run(
            [executable, "image", "load", "-", *arguments],
            input=archive,
            env=updraft.client_environment(),
            capture_output=True,
            timeout=300,
        )
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return (done.stdout if ok else done.stderr).decode()

    return load


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return images.static_runtime(tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="session")
def scratch(program):
    """An image from scratch: one file, three layers."""
    base = images.Layer().file("bin/runtime", program, 0o755).file("etc/gone", "x").file("etc/kept", "below").bytes()
    middle = images.Layer().whiteout("etc/gone").file("work/place", "x").file("old/x", "x").bytes()
    top = images.Layer().opaque("old").file("old/y", "y").link("usr/bin/alias", "/bin/runtime").bytes()
    config = {"Entrypoint": ["/bin/runtime"], "Cmd": ["from", "image"], "WorkingDir": "/work", "Env": ["GREETING=hello"]}
    return images.Image([base, middle, top], **config, User="nobody")


@pytest.fixture
def create_image(lambda_, create):
    """Makes functions of images."""

    def make(uri, wait=True, **settings):
        name = create.name("image")
        defaults = {"Role": ROLE, "Timeout": 20, "PackageType": "Image", "MemorySize": 256}
        lambda_.create_function(FunctionName=name, Code={"ImageUri": uri}, **(defaults | settings))
        create.made.append(name)
        function = Function(lambda_, name)
        return function.wait() if wait else function

    return make


@pytest.fixture(scope="session")
def powertools(tmp_path_factory):
    """Parses an event with a model of Powertools' parser, in a process of its own."""
    target = tmp_path_factory.mktemp("powertools")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
    subprocess.run([*pip, "aws-lambda-powertools[parser]==3.*"], check=True)
    source = (
        "import sys\nfrom aws_lambda_powertools.utilities.parser import models\n"
        "print(getattr(models, sys.argv[1]).model_validate_json(sys.stdin.read()).model_dump_json(by_alias=True))"
    )

    def parse(model, event):
        command = [sys.executable, "-c", source, model]
        environment = server.environment(PYTHONPATH=str(target))
        done = subprocess.run(command, input=json.dumps(event), env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return parse
