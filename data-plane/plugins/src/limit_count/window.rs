//! The counting itself: what one request does to the window of its key.

use std::time::Duration;

use weir_plugin_api::text::Decimal;

use crate::table::KeyState;

/// Counter of one key.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Window {
    start: Duration,
    /// Length of the window that is running; zero before the first request.
    length: Duration,
    used: u64,
    /// Count of the window before, for sliding windows.
    previous: u64,
    sliding: bool,
}

/// What a request is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    pub(super) remaining: u64,
    /// Time until the window ends.
    pub(super) reset: Duration,
}

impl KeyState for Window {
    fn idle_from(&self) -> Duration {
        let after = if self.sliding { 2 } else { 1 };
        self.start.saturating_add(self.length.saturating_mul(after))
    }
}

impl Window {
    /// Counts one request in a window that starts with the first request of its key and keeps its
    /// length until it ends.
    pub(super) fn fixed(&mut self, now: Duration, count: u64, length: Duration) -> Verdict {
        if self.sliding || now >= self.start.saturating_add(self.length) {
            *self = Window {
                start: now,
                length,
                ..Window::default()
            };
        }
        let allowed = self.used < count;
        self.used += u64::from(allowed);
        self.verdict(now, allowed, count.saturating_sub(self.used))
    }

    /// Counts one request against the current window plus the part of the previous one that still
    /// overlaps with the last `length`. Refusals are not counted.
    pub(super) fn sliding(&mut self, now: Duration, count: u64, length: Duration) -> Verdict {
        let elapsed = now.saturating_sub(self.start);
        let fresh = !self.sliding || self.length != length;
        if fresh || elapsed >= length.saturating_mul(2) {
            *self = Window {
                start: now,
                length,
                sliding: true,
                ..Window::default()
            };
        } else if elapsed >= length {
            self.start += length;
            self.previous = self.used;
            self.used = 0;
        }
        let left = self.end().saturating_sub(now);
        // In units of requests times nanoseconds, so that nothing is rounded.
        let whole = length.as_nanos();
        let limit = u128::from(count).saturating_mul(whole);
        let estimate = u128::from(self.previous)
            .saturating_mul(left.as_nanos().min(whole))
            .saturating_add(u128::from(self.used).saturating_mul(whole));
        let after = estimate.saturating_add(whole);
        let allowed = after <= limit;
        self.used += u64::from(allowed);
        let taken = if allowed { after } else { limit };
        let remaining = limit.saturating_sub(taken).checked_div(whole).unwrap_or(0);
        self.verdict(now, allowed, u64::try_from(remaining).unwrap_or(u64::MAX))
    }

    fn end(&self) -> Duration {
        self.start.saturating_add(self.length)
    }

    fn verdict(&self, now: Duration, allowed: bool, remaining: u64) -> Verdict {
        // A worker may have read the clock just before another one opened the window.
        let reset = self.end().saturating_sub(now).min(self.length);
        Verdict {
            allowed,
            remaining: if allowed { remaining } else { 0 },
            reset,
        }
    }
}

/// Seconds rounded down to two decimals, as Lua prints them: `60`, `59.9`, `59.99`.
pub(super) fn seconds_text(time: Duration) -> String {
    let whole = Decimal::new(time.as_secs());
    let hundredths = u64::from(time.subsec_millis() / 10);
    let mut text = String::with_capacity(16);
    text.push_str(whole.as_str());
    if hundredths > 0 {
        text.push('.');
        text.push_str(Decimal::new(hundredths / 10).as_str());
        if !hundredths.is_multiple_of(10) {
            text.push_str(Decimal::new(hundredths % 10).as_str());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;
    use weir_plugin_api::Living;

    use super::*;
    use crate::table::Table;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_fixed_window_starts_with_the_first_request() {
        let mut window = Window::default();
        let mut ask = |at| window.fixed(ms(at), 2, ms(1000));
        let verdict = |allowed, remaining, reset| Verdict {
            allowed,
            remaining,
            reset: ms(reset),
        };
        assert_eq!(ask(700), verdict(true, 1, 1000));
        assert_eq!(ask(1200), verdict(true, 0, 500));
        assert_eq!(ask(1699), verdict(false, 0, 1));
        assert_eq!(ask(1700), verdict(true, 1, 1000));
    }

    #[test]
    fn a_sliding_window_weighs_the_previous_one() {
        let mut window = Window::default();
        let mut ask = |at| window.sliding(ms(at), 4, ms(1000));
        for remaining in [3, 2, 1, 0] {
            assert_eq!(ask(0).remaining, remaining);
        }
        assert!(!ask(999).allowed);
        // At 1250 three quarters of the previous four still count: 3 + 1 fits, 3 + 2 does not.
        assert!(ask(1250).allowed);
        assert!(!ask(1250).allowed);
        // At 1500 half of them: 2 + 1 + 1 fits.
        assert!(ask(1500).allowed);
        assert!(!ask(1500).allowed);
        // Two windows later nothing counts.
        assert_eq!(ask(4000).remaining, 3);
    }

    #[test]
    fn time_left_is_rounded_down_to_hundredths() {
        for (time, text) in [
            (ms(60_000), "60"),
            (ms(59_999), "59.99"),
            (ms(59_900), "59.9"),
            (ms(1_059), "1.05"),
            (ms(9), "0"),
        ] {
            assert_eq!(seconds_text(time), text);
        }
    }

    /// Four workers ask while the clock runs on: whatever they interleave to, no window holds more
    /// than `count`, and every window that was opened is used up.
    #[test]
    fn concurrent_workers_never_exceed_a_window() {
        const COUNT: u64 = 50;
        const LENGTH: Duration = ms(100);
        let table: Arc<Table<Window>> = Table::shared(&Living::default(), "test");
        let clock = AtomicU64::new(0);
        let mut per_window: HashMap<Duration, u64> = HashMap::new();
        std::thread::scope(|scope| {
            let work = || {
                let mut admitted = Vec::new();
                for _ in 0..5_000 {
                    let now = Duration::from_micros(clock.fetch_add(50, Ordering::SeqCst));
                    let (verdict, start) = table.update("key", now, |window| {
                        (window.fixed(now, COUNT, LENGTH), window.start)
                    });
                    admitted.extend(verdict.allowed.then_some(start));
                }
                admitted
            };
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            for start in workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap())
            {
                *per_window.entry(start).or_default() += 1;
            }
        });
        let last = per_window.keys().max().copied();
        for (start, admitted) in per_window {
            assert!(admitted <= COUNT, "{admitted} at {start:?}");
            assert!(
                admitted == COUNT || Some(start) == last,
                "{admitted} at {start:?}"
            );
        }
    }

    proptest! {
        /// No span of one window holds more than `count` admitted requests that started it.
        #[test]
        fn a_fixed_window_never_admits_more(
            gaps in prop::collection::vec(0_u64..400, 1..200),
            count in 1_u64..10,
        ) {
            let length = ms(1000);
            let mut window = Window::default();
            let mut now = Duration::ZERO;
            let mut admitted: Vec<(Duration, Duration)> = Vec::new();
            for gap in gaps {
                now += ms(gap);
                let verdict = window.fixed(now, count, length);
                prop_assert!(verdict.reset <= length && verdict.remaining < count);
                if verdict.allowed {
                    admitted.push((now + verdict.reset, now));
                }
            }
            for (end, _) in &admitted {
                let inside = admitted.iter().filter(|(other, _)| other == end).count();
                prop_assert!(inside as u64 <= count);
            }
        }

        /// The weighted estimate is never above the limit, and an idle key gets its quota back.
        #[test]
        fn a_sliding_window_never_admits_more_than_twice_and_recovers(
            gaps in prop::collection::vec(0_u64..400, 1..200),
            count in 1_u64..10,
        ) {
            let length = ms(1000);
            let mut window = Window::default();
            let mut now = Duration::ZERO;
            let mut admitted: Vec<Duration> = Vec::new();
            for gap in gaps {
                now += ms(gap);
                if window.sliding(now, count, length).allowed {
                    admitted.push(now);
                }
                prop_assert!(window.used <= count && window.previous <= count);
            }
            for at in &admitted {
                let inside = admitted.iter().filter(|o| **o >= *at && **o < *at + length).count();
                prop_assert!(inside as u64 <= 2 * count);
            }
            let idle = window.idle_from().max(now);
            prop_assert_eq!(window.sliding(idle, count, length).remaining, count - 1);
        }
    }
}
