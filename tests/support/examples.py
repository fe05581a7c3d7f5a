"""The examples, deployed as their READMEs say."""

import os
import subprocess
import sys
from pathlib import Path

from support.server import ROOT


def deployed(name, server, runtimes):
    """Runs an example's `deploy.sh` against a server; gives the address that it prints."""
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = server.client_environment(PATH=tools, PYTHON=sys.executable, PYTHON_RUNTIME=runtimes.python)
    done = subprocess.run([ROOT / "examples" / name / "deploy.sh"], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
