#!/usr/bin/env bash
# The long tests: every ignored test whose name begins with `soak_`, and those that are named here,
# each for WEIR_SOAK_SECONDS (600), then the fuzz targets, each for FUZZ_SECONDS (300). They measure, so
# what they start is the release build.
set -euo pipefail
cd "$(dirname "$0")/.."
export WEIR_SOAK_SECONDS=${WEIR_SOAK_SECONDS:-600}
cargo=${CARGO:-cargo}
"$cargo" build --locked --release --bin weir
WEIR_BIN=${CARGO_TARGET_DIR:-$PWD/target}/release/weir
export WEIR_BIN
others=(
    attacks_cost_good_clients_little
    certificates_change_live_without_a_failure_for_long
    a_flood_of_handshakes_leaves_four_fifths
)
"$cargo" test --locked --workspace --lib --bins --tests -- \
    soak_ "${others[@]}" --ignored --nocapture --test-threads 1
scripts/fuzz.sh
