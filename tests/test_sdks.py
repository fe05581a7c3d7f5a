"""The heavier SDKs and AWS's own runtime clients: `make test-sdks`. Programs in `sdks/`, built with their own tools.

Every client creates, calls and deletes a function that runs on the runtime client of the same language.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.code import zip_of

pytestmark = pytest.mark.sdks
HERE = Path(__file__).parent / "sdks"
SIGHTS = 14  # lines "ok: …" of every client, at least


def tool(name):
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command, cwd, **env):
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=os.environ | env, capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def act(updraft, client, package, runtime, handler, tmp_path):
    """Runs a client on a package."""
    path = tmp_path / "function.zip"
    path.write_bytes(package)
    command = [*map(str, client), str(path), runtime, handler]
    done = subprocess.run(command, env=updraft.client_environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok: ") >= SIGHTS, done.stdout


def test_go(updraft, tmp_path):
    """aws-sdk-go-v2, and a function on aws-lambda-go."""
    go = tool("go")
    run(go, "build", "-o", tmp_path / "client", "./client", cwd=HERE / "go")
    run(go, "build", "-tags", "lambda.norpc", "-o", tmp_path / "bootstrap", "./function", cwd=HERE / "go", CGO_ENABLED="0")
    package = zip_of({"bootstrap": (tmp_path / "bootstrap").read_bytes()}, executable={"bootstrap"})
    act(updraft, [tmp_path / "client"], package, "provided.al2023", "bootstrap", tmp_path)


def test_rust(updraft, tmp_path):
    """aws-sdk-rust, and a function on lambda_runtime."""
    cargo = tool("cargo")
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "rust/target")) / "sdks"
    run(cargo, "build", "--locked", "--bins", "--target-dir", target, cwd=HERE / "rust")
    bootstrap = (target / "debug/function").read_bytes()
    package = zip_of({"bootstrap": bootstrap}, executable={"bootstrap"})
    act(updraft, [target / "debug/client"], package, "provided.al2023", "any", tmp_path)


def test_java(updraft, tmp_path, runtimes):
    """AWS's SDK for Java v2, and a function on the runtime interface client for Java."""
    maven, java = tool("mvn"), Path(tool("java")).resolve()
    run(maven, "-q", "-B", "package", cwd=HERE / "java")
    target = HERE / "java/target"
    client = [java, "-cp", f"{target / 'classes'}:{target / 'lib'}/*", "sdks.Client"]
    wanted = [*target.glob("classes/sdks/Function.class"), *target.glob("lib/aws-lambda-java-*.jar")]
    files = {str(path.relative_to(target)): path.read_bytes() for path in wanted}
    main = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda"
    files["bootstrap"] = f'#!/bin/sh\nexec {java} -cp "/var/task/classes:/var/task/lib/*" {main} "$_HANDLER"\n'
    package = zip_of(files, executable={"bootstrap"})
    act(updraft, client, package, "provided.al2023", "sdks.Function", tmp_path)
    managed = zip_of({path.removeprefix("classes/"): content for path, content in files.items() if path.endswith(".class")})
    act(updraft, client, managed, runtimes.java, "sdks.Function", tmp_path)


def test_node(updraft, tmp_path, runtimes, create):
    """npm's aws-lambda-ric, whose native part is compiled when it is installed."""
    for name in ("npm", "cmake", "autoreconf", "g++"):
        tool(name)
    install = ["install", "--silent", "--no-audit", "--no-fund", "aws-lambda-ric@3.3.0"]
    built = subprocess.run(["npm", *install], cwd=tmp_path, capture_output=True, text=True, timeout=900)
    if built.returncode != 0:
        pytest.skip(f"aws-lambda-ric could not be built on this host: {built.stderr[-300:]}")
    modules = tmp_path / "node_modules"
    files = {f"node_modules/{path.relative_to(modules)}": path.read_bytes() for path in ric_files(modules)}
    files["index.js"] = "exports.handler = async (event, context) => ({ n: event.n + 1, id: context.awsRequestId });\n"
    node = Path(tool("node")).resolve()
    files["bootstrap"] = f'#!/bin/sh\ncd /var/task\nexec {node} node_modules/aws-lambda-ric/bin/index.mjs "$_HANDLER"\n'
    function = create.create(zip_of(files, executable={"bootstrap"}), Runtime="provided.al2023", Handler="index.handler")
    answer = function.invoke({"n": 20})
    assert answer.ok() == {"n": 21, "id": answer.request_id}


def ric_files(modules):
    """What of the installed package runs: no sources, no build trees of its native part."""
    unwanted = {"deps", "obj.target", "src", ".bin"}
    paths = (path for path in modules.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in paths if not unwanted & set(path.relative_to(modules).parts[1:])]
