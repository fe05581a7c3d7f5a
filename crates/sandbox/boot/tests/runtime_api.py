"""A tiny Runtime API, to run AWS's own client beside our boot file: one event, then the answer."""

import http.server
import os
import subprocess
import threading


def _chunked(file):
    """A chunked body and its trailers, names in lower case."""
    body, trailers = b"", {}
    while size := int(file.readline().split(b";")[0], 16):
        body += file.read(size)
        file.readline()
    while line := file.readline().strip().decode():
        name, value = line.split(":", 1)
        trailers[name.lower()] = value.strip()
    return body, trailers


class Exchange:
    """Runs `argv` against a fake Runtime API that serves one event and keeps what comes back."""

    def __init__(self, argv, env, payload, headers=None, timeout_s=30):
        self.path = self.body = self.headers = None
        self.trailers = {}
        self._done = threading.Event()
        self._served = False
        exchange = self

        class Api(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if exchange._served:
                    exchange._done.wait()
                    self.close_connection = True
                    return
                exchange._served = True
                self.send_response(200)
                base = {
                    "Lambda-Runtime-Aws-Request-Id": "11111111-2222-3333-4444-555555555555",
                    "Lambda-Runtime-Deadline-Ms": "4000000000000",
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:fn",
                    "Content-Type": "application/json",
                    "Content-Length": str(len(payload)),
                }
                for name, value in {**base, **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(payload)

            def do_POST(self):
                exchange.path = self.path
                exchange.headers = self.headers
                if self.headers.get("transfer-encoding") == "chunked":
                    exchange.body, exchange.trailers = _chunked(self.rfile)
                else:
                    exchange.body = self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(202)
                self.send_header("content-length", "0")
                self.end_headers()
                exchange._done.set()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # the client was killed

        server = Server(("127.0.0.1", 0), Api)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environ = {
            "PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % server.server_port, **env,
        }
        process = subprocess.Popen(
            argv, env=environ, cwd=env.get("LAMBDA_TASK_ROOT"), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        watch = threading.Thread(target=lambda: (process.wait(), self._done.set()), daemon=True)
        watch.start()
        self._done.wait(timeout_s)
        process.kill()
        self.output = process.stdout.read().decode(errors="replace")
        process.stdout.close()
        server.shutdown()
        server.server_close()

    @property
    def kind(self):
        """The frame kind that says the same."""
        if self.path is None:
            return None
        return "X" if self.path.endswith("/init/error") else "F" if self.path.endswith("/error") else "O"
