"""Container images: made here without a container tool, loaded by the command, run in sandboxes like everything else."""

import json
import os
import subprocess

import pytest

from support import images
from support.functions import ROLE, Function
from support.refusals import refused

INVALID = "InvalidParameterValueException"
REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"

APP = """
import ctypes, errno, json, os, pathlib, socket
def attempt(action):
    try:
        return action()
    except OSError as error:
        return errno.errorcode[error.errno]
def handler(event, context):
    if event.get("read"):
        return attempt(lambda: open(event["read"]).read())
    if event.get("write"):
        return attempt(lambda: open(event["write"], "w").write("x"))
    print("called", context.aws_request_id)
    status = pathlib.Path("/proc/self/status").read_text()
    return {
        "root": sorted(os.listdir("/")),
        "cwd": os.getcwd(),
        "uid": os.getuid(),
        "status": {line.split(":")[0]: line.split(":")[1].strip() for line in status.splitlines()},
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "mount": attempt(lambda: ctypes.CDLL(None, use_errno=True).mount(b"x", b"/tmp", b"tmpfs", 0, None)),
        "mounts": pathlib.Path("/proc/self/mounts").read_text(),
        "env": dict(os.environ),
        "name": context.function_name,
    }
"""


@pytest.fixture(scope="module")
def python(load_image):
    """Amazon's own client on a minimal root; `app.handler` is the command."""
    base, program = images.python_layer()
    app = images.Layer().file("var/task/app.py", APP).file("secret", "x", 0o600).file("etc/resolv.conf", "nameserver 6.6.6.6")
    app.file("bin/setuid", "x", 0o6755)
    config = {
        "Entrypoint": [program, "-m", "awslambdaric"],
        "Cmd": ["app.handler"],
        "WorkingDir": "/var/task",
        "Env": ["FROM_IMAGE=1", "OVERRIDDEN=image", "LAMBDA_TASK_ROOT=/var/task"],
    }
    name = f"{REGISTRY}/python:1"
    load_image(images.archive(images.Image([base, app.bytes()], **config)), "--name", name)
    return name


def test_an_image_from_scratch_answers(lambda_, load_image, create_image, scratch):
    name = f"{REGISTRY}/scratch:1"
    assert load_image(images.archive(scratch), "--name", name) == f"{name}\t{scratch.digest}\n"
    function = create_image(name)
    answer = function.tail({"n": 1})
    assert answer.ok() == {
        "arguments": ["/bin/runtime", "from", "image"],
        "directory": "/work",
        "greeting": "hello",
        "event": {"n": 1},
    }
    assert f"answering {answer.request_id}" in answer.tail and "REPORT RequestId:" in answer.tail
    shown = lambda_.get_function(FunctionName=function.name)
    resolved = f"{REGISTRY}/scratch@{scratch.digest}"
    assert shown["Code"] == {"RepositoryType": "ECR", "ImageUri": name, "ResolvedImageUri": resolved}
    configuration = shown["Configuration"]
    assert configuration["PackageType"] == "Image" and configuration["CodeSize"] == 0
    assert configuration["CodeSha256"] == scratch.digest.removeprefix("sha256:")
    for absent in ("Runtime", "Handler", "Layers", "ImageConfigResponse", "RuntimeVersionConfig"):
        assert absent not in configuration, absent


def test_what_an_image_does_is_overridden(lambda_, load_image, create_image, scratch):
    name = f"{REGISTRY}/overridden:1"
    load_image(images.archive(scratch), "--name", name)
    overrides = {"EntryPoint": ["alias", "--flag"], "Command": ["other"], "WorkingDirectory": "/old"}
    function = create_image(
        name, ImageConfig=overrides, Environment={"Variables": {"GREETING": "mine", "PATH": "/nowhere:/usr/bin"}}
    )
    answer = function.invoke().ok()
    assert answer["arguments"] == ["/usr/bin/alias", "--flag", "other"]
    assert (answer["directory"], answer["greeting"]) == ("/old", "mine")
    shown = lambda_.get_function_configuration(FunctionName=function.name)
    assert shown["ImageConfigResponse"] == {"ImageConfig": overrides}
    function.configure(ImageConfig={"Command": ["again"]})
    answer = function.invoke().ok()
    assert (answer["arguments"], answer["directory"]) == (["/bin/runtime", "again"], "/work")
    function.configure(ImageConfig={})
    assert function.invoke().ok()["arguments"] == ["/bin/runtime", "from", "image"]
    assert "ImageConfigResponse" not in lambda_.get_function_configuration(FunctionName=function.name)


def test_new_code_versions_and_a_deleted_image(lambda_, load_image, create_image, scratch, program):
    other = images.Image([images.Layer().file("start", program, 0o755).bytes()], Cmd=["/start", "second"])
    name = f"{REGISTRY}/moving:tag"
    load_image(images.archive(scratch), "--name", name)
    function = create_image(name, Publish=True)
    lambda_.get_waiter("published_version_active").wait(FunctionName=function.name, Qualifier="1")
    load_image(images.archive(other), "--name", name)
    assert function.invoke().ok()["arguments"][1:] == ["from", "image"], "a moved tag moves no function"
    updated = lambda_.update_function_code(FunctionName=function.name, ImageUri=name)
    assert updated["CodeSha256"] == other.digest.removeprefix("sha256:")
    function.wait()
    assert function.invoke().ok()["arguments"] == ["/start", "second"]
    assert function.invoke(Qualifier="1").ok()["arguments"][1:] == ["from", "image"]
    by_digest = lambda_.update_function_code(FunctionName=function.name, ImageUri=f"{REGISTRY}/moving@{other.digest}")
    assert by_digest["CodeSha256"] == updated["CodeSha256"]


def test_amazons_client_runs_and_is_confined_as_every_function(create, create_image, python):
    function = create_image(python, Environment={"Variables": {"OVERRIDDEN": "function"}})
    answer = function.tail()
    seen = answer.ok()
    assert f"called {answer.request_id}" in answer.tail
    # What the tests' own Python lies below (/usr, /root, …) is there; the host's other directories are not.
    assert {"dev", "etc", "proc", "tmp", "var", "secret"} <= set(seen["root"])
    assert not {"boot", "home", "srv", "sys", "media"} & set(seen["root"])
    assert (seen["cwd"], seen["name"]) == ("/var/task", function.name)
    env = seen["env"]
    assert (env["FROM_IMAGE"], env["OVERRIDDEN"], env["LAMBDA_TASK_ROOT"]) == ("1", "function", "/var/task")
    assert env["AWS_LAMBDA_FUNCTION_NAME"] == function.name and env["TZ"] == ":UTC"
    assert "_HANDLER" not in env and "LAMBDA_RUNTIME_DIR" not in env and "AWS_EXECUTION_ENV" not in env
    status = seen["status"]
    assert seen["uid"] != 0
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert seen["interfaces"][0] == "lo" and len(seen["processes"]) <= 3
    assert seen["mount"] in (-1, "EPERM")
    # The same as in a function from a zip: the kernel's own view of both is alike.
    ordinary = create.python(APP).invoke().ok()
    for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Seccomp_filters"):
        assert status.get(name) == ordinary["status"].get(name), name
    assert seen["interfaces"] == ordinary["interfaces"]
    assert len(seen["processes"]) == len(ordinary["processes"])

    assert function.invoke({"write": "/tmp/x"}).ok() == 1
    for path in ("/x", "/var/task/x", "/etc/hosts", "/dev/x", "/run/updraft/x", "/usr/x"):
        assert function.invoke({"write": path}).ok() in ("EROFS", "EACCES", "ENOENT"), path
    assert function.invoke({"read": "/secret"}).ok() == "EACCES", "modes are the image's"
    assert "127.0.0.1" in function.invoke({"read": "/etc/resolv.conf"}).ok()
    assert "127.0.0.1 localhost" in function.invoke({"read": "/etc/hosts"}).ok()
    for path in ("/run/updraft/image/etc/hosts", "/proc/kcore", "/proc/1/root/etc/shadow", "/etc/shadow"):
        assert function.invoke({"read": path}).ok() in ("ENOENT", "EACCES", "EPERM", ""), path


def test_an_index_is_searched_by_architecture(load_image, lambda_, create_image, scratch, program):
    arm = images.Image([images.Layer().file("start", program, 0o755).bytes()], architecture="arm64", Cmd=["/start", "arm"])
    name = f"{REGISTRY}/both:1"
    load_image(images.archive(arm, scratch, index=True), "--name", name)
    function = create_image(name)
    assert function.invoke().ok()["arguments"][1:] == ["from", "image"]
    other = create_image(name, Architectures=["arm64"])
    shown = lambda_.get_function_configuration(FunctionName=other.name)
    assert shown["CodeSha256"] == arm.digest.removeprefix("sha256:") and shown["Architectures"] == ["arm64"]
    load_image(images.archive(arm), "--name", f"{REGISTRY}/arm:1")
    with refused(400, INVALID, "Provide a valid source image."):
        create_image(f"{REGISTRY}/arm:1")


def test_what_docker_saved_is_loaded_by_its_own_name(load_image, create_image, scratch):
    assert load_image(images.docker_save(scratch, "saved:1")).startswith("saved:1\tsha256:")
    assert create_image("saved:1").invoke().ok()["greeting"] == "hello"
    assert load_image(images.archive(scratch, name="localhost:5000/hello:2")).startswith("localhost:5000/hello:2\t")
    assert create_image("localhost:5000/hello:2").invoke().ok()["directory"] == "/work"


def test_images_that_are_refused(updraft, load_image, lambda_, create_image, create, scratch, program):
    with refused(400, INVALID, f"Source image {REGISTRY}/none:1 does not exist. Provide a valid source image."):
        create_image(f"{REGISTRY}/none:1")
    with refused(400, INVALID, "Source image not a name is not valid. Provide a valid source image."):
        create_image("not a name")
    broken = images.Layer().file("../../../../tmp/updraft-escaped", "x").bytes()
    name = f"{REGISTRY}/hostile:1"
    load_image(images.archive(images.Image([broken], Cmd=["/x"])), "--name", name)
    with refused(400, INVALID, f"Source image {name} is not valid."):
        create_image(name)
    assert not os.path.exists("/tmp/updraft-escaped")
    for archive, words in (
        (images.archive(scratch), "no name"),
        (b"no tar", "tar"),
        (images.archive(scratch)[:5000], "cut off"),
    ):
        assert words in load_image(archive, ok=False), words
    tampered = images.archive(scratch).replace(b"from", b"FROM")
    assert "the content of sha256:" in load_image(tampered, "--name", "x:1", ok=False)

    image = f"{REGISTRY}/kinds:1"
    load_image(images.archive(scratch), "--name", image)
    of_zip = "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image."
    for extra in ({"Runtime": "python3.12"}, {"Handler": "app.handler"}, {"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]}):
        with refused(400, INVALID, of_zip):
            create_image(image, **extra)
    function = create_image(image)
    with refused(400, INVALID, of_zip):
        lambda_.update_function_configuration(FunctionName=function.name, Handler="app.handler")
    with refused(400, INVALID, "Please provide ImageUri when updating a function with packageType Image."):
        lambda_.update_function_code(FunctionName=function.name, ZipFile=b"x")
    zipped = create.python("def handler(event, context): return 1\n")
    with refused(400, INVALID, "Please don't provide ImageUri when updating a function with packageType Zip."):
        lambda_.update_function_code(FunctionName=zipped.name, ImageUri=image)
    with refused(400, INVALID, "Please don't provide ImageConfig when the intended function PackageType is Zip."):
        lambda_.update_function_configuration(FunctionName=zipped.name, ImageConfig={"Command": ["x"]})


def test_a_program_that_is_not_there_is_the_functions_failure(load_image, create_image, create, program):
    layer = images.Layer().file("x", "no program", 0o755).file("start", program, 0o755).file("closed", program).bytes()
    name = f"{REGISTRY}/programless:1"
    load_image(images.archive(images.Image([layer], Cmd=["/missing"])), "--name", name)

    def failure(**overrides):
        answer = create_image(name, ImageConfig=overrides).invoke()
        assert answer.error == "Unhandled", answer
        return answer.value["errorType"], answer.value["errorMessage"].partition(" Error: ")[2]

    kind = "Runtime.InvalidEntrypoint"
    assert failure() == (kind, "fork/exec /missing: no such file or directory")
    assert failure(Command=["/closed"]) == (kind, "fork/exec /closed: permission denied")
    assert failure(Command=["/x"]) == (kind, "fork/exec /x: exec format error")
    gone = failure(Command=["/start"], WorkingDirectory="/gone")
    assert gone == ("Runtime.InvalidWorkingDir", "chdir /gone: no such file or directory")
    # A bootstrap of another instruction set is the same to the kernel; interpreted code does not mind.
    arm = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00\x01" + bytes(100)
    answer = create.custom(arm, Architectures=["arm64"]).invoke()
    assert answer.value["errorType"] == kind
    assert answer.value["errorMessage"].endswith("fork/exec /var/task/bootstrap: exec format error")
    assert create.python("def handler(event, context): return 1\n", Architectures=["arm64"]).invoke().ok() == 1


def test_loaded_images_are_listed_and_deleted(updraft, executable, load_image, create_image, scratch):
    def command(*arguments, ok=True):
        done = subprocess.run(
            [executable, "image", *arguments], env=updraft.client_environment(), capture_output=True, text=True
        )
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout if ok else done.stderr

    name = f"{REGISTRY}/listed:1"
    load_image(images.archive(scratch), "--name", name)
    line = f"{name}\t{scratch.digest}"
    assert line in command("list").splitlines()
    function = create_image(name)
    assert f"is in use by the function {function.name}" in command("delete", name, ok=False)
    function.client.publish_version(FunctionName=function.name)
    other = f"{REGISTRY}/elsewhere:1"
    load_image(images.archive(scratch), "--name", other)
    command("delete", other)
    assert line in command("list").splitlines(), "the same content under another name"
    load_image(images.archive(scratch), "--name", other)
    function.client.update_function_code(FunctionName=function.name, ImageUri=other)
    function.wait()
    assert f"is in use by the function {function.name}:1" in command("delete", name, ok=False)
    assert "there is no such image" in command("delete", f"{REGISTRY}/listed:2", ok=False)
    assert "known by tags" in command("delete", f"{REGISTRY}/listed@{scratch.digest}", ok=False)
    function.client.delete_function(FunctionName=function.name)
    command("delete", name)
    assert line not in command("list").splitlines()
    with refused(400, INVALID, f"Source image {name} does not exist."):
        create_image(name)


def test_images_survive_a_crash_and_leave_nothing(another_server, executable, scratch):
    server = another_server().start()

    def load(name):
        subprocess.run(
            [executable, "image", "load", "-", "--name", name],
            input=images.archive(scratch),
            env=server.client_environment(),
            check=True,
            capture_output=True,
        )

    load("crash:1")
    client = server.client("lambda")
    client.create_function(FunctionName="f", Code={"ImageUri": "crash:1"}, Role=ROLE, PackageType="Image")
    server.kill()
    # The unpacked root is a cache.
    subprocess.run(["rm", "-rf", server.data_dir / "code"], check=True)
    server.start()
    client = server.client("lambda")
    assert json.load(client.invoke(FunctionName="f")["Payload"])["greeting"] == "hello"
    client.delete_function(FunctionName="f")
    client.create_function(FunctionName="g", Code={"ImageUri": "crash:1"}, Role=ROLE, PackageType="Image")
    assert json.load(client.invoke(FunctionName="g")["Payload"])["greeting"] == "hello"
