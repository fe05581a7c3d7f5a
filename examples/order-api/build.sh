#!/bin/sh
# Makes build/function.zip. There is nothing to compile and nothing to bring along.
set -eu

cd "$(dirname "$0")"
"${PYTHON:-python3}" ../zip.py build/function.zip index.mjs router.mjs orders.mjs problem.mjs catalogue.json
