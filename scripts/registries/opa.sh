#!/usr/bin/env bash
# opa.sh --prepare            builds the server (minutes when the caches are empty) and ends
# opa.sh DIR ADDRESS PORT     one Open Policy Agent in the foreground, with the policies (*.rego) that lie in DIR
# SIGTERM stops it. Ready when /health answers 200.
source "$(dirname "$0")/common.sh"

server=$cache/opa-$(stamp "$here"/opa/*)
built() { [ -x "$server" ]; }
build() {
  need "Go 1.26 or newer" go
  (cd "$here/opa" && nice -n 10 go build -mod=readonly -trimpath -ldflags '-s -w' -o "$server.new" github.com/open-policy-agent/opa)
  mv "$server.new" "$server"
}
once
dir=${1:?usage: opa.sh --prepare | DIR ADDRESS PORT}
[ "$dir" = --prepare ] && exit
address=${2:?usage: opa.sh DIR ADDRESS PORT}
port=${3:?usage: opa.sh DIR ADDRESS PORT}

mkdir -p "$dir"
cd "$dir"
exec "$server" run --server --skip-version-check --log-level error --addr "$address:$port" .
