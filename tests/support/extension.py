"""A small external extension in Python, as people write them: registers, subscribes if it is told to, prints what it is told."""

HEAD = r'''#!/usr/bin/env python3
import http.client, http.server, json, os, signal, socket, sys, threading, time
NAME = os.path.basename(sys.argv[0])
def say(*words): print(f"[{NAME}]", *words, flush=True)
def call(method, path, body=None, headers={}):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = api.getresponse()
    return answer.status, answer.read().decode(), answer.headers
def register(events):
    status, body, headers = call("POST", "/2020-01-01/extension/register", {"events": events}, {"Lambda-Extension-Name": NAME})
    assert status == 200, body
    return {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
def next(): return json.loads(call("GET", "/2020-01-01/extension/event/next", None, ID)[1])
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))): RECEIVED.append(event)
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
RECEIVED = []
def listen(port):
    server = http.server.ThreadingHTTPServer(("sandbox.localdomain", port), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
def subscribe(path="/2022-07-01/telemetry", **more):
    body = {"schemaVersion": "2022-12-13", "types": ["platform", "function", "extension"],
            "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
            "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243/events"}}
    return call("PUT", path, {**body, **more}, ID)[:2]
'''

LOOP = r'''
while True:
    event = next()
    say(event["eventType"], event.get("requestId") or event.get("shutdownReason"))
    if event["eventType"] == "SHUTDOWN": break
'''


def extension(rest=LOOP, events=("INVOKE", "SHUTDOWN")):
    """The text of one."""
    return f"{HEAD}\nID = register({list(events)!r})\n{rest}"
