"""AWS's SDK for JavaScript: the programs in `js/`, run by Node.js's own test runner against the session's server."""

import subprocess
from pathlib import Path

HERE = Path(__file__).parent / "js"


def test_the_sdk_for_javascript(updraft, runtimes):
    if not (HERE / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=HERE, check=True)
    files = sorted(str(path) for path in HERE.glob("*.test.js"))
    env = updraft.client_environment(TEST_NODE_RUNTIME=runtimes.node)
    done = subprocess.run(["node", "--test", *files], cwd=HERE, env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout or "ℹ fail 0" in done.stdout
