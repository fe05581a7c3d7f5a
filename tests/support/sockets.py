"""WebSocket APIs as users build and call them: boto3 for the control plane, websocket-client from PyPI for connections."""

import itertools
import json
import re

import boto3
import botocore.config
import websocket
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_numbers = itertools.count(1)

# Keeps the events it gets in its log, and answers with them.
ECHO = """
import json
def handler(event, context):
    print("EVENT " + json.dumps(event))
    return {"statusCode": 200, "body": json.dumps(event)}
"""

# A connection's, a request's, a message's.
ID = re.compile(r"[A-Za-z0-9_-]{15}=")


def events(logs, function, kind):
    """The events of a kind that a function has got and kept."""
    found = logs.filter_log_events(logGroupName=function.log_group, filterPattern='"EVENT "')["events"]
    all_ = [json.loads(event["message"].removeprefix("EVENT ")) for event in found if event["message"].startswith("EVENT")]
    return [event for event in all_ if event["requestContext"]["eventType"] == kind]


class SocketApi:
    """A WebSocket API with one stage."""

    def __init__(self, server, selection="$request.body.action", **settings):
        self.server, self.client = server, server.client("apigatewayv2")
        made = self.client.create_api(
            Name=f"socket-{next(_numbers)}",
            ProtocolType="WEBSOCKET",
            RouteSelectionExpression=selection,
            **settings,
        )
        self.id, self.stage = made["ApiId"], "prod"

    def function(self, function, **settings):
        """A proxy integration with a function, which is let call it; gives its id."""
        function.client.add_permission(
            FunctionName=function.name,
            StatementId=f"api-{next(_numbers)}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{self.id}/*",
        )
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function.arn}/invocations"
        return self.integration(**{"IntegrationType": "AWS_PROXY", "IntegrationUri": uri} | settings)

    def integration(self, **settings):
        return self.client.create_integration(ApiId=self.id, **settings)["IntegrationId"]

    def route(self, key, integration=None, two_way=False, **settings):
        if integration:
            settings["Target"] = f"integrations/{integration}"
        if two_way:
            settings["RouteResponseSelectionExpression"] = "$default"
        route = self.client.create_route(ApiId=self.id, RouteKey=key, **settings)["RouteId"]
        if two_way:
            self.client.create_route_response(ApiId=self.id, RouteId=route, RouteResponseKey="$default")
        return route

    def deploy(self, **settings):
        deployment = self.client.create_deployment(ApiId=self.id)["DeploymentId"]
        self.client.create_stage(ApiId=self.id, StageName=self.stage, DeploymentId=deployment, **settings)
        return self

    def redeploy(self):
        deployment = self.client.create_deployment(ApiId=self.id)["DeploymentId"]
        self.client.update_stage(ApiId=self.id, StageName=self.stage, DeploymentId=deployment)

    @property
    def host(self):
        return f"{self.id}.execute-api.us-east-1.localhost:{self.server.port}"

    @property
    def url(self):
        return f"ws://localhost:{self.server.port}/_aws/execute-api/{self.id}/{self.stage}"

    def connect(self, query="", headers=None, **more):
        """A connection, by the API's own host name."""
        options = {"host": self.host, "timeout": 60, "suppress_origin": True} | more
        url = f"ws://localhost:{self.server.port}/{self.stage}{query}"
        return Socket(websocket.create_connection(url, header=headers or [], **options))

    def refused(self, *arguments, **more):
        """The status and body of a handshake that is refused."""
        try:
            self.connect(*arguments, **more)
        except websocket.WebSocketBadStatusException as refusal:
            return refusal.status_code, (refusal.resp_body or b"").decode()
        raise AssertionError("the handshake was agreed to")

    def signed_query(self, key="test", secret="test", token=None):
        """The query string by which a browser signs a handshake."""
        request = AWSRequest("GET", f"http://{self.host}/{self.stage}")
        SigV4QueryAuth(Credentials(key, secret, token), "execute-api", "us-east-1").add_auth(request)
        return "?" + request.url.split("?", 1)[1]

    def management(self, endpoint=None, secret="test"):
        """The client of a backend that knows the API's address, or another."""
        endpoint = endpoint or f"http://localhost:{self.server.port}/_aws/execute-api/{self.id}/{self.stage}"
        session = boto3.session.Session("test", secret, None, "us-east-1")
        config = botocore.config.Config(retries={"max_attempts": 0})
        return session.client("apigatewaymanagementapi", endpoint_url=endpoint, config=config)

    def delete(self):
        self.client.delete_api(ApiId=self.id)


class Socket:
    """A client's end of a connection."""

    def __init__(self, socket):
        self.socket = socket

    def say(self, text):
        self.socket.send(text if isinstance(text, str) else json.dumps(text))

    def hear(self):
        """The next message, as JSON where it is some."""
        text = self.socket.recv()
        try:
            return json.loads(text)
        except ValueError:
            return text

    def ask(self, text):
        self.say(text)
        return self.hear()

    def end(self):
        """Reads to the end; the close frame's status and reason."""
        while True:
            opcode, data = self.socket.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code = int.from_bytes(data[:2], "big") if len(data) >= 2 else None
                return code, data[2:].decode()

    def close(self, *arguments):
        self.socket.close(*arguments)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
