//! The breaker of one path.

use std::time::Duration;

use crate::table::KeyState;

/// A path on which nothing is counted for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// When a breaker opens, and for how long.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) unhealthy: Box<[u16]>,
    /// 1 or more.
    pub(super) failures: u64,
    pub(super) healthy: Box<[u16]>,
    pub(super) successes: u64,
    pub(super) longest: Duration,
}

/// What was seen of one path.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Breaker {
    failed: u64,
    succeeded: u64,
    opened: Option<Duration>,
    counted: Duration,
}

impl KeyState for Breaker {
    fn idle_from(&self) -> Duration {
        if self.failed == 0 {
            Duration::ZERO
        } else {
            self.counted.saturating_add(FORGOTTEN)
        }
    }
}

impl Breaker {
    /// Whether requests are turned away.
    pub(super) fn is_open(&self, now: Duration, rules: &Rules) -> bool {
        let Some(opened) = self.opened else {
            return false;
        };
        let times = self.failed.checked_div(rules.failures).unwrap_or(0);
        let seconds = u32::try_from(times)
            .ok()
            .and_then(|times| 2_u64.checked_pow(times));
        let time = seconds.map_or(rules.longest, Duration::from_secs);
        now <= opened.saturating_add(time.min(rules.longest))
    }

    /// Counts what a node answered.
    pub(super) fn answered(&mut self, status: u16, now: Duration, rules: &Rules) {
        if rules.unhealthy.contains(&status) {
            self.failed = self.failed.saturating_add(1);
            self.succeeded = 0;
            self.counted = now;
            if self.failed.checked_rem(rules.failures) == Some(0) {
                self.opened = Some(now);
            }
        } else if self.failed > 0 && rules.healthy.contains(&status) {
            self.succeeded += 1;
            self.counted = now;
            if self.succeeded >= rules.successes {
                *self = Self::default();
            }
        }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_new(&self) -> bool {
        self.failed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            unhealthy: [500, 503].into(),
            failures: 3,
            healthy: [200].into(),
            successes: 2,
            longest: Duration::from_secs(10),
        }
    }

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Counts a failure at each of these times and says when it is closed again, in milliseconds.
    fn open_until(failures: &[u64]) -> u64 {
        let (mut breaker, rules) = (Breaker::default(), rules());
        for ms in failures {
            breaker.answered(500, at(*ms), &rules);
        }
        let last = failures.last().copied().unwrap_or(0);
        let open = |ms: &u64| breaker.is_open(at(*ms), &rules);
        (last..last + 100_000).find(|ms| !open(ms)).unwrap() - last
    }

    #[test]
    fn it_opens_for_longer_each_time() {
        assert_eq!(open_until(&[0, 0]), 0);
        assert_eq!(open_until(&[0; 3]), 2001);
        assert_eq!(open_until(&[0; 6]), 4001);
        assert_eq!(open_until(&[0; 9]), 8001);
        assert_eq!(open_until(&[0; 12]), 10_001);
        assert_eq!(open_until(&[0; 300]), 10_001);
    }

    #[test]
    fn failures_between_two_openings_change_nothing() {
        let (mut breaker, rules) = (Breaker::default(), rules());
        for _ in 0..3 {
            breaker.answered(503, at(0), &rules);
        }
        breaker.answered(500, at(1000), &rules);
        breaker.answered(500, at(1500), &rules);
        assert!(breaker.is_open(at(2000), &rules));
        assert!(!breaker.is_open(at(2001), &rules));
    }

    #[test]
    fn successes_in_a_row_close_it_for_good() {
        let (mut breaker, rules) = (Breaker::default(), rules());
        for status in [500, 500, 500, 200, 500, 200, 404] {
            breaker.answered(status, at(0), &rules);
        }
        assert!(breaker.is_open(at(0), &rules));
        breaker.answered(200, at(0), &rules);
        assert!(breaker.is_new() && !breaker.is_open(at(0), &rules));
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn successes_before_any_failure_are_not_counted() {
        let (mut breaker, rules) = (Breaker::default(), rules());
        breaker.answered(200, at(0), &rules);
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn numbers_do_not_overflow() {
        let mut breaker = Breaker {
            failed: u64::MAX,
            succeeded: 0,
            opened: Some(Duration::MAX),
            counted: Duration::MAX,
        };
        assert!(breaker.is_open(Duration::MAX, &rules()));
        breaker.answered(500, Duration::MAX, &rules());
        assert_eq!(breaker.idle_from(), Duration::MAX);
    }
}
