"""Code signing configurations through boto3: what they keep out, and what they cannot judge."""

import pytest

from support.code import zip_of
from support.functions import WAITER
from support.refusals import refused

PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/profile/ABCDEFGHIJ"
APP = {"app.py": "def handler(event, context):\n    return 1\n"}
UNTRUSTED = "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept."
NOT_FOUND = "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "


@pytest.fixture
def config(lambda_):
    """Makes configurations; removes at the end those that no function has any more."""
    made = []

    def make(policy=None, **more):
        if policy:
            more["CodeSigningPolicies"] = {"UntrustedArtifactOnDeployment": policy}
        created = lambda_.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}, **more
        )["CodeSigningConfig"]
        made.append(created["CodeSigningConfigArn"])
        return created

    yield make
    for arn in made:
        for function in lambda_.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"]:
            lambda_.delete_function_code_signing_config(FunctionName=function)
        lambda_.delete_code_signing_config(CodeSigningConfigArn=arn)


def test_a_configuration_is_made_shown_changed_and_listed(lambda_, config):
    created = config(Description="ours")
    arn = created["CodeSigningConfigArn"]
    assert arn == f"arn:aws:lambda:us-east-1:000000000000:code-signing-config:{created['CodeSigningConfigId']}"
    assert created["AllowedPublishers"] == {"SigningProfileVersionArns": [PROFILE]}
    assert created["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    assert created["Description"] == "ours" and created["LastModified"].endswith("+0000")
    assert "Description" not in config()
    assert lambda_.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"] == created
    changed = lambda_.update_code_signing_config(
        CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}
    )["CodeSigningConfig"]
    assert changed["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
    assert changed["Description"] == "ours" and changed["AllowedPublishers"] == created["AllowedPublishers"]
    pages = lambda_.get_paginator("list_code_signing_configs").paginate(PaginationConfig={"PageSize": 1})
    assert changed in [one for page in pages for one in page["CodeSigningConfigs"]]


def test_what_is_not_there_is_refused(lambda_, config, create):
    gone = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"
    words = f"The Lambda code signing configuration {gone} can not be found."
    for call in (
        lambda_.get_code_signing_config,
        lambda_.update_code_signing_config,
        lambda_.delete_code_signing_config,
        lambda_.list_functions_by_code_signing_config,
    ):
        with refused(404, "ResourceNotFoundException", words):
            call(CodeSigningConfigArn=gone)
    function = create.create(zip_of(APP))
    with refused(404, "CodeSigningConfigNotFoundException", NOT_FOUND + gone):
        lambda_.put_function_code_signing_config(FunctionName=function.name, CodeSigningConfigArn=gone)
    with refused(404, "CodeSigningConfigNotFoundException", NOT_FOUND + gone):
        create.create(zip_of(APP), CodeSigningConfigArn=gone)
    with refused(404, "CodeSigningConfigNotFoundException", NOT_FOUND + gone):
        lambda_.put_function_code_signing_config(FunctionName="nobody", CodeSigningConfigArn=gone)
    there = config()["CodeSigningConfigArn"]
    with refused(404, "ResourceNotFoundException", "Function not found"):
        lambda_.put_function_code_signing_config(FunctionName="nobody", CodeSigningConfigArn=there)
    with refused(400, "ValidationException", "failed to satisfy constraint"):
        lambda_.get_code_signing_config(CodeSigningConfigArn="csc-0123456789abcdef0")


def test_enforced_signing_keeps_unsigned_code_out(lambda_, config, create):
    arn = config("Enforce")["CodeSigningConfigArn"]
    name = create.name("signed")
    with refused(400, "CodeVerificationFailedException", UNTRUSTED):
        create.create(zip_of(APP), FunctionName=name, CodeSigningConfigArn=arn)
    with refused(404, "ResourceNotFoundException"):
        lambda_.get_function(FunctionName=name)
    assert lambda_.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"] == []

    function = create.create(zip_of(APP))
    assert "CodeSigningConfigArn" not in lambda_.get_function_code_signing_config(FunctionName=function.name)
    put = lambda_.put_function_code_signing_config(FunctionName=function.name, CodeSigningConfigArn=arn)
    assert (put["CodeSigningConfigArn"], put["FunctionName"]) == (arn, function.name)
    shown = lambda_.get_function_code_signing_config(FunctionName=function.name)
    assert (shown["CodeSigningConfigArn"], shown["FunctionName"]) == (arn, function.name)
    assert lambda_.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"] == [function.arn]
    before = lambda_.get_function_configuration(FunctionName=function.name)
    with refused(400, "CodeVerificationFailedException", f"Check the provided signature for {function.name}."):
        function.update("def handler(event, context):\n    return 2\n")
    dry = {"FunctionName": function.name, "ZipFile": zip_of(APP), "DryRun": True}
    with refused(400, "CodeVerificationFailedException", f"Check the provided signature for {function.name}."):
        lambda_.update_function_code(**dry)
    layer = lambda_.publish_layer_version(LayerName="unsigned", Content={"ZipFile": zip_of({"x": "y"})})
    with refused(400, "CodeVerificationFailedException", UNTRUSTED):
        function.configure(Layers=[layer["LayerVersionArn"]])
    lambda_.delete_layer_version(LayerName="unsigned", VersionNumber=layer["Version"])
    after = lambda_.get_function_configuration(FunctionName=function.name)
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])
    assert function.invoke().ok() == 1, "what was deployed before stays"
    function.configure(Description="no code")

    with refused(409, "ResourceConflictException"):
        lambda_.delete_code_signing_config(CodeSigningConfigArn=arn)
    lambda_.delete_function_code_signing_config(FunctionName=function.name)
    assert lambda_.update_function_code(**dry)["FunctionName"] == function.name
    function.update("def handler(event, context):\n    return 2\n")
    assert function.invoke().ok() == 2


def test_a_warning_lets_unsigned_code_through(updraft, lambda_, config, create):
    arn = config("Warn")["CodeSigningConfigArn"]
    function = create.create(zip_of(APP), CodeSigningConfigArn=arn)
    assert function.invoke().ok() == 1
    assert lambda_.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"] == [function.arn]
    lines = [line for line in updraft.log_path.read_text().splitlines() if function.arn in line]
    assert any("none of the allowed publishers signed" in line for line in lines), lines
    lambda_.delete_function(FunctionName=function.name)
    assert lambda_.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"] == []


def test_signatures_that_nobody_can_verify_are_refused_as_such(lambda_, config, create):
    signed = zip_of(APP | {"META-INF/SIGNER.SF": "?", "META-INF/SIGNER.EC": "?"})
    for policy in ("Warn", "Enforce"):
        with refused(501, "NotImplemented", "the verification of signed packages"):
            create.create(signed, CodeSigningConfigArn=config(policy)["CodeSigningConfigArn"])
    function = create.create(signed)
    lambda_.get_waiter("function_active_v2").wait(FunctionName=function.name, WaiterConfig=WAITER)
    assert function.invoke().ok() == 1, "without a configuration nobody looks"
