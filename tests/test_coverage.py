"""The committed lists of what is not covered are true: our declarations beside the models inside the installed botocore."""

import os
import subprocess
from pathlib import Path

from support.server import binary

ROOT = Path(__file__).resolve().parent.parent


def model_diff(schemas: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = ["cargo", "xtask", "model-diff", *arguments, "--check", "--schemas", str(schemas)]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=300)


def test_every_operation_of_aws_is_answered_or_listed_and_the_pages_say_so(tmp_path):
    schemas = tmp_path / "schemas.json"
    schemas.write_text(subprocess.run([binary(), "__schemas"], capture_output=True, text=True, check=True).stdout)
    compared = model_diff(schemas)
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert "lambda: " in compared.stdout


def test_a_page_that_is_not_true_is_noticed(tmp_path):
    schemas = tmp_path / "schemas.json"
    declared = subprocess.run([binary(), "__schemas"], capture_output=True, text=True, check=True).stdout
    schemas.write_text(declared.replace('"GetCallerIdentity"', '"GetCallerIdentities"'))
    compared = model_diff(schemas, "sts")
    assert compared.returncode != 0
    assert "docs/coverage is not true of sts" in compared.stderr
