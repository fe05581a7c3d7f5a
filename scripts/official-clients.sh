#!/usr/bin/env bash
# Fetches AWS's own runtime clients, under which the boot files' tests run the same functions to compare the answers:
# official-clients.sh DIRECTORY. Quick when they are there.
set -euo pipefail

NODE_CLIENT=aws-lambda-ric@3.3.0
JAVA_CLIENT=com.amazonaws:aws-lambda-java-runtime-interface-client:2.6.0
directory=${1:?usage: official-clients.sh DIRECTORY}
mkdir -p "$directory"
cd "$directory"

# Its native part needs a C++ toolchain; the tests stand in for that and use the rest.
if [ "$(cat node/.stamp 2>/dev/null)" != "$NODE_CLIENT" ]; then
    rm -rf node
    mkdir node
    tar xzf "$(npm pack --silent "$NODE_CLIENT" --pack-destination .)" -C node --strip-components=1
    rm -f ./*.tgz
    echo "$NODE_CLIENT" >node/.stamp
fi

if [ "$(cat java/.stamp 2>/dev/null)" != "$JAVA_CLIENT" ]; then
    rm -rf java
    mkdir java
    IFS=: read -r group artifact version <<<"$JAVA_CLIENT"
    cat >java/pom.xml <<POM
<project><modelVersion>4.0.0</modelVersion><groupId>updraft</groupId><artifactId>clients</artifactId><version>1</version>
<dependencies><dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency></dependencies>
</project>
POM
    mvn -q -B -ntp -Dstyle.color=never -f java/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DoutputDirectory=jars
    echo "$JAVA_CLIENT" >java/.stamp
fi
