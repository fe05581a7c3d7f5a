"""What an account has and uses, and settings of functions that are few enough to stand together."""

import json

from support.code import zip_of
from support.refusals import refused
from support.server import eventually

ECHO = "def handler(event, context):\n    print(event)\n    return event\n"


def test_account_settings_count_every_version(lambda_, create):
    before = lambda_.get_account_settings()
    assert before["AccountLimit"]["TotalCodeSize"] == 80530636800
    function = create.python(ECHO)
    lambda_.publish_version(FunctionName=function.name)
    now = lambda_.get_account_settings()
    size = len(zip_of({"app.py": ECHO}))
    assert now["AccountUsage"]["TotalCodeSize"] - before["AccountUsage"]["TotalCodeSize"] == 2 * size
    assert now["AccountUsage"]["FunctionCount"] - before["AccountUsage"]["FunctionCount"] == 1


def test_a_runtimes_management_is_kept_and_only_what_is_there_can_be_named(lambda_, create):
    function = create.python(ECHO)
    first = lambda_.get_runtime_management_config(FunctionName=function.name)
    assert (first["UpdateRuntimeOn"], first["FunctionArn"]) == ("Auto", f"{function.arn}:$LATEST")
    assert "RuntimeVersionArn" not in first
    shown = lambda_.get_function_configuration(FunctionName=function.name)["RuntimeVersionConfig"]["RuntimeVersionArn"]
    put = lambda_.put_runtime_management_config
    put(FunctionName=function.name, UpdateRuntimeOn="Manual", RuntimeVersionArn=shown)
    now = lambda_.get_runtime_management_config(FunctionName=function.name)
    assert (now["UpdateRuntimeOn"], now["RuntimeVersionArn"]) == ("Manual", shown)
    with refused(400, "InvalidParameterValueException", "was not found for the runtime"):
        put(FunctionName=function.name, UpdateRuntimeOn="Manual", RuntimeVersionArn=shown[:-4] + "ffff")
    assert function.invoke({"a": 1}).ok() == {"a": 1}


def test_the_old_way_to_call_asynchronously(lambda_, logs, create):
    function = create.python(ECHO)
    answer = lambda_.invoke_async(FunctionName=function.name, InvokeArgs=json.dumps({"old": "way"}))
    assert answer["Status"] == 202

    def ran():
        try:
            return logs.filter_log_events(logGroupName=function.log_group, filterPattern='"old"')["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None

    assert "{'old': 'way'}" in eventually(ran)[0]["message"]
    with refused(400, "InvalidRequestContentException"):
        lambda_.invoke_async(FunctionName=function.name, InvokeArgs=b"not json")
    with refused(404, "ResourceNotFoundException", "Function not found: "):
        lambda_.invoke_async(FunctionName="nowhere", InvokeArgs=b"{}")
