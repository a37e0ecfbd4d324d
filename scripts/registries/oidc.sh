#!/usr/bin/env bash
# oidc.sh --prepare          fetches the provider by npm, and ends
# oidc.sh DIR ADDRESS PORT   one OpenID Connect provider in the foreground; it keeps nothing on disk
# Needs Node. SIGTERM stops it. Ready when /.well-known/openid-configuration answers 200.
source "$(dirname "$0")/common.sh"

need "Node 20" node npm
provider=$cache/$(stamp "$here/oidc/package.json" "$here/oidc/server.mjs")
built() { [ -f "$provider/done" ]; }
build() {
  rm -rf "${provider:?}"
  mkdir -p "$provider"
  cp "$here/oidc/package.json" "$here/oidc/server.mjs" "$provider/"
  npm install --prefix "$provider" --no-audit --no-fund --ignore-scripts
  touch "$provider/done"
}
once
dir=${1:?usage: oidc.sh --prepare | DIR ADDRESS PORT}
[ "$dir" = --prepare ] && exit
address=${2:?usage: oidc.sh DIR ADDRESS PORT}
port=${3:?usage: oidc.sh DIR ADDRESS PORT}

mkdir -p "$dir"
cd "$dir"
exec node "$provider/server.mjs" "$address" "$port"
