#!/bin/sh
# Makes build/function.zip: the handler, and Pillow as a wheel for the Python that will run it.
#
# Pillow is a native library, so its minor version counts. PYTHON_MINOR says which (3.12 for a function on AWS);
# otherwise that of the python3 at hand, whose runtime name is left in build/runtime.
set -eu

cd "$(dirname "$0")"
python=${PYTHON:-python3}
minor=${PYTHON_MINOR:-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
want="$minor $(cat requirements.txt) $(uname -m)"
if [ "$(cat build/.stamp 2>/dev/null)" != "$want" ]; then
    rm -rf build/package build/.stamp
    "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile \
        --target build/package --python-version "$minor" --implementation cp --only-binary=:all: -r requirements.txt
    # Pillow's own command-line tools; nothing imports them.
    rm -rf build/package/bin
    printf '%s' "$want" > build/.stamp
fi
printf 'python%s' "$minor" > build/runtime
"$python" ../zip.py build/function.zip build/package thumbnailer.py
"$python" make_event.py photos/ridge.jpg > build/event.json
