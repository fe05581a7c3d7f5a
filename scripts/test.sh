#!/usr/bin/env bash
# Runs the test suites one after the other, all of them whatever fails, and ends with one line that counts them together.
#
# Two or three tests that fail are tried once more, alone: machines that others use as well do odd things. What passes then
# does not fail the run, but is named at its end as flaky, which is a bug to be mended.
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
flaky=()

# Most failures of a suite that are tried again; with more, something is broken.
AGAIN_MAX=3

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
    if [ "$f" -gt 0 ] && again "$name" "$f" "$log"; then
        p=$((p + f)) f=0
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    summary+=("$(printf '%-12s %5d passed %3d failed %3d skipped %5d s' "$name" "$p" "$f" "$s" "$((SECONDS - began))")")
}

# again NAME FAILURES LOG: whether all that failed passes when it is tried once more, alone.
again() {
    local name=$1 failures=$2 log=$3 names
    mapfile -t names < <(failures_in "$log")
    { [ "${#names[@]}" = "$failures" ] && [ "$failures" -le "$AGAIN_MAX" ] && declare -F "again_$name" >/dev/null; } || return 1
    printf '\n=== %s, again: %s\n' "$name" "${names[*]}"
    "again_$name" "${names[@]}" </dev/null 2>&1 | tee "$logs/$name.again.log"
    [ "${PIPESTATUS[0]}" = 0 ] || return 1
    flaky+=("${names[@]}")
}

# The names of what failed, as cargo test, unittest and pytest print them.
failures_in() {
    sed -nE -e 's/^test (.+) \.\.\. FAILED$/\1/p' -e 's/^(FAIL|ERROR): [^ ]+ \(([^)]+)\)$/\2/p' \
        -e 's/^(FAILED|ERROR) (tests[^ ]*)( - .*)?$/\2/p' "$1" | sort -u
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

again_rust() {
    timeout --kill-after=10 600 cargo test --workspace --locked --no-fail-fast -- --exact "$@"
}

again_clients() {
    UPDRAFT_BIN=$(debug updraft) timeout --kill-after=10 600 python -m pytest -q "$@"
}

again_runtimes() {
    (cd crates/sandbox/boot/tests && timeout --kill-after=10 600 python -m unittest "$@")
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
[ "${#flaky[@]}" = 0 ] || printf 'flaky: %s (failed, then passed alone: a bug to be mended)\n' "${flaky[@]}"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
