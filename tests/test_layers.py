"""Layers through boto3: published, listed, shared, and laid over each other in `/opt`."""

import base64
import hashlib
import json
import urllib.request

import pytest
from botocore.exceptions import ClientError

from support.code import bomb, link_to, streamed_zip, zip_of
from support.functions import ROLE
from support.refusals import refused

INVALID = "InvalidParameterValueException"
MISSING = "ResourceNotFoundException"


def arn(name, number=None, account="000000000000"):
    version = f":{number}" if number else ""
    return f"arn:aws:lambda:us-east-1:{account}:layer:{name}{version}"


@pytest.fixture
def publish(lambda_):
    """Publishes layer versions; removes them at the end."""
    made = []

    def make(name, files, executable=(), **more):
        content = {"ZipFile": files if isinstance(files, bytes) else zip_of(files, executable)}
        published = lambda_.publish_layer_version(LayerName=name, Content=content, **more)
        made.append((name, published["Version"]))
        return published

    yield make
    for name, number in made:
        lambda_.delete_layer_version(LayerName=name, VersionNumber=number)


def test_a_layer_version_is_published_shown_and_fetched(lambda_, publish):
    package = zip_of({"python/greeting.py": "WORDS = 'hello'\n"})
    published = publish(
        "shown",
        package,
        Description="words",
        CompatibleRuntimes=["python3.12", "python3.13"],
        CompatibleArchitectures=["x86_64"],
        LicenseInfo="MIT",
    )
    assert published["ResponseMetadata"]["HTTPStatusCode"] == 201
    del published["ResponseMetadata"]
    content = published["Content"]
    assert content["CodeSize"] == len(package)
    assert content["CodeSha256"] == base64.b64encode(hashlib.sha256(package).digest()).decode()
    assert urllib.request.urlopen(content["Location"]).read() == package
    assert {k: published[k] for k in published if k not in ("Content", "CreatedDate")} == {
        "LayerArn": arn("shown"),
        "LayerVersionArn": arn("shown", 1),
        "Description": "words",
        "Version": 1,
        "CompatibleRuntimes": ["python3.12", "python3.13"],
        "CompatibleArchitectures": ["x86_64"],
        "LicenseInfo": "MIT",
    }
    assert published["CreatedDate"].endswith("+0000")
    for again in (
        lambda_.get_layer_version(LayerName="shown", VersionNumber=1),
        lambda_.get_layer_version(LayerName=arn("shown"), VersionNumber=1),
        lambda_.get_layer_version_by_arn(Arn=arn("shown", 1)),
    ):
        del again["ResponseMetadata"]
        again["Content"]["Location"] = content["Location"]
        assert again == published
    second = publish("shown", {"python/greeting.py": "WORDS = 'good day'\n"})
    assert (second["Version"], second["Description"]) == (2, "")
    assert "CompatibleRuntimes" not in second and "LicenseInfo" not in second
    lambda_.delete_layer_version(LayerName="shown", VersionNumber=2)
    assert publish("shown", {"x": "y"})["Version"] == 3, "a number is never given twice"


def test_what_is_not_there_or_not_right_is_refused(lambda_, publish):
    publish("right", {"x": "y"})
    with refused(404, MISSING, "The resource you requested does not exist."):
        lambda_.get_layer_version(LayerName="right", VersionNumber=2)
    with refused(404, MISSING, "The resource you requested does not exist."):
        lambda_.get_layer_version_by_arn(Arn=arn("nowhere", 1))
    for call in (lambda_.get_layer_version, lambda_.delete_layer_version):
        with refused(400, INVALID, "Layer Version Cannot be less than 1"):
            call(LayerName="right", VersionNumber=0)
    with refused(400, "ValidationException", "at 'layerName' failed to satisfy constraint"):
        lambda_.get_layer_version(LayerName="no name", VersionNumber=1)
    with refused(400, "ValidationException", "at 'arn' failed to satisfy constraint"):
        lambda_.get_layer_version_by_arn(Arn=arn("right"))
    runtimes = "Value '[java21, cobol85]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy enum value set: ["
    with refused(400, "ValidationException", f"1 validation error detected: {runtimes}nodejs"):
        publish("right", {"x": "y"}, CompatibleRuntimes=["java21", "cobol85"])
    with pytest.raises(ClientError) as both:
        publish("right", {"x": "y"}, CompatibleRuntimes=["java21", "cobol85"], CompatibleArchitectures=["arm64", "mips"])
    words = both.value.response["Error"]["Message"]
    assert words.startswith(f"2 validation errors detected: {runtimes}")
    assert words.endswith(
        "]; Value '[arm64, mips]' at 'compatibleArchitectures' failed to satisfy constraint: Member must satisfy constraint: "
        "[Member must satisfy enum value set: [x86_64, arm64]]"
    )
    lambda_.delete_layer_version(LayerName="nowhere", VersionNumber=1)
    for package, words in (
        (b"no zip", "Could not unzip uploaded file."),
        (link_to("/etc/passwd"), "Could not unzip uploaded file."),
        (zip_of({"../out": "x"}), "Could not unzip uploaded file."),
        (bomb(declares=None), "Unzipped size must be smaller than 262144000 bytes"),
        (bomb(declares=100), "Could not unzip uploaded file."),
    ):
        with refused(400, INVALID, words):
            publish("right", package)
    with refused(501, "NotImplemented", "Content.S3Bucket"):
        lambda_.publish_layer_version(LayerName="right", Content={"S3Bucket": "bucket", "S3Key": "key"})


def test_layers_and_versions_are_listed_filtered_and_paged(lambda_, publish):
    publish("listed-a", {"x": "1"}, CompatibleRuntimes=["python3.12"], CompatibleArchitectures=["x86_64", "arm64"])
    publish("listed-a", {"x": "2"}, CompatibleRuntimes=["nodejs22.x"], Description="second")
    publish("listed-a", {"x": "3"})
    publish("listed-b", {"x": "4"}, CompatibleRuntimes=["nodejs22.x"])

    def versions(**filters):
        return [item["Version"] for item in lambda_.list_layer_versions(LayerName="listed-a", **filters)["LayerVersions"]]

    assert versions() == [3, 2, 1]
    assert versions(CompatibleRuntime="python3.12") == [1]
    assert versions(CompatibleArchitecture="arm64") == [1]
    assert versions(CompatibleRuntime="nodejs22.x", CompatibleArchitecture="arm64") == []
    pages = list(lambda_.get_paginator("list_layer_versions").paginate(LayerName="listed-a", MaxItems=2))
    assert [[item["Version"] for item in page["LayerVersions"]] for page in pages] == [[3, 2], [1]]
    assert lambda_.list_layer_versions(LayerName="nowhere")["LayerVersions"] == []
    item = lambda_.list_layer_versions(LayerName="listed-a", CompatibleRuntime="nodejs22.x")["LayerVersions"][0]
    created = item.pop("CreatedDate")
    assert created.endswith("+0000") and item == {
        "LayerVersionArn": arn("listed-a", 2),
        "Version": 2,
        "Description": "second",
        "CompatibleRuntimes": ["nodejs22.x"],
    }

    def layers(**filters):
        found = lambda_.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 1}, **filters)
        listed = [layer for page in found for layer in page["Layers"] if layer["LayerName"].startswith("listed-")]
        return [(layer["LayerArn"], layer["LatestMatchingVersion"]["Version"]) for layer in listed]

    assert layers() == [(arn("listed-a"), 3), (arn("listed-b"), 1)]
    assert layers(CompatibleRuntime="nodejs22.x") == [(arn("listed-a"), 2), (arn("listed-b"), 1)]
    assert layers(CompatibleRuntime="python3.12", CompatibleArchitecture="x86_64") == [(arn("listed-a"), 1)]
    with refused(400, "ValidationException", "at 'compatibleRuntime' failed to satisfy constraint"):
        lambda_.list_layers(CompatibleRuntime="cobol85")


def test_a_policy_of_a_layer_version(lambda_, publish):
    publish("shared", {"x": "1"})
    which = {"LayerName": "shared", "VersionNumber": 1}
    grant = {"StatementId": "them", "Action": "lambda:GetLayerVersion", "Principal": "111111111111"}
    with refused(404, MISSING, "No policy is associated with the given resource."):
        lambda_.get_layer_version_policy(**which)
    added = lambda_.add_layer_version_permission(**which, **grant)
    statement = {
        "Sid": "them",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
        "Action": "lambda:GetLayerVersion",
        "Resource": arn("shared", 1),
    }
    assert json.loads(added["Statement"]) == statement
    shown = lambda_.get_layer_version_policy(**which)
    assert json.loads(shown["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    assert shown["RevisionId"] == added["RevisionId"]
    with refused(409, "ResourceConflictException", "The statement id (them) provided already exists."):
        lambda_.add_layer_version_permission(**which, **grant)
    everybody = grant | {"StatementId": "all", "Principal": "*", "OrganizationId": "o-1234567890"}
    with refused(412, "PreconditionFailedException", "Call the GetLayerPolicy API"):
        lambda_.add_layer_version_permission(**which, **everybody, RevisionId="old")
    more = lambda_.add_layer_version_permission(**which, **everybody, RevisionId=shown["RevisionId"])
    assert json.loads(more["Statement"])["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}
    with refused(400, "ValidationException", "at 'action' failed to satisfy constraint"):
        lambda_.add_layer_version_permission(**which, **grant | {"StatementId": "x", "Action": "lambda:GetLayer"})
    with refused(404, MISSING, f"Layer version {arn('shared', 2)} does not exist."):
        lambda_.add_layer_version_permission(LayerName="shared", VersionNumber=2, **grant)
    with refused(404, MISSING, "Statement nobody is not found in resource policy."):
        lambda_.remove_layer_version_permission(**which, StatementId="nobody")
    for statement in ("them", "all"):
        lambda_.remove_layer_version_permission(**which, StatementId=statement)
    with refused(404, MISSING, "No policy is associated with the given resource."):
        lambda_.get_layer_version_policy(**which)


def test_another_account_uses_a_layer_only_if_its_policy_allows(another_server):
    server = another_server(arguments=["--iam", "enforce"]).start()
    ours, theirs = server.client("lambda", key="000000000000"), server.client("lambda", key="111111111111")
    ours.publish_layer_version(LayerName="l", Content={"ZipFile": zip_of({"python/x.py": "x = 1"})})

    def create(name):
        return theirs.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": zip_of({"app.py": "def handler(event, context): pass"})},
            Layers=[arn("l", 1)],
        )

    words = f"is not authorized to perform: lambda:GetLayerVersion on resource: {arn('l', 1)}"
    with refused(403, "AccessDeniedException", words):
        create("f")
    with refused(403, "AccessDeniedException", words):
        theirs.get_layer_version_by_arn(Arn=arn("l", 1))
    grant = {"StatementId": "them", "Action": "lambda:GetLayerVersion", "Principal": "111111111111"}
    ours.add_layer_version_permission(LayerName="l", VersionNumber=1, **grant)
    assert create("f")["Layers"][0]["Arn"] == arn("l", 1)
    assert theirs.get_layer_version_by_arn(Arn=arn("l", 1))["Version"] == 1
    with refused(403, "AccessDeniedException"):
        theirs.delete_layer_version(LayerName=arn("l"), VersionNumber=1)


def test_python_finds_modules_in_layers_and_the_later_layer_wins(lambda_, publish, create, runtimes):
    minor = runtimes.python.removeprefix("python")
    first = publish("py-first", {"python/both.py": "WHO = 'first'", "python/one.py": "WHO = 'one'", "data.txt": "1"})
    deep = f"python/lib/python{minor}/site-packages"
    second = publish("py-second", {"python/both.py": "WHO = 'second'", f"{deep}/deep.py": "WHO = 'deep'"})
    function = create.python(
        "import os, both, one, deep\n"
        "def handler(event, context):\n"
        "    return [both.WHO, one.WHO, deep.WHO, both.__file__, sorted(os.listdir('/opt')), os.access('/opt', os.W_OK)]\n",
        Layers=[first["LayerVersionArn"], second["LayerVersionArn"]],
    )
    assert function.invoke().ok() == ["second", "one", "deep", "/opt/python/both.py", ["data.txt", "python"], False]
    shown = lambda_.get_function_configuration(FunctionName=function.name)
    assert shown["Layers"] == [
        {"Arn": layer["LayerVersionArn"], "CodeSize": layer["Content"]["CodeSize"]} for layer in (first, second)
    ]
    listed = next(f for f in lambda_.list_functions()["Functions"] if f["FunctionName"] == function.name)
    assert listed["Layers"] == shown["Layers"]

    function.configure(Layers=[second["LayerVersionArn"], first["LayerVersionArn"]])
    assert function.invoke().ok()[0] == "first"
    function.configure(Description="no word of layers")
    assert function.invoke().ok()[0] == "first", "what is absent stays"
    version = lambda_.publish_version(FunctionName=function.name)["Version"]
    lambda_.get_waiter("published_version_active").wait(FunctionName=function.name, Qualifier=version)
    function.configure(Layers=[])
    assert "Layers" not in lambda_.get_function_configuration(FunctionName=function.name)
    gone = function.invoke()
    assert gone.error == "Unhandled" and gone.value["errorType"] == "Runtime.ImportModuleError"
    assert function.invoke(Qualifier=version).ok()[0] == "first", "a published version keeps its layers"


def test_a_deleted_layer_version_lives_on_in_its_functions(lambda_, publish, create):
    layer = publish("lives-on", {"python/kept.py": "WHO = 'kept'"})
    function = create.python(
        "import kept\ndef handler(event, context): return kept.WHO\n", Layers=[layer["LayerVersionArn"]]
    )
    lambda_.delete_layer_version(LayerName="lives-on", VersionNumber=1)
    function.configure(Description="a fresh environment")
    assert function.invoke().ok() == "kept"
    with refused(400, INVALID, f"Layer version {arn('lives-on', 1)} does not exist."):
        lambda_.update_function_configuration(FunctionName=function.name, Layers=[layer["LayerVersionArn"]])


def test_node_finds_packages_in_layers(publish, create, runtimes):
    major = runtimes.node.removeprefix("nodejs").removesuffix(".x")
    package = "module.exports = '{}';"
    layer = publish(
        "node-packages",
        {
            "nodejs/node_modules/plain/index.js": package.format("plain"),
            f"nodejs/node{major}/node_modules/versioned/index.js": package.format("versioned"),
        },
    )
    function = create.node(
        "exports.handler = async () => [require('plain'), require('versioned')];",
        file="index.js",
        Layers=[layer["LayerVersionArn"]],
    )
    assert function.invoke().ok() == ["plain", "versioned"]


def test_java_finds_classes_in_layers(publish, create, runtimes_dir, tmp_path):
    from support.functions import compile_java

    library = compile_java(
        {"lib/Words.java": "package lib; public class Words { public static String say() { return \"layered\"; } }"},
        runtimes_dir,
        tmp_path / "library",
    )
    source = (
        "package app; public class App { public String handle(java.util.Map<String, Object> event) throws Exception {"
        ' return (String) Class.forName("lib.Words").getMethod("say").invoke(null); } }'
    )
    code = compile_java({"app/App.java": source}, runtimes_dir, tmp_path / "code")
    layer = publish("java-library", {"java/lib/words.jar": library})
    function = create.java(code, "app.App::handle", Layers=[layer["LayerVersionArn"]])
    assert function.invoke().ok() == "layered"


def test_programs_libraries_wrappers_and_bootstraps_come_from_layers(publish, create):
    tools = publish(
        "tools",
        {"bin/tool": "#!/bin/sh\necho from the layer\n", "wrapper": '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n'},
        executable=("bin/tool", "wrapper"),
    )
    function = create.python(
        "import os, subprocess\n"
        "def handler(event, context):\n"
        "    said = subprocess.run(['tool'], capture_output=True, text=True).stdout.strip()\n"
        "    return [said, os.environ.get('WRAPPED'), '/opt/lib' in os.environ['LD_LIBRARY_PATH'].split(':')]\n",
        Layers=[tools["LayerVersionArn"]],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}},
    )
    assert function.invoke().ok() == ["from the layer", "yes", True]

    runtime = publish("runtime", {"bootstrap": BOOTSTRAP}, executable=("bootstrap",))
    function = create.create(
        zip_of({"answer.json": '{"by": "a bootstrap of a layer"}'}),
        Runtime="provided.al2023",
        Handler="answer.json",
        Layers=[tools["LayerVersionArn"], runtime["LayerVersionArn"]],
    )
    assert function.invoke().ok() == {"by": "a bootstrap of a layer"}


# Answers every event with the file that the handler names.
BOOTSTRAP = """#!/usr/bin/python3
import os, urllib.request
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    id = urllib.request.urlopen(f"{api}/next").headers["Lambda-Runtime-Aws-Request-Id"]
    body = open(f"{os.environ['LAMBDA_TASK_ROOT']}/{os.environ['_HANDLER']}", "rb").read()
    urllib.request.urlopen(f"{api}/{id}/response", data=body)
"""


def test_lists_of_layers_that_aws_refuses(lambda_, publish, create):
    one, two = publish("refused", {"x": "1"}), publish("refused", {"x": "2"})
    others = [publish(f"refused-{n}", {"x": str(n)}) for n in range(5)]
    function = create.python("def handler(event, context): return 1\n")

    def update(*layers):
        lambda_.update_function_configuration(FunctionName=function.name, Layers=list(layers))

    one, two, others = one["LayerVersionArn"], two["LayerVersionArn"], [o["LayerVersionArn"] for o in others]
    with refused(400, INVALID, "Cannot reference more than 5 layers."):
        update(one, *others)
    words = "Two different versions of the same layer are not allowed to be referenced in the same function."
    with refused(400, INVALID, f"{words} {one} and {two} are versions of the same layer."):
        update(one, two)
    with refused(400, INVALID, f"Layer version {arn('refused', 9)} does not exist."):
        update(arn("refused", 9))
    elsewhere = one.replace("us-east-1", "eu-west-1")
    with refused(400, INVALID, "Layers are expected to be in region us-east-1."):
        update(elsewhere)
    with refused(403, "AccessDeniedException", "no resource-based policy allows the lambda:GetLayerVersion action"):
        update(arn("Powertools", 7, account="017000801446"))
    with refused(400, "ValidationException", "at 'layers' failed to satisfy constraint"):
        update(arn("refused"))
    assert "Layers" not in lambda_.get_function_configuration(FunctionName=function.name)
    update(*others)
    function.wait()
    assert function.invoke().ok() == 1


def test_layers_survive_a_crash(another_server):
    server = another_server().start()
    client = server.client("lambda")
    layer = client.publish_layer_version(LayerName="l", Content={"ZipFile": zip_of({"python/kept.py": "WHO = 1"})})
    other = client.publish_layer_version(LayerName="m", Content={"ZipFile": zip_of({"python/more.py": "WHO = 2"})})
    client.create_function(
        FunctionName="f",
        Runtime="python3.12",
        Handler="app.handler",
        Role=ROLE,
        Code={"ZipFile": zip_of({"app.py": "import kept, more\ndef handler(e, c): return [kept.WHO, more.WHO]\n"})},
        Layers=[layer["LayerVersionArn"], other["LayerVersionArn"]],
    )
    server.kill()
    server.start()
    client = server.client("lambda")
    assert json.load(client.invoke(FunctionName="f")["Payload"]) == [1, 2]
    assert [found["LayerName"] for found in client.list_layers()["Layers"]] == ["l", "m"]


def test_a_layer_that_was_packed_as_a_stream_has_its_true_size(lambda_, create, publish):
    package = streamed_zip("python/streamed.py", "WORDS = 'streamed'\n")
    layer = publish("streamed", package)["LayerVersionArn"]
    function = create.python("import streamed\ndef handler(event, context):\n    return streamed.WORDS\n", Layers=[layer])
    assert function.invoke().ok() == "streamed"
