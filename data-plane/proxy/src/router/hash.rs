//! Hashing texts piece by piece. Seeded per process: whoever writes routes or requests cannot
//! aim at collisions.

use std::hash::{BuildHasher, Hasher};

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

/// The hash of what `before` is the hash of, and `bytes` behind it.
#[inline]
pub(crate) fn step(before: u64, bytes: &[u8]) -> u64 {
    let state = SeedableRandomState::with_seed(before, SharedSeed::global_random());
    let mut hasher = state.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// The hash of a text.
#[inline]
pub(crate) fn of(text: &str) -> u64 {
    step(0, text.as_bytes())
}
