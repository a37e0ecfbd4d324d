#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (300), or those that are named, from the kept corpus in
# fuzz/seeds. What is found on the way stays in .cache/fuzz; a crash is put into fuzz/artifacts and
# fails the run. FUZZ_KEEP=1 adds what reaches new code to the kept corpus, minimised.
#
# The targets are built by the stable compiler, without a sanitizer: the product has no unsafe code,
# and what is looked for is a panic or a disagreement.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-300}
if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install cargo-fuzz --locked
fi
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$PWD/fuzz/target}
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo fuzz list)
cargo fuzz build --sanitizer none
for target in "${targets[@]}"; do
    found=.cache/fuzz/$target
    kept=fuzz/seeds/$target
    mkdir -p "$found" "$kept"
    log=$(mktemp)
    # Large inputs find nothing here that small ones do not.
    if ! cargo fuzz run --sanitizer none "$target" "$found" "$kept" -- \
        -max_total_time="$seconds" -max_len=2048 -timeout=10 -rss_limit_mb=1024 \
        -print_final_stats=1 >"$log" 2>&1; then
        tail -60 "$log"
        echo "fuzz: $target failed"
        exit 1
    fi
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "fuzz: $target: $executed executions in $seconds s"
    rm -f "$log"
    if [ -n "${FUZZ_KEEP:-}" ]; then
        merged=$(mktemp -d)
        cargo fuzz run --sanitizer none "$target" "$merged" "$kept" "$found" -- -merge=1 -max_len=512 \
            >/dev/null 2>&1
        find "$kept" -type f -delete
        find "$merged" -type f -exec mv -t "$kept" {} +
        rmdir "$merged"
    fi
done
