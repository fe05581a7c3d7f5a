#!/usr/bin/env bash
# The measurements, each beside baselines of the same run, and one table. Not a test: nothing here passes or fails.
# Sections can be named: scripts/bench.sh warm throughput
set -euo pipefail
cd "$(dirname "$0")/.."

# What API Gateway is compared with. Without it the section goes without.
if ! command -v nginx >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends nginx-light; } >/dev/null 2>&1 \
        || echo "bench: nginx could not be installed" >&2
    # The comparison starts one of its own; the package's must not run beside it.
    { service nginx stop || true; } >/dev/null 2>&1
fi

cargo build --release --locked -q -p updraft -p sandbox -p bench --bins
cargo build --release --locked -q -p store --example store_bench
cargo build --release --locked -q -p lang --example render
cargo build --release --locked -q -p sandbox --example sandbox_bench
exec "${CARGO_TARGET_DIR:-target}/release/bench" "$@"
