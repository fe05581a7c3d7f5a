"""HTTP APIs as users make them, called by plain HTTP; servers that stand behind them."""

import contextlib
import http.client
import http.server
import json
import threading
import types
from urllib.parse import urlsplit

ECHO = "def handler(event, context):\n    return event\n"
SAYS = "import json\ndef handler(event, context):\n    return json.loads(event['body'])\n"


class Api:
    """An HTTP API, its stages deployed by themselves, and a plain client for it."""

    def __init__(self, client, **settings):
        self.client = client
        created = client.create_api(**({"Name": "test", "ProtocolType": "HTTP"} | settings))
        self.id, self.url = created["ApiId"], created["ApiEndpoint"]
        parts = urlsplit(self.url)
        self.address, self.base = (parts.hostname, parts.port), parts.path

    def stage(self, name="$default", **settings):
        return self.client.create_stage(ApiId=self.id, StageName=name, **({"AutoDeploy": True} | settings))

    def integration(self, **settings):
        return self.client.create_integration(ApiId=self.id, **settings)["IntegrationId"]

    def function(self, function, version="2.0", **settings):
        """An integration with a function."""
        uri = function if isinstance(function, str) else function.arn
        return self.integration(
            IntegrationType="AWS_PROXY", IntegrationUri=uri, PayloadFormatVersion=version, **settings
        )

    def server(self, url, method="ANY", **settings):
        """An integration with an HTTP server."""
        return self.integration(
            IntegrationType="HTTP_PROXY", IntegrationUri=url, IntegrationMethod=method, PayloadFormatVersion="1.0",
            **settings,
        )

    def route(self, key, integration=None, **settings):
        target = {"Target": f"integrations/{integration}"} if integration else {}
        return self.client.create_route(ApiId=self.id, RouteKey=key, **target, **settings)["RouteId"]

    def connect(self):
        return http.client.HTTPConnection(*self.address, timeout=60)

    def ask(self, method="GET", path="/", body=None, headers=None):
        """Sends a request; gives the response, its body in `text` and `content`."""
        connection = self.connect()
        connection.request(method, self.base + path, body, headers or {})
        response = connection.getresponse()
        response.content = response.read()
        response.text = response.content.decode(errors="replace")
        connection.close()
        return response

    def event(self, *arguments, **more):
        response = self.ask(*arguments, **more)
        assert response.status == 200, (response.status, response.text)
        return json.loads(response.text)

    def refused(self, status, message, *arguments, **more):
        response = self.ask(*arguments, **more)
        assert (response.status, response.text) == (status, json.dumps({"message": message}, separators=(",", ":")))
        assert response.headers["content-type"] == "application/json" and response.headers["apigw-requestid"]
        return response


class Maker:
    """Makes APIs that are called, and removes them at the end."""

    def __init__(self, client):
        self.client, self.made = client, []

    def __call__(self, stage="$default", **settings):
        api = Api(self.client, **settings)
        self.made.append(api)
        if stage:
            api.stage(stage)
        return api

    def remove_all(self):
        for api in self.made:
            with contextlib.suppress(self.client.exceptions.NotFoundException):
                self.client.delete_api(ApiId=api.id)


class Backend(http.server.ThreadingHTTPServer):
    """A server on this machine that answers as `answer` says: a function of its request handler."""

    daemon_threads = True

    def __init__(self, answer):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self):
                server.asked.append(types.SimpleNamespace(command=self.command, path=self.path))
                answer(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = respond

            def give(self, status=200, body=b"", **headers):
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def body(self):
                """The request's body, however it comes."""
                if self.headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length") or 0))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.url = f"http://localhost:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def echo(request, status=200):
    """Tells what was asked."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    told = {"method": request.command, "path": request.path, "headers": headers, "body": request.body().decode()}
    request.give(status, told, Content_Type="application/json", X_From="backend")


def said(api, answer, path="/", **more):
    """What an API answers whose function gives back what it is told."""
    return api.ask("POST", path, json.dumps(answer), {"content-type": "application/json"}, **more)
