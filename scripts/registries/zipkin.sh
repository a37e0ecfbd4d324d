#!/usr/bin/env bash
# zipkin.sh --prepare      fetches the server by Maven, and ends
# zipkin.sh DIR PORT       one Zipkin server in the foreground, on loopback; it keeps spans in memory
# SIGTERM stops it. Ready when /health answers 200.
source "$(dirname "$0")/common.sh"

version=3.6.1
jar=$cache/zipkin-server-$version-exec.jar
built() { [ -f "$jar" ]; }
build() { mvn -q -B dependency:copy -Dartifact=io.zipkin:zipkin-server:$version:jar:exec -DoutputDirectory="$cache"; }
need "a JDK 17 and Maven (Debian: openjdk-17-jdk-headless maven)" java mvn
once
dir=${1:?usage: zipkin.sh --prepare | DIR PORT}
[ "$dir" = --prepare ] && exit
port=${2:?usage: zipkin.sh DIR PORT}

mkdir -p "$dir"
cd "$dir"
exec java -Xms64m -Xmx256m -XX:TieredStopAtLevel=1 -jar "$jar" \
  "--armeria.ports[0].ip=127.0.0.1" "--armeria.ports[0].port=$port" "--armeria.ports[0].protocols[0]=http" \
  --zipkin.storage.type=mem
