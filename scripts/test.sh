#!/usr/bin/env bash
# Runs the test suites one after the other, all of them whatever fails, and ends with one line that counts them together.
#
#   test.sh         everything but the heavier clients
#   test.sh sdks    the heavier clients: Java, Go and Rust SDKs; and what is behind a feature
#
# `make test` sets the environment. Each suite's output also stays in .cache/test-logs.
set -uo pipefail
cd "$(dirname "$0")/.."

logs=.cache/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0
summary=()

# suite NAME MINUTES COMMAND...: its output, its counts, its time. A suite that fails without a count is one failure.
suite() {
    local name=$1 minutes=$2 log="$logs/$1.log" began=$SECONDS status counts p f s
    shift 2
    printf '\n=== %s\n' "$name"
    timeout --kill-after=10 "$((minutes * 60))" "$@" </dev/null 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    [ "$status" = 124 ] && echo "$name did not end within $minutes minutes"
    counts=$(count <"$log")
    read -r p f s <<<"$counts"
    [ "$status" != 0 ] && [ "$f" = 0 ] && f=1
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    summary+=("$(printf '%-12s %5d passed %3d failed %3d skipped %5d s' "$name" "$p" "$f" "$s" "$((SECONDS - began))")")
}

# Adds up the closing lines of cargo test, unittest and pytest: passed, failed, skipped.
count() {
    awk '
        function before(word) { return match($0, "[0-9]+ " word) ? substr($0, RSTART) + 0 : 0 }
        function after(word) { return match($0, word "=[0-9]+") ? substr($0, RSTART + length(word) + 1) + 0 : 0 }
        /^test result: / { p += before("passed"); f += before("failed"); s += before("ignored") }
        /^Ran [0-9]+ tests? in / { ran = $2 }
        ran && /^(OK|FAILED)( |$)/ { bad = after("failures") + after("errors"); off = after("skipped"); p += ran - bad - off; f += bad; s += off; ran = 0 }
        /^=+ .* in [0-9.]+s.* =+$/ || /^[0-9]+ (passed|failed).* in [0-9.]+s/ { p += before("passed"); f += before("failed") + before("error"); s += before("skipped") }
        END { print p + 0, f + 0, s + 0 }'
}

debug() { echo "${CARGO_TARGET_DIR:-target}/debug/$1"; }

build() {
    cargo test --workspace --locked --no-run && cargo build --locked -p updraft && "$(debug updraft)" runtimes install
}

clients() {
    UPDRAFT_BIN=$(debug updraft) suite "$@"
}

# The boot files, beside AWS's own clients where those can be fetched.
runtimes() {
    local clients=$UPDRAFT_CACHE/clients
    export UPDRAFT_TEST_RUNTIME_DIR=$UPDRAFT_RUNTIMES_DIR
    if scripts/official-clients.sh "$clients"; then
        export UPDRAFT_TEST_AWSLAMBDARIC=$PWD/.cache/venv/bin/python
        export UPDRAFT_TEST_AWS_LAMBDA_RIC=$clients/node UPDRAFT_TEST_JAVA_RIC="$clients/java/jars/*"
    else
        echo "test: AWS's own clients could not be fetched; the comparisons with them are skipped"
    fi
    suite runtimes 8 python -m unittest discover -s crates/sandbox/boot/tests -t crates/sandbox/boot/tests
}

everything() {
    suite build 15 bash -c "$(declare -f build debug); build"
    suite rust 12 cargo test --workspace --locked --no-fail-fast
    runtimes
    clients clients 15 python -m pytest tests -m 'not sdks' -q
}

case "${1:-everything}" in
everything) everything ;;
sdks)
    suite build 15 bash -c "$(declare -f build debug); build"
    suite otlp 10 cargo test --locked -p observe --features otlp otlp
    clients sdks 20 python -m pytest tests -m sdks -q
    ;;
*) echo "test.sh [sdks]" >&2; exit 2 ;;
esac

printf '\n=== together\n'
printf '%s\n' "${summary[@]}"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
