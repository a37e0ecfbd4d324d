//! How long to wait before the next attempt to connect.

use std::time::Duration;

/// First wait, at most.
const BASE: Duration = Duration::from_millis(100);
/// Longest wait.
const CAP: Duration = Duration::from_secs(5);

/// Wait after `failures` attempts in a row, at least 1: doubling from 100 ms to 5 s, of which a
/// random part between a half and the whole, so that a fleet does not come back in step. `random`
/// is 64 random bits.
#[must_use]
pub(crate) fn wait(failures: u32, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let full = BASE.saturating_mul(1 << doublings).min(CAP);
    let half = full / 2;
    let share = (random >> 32) as f64 / f64::from(u32::MAX);
    half + half.mul_f64(share.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_jittered_and_are_bounded() {
        for failures in 1..100 {
            let (least, most) = (wait(failures, 0), wait(failures, u64::MAX));
            assert!(
                least >= BASE / 2 && most <= CAP,
                "{failures}: {least:?} {most:?}"
            );
            assert_eq!(least * 2, most);
            assert!(wait(failures + 1, 0) >= least);
        }
        assert_eq!(wait(1, u64::MAX), BASE);
        assert_eq!(wait(100, u64::MAX), CAP);
    }
}
