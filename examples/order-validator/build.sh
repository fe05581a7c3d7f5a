#!/bin/sh
# Makes build/function.zip: a jar of the classes and the one library, which Lambda takes as it is.
set -eu

cd "$(dirname "$0")"
# Maven takes seconds to find out that there is nothing to do.
if [ -f build/function.zip ] && [ -z "$(find pom.xml src -newer build/function.zip)" ]; then
    exit 0
fi
mvn -q -B -ntp -Dstyle.color=never package
mkdir -p build
cp target/order-validator.jar build/function.zip
