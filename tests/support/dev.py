"""A developer at `updraft dev`."""

import signal
import subprocess
import threading

from .server import eventually


class Session:
    """`updraft dev`, its output line by line."""

    def __init__(self, executable, arguments, directory, environment):
        self.process = subprocess.Popen(
            [executable, "dev", *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self._reader.start()

    @property
    def text(self):
        return "".join(self.lines)

    def says(self, words, times=1):
        seen = eventually(lambda: self.text.count(words) >= times or self.process.poll() is not None, 60)
        assert seen and self.text.count(words) >= times, self.text

    def end(self):
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(60)
        self._reader.join()
        return status
