#!/usr/bin/env bash
# The measurements, each beside baselines of the same run, and one table. Not a test: nothing here passes or fails.
# Sections can be named: scripts/bench.sh warm throughput
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked -q -p updraft -p sandbox -p bench --bins
cargo build --release --locked -q -p store --example store_bench
cargo build --release --locked -q -p sandbox --example sandbox_bench
exec "${CARGO_TARGET_DIR:-target}/release/bench" "$@"
