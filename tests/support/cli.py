"""The AWS CLI as users type it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path


class AWS:
    """`aws …` against a server; the environment is all it gets."""

    def __init__(self, server, **more):
        beside = Path(sys.executable).parent / "aws"
        self.program = [str(beside if beside.exists() else shutil.which("aws"))]
        self.environment = server.client_environment(**more)

    def is_version_2(self):
        """Version 2 is no Python package, and it alone has `logs tail`."""
        shown = subprocess.run([*self.program, "--version"], capture_output=True, text=True, timeout=60).stdout
        return shown.startswith("aws-cli/2")

    def run(self, *words):
        """Runs it; gives stdout as JSON if it is, else as text."""
        done = self._run(words)
        assert done.returncode == 0, f"aws {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}"
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def refusal(self, *words):
        """Runs what the server refuses; gives what is told the user. (Version 1 ends with 255 then, version 2 with 254.)"""
        done = self._run(words)
        assert done.returncode in (254, 255), f"aws {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stderr.strip()

    def _run(self, words):
        command = [*self.program, *map(str, words)]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)

