#!/usr/bin/env bash
# Builds h2spec, the conformance suite of HTTP/2, at the versions of h2spec/go.mod and go.sum, once, and
# prints where it is. Needs Go; the first run fetches modules.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tool=$here/../.cache/tools/h2spec-$(cat "$here"/h2spec/go.* | sha256sum | cut -c1-12)
if [ ! -x "$tool" ]; then
  command -v go >/dev/null 2>&1 || { echo "h2spec.sh: go is missing; install Go (https://go.dev/dl)" >&2; exit 2; }
  mkdir -p "$(dirname "$tool")"
  (cd "$here/h2spec" && go build -mod=readonly -trimpath -o "$tool.new" github.com/summerwind/h2spec/cmd/h2spec) >&2
  mv "$tool.new" "$tool"
fi
realpath "$tool"
