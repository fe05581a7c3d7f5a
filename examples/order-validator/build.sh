#!/bin/sh
# Makes build/function.zip: a jar of the classes and the one library, which Lambda takes as it is.
set -eu

cd "$(dirname "$0")"
mvn -q -B -ntp -Dstyle.color=never package
mkdir -p build
cp target/order-validator.jar build/function.zip
