"""Container images that nobody loaded: asked of a registry, part by part, verified, refused, and nothing left of what failed."""

import json
import os
import threading

import pytest

from support import images, registry, tls
from support.functions import ROLE
from support.refusals import refused
from support.server import free_port

INVALID = "InvalidParameterValueException"
NO_ACCESS = "Lambda does not have permission to access the ECR image. Check the ECR permissions."


@pytest.fixture
def hub():
    with registry.Registry() as one:
        yield one


@pytest.fixture
def fresh(program):
    """Makes images of which no part is known: a known part is not asked for."""

    def make():
        layer = images.Layer().file("start", program, 0o755).file("chance", os.urandom(16)).bytes()
        above = images.Layer().file("more", os.urandom(16)).bytes()
        return images.Image([layer, above], Cmd=["/start", "pulled"], Env=["GREETING=hello"])

    return make


def layers(image):
    return [one["digest"] for one in json.loads(image.blobs[image.digest])["layers"]]


def test_an_image_is_pulled_by_tag_and_by_digest(lambda_, create_image, scratch, fresh, program, hub):
    arm = images.Image([images.Layer().file("start", program, 0o755).bytes()], architecture="arm64", Cmd=["/start"])
    name = hub.push("team/hello:1", scratch, arm)
    function = create_image(name)
    assert function.invoke({"n": 1}).ok()["arguments"] == ["/bin/runtime", "from", "image"]
    resolved = f"{hub.host}/team/hello@{scratch.digest}"
    shown = lambda_.get_function(FunctionName=function.name)
    assert shown["Code"] == {"RepositoryType": "ECR", "ImageUri": name, "ResolvedImageUri": resolved}
    assert shown["Configuration"]["CodeSha256"] == scratch.digest.removeprefix("sha256:")
    assert not hub.paths(arm.digest) and not hub.paths(layers(arm)[0]), "only what the architecture needs"

    # Layers that are there already are not fetched again, and a moved tag moves no function.
    before = len(hub.paths("/blobs/"))
    lambda_.update_function_code(FunctionName=function.name, ImageUri=resolved)
    function.wait()
    assert len(hub.paths("/blobs/")) == before
    assert hub.push("team/hello:1", fresh()) == name
    assert function.invoke().ok()["arguments"] == ["/bin/runtime", "from", "image"]
    lambda_.update_function_code(FunctionName=function.name, ImageUri=name)
    assert function.wait().invoke().ok()["arguments"] == ["/start", "pulled"]


def test_a_loaded_image_wins_over_the_registrys(load_image, create_image, scratch, fresh, hub):
    name = hub.push("both:1", fresh())
    load_image(images.archive(scratch), "--name", name)
    assert create_image(name).invoke().ok()["arguments"] == ["/bin/runtime", "from", "image"]
    assert hub.asked == []


def test_what_a_registry_does_not_have_or_garbles_is_refused(create_image, fresh, hub):
    image = fresh()
    name = hub.push("app:1", image)
    base = f"/v2/app/blobs/{layers(image)[0]}"
    for missing in (f"{hub.host}/app:2", f"{hub.host}/none:1", f"{hub.host}/app@sha256:{'0' * 64}"):
        with refused(400, INVALID, f"Source image {missing} does not exist. Provide a valid source image."):
            create_image(missing)
    for fault in (registry.content(b"another"), registry.endless, lambda request: registry.send(request, 404)):
        hub.faults[base] = fault
        with refused(400, INVALID, f"Source image {name} is not valid. Provide a valid source image."):
            create_image(name)
    del hub.faults[base]
    for fault in (registry.content(b"{"), registry.content(b" " * (4 * 1024 * 1024 + 1)), registry.endless):
        hub.faults["/v2/app/manifests/1"] = fault
        with refused(400, INVALID, f"Source image {name} is not valid."):
            create_image(name)
    del hub.faults["/v2/app/manifests/1"]
    tampered = image.blobs[image.digest] + b" "
    hub.faults[f"/v2/app/manifests/{image.digest}"] = registry.content(tampered)
    with refused(400, INVALID, "is not valid. Provide a valid source image."):
        create_image(f"{hub.host}/app@{image.digest}")
    arm = hub.push("arm:1", images.Image([images.Layer().bytes()], architecture="arm64", Cmd=["/x"]))
    before = len(hub.paths("/blobs/"))
    with refused(400, INVALID, f"Source image {arm} is not valid."):
        create_image(arm)
    assert len(hub.paths("/blobs/")) == before + 1, "its configuration said enough"
    assert create_image(name).invoke().ok()["greeting"] == "hello", "and nothing of all that stands in its way"


def test_redirects_are_followed_to_safe_places_only(create_image, fresh, hub):
    image = fresh()
    name = hub.push("app:1", image)
    path = f"/v2/app/blobs/{layers(image)[0]}"
    for location, words in (
        ("http://169.254.169.254/latest/meta-data", "not on this machine"),
        ("https://169.254.169.254/latest/meta-data", "may not be reached from here"),
        ("http://10.0.0.1/x", "not on this machine"),
        ("ftp://localhost/x", "neither http nor a path"),
        (path, "redirects more than 3 times"),
    ):
        hub.faults[path] = registry.redirect(location)
        with refused(400, INVALID, words):
            create_image(name)
    with registry.Registry() as store:
        store.blobs = image.blobs
        hub.faults[path] = registry.redirect(f"http://{store.host}{path}?signed=1")
        assert create_image(name).invoke().ok()["greeting"] == "hello"
        assert store.asked == [(f"{path}?signed=1", None)]


def test_registries_that_cannot_be_asked(create_image, create, fresh, hub):
    with refused(400, INVALID, "the registry cannot be asked"):
        create_image(f"localhost:{free_port()}/app:1")
    with refused(400, INVALID, "the registry cannot be asked"):
        create_image("registry.invalid/app:1")
    with refused(400, INVALID, "169.254.169.254 may not be reached from here"):
        create_image("169.254.169.254/app:1")
    name = hub.push("app:1", fresh())
    # The host's ports are no business of functions.
    code = """
import boto3
def handler(event, context):
    try:
        boto3.client("lambda").create_function(FunctionName="inside", Code={"ImageUri": event}, Role="%s", PackageType="Image")
    except Exception as error:
        return str(error)
""" % ROLE
    answer = create.python(code, Timeout=30).invoke(name).ok()
    assert "AccessDenied" in answer and hub.host in answer, answer
    assert hub.asked == []


def test_logins_come_from_the_configuration(another_server, fresh, tmp_path):
    with (
        registry.Registry() as anyone,
        registry.Registry("basic") as basic,
        registry.Registry("bearer") as bearer,
        registry.Registry("basic") as wrong,
        registry.Registry("bearer") as wrong_token,
        registry.Registry("bearer") as unknown,
    ):
        logins = [(basic, "secret"), (bearer, "secret"), (wrong, "other"), (wrong_token, "other")]
        tables = [f'[registries."{one.host}"]\nusername = "reader"\npassword = "{word}"\n' for one, word in logins]
        config = tmp_path / "updraft.toml"
        config.write_text("\n".join(tables))
        server = another_server(arguments=["--config", config]).start()
        client = server.client("lambda")

        def make(one):
            name = f"f{one.server.server_port}"
            uri = one.push("private/app:1", fresh())
            client.create_function(FunctionName=name, Code={"ImageUri": uri}, Role=ROLE, PackageType="Image")
            client.get_waiter("function_active_v2").wait(FunctionName=name)
            return json.load(client.invoke(FunctionName=name)["Payload"])

        for one in (wrong, wrong_token, unknown):
            with refused(403, "AccessDeniedException", NO_ACCESS):
                make(one)
        assert make(basic)["greeting"] == "hello"
        assert make(bearer)["greeting"] == "hello"
        tokens = bearer.paths("/token?")
        assert tokens == ["/token?scope=repository%3Aprivate%2Fapp%3Apull&service=tests"], "one for the whole image"
        assert make(anyone)["greeting"] == "hello"
        assert {authorization for _, authorization in anyone.asked} == {None}
        # Where a registry keeps its parts is not told who asks.
        image = fresh()
        uri, path = basic.push("private/moved:1", image), f"/v2/private/moved/blobs/{layers(image)[0]}"
        anyone.blobs |= image.blobs
        basic.faults[path] = registry.redirect(f"http://{anyone.host}{path}")
        client.create_function(FunctionName="moved", Code={"ImageUri": uri}, Role=ROLE, PackageType="Image")
        assert [authorization for asked, authorization in basic.asked if asked == path][0].startswith("Basic ")
        assert anyone.asked[-1] == (path, None)
        assert "secret" not in server.log_text()


def test_registries_over_https(another_server, fresh, tmp_path):
    authority, stranger = tls.Authority(tmp_path / "ca"), tls.Authority(tmp_path / "other", "stranger")
    with (
        registry.Registry("bearer", tls=authority.server_context("localhost")) as hub,
        registry.Registry(tls=stranger.server_context("localhost")) as unknown,
        registry.Registry(tls=authority.server_context("elsewhere.example")) as misnamed,
        registry.Registry() as plain,
    ):
        login = 'username = "reader"\npassword = "secret"\n'
        tables = [f'[registries."{one.host}"]\nhttps = true\n{login if one is hub else ""}' for one in (hub, unknown, misnamed)]
        config = tmp_path / "updraft.toml"
        config.write_text(f'ca_bundle = "{authority.bundle}"\n' + "\n".join(tables))
        client = another_server(arguments=["--config", config]).start().client("lambda")

        def create(name, uri):
            client.create_function(FunctionName=name, Code={"ImageUri": uri}, Role=ROLE, PackageType="Image")

        image = fresh()
        create("pulled", hub.push("private/app:1", image))
        client.get_waiter("function_active_v2").wait(FunctionName="pulled")
        assert json.load(client.invoke(FunctionName="pulled")["Payload"])["greeting"] == "hello"
        assert hub.paths("/token?") == ["/token?scope=repository%3Aprivate%2Fapp%3Apull&service=tests"]
        for name, one in (("unknown", unknown), ("misnamed", misnamed)):
            with refused(400, INVALID, "the registry cannot be asked: TLS: "):
                create(name, one.push("app:1", fresh()))
            assert one.asked == []
        # Nothing that came over https leads to http.
        moved = fresh()
        uri, path = hub.push("moved:1", moved), f"/v2/moved/blobs/{layers(moved)[0]}"
        hub.faults[path] = registry.redirect(f"{plain.url}{path}")
        with refused(400, INVALID, "away from https"):
            create("moved", uri)
        assert plain.asked == []


def test_a_crash_amid_a_pull_leaves_nothing(another_server, fresh, hub):
    image = fresh()
    server = another_server().start()
    name = hub.push("app:1", image)
    last = f"/v2/app/blobs/{layers(image)[-1]}"
    reached = threading.Event()

    def stall(_):
        reached.set()
        hub.released.wait()

    def blobs():
        return {path.name for path in server.data_dir.rglob("*") if "sha256:" + path.name in image.blobs}

    hub.faults[last] = stall
    create = {"FunctionName": "f", "Code": {"ImageUri": name}, "Role": ROLE, "PackageType": "Image"}

    def attempt():
        # Its server dies under it: that it fails is the point.
        with pytest.raises(Exception):
            server.client("lambda").create_function(**create)

    asking = threading.Thread(target=attempt, daemon=True)
    asking.start()
    assert reached.wait(60)
    assert blobs(), "the earlier parts are there"
    server.kill()
    server.start()
    assert blobs() == set()
    del hub.faults[last]
    client = server.client("lambda")
    client.create_function(**(create | {"FunctionName": "g"}))
    client.get_waiter("function_active_v2").wait(FunctionName="g")
    assert json.load(client.invoke(FunctionName="g")["Payload"])["greeting"] == "hello"
