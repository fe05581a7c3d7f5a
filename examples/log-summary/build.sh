#!/bin/sh
# Makes build/function.zip, which holds one program named bootstrap, and build/event.json.
#
# The program is built for the machine at hand. For AWS, whose C library is another, build it with
# `--target x86_64-unknown-linux-musl` (TARGET=... does that).
set -eu

cd "$(dirname "$0")"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/examples"
cargo build --quiet --release --locked ${TARGET:+--target "$TARGET"}
python=${PYTHON:-python3}
"$python" ../zip.py build/function.zip "$CARGO_TARGET_DIR/${TARGET:+$TARGET/}release/log-summary=bootstrap"
"$python" -c 'import json, sys; json.dump({"log": open(sys.argv[1]).read()}, sys.stdout)' logs/access.log > build/event.json
