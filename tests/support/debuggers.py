"""Debuggers as editors speak to them: the Debug Adapter Protocol, the Chrome DevTools protocol, and the JDK's own jdb."""

import base64
import json
import os
import re
import socket
import subprocess
import threading
import urllib.request

PATIENCE_SECONDS = 60


class DebugAdapter:
    """A client of debugpy, with the messages that editors send when they attach."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.file = self.socket.makefile("rb")
        self.number, self.events = 0, []

    def attach(self, breakpoints, remote="/var/task", local="/var/task"):
        self.answer(self.send("initialize", adapterID="python", clientID="tests", linesStartAt1=True, pathFormat="path"))
        attaching = self.send("attach", pathMappings=[{"localRoot": local, "remoteRoot": remote}], justMyCode=True)
        self.event("initialized")
        for path, lines in breakpoints.items():
            set_ = self.send("setBreakpoints", source={"path": path}, breakpoints=[{"line": line} for line in lines])
            assert all(point["verified"] for point in self.answer(set_)["breakpoints"])
        self.answer(self.send("configurationDone"))
        self.answer(attaching)
        return self

    def send(self, command, **arguments):
        self.number += 1
        body = json.dumps({"seq": self.number, "type": "request", "command": command, "arguments": arguments}).encode()
        self.socket.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return self.number

    def ask(self, command, **arguments):
        return self.answer(self.send(command, **arguments))

    def answer(self, number):
        while True:
            message = self._read()
            if message["type"] == "response" and message["request_seq"] == number:
                assert message["success"], message
                return message.get("body")
            self.events.append(message)

    def event(self, name):
        while True:
            for message in self.events:
                if message.get("event") == name:
                    self.events.remove(message)
                    return message.get("body")
            self.events.append(self._read())

    def _read(self):
        length = 0
        while (line := self.file.readline()) != b"\r\n":
            assert line, "the debugger hung up"
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return json.loads(self.file.read(length))

    def stopped(self):
        """Waits for a breakpoint; its thread and innermost frame."""
        thread = self.event("stopped")["threadId"]
        return thread, self.ask("stackTrace", threadId=thread)["stackFrames"][0]

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Inspector:
    """A client of Node.js's inspector: a web socket, hand-made, for text frames only."""

    def __init__(self, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE_SECONDS) as answer:
            target = json.load(answer)[0]["webSocketDebuggerUrl"]
        path = re.fullmatch(rf"ws://127\.0\.0\.1:{port}(/\S+)", target)[1]
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.file = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b" 101 " in self.file.readline()
        while self.file.readline() != b"\r\n":
            pass
        self.number, self.events = 0, []

    def ask(self, method, **params):
        self.number += 1
        data = json.dumps({"id": self.number, "method": method, "params": params}).encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
        self.socket.sendall(b"\x81" + size + b"\0\0\0\0" + data)  # a mask of zeros
        while True:
            message = self._read()
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def event(self, method):
        while True:
            for message in self.events:
                if message.get("method") == method:
                    self.events.remove(message)
                    return message["params"]
            self.events.append(self._read())

    def _read(self):
        _, length = self.file.read(2)
        if length == 126:
            length = int.from_bytes(self.file.read(2), "big")
        elif length == 127:
            length = int.from_bytes(self.file.read(8), "big")
        return json.loads(self.file.read(length))

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Jdb:
    """The JDK's debugger, by its prompt."""

    def __init__(self, port):
        self.process = subprocess.Popen(
            ["jdb", "-attach", f"127.0.0.1:{port}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.text = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while character := self.process.stdout.read(1):
            self.text += character

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()
