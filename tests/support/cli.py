"""The AWS CLI as users type it."""

import json
import os
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

    @classmethod
    def version_2(cls, server):
        """The second major version, which is no Python package and alone has `logs tail`; None where it is missing."""
        for directory in ["/usr/bin", *os.environ["PATH"].split(os.pathsep)]:
            program = shutil.which("aws", path=directory)
            if program and _version(program).startswith("aws-cli/2"):
                aws = cls(server)
                # Releases before 2.13 do not know AWS_ENDPOINT_URL.
                aws.program = [program, "--endpoint-url", server.endpoint]
                return aws
        return None

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


def _version(program):
    return subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60).stdout
