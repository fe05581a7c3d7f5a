"""Makes sigv4.json beside this file: requests as botocore signs them. Run: python3 sigv4.py"""

import datetime
import json
import pathlib

import botocore
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOW = "20261122T163000Z"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class Frozen(datetime.datetime):
    @classmethod
    def frozen(cls, *_args, **_kwargs):
        return cls(2026, 11, 22, 16, 30, 0)

    utcnow = now = frozen


datetime.datetime = Frozen
botocore.auth.datetime = datetime
for name in ("get_current_datetime",):
    if hasattr(botocore.auth, name):
        setattr(botocore.auth, name, Frozen.frozen)

vectors = []


def add(name, signer_class, service, method, url, headers=None, body="", token=None, **options):
    request = AWSRequest(method=method, url=url, headers=headers or {}, data=body)
    request.context["client_config"] = type("C", (), {"s3": {"payload_signing_enabled": True}})()
    if options.pop("unsigned", False):
        request.context["payload_signing_enabled"] = False
    key = Credentials("AKIDEXAMPLE", SECRET, token)
    signer_class(key, service, "us-east-1", **options).add_auth(request)
    prepared = request.prepare()
    host, _, rest = prepared.url.split("://", 1)[1].partition("/")
    sent = [(k, v.decode() if isinstance(v, bytes) else v) for k, v in prepared.headers.items()]
    sent.append(("Host", host))
    vectors.append({"name": name, "method": method, "uri": "/" + rest, "headers": sent, "body": body, "now": NOW})


V4, V4S3 = botocore.auth.SigV4Auth, botocore.auth.S3SigV4Auth
QUERY, S3QUERY = botocore.auth.SigV4QueryAuth, botocore.auth.S3SigV4QueryAuth
PATHS = ["/", "/a", "/a/", "/a%20b/%C3%BC", "/a//b", "/a/./b/../c", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Ax", "/~-_.%25%2B"]
for path in PATHS:
    for method, body in (("GET", ""), ("POST", '{"a": "ü"}')):
        url = "http://localhost:4566" + path + "?b=2&a=1&a=%2F&c=&x=y%20z"
        add(f"lambda {method} {path}", V4, "lambda", method, url, {"X-Amz-Target": "T.O"}, body)
        add(f"s3 {method} {path}", V4S3, "s3", method, url, {"x-amz-meta-x": "a   b  c"}, body)
    add(f"s3 presigned {path}", S3QUERY, "s3", "GET", "http://localhost:4566" + path, expires=600)
    add(f"lambda presigned {path}", QUERY, "lambda", "GET", "http://localhost:4566" + path, expires=600)
add("json with token", V4, "dynamodb", "POST", "https://dynamodb.us-east-1.amazonaws.com/", {"X-Amz-Target": "D.L"}, "{}", "tok/en==")
add("query", V4, "sts", "POST", "https://sts.amazonaws.com/", {"Content-Type": "application/x-www-form-urlencoded"}, "Action=GetCallerIdentity&Version=2011-06-15")
add("sts presigned with token", QUERY, "sts", "GET", "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15", {"x-k8s-aws-id": "cluster"}, "", "tok/en==", expires=60)
add("s3 presigned with token", S3QUERY, "s3", "PUT", "http://b.s3.localhost:4566/k", None, "", "tok/en==", expires=604800)


def whole_client(name, service, endpoint, operation, **arguments):
    """A request as a whole client sends it, with all that its handlers add between the model and the wire."""
    from botocore.awsrequest import AWSResponse
    from botocore.session import Session

    caught = []

    def catch(request, **_):
        body = request.body
        body = body.read() if hasattr(body, "read") else body or b""
        caught.append((request, body if isinstance(body, str) else body.decode()))
        return AWSResponse(request.url, 500, {}, None)

    session = Session()
    session.set_credentials("AKIDEXAMPLE", SECRET, "tok/en==")
    config = botocore.config.Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, user_agent="fixed")
    client = session.create_client(service, region_name="us-east-1", endpoint_url=endpoint, config=config)
    client.meta.events.register("before-send", catch)
    try:
        getattr(client, operation)(**arguments)
    except Exception:
        if not caught:
            raise
    request, body = caught[0]
    host, _, rest = request.url.split("://", 1)[1].partition("/")
    drop = ("user-agent", "amz-sdk-invocation-id", "amz-sdk-request")
    sent = [(k, v.decode() if isinstance(v, bytes) else v) for k, v in request.headers.items() if k.lower() not in drop]
    sent.append(("Host", host))
    vectors.append({"name": name, "method": request.method, "uri": "/" + rest, "headers": sent, "body": body, "now": NOW})


import botocore.config  # noqa: E402

PLAIN, TLS = "http://localhost:4566", "https://localhost:4566"
whole_client("client lambda invoke", "lambda", PLAIN, "invoke", FunctionName="arn:aws:lambda:us-east-1:000000000000:function:f", Payload=b'{"a": 1}', Qualifier="$LATEST")
whole_client("client lambda list", "lambda", PLAIN, "list_functions", MaxItems=10, Marker="a+b/c=")
whole_client("client lambda tags", "lambda", PLAIN, "untag_resource", Resource="arn:aws:lambda:us-east-1:000000000000:function:f", TagKeys=["a b", "ü"])
whole_client("client sts", "sts", PLAIN, "get_caller_identity")
whole_client("client logs", "logs", PLAIN, "describe_log_groups", logGroupNamePrefix="/aws/lambda/ü")
whole_client("client dynamodb", "dynamodb", PLAIN, "list_tables")
whole_client("client s3 put", "s3", PLAIN, "put_object", Bucket="b", Key="a b/ü+(1)//x.txt", Body=b"hello", Metadata={"k": "a  b"})
whole_client("client s3 put over tls", "s3", TLS, "put_object", Bucket="b", Key="k", Body=b"hello")
whole_client("client s3 list", "s3", PLAIN, "list_objects_v2", Bucket="b", Prefix="a b/ü+", Delimiter="/", ContinuationToken="x=/+")
whole_client("client s3 delete", "s3", PLAIN, "delete_objects", Bucket="b", Delete={"Objects": [{"Key": "a&b"}]})
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n")
print(len(vectors), "vectors, botocore", botocore.__version__)
