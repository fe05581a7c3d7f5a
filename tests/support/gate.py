"""A server with one API of each kind, spoken to over bare sockets: what no HTTP client would send."""

import contextlib
import re
import socket
from pathlib import Path

from support import functions, http_apis, rest
from support.server import eventually
from support.sockets import SocketApi

# Says how it is asked; takes its time, and tells its log when it begins and when it is through, if the path ends so.
FUNCTION = """
import json, time
def handler(event, context):
    if (event.get("rawPath") or event.get("path")).endswith("slow"):
        mark = str(event["headers"].get("x-mark"))
        print("began with " + mark)
        time.sleep(2)
        print("through with " + mark)
    return {"statusCode": 200, "body": json.dumps({"length": len(event.get("body") or ""), "query": event.get("queryStringParameters")})}
"""

# States of TCP connections of which a process still holds its end: established, and closed by the other side.
HELD = ("01", "08")


class Gate:
    """The APIs: `rest`, `http` and `web_socket` are the hosts by which they are called, stage `prod`. Of the first two `/f/…`
    leads to a function, `/s/…` to a server; REST's `/m` is a mock."""

    def __init__(self, server, backend):
        self.server, self.backend = server, backend
        factory = functions.Factory(server.client("lambda"), functions.Runtimes.on_host(server.runtimes))
        self.function = factory.python(FUNCTION, Timeout=20)
        one = rest.Api(server, server.client("apigateway"))
        one.mock("/m", text="mock")
        one.function("/f/{proxy+}", self.function)
        mapped = {"integration.request.path.proxy": "method.request.path.proxy"}
        settings = {"requestParameters": {"method.request.path.proxy": True}}
        one.server_behind("/s/{proxy+}", backend.url + "/{proxy}", requestParameters=mapped, method_settings=settings)
        self.rest = one.deploy().host
        two = http_apis.Api(server.client("apigatewayv2"))
        two.stage("prod")
        two.route("ANY /f/{proxy+}", two.function(self.function))
        two.route("ANY /s/{proxy+}", two.server(backend.url + "/{proxy}"))
        self.http = f"{two.id}.execute-api.us-east-1.localhost:{server.port}"
        three = SocketApi(server)
        three.route("$connect", three.function(factory.python("def handler(event, context):\n    return {'statusCode': 200}\n")))
        three.route("$default", three.integration(IntegrationType="MOCK"))
        three.deploy()
        self.web_socket, self.sockets = three.host, three

    def open(self):
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=60)

    def say(self, text, half_close=False):
        """Says this on a new connection, then hears the other side out. Whoever is hung up on while speaking has heard nothing."""
        with self.open() as line:
            with contextlib.suppress(OSError):
                line.sendall(text if isinstance(text, bytes) else text.encode())
                if half_close:
                    line.shutdown(socket.SHUT_WR)
            return heard(line)

    def connections(self):
        """How many connections the server holds."""
        count = 0
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                count += int(local.rsplit(":", 1)[1], 16) == self.server.port and state in HELD
        return count

    def serves(self):
        """Whether all three APIs answer as they should."""
        for host, path, status in [(self.rest, "/prod/m", 200), (self.http, "/prod/s/x", 200), (self.web_socket, "/prod", 426)]:
            answer = self.say(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            assert statuses(answer) == [status], answer
        return True

    def log(self):
        """What the function has logged. No connection stays for it."""
        logs = self.server.client("logs")
        try:
            events = logs.filter_log_events(logGroupName=self.function.log_group)["events"]
        except logs.exceptions.ResourceNotFoundException:
            events = []
        logs.close()
        return "".join(event["message"] for event in events)

    def has_logged(self, words):
        return eventually(lambda: words in self.log())


def heard(line):
    """Everything until the other side ends, however it does."""
    said = b""
    with contextlib.suppress(OSError):
        while piece := line.recv(65536):
            said += piece
    return said


def statuses(said):
    """The statuses of all answers in what was heard."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", said)]
