#!/usr/bin/env bash
# The measurements, each beside baselines of the same run. Not a test: nothing here passes or fails.
set -euo pipefail
cd "$(dirname "$0")/.."

printf '\n=== store: durable small transactions\n'
cargo run --release --locked -q -p store --example store_bench
printf '\n=== sandbox engine: cold starts, warm invocations, memory\n'
cargo run --release --locked -q -p sandbox --example sandbox_bench -- packs="$UPDRAFT_RUNTIMES_DIR"
if [ -x bench/run ]; then
    printf '\n=== over HTTP, signed\n'
    bench/run
fi
