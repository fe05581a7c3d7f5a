"""Lambda's control plane through boto3: what is stored, shown and listed, and what is refused, in AWS's words."""

import base64
import hashlib
import json
import os
import re
import urllib.request

import pytest
from botocore.exceptions import ClientError

from support.code import bomb, link_to, zip_of
from support.functions import ROLE, WAITER, Factory
from support.refusals import refused
from support.server import eventually

APP = "def handler(event, context):\n    return event\n"
INVALID = "InvalidParameterValueException"
MISSING = "ResourceNotFoundException"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def settings(create, runtimes):
    """A complete CreateFunction, to be varied."""
    return {
        "FunctionName": create.name("settings"),
        "Runtime": runtimes.python,
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zip_of({"app.py": APP})},
    }


@pytest.fixture
def unchecked(updraft):
    """A client that sends what boto3 would refuse by itself."""
    return updraft.client("lambda", parameter_validation=False)


# ---- create and get


def test_a_new_function_shows_its_settings_and_awss_defaults(lambda_, create, settings):
    create.made.append(settings["FunctionName"])
    code = settings["Code"]["ZipFile"]
    created = lambda_.create_function(**settings)
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (created["State"], created["StateReasonCode"]) == ("Pending", "Creating")
    assert created["StateReason"] == "The function is being created."
    assert created["FunctionArn"] == ARN + settings["FunctionName"]
    assert created["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    assert created["CodeSize"] == len(code)
    assert (created["Timeout"], created["MemorySize"], created["Version"]) == (3, 128, "$LATEST")
    assert (created["PackageType"], created["Architectures"]) == ("Zip", ["x86_64"])
    assert created["EphemeralStorage"] == {"Size": 512}
    assert created["TracingConfig"] == {"Mode": "PassThrough"}
    assert created["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    assert created["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{settings['FunctionName']}"}
    assert created["Description"] == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", created["LastModified"])
    assert UUID.fullmatch(created["RevisionId"])
    for absent in ("Environment", "Layers", "KMSKeyArn", "VpcConfig", "DeadLetterConfig", "FileSystemConfigs"):
        assert absent not in created, "absent is not empty"


def test_it_becomes_active_with_a_new_revision(lambda_, create, settings):
    create.made.append(settings["FunctionName"])
    created = lambda_.create_function(**settings)
    lambda_.get_waiter("function_active_v2").wait(FunctionName=settings["FunctionName"], WaiterConfig=WAITER)
    shown = lambda_.get_function(FunctionName=settings["FunctionName"])
    configuration = shown["Configuration"]
    assert (configuration["State"], configuration["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in configuration
    assert configuration["RevisionId"] != created["RevisionId"]
    assert shown["Code"]["RepositoryType"] == "S3"
    assert "Tags" not in shown and "Concurrency" not in shown


def test_the_older_waiters_work_too(lambda_, create):
    function = create.python(APP, wait=False)
    lambda_.get_waiter("function_exists").wait(FunctionName=function.name, WaiterConfig=WAITER)
    lambda_.get_waiter("function_active").wait(FunctionName=function.name, WaiterConfig=WAITER)
    lambda_.get_waiter("function_updated").wait(FunctionName=function.name, WaiterConfig=WAITER)


def test_the_code_can_be_downloaded(lambda_, create):
    code = zip_of({"app.py": APP, "data.txt": "hello"})
    function = create.create(code)
    location = lambda_.get_function(FunctionName=function.name)["Code"]["Location"]
    assert urllib.request.urlopen(location, timeout=10).read() == code
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(location[:-3], timeout=10)
    assert error.value.code == 403


def test_all_settings_are_kept(lambda_, create):
    function = create.python(
        APP,
        Description="it counts",
        Timeout=900,
        MemorySize=10240,
        Environment={"Variables": {"GREETING": "hellö"}},
        EphemeralStorage={"Size": 10240},
        Tags={"team": "blue"},
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "/mine"},
    )
    shown = lambda_.get_function(FunctionName=function.name)
    configuration = shown["Configuration"]
    assert (configuration["Timeout"], configuration["MemorySize"]) == (900, 10240)
    assert configuration["Environment"] == {"Variables": {"GREETING": "hellö"}}
    assert configuration["EphemeralStorage"] == {"Size": 10240}
    logging = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": "/mine"}
    assert configuration["LoggingConfig"] == logging
    assert shown["Tags"] == {"team": "blue"}


def test_a_second_function_of_the_name_is_refused(lambda_, create, settings):
    create.made.append(settings["FunctionName"])
    lambda_.create_function(**settings)
    with refused(409, "ResourceConflictException", f"Function already exist: {settings['FunctionName']}"):
        lambda_.create_function(**settings)


@pytest.mark.parametrize(
    "form",
    ["{}", "{}:$LATEST", "function:{}", "000000000000:function:{}", ARN + "{}", ARN + "{}:$LATEST"],
)
def test_every_form_of_the_name_finds_it(lambda_, shared, form):
    if not shared.made:
        shared.python(APP)
    name = shared.made[0]
    found = lambda_.get_function_configuration(FunctionName=form.format(name))
    assert found["FunctionName"] == name
    assert found["FunctionArn"] == ARN + name + (":$LATEST" if "$LATEST" in form else "")


def test_what_is_no_name_is_refused_in_awss_words(lambda_):
    words = "1 validation error detected: Value 'not a name' at 'functionName' failed to satisfy constraint: Member must"
    with refused(400, "ValidationException", words):
        lambda_.get_function(FunctionName="not a name")
    words = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    with refused(404, MISSING, words):
        lambda_.get_function(FunctionName="arn:aws:lambda:eu-west-1:000000000000:function:f")
    words = "The derived qualifier from the function name does not match the specified qualifier."
    with refused(400, INVALID, words):
        lambda_.get_function(FunctionName="f:1", Qualifier="2")
    with refused(404, MISSING, f"Function not found: {ARN}nowhere"):
        lambda_.get_function(FunctionName="nowhere")
    with refused(404, MISSING, f"Function not found: {ARN}nowhere:7"):
        lambda_.get_function(FunctionName="nowhere", Qualifier="7")


def test_an_error_says_whose_fault_it_is(lambda_):
    with pytest.raises(ClientError) as error:
        lambda_.get_function(FunctionName="nowhere")
    assert isinstance(error.value, lambda_.exceptions.ResourceNotFoundException)
    assert error.value.response["Type"] == "User"
    assert UUID.fullmatch(error.value.response["ResponseMetadata"]["RequestId"])


def test_settings_out_of_bounds_are_refused_together(unchecked, settings):
    with pytest.raises(ClientError) as error:
        unchecked.create_function(**settings, Timeout=901, MemorySize=127)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    message = error.value.response["Error"]["Message"]
    assert message.startswith("2 validation errors detected: ")
    assert "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900" in message
    assert "Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128" in message


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"Role": "role/lambda"}, "ValidationException", "Value 'role/lambda' at 'role' failed to satisfy constraint"),
        ({"Handler": "app handler"}, "ValidationException", "Value 'app handler' at 'handler'"),
        ({"Runtime": "python9"}, INVALID, "Value python9 at 'runtime' failed to satisfy constraint: Member must satisfy enum"),
        ({"EphemeralStorage": {"Size": 511}}, "ValidationException", "Value '511' at 'ephemeralStorage.size'"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, INVALID, "Reserved keys used in this request: AWS_REGION"),
        ({"Environment": {"Variables": {"LONG": "x" * 4096}}}, INVALID, "exceeded the 4KB limit"),
        ({"Environment": {"Variables": {"1ST": "secret"}}}, "ValidationException", "environment.variables"),
        ({"Code": {}}, INVALID, "Please provide a source for function code."),
        ({"FunctionName": "f" * 65}, INVALID, "Member must have length less than or equal to 64"),
        ({"Tags": {f"k{n}": "v" for n in range(51)}}, INVALID, "Number of tags exceeds resource tag limit"),
        (
            {"LoggingConfig": {"LogFormat": "Text", "SystemLogLevel": "INFO"}},
            INVALID,
            "ApplicationLogLevel and SystemLogLevel",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_a_wrong_setting_is_refused_and_makes_nothing(lambda_, unchecked, settings, change, code, words):
    with refused(400, code, words):
        unchecked.create_function(**settings | change)
    with refused(404, MISSING):
        lambda_.get_function(FunctionName=settings["FunctionName"])


def test_runtime_and_handler_belong_to_zips(lambda_, settings):
    del settings["Runtime"]
    words = "Runtime and Handler are mandatory parameters for functions created with deployment packages."
    with refused(400, INVALID, words):
        lambda_.create_function(**settings)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}, "VpcConfig"),
        ({"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}, "KMSKeyArn"),
        ({"AcceleratorConfig": {"AcceleratorMemorySize": 8}}, "AcceleratorConfig"),
        ({"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}, "TenancyConfig"),
        ({"Code": {"S3Bucket": "bucket", "S3Key": "key", "S3ObjectStorageMode": "REFERENCE"}}, "S3ObjectStorageMode"),
        ({"Runtime": "ruby3.4"}, "ruby3.4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_built_says_so(lambda_, settings, change, name):
    with refused(501, "NotImplemented", name):
        lambda_.create_function(**settings | change)


def test_an_operation_that_is_not_built_says_so(lambda_):
    with refused(501, "NotImplemented", "not implemented by Updraft yet"):
        lambda_.list_capacity_providers()


# ---- bad packages


def code_directory(updraft):
    # Unlike rglob, walk bears that directories go meanwhile.
    return sorted(f"{place}/{name}" for place, *names in os.walk(updraft.data_dir / "code") for name in sum(names, []))


UNREADABLE = "Could not unzip uploaded file. Please check your file, then try to upload again."
GOOD = zip_of({"app.py": APP})


@pytest.mark.parametrize(
    ("package", "words"),
    [
        (b"this is no zip", UNREADABLE),
        (GOOD[:-10], UNREADABLE),
        (GOOD[: len(GOOD) // 2], UNREADABLE),
        (zip_of({"../app.py": APP}), UNREADABLE),
        (zip_of({"a/../../app.py": APP}), UNREADABLE),
        (zip_of({"/etc/passwd": "x"}), UNREADABLE),
        (link_to("/etc/passwd"), UNREADABLE),
        (link_to("../../x"), UNREADABLE),
        (bomb(declares=None), "Unzipped size must be smaller than 262144000 bytes"),
        (bomb(declares=100), UNREADABLE),
        (zip_of({}), "Uploaded file must be a non-empty zip"),
    ],
    ids=["no-zip", "cut", "half", "parent", "deep-parent", "absolute", "link", "link-up", "bomb", "lying-bomb", "empty"],
)
def test_a_bad_package_is_refused_and_leaves_nothing(updraft, lambda_, create, settings, package, words):
    before = code_directory(updraft)
    with refused(400, INVALID, words):
        lambda_.create_function(**settings | {"Code": {"ZipFile": package}})
    with refused(404, MISSING):
        lambda_.get_function(FunctionName=settings["FunctionName"])
    assert eventually(lambda: set(code_directory(updraft)) <= set(before)), "the refused package left files"


def test_a_bad_package_does_not_harm_the_function_it_was_meant_for(lambda_, create):
    function = create.python(APP)
    before = lambda_.get_function_configuration(FunctionName=function.name)
    with refused(400, INVALID, UNREADABLE):
        lambda_.update_function_code(FunctionName=function.name, ZipFile=GOOD[:-10])
    assert lambda_.get_function_configuration(FunctionName=function.name)["RevisionId"] == before["RevisionId"]
    assert function.invoke({"still": "here"}).ok() == {"still": "here"}


def test_a_link_within_the_package_is_fine(lambda_, create):
    function = create.create(link_to("app.py"))
    assert function.invoke(7).ok() == 7


def test_code_of_a_deleted_function_goes(updraft, lambda_, create):
    function = create.python(APP + "# unlike any other\n")
    before = len(code_directory(updraft))
    lambda_.delete_function(FunctionName=function.name)
    assert eventually(lambda: len(code_directory(updraft)) < before), "the code stayed"


# ---- update


def test_new_code_has_a_new_digest_and_revision(lambda_, create):
    function = create.python(APP)
    before = lambda_.get_function_configuration(FunctionName=function.name)
    code = zip_of({"app.py": APP + "# 2\n"})
    updated = lambda_.update_function_code(FunctionName=function.name, ZipFile=code)
    assert (updated["LastUpdateStatus"], updated["LastUpdateStatusReasonCode"]) == ("InProgress", "Creating")
    assert updated["LastUpdateStatusReason"] == "The function is being created."
    assert updated["State"] == "Active"
    function.wait()
    after = lambda_.get_function_configuration(FunctionName=function.name)
    assert after["LastUpdateStatus"] == "Successful" and "LastUpdateStatusReason" not in after
    assert after["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    assert len({before["RevisionId"], updated["RevisionId"], after["RevisionId"]}) == 3


def test_a_dry_run_changes_nothing(lambda_, create):
    function = create.python(APP)
    before = lambda_.get_function_configuration(FunctionName=function.name)
    lambda_.update_function_code(FunctionName=function.name, ZipFile=zip_of({"app.py": "x = 1"}), DryRun=True)
    after = lambda_.get_function_configuration(FunctionName=function.name)
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])


def test_a_change_changes_what_it_names_alone(lambda_, create):
    function = create.python(APP, Description="old", MemorySize=256, Environment={"Variables": {"AB": "1"}})
    function.configure(Timeout=77)
    shown = lambda_.get_function_configuration(FunctionName=function.name)
    assert (shown["Timeout"], shown["MemorySize"], shown["Description"]) == (77, 256, "old")
    assert shown["Environment"] == {"Variables": {"AB": "1"}}
    function.configure(Environment={"Variables": {}})
    assert lambda_.get_function_configuration(FunctionName=function.name).get("Environment") in (None, {"Variables": {}})


def test_an_old_revision_is_refused(lambda_, create):
    function = create.python(APP)
    old = lambda_.get_function_configuration(FunctionName=function.name)["RevisionId"]
    function.configure(Timeout=5)
    words = "The Revision Id provided does not match the latest Revision Id."
    with refused(412, "PreconditionFailedException", words):
        lambda_.update_function_configuration(FunctionName=function.name, Timeout=6, RevisionId=old)
    with refused(412, "PreconditionFailedException", words):
        lambda_.update_function_code(FunctionName=function.name, ZipFile=GOOD, RevisionId=old)
    with refused(412, "PreconditionFailedException", words):
        lambda_.publish_version(FunctionName=function.name, RevisionId=old)
    revision = lambda: lambda_.get_function_configuration(FunctionName=function.name)["RevisionId"]
    lambda_.update_function_configuration(FunctionName=function.name, Timeout=6, RevisionId=revision())
    # A published version and a tag make a revision as well.
    function.wait()
    before = revision()
    lambda_.publish_version(FunctionName=function.name)
    published = revision()
    lambda_.tag_resource(Resource=function.arn, Tags={"a": "b"})
    assert len({before, published, revision()}) == 3


def test_updating_what_is_not_there_is_refused(lambda_):
    with refused(404, MISSING, f"Function not found: {ARN}nowhere"):
        lambda_.update_function_code(FunctionName="nowhere", ZipFile=GOOD)
    with refused(404, MISSING, f"Function not found: {ARN}nowhere"):
        lambda_.update_function_configuration(FunctionName="nowhere", Timeout=5)


def test_a_wrong_change_is_refused_and_changes_nothing(lambda_, unchecked, create):
    function = create.python(APP)
    before = lambda_.get_function_configuration(FunctionName=function.name)
    with refused(400, "ValidationException", "Value '0' at 'timeout'"):
        unchecked.update_function_configuration(FunctionName=function.name, Timeout=0, Description="new")
    with refused(400, INVALID, "Reserved keys"):
        lambda_.update_function_configuration(
            FunctionName=function.name, Environment={"Variables": {"AWS_REGION": "x"}}, Description="new"
        )
    after = lambda_.get_function_configuration(FunctionName=function.name)
    assert (after["Description"], after["RevisionId"]) == ("", before["RevisionId"])


# ---- versions


def test_versions_are_numbered_and_stay_as_they_are(lambda_, create):
    function = create.python("def handler(event, context):\n    return 1\n")
    first = lambda_.publish_version(FunctionName=function.name, Description="the first")
    assert (first["Version"], first["Description"]) == ("1", "the first")
    assert first["FunctionArn"] == f"{function.arn}:1"
    again = lambda_.publish_version(FunctionName=function.name)
    assert again["Version"] == "1", "nothing changed, so nothing is published"
    function.update("def handler(event, context):\n    return 2\n")
    assert lambda_.publish_version(FunctionName=function.name)["Version"] == "2"
    assert function.invoke(Qualifier="1").ok() == 1
    answer = function.invoke(Qualifier="2")
    assert (answer.ok(), answer.version) == (2, "2")
    assert function.invoke().version == "$LATEST"
    shown = [one["Version"] for one in lambda_.list_versions_by_function(FunctionName=function.name)["Versions"]]
    assert shown == ["$LATEST", "1", "2"]
    with refused(404, MISSING, f"Function not found: {function.arn}:3"):
        function.invoke(Qualifier="3")


def test_numbers_are_never_given_twice(lambda_, create):
    function = create.python(APP)
    lambda_.publish_version(FunctionName=function.name)
    lambda_.delete_function(FunctionName=function.name, Qualifier="1")
    assert lambda_.publish_version(FunctionName=function.name)["Version"] == "2"
    words = "$LATEST version cannot be deleted without deleting the function."
    with refused(400, INVALID, words):
        lambda_.delete_function(FunctionName=function.name, Qualifier="$LATEST")


def test_create_and_update_can_publish(lambda_, create):
    function = create.python(APP, Publish=True)
    assert lambda_.get_function(FunctionName=function.name, Qualifier="1")["Configuration"]["Version"] == "1"
    updated = lambda_.update_function_code(FunctionName=function.name, ZipFile=zip_of({"app.py": APP + "#\n"}), Publish=True)
    assert (updated["Version"], updated["FunctionArn"]) == ("2", f"{function.arn}:2")
    waiter = lambda_.get_waiter("published_version_active")
    waiter.wait(FunctionName=function.name, Qualifier="2", WaiterConfig=WAITER)
    # The same code again is a change: what was published before does not stand for it.
    function.wait()
    function.update(APP + "#\n")
    for _ in range(2):
        assert lambda_.publish_version(FunctionName=function.name)["Version"] == "3"
    same = lambda_.update_function_code(FunctionName=function.name, ZipFile=zip_of({"app.py": APP + "#\n"}), Publish=True)
    assert (same["Version"], same["CodeSha256"]) == ("4", updated["CodeSha256"])


def test_publishing_checks_the_digest(lambda_, create):
    function = create.python(APP)
    sha = lambda_.get_function_configuration(FunctionName=function.name)["CodeSha256"]
    words = f"CodeSHA256 (other) is different from current CodeSHA256 in $LATEST ({sha}). Please try again"
    with refused(400, INVALID, words):
        lambda_.publish_version(FunctionName=function.name, CodeSha256="other")
    assert lambda_.publish_version(FunctionName=function.name, CodeSha256=sha)["Version"] == "1"


# ---- lists


def test_lists_come_in_pages(lambda_, create):
    names = sorted(create.python(APP, stem="page", wait=False).name for _ in range(5))
    pages = list(lambda_.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    assert all(len(page["Functions"]) <= 2 for page in pages) and len(pages) >= 3
    listed = [one["FunctionName"] for page in pages for one in page["Functions"]]
    assert [name for name in listed if name in names] == names
    assert listed == sorted(set(listed)), "each once"
    assert "State" not in pages[0]["Functions"][0], "AWS leaves states out of lists"


def test_all_versions_can_be_listed(lambda_, create):
    function = create.python(APP, Publish=True)
    pages = lambda_.get_paginator("list_functions").paginate(FunctionVersion="ALL", PaginationConfig={"PageSize": 3})
    listed = [one["FunctionArn"] for page in pages for one in page["Functions"]]
    assert [arn for arn in listed if arn.startswith(function.arn + ":")] == [f"{function.arn}:$LATEST", f"{function.arn}:1"]


def test_a_page_of_nonsense_is_refused(lambda_, unchecked):
    with refused(400, "ValidationException", "maxItems"):
        unchecked.list_functions(MaxItems=10001)
    with refused(400, INVALID):
        lambda_.list_functions(Marker="nonsense")


# ---- delete


def test_a_deleted_function_is_gone(lambda_, create):
    function = create.python(APP)
    answer = lambda_.delete_function(FunctionName=function.name)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (lambda_.get_function, lambda_.invoke, lambda_.delete_function, lambda_.list_versions_by_function):
        with refused(404, MISSING, f"Function not found: {function.arn}"):
            call(FunctionName=function.name)
    assert create.python("def handler(e, c):\n    return 'new'\n", FunctionName=function.name).invoke().ok() == "new"


# ---- tags


def test_tags_come_and_go(lambda_, create):
    function = create.python(APP, Tags={"team": "blue"})
    lambda_.tag_resource(Resource=function.arn, Tags={"team": "red", "stage": "tést /+=.:@"})
    assert lambda_.list_tags(Resource=function.arn)["Tags"] == {"team": "red", "stage": "tést /+=.:@"}
    lambda_.untag_resource(Resource=function.arn, TagKeys=["team", "unknown"])
    assert lambda_.list_tags(Resource=function.arn)["Tags"] == {"stage": "tést /+=.:@"}
    with refused(400, INVALID, "System tags cannot be added"):
        lambda_.tag_resource(Resource=function.arn, Tags={"aws:mine": "x"})
    with refused(400, INVALID, "Tags on function aliases and versions are not supported"):
        lambda_.list_tags(Resource=f"{function.arn}:1")
    with refused(404, MISSING):
        lambda_.list_tags(Resource=f"{ARN}nowhere")


# ---- permissions


def test_a_permission_is_added_shown_and_removed(lambda_, create):
    function = create.python(APP)
    added = lambda_.add_permission(
        FunctionName=function.name,
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::bucket",
        SourceAccount="111111111111",
    )
    statement = {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": function.arn,
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "111111111111"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    }
    assert json.loads(added["Statement"]) == statement
    shown = lambda_.get_policy(FunctionName=function.name)
    assert json.loads(shown["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    assert shown["RevisionId"] == lambda_.get_function_configuration(FunctionName=function.name)["RevisionId"]
    words = "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement."
    with refused(409, "ResourceConflictException", words):
        lambda_.add_permission(
            FunctionName=function.name, StatementId="s3", Action="lambda:InvokeFunction", Principal="*"
        )
    lambda_.remove_permission(FunctionName=function.name, StatementId="s3")
    with refused(404, MISSING, "The resource you requested does not exist."):
        lambda_.get_policy(FunctionName=function.name)
    with refused(404, MISSING):
        lambda_.remove_permission(FunctionName=function.name, StatementId="s3")
    with refused(404, MISSING, f"No policy found for: {ARN}nowhere"):
        lambda_.remove_permission(FunctionName="nowhere", StatementId="s3")
    with refused(404, MISSING, f"Cannot find alias arn: {function.arn}:live"):
        lambda_.add_permission(
            FunctionName=function.name, StatementId="s3", Action="lambda:InvokeFunction", Principal="*", Qualifier="live"
        )
    with refused(412, "PreconditionFailedException", "Call the GetFunction/GetAlias API to retrieve"):
        lambda_.add_permission(
            FunctionName=function.name, StatementId="s3", Action="lambda:InvokeFunction", Principal="*", RevisionId="old"
        )


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"Principal": "nobody"}, INVALID, "The provided principal was invalid. Please check the principal and try again."),
        ({"StatementId": "not an id"}, "ValidationException", "Value 'not an id' at 'statementId'"),
        ({"Action": "s3:GetObject"}, "ValidationException", "Value 's3:GetObject' at 'action'"),
        ({"Qualifier": "$LATEST"}, INVALID, "We currently do not support adding policies for $LATEST."),
    ],
    ids=["principal", "statement", "action", "latest"],
)
def test_a_wrong_statement_is_refused(lambda_, shared, change, code, words):
    if not shared.made:
        shared.python(APP)
    good = {
        "FunctionName": shared.made[0],
        "StatementId": "id",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
    }
    with refused(400, code, words):
        lambda_.add_permission(**good | change)


def test_a_permission_lets_another_account_in(another_server, runtimes):
    server = another_server(arguments=["--iam", "enforce"]).start()
    function = Factory(server.client("lambda"), runtimes).python(APP)
    stranger = server.client("lambda", key="111111111111")
    with refused(403, "AccessDeniedException"):
        stranger.get_function(FunctionName=function.arn)
    with refused(403, "AccessDeniedException", "lambda:InvokeFunction"):
        stranger.invoke(FunctionName=function.arn)
    function.client.add_permission(
        FunctionName=function.name, StatementId="them", Action="lambda:InvokeFunction", Principal="111111111111"
    )
    assert stranger.invoke(FunctionName=function.arn, Payload=b"1")["Payload"].read() == b"1"


def test_account_settings_tell_the_limits(lambda_):
    limits = lambda_.get_account_settings()["AccountLimit"]
    assert limits["ConcurrentExecutions"] == 1000
    assert limits["CodeSizeUnzipped"] == 262144000
    assert limits["CodeSizeZipped"] == 52428800
