"""What the tests of API Gateway share."""

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:hello"
INVOKE = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"


def bare(answer):
    """An answer without what boto3 adds."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
