#!/usr/bin/env bash
# eureka.sh --prepare            fetches the libraries by Maven, compiles the server, and ends
# eureka.sh DIR ADDRESS PORT     one Eureka server in the foreground; it keeps nothing on disk
# EUREKA_USER and EUREKA_PASSWORD are its login. SIGTERM stops it.
# Ready when /eureka/apps answers 200. Changes are served within half a second.
source "$(dirname "$0")/common.sh"

java_prepare
dir=${1:?usage: eureka.sh --prepare | DIR ADDRESS PORT}
[ "$dir" = --prepare ] && exit
address=${2:?usage: eureka.sh DIR ADDRESS PORT}
port=${3:?usage: eureka.sh DIR ADDRESS PORT}

mkdir -p "$dir"
cd "$dir"
exec java -Xms64m -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$class_path" weir.test.Server \
  --server.address="$address" --server.port="$port" --spring.main.banner-mode=off \
  --spring.security.user.name="${EUREKA_USER:-weir}" --spring.security.user.password="${EUREKA_PASSWORD:-weir}" \
  --eureka.client.register-with-eureka=false --eureka.client.fetch-registry=false \
  --eureka.server.enable-self-preservation=false --eureka.server.response-cache-update-interval-ms=500 \
  --eureka.server.eviction-interval-timer-in-ms=1000
