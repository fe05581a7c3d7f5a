"""REST APIs as users make them, through boto3, and a plain HTTP client for them."""

import http.client
import itertools
import json
from urllib.parse import urlsplit



_numbers = itertools.count(1)


class Answer:
    """What an API answered."""

    def __init__(self, response):
        self.status, self.content = response.status, response.read()
        self.headers = response.headers

    @property
    def text(self):
        return self.content.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.content)

    @property
    def error_type(self):
        return self.headers.get("x-amzn-errortype")


class Api:
    """A REST API: resources by path, made with all above them when they are first named."""

    def __init__(self, server, client, **settings):
        self.server, self.client = server, client
        made = client.create_rest_api(name=f"api-{next(_numbers)}", **settings)
        self.id, self.resources = made["id"], {"/": made["rootResourceId"]}

    def resource(self, path):
        if path not in self.resources:
            above, part = path.rsplit("/", 1)
            parent = self.resource(above or "/")
            made = self.client.create_resource(restApiId=self.id, parentId=parent, pathPart=part)
            self.resources[path] = made["id"]
        return self.resources[path]

    def at(self, path, method="GET"):
        return {"restApiId": self.id, "resourceId": self.resource(path), "httpMethod": method}

    def method(self, path, method="GET", **settings):
        self.client.put_method(**self.at(path, method), **({"authorizationType": "NONE"} | settings))

    def responses(self, path, method="GET", headers=(), **by_status):
        """Responses of the method and its integration; `status_200={…}` are the integration's settings."""
        for name, settings in by_status.items():
            status = name.removeprefix("status_")
            names = {f"method.response.header.{header}": False for header in headers}
            self.client.put_method_response(**self.at(path, method), statusCode=status, responseParameters=names)
            self.client.put_integration_response(**self.at(path, method), statusCode=status, **settings)

    def mock(self, path, method="GET", status=200, text="", request='{"statusCode": 200}', method_settings=None, **settings):
        """A method that says a text."""
        self.method(path, method, **(method_settings or {}))
        templates = {"application/json": request}
        self.client.put_integration(**self.at(path, method), type="MOCK", requestTemplates=templates, **settings)
        response = {"responseTemplates": {"application/json": text}} if text else {}
        self.responses(path, method, **{f"status_{status}": response})

    def function(self, path, function, method="ANY", kind="AWS_PROXY", method_settings=None, **settings):
        """A method that a function answers, with its permission to be asked."""
        self.method(path, method, **(method_settings or {}))
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function.arn}/invocations"
        self.client.put_integration(
            **self.at(path, method), type=kind, integrationHttpMethod="POST", **({"uri": uri} | settings)
        )
        self.permit(function)

    def permit(self, function):
        function.client.add_permission(
            FunctionName=function.name, StatementId=f"api-{next(_numbers)}", Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com", SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{self.id}/*",
        )

    def server_behind(self, path, uri, method="ANY", kind="HTTP_PROXY", method_settings=None, **settings):
        """A method that an HTTP server answers."""
        self.method(path, method, **(method_settings or {}))
        self.client.put_integration(
            **self.at(path, method), type=kind, integrationHttpMethod=settings.pop("http_method", method), uri=uri, **settings
        )

    def deploy(self, stage="prod", **settings):
        self.client.create_deployment(restApiId=self.id, stageName=stage, **settings)
        return Stage(self, stage)


class Stage:
    """A deployed stage."""

    def __init__(self, api, name):
        self.api, self.name = api, name
        self.address = urlsplit(api.server.endpoint)
        self.host = f"{api.id}.execute-api.us-east-1.localhost:{self.address.port}"

    def ask(self, method="GET", path="/", body=None, headers=None, host=None):
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=60)
        connection.request(method, f"/{self.name}{path}", body, {"Host": host or self.host} | (headers or {}))
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def event(self, *arguments, **more):
        answer = self.ask(*arguments, **more)
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json

    def update(self, *operations):
        patches = [{"op": "replace", "path": path, "value": value} for path, value in operations]
        self.api.client.update_stage(restApiId=self.api.id, stageName=self.name, patchOperations=patches)


