//! How long to wait before a registry is asked again. Pure.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// The pause after `failures` failures in a row, at least 1: doubling, and between half and all of
/// it by `random` in 0..1, so that many watches do not come back together.
pub(super) fn pause(failures: u32, random: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled
        .min(LONGEST)
        .mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_are_never_short() {
        assert_eq!(pause(1, 1.0), Duration::from_millis(500));
        assert_eq!(pause(1, 0.0), Duration::from_millis(250));
        assert_eq!(pause(3, 1.0), Duration::from_secs(2));
        for failures in [8, 60, u32::MAX] {
            assert_eq!(pause(failures, 1.0), LONGEST);
        }
        assert_eq!(pause(0, 0.0), Duration::from_millis(250));
    }
}
