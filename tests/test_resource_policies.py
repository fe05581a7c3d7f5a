"""Whole resource policies through boto3: put, shown, evaluated, deleted."""

import json

import pytest

from support.functions import Factory
from support.refusals import refused

INVALID = "InvalidParameterValueException"
MISSING = "ResourceNotFoundException"
APP = "def handler(event, context):\n    return event\n"


def allow(resource, principal, sid="given", **more):
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": ["lambda:InvokeFunction", "lambda:GetFunction"],
        "Resource": resource,
    } | more


def document(*statements, **more):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)} | more)


def test_a_policy_is_put_shown_and_deleted(lambda_, create):
    function = create.python(APP)
    given = document(allow(function.arn, "111111111111"), Id="mine")
    put = lambda_.put_resource_policy(ResourceArn=function.arn, Policy=given)
    assert json.loads(put["Policy"]) == json.loads(given)
    shown = lambda_.get_resource_policy(ResourceArn=function.arn)
    assert (shown["Policy"], shown["RevisionId"]) == (put["Policy"], put["RevisionId"])
    assert lambda_.get_policy(FunctionName=function.name)["Policy"] == put["Policy"]
    with refused(412, "PreconditionFailedException"):
        lambda_.put_resource_policy(
            ResourceArn=function.arn, Policy=given, RevisionId="00000000-0000-4000-8000-000000000000"
        )
    again = lambda_.put_resource_policy(ResourceArn=function.arn, Policy=given, RevisionId=put["RevisionId"])
    with refused(412, "PreconditionFailedException"):
        lambda_.delete_resource_policy(ResourceArn=function.arn, RevisionId=put["RevisionId"])
    lambda_.delete_resource_policy(ResourceArn=function.arn, RevisionId=again["RevisionId"])
    for gone in (lambda_.get_resource_policy, lambda_.delete_resource_policy):
        with refused(404, MISSING):
            gone(ResourceArn=function.arn)


def test_statements_and_whole_policies_are_the_same_policy(lambda_, create):
    function = create.python(APP)
    lambda_.put_resource_policy(ResourceArn=function.arn, Policy=document(allow(function.arn, "111111111111")))
    again = {"FunctionName": function.name, "Action": "lambda:InvokeFunction", "Principal": "222222222222"}
    with refused(409, "ResourceConflictException", "(given)"):
        lambda_.add_permission(**again, StatementId="given")
    lambda_.add_permission(**again, StatementId="added")
    statements = json.loads(lambda_.get_resource_policy(ResourceArn=function.arn)["Policy"])["Statement"]
    assert [statement["Sid"] for statement in statements] == ["given", "added"]
    lambda_.remove_permission(FunctionName=function.name, StatementId="given")
    statements = json.loads(lambda_.get_policy(FunctionName=function.name)["Policy"])["Statement"]
    assert [statement["Sid"] for statement in statements] == ["added"]


def test_versions_have_policies_of_their_own(lambda_, create):
    function = create.python(APP)
    version = lambda_.publish_version(FunctionName=function.name)["FunctionArn"]
    lambda_.put_resource_policy(ResourceArn=version, Policy=document(allow(version, "111111111111")))
    assert "Policy" in lambda_.get_policy(FunctionName=function.name, Qualifier="1")
    with refused(404, MISSING):
        lambda_.get_resource_policy(ResourceArn=function.arn)
    with refused(400, INVALID, "$LATEST"):
        latest = f"{function.arn}:$LATEST"
        lambda_.put_resource_policy(ResourceArn=latest, Policy=document(allow(latest, "111111111111")))


@pytest.mark.parametrize(
    ("policy", "code", "words"),
    [
        (lambda arn: "{", INVALID, "Syntax errors in policy."),
        (lambda arn: document(), INVALID, None),
        (lambda arn: document({k: v for k, v in allow(arn, "111111111111").items() if k != "Principal"}), INVALID, None),
        (lambda arn: document(allow(f"{arn}-other", "111111111111")), INVALID, "The resource of each statement"),
        (lambda arn: document(allow("*", "111111111111")), INVALID, "The resource of each statement"),
        (lambda arn: document(allow(arn, "1" * 12), allow(arn, "2" * 12)), INVALID, "must be unique"),
    ],
    ids=["json", "empty", "principal", "other", "star", "twice"],
)
def test_a_wrong_document_is_refused_and_changes_nothing(lambda_, shared, policy, code, words):
    if not shared.made:
        shared.python(APP)
    arn = lambda_.get_function_configuration(FunctionName=shared.made[0])["FunctionArn"]
    with refused(400, code, words):
        lambda_.put_resource_policy(ResourceArn=arn, Policy=policy(arn))
    with refused(404, MISSING):
        lambda_.get_resource_policy(ResourceArn=arn)


def test_what_a_document_denies_is_denied(another_server, runtimes):
    server = another_server(arguments=["--iam", "enforce"]).start()
    function = Factory(server.client("lambda"), runtimes).python(APP)
    friend, stranger = server.client("lambda", key="111111111111"), server.client("lambda", key="222222222222")
    everybody = allow(function.arn, "*", sid="all")
    denied = {"Sid": "no", "Effect": "Deny", "Principal": {"AWS": "222222222222"}}
    denied |= {"Action": "lambda:*", "Resource": function.arn}
    function.client.put_resource_policy(ResourceArn=function.arn, Policy=document(everybody, denied))
    assert friend.invoke(FunctionName=function.arn, Payload=b"1")["Payload"].read() == b"1"
    with refused(403, "AccessDeniedException"):
        stranger.invoke(FunctionName=function.arn, Payload=b"1")
