"""A container registry of the tests' own: the Distribution API's reading half, with logins, tokens, and faults on demand."""

import base64
import contextlib
import http.server
import json
import threading
import urllib.parse

from support import images

INDEX = "application/vnd.oci.image.index.v1+json"


class Registry:
    """Serves images by `repository:tag`. `scheme` is what it wants to see: None, "basic" or "bearer". With a context of TLS it
    speaks https."""

    def __init__(self, scheme=None, login="reader:secret", tls=None):
        self.scheme, self.login = scheme, login
        self.manifests, self.blobs = {}, {}
        # What becomes of a path: a function of the handler, which answers in its place.
        self.faults = {}
        # Every request's path, and the Authorization that it had.
        self.asked = []
        self.released = threading.Event()
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    registry.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"localhost:{self.server.server_port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        if tls:
            # Without this the handshake would be the accepting thread's, and one silent client would stop all.
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def push(self, name, *several):
        """Keeps an image, or an index of several, and gives the URI."""
        repository, _, tag = name.partition(":")
        for image in several:
            self.blobs |= image.blobs
            self.manifests[repository, image.digest] = (images.MANIFEST, image.blobs[image.digest])
        kind, content = self.manifests[repository, several[0].digest]
        if len(several) > 1:
            platforms = [
                one.descriptor | {"platform": {"architecture": one.architecture, "os": "linux"}} for one in several
            ]
            kind, content = INDEX, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}).encode()
        self.manifests[repository, tag] = self.manifests[repository, images.digest(content)] = (kind, content)
        return f"{self.host}/{name}"

    def paths(self, part):
        return [path for path, _ in self.asked if part in path]

    def answer(self, request):
        path = urllib.parse.urlsplit(request.path).path
        authorization = request.headers.get("Authorization")
        self.asked.append((request.path, authorization))
        if path in self.faults:
            return self.faults[path](request)
        basic = "Basic " + base64.b64encode(self.login.encode()).decode()
        if path == "/token":
            if authorization != basic:
                return send(request, 401)
            return send(request, 200, json.dumps({"token": "a-token", "access_token": "a-token"}).encode())
        wanted = {None: authorization, "basic": basic, "bearer": "Bearer a-token"}[self.scheme]
        if authorization != wanted:
            realm = f'Bearer realm="{self.url}/token",service="tests"' if self.scheme == "bearer" else 'Basic realm="x"'
            return send(request, 401, headers={"WWW-Authenticate": realm})
        _, _, rest = path.partition("/v2/")
        repository, kind, name = rest.rsplit("/", 2)
        if kind == "manifests" and (repository, name) in self.manifests:
            media_type, content = self.manifests[repository, name]
            assert media_type in request.headers["Accept"], request.headers["Accept"]
            return send(request, 200, content, {"Content-Type": media_type})
        if kind == "blobs" and name in self.blobs:
            return send(request, 200, self.blobs[name])
        return send(request, 404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')


def send(request, status, content=b"", headers=None):
    request.send_response(status)
    for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(content)


def redirect(location):
    """A fault: leads elsewhere."""
    return lambda request: send(request, 307, headers={"Location": location})


def content(given):
    """A fault: other content than the name promises."""
    return lambda request: send(request, 200, given)


def endless(request):
    """A fault: an answer without length and end."""
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(bytes(64 * 1024))
