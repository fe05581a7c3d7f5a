#!/bin/sh
# Builds runtime packs: what a sandbox sees, read-only, as /var/runtime.
#
#   build.sh DIRECTORY boot                 the boot files alone (no downloads)
#   build.sh DIRECTORY python 3.12          boto3 for that minor version, in DIRECTORY/python3.12
#   build.sh DIRECTORY nodejs [LIST]        AWS SDK for JavaScript v3, in DIRECTORY/node_modules: the packages of LIST, or of
#                                           nodejs-packages.txt, the services that functions use most (AWS ships all: some
#                                           400 clients, minutes and 500 MB)
#   build.sh DIRECTORY debugpy              Python's debugger, in DIRECTORY/debugpy
#   build.sh DIRECTORY java                 boot.jar, AWS's two libraries and CRaC's, in DIRECTORY/java
#
# Each part is built aside and moved into place; a stamp file says of what, and a second run does nothing.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/versions.env"

fail() {
    echo "packs: $1" >&2
    exit 1
}

# is_current STAMP TEXT: whether the pack was built of this already
is_current() {
    [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]
}

copy_boot() {
    for part in python node; do
        rm -rf "$1/.$part.new"
        cp -R "$here/../$part" "$1/.$part.new"
        find "$1/.$part.new" -name __pycache__ -prune -exec rm -rf {} +
        rm -rf "${1:?}/$part"
        mv "$1/.$part.new" "$1/$part"
    done
}

build_python() {
    minor=${2:?python needs a version, for example 3.12}
    target="$1/python$minor"
    boto3=$BOTO3 simplejson=$SIMPLEJSON
    case $minor in
    3.8) boto3=$BOTO3_PYTHON_3_8 simplejson=$SIMPLEJSON_PYTHON_3_8 ;;
    3.9) boto3=$BOTO3_PYTHON_3_9 ;;
    esac
    want="boto3 $boto3 simplejson $simplejson"
    hooks=
    case $minor in
    3.[0-9] | 3.1[01]) ;;
    *) hooks="snapshot-restore-py==$SNAPSHOT_RESTORE_PY" want="$want $hooks" ;;
    esac
    is_current "$target/.stamp" "$want" && return
    rm -rf "$target.new"
    # shellcheck disable=SC2086
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile --no-warn-conflicts \
        --target "$target.new" --python-version "$minor" --implementation cp --only-binary=:all: \
        "boto3==$boto3" "simplejson==$simplejson" $hooks || fail "pip could not install boto3 for Python $minor"
    echo "$want" > "$target.new/.stamp"
    rm -rf "$target"
    mv "$target.new" "$target"
    echo "packs: python$minor has boto3 $boto3"
}

build_nodejs() {
    packages=$(cat "${2:-$here/nodejs-packages.txt}")
    want=$packages
    is_current "$1/node_modules/.stamp" "$want" && return
    rm -rf "$1/.nodejs.new"
    mkdir -p "$1/.nodejs.new"
    echo '{"private": true}' > "$1/.nodejs.new/package.json"
    (
        cd "$1/.nodejs.new"
        # shellcheck disable=SC2086
        npm install --silent --no-audit --no-fund --ignore-scripts $packages
    ) || fail "npm could not install the AWS SDK"
    # Types, maps and sources are for development; without them the pack is a third of the size.
    find "$1/.nodejs.new/node_modules" \( -name '*.d.ts' -o -name '*.map' -o -name '*.md' -o -name dist-types \) \
        -prune -exec rm -rf {} +
    printf '%s\n' "$want" > "$1/.nodejs.new/node_modules/.stamp"
    rm -rf "${1:?}/node_modules"
    mv "$1/.nodejs.new/node_modules" "$1/node_modules"
    rm -rf "$1/.nodejs.new"
    echo "packs: node_modules has the AWS SDK ($(echo "$packages" | wc -w) packages)"
}

build_debugpy() {
    target="$1/debugpy"
    is_current "$target/.stamp" "debugpy $DEBUGPY" && return
    rm -rf "$target.new"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile --no-deps \
        --target "$target.new" --python-version 3.8 --implementation py --abi none --platform any --only-binary=:all: \
        "debugpy==$DEBUGPY" || fail "pip could not install debugpy"
    echo "debugpy $DEBUGPY" > "$target.new/.stamp"
    rm -rf "$target"
    mv "$target.new" "$target"
    echo "packs: debugpy $DEBUGPY"
}

build_java() {
    sources=$(find "$here/../java" -type f | LC_ALL=C sort)
    # shellcheck disable=SC2086
    want="$LAMBDA_JAVA_CORE $LAMBDA_JAVA_SERIALIZATION $CRAC $(cat $sources | cksum)"
    is_current "$1/java/.stamp" "$want" && return
    new="$1/.java.new"
    rm -rf "$new"
    mkdir -p "$new/classes" "$new/warmup"
    for artifact in "com.amazonaws:aws-lambda-java-core:$LAMBDA_JAVA_CORE" \
        "com.amazonaws:aws-lambda-java-serialization:$LAMBDA_JAVA_SERIALIZATION" "org.crac:crac:$CRAC"; do
        mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -Dartifact="$artifact" \
            -DoutputDirectory="$new" -Dmdep.stripVersion=true >&2 || fail "mvn could not fetch $artifact"
    done
    libraries="$new/aws-lambda-java-core.jar:$new/aws-lambda-java-serialization.jar"
    # shellcheck disable=SC2046
    javac --release 11 -nowarn -Xlint:-options -cp "$libraries" -d "$new/classes" $(find "$here/../java/src" -name '*.java')
    # shellcheck disable=SC2046
    javac --release 11 -nowarn -Xlint:-options -cp "$libraries" -d "$new/warmup" $(find "$here/../java/warmup" -name '*.java')
    jar cfm "$new/boot.jar" "$here/../java/manifest" -C "$new/classes" .
    rm -rf "$new/classes"
    echo "$want" > "$new/.stamp"
    rm -rf "${1:?}/java"
    mv "$new" "$1/java"
    echo "packs: java has boot.jar"
}

[ $# -ge 2 ] || fail "usage: build.sh DIRECTORY boot|python|nodejs|java|debugpy [version|list]"
mkdir -p "$1"
directory=$(cd "$1" && pwd)
part=$2
shift 2
case $part in
boot) copy_boot "$directory" ;;
python) build_python "$directory" "$@" ;;
nodejs) build_nodejs "$directory" "$@" ;;
java) build_java "$directory" ;;
debugpy) build_debugpy "$directory" ;;
*) fail "no part $part" ;;
esac
